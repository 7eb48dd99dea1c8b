/** Geometry of planes: what has one spatial axis has one row. */

import type { KernelRuntime } from "./runtime.ts";

/** Of rows and of columns. */
export type Pair = readonly [number, number];

/** The values of one or two spatial axes; `fill` where there is no row axis. */
export function pair(values: readonly number[], fill: number): Pair {
  return values.length === 1 ? [fill, values[0] ?? fill] : values.length === 0 ? [fill, fill] : [values[0] ?? fill, values[1] ?? fill];
}

/** Writes words to a block of its own; its address is what kernels take for their geometry. */
export function writeWords(runtime: KernelRuntime, values: readonly number[]): number {
  const block = runtime.block(values.length * 4);
  new Int32Array(runtime.memory.bytes.buffer, block, values.length).set(values);
  return block;
}
