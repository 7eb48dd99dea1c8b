/** Ranges of a file that are wanted at the same time, as few reads. */

/** Bytes of a file that are wanted in memory; as many as `target` holds. */
export interface Wanted {
  readonly offset: number;
  readonly target: Uint8Array;
}

/** Bytes between two ranges that are sooner read than a read is begun anew. */
const GAP_BYTES = 64 * 1024;
/** What one read takes at most: buffers, and bytes. */
const MAX_BUFFERS = 1000;
const MAX_READ_BYTES = 1 << 30;

/** Reads that bring all that is wanted, in the order of the file. What lies between is read as well, and nobody's. */
export function spansOf(wanted: readonly Wanted[]): { readonly position: number; readonly targets: Uint8Array[] }[] {
  const spans: { readonly position: number; readonly targets: Uint8Array[] }[] = [];
  const unwanted = new Uint8Array(GAP_BYTES);
  let end = -1;
  for (const { offset, target } of [...wanted].sort((a, b) => a.offset - b.offset)) {
    if (target.length === 0) continue;
    const last = spans[spans.length - 1];
    const gap = offset - end;
    if (last !== undefined && gap >= 0 && gap <= GAP_BYTES && last.targets.length + 2 <= MAX_BUFFERS && offset + target.length - last.position <= MAX_READ_BYTES) {
      if (gap > 0) last.targets.push(unwanted.subarray(0, gap));
      last.targets.push(target);
    } else spans.push({ position: offset, targets: [target] });
    end = offset + target.length;
  }
  return spans;
}

/** The targets without the `done` bytes that have come. */
export function behind(targets: readonly Uint8Array[], done: number): Uint8Array[] {
  const left: Uint8Array[] = [];
  let skip = done;
  for (const target of targets) {
    if (skip < target.length) left.push(target.subarray(skip));
    skip = Math.max(0, skip - target.length);
  }
  return left;
}
