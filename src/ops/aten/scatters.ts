/** Indexed writes along an axis (PyTorch: scatter, scatter_add, scatter_reduce, index_add, index_copy, index_fill, index_reduce). */

import { namingIndex, outOfBounds } from "./bad-index.ts";
import { cast, constant, type Expr, fold, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, copyOf, type Scalars } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { reshaped } from "../../prims/views.ts";
import type { Scalar } from "../../ir/datum.ts";
import { type DType, dtypeInfo, isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { checkFits } from "../element-range.ts";
import { apply, elementwise } from "../elementwise.ts";
import { scalarOf } from "./element.ts";
import { filled } from "./filling.ts";
import { boundedIndex, cloned, scatterInto } from "./indexing.ts";
import { scalarParts } from "./masks.ts";
import { addOf, axes, loadIndex, loadParts, memo, programOf, size, subOf } from "./memo.ts";

const programs = memo<Program>();

type Combine = "set" | "add" | "mul" | "min" | "max";

/** Where a value comes from: a tensor at the same place, or one number. */
type Source = Tensor | Scalar;

/**
 * Writes along `axis` at the positions that an index tensor of the values' rank names (`scatter`), or that a vector names for whole slices (`rows`).
 */
function write(ctx: Context, self: Tensor, axis: number, at: Tensor, source: Source, combine: Combine, options: { readonly rows?: boolean; readonly wrap?: boolean; readonly alpha?: Scalar } = {}): Tensor {
  const { rows = false, wrap = false, alpha } = options;
  const rank = self.rank;
  const scaled = alpha !== undefined && !(alpha.kind !== "complex" && Number(alpha.value) === 1);
  const number = source instanceof Tensor ? undefined : source;
  const program = programs(`${self.dtype},${at.dtype},${rank},${axis},${rows},${wrap},${number !== undefined},${scaled}`, () => {
    const here = axes(rank);
    const place = boundedIndex(loadIndex(0, at.dtype, rows ? [index(axis)] : here), size(0), wrap ? "wrap" : "strict", 0);
    const type = computeType(self.dtype);
    const lanes = isComplex(self.dtype) ? 2 : 1;
    const numbers = number !== undefined || scaled ? Array.from({ length: lanes }, (_, i) => scalar(1 + i, type)) : [];
    let parts: Expr[] = number !== undefined ? numbers : loadParts(1, self.dtype, here);
    if (scaled) {
      const value = new Num(parts[0] ?? constant(0, type), parts[1]).mul(new Num(numbers[0] ?? constant(0, type), numbers[1]));
      parts = value.im === undefined ? [value.re] : [value.re, value.im];
    }
    return {
      name: rows ? "index_write" : "scatter", operands: number === undefined ? [at.dtype, self.dtype] : [at.dtype], scalars: ["index", ...numbers.map(() => type)],
      outputs: [...here.map((e, i) => ({ dtype: "int64" as const, parts: [i === axis ? place : e] })), { dtype: self.dtype, parts }],
      messages: [rows ? "index out of range in self" : `index is out of bounds for dimension ${axis}`],
    };
  });
  const scalars: Scalars = [self.shape[axis] ?? 0, ...(number !== undefined ? scalarParts(number, self.dtype) : scaled && alpha !== undefined ? scalarParts(alpha, self.dtype) : [])];
  const shape = rows ? self.shape.map((s, i) => (i === axis ? at.numel : s)) : at.shape;
  const length = self.shape[axis] ?? 0;
  return namingIndex([{ index: at, size: length, wrap, message: outOfBounds(axis, length) }], () =>
    scatterInto(ctx, self, program, shape, source instanceof Tensor ? [at, source] : [at], scalars, combine),
  );
}

/** 0-d tensors are written as vectors of one. */
function atLeast1(ctx: Context, t: Tensor): Tensor {
  return t.rank === 0 ? reshaped(ctx, t, [1]) : t;
}

const COMBINES: Readonly<Record<string, Combine>> = { add: "add", multiply: "mul", sum: "add", mean: "add", prod: "mul", amax: "max", amin: "min" };

function combineOf(reduce: string, names: readonly string[]): Combine {
  const combine = COMBINES[reduce];
  if (combine === undefined || !names.includes(reduce)) throw new OpwiseError("bad-argument", `reduce argument must be one of ${names.join(", ")}`, { got: reduce });
  return combine;
}

function checkScatter(self: Tensor, axis: number, at: Tensor, source: Source, name: string): void {
  if (at.numel > 0 && at.dtype !== "int64" && at.dtype !== "int32") throw new OpwiseError("dtype-mismatch", `${name}(): Expected dtype int32/int64 for index`);
  if (at.numel === 0) return;
  if (self.rank !== at.rank) throw new OpwiseError("bad-argument", "Index tensor must have the same number of dimensions as self tensor");
  if (source instanceof Tensor) {
    if (source.dtype !== self.dtype) throw new OpwiseError("dtype-mismatch", `${name}(): Expected self.dtype to be equal to src.dtype`);
    if (source.rank !== at.rank) throw new OpwiseError("bad-argument", "Index tensor must have the same number of dimensions as src tensor");
  }
  at.shape.forEach((s, i) => {
    const tooLong = (i !== axis && s > (self.shape[i] ?? 0)) || (source instanceof Tensor && s > (source.shape[i] ?? 0));
    if (tooLong) {
      const against = source instanceof Tensor ? ` and to be no larger size than src [${source.shape.join(", ")}]` : "";
      throw new OpwiseError("shape-mismatch", `Expected index [${at.shape.join(", ")}] to be no larger than self [${self.shape.join(", ")}] apart from dimension ${axis}${against}`);
    }
  });
}

export function scatterTo(ctx: Context, self: Tensor, dim: number, at: Tensor, source: Source, combine: Combine): Tensor {
  const axis = wrapDim(dim, self.rank);
  const [to, where, from] = [atLeast1(ctx, self), atLeast1(ctx, at), source instanceof Tensor ? atLeast1(ctx, source) : source];
  checkScatter(to, axis, where, from, "scatter");
  if (at.numel > 0 && !(source instanceof Tensor)) checkFits(source, self.dtype);
  if (at.numel > 0) write(ctx, to, axis, where, from, combine);
  return self;
}

const INT_LOW: Partial<Record<DType, bigint>> = { int8: -128n, int16: -32768n, int32: -(2n ** 31n), int64: -(2n ** 63n), bool: 0n };
const INT_HIGH: Partial<Record<DType, bigint>> = { int8: 127n, int16: 32767n, int32: 2n ** 31n - 1n, int64: 2n ** 63n - 1n, uint8: 255n, uint16: 65535n, uint32: 2n ** 32n - 1n, uint64: 2n ** 64n - 1n, bool: 1n };

/** What leaves every value as it is under a combiner. */
function identity(combine: Combine, dtype: DType): Scalar {
  if (combine === "add") return { kind: "int", value: 0 };
  if (combine === "mul") return { kind: "int", value: 1 };
  const float = dtypeInfo(dtype).class === "float";
  if (combine === "max") return float ? { kind: "float", value: -Infinity } : { kind: "int", value: INT_LOW[dtype] ?? 0n };
  return float ? { kind: "float", value: Infinity } : { kind: "int", value: INT_HIGH[dtype] ?? 0n };
}

const atLeastOne = elementwise("at_least_one", (n) => n.max(1));
const meanFloat = elementwise("mean", (sum, n) => sum.div(n), { result: (d) => d });
const meanInt = elementwise("mean", (sum, n) => sum.floordiv(n), { result: (d) => d });

/** Reductions with `include_self` and means: the identity first where self does not count, the count of hits last. */
function reduceInto(ctx: Context, self: Tensor, reduce: string, names: readonly string[], includeSelf: boolean, put: (target: Tensor, source: "values" | Scalar, combine: Combine) => void): Tensor {
  const combine = combineOf(reduce, names);
  if (!includeSelf) put(self, identity(combine, self.dtype), "set");
  put(self, "values", combine);
  if (reduce !== "mean") return self;
  const count = filled(ctx, self.shape, self.dtype, { kind: "int", value: includeSelf ? 1 : 0 });
  put(count, { kind: "int", value: 1 }, "add");
  const hits = apply(ctx, atLeastOne, [count]);
  const isExact = dtypeInfo(self.dtype).class === "int";
  apply(ctx, isExact ? meanInt : meanFloat, [self, hits], self);
  return self;
}

const SCATTER_REDUCE = ["sum", "prod", "mean", "amax", "amin"];

function scatterReduce(ctx: Context, self: Tensor, dim: number, at: Tensor, source: Tensor, reduce: string, includeSelf: boolean): Tensor {
  const axis = wrapDim(dim, self.rank);
  const [to, where, from] = [atLeast1(ctx, self), atLeast1(ctx, at), atLeast1(ctx, source)];
  checkScatter(to, axis, where, from, "scatter");
  combineOf(reduce, SCATTER_REDUCE);
  if (at.numel > 0) reduceInto(ctx, to, reduce, SCATTER_REDUCE, includeSelf, (target, values, combine) => write(ctx, target, axis, where, values === "values" ? from : values, combine));
  return self;
}

function checkIndexVector(name: string, self: Tensor, at: Tensor, source: Tensor | undefined, axis: number): void {
  if (at.rank > 1) throw new OpwiseError("bad-argument", `${name}: Index should have dimension 1 or 0 (got ${at.rank})`);
  if (at.dtype !== "int64" && at.dtype !== "int32") throw new OpwiseError("dtype-mismatch", `${name}: Expected dtype int32/int64 for index`);
  if (source === undefined) return;
  if (source.dtype !== self.dtype) throw new OpwiseError("dtype-mismatch", `${name}: self and source expected to have the same dtype, but got (self) ${scalarName(self.dtype)} and (source) ${scalarName(source.dtype)}`);
  if ((source.shape[axis] ?? 1) !== at.numel) throw new OpwiseError("shape-mismatch", `${name}: Number of indices (${at.numel}) should be equal to source.size(dim): (${source.shape[axis] ?? 1}), for dim: ${axis}`);
  if (source.rank !== self.rank || source.shape.some((s, i) => i !== axis && s !== self.shape[i])) {
    throw new OpwiseError("shape-mismatch", `source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = [${self.shape.join(", ")}] source.shape = [${source.shape.join(", ")}]`);
  }
}

interface RowOptions {
  readonly name: string;
  readonly combine: Combine;
  readonly alpha?: Scalar;
}

/** Slices of `source` written or added along an axis at a vector of positions. */
function rowsInto(ctx: Context, self: Tensor, dim: number, at: Tensor, source: Tensor, options: RowOptions): Tensor {
  const axis = wrapDim(dim, self.rank);
  const [to, from] = [atLeast1(ctx, self), atLeast1(ctx, source)];
  checkIndexVector(options.name, to, at, from, axis);
  if (from.numel > 0) write(ctx, to, axis, reshaped(ctx, at, [at.numel]), from, options.combine, { rows: true, ...(options.alpha === undefined ? {} : { alpha: options.alpha }) });
  return self;
}

function indexAdd(ctx: Context, self: Tensor, dim: number, at: Tensor, source: Tensor, alpha: Scalar): Tensor {
  return rowsInto(ctx, self, dim, at, source, { name: "index_add_()", combine: "add", alpha });
}
function indexCopy(ctx: Context, self: Tensor, dim: number, at: Tensor, source: Tensor): Tensor {
  return rowsInto(ctx, self, dim, at, source, { name: "index_copy_()", combine: "set" });
}
function indexFill(ctx: Context, self: Tensor, dim: number, at: Tensor, value: Scalar): Tensor {
  const axis = wrapDim(dim, self.rank);
  if (at.dtype !== "int64") throw new OpwiseError("dtype-mismatch", "index_fill_(): Expected dtype int64 for index.");
  if (at.rank > 1) throw new OpwiseError("bad-argument", "Index has to be a vector/scalar");
  if (!isComplex(self.dtype) && value.kind === "complex") throw new OpwiseError("dtype-mismatch", "index_fill_(): Converting complex Scalar to non-complex type is not supported");
  const to = atLeast1(ctx, self);
  checkFits(value, self.dtype);
  if (to.numel > 0 || at.numel > 0) write(ctx, to, axis, reshaped(ctx, at, [at.numel]), value, "set", { rows: true, wrap: true });
  return self;
}
function* indexFillTensor(ctx: Context, self: Tensor, dim: number, at: Tensor, value: Tensor): Generator<Tensor, Tensor, void> {
  if (value.rank !== 0) throw new OpwiseError("bad-argument", `index_fill_ only supports a 0-dimensional value tensor, but got tensor with ${value.rank} dimension(s).`);
  yield value;
  return indexFill(ctx, self, dim, at, scalarOf(value));
}

const INDEX_REDUCE = ["prod", "mean", "amax", "amin"];
function indexReduce(ctx: Context, self: Tensor, dim: number, at: Tensor, source: Tensor, reduce: string, includeSelf: boolean): Tensor {
  const axis = wrapDim(dim, self.rank);
  const [to, from] = [atLeast1(ctx, self), atLeast1(ctx, source)];
  checkIndexVector("index_reduce_()", to, at, from, axis);
  combineOf(reduce, INDEX_REDUCE);
  const where = reshaped(ctx, at, [at.numel]);
  if (from.numel > 0) reduceInto(ctx, to, reduce, INDEX_REDUCE, includeSelf, (target, values, combine) => write(ctx, target, axis, where, values === "values" ? from : values, combine, { rows: true }));
  return self;
}

const SCATTER_LEGACY = ["add", "multiply"];

const SEGMENT_STEPS: Readonly<Record<string, readonly [(a: Num, x: Num) => Num, number]>> = {
  sum: [(a, x) => a.add(x), 0], mean: [(a, x) => a.add(x), 0], prod: [(a, x) => a.mul(x), 1], max: [(a, x) => a.max(x), -Infinity], min: [(a, x) => a.min(x), Infinity],
};

/** Folds runs along `axis` whose bounds the offsets give (the running sums of `lengths`); an empty run gives the start value. */
function segmentReduce(ctx: Context, data: Tensor, reduce: string, lengths: Tensor | null, offsets: Tensor | null, axis: number, initial: Scalar | null): Tensor {
  const known = SEGMENT_STEPS[reduce];
  if (known === undefined) throw new OpwiseError("bad-argument", `segment_reduce(): unknown reduction ${reduce}`, { wanted: Object.keys(SEGMENT_STEPS).join(", ") });
  const given = offsets ?? lengths;
  if (given === null) throw new OpwiseError("bad-argument", "segment_reduce(): Either lengths or offsets must be defined.");
  const bounds = offsets ?? runningSums(ctx, given);
  const [step, start] = known;
  const count = Math.max((bounds.shape[axis] ?? 1) - 1, 0);
  const mean = reduce === "mean";
  const hasInitial = initial !== null && initial.kind !== "complex";
  const program = programs(`segment ${reduce},${data.dtype},${bounds.dtype},${data.rank},${axis},${hasInitial}`, () => {
    const type = computeType(data.dtype);
    const here = axes(data.rank);
    const bound = (plus: number): Expr => loadIndex(1, bounds.dtype, [...here.slice(0, axis), addOf(index(axis), constant(plus, "index"))]);
    const [from, to] = [bound(0), bound(1)];
    const length = subOf(to, from);
    const [total] = fold(0, length, [new Num(scalar(0, type)).re], ([a], j) => {
      const x = load(0, type, here.map((e, i) => (i === axis ? addOf(from, j) : e)));
      return [step(new Num(a ?? x), new Num(x)).re];
    });
    const value = new Num(total ?? scalar(0, type));
    const n = new Num(length).to(type);
    // The mean of an empty run is the start value where one is given, else NaN.
    const result = mean ? n.eq(0).where(hasInitial ? value : value.lit(NaN), value.div(n)) : value;
    return programOf(`segment_reduce ${reduce}`, [data.dtype, bounds.dtype], [type], data.dtype, [result.re]);
  });
  const shape = data.shape.map((s, i) => (i === axis ? count : s));
  const [out] = compute(ctx, program, shape, [data, bounds], [hasInitial ? Number(initial.value) : start]);
  return out ?? data;
}

/** `[0, l0, l0 + l1, ...]` along the last axis. */
function runningSums(ctx: Context, lengths: Tensor): Tensor {
  const axis = lengths.rank - 1;
  const n = lengths.shape[axis] ?? 0;
  const program = programs(`bounds ${lengths.dtype},${lengths.rank}`, () => {
    const here = axes(lengths.rank);
    const [sum] = fold(0, index(axis), [constant(0, "index")], ([a], j) => [addOf(a ?? j, loadIndex(0, lengths.dtype, [...here.slice(0, axis), j]))]);
    return programOf("bounds", [lengths.dtype], [], "int64", [cast(sum ?? constant(0, "index"), "i64")]);
  });
  const [out] = compute(ctx, program, [...lengths.shape.slice(0, axis), n + 1], [lengths]);
  return out ?? lengths;
}

export const scatters: readonly Op[] = [
  op("aten::scatter_.src(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)", { run: (ctx, self, dim, at, src) => scatterTo(ctx, self, dim, at, src, "set") }),
  op("aten::scatter_.value(Tensor(a!) self, int dim, Tensor index, Scalar value) -> Tensor(a!)", { run: (ctx, self, dim, at, value) => scatterTo(ctx, self, dim, at, value, "set") }),
  op("aten::scatter_.reduce(Tensor(a!) self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor(a!)", { run: (ctx, self, dim, at, src, reduce) => scatterTo(ctx, self, dim, at, src, combineOf(reduce, SCATTER_LEGACY)) }),
  op("aten::scatter_.value_reduce(Tensor(a!) self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor(a!)", { run: (ctx, self, dim, at, value, reduce) => scatterTo(ctx, self, dim, at, value, combineOf(reduce, SCATTER_LEGACY)) }),
  op("aten::scatter.src(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", { run: (ctx, self, dim, at, src) => scatterTo(ctx, copyOf(ctx, self), dim, at, src, "set") }),
  op("aten::scatter.value(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", { run: (ctx, self, dim, at, value) => scatterTo(ctx, copyOf(ctx, self), dim, at, value, "set") }),
  op("aten::scatter.reduce(Tensor self, int dim, Tensor index, Tensor src, *, str reduce) -> Tensor", { run: (ctx, self, dim, at, src, reduce) => scatterTo(ctx, copyOf(ctx, self), dim, at, src, combineOf(reduce, SCATTER_LEGACY)) }),
  op("aten::scatter.value_reduce(Tensor self, int dim, Tensor index, Scalar value, *, str reduce) -> Tensor", { run: (ctx, self, dim, at, value, reduce) => scatterTo(ctx, copyOf(ctx, self), dim, at, value, combineOf(reduce, SCATTER_LEGACY)) }),
  op("aten::scatter_add_(Tensor(a!) self, int dim, Tensor index, Tensor src) -> Tensor(a!)", { run: (ctx, self, dim, at, src) => scatterTo(ctx, self, dim, at, src, "add") }),
  op("aten::scatter_add(Tensor self, int dim, Tensor index, Tensor src) -> Tensor", { run: (ctx, self, dim, at, src) => scatterTo(ctx, copyOf(ctx, self), dim, at, src, "add") }),
  op("aten::scatter_reduce_.two(Tensor(a!) self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor(a!)", { run: scatterReduce }),
  op("aten::scatter_reduce.two(Tensor self, int dim, Tensor index, Tensor src, str reduce, *, bool include_self=True) -> Tensor", { run: (ctx, self, dim, at, src, reduce, include) => scatterReduce(ctx, copyOf(ctx, self), dim, at, src, reduce, include) }),
  op("aten::index_add_(Tensor(a!) self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor(a!)", { run: indexAdd }),
  op("aten::index_add(Tensor self, int dim, Tensor index, Tensor source, *, Scalar alpha=1) -> Tensor", { run: (ctx, self, dim, at, source, alpha) => indexAdd(ctx, copyOf(ctx, self), dim, at, source, alpha) }),
  op("aten::index_copy_(Tensor(a!) self, int dim, Tensor index, Tensor source) -> Tensor(a!)", { run: indexCopy }),
  op("aten::index_copy(Tensor self, int dim, Tensor index, Tensor source) -> Tensor", { run: (ctx, self, dim, at, source) => indexCopy(ctx, copyOf(ctx, self), dim, at, source) }),
  op("aten::index_fill_.int_Scalar(Tensor(a!) self, int dim, Tensor index, Scalar value) -> Tensor(a!)", { run: indexFill }),
  op("aten::index_fill_.int_Tensor(Tensor(a!) self, int dim, Tensor index, Tensor value) -> Tensor(a!)", { reads: indexFillTensor }),
  op("aten::index_fill.int_Scalar(Tensor self, int dim, Tensor index, Scalar value) -> Tensor", { run: (ctx, self, dim, at, value) => indexFill(ctx, cloned(ctx, self), dim, at, value) }),
  op("aten::index_fill.int_Tensor(Tensor self, int dim, Tensor index, Tensor value) -> Tensor", { reads: (ctx, self, dim, at, value) => indexFillTensor(ctx, cloned(ctx, self), dim, at, value) }),
  op("aten::index_reduce_(Tensor(a!) self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor(a!)", { run: indexReduce }),
  op("aten::index_reduce(Tensor self, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor", { run: (ctx, self, dim, at, source, reduce, include) => indexReduce(ctx, copyOf(ctx, self), dim, at, source, reduce, include) }),
  op("aten::segment_reduce(Tensor data, str reduce, *, Tensor? lengths=None, Tensor? indices=None, Tensor? offsets=None, int axis=0, bool unsafe=False, Scalar? initial=None) -> Tensor", {
    run: (ctx, data, reduce, lengths, _indices, offsets, axis, _unsafe, initial) => segmentReduce(ctx, data, reduce, lengths, offsets, wrapDim(axis, data.rank), initial),
  }),
];
