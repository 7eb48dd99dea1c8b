/** The rules of shape inference, by op. */

import { addDims, type Dim, divDims, mulDims, sameDim } from "../../ir/dim.ts";
import { type Dims, type Known, numberOf, pairwise, type Rule, type ShapeNode } from "./shape-node.ts";

const rules = new Map<string, Rule>();
export const SHAPE_RULES: ReadonlyMap<string, Rule> = rules;

/** One result of the dims that `dims` gives. */
function shaped(names: string, dims: (n: ShapeNode) => Dims | undefined): void {
  for (const name of names.split(/\s+/)) rules.set(name, (n) => [{ dims: dims(n) }]);
}
const all = (n: ShapeNode, known: Known | undefined): (Known | undefined)[] => Array.from({ length: n.outputs }, () => known);
const wrap = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const minus = (a: Dim, b: Dim): Dim => addDims(a, mulDims(-1, b));

// ---- the same shape

shaped(
  `Abs Acos Acosh Asin Asinh Atan Atanh BitwiseNot Ceil Celu Clip Cos Cosh CumSum CumProd Elu Erf Exp EyeLike Floor Gelu HardSigmoid HardSwish Hardmax
  InstanceNormalization IsInf IsNaN LRN LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg Not PRelu RMSNormalization RandomNormalLike
  RandomUniformLike Bernoulli Reciprocal Relu ReverseSequence RotaryEmbedding Round Scatter ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax
  Softplus Softsign Sqrt Swish Tan Tanh TensorScatter ThresholdedRelu Trilu QuantizeLinear DequantizeLinear CastLike GroupNormalization BitCast RegexFullMatch
  SimplifiedLayerNormalization com.microsoft::Gelu com.microsoft::FastGelu com.microsoft::QuickGelu com.microsoft::BiasGelu com.microsoft::QuantizeLinear
  com.microsoft::DequantizeLinear com.microsoft::SkipLayerNormalization com.microsoft::SkipSimplifiedLayerNormalization com.microsoft::RotaryEmbedding
  com.microsoft::QLinearSigmoid com.microsoft::QLinearLeakyRelu com.microsoft::QLinearSoftmax com.microsoft::BiasAdd com.microsoft::GroupNorm com.microsoft::SkipGroupNorm`,
  (n) => n.dims(0),
);
for (const name of ["Identity", "Cast"]) rules.set(name, (n) => [{ dims: n.dims(0), data: n.data(0) }]);
rules.set("Dropout", (n) => all(n, { dims: n.dims(0) }));
rules.set("BatchNormalization", (n) => [{ dims: n.dims(0) }, ...all(n, { dims: n.dims(3) })]);
rules.set("LayerNormalization", (n) => {
  const x = n.dims(0);
  const axis = wrap(n.int("axis", -1), x?.length ?? 0);
  const statistics = { dims: x?.map((d, i) => (i < axis ? d : 1)) };
  return [{ dims: x }, statistics, statistics];
});
rules.set("DynamicQuantizeLinear", (n) => [{ dims: n.dims(0) }, { dims: [] }, { dims: [] }]);

// ---- broadcasting

const together = (n: ShapeNode): Dims | undefined => {
  let out = n.dims(0);
  for (let i = 1; i < n.inputs; i++) out = n.broadcast(out, n.dims(i));
  return out;
};
shaped(
  "And Or Xor BitShift BitwiseAnd BitwiseOr BitwiseXor Equal Less LessOrEqual Greater GreaterOrEqual Max Min Sum Mean Mod Pow Where StringConcat SwiGLU",
  (n) => (n.schema.since < 7 && n.schema.name !== "Where" ? n.dims(0) : together(n)),
);
for (const op of ["Add", "Sub", "Mul", "Div"] as const) {
  rules.set(op, (n) => [{ dims: n.schema.since < 7 ? n.dims(0) : together(n), data: pairwise(op, n.data(0), n.data(1)) }]);
}
shaped("Expand", (n) => n.broadcast(n.dims(0), n.data(1)));
shaped("com.microsoft::QLinearAdd com.microsoft::QLinearMul", (n) => n.broadcast(n.dims(0), n.dims(3)));

