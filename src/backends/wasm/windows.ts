/** Pooling over planes, and over slices of planes. */

import type { WindowCall } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { flattened } from "./epilogue.ts";
import { fromView, toView } from "./layout.ts";
import { type Pair, pair, writeWords } from "./planes.ts";
import { DIVIDE, roomOf } from "./pool.ts";
import { inRanges } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";

export function refusesWindow(call: WindowCall): string | undefined {
  const [x] = call.operands;
  const [out, index] = call.results;
  if (x === undefined || out === undefined) return unreachable("operands");
  if (x.dtype !== "float32" || out.dtype !== "float32") return `no pooling kernel for ${x.dtype}`;
  if (call.kernel.length > (index === undefined ? 3 : 2))
    return `no pooling kernel for ${call.kernel.length} axes${index === undefined ? "" : " and positions"}`;
  const isPlanar = (v: View): boolean => isContiguous(v.shape, v.strides);
  const isFit = (v: View): boolean => isPlanar(v) || (index === undefined && v.shape.length === call.kernel.length + 2 && flattened(v) !== undefined);
  return [x, ...call.results].every(isFit) ? undefined : "a pooled tensor is not contiguous";
}

/** Windows over planes, of rows and columns. */
interface Pooling {
  readonly reduction: WindowCall["reduction"];
  readonly divisor: WindowCall["divisor"];
  readonly planes: number;
  readonly size: Pair;
  readonly out: Pair;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padBegin: Pair;
  readonly padEnd: Pair;
  readonly dilation: Pair;
}

export function runWindow(call: WindowCall, runtime: KernelRuntime, dense: DenseKernels, addressOf: (view: View) => number): void {
  const [x] = call.operands;
  const [out, index] = call.results;
  if (x === undefined || out === undefined) return unreachable("operands");
  const axes = call.kernel.length;
  const ahead = Math.max(0, axes - 2);
  const behind = (values: readonly number[], fill: number): Pair => pair(values.slice(values.length - axes + ahead), fill);
  const pooling: Pooling = {
    reduction: call.reduction,
    divisor: ahead > 0 && isInside(call, x, out) ? fixedDivisor(call) : call.divisor,
    planes: numelOf(x.shape.slice(0, x.shape.length - axes + ahead)),
    size: behind(x.shape, 1),
    out: behind(out.shape, 1),
    kernel: behind(call.kernel, 1),
    stride: behind(call.stride, 1),
    padBegin: behind(call.padBegin, 0),
    padEnd: behind(call.padEnd, 0),
    dilation: behind(call.dilation, 1),
  };
  const [from, to] = [addressOf(x) + x.offset * FLOAT, addressOf(out) + out.offset * FLOAT];
  if (index !== undefined) return poolPositions(pooling, runtime, dense, from, to, addressOf(index) + index.offset * 8);
  asPlanes(x, out, from, to, runtime, dense, (planesAt, pooledAt) => {
    if (ahead === 0) poolPlanes(pooling, runtime, dense, planesAt, pooledAt);
    else poolSlices(call, pooling, runtime, dense, planesAt, pooledAt);
  });
}

/** Runs `pool` on planes and to planes: the views' own, or copies where they lie otherwise. */
function asPlanes(x: View, out: View, from: number, to: number, runtime: KernelRuntime, dense: DenseKernels, pool: (from: number, to: number) => void): void {
  const { memory } = runtime;
  const [source, target] = [x, out].map((v) => (isContiguous(v.shape, v.strides) ? undefined : memory.allocate(numelOf(v.shape) * FLOAT)));
  /** For ranges of channels of each batch. */
  const over = ({ shape: [batches = 1, channels = 1, ...spatial] }: View, body: (batch: number, first: number, count: number) => void): void => {
    for (let n = 0; n < batches; n++) inRanges(runtime, channels, numelOf(spatial), (first, count) => body(n, first, count));
  };
  if (source !== undefined) over(x, (batch, first, count) => fromView(dense, x, from, source.address, batch, first, count));
  pool(source?.address ?? from, target?.address ?? to);
  if (target !== undefined) {
    const columns = numelOf(out.shape.slice(2));
    over(out, (batch, row, rows) => toView(dense, out, to, target.address, { batch, row, rows, column: 0, columns }));
  }
  for (const block of [source, target]) if (block !== undefined) memory.free(block);
}

