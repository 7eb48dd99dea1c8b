/** Eigenvalues and vectors of symmetric and Hermitian matrices: Householder tridiagonalisation (sytrd, lower) and implicit QL/QR (steqr). */

import { addScaled, at, copyOf, dot, identity, imagAt, type Matrix, type Scalar, zeros } from "./matrix.ts";
import { hypot } from "./complex.ts";
import { applyReflector, makeReflector } from "./qr.ts";

const EPSILON = 2 ** -53;
const SWEEPS = 30;

export interface SymmetricEigen {
  /** Ascending. */
  readonly values: Float64Array;
  /** Columns; undefined where not asked for. */
  readonly vectors: Matrix | undefined;
  /** 0, or how many off-diagonal elements did not vanish. */
  readonly info: number;
}

/** The eigenvalues, and with `vectors` the vectors, of the Hermitian matrix whose lower (or upper) triangle is in `a`. */
export function eigenSymmetric(a: Matrix, vectors: boolean, upper: boolean = false): SymmetricEigen {
  const n = a.rows;
  const { matrix, d, e, tau } = tridiagonalise(a, upper);
  const z = vectors ? identity(n, a.im !== undefined) : undefined;
  const info = implicitQl(d, e, z);
  if (z !== undefined) {
    for (let k = n - 2; k >= 0; k--) {
      applyReflector(n - k - 1, matrix, (k + 2) * n + k, n, at(tau.re, k), imagAt(tau, k), z, (k + 1) * n, n);
    }
  }
  return { values: d, vectors: z, info };
}

/** Q^H A Q = T: the diagonal, the subdiagonal, and the reflectors of Q below it. */
function tridiagonalise(a: Matrix, upper: boolean): { matrix: Matrix; d: Float64Array; e: Float64Array; tau: Matrix } {
  const n = a.rows;
  const m = copyOf(a);
  // Both triangles from the one that is given, so that products below may read rows and columns alike.
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const from = upper ? j * n + i : i * n + j;
      const to = upper ? i * n + j : j * n + i;
      m.re[to] = at(m.re, from);
      if (m.im !== undefined) m.im[to] = -at(m.im, from);
    }
    if (m.im !== undefined) m.im[i * n + i] = 0;
  }
  const d = new Float64Array(n);
  const e = new Float64Array(Math.max(n - 1, 0));
  const tau = zeros(Math.max(n - 1, 0), 1, a.im !== undefined);
  const w = zeros(n, 1, a.im !== undefined);
  const v = zeros(n, 1, a.im !== undefined);
  const t: Scalar = { re: 0, im: 0 };
  const sum: Scalar = { re: 0, im: 0 };
  for (let k = 0; k < n - 1; k++) {
    const size = n - k - 1;
    const first = (k + 1) * n + k;
    makeReflector(size, m, first, first + n, n, t);
    e[k] = at(m.re, first);
    tau.re[k] = t.re;
    if (tau.im !== undefined) tau.im[k] = t.im;
    if (t.re !== 0 || t.im !== 0) {
      v.re[0] = 1;
      if (v.im !== undefined) v.im[0] = 0;
      for (let i = 1; i < size; i++) {
        v.re[i] = at(m.re, first + i * n);
        if (v.im !== undefined) v.im[i] = imagAt(m, first + i * n);
      }
      // w = tau A v, then w -= tau/2 (w^H v) v, then A -= v w^H + w v^H.
      for (let i = 0; i < size; i++) {
        dot(size, m, (k + 1 + i) * n + k + 1, 1, v, 0, 1, false, sum);
        w.re[i] = t.re * sum.re - t.im * sum.im;
        if (w.im !== undefined) w.im[i] = t.re * sum.im + t.im * sum.re;
      }
      dot(size, w, 0, 1, v, 0, 1, true, sum);
      addScaled(size, -0.5 * (t.re * sum.re - t.im * sum.im), -0.5 * (t.re * sum.im + t.im * sum.re), v, 0, 1, w, 0, 1);
      for (let i = 0; i < size; i++) {
        const row = (k + 1 + i) * n + k + 1;
        for (let j = 0; j < size; j++) {
          const vr = at(v.re, i);
          const vi = imagAt(v, i);
          const wr = at(w.re, i);
          const wi = imagAt(w, i);
          const xr = at(v.re, j);
          const xi = imagAt(v, j);
          const yr = at(w.re, j);
          const yi = imagAt(w, j);
          m.re[row + j] = at(m.re, row + j) - (vr * yr + vi * yi) - (wr * xr + wi * xi);
          if (m.im !== undefined) m.im[row + j] = at(m.im, row + j) - (vi * yr - vr * yi) - (wi * xr - wr * xi);
        }
      }
    }
    d[k] = at(m.re, k * n + k);
  }
  if (n > 0) d[n - 1] = at(m.re, n * n - 1);
  return { matrix: m, d, e, tau };
}

