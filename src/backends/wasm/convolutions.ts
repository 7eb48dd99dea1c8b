/** Convolutions: patches packed by tables of offsets into the tiles of the products, depthwise filters, transposed ones. */

import { type ConvolveCall, convolveOperands } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { DEPTHWISE, overRows, rowsSeen, threeByThree } from "./depthwise-rows.ts";
import { divide } from "./division.ts";
import { FLOAT } from "./emit.ts";
import { type Finish, flattened } from "./epilogue.ts";
import { FilterProducts } from "./filters.ts";
import { COLUMNS, DEPTH } from "./gemm.ts";
import { toView } from "./layout.ts";
import type { LinearMemory } from "./memory.ts";
import { Pairs } from "./pairs.ts";
import { type Packed, padded, type Products } from "./products.ts";
import { type Geometry, geometryOf, isFlat, type Planes, planesOf, straightFilters, Tables, writeWords } from "./planes.ts";
import { evenly, inRanges } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";
import { Winograd } from "./winograd.ts";

export class Convolutions {
  readonly #runtime: KernelRuntime;
  readonly #memory: LinearMemory;
  readonly #dense: DenseKernels;
  readonly #products: Products;
  readonly #winograd: Winograd;
  readonly #filters: FilterProducts;
  readonly pairs: Pairs;

  constructor(runtime: KernelRuntime, dense: DenseKernels, products: Products) {
    this.#runtime = runtime;
    this.#memory = runtime.memory;
    this.#dense = dense;
    this.#products = products;
    const tables = new Tables(runtime);
    this.#winograd = new Winograd(runtime, dense, tables);
    this.#filters = new FilterProducts(runtime, dense, tables);
    this.pairs = new Pairs(runtime, dense, this.#filters);
  }

  refuses(call: ConvolveCall): string | undefined {
    const { x, w, bias } = convolveOperands(call);
    const out = call.results[0] ?? unreachable("result");
    if (x.dtype !== "float32" || w.dtype !== "float32" || out.dtype !== "float32" || (bias !== undefined && bias.dtype !== "float32"))
      return `no convolution kernel for ${x.dtype}`;
    if (call.epilogue !== undefined && call.epilogue.operands[0] !== "float32")
      return `the convolution is wanted in ${call.epilogue.operands[0] ?? "another dtype"}`;
    if (call.stride.length > 3) return `no convolution kernel for ${call.stride.length} spatial axes`;
    if (flattened(out) === undefined) return "the positions of the result do not lie one after another";
    if (bias !== undefined && bias.strides[0] !== 1) return "the bias is not contiguous";
    if (!call.transposed && [...call.padBegin, ...call.padEnd].some((p) => p < 0)) return "negative padding";
    return numelOf(out.shape) === 0 || numelOf(x.shape) === 0 ? "an empty tensor" : undefined;
  }

  /** `finish` runs the epilogue, part by part of the result `[N, O, positions]`. */
  run(call: ConvolveCall, addressOf: (view: View) => number, packed: Packed, finish: Finish | undefined): void {
    const g = geometryOf(call);
    const { bias } = convolveOperands(call);
    const biasAt = bias === undefined ? 0 : addressOf(bias) + bias.offset * FLOAT;
    const result = call.results[0] ?? unreachable("result");
    const to = addressOf(result) + result.offset * FLOAT;
    if (isContiguous(result.shape, result.strides)) return this.#compute(call, g, biasAt, to, addressOf, packed, finish);
    // Channels last, say: each part is brought to its place when it is done.
    const scratch = this.#memory.allocate(numelOf(result.shape) * FLOAT);
    this.#compute(call, g, biasAt, scratch.address, addressOf, packed, (part) => {
      toView(this.#dense, result, to, scratch.address, part);
      finish?.(part);
    });
    this.#memory.free(scratch);
  }

  #compute(call: ConvolveCall, g: Geometry, biasAt: number, to: number, addressOf: (view: View) => number, packed: Packed, finish: Finish | undefined): void {
    if (call.transposed) return this.#transposed(g, biasAt, to, addressOf, finish);
    if (isFlat(g)) {
      if (this.#winograd.run(g, biasAt, to, addressOf, packed, finish)) return;
      if (g.groupIn === 1 && g.stride[1] <= 2 && (g.groups > 1 || threeByThree(g) !== undefined)) return this.#depthwise(g, biasAt, to, addressOf, finish);
    }
    this.#product(g, biasAt, to, addressOf, packed, finish);
  }

