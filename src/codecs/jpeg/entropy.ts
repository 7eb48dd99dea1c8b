/** What the two entropy codings share: a scan's blocks, its segments between restart markers, and how a damaged stream is resumed. */

import type { HeaderReader } from "./frame.ts";

/** Where one component's blocks of a scan lie. */
export interface BlockGrid {
  /** Blocks of 64 coefficients in natural order. */
  readonly coefficients: Int16Array;
  /** Blocks of a row of `coefficients`. */
  readonly stride: number;
  /** Blocks of this component in one MCU. */
  readonly wide: number;
  readonly high: number;
}

export interface ScanShape {
  readonly grids: readonly BlockGrid[];
  readonly mcusWide: number;
  readonly mcusHigh: number;
}

/** Decodes a scan's MCUs in order. */
export interface EntropyDecoder {
  /** The next row of MCUs, into rows of blocks from `blockRow` (per component `blockRow * high`) on. */
  decodeRow(blockRow: number): void;
  /** Whether the last MCU still had data: false once a scan has run dry. */
  readonly sound: boolean;
}

/** Room after a segment's end, so that words may be read across it. */
const PAD = 16;

/** A scan's bytes without stuffing, one segment at a time. */
export class Segments {
  private readonly reader: HeaderReader;
  private expected = 0;
  data: Uint8Array = new Uint8Array(4096);
  /** Bytes of `data` that the file has; zeros follow. */
  end = 0;
  /** No marker ends this segment but the file: nothing may be read behind its end. */
  isLast = false;

  constructor(reader: HeaderReader) {
    this.reader = reader;
    this.load();
  }

  /** Copies the bytes up to the next marker, which becomes `pending`, or to the file's end. */
  private load(): void {
    const { reader } = this;
    const { bytes } = reader;
    this.end = 0;
    if (reader.pending === 0) {
      let { at } = reader;
      for (;;) {
        let stop = bytes.indexOf(0xff, at);
        if (stop < 0) stop = bytes.length;
        this.append(bytes, at, stop);
        let next = stop + 1;
        while (bytes[next] === 0xff) next++;
        const code = bytes[next];
        if (code === undefined) {
          this.isLast = true;
          at = bytes.length;
          break;
        }
        at = next + 1;
        if (code !== 0) {
          reader.pending = code;
          break;
        }
        this.append(bytes, next - 1, next); // a stuffed byte is 0xFF itself
      }
      reader.at = at;
    }
    this.data.fill(0, this.end, this.end + PAD);
  }

  private append(bytes: Uint8Array, from: number, to: number): void {
    const need = this.end + (to - from) + PAD;
    if (need > this.data.length) {
      const grown = new Uint8Array(Math.max(2 * this.data.length, need));
      grown.set(this.data.subarray(0, this.end));
      this.data = grown;
    }
    if (to - from < 32) for (let i = from; i < to; i++) this.data[this.end + i - from] = bytes[i] ?? 0;
    else this.data.set(bytes.subarray(from, to), this.end);
    this.end += to - from;
  }

  /**
   * Goes to the next segment at a restart. Where the marker is not the one expected, libjpeg's rule decides: one of the next two means that
   * data was lost, so the marker stays and the segment is empty; an earlier or impossible one is skipped; any other is taken for the right one.
   * Gives whether the decoder may start afresh.
   */
  restart(): boolean {
    const { reader, expected } = this;
    const ahead = (n: number): number => 0xd0 + ((expected + n) & 7);
    this.expected = (expected + 1) & 7;
    for (;;) {
      const marker = reader.pending;
      const isRestart = marker >= 0xd0 && marker <= 0xd7;
      if (marker >= 0xc0 && (!isRestart || marker === ahead(1) || marker === ahead(2))) {
        this.load();
        return false;
      }
      if (marker >= 0xc0 && marker !== ahead(-1) && marker !== ahead(-2)) {
        reader.pending = 0;
        this.load();
        return true;
      }
      reader.pending = reader.nextMarker();
    }
  }
}

/** Counts down to the next restart of a scan. */
export class RestartCounter {
  private readonly interval: number;
  private left: number;

  constructor(interval: number) {
    this.interval = interval;
    this.left = interval;
  }

  /** Counts an MCU; true where a restart comes before it. */
  due(): boolean {
    if (this.interval === 0) return false;
    const due = this.left === 0;
    if (due) this.left = this.interval;
    this.left--;
    return due;
  }
}
