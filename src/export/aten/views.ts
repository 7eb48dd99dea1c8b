/** Views: axes moved, cut, added, and sizes read anew. */

import type { Datum } from "../../ir/datum.ts";
import { makeList } from "../../ir/datum.ts";
import { T } from "../../ir/type.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Handler, OpCall } from "../meaning.ts";
import type { OnnxValue } from "../graph.ts";
import { type DimSize, Sym, type SymTensor } from "../values.ts";
import { axisArg, isSym, isSymTensor, itemsOf, knownInts, metaOf, numberArg, tensorArg, viewResult, wrapAxis } from "./tools.ts";

const LAST = 9223372036854775807n;

/** The value with `update` in place of the slices at `at` (1-dim) of an axis. */
export function putSlices(call: OpCall, value: OnnxValue, axis: number, rank: number, at: OnnxValue, update: OnnxValue): OnnxValue {
  const { x } = call;
  const front = [axis, ...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis)];
  const back = front.map((_, i) => front.indexOf(i));
  const move = (v: OnnxValue, perm: readonly number[]): OnnxValue => (axis === 0 ? v : x.op("Transpose", [v], { perm }));
  const written = x.op("ScatterND", [move(value, front), x.op("Unsqueeze", [at, x.g.ints([1])]), move(update, front)]);
  return move(written, back);
}

function permute(call: OpCall, t: SymTensor, perm: readonly number[]): SymTensor {
  const { x } = call;
  const inverse = perm.map((_, i) => perm.indexOf(i));
  const move = (v: OnnxValue, p: readonly number[]): OnnxValue => (p.every((a, i) => a === i) ? v : x.op("Transpose", [v], { perm: p }));
  return viewResult(
    call,
    t,
    (v) => move(v, perm),
    (_p, u) => move(u, inverse),
    perm.map((p) => t.dims[p]),
  );
}
const swap = (a: number, b: number, rank: number): number[] => Array.from({ length: rank }, (_, i) => (i === a ? b : i === b ? a : i));
const transpose: Handler = (call) => {
  const t = tensorArg(call, 0);
  if (t.rank === 0)
    return viewResult(
      call,
      t,
      (v) => v,
      (_p, u) => u,
      [],
    );
  return permute(call, t, swap(axisArg(call, 1, t.rank), axisArg(call, 2, t.rank), t.rank));
};
const transposeLast: Handler = (call) => {
  const t = tensorArg(call, 0);
  if (t.rank < 2)
    return viewResult(
      call,
      t,
      (v) => v,
      (_p, u) => u,
      t.dims,
    );
  return permute(call, t, swap(t.rank - 2, t.rank - 1, t.rank));
};
const moveAxes: Handler = (call) => {
  const t = tensorArg(call, 0);
  const from = knownInts(call, call.args[1] ?? 0).map((a) => wrapAxis(a, t.rank));
  const to = knownInts(call, call.args[2] ?? 0).map((a) => wrapAxis(a, t.rank));
  const perm = new Array<number>(t.rank).fill(-1);
  to.forEach((d, i) => (perm[d] = from[i] ?? 0));
  const rest = Array.from({ length: t.rank }, (_, i) => i).filter((i) => !from.includes(i));
  return permute(
    call,
    t,
    perm.map((p) => (p >= 0 ? p : (rest.shift() ?? 0))),
  );
};

function sizesView(call: OpCall, t: SymTensor, read: (v: OnnxValue) => OnnxValue, dims: readonly DimSize[], meta?: Tensor): SymTensor {
  const { x } = call;
  return viewResult(call, t, read, (parent, u) => x.op("Reshape", [u, x.op("Shape", [parent], {}, "int64")]), dims, meta);
}

