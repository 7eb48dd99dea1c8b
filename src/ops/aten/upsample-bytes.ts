/**
 * Interpolation of uint8 pictures in fixed point (PyTorch: upsample_bilinear2d, upsample_bicubic2d and their antialiased forms): columns
 * first, then rows, each a sum of bytes times 16-bit weights, rounded and cut to a byte again.
 */

import { constant, type Expr, fold, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, copyInto, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { unreachable } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { outputParts } from "../elementwise.ts";
import { isChannelsLast } from "./joins.ts";
import { axes, memo, programOf, size } from "./memo.ts";

/** A filter as weights at a distance, and its width in taps. */
interface Kernel {
  readonly taps: number;
  readonly weight: (distance: number) => number;
}

function cubic(a: number): Kernel {
  const near = (x: number): number => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x: number): number => (((x - 5) * x + 8) * x - 4) * a;
  return { taps: 4, weight: (x) => (x < 1 ? near(x) : x < 2 ? far(x) : 0) };
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

export type ByteKernel = "linear" | "cubic" | "linear antialiased" | "cubic antialiased" | "lanczos antialiased";

const KERNELS: Readonly<Record<ByteKernel, Kernel>> = {
  linear: { taps: 2, weight: (x) => Math.max(0, 1 - x) },
  cubic: cubic(-0.75),
  "linear antialiased": { taps: 2, weight: (x) => Math.max(0, 1 - x) },
  "cubic antialiased": cubic(-0.5),
  "lanczos antialiased": { taps: 6, weight: (x) => (x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** The taps of one output position: the first place, and the weights from there on. */
interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** `scale`: input per output coordinate. Taps outside the picture count for its edge. */
function plainTaps(kernel: Kernel, position: number, input: number, scale: number, align: boolean): Taps {
  const real = align ? scale * position : scale * (position + 0.5) - 0.5;
  const source = kernel.taps === 2 && !align ? Math.max(0, real) : real;
  const low = Math.min(Math.floor(source), input - 1);
  const part = Math.min(Math.max(source - low, 0), 1);
  const start = low - kernel.taps / 2 + 1;
  const first = Math.max(start, 0);
  const weights = new Array<number>(Math.min(start + kernel.taps, input) - first).fill(0);
  for (let j = 0; j < kernel.taps; j++) {
    const at = Math.min(Math.max(start + j, 0), input - 1) - first;
    weights[at] = (weights[at] ?? 0) + kernel.weight(Math.abs(j + 1 - kernel.taps / 2 - part));
  }
  return { first, weights };
}

/** Every place under the stretched kernel; weights sum to one. */
function stretchedTaps(kernel: Kernel, position: number, input: number, scale: number): Taps {
  const stretch = Math.max(1, scale);
  const support = (kernel.taps / 2) * stretch;
  const center = scale * (position + 0.5);
  const first = Math.max(Math.trunc(center - support + 0.5), 0);
  const last = Math.min(Math.trunc(center + support + 0.5), input);
  const weights = Array.from({ length: Math.max(0, last - first) }, (_, j) => kernel.weight(Math.abs((j + first - center + 0.5) / stretch)));
  const total = weights.reduce((a, b) => a + b, 0);
  return { first, weights: total === 0 ? weights : weights.map((w) => w / total) };
}

/** The most bits behind the point with which the greatest weight still fits 16 bits. */
function precisionOf(taps: readonly Taps[]): number {
  const greatest = taps.reduce((m, t) => t.weights.reduce((n, w) => Math.max(n, w), m), 0);
  let bits = 0;
  while (bits < 22 && Math.trunc(0.5 + greatest * 2 ** (bits + 1)) < 2 ** 15) bits++;
  return bits;
}

const programs = memo<Program>();

/** Sum of bytes times weights along an axis, plus a half, shifted down. Operands: picture, first places, weights. */
function programAlong(axis: number): Program {
  return programs(`bytes,${axis}`, () => {
    const zero = constant(0, "i32");
    const start = load(1, "i32", [index(axis)]);
    const [sum = zero] = fold(0, size(0), [zero], ([total = zero], j) => {
      const at = new Num(start)
        .to("index")
        .add(new Num(j))
        .min(new Num(size(1)).sub(1)).re;
      const place: Expr[] = axes(4).map((e, i) => (i === axis ? at : e));
      return [
        new Num(load(0, "u8", place))
          .to("i32")
          .mul(new Num(load(2, "i32", [index(axis), j])))
          .add(new Num(total)).re,
      ];
    });
    const bits = new Num(scalar(2, "i32"));
    const value = new Num(sum)
      .add(new Num(scalar(3, "i32")))
      .shr(bits)
      .max(0)
      .min(255);
    return programOf("upsample_bytes", ["uint8", "int32", "int32"], ["index", "index", "i32", "i32"], "uint8", outputParts(value, "uint8"));
  });
}

interface Axis {
  readonly axis: number;
  readonly output: number;
  /** Input per output coordinate. */
  readonly scale: number;
}

function along(ctx: Context, x: Tensor, { axis, output, scale }: Axis, kernel: Kernel, stretched: boolean, align: boolean, out?: Tensor): Tensor {
  const input = x.shape[axis] ?? 1;
  const taps = Array.from({ length: output }, (_, i) => (stretched ? stretchedTaps(kernel, i, input, scale) : plainTaps(kernel, i, input, scale, align)));
  const bits = precisionOf(taps);
  const width = taps.reduce((m, t) => Math.max(m, t.weights.length), 1);
  const weights = new Int32Array(output * width);
  taps.forEach((t, i) => t.weights.forEach((w, j) => (weights[i * width + j] = Math.trunc(w * 2 ** bits + (w < 0 ? -0.5 : 0.5)))));
  const shape = x.shape.map((n, i) => (i === axis ? output : n));
  const firsts = Int32Array.from(taps, (t) => t.first);
  const operands = [x, Tensor.from(firsts, [output], "int32"), Tensor.from(weights, [output, width], "int32")];
  const [result] = compute(
    ctx,
    programAlong(axis),
    shape,
    operands,
    [width, input, bits, bits === 0 ? 0 : 2 ** (bits - 1)],
    out === undefined ? undefined : [out],
  );
  return result ?? unreachable("picture");
}

/**
 * Interpolates `[N, C, H, W]` of uint8 to `size`; an axis that keeps its size is left as it is. `scales`: input per output coordinate.
 * Differs from an interpolation of the same numbers as floats by a few units where the rounding between the two passes shows.
 */
export function upsampleBytes(ctx: Context, self: Tensor, size: readonly number[], kernel: ByteKernel, align: boolean, scales: readonly number[]): Tensor {
  const shape = [self.shape[0] ?? 0, self.shape[1] ?? 0, ...size];
  const out = empty(ctx, shape, "uint8", isChannelsLast(self) ? channelsLastStrides(shape) : contiguousStrides(shape));
  const steps: Axis[] = [3, 2]
    .filter((axis) => self.shape[axis] !== shape[axis])
    .map((axis) => ({ axis, output: shape[axis] ?? 1, scale: scales[axis - 2] ?? 1 }));
  if (steps.length === 0) copyInto(ctx, out, self);
  const stretched = kernel.endsWith("antialiased");
  steps.reduce((x, step, k) => along(ctx, x, step, KERNELS[kernel], stretched, align, k === steps.length - 1 ? out : undefined), self);
  return out;
}
