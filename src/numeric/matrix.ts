/**
 * Dense real and complex matrices for the factorisations: row-major doubles, the imaginary parts apart and absent where all are zero by type.
 * The vector kernels below work on elements `offset + k * stride` and skip the imaginary half for real operands.
 */

import { OpwiseError } from "../tensor/error.ts";

/** A `rows` x `cols` matrix; `im` is undefined for a real one. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly re: Float64Array;
  readonly im: Float64Array | undefined;
}

/** A matrix of zeros. */
export function zeros(rows: number, cols: number, complex: boolean): Matrix {
  return { rows, cols, re: new Float64Array(rows * cols), im: complex ? new Float64Array(rows * cols) : undefined };
}

export function identity(n: number, complex: boolean): Matrix {
  const out = zeros(n, n, complex);
  for (let i = 0; i < n; i++) out.re[i * n + i] = 1;
  return out;
}

export function copyOf(a: Matrix): Matrix {
  return { rows: a.rows, cols: a.cols, re: a.re.slice(), im: a.im?.slice() };
}

/** The transpose, conjugated where `conjugate`. */
export function transposed(a: Matrix, conjugate: boolean): Matrix {
  const out = zeros(a.cols, a.rows, a.im !== undefined);
  for (let i = 0; i < a.rows; i++) {
    for (let j = 0; j < a.cols; j++) {
      out.re[j * a.rows + i] = at(a.re, i * a.cols + j);
      if (a.im !== undefined && out.im !== undefined) out.im[j * a.rows + i] = conjugate ? -at(a.im, i * a.cols + j) : at(a.im, i * a.cols + j);
    }
  }
  return out;
}

/** The same matrix with an imaginary half. */
export function complexified(a: Matrix): Matrix {
  return a.im !== undefined ? a : { ...a, im: new Float64Array(a.re.length) };
}

/** Rows and columns `[0, rows)` x `[0, cols)` as a new matrix; what lies beyond `a` is zero. */
export function corner(a: Matrix, rows: number, cols: number): Matrix {
  const out = zeros(rows, cols, a.im !== undefined);
  const width = Math.min(cols, a.cols);
  for (let i = 0; i < Math.min(rows, a.rows); i++) {
    out.re.set(a.re.subarray(i * a.cols, i * a.cols + width), i * cols);
    if (a.im !== undefined) out.im?.set(a.im.subarray(i * a.cols, i * a.cols + width), i * cols);
  }
  return out;
}

/** a b. @throws shape-mismatch */
export function multiply(a: Matrix, b: Matrix): Matrix {
  if (a.cols !== b.rows) throw new OpwiseError("shape-mismatch", `cannot multiply [${a.rows}, ${a.cols}] by [${b.rows}, ${b.cols}]`);
  const complex = a.im !== undefined || b.im !== undefined;
  const out = zeros(a.rows, b.cols, complex);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.cols; k++) {
      addScaled(b.cols, at(a.re, i * a.cols + k), a.im === undefined ? 0 : at(a.im, i * a.cols + k), b, k * b.cols, 1, out, i * b.cols, 1);
    }
  }
  return out;
}

/** Element of a typed array at an index that the caller keeps inside. */
export function at(array: Float64Array, index: number): number {
  return array[index] as number;
}

/** y += alpha x over `n` elements. */
export function addScaled(n: number, alphaRe: number, alphaIm: number, x: Matrix, xAt: number, xStep: number, y: Matrix, yAt: number, yStep: number): void {
  if (alphaRe === 0 && alphaIm === 0) return;
  const xr = x.re;
  const yr = y.re;
  const xi = x.im;
  const yi = y.im;
  if (yi === undefined || (xi === undefined && alphaIm === 0)) {
    for (let k = 0, i = xAt, j = yAt; k < n; k++, i += xStep, j += yStep) yr[j] = at(yr, j) + alphaRe * at(xr, i);
    return;
  }
  if (xi === undefined) {
    for (let k = 0, i = xAt, j = yAt; k < n; k++, i += xStep, j += yStep) {
      const v = at(xr, i);
      yr[j] = at(yr, j) + alphaRe * v;
      yi[j] = at(yi, j) + alphaIm * v;
    }
    return;
  }
  for (let k = 0, i = xAt, j = yAt; k < n; k++, i += xStep, j += yStep) {
    const re = at(xr, i);
    const im = at(xi, i);
    yr[j] = at(yr, j) + alphaRe * re - alphaIm * im;
    yi[j] = at(yi, j) + alphaRe * im + alphaIm * re;
  }
}

