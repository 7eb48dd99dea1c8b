/**
 * Products of packed float32 panels. A is packed in panels of 4 rows `[k][4]`, B in panels of 8 columns `[k][8]`; a tile of
 * 4 x 8 sums stays in 8 registers. V8 keeps 15 vectors, and up to 12.4 holds everything a basic block loads at once: 4 rows + 2
 * vectors of columns + 8 sums are 14. Unrolling k, or a larger tile, falls to half the speed; but 6 x 8 is faster where a branch that is
 * never taken stands between its rows: 1 row + 2 vectors + 12 sums are 15. V8 unrolls by how deep a loop is nested: that over the depth is at most the third of
 * its function.
 */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, FLOAT, type I32, multiplyAdd, scaled, SPILL, type V128 } from "./emit.ts";

/** Rows and columns of a tile. */
export const ROWS = 4;
export const COLUMNS = 8;
/** Rows of a tall tile, where a multiply-add is one instruction: the product of two would need a register more. */
export const TALL = 6;

/** Steps of depth that are summed up before they are added to the result: sums of more are less exact. */
export const DEPTH = 512;
/** Bytes of the columns that all rows are multiplied with before the next: they stay in a second cache, and a panel of rows in the first. */
export const GROUP_BYTES: number = 256 * 1024;

/** How many rows of so many go in tall panels, the others in panels of 4, for the fewest rows that are filled up with zeros. */
export function tallRows(rows: number): number {
  const over = rows % TALL;
  const fours = over === 0 || over === TALL - 1 ? 0 : over > 2 || rows < TALL ? 1 : 2;
  return Math.max(0, Math.ceil((rows - fours * ROWS) / TALL) * TALL);
}

export interface GemmFunctions {
  /** (to, from, count, depth, byte stride of count, byte stride of depth): panels of 4. */
  readonly packRows: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32"], undefined>;
  readonly packColumns: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32"], undefined>;
  /** As `packRows`: panels of 6. */
  readonly packTall: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32"], undefined>;
  /** (a, b, c, rows, columns, depth, byte stride of rows in c, bytes between panels of a, of b, add): c += or = the product of packed panels. */
  readonly multiply: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], undefined>;
  /** As `multiply`; further: where a number for each row lies that is added to it, or 0; bytes between the steps of depth in a panel of b, which so may be no panel. */
  readonly multiplyBiased: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], undefined>;
  /** As `multiplyBiased`, of panels of 6 rows. */
  readonly multiplyTall: GemmFunctions["multiplyBiased"];
  /**
   * (a, b, c, rows, columns, depth, byte stride of columns in c, bytes between panels of a, of b, add, a number for each column or 0): as `multiply`, with
   * the result's rows one after another. One block of `DEPTH`; the caller loops over blocks.
   */
  readonly multiplyTurned: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], undefined>;
  /** As `multiplyTurned`, of panels of 6 rows. */
  readonly multiplyTallTurned: GemmFunctions["multiplyTurned"];
}

const plus = (c: Code, local: I32, bytes: number): Value<"i32"> => c.op("i32.add", c.get(local), c.i32(bytes));
/** Where vectors begin that cover a panel's width; the last two may overlap. */
export const foursOf = (width: number): number[] => Array.from({ length: Math.ceil(width / 4) }, (_, i) => Math.min(4 * i, width - 4));

