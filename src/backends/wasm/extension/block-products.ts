/**
 * The region `matmul_nbits`: rows by a weight of 2, 4 or 8 bits that is read as it is. A few rows read its codes once each, in order; more unpack a part of it into panels of floats
 * and go through their tiles. Nothing but codes, scales and zero points is kept.
 */

import type { Region } from "../../../prims/call.ts";
import type { View } from "../../../tensor/tensor.ts";
import { type Bits, BITS, WIDE } from "./block-gemm.ts";
import type { ExtendedKernels } from "./extension.ts";
import type { Packed } from "../products.ts";
import type { KernelRuntime } from "../runtime.ts";
import { kit } from "./shared.ts";

/** Rows up to which each reads the weight for itself. */
const FEW = 4;
/** Rows of a block, whose panels are packed at a time. */
const BLOCK_ROWS = 128;
/** Columns that are unpacked at a time: at most 256 KB of floats. */
const PART_COLUMNS = 128;
/** Codes that take as long as moving an element. */
const EACH = 8;
/** Bytes of a word. */
const WORD = 4;

interface Operands {
  readonly x: View;
  readonly codes: View;
  readonly scales: View;
  readonly zeros: View | undefined;
  readonly bias: View | undefined;
}

function operandsOf({ operands, params }: Region): Operands {
  const [x, codes, scales, ...rest] = operands;
  if (x === undefined || codes === undefined || scales === undefined) return kit.unreachable("operands");
  const zeros = params["zeros"] === true ? rest.shift() : undefined;
  if (params["groups"] === true) rest.shift();
  return { x, codes, scales, zeros, bias: params["bias"] === true ? rest.shift() : undefined };
}

const bitsOf = (region: Region): Bits | undefined => BITS.find((bits) => bits === region.params["bits"]);

export function refusesBlockProduct(region: Region): string | undefined {
  const { x, scales, zeros, bias } = operandsOf(region);
  const bits = bitsOf(region);
  if (bits === undefined) return `weights of ${String(region.params["bits"])} bits`;
  if (region.params["groups"] === true) return "blocks of a weight by a table of groups";
  if ((Number(region.params["block"]) * bits) % 32 !== 0) return `blocks of ${String(region.params["block"])} codes`;
  const odd = [x, scales, bias].find((view) => view !== undefined && view.dtype !== "float32");
  if (odd !== undefined) return `no ${odd.dtype} kernel for ${region.name}`;
  if (zeros !== undefined && zeros.dtype !== "float32" && zeros.dtype !== "uint8") return `zero points of ${zeros.dtype}`;
  if (![...region.operands, ...region.results].every((view) => kit.isContiguous(view.shape, view.strides))) return `${region.name} of what is not contiguous`;
  return kit.numelOf(x.shape) === 0 || region.results.some((view) => kit.numelOf(view.shape) === 0) ? "an empty tensor" : undefined;
}

/** A weight in panels: addresses of codes, scales, and zero points or 0. */
interface Weight {
  readonly bits: Bits;
  readonly codes: number;
  readonly scales: number;
  readonly zeros: number;
  readonly columns: number;
  /** Blocks along the depth, and words of one of them. */
  readonly blocks: number;
  readonly words: number;
}

export class BlockProducts {
  readonly #runtime: KernelRuntime;
  readonly #dense: ExtendedKernels;

  constructor(runtime: KernelRuntime, dense: ExtendedKernels) {
    this.#runtime = runtime;
    this.#dense = dense;
  }

  run(region: Region, addressOf: (view: View) => number, packed: Packed): void {
    const { x, bias } = operandsOf(region);
    const [out = kit.unreachable("result")] = region.results;
    const at = (view: View): number => addressOf(view) + view.offset * kit.FLOAT;
    const depth = Number(region.params["k"]);
    const w = this.#weight(region, depth, addressOf, packed);
    const rows = kit.numelOf(x.shape) / depth;
    const [from, to, start] = [at(x), at(out), bias === undefined ? 0 : at(bias)];
    if (rows > FEW) return this.#tiles(w, rows, depth, from, to, start);
    for (let row = 0; row < rows; row++) this.#row(w, depth, from + row * depth * kit.FLOAT, to + row * w.columns * kit.FLOAT, start);
  }