/** A complex number that kernels write. */
export interface Scalar {
  re: number;
  im: number;
}

/** The sum of `x y`, or of `conj(x) y`, over `n` elements, into `out`. */
export function dot(n: number, x: Matrix, xAt: number, xStep: number, y: Matrix, yAt: number, yStep: number, conjugate: boolean, out: Scalar): void {
  let re = 0;
  let im = 0;
  const xi = x.im;
  const yi = y.im;
  if (xi === undefined || yi === undefined) {
    for (let k = 0, i = xAt, j = yAt; k < n; k++, i += xStep, j += yStep) re += at(x.re, i) * at(y.re, j);
    if (xi !== undefined) for (let k = 0, i = xAt, j = yAt; k < n; k++, i += xStep, j += yStep) im += (conjugate ? -at(xi, i) : at(xi, i)) * at(y.re, j);
    if (yi !== undefined) for (let k = 0, i = xAt, j = yAt; k < n; k++, i += xStep, j += yStep) im += at(x.re, i) * at(yi, j);
  } else {
    const sign = conjugate ? -1 : 1;
    for (let k = 0, i = xAt, j = yAt; k < n; k++, i += xStep, j += yStep) {
      const ar = at(x.re, i);
      const ai = sign * at(xi, i);
      const br = at(y.re, j);
      const bi = at(yi, j);
      re += ar * br - ai * bi;
      im += ar * bi + ai * br;
    }
  }
  out.re = re;
  out.im = im;
}

/** x *= alpha over `n` elements. */
export function scale(n: number, alphaRe: number, alphaIm: number, x: Matrix, xAt: number, xStep: number): void {
  const xi = x.im;
  for (let k = 0, i = xAt; k < n; k++, i += xStep) {
    const re = at(x.re, i);
    if (xi === undefined) x.re[i] = re * alphaRe;
    else {
      const im = at(xi, i);
      x.re[i] = re * alphaRe - im * alphaIm;
      xi[i] = re * alphaIm + im * alphaRe;
    }
  }
}

/** Euclidean norm over `n` elements, without overflow on the way. */
export function norm2(n: number, x: Matrix, xAt: number, xStep: number): number {
  let largest = 0;
  for (let k = 0, i = xAt; k < n; k++, i += xStep) {
    const size = Math.max(Math.abs(at(x.re, i)), x.im === undefined ? 0 : Math.abs(at(x.im, i)));
    if (!(size <= largest)) largest = size;
  }
  if (!(largest > 0) || largest === Infinity) return largest;
  const shrink = largest > 1e150 || largest < 1e-150 ? 1 / largest : 1;
  let sum = 0;
  for (let k = 0, i = xAt; k < n; k++, i += xStep) {
    const re = at(x.re, i) * shrink;
    const im = x.im === undefined ? 0 : at(x.im, i) * shrink;
    sum += re * re + im * im;
  }
  return Math.sqrt(sum) / shrink;
}

/** Swaps `n` elements of `a`. */
export function swap(n: number, a: Matrix, firstAt: number, firstStep: number, secondAt: number, secondStep: number): void {
  for (let k = 0, i = firstAt, j = secondAt; k < n; k++, i += firstStep, j += secondStep) {
    const re = at(a.re, i);
    a.re[i] = at(a.re, j);
    a.re[j] = re;
    if (a.im !== undefined) {
      const im = at(a.im, i);
      a.im[i] = at(a.im, j);
      a.im[j] = im;
    }
  }
}

/** |re| + |im|, LAPACK's cheap modulus for choosing pivots. */
export function size1(a: Matrix, index: number): number {
  return Math.abs(at(a.re, index)) + (a.im === undefined ? 0 : Math.abs(at(a.im, index)));
}

export function imagAt(a: Matrix, index: number): number {
  return a.im === undefined ? 0 : at(a.im, index);
}
