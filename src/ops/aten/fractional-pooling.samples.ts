/** Samples of pools at drawn places. */

import { aten, ints, type Sample, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("fractional_max_pool2d", [t([1, 2, 3, 4]), ints(2, 2), ints(2, 2), t([1, 2, 2], { low: 0, high: 1 })]),
  aten("fractional_max_pool3d", [t([1, 1, 2, 4, 3]), ints(1, 2, 1), ints(1, 2, 2), t([1, 1, 3], { low: 0, high: 1 })]),
];
