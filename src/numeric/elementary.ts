/** Small exact pieces that the special functions and the ops share: Chebyshev sums, rounding, remainders, neighbours, divisors. */

import { bitsOfDouble, bitsOfSingle, doubleOfBits, head, highWord, singleOfBits } from "./bits.ts";

/** The sum of `coefficients[k] T_k(t)`, by Clenshaw's recurrence; `t` in [-1, 1]. */
export function chebyshevSum(coefficients: readonly number[], t: number): number {
  const twice = t + t;
  let b1 = 0;
  let b2 = 0;
  for (let k = coefficients.length - 1; k > 0; k--) {
    const b0 = twice * b1 - b2 + (coefficients[k] as number); // k is inside
    b2 = b1;
    b1 = b0;
  }
  return t * b1 - b2 + (coefficients[0] ?? 0);
}

/** 2^x; exact at integers. */
export function exp2(x: number): number {
  if (!(Math.abs(x) < 1100)) return x !== x ? NaN : x > 0 ? Infinity : 0;
  const n = Math.round(x);
  return ldexp(Math.exp((x - n) * Math.LN2), n);
}

/** C's pow: unlike `**`, 1 to any power is 1, and so is -1 to an infinite one. */
export function pow(x: number, y: number): number {
  if (x === 1 || (x === -1 && (y === Infinity || y === -Infinity))) return 1;
  return x ** y;
}

/** x * 2^n, rounded once. */
export function ldexp(x: number, n: number): number {
  if (n >= -1022 && n <= 1023) return x * 2 ** n;
  if (n > 1023) return n > 2100 ? x * 2 ** 1023 * 2 ** 1023 * 2 ** 1023 : ldexp(x * 2 ** 1023, n - 1023);
  if (n < -2200) return x * 0;
  // Stays normal until the last factor, so that only that one rounds.
  return ldexp(x * 2 ** -969, n + 969);
}

/** `[mantissa, exponent]` with x = mantissa * 2^exponent and |mantissa| in [0.5, 1); exponent 0 for 0, infinities and NaN. */
export function frexp(x: number): [number, number] {
  if (x === 0 || !Number.isFinite(x)) return [x, 0];
  let exponent = (highWord(x) >>> 20) & 0x7ff;
  let value = x;
  let shift = 0;
  if (exponent === 0) {
    value = x * 2 ** 54;
    shift = -54;
    exponent = (highWord(value) >>> 20) & 0x7ff;
  }
  const e = exponent - 1022;
  // In two steps: 2^-e alone can overflow.
  const half = Math.trunc(e / 2);
  return [value * 2 ** -half * 2 ** -(e - half), e + shift];
}

/** exp(-x^2), with the square's rounding error carried along. */
export function expMinusSquare(x: number): number {
  const z = head(x);
  return Math.exp(-z * z) * Math.exp((z - x) * (z + x));
}

/** exp(x^2), with the square's rounding error carried along. */
export function expSquare(x: number): number {
  const z = head(x);
  return Math.exp(z * z) * Math.exp((x - z) * (x + z));
}

/** log(1 + x) - x without cancellation; x > -1. */
export function log1pMinus(x: number): number {
  if (x > 0.4 || x < -0.3) return Math.log1p(x) - x;
  // log(1 + x) = 2 atanh(s) with s = x / (2 + x), and 2 s - x = -x s.
  const s = x / (2 + x);
  const s2 = s * s;
  let term = s;
  let sum = 0;
  for (let k = 3; k < 60; k += 2) {
    term *= s2;
    const part = term / k;
    sum += part;
    if (Math.abs(part) < 1e-18 * Math.abs(sum)) break;
  }
  return 2 * sum - x * s;
}

/** sin(pi x) / (pi x). */
export function sinc(x: number): number {
  if (x === 0) return 1;
  const y = Math.PI * x;
  return Math.sin(y) / y;
}

/** -x log x; 0 at 0, minus infinity below. */
export function entr(x: number): number {
  if (x !== x) return x;
  if (x > 0) return -x * Math.log(x);
  return x === 0 ? 0 : -Infinity;
}

/** The nearest integer, ties to even; keeps the sign of zero. */
export function roundHalfEven(x: number): number {
  if (!(Math.abs(x) < 2 ** 52)) return x;
  const shift = x < 0 || Object.is(x, -0) ? -(2 ** 52) : 2 ** 52;
  const rounded = x + shift - shift;
  return rounded === 0 ? (shift < 0 ? -0 : 0) : rounded;
}

/** C's fmod: the exact remainder with the sign of `a`. */
export function fmod(a: number, b: number): number {
  return a % b;
}

/** `torch.remainder` of floats: the sign of `b`. */
export function remainder(a: number, b: number): number {
  const mod = a % b;
  return mod !== 0 && b < 0 !== mod < 0 ? mod + b : mod;
}

/** `torch.floor_divide` of doubles: rounds the exact quotient, not the rounded one. */
export function floorDivide(a: number, b: number): number {
  if (b === 0) return a / b;
  const mod = a % b;
  let div = (a - mod) / b;
  if (mod !== 0 && b < 0 !== mod < 0) div -= 1;
  if (div === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0;
  const floor = Math.floor(div);
  return div - floor > 0.5 ? floor + 1 : floor;
}

/** `torch.floor_divide` of single floats, each step rounded to single. */
export function floorDivide32(a: number, b: number): number {
  const f = Math.fround;
  if (b === 0) return f(a / b);
  const mod = f(a % b);
  let div = f(f(a - mod) / b);
  if (mod !== 0 && b < 0 !== mod < 0) div = f(div - 1);
  if (div === 0) return a / b < 0 || Object.is(a / b, -0) ? -0 : 0;
  const floor = Math.floor(div);
  return f(div - floor) > 0.5 ? f(floor + 1) : floor;
}

/** The next double from `x` towards `y`. */
export function nextafter(x: number, y: number): number {
  if (x !== x || y !== y) return NaN;
  if (x === y) return y;
  if (x === 0) return y > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE;
  const bits = bitsOfDouble(x);
  return doubleOfBits(y > x === x > 0 ? bits + 1n : bits - 1n);
}

/** The next single float from `x` towards `y`. */
export function nextafter32(x: number, y: number): number {
  if (x !== x || y !== y) return NaN;
  if (x === y) return y;
  if (x === 0) return y > 0 ? 2 ** -149 : -(2 ** -149);
  const bits = bitsOfSingle(x);
  return singleOfBits(y > x === x > 0 ? bits + 1 : bits - 1);
}

/** Greatest common divisor of two safe integers, never negative. */
export function gcd(a: number, b: number): number {
  let x = Math.abs(a);
  let y = Math.abs(b);
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}

/** Least common multiple of two integers, never negative; beyond 2^53 use `lcmBig`. */
export function lcm(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : Math.abs((a / gcd(a, b)) * b);
}

/** Greatest common divisor, never negative (but for the wrap of the lowest 64-bit integer, which is the caller's). */
export function gcdBig(a: bigint, b: bigint): bigint {
  let x = a < 0n ? -a : a;
  let y = b < 0n ? -b : b;
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** Least common multiple, never negative, not wrapped. */
export function lcmBig(a: bigint, b: bigint): bigint {
  if (a === 0n || b === 0n) return 0n;
  const product = (a / gcdBig(a, b)) * b;
  return product < 0n ? -product : product;
}
