/** Activation functions. */

import type { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { gelu } from "../aten/activation.ts";
import { apply, elementwise } from "../elementwise.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { float, tensorAt } from "./inputs.ts";
import { alongChannels } from "./layout.ts";

const SELU_ALPHA = 1.67326319217681884765625;
const SELU_GAMMA = 1.05070102214813232421875;

/** log(1 + exp(x)) without overflow. */
export const softplus = (x: Num): Num => x.max(0).add(x.abs().neg().exp().log1p());

function plain(name: string, build: (x: Num) => Num): OnnxOp {
  const e = elementwise(name, build);
  return onnxOp(name, { 1: { run: (ctx, call) => apply(ctx, e, [tensorAt(call, 0)]) } });
}

/** An op with float attributes, in the order of the expression's further operands. */
function parametric(name: string, attributes: Readonly<Record<string, number>>, build: (...operands: Num[]) => Num): OnnxOp {
  const e = elementwise(name, build);
  return onnxOp(name, {
    1: {
      run: (ctx, call) => apply(ctx, e, [tensorAt(call, 0), ...Object.entries(attributes).map(([key, value]) => float(call.attributes.float(key, value)))]),
    },
  });
}

const prelu = elementwise("prelu", (x, slope) => x.lt(0).where(x.mul(slope), x));

/** The slope broadcasts to the left; before version 7 a vector lay along the channels. */
function preluOf(ctx: Context, call: OnnxCall): Tensor {
  const [x, slope] = [tensorAt(call, 0), tensorAt(call, 1)];
  return apply(ctx, prelu, [x, call.version < 7 && slope.rank === 1 && slope.numel > 1 ? alongChannels(slope, x.rank) : slope]);
}

const swiGlu = elementwise("swiglu", (gate, x, alpha) => gate.div(gate.mul(alpha).neg().exp().add(1)).mul(x));

export const activationOps: readonly OnnxOp[] = [
  plain("Relu", (x) => x.max(0)),
  plain("Sigmoid", (x) => x.sigmoid()),
  plain("Softplus", softplus),
  plain("Softsign", (x) => x.div(x.abs().add(1))),
  plain("HardSwish", (x) => x.mul(x.div(6).add(0.5).max(0).min(1))),
  plain("Mish", (x) => x.mul(softplus(x).tanh())),
  parametric("LeakyRelu", { alpha: 0.01 }, (x, alpha) => x.lt(0).where(x.mul(alpha), x)),
  parametric("ThresholdedRelu", { alpha: 1 }, (x, alpha) => x.gt(alpha).where(x, x.lit(0))),
  parametric("Elu", { alpha: 1 }, (x, alpha) => x.lt(0).where(x.expm1().mul(alpha), x)),
  parametric("Selu", { alpha: SELU_ALPHA, gamma: SELU_GAMMA }, (x, alpha, gamma) => x.gt(0).where(x, x.expm1().mul(alpha)).mul(gamma)),
  parametric("Celu", { alpha: 1 }, (x, alpha) => x.max(0).add(x.div(alpha).expm1().mul(alpha).min(0))),
  parametric("HardSigmoid", { alpha: 0.2, beta: 0.5 }, (x, alpha, beta) => x.mul(alpha).add(beta).max(0).min(1)),
  parametric("Swish", { alpha: 1 }, (x, alpha) => x.div(x.mul(alpha).neg().exp().add(1))),
  onnxOp("SwiGLU", { 28: { run: (ctx, call) => apply(ctx, swiGlu, [tensorAt(call, 0), tensorAt(call, 1), float(call.attributes.float("alpha", 1))]) } }),
  onnxOp("PRelu", { 1: { run: preluOf } }),
  onnxOp("Gelu", { 20: { run: (ctx, call) => gelu(ctx, tensorAt(call, 0), call.attributes.string("approximate", "none")) } }),
];
