/** What a debugger shows, as text: stops, calls, source around an op, values in one line. */

import type { Datum } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import { printNode } from "../ir/printer.ts";
import { isOpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Debugger, Reason, Stop } from "./debugger.ts";
import { healthOf } from "./health.ts";
import type { Named } from "./lookup.ts";
import { outputsOf } from "./outputs.ts";
import { placeText, type Place } from "./place.ts";
import { plainText } from "./plain.ts";
import { factsOf } from "./storage-book.ts";
import { tensorLine } from "./tensor-line.ts";

/** Operands that are shown of one op. */
const MAX_INPUTS = 8;
const STACK = /\.py\(\d+\): /;
/** Trips that a loop without a bound of its own is given. */
const UNBOUNDED = 2 ** 53;

/** A value in one line; tensors with statistics, version and what they are a view of. `name`: its own, which is no view of itself. */
export function lineOf(debug: Debugger, value: Datum, name?: string): string {
  if (!(value instanceof Tensor)) return plainText(value);
  const wait = value.storage.sync();
  if (wait instanceof Promise) wait.catch(() => undefined); // shown without statistics
  const base = debug.baseOf(value);
  const device = value.storage.device?.name;
  return tensorLine(factsOf(value), {
    health: value.storage.onHost ? healthOf(value, value.storage.bytes()) : undefined,
    version: value.storage.version,
    of: base === undefined || base === name ? undefined : base,
    backend: device ?? "cpu",
  });
}

/** Bytes of tensors that are only on a device are fetched, so that lines can show them. */
export async function fetchValues(values: readonly Named[]): Promise<void> {
  for (const { value } of values) if (value instanceof Tensor) await value.storage.sync();
}

export function reasonText(debug: Debugger, reason: Reason): string {
  switch (reason.kind) {
    case "entry":
    case "start":
      return reason.kind === "entry" ? "at the start" : "at the start: nothing before it";
    case "step":
      return "";
    case "goto":
      return "";
    case "interrupt":
      return "interrupted";
    case "end":
      return "the run has ended";
    case "breakpoint":
      return `breakpoint ${reason.points.join(", ")} (${reason.text})`;
    case "watch": {
      const writer = debug.timeline.instructionAt(reason.write.time - 1)?.node;
      const by = writer === undefined ? "" : ` by ${writer.op} #${debug.numbering.nodeId(writer)} @${reason.write.time}`;
      return `watch ${reason.name} (value changed here, version ${reason.write.from}→${reason.write.to}${by})`;
    }
    case "catch":
      return `catch ${reason.what}: ${reason.text}`;
    case "raised":
      return isOpwiseError(reason.error) ? `error[${reason.error.code}]: ${reason.error.message}` : String(reason.error);
    default:
      return reason satisfies never;
  }
}

function placesText(place: Place | undefined): string {
  if (place === undefined) return "";
  const archive = place.archive === undefined || place.archive.line === 0 ? "" : `${place.archive.file}:${place.archive.line}`;
  return place.author === undefined ? archive : `${placeText(place)}${archive === "" ? "" : `  (archive ${archive})`}`;
}

function loopsText(stop: Pick<Stop, "loops">): string {
  return stop.loops.map(({ trip, limit }) => `  loop i=${trip}${limit >= UNBOUNDED ? "" : ` of ${limit}`}`).join("");
}

export interface SourceLine {
  readonly line: number;
  readonly text: string;
  readonly current: boolean;
}

/** The author's lines around a node, else the archive's; nothing for formats without text. */
export function sourceLines(debug: Debugger, node: Node, context: number = 2): readonly SourceLine[] {
  const { location } = node;
  if (location === undefined) return [];
  const original = location.excerpts?.()?.original;
  // Traced code has the stack of Python in place of its text.
  if (original?.file !== undefined && !STACK.test(original.text)) {
    const lines = original.text.split("\n");
    const mark = lines.findIndex((line) => /^ *~+( <--- HERE)?$/.test(line));
    const first = original.line - Math.max(mark - 1, 0);
    const shown = lines.filter((line) => !/^ *~*( <--- HERE)$|^ *~+$/.test(line));
    return shown.map((text, i) => ({ line: first + i, text, current: first + i === original.line })).filter((l) => Math.abs(l.line - original.line) <= context);
  }
  const author = location.author?.()[0];
  if (author?.text !== undefined && original === undefined) return [{ line: author.line, text: author.text, current: true }];
  const all = location.line === 0 ? undefined : debug.session.program.sourceText?.(location.record)?.split("\n");
  if (all === undefined) return [];
  const from = Math.max(1, location.line - context);
  return all.slice(from - 1, location.line + context).map((text, i) => ({ line: from + i, text, current: from + i === location.line }));
}