/** Planes first, then slices, as the rows of planes whose columns are what the first gave. */
function poolSlices(call: WindowCall, pooling: Pooling, runtime: KernelRuntime, dense: DenseKernels, from: number, to: number): void {
  // What a sum is divided by is a product over the axes; where that is not the same everywhere, each pass divides by its own part.
  const [slices = 1, outSlices = 1] = [...call.operands, ...call.results].map((v) => v.shape[v.shape.length - call.kernel.length]);
  const positions = numelOf(pooling.out);
  const between = runtime.memory.allocate(pooling.planes * positions * FLOAT);
  poolPlanes({ ...pooling, divisor: typeof pooling.divisor === "number" ? 1 : pooling.divisor }, runtime, dense, from, between.address);
  const along = (values: readonly number[], fill: number): Pair => [values[0] ?? fill, fill];
  const bySlices: Pooling = {
    ...pooling,
    planes: pooling.planes / slices,
    size: [slices, positions],
    out: [outSlices, positions],
    kernel: along(call.kernel, 1),
    stride: along(call.stride, 1),
    padBegin: along(call.padBegin, 0),
    padEnd: along(call.padEnd, 0),
    dilation: along(call.dilation, 1),
  };
  poolPlanes(bySlices, runtime, dense, between.address, to);
  runtime.memory.free(between);
}

/** Whether no window reaches over a border or into padding. */
function isInside({ kernel, stride, dilation, padBegin, padEnd }: WindowCall, x: View, out: View): boolean {
  const sizes = x.shape.slice(-kernel.length);
  return out.shape.slice(-kernel.length).every((count, i) => {
    const reach = (count - 1) * (stride[i] ?? 1) + (dilation[i] ?? 1) * ((kernel[i] ?? 1) - 1) + 1;
    return padBegin[i] === 0 && padEnd[i] === 0 && reach <= (sizes[i] ?? 0);
  });
}

const fixedDivisor = ({ divisor, kernel }: WindowCall): number => (typeof divisor === "number" ? divisor : numelOf(kernel));

/** The block that kernels read their geometry from. */
function writeGeometry(p: Pooling, runtime: KernelRuntime): number {
  const words = new Int32Array(new Float32Array([typeof p.divisor === "number" ? p.divisor : 1]).buffer);
  const mode = typeof p.divisor === "number" ? DIVIDE.fixed : DIVIDE[p.divisor];
  return writeWords(runtime, [...p.size, ...p.out, ...p.kernel, ...p.stride, ...p.padBegin, ...p.dilation, ...p.padEnd, mode, ...words]);
}

function poolPositions(p: Pooling, runtime: KernelRuntime, dense: DenseKernels, from: number, to: number, indices: number): void {
  const block = writeGeometry(p, runtime);
  const [size, outSize] = [numelOf(p.size), numelOf(p.out)];
  inRanges(runtime, p.planes, outSize * numelOf(p.kernel) * 4, (plane, count) =>
    dense.pools.maxPositions(to + plane * outSize * FLOAT, indices + plane * outSize * 8, from + plane * size * FLOAT, count, block),
  );
}

function poolPlanes(p: Pooling, runtime: KernelRuntime, dense: DenseKernels, from: number, to: number): void {
  const block = writeGeometry(p, runtime);
  const [size, outSize] = [numelOf(p.size), numelOf(p.out)];
  const [high, width] = p.kernel;
  const run = p.reduction === "max" ? dense.pools.maxPlanes : dense.pools.sumPlanes;
  inRanges(runtime, p.planes, size + outSize * (high + width), (plane, count) => {
    // A gathered row reaches three strides further than the windows do.
    const room = runtime.memory.allocate(roomOf((p.out[1] + 3) * p.stride[1] + width * p.dilation[1], p.out[1]) * FLOAT);
    run(to + plane * outSize * FLOAT, from + plane * size * FLOAT, count, block, room.address);
    runtime.memory.free(room);
  });
}
