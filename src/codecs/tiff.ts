/** Decodes TIFF 6.0 in its plain forms: strips and tiles, uncompressed, LZW, Deflate and PackBits; black and white, grey, palette, RGB, CMYK, alpha. */

import { inflateZlib } from "../bytes/inflate-zlib.ts";
import { badImage, checkSize, DEFAULT_MAX_PIXELS, truncated, unsupported } from "./failure.ts";
import { CHANNELS, type Image, type Mode, samplesFor } from "./image.ts";
import { transposeFor } from "./transpose.ts";

const TAGS = {
  width: 256,
  height: 257,
  bits: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  orientation: 274,
  samples: 277,
  rowsPerStrip: 278,
  stripBytes: 279,
  planar: 284,
  predictor: 317,
  colourMap: 320,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileBytes: 325,
  extraSamples: 338,
  sampleFormat: 339,
} as const;
const [NONE, LZW, DEFLATE, PACK_BITS, OLD_DEFLATE] = [1, 5, 8, 32_773, 32_946];
const MAX_SAMPLES = 6;
const MAX_LIST = 1 << 22;
/** Bytes of the integer types: byte, short, long. */
const TYPE_BYTES: Readonly<Record<number, 1 | 2 | 4>> = { 1: 1, 3: 2, 4: 4 };

type Directory = ReadonlyMap<number, readonly number[]>;

interface Layout {
  readonly mode: Mode;
  readonly bits: number;
  readonly samples: number;
  /** 1 unsigned, 2 signed, 3 float. */
  readonly format: number;
  /** Black is the largest value. */
  readonly inverted: boolean;
  /** Colours were multiplied by alpha. */
  readonly premultiplied: boolean;
}

/** The picture as Pillow opens it, turned upright by its orientation. @throws bad-image, truncated, unsupported-format, limit-exceeded */
export function openTiff(bytes: Uint8Array, maxPixels: number = DEFAULT_MAX_PIXELS): Image {
  const little = bytes[0] === 0x49 && bytes[1] === 0x49;
  if (!little && !(bytes[0] === 0x4d && bytes[1] === 0x4d)) throw badImage("the file is no TIFF", { wanted: "the signature II or MM" });
  if (bytes.length < 8) throw truncated("the TIFF header");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint16(2, little);
  if (version === 43) throw unsupported("BigTIFF is not read");
  if (version !== 42) throw badImage("the file is no TIFF", { wanted: "version 42", got: `${version}` });
  const tags = readDirectory(view, little);
  const width = one(tags, TAGS.width);
  const height = one(tags, TAGS.height);
  checkSize(width, height, maxPixels);
  const layout = layoutOf(tags);
  const stored = readSamples(bytes, little, tags, layout, width, height);
  const image: Image = {
    mode: layout.mode,
    width,
    height,
    data: toMode(stored, layout, width, height),
    palette: layout.mode === "P" ? paletteFrom(tags, layout.bits) : undefined,
    source: "tiff",
  };
  return transposeFor(image, one(tags, TAGS.orientation, 1));
}

function readDirectory(view: DataView, little: boolean): Directory {
  const at = view.getUint32(4, little);
  if (at + 2 > view.byteLength) throw truncated("the TIFF directory");
  const count = view.getUint16(at, little);
  const tags = new Map<number, readonly number[]>();
  for (let i = 0; i < count; i++) {
    const entry = at + 2 + 12 * i;
    if (entry + 12 > view.byteLength) throw truncated("the TIFF directory");
    const size = TYPE_BYTES[view.getUint16(entry + 2, little)];
    const length = view.getUint32(entry + 4, little);
    if (size === undefined || length > MAX_LIST) continue;
    const from = size * length <= 4 ? entry + 8 : view.getUint32(entry + 8, little);
    if (from + size * length > view.byteLength) continue; // a tag that is wanted is missed later
    const read = (k: number): number =>
      size === 1 ? view.getUint8(from + k) : size === 2 ? view.getUint16(from + 2 * k, little) : view.getUint32(from + 4 * k, little);
    tags.set(
      view.getUint16(entry, little),
      Array.from({ length }, (_, k) => read(k)),
    );
  }
  return tags;
}

