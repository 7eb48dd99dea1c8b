/** What linear algebra shares: linalg calls with batches broadcast, checks of shapes and dtypes, and errors of failed factorisations. */

import { binary, index, select } from "../../expr/expr.ts";
import { compute, empty, resolved } from "../../prims/calls.ts";
import type { LinalgCall } from "../../prims/call.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { expanded, narrowed } from "../../prims/views.ts";
import { type DType, dtypeInfo, isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { broadcastShapes, contiguousStrides, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { FACTORISATIONS } from "./factorisations.ts";
import { memo, zeroOf } from "./memo.ts";

/** What a result looks like below the leading axes. */
export interface Core {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Rows that columns are apart in memory, where more than the matrix has. */
  readonly height?: number;
}

/** An empty tensor whose matrices lie column by column, as LAPACK's do. */
export function columnMajor(ctx: Context, shape: Shape, dtype: DType): Tensor {
  if (shape.length < 2) return empty(ctx, shape, dtype);
  const turned = [...shape.slice(0, -2), shape[shape.length - 1] ?? 1, shape[shape.length - 2] ?? 1];
  const strides = contiguousStrides(turned);
  const [a = 1, b = 1] = strides.splice(-2);
  return empty(ctx, shape, dtype, [...strides, b, a]);
}

/** Leading axes of operands whose last `cores` axes are their matrices or vectors. */
export function batchOf(operands: readonly Tensor[], cores: readonly number[]): Shape {
  let batch: Shape = [];
  operands.forEach((t, i) => (batch = broadcastShapes(batch, t.shape.slice(0, t.rank - (cores[i] ?? 2)))));
  return batch;
}

/** Runs a factorisation over broadcast batches. Matrices of the results lie column by column. */
export function linalgCall(ctx: Context, name: LinalgCall["name"], operands: readonly Tensor[], cores: readonly number[], results: readonly Core[], flags: LinalgCall["flags"] = {}): Tensor[] {
  const batch = batchOf(operands, cores);
  const inputs = operands.map((t, i) => {
    const core = cores[i] ?? 2;
    return resolved(ctx, expanded(t, [...batch, ...t.shape.slice(t.rank - core)]));
  });
  const outs = results.map((r) => {
    if (r.shape.length !== 2) return empty(ctx, [...batch, ...r.shape], r.dtype);
    const [rows = 0, cols = 0] = r.shape;
    const tall = columnMajor(ctx, [...batch, Math.max(r.height ?? rows, rows), cols], r.dtype);
    return narrowed(tall, -2, 0, rows);
  });
  if (outs.some((t) => t.numel > 0)) ctx.run({ kind: "linalg", name, factorisation: FACTORISATIONS[name], flags, operands: inputs, results: outs, scalars: [] });
  return outs;
}

/** The only result. */
export function single(results: readonly Tensor[]): Tensor {
  return results[0] ?? unreachable("a linalg call has a result");
}

export function checkMatrix(t: Tensor, name: string, what = "A"): void {
  if (t.rank < 2) throw new OpwiseError("shape-mismatch", `${name}: The input tensor ${what} must have at least 2 dimensions.`, { got: `[${t.shape.join(", ")}]` });
}

export function checkSquare(t: Tensor, name: string, what = "A"): void {
  checkMatrix(t, name, what);
  const [m, n] = t.shape.slice(-2);
  if (m !== n) throw new OpwiseError("shape-mismatch", `${name}: ${what} must be batches of square matrices, but they are ${m} by ${n} matrices`);
}

const SPELLED: Partial<Record<DType, string>> = { int64: "Long", int32: "Int", int16: "Short", int8: "Char", uint8: "Byte", bool: "Bool", float16: "Half", bfloat16: "BFloat16" };

/** Factorisations take float32, float64 and their complex twins. @throws dtype-mismatch */
export function checkFloat(t: Tensor, name: string): void {
  const info = dtypeInfo(t.dtype);
  if (info.class !== "float" && info.class !== "complex") throw new OpwiseError("dtype-mismatch", `${name}: Expected a floating point or complex tensor as input. Got ${SPELLED[t.dtype] ?? t.dtype}`);
  if ((info.class === "float" && info.itemsize < 4) || t.dtype === "complex32") throw new OpwiseError("dtype-mismatch", `${name}: Low precision dtypes not supported. Got ${SPELLED[t.dtype] ?? t.dtype}`);
}

export function checkSameDtype(a: Tensor, b: Tensor, name: string): void {
  if (a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", `${name}: Expected A and B to have the same dtype, but found A of type ${scalarName(a.dtype)} and B of type ${scalarName(b.dtype)} instead`);
}

/** What a nonzero `info` of a factorisation means, by the name of the function that asked. */
function failure(name: string, info: number): string {
  if (name.includes("inv")) return `The diagonal element ${info} is zero, the inversion could not be completed because the input matrix is singular.`;
  if (name.includes("solve")) return "The solver failed because the input matrix is singular.";
  if (name.includes("cholesky")) return `The factorization could not be completed because the input is not positive-definite (the leading minor of order ${info} is not positive-definite).`;
  if (name.includes("eig") || name.includes("svd")) return `The algorithm failed to converge because the input matrix is ill-conditioned or has too many repeated values (error code: ${info}).`;
  if (name.includes("lstsq")) return `The least squares solution could not be computed because the input matrix does not have full rank (error code: ${info}).`;
  if (name.includes("lu")) return `U[${info},${info}] is zero and using it on lu_solve would result in a division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)`;
  return `the factorization failed (error code: ${info})`;
}

/** Reads `info` and raises where a factorisation failed. @throws runtime-error */
export function* checkInfo(info: Tensor, name: string): Generator<Tensor, void, void> {
  yield info;
  const codes = Array.from(info.data, Number);
  const at = codes.findIndex((c) => c !== 0);
  if (at < 0) return;
  throw new OpwiseError("runtime-error", `${name}: ${info.rank > 0 ? `(Batch element ${at}): ` : ""}${failure(name, codes[at] ?? 0)}`);
}

const programs = memo<Program>();

/** The identity matrix. */
export function identityOf(ctx: Context, n: number, dtype: DType): Tensor {
  const program = programs(`eye ${dtype}`, () => {
    const type = computeType(dtype);
    const on = select(binary("eq", index(0), index(1)), zeroOf(type, 1), zeroOf(type));
    return { name: "eye", operands: [], scalars: [], outputs: [{ dtype, parts: isComplex(dtype) ? [on, zeroOf(type)] : [on] }], messages: [] };
  });
  return single(compute(ctx, program, [n, n], []));
}

/** Whether B of `A X = B` is a batch of vectors (linalg_solve_is_vector_rhs). */
export function isVector(a: Tensor, b: Tensor): boolean {
  const expected = a.shape.slice(0, -1);
  return b.rank === 1 || (a.rank - 1 === b.rank && b.shape.every((s, i) => s === expected[i]));
}
