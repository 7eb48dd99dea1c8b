/** Between numbers and codes (PyTorch: quantize_per_tensor, dequantize, int_repr, q_scale ...). */

import type { Datum } from "../../ir/datum.ts";
import { copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { type DType, dtypeOfTorch, isFloat, isQuantized } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Quantizer, Tensor } from "../../tensor/tensor.ts";
import { op, type Op, type Reads } from "../define.ts";
import { chosen } from "../quantized/choose.ts";
import { batchNormCodes } from "../quantized/activation.ts";
import {
  affineOf,
  coded,
  codedOf,
  codeRange,
  codesOf,
  dequantised,
  f32,
  perTensor,
  quantised,
  quantizerOf,
  suggestedStrides,
  TORCH_NAMES,
} from "../quantized/codes.ts";
import { numbersOf } from "./element.ts";
import { fakeQuantize, tensorParameters } from "./fake-quantize.ts";
import { formatStrides } from "./filling.ts";

const TYPE_NAMES: Partial<Record<DType, string>> = {
  float64: "Double",
  float32: "Float",
  float16: "Half",
  bfloat16: "BFloat16",
  int8: "Char",
  uint8: "Byte",
  int16: "Short",
  int32: "Int",
  int64: "Long",
  bool: "Bool",
};

function needsFloat(t: Tensor, what: string): void {
  if (t.dtype !== "float32")
    throw new OpwiseError("dtype-mismatch", `${what} Float Tensor, got ${TYPE_NAMES[t.dtype] ?? TORCH_NAMES[t.dtype] ?? t.dtype}`, {
      wanted: "float32",
      got: t.dtype,
    });
}

/** A quantised dtype by its number. @throws dtype-mismatch for another */
function codesDtype(code: number, what: string): DType {
  const dtype = dtypeOfTorch(code);
  if (!isQuantized(dtype))
    throw new OpwiseError("dtype-mismatch", `ScalarType ${TYPE_NAMES[dtype] ?? dtype} is not supported in new_qtensor.`, {
      wanted: "a quantised dtype",
      got: what,
    });
  return dtype;
}

function checkZero(zero: number, dtype: DType, what: string): void {
  const [low, high] = codeRange(dtype);
  if (zero > high) throw new OpwiseError("bad-argument", `${what} zero_point ${zero} is above upper bound.`);
  if (zero < low) throw new OpwiseError("bad-argument", `${what} zero_point ${zero} is below lower bound.`);
}

function quantizePerTensor(ctx: Context, x: Tensor, scale: number, zero: number, dtype: DType): Tensor {
  needsFloat(x, "Quantize only works on");
  checkZero(zero, dtype, "quantize_tensor_per_tensor_affine");
  return quantised(ctx, x, dtype, perTensor(scale, zero), empty(ctx, x.shape, dtype, suggestedStrides(x)));
}

function channelQuantizer(scales: Tensor, zeros: Tensor, axis: number, t: Tensor): Quantizer {
  const at = axis;
  if (at < 0 || at >= t.rank)
    throw new OpwiseError("index-out-of-range", `Channel axis out of range in per channel affine quantization. Got: ${at}Expected: [0, ${t.rank})`);
  if (scales.rank !== 1 || zeros.rank !== 1)
    throw new OpwiseError("shape-mismatch", "scale and zero_point tensors must be 1-D", { got: `${scales.rank}-D and ${zeros.rank}-D` });
  if (scales.numel !== zeros.numel)
    throw new OpwiseError("shape-mismatch", "number of elements in scales and zero_points must match", { got: `${scales.numel} and ${zeros.numel}` });
  if (scales.numel !== t.shape[at])
    throw new OpwiseError("shape-mismatch", "length of scales must equal to channel", { got: `${scales.numel} for ${t.shape[at]} channels` });
  return { scheme: isFloat(zeros.dtype) ? "per_channel_affine_float_qparams" : "per_channel_affine", scales, zeroPoints: zeros, axis: at };
}

