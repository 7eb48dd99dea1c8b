/** Products of integers of 8 and 16 bits, exact in int32. */

import type { ContractCall } from "../../../prims/call.ts";
import type { DType } from "../../../tensor/dtype.ts";
import type { View } from "../../../tensor/tensor.ts";
import type { Finish } from "../epilogue.ts";
import type { ExtendedKernels } from "./extension.ts";
import { SHORT, shortBytes, WORD } from "./integer-gemm.ts";
import type { Packed } from "../products.ts";
import type { KernelRuntime } from "../runtime.ts";
import { kit } from "./shared.ts";

/** Rows of one range. */
const RANGE_ROWS = 64;
/** Columns that are packed at a time: what is made on the way stays in a cache. */
const AT_A_TIME = 64;
/** Products that take as long as moving an element. */
const EACH = 16;

/** The element that kernels take a dtype's numbers for; undefined where they take none. */
export function shortOf(dtype: DType): number | undefined {
  const { carrier, class: kind } = kit.dtypeInfo(dtype);
  if (kind === "float" || kind === "complex") return undefined;
  return carrier === "i8" ? SHORT.int8 : carrier === "u8" ? SHORT.uint8 : carrier === "i16" ? SHORT.int16 : undefined;
}

/** Whether the operands are integers that can be packed. */
export function isShortProduct(call: ContractCall): boolean {
  const [a, b] = call.operands;
  const out = call.results[0];
  return a !== undefined && b !== undefined && out?.dtype === "int32" && shortOf(a.dtype) !== undefined && shortOf(b.dtype) !== undefined;
}

export function refusesShortProduct(call: ContractCall): string | undefined {
  const out = call.results[0] ?? kit.unreachable("result");
  if (call.epilogue !== undefined && call.epilogue.operands[0] !== "int32") return `the product is wanted in ${call.epilogue.operands[0] ?? "another dtype"}`;
  return (out.shape[2] ?? 1) > 1 && out.strides[2] !== 1 ? "the result's rows are not contiguous" : undefined;
}

/** Rows or columns of numbers, one after another along `depth`. Strides in bytes. */
interface Lines {
  /** Asked for when it is used: of a weight that is kept packed it is not. */
  readonly address: () => number;
  readonly count: number;
  readonly depth: number;
  readonly countStride: number;
  readonly depthStride: number;
  readonly bytes: number;
  readonly element: number;
}

/** The lines of a batch's matrix along one of its axes. */
function linesOf(view: View, batch: number, axis: 1 | 2, addressOf: (view: View) => number): Lines {
  const { itemsize: bytes } = kit.dtypeInfo(view.dtype);
  const other = 3 - axis;
  const stride = (of: number): number => (view.strides[of] ?? 0) * bytes;
  return {
    address: () => addressOf(view) + view.offset * bytes + batch * stride(0),
    count: view.shape[axis] ?? 1,
    depth: view.shape[other] ?? 0,
    countStride: stride(axis),
    depthStride: stride(other),
    bytes,
    element: shortOf(view.dtype) ?? kit.unreachable(view.dtype),
  };
}

const part = (lines: Lines, from: number, count: number): Lines => ({ ...lines, address: () => lines.address() + from * lines.countStride, count });

export class ShortProducts {
  readonly #runtime: KernelRuntime;
  readonly #dense: ExtendedKernels;

  constructor(runtime: KernelRuntime, dense: ExtendedKernels) {
    this.#runtime = runtime;
    this.#dense = dense;
  }

