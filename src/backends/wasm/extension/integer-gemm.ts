/**
 * Products of integers of at most 16 bits, exact modulo 2^32. Two steps of depth are one word, the pair of their numbers in 16 bits, so that one
 * instruction multiplies and adds the pairs of four columns. Words are packed into panels as floats are: of 4 rows `[k / 2][4]`, of 8 columns
 * `[k / 2][8]`, and for a single row of 32.
 */

import type { Callable, Code, Label, Value } from "../../../wasm/code.ts";
import type { ModuleBuilder } from "../../../wasm/module.ts";
import type { I32, V128 } from "../emit.ts";
import { kit } from "./shared.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/** Elements that can be packed, and bytes of each. */
export const SHORT = { int8: 0, uint8: 1, int16: 2 } as const;

/** Bytes of a pair. */
export const WORD = 4;
/** Channels that are convolved together where each has a filter of its own. */
export const LANES = 8;

export interface IntegerFunctions {
  /**
   * (to, from, planes, rows, columns, byte strides of planes, rows, columns in `from`, byte strides of pairs, rows, columns in `to`, element: `SHORT`):
   * words of planes 2p and 2p + 1; an odd last plane is paired with zeros.
   */
  readonly pairs: Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]>, undefined>;
  /** (a, b, c, rows, columns, words of depth, byte stride of rows in c): c = the product of packed panels, as int32. */
  readonly multiplyShorts: Callable<I32s<[0, 1, 2, 3, 4, 5, 6]>, undefined>;
  /** (to, from, words of depth): a panel of 32 columns of words whose numbers have 8 bits, as `bytePanels` reads it. */
  readonly halve: Callable<I32s<[0, 1, 2]>, undefined>;
  /** (x, panels, out, words of depth, columns): a row by panels of words. */
  readonly shortPanels: Callable<I32s<[0, 1, 2, 3, 4]>, undefined>;
  /** The same by panels whose numbers have 8 bits. */
  readonly bytePanels: Callable<I32s<[0, 1, 2, 3, 4]>, undefined>;
  /**
   * (to, x, filters, byte offsets of taps, pairs of taps, rows, columns, channels, byte strides of rows and columns in `x`, of rows, columns and
   * channels in `to`): a filter for each channel. Channels lie innermost in `x`, 16 bits each, filled up to eights; filters are words of two taps `[c / 8][pair][8]`.
   */
  readonly depthwiseShorts: Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]>, undefined>;
}

/** Bytes of the panels of so many rows or columns. */
export function shortBytes(count: number, depth: number, width: number): number {
  return Math.ceil(count / width) * Math.ceil(depth / 2) * width * WORD;
}

/** Which bytes of two vectors make the pairs of their first and of their last four. */
const [LOW, HIGH] = [0, 8].map((from) => Array.from({ length: 16 }, (_, i) => from + (i >> 2) * 2 + (i & 1) + (i & 2) * 8)) as [number[], number[]]; // two

interface Element {
  readonly bytes: number;
  readonly one: (at: I32) => Value<"i32">;
  readonly eight: (at: I32) => Value<"v128">;
}