  /** The filters by what they see of the input. */
  #product(g: Geometry, biasAt: number, to: number, addressOf: (view: View) => number, packed: Packed, finish: Finish | undefined): void {
    const source = this.#padded(g, addressOf, false);
    const filters = this.#filters;
    const product = filters.of(g, source, biasAt, addressOf, packed);
    const { plane, depth, straight, turned } = product;
    const work = g.batch * g.groups * g.groupOut * plane * depth;
    const wanted = this.#runtime.partsFor(work);
    const shape = { images: g.batch * g.groups, positions: plane, channels: g.groupOut, depth, packs: !straight, turned };
    const { positions, channels } = divide(shape, this.#runtime.threads, wanted);
    const parts: (() => void)[] = [];
    for (let n = 0; n < g.batch; n++) {
      for (let group = 0; group < g.groups; group++) {
        const panels = product.filters(group);
        const image = source.address + n * source.batchStride + group * g.groupIn * source.planeStride;
        for (const [first, count] of positions) {
          for (const [from, rows] of channels) {
            parts.push(() => {
              const row = group * g.groupOut + from;
              const target = to + ((n * g.groups * g.groupOut + row) * plane + first) * FLOAT;
              const room = filters.room(product, count);
              for (let k = 0; k < depth; k += DEPTH) {
                const columns = filters.columns(product, image, first, count, k, room);
                filters.multiply(product, panels, columns, count, [row, from, rows], k, target, plane * FLOAT);
              }
              if (room !== undefined) this.#memory.free(room);
              finish?.({ batch: n, row, rows, column: first, columns: count });
            });
          }
        }
      }
    }
    this.#runtime.fork(work, parts);
    if (source.scratch !== undefined) this.#memory.free(source.scratch);
  }

