/** Ops on Python's data: numbers of the graph, lists, texts, and facts of tensors. */

import { type Datum, makeList } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import { T } from "../ir/type.ts";
import type { BoundOp } from "../ops/registry.ts";
import { type DType, isComplex, isFloat, torchOfDtype } from "../tensor/dtype.ts";
import { addCheck, runHost, STAND_IN } from "./meaning.ts";
import { type Exporter, intOf, leavesOf, mapDatum, plainNumber } from "./exporter.ts";
import { type OnnxValue } from "./graph.ts";
import { DTYPE_OF, isSym, isSymTensor, itemsOf, openItems, refuse, Sym, SymList, SymTensor } from "./values.ts";
import { hintOf, isNumber, NUMBERS, rootsOf, typesOf } from "./numbers.ts";
import { columnsOfItems, itemAt, listOp } from "./list-ops.ts";

/** A text that numbers of the graph are part of. Only messages of errors may be one. */
export const TEXT = { kind: "host", name: "text", value: undefined } as const;

/** Ops that only move items: they take any data. The value says whether they write their first argument. */
const MOVES: ReadonlySet<string> = new Set([
  "aten::append.t",
  "aten::len.t",
  "aten::__getitem__.t",
  "aten::_set_item.t",
  "aten::insert.t",
  "aten::pop.t",
  "aten::extend.t",
  "aten::add.t",
  "aten::add_.t",
  "aten::slice.t",
  "aten::copy.t",
  "aten::reverse.t",
  "aten::clear.t",
  "aten::list.t",
  "aten::mul.left_t",
  "aten::mul_.t",
  "aten::Delete.t",
  "aten::len.Dict_str",
  "aten::len.Dict_int",
  "aten::__is__",
  "aten::__isnot__",
  "prim::unchecked_unwrap_optional",
  "aten::keys.str",
  "aten::values.str",
  "aten::items.str",
  "aten::copy.Dict_str",
  "aten::update.str",
  "aten::__getitem__.Dict_str",
  "aten::_set_item.str",
  "aten::get.str",
  "aten::get.default_str",
  "aten::setdefault.str",
  "aten::pop.Dict_str",
  "aten::pop.Dict_default_str",
  "aten::Delete.Dict_str",
  "aten::clear.str",
  "aten::__contains__.str",
  "aten::__getitem__.Dict_int",
  "aten::_set_item.int",
  "aten::items.int",
  "aten::keys.int",
  "aten::values.int",
  "aten::get.int",
  "aten::get.default_int",
  "aten::__contains__.int",
  "aten::pop.Dict_int",
  "aten::dict.str",
  "aten::dict.int",
  "aten::popitem.str",
  "aten::unsqueeze_list",
]);
const TEXTS = /^aten::(format|str|percentFormat|join|add\.str|warn|replace|strip|lower|upper)$/;
const NOTHING = new Set([
  "aten::warn",
  "prim::Print",
  "aten::set_grad_enabled",
  "aten::_assert_tensor_metadata",
  "aten::_assert_async",
  "aten::_assert_async.msg",
  "aten::_assert_scalar",
  "aten::sym_constrain_range_for_size",
  "aten::sym_constrain_range",
  "prim::rpc_async",
]);

export function isDataOp(name: string): boolean {
  return MOVES.has(name) || TEXTS.test(name) || NOTHING.has(name) || name in FACTS || name === "prim::tolist" || name === "aten::_linalg_check_errors";
}

