/**
 * Quantised tensors: codes and the numbers they stand for, `(code - zeroPoint) * scale` (PyTorch: quantize_per_tensor, dequantize).
 * Rounding is to nearest even on `x * (1 / scale)` in single precision, and saturates, as FBGEMM's vector code does.
 */

import { arg, cast, constant, type Expr, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { copyOf, empty, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { suggestsChannelsLast } from "../../prims/convolve.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, dtypeInfo, isFloat, isQuantized, itemsize } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides, sameShape } from "../../tensor/shape.ts";
import { type Quantizer, Tensor, viewOf } from "../../tensor/tensor.ts";

/** One scale and zero point for all elements. */
export interface Affine {
  readonly scale: number;
  readonly zeroPoint: number;
}

export function perTensor(scale: number, zeroPoint: number): Quantizer {
  return { scheme: "per_tensor_affine", scale, zeroPoint };
}

/** Lowest and highest code of a quantised dtype. */
export function codeRange(dtype: DType): readonly [number, number] {
  const { bits, signed } = dtypeInfo(dtype);
  return signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** The integer dtype that codes of a quantised dtype are shown as (`int_repr`), and back. */
const PLAIN: Partial<Record<DType, DType>> = { qint8: "int8", quint8: "uint8", qint32: "int32", quint4x2: "uint4", quint2x4: "uint2" };
const CODED: Partial<Record<DType, DType>> = { int8: "qint8", uint8: "quint8", int32: "qint32" };
export function plainOf(dtype: DType): DType {
  return PLAIN[dtype] ?? dtype;
}
export function codedOf(dtype: DType): DType | undefined {
  return CODED[dtype];
}

/** PyTorch's names of the quantised dtypes in messages. */
export const TORCH_NAMES: Partial<Record<DType, string>> = { qint8: "QInt8", quint8: "QUInt8", qint32: "QInt32", quint4x2: "QUInt4x2", quint2x4: "QUInt2x4" };

/** The codes as plain integers: the same memory. */
export function codesOf(t: Tensor): Tensor {
  return new Tensor(t.storage, plainOf(t.dtype), t.shape, t.strides, t.offset);
}

/** Codes given a meaning: the same memory. */
export function coded(codes: Tensor, dtype: DType, quantizer: Quantizer): Tensor {
  const out = new Tensor(codes.storage, dtype, codes.shape, codes.strides, codes.offset);
  out.quantizer = quantizer;
  return out;
}

/** The refusal of an op that has no meaning on codes, by the kernel that PyTorch misses. */
export function withoutKernel(kernel: string): OpwiseError {
  return new OpwiseError("dtype-mismatch", `Could not run '${kernel}' with arguments from the 'QuantizedCPU' backend.`, {
    wanted: "numbers",
    got: "a quantised tensor",
    hint: "dequantise it first",
  });
}

/** The quantiser of a quantised tensor. @throws dtype-mismatch for another */
export function quantizerOf(t: Tensor): Quantizer {
  if (t.quantizer === undefined || !isQuantized(t.dtype)) throw new OpwiseError("dtype-mismatch", "expected a quantized tensor", { got: t.dtype });
  return t.quantizer;
}

/** Scale and zero point of a tensor that has one of each. @throws dtype-mismatch, bad-argument */
export function affineOf(t: Tensor, what: string = "quantized operator"): Affine {
  const q = quantizerOf(t);
  if (q.scheme !== "per_tensor_affine")
    throw new OpwiseError("bad-argument", "Expected quantizer->qscheme() == kPerTensorAffine to be true, but got false.", { got: `${q.scheme} in ${what}` });
  return q;
}

/** A float scalar of a program, rounded to single precision as PyTorch passes scales on. */
export const f32 = (x: number): number => Math.fround(x);
export const numOf = (e: Expr): Num => new Num(e);

/** `a * b + c` rounded once. */
export function fused(a: Num, b: Num, c: Num): Num {
  return a.to("f64").mul(b.to("f64")).add(c.to("f64")).to("f32");
}

/**
 * Where the zero point joins a real number on its way to a code. PyTorch's kernels differ, and halves show it:
 * `fused` before rounding, with one rounding for both (FBGEMM's vector code: quantize_per_tensor to 8 bits);
 * `early` before rounding, in single precision (its scalar code: per channel, 32 bits, short tensors);
 * `late` after rounding (ATen's vector code: activations, sums).
 */
export type Joining = "fused" | "early" | "late";

/** A real number (f32) times `inverse` plus `zero` as a code. NaN is the highest code in vector code, else the lowest. */
export function codeNum(x: Num, inverse: Num, zero: Num, dtype: DType, joining: Joining): Num {
  const [low, high] = codeRange(dtype);
  const scaled = x.mul(inverse);
  const whole =
    joining === "fused"
      ? fused(x, inverse, zero.to("f32")).rint().to("f64")
      : joining === "early"
        ? scaled.add(zero.to("f32")).rint().to("f64")
        : scaled.rint().to("f64").add(zero.to("f64"));
  // Scalar code converts a NaN to the lowest 32-bit integer, whose low byte is 0.
  const nan = constant(joining !== "early" ? high : dtype === "qint32" ? low : 0, "f64");
  return whole.isnan().where(new Num(nan), whole.max(low).min(high)).to(computeType(dtype));
}

/** How `quantize_per_tensor` joins. */
export function joiningOf(dtype: DType): Joining {
  return dtype === "qint32" ? "early" : "fused";
}

/** Elements of one vector register (512 bits). */
const lanesOf = (dtype: DType): number => 64 / dtypeInfo(dtype).itemsize;

/**
 * A map over codes whose kernel has a vector form and a scalar one for what is left over at the end: where no operand is broadcast
 * the elements are split as PyTorch splits them. The result is in the operands' layout.
 */
export function mapCodes(ctx: Context, program: (vector: boolean) => Program, operands: readonly Tensor[], scalars: readonly number[]): Tensor {
  const [first] = operands;
  if (first === undefined) return unreachable("operands");
  const lanes = lanesOf(first.dtype);
  const n = first.numel;
  const alike = operands.every((t) => sameShape(t.shape, first.shape) && sameShape(t.strides, first.strides)) && isDenseView(first);
  if (!alike || n % lanes === 0 || n < lanes) return mapOne(ctx, program(n >= lanes), operands, scalars);
  const out = empty(ctx, first.shape, program(true).outputs[0]?.dtype ?? first.dtype, first.strides);
  const head = n - (n % lanes);
  const part = (t: Tensor, from: number, length: number): Tensor => viewOf(t, [length], [1], t.offset + from);
  mapOne(
    ctx,
    program(true),
    operands.map((t) => part(t, 0, head)),
    scalars,
    [part(out, 0, head)],
  );
  mapOne(
    ctx,
    program(false),
    operands.map((t) => part(t, head, n - head)),
    scalars,
    [part(out, head, n - head)],
  );
  return out;
}

/** Whether a view's elements are distinct and fill their extent. */
function isDenseView(t: Tensor): boolean {
  const order = t.shape
    .map((_, i) => i)
    .filter((i) => t.shape[i] !== 1)
    .sort((a, b) => (t.strides[a] ?? 0) - (t.strides[b] ?? 0));
  let step = 1;
  for (const axis of order) {
    if (t.strides[axis] !== step) return false;
    step *= t.shape[axis] ?? 1;
  }
  return true;
}

/** The number that a code of operand `slot` stands for: vector code multiplies and adds `-scale * zeroPoint` in one, scalar code subtracts first. */
export function valueNum(slot: number, dtype: DType, scale: Num, zero: Num, vector: boolean): Num {
  const code = new Num(arg(slot, computeType(dtype)));
  if (!vector) return code.to("i32").sub(zero).to("f32").mul(scale);
  return fused(scale, code.to("f32"), zero.to("f32").neg().mul(scale));
}

/** A whole number (any real type) plus nothing, cut to the codes of `dtype`. */
export function saturated(whole: Num, dtype: DType): Num {
  const [low, high] = codeRange(dtype);
  return whole.to("f64").max(low).min(high).to(computeType(dtype));
}

const programs = new Map<string, Program>();
/** A program made once per key. */
export function once(key: string, make: () => Omit<Program, "messages">): Program {
  let known = programs.get(key);
  if (known === undefined) programs.set(key, (known = { ...make(), messages: [] }));
  return known;
}

/** The one result of a map. */
export function mapOne(
  ctx: Context,
  program: Program,
  operands: readonly Tensor[],
  scalars: readonly (number | bigint | boolean)[] = [],
  out?: readonly Tensor[],
): Tensor {
  return map(ctx, program, operands, scalars, out)[0] ?? unreachable("one result");
}

/** A vector along `axis` as a view that broadcasts to `rank` axes. */
export function along(t: Tensor, axis: number, rank: number): Tensor {
  const shape = Array.from({ length: rank }, (_, i) => (i === axis ? (t.shape[0] ?? 1) : 1));
  const strides = Array.from({ length: rank }, (_, i) => (i === axis ? (t.strides[0] ?? 1) : 1));
  return viewOf(t, shape, strides, t.offset);
}

/** The numbers that codes stand for, as float32 in the codes' layout. */
export function dequantised(ctx: Context, t: Tensor): Tensor {
  const q = quantizerOf(t);
  const code = numOf(arg(0, computeType(t.dtype)));
  if (q.scheme === "per_tensor_affine") {
    const program = once(`dequantize,${t.dtype}`, () => ({
      name: "dequantize",
      operands: [t.dtype],
      scalars: ["f32", "i32"],
      outputs: [
        {
          dtype: "float32",
          parts: [
            code
              .to("i32")
              .sub(numOf(scalar(1, "i32")))
              .to("f32")
              .mul(numOf(scalar(0, "f32"))).re,
          ],
        },
      ],
    }));
    return mapOne(ctx, program, [t], [f32(q.scale), q.zeroPoint]);
  }
  const [scales, zeros] = [along(q.scales, q.axis, t.rank), along(q.zeroPoints, q.axis, t.rank)];
  const program = once(`dequantize,${t.dtype},${scales.dtype},${zeros.dtype}`, () => {
    const [s, z] = [numOf(arg(1, computeType(scales.dtype))).to("f32"), numOf(arg(2, computeType(zeros.dtype)))];
    const gap = isFloat(zeros.dtype) ? code.to("f32").sub(z.to("f32")) : code.to("i32").sub(z.to("i32")).to("f32");
    return { name: "dequantize", operands: [t.dtype, scales.dtype, zeros.dtype], scalars: [], outputs: [{ dtype: "float32", parts: [gap.mul(s).re] }] };
  });
  return mapOne(ctx, program, [t, scales, zeros]);
}

/** Float32 numbers as codes of `dtype`. */
export function quantised(ctx: Context, x: Tensor, dtype: DType, q: Quantizer, out?: Tensor, joining: Joining = joiningOf(dtype)): Tensor {
  let codes: Tensor;
  const into = out === undefined ? undefined : [out];
  if (q.scheme === "per_tensor_affine") {
    const program = once(`quantize,${x.dtype},${dtype},${joining}`, () => ({
      name: "quantize",
      operands: [x.dtype],
      scalars: ["f32", "i32"],
      outputs: [
        { dtype, parts: [codeNum(numOf(arg(0, computeType(x.dtype))).to("f32"), numOf(scalar(0, "f32")), numOf(scalar(1, "i32")), dtype, joining).re] },
      ],
    }));
    codes = mapOne(ctx, program, [x], [f32(1 / f32(q.scale)), q.zeroPoint], into);
  } else {
    const [scales, zeros] = [along(q.scales, q.axis, x.rank), along(q.zeroPoints, q.axis, x.rank)];
    const real = q.scheme === "per_channel_affine_float_qparams";
    const program = once(`quantize,${x.dtype},${dtype},${scales.dtype},${zeros.dtype},${q.scheme}`, () => {
      const value = numOf(arg(0, computeType(x.dtype))).to("f32");
      const s = numOf(arg(1, computeType(scales.dtype))).to("f32");
      const z = numOf(arg(2, computeType(zeros.dtype)));
      const one = new Num(constant(1, "f32"));
      const inverse = real ? s.eq(0).where(one, one.div(s)) : one.div(s);
      const code = real ? saturated(value.mul(inverse).add(z.to("f32")).rint(), dtype) : codeNum(value, inverse, z.to("i32"), dtype, "early");
      return { name: "quantize", operands: [x.dtype, scales.dtype, zeros.dtype], scalars: [], outputs: [{ dtype, parts: [code.re] }] };
    });
    codes = mapOne(ctx, program, [x, scales, zeros], [], into);
  }
  codes.quantizer = q;
  return codes;
}

/** Codes less their zero points as int32 (as float32 for float zero points): what products and sums are taken of. */
export function centred(ctx: Context, t: Tensor, dtype: "int16" | "int32" | "float32" = "int32"): Tensor {
  const q = quantizerOf(t);
  const type = computeType(dtype);
  const code = numOf(arg(0, computeType(t.dtype))).to("i32");
  if (q.scheme === "per_tensor_affine") {
    const program = once(`centre,${t.dtype},${dtype}`, () => ({
      name: "centre",
      operands: [t.dtype],
      scalars: ["i32"],
      outputs: [{ dtype, parts: [cast(code.sub(numOf(scalar(0, "i32"))).re, type)] }],
    }));
    return mapOne(ctx, program, [t], [q.zeroPoint]);
  }
  const zeros = along(q.zeroPoints, q.axis, t.rank);
  const program = once(`centre,${t.dtype},${dtype},${zeros.dtype}`, () => ({
    name: "centre",
    operands: [t.dtype, zeros.dtype],
    scalars: [],
    outputs: [{ dtype, parts: [cast(code.sub(numOf(arg(1, computeType(zeros.dtype))).to("i32")).re, type)] }],
  }));
  return mapOne(ctx, program, [t, zeros]);
}

/** A number as a code of the quantiser (PyTorch's quantize_val). */
export function codeOfNumber(x: number, { scale, zeroPoint }: Affine, dtype: DType): number {
  const [low, high] = codeRange(dtype);
  const code = roundHalfEven(f32(f32(f32(x) * f32(1 / f32(scale))) + zeroPoint));
  return Number.isNaN(code) ? low : Math.min(Math.max(code, low), high);
}

/** To the nearest whole number, halves to even. */
export function roundHalfEven(x: number): number {
  const down = Math.floor(x);
  const gap = x - down;
  if (gap !== 0.5) return gap < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

/** Codes of `f` of the centred codes, which are taken for numbers: one rounding, the input's quantiser. */
export function onCentred(ctx: Context, t: Tensor, f: (x: Tensor) => Tensor): Tensor {
  const { zeroPoint } = affineOf(t);
  const out = quantised(ctx, f(centred(ctx, t, "float32")), t.dtype, perTensor(1, zeroPoint));
  out.quantizer = quantizerOf(t);
  return out;
}

/** Codes of a weighted mean of codes: taken for numbers as they are; the zero point is subtracted and added again before they are rounded. */
export function onWholeCodes(ctx: Context, t: Tensor, f: (x: Tensor) => Tensor): Tensor {
  const { zeroPoint } = affineOf(t);
  const program = once(`whole_codes,${t.dtype}`, () => {
    const zero = numOf(scalar(0, "f32"));
    const whole = numOf(arg(0, "f32")).sub(zero).add(zero).rint();
    return { name: "requantize", operands: ["float32"], scalars: ["f32"], outputs: [{ dtype: t.dtype, parts: [saturated(whole, t.dtype).re] }] };
  });
  const out = mapOne(ctx, program, [f(copyOf(ctx, codesOf(t), "float32"))], [zeroPoint]);
  out.quantizer = quantizerOf(t);
  return out;
}

/** The layout that PyTorch gives what it makes of a tensor's elements: channels last where they lie so, else row-major. */
export function suggestedStrides(t: Tensor): readonly number[] {
  return suggestsChannelsLast(t) ? channelsLastStrides(t.shape) : contiguousStrides(t.shape);
}

/** Codes less their zero points as integers to multiply: of 16 bits where those hold them, their own memory where the zero points are 0. */
export function factorCodes(ctx: Context, t: Tensor): Tensor {
  const q = quantizerOf(t);
  if (q.scheme === "per_tensor_affine" && q.zeroPoint === 0) return codesOf(t);
  return centred(ctx, t, itemsize(t.dtype) === 1 ? "int16" : "int32");
}

/** Codes of all tensors for one scale and zero point (the first's, unless given), as plain integers; those that have them are themselves. */
export function alignedCodes(
  ctx: Context,
  tensors: readonly Tensor[],
  scale: number | null,
  zeroPoint: number | null,
): { readonly codes: Tensor[]; readonly dtype: DType; readonly quantizer: Quantizer } {
  const [first] = tensors;
  if (first === undefined) throw new OpwiseError("bad-argument", "Tensor list must not be empty");
  const affine = (t: Tensor): Affine => {
    const q = quantizerOf(t);
    if (q.scheme !== "per_tensor_affine") throw new OpwiseError("bad-argument", "Only per-tensor quantization is supported in 'cat'!", { got: q.scheme });
    return q;
  };
  const own = affine(first);
  const target = perTensor(scale ?? own.scale, zeroPoint ?? own.zeroPoint);
  const codes = tensors.map((t) => {
    if (t.dtype !== first.dtype) throw new OpwiseError("dtype-mismatch", "All dtypes must be the same.", { got: `${first.dtype} and ${t.dtype}` });
    const q = affine(t);
    const same = target.scheme === "per_tensor_affine" && f32(q.scale) === f32(target.scale) && q.zeroPoint === target.zeroPoint;
    return codesOf(same ? t : quantised(ctx, dequantised(ctx, t), t.dtype, target));
  });
  return { codes, dtype: first.dtype, quantizer: target };
}
