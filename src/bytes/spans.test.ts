import { expect, it } from "vitest";
import { behind, spansOf, type Wanted } from "./spans.ts";

/** A generator of numbers below a bound. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => (state = (state * 48_271) % 2_147_483_647) % below;
}

const file = Uint8Array.from({ length: 400_000 }, (_, i) => (i * 31) % 251);
/** Fills the targets from the file in pieces that end anywhere, as a system may. */
function fill(wanted: readonly Wanted[], below: (bound: number) => number): number {
  const spans = spansOf(wanted);
  for (const span of spans) {
    let { position, targets } = span;
    while (targets.length > 0) {
      const length = targets.reduce((sum, t) => sum + t.length, 0);
      const got = 1 + below(length);
      let at = position;
      for (const target of targets) {
        const count = Math.max(0, Math.min(target.length, position + got - at));
        target.set(file.subarray(at, at + count));
        at += target.length;
      }
      targets = behind(targets, got);
      position += got;
    }
  }
  return spans.length;
}

it("brings each range, however reads end and in whatever order ranges were asked for", () => {
  const below = numbers(7);
  for (let round = 0; round < 50; round++) {
    const wanted = Array.from({ length: 1 + below(20) }, () => {
      const offset = below(file.length);
      return { offset, target: new Uint8Array(below(Math.min(30_000, file.length - offset + 1))) };
    });
    fill(wanted, below);
    for (const { offset, target } of wanted) expect(Buffer.compare(target, file.subarray(offset, offset + target.length))).toBe(0);
  }
});

it("reads over small gaps, and begins anew behind large ones and at what overlaps", () => {
  const range = (offset: number, length: number): Wanted => ({ offset, target: new Uint8Array(length) });
  expect(spansOf([range(70_100, 50), range(0, 100), range(5000, 100)]).map((s) => s.position)).toEqual([0]);
  expect(spansOf([range(0, 100), range(200_000, 1)]).map((s) => s.position)).toEqual([0, 200_000]);
  expect(spansOf([range(0, 100), range(50, 100)]).map((s) => s.position)).toEqual([0, 50]);
  expect(spansOf([range(10, 0)])).toEqual([]);
  expect(spansOf(Array.from({ length: 2500 }, (_, i) => range(i * 8, 4))).every((s) => s.targets.length <= 1000)).toBe(true);
});
