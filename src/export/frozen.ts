/** Data at the end of a branch or of a loop's body, with values of the graph fixed as they are there; and what two of them have in common. */

import { type Datum, type Dict, type List, type Tuple, makeDict, makeList, makeTuple } from "../ir/datum.ts";
import { T, type Type } from "../ir/type.ts";
import { type DType, isComplex, onnxOfDtype } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { abstracted } from "./meaning.ts";
import type { Exporter } from "./exporter.ts";
import { attributesOf, type OnnxValue, Scope } from "./graph.ts";
import { laneOf as laneTypeOf } from "./waist.ts";
import { type DimSize, DTYPE_OF, joinRoots, metaTensor, openOf, refuse, type Roots, Sym, SymList, SymStorage, SymTensor, UNSET } from "./values.ts";

export type Frozen =
  /** Compared by identity or value, never a value of the graph. */
  | { readonly kind: "host"; readonly datum: Datum }
  | { readonly kind: "unset" }
  | {
      readonly kind: "number";
      readonly type: Sym["type"];
      readonly value: OnnxValue | number | bigint | boolean;
      readonly datum: Datum;
      readonly roots: Roots | undefined;
      readonly boxed: boolean;
    }
  | {
      readonly kind: "tensor";
      readonly tensor: SymTensor;
      readonly value: () => OnnxValue;
      readonly dims: readonly DimSize[];
      /** Set where not the tensor but what its memory holds is meant. */ readonly content?: OnnxValue | Tensor | undefined;
    }
  | { readonly kind: "items"; readonly datum: List | Tuple; readonly items: readonly Frozen[] }
  | { readonly kind: "entries"; readonly datum: Dict; readonly keys: readonly (readonly [unknown, Datum])[]; readonly values: readonly Frozen[] }
  | { readonly kind: "columns"; readonly list: SymList; readonly columns: readonly OnnxValue[] };

/** `type`: the static type of the datum's place, which tells bare ints from floats. Emits what reads views where it is called. */
export function freeze(x: Exporter, d: Datum, type: Type = T.Any): Frozen {
  if (d === UNSET) return { kind: "unset" };
  if (d instanceof Tensor) return freeze(x, abstracted(x, d), type);
  if (d instanceof SymTensor) {
    const known = x.knownOf(d);
    const value = known === undefined ? x.valueOf(d) : undefined;
    return {
      kind: "tensor",
      tensor: d,
      dims: d.dims,
      value: () => value ?? (known === undefined ? refuse("a tensor without a value") : x.constantOf(known, d.storage.label)),
    };
  }
  if (d instanceof Sym) return { kind: "number", type: d.type, value: d.onnx, datum: d, roots: d.roots, boxed: false };
  if (d instanceof SymList) return { kind: "columns", list: d, columns: d.columns };
  const grown = openOf(d);
  if (grown !== undefined) return freeze(x, grown, type);
  const bare = type.kind === "Optional" ? type.elem : type;
  if (typeof d === "boolean") return { kind: "number", type: "bool", value: d, datum: d, roots: new Set(), boxed: false };
  if (typeof d === "bigint") return { kind: "number", type: "int", value: d, datum: d, roots: new Set(), boxed: false };
  if (typeof d === "number")
    return { kind: "number", type: bare.kind === "float" || !Number.isInteger(d) ? "float" : "int", value: d, datum: d, roots: new Set(), boxed: false };
  if (typeof d !== "object" || d === null) return { kind: "host", datum: d };
  switch (d.kind) {
    case "int":
    case "float":
    case "bool":
      return { kind: "number", type: d.kind, value: d.value, datum: d, roots: new Set(), boxed: true };
    case "list":
      return { kind: "items", datum: d, items: d.items.map((i) => freeze(x, i, d.elem)) };
    case "tuple": {
      const elems = bare.kind === "Tuple" || bare.kind === "NamedTuple" ? bare.elems : [];
      return { kind: "items", datum: d, items: d.items.map((item, i) => freeze(x, item, elems[i] ?? T.Any)) };
    }
    case "dict":
      return {
        kind: "entries",
        datum: d,
        keys: [...d.entries].map(([k, [key]]) => [k, key] as const),
        values: [...d.entries.values()].map(([, v]) => freeze(x, v, d.value)),
      };
    default:
      return { kind: "host", datum: d };
  }
}

