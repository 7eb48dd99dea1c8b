/**
 * Float32, half precision and bool, four elements at a time, with doubles between. The last few of a map go one by one through the same vector code, so that bits do not
 * depend on places.
 */

import type { BinaryOp, Expr, UnaryOp } from "../../expr/expr.ts";
import { reachable } from "../../expr/expr.ts";
import { schedule } from "../../expr/schedule.ts";
import type { Combiner } from "../../prims/combiner.ts";
import type { Program } from "../../prims/program.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Code, Value } from "../../wasm/code.ts";
import type { InstructionName } from "../../wasm/instructions.ts";
import { ArgumentBlock, emitLoops } from "./arguments.ts";
import { goesByFours, goesToAll, type Lane, loadFour, storeFour } from "./element.ts";
import { emitTrips, type I32, type V128 } from "./emit.ts";
import { emitRound, holdHalves, isHalf } from "./halves.ts";
import type { Emit } from "./runtime.ts";
import { type VectorFunction, vectorErf, vectorExp, vectorLog, vectorTanh } from "./vector-math.ts";

/** Values of four elements: one vector of four lanes, or of doubles two of two. Bools are masks. */
export type Four = readonly V128[];

export const ARITHMETIC = { add: "f32x4.add", sub: "f32x4.sub", mul: "f32x4.mul", div: "f32x4.div", min: "f32x4.min", max: "f32x4.max" } as const;
export const COMPARE = { eq: "f32x4.eq", ne: "f32x4.ne", lt: "f32x4.lt", le: "f32x4.le", gt: "f32x4.gt", ge: "f32x4.ge" } as const;
const LOGIC = { and: "v128.and", or: "v128.or", xor: "v128.xor" } as const;
export const UNARY = {
  neg: "f32x4.neg",
  abs: "f32x4.abs",
  sqrt: "f32x4.sqrt",
  floor: "f32x4.floor",
  ceil: "f32x4.ceil",
  trunc: "f32x4.trunc",
  rint: "f32x4.nearest",
} as const;
const FUNCTIONS: Partial<Record<UnaryOp, VectorFunction>> = { exp: vectorExp, log: vectorLog, tanh: vectorTanh, erf: vectorErf };
const DOUBLE = { add: "f64x2.add", sub: "f64x2.sub", mul: "f64x2.mul", div: "f64x2.div" } as const;
type Of<T> = T[keyof T];
type Instruction = Of<typeof ARITHMETIC> | Of<typeof COMPARE> | Of<typeof LOGIC> | Of<typeof DOUBLE>;

function entry<T extends object>(table: T, key: string): T[keyof T] | undefined {
  return Object.hasOwn(table, key) ? table[key as keyof T] : undefined;
}

function binaryInstruction(fn: BinaryOp, operands: Expr["type"]): Instruction | undefined {
  if (operands === "f64") return entry(DOUBLE, fn);
  return operands === "f32" ? (entry(ARITHMETIC, fn) ?? entry(COMPARE, fn)) : operands === "bool" ? entry(LOGIC, fn) : undefined;
}

function vectorizable(e: Expr): boolean {
  if (e.type === "i16") return e.op === "arg" || e.op === "select"; // words that are only moved
  if (e.type !== "f32" && e.type !== "f64" && e.type !== "bool") return false;
  switch (e.op) {
    case "const":
    case "scalar":
    case "arg":
    case "select":
      return true;
    case "acc":
    case "val":
      return e.type !== "bool";
    case "unary":
      if (e.fn === "not") return true;
      if (e.a.type !== "f32") return false;
      return entry(UNARY, e.fn) !== undefined || FUNCTIONS[e.fn] !== undefined || e.fn === "isnan" || e.fn === "isinf" || e.fn === "isfinite";
    case "binary":
      return binaryInstruction(e.fn, e.a.type) !== undefined;
    case "cast":
      return e.a.type !== "i16" && (e.a.type === "f32" || e.type === "f32");
    case "round":
      return e.type === "f32" && !e.saturate && isHalf(e.format);
    default:
      return false;
  }
}

const known = new WeakMap<Program, boolean>();

/** Whether the elements of a program can be computed four at a time. */
function goesByVectors(program: Program): boolean {
  let yes = known.get(program);
  if (yes === undefined) {
    yes =
      program.operands.every(goesToAll) &&
      program.scalars.every((type) => type === "f32" || type === "f64") &&
      program.outputs.every((o) => o.parts.length === 1) &&
      [...reachable(program.outputs.flatMap((o) => o.parts))].every(vectorizable);
    known.set(program, yes);
  }
  return yes;
}

