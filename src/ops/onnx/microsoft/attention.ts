/** Attention as onnxruntime's optimiser and model builders write it: Attention, QAttention, MultiHeadAttention, DecoderMaskedMultiHeadAttention. */

import { binary, cast, constant, type Expr, type ExprType, index, load, scalar, select } from "../../../expr/expr.ts";
import { Num } from "../../../expr/num.ts";
import type { Context } from "../../../prims/context.ts";
import { computeType } from "../../../prims/program.ts";
import { narrowed, permuted, reshaped, selected, transposed } from "../../../prims/views.ts";
import { opmathOf } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { attend, grouped } from "../../aten/attention.ts";
import { cat, stack } from "../../aten/joins.ts";
import { addOf, loadIndex, size, subOf } from "../../aten/memo.ts";
import { matmul } from "../../aten/products.ts";
import { softmax } from "../../aten/softmax.ts";
import { apply, elementwise, outputParts } from "../../elementwise.ts";
import { headsOf } from "../attention.ts";
import { castTo } from "../casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { integerAt, maybeTensor, type Reading, tensorAt } from "../inputs.ts";
import { computeOf, mapOf } from "../programs.ts";
import { codeProduct } from "../quantized-products.ts";

const plus = elementwise("add", (x, y) => x.add(y));
const ZERO = constant(0, "index");

/** `[B, H, S, D]` as `[B, S, H * D]`. */
export function merged(ctx: Context, t: Tensor): Tensor {
  const [b = 0, h = 0, s = 0, d = 0] = t.shape;
  return reshaped(ctx, permuted(t, [0, 2, 1, 3]), [b, s, h * d]);
}

export interface Scoring {
  /** Numbers added to the scores, broadcast to `[B, H, S, T]`. */
  readonly bias: Tensor | undefined;
  readonly scale: number;
  /** Soft cap of the scores; 0: none. */
  readonly cap: number;
  /** A score per head `[H]` (or one) that takes part in the softmax and leads nowhere. */
  readonly sink: Tensor | undefined;
}

/** Attention of heads `[B, H, S, D]`, keys and values perhaps of fewer heads. */
export function attended(ctx: Context, q: Tensor, k: Tensor, v: Tensor, s: Scoring): Tensor {
  if (s.cap === 0 && s.sink === undefined) return attend(ctx, q, k, v, { mask: s.bias ?? null, causal: false, scale: s.scale, dropout: 0, grouped: true, wants: "output" }).out;
  const wide = opmathOf(q.dtype);
  const [keys, values] = grouped(ctx, q, k, v);
  const product = matmul(ctx, castTo(ctx, q, wide), castTo(ctx, transposed(keys, 2, 3), wide));
  let scores = mapOf(ctx, `capped ${s.cap > 0}`, [product], wide, (x, scale, cap) => {
    const score = x.to("f64").mul(scale);
    return s.cap > 0 ? score.div(cap).apply("tanh").mul(cap) : score;
  }, [s.scale, s.cap]);
  if (s.bias !== undefined) scores = apply(ctx, plus, [scores, s.bias]);
  const length = scores.shape[3] ?? 0;
  if (s.sink !== undefined) {
    const [b = 0, h = 0, n = 0] = scores.shape;
    const one = s.sink.numel === 1;
    const column = computeOf(ctx, "attention_sink", String(one), [b, h, n, 1], [reshaped(ctx, s.sink, [s.sink.numel])], wide, [], [], () => ({ parts: [cast(load(0, computeType(s.sink?.dtype ?? wide), [one ? ZERO : index(1)]), computeType(wide))] }));
    scores = cat(ctx, [scores, column], 3);
  }
  const chances = narrowed(softmax(ctx, scores, 3, false), 3, 0, length);
  return castTo(ctx, matmul(ctx, chances, castTo(ctx, values, wide)), q.dtype);
}

