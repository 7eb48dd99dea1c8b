import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DType, itemsize } from "../tensor/dtype.ts";
import { type NpyArray, readNpy, writeNpy } from "./npy.ts";
import { readNpz, writeNpz } from "./npz.ts";
import { bytesSource } from "./source.ts";

/** A .npy file of version 1 with this header and data. */
function file(descr: string, shape: string, data: readonly number[], fortran = false, version = 1): Uint8Array {
  const header = `{'descr': ${descr}, 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }\n`;
  const length = version === 1 ? [header.length & 255, header.length >> 8] : [header.length & 255, header.length >> 8, 0, 0];
  return Uint8Array.from([...Buffer.from("\x93NUMPY", "latin1"), version, 0, ...length, ...Buffer.from(header), ...data]);
}
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

const SAVED: readonly DType[] = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128"];

describe("npy", () => {
  it("reads back what it wrote, aligned to 64 bytes", () => {
    const arrays = fc.constantFrom(...SAVED).chain((dtype) =>
      fc.array(fc.nat(4), { maxLength: 3 }).chain((shape) => {
        const nbytes = shape.reduce((a, b) => a * b, 1) * itemsize(dtype);
        return fc.uint8Array({ minLength: nbytes, maxLength: nbytes }).map((data): NpyArray => ({ dtype, shape, data }));
      }),
    );
    fc.assert(
      fc.property(arrays, (array) => {
        const bytes = writeNpy(array);
        expect((bytes.length - array.data.length) % 64).toBe(0);
        expect(readNpy(bytes)).toEqual(array);
      }),
    );
  });
  it("turns column-major and big-endian data", () => {
    expect(readNpy(file("'|u1'", "(2, 3)", [1, 4, 2, 5, 3, 6], true)).data).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect(readNpy(file("'>u2'", "(2,)", [1, 2, 3, 4])).data).toEqual(Uint8Array.of(2, 1, 4, 3));
    expect(readNpy(file("'>c8'", "()", [1, 2, 3, 4, 5, 6, 7, 8], false, 2)).data).toEqual(Uint8Array.of(4, 3, 2, 1, 8, 7, 6, 5));
  });
  it("reads texts, and writes them", () => {
    expect(readNpy(file("'<U2'", "(2,)", [0x61, 0, 0, 0, 0, 0, 0, 0, 0, 0xf6, 1, 0, 0, 0, 0, 0])).strings).toEqual(["a", "\u{1f600}"]);
    expect(readNpy(file("'|S2'", "(2,)", [0x61, 0, 0x62, 0x63])).strings).toEqual(["a", "bc"]);
    const texts: NpyArray = { dtype: "string", shape: [3], data: new Uint8Array(0), strings: ["", "hé\0x", "\u{1f600}"] };
    expect(readNpy(writeNpy(texts))).toEqual(texts);
  });
  it("refuses what it cannot hold, or what is damaged", () => {
    expect(() => readNpy(file("'|O'", "(1,)", []))).toThrow(code("unsupported-dtype"));
    expect(() => readNpy(file("'<M8[ns]'", "(1,)", []))).toThrow(code("unsupported-dtype"));
    expect(() => readNpy(file("[('a', '<f4')]", "(1,)", []))).toThrow(code("unsupported-dtype"));
    expect(() => readNpy(file("'<f4'", "(1000000, 1000000)", [1]))).toThrow(code("truncated"));
    expect(() => readNpy(file("'<U0'", "(1000000000,)", []))).toThrow(code("bad-npy"));
    expect(() => readNpy(file("'<f4'", "(-1,)", []))).toThrow(code("bad-npy"));
    expect(() => readNpy(file("'<f4'", "(1,)", [1, 2, 3, 4], false, 4))).toThrow(code("bad-npy"));
    expect(() => readNpy(file("'<f4'", "(1,)", []).subarray(0, 9))).toThrow(code("truncated"));
    expect(() => readNpy(Uint8Array.of(1, 2, 3))).toThrow(code("bad-npy"));
    expect(() => writeNpy({ dtype: "float32", shape: [2], data: new Uint8Array(4) })).toThrow(code("bad-argument"));
    expect(() => writeNpy({ dtype: "complex32", shape: [1], data: new Uint8Array(4) })).toThrow(code("unsupported-dtype"));
  });
});

describe("npz", () => {
  it("reads back what it wrote, and writes the same bytes again", async () => {
    const arrays = { x: { dtype: "int8", shape: [2], data: Uint8Array.of(1, 2) }, "a/b": { dtype: "bool", shape: [], data: Uint8Array.of(1) } } as const;
    const bytes = writeNpz(arrays);
    expect(await readNpz(bytesSource(bytes))).toEqual(new Map(Object.entries(arrays)));
    expect(writeNpz(new Map(Object.entries(arrays)))).toEqual(bytes);
  });
});
