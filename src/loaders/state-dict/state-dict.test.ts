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
});
