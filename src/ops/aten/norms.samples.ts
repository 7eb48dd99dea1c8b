/** Samples of norms and distances. */

import { aten, bool, dtype, float, int, ints, none, type Sample, t } from "../../../test/golden/sample-tensor.ts";

const x = t([3, 4]);
const turned = t([3, 4], { dtype: "float64", transpose: true });

export const samples: readonly Sample[] = [
  aten("pairwise_distance", [t([2, 3], { dtype: "uint8" }), t([2, 3], { dtype: "uint8" })]),
  ...[2, 0, 1, -1, 3].map((order) => aten("linalg_vector_norm", [x, int(order), ints(1)])),
  aten("linalg_vector_norm", [turned, float(Infinity), none, bool(true)]),
  aten("linalg_vector_norm", [t([2, 2], { dtype: "complex64" }), float(2.5)]),
  aten("linalg_vector_norm", [t([0, 3]), int(2), ints(0)]),
  aten("norm.Scalar", [x, int(3)]),
  aten("norm.ScalarOpt_dtype", [x, int(2)], { dtype: dtype("float64") }),
  aten("norm.ScalarOpt_dim", [turned, none, ints(0), bool(true)]),
  aten("norm.ScalarOpt_dim_dtype", [x, float(1), ints(0, 1), bool(false)], { dtype: dtype("float64") }),
  aten("frobenius_norm.dim", [x, ints(0, 1), bool(true)]),
  aten("renorm", [x, int(2), int(0), float(1.5)]),
  aten("renorm", [turned, int(1), int(-1), float(0.5)]),
  aten("norm_except_dim", [x, int(2), int(0)]),
  aten("_weight_norm", [x, t([3, 1]), int(0)]),
  aten("_weight_norm_interface", [x, t([1, 4]), int(1)]),
  aten("dist", [x, t([4])]),
  aten("dist", [x, x, float(Infinity)]),
  ...[0, 1, 2, 3, Infinity].map((p) => aten("cdist", [x, t([2, 4]), float(p)])),
  aten("cdist", [t([2, 1, 3], { dtype: "float64" }), t([2, 2, 3], { dtype: "float64" }), float(2), int(1)]),
  aten("_cdist_forward", [x, t([2, 4]), float(2), none]),
  aten("_euclidean_dist", [x, t([2, 4])]),
  ...["pdist", "_pdist_forward"].map((name) => aten(name, [x, float(1)])),
  aten("pdist", [t([1, 3])]),
  aten("pairwise_distance", [x, t([3, 4]), float(1), float(0.01), bool(true)]),
  aten("pairwise_distance", [x, t([4])]),
  aten("cosine_similarity", [x, t([3, 4])]),
  aten("cosine_similarity", [turned, t([4], { dtype: "float64" }), int(-1), float(0.5)]),
];
