/**
 * A row by a matrix: a decoder's step is bound by reading the weights, so they are read once, in order. A weight that is used again is packed into panels;
 * one stream in order comes from memory two to four times as fast as several rows at once.
 */

import type { Callable, Code, Value } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, emitTrips, FLOAT, type I32, multiplyAdd, SPILL, type V128 } from "./emit.ts";
import { emitPack } from "./gemm.ts";

type I32s<N extends readonly unknown[]> = { readonly [K in keyof N]: "i32" };

/** Columns of a panel: eight sums, enough to hide the latency of adding. */
export const PANEL = 32;
/**
 * Vectors of a panel that one basic block multiplies. V8 puts a block's loads first: eight of them with eight sums would not fit its registers, and
 * a branch that is never taken keeps them apart (56 GB/s without, 89 with it).
 */
export const TOGETHER = 2;

export interface VectorProductFunctions {
  /** (to, from, columns, depth, byte stride of columns, byte stride of depth): panels `[k][32]`, the last one filled with zeros. */
  readonly packPanels: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
  /** (x, panels, out, depth, columns, start or 0): out = start + x w. The start is as long as out. */
  readonly panels: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
  /** (x, w, out, depth, columns, byte stride of columns in w): depth is contiguous in w; x and out are contiguous. */
  readonly dots: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
  /** (x, w, out, depth, columns, byte stride of depth in w): columns are contiguous in w. */
  readonly combination: Callable<I32s<[0, 1, 2, 3, 4, 5]>, undefined>;
}

/** Vectors of depth that `dots` multiplies into sums of their own. */
const UNROLL = 4;
/** Rows that `combination` adds at a time, and vectors of columns. */
const TERMS = 4;
const VECTORS = 2;

/** The sum of lanes in every lane, in the order (0 + 2) + (1 + 3). */
function sumLanes(c: Code, sum: V128): void {
  c.set(sum, c.op("f32x4.add", c.get(sum), c.shuffle32(c.get(sum), c.get(sum), [2, 3, 0, 1])));
  c.set(sum, c.op("f32x4.add", c.get(sum), c.shuffle32(c.get(sum), c.get(sum), [1, 0, 3, 2])));
}

/** Four vectors' sums of lanes as one vector, in the same order. */
function sumsOfLanes(c: Code, [p, q, r, s]: readonly [V128, V128, V128, V128]): Value<"v128"> {
  const halves = (a: V128, b: V128): V128 =>
    c.hold(c.op("f32x4.add", c.shuffle32(c.get(a), c.get(b), [0, 4, 1, 5]), c.shuffle32(c.get(a), c.get(b), [2, 6, 3, 7])));
  const [low, high] = [halves(p, q), halves(r, s)];
  return c.op("f32x4.add", c.shuffle32(c.get(low), c.get(high), [0, 1, 4, 5]), c.shuffle32(c.get(low), c.get(high), [2, 3, 6, 7]));
}

