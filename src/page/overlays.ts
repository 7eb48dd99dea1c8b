/** Overlays: one number for each entry, shown alike on list, tree, graph and timeline. Modules have the sum, the worst or the least of what is below. */

import { largestOf } from "../tensor/dtype.ts";
import { bytes as bytesText, milliseconds, numelOf, short } from "./format.ts";
import { itemBytes } from "./run-builder.ts";
import { FLAG, KIND, type Run, type ValueFact } from "./run.ts";
import type { Tree } from "./tree.ts";

export const OVERLAYS = ["none", "time", "memory", "error", "finite", "headroom", "backend", "data"] as const;
export type OverlayName = (typeof OVERLAYS)[number];

export const OVERLAY_LABELS: Readonly<Record<OverlayName, string>> = {
  none: "no overlay",
  time: "time",
  memory: "memory",
  error: "error A–B",
  finite: "NaN fate",
  headroom: "dtype headroom",
  backend: "backend",
  data: "numbers of a file",
};

export interface Column {
  readonly name: OverlayName;
  /** By tree entry; NaN: nothing to say. */
  readonly values: Float64Array;
  /** 0 to 1: how much of a bar, how strong a colour. */
  readonly share: (value: number) => number;
  readonly text: (value: number) => string;
  /** A sign besides the colour. */
  readonly glyph: (value: number) => string;
  readonly tone: (value: number) => "plain" | "good" | "warn" | "bad";
  readonly legend: string;
}

type Fold = "sum" | "max" | "min";

/** Fills modules from what is below them. */
function folded(tree: Tree, values: Float64Array, how: Fold): Float64Array {
  for (let entry = tree.count - 1; entry > 0; entry--) {
    const own = values[entry] ?? Number.NaN;
    const parent = tree.parent[entry] ?? 0;
    if (Number.isNaN(own)) continue;
    const above = values[parent] ?? Number.NaN;
    values[parent] = Number.isNaN(above) ? own : how === "sum" ? above + own : how === "max" ? Math.max(above, own) : Math.min(above, own);
  }
  return values;
}

function ofLeaves(tree: Tree, of: (entry: number) => number): Float64Array {
  return Float64Array.from({ length: tree.count }, (_, entry) => (tree.end[entry] === entry + 1 ? of(entry) : Number.NaN));
}

function outsOf(run: Run, entry: number): readonly ValueFact[] {
  return (run.outs[entry] ?? []).flatMap((index) => run.values[index] ?? []);
}
function insOf(run: Run, entry: number): readonly ValueFact[] {
  return (run.ins[entry] ?? []).flatMap((index) => run.values[index] ?? []);
}

function nonFinite(value: ValueFact): number {
  const h = value.health;
  return h === undefined ? 0 : h.nan + h.posInf + h.negInf;
}

/** Fate of non-finite numbers at an op. */
export const FATE = { none: 0, dies: 1, carries: 2, born: 3 } as const;

export function fateAt(run: Run, entry: number): number {
  const outs = outsOf(run, entry);
  if (!outs.some((value) => value.health !== undefined)) return Number.NaN;
  const made = outs.some((value) => nonFinite(value) > 0);
  const came = insOf(run, entry).some((value) => nonFinite(value) > 0);
  return made ? (came ? FATE.carries : FATE.born) : came ? FATE.dies : FATE.none;
}

/** Binades between the largest number of a value and its dtype's largest; undefined where either is not known. */
export function headroomOf(value: ValueFact): number | undefined {
  const largest = value.dtype === undefined ? undefined : largestOf(value.dtype);
  const absmax = value.health?.absmax;
  return largest === undefined || absmax === undefined || absmax === 0 ? undefined : Math.log2(largest / absmax);
}

function logShare(value: number, low: number, high: number): number {
  return value <= 0 ? 0 : Math.max(0, Math.min(1, Math.log(value / low) / Math.log(high / low)));
}

