/** Matrix products: MatMul, Gemm, Einsum. */

import type { Context } from "../../prims/context.ts";
import { transposed } from "../../prims/views.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { einsum } from "../aten/einsum.ts";
import { matmul, mm } from "../aten/products.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { maybeTensor, numberLike, tensorAt, tensorsFrom } from "./inputs.ts";
import { flattenedAt } from "./shapes.ts";

/** `alpha * A' B' + beta * C`. */
function gemm(ctx: Context, call: OnnxCall): Tensor {
  const { attributes } = call;
  const matrix = (at: number, flag: string): Tensor => {
    const given = tensorAt(call, at);
    const t = given.rank === 2 ? given : flattenedAt(ctx, given, 1);
    return attributes.int(flag, 0) !== 0 ? transposed(t, 0, 1) : t;
  };
  const [a, b] = [matrix(0, "transA"), matrix(1, "transB")];
  const alpha = numberLike(a, attributes.float("alpha", 1));
  return mm(ctx, a, b, { tensor: maybeTensor(call, 2), alpha, beta: numberLike(a, attributes.float("beta", 1)) });
}

export const productOps: readonly OnnxOp[] = [
  onnxOp("MatMul", { 1: { run: (ctx, call) => matmul(ctx, tensorAt(call, 0), tensorAt(call, 1)) } }),
  onnxOp("Gemm", { 1: { run: gemm } }),
  onnxOp("Einsum", { 12: { run: (ctx, call) => einsum(ctx, call.attributes.string("equation"), tensorsFrom(call), null) } }),
];
