/** Samples of suppression and of overlaps of rotated boxes. */

import { type Arg, float, type Sample, sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const boxes = [0, 0, 4, 4, 1, 1, 4, 4, 0, 0, 4, 4, 5, 5, 9, 8, 6, 5, 9, 9, 8, 8, 7, 7];
const scores = [0.5, 0.9, 0.5, 0.2, 0.2, 0.7];
const rotated = (dtype: "float32" | "float64"): Arg => tv([3, 5], [5, 5, 4, 2, 0, 6, 5, 4, 2, 30, 1, 1, -2, -2, 45], { dtype });

export const samples: readonly Sample[] = [
  ...(["float32", "float64"] as const).map((dtype) => sample("torchvision::nms", [tv([6, 4], boxes, { dtype }), tv([6], scores, { dtype }), float(0.5)])),
  sample("torchvision::nms", [tv([6, 4], boxes), tv([6], scores), float(0)]),
  sample("torchvision::nms", [tv([4, 4], [0, 0, 4, 4, "nan", 0, 4, 4, 0, 0, "nan", 4, 0, 0, 4, 4]), tv([4], [0.1, "nan", 0.3, "nan"]), float(0.3)]),
  sample("torchvision::nms", [tv([0, 4], []), tv([0], []), float(0.5)]),
  sample("torchvision::nms", [t([2, 5]), t([2]), float(0.5)]),
  sample("torchvision::nms", [t([2, 4]), t([3]), float(0.5)]),
  sample("torchvision::nms", [t([2, 4]), t([2], { dtype: "float64" }), float(0.5)]),
  sample("torchvision::nms", [t([2, 4], { dtype: "float16" }), t([2], { dtype: "float16" }), float(0.5)]),
  ...(["uint8", "int32"] as const).map((dtype) =>
    sample("torchvision::qnms", [tv([6, 4], boxes, { dtype }), tv([6], [5, 9, 5, 2, 2, 7], { dtype }), float(0.5)]),
  ),
  sample("torchvision::qnms", [t([2, 4]), t([2]), float(0.5)]),
  sample("torchvision::box_iou_rotated", [rotated("float32"), tv([2, 5], [5, 5, 4, 2, 90, 5.5, 5.5, 4, 3, -400])]),
  sample("torchvision::box_iou_rotated", [rotated("float64"), rotated("float64")]),
  sample("torchvision::box_iou_rotated", [tv([2, 5], [0, 0, 0, 2, 0, 0, 0, -2, 2, 0]), tv([1, 5], [0, 0, 2, 2, 0])]),
  sample("torchvision::box_iou_rotated", [rotated("float32"), tv([0, 5], [])]),
  sample("torchvision::box_iou_rotated", [rotated("float32"), rotated("float64")]),
  sample("torchvision::box_iou_rotated", [t([2, 4]), rotated("float32")]),
];
