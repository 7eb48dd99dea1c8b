/** Keeps what is made once per key (programs by dtypes and ranks), and spells programs that move elements unchanged. */

import { binary, cast, constant, type Expr, index, load, scalar, type ExprType } from "../../expr/expr.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, isComplex } from "../../tensor/dtype.ts";

/** A function that makes a value once per key. */
export function memo<T>(): (key: string, make: () => T) => T {
  const known = new Map<string, T>();
  return (key, make) => {
    let value = known.get(key);
    if (value === undefined) known.set(key, (value = make()));
    return value;
  };
}

/** Element of operand `slot` at coordinates, in all its parts: one, or the real and imaginary. */
export function loadParts(slot: number, dtype: DType, at: readonly Expr[], inside?: Expr, outside: number = 0): Expr[] {
  const type = computeType(dtype);
  const other = inside === undefined ? undefined : zeroOf(type, outside);
  const re = load(slot, type, at, 0, inside, other);
  return isComplex(dtype) ? [re, load(slot, type, at, 1, inside, inside === undefined ? undefined : zeroOf(type))] : [re];
}

/** A number as a constant of the type. */
export function zeroOf(type: ExprType, value = 0): Expr {
  return constant(type === "i64" || type === "u64" ? BigInt(value) : type === "bool" ? value !== 0 : value, type);
}

/** The iteration's coordinates on axes `from..to`. */
export function axes(to: number, from = 0): Expr[] {
  return Array.from({ length: to - from }, (_, i) => index(from + i));
}

/** A run-time size. */
export function size(slot: number): Expr {
  return scalar(slot, "index");
}

export const addOf = (a: Expr, b: Expr): Expr => binary("add", a, b);
export const subOf = (a: Expr, b: Expr): Expr => binary("sub", a, b);
export const mulOf = (a: Expr, b: Expr): Expr => binary("mul", a, b);
/** Quotient and remainder of non-negative coordinates. */
export const quotOf = (a: Expr, b: Expr): Expr => binary("quot", a, b);
export const remOf = (a: Expr, b: Expr): Expr => binary("rem", a, b);

/** An integer operand's element at coordinates, as a coordinate. */
export function loadIndex(slot: number, dtype: DType, at: readonly Expr[]): Expr {
  return cast(load(slot, computeType(dtype), at), "index");
}

/** A one-result program. */
export function programOf(name: string, operands: readonly DType[], scalars: readonly ExprType[], dtype: DType, parts: readonly Expr[], messages: readonly string[] = []): Program {
  return { name, operands, scalars, outputs: [{ dtype, parts }], messages };
}
