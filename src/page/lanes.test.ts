import fc from "fast-check";
import { expect, test } from "vitest";
import { LaneIndex, layLanes, type Stays } from "./lanes.ts";

function staysOf(pairs: readonly (readonly [number, number])[]): Stays {
  const sorted = [...pairs].sort((a, b) => a[0] - b[0]);
  return { from: Int32Array.from(sorted, (p) => p[0]), to: Int32Array.from(sorted, (p) => p[1]) };
}

const ROWS = 40;
const anyStays = fc
  .array(fc.tuple(fc.nat(ROWS - 2), fc.nat(ROWS - 2)), { maxLength: 60 })
  .map((pairs) => staysOf(pairs.map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const)));

test("no two values that live at the same time share a lane", () => {
  fc.assert(
    fc.property(anyStays, (stays) => {
      const { lane } = layLanes(stays, ROWS);
      for (let i = 0; i < lane.length; i++) {
        for (let j = i + 1; j < lane.length; j++) {
          const overlap = (stays.from[i] ?? 0) < (stays.to[j] ?? 0) && (stays.from[j] ?? 0) < (stays.to[i] ?? 0);
          expect(overlap && lane[i] === lane[j]).toBe(false);
        }
      }
    }),
  );
});

test("the width is the number of values alive at once", () => {
  fc.assert(
    fc.property(anyStays, (stays) => {
      let most = 0;
      for (let row = 0; row < ROWS; row++)
        most = Math.max(
          most,
          stays.from.reduce((n, from, i) => n + (from <= row && (stays.to[i] ?? 0) > row ? 1 : 0), 0),
        );
      expect(layLanes(stays, ROWS).width).toBe(most);
    }),
  );
});

test("a chain of ops stays in one lane", () => {
  expect([
    ...layLanes(
      staysOf([
        [0, 1],
        [1, 2],
        [2, 3],
      ]),
      4,
    ).lane,
  ]).toEqual([0, 0, 0]);
});

test("a window of rows finds exactly the values that touch it, each once", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(400), fc.nat(400)), { maxLength: 40 }), fc.nat(400), fc.nat(120), (pairs, low, length) => {
      const stays = staysOf(pairs.map(([a, b]) => [Math.min(a, b), Math.max(a, b) + 1] as const));
      const index = new LaneIndex(stays, layLanes(stays, 402), 402);
      const want = [...stays.from.keys()].filter((i) => (stays.from[i] ?? 0) <= low + length && (stays.to[i] ?? 0) >= low);
      expect([...index.within(low, low + length)].sort((a, b) => a - b)).toEqual(want);
    }),
  );
});
