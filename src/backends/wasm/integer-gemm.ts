/**
 * Products of integers of at most 16 bits, exact modulo 2^32. Both sides are packed as pairs of depth: panels of 4 rows `[k / 2][4][2]` and of 8
 * columns `[k / 2][8][2]`, so that one instruction multiplies and adds the pairs of four columns.
 */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, type I32 } from "./emit.ts";
import { COLUMNS, ROWS } from "./gemm.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/** Elements that can be packed. */
export const SHORT = { int8: 0, uint8: 1, int16: 2 } as const;

export interface IntegerFunctions {
  /** (to, from, count, depth, byte stride of count, byte stride of depth, element: `SHORT`): panels of 4, filled with zeros. */
  readonly packShortRows: Callable<I32s<[0, 1, 2, 3, 4, 5, 6]>, undefined>;
  /** The same in panels of 8. */
  readonly packShortColumns: Callable<I32s<[0, 1, 2, 3, 4, 5, 6]>, undefined>;
  /** (a, b, c, rows, columns, depth, byte stride of rows in c): c = the product of packed panels, as int32. */
  readonly multiplyShorts: Callable<I32s<[0, 1, 2, 3, 4, 5, 6]>, undefined>;
}

/** Bytes of the panels of so many rows or columns. */
export function shortBytes(count: number, depth: number, width: number): number {
  return Math.ceil(count / width) * Math.ceil(depth / 2) * width * 4;
}

function emitPack(m: ModuleBuilder, name: string, width: number): IntegerFunctions["packShortRows"] {
  return m.func(name, ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, to, from, count, depth, countStride, depthStride, element) => {
    const [i, k, at, source, lane] = [c.local("i32"), c.local("i32"), c.local("i32"), c.local("i32"), c.local("i32")];
    const pairs = c.hold(c.op("i32.shr_u", c.op("i32.add", c.get(depth), c.i32(1)), c.i32(1)));
    const panel = c.hold(c.op("i32.mul", c.get(pairs), c.i32(width * 4)));
    const panels = c.hold(c.op("i32.div_u", c.op("i32.add", c.get(count), c.i32(width - 1)), c.i32(width)));
    c.memoryFill(c.get(to), c.i32(0), c.op("i32.mul", c.get(panels), c.get(panel)));
    const copy = (load: () => Value<"i32">): void =>
      c.for(k, 0, depth, 1, () => {
        const target = c.get(at);
        c.store("i32.store16", target, load());
        advance(c, source, c.get(depthStride));
        // The second of a pair lies beside the first; the next pair behind those of all lanes.
        advance(c, at, c.select(c.i32(width * 4 - 2), c.i32(2), c.op("i32.and", c.get(k), c.i32(1))));
      });
    c.set(lane, c.i32(0));
    c.for(i, 0, count, 1, () => {
      c.set(at, c.op("i32.add", c.get(to), c.op("i32.shl", c.get(lane), c.i32(2))));
      c.set(source, c.get(from));
      c.if(
        c.op("i32.eq", c.get(element), c.i32(SHORT.int8)),
        () => copy(() => c.load("i32.load8_s", c.get(source))),
        () =>
          c.if(
            c.op("i32.eq", c.get(element), c.i32(SHORT.uint8)),
            () => copy(() => c.load("i32.load8_u", c.get(source))),
            () => copy(() => c.load("i32.load16_s", c.get(source))),
          ),
      );
      advance(c, from, c.get(countStride));
      advance(c, lane, c.i32(1));
      c.if(c.op("i32.eq", c.get(lane), c.i32(width)), () => {
        c.set(lane, c.i32(0));
        advance(c, to, c.get(panel));
      });
    });
  });
}

function emitMultiply(m: ModuleBuilder): IntegerFunctions["multiplyShorts"] {
  return m.func("multiplyShorts", ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, a, b, out, rows, columns, depth, rowStride) => {
    const i32 = (): I32 => c.local("i32");
    const [i, j, k, aAt, bAt, aPanel, at, high, wide, row] = [i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32()];
    const pairs = c.hold(c.op("i32.shr_u", c.op("i32.add", c.get(depth), c.i32(1)), c.i32(1)));
    const sums = Array.from({ length: 2 * ROWS }, () => c.local("v128"));
    const factors = Array.from({ length: ROWS }, () => c.local("v128"));
    const [left, right] = [c.local("v128"), c.local("v128")];
    c.for(j, 0, columns, COLUMNS, () => {
      c.set(aPanel, c.get(a));
      c.set(wide, c.op("i32.sub", c.get(columns), c.get(j)));
      c.set(row, c.op("i32.add", c.get(out), c.op("i32.shl", c.get(j), c.i32(2))));
      c.for(i, 0, rows, ROWS, () => {
        c.set(high, c.op("i32.sub", c.get(rows), c.get(i)));
        c.set(aAt, c.get(aPanel));
        c.set(bAt, c.get(b));
        for (const sum of sums) c.set(sum, c.i32x4(0));
        c.for(k, 0, pairs, 1, () => {
          factors.forEach((factor, r) => c.set(factor, c.load("v128.load32_splat", c.get(aAt), 4 * r)));
          c.set(left, c.load("v128.load", c.get(bAt)));
          c.set(right, c.load("v128.load", c.get(bAt), 16));
          factors.forEach((factor, r) =>
            [left, right].forEach((column, h) => {
              const sum = sums[2 * r + h] ?? left;
              c.set(sum, c.op("i32x4.add", c.get(sum), c.op("i32x4.dot_i16x8_s", c.get(factor), c.get(column))));
            }),
          );
          advance(c, aAt, c.i32(ROWS * 4));
          advance(c, bAt, c.i32(COLUMNS * 4));
        });
        c.set(at, c.get(row));
        for (let r = 0; r < ROWS; r++) {
          c.if(c.op("i32.gt_s", c.get(high), c.i32(r)), () => {
            [left, right].forEach((_, h) => storeRow(c, at, sums[2 * r + h] ?? left, wide, 4 * h));
            advance(c, at, c.get(rowStride));
          });
        }
        c.set(aPanel, c.get(aAt));
        c.set(row, c.get(at));
      });
      c.set(b, c.get(bAt));
    });
  });
}

/** Four columns of a row from `first` on, of which `wide` less `first` are there. */
function storeRow(c: Code, at: I32, value: { readonly index: number; readonly type: "v128" }, wide: I32, first: number): void {
  c.if(
    c.op("i32.ge_s", c.get(wide), c.i32(first + 4)),
    () => {
      const to = c.get(at);
      c.store("v128.store", to, c.get(value), first * 4);
    },
    () => {
      for (let lane = 0; lane < 3; lane++)
        c.if(c.op("i32.gt_s", c.get(wide), c.i32(first + lane)), () => {
          const to = c.get(at);
          c.store("i32.store", to, c.extract("i32x4.extract_lane", c.get(value), lane), (first + lane) * 4);
        });
    },
  );
}

export function emitIntegers(m: ModuleBuilder): IntegerFunctions {
  return {
    packShortRows: emitPack(m, "packShortRows", ROWS),
    packShortColumns: emitPack(m, "packShortColumns", COLUMNS),
    multiplyShorts: emitMultiply(m),
  };
}
