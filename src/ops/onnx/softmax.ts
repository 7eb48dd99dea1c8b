/** Softmax, LogSoftmax, Hardmax. Before version 13 they take the input as a matrix, split at `axis`. */

import { binary, cast, index, load, select } from "../../expr/expr.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { reshaped } from "../../prims/views.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { axes, zeroOf } from "../aten/memo.ts";
import { softmax } from "../aten/softmax.ts";
import { type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, tensorAt } from "./inputs.ts";
import { computeOf } from "./programs.ts";
import { positionOf } from "./reductions.ts";
import { flattenedAt } from "./shapes.ts";

/** 1 at the first largest element along `axis`, 0 elsewhere. */
function hardmax(ctx: Context, x: Tensor, axis: number): Tensor {
  const at = positionOf(ctx, x, axis, true, true, false);
  return computeOf(ctx, "hardmax", String(axis), x.shape, [at], x.dtype, [], [], () => {
    const top = cast(
      load(
        0,
        "i64",
        axes(x.rank).map((e, i) => (i === axis ? zeroOf("index") : e)),
      ),
      "index",
    );
    const type = computeType(x.dtype);
    return { parts: [select(binary("eq", index(axis), top), zeroOf(type, 1), zeroOf(type))] };
  });
}

function along(name: string, meaning: (ctx: Context, x: Tensor, axis: number) => Tensor): OnnxOp {
  return onnxOp(name, {
    1: {
      run: (ctx, call) => {
        const x = tensorAt(call, 0);
        return reshaped(ctx, meaning(ctx, flattenedAt(ctx, x, call.attributes.int("axis", 1)), 1), x.shape);
      },
    },
    13: {
      run: (ctx, call) => {
        const x = tensorAt(call, 0);
        return meaning(ctx, x, axisOf(call.attributes.int("axis", -1), x.rank));
      },
    },
  });
}

export const softmaxOps: readonly OnnxOp[] = [
  along("Softmax", (ctx, x, axis) => softmax(ctx, x, axis, false)),
  along("LogSoftmax", (ctx, x, axis) => softmax(ctx, x, axis, true)),
  along("Hardmax", hardmax),
];
