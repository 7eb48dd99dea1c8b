/** Tensors as pixels: which axes are rows and columns, which element a pixel is, which colour it has. Pure, so that tests can count pixels. */

import { DIVERGING_TABLE, NONFINITE, SEQUENTIAL_TABLE } from "./palette.ts";
import { contiguousStrides } from "../tensor/shape.ts";

export type HeatMode = "matrix" | "channels" | "image";

/** How a tensor lies in the picture: pixel (x, y) is element `offset + y·rowStride + x·columnStride`, tile by tile. */
export interface Layout {
  readonly rows: number;
  readonly columns: number;
  readonly rowStride: number;
  readonly columnStride: number;
  readonly offset: number;
  /** Tiles across and down: the channels; 1 and 1 else. */
  readonly across: number;
  readonly down: number;
  readonly tiles: number;
  readonly tileStride: number;
}

export interface Axes {
  readonly rowAxis: number;
  readonly columnAxis: number;
  /** The axis whose slices are tiles; -1 for none. */
  readonly tileAxis: number;
  /** Index along every other axis. */
  readonly index: readonly number[];
}

/** Pictures of at most this many pixels a side. */
export const MAX_SIDE = 1200;
const MAX_TILES = 64;

/** The axes one would choose: the last two; channels as tiles. */
export function defaultAxes(shape: readonly number[], mode: HeatMode): Axes {
  const rank = shape.length;
  const index = shape.map(() => 0);
  const isNhwc = rank === 4 && (shape[3] ?? 0) <= 4 && (shape[1] ?? 0) > 4;
  const columnAxis = isNhwc ? 2 : Math.max(0, rank - 1);
  const rowAxis = isNhwc ? 1 : rank - 2;
  const tileAxis = mode === "matrix" || rank < 3 ? -1 : isNhwc ? 3 : rank - 3;
  return { rowAxis, columnAxis, tileAxis, index };
}

export function layoutOf(shape: readonly number[], axes: Axes): Layout {
  const strides = contiguousStrides(shape);
  const { rowAxis, columnAxis, tileAxis, index } = axes;
  let offset = 0;
  shape.forEach((_, axis) => {
    if (axis !== rowAxis && axis !== columnAxis && axis !== tileAxis) offset += (index[axis] ?? 0) * (strides[axis] ?? 0);
  });
  const tiles = tileAxis < 0 ? 1 : Math.min(MAX_TILES, shape[tileAxis] ?? 1);
  const rows = rowAxis < 0 ? 1 : (shape[rowAxis] ?? 1);
  const columns = shape.length === 0 ? 1 : (shape[columnAxis] ?? 1);
  const across = Math.max(1, Math.min(tiles, Math.ceil(Math.sqrt((tiles * rows) / Math.max(1, columns)))));
  return {
    rows,
    columns,
    offset,
    tiles,
    across,
    down: Math.ceil(tiles / across),
    rowStride: rowAxis < 0 ? 0 : (strides[rowAxis] ?? 0),
    columnStride: shape.length === 0 ? 0 : (strides[columnAxis] ?? 0),
    tileStride: tileAxis < 0 ? 0 : (strides[tileAxis] ?? 0),
  };
}

export interface Scale {
  readonly low: number;
  readonly high: number;
  /** Around zero, both ways alike. */
  readonly isDiverging: boolean;
}

export function scaleOf(data: ArrayLike<number>, isDifference: boolean = false): Scale {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < data.length; i++) {
    const x = data[i] as number; // below the length
    if (x < low && x > -Infinity) low = x;
    if (x > high && x < Infinity) high = x;
  }
  if (low > high) return { low: 0, high: 1, isDiverging: false };
  if (isDifference || (low < 0 && high > 0)) {
    const most = Math.max(-low, high) || 1;
    return { low: -most, high: most, isDiverging: true };
  }
  return { low, high: high === low ? low + 1 : high, isDiverging: false };
}

/** Width and height in elements, tiles with a gap of one between them. */
export function sizeOf(layout: Layout): readonly [number, number] {
  return [layout.across * (layout.columns + 1) - 1, layout.down * (layout.rows + 1) - 1];
}

