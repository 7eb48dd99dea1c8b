/** Eigenvalues and right vectors of general matrices: Hessenberg form (gehrd), shifted QR to Schur form, back substitution; vectors scaled as geev does. */

import { complexDiv, complexSqrt, hypot } from "./complex.ts";
import { at, complexified, copyOf, identity, imagAt, type Matrix, norm2, type Scalar, transposed, zeros } from "./matrix.ts";
import { applyReflector, makeReflector } from "./qr.ts";

export interface GeneralEigen {
  readonly values: { readonly re: Float64Array; readonly im: Float64Array };
  /** Columns of Euclidean length 1, the largest part of each real; undefined where not asked for. Always complex. */
  readonly vectors: Matrix | undefined;
  /** 0, or how many eigenvalues were not found. */
  readonly info: number;
}

const EPSILON = 2 ** -52;
const SWEEPS = 60;

/** A x = x lambda. Pairs of a real matrix come as conjugates, positive imaginary part first. */
export function eigenGeneral(a: Matrix, vectors: boolean): GeneralEigen {
  const n = a.rows;
  const { h, z } = hessenberg(a);
  const isReal = a.im === undefined;
  const info = [...h.re, ...(h.im ?? [])].every(Number.isFinite) ? (isReal ? realSchur(h, z) : complexSchur(h, z)) : n;
  const pairs = isReal ? pairsOf(h) : [];
  const t = isReal ? complexified(h) : h;
  const q = isReal ? complexified(z) : z;
  for (const k of pairs) splitPair(t, q, k);
  const values = { re: new Float64Array(n), im: new Float64Array(n) };
  for (let k = 0; k < n; k++) {
    values.re[k] = info === 0 ? at(t.re, k * n + k) : NaN;
    values.im[k] = info === 0 ? imagAt(t, k * n + k) : NaN;
  }
  for (const k of pairs) {
    values.re[k + 1] = at(values.re, k);
    values.im[k + 1] = -at(values.im, k);
  }
  return { values, vectors: vectors ? rightVectors(t, q, values, isReal, new Set(pairs)) : undefined, info };
}

/** Q^H A Q = H, zero below the subdiagonal, and Q. */
function hessenberg(a: Matrix): { h: Matrix; z: Matrix } {
  const n = a.rows;
  let h = copyOf(a);
  const complex = a.im !== undefined;
  const tau: Scalar = { re: 0, im: 0 };
  const taus = zeros(Math.max(n, 1), 1, complex);
  const reflectors = zeros(n, n, complex);
  for (let k = 0; k < n - 2; k++) {
    const first = (k + 1) * n + k;
    makeReflector(n - k - 1, h, first, first + n, n, tau);
    for (let i = k + 2; i < n; i++) {
      reflectors.re[i * n + k] = at(h.re, i * n + k);
      h.re[i * n + k] = 0;
      if (h.im !== undefined && reflectors.im !== undefined) {
        reflectors.im[i * n + k] = at(h.im, i * n + k);
        h.im[i * n + k] = 0;
      }
    }
    taus.re[k] = tau.re;
    if (taus.im !== undefined) taus.im[k] = tau.im;
    applyReflector(n - k - 1, reflectors, (k + 2) * n + k, n, tau.re, -tau.im, h, (k + 1) * n + k + 1, n - k - 1);
    // From the right: the adjoint from the left of the adjoint.
    h = transposed(h, true);
    applyReflector(n - k - 1, reflectors, (k + 2) * n + k, n, tau.re, -tau.im, h, (k + 1) * n, n);
    h = transposed(h, true);
  }
  const z = identity(n, complex);
  for (let k = n - 3; k >= 0; k--) applyReflector(n - k - 1, reflectors, (k + 2) * n + k, n, at(taus.re, k), imagAt(taus, k), z, (k + 1) * n, n);
  return { h, z };
}

