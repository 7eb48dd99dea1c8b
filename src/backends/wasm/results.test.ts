import { expect, test } from "vitest";
import { Results } from "./results.ts";

/** After which of the results garbage is looked for. */
function collections(sizes: readonly number[]): readonly number[] {
  const at: number[] = [];
  let i = 0;
  const results = new Results(() => void at.push(i));
  for (; i < sizes.length; i++) results.leave(sizes[i] ?? 0);
  return at;
}

const MB = 2 ** 20;

test("former results are collected when there are 8 MB of them", () => {
  expect(collections(new Array<number>(40).fill(MB))).toEqual([8, 16, 24, 32]);
});

test("small results leave that to the engine", () => {
  expect(collections(new Array<number>(1000).fill(4000))).toEqual([]);
});

test("of results that are large each has those before it collected", () => {
  expect(collections([9 * MB, 9 * MB, 9 * MB])).toEqual([0, 1, 2]);
});

test("arrays that nothing holds go sooner than the engine would have them go", async () => {
  const results = new Results();
  const alive: number[] = [];
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 200; i++) {
    results.leave(MB / 2);
    new Uint8Array(MB / 2).fill(1);
    await new Promise((resume) => setImmediate(resume));
    alive.push(process.memoryUsage().arrayBuffers - before);
  }
  // By itself V8 lets 32 MB come together: half the time there would be 16 or more.
  expect(alive.sort((a, b) => a - b)[100]).toBeLessThan(10 * MB);
});
