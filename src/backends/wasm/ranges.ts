/** Work on ranges of rows, planes or heads that do not depend on each other. */

import type { KernelRuntime } from "./runtime.ts";

/** Elements of one range where one thread does all: they stay in a cache from one kernel to the next. */
const RANGE_ELEMENTS = 2 ** 16;

/** Multiply-adds of a product in the time that moving one element takes. */
export const MOVED = 16;

/** Elements that one part has at least, and a multiple of. */
const WHOLE = 16;

/** Things that follow one another. */
export type Range = readonly [first: number, count: number];

/** First and number of each of `parts` ranges of `count` things, as even as whole multiples of `multiple` can be. */
export function evenly(count: number, parts: number, multiple: number = 1): Range[] {
  const units = Math.ceil(count / multiple);
  const ranges = Math.max(1, Math.min(parts, units));
  return Array.from({ length: ranges }, (_, i) => {
    const first = Math.floor((i * units) / ranges) * multiple;
    return [first, Math.min(count, Math.floor(((i + 1) * units) / ranges) * multiple) - first] as const;
  });
}

/** A range of an iteration space on each axis. */
export interface Box {
  readonly sizes: readonly number[];
  readonly from: readonly number[];
}

/** Boxes that make up a space, up to about `parts`: ranges of its first axis, or of further ones of the first `axes` where that is too short. */
export function boxesOf(shape: readonly number[], axes: number, parts: number): Box[] {
  const [first = 1, ...rest] = shape;
  const whole = { sizes: shape, from: shape.map(() => 0) };
  if (axes < 1 || parts < 2) return [whole];
  if (first >= parts || axes === 1) {
    // Vectors and lines of a cache stay whole where elements are divided.
    return evenly(first, parts, rest.length === 0 ? WHOLE : 1).map(([from, count]) => ({ sizes: [count, ...rest], from: [from, ...rest.map(() => 0)] }));
  }
  const inner = boxesOf(rest, axes - 1, Math.ceil(parts / first));
  return Array.from({ length: first }, (_, i) => inner.map(({ sizes, from }) => ({ sizes: [1, ...sizes], from: [i, ...from] }))).flat();
}

/** Runs `body(first, count)` over ranges of `count` things of which each is as much work as moving `each` elements; firsts are multiples of `multiple`. */
export function inRanges(runtime: KernelRuntime, count: number, each: number, body: (first: number, count: number) => void, multiple: number = 1): void {
  const work = count * each;
  const parts = Math.max(Math.ceil(work / RANGE_ELEMENTS), runtime.partsFor(work * MOVED));
  runtime.fork(
    work * MOVED,
    evenly(count, parts, multiple).map(
      ([first, length]) =>
        () =>
          body(first, length),
    ),
  );
}