function emitPairs(m: ModuleBuilder): IntegerFunctions["pairs"] {
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return m.func("pairs", params, undefined, (c, to, from, planes, rows, columns, planeStride, rowStride, columnStride, toPair, toRow, toColumn, element) => {
    const [x, y, p, a, b, at, mask, source, target] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(() => c.local("i32")) as [I32, I32, I32, I32, I32, I32, I32, I32, I32]; // nine
    const four = [0, 1, 2, 3].map(() => c.local("v128"));
    const behind = [0, 1, 2, 3].map(() => c.local("v128"));
    const halves = [0, 1, 2, 3].map(() => c.local("v128"));
    const [left, right] = [c.local("v128"), c.local("v128")];
    const pairs = c.hold(c.op("i32.shr_u", c.op("i32.add", c.get(planes), c.i32(1)), c.i32(1)));
    const is = (local: I32, value: number): I32 => c.hold(c.op("i32.eq", c.get(local), c.i32(value)));
    const [dense, side] = [is(toColumn, WORD), is(toPair, WORD)];
    const write = (local: I32, value: V128): void => {
      const there = c.get(local);
      c.store("v128.store", there, c.get(value));
    };
    const copy = ({ bytes, one, eight }: Element): void => {
      const [adjacent, row] = [is(planeStride, bytes), is(columnStride, bytes)];
      // Eight planes that lie side by side are four words at once: in place, or those of four columns turned.
      const widens = c.hold(c.op("i32.and", c.get(adjacent), c.get(side)));
      const turns = c.hold(c.op("i32.and", c.op("i32.and", c.get(adjacent), c.get(dense)), c.op("i32.eqz", c.get(widens))));
      // Eight columns of eight planes, which are to lie side by side.
      const gathers = c.hold(c.op("i32.and", c.op("i32.and", c.get(row), c.get(side)), c.op("i32.eqz", c.get(widens))));
      const wholeColumns = c.hold(c.select(c.get(columns), c.op("i32.and", c.get(columns), c.select(c.i32(-8), c.i32(-4), c.get(gathers))), c.get(widens)));
      const many = c.op("i32.and", c.op("i32.shr_u", c.get(planes), c.i32(1)), c.i32(-4));
      const wholePairs = c.hold(c.select(many, c.i32(0), c.op("i32.or", c.get(widens), c.op("i32.or", c.get(turns), c.get(gathers)))));
      /** `from` and `to` of a pair and column. */
      const begin = (): void => {
        c.set(
          source,
          c.op(
            "i32.add",
            c.get(from),
            c.op("i32.add", c.op("i32.mul", c.get(p), c.op("i32.shl", c.get(planeStride), c.i32(1))), c.op("i32.mul", c.get(x), c.get(columnStride))),
          ),
        );
        c.set(target, c.op("i32.add", c.get(to), c.op("i32.add", c.op("i32.mul", c.get(p), c.get(toPair)), c.op("i32.mul", c.get(x), c.get(toColumn)))));
      };
      c.for(y, 0, rows, 1, () => {
        c.for(x, 0, c.hold(c.select(c.get(columns), c.i32(0), c.get(widens))), 1, () => {
          c.set(p, c.i32(0));
          begin();
          c.for(p, 0, wholePairs, 4, () => {
            c.set(left, eight(source));
            write(target, left);
            kit.advance(c, source, c.i32(8 * bytes));
            kit.advance(c, target, c.i32(16));
          });
        });
        c.if(c.get(turns), () =>
          c.for(p, 0, wholePairs, 4, () => {
            c.set(x, c.i32(0));
            begin();
            c.for(x, 0, wholeColumns, 4, () => {
              for (const vector of four) {
                c.set(vector, eight(source));
                kit.advance(c, source, c.get(columnStride));
              }
              kit.emitTranspose4(c, four, halves);
              c.set(at, c.get(target));
              for (const vector of four) {
                write(at, vector);
                kit.advance(c, at, c.get(toPair));
              }
              kit.advance(c, target, c.i32(16));
            });
          }),
        );
        c.if(c.get(gathers), () =>
          c.for(p, 0, wholePairs, 4, () => {
            c.set(x, c.i32(0));
            begin();
            c.for(x, 0, wholeColumns, 8, () => {
              c.set(at, c.get(source));
              four.forEach((vector, k) => {
                c.set(left, eight(at));
                kit.advance(c, at, c.get(planeStride));
                c.set(right, eight(at));
                kit.advance(c, at, c.get(planeStride));
                c.set(vector, c.shuffle(c.get(left), c.get(right), LOW));
                c.set(behind[k] ?? vector, c.shuffle(c.get(left), c.get(right), HIGH));
              });
              for (const columns of [four, behind]) {
                kit.emitTranspose4(c, columns, halves);
                for (const column of columns) {
                  write(target, column);
                  kit.advance(c, target, c.get(toColumn));
                }
              }
              kit.advance(c, source, c.i32(8 * bytes));
            });
          }),
        );
        c.for(p, 0, pairs, 1, () => {
          c.set(x, c.select(c.get(wholeColumns), c.i32(0), c.op("i32.lt_s", c.get(p), c.get(wholePairs))));
          begin();
          c.set(a, c.get(source));
          const second = c.hold(c.op("i32.lt_s", c.op("i32.shl", c.get(p), c.i32(1)), c.op("i32.sub", c.get(planes), c.i32(1))));
          c.set(mask, c.op("i32.sub", c.i32(0), c.get(second)));
          c.set(b, c.op("i32.add", c.get(a), c.op("i32.and", c.get(planeStride), c.get(mask))));
          c.if(c.op("i32.and", c.get(row), c.get(dense)), () =>
            c.block((done) =>
              c.loop((again) => {
                c.brIf(done, c.op("i32.lt_s", c.op("i32.sub", c.get(columns), c.get(x)), c.i32(8)));
                c.set(left, eight(a));
                c.set(right, c.op("v128.and", eight(b), c.op("i32x4.splat", c.get(mask))));
                [LOW, HIGH].forEach((lanes, half) => {
                  const there = c.get(target);
                  c.store("v128.store", there, c.shuffle(c.get(left), c.get(right), lanes), 16 * half);
                });
                for (const local of [a, b]) kit.advance(c, local, c.i32(8 * bytes));
                kit.advance(c, target, c.i32(32));
                kit.advance(c, x, c.i32(8));
                c.br(again);
              }),
            ),
          );
          c.for(x, x, columns, 1, () => {
            const there = c.get(target);
            const low = c.op("i32.and", one(a), c.i32(0xffff));
            c.store("i32.store", there, c.op("i32.or", low, c.op("i32.shl", c.op("i32.and", one(b), c.get(mask)), c.i32(16))));
            for (const local of [a, b]) kit.advance(c, local, c.get(columnStride));
            kit.advance(c, target, c.get(toColumn));
          });
        });
        kit.advance(c, from, c.get(rowStride));
        kit.advance(c, to, c.get(toRow));
      });
    };
    c.if(
      c.op("i32.eq", c.get(element), c.i32(SHORT.int8)),
      () => copy({ bytes: 1, one: (l) => c.load("i32.load8_s", c.get(l)), eight: (l) => c.load("v128.load8x8_s", c.get(l)) }),
      () =>
        c.if(
          c.op("i32.eq", c.get(element), c.i32(SHORT.uint8)),
          () => copy({ bytes: 1, one: (l) => c.load("i32.load8_u", c.get(l)), eight: (l) => c.load("v128.load8x8_u", c.get(l)) }),
          () => copy({ bytes: 2, one: (l) => c.load("i32.load16_s", c.get(l)), eight: (l) => c.load("v128.load", c.get(l)) }),
        ),
    );
  });
}

