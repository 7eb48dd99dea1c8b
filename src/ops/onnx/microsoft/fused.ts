/** Products, convolutions and activations that onnxruntime's optimiser joins into one node. */

import type { Num } from "../../../expr/num.ts";
import type { Context } from "../../../prims/context.ts";
import type { Template } from "../../../ir/template.ts";
import { T } from "../../../ir/type.ts";
import { permuted, reshaped, selected, transposed, unsqueezed } from "../../../prims/views.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { gelu } from "../../aten/activation.ts";
import { checkedInverse } from "../../aten/linalg-solve.ts";
import { distances } from "../../aten/norms.ts";
import { matmul, mm } from "../../aten/products.ts";
import { apply, elementwise } from "../../elementwise.ts";
import { stack } from "../../aten/joins.ts";
import { extremum } from "../../aten/reduction.ts";
import { softmax } from "../../aten/softmax.ts";
import { convolved, convTranspose } from "../convolution.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { axisOf, float, integerAt, integersAt, maybeTensor, numberLike, type Reading, tensorAt, tensorsFrom } from "../inputs.ts";
import { mapOf } from "../programs.ts";
import { flattenedAt } from "../shapes.ts";

const plus = elementwise("add", (x, y) => x.add(y));
const scaled = elementwise("mul", (x, y) => x.mul(y));
const quickGelu = elementwise("quick_gelu", (x, alpha) => x.mul(x.mul(alpha).sigmoid()));
const squared = elementwise("square", (x) => x.square());

type Activation = (x: Num, a: number, b: number) => Num;
/** Parameters in the order of `activation_params`; defaults are those of the ONNX ops. */
const ACTIVATIONS: Readonly<Record<string, { readonly defaults: readonly [number, number]; readonly of: Activation }>> = {
  Relu: { defaults: [0, 0], of: (x) => x.max(0) },
  Tanh: { defaults: [0, 0], of: (x) => x.apply("tanh") },
  Sigmoid: { defaults: [0, 0], of: (x) => x.sigmoid() },
  LeakyRelu: { defaults: [0.01, 0], of: (x, a) => x.lt(0).where(x.mul(a), x) },
  Elu: { defaults: [1, 0], of: (x, a) => x.lt(0).where(x.expm1().mul(a), x) },
  ThresholdedRelu: { defaults: [1, 0], of: (x, a) => x.gt(a).where(x, x.lit(0)) },
  HardSigmoid: { defaults: [0.2, 0.5], of: (x, a, b) => x.mul(a).add(b).max(0).min(1) },
  Softplus: { defaults: [0, 0], of: (x) => x.max(0).add(x.abs().neg().exp().log1p()) },
  Softsign: { defaults: [0, 0], of: (x) => x.div(x.abs().add(1)) },
  Clip: { defaults: [-Infinity, Infinity], of: (x, a, b) => x.max(a).min(b) },
};

/** `x` after the node's `activation`; none: `x`. */
function activated(ctx: Context, call: OnnxCall, x: Tensor, params: readonly (number | undefined)[]): Tensor {
  const name = call.attributes.string("activation", "");
  if (name === "" || name === "Identity") return x;
  const kind = ACTIVATIONS[name];
  if (kind === undefined) throw new OpwiseError("bad-onnx", `the activation \`${name}\` is unknown`, { wanted: Object.keys(ACTIVATIONS).join(", ") });
  const [a, b] = [params[0] ?? kind.defaults[0], params[1] ?? kind.defaults[1]];
  return mapOf(ctx, `${name}:${a}:${b}`, [x], x.dtype, (v) => kind.of(v, a, b));
}

/** Convolution, then a residual, then an activation; `x` and the residual have their channels on axis 1. */
export function fusedConv(ctx: Context, call: OnnxCall, x: Tensor, w: Tensor, residual: Tensor | undefined): Tensor {
  const y = convolved(ctx, call, x, w, maybeTensor(call, 2) ?? null);
  return activated(ctx, call, residual === undefined ? y : apply(ctx, plus, [y, residual]), call.attributes.floats("activation_params") ?? []);
}

