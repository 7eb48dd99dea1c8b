/** Samples of the CTC loss. */

import { aten, bool, int, ints, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const scores = t([4, 2, 3], { high: 0 });
const targets = tv([2, 2], [1, 2, 2, 0], { dtype: "int64" });

export const samples: readonly Sample[] = [
  ...[0, 1, 2].map((reduction) => aten("ctc_loss.IntList", [scores, targets, ints(4, 3), ints(2, 1), int(0), int(reduction)])),
  aten("ctc_loss.IntList", [scores, targets, ints(1, 3), ints(2, 1), int(0), int(0), bool(true)]),
  aten("ctc_loss.Tensor", [scores, targets, tv([2], [4, 3], { dtype: "int64" }), tv([2], [2, 1], { dtype: "int64" })]),
  aten("_ctc_loss", [t([3, 2, 3], { dtype: "float64", high: 0 }), targets, ints(3, 3), ints(2, 1)], {}, { check: "shape_dtype" }),
  aten("_ctc_loss.Tensor", [scores, targets, tv([2], [4, 3], { dtype: "int64" }), tv([2], [2, 1], { dtype: "int64" })], {}, { check: "shape_dtype" }),
];
