/** Numbers as columns of text. */

/** The rows under their heads, two spaces before each; the first `left` columns are flush left. */
export function tableLines(head: readonly string[], rows: readonly (readonly string[])[], left = 1): string[] {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i]?.length ?? 0)));
  return [head, ...rows].map((row) =>
    `  ${head.map((_, i) => (i < left ? (row[i] ?? "").padEnd(widths[i] ?? 0) : (row[i] ?? "").padStart(widths[i] ?? 0))).join("  ")}`.trimEnd(),
  );
}

/** The middle value; of an even number of them, the upper of the two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** Milliseconds, bytes as MB and ratios with as many digits as say something. */
export const digits = (value: number): string =>
  Number.isFinite(value) ? (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)) : "-";
export const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(bytes < 10 * 2 ** 20 ? 1 : 0);