export function emitVectorProducts(m: ModuleBuilder, fused: boolean): VectorProductFunctions {
  const packPanels = emitPack(m, "packPanels", PANEL);
  /** `sum += a * b`. */
  const accumulate = (c: Code, sum: V128, a: () => Value<"v128">, b: () => Value<"v128">): void =>
    c.set(
      sum,
      multiplyAdd(c, fused, a, b, () => c.get(sum)),
    );
  const panels = m.func("panels", ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, x, w, out, depth, columns, start) => {
    const left = c.hold(c.get(columns));
    const end = c.hold(c.op("i32.add", c.get(x), c.op("i32.shl", c.get(depth), c.i32(2))));
    const at = c.local("i32");
    const sums = Array.from({ length: PANEL / 4 }, () => c.local("v128"));
    const factor = c.local("v128");
    const panel = (): void => {
      c.if(
        c.get(start),
        () => {
          sums.forEach((sum, i) => c.set(sum, c.load("v128.load", c.get(start), 16 * i)));
          advance(c, start, c.i32(PANEL * FLOAT));
        },
        () => sums.forEach((sum) => c.set(sum, c.f32x4(0))),
      );
      c.set(at, c.get(x));
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, c.op("i32.ge_u", c.get(at), c.get(end)));
          c.set(factor, c.load("v128.load32_splat", c.get(at)));
          sums.forEach((sum, i) => {
            if (i > 0 && i % TOGETHER === 0) c.brIf(done, c.op("i32.lt_s", c.get(depth), c.i32(0)));
            accumulate(
              c,
              sum,
              () => c.get(factor),
              () => c.load("v128.load", c.get(w), 16 * i),
            );
          });
          advance(c, w, c.i32(PANEL * FLOAT));
          advance(c, at, c.i32(FLOAT));
          c.br(again);
        });
      });
    };
    const store = (to: () => Value<"i32">): void =>
      sums.forEach((sum, i) => {
        const target = to();
        c.store("v128.store", target, c.get(sum), 16 * i);
      });
    emitTrips(c, left, PANEL, () => {
      panel();
      store(() => c.get(out));
      advance(c, out, c.i32(PANEL * FLOAT));
    });
    c.if(c.get(left), () => {
      panel();
      store(() => c.global(SPILL));
      c.memoryCopy(c.get(out), c.global(SPILL), c.op("i32.shl", c.get(left), c.i32(2)));
    });
  });

  const dots = m.func("dots", ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, x, w, out, depth, columns, stride) => {
    const left = c.hold(c.get(columns));
    const bytesOf = (multiple: number): I32 => c.hold(c.op("i32.add", c.get(x), c.op("i32.shl", c.op("i32.and", c.get(depth), c.i32(-multiple)), c.i32(2))));
    const [unrolled, whole, end] = [bytesOf(4 * UNROLL), bytesOf(4), bytesOf(1)];
    const [at, row] = [c.local("i32"), c.local("i32")];
    const sums = Array.from({ length: UNROLL }, () => c.local("v128"));
    const steps = (until: I32, load: "v128.load" | "v128.load32_zero", bytes: number, into: readonly V128[]): void =>
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, c.op("i32.ge_u", c.get(at), c.get(until)));
          into.forEach((sum, i) =>
            accumulate(
              c,
              sum,
              () => c.load(load, c.get(at), bytes * i),
              () => c.load(load, c.get(row), bytes * i),
            ),
          );
          advance(c, at, c.i32(bytes * into.length));
          advance(c, row, c.i32(bytes * into.length));
          c.br(again);
        });
      });
    /** The product with the row at `w`, its lanes not added up yet; `w` goes on to the next. */
    const dot = (): V128 => {
      for (const sum of sums) c.set(sum, c.f32x4(0));
      c.set(at, c.get(x));
      c.set(row, c.get(w));
      steps(unrolled, "v128.load", 16, sums);
      const [first, second, third, last] = sums;
      if (first === undefined || second === undefined || third === undefined || last === undefined) throw new RangeError("four sums");
      steps(whole, "v128.load", 16, [first]);
      steps(end, "v128.load32_zero", FLOAT, [second]);
      advance(c, w, c.get(stride));
      return c.hold(c.op("f32x4.add", c.op("f32x4.add", c.get(first), c.get(second)), c.op("f32x4.add", c.get(third), c.get(last))));
    };
    emitTrips(c, left, 4, () => {
      const four = c.hold(sumsOfLanes(c, [dot(), dot(), dot(), dot()]));
      const to = c.get(out);
      c.store("v128.store", to, c.get(four));
      advance(c, out, c.i32(16));
    });
    emitTrips(c, left, 1, () => {
      const sum = dot();
      sumLanes(c, sum);
      const to = c.get(out);
      c.store("f32.store", to, c.extract("f32x4.extract_lane", c.get(sum), 0));
      advance(c, out, c.i32(FLOAT));
    });
  });

  const combination = m.func("combination", ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, x, w, out, depth, columns, stride) => {
    const [left, to] = [c.local("i32"), c.local("i32")];
    c.memoryFill(c.get(out), c.i32(0), c.op("i32.shl", c.get(columns), c.i32(2)));
    const rows = Array.from({ length: TERMS }, () => c.local("i32"));
    const factors = Array.from({ length: TERMS }, () => c.local("v128"));
    const sums = Array.from({ length: VECTORS }, () => c.local("v128"));
    /** `out += x[k] w[k]` for the next `terms` rows, which `x` and `w` pass. */
    const add = (terms: number): void => {
      const own = rows.slice(0, terms);
      factors.slice(0, terms).forEach((factor, i) => c.set(factor, c.load("v128.load32_splat", c.get(x), FLOAT * i)));
      own.forEach((row, i) => {
        c.set(row, c.get(w));
        advance(c, w, c.get(stride));
        if (i === terms - 1) advance(c, x, c.i32(FLOAT * terms));
      });
      c.set(left, c.get(columns));
      c.set(to, c.get(out));
      const strip = (vectors: number): void => {
        const into = sums.slice(0, vectors);
        into.forEach((sum, v) => c.set(sum, c.load("v128.load", c.get(to), 16 * v)));
        own.forEach((row, i) => {
          into.forEach((sum, v) =>
            accumulate(
              c,
              sum,
              () => c.get(factors[i] ?? sum),
              () => c.load("v128.load", c.get(row), 16 * v),
            ),
          );
          advance(c, row, c.i32(16 * vectors));
        });
        into.forEach((sum, v) => {
          const target = c.get(to);
          c.store("v128.store", target, c.get(sum), 16 * v);
        });
        advance(c, to, c.i32(16 * vectors));
      };
      emitTrips(c, left, 4 * VECTORS, () => strip(VECTORS));
      emitTrips(c, left, 4, () => strip(1));
      const [sum] = sums;
      if (sum === undefined) return;
      emitTrips(c, left, 1, () => {
        c.set(sum, c.load("v128.load32_zero", c.get(to)));
        own.forEach((row, i) => {
          accumulate(
            c,
            sum,
            () => c.get(factors[i] ?? sum),
            () => c.load("v128.load32_zero", c.get(row)),
          );
          advance(c, row, c.i32(FLOAT));
        });
        const target = c.get(to);
        c.store("f32.store", target, c.extract("f32x4.extract_lane", c.get(sum), 0));
        advance(c, to, c.i32(FLOAT));
      });
    };
    const k = c.hold(c.get(depth));
    emitTrips(c, k, TERMS, () => add(TERMS));
    emitTrips(c, k, 1, () => add(1));
  });
  return { packPanels, panels, dots, combination };
}
