/** bfloat16: the upper half of a single float, rounded once to nearest even. */

import { highWord, lowWordOfLast, singleOfBits } from "./bits.ts";

let table: Float32Array | undefined;

/** The 65,536 values of bfloat16 by their bits. Shared: do not write. */
export function bfloat16Table(): Float32Array {
  if (table !== undefined) return table;
  const values = new Float32Array(65536);
  const words = new Uint32Array(values.buffer);
  for (let bits = 0; bits < 65536; bits++) words[bits] = bits << 16;
  return (table = values);
}

/** The number that bfloat16 `bits` stand for. */
export function decodeBfloat16(bits: number): number {
  return singleOfBits(bits << 16);
}

/** The bits of the bfloat16 nearest to `value`, ties to even. Every NaN becomes 0x7fc0, as in PyTorch. */
export function encodeBfloat16(value: number): number {
  const high = highWord(value);
  const sign = (high >>> 16) & 0x8000;
  const magnitude = high & 0x7fffffff;
  if (magnitude >= 0x47f00000) {
    if (value !== value) return 0x7fc0;
    return sign | 0x7f80;
  }
  if (magnitude >= 0x38100000) {
    const shifted = magnitude - 0x38000000;
    const rest = shifted & 0x1fff;
    const kept = shifted >> 13;
    const up = rest > 0x1000 || (rest === 0x1000 && ((kept & 1) !== 0 || lowWordOfLast() !== 0));
    return sign | (up ? kept + 1 : kept);
  }
  return sign | (Math.abs(value) * 2 ** 133 + 2 ** 52 - 2 ** 52);
}