/** The element at a place of the picture, -1 for a gap. */
export function elementAt(layout: Layout, x: number, y: number): number {
  const column = x % (layout.columns + 1);
  const row = y % (layout.rows + 1);
  const tile = Math.floor(y / (layout.rows + 1)) * layout.across + Math.floor(x / (layout.columns + 1));
  if (column >= layout.columns || row >= layout.rows || tile >= layout.tiles || x < 0 || y < 0) return -1;
  return layout.offset + tile * layout.tileStride + row * layout.rowStride + column * layout.columnStride;
}

/** Index of an element by axis. */
export function indexOf(shape: readonly number[], element: number): number[] {
  let rest = element;
  return contiguousStrides(shape).map((stride) => {
    const at = Math.floor(rest / stride);
    rest -= at * stride;
    return at;
  });
}

/** For each place along one side of the picture: how far its row or column, and its tile, lie from the first; -1 in a gap. */
function placesOf(pixels: number, elements: number, size: number, stride: number, tileStride: number): Int32Array {
  return Int32Array.from({ length: pixels }, (_, pixel) => {
    const at = pixels === elements ? pixel : Math.floor(((pixel + 0.5) * elements) / pixels);
    const within = at % (size + 1);
    return within >= size ? -1 : Math.floor(at / (size + 1)) * tileStride + within * stride;
  });
}

/** Colours of a table as words that stand for RGBA bytes on this machine. */
function wordsOf(table: Uint8ClampedArray): Uint32Array {
  return new Uint32Array(table.slice().buffer);
}
const NONFINITE_WORD: number = wordsOf(Uint8ClampedArray.of(...NONFINITE, 255))[0] ?? 0;

/** Paints a picture of `width` × `height` pixels; each shows the nearest element. */
export function paint(data: ArrayLike<number>, layout: Layout, scale: Scale, pixels: Uint8ClampedArray, width: number, height: number): void {
  const [full, tall] = sizeOf(layout);
  const words = wordsOf(scale.isDiverging ? DIVERGING_TABLE : SEQUENTIAL_TABLE);
  const out = new Uint32Array(pixels.buffer, pixels.byteOffset, width * height);
  const factor = 255 / (scale.high - scale.low);
  const bias = 0.5 - scale.low * factor;
  const columns = placesOf(width, full, layout.columns, layout.columnStride, layout.tileStride);
  const rows = placesOf(height, tall, layout.rows, layout.rowStride, layout.across * layout.tileStride);
  // Tiles that the last line of tiles lacks are gaps.
  const end = layout.tiles === layout.across * layout.down ? Infinity : layout.tiles;
  for (let y = 0; y < height; y++) {
    const row = rows[y] ?? -1;
    if (row < 0) continue; // gaps stay clear
    const tile = end === Infinity ? 0 : Math.floor(((y + 0.5) * tall) / height / (layout.rows + 1)) * layout.across;
    const line = y * width;
    const base = layout.offset + row;
    for (let x = 0; x < width; x++) {
      const column = columns[x] as number; // one for each pixel
      if (column < 0) continue;
      if (end !== Infinity && tile + Math.floor(((x + 0.5) * full) / width / (layout.columns + 1)) >= end) continue;
      const value = data[base + column] as number; // the layout stays inside
      if (value - value !== 0) {
        out[line + x] = NONFINITE_WORD;
        continue;
      }
      const colour = (value * factor + bias) | 0;
      out[line + x] = words[colour < 0 ? 0 : colour > 255 ? 255 : colour] as number; // 256 colours
    }
  }
}

/** Paints three slices as red, green and blue, stretched over the whole range. */
export function paintRgb(data: ArrayLike<number>, layout: Layout, scale: Scale, pixels: Uint8ClampedArray): void {
  for (let y = 0; y < layout.rows; y++) {
    for (let x = 0; x < layout.columns; x++) {
      const at = 4 * (y * layout.columns + x);
      const element = layout.offset + y * layout.rowStride + x * layout.columnStride;
      for (let c = 0; c < 3; c++) pixels[at + c] = (255 * ((data[element + c * layout.tileStride] ?? 0) - scale.low)) / (scale.high - scale.low);
      pixels[at + 3] = 255;
    }
  }
}
