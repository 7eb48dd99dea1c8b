/** Pooling four columns at a time: maxima without their places, and sums divided by a number. Columns lie one after another, a stride of one or two apart. */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, type I32 } from "./emit.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/**
 * (to, from, planes, rows, columns; rows, columns of the result, at least four; rows, columns of the kernel; stride of rows; padding before rows, columns;
 * dilation of rows, columns; what sums are divided by).
 */
type VectorPool = Callable<readonly [...I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]>, "f32"], undefined>;

export interface VectorPoolFunctions {
  readonly maxPoolRows1: VectorPool;
  readonly maxPoolRows2: VectorPool;
  readonly sumPoolRows1: VectorPool;
  readonly sumPoolRows2: VectorPool;
}

function emitVectorPool(m: ModuleBuilder, kind: "max" | "sum", stride: 1 | 2): VectorPool {
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "f32"] as const;
  return m.func(
    `${kind}PoolRows${stride}`,
    params,
    undefined,
    (c, to, from, planes, rows, columns, outRows, outColumns, kernelRows, kernelColumns, rowStride, top, side, rowStep, columnStep, divisor) => {
      const locals = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(() => c.local("i32"));
      const [plane, y, x, ky, kx, row, line, at, first, place] = locals as [I32, I32, I32, I32, I32, I32, I32, I32, I32, I32]; // ten
      const [best, odd, value] = [c.local("v128"), c.local("v128"), c.local("v128")];
      const pitch = c.hold(c.op("i32.shl", c.get(columns), c.i32(2)));
      const tapStep = c.hold(c.op("i32.shl", c.get(columnStep), c.i32(2)));
      const lineStep = c.hold(c.op("i32.mul", c.get(rowStep), c.get(pitch)));
      const last = c.hold(c.op("i32.sub", c.get(outColumns), c.i32(4)));
      const divisors = c.hold(c.op("f32x4.splat", c.get(divisor)));
      const reach = c.hold(c.op("i32.mul", c.op("i32.sub", c.get(kernelColumns), c.i32(1)), c.get(columnStep)));
      const limit = c.hold(c.op("i32x4.splat", c.get(columns)));
      const strip = (masked: boolean): void => {
        c.set(best, c.f32x4(kind === "max" ? -Infinity : 0));
        c.set(odd, c.i32x4(0));
        c.set(row, c.op("i32.sub", c.op("i32.mul", c.get(y), c.get(rowStride)), c.get(top)));
        c.set(line, c.op("i32.add", c.op("i32.add", c.get(from), c.op("i32.mul", c.get(row), c.get(pitch))), c.op("i32.shl", c.get(first), c.i32(2))));
        c.for(ky, 0, kernelRows, 1, () => {
          c.if(c.op("i32.lt_u", c.get(row), c.get(rows)), () => {
            c.set(at, c.get(line));
            c.set(place, c.get(first));
            c.for(kx, 0, kernelColumns, 1, () => {
              const load = (): Value<"v128"> =>
                stride === 1 ? c.load("v128.load", c.get(at)) : c.shuffle32(c.load("v128.load", c.get(at)), c.load("v128.load", c.get(at), 16), [0, 2, 4, 6]);
              c.set(value, load());
              if (masked) {
                const places = c.op("i32x4.add", c.op("i32x4.splat", c.get(place)), lanes(c, stride));
                const inside = c.hold(c.op("i32x4.lt_u", places, c.get(limit)));
                c.set(value, c.op("v128.bitselect", c.get(value), c.f32x4(kind === "max" ? -Infinity : 0), c.get(inside)));
                advance(c, place, c.get(columnStep));
              }
              if (kind === "sum") c.set(best, c.op("f32x4.add", c.get(best), c.get(value)));
              else {
                // The first of equals stays, and NaN wins: it is kept apart, since it compares as smaller.
                c.set(odd, c.op("v128.or", c.get(odd), c.op("f32x4.ne", c.get(value), c.get(value))));
                c.set(best, c.op("f32x4.pmax", c.get(best), c.get(value)));
              }
              advance(c, at, c.get(tapStep));
            });
          });
          advance(c, row, c.get(rowStep));
          advance(c, line, c.get(lineStep));
        });
        const target = c.op("i32.add", c.get(to), c.op("i32.shl", c.get(x), c.i32(2)));
        c.store("v128.store", target, kind === "sum" ? c.op("f32x4.div", c.get(best), c.get(divisors)) : c.op("v128.or", c.get(best), c.get(odd)));
      };
      c.for(plane, 0, planes, 1, () => {
        c.for(y, 0, outRows, 1, () => {
          const next = c.hold(c.i32(0));
          c.for(next, 0, outColumns, 4, () => {
            // The last strip overlaps the one before where columns are no multiple of four.
            c.set(x, c.select(c.get(next), c.get(last), c.op("i32.lt_s", c.get(next), c.get(last))));
            c.set(first, c.op("i32.sub", c.op("i32.mul", c.get(x), c.i32(stride)), c.get(side)));
            const end = c.op("i32.add", c.op("i32.add", c.get(first), c.i32(3 * stride)), c.get(reach));
            const within = c.hold(c.op("i32.lt_s", end, c.get(columns)));
            c.if(
              c.op("i32.and", c.op("i32.ge_s", c.get(first), c.i32(0)), c.get(within)),
              () => strip(false),
              () => strip(true),
            );
          });
          advance(c, to, c.op("i32.shl", c.get(outColumns), c.i32(2)));
        });
        advance(c, from, c.op("i32.mul", c.get(rows), c.get(pitch)));
      });
    },
  );
}

/** 0, 1, 2, 3 times the stride. */
function lanes(c: Code, stride: number): Value<"v128"> {
  return c.v128(new Uint8Array(Int32Array.of(0, stride, 2 * stride, 3 * stride).buffer));
}

export function emitVectorPools(m: ModuleBuilder): VectorPoolFunctions {
  return {
    maxPoolRows1: emitVectorPool(m, "max", 1),
    maxPoolRows2: emitVectorPool(m, "max", 2),
    sumPoolRows1: emitVectorPool(m, "sum", 1),
    sumPoolRows2: emitVectorPool(m, "sum", 2),
  };
}