/** What hides keys from queries. */
interface Hiding {
  /** Lengths `[B]`, ends and starts `[2 B]`, or marks of 1 where a key is seen: `[B, T]`, `[B, S, T]`, `[B, 1, M, M]`. */
  readonly mask: Tensor | undefined;
  readonly extra: Tensor | undefined;
  readonly causal: boolean;
  /** What a hidden key's score is lowered by. */
  readonly filter: number;
  /** Keys before the first query. */
  readonly past: number;
}

function maskKind(mask: Tensor | undefined, batch: number): string {
  if (mask === undefined) return "none";
  if (mask.rank === 1 && mask.numel === batch) return "lengths";
  if (mask.rank === 1 && mask.numel === 2 * batch) return "ranges";
  if (mask.rank >= 2 && mask.rank <= 4) return `marks${mask.rank}`;
  throw new OpwiseError("shape-mismatch", `an attention mask of shape [${mask.shape.join(", ")}] for ${batch} samples`, { wanted: "[B], [2 B], [B, T], [B, S, T] or [B, 1, M, M]" });
}

/** All that is added to the scores, `[B, H | 1, S, T]`, or undefined where nothing is. */
function biasOf(ctx: Context, h: Hiding, batch: number, queries: number, keys: number): Tensor | undefined {
  if (h.mask === undefined && !h.causal) return h.extra;
  const kind = maskKind(h.mask, batch);
  const operands = [...(h.mask === undefined ? [] : [h.mask]), ...(h.extra === undefined ? [] : [h.extra])];
  const ones = h.extra?.shape.map((n) => n === 1).join("/");
  const types: readonly ExprType[] = ["index", "f64", "index"];
  return computeOf(ctx, "attention_bias", `${kind},${h.causal},${ones}`, [batch, h.extra?.shape[1] ?? 1, queries, keys], operands, "float32", types, [h.past, h.filter, batch], () => {
    const [b, head, i, j] = [index(0), index(1), index(2), index(3)];
    const dtype = h.mask?.dtype ?? "int32";
    const mark = (at: readonly Expr[]): Expr => binary("gt", loadIndex(0, dtype, at), ZERO);
    const seen: Readonly<Record<string, () => Expr>> = {
      lengths: () => binary("lt", j, loadIndex(0, dtype, [b])),
      ranges: () => binary("and", binary("lt", j, loadIndex(0, dtype, [b])), binary("ge", j, loadIndex(0, dtype, [addOf(b, size(2))]))),
      marks2: () => mark([b, j]),
      marks3: () => mark([b, i, j]),
      marks4: () => mark([b, ZERO, addOf(i, size(0)), j]),
    };
    const none = constant(0, "f64");
    const shown = seen[kind]?.();
    let value = shown === undefined ? none : select(shown, none, scalar(1, "f64"));
    if (h.causal) value = select(binary("le", j, addOf(i, size(0))), value, constant(-Infinity, "f64"));
    const { extra } = h;
    if (extra === undefined) return { parts: [cast(value, "f32")] };
    const at = [b, head, i, j].map((e, k) => (extra.shape[k] === 1 ? ZERO : e));
    return { parts: outputParts(new Num(value).add(new Num(load(operands.length - 1, computeType(extra.dtype), at)).to("f64")), "float32") };
  });
}

const filterOf = (call: OnnxCall): number => call.attributes.float("mask_filter_value", -10000);

function scaleOf(call: OnnxCall, width: number): number {
  const given = call.attributes.float("scale", 0);
  return given === 0 ? 1 / Math.sqrt(width) : given;
}