/** Scales and zero points as PyTorch keeps them: doubles and longs, or floats. */
function keptQuantizer(ctx: Context, scales: Tensor, zeros: Tensor, axis: number, t: Tensor): Quantizer {
  const q = channelQuantizer(scales, zeros, axis, t);
  if (q.scheme === "per_tensor_affine") return q;
  const real = q.scheme === "per_channel_affine_float_qparams";
  return { ...q, scales: copyOf(ctx, scales, real ? "float32" : "float64"), zeroPoints: copyOf(ctx, zeros, real ? "float32" : "int64") };
}

/** Scale and zero point chosen from the numbers' range. */
function* dynamic(ctx: Context, x: Tensor, code: number, reduceRange: boolean): Reads {
  const dtype = codesDtype(code, "quantize_per_tensor_dynamic");
  if (dtype !== "qint8" && dtype !== "quint8") throw new OpwiseError("dtype-mismatch", `dtype ${dtype} not supported`);
  needsFloat(x, "Quantize only works on");
  const [low, high] = codeRange(dtype);
  const [first, last] = reduceRange ? [Math.trunc(low / 2), Math.trunc(high / 2)] : [low, high];
  const [, zeroPoint, exact] = chosen(ctx, x, first, last);
  const [scale, zero] = yield* tensorParameters(exact, zeroPoint);
  return quantised(ctx, x, dtype, perTensor(scale, zero));
}

/** `dequantize` of a tensor: numbers in half precision become single, single ones stay themselves. */
function dequantize(ctx: Context, t: Tensor): Tensor {
  if (t.quantizer !== undefined) return dequantised(ctx, t);
  return t.dtype === "float32" ? t : copyOf(ctx, t, "float32");
}

function dequantizeAny(ctx: Context, value: Datum): Datum {
  if (value instanceof Tensor) return dequantize(ctx, value);
  if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "list" || value.kind === "tuple"))
    return { ...value, items: value.items.map((item) => dequantizeAny(ctx, item)) };
  return value;
}

/** @throws dtype-mismatch for a per-tensor quantiser */
function channelsOf(t: Tensor): Exclude<Quantizer, { scheme: "per_tensor_affine" }> {
  const q = quantizerOf(t);
  if (q.scheme === "per_tensor_affine")
    throw new OpwiseError("dtype-mismatch", "Expected quantizer->qscheme() == kPerChannelAffine to be true, but got false.");
  return q;
}

/** torch.qscheme numbers. */
const SCHEMES = { per_tensor_affine: 0, per_channel_affine: 1, per_channel_affine_float_qparams: 4 } as const;

function made(codes: Tensor, quantizer: Quantizer): Tensor {
  const dtype = codedOf(codes.dtype);
  if (dtype === undefined) throw new OpwiseError("dtype-mismatch", "codes are int8, uint8 or int32", { got: codes.dtype });
  return coded(codes, dtype, quantizer);
}

/** An uninitialised tensor of codes. */
function emptyCodes(ctx: Context, size: readonly number[], code: number | null, quantizer: Quantizer, format: number | null): Tensor {
  const dtype = code === null ? "quint8" : dtypeOfTorch(code);
  if (!isQuantized(dtype)) throw new OpwiseError("dtype-mismatch", "Creation of quantized tensor requires quantized dtype like torch.quint8");
  const out = empty(ctx, size, dtype, formatStrides(size, format));
  out.quantizer = quantizer;
  return out;
}

