/**
 * Discrete Fourier transforms of any length in double precision: mixed radix 2, 3, 4, 5 and small primes, Bluestein's convolution for what has a
 * large prime factor. Twiddle factors are computed by octant, so they are right to the last place.
 */

/** cos and sin of 2 pi k / n, with the angle reduced to the first octant exactly. */
function turn(k: number, n: number, out: Float64Array, at: number): void {
  let r = k % n;
  let flipSin = false;
  if (2 * r > n) {
    r = n - r;
    flipSin = true;
  }
  let flipCos = false;
  if (4 * r > n) {
    r = n / 2 - r;
    flipCos = true;
  }
  let c: number;
  let s: number;
  if (8 * r > n) {
    const angle = (2 * Math.PI * (n / 4 - r)) / n;
    c = Math.sin(angle);
    s = Math.cos(angle);
  } else {
    const angle = (2 * Math.PI * r) / n;
    c = Math.cos(angle);
    s = Math.sin(angle);
  }
  out[at] = flipCos ? -c : c;
  out[at + 1] = flipSin ? -s : s;
}

/** exp(2 pi i k / n) for k = 0..n-1, interleaved. */
function roots(n: number): Float64Array {
  const table = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) turn(k, n, table, 2 * k);
  return table;
}

/** Largest prime that is done by its definition; beyond, Bluestein costs less. */
const LARGEST_RADIX = 31;

/** What transforms of one length share. */
interface FftPlan {
  readonly n: number;
  /** Factors, or undefined where Bluestein's method is used. */
  readonly factors: readonly number[] | undefined;
  readonly roots: Float64Array;
  readonly chirp: Chirp | undefined;
}

interface Chirp {
  /** Power of two that holds the convolution. */
  readonly m: number;
  /** exp(pi i k^2 / n), interleaved. */
  readonly wave: Float64Array;
  /** Transform of the chirp, for the forward and the inverse direction. */
  readonly filters: readonly [Float64Array, Float64Array];
}

function factorsOf(n: number): number[] | undefined {
  const factors: number[] = [];
  let rest = n;
  while (rest % 4 === 0) {
    factors.push(4);
    rest /= 4;
  }
  for (let p = 2; p <= LARGEST_RADIX && rest > 1; p++) {
    while (rest % p === 0) {
      factors.push(p);
      rest /= p;
    }
  }
  return rest === 1 ? factors : undefined;
}

const plans = new Map<number, FftPlan>();
const PLAN_LIMIT = 32;

function planOf(n: number): FftPlan {
  const known = plans.get(n);
  if (known !== undefined) return known;
  const factors = factorsOf(n);
  const plan: FftPlan =
    factors !== undefined ? { n, factors, roots: roots(n), chirp: undefined } : { n, factors, roots: new Float64Array(0), chirp: chirpOf(n) };
  if (plans.size >= PLAN_LIMIT) plans.clear();
  plans.set(n, plan);
  return plan;
}

function chirpOf(n: number): Chirp {
  let m = 1;
  while (m < 2 * n - 1) m *= 2;
  const wave = new Float64Array(2 * n);
  // k^2 modulo 2n, kept small by adding the odd numbers.
  let square = 0;
  for (let k = 0; k < n; k++) {
    turn(square, 2 * n, wave, 2 * k);
    square = (square + 2 * k + 1) % (2 * n);
  }
  const filter = (sign: number): Float64Array => {
    const data = new Float64Array(2 * m);
    for (let k = 0; k < n; k++) {
      const re = wave[2 * k] as number; // k < n
      const im = sign * (wave[2 * k + 1] as number);
      data[2 * k] = re;
      data[2 * k + 1] = im;
      if (k > 0) {
        data[2 * (m - k)] = re;
        data[2 * (m - k) + 1] = im;
      }
    }
    return transform(data, false);
  };
  return { m, wave, filters: [filter(1), filter(-1)] };
}

/**
 * The transform of interleaved complex numbers, `sum x[j] exp(-2 pi i j k / n)`, or with `inverse` the conjugate kernel; never scaled.
 * @param data 2 n numbers, left alone
 * @returns 2 n new numbers
 */
