/** Running folds along an axis: cumsum, cumprod, cummax, logcumsumexp; differences and trapezoids. */

import { OpwiseError } from "../../tensor/error.ts";
import type { Context } from "../../prims/context.ts";
import type { Scalar } from "../../ir/datum.ts";
import { copyInto, copyOf, empty, scan } from "../../prims/calls.ts";
import { argmaxOf, argminOf, complexProdOf, complexSumOf, logSumExpOf, prodOf, sumOf } from "../../prims/combiner.ts";
import { computeType, isNarrow } from "../../prims/program.ts";
import { narrowed, unsqueezed } from "../../prims/views.ts";
import { type DType, isComplex, isFloat, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { accumulator, dtypeArgument, elementsProgram, positionsProgram, statesProgram, sumDtype } from "./reduction-axes.ts";
import { extremum, sum } from "./reduction.ts";

/** Running sum or product into `dtype`, accumulated as the reduction is. */
export function cumulate(ctx: Context, self: Tensor, dim: number, dtype: DType, product: boolean): Tensor {
  const axis = wrapDim(dim, self.rank);
  const x = self.dtype !== dtype && isNarrow(dtype) ? copyOf(ctx, self, dtype) : self;
  const real = isFloat(dtype) || isComplex(dtype);
  const type = product ? (real ? "f64" : "i64") : accumulator(dtype, x.dtype);
  const combiner = isComplex(dtype) ? (product ? complexProdOf(type) : complexSumOf(type)) : product ? prodOf(type) : sumOf(type);
  return scan(ctx, elementsProgram(x.dtype, opmathOf(dtype), type), combiner, [x], axis, [dtype])[0] ?? unreachable("scan");
}

/** Running extreme and its position; the last of equals, NaN from its place on. */
function runningExtreme(ctx: Context, self: Tensor, dim: number, largest: boolean): Tensor[] {
  const axis = wrapDim(dim, self.rank);
  if (self.rank === 0) return [copyOf(ctx, self), empty(ctx, [], "int64")];
  const type = computeType(self.dtype);
  return scan(ctx, positionsProgram(self.dtype, axis), largest ? argmaxOf(type, true) : argminOf(type, true), [self], axis, [self.dtype, "int64"]);
}

function into(ctx: Context, targets: readonly Tensor[], values: readonly Tensor[]): undefined {
  targets.forEach((target, i) => copyInto(ctx, target, values[i] ?? unreachable("result")));
}

const shiftedExp = elementwise("exp", (x, top) => x.sub(top).exp());
const logPlus = elementwise("log", (x, top) => x.log().add(top));
const realPart = elementwise("real", (x) => x.real(), { promotion: "real" });

/** In double precision, with the largest real part taken out first. */
function complexLogCumSumExp(ctx: Context, self: Tensor, axis: number): Tensor {
  if (self.numel === 0) return copyOf(ctx, self);
  const wide = copyOf(ctx, self, "complex128");
  const top = extremum(ctx, apply(ctx, realPart, [wide]), axis, true, true);
  const sums = cumulate(ctx, apply(ctx, shiftedExp, [wide, top]), axis, "complex128", false);
  return copyOf(ctx, apply(ctx, logPlus, [sums, top]), self.dtype);
}

function logcumsumexp(ctx: Context, self: Tensor, dim: number): Tensor {
  const axis = wrapDim(dim, self.rank);
  if (isComplex(self.dtype)) return complexLogCumSumExp(ctx, self, axis);
  if (!isFloat(self.dtype)) throw new OpwiseError("unsupported-dtype", `"logcumsumexp_out_cpu" not implemented for '${scalarName(self.dtype)}'`, { wanted: "a floating point tensor" });
  const program = statesProgram("logsumexp", [self.dtype], opmathOf(self.dtype), (x) => [x.to("f64"), x.to("f64").lit(1)]);
  return scan(ctx, program, logSumExpOf("f64"), [self], axis, [self.dtype])[0] ?? unreachable("scan");
}

const minus = elementwise("sub", (x, y) => x.sub(y));
const differs = elementwise("logical_xor", (x, y) => x.toBool().xor(y.toBool()), { promotion: "own" });

/** Neighbours' differences along an axis, `n` times, with tensors put before and after first. */
function diff(ctx: Context, self: Tensor, n: number, dim: number, prepend: Tensor | null, append: Tensor | null): Tensor {
  if (self.rank === 0) throw new OpwiseError("shape-mismatch", "diff expects input to be at least one-dimensional");
  if (n < 0) throw new OpwiseError("bad-argument", `order must be non-negative but got ${n}`);
  const axis = wrapDim(dim, self.rank);
  let x = joinedAlong(ctx, [prepend, self, append].filter((t) => t !== null), axis);
  for (let i = 0; i < n && (x.shape[axis] ?? 0) > 0; i++) {
    const length = (x.shape[axis] ?? 1) - 1;
    x = apply(ctx, x.dtype === "bool" ? differs : minus, [narrowed(x, axis, 1, length), narrowed(x, axis, 0, length)]);
  }
  return x;
}

function joinedAlong(ctx: Context, parts: readonly Tensor[], axis: number): Tensor {
  const [first = unreachable("parts")] = parts;
  if (parts.length === 1) return first;
  const shape = first.shape.map((size, i) => (i === axis ? parts.reduce((s, p) => s + (p.shape[axis] ?? 0), 0) : size));
  const out = empty(ctx, shape, first.dtype);
  let at = 0;
  for (const part of parts) {
    const size = part.shape[axis] ?? 0;
    copyInto(ctx, narrowed(out, axis, at, size), part);
    at += size;
  }
  return out;
}

const areaOfSteps = elementwise("trapezoid", (low, high, width) => low.add(high).mul(width).div(2), { promotion: "float" });
const areaOfStep = elementwise("trapezoid", (low, high, width) => low.add(high).mul(width).mul(0.5), { promotion: "float" });

/** Areas under neighbouring points: with one width, or with the points' own places `x`. */
function trapezoids(ctx: Context, y: Tensor, x: Tensor | Scalar, dim: number): { readonly areas: Tensor; readonly axis: number } {
  const axis = wrapDim(dim, y.rank);
  const length = Math.max((y.shape[axis] ?? 0) - 1, 0);
  const [low, high] = [narrowed(y, axis, 0, length), narrowed(y, axis, (y.shape[axis] ?? 0) > 0 ? 1 : 0, length)];
  if ("kind" in x) return { areas: apply(ctx, areaOfStep, [low, high, x]), axis };
  let places = x;
  if (x.rank === 1 && y.rank > 1) {
    if (x.shape[0] !== y.shape[axis]) throw new OpwiseError("shape-mismatch", "trapezoid: There must be one `x` value for each sample point");
    for (let i = axis + 1; i < y.rank; i++) places = unsqueezed(places, -1);
  } else for (; places.rank < y.rank; ) places = unsqueezed(places, 0);
  const along = places.rank - (y.rank - axis);
  const n = Math.max((places.shape[along] ?? 0) - 1, 0);
  const widths = apply(ctx, minus, [narrowed(places, along, Math.min(1, places.shape[along] ?? 0), n), narrowed(places, along, 0, n)]);
  return { areas: apply(ctx, areaOfSteps, [low, high, widths]), axis };
}

function trapezoid(ctx: Context, y: Tensor, x: Tensor | Scalar, dim: number): Tensor {
  const { areas, axis } = trapezoids(ctx, y, x, dim);
  return sum(ctx, areas, axis);
}
function cumulativeTrapezoid(ctx: Context, y: Tensor, x: Tensor | Scalar, dim: number): Tensor {
  const { areas, axis } = trapezoids(ctx, y, x, dim);
  return cumulate(ctx, areas, axis, areas.dtype, false);
}

export const cumulative: readonly Op[] = [
  op("aten::cumsum(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dim, dtype) => cumulate(ctx, self, dim, dtypeArgument(dtype, sumDtype(self.dtype)), false) }),
  op("aten::cumprod(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dim, dtype) => cumulate(ctx, self, dim, dtypeArgument(dtype, sumDtype(self.dtype)), true) }),
  op("aten::cummax(Tensor self, int dim) -> (Tensor values, Tensor indices)", { run: (ctx, self, dim) => runningExtreme(ctx, self, dim, true) }),
  op("aten::cummin(Tensor self, int dim) -> (Tensor values, Tensor indices)", { run: (ctx, self, dim) => runningExtreme(ctx, self, dim, false) }),
  op("aten::_cummax_helper(Tensor self, Tensor(a!) values, Tensor(b!) indices, int dim) -> ()", { run: (ctx, self, values, indices, dim) => into(ctx, [values, indices], runningExtreme(ctx, self, dim, true)) }),
  op("aten::_cummin_helper(Tensor self, Tensor(a!) values, Tensor(b!) indices, int dim) -> ()", { run: (ctx, self, values, indices, dim) => into(ctx, [values, indices], runningExtreme(ctx, self, dim, false)) }),
  op("aten::logcumsumexp(Tensor self, int dim) -> Tensor", { run: logcumsumexp }),
  op("aten::diff(Tensor self, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor", { run: diff }),
  op("aten::trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", { run: trapezoid }),
  op("aten::trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor", { run: trapezoid }),
  op("aten::trapz.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", { run: trapezoid }),
  op("aten::trapz.dx(Tensor y, *, float dx=1., int dim=-1) -> Tensor", { run: (ctx, y, dx, dim) => trapezoid(ctx, y, { kind: "float", value: dx }, dim) }),
  op("aten::cumulative_trapezoid.x(Tensor y, Tensor x, *, int dim=-1) -> Tensor", { run: cumulativeTrapezoid }),
  op("aten::cumulative_trapezoid.dx(Tensor y, *, Scalar dx=1, int dim=-1) -> Tensor", { run: cumulativeTrapezoid }),
];
