import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BitFloat, type Codec, codec, encoder } from "./codec.ts";
import { encodeScale } from "./float8.ts";
import { encodeHalf } from "./half.ts";

const FORMATS: readonly BitFloat[] = [
  "float16",
  "bfloat16",
  "float8_e5m2",
  "float8_e4m3fn",
  "float8_e5m2fnuz",
  "float8_e4m3fnuz",
  "float8_e8m0fnu",
  "float4_e2m1",
];

function codecOf(format: BitFloat): Codec {
  const found = codec(format);
  if (found === undefined) throw new Error(format);
  return found;
}

describe("codec", () => {
  it.each(FORMATS)("%s encodes every value it decodes to the same bits", (format) => {
    const { decode, encode } = codecOf(format);
    const count = format === "float4_e2m1" ? 16 : format === "float16" || format === "bfloat16" ? 65536 : 256;
    for (let bits = 0; bits < count; bits++) {
      const value = decode(bits);
      if (!Number.isNaN(value)) expect(encode(value)).toBe(bits);
      else expect(decode(encode(value))).toBeNaN();
    }
  });

  it.each(FORMATS.filter((f) => f !== "float8_e8m0fnu"))("%s rounds to the nearest value", (format) => {
    const { decode, table } = codecOf(format);
    const encode = encoder(format, true);
    const largest = table.reduce((a, b) => (Number.isFinite(b) ? Math.max(a, b) : a), 0);
    fc.assert(
      fc.property(fc.double({ min: -largest, max: largest, noNaN: true }), (x) => {
        const bits = encode(x);
        const neighbours = [bits - 1, bits + 1].map((other) => Math.abs(decode(other & (table.length - 1)) - x));
        // A neighbour beyond the finite values is NaN or infinitely far.
        expect(neighbours.every((distance) => !(distance < Math.abs(decode(bits) - x)))).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("rounds a double to half once, not through a single float", () => {
    // 1 + 2^-11 is a tie; a hair above it is lost in single precision.
    expect(encodeHalf(1 + 2 ** -11)).toBe(0x3c00);
    expect(encodeHalf(1 + 2 ** -11 + 2 ** -40)).toBe(0x3c01);
    expect(encodeHalf(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(encodeHalf(65519.99)).toBe(0x7bff);
    expect(encodeHalf(65520)).toBe(0x7c00);
    expect(encodeHalf(-0)).toBe(0x8000);
    expect(encodeHalf(2 ** -25)).toBe(0);
    expect(encodeHalf(1.5 * 2 ** -25)).toBe(1);
  });

  // Recorded from PyTorch 2.13: inf, -inf, nan, 464, 480, 1e4, -1e4, -0, 1e-6, 6e4, 61440 to each format.
  const INPUTS = [Infinity, -Infinity, NaN, 464, 480, 1e4, -1e4, -0, 1e-6, 6e4, 61440];
  it.each<[BitFloat, number[]]>([
    ["float8_e5m2", [124, 252, 127, 95, 96, 113, 241, 128, 0, 123, 124]],
    ["float8_e4m3fn", [126, 254, 127, 126, 126, 126, 254, 128, 0, 126, 126]],
    ["float8_e5m2fnuz", [128, 128, 128, 99, 100, 117, 245, 0, 0, 127, 128]],
    ["float8_e4m3fnuz", [128, 128, 128, 128, 128, 128, 128, 0, 0, 128, 128]],
    ["float8_e8m0fnu", [255, 255, 255, 136, 136, 140, 140, 0, 107, 143, 143]],
  ])("%s overflows as Tensor.to does", (format, bits) => {
    expect(INPUTS.map(codecOf(format).encode)).toEqual(bits);
  });

  it("saturates and overflows as ONNX Cast documents", () => {
    const large = (format: BitFloat, saturate: boolean): number[] => [1e6, -1e6, Infinity].map((x) => codecOf(format).decode(encoder(format, saturate)(x)));
    expect(large("float8_e4m3fn", true)).toEqual([448, -448, 448]);
    expect(large("float8_e4m3fn", false)).toEqual([NaN, NaN, NaN]);
    expect(large("float8_e5m2", true)).toEqual([57344, -57344, 57344]);
    expect(large("float8_e5m2", false)).toEqual([Infinity, -Infinity, Infinity]);
    expect(large("float8_e4m3fnuz", true)).toEqual([240, -240, 240]);
    expect(large("float8_e5m2fnuz", false)).toEqual([NaN, NaN, NaN]);
    expect(large("float4_e2m1", false)).toEqual([6, -6, 6]);
    expect(large("float16", true)).toEqual([65504, -65504, 65504]);
  });

  it("rounds scales up, down and to the nearest", () => {
    const exponents = (rounding: "up" | "down" | "nearest"): number[] => [1, 1.1, 1.5, 1.9, 2].map((x) => encodeScale(x, true, rounding) - 127);
    expect(exponents("up")).toEqual([0, 1, 1, 1, 1]);
    expect(exponents("down")).toEqual([0, 0, 0, 0, 1]);
    expect(exponents("nearest")).toEqual([0, 0, 1, 1, 1]);
    expect(encodeScale(2 ** 128, true, "up")).toBe(254);
    expect(encodeScale(2 ** 128, false, "up")).toBe(255);
  });

  it("has no codec for dtypes that hold plain numbers", () => {
    expect(codec("float32")).toBeUndefined();
    expect(codec("complex32")?.decode(0x3c00)).toBe(1);
  });
});
