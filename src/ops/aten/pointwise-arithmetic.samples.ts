/** Samples of the four operations. */

import { aten, bool, complex, float, int, none, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const a = t([2, 3]);
const row = t([3], { dtype: "float64" });
const whole = t([2, 3], { dtype: "int32" });
const z = t([2, 2], { dtype: "complex64" });
const divisors = tv([3], [2, -3, 7], { dtype: "int32" });

export const samples: readonly Sample[] = [
  ...["add", "sub", "rsub", "subtract"].flatMap((name) => [
    aten(`${name}.Tensor`, [a, row], { alpha: int(2) }),
    aten(`${name}.Tensor`, [whole, t([2, 1], { dtype: "uint8" })], { alpha: int(3) }),
    aten(`${name}.Tensor`, [t([2, 3], { transpose: true }), t([2, 3], { transpose: true })]),
    aten(`${name}.Tensor`, [z, t([2])], { alpha: float(0.5) }),
    aten(`${name}.Scalar`, [whole, float(0.5)]),
    aten(`${name}.Scalar`, [a, int(2), float(1.5)]),
  ]),
  aten("add.Tensor", [a, t([4])]),
  aten("add.Tensor", [whole, whole], { alpha: float(0.5) }),
  aten("add.Tensor", [t([2], { dtype: "bool" }), t([2], { dtype: "bool" })]),
  aten("sub.Tensor", [t([2], { dtype: "bool" }), t([2], { dtype: "bool" })]),
  aten("add.Tensor", [t([0, 3]), t([3])]),
  aten("add.Tensor", [t([2], { dtype: "float16" }), t([], { dtype: "float64" })]),
  aten("add.Tensor", [tv([1], ["9223372036854775807"], { dtype: "int64" }), tv([1], [1], { dtype: "int64" })]),
  aten("add_.Tensor", [whole, t([3])]),
  aten("add_.Tensor", [t([2, 3], { transpose: true }), t([3])], { alpha: float(-1) }),
  aten("add.Scalar", [a, complex(0, 1)]),
  ...["mul", "multiply"].flatMap((name) => [
    aten(`${name}.Tensor`, [a, t([2, 1], { dtype: "int64" })]),
    aten(`${name}.Tensor`, [z, z]),
    aten(`${name}.Tensor`, [t([3], { dtype: "bool" }), t([3], { dtype: "bool" })]),
    aten(`${name}.Scalar`, [whole, int(-2)]),
    aten(`${name}.Scalar`, [t([2], { dtype: "bfloat16" }), float(0.3)]),
  ]),
  aten("mul.Scalar", [t([2], { dtype: "bool" }), bool(true)]),
  ...["div", "divide", "true_divide"].flatMap((name) => [
    aten(`${name}.Tensor`, [a, row]),
    aten(`${name}.Tensor`, [whole, tv([3], [2, 0, -4], { dtype: "int64" })]),
    aten(`${name}.Tensor`, [z, z]),
    aten(`${name}.Scalar`, [whole, int(4)]),
  ]),
  ...["div", "divide"].flatMap((name) => [
    ...["floor", "trunc"].flatMap((mode) => [
      aten(`${name}.Tensor_mode`, [whole, divisors], { rounding_mode: str(mode) }),
      aten(`${name}.Tensor_mode`, [tv([5], [5, -5, "inf", 1, 0]), tv([5], [3, 3, 2, 0, 0])], { rounding_mode: str(mode) }),
      aten(`${name}.Scalar_mode`, [a, float(0.7)], { rounding_mode: str(mode) }),
    ]),
    aten(`${name}.Tensor_mode`, [whole, divisors], { rounding_mode: none }),
    aten(`${name}.Scalar_mode`, [whole, int(3)], { rounding_mode: none }),
  ]),
  aten("div.Tensor_mode", [whole, tv([1], [0], { dtype: "int32" })], { rounding_mode: str("floor") }),
  aten("div.Tensor_mode", [a, a], { rounding_mode: str("up") }),
  aten("div_.Tensor", [whole, divisors]),
  aten("div_.Tensor", [t([2, 3], { transpose: true }), t([3])]),
  aten("floor_divide", [whole, divisors]),
  aten("floor_divide", [a, t([3])]),
  aten("floor_divide.Scalar", [whole, int(-4)]),
  aten("floor_divide.Scalar", [a, float(0.3)]),
  aten("relu", [tv([4], [-1, "nan", "-0.0", 2])]),
  aten("relu", [t([2, 3], { dtype: "int8", transpose: true })]),
  aten("relu", [t([2], { dtype: "bool" })]),
  ...(["float16", "bfloat16"] as const).flatMap((dtype) => ["trunc", "floor"].map((mode) => aten("div.Tensor_mode", [t([40], { dtype, low: -90, high: 90 }), t([40], { dtype, low: -3, high: 3 })], { rounding_mode: str(mode) }))),
  aten("div.Tensor_mode", [tv([5], [1, -1, 0, "inf", -7.5]), tv([5], [0, 0, 0, 2, 2])], { rounding_mode: str("floor") }),
  aten("sub.Scalar", [t([2], { dtype: "bool" }), float(1.5)]),
  aten("sub.Tensor", [whole, t([3], { dtype: "bool" })]),
  aten("rsub.Scalar", [t([2], { dtype: "bool" }), int(1)]),
  aten("add.Scalar", [whole, int("9007199254740993")]),
  aten("add.Tensor", [t([2], { dtype: "uint8" }), t([2], { dtype: "uint8" })], { alpha: int(257) }),
];
