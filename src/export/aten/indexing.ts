/** Reading and writing at positions that tensors hold. */

import type { Datum } from "../../ir/datum.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import { STAND_IN, type Handler, type OpCall } from "../meaning.ts";
import type { OnnxValue } from "../graph.ts";
import { whereValue } from "../expressions.ts";
import { scatterElements } from "../nodes.ts";
import { type DimSize, metaTensor, type SymTensor } from "../values.ts";
import { axisArg, boolArg, isSymTensor, itemsOf, metaOf, numberArg, refuse, tensorArg } from "./tools.ts";

const embedding: Handler = (call) => {
  const [weight, at] = [tensorArg(call, 0), tensorArg(call, 1)];
  const { x } = call;
  return x.result(x.op("Gather", [x.valueOf(weight), x.valueOf(at)], { axis: 0 }), metaOf(call), call.args, [...at.dims, ...weight.dims.slice(1)]);
};
const indexSelect: Handler = (call) => {
  const t = tensorArg(call, 0);
  const at = tensorArg(call, 2);
  const { x } = call;
  if (t.rank === 0) return undefined;
  const axis = axisArg(call, 1, t.rank);
  const places = at.rank === 0 ? x.op("Unsqueeze", [x.valueOf(at), x.g.ints([0])]) : x.valueOf(at);
  return x.result(
    x.op("Gather", [x.valueOf(t), places], { axis }),
    metaOf(call),
    call.args,
    t.dims.map((d, i) => (i === axis ? (at.rank === 0 ? 1 : at.dims[0]) : d)),
  );
};
const gather: Handler = (call) => {
  const t = tensorArg(call, 0);
  const at = tensorArg(call, 2);
  const { x } = call;
  if (t.rank === 0 || at.rank === 0) return undefined;
  return x.result(x.op("GatherElements", [x.valueOf(t), x.valueOf(at)], { axis: axisArg(call, 1, t.rank) }), metaOf(call), call.args, at.dims);
};
/** `src` cut to the positions' sizes, which it may exceed. */
function updatesOf(call: OpCall, src: Datum, at: SymTensor, dtype: OnnxValue["dtype"]): OnnxValue {
  const { x } = call;
  if (!isSymTensor(src)) return x.op("Expand", [x.scalarValue(src, dtype), x.shapeValue(at)]);
  const value = x.g.cast(x.valueOf(src), dtype);
  if (src.rank === 0) return x.op("Expand", [value, x.shapeValue(at)]);
  if (src.dims.every((d, i) => d !== undefined && d === at.dims[i])) return value;
  return x.op("Slice", [value, x.g.ints(at.dims.map(() => 0)), x.shapeValue(at), x.g.ints(at.dims.map((_, i) => i))]);
}
function scatter(combine: "set" | "add" | "mul" | "min" | "max" | "named", nameAt?: number): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const at = tensorArg(call, 2);
    const { x } = call;
    if (t.rank === 0 || at.rank === 0) return undefined;
    const names: Readonly<Record<string, "add" | "mul" | "min" | "max">> = { add: "add", sum: "add", multiply: "mul", prod: "mul", amin: "min", amax: "max" };
    const named = call.args[nameAt ?? 4];
    const how = combine !== "named" ? combine : typeof named === "string" ? names[named] : undefined;
    if (how === undefined || (call.name.includes("scatter_reduce") && !boolArg(call, 5))) return undefined;
    const out = scatterElements(x.g, x.valueOf(t), x.valueOf(at), updatesOf(call, call.args[3] ?? 0, at, t.dtype), axisArg(call, 1, t.rank), how);
    return x.result(out, t.meta, call.args, t.dims);
  };
}

