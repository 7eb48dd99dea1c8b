/**
 * `quantized_decomposed`: what quantising an exported program (pt2e) leaves in the graph. Codes are plain integer tensors, their scales and
 * zero points arguments. Source of the semantics: torch/ao/quantization/fx/_decomposed.py.
 */

import type { Scalar } from "../ir/datum.ts";
import type { Context } from "../prims/context.ts";
import { reshaped } from "../prims/views.ts";
import { type DType, dtypeOfTorch } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { wrapDim } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { floatOf, intOf, scalarOf } from "./aten/element.ts";
import { convert } from "./aten/conversion.ts";
import { filled } from "./aten/filling.ts";
import { extremum } from "./aten/reduction.ts";
import { op, type Op } from "./define.ts";
import { apply, elementwise } from "./elementwise.ts";

const sub = elementwise("sub", (x, y) => x.sub(y));
const mul = elementwise("mul", (x, y) => x.mul(y));
const div = elementwise("div", (x, y) => x.div(y), { promotion: "float" });
const larger = elementwise("maximum", (x, y) => x.max(y));
const smaller = elementwise("minimum", (x, y) => x.min(y));
const negative = elementwise("neg", (x) => x.neg());
const magnitude = elementwise("abs", (x) => x.abs());
const rounded = elementwise("round", (x) => x.rint());
const inverse = elementwise("reciprocal", (x) => x.lit(1).div(x), { promotion: "float" });
/** `low - x`, between the bounds. */
const zeroPointOf = elementwise("zero point", (x, low, high) => low.sub(x).max(low).min(high));
/** Tensors and channels round before the zero point is added, tokens and groups after. */
const codesOf = elementwise("quantize", (x, inv, zero, low, high) => x.mul(inv).rint().add(zero).max(low).min(high));
const shiftedCodesOf = elementwise("quantize", (x, inv, zero, low, high) => x.mul(inv).add(zero).rint().max(low).min(high));
/** The zero point that leaves the smaller error at the ends of int8's range. */
const betterZero = elementwise("zero point", (low, high) => {
  const [fromLow, fromHigh] = [low.lit(-128).sub(low), low.lit(127).sub(high)];
  const error = low.add(low.lit(-128)).add(high.add(low.lit(127)));
  return error.gt(low.lit(0)).where(fromLow, fromHigh).max(low.lit(-128)).min(low.lit(127)).rint();
});

const int = (value: number | bigint): Scalar => ({ kind: "int", value });
const float = (value: number): Scalar => ({ kind: "float", value });

const BOUNDS: Partial<Record<DType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
  int32: [-2147483648, 2147483647],
  float8_e5m2: [-57344, 57344],
  float8_e4m3fn: [-448, 448],
};

function checkBounds(low: number, high: number, code: number): DType {
  const dtype = dtypeOfTorch(code);
  const bounds = BOUNDS[dtype];
  if (bounds === undefined) throw new OpwiseError("dtype-mismatch", `Unsupported dtype: torch.${dtype}`);
  if (low < bounds[0]) throw new OpwiseError("bad-argument", `quant_min out of bounds for dtype, quant_min_lower_bound: ${bounds[0]} quant_min: ${low}`);
  if (high > bounds[1]) throw new OpwiseError("bad-argument", `quant_max out of bounds for dtype, quant_max_upper_bound: ${bounds[1]} quant_max: ${high}`);
  return dtype;
}

/** float32 of what may be quantised. */
function quantisable(ctx: Context, input: Tensor): Tensor {
  if (input.dtype === "float16" || input.dtype === "bfloat16") return convert(ctx, input, "float32");
  if (input.dtype === "float32") return input;
  throw new OpwiseError("dtype-mismatch", `Expecting input to have dtype torch.float32, but got dtype: torch.${input.dtype}`);
}

function checkCodes(input: Tensor, code: number): void {
  const dtype = dtypeOfTorch(code);
  if (input.dtype !== dtype) throw new OpwiseError("dtype-mismatch", `Expecting input to have dtype: torch.${dtype}, but got torch.${input.dtype}`);
}

function quantizeTensor(ctx: Context, input: Tensor, scale: number, zero: number | bigint, low: number, high: number, code: number): Tensor {
  const x = quantisable(ctx, input);
  const dtype = checkBounds(low, high, code);
  return convert(ctx, apply(ctx, codesOf, [x, float(1 / scale), int(zero), int(low), int(high)]), dtype);
}

function dequantizeTensor(ctx: Context, input: Tensor, scale: number, zero: number | bigint, code: number, out: number | null): Tensor {
  checkCodes(input, code);
  const wide = convert(ctx, input, out === null ? "float32" : dtypeOfTorch(out));
  return apply(ctx, mul, [apply(ctx, sub, [wide, int(zero)]), float(scale)]);
}

