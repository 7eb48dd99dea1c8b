/** Lists of Python values. A list is shared by its names: these change it in place. */

import { type Complex, type Datum, keyOf, type List, makeList } from "../../ir/datum.ts";
import { printType, T, type Type } from "../../ir/type.ts";
import { introsort } from "../../numeric/introsort.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { dataOp, type Op } from "../define.ts";
import { boolOf, complexOf, floatOf, intOf, listOf, raised, smallOf, textOf, wrapIndex } from "./data.ts";
import { readableText } from "./text.ts";

function outOfRange(): never {
  throw new OpwiseError("index-out-of-range", "list index out of range");
}

/** The position that an index of an existing item names. */
function positionOf(items: readonly Datum[], index: Datum | undefined): number {
  const at = wrapIndex(smallOf(index), items.length);
  return at < 0 || at >= items.length ? outOfRange() : at;
}

/** The positions of a Python slice of a sequence of `length`, in order. @throws bad-argument for a step of 0 */
export function slicePositions(length: number, start: Datum | undefined, end: Datum | undefined, step: Datum | undefined): number[] {
  const by = smallOf(step);
  if (by === 0) throw new OpwiseError("bad-argument", "List slice should have non-zero step");
  const clamp = (value: Datum | undefined, otherwise: number): number => {
    if (value === null || value === undefined) return otherwise;
    const at = wrapIndex(smallOf(value), length);
    return by > 0 ? Math.min(Math.max(at, 0), length) : Math.min(Math.max(at, -1), length - 1);
  };
  const from = clamp(start, by > 0 ? 0 : length - 1);
  const to = clamp(end, by > 0 ? length : -1);
  const out: number[] = [];
  for (let i = from; by > 0 ? i < to : i > to; i += by) out.push(i);
  return out;
}

/** Whether two items are equal: numbers and texts by value (NaN equals nothing), tensors by identity unless their elements were read. */
function sameItem(a: Datum | undefined, b: Datum | undefined): boolean {
  if (typeof a === "number") return a === b;
  return a instanceof Tensor || b instanceof Tensor ? a === b : keyOf(a ?? null) === keyOf(b ?? null);
}
const find = (items: readonly Datum[], el: Datum | undefined): number => items.findIndex((item) => sameItem(item, el));
/** A list equals itself, NaN or not. */
const sameItems = (a: readonly Datum[], b: readonly Datum[]): boolean => a === b || (a.length === b.length && a.every((x, i) => sameItem(x, b[i])));