/** Index tensors of `x[a, :, b]` as int64 values that broadcast together; masks become positions. */
interface Indices {
  /** Axis of the indexed tensor, and its positions. */
  readonly axes: readonly number[];
  readonly values: readonly OnnxValue[];
  readonly rank: number;
  readonly shape: readonly number[];
  readonly dims: readonly DimSize[];
  /** Whether the positions' axes go where the indexed ones were, not first. */
  readonly inPlace: boolean;
}
function indicesOf(call: OpCall, t: SymTensor, list: readonly Datum[]): Indices {
  const { x } = call;
  const axes: number[] = [];
  const values: OnnxValue[] = [];
  let shape: readonly number[] = [];
  let dims: DimSize[] = [];
  let axis = 0;
  const join = (own: readonly number[], ownDims: readonly DimSize[]): void => {
    const before = shape;
    shape = broadcastShapes(shape, own);
    const rank = shape.length;
    dims = Array.from({ length: rank }, (_, i): DimSize => {
      const [a, b] = [dims[i - (rank - before.length)], ownDims[i - (rank - own.length)]];
      const hasA = i - (rank - before.length) >= 0;
      const hasB = i - (rank - own.length) >= 0;
      if (!hasA) return b;
      if (!hasB) return a;
      return a === 1 ? b : b === 1 ? a : (a ?? b);
    });
  };
  for (const d of list) {
    if (d === null) {
      axis++;
      continue;
    }
    const index = isSymTensor(d) ? d : refuse("an index that is no tensor");
    if (index.dtype === "bool" || index.dtype === "uint8") {
      if (index.rank === 0) return refuse("an index that is one bool");
      const places = x.op("NonZero", [x.g.cast(x.valueOf(index), "bool")], {}, "int64");
      for (let i = 0; i < index.rank; i++) {
        axes.push(axis++);
        values.push(x.op("Gather", [places, x.g.scalar(i, "int64")], { axis: 0 }));
      }
      join([STAND_IN], [undefined]);
    } else {
      axes.push(axis++);
      values.push(x.g.cast(x.valueOf(index), "int64"));
      join(index.meta.shape, index.dims);
    }
  }
  const inPlace = axes.every((a, i) => i === 0 || a === (axes[i - 1] ?? 0) + 1);
  void t;
  return { axes, values, rank: shape.length, shape, dims, inPlace };
}
/** Positions as one value `[…, k]` for GatherND and ScatterND, and the sizes that they have without the last axis. */
function joinedIndices(call: OpCall, { values }: Indices): { readonly value: OnnxValue; readonly shape: OnnxValue } {
  const { x } = call;
  let sum = values[0] ?? refuse("indexing by nothing");
  for (const v of values.slice(1)) sum = x.op("Add", [sum, v]);
  const shape = x.op("Shape", [sum], {}, "int64");
  const last = x.g.ints([-1]);
  const parts = values.map((v) => x.op("Unsqueeze", [values.length === 1 ? v : x.op("Expand", [v, shape]), last]));
  return { value: parts.length === 1 ? (parts[0] ?? sum) : x.op("Concat", parts, { axis: -1 }), shape };
}
function frontPerm(t: SymTensor, axes: readonly number[]): number[] {
  return [...axes, ...t.dims.map((_, i) => i).filter((i) => !axes.includes(i))];
}
const move = (call: OpCall, v: OnnxValue, perm: readonly number[]): OnnxValue => (perm.every((p, i) => p === i) ? v : call.x.op("Transpose", [v], { perm }));

