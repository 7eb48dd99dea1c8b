/** What leads to a value, and what follows from it. */

import { KIND, type Run } from "./run.ts";

/** 1 for each op of the run on a way to the value (`back`), or from it (`forth`); the value's maker is among them. */
export function sliceOf(run: Run, value: number, direction: "back" | "forth"): Uint8Array {
  const out = new Uint8Array(run.count);
  const seen = new Set<number>([value]);
  const stack = [value];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const fact = run.values[at];
    if (fact === undefined) continue;
    if (direction === "back" || at === value) out[fact.maker] = 1;
    const entries = direction === "back" ? [fact.maker] : fact.users;
    for (const entry of entries) {
      if (entry === 0) continue;
      out[entry] = 1;
      // A call takes and gives what its own ops take and give: the way goes through them.
      if (run.kind[entry] === KIND.module || run.kind[entry] === KIND.trip) continue;
      for (const next of (direction === "back" ? run.ins[entry] : run.outs[entry]) ?? []) {
        if (seen.has(next)) continue;
        seen.add(next);
        stack.push(next);
      }
    }
  }
  return out;
}
