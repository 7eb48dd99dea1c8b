/**
 * Constants of vectors, kept in memory: V8 makes an immediate of 16 bytes anew at each use, by four instructions, and reads four bytes into all lanes by one.
 * They are declared while modules load, and lie in every linear memory from its start.
 */

import { PAGE_BYTES } from "../../wasm/module.ts";
import type { Code, Value } from "../../wasm/code.ts";
import { ahead } from "./ahead.ts";
import type { V128 } from "./emit.ts";

/** Where they lie: behind the argument block and the spill area, before the heap. */
const LITERALS = PAGE_BYTES;
const bits: number[] = [...(ahead?.literals ?? [])]; // where kernels that were printed ahead look for them

/** All of them, for `ahead.ts`. */
export const literalWords = (): readonly number[] => bits;

/** A vector of four equal constants. */
export type Literal = (c: Code) => Value<"v128">;

const held = new WeakMap<Code, ReadonlyMap<Literal, V128>>();

function declared(word: number): Literal {
  let slot = bits.indexOf(word);
  if (slot < 0) slot = bits.push(word) - 1;
  const literal: Literal = (c) => {
    const local = held.get(c)?.get(literal);
    // The whole address as the index: V8 keeps a base for each offset in a register, or spills it.
    return local === undefined ? c.load("v128.load32_splat", c.i32(LITERALS + 4 * slot)) : c.get(local);
  };
  return literal;
}

/** Has a function keep constants in locals, for short loops that use them at each trip. */
export function holdLiterals(c: Code, literals: readonly Literal[]): void {
  held.set(c, new Map(literals.map((literal) => [literal, c.hold(literal(c))])));
}

export const floatLiteral = (value: number): Literal => declared(new Int32Array(Float32Array.of(value).buffer)[0] ?? 0);
export const intLiteral = (value: number): Literal => declared(value | 0);

/** Puts all of them where kernels read them. */
export function writeLiterals(memory: WebAssembly.Memory): void {
  new Int32Array(memory.buffer, LITERALS, bits.length).set(bits);
}
