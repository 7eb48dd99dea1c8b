/** Inflates raw deflate data into a buffer of known size, and stops as soon as it would be passed. */

import { Inflate, inflateSync } from "fflate/browser"; // without Node's worker threads
import { OpwiseError, isOpwiseError } from "../tensor/error.ts";
import { nodeZlib } from "./node-zlib.ts";

/** Compressed bytes handed over at a time: they inflate to 16 MiB at most, so an overrun is seen early. */
export const CHUNK: number = 16 * 1024;
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
