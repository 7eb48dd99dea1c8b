/** Pooling over planes. */

import type { WindowCall } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { pair, writeWords } from "./planes.ts";
import { DIVIDE, roomOf } from "./pool.ts";
import { inRanges } from "./ranges.ts";
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
  const geometry = [
    rows,
    columns,
    outRows,
    outColumns,
    ...pair(call.kernel, 1),
    ...pair(call.stride, 1),
    ...pair(call.padBegin, 0),
    ...pair(call.dilation, 1),
    ...pair(call.padEnd, 0),
    typeof call.divisor === "number" ? DIVIDE.fixed : DIVIDE[call.divisor],
  ];
  const words = new Int32Array(new Float32Array([typeof call.divisor === "number" ? call.divisor : 1]).buffer);
  const block = writeWords(runtime, [...geometry, ...words]);
  const [from, to] = [addressOf(x) + x.offset * FLOAT, addressOf(out) + out.offset * FLOAT];
  const [size, outSize] = [rows * columns * FLOAT, outRows * outColumns];
  const [high, width] = pair(call.kernel, 1);
  if (index !== undefined) {
    const indices = addressOf(index) + index.offset * 8;
    return inRanges(runtime, planes, outSize * high * width * 4, (plane, count) =>
      dense.pools.maxPositions(to + plane * outSize * FLOAT, indices + plane * outSize * 8, from + plane * size, count, block),
    );
  }
  const [[, stride], [, dilation]] = [pair(call.stride, 1), pair(call.dilation, 1)];
  const run = call.reduction === "max" ? dense.pools.maxPlanes : dense.pools.sumPlanes;
  inRanges(runtime, planes, rows * columns + outSize * (high + width), (plane, count) => {
    // A gathered row reaches three strides further than the windows do.
    const room = runtime.memory.allocate(roomOf((outColumns + 3) * stride + width * dilation, outColumns) * FLOAT);
    run(to + plane * outSize * FLOAT, from + plane * size, count, block, room.address);
    runtime.memory.free(room);
  });
}
