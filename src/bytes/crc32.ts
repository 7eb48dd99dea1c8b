/** CRC-32 as zip uses it (reflected polynomial 0xEDB88320): the platform's where there is one, else eight bytes at a step by tables. */

import { nodeZlib } from "./node-zlib.ts";

/** Eight tables of 256 in a row; the k-th steps a byte that has k more behind it. */
let tables: Uint32Array | undefined;

function makeTables(): Uint32Array {
  const made = new Uint32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    made[n] = c;
  }
  for (let at = 256; at < made.length; at++) {
    const c = made[at - 256] ?? 0;
    made[at] = (c >>> 8) ^ (made[c & 0xff] ?? 0);
  }
  return made;
}

/** CRC-32 by tables alone; `seed` is the CRC of the bytes before. */
export function crc32ByTables(bytes: Uint8Array, seed: number = 0): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const all = (tables ??= makeTables());
  const step = (k: number, byte: number): number => all[256 * k + (byte & 0xff)] ?? 0;
  let c = ~seed;
  let at = 0;
  for (const end = bytes.length - 7; at < end; at += 8) {
    const a = c ^ view.getInt32(at, true);
    const b = view.getInt32(at + 4, true);
    c = step(7, a) ^ step(6, a >>> 8) ^ step(5, a >>> 16) ^ step(4, a >>> 24) ^ step(3, b) ^ step(2, b >>> 8) ^ step(1, b >>> 16) ^ step(0, b >>> 24);
  }
  for (; at < bytes.length; at++) c = (c >>> 8) ^ step(0, c ^ view.getUint8(at));
  return ~c >>> 0;
}

const native = nodeZlib?.crc32;

/** CRC-32 of `bytes`, as an unsigned 32-bit number; `seed` is the CRC of what came before. */
export function crc32(bytes: Uint8Array, seed: number = 0): number {
  return native === undefined ? crc32ByTables(bytes, seed) : native(bytes, seed);
}
