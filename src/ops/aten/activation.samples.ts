/** Samples of the activations. */

import { aten, bool, float, int, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const wide = t([2, 3], { low: -8, high: 8 });
const edges = tv([5], ["nan", "inf", "-inf", "-0.0", 1e-20]);
const plain = ["relu6", "hardswish", "hardsigmoid", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softshrink", "hardshrink", "leaky_relu", "log_sigmoid"];

export const samples: readonly Sample[] = [
  ...plain.flatMap((name) => [aten(name, [wide]), aten(name, [t([3, 2], { dtype: "float64", transpose: true })])]),
  ...["relu6", "hardswish", "silu", "softplus", "log_sigmoid"].map((name) => aten(name, [edges])),
  aten("hardtanh", [wide, int(-2), float(1.5)]),
  aten("hardtanh", [t([4], { dtype: "int64" })]),
  aten("hardtanh_", [wide]),
  aten("elu", [wide, float(0.5), float(1.5), int(2)]),
  aten("celu", [wide, float(0.7)]),
  aten("gelu", [wide], { approximate: str("tanh") }),
  aten("gelu", [wide], { approximate: str("sigmoid") }),
  aten("silu", [t([], { dtype: "bfloat16" })]),
  aten("softplus", [wide, int(2), int(3)]),
  aten("softshrink", [wide, float(0.25)]),
  aten("threshold", [wide, float(0.5), int(20)]),
  aten("threshold", [t([2, 2], { dtype: "int32" }), int(1), int(-7)]),
  aten("leaky_relu_", [wide, float(0.2)]),
  aten("prelu", [t([2, 3, 2]), t([3])]),
  aten("prelu", [t([]), t([1])]),
  aten("_prelu_kernel", [t([2, 3]), t([1, 3])]),
  aten("log_sigmoid_forward", [wide]),
  aten("rrelu", [wide]),
  aten("rrelu", [wide, float(0.1), float(0.3), bool(true)], {}, { check: "shape_dtype" }),
  aten("rrelu_with_noise", [wide, t([2, 3])]),
  aten("glu", [t([2, 6])]),
  aten("glu", [t([4, 3], { dtype: "float64" }), int(0)]),
  aten("glu", [t([3])]),
  aten("hardtanh", [t([6], { dtype: "int32", low: -5, high: 5 }), float(-1.5), float(2.5)]),
  aten("softshrink", [t([3]), float(-0.5)]),
  aten("rrelu", [t([3]), float(0.3), float(0.1)]),
  ...plain.filter((name) => name !== "relu6").map((name) => aten(name, [t([3], { dtype: "int64" })])),
  aten("threshold", [t([2], { dtype: "uint8" }), int(257), int(3)]),
  aten("glu", [t([4], { dtype: "int64" })]),
];
