/** Ops on codes: the QLinear family, products of codes that give reals, and pools of channels-last codes. */

import type { Num } from "../../../expr/num.ts";
import { contiguous } from "../../../prims/calls.ts";
import type { Context } from "../../../prims/context.ts";
import { axisMoved, permuted, transposed } from "../../../prims/views.ts";
import { type DType, isFloat } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { cat } from "../../aten/joins.ts";
import { mean, sum } from "../../aten/reduction.ts";
import { softmax } from "../../aten/softmax.ts";
import { apply, elementwise } from "../../elementwise.ts";
import { type OnnxCall, type OnnxMeaning, onnxMeaning, type OnnxOp, onnxOp, onnxTableOf } from "../define.ts";
import { axisOf, maybeTensor, only, tensorAt } from "../inputs.ts";
import { alongAxis } from "../layout.ts";
import { poolingOps } from "../pooling.ts";
import { mapOf } from "../programs.ts";
import { dequantised, dynamicallyQuantised, quantised } from "../quantization.ts";
import { centred, codeProduct, perColumn, perRow, qlinearConv } from "../quantized-products.ts";
import { recurrentOps } from "../recurrent.ts";
import { flattenedAt } from "../shapes.ts";
import { reshaped } from "../../../prims/views.ts";

const pools = onnxTableOf([poolingOps, recurrentOps]);

/** A meaning of ai.onnx that runs at once, on other inputs. */
function ran(ctx: Context, name: string, version: number, call: OnnxCall, inputs: OnnxCall["inputs"], outputs = call.outputs): Tensor[] {
  const meaning: OnnxMeaning | undefined = onnxMeaning(pools, `onnx::${name}@${version}`)?.meaning;
  if (meaning === undefined || !("run" in meaning)) throw new OpwiseError("internal", `${name}-${version} does not run at once`);
  const result = meaning.run(ctx, { inputs, attributes: call.attributes, outputs, version });
  return (Array.isArray(result) ? result : [result]) as Tensor[]; // every result of a pool or a recurrent layer is a tensor
}

/** The reals that input `at` (codes), `at + 1` (scale) and `at + 2` (zero point) stand for. */
function real(ctx: Context, call: OnnxCall, at: number): Tensor {
  return dequantised(ctx, tensorAt(call, at), tensorAt(call, at + 1), maybeTensor(call, at + 2), "float32", 0, 0);
}
/** Reals as codes by the scale at `at` and the zero point behind it. */
function coded(ctx: Context, call: OnnxCall, x: Tensor, at: number, otherwise: DType): Tensor {
  const zero = maybeTensor(call, at + 1);
  return quantised(ctx, x, tensorAt(call, at), zero, zero?.dtype ?? otherwise, { axis: 0, block: 0, saturate: true, precision: "float32" });
}

function unary(name: string, run: (ctx: Context, call: OnnxCall, x: Tensor) => Tensor): OnnxOp {
  return onnxOp(`com.microsoft::${name}`, { 1: { run: (ctx, call) => coded(ctx, call, run(ctx, call, real(ctx, call, 0)), 3, tensorAt(call, 0).dtype) } });
}
function binary(name: string, build: (x: Num, y: Num) => Num): OnnxOp {
  const e = elementwise(name, build);
  return onnxOp(`com.microsoft::${name}`, { 1: { run: (ctx, call) => coded(ctx, call, apply(ctx, e, [real(ctx, call, 0), real(ctx, call, 3)]), 6, tensorAt(call, 0).dtype) } });
}

const channelsFirst = (t: Tensor): Tensor => axisMoved(t, t.rank - 1, 1);
const channelsLast = (t: Tensor): Tensor => axisMoved(t, 1, t.rank - 1);
/** Runs `body` on `[N, C, ...]`, whichever side the channels are on. */
function byChannels(last: boolean, x: Tensor, body: (x: Tensor) => Tensor): Tensor {
  return last ? channelsLast(body(channelsFirst(x))) : body(x);
}
const isLast = (call: OnnxCall): boolean => call.attributes.int("channels_last", 0) !== 0;

function averagePool(ctx: Context, call: OnnxCall, x: Tensor): Tensor {
  return byChannels(isLast(call), x, (t) => only(ran(ctx, "AveragePool", 11, call, [t], 1)));
}
const globalAverage = (ctx: Context, call: OnnxCall, x: Tensor): Tensor => byChannels(isLast(call), x, (t) => mean(ctx, t, t.shape.slice(2).map((_, i) => i + 2), true));

/** The opset that the node came from says whether the input is flattened. */
function qSoftmax(ctx: Context, call: OnnxCall, x: Tensor): Tensor {
  if (call.attributes.int("opset", 13) >= 13) return softmax(ctx, x, axisOf(call.attributes.int("axis", -1), x.rank), false);
  return reshaped(ctx, softmax(ctx, flattenedAt(ctx, x, call.attributes.int("axis", 1)), 1, false), x.shape);
}

