/** A comparison as text: the table, the first cause, what explains it, and how to see it again. */

import { EXIT, type Exit, type Finding, markdownTable, type ResultSuite, textTable } from "../results.ts";
import { typeText } from "../tensor-line.ts";
import { HOPELESS } from "./budget.ts";
import type { Comparison } from "./compare.ts";
import type { Detail, Place, Row } from "./verdict.ts";

export interface ComparisonText {
  /** Run specs as the user wrote them. */
  readonly a: string;
  readonly b: string;
  /** `-i cat.npz`, for the lines that reproduce it. */
  readonly inputs?: string;
  /** Every row; else sources, the rows around them and the first victims. */
  readonly all?: boolean;
  readonly rank?: "err" | undefined;
}

const VICTIMS = 3;

/** A multiple of the budget: `0.4×`, `5100×`, `∞` where no number says how wrong. */
export function timesText(times: number | undefined): string {
  if (times === undefined) return "–";
  if (times >= HOPELESS) return "∞";
  if (times === 0) return "0";
  if (times >= 1000) return `${Math.round(Number(times.toPrecision(2)))}×`;
  return times >= 10 ? `${Math.round(times)}×` : times >= 0.05 ? `${times.toFixed(1)}×` : "0.0×";
}

function gainText(gain: number | undefined): string {
  return gain === undefined ? "–" : gain >= 100 ? String(Number(gain.toPrecision(2))) : gain.toFixed(1);
}

/** `#112`, with the execution's number from the second on: `#112[3]`. */
export function nodeText(place: Place): string {
  return `#${place.node}${place.nth > 0 ? `[${place.nth}]` : ""}`;
}

/** An op without namespace detail that a table has no room for: `aten::conv2d`. */
function opText(op: string): string {
  return op.replace(/\.(?:Tensor|Scalar|int|dim|default)$/, "");
}

function cells(row: Row): string[] {
  return [
    String(row.a.t),
    nodeText(row.a),
    opText(row.a.op),
    row.a.module || (row.a.name ?? ""),
    typeText(row),
    timesText(row.isolated),
    timesText(row.propagated),
    gainText(row.gain),
    `${row.verdict === "source" ? "SOURCE" : row.verdict}${row.verdict === "source" && row.a.source !== undefined ? `  ${row.a.source}` : ""}`,
  ];
}

/** The rows worth a line: all that are not ok, few of the victims, and what stands before the first. */
function shownRows(comparison: Comparison, all: boolean): { readonly rows: readonly Row[]; readonly victims: number } {
  const { rows } = comparison;
  if (all) return { rows, victims: 0 };
  const odd = rows.filter((row) => row.verdict !== "ok" && row.verdict !== "victim" && row.verdict !== "unmatched");
  const victims = rows.filter((row) => row.verdict === "victim");
  const firstOdd = rows.findIndex((row) => row.verdict !== "ok");
  const before = firstOdd > 0 ? rows.slice(firstOdd - 1, firstOdd) : [];
  const kept = new Set<Row>([...before, ...odd, ...victims.slice(0, VICTIMS)]);
  return { rows: rows.filter((row) => kept.has(row)), victims: victims.length - Math.min(victims.length, VICTIMS) };
}

function number(x: number): string {
  return Math.abs(x) >= 1e-2 && Math.abs(x) < 1e4 ? String(Number(x.toPrecision(3))) : x.toExponential(1);
}

/** The lines under `first cause`. */
export function detailLines(row: Row, detail: Detail): string[] {
  const { metrics } = detail;
  const lines: string[] = [];
  if (row.problem === "shape") lines.push("the shapes differ");
  if (row.problem === "dtype") lines.push("the dtypes differ");
  if (row.problem === "missing") lines.push("the other side gives nothing");
  if (row.problem === "non-finite")
    lines.push(`${detail.violations} elements are NaN or infinite on one side only${detail.place === undefined ? "" : `, ${detail.place}`}`);
  if (metrics !== undefined && row.problem === undefined) {
    const agree = metrics.top1 === undefined ? "" : ` · top-1 ${Math.round(metrics.top1 * 100)} %`;
    lines.push(
      `max|e| ${number(metrics.maxError)} at [${metrics.at.join(",")}] · relL2 ${number(metrics.relL2)} · SQNR ${metrics.sqnr === undefined ? "∞" : Math.round(metrics.sqnr)} dB · cos ${Number(metrics.cosine.toFixed(7))} · ULP p50 ${number(metrics.ulp.p50)} max ${number(metrics.ulp.max)}${agree}`,
    );
    lines.push(`${detail.violations} of ${detail.elements} over budget${detail.place === undefined ? "" : `, ${detail.place}`}`);
  }
  if (detail.looksLike.length > 0) lines.push(`looks like: ${detail.looksLike.map((h) => `${h.what} (${timesText(h.times)})`).join(", ")}`);
  return lines;
}

