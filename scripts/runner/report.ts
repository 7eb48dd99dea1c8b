/** Prints what a run gave: a line per failing case, a summary of reasons, and the two closing counts. */

import type { Outcome } from "./outcome.ts";

export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

/** Prints the report and gives the case counts. With `json` everything goes out as one object, the closing lines after it. */
export function report(outcomes: readonly Outcome[], options: { readonly json: boolean; readonly quiet?: boolean }): Totals {
  const failing = outcomes.filter((o) => o.failures.length > 0 || o.callsFailed > 0);
  const missing = new Map<string, number>();
  const reasons = new Map<string, number>();
  for (const o of failing) {
    for (const f of o.failures) {
      for (const op of f.missing ?? []) missing.set(op, (missing.get(op) ?? 0) + 1);
      const kind = f.missing === undefined ? f.reason.replace(/[-\d.e+]+/g, "#").replace(/`[^`]*`/g, "`…`").slice(0, 70) : "unsupported op";
      reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
    }
  }
  const calls = { passed: outcomes.reduce((n, o) => n + o.callsPassed, 0), failed: outcomes.reduce((n, o) => n + o.callsFailed, 0) };
  const totals = { passed: outcomes.length - failing.length, failed: failing.length };
  if (options.json) {
    console.log(JSON.stringify({ ...totals, calls, failing, missing: Object.fromEntries(missing) }, null, 1));
  } else if (options.quiet !== true) {
    for (const o of failing) {
      const [first] = o.failures;
      const more = o.failures.length > 1 ? ` (and ${o.failures.length - 1} more)` : "";
      console.log(`FAIL ${o.name}: ${first?.where ?? "?"}: ${(first?.reason ?? "").slice(0, 220)}${more}`);
    }
    if (missing.size > 0) {
      console.log("unsupported ops:");
      for (const [op, n] of [...missing].sort((a, b) => b[1] - a[1])) console.log(`  ${String(n).padStart(5)}  ${op}`);
    }
    if (reasons.size > 0) {
      console.log("reasons:");
      for (const [reason, n] of [...reasons].sort((a, b) => b[1] - a[1]).slice(0, 25)) console.log(`  ${String(n).padStart(5)}  ${reason}`);
    }
  }
  console.log(`calls: ${calls.passed} passed, ${calls.failed} failed`);
  console.log(`${totals.passed} passed, ${totals.failed} failed`);
  return totals;
}

/** Flags of the runners. */
export interface Flags {
  readonly positional: readonly string[];
  readonly backend: string;
  readonly filter: string | undefined;
  readonly json: boolean;
  readonly plans: boolean;
  readonly timeoutMs: number;
  readonly workers: number;
}

export function parseFlags(argv: readonly string[]): Flags {
  const positional: string[] = [];
  const named = new Map<string, string>();
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (word === "--json" || word === "--plans") named.set(word.slice(2), "yes");
    else if (word.startsWith("--")) named.set(word.slice(2), argv[++i] ?? "");
    else positional.push(word);
  }
  return {
    positional, backend: named.get("backend") ?? "cpu", filter: named.get("filter"), json: named.has("json"), plans: named.has("plans"),
    timeoutMs: Number(named.get("timeout") ?? 60) * 1000, workers: Number(named.get("workers") ?? 2),
  };
}

/** Ends the process once everything printed has left: `process.exit` alone cuts off what a pipe has not taken yet. */
export function finish(code: number): void {
  process.stdout.write("", () => process.exit(code));
}
