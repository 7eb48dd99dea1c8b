/** Samples of bags of embeddings. */

import { aten, bool, int, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const weight = t([4, 3]);
const indices = tv([5], [1, 3, 0, 1, 2], { dtype: "int64" });
const offsets = tv([3], [0, 2, 2], { dtype: "int64" });

export const samples: readonly Sample[] = [
  ...[0, 1, 2].map((mode) => aten("embedding_bag", [weight, indices, offsets, bool(false), int(mode)])),
  aten("embedding_bag", [weight, indices, tv([3], [0, 2, 5], { dtype: "int64" }), bool(false), int(0), bool(false), t([5]), bool(true)]),
  aten("embedding_bag.padding_idx", [weight, indices, offsets, bool(false), int(1), bool(false), none, bool(false), int(1)]),
  ...["_embedding_bag", "_embedding_bag_forward_only"].map((name) => aten(name, [weight, indices, offsets])),
];
