/**
 * The health record of a tensor (F4): counts, extremes, moments and a histogram of signs and exponents, in one pass over its numbers. The histogram has
 * 512 bins, `bits >>> 23` of each number as a float32: sign, then exponent; bins 0 and 256 hold zeros and subnormals, 255 and 511 infinities and NaN.
 */

import { type DType, dtypeInfo, largestOf } from "../tensor/dtype.ts";
import { decodeSmallFloat } from "../tensor/text.ts";
import type { View } from "../tensor/tensor.ts";
import { elementBytes, typed } from "./elements.ts";
import type { Health } from "./events.ts";

/** Numbers that stay in the processor's cache while they are gone over three times. */
const CHUNK = 4096;

/** Counts and sums while a pass runs. */
class Moments {
  count = 0;
  mean = 0;
  m2 = 0;
  min = Infinity;
  max = -Infinity;

  /**
   * Takes in finite numbers `from` to `to`: exact two-pass moments of the chunk, merged into the whole (Chan's rule). Sums run in four lanes, which do
   * not wait for each other.
   */
  add(x: Float32Array | Float64Array, from: number, to: number): void {
    const n = to - from;
    const whole = from + n - (n % 4);
    let { min, max } = this;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let i = from; i < whole; i += 4) {
      const a = x[i] as number; // these four are below the length
      const b = x[i + 1] as number;
      const c = x[i + 2] as number;
      const d = x[i + 3] as number;
      s0 += a;
      s1 += b;
      s2 += c;
      s3 += d;
      const low = Math.min(Math.min(a, b), Math.min(c, d));
      const high = Math.max(Math.max(a, b), Math.max(c, d));
      min = low < min ? low : min;
      max = high > max ? high : max;
    }
    for (let i = whole; i < to; i++) {
      const v = x[i] as number; // below the length
      s0 += v;
      min = v < min ? v : min;
      max = v > max ? v : max;
    }
    const mean = (s0 + s1 + (s2 + s3)) / n;
    let q0 = 0;
    let q1 = 0;
    let q2 = 0;
    let q3 = 0;
    for (let i = from; i < whole; i += 4) {
      const a = (x[i] as number) - mean; // these four are below the length
      const b = (x[i + 1] as number) - mean;
      const c = (x[i + 2] as number) - mean;
      const d = (x[i + 3] as number) - mean;
      q0 += a * a;
      q1 += b * b;
      q2 += c * c;
      q3 += d * d;
    }
    for (let i = whole; i < to; i++) q0 += ((x[i] as number) - mean) ** 2; // below the length
    const m2 = q0 + q1 + (q2 + q3);
    const total = this.count + n;
    const delta = mean - this.mean;
    this.mean += (delta * n) / total;
    this.m2 += m2 + (delta * delta * this.count * n) / total;
    this.count = total;
    this.min = min;
    this.max = max;
  }
}

/** Tables of what the bits of 16-bit and smaller floats stand for, made when first used. */
const decoded = new Map<DType, Float32Array>();
function tableOf(dtype: DType, bits: number): Float32Array {
  let table = decoded.get(dtype);
  if (table === undefined) {
    table = Float32Array.from({ length: 2 ** bits }, (_, i) => decodeSmallFloat(dtype, i));
    decoded.set(dtype, table);
  }
  return table;
}

/** The numbers of a float or complex dtype as float32 or float64. */
function numbersOf(dtype: DType, bytes: Uint8Array): Float32Array | Float64Array {
  const { carrier } = dtypeInfo(dtype);
  if (carrier === "f32") return typed(bytes, Float32Array);
  if (carrier === "f64") return typed(bytes, Float64Array);
  const codes = carrier === "u16" ? typed(bytes, Uint16Array) : bytes;
  const table = tableOf(dtype === "complex32" ? "float16" : dtype, carrier === "u16" ? 16 : 8);
  const out = new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) out[i] = table[codes[i] as number] as number; // the table has every code
  return out;
}

/** Counts signs and exponents. The bins of float64 are those of its number as a float32, clamped at both ends. */
function countBins(x: Float32Array | Float64Array, from: number, to: number, bins: Uint32Array): void {
  if (x instanceof Float32Array) {
    const bits = new Uint32Array(x.buffer, x.byteOffset, x.length);
    for (let i = from; i < to; i++) {
      const bin = (bits[i] as number) >>> 23; // below the length
      bins[bin] = (bins[bin] as number) + 1;
    }
    return;
  }
  const bits = new Uint32Array(x.buffer, x.byteOffset, x.length * 2);
  for (let i = from; i < to; i++) {
    const high = (bits[2 * i + 1] as number) >>> 20; // little-endian: the second word has sign and exponent
    const e = high & 0x7ff;
    const exponent = e === 0x7ff ? 255 : e === 0 ? 0 : Math.min(254, Math.max(1, e - 896));
    const bin = ((high >>> 11) << 8) | exponent;
    bins[bin] = (bins[bin] as number) + 1;
  }
}

