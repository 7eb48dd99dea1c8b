/** Samples of deformable convolution. */

import { type Arg, bool, int, type Sample, sample, t } from "../../../test/golden/sample-tensor.ts";

/** Stride, padding and dilation of both axes, groups, groups of offsets, and whether the mask counts. */
const settings = (stride: number, padding: number, dilation: number, groups: number, offsetGroups: number, mask: boolean): Arg[] => [
  ...[stride, stride, padding, padding, dilation, dilation, groups, offsetGroups].map((v) => int(v)),
  bool(mask),
];

export const samples: readonly Sample[] = [
  sample("torchvision::deform_conv2d", [
    t([1, 2, 4, 4]),
    t([3, 2, 2, 2]),
    t([1, 8, 3, 3]),
    t([1, 4, 3, 3], { low: 0, high: 1 }),
    t([3]),
    ...settings(1, 0, 1, 1, 1, true),
  ]),
  sample("torchvision::deform_conv2d", [t([2, 4, 5, 5]), t([2, 2, 3, 1]), t([2, 12, 3, 4]), t([2, 1]), t([2]), ...settings(2, 1, 1, 2, 2, false)]),
  sample("torchvision::deform_conv2d", [
    t([1, 2, 5, 5], { dtype: "float64" }),
    t([1, 2, 2, 2], { dtype: "float64" }),
    t([1, 8, 3, 3], { dtype: "float64" }),
    t([1, 4, 3, 3], { dtype: "float64" }),
    t([1], { dtype: "float64" }),
    ...settings(1, 0, 2, 1, 1, true),
  ]),
  sample("torchvision::deform_conv2d", [t([1, 2, 4, 4]), t([3, 2, 2, 2]), t([1, 6, 3, 3]), t([1, 4, 3, 3]), t([3]), ...settings(1, 0, 1, 1, 1, true)]),
];
