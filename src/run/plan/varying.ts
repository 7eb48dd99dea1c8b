/**
 * Which instructions of a straight line see other sizes or numbers from one run to the next: two recordings of it, laid side by side. A decoder's cache grows with each
 * token, and with it what attention does; all else is the same, and can be planned between.
 */

import type { Datum } from "../../ir/datum.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { CodeBlock, Instruction } from "../code.ts";
import type { Frame } from "../machine.ts";
import { textOf } from "./text.ts";

/** What a value is, apart from contents of tensors. Holds no storage. */
type Brief = number | bigint | boolean | string | null | Pick<Tensor, "dtype" | "shape" | "strides" | "offset" | "nbytes">;

/** An instruction that ran. */
interface Traced {
  readonly block: CodeBlock;
  readonly position: number;
  /** The instruction whose function or block it is in, by its place in the trace; -1 in the root. */
  readonly parent: number;
  readonly operands: readonly Brief[];
  /** Calls on data that it made. */
  calls: number;
}

export interface Place {
  readonly block: CodeBlock;
  readonly position: number;
}

function briefOf(value: Datum): Brief {
  if (typeof value !== "object" || value === null) return value;
  if (!(value instanceof Tensor)) return textOf(value);
  const { dtype, shape, strides, offset, storage } = value;
  return { dtype, shape, strides, offset, nbytes: storage.nbytes };
}

const sameNumbers = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

function isSame(a: Brief, b: Brief | undefined): boolean {
  if (typeof a !== "object" || a === null) return Object.is(a, b);
  return (
    typeof b === "object" && b !== null && a.dtype === b.dtype && a.offset === b.offset && a.nbytes === b.nbytes && sameNumbers(a.shape, b.shape) && sameNumbers(a.strides, b.strides)
  );
}

/** Instructions in the order in which they ran, apart from constants. */
export class Trace {
  readonly #entries: Traced[] = [];
  /** What opened each frame. */
  readonly #parents = new Map<Frame, number>();

  constructor(root: Frame) {
    this.#parents.set(root, -1);
  }

  add(frame: Frame, instruction: Instruction): void {
    if (instruction.kind === "constant") return; // half of a scripted model's instructions, and the same in every run
    let parent = this.#parents.get(frame);
    if (parent === undefined) this.#parents.set(frame, (parent = this.#entries.length - 1));
    const operands = instruction.operands.map(({ register, constant }) => (register < 0 ? briefOf(constant) : briefOf(frame.registers[register] ?? null)));
    this.#entries.push({ block: frame.block, position: frame.position, parent, operands, calls: 0 });
  }

  /** The instruction at hand has made a call on data. */
  called(): void {
    const last = this.#entries.at(-1);
    if (last !== undefined) last.calls++;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Drops what was added after there were so many. */
  cut(length: number): void {
    this.#entries.length = length;
  }

  /** Forgets the frames: nothing is added any more. */
  end(): this {
    this.#parents.clear();
    return this;
  }

  /**
   * Places whose operands differ in the two, and those that hold such; how many calls there are, and how many of them at other places. Undefined where another course was
   * taken.
   */
  differing(other: Trace): { readonly places: readonly Place[]; readonly blocks: readonly CodeBlock[]; readonly calls: number; readonly steady: number } | undefined {
    const [mine, theirs] = [this.#entries, other.#entries];
    if (mine.length !== theirs.length) return undefined;
    const marked = new Set<number>();
    for (let i = 0; i < mine.length; i++) {
      const [a, b] = [mine[i] as Traced, theirs[i] as Traced]; // within bounds of both
      if (a.block !== b.block || a.position !== b.position || a.parent !== b.parent) return undefined;
      if (a.operands.every((value, k) => isSame(value, b.operands[k]))) continue;
      for (let at = i; at >= 0 && !marked.has(at); at = mine[at]?.parent ?? -1) marked.add(at);
    }
    const places = [...marked].map((i) => mine[i] as Traced); // indices of the same array
    const calls = mine.reduce((n, t) => n + t.calls, 0);
    const steady = mine.reduce((n, t, i) => n + (marked.has(i) ? 0 : t.calls), 0);
    return { places, blocks: [...new Set(mine.map((t) => t.block))], calls, steady };
  }
}
