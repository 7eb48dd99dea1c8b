/**
 * Convolutions of integers of 8 and 16 bits, exact in int32: planes of pairs of channels, padded, whose windows are packed as floats are, into the
 * tiles of the products of integers. A transposed one is a plain one over its input spread out: sums are exact in any order.
 */

import type { ConvolveCall } from "../../../prims/call.ts";
import type { View } from "../../../tensor/tensor.ts";
import type { Finish } from "../epilogue.ts";
import type { ExtendedKernels } from "./extension.ts";
import { LANES, WORD } from "./integer-gemm.ts";
import { shortOf } from "./integer-products.ts";
import type { Geometry, Pair, Planes, Tables } from "../planes.ts";
import type { Packed } from "../products.ts";
import type { KernelRuntime } from "../runtime.ts";
import { kit } from "./shared.ts";

/** Bytes of packed windows at a time, and how many windows that may be. */
const BLOCK_BYTES = 2 ** 18;
const [FEWEST, MOST] = [32, 256];
/** Bytes of a number that is paired with others in memory. */
const SHORT_BYTES = 2;

export function isShortConvolution(call: ConvolveCall): boolean {
  const { x, w } = kit.convolveOperands(call);
  return call.results[0]?.dtype === "int32" && shortOf(x.dtype) !== undefined && shortOf(w.dtype) !== undefined;
}

export function refusesShortConvolution(call: ConvolveCall): string | undefined {
  const { x, bias } = kit.convolveOperands(call);
  const out = call.results[0] ?? kit.unreachable("result");
  if (bias !== undefined) return "a bias of integers";
  if (call.epilogue !== undefined && call.epilogue.operands[0] !== "int32")
    return `the convolution is wanted in ${call.epilogue.operands[0] ?? "another dtype"}`;
  if (call.stride.length > 2) return `no convolution kernel for ${call.stride.length} spatial axes`;
  const flat = kit.flattened(out);
  if (flat === undefined || (flat.strides[1] !== 1 && flat.strides[2] !== 1 && flat.shape[2] !== 1))
    return "neither channels nor positions of the result are contiguous";
  return kit.numelOf(out.shape) === 0 || kit.numelOf(x.shape) === 0 ? "an empty tensor" : undefined;
}

/** How the input lies under the windows: elements `step` apart, the first one `before` the border. */
interface Frame {
  readonly step: Pair;
  readonly stride: Pair;
  readonly before: Pair;
  /** Rows and columns that windows reach. */
  readonly size: Pair;
}

function frameOf(call: ConvolveCall, g: Geometry): Frame {
  const both = (of: (axis: 0 | 1) => number): Pair => [of(0), of(1)];
  const reach = both((i) => g.dilation[i] * (g.kernel[i] - 1));
  const stride: Pair = call.transposed ? [1, 1] : g.stride;
  const out: Pair = [g.outRows, g.outColumns];
  return {
    stride,
    step: call.transposed ? g.stride : [1, 1],
    before: call.transposed ? both((i) => reach[i] - g.padBegin[i]) : g.padBegin,
    size: both((i) => (out[i] - 1) * stride[i] + reach[i] + 1),
  };
}

/** Which of `count` elements lie within the frame: from, until. */
function inside(f: Frame, axis: 0 | 1, count: number): Pair {
  const from = Math.max(0, Math.ceil(-f.before[axis] / f.step[axis]));
  return [from, Math.max(from, Math.min(count, Math.floor((f.size[axis] - 1 - f.before[axis]) / f.step[axis]) + 1))];
}

/** Filters as they are read: byte strides, and the address of a group's first, asked for when it is used; transposed ones are read backwards. */
interface Filters {
  readonly address: (group: number) => number;
  readonly filter: number;
  readonly channel: number;
  readonly row: number;
  readonly column: number;
  readonly element: number;
}

function filtersOf(call: ConvolveCall, g: Geometry, addressOf: (view: View) => number): Filters {
  const { w } = g;
  const bytes = kit.dtypeInfo(w.dtype).itemsize;
  const [first = 0, second = 0] = w.strides.map((s) => s * bytes);
  const [down, across] = [g.kernelStrides[0] * bytes, g.kernelStrides[1] * bytes];
  const base = (): number => addressOf(w) + w.offset * bytes;
  const element = shortOf(w.dtype) ?? kit.unreachable(w.dtype);
  if (!call.transposed) return { address: (group) => base() + group * g.groupOut * first, filter: first, channel: second, row: down, column: across, element };
  const end = (g.kernel[0] - 1) * down + (g.kernel[1] - 1) * across;
  return { address: (group) => base() + end + group * g.groupIn * first, filter: second, channel: first, row: -down, column: -across, element };
}

export class IntegerConvolutions {
  readonly #runtime: KernelRuntime;
  readonly #dense: ExtendedKernels;
  readonly #tables: Tables;

  constructor(runtime: KernelRuntime, dense: ExtendedKernels) {
    this.#runtime = runtime;
    this.#dense = dense;
    this.#tables = new kit.Tables(runtime);
  }

