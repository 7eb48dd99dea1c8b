import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { introSelect, introSort, type Less, partialSort, quickSelect } from "./selection.ts";

const keys = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 80 });
const positionsOf = (values: readonly number[]): number[] => values.map((_, i) => i);
const lessOf =
  (values: readonly number[]): Less =>
  (a, b) =>
    (values[a] ?? 0) < (values[b] ?? 0);
const shown = (values: readonly number[], order: readonly number[]): number[] => order.map((i) => values[i] ?? 0);
const sorted = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

describe("selection", () => {
  it("sorts, and keeps every position", () => {
    fc.assert(
      fc.property(keys, (values) => {
        const order = positionsOf(values);
        introSort(order, 0, order.length, lessOf(values));
        expect(shown(values, order)).toEqual(sorted(values));
        expect(sorted(order)).toEqual(positionsOf(values));
      }),
    );
  });
  it("puts the least first, in order", () => {
    fc.assert(
      fc.property(keys, fc.nat(), (values, pick) => {
        const k = pick % (values.length + 1);
        const order = positionsOf(values);
        partialSort(order, 0, k, order.length, lessOf(values));
        expect(shown(values, order).slice(0, k)).toEqual(sorted(values).slice(0, k));
      }),
    );
  });
  it.each([
    ["introSelect", introSelect],
    ["quickSelect", quickSelect],
  ] as const)("%s parts a line around one place", (_, select) => {
    fc.assert(
      fc.property(keys, fc.nat(), (values, pick) => {
        const k = pick % values.length;
        const order = positionsOf(values);
        select(order, 0, k, order.length, lessOf(values));
        const line = shown(values, order);
        const at = line[k] ?? NaN;
        expect(at).toBe(sorted(values)[k]);
        expect(line.slice(0, k).every((x) => x <= at)).toBe(true);
        expect(line.slice(k).every((x) => x >= at)).toBe(true);
        expect(sorted(order)).toEqual(positionsOf(values));
      }),
    );
  });
  it("falls back to a heap where pivots are bad", () => {
    // Organ pipes defeat the median of three.
    const values = Array.from({ length: 400 }, (_, i) => Math.min(i, 399 - i));
    const order = positionsOf(values);
    introSort(order, 0, 400, lessOf(values));
    expect(shown(values, order)).toEqual(sorted(values));
  });
});
