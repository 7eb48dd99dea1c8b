/** Decodes JPEG pictures to the bytes that libjpeg-turbo gives by default (accurate integer DCT, fancy upsampling, block smoothing). */

import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import { badImage, DEFAULT_MAX_PIXELS, truncated } from "../failure.ts";
import { orientationOf } from "../orientation.ts";
import { Workspace } from "../workspace.ts";
import { arithmeticDecoder } from "./arithmetic.ts";
import { type ColourSpace, colourSpaceOf } from "./colour.ts";
import type { BlockGrid, EntropyDecoder, ScanShape } from "./entropy.ts";
import { type Component, type Frame, HeaderReader, type Scan } from "./frame.ts";
import { huffmanDecoder } from "./huffman.ts";
import { type Loops, loopsFor, ROW_SLACK } from "./loops.ts";
import { smoothingHelps, smoothRow } from "./smoothing.ts";
import type { Plane } from "./upsample.ts";

/** Receives `count` whole rows of pixels, from row `y` on; `data` is only lent. */
export type RowSink = (data: Uint8Array, y: number, count: number) => void;

/** A JPEG whose headers have been read. */
export interface JpegFile {
  readonly width: number;
  readonly height: number;
  readonly mode: "L" | "RGB" | "CMYK";
  /** Values of a pixel. */
  readonly channels: 1 | 3 | 4;
  /** EXIF orientation, 1 to 8; not applied. */
  readonly orientation: number;
  /** Decodes the pixels, top row first; with WebAssembly unless told otherwise. @throws bad-image, truncated, unsupported-format */
  decode(sink: RowSink, wasm?: boolean): void;
}

/** More scans than any encoder makes, and more blocks than all of them visit: a scan costs time however short it is. */
const MAX_SCANS = 1000;
const MAX_VISITS = 2e8;

/** Reads the headers. @throws bad-image, truncated, unsupported-format, limit-exceeded */
export function openJpeg(bytes: Uint8Array, maxPixels: number = DEFAULT_MAX_PIXELS): JpegFile {
  const reader = new HeaderReader(bytes, maxPixels);
  const scan = reader.nextScan();
  const { frame } = reader;
  if (scan === undefined || frame === undefined) throw badImage("the JPEG has no picture");
  const channels = frame.components.length === 1 ? 1 : frame.components.length === 3 ? 3 : 4;
  return {
    width: frame.width,
    height: frame.height,
    mode: channels === 1 ? "L" : channels === 3 ? "RGB" : "CMYK",
    channels,
    orientation: orientationOf(reader.marks.exif, reader.marks.xmp),
    decode: (sink, wasm = true) => {
      const single = !frame.progressive && scan.parts.length === frame.components.length;
      if (!single && !hasEnd(bytes)) throw truncated("the JPEG data");
      const coefficients = frame.components.map((c) => 128 * c.stride * (single ? c.v : c.rows + 1));
      const workspace = new Workspace([...coefficients, ...Output.sizes(frame, channels)], wasm);
      const output = new Output(frame, colourSpaceOf(frame, reader.marks), channels, workspace, sink);
      if (single) decodeSingle(reader, frame, scan, workspace, output);
      else decodeMultiple(reader, frame, scan, workspace, output);
    },
  };
}

/** Whether there is an end-of-image marker at all: a file of many scans without one need not be looked at. */
function hasEnd(bytes: Uint8Array): boolean {
  for (let at = bytes.lastIndexOf(0xd9); at > 0; at = bytes.lastIndexOf(0xd9, at - 1)) if (bytes[at - 1] === 0xff) return true;
  return false;
}

/** The components' samples, and rows of pixels made of them as soon as their neighbours are there. */
class Output {
  private readonly frame: Frame;
  private readonly space: ColourSpace;
  private readonly channels: number;
  private readonly sink: RowSink;
  private readonly loops: Loops;
  private readonly planes: readonly Plane[];
  private readonly rows: readonly Uint8Array[];
  private readonly pixels: Uint8Array;
  private readonly table: Int16Array;
  private readonly batch: number;
  private done = 0;

