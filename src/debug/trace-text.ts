/** Traces as text: what `trace`, `select` and `print` show. */

import { formatTensor } from "../tensor/text.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Health } from "./events.ts";
import { type GraphNode, placeOf, type TraceGraph } from "./graph.ts";
import { decodeBins, headroomOf } from "./health.ts";
import { shortNumber, tensorLine } from "./tensor-line.ts";
import type { Execution, TraceManifest, TraceRun, ValueRecord } from "./trace.ts";

/** `1.9 MB`. */
export function bytesText(bytes: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let [value, unit] = [bytes, 0];
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ""}`;
}

/** `161 nodes, 412 events, 161 values (0 full), 1.9 MB`, and what was left out. */
export function summaryText(manifest: TraceManifest, bytes?: number): string {
  const { nodes, events, values, full } = manifest.counts;
  const left = manifest.leftOut.map(({ what, count, bytes: n }) => `left out: ${what}${count > 0 ? ` of ${count}` : ""}${n > 0 ? `, ${bytesText(n)}` : ""}`);
  const head = `${nodes} nodes, ${events} events, ${values} values (${full} full)${bytes === undefined ? "" : `, ${bytesText(bytes)}`}`;
  return [head, ...(manifest.unfinished === true ? ["the recording did not finish"] : []), ...left].join("\n");
}

/** `model.py:88`, paths cut to the last two parts. */
export function placeText(node: Pick<GraphNode, "source">): string {
  const place = placeOf(node.source);
  return place === undefined ? "" : `${place.file.split(/[/\\]/).slice(-2).join("/")}:${place.line}`;
}

/** `#112 aten::softmax.int`, `#112[3]` for one execution. */
export function nodeName(node: Pick<GraphNode, "id" | "op">, nth?: number): string {
  return `#${node.id}${nth === undefined || nth === 0 ? "" : `[${nth}]`} ${node.op}`;
}

/** Attributes that tell something about a node, in brackets. */
export function attributesText(node: GraphNode): string {
  const parts = Object.entries(node.attributes).map(([name, text]) => `${name}=${text.length > 60 ? `${text.slice(0, 60)}…` : text}`);
  return parts.length === 0 ? "" : `[${parts.join(", ")}]`;
}

/** The node as the printed graph has it: `%y1 = aten::relu(%y0)`. */
export function nodeText(graph: TraceGraph, node: GraphNode): string {
  const name = (id: number | null): string => (id === null ? "_" : `%${graph.values[id]?.name ?? id}`);
  const results = node.results.map(name).join(", ");
  return `${results === "" ? "" : `${results} = `}${node.op}${attributesText(node)}(${node.operands.map(name).join(", ")})`;
}

/** The value that first showed the storage, where this one is a view of it. */
export function baseOf(run: TraceRun, value: ValueRecord): string | undefined {
  if (value.storage === undefined) return undefined;
  const first = run.firstOf(value.storage);
  return first === undefined || first.value === value.value ? undefined : run.name(first.value);
}

/** `%y1 f32[4,8] ∈[…] … ~v1 ↗%y0`. */
export function valueLine(run: TraceRun, value: ValueRecord): string {
  const name = `%${run.name(value.value)}`;
  if (value.tensor === undefined) return `${name} = ${value.text ?? ""}`;
  return `${name}  ${tensorLine(value.tensor, { health: value.health, version: value.version, of: baseOf(run, value) })}`;
}

/** An execution with its operands and results. */
export function executionText(run: TraceRun, execution: Execution): string {
  const node = run.node(execution.node);
  const head = [
    `@${execution.t}`,
    nodeName(node, execution.nth),
    execution.module,
    placeText(node),
    execution.ms === undefined ? "" : `${shortNumber(execution.ms)} ms`,
    execution.backend,
  ];
  const lines = [head.filter((part) => part !== "").join("  "), `  ${nodeText(run.graph, node)}`];
  const text = placeOf(node.source)?.text;
  if (text !== undefined) lines.push(`  ${text.trim()}`);
  for (const value of run.inputsOf(execution)) lines.push(`  in   ${valueLine(run, value)}`);
  for (const value of run.outputsOf(execution)) lines.push(`  out  ${valueLine(run, value)}`);
  for (const write of run.writesAt(execution.t))
    if (write.node === execution.node)
      lines.push(
        `  writes %${run.name(write.through)}~${write.version}  (${run
          .namesOf(write.storage)
          .map((n) => `%${n}`)
          .join(", ")})`,
      );
  for (const fallback of execution.fallbacks) lines.push(`  fallback to ${fallback.to}: ${fallback.reason} (${bytesText(fallback.bytes)} copied)`);
  return lines.join("\n");
}

/** Counts by power of two, as bars: negative numbers first. */
export function histogramText(health: Health, width: number = 40): string {
  if (health.bins === undefined) return "no histogram was recorded";
  const bins = decodeBins(health.bins);
  const rows: [string, number][] = [];
  for (let e = 254; e > 0; e--) if ((bins[256 + e] ?? 0) > 0) rows.push([`-2^${e - 127}`, bins[256 + e] ?? 0]);
  if (health.zero + health.subnormal > 0) rows.push(["0", health.zero + health.subnormal]);
  for (let e = 1; e < 255; e++) if ((bins[e] ?? 0) > 0) rows.push([`2^${e - 127}`, bins[e] ?? 0]);
  const special: [string, number][] = [
    ["nan", health.nan],
    ["inf", health.posInf],
    ["-inf", health.negInf],
  ];
  for (const row of special) if (row[1] > 0) rows.push(row);
  const most = rows.reduce((n, [, count]) => Math.max(n, count), 0);
  const label = rows.reduce((n, [name]) => Math.max(n, name.length), 0);
  const bars = rows.map(([name, count]) => `${name.padStart(label)} ${"█".repeat(Math.max(1, Math.round((width * count) / most)))} ${count}`);
  const half = headroomOf(health, "float16");
  bars.push(
    `float16 ${half.holds ? "holds" : "does not hold"} it: ${Number.isFinite(half.binades) ? `${half.binades.toFixed(1)} binades below its largest number, ` : ""}${(100 * half.lost).toFixed(1)} % would be subnormal or zero`,
  );
  return bars.join("\n");
}

/** Elements beyond which the middle of a printed value is left out. */
const SHOWN = 100;

/** A value: its line, where it was made, and its numbers where they were kept. */
export function valueText(run: TraceRun, value: ValueRecord, tensor: Tensor | undefined): string {
  const made = value.execution;
  const from =
    made === undefined ? "" : `\n  made @${made.t} by ${nodeName(run.node(made.node), made.nth)}  ${made.module}  ${placeText(run.node(made.node))}`.trimEnd();
  return `${valueLine(run, value)}  @${value.t}${from}${tensor === undefined ? "" : `\n${formatTensor(tensor, SHOWN)}`}`;
}
