/** Spectra: DFT and STFT. Complex numbers are a last axis of 2; the transform runs in double precision. */

import { binary, cast, constant, type Expr, index, load, scalar, select, unary } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { asReal, sliced } from "../../prims/views.ts";
import type { DType } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { transformed } from "../aten/fourier.ts";
import { addOf, axes, mulOf, size, subOf } from "../aten/memo.ts";
import { castTo } from "./casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, integerAt, maybeTensor, type Reading, tensorAt } from "./inputs.ts";
import { computeOf } from "./programs.ts";

const NONE = 0;
const BY_LENGTH = 2;
const zero = constant(0, "index");
const complexOf = (dtype: DType): DType => (dtype === "float64" ? "complex128" : "complex64");

/** Both parts of element `at` of operand `slot`, whose last axis holds one part or two, in the type of `dtype`'s parts. */
function partsAt(t: Tensor, at: readonly Expr[], dtype: DType, inside?: Expr): readonly [Expr, Expr] {
  const [own, type] = [computeType(t.dtype), computeType(dtype)];
  const read = (part: number): Expr =>
    cast(load(0, own, [...at, constant(part, "index")], 0, inside, inside === undefined ? undefined : new Num(constant(0, "f64")).to(own).re), type);
  return [read(0), t.shape[t.rank - 1] === 2 ? read(1) : new Num(constant(0, "f64")).to(type).re];
}

/** The signal as complex numbers of length `n` along `axis`: cut, filled with zeros, or completed from its first half. */
function signalOf(ctx: Context, x: Tensor, axis: number, n: number, halved: boolean): Tensor {
  const shape = x.shape.slice(0, -1).map((s, i) => (i === axis ? n : s));
  const dtype = complexOf(x.dtype);
  return computeOf(ctx, "signal", `${axis},${halved},${x.shape[x.rank - 1]}`, shape, [x], dtype, ["index", "index"], [x.shape[axis] ?? 0, n], () => {
    const here = axes(shape.length);
    const [length, whole] = [size(0), size(1)];
    const at = here[axis] ?? zero;
    const mirrored = binary("gt", at, binary("quot", whole, constant(2, "index")));
    const place = halved ? select(mirrored, subOf(whole, at), at) : at;
    const [re, im] = partsAt(
      x,
      here.map((e, i) => (i === axis ? place : e)),
      dtype,
      binary("lt", place, length),
    );
    return { parts: [re, halved ? select(mirrored, unary("neg", im), im) : im] };
  });
}

function* dft(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const { attributes } = call;
  const given = yield* integerAt(call, 1);
  const axis = axisOf(call.version >= 20 ? ((yield* integerAt(call, 2)) ?? -2) : attributes.int("axis", 1), x.rank);
  const components = x.shape[x.rank - 1] ?? 0;
  if (axis === x.rank - 1 || (components !== 1 && components !== 2))
    throw new OpwiseError("shape-mismatch", "DFT wants real and imaginary parts as the last axis", { got: `axis ${axis} of [${x.shape.join(", ")}]` });
  const inverse = attributes.int("inverse", 0) !== 0;
  const onesided = attributes.int("onesided", 0) !== 0;
  const length = x.shape[axis] ?? 0;
  const halved = inverse && onesided;
  const n = given ?? (halved ? 2 * (length - 1) : length);
  if (onesided && !inverse && components !== 1) throw new OpwiseError("bad-argument", "a one-sided DFT wants a real signal");
  const spectrum = transformed(ctx, signalOf(ctx, x, axis, n, halved), [axis], inverse ? BY_LENGTH : NONE, !inverse);
  const shown = onesided && !inverse ? sliced(spectrum, axis, 0, Math.floor(n / 2) + 1, 1) : spectrum;
  const parts = asReal(shown);
  return castTo(ctx, halved ? sliced(parts, parts.rank - 1, 0, 1, 1) : parts, x.dtype);
}

/** Spectra `[B, frames, bins, 2]` of windows `step` apart. */
function* stft(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const signal = tensorAt(call, 0);
  const step = (yield* integerAt(call, 1)) ?? 1;
  const window = maybeTensor(call, 2);
  const [batch = 0, total = 0] = signal.shape;
  const length = (yield* integerAt(call, 3)) ?? window?.shape[0] ?? total;
  if (signal.rank !== 3)
    throw new OpwiseError("shape-mismatch", "STFT wants a signal of shape [B, L, 1] or [B, L, 2]", { got: `[${signal.shape.join(", ")}]` });
  if (window !== undefined && window.numel !== length)
    throw new OpwiseError("shape-mismatch", "the window is not as long as a frame", { wanted: String(length), got: String(window.numel) });
  if (step < 1 || length > total) throw new OpwiseError("shape-mismatch", `frames of ${length}, ${step} apart, of a signal of ${total}`);
  const dtype = complexOf(signal.dtype);
  const shape = [batch, Math.floor((total - length) / step) + 1, length];
  const operands = window === undefined ? [signal] : [signal, window];
  const frames = computeOf(ctx, "frames", `${signal.shape[2]}`, shape, operands, dtype, ["index"], [step], () => {
    const at = addOf(mulOf(index(1), scalar(0, "index")), index(2));
    const [re, im] = partsAt(signal, [index(0), at], dtype);
    if (window === undefined) return { parts: [re, im] };
    const weight = new Num(load(1, computeType(window.dtype), [index(2)])).to(re.type);
    return { parts: [new Num(re).mul(weight).re, new Num(im).mul(weight).re] };
  });
  const spectrum = transformed(ctx, frames, [2], NONE, true);
  const onesided = call.attributes.int("onesided", 1) !== 0 && signal.shape[2] === 1;
  return castTo(ctx, asReal(onesided ? sliced(spectrum, 2, 0, Math.floor(length / 2) + 1, 1) : spectrum), signal.dtype);
}

export const signalOps: readonly OnnxOp[] = [onnxOp("DFT", { 17: { reads: dft } }), onnxOp("STFT", { 17: { reads: stft } })];
