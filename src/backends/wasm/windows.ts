/** Pooling over planes. */

import type { WindowCall } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { pair, writeWords } from "./planes.ts";
import { DIVIDE } from "./pool.ts";
import type { KernelRuntime } from "./runtime.ts";

export function refusesWindow(call: WindowCall): string | undefined {
  const [x] = call.operands;
  const [out] = call.results;
  if (x === undefined || out === undefined) return unreachable("operands");
  if (x.dtype !== "float32" || out.dtype !== "float32") return `no pooling kernel for ${x.dtype}`;
  if (call.kernel.length > 2) return `no pooling kernel for ${call.kernel.length} axes`;
  return [x, ...call.results].every((v) => isContiguous(v.shape, v.strides)) ? undefined : "a pooled tensor is not contiguous";
}

export function runWindow(call: WindowCall, runtime: KernelRuntime, dense: DenseKernels, addressOf: (view: View) => number): void {
  const [x] = call.operands;
  const [out, index] = call.results;
  if (x === undefined || out === undefined) return unreachable("operands");
  const axes = call.kernel.length;
  const [rows, columns] = pair(x.shape.slice(-axes), 1);
  const [outRows, outColumns] = pair(out.shape.slice(-axes), 1);
  const planes = numelOf(x.shape.slice(0, x.shape.length - axes));
  const [from, to] = [addressOf(x) + x.offset * FLOAT, addressOf(out) + out.offset * FLOAT];
  const [stride, padding, step, kernel] = [pair(call.stride, 1), pair(call.padBegin, 0), pair(call.dilation, 1), pair(call.kernel, 1)];
  const divisor = fixedDivisor(call);
  if (index === undefined && outColumns >= 4 && (stride[1] === 1 || stride[1] === 2) && (call.reduction === "max" || divisor !== undefined)) {
    const run =
      call.reduction === "max" ? (stride[1] === 1 ? dense.maxPoolRows1 : dense.maxPoolRows2) : stride[1] === 1 ? dense.sumPoolRows1 : dense.sumPoolRows2;
    return run(to, from, planes, rows, columns, outRows, outColumns, ...kernel, stride[0], ...padding, ...step, divisor ?? 1);
  }
  const geometry = [
    rows,
    columns,
    outRows,
    outColumns,
    ...kernel,
    ...stride,
    ...padding,
    ...step,
    ...pair(call.padEnd, 0),
    typeof call.divisor === "number" ? DIVIDE.fixed : DIVIDE[call.divisor],
  ];
  const words = new Int32Array(new Float32Array([typeof call.divisor === "number" ? call.divisor : 1]).buffer);
  const block = writeWords(runtime, [...geometry, ...words]);
  const run = call.reduction === "max" ? dense.maxPool : dense.sumPool;
  const indices = index === undefined ? 0 : addressOf(index) + index.offset * 8;
  for (let p = 0; p < planes; p++) {
    const done = p * outRows * outColumns;
    run(to + done * FLOAT, indices === 0 ? 0 : indices + done * 8, from + p * rows * columns * FLOAT, block);
  }
}

/** What every sum is divided by, where that is one number. */
function fixedDivisor(call: WindowCall): number | undefined {
  if (typeof call.divisor === "number") return call.divisor;
  const [x, out] = [call.operands[0]?.shape ?? [], call.results[0]?.shape ?? []];
  const padded = call.divisor === "window";
  const whole = call.kernel.every((size, i) => {
    const axis = i - call.kernel.length;
    const [before, after] = [call.padBegin[i] ?? 0, call.padEnd[i] ?? 0];
    const reach = ((out.at(axis) ?? 1) - 1) * (call.stride[i] ?? 1) + size;
    return (call.dilation[i] ?? 1) === 1 && (padded ? reach <= (x.at(axis) ?? 1) + before + after : before === 0 && reach <= (x.at(axis) ?? 1));
  });
  return whole ? numelOf(call.kernel) : undefined;
}
