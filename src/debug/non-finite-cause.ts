/** Why a number is not finite: read off the expression that made it, from its value down to the first operation whose operands were sound. */

import type { Expr } from "../expr/expr.ts";
import type { Backend } from "../prims/backend.ts";
import type { Call } from "../prims/call.ts";
import { type DType, largestOf } from "../tensor/dtype.ts";
import type { View } from "../tensor/tensor.ts";
import { numelOf } from "../tensor/shape.ts";
import { expressionsOf, type Probed, probe, type ProgramCall } from "./probe.ts";
import { elementAt } from "./element-at.ts";
import { shortNumber } from "./tensor-line.ts";

export type CauseKind =
  /** A function where it is not defined: the logarithm or root of a negative number, a power. */
  | "domain"
  /** A pole: the logarithm of 0, a division of something by 0. */
  | "pole"
  | "0/0"
  | "inf-inf"
  | "0*inf"
  | "inf/inf"
  /** Finite operands whose result the dtype cannot hold. */
  | "overflow"
  /** A row of a softmax that is all -inf: nothing may be attended to. */
  | "masked row"
  /** An infinity that the model states: a mask's constant. */
  | "constant"
  | "unknown";

export interface Cause {
  readonly kind: CauseKind;
  /** `log of -1`, `0/0`, `3e4 * 2e4 overflows f16`. */
  readonly text: string;
}

const isFloatType = (e: Expr): boolean => e.type === "f32" || e.type === "f64";

/** Whether the value is of the kind that is looked for: NaN, or any infinity. */
function isBad(value: Probed | undefined): boolean {
  return typeof value === "number" && !Number.isFinite(value);
}

/** The cause of a non-finite result of a call with a program, at one position of that program. Undefined where its operands had it already. */
export function causeInProgram(host: Backend, call: ProgramCall, output: number, position: readonly number[], stored: DType): Cause | undefined {
  const roots = call.program.outputs[output]?.parts ?? [];
  const exprs = expressionsOf(roots);
  const values = new Map(probe(host, call, position, exprs).map((value, i) => [exprs[i], value] as const));
  const root = roots.find((e) => isBad(values.get(e)));
  if (root !== undefined) return descend(root, values);
  const value = roots.map((e) => values.get(e)).find((v) => typeof v === "number");
  // Sound in the type that it is computed in, and lost in the one that it is stored in.
  const largest = largestOf(stored);
  return typeof value === "number" && largest !== undefined && Math.abs(value) > largest
    ? { kind: "overflow", text: `${shortNumber(value)} overflows ${stored} (largest ${largest > 1e6 ? shortNumber(largest) : largest})` }
    : undefined;
}

/** From a non-finite value down to where it began. */
function descend(root: Expr, values: ReadonlyMap<Expr | undefined, Probed>): Cause | undefined {
  const number = (e: Expr): number => Number(values.get(e) ?? NaN);
  const isKnown = (e: Expr): boolean => values.has(e);
  for (let e = root; ;) {
    const isNan = Number.isNaN(number(e));
    /** The operand that the value came from, as it is. */
    const parent = (...operands: readonly Expr[]): Expr | undefined =>
      operands.find((o) => isFloatType(o) && isKnown(o) && (isNan ? Number.isNaN(number(o)) : isBad(values.get(o))));
    let next: Expr | undefined;
    switch (e.op) {
      case "const":
      case "scalar":
        return { kind: "constant", text: `the constant ${shortNumber(number(e))}` };
      case "arg":
      case "load":
        return undefined;
      case "select":
        next = values.get(e.cond) === true ? e.a : e.b;
        break;
      case "cast":
      case "bitcast":
      case "round":
      case "check":
        next = parent(e.a);
        if (next === undefined && e.op === "bitcast") return { kind: "unknown", text: "bits that stand for no number" };
        if (next === undefined) return { kind: "overflow", text: `${shortNumber(number(e.a))} overflows ${e.op === "round" ? e.format : e.type}` };
        break;
      case "unary":
        next = parent(e.a);
        if (next === undefined) return causeOfUnary(e.fn, number(e.a), number(e));
        break;
      case "binary":
        next = parent(e.a, e.b);
        if (next === undefined) return causeOfBinary(e.fn, number(e.a), number(e.b), number(e));
        break;
      default:
        return { kind: "unknown", text: `a loop inside the op (${e.op})` };
    }
    if (!isKnown(next)) return { kind: "unknown", text: "a loop inside the op" };
    e = next;
  }
}

