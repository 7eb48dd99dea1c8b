/** Expressions as a walk over tensor operations. What an engine cannot do exactly enough is refused with its reason. */

import type { BinaryOp, Expr, ExprType, UnaryOp } from "../../expr/expr.ts";
import { operandsOf } from "../../expr/expr.ts";
import type { Program } from "../../prims/program.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { nativeDtype } from "./buffer.ts";
import type { TensorFlow, TfTensor } from "./tensorflow.ts";

type TfDType = "float32" | "int32" | "bool";

/** The engine's dtype for values of a type; f64 only as a wider accumulator of float32 data. */
function tfType(type: ExprType): TfDType | undefined {
  if (type === "f32" || type === "f64") return "float32";
  if (type === "i32") return "int32";
  return type === "bool" ? "bool" : undefined;
}

type One = (tf: TensorFlow, x: TfTensor) => TfTensor;
type Two = (tf: TensorFlow, a: TfTensor, b: TfTensor) => TfTensor;

/** Functions by name: the engine's kernels they need, whether they take int32, and the call. */
const UNARY: Partial<Record<UnaryOp, { readonly needs: readonly string[]; readonly ints?: boolean; readonly run: One }>> = {
  neg: { needs: ["Neg"], ints: true, run: (tf, x) => tf.neg(x) },
  abs: { needs: ["Abs"], ints: true, run: (tf, x) => tf.abs(x) },
  not: { needs: ["LogicalNot"], ints: true, run: (tf, x) => tf.logicalNot(x) },
  sign: { needs: ["Sign"], run: (tf, x) => tf.sign(x) },
  floor: { needs: ["Floor"], run: (tf, x) => tf.floor(x) },
  ceil: { needs: ["Ceil"], run: (tf, x) => tf.ceil(x) },
  rint: { needs: ["Round"], run: (tf, x) => tf.round(x) },
  trunc: { needs: ["Floor", "Ceil", "Select", "Less"], run: (tf, x) => tf.where(tf.less(x, tf.scalar(0, "float32")), tf.ceil(x), tf.floor(x)) },
  sqrt: { needs: ["Sqrt"], run: (tf, x) => tf.sqrt(x) },
  exp: { needs: ["Exp"], run: (tf, x) => tf.exp(x) },
  exp2: { needs: ["Exp"], run: (tf, x) => tf.exp(tf.mul(x, tf.scalar(Math.LN2, "float32"))) },
  expm1: { needs: ["Expm1"], run: (tf, x) => tf.expm1(x) },
  log: { needs: ["Log"], run: (tf, x) => tf.log(x) },
  log2: { needs: ["Log"], run: (tf, x) => tf.mul(tf.log(x), tf.scalar(Math.LOG2E, "float32")) },
  log10: { needs: ["Log"], run: (tf, x) => tf.mul(tf.log(x), tf.scalar(Math.LOG10E, "float32")) },
  log1p: { needs: ["Log1p"], run: (tf, x) => tf.log1p(x) },
  sin: { needs: ["Sin"], run: (tf, x) => tf.sin(x) },
  cos: { needs: ["Cos"], run: (tf, x) => tf.cos(x) },
  tan: { needs: ["Tan"], run: (tf, x) => tf.tan(x) },
  asin: { needs: ["Asin"], run: (tf, x) => tf.asin(x) },
  acos: { needs: ["Acos"], run: (tf, x) => tf.acos(x) },
  atan: { needs: ["Atan"], run: (tf, x) => tf.atan(x) },
  sinh: { needs: ["Sinh"], run: (tf, x) => tf.sinh(x) },
  cosh: { needs: ["Cosh"], run: (tf, x) => tf.cosh(x) },
  tanh: { needs: ["Tanh"], run: (tf, x) => tf.tanh(x) },
  asinh: { needs: ["Asinh"], run: (tf, x) => tf.asinh(x) },
  acosh: { needs: ["Acosh"], run: (tf, x) => tf.acosh(x) },
  atanh: { needs: ["Atanh"], run: (tf, x) => tf.atanh(x) },
  erf: { needs: ["Erf"], run: (tf, x) => tf.erf(x) },
  isnan: { needs: ["IsNan"], run: (tf, x) => tf.isNaN(x) },
  isinf: { needs: ["IsInf"], run: (tf, x) => tf.isInf(x) },
  isfinite: { needs: ["IsFinite"], run: (tf, x) => tf.isFinite(x) },
};

/** Engines differ in which side's NaN an extremum keeps: the second side's is put back. */
const propagating = (pick: Two): Two => (tf, a, b) => tf.where(tf.isNaN(b), tf.add(a, b), pick(tf, a, b));

