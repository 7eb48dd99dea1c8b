/** Views of flat tensors: strides factored into reshape, slice, reverse and transpose; a gather only where nothing else is left. */

import { isContiguous, numelOf } from "../../tensor/shape.ts";
import { forEachOffset, type View } from "../../tensor/tensor.ts";
import type { TensorFlow, TfTensor } from "./tensorflow.ts";

/**
 * The elements of `view` out of the storage's flat tensor of `n` elements, in the view's shape; broadcast axes (stride 0) have size 1
 * unless `expand`.
 */
export function readView(tf: TensorFlow, flat: TfTensor, n: number, view: View, expand: boolean): TfTensor {
  const shape = view.shape.map((size, i) => (view.strides[i] === 0 ? 1 : size));
  let out = readDense(tf, flat, n, shape, view.strides, view.offset);
  if (expand && view.shape.some((size, i) => size !== shape[i])) out = tf.tile(out, view.shape.map((size, i) => (size === shape[i] ? 1 : size)));
  return out;
}

function readDense(tf: TensorFlow, flat: TfTensor, n: number, shape: readonly number[], strides: readonly number[], offset: number): TfTensor {
  const count = numelOf(shape);
  if (isContiguous(shape, strides)) {
    const part = offset === 0 && count === n ? flat : tf.slice(flat, [offset], [count]);
    return tf.reshape(part, [...shape]);
  }
  return factored(tf, flat, n, shape, strides, offset) ?? gathered(tf, flat, shape, strides, offset);
}

/** Reads strides as nested rows of a parent `[p0, p1, ..., inner]`; undefined where they do not nest. */
function factored(tf: TensorFlow, flat: TfTensor, n: number, shape: readonly number[], strides: readonly number[], offset: number): TfTensor | undefined {
  const axes = shape.map((_, i) => i).filter((i) => shape[i] !== 1);
  if (axes.length === 0 || axes.some((i) => (strides[i] as number) <= 0)) return undefined;
  axes.sort((a, b) => (strides[b] as number) - (strides[a] as number));
  const parent: number[] = [];
  const begin: number[] = [];
  const size: number[] = [];
  let rest = offset;
  for (let k = 0; k < axes.length; k++) {
    const axis = axes[k] as number;
    const stride = strides[axis] as number;
    const outer = k === 0 ? undefined : (strides[axes[k - 1] as number] as number);
    if (outer !== undefined && (outer % stride !== 0 || outer === stride)) return undefined;
    const start = Math.floor(rest / stride);
    rest -= start * stride;
    const extent = outer === undefined ? start + (shape[axis] as number) : outer / stride;
    if (start + (shape[axis] as number) > extent) return undefined;
    parent.push(extent);
    begin.push(start);
    size.push(shape[axis] as number);
  }
  const inner = strides[axes[axes.length - 1] as number] as number;
  if (inner > 1) {
    parent.push(inner);
    begin.push(rest);
    size.push(1);
  } else if (rest !== 0) return undefined;
  const total = numelOf(parent);
  if (total > n) return undefined; // the last row is not whole in the storage
  const rows = total === n ? flat : tf.slice(flat, [0], [total]);
  const box = tf.reshape(rows, parent);
  const whole = begin.every((b, i) => b === 0 && size[i] === parent[i]);
  const part = whole ? box : tf.slice(box, begin, size);
  const order = axes.map((_, k) => k);
  order.sort((a, b) => (axes[a] as number) - (axes[b] as number));
  const squeezed = inner > 1 ? tf.reshape(part, size.slice(0, -1)) : part;
  const turned = order.every((o, i) => o === i) ? squeezed : tf.transpose(squeezed, order);
  return tf.reshape(turned, [...shape]);
}

function gathered(tf: TensorFlow, flat: TfTensor, shape: readonly number[], strides: readonly number[], offset: number): TfTensor {
  const at = new Int32Array(numelOf(shape));
  forEachOffset(shape, strides, offset, (from, i) => (at[i] = from));
  return tf.reshape(tf.gather(flat, tf.tensor(at, [at.length], "int32"), 0), [...shape]);
}

/** The storage's new flat tensor after `value` (in the view's shape) has been written through `view`. */
export function writeView(tf: TensorFlow, flat: TfTensor | undefined, n: number, view: View, value: TfTensor): TfTensor {
  const count = numelOf(view.shape);
  if (isContiguous(view.shape, view.strides)) {
    const part = tf.reshape(value, [count]);
    if (count === n) return part;
    if (flat === undefined) throw new TypeError("a partial write needs the old contents");
    const pieces = [part];
    if (view.offset > 0) pieces.unshift(tf.slice(flat, [0], [view.offset]));
    if (view.offset + count < n) pieces.push(tf.slice(flat, [view.offset + count], [n - view.offset - count]));
    return tf.concat(pieces, 0);
  }
  // Permuted but filling: bring the axes into memory order.
  const axes = view.shape.map((_, i) => i).sort((a, b) => (view.strides[b] as number) - (view.strides[a] as number) || a - b);
  const ordered = axes.map((a) => view.shape[a] as number);
  if (count === n && isContiguous(ordered, axes.map((a) => view.strides[a] as number))) {
    return tf.reshape(tf.transpose(value, axes), [n]);
  }
  if (flat === undefined) throw new TypeError("a partial write needs the old contents");
  const at = new Int32Array(count);
  forEachOffset(view.shape, view.strides, view.offset, (to, i) => (at[i] = to));
  return tf.tensorScatterUpdate(flat, tf.tensor(at, [count, 1], "int32"), tf.reshape(value, [count]));
}