/** The results, or undefined where tensors' ops should look. */
export function dataOp(x: Exporter, name: string, args: readonly Datum[], bound: BoundOp | undefined, node: Node): readonly Datum[] | undefined {
  if (NOTHING.has(name)) return [];
  if (name === "aten::_linalg_check_errors" && isSymTensor(args[0])) {
    addCheck(x, x.op("Equal", [x.g.cast(x.valueOf(args[0]), "int32"), x.g.scalar(0, "int32")], {}, "bool"));
    return [];
  }
  const hasOpen = leavesOf(args).length > 0 || args.some((d) => d instanceof SymList || d === TEXT);
  if (TEXTS.test(name))
    return hasOpen || args.some((d) => itemsOf(d)?.includes(TEXT) === true) ? [TEXT] : bound === undefined ? undefined : runHost(x, bound, args);
  if (args.includes(TEXT)) return refuse("a text that numbers of the graph are part of is used");
  const fact = FACTS[name];
  if (fact !== undefined && isSymTensor(args[0])) {
    const value = fact(x, args[0], args);
    if (value !== undefined) return [value];
  }
  if (args.some((d) => d instanceof SymList)) {
    const done = listOp(x, name, args, node);
    if (done !== undefined || !MOVES.has(name)) return done;
  }
  if (MOVES.has(name)) {
    if (bound === undefined) return undefined;
    const [first] = args;
    if (name === "aten::__getitem__.t" && isSym(args[1]) && !x.isFixed(args[1].roots)) return itemAt(x, first ?? null, args[1]);
    // Positions that data tell: the list's items become values of the graph.
    if (/^aten::(_set_item|pop|slice|insert|Delete)\.t$/.test(name) && args.some((d, i) => i > 0 && isPlace(name, i) && isSym(d) && d.roots === undefined)) {
      if (typeof first !== "object" || first === null || !("kind" in first) || first.kind !== "list") return undefined;
      const columns = columnsOfItems(x, first.items);
      const open = new SymList(first.items[0] ?? null, columns);
      x.trail.touch({ kind: "list", target: first });
      x.onContainer?.(first);
      first.items = openItems(open);
      return listOp(x, name, [open, ...args.slice(1)], node);
    }
    // Positions and keys have to be known; what they find need not.
    const fixed = args.map((d, i) => (isSym(d) && isPlace(name, i) ? x.fix(d) : d));
    if (node.schema?.args[0]?.alias?.write === true && typeof first === "object" && first !== null && "kind" in first) {
      if (first.kind === "list") x.trail.touch({ kind: "list", target: first });
      if (first.kind === "dict") x.trail.touch({ kind: "dict", target: first });
      x.onContainer?.(first);
    }
    // Identity tells None from anything of the graph.
    return runHost(x, bound, fixed);
  }
  if (name === "prim::tolist") return toList(x, args[0] ?? null, node);
  const numbers = NUMBERS[name.replace(/^.*::/, "").replace(/\..*$/, "")];
  const all = leavesOf(args);
  if (all.some((l) => l instanceof SymTensor)) return undefined;
  if (numbers !== undefined && args.every((d) => isSym(d) || isNumber(d)))
    return [numbers(x, args, typesOf(args, node), hintOf(x, args, bound), rootsOf(args), node)];
  const reduced = name.replace(/^.*::/, "").replace(/\..*$/, "");
  const list = itemsOf(args[0] ?? null);
  if (
    list !== undefined &&
    args.length === 1 &&
    (reduced === "min" || reduced === "max" || reduced === "sum" || reduced === "any" || reduced === "all") &&
    list.length > 0 &&
    list.length <= 64
  ) {
    const own = NUMBERS[{ min: "min", max: "max", sum: "add", any: "__or__", all: "__and__" }[reduced]];
    const type = node.operands[0]?.type.kind === "List" && node.operands[0].type.elem.kind === "float" ? "float" : "int";
    if (own !== undefined)
      return [list.reduce((a, b) => own(x, [a, b], reduced === "any" || reduced === "all" ? ["bool", "bool"] : [type, type], 0, rootsOf([a, b]), node))];
  }
  if (all.length === 0) return undefined;
  if (/^aten::(eq|ne)\.(int|float|bool)_list$/.test(name)) {
    const dtype: DType = name.includes("float") ? "float64" : name.includes("bool") ? "bool" : "int64";
    const [a = [], b = []] = args.map((d) => itemsOf(d) ?? []);
    // A list is itself, also with NaN in it.
    if (a.length !== b.length || args[0] === args[1]) return [name.startsWith("aten::ne") !== (args[0] === args[1])];
    let all: OnnxValue = x.g.scalar(true, "bool");
    a.forEach((d, i) => (all = x.op("And", [all, x.op("Equal", [x.scalarValue(d, dtype), x.scalarValue(b[i] ?? 0, dtype)], {}, "bool")])));
    const hint = (d: Datum | undefined): number => Number(isSym(d) ? d.hint : plainNumber(d ?? 0));
    const same = a.every((d, i) => hint(d) === hint(b[i]));
    const isNe = name.startsWith("aten::ne");
    return [x.number("bool", isNe ? x.op("Not", [all]) : all, same !== isNe, rootsOf(args))];
  }
  if (isTensorMaker(name)) return undefined;
  // Anything else: on the numbers of the examples, which so are fixed.
  if (bound === undefined) return undefined;
  const fixed = args.map((d) => mapDatum(d, (l) => (isSym(l) ? x.fix(l) : l)));
  return runHost(x, bound, fixed);
}