const index: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const list = itemsOf(call.args[1] ?? null) ?? [];
  const at = indicesOf(call, t, list);
  if (at.axes.length === 0) return x.result(x.valueOf(t), t.meta, [t], t.dims);
  const rest = t.dims.map((_, i) => i).filter((i) => !at.axes.includes(i));
  const [first = 0] = at.axes;
  const lead = at.inPlace ? first : 0;
  const place = <X>(own: readonly X[], others: readonly X[]): X[] => [...others.slice(0, lead), ...own, ...others.slice(lead)];
  const dims = place(
    at.dims,
    rest.map((i) => t.dims[i]),
  );
  const meta = metaTensor(
    place(
      at.shape,
      rest.map((i) => t.meta.shape[i] ?? 1),
    ),
    t.dtype,
  );
  const openSize = call.args.some((d) => itemsOf(d)?.some((i) => isSymTensor(i) && (i.dtype === "bool" || i.dtype === "uint8")) === true);
  const finish = (v: OnnxValue): SymTensor => (openSize ? x.tensor(v, meta, dims, undefined) : x.result(v, meta, call.args, dims));
  const [only] = at.values;
  if (at.values.length === 1 && only !== undefined) return finish(x.op("Gather", [x.valueOf(t), only], { axis: first }));
  const moved = move(call, x.valueOf(t), frontPerm(t, at.axes));
  const picked = x.op("GatherND", [moved, joinedIndices(call, at).value]);
  if (lead === 0) return finish(picked);
  const perm = [
    ...Array.from({ length: lead }, (_, i) => at.rank + i),
    ...Array.from({ length: at.rank }, (_, i) => i),
    ...Array.from({ length: rest.length - lead }, (_, i) => at.rank + lead + i),
  ];
  return finish(move(call, picked, perm));
};
const indexPut: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const list = itemsOf(call.args[1] ?? null) ?? [];
  const values = tensorArg(call, 2);
  const accumulate = boolArg(call, 3);
  const [mask] = list;
  const value = x.g.cast(x.valueOf(values), t.dtype);
  // One value under a mask needs no positions.
  if (list.length === 1 && isSymTensor(mask) && mask.dtype === "bool" && values.isStatic && values.meta.numel === 1 && !accumulate) {
    const flags = x.valueOf(mask);
    const wide = mask.rank === t.rank ? flags : x.op("Unsqueeze", [flags, x.g.ints(Array.from({ length: t.rank - mask.rank }, (_, i) => mask.rank + i))]);
    return x.result(whereValue(x.g, wide, x.op("Reshape", [value, x.g.ints([])]), x.valueOf(t)), t.meta, [t], t.dims);
  }
  const at = indicesOf(call, t, list);
  if (at.axes.length === 0) return undefined;
  const rest = t.dims.map((_, i) => i).filter((i) => !at.axes.includes(i));
  const [first = 0] = at.axes;
  const perm = frontPerm(t, at.axes);
  const back = perm.map((_, i) => perm.indexOf(i));
  const base = move(call, x.valueOf(t), perm);
  const { value: places, shape } = joinedIndices(call, at);
  // Values broadcast to the indexed part's shape, in the order that reading it has.
  const restShape = x.op("Slice", [x.op("Shape", [base], {}, "int64"), x.g.ints([at.axes.length]), x.g.ints([t.rank])]);
  const lead = at.inPlace ? first : 0;
  let update: OnnxValue;
  if (lead === 0) update = x.op("Expand", [value, x.op("Concat", [shape, restShape], { axis: 0 })]);
  else {
    const parts = [x.op("Slice", [restShape, x.g.ints([0]), x.g.ints([lead])]), shape, x.op("Slice", [restShape, x.g.ints([lead]), x.g.ints([rest.length])])];
    const full = x.op("Expand", [value, x.op("Concat", parts, { axis: 0 })]);
    update = move(call, full, [
      ...Array.from({ length: at.rank }, (_, i) => lead + i),
      ...Array.from({ length: lead }, (_, i) => i),
      ...Array.from({ length: rest.length - lead }, (_, i) => lead + at.rank + i),
    ]);
  }
  const wide = accumulate && t.dtype === "bool" ? "int32" : accumulate && (t.dtype === "float16" || t.dtype === "bfloat16") ? "float32" : t.dtype;
  const out = x.op("ScatterND", [x.g.cast(base, wide), places, x.g.cast(update, wide)], accumulate ? { reduction: "add" } : {});
  return x.result(move(call, x.g.cast(out, t.dtype), back), t.meta, [t], t.dims);
};
/** Slices of an axis set or added to. */
function indexSlices(how: "set" | "add" | "fill"): Handler {
  return (call) => {
    const { x } = call;
    const t = tensorArg(call, 0);
    if (t.rank === 0) return undefined;
    const axis = axisArg(call, 1, t.rank);
    const at = tensorArg(call, 2);
    const source = call.args[3] ?? 0;
    const perm = frontPerm(t, [axis]);
    const back = perm.map((_, i) => perm.indexOf(i));
    const places = at.rank === 0 ? x.op("Unsqueeze", [x.valueOf(at), x.g.ints([0])]) : x.valueOf(at);
    const base = move(call, x.valueOf(t), perm);
    let update: OnnxValue;
    if (isSymTensor(source) && source.rank === t.rank) update = move(call, x.g.cast(x.valueOf(source), t.dtype), perm);
    else {
      const one = isSymTensor(source) ? x.g.cast(x.valueOf(source), t.dtype) : x.scalarValue(source, t.dtype);
      const shape = x.op(
        "Concat",
        [x.op("Shape", [places], {}, "int64"), x.op("Slice", [x.op("Shape", [base], {}, "int64"), x.g.ints([1]), x.g.ints([t.rank])])],
        { axis: 0 },
      );
      update = x.op("Expand", [one, shape]);
    }
    if (how === "add" && isSymTensor(call.args[4])) return undefined;
    if (how === "add" && numberArg(call, 4) !== 1) update = x.op("Mul", [update, x.scalarValue(call.args[4] ?? 1, t.dtype)]);
    const wide = t.dtype === "bool" && how === "add" ? "int32" : t.dtype;
    const out = x.op(
      "ScatterND",
      [x.g.cast(base, wide), x.op("Unsqueeze", [places, x.g.ints([1])]), x.g.cast(update, wide)],
      how === "add" ? { reduction: "add" } : {},
    );
    return x.result(move(call, x.g.cast(out, t.dtype), back), t.meta, [t], t.dims);
  };
}
const maskedSelect: Handler = (call) => {
  const { x } = call;
  const [t, mask] = [tensorArg(call, 0), tensorArg(call, 1)];
  const shape = x.op("Shape", [x.op("Or", [x.op("And", [x.valueOf(mask), x.g.scalar(false, "bool")]), x.g.cast(x.valueOf(t), "bool")])], {}, "int64");
  const flat = (v: OnnxValue): OnnxValue => x.op("Reshape", [x.op("Expand", [v, shape]), x.g.ints([-1])]);
  return x.tensor(x.op("Compress", [flat(x.valueOf(t)), flat(x.valueOf(mask))], { axis: 0 }), metaTensor([STAND_IN], t.dtype), [undefined], undefined);
};
const nonzero: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  if (t.rank === 0) return undefined;
  const places = x.op("NonZero", [x.g.cast(x.valueOf(t), "bool")], {}, "int64");
  return x.tensor(x.op("Transpose", [places], { perm: [1, 0] }), metaTensor([STAND_IN, t.rank], "int64"), [undefined, t.rank], undefined);
};
const maskedFill: Handler = (call) => {
  const { x } = call;
  const [t, mask] = [tensorArg(call, 0), tensorArg(call, 1)];
  const value = call.args[2] ?? 0;
  const fill = isSymTensor(value) ? x.g.cast(x.valueOf(value), t.dtype) : x.scalarValue(value, t.dtype);
  const out = whereValue(x.g, x.g.cast(x.valueOf(mask), "bool"), fill, x.valueOf(t));
  const meta = metaOf(call);
  return x.result(
    out,
    meta,
    [t, mask],
    meta.rank === t.rank ? t.dims.map((d, i) => (d === 1 && mask.dims[i - (t.rank - mask.rank)] !== 1 ? mask.dims[i - (t.rank - mask.rank)] : d)) : "open",
  );
};
const unique: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const byAxis = call.name === "aten::unique_dim";
  const type =
    t.dtype === "int64" || t.dtype === "float32" || t.dtype === "float64" || t.dtype === "int8"
      ? t.dtype
      : t.dtype.startsWith("float") || t.dtype === "bfloat16"
        ? "float32"
        : "int64";
  const axis = byAxis ? axisArg(call, 1, t.rank) : undefined;
  const [values, , inverse, counts] = x.g.node("Unique", [x.g.cast(x.valueOf(t), type)], {
    dtypes: [type, "int64", "int64", "int64"],
    attributes: { sorted: 1, axis },
  });
  if (values === undefined || inverse === undefined || counts === undefined) return undefined;
  const shape = byAxis ? t.meta.shape.map((s, i) => (i === axis ? STAND_IN : s)) : [STAND_IN];
  const dims = byAxis ? t.dims.map((d, i) => (i === axis ? undefined : d)) : [undefined];
  const lines = byAxis ? [t.meta.shape[axis ?? 0] ?? 1] : t.meta.shape;
  const back = byAxis ? inverse : x.op("Reshape", [inverse, x.shapeValue(t)]);
  return [
    x.tensor(x.g.cast(values, t.dtype), metaTensor(shape, t.dtype), dims, undefined),
    x.tensor(back, metaTensor(lines, "int64"), byAxis ? [t.dims[axis ?? 0]] : t.dims, t.roots),
    x.tensor(counts, metaTensor([STAND_IN], "int64"), [undefined], undefined),
  ];
};
const nms: Handler = (call) => {
  const { x } = call;
  const [boxes, scores] = [tensorArg(call, 0), tensorArg(call, 1)];
  const limit = x.scalarValue(call.args[2] ?? 0.5, "float32");
  const add = (v: OnnxValue, axes: readonly number[]): OnnxValue => x.op("Unsqueeze", [x.g.cast(v, "float32"), x.g.ints(axes)]);
  const n = x.op("Reshape", [x.scalarValue(x.size(boxes, 0), "int64"), x.g.ints([1])]);
  const kept = x.op("NonMaxSuppression", [add(x.valueOf(boxes), [0]), add(x.valueOf(scores), [0, 1]), n, x.op("Reshape", [limit, x.g.ints([1])])], {}, "int64");
  return x.tensor(x.op("Gather", [kept, x.g.scalar(2, "int64")], { axis: 1 }), metaTensor([STAND_IN], "int64"), [undefined], undefined);
};

