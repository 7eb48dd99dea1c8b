/** The debugger's words and what they do, on scripted models: stepping both ways, breakpoints, watches, changes, branches. */

import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scriptArchive } from "../support/archive.ts";
import { load } from "../../src/model.ts";
import { isOpwiseError } from "../../src/tensor/error.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { command } from "../../src/debug/commands.ts";
import { debug } from "../../src/debug/debug.ts";
import { Debugger, type DebugOptions } from "../../src/debug/debugger.ts";
import { record } from "../../src/debug/record.ts";
import { lineOf, stopJson } from "../../src/debug/stop-text.ts";

const STEPS = join(import.meta.dirname, "../golden/models/steps/model.pt");
const x = (): Tensor => Tensor.from([0.5, -1, 2, 0.25], [4], "float32");

async function steps(options: DebugOptions = {}, rounds = 3, fail = false): Promise<Debugger> {
  const made = new Debugger(await (await load(STEPS)).session(), { args: [x(), rounds, fail] }, options);
  made.textOf = (value) => lineOf(made, value);
  return made;
}

async function scripted(lines: readonly string[], args: readonly Tensor[], options: DebugOptions = {}): Promise<Debugger> {
  const code = `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.Net, ${args.map((_, i) => `x${i}: Tensor`).join(", ")}) -> Tensor:
${lines.map((line) => `    ${line}\n`).join("")}`;
  return new Debugger(await (await load(scriptArchive(code, { training: false }))).session(), { args }, options);
}

/** `@time op function` after each command. */
async function walk(made: Debugger, ...lines: readonly string[]): Promise<string[]> {
  const out: string[] = [];
  for (const line of lines) {
    const { stop } = await command(made, line);
    if (stop !== undefined) out.push(`@${stop.time} ${stop.op ?? stop.reason.kind} ${stop.function}`);
  }
  return out;
}

async function lines(made: Debugger, line: string): Promise<readonly string[]> {
  return (await command(made, line)).lines;
}

async function failure(work: Promise<unknown>): Promise<string> {
  const error = await work.catch((e: unknown) => e);
  return isOpwiseError(error) ? error.message : "no error";
}

describe("stepping", () => {
  it("goes over calls, into them and out of them, and back the same way", async () => {
    const made = await steps();
    const forward = await walk(made, "next", "next", "next", "next", "next", "stepi", "stepi", "step", "step", "finish");
    expect(forward).toMatchInlineSnapshot(`
      [
        "@3 aten::add_.Scalar forward",
        "@4 prim::SetAttr forward",
        "@5 prim::fork forward",
        "@12 prim::Loop forward",
        "@14 aten::mul.float_int forward",
        "@15 prim::CallMethod forward",
        "@16 aten::mul.Scalar mix",
        "@25 aten::sum forward",
      ]
    `);
    const back = await walk(made, "reverse-next", "next", "reverse-step", "rfin", "rn");
    expect(back).toMatchInlineSnapshot(`
      [
        "@15 prim::CallMethod forward",
        "@25 aten::sum forward",
        "@24 aten::add.Tensor mix",
        "@15 prim::CallMethod forward",
        "@14 aten::mul.float_int forward",
      ]
    `);
  });

  it("takes unique prefixes and says what a doubtful one may be", async () => {
    const made = await steps();
    expect(await walk(made, "n", "nex", "conti")).toHaveLength(3);
    expect(await failure(command(made, "re"))).toMatch(/may be reverse-step, /);
    expect(await failure(command(made, "frobnicate"))).toMatch("there is no command `frobnicate`");
  });

  it("goes to a time, to a condition, to the end with its results, and back from there", async () => {
    const made = await steps();
    expect(await walk(made, "until i == 2", "goto @5", "continue")).toEqual(["@49 prim::Constant forward", "@5 prim::fork forward", "@72 end "]);
    expect(made.stop().end).toMatchObject({ kind: "done" });
    expect(await walk(made, "rn")).toEqual(["@71 aten::Int.Scalar forward"]);
  });

  it("stops at the error that ends a run, and goes back from it", async () => {
    const made = await steps({}, 2, true);
    const { stop, lines: text } = await command(made, "c");
    expect(stop?.reason.kind).toBe("raised");
    expect(text[1]).toMatch(/^stopped @\d+ {2}error\[model-raised\]: asked to fail after 2 rounds$/);
    expect((await walk(made, "rn"))[0]).toMatch(/RaiseException/);
  });

  it("shows the calls an op makes inside, and leaves the run where it is", async () => {
    const made = await scripted(["y = torch.softmax(x0, 0)", "return torch.mul(y, 2.)"], [x()]);
    await made.until("aten::softmax");
    const { time } = made.timeline;
    const inside = await lines(made, "step");
    expect(inside.map((l) => l.replace(/ {2}∈.*/, ""))).toMatchInlineSnapshot(`
      [
        "inside aten::softmax.int #2",
        "  composite softmax",
        "    #2.1  reduce max",
        "      → f32[1] ∈[2, 2] μ=2 σ=0 nan:0 inf:0",
        "    #2.2  reduce sum",
        "      → f32[1] ∈[1.45, 1.45] μ=1.45 σ=0 nan:0 inf:0",
        "    #2.3  map softmax",
        "      → f32[4] ∈[0.0344, 0.691] μ=.25 σ=.258 nan:0 inf:0",
        "(next runs the op)",
      ]
    `);
    expect(made.timeline.time).toBe(time);
  });
});

