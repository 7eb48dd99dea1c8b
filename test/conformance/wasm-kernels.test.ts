/** The wasm backend's own kernels against the cpu's definitions, over random shapes, strides and masks. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import { attend } from "../../src/ops/aten/attention.ts";
import { meanOf, varianceOf } from "../../src/ops/aten/normalization.ts";
import { matmul } from "../../src/ops/aten/products.ts";
import { plainSide, uniformLayer } from "../../src/ops/aten/recurrent.ts";
import { extremum, sum } from "../../src/ops/aten/reduction.ts";
import { binary, constant, index, load } from "../../src/expr/expr.ts";
import { compute, contract, copyOf, empty, map } from "../../src/prims/calls.ts";
import { computeType, type Program } from "../../src/prims/program.ts";
import { narrowed } from "../../src/prims/views.ts";
import type { Context } from "../../src/prims/context.ts";
import { Executor } from "../../src/run/executor.ts";
import { contiguousStrides, numelOf } from "../../src/tensor/shape.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";

const ZERO: Program = { name: "zero", operands: [], scalars: [], outputs: [{ dtype: "float32", parts: [constant(0, "f32")] }], messages: [] };
const host = cpu();
const device = wasm();
await device.extend?.();
const on = (backend: typeof host): Executor => new Executor({ backend, cpu: host, generator: seedTwister(0) });

/** Deterministic values between -`size` and `size`. */
function noise(shape: readonly number[], seed: number, size = 1): Tensor {
  let state = (seed * 2654435761) >>> 0 || 1;
  const values = Float32Array.from({ length: numelOf(shape) }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) / 2 ** 31 - 1) * size;
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

