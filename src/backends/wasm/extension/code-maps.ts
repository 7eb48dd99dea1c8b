/**
 * Maps of codes as vectors: between floats and integers of up to 32 bits, four elements at a time. Doubles are pairs of vectors. Each step is exact or rounds as
 * its scalar form does, so bits are those of the kernels that go one by one.
 */

import type { BinaryOp, Expr, ExprType, UnaryOp } from "../../../expr/expr.ts";
import type { Program } from "../../../prims/program.ts";
import type { DType } from "../../../tensor/dtype.ts";
import type { Code, Local, Value } from "../../../wasm/code.ts";
import type { I32, V128 } from "../emit.ts";
import type { Emit } from "../runtime.ts";
import type { Lane } from "../element.ts";
import type { ARITHMETIC } from "../vector.ts";
import type { COMPARE } from "../vector.ts";
import type { UNARY } from "../vector.ts";
import { kit } from "./shared.ts";

/** One vector of four lanes, or two of two. Bools are masks. */
type Four = readonly V128[];

const DOUBLE = { add: "f64x2.add", sub: "f64x2.sub", mul: "f64x2.mul", div: "f64x2.div", min: "f64x2.pmin", max: "f64x2.pmax" } as const;
const DOUBLE_UNARY = { rint: "f64x2.nearest" } as const;
const WHOLE = { add: "i32x4.add", sub: "i32x4.sub", min: "i32x4.min_s", max: "i32x4.max_s" } as const;

type Of<T> = T[keyof T];
type Two = Of<typeof ARITHMETIC> | Of<typeof COMPARE> | Of<typeof DOUBLE> | Of<typeof WHOLE>;
type One = Of<typeof UNARY> | Of<typeof DOUBLE_UNARY>;

function entry<T extends object>(table: T, key: string): T[keyof T] | undefined {
  return Object.hasOwn(table, key) ? table[key as keyof T] : undefined;
}

/** Bits of the integers that lie in lanes of 32 bits; undefined for other types. */
const BITS: Partial<Record<ExprType, number>> = { i8: 8, u8: 8, i16: 16, i32: 32 };
const isWhole = (type: ExprType): boolean => BITS[type] !== undefined;

/** A bound that `pmin` and `pmax` take as `min` and `max` do: no NaN, and of both zeros the one that they keep, but for a maximum with zero, which is corrected. */
function limitOf(e: Expr & { readonly op: "binary" }): number | undefined {
  const limit = e.b.op === "const" && typeof e.b.value === "number" ? e.b.value : undefined;
  if (limit === undefined || Number.isNaN(limit) || Object.is(limit, -0)) return undefined;
  return limit;
}

/** Whether a float is a NaN or in the range of 32 bits, and so truncates as the scalar form does, which gives what is no number lower bits of zero. */
function isBounded(e: Expr): boolean {
  const inside = (x: unknown): boolean => typeof x === "number" && Math.abs(x) < 2 ** 31;
  if (e.op === "const") return inside(e.value);
  if (e.op === "select") return isBounded(e.a) && isBounded(e.b);
  if (e.op !== "binary" || e.b.op !== "const" || !inside(e.b.value)) return false;
  const other = e.fn === "min" ? "max" : e.fn === "max" ? "min" : undefined;
  return other !== undefined && e.a.op === "binary" && e.a.fn === other && e.a.b.op === "const" && inside(e.a.b.value);
}

function binaryInstruction(fn: BinaryOp, type: ExprType): Two | undefined {
  if (type === "f32") return entry(kit.ARITHMETIC, fn) ?? entry(kit.COMPARE, fn);
  if (type === "f64") return entry(DOUBLE, fn);
  return isWhole(type) ? entry(WHOLE, fn) : undefined;
}
const unaryInstruction = (fn: UnaryOp, type: ExprType): One | undefined =>
  type === "f32" ? entry(kit.UNARY, fn) : type === "f64" ? entry(DOUBLE_UNARY, fn) : undefined;

