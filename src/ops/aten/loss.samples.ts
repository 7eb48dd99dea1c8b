/** Samples of losses. */

import { aten, bool, float, int, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3]);
const y = t([2, 3]);
const share = t([2, 3], { low: 0.05, high: 0.95 });
const signs = tv([2, 3], [1, -1, -1, 1, 1, -1]);

export const samples: readonly Sample[] = [
  ...["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "kl_div"].flatMap((name) => [aten(name, [x, y]), aten(name, [t([2, 3], { dtype: "float64", transpose: true }), t([2, 3], { dtype: "float64" }), int(0)]), aten(name, [x, y, int(2)])]),
  aten("smooth_l1_loss", [x, y, int(1), float(0)]),
  aten("huber_loss", [x, y, int(1), float(0.5)]),
  aten("kl_div", [x, y, int(1)], { log_target: bool(true) }),
  aten("binary_cross_entropy", [share, t([2, 3], { low: 0, high: 1 })]),
  aten("binary_cross_entropy", [tv([3], [0, 1, 0.5]), tv([3], [1, 1, 0]), t([3], { low: 0 }), int(0)]),
  aten("binary_cross_entropy", [x, y]),
  aten("binary_cross_entropy_with_logits", [x, share]),
  aten("binary_cross_entropy_with_logits", [t([2, 3], { low: -90, high: 90 }), share, t([3], { low: 0 }), t([3], { low: 0 }), int(0)]),
  aten("hinge_embedding_loss", [x, signs]),
  aten("hinge_embedding_loss", [x, signs, float(0.5), int(0)]),
  aten("margin_ranking_loss", [t([3]), t([3]), tv([3], [1, -1, 1]), float(0.3)]),
  aten("cosine_embedding_loss", [x, y, tv([2], [1, -1]), float(0.2), int(0)]),
  aten("triplet_margin_loss", [x, y, t([2, 3])]),
  aten("triplet_margin_loss", [x, y, t([2, 3]), float(2), float(1), float(1e-6), bool(true), int(0)]),
  aten("poisson_nll_loss", [x, share, bool(true), bool(false), float(1e-8), int(1)]),
  aten("poisson_nll_loss", [share, t([2, 3], { low: 0, high: 5 }), bool(false), bool(true), float(1e-8), int(0)]),
  // Half types round, integers wrap and promote, at each step of the composites.
  ...(["float16", "bfloat16"] as const).flatMap((dtype) => [
    ...["mse_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss", "binary_cross_entropy_with_logits", "kl_div", "hinge_embedding_loss"].map((name) => aten(name, [t([3, 5], { dtype, low: -5, high: 5 }), t([3, 5], { dtype, low: -5, high: 5 }), ...(name === "hinge_embedding_loss" ? [{ float: 8.4 }] : []), ...(name === "binary_cross_entropy_with_logits" ? [none, none] : []), int(0)])),
    aten("binary_cross_entropy", [t([3, 5], { dtype, low: 0, high: 1 }), t([3, 5], { dtype, low: 0, high: 1 }), none, int(0)]),
    aten("poisson_nll_loss", [t([3, 5], { dtype, low: 0.5, high: 5 }), t([3, 5], { dtype, low: 0, high: 5 }), bool(false), bool(true), { float: 1e-8 }, int(0)]),
  ]),
  aten("poisson_nll_loss", [t([5], { dtype: "int64", low: 1, high: 5 }), t([5], { dtype: "int64", low: 0, high: 5 }), bool(true), bool(true), { float: 1e-8 }, int(1)]),
  aten("margin_ranking_loss", [t([5], { dtype: "uint8", low: 0, high: 9 }), t([5], { dtype: "uint8", low: 0, high: 9 }), t([5], { dtype: "uint8", low: 0, high: 3 }), { float: 0 }, int(0)]),
  aten("cosine_embedding_loss", [t([3, 4], { dtype: "int32", low: -5, high: 5 }), t([3, 4], { dtype: "int32", low: -5, high: 5 }), tv([3], [1, -1, 1]), { float: 0.2 }, int(0)]),
  aten("cosine_embedding_loss", [t([3, 4]), t([3, 4]), t([3, 1])]),
  aten("kl_div", [t([3], { dtype: "int64" }), t([3])]),
];
