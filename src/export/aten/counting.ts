/** Ops whose results are as long as their data say: counts, repeats, samples. */

import { type Handler, STAND_IN } from "../meaning.ts";
import type { OnnxValue } from "../graph.ts";
import { whereValue } from "../expressions.ts";
import { reduceValue, sortValue } from "../nodes.ts";
import { metaTensor } from "../values.ts";
import { axisArg, boolArg, isSymTensor, numberArg, optionalTensor, tensorArg, wideFloat } from "./tools.ts";

const one = (call: Parameters<Handler>[0], v: OnnxValue): OnnxValue => call.x.op("Reshape", [v, call.x.g.ints([1])]);

const bincount: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const weights = optionalTensor(call, 1);
  const at = x.g.cast(x.valueOf(t), "int64");
  const least = x.scalarValue(call.args[2] ?? 0, "int64");
  // One more than the largest, where there is any.
  const most = reduceValue(x.g, "ReduceMax", x.op("Concat", [at, x.g.ints([-1])], { axis: 0 }), [0], false);
  const size = one(call, x.op("Max", [x.op("Add", [most, x.g.scalar(1, "int64")]), least]));
  const dtype = weights === undefined ? "int64" : weights.dtype === "float32" ? "float32" : "float64";
  const zeros = x.op("Expand", [x.g.scalar(0, dtype), size]);
  const ones = weights === undefined ? x.op("Expand", [x.g.scalar(1, dtype), x.op("Shape", [at], {}, "int64")]) : x.g.cast(x.valueOf(weights), dtype);
  return x.tensor(x.op("ScatterElements", [zeros, at, ones], { axis: 0, reduction: "add" }), metaTensor([STAND_IN], dtype), [undefined], undefined);
};
/** Each item as often as its count says. */
const repeatInterleave: Handler = (call) => {
  const { x } = call;
  const whole = call.name === "aten::repeat_interleave.Tensor";
  const counts = whole ? tensorArg(call, 0) : optionalTensor(call, 1);
  if (counts === undefined) return undefined;
  const t = whole ? undefined : tensorArg(call, 0);
  const flat = t !== undefined && (call.args[2] ?? null) === null;
  const axis = t === undefined || flat ? 0 : axisArg(call, 2, t.rank);
  const value = t === undefined ? undefined : flat ? x.op("Reshape", [x.valueOf(t), x.g.ints([-1])]) : x.valueOf(t);
  const given = x.g.cast(x.valueOf(counts), "int64");
  const n =
    value === undefined ? x.op("Shape", [given], {}, "int64") : x.op("Slice", [x.op("Shape", [value], {}, "int64"), x.g.ints([axis]), x.g.ints([axis + 1])]);
  const each = x.op("Expand", [given, n]);
  // Result k comes from the first item whose running sum of counts exceeds k.
  const ends = x.op("CumSum", [each, x.g.scalar(0, "int64")]);
  const total = reduceValue(x.g, "ReduceSum", each, [0], false);
  const places = x.op("Range", [x.g.scalar(0, "int64"), total, x.g.scalar(1, "int64")]);
  const passed = x.g.cast(x.op("LessOrEqual", [x.op("Unsqueeze", [ends, x.g.ints([0])]), x.op("Unsqueeze", [places, x.g.ints([1])])], {}, "bool"), "int64");
  const from = reduceValue(x.g, "ReduceSum", passed, [1], false);
  if (value === undefined || t === undefined) return x.tensor(from, metaTensor([STAND_IN], "int64"), [undefined], undefined);
  const shape = flat ? [STAND_IN] : t.meta.shape.map((s, i) => (i === axis ? STAND_IN : s));
  return x.tensor(
    x.op("Gather", [value, from], { axis }),
    metaTensor(shape, t.dtype),
    flat ? [undefined] : t.dims.map((d, i) => (i === axis ? undefined : d)),
    undefined,
  );
};
/** Samples by the largest of `log(weight)` and Gumbel noise. */
const multinomial: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const k = numberArg(call, 1);
  const replaced = boolArg(call, 2);
  const type = wideFloat(t.dtype);
  const logs = x.op("Log", [x.g.cast(x.valueOf(t), type)]);
  const draw = (like: OnnxValue): OnnxValue => {
    const [u] = x.g.node("RandomUniformLike", [like], {
      dtypes: [type],
      unique: true,
      attributes: { low: { kind: "float", value: 1e-7 }, high: { kind: "float", value: 1 }, dtype: type === "float64" ? 11 : 1 },
    });
    return x.op("Neg", [x.op("Log", [x.op("Neg", [x.op("Log", [u ?? like])])])]);
  };
  let places: OnnxValue;
  if (!replaced) places = sortValue(x.g, x.op("Add", [logs, draw(logs)]), t.rank - 1, true, x.g.ints([k]))[1];
  else {
    const shape = x.op(
      "Concat",
      [
        ...(t.rank === 2 ? [x.op("Slice", [x.shapeValue(t), x.g.ints([0]), x.g.ints([1])])] : []),
        x.g.ints([k]),
        x.op("Slice", [x.shapeValue(t), x.g.ints([t.rank - 1]), x.g.ints([t.rank])]),
      ],
      { axis: 0 },
    );
    const many = x.op("Expand", [x.op("Unsqueeze", [logs, x.g.ints([t.rank - 1])]), shape]);
    places = x.op("ArgMax", [x.op("Add", [many, draw(many)])], { axis: t.rank, keepdims: 0 }, "int64");
  }
  return x.result(places, metaTensor([...t.meta.shape.slice(0, -1), k], "int64"), [t], [...t.dims.slice(0, -1), k]);
};
const oneHot: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const classes = call.args[1] ?? -1;
  const isOpen = classes === -1;
  const at = x.g.cast(x.valueOf(t), "int64");
  const most = (): OnnxValue => x.op("Add", [reduceValue(x.g, "ReduceMax", x.op("Reshape", [at, x.g.ints([-1])]), [0], false), x.g.scalar(1, "int64")]);
  const n = isOpen ? most() : x.scalarValue(classes, "int64");
  const all = x.op("Range", [x.g.scalar(0, "int64"), n, x.g.scalar(1, "int64")]);
  const hot = x.g.cast(x.op("Equal", [x.op("Unsqueeze", [at, x.g.ints([t.rank])]), all], {}, "bool"), "int64");
  const size = typeof classes === "number" && !isOpen ? classes : undefined;
  const meta = metaTensor([...t.meta.shape, size ?? STAND_IN], "int64");
  return isOpen ? x.tensor(hot, meta, [...t.dims, undefined], undefined) : x.result(hot, meta, call.args, [...t.dims, size]);
};
/** Runs of equal elements of a line. */
const uniqueConsecutive: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  if ((call.args[3] ?? null) !== null && t.rank !== 1) return undefined;
  const flat = x.op("Reshape", [x.valueOf(t), x.g.ints([-1])]);
  const [begin, end] = [x.g.ints([0]), x.g.ints([9223372036854775807n])];
  const before = x.op("Slice", [flat, begin, x.g.ints([-1])]);
  const after = x.op("Slice", [flat, x.g.ints([1]), end]);
  const changes = x.op("Not", [x.op("Equal", [before, after], {}, "bool")]);
  // The first begins a run, where there is one.
  const first = x.op("Slice", [x.g.cast(x.op("Equal", [x.g.cast(flat, "float64"), x.g.cast(flat, "float64")], {}, "bool"), "bool"), begin, x.g.ints([1])]);
  const begins = x.op("Concat", [x.op("Or", [first, x.op("Not", [first])]), changes], { axis: 0 });
  const values = x.op("Compress", [flat, begins], { axis: 0 });
  const run = x.op("Sub", [x.op("CumSum", [x.g.cast(begins, "int64"), x.g.scalar(0, "int64")]), x.g.scalar(1, "int64")]);
  const places = x.op("Reshape", [x.op("NonZero", [begins], {}, "int64"), x.g.ints([-1])]);
  const next = x.op("Concat", [x.op("Slice", [places, x.g.ints([1]), end]), x.op("Shape", [flat], {}, "int64")], { axis: 0 });
  // An input without elements has no end either.
  const counts = x.op("Sub", [x.op("Slice", [next, begin, x.op("Shape", [places], {}, "int64")]), places]);
  const long = metaTensor([STAND_IN], "int64");
  return [
    x.tensor(values, metaTensor([STAND_IN], t.dtype), [undefined], undefined),
    x.tensor(x.op("Reshape", [run, x.shapeValue(t)]), metaTensor(t.meta.shape, "int64"), t.dims, t.roots),
    x.tensor(counts, long, [undefined], undefined),
  ];
};
/** The first `size` places of what is not zero, filled up. */
const nonzeroStatic: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const size = numberArg(call, 1);
  const fill = x.scalarValue(call.args[2] ?? -1, "int64");
  if (t.rank === 0) return undefined;
  const places = x.op("Transpose", [x.op("NonZero", [x.g.cast(x.valueOf(t), "bool")], {}, "int64")], { perm: [1, 0] });
  const padded = x.op("Concat", [places, x.op("Expand", [fill, x.g.ints([size, t.rank])])], { axis: 0 });
  return x.tensor(x.op("Slice", [padded, x.g.ints([0]), x.g.ints([size])]), metaTensor([size, t.rank], "int64"), [size, t.rank], new Set());
};
/** Boundaries of sorted lines that values fall between: how many are less, or not more. */
const bucketize: Handler = (call) => {
  const { x } = call;
  const [t, bounds] = [call.args[0], tensorArg(call, 1)];
  if (!isSymTensor(t) || bounds.rank !== 1) return undefined;
  const right = boolArg(call, 3);
  const dtype = boolArg(call, 2) ? "int32" : "int64";
  const [a, b] = [x.op("Unsqueeze", [x.g.cast(x.valueOf(t), "float64"), x.g.ints([t.rank])]), x.g.cast(x.valueOf(bounds), "float64")];
  const below = x.op(right ? "LessOrEqual" : "Less", [b, a], {}, "bool");
  const count = reduceValue(x.g, "ReduceSum", x.g.cast(below, "int64"), [t.rank], false);
  // NaN is above all boundaries.
  const nan = x.op("IsNaN", [x.g.cast(x.valueOf(t), "float64")], {}, "bool");
  const out = whereValue(x.g, nan, x.op("Size", [b], {}, "int64"), count);
  return x.result(x.g.cast(out, dtype), metaTensor(t.meta.shape, dtype), call.args, t.dims);
};

export const counting: Readonly<Record<string, Handler>> = {
  "aten::bincount": bincount,
  "aten::repeat_interleave.self_Tensor": repeatInterleave,
  "aten::repeat_interleave.Tensor": repeatInterleave,
  "aten::multinomial": multinomial,
  "aten::one_hot": oneHot,
  "aten::unique_consecutive": uniqueConsecutive,
  "aten::nonzero_static": nonzeroStatic,
  "aten::bucketize.Tensor": bucketize,
};
