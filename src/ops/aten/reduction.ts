/** Reductions over axes: sums, products, means, extremes and their positions, all and any, counts. */

import { arg, bitcast, cast } from "../../expr/expr.ts";
import type { Context } from "../../prims/context.ts";
import { copyOf, empty, reduce } from "../../prims/calls.ts";
import { allOf, anyOf, argmaxOf, argminOf, type Combiner, complexProdOf, complexSumOf, logSumExpOf, maxOf, minOf, prodOf, sumOf, xorOf } from "../../prims/combiner.ts";
import { computeType, isNarrow, type Program } from "../../prims/program.ts";
import { diagonalOf, reshaped } from "../../prims/views.ts";
import { type DType, isComplex, isFloat, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { contiguousStrides } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { floatPromoted } from "../promotion.ts";
import { accumulator, axesOf, countOf, dtypeArgument, elementsProgram, needsElements, positionsProgram, statesProgram, sumDtype } from "./reduction-axes.ts";

type Dims = readonly number[] | number | null;

const first = (results: readonly Tensor[]): Tensor => results[0] ?? unreachable("a reduction without a result");

/** The tensor in the dtype that it is reduced in, where that differs beyond what loading converts. */
function converted(ctx: Context, self: Tensor, dtype: DType): Tensor {
  return self.dtype !== dtype && isNarrow(dtype) ? copyOf(ctx, self, dtype) : self;
}

/** Sum over axes into `dtype`, accumulated in double or exactly. */
export function sum(ctx: Context, self: Tensor, dim: Dims, keepdim = false, dtype: DType = sumDtype(self.dtype)): Tensor {
  const x = converted(ctx, self, dtype);
  const type = accumulator(dtype, x.dtype);
  const combiner = isComplex(dtype) ? complexSumOf(type) : sumOf(type);
  return first(reduce(ctx, elementsProgram(x.dtype, opmathOf(dtype), type), combiner, [x], axesOf(x, dim), keepdim, [dtype]));
}

/** Product over axes into `dtype`. */
export function prod(ctx: Context, self: Tensor, dim: Dims, keepdim = false, dtype: DType = sumDtype(self.dtype)): Tensor {
  const x = converted(ctx, self, dtype);
  const type = isFloat(dtype) || isComplex(dtype) ? "f64" : "i64";
  const combiner = isComplex(dtype) ? complexProdOf(type) : prodOf(type);
  return first(reduce(ctx, elementsProgram(x.dtype, opmathOf(dtype), type), combiner, [x], axesOf(x, dim), keepdim, [dtype]));
}

/** `x / n`, stored in another dtype where the sum was wider. */
const dividedBy = elementwise("div", (x, n) => x.div(n));

/** Mean over axes; half types are summed in float32. @throws dtype-mismatch for integers */
export function mean(ctx: Context, self: Tensor, dim: Dims, keepdim = false, dtype: DType = self.dtype): Tensor {
  if (!isFloat(dtype) && !isComplex(dtype)) {
    throw new OpwiseError("dtype-mismatch", `mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: ${scalarName(self.dtype)}`);
  }
  const axes = axesOf(self, dim);
  const total = sum(ctx, self.dtype === dtype ? self : converted(ctx, self, dtype), dim, keepdim, opmathOf(dtype));
  const out = apply(ctx, dividedBy, [total, { kind: "float", value: countOf(self, axes) }]);
  return out.dtype === dtype ? out : copyOf(ctx, out, dtype);
}

/** Largest or smallest element over axes; NaN wins. */
export function extremum(ctx: Context, self: Tensor, dim: Dims, keepdim: boolean, largest: boolean): Tensor {
  const type = computeType(self.dtype);
  const combiner = largest ? maxOf(type) : minOf(type);
  return first(reduce(ctx, elementsProgram(self.dtype, opmathOf(self.dtype), type), combiner, [self], axesOf(self, dim), keepdim, [self.dtype]));
}

function ordered(self: Tensor, name: string): void {
  if (isComplex(self.dtype)) throw new OpwiseError("unsupported-dtype", `${name}(): does not support complex input`, { got: self.dtype });
}

function amax(ctx: Context, self: Tensor, dim: Dims, keepdim: boolean, largest: boolean, name: string, whole = false): Tensor {
  ordered(self, name);
  needsElements(name, self, axesOf(self, dim), whole);
  return extremum(ctx, self, dim, keepdim, largest);
}

/** Extreme along one axis and its position; the first of equals. */
export function extremeAt(ctx: Context, self: Tensor, dim: number, keepdim: boolean, largest: boolean, name: string): [Tensor, Tensor] {
  ordered(self, name);
  const axes = axesOf(self, dim);
  needsElements(name, self, axes, false);
  if (self.rank === 0) return [copyOf(ctx, self), empty(ctx, [], "int64")];
  const type = computeType(self.dtype);
  const [values, indices] = reduce(ctx, positionsProgram(self.dtype, axes[0] ?? 0), largest ? argmaxOf(type) : argminOf(type), [self], axes, keepdim, [self.dtype, "int64"]);
  return [values ?? unreachable("values"), indices ?? unreachable("indices")];
}

function argExtreme(ctx: Context, self: Tensor, dim: number | null, keepdim: boolean, largest: boolean): Tensor {
  const name = largest ? "argmax" : "argmin";
  if (self.dtype === "bool") throw new OpwiseError("unsupported-dtype", `${name}(): does not support bool input`);
  if (dim !== null) return extremeAt(ctx, self, dim, keepdim, largest, name)[1];
  if (self.numel === 0) throw new OpwiseError("index-out-of-range", `${name}(): Expected reduction dim to be specified for input.numel() == 0.`);
  const at = extremeAt(ctx, reshaped(ctx, self, [self.numel]), 0, false, largest, name)[1];
  if (keepdim) {
    at.shape = self.shape.map(() => 1);
    at.strides = contiguousStrides(at.shape);
  }
  return at;
}

/** `all` and `any`: bool, but uint8 stays uint8. */
function truth(ctx: Context, self: Tensor, dim: Dims, keepdim: boolean, combiner: Combiner): Tensor {
  const program = statesProgram("truth", [self.dtype], opmathOf(self.dtype), (x) => [x.toBool()]);
  return first(reduce(ctx, program, combiner, [self], axesOf(self, dim), keepdim, [self.dtype === "uint8" ? "uint8" : "bool"]));
}

/** Whether all elements hold: a bool scalar tensor. */
export function everyOf(ctx: Context, self: Tensor): Tensor {
  return truth(ctx, self, null, false, allOf());
}

export function countNonzero(ctx: Context, self: Tensor, dim: Dims): Tensor {
  const program = statesProgram("nonzero", [self.dtype], opmathOf(self.dtype), (x) => [x.toBool().to("f64")]);
  return first(reduce(ctx, program, sumOf("f64"), [self], axesOf(self, dim), false, ["int64"]));
}

const zeroNaN = elementwise("nan_to_zero", (x) => x.isnan().where(x.lit(0), x));
const notNaN = elementwise("not_nan", (x) => x.isnan().not(), { promotion: "own" });
const ratio = elementwise("div", (x, y) => x.div(y));

function nansum(ctx: Context, self: Tensor, dim: Dims, keepdim: boolean, code: number | null): Tensor {
  const dtype = dtypeArgument(code, sumDtype(self.dtype));
  return sum(ctx, isFloat(self.dtype) ? apply(ctx, zeroNaN, [self]) : self, dim, keepdim, dtype);
}

function nanmean(ctx: Context, self: Tensor, dim: Dims, keepdim: boolean, code: number | null): Tensor {
  if (!isFloat(self.dtype) && !isComplex(self.dtype)) throw new OpwiseError("dtype-mismatch", `nanmean(): expected input to have floating point or complex dtype but got ${scalarName(self.dtype)}`);
  return apply(ctx, ratio, [nansum(ctx, self, dim, keepdim, code), sum(ctx, apply(ctx, notNaN, [self]), dim, keepdim)]);
}

const realPart = elementwise("real", (x) => x.real(), { promotion: "real" });
const shiftedExp = elementwise("exp", (x, top) => x.sub(top).exp());
const finiteOrZero = elementwise("finite", (x) => x.abs().eq(Infinity).where(x.lit(0), x));
const logPlus = elementwise("log", (x, top) => x.log().add(top));

/** The same with the largest real part taken out first. */
function complexLogSumExp(ctx: Context, self: Tensor, dim: Dims, keepdim: boolean): Tensor {
  const real = apply(ctx, realPart, [self]);
  const top = (keep: boolean): Tensor => apply(ctx, finiteOrZero, [extremum(ctx, real, dim, keep, true)]);
  return apply(ctx, logPlus, [sum(ctx, apply(ctx, shiftedExp, [self, top(true)]), dim, keepdim), top(keepdim)]);
}

/** log(sum(exp(x))) without overflow; integers are taken as floats. */
export function logsumexp(ctx: Context, self: Tensor, dim: Dims, keepdim: boolean): Tensor {
  const dtype = floatPromoted(self.dtype, ctx.defaultDtype);
  if (isComplex(dtype)) return complexLogSumExp(ctx, self, dim, keepdim);
  const program = statesProgram("logsumexp", [self.dtype], opmathOf(dtype), (x) => [x.to("f64"), x.to("f64").lit(1)]);
  return first(reduce(ctx, program, logSumExpOf("f64"), [self], axesOf(self, dim), keepdim, [dtype]));
}

function trace(ctx: Context, self: Tensor): Tensor {
  if (self.rank !== 2) throw new OpwiseError("shape-mismatch", `trace: expected a matrix, but got tensor with dim ${self.rank}`);
  return sum(ctx, diagonalOf(self, 0, 0, 1), null);
}

function sumToSize(ctx: Context, self: Tensor, size: readonly number[]): Tensor {
  if (size.length === 0) return sum(ctx, self, null);
  const lead = self.rank - size.length;
  const fits = lead >= 0 && size.every((s, i) => s === 1 || s === self.shape[i + lead]);
  if (!fits) throw new OpwiseError("shape-mismatch", `size {[${size.join(", ")}]} is not expandable to size {[${self.shape.join(", ")}]}.`);
  const axes = self.shape.map((_, i) => i).filter((i) => i < lead || (size[i - lead] === 1 && self.shape[i] !== 1));
  if (axes.length === 0) return self;
  const out = sum(ctx, self, axes, true);
  return reshaped(ctx, out, size);
}

const hashes = new Map<DType, Program>();
/** Elements as 64 bits: floats as the bits of their double, integers as int64. */
function hashProgram(dtype: DType): Program {
  let program = hashes.get(dtype);
  if (program === undefined) {
    const x = arg(0, computeType(dtype));
    program = { name: "hash", operands: [dtype], scalars: [], messages: [], outputs: [{ dtype: "uint64", parts: [bitcast(cast(x, isFloat(dtype) ? "f64" : "i64"), "u64")] }] };
    hashes.set(dtype, program);
  }
  return program;
}

export const reduction: readonly Op[] = [
  op("aten::sum(Tensor self, *, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dtype) => sum(ctx, self, null, false, dtypeArgument(dtype, sumDtype(self.dtype))) }),
  op("aten::sum.dim_IntList(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", {
    run: (ctx, self, dim, keepdim, dtype) => sum(ctx, self, dim, keepdim, dtypeArgument(dtype, sumDtype(self.dtype))),
  }),
  op("aten::sum_to_size(Tensor self, SymInt[] size) -> Tensor", { run: sumToSize }),
  op("aten::nansum(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", { run: nansum }),
  op("aten::mean(Tensor self, *, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dtype) => mean(ctx, self, null, false, dtypeArgument(dtype, self.dtype)), quantised: "requantise" }),
  op("aten::mean.dim(Tensor self, int[1]? dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", {
    run: (ctx, self, dim, keepdim, dtype) => mean(ctx, self, dim, keepdim, dtypeArgument(dtype, self.dtype)), quantised: "requantise",
  }),
  op("aten::nanmean(Tensor self, int[1]? dim=None, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", { run: nanmean }),
  op("aten::prod(Tensor self, *, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dtype) => prod(ctx, self, null, false, dtypeArgument(dtype, sumDtype(self.dtype))) }),
  op("aten::prod.dim_int(Tensor self, int dim, bool keepdim=False, *, ScalarType? dtype=None) -> Tensor", {
    run: (ctx, self, dim, keepdim, dtype) => prod(ctx, self, dim, keepdim, dtypeArgument(dtype, sumDtype(self.dtype))),
  }),
  op("aten::amax(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => amax(ctx, self, dim, keepdim, true, "amax") }),
  op("aten::amin(Tensor self, int[1] dim=[], bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => amax(ctx, self, dim, keepdim, false, "amin") }),
  op("aten::aminmax(Tensor self, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", {
    run: (ctx, self, dim, keepdim) => [amax(ctx, self, dim, keepdim, false, "aminmax"), amax(ctx, self, dim, keepdim, true, "aminmax")],
  }),
  op("aten::_aminmax(Tensor self) -> (Tensor, Tensor)", { run: (ctx, self) => [amax(ctx, self, null, false, false, "aminmax"), amax(ctx, self, null, false, true, "aminmax")] }),
  op("aten::_aminmax.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor, Tensor)", {
    run: (ctx, self, dim, keepdim) => [amax(ctx, self, dim, keepdim, false, "aminmax"), amax(ctx, self, dim, keepdim, true, "aminmax")],
  }),
  op("aten::max(Tensor self) -> Tensor", { run: (ctx, self) => amax(ctx, self, null, false, true, "max", true), quantised: "codes" }),
  op("aten::min(Tensor self) -> Tensor", { run: (ctx, self) => amax(ctx, self, null, false, false, "min", true), quantised: "codes" }),
  op("aten::max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", { run: (ctx, self, dim, keepdim) => extremeAt(ctx, self, dim, keepdim, true, "max"), quantised: "codes" }),
  op("aten::min.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", { run: (ctx, self, dim, keepdim) => extremeAt(ctx, self, dim, keepdim, false, "min"), quantised: "codes" }),
  op("aten::argmax(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => argExtreme(ctx, self, dim, keepdim, true) }),
  op("aten::argmin(Tensor self, int? dim=None, bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => argExtreme(ctx, self, dim, keepdim, false) }),
  op("aten::all(Tensor self) -> Tensor", { run: (ctx, self) => truth(ctx, self, null, false, allOf()) }),
  op("aten::all.dim(Tensor self, int dim, bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => truth(ctx, self, dim, keepdim, allOf()) }),
  op("aten::all.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => truth(ctx, self, dim, keepdim, allOf()) }),
  op("aten::any(Tensor self) -> Tensor", { run: (ctx, self) => truth(ctx, self, null, false, anyOf()) }),
  op("aten::any.dim(Tensor self, int dim, bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => truth(ctx, self, dim, keepdim, anyOf()) }),
  op("aten::any.dims(Tensor self, int[]? dim=None, bool keepdim=False) -> Tensor", { run: (ctx, self, dim, keepdim) => truth(ctx, self, dim, keepdim, anyOf()) }),
  op("aten::count_nonzero(Tensor self, int? dim=None) -> Tensor", { run: countNonzero }),
  op("aten::count_nonzero.dim_IntList(Tensor self, int[] dim) -> Tensor", { run: countNonzero }),
  op("aten::logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", { run: logsumexp }),
  op("aten::special_logsumexp(Tensor self, int[1] dim, bool keepdim=False) -> Tensor", { run: logsumexp }),
  op("aten::trace(Tensor self) -> Tensor", { run: trace }),
  op("aten::hash_tensor(Tensor self, int[1] dim=[], *, bool keepdim=False, int mode=0) -> Tensor", {
    run: (ctx, self, dim, keepdim, mode) => {
      if (mode !== 0) throw new OpwiseError("bad-argument", `Unknown hash mode ${mode}`);
      const axes = axesOf(self, dim);
      needsElements("hash_tensor", self, axes, dim.length === 0);
      return first(reduce(ctx, hashProgram(self.dtype), xorOf("u64"), [self], axes, keepdim, ["uint64"]));
    },
  }),
];
