/** Decodes PNG pictures (ISO/IEC 15948): every colour type and depth, interlaced or not, to interleaved samples. */

import { crc32 } from "../bytes/crc32.ts";
import { inflateZlib } from "../bytes/inflate-zlib.ts";
import { isOpwiseError, OpwiseError } from "../tensor/error.ts";
import { badImage, checkSize, DEFAULT_MAX_PIXELS, truncated } from "./failure.ts";
import { type Image, type Mode, paletteOf } from "./image.ts";
import { orientationOf } from "./orientation.ts";

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

/** What a file holds, before colours are made of it. */
interface Contents {
  readonly header: Header;
  /** As stored: palette entries as numbers, grey below 8 bits not spread. */
  readonly samples: Uint8Array | Uint16Array;
  readonly palette: Uint8Array | undefined;
  readonly transparency: Uint8Array | undefined;
  readonly exif: Uint8Array | undefined;
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
const PICTURE_MAX_PIXELS = 2 ** 26;

/**
 * The picture in a PNG file. Palettes become RGB; transparency, also that of one named colour, becomes an alpha channel; grey below
 * 8 bits is spread over 0..255.
 * @throws bad-image where the file breaks the format, crc-mismatch, truncated, limit-exceeded
 */
export function decodePng(bytes: Uint8Array, options: PngOptions = {}): Picture {
  try {
    return toPicture(readPng(bytes, options.maxPixels ?? PICTURE_MAX_PIXELS, true));
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: options.name }) : error;
  }
}

/**
 * The picture in a PNG file as Pillow opens it. As there, a file may lack its end and its last rows, and a damaged checksum of the pixels
 * is overlooked.
 * @throws bad-image, crc-mismatch, truncated, limit-exceeded
 */
export function openPng(bytes: Uint8Array, maxPixels: number = DEFAULT_MAX_PIXELS): Image {
  return toImage(readPng(bytes, maxPixels, false));
}

function readPng(bytes: Uint8Array, maxPixels: number, strict: boolean): Contents {
  const chunks = readChunks(bytes, strict);
  const header = readHeader(chunks.header, strict);
  checkSize(header.width, header.height, maxPixels);
  checkTransparency(header, chunks.transparency, strict);
  const passes = header.interlaced ? ADAM7 : WHOLE;
  const rows = inflateRows(header, passes, chunks.data, strict);
  return { ...chunks, header, samples: readSamples(header, passes, rows) };
}

// ---- chunks

interface Chunks {
  readonly header: Uint8Array;
  readonly data: readonly Uint8Array[];
  readonly palette: Uint8Array | undefined;
  readonly transparency: Uint8Array | undefined;
  readonly exif: Uint8Array | undefined;
}