/** Whether a map can be computed four elements at a time. */
export function isVectorizable(program: Program): boolean {
  return goesByVectors(program) && program.outputs.every((o) => goesByFours(o.dtype));
}

/** Whether a reduction's elements and its one state, a number, can be. */
export function isVectorReduction(program: Program, { combine }: Combiner): boolean {
  return combine.length === 1 && combine[0]?.type !== "bool" && goesByVectors(program) && [...reachable(combine)].every(vectorizable);
}

const approximate = new WeakMap<Program, boolean>();

/** Whether the program has functions whose vector form is a polynomial, so that bits go by whether it runs as vectors. */
export function isApproximate(program: Program): boolean {
  let yes = approximate.get(program);
  if (yes === undefined) {
    yes = [...reachable(program.outputs.flatMap((o) => o.parts))].some((e) => e.op === "unary" && FUNCTIONS[e.fn] !== undefined);
    approximate.set(program, yes);
  }
  return yes;
}

/** `min` or `max` of `x` with what is the same for a whole row. */
function boundOf(e: Expr, isSame: (operand: number) => boolean): { readonly limit: Expr; readonly x: Expr; readonly max: boolean } | undefined {
  if (e.op !== "binary" || (e.fn !== "min" && e.fn !== "max") || e.type !== "f32") return undefined;
  const fixed = (side: Expr): boolean => side.op === "scalar" || side.op === "const" || (side.op === "arg" && isSame(side.operand));
  const [limit, x] = fixed(e.b) ? [e.b, e.a] : [e.a, e.b];
  return fixed(limit) ? { limit, x, max: e.fn === "max" } : undefined;
}

const guardKey = (limit: Expr, max: boolean): string =>
  `${limit.op}${limit.op === "arg" ? limit.operand : limit.op === "scalar" ? limit.slot : limit.op === "const" ? String(limit.value) : ""}${max ? "max" : "min"}`;

/**
 * What corrects `pmax(x, limit)` and `pmin(x, limit)`, which are one instruction where `max` and `min` are eight. They keep a NaN of x, but lose one of
 * the limit, and they keep x where both are zeros. So to a maximum NaN is added, or the limit where that is zero, else -0, which changes nothing; into a
 * minimum go the bits of NaN, or the sign of -0.
 */
function emitGuards(c: Code, program: Program, isSame: (operand: number) => boolean, value: (limit: Expr) => V128): ReadonlyMap<string, V128> {
  const guards = new Map<string, V128>();
  for (const e of reachable(program.outputs.flatMap((o) => o.parts))) {
    const bound = boundOf(e, isSame);
    if (bound === undefined || guards.has(guardKey(bound.limit, bound.max))) continue;
    const limit = value(bound.limit);
    const isNaN = (): Value<"v128"> => c.op("f32x4.ne", c.get(limit), c.get(limit));
    const isZero = (): Value<"v128"> => c.op("f32x4.eq", c.get(limit), c.f32x4(0));
    guards.set(
      guardKey(bound.limit, bound.max),
      c.hold(
        bound.max
          ? c.op("v128.bitselect", c.get(limit), c.f32x4(-0), c.op("v128.or", isNaN(), isZero()))
          : c.op("v128.or", isNaN(), c.op("v128.and", isZero(), c.op("v128.and", c.get(limit), c.f32x4(-0)))),
      ),
    );
  }
  return guards;
}

/** What elements of a row have in common. */
export interface Row {
  /** Whether multiply-add is one instruction. */
  readonly fused: boolean;
  readonly scalars: readonly Four[];
  /** Of operands that have one element for all. */
  readonly same: readonly (V128 | undefined)[];
  /** Of operands whose elements are not one after another. */
  readonly strides: readonly (I32 | undefined)[];
  readonly guards: ReadonlyMap<string, V128>;
  /** Four elements of an operand, or one in all lanes, `ahead` elements from where its pointer is. */
  readonly load: (operand: number, ahead: number, width: 4 | 1) => Value<"v128">;
}

/** Keeps what all rows use in locals: constants of halves, and the program's scalars, which it gives in all lanes. */
export function emitScalars(c: Code, program: Program, block: ArgumentBlock): Four[] {
  holdHalves(
    c,
    program.operands,
    program.outputs.map((o) => o.dtype),
  );
  return program.scalars.map((type, slot) => {
    const value = block.scalar(slot)();
    if (type === "f32") return [c.hold(c.op("f32x4.splat", value as Value<"f32">))]; // by the scalar's type
    const both = c.hold(c.op("f64x2.splat", value as Value<"f64">));
    return [both, both];
  });
}

