/** Unique: distinct elements or slices, sorted or in the order of their first occurrence. */

import { cast, index } from "../../expr/expr.ts";
import { copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { axisMoved, reshaped } from "../../prims/views.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { gatherAt, indexSelect, scatterInto } from "../aten/indexing.ts";
import { loadIndex, memo } from "../aten/memo.ts";
import { coordinatesOf, countOf } from "../aten/nonzero.ts";
import { runFacts, runStarts, sort, STABLE } from "../aten/sorting.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, type Reading, tensorAt } from "./inputs.ts";

const programs = memo<Program>();

/** `result[operand[i]] = i`. */
const inversion = (): Program =>
  programs("inverse", () => ({
    name: "inverse_permutation",
    operands: ["int64"],
    scalars: [],
    messages: [],
    outputs: [
      { dtype: "int64", parts: [loadIndex(0, "int64", [index(0)])] },
      { dtype: "int64", parts: [cast(index(0), "i64")] },
    ],
  }));

/** Positions `[n]` in the order that sorts the rows `[n, m]`. */
function sortedOrder(ctx: Context, rows: Tensor): Tensor {
  const order = empty(ctx, [rows.shape[0] ?? 0], "int64");
  if (order.numel > 0) ctx.run({ kind: "sort", axis: 0, descending: false, rows: true, method: STABLE, operands: [rows], results: [order], scalars: [] });
  return order;
}

function* unique(ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const x = tensorAt(call, 0);
  const whole = !call.attributes.has("axis");
  const axis = whole ? 0 : axisOf(call.attributes.int("axis"), x.rank);
  const front = copyOf(ctx, whole ? reshaped(ctx, x, [x.numel]) : axisMoved(x, axis, 0));
  const length = front.shape[0] ?? 0;
  const rows = reshaped(ctx, front, [length, length === 0 ? 0 : front.numel / length]);
  if (front.numel === 0) return [front, ...[0, 1, 2].map(() => empty(ctx, [0], "int64"))];
  const order = sortedOrder(ctx, rows);
  const starts = runStarts(ctx, indexSelect(ctx, rows, 0, order));
  const total = countOf(ctx, starts);
  yield total;
  const count = Number(total.item());
  let [inverse, counts] = runFacts(ctx, starts, order, count, { inverse: true, counts: true });
  // The sort is stable: a run begins with the slice that occurs first.
  let firsts = gatherAt(ctx, order, [reshaped(ctx, coordinatesOf(ctx, starts, count), [count])]);
  if (call.attributes.int("sorted", 1) === 0) {
    const [places, ranks] = sort(ctx, firsts, 0, false);
    const moved = scatterInto(ctx, empty(ctx, [count], "int64"), inversion(), [count], [ranks], [], "set");
    [firsts, counts, inverse] = [places, gatherAt(ctx, counts, [ranks]), gatherAt(ctx, moved, [inverse])];
  }
  const kept = reshaped(ctx, indexSelect(ctx, rows, 0, firsts), [count, ...front.shape.slice(1)]);
  return [whole ? kept : axisMoved(kept, 0, axis), firsts, inverse, counts];
}

export const uniqueOps: readonly OnnxOp[] = [onnxOp("Unique", { 11: { reads: unique } })];
