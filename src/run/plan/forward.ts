/** Readers of a copy read what was copied, where it lies the same way and is still there. */

import type { View } from "../../tensor/tensor.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import type { Step, StraightLine } from "./region.ts";

/** A copy that holds so far: elements `[to, to + count)` of one storage are those from `from` on of another. */
export interface Copy {
  readonly source: View;
  readonly result: View;
  readonly count: number;
}

/** The elements of its storage that a view touches lie in `[first, end)`. */
export function extent(view: View): readonly [number, number] {
  if (numelOf(view.shape) === 0) return [view.offset, view.offset];
  const last = view.shape.reduce((at, size, axis) => at + (size - 1) * (view.strides[axis] ?? 0), view.offset);
  return [view.offset, last + 1];
}

/** The copy that a step is, where source and result are whole ranges in the same order. */
export function copyOf({ what }: Step): Copy | undefined {
  if (what.kind !== "map" || what.operands.length !== 1 || what.results.length !== 1) return undefined;
  const [source] = what.operands;
  const [result] = what.results;
  const [value, imaginary] = what.program.outputs[0]?.parts ?? []; // an imaginary part may have changed its sign
  if (source === undefined || result === undefined || value?.op !== "arg" || imaginary !== undefined || source.dtype !== result.dtype || source.storage === result.storage) return undefined;
  if (!isContiguous(source.shape, source.strides) || !isContiguous(result.shape, result.strides) || numelOf(source.shape) !== numelOf(result.shape)) return undefined;
  return { source, result, count: numelOf(result.shape) };
}

export function forward(line: StraightLine): StraightLine {
  let copies: Copy[] = [];
  const read = (view: View): View => {
    for (let i = 0; i < copies.length; i++) {
      const copy = copies[i];
      if (copy === undefined || view.storage !== copy.result.storage || view.dtype !== copy.result.dtype) continue;
      const [first, end] = extent(view);
      const { source, result, count } = copy;
      if (first >= result.offset && end <= result.offset + count) return { ...view, storage: source.storage, offset: view.offset - result.offset + source.offset };
    }
    return view;
  };
  const steps = line.steps.map((step): Step => {
    const { what } = step;
    // A scatter's result holds what it does not hit: nothing of it is looked for elsewhere.
    const now: Step = { ...step, what: { ...what, operands: what.operands.map(read) } };
    for (const view of what.results) copies = copies.filter((c) => !overlaps(c.source, view) && !overlaps(c.result, view));
    const copy = copyOf(now);
    if (copy !== undefined) copies.push(copy);
    return now;
  });
  return { ...line, steps };
}

/** Whether writing `view` may change what `range` covers. */
function overlaps(range: View, view: View): boolean {
  if (range.storage !== view.storage) return false;
  if (range.dtype !== view.dtype) return true;
  const [a, b] = [extent(range), extent(view)];
  return a[0] < b[1] && b[0] < a[1];
}