/** What data of a place look like in every branch, or in every trip: known parts, and open ones that become values. */
export type Pattern =
  | { readonly kind: "same"; readonly frozen: Frozen }
  | { readonly kind: "number"; readonly type: Sym["type"]; readonly hint: Sym["hint"]; readonly roots: Roots | undefined }
  | {
      readonly kind: "tensor";
      readonly dtype: DType;
      readonly meta: Tensor;
      readonly dims: readonly DimSize[];
      readonly roots: Roots | undefined;
      readonly anyRank?: boolean;
    }
  | { readonly kind: "items"; readonly like: List | Tuple; readonly items: readonly Pattern[] }
  | { readonly kind: "entries"; readonly like: Dict; readonly keys: readonly (readonly [unknown, Datum])[]; readonly values: readonly Pattern[] }
  | { readonly kind: "columns"; readonly item: Datum; readonly dtypes: readonly { readonly dtype: DType; readonly sequence: boolean }[] };

const same = (frozen: Frozen): Pattern => ({ kind: "same", frozen });

/** Whether both are the same known thing. */
function equal(a: Frozen, b: Frozen): boolean {
  if (a.kind === "unset" || b.kind === "unset") return a.kind === b.kind;
  if (a.kind === "host" && b.kind === "host") return Object.is(a.datum, b.datum) || sameFact(a.datum, b.datum);
  if (a.kind === "number" && b.kind === "number") {
    if (a.type !== b.type) return false;
    if (typeof a.value === "object" || typeof b.value === "object") return a.value === b.value;
    return Object.is(a.value, b.value) || (a.type === "int" && BigInt(a.value) === BigInt(b.value));
  }
  if (a.kind === "tensor" && b.kind === "tensor") return a.tensor === b.tensor && a.content === b.content;
  if (a.kind === "items" && b.kind === "items")
    return a.datum.kind === b.datum.kind && a.items.length === b.items.length && a.items.every((f, i) => equal(f, b.items[i] ?? f));
  if (a.kind === "entries" && b.kind === "entries")
    return a.keys.length === b.keys.length && a.keys.every(([k], i) => k === b.keys[i]?.[0]) && a.values.every((f, i) => equal(f, b.values[i] ?? f));
  if (a.kind === "columns" && b.kind === "columns") return a.list === b.list && a.columns.every((c, i) => c === b.columns[i]);
  return false;
}
function sameFact(a: Datum, b: Datum): boolean {
  if (typeof a !== "object" || a === null || typeof b !== "object" || b === null || !("kind" in a) || !("kind" in b)) return false;
  if (a.kind === "enum" && b.kind === "enum") return a.type === b.type && a.name === b.name;
  if (a.kind === "device" && b.kind === "device") return a.name === b.name;
  return a.kind === "complex" && b.kind === "complex" && a.re === b.re && a.im === b.im;
}

