/**
 * Smoothing across blocks as libjpeg-turbo 2.1 and later do it for progressive files: low AC coefficients that no scan sent, or not
 * whole, are estimated from the DCs of the 5 x 5 blocks around.
 */

import type { Component, Frame } from "./frame.ts";

interface Estimate {
  /** Place in zigzag order, which counts the known bits, and in natural order. */
  readonly zigzag: number;
  readonly natural: number;
  /** Of the 25 DCs, row by row. */
  readonly weights: readonly number[];
}

/** Where nothing but the DC is known: nine coefficients, and the DC itself is smoothed. */
// prettier-ignore
const WITHOUT_AC: readonly Estimate[] = [
  { zigzag: 1, natural: 1, weights: [-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1] },
  { zigzag: 2, natural: 8, weights: [-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1] },
  { zigzag: 3, natural: 16, weights: [0, 0, 1, 0, 0, 0, 2, 7, 2, 0, 0, -5, -14, -5, 0, 0, 2, 7, 2, 0, 0, 0, 1, 0, 0] },
  { zigzag: 4, natural: 9, weights: [-1, 0, 0, 0, 1, 0, 9, 0, -9, 0, 0, 0, 0, 0, 0, 0, -9, 0, 9, 0, 1, 0, 0, 0, -1] },
  { zigzag: 5, natural: 2, weights: [0, 0, 0, 0, 0, 0, 2, -5, 2, 0, 1, 7, -14, 7, 1, 0, 2, -5, 2, 0, 0, 0, 0, 0, 0] },
  { zigzag: 6, natural: 3, weights: [0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 2, 0, -2, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0] },
  { zigzag: 7, natural: 10, weights: [0, 0, 0, 0, 0, 0, 1, -3, 1, 0, 0, 0, 0, 0, 0, 0, -1, 3, -1, 0, 0, 0, 0, 0, 0] },
  { zigzag: 8, natural: 17, weights: [0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, -3, 0, 3, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0] },
  { zigzag: 9, natural: 24, weights: [0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, -1, -2, -1, 0, 0, 0, 0, 0, 0] },
];
const DC_WEIGHTS = [-2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8, -6, -2];

/** Where some AC is known: five coefficients (close to T.81, K.8, over a wider window). */
// prettier-ignore
const WITH_AC: readonly Estimate[] = [
  { zigzag: 1, natural: 1, weights: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7, 50, 0, -50, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
  { zigzag: 2, natural: 8, weights: [0, 0, -7, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, -50, 0, 0, 0, 0, 7, 0, 0] },
  { zigzag: 3, natural: 16, weights: [0, 0, -1, 0, 0, 0, 0, 13, 0, 0, 0, 0, -24, 0, 0, 0, 0, 13, 0, 0, 0, 0, -1, 0, 0] },
  { zigzag: 4, natural: 9, weights: [0, -1, 0, 1, 0, -1, 10, 0, -10, 1, 0, 0, 0, 0, 0, 1, -10, 0, 10, -1, 0, 1, 0, -1, 0] },
  { zigzag: 5, natural: 2, weights: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 13, -24, 13, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] },
];
const ESTIMATED = WITHOUT_AC.length;

/** Whether smoothing has anything to do, and may: every component's DC is known and nothing divides by zero. */
export function smoothingHelps(frame: Frame): boolean {
  if (!frame.progressive) return false;
  let useful = false;
  for (const { quant, unknownBits } of frame.components) {
    if (quant === undefined || quant[0] === 0 || WITHOUT_AC.some((e) => quant[e.natural] === 0) || (unknownBits[0] ?? -1) < 0) return false;
    if (unknownBits.subarray(1, ESTIMATED + 1).some((bits) => bits !== 0)) useful = true;
  }
  return useful;
}

/**
 * One row of a component's blocks with their estimates, in `out`. `row` counts block rows of the whole component, `mcuRow` those of MCUs;
 * from the row after `lastSound` on, what was known before the last scan counts.
 */
export function smoothRow(frame: Frame, component: Component, coefficients: Int16Array, mcuRow: number, row: number, lastSound: number, out: Int16Array): void {
  const { stride, blocksWide, v } = component;
  const quant = component.quant ?? new Uint16Array(64);
  const known = mcuRow > lastSound ? component.unknownBefore : component.unknownBits;
  const withoutAc = known.subarray(1, ESTIMATED + 1).every((bits) => bits === -1);
  // libjpeg numbers the block rows by those of the MCU row at hand, which matters where the last one has fewer.
  const isLast = mcuRow === frame.mcusHigh - 1;
  const rowsHere = isLast ? component.blocksHigh % v || v : v;
  const number = mcuRow * rowsHere + (row - mcuRow * v);
  const count = rowsHere * frame.mcusHigh;
  const up = number > 0 ? row - 1 : row;
  const down = number < count - 1 ? row + 1 : row;
  const rows = [number > 1 ? row - 2 : up, up, row, down, number < count - 2 ? row + 2 : down];
  const dcs = new Int32Array(25);
  const q0 = quant[0] ?? 0;
  const weigh = (weights: readonly number[]): number => weights.reduce((sum, w, i) => sum + w * (dcs[i] ?? 0), 0) * q0;
  for (let column = 0; column < blocksWide; column++) {
    for (let y = 0; y < 5; y++) {
      for (let x = 0; x < 5; x++) {
        const at = Math.min(Math.max(column + x - 2, 0), blocksWide - 1);
        dcs[5 * y + x] = coefficients[64 * ((rows[y] ?? 0) * stride + at)] ?? 0;
      }
    }
    const base = 64 * column;
    const from = 64 * (row * stride + column);
    out.set(coefficients.subarray(from, from + 64), base);
    for (const { zigzag, natural, weights } of withoutAc ? WITHOUT_AC : WITH_AC) {
      const bits = known[zigzag] ?? 0;
      if (bits !== 0 && out[base + natural] === 0) out[base + natural] = estimate(weigh(weights), quant[natural] ?? 1, bits);
    }
    if (withoutAc) out[base] = estimate(weigh(DC_WEIGHTS), q0, 0);
  }
}

/** A weighted sum over 256 times the table's entry, rounded; below the value of the first bit that a scan would have sent. */
function estimate(sum: number, quant: number, bits: number): number {
  const size = Math.trunc((128 * quant + Math.abs(sum)) / (256 * quant));
  const bounded = bits > 0 ? Math.min(size, 2 ** bits - 1) : size;
  return sum < 0 ? -bounded : bounded;
}
