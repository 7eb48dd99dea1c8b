/** Bilinear reads of a picture at fractional places, as expressions. */

import { binary, cast, constant, type Expr } from "../../expr/expr.ts";
import type { Num } from "../../expr/num.ts";

const zero = constant(0, "index");
export const toIndex = (x: Num): Expr => cast(x.re, "index");

/** The four corners' weighted sum; `tap` reads at whole coordinates. */
function blend(y: Num, x: Num, yLow: Num, xLow: Num, corners: readonly [Num, Num, Num, Num]): Num {
  const [ly, lx] = [y.sub(yLow), x.sub(xLow)];
  const [hy, hx] = [ly.lit(1).sub(ly), lx.lit(1).sub(lx)];
  const [a, b, c, d] = corners;
  return hy.mul(hx).mul(a).add(hy.mul(lx).mul(b)).add(ly.mul(hx).mul(c)).add(ly.mul(lx).mul(d));
}

/** Places up to one pixel outside are drawn to the border; further out counts as zero (roi_align's rule). */
export function clampedSample(y: Num, x: Num, height: Num, width: Num, tap: (y: Expr, x: Expr, inside: Expr) => Num): Num {
  const outside = y.lt(-1).or(y.gt(height)).or(x.lt(-1)).or(x.gt(width)).or(y.isnan()).or(x.isnan());
  const settle = (v: Num, size: Num): { readonly at: Num; readonly low: Num; readonly high: Num } => {
    const positive = v.max(0);
    const low = positive.floor();
    const last = size.sub(1);
    const beyond = low.ge(last);
    return { at: beyond.where(last, positive), low: beyond.where(last, low), high: beyond.where(last, low.add(1)) };
  };
  const [v, h] = [settle(y, height), settle(x, width)];
  const inside = outside.not().re;
  const read = (a: Num, b: Num): Num => tap(toIndex(a), toIndex(b), inside);
  return blend(v.at, h.at, v.low, h.low, [read(v.low, h.low), read(v.low, h.high), read(v.high, h.low), read(v.high, h.high)]);
}

/** Corners outside the picture count as zero one by one (deform_conv2d's rule). */
export function borderedSample(y: Num, x: Num, height: Num, width: Num, tap: (y: Expr, x: Expr, inside: Expr) => Num): Num {
  const [yLow, xLow] = [y.floor(), x.floor()];
  const [rows, columns] = [toIndex(height), toIndex(width)];
  const read = (a: Num, b: Num): Num => {
    const [i, j] = [toIndex(a), toIndex(b)];
    const inside = binary("and", binary("and", binary("ge", i, zero), binary("lt", i, rows)), binary("and", binary("ge", j, zero), binary("lt", j, columns)));
    return tap(i, j, inside);
  };
  return blend(y, x, yLow, xLow, [read(yLow, xLow), read(yLow, xLow.add(1)), read(yLow.add(1), xLow), read(yLow.add(1), xLow.add(1))]);
}
