/** Samples of ONNX's activations. */

import { float, onnx, type Sample, str, t } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3], { low: -4, high: 4 });

export const samples: readonly Sample[] = [
  ...["Relu@14", "Sigmoid@13", "Softplus@1", "Softsign@1", "HardSwish@14", "Mish@18", "LeakyRelu@16", "ThresholdedRelu@10", "Elu@6", "Selu@6", "Celu@12", "HardSigmoid@6", "Gelu@20"].map((op) => onnx(op, [x])),
  ...["LeakyRelu@6", "ThresholdedRelu@10", "Elu@6", "Selu@6", "Celu@12", "HardSigmoid@6"].map((op) => onnx(op, [x], { alpha: float(0.7) })),
  onnx("Swish@24", [x]),
  onnx("Gelu@20", [x], { approximate: str("tanh") }),
  onnx("PRelu@16", [x, t([3])]),
];
