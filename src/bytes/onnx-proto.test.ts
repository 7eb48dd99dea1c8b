import { describe, expect, it } from "vitest";
import { decodeMap, decodeOptional, decodeSequence } from "./onnx-data.ts";
import { type AttributeProto, decodeModel, decodeTensor, readOnnx } from "./onnx-proto.ts";
import { limitsWith } from "./limits.ts";
import { MessageWriter } from "./protobuf-writer.ts";
import { bytesSource } from "./source.ts";

type Fill = (writer: MessageWriter) => void;
const model = (graph: Fill, more: Fill = () => {}): Uint8Array => {
  const writer = new MessageWriter().int(1, 9).message(8, (o) => o.int(2, 21));
  more(writer.message(7, graph));
  return writer.finish();
};
const node = (attribute: Fill) => (g: MessageWriter) => void g.message(1, (n) => n.string(1, "x").string(1, "").string(2, "y").string(4, "Op").message(5, attribute));
const attributeOf = (fill: Fill): AttributeProto | undefined => decodeModel(model(node(fill))).graph?.nodes[0]?.attributes[0];

describe("a model", () => {
  it("is read field by field, and the rest is skipped", async () => {
    const bytes = model(
      (g) => {
        g.string(2, "main").message(11, (v) => v.string(1, "x").message(2, (t) => t.message(1, (e) => e.int(1, 1).message(2, (s) => s.message(1, (d) => d.string(2, "N")).message(1, (d) => d.int(1, 3)).message(1, () => {})))));
        g.message(5, (t) => t.packedInts(1, [2]).int(2, 1).string(8, "w").bytes(9, new Uint8Array(8)));
        node((a) => a.string(1, "k").int(20, 2).int(3, 2n ** 62n))(g);
        g.message(999, (u) => u.int(1, 1));
      },
      (m) => m.string(2, "maker").message(14, (e) => e.string(1, "key").string(2, "value")).message(20, () => {}).message(25, (f) => f.string(1, "F").string(10, "dom").string(4, "a").string(5, "b").string(6, "alpha")),
    );
    const { model: read } = await readOnnx(bytesSource(bytes));
    expect(read).toMatchObject({ irVersion: 9, producerName: "maker", opsetImport: [{ domain: "", version: 21 }], training: [{ length: 0 }] });
    expect(read.metadata).toEqual(new Map([["key", "value"]]));
    expect(read.functions).toMatchObject([{ name: "F", domain: "dom", inputs: ["a"], outputs: ["b"], attributes: ["alpha"] }]);
    expect(read.graph).toMatchObject({ name: "main", nodes: [{ opType: "Op", inputs: ["x", ""], outputs: ["y"], attributes: [{ name: "k", value: { kind: "int", value: 2n ** 62n } }] }] });
    expect(read.graph?.inputs[0]?.type).toMatchObject({ kind: "tensor", elemType: 1, shape: [{ param: "N", value: undefined }, { value: 3 }, { value: undefined, param: undefined }] });
    const [range] = read.graph?.initializers[0]?.data.get("raw") ?? [];
    expect(range?.length).toBe(8);
  });
  it("says what was given in its place", () => {
    for (const [text, got] of [["PK\x03\x04", "a zip archive"], ["", "an empty file"], ["{}", "JSON text"]] as const) {
      expect(() => decodeModel(Uint8Array.from(Buffer.from(text, "latin1")))).toThrow(expect.objectContaining({ code: "bad-onnx", got }));
    }
  });
  it("has limits on graphs in graphs and on nodes", () => {
    const nest = (depth: number): Fill => (depth === 0 ? () => {} : node((a) => a.int(20, 5).message(6, nest(depth - 1))));
    expect(() => decodeModel(model(nest(40)))).not.toThrow();
    expect(() => decodeModel(model(nest(200)))).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
    expect(() => decodeModel(model(nest(3)), { limits: limitsWith({ maxNodes: 2 }) })).toThrow(expect.objectContaining({ code: "limit-exceeded" }));
  });
});

describe("attributes", () => {
  it("hold what their type says, zero where it is left out", () => {
    expect(attributeOf((a) => a.int(20, 1))?.value).toEqual({ kind: "float", value: 0 });
    expect(attributeOf((a) => a.int(20, 7).int(8, 1).packedInts(8, [2, -3]))?.value).toEqual({ kind: "ints", value: [1, 2, -3] });
    expect(attributeOf((a) => a.int(20, 6).packedFloats(7, [0.5]))?.value).toEqual({ kind: "floats", value: [0.5] });
    expect(attributeOf((a) => a.int(20, 3).bytes(4, Uint8Array.of(255)))?.value).toEqual({ kind: "string", value: Uint8Array.of(255) });
    expect(attributeOf((a) => a.int(20, 13).message(14, (t) => t.message(4, (s) => s.message(1, (e) => e.message(1, (x) => x.int(1, 7)))))))?.toMatchObject({
      value: { kind: "type", value: { kind: "sequence", elem: { kind: "tensor", elemType: 7, shape: undefined } } },
    });
  });
  it("say it by their field where the type is missing", () => {
    expect(attributeOf((a) => a.int(3, 4))?.value).toEqual({ kind: "int", value: 4 });
    expect(attributeOf((a) => a.string(9, "a"))?.value).toMatchObject({ kind: "strings" });
    expect(attributeOf((a) => a.string(1, "empty"))?.value).toBeUndefined();
  });
  it("may refer to a function's attribute", () => {
    expect(attributeOf((a) => a.string(1, "k").string(21, "alpha").int(20, 1))).toMatchObject({ refName: "alpha", value: undefined });
  });
  it("are refused when the type is unknown or the value missing", () => {
    expect(() => attributeOf((a) => a.int(20, 99))).toThrow(expect.objectContaining({ code: "bad-onnx" }));
    expect(() => attributeOf((a) => a.int(20, 4))).toThrow(expect.objectContaining({ code: "bad-onnx" }));
  });
});

describe("values of test data", () => {
  it("are sequences, maps and optionals", () => {
    const sequence = new MessageWriter().string(1, "s").int(2, 1).message(3, (t) => t.int(2, 1)).message(3, (t) => t.int(2, 7)).finish();
    expect(decodeSequence(sequence)).toMatchObject({ name: "s", elemType: 1, tensors: [{ dataType: 1 }, { dataType: 7 }] });
    expect(decodeMap(new MessageWriter().int(2, 7).packedInts(3, [1, -2]).bytes(5, sequence).finish())).toMatchObject({ keys: [1, -2], values: { elemType: 1 } });
    expect(decodeOptional(new MessageWriter().int(2, 3).bytes(5, sequence).finish())).toMatchObject({ sequence: { name: "s" }, tensor: undefined });
    expect(decodeTensor(new Uint8Array(0))).toMatchObject({ dataType: 0, dims: [] });
  });
});
