/** Factorisations (PyTorch: linalg.cholesky, lu, qr, ldl and their legacy names) and what unpacks them. */

import { binary, cast, constant, fold, index, scalar, select } from "../../expr/expr.ts";
import { compute, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";

import { type DType, isComplex, isFloat, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { axes, loadIndex, loadParts, memo, subOf, zeroOf } from "./memo.ts";
import { checkFloat, checkInfo, checkMatrix, checkSquare, identityOf, linalgCall, single } from "./linalg-call.ts";

const programs = memo<Program>();

/** What an op that reads goes through. */
type Reader<T> = Generator<Tensor, T, void>;

const least = (t: Tensor): number => Math.min(t.shape[t.rank - 2] ?? 0, t.shape[t.rank - 1] ?? 0);
const rows = (t: Tensor): number => t.shape[t.rank - 2] ?? 0;
const cols = (t: Tensor): number => t.shape[t.rank - 1] ?? 0;

export function cholesky(ctx: Context, a: Tensor, upper: boolean, name: string): [Tensor, Tensor] {
  checkSquare(a, name);
  checkFloat(a, name);
  const [factor = a, info = a] = linalgCall(ctx, "cholesky", [a], [2], [{ shape: a.shape.slice(-2), dtype: a.dtype }, { shape: [], dtype: "int32" }], { upper });
  return [factor, info];
}
function* checkedCholesky(ctx: Context, a: Tensor, upper: boolean, name: string): Reader<Tensor> {
  const [factor, info] = cholesky(ctx, a, upper, name);
  yield* checkInfo(info, name);
  return factor;
}

/** LU, pivots (from 1) and info. */
export function luFactor(ctx: Context, a: Tensor, pivot: boolean, name: string): [Tensor, Tensor, Tensor] {
  checkMatrix(a, name);
  checkFloat(a, name);
  const [lu = a, pivots = a, info = a] = linalgCall(ctx, "lu", [a], [2], [{ shape: a.shape.slice(-2), dtype: a.dtype }, { shape: [least(a)], dtype: "int32" }, { shape: [], dtype: "int32" }], { pivot });
  return [lu, pivots, info];
}

/** One triangle of the factors: L with a diagonal of ones, or U. */
function triangleProgram(dtype: DType, rank: number, lower: boolean): Program {
  return programs(`triangle ${dtype},${rank},${lower}`, () => {
    const here = axes(rank);
    const [r = index(0), c = index(1)] = here.slice(-2);
    const type = computeType(dtype);
    const kept = binary(lower ? "gt" : "le", r, c);
    const parts = loadParts(0, dtype, here, kept).map((e, part) => (lower && part === 0 ? select(binary("eq", r, c), zeroOf(type, 1), e) : e));
    return { name: "lu_unpack", operands: [dtype], scalars: [], outputs: [{ dtype, parts }], messages: [] };
  });
}

/** The permutation matrix of pivots: row r of P has its one where the swaps take position r. */
function permutationProgram(dtype: DType, rank: number): Program {
  return programs(`permutation ${dtype},${rank}`, () => {
    const here = axes(rank);
    const [r = index(0), c = index(1)] = here.slice(-2);
    const lead = here.slice(0, -2);
    const [place = r] = fold(0, scalar(0, "index"), [r], ([at = r], k) => {
      const other = subOf(loadIndex(0, "int32", [...lead, k]), constant(1, "index"));
      return [select(binary("eq", at, k), other, select(binary("eq", at, other), k, at))];
    });
    const type = computeType(dtype);
    const value = cast(binary("eq", place, c), type);
    return { name: "permutation", operands: ["int32"], scalars: ["index"], outputs: [{ dtype, parts: isComplex(dtype) ? [value, zeroOf(type)] : [value] }], messages: [] };
  });
}

function luUnpack(ctx: Context, lu: Tensor, pivots: Tensor, data: boolean, withPivots: boolean): [Tensor, Tensor, Tensor] {
  checkMatrix(lu, "torch.lu_unpack", "LU_data");
  if (withPivots && pivots.dtype !== "int32") throw new OpwiseError("dtype-mismatch", "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.\nNote: this function is intended to be used with the output produced by torch.linalg.lu_factor");
  const batch = lu.shape.slice(0, -2);
  const [m, n, k] = [rows(lu), cols(lu), least(lu)];
  const none = (): Tensor => empty(ctx, [0], lu.dtype);
  const p = withPivots ? single(compute(ctx, permutationProgram(lu.dtype, lu.rank), [...batch, m, m], [pivots], [k])) : none();
  const l = data ? single(compute(ctx, triangleProgram(lu.dtype, lu.rank, true), [...batch, m, k], [lu])) : none();
  const u = data ? single(compute(ctx, triangleProgram(lu.dtype, lu.rank, false), [...batch, k, n], [lu])) : none();
  return [p, l, u];
}

function lu(ctx: Context, a: Tensor, pivot: boolean): [Tensor, Tensor, Tensor] {
  const [factors, pivots] = luFactor(ctx, a, pivot, "linalg.lu");
  return luUnpack(ctx, factors, pivots, true, pivot);
}

export function qr(ctx: Context, a: Tensor, mode: string): [Tensor, Tensor] {
  checkMatrix(a, "linalg.qr");
  checkFloat(a, "linalg.qr");
  if (mode !== "reduced" && mode !== "complete" && mode !== "r") throw new OpwiseError("bad-argument", `qr received unrecognized mode '${mode}' but expected one of 'reduced' (default), 'r', or 'complete'`);
  const [m, n, k] = [rows(a), cols(a), least(a)];
  if (mode === "r") return [empty(ctx, [0], a.dtype), single(linalgCall(ctx, "qr", [a], [2], [{ shape: [k, n], dtype: a.dtype }], { mode }))];
  const inner = mode === "complete" ? m : k;
  const [q = a, r = a] = linalgCall(ctx, "qr", [a], [2], [{ shape: [m, inner], dtype: a.dtype }, { shape: [inner, n], dtype: a.dtype }], { mode });
  return [q, r];
}

function geqrf(ctx: Context, a: Tensor): [Tensor, Tensor] {
  checkMatrix(a, "torch.geqrf", "input");
  const [factors = a, tau = a] = linalgCall(ctx, "geqrf", [a], [2], [{ shape: a.shape.slice(-2), dtype: a.dtype }, { shape: [least(a)], dtype: a.dtype }]);
  return [factors, tau];
}

function householder(ctx: Context, a: Tensor, tau: Tensor): Tensor {
  checkMatrix(a, "torch.linalg.householder_product", "input");
  if (rows(a) < cols(a)) throw new OpwiseError("shape-mismatch", "torch.linalg.householder_product: input.shape[-2] must be greater than or equal to input.shape[-1]");
  if (cols(a) < (tau.shape[tau.rank - 1] ?? 0)) throw new OpwiseError("shape-mismatch", "torch.linalg.householder_product: input.shape[-1] must be greater than or equal to tau.shape[-1]");
  return single(linalgCall(ctx, "householder", [a, tau], [2, 1], [{ shape: a.shape.slice(-2), dtype: a.dtype }]));
}

function ormqr(ctx: Context, a: Tensor, tau: Tensor, c: Tensor, left: boolean, transpose: boolean): Tensor {
  checkMatrix(a, "torch.ormqr", "input");
  checkMatrix(c, "torch.ormqr", "other");
  const side = left ? rows(c) : cols(c);
  if (side !== rows(a)) throw new OpwiseError("shape-mismatch", `torch.ormqr: other.shape[${left ? -2 : -1}] must be equal to input.shape[-2]`);
  if (Math.min(side, cols(a)) !== (tau.shape[tau.rank - 1] ?? 0)) throw new OpwiseError("shape-mismatch", `torch.ormqr: tau.shape[-1] must be equal to min(other.shape[${left ? -2 : -1}], input.shape[-1])`);
  if (tau.dtype !== a.dtype) throw new OpwiseError("dtype-mismatch", `torch.ormqr: Expected input and tau to have the same dtype, but input has dtype${scalarName(a.dtype)} and tau has dtype ${scalarName(tau.dtype)}`);
  if (c.dtype !== a.dtype) throw new OpwiseError("dtype-mismatch", `torch.ormqr: Expected input and other to have the same dtype, but input has dtype${scalarName(a.dtype)} and other has dtype ${scalarName(c.dtype)}`);
  if (!isComplex(a.dtype) && !isFloat(a.dtype)) throw new OpwiseError("unsupported-dtype", `"ormqr_cpu" not implemented for '${scalarName(a.dtype)}'`);
  return single(linalgCall(ctx, "ormqr", [a, tau, c], [2, 1, 2], [{ shape: c.shape.slice(-2), dtype: c.dtype }], { left, transpose }));
}

function ldl(ctx: Context, a: Tensor, hermitian: boolean, name: string): [Tensor, Tensor, Tensor] {
  checkSquare(a, name, "self");
  checkFloat(a, name);
  const [ld = a, pivots = a, info = a] = linalgCall(ctx, "ldl", [a], [2], [{ shape: a.shape.slice(-2), dtype: a.dtype }, { shape: [cols(a)], dtype: "int32" }, { shape: [], dtype: "int32" }], { hermitian });
  return [ld, pivots, info];
}

function* maybeChecked(info: Tensor, check: boolean, name: string): Reader<void> {
  if (check) yield* checkInfo(info, name);
}

/** A X = B, or its inverse, from a Cholesky factor: two triangular systems. */
export function choleskySolve(ctx: Context, b: Tensor, factor: Tensor, upper: boolean): Tensor {
  checkSquare(factor, "cholesky_solve");
  const out = [{ shape: b.shape.slice(-2), dtype: b.dtype }];
  const half = (right: Tensor, transpose: string): Tensor => single(linalgCall(ctx, "triangular", [factor, right], [2, 2], out, { upper, unit: false, left: true, transpose }));
  return upper ? half(half(b, "adjoint"), "none") : half(half(b, "none"), "adjoint");
}

export const factorisations: readonly Op[] = [
  op("aten::linalg_cholesky_ex(Tensor self, *, bool upper=False, bool check_errors=False) -> (Tensor L, Tensor info)", {
    reads: function* (ctx, self, upper, check) {
      const [factor, info] = cholesky(ctx, self, upper, "linalg.cholesky");
      yield* maybeChecked(info, check, "torch.linalg.cholesky_ex");
      return [factor, info];
    },
  }),
  op("aten::linalg_cholesky(Tensor self, *, bool upper=False) -> Tensor", { reads: (ctx, self, upper) => checkedCholesky(ctx, self, upper, "linalg.cholesky") }),
  op("aten::cholesky(Tensor self, bool upper=False) -> Tensor", { reads: (ctx, self, upper) => checkedCholesky(ctx, self, upper, "cholesky") }),
  op("aten::cholesky_solve(Tensor self, Tensor input2, bool upper=False) -> Tensor", { run: choleskySolve }),
  op("aten::_cholesky_solve_helper(Tensor self, Tensor A, bool upper) -> Tensor", { run: choleskySolve }),
  op("aten::cholesky_inverse(Tensor self, bool upper=False) -> Tensor", { run: (ctx, self, upper) => choleskySolve(ctx, identityOf(ctx, cols(self), self.dtype), self, upper) }),
  op("aten::linalg_lu_factor_ex(Tensor A, *, bool pivot=True, bool check_errors=False) -> (Tensor LU, Tensor pivots, Tensor info)", {
    reads: function* (ctx, a, pivot, check) {
      const found = luFactor(ctx, a, pivot, "torch.linalg.lu_factor_ex");
      yield* maybeChecked(found[2], check, "torch.linalg.lu_factor_ex");
      return found;
    },
  }),
  op("aten::linalg_lu_factor(Tensor A, *, bool pivot=True) -> (Tensor LU, Tensor pivots)", {
    reads: function* (ctx, a, pivot) {
      const [factors, pivots, info] = luFactor(ctx, a, pivot, "torch.linalg.lu_factor");
      yield* checkInfo(info, "torch.linalg.lu_factor");
      return [factors, pivots];
    },
  }),
  op("aten::_lu_with_info(Tensor self, bool pivot=True, bool check_errors=True) -> (Tensor LU, Tensor pivots, Tensor info)", {
    run: (ctx, self, pivot) => luFactor(ctx, self, pivot, "torch.lu"),
  }),
  op("aten::linalg_lu(Tensor A, *, bool pivot=True) -> (Tensor P, Tensor L, Tensor U)", { run: lu }),
  op("aten::lu_unpack(Tensor LU_data, Tensor LU_pivots, bool unpack_data=True, bool unpack_pivots=True) -> (Tensor P, Tensor L, Tensor U)", { run: luUnpack }),
  op("aten::linalg_qr(Tensor A, str mode=\"reduced\") -> (Tensor Q, Tensor R)", { run: qr }),
  op("aten::qr(Tensor self, bool some=True) -> (Tensor Q, Tensor R)", { run: (ctx, self, some) => qr(ctx, self, some ? "reduced" : "complete") }),
  op("aten::geqrf(Tensor self) -> (Tensor a, Tensor tau)", { run: geqrf }),
  op("aten::linalg_householder_product(Tensor input, Tensor tau) -> Tensor", { run: householder }),
  op("aten::orgqr(Tensor self, Tensor input2) -> Tensor", { run: householder }),
  op("aten::ormqr(Tensor self, Tensor input2, Tensor input3, bool left=True, bool transpose=False) -> Tensor", { run: ormqr }),
  op("aten::linalg_ldl_factor_ex(Tensor self, *, bool hermitian=False, bool check_errors=False) -> (Tensor LD, Tensor pivots, Tensor info)", {
    reads: function* (ctx, self, hermitian, check) {
      const found = ldl(ctx, self, hermitian, "torch.linalg.ldl_factor_ex");
      yield* maybeChecked(found[2], check, "torch.linalg.ldl_factor_ex");
      return found;
    },
  }),
  op("aten::linalg_ldl_factor(Tensor self, *, bool hermitian=False) -> (Tensor LD, Tensor pivots)", {
    reads: function* (ctx, self, hermitian) {
      const [ld, pivots, info] = ldl(ctx, self, hermitian, "torch.linalg.ldl_factor");
      yield* checkInfo(info, "torch.linalg.ldl_factor");
      return [ld, pivots];
    },
  }),
  op("aten::linalg_ldl_solve(Tensor LD, Tensor pivots, Tensor B, *, bool hermitian=False) -> Tensor", {
    run: (ctx, ld, pivots, b, hermitian) => {
      checkSquare(ld, "torch.linalg.ldl_solve", "LD");
      return single(linalgCall(ctx, "ldlSolve", [ld, pivots, b], [2, 1, 2], [{ shape: b.shape.slice(-2), dtype: b.dtype }], { hermitian }));
    },
  }),
];
