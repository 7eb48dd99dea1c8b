/** A 64-bit hash of bytes: fast in plain JavaScript, the same everywhere. Not for secrets. */

import type { DType } from "../tensor/dtype.ts";
import { stringOf } from "../tensor/strings.ts";

const K1 = 0x9e3779b1;
const K2 = 0x85ebca77;
const K3 = 0xc2b2ae3d;

function finish(h: number): number {
  let x = h;
  x = Math.imul(x ^ (x >>> 16), K2);
  x = Math.imul(x ^ (x >>> 13), K3);
  return (x ^ (x >>> 16)) >>> 0;
}

/** 16 hex digits for the bytes; `seed` tells apart what bytes alone do not (a dtype). */
export function hashBytes(bytes: Uint8Array, seed: string = ""): string {
  let a = 0x243f6a88 ^ bytes.byteLength;
  let b = 0x13198a2e;
  for (let i = 0; i < seed.length; i++) a = Math.imul(a ^ seed.charCodeAt(i), K1);
  const whole = bytes.byteLength >>> 2;
  const words = bytes.byteOffset % 4 === 0 ? new Uint32Array(bytes.buffer, bytes.byteOffset, whole) : new Uint32Array(bytes.slice(0, whole * 4).buffer);
  // Two lanes; each step is a bijection of its lane for a given word, so that no single difference can vanish.
  for (let i = 0; i < whole; i++) {
    const w = words[i] as number; // below the length
    a = Math.imul(a ^ w, K1);
    a ^= a >>> 15;
    b = Math.imul(((b << 7) | (b >>> 25)) + w, K2) ^ a;
  }
  for (let i = whole * 4; i < bytes.byteLength; i++) {
    const w = bytes[i] as number; // below the length
    a = Math.imul(a ^ w, K1);
    a ^= a >>> 15;
    b = Math.imul(((b << 7) | (b >>> 25)) + w, K2) ^ a;
  }
  const high = finish(a ^ (b >>> 11));
  const low = finish(b + high);
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** The hash of elements as they lie in memory. Strings go by their texts, whose ids are of this process alone. */
export function hashElements(dtype: DType, elements: Uint8Array): string {
  if (dtype !== "string") return hashBytes(elements, dtype);
  const ids = new Int32Array(elements.slice().buffer);
  return hashBytes(new TextEncoder().encode(JSON.stringify(Array.from(ids, stringOf))), dtype);
}