/** The narrowest pattern of both. `hang`: what it hangs on which of them comes. `first`: whose sizes serve as example. @throws where they have none in common */
export function joined(a: Pattern, b: Frozen, hang: Roots | undefined): Pattern {
  if (a.kind === "same" && equal(a.frozen, b)) return a;
  if (b.kind === "unset") return a.kind === "same" ? opened(a.frozen) : a;
  if (a.kind === "same" && a.frozen.kind === "unset") return opened(b);
  const open = a.kind === "same" ? loosened(a.frozen) : a;
  if (open.kind === "number" && b.kind === "number" && open.type === b.type) {
    return { ...open, roots: joinRoots([open.roots, b.roots, hang]) };
  }
  if (open.kind === "tensor" && b.kind === "tensor") {
    const t = b.tensor;
    if (open.dtype !== t.dtype) return refuse(`one way gives a tensor of ${open.dtype}, another of ${t.dtype}`);
    if (open.meta.rank !== t.rank && hang !== undefined) return refuse(`one way gives a tensor with ${open.meta.rank} axes, another with ${t.rank}`); // sizes tell: they are fixed
    if (open.meta.rank !== t.rank || open.anyRank === true || t.anyRank)
      return { ...open, anyRank: true, roots: undefined, dims: open.dims.map(() => undefined) };
    const dims = open.dims.map((d, i) => (d === b.dims[i] ? d : undefined));
    return { ...open, dims, roots: joinRoots([open.roots, t.roots, hang]) };
  }
  if (open.kind === "items" && b.kind === "items" && open.like.kind === b.datum.kind) {
    if (open.items.length === b.items.length) return { ...open, items: open.items.map((p, i) => joined(p, b.items[i] ?? { kind: "unset" }, hang)) };
    if (open.like.kind === "list") return columnsOf([...open.items.map((p) => exampleOf(p)), ...b.items.map((f) => datumOf(f))]);
  }
  if (open.kind === "columns" && (b.kind === "items" || b.kind === "columns")) return open;
  if (open.kind === "items" && b.kind === "columns") return columnsOf([b.list.item]);
  if (open.kind === "entries" && b.kind === "entries" && open.keys.length === b.keys.length && open.keys.every(([k], i) => k === b.keys[i]?.[0])) {
    return { ...open, values: open.values.map((p, i) => joined(p, b.values[i] ?? { kind: "unset" }, hang)) };
  }
  return refuse(`one way gives ${nameOf(open)}, another ${nameOf(b)}`);
}

function nameOf(p: Pattern | Frozen): string {
  if (p.kind === "same") return nameOf(p.frozen);
  if (p.kind === "host")
    return p.datum === null
      ? "None"
      : typeof p.datum === "string"
        ? "a text"
        : typeof p.datum === "object" && "kind" in p.datum
          ? `an object (${p.datum.kind})`
          : "a value";
  if (p.kind === "number") return `a number (${p.type})`;
  if (p.kind === "items") return "like" in p ? `a ${p.like.kind} of ${p.items.length}` : `a ${p.datum.kind} of ${p.items.length}`;
  return { tensor: "a tensor", entries: "a dict", columns: "a list of open length", unset: "nothing" }[p.kind];
}

/** The pattern of one alone, all its values open. */
export function opened(f: Frozen): Pattern {
  switch (f.kind) {
    case "number":
      return { kind: "number", type: f.type, hint: f.datum instanceof Sym ? f.datum.hint : typeof f.value === "object" ? 0 : f.value, roots: f.roots };
    case "tensor":
      return { kind: "tensor", dtype: f.tensor.dtype, meta: f.tensor.meta, dims: f.dims, roots: f.tensor.roots, anyRank: f.tensor.anyRank };
    case "items":
      return { kind: "items", like: f.datum, items: f.items.map(opened) };
    case "entries":
      return { kind: "entries", like: f.datum, keys: f.keys, values: f.values.map(opened) };
    case "columns":
      return columnsOf([f.list.item]);
    default:
      return same(f);
  }
}

/** As `opened`, but for the items of containers, which stay as they are. */
function loosened(f: Frozen): Pattern {
  if (f.kind === "items") return { kind: "items", like: f.datum, items: f.items.map(same) };
  return f.kind === "entries" ? { kind: "entries", like: f.datum, keys: f.keys, values: f.values.map(same) } : opened(f);
}

