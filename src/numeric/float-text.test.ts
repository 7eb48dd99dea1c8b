import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeFloat, formatExponent, formatFixed, formatGeneral, formatStream, parseFloatText, reprFloat, scriptFloat } from "./float-text.ts";

describe("Python's repr", () => {
  it.each<[number, string]>([
    [0, "0.0"],
    [-0, "-0.0"],
    [1, "1.0"],
    [0.1, "0.1"],
    [1e16, "1e+16"],
    [1e15, "1000000000000000.0"],
    [123456789012345680, "1.2345678901234568e+17"],
    [1e-4, "0.0001"],
    [1e-5, "1e-05"],
    [5e-324, "5e-324"],
    [1.7976931348623157e308, "1.7976931348623157e+308"],
    [-2.5, "-2.5"],
    [NaN, "nan"],
    [-Infinity, "-inf"],
  ])("of %d is %s", (x, text) => {
    expect(reprFloat(x)).toBe(text);
  });

  it("reads back as the same number", () => {
    fc.assert(
      fc.property(fc.double(), (x) => {
        expect(parseFloatText(reprFloat(x))).toBe(x);
        expect(parseFloatText(formatGeneral(x, 17))).toBe(x);
        expect(parseFloatText(formatExponent(x, 16))).toBe(x);
      }),
    );
  });
});

describe("C's formats", () => {
  it.each<[string, string]>([
    [formatFixed(2.5, 0), "2"],
    [formatFixed(3.5, 0), "4"],
    [formatFixed(0.5, 0), "0"],
    [formatFixed(1.5, 0), "2"],
    [formatFixed(0.125, 2), "0.12"],
    [formatFixed(0.375, 2), "0.38"],
    [formatFixed(99.995, 2), "100.00"],
    [formatFixed(0.95, 1), "0.9"],
    [formatFixed(0.05, 1), "0.1"],
    [formatFixed(1e22), "10000000000000000000000.000000"],
    [formatFixed(-0, 1), "-0.0"],
    [formatFixed(1e-10, 2), "0.00"],
    [formatFixed(0.999, 1), "1.0"],
    [formatFixed(NaN), "nan"],
    [formatExponent(0), "0.000000e+00"],
    [formatExponent(9.5, 0), "1e+01"],
    [formatExponent(8.5, 0), "8e+00"],
    [formatExponent(-1234.5, 2), "-1.23e+03"],
    [formatExponent(5e-324, 3), "4.941e-324"],
    [formatGeneral(0.1, 17), "0.10000000000000001"],
    [formatGeneral(1e20, 17), "1e+20"],
    [formatGeneral(100000), "100000"],
    [formatGeneral(1e6), "1e+06"],
    [formatGeneral(999999.5), "1e+06"],
    [formatGeneral(0.0001), "0.0001"],
    [formatGeneral(0.00001234), "1.234e-05"],
    [formatGeneral(-0), "-0"],
    [formatStream(2.34567891), "2.34568"],
    [formatStream(-Infinity), "-inf"],
  ])("%s", (got, wanted) => {
    expect(got).toBe(wanted);
  });
});

describe("TorchScript's text", () => {
  it("of literals", () => {
    expect([3, -0, 0.1, 1e20, 1e-7, 1e10, 2.5, Infinity, -Infinity, NaN].map(codeFloat)).toEqual([
      "3.",
      "-0.",
      "0.10000000000000001",
      "1e+20",
      "9.9999999999999995e-08",
      "10000000000",
      "2.5",
      "inf",
      "-inf",
      "nan",
    ]);
  });
  it("of str(float)", () => {
    expect([3, -0, 1e16, 0.1, 1e19, 2.5].map(scriptFloat)).toEqual(["3.", "0.", "10000000000000000.", "0.10000000000000001", "1e+19", "2.5"]);
  });
});

describe("parseFloatText", () => {
  it("takes what Python and TorchScript write", () => {
    expect(["3.", ".5", "1e-5", " +2.5 ", "1_000.5", "-inf", "Infinity", "nan", "-0."].map(parseFloatText)).toEqual([
      3,
      0.5,
      1e-5,
      2.5,
      1000.5,
      -Infinity,
      Infinity,
      NaN,
      -0,
    ]);
  });
  it("takes nothing else", () => {
    expect(["", "abc", "1.2.3", "0x10", "1e", "_1", "1__0", "--1", "."].map(parseFloatText)).toEqual(Array(9).fill(undefined));
  });
});
