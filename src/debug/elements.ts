/** The numbers behind a tensor's view: which elements of a storage it is, as one block where it is dense. */

import { type DType, dtypeInfo, itemsize } from "../tensor/dtype.ts";
import type { View } from "../tensor/tensor.ts";
import { numelOf } from "../tensor/shape.ts";

/** A run of elements in memory: what a dense view covers, in whatever order its axes go through it. */
export interface Block {
  /** In elements. */
  readonly offset: number;
  readonly length: number;
  /** How often each element occurs in the view (broadcast axes). */
  readonly repeats: number;
}

/** The block of memory that the view covers without gaps, broadcast axes apart; undefined where it has gaps or overlaps. */
export function blockOf(view: Pick<View, "shape" | "strides" | "offset">): Block | undefined {
  let repeats = 1;
  const axes: [number, number][] = [];
  for (let i = 0; i < view.shape.length; i++) {
    const [size, stride] = [view.shape[i] ?? 1, view.strides[i] ?? 0];
    if (size === 0) return { offset: view.offset, length: 0, repeats: 1 };
    if (size === 1) continue;
    if (stride === 0) repeats *= size;
    else axes.push([size, stride]);
  }
  axes.sort((a, b) => a[1] - b[1]);
  let length = 1;
  for (const [size, stride] of axes) {
    if (stride !== length) return undefined;
    length *= size;
  }
  return { offset: view.offset, length, repeats };
}

/** The axes of a view without the broadcast ones, and how often each element occurs. */
export function withoutBroadcast(view: Pick<View, "shape" | "strides" | "offset">): {
  readonly shape: number[];
  readonly strides: number[];
  readonly offset: number;
  readonly repeats: number;
} {
  const shape: number[] = [];
  const strides: number[] = [];
  let repeats = 1;
  view.shape.forEach((size, i) => {
    const stride = view.strides[i] ?? 0;
    if (stride === 0 && size > 1) repeats *= size;
    else {
      shape.push(size);
      strides.push(stride);
    }
  });
  return { shape, strides, offset: view.offset, repeats };
}

/** The elements of a view, gathered row-major without its broadcast axes, as bytes; a view of `bytes` (the storage's) where they are one block. */
export function elementBytes(
  view: Pick<View, "shape" | "strides" | "offset" | "dtype">,
  bytes: Uint8Array,
): { readonly bytes: Uint8Array; readonly repeats: number } {
  const size = itemsize(view.dtype);
  const block = blockOf(view);
  if (block !== undefined) return { bytes: bytes.subarray(block.offset * size, (block.offset + block.length) * size), repeats: block.repeats };
  const { shape, strides, offset, repeats } = withoutBroadcast(view);
  return { bytes: gather(shape, strides, offset, size, bytes), repeats };
}

function gather(shape: readonly number[], strides: readonly number[], offset: number, size: number, bytes: Uint8Array): Uint8Array {
  const n = numelOf(shape);
  const out = new Uint8Array(n * size);
  const rank = shape.length;
  const index = new Array<number>(rank).fill(0);
  // Rows that lie together are copied at once.
  const inner = rank > 0 && strides[rank - 1] === 1 ? (shape[rank - 1] ?? 1) : 1;
  const outer = inner > 1 ? rank - 1 : rank;
  let at = offset;
  for (let to = 0; to < n; to += inner) {
    out.set(bytes.subarray(at * size, (at + inner) * size), to * size);
    for (let axis = outer - 1; axis >= 0; axis--) {
      const next = (index[axis] ?? 0) + 1;
      at += strides[axis] ?? 0;
      if (next < (shape[axis] ?? 0)) {
        index[axis] = next;
        break;
      }
      at -= next * (strides[axis] ?? 0);
      index[axis] = 0;
    }
  }
  return out;
}

/** Bytes as the dtype's own typed array, copied only where they lie unaligned. */
export function typed<A>(bytes: Uint8Array, make: { new (buffer: ArrayBufferLike, offset: number, length: number): A; readonly BYTES_PER_ELEMENT: number }): A {
  const width = make.BYTES_PER_ELEMENT;
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return new make(aligned.buffer, aligned.byteOffset, Math.floor(aligned.byteLength / width));
}

/** Short names of dtypes in one-line forms. */
export function shortDtype(dtype: string): string {
  return SHORT[dtype] ?? dtype;
}

const SHORT: Readonly<Record<string, string>> = {
  float32: "f32",
  float64: "f64",
  float16: "f16",
  bfloat16: "bf16",
  int8: "i8",
  int16: "i16",
  int32: "i32",
  int64: "i64",
  uint8: "u8",
  uint16: "u16",
  uint32: "u32",
  uint64: "u64",
  bool: "bool",
  complex64: "c64",
  complex128: "c128",
  complex32: "c32",
  float8_e5m2: "f8e5m2",
  float8_e4m3fn: "f8e4m3",
};
const LONG: Readonly<Record<string, string>> = Object.fromEntries(Object.entries(SHORT).map(([long, short]) => [short, long]));

/** The dtype of a short or long name; undefined for neither. */
export function longDtype(name: string): DType | undefined {
  const long = LONG[name] ?? name;
  return (dtypeInfo(long as DType) as unknown) === undefined ? undefined : (long as DType); // a key of the table, or the lookup fails
}
