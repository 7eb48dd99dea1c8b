/** The two passes over bytes, by kernels where they may be had: RGB rows as they come, and the columns of all rows at once. */

import { SLACK, Workspace } from "../codecs/workspace.ts";
import { PILLOW_BITS, type Taps } from "./filters.ts";
import { LOW_BITS, resizeKernels } from "./kernels.ts";
import { alongColumns, alongRows } from "./resample.ts";

/** Rows that are copied into the kernels' memory at a time. */
const BAND = 32;
const FOUR = 4;

/** A function on rows of `width` RGB pixels, from `data` to `out`. */
export type RowResampler = (data: Uint8Array, rows: number, out: Uint8Array) => void;

/** Resampling by these weights, in Pillow's fixed point. */
export function rowResampler(width: number, taps: Taps<Int32Array>, wasm: boolean): RowResampler {
  return (
    (wasm ? kernelResampler(width, taps) : undefined) ?? ((data, rows, out) => alongRows(data, rows, width, 3, taps, out, { kind: "fixed", bits: PILLOW_BITS }))
  );
}

function kernelResampler(width: number, taps: Taps<Int32Array>): RowResampler | undefined {
  const { length, size, first, count, weights } = taps;
  const groupsOf = (x: number): number => Math.ceil((count[x] ?? 0) / FOUR);
  let total = 0;
  for (let x = 0; x < length; x++) total += groupsOf(x);
  const [stride, outStride] = [3 * width, 3 * length];
  const workspace = new Workspace([BAND * stride + SLACK, 4 * length, 4 * length, 16 * total, BAND * outStride + SLACK], true);
  const rows = workspace.memory === undefined ? undefined : resizeKernels.instance(workspace.memory)?.["rows"];
  if (rows === undefined) return undefined;
  const source = workspace.bytes(BAND * stride + SLACK);
  const firsts = workspace.ints(length);
  const groups = workspace.ints(length);
  const packed = workspace.shorts(8 * total);
  const result = workspace.bytes(BAND * outStride + SLACK);
  let at = 0;
  for (let x = 0; x < length; x++) {
    firsts[x] = 3 * (first[x] ?? 0);
    groups[x] = groupsOf(x);
    for (let j = 0; j < FOUR * groupsOf(x); j++) {
      const w = j < (count[x] ?? 0) ? (weights[x * size + j] ?? 0) : 0;
      // A group of four: high parts of two, their low parts, then the other two.
      const place = at + 8 * (j >> 2) + 4 * ((j >> 1) & 1) + (j & 1);
      packed[place] = w >> LOW_BITS;
      packed[place + 2] = w & ((1 << LOW_BITS) - 1);
    }
    at += 8 * groupsOf(x);
  }
  return (data, count, out) => {
    for (let y = 0; y < count; y += BAND) {
      const now = Math.min(BAND, count - y);
      source.set(data.subarray(y * stride, (y + now) * stride));
      rows(source.byteOffset, stride, now, firsts.byteOffset, groups.byteOffset, packed.byteOffset, length, result.byteOffset, outStride);
      out.set(result.subarray(0, now * outStride), y * outStride);
    }
  };
}

/** Rows of `stride` bytes to `taps.length` rows, in Pillow's fixed point. */
export function resampleColumns(source: Uint8Array, stride: number, taps: Taps<Int32Array>, wasm: boolean): Uint8Array {
  const { length, size, first, count, weights } = taps;
  const pairsOf = (y: number): number => Math.ceil((count[y] ?? 0) / 2);
  let total = 0;
  for (let y = 0; y < length; y++) total += pairsOf(y);
  const sizes = [source.length + stride, 4 * length, 4 * length, 8 * total, length * stride];
  const workspace = wasm ? new Workspace(sizes, true) : undefined;
  const columns = workspace?.memory === undefined ? undefined : resizeKernels.instance(workspace.memory)?.["columns"];
  if (workspace === undefined || columns === undefined) {
    const out = new Uint8Array(length * stride);
    alongColumns(source, stride, taps, out, { kind: "fixed", bits: PILLOW_BITS });
    return out;
  }
  // A pair's second row may lie one behind the last, where its weight is 0.
  const rows = workspace.bytes(source.length + stride);
  rows.set(source);
  const [firsts, pairs] = [workspace.ints(length), workspace.ints(length)];
  const packed = workspace.shorts(4 * total);
  const out = workspace.bytes(length * stride);
  for (let y = 0, at = 0; y < length; y++) {
    firsts[y] = stride * (first[y] ?? 0);
    pairs[y] = pairsOf(y);
    for (let j = 0; j < 2 * pairsOf(y); j++) {
      const w = j < (count[y] ?? 0) ? (weights[y * size + j] ?? 0) : 0;
      packed[at + 4 * (j >> 1) + (j & 1)] = w >> LOW_BITS;
      packed[at + 4 * (j >> 1) + 2 + (j & 1)] = w & ((1 << LOW_BITS) - 1);
    }
    at += 4 * pairsOf(y);
  }
  columns(rows.byteOffset, stride, firsts.byteOffset, pairs.byteOffset, packed.byteOffset, length, out.byteOffset);
  return out.slice();
}
