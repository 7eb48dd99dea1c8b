/** How rows are divided into tall panels and panels of 4. */

import { expect, test } from "vitest";
import { COLUMNS, ROWS, TALL, tallRows } from "./gemm.ts";
import { panelRanges, tallOf } from "./panels.ts";
import { padded } from "./products.ts";
import { evenly } from "./ranges.ts";

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

test("ranges are as even as their multiple allows, and follow one another", () => {
  for (const count of COUNTS) {
    for (const parts of [1, 2, 3, 8]) {
      for (const multiple of [1, COLUMNS]) {
        const ranges = evenly(count, parts, multiple);
        expect(ranges.map(([first]) => first)).toEqual([0, ...ranges.slice(0, -1).map(([first, length]) => first + length)]);
        expect(ranges.reduce((sum, [, length]) => sum + length, 0)).toBe(count);
        expect(ranges.length).toBe(Math.min(parts, Math.ceil(count / multiple)));
        const units = ranges.map(([, length]) => Math.ceil(length / multiple));
        expect(Math.max(...units) - Math.min(...units)).toBeLessThanOrEqual(1);
        for (const [first] of ranges) expect(first % multiple).toBe(0);
      }
    }
  }
});

test("ranges of rows are divided into panels as all rows are", () => {
  for (const rows of COUNTS) {
    for (const parts of [1, 2, 3, 8]) {
      const ranges = panelRanges(rows, parts);
      expect(ranges.map(([first]) => first)).toEqual([0, ...ranges.slice(0, -1).map(([first, count]) => first + count)]);
      expect(ranges.reduce((sum, [, count]) => sum + count, 0)).toBe(rows);
      for (const [first, count] of ranges)
        expect(Math.min(count, tallOf(count)), `${count} of ${rows}`).toBe(Math.max(0, Math.min(count, tallOf(rows) - first)));
    }
  }
});
