/** What is wrong or odd in a run, as groups with counts: the landing view where there is any. */

import { computed, type ReadonlySignal } from "@preact/signals";
import { bytes, milliseconds, numelOf, short } from "./format.ts";
import { FATE, fateAt, headroomOf } from "./overlays.ts";
import { entryName, FLAG, KIND, type Run } from "./run.ts";
import { errors, runs, tree, verdicts } from "./state.ts";
import type { Tree } from "./tree.ts";
import { itemBytes } from "./run-builder.ts";

export interface Problem {
  /** Tree entry. */
  readonly entry: number;
  readonly title: string;
  readonly detail: string;
}

export interface ProblemGroup {
  readonly kind: "source" | "victim" | "masked" | "amplifier" | "error" | "nan" | "nan-b" | "headroom" | "fallback" | "slow" | "dead";
  readonly title: string;
  readonly glyph: string;
  readonly tone: "bad" | "warn" | "plain";
  readonly items: readonly Problem[];
}

const SLOW_SHARE = 0.1;

function titleOf(run: Run, entry: number): string {
  return `${entryName(run, entry)} ${run.label[entry] ?? ""}`;
}

/** Groups of a tree; `errors` as in `overlays.ts`. */
export function findProblems(
  t: Tree,
  all: readonly Run[],
  errorOf: Float64Array | undefined,
  verdictOf: ReadonlyMap<number, string> = new Map(),
): readonly ProblemGroup[] {
  const [run] = all;
  if (run === undefined) return [];
  const groups: ProblemGroup[] = [];
  const add = (kind: ProblemGroup["kind"], title: string, glyph: string, tone: ProblemGroup["tone"], items: readonly Problem[]): void => {
    if (items.length > 0) groups.push({ kind, title, glyph, tone, items });
  };
  const ops: number[] = [];
  for (let entry = 0; entry < t.count; entry++) if (t.kind[entry] === KIND.op && (t.a[entry] ?? -1) >= 0) ops.push(entry);
  const inA = (entry: number): number => t.a[entry] ?? 0;
  const flagged = (bit: number): number[] => ops.filter((entry) => ((run.flags[inA(entry)] ?? 0) & bit) !== 0);
  const problem = (entry: number, detail: string): Problem => ({ entry, title: titleOf(run, inA(entry)), detail });

  let victims: readonly number[] = [];
  const times = (entry: number): string => `${errorOf?.[entry] === Infinity ? "∞" : short(errorOf?.[entry] ?? 0)}× ${run.path[inA(entry)] ?? ""}`;
  if (verdictOf.size > 0) {
    const of = (verdict: string): number[] => [...verdictOf].filter(([, own]) => own === verdict).map(([entry]) => entry);
    const items = (verdict: string): Problem[] => of(verdict).map((entry) => problem(entry, times(entry)));
    add("source", "Sources: wrong by themselves", "✗", "bad", items("source"));
    add("masked", "Masked: wrong, but no output shows it", "✗", "warn", items("masked"));
    add("amplifier", "Amplifiers: small differences grew", "↗", "warn", items("amplifier"));
    victims = of("victim");
  } else if (errorOf !== undefined) {
    const over = ops.filter((entry) => (errorOf[entry] ?? 0) > 1);
    // The first to differ of each chain: nothing that it took differs already.
    const isOver = new Set(over);
    const makers = (entry: number): number[] => (run.ins[inA(entry)] ?? []).flatMap((index) => t.ofA[run.values[index]?.maker ?? 0] ?? []);
    const first = over.filter((entry) => !makers(entry).some((maker) => isOver.has(maker)));
    add(
      "source",
      "First to differ",
      "✗",
      "bad",
      first.map((entry) => problem(entry, `${short(errorOf[entry] ?? 0)}× what is allowed`)),
    );
    victims = over.filter((entry) => !first.includes(entry));
  }
  add(
    "error",
    "Errors",
    "✗",
    "bad",
    flagged(FLAG.error).map((entry) => problem(entry, run.notes.get(inA(entry)) ?? "")),
  );
  const born = ops.filter((entry) => fateAt(run, inA(entry)) === FATE.born);
  add(
    "nan",
    "NaN and infinity born",
    "✶",
    "bad",
    born.map((entry) => {
      const value = (run.outs[inA(entry)] ?? [])
        .flatMap((index) => run.values[index] ?? [])
        .find((v) => v.health !== undefined && v.health.nan + v.health.posInf + v.health.negInf > 0);
      const h = value?.health;
      const inf = (h?.posInf ?? 0) + (h?.negInf ?? 0);
      return problem(
        entry,
        h === undefined ? "" : [h.nan > 0 ? `${h.nan} NaN` : "", inf > 0 ? `${inf} inf` : ""].filter((s) => s !== "").join(", ") + ` of ${h.n}`,
      );
    }),
  );
  const [, second] = all;
  if (second !== undefined) {
    const inB = (entry: number): number => t.b[entry] ?? -1;
    const bornB: number[] = [];
    for (let entry = 0; entry < t.count; entry++)
      if (t.kind[entry] === KIND.op && inB(entry) >= 0 && fateAt(second, inB(entry)) === FATE.born) bornB.push(entry);
    const onlyB = bornB.filter((entry) => !born.includes(entry));
    add(
      "nan-b",
      "NaN and infinity born in B",
      "✶",
      "bad",
      onlyB.map((entry) => ({ entry, title: titleOf(second, inB(entry)), detail: second.path[inB(entry)] ?? "" })),
    );
  }
  const tight = ops.filter((entry) =>
    (run.outs[inA(entry)] ?? []).some((index) => {
      const value = run.values[index];
      const room = value === undefined ? undefined : headroomOf(value);
      return room !== undefined && room < 1;
    }),
  );
  add(
    "headroom",
    "Close to overflow",
    "!",
    "warn",
    tight.map((entry) => problem(entry, "less than one binade left")),
  );
  add(
    "fallback",
    "Ran on another backend",
    "↩",
    "warn",
    flagged(FLAG.fallback).map((entry) => problem(entry, run.notes.get(inA(entry)) ?? "")),
  );
  add(
    "victim",
    "Differ after that",
    "↳",
    "warn",
    victims.map((entry) => problem(entry, times(entry))),
  );
  const total = run.ms[0] ?? Number.NaN;
  const slow = Number.isNaN(total)
    ? []
    : ops.filter((entry) => (run.ms[inA(entry)] ?? 0) > SLOW_SHARE * total && ops.length > 4).sort((x, y) => (run.ms[inA(y)] ?? 0) - (run.ms[inA(x)] ?? 0));
  add(
    "slow",
    "Over a tenth of the time",
    "▲",
    "plain",
    slow.map((entry) => problem(entry, `${milliseconds(run.ms[inA(entry)] ?? 0)}, ${Math.round((100 * (run.ms[inA(entry)] ?? 0)) / total)}%`)),
  );
  add(
    "dead",
    "Reaches no output",
    "∅",
    "plain",
    flagged(FLAG.dead).map((entry) => {
      const made = (run.outs[inA(entry)] ?? []).reduce((sum, index) => sum + numelOf(run.values[index]?.shape) * itemBytes(run.values[index]?.dtype), 0);
      return problem(entry, `${bytes(made)} made for nothing`);
    }),
  );
  return groups;
}

