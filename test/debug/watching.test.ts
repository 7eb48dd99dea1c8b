/** Assertions, listeners for programs, and runs again. */

import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { batched, checkRun, copies, isSampled, on, parseChecks, record, repeat, watchChecks, type CheckFailure, type Variant } from "../../src/debug/index.ts";
import { load, type Model } from "../../src/model.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const model = (name: string): Promise<Model> => load(join(import.meta.dirname, `../golden/models/${name}/model.pt`));
const x = (): Tensor => Tensor.from([0.5, -1, 2, 0.25], [4], "float32");

describe("assertions", () => {
  it("are lines of a selector and a condition, with comments and samples; a bad line is named", () => {
    const checks = parseChecks("// all\naten::mul => {absmax<10}   sample 0.5\n\n%x & scale => {nan=0 & inf=0} // two\n#4=>{n>0}");
    expect(checks.map(({ line, sample }) => [line, sample])).toEqual([
      [2, 0.5],
      [4, 1],
      [5, 1],
    ]);
    const fault = (text: string): unknown => {
      try {
        return parseChecks(text);
      } catch (error) {
        return isOpwiseError(error) ? [error.code, error.where.line] : error;
      }
    };
    expect(fault("aten::mul => {nan=0}\nnonsense")).toEqual(["bad-argument", 2]);
    expect(fault("aten::mul => {nans=0}")).toEqual(["bad-argument", 1]);
    expect(fault("aten::mul => {nan=0} sample 2")).toEqual(["bad-argument", 1]);
  });

  it("hold a run: failures with their node and execution, checks that match nothing apart", async () => {
    const { run } = await record(await (await model("steps")).session(), { args: [x(), 3] });
    const report = checkRun(
      run,
      parseChecks("aten::mul.Tensor => {absmax<1e9}\naten::mul.Tensor => {absmax<1e-9}\naten::nothing => {nan=0}\naten::mul.Tensor => {dtype=f32 & shape=[4]}"),
    );
    expect(report.counts[0]).toBe(3);
    expect(report.counts[0]).toBe(report.counts[1]);
    expect(new Set(report.failures.map((failure) => failure.check.line))).toEqual(new Set([2]));
    expect(report.failures.map((failure) => failure.op)).toContain("aten::mul.Tensor");
    expect(report.unmatched.map((check) => check.line)).toEqual([3]);
  });

  it("watch a session's runs as they go, the same as afterwards", async () => {
    const checks = parseChecks("aten::mul.Tensor => {absmax<1e-9}\naten::sum => {max<1}");
    const session = await (await model("steps")).session();
    const live: CheckFailure[] = [];
    const off = watchChecks(session, checks, (failure) => void live.push(failure));
    await session.forward(x(), 3);
    off();
    const counted = live.length;
    await session.forward(x(), 3);
    expect(live).toHaveLength(counted);
    const { run } = await record(await (await model("steps")).session(), { args: [x(), 3] });
    const later = checkRun(run, checks).failures;
    expect(counted).toBeGreaterThan(0);
    expect(live.map(({ node, nth, check }) => [node, nth, check.line])).toEqual(later.map(({ node, nth, check }) => [node, nth, check.line]));
    expect(() => watchChecks(session, parseChecks("aten::nothing => {nan=0}"), () => undefined)).toThrow("nothing in the model matches");
  });
});

describe("a listener", () => {
  it("gets the events of a kind, of selected nodes alone, with health where its tier asks for it", async () => {
    const session = await (await model("steps")).session();
    const seen: [string, number | undefined, number][] = [];
    const off = on(session, "value", (event, subject) => void seen.push([subject?.node.op ?? "", event.health?.n, event.t]), { select: "aten::mul.Tensor" });
    const hashes: (string | undefined)[] = [];
    on(session, "value", (event) => void hashes.push(event.hash), { select: "aten::mul.Tensor", tier: 1 });
    await session.forward(x(), 2);
    off();
    await session.forward(x(), 2);
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.every(([op, n]) => op === "aten::mul.Tensor" && n === 4)).toBe(true);
    expect(hashes.length).toBe(2 * seen.length);
    expect(hashes.every((hash) => hash !== undefined)).toBe(true);
    expect(() => on(session, "value", () => undefined, { select: "aten::mull" })).toThrow("nothing in the model matches");
  });

  it("watches a sample of the runs; the others build no event", async () => {
    const session = await (await model("steps")).session();
    let runs = 0;
    on(session, "run", () => void runs++, { sample: 0.25 });
    for (let i = 0; i < 9; i++) await session.forward(x(), 1);
    expect(runs).toBe(3); // the first, the fourth and the eighth
    expect(Array.from({ length: 100 }, (_, n) => isSampled(n, 0.1)).filter(Boolean)).toHaveLength(10);
    expect(Array.from({ length: 1001 }, (_, n) => isSampled(n, 0.01)).filter(Boolean)).toHaveLength(11);
  });

  it("changes no bit, and one that throws ends the run with what it threw", async () => {
    const [quiet, watched] = [await (await model("steps")).session(), await (await model("steps")).session()];
    on(watched, "value", () => undefined);
    const bits = (value: unknown): string =>
      JSON.stringify(value, (_, v: unknown) => (v instanceof Tensor ? Array.from(v.data, String) : typeof v === "bigint" ? String(v) : v));
    expect(bits(await watched.forward(x(), 3))).toBe(bits(await quiet.forward(x(), 3)));
    expect(bits(watched.callSync("forward", [x(), 3]))).toBe(bits(quiet.callSync("forward", [x(), 3])));
    on(watched, "exit", () => {
      throw new RangeError("enough");
    });
    await expect(watched.forward(x(), 1)).rejects.toThrow("enough");
  });
});

describe("running again", () => {
  it("finds no difference on the cpu, and none with plans or in a batch where rows are computed alike", async () => {
    const tagger = await model("tagger");
    const variants: Variant[] = [{ name: "plans off", compare: "outputs", session: () => tagger.session({ plan: false }) }];
    const rows = Tensor.from(
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(i)),
      [4, 2, 3],
    );
    const found = await repeat(() => tagger.session(), { args: [rows] }, { runs: 2, variants });
    expect(found.differences).toEqual([]);
    expect(found.values).toBeGreaterThan(20);
  });

  it("names the first value that differs, of each variant", async () => {
    const steps = await model("steps");
    let seed = 0n;
    const other: Variant = { name: "other input", session: () => steps.session(), inputs: { args: [Tensor.from([0.5, -1, 2, 0.5], [4], "float32"), 3] } };
    const path: Variant = { name: "fewer rounds", session: () => steps.session(), inputs: { args: [x(), 2] } };
    const found = await repeat(() => steps.session({ seed: seed++ }), { args: [x(), 3] }, { runs: 2, variants: [other, path] });
    expect(found.differences.map((one) => [one.variant, one.what])).toEqual([
      ["other input", "value"],
      ["fewer rounds", "value"],
    ]);
    expect(found.differences[0]?.value?.t).toBe(0);
  });

  it("copies inputs for each run, and repeats rows for a batch", () => {
    const input = Tensor.from(Float32Array.from([1, 2, 3, 4]), [2, 2]);
    const [copy] = copies({ args: [input, 3] }).args ?? [];
    expect(copy instanceof Tensor && copy !== input && [...copy.data].map(Number)).toEqual([1, 2, 3, 4]);
    const [long, count] = batched({ args: [input, 3] }, 3).args ?? [];
    expect(long instanceof Tensor && long.shape).toEqual([6, 2]);
    expect(long instanceof Tensor && [...long.data].map(Number)).toEqual([1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
    expect(count).toBe(3);
  });
});
