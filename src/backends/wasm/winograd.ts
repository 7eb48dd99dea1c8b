/** Convolutions by 3 x 3 filters at a stride of one through Winograd's transforms: a quarter or less than half of the multiplications. */

import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import type { Finish } from "./epilogue.ts";
import { COLUMNS, ROWS } from "./gemm.ts";
import { type Geometry, straightFilters, type Tables } from "./planes.ts";
import { type Packed, padded } from "./products.ts";
import { evenly } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";
import type { TileSide } from "./winograd-kernels.ts";

/** Bytes that the transformed inputs and products of a block of tiles should take: most of a second cache. */
const BLOCK_BYTES = 768 * 1024;
/** Tiles of a block, whatever they take: below that, reading the filters once a block would cost more. */
const LEAST_TILES = 16;
/** Depth that is multiplied at a time: both panels of a tile of the product stay in the first cache. */
const DEPTH = 512;
/** Bytes between planes beyond their size: planes at a power of two would all fall into the same lines of a cache. */
const SKEW = 64;
/** Bytes that a transform keeps on the way, at most. */
const SCRATCH = 36 * 16;

/** Costs in cycles, measured on Zen 4: a step of depth of a 4 x 8 tile, a tile besides its depth, a transform of four lanes, packing eight columns. */
const CYCLES = { step: 4.4, tile: 40, transform: { 2: 50, 4: 120 }, pack: 8 } as const;

/** Multiply-adds in a cycle. */
const LANES = 8;

/**
 * Cycles that a form of the filters has to save in a run for each of its bytes, where it is large. Making it takes two or three a byte, most of which the system takes for giving
 * pages out: small planes of many channels would have a session wait longest for what they gain least by.
 */
const SAVES = 0.75;
const LARGE_BYTES = 2 ** 20;

interface Plan {
  readonly side: TileSide;
  readonly across: number;
  readonly down: number;
  /** Rows of tiles in a block. */
  readonly rows: number;
}

/** A block of tiles of an image and group: `high` rows of them from row `first` on. */
interface Tiles {
  readonly n: number;
  readonly group: number;
  readonly filters: number;
  readonly first: number;
  readonly high: number;
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** How many of the last of so many blocks are divided by channels: few, and those that do not come out even over threads. */
const dividedOf = (blocks: number, threads: number): number => (threads === 1 ? 0 : blocks < 2 * threads ? blocks : blocks % threads);

function planOf(g: Geometry, side: TileSide, threads: number): Plan {
  const across = Math.ceil(g.outColumns / side);
  const down = Math.ceil(g.outRows / side);
  const bytesPerTile = (side + 2) ** 2 * FLOAT * (g.groupIn + padded(g.groupOut, COLUMNS));
  const wanted = Math.max(1, Math.min(down, Math.floor(Math.max(LEAST_TILES, BLOCK_BYTES / bytesPerTile) / across)));
  // Of block heights near the wanted one, the one with the fewest lanes, filled or not, for the thread that has the most.
  const images = g.batch * g.groups;
  let best = wanted;
  let least = Infinity;
  for (let rows = wanted; rows >= wanted / 2; rows--) {
    const each = Math.ceil(down / rows);
    const lanes = Array.from({ length: images * each }, (_, i) => padded(Math.min(rows, down - (i % each) * rows) * across, ROWS));
    const divided = lanes.splice(lanes.length - dividedOf(lanes.length, threads));
    const loads = Array.from({ length: threads }, () => total(divided) / threads);
    lanes.forEach((count, i) => (loads[Math.floor((i * threads) / lanes.length)] = (loads[Math.floor((i * threads) / lanes.length)] ?? 0) + count));
    const load = Math.max(...loads);
    if (load < least) [best, least] = [rows, load];
  }
  return { side, across, down, rows: best };
}

/** Estimated cycles of an image and group. */
function cyclesOf(g: Geometry, side: TileSide): number {
  const positions = (side + 2) ** 2;
  const panels = Math.ceil((Math.ceil(g.outColumns / side) * Math.ceil(g.outRows / side)) / ROWS);
  const products = positions * panels * Math.ceil(g.groupOut / COLUMNS) * (g.groupIn * CYCLES.step + CYCLES.tile);
  return products + panels * (g.groupIn + g.groupOut) * CYCLES.transform[side];
}
function directCycles(g: Geometry): number {
  const depth = 9 * g.groupIn;
  return Math.ceil((g.outRows * g.outColumns) / COLUMNS) * (Math.ceil(g.groupOut / ROWS) * (depth * CYCLES.step + CYCLES.tile) + depth * CYCLES.pack);
}

export class Winograd {
  readonly #runtime: KernelRuntime;
  readonly #dense: DenseKernels;
  readonly #tables: Tables;

  constructor(runtime: KernelRuntime, dense: DenseKernels, tables: Tables) {
    this.#runtime = runtime;
    this.#dense = dense;
    this.#tables = tables;
  }

