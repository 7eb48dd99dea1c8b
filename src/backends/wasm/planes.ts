/** Geometry of planes: what has one spatial axis has one row. */

import type { LinearMemory } from "./memory.ts";
import { ARGUMENTS } from "./runtime.ts";

/** Of rows and of columns. */
export type Pair = readonly [number, number];

/** The values of one or two spatial axes; `fill` where there is no row axis. */
export function pair(values: readonly number[], fill: number): Pair {
  return values.length === 1 ? [fill, values[0] ?? fill] : values.length === 0 ? [fill, fill] : [values[0] ?? fill, values[1] ?? fill];
}

/** Writes words to where kernels look for their geometry. */
export function writeWords(memory: LinearMemory, values: readonly number[]): void {
  new Int32Array(memory.bytes.buffer, ARGUMENTS, values.length).set(values);
}