// ---- products

function product(n: ShapeNode, a: Dims | undefined, b: Dims | undefined): Dims | undefined {
  if (a === undefined || b === undefined || a.length === 0 || b.length === 0) return undefined;
  const lead = n.broadcast(a.slice(0, -2), b.slice(0, -2)) ?? [];
  return [...lead, ...(a.length > 1 ? a.slice(-2, -1) : []), ...(b.length > 1 ? b.slice(-1) : [])];
}
const turned = (dims: Dims | undefined, by: boolean): Dims | undefined =>
  dims === undefined || !by || dims.length < 2 ? dims : [...dims.slice(0, -2), ...dims.slice(-2).reverse()];
shaped("MatMul MatMulInteger com.microsoft::MatMulIntegerToFloat com.microsoft::DynamicQuantizeMatMul", (n) => product(n, n.dims(0), n.dims(1)));
shaped("QLinearMatMul", (n) => product(n, n.dims(0), n.dims(3)));
shaped("Gemm com.microsoft::FusedGemm com.microsoft::FusedMatMul", (n) =>
  n.int("transBatchA", 0) + n.int("transBatchB", 0) > 0
    ? undefined
    : product(n, turned(n.dims(0), n.int("transA", 0) !== 0), turned(n.dims(1), n.int("transB", 0) !== 0)),
);
shaped("com.microsoft::MatMulNBits", (n) => {
  const x = n.dims(0);
  return x === undefined ? undefined : [...x.slice(0, -1), n.int("N", 0)];
});
shaped("Det", (n) => n.dims(0)?.slice(0, -2));
shaped("Einsum", (n) => {
  const [left = "", right] = n.text("equation", "").replace(/ /g, "").split("->");
  if (left.includes(".")) return undefined;
  const sizes = new Map<string, Dim>();
  const terms = left.split(",");
  for (const [i, term] of terms.entries()) {
    const dims = n.dims(i);
    if (dims?.length !== term.length) return undefined;
    dims.forEach((d, k) => (sizes.get(term[k] ?? "") ?? 1) === 1 && sizes.set(term[k] ?? "", d));
  }
  const letters = left.replace(/,/g, "");
  const out =
    right ??
    [...new Set(letters)]
      .filter((c) => letters.indexOf(c) === letters.lastIndexOf(c))
      .sort()
      .join("");
  return Array.from(out, (c) => sizes.get(c) ?? n.fresh());
});

// ---- windows

/** Sizes of the windows of `kernel` over `spatial`. */
function windows(n: ShapeNode, spatial: Dims, kernel: Dims): Dims {
  const axes = spatial.length;
  const [stride, dilation, pads] = [n.ints("strides") ?? [], n.ints("dilations") ?? [], n.ints("pads") ?? []];
  const mode = n.text("auto_pad", "NOTSET");
  return spatial.map((size, i) => {
    const [s, d] = [stride[i] ?? 1, dilation[i] ?? 1];
    if (mode.startsWith("SAME")) return divDims(addDims(size, s - 1), s);
    const padding = mode === "VALID" ? 0 : (pads[i] ?? 0) + (pads[i + axes] ?? 0);
    const span = minus(addDims(size, padding), addDims(mulDims(addDims(kernel[i] ?? 1, -1), d), 1));
    const ceil = n.int("ceil_mode", 0) !== 0 && mode !== "VALID";
    const count = addDims(divDims(ceil ? addDims(span, s - 1) : span, s), 1);
    // In ceil mode a window that would begin behind the input is left out.
    return ceil && typeof count === "number" && typeof size === "number" && (count - 1) * s >= size + (pads[i] ?? 0) ? count - 1 : count;
  });
}
const convolved =
  (x: number, w: number) =>
  (n: ShapeNode): Dims | undefined => {
    const [a, b] = [n.dims(x), n.dims(w)];
    return a === undefined || b === undefined ? undefined : [a[0] ?? 1, b[0] ?? 1, ...windows(n, a.slice(2), n.ints("kernel_shape") ?? b.slice(2))];
  };