/** Columns j and j + 1 of z turn by (c, s) as LAPACK's lasr does from the right. */
function turnColumns(z: Matrix, j: number, c: number, s: number): void {
  const n = z.cols;
  for (const part of z.im === undefined ? [z.re] : [z.re, z.im]) {
    for (let i = j; i < part.length; i += n) {
      const next = at(part, i + 1);
      part[i + 1] = c * next - s * at(part, i);
      part[i] = s * next + c * at(part, i);
    }
  }
}

/** LAPACK's lartg (before 3.10): `[c, s, r]` with c f + s g = r and -s f + c g = 0; c is positive where f is the larger. */
function rotation(f: number, g: number): readonly [number, number, number] {
  if (g === 0) return [1, 0, f];
  if (f === 0) return [0, 1, g];
  const size = hypot(f, g);
  const r = Math.abs(f) > Math.abs(g) && f < 0 ? -size : size;
  return [f / r, g / r, r];
}

/** LAPACK's laev2: the eigenvalues of [[a, b], [b, c]], larger modulus first, and the unit vector (cs, sn) of the first. */
function symmetric2(a: number, b: number, c: number): readonly [number, number, number, number] {
  const sum = a + c;
  const difference = a - c;
  const twice = b + b;
  const root = hypot(difference, twice);
  const large = Math.abs(a) > Math.abs(c) ? a : c;
  const small = Math.abs(a) > Math.abs(c) ? c : a;
  let first: number;
  let second: number;
  let signFirst = 1;
  if (sum === 0) {
    first = root / 2;
    second = -root / 2;
  } else {
    if (sum < 0) signFirst = -1;
    first = (sum + signFirst * root) / 2;
    second = (large / first) * small - (b / first) * b;
  }
  const signSecond = difference >= 0 ? 1 : -1;
  const cs = difference + signSecond * root;
  let cos: number;
  let sin: number;
  if (Math.abs(cs) > Math.abs(twice)) {
    const cot = -twice / cs;
    sin = 1 / Math.sqrt(1 + cot * cot);
    cos = cot * sin;
  } else if (twice === 0) {
    cos = 1;
    sin = 0;
  } else {
    const tan = -cs / twice;
    cos = 1 / Math.sqrt(1 + tan * tan);
    sin = tan * cos;
  }
  return signFirst === signSecond ? [first, second, -sin, cos] : [first, second, cos, sin];
}

/** Diagonalises a symmetric tridiagonal matrix in place and sorts; turns the columns of `z` along. Returns what is left undone. */
function implicitQl(d: Float64Array, e: Float64Array, z: Matrix | undefined): number {
  const n = d.length;
  let budget = n * SWEEPS;
  const isNegligible = (i: number): boolean => {
    const off = Math.abs(at(e, i));
    return off === 0 || off * off <= EPSILON * EPSILON * Math.abs(at(d, i)) * Math.abs(at(d, i + 1)) + 2 ** -1022;
  };
  let start = 0;
  while (start < n) {
    let end = start;
    while (end < n - 1 && !isNegligible(end)) end++;
    if (end < n - 1) e[end] = 0;
    if (end > start) {
      // QL works up from a small start, QR down from a small end.
      const up = Math.abs(at(d, end)) >= Math.abs(at(d, start));
      budget = up ? ql(d, e, z, start, end, isNegligible, budget) : qrDown(d, e, z, start, end, isNegligible, budget);
      if (budget <= 0) return e.reduce((count, x) => count + (x === 0 ? 0 : 1), 0);
      // A block that was split inside is looked at again.
      let isDone = true;
      for (let i = start; i < end; i++) if (at(e, i) !== 0) isDone = false;
      if (!isDone) continue;
    }
    start = end + 1;
  }
  sortAscending(d, z);
  return 0;
}

