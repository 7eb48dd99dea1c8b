/** Features as numbers: Binarizer, Scaler, Normalizer, Imputer, FeatureVectorizer, ArrayFeatureExtractor. */

import type { Context } from "../../../prims/context.ts";
import { axisMoved, reshaped, unsqueezed } from "../../../prims/views.ts";
import { type DType, dtypeInfo } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { indexSelect } from "../../aten/indexing.ts";
import { cat } from "../../aten/joins.ts";
import { extremum, sum } from "../../aten/reduction.ts";
import { castTo } from "../casts.ts";
import { type Attributes, type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { tensorAt, tensorsFrom } from "../inputs.ts";
import { mapOf } from "../programs.ts";
import { doubles, perNode } from "./attributes.ts";

/** One number for all features, or one per feature of `x [..., F]`. */
function perFeature(values: Tensor, x: Tensor): Tensor {
  const features = x.shape[x.rank - 1] ?? 1;
  if (values.numel === 1 || values.numel === features) return values.numel === 1 ? reshapedToScalar(values) : values;
  throw new OpwiseError("shape-mismatch", `${values.numel} values for ${features} features`, { wanted: `1 or ${features}` });
}
const reshapedToScalar = (t: Tensor): Tensor => new Tensor(t.storage, t.dtype, [], [], t.offset);

const scaling = perNode((a: Attributes) => [doubles(a.floats("offset") ?? [0]), doubles(a.floats("scale") ?? [1])] as const);

function scaler(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const [offset, scale] = scaling(call);
  return mapOf(ctx, "scaler", [x, perFeature(offset, x), perFeature(scale, x)], "float32", (v, o, s) => v.to("f64").sub(o).mul(s));
}

/** Rows divided by their largest element, the sum of their magnitudes or their length; a divisor of 0 leaves them. */
function normalizer(ctx: Context, call: OnnxCall): Tensor {
  const given = tensorAt(call, 0);
  const norm = call.attributes.string("norm", "MAX");
  const x = given.rank === 1 ? unsqueezed(given, 0) : given;
  const axis = x.rank - 1;
  let divisor: Tensor;
  if (norm === "MAX") divisor = castTo(ctx, extremum(ctx, x, axis, true, true), "float64");
  else if (norm === "L1") divisor = sum(ctx, mapOf(ctx, "magnitude", [x], "float64", (v) => v.to("f64").abs()), axis, true, "float64");
  else if (norm === "L2") divisor = mapOf(ctx, "root", [sum(ctx, mapOf(ctx, "square", [x], "float64", (v) => v.to("f64").square()), axis, true, "float64")], "float64", (v) => v.sqrt());
  else throw new OpwiseError("bad-onnx", "`norm` is unknown", { wanted: "MAX, L1 or L2", got: norm });
  const out = mapOf(ctx, "normalizer", [x, divisor], "float32", (v, d) => v.to("f64").div(d.eq(0).where(d.lit(1), d)));
  return reshaped(ctx, out, given.shape);
}

const imputation = perNode((a: Attributes) => {
  const floats = a.floats("imputed_value_floats") ?? [];
  const whole = floats.length === 0;
  const values = whole ? (a.bigints("imputed_value_int64s") ?? []) : floats;
  if (values.length === 0) throw new OpwiseError("bad-onnx", "Imputer has no imputed values");
  const dtype: DType = whole ? "int64" : "float64";
  return { values: Tensor.from(whole ? BigInt64Array.from(values, BigInt) : Float64Array.from(values, Number), [values.length], dtype), replaced: whole ? a.int("replaced_value_int64", 0) : a.float("replaced_value_float", 0) };
});

function imputer(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const { values, replaced } = imputation(call);
  if (Number.isNaN(replaced)) return mapOf(ctx, "impute_nan", [x, perFeature(values, x)], x.dtype, (v, value) => v.isnan().where(value.to(v.type), v));
  return mapOf(ctx, "impute", [x, perFeature(values, x)], x.dtype, (v, value, which) => v.eq(which.to(v.type)).where(value.to(v.type), v), [replaced]);
}

/** Inputs side by side as float32; a vector is one row. */
function vectorizer(ctx: Context, call: OnnxCall): Tensor {
  const wanted = call.attributes.ints("inputdimensions") ?? [];
  const parts = tensorsFrom(call).map((t, i) => {
    const rows = t.rank === 1 ? unsqueezed(t, 0) : reshaped(ctx, t, [t.shape[0] ?? 0, -1]);
    if (wanted[i] !== undefined && wanted[i] !== rows.shape[1]) throw new OpwiseError("shape-mismatch", `input ${i} of FeatureVectorizer`, { wanted: `${wanted[i]} features`, got: `shape [${t.shape.join(", ")}]` });
    return castTo(ctx, rows, "float32");
  });
  return cat(ctx, parts, 1);
}

/** Picks along the last axis; a vector gives one row. */
function extractor(ctx: Context, call: OnnxCall): Tensor {
  const [x, at] = [tensorAt(call, 0), tensorAt(call, 1)];
  if (x.rank === 0) throw new OpwiseError("shape-mismatch", "ArrayFeatureExtractor of a number");
  const last = x.rank - 1;
  const picked = axisMoved(indexSelect(ctx, axisMoved(x, last, 0), 0, reshaped(ctx, at, [at.numel])), 0, last);
  return x.rank === 1 ? unsqueezed(picked, 0) : picked;
}

const above = (ctx: Context, x: Tensor, threshold: number): Tensor => mapOf(ctx, "binarizer", [x], x.dtype, (v, t) => v.to("f64").gt(t).where(v.lit(1), v.lit(0)), [threshold]);

/** Refuses what the ops here cannot count with. */
function numeric(run: (ctx: Context, call: OnnxCall) => Tensor): (ctx: Context, call: OnnxCall) => Tensor {
  return (ctx, call) => {
    const x = tensorAt(call, 0);
    if (dtypeInfo(x.dtype).class === "string") throw new OpwiseError("dtype-mismatch", "numbers were expected", { got: x.dtype });
    return run(ctx, call);
  };
}

export const featureOps: readonly OnnxOp[] = [
  onnxOp("ai.onnx.ml::Binarizer", { 1: { run: numeric((ctx, call) => above(ctx, tensorAt(call, 0), call.attributes.float("threshold", 0))) } }),
  onnxOp("ai.onnx.ml::Scaler", { 1: { run: numeric(scaler) } }),
  onnxOp("ai.onnx.ml::Normalizer", { 1: { run: numeric(normalizer) } }),
  onnxOp("ai.onnx.ml::Imputer", { 1: { run: numeric(imputer) } }),
  onnxOp("ai.onnx.ml::FeatureVectorizer", { 1: { run: numeric(vectorizer) } }),
  onnxOp("ai.onnx.ml::ArrayFeatureExtractor", { 1: { run: extractor } }),
];
