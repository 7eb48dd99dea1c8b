/** Attention, head by head: keys and values of one head are packed, or read where they lie for a single query. */

import type { Region } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { KEYS, SIGHT } from "./attention.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { COLUMNS, ROWS } from "./gemm.ts";
import { padded } from "./products.ts";
import { inRanges } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";

export function refusesAttention(region: Region): string | undefined {
  const [q, k, v, mask] = region.operands;
  const out = region.results[0];
  if (q === undefined || k === undefined || v === undefined || out === undefined) return unreachable("operands");
  const odd = [q, k, v, out].find((view) => view.dtype !== "float32");
  if (odd !== undefined) return `no ${odd.dtype} kernel for attention`;
  if (mask !== undefined && mask.dtype !== "float32" && mask.dtype !== "bool") return `a mask of ${mask.dtype}`;
  if ((v.shape.at(-2) ?? 0) === 0) return "attention over no keys";
  return (out.shape.at(-1) ?? 1) > 1 && out.strides.at(-1) !== 1 ? "a result whose rows are not contiguous" : undefined;
}

/** A view's last two axes, and its strides on the leading axes of `lead`, in bytes. */
interface Matrices {
  readonly view: View;
  readonly rowStride: number;
  readonly columnStride: number;
  readonly steps: readonly number[];
}

function matricesOf(view: View, lead: readonly number[]): Matrices {
  const bytes = view.dtype === "bool" ? 1 : FLOAT;
  const rank = view.shape.length;
  const step = (axis: number): number => (axis < 0 || view.shape[axis] === 1 ? 0 : (view.strides[axis] ?? 0) * bytes);
  return { view, rowStride: step(rank - 2), columnStride: step(rank - 1), steps: lead.map((_, i) => step(rank - 2 - lead.length + i)) };
}

export function runAttention(region: Region, runtime: KernelRuntime, dense: DenseKernels, addressOf: (view: View) => number): void {
  const [q, k, v, mask] = region.operands;
  const out = region.results[0];
  if (q === undefined || k === undefined || v === undefined || out === undefined) return unreachable("operands");
  const { memory } = runtime;
  const lead = out.shape.slice(0, -2);
  const [queries, keys, values, result] = [matricesOf(q, lead), matricesOf(k, lead), matricesOf(v, lead), matricesOf(out, lead)];
  const masks = mask === undefined ? undefined : matricesOf(mask, lead);
  const [length = 0, width = 0] = q.shape.slice(-2);
  const [count = 0, depth = 0] = v.shape.slice(-2);
  const causal = region.params["causal"] === true;
  const sight = (causal ? SIGHT.causal : 0) | (mask === undefined ? 0 : mask.dtype === "bool" ? SIGHT.seen : SIGHT.added);
  const scale = Number(region.params["scale"]);
  const contiguous = (m: Matrices, size: number): boolean => size <= 1 || m.columnStride === FLOAT;
  const single = length === 1 && contiguous(queries, width) && contiguous(keys, width) && contiguous(values, depth);

  const place = (m: Matrices, at: readonly number[]): number =>
    addressOf(m.view) + m.view.offset * (m.view.dtype === "bool" ? 1 : FLOAT) + m.steps.reduce((sum, step, i) => sum + step * (at[i] ?? 0), 0);
  const [maskRow, maskColumn] = [masks?.rowStride ?? 0, masks?.columnStride ?? 0];
  inRanges(runtime, numelOf(lead), (length * count * (width + depth)) / 8, (first, heads) => {
    const [keyBytes, valueBytes] = [padded(count, ROWS) * width * FLOAT, count * padded(depth, ROWS) * FLOAT];
    const scratch = memory.allocate(single ? padded(count, 4) * FLOAT : (width + KEYS + padded(depth, ROWS)) * COLUMNS * FLOAT);
    const packed = single ? undefined : memory.allocate(keyBytes + valueBytes);
    let packedFrom: readonly [number, number] | undefined;
    for (let head = first; head < first + heads; head++) {
      const at = positionOf(head, lead);
      const [to, from, key, value] = [place(result, at), place(queries, at), place(keys, at), place(values, at)];
      const maskAt = masks === undefined ? 0 : place(masks, at);
      if (packed === undefined) {
        dense.attention.attendOne(to, from, key, value, maskAt, count, width, depth, keys.rowStride, values.rowStride, maskColumn, sight, 0, scratch.address, scale);
        continue;
      }
      // Heads that share keys and values share what was packed.
      if (packedFrom === undefined || packedFrom[0] !== key || packedFrom[1] !== value) {
        dense.gemm.packRows(packed.address, key, count, width, keys.rowStride, keys.columnStride);
        for (let k = 0; k < count; k += KEYS) {
          const block = packed.address + keyBytes + k * padded(depth, ROWS) * FLOAT;
          dense.gemm.packRows(block, value + k * values.rowStride, depth, Math.min(KEYS, count - k), values.columnStride, values.rowStride);
        }
        packedFrom = [key, value];
      }
      const [keysAt, valuesAt] = [packed.address, packed.address + keyBytes];
      const [row, column] = [queries.rowStride, queries.columnStride];
      const outRow = result.rowStride;
      dense.attention.attend(to, from, keysAt, valuesAt, maskAt, length, count, width, depth, row, column, outRow, maskRow, maskColumn, sight, 0, scratch.address, scale);
    }
    memory.free(scratch);
    if (packed !== undefined) memory.free(packed);
  });
}

/** The position that has a number in row-major order. */
function positionOf(number: number, shape: readonly number[]): number[] {
  const at: number[] = [];
  let left = number;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    at[axis] = left % size;
    left = Math.floor(left / size);
  }
  return at;
}
