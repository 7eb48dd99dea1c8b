/** Selectors on a run: the grammar of the terminal, over the page's entries. */

import { matches, type Candidate, type Subject } from "../debug/match.ts";
import { parseSelector, type Selector } from "../debug/selector.ts";
import { FLAG, KIND, type Run, type ValueFact } from "./run.ts";

function candidateOf(value: ValueFact): Candidate {
  return {
    id: value.index,
    name: value.name.replace(/^%/, ""),
    version: value.version,
    tensor: value.shape === undefined ? undefined : { dtype: value.dtype ?? "", shape: value.shape, strides: value.strides ?? [], offset: value.offset ?? 0 },
    health: value.health,
  };
}

/** Distances to the other run by entry, for `{err>1}`. */
export type ErrorOf = (entry: number) => number | undefined;

function subjectOf(run: Run, entry: number, errorOf: ErrorOf): Subject | undefined {
  const node = run.graph.nodes[(run.node[entry] ?? 0) - 1];
  if (node === undefined) return undefined;
  const own = (run.outs[entry] ?? []).flatMap((index) => run.values[index] ?? []);
  const isWriting = ((run.flags[entry] ?? 0) & FLAG.writes) !== 0;
  const ms = run.ms[entry] ?? Number.NaN;
  return {
    node,
    nth: run.nth[entry],
    t: run.t0[entry],
    end: run.t1[entry],
    module: run.path[entry],
    backend: run.backend,
    ms: Number.isNaN(ms) ? undefined : ms,
    fallbacks: ((run.flags[entry] ?? 0) & FLAG.fallback) === 0 ? 0 : 1,
    err: errorOf(entry),
    values: own.filter((value) => value.shape !== undefined).map(candidateOf),
    written: isWriting ? own.flatMap((value) => (value.version === undefined ? [] : [{ names: namesOf(run, value), version: value.version }])) : [],
  };
}

/** All names of a value's storage. */
function namesOf(run: Run, value: ValueFact): string[] {
  return run.values.filter((other) => other.storage === value.storage).map((other) => other.name.replace(/^%/, ""));
}

/** Names of primitive calls below an entry. */
function primsOf(run: Run, entry: number): string[] {
  const out: string[] = [];
  for (let child = entry + 1; child < (run.end[entry] ?? 0); child++) if (run.kind[child] === KIND.prim) out.push(run.label[child] ?? "");
  return out;
}

function asksForPrims(selector: Selector): boolean {
  return selector.kind === "prim" || ("parts" in selector && selector.parts.some(asksForPrims)) || ("part" in selector && asksForPrims(selector.part));
}

/** A bare word: a module's path to the grammar, and what one types first. */
const WORD = /^[\w.]+$/;

/**
 * 1 for each entry that the selector matches. A bare word that is no module's path finds ops, modules and values with it in their names.
 * @throws OpwiseError where the text is no selector
 */
export function matchRun(run: Run, text: string, errorOf: ErrorOf = () => undefined): Uint8Array {
  const selector = parseSelector(text);
  const prims = asksForPrims(selector);
  const out = new Uint8Array(run.count);
  let hits = 0;
  for (let entry = 1; entry < run.count; entry++) {
    const subject = subjectOf(run, entry, errorOf);
    if (subject === undefined) continue;
    if (matches(selector, prims ? { ...subject, prims: primsOf(run, entry) } : subject, run.graph) !== true) continue;
    out[entry] = 1;
    hits++;
  }
  if (hits === 0 && WORD.test(text)) {
    const word = text.toLowerCase();
    const has = (part: string | undefined): boolean => part?.toLowerCase().includes(word) === true;
    for (let entry = 1; entry < run.count; entry++) {
      const names = (run.outs[entry] ?? []).map((index) => run.values[index]?.name);
      if (has(run.label[entry]) || has(run.detail[entry]) || (run.kind[entry] === KIND.module && has(run.path[entry])) || names.some(has)) out[entry] = 1;
    }
  }
  return out;
}
