/** Decodes PNG pictures (ISO/IEC 15948): every colour type and depth, interlaced or not, to interleaved samples. */

import { crc32 } from "../bytes/crc32.ts";
import { inflateRaw } from "../bytes/inflate.ts";
import { OpwiseError } from "../tensor/error.ts";

/** A picture's samples, row by row, `channels` per pixel: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 2 | 3 | 4;
  /** `height * width * channels` samples: 0..255, or 0..65535 where the file has 16 bits. Alpha is not multiplied in. */
  readonly data: Uint8Array | Uint16Array;
}

export interface PngOptions {
  /** Most pixels that the picture may have; default 2 ** 26. */
  readonly maxPixels?: number;
  /** What to call the file in messages. */
  readonly name?: string;
}

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly colour: number;
  readonly interlaced: boolean;
}

/** One of the seven reduced pictures of an interlaced file: first column and row, and the steps between them. */
type Pass = readonly [x: number, y: number, dx: number, dy: number];

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Samples per pixel in the file, and the depths that may be, by colour type. */
const COLOURS: Readonly<Record<number, { readonly samples: 1 | 2 | 3 | 4; readonly depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};
const PALETTE = 3;
const WHOLE: readonly Pass[] = [[0, 0, 1, 1]];
const ADAM7: readonly Pass[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];
const DEFAULT_MAX_PIXELS = 2 ** 26;
const ADLER_PRIME = 65521;
/** Bytes after which Adler-32's sums have to be reduced: they stay below 2^32. */
const ADLER_RUN = 5552;

/**
 * The picture in a PNG file. Palettes become RGB; transparency, also that of one named colour, becomes an alpha channel; grey below
 * 8 bits is spread over 0..255.
 * @throws bad-image where the file breaks the format, crc-mismatch, limit-exceeded
 */
export function decodePng(bytes: Uint8Array, options: PngOptions = {}): Picture {
  const file = options.name;
  const chunks = readChunks(bytes, file);
  const header = readHeader(chunks.header, file);
  const maxPixels = options.maxPixels ?? DEFAULT_MAX_PIXELS;
  if (header.width * header.height > maxPixels) {
    throw new OpwiseError("limit-exceeded", "the picture has too many pixels", {
      where: { file },
      wanted: `at most ${maxPixels}`,
      got: `${header.width} x ${header.height}`,
      hint: "raise `maxPixels`",
    });
  }
  const passes = header.interlaced ? ADAM7 : WHOLE;
  const rows = inflateRows(
    chunks.data,
    passes.reduce((sum, pass) => sum + passBytes(header, pass), 0),
    file,
  );
  const samples = readSamples(header, passes, rows, file);
  return finish(header, samples, chunks.palette, chunks.transparency, file);
}

function bad(
  file: string | undefined,
  message: string,
  facts: { readonly wanted?: string; readonly got?: string; readonly cause?: unknown } = {},
): OpwiseError {
  return new OpwiseError("bad-image", message, { where: { file }, ...facts });
}

// ---- chunks

interface Chunks {
  readonly header: Uint8Array;
  readonly data: readonly Uint8Array[];
  readonly palette: Uint8Array | undefined;
  readonly transparency: Uint8Array | undefined;
}

function readChunks(bytes: Uint8Array, file: string | undefined): Chunks {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw bad(file, "the file is no PNG", { wanted: "the signature 89 50 4E 47 0D 0A 1A 0A" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Uint8Array | undefined;
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  const data: Uint8Array[] = [];
  for (let at = SIGNATURE.length; ;) {
    if (at + 12 > bytes.length) throw bad(file, "the file ends before its IEND chunk");
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    const end = at + 8 + length;
    if (end + 4 > bytes.length)
      throw bad(file, `chunk \`${type}\` at ${at} is longer than the file`, { wanted: `at most ${bytes.length - at - 12} bytes`, got: `${length}` });
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
      throw new OpwiseError("crc-mismatch", `chunk \`${type}\` at ${at} is damaged`, { where: { file, record: type } });
    }
    const body = bytes.subarray(at + 8, end);
    if (header === undefined && type !== "IHDR") throw bad(file, "the first chunk is not IHDR", { got: type });
    if (type === "IHDR") {
      if (header !== undefined) throw bad(file, "there are two IHDR chunks");
      header = body;
    } else if (type === "PLTE") palette = body;
    else if (type === "tRNS") transparency = body;
    else if (type === "IDAT") data.push(body);
    else if (type === "IEND") break;
    else if (/^[A-Z]/.test(type)) throw bad(file, `chunk \`${type}\` is not known and may not be skipped`);
    at = end + 4;
  }
  if (header === undefined || data.length === 0) throw bad(file, "the file has no picture", { wanted: "an IDAT chunk" });
  return { header, data, palette, transparency };
}

function readHeader(body: Uint8Array, file: string | undefined): Header {
  if (body.length !== 13) throw bad(file, "the IHDR chunk has the wrong length", { wanted: "13 bytes", got: `${body.length}` });
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth = 0, colour = 0, compression, filter, interlace = 0] = body.subarray(8);
  if (width === 0 || height === 0 || width > 0x7fffffff || height > 0x7fffffff)
    throw bad(file, "the picture's size is out of range", { got: `${width} x ${height}` });
  if (COLOURS[colour]?.depths.includes(depth) !== true)
    throw bad(file, "there is no such colour type and depth", { got: `colour type ${colour}, ${depth} bits` });
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    throw bad(file, "the compression, filter or interlace method is not known", { got: `${compression}, ${filter}, ${interlace}` });
  }
  return { width, height, depth, colour, interlaced: interlace === 1 };
}