function alignmentLine(c: Comparison): string {
  const by = Object.entries(c.by)
    .map(([name, count]) => `${count} ${name}`)
    .join(", ");
  const only = [c.onlyA.length > 0 ? `${c.onlyA.length} only in A` : "", c.onlyB.length > 0 ? `${c.onlyB.length} only in B` : ""].filter((text) => text !== "");
  return `aligned ${c.aligned} of ${c.of} values (${by})${only.length > 0 ? `; ${only.join(", ")}` : ""}`;
}

/** The whole report. */
export function comparisonText(c: Comparison, text: ComparisonText): string {
  const lines = [alignmentLine(c)];
  const shown = shownRows(c, text.all === true);
  const rows = text.rank === "err" ? shown.rows.toSorted((x, y) => (y.isolated ?? 0) - (x.isolated ?? 0)) : shown.rows;
  const hasJudge = rows.some((row) => row.judge !== undefined);
  if (rows.length > 0) {
    const table = textTable(
      [
        ["t", "node", "op", "module", "shape", "isolated", "propagated", "gain", ...(hasJudge ? ["A f64", "B f64"] : []), "verdict"],
        ...rows.map((row) => {
          const line = cells(row);
          return hasJudge ? [...line.slice(0, 8), timesText(row.judge?.a), timesText(row.judge?.b), ...line.slice(8)] : line;
        }),
      ],
      [0, 5, 6, 7, ...(hasJudge ? [8, 9] : [])],
    );
    lines.push(...table.split("\n").map((line) => `  ${line}`));
    if (shown.victims > 0) lines.push(`     … ${shown.victims} more victims (--all)`);
  }
  if (c.diverged !== undefined) {
    const side = (place: Place | undefined): string =>
      place === undefined || place.op === "" ? "the end" : `${nodeText(place)} ${place.op}${place.source === undefined ? "" : ` ${place.source}`}`;
    lines.push(`the runs part ways at t ${c.diverged.a?.t ?? 0}: A goes to ${side(c.diverged.a)}, B to ${side(c.diverged.b)}; a decision before it differs`);
  }
  const [first, ...others] = c.sources.map((i) => c.rows[i]).filter((row) => row !== undefined);
  if (first !== undefined) {
    lines.push(
      `first cause  ${nodeText(first.a)} ${first.a.op}${first.a.module === "" ? "" : `  ${first.a.module}`}${first.a.source === undefined ? "" : `  ${first.a.source}`}`,
    );
    if (first.detail !== undefined) lines.push(...detailLines(first, first.detail).map((line) => `  ${line}`));
    lines.push(
      `also bad by itself: ${
        others.length === 0
          ? "none"
          : others
              .slice(0, 10)
              .map((row) => `${nodeText(row.a)} ${opText(row.a.op)}`)
              .join(", ")
      }.${causeText(c, first)}`,
    );
    const i = text.inputs === undefined ? "" : ` ${text.inputs}`;
    lines.push(
      `reproduce: opwise compare ${text.a} ${text.b}${i} --only '${nodeText(first.a)}' ; make a case: … --save ${first.a.op.replace(/^.*::|[.@].*$/g, "")}.opwcase`,
    );
  } else {
    const largest = Math.max(0, ...c.rows.map((row) => row.isolated ?? 0));
    lines.push(`nothing is wrong by itself: at most ${timesText(largest)} of a budget`);
  }
  for (const output of c.outputs)
    lines.push(
      `output ${output.index}: ${output.same ? "same bits" : `relL2 ${number(output.relL2)}${output.top1 === undefined ? "" : ` · top-1 ${Math.round(output.top1 * 100)} %`}`}`,
    );
  for (const override of c.overrides) lines.push(`tolerance override used: ${override}`);
  return lines.join("\n");
}