/** Bounds of a vector's numbers that lose least when they are cut to `2^bits` steps: a greedy search from the outside. */
function* optimised(_ctx: Context, x: Tensor, numel: number, bins: number, ratio: number, bits: number): Reads {
  if (numel <= 0 || numel > x.numel) throw new OpwiseError("bad-argument", "numel is out of the bound of input tensor");
  yield x;
  const values = numbersOf(x).slice(0, numel);
  let low = Math.min(...values);
  let high = Math.max(...values);
  const step = f32(f32(high - low) / bins);
  const fewest = Math.trunc(bins * (1 - f32(ratio)));
  const steps = 2 ** bits - 1;
  const loss = (from: number, to: number): number => {
    const scale = f32(f32(to - from) / steps);
    const data = Math.abs(f32(to - from)) < Number.EPSILON ? 1 : scale;
    let sum = 0;
    for (const v of values) {
      const code = Math.min(Math.max(Math.round(f32(f32(v - from) / data)), 0), steps);
      const gap = f32(v - f32(f32(code * data) + from));
      sum = f32(sum + f32(gap * gap));
    }
    return f32(Math.sqrt(sum));
  };
  let best = [low, high];
  let least = loss(low, high);
  let [start, end] = [low, high];
  let used = 0;
  while (used < bins - fewest) {
    const [raised, lowered] = [loss(f32(start + step), end), loss(start, f32(end - step))];
    if (raised < lowered) {
      start = f32(start + step);
      if (raised < least) [least, best] = [raised, [start, end]];
    } else {
      end = f32(end - step);
      if (lowered < least) [least, best] = [lowered, [start, end]];
    }
    used++;
  }
  [low = 0, high = 0] = best;
  return [Tensor.from([high], [1], "float32"), Tensor.from([low], [1], "float32")];
}

