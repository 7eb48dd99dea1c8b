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

/** Runs `body` as long as `left` has `width`, which each trip takes from it. */
export function emitTrips(c: Code, left: I32, width: number, body: () => void): void {
  c.block((done) => {
    c.loop((again) => {
      c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(width)));
      body();
      c.set(left, c.op("i32.sub", c.get(left), c.i32(width)));
      c.br(again);
    });
  });
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

/** Copies a row of `columns` floats, whose stride in `from` may be any. */
export function copyRow(c: Code, to: I32, from: I32, columns: I32, columnStride: I32): void {
  const [x, read, write] = [c.local("i32"), c.hold(c.get(from)), c.hold(c.get(to))];
  const whole = c.op("i32.and", c.op("i32.eq", c.get(columnStride), c.i32(FLOAT)), c.op("i32.ge_s", c.get(columns), c.i32(4)));
  c.if(
    whole,
    () => {
      c.for(x, 4, columns, 4, () => {
        const at = c.get(write);
        c.store("v128.store", at, c.load("v128.load", c.get(read)));
        advance(c, read, c.i32(16));
        advance(c, write, c.i32(16));
      });
      // The last four, which may overlap those before.
      const back = c.hold(c.op("i32.sub", c.op("i32.shl", c.get(columns), c.i32(2)), c.i32(16)));
      const at = c.op("i32.add", c.get(to), c.get(back));
      c.store("v128.store", at, c.load("v128.load", c.op("i32.add", c.get(from), c.get(back))));
    },
    () =>
      c.for(x, 0, columns, 1, () => {
        const at = c.get(write);
        c.store("f32.store", at, c.load("f32.load", c.get(read)));
        advance(c, read, c.get(columnStride));
        advance(c, write, c.i32(FLOAT));
      }),
  );
}
