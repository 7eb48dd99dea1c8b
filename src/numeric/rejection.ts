/**
 * Draws by rejection, as PyTorch's CPU kernels make them (`ATen/native/Distributions.h`): numbers that take as many words as it happens. Apart from the other
 * distributions for the formulas that they need.
 */

import { normalDouble, uniformDouble } from "./distributions.ts";
import { lgamma } from "./gamma.ts";
import type { TwisterState } from "./mt19937.ts";

/** A Poisson number: by products of uniforms below a rate of 10, by Hörmann's transformed rejection (PTRS, 1993) above. */
export function poisson(state: TwisterState, rate: number): number {
  if (rate === 0) return 0;
  if (rate < 10) {
    const limit = Math.exp(-rate);
    let product = uniformDouble(state);
    let count = 0;
    while (product > limit) {
      count++;
      product *= uniformDouble(state);
    }
    return count;
  }
  const b = 0.931 + 2.53 * Math.sqrt(rate);
  const a = -0.059 + 0.02483 * b;
  const inverseAlpha = 1.1239 + 1.1328 / (b - 3.4);
  const accept = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = uniformDouble(state) - 0.5;
    const v = uniformDouble(state);
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= accept) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (Math.log(v) + Math.log(inverseAlpha) - Math.log(a / (us * us) + b) <= -rate + k * Math.log(rate) - lgamma(k + 1)) return k;
  }
}

// PyTorch's constants are single precision even where it computes in double.
const THIRD = Math.fround(1 / 3);
const SQUEEZE = Math.fround(0.0331);

/** A gamma number of shape `alpha` and scale 1, by Marsaglia and Tsang. */
export function standardGamma(state: TwisterState, alpha: number): number {
  let scale = 1;
  let shape = alpha;
  if (shape < 1) {
    if (shape === 0) return 0;
    scale = (1 - uniformDouble(state)) ** (1 / shape);
    shape += 1;
  }
  const d = shape - THIRD;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    let x: number;
    let y: number;
    do {
      x = normalDouble(state);
      y = 1 + c * x;
    } while (y <= 0);
    const v = y * y * y;
    const u = 1 - uniformDouble(state);
    const xx = x * x;
    if (u < 1 - SQUEEZE * xx * xx || Math.log(u) < 0.5 * xx + d * (1 - v + Math.log(v))) return scale * d * v;
  }
}

/** What Stirling's formula leaves of log k!. */
function stirlingTail(k: number): number {
  return lgamma(k + 1) - ((k + 0.5) * Math.log(k + 1) - (k + 1) + 0.9189385332046727);
}

/** Successes among `count` trials, for p <= 1/2 and count * p >= 10, by Hörmann's BTRS (1993). */
function binomialByRejection(state: TwisterState, count: number, p: number): number {
  const std = Math.sqrt(count * p * (1 - p));
  const b = 1.15 + 2.53 * std;
  const a = -0.0873 + 0.0248 * b + 0.01 * p;
  const centre = count * p + 0.5;
  const accept = 0.92 - 4.2 / b;
  const odds = p / (1 - p);
  const alpha = (2.83 + 5.1 / b) * std;
  const mode = Math.floor((count + 1) * p);
  for (;;) {
    const u = uniformDouble(state) - 0.5;
    const v = uniformDouble(state);
    const us = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / us + b) * u + centre);
    if (us >= 0.07 && v <= accept) return k;
    if (k < 0 || k > count) continue;
    const bound =
      (mode + 0.5) * Math.log((mode + 1) / (odds * (count - mode + 1))) +
      (count + 1) * Math.log((count - mode + 1) / (count - k + 1)) +
      (k + 0.5) * Math.log((odds * (count - k + 1)) / (k + 1)) +
      stirlingTail(mode) +
      stirlingTail(count - mode) -
      stirlingTail(k) -
      stirlingTail(count - k);
    if (Math.log((v * alpha) / (a / (us * us) + b)) <= bound) return k;
  }
}

/** Successes among `count` trials, by gaps between them. */
function binomialByGaps(state: TwisterState, count: number, p: number): number {
  const log = Math.log1p(-p);
  let position = 0;
  let successes = 0;
  for (;;) {
    position += Math.ceil(Math.log(uniformDouble(state)) / log);
    if (position > count) return successes;
    successes++;
  }
}

/** A binomial number; NaN where p is. */
export function binomial(state: TwisterState, count: number, p: number): number {
  if (count <= 0 || p <= 0) return 0;
  if (p >= 1) return count;
  if (p !== p) return NaN;
  const q = p <= 0.5 ? p : 1 - p;
  const drawn = count * q >= 10 ? binomialByRejection(state, count, q) : binomialByGaps(state, count, q);
  return p <= 0.5 ? drawn : count - drawn;
}