/** Triples of codes, scale and zero point from input 2 on, side by side as codes of the result's. */
function qConcat(ctx: Context, call: OnnxCall): Tensor {
  const count = (call.inputs.length - 2) / 3;
  if (!Number.isInteger(count) || count < 1) throw new OpwiseError("bad-onnx", "QLinearConcat wants triples of codes, scale and zero point", { got: `${call.inputs.length - 2} inputs` });
  const parts = Array.from({ length: count }, (_, i) => real(ctx, call, 2 + 3 * i));
  return coded(ctx, call, cat(ctx, parts, axisOf(call.attributes.int("axis"), parts[0]?.rank ?? 1)), 0, tensorAt(call, 2).dtype);
}

const choose = elementwise("where", (c, x, y) => c.toBool().where(x, y), { promotion: "masked" });
const qWhere = (ctx: Context, call: OnnxCall): Tensor => coded(ctx, call, apply(ctx, choose, [tensorAt(call, 0), real(ctx, call, 1), real(ctx, call, 4)]), 7, tensorAt(call, 1).dtype);

/** Sums of products of codes times both scales, plus a bias. */
function scaledSums(ctx: Context, sums: Tensor, left: Tensor, right: Tensor, bias: Tensor | undefined, dtype: DType): Tensor {
  return mapOf(ctx, "scale_sums", [sums, left, right, ...(bias === undefined ? [] : [bias])], dtype, (v, a, b, c) => {
    const value = v.to("f64").mul(a.to("f32").mul(b.to("f32")).to("f64"));
    return c === undefined ? value : value.add(c.to("f64"));
  });
}

function integerToFloat(ctx: Context, call: OnnxCall): Tensor {
  const sums = codeProduct(ctx, tensorAt(call, 0), maybeTensor(call, 4), tensorAt(call, 1), maybeTensor(call, 5));
  const [left, right] = [tensorAt(call, 2), tensorAt(call, 3)];
  return scaledSums(ctx, sums, perRow(left) ?? left, perColumn(right) ?? right, maybeTensor(call, 6), left.dtype);
}

function dynamicMatMul(ctx: Context, call: OnnxCall): Tensor {
  const a = tensorAt(call, 0);
  const [codes, scale, zero] = dynamicallyQuantised(ctx, a);
  const right = tensorAt(call, 2);
  return scaledSums(ctx, codeProduct(ctx, codes, zero, tensorAt(call, 1), maybeTensor(call, 3)), scale, perColumn(right) ?? right, maybeTensor(call, 4), a.dtype);
}

/** `alpha * (A' B' + C)` of codes; reals where no scale of the result is given. */
function qGemm(ctx: Context, call: OnnxCall): Tensor {
  const { attributes } = call;
  const side = (at: number, flag: string): Tensor => (attributes.int(flag, 0) !== 0 ? transposed(tensorAt(call, at), 0, 1) : tensorAt(call, at));
  const sums = codeProduct(ctx, side(0, "transA"), maybeTensor(call, 2), side(3, "transB"), maybeTensor(call, 5));
  const bias = maybeTensor(call, 6);
  const total = bias === undefined ? sums : mapOf(ctx, "add_bias", [sums, bias], "int32", (v, c) => v.add(c.to("i32")));
  const [left, right] = [tensorAt(call, 1), tensorAt(call, 4)];
  const y = mapOf(ctx, "scale_by", [scaledSums(ctx, total, left, perColumn(right) ?? right, undefined, "float64")], "float32", (v, alpha) => v.mul(alpha), [attributes.float("alpha", 1)]);
  return maybeTensor(call, 7) === undefined ? y : coded(ctx, call, y, 7, tensorAt(call, 0).dtype);
}

/** Weights `[D, I, 4 H]` of codes, as the standard's `[D, 4 H, I]` of reals. */
function lstmWeights(ctx: Context, call: OnnxCall, codes: number, scale: number): Tensor {
  const [w, s] = [tensorAt(call, codes), tensorAt(call, scale)];
  const wide = (t: Tensor): Tensor => (t.rank === 1 ? alongAxis(t, 0, 3) : reshaped(ctx, t, [t.shape[0] ?? 1, 1, t.shape[1] ?? 1]));
  const zero = maybeTensor(call, scale + 1);
  const reals = mapOf(ctx, "dequantize", [w, wide(s), ...(zero === undefined ? [] : [wide(zero)])], "float32", (v, by, z) => (z === undefined ? v.to("f64") : v.to("f64").sub(z.to("f64"))).to("f32").mul(by.to("f32")));
  return contiguous(ctx, permuted(reals, [0, 2, 1]));
}

