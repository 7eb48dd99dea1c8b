/** Sums, extremes, moments and running sums. */

import { isFloat } from "../../tensor/dtype.ts";
import type { Handler, OpCall } from "../meaning.ts";
import { whereValue } from "../expressions.ts";
import { loopNode, type OnnxValue } from "../graph.ts";
import { reduceValue, sortValue } from "../nodes.ts";
import { type DimSize, isSym, metaTensor, type SymTensor } from "../values.ts";
import { axesArg, axisArg, boolArg, metaOf, numberArg, tensorArg, wideFloat, withoutAxes } from "./tools.ts";

/** A reduction by one node. `at`: where the axes and keepdim are among the arguments. */
function reduction(op: string, at: { readonly axes?: number; readonly keep?: number }): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const { x } = call;
    const meta = metaOf(call);
    const axes = at.axes === undefined ? t.dims.map((_, i) => i) : axesArg(call, at.axes, t.rank);
    const keep = at.keep !== undefined && boolArg(call, at.keep);
    const dims = withoutAxes(t.dims, axes, keep);
    const value = x.g.cast(x.g.cast(x.valueOf(t), meta.dtype), wideFloat(meta.dtype));
    if (t.rank === 0) return x.result(value, meta, [t], []);
    if (op === "ReduceMean" && t.meta.numel === 0) {
      // Nothing has no mean, which not every kernel says.
      const sum = reduceValue(x.g, "ReduceSum", value, axes, keep);
      return x.result(x.op("Div", [sum, countOf(call, t, axes, value.dtype)]), meta, [t], dims);
    }
    if (op === "ReduceProd" && value.dtype === "int64") return x.result(wrappingProduct(call, t, value, axes, keep), meta, [t], dims);
    return x.result(reduceValue(x.g, op, value, axes, keep), meta, [t], dims);
  };
}
/** Kernels multiply int64 by way of doubles: here one factor after another, which wraps around. */
function wrappingProduct(call: OpCall, t: SymTensor, value: OnnxValue, axes: readonly number[], keep: boolean): OnnxValue {
  const { x } = call;
  const rest = t.dims.map((_, i) => i).filter((i) => !axes.includes(i));
  const shape = x.op("Shape", [value], {}, "int64");
  const sizes = rest.length === 0 ? x.g.ints([]) : x.op("Gather", [shape, x.g.ints(rest)], { axis: 0 });
  const moved = x.op("Transpose", [value], { perm: [...axes, ...rest] });
  const lines = x.op("Reshape", [moved, x.op("Concat", [x.g.ints([-1]), sizes], { axis: 0 })]);
  const count = x.op("ReduceProd", [x.op("Gather", [shape, x.g.ints(axes)], { axis: 0 })], { keepdims: 0 });
  const { state } = loopNode(x.g, count, [x.op("Expand", [x.g.scalar(1, "int64"), sizes])], (trip, [so]) => ({
    go: undefined,
    state: [x.op("Mul", [so ?? value, x.op("Gather", [lines, trip], { axis: 0 })])],
    stacked: [],
  }));
  const out = state[0] ?? value;
  return keep ? x.op("Unsqueeze", [out, x.g.ints(axes)]) : out;
}

