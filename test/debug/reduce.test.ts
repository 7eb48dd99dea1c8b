/** Cases, reduction and bisection, on planted faults. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FAULTS } from "../../scripts/eyesight/faults.ts";
import { corpusCase, taped } from "../../scripts/eyesight/models.ts";
import { type Planting, plantingOf, reducedProblem } from "../../scripts/eyesight/plant.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import {
  bisect,
  bisectionText,
  bisectNodes,
  bisectPrecision,
  caseAsPython,
  caseAsTest,
  ddmin,
  instrument,
  readCase,
  reduce,
  reductionText,
  type Tape,
  writeCase,
} from "../../src/debug/index.ts";

const host = cpu();
async function tapeOf(name: string): Promise<Tape> {
  const subject = await corpusCase(join(import.meta.dirname, `../golden/models/${name}`));
  if (subject === undefined) throw new Error(name);
  return taped(subject, host);
}
async function planted(model: string, name: string): Promise<Planting> {
  const fault = FAULTS.find((f) => f.name === name);
  const planting = fault === undefined ? undefined : await plantingOf(await tapeOf(model), fault, host);
  if (planting === undefined) throw new Error(`${name} does not show in ${model}`);
  return planting;
}

describe("ddmin", () => {
  it("finds members that act only together, in whatever order they stand", async () => {
    for (const pair of [
      [3, 4],
      [0, 15],
      [2, 9],
    ]) {
      const found = await ddmin(
        Array.from({ length: 16 }, (_, i) => i),
        (set) => Promise.resolve(pair.every((n) => set.includes(n))),
      );
      expect(found.members).toEqual(pair);
    }
  });
  it("finds nothing where the empty set does it, and stops at its limit", async () => {
    expect((await ddmin([1, 2, 3], () => Promise.resolve(true))).members).toEqual([]);
    const stopped = await ddmin(
      Array.from({ length: 64 }, (_, i) => i),
      (set) => Promise.resolve(set.length > 20),
      { maxTests: 5 },
    );
    expect([stopped.stopped, stopped.tests]).toEqual([true, 5]);
  });
});

describe("reduce", () => {
  it.each([
    ["traced_patches", "one wrong channel in a convolution"],
    ["traced_patches", "tanh for erf in gelu"],
    ["tagger", "linear without its bias"],
    ["steps", "a NaN in one place"],
    ["padded_encoder", "layer norm with another epsilon"],
  ])("%s: %s is shown by a file of at most three nodes", async (model, name) => {
    expect(await reducedProblem(await planted(model, name), host)).toBeUndefined();
  });

  it("shrinks sizes and numbers, pins the failure, and says it as a script and as a test", async () => {
    const planting = await planted("traced_patches", "convolution without its bias");
    const { node, outs } = planting.execution;
    const found = await reduce(planting.sound, planting.execution, 0, {
      backendA: host,
      backendB: host,
      cpu: host,
      boundB: (step) => (step.node === node ? planting.bound : step.bound),
    });
    if (found === undefined) throw new Error("the failure does not come back");
    expect(found.nodes.after).toBe(1);
    expect(found.times).toBeGreaterThanOrEqual(10);
    expect(found.bytes.after).toBeLessThan((outs[0] as { nbytes: number }).nbytes); // its one result is a tensor
    expect(reductionText(found)).toMatch(/^7 → 1 nodes, /);
    const python = caseAsPython(found.case, "conv.opwcase");
    expect(python).toMatch(/torch\.ops\.aten\._convolution\.\w+\(x0, x1, /);
    const failure = { op: found.op, times: found.times, atLeast: found.atLeast, a: "cpu", b: "wasm" };
    expect(caseAsTest("conv.opwcase", failure)).toContain("checkCase(");
    const again = await readCase(writeCase(found.case, found.expected, failure, "conv"));
    expect(again.failure).toEqual(failure);
    expect(again.inputs.map((t) => t.shape)).toEqual([...found.case.inputs.values()].map((t) => t.shape));
  });

  it("gives nothing where nothing is wrong", async () => {
    const tape = await tapeOf("traced_patches");
    const execution = tape.executions[0];
    if (execution === undefined) throw new Error("no execution");
    expect(await reduce(tape, execution, 0, { backendA: host, backendB: host, cpu: host })).toBeUndefined();
  });
});

describe("bisect", () => {
  it("names two that act together, and takes what an earlier one tried", async () => {
    const suspects = "abcdefgh".split("").map((name) => ({ name }));
    let runs = 0;
    const right = (mended: readonly { name: string }[]): Promise<boolean> => {
      runs++;
      const names = mended.map((s) => s.name);
      return Promise.resolve(names.includes("c") && names.includes("g"));
    };
    const found = await bisect(suspects, right);
    expect(found?.guilty.map((s) => s.name)).toEqual(["c", "g"]);
    expect(bisectionText(found, "node", "must run on cpu")).toMatch(/^2 of 8 nodes must run on cpu: \{c, g\} together \(each alone: wrong\); /);
    const before = runs;
    await bisect(suspects, right, { replay: found?.log });
    expect(runs).toBe(before);
  });

  it("over nodes: the planted one has to run on the reference", async () => {
    const planting = await planted("traced_patches", "product that drops its last term");
    const found = await bisectNodes(planting.sound, {
      backendA: host,
      backendB: host,
      cpu: host,
      boundB: (e) => (e.node === planting.execution.node ? planting.bound : e.bound),
    });
    expect(found?.guilty.map((s) => s.execution.index)).toEqual([planting.execution.index]);
  });

  it("over precision: nothing may be rounded where no error is allowed, anything where all is", async () => {
    const tape = await tapeOf("traced_patches");
    const loose = await bisectPrecision(tape, "float16", { backendA: host, backendB: host, cpu: host, tolerance: 0.1 });
    expect(loose?.guilty).toEqual([]);
    const tight = await bisectPrecision(tape, "float16", { backendA: host, backendB: host, cpu: host, tolerance: 1e-9 });
    expect((tight?.guilty.length ?? 0) > 1).toBe(true);
  });
});

it("probes leave the model's bytes as they are and add what is asked for", () => {
  const model = Uint8Array.of(8, 8);
  const { probes, manifest, script } = instrument(model, { stem: "probe", file: "m.onnx", values: ["a", "b", "c", "y"], outputs: ["y"], batch: 2 });
  expect(probes.map((p) => p.values)).toEqual([["a", "b"], ["c"]]);
  expect([...(probes[1]?.bytes ?? [])]).toEqual([8, 8, 0x3a, 5, 0x62, 3, 0x0a, 1, 99]);
  expect(manifest.probes.map((p) => p.file)).toEqual(["probe.0.onnx", "probe.1.onnx"]);
  expect(script).toContain('open("probe.json")');
});
