/** Samples of convolutions. */

import { aten, bool, int, ints, none, type Sample, str, t } from "../../../test/golden/sample-tensor.ts";

const line = t([1, 2, 5]);
const plane = t([1, 2, 3, 4]);
const space = t([1, 1, 3, 2, 3]);

export const samples: readonly Sample[] = [
  aten("conv1d", [line, t([3, 2, 2]), t([3])]),
  aten("conv1d", [line, t([2, 1, 3]), none, ints(2), ints(2), ints(2), int(2)]),
  aten("conv1d", [t([2, 4]), t([1, 2, 2])]),
  aten("conv1d", [t([1, 3, 5]), t([3, 2, 2])]),
  aten("conv2d", [plane, t([2, 2, 2, 2]), t([2])]),
  aten("conv2d", [t([1, 2, 4, 3], { transpose: true }), t([2, 1, 2, 2], { transpose: true }), none, ints(2, 1), ints(1, 0), ints(1, 2), int(2)]),
  aten("conv2d", [t([0, 2, 3, 3]), t([2, 2, 2, 2])]),
  aten("conv2d", [t([1, 2, 3, 3], { dtype: "int64" }), t([1, 2, 2, 2], { dtype: "int64" })]),
  aten("conv2d", [t([1, 1, 3, 3], { dtype: "complex64" }), t([1, 1, 2, 2], { dtype: "complex64" })]),
  aten("conv3d", [space, t([2, 1, 2, 1, 2]), t([2])]),
  aten("conv3d", [t([1, 2, 2, 2], { dtype: "float64" }), t([1, 1, 2, 2, 2], { dtype: "float64" }), none, ints(1, 1, 1), ints(1, 0, 1)]),
  aten("conv1d.padding", [line, t([1, 2, 4]), none, ints(1), str("same")]),
  aten("conv1d.padding", [line, t([1, 2, 2]), none, ints(2), str("valid")]),
  aten("conv2d.padding", [plane, t([1, 2, 2, 3]), none, ints(1, 1), str("same")]),
  aten("conv3d.padding", [space, t([1, 1, 2, 2, 2]), none, ints(1, 1, 1), str("same")]),
  aten("_convolution_mode", [line, t([1, 2, 3]), none, ints(1), str("same"), ints(2), int(1)]),
  aten("convolution", [plane, t([2, 2, 2, 2]), t([2]), ints(1, 1), ints(1, 1), ints(1, 1), bool(false), ints(0, 0), int(1)]),
  aten("convolution", [line, t([2, 1, 3]), none, ints(2), ints(1), ints(1), bool(true), ints(1), int(2)]),
  aten("_convolution", [line, t([1, 2, 2]), none, ints(1), ints(0), ints(1), bool(false), ints(0), int(1), bool(false), bool(false), bool(true), bool(true)]),
  aten("_convolution.deprecated", [line, t([1, 2, 2]), none, ints(1), ints(0), ints(1), bool(false), ints(0), int(1), bool(false), bool(false), bool(true)]),
  aten("conv_transpose1d", [line, t([2, 2, 3]), t([2])]),
  aten("conv_transpose1d", [t([1, 4, 3]), t([4, 1, 2]), none, ints(2), ints(1), ints(1), int(2), ints(2)]),
  aten("conv_transpose2d.input", [plane, t([2, 1, 2, 2]), t([1]), ints(2, 1), ints(1, 0), ints(1, 0)]),
  aten("conv_transpose3d.input", [t([1, 1, 2, 2, 2]), t([1, 2, 2, 1, 2]), none, ints(1, 2, 1)]),
  aten("conv_tbc", [t([5, 1, 2]), t([2, 2, 3]), t([3]), int(1)]),
  aten("mkldnn_convolution", [plane, t([2, 2, 2, 2]), t([2]), ints(0, 1), ints(1, 1), ints(1, 1), int(1)]),
  aten("thnn_conv2d", [plane, t([2, 2, 2, 2]), ints(2, 2), t([2]), ints(1, 2)]),
  aten("slow_conv3d", [space, t([2, 1, 2, 1, 2]), ints(2, 1, 2)]),
  aten("slow_conv3d_forward", [space, t([2, 1, 2, 1, 2]), ints(2, 1, 2), none, ints(1, 1, 1), ints(0, 1, 0)]),
  aten("slow_conv_dilated2d", [plane, t([1, 2, 2, 2]), ints(2, 2), none, ints(1, 1), ints(0, 0), ints(1, 2)]),
  aten("slow_conv_dilated3d", [space, t([1, 1, 2, 1, 2]), ints(2, 1, 2)]),
  aten("slow_conv_transpose2d", [plane, t([2, 1, 2, 2]), ints(2, 2), none, ints(2, 1)]),
  aten("slow_conv_transpose3d", [t([1, 1, 2, 2, 2]), t([1, 2, 2, 1, 2]), ints(2, 1, 2)]),
];
