/** Samples of Python's math and cmath on numbers. */

import { type Arg, aten, bools, complex, float, floats, int, ints, prim, type Sample } from "../../../test/golden/sample-tensor.ts";

const anywhere = ["sqrt", "exp", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asinh", "atan", "log10", "log"];
const unit = ["asin", "acos", "atanh"];
const realOnly = ["log1p", "expm1", "erf", "erfc", "gamma", "lgamma", "degrees", "radians", "fabs", "round"];
const z = complex(0.5, -1.5);
const PAIRS: Readonly<Record<string, readonly [Arg, Arg]>> = { int: [int(-7), int(3)], float: [float(-7.5), float(2.25)] };
const pair = (overload: string): Arg[] => {
  const [left = "", right = left] = overload.split("_");
  return [left, right].map((kind, side) => PAIRS[kind]?.[side] ?? int(1));
};
const overloads = ["int", "float", "int_float", "float_int"];

export const samples: readonly Sample[] = [
  ...anywhere.flatMap((name) => [aten(`${name}.int`, [int(2)]), aten(`${name}.float`, [float(0.7)]), aten(`${name}.complex`, [z]), aten(`${name}.Scalar`, [float(1.3)])]),
  ...unit.flatMap((name) => [aten(`${name}.int`, [int(0)]), aten(`${name}.float`, [float(0.7)]), aten(`${name}.complex`, [z]), aten(`${name}.Scalar`, [float(-0.3)])]),
  ...["acosh"].flatMap((name) => [aten(`${name}.int`, [int(2)]), aten(`${name}.float`, [float(1.7)]), aten(`${name}.complex`, [z]), aten(`${name}.Scalar`, [int(3)])]),
  ...realOnly.flatMap((name) => [aten(`${name}.int`, [int(3)]), aten(`${name}.float`, [float(2.5)]), aten(`${name}.Scalar`, [float(0.7)])]),
  ...["floor", "ceil", "neg"].flatMap((name) => [aten(`${name}.int`, [int(-3)]), aten(`${name}.float`, [float(-2.5)]), aten(`${name}.Scalar`, [float(2.5)])]),
  aten("neg.complex", [z]),
  ...["angle"].flatMap((name) => [aten(`${name}.int`, [int(-3)]), aten(`${name}.float`, [float(2.5)]), aten(`${name}.complex`, [z]), aten(`${name}.Scalar`, [float(-2)])]),
  ...[prim("abs.int", [int(-3)]), prim("abs.float", [float(-0.5)]), prim("abs.complex", [z]), prim("abs.Scalar", [int(-3)])],
  aten("sqrt.float", [float(-1)]),
  aten("log.float", [float(0)]),
  aten("gamma.float", [float(-1)]),
  aten("round.float", [float(-2.5)]),
  ...["fmod", "mathremainder", "copysign"].flatMap((name) => [...overloads.map((overload) => aten(`${name}.${overload}`, pair(overload))), aten(name, [int(-7), float(2)])]),
  aten("fmod.int", [int(1), int(0)]),
  ...["atan2", "polar"].flatMap((name) => [...overloads.map((overload) => aten(`${name}.${overload}`, pair(overload))), aten(`${name}.Scalar_Scalar`, [int(-7), float(2)])]),
  aten("log.int_int", [int(8), int(2)]),
  aten("log.float_float", [float(8), float(0.5)]),
  aten("log.int_float", [int(8), float(2.5)]),
  aten("log.float_int", [float(8.5), int(2)]),
  aten("log.complex_complex", [z, complex(2, 1)]),
  aten("log.int_complex", [int(8), z]),
  aten("log.complex_int", [z, int(2)]),
  aten("log.float_complex", [float(8), z]),
  aten("log.complex_float", [z, float(2)]),
  aten("log.Scalar_Scalar", [int(8), float(2)]),
  ...["max", "min"].flatMap((name) => [
    ...overloads.map((overload) => prim(`${name}.${overload}`, pair(overload))),
    prim(name, [int(2), float(1.5)]),
    prim(`${name}.float`, [float(NaN), float(1)]),
    prim(`${name}.int_list`, [ints(1, 2), ints(1, 3)]),
    prim(`${name}.self_int`, [ints(3, -1, 2)]),
    prim(`${name}.self_int`, [ints()]),
    prim(`${name}.float_list`, [floats(1, 2), floats(1)]),
    prim(`${name}.self_float`, [floats(0.5, -1)]),
    prim(`${name}.bool_list`, [bools(true), bools(false, true)]),
    prim(`${name}.self_bool`, [bools(true, false)]),
  ]),
  aten("gcd.int", [int(-12), int(18)]),
  ...[10, 21, 66, 1000].map((n) => aten("factorial.int", [int(n)])),
  aten("factorial.int", [int(-1)]),
  aten("ldexp", [float(0.75), int(4)]),
  aten("frexp", [float(-6.5)]),
  aten("modf", [float(-2.25)]),
  ...["isnan", "isinf", "isfinite"].flatMap((name) => [aten(`${name}.float`, [float(NaN)]), aten(`${name}.float`, [float(Infinity)]), aten(`${name}.complex`, [complex(1, 2)])]),
];
