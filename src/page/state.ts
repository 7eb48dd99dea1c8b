/** The page's state: signals, and what follows from them. Components read these and call `actions.ts`; nothing else is shared. */

import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { LaneIndex } from "./lanes.ts";
import { partnersOf, type ComparisonFile } from "./comparison.ts";
import { columnOf, type Column, type OverlayName } from "./overlays.ts";
import type { Place, Run, ValueFact } from "./run.ts";
import { KIND, mainOutput } from "./run.ts";
import { alignRuns } from "./align.ts";
import { mergeRuns, rowOfEntries, treeOf, visibleRows, type Tree } from "./tree.ts";

export type Side = "A" | "B" | "difference";
export type Pane = "timeline" | "source" | "ir" | "problems" | "output";
export type Centre = "list" | "graph";
export type Theme = "system" | "light" | "dark";

/** What is open: none, one run, or two laid over each other. */
export const runs: Signal<readonly Run[]> = signal([]);
/** While a file is opened or a model runs: what is going on. */
export const busy: Signal<string | undefined> = signal(undefined);
export const failure: Signal<string | undefined> = signal(undefined);
/** What the live region says. */
export const spoken: Signal<string> = signal("");

/** What `opwise compare` found of the two runs, where its result was opened with them. */
export const comparison: Signal<ComparisonFile | undefined> = signal(undefined);

export const tree: ReadonlySignal<Tree | undefined> = computed(() => {
  const [a, b] = runs.value;
  if (a === undefined) return undefined;
  if (b === undefined) return treeOf(a);
  const own = alignRuns(a, b);
  return mergeRuns(a, b, comparison.value === undefined ? own : partnersOf(comparison.value, a, b, own));
});

/** Entries whose children are shown. */
export const open: Signal<ReadonlySet<number>> = signal(new Set([0]));
/** Whether constants, attributes and lists have rows. */
export const showData: Signal<boolean> = signal(false);
export const selected: Signal<number> = signal(0);
/** Where the run has stopped: a tree entry, or `count` at the end. */
export const position: Signal<number> = signal(0);
/** The value that the inspector shows, by index in the shown run; undefined: the first tensor that the selected entry made. */
export const chosen: Signal<number | undefined> = signal(undefined);
export const side: Signal<Side> = signal("A");
export const overlay: Signal<OverlayName> = signal("none");
/** Selector texts of breakpoints; those of one node are `#412`. */
export const breaks: Signal<readonly string[]> = signal([]);
export const query: Signal<string> = signal("");
/** Why the search text is no selector. */
export const queryFault: Signal<string | undefined> = signal(undefined);
/** Steps that a brush on the timeline has left. */
export const span: Signal<readonly [number, number] | undefined> = signal(undefined);
export const pane: Signal<Pane> = signal("timeline");
export const centre: Signal<Centre> = signal("list");
export const theme: Signal<Theme> = signal("system");
export const helpOpen: Signal<boolean> = signal(false);
export const lettersOn: Signal<boolean> = signal(true);

/** Tree entries that the search finds: made by `search.ts`, which knows selectors. */
export const found: Signal<Uint8Array | undefined> = signal(undefined);
/** Tree entries that lead to, or follow from, a value: all others are left out. */
export const slice: Signal<{ readonly text: string; readonly entries: Uint8Array } | undefined> = signal(undefined);
/** Tree entries at which a run stops. */
export const stops: Signal<Uint8Array | undefined> = signal(undefined);
/** Numbers of the user's own, by tree entry. */
export const ownNumbers: Signal<Float64Array | undefined> = signal(undefined);
/** What a comparison says of tree entries: `source`, `victim`, … */
export const verdicts: Signal<ReadonlyMap<number, string>> = signal(new Map());
/** Multiples of what is allowed, by tree entry. */
export const errors: Signal<Float64Array | undefined> = signal(undefined);