/** The greatest difference of what both backends make, relative to the greatest value above 1; the wasm one has to claim `region` where one is named. */
function difference(make: (ctx: Context) => Tensor, region?: string): number {
  const [want, context] = [make(on(host)), on(device)];
  const got = make(context);
  if (region !== undefined) expect(context.placements.lines().filter((p) => p.what === region && p.backend === "wasm")).not.toEqual([]);
  expect(got.shape).toEqual(want.shape);
  const [a, b] = [got.data, want.data].map((data) => Array.from(data, Number));
  const scale = (b ?? []).reduce((most, y) => (Math.abs(y) > most ? Math.abs(y) : most), 1);
  let worst = 0;
  a?.forEach((x, i) => {
    const y = b?.[i] ?? 0;
    if (!Object.is(x, y)) worst = Math.max(worst, Number.isNaN(x) !== Number.isNaN(y) ? Infinity : Math.abs(x - y) / scale);
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

/** The same as a weight, whose packed form is kept. */
const lasting = (t: Tensor): Tensor => {
  const bytes = t.storage.bytes().slice();
  return new Tensor(
    Storage.lazy(bytes.length, () => bytes),
    t.dtype,
    t.shape,
    t.strides,
  );
};

describe("products", () => {
  it("are what their definition gives, at any size, lying any way", () => {
    const orders = fc.constantFrom([0, 1], [1, 0]);
    const shapes = fc.record({
      rows: fc.oneof(fc.integer({ min: 2, max: 20 }), fc.constantFrom(127, 128, 129, 135)),
      depth: fc.constantFrom(1, 3, 4, 17, 511, 513),
      columns: fc.oneof(fc.integer({ min: 2, max: 20 }), fc.constantFrom(255, 256, 259)),
      left: orders,
      right: orders,
      seed: sizes(1000),
    });
    fc.assert(
      fc.property(shapes, ({ rows, depth, columns, left, right, seed }) => {
        const make = (ctx: Context): Tensor => matmul(ctx, laid([rows, depth], left, seed), laid([depth, columns], right, seed + 1));
        expect(difference(make)).toBeLessThan(1e-4);
      }),
      { numRuns: 100 },
    );
  }, 30_000);

  it("are exact where every sum is a small whole number, of no rows, columns or depth too", () => {
    const whole = (shape: readonly number[], order: readonly number[], seed: number): Tensor => {
      const t = laid(shape, order, seed);
      const numbers = Float32Array.from(Array.from(noise([numelOf(shape)], seed).data, Number), (x) => Math.round(4 * x));
      return viewOf(Tensor.from(numbers, [numbers.length]), shape, t.strides, 0);
    };
    const orders = fc.constantFrom([0, 1], [1, 0]);
    const shapes = fc.record({
      rows: fc.constantFrom(0, 1, 2, 5, 6, 7, 8, 12, 13, 130),
      depth: fc.constantFrom(0, 1, 2, 5, 512, 513, 1023, 2050),
      columns: fc.constantFrom(0, 1, 7, 8, 9, 33, 130),
      left: orders,
      right: orders,
      // A part of each operand, so that rows and columns are further apart than they are long.
      within: fc.boolean(),
      seed: sizes(1000),
    });
    fc.assert(
      fc.property(shapes, ({ rows, depth, columns, left, right, within, seed }) => {
        const more = within ? 3 : 0;
        const [a, b] = [whole([rows + more, depth + more], left, seed), whole([depth + more, columns + more], right, seed + 1)];
        const skip = (t: Tensor): number => (within ? t.strides.reduce((sum, stride) => sum + stride, 0) : 0);
        const make = (ctx: Context): Tensor => matmul(ctx, viewOf(a, [rows, depth], a.strides, skip(a)), viewOf(b, [depth, columns], b.strides, skip(b)));
        expect(difference(make)).toBe(0);
      }),
      { numRuns: 60 },
    );
  }, 30_000);

  it("sum up to 512 steps of depth at a time, and add these sums in order, however many rows and columns there are", () => {
    const depth = 2100; // more than rows are packed at a time
    const bits = (x: Float32Array): Uint32Array => new Uint32Array(x.buffer);
    for (const [rows, columns] of [
      [2, 9],
      [13, 70],
      [140, 270],
    ] as const) {
      const [x, w] = [noise([rows, depth], 3), noise([depth, columns], 4)];
      const product = (from: number, count: number): Float32Array => {
        const y = matmul(on(device), viewOf(x, [rows, count], [depth, 1], from), viewOf(w, [count, columns], [columns, 1], from * columns));
        void y.storage.sync();
        return Float32Array.from(y.data, Number);
      };
      const sums = product(0, 512);
      for (let from = 512; from < depth; from += 512) product(from, Math.min(512, depth - from)).forEach((y, i) => (sums[i] = (sums[i] ?? 0) + y));
      expect(bits(product(0, depth))).toEqual(bits(sums));
    }
  });

  it("give a row the same bits whichever tile it falls into", () => {
    const [rows, depth, columns] = [19, 515, 11];
    const [x, w] = [noise([rows, depth], 1), noise([depth, columns], 2)];
    const bits = (from: number, count: number): Uint32Array => {
      const y = matmul(on(device), viewOf(x, [count, depth], [depth, 1], from * depth), w);
      void y.storage.sync();
      return new Uint32Array(Float32Array.from(y.data, Number).buffer);
    };
    const whole = bits(0, rows);
    for (let from = 0; from < rows - 1; from++) {
      for (let count = 2; from + count <= rows; count++) expect(bits(from, count)).toEqual(whole.slice(from * columns, (from + count) * columns));
    }
  });

  it("give the same bits whether columns are packed for one product, for many blocks of rows, or once for all", () => {
    const [depth, columns] = [1030, 261];
    const [x, w] = [noise([1030, depth], 1), noise([depth, columns], 2)];
    const bits = (rows: number, right: Tensor): Uint32Array => {
      const y = matmul(on(device), viewOf(x, [rows, depth], [depth, 1], 0), right);
      void y.storage.sync();
      return new Uint32Array(Float32Array.from(y.data, Number).buffer);
    };
    const many = bits(1030, w);
    for (const rows of [3, 130, 512, 513]) {
      expect(bits(rows, w)).toEqual(many.slice(0, rows * columns));
      expect(bits(rows, lasting(w))).toEqual(many.slice(0, rows * columns));
    }
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

describe("recurrent layers", () => {
  it("are what their definition gives, in any order of gates", () => {
    const shapes = fc.record({
      name: fc.constantFrom("lstm", "gru", "rnn_tanh", "rnn_relu"),
      time: sizes(4),
      batch: sizes(3),
      features: sizes(9),
      units: fc.constantFrom(1, 3, 4, 7, 24, 30),
      projected: fc.boolean(),
      biased: fc.boolean(),
      reverse: fc.boolean(),
      turned: fc.boolean(),
      seed: sizes(1000),
    });
    fc.assert(
      fc.property(shapes, ({ name, time, batch, features, units, projected, biased, reverse, turned, seed }) => {
        const gates = { lstm: 4, gru: 3, rnn_tanh: 1, rnn_relu: 1 }[name];
        const size = projected && name === "lstm" ? 2 : units;
        const order = turned ? Array.from({ length: gates }, (_, k) => gates - 1 - k) : undefined;
        // Weights as PyTorch begins with: greater ones make a step's rounding grow with every further step, whatever computes it.
        const weight = (shape: readonly number[], at: number): Tensor => noise(shape, seed + at, 1 / Math.sqrt(units));
        const bias = (at: number): Tensor | null => (biased ? weight([gates * units], at) : null);
        const make = (ctx: Context): Tensor => {
          const projection = size === units ? null : weight([size, units], 5);
          const side = plainSide(weight([gates * units, features], 0), weight([gates * units, size], 1), bias(2), bias(3), projection, order);
          // One buffer for all results, so that each of them is compared.
          const all = empty(ctx, [time * batch + 2 * batch, Math.max(size, units)], "float32");
          const rows = (from: number, count: number, width: number): Tensor => narrowed(narrowed(all, 0, from, count), 1, 0, width);
          const [h0, c0] = [noise([batch, size], seed + 6), name === "lstm" ? noise([batch, units], seed + 7) : undefined];
          map(ctx, ZERO, [], [], [all]);
          const states = { h0, c0, hn: rows(time * batch, batch, size), cn: c0 === undefined ? undefined : rows((time + 1) * batch, batch, units) };
          uniformLayer(ctx, name, noise([time * batch, features], seed + 8), time, side, states, reverse, rows(0, time * batch, size));
          return all;
        };
        // 32 u max(1, |ref|) sqrt(T): the budget of recurrent layers.
        expect(difference(make, name)).toBeLessThan(32 * 2 ** -24 * Math.sqrt(time));
      }),
      { numRuns: 150 },
    );
  }, 30_000);
});

describe("reductions", () => {
  it("give the same bits by vectors, along contiguous rows, as one element at a time", () => {
    const shapes = fc.record({
      rows: fc.integer({ min: 2, max: 4 }),
      columns: sizes(23),
      hole: fc.constantFrom(undefined, NaN, -0, Infinity),
      seed: sizes(1000),
    });
    fc.assert(
      fc.property(shapes, ({ rows, columns, hole, seed }) => {
        const x = noise([rows, columns], seed);
        if (hole !== undefined) x.data[columns >> 1] = hole;
        const turned = empty(on(host), [columns, rows], "float32");
        for (let i = 0; i < x.numel; i++) turned.data[(i % columns) * rows + Math.floor(i / columns)] = Number(x.data[i]);
        const values = (t: Tensor): number[] => {
          const ctx = on(device);
          const m = meanOf(ctx, t, [1], "float32");
          const all = [sum(ctx, t, [1], true), m, varianceOf(ctx, t, m, [1], "float32"), extremum(ctx, t, [1], true, true), extremum(ctx, t, [1], true, false)];
          return all.flatMap((r) => Array.from(r.data, Number));
        };
        expect(values(x)).toEqual(values(viewOf(turned, [rows, columns], [1, rows], 0)));
      }),
      { numRuns: 100 },
    );
  });

  it("give a column the same bits, however many lie beside it", () => {
    const shapes = fc.record({
      planes: fc.integer({ min: 1, max: 3 }),
      rows: fc.integer({ min: 2, max: 23 }),
      columns: fc.integer({ min: 1, max: 45 }),
      hole: fc.constantFrom(undefined, NaN, -0, Infinity),
      seed: sizes(1000),
    });
    fc.assert(
      fc.property(shapes, ({ planes, rows, columns, hole, seed }) => {
        const x = noise([planes, rows, columns], seed);
        if (hole !== undefined) x.data[columns >> 1] = hole;
        const values = (t: Tensor): number[][] => {
          const ctx = on(device);
          const m = meanOf(ctx, t, [0, 1], "float32");
          const all = [
            sum(ctx, t, [0, 1], true),
            m,
            varianceOf(ctx, t, m, [0, 1], "float32"),
            extremum(ctx, t, [0, 1], true, true),
            extremum(ctx, t, [1], true, false),
          ];
          return all.map((r) => Array.from(r.data, Number));
        };
        const alone = Array.from({ length: columns }, (_, column) => values(viewOf(x, [planes, rows, 1], x.strides, column)));
        values(x).forEach((of, k) => {
          const one = alone.map((column) => column[k] ?? []);
          expect(of).toEqual(Array.from({ length: of.length }, (_, i) => one[i % columns]?.[Math.floor(i / columns)]));
        });
      }),
      { numRuns: 100 },
    );
  });
});

describe("gathers", () => {
  it("of whole rows are what one element at a time gives, at any dtype, width and stride", () => {
    const shapes = fc.record({ width: sizes(37), dtype: fc.constantFrom("float32", "float64", "int16", "bool", "int64"), step: sizes(2), seed: sizes(1000) });
    fc.assert(
      fc.property(shapes, ({ width, dtype, step, seed }) => {
        const place = index(0);
        const row = binary("sub", constant(2, "index"), place);
        const program: Program = {
          name: "rows",
          operands: [dtype],
          scalars: [],
          outputs: [{ dtype, parts: [load(0, computeType(dtype), [row, index(1)])] }],
          messages: [],
        };
        const make = (ctx: Context): Tensor => {
          const wide = copyOf(ctx, noise([4, width * step], seed, 100), dtype);
          const [rows = wide] = compute(ctx, program, [3, width], [viewOf(wide, [3, width], [width * step, step], width * step)]);
          return copyOf(ctx, rows, "float64");
        };
        expect(difference(make)).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});

describe("windows", () => {
  it("are what their definition gives, at any stride, padding, dilation and divisor", () => {
    const axis = fc.record({
      size: sizes(19),
      kernel: sizes(4),
      stride: sizes(4),
      pad: fc.constantFrom(0, 1),
      dilation: sizes(2),
      extra: fc.constantFrom(0, 1),
    });
    const shapes = fc.record({
      planes: sizes(3),
      axes: fc.array(axis, { minLength: 1, maxLength: 2 }),
      max: fc.boolean(),
      divisor: fc.constantFrom("window" as const, "inside" as const, 3),
      hole: fc.boolean(),
      seed: sizes(1000),
    });
    fc.assert(
      fc.property(shapes, ({ planes, axes, max: isMax, divisor, hole, seed }) => {
        const dilations = axes.map((a) => (isMax ? a.dilation : 1));
        const sizesOut = axes.map(
          (a, i) =>
            Math.floor((a.size + 2 * Math.min(a.pad, a.kernel - 1) + Math.min(a.extra, a.stride - 1) - (dilations[i] ?? 1) * (a.kernel - 1) - 1) / a.stride) +
            1,
        );
        fc.pre(sizesOut.every((n) => n > 0));
        const x = noise([planes, ...axes.map((a) => a.size)], seed);
        if (hole) x.data[0] = NaN;
        const make = (ctx: Context): Tensor => {
          const out = empty(ctx, [planes, ...sizesOut], "float32");
          const pads = axes.map((a) => Math.min(a.pad, a.kernel - 1));
          ctx.run({
            kind: "window",
            reduction: isMax ? "max" : "sum",
            operands: [x],
            results: [out],
            scalars: [],
            kernel: axes.map((a) => a.kernel),
            stride: axes.map((a) => a.stride),
            padBegin: pads,
            padEnd: pads,
            dilation: dilations,
            divisor,
          });
          return out;
        };
        expect(difference(make)).toBeLessThan(1e-6);
      }),
      { numRuns: 200 },
    );
  });
});

describe("conversions of floats", () => {
  const INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool"] as const;
  it("to whole numbers have the cpu's bits, out of range and of what is no number too", () => {
    const edges = [7, 8, 15, 16, 31, 32, 52, 62, 63, 64, 100].flatMap((bits) => [2 ** bits - 1, 2 ** bits - 0.5, 2 ** bits, 2 ** bits + 1, 2 ** bits * 1.75]);
    const values = [0, -0, 0.5, 0.99, 1.5, 2.5, NaN, Infinity, ...edges].flatMap((x) => [x, -x]);
    for (const from of ["float32", "float64", "float16"] as const) {
      for (const to of INTEGERS) {
        const [want, got] = [host, device].map((backend) =>
          copyOf(on(backend), copyOf(on(host), Tensor.from(Float64Array.from(values), [values.length], "float64"), from), to),
        );
        expect(Array.from(got?.data ?? [], String), `${from} to ${to}`).toEqual(Array.from(want?.data ?? [], String));
      }
    }
  });
});

describe("products of integers", () => {
  it("are exact for any of 8 and 16 bits", () => {
    const dtypes = fc.constantFrom("int8" as const, "uint8" as const, "int16" as const);
    const shapes = fc.record({
      batch: sizes(2),
      rows: fc.constantFrom(1, 3, 4, 9, 70),
      depth: fc.constantFrom(1, 2, 7, 33, 130),
      columns: fc.constantFrom(1, 5, 8, 19, 32, 70, 131),
      kept: fc.boolean(),
      left: dtypes,
      right: dtypes,
      order: fc.constantFrom([0, 1, 2], [0, 2, 1]),
      seed: sizes(1000),
    });
    const whole = (shape: readonly number[], dtype: "int8" | "uint8" | "int16", seed: number): Tensor => {
      const values = Array.from(noise(shape, seed).data, Number).map((x) => Math.round(x * { int8: 128, uint8: 255, int16: 32768 }[dtype]));
      return Tensor.from({ int8: Int8Array, uint8: Uint8Array, int16: Int16Array }[dtype].from(values), shape, dtype);
    };
    fc.assert(
      fc.property(shapes, ({ batch, rows, depth, columns, kept, left, right, order, seed }) => {
        const turned = (t: Tensor): Tensor =>
          viewOf(t, [...t.shape.slice(0, 1), ...t.shape.slice(1).reverse()], [...t.strides.slice(0, 1), ...t.strides.slice(1).reverse()], t.offset);
        const make = (ctx: Context): Tensor => {
          const a = whole([batch, rows, depth], left, seed);
          const b = order[1] === 1 ? whole([batch, depth, columns], right, seed + 1) : turned(whole([batch, columns, depth], right, seed + 1));
          return contract(ctx, a, kept ? lasting(b) : b, "int32");
        };
        expect(difference(make, "contract")).toBe(0);
      }),
      { numRuns: 200 },
    );
  });
});
