/** Reductions over regular windows of planes. */

import type { Callable, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, FLOAT, type I32 } from "./emit.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/**
 * (to, indices or 0, from, geometry): one plane. `geometry` points to words: rows, columns of the plane; rows, columns of the result;
 * kernel, stride, padding before, dilation and padding after, each for rows and columns; how a sum is divided (0: by the next word as a float,
 * 1: by the window with its padding, 2: by what lies inside); the divisor.
 */
export type PoolFunction = Callable<I32s<[0, 1, 2, 3]>, undefined>;

export const DIVIDE = { fixed: 0, window: 1, inside: 2 } as const;

export function emitPools(m: ModuleBuilder): { readonly maxPool: PoolFunction; readonly sumPool: PoolFunction } {
  const make = (name: string, max: boolean): PoolFunction =>
    m.func(name, ["i32", "i32", "i32", "i32"], undefined, (c, to, indices, from, geometry) => {
      let word = 0;
      const next = (): I32 => c.hold(c.load("i32.load", c.get(geometry), FLOAT * word++));
      const [rows, columns, outRows, outColumns, kernelY, kernelX, strideY, strideX, padY, padX, dilateY, dilateX, endY, endX, mode] = Array.from(
        { length: 15 },
        next,
      );
      if (rows === undefined || columns === undefined || outRows === undefined || outColumns === undefined || kernelY === undefined || kernelX === undefined)
        return;
      if (strideY === undefined || strideX === undefined || padY === undefined || padX === undefined || dilateY === undefined || dilateX === undefined) return;
      if (endY === undefined || endX === undefined || mode === undefined) return;
      const divisor = c.hold(c.load("f32.load", c.get(geometry), FLOAT * word));
      const [oy, ox, y, x, ky, kx, top, side, inside, where, cell] = Array.from({ length: 11 }, () => c.local("i32"));
      if (oy === undefined || ox === undefined || y === undefined || x === undefined || ky === undefined || kx === undefined) return;
      if (top === undefined || side === undefined || inside === undefined || where === undefined || cell === undefined) return;
      const [best, value] = [c.local("f32"), c.local("f32")];
      c.set(top, c.op("i32.sub", c.i32(0), c.get(padY)));
      c.for(oy, 0, outRows, 1, () => {
        c.set(side, c.op("i32.sub", c.i32(0), c.get(padX)));
        c.for(ox, 0, outColumns, 1, () => {
          c.set(best, c.f32(max ? -Infinity : 0));
          c.set(where, c.i32(-1));
          c.set(inside, c.i32(0));
          c.set(y, c.get(top));
          c.for(ky, 0, kernelY, 1, () => {
            c.if(c.op("i32.lt_u", c.get(y), c.get(rows)), () => {
              c.set(x, c.get(side));
              c.for(kx, 0, kernelX, 1, () => {
                c.if(c.op("i32.lt_u", c.get(x), c.get(columns)), () => {
                  c.set(cell, c.op("i32.add", c.op("i32.mul", c.get(y), c.get(columns)), c.get(x)));
                  c.set(value, c.load("f32.load", c.op("i32.add", c.get(from), c.op("i32.shl", c.get(cell), c.i32(2)))));
                  if (!max) {
                    c.set(best, c.op("f32.add", c.get(best), c.get(value)));
                    advance(c, inside, c.i32(1));
                    return;
                  }
                  // The first of equals wins and NaN wins over all, the last NaN by its place.
                  const isNaN = (): Value<"i32"> => c.op("f32.ne", c.get(value), c.get(value));
                  const first = (): Value<"i32"> => c.op("i32.lt_s", c.get(where), c.i32(0));
                  c.if(c.op("i32.or", c.op("i32.or", c.op("f32.gt", c.get(value), c.get(best)), isNaN()), first()), () => {
                    c.set(best, c.get(value));
                    c.set(where, c.get(cell));
                  });
                });
                advance(c, x, c.get(dilateX));
              });
            });
            advance(c, y, c.get(dilateY));
          });
          if (!max) {
            const clipped = (start: I32, kernel: I32, size: I32, end: I32): Value<"i32"> => {
              const stop = c.hold(c.op("i32.add", c.get(start), c.get(kernel)));
              const limit = c.hold(c.op("i32.add", c.get(size), c.get(end)));
              return c.op("i32.sub", c.select(c.get(stop), c.get(limit), c.op("i32.lt_s", c.get(stop), c.get(limit))), c.get(start));
            };
            c.if(
              c.op("i32.eq", c.get(mode), c.i32(DIVIDE.fixed)),
              () => c.set(best, c.op("f32.div", c.get(best), c.get(divisor))),
              () => {
                c.if(c.op("i32.eq", c.get(mode), c.i32(DIVIDE.window)), () => {
                  const high = c.hold(clipped(top, kernelY, rows, endY));
                  c.set(inside, c.op("i32.mul", clipped(side, kernelX, columns, endX), c.get(high)));
                });
                c.set(best, c.op("f32.div", c.get(best), c.op("f32.convert_i32_s", c.get(inside))));
              },
            );
          }
          const at = c.get(to);
          c.store("f32.store", at, c.get(best));
          advance(c, to, c.i32(FLOAT));
          if (max) {
            c.if(c.get(indices), () => {
              const index = c.get(indices);
              c.store("i64.store", index, c.op("i64.extend_i32_s", c.get(where)));
              advance(c, indices, c.i32(8));
            });
          }
          advance(c, side, c.get(strideX));
        });
        advance(c, top, c.get(strideY));
      });
    });
  return { maxPool: make("maxPool", true), sumPool: make("sumPool", false) };
}
