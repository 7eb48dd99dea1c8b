/** Samples of pooling of regions. */

import { type Arg, bool, float, int, type Sample, sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const picture = (dtype: "float32" | "float64" | "uint8" = "float32"): Arg => t([2, 4, 5, 6], dtype === "uint8" ? { dtype, low: 0, high: 60 } : { dtype });
/** Inside, across the border, one without extent. */
const rois = (dtype: "float32" | "float64" = "float32"): Arg => tv([3, 5], [0, 1, 1, 8.5, 7, 1, -3, 2.25, 4, 30, 1, 6, 6, 5.5, 5], { dtype });
const two = [int(2), int(2)];

export const samples: readonly Sample[] = [
  ...[-1, 0, 2].flatMap((ratio) =>
    [true, false].map((aligned) => sample("torchvision::roi_align", [picture(), rois(), float(0.5), int(3), int(2), int(ratio), bool(aligned)])),
  ),
  sample("torchvision::roi_align", [picture("float64"), rois("float64"), float(1), ...two, int(-1), bool(true)]),
  sample("torchvision::roi_align", [picture(), tv([0, 5], []), float(1), ...two, int(2), bool(false)]),
  sample("torchvision::roi_align", [picture(), t([2, 4]), float(1), ...two, int(2), bool(false)]),
  sample("torchvision::roi_align", [picture(), rois("float64"), float(1), ...two, int(2), bool(false)]),
  ...(["float32", "float64"] as const).flatMap((dtype) => [
    sample("torchvision::roi_pool", [picture(dtype), rois(dtype), float(0.5), int(3), int(2)]),
    sample("torchvision::ps_roi_pool", [picture(dtype), rois(dtype), float(0.5), ...two]),
    ...[-1, 2].map((ratio) => sample("torchvision::ps_roi_align", [picture(dtype), rois(dtype), float(0.5), ...two, int(ratio)])),
  ]),
  sample("torchvision::ps_roi_pool", [picture(), rois(), float(1), int(3), int(1)]),
  sample("torchvision::qroi_align", [
    t([1, 2, 5, 6], { dtype: "uint8", low: 0, high: 60 }),
    tv([2, 5], [0, 3, 3, 9, 8, 1, 0, 2, 7, 6], { dtype: "uint8" }),
    float(0.05),
    int(3),
    float(0.5),
    int(1),
    float(1),
    ...two,
    int(-1),
    bool(true),
  ]),
  sample("torchvision::qroi_align", [
    picture("uint8"),
    tv([1, 5], [0, 0, 0, 3, 3], { dtype: "uint8" }),
    float(0.05),
    int(3),
    float(1),
    int(0),
    float(1),
    ...two,
    int(2),
    bool(false),
  ]),
];
