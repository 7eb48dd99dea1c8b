import { describe, expect, it } from "vitest";
import { bytesSource } from "../../bytes/source.ts";
import { readCheckpoint } from "./checkpoint.ts";
import { readStateDict } from "./state-dict.ts";

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
const join = (...parts: readonly Uint8Array[]): Uint8Array => {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};
const text = (value: string): string => `X${String.fromCharCode(value.length)}\0\0\0${value}`;
const tuple = (...items: readonly string[]): string => `(${items.join("")}t`;
const byte = (value: number): string => `K${String.fromCharCode(value)}`;

const MAGIC = latin1("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.");
const PROTOCOL = latin1("\x80\x02M\xe9\x03.");
const system = latin1(`\x80\x02}${text("little_endian")}\x88s.`);

/** A legacy checkpoint of one object and the storages of `keys`. */
function legacy(object: string, keys: readonly string[], storages: readonly Uint8Array[]): Uint8Array {
  return join(MAGIC, PROTOCOL, system, latin1(`\x80\x02${object}.`), latin1(`\x80\x02](${keys.map(text).join("")}e.`), ...storages);
}
const floats = (...values: readonly number[]): Uint8Array => {
  const count = new Uint8Array(8);
  count[0] = values.length;
  return join(count, new Uint8Array(new Float32Array(values).buffer));
};
const tensor = (key: string, numel: number, offset: number, size: readonly number[], stride: readonly number[]): string => {
  const id = tuple(text("storage"), "ctorch\nFloatStorage\n", text(key), text("cpu"), byte(numel), "N");
  return `ctorch._utils\n_rebuild_tensor_v2\n${tuple(`${id}Q`, byte(offset), tuple(...size.map(byte)), tuple(...stride.map(byte)), "\x89", "ccollections\nOrderedDict\n)R")}R`;
};

describe("readStateDict", () => {
  it("reads a legacy checkpoint whose tensors share a storage", async () => {
    const object = `}(${text("a")}${tensor("k", 4, 0, [2, 2], [2, 1])}${text("b")}${tensor("k", 4, 1, [2], [2])}u`;
    const dict = await readStateDict(bytesSource(legacy(object, ["k"], [floats(1, 2, 3, 4)])));
    const a = dict.get("a");
    expect(a).toMatchObject({ dtype: "float32", shape: [2, 2], strides: [2, 1], offset: 0 });
    expect(dict.get("b")?.storage).toBe(a?.storage);
    expect(a?.storage.source.read({ offset: 4, length: 4 })).toEqual(new Uint8Array(new Float32Array([2]).buffer));
  });
  it("refuses a tensor that reaches beyond its storage", async () => {
    const object = `}${text("a")}${tensor("k", 4, 3, [2], [1])}s`;
    await expect(readStateDict(bytesSource(legacy(object, ["k"], [floats(1, 2, 3, 4)])))).rejects.toMatchObject({ code: "bad-tensor" });
  });
  it("refuses a file that ends inside a storage", async () => {
    const object = `}${text("a")}${tensor("k", 4, 0, [4], [1])}s`;
    await expect(readStateDict(bytesSource(legacy(object, ["k"], [floats(1, 2, 3, 4).subarray(0, 12)])))).rejects.toMatchObject({ code: "truncated" });
  });
  it("refuses Python objects, and says what to save", async () => {
    const error = await readCheckpoint(bytesSource(legacy("cos\nsystem\n(X\x02\0\0\0lstR", [], []))).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "unsafe-pickle", hint: expect.stringContaining("state_dict") as unknown });
  });
  it("points to a state dict further down", async () => {
    const object = `}${text("model")}}${text("a")}${tensor("k", 1, 0, [1], [1])}ss`;
    const bytes = legacy(object, ["k"], [floats(1)]);
    await expect(readStateDict(bytesSource(bytes))).rejects.toMatchObject({ code: "bad-argument", hint: expect.stringContaining("model") as unknown });
    expect((await readStateDict(bytesSource(bytes), { path: ["model"] })).has("a")).toBe(true);
  });

  it("reads what is data besides tensors: NumPy arrays and numbers, namespaces, counters, a meta tensor not", async () => {
    const bytesOf = (value: string): string => `c_codecs\nencode\n${tuple(text(value), text("latin1"))}R`;
    const dtype = (name: string): string => `cnumpy\ndtype\n${tuple(text(name), "\x89", "\x88")}R${tuple(byte(3), text("<"), "N", "N", "N")}b`;
    const array = `cnumpy.core.multiarray\n_reconstruct\n${tuple("cnumpy\nndarray\n", tuple(byte(0)), bytesOf("b"))}R${tuple(byte(1), tuple(byte(2), byte(2)), dtype("i2"), "\x88", bytesOf("\x01\0\x02\0\x03\0\x04\0"))}b`;
    const scalar = `cnumpy.core.multiarray\nscalar\n${tuple(dtype("f4"), bytesOf("\0\0\0\x40"))}R`;
    const space = `cargparse\nNamespace\n)\x81}${text("lr")}${byte(2)}sb`;
    const counter = `ccollections\nCounter\n${tuple(`}${text("a")}${byte(3)}s`)}R`;
    const object = `}(${text("w")}${array}${text("s")}${scalar}${text("args")}${space}${text("n")}${counter}u`;
    const value = await readCheckpoint(bytesSource(legacy(object, [], [])));
    if (value.kind !== "dict") throw new Error("no dict");
    const [w, s, args, n] = value.entries.map(([, item]) => item);
    // Fortran order: the first index runs fastest.
    expect(w).toMatchObject({ kind: "tensor", tensor: { dtype: "int16", shape: [2, 2], strides: [1, 2] } });
    expect(s).toEqual({ kind: "float", value: 2 });
    expect(args).toMatchObject({ kind: "dict", entries: [[{ value: "lr" }, { value: 2 }]] });
    expect(n).toMatchObject({ kind: "dict", entries: [[{ value: "a" }, { value: 3 }]] });

    const meta = `}${text("m")}ctorch._utils\n_rebuild_meta_tensor_no_storage\n${tuple("ctorch\nfloat32\n", tuple(byte(2)), tuple(byte(1)), "\x89")}Rs`;
    await expect(readCheckpoint(bytesSource(legacy(meta, [], [])))).rejects.toMatchObject({
      code: "unsupported-format",
      message: expect.stringContaining("`m`") as unknown,
    });
  });
  it("reads the bits that say a tensor is conjugated", async () => {
    const id = tuple(text("storage"), "ctorch\nFloatStorage\n", text("k"), text("cpu"), byte(1), "N");
    const negated = `ctorch._utils\n_rebuild_tensor_v2\n${tuple(`${id}Q`, byte(0), tuple(byte(1)), tuple(byte(1)), "\x89", "ccollections\nOrderedDict\n)R", `}${text("neg")}\x88s`)}R`;
    const dict = await readStateDict(bytesSource(legacy(`}${text("a")}${negated}s`, ["k"], [floats(3)])));
    expect(dict.get("a")).toMatchObject({ neg: true });
  });
  it("gives a sparse tensor by its parts", async () => {
    const layout = `ctorch.serialization\n_get_layout\n${tuple(text("torch.sparse_coo"))}R`;
    const parts = tuple(tensor("k", 4, 0, [1, 2], [2, 1]), tensor("k", 4, 2, [2], [1]), `ctorch\nSize\n${tuple(tuple(byte(9)))}R`, "\x88");
    const object = `}${text("a")}ctorch._utils\n_rebuild_sparse_tensor\n${tuple(layout, parts)}Rs`;
    const dict = await readStateDict(bytesSource(legacy(object, ["k"], [floats(1, 2, 3, 4)])));
    expect([...dict.keys()]).toEqual(["a.indices", "a.values"]);
    expect(dict.get("a.values")).toMatchObject({ shape: [2], offset: 2 });
  });
});

