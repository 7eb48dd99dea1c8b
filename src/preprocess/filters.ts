/** Resampling filters and the weights they give along one axis (Pillow's Resample.c; torch's UpSampleKernel.cpp is the same machine in other precisions). */

export type Filter = "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";

interface FilterShape {
  readonly support: number;
  readonly weight: (x: number) => number;
}

const HAMMING_A = Math.fround(0.54);
const HAMMING_B = Math.fround(0.46);

function sinc(x: number): number {
  if (x === 0) return 1;
  const p = x * Math.PI;
  return Math.sin(p) / p;
}

/** Keys' cubic; the order of the operations is Pillow's. */
function cubic(a: number): (x: number) => number {
  return (t) => {
    const x = Math.abs(t);
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  };
}

function hamming(t: number): number {
  const x = Math.abs(t);
  if (x === 0) return 1;
  if (x >= 1) return 0;
  const p = x * Math.PI;
  return (Math.sin(p) / p) * (HAMMING_A + HAMMING_B * Math.cos(p));
}

export const FILTERS: Readonly<Record<Filter, FilterShape>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, weight: hamming },
  bicubic: { support: 2, weight: cubic(-0.5) },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Weights of the input samples for each output sample of one axis. */
export interface Taps<W extends Float64Array | Float32Array | Int32Array = Float64Array | Float32Array | Int32Array> {
  /** Output samples. */
  readonly length: number;
  /** Places for the weights of one output sample. */
  readonly size: number;
  /** First input sample, and how many, of each output sample. */
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** `size` for each output sample. */
  readonly weights: W;
}

/** `from` to `to`, in input samples, resampled to `length`. Weights sum to 1. */
export function pillowTaps(filter: Filter, samples: number, from: number, to: number, length: number): Taps<Float64Array> {
  const { support: radius, weight } = FILTERS[filter];
  const begin = Math.fround(from);
  const scale = Math.fround(Math.fround(to) - begin) / length;
  const filterScale = Math.max(scale, 1);
  const support = radius * filterScale;
  const inverse = 1 / filterScale;
  const size = Math.ceil(support) * 2 + 1;
  const taps = { length, size, first: new Int32Array(length), count: new Int32Array(length), weights: new Float64Array(length * size) };
  for (let i = 0; i < length; i++) {
    const centre = begin + (i + 0.5) * scale;
    const low = Math.max(Math.trunc(centre - support + 0.5), 0);
    const high = Math.min(Math.trunc(centre + support + 0.5), samples);
    let sum = 0;
    for (let j = 0; j < high - low; j++) {
      const w = weight((j + low - centre + 0.5) * inverse);
      taps.weights[i * size + j] = w;
      sum += w;
    }
    if (sum !== 0) for (let j = 0; j < high - low; j++) taps.weights[i * size + j] = (taps.weights[i * size + j] ?? 0) / sum;
    taps.first[i] = low;
    taps.count[i] = Math.max(0, high - low);
  }
  return taps;
}

/** Bits behind the point of Pillow's 8-bit weights. */
export const PILLOW_BITS = 22;

/** The weights in fixed point, halves rounded away from zero. */
export function toFixed(taps: Taps<Float64Array>, bits: number): Taps<Int32Array> {
  const one = 2 ** bits;
  return { ...taps, weights: Int32Array.from(taps.weights, (w) => Math.trunc(w < 0 ? w * one - 0.5 : w * one + 0.5)) };
}

export type TensorFilter = "bilinear" | "bicubic" | "lanczos";
const RADIUS: Readonly<Record<TensorFilter, number>> = { bilinear: 1, bicubic: 2, lanczos: 3 };
/** torch's cubic without antialias is OpenCV's. */
const bicubicSharp = cubic(-0.75);

/** torch's weights with antialias; `round` is the precision they are computed in. */
export function antialiasTaps(filter: TensorFilter, samples: number, length: number, round: (x: number) => number): Taps<Float64Array> {
  const { weight } = FILTERS[filter];
  const scale = round(round(samples) / round(length));
  const support = scale >= 1 ? round(RADIUS[filter] * scale) : RADIUS[filter];
  const inverse = scale >= 1 ? round(1 / scale) : 1;
  const size = Math.ceil(support) * 2 + 1;
  const taps = { length, size, first: new Int32Array(length), count: new Int32Array(length), weights: new Float64Array(length * size) };
  for (let i = 0; i < length; i++) {
    const centre = round(scale * round(i + 0.5));
    const low = Math.max(Math.trunc(round(round(centre - support) + 0.5)), 0);
    const high = Math.min(Math.trunc(round(round(centre + support) + 0.5)), samples);
    let sum = 0;
    for (let j = 0; j < high - low; j++) {
      const w = round(weight(round(round(round(j + low - centre) + 0.5) * inverse)));
      taps.weights[i * size + j] = w;
      sum = round(sum + w);
    }
    if (sum !== 0) for (let j = 0; j < high - low; j++) taps.weights[i * size + j] = round((taps.weights[i * size + j] ?? 0) / sum);
    taps.first[i] = low;
    taps.count[i] = Math.max(0, high - low);
  }
  return taps;
}

/** torch's two or four weights without antialias; weights of samples beyond an edge are added to the edge's. */
export function plainTaps(filter: "bilinear" | "bicubic", samples: number, length: number, round: (x: number) => number): Taps<Float64Array> {
  const scale = round(round(samples) / round(length));
  const size = filter === "bilinear" ? 2 : 4;
  const taps = { length, size, first: new Int32Array(length), count: new Int32Array(length), weights: new Float64Array(length * size) };
  for (let i = 0; i < length; i++) {
    const place = round(round(round(i + 0.5) * scale) - 0.5);
    const real = filter === "bilinear" ? Math.max(place, 0) : place;
    const base = filter === "bilinear" ? Math.min(Math.trunc(real), samples - 1) : Math.floor(real);
    const fraction = Math.min(Math.max(round(real - base), 0), 1);
    const from = filter === "bilinear" ? base : base - 1;
    const first = Math.min(Math.max(from, 0), samples - 1);
    for (let j = 0; j < size; j++) {
      const w = filter === "bilinear" ? (j === 0 ? round(1 - fraction) : fraction) : round(bicubicSharp(round(j - 1 - fraction)));
      const at = Math.min(Math.max(from + j, 0), samples - 1) - first;
      taps.weights[i * size + at] = (taps.weights[i * size + at] ?? 0) + w;
    }
    taps.first[i] = first;
    taps.count[i] = Math.min(size, samples - first);
  }
  return taps;
}

/** The one precision of a whole axis in torch's 8-bit code: as many bits as keep the largest weight in 16. */
export function int16Bits(taps: Taps<Float64Array>): number {
  const most = taps.weights.reduce((a, b) => Math.max(a, b), 0);
  let bits = 0;
  while (bits < 22 && Math.trunc(0.5 + most * 2 ** (bits + 1)) < 32_768) bits++;
  return bits;
}
