/** Determinants of matrices, apart from products: they bring factorisations. */

import type { Context } from "../../prims/context.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { determinant } from "../aten/linalg-solve.ts";
import { castTo } from "./casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { tensorAt } from "./inputs.ts";

/** Half types go by way of float32. */
function det(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const wide = x.dtype === "float64" ? x : castTo(ctx, x, "float32");
  return castTo(ctx, determinant(ctx, wide, "Det")[0], x.dtype);
}

export const determinantOps: readonly OnnxOp[] = [onnxOp("Det", { 11: { run: det } })];