shaped("Conv ConvInteger DeformConv com.microsoft::FusedConv", convolved(0, 1));
shaped("QLinearConv", convolved(0, 3));
for (const name of ["MaxPool", "AveragePool", "LpPool"]) {
  rules.set(name, (n) => {
    const x = n.dims(0);
    return all(n, { dims: x === undefined ? undefined : [...x.slice(0, 2), ...windows(n, x.slice(2), n.ints("kernel_shape") ?? [])] });
  });
}
shaped("GlobalAveragePool GlobalMaxPool GlobalLpPool", (n) => n.dims(0)?.map((d, i) => (i < 2 ? d : 1)));
shaped("ConvTranspose", (n) => {
  const [x, w] = [n.dims(0), n.dims(1)];
  if (x === undefined || w === undefined) return undefined;
  const axes = x.length - 2;
  const [stride, dilation, pads, extra] = [n.ints("strides") ?? [], n.ints("dilations") ?? [], n.ints("pads") ?? [], n.ints("output_padding") ?? []];
  const wanted = n.ints("output_shape")?.slice(-axes);
  const same = n.text("auto_pad", "NOTSET").startsWith("SAME");
  const spatial = x.slice(2).map((size, i): Dim => {
    const s = stride[i] ?? 1;
    if (wanted !== undefined) return wanted[i] ?? 1;
    if (same) return mulDims(size, s);
    const kernel = addDims(mulDims(addDims((n.ints("kernel_shape") ?? w.slice(2))[i] ?? 1, -1), dilation[i] ?? 1), 1);
    return addDims(mulDims(addDims(size, -1), s), kernel, extra[i] ?? 0, -(pads[i] ?? 0) - (pads[i + axes] ?? 0));
  });
  return [x[0] ?? 1, mulDims(w[1] ?? 1, n.int("group", 1)), ...spatial];
});

// ---- reductions

const REDUCTIONS = "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare";
shaped(REDUCTIONS, (n) => {
  const x = n.dims(0);
  if (x === undefined) return undefined;
  const keep = n.int("keepdims", 1) !== 0;
  const given = n.axes(1, x.length, []);
  if (given === undefined) return keep ? x.map(() => n.fresh()) : undefined;
  if (given.length === 0 && n.int("noop_with_empty_axes", 0) !== 0) return x;
  const axes = given.length === 0 ? x.map((_, i) => i) : given;
  return keep ? x.map((d, i) => (axes.includes(i) ? 1 : d)) : x.filter((_, i) => !axes.includes(i));
});
shaped("ArgMax ArgMin", (n) => {
  const x = n.dims(0);
  const axis = wrap(n.int("axis", 0), x?.length ?? 0);
  return n.int("keepdims", 1) !== 0 ? x?.map((d, i) => (i === axis ? 1 : d)) : x?.filter((_, i) => i !== axis);
});
rules.set("TopK", (n) => {
  const x = n.dims(0);
  const axis = wrap(n.int("axis", -1), x?.length ?? 0);
  const k = n.schema.since < 10 ? n.int("k", 1) : (n.data(1)?.[0] ?? n.fresh());
  return all(n, { dims: x?.map((d, i) => (i === axis ? k : d)) });
});

// ---- shapes as data

rules.set("Shape", (n) => {
  const x = n.dims(0);
  if (x === undefined) return [{ dims: [n.fresh()] }];
  const data = x.slice(n.int("start", 0), n.int("end", x.length));
  return [{ dims: [data.length], data }];
});
rules.set("Size", (n) => {
  const x = n.dims(0);
  return [{ dims: [], data: x === undefined ? undefined : [numberOf(x)] }];
});
shaped("ConstantOfShape", (n) => {
  const length = n.dims(0)?.[0];
  return n.data(0) ?? (typeof length === "number" ? Array.from({ length }, () => n.fresh()) : undefined);
});
rules.set("Range", (n) => {
  const [start, limit, delta] = [n.data(0)?.[0], n.data(1)?.[0], n.data(2)?.[0]];
  if (start === undefined || limit === undefined || typeof delta !== "number" || delta === 0) return [{ dims: [n.fresh()] }];
  const span = minus(limit, start);
  const count = delta === 1 ? span : delta > 0 ? divDims(addDims(span, delta - 1), delta) : divDims(addDims(mulDims(-1, span), -delta - 1), -delta);
  if (typeof count !== "number") return [{ dims: [count] }];
  const length = Math.max(count, 0);
  return [{ dims: [length], data: typeof start === "number" && length <= 64 ? Array.from({ length }, (_, i) => start + i * delta) : undefined }];
});
shaped("HannWindow HammingWindow BlackmanWindow", (n) => [n.data(0)?.[0] ?? n.fresh()]);
shaped("SequenceLength OptionalHasElement com.microsoft::IsAllFinite", () => []);

