/** Normalisations: BatchNormalization, LayerNormalization, InstanceNormalization, GroupNormalization, RMSNormalization, LRN and others. */

import { binary, constant, fold, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { copyOf, empty, reduce } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { sumOf } from "../../prims/combiner.ts";
import { computeType } from "../../prims/program.ts";
import { reshaped } from "../../prims/views.ts";
import { type DType, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { sameShape } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { addOf, axes as positions, size, subOf } from "../aten/memo.ts";
import { goesByFactors, instanceNorm, inverseDeviation, layerNorm, meanOf, normalise, normaliseByFactors, rmsNorm, varianceOf } from "../aten/normalization.ts";
import { countOf, statesProgram } from "../aten/reduction-axes.ts";
import { outputParts } from "../elementwise.ts";
import { castTo } from "./casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, dtypeOfCode, maybeTensor, only, tensorAt } from "./inputs.ts";
import { alongAxis } from "./layout.ts";
import { computeOf, mapOf } from "./programs.ts";

const axesFrom = (axis: number, rank: number): number[] => Array.from({ length: rank - axis }, (_, i) => axis + i);

/** A parameter per channel, or (before version 9, `spatial=0`) per channel and place. */
function parameter(t: Tensor, rank: number): Tensor {
  return t.rank === 1 ? alongAxis(t, 1, rank) : t;
}

/** `old * momentum + now * (1 - momentum)`. */
function running(ctx: Context, old: Tensor, now: Tensor, momentum: number): Tensor {
  const flat = viewOf(now, old.shape, old.strides, now.offset);
  return mapOf(
    ctx,
    "running_stats",
    [old, flat],
    old.dtype,
    (a, b, m) =>
      a
        .to("f64")
        .mul(m)
        .add(b.to("f64").mul(m.lit(1).sub(m))),
    [momentum],
  );
}

/** With given statistics, or in training with those of the batch. Old versions tell training by `is_test` or by their outputs. */
function batchNormalization(ctx: Context, call: OnnxCall): Tensor[] {
  const [x, scale, bias, mean, variance] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2), tensorAt(call, 3), tensorAt(call, 4)];
  const { attributes, version } = call;
  const eps = attributes.float("epsilon", 1e-5);
  const momentum = attributes.float("momentum", 0.9);
  const training =
    version >= 14 ? attributes.int("training_mode", 0) !== 0 : version >= 7 ? call.outputs > 1 : attributes.int("is_test", 0) === 0 && call.outputs > 1;
  const out = empty(ctx, x.shape, x.dtype);
  const [w, b] = [parameter(scale, x.rank), parameter(bias, x.rank)];
  if (!training) {
    if (x.numel > 0) {
      const params = { eps, weight: true, bias: true };
      const given = [mean, variance, scale, bias];
      const body = (): void =>
        goesByFactors(x, given) && given.every((t) => t.rank === 1)
          ? normaliseByFactors(ctx, x, mean, variance, eps, scale, bias, out)
          : normalise(ctx, x, parameter(mean, x.rank), parameter(inverseDeviation(ctx, variance, eps, opmathOf(variance.dtype)), x.rank), w, b, out);
      if (scale.rank === 1) ctx.region({ kind: "region", name: "batch_norm", operands: [x, mean, variance, scale, bias], results: [out], params }, body);
      else body();
    }
    return [out];
  }
  const spatial = attributes.int("spatial", 1) !== 0;
  const axes = x.shape.map((_, i) => i).filter((i) => i === 0 || (spatial && i > 1));
  const wide = opmathOf(x.dtype);
  const m = meanOf(ctx, x, axes, wide);
  const v = varianceOf(ctx, x, m, axes, wide);
  if (x.numel > 0) normalise(ctx, x, m, inverseDeviation(ctx, v, eps), w, b, out);
  const saved = (now: Tensor, like: Tensor): Tensor => castTo(ctx, viewOf(now, like.shape, like.strides, now.offset), like.dtype);
  return [
    out,
    running(ctx, copyOf(ctx, mean), m, momentum),
    running(ctx, copyOf(ctx, variance), v, momentum),
    saved(m, copyOf(ctx, mean)),
    saved(v, copyOf(ctx, variance)),
  ];
}

