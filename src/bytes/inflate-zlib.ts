/** What deflate and zlib streams of pictures hold, as much of it as is wanted: their sizes stand elsewhere, and damage behind the last wanted byte does not matter. */

import { Inflate } from "fflate/browser";
import { OpwiseError } from "../tensor/error.ts";
import { CHUNK } from "./inflate.ts";

/**
 * What a raw deflate stream holds, `size` bytes at most; memory is taken as bytes come. `isWhole` tells that the stream ended by itself;
 * damage behind the last wanted byte does not matter.
 * @throws bad-zip when the stream is damaged or cut off before that
 */
export function inflateAtMost(compressed: Uint8Array, size: number): { readonly bytes: Uint8Array; readonly isWhole: boolean } {
  let out = new Uint8Array(Math.min(size, 4 * compressed.length + 4096));
  let done = 0;
  let surplus = false;
  const stream = new Inflate((chunk) => {
    const wanted = chunk.length > size - done ? chunk.subarray(0, size - done) : chunk;
    surplus ||= wanted.length < chunk.length;
    if (done + wanted.length > out.length) {
      const grown = new Uint8Array(Math.min(size, Math.max(2 * out.length, done + wanted.length)));
      grown.set(out.subarray(0, done));
      out = grown;
    }
    out.set(wanted, done);
    done += wanted.length;
  });
  try {
    for (let at = 0; ; at += CHUNK) {
      const last = at + CHUNK >= compressed.length;
      stream.push(compressed.subarray(at, at + CHUNK), last);
      if (last || surplus) break;
    }
  } catch (cause) {
    if (done < size) throw new OpwiseError("bad-zip", `the deflate stream is damaged: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    surplus = true;
  }
  return { bytes: out.subarray(0, done), isWhole: !surplus };
}

/** Bytes behind a stream that has been cut off, to see what its last bits alone decide. */
const PADDING = 64;
const ADLER_PRIME = 65_521;
/** Bytes after which Adler-32's sums have to be reduced: they stay below 2^32. */
const ADLER_RUN = 5552;

/** The checksum of a zlib stream (RFC 1950). */
export function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (let from = 0; from < bytes.length; from += ADLER_RUN) {
    const end = Math.min(from + ADLER_RUN, bytes.length);
    for (let i = from; i < end; i++) {
      a += bytes[i] ?? 0;
      b += a;
    }
    a %= ADLER_PRIME;
    b %= ADLER_PRIME;
  }
  return b * 65_536 + a;
}

/**
 * What a zlib stream holds, `size` bytes at most, as zlib itself gives it to a caller that stops there: a checksum that is wrong counts, one that
 * is cut off does not, and neither does what lies behind the last wanted byte. `isWhole` tells that the stream holds no more.
 * @throws bad-zip when the stream is no zlib stream, damaged, or cut off before the last wanted byte
 */
export function inflateZlib(stream: Uint8Array, size: number): { readonly bytes: Uint8Array; readonly isWhole: boolean } {
  const [method = 0, flags = 0] = stream;
  if (stream.length < 2 || (method & 15) !== 8 || method >> 4 > 7 || (method * 256 + flags) % 31 !== 0 || (flags & 32) !== 0) {
    throw new OpwiseError("bad-zip", "the data is no zlib stream", { got: `bytes ${method.toString(16)} ${flags.toString(16)}` });
  }
  const body = stream.subarray(2);
  let inflated: ReturnType<typeof inflateAtMost>;
  try {
    inflated = inflateAtMost(body, size);
  } catch (error) {
    // A reader of whole symbols stops before the last ones of a stream that is cut off: they count where any bits behind them give the same.
    const [zeros, ones] = [0, 255].map((byte) => inflateAtMost(padded(body, byte), size).bytes);
    if (zeros?.length !== size || ones === undefined || zeros.some((v, i) => v !== ones[i])) throw error;
    return { bytes: zeros, isWhole: false };
  }
  const { bytes, isWhole } = inflated;
  if (isWhole && !hasChecksum(stream, adler32(bytes)) && inflatesWhole(body.subarray(0, -4), size)) {
    throw new OpwiseError("bad-zip", "the zlib stream has another Adler-32 than it says");
  }
  return inflated;
}

function padded(body: Uint8Array, byte: number): Uint8Array {
  const out = new Uint8Array(body.length + PADDING).fill(byte, body.length);
  out.set(body);
  return out;
}

/** Whether the checksum stands somewhere in the stream: at its end, or in front of bytes that do not belong to it. */
function hasChecksum(stream: Uint8Array, checksum: number): boolean {
  for (let at = stream.length - 4; at >= 0; at--) {
    if (
      stream[at] === checksum >>> 24 &&
      stream[at + 1] === ((checksum >>> 16) & 255) &&
      stream[at + 2] === ((checksum >>> 8) & 255) &&
      stream[at + 3] === (checksum & 255)
    )
      return true;
  }
  return false;
}

/** Whether what is left without the last four bytes ends by itself: then those were a checksum. */
function inflatesWhole(body: Uint8Array, size: number): boolean {
  try {
    return inflateAtMost(body, size).isWhole;
  } catch {
    return false;
  }
}
