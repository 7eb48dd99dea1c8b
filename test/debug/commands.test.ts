/** The debugger's commands as a user types them, in this process: what they print, write, and exit with. */

import { gunzipSync } from "node:zlib";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { parseArguments } from "../../src/cli/arguments.ts";
import { mem, profile } from "../../src/cli/profile.ts";
import { check, repeat } from "../../src/cli/repeat.ts";
import { select } from "../../src/cli/select.ts";
import { show } from "../../src/cli/show.ts";
import { source } from "../../src/cli/source.ts";
import { trace } from "../../src/cli/trace.ts";
import { OpwiseError, Tensor, writeNpy } from "../../src/index.ts";

const MODEL = join(import.meta.dirname, "../golden/models/steps/model.pt");
let folder: string;
const at = (name: string): string => join(folder, name);
const inputs = (): string[] => ["-i", at("x.npy"), "-i", at("rounds.json")];

/** Calls a command with all options that any of them has, and gives what it printed. */
async function typed(command: (args: ReturnType<typeof parseArguments>) => Promise<number>, ...words: string[]): Promise<{ code: number; text: string }> {
  const lines: string[] = [];
  const spy = vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  try {
    const args = parseArguments(words, {
      flags: ["json", "sample", "hist", "all", "prims", "no-timing", "timing-only", "plan", "md"],
      options: ["output", "values", "max-bytes", "runs", "by", "top", "vary", "chrome-trace", "folded", "junit", "sarif"],
      repeated: ["input", "select"],
      words: 1,
    });
    return { code: await command(args), text: lines.join("\n") };
  } finally {
    spy.mockRestore();
  }
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "opwise-commands-"));
  writeFileSync(at("x.npy"), writeNpy(Tensor.from([0.5, -1, 2, 0.25], [4], "float32")));
  writeFileSync(at("rounds.json"), "3");
  await typed(trace, MODEL, ...inputs(), "-o", at("run.opwtrace"), "--values", "full");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("opwise trace and print", () => {
  it("records a run, says what is in it, and shows nodes, values and numbers again", async () => {
    const { code, text } = await typed(trace, MODEL, ...inputs(), "-o", at("some.opwtrace"), "--select", "aten::mul.Tensor", "--prims");
    expect(code).toBe(0);
    expect(text).toMatch(/some\.opwtrace: \d+ nodes, \d+ events, \d+ values \([1-9]\d* full\), [\d.]+ KB/);
    expect((await typed(show, at("some.opwtrace"))).text).toContain("prim::Loop");
    const one = await typed(show, at("some.opwtrace"), "aten::mul.Tensor");
    expect(one.text).toMatch(/@\d+ {2}#\d+(\[\d\])? aten::mul\.Tensor {2}.*model_cases\.py:\d+/);
    expect(one.text).toMatch(/ {2}out {2}%\S+ {2}f32\[4\] ∈\[/);
    const values = await typed(show, at("run.opwtrace"), "%x");
    await typed(trace, MODEL, ...inputs(), "-o", at("named.opwtrace"), "--select", "%x");
    expect((await typed(show, at("named.opwtrace"), "%x")).text).toContain("tensor([ 0.5000, -1.0000,  2.0000,  0.2500])");
    expect(values.text).toContain("tensor([ 0.5000, -1.0000,  2.0000,  0.2500])");
    expect((await typed(show, at("run.opwtrace"), "%x", "--hist")).text).toContain("█");
    const json = JSON.parse((await typed(show, at("run.opwtrace"), "aten::mul.Tensor", "--json")).text) as {
      executions: { op: string; outputs: { health: { n: number } }[] }[];
    };
    expect(json.executions[0]).toMatchObject({ op: "aten::mul.Tensor", outputs: [{ health: { n: 4 } }] });
  });

  it("repairs what was cut off", async () => {
    const bytes = readFileSync(at("run.opwtrace"));
    writeFileSync(at("cut.opwtrace"), bytes.subarray(0, Math.floor(bytes.length * 0.97)));
    await expect(typed(show, at("cut.opwtrace"))).rejects.toMatchObject({ code: "truncated", hint: expect.stringContaining("opwise trace repair") as string });
    const { code, text } = await typed(trace, "repair", at("cut.opwtrace"), "-o", at("whole.opwtrace"));
    expect([code, text]).toEqual([0, expect.stringMatching(/records and \d+ events are whole/)]);
    expect((await typed(show, at("whole.opwtrace"))).text).toContain("the recording did not finish");
  });

  it("refuses a selector that matches nothing, with what is near", async () => {
    const fault = (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => "fine",
        (error: unknown) => (error instanceof OpwiseError ? `${error.code}: ${error.hint ?? ""}` : error),
      );
    expect(await fault(typed(trace, MODEL, ...inputs(), "-o", at("no.opwtrace"), "--select", "aten::mull"))).toBe("no-match: is it aten::mul?");
    expect(await fault(typed(show, at("run.opwtrace"), "%nothing"))).toMatch(/^no-match/);
    expect(await fault(typed(select, MODEL, "scales"))).toBe("no-match: is it scale?");
    expect(await fault(typed(select, MODEL, "aten::mul &"))).toMatch(/^bad-argument/);
  });
});

describe("opwise select and source", () => {
  it("say what matches, and where it stands in both sources", async () => {
    const { text } = await typed(select, MODEL, "aten::mul.Tensor | %x");
    expect(text).toMatch(/#\d+ aten::mul\.Tensor +scale +.*model_cases\.py:\d+/);
    expect((await typed(select, at("run.opwtrace"), "aten::mul.Tensor & {nth=1}")).text).toMatch(/@\d+ {2}#\d+\[1\] aten::mul\.Tensor/);
    expect((await typed(source, MODEL)).text).toMatch(/^ {2}scale: .*Scale {2}\d+ nodes/m);
    expect((await typed(source, MODEL, "aten::mul.Tensor")).text).toMatch(/→ +\d+ .*← .*model_cases\.py:\d+/);
    expect((await typed(source, at("run.opwtrace"), "aten::mul.Tensor")).text).toBe((await typed(source, MODEL, "aten::mul.Tensor")).text);
  });
});

describe("opwise profile, mem, repeat and check", () => {
  it("print tables, and write what other tools read", async () => {
    const { code, text } = await typed(profile, MODEL, ...inputs(), "--runs", "1", "--chrome-trace", at("t.json.gz"), "--folded", at("t.folded"));
    expect(code).toBe(0);
    expect(text).toMatch(/^self ms .* op$/m);
    expect(text).toContain("not watched");
    expect(JSON.parse(gunzipSync(readFileSync(at("t.json.gz"))).toString())).toMatchObject({ displayTimeUnit: "ms" });
    expect(readFileSync(at("t.folded"), "utf8")).toMatch(/;aten::\S+ \d+$/m);
    expect((await typed(profile, MODEL, ...inputs(), "--timing-only")).text).toMatch(/#\d+ aten::/);
    expect((await typed(mem, at("run.opwtrace"))).text).toMatch(/^peak \d+ B at @\d+; weights \d+ B, inputs 16 B/);
  });

  it("find that runs are the same", async () => {
    expect(await typed(repeat, MODEL, ...inputs(), "--runs", "2", "--vary", "plan")).toEqual({
      code: 0,
      text: expect.stringContaining("all the same, bit by bit") as string,
    });
  });

  it("hold assertions: exit 1 with the failure, 7 where one matches nothing, and reports for CI", async () => {
    writeFileSync(at("good.opw"), "aten::mul.Tensor => {absmax<1e6 & nan=0}\n");
    writeFileSync(at("bad.opw"), "aten::mul.Tensor => {absmax<1e-6}\n");
    writeFileSync(at("lost.opw"), "aten::nothing => {nan=0}\n");
    expect((await typed(check, MODEL, at("good.opw"), ...inputs())).code).toBe(0);
    const bad = await typed(check, at("run.opwtrace"), at("bad.opw"), "--junit", at("j.xml"), "--sarif", at("s.json"));
    expect(bad.code).toBe(1);
    expect(bad.text).toMatch(/line 1: aten::mul\.Tensor => \{absmax<0\.000001\}\n {2}fails at @\d+ #\d+/);
    expect(readFileSync(at("j.xml"), "utf8")).toMatch(/<testcase classname="[^"]*" name="#\d+ aten::mul\.Tensor" file="model_cases\.py" line="\d+"/);
    const sarif = JSON.parse(readFileSync(at("s.json"), "utf8")) as { runs: { results: unknown[] }[] };
    expect(sarif.runs[0]?.results[0]).toMatchObject({
      ruleId: "check/failed",
      locations: [{ physicalLocation: { artifactLocation: { uri: "model_cases.py" } } }],
    });
    expect((await typed(check, at("run.opwtrace"), at("lost.opw"))).code).toBe(7);
  });
});