  run(call: ConvolveCall, addressOf: (view: View) => number, packed: Packed, finish: Finish | undefined): void {
    const result = call.results[0] ?? kit.unreachable("result");
    const out = kit.flattened(result) ?? kit.unreachable("a result without one stride of positions");
    const strides = out.strides.map((s) => s * WORD);
    const [batchStride = 0, channelStride = 0, positionStride = 0] = strides;
    const to = addressOf(result) + result.offset * WORD;
    const g = kit.geometryOf(call);
    const f = frameOf(call, g);
    const filters = filtersOf(call, g, addressOf);
    const key = `${call.transposed}/${g.w.dtype}/${g.w.shape.join(",")}/${g.w.strides.join(",")}/${g.w.offset}`;
    // A filter's taps have to step alike to be taken as one line.
    if (g.groupIn === 1 && g.groupOut === 1 && g.groups > 1 && (g.kernel[0] === 1 || filters.row === filters.column * g.kernel[1]))
      return this.#depthwise(g, f, filters, key, [to, batchStride, channelStride, positionStride], addressOf, packed, finish);
    // The rows of a tile are output channels, or, where these lie innermost, positions.
    const last = positionStride !== WORD && g.outRows * g.outColumns > 1 && channelStride === WORD;
    const pairsIn = Math.ceil(g.groupIn / 2);
    const planes = this.#planes(g, f, pairsIn, addressOf);
    const plane = g.outRows * g.outColumns;
    const words = pairsIn * g.kernel[0] * g.kernel[1];
    const windows = this.#tables.windows({ ...g, stride: f.stride }, planes);
    const depths = this.#tables.depths({ ...g, groupIn: pairsIn }, planes);
    const block = kit.padded(Math.max(FEWEST, Math.min(MOST, Math.floor(BLOCK_BYTES / (words * WORD)))), kit.COLUMNS);
    // Two products are one multiply-add here.
    const work = g.batch * g.groups * g.groupOut * plane * words;
    const channels = kit.evenly(g.groupOut, Math.ceil(this.#runtime.partsFor(work) / (g.batch * g.groups * Math.ceil(plane / block))), kit.COLUMNS);
    const parts: (() => void)[] = [];
    for (let group = 0; group < g.groups; group++) {
      const filtersAt = this.#filters(g, filters, group, last, words, key, packed);
      for (let n = 0; n < g.batch; n++) {
        const image = planes.address + n * planes.batchStride + group * pairsIn * planes.planeStride;
        for (let first = 0; first < plane; first += block) {
          const count = Math.min(block, plane - first);
          for (const [from, rows] of channels) {
            parts.push(() => {
              const row = group * g.groupOut + from;
              const target = to + n * batchStride + row * channelStride + first * positionStride;
              const patches = this.#runtime.memory.allocate(kit.padded(count, kit.COLUMNS) * words * WORD);
              const own = filtersAt + from * words * WORD;
              const at = windows + first * WORD;
              if (last) {
                this.#dense.patches.packPatchRows(patches.address, image, at, count, depths, words);
                this.#dense.multiplyShorts(patches.address, own, target, count, rows, words, positionStride);
              } else {
                this.#dense.patches.packPatches(patches.address, image, at, count, depths, words);
                this.#dense.multiplyShorts(own, patches.address, target, rows, count, words, channelStride);
              }
              this.#runtime.memory.free(patches);
              finish?.({ batch: n, row, rows, column: first, columns: count });
            });
          }
        }
      }
    }
    this.#runtime.fork(work, parts);
    if (planes.scratch !== undefined) this.#runtime.memory.free(planes.scratch);
  }

  /** Filters of a group in panels of words. */
  #filters(g: Geometry, w: Filters, group: number, asColumns: boolean, words: number, key: string, packed: Packed): number {
    const width = asColumns ? kit.COLUMNS : kit.ROWS;
    const block = packed(g.w, `shorts${width}/${group}/${key}`, kit.padded(g.groupOut, width) * words * WORD, (to) => {
      const lines = this.#runtime.memory.allocate(g.groupOut * words * WORD);
      const row = g.kernel[1] * WORD;
      for (let o = 0; o < g.groupOut; o++) {
        const [at, from] = [lines.address + o * words * WORD, w.address(group) + o * w.filter];
        this.#dense.pairs(at, from, g.groupIn, g.kernel[0], g.kernel[1], w.channel, w.row, w.column, g.kernel[0] * row, row, WORD, w.element);
      }
      (asColumns ? this.#dense.gemm.packColumns : this.#dense.gemm.packRows)(to, lines.address, g.groupOut, words, words * WORD, WORD);
      this.#runtime.memory.free(lines);
    });
    return block.address;
  }

  /** Copies the input into its frame, as pairs of planes with the strides given, `wide` planes from each `first` on. */
  #framed(
    g: Geometry,
    f: Frame,
    to: number,
    wide: number,
    [pair, row, column]: readonly [number, number, number],
    n: number,
    first: number,
    addressOf: (view: View) => number,
  ): void {
    const bytes = kit.dtypeInfo(g.x.dtype).itemsize;
    const [batch = 0, plane = 0] = g.x.strides.map((s) => s * bytes);
    const [down, across] = [g.planeStrides[0] * bytes, g.planeStrides[1] * bytes];
    const [top, bottom] = inside(f, 0, g.rows);
    const [left, right] = inside(f, 1, g.columns);
    if (bottom === top || right === left) return;
    const from = addressOf(g.x) + g.x.offset * bytes + n * batch + first * plane + top * down + left * across;
    const at = to + (f.before[0] + top * f.step[0]) * row + (f.before[1] + left * f.step[1]) * column;
    const element = shortOf(g.x.dtype) ?? kit.unreachable(g.x.dtype);
    kit.inRanges(this.#runtime, bottom - top, (right - left) * wide, (y, rows) =>
      this.#dense.pairs(
        at + y * f.step[0] * row,
        from + y * down,
        wide,
        rows,
        right - left,
        plane,
        down,
        across,
        pair,
        f.step[0] * row,
        f.step[1] * column,
        element,
      ),
    );
  }

