/** Samples of rearrangements. */

import { aten, int, ints, type Sample, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("im2col", [t([1, 2, 3, 4]), ints(2, 2), ints(1, 1), ints(1, 0), ints(2, 1)]),
  aten("im2col", [t([1, 4, 5]), ints(2, 3), ints(1, 2), ints(0, 2), ints(1, 1)]),
  aten("flipud", [t([3, 2], { dtype: "int64" })]),
  aten("native_channel_shuffle", [t([1, 4, 2]), int(2)]),
  aten("roll", [t([]), ints(0), ints(0)]),
];
