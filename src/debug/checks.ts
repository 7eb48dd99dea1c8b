/** Assertions on values (F16): `checks.opw` holds lines `SELECTOR => {condition}`; they run in CI and, sampled, in production. */

import { OpwiseError, isOpwiseError } from "../tensor/error.ts";
import type { TraceGraph } from "./graph.ts";
import { matches, selectNodes, selectValues, type Subject, subjectOf } from "./match.ts";
import { parseSelector, printSelector, type Selector } from "./selector.ts";
import type { TraceRun } from "./trace.ts";

export interface Check {
  /** 1-based line of the file. */
  readonly line: number;
  readonly text: string;
  readonly select: Selector;
  readonly holds: Selector;
  /** Share of the runs in which a listener looks at it. */
  readonly sample: number;
}
export interface CheckFailure {
  readonly check: Check;
  readonly node: number;
  readonly op: string;
  readonly nth: number;
  readonly module: string;
  readonly subject: Subject;
}
export interface CheckReport {
  readonly failures: readonly CheckFailure[];
  /** How often each check was looked at, in the order of the file. */
  readonly counts: readonly number[];
  /** Checks that nothing in the model matches. */
  readonly unmatched: readonly Check[];
}

/**
 * Reads assertions: `SELECTOR => {condition}`, then `sample 0.1` where a listener need not look each time; `//` begins a comment.
 * @throws bad-argument, with the line
 */
export function parseChecks(text: string, file: string = "checks.opw"): readonly Check[] {
  return text.split("\n").flatMap((whole, i): Check[] => {
    const text = whole.replace(/(?:^|\s)\/\/.*$/, "").trim();
    if (text === "") return [];
    const found = /^(.*?)=>\s*(\{.*\})\s*(?:sample\s+(\S+))?$/.exec(text);
    const where = { file, line: i + 1, text };
    if (found === null) throw new OpwiseError("bad-argument", "a check is `SELECTOR => {condition}`", { where, hint: "aten::softmax => {nan=0}   sample 0.1" });
    const sample = found[3] === undefined ? 1 : Number(found[3]);
    if (!(sample > 0 && sample <= 1)) throw new OpwiseError("bad-argument", "a sample is a share above 0, at most 1", { where, got: found[3] ?? "" });
    try {
      return [{ line: i + 1, text, select: parseSelector(found[1] ?? ""), holds: parseSelector(found[2] ?? ""), sample }];
    } catch (error) {
      throw isOpwiseError(error) ? error.at(where) : error;
    }
  });
}

/** Checks that nothing in the model can match. */
export function unmatchedChecks(graph: TraceGraph, checks: readonly Check[]): readonly Check[] {
  return checks.filter((check) => selectNodes(graph, check.select).length === 0 && selectValues(graph, check.select).length === 0);
}

/** Whether a subject keeps the check: each of its tensors has to. Undefined where it is not asked, or does not say. */
export function keeps(check: Check, subject: Subject, graph: TraceGraph): boolean | undefined {
  if (matches(check.select, subject, graph) !== true) return undefined;
  const each = (subject.values ?? []).map((value) => matches(check.holds, { ...subject, values: [value] }, graph));
  if (each.length === 0) return matches(check.holds, subject, graph);
  return each.includes(false) ? false : each.every((one) => one === true) ? true : undefined;
}

/** Holds a recorded run to its assertions. The run needs health records where conditions ask for them. */
export function checkRun(run: TraceRun, checks: readonly Check[]): CheckReport {
  const counts = checks.map(() => 0);
  const failures: CheckFailure[] = [];
  for (const execution of run.executions) {
    const subject = subjectOf(run, execution);
    checks.forEach((check, i) => {
      const kept = keeps(check, subject, run.graph);
      if (kept === undefined) return;
      counts[i] = (counts[i] ?? 0) + 1;
      if (!kept) failures.push({ check, node: execution.node, op: subject.node.op, nth: execution.nth, module: execution.module, subject });
    });
  }
  return { failures, counts, unmatched: unmatchedChecks(run.graph, checks) };
}

/** A check as text: `line 3: aten::softmax => {nan=0}`. */
export function checkText(check: Check): string {
  return `line ${check.line}: ${printSelector(check.select)} => ${printSelector(check.holds)}`;
}
