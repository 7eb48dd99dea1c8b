/** Kernels over contiguous rows: softmax, statistics in double precision, and a factor and a shift per row or per column. */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, emitTrips, FLOAT, multiplyAdd, type I32, type V128 } from "./emit.ts";
import { vectorExpBelow, vectorLog } from "./vector-math.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

export interface RowFunctions {
  /** (to, from, rows, columns): exp(x - max) / sum. */
  readonly softmaxRows: Callable<I32s<[0, 1, 2, 3]>, undefined>;
  /** (to, from, rows, columns): x - max - log(sum of exp(x - max)). */
  readonly logSoftmaxRows: Callable<I32s<[0, 1, 2, 3]>, undefined>;
  /** (means, reciprocal deviations, from, rows, columns, eps): of each row, in double precision. */
  readonly rowStatistics: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "f64"], undefined>;
  /** (reciprocal root mean squares, from, rows, columns, eps). */
  readonly rowMagnitudes: Callable<readonly ["i32", "i32", "i32", "i32", "f64"], undefined>;
  /** (to, from, rows, columns, means or 0, factors of rows, weight of columns or 0, bias of columns or 0): (x - mean) * factor * weight + bias. */
  readonly normaliseRows: Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7]>, undefined>;
  /** (to, from, rows, columns, factors, shifts): x * factor + shift of its row. */
  readonly affineRows: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
  /**
   * `(factors, shifts, means, deviations, weight or 0, bias or 0, rows, channels, channels of a group)`: what turns each row (an image's channel)
   * into its normalised form, as a factor and a shift.
   */
  readonly groupFactors: Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8]>, undefined>;
}

/** Runs `whole` for each four elements, then `single` for each of the rest; both advance what they read and write. */
function overRow(c: Code, columns: I32, whole: () => void, single: () => void): void {
  const left = c.hold(c.get(columns));
  emitTrips(c, left, 4, whole);
  emitTrips(c, left, 1, single);
}

/** All four lanes joined into the lowest, and from there into all. */
function foldLanes(c: Code, value: V128, join: "f32x4.add" | "f32x4.pmax"): void {
  c.set(value, c.op(join, c.get(value), c.shuffle32(c.get(value), c.get(value), [2, 3, 0, 1])));
  c.set(value, c.op(join, c.get(value), c.shuffle32(c.get(value), c.get(value), [1, 0, 3, 2])));
}

const lane0 = (c: Code, value: V128): Value<"f32"> => c.extract("f32x4.extract_lane", c.get(value), 0);

