/**
 * Attention without the matrix of all scores. Eight queries go at a time, as the lanes of two vectors: scores are `[key][8]`, so that maxima, sums and
 * exponentials are lane by lane, and the scores of a block of keys are at once the packed columns that the tile multiplies the values with.
 * Maxima and sums run along the blocks (online softmax).
 */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, FLOAT, type I32, type V128 } from "./emit.ts";
import { COLUMNS, emitTranspose4, type GemmFunctions, ROWS } from "./gemm.ts";
import { vectorExpBelow } from "./vector-math.ts";
import type { VectorProductFunctions } from "./vector-product.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/** Keys of a block. */
export const KEYS = 128;
/** What a mask is, and whether it is causal: bits of `sight`. */
export const SIGHT = { causal: 1, added: 2, seen: 4 } as const;

export interface AttentionFunctions {
  /**
   * (out, queries, packed keys, packed values, mask, count of queries, keys, width of keys, width of values, byte strides of queries and their elements,
   * byte stride of out, of the mask's rows and columns, sight, position of the first query, scratch, scale). Keys are in panels of 4; values are, block of
   * keys by block, in panels of 4 of their columns. Scratch has 8 floats for each key of a block, each column of the keys and (rounded up to 4) of the values.
   */
  readonly attend: Callable<readonly [...I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]>, "f32"], undefined>;
  /**
   * (out, query, keys, values, mask, keys, width of keys, width of values, byte stride of keys, of values, of the mask's columns, sight, position of the
   * query, scratch, scale): a single query. Elements of a key, a value and the query are contiguous; scratch has a float for each key.
   */
  readonly attendOne: Callable<readonly [...I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]>, "f32"], undefined>;
}

/** `max`, or 0 where nothing is seen: -inf - -inf would be NaN. */
function finiteTop(c: Code, top: V128): Value<"v128"> {
  return c.op("v128.bitselect", c.f32x4(0), c.get(top), c.op("f32x4.eq", c.get(top), c.f32x4(-Infinity)));
}

/** 1 / sum, or 0 where nothing is seen. */
function inverse(c: Code, sum: V128): Value<"v128"> {
  return c.op("v128.bitselect", c.f32x4(0), c.op("f32x4.div", c.f32x4(1), c.get(sum)), c.op("f32x4.eq", c.get(sum), c.f32x4(0)));
}

/** Bytes that are 0 where a key is hidden, one in each lane's lowest byte: -inf there, else the score. */
function hide(c: Code, score: V128, seen: Value<"v128">): void {
  const mask = c.hold(c.op("i32x4.ne", seen, c.i32x4(0)));
  c.set(score, c.op("v128.bitselect", c.get(score), c.f32x4(-Infinity), c.get(mask)));
}

function least(c: Code, a: I32, b: I32): Value<"i32"> {
  return c.select(c.get(a), c.get(b), c.op("i32.lt_s", c.get(a), c.get(b)));
}

export function emitAttention(m: ModuleBuilder, fused: boolean, gemm: GemmFunctions, products: VectorProductFunctions): AttentionFunctions {
  return { attend: emitAttend(m, fused, gemm), attendOne: emitAttendOne(m, fused, products) };
}

