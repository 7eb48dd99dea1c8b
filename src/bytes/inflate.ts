/** Inflates raw deflate data into a buffer of known size, and stops as soon as it would be passed. */

import { Inflate, inflateSync } from "fflate/browser"; // without Node's worker threads
import { OpwiseError, isOpwiseError } from "../tensor/error.ts";
import { nodeZlib } from "./node-zlib.ts";

/** Compressed bytes handed over at a time: they inflate to 16 MiB at most, so an overrun is seen early. */
const CHUNK = 16 * 1024;
/** No deflate stream inflates by more. */
const MAX_RATIO = 1032;
/** The least that Node's zlib takes for the size of its output. */
const MIN_ZLIB_CHUNK = 64;

/**
 * The inflated bytes, exactly `size` of them; the caller has bounded `size`.
 * @throws bad-zip when the stream is damaged or holds more or fewer bytes
 */
export function inflateRaw(compressed: Uint8Array, size: number): Uint8Array {
  if (size > compressed.length * MAX_RATIO + 64) {
    throw new OpwiseError("bad-zip", "the record cannot inflate to its declared size", {
      wanted: `${size} bytes`,
      got: `${compressed.length} compressed bytes`,
    });
  }
  const native = inflateByNode(compressed, size);
  if (native !== undefined) return native;
  try {
    // A stream has 100 KB of windows, which is more than most records of code hold.
    return compressed.length > 0 && compressed.length <= CHUNK ? inflateSmall(compressed, size) : inflateInChunks(compressed, size);
  } catch (cause) {
    if (isOpwiseError(cause)) throw cause;
    throw new OpwiseError("bad-zip", `the record's deflate stream is damaged: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function overrun(size: number): OpwiseError {
  return new OpwiseError("bad-zip", "the record inflates to more than its declared size", { wanted: `${size} bytes`, got: `more than ${size} bytes` });
}
function shortfall(size: number, got: number): OpwiseError {
  return new OpwiseError("bad-zip", "the record inflates to fewer bytes than it declares", { wanted: `${size} bytes`, got: `${got} bytes` });
}

/** In one go. One byte more than is wanted tells an overrun: what lies behind it is not kept. */
function inflateSmall(compressed: Uint8Array, size: number): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = inflateSync(compressed, { out: new Uint8Array(size + 1) });
  } catch (error) {
    throw error instanceof RangeError ? overrun(size) : error; // a stored block that does not fit
  }
  if (bytes.length > size) throw overrun(size);
  if (bytes.length < size) throw shortfall(size, bytes.length);
  return bytes;
}

function inflateInChunks(compressed: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let done = 0;
  const stream = new Inflate((chunk) => {
    if (done + chunk.length > size) throw overrun(size);
    out.set(chunk, done);
    done += chunk.length;
  });
  for (let at = 0; ; at += CHUNK) {
    const last = at + CHUNK >= compressed.length;
    stream.push(compressed.subarray(at, at + CHUNK), last);
    if (last) break;
  }
  if (done !== size) throw shortfall(size, done);
  return out;
}

/** Undefined outside Node, and where the stream is not exactly what its size says: what is wrong with it is judged by the same code everywhere. */
function inflateByNode(compressed: Uint8Array, size: number): Uint8Array | undefined {
  if (nodeZlib === undefined) return undefined;
  try {
    const room = Math.max(size + 1, MIN_ZLIB_CHUNK); // with a byte left it sees the end, and asks for no second piece
    const { buffer, byteOffset, length } = nodeZlib.inflateRawSync(compressed, { chunkSize: room, maxOutputLength: room });
    return length === size ? new Uint8Array(buffer, byteOffset, length) : undefined;
  } catch {
    return undefined;
  }
}

/** Compressed bytes from which the platform's own inflater is worth its promises. */
const NATIVE_FROM = 64 * 1024;

/**
 * As `inflateRaw`, by the platform's inflater where there is one and the data is large: several times as fast, and no turn of the event loop waits for it.
 * What it finds fault with, `inflateRaw` judges. @throws bad-zip
 */
export async function inflateRawAsync(compressed: Uint8Array, size: number): Promise<Uint8Array> {
  const native = compressed.length >= NATIVE_FROM && size <= compressed.length * MAX_RATIO ? await inflateNative(compressed, size) : undefined;
  return native ?? inflateRaw(compressed, size);
}

/** Undefined where the platform has no inflater, or the stream is not exactly what its size says. */
async function inflateNative(compressed: Uint8Array, size: number): Promise<Uint8Array | undefined> {
  if (typeof DecompressionStream === "undefined") return undefined;
  try {
    const stream = new Blob([new Uint8Array(compressed)]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
    const reader = stream.getReader();
    const out = new Uint8Array(size);
    let done = 0;
    for (;;) {
      const chunk = await reader.read();
      if (chunk.done) return done === size ? out : undefined;
      if (done + chunk.value.length > size) {
        await reader.cancel();
        return undefined;
      }
      out.set(chunk.value, done);
      done += chunk.value.length;
    }
  } catch {
    return undefined; // an older platform, or a damaged stream: the caller's own inflater says which
  }
}

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
