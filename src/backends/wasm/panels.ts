/** Rows of a product in panels: tall ones where they are faster, the rest in panels of 4. */

import type { DenseKernels } from "./dense.ts";
import { FLOAT } from "./emit.ts";
import { features } from "./features.ts";
import { COLUMNS, ROWS, TALL, tallRows } from "./gemm.ts";
import { evenly, type Range } from "./ranges.ts";

/** Rows of the panels that come first: a part of a product may begin at a multiple of it. */
export const panelRows = (): number => (features().fusedMultiplyAdd ? TALL : ROWS);

/** How many of so many rows are in tall panels; the last of these may not be full. */
export const tallOf = (rows: number): number => (features().fusedMultiplyAdd ? tallRows(rows) : 0);

/** How many rows panels of so many hold, those of zeros among them. */
export function rowsHeld(rows: number): number {
  const tall = tallOf(rows);
  return tall + Math.ceil(Math.max(0, rows - tall) / ROWS) * ROWS;
}

/** `rows` rows in up to `parts` ranges of whole panels: what is packed of a range is what `packInPanels` writes there of all of them. */
export function panelRanges(rows: number, parts: number): Range[] {
  const tall = tallOf(rows);
  const height = panelRows();
  const panels = tall / height;
  const edge = (panel: number): number => Math.min(rows, panel <= panels ? panel * height : tall + (panel - panels) * ROWS);
  const whole = Math.ceil(tall / height) + Math.ceil(Math.max(0, rows - tall) / ROWS);
  return evenly(whole, parts).map(([first, count]) => [edge(first), edge(first + count) - edge(first)] as const);
}

/** Packs `rows` rows of `deep` elements at `from` into panels, one after another: no more than panels of 4 would take. Strides in bytes. */
export function packInPanels(dense: DenseKernels, to: number, from: number, rows: number, deep: number, rowStride: number, columnStride: number): void {
  const tall = tallOf(rows);
  if (tall > 0) dense.gemm.packTall(to, from, Math.min(rows, tall), deep, rowStride, columnStride);
  if (tall < rows) dense.gemm.packRows(to + tall * deep * FLOAT, from + tall * rowStride, rows - tall, deep, rowStride, columnStride);
}

/** Rows in panels of `depth`, of which the first `tall` rows are in tall ones. A product takes the steps of depth from `k` on. */
export interface RowPanels {
  readonly address: number;
  readonly tall: number;
  readonly depth: number;
  readonly k: number;
}

/**
 * `multiplyBiased` of rows in panels.
 * @param columnStep bytes between panels of columns
 * @param bStep bytes between the steps of depth in a panel of columns, which so may be no panel
 */
export function multiplyPanels(
  dense: DenseKernels,
  { address, tall, depth, k }: RowPanels,
  [columnsAt, to]: readonly [columnsAt: number, to: number],
  [rows, columns, deep]: readonly [rows: number, columns: number, deep: number],
  outStride: number,
  add: boolean,
  bias = 0,
  columnStep: number = COLUMNS * deep * FLOAT,
  bStep: number = COLUMNS * FLOAT,
): void {
  const product = (run: DenseKernels["gemm"]["multiplyBiased"], height: number, first: number, count: number): void => {
    if (count <= 0) return;
    const at = address + (first * depth + k * height) * FLOAT;
    const [target, shift] = [to + first * outStride, bias === 0 ? 0 : bias + first * FLOAT];
    run(at, columnsAt, target, count, columns, deep, outStride, height * depth * FLOAT, columnStep, add ? 1 : 0, shift, bStep);
  };
  product(dense.gemm.multiplyTall, TALL, 0, Math.min(rows, tall));
  product(dense.gemm.multiplyBiased, ROWS, tall, rows - tall);
}
