/** Samples of interpolation. */

import { aten, bool, int, type Sample, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("grid_sampler_2d", [t([1, 2, 3, 4]), t([1, 2, 2, 2]), int(0), int(2), bool(false)]),
  aten("grid_sampler_2d", [t([1, 1, 4, 4]), t([1, 3, 3, 2]), int(2), int(1), bool(true)]),
  aten("grid_sampler_3d", [t([1, 2, 2, 3, 2]), t([1, 1, 2, 2, 3]), int(0), int(0), bool(true)]),
  aten("grid_sampler", [t([1, 1, 3, 3]), t([1, 2, 2, 2]), int(1), int(0), bool(false)]),
];