/** Reshape to sizes of which one may be -1, some of the graph. */
function reshapeItems(call: OpCall, t: SymTensor, items: readonly Datum[]): SymTensor {
  const { x } = call;
  const plain = items.map((d) => (isSym(d) && x.isFixed(d.roots) ? Number(d.hint) : d));
  const wanted = plain.map((d): DimSize => (isSym(d) ? undefined : Number(d)));
  const dims: DimSize[] = wanted.map((d) => (d === -1 ? undefined : d));
  const unknown = wanted.indexOf(-1);
  if (t.isStatic && !wanted.includes(undefined) && unknown >= 0) dims[unknown] = metaOf(call).shape[unknown];
  else if (unknown >= 0) {
    // Open sizes that are axes of the input cancel out.
    const open = t.dims
      .map((d, i) => (d === undefined ? x.size(t, i) : undefined))
      .filter((s): s is Sym => s instanceof Sym)
      .map((s) => s.onnx.name);
    const given = plain.filter(isSym).map((s) => s.onnx.name);
    if (open.length === given.length && [...open].sort().every((n, i) => n === [...given].sort()[i])) {
      const numel = t.dims.reduce((n: number, d) => n * (d ?? 1), 1);
      const rest = wanted.reduce((n: number, d) => n * (d === undefined || d === -1 ? 1 : d), 1);
      if (rest > 0) dims[unknown] = numel / rest;
    }
  }
  const shape = x.intsValue(plain);
  const zero = plain.some((d) => isSym(d) || Number(d) === 0);
  return sizesView(call, t, (v) => x.op("Reshape", [v, shape], zero ? { allowzero: 1 } : {}), dims);
}
const reshape: Handler = (call) => {
  const t = tensorArg(call, 0);
  const second = call.args[1];
  if (isSymTensor(second)) {
    const { x } = call;
    return sizesView(call, t, (v) => x.op("Reshape", [v, x.shapeValue(second)], { allowzero: 1 }), second.dims);
  }
  const items = itemsOf(second ?? null);
  if (items === undefined) return undefined;
  return reshapeItems(call, t, items);
};

const flatten: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  if (t.rank === 0) return reshapeItems(call, t, [1]);
  const [a, b] = [axisArg(call, 1, t.rank), axisArg(call, 2, t.rank)];
  if (a === b)
    return viewResult(
      call,
      t,
      (v) => v,
      (_p, u) => u,
      t.dims,
    );
  const middle = t.dims.slice(a, b + 1);
  const size = middle.includes(undefined) ? undefined : middle.reduce((n: number, d) => n * (d ?? 1), 1);
  const dims = [...t.dims.slice(0, a), size, ...t.dims.slice(b + 1)];
  // At most one open size: -1 stands for it.
  const items: Datum[] = [];
  for (let i = 0; i < a; i++) items.push(x.size(t, i));
  items.push(size ?? -1);
  for (let i = b + 1; i < t.rank; i++) items.push(x.size(t, i));
  const shape = x.intsValue(items);
  return sizesView(call, t, (v) => x.op("Reshape", [v, shape], {}), dims);
};
const unflatten: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  const axis = axisArg(call, 1, t.rank);
  const sizes = itemsOf(call.args[2] ?? null) ?? [];
  const items: Datum[] = [...t.dims.map((_, i) => x.size(t, i)).slice(0, axis), ...sizes, ...t.dims.map((_, i) => x.size(t, i)).slice(axis + 1)];
  const known = sizes.map((d): DimSize => (isSym(d) || Number(d) === -1 ? undefined : Number(d)));
  const inner = t.dims[axis];
  if (inner !== undefined && known.filter((d) => d === undefined).length === 1 && !sizes.some(isSym))
    known[known.indexOf(undefined)] = inner / known.reduce((n: number, d) => n * (d ?? 1), 1);
  const shape = x.intsValue(items);
  return sizesView(call, t, (v) => x.op("Reshape", [v, shape], {}), [...t.dims.slice(0, axis), ...known, ...t.dims.slice(axis + 1)]);
};

const unsqueeze: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  const axis = axisArg(call, 1, t.rank + 1);
  const axes = x.g.ints([axis]);
  return viewResult(
    call,
    t,
    (v) => x.op("Unsqueeze", [v, axes]),
    (_p, u) => x.op("Squeeze", [u, axes]),
    [...t.dims.slice(0, axis), 1, ...t.dims.slice(axis)],
  );
};
function squeezeAxes(call: OpCall, t: SymTensor, wanted: readonly number[]): SymTensor {
  const { x } = call;
  // Whether an open size is 1 has to be known: the result's rank hangs on it.
  for (const a of wanted) if (t.dims[a] === undefined) x.fixSizes(t);
  const axes = wanted.filter((a) => t.dims[a] === 1);
  if (axes.length === 0)
    return viewResult(
      call,
      t,
      (v) => v,
      (_p, u) => u,
      t.dims,
    );
  const list = x.g.ints(axes);
  return viewResult(
    call,
    t,
    (v) => x.op("Squeeze", [v, list]),
    (_p, u) => x.op("Unsqueeze", [u, list]),
    t.dims.filter((_, i) => !axes.includes(i)),
  );
}
const squeeze: Handler = (call) => {
  const t = tensorArg(call, 0);
  if (call.args.length < 2)
    return squeezeAxes(
      call,
      t,
      t.dims.map((_, i) => i),
    );
  return squeezeAxes(call, t, t.rank === 0 ? [] : knownInts(call, call.args[1] ?? 0).map((a) => wrapAxis(a, t.rank)));
};

