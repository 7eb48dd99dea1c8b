/** Results for machines: exit codes, JUnit, SARIF and Markdown; the same for every command. */

import { isOpwiseError } from "../tensor/error.ts";

/** What a command's exit code says. */
export const EXIT = {
  /** It held. */
  held: 0,
  /** Something was found: a mismatch, NaN in outputs, a failed check. */
  found: 1,
  usage: 2,
  missingOp: 3,
  /** The file is bad or cannot be loaded. */
  badFile: 4,
  /** Stopped by a limit; what there is was written. */
  limit: 5,
  /** Could not decide: not deterministic, unaligned, too ill-conditioned. */
  undecided: 6,
  /** A selector, breakpoint or `--set` matched nothing. */
  noMatch: 7,
} as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

const CODES: Readonly<Record<string, Exit>> = {
  "unsupported-op": EXIT.missingOp,
  "bad-argument": EXIT.usage,
  "type-mismatch": EXIT.usage,
  "no-match": EXIT.noMatch,
  "step-limit": EXIT.limit,
  "out-of-memory": EXIT.limit,
  aborted: EXIT.limit,
  "limit-exceeded": EXIT.limit,
  "model-raised": EXIT.found,
  "runtime-error": EXIT.found,
  "shape-mismatch": EXIT.found,
  "dtype-mismatch": EXIT.found,
  "index-out-of-range": EXIT.found,
  internal: EXIT.found,
};

/** The exit code of an error. */
export function exitOf(error: unknown): Exit {
  return isOpwiseError(error) ? (CODES[error.code] ?? EXIT.badFile) : EXIT.found;
}

/** As `git bisect run` wants it: what could not be tested is 125, skip. */
export function bisectExit(code: number): number {
  return code >= EXIT.missingOp && code <= EXIT.noMatch ? 125 : code;
}

/** One case of a suite: an aligned op, a check, a run. */
export interface ResultCase {
  /** Module path. */
  readonly classname: string;
  /** `#112 aten::softmax.int`. */
  readonly name: string;
  readonly file?: string | undefined;
  readonly line?: number | undefined;
  readonly seconds?: number | undefined;
  readonly failure?: { readonly message: string; readonly text: string } | undefined;
  readonly skipped?: string | undefined;
}
export interface ResultSuite {
  readonly name: string;
  readonly cases: readonly ResultCase[];
}

/** Text inside XML; characters that XML 1.0 cannot hold become a replacement. */
function xml(text: string): string {
  const named: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\t": "&#9;" };
  return (
    text
      .replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd")
      // oxlint-disable-next-line no-control-regex
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "\ufffd")
      .replace(/[&<>"\n\t]/g, (c) => named[c] ?? c)
  );
}

/** JUnit's XML: suite = comparison, case = op. */
export function junitXml(suites: readonly ResultSuite[]): string {
  const lines = ['<?xml version="1.0" encoding="UTF-8"?>'];
  const counts = (cases: readonly ResultCase[]): string =>
    `tests="${cases.length}" failures="${cases.filter((c) => c.failure !== undefined).length}" skipped="${cases.filter((c) => c.skipped !== undefined).length}"`;
  lines.push(`<testsuites ${counts(suites.flatMap((suite) => suite.cases))}>`);
  for (const suite of suites) {
    lines.push(`  <testsuite name="${xml(suite.name)}" ${counts(suite.cases)}>`);
    for (const one of suite.cases) {
      const place = `${one.file === undefined ? "" : ` file="${xml(one.file)}"`}${one.line === undefined ? "" : ` line="${one.line}"`}`;
      const head = `    <testcase classname="${xml(one.classname)}" name="${xml(one.name)}"${place} time="${(one.seconds ?? 0).toFixed(6)}"`;
      if (one.failure === undefined && one.skipped === undefined) {
        lines.push(`${head}/>`);
        continue;
      }
      lines.push(`${head}>`);
      if (one.failure !== undefined)
        lines.push(
          `      <failure message="${xml(one.failure.message)}">${xml(one.failure.text).replaceAll("&#10;", "\n").replaceAll("&#9;", "\t")}</failure>`,
        );
      if (one.skipped !== undefined) lines.push(`      <skipped message="${xml(one.skipped)}"/>`);
      lines.push("    </testcase>");
    }
    lines.push("  </testsuite>");
  }
  lines.push("</testsuites>", "");
  return lines.join("\n");
}

/** Something found on a line. */
export interface Finding {
  /** `compare/source`, `nan/born`, `check/failed`. */
  readonly rule: string;
  readonly level: "error" | "warning" | "note";
  readonly message: string;
  readonly place?: { readonly file: string; readonly line: number } | undefined;
  /** `#112 aten::softmax.int`, `neck.up`. */
  readonly node?: string | undefined;
  readonly module?: string | undefined;
}

/** SARIF 2.1.0, for findings on Python lines in code review. */
export function sarif(findings: readonly Finding[], tool: { readonly name: string; readonly version: string }): string {
  const rules = [...new Set(findings.map((finding) => finding.rule))].toSorted();
  const results = findings.map((finding) => {
    const logical = [
      ...(finding.node === undefined ? [] : [{ name: finding.node, kind: "function" }]),
      ...(finding.module === undefined || finding.module === "" ? [] : [{ fullyQualifiedName: finding.module, kind: "module" }]),
    ];
    const physical =
      finding.place === undefined
        ? {}
        : { physicalLocation: { artifactLocation: { uri: uriOf(finding.place.file) }, region: { startLine: Math.max(1, finding.place.line) } } };
    const location = { ...physical, ...(logical.length === 0 ? {} : { logicalLocations: logical }) };
    return {
      ruleId: finding.rule,
      ruleIndex: rules.indexOf(finding.rule),
      level: finding.level,
      message: { text: finding.message },
      ...(Object.keys(location).length === 0 ? {} : { locations: [location] }),
    };
  });
  const run = { tool: { driver: { name: tool.name, version: tool.version, rules: rules.map((id) => ({ id })) } }, results };
  return `${JSON.stringify({ $schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [run] }, undefined, 2)}\n`;
}

function uriOf(file: string): string {
  const path = file.replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/");
  return path.startsWith("/") ? `file://${path}` : path;
}

/** A table in Markdown; bars and line ends inside cells are harmless. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (text: string): string =>
    text
      .replaceAll("\\", "\\\\")
      .replaceAll("|", "\\|")
      .replace(/\s*\n\s*/g, " ")
      .replaceAll("<", "&lt;");
  const line = (cells: readonly string[]): string => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** Columns of text side by side; `right`: numbers of the columns that are set flush right. Rows end without blanks. */
export function textTable(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Values as JSON: 64-bit integers are decimal text, numbers that JSON has not are their names. */
export function resultJson(value: unknown): string {
  return JSON.stringify(value, (_key, v: unknown) => (typeof v === "bigint" ? v.toString() : typeof v === "number" && !Number.isFinite(v) ? String(v) : v), 2);
}
