/** Attention over heads: masks, caches and windows of ONNX's op around the attention of aten; RotaryEmbedding. */

import { binary, cast, constant, type Expr, type ExprType, index, load, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { expanded, permuted, reshaped, transposed } from "../../prims/views.ts";
import { opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { attend, grouped } from "../aten/attention.ts";
import { cat } from "../aten/joins.ts";
import { addOf, loadIndex, loadParts, mulOf, quotOf, remOf, size, subOf, zeroOf } from "../aten/memo.ts";
import { matmul } from "../aten/products.ts";
import { extremum } from "../aten/reduction.ts";
import { softmax } from "../aten/softmax.ts";
import { outputParts } from "../elementwise.ts";
import { castTo } from "./casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { dtypeOfCode, maybeTensor, tensorAt } from "./inputs.ts";
import { computeOf, mapOf } from "./programs.ts";

/** `[B, S, H * D]` as `[B, H, S, D]`; four axes stay. */
export function headsOf(ctx: Context, t: Tensor, count: number): Tensor {
  if (t.rank === 4) return t;
  const [batch = 0, length = 0, width = 0] = t.shape;
  if (t.rank !== 3 || !(count > 0) || width % count !== 0)
    throw new OpwiseError("shape-mismatch", `${count} heads of a tensor of shape [${t.shape.join(", ")}]`, {
      wanted: "[B, H, S, D], or [B, S, H * D] and the number of heads",
    });
  return permuted(reshaped(ctx, t, [batch, length, count, width / count]), [0, 2, 1, 3]);
}

/** What decides which keys a query sees. */
interface Sight {
  readonly mask: Tensor | undefined;
  readonly causal: boolean;
  /** Keys that precede the first query: a number, or with `lengths` what those leave. */
  readonly offset: number;
  /** Keys in use per sample, `[B]`. */
  readonly lengths: Tensor | undefined;
  readonly left: number;
  readonly right: number;
}

/**
 * The sight as one mask `[B | 1, H | 1, S, T]`: bool where the given mask is none or bool, else numbers to add, which are -inf where a key is hidden.
 */
function maskOf(ctx: Context, s: Sight, batch: number, queries: number, keys: number, like: Tensor): Tensor {
  const given =
    s.mask === undefined
      ? undefined
      : viewOf(
          s.mask,
          [...new Array<number>(4 - s.mask.rank).fill(1), ...s.mask.shape],
          [...new Array<number>(4 - s.mask.rank).fill(0), ...s.mask.strides],
          s.mask.offset,
        );
  const isBool = given === undefined || given.dtype === "bool";
  const lead = broadcastShapes((given?.shape ?? [1, 1]).slice(0, 2), [s.lengths === undefined ? 1 : batch, 1]);
  const shape = [...lead, queries, keys];
  const operands = [...(given === undefined ? [] : [given]), ...(s.lengths === undefined ? [] : [s.lengths])];
  const ones = given?.shape.slice(0, 3).map((n) => n === 1);
  const key = `${isBool},${s.causal},${s.lengths !== undefined},${s.left >= 0},${s.right >= 0},${ones?.join("/")}`;
  const scalars = [s.offset, s.left, s.right, given?.shape[3] ?? keys, queries];
  return computeOf(
    ctx,
    "attention_mask",
    key,
    shape,
    operands,
    isBool ? "bool" : opmathOf(like.dtype),
    scalars.map((): ExprType => "index"),
    scalars,
    () => {
      const [b, h, i, j] = [index(0), index(1), index(2), index(3)];
      const used = s.lengths === undefined ? undefined : loadIndex(operands.length - 1, s.lengths.dtype, [b]);
      const offset = used === undefined ? size(0) : subOf(used, size(4));
      const gap = subOf(addOf(i, offset), j);
      const conditions: Expr[] = [binary("lt", j, size(3))];
      if (s.causal) conditions.push(binary("ge", gap, constant(0, "index")));
      if (s.left >= 0) conditions.push(binary("le", gap, size(1)));
      if (s.right >= 0) conditions.push(binary("ge", addOf(gap, size(2)), constant(0, "index")));
      if (used !== undefined) conditions.push(binary("lt", j, used));
      const seen = conditions.reduce((p, q) => binary("and", p, q));
      if (given === undefined) return { parts: [seen] };
      const at = [b, h, i].map((e, k) => (ones?.[k] === true ? constant(0, "index") : e));
      const [value = seen] = loadParts(0, given.dtype, [...at, j], binary("lt", j, size(3)));
      if (isBool) return { parts: [binary("and", seen, value)] };
      const type = computeType(opmathOf(like.dtype));
      return { parts: [select(seen, cast(value, type), constant(-Infinity, type))] };
    },
  );
}

/** A query whose row of the mask hides every key: `[..., S, 1]`. */
function hiddenRows(ctx: Context, mask: Tensor): Tensor {
  const top = extremum(ctx, mask, [mask.rank - 1], true, true);
  return mask.dtype === "bool" ? mapOf(ctx, "not", [top], "bool", (m) => m.not()) : mapOf(ctx, "is_lowest", [top], "bool", (m) => m.eq(-Infinity));
}

/** The steps of attention one by one, for what only they give: soft caps, another precision, the scores themselves. */
function stepwise(ctx: Context, call: OnnxCall, q: Tensor, keys: Tensor, values: Tensor, scale: number, mask: Tensor | undefined): [Tensor, Tensor] {
  const { attributes } = call;
  const wide = opmathOf(q.dtype);
  const [k, v] = grouped(ctx, q, keys, values);
  const root = Math.sqrt(scale);
  const scaled = (t: Tensor): Tensor => mapOf(ctx, "scaled", [t], wide, (x, by) => x.mul(by.to(x.type)), [root]);
  const product = matmul(ctx, scaled(q), transposed(scaled(k), 2, 3));
  const cap = attributes.float("softcap", 0);
  const capped = cap > 0 ? mapOf(ctx, "softcap", [product], wide, (x, c) => x.to("f64").div(c).apply("tanh").mul(c), [cap]) : product;
  const biased =
    mask === undefined
      ? capped
      : mask.dtype === "bool"
        ? mapOf(ctx, "masked_scores", [capped, mask], wide, (x, m) => m.where(x, x.lit(-Infinity)))
        : mapOf(ctx, "biased_scores", [capped, mask], wide, (x, m) => m.to(x.type).add(x));
  const precision = attributes.has("softmax_precision") ? dtypeOfCode(attributes.int("softmax_precision")) : wide;
  const raw = softmax(ctx, castTo(ctx, biased, precision), -1, false);
  const chances = mask === undefined ? raw : mapOf(ctx, "unless_hidden", [raw, hiddenRows(ctx, mask)], raw.dtype, (p, gone) => gone.where(p.lit(0), p));
  const shown = [product, capped, biased, chances][attributes.int("qk_matmul_output_mode", 0)] ?? product;
  return [castTo(ctx, matmul(ctx, castTo(ctx, chances, wide), castTo(ctx, v, wide)), q.dtype), castTo(ctx, shown, q.dtype)];
}

function attention(ctx: Context, call: OnnxCall): Tensor[] {
  const { attributes } = call;
  const flat = tensorAt(call, 0).rank === 3;
  const q = headsOf(ctx, tensorAt(call, 0), attributes.int("q_num_heads", 0));
  const kvHeads = attributes.int("kv_num_heads", 0);
  const past = [maybeTensor(call, 4), maybeTensor(call, 5)] as const;
  if ((past[0] === undefined) !== (past[1] === undefined)) throw new OpwiseError("bad-onnx", "Attention wants both `past_key` and `past_value`, or neither");
  const joinedWith = (old: Tensor | undefined, at: number): Tensor => {
    const fresh = headsOf(ctx, tensorAt(call, at), kvHeads);
    return old === undefined ? fresh : cat(ctx, [old, fresh], 2);
  };
  const [k, v] = [joinedWith(past[0], 1), joinedWith(past[1], 2)];
  const [batch = 0, , queries = 0, width = 1] = q.shape;
  const keys = k.shape[2] ?? 0;
  const given = attributes.float("scale", 0);
  const scale = attributes.has("scale") ? given : 1 / Math.sqrt(width);
  const lengths = past[0] === undefined ? maybeTensor(call, 6) : undefined;
  const sight: Sight = {
    mask: maybeTensor(call, 3),
    causal: attributes.int("is_causal", 0) !== 0,
    offset: past[0]?.shape[2] ?? 0,
    lengths,
    left: attributes.int("left_window_size", -1),
    right: attributes.int("right_window_size", -1),
  };
  const plain = lengths === undefined && sight.left < 0 && sight.right < 0 && (sight.mask === undefined || sight.mask.shape[sight.mask.rank - 1] === keys);
  const simpleCausal = plain && sight.causal && sight.offset === 0 && sight.mask === undefined;
  const mask = plain && (simpleCausal || !sight.causal) ? sight.mask : maskOf(ctx, sight, batch, queries, keys, q);
  const inSteps = call.outputs > 3 || attributes.float("softcap", 0) > 0 || attributes.has("softmax_precision");
  let [y, scores]: [Tensor, Tensor | undefined] = [q, undefined];
  if (inSteps) [y, scores] = stepwise(ctx, call, q, k, v, scale, simpleCausal ? maskOf(ctx, sight, batch, queries, keys, q) : mask);
  else {
    // Half types round once, at the end.
    const wide = opmathOf(q.dtype);
    const numbers = mask === undefined || mask.dtype === "bool" ? mask : castTo(ctx, mask, wide);
    const shaped = numbers === undefined || numbers.rank > 1 ? (numbers ?? null) : expanded(numbers, [queries, keys]);
    const [a, b, c] = [castTo(ctx, q, wide), castTo(ctx, k, wide), castTo(ctx, v, wide)];
    y = castTo(ctx, attend(ctx, a, b, c, { mask: shaped, causal: simpleCausal, scale, dropout: 0, grouped: true, wants: "output" }).out, q.dtype);
  }
  const joined = flat ? reshaped(ctx, permuted(y, [0, 2, 1, 3]), [batch, queries, (q.shape[1] ?? 0) * (v.shape[3] ?? 0)]) : y;
  return scores === undefined ? [joined, k, v] : [joined, k, v, scores];
}

/** Pairs of features turned by the angle of their place. Pairs are neighbours, or lie half the rotated width apart. */
export function rotated(ctx: Context, x: Tensor, cos: Tensor, sin: Tensor, positions: Tensor | undefined, width: number, interleaved: boolean): Tensor {
  const operands = positions === undefined ? [x, cos, sin] : [x, cos, sin, positions];
  return computeOf(ctx, "rotary_embedding", String(interleaved), x.shape, operands, x.dtype, ["index", "index"], [width, width / 2], () => {
    const [b, h, s, d] = [index(0), index(1), index(2), index(3)];
    const two = constant(2, "index");
    const [whole, half] = [size(0), size(1)];
    const inside = binary("lt", d, whole);
    const pair = select(inside, interleaved ? quotOf(d, two) : remOf(d, half), zeroOf("index"));
    const first = interleaved ? binary("eq", remOf(d, two), zeroOf("index")) : binary("lt", d, half);
    const [low, high] = interleaved ? [mulOf(pair, two), addOf(mulOf(pair, two), constant(1, "index"))] : [pair, addOf(pair, half)];
    const angle = (slot: number, t: Tensor): Num => {
      const at = positions === undefined ? [b, s, pair] : [loadIndex(3, positions.dtype, [b, s]), pair];
      return new Num(load(slot, computeType(t.dtype), at));
    };
    const feature = (at: Expr): Num => new Num(load(0, computeType(x.dtype), [b, h, s, at]));
    const [c, n] = [angle(1, cos).to(computeType(x.dtype)), angle(2, sin).to(computeType(x.dtype))];
    const [a, e] = [feature(low), feature(high)];
    const turned = new Num(first).where(c.mul(a).sub(n.mul(e)), n.mul(a).add(c.mul(e)));
    return { parts: outputParts(new Num(inside).where(turned, feature(d)), x.dtype) };
  });
}

function rotaryEmbedding(ctx: Context, call: OnnxCall): Tensor {
  const given = tensorAt(call, 0);
  const { attributes } = call;
  const x = headsOf(ctx, given, attributes.int("num_heads", 0));
  const stated = attributes.int("rotary_embedding_dim", 0);
  const width = stated === 0 ? (x.shape[3] ?? 0) : stated;
  const [cos, sin] = [tensorAt(call, 1), tensorAt(call, 2)];
  if (cos.shape[cos.rank - 1] !== width / 2)
    throw new OpwiseError("shape-mismatch", "the cosines do not fit the rotated width", { wanted: String(width / 2), got: String(cos.shape[cos.rank - 1]) });
  const out = rotated(ctx, x, cos, sin, maybeTensor(call, 3), width, attributes.int("interleaved", 0) !== 0);
  return given.rank === 3 ? reshaped(ctx, permuted(out, [0, 2, 1, 3]), given.shape) : out;
}

export const attentionOps: readonly OnnxOp[] = [onnxOp("Attention", { 23: { run: attention } }), onnxOp("RotaryEmbedding", { 23: { run: rotaryEmbedding } })];
