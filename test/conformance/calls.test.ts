/** Laws of the waist on every backend: views, writes through views, products, convolutions, windows against plain loops. */

import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { arg, binary, cast, constant } from "../../src/expr/expr.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { sumOf } from "../../src/prims/combiner.ts";
import { broadcastView, copyInto, map, reduce } from "../../src/prims/calls.ts";
import type { Backend } from "../../src/prims/backend.ts";
import type { Program } from "../../src/prims/program.ts";
import { Executor } from "../../src/run/executor.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import { numelOf } from "../../src/tensor/shape.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";
import { BACKENDS } from "../support/backends.ts";

const ADD: Program = { name: "add", operands: ["float32", "float32"], scalars: [], outputs: [{ dtype: "float32", parts: [binary("add", arg(0, "f32"), arg(1, "f32"))] }], messages: [] };
const SHIFT: Program = { name: "shift", operands: ["float32"], scalars: [], outputs: [{ dtype: "float32", parts: [binary("add", arg(0, "f32"), constant(1, "f32"))] }], messages: [] };
const SUM: Program = { name: "x", operands: ["float32"], scalars: [], outputs: [{ dtype: "float64", parts: [cast(arg(0, "f32"), "f64")] }], messages: [] };

/** max(x * scale + rest, 0), as an epilogue. */
const AFTER: Program = {
  name: "after",
  operands: ["float32", "float32", "float32"],
  scalars: [],
  outputs: [{ dtype: "float32", parts: [binary("max", binary("add", binary("mul", arg(0, "f32"), arg(1, "f32")), arg(2, "f32")), constant(0, "f32"))] }],
  messages: [],
};

/** A tensor of small whole numbers that repeat after `period`. */
const whole = (shape: readonly number[], period: number): Tensor => Tensor.from(Float32Array.from({ length: numelOf(shape) }, (_, i) => ((i * 3) % period) - 2), shape);

/** A tensor of small whole numbers, and a random view of it: slices, steps, transposes, broadcasts. */
interface ViewSpec {
  readonly shape: readonly number[];
  readonly cuts: readonly { readonly begin: number; readonly step: number }[];
  readonly order: readonly number[];
}
const viewSpec: fc.Arbitrary<ViewSpec> = fc.integer({ min: 1, max: 4 }).chain((rank) =>
  fc.record({
    shape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: rank, maxLength: rank }),
    cuts: fc.array(fc.record({ begin: fc.integer({ min: 0, max: 2 }), step: fc.integer({ min: 1, max: 2 }) }), { minLength: rank, maxLength: rank }),
    order: fc.shuffledSubarray(Array.from({ length: rank }, (_, i) => i), { minLength: rank, maxLength: rank }),
  }),
);

function makeView(spec: ViewSpec): { base: Tensor; view: Tensor } {
  const base = Tensor.from(Float32Array.from({ length: numelOf(spec.shape) }, (_, i) => i + 1), spec.shape);
  let offset = 0;
  const sizes: number[] = [];
  const strides: number[] = [];
  spec.shape.forEach((size, axis) => {
    const { begin, step } = spec.cuts[axis] ?? { begin: 0, step: 1 };
    const from = Math.min(begin, size - 1);
    offset += from * (base.strides[axis] ?? 0);
    sizes.push(Math.ceil((size - from) / step));
    strides.push((base.strides[axis] ?? 0) * step);
  });
  return { base, view: viewOf(base, spec.order.map((a) => sizes[a] ?? 1), spec.order.map((a) => strides[a] ?? 0), offset) };
}

const host = cpu();
function context(backend: Backend): Executor {
  return new Executor({ backend, cpu: backend.onHost ? backend : host, generator: seedTwister(0) });
}
const numbers = (t: Tensor): number[] => Array.from(t.data as Float32Array);