/** Ops that make tensors of numbers. */
function isTensorMaker(name: string): boolean {
  return /^(aten::(zeros|ones|full|empty|arange|linspace|logspace|tensor|eye|scalar_tensor|as_tensor|rand|tril_indices|triu_indices|hann_window|range|randperm|.*window|normal|complex)|prim::NumToTensor)/.test(
    name,
  );
}
function isPlace(name: string, i: number): boolean {
  if (i === 0) return false;
  if (/__getitem__|pop|Delete|slice|insert|_set_item|mul/.test(name)) return i === 1 || /slice/.test(name);
  return /get\.|setdefault|__contains__/.test(name) && i === 1;
}
/** Facts of a tensor that may be known without its elements. */
const FACTS: Readonly<Record<string, (x: Exporter, t: SymTensor, args: readonly Datum[]) => Datum | undefined>> = {
  "aten::size": (x, t) =>
    makeList(
      T.int,
      t.dims.map((_, i) => x.size(t, i)),
    ),
  "aten::size.int": (x, t, args) => x.size(t, axisOf(x, args[1] ?? 0, t.rank)),
  "aten::sym_size.int": (x, t, args) => x.size(t, axisOf(x, args[1] ?? 0, t.rank)),
  "aten::len.Tensor": (x, t) => x.size(t, 0),
  "aten::dim": (_x, t) => t.rank,
  "prim::dtype": (_x, t) => torchOfDtype(t.dtype),
  "prim::device": () => ({ kind: "device", name: "cpu" }),
  "prim::is_nested": () => false,
  "prim::requires_grad": () => false,
  "prim::layout": () => 0,
  "aten::is_floating_point": (_x, t) => isFloat(t.dtype),
  "aten::is_complex": (_x, t) => isComplex(t.dtype),
  "aten::is_contiguous": (_x, t) => t.meta.isContiguous,
  "aten::storage_offset": (_x, t) => t.meta.offset,
  "aten::stride": (x, t) => (x.fixSizes(t), makeList(T.int, [...t.meta.strides])),
  "aten::stride.int": (x, t, args) => (x.fixSizes(t), t.meta.strides[axisOf(x, args[1] ?? 0, t.rank)] ?? 1),
  "aten::numel": (x, t) => (t.isStatic ? t.meta.numel : x.number("int", x.op("ReduceProd", [x.shapeValue(t)], { keepdims: 0 }), t.meta.numel, t.roots)),
  "aten::item": itemOf,
  "aten::_local_scalar_dense": itemOf,
  "aten::ScalarImplicit": itemOf,
  "aten::Int.Tensor": (x, t) => asType(x, t, "int"),
  "aten::IntImplicit": (x, t) => asType(x, t, "int"),
  "aten::Float.Tensor": (x, t) => asType(x, t, "float"),
  "aten::FloatImplicit": (x, t) => asType(x, t, "float"),
  "aten::Bool.Tensor": (x, t) => asType(x, t, "bool"),
  "aten::is_nonzero": (x, t) => asType(x, t, "bool"),
};

function axisOf(x: Exporter, d: Datum, rank: number): number {
  const i = Number(isSym(d) ? x.fix(d) : intOf(d));
  return i < 0 ? i + rank : i;
}
/** The one element, as a number of the graph; undefined where it is known, for the op itself. */
function itemOf(x: Exporter, t: SymTensor): Datum | undefined {
  const kind = isFloat(t.dtype) ? "float" : t.dtype === "bool" ? "bool" : "int";
  return asType(x, t, kind);
}
function asType(x: Exporter, t: SymTensor, type: Sym["type"]): Datum | undefined {
  if (x.knownOf(t) !== undefined) return undefined;
  if (isComplex(t.dtype)) return refuse("a complex number has no kernels in ONNX");
  const scalar = x.op("Reshape", [x.g.cast(x.valueOf(t), DTYPE_OF[type]), x.g.ints([])]);
  if (t.shadow !== undefined && t.shadow.version === t.storage.version && t.meta.numel === 1) {
    const own = t.shadow.elements.item();
    return new Sym(type, scalar, type === "bool" ? Boolean(own) : type === "int" && typeof own !== "bigint" ? Math.trunc(Number(own)) : own, t.shadow.roots);
  }
  return new Sym(type, scalar, type === "bool" ? true : type === "int" ? STAND_IN : 1, undefined);
}
function toList(x: Exporter, d: Datum, node: Node): readonly Datum[] | undefined {
  if (!isSymTensor(d) || x.knownOf(d) !== undefined) return undefined;
  if (d.rank === 1 && !d.isStatic && d.roots === undefined) {
    const kind = isFloat(d.dtype) ? "float" : d.dtype === "bool" ? "bool" : "int";
    return [new SymList(kind === "bool" ? false : { kind, value: 0 }, [x.g.cast(x.valueOf(d), DTYPE_OF[kind])])];
  }
  x.fixSizes(d);
  let type = node.results[0]?.type ?? T.Any;
  const build = (v: OnnxValue, axis: number): Datum => {
    if (axis === d.rank)
      return new Sym(
        isFloat(d.dtype) ? "float" : d.dtype === "bool" ? "bool" : "int",
        x.g.cast(v, DTYPE_OF[isFloat(d.dtype) ? "float" : d.dtype === "bool" ? "bool" : "int"]),
        1,
        undefined,
      );
    let elem = type;
    for (let i = 0; i <= axis; i++) if (elem.kind === "List") elem = elem.elem;
    return makeList(
      elem,
      Array.from({ length: d.meta.shape[axis] ?? 0 }, (_, i) => build(x.op("Gather", [v, x.g.scalar(i, "int64")], { axis: 0 }), axis + 1)),
    );
  };
  if (type.kind !== "List") type = T.Any;
  return [build(x.valueOf(d), 0)];
}