// ---- rows

function bitsPerPixel(header: Header): number {
  return header.depth * (COLOURS[header.colour]?.samples ?? 1);
}
/** Columns and rows of a pass. */
function passSize(header: Header, [x, y, dx, dy]: Pass): { readonly columns: number; readonly rows: number } {
  return { columns: Math.max(0, Math.ceil((header.width - x) / dx)), rows: Math.max(0, Math.ceil((header.height - y) / dy)) };
}
/** Bytes of a pass's rows, each behind the byte that names its filter; a pass without columns has none. */
function passBytes(header: Header, pass: Pass): number {
  const { columns, rows } = passSize(header, pass);
  return columns === 0 ? 0 : rows * (1 + Math.ceil((columns * bitsPerPixel(header)) / 8));
}

/** The inflated rows; their number of bytes is known from the header, so that nothing is allocated by the stream's say-so. */
function inflateRows(parts: readonly Uint8Array[], size: number, file: string | undefined): Uint8Array {
  const stream = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    stream.set(part, at);
    at += part.length;
  }
  const [method = 0, flags = 0] = stream;
  if (stream.length < 6 || (method & 15) !== 8 || method >> 4 > 7 || (method * 256 + flags) % 31 !== 0 || (flags & 32) !== 0) {
    throw bad(file, "the picture's data is no zlib stream");
  }
  let rows: Uint8Array;
  try {
    rows = inflateRaw(stream.subarray(2, -4), size);
  } catch (cause) {
    throw bad(file, "the picture's data does not inflate to the picture's size", { wanted: `${size} bytes`, cause });
  }
  if (adler32(rows) !== new DataView(stream.buffer).getUint32(stream.length - 4)) throw bad(file, "the picture's data has another Adler-32 than it says");
  return rows;
}

function adler32(bytes: Uint8Array): number {
  let [a, b] = [1, 0];
  for (let from = 0; from < bytes.length; from += ADLER_RUN) {
    for (const byte of bytes.subarray(from, from + ADLER_RUN)) {
      a += byte;
      b += a;
    }
    a %= ADLER_PRIME;
    b %= ADLER_PRIME;
  }
  return b * 65536 + a;
}

/** Undoes a row's filter in place. `back` is the number of bytes to the pixel on the left. */
function unfilter(kind: number, row: Uint8Array, above: Uint8Array | undefined, back: number, file: string | undefined): void {
  const upAt = (i: number): number => above?.[i] ?? 0;
  const add = (predict: (i: number, left: number) => number): void => {
    for (let i = 0; i < row.length; i++) row[i] = (row[i] ?? 0) + predict(i, i < back ? 0 : (row[i - back] ?? 0));
  };
  switch (kind) {
    case 0:
      return;
    case 1:
      return add((_, left) => left);
    case 2:
      return add(upAt);
    case 3:
      return add((i, left) => (left + upAt(i)) >> 1);
    case 4:
      return add((i, left) => paeth(left, upAt(i), i < back ? 0 : upAt(i - back)));
    default:
      throw bad(file, "a row has a filter that does not exist", { wanted: "0 to 4", got: `${kind}` });
  }
}

/** Whichever of left, up and up-left is nearest to left + up - upLeft; ties in this order. */
function paeth(left: number, up: number, upLeft: number): number {
  const [toLeft, toUp, toUpLeft] = [Math.abs(up - upLeft), Math.abs(left - upLeft), Math.abs(left + up - 2 * upLeft)];
  return toLeft <= toUp && toLeft <= toUpLeft ? left : toUp <= toUpLeft ? up : upLeft;
}

