/** `opwise print TRACE`: executions and values of a recorded run. */

import { elementsOf } from "../index.ts";
import {
  decodeBins,
  executionText,
  histogramText,
  nodeName,
  openTrace,
  parseSelector,
  placeText,
  readRun,
  resultJson,
  selectExecutions,
  selectValues,
  summaryText,
  tensorLine,
  valueText,
  type Execution,
  type TraceRun,
  type ValueRecord,
} from "../debug/index.ts";
import type { Arguments } from "./arguments.ts";
import { noMatch } from "./select.ts";

/** Executions that are listed without `--all`. */
const MAX_LISTED = 200;
/** Values of one name that are shown without `--all`. */
const MAX_VALUES = 8;

export async function show(args: Arguments): Promise<number> {
  const trace = await openTrace(args.model);
  const run = await readRun(trace);
  const [text] = args.words;
  const all = args.flags.has("all");
  const wants = { hist: args.flags.has("hist"), json: args.flags.has("json") };
  if (text === undefined) {
    if (wants.json) console.log(resultJson({ manifest: trace.manifest, index: trace.index }));
    else {
      console.log(`${trace.manifest.model.name} on ${trace.manifest.backend}: ${summaryText(trace.manifest)}`);
      list(run, run.executions, all);
    }
    return 0;
  }
  const selector = parseSelector(text);
  const ids = selector.kind === "value" ? selectValues(run.graph, selector) : [];
  const values = ids
    .flatMap((id) => run.valuesOf(id))
    .filter((v) => selector.kind !== "value" || selector.version === undefined || selector.version === "any" || v.version === selector.version);
  if (values.length > 0) {
    await showValues(run, values, wants, all);
    return 0;
  }
  const found = selectExecutions(run, selector);
  if (found.length === 0) throw noMatch(run.graph, selector, text);
  if (wants.json) {
    console.log(
      resultJson({
        executions: found.map((e) => ({ ...e, op: run.node(e.node).op, inputs: run.inputsOf(e).map(plain), outputs: run.outputsOf(e).map(plain) })),
      }),
    );
    return 0;
  }
  for (const execution of all ? found : found.slice(0, MAX_LISTED)) {
    console.log(executionText(run, execution));
    if (wants.hist) for (const value of run.outputsOf(execution)) if (value.health?.bins !== undefined) console.log(histogramText(value.health));
  }
  if (!all && found.length > MAX_LISTED) console.log(`… ${found.length - MAX_LISTED} more (--all)`);
  return 0;
}

function list(run: TraceRun, executions: readonly Execution[], all: boolean): void {
  for (const e of all ? executions : executions.slice(0, MAX_LISTED)) {
    const outs = run
      .outputsOf(e)
      .map((value) => (value.tensor === undefined ? (value.text ?? "") : tensorLine(value.tensor, { health: value.health, version: value.version })));
    console.log(
      `${`@${e.t}`.padStart(6)} ${"  ".repeat(e.depth)}${nodeName(run.node(e.node), e.nth)}  ${[e.module, placeText(run.node(e.node))].filter((part) => part !== "").join(" ")}  ${outs.join(" | ")}`.trimEnd(),
    );
  }
  if (!all && executions.length > MAX_LISTED) console.log(`… ${executions.length - MAX_LISTED} more (--all)`);
}

function plain(value: ValueRecord): object {
  const { execution, health, ...rest } = value;
  return {
    ...rest,
    node: execution?.node ?? null,
    ...(health === undefined
      ? {}
      : { health: { ...health, bins: health.bins === undefined ? undefined : [...decodeBins(health.bins)].flatMap((n, i) => (n > 0 ? [[i, n]] : [])) } }),
  };
}

async function showValues(
  run: TraceRun,
  values: readonly ValueRecord[],
  wants: { readonly hist: boolean; readonly json: boolean },
  all: boolean,
): Promise<void> {
  const shown = all ? values : values.slice(-MAX_VALUES);
  const tensors = await Promise.all(shown.map((value) => run.tensor(value)));
  if (wants.json) {
    console.log(
      resultJson({
        values: shown.map((value, i) => ({ ...plain(value), name: run.name(value.value), numbers: tensors[i] === undefined ? null : elementsOf(tensors[i]) })),
      }),
    );
    return;
  }
  if (shown.length < values.length) console.log(`… ${values.length - shown.length} earlier (--all)`);
  for (const [i, value] of shown.entries()) {
    console.log(valueText(run, value, tensors[i]));
    if (tensors[i] === undefined && value.tensor !== undefined)
      console.log(value.blob === undefined ? "  its numbers were not kept (trace with --select or --values full)" : "  only its ends were kept");
    if (wants.hist && value.health !== undefined) console.log(histogramText(value.health));
  }
}