/** Packs `count` rows (or columns) of `depth` elements into panels of `width`, 4 or more; the last panel is filled with zeros. */
export function emitPack(m: ModuleBuilder, name: string, width: number): GemmFunctions["packRows"] {
  return m.func(name, ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, to, from, count, depth, countStride, depthStride) => {
    const left = c.hold(c.get(count));
    const panel = c.local("i32");
    const k = c.local("i32");
    const source = c.local("i32");
    c.block((done) => {
      c.loop((again) => {
        c.brIf(done, c.op("i32.le_s", c.get(left), c.i32(0)));
        c.set(panel, c.get(from));
        c.if(
          c.op("i32.ge_s", c.get(left), c.i32(width)),
          () => {
            c.if(
              c.op("i32.eq", c.get(countStride), c.i32(FLOAT)),
              () => {
                c.for(k, 0, depth, 1, () => {
                  for (const i of foursOf(width)) {
                    const at = c.get(to);
                    c.store("v128.store", at, c.load("v128.load", c.get(panel), i * FLOAT), i * FLOAT);
                  }
                  advance(c, panel, c.get(depthStride));
                  advance(c, to, c.i32(width * FLOAT));
                });
              },
              () => emitTransposed(c, width, { to, panel, depth, countStride, depthStride, k }),
            );
          },
          () => {
            c.for(k, 0, depth, 1, () => {
              c.set(source, c.get(panel));
              for (let i = 0; i < width; i++) {
                c.if(
                  c.op("i32.gt_s", c.get(left), c.i32(i)),
                  () => {
                    const at = c.get(to);
                    c.store("f32.store", at, c.load("f32.load", c.get(source)), i * FLOAT);
                    advance(c, source, c.get(countStride));
                  },
                  () => {
                    const at = c.get(to);
                    c.store("f32.store", at, c.f32(0), i * FLOAT);
                  },
                );
              }
              advance(c, panel, c.get(depthStride));
              advance(c, to, c.i32(width * FLOAT));
            });
          },
        );
        advance(c, from, c.op("i32.mul", c.get(countStride), c.i32(width)));
        c.set(left, c.op("i32.sub", c.get(left), c.i32(width)));
        c.br(again);
      });
    });
  });
}

interface PanelLocals {
  readonly to: I32;
  readonly panel: I32;
  readonly depth: I32;
  readonly countStride: I32;
  readonly depthStride: I32;
  readonly k: I32;
}

/** A full panel whose rows lie apart: four steps of depth at a time are transposed in registers where depth is contiguous. */
function emitTransposed(c: Code, width: number, { to, panel, depth, countStride, depthStride, k }: PanelLocals): void {
  const pointers: I32[] = [];
  for (let i = 0; i < width; i++) pointers.push(c.hold(i === 0 ? c.get(panel) : c.op("i32.add", c.get(pointers[i - 1] ?? panel), c.get(countStride))));
  c.set(k, c.i32(0));
  c.if(c.op("i32.eq", c.get(depthStride), c.i32(FLOAT)), () => {
    const rows = [0, 1, 2, 3].map(() => c.local("v128"));
    const halves = [0, 1, 2, 3].map(() => c.local("v128"));
    const pairs = c.locals("v128", 2);
    c.block((done) => {
      c.loop((again) => {
        c.brIf(done, c.op("i32.gt_s", plus(c, k, 4), c.get(depth)));
        const load = (vectors: readonly V128[], first: number): void =>
          vectors.forEach((vector, i) => c.set(vector, c.load("v128.load", c.get(pointers[first + i] ?? panel))));
        if (width === TALL) {
          load(rows, 0);
          load(pairs, ROWS);
          emitTranspose4(c, rows, halves);
          storeTall(c, to, rows, pairs);
        } else
          for (const group of foursOf(width)) {
            load(rows, group);
            emitTranspose4(c, rows, halves);
            rows.forEach((row, i) => {
              const at = c.get(to);
              c.store("v128.store", at, c.get(row), (i * width + group) * FLOAT);
            });
          }
        for (const pointer of pointers) advance(c, pointer, c.i32(16));
        advance(c, to, c.i32(4 * width * FLOAT));
        advance(c, k, c.i32(4));
        c.br(again);
      });
    });
  });
  c.block((done) => {
    c.loop((again) => {
      c.brIf(done, c.op("i32.ge_s", c.get(k), c.get(depth)));
      pointers.forEach((pointer, i) => {
        const at = c.get(to);
        c.store("f32.store", at, c.load("f32.load", c.get(pointer)), i * FLOAT);
        advance(c, pointer, c.get(depthStride));
      });
      advance(c, to, c.i32(width * FLOAT));
      advance(c, k, c.i32(1));
      c.br(again);
    });
  });
}

/** Four steps of a tall panel: of each the four first rows' elements, and of the two others all steps'. */
function storeTall(c: Code, to: I32, steps: readonly V128[], [fifth, sixth]: readonly [V128, V128]): void {
  for (let i = 0; i < 4; i += 2) {
    const [even, odd] = [steps[i], steps[i + 1]];
    if (even === undefined || odd === undefined) return;
    const pairs = c.hold(c.shuffle32(c.get(fifth), c.get(sixth), [i, 4 + i, i + 1, 5 + i]));
    const store = (value: () => Value<"v128">, vector: number): void => {
      const at = c.get(to);
      c.store("v128.store", at, value(), (i * TALL + 4 * vector) * FLOAT);
    };
    store(() => c.get(even), 0);
    store(() => c.shuffle32(c.get(pairs), c.get(odd), [0, 1, 4, 5]), 1);
    store(() => c.shuffle32(c.get(odd), c.get(pairs), [2, 3, 6, 7]), 2);
  }
}

