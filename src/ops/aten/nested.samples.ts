/** Samples of nested tensors: of what a sample can hold, the questions about them. */

import { type Arg, aten, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const batch = t([2, 3, 2]);
const mask = (values: readonly boolean[], shape: readonly number[] = [2, 3]): Arg => tv(shape, values, { dtype: "bool" });

export const samples: readonly Sample[] = [
  aten("_nested_tensor_from_mask_left_aligned", [batch, mask([true, true, false, true, false, false])]),
  aten("_nested_tensor_from_mask_left_aligned", [batch, mask([true, false, true, true, false, false])]),
  aten("_nested_tensor_from_mask_left_aligned", [batch, mask([false, false, false, true, true, true])]),
  aten("_nested_tensor_from_mask_left_aligned", [batch, t([2, 3])]),
  aten("_nested_tensor_from_mask_left_aligned", [batch, mask([true, true, false, true], [2, 2])]),
];
