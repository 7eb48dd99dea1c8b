/** The base of the debugger: numbers of nodes, the stream of events, values with storages and versions; on scripted models. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { graphOf, healthOf, record, type RecordOptions, type Recording, type TraceEvent } from "../../src/debug/index.ts";
import { load, type Model } from "../../src/model.ts";
import type { Input } from "../../src/run/convert.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { makeBackend } from "../../scripts/runner/backend.ts";
import { BACKENDS } from "../support/backends.ts";

const model = (name: string): Promise<Model> => load(join(import.meta.dirname, `../golden/models/${name}/model.pt`));
const x = (): Tensor => Tensor.from([0.5, -1, 2, 0.25], [4], "float32");
const grid = (): Tensor =>
  Tensor.from(
    Float32Array.from({ length: 12 }, (_, i) => i - 5),
    [3, 4],
  );

async function recorded(name: string, args: readonly Input[], options: RecordOptions = {}): Promise<Recording> {
  using session = await (await model(name)).session();
  return await record(session, { args }, { timing: false, ...options });
}

describe("the numbers of a program", () => {
  it("are the same whenever the file is loaded, begin with forward, and name every value once in its function", async () => {
    const [a, b] = [graphOf((await model("steps")).program), graphOf((await model("steps")).program)];
    expect(a).toEqual(b);
    expect(a.functions[0]?.name).toBe("forward");
    expect(a.nodes.map((node) => node.id)).toEqual(a.nodes.map((_, i) => i + 1));
    for (const fn of a.functions) {
      const own = a.values.filter((value) => a.blocks[value.block]?.function === fn.id).map((value) => value.name);
      expect(new Set(own).size).toBe(own.length);
    }
    for (const node of a.nodes) for (const result of node.results) expect(a.values[result]?.node).toBe(node.id);
  });

  it("carry the archive's line and the author's line with its text", async () => {
    const graph = graphOf((await model("steps")).program);
    const node = graph.nodes.find((n) => n.op === "aten::mul.Tensor");
    expect(node?.source.archive?.file).toMatch(/^code\/.*\.py$/);
    expect(node?.source.author?.[0]).toMatchObject({ file: "model_cases.py" });
    expect(node?.source.author?.[0]?.text).toMatch(/\*/);
  });
});

describe("a recorded run", () => {
  it("is the same stream again for the same inputs", async () => {
    const [a, b] = [await recorded("steps", [x(), 3]), await recorded("steps", [x(), 3])];
    expect(a.run.events.length).toBeGreaterThan(50);
    expect(JSON.stringify(a.run.events)).toBe(JSON.stringify(b.run.events));
    expect(a.trace.manifest).toEqual(b.trace.manifest);
  });

  it("numbers the executions of a node in a loop, under the frames and modules that they ran in", async () => {
    const { run } = await recorded("steps", [x(), 3]);
    const counts = run.graph.nodes.map((node) => run.executionsOf(node.id).length);
    expect(counts.filter((n) => n === 3).length).toBeGreaterThan(3);
    for (const execution of run.executions) expect(run.execution(execution.node, execution.nth)).toBe(execution);
    expect(run.events.filter((e) => e.k === "block" && e.why === "loop").map((e) => (e.k === "block" ? e.trip : -1))).toEqual([0, 1, 2]);
    expect(run.frames.map((frame) => frame.method).filter((m) => m === "forward").length).toBeGreaterThan(1);
    expect(new Set(run.frames.map((frame) => frame.module))).toContain("");
    expect(run.frames.every((frame) => frame.end >= frame.t)).toBe(true);
    const enters = run.events.filter((e) => e.k === "enter").length;
    expect(run.events.filter((e) => e.k === "exit")).toHaveLength(enters);
  });

  it("tells a write through a view as a new version of the storage, with the value it went through", async () => {
    const { run } = await recorded("inplace_views", [grid()]);
    expect(run.writes.length).toBeGreaterThan(1);
    const [write] = run.writes;
    const through = run.value(write?.through ?? -1);
    const base = run
      .valuesOf(0)
      .concat(run.values)
      .find((v) => v.storage === write?.storage && v.t === 0);
    expect(base?.version).toBe(0);
    expect(through?.storage).toBe(write?.storage);
    const versions = run.writesOf(write?.storage ?? -1).map((w) => w.version);
    expect(versions).toEqual(versions.map((_, i) => i + 1));
    expect(run.versionAt(write?.storage ?? -1, (write?.t ?? 0) - 1)).toBe(0);
    expect(run.versionAt(write?.storage ?? -1, Infinity)).toBe(versions.length);
  });

  it("keeps the numbers of a value as they were, though the storage is written later", async () => {
    const input = grid();
    const before = Array.from(input.data, Number);
    const { run } = await recorded("inplace_views", [input], { values: "full" });
    const first = run.values.find((value) => value.t === 0 && value.tensor !== undefined);
    const kept = first === undefined ? undefined : await run.tensor(first);
    expect(Array.from(kept?.data ?? [], Number)).toEqual(before);
    expect(Array.from(input.data, Number)).not.toEqual(before);
    for (const value of run.values) {
      if (value.tensor === undefined) continue;
      const tensor = await run.tensor(value);
      expect(tensor?.shape).toEqual(value.tensor.shape);
    }
    // The operand of an in-place op is the version before it.
    const write = run.writes[0];
    const execution = run.executions.find((e) => e.t === write?.t && e.node === write.node);
    const operand = execution === undefined ? undefined : run.inputsOf(execution).find((v) => v.storage === write?.storage);
    expect(operand?.version).toBe((write?.version ?? 0) - 1);
  });

  it("ends with the error of a run that fails, everything before it kept", async () => {
    const { run, error, result } = await recorded("steps", [x(), 2, true]);
    expect(result).toBeUndefined();
    expect(error).toMatchObject({ code: "model-raised" });
    expect(run.error?.error).toMatchObject({ code: "model-raised", message: "asked to fail after 2 rounds" });
    expect(run.executions.length).toBeGreaterThan(5);
    expect(run.frames).toHaveLength(run.events.filter((e) => e.k === "leave").length);
  });

  it("drops numbers beyond its budget and says how many", async () => {
    const { trace, run } = await recorded("inplace_views", [grid()], { values: "full", maxBytes: 60 });
    expect(trace.manifest.leftOut).toEqual([{ what: "values", count: expect.any(Number) as number, bytes: expect.any(Number) as number }]);
    expect(run.events.some((e) => e.k === "dropped")).toBe(true);
    expect(trace.manifest.counts.full).toBeGreaterThan(0);
    expect(trace.manifest.counts.full).toBeLessThan(run.values.length);
  });
});