function isStep(e: Expr): boolean {
  if (e.type !== "f32" && e.type !== "f64" && e.type !== "bool" && !isWhole(e.type)) return false;
  switch (e.op) {
    case "const":
      return e.type !== "bool";
    case "scalar":
    case "arg":
      return e.type !== "bool";
    case "select":
      return true;
    case "unary":
      return (e.fn === "isnan" && e.a.type !== "bool") || unaryInstruction(e.fn, e.a.type) !== undefined;
    case "binary":
      if (e.a.type === "f64" && (e.fn === "min" || e.fn === "max")) return limitOf(e) !== undefined;
      return binaryInstruction(e.fn, e.a.type) !== undefined;
    case "cast": {
      if (e.saturate || e.a.type === "bool" || e.type === "bool") return false;
      if (isWhole(e.a.type)) return isWhole(e.type) || e.type === "f32" || e.type === "f64";
      return !isWhole(e.type) || (e.a.type === "f64" && e.type !== "i32" && isBounded(e.a));
    }
    default:
      return false;
  }
}

const isElement = (dtype: DType): boolean => {
  const { carrier, class: kind, itemsize } = kit.dtypeInfo(dtype);
  return dtype === "float32" || (kind !== "float" && kind !== "complex" && dtype !== "bool" && itemsize <= 4 && ["i8", "u8", "i16", "i32"].includes(carrier));
};

const known = new WeakMap<Program, boolean>();

/** Whether all of a program goes by these vectors. */
export function isCodeMap(program: Program): boolean {
  let yes = known.get(program);
  if (yes === undefined) {
    const all = [...kit.reachable(program.outputs.flatMap((o) => o.parts))];
    yes =
      program.operands.every((dtype) => dtype === "float64" || isElement(dtype)) &&
      program.outputs.every((o) => isElement(o.dtype)) &&
      program.outputs.every((o) => o.parts.length === 1) &&
      program.scalars.every((type) => type === "f32" || type === "f64" || type === "i32") &&
      all.every((e) => isStep(e) && kit.operandsOf(e).every((x) => x.type !== "bool" || x.op !== "const"));
    known.set(program, yes);
  }
  return yes;
}

/** The types of a program's expressions in vectors of four. */
class CodePrinter {
  readonly #c: Code;
  readonly #load: (operand: number) => Four;
  readonly #scalars: readonly Four[];
  readonly #values = new Map<Expr, Four>();

  constructor(c: Code, load: (operand: number) => Four, scalars: readonly Four[]) {
    this.#c = c;
    this.#load = load;
    this.#scalars = scalars;
  }

  evaluate(roots: readonly Expr[]): V128[] {
    for (const step of kit.schedule(roots).steps) {
      if (step.kind === "node" && !this.#values.has(step.expr)) this.#values.set(step.expr, this.#made(step.expr));
    }
    return roots.map((e) => this.#only(e));
  }

  #of(e: Expr): Four {
    return this.#values.get(e) ?? kit.unreachable("a vector before its value");
  }
  /** The one vector of what is no double. */
  #only(e: Expr): V128 {
    return this.#of(e)[0] ?? kit.unreachable("a vector");
  }
  #each(vectors: Four, make: (v: V128, half: number) => Value<"v128">): Four {
    return vectors.map((v, half) => this.#c.hold(make(v, half)));
  }

