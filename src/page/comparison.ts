/** What `opwise compare --json` found, laid over the runs: partners, errors as multiples of the budget, verdicts. */

import type { Run } from "./run.ts";
import type { Tree } from "./tree.ts";

/** One row of a comparison, as far as the page shows it. */
export interface CompareRow {
  readonly a: { readonly node: number; readonly nth: number };
  readonly b: { readonly node: number; readonly nth: number } | undefined;
  /** Times the budget, with the reference's inputs and in the whole run. */
  readonly isolated: number | undefined;
  readonly propagated: number | undefined;
  readonly verdict: string;
}

export interface ComparisonFile {
  readonly name: string;
  readonly rows: readonly CompareRow[];
}

const SCHEMA = /^opwise\.compare\/1$/;

type Fields = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function placeOf(value: unknown): { readonly node: number; readonly nth: number } | undefined {
  if (!isObject(value)) return undefined;
  const { node, nth } = value;
  return typeof node === "number" && typeof nth === "number" ? { node, nth } : undefined;
}

/** Whether the JSON is a comparison's. */
export function isComparison(value: unknown): boolean {
  return isObject(value) && typeof value["schema"] === "string" && SCHEMA.test(value["schema"]);
}

/** The rows of a comparison. @throws where the file is no comparison */
export function parseComparison(name: string, value: unknown): ComparisonFile {
  if (!isObject(value) || !isComparison(value) || !Array.isArray(value["rows"])) throw new Error(`${name} is no result of \`opwise compare --json\``);
  const number = (one: unknown): number | undefined => (typeof one === "number" ? one : one === "inf" ? Infinity : undefined);
  const rows = (value["rows"] as readonly unknown[]).flatMap((row): CompareRow[] => {
    const a = isObject(row) ? placeOf(row["a"]) : undefined;
    if (!isObject(row) || a === undefined) return [];
    return [
      {
        a,
        b: placeOf(row["b"]),
        isolated: number(row["isolated"]),
        propagated: number(row["propagated"]),
        verdict: typeof row["verdict"] === "string" ? row["verdict"] : "",
      },
    ];
  });
  return { name, rows };
}

/** Entries of a run by node and execution. */
export function entriesByNode(run: Run): ReadonlyMap<string, number> {
  const out = new Map<string, number>();
  for (let entry = 1; entry < run.count; entry++) if ((run.node[entry] ?? -1) >= 0) out.set(`${run.node[entry] ?? 0}[${run.nth[entry] ?? 0}]`, entry);
  return out;
}

/** Entry of B by entry of A, where the comparison paired them; `base` for what it does not speak of. */
export function partnersOf(file: ComparisonFile, a: Run, b: Run, base: Int32Array): Int32Array {
  const [inA, inB] = [entriesByNode(a), entriesByNode(b)];
  const out = Int32Array.from(base);
  const taken = new Map<number, number>();
  out.forEach((j, i) => {
    if (j >= 0) taken.set(j, i);
  });
  for (const row of file.rows) {
    const i = inA.get(`${row.a.node}[${row.a.nth}]`);
    const j = row.b === undefined ? undefined : inB.get(`${row.b.node}[${row.b.nth}]`);
    if (i === undefined || j === undefined) continue;
    const before = taken.get(j);
    if (before !== undefined) out[before] = -1;
    out[i] = j;
    taken.set(j, i);
  }
  return out;
}

/** Errors and verdicts by tree entry. */
export function verdictsOf(file: ComparisonFile, a: Run, t: Tree): { readonly errors: Float64Array; readonly verdicts: ReadonlyMap<number, string> } {
  const inA = entriesByNode(a);
  const errors = new Float64Array(t.count).fill(Number.NaN);
  const verdicts = new Map<number, string>();
  for (const row of file.rows) {
    const entry = t.ofA[inA.get(`${row.a.node}[${row.a.nth}]`) ?? -1];
    if (entry === undefined) continue;
    const times = row.verdict === "source" || row.verdict === "masked" ? (row.isolated ?? row.propagated) : (row.propagated ?? row.isolated);
    // JSON has no infinity: a wrong value without a number is as wrong as can be.
    if (times !== undefined) errors[entry] = times;
    else if (row.verdict === "source" || row.verdict === "victim" || row.verdict === "masked") errors[entry] = Infinity;
    verdicts.set(entry, row.verdict);
  }
  return { errors, verdicts };
}
