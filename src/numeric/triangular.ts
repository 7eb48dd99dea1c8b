/** Triangular systems (trtrs, trsm). */

import { complexDiv } from "./complex.ts";
import { addScaled, at, complexified, copyOf, imagAt, type Matrix, transposed } from "./matrix.ts";

export interface TriangularOptions {
  readonly upper: boolean;
  /** The diagonal counts as 1 and is not read. */
  readonly unit?: boolean;
  readonly transpose?: "none" | "transpose" | "adjoint";
}

/** X with op(A) X = B for the triangle of A that `options.upper` names; the other triangle is not read. Divides by zeros as floats do. */
export function solveTriangular(a: Matrix, b: Matrix, options: TriangularOptions): Matrix {
  const mode = options.transpose ?? "none";
  const matrix = mode === "none" ? a : transposed(a, mode === "adjoint");
  const isUpper = mode === "none" ? options.upper : !options.upper;
  const n = Math.min(a.rows, a.cols);
  const x = copyOf(a.im === undefined ? b : complexified(b));
  const width = x.cols;
  const quotient: [number, number] = [0, 0];
  for (let step = 0; step < n; step++) {
    const i = isUpper ? n - 1 - step : step;
    const from = isUpper ? i + 1 : 0;
    const to = isUpper ? n : i;
    for (let k = from; k < to; k++) {
      const entry = i * matrix.cols + k;
      addScaled(width, -at(matrix.re, entry), -imagAt(matrix, entry), x, k * width, 1, x, i * width, 1);
    }
    if (options.unit === true) continue;
    const diagonal = i * matrix.cols + i;
    for (let j = i * width; j < (i + 1) * width; j++) {
      if (x.im === undefined) x.re[j] = at(x.re, j) / at(matrix.re, diagonal);
      else {
        complexDiv(at(x.re, j), at(x.im, j), at(matrix.re, diagonal), imagAt(matrix, diagonal), quotient);
        x.re[j] = quotient[0];
        x.im[j] = quotient[1];
      }
    }
  }
  return x;
}

/** X with X op(A) = B. */
export function solveTriangularRight(a: Matrix, b: Matrix, options: TriangularOptions): Matrix {
  const mode = options.transpose ?? "none";
  // X op(A) = B is op(A)^T X^T = B^T; for the adjoint both sides are conjugated instead.
  if (mode === "adjoint") return transposed(solveTriangular(a, transposed(b, true), { ...options, transpose: "none" }), true);
  return transposed(solveTriangular(a, transposed(b, false), { ...options, transpose: mode === "none" ? "transpose" : "none" }), false);
}
