/**
 * Doubles as text and back: Python's `repr`, C's %e %f %g with any precision, C++ streams, and the literals of TorchScript code. Digits come from the
 * exact binary value with ties to even, as the C library rounds; JavaScript's own `toFixed` and `toPrecision` round ties up.
 */

import { bitsOfDouble } from "./bits.ts";

/** Decimal digits of |x|: the integer part's length may be zero or negative, value = 0.DIGITS * 10^point. */
interface Decimal {
  readonly digits: string;
  readonly point: number;
}

const EXPONENT_MASK = 0x7ffn;
const FRACTION_MASK = (1n << 52n) - 1n;

/** The exact decimal expansion of a finite double (at most 767 digits). */
function exactDecimal(x: number): Decimal {
  const bits = bitsOfDouble(Math.abs(x));
  const field = (bits >> 52n) & EXPONENT_MASK;
  const fraction = field === 0n ? bits & FRACTION_MASK : (bits & FRACTION_MASK) | (1n << 52n);
  if (fraction === 0n) return { digits: "0", point: 1 };
  const exponent = Number(field === 0n ? 1n : field) - 1075;
  if (exponent >= 0) {
    const digits = (fraction << BigInt(exponent)).toString();
    return { digits, point: digits.length };
  }
  // fraction / 2^-exponent = fraction * 5^-exponent / 10^-exponent.
  const digits = (fraction * 5n ** BigInt(-exponent)).toString();
  return { digits, point: digits.length + exponent };
}

/** `decimal` cut to its first `count` digits, ties to even; a carry may move the point. */
function rounded(decimal: Decimal, count: number): Decimal {
  const { digits, point } = decimal;
  if (count >= digits.length) return { digits: digits.padEnd(count, "0"), point };
  if (count < 0) return { digits: "", point };
  const kept = digits.slice(0, count);
  const next = digits.charCodeAt(count) - 48;
  const isTie = next === 5 && /^0*$/.test(digits.slice(count + 1));
  const isOdd = count > 0 && (kept.charCodeAt(count - 1) & 1) === 1;
  if (next < 5 || (isTie && !isOdd)) return { digits: kept, point };
  const up = (BigInt(`0${kept}`) + 1n).toString().padStart(count, "0");
  return up.length > count ? { digits: up.slice(0, Math.max(count, 1)), point: point + 1 } : { digits: up, point };
}

function special(x: number): string | undefined {
  if (Number.isFinite(x)) return undefined;
  return x !== x ? "nan" : x > 0 ? "inf" : "-inf";
}

const signOf = (x: number): string => (x < 0 || Object.is(x, -0) ? "-" : "");

function exponentText(exponent: number): string {
  const size = Math.abs(exponent).toString().padStart(2, "0");
  return `e${exponent < 0 ? "-" : "+"}${size}`;
}

/** C's `%.{precision}f`. */
export function formatFixed(x: number, precision: number = 6): string {
  const named = special(x);
  if (named !== undefined) return named;
  const exact = exactDecimal(x);
  const { digits, point } = rounded(exact, exact.point + precision);
  // Everything rounded away, or rounded up into the first place after the point that is kept.
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, "0") : "0";
  const fraction = (point > 0 ? digits.slice(point) : digits === "" ? "" : "0".repeat(-point) + digits).padEnd(precision, "0").slice(0, precision);
  return `${signOf(x)}${whole}${precision > 0 ? `.${fraction}` : ""}`;
}

/** C's `%.{precision}e`. */
export function formatExponent(x: number, precision: number = 6): string {
  const named = special(x);
  if (named !== undefined) return named;
  const { digits, point } = rounded(exactDecimal(x), precision + 1);
  return `${signOf(x)}${digits.slice(0, 1)}${precision > 0 ? `.${digits.slice(1)}` : ""}${exponentText(x === 0 ? 0 : point - 1)}`;
}

/** C's `%.{precision}g`: trailing zeros are dropped. */
export function formatGeneral(x: number, precision: number = 6): string {
  const named = special(x);
  if (named !== undefined) return named;
  const places = Math.max(precision, 1);
  const { digits, point } = rounded(exactDecimal(x), places);
  const exponent = x === 0 ? 0 : point - 1;
  const trimmed = digits.replace(/0+$/, "");
  if (exponent < -4 || exponent >= places) {
    const tail = trimmed.slice(1);
    return `${signOf(x)}${digits.slice(0, 1)}${tail === "" ? "" : `.${tail}`}${exponentText(exponent)}`;
  }
  if (trimmed === "") return `${signOf(x)}0`;
  return signOf(x) + plain(trimmed, point);
}

/** Digits with the point put in: `0.DIGITS * 10^point` without an exponent. */
function plain(digits: string, point: number): string {
  if (point <= 0) return `0.${"0".repeat(-point)}${digits}`;
  if (digits.length <= point) return digits.padEnd(point, "0");
  return `${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** A number as a C++ stream prints it by default (6 significant digits). */
export function formatStream(x: number): string {
  return formatGeneral(x, 6);
}

/** The shortest digits that read back as `x`. */
function shortest(x: number): Decimal {
  const [mantissa = "0", exponent = "0"] = Math.abs(x).toExponential().split("e");
  return { digits: mantissa.replace(".", ""), point: Number(exponent) + 1 };
}

/** Python's `repr` of a float: the shortest text that reads back, with an exponent from 1e16 and below 1e-4. */
export function reprFloat(x: number): string {
  const named = special(x);
  if (named !== undefined) return named;
  if (x === 0) return `${signOf(x)}0.0`;
  const { digits, point } = shortest(x);
  if (point > 16 || point < -3) {
    const tail = digits.slice(1);
    return `${signOf(x)}${digits.slice(0, 1)}${tail === "" ? "" : `.${tail}`}${exponentText(point - 1)}`;
  }
  const text = plain(digits, point);
  return signOf(x) + (text.includes(".") ? text : `${text}.0`);
}

/**
 * A float literal of TorchScript code: an integral value below 1e10 is the integer and a dot, all others have 17 significant digits.
 * Integral values from 1e10 to 1e17 print without a dot, as PyTorch's own writer has it, and read back as ints.
 */
export function codeFloat(x: number): string {
  if (Number.isInteger(x) && Math.abs(x) < 1e10) return `${signOf(x)}${Math.abs(x)}.`;
  return formatGeneral(x, 17);
}

/** `str` of a float inside TorchScript: integral values that fit 64 bits are the integer and a dot (`-0.0` is `0.`), all others as `codeFloat`. */
export function scriptFloat(x: number): string {
  if (Number.isInteger(x) && x >= -(2 ** 63) && x < 2 ** 63) return `${BigInt(x)}.`;
  return formatGeneral(x, 17);
}

const NUMBER = /^[+-]?(?:\d(?:_?\d)*\.?(?:\d(?:_?\d)*)?|\.\d(?:_?\d)*)(?:[eE][+-]?\d(?:_?\d)*)?$/;

/** The number that a text stands for in Python or TorchScript (`3.`, `1e-5`, `-inf`, `nan`, `1_000`), or undefined; surrounding blanks are allowed. */
export function parseFloatText(text: string): number | undefined {
  const bare = text.trim();
  if (NUMBER.test(bare)) return Number(bare.replaceAll("_", ""));
  const named = /^([+-]?)(inf|infinity|nan)$/i.exec(bare);
  if (named === null) return undefined;
  if ((named[2] ?? "").toLowerCase() === "nan") return NaN;
  return named[1] === "-" ? -Infinity : Infinity;
}
