/**
 * Scalar operations as WebAssembly. What has an instruction, or a few, is printed; all others call the cpu's own function
 * (`backends/cpu/scalar.ts`), so that both have the same bits.
 */

import type { BinaryOp, Expr, ExprType, RoundFormat, UnaryOp } from "../../expr/expr.ts";
import type { Code, Value } from "../../wasm/code.ts";
import type { ValueType } from "../../wasm/instructions.ts";
import { emitSticky, isHalf, roundOne } from "./halves.ts";

/** How a type of the expression language lies on wasm's stack: small integers in 32 bits, sign- or zero-extended; indices in 64. */
export function valueType(type: ExprType): ValueType {
  switch (type) {
    case "f32":
    case "f64":
      return type;
    case "i64":
    case "u64":
    case "index":
      return "i64";
    default:
      return "i32";
  }
}

/** Pushes a value that has been computed. May be called many times. */
export type Push<T extends ValueType = ValueType> = () => Value<T>;

/** A host function that a kernel calls: which of the cpu's, at which types. */
export type HostFunction =
  | { readonly kind: "unary"; readonly fn: UnaryOp; readonly type: ExprType }
  | { readonly kind: "binary"; readonly fn: BinaryOp; readonly type: ExprType }
  | { readonly kind: "cast"; readonly from: ExprType; readonly to: ExprType; readonly saturate: boolean }
  | { readonly kind: "round"; readonly format: RoundFormat; readonly saturate: boolean; readonly type: ExprType }
  | { readonly kind: "encode"; readonly format: RoundFormat };

/** Emits a call of a host function. */
export type CallHost = (fn: HostFunction, args: readonly Push[]) => Value;

const SIGNED: ReadonlySet<ExprType> = new Set<ExprType>(["i8", "i16", "i32", "i64", "index"]);

// A push made for an expression of the type is of its value type: the emitter keeps them together.
const i32 = (p: Push): Value<"i32"> => p() as Value<"i32">;
const i64 = (p: Push): Value<"i64"> => p() as Value<"i64">;
const f32 = (p: Push): Value<"f32"> => p() as Value<"f32">;
const f64 = (p: Push): Value<"f64"> => p() as Value<"f64">;

/** An exact 32-bit result brought back into its type. */
function wrap(c: Code, type: ExprType, value: Value<"i32">): Value {
  switch (type) {
    case "i8":
      return c.op("i32.extend8_s", value);
    case "i16":
      return c.op("i32.extend16_s", value);
    case "u8":
      return c.op("i32.and", value, c.i32(255));
    case "u16":
      return c.op("i32.and", value, c.i32(65535));
    default:
      return value;
  }
}

/** `fn(a)` of an operand of `type`. */
export function emitUnary(c: Code, fn: UnaryOp, type: ExprType, a: Push, host: CallHost): Value {
  const kind = valueType(type);
  const otherwise = (): Value => host({ kind: "unary", fn, type }, [a]);
  switch (fn) {
    case "not":
      return c.op("i32.eqz", i32(a));
    case "neg":
      if (type === "bool") return a();
      if (kind === "f32") return c.op("f32.neg", f32(a));
      if (kind === "f64") return c.op("f64.neg", f64(a));
      if (kind === "i64") return c.op("i64.sub", c.i64(0n), i64(a));
      return wrap(c, type, c.op("i32.sub", c.i32(0), i32(a)));
    case "abs":
      if (type === "bool" || type === "u8" || type === "u16" || type === "u32" || type === "u64") return a();
      if (kind === "f32") return c.op("f32.abs", f32(a));
      if (kind === "f64") return c.op("f64.abs", f64(a));
      if (kind === "i64") return c.select(c.op("i64.sub", c.i64(0n), i64(a)), i64(a), c.op("i64.lt_s", i64(a), c.i64(0n)));
      return wrap(c, type, c.select(c.op("i32.sub", c.i32(0), i32(a)), i32(a), c.op("i32.lt_s", i32(a), c.i32(0))));
    case "bitnot":
      if (type === "bool") return c.op("i32.eqz", i32(a));
      if (kind === "i64") return c.op("i64.xor", i64(a), c.i64(-1n));
      return kind === "i32" ? wrap(c, type, c.op("i32.xor", i32(a), c.i32(-1))) : otherwise();
    case "sqrt":
      return kind === "f32" ? c.op("f32.sqrt", f32(a)) : kind === "f64" ? c.op("f64.sqrt", f64(a)) : otherwise();
    case "floor":
      return kind === "f32" ? c.op("f32.floor", f32(a)) : kind === "f64" ? c.op("f64.floor", f64(a)) : a();
    case "ceil":
      return kind === "f32" ? c.op("f32.ceil", f32(a)) : kind === "f64" ? c.op("f64.ceil", f64(a)) : a();
    case "trunc":
      return kind === "f32" ? c.op("f32.trunc", f32(a)) : kind === "f64" ? c.op("f64.trunc", f64(a)) : a();
    case "rint":
      return kind === "f32" ? c.op("f32.nearest", f32(a)) : kind === "f64" ? c.op("f64.nearest", f64(a)) : a();
    case "isnan":
      return kind === "f32" ? c.op("f32.ne", f32(a), f32(a)) : kind === "f64" ? c.op("f64.ne", f64(a), f64(a)) : c.i32(0);
    case "isinf":
      return kind === "f32"
        ? c.op("f32.eq", c.op("f32.abs", f32(a)), c.f32(Infinity))
        : kind === "f64"
          ? c.op("f64.eq", c.op("f64.abs", f64(a)), c.f64(Infinity))
          : c.i32(0);
    case "isfinite":
      return kind === "f32"
        ? c.op("f32.lt", c.op("f32.abs", f32(a)), c.f32(Infinity))
        : kind === "f64"
          ? c.op("f64.lt", c.op("f64.abs", f64(a)), c.f64(Infinity))
          : c.i32(1);
    case "signbit":
      if (kind === "f32") return c.op("i32.shr_u", c.op("i32.reinterpret_f32", f32(a)), c.i32(31));
      if (kind === "f64") return c.op("i32.wrap_i64", c.op("i64.shr_u", c.op("i64.reinterpret_f64", f64(a)), c.i64(63n)));
      return otherwise();
    default:
      return otherwise();
  }
}

