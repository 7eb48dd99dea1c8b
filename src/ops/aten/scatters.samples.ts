/** Samples of indexed writes and segments. */

import { aten, int, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("segment_reduce", [t([5, 2]), str("max")], { lengths: tv([3], [2, 0, 3], { dtype: "int64" }), initial: int(1) }),
];
