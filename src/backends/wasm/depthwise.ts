/** Convolutions of one input channel by one filter: 3 x 3 filters kept in registers, any other tap by tap. */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, FLOAT, type I32, multiplyAdd, storeLanes, type V128 } from "./emit.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/**
 * (to, from, filters, bias or 0; channels, bytes between planes of `from`, between filters; rows, columns, bytes between rows of `from`; rows, columns of
 * the result; zeros before the rows, before the columns; bytes between planes of the result; whether `from` lies in the second cache). Columns of `from` and the nine taps of a filter lie one after another.
 */
type ThreeByThree = Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]>, undefined>;

export interface DepthwiseFunctions {
  readonly depthwise3s1: ThreeByThree;
  readonly depthwise3s2: ThreeByThree;
  /** (to, padded plane, weights, bias or 0, rows, columns, kernel rows, kernel columns; bytes between output rows, kernel rows, kernel columns in the plane; stride of columns, 1 or 2). */
  readonly depthwise: Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]>, undefined>;
}

const CACHE_LINE = 64;
/** A plane that a first cache holds besides what else is in use. */
const NEAR_BYTES = 8 * 1024;

/**
 * Strips of four columns, from top to bottom: a row of the input is read once and goes into the sums of the three rows of the result that see it. Nine taps,
 * three vectors of a row and two running sums are what the registers hold. Rows outside are skipped, columns outside are masked.
 */
