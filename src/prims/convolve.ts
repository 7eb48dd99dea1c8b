/** Makes convolve calls: output sizes, result strides, and complex convolutions by their real parts. */

import { arg, binary } from "../expr/expr.ts";
import { type DType, isComplex, realOf } from "../tensor/dtype.ts";
import { channelsLastStrides, contiguousStrides, numelOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { accumulatorOf, empty, map, resolved } from "./calls.ts";
import type { Context } from "./context.ts";
import { computeType, type Program } from "./program.ts";
import { partOf } from "./views.ts";

/** Geometry of a convolution; one entry per spatial axis. */
export interface Convolution {
  readonly stride: readonly number[];
  readonly padBegin: readonly number[];
  readonly padEnd: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly transposed: boolean;
  /** Transposed only: extra size at the end of each axis. */
  readonly outputPadding?: readonly number[];
}

/** Shape of the result of `x [N, C, ...]` by `w`. */
export function convolvedShape(x: readonly number[], w: readonly number[], g: Convolution): number[] {
  const spatial = w.slice(2).map((k, i) => {
    const [size, s, d] = [x[i + 2] ?? 1, g.stride[i] ?? 1, g.dilation[i] ?? 1];
    const pad = (g.padBegin[i] ?? 0) + (g.padEnd[i] ?? 0);
    if (g.transposed) return (size - 1) * s - pad + d * (k - 1) + (g.outputPadding?.[i] ?? 0) + 1;
    return Math.floor((size + pad - d * (k - 1) - 1) / s) + 1;
  });
  return [x[0] ?? 0, g.transposed ? (w[1] ?? 0) * g.groups : (w[0] ?? 0), ...spatial];
}

/** Whether the strides say that channels vary fastest (PyTorch's suggest_memory_format). */
export function suggestsChannelsLast(t: Tensor): boolean {
  if ((t.rank !== 4 && t.rank !== 5) || t.strides[1] === 0) return false;
  let min = 0;
  for (const axis of [1, ...Array.from({ length: t.rank - 2 }, (_, i) => t.rank - 1 - i), 0]) {
    const [size, stride] = [t.shape[axis] ?? 1, t.strides[axis] ?? 1];
    if (size === 0 || stride < min) return false;
    // N111 and NC11 without channel order are not taken for channels last.
    if (axis === 0 && min === t.strides[1]) return false;
    min = size > 1 ? stride * size : stride;
  }
  return true;
}

/** Elements of the four outer axes beyond which PyTorch hands single volumes to oneDNN. */
const MANY = 20480;

/** Whether a convolution over three axes keeps channels last: where PyTorch hands it to oneDNN (`ConvParams::use_mkldnn`, several threads). Its own kernel does not. */
function keepsVolumes(x: Tensor, w: Tensor, groups: number): boolean {
  const real = realOf(x.dtype);
  if (real !== "float32") return real === "float16" || real === "bfloat16";
  return groups > 1 || (x.shape[0] ?? 1) > 1 || numelOf(x.shape.slice(0, 4)) > MANY || w.shape.slice(3).every((size) => size > 3);
}

const combinations = new Map<DType, Program>();
/** `(a - b) + i (c + d)` of four real tensors. */
function combination(dtype: DType): Program {
  let program = combinations.get(dtype);
  if (program === undefined) {
    const real = realOf(dtype);
    const [a, b, c, d] = [0, 1, 2, 3].map((k) => arg(k, computeType(real)));
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new TypeError("four operands");
    program = { name: "complex_product", operands: [real, real, real, real], scalars: [], outputs: [{ dtype, parts: [binary("sub", a, b), binary("add", c, d)] }], messages: [] };
    combinations.set(dtype, program);
  }
  return program;
}

/**
 * The convolution of `x [N, C, ...]` by `w [O, C/groups, ...]` (transposed: `[C, O/groups, ...]`) with an optional `bias [O]`.
 * Channels-last operands give a channels-last result, unless `strides` says otherwise. `dtype` is the result's: int32 for codes of 8 bits.
 */
export function convolve(ctx: Context, x: Tensor, w: Tensor, bias: Tensor | null, g: Convolution, strides?: readonly number[], dtype: DType = x.dtype): Tensor {
  const shape = convolvedShape(x.shape, w.shape, g);
  const isLast = (suggestsChannelsLast(x) || suggestsChannelsLast(w)) && (x.rank < 5 || keepsVolumes(x, w, g.groups));
  const layout = strides ?? (isLast ? channelsLastStrides(shape) : contiguousStrides(shape));
  if (isComplex(x.dtype)) {
    const [a, b] = [resolved(ctx, x), resolved(ctx, w)];
    const c = bias === null ? null : resolved(ctx, bias);
    const part = (p: 0 | 1, q: 0 | 1, with_: 0 | 1 | undefined): Tensor => convolve(ctx, partOf(a, p), partOf(b, q), c === null || with_ === undefined ? null : partOf(c, with_), g, contiguousStrides(shape));
    const [result] = map(ctx, combination(x.dtype), [part(0, 0, 0), part(1, 1, undefined), part(0, 1, 1), part(1, 0, undefined)], [], [empty(ctx, shape, x.dtype, layout)]);
    if (result === undefined) throw new TypeError("one result");
    return result;
  }
  const out = empty(ctx, shape, dtype, layout);
  if (out.numel === 0) return out;
  const operands = bias === null ? [x, w] : [x, w, bias];
  ctx.run({
    kind: "convolve", operands: operands.map((t) => resolved(ctx, t)), results: [out], scalars: [], stride: g.stride, padBegin: g.padBegin, padEnd: g.padEnd,
    dilation: g.dilation, groups: g.groups, transposed: g.transposed, accumulate: accumulatorOf(dtype), epilogue: undefined,
  });
  return out;
}
