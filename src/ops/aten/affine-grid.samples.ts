/** Samples of sampling grids. */

import { aten, bool, ints, type Sample, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("affine_grid_generator", [t([1, 2, 3]), ints(1, 1, 2, 3), bool(true)]),
  aten("affine_grid_generator", [t([1, 3, 4], { dtype: "float64" }), ints(1, 1, 2, 1, 2), bool(false)]),
];