/** Whether the value is NaN somewhere along the axes. */
function nanAlong(call: OpCall, value: OnnxValue, axes: readonly number[], keep: boolean): OnnxValue {
  const { x } = call;
  const flags = x.g.cast(x.op("IsNaN", [value], {}, "bool"), "int32");
  return x.op("Greater", [reduceValue(x.g, "ReduceMax", flags, axes, keep), x.g.scalar(0, "int32")], {}, "bool");
}
function extreme(op: "ReduceMax" | "ReduceMin", at: { readonly axes?: number; readonly keep?: number }): Handler {
  return (call) => {
    if (call.args.length > 1 && at.axes === undefined) return undefined;
    const t = tensorArg(call, 0);
    const { x } = call;
    const axes = at.axes === undefined ? t.dims.map((_, i) => i) : axesArg(call, at.axes, t.rank);
    const keep = at.keep !== undefined && boolArg(call, at.keep);
    const meta = metaOf(call);
    if (t.rank === 0) return x.result(x.valueOf(t), meta, [t], []);
    const wide = t.dtype === "bool" ? "int32" : wideFloat(t.dtype);
    const value = x.g.cast(x.valueOf(t), wide);
    let out = reduceValue(x.g, op, value, axes, keep);
    if (isFloat(wide)) out = whereValue(x.g, nanAlong(call, value, axes, keep), x.g.scalar(NaN, wide), out);
    return x.result(x.g.cast(out, meta.dtype), meta, [t], withoutAxes(t.dims, axes, keep));
  };
}
/** Positions of extremes: the first of equals, NaN over all. */
function positions(call: OpCall, t: SymTensor, op: "ArgMax" | "ArgMin", axis: number, keep: boolean): OnnxValue {
  const { x } = call;
  const wide = t.dtype === "bool" ? "int32" : wideFloat(t.dtype);
  let value = x.g.cast(x.valueOf(t), wide);
  if (isFloat(wide)) value = whereValue(x.g, x.op("IsNaN", [value], {}, "bool"), x.g.scalar(op === "ArgMax" ? Infinity : -Infinity, wide), value);
  return x.op(op, [value], { axis, keepdims: keep ? 1 : 0 }, "int64");
}
function position(op: "ArgMax" | "ArgMin"): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const { x } = call;
    const meta = metaOf(call);
    if ((call.args[1] ?? null) === null) {
      const flat = x.result(x.op("Reshape", [x.valueOf(t), x.g.ints([-1])]), metaOf1(t), [t], [undefined]);
      return x.result(x.op("Reshape", [positions(call, flat, op, 0, false), x.g.ints(boolArg(call, 2) ? t.dims.map(() => 1) : [])]), meta, [t], meta.shape);
    }
    const axis = axisArg(call, 1, t.rank);
    const keep = boolArg(call, 2);
    if (t.rank === 0) return undefined;
    return x.result(positions(call, t, op, axis, keep), meta, [t], withoutAxes(t.dims, [axis], keep));
  };
}
const metaOf1 = (t: SymTensor): ReturnType<typeof metaTensor> => metaTensor([t.meta.numel], t.dtype);

function extremeAlong(op: "ArgMax" | "ArgMin"): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const { x } = call;
    if (t.rank === 0) return undefined;
    const axis = axisArg(call, 1, t.rank);
    const keep = boolArg(call, 2);
    const [values, indices] = call.meta();
    if (values === undefined || indices === undefined) return undefined;
    const at = positions(call, t, op, axis, true);
    const found = x.op("GatherElements", [x.valueOf(t), at], { axis });
    const cut = (v: OnnxValue): OnnxValue => (keep ? v : x.op("Squeeze", [v, x.g.ints([axis])]));
    const dims = withoutAxes(t.dims, [axis], keep);
    return [x.result(cut(found), values, [t], dims), x.result(cut(at), indices, [t], dims)];
  };
}

function truth(op: "ReduceMax" | "ReduceMin", at: { readonly axes?: number; readonly keep?: number }): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const { x } = call;
    const axes = at.axes === undefined ? t.dims.map((_, i) => i) : axesArg(call, at.axes, t.rank);
    const keep = at.keep !== undefined && boolArg(call, at.keep);
    const meta = metaOf(call);
    const value = x.g.cast(x.g.cast(x.valueOf(t), "bool"), "int32");
    // An empty reduction has an identity: sums and products have, extremes may not.
    const out =
      t.rank === 0 ? value : op === "ReduceMax" ? reduceValue(x.g, "ReduceSum", value, axes, keep) : reduceValue(x.g, "ReduceProd", value, axes, keep);
    return x.result(x.g.cast(x.g.cast(out, "bool"), meta.dtype), meta, [t], withoutAxes(t.dims, axes, keep));
  };
}

