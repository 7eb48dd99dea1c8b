/** Steps whose results nothing reads and that do not leave. */

import type { StraightLine } from "./region.ts";

export function dropDead(line: StraightLine): StraightLine {
  const wanted = new Set(line.outputs);
  const steps = [...line.steps]
    .reverse()
    .filter(({ what }) => {
      if (!what.results.some((view) => wanted.has(view.storage))) return false;
      for (const view of [...what.operands, ...what.results]) wanted.add(view.storage);
      return true;
    })
    .reverse();
  return steps.length === line.steps.length ? line : { ...line, steps };
}
