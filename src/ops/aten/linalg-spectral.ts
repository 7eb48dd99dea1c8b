/** Eigenvalues, singular values and what rests on them (PyTorch: linalg.eigh, eig, svd, matrix_norm, cond, matrix_rank, pinv). */

import type { Context } from "../../prims/context.ts";
import { cast_, empty } from "../../prims/calls.ts";
import { permuted, reshaped, unsqueezed } from "../../prims/views.ts";
import type { Scalar } from "../../ir/datum.ts";
import { complexOf, type DType, dtypeOfTorch, isComplex, realOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { numelOf, wrapDims } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { floatOf } from "./element.ts";
import { filled } from "./filling.ts";
import { checkFloat, checkMatrix, checkSquare, columnMajor, linalgCall, single } from "./linalg-call.ts";
import { adjointOf, epsilon, inverse } from "./linalg-solve.ts";
import { vectorNorm } from "./norms.ts";
import { matmul } from "./products.ts";
import { extremum, sum } from "./reduction.ts";

const rows = (t: Tensor): number => t.shape[t.rank - 2] ?? 0;
const cols = (t: Tensor): number => t.shape[t.rank - 1] ?? 0;
const least = (t: Tensor): number => Math.min(rows(t), cols(t));

function isUpper(uplo: string): boolean {
  const letter = uplo.toUpperCase();
  if (letter !== "L" && letter !== "U") throw new OpwiseError("bad-argument", `Expected UPLO argument to be 'L' or 'U', but got ${uplo}`);
  return letter === "U";
}

export function eigh(ctx: Context, a: Tensor, uplo: string): [Tensor, Tensor] {
  checkSquare(a, "linalg.eigh");
  checkFloat(a, "linalg.eigh");
  const n = cols(a);
  const [values = a, vectors = a] = linalgCall(ctx, "eigh", [a], [2], [{ shape: [n], dtype: realOf(a.dtype) }, { shape: [n, n], dtype: a.dtype }], { upper: isUpper(uplo) });
  return [values, vectors];
}
function eigvalsh(ctx: Context, a: Tensor, uplo: string): Tensor {
  checkSquare(a, "linalg.eigvalsh");
  checkFloat(a, "linalg.eigvalsh");
  return single(linalgCall(ctx, "eigh", [a], [2], [{ shape: [cols(a)], dtype: realOf(a.dtype) }], { upper: isUpper(uplo) }));
}
function eig(ctx: Context, a: Tensor): [Tensor, Tensor] {
  checkSquare(a, "linalg.eig");
  checkFloat(a, "linalg.eig");
  const n = cols(a);
  const dtype = complexOf(a.dtype);
  const [values = a, vectors = a] = linalgCall(ctx, "eig", [a], [2], [{ shape: [n], dtype }, { shape: [n, n], dtype }]);
  return [values, vectors];
}
function eigvals(ctx: Context, a: Tensor): Tensor {
  checkSquare(a, "linalg.eigvals");
  checkFloat(a, "linalg.eigvals");
  return single(linalgCall(ctx, "eig", [a], [2], [{ shape: [cols(a)], dtype: complexOf(a.dtype) }]));
}

export function svd(ctx: Context, a: Tensor, full: boolean): [Tensor, Tensor, Tensor] {
  checkMatrix(a, "linalg.svd");
  checkFloat(a, "linalg.svd");
  const [m, n, k] = [rows(a), cols(a), least(a)];
  const results = [{ shape: [m, full ? m : k], dtype: a.dtype }, { shape: [k], dtype: realOf(a.dtype) }, { shape: [full ? n : k, n], dtype: a.dtype }];
  const [u = a, s = a, vh = a] = linalgCall(ctx, "svd", [a], [2], results, { full });
  return [u, s, vh];
}
export function singularValues(ctx: Context, a: Tensor, name = "linalg.svdvals"): Tensor {
  checkMatrix(a, name);
  checkFloat(a, name);
  return single(linalgCall(ctx, "svd", [a], [2], [{ shape: [least(a)], dtype: realOf(a.dtype) }]));
}

/** U, S, V as the old `svd` gives them. */
function legacySvd(ctx: Context, a: Tensor, some: boolean, vectors: boolean): [Tensor, Tensor, Tensor] {
  if (!vectors) {
    const batch = a.shape.slice(0, -2);
    const zero: Scalar = { kind: "int", value: 0 };
    return [filled(ctx, [...batch, rows(a), rows(a)], a.dtype, zero), singularValues(ctx, a), filled(ctx, [...batch, cols(a), cols(a)], a.dtype, zero, columnMajor(ctx, [...batch, cols(a), cols(a)], a.dtype).strides)];
  }
  const [u, s, vh] = svd(ctx, a, !some);
  return [u, s, adjointOf(vh)];
}

const greater = elementwise("gt", (s, tol) => s.gt(tol), { promotion: "compare" });
const tolerance = elementwise("tolerance", (top, atol, rtol) => top.mul(rtol).max(atol));
const inverted = elementwise("pinv", (s, tol) => s.abs().gt(tol).where(s.reciprocal(), s.lit(0)));
const magnitude = elementwise("abs", (x) => x.abs(), { promotion: "real" });
const times = elementwise("mul", (x, y) => x.mul(y));
const quotient = elementwise("div", (x, y) => x.div(y));
const infiniteWhere = elementwise("cond", (x, info) => info.toBool().where(x.real().lit(Infinity), x), { result: (d) => d });

/** A tolerance as a number or as one per matrix. */
type Tolerance = number | Tensor;

interface Tolerances {
  readonly atol: Tolerance;
  readonly rtol: Tolerance;
}

/** Defaults: rtol is `eps max(m, n)` unless an atol is given. */
function tolerancesOf(a: Tensor, atol: Tolerance | null, rtol: Tolerance | null): Tolerances {
  const standard = epsilon(a.dtype) * Math.max(rows(a), cols(a));
  if (rtol !== null) return { atol: atol ?? 0, rtol };
  if (atol === null || atol === 0) return { atol: 0, rtol: standard };
  return { atol, rtol: 0 };
}

/** max(atol, rtol * largest) per matrix, with a last axis of 1. */
function thresholds(ctx: Context, values: Tensor, tol: Tolerances): Tensor {
  const top = extremum(ctx, values, [-1], true, true);
  const operand = (t: Tolerance): Tensor | Scalar => (typeof t === "number" ? { kind: "float", value: t } : unsqueezed(cast_(ctx, t, values.dtype), -1));
  return apply(ctx, tolerance, [top, operand(tol.atol), operand(tol.rtol)]);
}

function matrixRank(ctx: Context, a: Tensor, atol: Tolerance | null, rtol: Tolerance | null, hermitian: boolean): Tensor {
  checkMatrix(a, "torch.linalg.matrix_rank", "input");
  checkFloat(a, "torch.linalg.matrix_rank");
  const batch = a.shape.slice(0, -2);
  if (a.numel === 0) return filled(ctx, batch, "int64", { kind: "int", value: 0 });
  const values = hermitian ? apply(ctx, magnitude, [eigvalsh(ctx, a, "L")]) : singularValues(ctx, a, "torch.linalg.matrix_rank");
  return sum(ctx, apply(ctx, greater, [values, thresholds(ctx, values, tolerancesOf(a, atol, rtol))]), [-1]);
}

function pinv(ctx: Context, a: Tensor, atol: Tolerance | null, rtol: Tolerance | null, hermitian: boolean): Tensor {
  checkMatrix(a, "linalg.pinv", "input");
  checkFloat(a, "linalg.pinv");
  if (a.numel === 0) return empty(ctx, [...a.shape.slice(0, -2), cols(a), rows(a)], a.dtype);
  const tol = tolerancesOf(a, atol, rtol);
  if (hermitian) {
    const [values, vectors] = eigh(ctx, a, "L");
    const parts = apply(ctx, inverted, [values, thresholds(ctx, apply(ctx, magnitude, [values]), tol)]);
    return matmul(ctx, apply(ctx, times, [vectors, unsqueezed(parts, -2)]), adjointOf(vectors));
  }
  const [u, s, vh] = svd(ctx, a, false);
  const parts = apply(ctx, inverted, [s, thresholds(ctx, s, tol)]);
  return matmul(ctx, apply(ctx, times, [adjointOf(vh), unsqueezed(parts, -2)]), adjointOf(u));
}

/** The matrix axes of a norm put last. */
function matricesOf(t: Tensor, dims: readonly number[], name: string): { readonly matrices: Tensor; readonly axes: readonly [number, number] } {
  if (t.rank < 2) throw new OpwiseError("shape-mismatch", `${name}: The input tensor A must have at least 2 dimensions.`);
  if (dims.length !== 2) throw new OpwiseError("bad-argument", `${name}: dim must be a 2-tuple. Got ${dims.join(" ")}`);
  const [a = 0, b = 1] = dims.map((d) => (d < 0 ? d + t.rank : d));
  if (a === b) throw new OpwiseError("bad-argument", `${name}: dims must be different. Got (${dims.join(", ")})`);
  wrapDims(dims, t.rank);
  return { matrices: permuted(t, [...t.shape.map((_, i) => i).filter((i) => i !== a && i !== b), a, b]), axes: [a, b] };
}

/** A value per matrix in the shape without the matrix axes, or with axes of 1 in their place. */
function kept(ctx: Context, value: Tensor, t: Tensor, axes: readonly [number, number], keepdim: boolean): Tensor {
  return reshaped(ctx, value, keepdim ? t.shape.map((s, i) => (axes.includes(i) ? 1 : s)) : t.shape.filter((_, i) => !axes.includes(i)));
}

function withDtype(ctx: Context, t: Tensor, code: number | null): Tensor {
  if (code === null) return t;
  const dtype: DType = dtypeOfTorch(code);
  return cast_(ctx, t, isComplex(t.dtype) ? complexOf(dtype) : dtype);
}

/** Largest or smallest along the axis, which stays as 1; nothing has a largest of 0, and no smallest. */
function extremeOf(ctx: Context, t: Tensor, axis: number, largest: boolean): Tensor {
  if (t.numel > 0 || t.shape[axis] !== 0) return extremum(ctx, t, [axis], true, largest);
  const shape = t.shape.map((s, i) => (i === axis ? 1 : s));
  if (!largest && numelOf(shape) > 0) throw new OpwiseError("index-out-of-range", `amin(): Expected reduction dim ${axis} to have non-zero size.`);
  return filled(ctx, shape, t.dtype, { kind: "int", value: 0 });
}

export function matrixNorm(ctx: Context, self: Tensor, ord: number | "fro" | "nuc", dims: readonly number[], keepdim: boolean, code: number | null): Tensor {
  const name = "linalg.matrix_norm";
  if (ord === "fro") {
    matricesOf(self, dims, name);
    return vectorNorm(ctx, self, 2, dims, keepdim, code);
  }
  const size = typeof ord === "number" ? Math.abs(ord) : 2;
  if (size !== 1 && size !== 2 && size !== Infinity) throw new OpwiseError("bad-argument", `linalg.matrix_norm: Order ${ord} not supported.`);
  if (size === 2) {
    checkFloat(self, name);
    const t = withDtype(ctx, self, code);
    const { matrices, axes } = matricesOf(t, dims, name);
    const values = singularValues(ctx, matrices, name);
    const value = ord === "nuc" ? sum(ctx, values, [-1], true) : extremeOf(ctx, values, values.rank - 1, ord > 0);
    return kept(ctx, value, t, axes, keepdim);
  }
  // Absolute sums along one axis, rounded, then the extreme one of them: low precision is no hindrance.
  const { axes } = matricesOf(self, dims, name);
  const [summed, other] = size === 1 ? axes : [axes[1], axes[0]];
  return kept(ctx, extremeOf(ctx, vectorNorm(ctx, self, 1, [summed], true, code), other, ord === 1 || ord === Infinity), self, axes, keepdim);
}

function namedOrder(ord: string, name: string): "fro" | "nuc" {
  if (ord !== "fro" && ord !== "nuc") throw new OpwiseError("bad-argument", `${name}: Order ${ord} not supported.`);
  return ord;
}

function norm(ctx: Context, self: Tensor, ord: Scalar | null, dim: readonly number[] | null, keepdim: boolean, code: number | null): Tensor {
  if (dim !== null && dim.length !== 1 && dim.length !== 2 && ord !== null) {
    throw new OpwiseError("bad-argument", `linalg.norm: If dim is specified, it must be of length 1 or 2. Got [${dim.join(", ")}]`);
  }
  if (ord === null) {
    if (dim !== null || keepdim) return vectorNorm(ctx, self, 2, dim, keepdim, code);
    return vectorNorm(ctx, self, 2, null, false, code);
  }
  if (dim === null && self.rank !== 1 && self.rank !== 2) {
    throw new OpwiseError("bad-argument", `linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ${self.rank}D.`);
  }
  const value = floatOf(ord);
  if (dim?.length === 2 || (dim === null && self.rank === 2)) return matrixNorm(ctx, self, value, dim ?? [0, 1], keepdim, code);
  return vectorNorm(ctx, self, value, dim, keepdim, code);
}
function normNamed(ctx: Context, self: Tensor, ord: string, dim: readonly number[] | null, keepdim: boolean, code: number | null): Tensor {
  if (dim === null && self.rank !== 2) throw new OpwiseError("bad-argument", `linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got ${self.rank}D.`);
  return matrixNorm(ctx, self, namedOrder(ord, "linalg.norm"), dim ?? [0, 1], keepdim, code);
}

function cond(ctx: Context, a: Tensor, p: number | "fro" | "nuc" | null): Tensor {
  checkMatrix(a, "linalg.cond");
  checkFloat(a, "linalg.cond");
  if (p === null || p === 2 || p === -2) {
    if (a.numel === 0) return filled(ctx, a.shape.slice(0, -2), realOf(a.dtype), { kind: "int", value: 0 });
    const s = singularValues(ctx, a, "linalg.cond");
    const [top, low] = [extremum(ctx, s, [-1], false, true), extremum(ctx, s, [-1], false, false)];
    return apply(ctx, quotient, p === -2 ? [low, top] : [top, low]);
  }
  checkSquare(a, "linalg.cond");
  if (a.numel === 0) return filled(ctx, a.shape.slice(0, -2), realOf(a.dtype), { kind: "int", value: 0 });
  const [inv, info] = inverse(ctx, a, "linalg.cond");
  const safe = apply(ctx, infiniteWhere, [inv, unsqueezed(unsqueezed(info, -1), -1)]);
  return apply(ctx, times, [matrixNorm(ctx, a, p, [-2, -1], false, null), matrixNorm(ctx, safe, p, [-2, -1], false, null)]);
}

export const spectra: readonly Op[] = [
  op("aten::linalg_eigh(Tensor self, str UPLO=\"L\") -> (Tensor eigenvalues, Tensor eigenvectors)", { run: eigh }),
  op("aten::_linalg_eigh(Tensor A, str UPLO=\"L\", bool compute_v=True) -> (Tensor eigenvalues, Tensor eigenvectors)", { run: (ctx, a, uplo, vectors) => (vectors ? eigh(ctx, a, uplo) : [eigvalsh(ctx, a, uplo), empty(ctx, [0], a.dtype)]) }),
  op("aten::linalg_eigvalsh(Tensor self, str UPLO=\"L\") -> Tensor", { run: eigvalsh }),
  op("aten::linalg_eig(Tensor self) -> (Tensor eigenvalues, Tensor eigenvectors)", { run: eig }),
  op("aten::linalg_eigvals(Tensor self) -> Tensor", { run: eigvals }),
  op("aten::_linalg_eigvals(Tensor self) -> Tensor", { run: eigvals }),
  op("aten::linalg_svd(Tensor A, bool full_matrices=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)", { run: (ctx, a, full) => svd(ctx, a, full) }),
  op("aten::_linalg_svd(Tensor A, bool full_matrices=False, bool compute_uv=True, *, str? driver=None) -> (Tensor U, Tensor S, Tensor Vh)", {
    run: (ctx, a, full, vectors) => (vectors ? svd(ctx, a, full) : [empty(ctx, [0], a.dtype), singularValues(ctx, a), empty(ctx, [0], a.dtype)]),
  }),
  op("aten::linalg_svdvals(Tensor A, *, str? driver=None) -> Tensor", { run: (ctx, a) => singularValues(ctx, a) }),
  op("aten::svd(Tensor self, bool some=True, bool compute_uv=True) -> (Tensor U, Tensor S, Tensor V)", { run: legacySvd }),
  op("aten::linalg_matrix_norm(Tensor self, Scalar ord, int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, ord, dim, keepdim, dtype) => matrixNorm(ctx, self, floatOf(ord), dim, keepdim, dtype) }),
  op("aten::linalg_matrix_norm.str_ord(Tensor self, str ord=\"fro\", int[] dim=[-2, -1], bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, ord, dim, keepdim, dtype) => matrixNorm(ctx, self, namedOrder(ord, "linalg.matrix_norm"), dim, keepdim, dtype) }),
  op("aten::linalg_norm(Tensor self, Scalar? ord=None, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", { run: norm }),
  op("aten::linalg_norm.ord_str(Tensor self, str ord, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", { run: normNamed }),
  op("aten::nuclear_norm(Tensor self, bool keepdim=False) -> Tensor", { run: (ctx, self, keepdim) => matrixNorm(ctx, self, "nuc", [-2, -1], keepdim, null) }),
  op("aten::nuclear_norm.dim(Tensor self, int[2] dim, bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => matrixNorm(ctx, self, "nuc", dim, keepdim, null) }),
  op("aten::linalg_cond(Tensor self, Scalar? p=None) -> Tensor", { run: (ctx, self, p) => cond(ctx, self, p === null ? null : floatOf(p)) }),
  op("aten::linalg_cond.p_str(Tensor self, str p) -> Tensor", { run: (ctx, self, p) => cond(ctx, self, namedOrder(p, "linalg.cond")) }),
  op("aten::linalg_matrix_rank(Tensor self, float tol, bool hermitian=False) -> Tensor", { run: (ctx, self, tol, hermitian) => matrixRank(ctx, self, tol, 0, hermitian) }),
  op("aten::linalg_matrix_rank.tol_tensor(Tensor input, Tensor tol, bool hermitian=False) -> Tensor", { run: (ctx, self, tol, hermitian) => matrixRank(ctx, self, tol, 0, hermitian) }),
  op("aten::linalg_matrix_rank.atol_rtol_tensor(Tensor input, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor", { run: matrixRank }),
  op("aten::linalg_matrix_rank.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor", { run: matrixRank }),
  op("aten::linalg_pinv(Tensor self, float rcond, bool hermitian=False) -> Tensor", { run: (ctx, self, rcond, hermitian) => pinv(ctx, self, 0, rcond, hermitian) }),
  op("aten::linalg_pinv.rcond_tensor(Tensor self, Tensor rcond, bool hermitian=False) -> Tensor", { run: (ctx, self, rcond, hermitian) => pinv(ctx, self, 0, rcond, hermitian) }),
  op("aten::linalg_pinv.atol_rtol_float(Tensor self, *, float? atol=None, float? rtol=None, bool hermitian=False) -> Tensor", { run: pinv }),
  op("aten::linalg_pinv.atol_rtol_tensor(Tensor self, *, Tensor? atol=None, Tensor? rtol=None, bool hermitian=False) -> Tensor", { run: pinv }),
  op("aten::pinverse(Tensor self, float rcond=1.0000000000000001e-15) -> Tensor", { run: (ctx, self, rcond) => pinv(ctx, self, 0, rcond, false) }),
];
