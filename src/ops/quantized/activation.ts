/**
 * Activations and normalisations of codes: on the numbers, and back to codes. Where PyTorch gives the result a scale of its own
 * (sigmoid, tanh) it stands here; where the op takes one, it is the op's argument.
 */

import { arg, constant, scalar } from "../../expr/expr.ts";
import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import { copyInto, empty, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { reshaped } from "../../prims/views.ts";
import { type DType } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Quantizer, Tensor } from "../../tensor/tensor.ts";
import { floatOf } from "../aten/element.ts";
import { CHANNELS_LAST, CHANNELS_LAST_3D, formatStrides } from "../aten/filling.ts";
import { layerNorm } from "../aten/normalization.ts";
import { softmax } from "../aten/softmax.ts";
import { op, type Op } from "../define.ts";
import {
  affineOf,
  along,
  codeNum,
  codeOfNumber,
  dequantised,
  f32,
  fused,
  mapCodes,
  mapOne,
  numOf,
  once,
  perTensor,
  quantised,
  quantizerOf,
  saturated,
  TORCH_NAMES,
  valueNum,
} from "./codes.ts";

/** Codes of `f(numbers)`; extra numbers are single-precision scalars. */
export function activated(ctx: Context, t: Tensor, name: string, f: (x: Num, ...extra: Num[]) => Num, q: Quantizer, extra: readonly number[] = []): Tensor {
  const { scale, zeroPoint } = affineOf(t, name);
  if (q.scheme !== "per_tensor_affine") return unreachable("one scale");
  const program = (vector: boolean): Program =>
    once(`${name},${t.dtype},${vector}`, () => {
      const x = valueNum(0, t.dtype, numOf(scalar(0, "f32")), numOf(scalar(1, "i32")), vector);
      const value = f(x, ...extra.map((_, i) => numOf(scalar(4 + i, "f32"))));
      const code = codeNum(value, numOf(scalar(2, "f32")), numOf(scalar(3, "i32")), t.dtype, vector ? "late" : "early");
      return {
        name,
        operands: [t.dtype],
        scalars: ["f32", "i32", "f32", "i32", ...extra.map(() => "f32" as const)],
        outputs: [{ dtype: t.dtype, parts: [code.re] }],
      };
    });
  const out = mapCodes(ctx, program, [t], [f32(scale), zeroPoint, f32(1 / f32(q.scale)), q.zeroPoint, ...extra.map(f32)]);
  out.quantizer = q;
  return out;
}

/** Scales of results in [0, 1): sigmoid, hardsigmoid. */
function unitQuantizer(dtype: DType): Quantizer {
  return dtype === "qint32" ? perTensor(2 ** -32, 0) : perTensor(1 / 256, dtype === "qint8" ? -128 : 0);
}
/** Scales of results in (-1, 1): tanh. */
function symmetricQuantizer(dtype: DType): Quantizer {
  return dtype === "qint32" ? perTensor(2 ** -31, 0) : perTensor(1 / 128, dtype === "quint8" ? 128 : 0);
}

const sigmoidOf = (x: Num): Num => x.sigmoid();
const hard = (x: Num): Num => x.add(3).max(0).min(6);
const leaky = (x: Num, slope: Num): Num => x.gt(0).where(x, x.mul(slope));
const eluOf = (x: Num, alpha: Num, scale: Num, input: Num): Num => x.ge(0).where(x.mul(scale), x.mul(input).exp().sub(1).mul(alpha.mul(scale)));

export const sigmoidCodes = (ctx: Context, t: Tensor): Tensor => activated(ctx, t, "quantized_sigmoid", sigmoidOf, unitQuantizer(t.dtype));
export const tanhCodes = (ctx: Context, t: Tensor): Tensor => activated(ctx, t, "quantized_tanh", (x) => x.apply("tanh"), symmetricQuantizer(t.dtype));
export const hardsigmoidCodes = (ctx: Context, t: Tensor): Tensor => activated(ctx, t, "quantized_hardsigmoid", (x) => hard(x).div(6), unitQuantizer(t.dtype));
export const leakyReluCodes = (ctx: Context, t: Tensor, slope: Scalar): Tensor =>
  activated(ctx, t, "quantized_leaky_relu", leaky, quantizerOf(t), [floatOf(slope)]);
export const thresholdCodes = (ctx: Context, t: Tensor, limit: Scalar, value: Scalar): Tensor =>
  activated(ctx, t, "quantized_threshold", (x, at, other) => x.le(at).where(other, x), quantizerOf(t), [floatOf(limit), floatOf(value)]);