const BINARY: Partial<Record<BinaryOp, { readonly needs: readonly string[]; readonly ints?: boolean; readonly bools?: boolean; readonly run: Two }>> = {
  add: { needs: ["Add"], ints: true, run: (tf, a, b) => tf.add(a, b) },
  sub: { needs: ["Sub"], ints: true, run: (tf, a, b) => tf.sub(a, b) },
  mul: { needs: ["Multiply"], run: (tf, a, b) => tf.mul(a, b) },
  div: { needs: ["RealDiv"], run: (tf, a, b) => tf.div(a, b) },
  max: { needs: ["Maximum", "IsNan", "Select"], run: propagating((tf, a, b) => tf.maximum(a, b)) },
  min: { needs: ["Minimum", "IsNan", "Select"], run: propagating((tf, a, b) => tf.minimum(a, b)) },
  pow: { needs: ["Pow"], run: (tf, a, b) => tf.pow(a, b) },
  atan2: { needs: ["Atan2"], run: (tf, a, b) => tf.atan2(a, b) },
  eq: { needs: ["Equal"], ints: true, run: (tf, a, b) => tf.equal(a, b) },
  ne: { needs: ["NotEqual"], ints: true, run: (tf, a, b) => tf.notEqual(a, b) },
  lt: { needs: ["Less"], ints: true, run: (tf, a, b) => tf.less(a, b) },
  le: { needs: ["LessEqual"], ints: true, run: (tf, a, b) => tf.lessEqual(a, b) },
  gt: { needs: ["Greater"], ints: true, run: (tf, a, b) => tf.greater(a, b) },
  ge: { needs: ["GreaterEqual"], ints: true, run: (tf, a, b) => tf.greaterEqual(a, b) },
  and: { needs: ["LogicalAnd"], bools: true, run: (tf, a, b) => tf.logicalAnd(a, b) },
  or: { needs: ["LogicalOr"], bools: true, run: (tf, a, b) => tf.logicalOr(a, b) },
  xor: { needs: ["LogicalXor"], bools: true, run: (tf, a, b) => tf.logicalXor(a, b) },
};

export interface Engine {
  readonly tf: TensorFlow;
  /** Whether the engine has a kernel of this name. */
  readonly has: (kernel: string) => boolean;
}

const verdicts = new WeakMap<Program, Map<string, string>>();

/** Why the program cannot be walked on this engine, or undefined. Remembered per program and engine. */
export function refusesProgram(engine: Engine, program: Program): string | undefined {
  let byEngine = verdicts.get(program);
  if (byEngine === undefined) verdicts.set(program, (byEngine = new Map<string, string>()));
  const name = engine.tf.getBackend();
  let verdict = byEngine.get(name);
  if (verdict === undefined) byEngine.set(name, (verdict = judge(engine, program) ?? ""));
  return verdict === "" ? undefined : verdict;
}

function judge(engine: Engine, program: Program): string | undefined {
  for (const dtype of [...program.operands, ...program.outputs.map((o) => o.dtype)]) {
    if (nativeDtype(dtype) === undefined) return `TensorFlow.js has no ${dtype}`;
  }
  const seen = new Set<Expr>();
  const walk = (e: Expr): string | undefined => {
    if (seen.has(e)) return undefined;
    seen.add(e);
    const own = e.op === "arg" ? (tfType(e.type) === undefined ? `TensorFlow.js has no ${e.type} arithmetic` : undefined) : refusesExpr(engine, e);
    if (own !== undefined) return own;
    for (const o of operandsOf(e)) {
      const reason = walk(o);
      if (reason !== undefined) return reason;
    }
    return undefined;
  };
  for (const output of program.outputs) {
    for (const part of output.parts) {
      const reason = walk(part);
      if (reason !== undefined) return reason;
    }
  }
  return undefined;
}

