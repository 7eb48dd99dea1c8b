/** Convolutions of any geometry and layout against the cpu's sums: whole numbers, so that both are exact. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import type { Backend } from "../../src/prims/backend.ts";
import type { ConvolveCall } from "../../src/prims/call.ts";
import { Executor } from "../../src/run/executor.ts";
import { contiguousStrides, numelOf } from "../../src/tensor/shape.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";

const host = cpu();
/** Without the form of filters that fewer multiplications need, which rounds. */
const device = wasm({ packedLimit: 0 });
await device.extend?.();
const contextOf = (backend: Backend): Executor => new Executor({ backend, cpu: host, generator: seedTwister(0) });

/** Whole numbers from -3 to 3. */
const whole = (shape: readonly number[], step: number): Float32Array<ArrayBuffer> =>
  Float32Array.from({ length: numelOf(shape) }, (_, i) => ((i * step) % 7) - 3);
/** Any integers of a dtype. */
const codes = (
  shape: readonly number[],
  step: number,
  dtype: "int8" | "uint8" | "int16",
): Int8Array<ArrayBuffer> | Uint8Array<ArrayBuffer> | Int16Array<ArrayBuffer> =>
  ({ int8: Int8Array, uint8: Uint8Array, int16: Int16Array })[dtype].from(Array.from({ length: numelOf(shape) }, (_, i) => (i + step) * 40503 * step));

/** A tensor `[N, C, ...]`, with channels innermost where `last`. A weight's packed forms are kept. */
function tensor(shape: readonly number[], step: number, last: boolean, weight: boolean, dtype: "float32" | "int8" | "uint8" | "int16" = "float32"): Tensor {
  const numbers = dtype === "float32" ? whole(shape, step) : codes(shape, step, dtype);
  const storage = weight ? Storage.lazy(numbers.byteLength, () => new Uint8Array(numbers.buffer)) : Storage.wrap(new Uint8Array(numbers.buffer), false);
  const flat = new Tensor(storage, dtype, [numbers.length]);
  const strides = new Array<number>(shape.length).fill(1);
  const order = last
    ? [
        1,
        ...shape
          .map((_, i) => i)
          .slice(2)
          .reverse(),
        0,
      ]
    : shape.map((_, i) => i).reverse();
  let step1 = 1;
  for (const axis of order) {
    strides[axis] = step1;
    step1 *= shape[axis] ?? 1;
  }
  return viewOf(flat, [...shape], strides, 0);
}

