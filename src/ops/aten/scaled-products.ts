/** Products of float8 matrices with scales (torch._scaled_mm), as PyTorch's CPU kernel has them: in float32, rounded once. */

import { cast_ } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { type DType, dtypeInfo, dtypeOfTorch, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { mm } from "./products.ts";
import { plus, times } from "./steps.ts";

const isFloat8 = (t: Tensor): boolean => dtypeInfo(t.dtype).class === "float" && dtypeInfo(t.dtype).itemsize === 1;

/** `[M, K]` by `[K, N]`; a scale is one number for all, or one for each row of `a` `[M, 1]` and each column of `b` `[1, N]`. */
function scaledProduct(ctx: Context, a: Tensor, b: Tensor, scaleA: Tensor, scaleB: Tensor, bias: Tensor | null, dtype: DType): Tensor {
  const [rows, depth] = a.shape;
  const [depthB, columns] = b.shape;
  if (a.rank !== 2) throw new OpwiseError("shape-mismatch", "mat_a must be a matrix");
  if (b.rank !== 2) throw new OpwiseError("shape-mismatch", "mat_b must be a matrix");
  if (depth !== depthB) throw new OpwiseError("shape-mismatch", `mat_a and mat_b shapes cannot be multiplied (${rows}x${depth} and ${depthB}x${columns})`);
  const singletons = scaleA.numel === 1 && scaleB.numel === 1;
  const rowwise =
    scaleA.rank === 2 &&
    scaleB.rank === 2 &&
    scaleA.shape[0] === rows &&
    scaleA.shape[1] === 1 &&
    scaleB.shape[0] === 1 &&
    scaleB.shape[1] === columns &&
    scaleA.isContiguous &&
    scaleB.isContiguous;
  if (!isFloat8(a) || !isFloat8(b) || scaleA.dtype !== "float32" || scaleB.dtype !== "float32" || (!singletons && !rowwise)) {
    throw new OpwiseError("bad-argument", "Invalid scaling configuration.", {
      wanted: `float8 matrices, and float32 scales of one number each, or of shapes [${rows}, 1] and [1, ${columns}]`,
      got: `${scalarName(a.dtype)} by ${scalarName(b.dtype)}, scales [${scaleA.shape.join(", ")}] and [${scaleB.shape.join(", ")}] of ${scalarName(scaleA.dtype)} and ${scalarName(scaleB.dtype)}`,
    });
  }
  const product = mm(ctx, times(ctx, cast_(ctx, a, "float32"), scaleA), times(ctx, cast_(ctx, b, "float32"), scaleB));
  return cast_(ctx, bias === null ? product : plus(ctx, product, cast_(ctx, bias, "float32")), dtype);
}

const resultOf = (a: Tensor, dtype: number | null): DType => (dtype === null ? a.dtype : dtypeOfTorch(dtype));

/** The scale of operand `name`. Recipes 0 and 1 are one number for all and one a row; blocks of numbers have no kernel on the CPU. */
function scaleOf(name: string, scales: readonly Tensor[], recipes: readonly number[]): Tensor {
  const [scale] = scales;
  const [recipe] = recipes;
  if (scale === undefined || scales.length !== 1 || recipes.length !== 1 || (recipe !== 0 && recipe !== 1)) {
    throw new OpwiseError("bad-argument", "Invalid scaling configuration.", {
      wanted: "one scale, for all (TensorWise) or for each row (RowWise)",
      got: `${scales.length} scales of recipes ${recipes.join(", ")}`,
    });
  }
  const stride = scale.strides[1];
  if (recipe === 1 && stride !== undefined && stride !== 1) throw new OpwiseError("bad-argument", `expected ${name}.stride(1) to be 1, but got ${stride}`);
  return scale;
}

export const scaledProducts: readonly Op[] = [
  // The CPU's kernel reads no `scale_result`.
  op(
    "aten::_scaled_mm(Tensor self, Tensor mat2, Tensor scale_a, Tensor scale_b, Tensor? bias=None, Tensor? scale_result=None, ScalarType? out_dtype=None, bool use_fast_accum=False) -> Tensor",
    {
      run: (ctx, a, b, scaleA, scaleB, bias, _scaleResult, dtype) => scaledProduct(ctx, a, b, scaleA, scaleB, bias, resultOf(a, dtype)),
    },
  ),
  op(
    "aten::_scaled_mm_v2(Tensor self, Tensor mat2, Tensor[] scale_a, int[] recipe_a, int[] swizzle_a, Tensor[] scale_b, int[] recipe_b, int[] swizzle_b, Tensor? bias, ScalarType? out_dtype, int[] contraction_dim=[], bool use_fast_accum=False) -> Tensor",
    {
      run: (ctx, a, b, scaleA, recipeA, _swizzleA, scaleB, recipeB, _swizzleB, bias, dtype) =>
        scaledProduct(ctx, a, b, scaleOf("scale_a", scaleA, recipeA), scaleOf("scale_b", scaleB, recipeB), bias, resultOf(a, dtype)),
    },
  ),
];