function one(tags: Directory, tag: number, otherwise?: number): number {
  const value = tags.get(tag)?.[0] ?? otherwise;
  if (value === undefined) throw badImage("a tag is missing", { wanted: `tag ${tag}` });
  return value;
}

function layoutOf(tags: Directory): Layout {
  const photometric = one(tags, TAGS.photometric, 0);
  const samples = one(tags, TAGS.samples, 1);
  if (samples < 1 || samples > MAX_SAMPLES) throw unsupported("a TIFF has 1 to 6 samples a pixel", { got: `${samples}` });
  const perSample = tags.get(TAGS.bits) ?? [1];
  const [bits = 1] = perSample;
  const formats = tags.get(TAGS.sampleFormat) ?? [1];
  const [format = 1] = formats;
  if (perSample.slice(0, samples).some((b) => b !== bits) || formats.some((f) => f !== format)) throw unsupported("samples of different kinds are not read");
  const [extra] = tags.get(TAGS.extraSamples) ?? [];
  const refuse = (): never => {
    throw unsupported("this kind of TIFF is not read", { got: `photometric ${photometric}, ${samples} x ${bits} bits, format ${format}` });
  };
  const layout = (mode: Mode, inverted = false): Layout => ({ mode, bits, samples, format, inverted, premultiplied: extra === 1 });
  const narrow = [1, 2, 4, 8].includes(bits) && format === 1;
  if (photometric === 0 || photometric === 1) {
    const inverted = photometric === 0;
    if (samples === 1 && narrow) return layout(bits === 1 ? "1" : "L", inverted);
    if (samples === 1 && bits === 8 && format === 2 && !inverted) return layout("L");
    if (samples === 1 && bits === 16 && format === 1) return layout("I;16");
    if (samples === 1 && bits === 16 && format === 2) return layout("I");
    if (samples === 1 && bits === 32) return layout(format === 3 ? "F" : "I");
    if (samples === 2 && bits === 8 && !inverted) return layout(extra === 0 ? "L" : extra === 1 ? "La" : "LA");
    return refuse();
  }
  const wide = (bits === 8 || bits === 16) && format === 1;
  if (photometric === 2 && wide && samples >= 3) return layout(samples === 3 || extra === 0 ? "RGB" : "RGBA");
  if (photometric === 3 && narrow && (samples === 1 || extra === 0)) return layout("P");
  if (photometric === 5 && wide && samples >= 4) return layout("CMYK");
  return refuse();
}

