/** Which steps of a region write and read each storage. */

import type { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { itemsize } from "../../tensor/dtype.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import type { Step } from "./region.ts";

/** Steps by number, in order; the lists are the caller's. */
export interface Flow {
  readonly writers: ReadonlyMap<Storage, number[]>;
  readonly readers: ReadonlyMap<Storage, number[]>;
}

export function flowOf(steps: readonly Step[]): Flow {
  const writers = new Map<Storage, number[]>();
  const readers = new Map<Storage, number[]>();
  const add = (to: Map<Storage, number[]>, storage: Storage, i: number): void => {
    const list = to.get(storage);
    if (list === undefined) to.set(storage, [i]);
    else if (list.at(-1) !== i) list.push(i);
  };
  steps.forEach(({ what }, i) => {
    for (const view of what.operands) add(readers, view.storage, i);
    for (const view of what.results) add(writers, view.storage, i);
    // What a scatter does not hit keeps what it held.
    if (what.kind === "scatter") for (const view of what.results) add(readers, view.storage, i);
  });
  return { writers, readers };
}

/** Whether writing the view replaces all of its storage. */
export function isWhole(view: View): boolean {
  return isContiguous(view.shape, view.strides) && view.offset === 0 && numelOf(view.shape) * itemsize(view.dtype) >= view.storage.nbytes;
}

/** Whether the view has every element of its storage once, in whatever order. */
export function isDense(view: View): boolean {
  if (isContiguous(view.shape, view.strides)) return isWhole(view);
  const axes = view.shape.map((size, axis) => [view.strides[axis] ?? 0, size] as const).filter(([, size]) => size !== 1);
  let step = 1;
  for (const [stride, size] of axes.sort(([a], [b]) => a - b)) {
    if (stride !== step) return false;
    step *= size;
  }
  return view.offset === 0 && step * itemsize(view.dtype) >= view.storage.nbytes;
}

/** Whether any step strictly between the two writes a storage that `step` reads. */
export function isDisturbed(steps: readonly (Step | undefined)[], from: number, to: number, reads: ReadonlySet<Storage>): boolean {
  for (let i = from + 1; i < to; i++) for (const view of steps[i]?.what.results ?? []) if (reads.has(view.storage)) return true;
  return false;
}
