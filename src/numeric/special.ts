/** The special functions, gathered: everything an intrinsic of the expression language needs in double precision. */

export { airyAi, i0, i0e, i1, i1e, j0, j1, k0, k1, scaledK0, scaledK1, sphericalJ0, y0, y1 } from "./bessel.ts";
export {
  entr,
  exp2,
  floorDivide,
  floorDivide32,
  fmod,
  frexp,
  gcd,
  gcdBig,
  lcm,
  lcmBig,
  ldexp,
  nextafter,
  nextafter32,
  pow,
  remainder,
  roundHalfEven,
  sinc,
} from "./elementary.ts";
export { erf, erfc, erfcx, erfinv, logNdtr, ndtr, ndtri } from "./error-function.ts";
export { digamma, gamma, lgamma, polygamma, trigamma, zeta } from "./gamma.ts";
export { igamma, igammac } from "./incomplete-gamma.ts";
export {
  chebyshevT,
  chebyshevU,
  chebyshevV,
  chebyshevW,
  hermiteH,
  hermiteHe,
  laguerreL,
  legendreP,
  shiftedChebyshevT,
  shiftedChebyshevU,
  shiftedChebyshevV,
  shiftedChebyshevW,
} from "./orthogonal.ts";

/** exp(x) - 1. */
export function expm1(x: number): number {
  return Math.expm1(x);
}

/** log(1 + x). */
export function log1p(x: number): number {
  return Math.log1p(x);
}