function readChunks(bytes: Uint8Array, strict: boolean): Chunks {
  if (SIGNATURE.some((byte, i) => bytes[i] !== byte)) throw badImage("the file is no PNG", { wanted: "the signature 89 50 4E 47 0D 0A 1A 0A" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<string, Uint8Array>();
  const data: Uint8Array[] = [];
  let dataEnded = false;
  for (let at = SIGNATURE.length; ;) {
    const mayEnd = !strict && data.length > 0;
    if (at + 8 > bytes.length || (strict && at + 12 > bytes.length)) {
      if (mayEnd) break;
      throw badImage("the file ends before its IEND chunk");
    }
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (!/^\w{4}$/.test(type)) {
      if (mayEnd) break;
      throw badImage(`there is no chunk of the kind \`${type}\``);
    }
    const end = at + 8 + length;
    if (end + 4 > bytes.length && !(type === "IDAT" && !strict)) {
      if (mayEnd) break;
      throw badImage(`chunk \`${type}\` at ${at} is longer than the file`, { wanted: `at most ${bytes.length - at - 12} bytes`, got: `${length}` });
    }
    const body = bytes.subarray(at + 8, end);
    const checked = strict || (data.length === 0 && type !== "IDAT");
    if (checked && crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) {
      throw new OpwiseError("crc-mismatch", `chunk \`${type}\` at ${at} is damaged`, { where: { record: type } });
    }
    if (!found.has("IHDR") && type !== "IHDR") throw badImage("the first chunk is not IHDR", { got: type });
    if (type === "IDAT") {
      if (!dataEnded || strict) data.push(body);
    } else if (type === "IEND") break;
    else if (strict && type === "IHDR" && found.has(type)) throw badImage("there are two IHDR chunks");
    else if (strict && /^[A-Z]/.test(type) && !["IHDR", "PLTE"].includes(type)) throw badImage(`chunk \`${type}\` is not known and may not be skipped`);
    else {
      dataEnded ||= data.length > 0;
      if (!dataEnded || type === "eXIf" || strict) found.set(type, body);
    }
    at = end + 4;
  }
  const header = found.get("IHDR");
  if (header === undefined || data.length === 0) throw badImage("the file has no picture", { wanted: "an IDAT chunk" });
  return { header, data, palette: found.get("PLTE"), transparency: found.get("tRNS"), exif: found.get("eXIf") };
}

function readHeader(body: Uint8Array, strict: boolean): Header {
  if (body.length < 13 || (strict && body.length > 13)) throw badImage("the IHDR chunk has the wrong length", { wanted: "13 bytes", got: `${body.length}` });
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth = 0, colour = 0, compression, filter, interlace = 0] = body.subarray(8);
  if (width > 0x7fffffff || height > 0x7fffffff) throw badImage("the picture's size is out of range", { got: `${width} x ${height}` });
  if (COLOURS[colour]?.depths.includes(depth) !== true)
    throw badImage("there is no such colour type and depth", { got: `colour type ${colour}, ${depth} bits` });
  if (filter !== 0 || (strict && (compression !== 0 || interlace > 1))) {
    throw badImage("the compression, filter or interlace method is not known", { got: `${compression}, ${filter}, ${interlace}` });
  }
  return { width, height, depth, colour, interlaced: interlace !== 0 };
}

/** A tRNS chunk fits its colour type: one 16-bit number a sample, or one byte for each entry of a palette. */
function checkTransparency({ colour }: Header, transparency: Uint8Array | undefined, strict: boolean): void {
  if (transparency === undefined) return;
  const { length } = transparency;
  if (colour === PALETTE) {
    if (length > 256) throw badImage("the tRNS chunk has more entries than a palette", { got: `${length}` });
  } else if (colour === 0 || colour === 2) {
    const wanted = colour === 0 ? 2 : 6;
    if (length < wanted || (strict && length > wanted)) throw badImage("the tRNS chunk has the wrong length", { wanted: `${wanted} bytes`, got: `${length}` });
  }
}

// ---- rows

function bitsPerPixel(header: Header): number {
  return header.depth * (COLOURS[header.colour]?.samples ?? 1);
}
/** Columns and rows of a pass; one without columns has no rows. */
function passSize(header: Header, [x, y, dx, dy]: Pass): { readonly columns: number; readonly rows: number; readonly rowBytes: number } {
  const columns = Math.max(0, Math.ceil((header.width - x) / dx));
  return { columns, rows: columns === 0 ? 0 : Math.max(0, Math.ceil((header.height - y) / dy)), rowBytes: Math.ceil((columns * bitsPerPixel(header)) / 8) };
}

/** The inflated rows, each behind the byte that names its filter. Whole rows may be missing at the end unless `strict`. */
function inflateRows(header: Header, passes: readonly Pass[], parts: readonly Uint8Array[], strict: boolean): Uint8Array {
  const sizes = passes.map((pass) => passSize(header, pass));
  const size = sizes.reduce((sum, { rows, rowBytes }) => sum + rows * (1 + rowBytes), 0);
  const stream = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    stream.set(part, at);
    at += part.length;
  }
  let inflated: ReturnType<typeof inflateZlib>;
  try {
    inflated = inflateZlib(stream, size);
  } catch (cause) {
    throw badImage("the picture's data does not inflate", { wanted: `${size} bytes`, cause });
  }
  const { bytes, isWhole } = inflated;
  if (strict && (bytes.length < size || !isWhole)) {
    throw badImage("the picture's data does not have the picture's size", { wanted: `${size} bytes`, got: isWhole ? `${bytes.length}` : "more" });
  }
  if (bytes.length < size && !endsARow(sizes, bytes.length)) throw truncated("the picture's data");
  return bytes;
}

function endsARow(sizes: readonly { readonly rows: number; readonly rowBytes: number }[], length: number): boolean {
  let left = length;
  for (const { rows, rowBytes } of sizes) {
    if (left <= rows * (1 + rowBytes)) return left % (1 + rowBytes) === 0;
    left -= rows * (1 + rowBytes);
  }
  return left === 0;
}

