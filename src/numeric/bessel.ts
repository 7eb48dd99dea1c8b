/** Bessel functions of orders 0 and 1, the modified ones with and without their exponential, spherical j0, and Airy's Ai. */

import { chebyshevSum } from "./elementary.ts";
import {
  AIRY_COSINE,
  AIRY_DECAY,
  AIRY_MIDDLE,
  AIRY_OSCILLATING,
  AIRY_SINE,
  I0_LARGE,
  I0_SMALL,
  I1_LARGE,
  I1_SMALL,
  J0_SMALL,
  J1_SMALL,
  K0_LARGE,
  K0_SMALL,
  K1_LARGE,
  K1_SMALL,
  P0_LARGE,
  P1_LARGE,
  Q0_LARGE,
  Q1_LARGE,
  Y0_SMALL,
  Y1_SMALL,
} from "./bessel-tables.ts";

const TWO_OVER_PI = 0.6366197723675814;
const ONE_OVER_SQRT_PI = 0.5641895835477563;
// Squares of the first two zeros of J0 and of J1.
const J0_ZERO_1 = 5.783185962946785;
const J0_ZERO_2 = 30.471262343662087;
const J1_ZERO_1 = 14.681970642123893;
const J1_ZERO_2 = 49.2184563216947;

/** exp(-|x|) I0(x). */
export function i0e(x: number): number {
  const a = Math.abs(x);
  return a <= 8 ? chebyshevSum(I0_SMALL, a / 4 - 1) : chebyshevSum(I0_LARGE, 16 / a - 1) / Math.sqrt(a);
}

export function i0(x: number): number {
  return grown(i0e(x), Math.abs(x));
}

/** value * exp(a), also where exp(a) alone overflows. */
function grown(value: number, a: number): number {
  return a < 709 ? value * Math.exp(a) : value * Math.exp(a / 2) * Math.exp(a / 2);
}

/** exp(-|x|) I1(x). */
export function i1e(x: number): number {
  const a = Math.abs(x);
  if (a <= 8) return x * chebyshevSum(I1_SMALL, a / 4 - 1);
  const value = chebyshevSum(I1_LARGE, 16 / a - 1) / Math.sqrt(a);
  return x < 0 ? -value : value;
}

export function i1(x: number): number {
  return grown(i1e(x), Math.abs(x));
}

/** exp(x) K0(x); infinite at 0, NaN below. */
export function scaledK0(x: number): number {
  if (!(x > 0)) return x === 0 ? Infinity : NaN;
  return x <= 2 ? k0(x) * Math.exp(x) : chebyshevSum(K0_LARGE, 4 / x - 1) / Math.sqrt(x);
}

export function k0(x: number): number {
  if (!(x > 0)) return x === 0 ? Infinity : NaN;
  if (x > 2) return (Math.exp(-x) * chebyshevSum(K0_LARGE, 4 / x - 1)) / Math.sqrt(x);
  return chebyshevSum(K0_SMALL, (x * x) / 2 - 1) - Math.log(x / 2) * i0(x);
}

/** exp(x) K1(x); infinite at 0, NaN below. */
export function scaledK1(x: number): number {
  if (!(x > 0)) return x === 0 ? Infinity : NaN;
  return x <= 2 ? k1(x) * Math.exp(x) : chebyshevSum(K1_LARGE, 4 / x - 1) / Math.sqrt(x);
}

export function k1(x: number): number {
  if (!(x > 0)) return x === 0 ? Infinity : NaN;
  if (x > 2) return (Math.exp(-x) * chebyshevSum(K1_LARGE, 4 / x - 1)) / Math.sqrt(x);
  return chebyshevSum(K1_SMALL, (x * x) / 2 - 1) / x + Math.log(x / 2) * i1(x);
}

export function j0(x: number): number {
  const a = Math.abs(x);
  const z = a * a;
  if (a <= 5) return (z - J0_ZERO_1) * (z - J0_ZERO_2) * chebyshevSum(J0_SMALL, z / 12.5 - 1);
  // cos and sin of a - pi/4, without rounding the difference.
  const s = Math.sin(a);
  const c = Math.cos(a);
  const u = 50 / z - 1;
  const wave = chebyshevSum(P0_LARGE, u) * (c + s) - (5 / a) * chebyshevSum(Q0_LARGE, u) * (s - c);
  return (wave * ONE_OVER_SQRT_PI) / Math.sqrt(a);
}

