/** Recorded mobile modules, and what hostile ones do. */

import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { makeBackend } from "../scripts/runner/backend.ts";
import { runTorchCase } from "../scripts/runner/torch-case.ts";
import { isOpwiseError, load, readStateDict, Tensor } from "../src/index.ts";
import { walkNodes } from "../src/ir/graph.ts";

const MODELS = join(import.meta.dirname, "golden/models");
const MOBILE = readdirSync(MODELS).filter((name) => name.startsWith("mobile_"));
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(join(MODELS, name, "model.ptl")));
const STATE = "mobile_flatbuffer_state";

describe("a module of the lite interpreter", () => {
  it("is recorded in both forms", () => {
    expect(MOBILE).toHaveLength(6);
  });

  it.each(MOBILE)("%s runs as the original module does", async (name) => {
    const outcome = await runTorchCase(join(MODELS, name), await makeBackend("cpu"));
    expect(outcome.failures).toEqual([]);
    expect(outcome.callsPassed).toBeGreaterThan(0);
  });

  it("becomes nested blocks: no instruction of it is left that jumps", async () => {
    const model = await load(bytesOf("mobile_flatbuffer_control_flow"));
    const ops = new Set<string>();
    for (const fn of model.functions()) walkNodes(fn.graph(), (node) => void ops.add(node.op));
    expect(model.format).toBe("mobile");
    expect([...ops].filter((op) => op === "prim::If" || op === "prim::Loop")).toHaveLength(2);
    expect([...ops].every((op) => op.includes("::"))).toBe(true);
  });

  it("names the instruction that raised", async () => {
    const session = await (await load(bytesOf(STATE))).session();
    const error = await session.forward(null, "first").catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "model-raised", message: "nothing is remembered under first", raisedClass: "builtins.ValueError" });
    expect(isOpwiseError(error) && error.where.text).toContain("RAISE_EXCEPTION");
  });

  it("keeps tensors that may be None or grow apart from session to session", async () => {
    const model = await load(bytesOf(STATE));
    const [one, two] = [await model.session(), await model.session()];
    await one.forward(Tensor.from([1, 2], [2], "float32"), "a");
    expect(await one.call("told", [5])).toEqual([[2], "int 10"]);
    expect(await two.call("told", [5])).toEqual([[], "int 10"]);
  });

  it.each(MOBILE)("%s: any damage is a typed error or does no harm", async (name) => {
    const whole = bytesOf(name);
    let seed = 7;
    const random = (below: number): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed % below;
    };
    const codes = new Set<string>();
    for (let round = 0; round < 60; round++) {
      const bytes = Uint8Array.from(whole);
      for (let k = 0; k < 3; k++) bytes[random(bytes.length)] = [0, 1, 0x7f, 0xff, random(256)][random(5)] ?? 0;
      const error: unknown = await load(round % 10 === 0 ? bytes.subarray(0, random(bytes.length)) : bytes).catch((e: unknown) => e);
      if (error instanceof Error) codes.add(isOpwiseError(error) ? error.code : (error.stack ?? error.message));
    }
    expect([...codes].filter((code) => code === "internal" || code === "verify-failed" || !/^[a-z-]+$/.test(code))).toEqual([]);
    expect(codes.size).toBeGreaterThan(1);
  });
});

describe("readStateDict", () => {
  const header = (tensors: object, data: number, more = ""): Uint8Array => {
    const text = new TextEncoder().encode(JSON.stringify(tensors) + more);
    const bytes = new Uint8Array(8 + text.length + data);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(text, 8);
    for (let i = 0; i < data; i++) bytes[8 + text.length + i] = i;
    return bytes;
  };
  const entry = (dtype: string, shape: readonly number[], from: number, to: number): object => ({ dtype, shape, data_offsets: [from, to] });

  it("reads safetensors of whole, small and packed dtypes", async () => {
    const bytes = header(
      { b: entry("U8", [2, 2], 0, 4), __metadata__: { format: "pt" }, h: entry("BF16", [1], 4, 6), f: entry("F4", [4], 6, 8), e: entry("I64", [0], 8, 8) },
      8,
    );
    const tensors = await readStateDict(bytes);
    expect([...tensors].map(([name, t]) => [name, t.dtype, t.shape])).toEqual([
      ["b", "uint8", [2, 2]],
      ["h", "bfloat16", [1]],
      ["f", "float4_e2m1", [4]],
      ["e", "int64", [0]],
    ]);
    // Two elements a byte, the low half first: bytes 6 and 7 are 4.0, 0.0, 6.0, 0.0 of four bits each.
    expect([...(tensors.get("f")?.data ?? [])]).toEqual([6, 0, 7, 0]);
  });

  it.each([
    ["overlap", { a: entry("U8", [4], 0, 4), b: entry("U8", [4], 2, 6) }, 6, "bad-tensor"],
    ["leave a hole", { a: entry("U8", [2], 0, 2), b: entry("U8", [2], 4, 6) }, 6, "bad-tensor"],
    ["are fewer than the shape asks for", { a: entry("F32", [2], 0, 4) }, 4, "bad-tensor"],
    ["end too early", { a: entry("U8", [9], 0, 9) }, 4, "truncated"],
    ["are followed by others", { a: entry("U8", [2], 0, 2) }, 4, "bad-tensor"],
    ["are of an unknown dtype", { a: entry("F6_E2M3", [4], 0, 3) }, 3, "unsupported-dtype"],
    ["have a shape beyond all numbers", { a: entry("U8", [2 ** 40, 2 ** 40], 0, 4) }, 4, "bad-tensor"],
  ])("refuses safetensors whose bytes %s", async (_what, tensors, data, code) => {
    await expect(readStateDict(header(tensors, data))).rejects.toMatchObject({ code });
  });

  it("refuses a header that is longer than the file, or no JSON", async () => {
    const long = header({}, 0);
    new DataView(long.buffer).setUint32(0, 90_000_000, true);
    await expect(readStateDict(long)).rejects.toMatchObject({ code: "truncated" });
    await expect(readStateDict(header({}, 0, "}"))).rejects.toMatchObject({ code: "bad-tensor" });
  });

  it("reads the files of a sharded checkpoint as one, in the index's order", async () => {
    const index = new TextEncoder().encode(JSON.stringify({ weight_map: { b: "two.safetensors", a: "one.safetensors" } }));
    const siblings = { "one.safetensors": header({ a: entry("U8", [1], 0, 1) }, 1), "two.safetensors": header({ b: entry("U8", [2], 0, 2) }, 2) };
    const options = { name: "model.safetensors.index.json", siblings };
    expect([...(await readStateDict(index, options)).keys()]).toEqual(["b", "a"]);
    await expect(readStateDict(index, { ...options, siblings: {} })).rejects.toMatchObject({ code: "missing-file" });
    const lying = new TextEncoder().encode(JSON.stringify({ weight_map: { z: "one.safetensors" } }));
    await expect(readStateDict(lying, options)).rejects.toMatchObject({ code: "bad-tensor" });
    const escaping = new TextEncoder().encode(JSON.stringify({ weight_map: { z: "../one.safetensors" } }));
    await expect(readStateDict(escaping, options)).rejects.toMatchObject({ code: "unsafe-path" });
  });
});
