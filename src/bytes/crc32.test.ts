import { crc32 as platform } from "node:zlib";
import fc from "fast-check";
import { expect, it } from "vitest";
import { crc32, crc32ByTables } from "./crc32.ts";

it("gives the known check value", () => {
  expect(crc32ByTables(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
});
it("equals the platform's, whole or in two parts", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), (bytes, cut) => {
      const wanted = platform(bytes);
      expect(crc32ByTables(bytes)).toBe(wanted);
      expect(crc32ByTables(bytes.subarray(cut), crc32ByTables(bytes.subarray(0, cut)))).toBe(wanted);
      expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(wanted);
    }),
  );
});
