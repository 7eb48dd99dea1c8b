/** Samples of reductions. */

import { aten, bool, dtype, int, ints, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([3, 4]);
const turned = t([2, 3, 2], { dtype: "float64", transpose: true });
const whole = t([2, 3], { dtype: "int32" });
const withNan = tv([5], [1, 3, "nan", 2, 3]);
const ties = tv([2, 3], [1, 3, 3, 2, 0, 2], { dtype: "int64" });

export const samples: readonly Sample[] = [
  aten("sum_to_size", [t([2, 3], { dtype: "int16" }), ints()]),
  aten("logsumexp", [tv([2, 2], ["-inf", 0, "-inf", 0, 1, 2, "-inf", 0], { dtype: "complex64" }), ints(1)]),
  aten("hash_tensor", [tv([3], [1, 2, -3])]),
  aten("hash_tensor", [t([2, 3], { dtype: "int32" }), ints(1)]),
  ...["sum", "mean", "prod"].flatMap((name) => [
    aten(name, [x]),
    aten(name, [whole], { dtype: dtype("float64") }),
    aten(name, [t([0])]),
    aten(name, [t([2, 2], { dtype: "complex64" })]),
    aten(name, [t([4], { dtype: "bfloat16" })]),
  ]),
  ...["sum", "prod"].flatMap((name) => [aten(name, [whole]), aten(name, [t([3], { dtype: "bool" })])]),
  aten("mean", [whole]),
  ...["sum.dim_IntList", "mean.dim"].flatMap((name) => [
    aten(name, [x, ints(-1)]),
    aten(name, [turned, ints(0, 2), bool(true)]),
    aten(name, [x, none]),
    aten(name, [x, ints(0, 0)]),
    aten(name, [t([2, 0]), ints(1)]),
    aten(name, [t([]), ints(0)]),
  ]),
  ...["nansum", "nanmean"].flatMap((name) => [aten(name, [withNan]), aten(name, [tv([2, 2], ["nan", 1, "nan", "nan"], { dtype: "float64" }), ints(1), bool(true)])]),
  aten("sum_to_size", [x, ints(1, 4)]),
  aten("prod.dim_int", [x, int(0), bool(true)]),
  aten("prod.dim_int", [whole, int(-1)]),
  ...["amax", "amin"].flatMap((name) => [aten(name, [x]), aten(name, [turned, ints(0, -1), bool(true)]), aten(name, [withNan]), aten(name, [whole, ints(1)]), aten(name, [t([0, 2]), ints(0)])]),
  aten("aminmax", [withNan]),
  aten("aminmax", [x], { dim: int(1), keepdim: bool(true) }),
  aten("_aminmax", [x]),
  aten("_aminmax.dim", [whole, int(0)]),
  ...["max", "min"].flatMap((name) => [aten(name, [withNan]), aten(name, [whole]), aten(name, [t([0])]), aten(`${name}.dim`, [ties, int(1)]), aten(`${name}.dim`, [turned, int(-2), bool(true)]), aten(`${name}.dim`, [withNan, int(0)])]),
  ...["argmax", "argmin"].flatMap((name) => [aten(name, [t([3], { dtype: "bool" })]), aten(name, [ties]), aten(name, [ties, int(1), bool(true)]), aten(name, [withNan]), aten(name, [turned, int(0)])]),
  ...["all", "any"].flatMap((name) => [
    aten(name, [withNan]),
    aten(name, [t([2, 3], { dtype: "uint8", low: 0, high: 2 })]),
    aten(name, [t([0], { dtype: "bool" })]),
    aten(`${name}.dim`, [t([2, 3], { dtype: "bool" }), int(-1), bool(true)]),
    aten(`${name}.dims`, [t([2, 3, 2], { dtype: "bool" }), ints(0, 2)]),
    aten(`${name}.dims`, [t([2, 3], { dtype: "bool" })]),
  ]),
  aten("count_nonzero", [ties]),
  aten("count_nonzero", [ties, int(0)]),
  aten("count_nonzero.dim_IntList", [t([2, 3], { dtype: "bool" }), ints(0, 1)]),
  ...["logsumexp", "special_logsumexp"].flatMap((name) => [aten(name, [x, ints(1)]), aten(name, [tv([2, 2], ["-inf", "-inf", "inf", 1]), ints(-1), bool(true)]), aten(name, [whole, ints(0)])]),
  aten("trace", [t([3, 2])]),
  aten("trace", [t([2, 2], { dtype: "int32", transpose: true })]),
];
