import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as special from "./special.ts";
import { GOLDENS } from "./special.samples.ts";
import { log1pMinus } from "./elementary.ts";

type Fn = (...args: number[]) => number;
const functions: Readonly<Record<string, unknown>> = special;

function call(name: string, args: readonly number[]): number {
  const fn = functions[name];
  if (typeof fn !== "function") throw new Error(`no ${name}`);
  return (fn as Fn)(...args); // the record holds only numeric functions under these names
}

describe("special functions", () => {
  it.each(GOLDENS)("%s is accurate to %s", (name, rtol, rows) => {
    for (const row of rows) {
      const wanted = row[row.length - 1] as number; // every row ends in its value
      const got = call(name, row.slice(0, -1));
      expect(Math.abs(got - wanted), `${name}(${row.slice(0, -1).join(", ")}) = ${got}, not ${wanted}`).toBeLessThanOrEqual(rtol * Math.abs(wanted));
    }
  });

  // Recorded from PyTorch 2.13.
  it.each<[string, readonly number[], number]>([
    ["lgamma", [0], Infinity],
    ["lgamma", [-2], Infinity],
    ["lgamma", [-Infinity], Infinity],
    ["lgamma", [1], 0],
    ["lgamma", [2], 0],
    ["digamma", [0], -Infinity],
    ["digamma", [-0], Infinity],
    ["digamma", [-1], NaN],
    ["digamma", [-Infinity], NaN],
    ["digamma", [Infinity], Infinity],
    ["erfinv", [1], Infinity],
    ["erfinv", [-1], -Infinity],
    ["erfinv", [1.5], NaN],
    ["erfinv", [-0], -0],
    ["erf", [Infinity], 1],
    ["erf", [NaN], NaN],
    ["erf", [-0], -0],
    ["erfc", [-Infinity], 2],
    ["erfcx", [-100], Infinity],
    ["erfcx", [Infinity], 0],
    ["ndtri", [0], -Infinity],
    ["ndtri", [1], Infinity],
    ["ndtri", [1.1], NaN],
    ["ndtri", [0.5], 0],
    ["logNdtr", [-Infinity], -Infinity],
    ["logNdtr", [Infinity], -0],
    ["j0", [0], 1],
    ["j1", [-0], -0],
    ["y0", [0], -Infinity],
    ["y1", [-1], NaN],
    ["k0", [0], Infinity],
    ["k1", [-1], NaN],
    ["airyAi", [Infinity], NaN],
    ["airyAi", [104], 0],
    ["sphericalJ0", [Infinity], 0],
    ["sinc", [0], 1],
    ["entr", [0], 0],
    ["entr", [-1], -Infinity],
    ["zeta", [1, 2], Infinity],
    ["zeta", [0.5, 2], NaN],
    ["zeta", [2, -1], Infinity],
    ["zeta", [2.5, -0.5], NaN],
    ["zeta", [Infinity, 1], 1],
    ["igamma", [0, 1], 1],
    ["igamma", [0, 0], NaN],
    ["igamma", [NaN, 0], 0],
    ["igamma", [Infinity, 1], 0],
    ["igammac", [1, Infinity], 0],
    ["igammac", [-1, 1], NaN],
    ["chebyshevT", [0.3, 9], Math.cos(9 * Math.acos(0.3))],
    ["chebyshevT", [2, -1], 0],
    ["chebyshevU", [-1, 3], -4],
    ["chebyshevV", [-1, 2], 5],
    ["chebyshevW", [1, 2], 5],
    ["shiftedChebyshevT", [0, 3], -1],
    ["shiftedChebyshevW", [1, 3], 7],
    ["hermiteH", [0.5, 3], -5],
    ["hermiteHe", [2, 3.9], 2],
    ["laguerreL", [2, 2], -1],
    ["legendreP", [0.5, 2], -0.125],
    ["legendreP", [-1, 3], -1],
    ["hermiteH", [1, 600], NaN],
    ["remainder", [-7, 3], 2],
    ["remainder", [7, -3], -2],
    ["remainder", [-0, 3], -0],
    ["remainder", [1, 0], NaN],
    ["remainder", [1, -Infinity], -Infinity],
    ["floorDivide", [-7, 2], -4],
    ["floorDivide", [1, 0], Infinity],
    ["floorDivide", [0, -3], -0],
    ["floorDivide", [1, 0.1], 9],
    ["fmod", [-7, 3], -1],
    ["nextafter", [1, 2], 1 + 2 ** -52],
    ["nextafter", [0, -1], -5e-324],
    ["nextafter32", [1, 0], 1 - 2 ** -24],
    ["nextafter", [0, -0], -0],
    ["pow", [1, NaN], 1],
    ["pow", [-1, -Infinity], 1],
    ["exp2", [-1074], 5e-324],
    ["exp2", [1024], Infinity],
    ["exp2", [NaN], NaN],
    ["roundHalfEven", [2.5], 2],
    ["roundHalfEven", [-0.5], -0],
    ["roundHalfEven", [3.5], 4],
    ["roundHalfEven", [4503599627370497.5], 4503599627370498],
    ["gcd", [-12, 18], 6],
    ["lcm", [4, -6], 12],
    ["lcm", [0, 3], 0],
  ])("%s(%j) is %s", (name, args, wanted) => {
    const got = call(name, args);
    if (Number.isFinite(wanted) && wanted !== 0) expect(Math.abs(got - wanted)).toBeLessThanOrEqual(4e-15 * Math.abs(wanted));
    else expect(got).toBe(wanted);
  });

  it("frexp and ldexp undo each other", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const [mantissa, exponent] = special.frexp(x);
        expect(special.ldexp(mantissa, exponent)).toBe(x);
        if (x !== 0) expect(Math.abs(mantissa)).toSatisfy((m: number) => m >= 0.5 && m < 1);
      }),
    );
  });

  it("the incomplete gamma functions add up to one", () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1000, noNaN: true }), fc.double({ min: 0.01, max: 1000, noNaN: true }), (a, x) => {
        expect(special.igamma(a, x) + special.igammac(a, x)).toBeCloseTo(1, 12);
      }),
    );
  });

  it("log1pMinus keeps its digits near zero", () => {
    expect(log1pMinus(1e-8)).toBeCloseTo(-4.9999999666666669e-17, 30);
    expect(log1pMinus(0.5)).toBeCloseTo(Math.log1p(0.5) - 0.5, 15);
  });

  it("divisors of big integers are never negative", () => {
    expect(special.gcdBig(-12n, 18n)).toBe(6n);
    expect(special.lcmBig(-4n, 6n)).toBe(12n);
  });
});