describe("a walk", () => {
  it("of any steps forward and back sees the same lines at the same time", async () => {
    const model = await load(STEPS);
    const seen = new Map<number, string>();
    const moves = ["step 1", "next", "stepi", "finish", "rs", "rn", "rsi", "rfin", "goto @20", "goto @44", "c", "rc"];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...moves), { minLength: 1, maxLength: 10 }), async (walked) => {
        const made = new Debugger(await model.session(), { args: [x(), 3] }, { breaks: ["aten::add"] });
        for (const move of walked) {
          const { stop } = await command(made, move);
          if (stop === undefined) continue;
          const sight = [...stop.inputs, ...made.locals()].map(({ name, value }) => `%${name} ${lineOf(made, value, name)}`).join("\n");
          const known = seen.get(made.timeline.time);
          if (known === undefined) seen.set(made.timeline.time, sight);
          else expect(sight).toBe(known);
        }
        made.dispose();
      }),
      { numRuns: 40 },
    );
  });
});

describe("breakpoints", () => {
  it("stop at selectors forward and back, count hits, ignore some, and hold conditions", async () => {
    const made = await steps({ breaks: ["aten::mul.Tensor"] });
    expect(await walk(made, "c", "c", "c", "c", "rc", "rc", "rc", "rc")).toMatchInlineSnapshot(`
      [
        "@20 aten::mul.Tensor forward",
        "@38 aten::mul.Tensor forward",
        "@56 aten::mul.Tensor forward",
        "@72 end ",
        "@56 aten::mul.Tensor forward",
        "@38 aten::mul.Tensor forward",
        "@20 aten::mul.Tensor forward",
        "@1 prim::GetAttr forward",
      ]
    `);
    await command(made, "goto @1");
    await command(made, "ignore 1 1");
    await command(made, "condition 1 %x.max > 0");
    expect(await walk(made, "c")).toHaveLength(1);
    expect((await lines(made, "info breaks"))[0]).toMatch(/^1 {2}break aten::mul\.Tensor if %x\.max > 0 {2}\d+ hits$/);
  });

  it("that match nothing are an error", async () => {
    const error = await steps({ breaks: ["aten::conv2d"] }).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "no-match" });
  });

  it("know one execution, predicates of values, and lines", async () => {
    const made = await steps();
    await command(made, "tbreak #11[2]");
    expect(await walk(made, "c", "c")).toEqual(["@50 aten::mul.float_int forward", "@72 end "]);
    await command(made, "goto @1");
    await command(made, "tbreak aten::sub & {absmax>3}");
    const { stop } = await command(made, "c");
    expect(stop?.end === undefined ? stop?.made?.op : "none").toBe("none");
    await command(made, "goto @1");
    await command(made, "tbreak aten::mul & {max>2}");
    expect((await command(made, "c")).stop?.made?.op).toBe("aten::mul.Tensor");
    await command(made, "tbreak model_cases.py:59");
    await command(made, "goto @1");
    expect((await command(made, "c")).stop?.place?.author?.line ?? 59).toBe(59);
  });

  it("print instead of stopping where they have a text", async () => {
    const made = await steps();
    const log: string[] = [];
    made.onLog = (text) => log.push(text);
    await command(made, "logpoint aten::mul.Tensor round with {%x.absmax} and {nonsense}");
    await command(made, "c");
    expect(log).toHaveLength(3);
    expect(log[0]).toBe("round with 2.0 and {nonsense: there is no value `nonsense` in `forward`}".replace("2.0", log[0]?.split(" ")[2] ?? ""));
  });

  it("watch memory: they stop at what writes it, through whatever name, in both directions", async () => {
    const made = await scripted(
      [
        "y = torch.clone(x0)",
        "z = torch.slice(y, 0, 0, 2)",
        "_0 = torch.add_(z, 1.)",
        "w = torch.mul(y, 2.)",
        "_1 = torch.mul_(y, 3.)",
        "return torch.add(w, y)",
      ],
      [x()],
    );
    await command(made, "until aten::slice");
    await command(made, "watch %y~");
    const first = await command(made, "c");
    expect(first.stop?.reason).toMatchObject({ kind: "watch", write: { from: 1, to: 2 } });
    expect(first.stop?.made?.op).toBe("aten::add_.Scalar");
    const second = await command(made, "c");
    expect(second.stop?.made?.op).toBe("aten::mul_.Scalar");
    expect(await lines(made, "info writes %y")).toHaveLength(2);
    const back = await command(made, "rc");
    expect(back.stop?.time).toBe(first.stop?.time);
  });

  it("catch the birth of a NaN, not every sighting", async () => {
    const made = await scripted(["y = torch.log(x0)", "z = torch.mul(y, 2.)", "return torch.add(z, y)"], [x()], { catches: ["nan"] });
    const { stop } = await command(made, "c");
    expect(stop?.reason).toMatchObject({ kind: "catch", what: "nan" });
    expect(stop?.made?.op).toBe("aten::log");
    expect((await command(made, "c")).stop?.end?.kind).toBe("done");
  });
});

