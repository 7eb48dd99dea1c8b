/** Views by positions in memory, for tensors of fixed sizes: what no single node of ONNX expresses. */

import { contiguousStrides, isContiguous, numelOf, sameShape } from "../tensor/shape.ts";
import { forEachOffset, Tensor } from "../tensor/tensor.ts";
import type { GraphBuilder, OnnxValue } from "./graph.ts";

/** Where elements lie: a shape with strides and an offset, in elements. */
export interface Layout {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** For each element of `view`, row-major, its row-major number among the elements of `base`. */
function positions(base: Layout, view: Layout): BigInt64Array {
  const out = new BigInt64Array(numelOf(view.shape));
  if (isContiguous(base.shape, base.strides)) {
    forEachOffset(view.shape, view.strides, view.offset, (at, i) => void (out[i] = BigInt(at - base.offset)));
    return out;
  }
  const where = new Map<number, number>();
  forEachOffset(base.shape, base.strides, base.offset, (at, i) => void where.set(at, i));
  forEachOffset(view.shape, view.strides, view.offset, (at, i) => void (out[i] = BigInt(where.get(at) ?? 0)));
  return out;
}

export function reshapeTo(g: GraphBuilder, value: OnnxValue, shape: readonly number[]): OnnxValue {
  return g.op("Reshape", [value, g.ints(shape)], shape.includes(0) ? { allowzero: 1 } : {});
}

/** The view of `base`'s value: axes moved where that is all, else elements gathered. Axes of stride 0 are expanded unless `compact`, which leaves their size 1. */
export function readView(g: GraphBuilder, value: OnnxValue, base: Layout, view: Layout, compact = false): OnnxValue {
  const shape = view.shape.map((size, i) => (view.strides[i] === 0 && size > 1 ? 1 : size));
  const expand = (v: OnnxValue): OnnxValue => (compact || sameShape(shape, view.shape) ? v : g.op("Expand", [v, g.ints(view.shape)]));
  if (numelOf(view.shape) === 0) return g.constant(Tensor.zeros(view.shape, value.dtype));
  const strides = view.strides.map((s, i) => (shape[i] === 1 ? 0 : s));
  if (base.offset === view.offset && sameShape(base.shape, shape) && base.strides.every((s, i) => shape[i] === 1 || s === strides[i])) return expand(value);
  // The same elements with axes in another order: match them by stride.
  const big = base.shape.map((_, i) => i).filter((i) => base.shape[i] !== 1);
  const own = shape.map((_, i) => i).filter((i) => shape[i] !== 1);
  const order = own.map((i) => big.find((b) => base.strides[b] === strides[i] && base.shape[b] === shape[i]));
  if (base.offset === view.offset && big.length === own.length && order.every((b, i) => b !== undefined && order.indexOf(b) === i)) {
    const ones = base.shape.map((_, i) => i).filter((i) => base.shape[i] === 1);
    const perm = [...order.map((b) => b ?? 0), ...ones];
    const moved = perm.every((p, i) => p === i) ? value : g.op("Transpose", [value], { perm });
    return expand(reshapeTo(g, moved, shape));
  }
  const compactStrides = contiguousStrides(shape);
  if (
    base.offset === view.offset &&
    isContiguous(base.shape, base.strides) &&
    numelOf(base.shape) === numelOf(shape) &&
    strides.every((s, i) => shape[i] === 1 || s === compactStrides[i])
  ) {
    return expand(reshapeTo(g, value, shape));
  }
  const at = positions(base, { shape, strides, offset: view.offset });
  const flat = reshapeTo(g, value, [-1]);
  return expand(g.op("Gather", [flat, g.constant(Tensor.from(at, shape))], { axis: 0 }));
}

/** `base`'s value after `update`, of the view's shape, was written through the view. */
export function writeView(g: GraphBuilder, value: OnnxValue, base: Layout, view: Layout, update: OnnxValue): OnnxValue {
  if (numelOf(view.shape) === 0) return value;
  if (base.offset === view.offset && sameShape(base.shape, view.shape) && sameShape(base.strides, view.strides)) return update;
  const at = positions(base, view);
  const flat = reshapeTo(g, value, [-1]);
  const written = g.op("ScatterElements", [flat, g.constant(Tensor.from(at, [at.length])), reshapeTo(g, update, [-1])], { axis: 0 });
  return reshapeTo(g, written, base.shape);
}
