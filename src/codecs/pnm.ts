/** Decodes the Netpbm formats P1 to P6 and greyscale PFM. */

import { badImage, checkSize, DEFAULT_MAX_PIXELS, truncated } from "./failure.ts";
import { CHANNELS, type Image, type Mode, type Samples, samplesFor } from "./image.ts";

const MODES: Readonly<Record<string, Mode>> = { P1: "1", P2: "L", P3: "RGB", P4: "1", P5: "L", P6: "RGB", Pf: "F" };
const SPACES = [0x20, 0x09, 0x0a, 0x0b, 0x0c, 0x0d];
const MAX_TOKEN = 10;

class Reader {
  readonly bytes: Uint8Array;
  at = 2;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** The next word; comments run to the end of their line. */
  word(): string {
    let word = "";
    for (; word.length <= MAX_TOKEN; this.at++) {
      const byte = this.bytes[this.at];
      if (byte === undefined) break;
      if (byte === 0x23) {
        while (this.at < this.bytes.length && ![0x0a, 0x0d].includes(this.bytes[this.at] ?? 0)) this.at++;
      } else if (!SPACES.includes(byte)) word += String.fromCharCode(byte);
      else if (word !== "") {
        this.at++;
        break;
      }
    }
    if (word === "") throw truncated("the PNM header");
    if (word.length > MAX_TOKEN) throw badImage("a number is too long", { got: word });
    return word;
  }

  integer(): number {
    const word = this.word();
    if (!/^[+-]?\d+$/.test(word)) throw badImage("there is a word where a number belongs", { got: word });
    return Number(word);
  }
}

/** Python's rounding: halves go to the even side. */
function roundHalfEven(v: number): number {
  const low = Math.floor(v);
  const rest = v - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

/** The picture as Pillow opens it: more than 8 bits of grey are 32-bit integers over 0..65535, of colour 8 bits. @throws bad-image, truncated, limit-exceeded */
export function openPnm(bytes: Uint8Array, maxPixels: number = DEFAULT_MAX_PIXELS): Image {
  const kind = String.fromCharCode(...bytes.subarray(0, 2));
  const known = MODES[kind];
  if (known === undefined || !SPACES.includes(bytes[2] ?? 0)) throw badImage("the file is no PNM", { wanted: "P1 to P6 or Pf" });
  const reader = new Reader(bytes);
  const [width, height] = [reader.integer(), reader.integer()];
  checkSize(width, height, maxPixels);
  if (known === "F") return { mode: known, width, height, data: readFloats(reader, width, height), source: "pnm" };
  const most = known === "1" ? 1 : reader.integer();
  if (most < 1 || most > 65_535) throw badImage("the largest value is out of range", { wanted: "1 to 65535", got: `${most}` });
  const mode: Mode = known === "L" && most > 255 ? "I" : known;
  const count = width * height * CHANNELS[mode];
  const isText = ["P1", "P2", "P3"].includes(kind);
  const stride = isText ? 0 : known === "1" ? Math.ceil(width / 8) : 0;
  const need = isText ? count : known === "1" ? stride * height : count * (most > 255 ? 2 : 1);
  if (reader.at + need > bytes.length + (isText ? 1 : 0)) throw truncated("the PNM's pixels");
  const data = samplesFor(mode, width, height);
  if (known === "1") readBits(reader, isText, width, height, data);
  else if (isText) readWords(reader, most, data, mode === "I" ? 65_535 : 255);
  else readBinary(reader, most, data, mode === "I" ? 65_535 : 255);
  return { mode, width, height, data, source: "pnm" };
}

function readBits(reader: Reader, isText: boolean, width: number, height: number, out: Samples): void {
  const { bytes, at } = reader;
  if (!isText) {
    const stride = Math.ceil(width / 8);
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) out[y * width + x] = ((bytes[at + y * stride + (x >> 3)] ?? 0) >> (7 - (x & 7))) & 1 ? 0 : 255;
    return;
  }
  for (let done = 0; done < out.length; reader.at++) {
    const byte = bytes[reader.at];
    if (byte === undefined) throw truncated("the PNM's pixels");
    if (byte === 0x23) while (reader.at < bytes.length && ![0x0a, 0x0d].includes(bytes[reader.at] ?? 0)) reader.at++;
    else if (!SPACES.includes(byte)) {
      if (byte !== 0x30 && byte !== 0x31) throw badImage("a bitmap has digits 0 and 1", { got: String.fromCharCode(byte) });
      out[done++] = byte === 0x31 ? 0 : 255;
    }
  }
}

function readWords(reader: Reader, most: number, out: Samples, full: number): void {
  for (let i = 0; i < out.length; i++) {
    const value = reader.integer();
    if (value < 0 || value > most) throw badImage("a value is out of range", { wanted: `0 to ${most}`, got: `${value}` });
    out[i] = roundHalfEven((value / most) * full);
  }
}

function readBinary(reader: Reader, most: number, out: Samples, full: number): void {
  const { bytes, at } = reader;
  if (most === full && full === 255) {
    out.set(bytes.subarray(at, at + out.length));
    return;
  }
  const wide = most > 255;
  for (let i = 0; i < out.length; i++) {
    const value = wide ? (bytes[at + 2 * i] ?? 0) * 256 + (bytes[at + 2 * i + 1] ?? 0) : (bytes[at + i] ?? 0);
    out[i] = Math.min(full, roundHalfEven((value / most) * full));
  }
}

/** Rows of 32-bit floats from the bottom up; the scale's sign is the byte order. */
function readFloats(reader: Reader, width: number, height: number): Float32Array {
  const scale = Number(reader.word());
  if (!Number.isFinite(scale) || scale === 0) throw badImage("the scale is out of range");
  const { bytes, at } = reader;
  if (at + 4 * width * height > bytes.length) throw truncated("the PNM's pixels");
  const view = new DataView(bytes.buffer, bytes.byteOffset + at);
  const out = new Float32Array(width * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) out[(height - 1 - y) * width + x] = view.getFloat32(4 * (y * width + x), scale < 0);
  return out;
}