/** Why this node (its operands apart) has no tensor operation, or undefined. */
export function refusesExpr(engine: Engine, e: Expr): string | undefined {
  if (tfType(e.type) === undefined) return `TensorFlow.js has no ${e.type} arithmetic`;
  switch (e.op) {
    case "const":
    case "scalar":
      return undefined;
    case "unary": {
      const known = UNARY[e.fn];
      if (known === undefined) return `TensorFlow.js has no ${e.fn}`;
      if (e.a.type === "i32" && known.ints !== true) return `TensorFlow.js has no integer ${e.fn}`;
      if (e.a.type === "bool" && e.fn !== "not") return `TensorFlow.js has no ${e.fn} of bools`;
      const lacks = known.needs.find((k) => !engine.has(k));
      return lacks === undefined ? undefined : `the engine has no kernel ${lacks}`;
    }
    case "binary": {
      const known = BINARY[e.fn];
      if (known === undefined) return `TensorFlow.js has no ${e.fn}`;
      if (e.a.type === "i32" && known.ints !== true) return `TensorFlow.js has no exact integer ${e.fn}`;
      if (e.a.type === "bool" && known.bools !== true) return `TensorFlow.js has no ${e.fn} of bools`;
      const lacks = known.needs.find((k) => !engine.has(k));
      return lacks === undefined ? undefined : `the engine has no kernel ${lacks}`;
    }
    case "cast":
      return e.saturate || (tfType(e.a.type) === "float32" && e.type === "i32") ? "TensorFlow.js rounds and clips casts to integers otherwise" : undefined;
    case "select":
      return engine.has("Select") ? undefined : "the engine has no kernel Select";
    default:
      return `TensorFlow.js has no ${e.op}`;
  }
}

/** `1 / (1 + exp(-x))`, which engines have a kernel for. */
function sigmoidOf(e: Expr): Expr | undefined {
  if (e.op !== "binary" || e.fn !== "div" || e.a.op !== "const" || e.a.value !== 1) return undefined;
  const sum = e.b;
  if (sum.op !== "binary" || sum.fn !== "add") return undefined;
  const [exp, one] = sum.b.op === "const" ? [sum.a, sum.b] : [sum.b, sum.a];
  if (one.op !== "const" || one.value !== 1 || exp.op !== "unary" || exp.fn !== "exp" || exp.a.op !== "unary" || exp.a.fn !== "neg") return undefined;
  return exp.a.a;
}

/** Values of the program's outputs, from its operands' tensors. */
export function walkProgram(engine: Engine, program: Program, operands: readonly TfTensor[], scalars: readonly (number | bigint | boolean)[]): TfTensor[] {
  return walkExprs(engine, program.outputs.map((o) => o.parts[0] ?? missingPart()), operands, scalars, new Map());
}

/** Values of expressions, given some nodes' values (`done`, which grows). */
export function walkExprs(engine: Engine, roots: readonly Expr[], operands: readonly TfTensor[], scalars: readonly (number | bigint | boolean)[], done: Map<Expr, TfTensor>): TfTensor[] {
  const { tf } = engine;
  const valueOf = (e: Expr): TfTensor => {
    const known = done.get(e);
    if (known !== undefined) return known;
    const value = evaluate(e);
    done.set(e, value);
    return value;
  };
  const constantOf = (value: number | bigint | boolean, type: ExprType): TfTensor => {
    const to = tfType(type) ?? "float32";
    return tf.scalar(to === "bool" ? Boolean(value) : Number(value), to);
  };
  const evaluate = (e: Expr): TfTensor => {
    switch (e.op) {
      case "const": return constantOf(e.value, e.type);
      case "scalar": return constantOf(scalars[e.slot] ?? 0, e.type);
      case "arg": {
        const operand = operands[e.operand];
        if (operand === undefined) throw new OpwiseError("internal", "operand of a walked program");
        return operand;
      }
      case "unary": return (UNARY[e.fn]?.run ?? missing)(tf, valueOf(e.a));
      case "binary": {
        const inner = sigmoidOf(e);
        if (inner !== undefined && engine.has("Sigmoid")) return tf.sigmoid(valueOf(inner));
        // With a finite constant on the second side no NaN can be lost.
        if ((e.fn === "max" || e.fn === "min") && e.b.op === "const") return e.fn === "max" ? tf.maximum(valueOf(e.a), valueOf(e.b)) : tf.minimum(valueOf(e.a), valueOf(e.b));
        return (BINARY[e.fn]?.run ?? missing)(tf, valueOf(e.a), valueOf(e.b));
      }
      case "select": return tf.where(valueOf(e.cond), valueOf(e.a), valueOf(e.b));
      case "cast": {
        const from = tfType(e.a.type);
        const to = tfType(e.type) ?? "float32";
        const value = valueOf(e.a);
        if (from === to) return value;
        return to === "bool" ? tf.notEqual(value, tf.scalar(0, from ?? "float32")) : tf.cast(value, to);
      }
      default: return missing();
    }
  };
  return roots.map(valueOf);
}

function missing(): never {
  throw new OpwiseError("internal", "a program was walked that had been refused");
}
function missingPart(): never {
  throw new OpwiseError("internal", "a program output without an expression");
}
