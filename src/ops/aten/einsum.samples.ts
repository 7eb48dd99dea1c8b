/** Samples of Einstein sums. */

import { aten, ints, list, type Sample, str, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("einsum", [str("ij,jk->ik"), list(t([2, 3]), t([3, 4]))]),
  aten("einsum", [str("ii"), list(t([3, 3], { dtype: "float64" }))]),
  aten("einsum", [str("...ij, ...jk -> ...ki"), list(t([2, 2, 3]), t([3, 2]))]),
  aten("einsum", [str("i,j,k->kji"), list(t([2]), t([3]), t([2]))], { path: ints(0, 1, 0, 1) }),
  aten("einsum", [str("bi,bi->b"), list(t([2, 3], { dtype: "complex64" }), t([2, 3], { dtype: "complex64" }))]),
  aten("einsum", [str("ij,jk"), list(t([2, 3]), t([2, 4]))]),
];
