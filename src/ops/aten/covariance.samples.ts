/** Samples of covariances and gradients. */

import { aten, bool, float, floats, int, ints, list, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("cov", [t([2, 3])], { fweights: t([3], { low: 0.1 }) }),
  aten("cov", [t([2, 3])], { fweights: tv([3], [1, -2, 3], { dtype: "int64" }) }),
  aten("cov", [t([2, 3])], { aweights: t([2], { low: 0.1 }) }),
  aten("gradient.tensorarray", [t([3, 4], { dtype: "bfloat16" })], { spacing: list(tv([4], [0, 1.5, 3, 4], { dtype: "bfloat16" })), dim: ints(1), edge_order: int(2) }),
  aten("gradient.tensorarray", [t([3, 4], { dtype: "int64" })], { spacing: list(tv([4], [0, 1, 3, 4], { dtype: "int64" })), dim: ints(1) }),
  aten("gradient.scalarrayarray", [t([3, 4])], { spacing: floats(0.5), dim: ints(1, 0) }),
  aten("cov", [t([2, 4])]),
  aten("cov", [t([3], { dtype: "float64" })]),
  aten("cov", [t([2, 3], { dtype: "complex64" })], { correction: int(0) }),
  aten("cov", [t([2, 3])], { fweights: tv([3], [1, 2, 3], { dtype: "int64" }), aweights: t([3], { low: 0.1 }) }),
  aten("corrcoef", [t([3, 4])]),
  aten("vander", [t([3])]),
  aten("vander", [t([2], { dtype: "int64" }), int(4), bool(true)]),
  aten("gradient.scalarint", [t([3, 4])], { spacing: float(0.5), dim: int(1) }),
  aten("gradient.scalarint", [t([4], { dtype: "float64" })], { edge_order: int(2) }),
  aten("gradient.scalararray", [t([3, 4])], { spacing: int(2), dim: ints(0, 1) }),
  aten("gradient.array", [t([3, 4])], { dim: ints(1) }),
  aten("gradient.scalarrayint", [t([3, 4])], { spacing: floats(0.5, 2) }),
  aten("gradient.scalarrayarray", [t([3, 4])], { spacing: floats(0.5, 2), dim: ints(1, 0) }),
  aten("gradient.tensorarrayint", [t([4])], { spacing: list(tv([4], [0, 1, 3, 4])), dim: int(0) }),
  aten("gradient.tensorarray", [t([3, 4])], { spacing: list(tv([4], [0, 1, 3, 4])), dim: ints(1), edge_order: int(2) }),
];
