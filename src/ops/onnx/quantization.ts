/** Quantisation: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear, and products of quantised integers. */

import { index } from "../../expr/expr.ts";
import type { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { axes, loadParts, quotOf, size } from "../aten/memo.ts";
import { matmul } from "../aten/products.ts";
import { extremum } from "../aten/reduction.ts";
import { convertedNum } from "./casts.ts";
import { convolved } from "./convolution.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, dtypeOfCode, maybeTensor, tensorAt } from "./inputs.ts";
import { alongAxis } from "./layout.ts";
import { computeOf, mapOf } from "./programs.ts";

/** Smallest and largest value of an integer dtype. */
export function rangeOf(dtype: DType): readonly [number, number] {
  const { bits, signed } = dtypeInfo(dtype);
  return signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** Rounded to the nearest even, moved by the zero point, cut to the dtype's range. */
export function saturated(value: Num, zeroPoint: Num | undefined, dtype: DType): Num {
  const [low, high] = rangeOf(dtype);
  const whole = value.rint().to("f64");
  return (zeroPoint === undefined ? whole : whole.add(zeroPoint.to("f64"))).max(low).min(high);
}

/** Scales or zero points laid along `x`: one number, a vector along `axis`, or one per block of it. */
export function laidAlong(ctx: Context, t: Tensor, x: Tensor, axis: number, block: number): Tensor {
  if (t.numel === 1) return viewOf(t, [], [], t.offset);
  if (t.rank === 1 && (block === 0 || x.rank !== 1)) return alongAxis(t, axis, x.rank);
  if (t.rank !== x.rank) throw new OpwiseError("shape-mismatch", `scales of shape [${t.shape.join(", ")}] do not fit a tensor of shape [${x.shape.join(", ")}]`);
  const whole = x.shape[axis] ?? 1;
  const length = block > 0 ? block : Math.ceil(whole / (t.shape[axis] ?? 1));
  if (Math.ceil(whole / length) !== t.shape[axis]) throw new OpwiseError("shape-mismatch", `${t.shape[axis]} blocks of ${length} do not cover an axis of ${whole}`);
  return computeOf(ctx, "repeat_blocks", String(axis), x.shape, [t], t.dtype, ["index"], [length], () => ({
    parts: loadParts(0, t.dtype, axes(x.rank).map((e, i) => (i === axis ? quotOf(index(axis), size(0)) : e))),
  }));
}

const HALVES = ["float16", "bfloat16"] as const;
/** A value rounded as a float dtype would store it. */
function inPrecision(x: Num, dtype: DType): Num {
  const half = HALVES.find((name) => name === dtype);
  return half === undefined ? x.to(dtype === "float64" ? "f64" : "f32") : x.to("f32").round(half);
}

interface Layout {
  readonly axis: number;
  readonly block: number;
}
function layoutOf(call: OnnxCall, x: Tensor): Layout {
  const axis = call.attributes.int("axis", 1);
  return { axis: x.rank <= 1 ? 0 : axisOf(Math.min(axis, x.rank - 1), x.rank), block: call.attributes.int("block_size", 0) };
}

/** `x / scale` in `precision`, as an element of `dtype`. */
export function quantized(ctx: Context, x: Tensor, scale: Tensor, zeroPoint: Tensor | undefined, dtype: DType, precision: DType, saturate: boolean): Tensor {
  const operands = zeroPoint === undefined ? [x, scale] : [x, scale, zeroPoint];
  return mapOf(ctx, `quantize ${precision},${saturate}`, operands, dtype, (v, s, z?: Num) => {
    const ratio = inPrecision(inPrecision(v, precision).div(inPrecision(s, precision)), precision);
    if (dtypeInfo(dtype).class === "int") return saturated(ratio, z, dtype);
    return convertedNum(z === undefined ? ratio : ratio.add(z.to(ratio.type)), dtype, { saturate, roundMode: "nearest" });
  });
}

function quantizeLinear(ctx: Context, call: OnnxCall): Tensor {
  const [x, scale] = [tensorAt(call, 0), tensorAt(call, 1)];
  const zero = maybeTensor(call, 2);
  const { attributes } = call;
  const stated = attributes.int("output_dtype", 0);
  const dtype = zero?.dtype ?? (stated === 0 ? "uint8" : dtypeOfCode(stated));
  const precise = attributes.int("precision", 0);
  const { axis, block } = layoutOf(call, x);
  const lay = (t: Tensor): Tensor => laidAlong(ctx, t, x, axis, block);
  return quantized(ctx, x, lay(scale), zero === undefined ? undefined : lay(zero), dtype, precise === 0 ? scale.dtype : dtypeOfCode(precise), attributes.int("saturate", 1) !== 0);
}

/** `(x - zeroPoint) * scale`; integers are subtracted exactly. */
export function dequantized(ctx: Context, x: Tensor, scale: Tensor, zeroPoint: Tensor | undefined, dtype: DType): Tensor {
  const operands = zeroPoint === undefined ? [x, scale] : [x, scale, zeroPoint];
  const wide = dtype === "float64" ? "f64" : "f32";
  return mapOf(ctx, "dequantize", operands, dtype, (v, s, z?: Num) => {
    const exact = dtypeInfo(x.dtype).class === "int" ? v.to("i64") : v.to(wide);
    return (z === undefined ? exact : exact.sub(z.to(exact.type))).to(wide).mul(s.to(wide));
  });
}

function dequantizeLinear(ctx: Context, call: OnnxCall): Tensor {
  const [x, scale] = [tensorAt(call, 0), tensorAt(call, 1)];
  const zero = maybeTensor(call, 2);
  const stated = call.attributes.int("output_dtype", 0);
  const { axis, block } = layoutOf(call, x);
  const lay = (t: Tensor): Tensor => laidAlong(ctx, t, x, axis, block);
  return dequantized(ctx, x, lay(scale), zero === undefined ? undefined : lay(zero), stated === 0 ? scale.dtype : dtypeOfCode(stated));
}

/** Scale and zero point from the range of the data, which is widened to take in 0. */
function dynamicQuantizeLinear(ctx: Context, call: OnnxCall): Tensor[] {
  const x = tensorAt(call, 0);
  const [low, high] = [extremum(ctx, x, null, false, false), extremum(ctx, x, null, false, true)];
  const scale = mapOf(ctx, "dynamic_scale", [low, high], "float32", (a, b) => b.max(0).sub(a.min(0)).div(255));
  const zero = mapOf(ctx, "dynamic_zero_point", [low, scale], "uint8", (a, s) => s.eq(0).where(s.lit(0), a.min(0).neg().div(s)).max(0).min(255).rint());
  return [mapOf(ctx, "dynamic_quantize", [x, scale, zero], "uint8", (v, s, z) => saturated(s.eq(0).where(s.lit(0), v.div(s)), z, "uint8")), scale, zero];
}

/** Integers without their zero point as doubles, which hold every sum of their products that matters exactly. */
export function centred(ctx: Context, x: Tensor, zeroPoint: Tensor | undefined): Tensor {
  return mapOf(ctx, "centred", zeroPoint === undefined ? [x] : [x, zeroPoint], "float64", (v, z?: Num) => (z === undefined ? v.to("f64") : v.to("f64").sub(z.to("f64"))));
}

/** A zero point or scale of the rows (first operand) or columns (second) of a product. */
function ofRows(t: Tensor): Tensor {
  if (t.numel === 1) return viewOf(t, [], [], t.offset);
  return t.rank === 1 ? viewOf(t, [t.shape[0] ?? 1, 1], [t.strides[0] ?? 1, 1], t.offset) : t;
}
const ofColumns = (t: Tensor): Tensor => (t.numel === 1 ? viewOf(t, [], [], t.offset) : t);

/** A sum of products scaled and quantised anew. */
function requantized(ctx: Context, sums: Tensor, scales: readonly [Tensor, Tensor, Tensor], zeroPoint: Tensor): Tensor {
  return mapOf(ctx, "requantize", [sums, ...scales, zeroPoint], zeroPoint.dtype, (v, a, b, y, z) => saturated(v.mul(a.to("f32").mul(b.to("f32")).div(y.to("f32")).to("f64")), z, zeroPoint.dtype));
}

function qLinearMatMul(ctx: Context, call: OnnxCall): Tensor {
  const [a, aScale, aZero, b, bScale, bZero, yScale, yZero] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => tensorAt(call, i)) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const sums = matmul(ctx, centred(ctx, a, ofRows(aZero)), centred(ctx, b, ofColumns(bZero)));
  return requantized(ctx, sums, [ofRows(aScale), ofColumns(bScale), ofColumns(yScale)], ofColumns(yZero));
}

const toInt32 = (ctx: Context, sums: Tensor): Tensor => mapOf(ctx, "to_int32", [sums], "int32", (v) => v.to("i64"));

function matMulInteger(ctx: Context, call: OnnxCall): Tensor {
  const [aZero, bZero] = [maybeTensor(call, 2), maybeTensor(call, 3)];
  const a = centred(ctx, tensorAt(call, 0), aZero === undefined ? undefined : ofRows(aZero));
  return toInt32(ctx, matmul(ctx, a, centred(ctx, tensorAt(call, 1), bZero === undefined ? undefined : ofColumns(bZero))));
}

/** One number per output channel of weights `[O, ...]`, or one for all. */
function ofKernels(t: Tensor, rank: number): Tensor {
  return t.numel === 1 ? viewOf(t, [], [], t.offset) : alongAxis(t, 0, rank);
}
const ofChannels = (t: Tensor, rank: number): Tensor => (t.numel === 1 ? viewOf(t, [], [], t.offset) : alongAxis(t, 1, rank));

function convInteger(ctx: Context, call: OnnxCall): Tensor {
  const [x, w] = [tensorAt(call, 0), tensorAt(call, 1)];
  const [xZero, wZero] = [maybeTensor(call, 2), maybeTensor(call, 3)];
  const image = centred(ctx, x, xZero === undefined ? undefined : ofColumns(xZero));
  return toInt32(ctx, convolved(ctx, call, image, centred(ctx, w, wZero === undefined ? undefined : ofKernels(wZero, w.rank)), null));
}

function qLinearConv(ctx: Context, call: OnnxCall): Tensor {
  const [x, xScale, xZero, w, wScale, wZero, yScale, yZero] = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => tensorAt(call, i)) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const bias = maybeTensor(call, 8);
  const sums = convolved(ctx, call, centred(ctx, x, ofColumns(xZero)), centred(ctx, w, ofKernels(wZero, w.rank)), bias === undefined ? null : centred(ctx, bias, undefined));
  return requantized(ctx, sums, [ofColumns(xScale), ofChannels(wScale, x.rank), ofColumns(yScale)], ofColumns(yZero));
}

export const quantizationOps: readonly OnnxOp[] = [
  onnxOp("QuantizeLinear", { 10: { run: quantizeLinear } }),
  onnxOp("DequantizeLinear", { 10: { run: dequantizeLinear } }),
  onnxOp("DynamicQuantizeLinear", { 11: { run: dynamicQuantizeLinear } }),
  onnxOp("QLinearMatMul", { 10: { run: qLinearMatMul } }),
  onnxOp("MatMulInteger", { 10: { run: matMulInteger } }),
  onnxOp("QLinearConv", { 10: { run: qLinearConv } }),
  onnxOp("ConvInteger", { 10: { run: convInteger } }),
];
