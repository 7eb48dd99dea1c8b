/** Views that lay a small tensor along some axis of a larger one. */

import { OpwiseError } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";

/** A vector `[C]` as `[C, 1, ...]`, so that it broadcasts along axis 1 of a tensor of `rank`. */
export function alongChannels(t: Tensor, rank: number): Tensor {
  return alongAxis(t, 1, rank);
}

/** A vector as one that broadcasts along `axis` of a tensor of `rank`; one number stays a number. @throws shape-mismatch */
export function alongAxis(t: Tensor, axis: number, rank: number): Tensor {
  if (t.rank === 0) return t;
  if (t.rank !== 1) throw new OpwiseError("shape-mismatch", "a vector was expected", { got: `shape [${t.shape.join(", ")}]` });
  const after = Math.max(rank - axis - 1, 0);
  const ones = new Array<number>(after).fill(1);
  return viewOf(t, [t.shape[0] ?? 1, ...ones], [t.strides[0] ?? 1, ...ones], t.offset);
}
