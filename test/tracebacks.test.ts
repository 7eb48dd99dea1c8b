/** Errors of scripted models: the stack in the model's own source, and what is left behind by an error. */

import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { load, type OpwiseError, isOpwiseError, type Session, Tensor } from "../src/index.ts";

const open = async (name: string): Promise<Session> => (await load(join(import.meta.dirname, `golden/models/${name}/model.pt`))).session();

async function failure(run: Promise<unknown>): Promise<OpwiseError> {
  try {
    await run;
  } catch (error) {
    if (isOpwiseError(error)) return error;
    throw error;
  }
  throw new Error("no error");
}
const ones = (...shape: number[]): Tensor => Tensor.from(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape);

describe("an error in a scripted model", () => {
  it("carries every call, outermost first, in the archive's code and in the author's source", async () => {
    const error = await failure((await open("language_calls")).forward(ones(2, 2), 4));
    expect(error).toMatchObject({ code: "model-raised", raisedClass: "builtins.ValueError", message: "want one axis, got 2" });
    expect(error.trace.map((frame) => frame.function)).toEqual(["forward", "inner", "checked"]);
    expect(error.traceback).toBe(`The following operation failed in the TorchScript interpreter.
Traceback of TorchScript, serialized code (most recent call last):
${error.trace.map((f) => `  File "code/__torch__/language_cases.py", line ${f.code?.line}, in ${f.function}\n${f.code?.text}`).join("\n")}

Traceback of TorchScript, original code (most recent call last):
${error.trace.map((f) => `  File "language_cases.py", line ${f.original?.line}, in ${f.function}\n${f.original?.text}`).join("\n")}
builtins.ValueError: want one axis, got 2`);
    const [forward, inner, checked] = error.trace.map((frame) => frame.original?.text);
    expect(forward).toMatch(/ x = self\.inner\(x, size\)\n {16}~{10} <--- HERE/);
    expect(inner).toMatch(/ return checked\(x, size\) \* 2\.0\n {15}~+ <--- HERE/);
    expect(checked).toMatch(/raise ValueError\(f"want one axis, got \{x\.dim\(\)\}"\)\n {8}~+ <--- HERE/);
    expect(error.trace[2]?.code?.text).toMatch(/ops\.prim\.RaiseException\(.*\n +~+ <--- HERE/);
  });

  it("of an op points at the op, under the trip of the loop that it was in", async () => {
    const error = await failure((await open("language_calls")).forward(ones(3), 4));
    expect(error.message).toBe("shape '[4]' is invalid for input of size 3");
    expect(error.trace.at(-1)).toMatchObject({ function: "checked", original: { file: "language_cases.py" } });
    expect(error.trace.at(-1)?.original?.text).toMatch(/ {4}return x\.view\(size\)\n {11}~+ <--- HERE/);
    expect(String(error)).toContain(error.traceback ?? "no traceback");
  });

  it("in a fork is told at the wait, with the fork's own calls below", async () => {
    const error = await failure((await open("language_calls")).call("forked", [ones(2, 2), 4]));
    expect(error.raisedClass).toBe("builtins.ValueError");
    expect(error.trace.map((frame) => frame.function)).toEqual(["forked", "<forked function>", "checked"]);
    expect(error.trace[0]?.original?.text).toMatch(/torch\.jit\.wait\(future\).*\n +~+ <--- HERE/);
  });

  it("leaves what ran before, and a session that works", async () => {
    const session = await open("language_calls");
    await failure(session.forward(ones(3), 4));
    await failure(session.call("forked", [ones(2, 2), 4]));
    // One call before the first error, ten before the second.
    expect(session.attribute("calls").value).toBe(11);
    const [out, calls] = (await session.forward(ones(4), 4)) as [Tensor, number];
    expect([...(out.data as Float32Array), calls]).toEqual([4, 4, 4, 4, 13]);
  });

  it("runs the exits of the blocks it leaves, also where it is stepped", async () => {
    const session = await open("language_contexts");
    const machine = session.machine("forward", ["both"]);
    expect(() => {
      while (machine.advance() !== "done");
    }).toThrow("inner failed");
    const log = (await session.call("logged")) as readonly string[];
    expect(log.slice(-4)).toEqual(["exit leaving", "exit inner", "exit both", "exit outer"]);
  });

  it("says which of a method's calls raised while a list was sorted", async () => {
    const error = await failure((await open("language_sorting")).forward([1, -1]));
    expect(error.trace.map((frame) => frame.function)).toEqual(["forward", "__lt__"]);
  });
});

describe("sorting by a method", () => {
  it("orders any list, and gives a permutation of it", async () => {
    const session = await open("language_sorting");
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 80 }), async (ranks) => {
        const [up, down, pairs] = (await session.forward([...ranks])) as [number[], number[], number[]];
        const of = (places: number[]): number[] => places.map((place) => ranks[place] ?? NaN);
        const sorted = [...ranks].sort((a, b) => a - b);
        expect(of(up)).toEqual(sorted);
        expect(of(down)).toEqual([...sorted].reverse());
        expect(of(pairs)).toEqual([...ranks].sort((a, b) => (a % 3) - (b % 3) || a - b));
        for (const places of [up, down, pairs]) expect([...places].sort((a, b) => a - b)).toEqual(ranks.map((_, i) => i));
      }),
      { numRuns: 25 },
    );
  });
});
