/** Numbers of the user's own on the page's entries: a file of selectors, each with a number. */

import { effect, signal, type Signal } from "@preact/signals";
import { matchTree } from "./search.ts";
import { overlay, ownNumbers, tree } from "./state.ts";
import type { Tree } from "./tree.ts";

export interface DataRow {
  readonly selector: string;
  readonly value: number;
}

/** Lines of one file: more are no overlay. */
const MAX_ROWS = 20_000;

/** Rows of a .csv (`selector,number`; a selector with a comma stands in quotes) or of a .json (an object of numbers by selector). @throws where it is neither */
export function parseData(name: string, text: string): DataRow[] {
  const rows: DataRow[] = [];
  if (/\.json$/i.test(name)) {
    const object = JSON.parse(text) as unknown;
    if (typeof object !== "object" || object === null || Array.isArray(object)) throw new Error(`${name}: an object of numbers by selector is wanted`);
    for (const [selector, value] of Object.entries(object)) if (typeof value === "number") rows.push({ selector, value });
  } else {
    for (const line of text.split(/\r?\n/)) {
      const parts = /^\s*(?:"((?:[^"]|"")*)"|([^,\t;]*))\s*[,\t;]\s*([^,\t;]+)/.exec(line);
      const value = Number(parts?.[3]);
      if (parts !== null && Number.isFinite(value)) rows.push({ selector: (parts[1]?.replaceAll('""', '"') ?? parts[2] ?? "").trim(), value });
    }
  }
  if (rows.length === 0) throw new Error(`${name}: no line has a selector and a number`);
  if (rows.length > MAX_ROWS) throw new Error(`${name}: at most ${MAX_ROWS} lines are wanted, got ${rows.length}`);
  return rows;
}

/** What was dropped last. */
export const dataFile: Signal<{ readonly name: string; readonly rows: readonly DataRow[] } | undefined> = signal(undefined);

/** The numbers by tree entry; a later line wins. @throws where a selector is none */
function numbersOn(t: Tree, rows: readonly DataRow[]): Float64Array {
  const out = new Float64Array(t.count).fill(Number.NaN);
  for (const { selector, value } of rows) {
    matchTree(selector, t).forEach((hit, entry) => {
      if (hit === 1) out[entry] = value;
    });
  }
  return out;
}

/** Shows the numbers of a file. @throws where it cannot be read, or a selector in it is none */
export function openData(name: string, text: string): void {
  const rows = parseData(name, text);
  if (tree.value !== undefined) numbersOn(tree.value, rows); // what is wrong is told now, not while drawing
  dataFile.value = { name, rows };
  overlay.value = "data";
}

/** Keeps the numbers at what is open. */
export function keepData(): void {
  effect(() => {
    const t = tree.value;
    ownNumbers.value = t === undefined || dataFile.value === undefined ? undefined : numbersOn(t, dataFile.value.rows);
  });
}
