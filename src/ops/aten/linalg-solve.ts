/** Linear systems (PyTorch: linalg.solve, inv, solve_triangular, lstsq, lu_solve, tensorsolve), and determinants. */

import { arg, binary, cast, constant, index, select } from "../../expr/expr.ts";
import { copyOf, empty, reduce } from "../../prims/calls.ts";
import { prodOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { conjugated, diagonalOf, permuted, reshaped, squeezed, transposed, unsqueezed } from "../../prims/views.ts";
import { type DType, realOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { checkFloat, checkInfo, checkMatrix, checkSameDtype, checkSquare, columnMajor, isVector, linalgCall, single } from "./linalg-call.ts";
import { luFactor } from "./linalg-factor.ts";
import { memo } from "./memo.ts";
import { prod, sum } from "./reduction.ts";

type Reader<T> = Generator<Tensor, T, void>;

const programs = memo<Program>();

/** The last two axes exchanged and elements conjugated. */
export function adjointOf(t: Tensor): Tensor {
  return conjugated(transposed(t, -2, -1));
}

interface Solved {
  readonly x: Tensor;
  readonly lu: Tensor;
  readonly pivots: Tensor;
  readonly info: Tensor;
}

/** Batched vectors laid out as if they were a matrix's columns, which is how PyTorch's solve leaves them. */
function inColumns(ctx: Context, t: Tensor): Tensor {
  return t.rank < 2 ? t : copyOf(ctx, t, t.dtype, columnMajor(ctx, t.shape, t.dtype).strides);
}

/** X of A X = B, or of X A = B; vectors as B where its shape says so. */
export function solve(ctx: Context, a: Tensor, b: Tensor, left: boolean, name: string): Solved {
  checkSquare(a, name);
  checkFloat(a, name);
  checkSameDtype(a, b, name);
  const vector = isVector(a, b);
  if (vector && !left) throw new OpwiseError("bad-argument", `${name}: Vector broadcasting of the left hand side is not supported for left=False. In this case ${name} is equivalent to B / A.squeeze(-1)`);
  const right = vector ? unsqueezed(b, -1) : b;
  const n = a.shape[a.rank - 1] ?? 0;
  if ((left ? right.shape[right.rank - 2] : right.shape[right.rank - 1]) !== n) {
    throw new OpwiseError("shape-mismatch", `${name}: Incompatible shapes of A and B for the equation ${left ? "AX = B" : "XA = B"} (${n}x${n} and ${right.shape[right.rank - 2]}x${right.shape[right.rank - 1]})`);
  }
  const [aa, bb] = left ? [a, right] : [transposed(a, -2, -1), transposed(right, -2, -1)];
  const results = [{ shape: bb.shape.slice(-2), dtype: b.dtype }, { shape: [n, n], dtype: a.dtype }, { shape: [n], dtype: "int32" as const }, { shape: [], dtype: "int32" as const }];
  const [x = a, lu = a, pivots = a, info = a] = linalgCall(ctx, "solve", [aa, bb], [2, 2], results);
  const answer = vector ? inColumns(ctx, squeezed(x, [-1])) : x;
  return { x: left ? answer : transposed(x, -2, -1), lu, pivots, info };
}

function* checkedSolve(ctx: Context, a: Tensor, b: Tensor, left: boolean): Reader<Tensor> {
  const { x, info } = solve(ctx, a, b, left, "torch.linalg.solve");
  yield* checkInfo(info, "torch.linalg.solve");
  return x;
}

export function inverse(ctx: Context, a: Tensor, name: string): [Tensor, Tensor] {
  checkSquare(a, name);
  checkFloat(a, name);
  const [inv = a, info = a] = linalgCall(ctx, "inverse", [a], [2], [{ shape: a.shape.slice(-2), dtype: a.dtype }, { shape: [], dtype: "int32" }]);
  return [inv, info];
}
export function* checkedInverse(ctx: Context, a: Tensor, name = "linalg.inv"): Reader<Tensor> {
  const [inv, info] = inverse(ctx, a, name);
  yield* checkInfo(info, name);
  return inv;
}

function solveTriangular(ctx: Context, a: Tensor, b: Tensor, upper: boolean, left: boolean, unit: boolean, transpose = "none"): Tensor {
  checkSquare(a, "linalg.solve_triangular");
  checkMatrix(b, "linalg.solve_triangular", "B");
  if (a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", `linalg.solve_triangular: Expected A and B to have the same dtype, but found A of type ${scalarName(a.dtype)} and B of type ${scalarName(b.dtype)} instead`);
  const n = a.shape[a.rank - 1] ?? 0;
  if ((left ? b.shape[b.rank - 2] : b.shape[b.rank - 1]) !== n) {
    throw new OpwiseError("shape-mismatch", `linalg.solve_triangular: Incompatible shapes of A and B for the equation ${left ? "AX = B" : "XA = B"} (${n}x${n} and ${b.shape[b.rank - 2]}x${b.shape[b.rank - 1]})`);
  }
  return single(linalgCall(ctx, "triangular", [a, b], [2, 2], [{ shape: b.shape.slice(-2), dtype: b.dtype }], { upper, left, unit, transpose }));
}

function luSolve(ctx: Context, lu: Tensor, pivots: Tensor, b: Tensor, left: boolean, adjoint: boolean): Tensor {
  checkSquare(lu, "torch.linalg.lu_solve", "LU");
  checkMatrix(b, "torch.linalg.lu_solve", "B");
  const right = left ? b : adjointOf(b);
  // X A = B is A^H X^H = B^H.
  const transpose = left === adjoint ? "adjoint" : "none";
  const x = single(linalgCall(ctx, "luSolve", [lu, pivots, right], [2, 1, 2], [{ shape: right.shape.slice(-2), dtype: b.dtype }], { transpose }));
  return left ? x : copyOf(ctx, adjointOf(x));
}

const EPSILON: Partial<Record<DType, number>> = { float32: 2 ** -23, float64: 2 ** -52, float16: 2 ** -10, bfloat16: 2 ** -7 };
/** The distance from 1 to the next number of a dtype's (real) precision. */
export function epsilon(dtype: DType): number {
  return EPSILON[realOf(dtype)] ?? 2 ** -52;
}

function* lstsq(ctx: Context, a: Tensor, b: Tensor, rcond: number | null, driver: string | null): Reader<Tensor[]> {
  checkMatrix(a, "torch.linalg.lstsq", "input");
  checkFloat(a, "torch.linalg.lstsq");
  if (a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", `torch.linalg.lstsq: Expected input and other to have the same dtype, but got input's dtype ${scalarName(a.dtype)} and other's dtype ${scalarName(b.dtype)}`);
  const name = driver ?? "gelsy";
  if (!["gels", "gelsy", "gelsd", "gelss"].includes(name)) throw new OpwiseError("bad-argument", "torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss)");
  const vector = isVector(a, b);
  const right = vector ? unsqueezed(b, -1) : b;
  const [m, n] = [a.shape[a.rank - 2] ?? 0, a.shape[a.rank - 1] ?? 0];
  if (right.shape[right.rank - 2] !== m) throw new OpwiseError("shape-mismatch", "torch.linalg.lstsq: input.size(-2) should match other.size(-2)");
  const k = right.shape[right.rank - 1] ?? 0;
  const cut = rcond ?? epsilon(a.dtype) * Math.max(m, n);
  const full = name === "gels";
  // LAPACK solves in place of B, padded: X is the head of taller columns.
  const results = [{ shape: [n, k], dtype: a.dtype, height: Math.max(m, n) }, { shape: [m > n ? k : 0], dtype: realOf(a.dtype) }, { shape: [], dtype: "int64" as const }, { shape: [full ? 0 : Math.min(m, n)], dtype: realOf(a.dtype) }];
  const [x = a, residuals = a, rank = a, values = a] = linalgCall(ctx, "lstsq", [a, right], [2, 2], results, { driver: full ? "gels" : "gelsd", rcond: cut });
  const nothing = (dtype: DType): Tensor => empty(ctx, [0], dtype);
  const solution = vector ? squeezed(x, [-1]) : x;
  let hasResiduals = m > n && name !== "gelsy";
  if (hasResiduals && !full) {
    yield rank;
    hasResiduals = Array.from(rank.data, Number).every((r) => r === n);
  }
  return [
    solution, hasResiduals ? residuals : nothing(realOf(a.dtype)), full ? nothing("int64") : rank,
    name === "gelsd" || name === "gelss" ? values : nothing(realOf(a.dtype)),
  ];
}

/** -1 for each row that a pivot exchanged. */
function parityProgram(axis: number): Program {
  return programs(`parity ${axis}`, () => {
    const place = cast(binary("add", index(axis), constant(1, "index")), "i32");
    const kept = binary("eq", arg(0, "i32"), place);
    return { name: "parity", operands: ["int32"], scalars: [], outputs: [{ dtype: "float64", parts: [select(kept, constant(1, "f64"), constant(-1, "f64"))] }], messages: [] };
  });
}

/** Sign of the permutation that pivots make. */
function parity(ctx: Context, pivots: Tensor, dtype: DType): Tensor {
  return single(reduce(ctx, parityProgram(pivots.rank - 1), prodOf("f64"), [pivots], [pivots.rank - 1], false, [dtype]));
}

const times = elementwise("mul", (x, y) => x.mul(y));
const unit = elementwise("sgn", (x) => x.sign());
const logSize = elementwise("log_abs", (x) => x.abs().log(), { promotion: "real" });
const logOfSigned = elementwise("logdet", (sign, log) => (sign.isComplex ? sign.log().add(log) : sign.eq(-1).where(log.lit(NaN), log)));

export function determinant(ctx: Context, a: Tensor, name: string): [Tensor, Tensor, Tensor] {
  checkSquare(a, name);
  checkFloat(a, name);
  const [lu, pivots] = luFactor(ctx, a, true, name);
  const product = prod(ctx, diagonalOf(lu, 0, -2, -1), [-1]);
  return [apply(ctx, times, [product, parity(ctx, pivots, realOf(a.dtype))]), lu, pivots];
}

export function signLogDeterminant(ctx: Context, a: Tensor, name: string): [Tensor, Tensor, Tensor, Tensor] {
  checkSquare(a, name);
  checkFloat(a, name);
  const [lu, pivots] = luFactor(ctx, a, true, name);
  const diagonal = diagonalOf(lu, 0, -2, -1);
  const sign = apply(ctx, times, [prod(ctx, apply(ctx, unit, [diagonal]), [-1]), parity(ctx, pivots, realOf(a.dtype))]);
  return [sign, sum(ctx, apply(ctx, logSize, [diagonal]), [-1]), lu, pivots];
}

function logdet(ctx: Context, a: Tensor): Tensor {
  const [sign, log] = signLogDeterminant(ctx, a, "linalg.slogdet");
  return apply(ctx, logOfSigned, [sign, log]);
}

function tensorSolve(ctx: Context, a: Tensor, b: Tensor, dims: readonly number[] | null): Reader<Tensor> {
  const moved = dims ?? [];
  const axes = moved.map((d) => (d < 0 ? d + a.rank : d));
  const turned = axes.length === 0 ? a : permuted(a, [...a.shape.map((_, i) => i).filter((i) => !axes.includes(i)), ...axes]);
  const shape = turned.shape.slice(b.rank);
  const n = numelOf(shape);
  if (n !== b.numel) throw new OpwiseError("shape-mismatch", `Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but got ${n} != ${b.numel}`);
  return tensorSolved(ctx, reshaped(ctx, turned, [n, n]), reshaped(ctx, b, [n]), shape);
}
function* tensorSolved(ctx: Context, a: Tensor, b: Tensor, shape: readonly number[]): Reader<Tensor> {
  return reshaped(ctx, yield* checkedSolve(ctx, a, b, true), shape);
}

function* tensorInverse(ctx: Context, a: Tensor, ind: number): Reader<Tensor> {
  if (!(ind > 0)) throw new OpwiseError("bad-argument", "Expected a strictly positive integer for 'ind'");
  const [first, second] = [a.shape.slice(0, ind), a.shape.slice(ind)];
  const [n, m] = [numelOf(first), numelOf(second)];
  if (n !== m) throw new OpwiseError("shape-mismatch", `Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got ${m} != ${n}`);
  return reshaped(ctx, yield* checkedInverse(ctx, reshaped(ctx, a, [n, m])), [...second, ...first]);
}

export const systems: readonly Op[] = [
  op("aten::_linalg_check_errors(Tensor info, str api_name, *, bool is_matrix) -> ()", {
    reads: function* (_ctx, info, name) {
      yield* checkInfo(info, name);
      return undefined;
    },
  }),
  op("aten::linalg_solve(Tensor A, Tensor B, *, bool left=True) -> Tensor", { reads: checkedSolve }),
  op("aten::linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor info)", {
    reads: function* (ctx, a, b, left, check) {
      const { x, info } = solve(ctx, a, b, left, "torch.linalg.solve_ex");
      if (check) yield* checkInfo(info, "torch.linalg.solve_ex");
      return [x, info];
    },
  }),
  op("aten::_linalg_solve_ex(Tensor A, Tensor B, *, bool left=True, bool check_errors=False) -> (Tensor result, Tensor LU, Tensor pivots, Tensor info)", {
    reads: function* (ctx, a, b, left, check) {
      const { x, lu, pivots, info } = solve(ctx, a, b, left, "torch.linalg.solve_ex");
      if (check) yield* checkInfo(info, "torch.linalg.solve_ex");
      return [x, lu, pivots, info];
    },
  }),
  op("aten::linalg_inv(Tensor A) -> Tensor", { reads: (ctx, a) => checkedInverse(ctx, a) }),
  op("aten::inverse(Tensor self) -> Tensor", { reads: (ctx, a) => checkedInverse(ctx, a) }),
  op("aten::linalg_inv_ex(Tensor A, *, bool check_errors=False) -> (Tensor inverse, Tensor info)", {
    reads: function* (ctx, a, check) {
      const found = inverse(ctx, a, "linalg.inv_ex");
      if (check) yield* checkInfo(found[1], "linalg.inv_ex");
      return found;
    },
  }),
  op("aten::linalg_solve_triangular(Tensor self, Tensor B, *, bool upper, bool left=True, bool unitriangular=False) -> Tensor", { run: (ctx, a, b, upper, left, unit_) => solveTriangular(ctx, a, b, upper, left, unit_) }),
  op("aten::triangular_solve(Tensor self, Tensor A, bool upper=True, bool transpose=False, bool unitriangular=False) -> (Tensor solution, Tensor cloned_coefficient)", {
    run: (ctx, b, a, upper, transpose, unit_) => {
      const x = solveTriangular(ctx, a, b, upper, true, unit_, transpose ? "transpose" : "none");
      return [x, copyOf(ctx, a, a.dtype, columnMajor(ctx, a.shape, a.dtype).strides)];
    },
  }),
  op("aten::linalg_lu_solve(Tensor LU, Tensor pivots, Tensor B, *, bool left=True, bool adjoint=False) -> Tensor", { run: luSolve }),
  op("aten::lu_solve(Tensor self, Tensor LU_data, Tensor LU_pivots) -> Tensor", { run: (ctx, b, lu, pivots) => luSolve(ctx, lu, pivots, b, true, false) }),
  op("aten::linalg_lstsq(Tensor self, Tensor b, float? rcond=None, *, str? driver=None) -> (Tensor solution, Tensor residuals, Tensor rank, Tensor singular_values)", { reads: lstsq }),
  op("aten::linalg_det(Tensor A) -> Tensor", { run: (ctx, a) => determinant(ctx, a, "linalg.det")[0] }),
  op("aten::det(Tensor self) -> Tensor", { run: (ctx, a) => determinant(ctx, a, "linalg.det")[0] }),
  op("aten::_linalg_det(Tensor A) -> (Tensor result, Tensor LU, Tensor pivots)", { run: (ctx, a) => determinant(ctx, a, "linalg.det") }),
  op("aten::linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet)", { run: (ctx, a) => signLogDeterminant(ctx, a, "linalg.slogdet").slice(0, 2) }),
  op("aten::slogdet(Tensor self) -> (Tensor sign, Tensor logabsdet)", { run: (ctx, a) => signLogDeterminant(ctx, a, "linalg.slogdet").slice(0, 2) }),
  op("aten::_linalg_slogdet(Tensor A) -> (Tensor sign, Tensor logabsdet, Tensor LU, Tensor pivots)", { run: (ctx, a) => signLogDeterminant(ctx, a, "linalg.slogdet") }),
  op("aten::logdet(Tensor self) -> Tensor", { run: logdet }),
  op("aten::linalg_tensorsolve(Tensor self, Tensor other, int[]? dims=None) -> Tensor", { reads: tensorSolve }),
  op("aten::linalg_tensorinv(Tensor self, int ind=2) -> Tensor", { reads: tensorInverse }),
];