export function y0(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  const z = x * x;
  if (x <= 5) return chebyshevSum(Y0_SMALL, z / 12.5 - 1) + TWO_OVER_PI * Math.log(x) * j0(x);
  const s = Math.sin(x);
  const c = Math.cos(x);
  const u = 50 / z - 1;
  const wave = chebyshevSum(P0_LARGE, u) * (s - c) + (5 / x) * chebyshevSum(Q0_LARGE, u) * (c + s);
  return (wave * ONE_OVER_SQRT_PI) / Math.sqrt(x);
}

export function j1(x: number): number {
  const a = Math.abs(x);
  const z = a * a;
  if (a <= 5) return x * (z - J1_ZERO_1) * (z - J1_ZERO_2) * chebyshevSum(J1_SMALL, z / 12.5 - 1);
  // cos and sin of a - 3 pi/4.
  const s = Math.sin(a);
  const c = Math.cos(a);
  const u = 50 / z - 1;
  const wave = chebyshevSum(P1_LARGE, u) * (s - c) + (5 / a) * chebyshevSum(Q1_LARGE, u) * (s + c);
  const value = (wave * ONE_OVER_SQRT_PI) / Math.sqrt(a);
  return x < 0 ? -value : value;
}

export function y1(x: number): number {
  if (!(x > 0)) return x === 0 ? -Infinity : NaN;
  const z = x * x;
  if (x <= 5) return x * chebyshevSum(Y1_SMALL, z / 12.5 - 1) + TWO_OVER_PI * (j1(x) * Math.log(x) - 1 / x);
  const s = Math.sin(x);
  const c = Math.cos(x);
  const u = 50 / z - 1;
  const wave = -chebyshevSum(P1_LARGE, u) * (s + c) + (5 / x) * chebyshevSum(Q1_LARGE, u) * (s - c);
  return (wave * ONE_OVER_SQRT_PI) / Math.sqrt(x);
}

/** sin(x) / x, by its series near 0; 0 at the infinities. */
export function sphericalJ0(x: number): number {
  if (Math.abs(x) === Infinity) return 0;
  if (Math.abs(x) >= 0.5) return Math.sin(x) / x;
  const z = x * x;
  return 1 + z * (-1 / 6 + z * (1 / 120 + z * (-1 / 5040 + z * (1 / 362880 + z * (-1 / 39916800 + z / 6227020800)))));
}

const AIRY_ZETA_2_25 = 2.25;
const AIRY_ZETA_6 = (2 * 6 * Math.sqrt(6)) / 3;

/** Airy's Ai; 0 beyond 103.892, NaN at the infinities. */
export function airyAi(x: number): number {
  if (!Number.isFinite(x)) return NaN;
  if (x > 103.892) return 0;
  if (x >= 2.25) {
    const zeta = (2 * x * Math.sqrt(x)) / 3;
    return ((ONE_OVER_SQRT_PI / 2) * chebyshevSum(AIRY_DECAY, (2 * AIRY_ZETA_2_25) / zeta - 1) * Math.exp(-zeta)) / Math.sqrt(Math.sqrt(x));
  }
  if (x >= -2) return chebyshevSum(AIRY_MIDDLE, (x - 0.125) / 2.125);
  if (x >= -6) return chebyshevSum(AIRY_OSCILLATING, (x + 4) / 2);
  const zeta = (-2 * x * Math.sqrt(-x)) / 3;
  const ratio = AIRY_ZETA_6 / zeta;
  const u = 2 * ratio * ratio - 1;
  const t = zeta + Math.PI / 4;
  const wave = Math.sin(t) * chebyshevSum(AIRY_SINE, u) - (Math.cos(t) * chebyshevSum(AIRY_COSINE, u)) / zeta;
  return (ONE_OVER_SQRT_PI * wave) / Math.sqrt(Math.sqrt(-x));
}