/** Four vectors as the rows of a 4 x 4 matrix, transposed in place. */
export function emitTranspose4(c: Code, rows: readonly V128[], halves: readonly V128[]): void {
  const [a, b, d, e] = rows;
  const [w, x, y, z] = halves;
  if (a === undefined || b === undefined || d === undefined || e === undefined || w === undefined || x === undefined || y === undefined || z === undefined)
    return;
  c.set(w, c.shuffle32(c.get(a), c.get(b), [0, 4, 1, 5]));
  c.set(x, c.shuffle32(c.get(a), c.get(b), [2, 6, 3, 7]));
  c.set(y, c.shuffle32(c.get(d), c.get(e), [0, 4, 1, 5]));
  c.set(z, c.shuffle32(c.get(d), c.get(e), [2, 6, 3, 7]));
  c.set(a, c.shuffle32(c.get(w), c.get(y), [0, 1, 4, 5]));
  c.set(b, c.shuffle32(c.get(w), c.get(y), [2, 3, 6, 7]));
  c.set(d, c.shuffle32(c.get(x), c.get(z), [0, 1, 4, 5]));
  c.set(e, c.shuffle32(c.get(x), c.get(z), [2, 3, 6, 7]));
}

/** What is left of a tile that sticks out of its result: (where its rows are, result, rows, columns, byte stride of rows in the result, add). */
function emitRemainder(m: ModuleBuilder): Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32"], undefined> {
  return m.func(undefined, ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, from, to, rows, columns, rowStride, add) => {
    const [x, y, source, target] = [c.local("i32"), c.local("i32"), c.local("i32"), c.local("i32")];
    c.for(y, 0, rows, 1, () => {
      c.set(source, c.get(from));
      c.set(target, c.get(to));
      c.for(x, 0, columns, 1, () => {
        const at = c.get(target);
        const sum = c.load("f32.load", c.get(source));
        c.store("f32.store", at, c.op("f32.add", sum, c.select(c.load("f32.load", c.get(target)), c.f32(0), c.get(add))));
        advance(c, source, c.i32(FLOAT));
        advance(c, target, c.i32(FLOAT));
      });
      advance(c, from, c.i32(COLUMNS * FLOAT));
      advance(c, to, c.get(rowStride));
    });
  });
}

/** The two vectors of a tile's row. */
function pairOf(sums: readonly V128[], row: number): readonly [V128, V128] {
  const [first, second] = [sums[2 * row], sums[2 * row + 1]];
  if (first === undefined || second === undefined) throw new RangeError(`a tile has no row ${row}`);
  return [first, second];
}

/**
 * The loop over the depth of one tile: `x` goes along a panel of rows until it is at `end`, `y` along one of columns by `yStep` bytes. `end` is a variable of a
 * loop around it, or V8 computes it anew at each step; a counter besides would find no register.
 */
function sumUp(c: Code, fused: boolean, sums: readonly V128[], at: { readonly x: I32; readonly y: I32; readonly end: I32 }, yStep: () => Value<"i32">): void {
  const rows = sums.length / 2;
  const factors = Array.from({ length: rows }, () => c.local("v128"));
  const [left, right] = [c.local("v128"), c.local("v128")];
  const load = (factor: V128, r: number): void => c.set(factor, c.load("v128.load32_splat", c.get(at.x), r * FLOAT));
  c.block((never) => {
    c.loop((again) => {
      if (rows === ROWS) factors.forEach(load);
      c.set(left, c.load("v128.load", c.get(at.y)));
      c.set(right, c.load("v128.load", c.get(at.y), 16));
      factors.forEach((factor, r) => {
        if (rows > ROWS) {
          if (r > 0) c.brIf(never, c.op("i32.eqz", c.get(at.x))); // no panel is there
          load(factor, r);
        }
        pairOf(sums, r).forEach((sum, side) => {
          c.set(
            sum,
            multiplyAdd(
              c,
              fused,
              () => c.get(factor),
              () => c.get(side === 0 ? left : right),
              () => c.get(sum),
            ),
          );
        });
      });
      advance(c, at.x, c.i32(rows * FLOAT));
      advance(c, at.y, yStep());
      c.brIf(again, c.op("i32.ne", c.get(at.x), c.get(at.end)));
    });
  });
}

