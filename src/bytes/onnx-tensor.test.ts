import { describe, expect, it } from "vitest";
import { decodeTensor } from "./onnx-proto.ts";
import { type TensorContent, tensorContent } from "./onnx-tensor.ts";
import { unpackBits } from "./packed-bits.ts";
import { MessageWriter } from "./protobuf-writer.ts";

const FLOAT = 1, UINT8 = 2, INT8 = 3, INT32 = 6, INT64 = 7, STRING = 8, FLOAT16 = 10, UINT64 = 13, COMPLEX64 = 14, INT4 = 22;
function contentOf(dims: readonly (number | bigint)[], type: number, fill: (writer: MessageWriter) => void): TensorContent & { readonly view: Uint8Array } {
  const writer = new MessageWriter().packedInts(1, dims).int(2, type).string(8, "w");
  fill(writer);
  const bytes = writer.finish();
  const content = tensorContent(decodeTensor(bytes), bytes);
  const view = content.kind === "range" ? bytes.slice(content.range.offset, content.range.offset + content.range.length) : content.kind === "bytes" ? content.bytes : new Uint8Array(0);
  return { ...content, view };
}
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });
const f32 = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);

describe("elements", () => {
  it("stay where they are when the file has them as memory does", () => {
    expect(contentOf([2], FLOAT, (w) => w.bytes(9, f32(1, 2)))).toMatchObject({ kind: "range", dtype: "float32", shape: [2], view: f32(1, 2) });
    expect(contentOf([2], FLOAT, (w) => w.packedFloats(4, [1, 2]))).toMatchObject({ kind: "range", view: f32(1, 2) });
    expect(contentOf([1], COMPLEX64, (w) => w.packedFloats(4, [1, 2]))).toMatchObject({ kind: "range", dtype: "complex64", view: f32(1, 2) });
    expect(contentOf([], FLOAT, (w) => w.packedFloats(4, [1]))).toMatchObject({ shape: [], numel: 1 });
    expect(contentOf([0, 3], FLOAT, () => {})).toMatchObject({ kind: "range", numel: 0 });
  });
  it("are joined when they are written one by one", () => {
    expect(contentOf([2], FLOAT, (w) => w.float(4, 1).float(4, 2)).view).toEqual(f32(1, 2));
  });
  it("are narrowed from the integer lists", () => {
    expect(contentOf([3], INT8, (w) => w.packedInts(5, [-1, 0, 127])).view).toEqual(Uint8Array.of(255, 0, 127));
    expect(contentOf([1], FLOAT16, (w) => w.packedInts(5, [0x3c00])).view).toEqual(Uint8Array.of(0, 0x3c));
    expect(contentOf([2], INT64, (w) => w.packedInts(7, [-(2n ** 63n)]).int(7, 1)).view).toEqual(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0, 0));
    expect(contentOf([1], UINT64, (w) => w.packedInts(11, [2n ** 64n - 1n])).view).toEqual(new Uint8Array(8).fill(255));
    expect(contentOf([1], INT32, (w) => w.packedInts(5, [-2])).view).toEqual(Uint8Array.of(254, 255, 255, 255));
  });
  it("of 4 and 2 bits are unpacked, low bits first, signed", () => {
    expect(contentOf([3], INT4, (w) => w.bytes(9, Uint8Array.of(0x8f, 0x07))).view).toEqual(Uint8Array.of(255, 0xf8, 7));
    expect(contentOf([3], INT4, (w) => w.packedInts(5, [0x8f, 0x07])).view).toEqual(Uint8Array.of(255, 0xf8, 7));
    expect(unpackBits("uint2", Uint8Array.of(0b11_10_01_00), 4)).toEqual(Uint8Array.of(0, 1, 2, 3));
    expect(unpackBits("float4_e2m1", Uint8Array.of(0xf1), 2)).toEqual(Uint8Array.of(1, 15));
  });
  it("that are strings come as bytes, empty ones too", () => {
    const content = contentOf([2], STRING, (w) => w.string(6, "").string(6, "a"));
    expect(content).toMatchObject({ kind: "strings", strings: [new Uint8Array(0), Uint8Array.of(97)] });
    expect(contentOf([1], STRING, (w) => w.string(6, ""))).toMatchObject({ kind: "strings" });
  });
  it("in another file are described, their length checked", () => {
    const entry = (key: string, value: string) => (e: MessageWriter) => void e.string(1, key).string(2, value);
    const external = (length: string) => (w: MessageWriter) => void w.int(14, 1).message(13, entry("location", "w.bin")).message(13, entry("offset", "4")).message(13, entry("length", length));
    expect(contentOf([2], FLOAT, external("8"))).toMatchObject({ kind: "external", location: "w.bin", offset: 4, length: 8 });
    expect(() => contentOf([2], FLOAT, external("7"))).toThrow(code("bad-tensor"));
    expect(() => contentOf([2], FLOAT, external("-1"))).toThrow(code("bad-tensor"));
  });
});

describe("refused", () => {
  it.each<[string, readonly (number | bigint)[], number, (w: MessageWriter) => unknown, string]>([
    ["raw data that is too short", [4], FLOAT, (w) => w.bytes(9, f32(1)), "bad-tensor"],
    ["raw data that is too long", [1], FLOAT, (w) => w.bytes(9, f32(1, 2)), "bad-tensor"],
    ["too few floats", [3], FLOAT, (w) => w.packedFloats(4, [1, 2]), "bad-tensor"],
    ["too many ints", [1], UINT8, (w) => w.packedInts(5, [1, 2]), "bad-tensor"],
    ["dims without data", [1 << 20, 1 << 10], UINT8, () => {}, "bad-tensor"],
    ["a negative dim", [-2], FLOAT, () => {}, "bad-tensor"],
    ["dims that overflow", [2n ** 62n, 8], FLOAT, () => {}, "limit-exceeded"],
    ["data twice", [1], FLOAT, (w) => w.bytes(9, f32(1)).packedFloats(4, [1]), "bad-tensor"],
    ["another type's list", [1], FLOAT, (w) => w.packedInts(7, [1]), "bad-tensor"],
    ["an unknown data type", [1], 77, () => {}, "unsupported-dtype"],
    ["a missing data type", [1], 0, () => {}, "unsupported-dtype"],
    ["another number of strings", [2], STRING, (w) => w.string(6, "a"), "bad-tensor"],
  ])("%s", (_, dims, type, fill, wanted) => expect(() => contentOf(dims, type, (w) => void fill(w))).toThrow(code(wanted)));
});