describe.each(BACKENDS)("on $name", ({ make }) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await make();
  });

  it("reads any view as its elements say", () => {
    fc.assert(
      fc.property(viewSpec, (spec) => {
        const { view } = makeView(spec);
        const want = numbers(view).map((v) => v * 2);
        expect(numbers(map(context(backend), ADD, [view, view])[0] as Tensor)).toEqual(want);
      }),
      { numRuns: 60 },
    );
  });

  it("broadcasts as shapes say", () => {
    const column = Tensor.from([1, 2, 3], [3, 1], "float32");
    const row = Tensor.from([10, 20], [2], "float32");
    const [sum] = map(context(backend), ADD, [column, row]);
    expect(sum?.shape).toEqual([3, 2]);
    expect(numbers(sum as Tensor)).toEqual([11, 21, 12, 22, 13, 23]);
  });

  it("a write through a view is seen by its base, and touches nothing else", () => {
    fc.assert(
      fc.property(viewSpec, (spec) => {
        const { base, view } = makeView(spec);
        const want = makeView(spec);
        host.run({ kind: "map", program: SHIFT, operands: [want.view], results: [want.view], scalars: [] }, host);
        map(context(backend), SHIFT, [view], [], [view]);
        expect(numbers(base)).toEqual(numbers(want.base));
      }),
      { numRuns: 60 },
    );
  });

  it("refuses writes that overlap what they read, as PyTorch does", () => {
    const ctx = context(backend);
    const x = Tensor.from([1, 2, 3, 4], [4], "float32");
    expect(() => copyInto(ctx, viewOf(x, [3], [1], 1), viewOf(x, [3], [1], 0))).toThrow(/single memory location/);
    const square = Tensor.from([1, 2, 3, 4], [2, 2], "float32");
    expect(() => map(ctx, ADD, [square, viewOf(square, [2, 2], [1, 2], 0)], [], [square])).toThrow(/single memory location/);
    expect(() => map(ctx, SHIFT, [viewOf(x, [2, 4], [0, 1], 0)], [], [viewOf(x, [2, 4], [0, 1], 0)])).toThrow(/more than one element/);
  });

  it("sums over any axes", () => {
    const x = Tensor.from(Float32Array.from({ length: 24 }, (_, i) => i), [2, 3, 4]);
    for (const axes of [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]]) {
      const got = reduce(context(backend), SUM, sumOf("f64"), [x], axes, false, ["float32"])[0] as Tensor;
      const want = reduce(context(host), SUM, sumOf("f64"), [x], axes, false, ["float32"])[0] as Tensor;
      expect(got.shape).toEqual(want.shape);
      expect(numbers(got)).toEqual(numbers(want));
    }
  });

  it("keeps strides of permuted operands in elementwise results", () => {
    const x = viewOf(Tensor.from([1, 2, 3, 4, 5, 6], [2, 3], "float32"), [3, 2], [1, 3], 0);
    const [y] = map(context(backend), SHIFT, [x]);
    expect(y?.strides).toEqual([1, 3]);
    expect(numbers(y as Tensor)).toEqual([2, 5, 3, 6, 4, 7]);
  });

  it("multiplies matrices of any strides", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), fc.boolean(), fc.boolean(), (m, k, n, ta, tb) => {
        const fill = (rows: number, cols: number, transposed: boolean): Tensor => {
          const t = Tensor.from(Float32Array.from({ length: rows * cols }, (_, i) => ((i * 7) % 5) - 2), transposed ? [1, cols, rows] : [1, rows, cols]);
          return transposed ? viewOf(t, [1, rows, cols], [rows * cols, 1, rows], 0) : t;
        };
        const [a, b] = [fill(m, k, ta), fill(k, n, tb)];
        const out = Tensor.zeros([1, m, n]);
        context(backend).run({ kind: "contract", operands: [a, b], results: [out], scalars: [], accumulate: "f32", epilogue: undefined });
        const [x, y] = [numbers(a), numbers(b)];
        const want = Array.from({ length: m * n }, (_, i) => {
          let sum = 0;
          for (let j = 0; j < k; j++) sum += (x[Math.floor(i / n) * k + j] ?? 0) * (y[j * n + (i % n)] ?? 0);
          return sum;
        });
        expect(numbers(out)).toEqual(want);
      }),
      { numRuns: 40 },
    );
  });

  it("runs the epilogue of a product as a map afterwards", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 140 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 300 }), fc.boolean(), (batch, m, n, k, perRow) => {
        const [a, b] = [whole([batch, m, k], 5), whole([batch, k, n], 7)];
        const scale = perRow ? broadcastView(whole([m, 1], 3), [batch, m, n]) : broadcastView(whole([n], 3), [batch, m, n]);
        const rest = whole([batch, m, n], 4);
        const [fused, plain] = [Tensor.zeros([batch, m, n]), Tensor.zeros([batch, m, n])];
        const ctx = context(backend);
        ctx.run({ kind: "contract", operands: [a, b, scale, rest], results: [fused], scalars: [], accumulate: "f32", epilogue: AFTER });
        ctx.run({ kind: "contract", operands: [a, b], results: [plain], scalars: [], accumulate: "f32", epilogue: undefined });
        ctx.run({ kind: "map", program: AFTER, operands: [plain, scale, rest], results: [plain], scalars: [] });
        expect(numbers(fused)).toEqual(numbers(plain));
      }),
      { numRuns: 30 },
    );
  });

  it("runs the epilogue of a convolution as a map afterwards", () => {
    fc.assert(
      fc.property(
        fc.record({ batch: fc.integer({ min: 1, max: 2 }), groups: fc.constantFrom(1, 2, 4), per: fc.constantFrom(1, 3), k: fc.integer({ min: 1, max: 3 }), stride: fc.integer({ min: 1, max: 2 }), size: fc.integer({ min: 3, max: 19 }), transposed: fc.boolean(), biased: fc.boolean(), along: fc.constantFrom("channel", "row", "column", "all") }),
        ({ batch, groups, per, k, stride, size, transposed, biased, along }) => {
          const channels = groups * per;
          const out = transposed ? (size - 1) * stride + k - 2 : Math.floor((size + 2 - k) / stride) + 1;
          if (out < 1) return;
          const shape = [batch, channels, out, out];
          const x = whole([batch, channels, size, size], 7);
          const w = whole([channels, per, k, k], 5);
          const bias = biased ? [whole([channels], 9)] : [];
          const scale = broadcastView(whole({ channel: [channels, 1, 1], row: [out, 1], column: [out], all: shape }[along], 3), shape);
          const rest = whole(shape, 4);
          const [fused, plain] = [Tensor.zeros(shape), Tensor.zeros(shape)];
          const ctx = context(backend);
          const common = { kind: "convolve", scalars: [], stride: [stride, stride], padBegin: [1, 1], padEnd: [1, 1], dilation: [1, 1], groups, transposed, accumulate: "f32" } as const;
          ctx.run({ ...common, operands: [x, w, ...bias, scale, rest], results: [fused], epilogue: AFTER });
          ctx.run({ ...common, operands: [x, w, ...bias], results: [plain], epilogue: undefined });
          ctx.run({ kind: "map", program: AFTER, operands: [plain, scale, rest], results: [plain], scalars: [] });
          expect(numbers(fused)).toEqual(numbers(plain));
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    ["max", [NaN, 3]],
    ["sum", [NaN, 2.5]],
  ] as const)("keeps NaN when it pools by %s", (reduction, wanted) => {
    const x = Tensor.from(Float32Array.of(NaN, 1, 2, 3), [1, 1, 1, 4]);
    const y = Tensor.zeros([1, 1, 1, 2]);
    context(backend).run({ kind: "window", reduction, operands: [x], results: [y], scalars: [], kernel: [1, 2], stride: [1, 2], padBegin: [0, 0], padEnd: [0, 0], dilation: [1, 1], divisor: 2 });
    expect(numbers(y)).toEqual(wanted);
  });

  it("convolves and pools as the sums say", () => {
    fc.assert(
      fc.property(
        fc.record({ c: fc.constantFrom(1, 2, 4), o: fc.constantFrom(4, 8), g: fc.constantFrom(1, 2, 4), k: fc.integer({ min: 1, max: 3 }), stride: fc.integer({ min: 1, max: 2 }), dilation: fc.integer({ min: 1, max: 2 }), pad: fc.integer({ min: 0, max: 2 }), size: fc.integer({ min: 5, max: 8 }), transposed: fc.boolean() }),
        ({ c, o, g, k, stride, dilation, pad, size, transposed }) => {
          const groups = Math.min(g, c);
          const out = transposed ? (size - 1) * stride - 2 * pad + dilation * (k - 1) + 1 : Math.floor((size + 2 * pad - dilation * (k - 1) - 1) / stride) + 1;
          if (out < 1) return;
          const x = Tensor.from(Float32Array.from({ length: c * size * size }, (_, i) => ((i * 5) % 7) - 3), [1, c, size, size]);
          const shape = transposed ? [c, o / groups, k, k] : [o, c / groups, k, k];
          const w = Tensor.from(Float32Array.from({ length: numelOf(shape) }, (_, i) => ((i * 3) % 5) - 2), shape);
          const results = [backend, host].map((b) => {
            const y = Tensor.zeros([1, o, out, out]);
            context(b).run({ kind: "convolve", operands: [x, w], results: [y], scalars: [], stride: [stride, stride], padBegin: [pad, pad], padEnd: [pad, pad], dilation: [dilation, dilation], groups, transposed, accumulate: "f32", epilogue: undefined });
            return numbers(y);
          });
          expect(results[0]).toEqual(results[1]);
          const pooled = Math.floor((size + 2 * Math.min(pad, 1) - 3) / stride) + 1;
          const maxima = [backend, host].map((b) => {
            const y = Tensor.zeros([1, c, pooled, pooled]);
            context(b).run({ kind: "window", reduction: "max", operands: [x], results: [y], scalars: [], kernel: [3, 3], stride: [stride, stride], padBegin: [Math.min(pad, 1), Math.min(pad, 1)], padEnd: [Math.min(pad, 1), Math.min(pad, 1)], dilation: [1, 1], divisor: 1 });
            return numbers(y);
          });
          expect(maxima[0]).toEqual(maxima[1]);
        },
      ),
      { numRuns: 40 },
    );
  });
});
