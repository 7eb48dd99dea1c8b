/** Reads and makes the values that data ops work on: ints in their canonical form, floats, complex numbers, containers. */

import { canonicalInt, type Complex, type Datum, type Dict, type List, type Scalar } from "../../ir/datum.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";

/** An int64 in canonical form. */
export type Int = number | bigint;

function wrong(wanted: string, got: Datum | undefined): never {
  const text = got === null ? "None" : typeof got === "object" ? (got instanceof Tensor ? "Tensor" : got.kind) : typeof got;
  throw new OpwiseError("type-mismatch", `expected ${wanted} but got ${text}`, { wanted, got: text });
}

/** An error of the model's own data, with PyTorch's words. */
export function raised(message: string): OpwiseError {
  return new OpwiseError("runtime-error", message);
}

/** An int, boxed or bare; a bool counts as one. */
export function intOf(value: Datum | undefined): Int {
  if (typeof value === "number" || typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "int" || value.kind === "float" || value.kind === "bool")) return intOf(value.value);
  return wrong("int", value);
}
/** An int that is a position or a length. */
export function smallOf(value: Datum | undefined): number {
  return Number(intOf(value));
}
/** A number as a double. */
export function floatOf(value: Datum | undefined): number {
  return Number(intOf(value));
}
export function boolOf(value: Datum | undefined): boolean {
  if (typeof value === "boolean") return value;
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "bool") return value.value;
  return wrong("bool", value);
}
export function textOf(value: Datum | undefined): string {
  return typeof value === "string" ? value : wrong("str", value);
}
export function complexOf(value: Datum | undefined): Complex {
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "complex") return value;
  return complex(floatOf(value), 0);
}
export function listOf(value: Datum | undefined): List {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "list" ? value : wrong("list", value);
}
export function dictOf(value: Datum | undefined): Dict {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "dict" ? value : wrong("dict", value);
}
export function tensorOf(value: Datum | undefined): Tensor {
  return value instanceof Tensor ? value : wrong("Tensor", value);
}
/** A Scalar with its kind. */
export function scalarOf(value: Datum | undefined): Scalar {
  if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "int" || value.kind === "float" || value.kind === "bool" || value.kind === "complex")) return value;
  if (typeof value === "bigint") return { kind: "int", value };
  if (typeof value === "number") return Number.isInteger(value) ? { kind: "int", value } : { kind: "float", value };
  if (typeof value === "boolean") return { kind: "bool", value };
  return wrong("number", value);
}

export function complex(re: number, im: number): Complex {
  return { kind: "complex", re, im };
}

/** Exact integer arithmetic: in doubles where the result is safe, else in 64-bit wrapped bigints. */
export function exactly(near: (a: number, b: number) => number, exact: (a: bigint, b: bigint) => bigint): (a: Int, b: Int) => Int {
  return (a, b) => {
    if (typeof a === "number" && typeof b === "number") {
      const r = near(a, b);
      if (Number.isSafeInteger(r)) return r + 0; // -0 is no int
    }
    return canonicalInt(exact(BigInt(a), BigInt(b)));
  };
}

/** The int64 that C++ makes of a double: truncated; what does not fit is the smallest int. */
export function truncated(x: number): Int {
  const t = Math.trunc(x);
  if (Number.isSafeInteger(t)) return t + 0;
  return t > -9223372036854775809 && t < 9223372036854775808 ? canonicalInt(BigInt(t)) : canonicalInt(-(2n ** 63n));
}

/** A Python index made non-negative; out of range stays out of range. */
export function wrapIndex(index: number, length: number): number {
  return index < 0 ? index + length : index;
}