function exampleOf(p: Pattern): Datum {
  switch (p.kind) {
    case "same":
      return datumOf(p.frozen);
    case "number":
      return p.type === "bool" ? false : { kind: p.type, value: 0 };
    case "tensor":
      return new SymTensor(p.meta, p.dims, p.roots, NO_STORAGE);
    case "columns":
      return new SymList(
        p.item,
        p.dtypes.map((d) => ({ name: "example", dtype: d.dtype, sequence: d.sequence, scope: NO_SCOPE })),
      );
    case "items":
      return p.like.kind === "list" ? makeList(p.like.elem, p.items.map(exampleOf)) : makeTuple(p.items.map(exampleOf), p.like.type);
    default:
      return refuse("a list of lists of open length");
  }
}
function datumOf(f: Frozen): Datum {
  if (f.kind === "number") return f.datum instanceof Sym || f.boxed ? f.datum : f.type === "bool" ? Boolean(f.value) : { kind: f.type, value: Number(f.value) };
  if (f.kind === "tensor") return f.tensor;
  if (f.kind === "columns") return f.list;
  if (f.kind === "items") return f.datum.kind === "list" ? makeList(f.datum.elem, f.items.map(datumOf)) : makeTuple(f.items.map(datumOf), f.datum.type);
  return f.kind === "host" ? f.datum : refuse("a list of such items has no form in ONNX");
}

const NO_SCOPE = new Scope();
const NO_STORAGE = new SymStorage("example");

/** Leaves of an item of a list of open length, in order. */
export function itemLeaves(item: Datum): Datum[] {
  if (typeof item === "object" && item !== null && "kind" in item && item.kind === "tuple") return item.items.flatMap(itemLeaves);
  if (isNumberList(item)) return [item];
  if (item instanceof SymTensor || item instanceof Sym || typeof item === "number" || typeof item === "boolean" || typeof item === "bigint") return [item];
  if (typeof item === "object" && item !== null && "kind" in item && (item.kind === "int" || item.kind === "float" || item.kind === "bool")) return [item];
  return refuse("a list of open length can hold tensors, numbers and tuples of them");
}
/** Whether the datum is a list of numbers, which as an item of a list is a 1-dim tensor in a sequence. */
export function isNumberList(d: Datum): d is List | SymList {
  if (d instanceof SymList) return d.columns.length === 1 && d.columns[0]?.sequence === false;
  if (typeof d !== "object" || d === null || !("kind" in d) || d.kind !== "list") return false;
  return d.elem.kind === "int" || d.elem.kind === "float" || d.elem.kind === "bool";
}
/** A list of numbers as a 1-dim value. */
export function listValue(x: Exporter, d: List | SymList): OnnxValue {
  if (d instanceof SymList) return d.columns[0] ?? refuse("a list without a value");
  const open = openOf(d);
  if (open !== undefined) return listValue(x, open);
  const dtype = DTYPE_OF[d.elem.kind === "float" ? "float" : d.elem.kind === "bool" ? "bool" : "int"];
  if (d.items.length === 0) return x.g.constant(Tensor.zeros([0], dtype));
  const parts = d.items.map((i) => x.op("Reshape", [x.scalarValue(i, dtype), x.g.ints([1])]));
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : x.op("Concat", parts, { axis: 0 });
}
export function leafColumn(leaf: Datum): { readonly dtype: DType; readonly sequence: boolean } {
  if (leaf instanceof SymList) return { dtype: leaf.columns[0]?.dtype ?? "int64", sequence: true };
  if (isNumberList(leaf) && !(leaf instanceof SymList))
    return { dtype: DTYPE_OF[leaf.elem.kind === "float" ? "float" : leaf.elem.kind === "bool" ? "bool" : "int"], sequence: true };
  if (leaf instanceof SymTensor) return { dtype: leaf.dtype, sequence: true };
  return { dtype: DTYPE_OF[numberType(leaf)], sequence: false };
}
export function numberType(leaf: Datum): Sym["type"] {
  if (leaf instanceof Sym) return leaf.type;
  if (typeof leaf === "boolean") return "bool";
  if (typeof leaf === "object" && leaf !== null && "kind" in leaf && (leaf.kind === "int" || leaf.kind === "float" || leaf.kind === "bool")) return leaf.kind;
  return typeof leaf === "number" && !Number.isInteger(leaf) ? "float" : "int";
}
function columnsOf(items: readonly Datum[]): Pattern {
  const [first] = items;
  if (first === undefined) return refuse("a list of open length without an example item");
  const leaves = items.map(itemLeaves);
  const columns = (leaves[0] ?? []).map(leafColumn);
  for (const other of leaves) {
    const own = other.map(leafColumn);
    if (own.length !== columns.length || own.some((c, i) => c.dtype !== columns[i]?.dtype || c.sequence !== columns[i]?.sequence))
      return refuse("the items of a list of open length differ in kind");
  }
  (leaves[0] ?? []).forEach((d, i) => {
    if (!(d instanceof SymTensor)) return;
    for (const row of leaves) {
      const other = row[i];
      if (!(other instanceof SymTensor) || other.rank !== d.rank) refuse("the tensors of a list of open length differ in their number of axes");
    }
  });
  return { kind: "columns", item: first, dtypes: columns };
}

