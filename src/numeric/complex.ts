/**
 * Functions of a complex number given as its two parts; the result is written into a pair. Branch cuts, signed zeros and infinities
 * follow C99's annex G, so the sign of a zero part says from which side a cut is approached.
 */

/** Where a complex result is written: real part first. An array of two numbers or a typed array fits. */
export interface Pair {
  0: number;
  1: number;
}

function put(out: Pair, re: number, im: number): void {
  out[0] = re;
  out[1] = im;
}

const isNegative = (x: number): boolean => x < 0 || Object.is(x, -0);
/** |x| with the sign of `s`. */
const withSign = (x: number, s: number): number => (isNegative(s) ? -Math.abs(x) : Math.abs(x));

/** sqrt(x^2 + y^2) without overflow on the way; infinite where either part is. */
export function hypot(x: number, y: number): number {
  const a = Math.abs(x);
  const b = Math.abs(y);
  const large = a > b ? a : b;
  const small = a > b ? b : a;
  if (a === Infinity || b === Infinity) return Infinity;
  if (!(large > 0)) return a + b;
  if (large > 1e150 || small < 1e-150) {
    const ratio = small / large;
    return large * Math.sqrt(1 + ratio * ratio);
  }
  return Math.sqrt(a * a + b * b);
}

/** Modulus. */
export const complexAbs: (re: number, im: number) => number = hypot;

/** Phase in (-pi, pi]. */
export function complexAngle(re: number, im: number): number {
  return Math.atan2(im, re);
}

export function complexMul(a: number, b: number, c: number, d: number, out: Pair): void {
  put(out, a * c - b * d, a * d + b * c);
}

/** (a + bi) / (c + di), scaled by the larger part of the divisor as PyTorch does. */
export function complexDiv(a: number, b: number, c: number, d: number, out: Pair): void {
  const absC = Math.abs(c);
  const absD = Math.abs(d);
  if (absC >= absD) {
    if (absC === 0 && absD === 0) return put(out, a / absC, b / absD);
    const ratio = d / c;
    const scale = 1 / (c + d * ratio);
    return put(out, (a + b * ratio) * scale, (b - a * ratio) * scale);
  }
  const ratio = c / d;
  const scale = 1 / (c * ratio + d);
  put(out, (a * ratio + b) * scale, (b * ratio - a) * scale);
}

export function complexReciprocal(re: number, im: number, out: Pair): void {
  complexDiv(1, 0, re, im, out);
}

/** z / |z|; 0 at 0. */
export function complexSgn(re: number, im: number, out: Pair): void {
  const r = hypot(re, im);
  if (r === 0) return put(out, 0, 0);
  if (r === Infinity) return put(out, NaN, NaN);
  put(out, re / r, im / r);
}

/** The root with a non-negative real part. */
export function complexSqrt(re: number, im: number, out: Pair): void {
  if (re === 0 && im === 0) return put(out, 0, im);
  if (im === Infinity || im === -Infinity) return put(out, Infinity, im);
  if (re === Infinity) return put(out, re, im !== im ? NaN : withSign(0, im));
  if (re === -Infinity) return put(out, im !== im ? NaN : 0, im !== im ? Infinity : withSign(Infinity, im));
  const scale = Math.max(Math.abs(re), Math.abs(im));
  const factor = scale > 1e300 ? 2 ** -4 : scale < 1e-290 ? 2 ** 108 : 1;
  const a = re * factor;
  const b = im * factor;
  const root = Math.sqrt((Math.abs(a) + hypot(a, b)) / 2) / Math.sqrt(factor);
  const other = im / (2 * root);
  if (re >= 0) put(out, root, other);
  else put(out, Math.abs(other), withSign(root, im));
}

/** log |z|, accurate near the unit circle. */
function logAbs(re: number, im: number): number {
  const a = Math.abs(re);
  const b = Math.abs(im);
  const large = Math.max(a, b);
  const small = Math.min(a, b);
  if (large > 0.7 && large < 1.5) return Math.log1p((large - 1) * (large + 1) + small * small) / 2;
  return Math.log(hypot(re, im));
}