  #made(e: Expr): Four {
    const c = this.#c;
    switch (e.op) {
      case "const":
        return constantOf(c, e.type, Number(e.value));
      case "scalar":
        return this.#scalars[e.slot] ?? kit.unreachable("scalar");
      case "arg":
        return this.#load(e.operand);
      case "select": {
        const [a, b, mask] = [this.#of(e.a), this.#of(e.b), this.#only(e.cond)];
        return this.#each(a, (v, half) => {
          const other = b[half] ?? v;
          const condition = (): Value<"v128"> =>
            a.length === 1 ? c.get(mask) : c.shuffle32(c.get(mask), c.get(mask), half === 0 ? [0, 0, 1, 1] : [2, 2, 3, 3]);
          return c.op("v128.bitselect", c.get(v), c.get(other), condition());
        });
      }
      case "unary": {
        const a = this.#of(e.a);
        const name = unaryInstruction(e.fn, e.a.type);
        if (name !== undefined) return this.#each(a, (v) => c.op(name, c.get(v)));
        if (isWhole(e.a.type)) return [c.hold(c.i32x4(0))];
        return this.#mask(this.#each(a, (v) => c.op(a.length === 1 ? "f32x4.ne" : "f64x2.ne", c.get(v), c.get(v))));
      }
      case "binary": {
        const [a, b] = [this.#of(e.a), this.#of(e.b)];
        const name = binaryInstruction(e.fn, e.a.type) ?? kit.unreachable(e.fn);
        const made = this.#each(a, (v, half) => c.op(name, c.get(v), c.get(b[half] ?? v)));
        // Of -0 and a limit of 0 the greater is 0.
        if (name === "f64x2.pmax" && e.b.op === "const" && Number(e.b.value) === 0) return this.#each(made, (v) => c.op("f64x2.add", c.get(v), c.f64x2(0)));
        return e.type === "bool" ? this.#mask(made) : this.#wrapped(made, e.type);
      }
      case "cast":
        return this.#cast(this.#of(e.a), e.a.type, e.type);
      default:
        return kit.unreachable(`a vector of ${e.op}`);
    }
  }

  /** Two masks of doubles as one of four lanes. */
  #mask(vectors: Four): Four {
    const [low, high] = vectors;
    if (low === undefined || high === undefined) return vectors;
    return [this.#c.hold(this.#c.shuffle32(this.#c.get(low), this.#c.get(high), [0, 2, 4, 6]))];
  }

  /** Exact results in 32 bits, brought back into their type. */
  #wrapped(vectors: Four, type: ExprType): Four {
    const c = this.#c;
    const spare = 32 - (BITS[type] ?? 32);
    if (spare === 0) return vectors;
    if (type === "u8") return this.#each(vectors, (v) => c.op("v128.and", c.get(v), c.i32x4(255)));
    return this.#each(vectors, (v) => c.op("i32x4.shr_s", c.op("i32x4.shl", c.get(v), c.i32(spare)), c.i32(spare)));
  }

  #cast(a: Four, from: ExprType, to: ExprType): Four {
    const c = this.#c;
    const [first = kit.unreachable("a vector"), second] = a;
    const upper = (v: V128): Value<"v128"> => c.shuffle32(c.get(v), c.get(v), [2, 3, 2, 3]);
    if (from === to) return a;
    if (isWhole(from)) {
      if (isWhole(to)) return (BITS[to] ?? 32) > (BITS[from] ?? 32) || (BITS[to] === 32 && BITS[from] === 32) ? a : this.#wrapped(a, to);
      if (to === "f32") return this.#each(a, (v) => c.op("f32x4.convert_i32x4_s", c.get(v)));
      return [c.hold(c.op("f64x2.convert_low_i32x4_s", c.get(first))), c.hold(c.op("f64x2.convert_low_i32x4_s", upper(first)))];
    }
    if (to === "f64") return [c.hold(c.op("f64x2.promote_low_f32x4", c.get(first))), c.hold(c.op("f64x2.promote_low_f32x4", upper(first)))];
    const narrow = (name: "f32x4.demote_f64x2_zero" | "i32x4.trunc_sat_f64x2_s_zero"): Four => {
      const halves = this.#each(a, (v) => c.op(name, c.get(v)));
      const [low = first, high = second ?? first] = halves;
      return [c.hold(c.shuffle32(c.get(low), c.get(high), [0, 1, 4, 5]))];
    };
    if (to === "f32") return narrow("f32x4.demote_f64x2_zero");
    return this.#wrapped(narrow("i32x4.trunc_sat_f64x2_s_zero"), to);
  }
}

function constantOf(c: Code, type: ExprType, value: number): Four {
  if (type === "f32") return [c.hold(c.f32x4(value))];
  if (type !== "f64") return [c.hold(c.i32x4(value))];
  const both = c.hold(c.f64x2(value));
  return [both, both];
}

function splatOf(c: Code, value: Value): Four {
  // The instruction goes by the value's own type.
  if (value.type === "f32") return [c.hold(c.op("f32x4.splat", value as Value<"f32">))];
  if (value.type === "i32") return [c.hold(c.op("i32x4.splat", value as Value<"i32">))];
  const both = c.hold(c.op("f64x2.splat", value as Value<"f64">));
  return [both, both];
}

/** Four elements, or one in all lanes. */
function loadElements(c: Code, dtype: DType, at: I32, width: 4 | 1): Four {
  if (dtype !== "float64") return [c.hold(loadWords(c, dtype, at, width))];
  if (width === 4) return [0, 16].map((offset) => c.hold(c.load("v128.load", c.get(at), offset)));
  const both = c.hold(c.load("v128.load64_splat", c.get(at)));
  return [both, both];
}

