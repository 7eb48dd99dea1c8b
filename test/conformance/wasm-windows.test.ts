/** Pooling of any geometry against the cpu, NaN and overhanging windows included. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import { Executor } from "../../src/run/executor.ts";
import { itemsize } from "../../src/tensor/dtype.ts";
import { contiguousStrides, numelOf } from "../../src/tensor/shape.ts";
import { Tensor, viewOf } from "../../src/tensor/tensor.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";

const host = cpu();
const device = wasm();
await device.extend?.();
/** Without what quantised models need. */
const plain = wasm();
const axis = fc.record({
  size: fc.integer({ min: 1, max: 20 }),
  kernel: fc.integer({ min: 1, max: 5 }),
  stride: fc.integer({ min: 1, max: 3 }),
  pad: fc.nat(2),
  dilation: fc.integer({ min: 1, max: 2 }),
  ceil: fc.boolean(),
});

/** A tensor `[2, C, ...]` with channels innermost, or an axis that is left out of a wider one. */
function laid(shape: readonly number[], dtype: "float32" | "int8" | "uint8", last: boolean, value: (i: number) => number): Tensor {
  const memory = last ? [shape[0] ?? 1, ...shape.slice(2), shape[1] ?? 1] : [...shape.slice(0, -1), (shape[shape.length - 1] ?? 1) + 1];
  const strides = contiguousStrides(memory);
  const flat = Tensor.from(
    { float32: Float32Array, int8: Int8Array, uint8: Uint8Array }[dtype].from(Array.from({ length: numelOf(memory) }, (_, i) => value(i))),
    [numelOf(memory)],
    dtype,
  );
  return viewOf(flat, [...shape], last ? [strides[0] ?? 1, 1, ...strides.slice(1, -1)] : strides, 0);
}

it("pools codes, and what does not lie in whole planes", () => {
  const how = fc.record({
    dtype: fc.constantFrom("float32" as const, "int8" as const, "uint8" as const),
    channels: fc.constantFrom(1, 3, 4, 9, 16, 21),
    last: fc.boolean(),
    lastOut: fc.boolean(),
    sum: fc.boolean(),
    divisor: fc.constantFrom<"window" | "inside" | number>("window", "inside", 3),
  });
  fc.assert(
    fc.property(fc.array(axis, { minLength: 1, maxLength: 2 }), how, (axes, { dtype, channels, last, lastOut, sum, divisor }) => {
      const pads = axes.map(({ kernel, pad }) => Math.min(pad, Math.floor(kernel / 2)));
      const sizes = axes.map(({ size, kernel, stride, dilation }, i) => Math.floor((size + 2 * (pads[i] ?? 0) - dilation * (kernel - 1) - 1) / stride) + 1);
      if (sizes.some((size) => size < 1)) return;
      const x = laid([2, channels, ...axes.map((a) => a.size)], dtype, last, (i) =>
        dtype === "float32" && i % 29 === 3 ? NaN : ((i * 37) % 251) - (dtype === "uint8" ? 0 : 125),
      );
      const [got, want] = [device, host].map((backend) => {
        const context = new Executor({ backend, cpu: host, generator: seedTwister(0) });
        const y = laid([2, channels, ...sizes], dtype, lastOut, () => 0);
        context.run({
          kind: "window",
          reduction: sum && dtype === "float32" ? "sum" : "max",
          operands: [x],
          results: [y],
          scalars: [],
          kernel: axes.map((a) => a.kernel),
          stride: axes.map((a) => a.stride),
          padBegin: pads,
          padEnd: pads,
          dilation: axes.map((a) => a.dilation),
          divisor,
        });
        if (backend === device) expect(context.placements.lines().map((line) => line.backend)).toEqual(["wasm"]);
        return Array.from(viewOf(y, [y.storage.nbytes / itemsize(dtype)], [1], 0).data, Number);
      });
      expect(got).toEqual(want);
    }),
    {
      numRuns: 200,
      // A window that lies outside altogether.
      examples: [
        [
          [{ size: 1, kernel: 2, stride: 1, pad: 1, dilation: 2, ceil: false }],
          { dtype: "int8", channels: 1, last: false, lastOut: false, sum: false, divisor: "window" },
        ],
      ],
    },
  );
});

it("pools what the cpu pools", () => {
  fc.assert(
    fc.property(
      fc.array(axis, { minLength: 1, maxLength: 3 }),
      fc.constantFrom("max", "sum"),
      fc.constantFrom<"window" | "inside" | number>("window", "inside", 3),
      fc.record({ odd: fc.boolean(), last: fc.boolean(), lastOut: fc.boolean() }),
      (axes, reduction, divisor, { odd, last, lastOut }) => {
        const sizes = axes.map(({ size, kernel, stride, pad: wanted, dilation, ceil }) => {
          const pad = Math.min(wanted, Math.floor(kernel / 2));
          const span = size + 2 * pad - dilation * (kernel - 1) - 1;
          const out = (ceil ? Math.ceil(span / stride) : Math.floor(span / stride)) + 1;
          return { pad, out: ceil && (out - 1) * stride >= size + pad ? out - 1 : out };
        });
        if (sizes.some(({ out }) => out < 1)) return;
        const value = (i: number): number => (odd && i % 11 === 4 ? NaN : ((i * 5) % 13) - 6);
        const made = (shape: readonly number[], isLast: boolean, of: (i: number) => number): Tensor =>
          isLast
            ? laid(shape, "float32", true, of)
            : Tensor.from(
                Float32Array.from({ length: numelOf(shape) }, (_, i) => of(i)),
                [...shape],
              );
        const x = made([2, 3, ...axes.map((a) => a.size)], last, value);
        const [got, want] = [plain, host].map((backend) => {
          const y = made([2, 3, ...sizes.map((s) => s.out)], lastOut, () => 0);
          const context = new Executor({ backend, cpu: host, generator: seedTwister(0) });
          context.run({
            kind: "window",
            reduction,
            operands: [x],
            results: [y],
            scalars: [],
            kernel: axes.map((a) => a.kernel),
            stride: axes.map((a) => a.stride),
            padBegin: sizes.map((s) => s.pad),
            padEnd: sizes.map((s) => s.pad),
            dilation: axes.map((a) => a.dilation),
            divisor,
          });
          if (backend === plain) expect(context.placements.lines().map((line) => line.backend)).toEqual(["wasm"]);
          return Array.from(y.data as Float32Array); // float32
        });
        // Over slices a sum may be divided twice.
        const isTwice = axes.length === 3 && reduction === "sum" && typeof divisor !== "number";
        if (isTwice) {
          const isClose = (a: number, b: number): boolean => Object.is(a, b) || Math.abs(a - b) < 1e-5; // of values up to 6
          expect(want?.map((value, i) => isClose(value, got?.[i] ?? 0))).toEqual(want?.map(() => true));
        } else expect(got).toEqual(want);
      },
    ),
    { numRuns: 300 },
  );
});
