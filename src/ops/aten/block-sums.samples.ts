/** Samples of sums of sliding blocks. */

import { aten, ints, type Sample, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("col2im", [t([1, 4, 6]), ints(3, 4), ints(2, 2), ints(1, 1), ints(0, 0), ints(1, 1)]),
  aten("col2im", [t([4, 4], { dtype: "float64" }), ints(3, 3), ints(2, 2), ints(2, 2), ints(1, 1), ints(2, 2)]),
];
