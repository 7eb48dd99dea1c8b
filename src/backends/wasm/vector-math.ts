/**
 * exp, log, tanh and erf of four float32 at once, in float32 alone. Each is within a few units in the last place of the exact value
 * (`vector-math.test.ts` holds the bounds); ranges and minimax coefficients are those of S. Moshier's Cephes library.
 */

import type { Code, Local, Value } from "../../wasm/code.ts";
import { multiplyAdd } from "./emit.ts";

type V128 = Local<"v128">;
export type VectorFunction = (c: Code, fused: boolean, x: V128) => Value<"v128">;

/** A polynomial in `x`, coefficients from the highest power down. */
function polynomial(c: Code, fused: boolean, x: V128, coefficients: readonly number[]): V128 {
  const [first = 0, ...rest] = coefficients;
  const sum = c.hold(c.f32x4(first));
  for (const k of rest)
    c.set(
      sum,
      multiplyAdd(
        c,
        fused,
        () => c.get(sum),
        () => c.get(x),
        () => c.f32x4(k),
      ),
    );
  return sum;
}

const { LOG2E } = Math;
/** ln 2 in two parts: the first has so few bits that its products with exponents are exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;
/** Beyond these, exp is infinite or zero in float32. */
const EXP_HIGHEST = 89;
const EXP_LOWEST = -104;
const EXP = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1];

export const vectorExp: VectorFunction = (c, fused, input) => {
  const x = c.hold(c.op("f32x4.max", c.op("f32x4.min", c.get(input), c.f32x4(EXP_HIGHEST)), c.f32x4(EXP_LOWEST)));
  const n = c.hold(c.op("f32x4.nearest", c.op("f32x4.mul", c.get(x), c.f32x4(LOG2E))));
  c.set(
    x,
    multiplyAdd(
      c,
      fused,
      () => c.get(n),
      () => c.f32x4(-LN2_HIGH),
      () => c.get(x),
    ),
  );
  c.set(
    x,
    multiplyAdd(
      c,
      fused,
      () => c.get(n),
      () => c.f32x4(-LN2_LOW),
      () => c.get(x),
    ),
  );
  const sum = polynomial(c, fused, x, EXP);
  c.set(
    sum,
    multiplyAdd(
      c,
      fused,
      () => c.op("f32x4.mul", c.get(x), c.get(x)),
      () => c.get(sum),
      () => c.op("f32x4.add", c.get(x), c.f32x4(1)),
    ),
  );
  // 2^n in two factors, so that subnormal results come out rounded once and 2^128 is infinite at last only.
  const exponent = c.hold(c.op("i32x4.trunc_sat_f32x4_s", c.get(n)));
  const half = c.hold(c.op("i32x4.shr_s", c.get(exponent), c.i32(1)));
  const power = (e: () => Value<"v128">): Value<"v128"> => c.op("i32x4.shl", c.op("i32x4.add", e(), c.i32x4(127)), c.i32(23));
  c.set(
    sum,
    c.op(
      "f32x4.mul",
      c.get(sum),
      power(() => c.get(half)),
    ),
  );
  return c.op(
    "f32x4.mul",
    c.get(sum),
    power(() => c.op("i32x4.sub", c.get(exponent), c.get(half))),
  );
};

const SQRT_HALF = Math.SQRT1_2;
const LOG = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
];
const SMALLEST_NORMAL = 2 ** -126;

export const vectorLog: VectorFunction = (c, fused, input) => {
  // Subnormals are scaled into the normal range first.
  const small = c.hold(c.op("f32x4.lt", c.get(input), c.f32x4(SMALLEST_NORMAL)));
  const bits = c.hold(c.op("v128.bitselect", c.op("f32x4.mul", c.get(input), c.f32x4(2 ** 23)), c.get(input), c.get(small)));
  const biased = c.op("i32x4.sub", c.op("i32x4.shr_s", c.get(bits), c.i32(23)), c.i32x4(126));
  const exponent = c.hold(c.op("f32x4.convert_i32x4_s", c.op("i32x4.sub", biased, c.op("v128.and", c.get(small), c.i32x4(23)))));
  const x = c.hold(c.op("v128.or", c.op("v128.and", c.get(bits), c.i32x4(0x007fffff)), c.i32x4(0x3f000000)));
  const low = c.hold(c.op("f32x4.lt", c.get(x), c.f32x4(SQRT_HALF)));
  c.set(exponent, c.op("f32x4.sub", c.get(exponent), c.op("v128.and", c.get(low), c.f32x4(1))));
  c.set(x, c.op("f32x4.sub", c.op("f32x4.add", c.get(x), c.op("v128.and", c.get(low), c.get(x))), c.f32x4(1)));
  const square = c.hold(c.op("f32x4.mul", c.get(x), c.get(x)));
  const sum = polynomial(c, fused, x, LOG);
  c.set(sum, c.op("f32x4.mul", c.op("f32x4.mul", c.get(sum), c.get(x)), c.get(square)));
  c.set(
    sum,
    multiplyAdd(
      c,
      fused,
      () => c.get(exponent),
      () => c.f32x4(LN2_LOW),
      () => c.get(sum),
    ),
  );
  c.set(
    sum,
    multiplyAdd(
      c,
      fused,
      () => c.get(square),
      () => c.f32x4(-0.5),
      () => c.get(sum),
    ),
  );
  const result = c.hold(
    multiplyAdd(
      c,
      fused,
      () => c.get(exponent),
      () => c.f32x4(LN2_HIGH),
      () => c.op("f32x4.add", c.get(sum), c.get(x)),
    ),
  );
  // Zero gives -infinity, what is below it NaN; infinity and NaN stay.
  c.set(result, c.op("v128.bitselect", c.f32x4(-Infinity), c.get(result), c.op("f32x4.eq", c.get(input), c.f32x4(0))));
  c.set(result, c.op("v128.bitselect", c.f32x4(NaN), c.get(result), c.op("f32x4.lt", c.get(input), c.f32x4(0))));
  const finite = c.op("f32x4.lt", c.get(input), c.f32x4(Infinity));
  const kept = c.hold(finite);
  return c.op("v128.bitselect", c.get(result), c.get(input), c.get(kept));
};

