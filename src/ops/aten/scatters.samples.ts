/** Samples of indexed writes and segments. */

import { aten, bool, float, int, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const at = (shape: readonly number[], ...values: readonly number[]): ReturnType<typeof t> => tv(shape, values, { dtype: "int64" });

export const samples: readonly Sample[] = [
  aten("segment_reduce", [t([5, 2]), str("max")], { lengths: tv([3], [2, 0, 3], { dtype: "int64" }), initial: int(1) }),
  aten("scatter_.src", [t([2, 3], { transpose: true }), int(1), at([2, 2], 0, 2, 1, 0), t([2, 3])]),
  aten("scatter_.value", [t([2, 3], { dtype: "int64" }), int(0), at([1, 2], 1, 0), int(7)]),
  ...["add", "multiply"].flatMap((reduce) => [
    aten("scatter_.reduce", [t([2, 3]), int(1), at([2, 2], 0, 0, 1, 2), t([2, 3])], { reduce: str(reduce) }),
    aten("scatter_.value_reduce", [t([2, 3]), int(1), at([2, 2], 0, 0, 1, 2), float(3)], { reduce: str(reduce) }),
  ]),
  aten("scatter_.src", [t([2, 3]), int(1), at([1, 1], 3), t([2, 3])]),
  aten("scatter_add_", [t([2, 3]), int(0), at([2, 3], 0, 0, 1, 1, 0, 1), t([2, 3])]),
  ...["sum", "prod", "mean", "amax", "amin"].flatMap((reduce) => [
    aten("scatter_reduce_.two", [t([2, 3]), int(1), at([2, 3], 0, 0, 1, 1, 0, 1), t([2, 3]), str(reduce)], { include_self: bool(false) }),
    ...(reduce === "sum" ? [] : [aten("index_reduce_", [t([3, 2]), int(0), at([3], 0, 2, 0), t([3, 2]), str(reduce)])]),
  ]),
  aten("index_add_", [t([3, 2]), int(0), at([3], 0, 2, 0), t([3, 2])], { alpha: float(0.5) }),
  aten("index_copy_", [t([3, 2], { transpose: true }), int(1), at([2], 1, 0), t([3, 2])]),
  aten("index_fill_.int_Scalar", [t([3, 2]), int(0), at([2], 1, -1), float(0.5)]),
  aten("index_fill_.int_Tensor", [t([3, 2], { dtype: "int32" }), int(1), at([1], 0), tv([], [9], { dtype: "int32" })]),
];
