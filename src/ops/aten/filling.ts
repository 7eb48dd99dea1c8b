/** Tensors filled with one value, and what their layout is. Shared by creation and conversion. */

import { scalar } from "../../expr/expr.ts";
import type { Scalar } from "../../ir/datum.ts";
import { empty, map, resultStrides } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, isComplex } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { checkFits, wrapped } from "../element-range.ts";
import { scalarValue } from "../elementwise.ts";
import { affineOf, codeOfNumber, codesOf } from "../quantized/codes.ts";

const programs = new Map<DType, Program>();

function fillProgram(dtype: DType): Program {
  let program = programs.get(dtype);
  if (program === undefined) {
    const type = computeType(dtype);
    const types = isComplex(dtype) ? [type, type] : [type];
    program = { name: "fill", operands: [], scalars: types, outputs: [{ dtype, parts: types.map((t, i) => scalar(i, t)) }], messages: [] };
    programs.set(dtype, program);
  }
  return program;
}

/** Writes one value to every element. @throws runtime-error where it does not fit the dtype */
export function fill(ctx: Context, target: Tensor, value: Scalar): Tensor {
  if (target.numel === 0) return target;
  if (target.quantizer !== undefined) return fillCodes(ctx, target, value);
  // PyTorch stores a lone half without the check.
  if (target.numel > 1 || (target.dtype !== "float16" && target.dtype !== "bfloat16")) checkFits(value, target.dtype);
  const program = fillProgram(target.dtype);
  const type = program.scalars[0] ?? "f32";
  if (value.kind === "complex") {
    const im = target.conj ? -value.im : value.im;
    map(ctx, program, [], isComplex(target.dtype) ? [scalarValue(value.re, type), scalarValue(im, type)] : [scalarValue(type === "bool" ? value.re !== 0 || im !== 0 : value.re, type)], [target]);
    return target;
  }
  const raw = typeof value.value === "boolean" ? Number(value.value) : wrapped(value.value, target.dtype);
  const signed = target.neg ? -raw : raw;
  const one = scalarValue(type === "bool" ? Boolean(raw) : signed, type);
  map(ctx, program, [], isComplex(target.dtype) ? [one, scalarValue(0, type)] : [one], [target]);
  return target;
}

/** The code of one number everywhere. */
function fillCodes(ctx: Context, target: Tensor, value: Scalar): Tensor {
  if (value.kind === "complex") throw new OpwiseError("bad-argument", "value cannot be converted to type float without overflow");
  fill(ctx, codesOf(target), { kind: "int", value: codeOfNumber(Number(value.value), affineOf(target, "fill_"), target.dtype) });
  return target;
}

/** A new tensor of one value. */
export function filled(ctx: Context, shape: Shape, dtype: DType, value: Scalar, strides?: readonly number[]): Tensor {
  return fill(ctx, empty(ctx, shape, dtype, strides), value);
}

/** MemoryFormat numbers. */
export const CONTIGUOUS = 0;
export const PRESERVE = 1;
export const CHANNELS_LAST = 2;
export const CHANNELS_LAST_3D = 3;

/** Row-major elements that fill their extent, in some order of axes. */
export function isDense(t: Tensor): boolean {
  const axes = t.shape.map((_, i) => i).filter((i) => t.shape[i] !== 1);
  axes.sort((a, b) => (t.strides[a] ?? 0) - (t.strides[b] ?? 0));
  let step = 1;
  for (const axis of axes) {
    if (t.strides[axis] !== step) return false;
    step *= t.shape[axis] ?? 1;
  }
  return true;
}

/** Strides of a new tensor like `t` in a memory format. @throws bad-argument where the rank does not fit the format */
export function stridesLike(t: Tensor, format: number | null): readonly number[] {
  switch (format ?? PRESERVE) {
    case CONTIGUOUS: return contiguousStrides(t.shape);
    case CHANNELS_LAST:
    case CHANNELS_LAST_3D: return formatStrides(t.shape, format);
    default: return isDense(t) && t.numel > 0 ? t.strides : t.numel === 0 ? contiguousStrides(t.shape) : resultStrides(t.shape, [t]);
  }
}

/** Strides of a memory format other than preserve. @throws bad-argument */
export function formatStrides(shape: Shape, format: number | null): readonly number[] {
  if (format === null || format === CONTIGUOUS || format === PRESERVE) return contiguousStrides(shape);
  const rank = format === CHANNELS_LAST ? 4 : 5;
  if (shape.length !== rank) throw new OpwiseError("bad-argument", `required rank ${rank} tensor to use channels_last${rank === 5 ? "_3d" : ""} format`, { got: `rank ${shape.length}` });
  return channelsLastStrides(shape);
}

/** Whether `t` lies in a memory format already (sizes of 1 have any stride). */
export function hasFormat(t: Tensor, format: number): boolean {
  if (format === PRESERVE) return true;
  const wanted = formatStrides(t.shape, format);
  return t.numel === 0 || t.shape.every((size, i) => size === 1 || t.strides[i] === wanted[i]);
}
