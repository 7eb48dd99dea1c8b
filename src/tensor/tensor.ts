/** `Tensor`: a mutable record with identity over a storage. */

import { type Carrier, carrierSize, type DType, dtypeInfo, itemsize, type TypedArray } from "./dtype.ts";
import { OpwiseError } from "./error.ts";
import { contiguousStrides, isContiguous, numelOf, type Shape, type Strides } from "./shape.ts";
import { Storage } from "./storage.ts";
import { internString, stringOf } from "./strings.ts";
import { formatTensor } from "./text.ts";

/** How a quantised tensor's codes stand for numbers: `(code - zeroPoint) * scale`. */
export type Quantizer =
  | { readonly scheme: "per_tensor_affine"; readonly scale: number; readonly zeroPoint: number }
  | { readonly scheme: "per_channel_affine" | "per_channel_affine_float_qparams"; readonly scales: Tensor; readonly zeroPoints: Tensor; readonly axis: number };

/** A typed view of a storage; what calls read and write. */
export interface View {
  readonly storage: Storage;
  readonly dtype: DType;
  readonly shape: Shape;
  /** In elements, as is `offset`. */
  readonly strides: Strides;
  readonly offset: number;
}

/** Data that `Tensor.from` takes; nested arrays are not among it: give `shape`. */
export type TensorData = TypedArray | readonly number[] | readonly bigint[] | readonly boolean[] | readonly string[];

const FROM_ARRAY: Readonly<Record<string, DType>> = {
  Float32Array: "float32", Float64Array: "float64", Int8Array: "int8", Uint8Array: "uint8", Int16Array: "int16",
  Uint16Array: "uint16", Int32Array: "int32", Uint32Array: "uint32", BigInt64Array: "int64", BigUint64Array: "uint64",
};

/** A tensor. Shape, strides and storage may change in place (`unsqueeze_`, `set_`), seen through every name of it. */
export class Tensor implements View {
  storage: Storage;
  dtype: DType;
  shape: Shape;
  strides: Strides;
  offset: number;
  /** Elements are read conjugated / negated (lazy `conj()`, `imag(conj)`). */
  conj = false;
  neg = false;
  requiresGrad = false;
  /** A 0-dim tensor that promotes as the Python number it stands for (PyTorch: wrapped number). */
  wrappedNumber = false;
  quantizer: Quantizer | undefined;
  /** Of a nested tensor [N, T, E], kept padded: how many of each item's T rows are its own (float64 [N]). */
  lengths: Tensor | undefined;

  constructor(storage: Storage, dtype: DType, shape: Shape, strides: Strides = contiguousStrides(shape), offset = 0) {
    this.storage = storage;
    this.dtype = dtype;
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
  }

