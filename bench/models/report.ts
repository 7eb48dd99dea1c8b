/** Tables of a race. */

import { digits, megabytes, tableLines } from "../table.ts";
import type { PackageSize } from "./peers.ts";
import type { Loaded } from "./protocol.ts";

/** One contestant on one file. Times in milliseconds, memory in bytes. */
export interface Row extends Loaded {
  readonly model: string;
  readonly file: string;
  readonly contestant: string;
  readonly version: string;
  readonly median: number;
  readonly min: number;
  readonly runs: number;
  /** Peak resident bytes above those of the process before it loaded anything. */
  readonly memory: number;
}

/** What others are measured by, the nearest first. */
export const REFERENCES: readonly string[] = ["onnxruntime-web", "onnxruntime-node", "torch", "onnxruntime"];

/** Outputs further from the recorded ones than this are called wrong; 1e-4 of the largest value is what float32 kernels differ by at most. */
const TOLERANCE = 1e-4;

const threadsOf = (contestant: string): string => contestant.split("@")[1] ?? "1";

/** `0.60 / 0.58`: the ratio of the medians and that of the least times; "-" where the reference did not take part. */
export function ratio(row: Row, reference: Row | undefined): string {
  return reference === undefined ? "-" : `${digits(row.median / reference.median)} / ${digits(row.min / reference.min)}`;
}

/** All contestants on one model, as multiples of the references on one thread. */
export function modelTable(rows: readonly Row[]): string[] {
  const find = (name: string): Row | undefined => rows.find((r) => r.contestant === `${name}@1`);
  const references = REFERENCES.filter((name) => find(name) !== undefined);
  const head = ["contestant", "file", "median ms", "min", ...references.map((r) => `/ ${r}@1`), "load ms", "first ms", "memory MB", "runs", "error"];
  const cells = rows.map((r) => [
    r.contestant,
    r.file.replace("model", ""),
    digits(r.median),
    digits(r.min),
    ...references.map((name) => ratio(r, find(name))),
    r.load.toFixed(0),
    digits(r.first),
    megabytes(r.memory),
    String(r.runs),
    `${r.error.toExponential(1)}${r.error <= TOLERANCE ? "" : " WRONG"}`,
  ]);
  return tableLines(head, cells, 2);
}

/** Our contestants on all models, by the references with as many threads: below 1 is faster. */
export function summaryTable(rows: readonly Row[]): string[] {
  const own = rows.filter((r) => r.contestant.startsWith("opwise-"));
  const find = (row: Row, name: string): Row | undefined => rows.find((r) => r.model === row.model && r.contestant === `${name}@${threadsOf(row.contestant)}`);
  const references = REFERENCES.filter((name) => own.some((row) => find(row, name) !== undefined));
  const head = ["model", "file", "contestant", ...references.map((name) => `/ ${name}`), "load / web", "memory / web"];
  const cells = own.map((row) => {
    const web = find(row, "onnxruntime-web");
    return [
      row.model,
      row.file.replace("model", ""),
      row.contestant,
      ...references.map((name) => ratio(row, find(row, name))),
      web === undefined ? "-" : digits(row.load / web.load),
      web === undefined ? "-" : digits(row.memory / web.memory),
    ];
  });
  return tableLines(head, cells, 3);
}

/** Packages: what is installed, and what a page fetches. */
export function sizeTable(sizes: Readonly<Record<string, PackageSize>>): string[] {
  const kilobytes = (bytes: number | undefined): string => (bytes === undefined ? "-" : `${(bytes / 1000).toFixed(0)} KB`);
  return tableLines(
    ["package", "version", "installed MB", "a page fetches (gzip)"],
    Object.entries(sizes).map(([name, size]) => [
      name,
      size.version,
      Number.isNaN(size.installed) ? "not built" : megabytes(size.installed),
      kilobytes(size.page),
    ]),
    2,
  );
}
