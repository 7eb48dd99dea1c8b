/** Bunch and Kaufman's L D L^T (sytrf, lower) and L D L^H (hetrf, lower) of indefinite matrices, and solving with them. */

import { complexDiv, hypot } from "./complex.ts";
import { addScaled, at, complexified, copyOf, dot, imagAt, type Matrix, type Scalar, size1, swap } from "./matrix.ts";

export interface LdlFactors {
  /** The unit lower triangle of L and the blocks of D, as LAPACK packs them; the strict upper triangle is zero. */
  readonly ld: Matrix;
  /** 1-based rows that were swapped; a pair of equal negative ones marks a 2 x 2 block. */
  readonly pivots: Int32Array;
  /** 0, or the 1-based place of the first zero pivot. */
  readonly info: number;
}

type Z = readonly [number, number];

const ALPHA = (1 + Math.sqrt(17)) / 8;

const get = (a: Matrix, index: number): Z => [at(a.re, index), imagAt(a, index)];
const times = (x: Z, y: Z): Z => [x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]];
const minus = (x: Z, y: Z): Z => [x[0] - y[0], x[1] - y[1]];
const conj = (x: Z): Z => [x[0], -x[1]];
function over(x: Z, y: Z): Z {
  if (x[1] === 0 && y[1] === 0) return [x[0] / y[0], 0];
  const out: [number, number] = [0, 0];
  complexDiv(x[0], x[1], y[0], y[1], out);
  return out;
}
function put(a: Matrix, index: number, value: Z): void {
  a.re[index] = value[0];
  if (a.im !== undefined) a.im[index] = value[1];
}

/** The factors of a symmetric (or with `hermitian` a Hermitian) matrix from its lower triangle. */
export function ldlFactor(input: Matrix, hermitian: boolean): LdlFactors {
  const a = copyOf(input);
  const n = a.rows;
  const isHermitian = hermitian && a.im !== undefined;
  const flip = (x: Z): Z => (isHermitian ? conj(x) : x);
  const pivots = new Int32Array(n);
  let info = 0;
  const size = (i: number, j: number): number => size1(a, i * n + j);
  for (let k = 0; k < n;) {
    const own = isHermitian ? Math.abs(at(a.re, k * n + k)) : size(k, k);
    let far = k;
    let column = 0;
    for (let i = k + 1; i < n; i++) {
      if (size(i, k) > column) {
        column = size(i, k);
        far = i;
      }
    }
    let step = 1;
    let other = k;
    if (Math.max(own, column) === 0 || own !== own) {
      if (info === 0) info = k + 1;
    } else {
      if (own < ALPHA * column) {
        let row = 0;
        for (let j = k; j < far; j++) row = Math.max(row, size(far, j));
        for (let i = far + 1; i < n; i++) row = Math.max(row, size(i, far));
        const farOwn = isHermitian ? Math.abs(at(a.re, far * n + far)) : size(far, far);
        if (own < ALPHA * column * (column / row)) {
          other = far;
          if (farOwn < ALPHA * row) step = 2;
        }
      }
      const last = k + step - 1;
      if (other !== last) exchangeSymmetric(a, last, other, flip);
      if (other !== last && step === 2) swap(1, a, (k + 1) * n + k, 1, other * n + k, 1);
      if (isHermitian && a.im !== undefined) for (let i = k; i < k + step; i++) a.im[i * n + i] = 0;
      if (step === 1) eliminateOne(a, k, isHermitian);
      else eliminateTwo(a, k, isHermitian, flip);
    }
    pivots[k] = step === 1 ? other + 1 : -(other + 1);
    if (step === 2) pivots[k + 1] = -(other + 1);
    k += step;
  }
  for (let i = 0; i < n; i++) {
    a.re.fill(0, i * n + i + 1, (i + 1) * n);
    a.im?.fill(0, i * n + i + 1, (i + 1) * n);
  }
  return { ld: a, pivots, info };
}

/** Swaps rows and columns p < q of what is left of the lower triangle. */
function exchangeSymmetric(a: Matrix, p: number, q: number, flip: (x: Z) => Z): void {
  const n = a.cols;
  swap(n - q - 1, a, (q + 1) * n + p, n, (q + 1) * n + q, n);
  for (let j = p + 1; j < q; j++) {
    const kept = flip(get(a, j * n + p));
    put(a, j * n + p, flip(get(a, q * n + j)));
    put(a, q * n + j, kept);
  }
  put(a, q * n + p, flip(get(a, q * n + p)));
  swap(1, a, p * n + p, 1, q * n + q, 1);
}

