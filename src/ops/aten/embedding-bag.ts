/** Embeddings reduced by bag (PyTorch: embedding_bag): bag `b` holds the indices from `offsets[b]` to the next offset. */

import { binary, cast, check, constant, type Expr, fold, index, load, scalar, select, unary } from "../../expr/expr.ts";
import { compute, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, isFloat, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { filled } from "./filling.ts";
import { addOf, loadIndex, memo, subOf, zeroOf } from "./memo.ts";

const MODES = ["sum", "mean", "max"] as const;
type Mode = (typeof MODES)[number];

const programs = memo<Program>();
const [one, zero] = [constant(1, "index"), constant(0, "index")];
const MESSAGES = ["embedding_bag: index out of range", "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0."];
/** Run-time sizes: rows of the table, number of indices, number of offsets, the index to leave out (or -1). */
const [ROWS, COUNT, OFFSETS, PADDING] = [0, 1, 2, 3].map((k) => scalar(k, "index")) as [Expr, Expr, Expr, Expr];

/** First and one past the last position of bag `b`; operand 2 is the offsets. */
function bounds(b: Expr, offsets: DType): { readonly start: Expr; readonly length: Expr } {
  const next = addOf(b, one);
  const last = binary("ge", next, OFFSETS);
  const start = check(binary("eq", loadIndex(2, offsets, [zero]), zero), loadIndex(2, offsets, [b]), 1);
  const end = select(last, COUNT, cast(load(2, computeType(offsets), [select(last, zero, next)]), "index"));
  return { start, length: binary("max", subOf(end, start), zero) };
}

/** Folds the bag's rows: `[value, rows counted, chosen row]`. Operands: table, indices, offsets, weights per sample. */
function bagProgram(mode: Mode, dtype: DType, indices: DType, offsets: DType, weighted: boolean): Program {
  return programs(`${mode},${dtype},${indices},${offsets},${weighted}`, () => {
    const [own, type] = [computeType(dtype), computeType(opmathOf(dtype))];
    const { start, length } = bounds(index(0), offsets);
    const init = [zeroOf(type), zero, zero];
    const state = fold(0, length, init, ([sum = zero, count = zero, chosen = zero], trip) => {
      const position = addOf(start, trip);
      const given = loadIndex(1, indices, [position]);
      const row = check(binary("and", binary("ge", given, zero), binary("lt", given, ROWS)), given, 0);
      const counts = binary("ne", row, PADDING);
      const raw = cast(load(0, own, [row, index(1)]), type);
      const value = weighted ? binary("mul", raw, cast(load(3, own, [position]), type)) : raw;
      const next = addOf(count, one);
      if (mode !== "max") return [select(counts, binary("add", sum, value), sum), select(counts, next, count), chosen];
      const first = binary("eq", count, zero);
      const better = binary("or", first, isFloat(dtype) ? binary("or", binary("gt", value, sum), unary("isnan", value)) : binary("gt", value, sum));
      const takes = binary("and", counts, better);
      return [select(takes, value, sum), select(counts, next, count), select(takes, row, chosen)];
    });
    const [sum, count, chosen] = state;
    if (sum === undefined || count === undefined || chosen === undefined) return unreachable("bag state");
    const mean = select(binary("eq", count, zero), sum, binary("div", sum, cast(count, type)));
    const value = cast(mode === "mean" ? mean : sum, own);
    return {
      name: `embedding_bag_${mode}`, operands: weighted ? [dtype, indices, offsets, dtype] : [dtype, indices, offsets], scalars: ["index", "index", "index", "index"], messages: MESSAGES,
      outputs: mode === "max" ? [{ dtype, parts: [value] }, { dtype: offsets, parts: [cast(chosen, computeType(offsets))] }] : [{ dtype, parts: [value] }],
    };
  });
}

/** Rows counted in each bag. */
function sizeProgram(indices: DType, offsets: DType): Program {
  return programs(`size,${indices},${offsets}`, () => {
    const { start, length } = bounds(index(0), offsets);
    const [count = zero] = fold(0, length, [zero], ([n = zero], trip) => [addOf(n, select(binary("ne", loadIndex(1, indices, [addOf(start, trip)]), PADDING), one, zero))]);
    return { name: "bag_size", operands: ["bool", indices, offsets], scalars: ["index", "index", "index", "index"], messages: MESSAGES, outputs: [{ dtype: offsets, parts: [cast(count, computeType(offsets))] }] };
  });
}

/** The bag of each index: how many offsets after the first are at or before its position. */
function bagOfProgram(offsets: DType): Program {
  return programs(`bag,${offsets}`, () => {
    const [bag = zero] = fold(0, subOf(OFFSETS, one), [zero], ([n = zero], trip) => [addOf(n, select(binary("le", loadIndex(2, offsets, [addOf(trip, one)]), index(0)), one, zero))]);
    return { name: "offset2bag", operands: ["bool", "bool", offsets], scalars: ["index", "index", "index", "index"], messages: [], outputs: [{ dtype: offsets, parts: [cast(bag, computeType(offsets))] }] };
  });
}

/** Result, bag of each index, bag sizes, rows that won (max): the last three as PyTorch's CPU kernels leave them. */
export function embeddingBag(
  ctx: Context, table: Tensor, indices: Tensor, offsets: Tensor, modeNumber: number, perSample: Tensor | null, includeLast: boolean, paddingIndex: number | null,
): [Tensor, Tensor, Tensor, Tensor] {
  const mode = MODES[modeNumber];
  if (mode === undefined) throw new OpwiseError("bad-argument", `embedding_bag: mode is 0 (sum), 1 (mean) or 2 (max)`, { got: String(modeNumber) });
  if (table.rank !== 2) throw new OpwiseError("shape-mismatch", `embedding_bag: weight has to be a 2D tensor, but got a ${table.rank}D tensor`);
  if (indices.rank !== 1) throw new OpwiseError("shape-mismatch", `input has to be a 1D Tensor, but got Tensor of dimension ${indices.rank}`);
  if (offsets.rank !== 1) throw new OpwiseError("shape-mismatch", `offsets has to be a 1D Tensor, but got Tensor of dimension ${offsets.rank}`);
  if (perSample !== null) {
    if (mode !== "sum") throw new OpwiseError("bad-argument", "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum'");
    if (perSample.rank !== 1 || perSample.numel !== indices.numel) throw new OpwiseError("shape-mismatch", "embedding_bag: If per_sample_weights is not None, it must have as many elements as input");
    if (perSample.dtype !== table.dtype) throw new OpwiseError("dtype-mismatch", `expected scalar type of per_sample_weights to be ${scalarName(table.dtype)}, got ${scalarName(perSample.dtype)}`);
  }
  if (includeLast && offsets.numel < 1) throw new OpwiseError("shape-mismatch", "include_last_offset: numBags should be at least 1");
  const [rows = 0, width = 0] = table.shape;
  const padding = paddingIndex === null || paddingIndex < -rows ? -1 : paddingIndex;
  if (padding >= rows) throw new OpwiseError("index-out-of-range", `padding_idx must be within the number of embeddings, -${rows} through ${rows - 1}, but got ${padding}`);
  const bags = offsets.numel - (includeLast ? 1 : 0);
  const fast = mode === "sum" && padding < 0 && (table.dtype === "float32" || table.dtype === "float16" || table.dtype === "bfloat16") && table.strides[1] === 1;
  // Only the fast kernel stops at a last offset; the others run on to the last index.
  const scalars = [rows, indices.numel, fast ? offsets.numel : bags, padding];
  const [out, chosen] = compute(ctx, bagProgram(mode, table.dtype, indices.dtype, offsets.dtype, perSample !== null), [bags, width], perSample === null ? [table, indices, offsets] : [table, indices, offsets, perSample], scalars);
  if (out === undefined) return unreachable("bags");
  const nothing = empty(ctx, [0], "bool");
  const bagOf = fast ? empty(ctx, [0], offsets.dtype) : compute(ctx, bagOfProgram(offsets.dtype), [indices.numel], [nothing, nothing, offsets], scalars)[0];
  if (mode === "sum") {
    const zeros = filled(ctx, [offsets.numel], offsets.dtype, { kind: "int", value: 0 });
    return [out, bagOf ?? nothing, zeros, filled(ctx, [offsets.numel], offsets.dtype, { kind: "int", value: 0 })];
  }
  const sizes = compute(ctx, sizeProgram(indices.dtype, offsets.dtype), [bags], [nothing, indices, offsets], scalars)[0] ?? nothing;
  return [out, bagOf ?? nothing, sizes, chosen ?? sizes];
}

type Arguments = readonly [Tensor, Tensor, Tensor, boolean, number, boolean, Tensor | null, boolean];
const run = (ctx: Context, ...[table, indices, offsets, , mode, , perSample, includeLast]: Arguments): Tensor[] => embeddingBag(ctx, table, indices, offsets, mode, perSample, includeLast, null);
const runPadded = (ctx: Context, table: Tensor, indices: Tensor, offsets: Tensor, _scale: boolean, mode: number, _sparse: boolean, perSample: Tensor | null, includeLast: boolean, padding: number | null): Tensor[] => {
  const rows = table.shape[0] ?? 0;
  return embeddingBag(ctx, table, indices, offsets, mode, perSample, includeLast, padding !== null && padding < 0 && padding >= -rows ? padding + rows : padding);
};
/** Here a negative padding index means none. */
const runInner = (ctx: Context, table: Tensor, indices: Tensor, offsets: Tensor, _scale: boolean, mode: number, _sparse: boolean, perSample: Tensor | null, includeLast: boolean, padding: number): Tensor[] =>
  embeddingBag(ctx, table, indices, offsets, mode, perSample, includeLast, padding < 0 ? null : padding);

export const embeddingBags: readonly Op[] = [
  op("aten::embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False) -> (Tensor, Tensor, Tensor, Tensor)", { run }),
  op("aten::embedding_bag.padding_idx(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq, int mode, bool sparse, Tensor? per_sample_weights, bool include_last_offset, int? padding_idx) -> (Tensor, Tensor, Tensor, Tensor)", { run: runPadded }),
  op("aten::_embedding_bag(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)", { run: runInner }),
  op("aten::_embedding_bag_forward_only(Tensor weight, Tensor indices, Tensor offsets, bool scale_grad_by_freq=False, int mode=0, bool sparse=False, Tensor? per_sample_weights=None, bool include_last_offset=False, int padding_idx=-1) -> (Tensor, Tensor, Tensor, Tensor)", { run: runInner }),
];
