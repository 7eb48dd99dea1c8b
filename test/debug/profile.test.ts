/** Where time, memory and bytes go; and the same for other tools. */

import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import {
  chromeTrace,
  foldedStacks,
  measureRoofline,
  memoryOf,
  memoryText,
  moduleTree,
  parseSelector,
  profile,
  profileMarkdown,
  profileText,
  record,
  selectNodes,
  selfTimes,
  sizesOf,
  sizesText,
  sourceFiles,
  sourceText,
  graphOf,
  timesByNode,
  type TraceRun,
} from "../../src/debug/index.ts";
import { load, type Model } from "../../src/model.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { makeBackend } from "../../scripts/runner/backend.ts";

const model = (name: string): Promise<Model> => load(join(import.meta.dirname, `../golden/models/${name}/model.pt`), { name: `${name}.pt` });
const x = (): Tensor => Tensor.from([0.5, -1, 2, 0.25], [4], "float32");
const rows = (): Tensor =>
  Tensor.from(
    Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
    [4, 2, 3],
  );

let run: TraceRun;
beforeAll(async () => {
  run = (await record(await (await model("steps")).session(), { args: [x(), 3] }, { values: "none" })).run;
});

describe("a profile", () => {
  it("adds up: the time of all rows themselves is the time of the run, whatever it is asked by", async () => {
    const session = await (await model("tagger")).session();
    for (const by of ["op", "module", "line", "node"] as const) {
      const found = await profile(session, { args: [rows()] }, { by, runs: 1, roofline: false });
      const own = found.rows.reduce((ms, row) => ms + row.self.p50, 0);
      expect(own).toBeGreaterThan(0.9 * found.watched.p50);
      expect(own).toBeLessThan(1.1 * found.watched.p50 + 0.01);
      const executions = found.run.executions.length;
      expect(found.rows.reduce((n, row) => n + row.calls, 0)).toBe(executions);
      const wanted = { op: /^aten::batch_norm$/, module: /^$/, line: /\.py:\d+$/, node: /^#\d+ aten::/ }[by];
      expect(found.rows.some((row) => wanted.test(row.key))).toBe(true);
    }
    const found = await profile(session, { args: [rows()] }, { runs: 2 });
    expect(found.machine?.flopsPerSecond).toBeGreaterThan(1e6);
    expect(found.rows.some((row) => row.flops > 0 && row.bytes > 0 && row.roofline !== undefined)).toBe(true);
    expect(profileText(found)).toContain("this machine");
    expect(profileMarkdown(found, 3).split("\n")).toHaveLength(5);
  });

  it("names fallbacks with the bytes that they copy and the reason", async () => {
    const session = await (await model("steps")).session({ backend: await makeBackend("tfjs-cpu") });
    const found = await profile(session, { args: [x(), 3] }, { runs: 1, roofline: false });
    const fallbacks = found.rows.flatMap((row) => row.fallbacks);
    expect(fallbacks.length).toBeGreaterThan(0);
    for (const fallback of fallbacks) expect(fallback).toMatchObject({ to: "cpu", reason: expect.stringMatching(/./) as string });
    expect(profileText(found)).toContain("fallbacks");
  });

  it("takes from a call what is inside it", () => {
    const self = selfTimes(run);
    const whole = run.executions.filter((e) => e.depth === 0).reduce((ms, e) => ms + (e.ms ?? 0), 0);
    const parts = run.executions.reduce((ms, e) => ms + (self.get(e) ?? 0), 0);
    expect(parts).toBeGreaterThan(0.95 * whole);
    expect(parts).toBeLessThan(1.05 * whole + 0.01);
  });

  it("can be of times alone", async () => {
    const times = await timesByNode(await (await model("steps")).session(), { args: [x(), 3] });
    expect(times.size).toBeGreaterThan(10);
    for (const ms of times.values()) expect(ms).toBeGreaterThanOrEqual(0);
  });

  it("measures what a backend gives without leaving memory behind", async () => {
    const session = await (await model("steps")).session({ backend: await makeBackend("wasm") });
    await session.invoke("forward", [x(), 1]);
    const before = session.memory();
    const machine = await measureRoofline(session.executor);
    expect(machine.bytesPerSecond).toBeGreaterThan(1e6);
    expect(session.memory()).toEqual(before);
  });
});

describe("memory", () => {
  it("is what lives at each step: the peak is the largest, and its holders add up to it", () => {
    const use = memoryOf(run);
    expect(Math.max(...use.curve.map((point) => point.bytes))).toBe(use.peak.bytes);
    expect(use.peak.holders.reduce((n, life) => n + life.bytes, 0)).toBe(use.peak.bytes);
    const alive = (t: number): number => use.storages.reduce((n, life) => n + (life.from <= t && t <= life.to ? life.bytes : 0), 0);
    for (const { t, bytes } of use.curve) expect(bytes).toBe(alive(t));
    expect(use.inputs).toBe(16);
    expect(use.outputs).toBeGreaterThan(0);
    expect(use.weights).toBeGreaterThan(0);
    expect(use.storages.some((life) => life.role === "value" && life.to < (run.events.at(-1)?.t ?? 0))).toBe(true);
    expect(memoryText(use)).toContain("held at the peak");
  });
});

describe("sizes", () => {
  it("name weights that share a storage, and that are zero or never read", async () => {
    const shared = await sizesOf(await (await model("shared_storage")).session());
    expect(shared.shared.some((names) => names.includes("base") && names.includes("tail"))).toBe(true);
    const names = shared.weights.map((weight) => weight.name);
    expect(names).toContain("first.weight");
    expect(shared.bytes).toBeLessThan(shared.weights.reduce((n, weight) => n + weight.bytes, 0));
    const steps = await sizesOf(await (await model("steps")).session());
    expect(steps.weights.find((weight) => weight.name === "count")).toMatchObject({ zero: true, unused: false });
    expect(sizesText(shared)).toContain("by module");
  });
});

describe("exports", () => {
  it("are Chrome's trace format: complete events nested in time, counters of memory", () => {
    const { traceEvents } = chromeTrace(run);
    const complete = traceEvents.filter((event) => event.ph === "X");
    expect(complete).toHaveLength(run.executions.length);
    expect(traceEvents.some((event) => event.ph === "C" && event.name === "memory")).toBe(true);
    for (const event of complete) expect(event).toMatchObject({ pid: 1, tid: 1, ts: expect.any(Number) as number, dur: expect.any(Number) as number });
    const call = run.executions.find((e) => e.depth === 0 && run.executions.some((inner) => inner.depth === 1 && inner.t > e.t && inner.t < e.end));
    const inner = run.executions.find((e) => e.depth === 1 && e.t > (call?.t ?? 0) && e.t < (call?.end ?? 0));
    const [outside, inside] = [call, inner].map((e) => complete[run.executions.findIndex((one) => one === e)]);
    expect(inside?.ts ?? 0).toBeGreaterThanOrEqual(outside?.ts ?? Infinity);
    expect((inside?.ts ?? 0) + (inside?.dur ?? 0)).toBeLessThanOrEqual((outside?.ts ?? 0) + (outside?.dur ?? 0) + 50);
  });

  it("are folded stacks: one line a stack, with microseconds", () => {
    const lines = foldedStacks(run).split("\n");
    expect(lines.length).toBeGreaterThan(3);
    for (const line of lines) expect(line).toMatch(/^[^;\s](?:[^\n]*) \d+$/);
    expect(lines.some((line) => line.includes(";"))).toBe(true);
  });
});

describe("the source view", () => {
  it("has each node on its line of the archive, with the author's line", async () => {
    const { program } = await model("steps");
    const graph = graphOf(program);
    const files = sourceFiles(graph, (record) => program.sourceText?.(record));
    const nodes = files.flatMap((file) => file.lines.flatMap((line) => line.nodes));
    expect(nodes.toSorted((a, b) => a - b)).toEqual(graph.nodes.map((node) => node.id));
    for (const file of files) for (const line of file.lines) for (const id of line.nodes) expect(graph.nodes[id - 1]?.source.archive?.line).toBe(line.line);
    const ids = new Set(selectNodes(graph, parseSelector("aten::mul.Tensor")).map((match) => match.node.id));
    expect(sourceText(graph, files, ids)).toMatch(/→ +\d+ .* #\d+ +← .*model_cases\.py:\d+ /);
    const tree = moduleTree(graph);
    expect(tree.children.map((child) => child.name)).toEqual(["scale"]);
    expect(tree.children[0]?.nodes).toBeGreaterThan(0);
  });
});
