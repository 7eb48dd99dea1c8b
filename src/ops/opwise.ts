/** Opwise's own helper ops, which loaders emit (`ir/opwise-schemas.ts` says what each means). */

import { copyInto, empty } from "../prims/calls.ts";
import type { Context } from "../prims/context.ts";
import { sliced } from "../prims/views.ts";
import { OpwiseError } from "../tensor/error.ts";
import { wrapDim } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { stack } from "./aten/joins.ts";
import { filled } from "./aten/filling.ts";
import { op, type Op } from "./define.ts";

function stackScan(ctx: Context, items: readonly Tensor[], dim: number, reverse: boolean, like: Tensor | null, length: number | null): Tensor {
  if (items.length === 0) {
    if (like === null) throw new OpwiseError("runtime-error", "a loop without a round has an output whose dtype nothing tells", { hint: "declare the element type of the body's output" });
    const axis = wrapDim(dim, Math.max(like.rank, 1));
    return filled(ctx, like.shape.map((s, i) => (i === axis ? (length ?? 0) : s)), like.dtype, { kind: "int", value: 0 });
  }
  const stacked = stack(ctx, reverse ? [...items].reverse() : items, dim);
  const axis = wrapDim(dim, stacked.rank);
  const count = stacked.shape[axis] ?? 0;
  if (length === null || length <= count) return stacked;
  const out = empty(ctx, stacked.shape.map((s, i) => (i === axis ? length : s)), stacked.dtype);
  copyInto(ctx, sliced(out, axis, 0, count, 1), stacked);
  return out;
}

function scanLength(items: readonly Tensor[], axes: readonly number[]): number {
  const lengths = items.map((t, i) => t.shape[wrapDim(axes[i] ?? 0, t.rank)] ?? 0);
  const [first = 0] = lengths;
  if (lengths.some((n) => n !== first)) throw new OpwiseError("shape-mismatch", "the inputs that are scanned have different lengths", { got: lengths.join(", ") });
  return first;
}

export const opwiseOps: readonly Op[] = [
  op("opwise::stack_scan(Tensor[] items, int axis, bool reverse, Tensor? like=None, int? length=None) -> Tensor", { run: stackScan }),
  op("opwise::scan_length(Tensor[] items, int[] axes) -> int", { run: (_ctx, items, axes) => scanLength(items, axes) }),
];
