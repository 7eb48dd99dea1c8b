/** Samples of dropout. */

import { aten, bool, float, type Sample, t } from "../../../test/golden/sample-tensor.ts";

const kinds = ["dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"];

export const samples: readonly Sample[] = [
  ...kinds.flatMap((name) => [aten(name, [t([2, 3]), float(0.5), bool(false)]), aten(name, [t([2, 3]), float(0.5), bool(true)], {}, { check: "shape_dtype" }), aten(name, [t([2, 3]), float(1.5), bool(true)])]),
  aten("dropout", [t([2, 3]), float(1), bool(true)]),
  aten("native_dropout", [t([2, 3]), float(0.5), bool(false)]),
  aten("native_dropout", [t([2, 3]), float(0.5), bool(true)], {}, { check: "shape_dtype" }),
  aten("native_dropout_backward", [t([2, 3]), t([2, 3], { dtype: "bool" }), float(2)]),
];