/** The file's samples as stored (palette entries as numbers), row-major. */
function readSamples(header: Header, passes: readonly Pass[], bytes: Uint8Array, file: string | undefined): Uint8Array | Uint16Array {
  const { width, height, depth } = header;
  const perPixel = COLOURS[header.colour]?.samples ?? 1;
  const count = width * height * perPixel;
  const out = depth === 16 ? new Uint16Array(count) : new Uint8Array(count);
  const back = Math.max(1, bitsPerPixel(header) >> 3);
  const mask = (1 << depth) - 1;
  const sampleAt = (row: Uint8Array, i: number): number => {
    if (depth === 8) return row[i] ?? 0;
    if (depth === 16) return (row[2 * i] ?? 0) * 256 + (row[2 * i + 1] ?? 0);
    return ((row[(i * depth) >> 3] ?? 0) >> (8 - depth - ((i * depth) & 7))) & mask;
  };
  let at = 0;
  for (const pass of passes) {
    const [x, y, dx, dy] = pass;
    const { columns, rows } = passSize(header, pass);
    if (columns === 0) continue;
    const rowBytes = Math.ceil((columns * bitsPerPixel(header)) / 8);
    let above: Uint8Array | undefined;
    for (let r = 0; r < rows; r++) {
      const row = bytes.subarray(at + 1, at + 1 + rowBytes);
      unfilter(bytes[at] ?? 0, row, above, back, file);
      const base = (y + r * dy) * width + x;
      for (let c = 0; c < columns; c++) {
        for (let s = 0; s < perPixel; s++) out[(base + c * dx) * perPixel + s] = sampleAt(row, c * perPixel + s);
      }
      above = row;
      at += 1 + rowBytes;
    }
  }
  return out;
}

// ---- colours

function finish(
  header: Header,
  samples: Uint8Array | Uint16Array,
  palette: Uint8Array | undefined,
  transparency: Uint8Array | undefined,
  file: string | undefined,
): Picture {
  const { width, height, depth, colour } = header;
  if (colour === PALETTE) return withPalette(header, samples, palette, transparency, file);
  const channels = COLOURS[colour]?.samples ?? 1;
  // The transparent colour is compared as it is stored, before grey is spread.
  const keyed = transparency !== undefined && (colour === 0 || colour === 2) ? withKey(samples, channels, depth, transparency, file) : undefined;
  const data = keyed ?? samples;
  if (depth < 8) {
    const scale = 255 / ((1 << depth) - 1);
    const step = keyed === undefined ? 1 : 2;
    for (let i = 0; i < data.length; i += step) data[i] = (data[i] ?? 0) * scale;
  }
  return { width, height, channels: keyed === undefined ? channels : channels === 1 ? 2 : 4, data };
}

/** Grey or RGB samples with an alpha channel that is 0 where the pixel is the transparent colour. */
function withKey(
  samples: Uint8Array | Uint16Array,
  channels: number,
  depth: number,
  transparency: Uint8Array,
  file: string | undefined,
): Uint8Array | Uint16Array {
  if (transparency.length !== 2 * channels)
    throw bad(file, "the tRNS chunk has the wrong length", { wanted: `${2 * channels} bytes`, got: `${transparency.length}` });
  const key = Array.from({ length: channels }, (_, i) => ((transparency[2 * i] ?? 0) * 256 + (transparency[2 * i + 1] ?? 0)) & ((1 << depth) - 1));
  const count = samples.length / channels;
  const out = depth === 16 ? new Uint16Array(count * (channels + 1)) : new Uint8Array(count * (channels + 1));
  for (let i = 0; i < count; i++) {
    const pixel = samples.subarray(i * channels, (i + 1) * channels);
    out.set(pixel, i * (channels + 1));
    out[i * (channels + 1) + channels] = key.every((k, c) => pixel[c] === k) ? 0 : depth === 16 ? 65535 : 255;
  }
  return out;
}

function withPalette(
  header: Header,
  samples: Uint8Array | Uint16Array,
  palette: Uint8Array | undefined,
  transparency: Uint8Array | undefined,
  file: string | undefined,
): Picture {
  const { width, height } = header;
  if (palette === undefined || palette.length % 3 !== 0 || palette.length === 0 || palette.length > 768) {
    throw bad(file, "the picture's palette is missing or damaged", {
      wanted: "1 to 256 colours",
      got: palette === undefined ? "none" : `${palette.length} bytes`,
    });
  }
  const colours = palette.length / 3;
  const channels = transparency === undefined ? 3 : 4;
  const data = new Uint8Array(samples.length * channels);
  for (let i = 0; i < samples.length; i++) {
    const entry = samples[i] ?? 0;
    if (entry >= colours) throw bad(file, "a pixel names a colour that the palette does not have", { wanted: `below ${colours}`, got: `${entry}` });
    data.set(palette.subarray(3 * entry, 3 * entry + 3), i * channels);
    if (transparency !== undefined) data[i * channels + 3] = transparency[entry] ?? 255;
  }
  return { width, height, channels, data };
}
