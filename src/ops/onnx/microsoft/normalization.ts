/** Layer norms with a residual, or after embeddings, in one node. */

import { empty } from "../../../prims/calls.ts";
import type { Context } from "../../../prims/context.ts";
import { narrowed, reshaped } from "../../../prims/views.ts";
import { opmathOf } from "../../../tensor/dtype.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { embedding } from "../../aten/indexing.ts";
import { inverseDeviation, layerNorm, meanOf, normalise } from "../../aten/normalization.ts";
import { sum } from "../../aten/reduction.ts";
import { filled } from "../../aten/filling.ts";
import { apply, elementwise } from "../../elementwise.ts";
import { castTo } from "../casts.ts";
import { dequantised } from "../quantization.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { axisOf, int, maybeTensor, tensorAt } from "../inputs.ts";
import { mapOf } from "../programs.ts";

const plus = elementwise("add", (x, y) => x.add(y));
const EPSILON = 1e-12;

/** `input + skip (+ bias)`; the sum keeps more than half precision until it is normalised. */
function joined(ctx: Context, call: OnnxCall, bias: Tensor | undefined): Tensor {
  const total = apply(ctx, plus, [tensorAt(call, 0), tensorAt(call, 1)]);
  return bias === undefined ? total : apply(ctx, plus, [total, bias]);
}

function skipLayerNorm(ctx: Context, call: OnnxCall): (Tensor | null)[] {
  const gamma = tensorAt(call, 2);
  const total = joined(ctx, call, maybeTensor(call, 4));
  const [out, mean, inverse] = layerNorm(ctx, total, [gamma.numel], gamma, maybeTensor(call, 3) ?? null, call.attributes.float("epsilon", EPSILON));
  return [out, mean, inverse, total];
}

/** Divided by the root of the mean square. */
function rmsNorm(ctx: Context, x: Tensor, gamma: Tensor, eps: number): [Tensor, Tensor] {
  const out = empty(ctx, x.shape, x.dtype);
  const wide = opmathOf(x.dtype);
  const squares = meanOf(ctx, mapOf(ctx, "square", [x], "float64", (v) => v.to("f64").square()), [x.rank - 1], "float64");
  const inverse = inverseDeviation(ctx, castTo(ctx, squares, wide), eps);
  if (x.numel > 0) normalise(ctx, x, null, inverse, gamma, null, out);
  return [out, inverse];
}

function skipSimplified(ctx: Context, call: OnnxCall): (Tensor | null)[] {
  const total = joined(ctx, call, maybeTensor(call, 3));
  const [out, inverse] = rmsNorm(ctx, total, tensorAt(call, 2), call.attributes.float("epsilon", EPSILON));
  return [out, null, inverse, total];
}

/** Word, position and segment embeddings, added up and normalised; how many tokens of each sample the mask keeps; the sum. */
function embedLayerNorm(ctx: Context, call: OnnxCall): Tensor[] {
  const ids = tensorAt(call, 0);
  const [segments, words, places, kinds] = [maybeTensor(call, 1), tensorAt(call, 2), tensorAt(call, 3), maybeTensor(call, 4)];
  const [gamma, beta, mask, positions] = [tensorAt(call, 5), tensorAt(call, 6), maybeTensor(call, 7), maybeTensor(call, 8)];
  const [batch = 0, length = 0] = ids.shape;
  const at = positions === undefined ? narrowed(places, 0, 0, length) : embedding(ctx, places, positions);
  let total = apply(ctx, plus, [embedding(ctx, words, ids), at]);
  if (segments !== undefined && kinds !== undefined) total = apply(ctx, plus, [total, embedding(ctx, kinds, segments)]);
  const [out] = layerNorm(ctx, total, [gamma.numel], gamma, beta, call.attributes.float("epsilon", EPSILON));
  const kept = mask === undefined ? filled(ctx, [batch], "int32", int(0)) : castTo(ctx, sum(ctx, mapOf(ctx, "is_one", [mask], "int64", (v) => v.eq(1).to("i64")), 1), "int32");
  return [out, kept, total];
}

/** The same from tables, scale and offset of codes. */
function quantizedEmbedLayerNorm(ctx: Context, call: OnnxCall): Tensor[] {
  const real = (at: number, k: number): Tensor | null => {
    const codes = maybeTensor(call, at);
    return codes === undefined ? null : dequantised(ctx, codes, tensorAt(call, 8 + k), tensorAt(call, 13 + k), "float32", 0, 0);
  };
  const inputs = [call.inputs[0] ?? null, call.inputs[1] ?? null, real(2, 0), real(3, 1), real(4, 2), real(5, 3), real(6, 4), call.inputs[7] ?? null];
  return embedLayerNorm(ctx, { ...call, inputs });
}

/** The layer norm without a mean, which onnxruntime also knows in the standard's domain. */
function simplified(ctx: Context, call: OnnxCall): Tensor[] {
  const x = tensorAt(call, 0);
  const axis = axisOf(call.attributes.int("axis", -1), x.rank);
  const width = x.shape.slice(axis).reduce((a, b) => a * b, 1);
  const scale = tensorAt(call, 1);
  const [out, inverse] = rmsNorm(ctx, reshaped(ctx, x, [...x.shape.slice(0, axis), width]), reshaped(ctx, scale, [scale.numel]), call.attributes.float("epsilon", 1e-5));
  return [reshaped(ctx, out, x.shape), reshaped(ctx, inverse, x.shape.map((s, i) => (i < axis ? s : 1)))];
}

export const fusedNormOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::SkipLayerNormalization", { 1: { run: skipLayerNorm } }),
  onnxOp("com.microsoft::SkipSimplifiedLayerNormalization", { 1: { run: skipSimplified } }),
  onnxOp("com.microsoft::EmbedLayerNormalization", { 1: { run: embedLayerNorm } }),
  onnxOp("com.microsoft::QEmbedLayerNormalization", { 1: { run: quantizedEmbedLayerNorm } }),
  onnxOp("SimplifiedLayerNormalization", { 1: { run: simplified } }),
];
