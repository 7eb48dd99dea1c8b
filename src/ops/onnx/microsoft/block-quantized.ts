/** Weights of 2, 4 or 8 bits in blocks with a scale each: MatMulNBits, GatherBlockQuantized. */

import { binary, cast, constant, type Expr, type ExprType, index, load } from "../../../expr/expr.ts";
import { Num } from "../../../expr/num.ts";
import { copyInto, empty } from "../../../prims/calls.ts";
import type { Context } from "../../../prims/context.ts";
import { computeType } from "../../../prims/program.ts";
import { narrowed, reshaped, transposed } from "../../../prims/views.ts";
import { type DType, isFloat } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { gatherAt } from "../../aten/indexing.ts";
import { addOf, axes, loadIndex, mulOf, quotOf, remOf, size } from "../../aten/memo.ts";
import { matmul } from "../../aten/products.ts";
import { apply, elementwise, outputParts } from "../../elementwise.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { castTo } from "../casts.ts";
import { axisOf, maybeTensor, tensorAt } from "../inputs.ts";
import { computeOf } from "../programs.ts";
import { dequantised } from "../quantization.ts";

const plus = elementwise("add", (x, y) => x.add(y));

/** Field `at` of `bits` bits, lowest first, among the bytes that `byte` loads. */
function field(byte: (at: Expr) => Expr, at: Expr, bits: number): Num {
  const perByte = constant(8 / bits, "index");
  const shift = new Num(cast(mulOf(remOf(at, perByte), constant(bits, "index")), "i32"));
  return new Num(cast(byte(quotOf(at, perByte)), "i32")).shr(shift).bitand(2 ** bits - 1);
}

interface Blocks {
  readonly n: number;
  readonly k: number;
  readonly bits: number;
  readonly block: number;
}

/** The weights `[N, K]` as numbers of `dtype`. */
function unpacked(ctx: Context, b: Tensor, scales: Tensor, zeros: Tensor | undefined, groups: Tensor | undefined, s: Blocks, dtype: DType): Tensor {
  const perRow = Math.ceil(s.k / s.block);
  const flat = (t: Tensor): Tensor => reshaped(ctx, t, [t.numel]);
  const operands = [flat(b), flat(scales), ...(zeros === undefined ? [] : [flat(zeros)]), ...(groups === undefined ? [] : [flat(groups)])];
  const packed = zeros !== undefined && !isFloat(zeros.dtype);
  const types: readonly ExprType[] = ["index", "index", "index", "index"];
  const bytes = (perRow * s.block * s.bits) / 8;
  return computeOf(ctx, "unpack_blocks", `${s.bits},${groups !== undefined},${packed}`, [s.n, s.k], operands, dtype, types, [bytes, s.block, perRow, Math.ceil((perRow * s.bits) / 8)], () => {
    const [row, column] = [index(0), index(1)];
    const block = groups === undefined ? quotOf(column, size(1)) : loadIndex(operands.length - 1, groups.dtype, [column]);
    const code = field((at) => load(0, "u8", [addOf(mulOf(row, size(0)), at)]), column, s.bits);
    const scale = new Num(load(1, computeType(scales.dtype), [addOf(mulOf(row, size(2)), block)])).to("f32");
    let zero = new Num(constant(2 ** (s.bits - 1), "f32"));
    if (packed) zero = field((at) => load(2, "u8", [addOf(mulOf(row, size(3)), at)]), block, s.bits).to("f32");
    else if (zeros !== undefined) zero = new Num(load(2, computeType(zeros.dtype), [addOf(mulOf(row, size(2)), block)])).to("f32");
    return { parts: outputParts(code.to("f32").sub(zero).mul(scale), dtype) };
  });
}

/** `A W' + bias` with W in blocks along K, in single precision whatever A is. Region `matmul_nbits` (a, b, scales, zero points?, groups?, bias?). */
function matMulNBits(ctx: Context, call: OnnxCall): Tensor {
  const { attributes } = call;
  const s: Blocks = { n: attributes.int("N"), k: attributes.int("K"), bits: attributes.int("bits", 4), block: attributes.int("block_size") };
  if (![2, 4, 8].includes(s.bits) || !(s.block > 0)) throw new OpwiseError("bad-onnx", `MatMulNBits of ${s.bits} bits in blocks of ${s.block}`, { wanted: "2, 4 or 8 bits" });
  const single = (t: Tensor): Tensor => castTo(ctx, t, "float32");
  const maybeSingle = (t: Tensor | undefined): Tensor | undefined => (t !== undefined && isFloat(t.dtype) ? single(t) : t);
  const given = tensorAt(call, 0);
  const [a, b, scales] = [single(given), tensorAt(call, 1), single(tensorAt(call, 2))];
  const [zeros, groups, bias] = [maybeSingle(maybeTensor(call, 3)), maybeTensor(call, 4), maybeSingle(maybeTensor(call, 5))];
  const out = empty(ctx, [...a.shape.slice(0, -1), s.n], a.dtype);
  const operands = [a, b, scales, zeros, groups, bias].filter((t) => t !== undefined);
  ctx.region({ kind: "region", name: "matmul_nbits", operands, results: [out], params: { ...s, zeros: zeros !== undefined, groups: groups !== undefined, bias: bias !== undefined } }, () => {
    const product = matmul(ctx, a, transposed(unpacked(ctx, b, scales, zeros, groups, s, a.dtype), 0, 1));
    copyInto(ctx, out, bias === undefined ? product : apply(ctx, plus, [product, bias]));
  });
  return castTo(ctx, out, given.dtype);
}

