/** Singular values and vectors by one-sided Jacobi rotations, which find even tiny values to full relative precision. */

import { hypot } from "./complex.ts";
import { at, copyOf, corner, dot, identity, type Matrix, multiply, norm2, type Scalar, transposed, zeros } from "./matrix.ts";
import { geqrf, householderProduct } from "./qr.ts";

export interface Svd {
  /** m x k, or m x m where `full`; columns. */
  readonly u: Matrix;
  /** k = min(m, n), descending. */
  readonly values: Float64Array;
  /** k x n, or n x n where `full`; rows are the conjugated right vectors. */
  readonly vh: Matrix;
  /** 0, or 1 where the rotations did not settle. */
  readonly info: number;
}

const SWEEPS = 60;

/** A = U diag(values) V^H; with `full` U and V are square. */
export function svd(a: Matrix, full: boolean = false): Svd {
  if (a.rows < a.cols) {
    const flipped = svd(transposed(a, true), full);
    return { u: transposed(flipped.vh, true), values: flipped.values, vh: transposed(flipped.u, true), info: flipped.info };
  }
  const { rows, cols } = a;
  // The R of a QR factorisation is all that the rotations need to work on.
  const isTall = rows > cols;
  const factors = isTall ? geqrf(a) : undefined;
  let work = copyOf(a);
  if (factors !== undefined) {
    work = corner(factors.a, cols, cols);
    for (let i = 1; i < cols; i++) {
      work.re.fill(0, i * cols, i * cols + i);
      work.im?.fill(0, i * cols, i * cols + i);
    }
  }
  const { values, left, right, info } = jacobi(work);
  let u = left;
  if (factors !== undefined) {
    const q = householderProduct(factors.a, factors.tau, full ? rows : cols);
    u = multiply(q, full ? embed(left, rows) : left);
  }
  return { u, values, vh: transposed(right, true), info };
}

/** `a` in the upper left corner of an identity. */
function embed(a: Matrix, n: number): Matrix {
  const out = corner(a, n, n);
  for (let i = a.rows; i < n; i++) out.re[i * n + i] = 1;
  return out;
}

/** The decomposition of a square matrix. Works on rows of the transpose, so that vectors lie together in memory. */
function jacobi(a: Matrix): { values: Float64Array; left: Matrix; right: Matrix; info: number } {
  const n = a.cols;
  const w = transposed(a, false);
  const v = identity(n, a.im !== undefined);
  const g: Scalar = { re: 0, im: 0 };
  let info = n > 1 ? 1 : 0;
  if (w.re.some((x) => !Number.isFinite(x)) || w.im?.some((x) => !Number.isFinite(x))) {
    w.re.fill(NaN);
    info = 1;
  } else {
    const threshold = 2 ** -52 * Math.sqrt(n);
    for (let sweep = 0; sweep < SWEEPS && info !== 0; sweep++) {
      info = 0;
      for (let p = 0; p < n - 1; p++) {
        for (let q = p + 1; q < n; q++) {
          const np = norm2(n, w, p * n, 1);
          const nq = norm2(n, w, q * n, 1);
          if (np === 0 || nq === 0) {
            if (nq > np) exchange(w, v, n, p, q);
            continue;
          }
          dot(n, w, p * n, 1, w, q * n, 1, true, g);
          const size = hypot(g.re, g.im);
          if (size <= threshold * np * nq) {
            if (nq > np) exchange(w, v, n, p, q);
            continue;
          }
          info = 1;
          // Tangent of the angle that makes the columns orthogonal, the larger one first.
          const zeta = ((nq / np - np / nq) / 2) * ((np * nq) / size);
          const t = (zeta >= 0 ? 1 : -1) / (Math.abs(zeta) + hypot(1, zeta));
          const c = 1 / Math.sqrt(1 + t * t);
          const s = c * t;
          turn(w, n, p, q, c, (s * g.re) / size, (s * g.im) / size);
          turn(v, n, p, q, c, (s * g.re) / size, (s * g.im) / size);
          if (norm2(n, w, q * n, 1) > norm2(n, w, p * n, 1)) exchange(w, v, n, p, q);
        }
      }
    }
  }
  return assemble(w, v, n, info);
}