export const indexing: Readonly<Record<string, Handler>> = {
  "aten::embedding": embedding,
  "aten::index_select": indexSelect,
  "aten::gather": gather,
  "aten::scatter.src": scatter("set"),
  "aten::scatter.value": scatter("set"),
  "aten::scatter_add": scatter("add"),
  "aten::scatter.reduce": scatter("named"),
  "aten::scatter.value_reduce": scatter("named"),
  "aten::scatter_reduce.two": scatter("named"),
  "aten::index.Tensor": index,
  "aten::index.Tensor_hacked_twin": index,
  "aten::index_put": indexPut,
  "aten::index_put.hacked_twin": indexPut,
  "aten::_unsafe_index.Tensor": index,
  "aten::index_copy": indexSlices("set"),
  "aten::index_add": indexSlices("add"),
  "aten::index_fill.int_Scalar": indexSlices("fill"),
  "aten::index_fill.int_Tensor": indexSlices("fill"),
  "aten::masked_select": maskedSelect,
  "aten::nonzero": nonzero,
  "aten::argwhere": nonzero,
  "aten::masked_fill.Scalar": maskedFill,
  "aten::masked_fill.Tensor": maskedFill,
  "aten::_unique2": unique,
  "aten::unique_dim": unique,
  "torchvision::nms": nms,
};
