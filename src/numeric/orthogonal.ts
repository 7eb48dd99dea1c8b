/**
 * Orthogonal polynomials with PyTorch's conventions: the degree is truncated, a negative one gives 0, high degrees inside (-1, 1)
 * use the cosine form (`aten/src/ATen/native/Math.h`).
 */

/** p_k = a p_(k-1) - p_(k-2) from p_0 = 1 and p_1 = `first`; stops at NaN. */
function recur(a: number, first: number, n: number): number {
  let p = 1;
  let q = first;
  for (let k = 2; k <= n && q === q; k++) {
    const r = a * q - p;
    p = q;
    q = r;
  }
  return q;
}

const isEven = (n: number): boolean => n % 2 === 0;

/** First kind at y; `high` is the degree above which the cosine form is used. */
function first(y: number, n: number, high: number): number {
  if (n < 0) return 0;
  if (Math.abs(y) === 1) return y > 0 || isEven(n) ? 1 : -1;
  if (n > high && Math.abs(y) < 1) return Math.cos(n * Math.acos(y));
  return n === 0 ? 1 : recur(y + y, y, n);
}

function second(y: number, n: number, high: number): number {
  if (n < 0) return 0;
  if (Math.abs(y) === 1) return y > 0 || isEven(n) ? n + 1 : -(n + 1);
  if (n > high && Math.abs(y) < 1) {
    const angle = Math.acos(y);
    const sine = Math.sin(angle);
    return sine !== 0 ? Math.sin((n + 1) * angle) / sine : ((n + 1) * Math.cos((n + 1) * angle)) / y;
  }
  return n === 0 ? 1 : recur(y + y, y + y, n);
}

function third(y: number, n: number, high: number): number {
  if (n < 0) return 0;
  if (Math.abs(y) === 1) return y > 0 ? 1 : isEven(n) ? n + n + 1 : -(n + n + 1);
  if (n > high && Math.abs(y) < 1) {
    const angle = Math.acos(y);
    if (Math.sin(angle / 2) !== 1) return Math.cos((n + 0.5) * angle) / Math.cos(angle / 2);
    return isEven(n) ? n + n + 1 : -(n + n + 1);
  }
  return n === 0 ? 1 : recur(y + y, y + y - 1, n);
}

function fourth(y: number, n: number, high: number): number {
  if (n < 0) return 0;
  if (Math.abs(y) === 1) return y > 0 ? n + n + 1 : isEven(n) ? 1 : -1;
  if (n > high && Math.abs(y) < 1) {
    const angle = Math.acos(y);
    if (Math.cos(angle / 2) !== 1) return Math.sin((n + 0.5) * angle) / Math.sin(angle / 2);
    return y > 0 ? n + n + 1 : isEven(n) ? 1 : -1;
  }
  return n === 0 ? 1 : recur(y + y, y + y + 1, n);
}

/** The degree as PyTorch converts it to an int64. */
function degree(n: number): number {
  return Number.isFinite(n) ? Math.trunc(n) : -1;
}

export function chebyshevT(x: number, n: number): number {
  return first(x, degree(n), 6);
}
export function chebyshevU(x: number, n: number): number {
  return second(x, degree(n), 8);
}
export function chebyshevV(x: number, n: number): number {
  return third(x, degree(n), 8);
}
export function chebyshevW(x: number, n: number): number {
  return fourth(x, degree(n), 8);
}
export function shiftedChebyshevT(x: number, n: number): number {
  return first(x + x - 1, degree(n), 6);
}
export function shiftedChebyshevU(x: number, n: number): number {
  return second(x + x - 1, degree(n), 6);
}
export function shiftedChebyshevV(x: number, n: number): number {
  return third(x + x - 1, degree(n), 6);
}
export function shiftedChebyshevW(x: number, n: number): number {
  return fourth(x + x - 1, degree(n), 4);
}

/** Physicists' Hermite; `limit` is the highest degree computed (512 for doubles, 128 for single floats), NaN above. */
export function hermiteH(x: number, n: number, limit: number = 512): number {
  const d = degree(n);
  if (d < 2) return d < 0 ? 0 : d === 0 ? 1 : x + x;
  if (d > limit) return NaN;
  let p = 1;
  let q = x + x;
  for (let k = 2; k < d + d; k += 2) {
    const r = (x + x) * q - k * p;
    p = q;
    q = r;
  }
  return q;
}

/** Probabilists' Hermite; `limit` as for `hermiteH`. */
export function hermiteHe(x: number, n: number, limit: number = 512): number {
  const d = degree(n);
  if (d < 2) return d < 0 ? 0 : d === 0 ? 1 : x;
  if (d > limit) return NaN;
  let p = 1;
  let q = x;
  for (let k = 1; k < d; k++) {
    const r = x * q - k * p;
    p = q;
    q = r;
  }
  return q;
}

export function laguerreL(x: number, n: number): number {
  const d = degree(n);
  if (d < 0) return 0;
  if (x === 0 || d === 0) return 1;
  let p = 1;
  let q = 1 - x;
  for (let k = 1; k < d && q === q; k++) {
    const r = ((k + k + (1 - x)) * q - k * p) / (k + 1);
    p = q;
    q = r;
  }
  return q;
}

export function legendreP(x: number, n: number): number {
  const d = degree(n);
  if (d < 0) return 0;
  if (Math.abs(x) === 1) return x > 0 || isEven(d) ? 1 : -1;
  if (d === 0) return 1;
  let p = 1;
  let q = x;
  for (let k = 1; k < d && q === q; k++) {
    const r = ((k + k + 1) * x * q - k * p) / (k + 1);
    p = q;
    q = r;
  }
  return q;
}