  /** Memory of all that an output needs. */
  static sizes(frame: Frame, channels: number): readonly number[] {
    return [
      ...frame.components.flatMap((c) => [c.stride * 8 * c.rows * 8, c.width * (frame.hMax / c.h) + ROW_SLACK]),
      8 * frame.vMax * frame.width * channels + ROW_SLACK,
      128,
    ];
  }

  constructor(frame: Frame, space: ColourSpace, channels: number, workspace: Workspace, sink: RowSink) {
    this.frame = frame;
    this.space = space;
    this.channels = channels;
    this.sink = sink;
    this.loops = loopsFor(workspace);
    this.planes = frame.components.map((c) => ({
      samples: workspace.bytes(c.stride * 8 * c.rows * 8),
      stride: c.stride * 8,
      width: c.width,
      height: c.height,
      across: frame.hMax / c.h,
      down: frame.vMax / c.v,
    }));
    this.rows = this.planes.map((plane) => workspace.bytes(plane.width * plane.across + ROW_SLACK));
    this.batch = 8 * frame.vMax;
    this.pixels = workspace.bytes(this.batch * frame.width * channels + ROW_SLACK);
    this.table = workspace.shorts(64);
  }

  /** A row of a component's blocks to samples. */
  blocks(component: Component, row: number, coefficients: Int16Array, from: number): void {
    const plane = this.planes[component.index];
    if (plane === undefined || row >= component.blocksHigh) return;
    this.table.fill(0);
    if (component.quant !== undefined) this.table.set(component.quant);
    this.loops.inverseDct(coefficients, from, component.blocksWide, this.table, plane.samples, row * 8 * plane.stride, plane.stride);
  }

  /** Hands over the rows up to `ready`, all of whose samples and neighbours are there. */
  emit(ready: number): void {
    const { frame, channels, pixels, loops } = this;
    const end = Math.min(ready, frame.height);
    while (this.done < end) {
      const count = Math.min(this.batch, end - this.done);
      for (let i = 0; i < count; i++) {
        const rows = this.planes.map((plane, k) => loops.upsampled(plane, this.done + i, this.rows[k] ?? pixels));
        loops.colourRow(this.space, rows, frame.width, pixels, i * frame.width * channels);
      }
      this.sink(pixels, this.done, count);
      this.done += count;
    }
  }
}

function shapeOf(frame: Frame, scan: Scan, grid: (component: Component, wide: number, high: number) => BlockGrid): ScanShape {
  const [first] = scan.parts;
  if (first !== undefined && scan.parts.length === 1) {
    return { grids: [grid(first.component, 1, 1)], mcusWide: first.component.blocksWide, mcusHigh: first.component.blocksHigh };
  }
  return { grids: scan.parts.map(({ component: c }) => grid(c, c.h, c.v)), mcusWide: frame.mcusWide, mcusHigh: frame.mcusHigh };
}

function entropyDecoder(reader: HeaderReader, frame: Frame, scan: Scan, shape: ScanShape): EntropyDecoder {
  return (frame.arithmetic ? arithmeticDecoder : huffmanDecoder)(reader, scan, shape, frame.progressive);
}

/** The usual file: one scan with all components, decoded a row of MCUs at a time. */
function decodeSingle(reader: HeaderReader, frame: Frame, scan: Scan, workspace: Workspace, output: Output): void {
  const shape = shapeOf(frame, scan, (c, wide, high) => ({ coefficients: workspace.shorts(c.stride * high * 64), stride: c.stride, wide, high }));
  const decoder = entropyDecoder(reader, frame, scan, shape);
  const rowsPerMcu = 8 * (scan.parts.length === 1 ? 1 : frame.vMax);
  for (let row = 0; row < shape.mcusHigh; row++) {
    for (const grid of shape.grids) grid.coefficients.fill(0);
    decoder.decodeRow(0);
    for (const [i, { component }] of scan.parts.entries()) {
      const grid = shape.grids[i];
      if (grid !== undefined) for (let y = 0; y < grid.high; y++) output.blocks(component, row * grid.high + y, grid.coefficients, y * grid.stride);
    }
    // A row of pixels may look at one row of samples more than its own.
    output.emit((row + 1) * rowsPerMcu - 2);
  }
  output.emit(frame.height);
  if (hasScanBehind(reader)) throw badImage("there is a scan after the last one");
}

