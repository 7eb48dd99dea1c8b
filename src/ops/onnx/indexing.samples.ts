/** Samples of ONNX's indexing. */

import { int, onnx, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([3, 4]);
const longs = (shape: readonly number[], ...values: readonly number[]): ReturnType<typeof t> => tv(shape, values, { dtype: "int64" });

export const samples: readonly Sample[] = [
  onnx("Gather@13", [x, longs([2], 0, -1)], { axis: int(1) }),
  onnx("Gather@13", [x, longs([], 1)]),
  onnx("GatherElements@13", [x, longs([2, 2], 0, -1, 1, 2)], { axis: int(1) }),
  onnx("GatherND@13", [x, longs([2, 2], 0, 1, -1, 3)]),
  onnx("GatherND@13", [t([2, 3, 2]), longs([2, 1], 2, 0)], { batch_dims: int(1) }),
  onnx("Scatter@9", [x, longs([1, 2], 2, 0), t([1, 2])]),
  onnx("ScatterElements@18", [x, longs([1, 2], 1, 3), t([1, 2])], { axis: int(1), reduction: str("add") }),
  onnx("ScatterElements@11", [x, longs([1, 2], 2, -1), t([1, 2])]),
  onnx("ScatterND@18", [x, longs([2, 1], 2, 0), t([2, 4])], { reduction: str("max") }),
  onnx("Compress@11", [x, tv([3], [true, false, true], { dtype: "bool" })], { axis: int(0) }),
  onnx("Compress@11", [x, tv([3], [true, false, true], { dtype: "bool" })]),
  onnx("NonZero@13", [t([2, 3], { dtype: "bool" })]),
  onnx("TopK@11", [t([2, 4], { distinct: true }), longs([1], 2)], {}, { outputs: 2 }),
  onnx("TopK@11", [t([3, 2], { distinct: true }), longs([1], 1)], { axis: int(0), largest: int(0) }, { outputs: 2 }),
  onnx("ReverseSequence@10", [t([4, 2]), longs([2], 3, 2)]),
];
