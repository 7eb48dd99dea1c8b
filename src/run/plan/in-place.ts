/** Maps that write over an operand which nothing reads any more: one memory where there were two. */

import type { Storage } from "../../tensor/storage.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { flowOf, isWhole } from "./flow.ts";
import type { Step, StraightLine } from "./region.ts";

export function writeInPlace(line: StraightLine): StraightLine {
  const { writers, readers } = flowOf(line.steps);
  const leaving = new Set(line.outputs);
  /** What each storage has become a part of. */
  const joined = new Map<Storage, Storage>();
  const final = (storage: Storage): Storage => {
    let at = storage;
    for (let next = joined.get(at); next !== undefined; next = joined.get(at)) at = next;
    return at;
  };
  line.steps.forEach((step, i) => {
    const [result] = step.what.results;
    if (step.what.kind !== "map" || result === undefined || step.what.results.length > 1 || !isWhole(result) || writers.get(result.storage)?.[0] !== i) return;
    if (readers.get(result.storage)?.some((reader) => reader <= i) === true) return;
    const over = step.what.operands.find(
      (view) =>
        writers.has(view.storage) && !leaving.has(view.storage) && final(view.storage) === view.storage && readers.get(view.storage)?.at(-1) === i && writers.get(view.storage)?.every((w) => w < i) === true &&
        view.storage.nbytes === result.storage.nbytes && readsAlike(step, view.storage, result),
    );
    if (over !== undefined) joined.set(over.storage, result.storage);
  });
  if (joined.size === 0) return line;
  const placed = (view: View): View => (joined.has(view.storage) ? { ...view, storage: final(view.storage) } : view);
  return { ...line, steps: line.steps.map((step) => ({ ...step, what: { ...step.what, operands: step.what.operands.map(placed), results: step.what.results.map(placed) } })) };
}

/** Whether the step reads each element of the storage only where it writes it. */
function readsAlike(step: Step, storage: Storage, result: View): boolean {
  return step.what.operands.every((view) => view.storage !== storage || (view.dtype === result.dtype && sameShape(view.shape, result.shape) && isWhole(view)));
}
