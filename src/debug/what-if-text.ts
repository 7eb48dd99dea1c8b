/** Reports of `whatif` as text. */

import { decibels } from "./decibels.ts";
import { bytesText } from "./trace-text.ts";
import type { SweepRow, WhatIfReport } from "./what-if.ts";

export function whatIfText(report: WhatIfReport): readonly string[] {
  const out = report.changes.map(({ text, applied }) => `${text}   applied ${applied} ${applied === 1 ? "time" : "times"}`);
  out.push(`${report.shared} of ${report.steps} steps are shared with the run as it is`);
  if (report.error !== undefined) return [...out, `the changed run ended with an error: ${report.error instanceof Error ? report.error.message : "unknown"}`];
  const width = report.outputs.reduce((n, o) => Math.max(n, o.name.length), 0);
  for (const { name, difference, same, topChanged, rows } of report.outputs) {
    if (difference === undefined) out.push(`${name.padEnd(width)}  ${same ? "the same" : "changed"}`);
    else if (!difference.sameShape) out.push(`${name.padEnd(width)}  another shape: [${difference.shape.join(", ")}]`);
    else if (difference.count === 0) out.push(`${name.padEnd(width)}  the same`);
    else {
      const top = topChanged === undefined ? "" : `  top-1 changed in ${topChanged} of ${rows} ${rows === 1 ? "row" : "rows"}`;
      out.push(
        `${name.padEnd(width)}  max|e| ${difference.max.toExponential(2)}  relL2 ${difference.relL2.toExponential(2)}  SQNR ${decibels(difference.relL2)}  ${difference.count} elements differ${top}`,
      );
    }
  }
  return out;
}

/** The sensitivity table, the most damage first. */
export function sweepText(rows: readonly SweepRow[]): readonly string[] {
  const head = ["node", "op", "dtype", "relL2", "SQNR", "top-1", "saved", "ms"];
  const lines = rows.map((r) => [
    `#${r.node}`,
    r.op,
    r.dtype,
    r.error === undefined ? r.relL2.toExponential(2) : "error",
    r.error ?? decibels(r.relL2),
    String(r.topChanged),
    bytesText(r.savedBytes),
    r.ms.toFixed(0),
  ]);
  const widths = head.map((h, i) => Math.max(h.length, ...lines.map((line) => line[i]?.length ?? 0)));
  return [head, ...lines].map((line) =>
    line
      .map((cell, i) => (i === 1 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}