/** The product whose result lies by columns, of panels of `height` rows: a tile is turned in the registers before it is stored. */
function emitTurned(m: ModuleBuilder, name: string, fused: boolean, height: typeof ROWS | typeof TALL): GemmFunctions["multiplyTurned"] {
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return m.func(name, params, undefined, (c, a, b, out, rows, columns, depth, columnStride, aStep, bStep, add, bias) => {
    const [i, j, end, x, y, at, aPanel, column] = c.locals("i32", 8);
    const [high, wide] = [c.local("i32"), c.local("i32")];
    const sums = Array.from({ length: 2 * height }, () => c.local("v128"));
    const halves = [0, 1, 2, 3].map(() => c.local("v128"));
    const pairs = c.local("v128");
    const lanes = height > ROWS ? Array.from({ length: height }, () => c.local("v128")) : [];
    const bySide = [0, 1].map((side) => Array.from({ length: height }, (_, r) => pairOf(sums, r)[side === 0 ? 0 : 1]));
    c.for(j, 0, columns, COLUMNS, () => {
      c.set(aPanel, c.get(a));
      c.set(end, scaled(c, c.get(a), depth, height * FLOAT));
      c.set(at, c.get(out));
      c.set(wide, c.op("i32.sub", c.get(columns), c.get(j)));
      c.for(i, 0, rows, height, () => {
        c.if(
          c.get(bias),
          () => bySide.forEach((side, s) => side.forEach((sum) => c.set(sum, c.load("v128.load", c.get(bias), 16 * s)))),
          () => {
            for (const sum of sums) c.set(sum, c.f32x4(0));
          },
        );
        c.set(x, c.get(aPanel));
        c.set(y, c.get(b));
        sumUp(c, fused, sums, { x, y, end }, () => c.i32(COLUMNS * FLOAT));
        c.set(high, c.op("i32.sub", c.get(rows), c.get(i)));
        c.set(column, c.get(at));
        /** Up to four sums of a column, whose first is that of row `row`. */
        const storeSome = (sum: V128, row: number, count: number): void => {
          for (let lane = 0; lane < count; lane++) {
            c.if(c.op("i32.gt_s", c.get(high), c.i32(row + lane)), () => {
              const to = c.get(column);
              const before = c.select(c.load("f32.load", c.get(column), (row + lane) * FLOAT), c.f32(0), c.get(add));
              c.store("f32.store", to, c.op("f32.add", before, c.extract("f32x4.extract_lane", c.get(sum), lane)), (row + lane) * FLOAT);
            });
          }
        };
        // Twelve sums that are shuffled further on would leave the registers inside the loop.
        if (height > ROWS) sums.forEach((sum, n) => c.store("v128.store", c.global(SPILL), c.get(sum), 16 * n));
        bySide.forEach((side, s) => {
          const [fours, rest] = height > ROWS ? [lanes.slice(0, ROWS), lanes.slice(ROWS)] : [side, []];
          if (height > ROWS) lanes.forEach((lane, r) => c.set(lane, c.load("v128.load", c.global(SPILL), 32 * r + 16 * s)));
          emitTranspose4(c, fours, halves);
          const [fifth, sixth] = rest;
          fours.forEach((sum, n) => {
            // The two rows left of a tall tile: a pair of each column.
            if (fifth !== undefined && sixth !== undefined) c.set(pairs, c.shuffle32(c.get(fifth), c.get(sixth), [n, 4 + n, n, 4 + n]));
            c.if(c.op("i32.gt_s", c.get(wide), c.i32(4 * s + n)), () => {
              c.if(
                c.op("i32.ge_s", c.get(high), c.i32(height)),
                () => {
                  c.if(c.get(add), () => {
                    c.set(sum, c.op("f32x4.add", c.get(sum), c.load("v128.load", c.get(column))));
                    if (rest.length > 0) c.set(pairs, c.op("f32x4.add", c.get(pairs), c.load("v128.load64_zero", c.get(column), 16)));
                  });
                  const to = c.get(column);
                  c.store("v128.store", to, c.get(sum));
                  if (rest.length === 0) return;
                  const behind = c.get(column);
                  c.store("i64.store", behind, c.extract("i64x2.extract_lane", c.get(pairs), 0), 16);
                },
                () => {
                  storeSome(sum, 0, Math.min(ROWS, height - 1));
                  storeSome(pairs, ROWS, rest.length - 1);
                },
              );
            });
            advance(c, column, c.get(columnStride));
          });
        });
        advance(c, aPanel, c.get(aStep));
        advance(c, end, c.get(aStep));
        advance(c, at, c.i32(height * FLOAT));
      });
      c.if(c.get(bias), () => advance(c, bias, c.i32(COLUMNS * FLOAT)));
      advance(c, b, c.get(bStep));
      advance(c, out, c.op("i32.mul", c.get(columnStride), c.i32(COLUMNS)));
    });
  });
}

