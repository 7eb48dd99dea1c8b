/** `*.opwtrace`: written while the run goes on, read by range, cut off and repaired, damaged. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openZip } from "../../src/bytes/zip.ts";
import { bytesSource } from "../../src/bytes/source.ts";
import { MemoryBytes, openTrace, readRun, record, recordBytes, type RecordOptions, repairTrace, SCHEMAS } from "../../src/debug/index.ts";
import { load, type Model } from "../../src/model.ts";
import type { Input } from "../../src/run/convert.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const model = (name: string): Promise<Model> => load(join(import.meta.dirname, `../golden/models/${name}/model.pt`), { name: `${name}.pt` });
const x = (): Tensor => Tensor.from([0.5, -1, 2, 0.25], [4], "float32");
const grid = (): Tensor =>
  Tensor.from(
    Float32Array.from({ length: 12 }, (_, i) => i - 5),
    [3, 4],
  );

async function written(name: string, args: readonly Input[], options: RecordOptions = {}): Promise<Uint8Array> {
  const { bytes, error } = await recordBytes(await (await model(name)).session(), { args }, { timing: false, ...options });
  if (error !== undefined) throw error;
  return bytes;
}

describe("a trace file", () => {
  it("holds what a trace in memory holds, numbers included", async () => {
    const memory = await record(await (await model("inplace_views")).session(), { args: [grid()] }, { timing: false, values: "full" });
    const trace = await openTrace(await written("inplace_views", [grid()], { values: "full" }));
    const run = await readRun(trace);
    const bare = (events: readonly object[]): unknown[] =>
      events.map((event) => JSON.parse(JSON.stringify(event, (key, v: unknown) => (key === "blob" ? undefined : v))) as unknown);
    expect(bare(run.events)).toEqual(bare(memory.run.events));
    expect(JSON.parse(JSON.stringify(trace.graph))).toEqual(JSON.parse(JSON.stringify(memory.trace.graph)));
    for (const [i, value] of run.values.entries()) {
      const [a, b] = [await run.tensor(value), await memory.run.tensor(memory.run.values[i] ?? value)];
      expect(a?.data).toEqual(b?.data);
    }
    expect(await trace.source(trace.graph.nodes.find((n) => n.source.archive !== undefined)?.source.archive?.file ?? "")).toContain("def forward");
  });

  it("is the same file again, byte for byte", async () => {
    expect(await written("steps", [x(), 3], { values: "full" })).toEqual(await written("steps", [x(), 3], { values: "full" }));
  });

  it("stores each version once, equal contents once, and on 64-byte borders", async () => {
    const bytes = await written("inplace_views", [grid()], { values: "full" });
    const zip = await openZip(bytesSource(bytes));
    expect(zip.names[0]).toBe("manifest.json");
    expect(zip.names.at(-1)).toBe("index.json");
    const tensors = zip.names.filter((name) => name.startsWith("tensors/"));
    expect(tensors.length).toBeGreaterThan(3);
    for (const name of tensors) {
      const range = await zip.range(name);
      const header = new DataView(bytes.buffer, bytes.byteOffset + (range?.offset ?? 0)).getUint16(8, true) + 10;
      expect(((range?.offset ?? 1) + header) % 64).toBe(0);
    }
    const contents = await Promise.all(tensors.map(async (name) => Buffer.from(await zip.read(name)).toString("hex")));
    expect(new Set(contents).size).toBe(contents.length);
    const { index } = await openTrace(bytes);
    const kept = Object.values(index.values).flat().length;
    expect(kept).toBeGreaterThan(tensors.length);
  });

  it("is read by range: opening and asking for a few steps fetches a small part of the file", async () => {
    const wide = Tensor.from(
      Float32Array.from({ length: 60_000 }, (_, i) => Math.sin(i)),
      [15_000, 4],
    );
    const bytes = await written("steps", [wide, 12], { values: "full" });
    let fetched = 0;
    const server = (_url: string, init?: RequestInit): Promise<Response> => {
      const [, from = "0", to = "0"] = /bytes=(\d+)-(\d+)/.exec(new Headers(init?.headers).get("range") ?? "") ?? [];
      const part = bytes.slice(Number(from), Number(to) + 1);
      fetched += part.length;
      return Promise.resolve(
        new Response(part, { status: 206, headers: { "content-range": `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}` } }),
      );
    };
    const trace = await openTrace("https://example.test/run.opwtrace", { fetch: server });
    const some = await trace.events(100, 120);
    expect(some.length).toBeGreaterThan(5);
    expect(some).toEqual((await trace.events()).filter((e) => e.t >= 100 && e.t <= 120));
    expect(bytes.length).toBeGreaterThan(4_000_000);
    expect(fetched).toBeLessThan(bytes.length / 5);
  });

  it("keeps to its budget: numbers go first, then health, then hashes, structure never; and says so", async () => {
    const wide = Tensor.from(
      Float32Array.from({ length: 20_000 }, (_, i) => Math.sin(i)),
      [5000, 4],
    );
    const all = await openTrace(await written("steps", [x(), 200], { values: "full" }));
    const big = await written("steps", [wide, 30], { values: "full", maxBytes: 300_000 });
    const capped = await openTrace(big);
    expect(big.length).toBeLessThan(300_000);
    expect(capped.manifest.leftOut.find((one) => one.what === "numbers")?.count).toBeGreaterThan(0);
    const run = await readRun(capped);
    expect(run.values.some((v) => v.blob?.complete === true)).toBe(true);
    const ends = run.values.find((v) => v.blob?.complete === false);
    expect(ends?.blob?.slice).toBe("0-4096,75904-80000");
    if (ends?.blob !== undefined) expect((await capped.blob(ends.blob)).byteLength).toBe(8192);
    const tiny = await openTrace(await written("steps", [x(), 200], { values: "full", maxBytes: 20_000 }));
    expect(tiny.manifest.leftOut.map((one) => one.what)).toEqual(expect.arrayContaining(["numbers", "health", "hashes"]));
    const structure = (events: readonly { k: string; node?: number; t: number }[]): unknown[] =>
      events.filter((e) => e.k === "enter" || e.k === "exit").map((e) => [e.k, e.node, e.t]);
    expect(structure((await tiny.events()) as never)).toEqual(structure((await all.events()) as never));
    expect((await tiny.events()).some((e) => e.k === "value" && e.hash !== undefined)).toBe(true);
  });
});

describe("a trace that was cut off", () => {
  it("is repaired to its whole records wherever the cut is, and says so", async () => {
    const bytes = await written("steps", [x(), 400], { values: "full" });
    const whole = await (await openTrace(bytes)).events();
    let last = 0;
    for (let cut = 0; cut < bytes.length; cut += Math.ceil(bytes.length / 9)) {
      const part = bytes.slice(0, cut);
      const failed = await openTrace(part).catch((e: unknown) => e);
      expect(isOpwiseError(failed) && failed.code).toMatch(/truncated|bad-zip/);
      const to = new MemoryBytes();
      const repaired = await repairTrace(part, to).catch((e: unknown) => e);
      if (isOpwiseError(repaired)) {
        expect(repaired.code).toBe("bad-zip");
        expect(last).toBe(0);
        continue;
      }
      const trace = await openTrace(to.bytes());
      const events = await trace.events();
      expect(events.length).toBeGreaterThanOrEqual(last);
      expect(whole.slice(0, events.length)).toEqual(events);
      expect(trace.manifest.unfinished).toBe(true);
      expect(trace.manifest.counts.events).toBe(events.length);
      expect(trace.manifest.leftOut.at(-1)).toMatchObject({ what: "after the cut" });
      last = events.length;
    }
    expect(last).toBeGreaterThan(1000);
  });
});

describe("a trace that nobody can trust", () => {
  it("reads, or fails with a typed error, whatever byte is changed", async () => {
    const bytes = await written("inplace_views", [grid()], { values: "full" });
    for (let i = 0; i < 100; i++) {
      const broken = bytes.slice();
      const at = (i * 7919) % bytes.length;
      broken[at] = (broken[at] ?? 0) ^ (1 << (i % 8));
      try {
        const run = await readRun(await openTrace(broken));
        for (const value of run.values) await run.tensor(value);
      } catch (error) {
        expect(isOpwiseError(error), String(error)).toBe(true);
      }
    }
  });

  it("is refused where its texts are not as the schemas say", async () => {
    const bytes = await written("inplace_views", [grid()]);
    const { unzipSync, zipSync } = await import("fflate");
    const files = unzipSync(bytes);
    const edit = (name: string, change: (text: string) => string): Uint8Array =>
      zipSync({ ...files, [name]: new TextEncoder().encode(change(new TextDecoder().decode(files[name]))) }, { mtime: new Date(1980, 0, 1, 12) });
    const code = async (broken: Uint8Array): Promise<string> => {
      const error = await (async () => readRun(await openTrace(broken)))().catch((e: unknown) => e);
      return isOpwiseError(error) ? `${error.code}: ${error.got ?? ""}` : "fine";
    };
    expect(await code(edit("graph.json", (t) => t.replace('"op":"', '"op":7,"was":"')))).toMatch(/^bad-model: \$\.nodes\[0\]\.op: string is wanted/);
    expect(await code(edit("graph.json", (t) => t.replace(/"results":\[(\d+)\]/, '"results":[99999]')))).toMatch(/^bad-model: node #/);
    expect(await code(edit("events/000000.jsonl", (t) => t.replace('"nth":0', '"nth":"0"')))).toMatch(/^bad-model: \$\.nth/);
    expect(await code(edit("events/000000.jsonl", (t) => t.replace('"shape":[3,4]', '"shape":[3,4000]')))).toBe("fine");
    expect(await code(edit("manifest.json", (t) => t.replace('"major": 1', '"major": 2')))).toBe("unsupported-version: 2.0");
    expect(await code(edit("manifest.json", (t) => t.replace('"minor": 0', '"minor": 7')))).toBe("fine");
    expect(await code(edit("events/000000.jsonl", (t) => `${t}{"k":"news","t":1}\n`))).toBe("fine");
  });
});

it("publishes the schemas that readers check by", () => {
  for (const [file, schema] of Object.entries(SCHEMAS)) {
    expect(readFileSync(join(import.meta.dirname, "../../schemas", file), "utf8")).toBe(`${JSON.stringify(schema, undefined, 2)}\n`);
  }
});

it("says in a trace which version of opwise wrote it", async () => {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as { version: string };
  expect((await openTrace(await written("steps", [x(), 1]))).manifest.tool).toEqual({ name: "opwise", version });
});