export function emitRow(
  c: Code,
  program: Program,
  lanes: readonly Lane[],
  scalars: readonly Four[],
  pointer: (operand: number) => I32,
  stride: (operand: number) => Value<"i32">,
  fused: boolean,
): Row {
  const same = program.operands.map((dtype, k) => (lanes[k] === "same" ? c.hold(loadFour(c, dtype, pointer(k), 0, 1)) : undefined));
  const strides = lanes.map((lane, k) => (lane === "strided" ? c.hold(stride(k)) : undefined));
  const isSame = (operand: number): boolean => same[operand] !== undefined;
  const guards = emitGuards(c, program, isSame, (limit) => {
    if (limit.op === "scalar") return scalars[limit.slot]?.[0] ?? unreachable("scalar");
    if (limit.op === "arg") return same[limit.operand] ?? unreachable("operand");
    return c.hold(c.f32x4(limit.op === "const" ? Number(limit.value) : NaN));
  });
  const load = (k: number, ahead: number, width: 4 | 1): Value<"v128"> =>
    loadFour(c, program.operands[k] ?? unreachable("operand"), pointer(k), ahead, width, strides[k]);
  return { fused, scalars, same, strides, guards, load };
}

/** The values of expressions of four elements, or of one, `ahead` elements from where pointers are; `known` has what is bound already. */
export function emitFours(c: Code, roots: readonly Expr[], row: Row, width: 4 | 1, ahead: number, known?: ReadonlyMap<Expr, Four>): Four[] {
  const values = new Map<Expr, readonly (() => Value<"v128">)[]>();
  const bind = (e: Expr, four: Four): void =>
    void values.set(
      e,
      four.map((v) => () => c.get(v)),
    );
  known?.forEach((four, e) => bind(e, four));
  const value = (e: Expr, half = 0): Value<"v128"> => (values.get(e)?.[half] ?? unreachable("a vector before its value"))();
  const isSame = (operand: number): boolean => row.same[operand] !== undefined;

  const unary = (fn: UnaryOp, a: Expr): Value<"v128"> => {
    if (fn === "not") return c.op("v128.not", value(a));
    if (fn === "isnan") return c.op("f32x4.ne", value(a), value(a));
    if (fn === "isinf") return c.op("f32x4.eq", c.op("f32x4.abs", value(a)), c.f32x4(Infinity));
    if (fn === "isfinite") return c.op("f32x4.lt", c.op("f32x4.abs", value(a)), c.f32x4(Infinity));
    const plain = entry(UNARY, fn);
    if (plain !== undefined) return c.op(plain, value(a));
    const function_ = FUNCTIONS[fn] ?? unreachable(fn);
    return function_(c, row.fused, c.hold(value(a)));
  };
  const cast = (from: Expr, to: Expr["type"], half: number): Value<"v128"> => {
    if (to === "bool") return c.op("f32x4.ne", value(from), c.f32x4(0));
    if (to === "f64") return c.op("f64x2.promote_low_f32x4", half === 0 ? value(from) : c.shuffle32(value(from), value(from), [2, 3, 2, 3]));
    if (from.type === "bool") return c.op("v128.and", value(from), c.f32x4(1));
    return c.shuffle32(c.op("f32x4.demote_f64x2_zero", value(from)), c.op("f32x4.demote_f64x2_zero", value(from, 1)), [0, 1, 4, 5]);
  };
  /** The vector, or of doubles the first or second half. */
  const made = (e: Expr, half: number): Value<"v128"> => {
    switch (e.op) {
      case "scalar":
        return c.get(row.scalars[e.slot]?.[half] ?? unreachable("scalar"));
      case "arg": {
        const same = row.same[e.operand];
        return same === undefined ? row.load(e.operand, ahead, width) : c.get(same);
      }
      case "select": {
        const [low, high] = half === 0 ? [0, 1] : [2, 3];
        const mask = (): Value<"v128"> => (e.type === "f64" ? c.shuffle32(value(e.cond), value(e.cond), [low, low, high, high]) : value(e.cond));
        return c.op("v128.bitselect", value(e.a, half), value(e.b, half), mask());
      }
      case "unary":
        return unary(e.fn, e.a);
      case "binary": {
        // Sums of products stay two roundings, as PyTorch has them: a floor or a comparison may follow.
        const bound = boundOf(e, isSame);
        if (bound !== undefined) {
          const guard = row.guards.get(guardKey(bound.limit, bound.max)) ?? unreachable("a bound without its guard");
          const clamped = c.op(bound.max ? "f32x4.pmax" : "f32x4.pmin", value(bound.x), value(bound.limit));
          return c.op(bound.max ? "f32x4.add" : "v128.or", clamped, c.get(guard));
        }
        const name: Instruction & InstructionName = binaryInstruction(e.fn, e.a.type) ?? unreachable(e.fn);
        return c.op(name, value(e.a, half), value(e.b, half));
      }
      case "cast":
        return cast(e.a, e.type, half);
      case "round":
        return isHalf(e.format) ? emitRound(c, e.format, c.hold(value(e.a))) : unreachable(e.format);
      default:
        return unreachable(`a vector of ${e.op}`);
    }
  };
  const halves = (e: Expr): number[] => (e.type === "f64" ? [0, 1] : [0]);
  for (const step of schedule(roots).steps) {
    if (step.kind !== "node" || values.has(step.expr)) continue;
    const e = step.expr;
    if (e.op === "const")
      values.set(
        e,
        halves(e).map(() => () => constantOf(c, e)),
      );
    else
      bind(
        e,
        halves(e).map((half) => c.hold(made(e, half))),
      );
  }
  return roots.map((e) => halves(e).map((half) => c.hold(value(e, half))));
}

