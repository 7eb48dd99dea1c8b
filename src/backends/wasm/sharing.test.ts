import { expect, test } from "vitest";
import { Sharing } from "./sharing.ts";

/** How many of the runs were shared, each taking what it takes in its way at that time. */
function sharedOf(runs: number, ms: (run: number) => { readonly shared: number; readonly alone: number }): number {
  const sharing = new Sharing();
  let shared = 0;
  for (let run = 0; run < runs; run++) {
    const times = ms(run);
    if (sharing.pays) shared++;
    sharing.took(sharing.pays ? times.shared : times.alone);
  }
  return shared;
}

test("while a shared run takes as long as ever, nothing else is tried", () => {
  expect(sharedOf(100, (run) => ({ shared: 10 + (run % 3), alone: 18 }))).toBe(100);
});

test("first runs, which compile, do not end it", () => {
  expect(sharedOf(100, (run) => ({ shared: run < 3 ? 100 / (run + 1) : 10, alone: 18 }))).toBe(100);
});

test("where sharing takes longer, hardly a run is shared until that changes", () => {
  const busy = (run: number): boolean => run >= 10 && run < 510;
  const ms = (run: number): { shared: number; alone: number } => ({ shared: busy(run) ? 30 : 10, alone: 18 });
  expect(sharedOf(510, ms) - 10).toBeLessThan(30);
  expect(sharedOf(1000, ms)).toBeGreaterThan(460);
});

test("where both take longer, the shorter of the two is kept to", () => {
  expect(sharedOf(500, (run) => (run < 10 ? { shared: 10, alone: 18 } : { shared: 25, alone: 36 }))).toBeGreaterThan(470);
});

test("a single run that took long costs one alone", () => {
  expect(sharedOf(100, (run) => ({ shared: run % 20 === 19 ? 50 : 10, alone: 18 }))).toBeGreaterThanOrEqual(95);
});
