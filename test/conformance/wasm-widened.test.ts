/** Products, convolutions and pooling of halves on wasm against the cpu's: whole numbers that float16 and bfloat16 have, so that sums are exact and rounded once. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codec } from "../../src/numeric/codec.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import type { Call } from "../../src/prims/call.ts";
import { load } from "../../src/index.ts";
import { Executor } from "../../src/run/executor.ts";
import { channelsLastStrides, contiguousStrides, numelOf } from "../../src/tensor/shape.ts";
import { Storage } from "../../src/tensor/storage.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";
import { unreachable } from "../../src/tensor/error.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";
import { scriptArchive } from "../support/archive.ts";

type Half = "float16" | "bfloat16";
const host = cpu();
/** Without the form of filters that fewer multiplications need, which rounds. */
const device = wasm({ packedLimit: 0 });

/** Whole numbers from -3 to 3 in memory of the strides; a weight's packed forms are kept. */
function numbers(dtype: Half, shape: readonly number[], strides: readonly number[], step: number, weight = false): Tensor {
  const { encode } = codec(dtype) ?? unreachable(dtype);
  const bits = Uint16Array.from({ length: numelOf(shape) }, (_, i) => encode(((i * step) % 7) - 3));
  const bytes = new Uint8Array(bits.buffer);
  const storage = weight ? Storage.lazy(bytes.length, () => bytes.slice()) : Storage.wrap(bytes, false);
  return viewOf(new Tensor(storage, dtype, [bits.length]), [...shape], [...strides], 0);
}

/** What both backends write to a tensor made by `result`, the call made for it; the device takes it. */
function onBoth(result: () => Tensor, call: (y: Tensor) => Call): readonly (readonly number[])[] {
  return [device, host].map((backend) => {
    const context = new Executor({ backend, cpu: host, generator: seedTwister(0) });
    const y = result();
    context.run(call(y));
    if (backend === device) expect(context.placements.lines().map((line) => [line.backend, line.reason])).toEqual([["wasm", undefined]]);
    return Array.from(new Uint16Array(y.storage.bytes().slice().buffer));
  });
}

const dtype = fc.constantFrom<Half>("float16", "bfloat16");
const size = fc.integer({ min: 1, max: 12 });