/** Whether the subdiagonal element below row `k` is negligible; then it is made zero. */
function deflates(h: Matrix, k: number, norm: number): boolean {
  const n = h.cols;
  const below = (k + 1) * n + k;
  const off = hypot(at(h.re, below), imagAt(h, below));
  const near = Math.abs(at(h.re, k * n + k)) + Math.abs(imagAt(h, k * n + k)) + Math.abs(at(h.re, below + 1)) + Math.abs(imagAt(h, below + 1));
  if (off > EPSILON * (near === 0 ? norm : near)) return false;
  h.re[below] = 0;
  if (h.im !== undefined) h.im[below] = 0;
  return true;
}

/** Applies a 2 x 2 or 3 x 3 real reflector I - t u u^T to rows and columns `k, k + 1, …` of h and to columns of z. */
function reflectReal(h: Matrix, z: Matrix, k: number, u: readonly number[], t: number, fromCol: number, toRow: number): void {
  const n = h.cols;
  for (let j = fromCol; j < n; j++) {
    let sum = 0;
    u.forEach((x, i) => (sum += x * at(h.re, (k + i) * n + j)));
    u.forEach((x, i) => (h.re[(k + i) * n + j] = at(h.re, (k + i) * n + j) - t * sum * x));
  }
  for (const [m, rows] of [
    [h, toRow],
    [z, n],
  ] as const) {
    for (let i = 0; i < rows; i++) {
      let sum = 0;
      u.forEach((x, j) => (sum += x * at(m.re, i * n + k + j)));
      u.forEach((x, j) => (m.re[i * n + k + j] = at(m.re, i * n + k + j) - t * sum * x));
    }
  }
}

/** The vector of a reflector that takes x to a multiple of the first axis, and its factor. */
function reflectorOf(x: readonly number[]): { u: number[]; t: number } {
  const size = Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  const first = x[0] ?? 0;
  if (size === 0) return { u: x.slice(), t: 0 };
  const u = x.slice();
  u[0] = first + (first < 0 ? -size : size);
  return { u, t: 2 / u.reduce((sum, v) => sum + v * v, 0) };
}

/** Francis's double-shift QR: h becomes quasi-triangular with 2 x 2 blocks only for complex pairs. Returns the eigenvalues not found. */
function realSchur(h: Matrix, z: Matrix): number {
  const n = h.cols;
  const norm = norm2(n * n, h, 0, 1);
  let high = n - 1;
  let sweeps = 0;
  while (high > 0) {
    let low = high;
    while (low > 0 && !deflates(h, low - 1, norm)) low--;
    if (low === high) {
      high--;
      sweeps = 0;
      continue;
    }
    const [a, b, c, d] = block(h, high - 1);
    if (low === high - 1) {
      const p = (a - d) / 2;
      const disc = p * p + b * c;
      if (disc >= 0) {
        // Real roots: turn the block to triangular form. The vector of a root lambda is (lambda - d, c).
        const root = p + (p < 0 ? -1 : 1) * Math.sqrt(disc);
        const size = hypot(root, c);
        turnReal(h, z, high - 1, size === 0 ? 1 : root / size, size === 0 ? 0 : c / size);
        h.re[high * n + high - 1] = 0;
      }
      high -= 2;
      sweeps = 0;
      continue;
    }
    if (++sweeps > SWEEPS) return high + 1;
    // Of two real shifts the one nearer to d serves twice, as in LAPACK's lahqr.
    const middle = (a + d) / 2;
    const disc = ((a - d) / 2) ** 2 + b * c;
    const shift = middle + (Math.abs(middle + Math.sqrt(disc) - d) <= Math.abs(middle - Math.sqrt(disc) - d) ? 1 : -1) * Math.sqrt(Math.max(disc, 0));
    let sum = disc > 0 ? 2 * shift : 2 * middle;
    let product = disc > 0 ? shift * shift : middle * middle - disc;
    if (sweeps % 10 === 0) {
      // An exceptional shift breaks a cycle.
      const size = Math.abs(at(h.re, high * n + high - 1)) + Math.abs(at(h.re, (high - 1) * n + high - 2));
      sum = 1.5 * size;
      product = size * size;
    }
    const h00 = at(h.re, low * n + low);
    const h10 = at(h.re, (low + 1) * n + low);
    const h11 = at(h.re, (low + 1) * n + low + 1);
    let x = [h00 * h00 + at(h.re, low * n + low + 1) * h10 - sum * h00 + product, h10 * (h00 + h11 - sum), h10 * at(h.re, (low + 2) * n + low + 1)];
    for (let k = low; k < high; k++) {
      const { u, t } = reflectorOf(k + 2 <= high ? x : x.slice(0, 2));
      reflectReal(h, z, k, u, t, Math.max(k - 1, 0), Math.min(k + 3, high) + 1);
      if (k > low) {
        h.re[(k + 1) * n + k - 1] = 0;
        if (k + 2 <= high) h.re[(k + 2) * n + k - 1] = 0;
      }
      x = [at(h.re, (k + 1) * n + k), k + 2 <= high ? at(h.re, (k + 2) * n + k) : 0, k + 3 <= high ? at(h.re, (k + 3) * n + k) : 0];
    }
  }
  return 0;
}

