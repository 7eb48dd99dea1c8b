/** The bits of doubles and single floats, through scratch words shared by this folder. */

const f64 = new Float64Array(1);
const u32 = new Uint32Array(f64.buffer);
const i64 = new BigInt64Array(f64.buffer);
const f32 = new Float32Array(1);
const w32 = new Uint32Array(f32.buffer);

f64[0] = 1;
/** Which 32-bit half of a double holds the sign and exponent (1 on little-endian machines). */
const HIGH = u32[1] === 0x3ff00000 ? 1 : 0;
const LOW = 1 - HIGH;

/** Sign, exponent and the upper 20 bits of the fraction. */
export function highWord(x: number): number {
  f64[0] = x;
  return u32[HIGH] as number; // both halves exist
}

/** The lower 32 bits of the fraction of the double last given to `highWord`. */
export function lowWordOfLast(): number {
  return u32[LOW] as number;
}

/** The double of two 32-bit halves. */
export function fromWords(high: number, low: number): number {
  u32[HIGH] = high;
  u32[LOW] = low;
  return f64[0] as number;
}

/** All 64 bits as a signed integer. */
export function bitsOfDouble(x: number): bigint {
  f64[0] = x;
  return i64[0] as bigint;
}

export function doubleOfBits(bits: bigint): number {
  i64[0] = bits;
  return f64[0] as number;
}

/** The 32 bits of `x` rounded to a single float. */
export function bitsOfSingle(x: number): number {
  f32[0] = x;
  return w32[0] as number;
}

export function singleOfBits(bits: number): number {
  w32[0] = bits;
  return f32[0] as number;
}

/** `x` with its lower 32 bits cleared: the head of a two-part product. */
export function head(x: number): number {
  f64[0] = x;
  u32[LOW] = 0;
  return f64[0];
}
