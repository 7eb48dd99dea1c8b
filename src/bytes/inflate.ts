/** Inflates raw deflate data into a buffer of known size, and stops as soon as it would be passed. */

import { Inflate } from "fflate";
import { OpwiseError, isOpwiseError } from "../tensor/error.ts";

/** Compressed bytes handed over at a time: they inflate to 16 MiB at most, so an overrun is seen early. */
const CHUNK = 16 * 1024;
/** No deflate stream inflates by more. */
const MAX_RATIO = 1032;

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
  const out = new Uint8Array(size);
  let done = 0;
  const stream = new Inflate((chunk) => {
    if (done + chunk.length > size) {
      throw new OpwiseError("bad-zip", "the record inflates to more than its declared size", { wanted: `${size} bytes`, got: `more than ${size} bytes` });
    }
    out.set(chunk, done);
    done += chunk.length;
  });
  try {
    for (let at = 0; ; at += CHUNK) {
      const last = at + CHUNK >= compressed.length;
      stream.push(compressed.subarray(at, at + CHUNK), last);
      if (last) break;
    }
  } catch (cause) {
    if (isOpwiseError(cause)) throw cause;
    throw new OpwiseError("bad-zip", `the record's deflate stream is damaged: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  if (done !== size) {
    throw new OpwiseError("bad-zip", "the record inflates to fewer bytes than it declares", { wanted: `${size} bytes`, got: `${done} bytes` });
  }
  return out;
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
