/** Which values cross rows of the list, and from where to where. */

import { effect } from "@preact/signals";
import { askLanes } from "./layout-client.ts";
import { LaneIndex, type Stays } from "./lanes.ts";
import { KIND, type Run } from "./run.ts";
import { lanes, laneValues, rowOf, rows, runs, side, tree } from "./state.ts";
import type { Tree } from "./tree.ts";

/** Stays of a run's tensors over rows; the values, in the same order. Weights and constants have no lane. */
export function staysOf(run: Run, ofRun: Int32Array, rowOfEntry: Int32Array): { readonly stays: Stays; readonly values: Int32Array } {
  const found: (readonly [from: number, to: number, value: number])[] = [];
  const rowAt = (entry: number): number => rowOfEntry[ofRun[entry] ?? 0] ?? 0;
  for (const value of run.values) {
    if (value.shape === undefined || value.role === "weight" || run.kind[value.maker] === KIND.data) continue;
    const from = rowAt(value.maker);
    let to = from;
    for (const user of value.users) to = Math.max(to, rowAt(user));
    if (to > from) found.push([from, to, value.index]);
  }
  found.sort((x, y) => x[0] - y[0] || x[2] - y[2]);
  return { stays: { from: Int32Array.from(found, (f) => f[0]), to: Int32Array.from(found, (f) => f[1]) }, values: Int32Array.from(found, (f) => f[2]) };
}

/** The run whose values have lanes. */
export function laneRun(t: Tree): { readonly run: Run; readonly ofRun: Int32Array } | undefined {
  const [a, b] = runs.value;
  if (a === undefined) return undefined;
  return b !== undefined && side.value === "B" ? { run: b, ofRun: t.ofB } : { run: a, ofRun: t.ofA };
}

/** Keeps `lanes` at the rows that are shown. */
export function keepLanes(): () => void {
  return effect(() => {
    const t = tree.value;
    const chosen = t === undefined ? undefined : laneRun(t);
    const count = rows.value.length;
    if (chosen === undefined || count === 0) {
      lanes.value = undefined;
      return;
    }
    const { stays, values } = staysOf(chosen.run, chosen.ofRun, rowOf.value);
    askLanes(stays, count, (laid) => {
      laneValues.value = values;
      lanes.value = new LaneIndex(stays, laid, count);
    });
  });
}