/** The one number of a tensor. */
function* oneOf(t: Tensor, name: string): Generator<Tensor, Scalar, void> {
  if (t.numel !== 1) throw new OpwiseError("shape-mismatch", `Expecting ${name} tensor to be one element, but received : ${t.numel}`);
  yield t;
  return scalarOf(t);
}

/** A vector's elements along `axis` of a tensor of `rank`. */
function along(ctx: Context, vector: Tensor, axis: number, rank: number): Tensor {
  if (axis >= rank) throw new OpwiseError("bad-argument", `Expecting axis to be < ${rank}`);
  const shape = Array.from({ length: rank }, (_, i) => (i === wrapDim(axis, rank) ? (vector.shape[0] ?? 1) : 1));
  return reshaped(ctx, vector, shape);
}

function quantizeChannels(ctx: Context, input: Tensor, scales: Tensor, zeros: Tensor, axis: number, low: number, high: number, code: number): Tensor {
  const x = quantisable(ctx, input);
  const dtype = checkBounds(low, high, code);
  const inv = apply(ctx, inverse, [along(ctx, scales, axis, x.rank)]);
  return convert(ctx, apply(ctx, codesOf, [x, inv, along(ctx, zeros, axis, x.rank), int(low), int(high)]), dtype);
}

function dequantizeBy(ctx: Context, input: Tensor, scales: Tensor, zeros: Tensor | null, out: DType): Tensor {
  return convert(ctx, apply(ctx, mul, [zeros === null ? input : apply(ctx, sub, [input, zeros]), scales]), out);
}

function checkTokens(input: Tensor, scales: Tensor, zeros: Tensor): void {
  const tokens = input.shape.slice(0, -1).reduce((n, size) => n * size, 1);
  if (scales.numel !== tokens || zeros.numel !== tokens) {
    throw new OpwiseError(
      "shape-mismatch",
      `num_tokens: ${tokens} scales: torch.Size([${scales.shape.join(", ")}]) zero_points: torch.Size([${zeros.shape.join(", ")}])`,
    );
  }
}

/** Lowest and highest value, both extended to zero. */
function extremes(ctx: Context, input: Tensor, dim: number | null): readonly [Tensor, Tensor] {
  const low = extremum(ctx, input, dim === null ? null : [dim], dim !== null, false);
  const high = extremum(ctx, input, dim === null ? null : [dim], dim !== null, true);
  return [apply(ctx, smaller, [low, int(0)]), apply(ctx, larger, [high, int(0)])];
}

/** Scale (float64) and zero point (int64) of one element each, as `determine_qparams` finds them. */
function chooseParameters(ctx: Context, input: Tensor, low: number, high: number, eps: number, code: number, symmetric: boolean): [Tensor, Tensor] {
  if (!["float32", "float16", "bfloat16"].includes(input.dtype)) {
    throw new OpwiseError("dtype-mismatch", `Expecting input to have dtype torch.float32/16/b16, but got dtype: torch.${input.dtype}`);
  }
  if (low >= high) throw new OpwiseError("bad-argument", "quant_min must be less than quant_max.");
  const [least, most] = extremes(ctx, input, null);
  const limit = filled(ctx, [1], "float32", float(eps));
  if (symmetric) {
    const reach = apply(ctx, larger, [apply(ctx, negative, [least]), most]);
    const scale = apply(ctx, larger, [apply(ctx, div, [reach, float((high - low) / 2)]), limit]);
    return [convert(ctx, scale, "float64"), filled(ctx, [1], "int64", int(dtypeOfTorch(code) === "uint8" ? 128 : 0))];
  }
  const scale = apply(ctx, larger, [apply(ctx, div, [apply(ctx, sub, [most, least]), float(high - low)]), limit]);
  const steps = convert(ctx, apply(ctx, rounded, [apply(ctx, div, [least, scale])]), "int32");
  const zero = apply(ctx, zeroPointOf, [steps, int(low), int(high)]);
  return [convert(ctx, scale, "float64"), convert(ctx, zero, "int64")];
}

function chooseTokens(ctx: Context, input: Tensor): [Tensor, Tensor] {
  const [least, most] = extremes(ctx, input, -1);
  const scale = apply(ctx, larger, [apply(ctx, div, [apply(ctx, sub, [most, least]), float(255)]), float(2 ** -23)]);
  const zero = apply(ctx, betterZero, [apply(ctx, div, [least, scale]), apply(ctx, div, [most, scale])]);
  return [convert(ctx, scale, "float64"), convert(ctx, zero, "int64")];
}