  #weight(region: Region, depth: number, addressOf: (view: View) => number, packed: Packed): Weight {
    const { codes, scales, zeros } = operandsOf(region);
    const bits = bitsOf(region) ?? kit.unreachable("bits");
    const [columns, block] = [Number(region.params["n"]), Number(region.params["block"])];
    const blocks = Math.ceil(depth / block);
    const words = (block * bits) / 32;
    const wide = kit.padded(columns, WIDE);
    const key = `blocks/${bits},${block},${depth}/`;
    const floats = (view: View): number => addressOf(view) + view.offset * kit.FLOAT;
    const lines = (to: number, address: number): void => this.#dense.packWords(to, address, columns, blocks, blocks * kit.FLOAT, kit.FLOAT);
    const codesAt = packed(codes, key + codes.offset, wide * blocks * words * WORD, (to) =>
      this.#dense.packWords(to, addressOf(codes) + codes.offset, columns, blocks * words, blocks * words * WORD, WORD),
    );
    const scalesAt = packed(scales, key + scales.offset, wide * blocks * kit.FLOAT, (to) => lines(to, floats(scales)));
    const zerosAt =
      zeros &&
      packed(zeros, key + zeros.offset, wide * blocks * kit.FLOAT, (to) => {
        if (zeros.dtype === "float32") return lines(to, floats(zeros));
        const { memory } = this.#runtime;
        const numbers = memory.allocate(columns * blocks * kit.FLOAT);
        this.#dense[`unpackCodes${bits}`](numbers.address, addressOf(zeros) + zeros.offset, columns, blocks, Math.ceil((blocks * bits) / 8));
        lines(to, numbers.address);
        memory.free(numbers);
      });
    return { bits, codes: codesAt.address, scales: scalesAt.address, zeros: zerosAt?.address ?? 0, columns, blocks, words };
  }

  #row({ bits, codes, scales, zeros, columns, blocks, words }: Weight, depth: number, x: number, to: number, start: number): void {
    const { memory } = this.#runtime;
    const deep = (blocks * words * 32) / bits;
    const row = memory.allocate((2 * deep + blocks + 1) * kit.FLOAT);
    const [spread, sums] = [row.address + deep * kit.FLOAT, row.address + 2 * deep * kit.FLOAT];
    if (deep > depth) this.#dense.patches.clear(row.address + depth * kit.FLOAT, (deep - depth) * kit.FLOAT);
    this.#dense.patches.copyPlanes(row.address, x, 1, 1, depth, 0, 0, kit.FLOAT, 0, 0, 0);
    this.#dense[`spreadRow${bits}`](spread, sums, row.address, blocks, words);
    kit.inRanges(this.#runtime, Math.ceil(columns / WIDE), (WIDE * deep) / EACH, (first, count) => {
      const column = first * WIDE;
      const side = column * blocks * kit.FLOAT;
      this.#dense[`rowByBlocks${bits}`](
        spread,
        sums,
        codes + column * blocks * words * WORD,
        scales + side,
        zeros === 0 ? 0 : zeros + side,
        to + column * kit.FLOAT,
        Math.min(columns - column, count * WIDE),
        blocks,
        words,
        start === 0 ? 0 : start + column * kit.FLOAT,
      );
    });
    memory.free(row);
  }

  #tiles(w: Weight, rows: number, depth: number, x: number, to: number, start: number): void {
    const { memory } = this.#runtime;
    const { bits, columns, blocks, words } = w;
    const block = (words * 32) / bits;
    /** Blocks of the weight that are unpacked at a time. */
    const together = Math.max(1, Math.floor(kit.DEPTH / block));
    const unpack = (at: number, column: number, first: number, count: number): void => {
      const panel = column - (column % WIDE);
      const [inside, side] = [(column % WIDE) * kit.FLOAT, (panel * blocks + first * WIDE) * kit.FLOAT + (column % WIDE) * kit.FLOAT];
      this.#dense[`unpackBlocks${bits}`](
        at,
        w.codes + (panel * blocks + first * WIDE) * words * WORD + inside,
        w.scales + side,
        w.zeros === 0 ? 0 : w.zeros + side,
        count,
        words,
      );
    };
    for (let row = 0; row < rows; row += BLOCK_ROWS) {
      const high = Math.min(BLOCK_ROWS, rows - row);
      const packedRows = memory.allocate(kit.padded(high, kit.ROWS) * depth * kit.FLOAT);
      for (let k = 0; k < depth; k += together * block) {
        const deep = Math.min(together * block, depth - k);
        kit.packInPanels(
          this.#dense,
          packedRows.address + k * kit.padded(high, kit.ROWS) * kit.FLOAT,
          x + (row * depth + k) * kit.FLOAT,
          high,
          deep,
          depth * kit.FLOAT,
          kit.FLOAT,
        );
      }
      const parts = Array.from({ length: Math.ceil(columns / PART_COLUMNS) }, (_, part) => (): void => {
        const first = part * PART_COLUMNS;
        const wide = Math.min(PART_COLUMNS, columns - first);
        const target = to + (row * columns + first) * kit.FLOAT;
        if (start !== 0) this.#dense.patches.copyPlanes(target, start + first * kit.FLOAT, 1, high, wide, 0, 0, kit.FLOAT, columns * kit.FLOAT, 0, 0);
        const panels = memory.allocate(kit.padded(wide, kit.COLUMNS) * Math.min(together, blocks) * block * kit.FLOAT);
        for (let b = 0; b < blocks; b += together) {
          const count = Math.min(together, blocks - b);
          const step = kit.COLUMNS * count * block * kit.FLOAT;
          for (let column = 0; column < wide; column += kit.COLUMNS) unpack(panels.address + (column / kit.COLUMNS) * step, first + column, b, count);
          const k = b * block;
          const sizes = [high, wide, Math.min(count * block, depth - k)] as const;
          const address = packedRows.address + k * kit.padded(high, kit.ROWS) * kit.FLOAT;
          const rowPanels = { address, tall: kit.tallOf(high), depth: sizes[2], k: 0 };
          kit.multiplyPanels(this.#dense, rowPanels, [panels.address, target], sizes, columns * kit.FLOAT, start !== 0 || b > 0, 0, step);
        }
        memory.free(panels);
      });
      this.#runtime.fork(high * columns * depth, parts);
      memory.free(packedRows);
    }
  }
}
