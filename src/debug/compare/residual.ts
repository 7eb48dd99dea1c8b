/** Factorisations have free signs and bases: what counts is how well the factors give the matrix again. */

import { dtypeInfo } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { numbersOf } from "./numbers.ts";
import { plainName } from "./op-class.ts";
import { type Execution, tensorsIn } from "./tape.ts";

interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly at: (i: number, j: number) => number;
}

function matrixOf(t: Tensor, batch: number): Matrix {
  // Values of a factorisation (singular, eigen) are one row.
  const [rows, columns] = [t.shape.at(-2) ?? 1, t.shape.at(-1) ?? 1];
  const numbers = numbersOf(t);
  return { rows, columns, at: (i, j) => numbers[batch * rows * columns + i * columns + j] ?? 0 };
}

function product(a: Matrix, b: Matrix): Matrix {
  const out = new Float64Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.columns; k++) {
      const x = a.at(i, k);
      for (let j = 0; j < b.columns; j++) out[i * b.columns + j] = (out[i * b.columns + j] ?? 0) + x * b.at(k, j);
    }
  }
  return { rows: a.rows, columns: b.columns, at: (i, j) => out[i * b.columns + j] ?? 0 };
}
const transposed = (m: Matrix): Matrix => ({ rows: m.columns, columns: m.rows, at: (i, j) => m.at(j, i) });
const identity = (n: number): Matrix => ({ rows: n, columns: n, at: (i, j) => (i === j ? 1 : 0) });

function norm(m: Matrix): number {
  let squares = 0;
  for (let i = 0; i < m.rows; i++) for (let j = 0; j < m.columns; j++) squares += m.at(i, j) ** 2;
  return Math.sqrt(squares);
}
function distance(a: Matrix, b: Matrix): number {
  let squares = 0;
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < a.columns; j++) squares += (a.at(i, j) - b.at(i, j)) ** 2;
  return Math.sqrt(squares);
}

/** The op's residual and what it is measured by, from the operands and all its results. */
type Residual = (args: readonly Matrix[], outs: readonly Matrix[]) => { readonly error: number; readonly scale: number } | undefined;

const against = (a: Matrix, b: Matrix): { readonly error: number; readonly scale: number } => ({ error: distance(a, b), scale: norm(b) });
/** Columns scaled by a row of numbers. */
const scaled = (m: Matrix, by: Matrix): Matrix => ({ rows: m.rows, columns: by.columns, at: (i, j) => m.at(i, j) * by.at(0, j) });

const qr: Residual = ([a], [q, r]) => (a === undefined || q === undefined || r === undefined ? undefined : against(product(q, r), a));
const cholesky: Residual = ([a], [l]) => (a === undefined || l === undefined ? undefined : against(product(l, transposed(l)), a));
const inverse: Residual = ([a], [x]) =>
  a === undefined || x === undefined ? undefined : { error: distance(product(a, x), identity(a.rows)), scale: norm(a) * norm(x) };
const solve: Residual = ([a, b], [x]) =>
  a === undefined || b === undefined || x === undefined ? undefined : { error: distance(product(a, x), b), scale: norm(a) * norm(x) };
const eigh: Residual = ([a], [w, v]) => (a === undefined || w === undefined || v === undefined ? undefined : against(product(scaled(v, w), transposed(v)), a));
const svd =
  (v: (m: Matrix) => Matrix): Residual =>
  ([a], [u, s, w]) =>
    a === undefined || u === undefined || s === undefined || w === undefined ? undefined : against(product(scaled(u, s), v(w)), a);

const RESIDUALS: Readonly<Record<string, Residual>> = {
  qr,
  linalg_qr: qr,
  cholesky,
  linalg_cholesky: cholesky,
  linalg_cholesky_ex: cholesky,
  inverse,
  linalg_inv: inverse,
  linalg_inv_ex: inverse,
  linalg_solve: solve,
  linalg_eigh: eigh,
  _linalg_eigh: eigh,
  svd: svd(transposed),
  linalg_svd: svd((m) => m),
  _linalg_svd: svd((m) => m),
};

/**
 * The residual of a factorisation as a multiple of `64 n u ‖A‖`; undefined where the op has none (its values are unique), or complex operands.
 * `outs`: what is judged, all results of the op.
 */
export function residualOf(execution: Execution, outs: readonly Tensor[]): number | undefined {
  const residual = RESIDUALS[plainName(execution.node.op)];
  const args = tensorsIn(execution.args);
  const [first] = args;
  if (residual === undefined || first === undefined || first.rank < 2 || [...args, ...outs].some((t) => dtypeInfo(t.dtype).class === "complex"))
    return undefined;
  const batches = first.shape.slice(0, -2).reduce((a, b) => a * b, 1);
  const u = first.dtype === "float64" ? 2 ** -53 : 2 ** -24;
  let most = 0;
  for (let b = 0; b < batches; b++) {
    const found = residual(
      args.map((t) => matrixOf(t, b)),
      outs.map((t) => matrixOf(t, b)),
    );
    if (found === undefined) return undefined;
    const allowed = 64 * Math.max(first.shape.at(-1) ?? 1, first.shape.at(-2) ?? 1) * u * found.scale;
    if (found.error > 0) most = Math.max(most, allowed > 0 ? found.error / allowed : 1e9);
  }
  return most;
}