/** Whether another scan follows; that the file ends without an end marker is forgiven once all pixels are there. */
function hasScanBehind(reader: HeaderReader): boolean {
  try {
    return reader.nextScan() !== undefined;
  } catch (error) {
    if (isOpwiseError(error) && error.code === "truncated") return false;
    throw error;
  }
}

/** Progressive files, and those with a scan for each component: all coefficients first. */
function decodeMultiple(reader: HeaderReader, frame: Frame, first: Scan, workspace: Workspace, output: Output): void {
  const coefficients = frame.components.map((c) => workspace.shorts(c.stride * c.rows * 64));
  const of = (component: Component): Int16Array => coefficients[component.index] ?? new Int16Array(0);
  let lastSound = 0;
  let count = 0;
  let visits = 0;
  for (let scan: Scan | undefined = first; scan !== undefined; scan = reader.nextScan()) {
    visits += scan.parts.reduce((sum, { component: c }) => sum + c.stride * c.rows, 0);
    if (++count > MAX_SCANS || visits > MAX_VISITS)
      throw new OpwiseError("limit-exceeded", "the JPEG has too many scans", { wanted: `at most ${MAX_SCANS}, and ${MAX_VISITS} blocks` });
    if (frame.progressive) noteProgress(scan, count);
    const shape = shapeOf(frame, scan, (c, wide, high) => ({ coefficients: of(c), stride: c.stride, wide, high }));
    const decoder = entropyDecoder(reader, frame, scan, shape);
    const rowsPerMcu = scan.parts.length === 1 ? (scan.parts[0]?.component.v ?? 1) : 1;
    for (let row = 0; row < shape.mcusHigh; row++) {
      const wasSound = decoder.sound;
      decoder.decodeRow(row);
      if (wasSound || decoder.sound) lastSound = Math.floor(row / rowsPerMcu);
    }
  }
  const smooth = smoothingHelps(frame);
  const smoothed = frame.components.map((c) => workspace.shorts(smooth ? c.stride * 64 : 0));
  for (let mcuRow = 0; mcuRow < frame.mcusHigh; mcuRow++) {
    for (const [i, component] of frame.components.entries()) {
      for (let row = mcuRow * component.v; row < Math.min((mcuRow + 1) * component.v, component.blocksHigh); row++) {
        const estimates = smoothed[i];
        if (smooth && estimates !== undefined) {
          smoothRow(frame, component, of(component), mcuRow, row, lastSound, estimates);
          output.blocks(component, row, estimates, 0);
        } else output.blocks(component, row, of(component), row * component.stride);
      }
    }
    output.emit((mcuRow + 1) * 8 * frame.vMax - 2);
  }
  output.emit(frame.height);
}

/** Checks a progressive scan's parameters and keeps count of what it makes known. */
function noteProgress(scan: Scan, count: number): void {
  const { from, to, high, low, parts } = scan;
  const isDc = from === 0;
  const band = isDc ? to === 0 : from <= to && to < 64 && parts.length === 1;
  if (!band || (high !== 0 && low !== high - 1) || low > 13) {
    throw badImage("a progressive scan's parameters are impossible", { got: `coefficients ${from} to ${to}, bits ${high} to ${low}` });
  }
  for (const { component } of parts) {
    for (let k = Math.min(from, 1); k <= Math.max(to, 9); k++) component.unknownBefore[k] = count > 1 ? (component.unknownBits[k] ?? -1) : -1;
    for (let k = from; k <= to; k++) component.unknownBits[k] = low;
  }
}