function causeText(c: Comparison, first: Row): string {
  if (c.cause === undefined) return "";
  const { failures, left, worst } = c.cause;
  const b = first.b === undefined ? "" : nodeText(first.b);
  if (left === 0) return ` One cause explains all ${failures} failures (with B's ${b} replaced by A's value: max ${timesText(worst)}).`;
  return ` It explains ${failures - left} of ${failures} failures (with B's ${b} replaced by A's value: max ${timesText(worst)}).`;
}

/** The whole comparison as one documented object with stable keys; no infinities, no tensors. */
export function comparisonJson(c: Comparison): object {
  return { schema: "opwise.compare/1", ...c, found: c.sources.length > 0 };
}

/** 1 where a source is found, 6 where nothing could be compared, else 0. */
export function comparisonExit(c: Comparison): Exit {
  return c.sources.length > 0 ? EXIT.found : c.rows.length === 0 || c.diverged !== undefined ? EXIT.undecided : EXIT.held;
}

function lineOf(place: Place): { readonly file: string; readonly line: number } | undefined {
  const at = /^(.*):(\d+)$/.exec(place.source ?? "");
  return at === null ? undefined : { file: at[1] ?? "", line: Number(at[2]) };
}

/** Suite = comparison, case = aligned op; the failure's text is the block under `first cause`. */
export function comparisonSuite(c: Comparison, name: string): ResultSuite {
  return {
    name,
    cases: [
      ...c.rows.map((row) => {
        const at = lineOf(row.a);
        const isSource = row.verdict === "source";
        return {
          classname: row.a.module,
          name: `${nodeText(row.a)} ${row.a.op}`,
          file: at?.file,
          line: at?.line,
          failure: isSource
            ? { message: `${timesText(row.isolated)} of the budget`, text: row.detail === undefined ? "" : detailLines(row, row.detail).join("\n") }
            : undefined,
          skipped: row.verdict === "unmatched" ? "nothing to compare with" : undefined,
        };
      }),
      ...c.onlyA.map((place) => ({ classname: place.module, name: `${nodeText(place)} ${place.op}`, skipped: "only in A" })),
    ],
  };
}

/** Sources on the author's lines. */
export function comparisonFindings(c: Comparison): Finding[] {
  return c.sources.flatMap((i): Finding[] => {
    const row = c.rows[i];
    if (row === undefined) return [];
    const detail = row.detail === undefined ? "" : `: ${detailLines(row, row.detail).join(" · ")}`;
    return [
      {
        rule: "compare/source",
        level: "error",
        message: `${row.a.op} is ${timesText(row.isolated)} of its budget off${detail}`,
        place: lineOf(row.a),
        node: `${nodeText(row.a)} ${row.a.op}`,
        module: row.a.module,
      },
    ];
  });
}

const MARKDOWN_ROWS = 10;

/** For a comment on a change: first cause, a table of ten, the command. */
export function comparisonMarkdown(c: Comparison, text: ComparisonText): string {
  const first = c.rows[c.sources[0] ?? -1];
  const { rows } = shownRows(c, false);
  const head = first === undefined ? "**Nothing is wrong by itself.**" : `**First cause: ${nodeText(first.a)} \`${first.a.op}\`** ${first.a.source ?? ""}`;
  return [
    head,
    "",
    ...(first?.detail === undefined ? [] : [...detailLines(first, first.detail).map((line) => `- ${line}`), ""]),
    markdownTable(
      ["node", "op", "module", "shape", "isolated", "propagated", "verdict"],
      rows
        .slice(0, MARKDOWN_ROWS)
        .map((row) => [nodeText(row.a), row.a.op, row.a.module, typeText(row), timesText(row.isolated), timesText(row.propagated), row.verdict]),
    ),
    "",
    `\`opwise compare ${text.a} ${text.b}${text.inputs === undefined ? "" : ` ${text.inputs}`}\``,
    "",
  ].join("\n");
}
