/** Convolutions through Winograd's transforms against the cpu's sums, at any padding, layout and size of tile. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import type { Backend } from "../../src/prims/backend.ts";
import type { ConvolveCall } from "../../src/prims/call.ts";
import { Executor } from "../../src/run/executor.ts";
import { numelOf } from "../../src/tensor/shape.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";

const host = cpu();
const contextOf = (backend: Backend): Executor => new Executor({ backend, cpu: host, generator: seedTwister(0) });
const numbers = (t: Tensor): Float32Array => t.data as Float32Array; // all are float32

/** Numbers in -1 to 1 without a pattern, the same on every run. */
function noise(shape: readonly number[]): Tensor {
  let state = 1 + shape.length;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2 ** 31;
  };
  return Tensor.from(Float32Array.from({ length: numelOf(shape) }, next), shape);
}
/** The same numbers with channels innermost. */
function channelsLast(t: Tensor): Tensor {
  const [n = 1, c = 1, h = 1, w = 1] = t.shape;
  const moved = Tensor.from(Float32Array.from(numbers(t)), [n, h, w, c]);
  return viewOf(moved, [n, c, h, w], [h * w * c, 1, w * c, c], 0);
}

/** The same tensor as a model's weight, whose packed forms are kept. */
const asWeight = (t: Tensor): Tensor =>
  viewOf(
    new Tensor(
      Storage.lazy(t.storage.nbytes, () => t.storage.bytes()),
      t.dtype,
      [t.numel],
    ),
    t.shape,
    t.strides,
    t.offset,
  );

const geometry = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  groups: fc.constantFrom(1, 2),
  inputs: fc.integer({ min: 17, max: 32 }),
  outputs: fc.integer({ min: 17, max: 32 }),
  rows: fc.integer({ min: 3, max: 23 }),
  columns: fc.integer({ min: 1, max: 23 }),
  pads: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
  biased: fc.boolean(),
  last: fc.boolean(),
});

/** Bytes of the memory that a convolution of one picture by 3 x 3 filters leaves in use, as many times as its filters have. */
function held(channels: number, side: number): number {
  const w = noise([channels, channels, 3, 3]);
  const backend = wasm();
  contextOf(backend).run({
    kind: "convolve",
    operands: [noise([1, channels, side, side]), asWeight(w)],
    results: [Tensor.zeros([1, channels, side, side])],
    scalars: [],
    stride: [1, 1],
    padBegin: [1, 1],
    padEnd: [1, 1],
    dilation: [1, 1],
    groups: 1,
    transposed: false,
    accumulate: "f32",
    epilogue: undefined,
  });
  return backend.live().bytes / w.storage.nbytes;
}

it("filters are kept in a form four times as large where that saves much of a run, not where it saves little", () => {
  expect(held(128, 28)).toBeGreaterThan(4);
  expect(held(512, 7)).toBeLessThan(3);
});

describe.each([
  ["tiles of 4 x 4", 2 ** 28],
  ["tiles of 2 x 2, where the larger ones' filters would not be kept", 58_000],
  ["no tiles, where no filters would be kept", 0],
])("%s", (_, packedLimit) => {
  it("give the convolution", () => {
    fc.assert(
      fc.property(geometry, ({ batch, groups, inputs, outputs, rows, columns, pads: [top, left, bottom, right], biased, last }) => {
        const shape = [batch, groups * outputs, rows + top + bottom - 2, columns + left + right - 2];
        if (shape.some((size) => size < 1)) return;
        const x = noise([batch, groups * inputs, rows, columns]);
        const w = noise([groups * outputs, inputs, 3, 3]);
        const operands = [last ? channelsLast(x) : x, asWeight(last ? channelsLast(w) : w), ...(biased ? [noise([groups * outputs])] : [])];
        const call: Omit<ConvolveCall, "results"> = {
          kind: "convolve",
          operands,
          scalars: [],
          stride: [1, 1],
          padBegin: [top, left],
          padEnd: [bottom, right],
          dilation: [1, 1],
          groups,
          transposed: false,
          accumulate: "f32",
          epilogue: undefined,
        };
        const [got = [], want = []] = [wasm({ packedLimit }), host].map((backend) => {
          const y = Tensor.zeros(shape);
          contextOf(backend).run({ ...call, results: [y] });
          return numbers(y);
        });
        let largest = 0;
        let worst = 0;
        want.forEach((value, i) => {
          largest = Math.max(largest, Math.abs(value));
          worst = Math.max(worst, Math.abs(value - (got[i] ?? NaN)));
        });
        expect(worst / largest).toBeLessThan(3e-5);
      }),
      { numRuns: 25 },
    );
  });
});