export function transform(data: Float64Array, inverse: boolean): Float64Array {
  const n = data.length / 2;
  if (n <= 1) return data.slice();
  const plan = planOf(n);
  const out = new Float64Array(2 * n);
  if (plan.factors !== undefined) {
    const scratch = new Float64Array(4 * LARGEST_RADIX);
    stage(plan, data, 0, 1, out, 0, n, 0, inverse ? 1 : -1, scratch);
    return out;
  }
  if (plan.chirp !== undefined) bluestein(n, plan.chirp, data, inverse, out);
  return out;
}

/**
 * Decimation in time: `count` elements of `source` from `from` with `stride` into `target` at `to`. `depth` counts the factors used so far.
 */
function stage(
  plan: FftPlan,
  source: Float64Array,
  from: number,
  stride: number,
  target: Float64Array,
  to: number,
  count: number,
  depth: number,
  sign: number,
  scratch: Float64Array,
): void {
  const radix = plan.factors?.[depth] ?? 1;
  const m = count / radix;
  if (m === 1) {
    for (let q = 0; q < radix; q++) {
      const at = 2 * (from + q * stride);
      target[2 * (to + q)] = source[at] as number; // inside by the plan's lengths, here and below
      target[2 * (to + q) + 1] = source[at + 1] as number;
    }
  } else {
    for (let q = 0; q < radix; q++) stage(plan, source, from + q * stride, stride * radix, target, to + q * m, m, depth + 1, sign, scratch);
  }
  switch (radix) {
    case 2:
      return butterfly2(plan.roots, target, to, m, stride, sign);
    case 3:
      return butterfly3(plan.roots, target, to, m, stride, sign);
    case 4:
      return butterfly4(plan.roots, target, to, m, stride, sign);
    case 5:
      return butterfly5(plan.roots, target, to, m, stride, sign);
    default:
      return butterflyAny(plan, target, to, m, stride, sign, radix, scratch);
  }
}

function butterfly2(w: Float64Array, t: Float64Array, to: number, m: number, stride: number, sign: number): void {
  for (let k = 0; k < m; k++) {
    const a = 2 * (to + k);
    const b = a + 2 * m;
    const wr = w[2 * k * stride] as number;
    const wi = sign * (w[2 * k * stride + 1] as number);
    const br = (t[b] as number) * wr - (t[b + 1] as number) * wi;
    const bi = (t[b] as number) * wi + (t[b + 1] as number) * wr;
    const ar = t[a] as number;
    const ai = t[a + 1] as number;
    t[a] = ar + br;
    t[a + 1] = ai + bi;
    t[b] = ar - br;
    t[b + 1] = ai - bi;
  }
}

const SIN_60 = Math.sqrt(3) / 2;

function butterfly3(w: Float64Array, t: Float64Array, to: number, m: number, stride: number, sign: number): void {
  const s = sign * SIN_60;
  for (let k = 0; k < m; k++) {
    const a = 2 * (to + k);
    const b = a + 2 * m;
    const c = b + 2 * m;
    const i1 = 2 * k * stride;
    const i2 = 2 * i1;
    const w1r = w[i1] as number;
    const w1i = sign * (w[i1 + 1] as number);
    const w2r = w[i2] as number;
    const w2i = sign * (w[i2 + 1] as number);
    const br = (t[b] as number) * w1r - (t[b + 1] as number) * w1i;
    const bi = (t[b] as number) * w1i + (t[b + 1] as number) * w1r;
    const cr = (t[c] as number) * w2r - (t[c + 1] as number) * w2i;
    const ci = (t[c] as number) * w2i + (t[c + 1] as number) * w2r;
    const ar = t[a] as number;
    const ai = t[a + 1] as number;
    const sumR = br + cr;
    const sumI = bi + ci;
    const difR = s * (br - cr);
    const difI = s * (bi - ci);
    const midR = ar - 0.5 * sumR;
    const midI = ai - 0.5 * sumI;
    t[a] = ar + sumR;
    t[a + 1] = ai + sumI;
    t[b] = midR - difI;
    t[b + 1] = midI + difR;
    t[c] = midR + difI;
    t[c + 1] = midI - difR;
  }
}

