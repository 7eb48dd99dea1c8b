import { expect, test } from "vitest";
import { LinearMemory } from "./memory.ts";

test.each([true, false])("bytes that lie otherwise than where they go arrive whole (shared: %s)", (shared) => {
  const memory = new LinearMemory(shared);
  const host = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 7) % 251);
  const { address } = memory.allocate(200_000);
  for (const [from, length, at] of [
    [0, 150_000, 0],
    [4, 131_073, 0],
    [3, 65_536, 8],
    [1, 5, 6],
    [2, 0, 1],
  ] as const) {
    memory.bytes.fill(255, address, address + 200_000);
    memory.write(address + at, host.subarray(from, from + length));
    expect(Buffer.compare(Buffer.from(memory.bytes.slice(address + at, address + at + length)), Buffer.from(host.subarray(from, from + length)))).toBe(0);
    expect(memory.bytes[address + at + length]).toBe(255);
  }
});