/** What the search, the slice and the brush leave; undefined where none of them is set. */
const matches: ReadonlySignal<Uint8Array | undefined> = computed(() => {
  const t = tree.value;
  const within = span.value;
  const kept = [found.value, slice.value?.entries].filter((one) => one !== undefined);
  if (t === undefined || (within === undefined && kept.length === 0)) return undefined;
  return Uint8Array.from({ length: t.count }, (_, entry) => {
    if (within !== undefined) {
      const at = stepOf(entry, t);
      if (at < within[0] || at > within[1] || t.kind[entry] === KIND.data) return 0;
    }
    return kept.every((one) => one[entry] === 1) ? 1 : 0;
  });
});

export const rows: ReadonlySignal<Int32Array> = computed(() => {
  const t = tree.value;
  return t === undefined ? new Int32Array(0) : visibleRows(t, open.value, { data: showData.value, matches: matches.value });
});
export const rowOf: ReadonlySignal<Int32Array> = computed(() => {
  const t = tree.value;
  return t === undefined ? new Int32Array(0) : rowOfEntries(t, rows.value);
});

/** Lanes of the rows on show; they come from the worker a moment later than the rows. */
export const lanes: Signal<LaneIndex | undefined> = signal(undefined);
/** Values by stay of `lanes`. */
export const laneValues: Signal<Int32Array> = signal(new Int32Array(0));

export const column: ReadonlySignal<Column | undefined> = computed(() => {
  const t = tree.value;
  return t === undefined ? undefined : columnOf(overlay.value, t, runs.value, errors.value, ownNumbers.value);
});

/** The run and its entry that stand for a tree entry: the chosen side where it has one, else the other. */
export function shownAt(entry: number, t: Tree | undefined = tree.value): { readonly run: Run; readonly entry: number } | undefined {
  const [a, b] = runs.value;
  if (t === undefined || a === undefined) return undefined;
  const inA = t.a[entry] ?? -1;
  const inB = t.b[entry] ?? -1;
  if (b !== undefined && inB >= 0 && (inA < 0 || side.value === "B")) return { run: b, entry: inB };
  return inA >= 0 ? { run: a, entry: inA } : undefined;
}

/** The step at which an entry starts, on A's clock where A has it. */
export function stepOf(entry: number, t: Tree | undefined = tree.value): number {
  const shown = shownAt(entry, t);
  if (shown === undefined) return t !== undefined && entry >= t.count ? (runs.value[0]?.t1[0] ?? 0) : 0;
  return shown.run.t0[shown.entry] ?? 0;
}

/** The value in the inspector, and the entry it belongs to. */
export const inspected: ReadonlySignal<{ readonly run: Run; readonly entry: number; readonly value: ValueFact | undefined } | undefined> = computed(() => {
  const shown = shownAt(selected.value);
  if (shown === undefined) return undefined;
  const index = chosen.value;
  return { ...shown, value: (index === undefined ? undefined : shown.run.values[index]) ?? mainOutput(shown.run, shown.entry) };
});

/** The same value of the other run: at the same place among the results of the partner. */
export const counterpart: ReadonlySignal<{ readonly run: Run; readonly value: ValueFact } | undefined> = computed(() => {
  const own = inspected.value;
  const t = tree.value;
  const [a, b] = runs.value;
  if (own?.value === undefined || t === undefined || a === undefined || b === undefined) return undefined;
  const isA = own.run === a;
  const other = isA ? b : a;
  const makerEntry = (isA ? t.ofA : t.ofB)[own.value.maker] ?? -1;
  const partner = makerEntry < 0 ? -1 : ((isA ? t.b : t.a)[makerEntry] ?? -1);
  if (partner < 0) return undefined;
  if (own.value.maker === 0) {
    const value = other.values.find((v) => v.maker === 0 && v.role === own.value?.role && v.name === own.value?.name);
    return value === undefined ? undefined : { run: other, value };
  }
  const place = (own.run.outs[own.value.maker] ?? []).indexOf(own.value.index);
  const value = other.values[(other.outs[partner] ?? [])[place] ?? -1];
  return value === undefined ? undefined : { run: other, value };
});

/** Where the selected entry comes from in the source. */
export const place: ReadonlySignal<Place | undefined> = computed(() => {
  const shown = shownAt(selected.value);
  if (shown === undefined) return undefined;
  return shown.run.nodeFact(shown.run.node[shown.entry] ?? -1)?.place;
});
