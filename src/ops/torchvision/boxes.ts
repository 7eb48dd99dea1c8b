/** Non-maximum suppression (torchvision: nms and, on integer codes, qnms): greedy and sequential, so it runs on the host. */

import { cast_, contiguous, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { narrowed } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor, View } from "../../tensor/tensor.ts";
import { op, type Op, type Reads } from "../define.ts";

/** The numbers of a contiguous float32 or float64 view. */
export function numbersOf(view: View, count: number): Float32Array | Float64Array {
  const array = view.storage.array(view.dtype === "float64" ? "f64" : "f32");
  if (!(array instanceof Float32Array || array instanceof Float64Array)) throw new OpwiseError("internal", "boxes were converted to floats");
  return array.subarray(view.offset, view.offset + count);
}

/** Keeps boxes in descending order of score that overlap no kept one by more than `limit`; sums round to the boxes' own precision. */
function suppress(boxes: ArrayLike<number>, scores: ArrayLike<number>, limit: number, single: boolean): number[] {
  const round = single ? Math.fround : Number;
  const side = (box: number, k: number): number => boxes[4 * box + k] ?? NaN;
  const area = Float64Array.from(scores, (_, box) => round(round(side(box, 2) - side(box, 0)) * round(side(box, 3) - side(box, 1))));
  const areaOf = (box: number): number => area[box] ?? NaN;
  // NaN counts as the greatest score; equal scores keep their order.
  const rank = (i: number): number => scores[i] ?? NaN;
  const order = Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => {
    const [p, q] = [rank(a), rank(b)];
    if (Number.isNaN(p) || Number.isNaN(q)) return Number(Number.isNaN(q)) - Number(Number.isNaN(p)) || a - b;
    return q - p || a - b;
  });
  // C++'s max and min of (a, b): a unless the comparison holds, so that NaN depends on the order.
  const greater = (a: number, b: number): number => (a < b ? b : a);
  const lesser = (a: number, b: number): number => (b < a ? b : a);
  const gone = new Uint8Array(scores.length);
  const kept: number[] = [];
  for (const [at, i] of order.entries()) {
    if (gone[i] === 1) continue;
    kept.push(i);
    for (let next = at + 1; next < order.length; next++) {
      const j = order[next] ?? 0;
      if (gone[j] === 1) continue;
      const w = greater(0, round(lesser(side(i, 2), side(j, 2)) - greater(side(i, 0), side(j, 0))));
      const h = greater(0, round(lesser(side(i, 3), side(j, 3)) - greater(side(i, 1), side(j, 1))));
      const shared = round(w * h);
      if (round(shared / round(round(areaOf(i) + areaOf(j)) - shared)) > limit) gone[j] = 1;
    }
  }
  return kept;
}

function* chosen(ctx: Context, dets: Tensor, scores: Tensor, limit: number, kernel: "nms_kernel" | "qnms_kernel"): Reads {
  if (dets.rank !== 2) throw new OpwiseError("shape-mismatch", `boxes should be a 2d tensor, got ${dets.rank}D`);
  if (dets.shape[1] !== 4) throw new OpwiseError("shape-mismatch", `boxes should have 4 elements in dimension 1, got ${dets.shape[1]}`);
  if (scores.rank !== 1) throw new OpwiseError("shape-mismatch", `scores should be a 1d tensor, got ${scores.rank}D`);
  const count = dets.shape[0] ?? 0;
  if (scores.shape[0] !== count) throw new OpwiseError("shape-mismatch", `boxes and scores should have same number of elements in dimension 0, got ${count} and ${scores.shape[0]}`);
  if (dets.dtype !== scores.dtype) throw new OpwiseError("dtype-mismatch", "dets should have the same type as scores", { got: `${dets.dtype} and ${scores.dtype}` });
  const taken = kernel === "nms_kernel" ? ["float32", "float64"] : ["uint8", "int8", "int16", "int32", "int64"];
  if (!taken.includes(dets.dtype)) throw new OpwiseError("dtype-mismatch", `"${kernel}" not implemented for ${dets.dtype}`, { wanted: taken.join(", ") });
  const dtype = dets.dtype === "float64" ? "float64" : "float32";
  const [places, marks] = [contiguous(ctx, cast_(ctx, dets, dtype)), contiguous(ctx, cast_(ctx, scores, dtype))];
  const [kept, total] = [empty(ctx, [count], "int64"), empty(ctx, [], "int64")];
  if (count === 0) return kept;
  ctx.run({
    kind: "host", name: "nms", operands: [places, marks], results: [kept, total], scalars: [],
    run: ([b, s], [out, number]) => {
      if (b === undefined || s === undefined || out === undefined || number === undefined) return;
      const picked = suppress(numbersOf(b, 4 * count), numbersOf(s, count), limit, dtype === "float32");
      const target = out.storage.array("i64");
      picked.forEach((i, k) => (target[out.offset + k] = BigInt(i)));
      number.storage.array("i64")[number.offset] = BigInt(picked.length);
    },
  });
  yield total;
  return narrowed(kept, 0, 0, Number(total.item()));
}

export const boxes: readonly Op[] = [
  op("torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", { reads: (ctx, dets, scores, limit) => chosen(ctx, dets, scores, limit, "nms_kernel") }),
  op("torchvision::qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", { reads: (ctx, dets, scores, limit) => chosen(ctx, dets, scores, limit, "qnms_kernel") }),
];
