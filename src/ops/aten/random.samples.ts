/** Samples of random ops: their shapes and dtypes, and values where nothing is left to chance. */

import { aten, dtype, float, int, ints, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3]);
const share = t([2, 3], { low: 0.1, high: 0.9 });
/** The engine's numbers are held to PyTorch's in its own tests. */
const shapesOnly = { check: "shape_dtype" } as const;

export const samples: readonly Sample[] = [
  ...["rand", "randn"].flatMap((name) => [
    aten(name, [ints(2, 3)], {}, shapesOnly),
    aten(`${name}.generator`, [ints(2)], { generator: none, dtype: dtype("float64") }, shapesOnly),
    aten(`${name}_like`, [x], { dtype: dtype("float16") }, shapesOnly),
    aten(`${name}_like.generator`, [x], { generator: none }, shapesOnly),
  ]),
  aten("randint", [int(10), ints(2, 3)], {}, shapesOnly),
  aten("randint.generator", [int(10), ints(2)], { generator: none, dtype: dtype("int32") }, shapesOnly),
  aten("randint.low", [int(-3), int(3), ints(4)], {}, shapesOnly),
  aten("randint.low", [int(3), int(3), ints(4)]),
  aten("randint.low_generator", [int(-3), int(3), ints(4)], { generator: none }, shapesOnly),
  aten("randint_like", [x, int(5)], {}, shapesOnly),
  aten("randint_like.generator", [x, int(5)], { generator: none }, shapesOnly),
  aten("randint_like.Tensor", [x, tv([], [5], { dtype: "int64" })], {}, shapesOnly),
  aten("randint_like.Tensor_generator", [x, tv([], [5], { dtype: "int64" })], { generator: none }, shapesOnly),
  aten("randint_like.low_dtype", [x, int(-2), int(5)], { dtype: dtype("int64") }, shapesOnly),
  aten("randint_like.low_generator_dtype", [x, int(-2), int(5)], { generator: none }, shapesOnly),
  aten("randperm", [int(6)], {}, shapesOnly),
  aten("randperm", [int(0)]),
  aten("randperm.generator", [int(6)], { generator: none }, shapesOnly),
  aten("normal.Tensor_float", [x, float(2)], {}, shapesOnly),
  aten("normal.float_Tensor", [float(1), share], {}, shapesOnly),
  aten("normal.Tensor_Tensor", [t([2, 1]), t([3], { low: 0 })], {}, shapesOnly),
  aten("normal.float_float", [float(0), float(1), ints(2, 2)], { dtype: dtype("float64") }, shapesOnly),
  aten("bernoulli", [share], {}, shapesOnly),
  aten("bernoulli", [tv([4], [0, 1, 0, 1])]),
  aten("bernoulli", [t([3], { low: 2, high: 3 })]),
  aten("bernoulli.p", [x, float(1)]),
  aten("bernoulli.Tensor", [x, share], {}, shapesOnly),
  aten("bernoulli_.Tensor", [x, tv([3], [0, 1, 1])]),
  aten("bernoulli_.float", [t([2, 3], { dtype: "int64" }), float(0)]),
  ...["uniform", "log_normal", "cauchy"].flatMap((name) => [aten(name, [x], {}, shapesOnly), aten(`${name}_`, [t([2, 3], { transpose: true }), float(0.5), float(2)], {}, shapesOnly)]),
  ...["normal_functional", "normal_"].map((name) => aten(name, [x, float(1), float(0.5)], {}, shapesOnly)),
  aten("normal_", [x, float(1), float(-1)]),
  ...["exponential", "exponential_"].map((name) => aten(name, [x, float(2)], {}, shapesOnly)),
  ...["geometric", "geometric_"].map((name) => aten(name, [t([2, 2], { dtype: "int32" }), float(0.3)], {}, shapesOnly)),
  ...["random", "random_"].flatMap((name) => [aten(name, [t([3], { dtype: "int16" })], {}, shapesOnly), aten(`${name}.to`, [x, int(5)], {}, shapesOnly), aten(`${name}.from`, [x, int(-5), int(5)], {}, shapesOnly)]),
  aten("multinomial", [share, int(2)], {}, shapesOnly),
  aten("multinomial", [tv([2, 3], [0, 1, 0, 0, 0, 1]), int(1)]),
  aten("multinomial", [share, int(4)]),
  aten("poisson", [share], {}, shapesOnly),
  aten("binomial", [tv([2], [5, 3]), tv([2], [0.5, 0.2])], {}, shapesOnly),
  ...["_standard_gamma", "_sample_dirichlet"].map((name) => aten(name, [share], {}, shapesOnly)),
  // Weights that are no distribution, bounds that the dtype does not have.
  ...[[0, 0], [-1, 2], ["nan", 1], ["inf", 1]].map((weights) => aten("multinomial", [tv([2], weights), int(1)])),
  aten("multinomial", [tv([2], [0, 1]), int(1)]),
  aten("multinomial", [t([2], { dtype: "int64" }), int(1)]),
  aten("randint.low", [int(0), int(300), ints(2)], { dtype: dtype("int8") }),
  aten("randint.low", [int("9007199254740993"), int("9007199254740994"), ints(2)]),
];
