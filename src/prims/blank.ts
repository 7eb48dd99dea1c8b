/** Which storages of a segment show the zeros that memory starts with. */

import { itemsize } from "../tensor/dtype.ts";
import { isContiguous, numelOf } from "../tensor/shape.ts";
import type { Storage } from "../tensor/storage.ts";
import type { View } from "../tensor/tensor.ts";
import type { Segment } from "./segment.ts";

/** Ranges of a view that are looked at, at most: what lies more scattered counts as never written. */
const MAX_RANGES = 2 ** 16;

/** Calls `visit` with each contiguous range of bytes of a view. @returns false where there are too many */
function eachRange(view: View, visit: (from: number, to: number) => void): boolean {
  const size = itemsize(view.dtype);
  if (numelOf(view.shape) === 0) return true;
  // Axes from the innermost in memory; those that lie one after another are one range, and one that repeats its elements adds none.
  const axes = view.shape
    .map((count, axis) => ({ count, stride: view.strides[axis] ?? 0 }))
    .filter(({ count, stride }) => count > 1 && stride !== 0)
    .sort((a, b) => a.stride - b.stride);
  let length = 1;
  while (axes[0]?.stride === length) length *= axes.shift()?.count ?? 1;
  if (numelOf(axes.map(({ count }) => count)) > MAX_RANGES) return false;
  const walk = (at: number, left: number): void => {
    const axis = axes[left - 1];
    if (axis === undefined) return visit(at * size, (at + length) * size);
    for (let i = 0; i < axis.count; i++) walk(at + i * axis.stride, left - 1);
  };
  walk(view.offset, axes.length);
  return true;
}

/** Storages that steps write, and of which something is read or leaves that nothing has written: most often results whose pieces leave gaps. */
export function blankStorages({ steps, outputs }: Segment): ReadonlySet<Storage> {
  const blank = new Set<Storage>();
  const whole = new Set<Storage>();
  /** A mark for each byte written, of those that pieces write. */
  const marks = new Map<Storage, Uint8Array>();
  const made = new Set(steps.flatMap((step) => step.results.map((view) => view.storage)));
  const isSettled = (storage: Storage): boolean => !made.has(storage) || whole.has(storage) || blank.has(storage);
  const isRead = (view: View): void => {
    const { storage } = view;
    if (isSettled(storage)) return;
    const written = marks.get(storage);
    const seen = written !== undefined && eachRange(view, (from, to) => void (written.subarray(from, to).includes(0) && blank.add(storage)));
    if (!seen) blank.add(storage);
  };
  const isWritten = (view: View): void => {
    const { storage } = view;
    if (isSettled(storage)) return;
    if (isContiguous(view.shape, view.strides) && numelOf(view.shape) * itemsize(view.dtype) >= storage.nbytes) return void whole.add(storage);
    const written = marks.get(storage) ?? new Uint8Array(storage.nbytes);
    marks.set(storage, written);
    if (!eachRange(view, (from, to) => void written.fill(1, from, to))) blank.add(storage);
  };
  for (const { kind, operands, results } of steps) {
    operands.forEach(isRead);
    // A scatter leaves what it does not hit.
    if (kind === "scatter") results.forEach(isRead);
    results.forEach(isWritten);
  }
  for (const storage of outputs) if (!isSettled(storage) && marks.get(storage)?.includes(0) !== false) blank.add(storage);
  return blank;
}
