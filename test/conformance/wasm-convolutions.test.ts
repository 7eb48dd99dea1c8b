/** Convolutions of any geometry and layout against the cpu's sums: whole numbers, so that both are exact. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import type { Backend } from "../../src/prims/backend.ts";
import { Executor } from "../../src/run/executor.ts";
import { numelOf } from "../../src/tensor/shape.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";

const host = cpu();
/** Without the form of filters that fewer multiplications need, which rounds. */
const device = wasm({ packedLimit: 0 });
const contextOf = (backend: Backend): Executor => new Executor({ backend, cpu: host, generator: seedTwister(0) });

/** Whole numbers from -3 to 3. */
const whole = (shape: readonly number[], step: number): Float32Array => Float32Array.from({ length: numelOf(shape) }, (_, i) => ((i * step) % 7) - 3);
/** A tensor `[N, C, ...]`, with channels innermost where `last`. A weight's packed forms are kept. */
function tensor(shape: readonly number[], step: number, last: boolean, weight: boolean): Tensor {
  const numbers = whole(shape, step);
  const storage = weight ? Storage.lazy(numbers.byteLength, () => new Uint8Array(numbers.buffer)) : Storage.wrap(new Uint8Array(numbers.buffer), false);
  const flat = new Tensor(storage, "float32", [numbers.length]);
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
const options = fc.record({ batch: fc.integer({ min: 1, max: 2 }), biased: fc.boolean(), last: fc.boolean(), weight: fc.boolean() });
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

describe.each([false, true])("convolutions, transposed: %s", (transposed) => {
  it("are what the cpu says", () => {
    fc.assert(
      fc.property(axes, channels, options, (spatial, { groups, inputs, outputs }, { batch, biased, last, weight }) => {
        const sizes = spatial.map(({ size, kernel, stride, dilation, before, after }) => {
          const reach = dilation * (kernel - 1) + 1;
          return transposed ? (size - 1) * stride + reach - before - after : Math.floor((size + before + after - reach) / stride) + 1;
        });
        if (sizes.some((size) => size < 1)) return;
        const kernel = spatial.map((a) => a.kernel);
        const x = tensor([batch, groups * inputs, ...spatial.map((a) => a.size)], 5, last, false);
        const w = tensor(transposed ? [groups * inputs, outputs, ...kernel] : [groups * outputs, inputs, ...kernel], 3, last, weight);
        const bias = biased ? [tensor([groups * outputs], 2, false, weight)] : [];
        const [got, want] = [device, host].map((backend) => {
          const y = Tensor.zeros([batch, groups * outputs, ...sizes]);
          contextOf(backend).run({
            kind: "convolve",
            operands: [x, w, ...bias],
            results: [y],
            scalars: [],
            stride: spatial.map((a) => a.stride),
            padBegin: spatial.map((a) => a.before),
            padEnd: spatial.map((a) => a.after),
            dilation: spatial.map((a) => a.dilation),
            groups,
            transposed,
            accumulate: "f32",
            epilogue: undefined,
          });
          return Array.from(y.data as Float32Array); // float32
        });
        expect(got).toEqual(want);
      }),
      { numRuns: 250 },
    );
  });
});
