import { describe, expect, test } from "vitest";
import { erf } from "../../numeric/special.ts";
import { ModuleBuilder } from "../../wasm/module.ts";
import { features } from "./features.ts";
import { LinearMemory } from "./memory.ts";
import { vectorErf, vectorExp, vectorExpBelow, type VectorFunction, vectorLog, vectorTanh } from "./vector-math.ts";

/** The function on one number. */
function scalar(f: VectorFunction, fused: boolean): (x: number) => number {
  const m = new ModuleBuilder();
  m.importMemory("env", "memory", { initial: 1 });
  m.func("run", ["f32"], "f32", (c, x) => {
    const value = f(c, fused, c.hold(c.op("f32x4.splat", c.get(x))));
    c.extract("f32x4.extract_lane", value, 2);
  });
  const { memory } = new LinearMemory();
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.encode()), { env: { memory } });
  return exports["run"] as (x: number) => number; // the function built above
}

/** Distance in units of the last place of the exact value. */
function ulps(got: number, exact: number): number {
  if (Object.is(got, exact) || got === Math.fround(exact)) return 0;
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(exact))));
  return Math.abs(got - exact) / 2 ** (exponent - 23);
}

const CASES: readonly {
  readonly name: string;
  readonly f: VectorFunction;
  readonly exact: (x: number) => number;
  readonly from: number;
  readonly to: number;
  readonly bound: number;
}[] = [
  { name: "exp", f: vectorExp, exact: Math.exp, from: -104, to: 88.7, bound: 1.5 },
  { name: "exp below", f: vectorExpBelow, exact: Math.exp, from: -87.3, to: 88, bound: 1.5 },
  { name: "log", f: vectorLog, exact: Math.log, from: 1e-38, to: 1e4, bound: 1.5 },
  { name: "log near 1", f: vectorLog, exact: Math.log, from: 0.5, to: 2, bound: 1.5 },
  { name: "tanh", f: vectorTanh, exact: Math.tanh, from: -10, to: 10, bound: 2.5 },
  { name: "erf", f: vectorErf, exact: erf, from: -5, to: 5, bound: 1.5 },
];

describe.each([true, false].filter((fused) => !fused || features().fusedMultiplyAdd))("fused: %s", (fused) => {
  test.each(CASES)("$name is within $bound units in the last place", ({ f, exact, from, to, bound }) => {
    const run = scalar(f, fused);
    let worst = 0;
    let where = 0;
    for (let i = 0; i <= 20_000; i++) {
      const x = Math.fround(from + ((to - from) * i) / 20_000);
      const error = ulps(run(x), exact(x));
      if (error > worst) [worst, where] = [error, x];
    }
    expect({ worst: worst <= bound, at: where, ulps: worst }).toEqual({ worst: true, at: where, ulps: worst });
  });

  test("the ends of the range are those of the exact functions", () => {
    const exp = scalar(vectorExp, fused);
    expect([-Infinity, -200, 200, Infinity, NaN, 0, -0].map(exp)).toEqual([0, 0, Infinity, Infinity, NaN, 1, 1]);
    const below = scalar(vectorExpBelow, fused);
    expect([-Infinity, -200, -88, NaN, 0, -0].map(below)).toEqual([0, 0, 0, NaN, 1, 1]);
    const log = scalar(vectorLog, fused);
    expect([0, -0, -1, Infinity, NaN, 1].map(log)).toEqual([-Infinity, -Infinity, NaN, Infinity, NaN, 0]);
    expect(ulps(log(2 ** -140), Math.log(2 ** -140))).toBeLessThan(1.5);
    const tanh = scalar(vectorTanh, fused);
    expect([-Infinity, Infinity, NaN, 0, -0].map(tanh)).toEqual([-1, 1, NaN, 0, -0]);
    const erfOf = scalar(vectorErf, fused);
    expect([-Infinity, Infinity, NaN, 0, -0].map(erfOf)).toEqual([-1, 1, NaN, 0, -0]);
  });
});
