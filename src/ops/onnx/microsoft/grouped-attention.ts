/** GroupQueryAttention and RotaryEmbedding: causal attention over a cache whose samples have lengths of their own. */

import { binary, cast, constant, type ExprType, index, load, select } from "../../../expr/expr.ts";
import { Num } from "../../../expr/num.ts";
import type { Context } from "../../../prims/context.ts";
import { computeType } from "../../../prims/program.ts";
import { narrowed, permuted, reshaped } from "../../../prims/views.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { addOf, loadIndex, size, subOf } from "../../aten/memo.ts";
import { outputParts } from "../../elementwise.ts";
import { headsOf, rotated } from "../attention.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { integerAt, maybeTensor, type Reading, tensorAt } from "../inputs.ts";
import { computeOf } from "../programs.ts";
import { attended, merged } from "./attention.ts";

const ZERO = constant(0, "index");
const ONE = constant(1, "index");

/** Where each sample's new tokens begin, `[B]`: 0 in a prompt, else its length (one more than `last` says) less the new tokens. */
function startsOf(ctx: Context, last: Tensor, fresh: number, prompt: boolean): Tensor {
  return computeOf(ctx, "cache_starts", String(prompt), [last.numel], [last], "int64", ["index"], [fresh], () => ({
    parts: [prompt ? constant(0n, "i64") : cast(subOf(addOf(loadIndex(0, last.dtype, [index(0)]), ONE), size(0)), "i64")],
  }));
}

/** Past rows up to each start, then the new ones, then zeros: `[B, H, T, D]`. */
function extended(ctx: Context, past: Tensor | undefined, fresh: Tensor, starts: Tensor, length: number): Tensor {
  const [b = 0, h = 0, n = 0, d = 0] = fresh.shape;
  const operands = past === undefined || past.numel === 0 ? [fresh, starts] : [fresh, starts, past];
  const held = operands.length > 2;
  return computeOf(ctx, "extend_cache", String(held), [b, h, length, d], operands, fresh.dtype, ["index"], [n], () => {
    const [at, head, t, e] = [index(0), index(1), index(2), index(3)];
    const type = computeType(fresh.dtype);
    const start = loadIndex(1, "int64", [at]);
    const place = subOf(t, start);
    const zero = new Num(constant(0, "f64")).to(type).re;
    const older = held ? load(2, type, [at, head, t, e], 0, binary("lt", t, start), zero) : zero;
    return { parts: [load(0, type, [at, head, place, e], 0, binary("and", binary("ge", place, ZERO), binary("lt", place, size(0))), older)] };
  });
}

/** 0 where a key is seen: not after its query nor the sample's `last` key, and inside the window; with what else is added to the scores. */
function causalBias(ctx: Context, starts: Tensor, last: Tensor, extra: Tensor | undefined, queries: number, keys: number, window: number): Tensor {
  const types: readonly ExprType[] = ["index"];
  const ones = extra?.shape.map((n) => n === 1).join("/");
  return computeOf(ctx, "causal_bias", `${window >= 0},${ones}`, [starts.numel, extra?.shape[1] ?? 1, queries, keys], extra === undefined ? [starts, last] : [starts, last, extra], "float32", types, [window], () => {
    const [b, h, i, j] = [index(0), index(1), index(2), index(3)];
    const gap = subOf(addOf(loadIndex(0, "int64", [b]), i), j);
    const near = binary("and", binary("ge", gap, ZERO), binary("le", j, loadIndex(1, last.dtype, [b])));
    const seen = window >= 0 ? binary("and", near, binary("lt", gap, size(0))) : near;
    const added = extra === undefined ? constant(0, "f64") : new Num(load(2, computeType(extra.dtype), [b, h, i, j].map((e, k) => (extra.shape[k] === 1 ? ZERO : e)))).to("f64").re;
    return { parts: outputParts(new Num(select(seen, added, constant(-Infinity, "f64"))), "float32") };
  });
}

/** The place of every new token, `[B, S]`. */
function placesOf(ctx: Context, starts: Tensor, fresh: number): Tensor {
  return computeOf(ctx, "token_places", "", [starts.numel, fresh], [starts], "int64", [], [], () => ({ parts: [cast(addOf(loadIndex(0, "int64", [index(0)]), index(1)), "i64")] }));
}

