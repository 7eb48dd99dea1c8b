/** Products of integers of 8 and 16 bits, exact in int32. */

import type { ContractCall } from "../../prims/call.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import type { Finish } from "./epilogue.ts";
import { COLUMNS, ROWS } from "./gemm.ts";
import { SHORT, shortBytes } from "./integer-gemm.ts";
import type { Packed } from "./products.ts";
import { inRanges } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";

/** Rows of one range. */
const RANGE_ROWS = 64;

function elementOf(dtype: DType): number | undefined {
  const { carrier, class: kind } = dtypeInfo(dtype);
  if (kind === "float" || kind === "complex") return undefined;
  return carrier === "i8" ? SHORT.int8 : carrier === "u8" ? SHORT.uint8 : carrier === "i16" ? SHORT.int16 : undefined;
}

/** Whether the operands are integers that can be packed. */
export function isShortProduct(call: ContractCall): boolean {
  const [a, b] = call.operands;
  const out = call.results[0];
  return a !== undefined && b !== undefined && out?.dtype === "int32" && elementOf(a.dtype) !== undefined && elementOf(b.dtype) !== undefined;
}

export function refusesShortProduct(call: ContractCall): string | undefined {
  const out = call.results[0] ?? unreachable("result");
  if (call.epilogue !== undefined && call.epilogue.operands[0] !== "int32") return `the product is wanted in ${call.epilogue.operands[0] ?? "another dtype"}`;
  return (out.shape[2] ?? 1) > 1 && out.strides[2] !== 1 ? "the result's rows are not contiguous" : undefined;
}

export function runShortProduct(
  call: ContractCall,
  runtime: KernelRuntime,
  dense: DenseKernels,
  addressOf: (view: View) => number,
  packed: Packed,
  finish: Finish | undefined,
): void {
  const [a, b] = call.operands;
  const out = call.results[0];
  if (a === undefined || b === undefined || out === undefined) return unreachable("operands");
  const [batches = 1, rows = 1, columns = 1] = out.shape;
  const depth = a.shape[2] ?? 0;
  if (batches * rows * columns === 0) return;
  const at = (view: View, batch: number): number => addressOf(view) + (view.offset + batch * (view.strides[0] ?? 0)) * dtypeInfo(view.dtype).itemsize;
  const stride = (view: View, axis: number): number => (view.strides[axis] ?? 0) * dtypeInfo(view.dtype).itemsize;
  const element = (view: View): number => elementOf(view.dtype) ?? unreachable(view.dtype);
  for (let batch = 0; batch < batches; batch++) {
    const key = `shorts/${b.strides[0] === 0 ? 0 : batch}/${b.dtype}/${b.shape.join(",")}/${b.strides.join(",")}/${b.offset}`;
    const right = packed(b, key, shortBytes(columns, depth, COLUMNS), (to) =>
      dense.packShortColumns(to, at(b, batch), columns, depth, stride(b, 2), stride(b, 1), element(b)),
    );
    // Ranges of rows go by their number alone.
    const blocks = Math.ceil(rows / RANGE_ROWS);
    inRanges(runtime, blocks, (RANGE_ROWS * columns * depth) / 16, (first, count) => {
      const from = first * RANGE_ROWS;
      const high = Math.min(rows - from, count * RANGE_ROWS);
      const scratch = runtime.memory.allocate(shortBytes(high, depth, ROWS));
      dense.packShortRows(scratch.address, at(a, batch) + from * stride(a, 1), high, depth, stride(a, 1), stride(a, 2), element(a));
      dense.multiplyShorts(scratch.address, right.address, at(out, batch) + from * stride(out, 1), high, columns, depth, stride(out, 1));
      runtime.memory.free(scratch);
      finish?.({ batch, row: from, rows: high, column: 0, columns });
    });
  }
}