const F_ARITHMETIC = { add: "add", sub: "sub", mul: "mul", div: "div", min: "min", max: "max", copysign: "copysign" } as const;
const COMPARE = { eq: "eq", ne: "ne", lt: "lt", le: "le", gt: "gt", ge: "ge" } as const;

function isKeyOf<T extends object>(table: T, key: string): key is string & keyof T {
  return Object.hasOwn(table, key);
}

/** `fn(a, b)` of operands of `type`. */
export function emitBinary(c: Code, fn: BinaryOp, type: ExprType, a: Push, b: Push, host: CallHost): Value {
  const kind = valueType(type);
  const otherwise = (): Value => host({ kind: "binary", fn, type }, [a, b]);
  if (isKeyOf(COMPARE, fn)) return compare(c, fn, type, a, b);
  if (type === "bool") {
    switch (fn) {
      case "and":
      case "mul":
      case "min":
      case "fmin":
      case "bitand":
        return c.op("i32.and", i32(a), i32(b));
      case "or":
      case "add":
      case "max":
      case "fmax":
      case "bitor":
        return c.op("i32.or", i32(a), i32(b));
      case "xor":
      case "sub":
      case "bitxor":
        return c.op("i32.xor", i32(a), i32(b));
      default:
        return otherwise();
    }
  }
  if (kind === "f32") return isKeyOf(F_ARITHMETIC, fn) ? c.op(`f32.${F_ARITHMETIC[fn]}`, f32(a), f32(b)) : otherwise();
  if (kind === "f64") return isKeyOf(F_ARITHMETIC, fn) ? c.op(`f64.${F_ARITHMETIC[fn]}`, f64(a), f64(b)) : otherwise();
  const signed = SIGNED.has(type);
  if (kind === "i64") {
    switch (fn) {
      case "add":
        return c.op("i64.add", i64(a), i64(b));
      case "sub":
        return c.op("i64.sub", i64(a), i64(b));
      case "mul":
        return c.op("i64.mul", i64(a), i64(b));
      case "bitand":
        return c.op("i64.and", i64(a), i64(b));
      case "bitor":
        return c.op("i64.or", i64(a), i64(b));
      case "bitxor":
        return c.op("i64.xor", i64(a), i64(b));
      case "min":
      case "fmin":
        return c.select(i64(a), i64(b), signed ? c.op("i64.lt_s", i64(a), i64(b)) : c.op("i64.lt_u", i64(a), i64(b)));
      case "max":
      case "fmax":
        return c.select(i64(a), i64(b), signed ? c.op("i64.gt_s", i64(a), i64(b)) : c.op("i64.gt_u", i64(a), i64(b)));
      case "div":
      case "quot":
        return signed ? dividing64(c, b, () => quotient64(c, a, b)) : dividing64(c, b, (d) => c.op("i64.div_u", i64(a), i64(d)));
      case "rem":
      case "fmod":
        return dividing64(c, b, (d) => (signed ? c.op("i64.rem_s", i64(a), i64(d)) : c.op("i64.rem_u", i64(a), i64(d))));
      case "floordiv":
        return signed ? dividing64(c, b, (d) => floored64(c, a, d, "quotient")) : dividing64(c, b, (d) => c.op("i64.div_u", i64(a), i64(d)));
      case "remainder":
        return signed ? dividing64(c, b, (d) => floored64(c, a, d, "remainder")) : dividing64(c, b, (d) => c.op("i64.rem_u", i64(a), i64(d)));
      default:
        return otherwise();
    }
  }
  switch (fn) {
    case "add":
      return wrap(c, type, c.op("i32.add", i32(a), i32(b)));
    case "sub":
      return wrap(c, type, c.op("i32.sub", i32(a), i32(b)));
    case "mul":
      return wrap(c, type, c.op("i32.mul", i32(a), i32(b)));
    case "bitand":
      return c.op("i32.and", i32(a), i32(b));
    case "bitor":
      return c.op("i32.or", i32(a), i32(b));
    case "bitxor":
      return c.op("i32.xor", i32(a), i32(b));
    case "min":
    case "fmin":
      return c.select(i32(a), i32(b), signed ? c.op("i32.lt_s", i32(a), i32(b)) : c.op("i32.lt_u", i32(a), i32(b)));
    case "max":
    case "fmax":
      return c.select(i32(a), i32(b), signed ? c.op("i32.gt_s", i32(a), i32(b)) : c.op("i32.gt_u", i32(a), i32(b)));
    default:
      return otherwise();
  }
}

