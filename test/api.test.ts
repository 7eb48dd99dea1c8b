/** The public API as a user meets it: values in and out, names, state, custom ops, errors. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  customOp,
  decodePng,
  isOpwiseError,
  load,
  type OpwiseError,
  type Output,
  readNpy,
  readNpz,
  registerOp,
  type Session,
  Tensor,
  writeNpy,
  writeNpz,
} from "../src/index.ts";
import { onnxNode, scriptArchive } from "./support/archive.ts";
import { BACKENDS } from "./support/backends.ts";

const GOLDEN = join(import.meta.dirname, "golden");
const pt = (name: string): string => join(GOLDEN, `models/${name}/model.pt`);
const session = async (name: string): Promise<Session> => (await load(pt(name))).session();

const vector = (...values: number[]): Tensor => Tensor.from(values, [values.length], "float32");
function numbers(value: Output | undefined): number[] {
  return value instanceof Tensor ? Array.from(value.data, Number) : [NaN];
}

/** The facts of the error that a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<Partial<OpwiseError>> {
  const error = await promise.then(
    () => new Error("no error"),
    (e: unknown) => e,
  );
  if (!isOpwiseError(error)) throw error;
  return { code: error.code, message: error.message, wanted: error.wanted, got: error.got, hint: error.hint };
}

describe("values of a TorchScript method", () => {
  it("are dicts with string keys as objects or Maps, and optionals that may be left out", async () => {
    const s = await session("dict_inputs");
    const out = await s.forward({ b: vector(1, 2), a: vector(3) });
    expect(Object.keys(out as object)).toEqual(["b_scaled", "a_scaled"]);
    const scaled = (await s.forward(new Map([["x", vector(1, 2)]]), [0.5])) as Record<string, Tensor>;
    expect(numbers(scaled["x_scaled"])).toEqual([0.5, 1]);
    expect(await s.forward({}, null)).toEqual({});
  });

  it("are named tuples as objects or arrays, lists of strings, and dicts with other keys as Maps", async () => {
    const s = await session("dict_inputs");
    const [pair, names] = (await s.call("pair", [{ left: vector(1), right: vector(2) }, ["ab", "ç"]])) as [
      { left: Tensor; right: null },
      ReadonlyMap<number, string>,
    ];
    expect(numbers(pair.left)).toEqual([3]);
    expect(pair.right).toBeNull();
    expect(names).toEqual(
      new Map([
        [0, "AB"],
        [1, "ç"],
      ]),
    );
    const [again] = (await s.call("pair", [[vector(5), null], []])) as [{ left: Tensor }];
    expect(numbers(again.left)).toEqual([5]);
  });

  it("are ints, floats, booleans and nested lists, by position or by name, with defaults", async () => {
    expect(await (await session("control_flow")).forward(27, 200)).toEqual([20426, [4, 2, 1], 185.6909090909091]);
    const [text, ints, words, flag] = (await (await session("texts")).call("forward", [], { words: ["b", "a"], n: 2 })) as [
      string,
      unknown[],
      string[],
      boolean,
    ];
    expect(typeof text).toBe("string");
    expect(ints.length).toBeGreaterThan(1);
    expect(words.every((w) => typeof w === "string")).toBe(true);
    expect(typeof flag).toBe("boolean");
    const [, , count] = (await (await session("steps")).call("forward", [vector(1, 2, 3, 4)], { rounds: 1, fail: false })) as [Tensor, Tensor, number];
    expect(count).toBe(1);
  });

  it("that a method changes are changed for the caller: a list's items and a tensor's elements", async () => {
    const code = `class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net,
    xs: List[int],
    t: Tensor) -> NoneType:
    _0 = torch.append(xs, 7)
    _1 = torch.add_(t, 1)
    return None
`;
    const s = await (await load(scriptArchive(code))).session();
    const [list, tensor] = [[1, 2], vector(1, 2)];
    expect(await s.forward(list, tensor)).toBeNull();
    expect(list).toEqual([1, 2, 7]);
    expect(numbers(tensor)).toEqual([2, 3]);
  });

  it("of the wrong type or number are refused by name, with what was wanted and what came", async () => {
    const s = await session("dict_inputs");
    expect(await failure(s.forward(vector(1)))).toMatchObject({ code: "type-mismatch", wanted: "Dict[str, Tensor]", got: "a Tensor" });
    expect(await failure(s.forward({ a: 1 }))).toMatchObject({
      code: "type-mismatch",
      message: expect.stringMatching(/^forward\(\) Expected a value of type 'Dict\[str, Tensor\]' for argument 'batch' but instead found type 'dict'\.\n/),
      hint: "argument `batch` of `forward`[a] has the wrong type",
      wanted: "Tensor",
      got: "number",
    });
    expect(await failure(s.forward({}, ["x"]))).toMatchObject({ code: "type-mismatch", wanted: "float", got: "string" });
    expect(await failure(s.call("pair", [[vector(1)], []]))).toMatchObject({ code: "type-mismatch" });
    expect(await failure(s.forward())).toMatchObject({
      code: "bad-argument",
      message: expect.stringMatching(/^forward\(\) is missing value for argument 'batch'\. Declaration: forward\(.* scales=None\) -> /),
    });
    expect(await failure(s.forward({}, null, 3))).toMatchObject({ code: "bad-argument", got: "3" });
    expect(await failure(s.call("forward", [{}], { batch: {} }))).toMatchObject({
      code: "bad-argument",
      message: expect.stringMatching(/^Argument 'batch' specified both as positional and keyword argument\. Schema: forward\(/),
    });
    expect(await failure(s.call("forward", [{}], { factor: 1 }))).toMatchObject({ code: "bad-argument", wanted: "batch, scales" });
    expect(await failure(s.call("backward"))).toMatchObject({ code: "bad-argument", wanted: "forward, pair" });
    expect(await failure((await session("control_flow")).forward(1.5, 2))).toMatchObject({ code: "type-mismatch", wanted: "int", got: "number" });
  });
});

describe("a model's state", () => {
  it("is listed by dotted path and shared with the instance", async () => {
    const s = await session("steps");
    expect([...s.parameters().keys()]).toEqual([...s.stateDict().keys()].filter((name) => name !== "count"));
    await s.forward(vector(1, 2, 3, 4), 1);
    expect(s.stateDict().get("count")?.item()).toBe(1);
    expect((await session("steps")).stateDict().get("count")?.item()).toBe(0);
  });

  it("is loaded all or nothing", async () => {
    const s = await session("steps");
    const before = [...s.stateDict()].map(([name, tensor]) => [name, numbers(tensor)]);
    const ones = new Map([...s.stateDict()].map(([name, t]) => [name, Tensor.from(Array<number>(t.numel).fill(1), t.shape, t.dtype)]));
    expect(() => s.loadStateDict({})).toThrow(expect.objectContaining({ code: "bad-argument" }));
    const wrong = new Map(ones).set("count", vector(1, 2));
    expect(() => s.loadStateDict(wrong)).toThrow(expect.objectContaining({ code: "shape-mismatch", wanted: "[]", got: "[2]" }));
    expect([...s.stateDict()].map(([name, tensor]) => [name, numbers(tensor)])).toEqual(before);
    s.loadStateDict({ count: Tensor.from([41], [], "int64") }, { strict: false });
    const [, , count] = (await s.forward(vector(1, 2, 3, 4), 1)) as [Tensor, Tensor, number];
    expect(count).toBe(42);
    s.loadStateDict(ones);
    expect([...s.stateDict().values()].flatMap(numbers).every((v) => v === 1)).toBe(true);
  });

  it("has a mode: train() lets dropout drop, eval() does not", async () => {
    const code = `class Net(Module):
  __parameters__ = []
  training : bool
  def forward(self: __torch__.Net,
    x: Tensor) -> Tensor:
    return torch.dropout(x, 0.5, self.training)
`;
    const s = await (await load(scriptArchive(code, { training: false }))).session();
    const x = Tensor.from(new Float32Array(200).fill(1), [200]);
    const zeros = async (): Promise<number> => numbers(await s.forward(x)).filter((v) => v === 0).length;
    expect(await zeros()).toBe(0);
    s.train();
    expect(await zeros()).toBeGreaterThan(50);
    s.eval();
    expect(await zeros()).toBe(0);
  });
});

describe("an ONNX session", () => {
  it("takes and gives values by name, also at once", async () => {
    const model = await load(join(GOLDEN, "onnx/test_branches/model.onnx"));
    const s = await model.session();
    expect(s.inputNames).toEqual(["x", "n"]);
    const feeds = { x: vector(1, -2, 3, -4), n: Tensor.from([0], [], "int64") };
    const [name = ""] = s.outputNames;
    const waited = await s.run(feeds);
    expect(Object.keys(waited)).toEqual([name]);
    expect(numbers(s.runSync(feeds)[name])).toEqual(numbers(waited[name]));
  });

  it("says which input is missing, unknown, or of the wrong dtype", async () => {
    const s = await (await load(join(GOLDEN, "onnx/test_branches/model.onnx"))).session();
    const x = Tensor.from([1, 2, 3], [3], "float32");
    expect(await failure(s.run({ x }))).toMatchObject({ code: "bad-argument", wanted: "x, n", got: "x" });
    expect(await failure(s.run({ x, n: vector(1) }))).toMatchObject({ code: "dtype-mismatch", wanted: "int64", got: "float32" });
    expect(await failure(s.run({ x, n: Tensor.from([0n], []), y: x }))).toMatchObject({ code: "bad-argument" });
  });
});

describe("loading", () => {
  it("ends with `aborted` when its signal has", async () => {
    const fetch = (): Promise<Response> => Promise.reject(new DOMException("stopped", "AbortError"));
    expect(await failure(load("https://example.org/model.pt", { fetch, signal: AbortSignal.abort() }))).toMatchObject({ code: "aborted" });
  });

  it("reads a URL through the given fetch and tells its progress", async () => {
    const bytes = readFileSync(pt("classes"));
    const seen: number[] = [];
    const fetch = (): Promise<Response> => Promise.resolve(new Response(new Uint8Array(bytes)));
    const model = await load("https://example.org/model.pt", { fetch, onProgress: ({ loaded }) => seen.push(loaded) });
    expect(model.format).toBe("torchscript");
    expect(seen.at(-1)).toBe(bytes.length);
  });

  it("refuses other formats than the one asked for, and files that are none", async () => {
    expect(await failure(load(pt("classes"), { format: "onnx" }))).toMatchObject({ code: "unsupported-format", wanted: "onnx", got: "torchscript" });
    expect(await failure(load(new TextEncoder().encode("<html></html>")))).toMatchObject({ code: "unsupported-format" });
    expect(await failure(load(join(GOLDEN, "no-such-model.pt")))).toMatchObject({ code: "missing-file" });
    expect(await failure(load(pt("classes"), { limits: { maxRecords: 2 } }))).toMatchObject({ code: "limit-exceeded" });
  });

  it("maps the devices that an archive names", async () => {
    const code = `class Net(Module):
  __parameters__ = []
  where : Device
  def forward(self: __torch__.Net) -> Device:
    return self.where
`;
    const bytes = scriptArchive(code, { where: { device: "cuda", index: 1 } });
    expect(await (await (await load(bytes)).session()).forward()).toBe("cuda:1");
    expect(await (await (await load(bytes, { mapLocation: (device) => (device === "cuda:1" ? "cpu" : device) })).session()).forward()).toBe("cpu");
  });
});

const SCALED = `class Net(Module):
  __parameters__ = []
  def forward(self: __torch__.Net,
    x: Tensor) -> Tuple[Tensor, List[int]]:
    a, b, = ops.acme.split(torch.mul(x, 2), 3.)
    return (torch.sub(a, b), ops.acme.sizes([a, b], "rows"))
`;

describe("custom ops", () => {
  it.each(BACKENDS)("of a TorchScript namespace run on the host on $name", async ({ make }) => {
    const ops = [
      customOp("acme::split(Tensor x, float by, int times=2) -> (Tensor, Tensor)", (x, by, times) => {
        const values = numbers(x);
        return [vector(...values.map((v) => v * by * times)), vector(...values)];
      }),
      customOp("acme::sizes(Tensor[] parts, str what) -> int[]", (parts, what) => [...parts.map((p) => p.numel), what.length]),
    ];
    const s = await (await load(scriptArchive(SCALED), { ops })).session({ backend: await make() });
    const [difference, sizes] = (await s.forward(vector(1, -2))) as [Tensor, number[]];
    expect(numbers(difference)).toEqual([10, -20]);
    expect(sizes).toEqual([2, 2, 4]);
    s.dispose();
  });

  it("are asked for by name where they are missing, and held to their schema", async () => {
    expect(await failure(load(scriptArchive(SCALED)))).toMatchObject({ code: "unsupported-op", message: "unknown op `acme::split`" });
    const split = "acme::split(Tensor x, float by) -> (Tensor, Tensor)";
    const sizes = customOp("acme::sizes(Tensor[] parts, str what) -> int[]", () => ["x"]);
    const run = async (op: ReturnType<typeof customOp>): Promise<unknown> =>
      (await (await load(scriptArchive(SCALED), { ops: [op, sizes] })).session()).forward(vector(1));
    expect(await failure(run(customOp(split, (x) => x)))).toMatchObject({ code: "bad-argument", wanted: "an array of 2" });
    expect(await failure(run(customOp(split, (x) => [x, 3])))).toMatchObject({ code: "type-mismatch", wanted: "Tensor", got: "number" });
    expect(await failure(run(customOp(split, (x) => [x, x])))).toMatchObject({ code: "type-mismatch", wanted: "int", got: "string" });
    expect(() => customOp("acme.split", () => null)).toThrow(expect.objectContaining({ code: "bad-argument", got: "acme.split" }));
  });

  it.each(BACKENDS)("of an ONNX domain get inputs and attributes on $name", async ({ make }) => {
    const op = customOp("com.acme::Spread@2", ([x, y], attributes, outputs) => {
      expect(attributes).toMatchObject({ count: 3, by: 0.5 });
      return [vector(...numbers(x as Tensor).map((v) => v * Number(attributes["by"]))), y, ...Array<null>(outputs - 2).fill(null)];
    });
    const bytes = onnxNode("com.acme", "Spread", 2, 2, { count: 3, by: 0.5 });
    const s = await (await load(bytes, { ops: [op] })).session({ backend: await make() });
    const { y0, y1 } = await s.run({ x0: vector(2, 4), x1: vector(9) });
    expect([numbers(y0), numbers(y1)]).toEqual([[1, 2], [9]]);
    s.dispose();
    expect(await failure(load(bytes))).toMatchObject({ code: "unsupported-op" });
  });

  it("that are registered serve every later load", async () => {
    const bytes = onnxNode("com.everywhere", "Twice", 1, 1, { count: 0, by: 0 });
    registerOp("com.everywhere::Twice", ([x]) => vector(...numbers(x as Tensor).map((v) => 2 * v)));
    expect(numbers((await (await (await load(bytes)).session()).run({ x0: vector(4) }))["y0"])).toEqual([8]);
  });
});

describe("arrays and pictures", () => {
  it("come from NumPy's files and go back", async () => {
    for (const tensor of [
      vector(1, 2.5),
      Tensor.from([1n, -2n], [2, 1]),
      Tensor.from([true, false]),
      Tensor.from([1, 2], [1], "complex64"),
      Tensor.from(["a", "bc"]),
      Tensor.zeros([0, 3]),
    ]) {
      const back = readNpy(writeNpy(tensor));
      expect([back.dtype, back.shape, String(back)]).toEqual([tensor.dtype, tensor.shape, String(tensor)]);
    }
    const archive = await readNpz(writeNpz({ a: vector(1), b: Tensor.zeros([2], "int8") }));
    expect([...archive].map(([name, t]) => [name, t.dtype])).toEqual([
      ["a", "float32"],
      ["b", "int8"],
    ]);
    const view = Tensor.from([1, 2, 3, 4], [2, 2], "float32");
    expect(numbers(readNpy(writeNpy(new Tensor(view.storage, "float32", [2, 2], [1, 2], 0))))).toEqual([1, 3, 2, 4]);
  });

  it("come from PNG files", () => {
    const picture = decodePng(readFileSync(join(import.meta.dirname, "../examples/shapes/circle.png")));
    expect([picture.width, picture.height, picture.channels, picture.data.length]).toEqual([32, 32, 1, 1024]);
  });
});