function* groupQuery(ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const { attributes } = call;
  const query = tensorAt(call, 0);
  const [count, shared] = [attributes.int("num_heads"), attributes.int("kv_num_heads")];
  const [key, value] = [maybeTensor(call, 1), maybeTensor(call, 2)];
  const [, fresh = 0, wide = 0] = query.shape;
  const packed = key === undefined || value === undefined;
  const width = packed ? wide / (count + 2 * shared) : wide / count;
  if (!Number.isInteger(width)) throw new OpwiseError("shape-mismatch", `${count} heads of queries and ${shared} of keys in a width of ${wide}`);
  let q = headsOf(ctx, packed ? narrowed(query, 2, 0, count * width) : query, count);
  let k = headsOf(ctx, packed ? narrowed(query, 2, count * width, shared * width) : key, shared);
  const v = headsOf(ctx, packed ? narrowed(query, 2, (count + shared) * width, shared * width) : value, shared);
  const total = (yield* integerAt(call, 6)) ?? fresh;
  const last = reshaped(ctx, tensorAt(call, 5), [tensorAt(call, 5).numel]);
  const starts = startsOf(ctx, last, fresh, fresh === total);
  if (attributes.int("do_rotary", 0) !== 0) {
    const [cos, sin] = [tensorAt(call, 7), tensorAt(call, 8)];
    const places = maybeTensor(call, 9) ?? placesOf(ctx, starts, fresh);
    const turned = (t: Tensor): Tensor => rotated(ctx, t, cos, sin, places, 2 * (cos.shape[1] ?? 0), attributes.int("rotary_interleaved", 0) !== 0);
    [q, k] = [turned(q), turned(k)];
  }
  const [pastKey, pastValue] = [maybeTensor(call, 3), maybeTensor(call, 4)];
  const length = Math.max(total, pastKey?.shape[2] ?? 0);
  const [keys, values] = [extended(ctx, pastKey, k, starts, length), extended(ctx, pastValue, v, starts, length)];
  const bias = causalBias(ctx, starts, last, maybeTensor(call, 10), fresh, total, attributes.int("local_window_size", -1));
  const scale = attributes.float("scale", 0);
  const sink = maybeTensor(call, 11) ?? (attributes.int("smooth_softmax", 0) === 1 ? Tensor.from([0], [1], "float32") : undefined);
  const y = attended(ctx, q, narrowed(keys, 2, 0, total), narrowed(values, 2, 0, total), { bias, scale: scale === 0 ? 1 / Math.sqrt(width) : scale, cap: attributes.float("softcap", 0), sink });
  return [merged(ctx, y), keys, values];
}

/** Positions `[B, S]`, or one number from which they count. */
function rotary(ctx: Context, call: OnnxCall): Tensor {
  const given = tensorAt(call, 0);
  const [positions, cos, sin] = [tensorAt(call, 1), tensorAt(call, 2), tensorAt(call, 3)];
  const { attributes } = call;
  const stated = attributes.int("rotary_embedding_dim", 0);
  const turned = stated > 0 ? stated : 2 * (cos.shape[1] ?? 0);
  const heads = attributes.int("num_heads", 0);
  const x = headsOf(ctx, given, heads > 0 ? heads : (given.shape[2] ?? 0) / turned);
  const [batch = 0, , length = 0] = x.shape;
  const places = positions.numel === 1 && positions.rank === 1
    ? computeOf(ctx, "places_from", "", [batch, length], [positions], "int64", [], [], () => ({ parts: [cast(addOf(loadIndex(0, positions.dtype, [ZERO]), index(1)), "i64")] }))
    : positions;
  const out = rotated(ctx, x, cos, sin, places, turned, attributes.int("interleaved", 0) !== 0);
  return given.rank === 3 ? reshaped(ctx, permuted(out, [0, 2, 1, 3]), given.shape) : out;
}

export const groupedAttentionOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::GroupQueryAttention", { 1: { reads: groupQuery } }),
  onnxOp("com.microsoft::RotaryEmbedding", { 1: { run: rotary } }),
];
