/** What identifies the numbers of a value: two values of one storage version with the same key have the same health and hash. */

import { blockOf } from "./elements.ts";
import type { TensorFacts } from "./events.ts";

/** Storage, version, dtype and the elements that the view covers: a transposed view has the key of its base, a slice its own. */
export function contentKey(storage: number, version: number, tensor: TensorFacts): string {
  const block = blockOf(tensor);
  const elements =
    block === undefined ? `${tensor.offset}:${tensor.shape.join(",")}:${tensor.strides.join(",")}` : `${block.offset}+${block.length}*${block.repeats}`;
  return `${storage}~${version}:${tensor.dtype}:${elements}`;
}
