/** Samples of running sums, products and extrema, differences and trapezoids. */

import { aten, dtype, float, int, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3]);
const turned = t([3, 2], { dtype: "float64", transpose: true });
const withNan = tv([5], [1, 3, "nan", 2, 3]);

export const samples: readonly Sample[] = [
  ...["cumsum", "cumprod"].flatMap((name) => [
    aten(name, [x, int(1)]),
    aten(name, [turned, int(-2)]),
    aten(name, [t([2, 3], { dtype: "bool" }), int(0)]),
    aten(name, [t([3], { dtype: "int32" }), int(0)], { dtype: dtype("float64") }),
    aten(name, [t([2, 2], { dtype: "complex64" }), int(0)]),
    aten(name, [t([]), int(0)]),
    aten(name, [x, int(2)]),
  ]),
  ...["cummax", "cummin"].flatMap((name) => [aten(name, [withNan, int(0)]), aten(name, [t([2, 4], { dtype: "int64", low: 0, high: 3 }), int(1)]), aten(name, [t([0, 2]), int(0)])]),
  aten("logcumsumexp", [x, int(1)]),
  aten("logcumsumexp", [tv([4], ["-inf", "-inf", 1, "inf"]), int(0)]),
  aten("diff", [x]),
  aten("diff", [t([4, 2], { dtype: "int64" }), int(2), int(0)]),
  aten("diff", [t([3], { dtype: "bool" }), int(1), int(-1), t([1], { dtype: "bool" }), t([2], { dtype: "bool" })]),
  ...["trapezoid", "trapz", "cumulative_trapezoid"].flatMap((name) => [
    aten(`${name}.x`, [x, t([3])]),
    aten(`${name}.x`, [turned, t([3, 2], { dtype: "float64" })], { dim: int(0) }),
    aten(`${name}.dx`, [x], { dx: float(0.5) }),
    aten(`${name}.dx`, [t([1])]),
  ]),
  ...["_cummax_helper", "_cummin_helper"].map((name) => aten(name, [x, t([2, 3]), t([2, 3], { dtype: "int64" }), int(1)])),
  aten("trapezoid.x", [tv([3], [200, 100, 50], { dtype: "uint8" }), tv([3], [1, 5, 250], { dtype: "uint8" })]),
  aten("cumulative_trapezoid.x", [tv([3], [100, 100, 50], { dtype: "int8" }), tv([3], [1, 5, 50], { dtype: "int8" })]),
  aten("trapezoid.dx", [t([2, 0])], { dim: int(1) }),
  aten("trapezoid.dx", [t([3], { dtype: "bool" })]),
  aten("diff", [t([3, 2]), int(0), int(0), t([1, 2])]),
  aten("diff", [t([3, 2]), int(1), int(0), t([1, 3])]),
  aten("logcumsumexp", [t([3, 6], { dtype: "complex128", low: -4, high: 4 }), int(1)]),
];