const expand: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  const second = call.args[1];
  if (isSymTensor(second)) {
    const shape = x.shapeValue(second);
    return viewResult(call, t, (v) => x.op("Expand", [v, shape]), undefined, second.dims);
  }
  const items = itemsOf(second ?? null) ?? [];
  const lead = items.length - t.rank;
  const dims = items.map((d, i): DimSize => {
    const own = i < lead ? undefined : t.dims[i - lead];
    if (isSym(d)) return undefined;
    return Number(d) === -1 ? own : Number(d);
  });
  const shape = x.intsValue(items.map((d) => (isSym(d) ? d : Number(d) === -1 ? 1 : d)));
  return viewResult(call, t, (v) => x.op("Expand", [v, shape]), undefined, dims);
};

const select: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  const axis = axisArg(call, 1, t.rank);
  const at = x.scalarValue(call.args[2] ?? 0, "int64");
  const dims = t.dims.filter((_, i) => i !== axis);
  const write = (p: OnnxValue, u: OnnxValue): OnnxValue =>
    putSlices(call, p, axis, t.rank, x.op("Reshape", [at, x.g.ints([1])]), x.op("Unsqueeze", [u, x.g.ints([axis])]));
  return viewResult(call, t, (v) => x.op("Gather", [v, at], { axis }), write, dims);
};

function sliceOf(call: OpCall, t: SymTensor, axis: number, start: Datum, end: Datum, step: number, size: DimSize, meta?: Tensor): SymTensor {
  const { x } = call;
  const one = (d: Datum, other: number | bigint): OnnxValue =>
    x.op("Reshape", [isSym(d) ? d.onnx : x.g.scalar(d === null ? other : Number(d) >= 9e18 ? LAST : Number(d), "int64"), x.g.ints([1])]);
  const constant = (d: Datum, other: number | bigint): OnnxValue =>
    isSym(d) ? one(d, other) : x.g.ints([d === null ? other : Number(d) >= 9e18 ? LAST : Number(d)]);
  const [lo, hi] = [constant(start, 0), constant(end, LAST)];
  const cut = (v: OnnxValue, a: number): OnnxValue => x.op("Slice", [v, lo, hi, x.g.ints([a]), x.g.ints([step])]);
  const write = (p: OnnxValue, u: OnnxValue): OnnxValue => {
    const n = x.op("Gather", [x.op("Shape", [p], {}, "int64"), x.g.scalar(axis, "int64")], { axis: 0 });
    const all = x.op("Range", [x.g.scalar(0, "int64"), n, x.g.scalar(1, "int64")]);
    return putSlices(call, p, axis, t.rank, cut(all, 0), u);
  };
  return viewResult(
    call,
    t,
    (v) => cut(v, axis),
    write,
    t.dims.map((d, i) => (i === axis ? size : d)),
    meta,
  );
}
const slice: Handler = (call) => {
  const t = tensorArg(call, 0);
  const axis = axisArg(call, 1, t.rank);
  const [start = null, end = null] = [call.args[2], call.args[3]];
  const step = numberArg(call, 4);
  const whole = (start === null || Number(start) === 0) && !isSym(start) && !isSym(end) && (end === null || Number(end) >= 2 ** 62) && step === 1;
  const meta = metaOf(call);
  const size = whole ? t.dims[axis] : t.dims[axis] !== undefined && !isSym(start) && !isSym(end) ? meta.shape[axis] : undefined;
  if (whole)
    return viewResult(
      call,
      t,
      (v) => v,
      (_p, u) => u,
      t.dims,
      meta,
    );
  return sliceOf(call, t, axis, start, end, step, size, meta);
};
const narrow: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  const axis = axisArg(call, 1, t.rank);
  const [start = 0, length = 0] = [call.args[2], call.args[3]];
  if (isSymTensor(start)) return undefined;
  if (!isSym(start) && !isSym(length) && Number(start) >= 0) return sliceOf(call, t, axis, start, Number(start) + Number(length), 1, Number(length));
  const lo = x.scalarValue(start, "int64");
  const end = x.number("int", x.op("Add", [lo, x.scalarValue(length, "int64")]), 0, undefined);
  if (!isSym(start) && Number(start) < 0) return undefined;
  return sliceOf(call, t, axis, start, end, 1, isSym(length) ? undefined : Number(length));
};

