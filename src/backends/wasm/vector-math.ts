/**
 * exp, log, tanh and erf of four float32 at once, in float32 alone. Each is within a few units in the last place of the exact value
 * (`vector-math.test.ts` holds the bounds); ranges and minimax coefficients are those of S. Moshier's Cephes library.
 */

import type { Code, Local, Value } from "../../wasm/code.ts";
import { multiplyAdd } from "./emit.ts";
import { floatLiteral, intLiteral, type Literal } from "./literals.ts";

type V128 = Local<"v128">;
export type VectorFunction = (c: Code, fused: boolean, x: V128) => Value<"v128">;

const ZERO = floatLiteral(0);
const ONE = floatLiteral(1);
const literals = (values: readonly number[]): Literal[] => values.map(floatLiteral);

/** `a * b + sum`. */
const fma = (c: Code, fused: boolean, a: () => Value<"v128">, b: () => Value<"v128">, sum: () => Value<"v128">): Value<"v128"> =>
  multiplyAdd(c, fused, a, b, sum);

/** A polynomial in `x`, coefficients from the highest power down. */
export function polynomial(c: Code, fused: boolean, x: V128, coefficients: readonly Literal[]): V128 {
  const [first = ZERO, ...rest] = coefficients;
  const sum = c.hold(first(c));
  for (const k of rest) {
    c.set(
      sum,
      fma(
        c,
        fused,
        () => c.get(sum),
        () => c.get(x),
        () => k(c),
      ),
    );
  }
  return sum;
}

/**
 * The same by powers of the square: neighbours are joined first, none of them waiting for another, and half as many steps wait for the one before, which is what loops over
 * vectors are bound by. Where several polynomials are under way at once, the square is a step more for nothing.
 */
function polynomialByPairs(c: Code, fused: boolean, x: V128, coefficients: readonly Literal[]): V128 {
  const square = c.hold(c.op("f32x4.mul", c.get(x), c.get(x)));
  const join = (factor: () => Value<"v128">, by: V128, sum: () => Value<"v128">): V128 => c.hold(fma(c, fused, factor, () => c.get(by), sum));
  const term = (k: number) => (): Value<"v128"> => (coefficients[k] ?? ZERO)(c);
  const odd = coefficients.length % 2;
  let sum = odd === 1 ? c.hold(term(0)()) : join(term(0), x, term(1));
  for (let k = 2 - odd; k < coefficients.length; k += 2) {
    const [higher, pair] = [sum, join(term(k), x, term(k + 1))];
    sum = join(
      () => c.get(higher),
      square,
      () => c.get(pair),
    );
  }
  return sum;
}

const LOG2E = floatLiteral(Math.LOG2E);
/** ln 2 in two parts: the first has so few bits that its products with exponents are exact. */
const [LN2_HIGH, LN2_LOW, MINUS_LN2_HIGH, MINUS_LN2_LOW] = [
  floatLiteral(0.693359375),
  floatLiteral(-2.1219444e-4),
  floatLiteral(-0.693359375),
  floatLiteral(2.1219444e-4),
];
/** Beyond these, exp is infinite or zero in float32. */
const [EXP_HIGHEST, EXP_LOWEST] = [floatLiteral(89), floatLiteral(-104)];
/** The least argument whose exponential is a normal number. */
const EXP_NORMAL = floatLiteral(-87.33654);
/** (e^r - 1 - r) / r^2 by powers of r from the fourth down, the least error of e^r for |r| to ln 2 / 2: 0.07 u. */
const EXP = literals([1.381432e-3, 8.368852e-3, 4.16684e-2, 1.666652e-1, 4.9999994e-1]);
/** Added to a small number, this leaves the nearest integer in the lowest bits of the sum, plus `bias`. */
const rounding = (bias: number): Literal => floatLiteral(1.5 * 2 ** 23 + bias);
/** Twice the bias of an exponent: halves of the sum are biased exponents. */
const [ROUND, ROUND_TWICE] = [rounding(127), rounding(254)];
const EXPONENT = 23;

/** `x = n ln 2 + r`: gives e^r - 1, and n, biased as `round` says, as the lowest bits of `rounded`. `x` is overwritten. */
function reduced(c: Code, fused: boolean, x: V128, round: Literal): { readonly above: V128; readonly rounded: V128 } {
  const product = (a: () => Value<"v128">, b: () => Value<"v128">, sum: () => Value<"v128">): Value<"v128"> => fma(c, fused, a, b, sum);
  const rounded = c.hold(
    product(
      () => c.get(x),
      () => LOG2E(c),
      () => round(c),
    ),
  );
  const n = c.hold(c.op("f32x4.sub", c.get(rounded), round(c)));
  for (const part of [MINUS_LN2_HIGH, MINUS_LN2_LOW]) {
    c.set(
      x,
      product(
        () => c.get(n),
        () => part(c),
        () => c.get(x),
      ),
    );
  }
  const curve = polynomialByPairs(c, fused, x, EXP);
  const above = c.hold(
    product(
      () => c.get(curve),
      () => c.op("f32x4.mul", c.get(x), c.get(x)),
      () => c.get(x),
    ),
  );
  return { above, rounded };
}

