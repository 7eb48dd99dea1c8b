import { PerformanceObserver } from "node:perf_hooks";
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
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    collections += list.getEntries().length;
  });
  observer.observe({ entryTypes: ["gc"] });
  for (let i = 0; i < 200; i++) {
    results.leave(MB / 2);
    new Uint8Array(MB / 2).fill(1);
    await new Promise((resume) => setImmediate(resume));
  }
  await new Promise((resume) => setTimeout(resume, 20));
  observer.disconnect();
  // 100 MB: V8 by itself lets 32 come together, and collects 3 times. Others' garbage in this process can only add to the 12 that there are.
  expect(collections).toBeGreaterThan(9);
});
