/** Parts of the page that are plain functions, timed without a browser. */

import { paint, defaultAxes, layoutOf, scaleOf } from "../../src/page/heat-pixels.ts";
import { layLanes } from "../../src/page/lanes.ts";

function best(rounds: number, run: () => void): number {
  let least = Infinity;
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    run();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

/** Lanes of as many rows, each of which makes a value that lives for up to 40 rows. */
export function lanesMilliseconds(rows: number): number {
  const from = Int32Array.from({ length: rows }, (_, i) => i);
  const to = Int32Array.from({ length: rows }, (_, i) => Math.min(rows, i + 1 + ((i * 7919) % 40)));
  return best(10, () => layLanes({ from, to }, rows));
}

export function heatMilliseconds(): number {
  const shape = [1024, 1024];
  const data = Float32Array.from({ length: 1 << 20 }, (_, i) => Math.sin(i / 500));
  const layout = layoutOf(shape, defaultAxes(shape, "matrix"));
  const pixels = new Uint8ClampedArray(4 << 20);
  return best(10, () => paint(data, layout, scaleOf(data), pixels, 1024, 1024));
}
