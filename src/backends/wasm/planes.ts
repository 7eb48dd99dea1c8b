/** Geometry of planes: what has one spatial axis has one row. */

import { type ConvolveCall, convolveOperands } from "../../prims/call.ts";
import { unreachable } from "../../tensor/error.ts";
import type { View } from "../../tensor/tensor.ts";
import type { Block, LinearMemory } from "./memory.ts";
import { ARGUMENTS } from "./runtime.ts";

/** Of rows and of columns. */
export type Pair = readonly [number, number];

/** The values of one or two spatial axes; `fill` where there is no row axis. */
export function pair(values: readonly number[], fill: number): Pair {
  return values.length === 1 ? [fill, values[0] ?? fill] : values.length === 0 ? [fill, fill] : [values[0] ?? fill, values[1] ?? fill];
}

/** Writes words to where kernels look for their geometry. */
export function writeWords(memory: LinearMemory, values: readonly number[]): void {
  new Int32Array(memory.bytes.buffer, ARGUMENTS, values.length).set(values);
}

/** Tables of offsets kept at a time; the one not used for longest goes. */
const MAX_TABLES = 256;
/** Bytes behind a table that a kernel may read. */
const SLACK = 64;

/** Tables of words in linear memory, by what they were made for. */
export class Tables {
  readonly #memory: LinearMemory;
  readonly #blocks = new Map<string, Block>();

  constructor(memory: LinearMemory) {
    this.#memory = memory;
  }

  /** Address of the table. */
  of(key: string, make: () => Int32Array): number {
    let block = this.#blocks.get(key);
    if (block === undefined) {
      const words = make();
      block = this.#memory.allocate(words.byteLength + SLACK);
      this.#memory.bytes.set(new Uint8Array(words.buffer), block.address);
      if (this.#blocks.size >= MAX_TABLES) {
        for (const [old, held] of this.#blocks) {
          this.#blocks.delete(old);
          this.#memory.free(held);
          break;
        }
      }
    } else this.#blocks.delete(key);
    this.#blocks.set(key, block);
    return block.address;
  }
}

/** A convolution over planes; what has one spatial axis has one row. */
export interface Geometry {
  readonly x: View;
  readonly w: View;
  readonly batch: number;
  readonly groups: number;
  readonly groupIn: number;
  readonly groupOut: number;
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
  const [rows, columns] = pair(x.shape.slice(2), 1);
  const [outRows, outColumns] = pair(out.shape.slice(2), 1);
  return {
    x,
    w,
    groups,
    rows,
    columns,
    outRows,
    outColumns,
    batch: x.shape[0] ?? 1,
    groupIn: (x.shape[1] ?? 1) / groups,
    groupOut: (out.shape[1] ?? 1) / groups,
    kernel: pair(w.shape.slice(2), 1),
    stride: pair(call.stride, 1),
    dilation: pair(call.dilation, 1),
    padBegin: pair(call.padBegin, 0),
    padEnd: pair(call.padEnd, 0),
    planeStrides: pair(x.strides.slice(2), 0),
    kernelStrides: pair(w.strides.slice(2), 0),
  };
}
