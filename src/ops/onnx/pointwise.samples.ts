/** Samples of ONNX's elementwise ops. */

import { float, int, none, onnx, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const a = t([2, 3]);
const b = t([3], { low: 0.5 });
const whole = t([2, 3], { dtype: "int32", low: -8, high: 8 });
const divisors = tv([3], [2, -3, 5], { dtype: "int32" });
const flags = t([2, 3], { dtype: "bool" });
const edges = tv([5], ["nan", "inf", "-inf", "-0.0", 1.5]);
const positive = t([2, 3], { low: 0.1, high: 4 });
const unary = ["Abs", "Neg", "Reciprocal", "Sqrt", "Exp", "Log", "Floor", "Ceil", "Sign", "Erf", "Tanh"];
const trigonometry: readonly (readonly [string, number])[] = [["Sin", 7], ["Cos", 7], ["Tan", 7], ["Asin", 7], ["Acos", 7], ["Atan", 7], ["Sinh", 9], ["Cosh", 9], ["Asinh", 9], ["Atanh", 9]];

export const samples: readonly Sample[] = [
  ...["Add", "Sub", "Mul", "Div"].flatMap((name) => [onnx(`${name}@14`, [a, b]), onnx(`${name}@14`, [whole, divisors]), onnx(`${name}@7`, [t([2, 3], { transpose: true }), t([2, 1])])]),
  onnx("Add@6", [a, t([2, 3])], { broadcast: int(0) }),
  onnx("Pow@15", [positive, b]),
  onnx("Pow@15", [whole, tv([3], [2, 3, 0], { dtype: "int32" })]),
  onnx("Mod@13", [whole, divisors]),
  onnx("Mod@13", [a, b], { fmod: int(1) }),
  ...["Sum", "Max", "Min", "Mean"].flatMap((name) => [onnx(`${name}@13`, [a, b, t([2, 1])]), onnx(`${name}@8`, [a])]),
  onnx("Max@13", [tv([3], [1, "nan", 2]), tv([3], ["nan", 1, 3])]),
  ...unary.flatMap((name) => [onnx(`${name}@13`, [positive]), onnx(`${name}@13`, [edges])]),
  onnx("Round@11", [tv([4], [0.5, 1.5, -2.5, 2.7])]),
  ...trigonometry.map(([name, version]) => onnx(`${name}@${version}`, [t([2, 3], { low: -0.9, high: 0.9 })])),
  onnx("Acosh@9", [t([3], { low: 1, high: 4 })]),
  ...["Equal@13", "Greater@13", "GreaterOrEqual@16", "Less@13", "LessOrEqual@16"].flatMap((op) => [onnx(op, [a, b]), onnx(op, [whole, divisors])]),
  ...["And@7", "Or@7", "Xor@7"].map((op) => onnx(op, [flags, t([3], { dtype: "bool" })])),
  onnx("Not@1", [flags]),
  onnx("IsNaN@13", [edges]),
  onnx("IsInf@10", [edges]),
  onnx("IsInf@10", [edges], { detect_negative: int(0) }),
  onnx("Where@16", [flags, a, b]),
  ...["BitwiseAnd@18", "BitwiseOr@18", "BitwiseXor@18"].map((op) => onnx(op, [whole, divisors])),
  onnx("BitwiseNot@18", [whole]),
  ...["LEFT", "RIGHT"].map((direction) => onnx("BitShift@11", [t([3], { dtype: "uint8" }), tv([3], [1, 2, 3], { dtype: "uint8" })], { direction: str(direction) })),
  onnx("Clip@13", [a, tv([], [-0.5]), tv([], [1])]),
  onnx("Clip@13", [whole, none, tv([], [3], { dtype: "int32" })]),
  onnx("Clip@6", [a], { min: float(-0.5), max: float(0.5) }),
  onnx("Shrink@9", [a], { lambd: float(0.5), bias: float(0.25) }),
];