/** How many elements the axes have, in a dtype. */
export function countOf(call: OpCall, t: SymTensor, axes: readonly number[], dtype: OnnxValue["dtype"]): OnnxValue {
  const { x } = call;
  if (axes.every((a) => t.dims[a] !== undefined))
    return x.g.scalar(
      axes.reduce((n, a) => n * (t.dims[a] ?? 1), 1),
      dtype,
    );
  return x.g.cast(x.op("ReduceProd", [x.op("Gather", [x.shapeValue(t), x.g.ints(axes)], { axis: 0 })], { keepdims: 0 }), dtype);
}
function momentsOf(
  call: OpCall,
  t: SymTensor,
  axes: readonly number[],
  correction: number,
  keep: boolean,
): { readonly variance: OnnxValue; readonly mean: OnnxValue } {
  const { x } = call;
  const dtype = wideFloat(t.dtype);
  const value = x.g.cast(x.valueOf(t), dtype);
  const mean =
    t.meta.numel === 0
      ? x.op("Div", [reduceValue(x.g, "ReduceSum", value, axes, true), countOf(call, t, axes, dtype)])
      : reduceValue(x.g, "ReduceMean", value, axes, true);
  const d = x.op("Sub", [value, mean]);
  const sum = reduceValue(x.g, "ReduceSum", x.op("Mul", [d, d]), axes, keep);
  const n = countOf(call, t, axes, dtype);
  const left = x.op("Max", [x.op("Sub", [n, x.g.scalar(correction, dtype)]), x.g.scalar(0, dtype)]);
  return { variance: x.op("Div", [sum, left]), mean: keep ? mean : reduceValue(x.g, "ReduceMean", value, axes, false) };
}
/** `form`: where axes, unbiased or correction, keepdim are. */
function variance(root: boolean, withMean: boolean, form: "all" | "dim" | "correction"): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const { x } = call;
    const axes = form === "all" ? t.dims.map((_, i) => i) : axesArg(call, 1, t.rank);
    if (t.rank === 0) return undefined;
    const given = form === "all" ? call.args[1] : call.args[2];
    const correction =
      given === null || given === undefined
        ? 1
        : typeof given === "boolean"
          ? Number(given)
          : form === "correction"
            ? numberArg(call, 2)
            : Number(boolArg(call, form === "all" ? 1 : 2));
    const keep = form !== "all" && boolArg(call, 3);
    const { variance: v, mean } = momentsOf(call, t, axes, correction, keep);
    const dims = withoutAxes(t.dims, axes, keep);
    const [meta, meanMeta] = call.meta();
    if (meta === undefined) return undefined;
    const out = x.result(root ? x.op("Sqrt", [v]) : v, meta, [t], dims);
    return withMean && meanMeta !== undefined ? [out, x.result(mean, meanMeta, [t], dims)] : out;
  };
}

const cumsum: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  if (t.rank === 0) return undefined;
  const meta = metaOf(call);
  const value = x.g.cast(x.g.cast(x.valueOf(t), meta.dtype), wideFloat(meta.dtype));
  return x.result(x.op("CumSum", [value, x.g.scalar(axisArg(call, 1, t.rank), "int64")]), meta, [t], t.dims);
};
const logsumexp: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  const axes = axesArg(call, 1, t.rank);
  const keep = boolArg(call, 2);
  const meta = metaOf(call);
  const value = x.g.cast(x.valueOf(t), wideFloat(meta.dtype));
  const top = reduceValue(x.g, "ReduceMax", value, axes, true);
  const shift = whereValue(x.g, x.op("IsInf", [top], {}, "bool"), x.g.scalar(0, value.dtype), top);
  const sum = reduceValue(x.g, "ReduceSum", x.op("Exp", [x.op("Sub", [value, shift])]), axes, true);
  const out = x.op("Add", [x.op("Log", [sum]), shift]);
  return x.result(keep ? out : x.op("Squeeze", [out, x.g.ints(axes)]), meta, [t], withoutAxes(t.dims, axes, keep));
};
/** Norms of order 1, 2 and infinity; others by powers. */
function norm(at: { readonly order: number | undefined; readonly axes: number | undefined; readonly keep: number | undefined }): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const { x } = call;
    const given = at.order === undefined ? 2 : (call.args[at.order] ?? null);
    if (isSym(given)) return undefined;
    const order = given === null ? 2 : numberArg(call, at.order ?? 0);
    const axes = at.axes === undefined ? t.dims.map((_, i) => i) : axesArg(call, at.axes, t.rank);
    const keep = at.keep !== undefined && boolArg(call, at.keep);
    const meta = metaOf(call);
    const dtype = wideFloat(meta.dtype);
    const value = x.op("Abs", [x.g.cast(x.valueOf(t), dtype)]);
    let out: OnnxValue;
    if (t.rank === 0 || order === 0) return undefined;
    if (order === Infinity || order === -Infinity)
      out = whereValue(
        x.g,
        nanAlong(call, value, axes, keep),
        x.g.scalar(NaN, dtype),
        reduceValue(x.g, order > 0 ? "ReduceMax" : "ReduceMin", value, axes, keep),
      );
    else if (order === 1) out = reduceValue(x.g, "ReduceSum", value, axes, keep);
    else if (order === 2) out = x.op("Sqrt", [reduceValue(x.g, "ReduceSum", x.op("Mul", [value, value]), axes, keep)]);
    else out = x.op("Pow", [reduceValue(x.g, "ReduceSum", x.op("Pow", [value, x.g.scalar(order, dtype)]), axes, keep), x.g.scalar(1 / order, dtype)]);
    return x.result(out, meta, [t], withoutAxes(t.dims, axes, keep));
  };
}

