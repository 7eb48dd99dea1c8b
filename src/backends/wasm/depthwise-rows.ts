/** One filter of 3 x 3 for each channel, over ranges of rows. */

import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import type { Geometry } from "./planes.ts";

/** Multiply-adds of a product in the time of one tap of a depthwise filter. */
export const DEPTHWISE = 2;

/** The stride of a convolution that the kernels of 3 x 3 filters take. */
export function threeByThree(g: Geometry): 1 | 2 | undefined {
  const [down, across] = g.stride;
  if (g.kernel[0] !== 3 || g.kernel[1] !== 3 || down !== across || g.dilation[0] !== 1 || g.dilation[1] !== 1) return undefined;
  if (g.planeStrides[1] !== 1 && g.columns > 1) return undefined;
  return across === 1 || across === 2 ? across : undefined;
}

/** Rows of planes that filters of 3 x 3 see for a range of rows of the result: where they would begin, and those of them that exist. */
export interface RowsSeen {
  readonly top: number;
  readonly begin: number;
  readonly count: number;
}

export function rowsSeen(g: Geometry, first: number, high: number): RowsSeen {
  const [step] = g.stride;
  const top = first * step - g.padBegin[0];
  const begin = Math.max(0, top);
  return { top, begin, count: Math.max(0, Math.min(g.rows, top + (high - 1) * step + 3) - begin) };
}

/**
 * Rows `seen` of planes, for `high` rows of the result.
 * @param isNear whether the planes have been written just now
 * @param addresses of the result, of the first row seen, of filters, of biases or 0; channels; bytes between planes, between filters
 */
export function overRows(
  dense: DenseKernels,
  g: Geometry,
  { begin, top, count }: RowsSeen,
  high: number,
  addresses: readonly [number, number, number, number, number, number, number],
  rowStride: number,
  isNear: boolean,
): void {
  const { depthwise3s1, depthwise3s2 } = dense.depthwise;
  const run = g.stride[1] === 1 ? depthwise3s1 : depthwise3s2;
  run(...addresses, count, g.columns, rowStride, high, g.outColumns, begin - top, g.padBegin[1], g.outRows * g.outColumns * FLOAT, isNear ? 1 : 0);
}