/** All samples in the order of the picture; 16 and 32 bits as numbers in the machine's order. */
function readSamples(
  bytes: Uint8Array,
  little: boolean,
  tags: Directory,
  layout: Layout,
  width: number,
  height: number,
): Uint8Array | Uint16Array | Uint32Array {
  const { bits, samples } = layout;
  const tiled = tags.has(TAGS.tileOffsets);
  const offsets = tags.get(tiled ? TAGS.tileOffsets : TAGS.stripOffsets) ?? [];
  const sizes = tags.get(tiled ? TAGS.tileBytes : TAGS.stripBytes);
  const blockWidth = tiled ? one(tags, TAGS.tileWidth) : width;
  const blockHeight = tiled ? one(tags, TAGS.tileHeight) : Math.min(one(tags, TAGS.rowsPerStrip, height), height);
  checkSize(blockWidth, blockHeight, 2 * width * height + 2 ** 20);
  const separate = one(tags, TAGS.planar, 1) === 2;
  const perBlock = separate ? 1 : samples;
  const across = Math.ceil(width / blockWidth);
  const down = Math.ceil(height / blockHeight);
  if (offsets.length < across * down * (separate ? samples : 1)) throw badImage("the TIFF has too few strips or tiles", { got: `${offsets.length}` });
  const rowBytes = Math.ceil((blockWidth * perBlock * bits) / 8);
  const count = width * height * samples;
  const out = bits === 32 ? new Uint32Array(count) : bits === 16 ? new Uint16Array(count) : new Uint8Array(count);
  const predicted = one(tags, TAGS.predictor, 1);
  if (predicted > 2 || (predicted === 2 && ![8, 16, 32].includes(bits))) throw unsupported("this predictor is not read", { got: `${predicted}` });
  for (let plane = 0; plane < (separate ? samples : 1); plane++) {
    for (let block = 0; block < across * down; block++) {
      const index = plane * across * down + block;
      const [x, y] = [(block % across) * blockWidth, Math.floor(block / across) * blockHeight];
      const rows = tiled ? blockHeight : Math.min(blockHeight, height - y);
      const from = offsets[index] ?? 0;
      const size = sizes?.[index] ?? bytes.length - from;
      const data = expand(bytes.subarray(from, from + size), one(tags, TAGS.compression, NONE), rows * rowBytes, one(tags, TAGS.fillOrder, 1) === 2);
      const columns = Math.min(blockWidth, width - x);
      for (let r = 0; r < Math.min(rows, height - y); r++) {
        const values = unpackRow(data, r * rowBytes, blockWidth * perBlock, bits, little);
        if (predicted === 2) for (let i = perBlock; i < values.length; i++) values[i] = (values[i] ?? 0) + (values[i - perBlock] ?? 0);
        const to = ((y + r) * width + x) * samples + plane;
        for (let i = 0; i < columns * perBlock; i++) out[separate ? to + i * samples : to + i] = values[i] ?? 0;
      }
    }
  }
  return out;
}

function unpackRow(data: Uint8Array, at: number, count: number, bits: number, little: boolean): Uint8Array | Uint16Array | Uint32Array {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (bits === 8) return data.slice(at, at + count);
  if (bits === 16) return Uint16Array.from({ length: count }, (_, i) => view.getUint16(at + 2 * i, little));
  if (bits === 32) return Uint32Array.from({ length: count }, (_, i) => view.getUint32(at + 4 * i, little));
  return Uint8Array.from({ length: count }, (_, i) => ((data[at + ((i * bits) >> 3)] ?? 0) >> (8 - bits - ((i * bits) & 7))) & ((1 << bits) - 1));
}

/** A strip's or tile's bytes, exactly `size` of them. */
function expand(data: Uint8Array, compression: number, size: number, reversed: boolean): Uint8Array {
  const source = reversed ? Uint8Array.from(data, reverseBits) : data;
  let out: Uint8Array;
  if (compression === NONE) out = source.subarray(0, size);
  else if (compression === LZW) out = expandLzw(source, size);
  else if (compression === PACK_BITS) out = expandPackBits(source, size);
  else if (compression === DEFLATE || compression === OLD_DEFLATE) {
    try {
      out = inflateZlib(source, size).bytes;
    } catch (cause) {
      throw badImage("a strip does not inflate", { cause });
    }
  } else throw unsupported("this TIFF compression is not read", { got: `${compression}` });
  if (out.length < size) throw truncated("the TIFF's pixels");
  return out;
}

function reverseBits(byte: number): number {
  let out = 0;
  for (let i = 0; i < 8; i++) out |= ((byte >> i) & 1) << (7 - i);
  return out;
}

function expandPackBits(data: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let done = 0;
  for (let at = 0; at < data.length && done < size;) {
    const control = ((data[at++] ?? 0) << 24) >> 24;
    if (control >= 0) {
      const literal = data.subarray(at, at + Math.min(control + 1, size - done));
      out.set(literal, done);
      done += literal.length;
      at += control + 1;
    } else if (control > -128) {
      out.fill(data[at++] ?? 0, done, done + 1 - control);
      done = Math.min(size, done + 1 - control);
    }
  }
  return out.subarray(0, done);
}

const [CLEAR, END, FIRST] = [256, 257, 258];

