/** Draws of ones and zeros, which dropout needs, apart from all other random ops. */

import { random } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { type DType, isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { GeneratorState } from "../../tensor/generator.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** Null: the session's own. */
export type Generator = GeneratorState | null;

export function unimplemented(kernel: string, dtype: DType): OpwiseError {
  return new OpwiseError("unsupported-dtype", `"${kernel}" not implemented for '${scalarName(dtype)}'`, { got: dtype });
}
/** @throws bad-argument */
export function check(holds: boolean, message: string): void {
  if (!holds) throw new OpwiseError("bad-argument", message);
}

/** 1 with probability p, else 0, in `out`. */
export function bernoulli(ctx: Context, out: Tensor, p: number, generator: Generator): Tensor {
  check(p >= 0 && p <= 1, `bernoulli_ expects p to be in [0, 1], but got p=${p}`);
  if (isComplex(out.dtype)) throw unimplemented("bernoulli_scalar_cpu_", out.dtype);
  return random(ctx, "bernoulli", generator, out, [p]);
}
