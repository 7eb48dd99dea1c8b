/** What the user can do: each a function that changes the state and says so to the live region. Keys, buttons and pointers all come here. */

import { batch } from "@preact/signals";
import { entryName, mainOutput } from "./run.ts";
import { oneLine } from "./format.ts";
import { OVERLAYS } from "./overlays.ts";
import { problems } from "./problems.ts";
import {
  breaks,
  chosen,
  column,
  found,
  open,
  overlay,
  pane,
  position,
  query,
  rowOf,
  rows,
  runs,
  selected,
  showData,
  shownAt,
  side,
  slice,
  span,
  spoken,
  stops,
  tree,
  type Side,
} from "./state.ts";
import { KIND } from "./run.ts";
import { sliceOf } from "./slice.ts";
import { backward, forward, runOn, type Motion } from "./walk.ts";

/** What a screen reader hears of an entry: its name, its result, its verdict. */
export function describe(entry: number): string {
  const t = tree.value;
  if (t !== undefined && entry >= t.count) return "end of the run";
  const shown = shownAt(entry);
  if (shown === undefined) return "";
  const value = mainOutput(shown.run, shown.entry);
  const c = column.value;
  const number = c?.values[entry] ?? Number.NaN;
  const verdict = c === undefined || Number.isNaN(number) ? "" : `, ${c.name} ${c.text(number)}`;
  return `${entryName(shown.run, shown.entry)} ${shown.run.label[shown.entry] ?? ""}${value === undefined ? "" : `, ${oneLine(value)}`}${verdict}`;
}

/** Opens what is above an entry, so that it has a row. */
export function reveal(entry: number): void {
  const t = tree.value;
  if (t === undefined) return;
  const missing: number[] = [];
  for (let above = t.parent[entry] ?? -1; above >= 0; above = t.parent[above] ?? -1) if (!open.value.has(above)) missing.push(above);
  if (missing.length > 0) open.value = new Set([...open.value, ...missing]);
  if ((t.kind[entry] === KIND.data || t.kind[entry] === KIND.prim) && found.value === undefined) showData.value = true;
}

export function select(entry: number, value?: number): void {
  const t = tree.value;
  if (t === undefined) return;
  batch(() => {
    selected.value = Math.max(0, Math.min(t.count - 1, entry));
    chosen.value = value;
    spoken.value = describe(selected.value);
  });
}

/** Selects an entry wherever it is hidden. */
export function goTo(entry: number, value?: number): void {
  batch(() => {
    reveal(entry);
    select(entry, value);
  });
}

/** Selects the value's maker in the run it belongs to, and shows the value. */
export function goToValue(run: (typeof runs.value)[number], index: number): void {
  const value = run.values[index];
  const t = tree.value;
  if (value === undefined || t === undefined) return;
  const entry = (run === runs.value[1] ? t.ofB : t.ofA)[value.maker] ?? 0;
  goTo(entry, index);
}

function stopAt(entry: number, how: string): void {
  const t = tree.value;
  if (t === undefined) return;
  batch(() => {
    position.value = entry;
    if (entry < t.count) goTo(entry);
    spoken.value = `${how}: ${describe(entry)}`;
  });
}

/** Whether one can stop at an entry: rows that are hidden as data are passed. */
function isStop(entry: number): boolean {
  const kind = tree.value?.kind[entry];
  return showData.value || (kind !== KIND.data && kind !== KIND.prim);
}

/** One step in a direction; `in` opens the module that it enters. */
export function step(motion: Motion, by: 1 | -1 = 1): void {
  const t = tree.value;
  if (t === undefined) return;
  const to = by > 0 ? forward(t, position.value, motion, isStop) : backward(t, position.value, motion, isStop);
  stopAt(to, to >= t.count ? "ended" : by > 0 ? `step ${motion}` : `back ${motion}`);
}

/** To the next breakpoint, or the end; with -1 to the one before, or the start. */
export function resume(by: 1 | -1 = 1): void {
  const t = tree.value;
  if (t === undefined) return;
  const at = stops.value;
  const to = runOn(t, Math.min(position.value, t.count), by, (entry) => at?.[entry] === 1);
  const isBreak = to > 0 && to < t.count;
  stopAt(to, isBreak ? `breakpoint${by < 0 ? ", backwards" : ""}` : by > 0 ? "ended" : "at the start");
}

export function runTo(entry: number): void {
  stopAt(entry, "at");
}

/** Sets or removes the breakpoint of an entry's node. */
export function toggleBreak(entry: number): void {
  const shown = shownAt(entry);
  if (shown === undefined) return;
  const node = shown.run.node[entry < 0 ? 0 : shown.entry] ?? -1;
  if (node < 0) {
    spoken.value = "no op to stop at";
    return;
  }
  toggleSelectorBreak(`#${node}`);
}

