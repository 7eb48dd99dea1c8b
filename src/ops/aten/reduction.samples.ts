/** Samples of reductions. */

import { aten, ints, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("hash_tensor", [tv([3], [1, 2, -3])]),
  aten("hash_tensor", [t([2, 3], { dtype: "int32" }), ints(1)]),
];