/** Takes over the first of the values. */
export function setFour(c: Code, state: Four, [values]: readonly Four[]): void {
  state.forEach((local, i) => c.set(local, c.get(values?.[i] ?? unreachable("a vector"))));
}

/** Has a combiner's one state take an element, or another state. `row` is of no operands. */
export function joinFour(c: Code, { combine }: Combiner, row: Row, state: Four, element: Four): void {
  const known = new Map<Expr, Four>();
  for (const e of reachable(combine)) if (e.op === "acc" || e.op === "val") known.set(e, e.op === "acc" ? state : element);
  setFour(c, state, emitFours(c, combine, row, 4, 0, known));
}

function constantOf(c: Code, { type, value }: Expr & { readonly op: "const" }): Value<"v128"> {
  if (type === "bool") return c.i32x4(value === true ? -1 : 0);
  return type === "f64" ? c.f64x2(Number(value)) : c.f32x4(Number(value));
}

/** Kernel of a map over `rank` merged axes, whose innermost is contiguous in every result. `lanes` says how operands lie along it. */
export function vectorMapKernel(program: Program, rank: number, lanes: readonly Lane[], fused: boolean): Emit {
  return (c) => {
    const count = program.operands.length;
    const dtypes = [...program.operands, ...program.outputs.map((o) => o.dtype)];
    const views = dtypes.map((_, k) => k);
    const block = new ArgumentBlock(
      c,
      rank,
      views.map(() => rank),
      program.scalars,
    );
    const scalars = emitScalars(c, program, block);
    const dtypeOf = (k: number): DType => dtypes[k] ?? unreachable("dtype");
    emitLoops(c, block, views, 0, rank - 1, new Map(), (pointers) => {
      const at = views.map((k) => c.hold(c.get(pointers.get(k) ?? block.base(k))));
      const pointer = (k: number): I32 => at[k] ?? unreachable("pointer");
      const row = emitRow(c, program, lanes, scalars, pointer, (k) => block.strideOf(k, rank - 1)(), fused);
      const left = c.hold(c.get(block.size(rank - 1)));
      /** Four elements, or one, `ahead` elements from where the pointers are. */
      const trip = (width: 4 | 1, ahead: number): void => {
        const roots = program.outputs.map((o) => o.parts[0] ?? unreachable("part"));
        const values = emitFours(c, roots, row, width, ahead);
        values.forEach(([value = unreachable("a vector")], j) => storeFour(c, dtypeOf(count + j), pointer(count + j), value, ahead, width));
      };
      // Short bodies go four vectors a trip: stepping pointers would take as long as they do. Long ones would only compile longer.
      const long = isApproximate(program) || program.outputs.length > 1 || dtypes.some(isHalf) || lanes.includes("strided");
      for (const [width, times] of [[4, long ? 1 : 4], ...(long ? [] : [[4, 1] as const]), [1, 1]] as const) {
        const elements = width * times;
        emitTrips(c, left, elements, () => {
          for (let t = 0; t < times; t++) trip(width, t * width);
          for (const k of views) {
            const stride = row.strides[k];
            const step = (): Value<"i32"> =>
              stride === undefined ? c.i32(dtypeInfo(dtypeOf(k)).itemsize * elements) : c.op("i32.mul", c.get(stride), c.i32(elements));
            if (row.same[k] === undefined) c.set(pointer(k), c.op("i32.add", c.get(pointer(k)), step()));
          }
        });
      }
    });
    c.i32(0);
  };
}
