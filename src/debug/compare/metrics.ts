/** What is shown beside a judgement: the usual measures of a difference, and where in the tensor it lies. */

import { dtypeInfo } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { ulp } from "./budget.ts";
import { indexOf, numbersOf } from "./numbers.ts";

export interface Metrics {
  readonly maxError: number;
  /** Index of the largest error. */
  readonly at: readonly number[];
  /** The largest error over the largest reference value. */
  readonly relativeToMax: number;
  /** ‖e‖ / ‖reference‖. */
  readonly relL2: number;
  /** −20 log₁₀ relL2; undefined where nothing differs. */
  readonly sqnr: number | undefined;
  readonly cosine: number;
  readonly ulp: { readonly p50: number; readonly p999: number; readonly max: number };
  /** Of logits (the last axis has at least ten): the share of rows whose largest, and five largest, agree. */
  readonly top1: number | undefined;
  readonly top5: number | undefined;
}

/** Relative L2 error, over the finite elements of both. Whole numbers: the share that differs. */
export function relativeError(reference: Tensor, value: Tensor | undefined): number {
  if (value === undefined || value.numel !== reference.numel) return 1;
  const [ref, got] = [numbersOf(reference), numbersOf(value)];
  const kind = dtypeInfo(reference.dtype).class;
  if (kind === "int" || kind === "bool") {
    let differ = 0;
    for (let i = 0; i < ref.length; i++) if (ref[i] !== got[i]) differ++;
    return ref.length === 0 ? 0 : differ / ref.length;
  }
  let [error, size, odd] = [0, 0, 0];
  for (let i = 0; i < ref.length; i++) {
    const [r, g] = [ref[i] ?? 0, got[i] ?? 0];
    const e = r - g;
    if (e === 0) size += r * r;
    else if (Number.isFinite(e)) {
      error += e * e;
      size += r * r;
    } else if (r !== g && !(Number.isNaN(r) && Number.isNaN(g))) odd++;
  }
  const relative = error === 0 ? 0 : size > 0 ? Math.sqrt(error / size) : 1;
  return odd > 0 ? Math.max(1, relative) : relative;
}

/** All measures. Row-major; NaN and infinities are left out, for they are judged by their positions. */
export function metricsOf(reference: Tensor, value: Tensor): Metrics | undefined {
  if (reference.numel !== value.numel || reference.numel === 0) return undefined;
  const [ref, got] = [numbersOf(reference), numbersOf(value)];
  const { bits, class: kind } = dtypeInfo(reference.dtype);
  if (kind === "string") return undefined;
  let [most, at, top, error, size, other, dot] = [0, 0, 0, 0, 0, 0, 0];
  const ulps = new Float64Array(ref.length);
  for (let i = 0; i < ref.length; i++) {
    const [r, g] = [ref[i] ?? 0, got[i] ?? 0];
    const e = Math.abs(r - g);
    if (!Number.isFinite(e)) continue;
    if (e > most) [most, at] = [e, i];
    top = Math.max(top, Math.abs(r));
    error += e * e;
    size += r * r;
    other += g * g;
    dot += r * g;
    ulps[i] = kind === "float" ? e / ulp(r, bits, 2 ** -126) : e;
  }
  ulps.sort();
  const quantile = (q: number): number => ulps[Math.min(ulps.length - 1, Math.floor(q * ulps.length))] ?? 0;
  const relL2 = error === 0 ? 0 : Math.sqrt(error / (size || 1));
  const classes = reference.shape.at(-1) ?? 1;
  const isLogits = kind === "float" && reference.rank <= 2 && reference.rank > 0 && classes >= 10;
  return {
    maxError: most,
    at: indexOf(at, reference.shape),
    relativeToMax: top === 0 ? most : most / top,
    relL2,
    sqnr: relL2 === 0 ? undefined : -20 * Math.log10(relL2),
    cosine: size === 0 || other === 0 ? (size === other ? 1 : 0) : dot / Math.sqrt(size * other),
    ulp: { p50: quantile(0.5), p999: quantile(0.999), max: ulps.at(-1) ?? 0 },
    top1: isLogits ? agreement(ref, got, classes, 1) : undefined,
    top5: isLogits ? agreement(ref, got, classes, 5) : undefined,
  };
}

function agreement(ref: ArrayLike<number>, got: ArrayLike<number>, classes: number, count: number): number {
  const best = (numbers: ArrayLike<number>, row: number): string =>
    Array.from({ length: classes }, (_, i) => i)
      .sort((a, b) => (numbers[row + b] ?? 0) - (numbers[row + a] ?? 0))
      .slice(0, count)
      .sort((a, b) => a - b)
      .join();
  let [same, rows] = [0, 0];
  for (let row = 0; row < ref.length; row += classes, rows++) if (best(ref, row) === best(got, row)) same++;
  return rows === 0 ? 1 : same / rows;
}

/** Where violations lie, in words: `all within 2 of the border`, `only in channel 17`; undefined where nothing stands out. */
export function placeOf(over: readonly number[], count: number, shape: readonly number[]): string | undefined {
  if (over.length === 0 || shape.length === 0) return undefined;
  const total = shape.reduce((a, b) => a * b, 1);
  if (count === total) return "everywhere";
  const hit = shape.map(() => new Set<number>());
  let border = true;
  const spatial = shape
    .map((_, axis) => axis)
    .slice(shape.length >= 3 ? 2 : 0)
    .filter((axis) => (shape[axis] ?? 1) > 4);
  for (const position of over) {
    const index = indexOf(position, shape);
    index.forEach((at, axis) => hit[axis]?.add(at));
    if (!spatial.some((axis) => (index[axis] ?? 0) < 2 || (index[axis] ?? 0) >= (shape[axis] ?? 1) - 2)) border = false;
  }
  for (const [axis, seen] of hit.entries()) {
    const size = shape[axis] ?? 1;
    const [only] = seen;
    if (seen.size === 1 && size > 1 && only !== undefined) {
      const what = axis === 1 && shape.length >= 3 ? "channel" : axis === 0 ? "row" : `position on axis ${axis}`;
      const last = only === size - 1 && size > 2 ? " (the last)" : only === 0 && size > 2 ? " (the first)" : "";
      return axis === 1 && shape.length >= 3 ? `all in channel ${only}${last}` : `all at ${what} ${only}${last}`;
    }
  }
  if (border && spatial.length > 0) return "all within 2 of the border";
  for (const [axis, seen] of hit.entries()) {
    const size = shape[axis] ?? 1;
    if (seen.size * 4 <= size && size >= 8) return `in ${seen.size} of ${size} ${axis === 1 && shape.length >= 3 ? "channels" : `positions on axis ${axis}`}`;
  }
  return undefined;
}