/** Codes cut to those of two numbers. */
export function clampedCodes(ctx: Context, t: Tensor, min: Scalar | null, max: Scalar | null): Tensor {
  const q = affineOf(t, "clamp");
  if (min === null && max === null) throw new OpwiseError("bad-argument", "Both min and max is None");
  const bound = (s: Scalar | null, otherwise: number): number => (s === null ? otherwise : codeOfNumber(floatOf(s), q, t.dtype));
  const program = once(`quantized_clamp,${t.dtype}`, () => {
    const type = computeType(t.dtype);
    const code = numOf(arg(0, type))
      .to("f64")
      .max(numOf(scalar(0, "f64")))
      .min(numOf(scalar(1, "f64")));
    return { name: "quantized_clamp", operands: [t.dtype], scalars: ["f64", "f64"], outputs: [{ dtype: t.dtype, parts: [code.to(type).re] }] };
  });
  const out = mapOne(ctx, program, [t], [bound(min, -(2 ** 31)), bound(max, 2 ** 31 - 1)]);
  out.quantizer = quantizerOf(t);
  return out;
}

const int = (value: number): Scalar => ({ kind: "int", value });
export const relu6Codes = (ctx: Context, t: Tensor): Tensor => clampedCodes(ctx, t, int(0), int(6));

/** quantized::prelu: slopes for all elements, per channel (axis 1) or broadcast. Products of codes, where 1 is the slopes' code of it; rounded once. */
function preluCodes(ctx: Context, t: Tensor, slopes: Tensor, q: Quantizer): Tensor {
  const [input, weight] = [affineOf(t, "prelu"), affineOf(slopes, "prelu")];
  if (q.scheme !== "per_tensor_affine") return unreachable("one scale");
  if (slopes.dtype !== t.dtype)
    throw new OpwiseError(
      "dtype-mismatch",
      `prelu: Type promoting not supported. Got ${TORCH_NAMES[t.dtype] ?? t.dtype} and ${TORCH_NAMES[slopes.dtype] ?? slopes.dtype}`,
    );
  if (t.rank === 0) throw new OpwiseError("shape-mismatch", "qprelu: zero-dim input tensor is not allowed.");
  const wide = slopes.rank === t.rank ? slopes : along(reshaped(ctx, slopes, [slopes.numel]), t.rank > 1 ? 1 : 0, t.rank);
  const program = once(`quantized_prelu,${t.dtype}`, () => {
    const type = computeType(t.dtype);
    const zero = numOf(scalar(0, "i32"));
    const x = numOf(arg(0, type)).to("i32").sub(zero);
    const w = numOf(arg(1, type))
      .to("i32")
      .sub(numOf(scalar(1, "i32")));
    const none = numOf(constant(0, "i32"));
    const sum = x
      .max(none)
      .mul(numOf(scalar(2, "i32")))
      .add(x.min(none).mul(w));
    const whole = sum
      .to("f32")
      .mul(numOf(scalar(3, "f32")))
      .rint()
      .to("f64")
      .add(numOf(scalar(4, "i32")).to("f64"));
    return {
      name: "quantized_prelu",
      operands: [t.dtype, t.dtype],
      scalars: ["i32", "i32", "i32", "f32", "i32"],
      outputs: [{ dtype: t.dtype, parts: [saturated(whole, t.dtype).re] }],
    };
  });
  const one = codeOfNumber(1, weight, t.dtype) - weight.zeroPoint;
  const factor = f32(f32(f32(input.scale) * f32(weight.scale)) * f32(1 / f32(q.scale)));
  const out = mapOne(ctx, program, [t, wide], [input.zeroPoint, weight.zeroPoint, one, factor, q.zeroPoint]);
  out.quantizer = q;
  return out;
}
/** aten::prelu of codes and code slopes, which keep the input's scale. */
export const preluLike = (ctx: Context, t: Tensor, slopes: Tensor): Tensor => preluCodes(ctx, t, slopes, quantizerOf(t));

interface Statistics {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly mean: Tensor;
  readonly variance: Tensor;
  readonly eps: number;
}

