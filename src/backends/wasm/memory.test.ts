import fc from "fast-check";
import { expect, test } from "vitest";
import { type Block, LinearMemory, newScope } from "./memory.ts";

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

const overlap = (a: Block, b: Block): boolean => a.address < b.address + b.size && b.address < a.address + a.size;

test("blocks of a scope that are in use never overlap, lent ones among them, and what is free is used again at any size", () => {
  const memory = new LinearMemory();
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -20, max: 5000 }), { maxLength: 60 }), (steps) => {
      const scope = newScope();
      const lent = memory.allocateLasting(8192);
      memory.within(scope, () => {
        memory.free(lent);
        memory.occupy({ address: lent.address + 2048, size: 2048 });
        memory.occupy({ address: lent.address + 5120, size: 4096 });
        const used: Block[] = [];
        for (const step of steps) {
          if (step < 0) {
            const [block] = used.splice(-step % Math.max(1, used.length), 1);
            if (block !== undefined) memory.free(block);
            continue;
          }
          const block = memory.allocate(step);
          expect(block.size).toBeGreaterThanOrEqual(step);
          expect(block.address % 64).toBe(0);
          for (const other of used) expect(overlap(block, other)).toBe(false);
          if (overlap(block, lent)) expect(block.address + block.size).toBeLessThanOrEqual(lent.address + (block.address < lent.address + 4096 ? 2048 : 5120));
          used.push(block);
        }
        for (const block of used) memory.free(block);
        memory.occupy(lent);
        // All that is left is the scope's own, in one piece where its blocks follow each other.
        const bytes = scope.free.reduce((sum, { size }) => sum + size, 0);
        expect(bytes).toBe(scope.blocks.reduce((sum, { size }) => sum + size, 0));
        expect(scope.free.some((range) => overlap(range, lent))).toBe(false);
      });
      memory.release(scope);
      memory.freeLasting(lent);
    }),
    { numRuns: 100 },
  );
});

test("bodies that may run at the same time share no memory, and what they leave is used by those after them", () => {
  const memory = new LinearMemory();
  const scope = newScope();
  memory.within(scope, () => {
    const bodies = (): readonly (() => readonly Block[])[] =>
      Array.from({ length: 4 }, () => () => {
        const first = memory.allocate(1000);
        memory.free(first);
        const again = memory.allocate(500);
        expect(again.address).toBe(first.address);
        const more = memory.allocate(3000);
        for (const block of [again, more]) memory.free(block);
        return [first, more];
      });
    for (let round = 0; round < 3; round++) {
      const blocks = memory.apart(bodies);
      blocks.forEach((own, i) => blocks.slice(i + 1).forEach((others) => own.forEach((a) => others.forEach((b) => expect(overlap(a, b)).toBe(false)))));
    }
    expect(scope.blocks.length).toBe(8);
  });
});