/** A value per open leaf, and the data that they make. */
export function open(x: Exporter, p: Pattern, next: (dtype: DType, sequence: boolean) => OnnxValue): Datum {
  switch (p.kind) {
    case "same":
      return thaw(p.frozen);
    case "number":
      return new Sym(p.type, next(DTYPE_OF[p.type], false), p.hint, p.roots);
    case "tensor": {
      const made = x.tensor(
        next(laneTypeOf(p.dtype), false),
        metaTensor(p.meta.shape, p.dtype, p.meta.strides.some((s, i) => s === 0 && (p.meta.shape[i] ?? 1) > 1) ? undefined : p.meta.strides),
        p.dims,
        p.roots,
      );
      made.anyRank = p.anyRank === true;
      return made;
    }
    case "items": {
      const items = p.items.map((i) => open(x, i, next));
      const made = p.like.kind === "list" ? makeList(p.like.elem, items) : makeTuple(items, p.like.type);
      x.trail.born(made);
      return made;
    }
    case "entries": {
      const values = p.values.map((v) => open(x, v, next));
      const made = makeDict(
        p.like.key,
        p.like.value,
        p.keys.map(([, key], i) => [key, values[i] ?? null] as const),
      );
      x.trail.born(made);
      return made;
    }
    case "columns": {
      const made = new SymList(
        p.item,
        p.dtypes.map((d) => next(d.dtype, d.sequence)),
      );
      x.trail.born(made);
      return made;
    }
    default:
      return p satisfies never;
  }
}
export function thaw(f: Frozen): Datum {
  switch (f.kind) {
    case "host":
      return f.datum;
    case "unset":
      return UNSET;
    case "number":
      return f.datum;
    case "tensor":
      return f.tensor;
    case "items":
    case "entries":
      return f.datum;
    case "columns":
      return f.list;
    default:
      return f satisfies never;
  }
}