/** LZW with codes from the high bit on; the code grows one early, as all writers but the oldest have it. */
function expandLzw(data: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(size);
  // A string is known by where it was last written and its length: each new one follows the last by a byte.
  const starts = new Int32Array(4096);
  const lengths = new Int32Array(4096);
  let [done, next, bits, word, count, last] = [0, FIRST, 9, 0, 0, -1];
  for (let at = 0; done < size;) {
    while (count < bits && at < data.length) {
      word = (word << 8) | (data[at++] ?? 0);
      count += 8;
    }
    if (count < bits) break;
    const code = (word >>> (count - bits)) & ((1 << bits) - 1);
    count -= bits;
    if (code === END) break;
    if (code === CLEAR) {
      [next, bits, last] = [FIRST, 9, -1];
      continue;
    }
    if (code > next || (code >= CLEAR && last < 0) || (code === next && last < 0)) throw badImage("the LZW data has a code that cannot be", { got: `${code}` });
    const begin = done;
    if (last >= 0 && next < 4096) {
      starts[next] = begin - lengthOf(last, lengths);
      lengths[next] = lengthOf(last, lengths) + 1;
      next++;
    }
    if (code < CLEAR) out[done++] = code;
    else {
      const [from, length] = [starts[code] ?? 0, lengths[code] ?? 0];
      for (let i = 0; i < length && done < size; i++) out[done++] = out[from + i] ?? 0;
    }
    last = code;
    if (next >= (1 << bits) - 1 && bits < 12) bits++;
  }
  return out.subarray(0, done);
}

function lengthOf(code: number, lengths: Int32Array): number {
  return code < CLEAR ? 1 : (lengths[code] ?? 0);
}

/** The samples of the mode: spread to 8 bits, inverted, without samples that mean nothing. */
function toMode(stored: Uint8Array | Uint16Array | Uint32Array, layout: Layout, width: number, height: number): Image["data"] {
  const { mode, bits, samples, format, inverted, premultiplied } = layout;
  const out = samplesFor(mode, width, height);
  if (out instanceof Float32Array || out instanceof Int32Array || out instanceof Uint16Array) {
    if (bits === 32) out.set(out instanceof Float32Array ? new Float32Array(stored.buffer) : new Int32Array(stored.buffer));
    else for (let i = 0; i < out.length; i++) out[i] = format === 2 ? ((stored[i] ?? 0) << 16) >> 16 : (stored[i] ?? 0);
    return out;
  }
  const channels = CHANNELS[mode];
  const scale = mode === "P" || bits >= 8 ? 1 : 255 / ((1 << bits) - 1);
  const shift = bits === 16 ? 8 : 0;
  for (let i = 0, to = 0; to < out.length; i += samples) {
    for (let c = 0; c < channels; c++) {
      const value = ((stored[i + c] ?? 0) >> shift) * scale;
      out[to++] = inverted ? 255 - value : value;
    }
  }
  if (premultiplied && mode === "RGBA") divideByAlpha(out);
  return out;
}

function divideByAlpha(rgba: Uint8Array): void {
  for (let i = 0; i < rgba.length; i += 4) {
    const alpha = rgba[i + 3] ?? 0;
    for (let c = 0; c < 3; c++) rgba[i + c] = alpha === 0 ? 0 : Math.min(255, Math.trunc((255 * (rgba[i + c] ?? 0)) / alpha));
  }
}

/** The colour map: all reds, all greens, all blues, 16 bits each. */
function paletteFrom(tags: Directory, bits: number): Uint8Array {
  const map = tags.get(TAGS.colourMap);
  if (map === undefined) throw badImage("the TIFF has no colour map");
  const colours = Math.min(Math.floor(map.length / 3), 1 << bits);
  const palette = new Uint8Array(768);
  for (let i = 0; i < colours; i++) for (let c = 0; c < 3; c++) palette[3 * i + c] = (map[c * Math.floor(map.length / 3) + i] ?? 0) >> 8;
  return palette;
}
