/** Convolutions as products of filters with what they see of the input: patches of it, packed block by block, or the planes themselves. */

import { isContiguous } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { COLUMNS, DEPTH, ROWS, TALL } from "./gemm.ts";
import type { Block } from "./memory.ts";
import { multiplyPanels, packInPanels, panelRanges, rowsHeld, tallOf } from "./panels.ts";
import { type Geometry, isFlat, type Planes, straightFilters, type Tables } from "./planes.ts";
import { type Packed, padded, type Places } from "./products.ts";
import { evenly, type Range } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";

/** How many more lanes panels of eight may have than panels of four. */
const WASTE = 1.03;

/** A convolution as a product of filters with what they see. */
export interface Product {
  readonly g: Geometry;
  readonly source: Planes;
  /** Positions of a plane of the result. */
  readonly plane: number;
  readonly depth: number;
  /** Whether the planes are read as they are. */
  readonly straight: boolean;
  /** Whether positions are the product's rows. */
  readonly turned: boolean;
  /** Tables of offsets, where patches are packed. */
  readonly windows: number;
  readonly depths: number;
  readonly biasAt: number;
  readonly filters: (group: number) => Block;
}

export class FilterProducts {
  readonly #runtime: KernelRuntime;
  readonly #dense: DenseKernels;
  readonly #tables: Tables;

  constructor(runtime: KernelRuntime, dense: DenseKernels, tables: Tables) {
    this.#runtime = runtime;
    this.#dense = dense;
    this.#tables = tables;
  }

  /** @param source planes that no window leaves */
  of(g: Geometry, source: Planes, biasAt: number, addressOf: (view: View) => number, packed: Packed): Product {
    const plane = g.slices.out * g.outRows * g.outColumns;
    const depth = g.groupIn * g.slices.kernel * g.kernel[0] * g.kernel[1];
    const straight = isStraight(g, source);
    // Positions are the product's columns, eight a panel; in small planes that leave many of eight empty, its rows.
    const turned = !straight && padded(plane, COLUMNS) > WASTE * padded(plane, ROWS);
    const windows = straight ? 0 : this.#tables.windows(g, source);
    const depths = straight ? 0 : this.#tables.depths(g, source);
    const filters = (group: number): Block => this.#packedFilters(g, group, depth, turned, addressOf, packed);
    return { g, source, plane, depth, straight, turned, windows, depths, biasAt, filters };
  }

  /** Room for the patches of a range of positions, where there are any. */
  room(product: Product, positions: number): Block | undefined {
    return product.straight ? undefined : this.#runtime.memory.allocate(padded(positions, COLUMNS) * Math.min(DEPTH, product.depth) * FLOAT);
  }

  /** What filters are multiplied by at a range of positions and from a step of depth on: the planes as they are, or patches, packed here. */
  columns(
    { source, depth, straight, turned, windows, depths }: Product,
    image: number,
    first: number,
    count: number,
    k: number,
    patches: Block | undefined,
  ): number {
    if (straight || patches === undefined) return image + first * FLOAT + k * source.planeStride;
    const { packPatches, packPatchTall, packPatchRows } = this.#dense.patches;
    const { address } = patches;
    const [at, table, deep] = [windows + first * FLOAT, depths + k * FLOAT, Math.min(DEPTH, depth - k)];
    if (!turned) packPatches(address, image, at, count, table, deep);
    else {
      const tall = Math.min(count, tallOf(count));
      if (tall > 0) packPatchTall(address, image, at, tall, table, deep);
      if (tall < count) packPatchRows(address + tall * deep * FLOAT, image, at + tall * FLOAT, count - tall, table, deep);
    }
    return address;
  }