function emitThreeByThree(m: ModuleBuilder, fused: boolean, stride: 1 | 2): ThreeByThree {
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return m.func(
    `depthwise3s${stride}`,
    params,
    undefined,
    (c, to, from, filters, bias, channels, planeStride, filterStride, rows, columns, rowStride, outRows, outColumns, top, side, outStride, near) => {
      const [channel, x, y, row, at, out, first, last] = [0, 1, 2, 3, 4, 5, 6, 7].map(() => c.local("i32")) as [I32, I32, I32, I32, I32, I32, I32, I32]; // eight
      const taps = Array.from({ length: 9 }, () => c.local("v128"));
      const values = [0, 1, 2].map(() => c.local("v128"));
      const masks = [0, 1, 2].map(() => c.local("v128"));
      const whole = c.local("i32");
      const [start, upper, lower, sum] = [0, 1, 2, 3].map(() => c.local("v128")) as [V128, V128, V128, V128]; // four
      const outPitch = c.hold(c.op("i32.shl", c.get(outColumns), c.i32(2)));
      /** `target = from + (a row of taps) * values` */
      const addRow = (target: V128, from: V128, tapRow: number): void => {
        values.forEach((value, k) => {
          const tap = taps[3 * tapRow + k] ?? start;
          const before = k === 0 ? from : target;
          c.set(
            target,
            multiplyAdd(
              c,
              fused,
              () => c.get(tap),
              () => c.get(value),
              () => c.get(before),
            ),
          );
        });
      };
      /** The next row; zeros where it is `checked` and none. */
      const readRow = (masked: boolean, checked: boolean): void => {
        const [left, middle, right] = values as [V128, V128, V128]; // three
        const read = (): void => {
          if (stride === 1) values.forEach((value, k) => c.set(value, c.load("v128.load", c.get(at), k * FLOAT)));
          else {
            const [a, b] = [c.hold(c.load("v128.load", c.get(at))), c.hold(c.load("v128.load", c.get(at), 16))];
            c.set(left, c.shuffle32(c.get(a), c.get(b), [0, 2, 4, 6]));
            c.set(middle, c.shuffle32(c.get(a), c.get(b), [1, 3, 5, 7]));
            c.set(right, c.shuffle32(c.get(left), c.load("v128.load32_zero", c.get(at), 32), [1, 2, 3, 4]));
          }
          if (masked) values.forEach((value, k) => c.set(value, c.op("v128.and", c.get(value), c.get(masks[k] ?? start))));
        };
        if (checked) {
          c.if(c.op("i32.lt_u", c.get(row), c.get(rows)), read, () => {
            for (const value of values) c.set(value, c.f32x4(0));
          });
          advance(c, row, c.i32(1));
        } else read();
        advance(c, at, c.get(rowStride));
      };
      const store = (masked: boolean): void => {
        const storeAll = (): void => {
          const here = c.get(out);
          c.store("v128.store", here, c.get(sum));
        };
        // Where four columns have all that they see, the result has four: a branch there costs a fifth.
        if (!masked) storeAll();
        else
          c.if(c.op("i32.ge_s", c.get(outColumns), c.i32(4)), storeAll, () => {
            for (let lane = 0; lane < 3; lane++) {
              c.if(c.op("i32.gt_s", c.get(outColumns), c.i32(lane)), () => {
                const address = c.get(out);
                c.store("f32.store", address, c.extract("f32x4.extract_lane", c.get(sum), lane), lane * FLOAT);
              });
            }
          });
        advance(c, out, c.get(outPitch));
      };
      const strip = (masked: boolean): void => {
        readRow(masked, true);
        if (stride === 2) addRow(upper, start, 0);
        else {
          addRow(lower, start, 0);
          readRow(masked, true);
          addRow(upper, lower, 1);
          addRow(lower, start, 0);
        }
        // Rows of the result that see no row outside: asking for each costs a fifth.
        c.set(whole, c.op("i32.div_s", c.op("i32.sub", c.get(rows), c.get(row)), c.i32(stride)));
        c.set(whole, c.select(c.get(outRows), c.get(whole), c.op("i32.gt_s", c.get(whole), c.get(outRows))));
        c.set(whole, c.select(c.i32(0), c.get(whole), c.op("i32.or", c.op("i32.lt_s", c.get(row), c.i32(0)), c.op("i32.lt_s", c.get(whole), c.i32(0)))));
        for (const checked of [false, true]) {
          c.for(y, checked ? whole : 0, checked ? outRows : whole, 1, () => {
            readRow(masked, checked);
            if (stride === 2) {
              addRow(upper, upper, 1);
              readRow(masked, checked);
              addRow(sum, upper, 2);
              addRow(upper, start, 0);
            } else {
              addRow(sum, upper, 2);
              addRow(upper, lower, 1);
              addRow(lower, start, 0);
            }
            store(masked);
          });
          if (!checked) advance(c, row, c.op("i32.mul", c.get(whole), c.i32(stride)));
        }
      };
      // The last strip overlaps the one before where columns are no multiple of four.
      c.set(last, c.op("i32.sub", c.get(outColumns), c.i32(4)));
      c.if(c.op("i32.lt_s", c.get(last), c.i32(0)), () => c.set(last, c.i32(0)));
      c.for(channel, 0, channels, 1, () => {
        taps.forEach((tap, k) => c.set(tap, c.load("v128.load32_splat", c.get(filters), k * FLOAT)));
        c.if(c.get(bias), () => {
          c.set(start, c.load("v128.load32_splat", c.get(bias)));
          advance(c, bias, c.i32(FLOAT));
        });
        // Strips go down the rows, which no prefetcher follows: a large plane from afar is brought near in its own order first.
        c.set(at, c.get(from));
        c.set(out, c.op("i32.mul", c.op("i32.sub", c.get(rows), c.i32(1)), c.get(rowStride)));
        c.if(c.op("i32.gt_s", c.get(out), c.select(c.i32(2 ** 31 - 1), c.i32(NEAR_BYTES), c.get(near))), () => {
          advance(c, out, c.get(from));
          c.loop((again) => {
            c.drop(c.load("i32.load", c.get(at)));
            advance(c, at, c.i32(CACHE_LINE));
            c.brIf(again, c.op("i32.lt_s", c.get(at), c.get(out)));
          });
        });
        c.for(x, 0, outColumns, 4, () => {
          const column = c.hold(c.select(c.get(x), c.get(last), c.op("i32.lt_s", c.get(x), c.get(last))));
          c.set(first, c.op("i32.sub", c.op("i32.mul", c.get(column), c.i32(stride)), c.get(side)));
          c.set(row, c.op("i32.sub", c.i32(0), c.get(top)));
          c.set(at, c.op("i32.add", c.op("i32.add", c.get(from), c.op("i32.shl", c.get(first), c.i32(2))), c.op("i32.mul", c.get(row), c.get(rowStride))));
          c.set(out, c.op("i32.add", c.get(to), c.op("i32.shl", c.get(column), c.i32(2))));
          const reach = (): Value<"i32"> => c.op("i32.add", c.get(first), c.i32(3 * stride + 2));
          c.if(
            c.op("i32.and", c.op("i32.ge_s", c.get(first), c.i32(0)), c.op("i32.lt_s", reach(), c.get(columns))),
            () => strip(false),
            () => {
              masks.forEach((mask, k) => {
                const places = c.op(
                  "i32x4.add",
                  c.op("i32x4.splat", c.get(first)),
                  steps(
                    c,
                    [0, 1, 2, 3].map((lane) => lane * stride + k),
                  ),
                );
                c.set(mask, c.op("i32x4.lt_u", places, c.op("i32x4.splat", c.get(columns))));
              });
              strip(true);
            },
          );
        });
        advance(c, filters, c.get(filterStride));
        advance(c, from, c.get(planeStride));
        advance(c, to, c.get(outStride));
      });
    },
  );
}

