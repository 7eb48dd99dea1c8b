import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Workspace } from "../workspace.ts";
import { loopsFor, ROW_SLACK } from "./loops.ts";
import type { Plane } from "./upsample.ts";

/** The loops in JavaScript and as kernels, each with a workspace of its own. */
function both(sizes: readonly number[]): readonly Workspace[] {
  const spaces = [new Workspace(sizes, false), new Workspace(sizes, true)];
  expect(spaces[1]?.memory).toBeDefined();
  expect(loopsFor(spaces[0] as Workspace)).not.toBe(loopsFor(spaces[1] as Workspace));
  return spaces;
}

const byte = fc.integer({ min: 0, max: 255 });
/** Mostly zeros and small numbers as files have them, now and then anything that 16 bits hold. */
const coefficient = fc.oneof(
  { weight: 20, arbitrary: fc.constant(0) },
  { weight: 6, arbitrary: fc.integer({ min: -60, max: 60 }) },
  { weight: 1, arbitrary: fc.integer({ min: -32768, max: 32767 }) },
);

describe("kernels give the bytes of their JavaScript", () => {
  test("of the inverse DCT, for any coefficients and tables", () => {
    const table = fc.array(fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 1, max: 255 }) }, { weight: 1, arbitrary: fc.integer({ min: 0, max: 65535 }) }), {
      minLength: 64,
      maxLength: 64,
    });
    const blocks = fc.array(fc.array(coefficient, { minLength: 64, maxLength: 64 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(blocks, table, (values, quant) => {
        const [a, b] = both([128 * values.length, 128, 64 * values.length]).map((space) => {
          const coefficients = space.shorts(64 * values.length);
          coefficients.set(values.flat());
          const entries = space.shorts(64);
          entries.set(quant);
          const plane = space.bytes(64 * values.length);
          loopsFor(space).inverseDct(coefficients, 0, values.length, entries, plane, 0, 8 * values.length);
          return [...plane];
        });
        expect(b).toEqual(a);
      }),
      { numRuns: 300 },
    );
  });

  test("of upsampling, for any ratio and width", () => {
    const sides = fc.record({
      width: fc.integer({ min: 1, max: 40 }),
      height: fc.integer({ min: 1, max: 5 }),
      across: fc.integer({ min: 1, max: 4 }),
      down: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(sides, fc.array(byte, { minLength: 200, maxLength: 200 }), ({ width, height, across, down }, values) => {
        const [a, b] = both([width * height, width * across + ROW_SLACK]).map((space) => {
          const samples = space.bytes(width * height);
          samples.set(values.slice(0, width * height));
          const plane: Plane = { samples, stride: width, width, height, across, down };
          const out = space.bytes(width * across + ROW_SLACK);
          return Array.from({ length: height * down }, (_, y) => [
            ...loopsFor(space)
              .upsampled(plane, y, out)
              .subarray(0, width * across),
          ]);
        });
        expect(b).toEqual(a);
      }),
      { numRuns: 200 },
    );
  });

  test("of colours, for every pair of chroma levels", () => {
    const count = 65_536;
    for (const luma of [0, 1, 77, 128, 254, 255]) {
      const [a, b] = both([count, count, count, 3 * count + ROW_SLACK]).map((space) => {
        const [y, cb, cr] = [space.bytes(count), space.bytes(count), space.bytes(count)];
        y.fill(luma);
        for (let i = 0; i < count; i++) [cb[i], cr[i]] = [i & 255, i >> 8];
        const out = space.bytes(3 * count + ROW_SLACK);
        loopsFor(space).colourRow("ycc", [y, cb, cr], count, out, 0);
        return Buffer.from(out.subarray(0, 3 * count));
      });
      expect(b !== undefined && a?.equals(b)).toBe(true);
    }
  });
});
