/** Prints where calls ran, and why some ran elsewhere. */

import type { Placement } from "../../src/run/placements.ts";

/** Native calls summed up by kind, every fallback with its reason. */
export function printPlacement(lines: readonly Placement[]): void {
  const native = lines.filter((l) => l.reason === undefined);
  const fallback = lines.filter((l) => l.reason !== undefined);
  const sum = (list: readonly Placement[]): number => list.reduce((n, l) => n + l.count, 0);
  console.log(`  native: ${sum(native)} calls (${native.sort((a, b) => b.count - a.count).slice(0, 12).map((l) => `${l.what} ${l.count}`).join(", ")})`);
  console.log(`  fallback to cpu: ${sum(fallback)} calls, ${(fallback.reduce((n, l) => n + l.bytes, 0) / 1e6).toFixed(1)} MB moved`);
  const reasons = new Map<string, { count: number; what: Set<string> }>();
  for (const l of fallback) {
    const entry = reasons.get(l.reason ?? "") ?? { count: 0, what: new Set<string>() };
    entry.count += l.count;
    entry.what.add(l.what);
    reasons.set(l.reason ?? "", entry);
  }
  for (const [reason, entry] of [...reasons].sort((a, b) => b[1].count - a[1].count)) {
    console.log(`    ${String(entry.count).padStart(6)}  ${reason}: ${[...entry.what].slice(0, 5).join(", ")}${entry.what.size > 5 ? ", …" : ""}`);
  }
}
