/** Interpolation between the points of a grid, as expressions. */

import { cast, type Expr } from "../../expr/expr.ts";
import type { Num } from "../../expr/num.ts";

/** The value of `tap` at integer coordinates. */
export type Tap = (at: readonly Expr[]) => Num;

/** Multilinear interpolation at fractional coordinates (f64): the corners weighted by their nearness. */
export function multilinear(at: readonly Num[], tap: Tap): Num {
  const low = at.map((x) => x.floor());
  const weights = at.map((x, i) => x.sub(low[i] ?? x));
  const recurse = (axis: number, chosen: readonly Expr[]): Num => {
    const [base, weight] = [low[axis], weights[axis]];
    if (base === undefined || weight === undefined) return tap(chosen);
    const near = recurse(axis + 1, [...chosen, toIndex(base)]);
    const far = recurse(axis + 1, [...chosen, toIndex(base.add(1))]);
    return near.mul(weight.lit(1).sub(weight)).add(far.mul(weight));
  };
  return recurse(0, []);
}

/** Cubic convolution weights of the four taps around a fraction `t`. */
export function cubicWeights(t: Num, a: number): readonly [Num, Num, Num, Num] {
  const near = (x: Num): Num =>
    x
      .mul(a + 2)
      .sub(a + 3)
      .mul(x)
      .mul(x)
      .add(1);
  const far = (x: Num): Num => x.sub(5).mul(x).add(8).mul(x).sub(4).mul(a);
  return [far(t.add(1)), near(t), near(t.lit(1).sub(t)), far(t.lit(2).sub(t))];
}

/** Cubic interpolation along every axis. */
export function multicubic(at: readonly Num[], a: number, tap: Tap): Num {
  const low = at.map((x) => x.floor());
  const recurse = (axis: number, chosen: readonly Expr[]): Num => {
    const [base, x] = [low[axis], at[axis]];
    if (base === undefined || x === undefined) return tap(chosen);
    return cubicWeights(x.sub(base), a)
      .map((weight, k) => recurse(axis + 1, [...chosen, toIndex(base.add(k - 1))]).mul(weight))
      .reduce((p, q) => p.add(q));
  };
  return recurse(0, []);
}

/** A whole float as a coordinate. */
export function toIndex(x: Num): Expr {
  return cast(x.re, "index");
}
