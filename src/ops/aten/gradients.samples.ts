/** Samples of gradients. */

import { aten, bool, bools, int, ints, none, type Sample, t } from "../../../test/golden/sample-tensor.ts";

const all = bools(true, true, true);
const deviation = { low: 0.5, high: 2 };

export const samples: readonly Sample[] = [
  aten("native_layer_norm_backward", [t([2, 3, 4]), t([2, 3, 4]), ints(3, 4), t([2, 1, 1]), t([2, 1, 1], deviation), t([3, 4]), t([3, 4]), all]),
  aten("native_layer_norm_backward", [
    t([3, 4], { dtype: "float64" }),
    t([3, 4], { dtype: "float64" }),
    ints(4),
    t([3, 1], { dtype: "float64" }),
    t([3, 1], { dtype: "float64", ...deviation }),
    t([4], { dtype: "float64" }),
    t([4], { dtype: "float64" }),
    all,
  ]),
  aten("native_group_norm_backward", [t([2, 4, 3]), t([2, 4, 3]), t([2, 2]), t([2, 2], deviation), t([4]), int(2), int(4), int(3), int(2), all]),
  aten("avg_pool2d_backward", [t([1, 2, 2, 2]), t([1, 2, 4, 5]), ints(2, 2), ints(2, 2), ints(0, 0), bool(false), bool(true), none]),
  aten("avg_pool2d_backward", [t([2, 3, 3]), t([2, 4, 5]), ints(3, 2), ints(2, 2), ints(1, 1), bool(true), bool(true), none]),
  aten("avg_pool2d_backward", [
    t([2, 3, 3], { dtype: "float64" }),
    t([2, 4, 5], { dtype: "float64" }),
    ints(3, 2),
    ints(2, 2),
    ints(1, 1),
    bool(true),
    bool(false),
    none,
  ]),
  aten("avg_pool2d_backward", [t([1, 1, 3, 4]), t([1, 1, 5, 5]), ints(3, 2), ints(1, 1), ints(0, 0), bool(false), bool(true), int(5)]),
  aten("_adaptive_avg_pool2d_backward", [t([1, 2, 2, 3]), t([1, 2, 4, 5])]),
  aten("_adaptive_avg_pool2d_backward", [t([2, 5, 3], { dtype: "float64" }), t([2, 3, 7], { dtype: "float64" })]),
  aten("convolution_backward", [t([1, 3, 4]), t([1, 2, 5]), t([3, 2, 2]), ints(3), ints(1), ints(0), ints(1), bool(false), ints(0), int(1), all]),
  aten("convolution_backward", [
    t([2, 4, 2, 4]),
    t([2, 2, 5, 6]),
    t([4, 1, 2, 2]),
    ints(4),
    ints(2, 2),
    ints(0, 1),
    ints(2, 1),
    bool(false),
    ints(0, 0),
    int(2),
    all,
  ]),
  aten("convolution_backward", [
    t([1, 4, 6, 7], { dtype: "float64" }),
    t([1, 2, 3, 4], { dtype: "float64" }),
    t([2, 2, 2, 3], { dtype: "float64" }),
    ints(4),
    ints(2, 2),
    ints(0, 1),
    ints(1, 1),
    bool(true),
    ints(0, 0),
    int(2),
    all,
  ]),
];
