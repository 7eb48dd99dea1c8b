/** Pooling of any geometry against the cpu, NaN and overhanging windows included. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import { Executor } from "../../src/run/executor.ts";
import { Tensor } from "../../src/tensor/tensor.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";

const host = cpu();
const device = wasm();
const axis = fc.record({
  size: fc.integer({ min: 1, max: 20 }),
  kernel: fc.integer({ min: 1, max: 5 }),
  stride: fc.integer({ min: 1, max: 3 }),
  pad: fc.nat(2),
  dilation: fc.integer({ min: 1, max: 2 }),
  ceil: fc.boolean(),
});

it("pools what the cpu pools", () => {
  fc.assert(
    fc.property(
      fc.array(axis, { minLength: 1, maxLength: 2 }),
      fc.constantFrom("max", "sum"),
      fc.constantFrom<"window" | "inside" | number>("window", "inside", 3),
      fc.boolean(),
      (axes, reduction, divisor, odd) => {
        const sizes = axes.map(({ size, kernel, stride, pad: wanted, dilation, ceil }) => {
          const pad = Math.min(wanted, Math.floor(kernel / 2));
          const span = size + 2 * pad - dilation * (kernel - 1) - 1;
          const out = (ceil ? Math.ceil(span / stride) : Math.floor(span / stride)) + 1;
          return { pad, out: ceil && (out - 1) * stride >= size + pad ? out - 1 : out };
        });
        if (sizes.some(({ out }) => out < 1)) return;
        const shape = [3, ...axes.map((a) => a.size)];
        const x = Tensor.from(
          Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => (odd && i % 11 === 4 ? NaN : ((i * 5) % 13) - 6)),
          [1, ...shape],
        );
        const [got, want] = [device, host].map((backend) => {
          const y = Tensor.zeros([1, 3, ...sizes.map((s) => s.out)]);
          new Executor({ backend, cpu: host, generator: seedTwister(0) }).run({
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
          return Array.from(y.data as Float32Array); // float32
        });
        expect(got).toEqual(want);
      },
    ),
    { numRuns: 300 },
  );
});