/** What the codes of bitsandbytes' 4-bit floats (0) and normal floats (1) stand for, in shares of a block's largest magnitude. */
const HALF_FP4 = [0, 0.005208333333, 0.66666667, 1, 0.33333333, 0.5, 0.16666667, 0.25];
const FOUR_BITS = [
  [...HALF_FP4, ...HALF_FP4.map((v) => -v)],
  [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0,
    0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ],
] as const;

/** `A W'` with W `[N, K]` flat, two codes to a byte (the first one above), in blocks with the largest magnitude each. */
function matMulBnb4(ctx: Context, call: OnnxCall): Tensor {
  const { attributes } = call;
  const [n, k, block] = [attributes.int("N"), attributes.int("K"), attributes.int("block_size")];
  const values = FOUR_BITS[attributes.int("quant_type") === 0 ? 0 : 1];
  if (attributes.int("transB", 1) !== 1) throw new OpwiseError("unsupported-op", "MatMulBnb4 with `transB` 0");
  const [a, b, largest] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  const table = Tensor.from([...values], [16], "float32");
  const weights = computeOf(ctx, "unpack_bnb4", "", [n, k], [reshaped(ctx, b, [b.numel]), reshaped(ctx, largest, [largest.numel]), table], a.dtype, ["index", "index"], [k, block], () => {
    const at = addOf(mulOf(index(0), size(0)), index(1));
    const two = constant(2, "index");
    const shift = new Num(cast(mulOf(binary("sub", constant(1, "index"), remOf(at, two)), constant(4, "index")), "i32"));
    const code = new Num(cast(load(0, "u8", [quotOf(at, two)]), "i32")).shr(shift).bitand(15);
    const value = new Num(load(2, "f32", [cast(code.re, "index")])).mul(new Num(load(1, computeType(largest.dtype), [quotOf(at, size(1))])).to("f32"));
    return { parts: outputParts(value, a.dtype) };
  });
  return matmul(ctx, a, transposed(weights, 0, 1));
}

/** Codes that lie two or more to a byte along the last axis, apart. */
function spreadCodes(ctx: Context, t: Tensor, bits: number): Tensor {
  if (bits === 8) return t;
  const last = t.rank - 1;
  const shape = t.shape.map((s, i) => (i === last ? (s * 8) / bits : s));
  return computeOf(ctx, "spread_codes", String(bits), shape, [t], "uint8", [], [], () => ({ parts: [field((at) => load(0, "u8", [...axes(last), at]), index(last), bits).to("u8").re] }));
}

/** Slices of block-quantised data, as numbers. */
function gatherBlocks(ctx: Context, call: OnnxCall): Tensor {
  const { attributes } = call;
  const bits = attributes.int("bits", 4);
  const bytes = tensorAt(call, 0).dtype === "uint8";
  const [data, indices, scales] = [bytes ? spreadCodes(ctx, tensorAt(call, 0), bits) : tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  const given = maybeTensor(call, 3);
  // The last byte of a row of zero points may have room for more than there are blocks.
  const zeros = given !== undefined && bytes ? narrowed(spreadCodes(ctx, given, bits), scales.rank - 1, 0, scales.shape[scales.rank - 1] ?? 0) : given;
  const [from, axis] = [axisOf(attributes.int("gather_axis", 0), data.rank), axisOf(attributes.int("quantize_axis", 1), data.rank)];
  if (from === axis) throw new OpwiseError("bad-onnx", "GatherBlockQuantized gathers along the axis of its blocks");
  const picked = (t: Tensor): Tensor => gatherAt(ctx, t, t.shape.map((_, i) => (i === from ? indices : undefined)));
  const at = axis < from ? axis : axis + indices.rank - 1;
  const block = attributes.int("block_size", 128);
  const centre = bytes && zeros === undefined ? 2 ** (bits - 1) : 0;
  const codes = picked(data);
  return dequantised(ctx, centre === 0 ? codes : shifted(ctx, codes, centre), picked(scales), zeros === undefined ? undefined : picked(zeros), scales.dtype, at, block);
}

/** Unsigned codes less the middle of their range. */
function shifted(ctx: Context, t: Tensor, by: number): Tensor {
  return computeOf(ctx, "centre_codes", String(by), t.shape, [t], "int16", [], [], () => ({ parts: [binary("sub", cast(load(0, "u8", axes(t.rank)), "i16"), constant(by, "i16"))] }));
}

export const blockQuantizedOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::MatMulNBits", { 1: { run: matMulNBits } }),
  onnxOp("com.microsoft::MatMulBnb4", { 1: { run: matMulBnb4 } }),
  onnxOp("com.microsoft::GatherBlockQuantized", { 1: { run: gatherBlocks } }),
];
