/** Ops on Python's data: numbers of the graph, lists, texts, and facts of tensors. */

import { type Datum, makeList, makeTuple } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import { T } from "../ir/type.ts";
import type { BoundOp } from "../ops/registry.ts";
import { type DType, dtypeOfTorch, isComplex, isFloat, torchOfDtype } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { runHost, STAND_IN } from "./dispatch.ts";
import { type Exporter, intOf, leavesOf, mapDatum, plainNumber } from "./exporter.ts";
import { whereValue } from "./expressions.ts";
import { isNumberList, itemLeaves, leafColumn, listValue, sequenceOf } from "./frozen.ts";
import { attributesOf, type OnnxValue } from "./graph.ts";
import { DTYPE_OF, isSym, isSymTensor, itemsOf, joinRoots, metaTensor as meta, needsOpset, openItems, refuse, type Roots, Sym, SymList, SymTensor } from "./values.ts";

/** A text that numbers of the graph are part of. Only messages of errors may be one. */
export const TEXT = { kind: "host", name: "text", value: undefined } as const;

/** Ops that only move items: they take any data. The value says whether they write their first argument. */
const MOVES: ReadonlySet<string> = new Set([
  "aten::append.t", "aten::len.t", "aten::__getitem__.t", "aten::_set_item.t", "aten::insert.t", "aten::pop.t", "aten::extend.t", "aten::add.t", "aten::add_.t", "aten::slice.t",
  "aten::copy.t", "aten::reverse.t", "aten::clear.t", "aten::list.t", "aten::mul.left_t", "aten::mul_.t", "aten::Delete.t", "aten::len.Dict_str", "aten::len.Dict_int",
  "aten::__is__", "aten::__isnot__", "prim::unchecked_unwrap_optional", "aten::keys.str", "aten::values.str", "aten::items.str", "aten::copy.Dict_str", "aten::update.str",
  "aten::__getitem__.Dict_str", "aten::_set_item.str", "aten::get.str", "aten::get.default_str", "aten::setdefault.str", "aten::pop.Dict_str", "aten::pop.Dict_default_str", "aten::Delete.Dict_str", "aten::clear.str",
  "aten::__contains__.str", "aten::__getitem__.Dict_int", "aten::_set_item.int", "aten::items.int", "aten::keys.int", "aten::values.int", "aten::get.int", "aten::get.default_int", "aten::__contains__.int", "aten::pop.Dict_int",
  "aten::dict.str", "aten::dict.int", "aten::popitem.str", "aten::unsqueeze_list",
]);
const TEXTS = /^aten::(format|str|percentFormat|join|add\.str|warn|replace|strip|lower|upper)$/;
const NOTHING = new Set(["aten::warn", "prim::Print", "aten::set_grad_enabled", "aten::_assert_tensor_metadata", "aten::_assert_async", "aten::_assert_async.msg", "aten::_assert_scalar", "aten::sym_constrain_range_for_size", "aten::sym_constrain_range", "prim::rpc_async"]);

export function isDataOp(name: string): boolean {
  return MOVES.has(name) || TEXTS.test(name) || NOTHING.has(name) || name in FACTS || name === "prim::tolist";
}

