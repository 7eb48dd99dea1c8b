/** Samples of the losses over classes. */

import { aten, float, int, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const scores = t([3, 4]);
const target = tv([3], [2, 0, 3], { dtype: "int64" });
const ignored = tv([3], [2, -100, 3], { dtype: "int64" });
const weight = t([4], { low: 0.1 });
const picture = t([2, 3, 1, 2]);
const pixels = tv([2, 1, 2], [0, 2, 1, 1], { dtype: "int64" });

export const samples: readonly Sample[] = [
  ...["nll_loss", "nll_loss_nd"].flatMap((name) => [aten(name, [scores, target]), aten(name, [scores, ignored, weight, int(2)])]),
  aten("nll_loss", [t([4]), tv([], [1], { dtype: "int64" })]),
  aten("nll_loss", [scores, tv([3], [2, 4, 0], { dtype: "int64" })]),
  aten("nll_loss2d", [picture, pixels]),
  aten("nll_loss_nd", [picture, pixels, none, int(0), int(1)]),
  aten("nll_loss_forward", [scores, target, weight, int(1), int(-100)]),
  aten("nll_loss2d_forward", [picture, pixels, none, int(1), int(-100)]),
  aten("cross_entropy_loss", [scores, target]),
  aten("cross_entropy_loss", [t([2, 3]), t([2])]),
  aten("cross_entropy_loss", [scores, ignored, weight, int(1), int(-100), float(0.1)]),
  aten("cross_entropy_loss", [scores, t([3, 4], { low: 0, high: 1 }), none, int(0)]),
  aten("cross_entropy_loss", [t([0, 4]), tv([0], [], { dtype: "int64" })]),
  aten("multi_margin_loss", [scores, target]),
  aten("multi_margin_loss", [scores, target, int(2), float(0.5), weight, int(0)]),
  aten("multilabel_margin_loss", [t([2, 3]), tv([2, 3], [2, 0, -1, 1, -1, 0], { dtype: "int64" })]),
  aten("multilabel_margin_loss_forward", [t([2, 3], { dtype: "float64" }), tv([2, 3], [2, 0, -1, 1, -1, 0], { dtype: "int64" }), int(0)]),
];
