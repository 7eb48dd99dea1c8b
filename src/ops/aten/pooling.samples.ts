/** Samples of pooling. */

import { aten, bool, int, ints, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const line = t([1, 2, 6]);
const plane = t([1, 1, 4, 5]);
const space = t([1, 1, 2, 3, 4]);

export const samples: readonly Sample[] = [
  aten("max_unpool2d", [tv([1, 1, 2, 2], [5, 7, 13, 15]), tv([1, 1, 2, 2], [5, 7, 13, 15], { dtype: "int64" }), ints(4, 4)]),
  aten("max_unpool3d", [tv([1, 1, 1, 2], [3, 9]), tv([1, 1, 1, 2], [0, 6], { dtype: "int64" }), ints(1, 2, 4), ints(1, 2, 2), ints(0, 0, 0)]),
  aten("max_pool2d_with_indices_backward", [t([1, 1, 2, 2]), t([1, 1, 4, 4]), ints(2, 2), ints(2, 2), ints(0, 0), ints(1, 1), bool(false), tv([1, 1, 2, 2], [5, 7, 13, 15], { dtype: "int64" })]),
  ...["max_pool1d", "max_pool1d_with_indices"].flatMap((name) => [aten(name, [line, ints(2)]), aten(name, [t([2, 5], { dtype: "float64" }), ints(3), ints(2), ints(1), ints(1), bool(true)])]),
  ...["max_pool2d", "max_pool2d_with_indices"].flatMap((name) => [
    aten(name, [plane, ints(2, 2)]),
    aten(name, [plane, ints(2), ints(1, 2), ints(1, 0), ints(2, 1), bool(true)]),
    aten(name, [tv([1, 1, 2, 2], [1, "nan", 3, 2]), ints(2, 1), ints(1, 1)]),
  ]),
  ...["max_pool3d", "max_pool3d_with_indices"].flatMap((name) => [aten(name, [space, ints(2)]), aten(name, [space, ints(1, 2, 3), ints(1, 1, 1), ints(0, 1, 1)])]),
  aten("max_pool2d", [plane, ints(2), ints(2), ints(2)]),
  aten("avg_pool1d", [line, ints(3), ints(2), ints(1), bool(true), bool(false)]),
  aten("avg_pool1d", [t([2, 4], { dtype: "float64" }), ints(2)]),
  aten("avg_pool2d", [plane, ints(2, 3)]),
  aten("avg_pool2d", [plane, ints(3), ints(2), ints(1), bool(true), bool(false)]),
  aten("avg_pool2d", [plane, ints(2), ints(1), ints(0), bool(false), bool(true), int(3)]),
  aten("avg_pool3d", [space, ints(2)]),
  aten("avg_pool3d", [space, ints(1, 2, 2), ints(1, 1, 2), ints(0, 1, 1), bool(false), bool(false), none]),
];
