/** Tensors as numbers in row-major order, and back: what every judgement looks at. */

import { codec } from "../../numeric/codec.ts";
import { dtypeInfo, type TypedArray } from "../../tensor/dtype.ts";
import { forEachOffset, type Tensor } from "../../tensor/tensor.ts";

/** The elements as numbers, complex ones as pairs; 64-bit integers lose what a double has no room for. Float32 data is not copied where it lies row-major. */
export function numbersOf(tensor: Tensor): Float64Array | Float32Array {
  const { data } = tensor;
  const table = codec(tensor.dtype)?.table;
  if (table === undefined && (data instanceof Float32Array || data instanceof Float64Array)) return data;
  const out = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) out[i] = table === undefined ? Number(data[i]) : (table[Number(data[i])] ?? NaN);
  return out;
}

/** Writes numbers (pairs for complex dtypes) into a tensor on the host, through its strides. */
export function writeNumbers(target: Tensor, numbers: ArrayLike<number>): void {
  const { carrier, lanes } = dtypeInfo(target.dtype);
  const array: TypedArray = target.storage.array(carrier);
  const encode = codec(target.dtype)?.encode;
  const put = (at: number, value: number): void => {
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[at] = BigInt(Math.trunc(value));
    else array[at] = encode === undefined ? value : encode(value);
  };
  if (target.isContiguous && !target.conj && !target.neg) {
    for (let i = 0; i < numbers.length; i++) put(target.offset * lanes + i, numbers[i] ?? 0);
    return;
  }
  forEachOffset(target.shape, target.strides, target.offset, (at, i) => {
    for (let part = 0; part < lanes; part++) {
      const isNegated = target.neg !== (target.conj && part === 1);
      const value = numbers[i * lanes + part] ?? 0;
      put(at * lanes + part, isNegated ? -value : value);
    }
  });
}

/** Whether two tensors have the same dtype, shape and bits, element by element. */
export function sameBits(a: Tensor, b: Tensor): boolean {
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length || a.shape.some((n, i) => n !== b.shape[i])) return false;
  if (a.storage === b.storage && a.offset === b.offset && a.strides.every((n, i) => n === b.strides[i]) && a.conj === b.conj && a.neg === b.neg) return true;
  const [x, y] = [bytesOf(a), bytesOf(b)];
  const whole = x.byteLength >> 2;
  if (x.byteOffset % 4 === 0 && y.byteOffset % 4 === 0) {
    const [u, v] = [new Uint32Array(x.buffer, x.byteOffset, whole), new Uint32Array(y.buffer, y.byteOffset, whole)];
    for (let i = 0; i < whole; i++) if (u[i] !== v[i]) return false;
    for (let i = whole * 4; i < x.byteLength; i++) if (x[i] !== y[i]) return false;
    return true;
  }
  for (let i = 0; i < x.byteLength; i++) if (x[i] !== y[i]) return false;
  return true;
}

function bytesOf(t: Tensor): Uint8Array {
  const { data } = t;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The index of a row-major position. */
export function indexOf(position: number, shape: readonly number[]): number[] {
  const out = new Array<number>(shape.length).fill(0);
  let left = position;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const size = shape[axis] ?? 1;
    out[axis] = left % size;
    left = Math.floor(left / size);
  }
  return out;
}
