/** Samples of histograms. */

import { aten, bool, floats, int, ints, list, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([6]);
const pairs = t([5, 2]);

export const samples: readonly Sample[] = [
  aten("bincount", [tv([5], [0, 3, 1, 1, 3], { dtype: "int64" })]),
  aten("bincount", [tv([3], [0, 3, 1], { dtype: "uint8" }), t([3], { dtype: "float64" }), int(6)]),
  aten("bincount", [tv([2], [0, -1], { dtype: "int64" })]),
  aten("histc", [x, int(4), int(-1), int(2)]),
  aten("histc", [x, int(3)]),
  aten("histc", [t([40], { dtype: "bfloat16" }), int(30), int(-2), int(2)]),
  aten("histc", [t([4], { dtype: "int64" }), int(3)]),
  aten("histogram.bins_tensor", [x, tv([4], [-2, -1, 0.5, 2])], { weight: t([6], { low: 0 }) }),
  aten("histogram.bin_ct", [x, int(4)], { range: floats(-1, 1), density: bool(true) }),
  aten("histogram.bin_ct", [t([5], { dtype: "float64" }), int(3)]),
  aten("histogramdd", [pairs, ints(2, 3)]),
  aten("histogramdd.int_bins", [pairs, int(2), floats(-1, 1, -2, 2)]),
  aten("histogramdd.TensorList_bins", [pairs, list(tv([3], [-2, 0, 2]), tv([2], [-2, 2]))]),
  aten("_histogramdd_bin_edges", [pairs, ints(2, 3)]),
  aten("_histogramdd_from_bin_cts", [pairs, ints(2, 2)], { weight: t([5], { low: 0 }) }),
  aten("_histogramdd_from_bin_tensors", [pairs, list(tv([3], [-2, 0, 2]), tv([2], [-2, 2]))], { density: bool(true) }),
];
