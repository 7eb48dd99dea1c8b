/** Scaled dot product attention: region `attention`; its body is two contracts with a softmax between. */

import { arg, binary, cast, constant, index, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, contract, copyInto, copyOf, empty, map, reduce } from "../../prims/calls.ts";
import { logSumExpOf, sumOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { expanded, reshaped, selected, transposed } from "../../prims/views.ts";
import { type DType, isFloat, opmathOf, scalarName, typeName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { broadcastShapes, contiguousStrides, numelOf, sameShape } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op, type Result } from "../define.ts";
import { apply, elementwise, outputParts } from "../elementwise.ts";
import { dropout } from "./dropout.ts";
import { stridesLike } from "./filling.ts";
import { memo } from "./memo.ts";
import { paddingRows } from "./nested.ts";
import { layerNorm } from "./normalization.ts";
import { linear } from "./products.ts";
import { softmax } from "./softmax.ts";

const programs = memo<Program>();

/** `scale * product`, then masks in turn: a number is added, a false bool gives -inf. */
function scoreProgram(dtype: DType, masks: readonly DType[]): Program {
  return programs(`score,${dtype},${masks.join(",")}`, () => {
    const type = computeType(opmathOf(dtype));
    let score = new Num(cast(arg(0, computeType(dtype)), type)).mul(new Num(scalar(0, type)));
    masks.forEach((mask, k) => {
      const m = new Num(arg(k + 1, computeType(mask)));
      score = mask === "bool" ? m.where(score, score.lit(-Infinity)) : score.add(m.to(type));
    });
    return { name: "attention_scores", operands: [dtype, ...masks], scalars: [type], outputs: [{ dtype, parts: outputParts(score, dtype) }], messages: [] };
  });
}

/** The logarithm of the sum of exponentials over the last axis, `[..., 1]`, in double precision inside. */
function logSumExp(ctx: Context, scores: Tensor, dtype: DType): Tensor {
  const program = programs(`lse,${scores.dtype}`, () => {
    const value = cast(arg(0, computeType(scores.dtype)), "f64");
    return { name: "logsumexp", operands: [scores.dtype], scalars: [], messages: [], outputs: [{ dtype: "float64", parts: [value] }, { dtype: "float64", parts: [constant(1, "f64")] }] };
  });
  return reduce(ctx, program, logSumExpOf("f64"), [scores], [scores.rank - 1], true, [dtype])[0] ?? unreachable("logsumexp");
}

/** `exp(score - logsumexp)`; a row without any finite score gives zeros. */
function weightsProgram(dtype: DType, stats: DType, result: DType): Program {
  return programs(`weights,${dtype},${stats},${result}`, () => {
    const type = computeType(opmathOf(result));
    const [s, l] = [new Num(arg(0, computeType(dtype))).to(type), new Num(arg(1, computeType(stats))).to(type)];
    const empty = l.eq(-Infinity);
    return { name: "attention_weights", operands: [dtype, stats], scalars: [], outputs: [{ dtype: result, parts: outputParts(empty.where(s.lit(0), s.sub(l).exp()), result) }], messages: [] };
  });
}

/** True where query `i` may see key `j`: `j <= i`. */
function causalMask(ctx: Context, queries: number, keys: number): Tensor {
  const program = programs("causal", () => ({ name: "causal_mask", operands: [], scalars: [], messages: [], outputs: [{ dtype: "bool", parts: [binary("le", index(1), index(0))] }] }));
  return compute(ctx, program, [queries, keys], [])[0] ?? unreachable("mask");
}

interface Attended {
  readonly out: Tensor;
  readonly weights: Tensor | undefined;
  readonly logsumexp: Tensor | undefined;
}

interface Options {
  readonly mask: Tensor | null;
  readonly causal: boolean;
  readonly scale: number | null;
  readonly dropout: number;
  readonly grouped: boolean;
  readonly wants: "output" | "weights" | "logsumexp";
}

const list = (values: readonly number[]): string => `[${values.join(", ")}]`;

function checkInputs(q: Tensor, k: Tensor, v: Tensor, o: Options): void {
  if (q.dtype !== k.dtype || q.dtype !== v.dtype) throw new OpwiseError("dtype-mismatch", `Expected query, key, and value to have the same dtype, but got query.dtype: ${typeName(q.dtype)} key.dtype: ${typeName(k.dtype)} and value.dtype: ${typeName(v.dtype)} instead.`);
  if (!isFloat(q.dtype)) throw new OpwiseError("unsupported-dtype", `"softmax" not implemented for '${scalarName(q.dtype)}'`);
  if (o.causal && o.mask !== null) throw new OpwiseError("bad-argument", "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True");
  if (q.rank < 2 || k.rank < 2 || v.rank < 2) {
    throw new OpwiseError("shape-mismatch", `Expected query, key, and value to all be  at least 2 dimensional, but got query.dim(): ${q.rank}, key.dim(): ${k.rank} and value.dim(): ${v.rank} instead.`);
  }
  if (o.mask !== null && o.mask.dtype !== "bool" && o.mask.dtype !== q.dtype && o.mask.dtype !== "float32") {
    throw new OpwiseError("dtype-mismatch", `Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: ${typeName(o.mask.dtype)} and  query.dtype: ${typeName(q.dtype)} instead.`);
  }
}

/** `[..., M, N]` as `[B, M, N]`. */
function batched(ctx: Context, t: Tensor, lead: readonly number[]): Tensor {
  const wide = sameShape(t.shape.slice(0, -2), lead) ? t : expanded(t, [...lead, ...t.shape.slice(-2)]);
  return reshaped(ctx, wide, [numelOf(lead), ...t.shape.slice(-2)]);
}

/** Attention of `q [..., L, E]` over `k [..., S, E]`, `v [..., S, D]`. */
export function attend(ctx: Context, q: Tensor, k: Tensor, v: Tensor, o: Options): Attended {
  checkInputs(q, k, v, o);
  if (o.grouped) [k, v] = grouped(ctx, q, k, v);
  const lead = broadcastShapes(broadcastShapes(q.shape.slice(0, -2), k.shape.slice(0, -2)), v.shape.slice(0, -2));
  const [queries = 0, width = 0] = q.shape.slice(-2);
  const [keys = 0, depth = 0] = v.shape.slice(-2);
  if (k.shape[k.rank - 1] !== width) throw new OpwiseError("shape-mismatch", `query and key must have the same last dimension, got ${list(q.shape)} and ${list(k.shape)}`);
  if (k.shape[k.rank - 2] !== keys) throw new OpwiseError("shape-mismatch", `key and value must have the same sequence length, got ${list(k.shape)} and ${list(v.shape)}`);
  const scale = o.scale ?? 1 / Math.sqrt(width);
  const wide = opmathOf(q.dtype);
  // The fused kernel, which takes heads of one size without broadcasting, lays its result out like the queries.
  const fused = q.rank === 4 && width === depth && [k, v].every((t) => sameShape(t.shape.slice(0, -2), q.shape.slice(0, -2))) && !o.grouped;
  const shape = [...lead, queries, depth];
  const out = empty(ctx, shape, q.dtype, fused ? stridesLike(q, null) : contiguousStrides(shape));
  let weights: Tensor | undefined;
  let lse: Tensor | undefined;
  const run = (): void => {
    const masks = [...(o.mask === null ? [] : [o.mask]), ...(o.causal ? [causalMask(ctx, queries, keys)] : [])].map((m) => batchedMask(ctx, m, lead, queries, keys));
    const program = scoreProgram(wide, masks.map((m) => m.dtype));
    const scores = contract(ctx, batched(ctx, q, lead), transposed(batched(ctx, k, lead), 1, 2), wide, { program, operands: masks, scalars: [scale] });
    lse = logSumExp(ctx, scores, wide);
    let [chances] = map(ctx, weightsProgram(wide, wide, q.dtype), [scores, lse]);
    if (chances === undefined) return unreachable("weights");
    if (o.dropout > 0) chances = dropout(ctx, chances, o.dropout, true, false, false);
    weights = chances;
    copyInto(ctx, out, viewOf(contract(ctx, chances, batched(ctx, v, lead), q.dtype), shape, contiguousStrides(shape), 0));
  };
  if (out.numel === 0 && o.wants === "output") return { out, weights, logsumexp: lse };
  if (o.wants !== "output" || o.dropout > 0) run();
  else {
    const operands = o.mask === null ? [q, k, v] : [q, k, v, o.mask];
    ctx.region({ kind: "region", name: "attention", operands, results: [out], params: { scale, causal: o.causal, mask: o.mask !== null } }, run);
  }
  const shaped = (t: Tensor | undefined, tail: readonly number[]): Tensor | undefined => (t === undefined ? undefined : reshaped(ctx, t, [...lead, ...tail]));
  return { out, weights: shaped(weights, [queries, keys]), logsumexp: shaped(lse, [queries]) };
}

/** A mask broadcast to `[B, L, S]`, without copying where its leading axes are all of size 1. */
function batchedMask(ctx: Context, mask: Tensor, lead: readonly number[], queries: number, keys: number): Tensor {
  if (numelOf(mask.shape.slice(0, -2)) === 1) {
    let flat = mask;
    while (flat.rank > 2) flat = selected(flat, 0, 0);
    return expanded(flat, [numelOf(lead), queries, keys]);
  }
  return batched(ctx, expanded(mask, [...lead, queries, keys]), lead);
}

/** Grouped queries: each head of keys and values serves several heads of queries in turn. */
export function grouped(ctx: Context, q: Tensor, k: Tensor, v: Tensor): [Tensor, Tensor] {
  const heads = q.shape[q.rank - 3] ?? 1;
  const spread = (t: Tensor): Tensor => {
    const own = t.shape[t.rank - 3] ?? 1;
    if (own === heads) return t;
    if (own === 0 || heads % own !== 0) throw new OpwiseError("shape-mismatch", `Number of heads in key and value must divide the number of heads in query`, { got: `${heads} and ${own}` });
    const axis = t.rank - 3;
    const wide = viewOf(t, [...t.shape.slice(0, axis + 1), heads / own, ...t.shape.slice(axis + 1)], [...t.strides.slice(0, axis + 1), 0, ...t.strides.slice(axis + 1)], t.offset);
    return reshaped(ctx, wide, [...t.shape.slice(0, axis), heads, ...t.shape.slice(axis + 1)]);
  };
  return [spread(k), spread(v)];
}

const options = (mask: Tensor | null, dropoutP: number, causal: boolean, scale: number | null, groupedQueries: boolean, wants: Options["wants"]): Options => ({ mask, causal, scale, dropout: dropoutP, grouped: groupedQueries, wants });

/** `[N, T, E]` as heads `[N, H, T, E / H]`. */
function heads(t: Tensor, count: number): Tensor {
  const [n = 0, time = 0, width = 0] = t.shape;
  const [sn = 0, st = 0, se = 0] = t.strides;
  return viewOf(t, [n, count, time, width / count], [sn, (width / count) * se, st, se], t.offset);
}

/** Multi-head attention with packed projection weights; `mask` is additive or bool with true meaning "hidden". */
function multiHead(
  ctx: Context, query: Tensor, key: Tensor, value: Tensor, width: number, count: number, qkvWeight: Tensor, qkvBias: Tensor, projWeight: Tensor, projBias: Tensor,
  mask: Tensor | null, needWeights: boolean, average: boolean, maskType: number | null,
): [Tensor, Tensor | null] {
  if (query.rank !== 3) throw new OpwiseError("shape-mismatch", `expected 3-D \`query\`, got ${query.rank}-D tensor`);
  if (query.shape[2] !== width) throw new OpwiseError("shape-mismatch", `passed-in embed_dim ${width} didn't match last dim of query ${query.shape[2]}`);
  if (width % count !== 0) throw new OpwiseError("bad-argument", "`embed_dim` must divide evenly by `num_heads`");
  const rows = (t: Tensor, from: number): Tensor => viewOf(t, [width, ...t.shape.slice(1)], t.strides, t.offset + from * width * (t.strides[0] ?? 1));
  const [n = 0, time = 0] = query.shape;
  const project = (t: Tensor, part: number): Tensor => heads(linear(ctx, t, rows(qkvWeight, part), rows(qkvBias, part)), count);
  const hidden = mask === null ? null : hiddenMask(ctx, mask, maskType, n, query.shape[1] ?? 0, key.shape[1] ?? 0);
  const { out, weights } = attend(ctx, project(query, 0), project(key, 1), project(value, 2), options(hidden, 0, false, null, false, needWeights ? "weights" : "output"));
  const joined = reshaped(ctx, transposed(out, 1, 2), [n, time, width]);
  const result = linear(ctx, joined, projWeight, projBias);
  if (!needWeights || weights === undefined) return [result, null];
  return [result, average ? meanOfHeads(ctx, weights) : weights];
}

/** A bool "hidden" mask as "visible", in attention's `[N, H, L, S]` shape: type 0 is `[L, S]`, 1 is a padding mask `[N, S]`, 2 is whole. */
function hiddenMask(ctx: Context, mask: Tensor, type: number | null, n: number, queries: number, keys: number): Tensor {
  const shaped = mask.rank === 2 && type !== 0 && (type === 1 || mask.shape[0] === n) ? viewOf(mask, [n, 1, 1, keys], [mask.strides[0] ?? 0, 0, 0, mask.strides[1] ?? 0], mask.offset)
    : mask.rank === 2 ? viewOf(mask, [1, 1, queries, keys], [0, 0, mask.strides[0] ?? 0, mask.strides[1] ?? 0], mask.offset) : mask;
  if (mask.dtype !== "bool") return shaped;
  const program = programs("visible", () => ({ name: "logical_not", operands: ["bool"], scalars: [], messages: [], outputs: [{ dtype: "bool", parts: [new Num(arg(0, "bool")).not().re] }] }));
  return map(ctx, program, [shaped])[0] ?? unreachable("mask");
}

function meanOfHeads(ctx: Context, weights: Tensor): Tensor {
  const program = programs(`heads,${weights.dtype}`, () => ({
    name: "mean", operands: [weights.dtype], scalars: ["f64"], messages: [],
    outputs: [{ dtype: "float64", parts: [binary("div", cast(arg(0, computeType(weights.dtype)), "f64"), scalar(0, "f64"))] }],
  }));
  return reduce(ctx, program, sumOf("f64"), [weights], [1], false, [weights.dtype], [weights.shape[1] ?? 1])[0] ?? unreachable("mean");
}

const gelu = elementwise("gelu", (x) => x.mul(0.5).mul(x.mul(Math.SQRT1_2).erf().add(1)));
const relu = elementwise("relu", (x) => x.max(0));
const sum = elementwise("add", (x, y) => x.add(y));

/** One encoder layer: attention and a two-layer network, each with a residual and a normalisation before or after. */
function encoderLayer(
  ctx: Context, src: Tensor, width: number, count: number, qkvWeight: Tensor, qkvBias: Tensor, projWeight: Tensor, projBias: Tensor, useGelu: boolean, normFirst: boolean, eps: number,
  normWeight1: Tensor, normBias1: Tensor, normWeight2: Tensor, normBias2: Tensor, ffnWeight1: Tensor, ffnBias1: Tensor, ffnWeight2: Tensor, ffnBias2: Tensor, mask: Tensor | null, maskType: number | null,
): Tensor {
  const { lengths } = src;
  if (lengths !== undefined && mask !== null) throw new OpwiseError("bad-argument", "a nested tensor takes no mask", { where: { op: "aten::_transformer_encoder_layer_fwd" } });
  const [hidden, type] = lengths === undefined ? [mask, maskType] : [paddingRows(ctx, lengths, src.shape[1] ?? 0), 1];
  const norm = (x: Tensor, weight: Tensor, bias: Tensor): Tensor => layerNorm(ctx, x, [width], weight, bias, eps)[0];
  const start = normFirst ? norm(src, normWeight1, normBias1) : src;
  const attended = multiHead(ctx, start, start, start, width, count, qkvWeight, qkvBias, projWeight, projBias, hidden, false, false, type)[0];
  const middle = apply(ctx, sum, [attended, src]);
  const x = normFirst ? middle : norm(middle, normWeight1, normBias1);
  const between = apply(ctx, useGelu ? gelu : relu, [linear(ctx, normFirst ? norm(x, normWeight2, normBias2) : x, ffnWeight1, ffnBias1)]);
  const end = apply(ctx, sum, [linear(ctx, between, ffnWeight2, ffnBias2), x]);
  const out = normFirst ? end : norm(end, normWeight2, normBias2);
  out.lengths = lengths;
  return out;
}

/** The results of the CUDA kernels: beside output and logarithms, bookkeeping that inference leaves empty. */
function deviceAttention(ctx: Context, q: Tensor, k: Tensor, v: Tensor, o: Options): Result[] {
  const { out, logsumexp } = attend(ctx, q, k, v, o);
  const none = (): Tensor => empty(ctx, [0], "int64");
  return [out, logsumexp, none(), none(), q.shape[2] ?? 0, k.shape[2] ?? 0, empty(ctx, [2], "int64"), none(), empty(ctx, [0], q.dtype)];
}

/** Softmax over `dim` of the positions that the mask leaves: type 0 masks `[L, L]`, 1 pads `[B, L]`, 2 has x's shape. */
function maskedSoftmax(ctx: Context, x: Tensor, mask: Tensor, dim: number | null, type: number | null): Tensor {
  if (mask.dtype !== "bool") throw new OpwiseError("dtype-mismatch", "Mask should be a boolean tensor", { got: mask.dtype });
  const axis = dim ?? x.rank - 1;
  const [rows = 0, columns = 0] = mask.shape;
  const wide = type === 1 && x.rank === 4 && mask.rank === 2 ? viewOf(mask, [rows, 1, 1, columns], [mask.strides[0] ?? 0, 0, 0, mask.strides[1] ?? 0], mask.offset) : mask;
  const program = programs(`masked,${x.dtype}`, () => {
    const [v, hidden] = [new Num(arg(0, computeType(x.dtype))), new Num(arg(1, "bool"))];
    return { name: "masked_fill", operands: [x.dtype, "bool"], scalars: [], outputs: [{ dtype: x.dtype, parts: [hidden.where(v.lit(-Infinity), v).re] }], messages: [] };
  });
  const scores = map(ctx, program, [x, wide])[0] ?? unreachable("scores");
  return softmax(ctx, scores, axis, false);
}

/** Queries, keys and values of packed projections `[B, T, 3 * D]` plus their bias, as heads; queries scaled for attention. */
function rescaledHeads(ctx: Context, qkv: Tensor, bias: Tensor, count: number): Tensor[] {
  const width = (qkv.shape[2] ?? 0) / 3;
  const program = programs(`rescale,${qkv.dtype}`, () => {
    const type = computeType(opmathOf(qkv.dtype));
    const read = (slot: number): Num => new Num(arg(slot, computeType(qkv.dtype))).to(type);
    return { name: "rescale_qkv", operands: [qkv.dtype, qkv.dtype], scalars: [type], outputs: [{ dtype: qkv.dtype, parts: outputParts(read(0).add(read(1)).mul(new Num(scalar(0, type))), qkv.dtype) }], messages: [] };
  });
  return [0, 1, 2].map((part) => {
    const rows = viewOf(qkv, [...qkv.shape.slice(0, 2), width], qkv.strides, qkv.offset + part * width * (qkv.strides[2] ?? 1));
    const own = viewOf(bias, [width], bias.strides, bias.offset + part * width * (bias.strides[0] ?? 1));
    const sum = map(ctx, program, [rows, own], [part === 0 ? 1 / Math.sqrt(width / count) : 1])[0] ?? unreachable("heads");
    return copyOf(ctx, heads(sum, count));
  });
}

export const attention: readonly Op[] = [
  op("aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor", {
    run: (ctx, q, k, v, mask, p, causal, scale, gqa) => attend(ctx, q, k, v, options(mask, p, causal, scale, gqa, "output")).out,
  }),
  op("aten::_scaled_dot_product_attention_math(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, Tensor? dropout_mask=None, *, float? scale=None, bool enable_gqa=False) -> (Tensor, Tensor)", {
    run: (ctx, q, k, v, mask, p, causal, _dropoutMask, scale, gqa) => {
      const { out, weights } = attend(ctx, q, k, v, options(mask, p, causal, scale, gqa, "weights"));
      return [out, weights];
    },
  }),
  op("aten::_scaled_dot_product_flash_attention_for_cpu(Tensor query, Tensor key, Tensor value, float dropout_p=0., bool is_causal=False, *, Tensor? attn_mask=None, float? scale=None) -> (Tensor output, Tensor logsumexp)", {
    run: (ctx, q, k, v, p, causal, mask, scale) => {
      const { out, logsumexp } = attend(ctx, q, k, v, options(mask, p, causal, scale, false, "logsumexp"));
      // The logarithms are laid out as [N, L, H].
      return [out, logsumexp === undefined ? undefined : transposed(copyOf(ctx, transposed(logsumexp, 1, 2)), 1, 2)];
    },
  }),
  op("aten::_fused_sdp_choice(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0., bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> int", { run: () => 1 }),
  op("aten::_native_multi_head_attention(Tensor query, Tensor key, Tensor value, int embed_dim, int num_head, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, Tensor? mask=None, bool need_weights=True, bool average_attn_weights=True, int? mask_type=None) -> (Tensor, Tensor)", { run: multiHead }),
  op("aten::_transformer_encoder_layer_fwd(Tensor src, int embed_dim, int num_heads, Tensor qkv_weight, Tensor qkv_bias, Tensor proj_weight, Tensor proj_bias, bool use_gelu, bool norm_first, float eps, Tensor norm_weight_1, Tensor norm_bias_1, Tensor norm_weight_2, Tensor norm_bias_2, Tensor ffn_weight_1, Tensor ffn_bias_1, Tensor ffn_weight_2, Tensor ffn_bias_2, Tensor? mask=None, int? mask_type=None) -> Tensor", { run: encoderLayer, nested: true }),
  op("aten::_masked_softmax(Tensor self, Tensor mask, int? dim=None, int? mask_type=None) -> Tensor", { run: maskedSoftmax }),
  op("aten::_transform_bias_rescale_qkv(Tensor qkv, Tensor qkv_bias, int num_heads) -> (Tensor, Tensor, Tensor)", { run: rescaledHeads }),
  op("aten::_scaled_dot_product_efficient_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias, bool compute_log_sumexp, float dropout_p=0., bool is_causal=False, *, float? scale=None) -> (Tensor output, Tensor log_sumexp, Tensor philox_seed, Tensor philox_offset)", {
    run: (ctx, q, k, v, bias, wantsLogs, p, causal, scale) => {
      const { out, logsumexp } = attend(ctx, q, k, v, options(bias, p, causal, scale, false, "logsumexp"));
      return [out, wantsLogs ? logsumexp : empty(ctx, [q.shape[0] ?? 0, q.shape[1] ?? 0, 0], "float32"), empty(ctx, [], "int64"), empty(ctx, [], "int64")];
    },
  }),
  op("aten::_scaled_dot_product_flash_attention(Tensor query, Tensor key, Tensor value, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, Tensor rng_state, Tensor unused, Tensor debug_attn_mask)", {
    run: (ctx, q, k, v, p, causal, _debug, scale) => deviceAttention(ctx, q, k, v, options(null, p, causal, scale, false, "logsumexp")),
  }),
  op("aten::_scaled_dot_product_cudnn_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_bias, bool compute_log_sumexp, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, Tensor philox_seed, Tensor philox_offset, Tensor debug_attn_mask)", {
    run: (ctx, q, k, v, bias, _logs, p, causal, _debug, scale) => deviceAttention(ctx, q, k, v, options(bias, p, causal, scale, false, "logsumexp")),
  }),
  op("aten::_scaled_dot_product_fused_attention_overrideable(Tensor query, Tensor key, Tensor value, Tensor? attn_bias=None, float dropout_p=0., bool is_causal=False, bool return_debug_mask=False, *, float? scale=None) -> (Tensor output, Tensor logsumexp, Tensor cum_seq_q, Tensor cum_seq_k, SymInt max_q, SymInt max_k, Tensor philox_seed, Tensor philox_offset, Tensor debug_attn_mask)", {
    run: (ctx, q, k, v, bias, p, causal, _debug, scale) => deviceAttention(ctx, q, k, v, options(bias, p, causal, scale, false, "logsumexp")),
  }),
];