/** The results, or undefined where tensors' ops should look. */
export function dataOp(x: Exporter, name: string, args: readonly Datum[], bound: BoundOp | undefined, node: Node): readonly Datum[] | undefined {
  if (NOTHING.has(name)) return [];
  const hasOpen = leavesOf(args).length > 0 || args.some((d) => d instanceof SymList || d === TEXT);
  if (TEXTS.test(name)) return hasOpen || args.some((d) => itemsOf(d)?.includes(TEXT) === true) ? [TEXT] : bound === undefined ? undefined : runHost(x, bound, args);
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
  if (numbers !== undefined && args.every((d) => isSym(d) || isNumber(d))) return [numbers(x, args, typesOf(args, node), hintOf(x, args, bound), rootsOf(args), node)];
  const reduced = name.replace(/^.*::/, "").replace(/\..*$/, "");
  const list = itemsOf(args[0] ?? null);
  if (list !== undefined && args.length === 1 && (reduced === "min" || reduced === "max" || reduced === "sum" || reduced === "any" || reduced === "all") && list.length > 0 && list.length <= 64) {
    const own = NUMBERS[{ min: "min", max: "max", sum: "add", any: "__or__", all: "__and__" }[reduced]];
    const type = node.operands[0]?.type.kind === "List" && node.operands[0].type.elem.kind === "float" ? "float" : "int";
    if (own !== undefined) return [list.reduce((a, b) => own(x, [a, b], reduced === "any" || reduced === "all" ? ["bool", "bool"] : [type, type], 0, rootsOf([a, b]), node))];
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
  return /^(aten::(zeros|ones|full|empty|arange|linspace|logspace|tensor|eye|scalar_tensor|as_tensor|rand|tril_indices|triu_indices|hann_window|range|randperm|.*window|normal|complex)|prim::NumToTensor)/.test(name);
}
function isPlace(name: string, i: number): boolean {
  if (i === 0) return false;
  if (/__getitem__|pop|Delete|slice|insert|_set_item|mul/.test(name)) return i === 1 || /slice/.test(name);
  return /get\.|setdefault|__contains__/.test(name) && i === 1;
}
const isNumber = (d: Datum): boolean => typeof d === "number" || typeof d === "boolean" || typeof d === "bigint" || (typeof d === "object" && d !== null && "kind" in d && (d.kind === "int" || d.kind === "float" || d.kind === "bool"));
type NumberType = Sym["type"];

function typesOf(args: readonly Datum[], node: Node): NumberType[] {
  return args.map((d, i) => {
    if (isSym(d)) return d.type;
    if (typeof d === "boolean") return "bool";
    if (typeof d === "object" && d !== null && "kind" in d && (d.kind === "int" || d.kind === "float" || d.kind === "bool")) return d.kind;
    const formal = node.schema?.args[i]?.type.kind ?? node.operands[i]?.type.kind;
    return formal === "float" || (typeof d === "number" && !Number.isInteger(d)) ? "float" : "int";
  });
}
function rootsOf(args: readonly Datum[]): Roots | undefined {
  return joinRoots(leavesOf(args).map((l) => l.roots));
}
/** What the op gives for the examples; a stand-in where it fails on them. */
function hintOf(x: Exporter, args: readonly Datum[], bound: BoundOp | undefined): Sym["hint"] {
  if (bound === undefined) return 0;
  try {
    const [d = 0] = runHost(x, bound, args.map((a) => (isSym(a) ? a.hint : a)));
    return isNumber(d) ? (plainNumber(d) ?? 0) : 0;
  } catch (error) {
    if (error instanceof OpwiseError) return 0;
    throw error;
  }
}

type NumberOp = (x: Exporter, args: readonly Datum[], types: readonly NumberType[], hint: Sym["hint"], roots: Roots | undefined, node: Node) => Datum;

function wider(types: readonly NumberType[]): "int" | "float" {
  return types.includes("float") ? "float" : "int";
}
/** An op whose operands are brought to one type, which is the result's too. */
function arithmetic(build: (x: Exporter, a: OnnxValue, b: OnnxValue, type: "int" | "float") => OnnxValue): NumberOp {
  return (x, args, types, hint, roots) => {
    const type = wider(types);
    const [a, b] = args.map((d) => x.scalarValue(d, DTYPE_OF[type]));
    return a === undefined ? refuse("an operand is missing") : x.number(type, build(x, a, b ?? a, type), hint, roots);
  };
}
function comparison(build: (x: Exporter, a: OnnxValue, b: OnnxValue) => OnnxValue): NumberOp {
  return (x, args, types, hint, roots) => {
    const type = wider(types);
    const [a, b] = args.map((d) => x.scalarValue(d, DTYPE_OF[type]));
    return a === undefined || b === undefined ? refuse("an operand is missing") : x.number("bool", build(x, a, b), hint, roots);
  };
}
const g2 = (op: string) => (x: Exporter, a: OnnxValue, b: OnnxValue): OnnxValue => x.op(op, [a, b], {}, op === "Equal" || op.startsWith("Less") || op.startsWith("Greater") ? "bool" : undefined);
const unaryFloat = (op: string): NumberOp => (x, args, _types, hint, roots) => x.number("float", floatOp(x, op, x.scalarValue(args[0] ?? 0, "float64")), hint, roots);
/** Functions without a kernel in double precision are not had by rounding. */
function floatOp(x: Exporter, op: string, a: OnnxValue): OnnxValue {
  if (op === "Tan") return x.op("Div", [x.op("Sin", [a]), x.op("Cos", [a])]);
  if (op === "Erf" || op === "Asin" || op === "Acos" || op === "Atan") return refuse(`\`${op}\` of a Python float, in double precision, has no kernel in onnxruntime`);
  return x.op(op, [a]);
}
function toInt(op: string): NumberOp {
  return (x, args, types, hint, roots) => {
    if (types[0] !== "float") return args[0] ?? 0;
    return x.number("int", x.g.cast(x.op(op, [x.scalarValue(args[0] ?? 0, "float64")]), "int64"), hint, roots);
  };
}
const truncInt: NumberOp = (x, args, types, hint, roots) => (types[0] === "int" && isSym(args[0]) ? args[0] : x.number("int", x.g.cast(x.scalarValue(args[0] ?? 0, DTYPE_OF[types[0] ?? "int"]), "int64"), hint, roots));
const floorDiv = (x: Exporter, a: OnnxValue, b: OnnxValue, type: "int" | "float"): OnnxValue => (type === "float" ? x.op("Floor", [x.op("Div", [a, b])]) : x.op("Div", [x.op("Sub", [a, x.op("Mod", [a, b])]), b]));
const remainder = (x: Exporter, a: OnnxValue, b: OnnxValue, type: "int" | "float"): OnnxValue => {
  if (type === "int") return x.op("Mod", [a, b]);
  const m = x.op("Mod", [a, b], { fmod: 1 });
  const zero = x.g.scalar(0, "float64");
  const off = x.op("And", [x.op("Not", [x.op("Equal", [m, zero], {}, "bool")]), x.op("Xor", [x.op("Less", [m, zero], {}, "bool"), x.op("Less", [b, zero], {}, "bool")])]);
  return whereValue(x.g, off, x.op("Add", [m, b]), m);
};
const logic = (op: string): NumberOp => (x, args, types, hint, roots) => {
  if (types.every((t) => t === "bool")) {
    const [a, b] = args.map((d) => x.scalarValue(d, "bool"));
    return a === undefined || b === undefined ? refuse("an operand is missing") : x.number("bool", x.op(op, [a, b]), hint, roots);
  }
  if (x.g.opset < 18) return needsOpset(18, "a bitwise op of Python ints");
  const [a, b] = args.map((d) => x.scalarValue(d, "int64"));
  return a === undefined || b === undefined ? refuse("an operand is missing") : x.number("int", x.op({ And: "BitwiseAnd", Or: "BitwiseOr", Xor: "BitwiseXor" }[op] ?? op, [a, b]), hint, roots);
};
const not: NumberOp = (x, args, _t, hint, roots) => x.number("bool", x.op("Not", [x.scalarValue(args[0] ?? false, "bool")]), hint, roots);
const same: NumberOp = (_x, args) => args[0] ?? 0;

const NUMBERS: Readonly<Record<string, NumberOp>> = {
  add: arithmetic(g2("Add")), sub: arithmetic(g2("Sub")), mul: arithmetic(g2("Mul")),
  min: arithmetic(g2("Min")), max: arithmetic(g2("Max")),
  floordiv: arithmetic(floorDiv), remainder: arithmetic(remainder),
  div: (x, args, _t, hint, roots) => x.number("float", x.op("Div", args.map((d) => x.scalarValue(d, "float64"))), hint, roots),
  truediv: (x, args, _t, hint, roots) => x.number("float", x.op("Div", args.map((d) => x.scalarValue(d, "float64"))), hint, roots),
  neg: arithmetic((x, a) => x.op("Neg", [a])), abs: arithmetic((x, a) => x.op("Abs", [a])),
  pow: (x, args, types, hint, roots, node) => {
    const result = node.results[0]?.type.kind;
    if (wider(types) === "int" && result === "int") return refuse("a power of Python ints");
    return x.number("float", x.op("Pow", args.map((d) => x.scalarValue(d, "float64"))), hint, roots);
  },
  eq: comparison(g2("Equal")), ne: comparison((x, a, b) => x.op("Not", [x.op("Equal", [a, b], {}, "bool")])),
  lt: comparison(g2("Less")), le: comparison(g2("LessOrEqual")), gt: comparison(g2("Greater")), ge: comparison(g2("GreaterOrEqual")),
  __and__: logic("And"), __or__: logic("Or"), __xor__: logic("Xor"), __not__: not,
  Int: truncInt, Float: (x, args, _t, hint, roots) => x.number("float", x.scalarValue(args[0] ?? 0, "float64"), Number(hint), roots), Bool: (x, args, types, hint, roots) => x.number("bool", x.scalarValue(args[0] ?? 0, DTYPE_OF[types[0] ?? "int"]), hint, roots),
  IntImplicit: truncInt, FloatImplicit: (x, args, _t, hint, roots) => x.number("float", x.scalarValue(args[0] ?? 0, "float64"), hint, roots), ScalarImplicit: same,
  floor: toInt("Floor"), ceil: toInt("Ceil"), round: (x, args, types, hint, roots) => (types[0] !== "float" ? (args[0] ?? 0) : x.number("float", x.op("Round", [x.scalarValue(args[0] ?? 0, "float64")]), hint, roots)),
  sqrt: unaryFloat("Sqrt"), exp: unaryFloat("Exp"), log: (x, args, types, hint, roots, node) => (args.length === 1 ? unaryFloat("Log")(x, args, types, hint, roots, node) : x.number("float", x.op("Div", args.map((d) => x.op("Log", [x.scalarValue(d, "float64")]))), hint, roots)),
  sin: unaryFloat("Sin"), cos: unaryFloat("Cos"), tanh: unaryFloat("Tanh"), tan: unaryFloat("Tan"), fabs: unaryFloat("Abs"),
  isnan: (x, args, _t, hint, roots) => x.number("bool", x.op("IsNaN", [x.scalarValue(args[0] ?? 0, "float64")], {}, "bool"), hint, roots),
  isinf: (x, args, _t, hint, roots) => x.number("bool", x.op("IsInf", [x.scalarValue(args[0] ?? 0, "float64")], {}, "bool"), hint, roots),
  __range_length: (x, args, _t, hint, roots) => {
    const [lo, hi, step] = args.map((d) => x.scalarValue(d, "int64"));
    if (lo === undefined || hi === undefined || step === undefined) return refuse("an operand is missing");
    const up = floorDiv(x, x.op("Sub", [x.op("Add", [x.op("Sub", [hi, lo]), step]), x.op("Sign", [step])]), step, "int");
    return x.number("int", x.op("Max", [up, x.g.scalar(0, "int64")]), hint, roots);
  },
  __derive_index: (x, args, _t, hint, roots) => {
    const [i, start, step] = args.map((d) => x.scalarValue(d, "int64"));
    if (i === undefined || start === undefined || step === undefined) return refuse("an operand is missing");
    return x.number("int", x.op("Add", [start, x.op("Mul", [i, step])]), hint, roots);
  },
  sym_size: same, sym_sum: arithmetic(g2("Add")), sym_max: arithmetic(g2("Max")), sym_min: arithmetic(g2("Min")), sym_not: not, sym_float: (x, args, _t, hint, roots) => x.number("float", x.scalarValue(args[0] ?? 0, "float64"), hint, roots),
};

/** Facts of a tensor that may be known without its elements. */
const FACTS: Readonly<Record<string, (x: Exporter, t: SymTensor, args: readonly Datum[]) => Datum | undefined>> = {
  "aten::size": (x, t) => makeList(T.int, t.dims.map((_, i) => x.size(t, i))),
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
    if (axis === d.rank) return new Sym(isFloat(d.dtype) ? "float" : d.dtype === "bool" ? "bool" : "int", x.g.cast(v, DTYPE_OF[isFloat(d.dtype) ? "float" : d.dtype === "bool" ? "bool" : "int"]), 1, undefined);
    let elem = type;
    for (let i = 0; i <= axis; i++) if (elem.kind === "List") elem = elem.elem;
    return makeList(elem, Array.from({ length: d.meta.shape[axis] ?? 0 }, (_, i) => build(x.op("Gather", [v, x.g.scalar(i, "int64")], { axis: 0 }), axis + 1)));
  };
  if (type.kind !== "List") type = T.Any;
  return [build(x.valueOf(d), 0)];
}

