/** The block that a kernel's arguments are passed in: sizes, then per view its address and strides in bytes, then scalars. */

import { type ExprType, isBigType } from "../../expr/expr.ts";
import type { Code, Local, Value } from "../../wasm/code.ts";
import { unreachable } from "../../tensor/error.ts";
import type { LinearMemory } from "./memory.ts";
import { type Push, valueType } from "./scalar.ts";

/** What one launch passes. Views are operands, then results; strides in bytes, one per loop or per axis of the view. */
export interface Launch {
  readonly shape: readonly number[];
  readonly addresses: readonly number[];
  readonly strides: readonly (readonly number[])[];
  readonly scalars: readonly (number | bigint | boolean)[];
  readonly types: readonly ExprType[];
}

/** The most bytes that a block may have. */
export const MAX_BLOCK = 1024;

/** Kernels' only parameter: the address of their block. */
const BLOCK: Local<"i32"> = { index: 0, type: "i32" };

/** Bytes of a launch's block. */
export function blockBytes(launch: Launch): number {
  const words = launch.strides.reduce((n, s) => n + s.length, launch.shape.length + launch.addresses.length);
  return (words + (words & 1)) * 4 + launch.scalars.length * 8;
}

/** Writes a launch's arguments at `address`, as `ArgumentBlock` reads them. */
export function writeArguments(memory: LinearMemory, address: number, launch: Launch): void {
  const { buffer } = memory.bytes;
  const words = new Int32Array(buffer, address, MAX_BLOCK / 4);
  let at = 0;
  for (const size of launch.shape) words[at++] = size;
  launch.addresses.forEach((address, k) => {
    words[at++] = address;
    for (const stride of launch.strides[k] ?? []) words[at++] = stride;
  });
  if (launch.scalars.length === 0) return;
  const view = new DataView(buffer, address);
  let byte = (at + (at & 1)) * 4;
  launch.scalars.forEach((value, i) => {
    const type = launch.types[i] ?? unreachable("scalar type");
    switch (valueType(type)) {
      case "f32":
        view.setFloat32(byte, Number(value), true);
        break;
      case "f64":
        view.setFloat64(byte, Number(value), true);
        break;
      case "i64":
        view.setBigInt64(byte, isBigType(type) ? BigInt(value) : BigInt(Math.trunc(Number(value))), true);
        break;
      default:
        view.setInt32(byte, Number(value), true);
    }
    byte += 8;
  });
}

/** Reads the block inside a kernel. Values are held in locals when first asked for, which has to be outside of loops. */
export class ArgumentBlock {
  readonly #c: Code;
  readonly #shape: Local<"i32">[] = [];
  readonly #addresses: Local<"i32">[] = [];
  readonly #strides: Local<"i32">[][] = [];
  readonly #scalars: Push[] = [];

  /** @param ranks strides of each view */
  constructor(c: Code, rank: number, ranks: readonly number[], scalars: readonly ExprType[]) {
    this.#c = c;
    let at = 0;
    const word = (): Local<"i32"> => c.hold(c.load("i32.load", c.get(BLOCK), 4 * at++));
    for (let d = 0; d < rank; d++) this.#shape.push(word());
    for (const count of ranks) {
      this.#addresses.push(word());
      this.#strides.push(Array.from({ length: count }, word));
    }
    let byte = (at + (at & 1)) * 4;
    for (const type of scalars) {
      const kind = valueType(type);
      const base = c.get(BLOCK);
      const value: Value =
        kind === "f32"
          ? c.load("f32.load", base, byte)
          : kind === "f64"
            ? c.load("f64.load", base, byte)
            : kind === "i64"
              ? c.load("i64.load", base, byte)
              : c.load("i32.load", base, byte);
      const local = c.hold(value);
      this.#scalars.push(() => c.get(local));
      byte += 8;
    }
  }

  size(axis: number): Local<"i32"> {
    return this.#shape[axis] ?? unreachable(`axis ${axis}`);
  }
  base(view: number): Local<"i32"> {
    return this.#addresses[view] ?? unreachable(`view ${view}`);
  }
  stride(view: number, axis: number): Local<"i32"> {
    return this.#strides[view]?.[axis] ?? unreachable(`stride ${axis} of view ${view}`);
  }
  readonly address =
    (view: number): Push<"i32"> =>
    () =>
      this.#c.get(this.base(view));
  readonly strideOf =
    (view: number, axis: number): Push<"i32"> =>
    () =>
      this.#c.get(this.stride(view, axis));
  readonly scalar = (slot: number): Push => this.#scalars[slot] ?? unreachable(`scalar ${slot}`);
}

/** Nested loops over axes `from..to`, each with a pointer per view that it steps; `body` gets the innermost pointers and the trip counters. */
export function emitLoops(
  c: Code,
  block: ArgumentBlock,
  views: readonly number[],
  from: number,
  to: number,
  start: ReadonlyMap<number, Local<"i32">>,
  body: (pointers: ReadonlyMap<number, Local<"i32">>, trips: readonly Local<"i32">[]) => void,
): void {
  const trips: Local<"i32">[] = [];
  const open = (axis: number, outer: ReadonlyMap<number, Local<"i32">>): void => {
    if (axis === to) return body(outer, trips);
    const pointers = new Map<number, Local<"i32">>();
    for (const view of views) pointers.set(view, c.hold(c.get(outer.get(view) ?? block.base(view))));
    const trip = c.local("i32");
    trips[axis] = trip;
    c.for(trip, 0, block.size(axis), 1, () => {
      open(axis + 1, pointers);
      for (const [view, pointer] of pointers) c.set(pointer, c.op("i32.add", c.get(pointer), c.get(block.stride(view, axis))));
    });
  };
  open(from, start);
}
