/** Matrix products: which kernel, how operands are packed, in which blocks. */

import type { ContractCall } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import type { Finish } from "./epilogue.ts";
import { COLUMNS, DEPTH, GROUP_BYTES, ROWS } from "./gemm.ts";
import type { Block, LinearMemory } from "./memory.ts";
import { multiplyPanels, packInPanels, panelRanges, panelRows, tallOf } from "./panels.ts";
import { evenly, inRanges, MOVED, type Range } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";
import { PANEL } from "./vector-product.ts";

/** Rows of a block: packed rows of 1024 steps of depth are 512 KB, which stay in the second cache. */
const BLOCK_ROWS = 128;
/** Depth of a block of rows, in whole blocks of what is summed up: so that packed rows take no more than a megabyte. */
const BLOCK_DEPTH = 4 * DEPTH;
/** Blocks of rows from which on they are parts enough for threads. */
const MANY_BLOCKS = 8;
/** Rows of a part at least, where threads divide them. */
const LEAST_ROWS = 16;
/** Columns of a part where there are few rows: its result stays in the second cache over all of the depth. */
const PART_COLUMNS = 128;
/** Rows up to which columns that are packed for one product are packed by who multiplies them. */
const FEW_ROWS = 4 * BLOCK_ROWS;
/** Packed rows that go by each group of columns that is packed for one product: many, since the next block of rows packs it again. */
const ROWS_BYTES = 8 * 2 ** 20;

/** A packed form that has each panel where the operand has the panel's rows: it may take the operand's own place. */
export interface Places {
  /** Of the operand: rows one after another. */
  readonly bytes: number;
  readonly rowBytes: number;
  /** The rows of each panel, in order. */
  readonly panels: () => readonly Range[];
  /** Packs the `count` rows at `from`. */
  readonly pack: (to: number, from: number, count: number) => void;
}

/** Packed forms of operands. */
export interface Packed {
  /** A packed form: a weight's is kept with its buffer, or in place of its bytes, any other's until the call is over. */
  (view: View, key: string, bytes: number, pack: (to: number) => void, places?: Places): Block;
  /** Whether a packed form would be kept. */
  keeps(view: View): boolean;
  /** The same, of what only this plan takes for a constant too. Exact kernels alone may be chosen by it: without a plan it is none. */
  lasts(view: View): boolean;
  /** Whether a packed form that is larger than the operand would be kept: the limit for packed forms is not reached. */
  fits(view: View, key: string, bytes: number): boolean;
}

/** A matrix in memory; strides in bytes. */
export interface Matrix {
  readonly address: number;
  readonly rows: number;
  readonly columns: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** A product with a weight: (to, byte stride of its rows, x, byte stride of its rows, what the sums of a row start with, or 0). */
export type Linear = (to: number, outStride: number, x: number, rowStride: number, start: number) => void;

export const padded = (count: number, to: number): number => Math.ceil(count / to) * to;

export class Products {
  readonly #runtime: KernelRuntime;
  readonly #memory: LinearMemory;
  readonly #dense: DenseKernels;

  constructor(runtime: KernelRuntime, dense: DenseKernels) {
    this.#runtime = runtime;
    this.#memory = runtime.memory;
    this.#dense = dense;
  }

  refusesContract(call: ContractCall): string | undefined {
    const [a, b] = call.operands;
    const out = call.results[0];
    if (a === undefined || b === undefined || out === undefined) return unreachable("operands");
    if (a.dtype !== "float32" || b.dtype !== "float32" || out.dtype !== "float32") return `no product kernel for ${a.dtype}`;
    if (call.epilogue !== undefined && call.epilogue.operands[0] !== "float32")
      return `the product is wanted in ${call.epilogue.operands[0] ?? "another dtype"}`;
    return numelOf(out.shape) > 0 && out.strides[2] !== 1 && out.strides[1] !== 1 && out.shape[2] !== 1 ? "the result's rows are not contiguous" : undefined;
  }