it("waits for numbers that a device hands over later, and tells the same as one that has them at once", async () => {
  const run = async (isLate: boolean): Promise<Recording> => {
    const backend = await makeBackend("wasm");
    const { download } = backend;
    if (isLate)
      Object.assign(backend, {
        download: (...args: Parameters<typeof download>) =>
          Promise.resolve(download(...args)).then((bytes) => new Promise((done) => setTimeout(done, 0, bytes))),
      });
    return record(await (await model("steps")).session({ backend }), { args: [x(), 2] }, { values: "full", timing: false, prims: true });
  };
  const [late, prompt] = [await run(true), await run(false)];
  expect(late.error).toBeUndefined();
  const text = (one: Recording): string[] => one.run.events.map((event) => JSON.stringify(event));
  expect(text(late)).toEqual(text(prompt));
  for (const [i, value] of late.run.values.entries()) {
    const [a, b] = [await late.run.tensor(value), await prompt.run.tensor(prompt.run.values[i] ?? value)];
    expect(a?.data).toEqual(b?.data);
  }
});

describe.each(BACKENDS)("watching on $name", ({ make }) => {
  it("changes no bit of any output, and tells the same of executions and versions", async () => {
    const cases: [string, Input[]][] = [
      ["steps", [x(), 3]],
      ["inplace_views", [grid()]],
      [
        "tagger",
        [
          Tensor.from(
            Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
            [4, 2, 3],
          ),
        ],
      ],
    ];
    for (const [name, args] of cases) {
      const bits = (value: unknown): string =>
        JSON.stringify(value, (_, v: unknown) =>
          v instanceof Tensor ? [v.dtype, v.shape, Array.from(v.data, String)] : typeof v === "bigint" ? String(v) : v,
        );
      const copies = (): Input[] => args.map((arg) => (arg instanceof Tensor ? Tensor.from(arg.data.slice(), arg.shape, arg.dtype) : arg));
      const plain = await (await (await model(name)).session({ backend: await make() })).invoke("forward", copies());
      const watched = await record(await (await model(name)).session({ backend: await make() }), { args: copies() }, { values: "full", timing: false });
      expect(bits(watched.result?.value)).toBe(bits(plain.value));
      for (const value of watched.run.values) {
        const kept = await watched.run.tensor(value);
        if (kept !== undefined && value.health !== undefined) expect(healthOf(kept, kept.storage.bytes())).toEqual(value.health);
      }
      const reference = await recorded(name, copies());
      const shape = (events: readonly TraceEvent[]): unknown[] =>
        events.flatMap((e) => (e.k === "exit" ? [[e.node, e.nth, e.outs]] : e.k === "write" ? [[e.storage, e.version, e.node]] : []));
      expect(shape(watched.run.events)).toEqual(shape(reference.run.events));
    }
  });
});
