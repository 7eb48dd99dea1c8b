/** Elements of tensors as JavaScript values, for the few ops that give Python numbers (`item`, `Int.Tensor`). */

import { boxed, canonicalInt, type Complex, type Scalar } from "../../ir/datum.ts";
import { codec } from "../../numeric/codec.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** The elements as numbers, row-major (two per complex number). The tensor must be readable. */
export function numbersOf(t: Tensor): number[] {
  const table = codec(t.dtype)?.table;
  const out: number[] = [];
  for (const raw of t.data) out.push(table === undefined ? Number(raw) : (table[Number(raw)] ?? NaN));
  return out;
}

/** The one element with its kind. @throws bad-argument unless there is one */
export function scalarOf(t: Tensor): Scalar {
  if (t.numel !== 1) throw new OpwiseError("bad-argument", `a Tensor with ${t.numel} elements cannot be converted to Scalar`);
  const kind = dtypeInfo(t.dtype).class;
  if (kind === "int") {
    const raw = t.data[0] ?? 0;
    return boxed(typeof raw === "bigint" ? canonicalInt(raw) : raw, "int");
  }
  const [re = 0, im = 0] = numbersOf(t);
  if (kind === "bool") return boxed(re !== 0, "bool");
  return kind === "complex" ? { kind: "complex", re, im } : boxed(re, "float");
}

/** A scalar as a float. @throws bad-argument for a complex number with an imaginary part */
export function floatOf(s: Scalar): number {
  if (s.kind !== "complex") return Number(s.value);
  if (s.im !== 0) throw new OpwiseError("bad-argument", "value cannot be converted to type double without overflow");
  return s.re;
}

/** A scalar as an int: floats are cut towards zero. */
export function intOf(s: Scalar): number | bigint {
  if (s.kind === "int") return s.value;
  const value = floatOf(s);
  if (!(Math.abs(value) <= 2 ** 63)) throw new OpwiseError("bad-argument", "value cannot be converted to type int64_t without overflow", { got: String(value) });
  return Number.isSafeInteger(Math.trunc(value)) ? Math.trunc(value) : canonicalInt(BigInt(Math.trunc(value)));
}

export function boolOf(s: Scalar): boolean {
  return s.kind === "complex" ? s.re !== 0 || s.im !== 0 : Number(s.value) !== 0;
}

export function complexScalar(s: Scalar): Complex {
  return s.kind === "complex" ? s : { kind: "complex", re: Number(s.value), im: 0 };
}

/** The dtype that a Python number becomes a tensor of. */
export function dtypeOfScalar(s: Scalar, defaultDtype: DType): DType {
  switch (s.kind) {
    case "int": return "int64";
    case "bool": return "bool";
    case "float": return defaultDtype;
    case "complex": return defaultDtype === "float64" ? "complex128" : "complex64";
    default: return s satisfies never;
  }
}
