/** Normalisation by statistics of the batch, of channels or of trailing axes (PyTorch: batch_norm, layer_norm, group_norm, instance_norm, rms_norm). */

import { arg, cast, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { cast_, contiguous, copyInto, copyOf, empty, map, reduce } from "../../prims/calls.ts";
import { averageOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import { suggestsChannelsLast } from "../../prims/convolve.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { expanded, reshaped, selected } from "../../prims/views.ts";
import { type DType, isComplex, opmathOf, realOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides, numelOf } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { isChannelsLast } from "./joins.ts";
import { memo } from "./memo.ts";
import { mean } from "./reduction.ts";
import { float, int, over, plus, root, times } from "./steps.ts";

const programs = memo<Program>();
const list = (values: readonly number[]): string => `[${values.join(", ")}]`;

/** Operand `slot` in the compute type of `compute`. */
function operand(slot: number, dtype: DType, compute: DType): Num {
  return new Num(arg(slot, computeType(dtype))).to(computeType(compute));
}

/** The mean over `axes`, in double precision; that of nothing is 0. Kept axes have size 1. */
export function meanOf(ctx: Context, x: Tensor, axes: readonly number[], dtype: DType): Tensor {
  const program = programs(`mean,${x.dtype}`, () => ({
    name: "mean", operands: [x.dtype], scalars: ["f64"], messages: [],
    outputs: [{ dtype: "float64", parts: [cast(arg(0, computeType(x.dtype)), "f64")] }],
  }));
  return reduce(ctx, program, averageOf(), [x], axes, true, [dtype], [Math.max(1, countOf(x, axes))])[0] ?? unreachable("mean");
}
/** The biased variance over `axes`, around `mean` (which has size 1 there); of another `count` that many parts of the sum of squares. */
export function varianceOf(ctx: Context, x: Tensor, mean: Tensor, axes: readonly number[], dtype: DType, count: number = countOf(x, axes)): Tensor {
  const program = programs(`variance,${x.dtype},${mean.dtype}`, () => {
    const d = operand(0, x.dtype, "float64").sub(operand(1, mean.dtype, "float64"));
    return { name: "variance", operands: [x.dtype, mean.dtype], scalars: ["f64"], messages: [], outputs: [{ dtype: "float64", parts: [d.mul(d).re] }] };
  });
  return reduce(ctx, program, averageOf(), [x, mean], axes, true, [dtype], [count])[0] ?? unreachable("variance");
}
function countOf(x: Tensor, axes: readonly number[]): number {
  return axes.reduce((n, axis) => n * (x.shape[axis] ?? 1), 1);
}

/** `1 / sqrt(variance + eps)`. */
export function inverseDeviation(ctx: Context, variance: Tensor, eps: number, dtype: DType = variance.dtype): Tensor {
  const program = programs(`invstd,${variance.dtype},${dtype}`, () => {
    const v = operand(0, variance.dtype, dtype);
    return { name: "invstd", operands: [variance.dtype], scalars: [computeType(dtype)], messages: [], outputs: [{ dtype, parts: [v.add(new Num(scalar(0, computeType(dtype)))).sqrt().reciprocal().re] }] };
  });
  return map(ctx, program, [variance], [eps])[0] ?? unreachable("invstd");
}

/**
 * `once` at the end; `stepwise`: after each operation, as kernels on elements of a half type do; `fused`: `x * invstd - mean * invstd` with the
 * latter product rounded before, in one multiplication and addition.
 */
type Rounding = "once" | "stepwise" | "fused";

/** `(x - mean) * invstd * weight + bias`, all broadcast to x, written to `out`. */
export function normalise(ctx: Context, x: Tensor, mean: Tensor | null, invstd: Tensor, weight: Tensor | null, bias: Tensor | null, out: Tensor, rounding: Rounding = "once"): void {
  const operands = [x, ...(mean === null ? [] : [mean]), invstd, ...(weight === null ? [] : [weight]), ...(bias === null ? [] : [bias])];
  const key = `apply,${rounding},${mean !== null},${weight !== null},${bias !== null},${operands.map((t) => t.dtype).join(",")}>${out.dtype}`;
  const program = programs(key, () => {
    const compute = opmathOf(x.dtype);
    let slot = 0;
    const next = (t: Tensor): Num => operand(slot++, t.dtype, compute);
    const half = rounding === "stepwise" && (x.dtype === "float16" || x.dtype === "bfloat16") ? x.dtype : undefined;
    const r = (v: Num): Num => (half === undefined ? v : v.round(half));
    const value = next(x);
    const centre = mean === null ? undefined : next(mean);
    const scale = next(invstd);
    let result: Num;
    if (rounding === "fused" && centre !== undefined) result = value.to("f64").mul(scale.to("f64")).sub(scale.mul(centre).to("f64")).to(value.type);
    else result = r((centre === undefined ? value : r(value.sub(centre))).mul(scale));
    if (weight !== null) result = r(result.mul(next(weight)));
    if (bias !== null) result = result.add(next(bias));
    return { name: "normalise", operands: operands.map((t) => t.dtype), scalars: [], outputs: [{ dtype: out.dtype, parts: [result.re] }], messages: [] };
  });
  map(ctx, program, operands, [], [out]);
}

/**
 * `(x - mean) * invstd * weight + bias` of given statistics as PyTorch's kernel for float32 and float64 computes it: a factor and a shift for each
 * channel first, then `x * factor + shift`. All are of x's dtype.
 */
export function normaliseByFactors(ctx: Context, x: Tensor, mean: Tensor, variance: Tensor, eps: number, weight: Tensor | null, bias: Tensor | null, out: Tensor): void {
  const { dtype } = x;
  const given = [variance, mean, weight, bias].filter((t) => t !== null);
  const vectors = programs(`factor and shift,${weight !== null},${bias !== null},${dtype}`, () => {
    const [v = unreachable("variance"), m = unreachable("mean"), ...others] = given.map((_, slot) => operand(slot, dtype, dtype));
    const [w, b] = weight === null ? [undefined, others[0]] : others;
    const invstd = v.add(new Num(scalar(0, computeType(dtype)))).sqrt().reciprocal();
    const factor = w === undefined ? invstd : invstd.mul(w);
    const shift = (b ?? factor.lit(0)).sub(m.mul(factor));
    const outputs = [factor, shift].map((of) => ({ dtype, parts: [of.re] }));
    return { name: "factor and shift", operands: given.map(() => dtype), scalars: [computeType(dtype)], outputs, messages: [] };
  });
  const [factor = unreachable("factor"), shift = unreachable("shift")] = map(ctx, vectors, given, [eps]);
  const program = programs(`factors,${dtype}`, () => {
    const result = operand(0, dtype, dtype).mul(operand(1, dtype, dtype)).add(operand(2, dtype, dtype));
    return { name: "normalise", operands: [dtype, dtype, dtype], scalars: [], outputs: [{ dtype, parts: [result.re] }], messages: [] };
  });
  map(ctx, program, [x, perChannel(factor, x.rank), perChannel(shift, x.rank)], [], [out]);
}

/** Whether all are of x's dtype, and that is one whose kernel goes by factors. */
export function goesByFactors(x: Tensor, parameters: readonly Tensor[]): boolean {
  return (x.dtype === "float32" || x.dtype === "float64") && parameters.every((t) => t.dtype === x.dtype);
}

/** A vector of channels as `[1, C, 1, ...]`. */
function perChannel(t: Tensor, rank: number): Tensor {
  return viewOf(t, [1, t.shape[0] ?? 0, ...Array.from({ length: rank - 2 }, () => 1)], [0, t.strides[0] ?? 0, ...Array.from({ length: rank - 2 }, () => 0)], t.offset);
}
const perChannelOrNull = (t: Tensor | null, rank: number): Tensor | null => (t === null ? null : perChannel(t, rank));

/** `running = momentum * now * correction + (1 - momentum) * running`, in place. */
function updateRunning(ctx: Context, running: Tensor, now: Tensor, momentum: number, correction: number): void {
  const program = programs(`running,${running.dtype},${now.dtype}`, () => {
    const compute = opmathOf(running.dtype);
    const type = computeType(compute);
    const [m, c] = [new Num(scalar(0, type)), new Num(scalar(1, type))];
    const r = operand(1, now.dtype, compute).mul(c).mul(m).add(operand(0, running.dtype, compute).mul(m.lit(1).sub(m)));
    return { name: "running_stats", operands: [running.dtype, now.dtype], scalars: [type, type], outputs: [{ dtype: running.dtype, parts: [r.re] }], messages: [] };
  });
  map(ctx, program, [running, now], [momentum, correction], [running]);
}

/** A result laid out as `x` is where that is dense, as PyTorch's norms give it. */
function likeOf(ctx: Context, x: Tensor): Tensor {
  return empty(ctx, x.shape, x.dtype, denseStrides(x));
}
/** The strides of `x` where its elements fill their extent without gaps, else row-major ones. */
function denseStrides(x: Tensor): readonly number[] {
  const axes = x.shape.map((_, i) => i).filter((i) => x.shape[i] !== 1).sort((a, b) => (x.strides[a] ?? 0) - (x.strides[b] ?? 0));
  let step = 1;
  for (const axis of axes) {
    if (x.strides[axis] !== step) return contiguousStrides(x.shape);
    step *= x.shape[axis] ?? 1;
  }
  return x.strides;
}

/** Row-major or with channels last. */
function isDenseLike(t: Tensor): boolean {
  return t.isContiguous || isChannelsLast(t);
}

interface BatchNorm {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly runningMean: Tensor | null;
  readonly runningVar: Tensor | null;
  readonly training: boolean;
  readonly momentum: number;
  readonly eps: number;
}

function checkChannels(x: Tensor, settings: BatchNorm): void {
  const channels = x.shape[1] ?? 0;
  for (const [name, t] of [["running_mean", settings.runningMean], ["running_var", settings.runningVar], ["weight", settings.weight], ["bias", settings.bias]] as const) {
    if (t !== null && (t.rank !== 1 || t.shape[0] !== channels)) throw new OpwiseError("shape-mismatch", `${name} should contain ${channels} elements not ${t.numel}`);
  }
  if (!settings.training && (settings.runningMean === null || settings.runningVar === null)) {
    throw new OpwiseError("bad-argument", `${settings.runningMean === null ? "running_mean" : "running_var"} must be defined in evaluation mode`);
  }
}

/** Result, saved mean and saved inverse deviation. Statistics are kept in float32 or wider. */
export function batchNorm(ctx: Context, x: Tensor, settings: BatchNorm): [Tensor, Tensor, Tensor] {
  if (x.rank < 2) throw new OpwiseError("shape-mismatch", "Dimension out of range (expected to be in range of [-1, 0], but got 1)", { wanted: "an input of at least 2 axes", got: list(x.shape) });
  checkChannels(x, settings);
  const { weight, bias, runningMean, runningVar, eps } = settings;
  const out = empty(ctx, x.shape, x.dtype, suggestsChannelsLast(x) ? channelsLastStrides(x.shape) : contiguousStrides(x.shape));
  const [w, b] = [perChannelOrNull(weight, x.rank), perChannelOrNull(bias, x.rank)];
  const stats = opmathOf(x.dtype);
  const present = [runningMean, runningVar, weight, bias].filter((t) => t !== null);
  // Half inputs with wider parameters keep wide statistics.
  const saved = present.some((t) => t.dtype !== x.dtype) ? stats : x.dtype;
  // PyTorch's kernel for dense operands computes in float32 with statistics as they are saved; the other one rounds after each operation.
  const stepwise = saved !== stats && !(isDenseLike(x) && present.every((t) => t.isContiguous));
  if (!settings.training && runningMean !== null && runningVar !== null) {
    ctx.region({ kind: "region", name: "batch_norm", operands: [x, ...present], results: [out], params: { eps, weight: weight !== null, bias: bias !== null } }, () => {
      if (x.numel === 0) return;
      if (goesByFactors(x, present)) return normaliseByFactors(ctx, x, runningMean, runningVar, eps, weight, bias, out);
      const invstd = stepwise ? over(ctx, int(1), root(ctx, plus(ctx, runningVar, float(eps)))) : inverseDeviation(ctx, runningVar, eps, opmathOf(runningVar.dtype));
      normalise(ctx, x, perChannel(runningMean, x.rank), perChannel(invstd, x.rank), w, b, out, stepwise ? "stepwise" : "once");
    });
    return [out, empty(ctx, [0], saved), empty(ctx, [0], saved)];
  }
  const channels = x.shape[1] ?? 0;
  const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
  const count = countOf(x, axes);
  const mean = meanOf(ctx, x, axes, isDenseLike(x) ? stats : saved);
  // Of dense bfloat16 PyTorch rounds the sum of squares, and what it is divided to.
  const squares = saved === "bfloat16" && isDenseLike(x) ? varianceOf(ctx, x, mean, axes, saved, 1) : undefined;
  const variance = squares === undefined ? varianceOf(ctx, x, mean, axes, stats) : cast_(ctx, over(ctx, squares, int(count)), stats);
  const [centre, scale] = [cast_(ctx, mean, saved), cast_(ctx, inverseDeviation(ctx, variance, eps), saved)];
  const flat = (t: Tensor): Tensor => viewOf(t, [channels], [1], t.offset);
  if (runningMean !== null) updateRunning(ctx, runningMean, flat(mean), settings.momentum, 1);
  if (runningVar !== null && squares !== undefined) updateRunning(ctx, runningVar, flat(over(ctx, squares, int(count - 1))), settings.momentum, 1);
  else if (runningVar !== null) updateRunning(ctx, runningVar, flat(variance), settings.momentum, count / (count - 1));
  if (x.numel > 0) normalise(ctx, x, centre, scale, w, b, out, stepwise ? "stepwise" : "once");
  return [out, flat(centre), flat(scale)];
}

/** Result, mean and inverse deviation over the trailing axes of `normalizedShape`. */
export function layerNorm(ctx: Context, x: Tensor, normalizedShape: readonly number[], weight: Tensor | null, bias: Tensor | null, eps: number): [Tensor, Tensor, Tensor] {
  checkTrailing("layer_norm", x, normalizedShape, weight, bias);
  const lead = x.rank - normalizedShape.length;
  const axes = normalizedShape.map((_, i) => lead + i);
  const kept = x.shape.map((size, i) => (i < lead ? size : 1));
  const stats = weight !== null && x.dtype !== weight.dtype ? opmathOf(x.dtype) : x.dtype;
  const out = empty(ctx, x.shape, x.dtype);
  const [mean, rstd] = [empty(ctx, kept, stats), empty(ctx, kept, stats)];
  const present = [x, ...(weight === null ? [] : [weight]), ...(bias === null ? [] : [bias])];
  ctx.region({ kind: "region", name: "layer_norm", operands: present, results: [out, mean, rstd], params: { axes: normalizedShape.length, eps, weight: weight !== null, bias: bias !== null } }, () => {
    if (numelOf(kept) === 0) return;
    const wide = opmathOf(x.dtype);
    const m = meanOf(ctx, x, axes, wide);
    const r = inverseDeviation(ctx, varianceOf(ctx, x, m, axes, wide), eps);
    copyInto(ctx, mean, m);
    copyInto(ctx, rstd, r);
    if (x.numel > 0) normalise(ctx, x, m, r, weight, bias, out, wide === x.dtype ? "once" : "fused");
  });
  return [out, mean, rstd];
}

function checkTrailing(name: string, x: Tensor, normalizedShape: readonly number[], weight: Tensor | null, bias: Tensor | null): void {
  if (normalizedShape.length < 1) throw new OpwiseError("bad-argument", `Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got normalized_shape = ${list(normalizedShape)}`);
  for (const [what, t] of [["weight", weight], ["bias", bias]] as const) {
    if (t !== null && list(t.shape) !== list(normalizedShape)) {
      throw new OpwiseError("shape-mismatch", `Expected ${what} to be of same shape as normalized_shape, but got ${what} of shape ${list(t.shape)} and normalized_shape = ${list(normalizedShape)}`);
    }
  }
  if (x.rank < normalizedShape.length || list(x.shape.slice(x.rank - normalizedShape.length)) !== list(normalizedShape)) {
    throw new OpwiseError("shape-mismatch", `Given normalized_shape=${list(normalizedShape)}, expected input with shape [*, ${normalizedShape.join(", ")}], but got input of size${list(x.shape)}`, { where: { op: name } });
  }
}

/** Result, mean and inverse deviation `[N, groups]` over each group's channels and positions. */
function groupNorm(ctx: Context, x: Tensor, n: number, channels: number, groups: number, weight: Tensor | null, bias: Tensor | null, eps: number): [Tensor, Tensor, Tensor] {
  const out = likeOf(ctx, x);
  const [mean, rstd] = [empty(ctx, [n, groups], x.dtype), empty(ctx, [n, groups], x.dtype)];
  const present = [x, ...(weight === null ? [] : [weight]), ...(bias === null ? [] : [bias])];
  ctx.region({ kind: "region", name: "group_norm", operands: present, results: [out, mean, rstd], params: { groups, eps, weight: weight !== null, bias: bias !== null } }, () => {
    if (x.numel === 0) return;
    const wide = opmathOf(x.dtype);
    const split = [n, groups, channels / groups, ...x.shape.slice(2)];
    const grouped = (t: Tensor): Tensor => viewOf(t, split, [t.strides[0] ?? 0, (t.strides[1] ?? 0) * (channels / groups), t.strides[1] ?? 0, ...t.strides.slice(2)], t.offset);
    const axes = split.map((_, i) => i).slice(2);
    const m = meanOf(ctx, grouped(x), axes, wide);
    const r = inverseDeviation(ctx, varianceOf(ctx, grouped(x), m, axes, wide), eps);
    const flat = (t: Tensor): Tensor => viewOf(t, [n, groups], [groups, 1], t.offset);
    copyInto(ctx, mean, flat(m));
    copyInto(ctx, rstd, flat(r));
    const affine = (t: Tensor | null): Tensor | null =>
      t === null ? null : viewOf(t, [1, groups, channels / groups, ...x.shape.slice(2).map(() => 1)], [0, (t.strides[0] ?? 1) * (channels / groups), t.strides[0] ?? 1, ...x.shape.slice(2).map(() => 0)], t.offset);
    normalise(ctx, grouped(x), m, r, affine(weight), affine(bias), grouped(out));
  });
  return [out, mean, rstd];
}

function checkGroups(x: Tensor, groups: number, weight: Tensor | null, bias: Tensor | null): void {
  if (x.rank < 2) throw new OpwiseError("shape-mismatch", `Expected at least 2 dimensions for input tensor but received ${x.rank}`);
  const channels = x.shape[1] ?? 0;
  if (groups <= 0) throw new OpwiseError("bad-argument", `Expected num groups to be greater than 0, got ${groups}`);
  if (channels % groups !== 0) {
    throw new OpwiseError("shape-mismatch", `Expected number of channels in input to be divisible by num_groups, but got input of shape ${list(x.shape)} and num_groups=${groups}`);
  }
  for (const [what, t] of [["weight", weight], ["bias", bias]] as const) {
    if (t !== null && (t.rank !== 1 || t.numel !== channels)) throw new OpwiseError("shape-mismatch", `Expected ${what} to be a vector of size equal to the number of channels in input, but got ${what} of shape ${list(t.shape)} and input of shape ${list(x.shape)}`);
  }
}

/** Statistics per sample and channel; running ones take the mean over samples. */
export function instanceNorm(ctx: Context, x: Tensor, weight: Tensor | null, bias: Tensor | null, runningMean: Tensor | null, runningVar: Tensor | null, useInput: boolean, momentum: number, eps: number): Tensor {
  if (!useInput && (runningMean === null || runningVar === null)) throw new OpwiseError("bad-argument", "Expected running_mean and running_var to be defined when use_input_stats is false");
  const source = contiguous(ctx, x);
  if (!useInput) return batchNorm(ctx, source, { weight, bias, runningMean, runningVar, training: false, momentum, eps })[0];
  if (x.numel === 0) return empty(ctx, x.shape, x.dtype);
  // Every channel of every sample is a channel of one batch; parameters and running statistics are repeated.
  const [n = 0, channels = 0] = x.shape;
  const repeated = (t: Tensor | null): Tensor | null => (t === null ? null : reshaped(ctx, copyOf(ctx, expanded(t, [n, channels])), [n * channels]));
  const [mean, variance] = [repeated(runningMean), repeated(runningVar)];
  const flat = reshaped(ctx, source, [1, n * channels, ...x.shape.slice(2)]);
  const [out] = batchNorm(ctx, flat, { weight: repeated(weight), bias: repeated(bias), runningMean: mean, runningVar: variance, training: true, momentum, eps });
  for (const [running, all] of [[runningMean, mean], [runningVar, variance]] as const) {
    if (running !== null && all !== null) copyInto(ctx, running, viewOf(meanOf(ctx, reshaped(ctx, all, [n, channels]), [0], running.dtype), [channels], [1], 0));
  }
  return reshaped(ctx, out, x.shape);
}

const EPSILON: Partial<Record<DType, number>> = { float16: 2 ** -10, bfloat16: 2 ** -7, float32: 2 ** -23, float64: 2 ** -52 };

/** As `rmsNorm`, with the square itself, not the magnitude's: PyTorch composes it without a kernel. */
function complexRmsNorm(ctx: Context, x: Tensor, axes: readonly number[], weight: Tensor | null, eps: number): [Tensor, Tensor] {
  const scale = over(ctx, int(1), root(ctx, plus(ctx, mean(ctx, times(ctx, x, x), axes, true), float(eps))));
  const out = times(ctx, x, scale);
  return [weight === null ? out : times(ctx, out, weight), scale];
}

/** `x / sqrt(mean(x^2) + eps) * weight` and the inverse root, over the trailing axes. */
export function rmsNorm(ctx: Context, x: Tensor, normalizedShape: readonly number[], weight: Tensor | null, eps: number | null): [Tensor, Tensor] {
  checkTrailing("rms_norm", x, normalizedShape, weight, null);
  const lead = x.rank - normalizedShape.length;
  const axes = normalizedShape.map((_, i) => lead + i);
  if (isComplex(x.dtype)) return complexRmsNorm(ctx, x, axes, weight, eps ?? EPSILON[realOf(x.dtype)] ?? 2 ** -23);
  const wide = opmathOf(x.dtype);
  const kept = x.shape.map((size, i) => (i < lead ? size : 1));
  const out = empty(ctx, x.shape, x.dtype);
  const rstd = empty(ctx, kept, wide);
  const limit = eps ?? EPSILON[x.dtype] ?? 2 ** -23;
  ctx.region({ kind: "region", name: "rms_norm", operands: weight === null ? [x] : [x, weight], results: [out, rstd], params: { axes: normalizedShape.length, eps: limit, weight: weight !== null } }, () => {
    if (numelOf(kept) === 0) return;
    const squares = programs(`squares,${x.dtype}`, () => {
      const v = operand(0, x.dtype, "float64");
      return { name: "mean_square", operands: [x.dtype], scalars: ["f64"], messages: [], outputs: [{ dtype: "float64", parts: [v.mul(v).re] }] };
    });
    const mean = reduce(ctx, squares, averageOf(), [x], axes, true, [wide], [countOf(x, axes)])[0] ?? unreachable("mean");
    const r = inverseDeviation(ctx, mean, limit);
    copyInto(ctx, rstd, r);
    if (x.numel > 0) normalise(ctx, x, null, r, weight, null, out);
  });
  return [out, rstd];
}

/** Mean and biased variance of the batch; running statistics follow in place. */
function updateStats(ctx: Context, x: Tensor, runningMean: Tensor | null, runningVar: Tensor | null, momentum: number): [Tensor, Tensor] {
  const channels = x.shape[1] ?? 0;
  const axes = x.shape.map((_, i) => i).filter((i) => i !== 1);
  const [stats, count] = [opmathOf(x.dtype), countOf(x, axes)];
  const mean = meanOf(ctx, x, axes, stats);
  const variance = varianceOf(ctx, x, mean, axes, stats);
  const flat = (t: Tensor): Tensor => viewOf(t, [channels], [1], t.offset);
  if (runningMean !== null) updateRunning(ctx, runningMean, flat(mean), momentum, 1);
  if (runningVar !== null) updateRunning(ctx, runningVar, flat(variance), momentum, count / (count - 1));
  return [cast_(ctx, flat(mean), x.dtype), cast_(ctx, flat(variance), x.dtype)];
}

const native = (ctx: Context, x: Tensor, weight: Tensor | null, bias: Tensor | null, runningMean: Tensor | null, runningVar: Tensor | null, training: boolean, momentum: number, eps: number): [Tensor, Tensor, Tensor] =>
  batchNorm(ctx, x, { weight, bias, runningMean, runningVar, training, momentum, eps });

/** What batch_norm makes of no elements, of any rank: only the first of the parameters is asked for. */
function nothing(ctx: Context, x: Tensor, weight: Tensor | null, bias: Tensor | null): Tensor {
  const out = copyOf(ctx, x);
  const scaled = weight === null ? out : times(ctx, out, selected(weight, 0, 0));
  return bias === null ? scaled : plus(ctx, scaled, selected(bias, 0, 0));
}

export const normalization: readonly Op[] = [
  op("aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> Tensor", {
    run: (ctx, x, weight, bias, mean, variance, training, momentum, eps) => (x.numel === 0 ? nothing(ctx, x, weight, bias) : native(ctx, x, weight, bias, mean, variance, training, momentum, eps)[0]),
  }),
  op("aten::native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)", { run: native }),
  op("aten::_native_batch_norm_legit(Tensor input, Tensor? weight, Tensor? bias, Tensor(a!) running_mean, Tensor(b!) running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)", { run: native }),
  op("aten::_native_batch_norm_legit.no_stats(Tensor input, Tensor? weight, Tensor? bias, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor)", {
    run: (ctx, x, weight, bias, training, momentum, eps) => native(ctx, x, weight, bias, null, null, training, momentum, eps),
  }),
  op("aten::_native_batch_norm_legit_no_training(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor)", {
    run: (ctx, x, weight, bias, mean, variance, momentum, eps) => native(ctx, x, weight, bias, mean, variance, false, momentum, eps),
  }),
  op("aten::_native_batch_norm_legit_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, bool training, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor running_mean_out, Tensor running_var_out)", {
    run: (ctx, x, weight, bias, mean, variance, training, momentum, eps) => {
      const [m, v] = [copyOf(ctx, mean), copyOf(ctx, variance)];
      return [...native(ctx, x, weight, bias, m, v, training, momentum, eps), m, v];
    },
  }),
  op("aten::cudnn_batch_norm(Tensor input, Tensor weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float exponential_average_factor, float epsilon) -> (Tensor, Tensor, Tensor, Tensor)", {
    run: (ctx, x, weight, bias, mean, variance, training, momentum, eps) => [...native(ctx, x, weight, bias, mean, variance, training, momentum, eps), empty(ctx, [0], "uint8")],
  }),
  op("aten::instance_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool use_input_stats, float momentum, float eps, bool cudnn_enabled) -> Tensor", {
    run: (ctx, x, weight, bias, mean, variance, useInput, momentum, eps) => instanceNorm(ctx, x, weight, bias, mean, variance, useInput, momentum, eps),
  }),
  op("aten::layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1.0000000000000001e-05, bool cudnn_enable=True) -> Tensor", {
    run: (ctx, x, shape, weight, bias, eps) => layerNorm(ctx, x, shape, weight, bias, eps)[0],
  }),
  op("aten::native_layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)", { run: layerNorm }),
  op("aten::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1.0000000000000001e-05, bool cudnn_enabled=True) -> Tensor", {
    run: (ctx, x, groups, weight, bias, eps) => {
      checkGroups(x, groups, weight, bias);
      return groupNorm(ctx, x, x.shape[0] ?? 0, x.shape[1] ?? 0, groups, weight, bias, eps)[0];
    },
  }),
  op("aten::native_group_norm(Tensor input, Tensor? weight, Tensor? bias, SymInt N, SymInt C, SymInt HxW, int group, float eps) -> (Tensor, Tensor, Tensor)", {
    run: (ctx, x, weight, bias, n, channels, _positions, groups, eps) => {
      checkGroups(x, groups, weight, bias);
      if (!isDenseLike(x)) throw new OpwiseError("bad-argument", "Expected X.is_contiguous(memory_format) to be true, but got false.  (Could this error message be improved?  If so, please report an enhancement request to PyTorch.)");
      return groupNorm(ctx, x, n, channels, groups, weight, bias, eps);
    },
  }),
  op("aten::rms_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor", { run: (ctx, x, shape, weight, eps) => rmsNorm(ctx, x, shape, weight, eps)[0] }),
  op("aten::_fused_rms_norm(Tensor input, int[] normalized_shape, Tensor? weight, float? eps) -> (Tensor, Tensor)", { run: rmsNorm }),
  op("aten::_batch_norm_with_update(Tensor input, Tensor? weight, Tensor? bias, Tensor(a!) running_mean, Tensor(b!) running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor)", {
    // The last result is what cuDNN reserves for the gradient: nothing here.
    run: (ctx, x, weight, bias, mean, variance, momentum, eps) => [...native(ctx, x, weight, bias, mean, variance, true, momentum, eps), empty(ctx, [0], "uint8")],
  }),
  op("aten::_batch_norm_impl_index(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, float eps, bool cudnn_enabled) -> (Tensor, Tensor, Tensor, Tensor, int)", {
    run: (ctx, x, weight, bias, mean, variance, training, momentum, eps) => [...native(ctx, x, weight, bias, mean, variance, training, momentum, eps), empty(ctx, [0], "uint8"), 0],
  }),
  op("aten::_batch_norm_with_update_functional(Tensor input, Tensor? weight, Tensor? bias, Tensor running_mean, Tensor running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor, Tensor running_mean_out, Tensor running_var_out)", {
    run: (ctx, x, weight, bias, mean, variance, momentum, eps) => {
      const [m, v] = [copyOf(ctx, mean), copyOf(ctx, variance)];
      return [...native(ctx, x, weight, bias, m, v, true, momentum, eps), empty(ctx, [0], "uint8"), m, v];
    },
  }),
  op("aten::_batch_norm_no_update(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, float momentum, float eps) -> (Tensor, Tensor, Tensor, Tensor)", {
    run: (ctx, x, weight, bias, mean, variance, momentum, eps) => [...native(ctx, x, weight, bias, mean, variance, false, momentum, eps), empty(ctx, [0], "uint8")],
  }),
  op("aten::batch_norm_stats(Tensor input, float eps) -> (Tensor, Tensor)", { run: (ctx, x, eps) => native(ctx, x, null, null, null, null, true, 0, eps).slice(1) }),
  op("aten::batch_norm_update_stats(Tensor input, Tensor? running_mean, Tensor? running_var, float momentum) -> (Tensor, Tensor)", { run: updateStats }),
  op("aten::batch_norm_elemt(Tensor input, Tensor? weight, Tensor? bias, Tensor mean, Tensor invstd, float eps) -> Tensor", {
    run: (ctx, x, weight, bias, mean, invstd) => {
      const out = likeOf(ctx, x);
      if (x.numel > 0) normalise(ctx, x, perChannel(mean, x.rank), perChannel(invstd, x.rank), perChannelOrNull(weight, x.rank), perChannelOrNull(bias, x.rank), out);
      return out;
    },
  }),
];