type Negligible = (i: number) => boolean;

function ql(d: Float64Array, e: Float64Array, z: Matrix | undefined, start: number, end: number, isNegligible: Negligible, allowance: number): number {
  let budget = allowance;
  let l = start;
  while (l <= end) {
    let m = l;
    while (m < end && !isNegligible(m)) m++;
    if (m < end) e[m] = 0;
    if (m === l) {
      l++;
      continue;
    }
    if (m === l + 1) {
      const [first, second, c, s] = symmetric2(at(d, l), at(e, l), at(d, l + 1));
      if (z !== undefined) turnColumns(z, l, c, s);
      d[l] = first;
      d[l + 1] = second;
      e[l] = 0;
      l += 2;
      continue;
    }
    if (budget-- <= 0) return 0;
    let g = (at(d, l + 1) - at(d, l)) / (2 * at(e, l));
    const root = hypot(g, 1);
    g = at(d, m) - at(d, l) + at(e, l) / (g + (g < 0 ? -root : root));
    let s = 1;
    let c = 1;
    let p = 0;
    for (let i = m - 1; i >= l; i--) {
      const f = s * at(e, i);
      const b = c * at(e, i);
      const [ci, si, r] = rotation(g, f);
      c = ci;
      s = si;
      if (i !== m - 1) e[i + 1] = r;
      g = at(d, i + 1) - p;
      const q = (at(d, i) - g) * s + 2 * c * b;
      p = s * q;
      d[i + 1] = g + p;
      g = c * q - b;
      if (z !== undefined) turnColumns(z, i, c, -s);
    }
    d[l] = at(d, l) - p;
    e[l] = g;
  }
  return Math.max(budget, 1);
}

function qrDown(d: Float64Array, e: Float64Array, z: Matrix | undefined, start: number, end: number, isNegligible: Negligible, allowance: number): number {
  let budget = allowance;
  let l = end;
  while (l >= start) {
    let m = l;
    while (m > start && !isNegligible(m - 1)) m--;
    if (m > start) e[m - 1] = 0;
    if (m === l) {
      l--;
      continue;
    }
    if (m === l - 1) {
      const [first, second, c, s] = symmetric2(at(d, l - 1), at(e, l - 1), at(d, l));
      if (z !== undefined) turnColumns(z, l - 1, c, s);
      d[l - 1] = first;
      d[l] = second;
      e[l - 1] = 0;
      l -= 2;
      continue;
    }
    if (budget-- <= 0) return 0;
    let g = (at(d, l - 1) - at(d, l)) / (2 * at(e, l - 1));
    const root = hypot(g, 1);
    g = at(d, m) - at(d, l) + at(e, l - 1) / (g + (g < 0 ? -root : root));
    let s = 1;
    let c = 1;
    let p = 0;
    for (let i = m; i < l; i++) {
      const f = s * at(e, i);
      const b = c * at(e, i);
      const [ci, si, r] = rotation(g, f);
      c = ci;
      s = si;
      if (i !== m) e[i - 1] = r;
      g = at(d, i) - p;
      const q = (at(d, i + 1) - g) * s + 2 * c * b;
      p = s * q;
      d[i] = g + p;
      g = c * q - b;
      if (z !== undefined) turnColumns(z, i, c, s);
    }
    d[l] = at(d, l) - p;
    e[l - 1] = g;
  }
  return Math.max(budget, 1);
}

/** Selection sort, which swaps the fewest columns, as steqr does. */
function sortAscending(d: Float64Array, z: Matrix | undefined): void {
  const n = d.length;
  for (let i = 0; i < n - 1; i++) {
    let least = i;
    for (let j = i + 1; j < n; j++) if (at(d, j) < at(d, least)) least = j;
    if (least === i) continue;
    const kept = at(d, i);
    d[i] = at(d, least);
    d[least] = kept;
    if (z === undefined) continue;
    for (const part of z.im === undefined ? [z.re] : [z.re, z.im]) {
      for (let r = 0; r < n; r++) {
        const x = at(part, r * n + i);
        part[r * n + i] = at(part, r * n + least);
        part[r * n + least] = x;
      }
    }
  }
}
