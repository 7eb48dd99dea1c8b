/** Single numbers of views, and where the non-finite ones are. */

import { type DType, dtypeInfo, isComplex, isFloat, type TypedArray } from "../tensor/dtype.ts";
import { decodeSmallFloat } from "../tensor/text.ts";
import { isContiguous, numelOf } from "../tensor/shape.ts";
import { forEachOffset, type View } from "../tensor/tensor.ts";

/** Offset (elements) of an index in a view. Axes that the index lacks count as 0. */
export function offsetOf(view: Pick<View, "strides" | "offset">, index: readonly number[]): number {
  return view.strides.reduce((n, stride, axis) => n + stride * (index[axis] ?? 0), view.offset);
}

/** The index of the `flat`-th element of a shape, row-major. */
export function indexOf(shape: readonly number[], flat: number): number[] {
  const out = new Array<number>(shape.length).fill(0);
  let rest = flat;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = Math.max(shape[axis] ?? 1, 1);
    out[axis] = rest % size;
    rest = Math.floor(rest / size);
  }
  return out;
}

/** The number at an offset; of complex ones the real part, or the imaginary part where only that is not finite. */
export function numberAt(dtype: DType, array: TypedArray, offset: number): number {
  const info = dtypeInfo(dtype);
  const part = (lane: number): number => {
    const raw = Number(array[offset * info.lanes + lane]);
    return info.class === "float" || info.class === "complex" ? (info.carrier === "f32" || info.carrier === "f64" ? raw : decodeSmallFloat(dtype, raw)) : raw;
  };
  const re = part(0);
  return info.lanes === 2 && Number.isFinite(re) ? (Number.isFinite(part(1)) ? re : part(1)) : re;
}

/** The number at an index of a view, whose bytes are on the host. */
export function elementAt(view: View, index: readonly number[]): number {
  return numberAt(view.dtype, view.storage.array(dtypeInfo(view.dtype).carrier), offsetOf(view, index));
}

/** A fast answer for whole blocks of plain floats: whether anything there is not finite. */
function hasNonFinite(array: Float32Array | Float64Array, from: number, to: number): boolean {
  // Of finite numbers every difference with itself is 0; the sum of such is NaN as soon as one is not.
  let sum = 0;
  for (let i = from; i < to; i++) sum += (array[i] as number) * 0; // below the length
  return sum !== 0;
}

/** Calls `visit` with the offset and the row-major number of each element that is not finite. Integers never are. */
export function forEachNonFinite(view: View, visit: (offset: number, flat: number, value: number) => void): void {
  const { dtype, shape } = view;
  if (!isFloat(dtype) && !isComplex(dtype)) return;
  const info = dtypeInfo(dtype);
  const array = view.storage.array(info.carrier);
  const n = numelOf(shape);
  if (
    isContiguous(shape, view.strides) &&
    (array instanceof Float32Array || array instanceof Float64Array) &&
    !hasNonFinite(array, view.offset * info.lanes, (view.offset + n) * info.lanes)
  )
    return;
  const isPlain = info.carrier === "f32" || info.carrier === "f64";
  const bad = isPlain ? undefined : nonFiniteCodes(dtype);
  forEachOffset(shape, view.strides, view.offset, (offset, flat) => {
    for (let lane = 0; lane < info.lanes; lane++) {
      const raw = Number(array[offset * info.lanes + lane]);
      if (bad === undefined ? Number.isFinite(raw) : bad[raw] === 0) continue;
      visit(offset, flat, isPlain ? raw : decodeSmallFloat(dtype, raw));
      return;
    }
  });
}

const codes = new Map<DType, Uint8Array>();
/** Which codes of a small float are no finite numbers. */
function nonFiniteCodes(dtype: DType): Uint8Array {
  let table = codes.get(dtype);
  if (table === undefined) {
    table = Uint8Array.from({ length: dtypeInfo(dtype).carrier === "u16" ? 65_536 : 256 }, (_, code) =>
      Number.isFinite(decodeSmallFloat(dtype, code)) ? 0 : 1,
    );
    codes.set(dtype, table);
  }
  return table;
}
