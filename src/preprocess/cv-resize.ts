/** OpenCV's `resize` of 8-bit pictures with INTER_LINEAR, which YOLO's letterbox uses: two weights of 11 bits, no antialias. */

import { CHANNELS, type Image } from "../codecs/image.ts";

const ONE = 2048;

function roundHalfEven(v: number): number {
  const low = Math.floor(v);
  const rest = v - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 !== 0) ? low + 1 : low;
}

interface Place {
  readonly at: number;
  /** Of this sample and of the next. */
  readonly weights: readonly [number, number];
}

function placeOf(i: number, samples: number, length: number): { readonly at: number; readonly fraction: number } {
  const real = Math.fround((i + 0.5) * (samples / length) - 0.5);
  const at = Math.floor(real);
  return { at, fraction: Math.fround(real - at) };
}

function weightsOf(fraction: number): readonly [number, number] {
  return [roundHalfEven(Math.fround(Math.fround(1 - fraction) * ONE)), roundHalfEven(Math.fround(fraction * ONE))];
}

/** A column beyond an edge is the edge's own, whole. */
function columnAt(x: number, samples: number, length: number): Place {
  const { at, fraction } = placeOf(x, samples, length);
  if (at < 0) return { at: 0, weights: weightsOf(0) };
  return at >= samples - 1 ? { at: samples - 1, weights: weightsOf(0) } : { at, weights: weightsOf(fraction) };
}

/** An 8-bit picture at another size. */
export function resizeLinear(image: Image, width: number, height: number): Image {
  const { width: w, height: h, data } = image;
  if (w === width && h === height) return image;
  const channels = CHANNELS[image.mode];
  const columns = Array.from({ length: width }, (_, x) => columnAt(x, w, width));
  const out = new Uint8Array(width * height * channels);
  const stride = width * channels;
  const sums = (row: number, to: Int32Array): void => {
    for (const [x, { at, weights }] of columns.entries()) {
      const from = (row * w + at) * channels;
      const next = at + 1 < w ? from + channels : from;
      for (let c = 0; c < channels; c++) to[x * channels + c] = weights[0] * (data[from + c] ?? 0) + weights[1] * (data[next + c] ?? 0);
    }
  };
  const [upper, lower] = [new Int32Array(stride), new Int32Array(stride)];
  for (let y = 0; y < height; y++) {
    // Rows beyond an edge are the edge's, but keep their weights.
    const { at, fraction } = placeOf(y, h, height);
    const [a, b] = weightsOf(fraction);
    sums(Math.min(Math.max(at, 0), h - 1), upper);
    sums(Math.min(Math.max(at + 1, 0), h - 1), lower);
    for (let i = 0; i < stride; i++) {
      const blended = ((a * ((upper[i] ?? 0) >> 4)) >> 16) + ((b * ((lower[i] ?? 0) >> 4)) >> 16);
      out[y * stride + i] = Math.min(Math.max((blended + 2) >> 2, 0), 255);
    }
  }
  return { ...image, width, height, data: out };
}
