/** A row by a matrix, without packing, which would cost as much as the product: a decoder's step is bound by reading the weights. */

import type { Callable, Code } from "../../wasm/code.ts";
import type { ModuleBuilder } from "../../wasm/module.ts";
import { advance, FLOAT, multiplyAdd, type V128 } from "./emit.ts";

export interface VectorProductFunctions {
  /** (x, w, out, depth, columns, byte stride of columns in w): depth is contiguous in w; x and out are contiguous. */
  readonly dots: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32"], undefined>;
  /** (x, w, out, depth, columns, byte stride of depth in w): columns are contiguous in w. */
  readonly combination: Callable<readonly ["i32", "i32", "i32", "i32", "i32", "i32"], undefined>;
}

/** Columns that `dots` takes at a time: four streams, one accumulator each. */
const STREAMS = 4;
/** Vectors of columns that `combination` keeps in registers. */
const VECTORS = 8;

function sumLanes(c: Code, sum: V128): void {
  c.set(sum, c.op("f32x4.add", c.get(sum), c.shuffle32(c.get(sum), c.get(sum), [2, 3, 0, 1])));
  c.set(sum, c.op("f32x4.add", c.get(sum), c.shuffle32(c.get(sum), c.get(sum), [1, 0, 3, 2])));
}

export function emitVectorProducts(m: ModuleBuilder, fused: boolean): VectorProductFunctions {
  /** `streams` columns at once, from `w` on; advances `w` and `out`. */
  const dots = m.func("dots", ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, x, w, out, depth, columns, stride) => {
    const left = c.hold(c.get(columns));
    const whole = c.hold(c.op("i32.and", c.get(depth), c.i32(-4)));
    const at = c.local("i32");
    const k = c.local("i32");
    const strip = (streams: number): void => {
      const sums = Array.from({ length: streams }, () => c.hold(c.f32x4(0)));
      const rows = sums.map((_, i) => c.hold(i === 0 ? c.get(w) : c.op("i32.add", c.get(w), c.op("i32.mul", c.get(stride), c.i32(i)))));
      const values = c.local("v128");
      c.set(at, c.get(x));
      c.for(k, 0, whole, 4, () => {
        c.set(values, c.load("v128.load", c.get(at)));
        sums.forEach((sum, i) => {
          const row = rows[i] ?? w;
          c.set(
            sum,
            multiplyAdd(
              c,
              fused,
              () => c.get(values),
              () => c.load("v128.load", c.get(row)),
              () => c.get(sum),
            ),
          );
          advance(c, row, c.i32(16));
        });
        advance(c, at, c.i32(16));
      });
      // What is left of the depth goes into the lowest lane.
      c.for(k, whole, depth, 1, () => {
        sums.forEach((sum, i) => {
          const row = rows[i] ?? w;
          c.set(
            sum,
            multiplyAdd(
              c,
              fused,
              () => c.load("v128.load32_zero", c.get(at)),
              () => c.load("v128.load32_zero", c.get(row)),
              () => c.get(sum),
            ),
          );
          advance(c, row, c.i32(FLOAT));
        });
        advance(c, at, c.i32(FLOAT));
      });
      sums.forEach((sum, i) => {
        sumLanes(c, sum);
        const to = c.get(out);
        c.store("f32.store", to, c.extract("f32x4.extract_lane", c.get(sum), 0), i * FLOAT);
      });
      advance(c, w, c.op("i32.mul", c.get(stride), c.i32(streams)));
      advance(c, out, c.i32(streams * FLOAT));
      c.set(left, c.op("i32.sub", c.get(left), c.i32(streams)));
    };
    c.block((done) => {
      c.loop((again) => {
        c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(STREAMS)));
        strip(STREAMS);
        c.br(again);
      });
    });
    c.block((done) => {
      c.loop((again) => {
        c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(1)));
        strip(1);
        c.br(again);
      });
    });
  });

  const combination = m.func("combination", ["i32", "i32", "i32", "i32", "i32", "i32"], undefined, (c, x, w, out, depth, columns, stride) => {
    const left = c.hold(c.get(columns));
    const k = c.local("i32");
    const at = c.local("i32");
    const row = c.local("i32");
    const factor = c.local("v128");
    const strip = (vectors: number): void => {
      const sums = Array.from({ length: vectors }, () => c.hold(c.f32x4(0)));
      c.set(at, c.get(x));
      c.set(row, c.get(w));
      c.for(k, 0, depth, 1, () => {
        c.set(factor, c.load("v128.load32_splat", c.get(at)));
        sums.forEach((sum, i) =>
          c.set(
            sum,
            multiplyAdd(
              c,
              fused,
              () => c.get(factor),
              () => c.load("v128.load", c.get(row), 16 * i),
              () => c.get(sum),
            ),
          ),
        );
        advance(c, at, c.i32(FLOAT));
        advance(c, row, c.get(stride));
      });
      sums.forEach((sum, i) => {
        const to = c.get(out);
        c.store("v128.store", to, c.get(sum), 16 * i);
      });
      advance(c, w, c.i32(16 * vectors));
      advance(c, out, c.i32(16 * vectors));
      c.set(left, c.op("i32.sub", c.get(left), c.i32(4 * vectors)));
    };
    for (const vectors of [VECTORS, 1]) {
      c.block((done) => {
        c.loop((again) => {
          c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(4 * vectors)));
          strip(vectors);
          c.br(again);
        });
      });
    }
    const sum = c.local("f32");
    c.block((done) => {
      c.loop((again) => {
        c.brIf(done, c.op("i32.lt_s", c.get(left), c.i32(1)));
        c.set(sum, c.f32(0));
        c.set(at, c.get(x));
        c.set(row, c.get(w));
        c.for(k, 0, depth, 1, () => {
          c.set(sum, c.op("f32.add", c.get(sum), c.op("f32.mul", c.load("f32.load", c.get(at)), c.load("f32.load", c.get(row)))));
          advance(c, at, c.i32(FLOAT));
          advance(c, row, c.get(stride));
        });
        const to = c.get(out);
        c.store("f32.store", to, c.get(sum));
        advance(c, w, c.i32(FLOAT));
        advance(c, out, c.i32(FLOAT));
        c.set(left, c.op("i32.sub", c.get(left), c.i32(1)));
        c.br(again);
      });
    });
  });
  return { dots, combination };
}
