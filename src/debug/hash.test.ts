import * as fc from "fast-check";
import { expect, it } from "vitest";
import { hashBytes } from "./hash.ts";

it("hashes any change of a byte, of the length, of the order and of the seed to another text", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 70 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, at, by) => {
      const changed = bytes.slice();
      const i = at % bytes.length;
      changed[i] = (changed[i] ?? 0) ^ by;
      expect(hashBytes(bytes)).toMatch(/^[0-9a-f]{16}$/);
      expect(hashBytes(changed)).not.toBe(hashBytes(bytes));
      expect(hashBytes(bytes.subarray(1))).not.toBe(hashBytes(bytes));
      expect(hashBytes(bytes, "float32")).not.toBe(hashBytes(bytes, "int32"));
    }),
  );
  expect(hashBytes(Uint8Array.from([1, 0, 0, 0, 2, 0, 0, 0]))).not.toBe(hashBytes(Uint8Array.from([2, 0, 0, 0, 1, 0, 0, 0])));
});

it("hashes bytes wherever they lie in memory alike", () => {
  const bytes = Uint8Array.from({ length: 41 }, (_, i) => i * 7);
  const shifted = new Uint8Array(64);
  shifted.set(bytes, 3);
  expect(hashBytes(shifted.subarray(3, 44))).toBe(hashBytes(bytes));
});

it("spreads: 20,000 small inputs have 20,000 hashes", () => {
  const hashes = new Set<string>();
  for (let i = 0; i < 20_000; i++) hashes.add(hashBytes(new Uint8Array(Float32Array.from([i, i >> 3, 1]).buffer)));
  expect(hashes.size).toBe(20_000);
});