/** Pieces as slices; their number has to be known. */
function pieces(call: OpCall, t: SymTensor, axis: number, sizes: readonly number[], metas: readonly Tensor[]): Datum {
  let at = 0;
  const items = sizes.map((n, i) => {
    const start = at;
    at += n;
    return sliceOf(call, t, axis, start, at, 1, n, metas[i]);
  });
  return makeList(T.Tensor, items);
}
const split: Handler = (call) => {
  const t = tensorArg(call, 0);
  const axis = axisArg(call, 2, t.rank);
  // Pieces of a known size but an open number: that number is the example's.
  if (t.dims[axis] === undefined) call.x.fixSizes(t);
  const second = call.args[1] ?? null;
  if (itemsOf(second)?.some(isSym) === true || isSym(second)) return undefined;
  const metas = call.meta();
  return pieces(
    call,
    t,
    axis,
    metas.map((m) => m.shape[axis] ?? 0),
    metas,
  );
};
const unbind: Handler = (call) => {
  const t = tensorArg(call, 0);
  const { x } = call;
  const axis = axisArg(call, 1, t.rank);
  if (t.dims[axis] === undefined) x.fixSizes(t);
  const dims = t.dims.filter((_, i) => i !== axis);
  return makeList(
    T.Tensor,
    call.meta().map((meta, i) => {
      const at = x.g.scalar(i, "int64");
      const write = (p: OnnxValue, u: OnnxValue): OnnxValue => putSlices(call, p, axis, t.rank, x.g.ints([i]), x.op("Unsqueeze", [u, x.g.ints([axis])]));
      return viewResult(call, t, (v) => x.op("Gather", [v, at], { axis }), write, dims, meta);
    }),
  );
};

const alias: Handler = (call) => {
  const t = tensorArg(call, 0);
  return viewResult(
    call,
    t,
    (v) => v,
    (_p, u) => u,
    t.dims,
  );
};
/** A view at any sizes of the same value; what is no view at all is a fresh tensor. */
const sameValue: Handler = (call) => {
  const t = tensorArg(call, 0);
  const meta = metaOf(call);
  if (meta.dtype !== t.dtype) return undefined;
  if (meta.storage === t.meta.storage) return t;
  return call.x.result(call.x.valueOf(t), meta, [t], t.dims);
};

export const views: Readonly<Record<string, Handler>> = {
  "aten::transpose.int": transpose,
  "aten::transpose": transpose,
  "aten::swapaxes": transpose,
  "aten::swapdims": transpose,
  "aten::t": transposeLast,
  "aten::mT": transposeLast,
  "aten::adjoint": transposeLast,
  "aten::mH": transposeLast,
  "aten::transpose_copy.int": transpose,
  "aten::t_copy": transposeLast,
  "aten::numpy_T": (call) => {
    const t = tensorArg(call, 0);
    return permute(
      call,
      t,
      t.dims.map((_, i) => t.rank - 1 - i),
    );
  },
  "aten::permute": (call) => {
    const t = tensorArg(call, 0);
    return permute(
      call,
      t,
      knownInts(call, call.args[1] ?? null).map((a) => wrapAxis(a, t.rank)),
    );
  },
  "aten::movedim.int": moveAxes,
  "aten::movedim.intlist": moveAxes,
  "aten::moveaxis.int": moveAxes,
  "aten::moveaxis.intlist": moveAxes,
  "aten::view": reshape,
  "aten::reshape": reshape,
  "aten::_unsafe_view": reshape,
  "aten::view_as": reshape,
  "aten::reshape_as": reshape,
  "aten::view_copy": reshape,
  "aten::_reshape_alias": reshape,
  "aten::flatten.using_ints": flatten,
  "aten::unflatten.int": unflatten,
  "aten::ravel": (call) => reshapeItems(call, tensorArg(call, 0), [-1]),
  "aten::unsqueeze": unsqueeze,
  "aten::squeeze": squeeze,
  "aten::squeeze.dim": squeeze,
  "aten::squeeze.dims": squeeze,
  "aten::expand": expand,
  "aten::expand_as": expand,
  "aten::broadcast_to": expand,
  "aten::select.int": select,
  "aten::slice.Tensor": slice,
  "aten::narrow": narrow,
  "aten::split.Tensor": split,
  "aten::split.sizes": split,
  "aten::split_with_sizes": split,
  "aten::chunk": split,
  "aten::unsafe_chunk": split,
  "aten::unsafe_split.Tensor": split,
  "aten::unbind.int": unbind,
  "aten::detach": alias,
  "aten::alias": alias,
  "aten::lift_fresh": sameValue,
  "aten::lift_fresh_copy": sameValue,
  "aten::contiguous": sameValue,
  "aten::clone": sameValue,
  "aten::cpu": sameValue,
  "aten::to.device": sameValue,
  "aten::resolve_conj": sameValue,
  "aten::resolve_neg": sameValue,
  "aten::to.prim_Device": sameValue,
  "aten::to.dtype_layout": sameValue,
  "aten::to.dtype": sameValue,
  "aten::data": alias,
};
