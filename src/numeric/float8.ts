/** The 8-bit and 4-bit floats: layouts, decoding tables, and encoders with and without saturation. */

import { highWord, lowWordOfLast } from "./bits.ts";

export type SmallFloat = "float8_e5m2" | "float8_e4m3fn" | "float8_e5m2fnuz" | "float8_e4m3fnuz" | "float8_e8m0fnu" | "float4_e2m1";

/** How `float8_e8m0fnu` rounds: away from zero, towards zero, or to the nearest with ties away. */
export type ScaleRounding = "up" | "down" | "nearest";

interface Layout {
  readonly mantissa: number;
  readonly bias: number;
  readonly signBit: number;
  /** Bits of the largest finite value. */
  readonly largest: number;
  /** Bits of what lies beyond it, sign not included. */
  readonly overflow: number;
  readonly nan: number;
  /** fnuz formats have one zero and one NaN (the bits of minus zero). */
  readonly fnuz: boolean;
}

const LAYOUTS: Readonly<Record<Exclude<SmallFloat, "float8_e8m0fnu">, Layout>> = {
  float8_e5m2: { mantissa: 2, bias: 15, signBit: 0x80, largest: 0x7b, overflow: 0x7c, nan: 0x7f, fnuz: false },
  float8_e4m3fn: { mantissa: 3, bias: 7, signBit: 0x80, largest: 0x7e, overflow: 0x7f, nan: 0x7f, fnuz: false },
  float8_e5m2fnuz: { mantissa: 2, bias: 16, signBit: 0x80, largest: 0x7f, overflow: 0x80, nan: 0x80, fnuz: true },
  float8_e4m3fnuz: { mantissa: 3, bias: 8, signBit: 0x80, largest: 0x7f, overflow: 0x80, nan: 0x80, fnuz: true },
  // No infinity and no NaN: overflow always saturates; a NaN becomes minus zero, as ml_dtypes has it.
  float4_e2m1: { mantissa: 1, bias: 1, signBit: 0x08, largest: 0x07, overflow: 0x07, nan: 0x08, fnuz: false },
};

/** The value of `bits`, from the format's definition. */
function valueOf(format: SmallFloat, bits: number): number {
  if (format === "float8_e8m0fnu") return bits === 0xff ? NaN : 2 ** (bits - 127);
  const { mantissa, bias, signBit, nan, largest, fnuz } = LAYOUTS[format];
  if (fnuz && bits === nan) return NaN;
  const magnitude = bits & (signBit - 1);
  const sign = bits & signBit ? -1 : 1;
  if (magnitude > largest) return format === "float8_e5m2" && magnitude === 0x7c ? sign * Infinity : NaN;
  const exponent = magnitude >> mantissa;
  const fraction = magnitude & ((1 << mantissa) - 1);
  if (exponent === 0) return sign * fraction * 2 ** (1 - bias - mantissa);
  return sign * (2 ** mantissa + fraction) * 2 ** (exponent - bias - mantissa);
}

const tables = new Map<SmallFloat, Float32Array>();

/** The values of a format by its bits: 256 of them (16 for `float4_e2m1`, whose upper bits are ignored). Shared: do not write. */
export function smallFloatTable(format: SmallFloat): Float32Array {
  const known = tables.get(format);
  if (known !== undefined) return known;
  const values = new Float32Array(256);
  const mask = format === "float4_e2m1" ? 15 : 255;
  for (let bits = 0; bits < 256; bits++) values[bits] = valueOf(format, bits & mask);
  tables.set(format, values);
  return values;
}

/**
 * A function from a number to the bits of the nearest value of `format`, ties to even. With `saturate`, what is too large
 * (infinities too) becomes the largest finite; without, an infinity or NaN, whichever the format has (ONNX Cast).
 */
export function smallFloatEncoder(format: SmallFloat, saturate: boolean): (value: number) => number {
  if (format === "float8_e8m0fnu") return (value) => encodeScale(value, saturate, "nearest");
  const { mantissa, bias, signBit, largest, overflow, nan, fnuz } = LAYOUTS[format];
  const signShift = signBit === 0x80 ? 24 : 28;
  const shift = 20 - mantissa;
  const offset = (1023 - bias) << 20;
  const firstNormal = (1024 - bias) << 20;
  const restMask = (1 << shift) - 1;
  const halfway = 1 << (shift - 1);
  const steps = 2 ** (bias - 1 + mantissa);
  return (value) => {
    const high = highWord(value);
    const low = lowWordOfLast();
    const sign = (high >>> signShift) & signBit;
    const magnitude = high & 0x7fffffff;
    if (value !== value) return nan;
    let bits: number;
    if (magnitude >= firstNormal) {
      const shifted = magnitude - offset;
      const rest = shifted & restMask;
      bits = shifted >>> shift;
      if (rest > halfway || (rest === halfway && ((bits & 1) !== 0 || low !== 0))) bits++;
      if (bits > largest) {
        if (saturate) return sign | largest;
        return sign | overflow;
      }
    } else {
      bits = Math.abs(value) * steps + 2 ** 52 - 2 ** 52;
    }
    return fnuz && bits === 0 ? 0 : sign | bits;
  };
}

/**
 * The bits of a `float8_e8m0fnu` scale: the power of two for `|value|`. NaN, and without `saturate` what is too large, is 255.
 * Below 2^-127 the smallest scale is taken; between it and 2^-126 `nearest` goes up, as PyTorch does.
 */
export function encodeScale(value: number, saturate: boolean, rounding: ScaleRounding): number {
  const magnitude = Math.abs(value);
  if (magnitude !== magnitude) return 255;
  if (magnitude === Infinity) return saturate ? 254 : 255;
  if (magnitude <= 2 ** -127) return 0;
  if (magnitude < 2 ** -126) return rounding === "down" ? 0 : 1;
  const high = highWord(magnitude);
  const low = lowWordOfLast();
  const fraction = high & 0xfffff;
  let bits = (high >>> 20) - 896;
  if (rounding === "nearest" ? fraction >= 0x80000 : rounding === "up" && (fraction !== 0 || low !== 0)) bits++;
  return bits < 255 ? bits : saturate ? 254 : 255;
}

/** The value of one element of `format`. */
export function decodeSmallFloat(format: SmallFloat, bits: number): number {
  return (tables.get(format) ?? smallFloatTable(format))[bits & 255] as number; // 8 bits index the whole table
}
