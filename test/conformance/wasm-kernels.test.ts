/** The wasm backend's own kernels against the cpu's definitions, over random shapes, strides and masks. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import { attend } from "../../src/ops/aten/attention.ts";
import { matmul } from "../../src/ops/aten/products.ts";
import type { Context } from "../../src/prims/context.ts";
import { Executor } from "../../src/run/executor.ts";
import { contiguousStrides, numelOf } from "../../src/tensor/shape.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";

const host = cpu();
const device = wasm();
const on = (backend: typeof host): Executor => new Executor({ backend, cpu: host, generator: seedTwister(0) });

/** Deterministic values between -1 and 1. */
function noise(shape: readonly number[], seed: number): Tensor {
  let state = (seed * 2654435761) >>> 0 || 1;
  const values = Float32Array.from({ length: numelOf(shape) }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 31 - 1;
  });
  return Tensor.from(values, shape);
}

/** The same shape with the axes of memory in another order: a view with odd strides. */
function laid(shape: readonly number[], order: readonly number[], seed: number): Tensor {
  const base = noise(
    order.map((axis) => shape[axis] ?? 1),
    seed,
  );
  const own = contiguousStrides(base.shape);
  return viewOf(
    base,
    shape,
    shape.map((_, axis) => own[order.indexOf(axis)] ?? 0),
    0,
  );
}

/** The greatest difference of what both backends make; the wasm one has to claim `region` where one is named. */
function difference(make: (ctx: Context) => Tensor, region?: string): number {
  const [want, context] = [make(on(host)), on(device)];
  const got = make(context);
  if (region !== undefined) expect(context.placements.lines.filter((p) => p.what === region && p.backend === "wasm")).not.toEqual([]);
  expect(got.shape).toEqual(want.shape);
  const [a, b] = [got.data, want.data].map((data) => Array.from(data, Number));
  let worst = 0;
  a?.forEach((x, i) => {
    const y = b?.[i] ?? 0;
    if (!Object.is(x, y)) worst = Math.max(worst, Number.isNaN(x) !== Number.isNaN(y) ? Infinity : Math.abs(x - y));
  });
  return worst;
}

const sizes = (max: number): fc.Arbitrary<number> => fc.integer({ min: 1, max });

describe("attention", () => {
  const shapes = fc.record({
    batch: sizes(2),
    heads: sizes(3),
    length: fc.constantFrom(1, 2, 7, 8, 9, 21),
    keys: fc.constantFrom(1, 3, 4, 17, 128, 131, 300),
    width: fc.constantFrom(1, 3, 8, 20),
    depth: fc.constantFrom(1, 4, 7, 20),
    mask: fc.constantFrom("none", "rows", "keys", "added", "whole", "causal"),
    order: fc.constantFrom([0, 1, 2, 3], [0, 2, 1, 3], [0, 1, 3, 2]),
    scale: fc.constantFrom(null, 0.3, -2, 0),
    seed: sizes(1000),
  });
  it("is what its definition gives, whatever the shapes, strides and masks", () => {
    fc.assert(
      fc.property(shapes, ({ batch, heads, length, keys, width, depth, mask, order, scale, seed }) => {
        const make = (ctx: Context): Tensor => {
          const q = laid([batch, heads, length, width], order, seed);
          const k = laid([batch, heads, keys, width], order, seed + 1);
          const v = laid([batch, 1, keys, depth], order, seed + 2);
          const bools = (shape: readonly number[]): Tensor => {
            const values = noise(shape, seed + 3);
            return Tensor.from(
              Uint8Array.from(Array.from(values.data, Number), (x) => (x > 0.2 ? 1 : 0)),
              shape,
              "bool",
            );
          };
          const masks = {
            none: null,
            causal: null,
            rows: bools([length, keys]),
            keys: bools([batch, 1, 1, keys]),
            added: noise([1, heads, length, keys], seed + 4),
            whole: bools([batch, heads, length, 1]),
          };
          return attend(ctx, q, k, v, { mask: masks[mask], causal: mask === "causal", scale, dropout: 0, grouped: false, wants: "output" }).out;
        };
        expect(difference(make, "attention")).toBeLessThan(4e-6);
      }),
      { numRuns: 150 },
    );
  }, 30_000);

  it("gives zeros where a query sees nothing", () => {
    const mask = Tensor.from(new Uint8Array(12), [3, 4], "bool");
    const { out } = attend(on(device), noise([3, 8], 1), noise([4, 8], 2), noise([4, 8], 3), {
      mask,
      causal: false,
      scale: null,
      dropout: 0,
      grouped: false,
      wants: "output",
    });
    expect(Array.from(out.data, Number)).toEqual(new Array(24).fill(0));
  });
});

describe("a row by a matrix", () => {
  it("is what its definition gives, by rows, by columns and packed", () => {
    const shapes = fc.record({
      depth: fc.constantFrom(0, 1, 3, 4, 15, 16, 33, 200),
      columns: fc.constantFrom(1, 3, 8, 23, 24, 25, 100),
      order: fc.constantFrom([0, 1], [1, 0]),
      made: fc.boolean(),
      flip: fc.boolean(),
      seed: sizes(1000),
    });
    fc.assert(
      fc.property(shapes, ({ depth, columns, order, made, flip, seed }) => {
        const make = (ctx: Context): Tensor => {
          const x = noise([1, depth], seed);
          const weight = laid([depth, columns], order, seed + 1);
          // What a call made is no weight, so that nothing of it is kept.
          const w =
            made && depth > 0 ? matmul(ctx, Tensor.from([1], [1, 1], "float32"), viewOf(weight, [1, depth * columns], [depth * columns, 1], 0)) : weight;
          const right = made && depth > 0 ? viewOf(w, weight.shape, weight.strides, 0) : weight;
          const turned = (t: Tensor): Tensor => viewOf(t, [...t.shape].reverse(), [...t.strides].reverse(), t.offset);
          return flip ? matmul(ctx, turned(right), turned(x)) : matmul(ctx, x, right);
        };
        expect(difference(make)).toBeLessThan(1e-5);
      }),
      { numRuns: 150 },
    );
  }, 30_000);
});