  /** The input as planes that a window never leaves: itself where there is no padding, else a copy with a border of zeros. */
  #padded(g: Geometry, addressOf: (view: View) => number, needsRows: boolean): Planes {
    const planes = planesOf(g, addressOf);
    if (!isFlat(g)) return this.#paddedSlices(g, planes);
    const [top, left] = g.padBegin;
    const [bottom, right] = g.padEnd;
    const border = top !== 0 || left !== 0 || bottom !== 0 || right !== 0;
    if (!border && !(needsRows && planes.columnStride !== FLOAT)) return planes;
    const rows = g.rows + top + bottom;
    const columns = g.columns + left + right;
    const paddedRow = columns * FLOAT;
    const paddedPlane = rows * paddedRow;
    const channels = g.groups * g.groupIn;
    const scratch = this.#memory.allocate(g.batch * channels * paddedPlane);
    for (let n = 0; n < g.batch; n++) {
      const target = scratch.address + n * channels * paddedPlane;
      const from = planes.address + n * planes.batchStride;
      /** Rows `[row, row + high)` of the padded planes of some channels. */
      const copy = (channel: number, count: number, row: number, high: number): void => {
        const at = target + channel * paddedPlane + row * paddedRow;
        if (border)
          for (let i = 0; i < (high === rows ? 1 : count); i++)
            this.#dense.patches.clear(at + i * paddedPlane, high === rows ? count * paddedPlane : high * paddedRow);
        const first = Math.max(0, row - top);
        const inside = Math.min(g.rows, row + high - top) - first;
        const { planeStride, rowStride, columnStride } = planes;
        const source = from + channel * planeStride + first * rowStride;
        const offset = (first + top - row) * paddedRow + left * FLOAT;
        if (inside > 0)
          this.#dense.patches.copyPlanes(at, source, count, inside, g.columns, planeStride, rowStride, columnStride, paddedRow, paddedPlane, offset);
      };
      // Few planes are divided by rows.
      if (channels < FEW_CHANNELS) inRanges(this.#runtime, rows, channels * columns, (row, high) => copy(0, channels, row, high));
      else inRanges(this.#runtime, channels, rows * columns, (channel, count) => copy(channel, count, 0, rows));
    }
    const strides = { batchStride: channels * paddedPlane, planeStride: paddedPlane, sliceStride: 0, rowStride: paddedRow, columnStride: FLOAT };
    return { address: scratch.address, ...strides, scratch };
  }

  /** As `#padded`, of channels that have slices. */
  #paddedSlices(g: Geometry, planes: Planes): Planes {
    const [[top, left], [bottom, right], { size, padBegin: front, padEnd: back }] = [g.padBegin, g.padEnd, g.slices];
    if ([top, left, bottom, right, front, back].every((n) => n === 0)) return planes;
    const rowStride = (g.columns + left + right) * FLOAT;
    const sliceStride = (g.rows + top + bottom) * rowStride;
    const planeStride = (size + front + back) * sliceStride;
    const channels = g.groups * g.groupIn;
    const scratch = this.#memory.allocate(g.batch * channels * planeStride);
    inRanges(this.#runtime, g.batch * channels, planeStride / FLOAT, (first, count) => {
      this.#dense.patches.clear(scratch.address + first * planeStride, count * planeStride);
      for (let i = first; i < first + count; i++) {
        const to = scratch.address + i * planeStride;
        const from = planes.address + Math.floor(i / channels) * planes.batchStride + (i % channels) * planes.planeStride;
        const inside = front * sliceStride + top * rowStride + left * FLOAT;
        this.#dense.patches.copyPlanes(
          to,
          from,
          size,
          g.rows,
          g.columns,
          planes.sliceStride,
          planes.rowStride,
          planes.columnStride,
          rowStride,
          sliceStride,
          inside,
        );
      }
    });
    return { address: scratch.address, batchStride: channels * planeStride, planeStride, sliceStride, rowStride, columnStride: FLOAT, scratch };
  }

  /** One input channel a filter. */
  #depthwise(g: Geometry, biasAt: number, to: number, addressOf: (view: View) => number, finish: Finish | undefined): void {
    const outPlane = g.outRows * g.outColumns;
    const taps = g.kernel[0] * g.kernel[1];
    const { address: filtersAt, filterStride, copy } = straightFilters({ ...g, groupOut: g.groups * g.groupOut }, 0, addressOf, this.#memory, this.#dense);
    const byThree = threeByThree(g);
    const planes = byThree === undefined ? this.#padded(g, addressOf, true) : planesOf(g, addressOf);
    const work = g.batch * g.groups * g.groupOut * outPlane * taps * DEPTHWISE;
    // Large planes are divided by rows, as the products before and after them are by positions: each thread finds what it wrote.
    const { threads } = this.#runtime;
    const byRows = byThree !== undefined && this.#runtime.partsFor(work) > 1 && g.outRows >= LEAST_ROWS * threads;
    const ranges = evenly(g.outRows, byRows ? threads : 1);
    // With one filter a channel, as many channels as an epilogue should find in a cache.
    const most = g.groupOut === 1 ? Math.max(1, Math.floor((PART_BYTES * ranges.length) / (outPlane * FLOAT))) : 1;
    const shares = Math.max(Math.ceil(g.groups / most), Math.ceil(this.#runtime.partsFor(work) / (g.batch * ranges.length)));
    const parts: (() => void)[] = [];
    for (let n = 0; n < g.batch; n++) {
      for (const [first, high] of ranges) {
        for (const [group, groups] of evenly(g.groups, shares)) {
          parts.push(() => {
            const row = group * g.groupOut;
            const rows = groups * g.groupOut;
            const planeStep = g.groupOut === 1 ? planes.planeStride : 0;
            const from = planes.address + n * planes.batchStride + group * planes.planeStride;
            const target = to + ((n * g.groups * g.groupOut + row) * outPlane + first * g.outColumns) * FLOAT;
            const filters = filtersAt + row * filterStride;
            const bias = biasAt === 0 ? 0 : biasAt + row * FLOAT;
            if (byThree !== undefined) {
              const seen = rowsSeen(g, first, high);
              overRows(
                this.#dense,
                g,
                seen,
                high,
                [target, from + seen.begin * planes.rowStride, filters, bias, rows, planeStep, filterStride],
                planes.rowStride,
                false,
              );
            } else {
              for (let i = 0; i < rows; i++) {
                this.#dense.depthwise.depthwise(
                  target + i * outPlane * FLOAT,
                  from + i * planeStep,
                  filters + i * filterStride,
                  bias === 0 ? 0 : bias + i * FLOAT,
                  g.outRows,
                  g.outColumns,
                  g.kernel[0],
                  g.kernel[1],
                  g.stride[0] * planes.rowStride,
                  g.dilation[0] * planes.rowStride,
                  g.dilation[1] * FLOAT,
                  g.stride[1],
                );
              }
            }
            finish?.({ batch: n, row, rows, column: first * g.outColumns, columns: high * g.outColumns });
          });
        }
      }
    }
    this.#runtime.fork(work, parts);
    for (const block of [copy, planes.scratch]) if (block !== undefined) this.#memory.free(block);
  }

  /** A transposed convolution: the filters by the input's positions, each product added where its tap falls. */
  #transposed(g: Geometry, biasAt: number, to: number, addressOf: (view: View) => number, finish: Finish | undefined): void {
    const { x, slices } = g;
    const taps = slices.kernel * g.kernel[0] * g.kernel[1];
    const rows = g.groupOut * taps;
    const plane = g.rows * g.columns;
    const positions = slices.size * plane;
    const outPositions = slices.out * g.outRows * g.outColumns;
    const sums = this.#memory.allocate(rows * positions * FLOAT);
    const columns = this.#memory.allocate(padded(positions, COLUMNS) * g.groupIn * FLOAT);
    const dense = isContiguous(x.shape.slice(2), x.strides.slice(2));
    const straight = dense ? undefined : this.#memory.allocate(g.groupIn * positions * FLOAT);
    const planes = planesOf(g, addressOf);
    // The filters of an input channel, as rows of the product's left side.
    const filters = straightFilters({ ...g, groupIn: g.groupOut, groupOut: g.groups * g.groupIn }, 0, addressOf, this.#memory, this.#dense);
    for (let n = 0; n < g.batch; n++) {
      for (let group = 0; group < g.groups; group++) {
        let image = planes.address + n * planes.batchStride + group * g.groupIn * planes.planeStride;
        let imageStride = planes.planeStride;
        if (straight !== undefined) {
          for (let z = 0; z < slices.size; z++) {
            const [at, from] = [straight.address + z * plane * FLOAT, image + z * planes.sliceStride];
            const strides = [planes.planeStride, planes.rowStride, planes.columnStride, g.columns * FLOAT, positions * FLOAT, 0] as const;
            this.#dense.patches.copyPlanes(at, from, g.groupIn, g.rows, g.columns, ...strides);
          }
          [image, imageStride] = [straight.address, positions * FLOAT];
        }
        this.#products.packColumns(
          { address: image, rows: g.groupIn, columns: positions, rowStride: imageStride, columnStride: FLOAT },
          g.groupIn,
          columns.address,
        );
        this.#products.multiply(
          {
            address: filters.address + group * g.groupIn * filters.filterStride,
            rows,
            columns: g.groupIn,
            rowStride: FLOAT,
            columnStride: filters.filterStride,
          },
          columns.address,
          sums.address,
          positions * FLOAT,
          positions,
          g.groupIn,
        );
        const resultAt = to + (n * g.groups + group) * g.groupOut * outPositions * FLOAT;
        const size = writeWords(this.#runtime, [g.outRows, g.outColumns]);
        inRanges(this.#runtime, g.groupOut, taps * positions + outPositions, (first, count) => {
          const channel = group * g.groupOut + first;
          this.#dense.patches.fillRows(resultAt + first * outPositions * FLOAT, biasAt === 0 ? 0 : biasAt + channel * FLOAT, count, outPositions);
          for (let o = first; o < first + count; o++) this.#spread(g, resultAt + o * outPositions * FLOAT, sums.address + o * taps * positions * FLOAT, size);
          finish?.({ batch: n, row: channel, rows: count, column: 0, columns: outPositions });
        });
      }
    }
    for (const block of [sums, columns, straight, filters.copy]) if (block !== undefined) this.#memory.free(block);
  }

  /** Adds each tap's sums where they fall in a channel of the result; `size` points to its rows and columns. */
  #spread(g: Geometry, to: number, sums: number, size: number): void {
    const { slices } = g;
    const [plane, outPlane] = [g.rows * g.columns * FLOAT, g.outRows * g.outColumns * FLOAT];
    let from = sums;
    for (let kz = 0; kz < slices.kernel; kz++) {
      for (let ky = 0; ky < g.kernel[0]; ky++) {
        for (let kx = 0; kx < g.kernel[1]; kx++) {
          const [row, column] = [ky * g.dilation[0] - g.padBegin[0], kx * g.dilation[1] - g.padBegin[1]];
          for (let z = 0; z < slices.size; z++, from += plane) {
            const slice = z * slices.stride + kz * slices.dilation - slices.padBegin;
            if (slice < 0 || slice >= slices.out) continue;
            this.#dense.patches.addPlane(to + slice * outPlane, from, g.rows, g.columns, row, g.stride[0], column, g.stride[1], size);
          }
        }
      }
    }
  }
}

/** Channels of which each thread should have more than one. */
const FEW_CHANNELS = 8;

/** Rows of a plane of a depthwise convolution that a thread has, at least. */
const LEAST_ROWS = 14;

/** Bytes of a result that are written before an epilogue reads them again. */
const PART_BYTES = 128 * 1024;
