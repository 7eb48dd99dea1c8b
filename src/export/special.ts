/**
 * Special functions that ONNX has no node for, spelled out in double precision after `numeric/`: the error function's family, gamma's logarithm and
 * derivatives, Hurwitz zeta, modified Bessel functions.
 */

import { ZETA_SERIES } from "../numeric/gamma.ts";
import type { BinaryOp, UnaryOp } from "../expr/expr.ts";
import { I0_LARGE, I0_SMALL, I1_LARGE, I1_SMALL, K0_LARGE, K0_SMALL, K1_LARGE, K1_SMALL } from "../numeric/bessel-tables.ts";
import { LGAMMA_MIDDLE, STIRLING } from "../numeric/gamma-tables.ts";
import { ERF, ERFCX } from "../numeric/special-tables.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type GraphBuilder, loopNode, type OnnxValue } from "./graph.ts";
import { refuse } from "./values.ts";

type Where = (cond: OnnxValue, a: OnnxValue, b: OnnxValue) => OnnxValue;

/** Arithmetic on float64 values. */
class Doubles {
  readonly g: GraphBuilder;
  constructor(g: GraphBuilder) {
    this.g = g;
  }
  c(value: number): OnnxValue {
    return this.g.scalar(value, "float64");
  }
  op(type: string, ...inputs: OnnxValue[]): OnnxValue {
    return this.g.op(type, inputs);
  }
  add(a: OnnxValue, b: OnnxValue | number): OnnxValue {
    return this.op("Add", a, typeof b === "number" ? this.c(b) : b);
  }
  sub(a: OnnxValue | number, b: OnnxValue | number): OnnxValue {
    return this.op("Sub", typeof a === "number" ? this.c(a) : a, typeof b === "number" ? this.c(b) : b);
  }
  mul(a: OnnxValue, b: OnnxValue | number): OnnxValue {
    return this.op("Mul", a, typeof b === "number" ? this.c(b) : b);
  }
  div(a: OnnxValue | number, b: OnnxValue | number): OnnxValue {
    return this.op("Div", typeof a === "number" ? this.c(a) : a, typeof b === "number" ? this.c(b) : b);
  }
  is(type: "Less" | "LessOrEqual" | "Greater" | "GreaterOrEqual" | "Equal", a: OnnxValue, b: OnnxValue | number): OnnxValue {
    return this.g.op(type, [a, typeof b === "number" ? this.c(b) : b], {}, "bool");
  }
  where: Where = (cond, a, b) => this.g.op("Where", [cond, a, b]);
  nan(a: OnnxValue): OnnxValue {
    return this.g.op("IsNaN", [a], {}, "bool");
  }
  /** Clenshaw's sum of a Chebyshev series. */
  chebyshev(coefficients: readonly (number | OnnxValue)[], t: OnnxValue): OnnxValue {
    const value = (k: number): OnnxValue => {
      const own = coefficients[k] ?? 0;
      return typeof own === "number" ? this.c(own) : own;
    };
    const twice = this.add(t, t);
    let [b1, b2]: (OnnxValue | undefined)[] = [undefined, undefined];
    for (let k = coefficients.length - 1; k > 0; k--) {
      let b0 = value(k);
      if (b1 !== undefined) b0 = this.add(this.mul(twice, b1), b0);
      if (b2 !== undefined) b0 = this.sub(b0, b2);
      [b1, b2] = [b0, b1];
    }
    let sum = value(0);
    if (b1 !== undefined) sum = this.add(this.mul(t, b1), sum);
    return b2 === undefined ? sum : this.sub(sum, b2);
  }

