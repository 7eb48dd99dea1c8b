/** The exponential of a square matrix by scaling, a diagonal Padé approximant of order 13, and squaring (Higham, 2005). */

import { addScaled, at, copyOf, identity, imagAt, type Matrix, multiply, zeros } from "./matrix.ts";
import { hypot } from "./complex.ts";
import { solve } from "./lu.ts";

// Coefficients of the numerator of the [13/13] approximant.
const PADE: readonly number[] = [
  64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600, 670442572800, 33522128640, 1323241920, 40840800,
  960960, 16380, 182, 1,
];
const THETA_13 = 5.371920351148152;

/** The largest absolute column sum. */
function norm1(a: Matrix): number {
  let largest = 0;
  for (let j = 0; j < a.cols; j++) {
    let sum = 0;
    for (let i = 0; i < a.rows; i++) sum += hypot(at(a.re, i * a.cols + j), imagAt(a, i * a.cols + j));
    if (!(sum <= largest)) largest = sum;
  }
  return largest;
}

/** sum of c_k M_k. */
function combine(terms: readonly (readonly [number, Matrix])[], n: number, complex: boolean): Matrix {
  const out = zeros(n, n, complex);
  for (const [c, m] of terms) addScaled(n * n, c, 0, m, 0, 1, out, 0, 1);
  return out;
}

export function matrixExp(a: Matrix): Matrix {
  const n = a.rows;
  const complex = a.im !== undefined;
  const norm = norm1(a);
  if (!Number.isFinite(norm)) {
    const out = zeros(n, n, complex);
    out.re.fill(NaN);
    out.im?.fill(NaN);
    return out;
  }
  const squarings = norm > THETA_13 ? Math.ceil(Math.log2(norm / THETA_13)) : 0;
  const scaled = copyOf(a);
  const factor = 2 ** -squarings;
  for (let i = 0; i < n * n; i++) {
    scaled.re[i] = at(scaled.re, i) * factor;
    if (scaled.im !== undefined) scaled.im[i] = at(scaled.im, i) * factor;
  }
  const one = identity(n, complex);
  const a2 = multiply(scaled, scaled);
  const a4 = multiply(a2, a2);
  const a6 = multiply(a4, a2);
  const c = (k: number): number => PADE[k] as number; // k is in 0..13
  const highOdd = multiply(
    a6,
    combine(
      [
        [c(13), a6],
        [c(11), a4],
        [c(9), a2],
      ],
      n,
      complex,
    ),
  );
  const odd = multiply(
    scaled,
    combine(
      [
        [1, highOdd],
        [c(7), a6],
        [c(5), a4],
        [c(3), a2],
        [c(1), one],
      ],
      n,
      complex,
    ),
  );
  const highEven = multiply(
    a6,
    combine(
      [
        [c(12), a6],
        [c(10), a4],
        [c(8), a2],
      ],
      n,
      complex,
    ),
  );
  const even = combine(
    [
      [1, highEven],
      [c(6), a6],
      [c(4), a4],
      [c(2), a2],
      [c(0), one],
    ],
    n,
    complex,
  );
  let result = solve(
    combine(
      [
        [1, even],
        [-1, odd],
      ],
      n,
      complex,
    ),
    combine(
      [
        [1, even],
        [1, odd],
      ],
      n,
      complex,
    ),
  ).x;
  for (let k = 0; k < squarings; k++) result = multiply(result, result);
  return result;
}