/** The overlay's numbers. `errors` by tree entry, where two runs were compared: multiples of what is allowed. */
export function columnOf(name: OverlayName, tree: Tree, runs: readonly Run[], errors: Float64Array | undefined, data?: Float64Array): Column | undefined {
  const [a, b] = runs;
  if (a === undefined || name === "none") return undefined;
  const runAt = (entry: number): readonly [Run, number] => {
    const inA = tree.a[entry] ?? -1;
    return inA >= 0 || b === undefined ? [a, inA] : [b, tree.b[entry] ?? -1];
  };
  switch (name) {
    case "time": {
      const values = folded(
        tree,
        ofLeaves(tree, (e) => {
          const [run, i] = runAt(e);
          return run.ms[i] ?? Number.NaN;
        }),
        "sum",
      );
      const most = Math.max(values[0] ?? 0, 1e-9);
      return {
        name,
        values,
        share: (v) => v / most,
        text: milliseconds,
        glyph: (v) => (v / most > 0.1 ? "▲" : ""),
        tone: (v) => (v / most > 0.25 ? "bad" : v / most > 0.1 ? "warn" : "plain"),
        legend: `share of ${milliseconds(values[0] ?? Number.NaN)}; ▲ over a tenth`,
      };
    }
    case "memory": {
      const values = folded(
        tree,
        ofLeaves(tree, (e) => {
          const [run, i] = runAt(e);
          const own = outsOf(run, i).filter((v) => v.shape !== undefined && v.viewOf === undefined);
          return own.length === 0 ? Number.NaN : own.reduce((sum, v) => sum + numelOf(v.shape) * itemBytes(v.dtype), 0);
        }),
        "sum",
      );
      let most = 1;
      values.forEach((v, e) => {
        if (tree.end[e] === e + 1 && v > most) most = v;
      });
      return {
        name,
        values,
        share: (v) => Math.min(1, v / most),
        text: bytesText,
        glyph: (v) => (v >= most ? "▲" : ""),
        tone: (v) => (v >= most / 2 ? "warn" : "plain"),
        legend: `bytes made; largest op ${bytesText(most)}`,
      };
    }
    case "error": {
      if (errors === undefined) return undefined;
      const values = folded(tree, Float64Array.from(errors), "max");
      return {
        name,
        values,
        share: (v) => logShare(v, 0.05, 1e4),
        text: (v) => (v === Infinity ? "∞×" : `${short(v)}×`),
        glyph: (v) => (v > 1 ? "✗" : v > 0.5 ? "!" : "✓"),
        tone: (v) => (v > 1 ? "bad" : v > 0.5 ? "warn" : "good"),
        legend: "× what is allowed, logarithmic; ✗ over 1",
      };
    }
    case "finite": {
      const values = folded(
        tree,
        ofLeaves(tree, (e) => {
          const [run, i] = runAt(e);
          return i < 0 ? Number.NaN : fateAt(run, i);
        }),
        "max",
      );
      return {
        name,
        values,
        share: (v) => v / FATE.born,
        text: (v) => ["finite", "dropped here", "carried", "born here"][v] ?? "",
        glyph: (v) => ["", "†", "→", "✶"][v] ?? "",
        tone: (v) => (v === FATE.born ? "bad" : v === FATE.carries ? "warn" : v === FATE.dies ? "good" : "plain"),
        legend: "✶ born, → carried, † dropped",
      };
    }
    case "headroom": {
      const values = folded(
        tree,
        ofLeaves(tree, (e) => {
          const [run, i] = runAt(e);
          const rooms = outsOf(run, i).flatMap((v) => headroomOf(v) ?? []);
          return rooms.length === 0 ? Number.NaN : Math.min(...rooms);
        }),
        "min",
      );
      return {
        name,
        values,
        share: (v) => Math.max(0, Math.min(1, 1 - v / 128)),
        text: (v) => `${Math.floor(v)} binades`,
        glyph: (v) => (v < 1 ? "✗" : v < 4 ? "!" : ""),
        tone: (v) => (v < 1 ? "bad" : v < 4 ? "warn" : "plain"),
        legend: "binades left to the dtype's largest number",
      };
    }
    case "backend": {
      const values = folded(
        tree,
        ofLeaves(tree, (e) => {
          const [run, i] = runAt(e);
          return i < 0 || run.kind[i] !== KIND.op ? Number.NaN : ((run.flags[i] ?? 0) & FLAG.fallback) === 0 ? 0 : 1;
        }),
        "max",
      );
      return {
        name,
        values,
        share: (v) => v,
        text: (v) => (v > 0 ? "fell back" : a.backend),
        glyph: (v) => (v > 0 ? "↩" : ""),
        tone: (v) => (v > 0 ? "warn" : "plain"),
        legend: `↩ ran elsewhere than on ${a.backend}`,
      };
    }
    case "data": {
      if (data === undefined) return undefined;
      const known = data.filter((value) => !Number.isNaN(value));
      const [low, high] = [known.reduce((a, b) => Math.min(a, b), 0), known.reduce((a, b) => Math.max(a, b), -Infinity)];
      const most = Math.max(high, -low) || 1;
      return {
        name,
        values: data,
        share: (v) => Math.abs(v) / most,
        text: short,
        glyph: (v) => (v === high ? "▲" : ""),
        tone: (v) => (v === high ? "warn" : "plain"),
        legend: `your numbers, ${short(low)} to ${short(high)}`,
      };
    }
    default:
      return name satisfies never;
  }
}