/** Attention of projections `[B, S, 3 E]`; keys and values of the past go before. Results: output, present `[2, B, H, T, D]`. */
function selfAttention(ctx: Context, call: OnnxCall, projected: Tensor, mask: Tensor | undefined, past: Tensor | undefined, extra: Tensor | undefined): Tensor[] {
  const { attributes } = call;
  if (attributes.int("do_rotary", 0) !== 0) throw new OpwiseError("unsupported-op", "Attention with `do_rotary`", { hint: "export RotaryEmbedding as a node of its own" });
  const width = projected.shape[2] ?? 0;
  const sizes = attributes.ints("qkv_hidden_sizes") ?? [width / 3, width / 3, width / 3];
  const count = attributes.int("num_heads");
  const [q, k, v] = [0, 1, 2].map((i) => headsOf(ctx, narrowed(projected, 2, sizes.slice(0, i).reduce((a, b) => a + b, 0), sizes[i] ?? 0), count)) as [Tensor, Tensor, Tensor];
  const keys = past === undefined ? k : cat(ctx, [selected(past, 0, 0), k], 2);
  const values = past === undefined ? v : cat(ctx, [selected(past, 0, 1), v], 2);
  const before = past?.shape[3] ?? 0;
  const [batch = 0, length = 0] = projected.shape;
  const bias = biasOf(ctx, { mask, extra, causal: attributes.int("unidirectional", 0) !== 0, filter: filterOf(call), past: before }, batch, length, before + length);
  const y = merged(ctx, attended(ctx, q, keys, values, { bias, scale: scaleOf(call, q.shape[3] ?? 1), cap: 0, sink: undefined }));
  return call.outputs > 1 ? [y, stack(ctx, [keys, values], 0)] : [y];
}

function attention(ctx: Context, call: OnnxCall): Tensor[] {
  const bias = maybeTensor(call, 2);
  const product = matmul(ctx, tensorAt(call, 0), tensorAt(call, 1));
  return selfAttention(ctx, call, bias === undefined ? product : apply(ctx, plus, [product, bias]), maybeTensor(call, 3), maybeTensor(call, 4), maybeTensor(call, 5));
}

/** Attention whose projection is a product of codes. */
function quantizedAttention(ctx: Context, call: OnnxCall): Tensor[] {
  const sums = codeProduct(ctx, tensorAt(call, 0), maybeTensor(call, 6), tensorAt(call, 1), maybeTensor(call, 7));
  const bias = tensorAt(call, 2);
  const projected = mapOf(ctx, "dequantize_product", [sums, tensorAt(call, 3), tensorAt(call, 4), bias], bias.dtype, (v, a, b, add) => v.to("f64").mul(a.to("f32").mul(b.to("f32")).to("f64")).add(add.to("f64")));
  return selfAttention(ctx, call, projected, maybeTensor(call, 5), maybeTensor(call, 8), undefined);
}

interface Inputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}
/** Query, key and value as heads: apart, or packed as `[B, S, H, 3, D]` or `[B, T, H, 2, D]`. */
function headsIn(ctx: Context, call: OnnxCall, bias: Tensor | undefined): Inputs {
  const count = call.attributes.int("num_heads");
  const query = tensorAt(call, 0);
  const [key, value] = [maybeTensor(call, 1), maybeTensor(call, 2)];
  const part = (t: Tensor, i: number): Tensor => permuted(selected(t, 3, i), [0, 2, 1, 3]);
  if (query.rank === 5) return { q: part(query, 0), k: part(query, 1), v: part(query, 2) };
  let from = 0;
  const own = (t: Tensor): Tensor => {
    if (bias === undefined || t.rank !== 3) return headsOf(ctx, t, count);
    const width = t.shape[2] ?? 0;
    from += width;
    return headsOf(ctx, apply(ctx, plus, [t, narrowed(bias, 0, from - width, width)]), count);
  };
  const q = own(query);
  if (key?.rank === 5) return { q, k: part(key, 0), v: part(key, 1) };
  if (key === undefined || value === undefined) throw new OpwiseError("bad-onnx", "MultiHeadAttention lacks keys or values");
  return { q, k: own(key), v: own(value) };
}