/** Quotient by a divisor that may be -1: the one quotient that does not fit wraps instead of trapping. */
function quotient64(c: Code, a: Push, b: Push): Value<"i64"> {
  const safe = (): Value<"i64"> => c.select(c.i64(1n), i64(b), c.op("i32.or", c.op("i64.eqz", i64(b)), c.op("i64.eq", i64(b), c.i64(-1n))));
  return c.select(c.op("i64.sub", c.i64(0n), i64(a)), c.op("i64.div_s", i64(a), safe()), c.op("i64.eq", i64(b), c.i64(-1n)));
}

/** 0 where the divisor is 0; `make` gets a divisor that is not. */
function dividing64(c: Code, b: Push, make: (divisor: Push) => Value<"i64">): Value<"i64"> {
  const divisor: Push = () => c.select(c.i64(1n), i64(b), c.op("i64.eqz", i64(b)));
  return c.select(c.i64(0n), make(divisor), c.op("i64.eqz", i64(b)));
}

/** Division that rounds to minus infinity, and its remainder: the truncated ones, corrected where the signs differ. */
function floored64(c: Code, a: Push, b: Push, what: "quotient" | "remainder"): Value<"i64"> {
  const rest = c.hold(c.op("i64.rem_s", i64(a), i64(b)));
  const wrong = c.hold(c.op("i32.and", c.op("i64.ne", c.get(rest), c.i64(0n)), c.op("i64.lt_s", c.op("i64.xor", c.get(rest), i64(b)), c.i64(0n))));
  if (what === "remainder") return c.select(c.op("i64.add", c.get(rest), i64(b)), c.get(rest), c.get(wrong));
  return c.op("i64.sub", quotient64(c, a, b), c.op("i64.extend_i32_u", c.get(wrong)));
}

function compare(c: Code, fn: keyof typeof COMPARE, type: ExprType, a: Push, b: Push): Value<"i32"> {
  switch (valueType(type)) {
    case "f32":
      return c.op(`f32.${fn}`, f32(a), f32(b));
    case "f64":
      return c.op(`f64.${fn}`, f64(a), f64(b));
    case "i64":
      if (fn === "eq" || fn === "ne") return c.op(`i64.${fn}`, i64(a), i64(b));
      return SIGNED.has(type) ? c.op(`i64.${fn}_s`, i64(a), i64(b)) : c.op(`i64.${fn}_u`, i64(a), i64(b));
    default:
      if (fn === "eq" || fn === "ne") return c.op(`i32.${fn}`, i32(a), i32(b));
      return SIGNED.has(type) ? c.op(`i32.${fn}_s`, i32(a), i32(b)) : c.op(`i32.${fn}_u`, i32(a), i32(b));
  }
}