describe("a golden run", () => {
  it("stops a run at the first op that gives other values", async () => {
    const session = await (await load(STEPS)).session();
    const { run } = await record(session, { args: [x(), 2] });
    const same = await steps({}, 2);
    same.catchMismatch(run);
    expect((await command(same, "c")).stop?.end?.kind).toBe("done");
    const other = await steps({}, 2);
    other.catchMismatch(run);
    await command(other, "until aten::mul.Tensor");
    await command(other, "set %x[0] = 9");
    const { stop } = await command(other, "c");
    expect(stop?.reason).toMatchObject({ kind: "catch", what: "mismatch" });
    expect(stop?.made?.op).toBe("aten::mul.Tensor");
  });
});

describe("values", () => {
  it("are found by the author's name, the graph's name, parts and members; also when they are gone", async () => {
    const made = await steps();
    await command(made, "goto @30");
    expect((await lines(made, "p x[1:3]"))[0]).toMatch(/^x\[1:3\] {2}f32\[2\]/);
    expect(await lines(made, "p self.scale.weight.shape")).toEqual(["[4]"]);
    expect(await lines(made, "p %x.numel + 1")).toEqual(["5"]);
    expect((await lines(made, "p i"))[0]).toBe("0");
    await command(made, "goto @22");
    expect((await lines(made, "p x")).at(-1)).toMatch(/^\(as it was @\d+; no longer kept\)$/);
    expect(made.timeline.time).toBe(21);
  });

  it("print as statistics, histogram, picture, bits and bytes", async () => {
    const made = await scripted(["return torch.add(x0, 0.)"], [Tensor.from([1, 0, -2, NaN], [2, 2], "float32")]);
    expect(await lines(made, "p/stats x0")).toEqual([
      "dtype float32  shape [2, 2]  strides [2, 1]  offset 0  storage of 16 bytes ~v0",
      "elements 4  min -2  max 1  mean -0.3333333  std 1.247219  absmax 2  nan 1  +inf 0  -inf 0  zero 1  subnormal 0  negative 1",
    ]);
    expect((await lines(made, "p/hist x0")).map((l) => l.replace(/█+/, "▪")).slice(0, 4)).toEqual(["-2^1 ▪ 1", "   0 ▪ 1", " 2^0 ▪ 1", " nan ▪ 1"]);
    expect(await lines(made, "p/img x0")).toEqual(["@*", " ?", "' ' -2 … '@' 1, ? nan, ^ inf, _ -inf"]);
    expect(await lines(made, "p/hex x0[0]")).toEqual(["3f800000 00000000"]);
    expect(await lines(made, "x x0[1]")).toEqual(["00000008  00 00 00 c0 00 00 c0 7f"]);
  });

  it("are explained by the elements they were made from", async () => {
    const made = await scripted(
      ["y = torch.matmul(x0, x1)", "return torch.mul(y, 1.)"],
      [Tensor.from([1, 2, 3, 4], [2, 2]), Tensor.from([10, 20, 30, 40], [2, 2])],
    );
    await command(made, "until aten::mul");
    expect(await lines(made, "why %y[1,0]")).toEqual([
      "150 ← aten::matmul #1 @1 (contract contract)  code/__torch__.py:6",
      "  120 = %x0[1,1] 4 · %x1[1,0] 30",
      "      4 is an input",
      "  30 = %x0[1,0] 3 · %x1[0,0] 10",
      "      3 is an input",
    ]);
  });
});