describe("a checkpoint of PyTorch 0.1", () => {
  const pickled = (value: string): Uint8Array => latin1(`\x80\x02${value}.`);
  const int64s = (...values: readonly number[]): Uint8Array => new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer);
  const member = (name: string, data: Uint8Array): Uint8Array => {
    const block = new Uint8Array(512 + Math.ceil(data.length / 512) * 512);
    block.set(latin1(name));
    block.set(latin1(data.length.toString(8).padStart(11, "0")), 124);
    block.set(latin1("ustar"), 257);
    block.set(data, 512);
    return block;
  };
  const described = (key: number, storage: number, sizes: readonly number[], strides: readonly number[], offset: number): Uint8Array =>
    join(pickled(tuple(byte(key), byte(storage), "ctorch\nFloatTensor\n")), int64s(sizes.length, ...sizes, ...strides, offset));
  const archive = (tensors: readonly Uint8Array[], view = tuple(byte(9), byte(1), byte(1), byte(2))): Uint8Array =>
    join(
      member("storages", join(pickled(byte(1)), pickled(tuple(byte(1), text("cpu"), "ctorch\nFloatStorage\n")), floats(1, 2, 3, 4), pickled(`](${view}e`))),
      member("tensors", join(pickled(byte(tensors.length)), ...tensors)),
      member("pickle", pickled(`}(${text("a")}${text("5")}Q${text("b")}${text("6")}Qu`)),
      new Uint8Array(1024),
    );
  const first = described(5, 1, [2, 2], [1, 2], 0);

  it("is read from its tar archive, views of storages too", async () => {
    const dict = await readStateDict(bytesSource(archive([first, described(6, 9, [2], [1], 0)])));
    expect(dict.get("a")).toMatchObject({ dtype: "float32", shape: [2, 2], strides: [1, 2] });
    expect(dict.get("b")?.storage.source.read({ offset: 0, length: 8 })).toEqual(new Uint8Array(new Float32Array([2, 3]).buffer));
  });
  it.each([
    ["a tensor that reaches out of its storage", archive([first, described(6, 9, [3], [1], 0)]), "bad-tensor"],
    ["a view that reaches out of its storage", archive([first, described(6, 9, [2], [1], 0)], tuple(byte(9), byte(1), byte(3), byte(2))), "bad-tensor"],
    ["a tensor that is missing", archive([first]), "bad-tensor"],
    ["a member that is cut off", archive([first]).subarray(0, 560), "truncated"],
  ])("is refused with %s", async (_what, bytes, code) => {
    await expect(readStateDict(bytesSource(bytes))).rejects.toMatchObject({ code });
  });
});
