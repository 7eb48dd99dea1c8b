/** Work on ranges of rows, planes or heads that do not depend on each other. */

import type { KernelRuntime } from "./runtime.ts";

/** Elements moved, or as much work, of one range. */
const RANGE_WORK = 2 ** 16;

/** Runs `body(first, count)` over ranges of `count` things of which each is as much work as moving `each` elements. Ranges go by sizes alone. */
export function inRanges(runtime: KernelRuntime, count: number, each: number, body: (first: number, count: number) => void): void {
  const step = Math.max(1, Math.ceil(RANGE_WORK / Math.max(1, each)));
  if (step >= count) return body(0, count);
  const parts = Array.from({ length: Math.ceil(count / step) }, (_, part) => () => body(part * step, Math.min(step, count - part * step)));
  runtime.fork(count * each, parts);
}