  /** A block of depth of `rows` filters, of which `row` is the first, and `from` the first in its group, to `target`, where planes are `stride` bytes apart. */
  multiply(
    { g, source, depth, straight, turned, biasAt }: Product,
    filters: Block,
    columns: number,
    count: number,
    [row, from, rows]: readonly [row: number, from: number, rows: number],
    k: number,
    target: number,
    stride: number,
  ): void {
    const deep = Math.min(DEPTH, depth - k);
    const bias = biasAt === 0 || k > 0 ? 0 : biasAt + row * FLOAT;
    const address = filters.address + from * depth * FLOAT;
    if (!turned) {
      const panels = { address, tall: Math.max(0, tallOf(g.groupOut) - from), depth, k };
      const steps = straight ? [COLUMNS * FLOAT, source.planeStride] : [];
      return multiplyPanels(this.#dense, panels, [columns, target], [rows, count, deep], stride, k > 0, bias, ...steps);
    }
    const { multiplyTallTurned, multiplyTurned } = this.#dense.gemm;
    const tall = Math.min(count, tallOf(count));
    const panels = (run: typeof multiplyTurned, height: number, first: number, high: number): void => {
      const at = columns + first * deep * FLOAT;
      const here = address + k * COLUMNS * FLOAT;
      if (high > 0) run(at, here, target + first * FLOAT, high, rows, deep, stride, height * deep * FLOAT, COLUMNS * depth * FLOAT, k > 0 ? 1 : 0, bias);
    };
    panels(multiplyTallTurned, TALL, 0, tall);
    panels(multiplyTurned, ROWS, tall, count - tall);
  }

  /** Filters `[groupOut, depth]` in panels, of rows or of columns. */
  #packedFilters(g: Geometry, group: number, depth: number, asColumns: boolean, addressOf: (view: View) => number, packed: Packed): Block {
    const { w } = g;
    const dense = this.#dense;
    const pack = (to: number, from: number, filters: number, stride: number): void =>
      asColumns ? dense.gemm.packColumns(to, from, filters, depth, stride, FLOAT) : packInPanels(dense, to, from, filters, depth, stride, FLOAT);
    const key = `filters${asColumns ? COLUMNS : ROWS}/${group}/${w.shape.join(",")}/${w.strides.join(",")}/${w.offset}`;
    const held = asColumns ? padded(g.groupOut, COLUMNS) : rowsHeld(g.groupOut);
    const rowBytes = depth * FLOAT;
    const panels = (): readonly Range[] => (asColumns ? evenly(g.groupOut, Infinity, COLUMNS) : panelRanges(g.groupOut, Infinity));
    const places: Places | undefined =
      g.groups > 1 || !isContiguous(w.shape, w.strides)
        ? undefined
        : { bytes: g.groupOut * rowBytes, rowBytes, panels, pack: (to, from, count) => pack(to, from, count, rowBytes) };
    return packed(
      w,
      key,
      held * rowBytes,
      (to) => {
        // Depth is (channel, kernel slice, kernel row, kernel column).
        const { address, filterStride, copy } = straightFilters(g, group, addressOf, this.#runtime.memory, dense);
        pack(to, address, g.groupOut, filterStride);
        if (copy !== undefined) this.#runtime.memory.free(copy);
      },
      places,
    );
  }
}

/** Filters up to which reading the planes in place, once for every four filters, is cheaper than packing them. */
const FEW_FILTERS = 8;
/** A first cache: sets of lines, and the bytes of a line. */
const SETS = 64;
const LINE = 64;

/** Whether the product reads its columns in the planes as they are: filters of one tap at a stride of one, over planes whose lines a cache holds together. */
function isStraight(g: Geometry, { columnStride, rowStride, planeStride }: Planes): boolean {
  if (!isFlat(g)) return false;
  if (g.kernel[0] !== 1 || g.kernel[1] !== 1 || g.stride[0] !== 1 || g.stride[1] !== 1) return false;
  if (g.outColumns > 1 && columnStride !== FLOAT) return false;
  if (g.outRows > 1 && rowStride !== g.outColumns * FLOAT) return false;
  return g.groupOut <= FEW_FILTERS || Math.min(g.groupIn, DEPTH) <= depthInCache(planeStride);
}

/** Planes whose columns at one place stay in a first cache, found by trying: lines that lie a power of two apart share few sets. */
function depthInCache(planeStride: number): number {
  if (planeStride % 16 !== 0) return 2 * SETS; // vectors across lines
  if (planeStride % LINE !== 0) return 8 * SETS;
  let [a, b] = [SETS, planeStride / LINE];
  while (b > 0) [a, b] = [b, a % b];
  return 10 * (SETS / a);
}
