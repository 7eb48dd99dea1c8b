/** `frexp` as arithmetic on the bits of a double: mantissa in [0.5, 1) and exponent. */

import { arg, binary, bitcast, cast, constant, type Expr, select, unary } from "../../expr/expr.ts";
import { computeType, type Program } from "../../prims/program.ts";
import type { DType } from "../../tensor/dtype.ts";

const programs = new Map<DType, Program>();

const EXPONENT_BITS = 0x7ffn << 52n;
const EXPONENT_OF_HALF = 1022n << 52n;
const MIN_NORMAL = 2.2250738585072014e-308;
const RAISE = 54;

/** The program that gives mantissa and int32 exponent of a float dtype. */
export function frexpProgram(dtype: DType): Program {
  let program = programs.get(dtype);
  if (program === undefined) {
    const big = (value: bigint): Expr => constant(value, "i64");
    const x = cast(arg(0, computeType(dtype)), "f64");
    // Doubles below the normal range are raised into it first.
    const low = binary("lt", unary("abs", x), constant(MIN_NORMAL, "f64"));
    const raised = select(low, binary("mul", x, constant(2 ** RAISE, "f64")), x);
    const bits = bitcast(raised, "i64");
    const field = binary("bitand", binary("shr", bits, big(52n)), big(0x7ffn));
    const exponent = binary("sub", field, select(low, big(1022n + BigInt(RAISE)), big(1022n)));
    const mantissa = bitcast(binary("bitor", binary("bitand", bits, big(~EXPONENT_BITS)), big(EXPONENT_OF_HALF)), "f64");
    const plain = binary("or", binary("eq", x, constant(0, "f64")), unary("not", unary("isfinite", x)));
    program = {
      name: "frexp", operands: [dtype], scalars: [], messages: [],
      outputs: [
        { dtype, parts: [cast(select(plain, x, mantissa), computeType(dtype))] },
        { dtype: "int32", parts: [cast(select(plain, big(0n), exponent), "i32")] },
      ],
    };
    programs.set(dtype, program);
  }
  return program;
}