/** An item at a position that data tells, of a list whose items are numbers or tensors alike. */
function itemAt(x: Exporter, list: Datum, at: Sym): readonly Datum[] {
  const items = itemsOf(list) ?? [];
  const columns = columnsOfItems(x, items);
  return [pick(x, items[0] ?? null, columns, at.onnx)];
}

/** A list as columns: one per leaf of its items. */
export function columnsOfItems(x: Exporter, items: readonly Datum[]): OnnxValue[] {
  const [first] = items;
  if (first === undefined) return refuse("an empty list is indexed by a number of the graph");
  const rows = items.map(itemLeaves);
  return itemLeaves(first).map((leaf, i) => {
    const { dtype, sequence } = leafColumn(leaf);
    const cells = rows.map((r) => r[i] ?? null);
    if (sequence) return sequenceOf(x, dtype, cells.map((c) => itemValue(x, c, dtype)));
    return x.op("Concat", cells.map((c) => x.op("Reshape", [x.scalarValue(c, dtype), x.g.ints([1])])), { axis: 0 });
  });
}
/** A tensor, or a list of numbers as a 1-dim tensor. */
function itemValue(x: Exporter, d: Datum, dtype: DType): OnnxValue {
  if (isSymTensor(d) && d.dtype === dtype && !d.anyRank) return x.valueOf(d);
  return isNumberList(d) ? listValue(x, d) : refuse("the items of a list differ in kind");
}
function pick(x: Exporter, item: Datum, columns: readonly OnnxValue[], at: OnnxValue): Datum {
  let i = 0;
  const build = (d: Datum): Datum => {
    if (typeof d === "object" && d !== null && "kind" in d && d.kind === "tuple") return makeTuple(d.items.map(build), d.type);
    const column = columns[i++] ?? refuse("an item without a value");
    if (isSymTensor(d)) {
      const [v] = x.g.node("SequenceAt", [column, at], { dtypes: [column.dtype] });
      return x.tensor(v ?? refuse("an item"), d.meta, d.dims.map(() => undefined), undefined);
    }
    if (column.sequence) {
      const [v] = x.g.node("SequenceAt", [column, at], { dtypes: [column.dtype] });
      const made = new SymList(d instanceof SymList ? d.item : isNumberList(d) && !(d instanceof SymList) && d.items.length > 0 ? (d.items[0] ?? 0) : zeroOf(column.dtype), [v ?? refuse("an item")]);
      x.trail.born(made);
      return made;
    }
    const type = column.dtype === "bool" ? "bool" : column.dtype === "float64" ? "float" : "int";
    return new Sym(type, x.op("Gather", [column, at], { axis: 0 }), type === "bool" ? true : 1, undefined);
  };
  return build(item);
}

