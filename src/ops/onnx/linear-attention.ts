/** Sequence layers with a state that is carried on: LinearAttention, CausalConvWithState. */

import type { Context } from "../../prims/context.ts";
import { convolve } from "../../prims/convolve.ts";
import { copyInto, empty } from "../../prims/calls.ts";
import { narrowed, reshaped, selected, unsqueezed } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { filled } from "../aten/filling.ts";
import { cat } from "../aten/joins.ts";
import { matmul } from "../aten/products.ts";
import { headsOf } from "./attention.ts";
import { castTo } from "./casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { int, maybeTensor, tensorAt } from "./inputs.ts";
import { mapOf } from "./programs.ts";

/** Step `t` of `[B, H, T, D]` as rows `[B, H, 1, D]`. */
const rowAt = (x: Tensor, t: number): Tensor => unsqueezed(selected(x, 2, t), 2);
const columnAt = (x: Tensor, t: number): Tensor => unsqueezed(selected(x, 2, t), 3);

/** A state `[B, H, K, V]` that each step decays, corrects and adds to; queries read it. The state is kept in float32. */
function linearAttention(ctx: Context, call: OnnxCall): Tensor[] {
  const { attributes } = call;
  const rule = attributes.string("update_rule", "gated_delta");
  if (!["linear", "gated", "delta", "gated_delta"].includes(rule))
    throw new OpwiseError("bad-onnx", `LinearAttention has no update rule \`${rule}\``, { wanted: "linear, gated, delta or gated_delta" });
  const [gates, corrects] = [rule.startsWith("gated"), rule.endsWith("delta")];
  const [qHeads, heads] = [attributes.int("q_num_heads"), attributes.int("kv_num_heads")];
  if (!(heads > 0) || qHeads % heads !== 0) throw new OpwiseError("bad-onnx", `${qHeads} heads of queries do not share ${heads} of keys evenly`);
  const query = tensorAt(call, 0);
  const wide = query.dtype === "float64" ? "float64" : "float32";
  const unpacked = (t: Tensor, count: number): Tensor => castTo(ctx, headsOf(ctx, t, count), wide);
  const [q, k, v] = [unpacked(query, qHeads), unpacked(tensorAt(call, 1), heads), unpacked(tensorAt(call, 2), heads)];
  const [past, decay, beta] = [maybeTensor(call, 3), maybeTensor(call, 4), maybeTensor(call, 5)];
  if (gates !== (decay !== undefined) || corrects !== (beta !== undefined))
    throw new OpwiseError("bad-onnx", `the update rule \`${rule}\` wants ${gates ? "" : "no "}decay and ${corrects ? "" : "no "}beta`);
  const [batch = 0, , time = 0, keySize = 1] = q.shape;
  const valueSize = v.shape[3] ?? 0;
  const group = qHeads / heads;
  const given = attributes.float("scale", 0);
  const scale = given === 0 ? 1 / Math.sqrt(keySize) : given;
  const g = decay === undefined ? undefined : unpacked(decay, heads);
  const rate = beta === undefined ? undefined : unpacked(beta, beta.shape[2] ?? 1);
  let state = past === undefined ? filled(ctx, [batch, heads, keySize, valueSize], wide, int(0)) : castTo(ctx, past, wide);
  const out = empty(ctx, [batch, time, heads, group, valueSize], wide);
  for (let t = 0; t < time; t++) {
    if (g !== undefined) state = mapOf(ctx, "decayed_state", [state, columnAt(g, t)], wide, (s, e) => s.mul(e.exp()));
    let value = rowAt(v, t);
    if (rate !== undefined)
      value = mapOf(ctx, "corrected_value", [value, matmul(ctx, rowAt(k, t), state), rowAt(rate, t)], wide, (x, old, b) => b.mul(x.sub(old)));
    state = mapOf(ctx, "written_state", [state, columnAt(k, t), value], wide, (s, a, b) => s.add(a.mul(b)));
    const read = matmul(ctx, reshaped(ctx, selected(q, 2, t), [batch, heads, group, keySize]), state);
    copyInto(
      ctx,
      selected(out, 1, t),
      mapOf(ctx, "scaled_read", [read], wide, (x, by) => x.mul(by.to(x.type)), [scale]),
    );
  }
  return [castTo(ctx, reshaped(ctx, out, [batch, time, qHeads * valueSize]), query.dtype), castTo(ctx, state, past?.dtype ?? query.dtype)];
}

/** A depthwise convolution that sees only the past; its last inputs are handed on. */
function causalConv(ctx: Context, call: OnnxCall): Tensor[] {
  const [x, w] = [tensorAt(call, 0), tensorAt(call, 1)];
  const activation = call.attributes.string("activation", "none");
  if (!["none", "silu", "swish"].includes(activation))
    throw new OpwiseError("bad-onnx", `CausalConvWithState has no activation \`${activation}\``, { wanted: "none, silu or swish" });
  const [batch = 0, channels = 0] = x.shape;
  const kept = (w.shape[2] ?? 1) - 1;
  const before = maybeTensor(call, 3) ?? filled(ctx, [batch, channels, kept], x.dtype, int(0));
  const padded = cat(ctx, [before, x], 2);
  const out = convolve(ctx, padded, w, maybeTensor(call, 2) ?? null, {
    stride: [1],
    padBegin: [0],
    padEnd: [0],
    dilation: [1],
    groups: channels,
    transposed: false,
  });
  const shown = activation === "none" ? out : mapOf(ctx, "silu", [out], x.dtype, (v) => v.div(v.neg().exp().add(1)));
  return [shown, narrowed(padded, 2, (padded.shape[2] ?? 0) - kept, kept)];
}

export const linearAttentionOps: readonly OnnxOp[] = [
  onnxOp("LinearAttention", { 27: { run: linearAttention } }),
  onnxOp("CausalConvWithState", { 27: { run: causalConv } }),
];
