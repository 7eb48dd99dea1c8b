/** Samples of pooling. */

import { aten, bool, ints, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("max_unpool2d", [tv([1, 1, 2, 2], [5, 7, 13, 15]), tv([1, 1, 2, 2], [5, 7, 13, 15], { dtype: "int64" }), ints(4, 4)]),
  aten("max_unpool3d", [tv([1, 1, 1, 2], [3, 9]), tv([1, 1, 1, 2], [0, 6], { dtype: "int64" }), ints(1, 2, 4), ints(1, 2, 2), ints(0, 0, 0)]),
  aten("max_pool2d_with_indices_backward", [t([1, 1, 2, 2]), t([1, 1, 4, 4]), ints(2, 2), ints(2, 2), ints(0, 0), ints(1, 1), bool(false), tv([1, 1, 2, 2], [5, 7, 13, 15], { dtype: "int64" })]),
];