/** Batch normalisation of codes: one factor and one addend per channel, then one rounding. */
export function batchNormCodes(ctx: Context, t: Tensor, s: Statistics, scale: number, zeroPoint: number, relu: boolean): Tensor {
  const q = affineOf(t, "quantized::batch_norm");
  if (t.rank < 2) throw new OpwiseError("shape-mismatch", "Expect the input to be at least 2D", { got: `[${t.shape.join(", ")}]` });
  const given = [s.mean, s.variance, ...(s.weight === null ? [] : [s.weight]), ...(s.bias === null ? [] : [s.bias])];
  if (given.some((v) => v.numel !== t.shape[1]))
    throw new OpwiseError("shape-mismatch", "Expect the size of the statistics and parameters to be the number of channels", { wanted: String(t.shape[1]) });
  const key = `${s.weight !== null},${s.bias !== null}`;
  const parameters = once(`batch_norm_factors,${key}`, () => {
    const numbers = given.map((v, i) => numOf(arg(i, computeType(v.dtype))));
    const [mean = unreachable("mean"), variance = unreachable("variance"), ...rest] = numbers;
    const weight = s.weight === null ? undefined : rest[0];
    const bias = s.bias === null ? undefined : rest[weight === undefined ? 0 : 1];
    const inverse = variance
      .add(numOf(scalar(0, "f32")))
      .sqrt()
      .reciprocal();
    const scaled = weight === undefined ? inverse : inverse.mul(weight);
    const alpha = scaled.mul(numOf(scalar(1, "f32")));
    const shifted = mean.mul(inverse);
    const moved = weight === undefined ? shifted : shifted.mul(weight);
    const beta = (bias === undefined ? moved.neg() : bias.sub(moved)).div(numOf(scalar(2, "f32")));
    return {
      name: "batch_norm_factors",
      operands: given.map((v) => v.dtype),
      scalars: ["f32", "f32", "f32"],
      outputs: [
        { dtype: "float32", parts: [alpha.re] },
        { dtype: "float32", parts: [beta.re] },
      ],
    };
  });
  const [alpha = unreachable("alpha"), beta = unreachable("beta")] = map(ctx, parameters, given, [f32(s.eps), f32(f32(q.scale) / f32(scale)), f32(scale)]);
  const program = once(`quantized_batch_norm,${t.dtype},${relu}`, () => {
    const gap = numOf(arg(0, computeType(t.dtype)))
      .to("i32")
      .sub(numOf(scalar(0, "i32")))
      .to("f32");
    const zero = numOf(scalar(1, "i32")).to("f64");
    const whole = fused(numOf(arg(1, "f32")), gap, numOf(arg(2, "f32")))
      .rint()
      .to("f64")
      .add(zero);
    return {
      name: "quantized_batch_norm",
      operands: [t.dtype, "float32", "float32"],
      scalars: ["i32", "i32"],
      outputs: [{ dtype: t.dtype, parts: [saturated(relu ? whole.max(zero) : whole, t.dtype).re] }],
    };
  });
  const format = t.rank === 4 ? CHANNELS_LAST : t.rank === 5 ? CHANNELS_LAST_3D : null;
  const target = format === null ? undefined : [empty(ctx, t.shape, t.dtype, formatStrides(t.shape, format))];
  const out = mapOne(ctx, program, [t, along(alpha, 1, t.rank), along(beta, 1, t.rank)], [q.zeroPoint, zeroPoint], target);
  out.quantizer = perTensor(scale, zeroPoint);
  return out;
}

/** Codes of a function of the numbers. */
function throughNumbers(ctx: Context, t: Tensor, f: (x: Tensor) => Tensor, scale: number, zeroPoint: number): Tensor {
  return quantised(ctx, f(dequantised(ctx, t)), t.dtype, perTensor(scale, zeroPoint));
}

/** Groups of channels normalised together, then weighted per channel. */
function groupNormNumbers(ctx: Context, x: Tensor, groups: number, weight: Tensor | null, bias: Tensor | null, eps: number): Tensor {
  const [batch = 0, channels = 0] = x.shape;
  if (channels % groups !== 0)
    throw new OpwiseError("shape-mismatch", "Expected channels to be divisible by the number of groups", { got: `${channels} and ${groups}` });
  const rows = reshaped(ctx, x, [batch, groups, x.numel / Math.max(batch * groups, 1)]);
  const [normal] = layerNorm(ctx, rows, [rows.shape[2] ?? 1], null, null, eps);
  const back = reshaped(ctx, normal, x.shape);
  if (weight === null && bias === null) return back;
  const program = once(`affine,${weight !== null},${bias !== null}`, () => {
    let value = numOf(arg(0, "f32"));
    let slot = 1;
    if (weight !== null) value = value.mul(numOf(arg(slot++, "f32")));
    if (bias !== null) value = value.add(numOf(arg(slot++, "f32")));
    return {
      name: "affine",
      operands: Array.from({ length: slot }, () => "float32" as const),
      scalars: [],
      outputs: [{ dtype: "float32", parts: [value.re] }],
    };
  });
  return mapOne(ctx, program, [back, ...[weight, bias].filter((v) => v !== null).map((v) => along(v, 1, x.rank))]);
}