export function toggleSelectorBreak(selector: string): void {
  const isSet = breaks.value.includes(selector);
  breaks.value = isSet ? breaks.value.filter((one) => one !== selector) : [...breaks.value, selector];
  spoken.value = `breakpoint ${selector} ${isSet ? "removed" : "set"}`;
}

export function toggleOpen(entry: number, to?: boolean): void {
  const t = tree.value;
  if (t === undefined || (t.end[entry] ?? 0) <= entry + 1) return;
  const next = new Set(open.value);
  if (to ?? !next.has(entry)) next.add(entry);
  else next.delete(entry);
  batch(() => {
    open.value = next;
    // What was selected inside is now in the closed row.
    if (!next.has(entry) && selected.value > entry && selected.value < (t.end[entry] ?? 0)) select(entry);
  });
}

export function openAll(isOpen: boolean): void {
  const t = tree.value;
  if (t === undefined) return;
  const next = new Set<number>([0]);
  if (isOpen) for (let entry = 0; entry < t.count; entry++) if ((t.end[entry] ?? 0) > entry + 1 && t.kind[entry] !== KIND.op) next.add(entry);
  batch(() => {
    open.value = next;
    if (!isOpen) select(rows.value[rowOf.value[selected.value] ?? 0] ?? 0);
  });
}

/** Moves the selection by rows of the list. */
export function moveRow(by: number): void {
  const row = (rowOf.value[selected.value] ?? 0) + by;
  const entry = rows.value[Math.max(0, Math.min(rows.value.length - 1, row))];
  if (entry !== undefined) select(entry);
}

/** `h`: closes, or goes to the parent. `l`: opens, or goes to the first row inside. */
export function fold(): void {
  const t = tree.value;
  const at = selected.value;
  if (t === undefined) return;
  if (open.value.has(at) && (t.end[at] ?? 0) > at + 1) toggleOpen(at, false);
  else goTo(Math.max(0, t.parent[at] ?? 0));
}
export function unfold(): void {
  const t = tree.value;
  const at = selected.value;
  if (t === undefined || (t.end[at] ?? 0) <= at + 1) return;
  if (!open.value.has(at)) toggleOpen(at, true);
  else moveRow(1);
}

/** Follows an edge: to the maker of the first value taken, or to the first user of what was made. */
export function follow(direction: "maker" | "user"): void {
  const shown = shownAt(selected.value);
  const t = tree.value;
  if (shown === undefined || t === undefined) return;
  const { run, entry } = shown;
  const toTree = (inRun: number): number => (run === runs.value[1] ? t.ofB : t.ofA)[inRun] ?? 0;
  if (direction === "maker") {
    const value = (run.ins[entry] ?? []).flatMap((index) => run.values[index] ?? []).find((v) => v.role === "value" && v.shape !== undefined);
    if (value !== undefined) goTo(toTree(value.maker));
    return;
  }
  const value = mainOutput(run, entry);
  const next = value?.users.find((user) => user > entry && (run.end[entry] ?? 0) <= user);
  if (next !== undefined) goTo(toTree(next));
}

export function stepProblem(by: 1 | -1): void {
  const list = problems.value.flatMap((group) => group.items.map((item) => item.entry)).sort((a, b) => a - b);
  const next = by > 0 ? list.find((entry) => entry > selected.value) : list.findLast((entry) => entry < selected.value);
  if (next === undefined) spoken.value = "no further problem";
  else goTo(next);
}

export function setOverlay(at: number): void {
  const name = OVERLAYS[at];
  if (name === undefined) return;
  overlay.value = overlay.value === name ? "none" : name;
  spoken.value = `overlay ${overlay.value}`;
}

export function nextSide(): void {
  if (runs.value.length < 2) return;
  const order: readonly Side[] = ["A", "B", "difference"];
  side.value = order[(order.indexOf(side.value) + 1) % order.length] ?? "A";
  spoken.value = `showing ${side.value}`;
}

/** Leaves only the ops on a way to a value, or from it. */
export function showSlice(run: (typeof runs.value)[number], value: number, direction: "back" | "forth"): void {
  const t = tree.value;
  const fact = run.values[value];
  if (t === undefined || fact === undefined) return;
  const ofRun = run === runs.value[1] ? t.ofB : t.ofA;
  const entries = new Uint8Array(t.count);
  sliceOf(run, value, direction).forEach((hit, entry) => {
    if (hit === 1) entries[ofRun[entry] ?? 0] = 1;
  });
  const text = direction === "back" ? `what leads to ${fact.name}` : `what follows from ${fact.name}`;
  batch(() => {
    slice.value = { text, entries };
    spoken.value = `showing ${text}: ${entries.reduce((a, b) => a + b, 0)} ops`;
  });
}

export function clearSearch(): void {
  batch(() => {
    slice.value = undefined;
    query.value = "";
    span.value = undefined;
  });
}

export function showPane(name: typeof pane.value): void {
  pane.value = name;
}
