/** Scale and zero point of a range of numbers: FBGEMM's ChooseQuantizationParams as an expression, so that no value has to be read. */

import { arg, constant, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { filled } from "../aten/filling.ts";
import { extremum } from "../aten/reduction.ts";
import { once } from "./codes.ts";

/** Smaller scales are taken for this one. */
const SMALLEST_SCALE = Math.fround(6.1e-5);
/** Below this a single has no finite reciprocal. */
const SMALLEST_INVERTIBLE = 2 ** -128 * (1 + 2 ** -22);

const lit = (x: number): Num => new Num(constant(x, "f64"));
const single = (x: Num): Num => x.to("f32").to("f64");

/** Computed in double precision from singles `low` and `high`; codes go from `first` to `last`. `symmetric`: ranges around 0 have its code in the middle. */
function rule(low: Num, high: Num, first: Num, last: Num, symmetric: boolean): { readonly scale: Num; readonly zeroPoint: Num } {
  const [zero, small, span] = [lit(0), lit(SMALLEST_SCALE), last.sub(first)];
  const both = low.lt(zero).and(high.gt(zero));
  // Around 0 a symmetric range grows to the wider side.
  const half = span.div(2).floor();
  const widerStep = single(low.div(half.add(1).neg()))
    .abs()
    .max(single(high.div(half)).abs());
  const [start0, end0] = symmetric ? [both.where(single(widerStep.mul(half.add(1).neg())), low), both.where(single(widerStep.mul(half)), high)] : [low, high];
  const [min, max] = [start0.min(zero), end0.max(zero)];
  const plain = max.sub(min).div(span);
  const raw = single(plain).lt(SMALLEST_INVERTIBLE).where(lit(0.1), plain);
  // A scale that is too small is replaced, and the range grows with it.
  const isSmall = raw.lt(small);
  const factor = single(small.div(single(raw)));
  const widest = single(small.mul(span));
  const wideMax = min.eq(0).where(widest, max.eq(0).where(max, single(max.mul(factor))));
  const wideMin = min.eq(0).where(min, max.eq(0).where(widest.neg(), single(min.mul(factor))));
  const [from, to, scale] = [isSmall.where(wideMin, min), isSmall.where(wideMax, max), isSmall.where(small, raw)];
  const [byMin, byMax] = [from.div(scale), to.div(scale)];
  const minIsBetter = first.abs().add(byMin.abs()).lt(last.abs().add(byMax.abs()));
  const nearest = minIsBetter.where(first.sub(byMin), last.sub(byMax));
  const start = symmetric ? both.where(first.add(last).add(1).div(2), nearest) : nearest;
  return { scale, zeroPoint: start.max(first).min(last).rint() };
}

/** Smallest and largest element as 0-dim float32 tensors; 0 and 0 of nothing. */
export function extremes(ctx: Context, x: Tensor): [Tensor, Tensor] {
  const zero = (): Tensor => filled(ctx, [], "float32", { kind: "int", value: 0 });
  return x.numel === 0 ? [zero(), zero()] : [extremum(ctx, x, null, false, false), extremum(ctx, x, null, false, true)];
}

/** Scale (float32), zero point (int32) and the scale before it is rounded (float64) of bounds, elementwise, for codes `first` to `last`; `symmetric` as FBGEMM's `preserve_sparsity`. */
export function chosenOf(ctx: Context, low: Tensor, high: Tensor, first: number, last: number, symmetric: boolean = false): [Tensor, Tensor, Tensor] {
  const program = once(`choose_qparams,${symmetric}`, () => {
    const bound = (slot: number): Num => new Num(arg(slot, "f32")).to("f64");
    const limit = (slot: number): Num => new Num(scalar(slot, "f64"));
    const { scale, zeroPoint } = rule(bound(0), bound(1), limit(0), limit(1), symmetric);
    return {
      name: "choose_qparams",
      operands: ["float32", "float32"],
      scalars: ["f64", "f64"],
      outputs: [
        { dtype: "float32", parts: [scale.to("f32").re] },
        { dtype: "int32", parts: [zeroPoint.to("i32").re] },
        { dtype: "float64", parts: [scale.re] },
      ],
    };
  });
  const [scale = unreachable("scale"), zero = unreachable("zero point"), exact = unreachable("exact scale")] = map(ctx, program, [low, high], [first, last]);
  return [scale, zero, exact];
}

/** The same of the range of `x`, 0-dim. */
export function chosen(ctx: Context, x: Tensor, first: number, last: number): [Tensor, Tensor, Tensor] {
  return chosenOf(ctx, ...extremes(ctx, x), first, last);
}