function block(h: Matrix, k: number): readonly [number, number, number, number] {
  const i = k * h.cols + k;
  return [at(h.re, i), at(h.re, i + 1), at(h.re, i + h.cols), at(h.re, i + h.cols + 1)];
}

/** Rotates rows and columns k, k + 1 so that (c, s) becomes the first axis. */
function turnReal(h: Matrix, z: Matrix, k: number, c: number, s: number): void {
  const n = h.cols;
  for (let j = 0; j < n; j++) {
    const x = at(h.re, k * n + j);
    const y = at(h.re, (k + 1) * n + j);
    h.re[k * n + j] = c * x + s * y;
    h.re[(k + 1) * n + j] = c * y - s * x;
  }
  for (const m of [h, z]) {
    for (let i = 0; i < n; i++) {
      const x = at(m.re, i * n + k);
      const y = at(m.re, i * n + k + 1);
      m.re[i * n + k] = c * x + s * y;
      m.re[i * n + k + 1] = c * y - s * x;
    }
  }
}

/** Where the 2 x 2 blocks of a real Schur form start. */
function pairsOf(h: Matrix): number[] {
  const n = h.cols;
  const starts: number[] = [];
  for (let k = 0; k < n - 1; k++) {
    if (at(h.re, (k + 1) * n + k) !== 0) starts.push(k++);
  }
  return starts;
}

/** Rows and columns k, k + 1 of t, and columns of z, by the unitary matrix whose first row is the adjoint of the unit vector (x, y). */
function turnComplex(t: Matrix, z: Matrix, k: number, xr: number, xi: number, yr: number, yi: number, fromCol: number, toRow: number): void {
  const n = t.cols;
  if (t.im === undefined || z.im === undefined) return;
  for (let j = fromCol; j < n; j++) {
    const a = k * n + j;
    const b = a + n;
    const ar = at(t.re, a);
    const ai = at(t.im, a);
    const br = at(t.re, b);
    const bi = at(t.im, b);
    t.re[a] = xr * ar + xi * ai + yr * br + yi * bi;
    t.im[a] = xr * ai - xi * ar + yr * bi - yi * br;
    t.re[b] = xr * br - xi * bi - (yr * ar - yi * ai);
    t.im[b] = xr * bi + xi * br - (yr * ai + yi * ar);
  }
  for (const [m, rows] of [
    [t, toRow],
    [z, n],
  ] as const) {
    if (m.im === undefined) continue;
    for (let i = 0; i < rows; i++) {
      const a = i * n + k;
      const b = a + 1;
      const ar = at(m.re, a);
      const ai = at(m.im, a);
      const br = at(m.re, b);
      const bi = at(m.im, b);
      m.re[a] = ar * xr - ai * xi + br * yr - bi * yi;
      m.im[a] = ar * xi + ai * xr + br * yi + bi * yr;
      m.re[b] = br * xr + bi * xi - (ar * yr + ai * yi);
      m.im[b] = bi * xr - br * xi - (ai * yr - ar * yi);
    }
  }
}

