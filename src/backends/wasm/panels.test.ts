/** How rows are divided into tall panels and panels of 4. */

import { expect, test } from "vitest";
import { COLUMNS, ROWS, TALL, tallRows } from "./gemm.ts";
import { ranges } from "./planes.ts";
import { padded } from "./products.ts";

const COUNTS = Array.from({ length: 300 }, (_, i) => i + 1);

test("panels hold all rows, with at most one row of zeros from four rows on, and take no more room than panels of 4", () => {
  for (const rows of COUNTS) {
    const tall = tallRows(rows);
    const held = tall + padded(Math.max(0, rows - tall), ROWS);
    expect(tall % TALL).toBe(0);
    expect(held).toBeGreaterThanOrEqual(rows);
    if (rows >= ROWS) expect(held - rows, `${rows} rows`).toBeLessThanOrEqual(1);
    expect(held).toBeLessThanOrEqual(padded(rows, ROWS));
  }
});

test("a part of the channels begins where a panel does, and parts follow one another", () => {
  for (const channels of COUNTS) {
    for (const count of [1, 2, 3, 4, 8]) {
      for (const panel of [ROWS, TALL, COLUMNS]) {
        const parts = ranges(channels, count, panel);
        expect(parts.map(([from]) => from)).toEqual([0, ...parts.slice(0, -1).map(([, until]) => until)]);
        expect(parts.at(-1)?.[1]).toBe(channels);
        for (const [from] of parts) {
          expect(from % panel).toBe(0);
          if (panel === TALL) expect(from, `of ${channels} channels in ${count} parts`).toBeLessThanOrEqual(tallRows(channels));
        }
      }
    }
  }
});
