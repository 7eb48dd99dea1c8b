/** Cholesky factors of Hermitian positive definite matrices (potrf, potrs, potri). */

import { addScaled, at, identity, imagAt, type Matrix, transposed, zeros } from "./matrix.ts";
import { solveTriangular } from "./triangular.ts";

/**
 * L with A = L L^H from the lower triangle of A, or with `upper` U with A = U^H U from the upper one.
 * @returns the factor (the other triangle zero) and 0, or the 1-based order of the first minor that is not positive
 */
export function cholesky(a: Matrix, upper: boolean = false): { readonly factor: Matrix; readonly info: number } {
  const n = a.rows;
  const source = upper ? transposed(a, true) : a;
  const l = zeros(n, n, a.im !== undefined);
  for (let i = 0; i < n; i++) {
    l.re.set(source.re.subarray(i * n, i * n + i + 1), i * n);
    if (source.im !== undefined) l.im?.set(source.im.subarray(i * n, i * n + i), i * n);
  }
  let info = 0;
  for (let k = 0; k < n; k++) {
    const pivot = at(l.re, k * n + k);
    if (!(pivot > 0)) {
      info = k + 1;
      break;
    }
    const root = Math.sqrt(pivot);
    l.re[k * n + k] = root;
    for (let i = k + 1; i < n; i++) {
      l.re[i * n + k] = at(l.re, i * n + k) / root;
      if (l.im !== undefined) l.im[i * n + k] = at(l.im, i * n + k) / root;
    }
    // Column k leaves the rest of the lower triangle: A[i, j] -= L[i, k] conj(L[j, k]).
    for (let j = k + 1; j < n; j++) {
      addScaled(n - j, -at(l.re, j * n + k), imagAt(l, j * n + k), l, j * n + k, n, l, j * n + j, n);
      if (l.im !== undefined) l.im[j * n + j] = 0;
    }
  }
  return { factor: upper ? transposed(l, true) : l, info };
}

/** X with A X = B from a Cholesky factor of A. */
export function choleskySolve(factor: Matrix, b: Matrix, upper: boolean = false): Matrix {
  const first = solveTriangular(factor, b, { upper, transpose: upper ? "adjoint" : "none" });
  return solveTriangular(factor, first, { upper, transpose: upper ? "none" : "adjoint" });
}

/** The inverse of A from its Cholesky factor. */
export function choleskyInverse(factor: Matrix, upper: boolean = false): Matrix {
  return choleskySolve(factor, identity(factor.rows, factor.im !== undefined), upper);
}