  /** `finish` runs the epilogue, part by part. */
  contract(call: ContractCall, addressOf: (view: View) => number, packed: Packed, finish: Finish | undefined): void {
    const [x, y] = call.operands;
    const result = call.results[0];
    if (x === undefined || y === undefined || result === undefined) return unreachable("operands");
    // With rows of the result contiguous, the product is that of the transposes.
    const flip = result.strides[2] !== 1 && result.strides[1] === 1;
    const [a, b] = flip ? [transposed(y), transposed(x)] : [x, y];
    const out = flip ? transposed(result) : result;
    const [batches = 1, rows = 1, columns = 1] = out.shape;
    const depth = a.shape[2] ?? 1;
    if (batches * rows * columns === 0) return;
    const outStride = (out.strides[1] ?? 0) * FLOAT;
    const done = (batch: number, row: number, high: number, column: number, wide: number): void =>
      finish?.(flip ? { batch, row: column, rows: wide, column: row, columns: high } : { batch, row, rows: high, column, columns: wide });
    const parts = Array.from({ length: batches }, (_, batch) => (): void => {
      const left = matrixOf(a, batch, addressOf);
      const right = matrixOf(b, batch, addressOf);
      const to = addressOf(out) + (out.offset + batch * (out.strides[0] ?? 0)) * FLOAT;
      const asRow = (column: number, wide: number): void => done(batch, 0, 1, column, wide);
      const asColumn = (row: number, high: number): void => done(batch, row, high, 0, 1);
      if (rows === 1 && this.#vector(left, right, to, b, batch, packed, asRow)) return;
      if (columns === 1 && out.strides[1] === 1 && this.#vector(flipped(right), flipped(left), to, a, batch, packed, asColumn)) return;
      if (depth === 0) {
        this.#dense.patches.fillRows(to, 0, rows, columns);
        done(batch, 0, rows, 0, columns);
        return;
      }
      const finished = (row: number, high: number, column: number, wide: number): void => done(batch, row, high, column, wide);
      if (columns >= 2 * PART_COLUMNS && rows <= FEW_ROWS && !packed.lasts(b)) return this.#multiplyOnce(left, right, to, outStride, finished);
      const key = `columns/${b.strides[0] === 0 ? 0 : batch}/${b.shape.join(",")}/${b.strides.join(",")}/${b.offset}`;
      this.multiply(left, this.#columns(b, key, right, packed).address, to, outStride, columns, depth, finished);
    });
    this.#runtime.fork(batches * rows * columns * depth, parts);
  }

  /** The product `x [rows, K] w^T` with a weight `[N, K]`, packed once for however often it runs. */
  linear(rows: number, w: View, addressOf: (view: View) => number, packed: Packed): Linear {
    const [columns = 0, depth = 0] = w.shape;
    const right = weightOf(w, addressOf);
    if (rows === 1) {
      const panels = this.panelsOf(w, right, 0, packed);
      const work = depth * columns;
      return (to, _outStride, x, _rowStride, start) => {
        const parts = evenly(columns, this.#runtime.partsFor(work), PANEL).map(([first, wide]) => (): void => {
          const [target, shift] = [to + first * FLOAT, start === 0 ? 0 : start + first * FLOAT];
          this.#dense.vectors.panels(x, panels + first * depth * FLOAT, target, depth, wide, shift);
        });
        this.#runtime.fork(work, parts);
      };
    }
    const key = `weight/${w.shape.join(",")}/${w.strides.join(",")}/${w.offset}`;
    const block = this.#columns(w, key, right, packed);
    return (to, outStride, x, rowStride, start) => {
      const left: Matrix = { address: x, rows, columns: depth, rowStride, columnStride: FLOAT };
      if (start !== 0) this.#dense.patches.copyPlanes(to, start, 1, rows, columns, 0, 0, FLOAT, outStride, 0, 0);
      this.multiply(left, block.address, to, outStride, columns, depth, undefined, start !== 0);
    };
  }

  /** The packed columns of an operand. */
  #columns(view: View, key: string, b: Matrix, packed: Packed): Block {
    const { rows: depth, columns } = b;
    const pack: Places["pack"] = (to, from, count) => this.#dense.gemm.packColumns(to, from, count, depth, depth * FLOAT, FLOAT);
    const bytes = padded(columns, COLUMNS) * depth * FLOAT;
    return packed(view, key, bytes, (to) => this.packColumns(b, depth, to), placesOf(b, COLUMNS, pack));
  }

  /** Panels of columns, over their whole depth. */
  packColumns(b: Matrix, depth: number, to: number): void {
    const pack = (first: number, count: number): void =>
      this.#dense.gemm.packColumns(to + first * depth * FLOAT, b.address + first * b.columnStride, count, depth, b.columnStride, b.rowStride);
    inRanges(this.#runtime, b.columns, depth, pack, COLUMNS);
  }

  /** Rows by packed columns, added to what is there where `add` says so; `finished` is told of each part of the result. */
  multiply(
    a: Matrix,
    columnsAt: number,
    to: number,
    outStride: number,
    columns: number,
    depth: number,
    finished?: (row: number, rows: number, column: number, columns: number) => void,
    add = false,
  ): void {
    const work = a.rows * columns * depth;
    const product = (rowsAt: number, row: number, high: number, column: number, wide: number, k: number): void => {
      const addresses = [columnsAt + (column * depth + k * COLUMNS) * FLOAT, to + row * outStride + column * FLOAT] as const;
      const deep = Math.min(BLOCK_DEPTH, depth - k);
      const panels = { address: rowsAt, tall: tallOf(high), depth: deep, k: 0 };
      multiplyPanels(this.#dense, panels, addresses, [high, wide, deep], outStride, add || k > 0, 0, COLUMNS * depth * FLOAT);
    };
    const blocks = Math.ceil(a.rows / BLOCK_ROWS);
    // Threads that have rows of their own find them in their caches from one product to the next.
    const { threads } = this.#runtime;
    const shares = Math.min(2 * threads, this.#runtime.partsFor(work));
    const byRows = shares > 1 && a.rows >= LEAST_ROWS * shares;
    if (blocks >= MANY_BLOCKS || columns < 2 * PART_COLUMNS || byRows) {
      const parts = evenly(a.rows, Math.max(blocks, shares), panelRows()).map(([row, high]) => (): void => {
        const scratch = this.#memory.allocate(padded(high, ROWS) * Math.min(depth, BLOCK_DEPTH) * FLOAT);
        for (let k = 0; k < depth; k += BLOCK_DEPTH) {
          const from = a.address + row * a.rowStride + k * a.columnStride;
          packInPanels(this.#dense, scratch.address, from, high, Math.min(BLOCK_DEPTH, depth - k), a.rowStride, a.columnStride);
          product(scratch.address, row, high, 0, columns, k);
        }
        this.#memory.free(scratch);
        finished?.(row, high, 0, columns);
      });
      return this.#runtime.fork(work, parts);
    }
    // Few rows: ranges of columns share them.
    for (const [row, high] of evenly(a.rows, blocks, panelRows())) {
      const { block, at } = this.#packRows(a, row, high, BLOCK_DEPTH);
      const share = high * columns * depth;
      const wanted = Math.max(Math.ceil(columns / PART_COLUMNS), this.#runtime.partsFor(share));
      const parts = evenly(columns, wanted, COLUMNS).map(([column, wide]) => (): void => {
        for (let k = 0; k < depth; k += BLOCK_DEPTH) product(at(k), row, high, column, wide, k);
        finished?.(row, high, column, wide);
      });
      this.#runtime.fork(share, parts);
      this.#memory.free(block);
    }
  }

  /** Rows by a matrix that is packed for this product alone: a group of columns at a time, which is in the second cache while all rows go by. */
  #multiplyOnce(a: Matrix, b: Matrix, to: number, outStride: number, finished: (row: number, rows: number, column: number, columns: number) => void): void {
    const { rows: depth, columns } = b;
    const { gemm } = this.#dense;
    const most = Math.max(BLOCK_ROWS, Math.floor(ROWS_BYTES / (depth * FLOAT)));
    const group = Math.max(COLUMNS, Math.floor(GROUP_BYTES / (Math.min(depth, DEPTH) * FLOAT)));
    for (const [row, high] of evenly(a.rows, Math.ceil(a.rows / most), panelRows())) {
      const { block, at } = this.#packRows(a, row, high, DEPTH);
      const work = high * columns * depth;
      const wanted = Math.max(Math.ceil(columns / group), this.#runtime.partsFor(work));
      const parts = evenly(columns, wanted, COLUMNS).map(([column, wide]) => (): void => {
        const packed = this.#memory.allocate(padded(wide, COLUMNS) * Math.min(depth, DEPTH) * FLOAT);
        for (let k = 0; k < depth; k += DEPTH) {
          const deep = Math.min(DEPTH, depth - k);
          gemm.packColumns(packed.address, b.address + column * b.columnStride + k * b.rowStride, wide, deep, b.columnStride, b.rowStride);
          const panels = { address: at(k), tall: tallOf(high), depth: deep, k: 0 };
          multiplyPanels(this.#dense, panels, [packed.address, to + row * outStride + column * FLOAT], [high, wide, deep], outStride, k > 0);
        }
        this.#memory.free(packed);
        finished(row, high, column, wide);
      });
      this.#runtime.fork(work, parts);
      this.#memory.free(block);
    }
  }

  /** Panels of `high` rows over all of the depth; `at(k)` has those from step `k` on, a block of depth. */
  #packRows(a: Matrix, row: number, high: number, blockDepth: number): { readonly block: Block; readonly at: (k: number) => number } {
    const depth = a.columns;
    const block = this.#memory.allocate(padded(high, ROWS) * depth * FLOAT);
    const at = (k: number): number => block.address + k * padded(high, ROWS) * FLOAT;
    const packings: (() => void)[] = [];
    for (let k = 0; k < depth; k += blockDepth) {
      const deep = Math.min(blockDepth, depth - k);
      for (const [first, count] of panelRanges(high, this.#runtime.partsFor(high * deep * MOVED))) {
        const from = a.address + (row + first) * a.rowStride + k * a.columnStride;
        packings.push(() => packInPanels(this.#dense, at(k) + first * deep * FLOAT, from, count, deep, a.rowStride, a.columnStride));
      }
    }
    this.#runtime.fork(high * depth * MOVED, packings);
    return { block, at };
  }

  /**
   * A single row by a matrix, ranges of columns at a time: packed where that is a weight, or contiguous one way or the other. `view` has batch `batch` of the
   * matrix; `finished` is told of each range.
   */
  #vector(x: Matrix, w: Matrix, to: number, view: View, batch: number, packed: Packed, finished: (column: number, wide: number) => void): boolean {
    const depth = w.rows;
    const dots = w.rowStride === FLOAT;
    const kept = packed.keeps(view);
    if (!kept && !dots && w.columnStride !== FLOAT) return false;
    let at = x.address;
    let copy: Block | undefined;
    if (x.columnStride !== FLOAT && depth > 1) {
      copy = this.#memory.allocate(depth * FLOAT);
      this.#dense.patches.copyPlanes(copy.address, at, 1, 1, depth, 0, 0, x.columnStride, 0, 0, 0);
      at = copy.address;
    }
    const panels = kept ? this.panelsOf(view, w, batch, packed) : 0;
    const work = depth * w.columns;
    const parts = evenly(w.columns, this.#runtime.partsFor(work), PANEL).map(([first, wide]) => (): void => {
      const target = to + first * FLOAT;
      if (kept) this.#dense.vectors.panels(at, panels + first * depth * FLOAT, target, depth, wide, 0);
      else if (dots) this.#dense.vectors.dots(at, w.address + first * w.columnStride, target, depth, wide, w.columnStride);
      else this.#dense.vectors.combination(at, w.address + first * FLOAT, target, depth, wide, w.rowStride);
      finished(first, wide);
    });
    this.#runtime.fork(work, parts);
    if (copy !== undefined) this.#memory.free(copy);
    return true;
  }

  /** Address of a weight's panels, for `dense.vectors.panels`. */
  panelsOf(view: View, w: Matrix, batch: number, packed: Packed): number {
    const key = `panels/${batch}/${w.rows}x${w.columns}/${w.rowStride},${w.columnStride}/${view.offset}`;
    const bytes = w.rows * padded(w.columns, PANEL) * FLOAT;
    const pack = (to: number, from: number, columns: number): void => this.#dense.vectors.packPanels(to, from, columns, w.rows, w.columnStride, w.rowStride);
    return packed(view, key, bytes, (to) => pack(to, w.address, w.columns), placesOf(w, PANEL, pack)).address;
  }
}

/** Where panels of `width` columns may take the place of what they are packed from: of a matrix whose columns lie one after another. */
function placesOf({ rows, columns, rowStride, columnStride }: Matrix, width: number, pack: Places["pack"]): Places | undefined {
  if (rowStride !== FLOAT || columnStride !== rows * FLOAT) return undefined;
  return { bytes: columns * columnStride, rowBytes: columnStride, panels: () => evenly(columns, Infinity, width), pack };
}

/** A weight `[N, K]` as the matrix `[K, N]` that rows are multiplied with. */
export function weightOf(w: View, addressOf: (view: View) => number): Matrix {
  const [columns = 0, depth = 0] = w.shape;
  const [across = 0, down = 0] = w.strides;
  return matrix(() => addressOf(w) + w.offset * FLOAT, depth, columns, down * FLOAT, across * FLOAT);
}

function transposed(view: View): View {
  const [b = 1, m = 1, n = 1] = view.shape;
  const [sb = 0, sm = 0, sn = 0] = view.strides;
  return { storage: view.storage, dtype: view.dtype, shape: [b, n, m], strides: [sb, sn, sm], offset: view.offset };
}

/** The address is asked for when it is used: of a weight whose packed form is kept it is not. */
function matrix(address: () => number, rows: number, columns: number, rowStride: number, columnStride: number): Matrix {
  return {
    get address() {
      return address();
    },
    rows,
    columns,
    rowStride,
    columnStride,
  };
}

function flipped(m: Matrix): Matrix {
  return matrix(() => m.address, m.columns, m.rows, m.columnStride, m.rowStride);
}

function matrixOf(view: View, batch: number, addressOf: (view: View) => number): Matrix {
  const [, rows = 1, columns = 1] = view.shape;
  const [step = 0, rowStride = 0, columnStride = 0] = view.strides;
  return matrix(() => addressOf(view) + (view.offset + batch * step) * FLOAT, rows, columns, rowStride * FLOAT, columnStride * FLOAT);
}