  /** Runs the convolution, where that is faster than a direct one and its filters may be kept. */
  run(g: Geometry, biasAt: number, to: number, addressOf: (view: View) => number, packed: Packed, finish: Finish | undefined): boolean {
    const side = this.#sideOf(g, packed);
    if (side === undefined) return false;
    const { memory } = this.#runtime;
    const work = g.batch * g.groups * g.groupOut * Math.ceil(g.outRows / side) * Math.ceil(g.outColumns / side) * (side + 2) ** 2 * g.groupIn;
    const threads = this.#runtime.partsFor(work) > 1 ? this.#runtime.threads : 1;
    const plan = planOf(g, side, threads);
    const blocks: Tiles[] = [];
    for (let n = 0; n < g.batch; n++) {
      for (let group = 0; group < g.groups; group++) {
        const filters = this.#filters(g, group, side, addressOf, packed);
        for (let first = 0; first < plan.down; first += plan.rows) blocks.push({ n, group, filters, first, high: Math.min(plan.rows, plan.down - first) });
      }
    }
    const corners = this.#cornerTable(plan);
    const targets = this.#targetTable(g, plan);
    const image = addressOf(g.x) + g.x.offset * FLOAT;
    const inputBytes = (side + 2) ** 2 * inputStepOf(g, plan);
    const whole = (tiles: Tiles): void => {
      const inputs = memory.allocate(inputBytes);
      this.#transform(g, plan, tiles, image, corners, inputs.address, 0, g.groupIn);
      this.#multiply(g, plan, tiles, inputs.address, targets, to, biasAt, 0, g.groupOut, finish);
      memory.free(inputs);
    };
    // Blocks are parts. What is left when each thread had as many, and few blocks, are divided by channels: these parts read a block's transformed inputs
    // once each, and sum in the same order.
    const apart = dividedOf(blocks.length, threads);
    this.#runtime.fork(
      work,
      blocks.slice(0, blocks.length - apart).map((tiles) => () => whole(tiles)),
    );
    for (const tiles of blocks.slice(blocks.length - apart)) {
      const inputs = memory.allocate(inputBytes);
      const count = tiles.high * plan.across;
      const transforms = Math.ceil(count / ROWS) * g.groupIn * CYCLES.transform[side] * LANES;
      const products = count * (side + 2) ** 2 * g.groupIn * g.groupOut;
      const readers = evenly(g.groupIn, Math.min(2 * threads, this.#runtime.partsFor(transforms))).map(([from, channels]) => (): void => {
        this.#transform(g, plan, tiles, image, corners, inputs.address, from, from + channels);
      });
      this.#runtime.fork(transforms, readers);
      const writers = evenly(g.groupOut, Math.min(2 * threads, this.#runtime.partsFor(products)), COLUMNS).map(([from, channels]) => (): void => {
        this.#multiply(g, plan, tiles, inputs.address, targets, to, biasAt, from, from + channels, finish);
      });
      this.#runtime.fork(products, writers);
      memory.free(inputs);
    }
    return true;
  }