/** Makes the block at k upper triangular, the root with positive imaginary part first. */
function splitPair(t: Matrix, z: Matrix, k: number): void {
  const n = t.cols;
  const i = k * n + k;
  const a = at(t.re, i);
  const b = at(t.re, i + 1);
  const c = at(t.re, i + n);
  const d = at(t.re, i + n + 1);
  const p = (a - d) / 2;
  const im = Math.sqrt(Math.max(-(p * p + b * c), 0));
  const size = hypot(hypot(p, im), c);
  turnComplex(t, z, k, p / size, im / size, c / size, 0, 0, n);
  t.re[i + n] = 0;
  if (t.im !== undefined) {
    t.im[i + n] = 0;
    t.re[i] = (a + d) / 2;
    t.im[i] = im;
    t.re[i + n + 1] = (a + d) / 2;
    t.im[i + n + 1] = -im;
  }
}

/** Single-shift QR with Wilkinson's shift: h becomes upper triangular. Returns the eigenvalues not found. */
function complexSchur(h: Matrix, z: Matrix): number {
  const n = h.cols;
  if (h.im === undefined) return n;
  const norm = norm2(n * n, h, 0, 1);
  const root: [number, number] = [0, 0];
  let high = n - 1;
  let sweeps = 0;
  while (high > 0) {
    let low = high;
    while (low > 0 && !deflates(h, low - 1, norm)) low--;
    if (low === high) {
      high--;
      sweeps = 0;
      continue;
    }
    if (++sweeps > SWEEPS) return high + 1;
    const i = (high - 1) * n + high - 1;
    const d = i + n + 1;
    // p = (a - d) / 2; the shift is d - b c / (p +- sqrt(p^2 + b c)), the root nearer to d.
    const pr = (at(h.re, i) - at(h.re, d)) / 2;
    const pi = (at(h.im, i) - at(h.im, d)) / 2;
    const bcr = at(h.re, i + 1) * at(h.re, i + n) - at(h.im, i + 1) * at(h.im, i + n);
    const bci = at(h.re, i + 1) * at(h.im, i + n) + at(h.im, i + 1) * at(h.re, i + n);
    complexSqrt(pr * pr - pi * pi + bcr, 2 * pr * pi + bci, root);
    const isAligned = pr * root[0] + pi * root[1] >= 0;
    const qr = pr + (isAligned ? root[0] : -root[0]);
    const qi = pi + (isAligned ? root[1] : -root[1]);
    let shiftRe = at(h.re, d);
    let shiftIm = at(h.im, d);
    if (sweeps % 10 === 0) shiftRe += hypot(at(h.re, i + n), at(h.im, i + n));
    else if (qr !== 0 || qi !== 0) {
      complexDiv(bcr, bci, qr, qi, root);
      shiftRe -= root[0];
      shiftIm -= root[1];
    }
    let xr = at(h.re, low * n + low) - shiftRe;
    let xi = at(h.im, low * n + low) - shiftIm;
    let yr = at(h.re, (low + 1) * n + low);
    let yi = at(h.im, (low + 1) * n + low);
    for (let k = low; k < high; k++) {
      const size = hypot(hypot(xr, xi), hypot(yr, yi));
      if (size !== 0) turnComplex(h, z, k, xr / size, xi / size, yr / size, yi / size, Math.max(k - 1, 0), Math.min(k + 2, high) + 1);
      if (k > low) {
        h.re[(k + 1) * n + k - 1] = 0;
        h.im[(k + 1) * n + k - 1] = 0;
      }
      if (k + 2 <= high) {
        xr = at(h.re, (k + 1) * n + k);
        xi = at(h.im, (k + 1) * n + k);
        yr = at(h.re, (k + 2) * n + k);
        yi = at(h.im, (k + 2) * n + k);
      }
    }
  }
  return 0;
}

