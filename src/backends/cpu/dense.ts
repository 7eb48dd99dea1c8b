/** Reads views into plain double arrays and writes them back: what the handwritten kernels (products, windows, sorts) work on. */

import { dtypeInfo } from "../../tensor/dtype.ts";
import { isContiguous, numelOf } from "../../tensor/shape.ts";
import { forEachOffset, type View } from "../../tensor/tensor.ts";
import { codingOf, decodeTable, encoderOf } from "./element.ts";

/** The elements of a real view as doubles, row-major. int64 beyond 2^53 is rounded: use `bigsOf` where that matters. */
export function doublesOf(view: View): Float64Array {
  const n = numelOf(view.shape);
  const out = new Float64Array(n);
  const array = view.storage.array(dtypeInfo(view.dtype).carrier);
  const coding = codingOf(view.dtype);
  const table = coding === undefined ? undefined : decodeTable(coding);
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
    forEachOffset(view.shape, view.strides, view.offset, (at, i) => (out[i] = Number(array[at])));
  } else if (isContiguous(view.shape, view.strides)) {
    if (table === undefined) out.set(array.subarray(view.offset, view.offset + n));
    else for (let i = 0; i < n; i++) out[i] = table[array[view.offset + i] ?? 0] ?? NaN;
  } else if (table === undefined) forEachOffset(view.shape, view.strides, view.offset, (at, i) => (out[i] = array[at] ?? NaN));
  else forEachOffset(view.shape, view.strides, view.offset, (at, i) => (out[i] = table[array[at] ?? 0] ?? NaN));
  return out;
}

/** The elements of an integer view as bigints, row-major. */
export function bigsOf(view: View): BigInt64Array {
  const out = new BigInt64Array(numelOf(view.shape));
  const array = view.storage.array(dtypeInfo(view.dtype).carrier);
  forEachOffset(view.shape, view.strides, view.offset, (at, i) => (out[i] = BigInt(array[at] ?? 0)));
  return out;
}

/** Real and imaginary parts of a complex view, row-major. */
export function pairsOf(view: View): { readonly re: Float64Array; readonly im: Float64Array } {
  const n = numelOf(view.shape);
  const [re, im] = [new Float64Array(n), new Float64Array(n)];
  const array = view.storage.array(dtypeInfo(view.dtype).carrier);
  const coding = codingOf(view.dtype);
  const table = coding === undefined ? undefined : decodeTable(coding);
  forEachOffset(view.shape, view.strides, view.offset, (at, i) => {
    const [a, b] = [Number(array[2 * at] ?? NaN), Number(array[2 * at + 1] ?? NaN)];
    re[i] = table === undefined ? a : (table[a] ?? NaN);
    im[i] = table === undefined ? b : (table[b] ?? NaN);
  });
  return { re, im };
}

/** Writes doubles (row-major) into a view, rounding to its dtype. `im` for complex dtypes. */
export function writeDoubles(view: View, values: ArrayLike<number>, im?: ArrayLike<number>): void {
  const info = dtypeInfo(view.dtype);
  const array = view.storage.array(info.carrier);
  const coding = codingOf(view.dtype);
  const encode = coding === undefined ? undefined : encoderOf(coding);
  if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
    forEachOffset(view.shape, view.strides, view.offset, (at, i) => (array[at] = BigInt(Math.trunc(values[i] ?? 0))));
  } else if (info.lanes === 2) {
    forEachOffset(view.shape, view.strides, view.offset, (at, i) => {
      const [a, b] = [values[i] ?? 0, im?.[i] ?? 0];
      array[2 * at] = encode === undefined ? a : encode(a);
      array[2 * at + 1] = encode === undefined ? b : encode(b);
    });
  } else if (encode === undefined && values instanceof Float64Array && isContiguous(view.shape, view.strides)) {
    array.set(values, view.offset);
  } else forEachOffset(view.shape, view.strides, view.offset, (at, i) => (array[at] = encode === undefined ? (values[i] ?? 0) : encode(values[i] ?? 0)));
}

/** Writes integers (row-major) into an integer view, wrapping to its width. */
export function writeBigs(view: View, values: ArrayLike<bigint>): void {
  const array = view.storage.array(dtypeInfo(view.dtype).carrier);
  forEachOffset(view.shape, view.strides, view.offset, (at, i) => {
    const value = values[i] ?? 0n;
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[at] = value;
    else array[at] = Number(BigInt.asIntN(32, value));
  });
}
