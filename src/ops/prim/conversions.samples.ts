/** Samples of conversions between Python numbers. */

import { type Arg, aten, bool, complex, float, int, prim, type Sample, str } from "../../../test/golden/sample-tensor.ts";

const parts: Readonly<Record<string, Arg>> = { int: int(-3), float: float(0.5), bool: bool(true) };
const pairs = ["int_bool", "bool_int", "float_bool", "bool_float", "float_int", "int_float", "int_int", "bool_bool", "float_float"];

export const samples: readonly Sample[] = [
  aten("Int.bool", [bool(true)]),
  aten("Int.float", [float(-3.9)]),
  aten("Int.Scalar", [float(2.5)]),
  aten("Int.str", [str("-42")]),
  aten("Int.str", [str("4.5")]),
  aten("Float.int", [int(7)]),
  aten("Float.bool", [bool(true)]),
  aten("Float.Scalar", [int(7)]),
  aten("Float.str", [str("1e-3")]),
  ...["one", "0x1.8p3", "-0X.8P-2", "0x10", "0xp1", "nan(1)", "1e400", "1e-400", "+.5", "1_0"].map((text) => aten("Float.str", [str(text)])),
  aten("Bool.int", [int(-1)]),
  aten("Bool.float", [float(NaN)]),
  aten("Complex.Scalar", [complex(1, 2)]),
  ...pairs.map((pair) => aten(`Complex.${pair}`, pair.split("_").map((kind) => parts[kind] ?? int(0)))),
  prim("NumToTensor.Scalar", [float(0.1)]),
  prim("NumToTensor.Scalar", [int(3)]),
  prim("NumToTensor.bool", [bool(true)]),
];
