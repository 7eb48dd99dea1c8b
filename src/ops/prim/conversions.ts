/** Python's `int(x)`, `float(x)`, `bool(x)`, `complex(x, y)` of data, and numbers as tensors. */

import type { Datum } from "../../ir/datum.ts";
import { canonicalInt } from "../../ir/datum.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { dataOp, type Op } from "../define.ts";
import { boolOf, complex, floatOf, intOf, raised, scalarOf, textOf, truncated } from "./data.ts";

/** The number at the start of a text, after white space, as C's strtoll and strtod take it; the whole text must be used. */
function numberAt(text: string, pattern: RegExp, none: string, rest: string): string {
  const match = pattern.exec(text);
  if (match === null) throw raised(none);
  if (match[0].length !== text.length) throw raised(`${rest}: '${text}'`);
  return match[1] ?? "";
}
function parsedInt(text: string): number | bigint {
  const value = BigInt(numberAt(text, /^[ \t\n\v\f\r]*([+-]?[0-9]+)/, "stoll", "invalid literal for int() with base 10").replace(/^\+/, ""));
  if (value !== BigInt.asIntN(64, value)) throw raised("stoll");
  return canonicalInt(value);
}
function parsedFloat(text: string): number {
  const pattern = /^[ \t\n\v\f\r]*([+-]?(?:0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)(?:p[+-]?[0-9]+)?|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?|nan(?:\([0-9a-z_]*\))?))/i;
  const word = numberAt(text, pattern, "stod", "could not convert string to float").toLowerCase();
  if (word.includes("nan")) return NaN;
  if (word.includes("inf")) return word.startsWith("-") ? -Infinity : Infinity;
  const value = word.includes("x") ? hexadecimal(word) : Number(word);
  // Results that overflow or lose digits below the smallest normal number are out of range.
  if (!Number.isFinite(value) || (Math.abs(value) < 2 ** -1022 && /[1-9a-f]/.test(word.replace(/^[+-]?0x/, "").replace(/[ep].*$/, "")))) throw raised("stod");
  return value;
}
/** `-0x1.8p3`. */
function hexadecimal(word: string): number {
  const [, sign, whole = "", fraction = "", exponent = "0"] = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?[0-9]+))?$/.exec(word) ?? [];
  const digits = Number(BigInt(`0x0${whole}${fraction}`));
  const power = Number(exponent) - 4 * fraction.length;
  const half = Math.trunc(power / 2); // in two steps: each alone stays in range
  return (sign === "-" ? -digits : digits) * 2 ** half * 2 ** (power - half);
}

/** A number as a 0-dim tensor of its own kind's widest dtype. */
export function numberTensor(value: Datum | undefined): Tensor {
  const s = scalarOf(value);
  switch (s.kind) {
    case "int": return Tensor.from([BigInt(s.value)], [], "int64");
    case "float": return Tensor.from([s.value], [], "float64");
    case "bool": return Tensor.from([s.value], [], "bool");
    case "complex": return Tensor.from([s.re, s.im], [], "complex128");
    default: return s satisfies never;
  }
}

/** A part of a complex number made of two; ints go through C's own int in LibTorch. */
function part(value: Datum | undefined, type: string | undefined): number {
  return type === "int" ? Number(BigInt.asIntN(32, BigInt(intOf(value)))) : floatOf(value);
}

const PAIRS = ["int_bool", "bool_int", "float_bool", "bool_float", "float_int", "int_float", "int_int", "bool_bool", "float_float"] as const;

/** All of them. */
export const conversions: readonly Op[] = [
  dataOp("aten::Int.bool(bool a) -> int", ([a]) => Number(boolOf(a))),
  dataOp("aten::Int.float(float a) -> int", ([a]) => truncated(floatOf(a))),
  dataOp("aten::Int.Scalar(Scalar a) -> int", ([a]) => {
    const s = scalarOf(a);
    if (s.kind !== "float") return intOf(s);
    if (!(Math.abs(s.value) <= 2 ** 63)) throw raised("value cannot be converted to type int without overflow");
    return truncated(s.value);
  }),
  dataOp("aten::Int.str(str a) -> int", ([a]) => parsedInt(textOf(a))),
  dataOp("aten::Float.int(int a) -> float", ([a]) => floatOf(a)),
  dataOp("aten::Float.bool(bool a) -> float", ([a]) => Number(boolOf(a))),
  dataOp("aten::Float.Scalar(Scalar a) -> float", ([a]) => floatOf(scalarOf(a))),
  dataOp("aten::Float.str(str a) -> float", ([a]) => parsedFloat(textOf(a))),
  dataOp("aten::Bool.int(int a) -> bool", ([a]) => intOf(a) !== 0),
  dataOp("aten::Bool.float(float a) -> bool", ([a]) => floatOf(a) !== 0),
  dataOp("aten::Complex.Scalar(Scalar a) -> complex", ([a]) => {
    const s = scalarOf(a);
    return s.kind === "complex" ? s : complex(floatOf(s), 0);
  }),
  ...PAIRS.map((pair) => {
    const [x, y] = pair.split("_");
    return dataOp(`aten::Complex.${pair}(${x} x, ${y} y) -> complex`, ([re, im]) => complex(part(re, x), part(im, y)));
  }),
  dataOp("prim::NumToTensor.Scalar(Scalar a) -> Tensor", ([a]) => numberTensor(a)),
  dataOp("prim::NumToTensor.bool(bool a) -> Tensor", ([a]) => numberTensor(a)),
];
