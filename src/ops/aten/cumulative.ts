/** Running folds along an axis: cumsum, cumprod, cummax, logcumsumexp; differences and trapezoids. */

import { acc, constant, val } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Context } from "../../prims/context.ts";
import type { Scalar } from "../../ir/datum.ts";
import { copyInto, copyOf, empty, scan } from "../../prims/calls.ts";
import { argmaxOf, argminOf, type Combiner, complexProdOf, complexSumOf, logSumExpOf, prodOf, sumOf } from "../../prims/combiner.ts";
import { computeType, isNarrow } from "../../prims/program.ts";
import { narrowed, selected, unsqueezed, without } from "../../prims/views.ts";
import { type DType, isComplex, isFloat, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { accumulator, dtypeArgument, elementsProgram, positionsProgram, statesProgram, sumDtype } from "./reduction-axes.ts";
import { filled } from "./filling.ts";
import { cat } from "./joins.ts";
import { sum } from "./reduction.ts";

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

/** Two complex numbers' log of the sum of their exponentials, without taking the angle back to one turn (PyTorch's _log_add_exp_helper). */
const complexLogAddExp = (): Combiner => {
  const [a, b] = [new Num(acc(0, "f64"), acc(1, "f64")), new Num(val(0, "f64"), val(1, "f64"))];
  const swap = a.real().isnan().or(b.real().isnan().not().and(a.real().le(b.real())));
  const [low, high] = [swap.where(a, b), swap.where(b, a)];
  const nan = low.real().lit(NaN);
  const both = low.real().isfinite().not().and(low.real().eq(high.real()));
  const infinite = low.real().lt(0).where(low, low.exp().add(high.exp()).log());
  const value = low.isnan().or(high.isnan()).where(nan.withImag(nan), both.where(infinite, low.sub(high).exp().log1p().add(high)));
  return { name: "complexLogSumExp", init: [constant(-Infinity, "f64"), constant(0, "f64")], combine: [value.re, value.im ?? value.re], finish: [acc(0, "f64"), acc(1, "f64")] };
};
const logAddExp = complexLogAddExp();

function logcumsumexp(ctx: Context, self: Tensor, dim: number): Tensor {
  const axis = wrapDim(dim, self.rank);
  if (isComplex(self.dtype)) {
    const parts = statesProgram("logsumexp", [self.dtype], opmathOf(self.dtype), (x) => [x.real().to("f64"), x.imag().to("f64")]);
    return scan(ctx, parts, logAddExp, [self], axis, [self.dtype])[0] ?? unreachable("scan");
  }
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
  for (const t of [prepend, append]) {
    if (t === null) continue;
    if (t.rank !== self.rank) throw new OpwiseError("shape-mismatch", "diff expects prepend or append to be the same dimension as input");
    const other = self.shape.findIndex((size, i) => i !== axis && t.shape[i] !== size);
    if (other >= 0) {
      throw new OpwiseError("shape-mismatch", `diff expects the shape of tensor to prepend or append to match that of input except along the differencing dimension; input.size(${other}) = ${self.shape[other]}, but got tensor.size(${other}) = ${t.shape[other]}`);
    }
  }
  if (n === 0) return copyOf(ctx, self);
  let x = cat(ctx, [prepend, self, append].filter((t) => t !== null), axis);
  for (let i = 0; i < n && (x.shape[axis] ?? 0) > 0; i++) {
    const length = (x.shape[axis] ?? 1) - 1;
    x = apply(ctx, x.dtype === "bool" ? differs : minus, [narrowed(x, axis, 1, length), narrowed(x, axis, 0, length)]);
  }
  return x;
}

const plus = elementwise("add", (x, y) => x.add(y));
const times = elementwise("mul", (x, y) => x.mul(y));
const halved = elementwise("div", (x) => x.div(2), { promotion: "float" });

function checkTrapezoid(name: string, y: Tensor, x: Tensor | Scalar): void {
  const isBool = (t: Tensor | Scalar): boolean => t instanceof Tensor && t.dtype === "bool";
  const given = x instanceof Tensor ? "`x` or `y`" : "`y`";
  if (isBool(y) || isBool(x)) throw new OpwiseError("dtype-mismatch", `${name}: received a bool input for ${given}, but bool is not supported`);
  if (!(x instanceof Tensor) && (x.kind === "complex" || x.kind === "bool")) throw new OpwiseError("bad-argument", `${name}: Currently, we only support dx as a real number.`);
}

/** Sums of neighbouring points, and their distances where places `x` are given: each in the operands' own dtype, as integers wrap there. */
function neighbours(ctx: Context, name: string, y: Tensor, x: Tensor | Scalar, axis: number): { readonly sums: Tensor; readonly widths: Tensor | Scalar } {
  const ends = (t: Tensor, along: number): [Tensor, Tensor] => {
    const size = t.shape[along] ?? 0;
    const length = Math.max(size - 1, 0);
    return [narrowed(t, along, 0, length), narrowed(t, along, Math.min(1, size), length)];
  };
  const sums = apply(ctx, plus, ends(y, axis));
  if (!(x instanceof Tensor)) return { sums, widths: x };
  let places = x;
  if (x.rank === 1) {
    if (x.shape[0] !== y.shape[axis]) throw new OpwiseError("shape-mismatch", `${name}: There must be one \`x\` value for each sample point`);
    for (let i = axis + 1; i < y.rank; i++) places = unsqueezed(places, -1);
  } else for (; places.rank < y.rank; ) places = unsqueezed(places, 0);
  const [low, high] = ends(places, places.rank - (y.rank - axis));
  return { sums, widths: apply(ctx, minus, [high, low]) };
}

/** The area under points: with one width all at once, with places piece by piece. */
function trapezoid(ctx: Context, y: Tensor, x: Tensor | Scalar, dim: number): Tensor {
  checkTrapezoid("trapezoid", y, x);
  if (y.rank === 0) throw new OpwiseError("index-out-of-range", `Dimension specified as ${dim} but tensor has no dimensions`);
  const axis = wrapDim(dim, y.rank);
  const length = y.shape[axis] ?? 0;
  if (length === 0) return filled(ctx, without(y.shape, axis), y.dtype, { kind: "int", value: 0 });
  if (x instanceof Tensor) {
    const { sums, widths } = neighbours(ctx, "trapezoid", y, x, axis);
    return apply(ctx, halved, [sum(ctx, apply(ctx, times, [sums, widths]), axis)]);
  }
  const ends = apply(ctx, times, [apply(ctx, plus, [selected(y, axis, 0), selected(y, axis, length - 1)]), { kind: "float", value: 0.5 }]);
  return apply(ctx, times, [apply(ctx, minus, [sum(ctx, y, axis), ends]), { kind: "float", value: Number(x.kind === "complex" ? x.re : x.value) }]);
}

function cumulativeTrapezoid(ctx: Context, y: Tensor, x: Tensor | Scalar, dim: number): Tensor {
  checkTrapezoid("cumulative_trapezoid", y, x);
  if (y.rank === 0) throw new OpwiseError("index-out-of-range", `Dimension specified as ${dim} but tensor has no dimensions`);
  const axis = wrapDim(dim, y.rank);
  const { sums, widths } = neighbours(ctx, "cumulative_trapezoid", y, x, axis);
  if (widths instanceof Tensor) {
    const areas = apply(ctx, times, [widths, sums]);
    return apply(ctx, halved, [cumulate(ctx, areas, axis, sumDtype(areas.dtype), false)]);
  }
  const areas = apply(ctx, times, [sums, { kind: "float", value: Number(widths.kind === "complex" ? widths.re : widths.value) / 2 }]);
  return cumulate(ctx, areas, axis, sumDtype(areas.dtype), false);
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