function reshaped(n: ShapeNode): Dims | undefined {
  const x = n.dims(0);
  const to = n.ints("shape") ?? n.data(1);
  if (to === undefined) {
    const rank = n.dims(1)?.[0];
    return typeof rank === "number" ? Array.from({ length: rank }, () => n.fresh()) : undefined;
  }
  const zero = n.int("allowzero", 0) !== 0;
  const kept = to.map((d, i): Dim => (d === 0 && !zero ? (x?.[i] ?? n.fresh()) : d));
  const open = kept.indexOf(-1);
  if (open < 0) return kept;
  const others = kept.filter((_, i) => i !== open);
  return kept.map((d, i) => (i === open ? (x === undefined ? n.fresh() : quotient(n, x, others)) : d));
}
/** The size that is left of `x` when the factors that both have are taken out. */
function quotient(n: ShapeNode, x: Dims, others: Dims): Dim {
  const left = [...x];
  const rest = others.filter((d) => {
    const at = typeof d === "number" ? -1 : left.findIndex((e) => sameDim(d, e));
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
  const [a, b] = [numberOf(left), numberOf(rest)];
  return b === 0 ? n.fresh() : divDims(a, b);
}
rules.set("Reshape", (n) => [{ dims: reshaped(n), data: n.data(0) }]);
shaped("Flatten", (n) => {
  const x = n.dims(0);
  const axis = n.int("axis", 1);
  const at = axis < 0 ? axis + (x?.length ?? 0) : axis;
  return x === undefined ? undefined : [numberOf(x.slice(0, at)), numberOf(x.slice(at))];
});
rules.set("Squeeze", (n) => {
  const x = n.dims(0);
  const axes =
    x === undefined
      ? undefined
      : n.axes(
          1,
          x.length,
          x.flatMap((d, i) => (d === 1 ? [i] : [])),
        );
  return [{ dims: axes === undefined ? undefined : x?.filter((_, i) => !axes.includes(i)), data: n.data(0) }];
});
rules.set("Unsqueeze", (n) => {
  const x = n.dims(0);
  const count = n.ints("axes")?.length ?? n.numbers(1)?.length;
  if (x === undefined || count === undefined) return [];
  const rank = x.length + count;
  const axes = n.axes(1, rank, []) ?? [];
  const rest = [...x];
  return [{ dims: Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() ?? 1))), data: x.length === 0 ? n.data(0) : undefined }];
});
shaped("Transpose", (n) => {
  const x = n.dims(0);
  const order = n.ints("perm") ?? x?.map((_, i) => x.length - 1 - i);
  return x === undefined || order?.length !== x.length ? undefined : order.map((i) => x[i] ?? 1);
});
rules.set("Concat", (n) => {
  const parts = Array.from({ length: n.inputs }, (_, i) => n.dims(i));
  const [first] = parts;
  const data = Array.from({ length: n.inputs }, (_, i) => n.data(i));
  const joined = data.every((d) => d !== undefined) ? data.flat() : undefined;
  if (first === undefined) return [];
  const axis = wrap(n.int("axis", 1), first.length);
  const sizes = parts.map((p) => p?.[axis]);
  const total = sizes.every((d) => d !== undefined) ? addDims(...sizes) : n.fresh();
  return [
    {
      dims: first.map((d, i) => (i === axis ? total : (parts.map((p) => p?.[i]).find((e) => typeof e === "number") ?? d))),
      data: first.length === 1 ? joined : undefined,
    },
  ];
});
rules.set("Split", (n) => {
  const x = n.dims(0);
  if (x === undefined) return [];
  const axis = wrap(n.int("axis", 0), x.length);
  const whole = x[axis] ?? 1;
  const sizes = n.ints("split") ?? n.data(1);
  const count = n.outputs;
  const part = (i: number): Dim => {
    if (n.has(1) || sizes !== undefined) return sizes?.[i] ?? n.fresh();
    if (typeof whole !== "number") return divDims(whole, count);
    const size = Math.ceil(whole / count);
    return Math.max(Math.min(size, whole - size * i), 0);
  };
  return Array.from({ length: count }, (_, i) => ({ dims: x.map((d, k) => (k === axis ? part(i) : d)) }));
});
rules.set("Slice", (n) => {
  const x = n.dims(0);
  if (x === undefined) return [];
  const [starts, ends] = [n.ints("starts") ?? n.numbers(1), n.ints("ends") ?? n.data(2)];
  const axes = n.axes(
    3,
    x.length,
    (starts ?? ends ?? x).map((_, i) => i),
  );
  const steps = n.has(4) ? n.numbers(4) : (axes ?? []).map(() => 1);
  if (axes === undefined) return [{ dims: x.map(() => n.fresh()) }];
  const dims = x.map((size, axis): Dim => {
    const i = axes.indexOf(axis);
    if (i < 0) return size;
    const [start, end, step] = [starts?.[i], ends?.[i], steps?.[i]];
    if (start === undefined || end === undefined || step === undefined || step === 0) return n.fresh();
    return sliced(n, size, start, end, step);
  });
  const content = n.data(0);
  const [start, end, step] = [starts?.[0], ends?.[0], steps?.[0]];
  const data = content !== undefined && x.length === 1 && start !== undefined && typeof end === "number" && step === 1 ? content.slice(start, end) : undefined;
  return [{ dims, data }];
});
function sliced(n: ShapeNode, size: Dim, start: number, end: Dim, step: number): Dim {
  if (typeof size === "number" && typeof end === "number") {
    const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
    const clamp = (v: number): number => Math.min(Math.max(v < 0 ? v + size : v, low), high);
    return Math.max(Math.ceil((clamp(end) - clamp(start)) / step), 0);
  }
  if (step !== 1) return n.fresh();
  const far = typeof end === "number" && end >= 2 ** 31 - 1;
  if (start === 0 && (far || sameDim(end, size))) return size;
  if (start > 0 && far) return n.fresh(); // may be less than nothing
  return start < 0 && far ? (typeof size === "number" ? Math.min(-start, size) : n.fresh()) : n.fresh();
}
shaped("Pad", (n) => {
  const x = n.dims(0);
  if (x === undefined) return undefined;
  const pads = n.ints("pads") ?? n.ints("paddings") ?? n.data(1);
  const axes = n.axes(
    3,
    x.length,
    x.map((_, i) => i),
  );
  if (pads === undefined || axes === undefined) return x.map(() => n.fresh());
  return x.map((d, i) => {
    const at = axes.indexOf(i);
    return at < 0 ? d : addDims(d, pads[at] ?? 0, pads[at + axes.length] ?? 0);
  });
});
shaped("Tile", (n) => {
  const [x, by] = [n.dims(0), n.data(1)];
  return x?.map((d, i) => (by === undefined || n.schema.since < 6 ? n.fresh() : mulDims(d, by[i] ?? 1)));
});
rules.set("Gather", (n) => {
  const [x, at] = [n.dims(0), n.dims(1)];
  if (x === undefined || at === undefined) return [];
  const axis = wrap(n.int("axis", 0), x.length);
  const [content, places] = [n.data(0), n.numbers(1)];
  const data =
    content !== undefined && places !== undefined && at.length <= 1 && x.length === 1
      ? places.map((p) => content[wrap(p, content.length)] ?? n.fresh())
      : undefined;
  return [{ dims: [...x.slice(0, axis), ...at, ...x.slice(axis + 1)], data }];
});
shaped("GatherElements", (n) => n.dims(1));
shaped("GatherND", (n) => {
  const [x, at] = [n.dims(0), n.dims(1)];
  const depth = at?.at(-1);
  return x === undefined || at === undefined || typeof depth !== "number" ? undefined : [...at.slice(0, -1), ...x.slice(n.int("batch_dims", 0) + depth)];
});
shaped("DepthToSpace", (n) => {
  const [b = 1, c = 1, h = 1, w = 1] = n.dims(0) ?? [];
  const s = n.int("blocksize", 1);
  return n.dims(0) === undefined ? undefined : [b, divDims(c, s * s), mulDims(h, s), mulDims(w, s)];
});
shaped("SpaceToDepth", (n) => {
  const [b = 1, c = 1, h = 1, w = 1] = n.dims(0) ?? [];
  const s = n.int("blocksize", 1);
  return n.dims(0) === undefined ? undefined : [b, mulDims(c, s * s), divDims(h, s), divDims(w, s)];
});
shaped("OneHot", (n) => {
  const x = n.dims(0);
  if (x === undefined) return undefined;
  const axis = wrap(n.int("axis", -1), x.length + 1);
  return [...x.slice(0, axis), n.data(1)?.[0] ?? n.fresh(), ...x.slice(axis)];
});
shaped("NonZero", (n) => [n.dims(0)?.length ?? n.fresh(), n.fresh()]);
shaped("Compress", (n) => {
  const axis = n.int("axis", NaN);
  const x = n.dims(0);
  return Number.isNaN(axis) ? [n.fresh()] : x?.map((d, i) => (i === wrap(axis, x.length) ? n.fresh() : d));
});
shaped("NonMaxSuppression", (n) => [n.fresh(), 3]);
shaped("Resize Upsample", (n) => {
  const x = n.dims(0);
  if (x === undefined) return undefined;
  const axes = n.ints("axes")?.map((a) => wrap(a, x.length)) ?? x.map((_, i) => i);
  const sizes = n.data(3);
  // Resize-10 and Upsample have their scales where later versions have the region.
  const scales = n.floats("scales") ?? n.numbers(n.schema.name === "Resize" && n.schema.since >= 11 ? 2 : 1);
  const stretches = n.text("keep_aspect_ratio_policy", "stretch") === "stretch";
  return x.map((d, i): Dim => {
    const at = axes.indexOf(i);
    if (at < 0) return d;
    if (sizes !== undefined && sizes.length > 0 && stretches) return sizes[at] ?? n.fresh();
    return scales !== undefined && scales.length > 0 && typeof d === "number" ? Math.floor(d * (scales[at] ?? 1)) : n.fresh();
  });
});
shaped("GridSample", (n) => {
  const [x, grid] = [n.dims(0), n.dims(1)];
  return x === undefined || grid === undefined ? undefined : [...x.slice(0, 2), ...grid.slice(1, -1)];
});
shaped("RoiAlign", (n) => [n.dims(1)?.[0] ?? n.fresh(), n.dims(0)?.[1] ?? n.fresh(), n.int("output_height", 1), n.int("output_width", 1)]);
shaped("NegativeLogLikelihoodLoss", (n) => (n.text("reduction", "mean") === "none" ? n.dims(1) : []));
rules.set("SoftmaxCrossEntropyLoss", (n) => [{ dims: n.text("reduction", "mean") === "none" ? n.dims(1) : [] }, { dims: n.dims(0) }]);
for (const name of ["RNN", "GRU", "LSTM"]) {
  rules.set(name, (n) => {
    const x = n.dims(0);
    if (x === undefined) return [];
    const directions = n.text("direction", "forward") === "bidirectional" ? 2 : 1;
    const hidden = n.int("hidden_size", NaN);
    const size = Number.isNaN(hidden) ? (n.dims(2)?.[2] ?? n.fresh()) : hidden;
    const batched = n.int("layout", 0) !== 0;
    const [time = 1, batch = 1] = batched ? [x[1], x[0]] : x;
    const last = { dims: batched ? [batch, directions, size] : [directions, batch, size] };
    return [{ dims: batched ? [batch, time, directions, size] : [time, directions, batch, size] }, last, last];
  });
}
