/** Softmax, LogSoftmax, Hardmax. Before version 13 they take the input as a matrix, split at `axis`. */

import { binary, cast, index, load, select } from "../../expr/expr.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { reshaped } from "../../prims/views.ts";
import { opmathOf } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { axes, zeroOf } from "../aten/memo.ts";
import { extremum, sum } from "../aten/reduction.ts";
import { softmax } from "../aten/softmax.ts";
import { apply, elementwise } from "../elementwise.ts";
import { type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, tensorAt } from "./inputs.ts";
import { computeOf, mapOf } from "./programs.ts";
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

const difference = elementwise("sub", (x, y) => x.sub(y));
const quotient = elementwise("div", (x, y) => x.div(y));

/** Softmax or its logarithm. Half types round after each step of the standard's function body, as its reference evaluator does. */
function normalised(ctx: Context, x: Tensor, axis: number, logarithm: boolean): Tensor {
  if (opmathOf(x.dtype) === x.dtype || x.numel === 0) return softmax(ctx, x, axis, logarithm);
  const shifted = apply(ctx, difference, [x, extremum(ctx, x, [axis], true, true)]);
  const powers = mapOf(ctx, "exp", [shifted], x.dtype, (v) => v.to("f64").exp());
  const total = sum(ctx, powers, axis, true);
  return logarithm ? apply(ctx, difference, [shifted, mapOf(ctx, "log", [total], x.dtype, (v) => v.to("f64").log())]) : apply(ctx, quotient, [powers, total]);
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
  along("Softmax", (ctx, x, axis) => normalised(ctx, x, axis, false)),
  along("LogSoftmax", (ctx, x, axis) => normalised(ctx, x, axis, true)),
  along("Hardmax", hardmax),
];
