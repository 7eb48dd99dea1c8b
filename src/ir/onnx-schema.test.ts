import { describe, expect, it } from "vitest";
import { allOnnxOps, ONNX_NEWEST_OPSET, onnxSchema, onnxVersions, similarOnnxOps } from "./onnx-schema.ts";

describe("ONNX schemas", () => {
  it("picks the newest version that is not newer than the opset", () => {
    expect(onnxSchema("", "Add", 6)?.since).toBe(6);
    expect(onnxSchema("", "Add", 12)?.since).toBe(7);
    expect(onnxSchema("ai.onnx", "Add", 13)?.since).toBe(13);
    expect(onnxSchema("", "LayerNormalization", 16)).toBeUndefined();
  });
  it("knows counts, options, defaults and types", () => {
    const conv = onnxSchema("", "Conv", 11);
    expect(conv).toMatchObject({ minInputs: 2, maxInputs: 3, minOutputs: 1, maxOutputs: 1, deprecated: false });
    expect(conv?.attributes.get("auto_pad")).toEqual({ name: "auto_pad", kind: "string", required: false, default: "NOTSET" });
    expect(conv?.constraints.get("T")).toEqual(new Set(["tensor(float16)", "tensor(float)", "tensor(double)"]));
    const loop = onnxSchema("", "Loop", 11);
    expect(loop).toMatchObject({ minInputs: 0, maxInputs: Infinity, minOutputs: 1 });
    expect(loop?.inputs.at(-1)).toMatchObject({ option: "variadic", homogeneous: false });
    expect(onnxSchema("", "Concat", 13)?.attributes.get("axis")).toMatchObject({ required: true, kind: "int" });
    expect(onnxSchema("ai.onnx.ml", "Scaler", 1)?.outputs[0]?.type).toBe("tensor(float)");
    expect(onnxSchema("ai.onnx.ml", "CastMap", 1)?.constraints.get("T1")).toEqual(new Set(["map(int64,string)", "map(int64,float)"]));
    expect(onnxSchema("", "Upsample", 10)?.deprecated).toBe(true);
    expect(onnxSchema("", "ReduceSum", 13)).toMatchObject({ minInputs: 1, maxInputs: 2 });
  });
  it("parses every line of the table", () => {
    for (const [domain, name] of allOnnxOps()) {
      for (const since of onnxVersions(domain, name)) {
        const schema = onnxSchema(domain, name, since);
        expect(schema?.since).toBe(since);
        for (const p of [...(schema?.inputs ?? []), ...(schema?.outputs ?? [])]) {
          expect(schema?.open === true || schema?.constraints.has(p.type) === true || /^(tensor|seq|map|optional)\(/.test(p.type)).toBe(true);
        }
        for (const a of schema?.attributes.values() ?? []) expect(a.kind).toMatch(/^(float|int|string|tensor|graph|sparse_tensor|type_proto)s?$/);
      }
    }
    expect(allOnnxOps().length).toBeGreaterThan(300);
    expect(ONNX_NEWEST_OPSET).toBeGreaterThanOrEqual(26);
  });
  it("knows onnxruntime's own ops with their inputs and attributes", () => {
    const conv = onnxSchema("com.microsoft", "FusedConv", 1);
    expect(conv).toMatchObject({ since: 1, open: false, minInputs: 2, maxInputs: 4 });
    expect(conv?.attributes.get("activation_params")?.kind).toBe("floats");
    expect(onnxSchema("com.example", "Neg", 1)).toBeUndefined();
    expect(similarOnnxOps("", "relu")).toContain("Relu");
  });
});
