/** Samples of normalisations. */

import { aten, float, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("_batch_norm_with_update", [t([2, 3, 4]), t([3]), t([3]), tv([3], [0, 0, 0]), tv([3], [1, 1, 1]), float(0.1), float(1e-5)]),
];