const stashType = (call: OnnxCall, x: Tensor): DType => (x.dtype === "float64" ? "float64" : dtypeOfCode(call.attributes.int("stash_type", 1)));

/** Result, mean and inverse deviation over the axes from `axis` on; PyTorch's where scale and bias have the shape of what is normalised and no dtype differs. */
function layerNormalization(ctx: Context, call: OnnxCall): Tensor[] {
  const [x, scale] = [tensorAt(call, 0), tensorAt(call, 1)];
  const bias = maybeTensor(call, 2) ?? null;
  const axis = axisOf(call.attributes.int("axis", -1), x.rank);
  const eps = call.attributes.float("epsilon", 1e-5);
  const axes = axesFrom(axis, x.rank);
  const kept = x.shape.map((s, i) => (i < axis ? s : 1));
  const stash = stashType(call, x);
  const fits = (t: Tensor | null): boolean => t === null || (t.dtype === x.dtype && sameShape(t.shape, x.shape.slice(axis)));
  if (stash === x.dtype && axis < x.rank && fits(scale) && fits(bias)) return layerNorm(ctx, x, x.shape.slice(axis), scale, bias, eps);
  const [out, mean, inverse] = [empty(ctx, x.shape, x.dtype), empty(ctx, kept, stash), empty(ctx, kept, stash)];
  if (x.numel === 0) return [out, mean, inverse];
  const wide = opmathOf(x.dtype);
  const m = meanOf(ctx, x, axes, wide);
  const r = inverseDeviation(ctx, varianceOf(ctx, x, m, axes, wide), eps);
  normalise(ctx, x, m, r, scale, bias, out);
  return [out, castTo(ctx, m, stash), castTo(ctx, r, stash)];
}

/** The mean of squares, in double precision. */
function meanSquare(ctx: Context, x: Tensor, axes: readonly number[], dtype: DType): Tensor {
  const program = statesProgram("squares", [x.dtype], opmathOf(x.dtype), (v) => [v.to("f64").square()]);
  const sum = only(reduce(ctx, program, sumOf("f64"), [x], axes, true, ["float64"]));
  return mapOf(ctx, "mean", [sum], dtype, (v, n) => v.div(n), [countOf(x, axes)]);
}

function rmsNormalization(ctx: Context, call: OnnxCall): Tensor {
  const [x, scale] = [tensorAt(call, 0), tensorAt(call, 1)];
  const axis = axisOf(call.attributes.int("axis", -1), x.rank);
  const eps = call.attributes.float("epsilon", 1e-5);
  if (scale.dtype === x.dtype && axis < x.rank && sameShape(scale.shape, x.shape.slice(axis))) return rmsNorm(ctx, x, x.shape.slice(axis), scale, eps)[0];
  const out = empty(ctx, x.shape, x.dtype);
  if (x.numel > 0) normalise(ctx, x, null, inverseDeviation(ctx, meanSquare(ctx, x, axesFrom(axis, x.rank), opmathOf(x.dtype)), eps), scale, null, out);
  return out;
}

/** Scale and bias are per channel since version 21, per group before. */
/** Normalised within groups of channels of `[N, C, ...]`; `scale` and `bias` are per channel, or per group in the first version. */
export function groupNorm(ctx: Context, x: Tensor, scale: Tensor, bias: Tensor, groups: number, eps: number, perGroup = false): Tensor {
  const [n = 0, c = 0, ...rest] = x.shape;
  if (!(groups > 0) || c % groups !== 0) throw new OpwiseError("shape-mismatch", `${c} channels do not make ${groups} groups`);
  const split = [n, groups, c / groups, ...rest];
  const grouped = reshaped(ctx, x, split);
  const axes = axesFrom(2, split.length);
  const affine = (t: Tensor): Tensor => reshaped(ctx, t, [1, groups, t.numel === groups && perGroup ? 1 : c / groups, ...rest.map(() => 1)]);
  const out = empty(ctx, split, x.dtype);
  if (x.numel > 0) {
    const wide = opmathOf(x.dtype);
    const m = meanOf(ctx, grouped, axes, wide);
    normalise(ctx, grouped, m, inverseDeviation(ctx, varianceOf(ctx, grouped, m, axes, wide), eps), affine(scale), affine(bias), out);
  }
  return reshaped(ctx, out, x.shape);
}