const axis = fc.record({
  size: fc.integer({ min: 1, max: 21 }),
  kernel: fc.integer({ min: 1, max: 7 }),
  stride: fc.integer({ min: 1, max: 3 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  before: fc.nat(3),
  after: fc.nat(3),
});
const channels = fc.oneof(
  fc.record({ groups: fc.integer({ min: 1, max: 3 }), inputs: fc.integer({ min: 1, max: 9 }), outputs: fc.integer({ min: 1, max: 17 }) }),
  fc.record({ groups: fc.integer({ min: 1, max: 12 }), inputs: fc.constant(1), outputs: fc.integer({ min: 1, max: 2 }) }),
);
const options = fc.record({ batch: fc.integer({ min: 1, max: 2 }), biased: fc.boolean(), last: fc.boolean(), lastOut: fc.boolean(), weight: fc.boolean() });
/** Filters of one size on all axes, as models have them, or of any. */
const axes = fc.oneof(
  axis.map((a) => [a, a]),
  fc
    .record({
      kernel: fc.constantFrom(1, 3, 5),
      stride: fc.integer({ min: 1, max: 2 }),
      before: fc.nat(2),
      after: fc.nat(2),
      rows: fc.integer({ min: 1, max: 40 }),
      columns: fc.integer({ min: 1, max: 40 }),
    })
    .map((a) => [
      { ...a, size: a.rows, dilation: 1 },
      { ...a, size: a.columns, dilation: 1 },
    ]),
  fc.array(axis, { minLength: 1, maxLength: 2 }),
);
/** Of three axes, small ones. */
const volume = fc.array(
  fc.record({
    size: fc.integer({ min: 1, max: 7 }),
    kernel: fc.integer({ min: 1, max: 3 }),
    stride: fc.integer({ min: 1, max: 2 }),
    dilation: fc.integer({ min: 1, max: 2 }),
    before: fc.nat(2),
    after: fc.nat(2),
  }),
  { minLength: 3, maxLength: 3 },
);

type Spatial = readonly { readonly [K in "size" | "kernel" | "stride" | "dilation" | "before" | "after"]: number }[];

/** What a call says of its spatial axes. */
const windowOf = (spatial: Spatial): Pick<ConvolveCall, "stride" | "padBegin" | "padEnd" | "dilation"> => ({
  stride: spatial.map((a) => a.stride),
  padBegin: spatial.map((a) => a.before),
  padEnd: spatial.map((a) => a.after),
  dilation: spatial.map((a) => a.dilation),
});

/** Sizes of the result; undefined where there is none. */
function sizesOf(spatial: Spatial, transposed: boolean): number[] | undefined {
  const sizes = spatial.map(({ size, kernel, stride, dilation, before, after }) => {
    const reach = dilation * (kernel - 1) + 1;
    return transposed ? (size - 1) * stride + reach - before - after : Math.floor((size + before + after - reach) / stride) + 1;
  });
  return sizes.some((size) => size < 1) ? undefined : sizes;
}

describe.each([false, true])("convolutions of integers, transposed: %s", (transposed) => {
  const dtype = fc.constantFrom("int8" as const, "uint8" as const, "int16" as const);
  const how = fc.record({ batch: fc.integer({ min: 1, max: 2 }), last: fc.boolean(), lastOut: fc.boolean(), weight: fc.boolean(), left: dtype, right: dtype });
  const grouped = fc.oneof(channels, fc.record({ groups: fc.integer({ min: 7, max: 19 }), inputs: fc.constant(1), outputs: fc.constant(1) }));
  it("run on wasm and are exactly what the cpu says", () => {
    fc.assert(
      fc.property(axes, grouped, how, (spatial, { groups, inputs, outputs }, { batch, last, lastOut, weight, left, right }) => {
        const sizes = sizesOf(spatial, transposed);
        if (sizes === undefined) return;
        const kernel = spatial.map((a) => a.kernel);
        const x = tensor([batch, groups * inputs, ...spatial.map((a) => a.size)], 5, last, false, left);
        const w = tensor(transposed ? [groups * inputs, outputs, ...kernel] : [groups * outputs, inputs, ...kernel], 3, last, weight, right);
        const [got, want] = [device, host].map((backend) => {
          const context = contextOf(backend);
          const shape = [batch, groups * outputs, ...sizes];
          const plain = Tensor.zeros([numelOf(shape)], "int32");
          const outer = [shape[0] ?? 1, ...sizes, shape[1] ?? 1];
          const y = viewOf(
            plain,
            shape,
            lastOut ? [0, sizes.length + 1, ...sizes.map((_, i) => i + 1)].map((at) => numelOf(outer.slice(at + 1))) : contiguousStrides(shape),
            0,
          );
          context.run({
            kind: "convolve",
            operands: [x, w],
            results: [y],
            scalars: [],
            ...windowOf(spatial),
            groups,
            transposed,
            accumulate: "i32",
            epilogue: undefined,
          });
          if (backend === device) expect(context.placements.lines().map((line) => [line.backend, line.reason])).toEqual([["wasm", undefined]]);
          return Array.from(plain.data as Int32Array); // int32
        });
        expect(got).toEqual(want);
      }),
      { numRuns: 250 },
    );
  });
});

describe.each([false, true])("convolutions, transposed: %s", (transposed) => {
  it("are what the cpu says", () => {
    fc.assert(
      fc.property(fc.oneof(axes, volume), channels, options, (spatial, { groups, inputs, outputs }, { batch, biased, last, lastOut, weight }) => {
        const sizes = sizesOf(spatial, transposed);
        if (sizes === undefined) return;
        const kernel = spatial.map((a) => a.kernel);
        const x = tensor([batch, groups * inputs, ...spatial.map((a) => a.size)], 5, last, false);
        const w = tensor(transposed ? [groups * inputs, outputs, ...kernel] : [groups * outputs, inputs, ...kernel], 3, last, weight);
        const bias = biased ? [tensor([groups * outputs], 2, false, weight)] : [];
        const [got, want] = [device, host].map((backend) => {
          const y = tensor([batch, groups * outputs, ...sizes], 0, lastOut, false);
          const context = contextOf(backend);
          context.run({
            kind: "convolve",
            operands: [x, w, ...bias],
            results: [y],
            scalars: [],
            ...windowOf(spatial),
            groups,
            transposed,
            accumulate: "f32",
            epilogue: undefined,
          });
          if (backend === device) expect(context.placements.lines().map((line) => [line.backend, line.reason])).toEqual([["wasm", undefined]]);
          return Array.from(y.data as Float32Array); // float32
        });
        expect(got).toEqual(want);
      }),
      { numRuns: 250 },
    );
  });
});
