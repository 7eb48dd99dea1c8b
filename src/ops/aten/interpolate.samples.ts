/** Samples of interpolation as old scripts call it. */

import { aten, bool, float, floats, int, ints, none, type Sample, str, t } from "../../../test/golden/sample-tensor.ts";

const x = t([1, 2, 2, 3]);

export const samples: readonly Sample[] = [
  aten("__interpolate", [x, int(3), none, str("nearest")]),
  aten("__interpolate", [x, none, float(1.5), str("bilinear"), bool(true)]),
  aten("__interpolate.scale_list", [x, none, floats(2, 1.5), str("bicubic")]),
  aten("__interpolate.size_list", [x, ints(3, 2), none, str("area")]),
  aten("__interpolate.size_list_scale_list", [x, ints(3, 4), none, str("bilinear"), bool(false)]),
  aten("__interpolate.scale_list", [x, none, floats(2, 1.7), str("bilinear"), bool(false), bool(false)]),
  aten("__interpolate.size_list_scale_list", [x, none, none]),
  aten("__upsample", [x, none, int(2)]),
  aten("__upsample.size_list", [x, ints(3, 2), none, str("bilinear"), bool(true)]),
  aten("__upsample_nearest", [x, int(3)]),
  aten("__upsample_nearest.size_list", [x, ints(3, 2)]),
  aten("__upsample_bilinear", [x, none, int(2)]),
  aten("__upsample_bilinear.size_list", [x, ints(3, 2)]),
  aten("__upsample_bilinear.scale_list", [x, none, ints(2, 1)]),
  aten("__upsample_bilinear.size_list_scale_list", [x, none, ints(1, 2)]),
];
