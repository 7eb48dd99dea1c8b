/** What a JPEG file's headers say (ITU-T T.81, Annex B): the frame, its components, tables, and the marks of applications. */

import { badImage, checkSize, truncated, unsupported } from "../failure.ts";
import { type HuffmanSpec, NATURAL, TYPICAL_AC, TYPICAL_DC } from "./tables.ts";

/** One colour component of a frame. */
export interface Component {
  readonly index: number;
  readonly id: number;
  /** Sampling factors. */
  readonly h: number;
  readonly v: number;
  readonly quantSlot: number;
  /** Samples that belong to the picture; what lies beyond in the last blocks is never looked at. */
  readonly width: number;
  readonly height: number;
  /** Blocks that hold those samples. */
  readonly blocksWide: number;
  readonly blocksHigh: number;
  /** Blocks of a row and rows of blocks, filled up to whole MCUs. */
  readonly stride: number;
  readonly rows: number;
  /** The quantisation table, in natural order, as it was when the component's first scan began. */
  quant: Uint16Array | undefined;
  /** Of each coefficient the low bits that are still unknown (zigzag order), -1 where nothing is known; and the same one scan earlier. */
  readonly unknownBits: Int8Array;
  readonly unknownBefore: Int8Array;
}

export interface Frame {
  readonly progressive: boolean;
  readonly arithmetic: boolean;
  readonly width: number;
  readonly height: number;
  readonly components: readonly Component[];
  readonly hMax: number;
  readonly vMax: number;
  readonly mcusWide: number;
  readonly mcusHigh: number;
}

/** Conditioning of arithmetic coding: bounds of the DC's categories, and the last of the low AC coefficients. */
export interface Conditioning {
  readonly dcLow: number[];
  readonly dcHigh: number[];
  readonly acLow: number[];
}

/** Tables that scans use; a later segment replaces what an earlier one set. */
export interface Tables {
  readonly quant: (Uint16Array | undefined)[];
  readonly dc: (HuffmanSpec | undefined)[];
  readonly ac: (HuffmanSpec | undefined)[];
  readonly conditioning: Conditioning;
  restartInterval: number;
}

export interface ScanPart {
  readonly component: Component;
  readonly dc: number;
  readonly ac: number;
}

export interface Scan {
  readonly parts: readonly ScanPart[];
  /** First and last coefficient, and the bits that this scan refines from and to. */
  readonly from: number;
  readonly to: number;
  readonly high: number;
  readonly low: number;
}

/** What applications wrote beside the picture. */
export interface Marks {
  jfif: boolean;
  /** Adobe's colour transform: 0 none, 1 YCbCr, 2 YCCK. */
  adobe: number | undefined;
  exif: Uint8Array | undefined;
  xmp: Uint8Array | undefined;
}

const MAX_SIDE = 65_500;
const MAX_BLOCKS_IN_MCU = 10;
/** Kinds of frame by marker; lossless and hierarchical ones are not read. */
const FRAMES: Readonly<Record<number, { readonly progressive: boolean; readonly arithmetic: boolean }>> = {
  0xc0: { progressive: false, arithmetic: false },
  0xc1: { progressive: false, arithmetic: false },
  0xc2: { progressive: true, arithmetic: false },
  0xc9: { progressive: false, arithmetic: true },
  0xca: { progressive: true, arithmetic: true },
};
const NOT_READ = [0xc3, 0xc5, 0xc6, 0xc7, 0xc8, 0xcb, 0xcd, 0xce, 0xcf];

/** Reads headers up to each scan; between them the entropy decoder moves `at`. */
export class HeaderReader {
  readonly bytes: Uint8Array;
  readonly maxPixels: number;
  /** Where the next marker is looked for. */
  at = 2;
  /** A marker that the entropy decoder ran into and that has not been acted on. */
  pending = 0;
  frame: Frame | undefined;
  readonly tables: Tables;
  readonly marks: Marks = { jfif: false, adobe: undefined, exif: undefined, xmp: undefined };

  constructor(bytes: Uint8Array, maxPixels: number) {
    this.bytes = bytes;
    this.maxPixels = maxPixels;
    const conditioning = { dcLow: new Array<number>(16).fill(0), dcHigh: new Array<number>(16).fill(1), acLow: new Array<number>(16).fill(5) };
    this.tables = { quant: [], dc: [], ac: [], conditioning, restartInterval: 0 };
    if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw badImage("the file is no JPEG", { wanted: "the signature FF D8" });
  }

  /** The next marker, whatever lies before it. @throws truncated */
  nextMarker(): number {
    const { bytes } = this;
    for (;;) {
      const found = bytes.indexOf(0xff, this.at);
      if (found < 0) break;
      let at = found + 1;
      while (bytes[at] === 0xff) at++;
      const code = bytes[at];
      if (code === undefined) break;
      this.at = at + 1;
      if (code !== 0) return code;
    }
    throw truncated("the JPEG data");
  }

