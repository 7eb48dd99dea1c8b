/** Samples of elementwise ops of two tensors and more. */

import { aten, bool, float, int, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const a = t([2, 3]);
const b = t([3], { dtype: "float64", low: 0.5 });
const positive = t([2, 3], { low: 0.2, high: 3 });
const whole = t([2, 3], { dtype: "int32", low: -8, high: 8 });
const small = t([3], { dtype: "int64", low: 1, high: 5 });
const flags = t([2, 3], { dtype: "bool" });
const edges = tv([5], ["nan", "inf", "-inf", "-0.0", 1]);
const others = tv([5], [1, "nan", 2, 0, "inf"]);

const bitwise = ["bitwise_and", "bitwise_or", "bitwise_xor"];
const shifts = ["bitwise_left_shift", "bitwise_right_shift"];
const operators = ["__and__", "__or__", "__xor__"];
const extrema = ["maximum", "minimum", "max.other", "min.other", "fmax", "fmin"];
const polynomials = ["chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w", "shifted_chebyshev_polynomial_t",
  "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v", "shifted_chebyshev_polynomial_w", "hermite_polynomial_h", "hermite_polynomial_he",
  "laguerre_polynomial_l", "legendre_polynomial_p"];
const degrees = tv([6], [0, 1, 2, 3, 5, -1]);

export const samples: readonly Sample[] = [
  aten("pow.Tensor_Tensor", [positive, b]),
  aten("pow.Tensor_Tensor", [whole, small]),
  aten("pow.Tensor_Tensor", [t([2], { dtype: "complex64" }), t([2])]),
  ...[0, 1, 2, 3, -1, 0.5, -0.5, 2.5].map((exponent) => aten("pow.Tensor_Scalar", [edges, Number.isInteger(exponent) ? int(exponent) : float(exponent)])),
  aten("pow.Tensor_Scalar", [whole, int(3)]),
  aten("pow.Tensor_Scalar", [whole, int(-1)]),
  aten("pow.Tensor_Scalar", [whole, float(0.5)]),
  aten("pow.Scalar", [int(2), a]),
  aten("pow.Scalar", [int(1), whole]),
  aten("pow_.Scalar", [t([2, 3], { transpose: true }), int(2)]),
  aten("float_power.Tensor_Tensor", [positive, small]),
  aten("float_power.Tensor_Scalar", [whole, int(2)]),
  aten("float_power.Scalar", [float(1.5), a]),
  ...["remainder", "fmod"].flatMap((name) => [
    aten(`${name}.Tensor`, [a, b]),
    aten(`${name}.Tensor`, [whole, tv([3], [3, -4, 5], { dtype: "int32" })]),
    aten(`${name}.Tensor`, [tv([4], [5, -5, "inf", 1]), tv([4], [-3, 3, 2, 0])]),
    aten(`${name}.Tensor`, [whole, tv([1], [0], { dtype: "int32" })]),
    aten(`${name}.Scalar`, [whole, int(-3)]),
    aten(`${name}.Scalar`, [a, float(0.7)]),
  ]),
  aten("remainder.Scalar_Tensor", [int(7), tv([3], [2, -3, 4], { dtype: "int64" })]),
  ...bitwise.flatMap((name) => [
    aten(`${name}.Tensor`, [whole, small]),
    aten(`${name}.Tensor`, [flags, flags]),
    aten(`${name}.Tensor`, [a, a]),
    aten(`${name}.Scalar`, [whole, int(6)]),
    aten(`${name}.Scalar_Tensor`, [int(-3), t([3], { dtype: "int16" })]),
  ]),
  ...shifts.flatMap((name) => [
    aten(`${name}.Tensor`, [whole, small]),
    aten(`${name}.Tensor`, [tv([3], [1, -1, 5], { dtype: "int8" }), tv([3], [7, 9, -1], { dtype: "int8" })]),
    aten(`${name}.Tensor_Scalar`, [whole, int(2)]),
    aten(`${name}.Scalar_Tensor`, [int(9), small]),
  ]),
  ...operators.flatMap((name) => [aten(`${name}.Tensor`, [whole, small]), aten(`${name}.Scalar`, [flags, bool(true)])]),
  ...["__lshift__", "__rshift__"].flatMap((name) => [aten(`${name}.Tensor`, [whole, small]), aten(`${name}.Scalar`, [whole, int(2)]), aten(`${name}.Scalar`, [a, int(2)])]),
  ...["__iand__", "__ior__", "__ixor__", "__ilshift__", "__irshift__"].flatMap((name) => [aten(`${name}.Tensor`, [whole, t([3], { dtype: "int32", low: 0, high: 4 })]), aten(`${name}.Scalar`, [whole, int(2)])]),
  ...extrema.flatMap((name) => [aten(name, [edges, others]), aten(name, [whole, t([2, 1], { dtype: "int64" })])]),
  aten("maximum", [t([2], { dtype: "complex64" }), t([2], { dtype: "complex64" })]),
  aten("hypot", [a, b]),
  aten("hypot", [edges, others]),
  aten("nextafter", [edges, others]),
  aten("nextafter", [t([2], { dtype: "float64" }), t([2], { dtype: "float64" })]),
  ...["gcd", "lcm"].flatMap((name) => [aten(name, [whole, tv([3], [4, 0, -6], { dtype: "int32" })]), aten(name, [a, a])]),
  ...["logaddexp", "logaddexp2"].flatMap((name) => [aten(name, [a, b]), aten(name, [edges, others])]),
  ...["igamma", "special_gammainc", "igammac", "special_gammaincc"].flatMap((name) => [aten(name, [positive, positive]), aten(name, [tv([3], [0, 1, -1]), tv([3], [1, "inf", 1])])]),
  ...["atan2", "arctan2"].flatMap((name) => [aten(name, [a, b]), aten(name, [edges, others]), aten(name, [whole, small])]),
  aten("copysign.Tensor", [a, tv([3], ["-0.0", 1, "nan"])]),
  aten("copysign.Tensor", [whole, small]),
  aten("copysign.Scalar", [a, float(-0)]),
  aten("xlogy.Tensor", [tv([4], [0, 1, "nan", 2]), tv([4], [0, 0, 1, -1])]),
  aten("xlogy.Scalar_Other", [whole, int(3)]),
  aten("xlogy.Scalar_Self", [int(0), edges]),
  ...["special_xlogy", "special_xlog1py", "special_zeta"].flatMap((name) => [
    aten(name, [positive, t([3], { low: 1, high: 4 })]),
    aten(`${name}.other_scalar`, [t([3], { low: 1.5, high: 4 }), float(2)]),
    aten(`${name}.self_scalar`, [float(2.5), positive]),
  ]),
  ...polynomials.flatMap((name) => [
    aten(`special_${name}`, [t([6], { low: -1.5, high: 1.5 }), degrees]),
    aten(`special_${name}.n_scalar`, [t([2, 2], { dtype: "float64" }), int(3)]),
    aten(`special_${name}.x_scalar`, [float(0.3), degrees]),
  ]),
  aten("heaviside", [edges, tv([1], [0.5])]),
  aten("heaviside", [tv([3], [-1, 0, 1], { dtype: "int64" }), tv([1], [7], { dtype: "int64" })]),
  aten("ldexp.Tensor", [a, tv([3], [1, -2, 3], { dtype: "int32" })]),
  aten("frexp.Tensor", [tv([4], [0, 1, -6.5, 1e-40])]),
  aten("frexp.Tensor", [t([2, 2], { dtype: "float64", transpose: true })]),
  aten("frexp.Tensor", [whole]),
  aten("lerp.Scalar", [a, t([3]), float(0.3)]),
  aten("lerp.Scalar", [t([2], { dtype: "float64" }), t([2], { dtype: "float64" }), float(0.7)]),
  aten("lerp.Tensor", [a, t([3]), t([2, 1], { low: 0, high: 1 })]),
  aten("lerp.Tensor", [a, t([3], { dtype: "float64" }), a]),
  aten("addcmul", [a, t([3]), t([2, 1])], { value: float(0.5) }),
  aten("addcmul", [whole, small, small], { value: int(2) }),
  aten("addcdiv", [a, t([3]), positive], { value: int(2) }),
  aten("addcdiv", [whole, small, small]),
  aten("addcmul_", [t([2, 3], { transpose: true }), a, a]),
  ...["allclose", "isclose"].flatMap((name) => [aten(name, [a, a]), aten(name, [edges, edges, float(1e-5), float(1e-8), bool(true)]), aten(name, [tv([3], [1, 10, 100]), tv([3], [1.1, 10.1, 100.1]), float(0.01), float(0)])]),
  aten("isclose", [whole, small]),
  aten("equal", [a, a]),
  aten("equal", [t([2]), t([3])]),
  aten("equal", [edges, edges]),
  aten("float_power_.Scalar", [t([3]), int(2)]),
  aten("float_power_.Scalar", [t([3], { dtype: "float64" }), int(2)]),
  aten("float_power.Tensor_Scalar_out", [t([3]), int(2)], { out: t([3]) }),
  aten("float_power.Tensor_Scalar_out", [t([3]), int(2)], { out: t([0], { dtype: "float64" }) }),
  aten("float_power.Tensor_Tensor_out", [t([3], { low: 1 }), t([3])], { out: t([0], { dtype: "float64" }) }),
  aten("float_power.Scalar_out", [int(2), t([3], { low: -2, high: 2 })], { out: t([0], { dtype: "float64" }) }),
  aten("float_power_.Tensor", [t([3], { dtype: "float64" }), tv([3], [1, 2, 3])]),
];
