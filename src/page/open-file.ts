/** Opens what is dropped, what the address names, or what stands in the report. */

import { batch } from "@preact/signals";
import { openSource, readAll, type SourceLike } from "../bytes/source.ts";
import { openTrace } from "../debug/file/reader.ts";
import type { Trace } from "../debug/trace.ts";
import { isComparison, parseComparison } from "./comparison.ts";
import { openData } from "./data-overlay.ts";
import { stateOfHash } from "./hash.ts";
import { runOfTrace } from "./open-trace.ts";
import { openModel } from "./runtime-client.ts";
import type { Run } from "./run.ts";
import { busy, chosen, comparison, failure, open, overlay, pane, position, query, runs, selected, side, slice, span } from "./state.ts";

/** Puts one or two runs on show. */
export function show(list: readonly Run[]): void {
  batch(() => {
    runs.value = list.slice(0, 2);
    comparison.value = undefined;
    open.value = new Set([0]);
    selected.value = 0;
    position.value = 0;
    chosen.value = undefined;
    span.value = undefined;
    slice.value = undefined;
    side.value = "A";
    query.value = "";
    failure.value = undefined;
    busy.value = undefined;
    pane.value = "timeline";
    document.title = `${list.map((run) => run.name).join(" | ")} · opwise`;
  });
}

/** Reads traces and shows them. */
export async function showTraces(traces: readonly (readonly [name: string, trace: Trace])[]): Promise<void> {
  const made: Run[] = [];
  for (const [name, trace] of traces) made.push(await runOfTrace(trace, name));
  show(made);
  stateOfHash(location.hash);
}

function failed(error: unknown): void {
  busy.value = undefined;
  failure.value = error instanceof Error ? error.toString() : String(error);
}

async function openAll(files: readonly (readonly [name: string, what: SourceLike])[]): Promise<void> {
  busy.value = `opening ${files.map(([name]) => name).join(" and ")}`;
  const traces: (readonly [string, Trace])[] = [];
  for (const [name, what] of files) traces.push([name, await openTrace(what, { name })]);
  await showTraces(traces);
}

/** Lays a run over the one that is open; takes the place of two. */
function add(run: Run): void {
  const [first, second] = runs.value;
  show(first !== undefined && second === undefined ? [first, run] : [run]);
}

/** Runs of one model: the first alone, later ones over it. */
function addOf(isFirst: () => boolean): (run: Run) => void {
  return (run) => {
    const [first] = runs.value;
    show(isFirst() || first === undefined ? [run] : [first, run]);
  };
}

const isTrace = (file: File): boolean => /\.opwtrace$/i.test(file.name);
const isArray = (file: File): boolean => /\.np[yz]$/i.test(file.name);
const isModel = (file: File): boolean => /\.(?:pt|pth|pt2|ptl|onnx|zip)$/i.test(file.name);

/** Opens dropped files: traces beside each other; a model with the arrays and data files that came with it. */
export function openFiles(files: readonly File[]): void {
  if (files.length === 0) return;
  failure.value = undefined;
  const traces = files.filter(isTrace);
  const model = files.find(isModel);
  if (traces.length > 1 || (traces.length === 1 && runs.value.length !== 1)) {
    openAll(traces.map((file) => [file.name, file])).catch(failed);
    return;
  }
  const [trace] = traces;
  if (trace !== undefined) {
    busy.value = `opening ${trace.name}`;
    openTrace(trace, { name: trace.name })
      .then((opened) => runOfTrace(opened, trace.name))
      .then(add)
      .catch(failed);
    return;
  }
  const data = files.find((file) => /\.(?:csv|tsv|json)$/i.test(file.name));
  if (model === undefined && data !== undefined && runs.value.length > 0) {
    data
      .text()
      .then((text) => openNumbers(data.name, text))
      .catch(failed);
    return;
  }
  if (model === undefined) {
    failure.value = `${files.map((file) => file.name).join(", ")}: neither a trace (.opwtrace) nor a model (.pt, .pt2, .onnx)`;
    return;
  }
  let isFirst = 1;
  const given = (file: File): { readonly name: string; readonly file: File } => ({ name: file.name, file });
  const rest = files.filter((file) => file !== model);
  openModel(
    given(model),
    rest.filter((file) => !isArray(file)).map(given),
    rest.filter(isArray).map(given),
    addOf(() => isFirst-- > 0),
  );
}

/** A comparison's result, or numbers of the user's own. @throws where the text is neither */
function openNumbers(name: string, text: string): void {
  const json = /\.json$/i.test(name) ? (JSON.parse(text) as unknown) : undefined;
  if (!isComparison(json)) {
    openData(name, text);
    return;
  }
  comparison.value = parseComparison(name, json);
  overlay.value = "error";
}

/** Bytes of base64, which a report holds a trace as. */
function decode(text: string): Uint8Array {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** The comparison that came with the traces: in the report, or at `c=` of the address. */
async function openStartComparison(): Promise<void> {
  const inside = document.getElementById("comparison")?.textContent;
  const url = new URLSearchParams(location.search).get("c");
  if (inside !== undefined && inside !== null) openNumbers("comparison.json", inside);
  else if (url !== null) openNumbers("comparison.json", new TextDecoder().decode(await readAll(await openSource(new URL(url, location.href).href))));
}

/** Opens what a report holds, or what the address names: `?a=run.opwtrace&b=other.opwtrace`, on the page's own server. */
export function openStart(): void {
  const inside = [...document.querySelectorAll<HTMLScriptElement>("script[data-trace]")];
  const named = new URLSearchParams(location.search);
  const urls = ["a", "b"].flatMap((key) => named.get(key) ?? []);
  const files: (readonly [string, SourceLike])[] =
    inside.length > 0
      ? inside.map((script) => [script.dataset["trace"] ?? "trace", decode(script.textContent ?? "")])
      : urls.map((url) => [decodeURIComponent(url.split("/").at(-1) ?? url), new URL(url, location.href).href]);
  if (files.length > 0) openAll(files).then(openStartComparison).catch(failed);
}