function emitAttend(m: ModuleBuilder, fused: boolean, gemm: GemmFunctions): AttentionFunctions["attend"] {
  return m.func(
    "attend",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "f32"],
    undefined,
    (c, out, q, k, v, mask, count, keys, width, depth, qRow, qColumn, outRow, maskRow, maskColumn, sight, first, scratch, scale) => {
      const i32 = (): I32 => c.local("i32");
      const [from, high, block, deep, key, end, d, at, panel, row, seen] = [i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32()];
      const [last, mine, lane, whole] = [i32(), i32(), i32(), i32()];
      const scores = c.hold(c.op("i32.add", c.get(scratch), c.op("i32.shl", c.get(width), c.i32(5))));
      const sums = c.hold(c.op("i32.add", c.get(scores), c.i32(KEYS * COLUMNS * FLOAT)));
      const factor = c.hold(c.op("f32x4.splat", c.get(scale)));
      const pair = (): readonly [V128, V128] => [c.local("v128"), c.local("v128")];
      const [top, total, score, highest, decay, place] = [pair(), pair(), pair(), pair(), pair(), pair()];
      const both = (body: (half: 0 | 1) => void): void => {
        body(0);
        body(1);
      };
      const panels = c.hold(c.op("i32.and", c.op("i32.add", c.get(depth), c.i32(ROWS - 1)), c.i32(-ROWS)));

      c.for(from, 0, count, COLUMNS, () => {
        c.set(high, c.op("i32.sub", c.get(count), c.get(from)));
        c.if(c.op("i32.gt_s", c.get(high), c.i32(COLUMNS)), () => c.set(high, c.i32(COLUMNS)));
        c.run(gemm.packColumns, c.get(scratch), c.get(q), c.get(high), c.get(width), c.get(qRow), c.get(qColumn));
        both((half) => {
          c.set(top[half], c.f32x4(-Infinity));
          c.set(total[half], c.f32x4(0));
          const lanes = Int32Array.of(4 * half, 4 * half + 1, 4 * half + 2, 4 * half + 3);
          c.set(place[half], c.op("i32x4.add", c.op("i32x4.splat", c.op("i32.add", c.get(first), c.get(from))), c.v128(new Uint8Array(lanes.buffer))));
        });
        // No query of these sees a key behind the last of them.
        c.set(end, c.get(keys));
        c.if(c.op("i32.and", c.get(sight), c.i32(SIGHT.causal)), () => {
          c.set(last, c.op("i32.add", c.op("i32.add", c.get(first), c.get(from)), c.get(high)));
          c.set(end, least(c, last, keys));
        });
        c.for(block, 0, end, KEYS, () => {
          const upTo = (limit: I32, size: I32): void => {
            c.set(size, c.op("i32.sub", c.get(limit), c.get(block)));
            c.if(c.op("i32.gt_s", c.get(size), c.i32(KEYS)), () => c.set(size, c.i32(KEYS)));
          };
          // Values are packed in blocks of all keys, whatever is seen of them.
          upTo(keys, whole);
          upTo(end, deep);
          c.run(
            gemm.multiply,
            c.op("i32.add", c.get(k), c.op("i32.mul", c.get(block), c.op("i32.shl", c.get(width), c.i32(2)))),
            c.get(scratch),
            c.get(scores),
            c.get(deep),
            c.i32(COLUMNS),
            c.get(width),
            c.i32(COLUMNS * FLOAT),
            c.op("i32.shl", c.get(width), c.i32(4)),
            c.i32(0),
            c.i32(0),
          );
          // Scores with what hides them, and their maxima.
          both((half) => c.set(highest[half], c.get(top[half])));
          c.set(at, c.get(scores));
          c.set(seen, c.op("i32.add", c.get(mask), c.op("i32.mul", c.get(block), c.get(maskColumn))));
          c.for(key, 0, deep, 1, () => {
            both((half) => c.set(score[half], c.op("f32x4.mul", c.load("v128.load", c.get(at), 16 * half), c.get(factor))));
            c.if(c.get(sight), () => {
              c.if(c.op("i32.and", c.get(sight), c.i32(SIGHT.causal)), () => {
                c.set(mine, c.op("i32.add", c.get(block), c.get(key)));
                both((half) => hide(c, score[half], c.op("i32x4.ge_s", c.get(place[half]), c.op("i32x4.splat", c.get(mine)))));
              });
              // An element of the mask for all queries, or one for each; lanes behind the last query take the last row.
              const lanes = (load: () => Value<"i32">): void =>
                c.if(
                  c.get(maskRow),
                  () => {
                    c.set(row, c.get(seen));
                    for (let i = 0; i < COLUMNS; i++) {
                      const half = i < 4 ? 0 : 1;
                      c.set(decay[half], c.replace("i32x4.replace_lane", c.get(decay[half]), i % 4, load()));
                      c.if(c.op("i32.gt_s", c.get(high), c.i32(i + 1)), () => advance(c, row, c.get(maskRow)));
                    }
                  },
                  () => {
                    c.set(row, c.get(seen));
                    both((half) => c.set(decay[half], c.op("i32x4.splat", load())));
                  },
                );
              c.if(c.op("i32.and", c.get(sight), c.i32(SIGHT.seen)), () => {
                lanes(() => c.load("i32.load8_u", c.get(row)));
                both((half) => hide(c, score[half], c.get(decay[half])));
              });
              c.if(c.op("i32.and", c.get(sight), c.i32(SIGHT.added)), () => {
                lanes(() => c.load("i32.load", c.get(row)));
                both((half) => c.set(score[half], c.op("f32x4.add", c.get(score[half]), c.get(decay[half]))));
              });
              advance(c, seen, c.get(maskColumn));
            });
            both((half) => {
              c.set(highest[half], c.op("f32x4.pmax", c.get(highest[half]), c.get(score[half]))); // NaN shows in the sums
              const to = c.get(at);
              c.store("v128.store", to, c.get(score[half]), 16 * half);
            });
            advance(c, at, c.i32(COLUMNS * FLOAT));
          });
          // What was summed so far, by the new maxima.
          both((half) => {
            c.set(score[half], finiteTop(c, highest[half]));
            c.set(decay[half], c.op("f32x4.sub", c.get(top[half]), c.get(score[half])));
            c.set(decay[half], vectorExpBelow(c, fused, decay[half]));
            c.set(top[half], c.get(highest[half]));
            c.set(highest[half], c.get(score[half]));
            c.set(total[half], c.op("f32x4.mul", c.get(total[half]), c.get(decay[half])));
          });
          c.if(c.get(block), () => {
            c.set(at, c.get(sums));
            c.for(d, 0, panels, 1, () => {
              both((half) => {
                const to = c.get(at);
                c.store("v128.store", to, c.op("f32x4.mul", c.load("v128.load", c.get(at), 16 * half), c.get(decay[half])), 16 * half);
              });
              advance(c, at, c.i32(COLUMNS * FLOAT));
            });
          });
          c.set(at, c.get(scores));
          c.for(key, 0, deep, 1, () => {
            both((half) => {
              c.set(score[half], c.op("f32x4.sub", c.load("v128.load", c.get(at), 16 * half), c.get(highest[half])));
              c.set(score[half], vectorExpBelow(c, fused, score[half]));
              c.set(total[half], c.op("f32x4.add", c.get(total[half]), c.get(score[half])));
              const to = c.get(at);
              c.store("v128.store", to, c.get(score[half]), 16 * half);
            });
            advance(c, at, c.i32(COLUMNS * FLOAT));
          });
          c.run(
            gemm.multiply,
            c.op("i32.add", c.get(v), c.op("i32.mul", c.get(block), c.op("i32.shl", c.get(panels), c.i32(2)))),
            c.get(scores),
            c.get(sums),
            c.get(panels),
            c.i32(COLUMNS),
            c.get(deep),
            c.i32(COLUMNS * FLOAT),
            c.op("i32.shl", c.get(whole), c.i32(4)),
            c.i32(0),
            c.get(block),
          );
        });
        // Sums of weighted values over the sum of weights, turned into rows.
        both((half) => c.set(total[half], inverse(c, total[half])));
        const rows = [c.local("v128"), c.local("v128"), c.local("v128"), c.local("v128")];
        const halves = [c.local("v128"), c.local("v128"), c.local("v128"), c.local("v128")];
        both((half) => {
          c.set(lane, c.op("i32.sub", c.get(high), c.i32(4 * half)));
          c.set(at, c.op("i32.add", c.get(sums), c.i32(16 * half)));
          c.set(panel, c.op("i32.add", c.get(out), c.op("i32.mul", c.get(outRow), c.i32(4 * half))));
          c.for(d, 0, depth, 4, () => {
            rows.forEach((x, i) => c.set(x, c.op("f32x4.mul", c.load("v128.load", c.get(at), COLUMNS * FLOAT * i), c.get(total[half]))));
            emitTranspose4(c, rows, halves);
            c.set(row, c.get(panel));
            c.set(key, c.op("i32.sub", c.get(depth), c.get(d)));
            rows.forEach((x, i) => {
              c.if(c.op("i32.gt_s", c.get(lane), c.i32(i)), () =>
                c.if(
                  c.op("i32.ge_s", c.get(key), c.i32(4)),
                  () => {
                    const to = c.get(row);
                    c.store("v128.store", to, c.get(x));
                  },
                  () =>
                    [0, 1, 2].forEach((j) =>
                      c.if(c.op("i32.gt_s", c.get(key), c.i32(j)), () => {
                        const to = c.get(row);
                        c.store("f32.store", to, c.extract("f32x4.extract_lane", c.get(x), j), FLOAT * j);
                      }),
                    ),
                ),
              );
              advance(c, row, c.get(outRow));
            });
            advance(c, at, c.i32(4 * COLUMNS * FLOAT));
            advance(c, panel, c.i32(16));
          });
        });
        advance(c, q, c.op("i32.mul", c.get(qRow), c.i32(COLUMNS)));
        advance(c, out, c.op("i32.mul", c.get(outRow), c.i32(COLUMNS)));
        advance(c, mask, c.op("i32.mul", c.get(maskRow), c.i32(COLUMNS)));
      });
    },
  );
}

