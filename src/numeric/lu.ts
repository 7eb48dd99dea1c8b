/** LU with partial pivoting (getrf), and what follows from it: solve, inverse, determinants. */

import { complexDiv, hypot } from "./complex.ts";
import { addScaled, at, copyOf, identity, imagAt, type Matrix, scale, size1, swap } from "./matrix.ts";
import { solveTriangular } from "./triangular.ts";

export interface LuFactors {
  /** L below the diagonal (its own diagonal is 1), U on and above it. */
  readonly lu: Matrix;
  /** Row that was swapped with row i, counted from 1. */
  readonly pivots: Int32Array;
  /** 0, or the 1-based place of the first zero pivot. */
  readonly info: number;
}

/** P L U of an m x n matrix; without `pivot` rows stay where they are. */
export function luFactor(a: Matrix, pivot: boolean = true): LuFactors {
  const lu = copyOf(a);
  const { rows, cols } = a;
  const steps = Math.min(rows, cols);
  const pivots = new Int32Array(steps);
  const inverse: [number, number] = [0, 0];
  let info = 0;
  for (let k = 0; k < steps; k++) {
    let best = k;
    if (pivot) for (let i = k + 1; i < rows; i++) if (size1(lu, i * cols + k) > size1(lu, best * cols + k)) best = i;
    pivots[k] = best + 1;
    if (best !== k) swap(cols, lu, k * cols, 1, best * cols, 1);
    const diagonal = k * cols + k;
    if (size1(lu, diagonal) === 0) {
      if (info === 0) info = k + 1;
      continue;
    }
    complexDiv(1, 0, at(lu.re, diagonal), imagAt(lu, diagonal), inverse);
    if (lu.im === undefined) for (let i = k + 1; i < rows; i++) lu.re[i * cols + k] = at(lu.re, i * cols + k) / at(lu.re, diagonal);
    else scale(rows - k - 1, inverse[0], inverse[1], lu, (k + 1) * cols + k, cols);
    for (let i = k + 1; i < rows; i++) {
      const factor = i * cols + k;
      addScaled(cols - k - 1, -at(lu.re, factor), -imagAt(lu, factor), lu, diagonal + 1, 1, lu, factor + 1, 1);
    }
  }
  return { lu, pivots, info };
}

/** The row order that the pivots amount to: row i of P^T A is row `order[i]` of A. */
export function pivotOrder(pivots: Int32Array, rows: number): Int32Array {
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  for (let k = 0; k < pivots.length; k++) {
    const other = (pivots[k] as number) - 1; // k is inside
    const kept = order[k] as number; // pivots lie inside the rows
    order[k] = order[other] as number;
    order[other] = kept;
  }
  return order;
}

/** X with A X = B, or A^T X = B, or A^H X = B, from the factors of a square A. */
export function luSolve(factors: LuFactors, b: Matrix, transpose: "none" | "transpose" | "adjoint" = "none"): Matrix {
  const { lu, pivots } = factors;
  const x = lu.im !== undefined && b.im === undefined ? copyOf({ ...b, im: new Float64Array(b.re.length) }) : copyOf(b);
  const exchange = (k: number): void => swap(x.cols, x, k * x.cols, 1, ((pivots[k] as number) - 1) * x.cols, 1); // k is inside
  if (transpose === "none") {
    for (let k = 0; k < pivots.length; k++) exchange(k);
    return solveTriangular(lu, solveTriangular(lu, x, { upper: false, unit: true }), { upper: true });
  }
  const y = solveTriangular(lu, solveTriangular(lu, x, { upper: true, transpose }), { upper: false, unit: true, transpose });
  x.re.set(y.re);
  if (y.im !== undefined) x.im?.set(y.im);
  for (let k = pivots.length - 1; k >= 0; k--) exchange(k);
  return x;
}

/** X with A X = B; `info` as of the factorisation (X is then not finite). */
export function solve(a: Matrix, b: Matrix): { readonly x: Matrix; readonly factors: LuFactors } {
  const factors = luFactor(a);
  return { x: luSolve(factors, b), factors };
}

export function inverse(a: Matrix): { readonly inverse: Matrix; readonly info: number } {
  const factors = luFactor(a);
  return { inverse: luSolve(factors, identity(a.rows, a.im !== undefined)), info: factors.info };
}

/** The determinant from the factors, real part first. */
export function determinant(factors: LuFactors): [number, number] {
  const { lu, pivots } = factors;
  let re = 1;
  let im = 0;
  for (let k = 0; k < lu.rows; k++) {
    const dr = at(lu.re, k * lu.cols + k);
    const di = imagAt(lu, k * lu.cols + k);
    [re, im] = lu.im === undefined ? [re * dr, 0] : [re * dr - im * di, re * di + im * dr];
    if (pivots[k] !== k + 1) [re, im] = [-re, -im];
  }
  return [re, im];
}

/** Sign (a complex unit, or 0) and logarithm of the modulus of the determinant. */
export function signAndLogDeterminant(factors: LuFactors): { readonly sign: [number, number]; readonly log: number } {
  const { lu, pivots } = factors;
  let re = 1;
  let im = 0;
  let log = 0;
  for (let k = 0; k < lu.rows; k++) {
    const dr = at(lu.re, k * lu.cols + k);
    const di = imagAt(lu, k * lu.cols + k);
    const size = hypot(dr, di);
    log += Math.log(size);
    const ur = size === 0 ? 0 : dr / size;
    const ui = size === 0 ? 0 : di / size;
    [re, im] = [re * ur - im * ui, re * ui + im * ur];
    if (pivots[k] !== k + 1) [re, im] = [-re, -im];
  }
  return { sign: [re, lu.im === undefined ? 0 : im], log };
}