function loadWords(c: Code, dtype: DType, at: I32, width: 4 | 1): Value<"v128"> {
  switch (kit.dtypeInfo(dtype).carrier) {
    case "i8":
      return width === 4 ? c.op("i32x4.extend_low_i16x8_s", c.load("v128.load8x8_s", c.get(at))) : c.op("i32x4.splat", c.load("i32.load8_s", c.get(at)));
    case "u8":
      return width === 4 ? c.op("i32x4.extend_low_i16x8_u", c.load("v128.load8x8_u", c.get(at))) : c.op("i32x4.splat", c.load("i32.load8_u", c.get(at)));
    case "i16":
      return width === 4 ? c.load("v128.load16x4_s", c.get(at)) : c.op("i32x4.splat", c.load("i32.load16_s", c.get(at)));
    default:
      return c.load(width === 4 ? "v128.load" : "v128.load32_splat", c.get(at));
  }
}

function storeElements(c: Code, dtype: DType, at: I32, value: V128, width: 4 | 1): void {
  const { carrier } = kit.dtypeInfo(dtype);
  const to = c.get(at);
  const narrow = (): Value<"v128"> => c.op("i16x8.narrow_i32x4_s", c.get(value), c.get(value));
  if (width === 1) {
    const word = c.extract("i32x4.extract_lane", c.get(value), 0);
    c.store(carrier === "i8" || carrier === "u8" ? "i32.store8" : carrier === "i16" ? "i32.store16" : "i32.store", to, word);
  } else if (carrier === "i16") c.store("i64.store", to, c.extract("i64x2.extract_lane", narrow(), 0));
  else if (carrier === "i8" || carrier === "u8") {
    const shorts = c.hold(narrow());
    const bytes = c.op(carrier === "i8" ? "i8x16.narrow_i16x8_s" : "i8x16.narrow_i16x8_u", c.get(shorts), c.get(shorts));
    c.store("i32.store", to, c.extract("i32x4.extract_lane", bytes, 0));
  } else c.store("v128.store", to, c.get(value));
}

/** Kernel of a map over `rank` merged axes, whose innermost is contiguous in every result. `lanes` says how operands lie along it. */
export function codeMapKernel(program: Program, rank: number, lanes: readonly Lane[]): Emit {
  return (c) => {
    const count = program.operands.length;
    const dtypes = [...program.operands, ...program.outputs.map((o) => o.dtype)];
    const block = new kit.ArgumentBlock(
      c,
      rank,
      dtypes.map(() => rank),
      program.scalars,
    );
    const scalars = program.scalars.map((_, slot) => splatOf(c, block.scalar(slot)()));
    const views = dtypes.map((_, k) => k);
    kit.emitLoops(c, block, views, 0, rank - 1, new Map(), (pointers) => {
      const at = views.map((k) => c.hold(c.get(pointers.get(k) ?? block.base(k))));
      const pointer = (k: number): Local<"i32"> => at[k] ?? kit.unreachable("pointer");
      const isSame = (k: number): boolean => k < count && lanes[k] === "same";
      const same = views.map((k) => (isSame(k) ? loadElements(c, dtypes[k] ?? "int32", pointer(k), 1) : undefined));
      const left = c.hold(c.get(block.size(rank - 1)));
      for (const width of [4, 1] as const) {
        c.block((done) =>
          c.loop((again) => {
            c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(width)));
            const load = (k: number): Four => same[k] ?? loadElements(c, dtypes[k] ?? "int32", pointer(k), width);
            const values = new CodePrinter(c, load, scalars).evaluate(program.outputs.flatMap((o) => o.parts));
            values.forEach((value, j) => storeElements(c, dtypes[count + j] ?? "int32", pointer(count + j), value, width));
            dtypes.forEach((dtype, k) => {
              if (!isSame(k)) c.set(pointer(k), c.op("i32.add", c.get(pointer(k)), c.i32(width * kit.dtypeInfo(dtype).itemsize)));
            });
            c.set(left, c.op("i32.sub", c.get(left), c.i32(width)));
            c.br(again);
          }),
        );
      }
    });
    c.i32(0);
  };
}