  /** Planes of pairs of channels; those of a group begin with a pair of their own. */
  #planes(g: Geometry, f: Frame, pairsIn: number, addressOf: (view: View) => number): Planes {
    const [height, width] = f.size;
    const rowStride = width * WORD;
    const planeStride = height * rowStride;
    const batchStride = g.groups * pairsIn * planeStride;
    const scratch = this.#runtime.memory.allocate(g.batch * batchStride);
    this.#dense.patches.clear(scratch.address, g.batch * batchStride);
    // Groups of an even number of channels need not be told apart.
    const together = g.groupIn % 2 === 0 ? g.groups : 1;
    for (let n = 0; n < g.batch; n++) {
      for (let group = 0; group < g.groups; group += together) {
        const at = scratch.address + n * batchStride + group * pairsIn * planeStride;
        this.#framed(g, f, at, together * g.groupIn, [planeStride, rowStride, WORD], n, group * g.groupIn, addressOf);
      }
    }
    return { address: scratch.address, batchStride, planeStride, sliceStride: 0, rowStride, columnStride: WORD, scratch };
  }

  /** A filter for each channel: the input lies channels innermost, and eight of them go at a time. */
  #depthwise(
    g: Geometry,
    f: Frame,
    w: Filters,
    key: string,
    [to, batchStride, channelStride, positionStride]: readonly [number, number, number, number],
    addressOf: (view: View) => number,
    packed: Packed,
    finish: Finish | undefined,
  ): void {
    const { memory } = this.#runtime;
    const taps = g.kernel[0] * g.kernel[1];
    const pairs = Math.ceil(taps / 2);
    const [height, width] = f.size;
    const column = kit.padded(g.groups, LANES) * SHORT_BYTES;
    const row = width * column;
    const scratch = memory.allocate(g.batch * height * row);
    this.#dense.patches.clear(scratch.address, g.batch * height * row);
    const block = pairs * LANES * WORD;
    const filters = packed(g.w, `depthwise/${key}`, Math.ceil(g.groups / LANES) * block, (at) => {
      this.#dense.patches.clear(at, Math.ceil(g.groups / LANES) * block);
      const [whole, rest] = [Math.floor(g.groups / LANES), g.groups % LANES];
      const step = w.address(1) - w.address(0);
      const pack = (first: number, blocks: number, wide: number): void =>
        this.#dense.pairs(at + first * block, w.address(first * LANES), taps, blocks, wide, w.column, LANES * step, step, LANES * WORD, block, WORD, w.element);
      if (whole > 0) pack(0, whole, LANES);
      if (rest > 0) pack(whole, 1, rest);
    });
    // An odd last tap is multiplied by zero.
    const table = this.#tables.of(`taps/${g.kernel.join(",")},${g.dilation.join(",")},${row},${column}`, () =>
      Int32Array.from({ length: 2 * pairs }, (_, t) =>
        t === taps ? 0 : Math.floor(t / g.kernel[1]) * g.dilation[0] * row + (t % g.kernel[1]) * g.dilation[1] * column,
      ),
    );
    for (let n = 0; n < g.batch; n++) {
      const image = scratch.address + n * height * row;
      this.#framed(g, f, image, g.groups, [WORD, row, column], n, 0, addressOf);
      const [down, across] = [f.stride[0] * row, f.stride[1] * column];
      const outRow = g.outColumns * positionStride;
      kit.inRanges(this.#runtime, g.outRows, (g.outColumns * g.groups * pairs) / 2, (y, rows) => {
        const at = to + n * batchStride + y * outRow;
        this.#dense.depthwiseShorts(
          at,
          image + y * down,
          filters.address,
          table,
          pairs,
          rows,
          g.outColumns,
          g.groups,
          down,
          across,
          outRow,
          positionStride,
          channelStride,
        );
        finish?.({ batch: n, row: 0, rows: g.groups, column: y * g.outColumns, columns: rows * g.outColumns });
      });
    }
    memory.free(scratch);
  }
}
