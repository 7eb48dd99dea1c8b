/** The incomplete gamma functions in double precision. */

import { log1pMinus } from "./elementary.ts";
import { erfc } from "./error-function.ts";
import { gamma, lgamma, stirlingRemainder } from "./gamma.ts";
import { TEMME } from "./temme-table.ts";

const EPSILON = 2 ** -53;

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
