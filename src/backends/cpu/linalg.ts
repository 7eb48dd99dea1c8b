/** Linalg calls on the CPU, matrix by matrix over the leading axes: each carries its factorisation. */

import type { LinalgCall } from "../../prims/call.ts";
import type { HostMatrix } from "../../prims/factorisation.ts";
import { isComplex } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import { forEachOffset, type View } from "../../tensor/tensor.ts";
import { doublesOf, pairsOf, writeDoubles } from "./dense.ts";

/** A matrix's elements; a vector is one column. */
function matrixOf(view: View): HostMatrix {
  const [rows = 1, cols = 1] = view.shape;
  return isComplex(view.dtype) ? { rows, cols, ...pairsOf(view) } : { rows, cols, re: doublesOf(view), im: undefined };
}

/** Offsets of a view's matrices, and its last `core` axes. */
function batchesOf(view: View, core: number): { readonly offsets: readonly number[]; readonly shape: readonly number[]; readonly strides: readonly number[] } {
  const lead = view.shape.length - core;
  const offsets: number[] = [];
  forEachOffset(view.shape.slice(0, lead), view.strides.slice(0, lead), view.offset, (at) => offsets.push(at));
  return { offsets, shape: view.shape.slice(lead), strides: view.strides.slice(lead) };
}

/** Runs a linalg call. Operands and results have the same leading axes. */
export function linalg(call: LinalgCall): void {
  const kernel = call.factorisation;
  // One result where a kernel has several is its values: R, singular values, eigenvalues.
  const cores = call.results.length === 1 && kernel.results.length > 1 ? [call.name === "qr" ? 2 : 1] : kernel.results;
  const operands = call.operands.map((v, i) => batchesOf(v, kernel.operands[i] ?? 2));
  const results = call.results.map((v, i) => batchesOf(v, cores[i] ?? 2));
  const count = Math.max(...[...operands, ...results].map((b) => b.offsets.length), 0);
  for (let n = 0; n < count; n++) {
    const inputs = operands.map((b, i): View => ({ storage: (call.operands[i] ?? unreachable("operand")).storage, dtype: call.operands[i]?.dtype ?? "float64", shape: b.shape, strides: b.strides, offset: b.offsets[n] ?? 0 }));
    const values = kernel.run(inputs.map(matrixOf), call.flags, call.results.length);
    call.results.forEach((result, i) => {
      const batch = results[i] ?? unreachable("result");
      const view: View = { storage: result.storage, dtype: result.dtype, shape: batch.shape, strides: batch.strides, offset: batch.offsets[n] ?? 0 };
      const value = values[i] ?? unreachable("value");
      if (numelOf(view.shape) > 0) writeDoubles(view, value.re, value.im);
    });
  }
}