/** Zeros of `from` to `to`: what bins 0 and 256 hold besides subnormals. */
function countZeros(x: Float32Array | Float64Array, from: number, to: number): number {
  let zeros = 0;
  for (let i = from; i < to; i++) zeros += x[i] === 0 ? 1 : 0;
  return zeros;
}

function floatHealth(dtype: DType, x: Float32Array | Float64Array, repeats: number): Health {
  const bins = new Uint32Array(512);
  const moments = new Moments();
  const special = { nan: 0, posInf: 0, negInf: 0 };
  let zero = 0;
  let seen = 0;
  for (let from = 0; from < x.length; from += CHUNK) {
    const to = Math.min(from + CHUNK, x.length);
    const small = bin(bins, 0) + bin(bins, 256);
    countBins(x, from, to, bins);
    if (bin(bins, 0) + bin(bins, 256) > small) zero += countZeros(x, from, to);
    if (bin(bins, 255) + bin(bins, 511) === seen) moments.add(x, from, to);
    else {
      seen = bin(bins, 255) + bin(bins, 511);
      const finite = x.slice(from, to).filter((v) => {
        if (Number.isFinite(v)) return true;
        if (Number.isNaN(v)) special.nan++;
        else if (v > 0) special.posInf++;
        else special.negInf++;
        return false;
      });
      if (finite.length > 0) moments.add(finite, 0, finite.length);
    }
  }
  let negative = 0;
  for (let i = 256; i < 511; i++) negative += bin(bins, i);
  const std = Math.sqrt(moments.m2 / moments.count);
  const minusZeros = bin(bins, 256) === 0 ? 0 : countMinusZeros(x);
  const smallest = SMALLEST_NORMAL[dtype];
  const subnormal = smallest === undefined ? bin(bins, 0) + bin(bins, 256) - zero : countBelow(x, smallest, bins);
  return {
    n: x.length * repeats,
    nan: special.nan * repeats,
    posInf: special.posInf * repeats,
    negInf: special.negInf * repeats,
    zero: zero * repeats,
    subnormal: subnormal * repeats,
    neg: (negative - minusZeros + special.negInf) * repeats,
    ...extremes(moments),
    ...(Number.isFinite(std) ? { std } : {}),
    bins: encodeBins(bins, repeats),
  };
}

/** Smallest normal numbers of dtypes whose exponents are fewer than float32's. */
const SMALLEST_NORMAL: Readonly<Partial<Record<DType, number>>> = {
  float16: 2 ** -14,
  complex32: 2 ** -14,
  float8_e5m2: 2 ** -14,
  float8_e4m3fn: 2 ** -6,
  float8_e5m2fnuz: 2 ** -15,
  float8_e4m3fnuz: 2 ** -7,
};

function countBelow(x: Float32Array | Float64Array, smallest: number, bins: Uint32Array): number {
  const first = Math.log2(smallest) + 127;
  let could = 0;
  for (let i = 0; i < first; i++) could += bin(bins, i) + bin(bins, 256 + i);
  if (could === 0) return 0;
  let below = 0;
  for (const v of x) if (v !== 0 && Math.abs(v) < smallest) below++;
  return below;
}
function countMinusZeros(x: Float32Array | Float64Array): number {
  let zeros = 0;
  for (const v of x) if (Object.is(v, -0)) zeros++;
  return zeros;
}

function bin(bins: Uint32Array, i: number): number {
  return bins[i] ?? 0;
}

function extremes({ count, min, max, mean }: Moments): Pick<Health, "min" | "max" | "mean" | "absmax"> {
  // Sums of the largest doubles overflow: then there is no mean to tell.
  return count === 0 ? {} : { min, max, ...(Number.isFinite(mean) ? { mean } : {}), absmax: Math.max(Math.abs(min), Math.abs(max)) };
}

/** Integers and bools: counts, extremes and the mean. 64-bit ones beyond 2^53 are rounded. */
function intHealth(dtype: DType, bytes: Uint8Array, repeats: number): Health {
  const { carrier } = dtypeInfo(dtype);
  const at = readerOf(carrier, bytes);
  let [zero, neg, sum, min, max] = [0, 0, 0, Infinity, -Infinity];
  for (let i = 0; i < at.length; i++) {
    const v = at.number(i);
    zero += v === 0 ? 1 : 0;
    neg += v < 0 ? 1 : 0;
    sum += v;
    min = v < min ? v : min;
    max = v > max ? v : max;
  }
  const base = { n: at.length * repeats, nan: 0, posInf: 0, negInf: 0, zero: zero * repeats, subnormal: 0, neg: neg * repeats };
  return at.length === 0 ? base : { ...base, min, max, mean: sum / at.length, absmax: Math.max(Math.abs(min), Math.abs(max)) };
}