function emitAttendOne(m: ModuleBuilder, fused: boolean, products: VectorProductFunctions): AttentionFunctions["attendOne"] {
  return m.func(
    "attendOne",
    ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "f32"],
    undefined,
    (c, out, q, k, v, mask, keys, width, depth, kRow, vRow, maskColumn, sight, position, scratch, scale) => {
      const [at, key, last] = [c.local("i32"), c.local("i32"), c.local("i32")];
      const [top, total, score, seen] = [c.local("v128"), c.local("v128"), c.local("v128"), c.local("v128")];
      c.if(c.op("i32.and", c.get(sight), c.i32(SIGHT.causal)), () => {
        c.set(last, c.op("i32.add", c.get(position), c.i32(1)));
        c.set(keys, least(c, last, keys));
      });
      c.run(products.dots, c.get(q), c.get(k), c.get(scratch), c.get(width), c.get(keys), c.get(kRow));
      const each = (body: () => void): void => {
        c.set(at, c.get(scratch));
        c.for(key, 0, keys, 4, () => {
          body();
          advance(c, at, c.i32(16));
        });
      };
      c.set(top, c.f32x4(-Infinity));
      each(() => {
        c.set(score, c.op("f32x4.mul", c.load("v128.load", c.get(at)), c.op("f32x4.splat", c.get(scale))));
        c.if(c.op("i32.and", c.get(sight), c.i32(SIGHT.seen | SIGHT.added)), () => {
          c.if(
            c.op("i32.and", c.get(sight), c.i32(SIGHT.seen)),
            () => {
              for (let i = 0; i < 4; i++) {
                c.set(seen, c.replace("i32x4.replace_lane", c.get(seen), i, c.load("i32.load8_u", c.get(mask))));
                advance(c, mask, c.get(maskColumn));
              }
              hide(c, score, c.get(seen));
            },
            () => {
              for (let i = 0; i < 4; i++) {
                c.set(seen, c.replace("f32x4.replace_lane", c.get(seen), i, c.load("f32.load", c.get(mask))));
                advance(c, mask, c.get(maskColumn));
              }
              c.set(score, c.op("f32x4.add", c.get(score), c.get(seen)));
            },
          );
        });
        // Lanes behind the last key.
        c.if(c.op("i32.lt_s", c.op("i32.sub", c.get(keys), c.get(key)), c.i32(4)), () => {
          for (let i = 1; i < 4; i++) {
            c.if(c.op("i32.le_s", c.op("i32.sub", c.get(keys), c.get(key)), c.i32(i)), () =>
              c.set(score, c.replace("f32x4.replace_lane", c.get(score), i, c.f32(-Infinity))),
            );
          }
        });
        c.set(top, c.op("f32x4.pmax", c.get(top), c.get(score)));
        const to = c.get(at);
        c.store("v128.store", to, c.get(score));
      });
      const fold = (value: V128, join: "f32x4.add" | "f32x4.max"): void => {
        c.set(value, c.op(join, c.get(value), c.shuffle32(c.get(value), c.get(value), [2, 3, 0, 1])));
        c.set(value, c.op(join, c.get(value), c.shuffle32(c.get(value), c.get(value), [1, 0, 3, 2])));
      };
      fold(top, "f32x4.max");
      c.set(top, finiteTop(c, top));
      c.set(total, c.f32x4(0));
      each(() => {
        c.set(score, c.op("f32x4.sub", c.load("v128.load", c.get(at)), c.get(top)));
        c.set(score, vectorExpBelow(c, fused, score));
        c.set(total, c.op("f32x4.add", c.get(total), c.get(score)));
        const to = c.get(at);
        c.store("v128.store", to, c.get(score));
      });
      fold(total, "f32x4.add");
      c.set(total, inverse(c, total));
      each(() => {
        const to = c.get(at);
        c.store("v128.store", to, c.op("f32x4.mul", c.load("v128.load", c.get(at)), c.get(total)));
      });
      c.run(products.combination, c.get(scratch), c.get(v), c.get(out), c.get(keys), c.get(depth), c.get(vRow));
    },
  );
}
