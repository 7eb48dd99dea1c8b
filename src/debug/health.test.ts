import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeSmallFloat } from "../tensor/text.ts";
import { Tensor, viewOf } from "../tensor/tensor.ts";
import type { Health } from "./events.ts";
import { decodeBins, exponentRange, headroomOf, healthOf } from "./health.ts";

/** The record by its definition, one element after another. */
function plain(numbers: readonly number[], smallest: number): Omit<Health, "bins"> {
  const finite = numbers.filter(Number.isFinite);
  const count = (is: (v: number) => boolean): number => numbers.filter(is).length;
  const mean = finite.reduce((a, b) => a + b, 0) / finite.length;
  const base = {
    n: numbers.length,
    nan: count(Number.isNaN),
    posInf: count((v) => v === Infinity),
    negInf: count((v) => v === -Infinity),
    zero: count((v) => v === 0),
    subnormal: count((v) => v !== 0 && Math.abs(v) < smallest),
    neg: count((v) => v < 0),
  };
  if (finite.length === 0) return base;
  const [min, max] = [Math.min(...finite), Math.max(...finite)];
  return {
    ...base,
    min: min,
    max: max,
    mean,
    std: Math.sqrt(finite.reduce((a, b) => a + (b - mean) ** 2, 0) / finite.length),
    absmax: Math.max(Math.abs(min), Math.abs(max)),
  };
}
const of = (t: Tensor): Health => healthOf(t, t.storage.bytes());
function without(record: Health): Omit<Health, "bins"> {
  const { bins, ...rest } = record;
  expect(typeof bins).toBe("string");
  return rest;
}
function expectSame(got: Health, want: Omit<Health, "bins">): void {
  const { mean, std, min, max, ...exact } = without(got);
  const { mean: m, std: s, min: low, max: high, ...counts } = want;
  expect(exact).toEqual(counts);
  expect([min, max].map((v) => (v === undefined ? v : v + 0))).toEqual([low, high].map((v) => (v === undefined ? v : v + 0)));
  const scale = want.absmax ?? 0;
  if (m === undefined || s === undefined) expect([mean, std]).toEqual([undefined, undefined]);
  else {
    expect(Math.abs((mean ?? NaN) - m)).toBeLessThanOrEqual(1e-12 * scale);
    expect(Math.abs((std ?? NaN) - s)).toBeLessThanOrEqual(1e-7 * scale);
  }
}

describe("a health record", () => {
  it("has what its definition says, for float32, float64 and float16 alike", () => {
    const special = fc.constantFrom(0, -0, NaN, Infinity, -Infinity, 1e-40, -1e-320, 6e-8, 1, -65504);
    fc.assert(
      fc.property(fc.array(fc.oneof({ weight: 3, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }) }, special), { maxLength: 60 }), (numbers) => {
        const single = Tensor.from(Float32Array.from(numbers));
        expectSame(of(single), plain([...(single.data as Float32Array)], 2 ** -126));
        const double = Tensor.from(Float64Array.from(numbers));
        const record = of(double);
        expectSame(record, { ...plain(numbers, 2 ** -1022) });
        expect(decodeBins(record.bins ?? "").reduce((a, b) => a + b, 0)).toBe(numbers.length);
      }),
    );
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 65535 }), { maxLength: 60 }), (codes) => {
        const half = Tensor.from(Uint16Array.from(codes), [codes.length], "float16");
        expectSame(
          of(half),
          plain(
            codes.map((code) => decodeSmallFloat("float16", code)),
            2 ** -14,
          ),
        );
      }),
    );
  });

  it("keeps its precision on numbers far from zero, over many chunks", () => {
    const far = Float64Array.from({ length: 10_001 }, (_, i) => 1e9 + (i % 2));
    const { mean = 0, std = 0 } = of(Tensor.from(far));
    expect(mean).toBeCloseTo(1e9 + 5000 / 10_001, 6);
    expect(std).toBeCloseTo(0.5, 6);
  });

  it("counts each element of a broadcast view, and only those of a slice", () => {
    const base = Tensor.from(Float32Array.from([1, 2, 3, 4, 5, 6]), [2, 3]);
    expect(of(viewOf(base, [4, 2, 3], [0, 3, 1], 0))).toMatchObject({ n: 24, mean: 3.5, max: 6 });
    expect(of(viewOf(base, [2, 2], [3, 2], 0))).toMatchObject({ n: 4, min: 1, max: 6, mean: 3.5 });
    expect(without(of(viewOf(base, [3, 2], [1, 3], 0)))).toEqual(without(of(base)));
    expect(of(viewOf(base, [0, 3], [3, 1], 0))).toMatchObject({ n: 0, nan: 0 });
  });

  it("gives integers counts and extremes, 64-bit ones too", () => {
    const big = of(Tensor.from(BigInt64Array.from([0n, -(2n ** 40n), 2n ** 40n, 5n])));
    expect(big).toEqual({ n: 4, nan: 0, posInf: 0, negInf: 0, zero: 1, subnormal: 0, neg: 1, min: -(2 ** 40), max: 2 ** 40, mean: 1.25, absmax: 2 ** 40 });
    expect(of(Tensor.from(BigUint64Array.from([2n ** 63n]))).max).toBe(2 ** 63);
    expect(of(Tensor.from([true, false, true], [3], "bool"))).toMatchObject({ n: 3, zero: 1, max: 1, mean: 2 / 3 });
  });

  it("says whether halves would hold the numbers", () => {
    const record = of(Tensor.from(Float32Array.from([1, 60_000, 1e-7, 0])));
    expect(headroomOf(record, "float16")).toEqual({ binades: Math.log2(65504 / 60_000), lost: 0.25, holds: true });
    expect(headroomOf(of(Tensor.from(Float32Array.from([70_000]))), "float16").holds).toBe(false);
    expect(headroomOf(of(Tensor.from(Float32Array.from([70_000]))), "bfloat16").holds).toBe(true);
    expect(exponentRange(decodeBins(record.bins ?? ""))).toEqual({ low: -24, high: 15 });
  });
});
