/** Samples of ONNX's layers: products, convolutions, pools, normalisations, padding. */

import { float, int, ints, onnx, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const longs = (...values: readonly number[]): ReturnType<typeof t> => tv([values.length], values, { dtype: "int64" });
const plane = t([1, 2, 3, 4]);
const variance = t([2], { low: 0.5, high: 2 });

export const samples: readonly Sample[] = [
  onnx("MatMul@13", [t([2, 2, 3]), t([3, 2])]),
  onnx("Gemm@13", [t([3, 2]), t([4, 3]), t([4])], { transA: int(1), transB: int(1), alpha: float(0.5), beta: float(2) }),
  onnx("Einsum@12", [t([2, 3]), t([3, 2])], { equation: str("ij,jk->ki") }),
  onnx("Det@11", [t([2, 2])]),
  onnx("Conv@11", [plane, t([2, 2, 2, 2]), t([2])], { pads: ints(1, 0, 0, 1) }),
  onnx("Conv@11", [t([1, 2, 5]), t([2, 1, 3])], { group: int(2), strides: ints(2), auto_pad: str("SAME_UPPER") }),
  onnx("ConvTranspose@11", [t([1, 2, 2, 2]), t([2, 1, 2, 2])], { strides: ints(2, 1), output_padding: ints(1, 0) }),
  onnx("MaxPool@12", [plane], { kernel_shape: ints(2, 2), strides: ints(2, 2), ceil_mode: int(1) }),
  onnx("MaxPool@12", [t([1, 1, 5])], { kernel_shape: ints(2) }, { outputs: 2 }),
  onnx("AveragePool@11", [plane], { kernel_shape: ints(2, 2), pads: ints(1, 1, 0, 0), count_include_pad: int(1) }),
  onnx("LpPool@18", [plane], { kernel_shape: ints(2, 2) }),
  ...["GlobalMaxPool@1", "GlobalAveragePool@1"].map((op) => onnx(op, [plane])),
  onnx("BatchNormalization@15", [plane, t([2]), t([2]), t([2]), variance], { epsilon: float(0.01) }),
  onnx("LayerNormalization@17", [t([2, 3, 2]), t([2]), t([2])]),
  onnx("GroupNormalization@21", [t([1, 4, 2]), t([4]), t([4])], { num_groups: int(2) }),
  onnx("InstanceNormalization@6", [plane, t([2]), t([2])]),
  onnx("MeanVarianceNormalization@13", [plane]),
  onnx("LpNormalization@1", [t([2, 3])], { axis: int(1), p: int(1) }),
  onnx("LRN@13", [t([1, 4, 2, 1])], { size: int(3) }),
  ...["constant", "reflect", "edge"].map((mode) => onnx("Pad@13", [t([2, 3]), longs(1, 0, 0, 2)], { mode: str(mode) })),
  onnx("Pad@13", [t([2, 3]), longs(0, -1, 1, 0), tv([], [5])]),
  onnx("Unique@11", [tv([5], [2, 1, 1, 3, 2])], { sorted: int(1) }, { outputs: 4 }),
  onnx("NegativeLogLikelihoodLoss@13", [t([3, 2]), longs(0, 1, 1)]),
  onnx("SoftmaxCrossEntropyLoss@13", [t([3, 2]), longs(0, 1, 1)], { reduction: str("sum") }),
  onnx("QuantizeLinear@13", [t([2, 3]), tv([], [0.05]), tv([], [100], { dtype: "uint8" })]),
  onnx("DequantizeLinear@13", [t([2, 3], { dtype: "int8" }), tv([], [0.05])]),
  onnx("MatMulInteger@10", [t([2, 3], { dtype: "uint8" }), t([3, 2], { dtype: "uint8" })]),
  onnx("GridSample@16", [t([1, 1, 3, 3]), t([1, 2, 2, 2])], { align_corners: int(1) }),
];