  /** Panels of words, by a kernel that packs floats. */
  #pack(to: number, lines: Lines, into: ExtendedKernels["gemm"]["packRows"]): void {
    const { address, count, depth, countStride, depthStride, bytes, element } = lines;
    const words = Math.ceil(depth / 2);
    const scratch = this.#runtime.memory.allocate(count * words * WORD);
    // Words of a line one after another where its numbers are, else those of all lines.
    const [line, word] = depthStride === bytes ? [words * WORD, WORD] : [WORD, count * WORD];
    this.#dense.pairs(scratch.address, address(), depth, 1, count, depthStride, 0, countStride, word, 0, line, element);
    into(to, scratch.address, count, words, line, word);
    this.#runtime.memory.free(scratch);
  }

  /** A weight in panels of 8 columns. */
  #columns(view: View, lines: Lines, key: string, packed: Packed): number {
    const words = Math.ceil(lines.depth / 2);
    const block = packed(view, `shorts/${key}`, shortBytes(lines.count, lines.depth, kit.COLUMNS), (to) => {
      for (let j = 0; j < lines.count; j += AT_A_TIME)
        this.#pack(to + j * words * WORD, part(lines, j, Math.min(AT_A_TIME, lines.count - j)), this.#dense.gemm.packColumns);
    });
    return block.address;
  }

  /** One row by a weight that is kept in panels of 32 columns: bound by reading it, so its numbers have the bytes that they come with. */
  #row(x: Lines, view: View, lines: Lines, to: number, key: string, packed: Packed, finish: (from: number, count: number) => void): void {
    const { memory } = this.#runtime;
    const words = Math.ceil(lines.depth / 2);
    const bytes = lines.element === SHORT.int8 ? 1 : 2;
    const panel = words * kit.PANEL * 2 * bytes;
    const panels = Math.ceil(lines.count / kit.PANEL);
    const block = packed(view, `row/${key}`, panels * panel, (at) => {
      for (let p = 0; p < panels; p++) {
        const from = p * kit.PANEL;
        const own = part(lines, from, Math.min(kit.PANEL, lines.count - from));
        if (bytes === 2) {
          this.#pack(at + p * panel, own, this.#dense.vectors.packPanels);
          continue;
        }
        const wide = memory.allocate(2 * panel);
        this.#pack(wide.address, own, this.#dense.vectors.packPanels);
        this.#dense.halve(at + p * panel, wide.address, words);
        memory.free(wide);
      }
    });
    const row = memory.allocate(words * WORD);
    this.#dense.pairs(row.address, x.address(), x.depth, 1, 1, x.depthStride, 0, 0, WORD, 0, 0, x.element);
    const run = bytes === 1 ? this.#dense.bytePanels : this.#dense.shortPanels;
    kit.inRanges(this.#runtime, panels, (kit.PANEL * lines.depth) / EACH, (first, count) => {
      const from = first * kit.PANEL;
      const wide = Math.min(lines.count - from, count * kit.PANEL);
      run(row.address, block.address + first * panel, to + from * WORD, words, wide);
      finish(from, wide);
    });
    memory.free(row);
  }

  run(call: ContractCall, addressOf: (view: View) => number, packed: Packed, finish: Finish | undefined): void {
    const [a, b] = call.operands;
    const out = call.results[0];
    if (a === undefined || b === undefined || out === undefined) return kit.unreachable("operands");
    const [batches = 1, rows = 1, columns = 1] = out.shape;
    if (batches * rows * columns === 0) return;
    const { memory } = this.#runtime;
    for (let batch = 0; batch < batches; batch++) {
      const [left, right] = [linesOf(a, batch, 1, addressOf), linesOf(b, batch, 2, addressOf)];
      const to = addressOf(out) + (out.offset + batch * (out.strides[0] ?? 0)) * WORD;
      const key = `${b.strides[0] === 0 ? 0 : batch}/${b.dtype}/${b.shape.join(",")}/${b.strides.join(",")}/${b.offset}`;
      if (rows === 1 && packed.lasts(b)) {
        this.#row(left, b, right, to, key, packed, (column, wide) => finish?.({ batch, row: 0, rows: 1, column, columns: wide }));
        continue;
      }
      const words = Math.ceil(left.depth / 2);
      const columnsAt = this.#columns(b, right, key, packed);
      const rowStride = (out.strides[1] ?? 0) * WORD;
      // Ranges of rows go by their number alone.
      kit.inRanges(this.#runtime, Math.ceil(rows / RANGE_ROWS), (RANGE_ROWS * columns * left.depth) / EACH, (first, count) => {
        const from = first * RANGE_ROWS;
        const high = Math.min(rows - from, count * RANGE_ROWS);
        const scratch = memory.allocate(shortBytes(high, left.depth, kit.ROWS));
        this.#pack(scratch.address, part(left, from, high), this.#dense.gemm.packRows);
        this.#dense.multiplyShorts(scratch.address, columnsAt, to + from * rowStride, high, columns, words, rowStride);
        memory.free(scratch);
        finish?.({ batch, row: from, rows: high, column: 0, columns });
      });
    }
  }
}
