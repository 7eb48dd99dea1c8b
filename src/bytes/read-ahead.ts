/** Small reads of a file together: an archive's headers, its code and its small weights lie side by side. */

import type { Range } from "../tensor/source.ts";

type ReadInto = (range: Range, target: Uint8Array) => void;

/** A read of no more than this is a small one: it brings along what follows. */
const SMALL_BYTES = 8 * 1024;
const AHEAD_BYTES = 32 * 1024;

/** As `fetchInto`, which reads ranges of a file of `size` bytes; the last small read is kept with what it brought along. */
export function readingAhead(fetchInto: ReadInto, size: number): ReadInto {
  const bytes = new Uint8Array(Math.min(AHEAD_BYTES, size));
  // What of the file is in `bytes`.
  let [from, end] = [0, 0];
  return (range, target) => {
    if (range.length > SMALL_BYTES) return fetchInto(range, target);
    if (range.offset < from || range.offset + range.length > end) {
      const length = Math.min(bytes.length, size - range.offset);
      [from, end] = [0, 0]; // in case it fails
      fetchInto({ offset: range.offset, length }, bytes);
      [from, end] = [range.offset, range.offset + length];
    }
    target.set(bytes.subarray(range.offset - from, range.offset - from + range.length));
  };
}