function butterfly4(w: Float64Array, t: Float64Array, to: number, m: number, stride: number, sign: number): void {
  for (let k = 0; k < m; k++) {
    const a = 2 * (to + k);
    const b = a + 2 * m;
    const c = b + 2 * m;
    const d = c + 2 * m;
    const i1 = 2 * k * stride;
    const w1r = w[i1] as number;
    const w1i = sign * (w[i1 + 1] as number);
    const w2r = w[2 * i1] as number;
    const w2i = sign * (w[2 * i1 + 1] as number);
    const w3r = w[3 * i1] as number;
    const w3i = sign * (w[3 * i1 + 1] as number);
    const br = (t[b] as number) * w1r - (t[b + 1] as number) * w1i;
    const bi = (t[b] as number) * w1i + (t[b + 1] as number) * w1r;
    const cr = (t[c] as number) * w2r - (t[c + 1] as number) * w2i;
    const ci = (t[c] as number) * w2i + (t[c + 1] as number) * w2r;
    const dr = (t[d] as number) * w3r - (t[d + 1] as number) * w3i;
    const di = (t[d] as number) * w3i + (t[d + 1] as number) * w3r;
    const ar = t[a] as number;
    const ai = t[a + 1] as number;
    const acR = ar + cr;
    const acI = ai + ci;
    const amR = ar - cr;
    const amI = ai - ci;
    const bdR = br + dr;
    const bdI = bi + di;
    const bmR = sign * (br - dr);
    const bmI = sign * (bi - di);
    t[a] = acR + bdR;
    t[a + 1] = acI + bdI;
    t[c] = acR - bdR;
    t[c + 1] = acI - bdI;
    t[b] = amR - bmI;
    t[b + 1] = amI + bmR;
    t[d] = amR + bmI;
    t[d + 1] = amI - bmR;
  }
}

const COS_72 = 0.30901699437494745;
const SIN_72 = 0.9510565162951535;
const COS_144 = -0.8090169943749475;
const SIN_144 = 0.5877852522924731;

function butterfly5(w: Float64Array, t: Float64Array, to: number, m: number, stride: number, sign: number): void {
  const s1 = sign * SIN_72;
  const s2 = sign * SIN_144;
  for (let k = 0; k < m; k++) {
    const a = 2 * (to + k);
    const i1 = 2 * k * stride;
    const part = (q: number): readonly [number, number] => {
      const at = a + 2 * q * m;
      const wr = w[q * i1] as number;
      const wi = sign * (w[q * i1 + 1] as number);
      return [(t[at] as number) * wr - (t[at + 1] as number) * wi, (t[at] as number) * wi + (t[at + 1] as number) * wr];
    };
    const [br, bi] = part(1);
    const [cr, ci] = part(2);
    const [dr, di] = part(3);
    const [er, ei] = part(4);
    const ar = t[a] as number;
    const ai = t[a + 1] as number;
    const p1r = br + er;
    const p1i = bi + ei;
    const m1r = br - er;
    const m1i = bi - ei;
    const p2r = cr + dr;
    const p2i = ci + di;
    const m2r = cr - dr;
    const m2i = ci - di;
    t[a] = ar + p1r + p2r;
    t[a + 1] = ai + p1i + p2i;
    const x1r = ar + COS_72 * p1r + COS_144 * p2r;
    const x1i = ai + COS_72 * p1i + COS_144 * p2i;
    const y1r = s1 * m1r + s2 * m2r;
    const y1i = s1 * m1i + s2 * m2i;
    const x2r = ar + COS_144 * p1r + COS_72 * p2r;
    const x2i = ai + COS_144 * p1i + COS_72 * p2i;
    const y2r = s2 * m1r - s1 * m2r;
    const y2i = s2 * m1i - s1 * m2i;
    t[a + 2 * m] = x1r - y1i;
    t[a + 2 * m + 1] = x1i + y1r;
    t[a + 4 * m] = x2r - y2i;
    t[a + 4 * m + 1] = x2i + y2r;
    t[a + 6 * m] = x2r + y2i;
    t[a + 6 * m + 1] = x2i - y2r;
    t[a + 8 * m] = x1r + y1i;
    t[a + 8 * m + 1] = x1i - y1r;
  }
}

