/** How far two runs are apart, op by op: multiples of what is allowed. Values in full are compared number by number, others by their statistics. */

import { effect } from "@preact/signals";
import { numelOf } from "./format.ts";
import { numbersOf } from "./numbers.ts";
import { KIND, mainOutput, type Run, type ValueFact } from "./run.ts";
import { verdictsOf } from "./comparison.ts";
import { comparison, errors, runs, tree, verdicts } from "./state.ts";
import type { Tree } from "./tree.ts";

/** Relative distance that float dtypes are allowed after a chain of ops; what is no float has to be equal. */
const ALLOWED: Readonly<Record<string, number>> = { float64: 1e-9, float32: 1e-4, float16: 2e-2, bfloat16: 1e-1, complex64: 1e-4, complex128: 1e-9 };

/** Elements that are compared in full; larger values are judged by their statistics. */
const MAX_ELEMENTS = 1 << 22;

/** Largest distance of two lists of numbers over the largest number of the first, as a multiple of `allowed`; infinite where NaN stand apart. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>, allowed: number): number {
  let most = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    const x = a[i] as number; // below the length
    const y = b[i] as number; // the lists are of one length
    if (x - x !== 0 || y - y !== 0) {
      if (Object.is(x, y) || x === y) continue;
      return Infinity;
    }
    const gap = Math.abs(x - y);
    if (gap > most) most = gap;
    const own = Math.abs(x);
    if (own > size) size = own;
  }
  if (most === 0) return 0;
  return allowed === 0 ? Infinity : most / ((size || 1) * allowed);
}

/** The same of two health records: their extremes and moments. */
export function statisticsDistance(a: ValueFact, b: ValueFact): number {
  const [x, y] = [a.health, b.health];
  if (x === undefined || y === undefined) return Number.NaN;
  if (x.nan !== y.nan || x.posInf !== y.posInf || x.negInf !== y.negInf) return Infinity;
  const allowed = ALLOWED[a.dtype ?? ""] ?? 0;
  const size = x.absmax ?? 0;
  const gaps = [(x.min ?? 0) - (y.min ?? 0), (x.max ?? 0) - (y.max ?? 0), (x.mean ?? 0) - (y.mean ?? 0), (x.std ?? 0) - (y.std ?? 0)].map(Math.abs);
  const most = Math.max(...gaps);
  return most === 0 ? 0 : allowed === 0 ? Infinity : most / ((size || 1) * allowed);
}

async function errorOf(a: Run, one: ValueFact, b: Run, two: ValueFact): Promise<number> {
  if (one.shape === undefined || two.shape === undefined) return Number.NaN;
  if (numelOf(one.shape) !== numelOf(two.shape)) return Infinity;
  if (one.hash !== undefined && one.hash === two.hash) return 0;
  if (one.blob !== undefined && two.blob !== undefined && numelOf(one.shape) <= MAX_ELEMENTS) {
    const [x, y] = await Promise.all([numbersOf(a, one), numbersOf(b, two)]);
    return distance(x.data, y.data, ALLOWED[one.dtype ?? ""] ?? 0);
  }
  return statisticsDistance(one, two);
}

/** Turns of the event loop that comparing takes: one about every so many milliseconds. */
const TURN_MS = 30;

async function compare(t: Tree, a: Run, b: Run, isCurrent: () => boolean): Promise<void> {
  const out = new Float64Array(t.count).fill(Number.NaN);
  let since = performance.now();
  for (let entry = 0; entry < t.count; entry++) {
    const [inA, inB] = [t.a[entry] ?? -1, t.b[entry] ?? -1];
    if (t.kind[entry] !== KIND.op || inA < 0 || inB < 0) continue;
    const [one, two] = [mainOutput(a, inA), mainOutput(b, inB)];
    if (one !== undefined && two !== undefined) out[entry] = await errorOf(a, one, b, two);
    if (performance.now() - since > TURN_MS) {
      await new Promise((done) => setTimeout(done));
      if (!isCurrent()) return;
      since = performance.now();
    }
  }
  errors.value = out;
}

export function keepErrors(): void {
  let current = 0;
  effect(() => {
    const t = tree.value;
    const [a, b] = runs.value;
    const file = comparison.value;
    const mine = ++current;
    verdicts.value = new Map();
    errors.value = undefined;
    if (t === undefined || a === undefined) return;
    if (file !== undefined) {
      const found = verdictsOf(file, a, t);
      errors.value = found.errors;
      verdicts.value = found.verdicts;
      return;
    }
    if (b === undefined) return;
    compare(t, a, b, () => mine === current).catch(() => undefined); // a file that can no longer be read: no error column
  });
}
