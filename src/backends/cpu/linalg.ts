/**
 * Dense linear algebra on the CPU, matrix by matrix over the leading axes, in double precision. Operands and results by name:
 * lu (A -> LU, pivots, info; `pivot`) · luSolve (LU, pivots, B -> X; `transpose`) · solve (A, B -> X, LU, pivots, info) · inverse (A -> X, info) ·
 * cholesky (A -> L, info; `upper`) · triangular (A, B -> X; `upper`, `unit`, `left`, `transpose`) · qr (A -> Q, R, or R alone; `mode`) ·
 * geqrf (A -> a, tau) · householder (a, tau -> Q) · ormqr (a, tau, C -> X; `left`, `transpose`) · eigh (A -> values, vectors?; `upper`) ·
 * eig (A -> values, vectors?) · svd (A -> U, S, Vh, or S alone; `full`) · ldl (A -> LD, pivots, info; `hermitian`) · ldlSolve (LD, pivots, B -> X) ·
 * lstsq (A, B -> X, residuals, rank, values; `driver`, `rcond`).
 */

import {
  cholesky, eigenGeneral, eigenSymmetric, geqrf, householderProduct, inverse, ldlFactor, ldlSolve, leastSquares, luFactor, luSolve, type Matrix, ormqr, qr,
  singularValues, solve, solveTriangular, solveTriangularRight, svd,
} from "../../numeric/linalg.ts";
import type { LinalgCall } from "../../prims/call.ts";
import { isComplex } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import { forEachOffset, type View } from "../../tensor/tensor.ts";
import { doublesOf, pairsOf, writeDoubles } from "./dense.ts";

/** Values with an imaginary half or none, as a result takes them. */
interface Values {
  readonly re: ArrayLike<number>;
  readonly im?: ArrayLike<number> | undefined;
}

/** Core axes of each operand and result: 2 for matrices, 1 for vectors, 0 for numbers. */
interface Kernel {
  readonly operands: readonly (0 | 1 | 2)[];
  readonly results: readonly (0 | 1 | 2)[];
  readonly run: (operands: readonly View[], flags: LinalgCall["flags"], results: number) => readonly Values[];
}

function matrixOf(view: View | undefined): Matrix {
  if (view === undefined) return unreachable("operand");
  const [rows = 1, cols = 1] = view.shape;
  if (!isComplex(view.dtype)) return { rows, cols, re: doublesOf(view), im: undefined };
  return { rows, cols, ...pairsOf(view) };
}
function pivotsOf(view: View | undefined): Int32Array {
  return view === undefined ? unreachable("pivots") : Int32Array.from(doublesOf(view));
}
/** A vector of reflector factors as a matrix of one column. */
function columnOf(view: View | undefined): Matrix {
  if (view === undefined) return unreachable("operand");
  const n = view.shape[0] ?? 0;
  return isComplex(view.dtype) ? { rows: n, cols: 1, ...pairsOf(view) } : { rows: n, cols: 1, re: doublesOf(view), im: undefined };
}
const one = (n: number): Values => ({ re: [n] });
const real = (re: ArrayLike<number>): Values => ({ re });

function transposeFlag(flag: boolean | number | string | undefined): "none" | "transpose" | "adjoint" {
  return flag === "transpose" || flag === "adjoint" ? flag : "none";
}