/** A radix by its definition. */
function butterflyAny(plan: FftPlan, t: Float64Array, to: number, m: number, stride: number, sign: number, radix: number, scratch: Float64Array): void {
  const { n, roots: w } = plan;
  for (let k = 0; k < m; k++) {
    for (let q = 0; q < radix; q++) {
      scratch[2 * q] = t[2 * (to + k + q * m)] as number;
      scratch[2 * q + 1] = t[2 * (to + k + q * m) + 1] as number;
    }
    for (let r = 0; r < radix; r++) {
      const step = stride * (k + r * m);
      let re = 0;
      let im = 0;
      let turnAt = 0;
      for (let q = 0; q < radix; q++) {
        const wr = w[2 * turnAt] as number;
        const wi = sign * (w[2 * turnAt + 1] as number);
        const xr = scratch[2 * q] as number;
        const xi = scratch[2 * q + 1] as number;
        re += xr * wr - xi * wi;
        im += xr * wi + xi * wr;
        turnAt += step;
        if (turnAt >= n) turnAt -= n;
      }
      t[2 * (to + k + r * m)] = re;
      t[2 * (to + k + r * m) + 1] = im;
    }
  }
}

/** The transform as a convolution with a chirp, by transforms of a power of two. */
function bluestein(n: number, chirp: Chirp, data: Float64Array, inverse: boolean, out: Float64Array): void {
  const { m, wave } = chirp;
  const sign = inverse ? 1 : -1;
  const filter = chirp.filters[inverse ? 1 : 0];
  const padded = new Float64Array(2 * m);
  for (let k = 0; k < n; k++) {
    const wr = wave[2 * k] as number;
    const wi = sign * (wave[2 * k + 1] as number);
    const xr = data[2 * k] as number;
    const xi = data[2 * k + 1] as number;
    padded[2 * k] = xr * wr - xi * wi;
    padded[2 * k + 1] = xr * wi + xi * wr;
  }
  const spectrum = transform(padded, false);
  for (let k = 0; k < 2 * m; k += 2) {
    const ar = spectrum[k] as number;
    const ai = spectrum[k + 1] as number;
    const br = filter[k] as number;
    const bi = filter[k + 1] as number;
    spectrum[k] = ar * br - ai * bi;
    spectrum[k + 1] = ar * bi + ai * br;
  }
  const convolved = transform(spectrum, true);
  for (let k = 0; k < n; k++) {
    const wr = (wave[2 * k] as number) / m;
    const wi = (sign * (wave[2 * k + 1] as number)) / m;
    const xr = convolved[2 * k] as number;
    const xi = convolved[2 * k + 1] as number;
    out[2 * k] = xr * wr - xi * wi;
    out[2 * k + 1] = xr * wi + xi * wr;
  }
}

/** The forward transform of real numbers: the first n/2 + 1 (rounded down) of its n bins, interleaved; the others are their conjugates. */
export function transformReal(data: Float64Array): Float64Array {
  const n = data.length;
  const whole = new Float64Array(2 * n);
  for (let k = 0; k < n; k++) whole[2 * k] = data[k] as number;
  return transform(whole, false).slice(0, 2 * (Math.floor(n / 2) + 1));
}

/**
 * Real numbers whose transform starts with `half`; not scaled. The imaginary parts of bin 0 (and of bin n/2 for even n) are ignored.
 * @param half interleaved bins; missing ones count as 0
 * @param n length of the result
 */
export function transformToReal(half: Float64Array, n: number): Float64Array {
  const whole = new Float64Array(2 * n);
  const bins = Math.min(half.length / 2, Math.floor(n / 2) + 1);
  for (let k = 0; k < bins; k++) {
    const re = half[2 * k] as number;
    const im = k === 0 || 2 * k === n ? 0 : (half[2 * k + 1] as number);
    whole[2 * k] = re;
    whole[2 * k + 1] = im;
    if (k > 0) {
      whole[2 * (n - k)] = re;
      whole[2 * (n - k) + 1] = -im;
    }
  }
  const result = transform(whole, true);
  const real = new Float64Array(n);
  for (let k = 0; k < n; k++) real[k] = result[2 * k] as number;
  return real;
}