describe("changes", () => {
  it("are done again whenever the run comes by, and branches keep theirs apart", async () => {
    const made = await steps();
    await command(made, "c");
    await command(made, "goto @30");
    await command(made, "fork louder");
    await command(made, "set x[0] = 3");
    await command(made, "c");
    const [difference] = await lines(made, "diff base louder");
    expect(difference).toMatch(/^output\.0 {2}max\|e\| /);
    await command(made, "goto @2");
    await command(made, "c");
    expect(await lines(made, "diff base louder")).toEqual([difference, "output.1  the same", "output.2  1 | 1"]);
    await command(made, "switch base");
    expect(made.timeline.actions).toHaveLength(0);
  });

  it("pass over an op, and set plain values", async () => {
    const made = await scripted(["y = torch.mul(x0, 2.)", "return torch.add(y, 1.)"], [x()]);
    await command(made, "until aten::mul");
    await command(made, "skip");
    await command(made, "c");
    const { end } = made.timeline;
    const [result] = end?.kind === "done" ? end.values : [];
    expect(result instanceof Tensor ? [...result.data] : []).toEqual([1.5, 0, 3, 1.25]);
    const loop = await steps();
    await command(loop, "until i == 1");
    await command(loop, "set rounds = 1");
    expect(await lines(loop, "p rounds")).toEqual(["1"]);
  });

  it("stand in a list", async () => {
    const made = await scripted(["y = torch.mul(x0, 2.)", "return torch.add(y, 1.)"], [x()]);
    await command(made, "set x0[0] = 7");
    expect(await lines(made, "info changes")).toEqual(["@1  set x0[0] = 7"]);
    expect(await failure(command(made, "set nothing = 1"))).toMatch("there is no value `nothing`");
    expect(await failure(command(made, "set x0[9] = 1"))).toMatch("out of bounds");
  });
});

describe("the library's face", () => {
  it("gives stops one after another, and goes where each says", async () => {
    const session = await (await load(STEPS)).session();
    const seen: string[] = [];
    for await (const stop of debug(session, { args: [x(), 2] }, { breaks: ["aten::mul.Tensor"] })) {
      seen.push(`${stop.reason.kind} @${stop.time}`);
      if (stop.end !== undefined) continue;
      if (seen.length === 1) {
        expect(stop.value("%x").stats().n).toBe(4);
        stop.step();
      }
      if (seen.length === 2) stop.back();
    }
    expect(seen).toMatchInlineSnapshot(`
      [
        "breakpoint @20",
        "step @22",
        "step @18",
        "breakpoint @20",
        "breakpoint @38",
        "end @54",
      ]
    `);
  });

  it("replaces values", async () => {
    const session = await (await load(STEPS)).session();
    const lines: string[] = [];
    for await (const stop of debug(session, { args: [x(), 1] })) {
      if (stop.end !== undefined) continue;
      await stop.replace("x[1]", 4);
      lines.push(stop.value("x").line);
    }
    expect(lines).toEqual(["f32[4] ∈[0.25, 4] μ=1.69 σ=1.49 nan:0 inf:0 ~v1 cpu"]);
  });

  it("gives stops to machines", async () => {
    const made = await steps({ breaks: ["aten::mul.Tensor"] });
    const { stop } = await command(made, "c");
    expect(stop === undefined ? undefined : stopJson(made, stop)).toMatchInlineSnapshot(`
      {
        "archive": {
          "file": "code/__torch__/model_cases.py",
          "line": 49,
        },
        "author": {
          "file": "model_cases.py",
          "line": 34,
        },
        "breakpoints": [
          1,
        ],
        "error": null,
        "function": "forward",
        "inputs": [
          {
            "name": "x",
            "text": "f32[4] ∈[-1, 2] μ=.438 σ=1.07 nan:0 inf:0 ~v0 cpu",
          },
          {
            "name": "weight",
            "text": "f32[4] ∈[0.5, 1.5] μ=1 σ=.373 nan:0 inf:0 ~v0 cpu",
          },
        ],
        "loops": [],
        "made": {
          "node": 34,
          "op": "aten::mul.Scalar",
          "values": [
            {
              "name": "_2",
              "text": "f32[4] ∈[0, 0] μ=0 σ=0 0:100% nan:0 inf:0 ~v1 cpu",
            },
          ],
        },
        "module": "scale",
        "node": 45,
        "notDeterministicSince": null,
        "nth": 0,
        "op": "aten::mul.Tensor",
        "outputs": [
          "3",
        ],
        "results": null,
        "stop": "breakpoint",
        "time": 20,
        "why": "breakpoint 1 (aten::mul.Tensor)",
      }
    `);
  });
});
