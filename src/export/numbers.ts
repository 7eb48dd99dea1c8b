/** Ops on Python's numbers, where some are of the graph: as 0-dim int64, float64 and bool. */

import { type Datum } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import type { BoundOp } from "../ops/registry.ts";
import { OpwiseError } from "../tensor/error.ts";
import { runHost } from "./meaning.ts";
import { type Exporter, leavesOf, plainNumber } from "./exporter.ts";
import { whereValue } from "./expressions.ts";
import { type OnnxValue } from "./graph.ts";
import { DTYPE_OF, isSym, joinRoots, needsOpset, refuse, type Roots, type Sym } from "./values.ts";

export const isNumber = (d: Datum): boolean =>
  typeof d === "number" ||
  typeof d === "boolean" ||
  typeof d === "bigint" ||
  (typeof d === "object" && d !== null && "kind" in d && (d.kind === "int" || d.kind === "float" || d.kind === "bool"));
type NumberType = Sym["type"];

export function typesOf(args: readonly Datum[], node: Node): NumberType[] {
  return args.map((d, i) => {
    if (isSym(d)) return d.type;
    if (typeof d === "boolean") return "bool";
    if (typeof d === "object" && d !== null && "kind" in d && (d.kind === "int" || d.kind === "float" || d.kind === "bool")) return d.kind;
    const formal = node.schema?.args[i]?.type.kind ?? node.operands[i]?.type.kind;
    return formal === "float" || (typeof d === "number" && !Number.isInteger(d)) ? "float" : "int";
  });
}
export function rootsOf(args: readonly Datum[]): Roots | undefined {
  return joinRoots(leavesOf(args).map((l) => l.roots));
}
/** What the op gives for the examples; a stand-in where it fails on them. */
export function hintOf(x: Exporter, args: readonly Datum[], bound: BoundOp | undefined): Sym["hint"] {
  if (bound === undefined) return 0;
  try {
    const [d = 0] = runHost(
      x,
      bound,
      args.map((a) => (isSym(a) ? a.hint : a)),
    );
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
const g2 =
  (op: string) =>
  (x: Exporter, a: OnnxValue, b: OnnxValue): OnnxValue =>
    x.op(op, [a, b], {}, op === "Equal" || op.startsWith("Less") || op.startsWith("Greater") ? "bool" : undefined);
const unaryFloat =
  (op: string): NumberOp =>
  (x, args, _types, hint, roots) =>
    x.number("float", floatOp(x, op, x.scalarValue(args[0] ?? 0, "float64")), hint, roots);
/** Functions without a kernel in double precision are not had by rounding. */
function floatOp(x: Exporter, op: string, a: OnnxValue): OnnxValue {
  if (op === "Tan") return x.op("Div", [x.op("Sin", [a]), x.op("Cos", [a])]);
  if (op === "Erf" || op === "Asin" || op === "Acos" || op === "Atan")
    return refuse(`\`${op}\` of a Python float, in double precision, has no kernel in onnxruntime`);
  return x.op(op, [a]);
}
function toInt(op: string): NumberOp {
  return (x, args, types, hint, roots) => {
    if (types[0] !== "float") return args[0] ?? 0;
    return x.number("int", x.g.cast(x.op(op, [x.scalarValue(args[0] ?? 0, "float64")]), "int64"), hint, roots);
  };
}
const truncInt: NumberOp = (x, args, types, hint, roots) =>
  types[0] === "int" && isSym(args[0]) ? args[0] : x.number("int", x.g.cast(x.scalarValue(args[0] ?? 0, DTYPE_OF[types[0] ?? "int"]), "int64"), hint, roots);
const floorDiv = (x: Exporter, a: OnnxValue, b: OnnxValue, type: "int" | "float"): OnnxValue =>
  type === "float" ? x.op("Floor", [x.op("Div", [a, b])]) : x.op("Div", [x.op("Sub", [a, x.op("Mod", [a, b])]), b]);
const remainder = (x: Exporter, a: OnnxValue, b: OnnxValue, type: "int" | "float"): OnnxValue => {
  if (type === "int") return x.op("Mod", [a, b]);
  const m = x.op("Mod", [a, b], { fmod: 1 });
  const zero = x.g.scalar(0, "float64");
  const off = x.op("And", [
    x.op("Not", [x.op("Equal", [m, zero], {}, "bool")]),
    x.op("Xor", [x.op("Less", [m, zero], {}, "bool"), x.op("Less", [b, zero], {}, "bool")]),
  ]);
  return whereValue(x.g, off, x.op("Add", [m, b]), m);
};
const logic =
  (op: string): NumberOp =>
  (x, args, types, hint, roots) => {
    if (types.every((t) => t === "bool")) {
      const [a, b] = args.map((d) => x.scalarValue(d, "bool"));
      return a === undefined || b === undefined ? refuse("an operand is missing") : x.number("bool", x.op(op, [a, b]), hint, roots);
    }
    if (x.g.opset < 18) return needsOpset(18, "a bitwise op of Python ints");
    const [a, b] = args.map((d) => x.scalarValue(d, "int64"));
    return a === undefined || b === undefined
      ? refuse("an operand is missing")
      : x.number("int", x.op({ And: "BitwiseAnd", Or: "BitwiseOr", Xor: "BitwiseXor" }[op] ?? op, [a, b]), hint, roots);
  };
const not: NumberOp = (x, args, _t, hint, roots) => x.number("bool", x.op("Not", [x.scalarValue(args[0] ?? false, "bool")]), hint, roots);
const same: NumberOp = (_x, args) => args[0] ?? 0;

export const NUMBERS: Readonly<Record<string, NumberOp>> = {
  add: arithmetic(g2("Add")),
  sub: arithmetic(g2("Sub")),
  mul: arithmetic(g2("Mul")),
  min: arithmetic(g2("Min")),
  max: arithmetic(g2("Max")),
  floordiv: arithmetic(floorDiv),
  remainder: arithmetic(remainder),
  div: (x, args, _t, hint, roots) =>
    x.number(
      "float",
      x.op(
        "Div",
        args.map((d) => x.scalarValue(d, "float64")),
      ),
      hint,
      roots,
    ),
  truediv: (x, args, _t, hint, roots) =>
    x.number(
      "float",
      x.op(
        "Div",
        args.map((d) => x.scalarValue(d, "float64")),
      ),
      hint,
      roots,
    ),
  neg: arithmetic((x, a) => x.op("Neg", [a])),
  abs: arithmetic((x, a) => x.op("Abs", [a])),
  pow: (x, args, types, hint, roots, node) => {
    const result = node.results[0]?.type.kind;
    if (wider(types) === "int" && result === "int") return refuse("a power of Python ints");
    return x.number(
      "float",
      x.op(
        "Pow",
        args.map((d) => x.scalarValue(d, "float64")),
      ),
      hint,
      roots,
    );
  },
  eq: comparison(g2("Equal")),
  ne: comparison((x, a, b) => x.op("Not", [x.op("Equal", [a, b], {}, "bool")])),
  lt: comparison(g2("Less")),
  le: comparison(g2("LessOrEqual")),
  gt: comparison(g2("Greater")),
  ge: comparison(g2("GreaterOrEqual")),
  __and__: logic("And"),
  __or__: logic("Or"),
  __xor__: logic("Xor"),
  __not__: not,
  Int: truncInt,
  Float: (x, args, _t, hint, roots) => x.number("float", x.scalarValue(args[0] ?? 0, "float64"), Number(hint), roots),
  Bool: (x, args, types, hint, roots) => x.number("bool", x.scalarValue(args[0] ?? 0, DTYPE_OF[types[0] ?? "int"]), hint, roots),
  IntImplicit: truncInt,
  FloatImplicit: (x, args, _t, hint, roots) => x.number("float", x.scalarValue(args[0] ?? 0, "float64"), hint, roots),
  ScalarImplicit: same,
  floor: toInt("Floor"),
  ceil: toInt("Ceil"),
  round: (x, args, types, hint, roots) =>
    types[0] !== "float" ? (args[0] ?? 0) : x.number("float", x.op("Round", [x.scalarValue(args[0] ?? 0, "float64")]), hint, roots),
  sqrt: unaryFloat("Sqrt"),
  exp: unaryFloat("Exp"),
  log: (x, args, types, hint, roots, node) =>
    args.length === 1
      ? unaryFloat("Log")(x, args, types, hint, roots, node)
      : x.number(
          "float",
          x.op(
            "Div",
            args.map((d) => x.op("Log", [x.scalarValue(d, "float64")])),
          ),
          hint,
          roots,
        ),
  sin: unaryFloat("Sin"),
  cos: unaryFloat("Cos"),
  tanh: unaryFloat("Tanh"),
  tan: unaryFloat("Tan"),
  fabs: unaryFloat("Abs"),
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
  sym_size: same,
  sym_sum: arithmetic(g2("Add")),
  sym_max: arithmetic(g2("Max")),
  sym_min: arithmetic(g2("Min")),
  sym_not: not,
  sym_float: (x, args, _t, hint, roots) => x.number("float", x.scalarValue(args[0] ?? 0, "float64"), hint, roots),
};
