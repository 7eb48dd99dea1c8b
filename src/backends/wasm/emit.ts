/** Small pieces that kernels share. */

import type { Code, Global, Local, Value } from "../../wasm/code.ts";

export type I32 = Local<"i32">;
export type V128 = Local<"v128">;

/** Bytes of a float32. */
export const FLOAT = 4;
/** The dense module's only global: where this instance puts a tile or a vector first that sticks out of its result; see `thread-protocol.ts`. */
export const SPILL: Global<"i32"> = { index: 0, type: "i32" };

/** `sum + a * b`, rounded once where the engine can. */
export function multiplyAdd(c: Code, fused: boolean, a: () => Value<"v128">, b: () => Value<"v128">, sum: () => Value<"v128">): Value<"v128"> {
  return fused ? c.op("f32x4.relaxed_madd", a(), b(), sum()) : c.op("f32x4.add", sum(), c.op("f32x4.mul", a(), b()));
}

/** `local += by`. */
export function advance(c: Code, local: I32, by: Value<"i32">): void {
  c.set(local, c.op("i32.add", by, c.get(local)));
}

/** `a + b * k` for a constant k. */
export function scaled(c: Code, a: Value<"i32">, b: I32, k: number): Value<"i32"> {
  return c.op("i32.add", a, c.op("i32.mul", c.get(b), c.i32(k)));
}

/** Stores the lowest `count` (1 to 4) lanes of a vector; by way of the spill area where it is not whole. */
export function storeLanes(c: Code, to: I32, value: V128, count: I32): void {
  c.if(
    c.op("i32.ge_s", c.get(count), c.i32(4)),
    () => {
      const at = c.get(to);
      c.store("v128.store", at, c.get(value));
    },
    () => {
      const spill = c.global(SPILL);
      c.store("v128.store", spill, c.get(value));
      c.memoryCopy(c.get(to), c.global(SPILL), c.op("i32.shl", c.get(count), c.i32(2)));
    },
  );
}
