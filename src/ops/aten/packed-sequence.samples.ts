/** Samples of packing sequences of unlike lengths. */

import { aten, bool, float, int, list, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("_pack_padded_sequence", [t([3, 2, 2]), tv([2], [3, 1], { dtype: "int64" }), bool(false)]),
  aten("_pack_padded_sequence", [t([2, 3]), tv([2], [2, 2], { dtype: "int64" }), bool(true)]),
  aten("_pack_padded_sequence", [t([2, 3]), tv([2], [1, 2], { dtype: "int64" }), bool(true)]),
  aten("_pad_packed_sequence", [t([4, 2]), tv([3], [2, 1, 1], { dtype: "int64" }), bool(false), float(-1), int(-1)]),
  aten("_pad_packed_sequence", [t([4, 2]), tv([3], [2, 1, 1], { dtype: "int64" }), bool(true), int(0), int(5)]),
  aten("pad_sequence", [list(t([2]), t([3])), bool(true), float(-1)]),
  aten("pad_sequence", [list(t([1, 2]), t([3, 2])), bool(false), float(0), str("left")]),
];