function chooseSymmetricTokens(ctx: Context, input: Tensor, code: number): [Tensor, Tensor] {
  const dtype = dtypeOfTorch(code);
  if (dtype !== "int8") throw new OpwiseError("dtype-mismatch", `unsupported dtype in choose_qparams_per_token: torch.${dtype}`);
  const reach = extremum(ctx, apply(ctx, magnitude, [input]), [-1], true, true);
  const wide = reach.dtype === "float16" ? convert(ctx, reach, "float32") : reach;
  const scale = apply(ctx, div, [apply(ctx, larger, [wide, float(1e-5)]), int(127)]);
  return [scale, filled(ctx, scale.shape, scale.dtype, int(0))];
}

/** Rows of `size`, as both group ops take a matrix. */
function groups(ctx: Context, matrix: Tensor, size: number, scales: Tensor): Tensor {
  if (size <= 1) throw new OpwiseError("bad-argument", "Expecting group_size to be > 1");
  const width = matrix.shape.at(-1) ?? 0;
  const group = size > width && scales.shape.at(-1) === 1 ? width : size;
  if (width % group !== 0) throw new OpwiseError("shape-mismatch", "Expecting input.shape[-1] to be divisible by group_size");
  if (matrix.rank !== 2) throw new OpwiseError("shape-mismatch", "Expecting input to be 2-d");
  return reshaped(ctx, matrix, [-1, group]);
}
const column = (ctx: Context, t: Tensor): Tensor => reshaped(ctx, t, [-1, 1]);

