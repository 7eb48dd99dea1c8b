/** Damage that knows nothing of what it damages. */

import type { Random } from "./random.ts";

export type Damage = (bytes: Uint8Array, random: Random) => Uint8Array;

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The bytes with [from, to) replaced. */
export function spliced(bytes: Uint8Array, from: number, to: number, middle: Uint8Array): Uint8Array {
  return concat(bytes.subarray(0, from), middle, bytes.subarray(to));
}

/** Values at which counts, sizes and offsets go wrong. */
export const BOUNDARIES: readonly bigint[] = [
  0n,
  1n,
  -1n,
  2n ** 7n,
  2n ** 15n - 1n,
  2n ** 16n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  -(2n ** 63n),
];

export function varint(value: bigint): Uint8Array {
  const out: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    out.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Uint8Array.from(out);
}

function writeBoundary(bytes: Uint8Array, random: Random): Uint8Array {
  const value = random.of(BOUNDARIES);
  const width = random.of([1, 2, 4, 8, 0]);
  const at = random.below(bytes.length);
  if (width === 0) return spliced(bytes, at, Math.min(bytes.length, at + random.size(4)), varint(value));
  const out = bytes.slice();
  const little = random.oneIn(2);
  for (let i = 0; i < width && at + i < out.length; i++) {
    const shift = BigInt(8 * (little ? i : width - 1 - i));
    out[at + i] = Number((BigInt.asUintN(64, value) >> shift) & 255n);
  }
  return out;
}

const DAMAGES: readonly Damage[] = [
  (bytes, random) => {
    const out = bytes.slice();
    for (let i = random.size(4); i > 0; i--) {
      const at = random.below(out.length);
      out[at] = (out[at] ?? 0) ^ (1 << random.below(8));
    }
    return out;
  },
  (bytes, random) => {
    const out = bytes.slice();
    for (let i = random.size(4); i > 0; i--) out[random.below(out.length)] = random.below(256);
    return out;
  },
  (bytes, random) => bytes.slice(0, random.below(bytes.length)),
  (bytes, random) => {
    const at = random.below(bytes.length);
    return spliced(bytes, at, Math.min(bytes.length, at + random.size(bytes.length)), new Uint8Array());
  },
  (bytes, random) => {
    const at = random.below(bytes.length);
    return spliced(bytes, at, at, bytes.subarray(at, at + random.size(bytes.length - at)));
  },
  (bytes, random) => {
    const from = random.below(bytes.length);
    const piece = bytes.slice(from, from + random.size(bytes.length - from));
    const out = bytes.slice();
    out.set(piece.subarray(0, Math.min(piece.length, out.length)), random.below(Math.max(1, out.length - piece.length)));
    return out;
  },
  writeBoundary,
  writeBoundary,
];

/** One piece of damage. */
export const blind: Damage = (bytes, random) => (bytes.length === 0 ? Uint8Array.of(random.below(256)) : random.of(DAMAGES)(bytes, random));
