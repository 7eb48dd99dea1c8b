/** Samples of elementwise ops of one tensor. */

import { aten, float, int, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const plain = t([2, 3]);
const turned = t([3, 2], { dtype: "float64", transpose: true });
const edges = tv([5], ["nan", "inf", "-inf", "-0.0", 0.5]);
const unit = t([2, 3], { low: -0.95, high: 0.95 });
const positive = t([2, 3], { low: 0.1, high: 4 });
const z = t([2, 2], { dtype: "complex64" });
const whole = t([5], { dtype: "int32" });

const rounding = ["floor", "ceil", "trunc", "fix", "round", "frac"];
const signs = ["abs", "absolute", "sign", "sgn", "square", "positive", "neg", "negative"];
const everywhere = ["exp", "exp2", "special_exp2", "expm1", "special_expm1", "sin", "cos", "tan", "sinh", "cosh", "asinh", "arcsinh", "atan", "arctan", "sinc", "special_sinc", "sigmoid", "special_expit", "tanh"];
const withoutComplex = ["exp2", "special_exp2", "sinc", "special_sinc", "deg2rad", "rad2deg"];
const ofPositives = ["sqrt", "rsqrt", "reciprocal", "log", "log2", "log10", "log1p", "special_log1p"];
const ofUnits = ["asin", "arcsin", "acos", "arccos", "atanh", "arctanh"];
const tests = ["isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "signbit", "logical_not"];

export const samples: readonly Sample[] = [
  ...rounding.flatMap((name) => [aten(name, [plain]), aten(name, [tv([6], [0.5, 1.5, -0.5, -2.5, "nan", "-inf"], { dtype: "float64" })])]),
  ...rounding.slice(0, 5).map((name) => aten(name, [whole])),
  ...signs.flatMap((name) => [aten(name, [edges]), aten(name, [t([2, 3], { dtype: "int8", transpose: true })])]),
  ...["abs", "sgn", "square", "neg"].map((name) => aten(name, [z])),
  aten("abs", [t([3], { dtype: "uint8" })]),
  aten("abs", [tv([1], [-128], { dtype: "int8" })]),
  aten("neg", [t([2], { dtype: "bool" })]),
  aten("sign", [z]),
  aten("bitwise_not", [whole]),
  aten("bitwise_not", [t([3], { dtype: "bool" })]),
  aten("bitwise_not", [plain]),
  ...["conj_physical", "_conj_physical"].map((name) => aten(name, [z])),
  aten("conj_physical", [whole]),
  aten("round.decimals", [tv([4], [1.2345, -2.5, 1234.5, "nan"])], { decimals: int(2) }),
  aten("round.decimals", [tv([3], [15, 25, -35], { dtype: "float64" })], { decimals: int(-1) }),
  ...everywhere.flatMap((name) => [aten(name, [edges]), aten(name, [turned]), aten(name, [whole])]),
  ...everywhere.filter((name) => !withoutComplex.includes(name) && !name.startsWith("special")).map((name) => aten(name, [z])),
  ...ofPositives.flatMap((name) => [aten(name, [positive]), aten(name, [edges]), aten(name, [t([3], { dtype: "uint8" })])]),
  ...["sqrt", "rsqrt", "reciprocal", "log", "log2", "log10", "log1p"].map((name) => aten(name, [z])),
  ...ofUnits.flatMap((name) => [aten(name, [unit]), aten(name, [tv([3], [1, -1, 2], { dtype: "float64" })]), aten(name, [z])]),
  ...["acosh", "arccosh"].flatMap((name) => [aten(name, [t([3], { low: 1, high: 4 })]), aten(name, [tv([2], [1, 0.5], { dtype: "float64" })]), aten(name, [z])]),
  ...["deg2rad", "rad2deg"].flatMap((name) => [aten(name, [t([2, 3], { low: -180, high: 180 })]), aten(name, [whole])]),
  aten("angle", [edges]),
  aten("angle", [z]),
  aten("angle", [whole]),
  ...tests.flatMap((name) => [aten(name, [edges]), aten(name, [t([2, 2], { dtype: "int64", transpose: true, low: -1, high: 2 })])]),
  ...["isnan", "isinf", "isfinite", "isreal", "logical_not"].map((name) => aten(name, [tv([2], [1, "nan", "inf", 0], { dtype: "complex64" })])),
  aten("nan_to_num", [edges]),
  aten("nan_to_num", [edges, float(1), float(2), float(-3)]),
  aten("nan_to_num", [tv([3], ["nan", "inf", "-inf"], { dtype: "float16" })]),
  ...["logit", "special_logit"].flatMap((name) => [aten(name, [tv([4], [0.25, 0, 1, 1.5])]), aten(name, [tv([4], [0.25, 0, 1, 1.5], { dtype: "float64" }), float(0.1)])]),
  ...["exp", "sqrt", "neg", "tanh"].flatMap((name) => [aten(name, [t([])]), aten(name, [t([0, 3])]), aten(name, [t([3], { dtype: "float16" })]), aten(name, [t([3], { dtype: "bfloat16" })])]),
  ...["exp_", "neg_", "sigmoid_", "round_"].map((name) => aten(name, [turned])),
  aten("exp_", [whole]),
  aten("special_round", [tv([4], [1.2345, -2.5, 1234.5, "nan"])], { decimals: int(1) }),
  ...(["float16", "bfloat16"] as const).map((dtype) => aten("logit", [t([40], { dtype, low: 0, high: 1 })])),
  aten("logit_", [t([3], { dtype: "int32" })]),
  aten("abs_", [t([3], { dtype: "complex64" })]),
  aten("round.decimals", [t([3], { dtype: "int16" })], { decimals: int(0) }),
  ...["abs_", "absolute_"].map((name) => aten(name, [t([3])])),
  aten("logit_", [t([3], { low: 0, high: 1 })]),
  ...["abs_", "absolute_"].flatMap((name) => [aten(name, [edges]), aten(name, [z])]),
  aten("abs", [t([2], { dtype: "bool" })]),
];
