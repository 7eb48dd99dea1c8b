/** Messages that name the index which a call has refused: the call itself only tells that one was. */

import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { elementsOf } from "../../tensor/text.ts";

/** Indices of one call into an axis. */
export interface IndexUse {
  readonly index: Tensor;
  readonly size: number;
  /** Negative indices count from the end. */
  readonly wrap: boolean;
  /** Values that are not looked up. */
  readonly except?: number;
  readonly message: (value: number) => string;
}

/** Runs a call; where an index was out of range, the error says which, unless the index has to be waited for. */
export function namingIndex<R>(uses: readonly IndexUse[], run: () => R): R {
  try {
    return run();
  } catch (error) {
    if (!isOpwiseError(error) || error.code !== "index-out-of-range") throw error;
    for (const { index, size, wrap, except, message } of uses) {
      const wait = index.storage.sync();
      if (wait instanceof Promise) {
        wait.catch(() => undefined); // the error below says what there is to say
        continue;
      }
      const bad = elementsOf(index)
        .map(Number)
        .find((value) => value !== except && (value >= size || value < (wrap ? -size : 0)));
      if (bad !== undefined) throw new OpwiseError(error.code, message(bad), { cause: error });
    }
    throw error;
  }
}

/** `index 5 is out of bounds for dimension 0 with size 3`. */
export function outOfBounds(axis: number, size: number): (value: number) => string {
  return (value) => `index ${value} is out of bounds for dimension ${axis} with size ${size}`;
}
