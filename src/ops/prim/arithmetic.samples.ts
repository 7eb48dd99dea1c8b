/** Samples of arithmetic and comparison of Python numbers. */

import { type Arg, aten, bool, complex, device, float, int, type Sample, str } from "../../../test/golden/sample-tensor.ts";

/** Two numbers of each kind: operands on the left and on the right. */
const NUMBERS: Readonly<Record<string, readonly [Arg, Arg]>> = {
  int: [int(-7), int(3)],
  float: [float(-7.5), float(2.25)],
  complex: [complex(1, -2), complex(0.5, 3)],
  bool: [bool(true), bool(false)],
  str: [str("ab"), str("b")],
};
function operands(overload: string): Arg[] {
  const [left = "float", right = left] = overload.split("_");
  return [left, right].map((kind, side) => NUMBERS[kind]?.[side] ?? float(1.5));
}
/** One sample per overload; an empty one takes two boxed numbers. */
function overloads(name: string, ...list: readonly string[]): Sample[] {
  return list.map((overload) => (overload === "" ? aten(name, [int(-7), float(2)]) : aten(`${name}.${overload}`, operands(overload))));
}
const real = ["int", "float", "int_float", "float_int", ""];
const withComplex = ["complex", "int_complex", "complex_int", "float_complex", "complex_float"];
const largest = int("9223372036854775807");

export const samples: readonly Sample[] = [
  ...["add", "sub", "mul"].flatMap((name) => [...overloads(name, ...real, ...withComplex), aten(`${name}.int`, [largest, int(2)])]),
  ...["floordiv", "remainder"].flatMap((name) => [...overloads(name, ...real), aten(`${name}.float`, [float(-0.5), float(0.1)]), aten(name, [int(-7), int(3)])]),
  aten("floordiv.int", [int(1), int(0)]),
  aten("__round_to_zero_floordiv.int", [int(-7), int(2)]),
  ...overloads("div", "int", "float", "complex", ""),
  aten("div.int", [int(1), int(0)]),
  ...overloads("divmod", "int", "float", "int_float", "float_int"),
  ...overloads("pow", "int", "float_int", "complex", "float_complex", "complex_float"),
  aten("pow.float", [float(2.5), float(-1.5)]),
  aten("pow.int_float", [int(2), float(0.5)]),
  aten("pow.Scalar_Scalar", [int(2), float(3)]),
  aten("pow.int_to_int", [int(-3), int(5)]),
  ...["lt", "le", "gt", "ge"].flatMap((name) => [...overloads(name, ...real, "str"), aten(`${name}.float`, [float(NaN), float(1)])]),
  ...["eq", "ne"].flatMap((name) => [
    ...overloads(name, ...real, "complex", "float_complex", "complex_float", "bool", "str"),
    aten(`${name}.float`, [float(NaN), float(NaN)]),
    aten(`${name}.int`, [largest, largest]),
    aten(`${name}.device`, [device("cpu"), device("cpu")]),
  ]),
  ...["__and__", "__or__", "__xor__"].flatMap((name) => overloads(name, "bool", "int")),
  ...["__lshift__", "__rshift__"].flatMap((name) => overloads(name, "int")),
  aten("__not__", [bool(true)]),
];
