/** Least squares: by QR for matrices of full rank (gels), by singular values for the rest (gelsd). */

import { at, copyOf, corner, imagAt, type Matrix, multiply, transposed } from "./matrix.ts";
import { geqrf, ormqr } from "./qr.ts";
import { svd } from "./svd.ts";
import { solveTriangular } from "./triangular.ts";

export interface LeastSquares {
  /** n x k. */
  readonly x: Matrix;
  /** Sum of squares of each column of A X - B, where m > n and the rank is full; else empty. */
  readonly residuals: Float64Array;
  /** Undefined for `gels`, which assumes it. */
  readonly rank: number | undefined;
  readonly singularValues: Float64Array | undefined;
}

/** The X of least norm that minimises |A X - B|; singular values up to `rcond` times the largest count as zero. */
export function leastSquares(a: Matrix, b: Matrix, rcond: number, driver: "gels" | "gelsd"): LeastSquares {
  const { rows, cols } = a;
  if (driver === "gels") {
    if (rows >= cols) {
      const { a: factors, tau } = geqrf(a);
      const c = ormqr(factors, tau, b, true, true);
      const x = solveTriangular(corner(factors, cols, cols), corner(c, cols, c.cols), { upper: true });
      return { x, residuals: rows > cols ? tailSquares(c, cols) : new Float64Array(0), rank: undefined, singularValues: undefined };
    }
    // A^H = Q R, so A = R^H Q^H and the least solution is Q R^-H B.
    const { a: factors, tau } = geqrf(transposed(a, true));
    const y = solveTriangular(corner(factors, rows, rows), b, { upper: true, transpose: "adjoint" });
    return { x: ormqr(factors, tau, corner(y, cols, y.cols), true, false), residuals: new Float64Array(0), rank: undefined, singularValues: undefined };
  }
  const { u, values, vh } = svd(a);
  const threshold = rcond * (values[0] ?? 0);
  const c = multiply(transposed(u, true), b);
  let rank = 0;
  for (let i = 0; i < values.length; i++) {
    const keeps = at(values, i) > threshold;
    if (keeps) rank++;
    for (let j = i * c.cols; j < (i + 1) * c.cols; j++) {
      c.re[j] = keeps ? at(c.re, j) / at(values, i) : 0;
      if (c.im !== undefined) c.im[j] = keeps ? at(c.im, j) / at(values, i) : 0;
    }
  }
  const x = multiply(transposed(vh, true), c);
  const isFull = rows > cols && rank === cols;
  return { x, residuals: isFull ? tailSquares(difference(multiply(a, x), b), 0) : new Float64Array(0), rank, singularValues: values };
}

function difference(a: Matrix, b: Matrix): Matrix {
  const out = copyOf(a);
  for (let i = 0; i < out.re.length; i++) {
    out.re[i] = at(a.re, i) - at(b.re, i);
    if (out.im !== undefined) out.im[i] = at(out.im, i) - imagAt(b, i);
  }
  return out;
}

/** Sums of squares of the columns of `c`, from row `from` on. */
function tailSquares(c: Matrix, from: number): Float64Array {
  const sums = new Float64Array(c.cols);
  for (let i = from; i < c.rows; i++) {
    for (let j = 0; j < c.cols; j++) {
      const re = at(c.re, i * c.cols + j);
      const im = imagAt(c, i * c.cols + j);
      sums[j] = at(sums, j) + re * re + im * im;
    }
  }
  return sums;
}
