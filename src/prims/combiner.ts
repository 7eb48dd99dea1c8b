/** Combiners of reduce and scan: an identity, how two states join, and what is stored at the end. */

import { acc, binary, constant, type Expr, type ExprType, scalar, select, unary, val } from "../expr/expr.ts";

export interface Combiner {
  /** Backends with a native kernel go by this name; all others by the expressions. */
  readonly name: string;
  readonly init: readonly Expr[];
  /** Next state from `acc` (so far) and `val` (incoming). */
  readonly combine: readonly Expr[];
  /** What each result stores, from `acc`. */
  readonly finish: readonly Expr[];
}

const cache = new Map<string, Combiner>();

function once(name: string, type: string, make: () => Omit<Combiner, "name">): Combiner {
  const key = `${name}/${type}`;
  let known = cache.get(key);
  if (known === undefined) {
    known = { name, ...make() };
    cache.set(key, known);
  }
  return known;
}

const LOWEST: Partial<Record<ExprType, number | bigint | boolean>> = {
  f32: -Infinity, f64: -Infinity, i8: -128, i16: -32768, i32: -2147483648, i64: -(2n ** 63n), u8: 0, u16: 0, u32: 0, u64: 0n, bool: false, index: 0,
};
const HIGHEST: Partial<Record<ExprType, number | bigint | boolean>> = {
  f32: Infinity, f64: Infinity, i8: 127, i16: 32767, i32: 2147483647, i64: 2n ** 63n - 1n, u8: 255, u16: 65535, u32: 4294967295, u64: 2n ** 64n - 1n, bool: true, index: Number.MAX_SAFE_INTEGER,
};
const one = (type: ExprType): Expr => constant(type === "i64" || type === "u64" ? 1n : type === "bool" ? true : 1, type);
const zero = (type: ExprType): Expr => constant(type === "i64" || type === "u64" ? 0n : type === "bool" ? false : 0, type);

function simple(name: string, type: ExprType, init: Expr, join: (a: Expr, b: Expr) => Expr): Combiner {
  return once(name, type, () => ({ init: [init], combine: [join(acc(0, type), val(0, type))], finish: [acc(0, type)] }));
}

export const sumOf = (type: ExprType): Combiner => simple("sum", type, zero(type), (a, b) => binary("add", a, b));
/** A sum divided by the program's first scalar, a count: one division, where one of each element would cost more than all else. */
export const averageOf = (): Combiner =>
  once("sum", "average", () => ({ ...sumOf("f64"), finish: [binary("div", acc(0, "f64"), scalar(0, "f64"))] }));
export const prodOf = (type: ExprType): Combiner => simple("prod", type, one(type), (a, b) => binary("mul", a, b));
/** NaN wins, as in torch.amax. */
export const maxOf = (type: ExprType): Combiner => simple("max", type, constant(LOWEST[type] ?? 0, type), (a, b) => binary("max", a, b));
export const minOf = (type: ExprType): Combiner => simple("min", type, constant(HIGHEST[type] ?? 0, type), (a, b) => binary("min", a, b));
export const anyOf = (): Combiner => simple("any", "bool", constant(false, "bool"), (a, b) => binary("or", a, b));
export const allOf = (): Combiner => simple("all", "bool", constant(true, "bool"), (a, b) => binary("and", a, b));
export const xorOf = (type: ExprType): Combiner => simple("xor", type, zero(type), (a, b) => binary("bitxor", a, b));

/** Sum and product of complex pairs. */
export const complexSumOf = (type: ExprType): Combiner =>
  once("complexSum", type, () => ({
    init: [zero(type), zero(type)],
    combine: [binary("add", acc(0, type), val(0, type)), binary("add", acc(1, type), val(1, type))],
    finish: [acc(0, type), acc(1, type)],
  }));
export const complexProdOf = (type: ExprType): Combiner =>
  once("complexProd", type, () => {
    const [a, b, c, d] = [acc(0, type), acc(1, type), val(0, type), val(1, type)];
    return {
      init: [one(type), zero(type)],
      combine: [binary("sub", binary("mul", a, c), binary("mul", b, d)), binary("add", binary("mul", a, d), binary("mul", b, c))],
      finish: [a, b],
    };
  });

/**
 * Extreme and its position: state (value, index). The first of equals wins and NaN wins over all, as torch.max(dim) has it;
 * `last` gives ties to the last (ONNX select_last_index; torch.cummax).
 */
function extreme(name: string, type: ExprType, better: "gt" | "lt", last: boolean): Combiner {
  return once(name, type, () => {
    const [a, i, v, j] = [acc(0, type), acc(1, "index"), val(0, type), val(1, "index")];
    const none = constant(-1, "index");
    const isFloat = type === "f32" || type === "f64";
    const beats = binary(last ? (better === "gt" ? "ge" : "le") : better, v, a);
    const floatBeats = isFloat
      ? last
        ? select(unary("isnan", v), constant(true, "bool"), binary("and", unary("not", unary("isnan", a)), beats))
        : select(unary("isnan", a), constant(false, "bool"), select(unary("isnan", v), constant(true, "bool"), beats))
      : beats;
    const take = binary("or", binary("eq", i, none), floatBeats);
    return {
      init: [constant((better === "gt" ? LOWEST[type] : HIGHEST[type]) ?? 0, type), none],
      combine: [select(take, v, a), select(take, j, i)],
      finish: [a, i],
    };
  });
}
export const argmaxOf = (type: ExprType, last = false): Combiner => extreme(last ? "argmaxLast" : "argmax", type, "gt", last);
export const argminOf = (type: ExprType, last = false): Combiner => extreme(last ? "argminLast" : "argmin", type, "lt", last);

/** Running `log(sum(exp))`: state (maximum, sum of exponentials scaled by it). Finish: the logarithm. */
export const logSumExpOf = (type: ExprType): Combiner =>
  once("logsumexp", type, () => {
    const [m, s, v, t] = [acc(0, type), acc(1, type), val(0, type), val(1, type)];
    const top = binary("max", m, v);
    const shift = select(unary("isinf", top), zero(type), top);
    const scaled = binary("add", binary("mul", s, unary("exp", binary("sub", m, shift))), binary("mul", t, unary("exp", binary("sub", v, shift))));
    return {
      init: [constant(-Infinity, type), zero(type)],
      combine: [top, scaled],
      finish: [binary("add", unary("log", s), select(unary("isinf", m), select(binary("gt", m, zero(type)), m, zero(type)), m))],
    };
  });
