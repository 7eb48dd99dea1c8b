/**
 * Embeddings from tables of codes (PyTorch: quantized::embedding_byte, embedding_bag_4bit ...): rows are picked first, then turned
 * into numbers `scale * code + bias`. Four-bit rows keep both in half precision. Bags are summed, whatever the mode says.
 */

import { arg, binary, bitcast, cast, constant, type Expr, index, load, scalar, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Datum } from "../../ir/datum.ts";
import { compute, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { reshaped } from "../../prims/views.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { arange } from "../aten/creation.ts";
import { embeddingBag } from "../aten/embedding-bag.ts";
import { indexSelect } from "../aten/indexing.ts";
import { extremum } from "../aten/reduction.ts";
import { codesOf, mapOne, numOf, once, quantizerOf } from "./codes.ts";
import { embeddingParams, packEmbedding } from "./packed.ts";

const INT64 = 4;
const range = (ctx: Context, end: number, step = 1): Tensor =>
  arange(ctx, { kind: "int", value: 0 }, { kind: "int", value: end }, { kind: "int", value: step }, INT64);
const column = (t: Tensor): Tensor => viewOf(t, [t.shape[0] ?? 0, 1], [t.strides[0] ?? 1, 1], t.offset);

/** Rows `at` of a table of codes as float32 numbers. */
function packedRows(ctx: Context, packed: Datum, at: Tensor): Tensor {
  const { weight, bits } = embeddingParams(packed);
  const q = quantizerOf(weight);
  if (q.scheme === "per_tensor_affine") throw new OpwiseError("bad-argument", "embeddings are quantised per row");
  const [codes, scales, zeros] = [indexSelect(ctx, codesOf(weight), 0, at), indexSelect(ctx, q.scales, 0, at), indexSelect(ctx, q.zeroPoints, 0, at)];
  const program = once(`embedding_rows,${codes.dtype},${scales.dtype},${zeros.dtype},${bits}`, () => {
    const kept = (x: Num): Num => (bits === 8 ? x : x.round("float16"));
    const scale = numOf(arg(1, computeType(scales.dtype))).to("f32");
    const bias = numOf(arg(2, computeType(zeros.dtype)))
      .to("f32")
      .neg()
      .mul(scale);
    const value = kept(scale)
      .mul(numOf(arg(0, computeType(codes.dtype))).to("f32"))
      .add(kept(bias));
    return { name: "embedding_rows", operands: [codes.dtype, scales.dtype, zeros.dtype], scalars: [], outputs: [{ dtype: "float32", parts: [value.re] }] };
  });
  return mapOne(ctx, program, [codes, column(scales), column(zeros)]);
}

/** Byte `at` of a row, as an int. */
const byte = (at: Expr): Expr => cast(load(0, "u8", [index(0), at]), "i32");
const i32 = (x: number): Expr => constant(x, "i32");
const plus = (a: Expr, b: Expr): Expr => binary("add", a, b);

/** A float32 or half of the bytes from `at` on, lowest first. */
function floatOfBytes(at: (k: number) => Expr, half: boolean): Expr {
  const part = (k: number, shift: number): Expr => binary("shl", byte(at(k)), i32(shift));
  if (!half)
    return bitcast(
      [part(0, 0), part(1, 8), part(2, 16), part(3, 24)].reduce((a, b) => binary("bitor", a, b)),
      "f32",
    );
  const raw = binary("bitor", part(0, 0), part(1, 8));
  const size = binary("bitand", raw, i32(0x7fff));
  const normal = bitcast(plus(binary("shl", size, i32(13)), i32(0x38000000)), "f32");
  const small = binary("mul", cast(size, "f32"), constant(2 ** -24, "f32"));
  const magnitude = select(binary("lt", size, i32(0x400)), small, normal);
  return select(binary("eq", binary("bitand", raw, i32(0x8000)), i32(0)), magnitude, binary("mul", magnitude, constant(-1, "f32")));
}

/** Rows with their scale and bias behind the codes, `[rows, bytes]`, as numbers: all, or those at `at`. */
function fusedRows(ctx: Context, table: Tensor, bits: number): Tensor {
  if (table.rank !== 2 || table.dtype !== "uint8")
    throw new OpwiseError("shape-mismatch", "packed embeddings are a 2-D tensor of bytes", { got: `${table.dtype} [${table.shape.join(", ")}]` });
  const tail = bits === 8 ? 8 : 4;
  const per = 8 / bits;
  const [rows = 0, width = 0] = table.shape;
  const program = once(`fused_rows,${bits}`, () => {
    const size = scalar(0, "index");
    const count = (x: number): Expr => constant(x, "index");
    const place =
      (from: number) =>
      (k: number): Expr =>
        binary("add", binary("sub", size, count(tail - from)), count(k));
    const scale = floatOfBytes(place(0), bits !== 8);
    const bias = floatOfBytes(place(tail / 2), bits !== 8);
    const whole = byte(binary("quot", index(1), count(per)));
    const shift = binary("mul", cast(binary("rem", index(1), count(per)), "i32"), i32(bits));
    const code = binary("bitand", binary("shr", whole, shift), i32(2 ** bits - 1));
    return {
      name: "embedding_rows",
      operands: ["uint8"],
      scalars: ["index"],
      outputs: [{ dtype: "float32", parts: [binary("add", binary("mul", scale, cast(code, "f32")), bias)] }],
    };
  });
  return compute(ctx, program, [rows, (width - tail) * per], [table], [width])[0] ?? unreachable("rows");
}

/** The bits of a number that half precision holds. */
function halfBits(x: Expr): Expr {
  const raw = bitcast(x, "i32");
  const size = binary("bitand", raw, i32(0x7fffffff));
  const small = cast(binary("mul", bitcast(size, "f32"), constant(2 ** 24, "f32")), "i32");
  const normal = binary("shr", binary("sub", size, i32(0x38000000)), i32(13));
  const sign = select(binary("lt", raw, i32(0)), i32(0x8000), i32(0));
  return binary("bitor", sign, select(binary("lt", size, i32(0x38800000)), small, normal));
}

/** Rows of numbers as codes over each row's range, scale and bias behind them (FBGEMM's fused rowwise formats). */
function packRows(ctx: Context, x: Tensor, bits: number): Tensor {
  if (x.rank !== 2 || x.dtype !== "float32")
    throw new OpwiseError("shape-mismatch", "the weight is a 2-D tensor of float32", { got: `${x.dtype} [${x.shape.join(", ")}]` });
  const [rows = 0, width = 0] = x.shape;
  const [tail, per] = [bits === 8 ? 8 : 4, 8 / bits];
  if (width % per !== 0) throw new OpwiseError("shape-mismatch", `qembeddingbag_${bits}bit_prepack only works for the number of columns a multiple of ${per}`);
  const [low, high] = [extremum(ctx, x, [1], true, false), extremum(ctx, x, [1], true, true)];
  const program = once(`pack_rows,${bits}`, () => {
    const last = 2 ** bits - 1;
    const at = (slot: number): Num => numOf(load(slot, "f32", [index(0), constant(0, "index")]));
    const one = numOf(constant(1, "f32"));
    const bias = bits === 8 ? at(1) : at(1).round("float16");
    const span = at(2).sub(bias);
    const step = span.div(last);
    const rounded = span.eq(0).where(one, step).round("float16");
    const scale = bits === 8 ? step : rounded.eq(0).where(one, rounded);
    const inverse = bits === 8 ? one.mul(255).div(span.add(1e-8)) : one.div(scale);
    const column = index(1);
    const place = (k: number): Expr => binary("add", binary("mul", column, constant(per, "index")), constant(k, "index"));
    const inside = binary("lt", column, scalar(0, "index"));
    const code = (k: number): Expr => {
      const value = numOf(load(0, "f32", [index(0), place(k)], 0, inside, constant(0, "f32")));
      return binary("shl", value.sub(bias).mul(inverse).rint().max(0).min(last).to("i32").re, i32(k * bits));
    };
    const codes = Array.from({ length: per }, (_, k) => code(k)).reduce((a, b) => binary("bitor", a, b));
    const behind = cast(binary("sub", column, scalar(0, "index")), "i32");
    const half = tail / 2;
    const pattern = (v: Num): Expr => (bits === 8 ? bitcast(v.re, "i32") : halfBits(v.re));
    const inScale = binary("lt", behind, i32(half));
    const word = select(inScale, pattern(scale), pattern(bias));
    const shift = binary("mul", select(inScale, behind, binary("sub", behind, i32(half))), i32(8));
    const fact = binary("bitand", binary("shr", word, binary("max", shift, i32(0))), i32(255));
    return {
      name: "pack_rows",
      operands: ["float32", "float32", "float32"],
      scalars: ["index"],
      outputs: [{ dtype: "uint8", parts: [cast(select(inside, codes, fact), "u8")] }],
    };
  });
  return compute(ctx, program, [rows, width / per + tail], [x, low, high], [width / per])[0] ?? unreachable("rows");
}

interface Bags {
  readonly indices: Tensor;
  readonly offsets: Tensor | null;
  readonly weights: Tensor | null;
  readonly mapping: Tensor | null;
  readonly includeLast: boolean;
}

/** Pruned tables: positions through a mapping; what was pruned (-1) counts nothing. */
function mapped(ctx: Context, at: Tensor, mapping: Tensor, weights: Tensor | null): { readonly at: Tensor; readonly weights: Tensor } {
  const rows = indexSelect(ctx, mapping, 0, at);
  const program = once(`pruned,${rows.dtype},${weights === null}`, () => {
    const row = numOf(arg(0, computeType(rows.dtype))).to("i64");
    const weight = weights === null ? new Num(constant(1, "f32")) : numOf(arg(1, "f32"));
    return {
      name: "pruned",
      operands: weights === null ? [rows.dtype] : [rows.dtype, "float32"],
      scalars: [],
      outputs: [
        { dtype: "int64", parts: [row.max(0n).re] },
        { dtype: "float32", parts: [row.lt(0n).where(new Num(constant(0, "f32")), weight).re] },
      ],
    };
  });
  const [picked = unreachable("rows"), kept = unreachable("weights")] = map(ctx, program, weights === null ? [rows] : [rows, weights]);
  return { at: picked, weights: kept };
}

function bagged(ctx: Context, pick: (at: Tensor) => Tensor, b: Bags): Tensor {
  if (b.indices.rank !== 1 && b.indices.rank !== 2)
    throw new OpwiseError("shape-mismatch", "qembeddingbag operator supports 1 or 2d indices", { got: String(b.indices.rank) });
  if (b.indices.rank === 1 && b.offsets === null) throw new OpwiseError("bad-argument", "embedding_bag operator expects offsets to be set for 1D indices.");
  const flat = reshaped(ctx, b.indices, [b.indices.numel]);
  const offsets = b.offsets ?? range(ctx, b.indices.numel, Math.max(b.indices.shape[1] ?? 1, 1));
  const given = b.weights === null ? null : reshaped(ctx, b.weights, [b.weights.numel]);
  const chosen = b.mapping === null || b.mapping.numel === 0 ? { at: flat, weights: given } : mapped(ctx, flat, b.mapping, given);
  return embeddingBag(ctx, pick(chosen.at), range(ctx, flat.numel), offsets, 0, chosen.weights, b.includeLast, null)[0];
}

const CLASS = "__torch__.torch.classes.quantized.EmbeddingPackedParamsBase";
const BAG_TAIL =
  "Tensor indices, Tensor? offsets=None, bool scale_grad_by_freq=False, int mode=0, bool pruned_weights=False, Tensor? per_sample_weights=None, Tensor? compressed_indices_mapping=None, bool include_last_offset=False) -> Tensor";
type Bag =
  "quantized::b(Tensor weight, Tensor indices, Tensor? offsets=None, bool scale_grad_by_freq=False, int mode=0, bool pruned_weights=False, Tensor? per_sample_weights=None, Tensor? compressed_indices_mapping=None, bool include_last_offset=False) -> Tensor";
type PackedBag =
  "quantized::b(P weight, Tensor indices, Tensor? offsets=None, bool scale_grad_by_freq=False, int mode=0, bool pruned_weights=False, Tensor? per_sample_weights=None, Tensor? compressed_indices_mapping=None, bool include_last_offset=False) -> Tensor";

export const quantizedEmbeddings: readonly Op[] = [
  op(`quantized::embedding_bag_prepack(Tensor weight) -> ${CLASS} W_prepack`, {
    run: (_ctx, weight) => {
      const q = quantizerOf(weight);
      if (q.scheme !== "per_channel_affine_float_qparams")
        throw new OpwiseError("bad-argument", "Expect embedding_bag weights to be quantized using kPerChannelAffineFloatQParams", { got: q.scheme });
      return packEmbedding(weight, weight.dtype === "quint4x2" ? 4 : 8);
    },
    quantised: "own",
  }),
  op(`quantized::embedding_bag_unpack(${CLASS} W_prepack) -> Tensor W_origin` as "quantized::u(P W_prepack) -> Tensor W_origin", {
    run: (_ctx, packed) => embeddingParams(packed).weight,
  }),
  ...(["byte", "4bit"] as const).flatMap((kind) => [
    op(
      `quantized::embedding_${kind}(${CLASS} weight, Tensor indices, bool pruned_weights=False) -> Tensor` as "quantized::e(P weight, Tensor indices, bool pruned_weights=False) -> Tensor",
      {
        run: (ctx, packed, at) => {
          const rows = packedRows(ctx, packed, reshaped(ctx, at, [at.numel]));
          return reshaped(ctx, rows, [...at.shape, rows.shape[1] ?? 0]);
        },
      },
    ),
    op(`quantized::embedding_bag_${kind}(${CLASS} weight, ${BAG_TAIL}` as PackedBag, {
      run: (ctx, packed, indices, offsets, _grad, _mode, _pruned, weights, mapping, includeLast) =>
        bagged(ctx, (at) => packedRows(ctx, packed, at), { indices, offsets, weights, mapping, includeLast }),
    }),
  ]),
  op("quantized::embedding_bag_byte_prepack(Tensor weight) -> Tensor", { run: (ctx, x) => packRows(ctx, x, 8) }),
  ...(
    [
      ["4bit", 4],
      ["2bit", 2],
    ] as const
  ).map(([kind, bits]) =>
    op(
      `quantized::embedding_bag_${kind}_prepack(Tensor weight, bool optimized_qparams=False, int nbins=200, float ratio=0.16) -> Tensor` as "quantized::p(Tensor weight, bool optimized_qparams=False, int nbins=200, float ratio=0.16) -> Tensor",
      {
        run: (ctx, x, optimised) => {
          if (optimised) throw new OpwiseError("unsupported-op", "embeddings are packed without the search for better ranges (`optimized_qparams`)");
          return packRows(ctx, x, bits);
        },
      },
    ),
  ),
  ...(
    [
      ["byte", 8],
      ["4bit", 4],
      ["2bit", 2],
    ] as const
  ).flatMap(([kind, bits]) => [
    op(`quantized::embedding_bag_${kind}_rowwise_offsets(Tensor weight, ${BAG_TAIL}` as Bag, {
      run: (ctx, table, indices, offsets, _grad, _mode, _pruned, weights, mapping, includeLast) =>
        bagged(ctx, (at) => fusedRows(ctx, indexSelect(ctx, table, 0, at), bits), { indices, offsets, weights, mapping, includeLast }),
    }),
    op(`quantized::embedding_bag_${kind}_unpack(Tensor weight) -> Tensor` as "quantized::u(Tensor weight) -> Tensor", {
      run: (ctx, table) => fusedRows(ctx, table, bits),
    }),
  ]),
];