  /** Transforms a block of tiles of the channels `[from, until)`. */
  #transform(g: Geometry, plan: Plan, { n, group, first, high }: Tiles, image: number, corners: number, to: number, from: number, until: number): void {
    const { memory } = this.#runtime;
    const { side, across } = plan;
    const [batchStride = 0, planeStride = 0] = g.x.strides.map((s) => s * FLOAT);
    const [rowStride = 0, columnStride = 0] = g.planeStrides.map((s) => s * FLOAT);
    const pitch = pitchOf(plan);
    const planeBytes = (high * side + 2) * pitch;
    const scratch = memory.allocate(SCRATCH + planeBytes + 2 * SKEW);
    const plane = scratch.address + SCRATCH;
    // Rows of the input that the block's windows see, and those of them that exist.
    const top = first * side - g.padBegin[0];
    const begin = Math.max(0, top);
    const rows = Math.max(0, Math.min(g.rows, top + high * side + 2) - begin);
    this.#dense.patches.clear(plane, planeBytes);
    this.#kernels(side).input(
      to + from * ROWS * FLOAT,
      inputStepOf(g, plan),
      ROWS * g.groupIn * FLOAT,
      image + n * batchStride + (group * g.groupIn + from) * planeStride + begin * rowStride,
      until - from,
      planeStride,
      rowStride,
      columnStride,
      rows,
      g.columns,
      plane + (begin - top) * pitch + g.padBegin[1] * FLOAT,
      pitch,
      corners,
      Math.ceil((high * across) / ROWS),
      plane,
      scratch.address,
    );
    memory.free(scratch);
  }

  /** The results of a block of tiles for the channels `[from, until)`, `from` a multiple of a panel's width. */
  #multiply(
    g: Geometry,
    plan: Plan,
    { n, group, filters, first, high }: Tiles,
    inputs: number,
    targets: number,
    to: number,
    biasAt: number,
    from: number,
    until: number,
    finish: Finish | undefined,
  ): void {
    const { memory } = this.#runtime;
    const { side, across } = plan;
    const tiles = high * across;
    const positions = (side + 2) ** 2;
    const wide = padded(until - from, COLUMNS);
    const step = padded(tiles, ROWS) * wide * FLOAT + SKEW;
    const products = memory.allocate(positions * step + SCRATCH);
    for (let k = 0; k < g.groupIn; k += DEPTH) {
      this.#kernels(side).products(
        inputs + k * ROWS * FLOAT,
        inputStepOf(g, plan),
        filters + (from * g.groupIn + k * COLUMNS) * FLOAT,
        filterStepOf(g),
        products.address,
        step,
        positions,
        padded(tiles, ROWS),
        wide,
        Math.min(DEPTH, g.groupIn - k),
        g.groupIn,
        k > 0 ? 1 : 0,
      );
    }
    const outPlane = g.outRows * g.outColumns;
    const channel = group * g.groupOut + from;
    this.#kernels(side).output(
      products.address,
      step,
      wide * FLOAT,
      tiles,
      until - from,
      targets + first * across * 2 * FLOAT,
      to + (n * g.groups * g.groupOut + channel) * outPlane * FLOAT,
      outPlane * FLOAT,
      g.outColumns * FLOAT,
      biasAt === 0 ? 0 : biasAt + channel * FLOAT,
      products.address + positions * step,
    );
    memory.free(products);
    const column = first * side * g.outColumns;
    const columns = Math.min(outPlane, (first + high) * side * g.outColumns) - column;
    finish?.({ batch: n, row: channel, rows: until - from, column, columns });
  }

  #kernels(side: TileSide): DenseKernels["winograd4"] {
    return side === 2 ? this.#dense.winograd2 : this.#dense.winograd4;
  }

  #sideOf(g: Geometry, packed: Packed): TileSide | undefined {
    const unit = (pair: readonly [number, number]): boolean => pair[0] === 1 && pair[1] === 1;
    if (g.kernel[0] !== 3 || g.kernel[1] !== 3 || !unit(g.stride) || !unit(g.dilation)) return undefined;
    let best: TileSide | undefined;
    const direct = directCycles(g);
    let least = 0.9 * direct;
    for (const side of [4, 2] as const) {
      const [cycles, bytes] = [cyclesOf(g, side), filterBytes(g, side)];
      const pays = bytes < LARGE_BYTES || g.batch * (direct - cycles) > SAVES * bytes;
      if (cycles < least && pays && packed.fits(g.w, filterKey(g, 0, side), g.groups * bytes)) [best, least] = [side, cycles];
    }
    return best;
  }

  #filters(g: Geometry, group: number, side: TileSide, addressOf: (view: View) => number, packed: Packed): number {
    const { w } = g;
    const { filters: transform } = this.#kernels(side);
    return packed(w, filterKey(g, group, side), filterBytes(g, side), (to) => {
      const straight = straightFilters(g, group, addressOf, this.#runtime.memory, this.#dense);
      for (let filter = 0; filter < g.groupOut; filter += COLUMNS) {
        const from = straight.address + filter * straight.filterStride;
        transform(to + filter * g.groupIn * FLOAT, from, Math.min(COLUMNS, g.groupOut - filter), g.groupIn, straight.filterStride, 9 * FLOAT, filterStepOf(g));
      }
      if (straight.copy !== undefined) this.#runtime.memory.free(straight.copy);
    }).address;
  }

  /** Byte offset of each tile of a block in the padded plane; the last one fills its panel. */
  #cornerTable(plan: Plan): number {
    const { side, across, rows } = plan;
    const pitch = pitchOf(plan);
    return this.#tables.of(`corners/${side}/${across}/${rows}`, () => {
      const tiles = rows * across;
      return Int32Array.from({ length: padded(tiles, ROWS) }, (_, i) => {
        const tile = Math.min(i, tiles - 1);
        return Math.floor(tile / across) * side * pitch + (tile % across) * side * FLOAT;
      });
    });
  }

  /** Where each tile lies in a plane of the result, and how much of it is inside. */
  #targetTable(g: Geometry, { side, across, down }: Plan): number {
    return this.#tables.of(`targets/${side}/${g.outRows}/${g.outColumns}`, () => {
      const words = new Int32Array(2 * across * down);
      let at = 0;
      for (let y = 0; y < down * side; y += side) {
        for (let x = 0; x < across * side; x += side) {
          words[at++] = (y * g.outColumns + x) * FLOAT;
          words[at++] = Math.min(side, g.outRows - y) * 8 + Math.min(side, g.outColumns - x);
        }
      }
      return words;
    });
  }
}

/** Bytes from one row to the next of a channel's padded plane. */
const pitchOf = ({ side, across }: Plan): number => (across * side + 4) * FLOAT;
/** Bytes from one position of the transformed inputs to the next. */
const inputStepOf = (g: Geometry, { rows, across }: Plan): number => padded(rows * across, ROWS) * g.groupIn * FLOAT + SKEW;
const filterStepOf = (g: Geometry): number => padded(g.groupOut, COLUMNS) * g.groupIn * FLOAT + SKEW;
const filterBytes = (g: Geometry, side: TileSide): number => (side + 2) ** 2 * filterStepOf(g);
const filterKey = ({ w }: Geometry, group: number, side: TileSide): string =>
  `winograd${side}/${group}/${w.shape.join(",")}/${w.strides.join(",")}/${w.offset}`;
