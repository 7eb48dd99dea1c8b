/** The meanings of the expression language's special functions, brought where a program is made with one. */

import { bringBinary, bringUnary, type SpecialBinary, type SpecialUnary } from "../expr/meanings.ts";
import * as special from "../numeric/special.ts";

const UNARY: Readonly<Record<SpecialUnary, (x: number) => number>> = {
  erfc: special.erfc,
  erfinv: special.erfinv,
  erfcx: special.erfcx,
  lgamma: special.lgamma,
  digamma: special.digamma,
  i0: special.i0,
  i0e: special.i0e,
  i1: special.i1,
  i1e: special.i1e,
  ndtri: special.ndtri,
  logndtr: special.logNdtr,
  ndtr: special.ndtr,
  j0: special.j0,
  j1: special.j1,
  y0: special.y0,
  y1: special.y1,
  k0: special.k0,
  k1: special.k1,
  k0e: special.scaledK0,
  k1e: special.scaledK1,
  airyai: special.airyAi,
  sphericalj0: special.sphericalJ0,
};
const BINARY: Readonly<Record<SpecialBinary, (x: number, y: number) => number>> = {
  zeta: special.zeta,
  igamma: special.igamma,
  igammac: special.igammac,
  polygamma: special.polygamma,
  chebyshevT: special.chebyshevT,
  chebyshevU: special.chebyshevU,
  chebyshevV: special.chebyshevV,
  chebyshevW: special.chebyshevW,
  chebyshevTs: special.shiftedChebyshevT,
  chebyshevUs: special.shiftedChebyshevU,
  chebyshevVs: special.shiftedChebyshevV,
  chebyshevWs: special.shiftedChebyshevW,
  hermiteH: special.hermiteH,
  hermiteHe: special.hermiteHe,
  laguerreL: special.laguerreL,
  legendreP: special.legendreP,
};

/** The function, for `x.apply(...)`. */
export function special1(fn: SpecialUnary): SpecialUnary {
  bringUnary(fn, UNARY[fn]);
  return fn;
}
/** The function, for `x.call(..., y)`. */
export function special2(fn: SpecialBinary): SpecialBinary {
  bringBinary(fn, BINARY[fn]);
  return fn;
}
