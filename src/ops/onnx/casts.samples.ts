/** Samples of ONNX's casts. */

import { int, onnx, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  ...[2, 3, 6, 7, 9, 10, 11].map((to) => onnx("Cast@13", [tv([4], [1.7, 0, -0.5, 100])], { to: int(to) })),
  onnx("CastLike@15", [t([2, 3]), t([1], { dtype: "int32" })]),
];