interface Numbers {
  readonly length: number;
  number(i: number): number;
}

function readerOf(carrier: string, bytes: Uint8Array): Numbers {
  if (carrier === "i64" || carrier === "u64") {
    // As two halves: a BigInt for each element takes ten times as long.
    const low = typed(bytes, Uint32Array);
    const high = typed(bytes, Int32Array);
    const top = carrier === "i64" ? high : low;
    return { length: Math.floor(low.length / 2), number: (i) => (top[2 * i + 1] as number) * 2 ** 32 + (low[2 * i] as number) }; // below the length
  }
  const array =
    carrier === "i8"
      ? typed(bytes, Int8Array)
      : carrier === "u8"
        ? bytes
        : carrier === "i16"
          ? typed(bytes, Int16Array)
          : carrier === "u16"
            ? typed(bytes, Uint16Array)
            : carrier === "i32"
              ? typed(bytes, Int32Array)
              : typed(bytes, Uint32Array);
  return { length: array.length, number: (i) => array[i] as number }; // below the length
}

/** The health of what a view shows of a storage's bytes. */
export function healthOf(view: Pick<View, "shape" | "strides" | "offset" | "dtype">, bytes: Uint8Array): Health {
  const { bytes: elements, repeats } = elementBytes(view, bytes);
  return healthOfElements(view.dtype, elements, repeats);
}

/** The health of elements as they lie in memory, each of which counts `repeats` times. */
export function healthOfElements(dtype: DType, elements: Uint8Array, repeats: number = 1): Health {
  const info = dtypeInfo(dtype);
  if (info.class === "string") return { n: (elements.length / info.itemsize) * repeats, nan: 0, posInf: 0, negInf: 0, zero: 0, subnormal: 0, neg: 0 };
  if (info.class === "float" || info.class === "complex") return floatHealth(dtype, numbersOf(dtype, elements), repeats);
  return intHealth(dtype, elements, repeats);
}

/** Bins as text: runs of neighbours that are not empty, `first:count,count;…`, counts in base 36. */
function encodeBins(bins: Uint32Array, repeats: number): string {
  const runs: string[] = [];
  for (let i = 0; i < 512; i++) {
    if (bin(bins, i) === 0) continue;
    const counts: string[] = [];
    const first = i;
    for (; i < 512 && bin(bins, i) > 0; i++) counts.push((bin(bins, i) * repeats).toString(36));
    runs.push(`${first}:${counts.join(",")}`);
  }
  return runs.join(";");
}

/** The 512 counts of `bins`. Malformed parts count nothing. */
export function decodeBins(text: string): Float64Array {
  const bins = new Float64Array(512);
  for (const run of text.split(";")) {
    const [first = "", counts = ""] = run.split(":");
    const from = Number(first);
    if (!Number.isInteger(from) || from < 0 || counts === "") continue;
    counts.split(",").forEach((count, i) => {
      const value = Number.parseInt(count, 36);
      if (from + i < 512 && value >= 0) bins[from + i] = value;
    });
  }
  return bins;
}

/** What a histogram says of a dtype's range. */
export interface Headroom {
  /** Powers of two between the largest number and the dtype's maximum; negative: it does not hold. */
  readonly binades: number;
  /** Share of the numbers that become zero or subnormal. */
  readonly lost: number;
  readonly holds: boolean;
}

/** Range of exponents, in powers of two, of the finite numbers other than 0; undefined where there are none. */
export function exponentRange(bins: Float64Array): { readonly low: number; readonly high: number } | undefined {
  let [low, high] = [Infinity, -Infinity];
  for (let e = 1; e < 255; e++) {
    if ((bins[e] ?? 0) + (bins[256 + e] ?? 0) === 0) continue;
    low = Math.min(low, e - 127);
    high = Math.max(high, e - 127);
  }
  return low === Infinity ? undefined : { low, high };
}

const LOWEST: Readonly<Partial<Record<DType, number>>> = { float16: -14, bfloat16: -126, float32: -126 };

/** Whether float16 or bfloat16 would hold the numbers of a health record. */
export function headroomOf(health: Health, dtype: "float16" | "bfloat16"): Headroom {
  const bins = decodeBins(health.bins ?? "");
  const largest = largestOf(dtype) ?? Infinity;
  const absmax = health.absmax ?? 0;
  let lost = 0;
  for (let e = 0; e < (LOWEST[dtype] ?? -126) + 127; e++) lost += (bins[e] ?? 0) + (bins[256 + e] ?? 0);
  lost -= health.zero;
  return { binades: absmax === 0 ? Infinity : Math.log2(largest / absmax), lost: health.n === 0 ? 0 : Math.max(0, lost) / health.n, holds: absmax <= largest };
}
