/** Samples of the ops that make tensors out of sizes and numbers. */

import { aten, type Arg, bool, complex, dtype, float, int, ints, memoryFormat, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const half: Readonly<Record<string, Arg>> = { dtype: dtype("float16") };
const x = t([2, 3]);
const turned = t([2, 3], { dtype: "float64", transpose: true });
const shapesOnly = { check: "shape_dtype" } as const;
const windows = ["hann_window", "hamming_window", "bartlett_window", "blackman_window", "kaiser_window"];

export const samples: readonly Sample[] = [
  ...["zeros", "ones"].flatMap((name) => [aten(name, [ints(2, 0)]), aten(name, [ints(2, 3)], { dtype: dtype("complex64") }), aten(name, [ints()])]),
  aten("zeros", [ints(2, -1)]),
  aten("full", [ints(2, 3), float(0.5)]),
  aten("full", [ints(2), int(3)]),
  aten("full", [ints(2), bool(true)]),
  aten("full", [ints(), complex(1, 2)]),
  aten("full", [ints(2), float(2.7)], { dtype: dtype("int32") }),
  aten("empty.memory_format", [ints(2, 3)], half, shapesOnly),
  aten("empty.memory_format", [ints(1, 2, 2, 2)], { memory_format: memoryFormat("channels_last") }, shapesOnly),
  aten("empty_strided", [ints(2, 3), ints(1, 2)], {}, shapesOnly),
  aten("empty_permuted", [ints(2, 3, 4), ints(2, 0, 1)], {}, shapesOnly),
  aten("empty_like", [turned], {}, shapesOnly),
  ...["zeros_like", "ones_like"].flatMap((name) => [aten(name, [turned]), aten(name, [x], { dtype: dtype("int64"), memory_format: memoryFormat("contiguous_format") })]),
  aten("full_like", [turned, int(3)]),
  aten("full_like", [t([2], { dtype: "int32" }), float(1.5)]),
  ...["new_zeros", "new_ones"].flatMap((name) => [aten(name, [t([1], { dtype: "uint8" }), ints(2, 2)]), aten(name, [x, ints(0)], half)]),
  aten("new_full", [t([1], { dtype: "int64" }), ints(2), float(1.5)]),
  aten("new_empty", [turned, ints(3)], {}, shapesOnly),
  aten("new_empty_strided", [x, ints(2, 2), ints(1, 2)], half, shapesOnly),
  aten("arange", [int(5)]),
  aten("arange", [float(2.5)]),
  aten("arange.start", [int(-2), int(3)], { dtype: dtype("float64") }),
  aten("arange.start", [int(3), int(1)]),
  aten("arange.start_step", [float(1), float(0), float(-0.3)]),
  aten("arange.start_step", [int(0), int(7), int(3)]),
  aten("arange.start_step", [int(0), int(7), int(0)]),
  aten("range", [int(0), int(3)]),
  aten("range.step", [int(1), int(6), int(2)]),
  aten("linspace", [int(0), int(1), int(5)]),
  aten("linspace", [float(3), float(-3), int(4)], { dtype: dtype("int64") }),
  aten("linspace", [float(3), float(-3), int(1)]),
  aten("linspace.Tensor_Tensor", [tv([], [0]), tv([], [10]), int(4)]),
  aten("linspace.Tensor_Scalar", [tv([], [-1]), int(1), int(3)]),
  aten("linspace.Scalar_Tensor", [int(0), tv([], [2]), int(3)]),
  aten("logspace", [int(0), int(2), int(3)]),
  aten("logspace", [float(-1), float(1), int(4), float(2)], { dtype: dtype("float64") }),
  aten("logspace.Tensor_Tensor", [tv([], [0]), tv([], [2]), int(4)]),
  aten("logspace.Tensor_Scalar", [tv([], [-1]), int(1), int(3), float(2)]),
  aten("logspace.Scalar_Tensor", [int(0), tv([], [2]), int(3)]),
  // An `out` tells the dtype; of as many elements it keeps its shape where no size is given.
  ...([[4], [2, 2], [0]] as const).flatMap((shape) => {
    const out = t(shape, { dtype: "float64" });
    return [aten("linspace.out", [int(0), int(1), int(4)], { out }), aten("logspace.out", [int(0), int(1), int(4), float(2)], { out }), aten("arange.start_out", [int(1), int(5)], { out })];
  }),
  aten("linspace.out", [float(0.5), int(3), int(4)], { out: t([4], { dtype: "int32" }) }),
  aten("full.out", [ints(2, 2), int(3)], { out: t([4], { dtype: "int64" }) }),
  aten("eye.m_out", [int(2), int(3)], { out: t([0]) }),
  aten("eye", [int(3)]),
  aten("eye", [int(0)], { dtype: dtype("bool") }),
  aten("eye.m", [int(2), int(4)], { dtype: dtype("int32") }),
  ...["tril", "triu"].flatMap((name) => [aten(name, [t([3, 4])]), aten(name, [t([2, 3, 2], { dtype: "int64", transpose: true }), int(-1)]), aten(name, [t([3, 3], { dtype: "bool" }), int(1)])]),
  aten("tril", [t([3])]),
  ...["tril_indices", "triu_indices"].flatMap((name) => [aten(name, [int(3), int(3)]), aten(name, [int(2), int(4), int(-1)], { dtype: dtype("int32") })]),
  aten("scalar_tensor", [int(3)]),
  aten("scalar_tensor", [complex(1, 2)], { dtype: dtype("complex64") }),
  ...windows.flatMap((name) => [aten(name, [int(6)]), aten(name, [int(1)], { dtype: dtype("float64") }), aten(`${name}.periodic`, [int(5), bool(false)])]),
  aten("hamming_window.periodic_alpha", [int(5), bool(true), float(0.6)]),
  aten("hamming_window.periodic_alpha_beta", [int(5), bool(false), float(0.6), float(0.3)]),
  aten("kaiser_window.beta", [int(5), bool(false), float(3)]),
  aten("hann_window", [int(-1)]),
  ...["tensor", "as_tensor"].flatMap((name) => [
    aten(`${name}.bool`, [bool(true)]),
    aten(`${name}.float`, [float(0.1)]),
    aten(`${name}.int`, [int(-3)], half),
    aten(`${name}.complex`, [complex(1, 2)]),
  ]),
  aten("as_tensor", [x]),
  aten("as_tensor", [x], { dtype: dtype("int64") }),
  aten("full", [ints(1), float(70000)], half),
  aten("full", [ints(2), float(70000)], half),
  aten("full", [ints(2), int("9007199254740993")]),
  aten("arange.start", [int("9007199254740993"), int("9007199254740996")]),
  aten("arange.start_step", [int("4611686018427387905"), int("4611686018427387900"), int(-3)]),
  aten("arange.start_step", [int("-9007199254740993"), int("9007199254740996"), int("9007199254740992")]),
];