/** Undoes the filter of the row at `at`, in place; `above` is where the row above lies, or negative. `back` is the number of bytes to the pixel on the left. */
function unfilter(kind: number, rows: Uint8Array, at: number, length: number, above: number, back: number): void {
  if (kind === 0 || (kind === 2 && above < 0)) return;
  // Without a row above, that row is zeros.
  const up = above < 0 ? new Uint8Array(length) : rows.subarray(above, above + length);
  const row = rows.subarray(at, at + length);
  switch (kind) {
    case 1:
      for (let i = back; i < length; i++) row[i] = (row[i] ?? 0) + (row[i - back] ?? 0);
      return;
    case 2:
      for (let i = 0; i < length; i++) row[i] = (row[i] ?? 0) + (up[i] ?? 0);
      return;
    case 3:
      for (let i = 0; i < Math.min(back, length); i++) row[i] = (row[i] ?? 0) + ((up[i] ?? 0) >> 1);
      for (let i = back; i < length; i++) row[i] = (row[i] ?? 0) + (((row[i - back] ?? 0) + (up[i] ?? 0)) >> 1);
      return;
    case 4:
      for (let i = 0; i < Math.min(back, length); i++) row[i] = (row[i] ?? 0) + (up[i] ?? 0);
      for (let i = back; i < length; i++) row[i] = (row[i] ?? 0) + paeth(row[i - back] ?? 0, up[i] ?? 0, up[i - back] ?? 0);
      return;
    default:
      throw badImage("a row has a filter that does not exist", { wanted: "0 to 4", got: `${kind}` });
  }
}

/** Whichever of left, up and up-left is nearest to left + up - upLeft; ties in this order. */
function paeth(left: number, up: number, upLeft: number): number {
  const toLeft = Math.abs(up - upLeft);
  const toUp = Math.abs(left - upLeft);
  const toUpLeft = Math.abs(left + up - 2 * upLeft);
  return toLeft <= toUp && toLeft <= toUpLeft ? left : toUp <= toUpLeft ? up : upLeft;
}

/** The file's samples as stored, row-major; rows that the file lacks stay 0. */
function readSamples(header: Header, passes: readonly Pass[], bytes: Uint8Array): Uint8Array | Uint16Array {
  const { width, height, depth } = header;
  const perPixel = COLOURS[header.colour]?.samples ?? 1;
  const count = width * height * perPixel;
  const out = depth === 16 ? new Uint16Array(count) : new Uint8Array(count);
  const back = Math.max(1, bitsPerPixel(header) >> 3);
  let at = 0;
  for (const pass of passes) {
    const [x, y, dx, dy] = pass;
    const { columns, rows, rowBytes } = passSize(header, pass);
    let above = -1;
    for (let r = 0; r < rows && at < bytes.length; r++) {
      unfilter(bytes[at] ?? 0, bytes, at + 1, rowBytes, above, back);
      const base = (y + r * dy) * width + x;
      if (depth === 8 && dx === 1) out.set(bytes.subarray(at + 1, at + 1 + rowBytes), base * perPixel);
      else scatterRow(bytes, at + 1, depth, columns, perPixel, out, base, dx);
      above = at + 1;
      at += 1 + rowBytes;
    }
  }
  return out;
}

/** A row's samples of any depth to every `step`-th pixel from `base` on. */
function scatterRow(
  bytes: Uint8Array,
  at: number,
  depth: number,
  columns: number,
  perPixel: number,
  out: Uint8Array | Uint16Array,
  base: number,
  step: number,
): void {
  const mask = (1 << depth) - 1;
  for (let c = 0; c < columns; c++) {
    for (let s = 0; s < perPixel; s++) {
      const i = c * perPixel + s;
      const value =
        depth === 8
          ? (bytes[at + i] ?? 0)
          : depth === 16
            ? (bytes[at + 2 * i] ?? 0) * 256 + (bytes[at + 2 * i + 1] ?? 0)
            : ((bytes[at + ((i * depth) >> 3)] ?? 0) >> (8 - depth - ((i * depth) & 7))) & mask;
      out[(base + c * step) * perPixel + s] = value;
    }
  }
}

// ---- Pillow's modes