function fusedGemm(ctx: Context, call: OnnxCall): Tensor {
  const { attributes } = call;
  const side = (at: number, flag: string): Tensor => (attributes.int(flag, 0) !== 0 ? transposed(tensorAt(call, at), 0, 1) : tensorAt(call, at));
  const [a, b] = [side(0, "transA"), side(1, "transB")];
  const y = mm(ctx, a, b, { tensor: maybeTensor(call, 2), alpha: numberLike(a, attributes.float("alpha", 1)), beta: numberLike(a, attributes.float("beta", 1)) });
  const given = (name: string): number | undefined => (attributes.has(name) ? attributes.float(name) : undefined);
  return activated(ctx, call, y, [given("activation_alpha"), given("activation_beta")]);
}

/** `transBatch` brings axis 0 behind the batch axes; `trans` then swaps the last two. */
function fusedMatMul(ctx: Context, call: OnnxCall): Tensor {
  const { attributes } = call;
  const side = (at: number, name: string): Tensor => {
    let t = tensorAt(call, at);
    if (attributes.int(`transBatch${name}`, 0) !== 0 && t.rank > 2) t = permuted(t, [...t.shape.slice(1, -1).map((_, i) => i + 1), 0, t.rank - 1]);
    return attributes.int(`trans${name}`, 0) !== 0 && t.rank > 1 ? transposed(t, t.rank - 2, t.rank - 1) : t;
  };
  const y = matmul(ctx, side(0, "A"), side(1, "B"));
  const alpha = attributes.float("alpha", 1);
  return alpha === 1 ? y : apply(ctx, scaled, [y, float(alpha)]);
}

const biased = (ctx: Context, call: OnnxCall): Tensor => {
  const bias = maybeTensor(call, 1);
  return bias === undefined ? tensorAt(call, 0) : apply(ctx, plus, [tensorAt(call, 0), bias]);
};

function cdist(ctx: Context, call: OnnxCall): Tensor {
  const metric = call.attributes.string("metric", "sqeuclidean");
  if (metric !== "euclidean" && metric !== "sqeuclidean") throw new OpwiseError("bad-onnx", "`metric` of CDist is unknown", { wanted: "euclidean or sqeuclidean", got: metric });
  const lengths = distances(ctx, tensorAt(call, 0), tensorAt(call, 1), 2);
  return metric === "euclidean" ? lengths : apply(ctx, squared, [lengths]);
}

function* expandDims(_ctx: Context, call: OnnxCall): Reading<Tensor> {
  return unsqueezed(tensorAt(call, 0), (yield* integerAt(call, 1)) ?? 0);
}

/** A transposed convolution whose pads are an input. */
function* dynamicPads(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const pads = yield* integersAt(call, 2);
  const given: Readonly<Record<string, Template>> = pads === undefined ? {} : { pads: { kind: "list", elem: T.int, items: pads.map((value) => ({ kind: "int", value })) } };
  return convTranspose(ctx, { ...call, inputs: [tensorAt(call, 0), tensorAt(call, 1), maybeTensor(call, 3) ?? null], attributes: call.attributes.with(given) });
}

/** Softmax over the axes from `axis` on, of scores and a bias that lacks some of their axes: the ones before `axis`, or the first ones. */
function biasSoftmax(ctx: Context, call: OnnxCall): Tensor {
  const [x, bias] = [tensorAt(call, 0), tensorAt(call, 1)];
  const axis = axisOf(call.attributes.int("axis", 1), x.rank);
  const same = x.shape.slice(axis);
  const inner = call.attributes.int("is_inner_broadcast") !== 0;
  const lead = bias.numel / same.reduce((a, b) => a * b, 1);
  let repeated = 1;
  const outer = x.shape.slice(0, axis);
  // The bias is repeated along the axes next to `axis`, or along the first ones.
  const shape = [...outer];
  const order = inner ? [...outer.keys()].reverse() : [...outer.keys()];
  for (const at of order) {
    if ((lead * repeated) === outer.reduce((a, b) => a * b, 1)) break;
    repeated *= outer[at] ?? 1;
    shape[at] = 1;
  }
  const total = apply(ctx, plus, [x, reshaped(ctx, bias, [...shape, ...same])]);
  return reshaped(ctx, softmax(ctx, flattenedAt(ctx, total, axis), 1, false), x.shape);
}