/** The input is rounded to 255 steps of its range, as the product of codes would see it; the hidden state is not. */
function dynamicLstm(ctx: Context, call: OnnxCall): Tensor[] {
  const [codes, scale, zero] = dynamicallyQuantised(ctx, tensorAt(call, 0));
  const x = dequantised(ctx, codes, scale, zero, "float32", 0, 0);
  return ran(ctx, "LSTM", 14, call, [x, lstmWeights(ctx, call, 1, 8), lstmWeights(ctx, call, 2, 10), ...call.inputs.slice(3, 8)]);
}

function nhwcMaxPool(ctx: Context, call: OnnxCall): Tensor {
  return channelsLast(only(ran(ctx, "MaxPool", 12, call, [channelsFirst(tensorAt(call, 0))], 1)));
}

/** Where the mask is 0, nothing is seen. */
function maskedPool(ctx: Context, call: OnnxCall): Tensor {
  const [x, mask] = [tensorAt(call, 0), tensorAt(call, 1)];
  if (!isFloat(x.dtype)) throw new OpwiseError("dtype-mismatch", "MaxpoolWithMask wants floats", { got: x.dtype });
  const seen = mapOf(ctx, "unless_masked", [x, mask], x.dtype, (v, m) => m.eq(0).where(v.lit(-3.4028234663852886e38), v));
  return only(ran(ctx, "MaxPool", 12, call, [seen], 1));
}

/** Sums of integers, exactly in 32 bits. */
function integerSum(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const axes = (call.attributes.ints("axes") ?? []).map((a) => axisOf(a, x.rank));
  return sum(ctx, x, axes, call.attributes.int("keepdims") !== 0, x.dtype === "uint8" ? "uint32" : "int32");
}

function qMean(ctx: Context, call: OnnxCall): Tensor {
  const x = real(ctx, call, 0);
  const axes = call.attributes.ints("axes") ?? x.shape.map((_, i) => i);
  return coded(ctx, call, mean(ctx, x, axes.map((a) => axisOf(a, x.rank)), call.attributes.int("keepdims") !== 0), 3, tensorAt(call, 0).dtype);
}

/** Products of codes less their zero points. */
function integerProduct(ctx: Context, call: OnnxCall): Tensor {
  const side = (at: number): Tensor => centred(ctx, tensorAt(call, at), maybeTensor(call, at + 1));
  return mapOf(ctx, "mul", [side(0), side(2)], "int32", (a, b) => a.mul(b));
}

export const quantizedOps: readonly OnnxOp[] = [
  binary("QLinearAdd", (x, y) => x.add(y)),
  binary("QLinearMul", (x, y) => x.mul(y)),
  unary("QLinearSigmoid", (ctx, _call, x) => mapOf(ctx, "sigmoid", [x], x.dtype, (v) => v.sigmoid())),
  unary("QLinearLeakyRelu", (ctx, call, x) => mapOf(ctx, "leaky_relu", [x], x.dtype, (v, a) => v.lt(0).where(v.mul(a.to(v.type)), v), [call.attributes.float("alpha", 0.01)])),
  unary("QLinearAveragePool", averagePool),
  unary("QLinearGlobalAveragePool", globalAverage),
  unary("QLinearSoftmax", qSoftmax),
  onnxOp("com.microsoft::QLinearReduceMean", { 1: { run: qMean } }),
  onnxOp("com.microsoft::ReduceSumInteger", { 1: { run: integerSum } }),
  onnxOp("com.microsoft::MulInteger", { 1: { run: integerProduct } }),
  onnxOp("com.microsoft::MatMulInteger16", { 1: { run: (ctx, call) => codeProduct(ctx, tensorAt(call, 0), undefined, tensorAt(call, 1), undefined) } }),
  onnxOp("com.microsoft::QLinearConcat", { 1: { run: qConcat } }),
  onnxOp("com.microsoft::QLinearWhere", { 1: { run: qWhere } }),
  onnxOp("com.microsoft::QLinearConv", { 1: { run: (ctx, call) => byChannels(isLast(call), tensorAt(call, 0), (x) => qlinearConv(ctx, call, x)) } }),
  onnxOp("com.microsoft::MatMulIntegerToFloat", { 1: { run: integerToFloat } }),
  onnxOp("com.microsoft::DynamicQuantizeMatMul", { 1: { run: dynamicMatMul } }),
  onnxOp("com.microsoft::DynamicQuantizeLSTM", { 1: { run: dynamicLstm } }),
  onnxOp("com.microsoft::QGemm", { 1: { run: qGemm } }),
  onnxOp("com.microsoft::NhwcMaxPool", { 1: { run: nhwcMaxPool } }),
  onnxOp("com.microsoft::MaxpoolWithMask", { 1: { run: maskedPool } }),
];
