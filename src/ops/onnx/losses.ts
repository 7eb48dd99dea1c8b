/** Losses over classes; their meaning is PyTorch's nll_loss on `[N, C, d...]`. */

import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { nll } from "../aten/class-loss.ts";
import { softmax } from "../aten/softmax.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { maybeTensor, tensorAt } from "./inputs.ts";

/** Stands for "nothing is ignored": no label is that large. */
const NO_LABEL = Number.MAX_SAFE_INTEGER;
const REDUCTIONS: Readonly<Record<string, number>> = { none: 0, mean: 1, sum: 2 };

function loss(ctx: Context, call: OnnxCall, logs: Tensor): Tensor {
  const name = call.attributes.string("reduction", "mean");
  const reduction = REDUCTIONS[name];
  if (reduction === undefined) throw new OpwiseError("bad-onnx", "`reduction` is unknown", { wanted: "none, mean or sum", got: name });
  return nll(ctx, logs, tensorAt(call, 1), maybeTensor(call, 2) ?? null, reduction, call.attributes.int("ignore_index", NO_LABEL))[0];
}

function crossEntropy(ctx: Context, call: OnnxCall): Tensor[] {
  const logs = softmax(ctx, tensorAt(call, 0), 1, true);
  return [loss(ctx, call, logs), logs];
}

export const lossOps: readonly OnnxOp[] = [
  onnxOp("NegativeLogLikelihoodLoss", { 12: { run: (ctx, call) => loss(ctx, call, tensorAt(call, 0)) } }),
  onnxOp("SoftmaxCrossEntropyLoss", { 12: { run: crossEntropy } }),
];