  /** Acts on segments up to the next scan, which is returned, or the picture's end: undefined. */
  nextScan(): Scan | undefined {
    for (;;) {
      const marker = this.pending === 0 ? this.nextMarker() : this.pending;
      this.pending = 0;
      if (marker === 0xd9) return undefined;
      if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) continue;
      if (marker === 0xd8) throw badImage("there are two starts of a picture");
      if (NOT_READ.includes(marker))
        throw unsupported("this kind of JPEG is not read", { got: `frame ${marker.toString(16)}`, wanted: "baseline, sequential or progressive" });
      const kind = FRAMES[marker];
      const known = kind !== undefined || (marker >= 0xe0 && marker <= 0xef) || [0xc4, 0xcc, 0xda, 0xdb, 0xdc, 0xdd, 0xfe].includes(marker);
      if (!known) throw badImage("there is a marker that JPEG does not have", { got: `FF ${marker.toString(16)}` });
      if (kind !== undefined && this.frame !== undefined) throw badImage("there are two frames");
      const body = this.segment();
      if (kind !== undefined) this.readFrame(body, kind);
      else if (marker === 0xda) return this.readScan(body);
      else if (marker === 0xc4) readHuffman(body, this.tables);
      else if (marker === 0xdb) readQuantisation(body, this.tables);
      else if (marker === 0xcc) readConditioning(body, this.tables.conditioning);
      else if (marker === 0xdd) {
        if (body.length !== 2) throw badImage("the restart interval has the wrong length", { got: `${body.length} bytes` });
        this.tables.restartInterval = word(body, 0);
      } else readMark(marker, body, this.marks);
    }
  }

  /** Where no Huffman table was sent the typical ones are meant, as in motion JPEG. */
  assumeTypicalTables(): void {
    for (const slot of [0, 1]) {
      this.tables.dc[slot] ??= TYPICAL_DC[slot];
      this.tables.ac[slot] ??= TYPICAL_AC[slot];
    }
  }

  /** The body of the segment at `at`. */
  private segment(): Uint8Array {
    const { bytes, at } = this;
    if (at + 2 > bytes.length) throw truncated("a JPEG header");
    const length = word(bytes, at);
    if (length < 2) throw badImage("a segment has an impossible length", { got: `${length}` });
    if (at + length > bytes.length) throw truncated("a JPEG header");
    this.at = at + length;
    return bytes.subarray(at + 2, at + length);
  }

  private readFrame(body: Uint8Array, kind: { readonly progressive: boolean; readonly arithmetic: boolean }): void {
    if (body.length < 6) throw badImage("the frame's header is too short");
    const [precision = 0] = body;
    const [height, width, count] = [word(body, 1), word(body, 3), body[5] ?? 0];
    if (precision !== 8) throw unsupported("only 8 bits a sample are read", { got: `${precision}` });
    checkSize(width, height, this.maxPixels);
    if (width > MAX_SIDE || height > MAX_SIDE)
      throw badImage("the picture is too wide or too high", { wanted: `at most ${MAX_SIDE}`, got: `${width} x ${height}` });
    if (![1, 3, 4].includes(count)) throw unsupported("a picture has 1, 3 or 4 components", { got: `${count}` });
    if (body.length !== 6 + 3 * count) throw badImage("the frame's header has the wrong length", { wanted: `${6 + 3 * count}`, got: `${body.length}` });
    const raw = Array.from({ length: count }, (_, i) => {
      const [id = 0, factors = 0, quantSlot = 0] = body.subarray(6 + 3 * i);
      return { id, h: factors >> 4, v: factors & 15, quantSlot };
    });
    for (const { h, v } of raw)
      if (h < 1 || h > 4 || v < 1 || v > 4) throw badImage("a sampling factor is out of range", { wanted: "1 to 4", got: `${h} x ${v}` });
    const hMax = Math.max(...raw.map((c) => c.h));
    const vMax = Math.max(...raw.map((c) => c.v));
    const [mcusWide, mcusHigh] = [Math.ceil(width / (8 * hMax)), Math.ceil(height / (8 * vMax))];
    const components = raw.map(({ id, h, v, quantSlot }, index): Component => {
      if (hMax % h !== 0 || vMax % v !== 0)
        throw unsupported("sampling factors whose ratio is not whole are not read", { got: `${h} x ${v} beside ${hMax} x ${vMax}` });
      return {
        index,
        id,
        h,
        v,
        quantSlot,
        width: Math.ceil((width * h) / hMax),
        height: Math.ceil((height * v) / vMax),
        blocksWide: Math.ceil((width * h) / (8 * hMax)),
        blocksHigh: Math.ceil((height * v) / (8 * vMax)),
        stride: mcusWide * h,
        rows: mcusHigh * v,
        quant: undefined,
        unknownBits: new Int8Array(64).fill(-1),
        unknownBefore: new Int8Array(64).fill(-1),
      };
    });
    this.frame = { ...kind, width, height, components, hMax, vMax, mcusWide, mcusHigh };
  }

  private readScan(body: Uint8Array): Scan {
    const { frame } = this;
    if (frame === undefined) throw badImage("a scan comes before the frame");
    const [count = 0] = body;
    if (count < 1 || count > 4 || body.length !== 4 + 2 * count)
      throw badImage("a scan's header has the wrong length", { got: `${count} components, ${body.length} bytes` });
    const parts = Array.from({ length: count }, (_, i): ScanPart => {
      const [id = 0, slots = 0] = body.subarray(1 + 2 * i);
      const component = frame.components.find((c) => c.id === id);
      if (component === undefined) throw badImage("a scan names a component that the frame does not have", { got: `${id}` });
      return { component, dc: slots >> 4, ac: slots & 15 };
    });
    if (new Set(parts.map((p) => p.component)).size < count) throw badImage("a scan names a component twice");
    if (count > 1 && parts.reduce((sum, { component: c }) => sum + c.h * c.v, 0) > MAX_BLOCKS_IN_MCU)
      throw badImage("an MCU has too many blocks", { wanted: `at most ${MAX_BLOCKS_IN_MCU}` });
    const [from = 0, to = 0, bits = 0] = body.subarray(1 + 2 * count);
    for (const { component } of parts) this.latchQuantisation(component);
    return { parts, from, to, high: bits >> 4, low: bits & 15 };
  }

  private latchQuantisation(component: Component): void {
    if (component.quant !== undefined) return;
    const table = this.tables.quant[component.quantSlot];
    if (table === undefined) throw badImage("a component has no quantisation table", { got: `slot ${component.quantSlot}` });
    component.quant = table;
  }
}