type Numbers<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };
const ELEVEN: Numbers<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]> = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"];

/**
 * One panel of `height` rows by panels of columns: (a, b, c, rows, columns, depth, byte stride of rows in c, bytes between panels of b, add, a number for each row or 0, bytes
 * between the steps of depth in a panel of b). What sticks out of the result is not stored.
 */
function emitRow(m: ModuleBuilder, fused: boolean, height: number, remainder: ReturnType<typeof emitRemainder>): Callable<typeof ELEVEN, undefined> {
  const step = height * FLOAT;
  return m.func(undefined, ELEVEN, undefined, (c, a, b, out, high, wide, depth, rowStride, bStep, add, bias, bDepth) => {
    const [x, y, end, row, left, adding, start] = c.locals("i32", 7);
    const sums = Array.from({ length: 2 * height }, () => c.local("v128"));
    const pair = (r: number): readonly [V128, V128] => pairOf(sums, r);
    const zero = (): void => sums.forEach((sum) => c.set(sum, c.f32x4(0)));
    /** The end of the next block of depth. */
    const onward = (): void => {
      c.set(end, c.op("i32.add", c.get(end), c.op("i32.mul", least(c, left, DEPTH), c.i32(step))));
    };
    c.loop((next) => {
      c.set(x, c.get(a));
      c.set(y, c.get(b));
      c.set(left, c.get(depth));
      c.set(end, c.get(a));
      onward();
      c.set(adding, c.get(add));
      c.set(start, c.get(bias));
      c.loop((deeper) => {
        c.if(
          c.get(start),
          () => {
            for (let r = 0; r < height; r++) {
              const [first, second] = pair(r);
              c.set(first, c.load("v128.load32_splat", c.get(start), r * FLOAT));
              c.set(second, c.get(first));
            }
          },
          zero,
        );
        sumUp(c, fused, sums, { x, y, end }, () => c.get(bDepth));
        c.if(
          c.op("i32.and", c.op("i32.ge_s", c.get(wide), c.i32(COLUMNS)), c.op("i32.ge_s", c.get(high), c.i32(height))),
          () => {
            c.if(c.get(adding), () => {
              c.set(row, c.get(out));
              for (let r = 0; r < height; r++) {
                pair(r).forEach((sum, side) => c.set(sum, c.op("f32x4.add", c.get(sum), c.load("v128.load", c.get(row), 16 * side))));
                advance(c, row, c.get(rowStride));
              }
            });
            c.set(row, c.get(out));
            for (let r = 0; r < height; r++) {
              pair(r).forEach((sum, side) => {
                const to = c.get(row);
                c.store("v128.store", to, c.get(sum), 16 * side);
              });
              advance(c, row, c.get(rowStride));
            }
          },
          () => {
            sums.forEach((sum, s) => {
              const to = c.global(SPILL);
              c.store("v128.store", to, c.get(sum), 16 * s);
            });
            c.run(remainder, c.global(SPILL), c.get(out), least(c, high, height), least(c, wide, COLUMNS), c.get(rowStride), c.get(adding));
          },
        );
        c.set(adding, c.i32(1));
        c.set(start, c.i32(0));
        c.set(left, c.op("i32.sub", c.get(left), c.i32(DEPTH)));
        onward();
        c.brIf(deeper, c.op("i32.gt_s", c.get(left), c.i32(0)));
      });
      advance(c, b, c.get(bStep));
      advance(c, out, c.i32(COLUMNS * FLOAT));
      c.set(wide, c.op("i32.sub", c.get(wide), c.i32(COLUMNS)));
      c.brIf(next, c.op("i32.gt_s", c.get(wide), c.i32(0)));
    });
  });
}

