/** Decodes the first frame of a GIF, on a canvas of the screen's size. */

import { badImage, checkSize, DEFAULT_MAX_PIXELS, truncated } from "./failure.ts";
import { type Image, paletteOf } from "./image.ts";

const MAX_CODE_BITS = 12;
/** First row and step of the four passes of an interlaced frame. */
const PASSES = [
  [0, 8],
  [4, 8],
  [2, 4],
  [1, 2],
] as const;

/** A cursor that ends in a typed error. */
class Cursor {
  private readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw truncated("the GIF");
    return value;
  }
  word(): number {
    return this.byte() + 256 * this.byte();
  }
  take(count: number): Uint8Array {
    if (this.at + count > this.bytes.length) throw truncated("the GIF");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  /** The first of a chain of blocks; the others are passed over. */
  firstBlock(): Uint8Array {
    const first = this.take(this.byte());
    if (first.length > 0) for (let length = this.byte(); length > 0; length = this.byte()) this.take(length);
    return first;
  }
}

/** The picture as Pillow opens it: indices where there is a colour table, grey where it is the plain ramp. @throws bad-image, truncated, limit-exceeded */
export function openGif(bytes: Uint8Array, maxPixels: number = DEFAULT_MAX_PIXELS): Image {
  const signature = String.fromCharCode(...bytes.subarray(0, 6));
  if (signature !== "GIF87a" && signature !== "GIF89a") throw badImage("the file is no GIF", { wanted: "the signature GIF87a or GIF89a" });
  const cursor = new Cursor(bytes, 6);
  let [width, height] = [cursor.word(), cursor.word()];
  const flags = cursor.byte();
  cursor.take(2);
  const screenTable = (flags & 128) === 0 ? undefined : tableOf(cursor.take(3 << ((flags & 7) + 1)));
  const transparent = skipToFrame(cursor);
  const [x, y, frameWidth, frameHeight] = [cursor.word(), cursor.word(), cursor.word(), cursor.word()];
  width = Math.max(width, x + frameWidth);
  height = Math.max(height, y + frameHeight);
  checkSize(width, height, maxPixels);
  if (frameWidth === 0 || frameHeight === 0) throw badImage("the first frame has no pixels");
  const frameFlags = cursor.byte();
  const ownTable = (frameFlags & 128) !== 0;
  const table = ownTable ? tableOf(cursor.take(3 << ((frameFlags & 7) + 1))) : screenTable;
  const data = new Uint8Array(width * height);
  if (transparent !== undefined) data.fill(transparent);
  const order = (frameFlags & 64) === 0 ? undefined : interlacedRows(frameHeight);
  readCodes(cursor, (row, column, value) => (data[(y + (order?.[row] ?? row)) * width + x + column] = value), frameWidth, frameHeight);
  if (table === undefined) return { mode: "L", width, height, data, transparent: transparent === undefined ? undefined : [transparent], source: "gif" };
  const alphas = transparent === undefined ? undefined : new Uint8Array(256).fill(255);
  if (alphas !== undefined && transparent !== undefined) alphas[transparent] = 0;
  return { mode: "P", width, height, data, palette: paletteOf(table), paletteAlpha: alphas, source: "gif" };
}

/** A colour table, or nothing where it is the ramp of greys. */
function tableOf(colours: Uint8Array): Uint8Array | undefined {
  return colours.every((v, i) => v === Math.floor(i / 3)) ? undefined : colours;
}

/** Passes over extensions up to the first frame; gives the transparent index of its control block. */
function skipToFrame(cursor: Cursor): number | undefined {
  let transparent: number | undefined;
  for (;;) {
    const kind = cursor.byte();
    if (kind === 0x2c) return transparent;
    if (kind === 0x3b) throw badImage("the GIF has no picture");
    if (kind !== 0x21) continue;
    const label = cursor.byte();
    const block = cursor.firstBlock();
    if (label === 0xf9 && block.length >= 4 && ((block[0] ?? 0) & 1) !== 0) transparent = block[3];
  }
}

function interlacedRows(height: number): number[] {
  return PASSES.flatMap(([first, step]) => Array.from({ length: Math.max(0, Math.ceil((height - first) / step)) }, (_, i) => first + i * step));
}

/** LZW codes to pixels, in the order of the file. */
function readCodes(cursor: Cursor, put: (row: number, column: number, value: number) => void, width: number, height: number): void {
  const rootBits = cursor.byte();
  if (rootBits > MAX_CODE_BITS) throw badImage("the LZW code size is out of range", { wanted: `at most ${MAX_CODE_BITS}`, got: `${rootBits}` });
  const clear = 1 << rootBits;
  const prefix = new Uint16Array(1 << MAX_CODE_BITS);
  const suffix = new Uint8Array(1 << MAX_CODE_BITS);
  const stack = new Uint8Array((1 << MAX_CODE_BITS) + 1);
  let [bits, next] = [rootBits + 1, clear + 2];
  let [word, count, left] = [0, 0, 0];
  let last = -1;
  let lastFirst = 0;
  let [row, column] = [0, 0];
  while (row < height) {
    while (count < bits) {
      if (left === 0) {
        left = cursor.byte();
        continue;
      }
      word |= cursor.byte() << count;
      count += 8;
      left--;
    }
    const code = word & ((1 << bits) - 1);
    word >>>= bits;
    count -= bits;
    if (code === clear) {
      [bits, next, last] = [rootBits + 1, clear + 2, -1];
      continue;
    }
    if (code === clear + 1) throw truncated("the GIF's pixels");
    let depth = 0;
    if (last < 0 ? code > clear : code > next) throw badImage("the GIF's pixels have a code that cannot be", { got: `${code}` });
    let at = code;
    if (last >= 0) {
      if (code === next) {
        stack[depth++] = lastFirst;
        at = last;
      }
      for (; at >= clear; at = prefix[at] ?? 0) {
        if (depth >= 1 << MAX_CODE_BITS) throw badImage("the GIF's pixels have a code that cannot be", { got: `${code}` });
        stack[depth++] = suffix[at] ?? 0;
      }
      if (next < 1 << MAX_CODE_BITS) {
        suffix[next] = at;
        prefix[next] = last;
        if (next === (1 << bits) - 1 && bits < MAX_CODE_BITS) bits++;
        next++;
      }
    }
    stack[depth++] = lastFirst = at;
    last = code;
    while (depth > 0 && row < height) {
      put(row, column, stack[--depth] ?? 0);
      if (++column === width) {
        column = 0;
        row++;
      }
    }
  }
}
