/**
 * Winograd's minimal filtering F(m x m, 3 x 3) for m of 2 and 4 (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"): tiles of
 * (m + 2) x (m + 2) inputs, transformed filters and tiles multiplied position by position, (m + 2)^2 products of matrices in all.
 * Transformed inputs are packed as the rows of those products, four tiles a panel; transformed filters as their columns, eight channels a panel.
 */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, copyRow, FLOAT, type I32, type V128 } from "./emit.ts";
import { COLUMNS, emitTranspose4, type GemmFunctions, ROWS } from "./gemm.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/** Side of a tile of results. */
export type TileSide = 2 | 4;

/**
 * (to, bytes between positions, between panels; from; channels, bytes between planes, rows, columns of `from`; rows and columns to copy; where the
 * first of them goes in a plane of zeros, bytes of that plane's rows; a table of tiles' offsets, panels, what is added to an offset; scratch).
 * Each channel is copied into the plane, whose border stays zero, and its tiles transformed from there.
 */
type InputFunction = Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]>, undefined>;
/**
 * (from, bytes between positions, between tiles; tiles, channels; a table of each tile's offset in a plane of the result and `rows * 8 + columns` that are
 * inside; to, bytes between planes, rows; bias or 0; scratch).
 */
type OutputFunction = Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]>, undefined>;
/** (to, from, filters, channels, byte strides of filters, channels in `from`; bytes between positions): a panel of up to eight filters, whose nine taps lie one after another. */
type FilterFunction = Callable<I32s<[0, 1, 2, 3, 4, 5, 6]>, undefined>;

/**
 * (a, bytes between its positions; b, its; c, its; positions; rows, columns, depth of each product; depth of the panels, add): `multiply` for each position.
 */
type ProductsFunction = Callable<I32s<[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]>, undefined>;

/** For tiles of one side. */
export interface WinogradFunctions {
  readonly products: ProductsFunction;
  readonly input: InputFunction;
  readonly output: OutputFunction;
  readonly filters: FilterFunction;
}

const VECTOR = 16;

/** Arithmetic on vectors that locals hold. */
class Vectors {
  readonly #c: Code;
  readonly #fused: boolean;
  readonly #constants = new Map<number, V128>();

