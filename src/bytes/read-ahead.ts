/** Small reads of a file together: an archive's headers, its code and its small weights lie side by side. */

import type { Range } from "../tensor/source.ts";

type ReadInto = (range: Range, target: Uint8Array) => void;

/** A read of no more than this is a small one: it brings along what follows. */
const SMALL_BYTES = 8 * 1024;
const AHEAD_BYTES = 32 * 1024;

/** As `fetchInto`, which reads ranges of a file of `size` bytes; the last small read is kept with what it brought along. */
export function readingAhead(fetchInto: ReadInto, size: number): ReadInto {
  let ahead: { readonly offset: number; readonly bytes: Uint8Array } | undefined;
  return (range, target) => {
    if (range.length > SMALL_BYTES) return fetchInto(range, target);
    if (ahead === undefined || range.offset < ahead.offset || range.offset + range.length > ahead.offset + ahead.bytes.length) {
      const bytes = new Uint8Array(Math.min(AHEAD_BYTES, size - range.offset));
      fetchInto({ offset: range.offset, length: bytes.length }, bytes);
      ahead = { offset: range.offset, bytes };
    }
    const at = range.offset - ahead.offset;
    target.set(ahead.bytes.subarray(at, at + range.length));
  };
}
