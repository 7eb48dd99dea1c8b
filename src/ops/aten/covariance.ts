/** Covariance and correlation of variables in rows, finite differences, Vandermonde matrices. */

import { copyOf, empty } from "../../prims/calls.ts";
import type { Scalar } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import { conjugated, diagonalOf, narrowed, reshaped, transposed, unsqueezed } from "../../prims/views.ts";
import { isComplex, isFloat } from "../../tensor/dtype.ts";
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
import { mean, sum } from "./reduction.ts";

const product = elementwise("mul", (x, y) => x.mul(y));
const ratio = elementwise("div", (x, y) => x.div(y));
const gap = elementwise("sub", (x, y) => x.sub(y));
const rootOfReal = elementwise("sqrt", (x) => x.real().sqrt(), { promotion: "real" });
const clipped = elementwise("clip", (x) => (x.isComplex ? x.real().max(-1).min(1).withImag(x.imag().max(-1).min(1)) : x.max(-1).min(1)));
const normaliser = elementwise("cov_norm", (total, squares, correction) => total.sub(correction.mul(squares).div(total)).max(0));
const plainNormaliser = elementwise("cov_norm", (total, correction) => total.sub(correction).max(0));

const conj = (t: Tensor): Tensor => (isComplex(t.dtype) ? conjugated(t) : t);
const squeezed = (t: Tensor): Tensor => (t.numel === 1 ? viewOf(t, [], [], t.offset) : t);

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
/** Second-order differences with uneven steps a before and b after. */
const uneven = elementwise("gradient", (low, mid, high, a, b) => {
  const both = a.add(b);
  return low.mul(b.neg().div(a.mul(both))).add(mid.mul(b.sub(a).div(a.mul(b)))).add(high.mul(a.div(b.mul(both))));
}, { promotion: "float" });
const edge2 = elementwise("gradient", (p0, p1, p2, a, b) => {
  const both = a.add(b);
  return p0.mul(a.mul(2).add(b).neg().div(a.mul(both))).add(p1.mul(both.div(a.mul(b)))).add(p2.mul(a.neg().div(b.mul(both))));
}, { promotion: "float" });

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
  const step = (from: number, length: number): Tensor | Scalar => (steps instanceof Tensor ? narrowed(steps, axis, from, length) : { kind: "float", value: steps });
  const inner = steps instanceof Tensor
    ? apply(ctx, uneven, [at(0, n - 2), at(1, n - 2), at(2, n - 2), step(0, n - 2), step(1, n - 2)])
    : apply(ctx, half, [at(2, n - 2), at(0, n - 2), { kind: "float", value: 2 * steps }]);
  const ends = order === 1
    ? [apply(ctx, half, [at(1, 1), at(0, 1), step(0, 1)]), apply(ctx, half, [at(n - 1, 1), at(n - 2, 1), step(n - 2, 1)])]
    : [apply(ctx, edge2, [at(0, 1), at(1, 1), at(2, 1), step(0, 1), step(1, 1)]), apply(ctx, negated, [apply(ctx, edge2, [at(n - 1, 1), at(n - 2, 1), at(n - 3, 1), step(n - 2, 1), step(n - 3, 1)])])];
  return cat(ctx, [ends[0] ?? unreachable("edge"), inner, ends[1] ?? unreachable("edge")], axis);
}
const negated = elementwise("neg", (x) => x.neg());

function gradient(ctx: Context, self: Tensor, spacing: readonly (number | Tensor)[], dims: readonly number[] | number | null, order: number): Tensor[] {
  if (order !== 1 && order !== 2) throw new OpwiseError("bad-argument", "torch.gradient only supports edge_order=1 and edge_order=2.");
  const axes = (dims === null ? self.shape.map((_, i) => i) : typeof dims === "number" ? [dims] : dims).map((d) => wrapDim(d, self.rank));
  if (spacing.length !== 1 && spacing.length !== axes.length) throw new OpwiseError("bad-argument", `torch.gradient expected spacing to be unspecified, a scalar, or a list of length ${axes.length}, but got a list of length ${spacing.length}`);
  return axes.map((axis, i) => derivative(ctx, self, axis, spacing.length === 1 ? (spacing[0] ?? 1) : (spacing[i] ?? 1), order));
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

const one = (s: Scalar | null): number[] => [s === null ? 1 : floatOf(s)];

export const covariances: readonly Op[] = [
  op("aten::cov(Tensor self, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor", { run: cov }),
  op("aten::corrcoef(Tensor self) -> Tensor", { run: corrcoef }),
  op("aten::vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", { run: vander }),
  op("aten::gradient.scalarint(Tensor self, *, Scalar? spacing=None, int? dim=None, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, one(spacing), dim, order) }),
  op("aten::gradient.scalararray(Tensor self, *, Scalar spacing, int[] dim, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, one(spacing), dim, order) }),
  op("aten::gradient.array(Tensor self, *, int[] dim, int edge_order=1) -> Tensor[]", { run: (ctx, self, dim, order) => gradient(ctx, self, [1], dim, order) }),
  op("aten::gradient.scalarrayint(Tensor self, *, Scalar[] spacing, int? dim=None, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, spacing.map(floatOf), dim, order) }),
  op("aten::gradient.scalarrayarray(Tensor self, *, Scalar[] spacing, int[] dim, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, spacing.map(floatOf), dim, order) }),
  op("aten::gradient.tensorarrayint(Tensor self, *, Tensor[] spacing, int? dim=None, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, spacing, dim, order) }),
  op("aten::gradient.tensorarray(Tensor self, *, Tensor[] spacing, int[] dim, int edge_order=1) -> Tensor[]", { run: (ctx, self, spacing, dim, order) => gradient(ctx, self, spacing, dim, order) }),
];
