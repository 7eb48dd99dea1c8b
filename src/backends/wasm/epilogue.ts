/** Epilogues of products and convolutions, run on each part of a result as soon as it is finished, while it is still in a cache. */

import type { Program } from "../../prims/program.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";

/** A range of a result `[batch, rows, columns]` within one batch. */
export interface Part {
  readonly batch: number;
  readonly row: number;
  readonly rows: number;
  readonly column: number;
  readonly columns: number;
}

/** Does what is left to do on a finished part. */
export type Finish = (part: Part) => void;

/** The same of a part that lies elsewhere: at an address, where rows are `stride` bytes apart. */
export type FinishAt = (part: Part, address: number, stride: number) => void;

export interface Epilogue {
  readonly program: Program;
  /** All of shape `[batch, rows, columns]`. */
  readonly operands: readonly View[];
  readonly result: View;
  readonly scalars: readonly (number | bigint | boolean)[];
}

/** A view `[N, C, ...]` with its spatial axes as one, where they step alike. */
export function flattened(view: View): View | undefined {
  const [batch = 1, channels = 1, ...spatial] = view.shape;
  const [batchStride = 0, channelStride = 0] = view.strides;
  let step = 0;
  let size = 1;
  for (let axis = view.shape.length - 1; axis >= 2; axis--) {
    const length = view.shape[axis] ?? 1;
    if (length === 1) continue;
    const stride = view.strides[axis] ?? 0;
    if (size === 1) step = stride;
    else if (stride !== step * size) return undefined;
    size *= length;
  }
  return {
    storage: view.storage,
    dtype: view.dtype,
    shape: [batch, channels, numelOf(spatial)],
    strides: [batchStride, channelStride, step],
    offset: view.offset,
  };
}