const SIGN_BIT = -2147483648;
/** Below this tanh is its series; above, a quotient of exponentials loses nothing. */
const TANH_SMALL = 0.625;
const TANH = [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1];

/** `size` with the sign of `x`. */
function withSign(c: Code, size: Value<"v128">, x: V128): Value<"v128"> {
  return c.op("v128.or", size, c.op("v128.and", c.get(x), c.i32x4(SIGN_BIT)));
}

export const vectorTanh: VectorFunction = (c, fused, x) => {
  const size = c.hold(c.op("f32x4.abs", c.get(x)));
  const square = c.hold(c.op("f32x4.mul", c.get(x), c.get(x)));
  const series = polynomial(c, fused, square, TANH);
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
  const twice = c.hold(c.op("f32x4.add", c.get(size), c.get(size)));
  const power = c.hold(vectorExp(c, fused, twice));
  const far = c.hold(c.op("f32x4.sub", c.f32x4(1), c.op("f32x4.div", c.f32x4(2), c.op("f32x4.add", c.get(power), c.f32x4(1)))));
  return withSign(c, c.op("v128.bitselect", c.get(series), c.get(far), c.op("f32x4.lt", c.get(size), c.f32x4(TANH_SMALL))), x);
};

const ERF = [
  7.853861353153693e-5, -8.010193625184903e-4, 5.188327685732524e-3, -2.685381193529856e-2, 1.128358514861418e-1, -3.7612625824233e-1, 1.12837916572671,
];
/** erfc(x) exp(x^2) x in powers of 1 / x^2, for 1 <= x < 2 and from 2 on. */
const ERFC_MIDDLE = [
  2.326819970068386e-2, -1.387039388740657e-1, 3.687424674597105e-1, -5.824733027278666e-1, 6.210004621745983e-1, -4.944515323274145e-1, 3.404879937665872e-1,
  -2.741127028184656e-1, 5.638259427386472e-1,
];
const ERFC_FAR = [
  -1.047766399936249e1, 1.297719955372516e1, -7.495518717768503, 2.921019019210786, -1.0152652792027, 4.218463358204948e-1, -2.820767439740514e-1,
  5.641895067754075e-1,
];

export const vectorErf: VectorFunction = (c, fused, x) => {
  const size = c.hold(c.op("f32x4.abs", c.get(x)));
  const square = c.hold(c.op("f32x4.mul", c.get(x), c.get(x)));
  const near = polynomial(c, fused, square, ERF);
  c.set(near, c.op("f32x4.mul", c.get(near), c.get(size)));
  const inverse = c.hold(c.op("f32x4.div", c.f32x4(1), c.get(size)));
  const q = c.hold(c.op("f32x4.mul", c.get(inverse), c.get(inverse)));
  const middle = polynomial(c, fused, q, ERFC_MIDDLE);
  const far = polynomial(c, fused, q, ERFC_FAR);
  c.set(middle, c.op("v128.bitselect", c.get(middle), c.get(far), c.op("f32x4.lt", c.get(size), c.f32x4(2))));
  const negative = c.hold(c.op("f32x4.neg", c.get(square)));
  const decay = c.hold(vectorExp(c, fused, negative));
  const outer = c.hold(c.op("f32x4.sub", c.f32x4(1), c.op("f32x4.mul", c.op("f32x4.mul", c.get(decay), c.get(inverse)), c.get(middle))));
  // NaN is in neither range: it takes the series', which keeps it.
  return withSign(c, c.op("v128.bitselect", c.get(outer), c.get(near), c.op("f32x4.ge", c.get(size), c.f32x4(1))), x);
};
