/** Comparing two runs: planted faults are named, sound kernels are not, and budgets stand clear of both. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FAULTS } from "../../scripts/eyesight/faults.ts";
import { corpusCase, type Subject, taped } from "../../scripts/eyesight/models.ts";
import { type Planting, plantingOf, plantingsOf, sighted } from "../../scripts/eyesight/plant.ts";
import { makeBackend } from "../../scripts/runner/backend.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import {
  compareTapes,
  comparisonExit,
  comparisonFindings,
  comparisonJson,
  comparisonMarkdown,
  comparisonSuite,
  comparisonText,
  executionsOf,
  parseTolerances,
  type Tape,
} from "../../src/debug/index.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";

const host = cpu();
async function subject(name: string): Promise<Subject> {
  const found = await corpusCase(join(import.meta.dirname, `../golden/models/${name}`));
  if (found === undefined) throw new Error(`${name} has no call to run`);
  return found;
}
const fault = (name: string): (typeof FAULTS)[number] => {
  const found = FAULTS.find((f) => f.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};

describe("planted faults", () => {
  it.each(["traced_patches", "tagger", "steps", "inplace_views", "padded_encoder", "shared_storage"])("each is the only source named in %s", async (name) => {
    const tape = await taped(await subject(name), host);
    const plantings = await plantingsOf(tape, host);
    expect(plantings.length).toBeGreaterThan(2);
    const problems: string[] = [];
    for (const planting of plantings) {
      const { problem } = await sighted(planting, host);
      if (problem !== undefined) problems.push(`${planting.fault.name}: ${problem}`);
    }
    expect(problems).toEqual([]);
  });

  it("stand at least ten times over their budget", async () => {
    const tape = await taped(await subject("traced_patches"), host);
    for (const planting of await plantingsOf(tape, host)) {
      const { comparison } = await sighted(planting, host);
      expect([planting.fault.name, Math.min(10, comparison.rows[comparison.sources[0] ?? -1]?.isolated ?? 0)]).toEqual([planting.fault.name, 10]);
    }
  });
});

describe("sound runs", () => {
  it.each(["wasm", "tfjs", "tfjs-cpu"])("cpu against %s names nothing", async (name) => {
    const backend = await makeBackend(name);
    for (const model of ["traced_patches", "tagger", "steps", "inplace_views", "vision_heads", "shared_storage", "dtypes"]) {
      const one = await subject(model);
      const c = await compareTapes(await taped(one, host), await taped(one, backend), {
        backendA: host,
        backendB: backend,
        cpu: host,
        profile: name === "wasm" ? "strict" : "portable",
      });
      expect([model, c.sources.map((i) => c.rows[i]?.a.op), c.diverged]).toEqual([model, [], undefined]);
    }
  });
});

describe("the report", () => {
  const planted = async (name: string): Promise<{ tape: Tape; planting: Planting }> => {
    const tape = await taped(await subject("traced_patches"), host);
    const planting = await plantingOf(tape, fault(name), host);
    if (planting === undefined) throw new Error("the fault does not show");
    return { tape, planting };
  };

  it("tells what the wrong value looks like, what it explains, and how to see it again", async () => {
    const { planting } = await planted("tanh for erf in gelu");
    const c = await compareTapes(planting.sound, planting.spoiled, { backendA: host, backendB: host, cpu: host });
    const text = comparisonText(c, { a: "m.pt@cpu", b: "m.pt@wasm", inputs: "-i x.npz" });
    expect(text).toContain("SOURCE");
    expect(text).toContain('looks like: approximate="tanh"');
    expect(text).toContain("One cause explains all");
    expect(text).toMatch(/reproduce: opwise compare m\.pt@cpu m\.pt@wasm -i x\.npz --only '#\d+'/);
    expect(comparisonExit(c)).toBe(1);
    expect(comparisonSuite(c, "x").cases.filter((one) => one.failure !== undefined)).toHaveLength(1);
    expect(comparisonFindings(c).map((f) => [f.rule, f.level])).toEqual([["compare/source", "error"]]);
    expect(comparisonMarkdown(c, { a: "m.pt@cpu", b: "m.pt@wasm" })).toMatch(/^\*\*First cause: #\d+ `aten::gelu`\*\*/);
    const json: unknown = JSON.parse(JSON.stringify(comparisonJson(c)));
    expect(json).toMatchObject({ schema: "opwise.compare/1", found: true, cause: { left: 0 } });
  });

  it.each([
    ["convolution without its bias", "a dropped bias"],
    ["convolution with results in float16", "results in float16"],
    ["layer norm with another epsilon", "eps=0.001"],
  ])("knows %s", async (name, words) => {
    const tape = await taped(await subject(name.startsWith("layer") ? "padded_encoder" : "traced_patches"), host);
    const planting = await plantingOf(tape, fault(name), host);
    if (planting === undefined) throw new Error("the fault does not show");
    const c = await compareTapes(planting.sound, planting.spoiled, { backendA: host, backendB: host, cpu: host });
    const row = c.rows[c.sources[0] ?? -1];
    if (name.startsWith("layer")) expect(row?.verdict).toBe("source");
    else expect(row?.detail?.looksLike.map((h) => h.what)).toContain(words);
  });

  it("says which side double precision agrees with", async () => {
    const { planting } = await planted("product with operands in tf32");
    const right = await compareTapes(planting.sound, planting.spoiled, { backendA: host, backendB: host, cpu: host, judge: "f64" });
    expect(right.rows.filter((row) => row.verdict === "source").map((row) => (row.judge?.a ?? 9) <= 1 && (row.judge?.b ?? 0) > 10)).toEqual([true]);
    // As if the reference's kernels were the wrong ones: its ops mean what they should.
    const wrong = {
      ...planting.spoiled,
      executions: planting.spoiled.executions.map((e, i) => ({ ...e, bound: planting.sound.executions[i]?.bound ?? e.bound })),
    };
    const reference = await compareTapes(wrong, planting.sound, { backendA: host, backendB: host, cpu: host, judge: "f64" });
    expect(reference.rows.filter((row) => row.verdict === "reference")).toHaveLength(1);
  });

  it("honours a tolerance file and reports its use", async () => {
    const { planting } = await planted("product with operands in tf32");
    const overrides = parseTolerances("# wide\naten::linear times=1e6\n", (selector) => executionsOf(planting.sound, selector));
    const c = await compareTapes(planting.sound, planting.spoiled, { backendA: host, backendB: host, cpu: host, overrides });
    expect([c.sources, c.overrides]).toEqual([[], ["aten::linear"]]);
    expect(() => parseTolerances("aten::linear", () => () => true)).toThrowError("line 1");
  });

  it("refuses what is no selector", async () => {
    const tape = await taped(await subject("steps"), host);
    let code: string | undefined;
    try {
      executionsOf(tape, "{nan>0");
    } catch (error) {
      code = isOpwiseError(error) ? error.code : "other";
    }
    expect(code).toBe("bad-argument");
  });
});
