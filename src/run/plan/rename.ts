/** One storage per value: what in-place ops write over becomes another storage, so that the steps between are free to move. */

import { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { isWhole } from "./flow.ts";
import type { StraightLine } from "./region.ts";

export function rename(line: StraightLine): StraightLine {
  const now = new Map<Storage, Storage>();
  const written = new Set<Storage>();
  const renamed = (view: View): View => {
    const storage = now.get(view.storage);
    return storage === undefined ? view : { ...view, storage };
  };
  const steps = line.steps.map((step) => {
    const { what } = step;
    const operands = what.operands.map(renamed);
    const results = what.results.map((view) => {
      const again = written.has(view.storage);
      written.add(view.storage);
      if (again && what.kind !== "scatter" && isWhole(view)) now.set(view.storage, Storage.allocate(view.storage.nbytes));
      return renamed(view);
    });
    return { ...step, what: { ...what, operands, results } };
  });
  return { ...line, steps, outputs: line.outputs.map((storage) => now.get(storage) ?? storage) };
}
