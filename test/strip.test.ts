import { expect, test } from "vitest";
import { load, Tensor } from "../src/index.ts";
import type { TraceEvent } from "../src/debug/events.ts";
import { openTrace } from "../src/debug/file/reader.ts";
import { recordBytes } from "../src/debug/file/writer.ts";
import { rewriteTrace } from "../src/debug/strip.ts";
import type { Trace } from "../src/debug/trace.ts";

/** A trace of a small model with all its numbers. */
async function recorded(): Promise<Trace> {
  const session = await (await load("examples/shapes/model.pt")).session();
  const { bytes } = await recordBytes(session, { args: [Tensor.from(new Float32Array(1024), [1, 1, 32, 32])] }, { values: "full" });
  return openTrace(bytes);
}

const trace = await recorded();
const withNumbers = (events: readonly TraceEvent[]): TraceEvent[] => events.filter((event) => event.k === "value" && event.blob !== undefined);

test("written again without options a trace says the same", async () => {
  const again = await openTrace(await rewriteTrace(trace));
  expect(await again.events()).toEqual(await trace.events());
  expect(again.graph).toEqual(trace.graph);
  for (const event of withNumbers(await again.events())) {
    if (event.k !== "value" || event.blob === undefined) continue;
    expect(Buffer.compare(await again.blob(event.blob), await trace.blob(event.blob))).toBe(0);
  }
});

test("the same trace gives the same bytes", async () => {
  expect(Buffer.compare(await rewriteTrace(trace, { weights: true }), await rewriteTrace(trace, { weights: true }))).toBe(0);
});

test("without values there are no numbers, but statistics, and the manifest says what is missing", async () => {
  const bare = await openTrace(await rewriteTrace(trace, { values: true }));
  expect(withNumbers(await bare.events())).toEqual([]);
  expect((await bare.events()).some((event) => event.k === "value" && event.health !== undefined)).toBe(true);
  expect(bare.manifest.counts.full).toBe(0);
  expect(bare.manifest.leftOut.map((left) => left.count)).toContain(withNumbers(await trace.events()).length);
});

test("without weights the numbers of parameters and of what views them are gone, and those of the run stay", async () => {
  const bare = await openTrace(await rewriteTrace(trace, { weights: true }));
  const stored = (event: TraceEvent): boolean => {
    const node = event.k === "value" ? (trace.graph.values[event.ref.value]?.node ?? null) : null;
    return node !== null && /GetAttr|Constant/.test(trace.graph.nodes[node - 1]?.op ?? "");
  };
  const weights = new Set((await trace.events()).flatMap((event) => (event.k === "value" && stored(event) ? [event.ref.storage] : [])));
  const left = withNumbers(await bare.events());
  expect(weights.size).toBeGreaterThan(0);
  expect(left.length).toBeGreaterThan(0);
  expect(left.filter((event) => event.k === "value" && weights.has(event.ref.storage))).toEqual([]);
});

test("without paths no folder of the author's is left", async () => {
  const bare = await openTrace(await rewriteTrace(trace, { paths: true }));
  const authors = (of: Trace): string[] =>
    [...of.graph.functions, ...of.graph.nodes].flatMap(({ source }) => (source.author ?? []).flatMap((place) => [place.file, place.text ?? ""]));
  const folders = new Set(authors(trace).flatMap((file) => /^(.*\/)[^/]*\.py$/.exec(file)?.[1] ?? []));
  expect(folders.size).toBeGreaterThan(0);
  expect(authors(bare).filter((text) => [...folders].some((folder) => text.includes(folder)))).toEqual([]);
  expect(authors(bare)).toHaveLength(authors(trace).length);
  expect([bare.manifest.model.name, bare.graph.model.name]).toEqual(["model.pt", "model.pt"]);
});
