import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limitsWith } from "./limits.ts";
import { MessageReader } from "./protobuf.ts";
import { MessageWriter } from "./protobuf-writer.ts";

const open = (...bytes: number[]): MessageReader => MessageReader.open(Uint8Array.from(bytes), "Message");
/** Reads a message to its end, skipping every field. */
function skipAll(reader: MessageReader): number {
  let fields = 0;
  while (reader.next()) fields++;
  return fields;
}
const bad = expect.objectContaining({ code: "bad-onnx" });

describe("what is written is read", () => {
  it("for 64-bit ints, exactly, canonical", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
        const reader = MessageReader.open(new MessageWriter().int(3, value).packedInts(4, [value, 1]).finish(), "Message");
        const wanted = Number.isSafeInteger(Number(value)) ? Number(value) : value;
        expect(reader.next() && reader.int64()).toBe(wanted);
        const list: (number | bigint)[] = [];
        expect(reader.next()).toBe(true);
        reader.addInt64s(list);
        expect(list).toEqual([wanted, 1]);
        expect(reader.next()).toBe(false);
      }),
    );
  });
  it("for every other kind of field", () => {
    const bytes = new MessageWriter()
      .int(1, -7)
      .float(2, 0.5)
      .double(3, 0.1)
      .string(4, "hé")
      .bytes(5, Uint8Array.of(1, 2))
      .packedFloats(6, [1, 2.5])
      .packedFloats(6, [])
      .message(7, (inner) => inner.string(1, "in").message(2, (deep) => deep.int(1, 2n ** 64n - 1n)))
      .finish();
    const r = MessageReader.open(bytes, "Message");
    expect([r.next(), r.field, r.int32()]).toEqual([true, 1, -7]);
    expect([r.next(), r.field, r.float()]).toEqual([true, 2, 0.5]);
    expect([r.next(), r.field, r.double()]).toEqual([true, 3, 0.1]);
    expect([r.next(), r.field, r.string()]).toEqual([true, 4, "hé"]);
    expect(r.next()).toBe(true);
    const range = r.range();
    expect(bytes.slice(range.offset, range.offset + range.length)).toEqual(Uint8Array.of(1, 2));
    const floats: number[] = [];
    expect(r.next()).toBe(true);
    r.addFloats(floats);
    expect(floats).toEqual([1, 2.5]);
    expect(r.next()).toBe(true);
    const inner = r.message("Inner");
    expect([inner.next(), inner.string(), inner.next()]).toEqual([true, "in", true]);
    const deep = inner.message("Deep");
    expect([deep.next(), deep.uint64(), deep.next(), inner.next(), r.next()]).toEqual([true, 2n ** 64n - 1n, false, false, false]);
  });
});

describe("reading", () => {
  it("skips unknown fields of every wire type, groups in groups too", () => {
    const bytes = [0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 2, 9, 9, 0x23, 0x08, 1, 0x2b, 0x2c, 0x24, 0x35, 1, 2, 3, 4];
    expect(skipAll(open(...bytes))).toBe(5);
  });
  it("takes repeated fields packed and one by one", () => {
    const r = open(0x08, 1, 0x0a, 2, 2, 3, 0x08, 4);
    const list: number[] = [];
    while (r.next()) r.addInt32s(list);
    expect(list).toEqual([1, 2, 3, 4]);
  });
  it("reads negative int32 of five and of ten bytes", () => {
    const five = open(0x08, 0xff, 0xff, 0xff, 0xff, 0x0f);
    expect(five.next() && five.int32()).toBe(-1);
    const ten = open(0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
    expect(ten.next() && ten.int32()).toBe(-2);
  });
  it("gives text that is no UTF-8 the same way each time", () => {
    const r = open(0x0a, 2, 0x61, 0xff, 0x0a, 2, 0x61, 0xff);
    expect([r.next(), r.string(), r.next(), r.string()]).toEqual([true, "a\ufffd", true, "a\ufffd"]);
  });
  it.each([
    ["a varint that ends early", [0x08, 0x80]],
    ["a varint of eleven bytes", [0x08, ...Array.from({ length: 10 }, () => 0xff), 1]],
    ["a tag of more than 32 bits", [0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    ["field number 0", [0x00, 1]],
    ["wire type 6", [0x0e]],
    ["a length beyond the end", [0x0a, 5, 1]],
    ["a length of 2^63", [0x0a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
    ["a fixed value beyond the end", [0x0d, 1, 2]],
    ["a group that never ends", [0x0b, 0x08, 1]],
    ["a group's end alone", [0x0c]],
    ["a group with another's end", [0x0b, 0x14]],
  ])("refuses %s", (_, bytes) => expect(() => skipAll(open(...bytes))).toThrow(bad));
  it("refuses another wire type than the declaration's", () => {
    const r = open(0x08, 1);
    r.next();
    expect(() => r.message("Inner")).toThrow(bad);
  });
  it("keeps a nested message inside its parent", () => {
    const r = open(0x0a, 2, 0x0a, 5, 1, 1, 1, 1, 1);
    r.next();
    const inner = r.message("Inner");
    expect(() => inner.next() && inner.range()).toThrow(bad);
  });
  it("limits nesting", () => {
    const nest = (depth: number): Uint8Array => new MessageWriter().message(1, depth === 0 ? () => {} : (w) => w.bytes(1, nest(depth - 1))).finish();
    let r = MessageReader.open(nest(5), "Message", { limits: limitsWith({ maxMessageDepth: 4 }) });
    expect(() => {
      while (r.next()) r = r.message("Message");
    }).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
  });
});