/** Numbers and texts by `<`. */
function order(items: readonly Datum[]): (a: Datum, b: Datum) => number {
  if (typeof items[0] === "string") return (a, b) => {
      const [x, y] = [textOf(a), textOf(b)];
      return x < y ? -1 : x > y ? 1 : 0;
    };
  return (a, b) => {
    const [x, y] = [intOf(a), intOf(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  };
}
/** Tuples compare item by item. */
function tupleOrder(a: Datum, b: Datum): number {
  const [x, y] = [tupleItems(a), tupleItems(b)];
  if (x === undefined || y === undefined) return order([a])(a, b);
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const d = tupleOrder(x[i] ?? null, y[i] ?? null);
    if (d !== 0) return d;
  }
  return x.length - y.length;
}
function tupleItems(value: Datum): readonly Datum[] | undefined {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "tuple" ? value.items : undefined;
}

/** Whether an op can sort values of `type`; what takes a method or a tensor's values is no op by now. */
function sortable(type: Type): boolean {
  if (type.kind === "Tuple" || type.kind === "NamedTuple") return type.elems.every(sortable);
  return type.kind === "int" || type.kind === "float" || type.kind === "bool" || type.kind === "str";
}

function sorted({ items, elem }: List, reverse: boolean): Datum[] {
  if (items.length > 0 && !sortable(elem)) {
    const name = printType(elem);
    if (elem.kind === "Class") throw raised(`To sort a list of ${name} it must define a __lt__ method with two inputs of type ${name} that returns a bool`);
    if (elem.kind === "Tuple" || elem.kind === "NamedTuple") {
      throw raised(`Contained elements in ${name} are not sortable. Only Int, Bool, Float, String, Tensor, a User Defined Class with __lt__ method defined or Tuples of aforementioned types can be sorted.`);
    }
    throw raised(`Only list of Tensors, ints, floats, bools, strs, a User Defined Class that defines the __lt__ compare method or Tuples of aforementioned types can be sorted, got list of ${name}`);
  }
  if (items.some(Number.isNaN)) {
    const out = [...items];
    introsort(out, (a, b) => a !== b && floatOf(a) < floatOf(b) !== reverse);
    return out;
  }
  const compare = items.some((item) => tupleItems(item) !== undefined) ? tupleOrder : order(items);
  return [...items].sort(reverse ? (a, b) => compare(b, a) : compare);
}

/** JavaScript's arrays end near 2^27 items, and with the process where memory does. */
const MAX_ITEMS = 2 ** 26;

/** Before a list is made in one step. @throws limit-exceeded */
function checkLength(count: number): void {
  if (count > MAX_ITEMS) throw new OpwiseError("limit-exceeded", `a list of ${count} items`, { wanted: `at most ${MAX_ITEMS} items` });
}

/** Appends `more`, which may be the list itself. */
function extend(items: Datum[], more: readonly Datum[]): void {
  const count = more.length;
  checkLength(items.length + count);
  for (let i = 0; i < count; i++) items.push(more[i] ?? null);
}

const ELEMENTS = ["int", "float", "bool", "str"] as const;

function typed(): Op[] {
  const ops: Op[] = [];
  for (const type of ELEMENTS) {
    ops.push(
      dataOp(`aten::count.${type}(${type}[] self, ${type} el) -> int`, ([l, el]) => listOf(l).items.filter((item) => sameItem(item, el)).length),
      dataOp(`aten::index.list_${type}(${type}[] self, ${type} el) -> int`, ([l, el]) => {
        const at = find(listOf(l).items, el);
        if (at < 0) throw raised(`'${readableText(el ?? null)}' is not in list`);
        return at;
      }),
      dataOp(`aten::remove.${type}(${type}[](a!) self, ${type} el) -> ()`, ([l, el]) => {
        const at = find(listOf(l).items, el);
        if (at < 0) throw raised("list.remove(x): x not in list");
        listOf(l).items.splice(at, 1);
        return null;
      }),
      dataOp(`aten::sort.${type}(${type}[](a!) self, bool reverse=False) -> ()`, ([l, reverse]) => {
        listOf(l).items = sorted(listOf(l), boolOf(reverse ?? false));
        return null;
      }),
      dataOp(`aten::sorted.${type}(${type}[](a) input) -> ${type}[]`, ([l]) => makeList(listOf(l).elem, sorted(listOf(l), false))),
      dataOp(`aten::eq.${type}_list(${type}[] a, ${type}[] b) -> bool`, ([a, b]) => sameItems(listOf(a).items, listOf(b).items)),
      dataOp(`aten::ne.${type}_list(${type}[] a, ${type}[] b) -> bool`, ([a, b]) => !sameItems(listOf(a).items, listOf(b).items)),
    );
    if (type !== "bool") ops.push(dataOp(`aten::__contains__.${type}_list(${type}[] l, ${type} item) -> bool`, ([l, item]) => find(listOf(l).items, item) >= 0));
  }
  return ops;
}

/** The items `n` times over. */
function repeated(items: readonly Datum[], n: number): Datum[] {
  if (n < 0) throw raised("vector::reserve");
  checkLength(items.length * n);
  return Array.from({ length: n }, () => items).flat();
}

const general: readonly Op[] = [
  dataOp("aten::len.t(t[] a) -> int", ([l]) => listOf(l).items.length),
  dataOp("aten::len.any(Any[] a) -> int", ([l]) => listOf(l).items.length),
  dataOp("aten::append.t(t[](a!) self, t(c -> *) el) -> t[](a!)", ([l, el]) => {
    listOf(l).items.push(el ?? null);
    return l ?? null;
  }),
  dataOp("aten::extend.t(t[](a!) self, t[] other) -> ()", ([l, other]) => {
    extend(listOf(l).items, listOf(other).items);
    return null;
  }),
  dataOp("aten::insert.t(t[](a!) self, int idx, t(b -> *) el) -> ()", ([l, idx, el]) => {
    const { items } = listOf(l);
    items.splice(Math.min(Math.max(wrapIndex(smallOf(idx), items.length), 0), items.length), 0, el ?? null);
    return null;
  }),
  dataOp("aten::pop.t(t[](a!) self, int idx=-1) -> t(*)", ([l, idx]) => {
    const { items } = listOf(l);
    if (items.length === 0) throw new OpwiseError("index-out-of-range", "pop from empty list");
    return items.splice(positionOf(items, idx ?? -1), 1)[0] ?? null;
  }),
  dataOp("aten::Delete.t(t[](a!) self, int idx) -> ()", ([l, idx]) => {
    const { items } = listOf(l);
    items.splice(positionOf(items, idx), 1);
    return null;
  }),
  dataOp("aten::clear.t(t[](a!) self) -> ()", ([l]) => {
    listOf(l).items = [];
    return null;
  }),
  dataOp("aten::reverse.t(t[](a!) self) -> ()", ([l]) => {
    listOf(l).items.reverse();
    return null;
  }),
  dataOp("aten::copy.t(t[](a) self) -> t[]", ([l]) => makeList(listOf(l).elem, [...listOf(l).items])),
  dataOp("aten::list.t(t[] l) -> t[]", ([l]) => makeList(listOf(l).elem, [...listOf(l).items])),
  dataOp("aten::__getitem__.t(t[](a) list, int idx) -> t(*)", ([l, idx]) => {
    const { items } = listOf(l);
    return items[positionOf(items, idx)] ?? null;
  }),
  dataOp("aten::select.t(t[](a) list, int idx) -> t(*)", ([l, idx]) => {
    const { items } = listOf(l);
    return items[positionOf(items, idx)] ?? null;
  }),
  dataOp("aten::_set_item.t(t[](a!) l, int idx, t(b -> *) el) -> t[](a!)", ([l, idx, el]) => {
    const { items } = listOf(l);
    items[positionOf(items, idx)] = el ?? null;
    return l ?? null;
  }),
  dataOp("aten::slice.t(t[] l, int? start=None, int? end=None, int step=1) -> t[]", ([l, start, end, step]) => {
    const { items, elem } = listOf(l);
    return makeList(elem, slicePositions(items.length, start, end, step ?? 1).map((i) => items[i] ?? null));
  }),
  dataOp("aten::add.t(t[] a, t[] b) -> t[]", ([a, b]) => {
    checkLength(listOf(a).items.length + listOf(b).items.length);
    return makeList(listOf(a).elem, listOf(a).items.concat(listOf(b).items));
  }),
  dataOp("aten::add_.t(t[](a!) self, t[] b) -> t[]", ([l, b]) => {
    extend(listOf(l).items, listOf(b).items);
    return l ?? null;
  }),
  dataOp("aten::mul.left_t(t[] l, int n) -> t[]", ([l, n]) => makeList(listOf(l).elem, repeated(listOf(l).items, smallOf(n)))),
  dataOp("aten::mul.right_(int n, t[] l) -> t[]", ([n, l]) => makeList(listOf(l).elem, repeated(listOf(l).items, smallOf(n)))),
  dataOp("aten::mul_.t(t[](a!) l, int n) -> t[](a!)", ([l, n]) => {
    listOf(l).items = repeated(listOf(l).items, Math.max(smallOf(n), 0));
    return l ?? null;
  }),
  dataOp("aten::sort.any(t[](a!) self, bool reverse=False) -> ()", ([l, reverse]) => {
    listOf(l).items = sorted(listOf(l), boolOf(reverse ?? false));
    return null;
  }),
  dataOp("aten::sorted.any(t[](a) self) -> t[]", ([l]) => makeList(listOf(l).elem, sorted(listOf(l), false))),
  dataOp("aten::sum.int(int[] self) -> int", ([l]) => Number(BigInt.asIntN(32, listOf(l).items.reduce((sum: bigint, x) => sum + BigInt(intOf(x)), 0n)))), // C's own int holds the sum
  dataOp("aten::sum.complex(complex[] self) -> complex", ([l]) => listOf(l).items.reduce((sum: Complex, x) => ({ kind: "complex", re: sum.re + complexOf(x).re, im: sum.im + complexOf(x).im }), { kind: "complex", re: 0, im: 0 })),
  dataOp("aten::sum.float(float[] self) -> float", ([l]) => listOf(l).items.reduce((sum: number, x) => sum + floatOf(x), 0)),
  dataOp("aten::sum.bool(bool[] self) -> int", ([l]) => listOf(l).items.filter((x) => boolOf(x)).length),
  dataOp("aten::any.str(str[] self) -> bool", ([l]) => listOf(l).items.some((x) => x !== "")),
  ...(["int", "float", "bool"] as const).flatMap((type) => [
    dataOp(`aten::any.${type}(${type}[] self) -> bool`, ([l]) => listOf(l).items.some((x) => floatOf(x) !== 0)),
    dataOp(`aten::all.${type}(${type}[] self) -> bool`, ([l]) => listOf(l).items.every((x) => floatOf(x) !== 0)),
  ]),
  dataOp("prim::rangelist(int n) -> int[]", ([n]) => {
    const count = smallOf(n);
    if (count < 0) throw raised("vector::reserve");
    checkLength(count);
    return makeList(T.int, Array.from({ length: count }, (_, i) => i));
  }),
  dataOp("aten::Size(int[] sizes) -> int[]", ([l]) => l ?? null),
  dataOp("aten::__range_length(int lo, int hi, int step) -> int", ([lo, hi, step]) => {
    const by = smallOf(step);
    if (by === 0) throw raised("range() arg 3 must not be zero");
    return Math.max(Math.ceil((smallOf(hi) - smallOf(lo)) / by), 0);
  }),
  dataOp("aten::__derive_index(int index, int start, int step) -> int", ([index, start, step]) => smallOf(start) + smallOf(index) * smallOf(step)),
];

/** All of them. */
export const lists: readonly Op[] = [...typed(), ...general];
