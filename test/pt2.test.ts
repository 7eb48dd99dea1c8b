/** What a `.pt2` program asks of its arguments, how it says what is wrong, and what its archive may hold. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { unzipSync, zipSync } from "fflate";
import { describe, expect, it } from "vitest";
import { customOp, type Input, load, type LoadOptions, OpwiseError, type Session, Tensor } from "../src/index.ts";

const GOLDEN = join(import.meta.dirname, "golden/models/pt2");
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(join(GOLDEN, name, "model.pt2")));
const session = async (name: string): Promise<Session> => (await load(join(GOLDEN, name, "model.pt2"))).session();

const floats = (...shape: number[]): Tensor => Tensor.zeros(shape, "float32");
const ints = (...shape: number[]): Tensor => Tensor.zeros(shape, "int64");

/** The error of a call. */
async function refusal(name: string, args: readonly Input[], kwargs: Readonly<Record<string, Input>> = {}): Promise<OpwiseError> {
  using own = await session(name);
  return await caught(own.call("forward", args, kwargs));
}
async function caught(work: Promise<unknown>): Promise<OpwiseError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof OpwiseError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** The records of an archive, changed; the program's JSON by `edit`. */
function changed(name: string, edit: (program: string) => string, rename: (record: string) => string = (r) => r): Record<string, Uint8Array> {
  const records = unzipSync(bytesOf(name));
  return Object.fromEntries(
    Object.entries(records).map(([record, data]) => [
      rename(record),
      record.endsWith("models/model.json") ? new TextEncoder().encode(edit(new TextDecoder().decode(data))) : data,
    ]),
  );
}
const loaded = (records: Record<string, Uint8Array>, options: LoadOptions = {}): Promise<unknown> => load(zipSync(records), options);

