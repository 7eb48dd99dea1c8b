/**
 * What one thread of this engine can do at most, by kernels that do nothing else: multiply-adds on twelve independent sums that stay in registers,
 * and a copy from one buffer to another.
 */

import { multiplyAdd } from "../../src/backends/wasm/emit.ts";
import { features } from "../../src/backends/wasm/features.ts";
import { ModuleBuilder } from "../../src/wasm/module.ts";

/** Fewer sums than eight leave the units waiting for their own results; more than thirteen do not fit the registers with both factors. */
const SUMS = 12;
/** Multiply-adds of a vector of four in one trip. */
const FLOPS_A_TRIP = SUMS * 4 * 2;
const VECTOR = 16;

export interface Limit {
  /** A short run of nothing but multiply-adds in registers, and how many numbers it multiplies or adds. */
  readonly flops: { readonly run: () => void; readonly amount: number };
  /** A copy of 4 MiB, which fit the caches of most machines, and how many bytes that reads and writes. */
  readonly bytes: { readonly run: () => void; readonly amount: number };
  /** Whether multiply and add are one instruction here. */
  readonly fused: boolean;
}

const COPIED = 4 * 2 ** 20;

function kernels(fused: boolean): { readonly sums: (trips: number) => number; readonly copy: (to: number, from: number, bytes: number) => void } {
  const module = new ModuleBuilder();
  module.memory("memory", { initial: (2 * COPIED) / 65536 + 1 });
  module.func("sums", ["i32"], "f32", (c, trips) => {
    const factor = c.hold(c.op("f32x4.splat", c.f32(0.999)));
    const other = c.hold(c.op("f32x4.splat", c.f32(1.001)));
    const sums = Array.from({ length: SUMS }, () => c.local("v128"));
    const i = c.local("i32");
    c.for(i, 0, trips, 1, () => {
      for (const sum of sums)
        c.set(
          sum,
          multiplyAdd(
            c,
            fused,
            () => c.get(factor),
            () => c.get(other),
            () => c.get(sum),
          ),
        );
    });
    // All sums leave: none may be found useless.
    const total = c.local("v128");
    for (const sum of sums) c.set(total, c.op("f32x4.add", c.get(total), c.get(sum)));
    c.extract("f32x4.extract_lane", c.get(total), 0);
  });
  module.func("copy", ["i32", "i32", "i32"], undefined, (c, to, from, bytes) => {
    const i = c.local("i32");
    c.for(i, 0, bytes, 4 * VECTOR, () => {
      for (let k = 0; k < 4; k++) {
        const at = c.op("i32.add", c.get(to), c.get(i));
        c.store("v128.store", at, c.load("v128.load", c.op("i32.add", c.get(from), c.get(i)), k * VECTOR), k * VECTOR);
      }
    });
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(module.encode()));
  return exports as unknown as ReturnType<typeof kernels>; // exported under these names
}

/** Enough for a clock to be exact. */
const TRIPS = 200_000;

export function limitOfThread(): Limit {
  const fused = features().fusedMultiplyAdd;
  const { sums, copy } = kernels(fused);
  return {
    flops: { run: () => void sums(TRIPS), amount: TRIPS * FLOPS_A_TRIP },
    bytes: { run: () => copy(0, COPIED, COPIED), amount: 2 * COPIED },
    fused,
  };
}
