/**
 * Dense linear algebra, a matrix at a time, in double precision: what linalg calls carry. Operands and results by name:
 * lu (A -> LU, pivots, info; `pivot`) · luSolve (LU, pivots, B -> X; `transpose`) · solve (A, B -> X, LU, pivots, info) · inverse (A -> X, info) ·
 * cholesky (A -> L, info; `upper`) · triangular (A, B -> X; `upper`, `unit`, `left`, `transpose`) · qr (A -> Q, R, or R alone; `mode`) ·
 * geqrf (A -> a, tau) · householder (a, tau -> Q) · ormqr (a, tau, C -> X; `left`, `transpose`) · eigh (A -> values, vectors?; `upper`) ·
 * eig (A -> values, vectors?) · svd (A -> U, S, Vh, or S alone; `full`) · ldl (A -> LD, pivots, info; `hermitian`) · ldlSolve (LD, pivots, B -> X) ·
 * lstsq (A, B -> X, residuals, rank, values; `driver`, `rcond`).
 */

import {
  cholesky,
  eigenGeneral,
  eigenSymmetric,
  geqrf,
  householderProduct,
  inverse,
  ldlFactor,
  ldlSolve,
  leastSquares,
  luFactor,
  luSolve,
  ormqr,
  qr,
  singularValues,
  solve,
  solveTriangular,
  solveTriangularRight,
  svd,
} from "../../numeric/linalg.ts";
import type { LinalgCall } from "../../prims/call.ts";
import type { Factorisation, FactorisedValues, HostMatrix } from "../../prims/factorisation.ts";
import { unreachable } from "../../tensor/error.ts";

const need = (matrix: HostMatrix | undefined): HostMatrix => matrix ?? unreachable("operand");
/** Pivots come as a column of numbers. */
const pivotsOf = (column: HostMatrix | undefined): Int32Array => Int32Array.from(need(column).re);
const one = (n: number): FactorisedValues => ({ re: [n] });
const real = (re: ArrayLike<number>): FactorisedValues => ({ re });

function transposeFlag(flag: boolean | number | string | undefined): "none" | "transpose" | "adjoint" {
  return flag === "transpose" || flag === "adjoint" ? flag : "none";
}

export const FACTORISATIONS: Readonly<Record<LinalgCall["name"], Factorisation>> = {
  lu: {
    operands: [2],
    results: [2, 1, 0],
    run: ([a], flags) => {
      const { lu, pivots, info } = luFactor(need(a), flags.pivot !== false);
      return [lu, real(pivots), one(info)];
    },
  },
  luSolve: {
    operands: [2, 1, 2],
    results: [2],
    run: ([lu, pivots, b], flags) => [luSolve({ lu: need(lu), pivots: pivotsOf(pivots), info: 0 }, need(b), transposeFlag(flags.transpose))],
  },
  solve: {
    operands: [2, 2],
    results: [2, 2, 1, 0],
    run: ([a, b]) => {
      const { x, factors } = solve(need(a), need(b));
      return [x, factors.lu, real(factors.pivots), one(factors.info)];
    },
  },
  inverse: {
    operands: [2],
    results: [2, 0],
    run: ([a]) => {
      const found = inverse(need(a));
      return [found.inverse, one(found.info)];
    },
  },
  cholesky: {
    operands: [2],
    results: [2, 0],
    run: ([a], flags) => {
      const { factor, info } = cholesky(need(a), flags.upper === true);
      return [factor, one(info)];
    },
  },
  triangular: {
    operands: [2, 2],
    results: [2],
    run: ([a, b], flags) => {
      const options = { upper: flags.upper === true, unit: flags.unit === true, transpose: transposeFlag(flags.transpose) };
      return [(flags.left === false ? solveTriangularRight : solveTriangular)(need(a), need(b), options)];
    },
  },
  qr: {
    operands: [2],
    results: [2, 2],
    run: ([a], flags, results) => {
      const { q, r } = qr(need(a), results === 1 ? "r" : flags.mode === "complete" ? "complete" : "reduced");
      return results === 1 ? [r] : [q ?? unreachable("Q"), r];
    },
  },
  geqrf: {
    operands: [2],
    results: [2, 1],
    run: ([a]) => {
      const found = geqrf(need(a));
      return [found.a, found.tau];
    },
  },
  householder: { operands: [2, 1], results: [2], run: ([a, tau]) => [householderProduct(need(a), need(tau))] },
  ormqr: {
    operands: [2, 1, 2],
    results: [2],
    run: ([a, tau, c], flags) => [ormqr(need(a), need(tau), need(c), flags.left !== false, flags.transpose === true)],
  },
  eigh: {
    operands: [2],
    results: [1, 2],
    run: ([a], flags, results) => {
      const { values, vectors } = eigenSymmetric(need(a), results > 1, flags.upper === true);
      return results === 1 ? [real(values)] : [real(values), vectors ?? unreachable("vectors")];
    },
  },
  eig: {
    operands: [2],
    results: [1, 2],
    run: ([a], _flags, results) => {
      const { values, vectors } = eigenGeneral(need(a), results > 1);
      return results === 1 ? [values] : [values, vectors ?? unreachable("vectors")];
    },
  },
  svd: {
    operands: [2],
    results: [2, 1, 2],
    run: ([a], flags, results) => {
      if (results === 1) return [real(singularValues(need(a)))];
      const { u, values, vh } = svd(need(a), flags.full === true);
      return [u, real(values), vh];
    },
  },
  ldl: {
    operands: [2],
    results: [2, 1, 0],
    run: ([a], flags) => {
      const { ld, pivots, info } = ldlFactor(need(a), flags.hermitian === true);
      return [ld, real(pivots), one(info)];
    },
  },
  ldlSolve: {
    operands: [2, 1, 2],
    results: [2],
    run: ([ld, pivots, b], flags) => [ldlSolve({ ld: need(ld), pivots: pivotsOf(pivots), info: 0 }, need(b), flags.hermitian === true)],
  },
  lstsq: {
    operands: [2, 2],
    results: [2, 1, 0, 1],
    run: ([a, b], flags) => {
      const found = leastSquares(need(a), need(b), Number(flags.rcond), flags.driver === "gels" ? "gels" : "gelsd");
      return [found.x, real(found.residuals), one(found.rank ?? 0), real(found.singularValues ?? [])];
    },
  },
};
