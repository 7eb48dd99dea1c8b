/** Brings a call's views into the form that kernels take: coalesced axes, carrier strides and offsets, typed arrays. */

import { dtypeInfo, type TypedArray } from "../../tensor/dtype.ts";
import type { View } from "../../tensor/tensor.ts";
import { type KernelArguments, wantsHalves } from "./print.ts";

export function arraysOf(views: readonly View[]): TypedArray[] {
  return views.map((v) => v.storage.array(dtypeInfo(v.dtype).carrier));
}
export function halvesOf(views: readonly View[]): (Int32Array | undefined)[] {
  return views.map((v) => {
    if (!wantsHalves(v.dtype)) return undefined;
    const array = v.storage.array("i32");
    return array instanceof Int32Array ? array : undefined;
  });
}
export function offsetsOf(views: readonly View[]): number[] {
  return views.map((v) => v.offset * dtypeInfo(v.dtype).lanes);
}
/** Strides in carrier elements. */
export function stridesOf(views: readonly View[]): (readonly number[])[] {
  return views.map((v) => (dtypeInfo(v.dtype).lanes === 1 ? v.strides : v.strides.map((s) => s * 2)));
}

/**
 * Merges neighbouring axes of equal-shaped views that all step through alike, and drops axes of size 1; at least one axis stays.
 * Returns the merged shape and strides per view (elements).
 */
export function coalesce(shape: readonly number[], strides: readonly (readonly number[])[]): { shape: number[]; strides: number[][] } {
  const outShape: number[] = [];
  const outStrides: number[][] = strides.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const size = shape[axis] as number;
    if (size === 1) continue;
    const last = outShape.length - 1;
    let merges = last >= 0;
    for (let k = 0; merges && k < strides.length; k++) {
      if ((outStrides[k]?.[last] ?? 0) !== ((strides[k] as readonly number[])[axis] as number) * size) merges = false;
    }
    if (merges) {
      outShape[last] = (outShape[last] as number) * size;
      for (let k = 0; k < strides.length; k++) (outStrides[k] as number[])[last] = (strides[k] as readonly number[])[axis] as number;
    } else {
      outShape.push(size);
      for (let k = 0; k < strides.length; k++) (outStrides[k] as number[]).push((strides[k] as readonly number[])[axis] as number);
    }
  }
  if (outShape.length === 0) {
    outShape.push(1);
    for (const s of outStrides) s.push(0);
  }
  return { shape: outShape, strides: outStrides };
}

/** Axes in the order of decreasing stride of `first` (the written view), so that the inner loop is the dense one. */
export function permuteLike(shape: readonly number[], strides: readonly (readonly number[])[], lead: number): { shape: number[]; strides: number[][] } {
  const key = strides[lead] ?? [];
  const axes = shape.map((_, i) => i);
  let sorted = true;
  for (let i = 1; i < axes.length; i++) if ((shape[i] as number) > 1 && Math.abs(key[i] as number) > Math.abs(key[i - 1] as number)) sorted = false;
  if (sorted) return { shape: [...shape], strides: strides.map((s) => [...s]) };
  axes.sort((a, b) => Math.abs(key[b] as number) - Math.abs(key[a] as number) || a - b);
  return { shape: axes.map((a) => shape[a] as number), strides: strides.map((s) => axes.map((a) => s[a] as number)) };
}

export function kernelArguments(views: readonly View[], shape: readonly number[], strides: readonly (readonly number[])[], scalars: KernelArguments["scalars"]): KernelArguments {
  return { arrays: arraysOf(views), halves: halvesOf(views), offsets: offsetsOf(views), strides, shape, scalars };
}