/** Four integers. */
function steps(c: Code, values: readonly number[]): Value<"v128"> {
  return c.v128(new Uint8Array(Int32Array.from(values).buffer));
}

/** Adds the kernels of depthwise convolutions to a module. */
export function emitDepthwise(m: ModuleBuilder, fused: boolean): DepthwiseFunctions {
  const depthwise = m.func(
    "depthwise",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, to, plane, weights, bias, rows, columns, kernelRows, kernelColumns, rowStep, kernelRowStep, kernelColumnStep, stride) => {
      const [y, ky, kx, left, at, corner, tap, line, weight] = c.locals("i32", 9);
      const [start, factor] = [c.local("v128"), c.local("v128")];
      c.if(c.get(bias), () => c.set(start, c.load("v128.load32_splat", c.get(bias))));
      /** `vectors` times four outputs from `corner` on. */
      const strip = (vectors: number, step: 1 | 2, store: (sums: readonly V128[]) => void): void => {
        const sums = sumsOf(vectors);
        sums.forEach((sum) => c.set(sum, c.get(start)));
        c.set(line, c.get(corner));
        c.set(weight, c.get(weights));
        c.for(ky, 0, kernelRows, 1, () => {
          c.set(tap, c.get(line));
          c.for(kx, 0, kernelColumns, 1, () => {
            c.set(factor, c.load("v128.load32_splat", c.get(weight)));
            sums.forEach((sum, i) => {
              const value =
                step === 1
                  ? () => c.load("v128.load", c.get(tap), 16 * i)
                  : () => c.shuffle32(c.load("v128.load", c.get(tap), 32 * i), c.load("v128.load", c.get(tap), 32 * i + 16), [0, 2, 4, 6]);
              c.set(
                sum,
                multiplyAdd(
                  c,
                  fused,
                  () => c.get(factor),
                  value,
                  () => c.get(sum),
                ),
              );
            });
            advance(c, weight, c.i32(FLOAT));
            advance(c, tap, c.get(kernelColumnStep));
          });
          advance(c, line, c.get(kernelRowStep));
        });
        store(sums);
      };
      const sumsOf = (vectors: number): V128[] => Array.from({ length: vectors }, () => c.local("v128"));
      const row = (step: 1 | 2): void => {
        for (const vectors of [4, 1]) {
          c.block((done) => {
            c.loop((again) => {
              c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(vectors === 1 ? 1 : 4 * vectors)));
              strip(vectors, step, (sums) => {
                if (vectors === 1) {
                  storeLanes(c, at, sums[0] ?? factor, left);
                  return;
                }
                sums.forEach((sum, i) => {
                  const target = c.get(at);
                  c.store("v128.store", target, c.get(sum), 16 * i);
                });
              });
              advance(c, at, c.i32(16 * vectors));
              advance(c, corner, c.i32(16 * vectors * step));
              c.set(left, c.op("i32.sub", c.get(left), c.i32(4 * vectors)));
              c.br(again);
            });
          });
        }
      };
      c.for(y, 0, rows, 1, () => {
        c.set(corner, c.get(plane));
        c.set(at, c.get(to));
        c.set(left, c.get(columns));
        c.if(
          c.op("i32.eq", c.get(stride), c.i32(1)),
          () => row(1),
          () => row(2),
        );
        advance(c, plane, c.get(rowStep));
        advance(c, to, c.op("i32.shl", c.get(columns), c.i32(2)));
      });
    },
  );

  return { depthwise3s1: emitThreeByThree(m, fused, 1), depthwise3s2: emitThreeByThree(m, fused, 2), depthwise };
}