const zeroOf = (dtype: DType): Datum => (dtype === "bool" ? false : { kind: dtype === "float64" ? "float" : "int", value: 0 });

/** Ops on lists of open length. */
function listOp(x: Exporter, name: string, args: readonly Datum[], node: Node): readonly Datum[] | undefined {
  const [first] = args;
  const list = first instanceof SymList ? first : undefined;
  const lengthOf = (l: SymList): OnnxValue => {
    const [column] = l.columns;
    if (column === undefined) return refuse("a list without columns");
    if (!column.sequence) return x.op("Size", [column], {}, "int64");
    return x.g.node("SequenceLength", [column], { dtypes: ["int64"] })[0] ?? column;
  };
  const write = (l: SymList, columns: readonly OnnxValue[]): void => {
    x.trail.touch({ kind: "columns", target: l });
    l.columns = columns;
  };
  const sequenceNode = (op: string, inputs: readonly (OnnxValue | undefined)[], dtype: OnnxValue["dtype"]): OnnxValue => {
    const v: OnnxValue = { name: x.g.fresh("sequence"), dtype, sequence: true, scope: x.g.scope };
    x.g.push(op, inputs, [v], []);
    return v;
  };
  switch (name) {
    case "aten::len.t":
      return list === undefined ? undefined : [new Sym("int", lengthOf(list), STAND_IN, undefined)];
    case "aten::__getitem__.t":
      return list === undefined ? undefined : [pick(x, list.item, list.columns, x.scalarValue(args[1] ?? 0, "int64"))];
    case "aten::append.t": {
      if (list === undefined) return undefined;
      const leaves = itemLeaves(args[1] ?? null);
      write(list, list.columns.map((c, i) => {
        const leaf = leaves[i] ?? null;
        if (c.sequence) return sequenceNode("SequenceInsert", [c, itemValue(x, leaf, c.dtype)], c.dtype);
        return x.op("Concat", [c, x.op("Reshape", [x.scalarValue(leaf, c.dtype), x.g.ints([1])])], { axis: 0 });
      }));
      return [list];
    }
    case "aten::pop.t": case "aten::Delete.t": {
      if (list === undefined) return undefined;
      const at = x.scalarValue(args[1] ?? -1, "int64");
      const value = name === "aten::pop.t" ? pick(x, list.item, list.columns, at) : undefined;
      write(list, list.columns.map((c) => {
        if (c.sequence) return sequenceNode("SequenceErase", [c, at], c.dtype);
        const size = x.op("Size", [c], {}, "int64");
        const place = whereValue(x.g, x.op("Less", [at, x.g.scalar(0, "int64")], {}, "bool"), x.op("Add", [at, size]), at);
        const one = (v: OnnxValue): OnnxValue => x.op("Reshape", [v, x.g.ints([1])]);
        const head = x.op("Slice", [c, x.g.ints([0]), one(place)]);
        const tail = x.op("Slice", [c, one(x.op("Add", [place, x.g.scalar(1, "int64")])), one(size)]);
        return x.op("Concat", [head, tail], { axis: 0 });
      }));
      return value === undefined ? [] : [value];
    }
    case "aten::_set_item.t": {
      if (list === undefined) return undefined;
      const leaves = itemLeaves(args[2] ?? null);
      const at = x.scalarValue(args[1] ?? 0, "int64");
      write(list, list.columns.map((c, i) => {
        const leaf = leaves[i] ?? null;
        if (c.sequence) return sequenceNode("SequenceInsert", [sequenceNode("SequenceErase", [c, at], c.dtype), itemValue(x, leaf, c.dtype), at], c.dtype);
        return x.op("ScatterElements", [c, x.op("Reshape", [at, x.g.ints([1])]), x.op("Reshape", [x.scalarValue(leaf, c.dtype), x.g.ints([1])])], { axis: 0 });
      }));
      return [list];
    }
    case "aten::slice.t": {
      if (list === undefined) return undefined;
      const one = (d: Datum, other: bigint): OnnxValue => x.op("Reshape", [d === null ? x.g.scalar(other, "int64") : x.scalarValue(d, "int64"), x.g.ints([1])]);
      const [, start = null, end = null, step = 1] = args;
      const back = !isSym(step) && Number(step) < 0;
      const far = 9223372036854775807n;
      const cut = (c: OnnxValue): OnnxValue => x.op("Slice", [c, one(start, back ? far : 0n), one(end, back ? -far : far), x.g.ints([0]), one(step, 1n)]);
      return [new SymList(list.item, list.columns.map((c) => {
        if (!c.sequence) return cut(c);
        // Tensors alike in shape are cut as one; others are an error where the graph runs.
        if (!isSymTensor(list.item)) return refuse("a slice of a list of lists of open length");
        const [all] = x.g.node("ConcatFromSequence", [c], { dtypes: [c.dtype], attributes: { axis: 0, new_axis: 1 } });
        const v: OnnxValue = { name: x.g.fresh("sequence"), dtype: c.dtype, sequence: true, scope: x.g.scope };
        x.g.push("SplitToSequence", [cut(all ?? c)], [v], attributesOf({ axis: 0, keepdims: 0 }));
        return v;
      }))];
    }
    case "aten::copy.t": case "aten::list.t":
      return list === undefined ? undefined : [new SymList(list.item, list.columns)];
    case "aten::add.t": case "aten::extend.t": case "aten::add_.t": {
      const both = args.map((d) => (d instanceof SymList ? d.columns : columnsOrEmpty(x, d, args.find((o): o is SymList => o instanceof SymList))));
      const joinedColumns = (both[0] ?? []).map((c, i) => {
        const other = both[1]?.[i] ?? c;
        return c.sequence ? refuse("lists of tensors of open length are joined") : x.op("Concat", [c, other], { axis: 0 });
      });
      if (name === "aten::add.t") return [new SymList((args.find((o): o is SymList => o instanceof SymList) ?? refuse("a list")).item, joinedColumns)];
      if (list === undefined) return refuse("a list of known length is extended by one of open length");
      write(list, joinedColumns);
      return [list];
    }
    case "opwise::stack_scan": case "aten::stack": case "aten::cat": {
      if (list === undefined) return undefined;
      const [column] = list.columns;
      if (column === undefined || !column.sequence || !isSymTensor(list.item)) return refuse("a list of tuples is joined");
      const scan = name === "opwise::stack_scan";
      const stack = name === "aten::stack" || scan;
      if (scan && (args[4] ?? null) !== null) return refuse("a scan of a given length");
      const item = list.item;
      const axis = Number(isSym(args[1]) ? x.fix(args[1]) : intOf(args[1] ?? 0));
      const rank = item.rank + (stack ? 1 : 0);
      const at = axis < 0 ? axis + rank : axis;
      const [v] = x.g.node("ConcatFromSequence", [column], { dtypes: [column.dtype], attributes: { axis: at, new_axis: stack ? 1 : 0 } });
      const shape = stack ? [...item.meta.shape.slice(0, at), STAND_IN, ...item.meta.shape.slice(at)] : item.meta.shape.map((s, i) => (i === at ? s * STAND_IN : s));
      const dims = stack ? [...item.dims.slice(0, at), undefined, ...item.dims.slice(at)] : item.dims.map((d, i) => (i === at ? undefined : d));
      const all = v ?? column;
      const turned = scan && args[2] === true ? x.op("Slice", [all, x.g.ints([-1]), x.g.ints([-9223372036854775807n]), x.g.ints([at]), x.g.ints([-1])]) : all;
      return [x.tensor(turned, meta(shape, column.dtype), dims.map(() => undefined), undefined)];
    }
    case "aten::tensor": case "aten::tensor.int": case "aten::tensor.float": case "aten::tensor.bool": case "aten::as_tensor.list": {
      const [column] = list?.columns ?? [];
      if (column === undefined || column.sequence || list?.columns.length !== 1) return refuse("a tensor of such a list");
      const [, wanted = null] = args;
      const dtype = wanted === null ? (column.dtype === "float64" ? x.context.defaultDtype : column.dtype) : dtypeOfTorch(Number(wanted));
      return [x.tensor(x.g.cast(column, dtype), meta([STAND_IN], dtype), [undefined], undefined)];
    }
    case "aten::reverse.t": {
      if (list === undefined) return undefined;
      write(list, list.columns.map((c) => (c.sequence ? refuse("a list of tensors of open length is turned around") : x.op("Slice", [c, x.g.ints([-1]), x.g.ints([-9223372036854775807n]), x.g.ints([0]), x.g.ints([-1])]))));
      return [];
    }
    case "aten::clear.t": {
      if (list === undefined) return undefined;
      write(list, list.columns.map((c) => (c.sequence ? sequenceOf(x, c.dtype, []) : x.op("Slice", [c, x.g.ints([0]), x.g.ints([0])]))));
      return [];
    }
    case "aten::__is__": return [false];
    case "aten::__isnot__": return [true];
    default:
      void node;
      return refuse(`\`${name}\` of a list whose length hangs on data`);
  }
}
function columnsOrEmpty(x: Exporter, d: Datum, like: SymList | undefined): readonly OnnxValue[] {
  const items = itemsOf(d) ?? [];
  if (items.length > 0) return columnsOfItems(x, items);
  return (like?.columns ?? []).map((c) => (c.sequence ? sequenceOf(x, c.dtype, []) : x.g.constant(Tensor.zeros([0], c.dtype))));
}
