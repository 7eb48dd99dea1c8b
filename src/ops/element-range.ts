/** Numbers as elements of a dtype: wrapped as a cast does, or refused where C++'s checked conversion refuses them. */

import type { Scalar } from "../ir/datum.ts";
import { type DType, dtypeInfo, isComplex, typeName } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";

/** A value wrapped into an integer dtype, as a cast of it would; other dtypes leave it alone. */
export function wrapped(value: number | bigint, dtype: DType): number | bigint {
  const { class: kind, itemsize, signed } = dtypeInfo(dtype);
  if (kind !== "int") return value;
  const whole = typeof value === "bigint" ? value : Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
  const bits = itemsize * 8;
  const cut = signed ? BigInt.asIntN(bits, whole) : BigInt.asUintN(bits, whole);
  return itemsize === 8 ? cut : Number(cut);
}

const MOST: Partial<Record<DType, number>> = {
  float32: 3.4028234663852886e38,
  complex64: 3.4028234663852886e38,
  float16: 65504,
  bfloat16: 3.3895313892515355e38,
};

/** Whether C++ would refuse to convert `value` to an element of `dtype`. An unsigned type takes integers that wrap to it from below. */
function overflows(value: number | bigint, dtype: DType, isFloat: boolean): boolean {
  const { class: kind, itemsize, signed } = dtypeInfo(dtype);
  if (kind === "float" || kind === "complex") return Number.isFinite(Number(value)) && Math.abs(Number(value)) > (MOST[dtype] ?? Infinity);
  if (kind !== "int") return false;
  if (typeof value === "number" && !Number.isFinite(value)) return true;
  const whole = BigInt(typeof value === "number" ? Math.trunc(value) : value);
  const most = 2n ** BigInt(itemsize * 8 - (signed ? 1 : 0)) - 1n;
  if (isFloat && (value > most || (!signed && value < 0))) return true;
  return whole > most || whole < (signed ? -most - 1n : -most);
}

const C_NAMES: Readonly<Partial<Record<DType, string>>> = {
  uint8: "uint8_t",
  int8: "int8_t",
  int16: "int16_t",
  int64: "int64_t",
  uint16: "uint16_t",
  uint32: "uint32_t",
  uint64: "uint64_t",
  float16: "c10::Half",
  bfloat16: "c10::BFloat16",
};

/** Holds a number to an element's range (`Scalar::to`). @throws runtime-error in PyTorch's words */
export function checkFits(value: Scalar, dtype: DType): void {
  if (dtype === "bool" || value.kind === "bool") return;
  const refused = value.kind === "complex" ? (!isComplex(dtype) && value.im !== 0) || overflows(value.re, dtype, true) : overflows(value.value, dtype, value.kind === "float");
  if (refused) throw new OpwiseError("runtime-error", `value cannot be converted to type ${C_NAMES[dtype] ?? typeName(dtype)} without overflow`);
}
