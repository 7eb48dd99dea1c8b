/** Tensors filled with one value, and what their layout is. Shared by creation and conversion. */

import { scalar } from "../../expr/expr.ts";
import type { Scalar } from "../../ir/datum.ts";
import { empty, map, resultStrides } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, dtypeInfo, isComplex, typeName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
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

/** A value wrapped into an integer dtype, as a cast of it would. */
function wrapped(value: number | bigint, dtype: DType): number | bigint {
  const { class: kind, itemsize, signed } = dtypeInfo(dtype);
  if (kind !== "int") return value;
  const whole = typeof value === "bigint" ? value : Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
  const bits = itemsize * 8;
  const cut = signed ? BigInt.asIntN(bits, whole) : BigInt.asUintN(bits, whole);
  return itemsize === 8 ? cut : Number(cut);
}

/** Whether C++ would refuse to convert `value` to an element of `dtype`. An unsigned type takes integers that wrap to it from below. */
function overflows(value: number | bigint, dtype: DType, isFloat: boolean): boolean {
  const { class: kind, itemsize, signed } = dtypeInfo(dtype);
  if (kind === "float") {
    const most = dtype === "float32" ? 3.4028234663852886e38 : dtype === "float16" ? 65504 : Infinity;
    return Number.isFinite(Number(value)) && Math.abs(Number(value)) > most;
  }
  if (kind !== "int") return false;
  if (typeof value === "number" && !Number.isFinite(value)) return true;
  const whole = BigInt(typeof value === "number" ? Math.trunc(value) : value);
  const most = 2n ** BigInt(itemsize * 8 - (signed ? 1 : 0)) - 1n;
  if (isFloat && (value > most || (!signed && value < 0))) return true;
  return whole > most || whole < (signed ? -most - 1n : -most);
}

const C_NAMES: Readonly<Partial<Record<DType, string>>> = {
  uint8: "uint8_t", int8: "int8_t", int16: "int16_t", int64: "int64_t", uint16: "uint16_t", uint32: "uint32_t", uint64: "uint64_t",
};

/** A number as an element of `dtype`. @throws runtime-error where C++ would refuse the conversion */
export function fitting(value: number | bigint, dtype: DType, isFloat: boolean): number | bigint {
  if (overflows(value, dtype, isFloat)) throw new OpwiseError("runtime-error", `value cannot be converted to type ${C_NAMES[dtype] ?? typeName(dtype)} without overflow`);
  return wrapped(value, dtype);
}

/** Writes one value to every element. @throws bad-argument for a complex value in a real tensor, and where it does not fit the dtype */
export function fill(ctx: Context, target: Tensor, value: Scalar): Tensor {
  if (target.numel === 0) return target;
  if (target.quantizer !== undefined) return fillCodes(ctx, target, value);
  const program = fillProgram(target.dtype);
  const type = program.scalars[0] ?? "f32";
  if (value.kind === "complex") {
    if (!isComplex(target.dtype) && value.im !== 0) throw new OpwiseError("bad-argument", "value cannot be converted to type float without overflow");
    const im = target.conj ? -value.im : value.im;
    map(ctx, program, [], isComplex(target.dtype) ? [scalarValue(value.re, type), scalarValue(im, type)] : [scalarValue(value.re, type)], [target]);
    return target;
  }
  const raw = typeof value.value === "boolean" ? Number(value.value) : fitting(value.value, target.dtype, value.kind === "float");
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
