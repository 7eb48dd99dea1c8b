/** Geometry of planes: what has one spatial axis has one row, and what has three has slices of planes. */

import { type ConvolveCall, convolveOperands } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import { isContiguous } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import type { Block, LinearMemory } from "./memory.ts";
import type { KernelRuntime } from "./runtime.ts";
import type { Tape } from "./tape.ts";

/** Of rows and of columns. */
export type Pair = readonly [number, number];

/** The values of one or two spatial axes; `fill` where there is no row axis. */
export function pair(values: readonly number[], fill: number): Pair {
  return values.length === 1 ? [fill, values[0] ?? fill] : values.length === 0 ? [fill, fill] : [values[0] ?? fill, values[1] ?? fill];
}

/** Writes words to a block of its own; its address is what kernels take for their geometry. */
export function writeWords(runtime: KernelRuntime, values: readonly number[]): number {
  const block = runtime.block(values.length * 4);
  new Int32Array(runtime.memory.bytes.buffer, block, values.length).set(values);
  return block;
}

/** Tables of offsets kept at a time; the one not used for longest goes. */
const MAX_TABLES = 256;
/** Bytes behind a table that a kernel may read. */
const SLACK = 64;

/** Where planes lie; strides in bytes. */
export interface Planes {
  readonly address: number;
  readonly batchStride: number;
  readonly planeStride: number;
  readonly sliceStride: number;
  readonly rowStride: number;
  readonly columnStride: number;
  readonly scratch: Block | undefined;
}

/** Tables of words in linear memory, by what they were made for. */
export class Tables {
  readonly #runtime: KernelRuntime;
  readonly #blocks = new Map<string, Block>();
  /** A plan's tables are its own: the cache lets go of the oldest. */
  readonly #plans = new WeakMap<Tape, Map<string, number>>();

  constructor(runtime: KernelRuntime) {
    this.#runtime = runtime;
  }