export const problems: ReadonlySignal<readonly ProblemGroup[]> = computed(() => {
  const t = tree.value;
  return t === undefined ? [] : findProblems(t, runs.value, errors.value, verdicts.value);
});

/** Ops that change what they are given, or the world: lists and attributes do not say in the graph who sees the change. */
const EFFECTS = /(?:append|extend|insert|pop|clear|remove|sort|_?set_?item|__setitem__|__delitem__|SetAttr|Print|RaiseException|copy_)(?:\.|$)/;

/** Marks ops that nothing below leads from to an output, a write or a print. */
export function markDead(run: Run): void {
  const isLive = new Uint8Array(run.count);
  const stack: number[] = [];
  const mark = (entry: number): void => {
    for (let at = entry; at >= 0 && isLive[at] === 0; at = run.parent[at] ?? -1) {
      isLive[at] = 1;
      stack.push(at);
    }
  };
  if (!run.values.some((value) => value.isOutput)) return; // not recorded: everything might be wanted
  for (const value of run.values) if (value.isOutput) mark(value.maker);
  for (let entry = 0; entry < run.count; entry++)
    if (((run.flags[entry] ?? 0) & (FLAG.writes | FLAG.reads | FLAG.error)) !== 0 || EFFECTS.test(run.label[entry] ?? "")) mark(entry);
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) for (const index of run.ins[entry] ?? []) mark(run.values[index]?.maker ?? 0);
  for (let entry = 0; entry < run.count; entry++) {
    const makesTensor = (run.outs[entry] ?? []).some((index) => run.values[index]?.shape !== undefined);
    const isLeaf = run.end[entry] === entry + 1;
    if (run.kind[entry] === KIND.op && isLeaf && isLive[entry] === 0 && makesTensor) run.flags[entry] = (run.flags[entry] ?? 0) | FLAG.dead;
  }
}
