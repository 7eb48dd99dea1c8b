import fc from "fast-check";
import { expect, it } from "vitest";
import { Storage } from "../tensor/storage.ts";
import type { View } from "../tensor/tensor.ts";
import { blankStorages } from "./blank.ts";
import type { Region } from "./call.ts";

const view = (storage: Storage, shape: number[], strides: number[], offset: number): View => ({ storage, dtype: "float32", shape, strides, offset });
const step = (operands: View[], results: View[]): Region => ({ kind: "region", name: "step", params: {}, operands, results });

it("storages are blank exactly where something is read that no step has written", () => {
  const size = fc.integer({ min: 1, max: 4 });
  const order = fc.shuffledSubarray([0, 1, 2], { minLength: 3 });
  const box = fc.record({ shape: fc.tuple(size, size, size), at: fc.tuple(size, size, size), order });
  fc.assert(
    fc.property(fc.array(box, { maxLength: 6 }), fc.option(box), fc.boolean(), (pieces, seen, leaves) => {
      const storage = Storage.allocate(4 ** 3 * 4);
      const strides = [16, 4, 1];
      const viewOf = ({ shape, at, order }: { shape: readonly number[]; at: readonly number[]; order: readonly number[] }): View => {
        const sizes = shape.map((n, d) => Math.min(n, 5 - (at[d] ?? 1)));
        return view(
          storage,
          order.map((d) => sizes[d] ?? 1),
          order.map((d) => strides[d] ?? 0),
          at.reduce((sum, a, d) => sum + (a - 1) * (strides[d] ?? 0), 0),
        );
      };
      const elements = (v: View): number[] => {
        let out = [v.offset];
        v.shape.forEach((n, d) => (out = out.flatMap((o) => Array.from({ length: n }, (_, i) => o + i * (v.strides[d] ?? 0)))));
        return out;
      };
      const written = new Set(pieces.flatMap((piece) => elements(viewOf(piece))));
      const wanted = [...(seen === null ? [] : elements(viewOf(seen))), ...(leaves ? Array.from({ length: 64 }, (_, i) => i) : [])];
      const other = Storage.allocate(4);
      const steps = pieces.map((piece) => step([], [viewOf(piece)]));
      if (seen !== null) steps.push(step([viewOf(seen)], [view(other, [], [], 0)]));
      // Only what a step of the segment writes begins with zeros of its own.
      const blank = pieces.length > 0 && wanted.some((element) => !written.has(element));
      expect(blankStorages({ steps, inputs: [], outputs: leaves ? [storage] : [] }).has(storage)).toBe(blank);
    }),
    { numRuns: 300 },
  );
});