  /** exp(x^2) erfc(x) for x >= 0. */
  scaledComplement(x: OnnxValue): OnnxValue {
    const { g } = this;
    const y = this.div(4, this.add(x, 4));
    const piece = g.op("Max", [g.op("Min", [g.cast(this.op("Floor", this.mul(y, 8)), "int64"), g.scalar(7, "int64")]), g.scalar(0, "int64")]);
    const terms = Math.max(...ERFCX.map((row) => row.length));
    const columns = Array.from({ length: terms }, (_, k) => {
      const table = g.constant(
        Tensor.from(
          Float64Array.from(ERFCX, (row) => row[k] ?? 0),
          [ERFCX.length],
        ),
      );
      return g.op("Gather", [table, piece], { axis: 0 });
    });
    const t = this.sub(this.mul(y, 16), this.add(this.mul(g.cast(piece, "float64"), 2), 1));
    return this.mul(y, this.chebyshev(columns, t));
  }
  #decay(a: OnnxValue): OnnxValue {
    return this.op("Exp", this.op("Neg", this.mul(a, a)));
  }
  #series(x: OnnxValue): OnnxValue {
    return this.mul(x, this.chebyshev(ERF, this.sub(this.mul(this.mul(x, x), 2), 1)));
  }
  /** The tail's value, with finite arguments alone. */
  #tail(a: OnnxValue): OnnxValue {
    const finite = this.op("Min", a, this.c(30));
    return this.mul(this.#decay(finite), this.scaledComplement(finite));
  }
  erf(x: OnnxValue): OnnxValue {
    const a = this.op("Abs", x);
    const near = this.is("Less", a, 1);
    const far = this.sub(1, this.#tail(a));
    const value = this.where(near, this.#series(this.where(near, x, this.c(0))), this.where(this.is("Less", x, 0), this.op("Neg", far), far));
    return this.where(this.nan(x), x, value);
  }
  erfc(x: OnnxValue): OnnxValue {
    const a = this.op("Abs", x);
    const near = this.is("Less", a, 0.5);
    const far = this.#tail(a);
    const value = this.where(near, this.sub(1, this.#series(this.where(near, x, this.c(0)))), this.where(this.is("Less", x, 0), this.sub(2, far), far));
    return this.where(this.nan(x), x, value);
  }
  erfcx(x: OnnxValue): OnnxValue {
    const a = this.op("Abs", x);
    const positive = this.scaledComplement(a);
    const negative = this.sub(this.mul(this.op("Exp", this.mul(x, x)), 2), positive);
    return this.where(this.is("Less", x, 0), negative, positive);
  }
  erfinv(y: OnnxValue): OnnxValue {
    const a = this.op("Abs", y);
    const inside = this.is("Less", a, 1);
    const safe = this.where(inside, a, this.c(0.5));
    const l = this.op("Log", this.mul(this.sub(1, safe), this.add(safe, 1)));
    const t = this.add(this.div(l, 2), 4.330746750799873);
    const d = this.sub(this.op("Sqrt", this.sub(this.mul(t, t), this.div(l, 0.147))), t);
    let x = this.op("Sqrt", this.op("Max", d, this.c(0)));
    for (let step = 0; step < 2; step++) {
      const error = this.where(this.is("Greater", safe, 0.5), this.sub(this.sub(1, safe), this.erfc(x)), this.sub(this.erf(x), safe));
      const u = this.div(error, this.mul(this.#decay(x), 1.1283791670955126));
      x = this.sub(x, this.div(u, this.add(this.mul(x, u), 1)));
    }
    const value = this.where(this.is("Less", a, 1e-9), this.mul(a, 0.886226925452758), x);
    const edge = this.where(this.is("Equal", a, 1), this.c(Infinity), this.c(NaN));
    const whole = this.where(inside, value, edge);
    return this.where(this.is("Less", y, 0), this.op("Neg", whole), whole);
  }
  logNdtr(x: OnnxValue): OnnxValue {
    const t = this.mul(x, Math.SQRT1_2);
    const low = this.sub(this.op("Log", this.div(this.scaledComplement(this.op("Abs", t)), 2)), this.mul(t, t));
    const high = this.log1p(this.op("Neg", this.div(this.erfc(t), 2)));
    return this.where(this.is("Less", x, -1), low, high);
  }
  log1p(x: OnnxValue): OnnxValue {
    const u = this.add(x, 1);
    const d = this.sub(u, 1);
    const still = this.is("Equal", d, 0);
    return this.where(still, x, this.mul(this.op("Log", u), this.div(x, this.where(still, this.c(1), d))));
  }
  ndtri(p: OnnxValue): OnnxValue {
    const inside = this.op("And", this.is("Greater", p, 0), this.is("Less", p, 1));
    const safe = this.where(inside, p, this.c(0.5));
    const middle = this.mul(this.erfinv(this.sub(this.mul(safe, 2), 1)), Math.SQRT2);
    const tail = this.op("Min", safe, this.sub(1, safe));
    const goal = this.op("Log", tail);
    const r = this.op("Sqrt", this.mul(goal, -2));
    const top = this.add(this.mul(r, this.add(this.mul(r, 0.010328), 0.802853)), 2.515517);
    const bottom = this.add(this.mul(r, this.add(this.mul(r, this.add(this.mul(r, 0.001308), 0.189269)), 1.432788)), 1);
    let x = this.op("Neg", this.sub(r, this.div(top, bottom)));
    for (let step = 0; step < 3; step++)
      x = this.sub(x, this.div(this.mul(this.sub(this.logNdtr(x), goal), this.erfcx(this.mul(x, -Math.SQRT1_2))), 0.7978845608028654));
    const isMiddle = this.op("And", this.is("Greater", safe, 0.25), this.is("Less", safe, 0.75));
    const value = this.where(isMiddle, middle, this.where(this.is("Less", safe, 0.5), x, this.op("Neg", x)));
    const edge = this.where(this.is("Equal", p, 0), this.c(-Infinity), this.where(this.is("Equal", p, 1), this.c(Infinity), this.c(NaN)));
    return this.where(inside, value, edge);
  }

  /** log gamma(x) for x > 0. */
  #lgammaPositive(x: OnnxValue): OnnxValue {
    // Down to [2, 3] from below 10; up by one from below 1.
    let y = x;
    let product = this.c(1);
    for (let step = 0; step < 7; step++) {
      const above = this.op("And", this.is("Greater", y, 3), this.is("Less", x, 10));
      y = this.where(above, this.sub(y, 1), y);
      product = this.where(above, this.mul(product, y), product);
    }
    const below = this.is("Less", x, 1);
    const at = this.op("Min", this.where(below, this.add(x, 1), y), this.c(3));
    const minus1 = this.where(below, x, this.sub(at, 1));
    const minus2 = this.where(below, this.sub(x, 1), this.sub(at, 2));
    const middle = this.mul(this.mul(minus1, minus2), this.chebyshev(LGAMMA_MIDDLE, this.sub(at, 2)));
    const small = this.where(below, this.sub(middle, this.op("Log", x)), this.add(middle, this.op("Log", product)));
    const big = this.op("Max", x, this.c(10));
    const remainder = this.div(this.chebyshev(STIRLING, this.sub(this.div(200, this.mul(big, big)), 1)), big);
    const large = this.add(this.add(this.sub(this.mul(this.sub(big, 0.5), this.op("Log", big)), big), 0.9189385332046728), remainder);
    const value = this.where(this.is("Less", x, 10), small, large);
    return this.where(this.g.op("IsInf", [x], {}, "bool"), x, value);
  }
  #sinPi(x: OnnxValue): OnnxValue {
    const r = this.sub(x, this.mul(this.op("Round", this.div(x, 2)), 2));
    return this.op("Sin", this.mul(r, Math.PI));
  }
  lgamma(x: OnnxValue): OnnxValue {
    const positive = this.is("Greater", x, 0);
    const a = this.where(positive, x, this.op("Neg", x));
    const isPole = this.op("And", this.op("Not", positive), this.is("Equal", x, this.op("Floor", x)));
    const safe = this.where(this.is("Equal", a, 0), this.c(1), a);
    const own = this.#lgammaPositive(safe);
    const reflected = this.sub(this.op("Log", this.div(Math.PI, this.op("Abs", this.mul(x, this.#sinPi(x))))), own);
    const value = this.where(positive, own, this.where(isPole, this.c(Infinity), reflected));
    return this.where(this.nan(x), x, value);
  }
  digamma(x: OnnxValue): OnnxValue {
    const negative = this.is("Less", x, 0);
    let y = this.where(negative, this.sub(1, x), x);
    let result = this.c(0);
    for (let step = 0; step < 10; step++) {
      const below = this.is("Less", y, 10);
      result = this.where(below, this.sub(result, this.div(1, y)), result);
      y = this.where(below, this.add(y, 1), y);
    }
    const z = this.div(1, this.mul(y, y));
    let tail = this.c(0);
    for (const b of [1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12]) tail = this.mul(z, this.add(tail, b));
    const own = this.sub(this.sub(this.add(result, this.op("Log", y)), this.div(0.5, y)), tail);
    const whole = this.where(negative, this.op("Ceil", x), this.op("Floor", x));
    const r = this.mul(this.sub(x, whole), Math.PI);
    const reflected = this.sub(own, this.div(this.mul(this.op("Cos", r), Math.PI), this.op("Sin", r)));
    const atPole = this.op("And", negative, this.is("Equal", x, whole));
    const value = this.where(atPole, this.c(NaN), this.where(negative, reflected, own));
    return this.where(this.is("Equal", x, 0), this.op("Neg", this.div(1, x)), value);
  }
  trigamma(x: OnnxValue): OnnxValue {
    const low = this.is("Less", x, 0.5);
    let y = this.where(low, this.sub(1, x), x);
    let result = this.c(0);
    for (let step = 0; step < 12; step++) {
      const below = this.is("Less", y, 12);
      result = this.where(below, this.add(result, this.div(1, this.mul(y, y))), result);
      y = this.where(below, this.add(y, 1), y);
    }
    const z = this.div(1, this.mul(y, y));
    let series = this.c(0);
    for (const b of [7 / 6, -691 / 2730, 5 / 66, -1 / 30, 1 / 42, -1 / 30, 1 / 6]) series = this.mul(z, this.add(series, b));
    const own = this.add(result, this.div(this.add(this.add(series, this.div(0.5, y)), 1), y));
    const s = this.op("Sin", this.mul(x, Math.PI));
    return this.where(low, this.sub(this.div(Math.PI * Math.PI, this.mul(s, s)), own), own);
  }
  zeta(x: OnnxValue, q: OnnxValue): OnnxValue {
    const { g } = this;
    const up = this.op("Neg", x);
    const zero = this.mul(this.add(x, q), 0);
    const start = this.add(q, this.mul(x, 0));
    const steps = g.op("Max", [
      g.scalar(9, "int64"),
      g.cast(g.op("ReduceMax", [this.op("Ceil", this.sub(10, g.op("Reshape", [start, g.ints([-1])])))], { keepdims: 0 }), "int64"),
    ]);
    const { state } = loopNode(g, steps, [start, this.add(this.op("Pow", q, up), zero), this.add(zero, 0)], (trip, [a = q, sum = q, b = q]) => {
      const active = this.op("Or", g.op("Less", [trip, g.scalar(9, "int64")], {}, "bool"), this.is("LessOrEqual", a, 9));
      const next = this.add(a, 1);
      const term = this.op("Pow", next, up);
      return { go: undefined, state: [this.where(active, next, a), this.where(active, this.add(sum, term), sum), this.where(active, term, b)], stacked: [] };
    });
    const [w = q, partial = q, b0 = q] = state;
    let sum = this.sub(this.add(partial, this.div(this.mul(b0, w), this.sub(x, 1))), this.div(b0, 2));
    let factor = this.add(zero, 1);
    let b = b0;
    let k = 0;
    for (const divisor of ZETA_SERIES) {
      factor = this.mul(factor, this.add(x, k));
      b = this.div(b, w);
      sum = this.add(sum, this.div(this.mul(factor, b), divisor));
      factor = this.mul(factor, this.add(x, k + 1));
      b = this.div(b, w);
      k += 2;
    }
    const whole = this.is("Equal", q, this.op("Floor", q));
    const isBad = this.op("And", this.is("LessOrEqual", q, 0), this.op("Or", whole, this.op("Not", this.is("Equal", x, this.op("Floor", x)))));
    const bad = this.where(whole, this.c(Infinity), this.c(NaN));
    return this.where(this.is("Equal", x, 1), this.c(Infinity), this.where(this.is("Less", x, 1), this.c(NaN), this.where(isBad, bad, sum)));
  }
  polygamma(n: OnnxValue, x: OnnxValue): OnnxValue {
    const order = this.op("Max", n, this.c(2));
    const even = this.is("Equal", this.mul(this.op("Floor", this.div(order, 2)), 2), order);
    const size = this.mul(this.op("Exp", this.#lgammaPositive(this.add(order, 1))), this.zeta(this.add(order, 1), x));
    const general = this.where(even, this.op("Neg", size), size);
    return this.where(this.is("Equal", n, 0), this.digamma(x), this.where(this.is("Equal", n, 1), this.trigamma(x), general));
  }

  /** A modified Bessel function from its two series, scaled by exp(-|x|). */
  #besselI(x: OnnxValue, small: readonly number[], large: readonly number[], odd: boolean): OnnxValue {
    const a = this.op("Abs", x);
    const near = this.chebyshev(small, this.sub(this.div(this.op("Min", a, this.c(8)), 4), 1));
    const b = this.op("Max", a, this.c(8));
    const far = this.div(this.chebyshev(large, this.sub(this.div(16, b), 1)), this.op("Sqrt", b));
    const isNear = this.is("LessOrEqual", a, 8);
    if (!odd) return this.where(isNear, near, far);
    return this.where(isNear, this.mul(x, near), this.where(this.is("Less", x, 0), this.op("Neg", far), far));
  }
  i0e(x: OnnxValue): OnnxValue {
    return this.#besselI(x, I0_SMALL, I0_LARGE, false);
  }
  i1e(x: OnnxValue): OnnxValue {
    return this.#besselI(x, I1_SMALL, I1_LARGE, true);
  }
  grown(value: OnnxValue, x: OnnxValue): OnnxValue {
    const half = this.op("Exp", this.div(this.op("Abs", x), 2));
    return this.mul(this.mul(value, half), half);
  }
  besselK(x: OnnxValue, order: 0 | 1, scaled: boolean): OnnxValue {
    const near = this.is("LessOrEqual", x, 2);
    const positive = this.is("Greater", x, 0);
    const a = this.op("Min", this.where(positive, x, this.c(1)), this.c(2));
    const log = this.op("Log", this.div(a, 2));
    const square = this.sub(this.div(this.mul(a, a), 2), 1);
    let small =
      order === 0
        ? this.sub(this.chebyshev(K0_SMALL, square), this.mul(log, this.grown(this.i0e(a), a)))
        : this.add(this.div(this.chebyshev(K1_SMALL, square), a), this.mul(log, this.grown(this.i1e(a), a)));
    if (scaled) small = this.mul(small, this.op("Exp", a));
    const b = this.op("Max", x, this.c(2));
    let large = this.div(this.chebyshev(order === 0 ? K0_LARGE : K1_LARGE, this.sub(this.div(4, b), 1)), this.op("Sqrt", b));
    if (!scaled) large = this.mul(large, this.op("Exp", this.op("Neg", b)));
    const edge = this.where(this.is("Equal", x, 0), this.c(Infinity), this.c(NaN));
    return this.where(positive, this.where(near, small, large), edge);
  }
}

/** A function of one number in its own float dtype, computed in double; undefined for those that have no spelling. */
export function specialValue(g: GraphBuilder, fn: UnaryOp, a: OnnxValue): OnnxValue | undefined {
  const d = new Doubles(g);
  const x = g.cast(a, "float64");
  const made = ((): OnnxValue | undefined => {
    switch (fn) {
      case "erf":
        return d.erf(x);
      case "erfc":
        return d.erfc(x);
      case "erfcx":
        return d.erfcx(x);
      case "erfinv":
        return d.erfinv(x);
      case "ndtr":
        return d.div(d.erfc(d.mul(x, -Math.SQRT1_2)), 2);
      case "logndtr":
        return d.logNdtr(x);
      case "ndtri":
        return d.ndtri(x);
      case "lgamma":
        return d.lgamma(x);
      case "digamma":
        return d.digamma(x);
      case "i0":
        return d.grown(d.i0e(x), x);
      case "i0e":
        return d.i0e(x);
      case "i1":
        return d.grown(d.i1e(x), x);
      case "i1e":
        return d.i1e(x);
      case "k0":
        return d.besselK(x, 0, false);
      case "k0e":
        return d.besselK(x, 0, true);
      case "k1":
        return d.besselK(x, 1, false);
      case "k1e":
        return d.besselK(x, 1, true);
      default:
        return undefined;
    }
  })();
  return made === undefined ? undefined : g.cast(made, a.dtype);
}
/** As `specialValue`, of two numbers. */
export function specialPair(g: GraphBuilder, fn: BinaryOp, a: OnnxValue, b: OnnxValue): OnnxValue {
  const d = new Doubles(g);
  const [x, y] = [g.cast(a, "float64"), g.cast(b, "float64")];
  if (fn === "zeta") return g.cast(d.zeta(x, y), a.dtype);
  if (fn === "polygamma") return g.cast(d.polygamma(x, y), a.dtype);
  return refuse(`the function \`${fn}\` has no counterpart in ONNX`);
}