const MODES: Readonly<Record<number, Mode>> = { 0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA" };

/** Pillow keeps 16 bits of grey alone; of other colours it takes the high byte, and grey with alpha becomes RGBA. */
function toImage({ header, samples, palette, transparency, exif }: Contents): Image {
  const { width, height, depth, colour } = header;
  const mode: Mode = colour === 0 && depth === 1 ? "1" : colour === 0 && depth === 16 ? "I;16" : colour === 4 && depth === 16 ? "RGBA" : (MODES[colour] ?? "L");
  const facts = { mode, width, height, orientation: orientationOf(exif), source: "png" };
  if (mode === "P") {
    return {
      ...facts,
      data: samples,
      palette: paletteOf(palette ?? new Uint8Array(0)),
      paletteAlpha: transparency === undefined ? undefined : alphasOf(transparency),
    };
  }
  const keyOf = (bytes: Uint8Array): number[] => Array.from({ length: bytes.length >> 1 }, (_, i) => (bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0));
  const key = transparency === undefined || colour > 2 || mode === "I;16" ? undefined : keyOf(transparency.subarray(0, colour === 0 ? 2 : 6));
  const transparent = mode === "1" && key !== undefined ? [key[0] === 0 ? 0 : 255] : key;
  return { ...facts, data: mode === "I;16" ? samples : toBytes(samples, depth, colour), transparent };
}

function alphasOf(transparency: Uint8Array): Uint8Array {
  const alphas = new Uint8Array(256).fill(255);
  alphas.set(transparency);
  return alphas;
}

function toBytes(samples: Uint8Array | Uint16Array, depth: number, colour: number): Uint8Array {
  if (depth < 8) {
    const scale = 255 / ((1 << depth) - 1);
    return Uint8Array.from(samples, (v) => v * scale);
  }
  if (samples instanceof Uint8Array) return samples;
  if (colour !== 4) return Uint8Array.from(samples, (v) => v >> 8);
  const out = new Uint8Array(2 * samples.length);
  for (let i = 0; i < samples.length; i += 2) {
    out.fill((samples[i] ?? 0) >> 8, 2 * i, 2 * i + 3);
    out[2 * i + 3] = (samples[i + 1] ?? 0) >> 8;
  }
  return out;
}

// ---- colours

function toPicture({ header, samples, palette, transparency }: Contents): Picture {
  const { width, height, depth, colour } = header;
  if (colour === PALETTE) return withPalette(header, samples, palette, transparency);
  const channels = COLOURS[colour]?.samples ?? 1;
  // The transparent colour is compared as it is stored, before grey is spread.
  const keyed = transparency !== undefined && (colour === 0 || colour === 2) ? withKey(samples, channels, depth, transparency) : undefined;
  const data = keyed ?? samples;
  if (depth < 8) {
    const scale = 255 / ((1 << depth) - 1);
    const step = keyed === undefined ? 1 : 2;
    for (let i = 0; i < data.length; i += step) data[i] = (data[i] ?? 0) * scale;
  }
  return { width, height, channels: keyed === undefined ? channels : channels === 1 ? 2 : 4, data };
}

/** Grey or RGB samples with an alpha channel that is 0 where the pixel is the transparent colour. */
function withKey(samples: Uint8Array | Uint16Array, channels: number, depth: number, transparency: Uint8Array): Uint8Array | Uint16Array {
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

function withPalette(header: Header, samples: Uint8Array | Uint16Array, palette: Uint8Array | undefined, transparency: Uint8Array | undefined): Picture {
  const { width, height } = header;
  if (palette === undefined || palette.length % 3 !== 0 || palette.length === 0 || palette.length > 768) {
    throw badImage("the picture's palette is missing or damaged", {
      wanted: "1 to 256 colours",
      got: palette === undefined ? "none" : `${palette.length} bytes`,
    });
  }
  const colours = palette.length / 3;
  const channels = transparency === undefined ? 3 : 4;
  const data = new Uint8Array(samples.length * channels);
  for (let i = 0; i < samples.length; i++) {
    const entry = samples[i] ?? 0;
    if (entry >= colours) throw badImage("a pixel names a colour that the palette does not have", { wanted: `below ${colours}`, got: `${entry}` });
    data.set(palette.subarray(3 * entry, 3 * entry + 3), i * channels);
    if (transparency !== undefined) data[i * channels + 3] = transparency[entry] ?? 255;
  }
  return { width, height, channels, data };
}
