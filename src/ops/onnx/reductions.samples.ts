/** Samples of ONNX's reductions. */

import { int, ints, onnx, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3, 2], { low: 0.1, high: 3 });
const axes = tv([2], [0, -1], { dtype: "int64" });
const kinds = ["ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMean", "ReduceMax", "ReduceMin"];

export const samples: readonly Sample[] = [
  onnx("ReduceSum@13", [x, axes], { keepdims: int(0) }),
  onnx("ReduceSum@13", [x, tv([0], [], { dtype: "int64" })], { noop_with_empty_axes: int(1) }),
  onnx("ReduceSum@11", [x], { axes: ints(1) }),
  ...kinds.flatMap((name) => [onnx(`${name}@18`, [x, axes]), onnx(`${name}@13`, [x], { axes: ints(1), keepdims: int(0) }), onnx(`${name}@13`, [x])]),
  onnx("ReduceMax@18", [t([2, 3], { dtype: "int32" })]),
  ...["ArgMax", "ArgMin"].flatMap((name) => [onnx(`${name}@13`, [x], { axis: int(1) }), onnx(`${name}@13`, [tv([2, 3], [1, 3, 3, 0, 0, 2])], { axis: int(-1), keepdims: int(0), select_last_index: int(1) })]),
  onnx("CumSum@14", [x, tv([], [1], { dtype: "int64" })]),
  onnx("CumSum@14", [x, tv([], [-1], { dtype: "int64" })], { exclusive: int(1), reverse: int(1) }),
];
