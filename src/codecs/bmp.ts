/** Decodes Windows and OS/2 bitmaps: 1, 4, 8 bits with a palette, 16, 24 and 32 bits, run lengths, channel masks. */

import { badImage, checkSize, DEFAULT_MAX_PIXELS, truncated, unsupported } from "./failure.ts";
import { type Image, type Mode, paletteOf } from "./image.ts";

const [RAW, RLE8, RLE4, BITFIELDS] = [0, 1, 2, 3];
const HEADERS = [12, 40, 52, 56, 64, 108, 124];

interface Header {
  readonly width: number;
  readonly height: number;
  readonly topDown: boolean;
  readonly bits: number;
  readonly compression: number;
  readonly colours: number;
  /** Bytes of a palette entry. */
  readonly entryBytes: 3 | 4;
  /** Where the palette, or the pixels, begin. */
  readonly end: number;
  /** Red, green, blue and alpha bits. */
  readonly masks: readonly [number, number, number, number] | undefined;
}

/** The picture as Pillow opens it. @throws bad-image, truncated, unsupported-format, limit-exceeded */
export function openBmp(bytes: Uint8Array, maxPixels: number = DEFAULT_MAX_PIXELS): Image {
  if (bytes[0] !== 0x42 || bytes[1] !== 0x4d) throw badImage("the file is no BMP", { wanted: "the signature BM" });
  if (bytes.length < 18) throw truncated("the BMP header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readHeader(view);
  const { width, height, bits, compression, colours, entryBytes, end } = header;
  checkSize(width, height, maxPixels);
  if (![1, 4, 8, 16, 24, 32].includes(bits)) throw unsupported("there is no BMP of so many bits a pixel", { got: `${bits}` });
  if (![RAW, RLE8, RLE4, BITFIELDS].includes(compression)) throw unsupported("this BMP compression is not read", { got: `${compression}` });
  const declared = view.getUint32(10, true);
  if (bits > 8) {
    if (compression === RLE8 || compression === RLE4) throw unsupported("a run-length coded BMP has a palette");
    return { mode: colourMode(header), width, height, data: readColours(view, header, declared === 0 ? end : declared), source: "bmp" };
  }
  if (colours < 1 || colours > 65_536) throw unsupported("a palette of that size is not read", { got: `${colours}` });
  const palette = bytes.subarray(end, end + colours * entryBytes);
  const headerBytes = end - 14;
  const begin = declared === 0 ? end + palette.length : declared === 14 + headerBytes ? declared + entryBytes * colours : declared;
  const isGrey = isRamp(palette, colours, entryBytes);
  const mode: Mode = !isGrey ? "P" : colours <= 2 ? "1" : "L";
  if (isGrey && bits !== (mode === "1" ? 1 : 8)) throw unsupported("a grey palette that is not the whole ramp is not read");
  const data = compression === RAW ? readIndices(bytes, header, begin) : readRuns(bytes, header, begin);
  if (mode === "1") for (let i = 0; i < data.length; i++) data[i] = (data[i] ?? 0) * 255;
  return { mode, width, height, data, palette: mode === "P" ? rgbOf(palette, entryBytes) : undefined, source: "bmp" };
}

function readHeader(view: DataView): Header {
  const size = view.getUint32(14, true);
  if (!HEADERS.includes(size)) throw unsupported("this BMP header is not known", { got: `${size} bytes` });
  if (14 + size > view.byteLength) throw truncated("the BMP header");
  const at = 14;
  if (size === 12) {
    const bits = view.getUint16(at + 10, true);
    return {
      width: view.getUint16(at + 4, true),
      height: view.getUint16(at + 6, true),
      topDown: false,
      bits,
      compression: RAW,
      colours: 2 ** bits,
      entryBytes: 3,
      end: at + 12,
      masks: undefined,
    };
  }
  const topDown = view.getUint8(at + 11) === 0xff;
  const height = view.getUint32(at + 8, true);
  const bits = view.getUint16(at + 14, true);
  const compression = view.getUint32(at + 16, true);
  const inHeader = size >= 52;
  const masked = compression === BITFIELDS;
  const end = at + size + (masked && !inHeader ? 12 : 0);
  if (end > view.byteLength) throw truncated("the BMP header");
  const mask = (i: number): number => view.getUint32(at + 40 + 4 * i, true);
  return {
    width: view.getUint32(at + 4, true),
    height: topDown ? 2 ** 32 - height : height,
    topDown,
    bits,
    compression,
    colours: view.getUint32(at + 32, true) || 2 ** bits,
    entryBytes: 4,
    end,
    masks: masked ? [mask(0), mask(1), mask(2), size >= 56 ? mask(3) : 0] : undefined,
  };
}

/** Whether the palette is black and white, or each level in order. */
function isRamp(palette: Uint8Array, colours: number, entryBytes: number): boolean {
  for (let i = 0; i < colours; i++) {
    const level = colours === 2 ? 255 * i : i;
    for (let k = 0; k < 3; k++) if (palette[i * entryBytes + k] !== level) return false;
  }
  return true;
}

/** A palette of blue, green, red and perhaps a spare byte. */
function rgbOf(palette: Uint8Array, entryBytes: number): Uint8Array {
  const colours = new Uint8Array(768);
  for (let i = 0; i < 256; i++) for (let k = 0; k < 3; k++) colours[3 * i + k] = palette[i * entryBytes + 2 - k] ?? 0;
  return paletteOf(colours);
}

/** The row of the picture that the file's `r`-th row is. */
function rowAt(header: Header, r: number): number {
  return header.topDown ? r : header.height - 1 - r;
}

/** Where each row begins; the last one may lack its padding. */
function strideOf(length: number, { width, height, bits }: Header, begin: number): number {
  const stride = Math.ceil((width * bits) / 32) * 4;
  if (begin + (height - 1) * stride + Math.ceil((width * bits) / 8) > length) throw truncated("the BMP's pixels");
  return stride;
}

function readIndices(bytes: Uint8Array, header: Header, begin: number): Uint8Array {
  const { width, height, bits } = header;
  const stride = strideOf(bytes.length, header, begin);
  const out = new Uint8Array(width * height);
  for (let r = 0; r < height; r++) {
    const from = begin + r * stride;
    const to = rowAt(header, r) * width;
    if (bits === 8) out.set(bytes.subarray(from, from + width), to);
    else for (let x = 0; x < width; x++) out[to + x] = ((bytes[from + ((x * bits) >> 3)] ?? 0) >> (8 - bits - ((x * bits) & 7))) & ((1 << bits) - 1);
  }
  return out;
}

/** Run lengths, with their escapes: end of line, end of picture, a move, and bytes as they are. */
function readRuns(bytes: Uint8Array, header: Header, begin: number): Uint8Array {
  const { width, height } = header;
  const nibbles = header.compression === RLE4;
  const total = width * height;
  if (total > bytes.length * 65_536) throw truncated("the BMP's pixels");
  const rows = new Uint8Array(total);
  let done = 0;
  let x = 0;
  const put = (value: number): void => void (done < total && (rows[done++] = value));
  for (let at = begin; done < total;) {
    const [count, value] = [bytes[at], bytes[at + 1]];
    if (count === undefined || value === undefined) break;
    at += 2;
    if (count > 0) {
      const fitting = Math.max(0, Math.min(count, width - x));
      for (let i = 0; i < fitting; i++) put(!nibbles ? value : i % 2 === 0 ? value >> 4 : value & 15);
      x += fitting;
    } else if (value === 0) {
      done = Math.min(total, Math.ceil(done / width) * width);
      x = 0;
    } else if (value === 1) break;
    else if (value === 2) {
      const [right, up] = [bytes[at], bytes[at + 1]];
      if (right === undefined || up === undefined) break;
      at += 2;
      done = Math.min(total, done + right + up * width);
      x = done % width;
    } else {
      const wanted = Math.min(total - done, value);
      const byteCount = nibbles ? (wanted + 1) >> 1 : wanted;
      if (at + byteCount > bytes.length) break;
      for (let i = 0; i < wanted; i++) put(!nibbles ? (bytes[at + i] ?? 0) : ((bytes[at + (i >> 1)] ?? 0) >> (i % 2 === 0 ? 4 : 0)) & 15);
      at += byteCount;
      x += value;
      if (at % 2 !== 0) at++;
    }
  }
  if (done < total) throw truncated("the BMP's runs");
  if (header.topDown) return rows;
  const out = new Uint8Array(total);
  for (let r = 0; r < height; r++) out.set(rows.subarray(r * width, (r + 1) * width), rowAt(header, r) * width);
  return out;
}

/** The masks that are read, as bytes of a 32-bit pixel: red, green, blue, alpha (-1: none). */
const LAYOUTS: readonly (readonly [masks: string, bytes: readonly [number, number, number, number]])[] = [
  ["ff0000,ff00,ff,0", [2, 1, 0, -1]],
  ["ff000000,ff0000,ff00,0", [3, 2, 1, -1]],
  ["ff000000,ff00,ff,0", [3, 1, 0, -1]],
  ["ff000000,ff0000,ff00,ff", [3, 2, 1, 0]],
  ["ff,ff00,ff0000,ff000000", [0, 1, 2, 3]],
  ["ff0000,ff00,ff,ff000000", [2, 1, 0, 3]],
  ["ff000000,ff00,ff,ff0000", [3, 1, 0, 2]],
  ["0,0,0,0", [2, 1, 0, 3]],
];

function layoutOf({ masks, bits }: Header): readonly [number, number, number, number] {
  if (masks === undefined) return [2, 1, 0, -1];
  const names = masks.map((mask) => mask.toString(16));
  const known = bits === 32 ? LAYOUTS.find(([text]) => text === names.join()) : names.slice(0, 3).join() === "ff0000,ff00,ff" ? LAYOUTS[0] : undefined;
  if (known === undefined) throw unsupported("these channel masks are not read", { got: names.join(", ") });
  return known[1];
}

function colourMode(header: Header): Mode {
  return header.bits === 32 && layoutOf(header)[3] >= 0 ? "RGBA" : "RGB";
}

function readColours(view: DataView, header: Header, begin: number): Uint8Array {
  const { width, height, bits } = header;
  const stride = strideOf(view.byteLength, header, begin);
  if (bits === 16) return readSixteen(view, header, begin, stride);
  const [red, green, blue, alpha] = layoutOf(header);
  const channels = bits === 32 && alpha >= 0 ? 4 : 3;
  const places = [red, green, blue, alpha].slice(0, channels);
  const out = new Uint8Array(width * height * channels);
  for (let r = 0; r < height; r++) {
    let to = rowAt(header, r) * width * channels;
    for (let x = 0; x < width; x++) for (const place of places) out[to++] = view.getUint8(begin + r * stride + (x * bits) / 8 + place);
  }
  return out;
}

/** 5 or 6 bits spread over 0..255, cut off. */
function readSixteen(view: DataView, header: Header, begin: number, stride: number): Uint8Array {
  const { width, height, masks } = header;
  const names =
    masks
      ?.slice(0, 3)
      .map((mask) => mask.toString(16))
      .join() ?? "7c00,3e0,1f";
  if (names !== "7c00,3e0,1f" && names !== "f800,7e0,1f") throw unsupported("these channel masks are not read", { got: names });
  const greenBits = names === "f800,7e0,1f" ? 6 : 5;
  const spread = (v: number, most: number): number => Math.trunc((v * 255) / most);
  const out = new Uint8Array(width * height * 3);
  for (let r = 0; r < height; r++) {
    const to = rowAt(header, r) * width * 3;
    for (let x = 0; x < width; x++) {
      const v = view.getUint16(begin + r * stride + 2 * x, true);
      out[to + 3 * x] = spread((v >> (5 + greenBits)) & 31, 31);
      out[to + 3 * x + 1] = spread((v >> 5) & ((1 << greenBits) - 1), (1 << greenBits) - 1);
      out[to + 3 * x + 2] = spread(v & 31, 31);
    }
  }
  return out;
}
