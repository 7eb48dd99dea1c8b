/** Householder QR in LAPACK's form (geqrf, orgqr, ormqr): reflectors below the diagonal, `tau` apart, signs as LAPACK's. */

import { complexDiv, hypot } from "./complex.ts";
import { addScaled, at, complexified, copyOf, corner, dot, imagAt, type Matrix, norm2, type Scalar, scale, transposed, zeros } from "./matrix.ts";

/** R on and above the diagonal, the reflectors' vectors below (their leading 1 not stored); H_i = I - tau_i v_i v_i^H, Q = H_1 H_2 …. */
export interface QrFactors {
  readonly a: Matrix;
  /** min(m, n) x 1. */
  readonly tau: Matrix;
}

/**
 * LAPACK's larfg: makes the reflector that maps (alpha, x) to (beta, 0); overwrites alpha by beta and x by the vector's tail.
 * `alphaAt` is alpha's place, the `n - 1` elements of x start at `xAt`.
 */
export function makeReflector(n: number, a: Matrix, alphaAt: number, xAt: number, xStep: number, tau: Scalar): void {
  const alphaRe = at(a.re, alphaAt);
  const alphaIm = imagAt(a, alphaAt);
  const tail = norm2(n - 1, a, xAt, xStep);
  if (n <= 0 || (tail === 0 && alphaIm === 0)) {
    tau.re = 0;
    tau.im = 0;
    return;
  }
  const size = hypot(hypot(alphaRe, alphaIm), tail);
  const beta = alphaRe < 0 || Object.is(alphaRe, -0) ? size : -size;
  const inverse: [number, number] = [0, 0];
  complexDiv(1, 0, alphaRe - beta, alphaIm, inverse);
  scale(n - 1, inverse[0], inverse[1], a, xAt, xStep);
  tau.re = (beta - alphaRe) / beta;
  tau.im = -alphaIm / beta;
  a.re[alphaAt] = beta;
  if (a.im !== undefined) a.im[alphaAt] = 0;
}

const product: Scalar = { re: 0, im: 0 };

/** c -= tau (v^H c) v for `cols` columns c of `target`, whose first elements lie at `cAt`; v has a leading 1 that is not stored. */
export function applyReflector(
  n: number,
  v: Matrix,
  tailAt: number,
  tailStep: number,
  tauRe: number,
  tauIm: number,
  target: Matrix,
  cAt: number,
  cols: number,
): void {
  if (tauRe === 0 && tauIm === 0) return;
  const step = target.cols;
  for (let j = 0; j < cols; j++) {
    const first = cAt + j;
    dot(n - 1, v, tailAt, tailStep, target, first + step, step, true, product);
    const sumRe = product.re + at(target.re, first);
    const sumIm = product.im + imagAt(target, first);
    const wr = -(tauRe * sumRe - tauIm * sumIm);
    const wi = -(tauRe * sumIm + tauIm * sumRe);
    target.re[first] = at(target.re, first) + wr;
    if (target.im !== undefined) target.im[first] = at(target.im, first) + wi;
    addScaled(n - 1, wr, wi, v, tailAt, tailStep, target, first + step, step);
  }
}

/** The factors of an m x n matrix. */
export function geqrf(input: Matrix): QrFactors {
  const a = copyOf(input);
  const { rows, cols } = a;
  const steps = Math.min(rows, cols);
  const tau = zeros(steps, 1, a.im !== undefined);
  const scalar: Scalar = { re: 0, im: 0 };
  for (let k = 0; k < steps; k++) {
    const diagonal = k * cols + k;
    makeReflector(rows - k, a, diagonal, diagonal + cols, cols, scalar);
    tau.re[k] = scalar.re;
    if (tau.im !== undefined) tau.im[k] = scalar.im;
    applyReflector(rows - k, a, diagonal + cols, cols, scalar.re, -scalar.im, a, diagonal + 1, cols - k - 1);
  }
  return { a, tau };
}

/** The first `cols` columns of Q from reflectors (orgqr); `cols` from 0 to m, by default those that `a` has. */
export function householderProduct(a: Matrix, tau: Matrix, cols: number = a.cols): Matrix {
  const q = zeros(a.rows, cols, a.im !== undefined || tau.im !== undefined);
  for (let i = 0; i < Math.min(a.rows, cols); i++) q.re[i * cols + i] = 1;
  for (let k = Math.min(tau.rows, a.cols) - 1; k >= 0; k--) {
    applyReflector(a.rows - k, a, (k + 1) * a.cols + k, a.cols, at(tau.re, k), imagAt(tau, k), q, k * cols, cols);
  }
  return q;
}

/** op(Q) C, or C op(Q) with `left` false, for the Q of reflectors (ormqr); `transpose` conjugates where the numbers are complex. */
export function ormqr(a: Matrix, tau: Matrix, c: Matrix, left: boolean, transpose: boolean): Matrix {
  // C op(Q) is the adjoint of op(Q)^H C^H.
  if (!left) return transposed(ormqr(a, tau, transposed(c, true), true, !transpose), true);
  const out = copyOf(a.im === undefined ? c : complexified(c));
  const count = tau.rows;
  for (let step = 0; step < count; step++) {
    const k = transpose ? step : count - 1 - step;
    const im = imagAt(tau, k);
    applyReflector(a.rows - k, a, (k + 1) * a.cols + k, a.cols, at(tau.re, k), transpose ? -im : im, out, k * out.cols, out.cols);
  }
  return out;
}

/** Q and R: `reduced` Q is m x min(m, n), `complete` Q is m x m; with `r` no Q is made. */
export function qr(input: Matrix, mode: "reduced" | "complete" | "r" = "reduced"): { readonly q: Matrix | undefined; readonly r: Matrix } {
  const { a, tau } = geqrf(input);
  const k = Math.min(a.rows, a.cols);
  const height = mode === "complete" ? a.rows : k;
  const r = corner(a, height, a.cols);
  for (let i = 1; i < height; i++) {
    r.re.fill(0, i * a.cols, i * a.cols + Math.min(i, a.cols));
    r.im?.fill(0, i * a.cols, i * a.cols + Math.min(i, a.cols));
  }
  return { q: mode === "r" ? undefined : householderProduct(a, tau, height), r };
}