const topk: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  if (t.rank === 0) return undefined;
  const axis = axisArg(call, 2, t.rank);
  const k = x.op("Reshape", [x.scalarValue(call.args[1] ?? 1, "int64"), x.g.ints([1])]);
  const [values, places] = sortValue(x.g, x.valueOf(t), axis, boolArg(call, 3), k);
  const [a, b] = call.meta();
  const size: DimSize = isSym(call.args[1]) ? undefined : Number(call.args[1]);
  const dims = t.dims.map((d, i) => (i === axis ? size : d));
  return a === undefined || b === undefined ? undefined : [x.result(values, a, call.args, dims), x.result(places, b, call.args, dims)];
};
function sort(at: { readonly axis: number; readonly descending: number }, only: boolean): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const { x } = call;
    if (t.rank === 0) return undefined;
    const axis = axisArg(call, at.axis, t.rank);
    const n = x.size(t, axis);
    const k = x.op("Reshape", [x.scalarValue(n, "int64"), x.g.ints([1])]);
    const [values, places] = sortValue(x.g, x.valueOf(t), axis, boolArg(call, at.descending), k);
    const [a, b] = call.meta();
    if (only) return a === undefined ? undefined : x.result(places, a, [t], t.dims);
    return a === undefined || b === undefined ? undefined : [x.result(values, a, [t], t.dims), x.result(places, b, [t], t.dims)];
  };
}

export const reductions: Readonly<Record<string, Handler>> = {
  "aten::sum": reduction("ReduceSum", {}),
  "aten::sum.dim_IntList": reduction("ReduceSum", { axes: 1, keep: 2 }),
  "aten::mean": reduction("ReduceMean", {}),
  "aten::mean.dim": reduction("ReduceMean", { axes: 1, keep: 2 }),
  "aten::prod": reduction("ReduceProd", {}),
  "aten::prod.dim_int": reduction("ReduceProd", { axes: 1, keep: 2 }),
  "aten::amax": extreme("ReduceMax", { axes: 1, keep: 2 }),
  "aten::amin": extreme("ReduceMin", { axes: 1, keep: 2 }),
  "aten::max": extreme("ReduceMax", {}),
  "aten::min": extreme("ReduceMin", {}),
  "aten::argmax": position("ArgMax"),
  "aten::argmin": position("ArgMin"),
  "aten::max.dim": extremeAlong("ArgMax"),
  "aten::min.dim": extremeAlong("ArgMin"),
  "aten::any": truth("ReduceMax", {}),
  "aten::any.dim": truth("ReduceMax", { axes: 1, keep: 2 }),
  "aten::any.dims": truth("ReduceMax", { axes: 1, keep: 2 }),
  "aten::all": truth("ReduceMin", {}),
  "aten::all.dim": truth("ReduceMin", { axes: 1, keep: 2 }),
  "aten::all.dims": truth("ReduceMin", { axes: 1, keep: 2 }),
  "aten::var": variance(false, false, "all"),
  "aten::var.dim": variance(false, false, "dim"),
  "aten::var.correction": variance(false, false, "correction"),
  "aten::std": variance(true, false, "all"),
  "aten::std.dim": variance(true, false, "dim"),
  "aten::std.correction": variance(true, false, "correction"),
  "aten::var_mean": variance(false, true, "all"),
  "aten::var_mean.dim": variance(false, true, "dim"),
  "aten::var_mean.correction": variance(false, true, "correction"),
  "aten::std_mean": variance(true, true, "all"),
  "aten::std_mean.dim": variance(true, true, "dim"),
  "aten::std_mean.correction": variance(true, true, "correction"),
  "aten::cumsum": cumsum,
  "aten::logsumexp": logsumexp,
  "aten::norm.Scalar": norm({ order: 1, axes: undefined, keep: undefined }),
  "aten::norm.ScalarOpt_dim": norm({ order: 1, axes: 2, keep: 3 }),
  "aten::linalg_vector_norm": norm({ order: 1, axes: 2, keep: 3 }),
  "aten::topk": topk,
  "aten::sort": sort({ axis: 1, descending: 2 }, false),
  "aten::sort.stable": sort({ axis: 2, descending: 3 }, false),
  "aten::argsort": sort({ axis: 1, descending: 2 }, true),
  "aten::argsort.stable": sort({ axis: 2, descending: 3 }, true),
};
