/**
 * Values that live inside of a plan lie in the order of their axes. Models that run with channels last make theirs otherwise, which only shows in what leaves; convolutions and pooling
 * go over planes.
 */

import { itemsize } from "../../tensor/dtype.ts";
import { contiguousStrides, isContiguous } from "../../tensor/shape.ts";
import type { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { flowOf } from "./flow.ts";
import type { StraightLine } from "./region.ts";

/** How all views of a storage see it: elements from one to the next along each axis, how many the whole has, and what the steps become. */
interface Order {
  readonly strides: readonly number[];
  readonly sizes: readonly number[];
  readonly planar: readonly number[];
}

/** The order that the views of a storage agree on, where it is not that of their axes already. */
function orderOf(views: readonly View[]): Order | undefined {
  const [first] = views;
  if (first === undefined || first.shape.length < 3 || views.every((view) => isContiguous(view.shape, view.strides))) return undefined;
  const strides = new Array<number>(first.shape.length).fill(0);
  for (const { shape, strides: own, dtype } of views) {
    if (shape.length !== strides.length || dtype !== first.dtype) return undefined;
    for (let axis = 0; axis < shape.length; axis++) {
      if ((shape[axis] ?? 0) < 2) continue;
      const stride = own[axis] ?? 0;
      if (stride <= 0 || (strides[axis] !== 0 && strides[axis] !== stride)) return undefined;
      strides[axis] = stride;
    }
  }
  const sizes = strides.map(() => 1);
  let above = first.storage.nbytes / itemsize(first.dtype);
  for (const axis of outermostFirst(strides)) {
    const stride = strides[axis] ?? 1;
    if (above % stride !== 0) return undefined;
    sizes[axis] = above / stride;
    above = stride;
  }
  const planar = contiguousStrides(sizes);
  if (above !== 1 || strides.every((stride, axis) => stride === 0 || stride === planar[axis])) return undefined;
  const order = { strides, sizes, planar };
  return views.every((view) => inOrder(view, order) !== undefined) ? order : undefined;
}

/** Axes of which some view has several elements, the widest steps first. */
function outermostFirst(strides: readonly number[]): number[] {
  return strides
    .map((_, axis) => axis)
    .filter((axis) => strides[axis] !== 0)
    .sort((a, b) => (strides[b] ?? 0) - (strides[a] ?? 0));
}

/** The view of the same elements in the order of the axes; undefined where it reaches over the end of one. */
function inOrder(view: View, { strides, sizes, planar }: Order): View | undefined {
  let rest = view.offset;
  let offset = 0;
  for (const axis of outermostFirst(strides)) {
    const stride = strides[axis] ?? 1;
    const at = Math.floor(rest / stride);
    if (at + (view.shape[axis] ?? 1) > (sizes[axis] ?? 1)) return undefined;
    rest -= at * stride;
    offset += at * (planar[axis] ?? 0);
  }
  return { ...view, strides: [...planar], offset };
}

export function layOutPlanes(line: StraightLine): StraightLine {
  if (!line.steps.some(({ what }) => what.kind === "convolve" || what.kind === "window")) return line;
  const { writers } = flowOf(line.steps);
  const leaving = new Set(line.outputs);
  const seen = new Map<Storage, View[]>();
  for (const { what } of line.steps) {
    for (const view of [...what.operands, ...what.results]) {
      if (!writers.has(view.storage) || leaving.has(view.storage)) continue;
      const views = seen.get(view.storage);
      if (views === undefined) seen.set(view.storage, [view]);
      else views.push(view);
    }
  }
  const orders = new Map(
    [...seen].flatMap(([storage, views]) => [orderOf(views)].flatMap((order) => (order === undefined ? [] : [[storage, order] as const]))),
  );
  if (orders.size === 0) return line;
  const laid = (view: View): View => {
    const order = orders.get(view.storage);
    return order === undefined ? view : (inOrder(view, order) ?? view);
  };
  return {
    ...line,
    steps: line.steps.map((step) => ({ ...step, what: { ...step.what, operands: step.what.operands.map(laid), results: step.what.results.map(laid) } })),
  };
}