export function emitRows(m: ModuleBuilder, fused: boolean): RowFunctions {
  /** One element, in every lane. */
  const splat = (c: Code, at: I32): Value<"v128"> => c.load("v128.load32_splat", c.get(at));
  const softmax = (name: string, logarithm: boolean): RowFunctions["softmaxRows"] =>
    m.func(name, ["i32", "i32", "i32", "i32"], undefined, (c, to, from, rows, columns) => {
      const [row, at, write] = [c.local("i32"), c.local("i32"), c.local("i32")];
      const [top, sum, value] = [c.local("v128"), c.local("v128"), c.local("v128")];
      const width = c.hold(c.op("i32.shl", c.get(columns), c.i32(2)));
      c.for(row, 0, rows, 1, () => {
        c.set(top, c.f32x4(-Infinity));
        c.set(at, c.get(from));
        const highest = (load: () => Value<"v128">, bytes: number) => () => {
          c.set(top, c.op("f32x4.pmax", c.get(top), load())); // NaN shows in the sum
          advance(c, at, c.i32(bytes));
        };
        overRow(
          c,
          columns,
          highest(() => c.load("v128.load", c.get(at)), 16),
          highest(() => splat(c, at), FLOAT),
        );
        foldLanes(c, top, "f32x4.pmax");
        c.set(sum, c.f32x4(0));
        c.set(at, c.get(from));
        c.set(write, c.get(to));
        const exponential = (load: () => Value<"v128">): void => {
          c.set(value, c.op("f32x4.sub", load(), c.get(top)));
          if (logarithm) {
            const target = c.get(write);
            c.store("f32.store", target, lane0(c, value));
          }
          c.set(value, vectorExpBelow(c, fused, value));
        };
        const shiftedStore = (): void => {
          const target = c.get(write);
          c.store("v128.store", target, c.op("f32x4.sub", c.load("v128.load", c.get(at)), c.get(top)));
        };
        overRow(
          c,
          columns,
          () => {
            exponential(() => c.load("v128.load", c.get(at)));
            if (logarithm) shiftedStore();
            else {
              const target = c.get(write);
              c.store("v128.store", target, c.get(value));
            }
            c.set(sum, c.op("f32x4.add", c.get(sum), c.get(value)));
            advance(c, at, c.i32(16));
            advance(c, write, c.i32(16));
          },
          () => {
            exponential(() => splat(c, at));
            if (!logarithm) {
              const target = c.get(write);
              c.store("f32.store", target, lane0(c, value));
            }
            c.set(sum, c.op("f32x4.add", c.get(sum), c.replace("f32x4.replace_lane", c.f32x4(0), 0, lane0(c, value))));
            advance(c, at, c.i32(FLOAT));
            advance(c, write, c.i32(FLOAT));
          },
        );
        foldLanes(c, sum, "f32x4.add");
        if (logarithm) c.set(sum, vectorLog(c, fused, sum));
        else c.set(sum, c.op("f32x4.div", c.f32x4(1), c.get(sum)));
        c.set(write, c.get(to));
        const finish = (x: () => Value<"v128">): Value<"v128"> => (logarithm ? c.op("f32x4.sub", x(), c.get(sum)) : c.op("f32x4.mul", x(), c.get(sum)));
        overRow(
          c,
          columns,
          () => {
            const target = c.get(write);
            c.store(
              "v128.store",
              target,
              finish(() => c.load("v128.load", c.get(write))),
            );
            advance(c, write, c.i32(16));
          },
          () => {
            const target = c.get(write);
            c.store(
              "f32.store",
              target,
              c.extract(
                "f32x4.extract_lane",
                finish(() => splat(c, write)),
                0,
              ),
            );
            advance(c, write, c.i32(FLOAT));
          },
        );
        advance(c, from, c.get(width));
        advance(c, to, c.get(width));
      });
    });

  /** Sums of `f(x)` over a row in double precision, two partial sums for four lanes; left in `low`'s first lane. */
  const sumRow = (c: Code, from: I32, columns: I32, f: (x: () => Value<"v128">) => Value<"v128">): Value<"f64"> => {
    const at = c.hold(c.get(from));
    const [low, high] = [c.hold(c.f32x4(0)), c.hold(c.f32x4(0))];
    const value = c.local("v128");
    overRow(
      c,
      columns,
      () => {
        c.set(value, c.load("v128.load", c.get(at)));
        c.set(
          low,
          c.op(
            "f64x2.add",
            c.get(low),
            f(() => c.op("f64x2.promote_low_f32x4", c.get(value))),
          ),
        );
        c.set(
          high,
          c.op(
            "f64x2.add",
            c.get(high),
            f(() => c.op("f64x2.promote_low_f32x4", c.shuffle32(c.get(value), c.get(value), [2, 3, 2, 3]))),
          ),
        );
        advance(c, at, c.i32(16));
      },
      () => {
        c.set(
          value,
          f(() => c.op("f64x2.splat", c.op("f64.promote_f32", c.load("f32.load", c.get(at))))),
        );
        c.set(low, c.op("f64x2.add", c.get(low), c.replace("f64x2.replace_lane", c.get(value), 1, c.f64(0))));
        advance(c, at, c.i32(FLOAT));
      },
    );
    c.set(low, c.op("f64x2.add", c.get(low), c.get(high)));
    return c.op("f64.add", c.extract("f64x2.extract_lane", c.get(low), 0), c.extract("f64x2.extract_lane", c.get(low), 1));
  };

  const rowStatistics = m.func("rowStatistics", ["i32", "i32", "i32", "i32", "i32", "f64"], undefined, (c, means, factors, from, rows, columns, eps) => {
    const row = c.local("i32");
    const count = c.hold(c.op("f64.convert_i32_s", c.get(columns)));
    const [mean, deviation] = [c.local("f64"), c.local("v128")];
    c.for(row, 0, rows, 1, () => {
      c.set(
        mean,
        c.op(
          "f64.div",
          sumRow(c, from, columns, (x) => x()),
          c.get(count),
        ),
      );
      const squares = sumRow(c, from, columns, (x) => {
        c.set(deviation, c.op("f64x2.sub", x(), c.op("f64x2.splat", c.get(mean))));
        return c.op("f64x2.mul", c.get(deviation), c.get(deviation));
      });
      const variance = c.hold(c.op("f64.div", squares, c.get(count)));
      const meanAt = c.get(means);
      c.store("f32.store", meanAt, c.op("f32.demote_f64", c.get(mean)));
      const factorAt = c.get(factors);
      c.store("f32.store", factorAt, c.op("f32.demote_f64", c.op("f64.div", c.f64(1), c.op("f64.sqrt", c.op("f64.add", c.get(variance), c.get(eps))))));
      advance(c, means, c.i32(FLOAT));
      advance(c, factors, c.i32(FLOAT));
      advance(c, from, c.op("i32.shl", c.get(columns), c.i32(2)));
    });
  });

  const rowMagnitudes = m.func("rowMagnitudes", ["i32", "i32", "i32", "i32", "f64"], undefined, (c, factors, from, rows, columns, eps) => {
    const row = c.local("i32");
    const count = c.hold(c.op("f64.convert_i32_s", c.get(columns)));
    const value = c.local("v128");
    c.for(row, 0, rows, 1, () => {
      const squares = sumRow(c, from, columns, (x) => {
        c.set(value, x());
        return c.op("f64x2.mul", c.get(value), c.get(value));
      });
      const mean = c.hold(c.op("f64.div", squares, c.get(count)));
      const at = c.get(factors);
      c.store("f32.store", at, c.op("f32.demote_f64", c.op("f64.div", c.f64(1), c.op("f64.sqrt", c.op("f64.add", c.get(mean), c.get(eps))))));
      advance(c, factors, c.i32(FLOAT));
      advance(c, from, c.op("i32.shl", c.get(columns), c.i32(2)));
    });
  });

  const normaliseRows = m.func(
    "normaliseRows",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, to, from, rows, columns, means, factors, weight, bias) => {
      const [row, w, b] = [c.local("i32"), c.local("i32"), c.local("i32")];
      const [mean, factor, value] = [c.hold(c.f32x4(0)), c.local("v128"), c.local("v128")];
      c.for(row, 0, rows, 1, () => {
        c.if(c.get(means), () => {
          c.set(mean, splat(c, means));
          advance(c, means, c.i32(FLOAT));
        });
        c.set(factor, splat(c, factors));
        advance(c, factors, c.i32(FLOAT));
        c.set(w, c.get(weight));
        c.set(b, c.get(bias));
        const one = (bytes: number, load: (at: I32) => Value<"v128">, store: () => void) => () => {
          c.set(value, c.op("f32x4.mul", c.op("f32x4.sub", load(from), c.get(mean)), c.get(factor)));
          c.if(c.get(w), () => {
            c.set(value, c.op("f32x4.mul", c.get(value), load(w)));
            advance(c, w, c.i32(bytes));
          });
          c.if(c.get(b), () => {
            c.set(value, c.op("f32x4.add", c.get(value), load(b)));
            advance(c, b, c.i32(bytes));
          });
          store();
          advance(c, from, c.i32(bytes));
          advance(c, to, c.i32(bytes));
        };
        const storeAll = (): void => {
          const at = c.get(to);
          c.store("v128.store", at, c.get(value));
        };
        const storeOne = (): void => {
          const at = c.get(to);
          c.store("f32.store", at, lane0(c, value));
        };
        overRow(
          c,
          columns,
          one(16, (at) => c.load("v128.load", c.get(at)), storeAll),
          one(FLOAT, (at) => splat(c, at), storeOne),
        );
      });
    },
  );

  const groupFactors = m.func(
    "groupFactors",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"],
    undefined,
    (c, factors, shifts, means, deviations, weight, bias, rows, channels, perGroup) => {
      const row = c.local("i32");
      const word = (at: I32, index: I32): Value<"i32"> => c.op("i32.add", c.get(at), c.op("i32.shl", c.get(index), c.i32(2)));
      c.for(row, 0, rows, 1, () => {
        const channel = c.hold(c.op("i32.rem_u", c.get(row), c.get(channels)));
        const group = c.hold(c.op("i32.div_u", c.get(row), c.get(perGroup)));
        const factor = c.hold(c.load("f32.load", word(deviations, group)));
        const shift = c.hold(c.f32(0));
        c.if(c.get(weight), () => c.set(factor, c.op("f32.mul", c.get(factor), c.load("f32.load", word(weight, channel)))));
        c.if(c.get(bias), () => c.set(shift, c.load("f32.load", word(bias, channel))));
        c.store("f32.store", word(factors, row), c.get(factor));
        c.store("f32.store", word(shifts, row), c.op("f32.sub", c.get(shift), c.op("f32.mul", c.load("f32.load", word(means, group)), c.get(factor))));
      });
    },
  );
  const affineRows = m.func("affineRows", ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, to, from, rows, columns, factors, shifts) => {
    const row = c.local("i32");
    const [factor, shift] = [c.local("v128"), c.local("v128")];
    c.for(row, 0, rows, 1, () => {
      c.set(factor, splat(c, factors));
      c.set(shift, splat(c, shifts));
      advance(c, factors, c.i32(FLOAT));
      advance(c, shifts, c.i32(FLOAT));
      const affine = (x: () => Value<"v128">): Value<"v128"> =>
        multiplyAdd(
          c,
          fused,
          x,
          () => c.get(factor),
          () => c.get(shift),
        );
      overRow(
        c,
        columns,
        () => {
          const at = c.get(to);
          c.store(
            "v128.store",
            at,
            affine(() => c.load("v128.load", c.get(from))),
          );
          advance(c, from, c.i32(16));
          advance(c, to, c.i32(16));
        },
        () => {
          const at = c.get(to);
          c.store(
            "f32.store",
            at,
            c.extract(
              "f32x4.extract_lane",
              affine(() => splat(c, from)),
              0,
            ),
          );
          advance(c, from, c.i32(FLOAT));
          advance(c, to, c.i32(FLOAT));
        },
      );
    });
  });
  return {
    softmaxRows: softmax("softmaxRows", false),
    logSoftmaxRows: softmax("logSoftmaxRows", true),
    rowStatistics,
    rowMagnitudes,
    normaliseRows,
    affineRows,
    groupFactors,
  };
}
