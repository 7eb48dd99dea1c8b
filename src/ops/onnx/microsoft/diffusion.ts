/** What diffusion models are made of after onnxruntime's optimiser, on channels-last pictures: biases, group norms and convolutions. */

import type { Context } from "../../../prims/context.ts";
import { axisMoved, narrowed, reshaped } from "../../../prims/views.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { gelu } from "../../aten/activation.ts";
import { apply, elementwise } from "../../elementwise.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { maybeTensor, tensorAt } from "../inputs.ts";
import { groupNorm } from "../normalization.ts";
import { mapOf } from "../programs.ts";
import { fusedConv } from "./fused.ts";

const plus = elementwise("add", (x, y) => x.add(y));
const times = elementwise("mul", (x, y) => x.mul(y));

const channelsFirst = (t: Tensor): Tensor => axisMoved(t, t.rank - 1, 1);
const channelsLast = (t: Tensor): Tensor => axisMoved(t, 1, t.rank - 1);

/** The left half times GELU of the right half, after a bias. */
function splitGelu(ctx: Context, call: OnnxCall): Tensor {
  const total = apply(ctx, plus, [tensorAt(call, 0), tensorAt(call, 1)]);
  const axis = total.rank - 1;
  const half = (total.shape[axis] ?? 0) / 2;
  if (!Number.isInteger(half)) throw new OpwiseError("shape-mismatch", "BiasSplitGelu wants an even last axis", { got: `[${total.shape.join(", ")}]` });
  return apply(ctx, times, [narrowed(total, axis, 0, half), gelu(ctx, narrowed(total, axis, half, half), "none")]);
}

function normed(ctx: Context, call: OnnxCall, x: Tensor): Tensor {
  const { attributes } = call;
  const last = attributes.int("channels_last", 1) !== 0;
  const activation = attributes.int("activation");
  if (activation !== 0 && activation !== 1)
    throw new OpwiseError("bad-onnx", "`activation` of a group norm is unknown", { wanted: "0 (none) or 1 (SiLU)", got: String(activation) });
  const y = groupNorm(ctx, last ? channelsFirst(x) : x, tensorAt(call, 1), tensorAt(call, 2), attributes.int("groups"), attributes.float("epsilon", 1e-5));
  const shown = activation === 0 ? y : mapOf(ctx, "silu", [y], y.dtype, (v) => v.mul(v.sigmoid()));
  return last ? channelsLast(shown) : shown;
}

/** A residual (as large as `x`, or `[N, 1, 1, C]`, or `[N, C]`) and a bias per channel are added before. */
function skipNorm(ctx: Context, call: OnnxCall): Tensor[] {
  const x = tensorAt(call, 0);
  const [skip, bias] = [tensorAt(call, 3), maybeTensor(call, 4)];
  const last = call.attributes.int("channels_last", 1) !== 0;
  const [n = 1, c = 1] = [skip.shape[0], skip.shape[skip.rank - 1]];
  const perChannel = (t: Tensor, batch: number): Tensor => reshaped(ctx, t, last ? [batch, 1, 1, t.numel / batch] : [batch, t.numel / batch, 1, 1]);
  const added = skip.rank === 2 ? perChannel(skip, n) : skip.numel === n * c ? perChannel(skip, n) : skip;
  let total = apply(ctx, plus, [x, added]);
  if (bias !== undefined) total = apply(ctx, plus, [total, perChannel(bias, 1)]);
  return [normed(ctx, call, total), total];
}

/** Both the picture and the weights have their channels last. */
function nhwcConv(ctx: Context, call: OnnxCall): Tensor {
  const residual = maybeTensor(call, 3);
  return channelsLast(fusedConv(ctx, call, channelsFirst(tensorAt(call, 0)), tensorAt(call, 1), residual === undefined ? undefined : channelsFirst(residual)));
}

export const diffusionOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::BiasAdd", {
    1: { run: (ctx, call) => apply(ctx, plus, [apply(ctx, plus, [tensorAt(call, 0), tensorAt(call, 1)]), tensorAt(call, 2)]) },
  }),
  onnxOp("com.microsoft::BiasSplitGelu", { 1: { run: splitGelu } }),
  onnxOp("com.microsoft::GroupNorm", { 1: { run: (ctx, call) => normed(ctx, call, tensorAt(call, 0)) } }),
  onnxOp("com.microsoft::SkipGroupNorm", { 1: { run: skipNorm } }),
  onnxOp("com.microsoft::NhwcConv", {
    1: { run: (ctx, call) => channelsLast(fusedConv(ctx, call, channelsFirst(tensorAt(call, 0)), channelsFirst(tensorAt(call, 1)), undefined)) },
  }),
  onnxOp("com.microsoft::NhwcFusedConv", { 1: { run: nhwcConv } }),
];
