/** Samples of indexing, scatters, masks, sorting and searching. */

import { aten, bool, int, list, none, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([3, 4, 5]);
const turned = t([3, 4, 5], { transpose: true });
const at = (shape: readonly number[], ...values: readonly number[]): ReturnType<typeof t> => tv(shape, values, { dtype: "int64" });
const mask = t([3, 4, 5], { dtype: "bool" });
const keys = t([4, 5], { distinct: true });
const reductions = ["sum", "prod", "mean", "amax", "amin"];

export const samples: readonly Sample[] = [
  aten("index.Tensor", [turned, list(at([3], 0, -1, 2))]),
  aten("index.Tensor", [x, list(none, at([2, 1], 0, 3), at([3], 1, 2, 4))]),
  aten("index.Tensor", [x, list(at([2], 0, 2), none, at([2], 1, -1))]),
  aten("index.Tensor", [x, list(mask)]),
  aten("index_put_", [x, list(at([3], 0, 0, 2)), t([5]), bool(true)]),
  aten("index_put", [x, list(none, at([2], 1, -1)), t([3, 2, 5])]),
  aten("index_select", [turned, int(1), at([3], 3, 0, 0)]),
  aten("gather", [x, int(1), at([1, 2, 2], 0, 3, 2, 2)]),
  aten("take", [x, at([2, 2], 0, -1, 59, 7)]),
  aten("take_along_dim", [x, at([3, 1, 1], 0, 3, 2), int(1)]),
  aten("put", [x, at([2], 0, -1), t([2])]),
  aten("embedding", [t([6, 3]), at([2, 2], 5, 0, 1, 1)]),
  aten("embedding_renorm_", [t([4, 3]), at([3], 1, 3, 1), { float: 0.5 }, { float: 2 }]),
  aten("masked_fill.Scalar", [turned, mask, { float: -1.5 }]),
  aten("masked_fill.Tensor", [x, t([5], { dtype: "bool" }), tv([], [2])]),
  aten("masked_scatter", [x, mask, t([60])]),
  aten("masked_select", [x, t([4, 1], { dtype: "bool" })]),
  aten("nonzero", [mask]),
  aten("argwhere", [t([2, 3], { dtype: "int64" })]),
  aten("nonzero_numpy", [mask]),
  aten("scatter.src", [x, int(1), at([1, 2, 2], 0, 3, 2, 1), x]),
  aten("scatter.value", [x, int(-1), at([1, 1, 2], 4, 0), { float: 9 }]),
  aten("scatter.reduce", [x, int(0), at([1, 1, 2], 2, 0), x], { reduce: str("add") }),
  aten("scatter.value_reduce", [x, int(0), at([1, 1, 2], 2, 0), { float: 3 }], { reduce: str("multiply") }),
  aten("scatter_add", [x, int(1), at([1, 3, 1], 0, 0, 2), x]),
  ...reductions.map((r) => aten("scatter_reduce.two", [x, int(1), at([1, 3, 1], 0, 0, 2), x, str(r)], { include_self: bool(r !== "prod") })),
  ...reductions.slice(1).map((r) => aten("index_reduce", [x, int(1), at([3], 1, 1, 3), t([3, 3, 5]), str(r)], { include_self: bool(r === "amin") })),
  aten("index_add", [x, int(1), at([2], 3, 3), t([3, 2, 5])], { alpha: { float: 2 } }),
  aten("index_copy", [x, int(2), at([2], 4, 0), t([3, 4, 2])]),
  aten("index_fill.int_Scalar", [turned, int(1), at([2], 0, -1), { float: 7 }]),
  aten("index_fill.int_Tensor", [x, int(0), at([], 1), tv([], [3])]),
  aten("sort", [keys, int(0), bool(true)]),
  aten("sort.stable", [tv([6], ["nan", 1, "-inf", 1, -0, 0])], { stable: bool(true) }),
  aten("argsort.stable", [t([3, 4], { dtype: "int64" })], { stable: bool(true), dim: int(-1) }),
  aten("msort", [keys]),
  aten("topk", [keys, int(3)]),
  aten("topk", [keys, int(2), int(0), bool(false)]),
  aten("_unique2", [t([3, 5], { dtype: "int64" }), bool(true), bool(true), bool(true)]),
  aten("unique_consecutive", [tv([6], [1, 1, 2, 2, 2, 1]), bool(true), bool(true)]),
  aten("unique_dim", [tv([3, 2], [2, 1, 0, 5, 2, 1]), int(0), bool(true), bool(true), bool(true)]),
  aten("searchsorted.Tensor", [tv([4], [-1, 0, 0, 2]), t([2, 3])], { right: bool(true) }),
  aten("bucketize.Tensor", [t([2, 3]), tv([3], [-1, 0, 1])], { out_int32: bool(true) }),
  aten("isin.Tensor_Tensor", [t([2, 3], { dtype: "int64" }), t([3], { dtype: "int64" })]),
  aten("one_hot", [at([2, 2], 0, 3, 1, 0)]),
  aten("embedding_dense_backward", [t([4, 3]), tv([4], [1, 0, 1, 2], { dtype: "int64" }), int(4), int(2), bool(true)]),
];
