/** Samples of the pools whose windows follow from the output's size. */

import { aten, ints, type Sample, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  ...["adaptive_avg_pool1d", "adaptive_max_pool1d"].flatMap((name) => [aten(name, [t([2, 2, 5]), ints(3)]), aten(name, [t([2, 3], { dtype: "float64" }), ints(5)])]),
  ...["adaptive_avg_pool2d", "_adaptive_avg_pool2d", "adaptive_max_pool2d"].flatMap((name) => [aten(name, [t([1, 2, 3, 4]), ints(2, 3)]), aten(name, [t([2, 4, 3], { transpose: true }), ints(1, 1)])]),
  ...["adaptive_avg_pool3d", "_adaptive_avg_pool3d", "adaptive_max_pool3d"].flatMap((name) => [aten(name, [t([1, 2, 3, 2, 2]), ints(2, 1, 2)]), aten(name, [t([2, 2, 2, 3], { dtype: "float64" }), ints(1, 2, 2)])]),
  ...(["float16", "bfloat16"] as const).map((dtype) => aten("adaptive_avg_pool3d", [t([1, 4, 4, 4], { dtype, low: -5, high: 5 }), ints(3, 2, 3)])),
];