const KERNELS: Readonly<Record<LinalgCall["name"], Kernel>> = {
  lu: { operands: [2], results: [2, 1, 0], run: ([a], flags) => {
    const { lu, pivots, info } = luFactor(matrixOf(a), flags.pivot !== false);
    return [lu, real(pivots), one(info)];
  } },
  luSolve: { operands: [2, 1, 2], results: [2], run: ([lu, pivots, b], flags) => [luSolve({ lu: matrixOf(lu), pivots: pivotsOf(pivots), info: 0 }, matrixOf(b), transposeFlag(flags.transpose))] },
  solve: { operands: [2, 2], results: [2, 2, 1, 0], run: ([a, b]) => {
    const { x, factors } = solve(matrixOf(a), matrixOf(b));
    return [x, factors.lu, real(factors.pivots), one(factors.info)];
  } },
  inverse: { operands: [2], results: [2, 0], run: ([a]) => {
    const found = inverse(matrixOf(a));
    return [found.inverse, one(found.info)];
  } },
  cholesky: { operands: [2], results: [2, 0], run: ([a], flags) => {
    const { factor, info } = cholesky(matrixOf(a), flags.upper === true);
    return [factor, one(info)];
  } },
  triangular: { operands: [2, 2], results: [2], run: ([a, b], flags) => {
    const options = { upper: flags.upper === true, unit: flags.unit === true, transpose: transposeFlag(flags.transpose) };
    return [(flags.left === false ? solveTriangularRight : solveTriangular)(matrixOf(a), matrixOf(b), options)];
  } },
  qr: { operands: [2], results: [2, 2], run: ([a], flags, results) => {
    const { q, r } = qr(matrixOf(a), results === 1 ? "r" : flags.mode === "complete" ? "complete" : "reduced");
    return results === 1 ? [r] : [q ?? unreachable("Q"), r];
  } },
  geqrf: { operands: [2], results: [2, 1], run: ([a]) => {
    const found = geqrf(matrixOf(a));
    return [found.a, found.tau];
  } },
  householder: { operands: [2, 1], results: [2], run: ([a, tau]) => [householderProduct(matrixOf(a), columnOf(tau))] },
  ormqr: { operands: [2, 1, 2], results: [2], run: ([a, tau, c], flags) => [ormqr(matrixOf(a), columnOf(tau), matrixOf(c), flags.left !== false, flags.transpose === true)] },
  eigh: { operands: [2], results: [1, 2], run: ([a], flags, results) => {
    const { values, vectors } = eigenSymmetric(matrixOf(a), results > 1, flags.upper === true);
    return results === 1 ? [real(values)] : [real(values), vectors ?? unreachable("vectors")];
  } },
  eig: { operands: [2], results: [1, 2], run: ([a], _flags, results) => {
    const { values, vectors } = eigenGeneral(matrixOf(a), results > 1);
    return results === 1 ? [values] : [values, vectors ?? unreachable("vectors")];
  } },
  svd: { operands: [2], results: [2, 1, 2], run: ([a], flags, results) => {
    if (results === 1) return [real(singularValues(matrixOf(a)))];
    const { u, values, vh } = svd(matrixOf(a), flags.full === true);
    return [u, real(values), vh];
  } },
  ldl: { operands: [2], results: [2, 1, 0], run: ([a], flags) => {
    const { ld, pivots, info } = ldlFactor(matrixOf(a), flags.hermitian === true);
    return [ld, real(pivots), one(info)];
  } },
  ldlSolve: { operands: [2, 1, 2], results: [2], run: ([ld, pivots, b], flags) => [ldlSolve({ ld: matrixOf(ld), pivots: pivotsOf(pivots), info: 0 }, matrixOf(b), flags.hermitian === true)] },
  lstsq: { operands: [2, 2], results: [2, 1, 0, 1], run: ([a, b], flags) => {
    const found = leastSquares(matrixOf(a), matrixOf(b), Number(flags.rcond), flags.driver === "gels" ? "gels" : "gelsd");
    return [found.x, real(found.residuals), one(found.rank ?? 0), real(found.singularValues ?? [])];
  } },
};

/** Offsets of a view's matrices, and its last `core` axes. */
function batchesOf(view: View, core: number): { readonly offsets: readonly number[]; readonly shape: readonly number[]; readonly strides: readonly number[] } {
  const lead = view.shape.length - core;
  const offsets: number[] = [];
  forEachOffset(view.shape.slice(0, lead), view.strides.slice(0, lead), view.offset, (at) => offsets.push(at));
  return { offsets, shape: view.shape.slice(lead), strides: view.strides.slice(lead) };
}

/** Runs a linalg call. Operands and results have the same leading axes. */
export function linalg(call: LinalgCall): void {
  const kernel = KERNELS[call.name];
  // One result where a kernel has several is its values: R, singular values, eigenvalues.
  const cores = call.results.length === 1 && kernel.results.length > 1 ? [call.name === "qr" ? 2 : 1] : kernel.results;
  const operands = call.operands.map((v, i) => batchesOf(v, kernel.operands[i] ?? 2));
  const results = call.results.map((v, i) => batchesOf(v, cores[i] ?? 2));
  const count = Math.max(...[...operands, ...results].map((b) => b.offsets.length), 0);
  for (let n = 0; n < count; n++) {
    const inputs = operands.map((b, i): View => ({ storage: (call.operands[i] ?? unreachable("operand")).storage, dtype: call.operands[i]?.dtype ?? "float64", shape: b.shape, strides: b.strides, offset: b.offsets[n] ?? 0 }));
    const values = kernel.run(inputs, call.flags, call.results.length);
    call.results.forEach((result, i) => {
      const batch = results[i] ?? unreachable("result");
      const view: View = { storage: result.storage, dtype: result.dtype, shape: batch.shape, strides: batch.strides, offset: batch.offsets[n] ?? 0 };
      const value = values[i] ?? unreachable("value");
      if (numelOf(view.shape) > 0) writeDoubles(view, value.re, value.im);
    });
  }
}
