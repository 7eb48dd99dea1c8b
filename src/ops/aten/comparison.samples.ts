/** Samples of comparisons, selection and clamping. */

import { aten, complex, float, int, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const a = tv([5], [1, 2, "nan", "inf", "-0.0"]);
const b = tv([5], [2, 2, "nan", "inf", 0]);
const orders = ["eq", "ne", "not_equal", "lt", "less", "le", "less_equal", "gt", "greater", "ge", "greater_equal"];
const condition = t([2, 3], { dtype: "bool" });

export const samples: readonly Sample[] = [
  ...orders.flatMap((name) => [
    aten(`${name}.Tensor`, [a, b]),
    aten(`${name}.Tensor`, [t([2, 3], { dtype: "int64", low: 0, high: 3 }), t([3], { low: 0, high: 3 })]),
    aten(`${name}.Scalar`, [t([2, 3], { dtype: "uint8" }), int(4)]),
    aten(`${name}.Scalar`, [t([3], { dtype: "int32" }), float(0.5)]),
  ]),
  aten("eq.Tensor", [t([0, 3]), t([1])]),
  aten("eq.Tensor", [tv([2], [1, 2, 3, 4], { dtype: "complex64" }), tv([2], [1, 2, 3, 5], { dtype: "complex64" })]),
  aten("lt.Tensor", [t([2]), t([3])]),
  aten("lt.Tensor", [tv([2], ["9007199254740993", 1], { dtype: "int64" }), tv([2], ["9007199254740992", 2], { dtype: "int64" })]),
  aten("eq_.Tensor", [t([2, 2], { dtype: "int64", low: 0, high: 2 }), t([2], { dtype: "int64", low: 0, high: 2 })]),
  ...["logical_and", "logical_or", "logical_xor"].flatMap((name) => [aten(name, [t([2, 2], { dtype: "bool" }), t([2], { dtype: "bool" })]), aten(name, [tv([3], [0, "nan", 2]), tv([3], [1, 0, 3], { dtype: "int8" })])]),
  aten("where.self", [condition, t([2, 3]), t([3], { dtype: "float64" })]),
  aten("where.self", [condition, t([2, 3], { dtype: "int32" }), t([], { dtype: "int64" })]),
  aten("where.self", [t([2], { dtype: "int64" }), t([2]), t([2])]),
  aten("where.ScalarOther", [condition, t([2, 3], { dtype: "int32" }), float(0.5)]),
  aten("where.ScalarSelf", [condition, int(7), t([3], { dtype: "float16" })]),
  aten("where.Scalar", [condition, int(1), float(0.5)]),
  aten("where.Scalar", [condition, int(1), complex(0, 1)]),
  ...["clamp", "clip"].flatMap((name) => [
    aten(name, [a, float(-0.5), int(1)]),
    aten(name, [t([2, 3], { dtype: "int64" }), none, int(3)]),
    aten(name, [t([3], { dtype: "int32" }), float(0.5)]),
    aten(name, [t([3])]),
    aten(`${name}.Tensor`, [a, t([5], { low: -1, high: 0 }), t([], { low: 0, high: 1 })]),
    aten(`${name}.Tensor`, [t([2, 3], { dtype: "int64" }), none, t([3], { dtype: "int64" })]),
  ]),
  aten("clamp_", [t([2, 3], { transpose: true }), int(0)]),
  ...["clamp_min", "clamp_max"].flatMap((name) => [
    aten(name, [a, float(0.5)]),
    aten(name, [t([4], { dtype: "uint8" }), int(5)]),
    aten(`${name}.Tensor`, [a, t([5])]),
    aten(`${name}.Tensor`, [t([2, 2], { dtype: "int32" }), t([2], { dtype: "int64" })]),
  ]),
  // Numbers wrap into the tensor's dtype; bounds and choices must fit it.
  ...["eq", "lt", "ge"].map((name) => aten(`${name}.Scalar`, [tv([3], [0, 1, 255], { dtype: "uint8" }), int(257)])),
  aten("clamp", [t([3], { dtype: "int8" }), none, int(300)]),
  aten("clamp", [t([3], { dtype: "uint8" }), int(-1), none]),
  aten("clamp_min", [t([3], { dtype: "float16" }), float(70000)]),
  aten("clamp_max", [tv([2], ["9007199254740995", 1], { dtype: "int64" }), int("9007199254740993")]),
  aten("where.ScalarOther", [condition, t([2, 3]), float(1e39)]),
  aten("where.ScalarOther", [condition, t([2, 3], { dtype: "float16" }), float(70000)]),
  aten("where.ScalarSelf", [condition, int(300), t([3], { dtype: "int8" })]),
];
