/** Traces as runs. */

import type { Trace } from "../debug/trace.ts";
import { bytes as bytesText } from "./format.ts";
import { RunReader } from "./from-trace.ts";
import type { Run } from "./run.ts";

/** Events taken before the page gets a turn. */
const TURN = 20_000;

/** Source files that a graph's nodes name. */
async function sourcesOf(trace: Trace): Promise<Map<string, string>> {
  const names = new Set(trace.graph.nodes.flatMap((node) => node.source.archive?.file ?? []));
  const out = new Map<string, string>();
  for (const name of names) {
    const text = await trace.source(name);
    if (text !== undefined) out.set(name, text);
  }
  return out;
}

function factsOf(trace: Trace): (readonly [string, string])[] {
  const { manifest, graph } = trace;
  const weights = graph.weights.reduce((sum, weight) => sum + weight.bytes, 0);
  return [
    ["model", `${manifest.model.name} (${manifest.model.format} ${manifest.model.version})`],
    ["backend", manifest.backend],
    ["recorded", `${manifest.counts.events} events, ${manifest.counts.values} values, ${manifest.counts.full} in full`],
    ["values", `${manifest.options.values}${manifest.options.select === undefined ? "" : `, full where ${manifest.options.select}`}`],
    ["weights", `${graph.weights.length} tensors, ${bytesText(weights)}`],
    ["written by", `${manifest.tool.name} ${manifest.tool.version}`],
    ...(manifest.recorded === undefined ? [] : [["date", manifest.recorded] as const]),
  ];
}

/** Reads a trace's structure and statistics; values stay where they are. @throws what reading throws */
export async function runOfTrace(trace: Trace, name: string): Promise<Run> {
  const { manifest, graph } = trace;
  const reader = new RunReader({
    name,
    graph,
    facts: factsOf(trace),
    dropped: [
      ...manifest.leftOut.map((left) => `${left.count} ${left.what} (${bytesText(left.bytes)})`),
      ...(manifest.unfinished === true ? ["the end: the file is cut off"] : []),
    ],
    sources: await sourcesOf(trace),
    bytes: (entry) => trace.blob({ entry, complete: true }),
  });
  const events = await trace.events();
  for (let at = 0; at < events.length; at++) {
    const event = events[at];
    if (event !== undefined) reader.take(event);
    if (at % TURN === TURN - 1) await new Promise((done) => setTimeout(done));
  }
  return reader.finish();
}
