/** The error function's family and the normal distribution, in double precision. */

import { chebyshevSum, expMinusSquare, expSquare } from "./elementary.ts";
import { ERF, ERFCX } from "./special-tables.ts";

const TWO_OVER_SQRT_PI = 1.1283791670955126;
const SQRT_PI_OVER_2 = 0.886226925452758;
const SQRT_2_OVER_PI = 0.7978845608028654;

/** exp(x^2) erfc(x) for x >= 0. */
function scaledComplement(x: number): number {
  const y = 4 / (4 + x);
  const piece = y >= 1 ? 7 : Math.floor(y * 8);
  return y * chebyshevSum(ERFCX[piece] as readonly number[], 16 * y - (2 * piece + 1)); // piece is in 0..7
}

export function erf(x: number): number {
  const a = Math.abs(x);
  if (a < 1) return x * chebyshevSum(ERF, 2 * x * x - 1);
  if (!(a <= 6)) return x !== x ? NaN : x > 0 ? 1 : -1;
  const value = 1 - expMinusSquare(a) * scaledComplement(a);
  return x < 0 ? -value : value;
}

/** 1 - erf(x), accurate where erf(x) is near 1. */
export function erfc(x: number): number {
  const a = Math.abs(x);
  if (a < 0.5) return 1 - x * chebyshevSum(ERF, 2 * x * x - 1);
  if (!(a <= 28)) return x !== x ? NaN : x > 0 ? 0 : 2;
  const value = expMinusSquare(a) * scaledComplement(a);
  return x < 0 ? 2 - value : value;
}

/** exp(x^2) erfc(x). */
export function erfcx(x: number): number {
  if (x !== x) return x;
  if (x >= 0) return scaledComplement(x);
  if (x < -26.7) return Infinity;
  return 2 * expSquare(x) - scaledComplement(-x);
}

/** The inverse of erf; infinite at -1 and 1, NaN beyond. */
export function erfinv(y: number): number {
  const a = Math.abs(y);
  if (!(a < 1)) return a === 1 ? y * Infinity : NaN;
  if (a < 1e-9) return y * SQRT_PI_OVER_2;
  // Winitzki's closed form to three digits, then two steps of third order.
  const l = Math.log((1 - a) * (1 + a));
  const t = 4.330746750799873 + l / 2;
  const d = Math.sqrt(t * t - l / 0.147) - t;
  let x = Math.sqrt(Math.max(d, 0));
  for (let step = 0; step < 2; step++) {
    const error = a > 0.5 ? 1 - a - erfc(x) : erf(x) - a;
    const u = error / (TWO_OVER_SQRT_PI * expMinusSquare(x));
    x -= u / (1 + x * u);
  }
  return y < 0 ? -x : x;
}

/** Standard normal distribution function. */
export function ndtr(x: number): number {
  return erfc(-x * Math.SQRT1_2) / 2;
}

/** log(ndtr(x)), accurate far into the lower tail. */
export function logNdtr(x: number): number {
  const t = x * Math.SQRT1_2;
  return x < -1 ? Math.log(erfcx(-t) / 2) - t * t : Math.log1p(-erfc(t) / 2);
}

/** The inverse of `ndtr`; infinite at 0 and 1, NaN beyond. */
export function ndtri(p: number): number {
  if (!(p > 0 && p < 1)) return p === 0 ? -Infinity : p === 1 ? Infinity : NaN;
  if (p > 0.25 && p < 0.75) return Math.SQRT2 * erfinv(2 * p - 1);
  const tail = p < 0.5 ? p : 1 - p;
  // Newton on the logarithm of the tail, whose slope is the inverse Mills ratio.
  const goal = Math.log(tail);
  const r = Math.sqrt(-2 * goal);
  let x = -(r - (2.515517 + r * (0.802853 + r * 0.010328)) / (1 + r * (1.432788 + r * (0.189269 + r * 0.001308))));
  for (let step = 0; step < 3; step++) {
    x -= ((logNdtr(x) - goal) * erfcx(-x * Math.SQRT1_2)) / SQRT_2_OVER_PI;
  }
  return p < 0.5 ? x : -x;
}