/** Rows p and q: p' = c p - conj(f) q, q' = f p + c q, with f = s e^(i phase). */
function turn(m: Matrix, n: number, p: number, q: number, c: number, fr: number, fi: number): void {
  for (let k = 0, i = p * n, j = q * n; k < n; k++, i++, j++) {
    const pr = at(m.re, i);
    const qr = at(m.re, j);
    if (m.im === undefined) {
      m.re[i] = c * pr - fr * qr;
      m.re[j] = fr * pr + c * qr;
      continue;
    }
    const pi = at(m.im, i);
    const qi = at(m.im, j);
    m.re[i] = c * pr - (fr * qr + fi * qi);
    m.im[i] = c * pi - (fr * qi - fi * qr);
    m.re[j] = fr * pr - fi * pi + c * qr;
    m.im[j] = fr * pi + fi * pr + c * qi;
  }
}

function exchange(w: Matrix, v: Matrix, n: number, p: number, q: number): void {
  for (const m of [w, v]) {
    for (const part of m.im === undefined ? [m.re] : [m.re, m.im]) {
      for (let k = 0; k < n; k++) {
        const kept = at(part, p * n + k);
        part[p * n + k] = at(part, q * n + k);
        part[q * n + k] = kept;
      }
    }
  }
}

/** Values, left vectors (completed where values vanish) and right vectors from rotated rows. */
function assemble(w: Matrix, v: Matrix, n: number, info: number): { values: Float64Array; left: Matrix; right: Matrix; info: number } {
  const norms = Float64Array.from({ length: n }, (_, i) => norm2(n, w, i * n, 1));
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => at(norms, j) - at(norms, i));
  const values = Float64Array.from(order, (i) => at(norms, i));
  const left = zeros(n, n, w.im !== undefined);
  const right = zeros(n, n, w.im !== undefined);
  let rank = 0;
  const floor = at(values, 0) * Number.EPSILON * n * 2 ** -20;
  order.forEach((from, to) => {
    const value = at(values, to);
    if (value > floor || value !== value) rank = to + 1;
    for (let k = 0; k < n; k++) {
      left.re[k * n + to] = at(w.re, from * n + k) / (value || 1);
      right.re[k * n + to] = at(v.re, from * n + k);
      if (w.im !== undefined && left.im !== undefined) left.im[k * n + to] = at(w.im, from * n + k) / (value || 1);
      if (v.im !== undefined && right.im !== undefined) right.im[k * n + to] = at(v.im, from * n + k);
    }
  });
  if (rank < n) complete(left, n, rank);
  return { values, left, right, info };
}

/** Replaces the columns from `rank` on by an orthonormal completion of the ones before. */
function complete(left: Matrix, n: number, rank: number): void {
  const known = corner(left, n, rank);
  const factors = geqrf(known);
  const q = householderProduct(factors.a, factors.tau, n);
  for (let i = 0; i < n; i++) {
    for (let j = rank; j < n; j++) {
      left.re[i * n + j] = at(q.re, i * n + j);
      if (left.im !== undefined && q.im !== undefined) left.im[i * n + j] = at(q.im, i * n + j);
    }
  }
}

/** Singular values alone. */
export function singularValues(a: Matrix): Float64Array {
  return svd(a).values;
}

/** How many singular values exceed `max(atol, rtol * largest)`. */
export function rank(a: Matrix, atol: number, rtol: number): number {
  const values = singularValues(a);
  const threshold = Math.max(atol, rtol * (values[0] ?? 0));
  return values.reduce((count, value) => count + (value > threshold ? 1 : 0), 0);
}

/** The Moore-Penrose inverse; singular values up to `max(atol, rtol * largest)` count as zero. */
export function pseudoInverse(a: Matrix, atol: number, rtol: number): Matrix {
  const { u, values, vh } = svd(a);
  const threshold = Math.max(atol, rtol * (values[0] ?? 0));
  const k = values.length;
  const v = transposed(vh, true);
  for (let i = 0; i < v.rows; i++) {
    for (let j = 0; j < k; j++) {
      const factor = at(values, j) > threshold ? 1 / at(values, j) : 0;
      v.re[i * k + j] = at(v.re, i * k + j) * factor;
      if (v.im !== undefined) v.im[i * k + j] = at(v.im, i * k + j) * factor;
    }
  }
  return multiply(v, transposed(u, true));
}
