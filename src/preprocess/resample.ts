/** Weighted sums along one axis: the inner loops of all resizing. */

import type { Samples } from "../codecs/image.ts";
import type { Taps } from "./filters.ts";

/** How sums become samples again. */
export type Rounding = { readonly kind: "fixed"; readonly bits: number } | { readonly kind: "float"; readonly store: (sum: number) => number };

function clip8(v: number): number {
  return v < 0 ? 0 : v > 255 ? 255 : v;
}

/** Along the rows: `rows` rows of `width` pixels of `channels` values become `taps.length` pixels wide. */
export function alongRows(source: Samples, rows: number, width: number, channels: number, taps: Taps, out: Samples, rounding: Rounding): void {
  if (rounding.kind === "fixed" && source instanceof Uint8Array && out instanceof Uint8Array && taps.weights instanceof Int32Array) {
    bytesAlongRows(source, rows, width, channels, taps, taps.weights, out, rounding.bits);
    return;
  }
  const { length, size, first, count, weights } = taps;
  for (let y = 0; y < rows; y++) {
    const row = y * width * channels;
    let to = y * length * channels;
    for (let x = 0; x < length; x++) {
      const from = row + (first[x] ?? 0) * channels;
      const n = count[x] ?? 0;
      const at = x * size;
      if (rounding.kind === "fixed") {
        const half = 1 << (rounding.bits - 1);
        for (let c = 0; c < channels; c++) {
          let sum = half;
          for (let j = 0, i = from + c; j < n; j++, i += channels) sum += (source[i] ?? 0) * (weights[at + j] ?? 0);
          out[to++] = clip8(sum >> rounding.bits);
        }
      } else {
        for (let c = 0; c < channels; c++) {
          let sum = 0;
          for (let j = 0, i = from + c; j < n; j++, i += channels) sum += (source[i] ?? 0) * (weights[at + j] ?? 0);
          out[to++] = rounding.store(sum);
        }
      }
    }
  }
}

/** The same for bytes, in 32 bits; three channels, the usual number, side by side. */
function bytesAlongRows(
  source: Uint8Array,
  rows: number,
  width: number,
  channels: number,
  { length, size, first, count }: Taps,
  weights: Int32Array,
  out: Uint8Array,
  bits: number,
): void {
  const half = 1 << (bits - 1);
  for (let y = 0, to = 0; y < rows; y++) {
    const row = source.subarray(y * width * channels, (y + 1) * width * channels);
    for (let x = 0; x < length; x++) {
      const end = x * size + (count[x] ?? 0);
      let at = (first[x] ?? 0) * channels;
      if (channels === 3) {
        let [r, g, b] = [half, half, half];
        for (let j = x * size; j < end; j++, at += 3) {
          const w = weights[j] ?? 0;
          r = (r + Math.imul(row[at] ?? 0, w)) | 0;
          g = (g + Math.imul(row[at + 1] ?? 0, w)) | 0;
          b = (b + Math.imul(row[at + 2] ?? 0, w)) | 0;
        }
        out[to] = clip8(r >> bits);
        out[to + 1] = clip8(g >> bits);
        out[to + 2] = clip8(b >> bits);
        to += 3;
        continue;
      }
      for (let c = 0; c < channels; c++) {
        let sum = half;
        for (let j = x * size, i = at + c; j < end; j++, i += channels) sum = (sum + Math.imul(row[i] ?? 0, weights[j] ?? 0)) | 0;
        out[to++] = clip8(sum >> bits);
      }
    }
  }
}

/** Along the columns: rows of `stride` values become `taps.length` rows. */
export function alongColumns(source: Samples, stride: number, taps: Taps, out: Samples, rounding: Rounding): void {
  if (rounding.kind === "fixed" && source instanceof Uint8Array && out instanceof Uint8Array && taps.weights instanceof Int32Array) {
    bytesAlongColumns(source, stride, taps, taps.weights, out, rounding.bits);
    return;
  }
  const { length, size, first, count, weights } = taps;
  const sums = new Float64Array(stride);
  for (let y = 0; y < length; y++) {
    const n = count[y] ?? 0;
    sums.fill(rounding.kind === "fixed" ? 1 << (rounding.bits - 1) : 0);
    for (let j = 0; j < n; j++) {
      const w = weights[y * size + j] ?? 0;
      const from = ((first[y] ?? 0) + j) * stride;
      for (let x = 0; x < stride; x++) sums[x] = (sums[x] ?? 0) + (source[from + x] ?? 0) * w;
    }
    const to = y * stride;
    if (rounding.kind === "fixed") for (let x = 0; x < stride; x++) out[to + x] = clip8((sums[x] ?? 0) >> rounding.bits);
    else for (let x = 0; x < stride; x++) out[to + x] = rounding.store(sums[x] ?? 0);
  }
}

/** The same for bytes: sums of 32 bits, which wrap on the way where they fit at the end. */
function bytesAlongColumns(source: Uint8Array, stride: number, { length, size, first, count }: Taps, weights: Int32Array, out: Uint8Array, bits: number): void {
  const sums = new Int32Array(stride);
  for (let y = 0; y < length; y++) {
    const n = count[y] ?? 0;
    sums.fill(1 << (bits - 1));
    for (let j = 0; j < n; j++) {
      const w = weights[y * size + j] ?? 0;
      const row = source.subarray(((first[y] ?? 0) + j) * stride, ((first[y] ?? 0) + j + 1) * stride);
      for (let x = 0; x < stride; x++) sums[x] = (sums[x] ?? 0) + Math.imul(row[x] ?? 0, w);
    }
    const to = out.subarray(y * stride, (y + 1) * stride);
    for (let x = 0; x < stride; x++) to[x] = clip8((sums[x] ?? 0) >> bits);
  }
}