function groupNormalization(ctx: Context, call: OnnxCall): Tensor {
  const { attributes, version } = call;
  return groupNorm(ctx, tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2), attributes.int("num_groups"), attributes.float("epsilon", 1e-5), version < 21);
}

function meanVarianceNormalization(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const axes = (call.attributes.ints("axes") ?? [0, 2, 3]).map((a) => axisOf(a, x.rank));
  const m = meanOf(ctx, x, axes, "float64");
  const v = varianceOf(ctx, x, m, axes, "float64");
  return mapOf(ctx, "mean_variance_normalise", [x, m, v], x.dtype, (a, b, c) => a.to("f64").sub(b).div(c.sqrt().add(1e-9)));
}

/** A norm of zero gives zeros. */
function lpNormalization(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const axis = axisOf(call.attributes.int("axis", -1), x.rank);
  const p = call.attributes.int("p", 2);
  const program = statesProgram(p === 1 ? "magnitudes" : "squares", [x.dtype], opmathOf(x.dtype), (v) => [p === 1 ? v.to("f64").abs() : v.to("f64").square()]);
  const sum = only(reduce(ctx, program, sumOf("f64"), [x], x.rank === 0 ? [] : [axis], true, ["float64"]));
  return mapOf(ctx, p === 1 ? "l1_normalise" : "l2_normalise", [x, sum], x.dtype, (v, s) => {
    const norm = p === 1 ? s : s.sqrt();
    return norm.eq(0).where(norm.lit(0), v.to("f64").div(norm));
  });
}

/** Each element over a power of the squares of its neighbouring channels. */
function localResponse(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const { attributes } = call;
  const count = attributes.int("size");
  const scalars = [attributes.float("alpha", 1e-4) / count, attributes.float("beta", 0.75), attributes.float("bias", 1)];
  return computeOf(
    ctx,
    "lrn",
    "",
    x.shape,
    [x],
    x.dtype,
    ["index", "index", "index", "f64", "f64", "f64"],
    [count, Math.floor((count - 1) / 2), x.shape[1] ?? 1, ...scalars],
    () => {
      const type = computeType(x.dtype);
      const here = positions(x.rank);
      const [sum = constant(0, "f64")] = fold(0, size(0), [constant(0, "f64")], ([so = constant(0, "f64")], trip) => {
        const channel = subOf(addOf(index(1), trip), size(1));
        const inside = binary("and", binary("ge", channel, constant(0, "index")), binary("lt", channel, size(2)));
        const v = new Num(
          load(
            0,
            type,
            here.map((e, i) => (i === 1 ? channel : e)),
            0,
            inside,
            new Num(constant(0, "f64")).to(type).re,
          ),
        ).to("f64");
        return [new Num(so).add(v.square()).re];
      });
      const [alpha, beta, bias] = [new Num(scalar(3, "f64")), new Num(scalar(4, "f64")), new Num(scalar(5, "f64"))];
      const value = new Num(load(0, type, here)).to("f64").div(bias.add(alpha.mul(new Num(sum))).pow(beta));
      return { parts: outputParts(value, x.dtype) };
    },
  );
}

export const normalizationOps: readonly OnnxOp[] = [
  onnxOp("BatchNormalization", { 1: { run: batchNormalization } }),
  onnxOp("LayerNormalization", { 17: { run: layerNormalization } }),
  onnxOp("RMSNormalization", { 23: { run: rmsNormalization } }),
  onnxOp("GroupNormalization", { 18: { run: groupNormalization } }),
  onnxOp("InstanceNormalization", {
    1: {
      run: (ctx, call) =>
        instanceNorm(ctx, tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2), null, null, true, 0, call.attributes.float("epsilon", 1e-5)),
    },
  }),
  onnxOp("MeanVarianceNormalization", { 9: { run: meanVarianceNormalization } }),
  onnxOp("LpNormalization", { 1: { run: lpNormalization } }),
  onnxOp("LRN", { 1: { run: localResponse } }),
];
