/**
 * `npm run bench:growth -- [--backend wasm|cpu] [--ms N] [--json FILE]`: how the cost of a run grows with batch, sequence and picture, and the time until a session is ready with
 * the size of the model. The exponent is that of the line through the logarithms from one size to the next: 1 is proportional, 2 is quadratic.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeBackend } from "../../scripts/runner/backend.ts";
import { load } from "../../src/model.ts";
import { exampleInputs } from "../../src/run/example-inputs.ts";
import { optionsOf, positiveInteger } from "../arguments.ts";
import { machine, machineLine } from "../machine.ts";
import { digits, median, tableLines } from "../table.ts";
import { pictures, sequence, weighing } from "./networks.ts";

interface Point {
  readonly size: number;
  readonly median: number;
  readonly min: number;
  readonly first: number;
}

/** Growth from one point to the next: log of the times' ratio over log of the sizes'. */
function exponent(from: { readonly size: number; readonly min: number }, to: { readonly size: number; readonly min: number }): number {
  return Math.log(to.min / from.min) / Math.log(to.size / from.size);
}

const options = optionsOf(process.argv.slice(2), ["backend", "ms", "json"]);
const ms = positiveInteger(options.get("ms") ?? "300", "ms");
const backendName = options.get("backend") ?? "wasm";
const before = machine();
console.log(`${machineLine(before)}; backend ${backendName}`);

function print(what: string, unit: string, points: readonly Point[]): void {
  const rows = points.map((p, i) => {
    const last = points[i - 1];
    return [
      String(p.size),
      digits(p.median),
      digits(p.min),
      digits(p.first),
      digits(p.median / p.size),
      last === undefined ? "" : exponent(last, p).toFixed(2),
    ];
  });
  console.log(`\n${what}`);
  console.log(tableLines([unit, "median ms", "min", "first ms", "ms each", "exponent"], rows).join("\n"));
}

async function runs(bytes: Uint8Array, sizes: readonly number[], shapeOf: (size: number) => readonly number[]): Promise<Point[]> {
  const model = await load(bytes);
  using session = await model.session({ backend: await makeBackend(backendName) });
  const points: Point[] = [];
  for (const size of sizes) {
    const feeds = exampleInputs(model.program, { x: { shape: shapeOf(size) } }).kwargs;
    const times: number[] = [];
    for (const end = performance.now() + ms; times.length < 4 || performance.now() < end;) {
      const started = performance.now();
      await session.run(feeds);
      times.push(performance.now() - started);
    }
    const [first = NaN, ...warm] = times;
    points.push({ size, first, median: median(warm), min: warm.reduce((a, b) => Math.min(a, b), Infinity) });
  }
  return points;
}

/** Time until a session is ready, from a file; and its first run. */
async function loading(sizes: readonly number[]): Promise<Point[]> {
  const dir = mkdtempSync(join(tmpdir(), "opwise-growth-"));
  const points: Point[] = [];
  try {
    for (const size of sizes) {
      const file = join(dir, `${size}.onnx`);
      writeFileSync(file, weighing(size));
      const times: number[] = [];
      let first = NaN;
      for (let i = 0; i < 5; i++) {
        const started = performance.now();
        const model = await load(file);
        using session = await model.session({ backend: await makeBackend(backendName) });
        times.push(performance.now() - started);
        const ready = performance.now();
        await session.run(exampleInputs(model.program).kwargs);
        first = performance.now() - ready;
      }
      points.push({ size, first, median: median(times), min: times.reduce((a, b) => Math.min(a, b), Infinity) });
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  return points;
}

const growth: Readonly<Record<string, { readonly unit: string; readonly points: readonly Point[] }>> = {
  "batch: six convolutions on pictures of 64 x 64": { unit: "pictures", points: await runs(pictures(), [1, 2, 4, 8, 16], (n) => [n, 3, 64, 64]) },
  "picture: six convolutions": { unit: "side", points: await runs(pictures(), [64, 128, 256, 512], (n) => [1, 3, n, n]) },
  "sequence: two blocks of attention, width 128": { unit: "tokens", points: await runs(sequence(), [32, 64, 128, 256, 512, 1024], (n) => [1, n, 128]) },
  "model: until a session is ready, by MB of weights": { unit: "MB", points: await loading([1, 3, 10, 30, 100]) },
};
for (const [what, { unit, points }] of Object.entries(growth)) print(what, unit, points);
const file = options.get("json");
if (file !== undefined) writeFileSync(file, `${JSON.stringify({ machine: before, loadAfter: machine().load, backend: backendName, growth }, undefined, 1)}\n`);