function multiHead(ctx: Context, call: OnnxCall): Tensor[] {
  const { q, k, v } = headsIn(ctx, call, maybeTensor(call, 3));
  const [pastKey, pastValue] = [maybeTensor(call, 6), maybeTensor(call, 7)];
  const keys = pastKey === undefined ? k : cat(ctx, [pastKey, k], 2);
  const values = pastValue === undefined ? v : cat(ctx, [pastValue, v], 2);
  const before = pastKey?.shape[2] ?? 0;
  const [batch = 0, , length = 0, width = 1] = q.shape;
  const hiding: Hiding = { mask: maybeTensor(call, 4), extra: maybeTensor(call, 5), causal: call.attributes.int("unidirectional", 0) !== 0, filter: filterOf(call), past: before };
  const scale = scaleOf(call, width);
  const y = merged(ctx, attended(ctx, q, keys, values, { bias: biasOf(ctx, hiding, batch, length, keys.shape[2] ?? 0), scale, cap: 0, sink: undefined }));
  if (call.outputs < 4) return [y, keys, values];
  return [y, keys, values, mapOf(ctx, "attention_product", [matmul(ctx, q, transposed(keys, 2, 3))], q.dtype, (s, by) => s.mul(by.to(s.type)), [scale])];
}

/** The cache with `fresh [B, H, S, D]` written from row `at` on. */
function written(ctx: Context, cache: Tensor, fresh: Tensor, at: number): Tensor {
  return computeOf(ctx, "write_cache", "", cache.shape, [cache, fresh], cache.dtype, ["index", "index"], [at, fresh.shape[2] ?? 0], () => {
    const [b, h, t, d] = [index(0), index(1), index(2), index(3)];
    const place = subOf(t, size(0));
    const inside = binary("and", binary("ge", place, ZERO), binary("lt", place, size(1)));
    const type = computeType(cache.dtype);
    return { parts: [load(1, type, [b, h, place, d], 0, inside, load(0, type, [b, h, t, d]))] };
  });
}

/** One new token per sample; the cache is a buffer with room, or grows. */
function* decoderMasked(ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const { q, k, v } = headsIn(ctx, call, maybeTensor(call, 10));
  const [pastKey, pastValue] = [maybeTensor(call, 5), maybeTensor(call, 6)];
  const shares = call.attributes.int("past_present_share_buffer", 0) !== 0;
  const before = shares ? ((yield* integerAt(call, 7)) ?? 0) : (pastKey?.shape[2] ?? 0);
  if (maybeTensor(call, 9) !== undefined) throw new OpwiseError("unsupported-op", "DecoderMaskedMultiHeadAttention with a cache indirection", { hint: "beams have to be gathered by nodes of their own" });
  const extended = (cache: Tensor | undefined, fresh: Tensor): Tensor => (cache === undefined ? fresh : shares ? written(ctx, cache, fresh, before) : cat(ctx, [cache, fresh], 2));
  const [keys, values] = [extended(pastKey, k), extended(pastValue, v)];
  const [batch = 0, , length = 0, width = 1] = q.shape;
  const used = before + length;
  const hiding: Hiding = { mask: maybeTensor(call, 3), extra: maybeTensor(call, 4), causal: false, filter: filterOf(call), past: before };
  const bias = biasOf(ctx, hiding, batch, length, used);
  const y = attended(ctx, q, narrowed(keys, 2, 0, used), narrowed(values, 2, 0, used), { bias, scale: scaleOf(call, width), cap: 0, sink: undefined });
  return [merged(ctx, y), keys, values];
}

export const fusedAttentionOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::Attention", { 1: { run: attention } }),
  onnxOp("com.microsoft::QAttention", { 1: { run: quantizedAttention } }),
  onnxOp("com.microsoft::MultiHeadAttention", { 1: { run: multiHead } }),
  onnxOp("com.microsoft::DecoderMaskedMultiHeadAttention", { 1: { reads: decoderMasked } }),
];