describe("arguments of a .pt2 program", () => {
  it("names the dimension and the range of a size that is out of it", async () => {
    const tooLong = await refusal("static_cache", [floats(1, 9, 4)]);
    expect(tooLong).toMatchObject({ code: "shape-mismatch", wanted: "1 to 8", got: "9" });
    expect(tooLong.message).toMatch(/dimension 1 of input `x` .* is out of its range/);
    const tooWide = await refusal("sizes", [floats(80, 6), floats(3), 4]);
    expect(tooWide.message).toMatch(/dimension 0 of input `x` \(\(.* \* .*\)\) is out of its range/);
    expect(tooWide.wanted).toMatch(/^s\d+ of 2 to 32$/);
    expect(tooWide.got).toMatch(/^80, which is s\d+ = 40$/);
  });
  it("takes sizes 0 and 1 where the author set no bound", async () => {
    using own = await session("convnet");
    expect((await own.forward(floats(1, 3, 8, 8))) as Tensor).toMatchObject({ shape: [1, 4] });
  });
  it("solves an expression for its symbol and says what fits it", async () => {
    const odd = await refusal("sizes", [floats(7, 6), floats(3), 4]);
    expect(odd.message).toBe("dimension 0 of input `x` has the wrong size");
    expect(odd.wanted).toMatch(/^\(.*\) for a whole number$/);
    expect(odd.got).toBe("7");
  });
  it("checks sizes that have to be equal, fixed ones, and guards", async () => {
    expect(await refusal("convnet", [floats(2, 4, 8, 8)])).toMatchObject({ message: "dimension 1 of input `input` has the wrong size", wanted: "3", got: "4" });
    const lengths = await refusal("bert", [], { input_ids: ints(2, 5), attention_mask: ints(2, 6) });
    expect(lengths).toMatchObject({
      message: "dimension 1 of input `attention_mask` has the wrong size",
      wanted: expect.stringMatching(/^s\d+ = 5$/) as string,
      got: "6",
    });
    const guard = await refusal("indexed", [floats(3, 4), ints(4)]);
    expect(guard.message).toBe("the inputs' sizes are not among those that the program was exported for");
    expect(guard).toMatchObject({ wanted: "at.size()[0] <= x.size()[0]", got: "at.size()[0] = 4, x.size()[0] = 3" });
    expect(await refusal("bert", [], { input_ids: ints(2, 30), attention_mask: ints(2, 30) })).toMatchObject({
      code: "shape-mismatch",
      wanted: "2 to 24",
      got: "30",
    });
  });
  it("names an input of another dtype, rank or kind", async () => {
    expect(await refusal("convnet", [ints(2, 3, 8, 8)])).toMatchObject({
      code: "dtype-mismatch",
      message: "input `input` has the wrong dtype",
      wanted: "float32",
      got: "int64",
    });
    expect(await refusal("convnet", [floats(2, 3, 8)])).toMatchObject({ message: "input `input` has the wrong rank", got: "[2, 3, 8]" });
    expect(await refusal("convnet", [3])).toMatchObject({ code: "type-mismatch", message: "argument `input` has the wrong type" });
    expect(await refusal("decoder_cache", [ints(2, 2), [[floats(2, 2, 3, 4), floats(2, 2, 3)]]])).toMatchObject({
      message: "input `cache.0.1` has the wrong rank",
    });
  });
  it("names an argument that is missing, unknown, extra or given twice", async () => {
    expect(await refusal("bert", [ints(2, 5)])).toMatchObject({ code: "bad-argument", message: "the argument `attention_mask` is missing", got: "input_ids" });
    expect(await refusal("bert", [], { input_ids: ints(2, 5), attention_mask: ints(2, 5), labels: ints(2) })).toMatchObject({
      message: "the program has no argument `labels`",
      wanted: "input_ids, attention_mask",
    });
    expect(await refusal("convnet", [floats(2, 3, 8, 8), 1])).toMatchObject({ message: "the program takes 1 arguments", got: "2" });
    expect(await refusal("convnet", [floats(2, 3, 8, 8)], { input: floats(2, 3, 8, 8) })).toMatchObject({ message: "the argument `input` is given twice" });
  });
  it("takes arguments by name in any order, and in order where they were named", async () => {
    using own = await session("bert");
    const [a, b] = [ints(2, 5), Tensor.from(new Array(10).fill(1), [2, 5], "int64")];
    const named = (await own.call("forward", [], { attention_mask: b, input_ids: a })) as { readonly pooler_output: Tensor };
    const ordered = (await own.call("forward", [a, b])) as { readonly pooler_output: Tensor };
    expect([...named.pooler_output.data]).toEqual([...ordered.pooler_output.data]);
  });
  it("names the part of a nest that has another form", async () => {
    expect(await refusal("decoder_cache", [ints(2, 2), [[floats(2, 2, 3, 4)]]])).toMatchObject({
      code: "type-mismatch",
      message: "the argument `cache.0` does not have the form that the program was exported with",
      wanted: "2 items",
      got: "1 items",
    });
    expect(await refusal("decoder_cache", [ints(2, 2), floats(1)])).toMatchObject({ wanted: "1 items", got: "a Tensor" });
  });
  it("takes a registered class as an object of its fields, those that were None left out", async () => {
    using own = await session("nested");
    const table = { deep: [[floats(3, 2), floats(3, 2)]], queue: [floats(1), floats(2)], more: { k: [floats(1)] } };
    const batch = { ids: floats(3, 2), extra: { w: floats(3), v: floats(1) } };
    const pair = { left: floats(3, 2), right: floats(2) };
    const kwargs = { first: floats(3), maybe: null, second: floats(3), factor: 1.5 };
    const result = await own.call("forward", [batch, pair, table, floats(2), floats(1)], kwargs);
    expect(result).toMatchObject({ answer: { note: null }, nothing: null, number: 3, empty: [] });
    const other = await caught(own.call("forward", [batch, pair, table, floats(2), floats(1)], { ...kwargs, factor: 2 }));
    expect(other.message).toBe("the argument `factor` was fixed to 1.5 when the model was exported");
    const absent = await caught(own.call("forward", [{ ...batch, mask: floats(3) }, pair, table, floats(2), floats(1)], kwargs));
    expect(absent).toMatchObject({ message: "the argument `batch.mask` does not have the form that the program was exported with", wanted: "None" });
    const missing = await caught(own.call("forward", [{ ids: floats(3, 2) }, pair, table, floats(2), floats(1)], kwargs));
    expect(missing).toMatchObject({ wanted: "the keys ids, extra, mask", got: "the keys ids" });
  });
  it("says where in the author's file a check of the model stands", async () => {
    const error = await refusal("unbacked", [floats(3, 3), Tensor.from([17], [], "int64")]);
    expect(error.where.python).toMatch(/^pt2_programs\.py:\d+, in forward$/);
    expect(error.message).toMatch(/<= 16/);
  });
});

