/** IEEE half precision (float16): exact decoding, and encoding with a single rounding to nearest even. */

import { highWord, lowWordOfLast } from "./bits.ts";

let table: Float32Array | undefined;

/** The 65,536 values of float16 by their bits. Shared: do not write. */
export function halfTable(): Float32Array {
  if (table !== undefined) return table;
  const values = new Float32Array(65536);
  for (let bits = 0; bits < 0x8000; bits++) {
    const exponent = bits >> 10;
    const fraction = bits & 0x3ff;
    let value: number;
    if (exponent === 31) value = fraction === 0 ? Infinity : NaN;
    else if (exponent === 0) value = fraction * 2 ** -24;
    else value = (1024 + fraction) * 2 ** (exponent - 25);
    values[bits] = value;
    values[bits + 0x8000] = -value;
  }
  return (table = values);
}

/** The number that float16 `bits` stand for. */
export function decodeHalf(bits: number): number {
  return (table ?? halfTable())[bits] as number; // 16 bits index the whole table
}

/** The bits of the float16 nearest to `value`, ties to even; above 65,519 an infinity. */
export function encodeHalf(value: number): number {
  const high = highWord(value);
  const sign = (high >>> 16) & 0x8000;
  const magnitude = high & 0x7fffffff;
  if (magnitude >= 0x40f00000) {
    if (value !== value) return sign | 0x7e00;
    return sign | 0x7c00;
  }
  if (magnitude >= 0x3f100000) {
    const shifted = magnitude - 0x3f000000;
    const rest = shifted & 0x3ff;
    const kept = shifted >> 10;
    const up = rest > 0x200 || (rest === 0x200 && ((kept & 1) !== 0 || lowWordOfLast() !== 0));
    return sign | (up ? kept + 1 : kept);
  }
  // Subnormal: adding 2^52 rounds the count of 2^-24 steps to nearest even.
  return sign | (Math.abs(value) * 2 ** 24 + 2 ** 52 - 2 ** 52);
}