export const quantizedDecomposed: readonly Op[] = [
  op("quantized_decomposed::quantize_per_tensor(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype) -> Tensor", {
    run: quantizeTensor,
  }),
  op(
    "quantized_decomposed::quantize_per_tensor.tensor(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max, ScalarType dtype) -> Tensor",
    {
      reads: function* (ctx, input, scale, zero, low, high, dtype) {
        const [z, s] = [yield* oneOf(zero, "zero_point"), yield* oneOf(scale, "scale")];
        return quantizeTensor(ctx, input, floatOf(s), intOf(z), low, high, dtype);
      },
    },
  ),
  op(
    "quantized_decomposed::quantize_per_tensor.tensor2(Tensor input, Tensor scale, Tensor zero_point, Tensor quant_min, Tensor quant_max, ScalarType dtype) -> Tensor",
    {
      reads: function* (ctx, input, scale, zero, low, high, dtype) {
        const [z, s] = [yield* oneOf(zero, "zero_point"), yield* oneOf(scale, "scale")];
        const [from, to] = [yield* oneOf(low, "quant_min"), yield* oneOf(high, "quant_max")];
        return quantizeTensor(ctx, input, floatOf(s), intOf(z), floatOf(from), floatOf(to), dtype);
      },
    },
  ),
  op(
    "quantized_decomposed::dequantize_per_tensor(Tensor input, float scale, int zero_point, int quant_min, int quant_max, ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor",
    { run: (ctx, input, scale, zero, _low, _high, dtype, out) => dequantizeTensor(ctx, input, scale, zero, dtype, out) },
  ),
  op(
    "quantized_decomposed::dequantize_per_tensor.tensor(Tensor input, Tensor scale, Tensor zero_point, int quant_min, int quant_max, ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor",
    {
      reads: function* (ctx, input, scale, zero, _low, _high, dtype, out) {
        const [z, s] = [yield* oneOf(zero, "zero_point"), yield* oneOf(scale, "scale")];
        return dequantizeTensor(ctx, input, floatOf(s), intOf(z), dtype, out);
      },
    },
  ),
  op(
    "quantized_decomposed::dequantize_per_tensor.tensor2(Tensor input, Tensor scale, Tensor zero_point, Tensor quant_min, Tensor quant_max, ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor",
    {
      reads: function* (ctx, input, scale, zero, _low, _high, dtype, out) {
        const [z, s] = [yield* oneOf(zero, "zero_point"), yield* oneOf(scale, "scale")];
        return dequantizeTensor(ctx, input, floatOf(s), intOf(z), dtype, out);
      },
    },
  ),
  op("quantized_decomposed::choose_qparams.tensor(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype) -> (Tensor, Tensor)", {
    run: (ctx, input, low, high, eps, dtype) => chooseParameters(ctx, input, low, high, eps, dtype, false),
  }),
  op("quantized_decomposed::choose_qparams_symmetric.tensor(Tensor input, int quant_min, int quant_max, float eps, ScalarType dtype) -> (Tensor, Tensor)", {
    run: (ctx, input, low, high, eps, dtype) => chooseParameters(ctx, input, low, high, eps, dtype, true),
  }),
  op(
    "quantized_decomposed::quantize_per_channel(Tensor input, Tensor scales, Tensor zero_points, int axis, int quant_min, int quant_max, ScalarType dtype) -> Tensor",
    {
      run: quantizeChannels,
    },
  ),
  op(
    "quantized_decomposed::dequantize_per_channel(Tensor input, Tensor scales, Tensor? zero_points, int axis, int quant_min, int quant_max, ScalarType dtype, *, ScalarType? out_dtype=None) -> Tensor",
    {
      run: (ctx, input, scales, zeros, axis, low, high, dtype, out) => {
        checkCodes(input, dtype);
        checkBounds(low, high, dtype);
        const zero = zeros === null ? null : along(ctx, zeros, axis, input.rank);
        return dequantizeBy(ctx, input, along(ctx, scales, axis, input.rank), zero, out === null ? "float32" : dtypeOfTorch(out));
      },
    },
  ),
  op("quantized_decomposed::choose_qparams_per_token(Tensor input, ScalarType dtype) -> (Tensor, Tensor)", { run: chooseSymmetricTokens }),
  op("quantized_decomposed::choose_qparams_per_token_asymmetric(Tensor input, ScalarType dtype) -> (Tensor, Tensor)", { run: chooseTokens }),
  op("quantized_decomposed::_choose_qparams_per_token_asymmetric_impl(Tensor input, ScalarType dtype) -> (Tensor, Tensor)", { run: chooseTokens }),
  op("quantized_decomposed::quantize_per_token(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype) -> Tensor", {
    run: (ctx, input, scales, zeros, low, high, dtype) => {
      const out = checkBounds(low, high, dtype);
      checkTokens(input, scales, zeros);
      return convert(ctx, apply(ctx, shiftedCodesOf, [input, apply(ctx, inverse, [scales]), zeros, int(low), int(high)]), out);
    },
  }),
  op(
    "quantized_decomposed::dequantize_per_token(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype, ScalarType output_dtype) -> Tensor",
    { run: (ctx, input, scales, zeros, _low, _high, _dtype, out) => dequantizeBy(ctx, input, scales, zeros, dtypeOfTorch(out)) },
  ),
  op(
    "quantized_decomposed::quantize_per_channel_group(Tensor input, Tensor scales, Tensor zero_points, int quant_min, int quant_max, ScalarType dtype, int group_size) -> Tensor",
    {
      run: (ctx, input, scales, zeros, low, high, dtype, size) => {
        const rows = groups(ctx, input, size, scales);
        const codes = apply(ctx, shiftedCodesOf, [rows, apply(ctx, inverse, [column(ctx, scales)]), column(ctx, zeros), int(low), int(high)]);
        return reshaped(ctx, convert(ctx, codes, dtypeOfTorch(dtype)), input.shape);
      },
    },
  ),
  op(
    "quantized_decomposed::dequantize_per_channel_group(Tensor input, Tensor scales, Tensor? zero_points, int quant_min, int quant_max, ScalarType dtype, int group_size, ScalarType output_dtype) -> Tensor",
    {
      run: (ctx, input, scales, zeros, _low, _high, _dtype, size, out) => {
        const rows = groups(ctx, input, size, scales);
        return reshaped(ctx, dequantizeBy(ctx, rows, column(ctx, scales), zeros === null ? null : column(ctx, zeros), dtypeOfTorch(out)), input.shape);
      },
    },
  ),
  op("quantized_decomposed::fake_quant_per_channel(Tensor input, Tensor scales, Tensor zero_points, int axis, int quant_min, int quant_max) -> Tensor", {
    run: (ctx, input, scales, zeros, axis, low, high) => {
      if (input.dtype !== "float32") {
        throw new OpwiseError("dtype-mismatch", `Expecting input to have dtype torch.float32, but got dtype: torch.${input.dtype}`);
      }
      const [scale, zero] = [along(ctx, convert(ctx, scales, "float32"), axis, input.rank), along(ctx, convert(ctx, zeros, "int32"), axis, input.rank)];
      const codes = apply(ctx, codesOf, [input, apply(ctx, inverse, [scale]), zero, int(low), int(high)]);
      return apply(ctx, mul, [apply(ctx, sub, [codes, zero]), scale]);
    },
  }),
  op("quantized_decomposed::convert_element_type.no_fuse(Tensor input, ScalarType dtype) -> Tensor", {
    run: (ctx, input, dtype) => convert(ctx, input, dtypeOfTorch(dtype)),
  }),
];
