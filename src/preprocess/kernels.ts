/** The hot loops of resizing as WebAssembly with vectors: weighted sums along rows of RGB pixels, and along columns of any bytes. */

import { Kernels } from "../codecs/workspace.ts";
import type { Code, Local, Value } from "../wasm/code.ts";
import { ModuleBuilder } from "../wasm/module.ts";

/** Weights are cut in two, so that products of 16 bits do: `high * 2 ** LOW_BITS + low`. */
export const LOW_BITS = 15;

/** Samples of two pixels as 16-bit pairs by channel: R R G G B B, then what meets no weight. `ZERO` names a byte of the empty vector. */
const ZERO = 16;
function paired(pixel: number): number[] {
  return [0, 1, 2].flatMap((channel) => [3 * pixel + channel, ZERO, 3 * pixel + 3 + channel, ZERO]).concat([ZERO, ZERO, ZERO, ZERO]);
}

/**
 * `rows`: source rows of RGB, their stride and number; for each of `length` output pixels the byte of its first sample and its groups of
 * four weights, each of them as [high 0 1, low 0 1, high 2 3, low 2 3]; results, four bytes written for each three.
 */
function addRows(m: ModuleBuilder, bits: number): void {
  m.func(
    "rows",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, source, stride, rows, first, groups, weights, length, out, outStride) => {
      const [y, x, g] = [c.local("i32"), c.local("i32"), c.local("i32")];
      const [at, w, to, count] = [c.local("i32"), c.local("i32"), c.local("i32"), c.local("i32")];
      const [high, low, pixels] = [c.local("v128"), c.local("v128"), c.local("v128")];
      const entry = (table: Local<"i32">): Value<"i32"> => c.load("i32.load", c.op("i32.add", c.get(table), c.op("i32.shl", c.get(x), c.i32(2))));
      const product = (pair: Local<"v128">, offset: number): Value<"v128"> =>
        c.op("i32x4.dot_i16x8_s", c.get(pair), c.load("v128.load32_splat", c.get(w), offset));
      const add = (code: Code, sum: Local<"v128">, pair: Local<"v128">, offset: number): void =>
        code.set(sum, code.op("i32x4.add", code.get(sum), product(pair, offset)));
      c.for(y, 0, rows, 1, () => {
        c.set(to, c.get(out));
        c.set(w, c.get(weights));
        c.for(x, 0, length, 1, () => {
          c.set(at, c.op("i32.add", c.get(source), entry(first)));
          c.set(count, entry(groups));
          c.set(high, c.i32x4(0));
          c.set(low, c.i32x4(1 << (bits - 1)));
          c.for(g, 0, count, 1, () => {
            c.set(pixels, c.load("v128.load", c.get(at)));
            for (const pixel of [0, 2]) {
              const pair = c.hold(c.shuffle(c.get(pixels), c.i32x4(0), paired(pixel)));
              add(c, high, pair, 4 * pixel);
              add(c, low, pair, 4 * pixel + 4);
            }
            c.set(at, c.op("i32.add", c.get(at), c.i32(12)));
            c.set(w, c.op("i32.add", c.get(w), c.i32(16)));
          });
          const sum = c.op("i32x4.add", c.op("i32x4.shl", c.get(high), c.i32(LOW_BITS)), c.get(low));
          const whole = c.hold(c.op("i32x4.shr_s", sum, c.i32(bits)));
          const short = c.hold(c.op("i16x8.narrow_i32x4_s", c.get(whole), c.get(whole)));
          const address = c.get(to);
          c.store("i32.store", address, c.extract("i32x4.extract_lane", c.op("i8x16.narrow_i16x8_u", c.get(short), c.get(short)), 0));
          c.set(to, c.op("i32.add", c.get(to), c.i32(3)));
        });
        c.set(source, c.op("i32.add", c.get(source), c.get(stride)));
        c.set(out, c.op("i32.add", c.get(out), c.get(outStride)));
      });
    },
  );
}

/** Bytes that interleave the 16-bit lanes of two vectors, the lower or the higher four of each. */
const LOW16 = [0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23];
const HIGH16 = [8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31];

/**
 * `columns`: source rows of `stride` bytes; for each of `length` result rows the byte of its first source row and its pairs of weights, each of
 * them as [high 0 1, low 0 1]; results, eight bytes at a time.
 */
function addColumns(m: ModuleBuilder, bits: number): void {
  m.func("columns", ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, source, stride, first, pairs, weights, length, out) => {
    const [y, x, p] = [c.local("i32"), c.local("i32"), c.local("i32")];
    const [top, at, w, count] = [c.local("i32"), c.local("i32"), c.local("i32"), c.local("i32")];
    const sums = [LOW16, HIGH16].map((lanes) => ({ lanes, high: c.local("v128"), low: c.local("v128") }));
    const [upper, lower] = [c.local("v128"), c.local("v128")];
    const entry = (table: Local<"i32">): Value<"i32"> => c.load("i32.load", c.op("i32.add", c.get(table), c.op("i32.shl", c.get(y), c.i32(2))));
    c.for(y, 0, length, 1, () => {
      c.set(top, c.op("i32.add", c.get(source), entry(first)));
      c.set(count, entry(pairs));
      c.for(x, 0, stride, 8, () => {
        c.set(at, c.op("i32.add", c.get(top), c.get(x)));
        c.set(w, c.get(weights));
        for (const { high, low } of sums) {
          c.set(high, c.i32x4(0));
          c.set(low, c.i32x4(1 << (bits - 1)));
        }
        c.for(p, 0, count, 1, () => {
          c.set(upper, c.load("v128.load8x8_u", c.get(at)));
          c.set(at, c.op("i32.add", c.get(at), c.get(stride)));
          c.set(lower, c.load("v128.load8x8_u", c.get(at)));
          c.set(at, c.op("i32.add", c.get(at), c.get(stride)));
          for (const { lanes, high, low } of sums) {
            const pair = c.hold(c.shuffle(c.get(upper), c.get(lower), lanes));
            const product = (offset: number): Value<"v128"> => c.op("i32x4.dot_i16x8_s", c.get(pair), c.load("v128.load32_splat", c.get(w), offset));
            c.set(high, c.op("i32x4.add", c.get(high), product(0)));
            c.set(low, c.op("i32x4.add", c.get(low), product(4)));
          }
          c.set(w, c.op("i32.add", c.get(w), c.i32(8)));
        });
        const whole = ({ high, low }: (typeof sums)[number]): Value<"v128"> =>
          c.op("i32x4.shr_s", c.op("i32x4.add", c.op("i32x4.shl", c.get(high), c.i32(LOW_BITS)), c.get(low)), c.i32(bits));
        const [left, right] = sums.map((half) => c.hold(whole(half)));
        if (left === undefined || right === undefined) throw new RangeError("there are two halves");
        const short = c.hold(c.op("i16x8.narrow_i32x4_s", c.get(left), c.get(right)));
        const address = c.op("i32.add", c.get(out), c.get(x));
        c.store("i64.store", address, c.extract("i64x2.extract_lane", c.op("i8x16.narrow_i16x8_u", c.get(short), c.get(short)), 0));
      });
      c.set(weights, c.op("i32.add", c.get(weights), c.op("i32.shl", c.get(count), c.i32(3))));
      c.set(out, c.op("i32.add", c.get(out), c.get(stride)));
    });
  });
}

/** Kernels for Pillow's 22 bits behind the point. */
export const resizeKernels: Kernels = new Kernels(() => {
  const m = new ModuleBuilder();
  m.importMemory("env", "memory", { initial: 0 });
  addRows(m, 22);
  addColumns(m, 22);
  return m;
});
