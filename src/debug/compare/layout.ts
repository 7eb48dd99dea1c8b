/** How one side's value lies in the other's: as it is, under another shape, or with its axes permuted. */

import { contiguousStrides } from "../../tensor/shape.ts";
import { Tensor, viewOf } from "../../tensor/tensor.ts";
import { numbersOf, writeNumbers } from "./numbers.ts";

/** `axes`: axis i of A is axis `axes[i]` of B, after `shape` has been given to B's elements; none: row-major order is the same. */
export interface Layout {
  readonly axes: readonly number[] | undefined;
}

export const SAME: Layout = { axes: undefined };
const MOST_AXES = 5;
const CLOSE = 1e-2;

function* permutations(n: number): Generator<number[]> {
  const order = Array.from({ length: n }, (_, i) => i);
  function* from(k: number): Generator<number[]> {
    if (k === n) yield [...order];
    for (let i = k; i < n; i++) {
      [order[k], order[i]] = [order[i] ?? 0, order[k] ?? 0];
      yield* from(k + 1);
      [order[k], order[i]] = [order[i] ?? 0, order[k] ?? 0];
    }
  }
  yield* from(0);
}

const SAMPLES = 512;

/** The error of taking `b`'s elements, read through strides, for `a`'s; relative to their size, over elements that stand apart. */
function mismatch(a: ArrayLike<number>, b: ArrayLike<number>, shape: readonly number[], strides: readonly number[] | undefined): number {
  const step = Math.max(1, Math.floor(a.length / SAMPLES));
  let [error, size] = [0, 0];
  for (let i = 0; i < a.length; i += step) {
    let at = i;
    if (strides !== undefined) {
      at = 0;
      let left = i;
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        const n = shape[axis] ?? 1;
        at += (left % n) * (strides[axis] ?? 0);
        left = Math.floor(left / n);
      }
    }
    const [x, y] = [a[i] ?? 0, b[at] ?? 0];
    if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
    error += (x - y) ** 2;
    size += x * x;
  }
  return size === 0 ? error : Math.sqrt(error / size);
}

function permuted(t: Tensor, axes: readonly number[]): Tensor {
  return viewOf(
    t,
    axes.map((k) => t.shape[k] ?? 1),
    axes.map((k) => t.strides[k] ?? 0),
    t.offset,
  );
}

/** The layout in which `b` holds `a`'s elements; undefined where none of them does. */
export function layoutBetween(a: Tensor, b: Tensor): Layout | undefined {
  if (a.numel !== b.numel) return undefined;
  const [ref, got] = [numbersOf(a), numbersOf(b)];
  if (mismatch(ref, got, a.shape, undefined) < CLOSE) return SAME;
  if (a.rank !== b.rank || a.rank > MOST_AXES || a.rank < 2) return undefined;
  const rowMajor = contiguousStrides(b.shape);
  for (const axes of permutations(a.rank)) {
    if (!axes.every((k, i) => a.shape[i] === b.shape[k]) || axes.every((k, i) => k === i)) continue;
    if (
      mismatch(
        ref,
        got,
        a.shape,
        axes.map((k) => rowMajor[k] ?? 0),
      ) < CLOSE
    )
      return { axes };
  }
  return undefined;
}

/** B's value laid out as A's `reference`; undefined where it has another number of elements. */
export function toA(value: Tensor, reference: Tensor, { axes }: Layout): Tensor | undefined {
  const turned = axes === undefined ? value : permuted(value, axes);
  if (turned.numel !== reference.numel) return undefined;
  if (turned.rank === reference.rank && turned.shape.every((n, i) => n === reference.shape[i])) return turned;
  const out = Tensor.zeros(reference.shape, value.dtype);
  writeNumbers(out, numbersOf(turned));
  return out;
}

/** A's value laid out as B's `recorded`. */
export function toB(value: Tensor, recorded: Tensor, { axes }: Layout): Tensor {
  const out = Tensor.zeros(recorded.shape, value.dtype);
  writeNumbers(axes === undefined ? out : permuted(out, axes), numbersOf(value));
  return out;
}