describe("archives of torch.export", () => {
  it("hold the arguments that the program was exported with", async () => {
    const model = await load(join(GOLDEN, "bert", "model.pt2"));
    const sample = await model.sampleInputs();
    expect(sample?.args).toEqual([]);
    expect(Object.keys(sample?.kwargs ?? {})).toEqual(["input_ids", "attention_mask"]);
    using own = await model.session();
    expect(await own.call("forward", sample?.args, sample?.kwargs)).toHaveProperty("pooler_output");
    await expect((await load(join(GOLDEN, "nested", "model.pt2"))).sampleInputs()).rejects.toMatchObject({ code: "unsafe-pickle" });
  });
  it("may hold several programs, chosen by name", async () => {
    const under = (name: string) => (record: string) =>
      record.replace(/models\/model\.json$/, `models/${name}.json`).replace(/\/model_(weights|constants)_config/, `/${name}_$1_config`);
    const [first, second] = [changed("loop", (p) => p, under("loop")), changed("convnet", (p) => p, under("net"))];
    // Weights of one archive are numbered through.
    const moved = Object.fromEntries(
      Object.entries(second).map(([record, data]) => [
        record.replace("/weight_", "/weight_1"),
        record.endsWith("net_weights_config.json") ? new TextEncoder().encode(new TextDecoder().decode(data).replaceAll('"weight_', '"weight_1')) : data,
      ]),
    );
    const both = { ...first, ...moved };
    expect(await caught(loaded(both))).toMatchObject({
      code: "missing-record",
      message: "the archive holds several programs",
      got: expect.stringContaining("loop"),
    });
    expect(await caught(loaded(both, { program: "nat" }))).toMatchObject({ message: "the archive has no program `nat`" });
    const net = await load(zipSync(both), { program: "net" });
    expect([...net.programs].sort()).toEqual(["loop", "net"]);
    using own = await net.session();
    using alone = await session("convnet");
    const x = Tensor.from(
      Array.from({ length: 384 }, (_, i) => Math.sin(i)),
      [2, 3, 8, 8],
      "float32",
    );
    expect([...((await own.forward(x)) as Tensor).data]).toEqual([...((await alone.forward(x)) as Tensor).data]);
  });
  it("refuses compiled parts, custom objects and other versions by name", async () => {
    const compiled = Object.fromEntries(Object.entries(unzipSync(bytesOf("loop"))).filter(([record]) => !record.endsWith("models/model.json")));
    compiled["archive/data/aotinductor/net/net.so"] = new Uint8Array(4);
    const machineCode = await caught(loaded(compiled));
    expect(machineCode.message).toBe("the archive holds `net` as machine code of AOTInductor, not as a graph");

    const custom = '{"custom_obj": {"arg": {"name": "obj_tok", "class_fqn": "__torch__.Tokens"}, "custom_obj_name": "tok"}}';
    const object = await caught(loaded(changed("loop", (p) => p.replace('"input_specs": [', `"input_specs": [${custom}, `))));
    expect(object).toMatchObject({ code: "unsupported-format", message: "the program needs the custom object `tok` of class `__torch__.Tokens`" });

    const newer = await caught(loaded(changed("loop", (p) => p.replace(/"schema_version": \{[^}]*\}/, '"schema_version": {"major": 9, "minor": 1}'))));
    expect(newer).toMatchObject({ code: "unsupported-version", wanted: "8.x", got: expect.stringMatching(/^9\.1, written by PyTorch 2\./) });
    const layout = changed("loop", (p) => p);
    layout["archive/archive_version"] = new TextEncoder().encode("1");
    expect(await caught(loaded(layout))).toMatchObject({ code: "unsupported-version", wanted: "archive version 0", got: "1" });
  });
  it("lists the ops that nothing here knows", async () => {
    const inherited = await caught(loaded(changed("loop", (p) => p.replaceAll("torch.ops.aten.tanh.default", "constructor"))));
    expect(inherited).toMatchObject({ code: "unsupported-op", message: "the program calls ops that are not known: constructor (1)" });
    const error = await caught(loaded(changed("loop", (p) => p.replaceAll("torch.ops.aten.tanh.default", "torch.ops.mine.tanh.default"))));
    expect(error).toMatchObject({ code: "unsupported-op", message: "the program calls ops that are not known: torch.ops.mine.tanh.default (1)" });
  });
});

describe("custom ops of a .pt2 program", () => {
  it("write to copies where the program was made functional", async () => {
    const op = customOp("example::add_into(Tensor(a!) x, Tensor y) -> Tensor", (x, y) => {
      const [into, from] = [x.data, y.data];
      if (!(into instanceof Float32Array && from instanceof Float32Array)) throw new Error("float32 is what the program was exported with");
      into.forEach((value, i) => (into[i] = value + (from[i] ?? NaN)));
      return Tensor.from(
        from.map((value) => value * 2),
        [3],
        "float32",
      );
    });
    const model = await load(join(GOLDEN, "custom_op.pt2"), { ops: [op] });
    using own = await model.session();
    const x = Tensor.from([1, 2, 3, 4, 5, 6], [2, 3], "float32");
    const [z, w] = (await own.forward(x, Tensor.from([10, 20, 30], [3], "float32"))) as readonly [Tensor, Tensor];
    expect([...z.data]).toEqual([1, 2, 3, 14, 25, 36]);
    expect([...w.data]).toEqual([20, 40, 60]);
    expect([...x.data]).toEqual([1, 2, 3, 4, 5, 6]);
  });
  it("are asked for by name", async () => {
    expect(await caught(load(join(GOLDEN, "custom_op.pt2")))).toMatchObject({
      code: "unsupported-op",
      message: "there is no op `torch.ops.example.add_into.default`",
      hint: "register the schema of a custom op before loading",
    });
  });
});
