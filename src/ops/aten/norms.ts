/** Vector norms over axes and distances between vectors. */

import { acc, binary, constant, type Expr, scalar, unary, val } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import { copyOf, empty, reduce } from "../../prims/calls.ts";
import { type Combiner, maxOf, minOf, sumOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import { selected, unsqueezed } from "../../prims/views.ts";
import { isComplex, isFloat, opmathOf, realOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { resultType } from "../promotion.ts";
import { axesOf, countOf, dtypeArgument, statesProgram } from "./reduction-axes.ts";
import { floatOf } from "./element.ts";
import { triangleIndices } from "./creation.ts";
import { gatherAt } from "./indexing.ts";
import { broadcastAll } from "./joins.ts";
import { sum } from "./reduction.ts";

const f64 = (value: number): Expr => constant(value, "f64");
const total = (name: string, finish: Expr): Combiner => ({ name, init: [f64(0)], combine: [binary("add", acc(0, "f64"), val(0, "f64"))], finish: [finish] });
const EUCLIDEAN = total("norm2", unary("sqrt", acc(0, "f64")));
/** Root of run-time scalar 0, given as 1/p in scalar 1. */
const POWER = total("normP", binary("pow", acc(0, "f64"), scalar(1, "f64")));

/** Largest gap; none is no distance. */
const LARGEST: Combiner = { name: "maxGap", init: [f64(0)], combine: [binary("max", acc(0, "f64"), val(0, "f64"))], finish: [acc(0, "f64")] };

/** What each order adds up: 0 counts, 1 sums, 2 squares, infinities take extremes, others sum powers. */
export function vectorNorm(ctx: Context, self: Tensor, ord: number, dim: readonly number[] | null, keepdim: boolean, code: number | null = null): Tensor {
  const natural = realOf(self.dtype);
  if (!isFloat(self.dtype) && !isComplex(self.dtype)) throw new OpwiseError("dtype-mismatch", `linalg.vector_norm: Expected a floating point or complex tensor as input. Got ${scalarName(self.dtype)}`);
  const dtype = realOf(dtypeArgument(code, natural));
  const axes = axesOf(self, dim);
  const extreme = Math.abs(ord) === Infinity;
  if ((extreme || ord < 0) && countOf(self, axes) === 0) {
    throw new OpwiseError("bad-argument", `linalg.vector_norm cannot compute the ${ord === Infinity ? "inf" : ord} norm on an empty tensor because the operation does not have an identity`);
  }
  const wide = opmathOf(self.dtype);
  const finish = (program: Parameters<typeof reduce>[1], combiner: Combiner, scalars: readonly number[] = []): Tensor =>
    reduce(ctx, program, combiner, [self], axes, keepdim, [dtype], scalars)[0] ?? unreachable("norm");
  if (extreme) return finish(statesProgram("magnitude", [self.dtype], wide, (x) => [x.abs().to("f64")]), ord > 0 ? maxOf("f64") : minOf("f64"));
  if (ord === 0) return finish(statesProgram("nonzero", [self.dtype], wide, (x) => [x.toBool().to("f64")]), sumOf("f64"));
  if (ord === 1) return finish(statesProgram("magnitude", [self.dtype], wide, (x) => [x.abs().to("f64")]), sumOf("f64"));
  if (ord === 2) {
    return finish(statesProgram("squared magnitude", [self.dtype], wide, (x) => {
      const [a, b] = [x.real().to("f64"), x.imag().to("f64")];
      return [x.isComplex ? a.square().add(b.square()) : a.square()];
    }), EUCLIDEAN);
  }
  const powered = statesProgram("powered magnitude", [self.dtype], wide, (x) => {
    const magnitude = x.abs().to("f64");
    return [magnitude.pow(new Num(scalar(0, "f64")))];
  }, ["f64", "f64"]);
  return finish(powered, POWER, [ord, 1 / ord]);
}

const orderOf = (p: Scalar | null): number => (p === null ? 2 : floatOf(p));
const subtracted = elementwise("sub", (x, y) => x.sub(y));
const shifted = elementwise("add", (x, eps) => x.add(eps));

/** Distances `[..., P, R]` between the rows of `[..., P, M]` and `[..., R, M]`, in the p-norm. */
export function distances(ctx: Context, a: Tensor, b: Tensor, p: number): Tensor {
  if (!isFloat(a.dtype) || !isFloat(b.dtype)) throw new OpwiseError("dtype-mismatch", `cdist only supports floating-point dtypes, X1 got: ${scalarName(a.dtype)}`);
  if (a.rank < 2 || b.rank < 2) throw new OpwiseError("shape-mismatch", `cdist only supports at least 2D tensors, X${a.rank < 2 ? 1 : 2} got: ${a.rank < 2 ? a.rank : b.rank}D`);
  if (a.shape[a.rank - 1] !== b.shape[b.rank - 1]) throw new OpwiseError("shape-mismatch", `X1 and X2 must have the same number of columns. X1: ${a.shape[a.rank - 1]} X2: ${b.shape[b.rank - 1]}`);
  if (!(p >= 0)) throw new OpwiseError("bad-argument", "cdist only supports non-negative p values");
  const [x, y] = [unsqueezed(a, -2), unsqueezed(b, -3)];
  const axis = Math.max(x.rank, y.rank) - 1;
  const dtype = resultType([a, b]);
  const wide = opmathOf(dtype);
  const types = [a.dtype, b.dtype] as const;
  const gap = (x1: Num, x2: Num): Num => x1.sub(x2).abs().to("f64");
  const finish = (program: Parameters<typeof reduce>[1], combiner: Combiner, scalars: readonly number[] = []): Tensor => reduce(ctx, program, combiner, [x, y], [axis], false, [dtype], scalars)[0] ?? unreachable("distances");
  if (p === 0) return finish(statesProgram("differs", types, wide, (x1, x2) => [x1.ne(x2).to("f64")]), sumOf("f64"));
  if (p === 1) return finish(statesProgram("gap", types, wide, (x1, x2) => [gap(x1, x2)]), sumOf("f64"));
  if (p === 2) return finish(statesProgram("squared gap", types, wide, (x1, x2) => [gap(x1, x2).square()]), EUCLIDEAN);
  if (p === Infinity) return finish(statesProgram("gap", types, wide, (x1, x2) => [gap(x1, x2)]), LARGEST);
  return finish(statesProgram("powered gap", types, wide, (x1, x2) => [gap(x1, x2).pow(new Num(scalar(0, "f64")))], ["f64", "f64"]), POWER, [p, 1 / p]);
}

/** Distances between all pairs of rows i < j. */
function pairDistances(ctx: Context, self: Tensor, p: number): Tensor {
  if (self.rank !== 2) throw new OpwiseError("shape-mismatch", `pdist only supports 2D tensors, got: ${self.rank}D`);
  const n = self.shape[0] ?? 0;
  const pairs = triangleIndices(ctx, n, n, 1, null, false);
  return gatherAt(ctx, distances(ctx, self, self, p), [selected(pairs, 0, 0), selected(pairs, 0, 1)]);
}

export function pairwiseDistance(ctx: Context, a: Tensor, b: Tensor, p: number, eps: number, keepdim: boolean): Tensor {
  return vectorNorm(ctx, apply(ctx, shifted, [apply(ctx, subtracted, [a, b]), { kind: "float", value: eps }]), p, [-1], keepdim);
}

const product = elementwise("mul", (x, y) => x.mul(y));
const unit = elementwise("cosine_similarity", (x, n, eps) => x.div(n.max(eps)), { promotion: "float" });

/** Dot product of the two over their norms, which count as `eps` at least. */
export function cosineSimilarity(ctx: Context, a: Tensor, b: Tensor, dim: number, eps: number): Tensor {
  const common = resultType([a, b]);
  if (!isFloat(common)) throw new OpwiseError("dtype-mismatch", `expected common dtype to be floating point, yet common dtype is ${common}`);
  const least: Scalar = { kind: "float", value: eps };
  const [x, y] = broadcastAll([a, b].map((t) => (t.dtype === common ? t : copyOf(ctx, t, common))));
  if (x === undefined || y === undefined) return unreachable("two operands");
  const [nx, ny] = [vectorNorm(ctx, x, 2, [dim], true), vectorNorm(ctx, y, 2, [dim], true)];
  return sum(ctx, apply(ctx, product, [apply(ctx, unit, [x, nx, least]), apply(ctx, unit, [y, ny, least])]), dim, false, common);
}

const limited = elementwise("renorm", (n, limit) => n.gt(limit).where(limit.div(n.add(1e-7)), n.lit(1)));

/** Slices along `dim` whose p-norm is above the limit are scaled down to it. */
function renorm(ctx: Context, self: Tensor, p: Scalar, dim: number, limit: Scalar): Tensor {
  if (self.rank < 2) throw new OpwiseError("shape-mismatch", `renorm: input needs at least 2 dimensions, got ${self.rank} dimensions`);
  const axis = wrapDim(dim, self.rank);
  const norms = vectorNorm(ctx, self, floatOf(p), self.shape.map((_, i) => i).filter((i) => i !== axis), true);
  const factors = apply(ctx, limited, [norms, limit]);
  return apply(ctx, product, [self, factors], empty(ctx, self.shape, self.dtype));
}

/** The p-norms of the slices along `dim`, sizes of 1 on all other axes; -1 is the norm of all. */
function normExceptDim(ctx: Context, v: Tensor, p: number, dim: number): Tensor {
  if (dim === -1) return vectorNorm(ctx, v, p, null, false);
  const axis = wrapDim(dim, v.rank);
  return vectorNorm(ctx, v, p, v.shape.map((_, i) => i).filter((i) => i !== axis), true);
}

const normalised = elementwise("weight_norm", (v, g, n) => v.mul(g.div(n)));

/** Directions `v` with magnitudes `g`, and the norms that were divided by. */
function weightNorm(ctx: Context, v: Tensor, g: Tensor, dim: number): [Tensor, Tensor] {
  const n = normExceptDim(ctx, v, 2, dim);
  return [apply(ctx, normalised, [v, g, n]), n];
}

export const norms: readonly Op[] = [
  op("aten::linalg_vector_norm(Tensor self, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", {
    run: (ctx, self, ord, dim, keepdim, dtype) => vectorNorm(ctx, self, floatOf(ord), dim, keepdim, dtype),
  }),
  op("aten::norm.Scalar(Tensor self, Scalar p=2) -> Tensor", { run: (ctx, self, p) => vectorNorm(ctx, self, orderOf(p), null, false) }),
  op("aten::norm.ScalarOpt_dtype(Tensor self, Scalar? p, *, ScalarType dtype) -> Tensor", { run: (ctx, self, p, dtype) => vectorNorm(ctx, self, orderOf(p), null, false, dtype) }),
  op("aten::norm.ScalarOpt_dim(Tensor self, Scalar? p, int[1] dim, bool keepdim=False) -> Tensor", { run: (ctx, self, p, dim, keepdim) => vectorNorm(ctx, self, orderOf(p), dim, keepdim) }),
  op("aten::norm.ScalarOpt_dim_dtype(Tensor self, Scalar? p, int[1] dim, bool keepdim, *, ScalarType dtype) -> Tensor", {
    run: (ctx, self, p, dim, keepdim, dtype) => vectorNorm(ctx, self, orderOf(p), dim, keepdim, dtype),
  }),
  op("aten::frobenius_norm.dim(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => vectorNorm(ctx, self, 2, dim, keepdim) }),
  op("aten::renorm(Tensor self, Scalar p, int dim, Scalar maxnorm) -> Tensor", { run: renorm }),
  op("aten::norm_except_dim(Tensor v, int pow=2, int dim=0) -> Tensor", { run: normExceptDim }),
  op("aten::_weight_norm(Tensor v, Tensor g, int dim=0) -> Tensor", { run: (ctx, v, g, dim) => weightNorm(ctx, v, g, dim)[0] }),
  op("aten::_weight_norm_interface(Tensor v, Tensor g, int dim=0) -> (Tensor, Tensor)", { run: weightNorm }),
  op("aten::dist(Tensor self, Tensor other, Scalar p=2) -> Tensor", { run: (ctx, a, b, p) => vectorNorm(ctx, apply(ctx, subtracted, [a, b]), floatOf(p), null, false) }),
  op("aten::cdist(Tensor x1, Tensor x2, float p=2., int? compute_mode=None) -> Tensor", { run: distances }),
  op("aten::_cdist_forward(Tensor x1, Tensor x2, float p, int? compute_mode) -> Tensor", { run: distances }),
  op("aten::_euclidean_dist(Tensor x1, Tensor x2) -> Tensor", { run: (ctx, a, b) => distances(ctx, a, b, 2) }),
  op("aten::pdist(Tensor self, float p=2.) -> Tensor", { run: pairDistances }),
  op("aten::_pdist_forward(Tensor self, float p=2.) -> Tensor", { run: pairDistances }),
  op("aten::pairwise_distance(Tensor x1, Tensor x2, float p=2., float eps=9.9999999999999995e-07, bool keepdim=False) -> Tensor", { run: pairwiseDistance }),
  op("aten::cosine_similarity(Tensor x1, Tensor x2, int dim=1, float eps=1e-08) -> Tensor", { run: cosineSimilarity }),
];