export function complexLog(re: number, im: number, out: Pair): void {
  put(out, logAbs(re, im), Math.atan2(im, re));
}
export function complexLog2(re: number, im: number, out: Pair): void {
  put(out, logAbs(re, im) / Math.LN2, Math.atan2(im, re) / Math.LN2);
}
export function complexLog10(re: number, im: number, out: Pair): void {
  put(out, logAbs(re, im) / Math.LN10, Math.atan2(im, re) / Math.LN10);
}

/** log(1 + z). */
export function complexLog1p(re: number, im: number, out: Pair): void {
  // |1 + z|^2 - 1 without cancellation where z is small.
  const excess = re * (2 + re) + im * im;
  const log = Math.abs(excess) < 0.5 ? Math.log1p(excess) / 2 : logAbs(1 + re, im);
  put(out, log, Math.atan2(im, 1 + re));
}

export function complexExp(re: number, im: number, out: Pair): void {
  if (im === 0) return put(out, Math.exp(re), im);
  if (re === -Infinity && !Number.isFinite(im)) return put(out, 0, 0);
  if (re === Infinity && !Number.isFinite(im)) return put(out, Infinity, NaN);
  const c = Math.cos(im);
  const s = Math.sin(im);
  if (re > 709 && re !== Infinity) {
    const half = Math.exp(re / 2);
    return put(out, half * c * half, half * s * half);
  }
  const e = Math.exp(re);
  put(out, e * c, e * s);
}

/** exp(z) - 1. */
export function complexExpm1(re: number, im: number, out: Pair): void {
  const s = Math.sin(im / 2);
  const e = Math.exp(re);
  put(out, Math.expm1(re) * Math.cos(im) - 2 * s * s, im === 0 ? im : e * Math.sin(im));
}

/** 2^z. */
export function complexExp2(re: number, im: number, out: Pair): void {
  complexExp(re * Math.LN2, im * Math.LN2, out);
}

/** z^w by exp(w log z); at z = 0 it is 0 for a positive real part of w, infinite for a negative one, NaN for w = 0 (PyTorch's cpow). */
export function complexPow(a: number, b: number, c: number, d: number, out: Pair): void {
  if (a === 0 && b === 0) {
    if (c > 0) return put(out, 0, 0);
    return put(out, c < 0 ? Infinity : NaN, NaN);
  }
  const log = logAbs(a, b);
  const angle = Math.atan2(b, a);
  complexExp(d === 0 ? c * log : c * log - d * angle, d === 0 ? c * angle : c * angle + d * log, out);
}

export function complexSinh(re: number, im: number, out: Pair): void {
  if (im === 0) return put(out, Math.sinh(re), im);
  if (re === 0) return put(out, re, Math.sin(im));
  if (Math.abs(re) === Infinity && !Number.isFinite(im)) return put(out, Infinity, NaN);
  if (Math.abs(re) > 709 && Number.isFinite(re)) {
    const half = Math.exp(Math.abs(re) / 2);
    return put(out, withSign(1, re) * ((half / 2) * Math.cos(im) * half), (half / 2) * Math.sin(im) * half);
  }
  put(out, Math.sinh(re) * Math.cos(im), Math.cosh(re) * Math.sin(im));
}

export function complexCosh(re: number, im: number, out: Pair): void {
  if (im === 0) return put(out, Math.cosh(re), isNegative(re) ? -im : im);
  if (re === 0) return put(out, Math.cos(im), Number.isFinite(im) ? re * Math.sin(im) : 0);
  if (Math.abs(re) === Infinity && !Number.isFinite(im)) return put(out, Infinity, NaN);
  if (Math.abs(re) > 709 && Number.isFinite(re)) {
    const half = Math.exp(Math.abs(re) / 2);
    return put(out, (half / 2) * Math.cos(im) * half, withSign(1, re) * ((half / 2) * Math.sin(im) * half));
  }
  put(out, Math.cosh(re) * Math.cos(im), Math.sinh(re) * Math.sin(im));
}

/** -i f(iz): the trigonometric function of z from the hyperbolic one. */
function rotated(f: (re: number, im: number, out: Pair) => void, re: number, im: number, out: Pair): void {
  f(-im, re, out);
  put(out, out[1], -out[0]);
}

