/**
 * Draws from a `TwisterState` as PyTorch's CPU kernels make them (`ATen/core/DistributionsHelper.h`, `ATen/native/cpu/DistributionTemplates.h`,
 * `ATen/native/Distributions.h`): the same words in the same order. Every function advances the state it is given.
 */

import { random32, random53, random64, type TwisterState } from "./mt19937.ts";

/** [0, 1) in steps of 2^-53. */
export function uniformDouble(state: TwisterState): number {
  return random53(state) * 2 ** -53;
}

/** [0, 1) in steps of 2^-24: what float32, and after rounding float16 and bfloat16, draw. */
export function uniformSingle(state: TwisterState): number {
  return (random32(state) & 0xffffff) * 2 ** -24;
}

/** `u` in [0, 1) stretched to [from, to), rounded once at the end as a fused multiply-add does; `round` is `Math.fround` for single precision. */
export function stretch(u: number, from: number, to: number, round: (x: number) => number): number {
  return round(u * round(to - from) + from);
}

/** A standard normal number by Box and Muller in double precision; every second one comes from the state. */
export function normalDouble(state: TwisterState): number {
  const kept = state.nextDouble;
  if (kept !== undefined) {
    state.nextDouble = undefined;
    return kept;
  }
  const u1 = uniformDouble(state);
  const u2 = uniformDouble(state);
  const r = Math.sqrt(-2 * Math.log1p(-u2));
  const theta = 2 * Math.PI * u1;
  state.nextDouble = r * Math.sin(theta);
  return r * Math.cos(theta);
}

/** Turns 16 uniform numbers at `offset` into normal ones: pairs (j, j + 8). */
function boxMuller16(data: Float32Array | Float64Array, offset: number, mean: number, std: number, round: (x: number) => number): void {
  const twoPi = round(2 * Math.PI);
  for (let j = offset; j < offset + 8; j++) {
    const u1 = round(1 - (data[j] as number)); // 16 elements from offset on are the caller's promise
    const u2 = data[j + 8] as number; // likewise
    const radius = round(Math.sqrt(round(-2 * round(Math.log(u1)))));
    const theta = round(twoPi * u2);
    data[j] = round(radius * round(Math.cos(theta))) * std + mean;
    data[j + 8] = round(radius * round(Math.sin(theta))) * std + mean;
  }
}

/**
 * Fills `data` as `normal_` fills a contiguous tensor: in 16s of uniform numbers where there are at least 16 (the last 16 drawn anew when they do
 * not fit), else one by one. A `Float32Array` takes single-precision numbers. `blocked` is for half and bfloat16, which draw each 16 as they go:
 * give a `Float32Array` and round afterwards.
 */
export function fillNormal(state: TwisterState, data: Float32Array | Float64Array, mean: number, std: number, blocked: boolean = false): void {
  const size = data.length;
  if (size < 16) {
    for (let i = 0; i < size; i++) data[i] = normalDouble(state) * std + mean;
    return;
  }
  const isSingle = data instanceof Float32Array;
  const round = isSingle ? Math.fround : (x: number): number => x;
  const draw = (from: number, to: number): void => {
    for (let i = from; i < to; i++) data[i] = isSingle ? uniformSingle(state) : uniformDouble(state);
  };
  if (!blocked) draw(0, size);
  for (let i = 0; i + 16 <= size; i += 16) {
    if (blocked) draw(i, i + 16);
    boxMuller16(data, i, mean, std, round);
  }
  if (size % 16 !== 0) {
    draw(size - 16, size);
    boxMuller16(data, size - 16, mean, std, round);
  }
}

/** 1 with probability p; the double draw of `bernoulli_(float)` and of a float64 tensor of probabilities. */
export function bernoulliDouble(state: TwisterState, p: number): number {
  return uniformDouble(state) < p ? 1 : 0;
}

/** 1 with probability p; the single draw for tensors of probabilities in narrower dtypes. */
export function bernoulliSingle(state: TwisterState, p: number): number {
  return uniformSingle(state) < Math.fround(p) ? 1 : 0;
}

export function exponential(state: TwisterState, rate: number): number {
  return (-1 / rate) * Math.log1p(-uniformDouble(state));
}

/** Number of trials up to the first success. */
export function geometric(state: TwisterState, p: number): number {
  return Math.ceil(Math.log(uniformDouble(state)) / Math.log1p(-p));
}

export function logNormal(state: TwisterState, mean: number, std: number): number {
  return Math.exp(normalDouble(state) * std + mean);
}

export function cauchy(state: TwisterState, median: number, sigma: number): number {
  return median + sigma * Math.tan(Math.PI * (uniformDouble(state) - 0.5));
}

/** An integer in [from, to), for `random_(from, to)` and `randint`; ranges from 2^28 on take 64 bits. */
export function randomInteger(state: TwisterState, from: bigint, to: bigint): bigint {
  const range = BigInt.asUintN(64, to - from);
  if (range === 0n) return BigInt.asIntN(64, random64(state));
  if (range >= 1n << 28n) return BigInt.asIntN(64, (random64(state) % range) + from);
  return BigInt(random32(state) % Number(range)) + from;
}

/** An integer in [0, modulus) from one 32-bit word: `random_()` of dtypes narrower than int64 (2^31 for int32, 2^24 + 1 for float32, …). */
export function randomModulo(state: TwisterState, modulus: number): number {
  return random32(state) % modulus;
}

/** A permutation of 0..n-1 as `torch.randperm` shuffles it. */
export function permutation(state: TwisterState, n: number): Float64Array {
  const order = Float64Array.from({ length: n }, (_, i) => i);
  // From here on PyTorch takes 64-bit words, so that the modulo stays fair.
  const isLong = n >= Math.floor(0xffffffff / 20);
  for (let i = 0; i < n - 1; i++) {
    const rest = n - i;
    const z = isLong ? Number(random64(state) % BigInt(rest)) : random32(state) % rest;
    const kept = order[i] as number; // i < n
    order[i] = order[i + z] as number; // z < n - i
    order[i + z] = kept;
  }
  return order;
}

/**
 * One category by the normalised cumulative weights `cumulative` (its last entry 1), with replacement.
 * @returns its index
 */
export function category(state: TwisterState, cumulative: ArrayLike<number>): number {
  const u = uniformDouble(state);
  let left = 0;
  let right = cumulative.length;
  while (left < right) {
    const middle = left + ((right - left) >> 1);
    if ((cumulative[middle] as number) < u) left = middle + 1; // middle < length
    else right = middle;
  }
  return left;
}

/** [0, 1) as NumPy's `RandomState.rand` draws it: 27 bits of one word above 26 of the next. */
export function numpyDouble(state: TwisterState): number {
  const a = random32(state) >>> 5;
  const b = random32(state) >>> 6;
  return (a * 67108864 + b) / 9007199254740992;
}

/** A standard normal number as NumPy's `RandomState.randn` draws it: the polar method, whose spare is kept in `nextDouble`. */
export function numpyNormal(state: TwisterState): number {
  const kept = state.nextDouble;
  if (kept !== undefined) {
    state.nextDouble = undefined;
    return kept;
  }
  let x: number;
  let y: number;
  let r2: number;
  do {
    x = 2 * numpyDouble(state) - 1;
    y = 2 * numpyDouble(state) - 1;
    r2 = x * x + y * y;
  } while (r2 >= 1 || r2 === 0);
  const f = Math.sqrt((-2 * Math.log(r2)) / r2);
  state.nextDouble = f * x;
  return f * y;
}
