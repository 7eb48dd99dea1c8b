/** Sorting (PyTorch: sort, argsort, topk) and distinct values (unique, unique_consecutive, unique_dim). */

import { arg, binary, cast, constant, type Expr, index, select } from "../../expr/expr.ts";
import { compute, copyOf, empty, reduce, resolved, resultStrides, scan } from "../../prims/calls.ts";
import { anyOf, sumOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import type { SortMethod } from "../../prims/call.ts";
import type { Program } from "../../prims/program.ts";
import { axisMoved, reshaped } from "../../prims/views.ts";
import { type DType, isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { filled } from "./filling.ts";
import { indexSelect, scatterInto } from "./indexing.ts";
import { loadIndex, loadParts, memo, subOf } from "./memo.ts";
import { coordinatesOf, countOf, packed } from "./nonzero.ts";

const programs = memo<Program>();

export const STABLE: SortMethod = { kind: "stable" };
/** Without `stable=True` PyTorch leaves equals as C++'s `std::sort` does; its vectorised sorts of 4 and 8 byte numbers, where a machine has them, have an order of their own. */
const INTRO: SortMethod = { kind: "intro" };

/** Sorts or selects along an axis: `length` values and their positions, NaN largest; strides in the tensor's order. */
function arranged(ctx: Context, self: Tensor, axis: number, descending: boolean, method: SortMethod, length: number | undefined): [Tensor, Tensor] {
  const shape = length === undefined ? self.shape : self.shape.map((s, i) => (i === axis ? length : s));
  const strides = length === undefined ? resultStrides(self.shape, [self]) : undefined;
  const values = empty(ctx, shape, self.dtype, strides);
  values.quantizer = self.quantizer;
  const indices = empty(ctx, shape, "int64", strides);
  if (values.numel > 0) {
    ctx.run({ kind: "sort", axis, descending, rows: false, method, operands: [resolved(ctx, self)], results: [values, indices], scalars: [] });
  }
  return [values, indices];
}

/** Sorted values and their positions, NaN largest; strides as the tensor's. */
export function sort(ctx: Context, self: Tensor, dim: number, descending: boolean, method: SortMethod = STABLE): [Tensor, Tensor] {
  if (isComplex(self.dtype)) throw new OpwiseError("unsupported-dtype", "Sort does not support complex dtypes on CPU");
  return arranged(ctx, self, wrapDim(dim, self.rank), descending, method, undefined);
}
const methodOf = (stable: boolean | null): SortMethod => (stable === true ? STABLE : INTRO);

/** The element that sorting puts at `place` along an axis, which stays as 1, and its position. */
export function kthOf(ctx: Context, self: Tensor, axis: number, place: number): [Tensor, Tensor] {
  return arranged(ctx, self, axis, false, { kind: "kth", place }, 1);
}

/** The first `length` of what sorting gives along an axis; of equal elements the earlier come first. */
export function firstSorted(ctx: Context, self: Tensor, length: number, axis: number, descending: boolean): [Tensor, Tensor] {
  if (length < 0 || length > (self.shape[axis] ?? 0)) throw new OpwiseError("index-out-of-range", "selected index k out of range", { wanted: `0 to ${self.shape[axis] ?? 0}`, got: `${length}` });
  return arranged(ctx, self, axis, descending, STABLE, length);
}

/** The `k` largest or smallest along an axis, in order. */
export function topk(ctx: Context, self: Tensor, k: number, dim: number, largest: boolean, sorted = true): [Tensor, Tensor] {
  if (self.dtype === "bool") throw new OpwiseError("unsupported-dtype", "topk does not support bool dtypes on CPU");
  const axis = wrapDim(dim, self.rank);
  const length = self.rank === 0 ? 1 : (self.shape[axis] ?? 0);
  if (k < 0 || k > length) throw new OpwiseError("index-out-of-range", "selected index k out of range", { wanted: `0 to ${length}`, got: `${k}` });
  if (self.rank === 0) return sort(ctx, self, dim, largest);
  if (isComplex(self.dtype)) throw new OpwiseError("unsupported-dtype", `"topk_cpu" not implemented for '${scalarName(self.dtype)}'`);
  return arranged(ctx, self, axis, largest, { kind: "first", length: k, sorted }, k);
}

/** Whether each slice along axis 0 differs from the one before, element by element; the first one does. */
function changesProgram(dtype: DType, rank: 1 | 2): Program {
  return programs(`changes ${dtype},${rank}`, () => {
    const first = binary("eq", index(0), constant(0, "index"));
    const before = select(first, index(0), subOf(index(0), constant(1, "index")));
    const at = (row: Expr): Expr[] => (rank === 1 ? [row] : [row, index(1)]);
    const prior = loadParts(0, dtype, at(before));
    const differs = loadParts(0, dtype, at(index(0))).map((e, i) => binary("ne", e, prior[i] ?? e)).reduce((a, b) => binary("or", a, b));
    return { name: "changes", operands: [dtype], scalars: [], outputs: [{ dtype: "bool", parts: [binary("or", first, differs)] }], messages: [] };
  });
}
const flagOf = (): Program => programs("flag", () => ({ name: "flag", operands: ["bool"], scalars: [], outputs: [{ dtype: "bool", parts: [arg(0, "bool")] }], messages: [] }));
const countFlag = (): Program => programs("count", () => ({ name: "group", operands: ["bool"], scalars: [], outputs: [{ dtype: "int32", parts: [cast(arg(0, "bool"), "i32")] }], messages: [] }));

/** Flags `[n]` of the places where a run of equal slices begins. */
export function runStarts(ctx: Context, rows: Tensor): Tensor {
  if (rows.rank === 1) return compute(ctx, changesProgram(rows.dtype, 1), rows.shape, [rows])[0] ?? unreachable("flags");
  const [each] = compute(ctx, changesProgram(rows.dtype, 2), rows.shape, [rows]);
  return reduce(ctx, flagOf(), anyOf(), [each ?? rows], [1], false, ["bool"])[0] ?? unreachable("flags");
}

/** Number of its run for each place: 1 for the first. */
function runNumbers(ctx: Context, starts: Tensor): Tensor {
  return scan(ctx, countFlag(), sumOf("i32"), [starts], 0, ["int32"])[0] ?? unreachable("runs");
}

/** Writes run numbers (from 0) to where the sorted elements came from. */
function inverseProgram(ordered: boolean): Program {
  return programs(`inverse ${ordered}`, () => {
    const run = subOf(loadIndex(0, "int32", [index(0)]), constant(1, "index"));
    return {
      name: "unique_inverse", operands: ordered ? ["int32", "int64"] : ["int32"], scalars: [],
      outputs: [{ dtype: "int64", parts: [ordered ? loadIndex(1, "int64", [index(0)]) : index(0)] }, { dtype: "int64", parts: [cast(run, "i64")] }], messages: [],
    };
  });
}
const countProgram = (): Program =>
  programs("counts", () => ({
    name: "unique_counts", operands: ["int32"], scalars: [],
    outputs: [{ dtype: "int64", parts: [subOf(loadIndex(0, "int32", [index(0)]), constant(1, "index"))] }, { dtype: "int64", parts: [constant(1n, "i64")] }], messages: [],
  }));

interface Wanted {
  readonly inverse: boolean;
  readonly counts: boolean;
}

/** Where each element's run is, and how long runs are; empty where not asked for. */
export function runFacts(ctx: Context, starts: Tensor, order: Tensor | undefined, count: number, wanted: Wanted): [Tensor, Tensor] {
  const n = starts.numel;
  const runs = wanted.inverse || wanted.counts ? runNumbers(ctx, starts) : starts;
  const inverse = empty(ctx, [wanted.inverse ? n : 0], "int64");
  if (wanted.inverse) scatterInto(ctx, inverse, inverseProgram(order !== undefined), [n], order === undefined ? [runs] : [runs, order], [], "set");
  const counts = wanted.counts ? filled(ctx, [count], "int64", { kind: "int", value: 0 }) : empty(ctx, [0], "int64");
  if (wanted.counts) scatterInto(ctx, counts, countProgram(), [n], [runs], [], "add");
  return [inverse, counts];
}

type Distinct = [Tensor, Tensor, Tensor];

/** Distinct elements of the whole tensor: of neighbours alone, or of all after sorting. */
function* uniqueFlat(ctx: Context, self: Tensor, sorted: boolean, wanted: Wanted): Generator<Tensor, Distinct, void> {
  const flat = reshaped(ctx, resolved(ctx, self), [self.numel]);
  if (self.numel === 0) {
    return [empty(ctx, [0], self.dtype), empty(ctx, wanted.inverse ? self.shape : [0], "int64"), empty(ctx, [0], "int64")];
  }
  const [values, order] = sorted ? sort(ctx, flat, 0, false) : [flat, undefined];
  const starts = runStarts(ctx, values);
  const total = countOf(ctx, starts);
  yield total;
  const count = Number(total.item());
  const [inverse, counts] = runFacts(ctx, starts, order, count, wanted);
  return [packed(ctx, values, starts, count), wanted.inverse ? reshaped(ctx, inverse, self.shape) : inverse, counts];
}

/** Distinct slices along an axis. */
function* uniqueDim(ctx: Context, self: Tensor, dim: number, sorted: boolean, wanted: Wanted): Generator<Tensor, Distinct, void> {
  const axis = wrapDim(dim, self.rank);
  const length = self.shape[axis] ?? 0;
  if (self.numel === 0) {
    if (self.shape.some((s, i) => s === 0 && i !== axis)) {
      throw new OpwiseError("bad-argument", "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied");
    }
    return [empty(ctx, self.shape, self.dtype), empty(ctx, [0], "int64"), empty(ctx, [0], "int64")];
  }
  const front = copyOf(ctx, axisMoved(self, axis, 0));
  const rows = reshaped(ctx, front, [length, front.numel / length]);
  const order = empty(ctx, [length], "int64");
  if (sorted) ctx.run({ kind: "sort", axis: 0, descending: false, rows: true, method: STABLE, operands: [rows], results: [order], scalars: [] });
  const lines = sorted ? indexSelect(ctx, rows, 0, order) : rows;
  const starts = runStarts(ctx, lines);
  const total = countOf(ctx, starts);
  yield total;
  const count = Number(total.item());
  const kept = indexSelect(ctx, lines, 0, reshaped(ctx, coordinatesOf(ctx, starts, count), [count]));
  const [inverse, counts] = runFacts(ctx, starts, sorted ? order : undefined, count, wanted);
  return [axisMoved(reshaped(ctx, kept, [count, ...front.shape.slice(1)]), 0, axis), inverse, counts];
}

export const sorting: readonly Op[] = [
  op("aten::sort(Tensor self, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", { run: (ctx, self, dim, descending) => sort(ctx, self, dim, descending, INTRO), quantised: "codes" }),
  op("aten::sort.stable(Tensor self, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", { run: (ctx, self, stable, dim, descending) => sort(ctx, self, dim, descending, methodOf(stable)), quantised: "codes" }),
  op("aten::argsort(Tensor self, int dim=-1, bool descending=False) -> Tensor", { run: (ctx, self, dim, descending) => sort(ctx, self, dim, descending, INTRO)[1], quantised: "codes" }),
  op("aten::argsort.stable(Tensor self, *, bool stable, int dim=-1, bool descending=False) -> Tensor", { run: (ctx, self, stable, dim, descending) => sort(ctx, self, dim, descending, methodOf(stable))[1] }),
  op("aten::msort(Tensor self) -> Tensor", { run: (ctx, self) => sort(ctx, self, 0, false)[0], quantised: "codes" }),
  op("aten::topk(Tensor self, SymInt k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)", { run: topk, quantised: "codes" }),
  op("aten::_unique(Tensor self, bool sorted=True, bool return_inverse=False) -> (Tensor, Tensor)", {
    reads: function* (ctx, self, _sorted, inverse) {
      return (yield* uniqueFlat(ctx, self, true, { inverse, counts: false })).slice(0, 2);
    },
  }),
  op("aten::_unique2(Tensor self, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)", { reads: (ctx, self, _sorted, inverse, counts) => uniqueFlat(ctx, self, true, { inverse, counts }) }),
  op("aten::unique_consecutive(Tensor self, bool return_inverse=False, bool return_counts=False, int? dim=None) -> (Tensor, Tensor, Tensor)", {
    reads: (ctx, self, inverse, counts, dim) => (dim === null || (self.rank === 1 && wrapDim(dim, 1) === 0) ? uniqueFlat(ctx, self, false, { inverse, counts }) : uniqueDim(ctx, self, dim, false, { inverse: true, counts: true })),
  }),
  op("aten::unique_dim(Tensor self, int dim, bool sorted=True, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)", { reads: (ctx, self, dim, _sorted) => uniqueDim(ctx, self, dim, true, { inverse: true, counts: true }) }),
  op("aten::unique_dim_consecutive(Tensor self, int dim, bool return_inverse=False, bool return_counts=False) -> (Tensor, Tensor, Tensor)", { reads: (ctx, self, dim) => uniqueDim(ctx, self, dim, false, { inverse: true, counts: true }) }),
];