/** The values that data give for the open leaves of a pattern that they fit, in the same order. */
export function leafValues(x: Exporter, p: Pattern, f: Frozen, out: OnnxValue[]): void {
  if (p.kind === "same") return;
  if (f.kind === "unset") return dummies(x, p, out);
  if (p.kind === "number" && f.kind === "number")
    out.push(typeof f.value === "object" ? x.g.cast(f.value, DTYPE_OF[p.type]) : x.g.scalar(f.value, DTYPE_OF[p.type]));
  else if (p.kind === "tensor" && f.kind === "tensor") out.push(f.value());
  else if (p.kind === "items" && f.kind === "items") p.items.forEach((i, at) => leafValues(x, i, f.items[at] ?? { kind: "unset" }, out));
  else if (p.kind === "entries" && f.kind === "entries") p.values.forEach((v, at) => leafValues(x, v, f.values[at] ?? { kind: "unset" }, out));
  else if (p.kind === "columns" && f.kind === "columns") out.push(...f.columns);
  else if (p.kind === "columns" && f.kind === "items")
    out.push(
      ...columnValues(
        x,
        p.dtypes,
        f.items.map((i) => frozenLeaves(i)),
      ),
    );
  else refuse("data that do not fit their place");
}
function frozenLeaves(f: Frozen): Frozen[] {
  return f.kind === "items" && f.datum.kind === "tuple" ? f.items.flatMap(frozenLeaves) : [f];
}
function cellValue(x: Exporter, dtype: DType, c: Frozen | undefined): OnnxValue {
  if (c?.kind === "tensor") return c.value();
  if (c?.kind === "columns" && c.columns.length === 1) return c.columns[0] ?? refuse("a list without a value");
  if (c?.kind === "items") {
    const parts = c.items.map((i) =>
      i.kind === "number"
        ? x.op("Reshape", [typeof i.value === "object" ? i.value : x.g.scalar(i.value, dtype), x.g.ints([1])])
        : refuse("a list of lists of such items"),
    );
    return parts.length === 0 ? x.g.constant(Tensor.zeros([0], dtype)) : x.op("Concat", parts, { axis: 0 });
  }
  return refuse("an item that is no tensor");
}
function columnValues(
  x: Exporter,
  dtypes: readonly { readonly dtype: DType; readonly sequence: boolean }[],
  rows: readonly (readonly Frozen[])[],
): OnnxValue[] {
  return dtypes.map((d, i) => {
    const cells = rows.map((r) => r[i]);
    if (d.sequence)
      return sequenceOf(
        x,
        d.dtype,
        cells.map((c) => cellValue(x, d.dtype, c)),
      );
    const parts = cells.map((c) =>
      c?.kind === "number"
        ? x.op("Reshape", [typeof c.value === "object" ? c.value : x.g.scalar(c.value, d.dtype), x.g.ints([1])])
        : refuse("an item that is no number"),
    );
    if (parts.length === 0) return x.g.constant(Tensor.zeros([0], d.dtype));
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : x.op("Concat", parts, { axis: 0 });
  });
}
export function sequenceOf(x: Exporter, dtype: DType, items: readonly OnnxValue[]): OnnxValue {
  const name = x.g.fresh("sequence");
  const value: OnnxValue = { name, dtype, sequence: true, scope: x.g.scope };
  if (items.length === 0) x.g.push("SequenceEmpty", [], [value], emptyAttribute(dtype));
  else x.g.push("SequenceConstruct", items, [value], []);
  return value;
}
const emptyAttribute = (dtype: DType): ReturnType<typeof attributesOf> => attributesOf({ dtype: onnxOfDtype(dtype) ?? 1 });

/** Values that nothing reads, where a branch ends early. */
function dummies(x: Exporter, p: Pattern, out: OnnxValue[]): void {
  if (p.kind === "number") out.push(x.g.scalar(p.type === "bool" ? false : 0, DTYPE_OF[p.type]));
  else if (p.kind === "tensor") {
    const shape = p.dims.map((d) => d ?? 1);
    const dtype = laneTypeOf(p.dtype);
    const full = isComplex(p.dtype) ? [...shape, 2] : shape;
    out.push(x.op("Expand", [x.g.cast(x.g.scalar(0, "float32"), dtype), x.g.ints(full)]));
  } else if (p.kind === "items") for (const i of p.items) dummies(x, i, out);
  else if (p.kind === "entries") for (const v of p.values) dummies(x, v, out);
  else if (p.kind === "columns") out.push(...columnValues(x, p.dtypes, []));
}
