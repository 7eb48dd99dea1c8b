/** Gamma, its logarithm and derivatives, Hurwitz zeta, and the incomplete gamma functions, in double precision. */

import { erfc } from "./error-function.ts";
import { chebyshevSum, log1pMinus, pow } from "./elementary.ts";
import { GAMMA_MIDDLE, LGAMMA_MIDDLE, STIRLING } from "./special-tables.ts";
import { TEMME } from "./temme-table.ts";

const HALF_LOG_TWO_PI = 0.9189385332046728;
const SQRT_TWO_PI = 2.5066282746310007;
const EPSILON = 2 ** -53;

/** Remainder of Stirling's formula for the logarithm; x >= 10. */
function stirlingRemainder(x: number): number {
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

// (2k)! / B_2k, k = 1..12.
const ZETA_SERIES: readonly number[] = [
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

/** x^a exp(-x) / gamma(a). */
function density(a: number, x: number): number {
  if (a < 10) {
    const power = x ** a;
    if (power < 1e290 && x < 700) return (power * Math.exp(-x)) / gamma(a);
    return Math.exp(a * Math.log(x) - x - lgamma(a));
  }
  // log(x^a e^-x) - log(a^a e^-a) = a (log(1 + d) - d) with d = (x - a) / a.
  return Math.sqrt(a / (2 * Math.PI)) * Math.exp(a * log1pMinus((x - a) / a) - stirlingRemainder(a));
}

function lowerSeries(a: number, x: number): number {
  const factor = density(a, x);
  if (factor === 0) return 0;
  let term = 1;
  let sum = 1;
  for (let k = 1; k < 2000; k++) {
    term *= x / (a + k);
    sum += term;
    if (term <= EPSILON * sum) break;
  }
  return (sum * factor) / a;
}

/** For small x: 1 - x^a / gamma(1 + a) first, without its cancellation, then the rest of the series. */
function upperSeries(a: number, x: number): number {
  let factor = 1;
  let sum = 0;
  for (let n = 1; n < 2000; n++) {
    factor *= -x / n;
    const term = factor / (a + n);
    sum += term;
    if (Math.abs(term) <= EPSILON * Math.abs(sum)) break;
  }
  const log = a * Math.log(x);
  return -Math.expm1(log - lgamma(1 + a)) - Math.exp(log - lgamma(a)) * sum;
}

/** Lentz's evaluation of the continued fraction DLMF 8.9.2. */
function upperFraction(a: number, x: number): number {
  const factor = density(a, x);
  if (factor === 0) return 0;
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / (b === 0 ? tiny : b);
  let h = d;
  for (let k = 1; k < 2000; k++) {
    const an = -k * (k - a);
    b += 2;
    d = an * d + b;
    if (Math.abs(d) < tiny) d = tiny;
    c = b + an / c;
    if (Math.abs(c) < tiny) c = tiny;
    d = 1 / d;
    const step = d * c;
    h *= step;
    if (Math.abs(step - 1) <= 2 * EPSILON) break;
  }
  return factor * h;
}

/** Temme's uniform expansion for large a near x (DLMF 8.12.3, 8.12.4). */
function uniform(a: number, x: number, lower: boolean): number {
  const sigma = (x - a) / a;
  const root = Math.sqrt(-2 * log1pMinus(sigma));
  const eta = sigma > 0 ? root : -root;
  const sign = lower ? -1 : 1;
  let scale = 1;
  let sum = 0;
  let last = Infinity;
  for (const row of TEMME) {
    let c = 0;
    let power = 1;
    for (const coefficient of row) {
      const term = coefficient * power;
      c += term;
      if (Math.abs(term) < EPSILON * Math.abs(c)) break;
      power *= eta;
    }
    const term = c * scale;
    if (Math.abs(term) > last) break;
    sum += term;
    if (Math.abs(term) < EPSILON * Math.abs(sum)) break;
    last = Math.abs(term);
    scale /= a;
  }
  const main = erfc(sign * eta * Math.sqrt(a / 2)) / 2;
  return main + (sign * Math.exp(-0.5 * a * eta * eta) * sum) / Math.sqrt(2 * Math.PI * a);
}

function isUniform(a: number, x: number): boolean {
  const distance = Math.abs(x - a) / a;
  return (a > 20 && a < 200 && distance < 0.3) || (a > 200 && distance < 4.5 / Math.sqrt(a));
}

/** The regularised lower incomplete gamma function P(a, x); NaN outside a, x >= 0 and at both zero or both infinite. */
export function igamma(a: number, x: number): number {
  if (x < 0 || a < 0) return NaN;
  if (a === 0) return x > 0 ? 1 : NaN;
  if (x === 0) return 0;
  if (a === Infinity) return x === Infinity ? NaN : 0;
  if (x === Infinity) return 1;
  if (x !== x || a !== a) return NaN;
  if (isUniform(a, x)) return uniform(a, x, true);
  if (x > 1 && x > a) return 1 - igammac(a, x);
  return lowerSeries(a, x);
}

/** The regularised upper incomplete gamma function Q(a, x) = 1 - P(a, x). */
export function igammac(a: number, x: number): number {
  if (x < 0 || a < 0) return NaN;
  if (a === 0) return x > 0 ? 0 : NaN;
  if (x === 0) return 1;
  if (a === Infinity) return x === Infinity ? NaN : 1;
  if (x === Infinity) return 0;
  if (x !== x || a !== a) return NaN;
  if (isUniform(a, x)) return uniform(a, x, false);
  if (x > 1.1) return x < a ? 1 - lowerSeries(a, x) : upperFraction(a, x);
  const large = x <= 0.5 ? -0.4 / Math.log(x) < a : x * 1.1 < a;
  return large ? 1 - lowerSeries(a, x) : upperSeries(a, x);
}
