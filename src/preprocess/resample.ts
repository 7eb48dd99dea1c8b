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

/** Along the columns: rows of `stride` values become `taps.length` rows. */
export function alongColumns(source: Samples, stride: number, taps: Taps, out: Samples, rounding: Rounding): void {
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
