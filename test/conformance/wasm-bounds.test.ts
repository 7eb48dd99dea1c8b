/** Minima and maxima with a bound that is the same for a whole row, to the bit: NaN of either side, and the sign of zeros. */

import { describe, expect, it } from "vitest";
import { arg, binary, constant, type Expr, scalar } from "../../src/expr/expr.ts";
import { cpu } from "../../src/backends/cpu/cpu.ts";
import { wasm } from "../../src/backends/wasm/wasm.ts";
import { seedTwister } from "../../src/numeric/mt19937.ts";
import { broadcastView } from "../../src/prims/calls.ts";
import { Executor } from "../../src/run/executor.ts";
import { Tensor } from "../../src/tensor/tensor.ts";

const VALUES = [NaN, -Infinity, -1, -0, 0, 1, Infinity];
const ctx = new Executor({ backend: wasm(), cpu: cpu(), generator: seedTwister(0) });

describe.each(["min", "max"] as const)("%s", (fn) => {
  it.each(["operand", "scalar", "constant"])("takes the bound as %s", (kind) => {
    for (const bound of VALUES) {
      for (const swapped of [false, true]) {
        const limit: Expr = kind === "operand" ? arg(1, "f32") : kind === "scalar" ? scalar(0, "f32") : constant(bound, "f32");
        const x = arg(0, "f32");
        const limits = kind === "operand" ? [broadcastView(Tensor.from(Float32Array.of(bound), []), [VALUES.length])] : [];
        const out = Tensor.zeros([VALUES.length]);
        ctx.run({
          kind: "map",
          program: {
            name: fn,
            operands: ["float32", ...limits.map(() => "float32" as const)],
            scalars: kind === "scalar" ? ["f32"] : [],
            outputs: [{ dtype: "float32", parts: [swapped ? binary(fn, limit, x) : binary(fn, x, limit)] }],
            messages: [],
          },
          operands: [Tensor.from(Float32Array.from(VALUES), [VALUES.length]), ...limits],
          results: [out],
          scalars: kind === "scalar" ? [bound] : [],
        });
        expect(Array.from(out.data as Float32Array), `${fn} with ${bound}`).toEqual(VALUES.map((v) => Math[fn](v, bound))); // float32; toEqual tells zeros apart
      }
    }
  });
});