/** The vectors of an upper triangular t, carried back by z. */
function rightVectors(t: Matrix, z: Matrix, values: GeneralEigen["values"], isReal: boolean, pairs: ReadonlySet<number>): Matrix {
  const n = t.cols;
  const out = zeros(n, n, true);
  const norm = norm2(n * n, t, 0, 1);
  const guard = Math.max(norm * EPSILON, Number.MIN_VALUE * 2 ** 60);
  const quotient: [number, number] = [0, 0];
  const v = zeros(n, 1, true);
  if (out.im === undefined || v.im === undefined) return out;
  for (let k = 0; k < n; k++) {
    if (pairs.has(k - 1)) {
      for (let i = k; i < n * n; i += n) {
        out.re[i] = at(out.re, i - 1);
        out.im[i] = -at(out.im, i - 1);
      }
      continue;
    }
    v.re.fill(0);
    v.im.fill(0);
    v.re[k] = 1;
    for (let i = k - 1; i >= 0; i--) {
      let re = 0;
      let im = 0;
      for (let j = i + 1; j <= k; j++) {
        const tr = at(t.re, i * n + j);
        const ti = imagAt(t, i * n + j);
        re += tr * at(v.re, j) - ti * at(v.im, j);
        im += tr * at(v.im, j) + ti * at(v.re, j);
      }
      let dr = at(t.re, i * n + i) - at(t.re, k * n + k);
      const di = imagAt(t, i * n + i) - imagAt(t, k * n + k);
      if (Math.abs(dr) + Math.abs(di) < guard) dr = guard;
      complexDiv(-re, -im, dr, di, quotient);
      v.re[i] = quotient[0];
      v.im[i] = quotient[1];
      const large = Math.max(Math.abs(quotient[0]), Math.abs(quotient[1]));
      if (large > 1e150) {
        for (let j = i; j <= k; j++) {
          v.re[j] = at(v.re, j) / large;
          v.im[j] = at(v.im, j) / large;
        }
      }
    }
    for (let i = 0; i < n; i++) {
      let re = 0;
      let im = 0;
      for (let j = 0; j <= k; j++) {
        const zr = at(z.re, i * n + j);
        const zi = imagAt(z, i * n + j);
        re += zr * at(v.re, j) - zi * at(v.im, j);
        im += zr * at(v.im, j) + zi * at(v.re, j);
      }
      out.re[i * n + k] = re;
      out.im[i * n + k] = im;
    }
    normalise(out, k, isReal && at(values.im, k) === 0);
  }
  return out;
}

/** Column k to length 1; its largest element real, or all of it where the vector is real by nature. */
function normalise(m: Matrix, k: number, isReal: boolean): void {
  const n = m.cols;
  if (m.im === undefined) return;
  if (isReal) for (let i = k; i < n * n; i += n) m.im[i] = 0;
  const length = norm2(n, m, k, n);
  if (!(length > 0)) return;
  let cr = 1 / length;
  let ci = 0;
  let largest = k;
  if (!isReal) {
    for (let i = k; i < n * n; i += n) if (hypot(at(m.re, i), at(m.im, i)) > hypot(at(m.re, largest), at(m.im, largest)) * (1 + 1e-14)) largest = i;
    const size = hypot(at(m.re, largest), at(m.im, largest));
    cr = at(m.re, largest) / size / length;
    ci = -at(m.im, largest) / size / length;
  }
  for (let i = k; i < n * n; i += n) {
    const re = at(m.re, i);
    const im = at(m.im, i);
    m.re[i] = re * cr - im * ci;
    m.im[i] = re * ci + im * cr;
  }
  if (!isReal) m.im[largest] = 0;
}