  /**
   * A tensor of the given elements, row-major. A typed array of the dtype's own carrier is used as it is, not copied;
   * other data is converted. `float16`, `bfloat16` and float8 take their bits.
   * @throws bad-argument where the element count is not the shape's
   */
  static from(data: TensorData, shape?: Shape, dtype?: DType): Tensor {
    const size = shape ?? [data.length];
    const first: unknown = data[0];
    const kind: DType =
      dtype ??
      (ArrayBuffer.isView(data)
        ? (FROM_ARRAY[data.constructor.name] ?? "float32")
        : typeof first === "bigint" ? "int64" : typeof first === "boolean" ? "bool" : typeof first === "string" ? "string" : "float32");
    const info = dtypeInfo(kind);
    if (numelOf(size) * info.lanes !== data.length) {
      throw new OpwiseError("bad-argument", `${data.length} elements do not fill shape [${size.join(", ")}]`, {
        wanted: `${numelOf(size) * info.lanes} elements`,
        got: `${data.length}`,
      });
    }
    if (ArrayBuffer.isView(data) && carrierOf(data) === info.carrier) {
      return new Tensor(Storage.wrap(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), false), kind, [...size]);
    }
    const out = Tensor.zeros(size, kind);
    const array = out.storage.array(info.carrier);
    for (let i = 0; i < data.length; i++) {
      const value: number | bigint | boolean | string | undefined = data[i];
      if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[i] = BigInt(value ?? 0);
      else array[i] = typeof value === "string" ? internString(value) : Number(value);
    }
    return out;
  }

  /** A contiguous tensor of zeros on the host. */
  static zeros(shape: Shape, dtype: DType = "float32"): Tensor {
    return new Tensor(Storage.allocate(numelOf(shape) * itemsize(dtype)), dtype, [...shape]);
  }

  get rank(): number {
    return this.shape.length;
  }
  get numel(): number {
    return numelOf(this.shape);
  }
  /** Bytes of its elements, gaps and overlaps apart. */
  get nbytes(): number {
    return this.numel * itemsize(this.dtype);
  }
  get isContiguous(): boolean {
    return isContiguous(this.shape, this.strides);
  }

  /**
   * The elements in row-major order as the carrier's typed array: a view where contiguous, else a copy. Complex numbers
   * are pairs; 16-bit and smaller floats are their bits.
   * @throws would-block while the data has to be waited for
   */
  get data(): TypedArray {
    const info = dtypeInfo(this.dtype);
    const array = this.storage.array(info.carrier);
    const lanes = info.lanes;
    if (this.isContiguous && !this.conj && !this.neg) {
      return array.subarray(this.offset * lanes, (this.offset + this.numel) * lanes);
    }
    // Halves are carried as their bits, whose highest is the sign.
    const isCoded = info.class !== "int" && info.carrier === "u16";
    const out = Tensor.zeros(this.shape, this.dtype);
    const to = out.storage.array(info.carrier);
    forEachOffset(this.shape, this.strides, this.offset, (from, i) => {
      for (let part = 0; part < lanes; part++) {
        const raw = array[from * lanes + part] ?? 0;
        const isNegated = this.neg !== (this.conj && part === 1);
        const value = !isNegated ? raw : isCoded ? Number(raw) ^ 0x8000 : -raw;
        if (to instanceof BigInt64Array || to instanceof BigUint64Array) to[i * lanes + part] = BigInt(value);
        else to[i * lanes + part] = Number(value);
      }
    });
    return to;
  }

  /** The texts of a string tensor, row-major. */
  strings(): string[] {
    const out: string[] = [];
    for (const id of this.data) out.push(stringOf(Number(id)));
    return out;
  }

  /** The one element as a JavaScript value (bigint for int64 beyond safe range). @throws bad-argument unless it has one element */
  item(): number | bigint | boolean {
    if (this.numel !== 1) throw new OpwiseError("bad-argument", `a Tensor with ${this.numel} elements cannot be converted to Scalar`);
    const value = this.data[0] as number | bigint;
    if (this.dtype === "bool") return value !== 0;
    return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }

  /** As PyTorch prints it. */
  toString(): string {
    return formatTensor(this);
  }
}

/** The carrier kind of a typed array. */
export function carrierOf(array: ArrayBufferView): Carrier | undefined {
  const dtype = FROM_ARRAY[array.constructor.name];
  return dtype === undefined ? undefined : dtypeInfo(dtype).carrier;
}

/** Calls `visit` with the storage offset (elements) of each element in row-major order, and its running number. */
export function forEachOffset(shape: Shape, strides: Strides, offset: number, visit: (offset: number, i: number) => void): void {
  const rank = shape.length;
  const n = numelOf(shape);
  if (n === 0) return;
  const index = new Array<number>(rank).fill(0);
  let at = offset;
  for (let i = 0; i < n; i++) {
    visit(at, i);
    for (let axis = rank - 1; axis >= 0; axis--) {
      at += strides[axis] as number;
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      at -= (index[axis] as number) * (strides[axis] as number);
      index[axis] = 0;
    }
  }
}

/** Another view of the same storage, with the same element reading. */
export function viewOf(base: Tensor, shape: Shape, strides: Strides, offset: number): Tensor {
  const out = new Tensor(base.storage, base.dtype, shape, strides, offset);
  out.conj = base.conj;
  out.neg = base.neg;
  out.quantizer = base.quantizer;
  return out;
}

/** Bytes from the start of the storage that `view` reaches: what a storage must hold. */
export function reachOf(shape: Shape, strides: Strides, offset: number, dtype: DType): number {
  let last = offset;
  for (let i = 0; i < shape.length; i++) {
    if (shape[i] === 0) return 0;
    last += ((shape[i] as number) - 1) * (strides[i] as number);
  }
  return (last + 1) * itemsize(dtype);
}

export { carrierSize };
