/** CRC-32 as zip uses it (reflected polynomial 0xEDB88320): the platform's where there is one, else eight bytes at a step by tables. */

const TABLES: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
  const [first, ...rest] = tables as [Uint32Array, ...Uint32Array[]]; // eight were just made
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
    first[n] = c >>> 0;
  }
  let previous = first;
  for (const table of rest) {
    for (let n = 0; n < 256; n++) {
      const c = previous[n] ?? 0;
      table[n] = ((c >>> 8) ^ (first[c & 0xff] ?? 0)) >>> 0;
    }
    previous = table;
  }
  return tables;
}

/** CRC-32 by tables alone; `seed` is the CRC of the bytes before. */
export function crc32ByTables(bytes: Uint8Array, seed: number = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = TABLES as [
    Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array,
  ]; // made with eight tables of 256 above, and indices below are bytes
  let c = ~seed;
  let i = 0;
  for (const end = bytes.length - 7; i < end; i += 8) {
    const a = c ^ (bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24));
    c =
      t7[a & 0xff]! ^ t6[(a >>> 8) & 0xff]! ^ t5[(a >>> 16) & 0xff]! ^ t4[a >>> 24]! ^
      t3[bytes[i + 4]!]! ^ t2[bytes[i + 5]!]! ^ t1[bytes[i + 6]!]! ^ t0[bytes[i + 7]!]!;
  }
  for (; i < bytes.length; i++) c = (c >>> 8) ^ t0[(c ^ bytes[i]!) & 0xff]!;
  return ~c >>> 0;
}

type Crc = (bytes: Uint8Array, seed?: number) => number;

function platformCrc(): Crc | undefined {
  if (typeof process === "undefined" || typeof process.getBuiltinModule !== "function") return undefined;
  const zlib: { readonly crc32?: Crc } | undefined = process.getBuiltinModule("node:zlib");
  return zlib?.crc32;
}

const native = platformCrc();

/** CRC-32 of `bytes`, as an unsigned 32-bit number; `seed` is the CRC of what came before. */
export function crc32(bytes: Uint8Array, seed: number = 0): number {
  return native === undefined ? crc32ByTables(bytes, seed) : native(bytes, seed);
}