  /** Address of the table. */
  of(key: string, make: () => Int32Array): number {
    const { memory, tape } = this.#runtime;
    if (tape !== undefined) {
      let own = this.#plans.get(tape);
      if (own === undefined) this.#plans.set(tape, (own = new Map<string, number>()));
      let address = own.get(key);
      if (address === undefined) own.set(key, (address = this.#write(make(), (bytes) => memory.allocatePinned(bytes)).address));
      return address;
    }
    let block = this.#blocks.get(key);
    if (block === undefined) {
      block = this.#write(make(), (bytes) => memory.allocateLasting(bytes));
      if (this.#blocks.size >= MAX_TABLES) {
        for (const [old, held] of this.#blocks) {
          this.#blocks.delete(old);
          memory.freeLasting(held);
          break;
        }
      }
    } else this.#blocks.delete(key);
    this.#blocks.set(key, block);
    return block.address;
  }

  /** Byte offset of each output position's window within a channel. */
  windows(g: Pick<Geometry, "slices" | "outRows" | "outColumns" | "stride">, planes: Planes): number {
    const { outRows, outColumns, slices } = g;
    const [deep, down, across] = [slices.stride * planes.sliceStride, g.stride[0] * planes.rowStride, g.stride[1] * planes.columnStride];
    return this.of(`columns/${slices.out},${outRows},${outColumns},${slices.out > 1 ? deep : 0},${down},${across}`, () => {
      const words = new Int32Array(slices.out * outRows * outColumns);
      let at = 0;
      for (let z = 0; z < slices.out; z++) {
        for (let y = 0; y < outRows; y++) for (let x = 0; x < outColumns; x++) words[at++] = z * deep + y * down + x * across;
      }
      return words;
    });
  }

  /** Byte offset of each (channel, kernel slice, kernel row, kernel column) from a window's corner. */
  depths(g: Pick<Geometry, "groupIn" | "slices" | "kernel" | "dilation">, planes: Planes): number {
    const { groupIn, kernel, slices } = g;
    const [deep, down, across] = [slices.dilation * planes.sliceStride, g.dilation[0] * planes.rowStride, g.dilation[1] * planes.columnStride];
    return this.of(`depth/${groupIn},${slices.kernel},${kernel.join(",")},${planes.planeStride},${slices.kernel > 1 ? deep : 0},${down},${across}`, () => {
      const words = new Int32Array(groupIn * slices.kernel * kernel[0] * kernel[1]);
      let at = 0;
      for (let channel = 0; channel < groupIn; channel++) {
        for (let z = 0; z < slices.kernel; z++) {
          for (let y = 0; y < kernel[0]; y++) for (let x = 0; x < kernel[1]; x++) words[at++] = channel * planes.planeStride + z * deep + y * down + x * across;
        }
      }
      return words;
    });
  }

  #write(words: Int32Array, allocate: (bytes: number) => Block): Block {
    const block = allocate(words.byteLength + SLACK);
    this.#runtime.memory.bytes.set(new Uint8Array(words.buffer), block.address);
    return block;
  }
}

/** The spatial axis ahead of rows and columns. */
export interface Slices {
  readonly size: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly padBegin: number;
  readonly padEnd: number;
  /** In elements, of the input and of a filter. */
  readonly step: number;
  readonly kernelStep: number;
}

/** Of what has two spatial axes or fewer. */
const ONE_SLICE: Slices = { size: 1, out: 1, kernel: 1, stride: 1, dilation: 1, padBegin: 0, padEnd: 0, step: 0, kernelStep: 0 };

/** A convolution over planes; what has one spatial axis has one row. */
export interface Geometry {
  readonly x: View;
  readonly w: View;
  readonly batch: number;
  readonly groups: number;
  readonly groupIn: number;
  readonly groupOut: number;
  readonly slices: Slices;
  readonly rows: number;
  readonly columns: number;
  readonly outRows: number;
  readonly outColumns: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly dilation: Pair;
  readonly padBegin: Pair;
  readonly padEnd: Pair;
  /** In elements: of a row and a column of the input, of a row and a column of a filter. */
  readonly planeStrides: Pair;
  readonly kernelStrides: Pair;
}
export function geometryOf(call: ConvolveCall): Geometry {
  const { x, w } = convolveOperands(call);
  const out = call.results[0] ?? unreachable("result");
  const { groups } = call;
  const ahead = Math.max(0, call.stride.length - 2);
  const behind = (values: readonly number[], fill: number): Pair => pair(values.slice(values.length - call.stride.length + ahead), fill);
  const [rows, columns] = behind(x.shape, 1);
  const [outRows, outColumns] = behind(out.shape, 1);
  return {
    x,
    w,
    groups,
    slices: ahead === 0 ? ONE_SLICE : slicesOf(call, x, w, out),
    rows,
    columns,
    outRows,
    outColumns,
    batch: x.shape[0] ?? 1,
    groupIn: (x.shape[1] ?? 1) / groups,
    groupOut: (out.shape[1] ?? 1) / groups,
    kernel: behind(w.shape, 1),
    stride: behind(call.stride, 1),
    dilation: behind(call.dilation, 1),
    padBegin: behind(call.padBegin, 0),
    padEnd: behind(call.padEnd, 0),
    planeStrides: behind(x.strides, 0),
    kernelStrides: behind(w.strides, 0),
  };
}

function slicesOf({ stride, dilation, padBegin, padEnd }: ConvolveCall, x: View, w: View, out: View): Slices {
  return {
    size: x.shape[2] ?? 1,
    out: out.shape[2] ?? 1,
    kernel: w.shape[2] ?? 1,
    stride: stride[0] ?? 1,
    dilation: dilation[0] ?? 1,
    padBegin: padBegin[0] ?? 0,
    padEnd: padEnd[0] ?? 0,
    step: x.strides[2] ?? 0,
    kernelStep: w.strides[2] ?? 0,
  };
}

/** A group's filters, each one's channels and taps one after another: in place, or copied so. */
export function straightFilters(
  g: Geometry,
  group: number,
  addressOf: (view: View) => number,
  memory: LinearMemory,
  dense: DenseKernels,
): { readonly address: number; readonly filterStride: number; readonly copy: Block | undefined } {
  const { w } = g;
  const [filterStride = 0, channelStride = 0] = w.strides.map((s) => s * FLOAT);
  const [rowStride, columnStride] = g.kernelStrides;
  const from = addressOf(w) + w.offset * FLOAT + group * g.groupOut * filterStride;
  if (isContiguous(w.shape.slice(1), w.strides.slice(1))) return { address: from, filterStride, copy: undefined };
  // Rows of taps that lie one after another are one row: channels last, say.
  const [rows, columns] = rowStride === g.kernel[1] * columnStride ? [1, g.kernel[0] * g.kernel[1]] : g.kernel;
  const plane = rows * columns * FLOAT;
  const block = g.slices.kernel * plane;
  const filter = g.groupIn * block;
  const copy = memory.allocate(g.groupOut * filter);
  const strides = [channelStride, rowStride * FLOAT, columnStride * FLOAT, columns * FLOAT, block, 0] as const;
  for (let o = 0; o < g.groupOut; o++) {
    for (let z = 0; z < g.slices.kernel; z++) {
      const to = copy.address + o * filter + z * plane;
      dense.patches.copyPlanes(to, from + o * filterStride + z * g.slices.kernelStep * FLOAT, g.groupIn, rows, columns, ...strides);
    }
  }
  return { address: copy.address, filterStride: filter, copy };
}

/** Whether all there is lies in one slice. */
export function isFlat({ slices }: Geometry): boolean {
  return slices.size === 1 && slices.out === 1 && slices.kernel === 1 && slices.padBegin === 0 && slices.padEnd === 0;
}

export function planesOf(g: Geometry, addressOf: (view: View) => number): Planes {
  const [batchStride = 0, planeStride = 0] = g.x.strides.map((s) => s * FLOAT);
  const [rowStride = 0, columnStride = 0] = g.planeStrides.map((s) => s * FLOAT);
  const sliceStride = g.slices.step * FLOAT;
  return { address: addressOf(g.x) + g.x.offset * FLOAT, batchStride, planeStride, sliceStride, rowStride, columnStride, scratch: undefined };
}
