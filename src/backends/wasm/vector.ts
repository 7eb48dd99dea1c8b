/** Maps of float32 and bool, four elements at a time. The last few go one by one through the same vector code, so that bits do not depend on places. */

import type { BinaryOp, Expr, UnaryOp } from "../../expr/expr.ts";
import { operandsOf, reachable } from "../../expr/expr.ts";
import { schedule } from "../../expr/schedule.ts";
import type { Program } from "../../prims/program.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Code, Local, Value } from "../../wasm/code.ts";
import type { InstructionName } from "../../wasm/instructions.ts";
import { ArgumentBlock, emitLoops } from "./arguments.ts";
import type { V128 } from "./emit.ts";
import type { Emit } from "./runtime.ts";
import { type VectorFunction, vectorErf, vectorExp, vectorLog, vectorTanh } from "./vector-math.ts";

/** How an operand lies along the innermost axis: one element after another, or one for all. */
export type Lane = "contiguous" | "same";

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
type Arithmetic = (typeof ARITHMETIC)[keyof typeof ARITHMETIC] | (typeof COMPARE)[keyof typeof COMPARE] | (typeof LOGIC)[keyof typeof LOGIC];

function entry<T extends object>(table: T, key: string): T[keyof T] | undefined {
  return Object.hasOwn(table, key) ? table[key as keyof T] : undefined;
}

function binaryInstruction(fn: BinaryOp, operands: Expr["type"]): Arithmetic | undefined {
  return operands === "f32" ? (entry(ARITHMETIC, fn) ?? entry(COMPARE, fn)) : operands === "bool" ? entry(LOGIC, fn) : undefined;
}

function vectorizable(e: Expr): boolean {
  if (e.type !== "f32" && e.type !== "bool") return false;
  switch (e.op) {
    case "const":
    case "scalar":
    case "arg":
    case "select":
      return true;
    case "unary":
      if (e.fn === "not") return true;
      if (e.a.type !== "f32") return false;
      return entry(UNARY, e.fn) !== undefined || FUNCTIONS[e.fn] !== undefined || e.fn === "isnan" || e.fn === "isinf" || e.fn === "isfinite";
    case "binary":
      return binaryInstruction(e.fn, e.a.type) !== undefined;
    case "cast":
      return e.a.type === "bool" || e.a.type === "f32";
    default:
      return false;
  }
}

const known = new WeakMap<Program, boolean>();

