/** Covariance and correlation of variables in rows, finite differences, Vandermonde matrices. */

import { copyOf, empty } from "../../prims/calls.ts";
import type { Scalar } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import { conjugated, diagonalOf, narrowed, reshaped, transposed, unsqueezed } from "../../prims/views.ts";
import { dtypeInfo, isComplex, isFloat, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import { Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { cumulate } from "./cumulative.ts";
import { floatOf } from "./element.ts";
import { filled } from "./filling.ts";
import { cat } from "./joins.ts";
import { mm } from "./products.ts";
import { extremum, mean, sum } from "./reduction.ts";

const product = elementwise("mul", (x, y) => x.mul(y));
const ratio = elementwise("div", (x, y) => x.div(y));
const gap = elementwise("sub", (x, y) => x.sub(y));
const rootOfReal = elementwise("sqrt", (x) => x.real().sqrt(), { promotion: "real" });
const clipped = elementwise("clip", (x) => (x.isComplex ? x.real().max(-1).min(1).withImag(x.imag().max(-1).min(1)) : x.max(-1).min(1)));
const normaliser = elementwise("cov_norm", (total, squares, correction) => total.sub(correction.mul(squares).div(total)).max(0));
const plainNormaliser = elementwise("cov_norm", (total, correction) => total.sub(correction).max(0));

const conj = (t: Tensor): Tensor => (isComplex(t.dtype) ? conjugated(t) : t);
const squeezed = (t: Tensor): Tensor => (t.numel === 1 ? viewOf(t, [], [], t.offset) : t);

/** Whether any element is negative, read on the host. */
function* anyNegative(ctx: Context, t: Tensor): Generator<Tensor, boolean, void> {
  if (t.numel === 0) return false;
  const least = extremum(ctx, t, null, false, false);
  yield least;
  return Number(least.item()) < 0;
}

function* checkWeights(ctx: Context, name: "fweights" | "aweights", w: Tensor, observations: number): Generator<Tensor, void, void> {
  if (w.rank > 1) throw new OpwiseError("shape-mismatch", `cov(): expected ${name} to have one or fewer dimensions but got ${name} with ${w.rank} dimensions`);
  const integral = dtypeInfo(w.dtype).class === "int";
  if (name === "fweights" ? !integral : !isFloat(w.dtype)) {
    throw new OpwiseError("dtype-mismatch", `cov(): expected ${name} to have ${name === "fweights" ? "integral" : "floating point"} dtype but got ${name} with ${scalarName(w.dtype)} dtype`);
  }
  if (w.numel !== observations) throw new OpwiseError("shape-mismatch", `cov(): expected ${name} to have the same numel as there are observations in the input but got ${w.numel} != ${observations}`);
  if (yield* anyNegative(ctx, w)) throw new OpwiseError("bad-argument", `cov(): ${name} cannot be negative`);
}

function* checkedCov(ctx: Context, self: Tensor, correction: number, counts: Tensor | null, weights: Tensor | null): Generator<Tensor, Tensor, void> {
  const observations = self.rank < 2 ? self.numel : (self.shape[1] ?? 0);
  if (self.rank <= 2 && self.dtype !== "bool") {
    if (counts !== null) yield* checkWeights(ctx, "fweights", counts, observations);
    if (weights !== null) yield* checkWeights(ctx, "aweights", weights, observations);
  }
  return cov(ctx, self, correction, counts, weights);
}

/** Covariance of the rows of `[V, N]` (or of one row), with repeat counts and weights per observation. */
function cov(ctx: Context, self: Tensor, correction: number, counts: Tensor | null, weights: Tensor | null): Tensor {
  if (self.rank > 2) throw new OpwiseError("shape-mismatch", `cov(): expected input to have two or fewer dimensions but got an input with ${self.rank} dimensions`);
  if (self.dtype === "bool") throw new OpwiseError("dtype-mismatch", "cov(): bool dtype is not supported for input");
  const own = isFloat(self.dtype) || isComplex(self.dtype) ? self : copyOf(ctx, self, ctx.defaultDtype);
  const rows = own.rank < 2 ? reshaped(ctx, own, [1, own.numel]) : own;
  const observations = rows.shape[1] ?? 0;
  const factor: Scalar = { kind: "float", value: correction };
  let w: Tensor | undefined;
  if (counts !== null) w = counts;
  if (weights !== null) w = w === undefined ? weights : apply(ctx, product, [w, weights]);
  if (w === undefined) {
    const x = apply(ctx, gap, [rows, mean(ctx, rows, 1, true)]);
    const n = Math.max(observations - correction, 0);
    return squeezed(apply(ctx, ratio, [mm(ctx, x, conj(transposed(x, 0, 1))), { kind: "float", value: n }]));
  }
  const total = sum(ctx, w, null);
  const average = apply(ctx, ratio, [sum(ctx, apply(ctx, product, [rows, w]), 1, true), total]);
  const x = apply(ctx, gap, [rows, average]);
  const norm = weights === null || correction === 0
    ? apply(ctx, plainNormaliser, [total, factor])
    : apply(ctx, normaliser, [total, sum(ctx, apply(ctx, product, [w, weights]), null), factor]);
  const weighted = apply(ctx, product, [x, w]);
  return squeezed(apply(ctx, ratio, [mm(ctx, weighted, conj(transposed(x, 0, 1))), norm]));
}

/** Covariances over the standard deviations. */
function corrcoef(ctx: Context, self: Tensor): Tensor {
  const c = cov(ctx, self, 1, null, null);
  if (c.rank === 0) return apply(ctx, ratio, [c, c]);
  const deviation = apply(ctx, rootOfReal, [diagonalOf(c, 0, 0, 1)]);
  const scaled = apply(ctx, ratio, [apply(ctx, ratio, [c, unsqueezed(deviation, 1)]), unsqueezed(deviation, 0)]);
  return apply(ctx, clipped, [scaled]);
}

const half = elementwise("gradient", (high, low, width) => high.sub(low).div(width), { promotion: "float" });
const trueRatio = elementwise("div", (x, y) => x.div(y), { promotion: "float" });
const plus = elementwise("add", (x, y) => x.add(y));
const negated = elementwise("neg", (x) => x.neg());

/** `p0 w0 + p1 w1 + p2 w2`, each product and sum rounded. */
function weighted(ctx: Context, points: readonly Tensor[], weights: readonly Tensor[]): Tensor {
  const terms = points.map((p, i) => apply(ctx, product, [weights[i] ?? unreachable("weight"), p]));
  return terms.slice(1).reduce((sum, t) => apply(ctx, plus, [sum, t]), terms[0] ?? unreachable("term"));
}
/** Weights of three points at the middle one, steps a before and b after: rounded step by step, as PyTorch's tensor operations are. */
function middleWeights(ctx: Context, a: Tensor, b: Tensor): Tensor[] {
  const both = apply(ctx, plus, [a, b]);
  const over = (x: Tensor, y: Tensor, z: Tensor): Tensor => apply(ctx, trueRatio, [x, apply(ctx, product, [y, z])]);
  return [over(apply(ctx, negated, [b]), a, both), over(apply(ctx, gap, [b, a]), a, b), over(a, b, both)];
}
/** As `middleWeights` at the outer end of step a: of the end, the point a away and the one b further. */
function endWeights(ctx: Context, a: Tensor, b: Tensor): Tensor[] {
  const both = apply(ctx, plus, [a, b]);
  const over = (x: Tensor, y: Tensor, z: Tensor): Tensor => apply(ctx, trueRatio, [x, apply(ctx, product, [y, z])]);
  const twice = apply(ctx, plus, [apply(ctx, product, [a, { kind: "float", value: 2 }]), b]);
  return [over(apply(ctx, negated, [twice]), a, both), over(both, a, b), over(apply(ctx, negated, [a]), b, both)];
}

/** `(4 p1 - p2 - 3 p0) / step / 2` at an end p0, rounded step by step. */
function evenEnd(ctx: Context, p0: Tensor, p1: Tensor, p2: Tensor, step: Scalar): Tensor {
  const times = (t: Tensor, value: number): Tensor => apply(ctx, product, [t, { kind: "int", value }]);
  const difference = apply(ctx, gap, [apply(ctx, plus, [apply(ctx, negated, [p2]), times(p1, 4)]), times(p0, 3)]);
  return apply(ctx, trueRatio, [apply(ctx, trueRatio, [difference, step]), { kind: "int", value: 2 }]);
}

/** Derivative along an axis by central differences; first or second order at the ends. */
function derivative(ctx: Context, self: Tensor, axis: number, spacing: number | Tensor, order: number): Tensor {
  const n = self.shape[axis] ?? 0;
  if (n < order + 1) throw new OpwiseError("bad-argument", "torch.gradient expected each dimension size to be at least edge_order+1");
  const at = (from: number, length: number): Tensor => narrowed(self, axis, from, length);
  let steps: Tensor | number = 0;
  if (spacing instanceof Tensor) {
    const widths = apply(ctx, gap, [narrowed(spacing, 0, 1, n - 1), narrowed(spacing, 0, 0, n - 1)]);
    steps = reshaped(ctx, widths, self.shape.map((_, i) => (i === axis ? n - 1 : 1)));
  } else steps = spacing;
  if (steps instanceof Tensor) {
    const width = (from: number, length: number): Tensor => narrowed(steps, axis, from, length);
    const inner = weighted(ctx, [at(0, n - 2), at(1, n - 2), at(2, n - 2)], middleWeights(ctx, width(0, n - 2), width(1, n - 2)));
    const ends = order === 1
      ? [apply(ctx, half, [at(1, 1), at(0, 1), width(0, 1)]), apply(ctx, half, [at(n - 1, 1), at(n - 2, 1), width(n - 2, 1)])]
      : [weighted(ctx, [at(0, 1), at(1, 1), at(2, 1)], endWeights(ctx, width(0, 1), width(1, 1))), apply(ctx, negated, [weighted(ctx, [at(n - 1, 1), at(n - 2, 1), at(n - 3, 1)], endWeights(ctx, width(n - 2, 1), width(n - 3, 1)))])];
    return cat(ctx, [ends[0] ?? unreachable("edge"), inner, ends[1] ?? unreachable("edge")], axis);
  }
  const width: Scalar = { kind: "float", value: steps };
  const inner = apply(ctx, half, [at(2, n - 2), at(0, n - 2), { kind: "float", value: 2 * steps }]);
  const ends = order === 1
    ? [apply(ctx, half, [at(1, 1), at(0, 1), width]), apply(ctx, half, [at(n - 1, 1), at(n - 2, 1), width])]
    : [evenEnd(ctx, at(0, 1), at(1, 1), at(2, 1), width), apply(ctx, negated, [evenEnd(ctx, at(n - 1, 1), at(n - 2, 1), at(n - 3, 1), width)])];
  return cat(ctx, [ends[0] ?? unreachable("edge"), inner, ends[1] ?? unreachable("edge")], axis);
}

function gradient(ctx: Context, self: Tensor, spacing: number | readonly (number | Tensor)[], dims: readonly number[] | number | null, order: number): Tensor[] {
  if (order !== 1 && order !== 2) throw new OpwiseError("bad-argument", "torch.gradient only supports edge_order=1 and edge_order=2.");
  const axes = (dims === null ? self.shape.map((_, i) => i) : typeof dims === "number" ? [dims] : dims).map((d) => wrapDim(d, self.rank));
  if (typeof spacing !== "number" && spacing.length !== axes.length) {
    throw new OpwiseError("bad-argument", `torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the same length, but got a spacing argument of length ${spacing.length} and a dim argument of length ${axes.length}.`);
  }
  return axes.map((axis, i) => derivative(ctx, self, axis, typeof spacing === "number" ? spacing : (spacing[i] ?? 1), order));
}

/** Powers of each element, from the highest (or, `increasing`, from 0). */
function vander(ctx: Context, x: Tensor, n: number | null, increasing: boolean): Tensor {
  if (x.rank !== 1) throw new OpwiseError("shape-mismatch", "x must be a one-dimensional tensor.");
  const [rows, columns] = [x.shape[0] ?? 0, n ?? x.shape[0] ?? 0];
  const dtype = isFloat(x.dtype) || isComplex(x.dtype) ? x.dtype : "int64";
  const ones = filled(ctx, [rows, Math.min(columns, 1)], dtype, { kind: "int", value: 1 });
  if (columns <= 1) return ones;
  const repeated = apply(ctx, product, [unsqueezed(x, 1), filled(ctx, [1, columns - 1], dtype, { kind: "int", value: 1 })]);
  const powers = cat(ctx, [ones, cumulate(ctx, repeated, 1, dtype, true)], 1);
  if (increasing) return powers;
  const out = empty(ctx, powers.shape, dtype);
  const flip = viewOf(powers, powers.shape, [columns, -1], powers.offset + columns - 1);
  return apply(ctx, same, [flip], out);
}
const same = elementwise("copy", (x) => x);

const one = (s: Scalar | null): number => (s === null ? 1 : floatOf(s));

export const covariances: readonly Op[] = [
  op("aten::cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor", { reads: checkedCov }),
  op("aten::corrcoef(Tensor self) -> Tensor", { run: corrcoef }),
  op("aten::vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", { run: vander }),
  op("aten::gradient.scalarint(Tensor self, *, Scalar? spacing=None, int? dim=None, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, one(spacing), dim, order) }),
  op("aten::gradient.scalararray(Tensor self, *, Scalar spacing, int[] dim, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, one(spacing), dim, order) }),
  op("aten::gradient.array(Tensor self, *, int[] dim, int edge_order=1) -> Tensor[]", { run: (ctx, self, dim, order) => gradient(ctx, self, 1, dim, order) }),
  op("aten::gradient.scalarrayint(Tensor self, *, Scalar[] spacing, int? dim=None, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, spacing.map(floatOf), dim, order) }),
  op("aten::gradient.scalarrayarray(Tensor self, *, Scalar[] spacing, int[] dim, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, spacing.map(floatOf), dim, order) }),
  op("aten::gradient.tensorarrayint(Tensor self, *, Tensor[] spacing, int? dim=None, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, spacing, dim, order) }),
  op("aten::gradient.tensorarray(Tensor self, *, Tensor[] spacing, int[] dim, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, spacing, dim, order) }),
];
