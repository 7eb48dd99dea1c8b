/** Pairs of convolutions that run as one: filters of one tap, and one filter of 3 x 3 for each channel that they make. */

import { type ConvolveCall, convolveOperands } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous, sameShape } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { DEPTHWISE, overRows, rowsSeen, threeByThree } from "./depthwise-rows.ts";
import { FLOAT } from "./emit.ts";
import type { Finish, FinishAt } from "./epilogue.ts";
import type { FilterProducts } from "./filters.ts";
import { COLUMNS, DEPTH } from "./gemm.ts";
import type { LinearMemory } from "./memory.ts";
import { panelRanges, panelRows } from "./panels.ts";
import { geometryOf, isFlat, planesOf, straightFilters } from "./planes.ts";
import type { Packed } from "./products.ts";
import { evenly } from "./ranges.ts";
import type { KernelRuntime } from "./runtime.ts";

/** Whether both are all of one contiguous tensor. */
const isSameView = (a: View, b: View): boolean =>
  sameShape(a.shape, b.shape) && a.offset === b.offset && [a, b].every((view) => isContiguous(view.shape, view.strides));

/** Bytes of what lies between two convolutions of a pair: they stay in the second cache with what is read. */
const BETWEEN_BYTES = 256 * 1024;
/** Taps of a filter of 3 x 3. */
const TAPS = 9;

export class Pairs {
  readonly #runtime: KernelRuntime;
  readonly #memory: LinearMemory;
  readonly #dense: DenseKernels;
  readonly #filters: FilterProducts;

  constructor(runtime: KernelRuntime, dense: DenseKernels, filters: FilterProducts) {
    this.#runtime = runtime;
    this.#memory = runtime.memory;
    this.#dense = dense;
    this.#filters = filters;
  }

  /**
   * Whether two convolutions are a pair: filters of one tap, and one filter of 3 x 3 for each channel that they make. Some channels of what lies between are
   * made and used at a time, so that it never is in memory as a whole.
   */
  takes(first: ConvolveCall, second: ConvolveCall): boolean {
    const [[between], [result]] = [first.results, second.results];
    if (between === undefined || result === undefined || first.transposed || second.transposed || first.groups > 1 || second.groups < 2) return false;
    if (!isContiguous(result.shape, result.strides)) return false;
    const [one, two] = [geometryOf(first), geometryOf(second)];
    if (!isFlat(one) || !isFlat(two)) return false;
    const isOneTap = [...one.kernel, ...one.stride].every((n) => n === 1) && [...one.padBegin, ...one.padEnd].every((n) => n === 0);
    return isOneTap && one.groupIn <= DEPTH && two.groupIn === 1 && two.groupOut === 1 && threeByThree(two) !== undefined && isSameView(between, two.x);
  }

  /** A pair, with what finishes the channels between where they are, and parts of the result. */
  run(
    [first, second]: readonly [ConvolveCall, ConvolveCall],
    addressOf: (view: View) => number,
    packed: Packed,
    finishBetween: FinishAt | undefined,
    finish: Finish | undefined,
  ): void {
    const [one, g] = [geometryOf(first), geometryOf(second)];
    const biasOf = (call: ConvolveCall): number => {
      const { bias } = convolveOperands(call);
      return bias === undefined ? 0 : addressOf(bias) + bias.offset * FLOAT;
    };
    const source = planesOf(one, addressOf);
    const product = this.#filters.of(one, source, biasOf(first), addressOf, packed);
    const { depth, turned } = product;
    const panels = product.filters(0);
    const result = second.results[0] ?? unreachable("result");
    const to = addressOf(result) + result.offset * FLOAT;
    const biasAt = biasOf(second);
    const { address: filtersAt, filterStride, copy } = straightFilters({ ...g, groupOut: g.groups }, 0, addressOf, this.#memory, this.#dense);
    const channels = g.groups;
    const outPlane = g.outRows * g.outColumns;
    const work = g.batch * channels * (g.rows * g.columns * depth + outPlane * TAPS * DEPTHWISE);
    const wanted = this.#runtime.partsFor(work);
    // Ranges of channels share no work, and each thread finds what it made; planes of which a panel fills the cache are divided by rows too.
    const ranges = evenly(g.outRows, Math.ceil((panelRows() * g.rows * g.columns * FLOAT) / (2 * BETWEEN_BYTES)));
    const shares = Math.ceil(wanted / (g.batch * ranges.length));
    const parts: (() => void)[] = [];
    for (let n = 0; n < g.batch; n++) {
      const image = source.address + n * source.batchStride;
      for (const [row, high] of ranges) {
        const seen = rowsSeen(g, row, high);
        const [from, count] = [seen.begin * g.columns, seen.count * g.columns];
        const stride = count * FLOAT;
        const blocks = shares * Math.ceil((channels * stride) / (shares * BETWEEN_BYTES));
        const all = turned ? evenly(channels, blocks, COLUMNS) : panelRanges(channels, blocks);
        for (const [begin, some] of evenly(all.length, shares)) {
          const each = all.slice(begin, begin + some);
          parts.push(() => {
            const between = this.#memory.allocate(Math.max(...each.map(([, wide]) => wide)) * stride);
            const room = this.#filters.room(product, count);
            const columns = this.#filters.columns(product, image, from, count, 0, room);
            for (const [channel, wide] of each) {
              this.#filters.multiply(product, panels, columns, count, [channel, channel, wide], 0, between.address, stride);
              finishBetween?.({ batch: n, row: channel, rows: wide, column: from, columns: count }, between.address, stride);
              const target = to + ((n * channels + channel) * outPlane + row * g.outColumns) * FLOAT;
              const bias = biasAt === 0 ? 0 : biasAt + channel * FLOAT;
              overRows(
                this.#dense,
                g,
                seen,
                high,
                [target, between.address, filtersAt + channel * filterStride, bias, wide, stride, filterStride],
                g.columns * FLOAT,
                true,
              );
              finish?.({ batch: n, row: channel, rows: wide, column: row * g.outColumns, columns: high * g.outColumns });
            }
            if (room !== undefined) this.#memory.free(room);
            this.#memory.free(between);
          });
        }
      }
    }
    this.#runtime.fork(work, parts);
    if (copy !== undefined) this.#memory.free(copy);
  }
}
