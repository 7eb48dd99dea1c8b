/** Products and convolutions of codes: the zero points are taken off, the product is exact in int32, the result may be requantised. */

import type { Context } from "../../prims/context.ts";
import { type DType, isFloat, itemsize } from "../../tensor/dtype.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { matmul } from "../aten/products.ts";
import { castTo, convertedNum, DEFAULT_CAST } from "./casts.ts";
import { convolved } from "./convolution.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { maybeTensor, tensorAt } from "./inputs.ts";
import { alongAxis, alongChannels } from "./layout.ts";
import { mapOf } from "./programs.ts";
import { codeOf } from "./quantization.ts";

/** Codes less their zero point, as int32; float8 codes as float32. */
export function centred(ctx: Context, x: Tensor, zero: Tensor | undefined): Tensor {
  if (isFloat(x.dtype)) return castTo(ctx, x, "float32");
  return zero === undefined ? castTo(ctx, x, "int32") : mapOf(ctx, "centre", [x, zero], "int32", (v, z) => v.to("i32").sub(z.to("i32")));
}

/** A scale or zero point of the rows of the left matrix: a vector becomes a column. */
export function perRow(t: Tensor | undefined): Tensor | undefined {
  if (t === undefined) return undefined;
  if (t.numel === 1) return viewOf(t, [], [], t.offset);
  return t.rank === 1 ? alongAxis(t, 0, 2) : t;
}
/** The same of the columns of the right one: a vector lies as it is. */
export function perColumn(t: Tensor | undefined): Tensor | undefined {
  return t?.numel === 1 ? viewOf(t, [], [], t.offset) : t;
}

/** Sums (plus a bias) times `left * right / scale`, plus the zero point, as codes of `dtype`. */
export function requantised(ctx: Context, sums: Tensor, left: Tensor, right: Tensor, scale: Tensor, zero: Tensor | undefined, dtype: DType, bias?: Tensor): Tensor {
  const operands = [sums, left, right, scale, ...(bias === undefined ? [] : [bias]), ...(zero === undefined ? [] : [zero])];
  return mapOf(ctx, bias === undefined ? "requantize" : "requantize_biased", operands, dtype, (v, a, b, s, ...rest) => {
    const [c, z] = bias === undefined ? [undefined, rest[0]] : rest;
    const factor = a.to("f32").mul(b.to("f32")).div(s.to("f32"));
    const value = (c === undefined ? v : v.add(c.to(isFloat(sums.dtype) ? "f32" : "i32"))).to("f64").mul(factor.to("f64"));
    if (isFloat(dtype)) return convertedNum(value, dtype, DEFAULT_CAST);
    return codeOf(z === undefined ? value.rint() : value.rint().add(z.to("f64")), dtype);
  });
}

/** As `centred`, as integers to multiply: of 16 bits where those hold them. */
function factors(ctx: Context, x: Tensor, zero: Tensor | undefined): Tensor {
  if (isFloat(x.dtype) || itemsize(x.dtype) > 1) return x.dtype === "int16" && zero === undefined ? x : centred(ctx, x, zero);
  return zero === undefined ? x : mapOf(ctx, "centre_short", [x, zero], "int16", (v, z) => v.to("i32").sub(z.to("i32")).to("i16"));
}

export function codeProduct(ctx: Context, a: Tensor, aZero: Tensor | undefined, b: Tensor, bZero: Tensor | undefined): Tensor {
  const [left, right] = [factors(ctx, a, perRow(aZero)), factors(ctx, b, perColumn(bZero))];
  return isFloat(left.dtype) || isFloat(right.dtype) ? matmul(ctx, left, right) : matmul(ctx, left, right, "int32");
}

function qlinearMatMul(ctx: Context, call: OnnxCall): Tensor {
  const [a, b] = [tensorAt(call, 0), tensorAt(call, 3)];
  const sums = codeProduct(ctx, a, maybeTensor(call, 2), b, maybeTensor(call, 5));
  const zero = maybeTensor(call, 7);
  return requantised(ctx, sums, perRow(tensorAt(call, 1)) ?? a, perColumn(tensorAt(call, 4)) ?? b, perRow(tensorAt(call, 6)) ?? a, perRow(zero), zero?.dtype ?? a.dtype);
}

/** A weight's scale or zero point along its output channels, axis 0. */
function perFilter(t: Tensor | undefined, rank: number): Tensor | undefined {
  return t === undefined || t.numel === 1 ? perRow(t) : alongAxis(t, 0, rank);
}

/** Exact sums of products of codes, int32. */
function codeConvolution(ctx: Context, call: OnnxCall, x: Tensor, xZero: Tensor | undefined, w: Tensor, wZero: Tensor | undefined): Tensor {
  const [left, right] = [factors(ctx, x, perRow(xZero)), factors(ctx, w, perFilter(wZero, w.rank))];
  return convolved(ctx, call, left, right, null, isFloat(left.dtype) ? left.dtype : "int32");
}

function convInteger(ctx: Context, call: OnnxCall): Tensor {
  return codeConvolution(ctx, call, tensorAt(call, 0), maybeTensor(call, 2), tensorAt(call, 1), maybeTensor(call, 3));
}

/** `x` may be a view with the channels moved to axis 1. */
export function qlinearConv(ctx: Context, call: OnnxCall, x: Tensor): Tensor {
  const w = tensorAt(call, 3);
  const sums = codeConvolution(ctx, call, x, maybeTensor(call, 2), w, maybeTensor(call, 5));
  const bias = maybeTensor(call, 8);
  const scale = tensorAt(call, 4);
  const zero = maybeTensor(call, 7);
  return requantised(ctx, sums, perRow(tensorAt(call, 1)) ?? x, scale.numel === 1 ? (perRow(scale) ?? scale) : alongChannels(scale, x.rank), perRow(tensorAt(call, 6)) ?? x, perRow(zero), zero?.dtype ?? x.dtype, bias === undefined ? undefined : alongChannels(bias, x.rank));
}

export const quantizedProductOps: readonly OnnxOp[] = [
  onnxOp("MatMulInteger", { 10: { run: (ctx, call) => codeProduct(ctx, tensorAt(call, 0), maybeTensor(call, 2), tensorAt(call, 1), maybeTensor(call, 3)) } }),
  onnxOp("QLinearMatMul", { 10: { run: qlinearMatMul } }),
  onnxOp("ConvInteger", { 10: { run: convInteger } }),
  onnxOp("QLinearConv", { 10: { run: (ctx, call) => qlinearConv(ctx, call, tensorAt(call, 0)) } }),
];