describe("of halves", () => {
  it("products are what the cpu says", () => {
    const layout = fc.record({ left: fc.boolean(), right: fc.boolean(), weight: fc.boolean() });
    fc.assert(
      fc.property(
        dtype,
        fc.integer({ min: 1, max: 3 }),
        fc.oneof(size, fc.constant(40)),
        fc.oneof(size, fc.constant(70)),
        size,
        layout,
        (half, batches, m, k, n, how) => {
          const matrix = (rows: number, columns: number, turned: boolean, step: number, weight: boolean): Tensor =>
            numbers(half, [batches, rows, columns], turned ? [rows * columns, 1, rows] : [rows * columns, columns, 1], step, weight);
          const [a, b] = [matrix(m, k, how.left, 5, false), matrix(k, n, how.right, 3, how.weight)];
          const [got, want] = onBoth(
            () => numbers(half, [batches, m, n], contiguousStrides([batches, m, n]), 0),
            (y) => ({ kind: "contract", operands: [a, b], results: [y], scalars: [], accumulate: "f32", epilogue: undefined }),
          );
          expect(got).toEqual(want);
        },
      ),
      { numRuns: 120 },
    );
  });

  it("products into float32 are what the cpu says", () => {
    for (const half of ["float16", "bfloat16"] as const) {
      const [a, b] = [numbers(half, [2, 5, 9], [45, 9, 1], 5), numbers(half, [2, 9, 4], [36, 1, 9], 3, true)];
      const [got, want] = onBoth(
        () => Tensor.zeros([2, 5, 4], "float32"),
        (y) => ({ kind: "contract", operands: [a, b], results: [y], scalars: [], accumulate: "f32", epilogue: undefined }),
      );
      expect(got).toEqual(want);
    }
  });

  it("convolutions are what the cpu says", () => {
    const geometry = fc.record({
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 2 }),
      pad: fc.nat(1),
      groups: fc.integer({ min: 1, max: 3 }),
      inputs: fc.integer({ min: 1, max: 4 }),
      outputs: fc.integer({ min: 1, max: 5 }),
    });
    const how = fc.record({ last: fc.boolean(), weight: fc.boolean(), biased: fc.boolean(), transposed: fc.boolean() });
    fc.assert(
      fc.property(
        dtype,
        size,
        size,
        geometry,
        how,
        (half, rows, columns, { kernel, stride, pad, groups, inputs, outputs }, { last, weight, biased, transposed }) => {
          const sizes = [rows, columns].map((n) => (transposed ? (n - 1) * stride + kernel - 2 * pad : Math.floor((n + 2 * pad - kernel) / stride) + 1));
          if (sizes.some((n) => n < 1)) return;
          const laid = (shape: readonly number[], step: number, weight = false): Tensor =>
            numbers(half, shape, last ? channelsLastStrides([...shape]) : contiguousStrides([...shape]), step, weight);
          const x = laid([2, groups * inputs, rows, columns], 5);
          const w = laid(transposed ? [groups * inputs, outputs, kernel, kernel] : [groups * outputs, inputs, kernel, kernel], 3, weight);
          const bias = biased ? [numbers(half, [groups * outputs], [1], 2, weight)] : [];
          const [got, want] = onBoth(
            () => laid([2, groups * outputs, ...sizes], 0),
            (y) => ({
              kind: "convolve",
              operands: [x, w, ...bias],
              results: [y],
              scalars: [],
              stride: [stride, stride],
              padBegin: [pad, pad],
              padEnd: [pad, pad],
              dilation: [1, 1],
              groups,
              transposed,
              accumulate: "f32",
              epilogue: undefined,
            }),
          );
          expect(got).toEqual(want);
        },
      ),
      { numRuns: 120 },
    );
  });

  it("windows are what the cpu says", () => {
    fc.assert(
      fc.property(
        dtype,
        size,
        size,
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom("max" as const, "sum" as const),
        (half, rows, columns, kernel, reduction) => {
          if (rows < kernel || columns < kernel) return;
          const x = numbers(half, [1, 3, rows, columns], contiguousStrides([1, 3, rows, columns]), 5);
          const shape = [1, 3, rows - kernel + 1, columns - kernel + 1];
          const [both, none] = [
            [kernel, kernel],
            [0, 0],
          ];
          const [got, want] = onBoth(
            () => numbers(half, shape, contiguousStrides(shape), 0),
            (y) => ({
              kind: "window",
              reduction,
              operands: [x],
              results: [y],
              scalars: [],
              kernel: both,
              stride: [1, 1],
              padBegin: none,
              padEnd: none,
              dilation: [1, 1],
              divisor: 2,
            }),
          );
          expect(got).toEqual(want);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("norms and softmax are kernels, and as good as the cpu's", async () => {
    const code = `class Net(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: __torch__.Net, x: Tensor, w: Tensor) -> Tensor:
    y = torch.rms_norm(x, [24], w, 1.0e-05)
    return torch.softmax(torch.group_norm(torch.reshape(y, [5, 4, 6]), 2), -1)
`;
    const model = await load(scriptArchive(code, {}));
    for (const half of ["float16", "bfloat16"] as const) {
      const { encode, decode } = codec(half) ?? unreachable(half);
      const wave = (shape: number[], step: number): Tensor =>
        Tensor.from(
          Uint16Array.from({ length: numelOf(shape) }, (_, i) => encode(2 * Math.sin(i * step))),
          shape,
          half,
        );
      const [got = [], want = []] = await Promise.all(
        [device, host].map(async (backend) => {
          const session = await model.session({ backend });
          const y = (await session.forward(wave([5, 24], 0.7), wave([24], 1.3))) as Tensor; // the method's one result
          if (backend === device) expect(session.placement().map(({ what }) => what)).toEqual(expect.arrayContaining(["rms_norm", "group_norm", "softmax"]));
          return Array.from(y.data as ArrayLike<number>, decode);
        }),
      );
      const step = half === "float16" ? 2 ** -10 : 2 ** -7;
      want.forEach((value, i) => expect(Math.abs((got[i] ?? NaN) - value)).toBeLessThanOrEqual(step * value));
    }
  });
});
