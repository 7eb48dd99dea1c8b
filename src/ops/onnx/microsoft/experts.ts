/** Mixture of experts: every expert works on every token, weighted by what the router gives it (0 for those not picked). */

import { cast, constant, fold, index, load, select, binary } from "../../../expr/expr.ts";
import type { Context } from "../../../prims/context.ts";
import { computeType } from "../../../prims/program.ts";
import { narrowed, reshaped, selected, sliced, transposed } from "../../../prims/views.ts";
import { opmathOf } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { loadIndex, size } from "../../aten/memo.ts";
import { linear } from "../../aten/products.ts";
import { softmax } from "../../aten/softmax.ts";
import { sum } from "../../aten/reduction.ts";
import { firstSorted } from "../../aten/sorting.ts";
import { gelu } from "../../aten/activation.ts";
import { castTo } from "../casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { maybeTensor, tensorAt } from "../inputs.ts";
import { computeOf, mapOf } from "../programs.ts";

/** Weights `[T, E]`: the softmax of all logits at the k best experts (their sum made 1 where asked), 0 elsewhere. */
function routing(ctx: Context, call: OnnxCall, logits: Tensor): Tensor {
  const k = call.attributes.int("k", 1);
  const chances = softmax(ctx, castTo(ctx, logits, opmathOf(logits.dtype)), 1, false);
  const [best, at] = firstSorted(ctx, chances, k, 1, true);
  const shares = call.attributes.int("normalize_routing_weights", 0) === 0 ? best : mapOf(ctx, "normalise_routing", [best, sum(ctx, best, 1, true)], best.dtype, (v, total) => v.div(total));
  return computeOf(ctx, "spread_routing", "", logits.shape, [shares, at], shares.dtype, ["index"], [k], () => {
    const type = computeType(shares.dtype);
    const zero = cast(constant(0, "f64"), type);
    const [weight = zero] = fold(0, size(0), [zero], ([w = zero], j) => [select(binary("eq", loadIndex(1, at.dtype, [index(0), j]), index(1)), load(0, type, [index(0), j]), w)]);
    return { parts: [weight] };
  });
}

/** Gate and linear halves, side by side or in turn, joined by SwiGLU with its slope, shift and limit. */
function swiGlu(ctx: Context, call: OnnxCall, x: Tensor): Tensor {
  const { attributes } = call;
  const width = x.shape[1] ?? 0;
  const inTurn = attributes.int("swiglu_fusion", 0) === 1;
  const [gate, linearPart] = inTurn ? [sliced(x, 1, 0, width, 2), sliced(x, 1, 1, width, 2)] : [narrowed(x, 1, 0, width / 2), narrowed(x, 1, width / 2, width / 2)];
  return joinedGate(ctx, call, gate, linearPart);
}
function joinedGate(ctx: Context, call: OnnxCall, gate: Tensor, linearPart: Tensor): Tensor {
  const { attributes } = call;
  const limit = attributes.has("swiglu_limit") ? attributes.float("swiglu_limit") : Infinity;
  const scalars = [attributes.float("activation_alpha", 1), attributes.float("activation_beta", 0), limit];
  return mapOf(ctx, "swiglu", [gate, linearPart], gate.dtype, (g, l, alpha, beta, top) => {
    const [a, b] = [g.to("f64").min(top), l.to("f64").max(top.neg()).min(top)];
    return a.mul(a.mul(alpha).sigmoid()).mul(b.add(beta));
  }, scalars);
}

function activated(ctx: Context, call: OnnxCall, x: Tensor): Tensor {
  const name = call.attributes.string("activation_type", "relu");
  switch (name) {
    case "relu": return mapOf(ctx, "relu", [x], x.dtype, (v) => v.max(0));
    case "gelu": return gelu(ctx, x, "tanh");
    case "silu": return mapOf(ctx, "silu", [x], x.dtype, (v) => v.mul(v.sigmoid()));
    case "swiglu": return swiGlu(ctx, call, x);
    case "identity": return x;
    default: throw new OpwiseError("bad-onnx", "`activation_type` of MoE is unknown", { wanted: "relu, gelu, silu, swiglu or identity", got: name });
  }
}

function moe(ctx: Context, call: OnnxCall): Tensor {
  const given = tensorAt(call, 0);
  const width = given.shape[given.rank - 1] ?? 0;
  const x = reshaped(ctx, given, [given.numel / Math.max(width, 1), width]);
  const weights = routing(ctx, call, tensorAt(call, 1));
  const [up, upBias, down, downBias, gate, gateBias] = [tensorAt(call, 2), maybeTensor(call, 3), tensorAt(call, 4), maybeTensor(call, 5), maybeTensor(call, 6), maybeTensor(call, 7)];
  // Older files lay weights as [experts, in, out].
  const rows = (t: Tensor, inputs: number): Tensor => (t.shape[1] === inputs ? t : transposed(t, 0, 1));
  const layer = (t: Tensor, bias: Tensor | undefined, expert: number, v: Tensor): Tensor => linear(ctx, v, rows(selected(t, 0, expert), v.shape[1] ?? 0), bias === undefined ? null : selected(bias, 0, expert));
  let total: Tensor | undefined;
  for (let e = 0; e < (up.shape[0] ?? 0); e++) {
    const hidden = layer(up, upBias, e, x);
    const gated = gate === undefined ? activated(ctx, call, hidden) : mapOf(ctx, "gate", [call.attributes.string("activation_type", "relu") === "swiglu" ? mapOf(ctx, "silu", [hidden], hidden.dtype, (v) => v.mul(v.sigmoid())) : activated(ctx, call, hidden), layer(gate, gateBias, e, x)], x.dtype, (a, b) => a.mul(b));
    const answer = layer(down, downBias, e, gated);
    const share = narrowed(weights, 1, e, 1);
    const own = total;
    total = own === undefined
      ? mapOf(ctx, "weighted", [answer, share], weights.dtype, (v, w) => w.eq(0).where(v.lit(0).to(w.type), v.to(w.type).mul(w)))
      : mapOf(ctx, "weighted_sum", [own, answer, share], weights.dtype, (s, v, w) => w.eq(0).where(s, s.add(v.to(w.type).mul(w))));
  }
  if (total === undefined) throw new OpwiseError("bad-onnx", "MoE without experts");
  return reshaped(ctx, castTo(ctx, total, given.dtype), given.shape);
}

export const expertOps: readonly OnnxOp[] = [onnxOp("com.microsoft::MoE", { 1: { run: moe } })];
