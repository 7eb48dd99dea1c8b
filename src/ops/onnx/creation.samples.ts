/** Samples of ONNX's ops that make tensors. */

import { int, onnx, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const longs = (...values: readonly number[]): ReturnType<typeof t> => tv([values.length], values, { dtype: "int64" });
const count = tv([], [6], { dtype: "int64" });

export const samples: readonly Sample[] = [
  onnx("Constant@13", [], { value: t([2, 2]) }),
  onnx("ConstantOfShape@9", [longs(2, 3)], { value: tv([1], [7], { dtype: "int32" }) }),
  onnx("ConstantOfShape@9", [longs(2, 0)]),
  onnx("Range@11", [tv([], [1]), tv([], [3]), tv([], [0.5])]),
  onnx("EyeLike@9", [t([2, 3], { dtype: "int32" })], { k: int(1) }),
  onnx("OneHot@11", [longs(0, -1, 2), tv([], [3], { dtype: "int64" }), tv([2], [0, 5])]),
  onnx("Trilu@14", [t([3, 3]), tv([], [-1], { dtype: "int64" })], { upper: int(0) }),
  ...["HannWindow@17", "HammingWindow@17", "BlackmanWindow@17"].flatMap((op) => [onnx(op, [count]), onnx(op, [count], { periodic: int(0) })]),
];