function nodeText(node: Node): string {
  return (printNode(node, { bare: true })[0] ?? node.op).replace(/\s+\{$/, "");
}

/** Lines that tell where a run stands. */
export function stopText(debug: Debugger, stop: Stop): readonly string[] {
  const out: string[] = [];
  const why = reasonText(debug, stop.reason);
  if (stop.notDeterministic !== undefined)
    out.push(`not deterministic since #${stop.notDeterministic.node} @${stop.notDeterministic.time}: the replay gave other values`);
  if (stop.made !== undefined && stop.made.values.length > 0) {
    for (const { name, value } of stop.made.values) out.push(`  made %${name}  ${lineOf(debug, value, name)}  ← ${stop.made.op} #${stop.made.node}`);
  }
  const { end } = stop;
  if (end !== undefined) {
    if (end.kind === "raised") {
      out.push(`stopped @${stop.time}  ${why}`);
      if (isOpwiseError(end.error) && end.error.where.python !== undefined) out.push(`  raised at ${end.error.where.python}`);
      return out;
    }
    out.push(`ended @${stop.time}`);
    for (const { name, value } of outputsOf(debug.session.program, end.values)) out.push(`  ${name}  ${lineOf(debug, value)}`);
    return out;
  }
  out.push(`stopped @${stop.time}${why === "" ? "" : `  ${why}`}${stop.place === undefined ? "" : `  ${placesText(stop.place)}`}`.trimEnd());
  const node = stop.node === undefined ? undefined : debug.numbering.nodeOf(stop.node);
  if (node === undefined) return out;
  const where = `← ${node.op}  #${stop.node}${stop.nth > 0 || stop.loops.length > 0 ? `[${stop.nth}]` : ""}${loopsText(stop)}${stop.module === "" ? "" : `   module ${stop.module}`}`;
  const lines = sourceLines(debug, node, 1);
  const width = Math.max(...lines.map((l) => String(l.line).length), 2);
  if (lines.length === 0) out.push(`→ ${nodeText(node)}   ${where}`);
  for (const line of lines)
    out.push(
      line.current
        ? `→ ${String(line.line).padStart(width)}  ${line.text.trimEnd()}   ${where}`
        : `  ${String(line.line).padStart(width)}  ${line.text.trimEnd()}`,
    );
  const tensors = stop.inputs.filter(({ value }) => value instanceof Tensor);
  for (const { name, value } of tensors.slice(0, MAX_INPUTS)) out.push(`  in   %${name}  ${lineOf(debug, value, name)}`);
  if (tensors.length > MAX_INPUTS) out.push(`  in   … ${tensors.length - MAX_INPUTS} more`);
  const results = stop.outputs.map(({ name, writes }) => `%${name}${writes === undefined ? "" : ` ↗%${writes} (in place)`}`);
  if (results.length > 0) out.push(`  out  ${results.join(", ")}`);
  return out;
}

/** The open calls, innermost first. */
export function callsText(debug: Debugger): readonly string[] {
  return debug.calls.map((call, i) => {
    const node = call.instruction?.node;
    const module = debug.moduleOf(i);
    const loops = call.loops.map((l) => `  loop i=${l.trip}`).join("");
    const at = node?.location === undefined ? "" : `  at ${node.location.python?.() ?? `${node.location.record}:${node.location.line}`}`;
    return `${i === debug.frame ? "→" : " "} ${i}  ${call.name}${module === "" ? "" : ` (${module})`}${node === undefined ? "" : `  #${debug.numbering.nodeId(node)} ${node.op}`}${at}${loops}`;
  });
}

/** A stop as one object for machines: stable keys, texts for values, no numbers of theirs. */
export function stopJson(debug: Debugger, stop: Stop): Readonly<Record<string, unknown>> {
  const named = ({ name, value }: Named): object => ({ name, text: lineOf(debug, value, name) });
  const { reason } = stop;
  return {
    stop: reason.kind,
    time: stop.time,
    why: reasonText(debug, reason),
    ...(reason.kind === "breakpoint" ? { breakpoints: reason.points } : {}),
    node: stop.node ?? null,
    nth: stop.nth,
    op: stop.op ?? null,
    module: stop.module,
    function: stop.function,
    author: stop.place?.author === undefined ? null : { file: stop.place.author.file, line: stop.place.author.line },
    archive: stop.place?.archive ?? null,
    loops: stop.loops.map(({ node, trip, limit }) => ({ node, trip, limit: limit >= UNBOUNDED ? null : limit })),
    inputs: stop.inputs.map(named),
    outputs: stop.outputs.map((o) => o.name),
    made: stop.made === undefined ? null : { node: stop.made.node, op: stop.made.op, values: stop.made.values.map(named) },
    notDeterministicSince: stop.notDeterministic ?? null,
    results: stop.end?.kind === "done" ? outputsOf(debug.session.program, stop.end.values).map(named) : null,
    error:
      stop.end?.kind === "raised"
        ? isOpwiseError(stop.end.error)
          ? { code: stop.end.error.code, message: stop.end.error.message }
          : { code: "internal", message: String(stop.end.error) }
        : null,
  };
}