function emitMultiply(m: ModuleBuilder): IntegerFunctions["multiplyShorts"] {
  return m.func("multiplyShorts", ["i32", "i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, a, b, out, rows, columns, words, rowStride) => {
    const i32 = (): I32 => c.local("i32");
    const [i, j, k, aAt, bAt, aPanel, at, high, wide, row] = [i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32()];
    const sums = Array.from({ length: 2 * kit.ROWS }, () => c.local("v128"));
    const factors = Array.from({ length: kit.ROWS }, () => c.local("v128"));
    const [left, right] = [c.local("v128"), c.local("v128")];
    c.for(j, 0, columns, kit.COLUMNS, () => {
      c.set(aPanel, c.get(a));
      c.set(wide, c.op("i32.sub", c.get(columns), c.get(j)));
      c.set(row, c.op("i32.add", c.get(out), c.op("i32.shl", c.get(j), c.i32(2))));
      c.for(i, 0, rows, kit.ROWS, () => {
        c.set(high, c.op("i32.sub", c.get(rows), c.get(i)));
        c.set(aAt, c.get(aPanel));
        c.set(bAt, c.get(b));
        for (const sum of sums) c.set(sum, c.i32x4(0));
        c.for(k, 0, words, 1, () => {
          factors.forEach((factor, r) => c.set(factor, c.load("v128.load32_splat", c.get(aAt), 4 * r)));
          c.set(left, c.load("v128.load", c.get(bAt)));
          c.set(right, c.load("v128.load", c.get(bAt), 16));
          factors.forEach((factor, r) =>
            [left, right].forEach((column, h) => {
              const sum = sums[2 * r + h] ?? left;
              c.set(sum, c.op("i32x4.add", c.get(sum), c.op("i32x4.dot_i16x8_s", c.get(factor), c.get(column))));
            }),
          );
          kit.advance(c, aAt, c.i32(kit.ROWS * WORD));
          kit.advance(c, bAt, c.i32(kit.COLUMNS * WORD));
        });
        c.set(at, c.get(row));
        for (let r = 0; r < kit.ROWS; r++) {
          c.if(c.op("i32.gt_s", c.get(high), c.i32(r)), () => {
            [left, right].forEach((_, h) => storeRow(c, at, sums[2 * r + h] ?? left, wide, 4 * h));
            kit.advance(c, at, c.get(rowStride));
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

/** What lower halves of `bytePanels` are raised by, so that they are not negative. */
const RAISED = 128;

/**
 * A row by panels of 32 columns, as the float kernel `panels`. With numbers of 8 bits a word holds two columns in 16 bits, 256 h + l: two products, by it
 * and by its upper half, give both sums, exact modulo 2^32. That is an instruction less than widening each of them.
 */
function emitRow(m: ModuleBuilder, name: string, bytes: boolean): IntegerFunctions["shortPanels"] {
  return m.func(name, ["i32", "i32", "i32", "i32", "i32"], undefined, (c, x, w, out, words, columns) => {
    const [j, at, wide] = [c.local("i32"), c.local("i32"), c.local("i32")];
    const sums = Array.from({ length: kit.PANEL / 4 }, () => c.local("v128"));
    const [factor, both, raised] = [c.local("v128"), c.local("v128"), c.local("v128")];
    const end = c.hold(c.op("i32.add", c.get(x), c.op("i32.shl", c.get(words), c.i32(2))));
    const plus = (sum: V128, product: Value<"v128">): void => c.set(sum, c.op("i32x4.add", product, c.get(sum)));
    /** `body` for each word of the row, in all lanes of `factor`; `never` leaves. */
    const along = (body: (never: Label) => void): void => {
      c.set(at, c.get(x));
      c.block((never) =>
        c.loop((again) => {
          c.brIf(never, c.op("i32.ge_u", c.get(at), c.get(end)));
          c.set(factor, c.load("v128.load32_splat", c.get(at)));
          body(never);
          kit.advance(c, at, c.i32(WORD));
          c.br(again);
        }),
      );
    };
    if (bytes) along(() => plus(raised, c.op("i32x4.dot_i16x8_s", c.get(factor), c.op("i16x8.splat", c.i32(RAISED)))));
    const store = (to: () => Value<"i32">): void =>
      sums.forEach((sum, i) => {
        const target = to();
        // Sums of upper halves lie behind those of lower ones.
        c.store("v128.store", target, c.get(sum), 16 * (bytes ? (i >> 1) + (i & 1) * 4 : i));
      });
    c.for(j, 0, columns, kit.PANEL, () => {
      for (const sum of sums) c.set(sum, c.i32x4(0));
      along((never) => {
        sums.forEach((sum, i) => {
          if (i > 0 && i % kit.TOGETHER === 0) c.brIf(never, c.op("i32.lt_s", c.get(words), c.i32(0)));
          const upper = bytes && i % 2 === 1;
          if (!upper) c.set(both, c.load("v128.load", c.get(w), bytes ? 8 * i : 16 * i));
          const numbers = upper ? c.op("i16x8.shr_s", c.get(both), c.i32(8)) : c.get(both);
          plus(sum, c.op("i32x4.dot_i16x8_s", numbers, c.get(factor)));
        });
        kit.advance(c, w, c.i32(kit.PANEL * (bytes ? 2 : WORD)));
      });
      if (bytes)
        sums.forEach((sum, i) => {
          const upper = sums[i + 1];
          if (i % 2 === 0 && upper !== undefined)
            c.set(sum, c.op("i32x4.sub", c.op("i32x4.sub", c.get(sum), c.get(raised)), c.op("i32x4.shl", c.get(upper), c.i32(8))));
        });
      c.set(wide, c.op("i32.sub", c.get(columns), c.get(j)));
      c.if(
        c.op("i32.ge_s", c.get(wide), c.i32(kit.PANEL)),
        () => store(() => c.get(out)),
        () => {
          store(() => c.global(kit.SPILL));
          c.memoryCopy(c.get(out), c.global(kit.SPILL), c.op("i32.shl", c.get(wide), c.i32(2)));
        },
      );
      kit.advance(c, out, c.i32(kit.PANEL * WORD));
    });
  });
}

/** Panels of 16 bits a number as those of 8 bits that `bytePanels` reads. */
function emitHalve(m: ModuleBuilder): IntegerFunctions["halve"] {
  return m.func("halve", ["i32", "i32", "i32"], undefined, (c, to, from, words) => {
    const k = c.local("i32");
    c.for(k, 0, words, 1, () => {
      for (let i = 0; i < kit.PANEL / 8; i++) {
        const there = c.get(to);
        const low = c.op("i16x8.add", c.load("v128.load", c.get(from), 16 * i), c.op("i16x8.splat", c.i32(RAISED)));
        c.store("v128.store", there, c.op("v128.or", low, c.op("i16x8.shl", c.load("v128.load", c.get(from), 16 * i + 64), c.i32(8))), 16 * i);
      }
      kit.advance(c, from, c.i32(kit.PANEL * WORD));
      kit.advance(c, to, c.i32(kit.PANEL * 2));
    });
  });
}

function emitDepthwise(m: ModuleBuilder): IntegerFunctions["depthwiseShorts"] {
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return m.func(
    "depthwiseShorts",
    params,
    undefined,
    (c, to, x, filters, taps, pairs, rows, columns, channels, rowStep, columnStep, toRow, toColumn, toChannel) => {
      const [i, j, channel, t, table, w, at, next, first, second, target, source] = c.locals("i32", 12);
      const [left, right] = [c.local("v128"), c.local("v128")];
      /** Eight channels of four positions side by side. */
      const sums = [0, 1, 2, 3].map(() => [c.local("v128"), c.local("v128")] as const);
      const steps = [1, 2, 3].map(() => c.local("i32"));
      const halves = [0, 1, 2, 3].map(() => c.local("v128"));
      const wide = c.hold(c.op("i32.eq", c.get(toChannel), c.i32(WORD)));
      const after = c.local("i32");
      const stored = (value: V128, offset = 0): void => {
        const there = c.get(at);
        c.store("v128.store", there, c.get(value), offset);
      };
      /** A position's channels, side by side or one by one. */
      const store = (values: readonly [V128, V128]): void =>
        c.if(
          c.op("i32.and", c.get(wide), c.op("i32.ge_s", c.get(next), c.i32(LANES))),
          () => values.forEach((value, half) => stored(value, 16 * half)),
          () => {
            for (let lane = 0; lane < LANES; lane++)
              c.if(c.op("i32.gt_s", c.get(next), c.i32(lane)), () => {
                const there = c.get(at);
                c.store("i32.store", there, c.extract("i32x4.extract_lane", c.get(values[lane >> 2] ?? values[0]), lane & 3));
                kit.advance(c, at, c.get(toChannel));
              });
          },
        );
      /** Four positions of each channel, which lie side by side. */
      const storeTurned = (): void =>
        [0, 1].forEach((half) => {
          const four = sums.map((position) => position[half === 0 ? 0 : 1]);
          kit.emitTranspose4(c, four, halves);
          four.forEach((value, lane) => {
            c.if(c.op("i32.gt_s", c.get(next), c.i32(4 * half + lane)), () => stored(value));
            kit.advance(c, at, c.get(toChannel));
          });
        });
      const planes = c.hold(c.op("i32.and", c.op("i32.eq", c.get(toColumn), c.i32(WORD)), c.op("i32.eqz", c.get(wide))));
      c.for(i, 0, rows, 1, () => {
        c.set(source, c.get(x));
        c.set(target, c.get(to));
        c.for(j, 0, columns, 4, () => {
          c.set(after, c.op("i32.sub", c.get(columns), c.get(j)));
          steps.forEach((step, k) => c.set(step, c.select(c.get(columnStep), c.i32(0), c.op("i32.gt_s", c.get(after), c.i32(k + 1)))));
          c.set(w, c.get(filters));
          c.for(channel, 0, channels, LANES, () => {
            for (const sum of sums.flat()) c.set(sum, c.i32x4(0));
            c.set(table, c.get(taps));
            c.block((never) =>
              c.for(t, 0, pairs, 1, () => {
                [first, second].forEach((tap, k) => c.set(tap, c.op("i32.add", c.get(source), c.load("i32.load", c.get(table), WORD * k))));
                sums.forEach((position, k) => {
                  const step = steps[k - 1];
                  // As in the panels of a row, a branch that is never taken keeps loads apart.
                  if (k > 0) c.brIf(never, c.op("i32.lt_u", c.get(first), c.i32(k)));
                  [first, second].forEach((tap, side) => {
                    if (step !== undefined) kit.advance(c, tap, c.get(step));
                    c.set(side === 0 ? left : right, c.load("v128.load", c.get(tap)));
                  });
                  position.forEach((sum, half) => {
                    const numbers = c.shuffle(c.get(left), c.get(right), half === 0 ? LOW : HIGH);
                    c.set(sum, c.op("i32x4.add", c.op("i32x4.dot_i16x8_s", numbers, c.load("v128.load", c.get(w), 16 * half)), c.get(sum)));
                  });
                });
                kit.advance(c, table, c.i32(2 * WORD));
                kit.advance(c, w, c.i32(LANES * WORD));
              }),
            );
            c.set(next, c.op("i32.sub", c.get(channels), c.get(channel)));
            const begin = (k: number): void => {
              c.set(at, c.op("i32.add", c.get(target), c.op("i32.mul", c.get(channel), c.get(toChannel))));
              if (k > 0) kit.advance(c, at, c.op("i32.mul", c.get(toColumn), c.i32(k)));
            };
            c.if(
              c.op("i32.and", c.get(planes), c.op("i32.ge_s", c.get(after), c.i32(4))),
              () => {
                begin(0);
                storeTurned();
              },
              () =>
                sums.forEach((position, k) =>
                  c.if(c.op("i32.gt_s", c.get(after), c.i32(k)), () => {
                    begin(k);
                    store(position);
                  }),
                ),
            );
            kit.advance(c, source, c.i32(2 * LANES));
          });
          // Back over the channels, and four columns on.
          kit.advance(c, source, c.op("i32.sub", c.op("i32.shl", c.get(columnStep), c.i32(2)), c.op("i32.shl", c.get(channel), c.i32(1))));
          kit.advance(c, target, c.op("i32.shl", c.get(toColumn), c.i32(2)));
        });
        kit.advance(c, x, c.get(rowStep));
        kit.advance(c, to, c.get(toRow));
      });
    },
  );
}

export function emitIntegers(m: ModuleBuilder): IntegerFunctions {
  return {
    pairs: emitPairs(m),
    multiplyShorts: emitMultiply(m),
    halve: emitHalve(m),
    shortPanels: emitRow(m, "shortPanels", false),
    bytePanels: emitRow(m, "bytePanels", true),
    depthwiseShorts: emitDepthwise(m),
  };
}