/** Products of complex numbers that lie as pairs along the last axis, perhaps with the second one's conjugate. */
function complexProduct(ctx: Context, call: OnnxCall, sign: number): Tensor {
  const part = (at: number, i: number): Tensor => selected(tensorAt(call, at), -1, i);
  const operands = [part(0, 0), part(0, 1), part(1, 0), part(1, 1)];
  const real = mapOf(ctx, `complex_real ${sign}`, operands, operands[0]?.dtype ?? "float32", (a, b, c, d) => a.mul(c).sub(b.mul(d).mul(sign)));
  const imaginary = mapOf(ctx, `complex_imaginary ${sign}`, operands, real.dtype, (a, b, c, d) => a.mul(d).mul(sign).add(b.mul(c)));
  return stack(ctx, [real, imaginary], real.rank);
}

/** Whether no input holds an infinity or a NaN. */
function allFinite(ctx: Context, call: OnnxCall): Tensor {
  const [onlyInf, onlyNan] = [call.attributes.int("isinf_only", 0) !== 0, call.attributes.int("isnan_only", 0) !== 0];
  const fine = tensorsFrom(call).map((t) => extremum(ctx, mapOf(ctx, `finite ${onlyInf} ${onlyNan}`, [t], "bool", (x) => {
    const [nan, inf] = [x.ne(x), x.abs().eq(Infinity)];
    return (onlyInf ? inf : onlyNan ? nan : nan.or(inf)).not();
  }), null, false, false));
  return fine.reduce((a, b) => mapOf(ctx, "and", [a, b], "bool", (x, y) => x.and(y)));
}

/** `x * scale` through SiLU; half types round after each of the three steps. */
function scaledSilu(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const given = maybeTensor(call, 1);
  const z = given === undefined ? mapOf(ctx, "scale", [x], x.dtype, (v, a) => v.mul(a.to(v.type)), [call.attributes.float("alpha", 1)]) : mapOf(ctx, "scale_by", [x, given], x.dtype, (v, a) => v.mul(a.to(v.type)));
  return apply(ctx, scaled, [z, mapOf(ctx, "sigmoid", [z], z.dtype, (v) => v.sigmoid())]);
}

/** FastGelu of a product. */
function gemmFastGelu(ctx: Context, call: OnnxCall): Tensor {
  const product = matmul(ctx, tensorAt(call, 0), tensorAt(call, 1));
  const bias = maybeTensor(call, 2);
  return gelu(ctx, bias === undefined ? product : apply(ctx, plus, [product, bias]), "tanh");
}

export const fusedOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::FusedConv", { 1: { run: (ctx, call) => fusedConv(ctx, call, tensorAt(call, 0), tensorAt(call, 1), maybeTensor(call, 3)) } }),
  onnxOp("com.microsoft::FusedGemm", { 1: { run: fusedGemm } }),
  onnxOp("com.microsoft::FusedMatMul", { 1: { run: fusedMatMul } }),
  onnxOp("com.microsoft::TransposeMatMul", { 1: { run: fusedMatMul } }),
  onnxOp("com.microsoft::BiasGelu", { 1: { run: (ctx, call) => gelu(ctx, biased(ctx, call), "none") } }),
  onnxOp("com.microsoft::FastGelu", { 1: { run: (ctx, call) => gelu(ctx, biased(ctx, call), "tanh") } }),
  onnxOp("com.microsoft::QuickGelu", { 1: { run: (ctx, call) => apply(ctx, quickGelu, [tensorAt(call, 0), float(call.attributes.float("alpha", 1.702))]) } }),
  onnxOp("com.microsoft::ConvTransposeWithDynamicPads", { 1: { reads: dynamicPads } }),
  onnxOp("com.microsoft::BiasSoftmax", { 1: { run: biasSoftmax } }),
  onnxOp("com.microsoft::ComplexMul", { 1: { run: (ctx, call) => complexProduct(ctx, call, 1) } }),
  onnxOp("com.microsoft::ComplexMulConj", { 1: { run: (ctx, call) => complexProduct(ctx, call, -1) } }),
  onnxOp("com.microsoft::IsAllFinite", { 1: { run: allFinite } }),
  onnxOp("com.microsoft::ScaledSiLU", { 1: { run: scaledSilu } }),
  onnxOp("com.microsoft::GemmFastGelu", { 1: { run: gemmFastGelu } }),
  onnxOp("com.microsoft::CDist", { 1: { run: cdist } }),
  onnxOp("com.microsoft::ExpandDims", { 1: { reads: expandDims } }),
  onnxOp("com.microsoft::Inverse", { 1: { reads: (ctx, call) => checkedInverse(ctx, tensorAt(call, 0), "Inverse") } }),
];
