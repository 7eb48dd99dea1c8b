/** Horizontal resampling of RGB rows as they come: by kernels where they may be had. */

import { SLACK, Workspace } from "../codecs/workspace.ts";
import { PILLOW_BITS, type Taps } from "./filters.ts";
import { LOW_BITS, rowKernels } from "./kernels.ts";
import { alongRows } from "./resample.ts";

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
  const rows = workspace.memory === undefined ? undefined : rowKernels.instance(workspace.memory)?.["rows"];
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