  /** `constants` are loaded here: a constant inside of a loop is built anew on every trip. */
  constructor(c: Code, fused: boolean, constants: readonly number[]) {
    this.#c = c;
    this.#fused = fused;
    for (const value of constants) this.#constants.set(value, c.hold(c.f32x4(value)));
  }
  add(a: V128, b: V128): V128 {
    return this.#c.hold(this.#c.op("f32x4.add", this.#c.get(a), this.#c.get(b)));
  }
  sub(a: V128, b: V128): V128 {
    return this.#c.hold(this.#c.op("f32x4.sub", this.#c.get(a), this.#c.get(b)));
  }
  times(k: number, a: V128): V128 {
    const c = this.#c;
    const factor = this.#constants.get(k) ?? c.hold(c.f32x4(k));
    return c.hold(c.op("f32x4.mul", c.get(a), c.get(factor)));
  }
  /** `sum + k * a` */
  plus(sum: V128, k: number, a: V128): V128 {
    const c = this.#c;
    const factor = this.#constants.get(k) ?? c.hold(c.f32x4(k));
    if (this.#fused) return c.hold(c.op("f32x4.relaxed_madd", c.get(a), c.get(factor), c.get(sum)));
    return c.hold(c.op("f32x4.add", c.get(sum), c.op("f32x4.mul", c.get(a), c.get(factor))));
  }
}

type Six = readonly [V128, V128, V128, V128, V128, V128];
type Four = readonly [V128, V128, V128, V128];

/** A tile's line of inputs, transformed. */
function transformInput(v: Vectors, line: readonly V128[]): readonly V128[] {
  if (line.length === 4) {
    const [d0, d1, d2, d3] = line as unknown as Four; // its length
    return [v.sub(d0, d2), v.add(d1, d2), v.sub(d2, d1), v.sub(d1, d3)];
  }
  const [d0, d1, d2, d3, d4, d5] = line as unknown as Six; // the other length
  const [a, b] = [v.plus(d4, -4, d2), v.plus(d3, -4, d1)];
  const [e, f] = [v.sub(d4, d2), v.sub(d3, d1)];
  return [v.plus(v.plus(d4, -5, d2), 4, d0), v.add(a, b), v.sub(a, b), v.plus(e, 2, f), v.plus(e, -2, f), v.plus(v.plus(d5, -5, d3), 4, d1)];
}

/** A line of products, transformed to results. */
function transformOutput(v: Vectors, line: readonly V128[]): readonly V128[] {
  if (line.length === 4) {
    const [m0, m1, m2, m3] = line as unknown as Four; // its length
    return [v.add(v.add(m0, m1), m2), v.sub(v.sub(m1, m2), m3)];
  }
  const [m0, m1, m2, m3, m4, m5] = line as unknown as Six; // the other length
  const [p, q, s, t] = [v.add(m1, m2), v.sub(m1, m2), v.add(m3, m4), v.sub(m3, m4)];
  return [v.add(v.add(m0, p), s), v.plus(q, 2, t), v.plus(p, 4, s), v.add(v.plus(q, 8, t), m5)];
}

const INPUT_CONSTANTS = { 2: [], 4: [-4, -5, 4, 2, -2] } as const;
const FILTER_CONSTANTS = { 2: [1 / 2], 4: [1 / 4, 1 / 6, -1 / 6, 1 / 12, 1 / 24] } as const;
const OUTPUT_CONSTANTS = { 2: [], 4: [2, 4, 8] } as const;

function emitInput(m: ModuleBuilder, fused: boolean, side: TileSide): InputFunction {
  const across = side + 2;
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return m.func(
    "input",
    params,
    undefined,
    (c, to, step, panelStep, from, channels, planeStride, rowStride, columnStride, rows, columns, inner, pitch, table, panels, base, scratch) => {
      const v = new Vectors(c, fused, INPUT_CONSTANTS[side]);
      const [channel, y, panel, i, tile, out, kept, at] = c.locals("i32", 8);
      const corners = [0, 1, 2, 3].map(() => c.local("i32"));
      const low = [0, 1, 2, 3].map(() => c.local("v128"));
      const high = [0, 1, 2, 3].map(() => c.local("v128"));
      const halves = [0, 1, 2, 3].map(() => c.local("v128"));
      const rowsDown = c.hold(c.op("i32.mul", c.get(step), c.i32(across)));
      const [read, write] = [c.local("i32"), c.local("i32")];
      c.for(channel, 0, channels, 1, () => {
        c.set(read, c.get(from));
        c.set(write, c.get(inner));
        c.for(y, 0, rows, 1, () => {
          copyRow(c, write, read, columns, columnStride);
          advance(c, read, c.get(rowStride));
          advance(c, write, c.get(pitch));
        });
        c.set(tile, c.get(table));
        c.set(out, c.get(to));
        c.for(panel, 0, panels, 1, () => {
          corners.forEach((corner, k) => c.set(corner, c.op("i32.add", c.get(base), c.load("i32.load", c.get(tile), k * FLOAT))));
          c.set(kept, c.get(scratch));
          // Along the rows: lanes are tiles.
          c.for(i, 0, across, 1, () => {
            low.forEach((vector, k) => c.set(vector, c.load("v128.load", c.get(corners[k] ?? tile))));
            emitTranspose4(c, low, halves);
            const line = [...low];
            if (side === 4) {
              high.forEach((vector, k) => c.set(vector, c.load("v128.load64_zero", c.get(corners[k] ?? tile), VECTOR)));
              const [h0, h1, h2, h3] = high as unknown as Four; // four
              const left = c.hold(c.shuffle32(c.get(h0), c.get(h1), [0, 4, 1, 5]));
              const right = c.hold(c.shuffle32(c.get(h2), c.get(h3), [0, 4, 1, 5]));
              line.push(c.hold(c.shuffle32(c.get(left), c.get(right), [0, 1, 4, 5])), c.hold(c.shuffle32(c.get(left), c.get(right), [2, 3, 6, 7])));
            }
            transformInput(v, line).forEach((value, j) => {
              const target = c.get(kept);
              c.store("v128.store", target, c.get(value), j * VECTOR);
            });
            advance(c, kept, c.i32(across * VECTOR));
            for (const corner of corners) advance(c, corner, c.get(pitch));
          });
          // Down the columns.
          c.set(kept, c.get(scratch));
          const first = c.hold(c.get(out));
          c.for(i, 0, across, 1, () => {
            const line = Array.from({ length: across }, (_, k) => c.hold(c.load("v128.load", c.get(kept), k * across * VECTOR)));
            c.set(at, c.get(first));
            transformInput(v, line).forEach((value) => {
              const target = c.get(at);
              c.store("v128.store", target, c.get(value));
              advance(c, at, c.get(rowsDown));
            });
            advance(c, kept, c.i32(VECTOR));
            advance(c, first, c.get(step));
          });
          advance(c, tile, c.i32(4 * FLOAT));
          advance(c, out, c.get(panelStep));
        });
        advance(c, to, c.i32(VECTOR));
        advance(c, from, c.get(planeStride));
      });
    },
  );
}

function emitOutput(m: ModuleBuilder, fused: boolean, side: TileSide): OutputFunction {
  const across = side + 2;
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return m.func("output", params, undefined, (c, from, step, tileStep, tiles, channels, table, to, planeStride, rowStride, bias, scratch) => {
    const v = new Vectors(c, fused, OUTPUT_CONSTANTS[side]);
    const [group, channel, tile, i, at, kept, last, size] = c.locals("i32", 8);
    const shift = c.local("v128");
    const halves = [0, 1, 2, 3].map(() => c.local("v128"));
    const rowsDown = c.hold(c.op("i32.mul", c.get(step), c.i32(across)));
    const store = (row: I32, values: readonly V128[], left: I32, columns: I32): void => {
      const ofChannel: { readonly whole: () => void; readonly lane: (x: number) => Value<"f32"> }[] = [];
      const target = c.hold(c.get(row));
      if (side === 4) {
        emitTranspose4(c, values, halves);
        for (const value of values) {
          ofChannel.push({
            whole: () => c.store("v128.store", c.get(target), c.get(value)),
            lane: (x) => c.extract("f32x4.extract_lane", c.get(value), x),
          });
        }
      } else {
        const [even, odd] = values as unknown as readonly [V128, V128]; // two columns
        const pairs = [c.hold(c.shuffle32(c.get(even), c.get(odd), [0, 4, 1, 5])), c.hold(c.shuffle32(c.get(even), c.get(odd), [2, 6, 3, 7]))];
        for (const pair of pairs) {
          for (const half of [0, 1]) {
            ofChannel.push({
              whole: () => c.store("f64.store", c.get(target), c.extract("f64x2.extract_lane", c.get(pair), half)),
              lane: (x) => c.extract("f32x4.extract_lane", c.get(pair), 2 * half + x),
            });
          }
        }
      }
      ofChannel.forEach(({ whole, lane }, k) => {
        c.if(c.op("i32.gt_s", c.get(left), c.i32(k)), () => {
          c.if(c.op("i32.eq", c.get(columns), c.i32(side)), whole, () => {
            for (let x = 0; x < side - 1; x++) {
              c.if(c.op("i32.gt_s", c.get(columns), c.i32(x)), () => {
                const address = c.get(target);
                c.store("f32.store", address, lane(x), x * FLOAT);
              });
            }
          });
        });
        advance(c, target, c.get(planeStride));
      });
    };
    // Four neighbours at a time, so that a line of the cache is written as a whole.
    c.for(group, 0, tiles, 4, () => {
      c.set(last, c.op("i32.add", c.get(group), c.i32(4)));
      c.set(last, c.select(c.get(last), c.get(tiles), c.op("i32.lt_s", c.get(last), c.get(tiles))));
      c.for(channel, 0, channels, 4, () => {
        const left = c.hold(c.op("i32.sub", c.get(channels), c.get(channel)));
        c.if(c.get(bias), () => c.set(shift, c.load("v128.load", c.op("i32.add", c.get(bias), c.op("i32.shl", c.get(channel), c.i32(2))))));
        const source = c.hold(
          c.op("i32.add", c.op("i32.add", c.get(from), c.op("i32.mul", c.get(group), c.get(tileStep))), c.op("i32.shl", c.get(channel), c.i32(2))),
        );
        const plane = c.hold(c.op("i32.add", c.get(to), c.op("i32.mul", c.get(channel), c.get(planeStride))));
        c.for(tile, group, last, 1, () => {
          const entry = c.hold(c.op("i32.add", c.get(table), c.op("i32.shl", c.get(tile), c.i32(3))));
          c.set(size, c.load("i32.load", c.get(entry), FLOAT));
          c.set(kept, c.get(scratch));
          const first = c.hold(c.get(source));
          // Down the columns: lanes are channels.
          c.for(i, 0, across, 1, () => {
            c.set(at, c.get(first));
            const line = Array.from({ length: across }, () => {
              const value = c.hold(c.load("v128.load", c.get(at)));
              advance(c, at, c.get(rowsDown));
              return value;
            });
            transformOutput(v, line).forEach((value, k) => {
              const target = c.get(kept);
              c.store("v128.store", target, c.get(value), k * across * VECTOR);
            });
            advance(c, kept, c.i32(VECTOR));
            advance(c, first, c.get(step));
          });
          // Along the rows that are inside.
          c.set(kept, c.get(scratch));
          const rows = c.hold(c.op("i32.shr_u", c.get(size), c.i32(3)));
          const columns = c.hold(c.op("i32.and", c.get(size), c.i32(7)));
          const row = c.hold(c.op("i32.add", c.get(plane), c.load("i32.load", c.get(entry))));
          c.for(i, 0, rows, 1, () => {
            const line = Array.from({ length: across }, (_, k) => c.hold(c.load("v128.load", c.get(kept), k * VECTOR)));
            const values = transformOutput(v, line).map((value) => v.add(value, shift));
            store(row, values, left, columns);
            advance(c, kept, c.i32(across * VECTOR));
            advance(c, row, c.get(rowStride));
          });
          advance(c, source, c.get(tileStep));
        });
      });
    });
  });
}

/** A line of three filter taps, transformed. */
function transformFilter(v: Vectors, side: TileSide, [g0, g1, g2]: readonly [V128, V128, V128]): readonly V128[] {
  if (side === 2) {
    const [even, odd] = [v.times(1 / 2, v.add(g0, g2)), v.times(1 / 2, g1)];
    return [g0, v.add(even, odd), v.sub(even, odd), g2];
  }
  const [even, odd] = [v.times(-1 / 6, v.add(g0, g2)), v.times(1 / 6, g1)];
  const [p, q] = [v.plus(v.times(1 / 24, g0), 1 / 6, g2), v.times(1 / 12, g1)];
  return [v.times(1 / 4, g0), v.sub(even, odd), v.add(even, odd), v.add(p, q), v.sub(p, q), g2];
}

/** One panel: eight filters, four at a time. */
function emitFilters(m: ModuleBuilder, fused: boolean, side: TileSide): FilterFunction {
  const across = side + 2;
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return m.func("filters", params, undefined, (c, to, from, filters, channels, filterStride, channelStride, step) => {
    const v = new Vectors(c, fused, FILTER_CONSTANTS[side]);
    const [channel, out, position] = [c.local("i32"), c.local("i32"), c.local("i32")];
    const halves = [0, 1, 2, 3].map(() => c.local("v128"));
    const last = c.hold(c.op("i32.sub", c.get(filters), c.i32(1)));
    for (const half of [0, 1]) {
      // Where there are no more filters, the last one stands in: what it gives is not used.
      const sources = [0, 1, 2, 3].map((k) => {
        const filter = c.hold(c.select(c.i32(4 * half + k), c.get(last), c.op("i32.gt_s", c.get(last), c.i32(4 * half + k))));
        return c.hold(c.op("i32.add", c.get(from), c.op("i32.mul", c.get(filter), c.get(filterStride))));
      });
      const four = (taps: number): V128[] => sources.map((source) => c.hold(c.load("v128.load", c.get(source), taps * FLOAT)));
      c.set(out, c.op("i32.add", c.get(to), c.i32(half * VECTOR)));
      c.for(channel, 0, channels, 1, () => {
        // Lanes become filters, vectors the taps: 0 to 3, 4 to 7, and 8 as the last of 5 to 8.
        const [first, second, third] = [four(0), four(4), four(5)];
        for (const rows of [first, second, third]) emitTranspose4(c, rows, halves);
        const taps = [...first, ...second, ...third.slice(3)];
        const at = (y: number, x: number): V128 => taps[3 * y + x] as V128; // nine taps
        const columns = [0, 1, 2].map((x) => transformFilter(v, side, [at(0, x), at(1, x), at(2, x)]));
        c.set(position, c.get(out));
        for (let i = 0; i < across; i++) {
          const [a, b, d] = columns.map((column) => column[i]) as [V128, V128, V128]; // three columns of `across`
          for (const value of transformFilter(v, side, [a, b, d])) {
            const target = c.get(position);
            c.store("v128.store", target, c.get(value));
            advance(c, position, c.get(step));
          }
        }
        for (const source of sources) advance(c, source, c.get(channelStride));
        advance(c, out, c.i32(COLUMNS * FLOAT));
      });
    }
  });
}

function emitProducts(m: ModuleBuilder, { multiply }: GemmFunctions): ProductsFunction {
  const params = ["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"] as const;
  return m.func("products", params, undefined, (c, a, aStep, b, bStep, out, outStep, positions, rows, columns, depth, panelDepth, add) => {
    const position = c.local("i32");
    c.for(position, 0, positions, 1, () => {
      const bytes = (count: I32, each: number): Value<"i32"> => c.op("i32.mul", c.get(count), c.i32(each));
      c.run(
        multiply,
        c.get(a),
        c.get(b),
        c.get(out),
        c.get(rows),
        c.get(columns),
        c.get(depth),
        bytes(columns, FLOAT),
        bytes(panelDepth, ROWS * FLOAT),
        bytes(panelDepth, COLUMNS * FLOAT),
        c.get(add),
      );
      advance(c, a, c.get(aStep));
      advance(c, b, c.get(bStep));
      advance(c, out, c.get(outStep));
    });
  });
}

export function emitWinograd(m: ModuleBuilder, fused: boolean, gemm: GemmFunctions, side: TileSide): WinogradFunctions {
  return { products: emitProducts(m, gemm), input: emitInput(m, fused, side), output: emitOutput(m, fused, side), filters: emitFilters(m, fused, side) };
}
