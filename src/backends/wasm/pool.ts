/** Reductions over regular windows of planes: first along the rows of a window, then along its columns. */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, FLOAT, type I32 } from "./emit.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

export interface PoolFunctions {
  /** (to, indices, from, planes, geometry): maxima and their flat positions in the plane, element by element. */
  readonly maxPositions: Callable<I32s<[0, 1, 2, 3, 4]>, undefined>;
  /** (to, from, planes, geometry, room): maxima; room has `roomOf` floats. */
  readonly maxPlanes: Callable<I32s<[0, 1, 2, 3, 4]>, undefined>;
  /** (to, from, planes, geometry, room): sums, divided as the geometry says. */
  readonly sumPlanes: Callable<I32s<[0, 1, 2, 3, 4]>, undefined>;
}

/** How a sum is divided: by a fixed number, by the window with its padding, by what lies inside. */
export const DIVIDE = { fixed: 0, window: 1, inside: 2 } as const;

/** Floats that are read and written past the end of a row: two vectors of a row at a stride of two. */
const SLACK = 16;

/** Floats of room for planes whose windows reach over so many columns and give so many. */
export function roomOf(reach: number, outColumns: number): number {
  return reach + outColumns + 3 * SLACK;
}

/**
 * Words: rows, columns of a plane; rows, columns of its result; kernel, stride, padding before, dilation, padding after, each for rows and columns; how
 * sums are divided; the fixed divisor as a float.
 */
const WORDS = [
  "rows",
  "columns",
  "outRows",
  "outColumns",
  "kernelY",
  "kernelX",
  "strideY",
  "strideX",
  "padY",
  "padX",
  "dilateY",
  "dilateX",
  "endY",
  "endX",
  "mode",
] as const;
type Geometry = { readonly [K in (typeof WORDS)[number]]: I32 };

function geometryOf(c: Code, at: I32): Geometry {
  return Object.fromEntries(WORDS.map((name, k) => [name, c.hold(c.load("i32.load", c.get(at), FLOAT * k))])) as Geometry; // the same names
}

const plus = (c: Code, a: I32, b: I32): Value<"i32"> => c.op("i32.add", c.get(a), c.get(b));
const times = (c: Code, a: I32, b: I32): Value<"i32"> => c.op("i32.mul", c.get(a), c.get(b));
const inBytes = (c: Code, words: Value<"i32">): Value<"i32"> => c.op("i32.shl", words, c.i32(2));

export function emitPools(m: ModuleBuilder): PoolFunctions {
  return { maxPositions: emitPositions(m), maxPlanes: emitPlanes(m, "maxPlanes", true), sumPlanes: emitPlanes(m, "sumPlanes", false) };
}

function emitPositions(m: ModuleBuilder): PoolFunctions["maxPositions"] {
  return m.func("maxPositions", ["i32", "i32", "i32", "i32", "i32"], undefined, (c, to, indices, from, planes, geometry) => {
    const g = geometryOf(c, geometry);
    const i32 = (): I32 => c.local("i32");
    const [plane, oy, ox, y, x, ky, kx, top, side, where, cell] = [i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32(), i32()];
    const [best, value] = [c.local("f32"), c.local("f32")];
    c.for(plane, 0, planes, 1, () => {
      c.set(top, c.op("i32.sub", c.i32(0), c.get(g.padY)));
      c.for(oy, 0, g.outRows, 1, () => {
        c.set(side, c.op("i32.sub", c.i32(0), c.get(g.padX)));
        c.for(ox, 0, g.outColumns, 1, () => {
          c.set(best, c.f32(-Infinity));
          c.set(where, c.i32(-1));
          c.set(y, c.get(top));
          c.for(ky, 0, g.kernelY, 1, () => {
            c.if(c.op("i32.lt_u", c.get(y), c.get(g.rows)), () => {
              c.set(x, c.get(side));
              c.for(kx, 0, g.kernelX, 1, () => {
                c.if(c.op("i32.lt_u", c.get(x), c.get(g.columns)), () => {
                  c.set(cell, c.op("i32.add", times(c, y, g.columns), c.get(x)));
                  c.set(value, c.load("f32.load", c.op("i32.add", c.get(from), inBytes(c, c.get(cell)))));
                  // The first of equals wins and NaN wins over all, the last NaN by its place.
                  const isNaN = (): Value<"i32"> => c.op("f32.ne", c.get(value), c.get(value));
                  const first = (): Value<"i32"> => c.op("i32.lt_s", c.get(where), c.i32(0));
                  c.if(c.op("i32.or", c.op("i32.or", c.op("f32.gt", c.get(value), c.get(best)), isNaN()), first()), () => {
                    c.set(best, c.get(value));
                    c.set(where, c.get(cell));
                  });
                });
                advance(c, x, c.get(g.dilateX));
              });
            });
            advance(c, y, c.get(g.dilateY));
          });
          const at = c.get(to);
          c.store("f32.store", at, c.get(best));
          advance(c, to, c.i32(FLOAT));
          const index = c.get(indices);
          c.store("i64.store", index, c.op("i64.extend_i32_s", c.get(where)));
          advance(c, indices, c.i32(8));
          advance(c, side, c.get(g.strideX));
        });
        advance(c, top, c.get(g.strideY));
      });
      advance(c, from, inBytes(c, times(c, g.rows, g.columns)));
    });
  });
}