export const quantization: readonly Op[] = [
  op("aten::quantize_per_tensor(Tensor self, float scale, int zero_point, ScalarType dtype) -> Tensor", {
    run: (ctx, x, scale, zero, code) => quantizePerTensor(ctx, x, scale, zero, codesDtype(code, "quantize_per_tensor")),
  }),
  op("aten::quantize_per_tensor.tensor_qparams(Tensor self, Tensor scale, Tensor zero_point, ScalarType dtype) -> Tensor", {
    reads: function* (ctx, x, scale, zero, code) {
      const [s, z] = yield* tensorParameters(scale, zero);
      return quantizePerTensor(ctx, x, s, z, codesDtype(code, "quantize_per_tensor"));
    },
  }),
  op("aten::quantize_per_tensor.tensors(Tensor[] tensors, Tensor scales, Tensor zero_points, ScalarType dtype) -> Tensor[]", {
    reads: function* (ctx, list, scales, zeros, code) {
      yield scales;
      yield zeros;
      const [s, z] = [numbersOf(scales), numbersOf(zeros)];
      return list.map((x, i) => quantizePerTensor(ctx, x, s[i] ?? 1, z[i] ?? 0, codesDtype(code, "quantize_per_tensor")));
    },
  }),
  op("aten::quantize_per_tensor_dynamic(Tensor self, ScalarType dtype, bool reduce_range) -> Tensor", { reads: dynamic }),
  op("aten::quantize_per_channel(Tensor self, Tensor scales, Tensor zero_points, int axis, ScalarType dtype) -> Tensor", {
    run: (ctx, x, scales, zeros, axis, code) => {
      needsFloat(x, "Quantize only works on");
      return quantised(ctx, x, codesDtype(code, "quantize_per_channel"), keptQuantizer(ctx, scales, zeros, axis, x));
    },
  }),
  op("aten::dequantize.self(Tensor self) -> Tensor", { run: dequantize, quantised: "own" }),
  op("aten::dequantize.tensor(Tensor qtensor) -> Tensor", { run: dequantize, quantised: "own" }),
  op("aten::dequantize.tensors(Tensor[] tensors) -> Tensor[]", { run: (ctx, list) => list.map((t) => dequantize(ctx, t)), quantised: "own" }),
  op("aten::dequantize.list(Tensor[] qtensors) -> Tensor[]", { run: (ctx, list) => list.map((t) => dequantize(ctx, t)), quantised: "own" }),
  op("aten::dequantize.any(Any tensors) -> Any", { run: dequantizeAny, quantised: "own" }),
  op("aten::int_repr(Tensor self) -> Tensor", {
    run: (ctx, t) => {
      quantizerOf(t);
      const codes = codesOf(t);
      return copyOf(ctx, codes, codes.dtype, suggestedStrides(t));
    },
    quantised: "own",
  }),
  op("aten::q_scale(Tensor self) -> float", { run: (_ctx, t) => affineOf(t, "q_scale").scale, quantised: "own" }),
  op("aten::q_zero_point(Tensor self) -> int", { run: (_ctx, t) => affineOf(t, "q_zero_point").zeroPoint, quantised: "own" }),
  op("aten::q_per_channel_scales(Tensor self) -> Tensor", { run: (_ctx, t) => channelsOf(t).scales, quantised: "own" }),
  op("aten::q_per_channel_zero_points(Tensor self) -> Tensor", { run: (_ctx, t) => channelsOf(t).zeroPoints, quantised: "own" }),
  op("aten::q_per_channel_axis(Tensor self) -> int", { run: (_ctx, t) => channelsOf(t).axis, quantised: "own" }),
  op("aten::qscheme(Tensor self) -> QScheme", { run: (_ctx, t) => SCHEMES[quantizerOf(t).scheme], quantised: "own" }),
  op("aten::_make_per_tensor_quantized_tensor(Tensor self, float scale, int zero_point) -> Tensor", {
    run: (ctx, codes, scale, zero) => made(copyOf(ctx, codes), perTensor(scale, zero)),
  }),
  op("aten::_make_per_channel_quantized_tensor(Tensor self, Tensor scale, Tensor zero_point, int axis) -> Tensor", {
    run: (ctx, codes, scales, zeros, axis) => made(copyOf(ctx, codes), keptQuantizer(ctx, scales, zeros, axis, codes)),
  }),
  op(
    "aten::_empty_affine_quantized(SymInt[] size, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, float scale=1., int zero_point=0, MemoryFormat? memory_format=0) -> Tensor",
    {
      run: (ctx, size, dtype, _layout, _device, _pin, scale, zero, format) => emptyCodes(ctx, size, dtype, perTensor(scale, zero), format),
    },
  ),
  op(
    "aten::_empty_per_channel_affine_quantized(SymInt[] size, *, Tensor scales, Tensor zero_points, int axis, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=0) -> Tensor",
    {
      run: (ctx, size, scales, zeros, axis, dtype, _layout, _device, _pin, format) => {
        const out = emptyCodes(ctx, size, dtype, perTensor(1, 0), format);
        out.quantizer = keptQuantizer(ctx, scales, zeros, axis, out);
        return out;
      },
    },
  ),
  op(
    "aten::empty_quantized(int[] size, Tensor qtensor, *, ScalarType? dtype=None, Layout? layout=None, Device? device=None, bool? pin_memory=None, MemoryFormat? memory_format=None) -> Tensor",
    {
      run: (ctx, size, t, _dtype, _layout, _device, _pin, format) => {
        const out = empty(ctx, size, t.dtype, formatStrides(size, format));
        out.quantizer = quantizerOf(t);
        return out;
      },
      quantised: "own",
    },
  ),
  op(
    "aten::quantized_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor mean, Tensor var, float eps, float output_scale, int output_zero_point) -> Tensor",
    {
      run: (ctx, x, weight, bias, mean, variance, eps, scale, zero) => batchNormCodes(ctx, x, { weight, bias, mean, variance, eps }, scale, zero, false),
      quantised: "own",
    },
  ),
  ...fakeQuantize,
  op("aten::choose_qparams_optimized(Tensor input, int numel, int n_bins, float ratio, int bit_width) -> (Tensor, Tensor)", { reads: optimised }),
  op("aten::_choose_qparams_per_tensor(Tensor self, bool reduce_range=False) -> (float, int)", {
    reads: function* (ctx, x, reduceRange) {
      const [, zero, exact] = chosen(ctx, x, 0, reduceRange ? 127 : 255);
      return yield* tensorParameters(exact, zero);
    },
  }),
];