/** `(1 + above) 2^n`, rounded once, where the lowest bits of `biased` are the exponent of 2^n. */
function powerOf(c: Code, fused: boolean, above: V128, biased: Value<"v128">): Value<"v128"> {
  const scale = c.hold(c.op("i32x4.shl", biased, c.i32(EXPONENT)));
  return fma(
    c,
    fused,
    () => c.get(above),
    () => c.get(scale),
    () => c.get(scale),
  );
}

export const vectorExp: VectorFunction = (c, fused, input) => {
  // The pseudo-extrema are one instruction each, and keep NaN where it comes first.
  const x = c.hold(c.op("f32x4.pmax", c.op("f32x4.pmin", c.get(input), EXP_HIGHEST(c)), EXP_LOWEST(c)));
  const { above, rounded } = reduced(c, fused, x, ROUND_TWICE);
  // 2^n in two factors, so that subnormal results come out rounded once and 2^128 is infinite at last only.
  const half = c.hold(c.op("i32x4.shr_s", c.get(rounded), c.i32(1)));
  const power = powerOf(c, fused, above, c.get(half));
  return c.op("f32x4.mul", power, c.op("i32x4.shl", c.op("i32x4.sub", c.get(rounded), c.get(half)), c.i32(EXPONENT)));
};

/** exp of what is below 88, where results that are not normal may be 0: of weights and of gates. */
export const vectorExpBelow: VectorFunction = (c, fused, input) => {
  const x = c.hold(c.get(input));
  const { above, rounded } = reduced(c, fused, x, ROUND);
  const small = c.hold(c.op("f32x4.lt", c.get(input), EXP_NORMAL(c)));
  return c.op("v128.andnot", powerOf(c, fused, above, c.get(rounded)), c.get(small));
};

const SQRT_HALF = floatLiteral(Math.SQRT1_2);
const LOG = literals([
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
]);
const SMALLEST_NORMAL = floatLiteral(2 ** -126);
const [LIFT, LIFTED] = [floatLiteral(2 ** 23), intLiteral(23)];
const [MANTISSA, HALF_BITS, LOG_BIAS] = [intLiteral(0x007fffff), intLiteral(0x3f000000), intLiteral(126)];
const MINUS_HALF = floatLiteral(-0.5);
const [INFINITE, MINUS_INFINITE, NOT_A_NUMBER] = [floatLiteral(Infinity), floatLiteral(-Infinity), floatLiteral(NaN)];

export const vectorLog: VectorFunction = (c, fused, input) => {
  // Subnormals are scaled into the normal range first.
  const small = c.hold(c.op("f32x4.lt", c.get(input), SMALLEST_NORMAL(c)));
  const bits = c.hold(c.op("v128.bitselect", c.op("f32x4.mul", c.get(input), LIFT(c)), c.get(input), c.get(small)));
  const biased = c.op("i32x4.sub", c.op("i32x4.shr_s", c.get(bits), c.i32(23)), LOG_BIAS(c));
  const exponent = c.hold(c.op("f32x4.convert_i32x4_s", c.op("i32x4.sub", biased, c.op("v128.and", c.get(small), LIFTED(c)))));
  const x = c.hold(c.op("v128.or", c.op("v128.and", c.get(bits), MANTISSA(c)), HALF_BITS(c)));
  const low = c.hold(c.op("f32x4.lt", c.get(x), SQRT_HALF(c)));
  c.set(exponent, c.op("f32x4.sub", c.get(exponent), c.op("v128.and", c.get(low), ONE(c))));
  c.set(x, c.op("f32x4.sub", c.op("f32x4.add", c.get(x), c.op("v128.and", c.get(low), c.get(x))), ONE(c)));
  const square = c.hold(c.op("f32x4.mul", c.get(x), c.get(x)));
  const sum = polynomialByPairs(c, fused, x, LOG);
  c.set(sum, c.op("f32x4.mul", c.op("f32x4.mul", c.get(sum), c.get(x)), c.get(square)));
  c.set(
    sum,
    multiplyAdd(
      c,
      fused,
      () => c.get(exponent),
      () => LN2_LOW(c),
      () => c.get(sum),
    ),
  );
  c.set(
    sum,
    multiplyAdd(
      c,
      fused,
      () => c.get(square),
      () => MINUS_HALF(c),
      () => c.get(sum),
    ),
  );
  const result = c.hold(
    multiplyAdd(
      c,
      fused,
      () => c.get(exponent),
      () => LN2_HIGH(c),
      () => c.op("f32x4.add", c.get(sum), c.get(x)),
    ),
  );
  // Zero gives -infinity, what is below it NaN; infinity and NaN stay.
  c.set(result, c.op("v128.bitselect", MINUS_INFINITE(c), c.get(result), c.op("f32x4.eq", c.get(input), ZERO(c))));
  c.set(result, c.op("v128.bitselect", NOT_A_NUMBER(c), c.get(result), c.op("f32x4.lt", c.get(input), ZERO(c))));
  const finite = c.op("f32x4.lt", c.get(input), INFINITE(c));
  const kept = c.hold(finite);
  return c.op("v128.bitselect", c.get(result), c.get(input), c.get(kept));
};

