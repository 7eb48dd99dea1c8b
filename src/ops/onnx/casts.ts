/** Conversions between element types: Cast, CastLike, BitCast. */

import { bitcast, binary, constant, type Expr, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { codec } from "../../numeric/codec.ts";
import { parseFloatText, reprFloat } from "../../numeric/float-text.ts";
import { copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { reinterpreted } from "../../prims/views.ts";
import { type DType, dtypeInfo, itemsize } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { forEachOffset, type Tensor, type View } from "../../tensor/tensor.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { dtypeOfCode, tensorAt } from "./inputs.ts";
import { mapOf, onHost, textsOf, writeTexts } from "./programs.ts";

export interface CastOptions {
  /** Too large for a float8: the largest finite value, instead of NaN or infinity. */
  readonly saturate: boolean;
  /** `up`, `down` or `nearest`, for float8_e8m0fnu. */
  readonly roundMode: string;
}
export const DEFAULT_CAST: CastOptions = { saturate: true, roundMode: "up" };

const SMALL_INTS: Partial<Record<DType, number>> = { int4: 4, uint4: 4, int2: 2, uint2: 2 };
const ROUNDED = ["float16", "bfloat16", "float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "float8_e4m3fnuz", "float4_e2m1"] as const;

/** The low bits of an integer, sign-extended where the type is signed. */
function lowBits(x: Num, bits: number, signed: boolean): Num {
  const wide = x.to("i32");
  return signed ? wide.shl(32 - bits).shr(32 - bits) : wide.bitand(2 ** bits - 1);
}

const u32 = (value: number): Expr => constant(value, "u32");
const NAN_BITS = 0x7fc00000;
/** 2^-127, the smallest scale, is a subnormal float32. */
const SMALLEST_SCALE = 0x00400000;
const LARGEST_SCALE = 0x7f000000;

/** A power of two for `|x|`: the exponent of a float32, moved up or down by the fraction. */
function scaleOf(x: Num, options: CastOptions): Num {
  const bits = new Num(bitcast(x.to("f32").abs().re, "u32"));
  const exponent = bits.bitand(0x7f800000);
  const fraction = bits.bitand(0x007fffff);
  const up = options.roundMode === "up" ? fraction.ne(0) : options.roundMode === "nearest" ? fraction.ge(0x00400000) : fraction.ne(fraction);
  const normal = up.where(exponent.add(0x00800000), exponent);
  const low = options.roundMode === "down" ? bits.lt(0) : bits.gt(SMALLEST_SCALE);
  const small = low.where(new Num(u32(0x00800000)), new Num(u32(SMALLEST_SCALE)));
  const finite = exponent.eq(0).where(small, normal);
  const beyond = finite.gt(LARGEST_SCALE);
  const capped = beyond.where(new Num(u32(options.saturate ? LARGEST_SCALE : NAN_BITS)), finite);
  return new Num(bitcast(select(binary("gt", bits.re, u32(0x7f800000)), u32(NAN_BITS), capped.re), "f32"));
}

/** `x` as the number that an element of `dtype` stores, rounded once. */
export function convertedNum(x: Num, dtype: DType, options: CastOptions): Num {
  const bits = SMALL_INTS[dtype];
  if (bits !== undefined) return lowBits(x.isFloat ? x.trunc() : x, bits, dtypeInfo(dtype).signed);
  if (dtype === "float8_e8m0fnu") return scaleOf(x, options);
  const format = ROUNDED.find((name) => name === dtype);
  if (format === undefined) return x;
  const float8 = dtypeInfo(dtype).itemsize === 1;
  const wide = x.isFloat ? x : x.to("f64");
  return wide.round(format, float8 && (options.saturate || format === "float4_e2m1"));
}

function numberText(raw: number | bigint, dtype: DType): string {
  if (typeof raw === "bigint") return String(raw);
  const kind = dtypeInfo(dtype).class;
  if (kind === "bool") return raw === 0 ? "False" : "True";
  if (kind === "int") return String(raw);
  const value = codec(dtype)?.decode(raw) ?? raw;
  if (dtype === "float64") return reprFloat(value);
  return reprFloat(shortestSingle(value));
}

/** The double whose shortest text is the shortest text that reads back as the float32 `x`. */
function shortestSingle(x: number): number {
  if (!Number.isFinite(x)) return x;
  for (let digits = 1; digits <= 9; digits++) {
    const candidate = Number(x.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(x)) return candidate;
  }
  return x;
}

function toTexts(operands: readonly View[], results: readonly View[]): void {
  const [from, to] = [operands[0], results[0]];
  if (from === undefined || to === undefined) return;
  const array = from.storage.array(dtypeInfo(from.dtype).carrier);
  const texts: string[] = [];
  forEachOffset(from.shape, from.strides, from.offset, (at) => texts.push(numberText(array[at] ?? 0, from.dtype)));
  writeTexts(to, texts);
}

function fromTexts(operands: readonly View[], results: readonly View[]): void {
  const [from, to] = [operands[0], results[0]];
  if (from === undefined || to === undefined) return;
  const texts = textsOf(from);
  const array = to.storage.array(dtypeInfo(to.dtype).carrier);
  const isInt = dtypeInfo(to.dtype).class === "int";
  forEachOffset(to.shape, to.strides, to.offset, (at, i) => {
    const text = texts[i] ?? "";
    const value = parseFloatText(text);
    if (value === undefined) throw new OpwiseError("bad-argument", `the text \`${text}\` is no number`);
    if (array instanceof BigInt64Array || array instanceof BigUint64Array)
      array[at] = /^[+-]?\d+$/.test(text.trim()) ? BigInt(text.trim().replace(/^\+/, "")) : BigInt(Math.trunc(value));
    else array[at] = isInt ? Math.trunc(value) : to.dtype === "bool" ? Number(value !== 0) : value;
  });
}

/** `x` as elements of `dtype`: itself where it is already. */
export function castTo(ctx: Context, x: Tensor, dtype: DType, options: CastOptions = DEFAULT_CAST): Tensor {
  if (x.dtype === dtype) return x;
  if (dtype === "string") {
    const out = empty(ctx, x.shape, dtype);
    onHost(ctx, "to_string", [x], [out], toTexts);
    return out;
  }
  if (x.dtype === "string") {
    // Narrow floats go by way of float64, which holds every text's value closely enough to round once.
    const direct = codec(dtype) === undefined && SMALL_INTS[dtype] === undefined;
    const out = empty(ctx, x.shape, direct ? dtype : "float64");
    onHost(ctx, "from_string", [x], [out], fromTexts);
    return direct ? out : castTo(ctx, out, dtype, options);
  }
  if (codec(dtype) === undefined && SMALL_INTS[dtype] === undefined) return copyOf(ctx, x, dtype);
  return mapOf(ctx, `cast ${options.saturate},${options.roundMode}`, [x], dtype, (v) => convertedNum(v, dtype, options));
}

const optionsOf = (call: OnnxCall): CastOptions => ({
  saturate: call.attributes.int("saturate", 1) !== 0,
  roundMode: call.attributes.string("round_mode", "up"),
});

/** Before version 6, `to` was the type's name. */
function targetOf(call: OnnxCall): DType {
  if (call.version >= 6) return dtypeOfCode(call.attributes.int("to"));
  const name = call.attributes.string("to");
  const names: Readonly<Record<string, DType>> = {
    FLOAT: "float32",
    DOUBLE: "float64",
    FLOAT16: "float16",
    BOOL: "bool",
    STRING: "string",
    INT8: "int8",
    INT16: "int16",
    INT32: "int32",
    INT64: "int64",
    UINT8: "uint8",
    UINT16: "uint16",
    UINT32: "uint32",
    UINT64: "uint64",
    COMPLEX64: "complex64",
    COMPLEX128: "complex128",
  };
  const dtype = names[name.toUpperCase()];
  if (dtype === undefined) throw new OpwiseError("bad-onnx", `Cast to an unknown type \`${name}\``);
  return dtype;
}

/** Bits as they are. Elements below a byte lie one to a byte, signed ones sign-extended. */
function bitCast(ctx: Context, x: Tensor, dtype: DType): Tensor {
  if (x.dtype === dtype) return x;
  const widthOf = (d: DType): number => SMALL_INTS[d] ?? (d === "float4_e2m1" ? 4 : itemsize(d) * 8);
  const width = widthOf(x.dtype);
  if (width !== widthOf(dtype) || x.dtype === "string" || dtype === "string") {
    throw new OpwiseError("dtype-mismatch", `BitCast from \`${x.dtype}\` to \`${dtype}\``, { wanted: "types of the same width" });
  }
  if (width >= 8) return reinterpreted(x, dtype);
  const unsigned: DType = width === 4 ? "uint4" : "uint2";
  const bits = x.dtype === "float4_e2m1" ? reinterpreted(x, "uint4") : castTo(ctx, x, unsigned);
  return dtype === "float4_e2m1" ? reinterpreted(bits, dtype) : castTo(ctx, bits, dtype);
}

export const castOps: readonly OnnxOp[] = [
  onnxOp("Cast", { 1: { run: (ctx, call) => castTo(ctx, tensorAt(call, 0), targetOf(call), optionsOf(call)) } }),
  onnxOp("CastLike", { 15: { run: (ctx, call) => castTo(ctx, tensorAt(call, 0), tensorAt(call, 1).dtype, optionsOf(call)) } }),
  onnxOp("BitCast", { 26: { run: (ctx, call) => bitCast(ctx, tensorAt(call, 0), dtypeOfCode(call.attributes.int("to"))) } }),
];