function word(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
}

function readHuffman(body: Uint8Array, tables: Tables): void {
  for (let at = 0; at < body.length;) {
    if (at + 17 > body.length) throw badImage("a Huffman table is cut off");
    const slot = body[at] ?? 0;
    const counts = body.slice(at + 1, at + 17);
    const total = counts.reduce((sum, n) => sum + n, 0);
    at += 17;
    if (total > 256 || at + total > body.length) throw badImage("a Huffman table has impossible counts", { got: `${total} codes` });
    if ((slot & 15) > 3 || slot > 0x1f) throw badImage("a Huffman table's slot is out of range", { wanted: "0 to 3", got: `${slot}` });
    const symbols = new Uint8Array(256);
    symbols.set(body.subarray(at, at + total));
    (slot >= 16 ? tables.ac : tables.dc)[slot & 15] = { counts, symbols };
    at += total;
  }
}

function readQuantisation(body: Uint8Array, tables: Tables): void {
  for (let at = 0; at < body.length;) {
    const [first = 0] = body.subarray(at, at + 1);
    const [wide, slot] = [first >> 4 > 0, first & 15];
    at++;
    if (slot > 3) throw badImage("a quantisation table's slot is out of range", { wanted: "0 to 3", got: `${slot}` });
    if (at + (wide ? 128 : 64) > body.length) throw badImage("a quantisation table is cut off");
    const table = new Uint16Array(64);
    for (let k = 0; k < 64; k++) table[NATURAL[k] ?? 0] = wide ? word(body, at + 2 * k) : (body[at + k] ?? 0);
    tables.quant[slot] = table;
    at += wide ? 128 : 64;
  }
}

function readConditioning(body: Uint8Array, conditioning: Conditioning): void {
  if (body.length % 2 !== 0) throw badImage("the arithmetic conditioning has the wrong length");
  for (let at = 0; at < body.length; at += 2) {
    const [slot = 0, value = 0] = body.subarray(at);
    if (slot > 31) throw badImage("an arithmetic table's slot is out of range", { got: `${slot}` });
    if (slot >= 16) conditioning.acLow[slot - 16] = value;
    else {
      if ((value & 15) > value >> 4) throw badImage("the arithmetic conditioning is out of order", { got: `${value}` });
      conditioning.dcLow[slot] = value & 15;
      conditioning.dcHigh[slot] = value >> 4;
    }
  }
}

const XMP = "http://ns.adobe.com/xap/1.0/\0";

function readMark(marker: number, body: Uint8Array, marks: Marks): void {
  const starts = (text: string): boolean => body.length >= text.length && [...text].every((c, i) => body[i] === c.charCodeAt(0));
  if (marker === 0xe0 && body.length >= 14 && starts("JFIF\0")) marks.jfif = true;
  else if (marker === 0xee && body.length >= 12 && starts("Adobe")) marks.adobe = body[11] ?? 0;
  else if (marker === 0xe1 && starts("Exif\0\0")) marks.exif ??= body.subarray(6);
  else if (marker === 0xe1 && starts(XMP)) marks.xmp ??= body.subarray(XMP.length);
}