const batchNorms = ["", "1d", "2d", "3d"].flatMap((axes) =>
  [false, true].map((relu) =>
    op(
      `quantized::batch_norm${axes}${relu ? "_relu" : ""}(Tensor qx, Tensor? weight, Tensor? bias, Tensor mean, Tensor var, float eps, float output_scale, int output_zero_point) -> Tensor` as "quantized::b(Tensor qx, Tensor? weight, Tensor? bias, Tensor mean, Tensor var, float eps, float output_scale, int output_zero_point) -> Tensor",
      {
        run: (ctx, x, weight, bias, mean, variance, eps, scale, zero) => batchNormCodes(ctx, x, { weight, bias, mean, variance, eps }, scale, zero, relu),
        quantised: "own",
      },
    ),
  ),
);

export const quantizedActivations: readonly Op[] = [
  ...batchNorms,
  op("quantized::sigmoid(Tensor qx, float output_scale, int output_zero_point) -> Tensor", {
    run: (ctx, x, s, z) => activated(ctx, x, "quantized_sigmoid", sigmoidOf, perTensor(s, z)),
    quantised: "own",
  }),
  op("quantized::hardswish(Tensor input, float output_scale, int output_zero_point) -> Tensor", {
    run: (ctx, x, s, z) => activated(ctx, x, "quantized_hardswish", (v) => v.mul(hard(v)).div(6), perTensor(s, z)),
    quantised: "own",
  }),
  op("quantized::leaky_relu(Tensor qx, Scalar negative_slope, bool inplace, float output_scale, int output_zero_point) -> Tensor", {
    run: (ctx, x, slope, _inplace, s, z) => activated(ctx, x, "quantized_leaky_relu", leaky, perTensor(s, z), [floatOf(slope)]),
    quantised: "own",
  }),
  op("quantized::elu(Tensor self, float output_scale, int output_zero_point, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor", {
    run: (ctx, x, s, z, alpha, scale, input) => activated(ctx, x, "quantized_elu", eluOf, perTensor(s, z), [floatOf(alpha), floatOf(scale), floatOf(input)]),
    quantised: "own",
  }),
  op("quantized::celu(Tensor self, float output_scale, int output_zero_point, Scalar alpha=1) -> Tensor", {
    run: (ctx, x, s, z, alpha) => {
      const a = floatOf(alpha);
      if (a === 0) throw new OpwiseError("bad-argument", "ZeroDivisionError: alpha cannot be 0 for CELU");
      return activated(ctx, x, "quantized_elu", eluOf, perTensor(s, z), [a, 1, 1 / a]);
    },
    quantised: "own",
  }),
  op("quantized::prelu(Tensor qx, Tensor weight, float output_scale, int output_zero_point) -> Tensor", {
    run: (ctx, x, w, s, z) => preluCodes(ctx, x, w, perTensor(s, z)),
    quantised: "own",
  }),
  op("quantized::relu6(Tensor qx, bool inplace=False) -> Tensor", {
    run: (ctx, x, inplace) => {
      const out = relu6Codes(ctx, x);
      if (!inplace) return out;
      copyInto(ctx, x, out);
      return x;
    },
    quantised: "own",
  }),
  op("quantized::threshold(Tensor qx, Scalar threshold, Scalar value) -> Tensor qy", { run: thresholdCodes, quantised: "own" }),
  op("quantized::clamp(Tensor qx, Scalar? min=None, Scalar? max=None) -> Tensor qy", { run: clampedCodes, quantised: "own" }),
  op("quantized::softmax(Tensor qx, int dim, float output_scale, int output_zero_point) -> Tensor", {
    run: (ctx, x, dim, s, z) => throughNumbers(ctx, x, (v) => softmax(ctx, v, dim, false), s, z),
    quantised: "own",
  }),
  op("quantized::dropout(Tensor self, float output_scale, int output_zero_point, Scalar p=0.5, bool training=False) -> Tensor", {
    run: (_ctx, x) => x,
    quantised: "own",
  }),
  op(
    "quantized::layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps, float output_scale, int output_zero_point) -> Tensor",
    {
      run: (ctx, x, shape, weight, bias, eps, s, z) => throughNumbers(ctx, x, (v) => layerNorm(ctx, v, shape, weight, bias, eps)[0], s, z),
      quantised: "own",
    },
  ),
  op("quantized::group_norm(Tensor input, int num_groups, Tensor? weight, Tensor? bias, float eps, float output_scale, int output_zero_point) -> Tensor", {
    run: (ctx, x, groups, weight, bias, eps, s, z) => throughNumbers(ctx, x, (v) => groupNormNumbers(ctx, v, groups, weight, bias, eps), s, z),
    quantised: "own",
  }),
  op("quantized::instance_norm(Tensor input, Tensor? weight, Tensor? bias, float eps, float output_scale, int output_zero_point) -> Tensor", {
    run: (ctx, x, weight, bias, eps, s, z) => throughNumbers(ctx, x, (v) => groupNormNumbers(ctx, v, v.shape[1] ?? 1, weight, bias, eps), s, z),
    quantised: "own",
  }),
];