function causeOfUnary(fn: string, a: number, result: number): Cause {
  const text = `${fn} of ${shortNumber(a)}`;
  if (Number.isNaN(result)) return { kind: "domain", text };
  if (Number.isFinite(a) && (fn === "exp" || fn === "exp2" || fn === "expm1" || fn === "sinh" || fn === "cosh"))
    return { kind: "overflow", text: `${text} overflows` };
  return { kind: "pole", text };
}

function causeOfBinary(fn: string, a: number, b: number, result: number): Cause {
  const [x, y] = [shortNumber(a), shortNumber(b)];
  const finite = Number.isFinite(a) && Number.isFinite(b);
  if (fn === "div" || fn === "remainder" || fn === "fmod" || fn === "floordiv") {
    if (b === 0) return a === 0 ? { kind: "0/0", text: "0/0" } : { kind: "pole", text: `${x}/0` };
    if (Number.isNaN(result) && !finite) return { kind: "inf/inf", text: `${x}/${y}` };
  }
  if ((fn === "add" || fn === "sub") && Number.isNaN(result)) return { kind: "inf-inf", text: fn === "sub" ? `${x} - ${y}` : `${x} + ${y}` };
  if (fn === "mul" && Number.isNaN(result)) return { kind: "0*inf", text: `${x} * ${y}` };
  if (!Number.isNaN(result) && finite) {
    const sign = { add: "+", sub: "-", mul: "*", div: "/" }[fn];
    return { kind: fn === "pow" && a === 0 ? "pole" : "overflow", text: sign === undefined ? `${fn}(${x}, ${y}) overflows` : `${x} ${sign} ${y} overflows` };
  }
  return { kind: "domain", text: `${fn}(${x}, ${y})` };
}

/** Terms of a product that are looked at for its cause. */
const MAX_TERMS = 65_536;

/** Why a product's element is not finite, by its terms. */
export function causeInContract(call: Extract<Call, { readonly kind: "contract" }>, index: readonly number[], isNan: boolean): Cause {
  const [a, b] = call.operands;
  const [batch = 0, m = 0, n = 0] = index;
  const depth = a?.shape[2] ?? 0;
  if (a === undefined || b === undefined || depth > MAX_TERMS) return { kind: "unknown", text: "a sum of products" };
  const signs = new Set<number>();
  for (let k = 0; k < depth; k++) {
    const [x, y] = [elementAt(a, [batch, m, k]), elementAt(b, [batch, k, n])];
    const term = x * y;
    if (Number.isNaN(term) && !Number.isNaN(x) && !Number.isNaN(y))
      return { kind: "0*inf", text: `${shortNumber(x)} * ${shortNumber(y)} in term ${k} of ${depth}` };
    if (!Number.isFinite(term)) signs.add(Math.sign(term));
  }
  if (isNan && signs.size > 1) return { kind: "inf-inf", text: `inf - inf among ${depth} terms` };
  return { kind: "overflow", text: `a sum of ${depth} products overflows` };
}

/** Why a reduction of sound elements is not. */
export function causeInReduce(call: Extract<Call, { readonly kind: "reduce" }>): Cause {
  const elements = numelOf(call.axes.map((axis) => call.shape[axis] ?? 1));
  if (elements === 0) return { kind: "0/0", text: `${call.combiner.name} of no elements` };
  return { kind: "overflow", text: `${call.combiner.name} of ${elements} elements overflows` };
}

/** The softmax row that holds an element: whether it is -inf from end to end. */
export function maskedRow(x: View, axis: number, index: readonly number[]): Cause | undefined {
  const length = x.shape[axis] ?? 0;
  for (let i = 0; i < length; i++)
    if (
      elementAt(
        x,
        index.map((at, d) => (d === axis ? i : at)),
      ) !== -Infinity
    )
      return undefined;
  return length === 0
    ? undefined
    : { kind: "masked row", text: `all ${length} scores of row [${index.map((at, d) => (d === axis ? ":" : at)).join(",")}] are -inf (fully masked)` };
}