/** Positions of a window from `start` that count: with its padding, or only those inside `size`. */
function emitCount(c: Code, into: I32, mode: I32, start: I32, kernel: I32, dilation: I32, size: I32, end: I32): void {
  const [k, x, limit] = [c.local("i32"), c.local("i32"), c.local("i32")];
  c.if(
    c.op("i32.eq", c.get(mode), c.i32(DIVIDE.window)),
    () => {
      c.set(limit, plus(c, size, end));
      c.set(x, plus(c, start, kernel));
      c.set(into, c.op("i32.sub", c.select(c.get(x), c.get(limit), c.op("i32.lt_s", c.get(x), c.get(limit))), c.get(start)));
    },
    () => {
      c.set(into, c.i32(0));
      c.set(x, c.get(start));
      c.for(k, 0, kernel, 1, () => {
        advance(c, into, c.op("i32.lt_u", c.get(x), c.get(size)));
        advance(c, x, c.get(dilation));
      });
    },
  );
}

function emitPlanes(m: ModuleBuilder, name: string, max: boolean): PoolFunctions["maxPlanes"] {
  return m.func(name, ["i32", "i32", "i32", "i32", "i32"], undefined, (c, to, from, planes, geometry, room) => {
    const g = geometryOf(c, geometry);
    const i32 = (): I32 => c.local("i32");
    const [plane, oy, ox, y, x, k, i, top, side, at, row, left, count] = [
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
      i32(),
    ];
    const [value, other, divisor] = [c.local("v128"), c.local("v128"), c.local("v128")];
    const single = c.local("f32");
    const neutral = (): Value<"v128"> => c.f32x4(max ? -Infinity : 0);
    const join = (a: Value<"v128">, b: Value<"v128">): Value<"v128"> => c.op(max ? "f32x4.max" : "f32x4.add", a, b);
    // A row that windows reach over: what lies in the plane, between neutral borders.
    const reach = c.hold(
      c.op(
        "i32.add",
        c.op("i32.mul", c.op("i32.sub", c.get(g.outColumns), c.i32(1)), c.get(g.strideX)),
        c.op("i32.mul", c.op("i32.sub", c.get(g.kernelX), c.i32(1)), c.get(g.dilateX)),
      ),
    );
    const counts = c.hold(c.op("i32.add", c.get(room), inBytes(c, c.op("i32.add", c.get(reach), c.i32(2 * SLACK)))));
    c.set(i, c.op("i32.sub", c.op("i32.add", c.get(reach), c.i32(1)), c.get(g.padX)));
    c.set(left, c.select(c.get(g.columns), c.get(i), c.op("i32.lt_s", c.get(g.columns), c.get(i))));
    const inside = c.hold(c.select(c.get(left), c.i32(0), c.op("i32.gt_s", c.get(left), c.i32(0))));
    const start = c.hold(c.op("i32.add", c.get(room), inBytes(c, c.get(g.padX))));
    const end = c.hold(c.op("i32.add", c.get(reach), c.i32(2 * SLACK)));
    c.set(at, c.get(room));
    c.for(i, 0, end, 4, () => {
      const target = c.get(at);
      c.store("v128.store", target, neutral());
      advance(c, at, c.i32(16));
    });
    if (!max) {
      // By how much the sums of each column are divided; a vector too many is read.
      c.set(at, c.get(counts));
      c.set(side, c.op("i32.sub", c.i32(0), c.get(g.padX)));
      c.for(ox, 0, g.outColumns, 1, () => {
        c.if(
          c.op("i32.eq", c.get(g.mode), c.i32(DIVIDE.fixed)),
          () => c.set(single, c.load("f32.load", c.get(geometry), FLOAT * WORDS.length)),
          () => {
            emitCount(c, count, g.mode, side, g.kernelX, g.dilateX, g.columns, g.endX);
            c.set(single, c.op("f32.convert_i32_s", c.get(count)));
          },
        );
        const target = c.get(at);
        c.store("f32.store", target, c.get(single));
        advance(c, at, c.i32(FLOAT));
        advance(c, side, c.get(g.strideX));
      });
    }
    /** Joins `from`'s row at `y` to the room's, or puts it there. */
    const addRow = (joined: boolean): void => {
      c.set(row, c.op("i32.add", c.get(from), inBytes(c, times(c, y, g.columns))));
      if (!joined) return c.memoryCopy(c.get(start), c.get(row), inBytes(c, c.get(inside)));
      c.set(at, c.get(start));
      c.set(left, c.get(inside));
      for (const width of [4, 1] as const) {
        c.block((done) => {
          c.loop((again) => {
            c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(width)));
            const load = (p: I32): Value<"v128"> => (width === 4 ? c.load("v128.load", c.get(p)) : c.load("v128.load32_splat", c.get(p)));
            c.set(value, join(load(at), load(row)));
            const target = c.get(at);
            if (width === 4) c.store("v128.store", target, c.get(value));
            else c.store("f32.store", target, c.extract("f32x4.extract_lane", c.get(value), 0));
            advance(c, at, c.i32(4 * width));
            advance(c, row, c.i32(4 * width));
            c.set(left, c.op("i32.sub", c.get(left), c.i32(width)));
            c.br(again);
          });
        });
      }
    };
    /** The next four of a row: joins what `load` gives for each column of the window. */
    const across = (load: () => Value<"v128">): void => {
      c.set(value, load());
      c.set(k, c.i32(1));
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, c.op("i32.ge_s", c.get(k), c.get(g.kernelX)));
          advance(c, row, inBytes(c, c.get(g.dilateX)));
          c.set(value, join(c.get(value), load()));
          advance(c, k, c.i32(1));
          c.br(again);
        });
      });
    };
    const gathered = (): Value<"v128"> => {
      const step = c.hold(inBytes(c, c.get(g.strideX)));
      const p = c.hold(c.get(row));
      c.set(other, c.load("v128.load32_splat", c.get(p)));
      for (let lane = 1; lane < 4; lane++) {
        advance(c, p, c.get(step));
        c.set(other, c.replace("f32x4.replace_lane", c.get(other), lane, c.load("f32.load", c.get(p))));
      }
      return c.get(other);
    };
    c.for(plane, 0, planes, 1, () => {
      c.set(top, c.op("i32.sub", c.i32(0), c.get(g.padY)));
      c.for(oy, 0, g.outRows, 1, () => {
        c.set(count, c.i32(0));
        c.set(y, c.get(top));
        c.for(k, 0, g.kernelY, 1, () => {
          c.if(c.op("i32.lt_u", c.get(y), c.get(g.rows)), () => {
            c.if(
              c.get(count),
              () => addRow(true),
              () => addRow(false),
            );
            c.set(count, c.i32(1));
          });
          advance(c, y, c.get(g.dilateY));
        });
        c.if(c.op("i32.eqz", c.get(count)), () => {
          c.set(at, c.get(start));
          c.for(x, 0, inside, 1, () => {
            const target = c.get(at);
            c.store("f32.store", target, c.f32(max ? -Infinity : 0));
            advance(c, at, c.i32(FLOAT));
          });
        });
        if (!max) {
          c.set(count, c.i32(1));
          c.if(c.op("i32.ne", c.get(g.mode), c.i32(DIVIDE.fixed)), () => emitCount(c, count, g.mode, top, g.kernelY, g.dilateY, g.rows, g.endY));
          c.set(divisor, c.op("f32x4.splat", c.op("f32.convert_i32_s", c.get(count))));
        }
        c.for(ox, 0, g.outColumns, 4, () => {
          c.set(row, c.op("i32.add", c.get(room), inBytes(c, times(c, ox, g.strideX))));
          c.if(
            c.op("i32.eq", c.get(g.strideX), c.i32(1)),
            () => across(() => c.load("v128.load", c.get(row))),
            () =>
              c.if(
                c.op("i32.eq", c.get(g.strideX), c.i32(2)),
                () => across(() => c.shuffle32(c.load("v128.load", c.get(row)), c.load("v128.load", c.get(row), 16), [0, 2, 4, 6])),
                () => across(gathered),
              ),
          );
          if (!max) {
            const column = c.hold(c.op("i32.add", c.get(counts), inBytes(c, c.get(ox))));
            c.set(value, c.op("f32x4.div", c.get(value), c.op("f32x4.mul", c.load("v128.load", c.get(column)), c.get(divisor))));
          }
          c.set(left, c.op("i32.sub", c.get(g.outColumns), c.get(ox)));
          c.if(
            c.op("i32.ge_s", c.get(left), c.i32(4)),
            () => {
              const target = c.get(to);
              c.store("v128.store", target, c.get(value));
              advance(c, to, c.i32(16));
            },
            () => {
              for (let lane = 0; lane < 3; lane++)
                c.if(c.op("i32.gt_s", c.get(left), c.i32(lane)), () => {
                  const target = c.get(to);
                  c.store("f32.store", target, c.extract("f32x4.extract_lane", c.get(value), lane));
                  advance(c, to, c.i32(FLOAT));
                });
            },
          );
        });
        advance(c, top, c.get(g.strideY));
      });
      advance(c, from, inBytes(c, times(c, g.rows, g.columns)));
    });
  });
}