/** Whether all of a program can be computed four elements at a time. */
export function isVectorizable(program: Program): boolean {
  let yes = known.get(program);
  if (yes === undefined) {
    const seen = new Set<Expr>();
    const walk = (e: Expr): boolean => {
      if (seen.has(e)) return true;
      seen.add(e);
      return vectorizable(e) && operandsOf(e).every(walk);
    };
    const plain = (dtype: string): boolean => dtype === "float32" || dtype === "bool";
    yes =
      program.operands.every(plain) &&
      program.scalars.every((t) => t === "f32") &&
      program.outputs.every((o) => plain(o.dtype) && o.parts.length === 1 && o.parts.every(walk));
    known.set(program, yes);
  }
  return yes;
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

/** Values of expressions as vectors: floats, or masks of all ones for true. */
class VectorPrinter {
  readonly #c: Code;
  readonly #fused: boolean;
  readonly #load: (operand: number, isBool: boolean) => Value<"v128">;
  readonly #scalar: (slot: number) => V128;
  readonly #isSame: (operand: number) => boolean;
  readonly #guards: ReadonlyMap<string, V128>;
  readonly #values = new Map<Expr, () => Value<"v128">>();

  constructor(
    c: Code,
    fused: boolean,
    load: (operand: number, isBool: boolean) => Value<"v128">,
    scalar: (slot: number) => V128,
    isSame: (operand: number) => boolean,
    guards: ReadonlyMap<string, V128>,
  ) {
    this.#c = c;
    this.#isSame = isSame;
    this.#guards = guards;
    this.#fused = fused;
    this.#load = load;
    this.#scalar = scalar;
  }

  evaluate(roots: readonly Expr[]): V128[] {
    const c = this.#c;
    for (const step of schedule(roots).steps) {
      if (step.kind !== "node" || this.#values.has(step.expr)) continue;
      const e = step.expr;
      if (e.op === "const") this.#values.set(e, () => (e.type === "bool" ? c.i32x4(e.value === true ? -1 : 0) : c.f32x4(Number(e.value))));
      else {
        const local = c.hold(this.#emit(e));
        this.#values.set(e, () => c.get(local));
      }
    }
    return roots.map((e) => c.hold(this.#value(e)));
  }

  #value(e: Expr): Value<"v128"> {
    return (this.#values.get(e) ?? unreachable("a vector before its value"))();
  }

  #emit(e: Expr): Value<"v128"> {
    const c = this.#c;
    switch (e.op) {
      case "scalar":
        return c.get(this.#scalar(e.slot));
      case "arg":
        return this.#load(e.operand, e.type === "bool");
      case "select":
        return c.op("v128.bitselect", this.#value(e.a), this.#value(e.b), this.#value(e.cond));
      case "unary":
        return this.#unary(e.fn, e.a);
      case "binary": {
        // Sums of products stay two roundings, as PyTorch has them: a floor or a comparison may follow.
        const bound = boundOf(e, this.#isSame);
        if (bound !== undefined) {
          const guard = this.#guards.get(guardKey(bound.limit, bound.max)) ?? unreachable("a bound without its guard");
          const clamped = c.op(bound.max ? "f32x4.pmax" : "f32x4.pmin", this.#value(bound.x), this.#value(bound.limit));
          return c.op(bound.max ? "f32x4.add" : "v128.or", clamped, c.get(guard));
        }
        const name: Arithmetic & InstructionName = binaryInstruction(e.fn, e.a.type) ?? unreachable(e.fn);
        return c.op(name, this.#value(e.a), this.#value(e.b));
      }
      case "cast":
        if (e.a.type === e.type) return this.#value(e.a);
        return e.type === "bool" ? c.op("f32x4.ne", this.#value(e.a), c.f32x4(0)) : c.op("v128.and", this.#value(e.a), c.f32x4(1));
      default:
        return unreachable(`a vector of ${e.op}`);
    }
  }

  #unary(fn: UnaryOp, a: Expr): Value<"v128"> {
    const c = this.#c;
    if (fn === "not") return c.op("v128.not", this.#value(a));
    if (fn === "isnan") return c.op("f32x4.ne", this.#value(a), this.#value(a));
    if (fn === "isinf") return c.op("f32x4.eq", c.op("f32x4.abs", this.#value(a)), c.f32x4(Infinity));
    if (fn === "isfinite") return c.op("f32x4.lt", c.op("f32x4.abs", this.#value(a)), c.f32x4(Infinity));
    const plain = entry(UNARY, fn);
    if (plain !== undefined) return c.op(plain, this.#value(a));
    const function_ = FUNCTIONS[fn] ?? unreachable(fn);
    return function_(c, this.#fused, c.hold(this.#value(a)));
  }
}

/** Kernel of a map over `rank` merged axes, whose innermost is contiguous in every result. `lanes` says how operands lie along it. */
export function vectorMapKernel(program: Program, rank: number, lanes: readonly Lane[], fused: boolean): Emit {
  return (c) => {
    const count = program.operands.length;
    const views = [...program.operands, ...program.outputs.map((o) => o.dtype)].map((dtype, k) => ({
      k,
      bytes: dtype === "bool" ? 1 : 4,
      lane: lanes[k] ?? "contiguous",
    }));
    const block = new ArgumentBlock(
      c,
      rank,
      views.map(() => rank),
      program.scalars,
    );
    const scalars = program.scalars.map((_, slot) => c.hold(c.op("f32x4.splat", block.scalar(slot)() as Value<"f32">))); // all are f32
    const isSame = (operand: number): boolean => lanes[operand] === "same";
    const outer = views.map(({ k }) => k);
    emitLoops(c, block, outer, 0, rank - 1, new Map(), (pointers) => {
      const at = views.map(({ k }) => c.hold(c.get(pointers.get(k) ?? block.base(k))));
      const pointer = (k: number): Local<"i32"> => at[k] ?? unreachable("pointer");
      const same = views.map(({ k, lane, bytes }) => {
        if (k >= count || lane !== "same") return undefined;
        return c.hold(
          bytes === 1
            ? c.op("i32x4.splat", c.op("i32.sub", c.i32(0), c.load("i32.load8_u", c.get(pointer(k)))))
            : c.load("v128.load32_splat", c.get(pointer(k))),
        );
      });
      const guards = emitGuards(c, program, isSame, (limit) => {
        if (limit.op === "scalar") return scalars[limit.slot] ?? unreachable("scalar");
        if (limit.op === "arg") return same[limit.operand] ?? unreachable("operand");
        return c.hold(c.f32x4(limit.op === "const" ? Number(limit.value) : NaN));
      });
      const left = c.hold(c.get(block.size(rank - 1)));
      /** Four elements, or one, `ahead` elements from where the pointers are. */
      const trip = (width: 4 | 1, ahead: number): void => {
        const load = (k: number, isBool: boolean): Value<"v128"> => {
          const value = same[k];
          if (value !== undefined) return c.get(value);
          if (!isBool) return width === 4 ? c.load("v128.load", c.get(pointer(k)), 4 * ahead) : c.load("v128.load32_splat", c.get(pointer(k)));
          const bytes = width === 4 ? c.load("v128.load32_zero", c.get(pointer(k)), ahead) : c.op("i32x4.splat", c.load("i32.load8_u", c.get(pointer(k))));
          return c.op("i32x4.ne", c.op("i32x4.extend_low_i16x8_u", c.op("i16x8.extend_low_i8x16_u", bytes)), c.i32x4(0));
        };
        const values = new VectorPrinter(c, fused, load, (slot) => scalars[slot] ?? unreachable("scalar"), isSame, guards).evaluate(
          program.outputs.map((o) => o.parts[0] ?? unreachable("part")),
        );
        values.forEach((value, j) => {
          const to = c.get(pointer(count + j));
          if (program.outputs[j]?.dtype === "bool") {
            const ones = c.hold(c.op("v128.and", c.get(value), c.i32x4(1)));
            const bytes = c.op("i8x16.narrow_i16x8_u", c.op("i16x8.narrow_i32x4_u", c.get(ones), c.get(ones)), c.f32x4(0));
            const word = c.extract("i32x4.extract_lane", bytes, 0);
            if (width === 4) c.store("i32.store", to, word, ahead);
            else c.store("i32.store8", to, word);
          } else if (width === 4) c.store("v128.store", to, c.get(value), 4 * ahead);
          else c.store("f32.store", to, c.extract("f32x4.extract_lane", c.get(value), 0));
        });
      };
      // Short bodies go four vectors a trip: stepping pointers would take as long as they do. Long ones would only compile longer.
      const long = isApproximate(program) || program.outputs.length > 1;
      for (const [width, times] of [[4, long ? 1 : 4], ...(long ? [] : [[4, 1] as const]), [1, 1]] as const) {
        const elements = width * times;
        c.block((done) => {
          c.loop((again) => {
            c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(elements)));
            for (let t = 0; t < times; t++) trip(width, t * width);
            for (const { k, bytes, lane } of views)
              if (k >= count || lane === "contiguous") c.set(pointer(k), c.op("i32.add", c.get(pointer(k)), c.i32(bytes * elements)));
            c.set(left, c.op("i32.sub", c.get(left), c.i32(elements)));
            c.br(again);
          });
        });
      }
    });
    c.i32(0);
  };
}