const SIGN_BIT = intLiteral(-2147483648);
const TWO = floatLiteral(2);
/** Below this tanh is its series; above, a quotient of exponentials loses nothing. */
const TANH_SMALL = floatLiteral(0.625);
/** Twice an argument whose tanh is 1. */
const TANH_ONE = floatLiteral(40);
const TANH = literals([-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1]);

/** `size` with the sign of `x`. */
function withSign(c: Code, size: Value<"v128">, x: V128): Value<"v128"> {
  return c.op("v128.or", size, c.op("v128.and", c.get(x), SIGN_BIT(c)));
}

export const vectorTanh: VectorFunction = (c, fused, x) => {
  const size = c.hold(c.op("f32x4.abs", c.get(x)));
  const square = c.hold(c.op("f32x4.mul", c.get(x), c.get(x)));
  const series = polynomialByPairs(c, fused, square, TANH);
  c.set(
    series,
    multiplyAdd(
      c,
      fused,
      () => c.op("f32x4.mul", c.get(series), c.get(square)),
      () => c.get(size),
      () => c.get(size),
    ),
  );
  const twice = c.hold(c.op("f32x4.pmin", c.op("f32x4.add", c.get(size), c.get(size)), TANH_ONE(c)));
  const power = c.hold(vectorExpBelow(c, fused, twice));
  const far = c.hold(c.op("f32x4.sub", ONE(c), c.op("f32x4.div", TWO(c), c.op("f32x4.add", c.get(power), ONE(c)))));
  return withSign(c, c.op("v128.bitselect", c.get(series), c.get(far), c.op("f32x4.lt", c.get(size), TANH_SMALL(c))), x);
};

/** erf(x) / x - 1 in powers of x^2, below the bound; above it erf is 1 - e^p(x), p in powers of x. Coefficients are N. Juffa's. */
const ERF_NEAR = literals([-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1]);
const ERF_FAR = literals([-1.7285347e-5, 3.83197126e-4, -3.88396438e-3, 2.42546219e-2, -1.06777877e-1, -6.34846687e-1, -1.28717512e-1]);
const ERF_BOUND = floatLiteral(0.927734375);
/** From here on erf is 1: powers of what is infinite would have no sum. */
const ERF_ONE = floatLiteral(4);

export const vectorErf: VectorFunction = (c, fused, x) => {
  const size = c.hold(c.op("f32x4.abs", c.get(x)));
  const square = c.hold(c.op("f32x4.mul", c.get(x), c.get(x)));
  const near = polynomialByPairs(c, fused, square, ERF_NEAR);
  const times = (sum: V128, factor: V128, plus: V128): void =>
    c.set(
      sum,
      fma(
        c,
        fused,
        () => c.get(sum),
        () => c.get(factor),
        () => c.get(plus),
      ),
    );
  times(near, size, size);
  c.set(size, c.op("f32x4.pmin", c.get(size), ERF_ONE(c)));
  const far = polynomialByPairs(c, fused, size, ERF_FAR);
  const negative = c.hold(c.op("f32x4.neg", c.get(size)));
  times(far, size, negative);
  const decay = c.hold(vectorExpBelow(c, fused, far));
  const outer = c.hold(c.op("f32x4.sub", ONE(c), c.get(decay)));
  // NaN is not above the bound: it takes the series, which keeps it.
  return withSign(c, c.op("v128.bitselect", c.get(outer), c.get(near), c.op("f32x4.gt", c.get(size), ERF_BOUND(c))), x);
};
