/** Sketches of values that do not see the order of their elements: what aligns graphs whose layouts differ. */

import type { Tensor } from "../../tensor/tensor.ts";
import { numbersOf } from "./numbers.ts";

export interface Sketch {
  readonly count: number;
  /** Root mean square. */
  readonly size: number;
  /** Mean, mean size, extremes, and the third and fourth moments, each in the unit of the elements. */
  readonly measures: readonly number[];
  /** Distinct values among a few: few say little. */
  readonly distinct: number;
}

/** Relative to the root mean square: far above float32's rounding through a whole model, far below chance. */
const CLOSE = 1e-3;
const LEAST_DISTINCT = 8;
const LOOKED_AT = 64;

const sketches = new WeakMap<Tensor, Sketch>();

/** The sketch of a frozen tensor, made once. Non-finite elements count as zeros. */
export function sketchOf(tensor: Tensor): Sketch {
  const known = sketches.get(tensor);
  if (known !== undefined) return known;
  const numbers = numbersOf(tensor);
  const n = numbers.length;
  let [sum, sizes, squares, cubes, fourths, low, high] = [0, 0, 0, 0, 0, Infinity, -Infinity];
  for (let i = 0; i < n; i++) {
    const given = numbers[i] ?? 0;
    const x = Number.isFinite(given) ? given : 0;
    const xx = x * x;
    sum += x;
    sizes += Math.abs(x);
    squares += xx;
    cubes += xx * x;
    fourths += xx * xx;
    if (x < low) low = x;
    if (x > high) high = x;
  }
  const some = new Set<number>();
  for (let i = 0; i < n; i += Math.max(1, Math.floor(n / LOOKED_AT))) some.add(numbers[i] ?? 0);
  const sketch: Sketch =
    n === 0
      ? { count: 0, size: 0, measures: [], distinct: 0 }
      : { count: n, size: Math.sqrt(squares / n), measures: [sum / n, sizes / n, low, high, Math.cbrt(cubes / n), (fourths / n) ** 0.25], distinct: some.size };
  sketches.set(tensor, sketch);
  return sketch;
}

/** Whether a value says enough to be matched by what it holds. */
export function isTelling(s: Sketch): boolean {
  return s.size > 0 && s.distinct >= Math.min(LEAST_DISTINCT, s.count) && s.count > 1;
}

/** Whether two values hold the same elements, up to order and rounding. */
export function alike(a: Sketch, b: Sketch): boolean {
  if (a.count !== b.count) return false;
  const scale = Math.max(a.size, b.size);
  if (Math.abs(a.size - b.size) > CLOSE * scale) return false;
  // A cube root magnifies rounding about zero.
  return a.measures.every((x, i) => Math.abs(x - (b.measures[i] ?? 0)) <= (i === 4 ? 50 : 2) * CLOSE * (scale + Math.abs(x)));
}