/** The lesser of a number and a constant. */
function least(c: Code, a: I32, b: number): Value<"i32"> {
  return c.select(c.i32(b), c.get(a), c.op("i32.gt_s", c.get(a), c.i32(b)));
}

const BIASED = [...ELEVEN, "i32"] as const;

/** The product whose result lies by rows, of panels of `height` rows. */
function emitStraight(
  m: ModuleBuilder,
  name: string,
  fused: boolean,
  height: number,
  remainder: ReturnType<typeof emitRemainder>,
): GemmFunctions["multiplyBiased"] {
  const row = emitRow(m, fused, height, remainder);
  return m.func(name, BIASED, undefined, (c, a, b, out, rows, columns, depth, rowStride, aStep, bStep, add, bias, bDepth) => {
    const [i, j, at, aPanel, shift, high, wide] = c.locals("i32", 7);
    // Panels of columns in a group.
    const group = c.hold(c.op("i32.div_u", c.i32(GROUP_BYTES / (COLUMNS * FLOAT)), c.get(depth)));
    c.set(group, c.op("i32.add", c.get(group), c.op("i32.eqz", c.get(group))));
    const groupColumns = c.hold(c.op("i32.mul", c.get(group), c.i32(COLUMNS)));
    c.for(j, 0, columns, groupColumns, () => {
      c.set(aPanel, c.get(a));
      c.set(at, c.get(out));
      c.set(shift, c.get(bias));
      c.set(wide, c.op("i32.sub", c.get(columns), c.get(j)));
      c.set(wide, c.select(c.get(groupColumns), c.get(wide), c.op("i32.gt_s", c.get(wide), c.get(groupColumns))));
      c.for(i, 0, rows, height, () => {
        c.set(high, c.op("i32.sub", c.get(rows), c.get(i)));
        const [panels, tile] = [
          [c.get(aPanel), c.get(b), c.get(at)],
          [c.get(high), c.get(wide), c.get(depth)],
        ] as const;
        c.run(row, ...panels, ...tile, c.get(rowStride), c.get(bStep), c.get(add), c.get(shift), c.get(bDepth));
        c.if(c.get(bias), () => advance(c, shift, c.i32(height * FLOAT)));
        advance(c, aPanel, c.get(aStep));
        advance(c, at, c.op("i32.mul", c.get(rowStride), c.i32(height)));
      });
      advance(c, b, c.op("i32.mul", c.get(bStep), c.get(group)));
      advance(c, out, c.op("i32.mul", c.get(groupColumns), c.i32(FLOAT)));
    });
  });
}

/** Adds the packed product to a module. */
export function emitGemm(m: ModuleBuilder, fused: boolean): GemmFunctions {
  const remainder = emitRemainder(m);
  const multiplyBiased = emitStraight(m, "multiplyBiased", fused, ROWS, remainder);
  const multiply = m.func("multiply", ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, ...args) => {
    const [a, b, out, rows, columns, depth, rowStride, aStep, bStep, add] = args;
    c.run(
      multiplyBiased,
      c.get(a),
      c.get(b),
      c.get(out),
      c.get(rows),
      c.get(columns),
      c.get(depth),
      c.get(rowStride),
      c.get(aStep),
      c.get(bStep),
      c.get(add),
      c.i32(0),
      c.i32(COLUMNS * FLOAT),
    );
  });
  return {
    packRows: emitPack(m, "packRows", ROWS),
    packTall: emitPack(m, "packTall", TALL),
    packColumns: emitPack(m, "packColumns", COLUMNS),
    multiply,
    multiplyBiased,
    multiplyTall: emitStraight(m, "multiplyTall", fused, TALL, remainder),
    multiplyTurned: emitTurned(m, "multiplyTurned", fused, ROWS),
    multiplyTallTurned: emitTurned(m, "multiplyTallTurned", fused, TALL),
  };
}