/** Conversion of a value; see `cast` in `expr/expr.ts`. */
export function emitCast(c: Code, from: ExprType, to: ExprType, saturate: boolean, a: Push, host: CallHost): Value {
  const [source, target] = [valueType(from), valueType(to)];
  if (from === to) return a();
  if (to === "bool") {
    if (source === "f32") return c.op("f32.ne", f32(a), c.f32(0));
    if (source === "f64") return c.op("f64.ne", f64(a), c.f64(0));
    return source === "i64" ? c.op("i64.ne", i64(a), c.i64(0n)) : c.op("i32.ne", i32(a), c.i32(0));
  }
  const unsigned = from === "bool" || !SIGNED.has(from);
  if (source === "i32") {
    switch (target) {
      case "i32":
        return wrap(c, to, i32(a));
      case "i64":
        return unsigned ? c.op("i64.extend_i32_u", i32(a)) : c.op("i64.extend_i32_s", i32(a));
      case "f32":
        return unsigned ? c.op("f32.convert_i32_u", i32(a)) : c.op("f32.convert_i32_s", i32(a));
      default:
        return unsigned ? c.op("f64.convert_i32_u", i32(a)) : c.op("f64.convert_i32_s", i32(a));
    }
  }
  if (source === "i64") {
    switch (target) {
      case "i64":
        return a();
      case "i32":
        return wrap(c, to, c.op("i32.wrap_i64", i64(a)));
      // By way of a double, as the cpu has it: both roundings show beyond 2^53.
      case "f32":
        return c.op("f32.demote_f64", from === "u64" ? c.op("f64.convert_i64_u", i64(a)) : c.op("f64.convert_i64_s", i64(a)));
      default:
        return from === "u64" ? c.op("f64.convert_i64_u", i64(a)) : c.op("f64.convert_i64_s", i64(a));
    }
  }
  if (target === "f64") return c.op("f64.promote_f32", f32(a));
  if (target === "f32") return c.op("f32.demote_f64", f64(a));
  if (to === "index") return source === "f32" ? c.op("i64.trunc_sat_f32_s", f32(a)) : c.op("i64.trunc_sat_f64_s", f64(a));
  if ((target === "i32" || to === "i64") && !saturate) {
    const wide = (): Value<"f64"> => (source === "f32" ? c.op("f64.promote_f32", f32(a)) : f64(a));
    if (to === "i64") return emitTruncation64(c, wide);
    return wrap(c, to, SIGNED.has(to) ? emitTruncation(c, wide) : emitLowBits(c, wide));
  }
  return host({ kind: "cast", from, to, saturate }, [a]);
}

/** Truncation as the x86 conversion has it: out of range and NaN give the most negative number. */
function emitTruncation(c: Code, a: Push<"f64">): Value<"i32"> {
  const whole = c.hold(c.op("f64.trunc", a()));
  const inside = (): Value<"i32"> => c.op("i32.and", c.op("f64.ge", c.get(whole), c.f64(-2147483648)), c.op("f64.lt", c.get(whole), c.f64(2147483648)));
  return c.select(c.op("i32.trunc_sat_f64_s", c.get(whole)), c.i32(-2147483648), inside());
}

function emitTruncation64(c: Code, a: Push<"f64">): Value<"i64"> {
  const whole = c.hold(a());
  const inside = (): Value<"i32"> => c.op("f64.lt", c.op("f64.abs", c.get(whole)), c.f64(2 ** 63));
  return c.select(c.op("i64.trunc_sat_f64_s", c.get(whole)), c.i64(-(2n ** 63n)), inside());
}

/** The lower half of the truncation to 64 bits, which out of range and for NaN is zero. */
function emitLowBits(c: Code, a: Push<"f64">): Value<"i32"> {
  const whole = c.hold(a());
  return c.select(c.op("i32.wrap_i64", c.op("i64.trunc_sat_f64_s", c.get(whole))), c.i32(0), c.op("f64.lt", c.get(whole), c.f64(2 ** 63)));
}

/** A float rounded through a storage format. */
export function emitRounding(c: Code, { format, saturate, type }: Expr & { readonly op: "round" }, a: Push, host: CallHost): Value {
  if (saturate || !isHalf(format)) return host({ kind: "round", format, saturate, type }, [a]);
  return type === "f32" ? roundOne(c, format, f32(a)) : c.op("f64.promote_f32", roundOne(c, format, emitSticky(c, f64(a))));
}

/** The same bits as another type of equal width. */
export function emitBitcast(c: Code, from: ExprType, to: ExprType, a: Push): Value {
  const [source, target] = [valueType(from), valueType(to)];
  if (source === "f32" && target === "i32") return wrap(c, to, c.op("i32.reinterpret_f32", f32(a)));
  if (source === "f64" && target === "i64") return c.op("i64.reinterpret_f64", f64(a));
  if (source === "i32" && target === "f32") return c.op("f32.reinterpret_i32", i32(a));
  if (source === "i64" && target === "f64") return c.op("f64.reinterpret_i64", i64(a));
  return source === "i32" ? wrap(c, to, i32(a)) : a();
}
