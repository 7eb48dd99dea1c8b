/** Gamma, its logarithm and derivatives, and Hurwitz zeta, in double precision. */

import { chebyshevSum, pow } from "./elementary.ts";
import { GAMMA_MIDDLE, LGAMMA_MIDDLE, STIRLING } from "./gamma-tables.ts";

const HALF_LOG_TWO_PI = 0.9189385332046728;
const SQRT_TWO_PI = 2.5066282746310007;
const EPSILON = 2 ** -53;

/** Remainder of Stirling's formula for the logarithm; x >= 10. */
export function stirlingRemainder(x: number): number {
  return chebyshevSum(STIRLING, 200 / (x * x) - 1) / x;
}

/** sin(pi x) with the argument reduced exactly. */
function sinPi(x: number): number {
  const r = x - 2 * Math.round(x / 2);
  const a = Math.abs(r);
  const value = a <= 0.25 ? Math.sin(Math.PI * a) : a <= 0.75 ? Math.cos(Math.PI * (0.5 - a)) : Math.sin(Math.PI * (1 - a));
  return r < 0 ? -value : value;
}

/** log |gamma(x)|; infinite at 0, negative integers and both infinities. */
export function lgamma(x: number): number {
  if (x !== x) return x;
  if (x <= 0) {
    if (x === Math.floor(x)) return Infinity;
    if (x > -1e-9) return -Math.log(-x) - x * 0.5772156649015329;
    return Math.log(Math.PI / Math.abs(x * sinPi(x))) - lgamma(-x);
  }
  if (x < 1) return (x < 1e-17 ? 0 : lgammaMiddle(x + 1, x, x - 1)) - Math.log(x);
  if (x <= 3) return lgammaMiddle(x, x - 1, x - 2);
  if (x < 10) {
    let y = x;
    let product = 1;
    while (y > 3) {
      y -= 1;
      product *= y;
    }
    return lgammaMiddle(y, y - 1, y - 2) + Math.log(product);
  }
  if (x > 1e300) return x === Infinity ? x : x * (Math.log(x) - 1);
  return (x - 0.5) * Math.log(x) - x + HALF_LOG_TWO_PI + stirlingRemainder(x);
}

/** On [1, 3], from x, x - 1 and x - 2 (given, so that a caller's exact differences are kept); never minus zero. */
function lgammaMiddle(x: number, minus1: number, minus2: number): number {
  return minus1 * minus2 * chebyshevSum(LGAMMA_MIDDLE, x - 2) + 0;
}

/** The gamma function; NaN at negative integers, an infinity at zeros. */
export function gamma(x: number): number {
  if (x !== x || x === Infinity) return x;
  if (x === 0) return 1 / x;
  if (x < 0) {
    if (x === Math.floor(x)) return NaN;
    if (x < -184) return Math.floor(x) % 2 === 0 ? 0 : -0;
    if (x < -20) {
      // Split, because gamma(1 - x) overflows before its inverse vanishes.
      const s = sinPi(x);
      const up = 1 - x;
      if (up < 171) return Math.PI / (s * gamma(up));
      return Math.PI / (s * gamma(up - 20)) / risingProduct(up - 20, 20);
    }
  }
  if (x > 171.7) return Infinity;
  if (x > 20 && x !== Math.floor(x)) {
    const half = x ** ((x - 0.5) / 2);
    return half * (SQRT_TWO_PI * Math.exp(-x) * Math.exp(stirlingRemainder(x))) * half;
  }
  let y = x;
  let up = 1;
  let down = 1;
  while (y > 2) {
    y -= 1;
    up *= y;
  }
  while (y < 1) {
    down *= y;
    y += 1;
  }
  return ((y === 1 || y === 2 ? 1 : chebyshevSum(GAMMA_MIDDLE, 2 * y - 3)) / down) * up;
}

function risingProduct(x: number, count: number): number {
  let product = 1;
  for (let k = 0; k < count; k++) product *= x + k;
  return product;
}

// B_2k / 2k of the digamma's asymptotic series.
const DIGAMMA_SERIES: readonly number[] = [1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12];

/** Derivative of lgamma. At 0 an infinity against the zero's sign; NaN at negative integers. */
export function digamma(x: number): number {
  if (x === 0) return -1 / x;
  if (x < 0) {
    if (x === Math.trunc(x)) return NaN;
    const r = x - Math.trunc(x);
    return digamma(1 - x) - Math.PI / Math.tan(Math.PI * r);
  }
  let result = 0;
  let y = x;
  while (y < 10) {
    result -= 1 / y;
    y += 1;
  }
  let tail = 0;
  if (y < 1e17) {
    const z = 1 / (y * y);
    for (let k = DIGAMMA_SERIES.length - 1; k >= 0; k--) tail = z * (tail + (DIGAMMA_SERIES[k] as number)); // k is inside
  }
  return result + Math.log(y) - 0.5 / y - tail;
}

/** Derivative of digamma; below 1/2 by reflection, so finite but huge at negative integers, as in PyTorch. */
export function trigamma(x: number): number {
  if (x < 0.5) {
    const s = Math.sin(Math.PI * x);
    return (Math.PI * Math.PI) / (s * s) - trigamma(1 - x);
  }
  let result = 0;
  let y = x;
  while (y < 12) {
    result += 1 / (y * y);
    y += 1;
  }
  const z = 1 / (y * y);
  const series = z * (1 / 6 + z * (-1 / 30 + z * (1 / 42 + z * (-1 / 30 + z * (5 / 66 + z * (-691 / 2730 + (z * 7) / 6))))));
  return result + (1 + 1 / (2 * y) + series) / y;
}

/** The n-th derivative of digamma at x; n >= 0. */
export function polygamma(n: number, x: number): number {
  if (n === 0) return digamma(x);
  if (n === 1) return trigamma(x);
  const sign = n % 2 === 0 ? -1 : 1;
  return sign * gamma(n + 1) * zeta(n + 1, x);
}

/** (2k)! / B_2k, k = 1..12. */
export const ZETA_SERIES: readonly number[] = [
  12,
  -720,
  30240,
  -1209600,
  47900160,
  -1.307674368e12 / 691,
  7.47242496e10,
  -1.067062284288e16 / 3617,
  5.109094217170944e18 / 43867,
  -8.028576626982912e20 / 174611,
  1.5511210043330985984e23 / 854513,
  -1.6938241367317436694528e27 / 236364091,
];

/** Hurwitz zeta: the sum of (k + q)^-x over k >= 0, by Euler and Maclaurin. */
export function zeta(x: number, q: number): number {
  if (x === 1) return Infinity;
  if (x < 1) return NaN;
  if (q <= 0) {
    if (q === Math.floor(q)) return Infinity;
    if (x !== Math.floor(x)) return NaN;
  }
  let sum = pow(q, -x);
  let a = q;
  let b = 0;
  for (let i = 0; i < 9 || a <= 9; i++) {
    a += 1;
    b = pow(a, -x);
    sum += b;
    if (Math.abs(b) < EPSILON * Math.abs(sum)) return sum;
  }
  const w = a;
  sum += (b * w) / (x - 1) - b / 2;
  let factor = 1;
  for (let i = 0; i < 12; i++) {
    factor *= x + 2 * i;
    b /= w;
    const term = (factor * b) / (ZETA_SERIES[i] as number); // i is inside
    sum += term;
    if (Math.abs(term / sum) < EPSILON) return sum;
    factor *= x + 2 * i + 1;
    b /= w;
  }
  return sum;
}