function eliminateOne(a: Matrix, k: number, isHermitian: boolean): void {
  const n = a.cols;
  const inverse = over([1, 0], get(a, k * n + k));
  for (let j = k + 1; j < n; j++) {
    const value = get(a, j * n + k);
    const w = times(inverse, isHermitian ? conj(value) : value);
    addScaled(n - j, -w[0], -w[1], a, j * n + k, n, a, j * n + j, n);
    if (isHermitian && a.im !== undefined) a.im[j * n + j] = 0;
  }
  for (let j = k + 1; j < n; j++) put(a, j * n + k, times(get(a, j * n + k), inverse));
}

function eliminateTwo(a: Matrix, k: number, isHermitian: boolean, flip: (x: Z) => Z): void {
  const n = a.cols;
  if (k + 2 >= n) return;
  // The block [[d11, conj(d21)], [d21, d22]] scaled by |d21| (Hermitian) or d21 (symmetric).
  const off = get(a, (k + 1) * n + k);
  const unit: Z = isHermitian ? [hypot(off[0], off[1]), 0] : off;
  const lower = over(get(a, (k + 1) * n + k + 1), unit);
  const upper = over(get(a, k * n + k), unit);
  const t = over(over([1, 0], minus(times(lower, upper), [1, 0])), unit);
  const phase: Z = isHermitian ? over(off, unit) : [1, 0];
  for (let j = k + 2; j < n; j++) {
    const x = get(a, j * n + k);
    const y = get(a, j * n + k + 1);
    const wx = times(t, minus(times(lower, x), times(phase, y)));
    const wy = times(t, minus(times(upper, y), times(conj(phase), x)));
    const fx = flip(wx);
    const fy = flip(wy);
    addScaled(n - j, -fx[0], -fx[1], a, j * n + k, n, a, j * n + j, n);
    addScaled(n - j, -fy[0], -fy[1], a, j * n + k + 1, n, a, j * n + j, n);
    put(a, j * n + k, wx);
    put(a, j * n + k + 1, wy);
    if (isHermitian && a.im !== undefined) a.im[j * n + j] = 0;
  }
}

/** X with A X = B from the factors. */
export function ldlSolve(factors: LdlFactors, b: Matrix, hermitian: boolean): Matrix {
  const { ld, pivots } = factors;
  const n = ld.rows;
  const isHermitian = hermitian && ld.im !== undefined;
  const x = copyOf(ld.im === undefined ? b : complexified(b));
  const width = x.cols;
  const pivot = (k: number): number => pivots[k] as number; // k is inside
  const exchange = (k: number): void => swap(width, x, k * width, 1, (Math.abs(pivot(k)) - 1) * width, 1);
  const eliminate = (k: number, from: number): void => {
    for (let i = from; i < n; i++) {
      const l = get(ld, i * n + k);
      addScaled(width, -l[0], -l[1], x, k * width, 1, x, i * width, 1);
    }
  };
  for (let k = 0; k < n;) {
    if (pivot(k) > 0) {
      exchange(k);
      eliminate(k, k + 1);
      for (let j = 0; j < width; j++) put(x, k * width + j, over(get(x, k * width + j), get(ld, k * n + k)));
      k += 1;
      continue;
    }
    swap(width, x, (k + 1) * width, 1, (Math.abs(pivot(k)) - 1) * width, 1);
    eliminate(k, k + 2);
    eliminate(k + 1, k + 2);
    const off = get(ld, (k + 1) * n + k);
    const offUp = isHermitian ? conj(off) : off;
    const first = over(get(ld, k * n + k), offUp);
    const second = over(get(ld, (k + 1) * n + k + 1), off);
    const denominator = minus(times(first, second), [1, 0]);
    for (let j = 0; j < width; j++) {
      const p = over(get(x, k * width + j), offUp);
      const q = over(get(x, (k + 1) * width + j), off);
      put(x, k * width + j, over(minus(times(second, p), q), denominator));
      put(x, (k + 1) * width + j, over(minus(times(first, q), p), denominator));
    }
    k += 2;
  }
  const sum: Scalar = { re: 0, im: 0 };
  const substitute = (k: number, from: number): void => {
    for (let j = 0; j < width; j++) {
      dot(n - from, ld, from * n + k, n, x, from * width + j, width, isHermitian, sum);
      put(x, k * width + j, minus(get(x, k * width + j), [sum.re, sum.im]));
    }
  };
  for (let k = n - 1; k >= 0;) {
    substitute(k, k + 1);
    if (pivot(k) < 0) substitute(k - 1, k + 1);
    exchange(k);
    k -= pivot(k) < 0 ? 2 : 1;
  }
  return x;
}