export function complexSin(re: number, im: number, out: Pair): void {
  rotated(complexSinh, re, im, out);
}
export function complexCos(re: number, im: number, out: Pair): void {
  complexCosh(-im, re, out);
}

export function complexTanh(re: number, im: number, out: Pair): void {
  if (Math.abs(re) > 22) {
    const tail = Number.isFinite(im) ? 4 * Math.sin(im) * Math.cos(im) * Math.exp(-2 * Math.abs(re)) : 0;
    return put(out, withSign(1, re), im === 0 ? im : tail);
  }
  if (im === 0) return put(out, Math.tanh(re), im);
  if (re === 0) return put(out, re, Math.tan(im));
  const s = Math.sinh(re);
  const c = Math.cos(im);
  const denominator = s * s + c * c;
  put(out, (s * Math.cosh(re)) / denominator, (Math.sin(im) * c) / denominator);
}
export function complexTan(re: number, im: number, out: Pair): void {
  rotated(complexTanh, re, im, out);
}

const LARGE = 1e8;

function rootOf(re: number, im: number): [number, number] {
  const root: [number, number] = [0, 0];
  complexSqrt(re, im, root);
  return root;
}

const isLarge = (re: number, im: number): boolean => Math.abs(re) > LARGE || Math.abs(im) > LARGE;
const logTwice = (re: number, im: number): number => Math.log(hypot(re / 2, im / 2)) + 2 * Math.LN2;

/** Kahan's formulas, which keep the sign of zeros and lose no digits near the branch points. */
export function complexAsin(re: number, im: number, out: Pair): void {
  if (re === 0 && im !== im) return put(out, re, im);
  if (isLarge(re, im)) return put(out, Math.atan2(re, Math.abs(im)), withSign(logTwice(re, im), im));
  const [pr, pi] = rootOf(1 - re, -im);
  const [qr, qi] = rootOf(1 + re, im);
  put(out, Math.atan2(re, pr * qr - pi * qi), withSign(Math.asinh(pr * qi - pi * qr), im));
}

export function complexAcos(re: number, im: number, out: Pair): void {
  if (re === 0 && im !== im) return put(out, Math.PI / 2, im);
  if (isLarge(re, im)) return put(out, Math.atan2(Math.abs(im), re), -withSign(logTwice(re, im), im));
  const [pr, pi] = rootOf(1 - re, -im);
  const [qr, qi] = rootOf(1 + re, im);
  put(out, 2 * Math.atan2(pr, qr), withSign(Math.asinh(qr * pi - qi * pr), -im));
}

export function complexAsinh(re: number, im: number, out: Pair): void {
  rotated(complexAsin, re, im, out);
}

export function complexAcosh(re: number, im: number, out: Pair): void {
  complexAcos(re, im, out);
  // acosh z is i acos z or -i acos z, whichever has a non-negative real part.
  put(out, Math.abs(out[1]), withSign(out[0], im));
}

export function complexAtanh(re: number, im: number, out: Pair): void {
  if (im !== im) return put(out, re === 0 || Math.abs(re) === Infinity ? withSign(0, re) : NaN, im);
  if (isLarge(re, im)) {
    complexReciprocal(re, im, out);
    const real = Number.isFinite(re) && Number.isFinite(im) ? out[0] : 0;
    return put(out, withSign(real, re), withSign(Math.PI / 2, im));
  }
  const x = Math.abs(re);
  if (x === 1 && im === 0) return put(out, withSign(Infinity, re), im);
  const y2 = im * im;
  const real = Math.log1p((4 * x) / ((1 - x) * (1 - x) + y2)) / 4;
  put(out, withSign(real, re), Math.atan2(2 * im, (1 - x) * (1 + x) - y2) / 2);
}

export function complexAtan(re: number, im: number, out: Pair): void {
  rotated(complexAtanh, re, im, out);
}

/** 1 / (1 + exp(-z)). */
export function complexSigmoid(re: number, im: number, out: Pair): void {
  complexExp(-re, -im, out);
  complexReciprocal(1 + out[0], out[1], out);
}
