/** A storage's copy in TensorFlow.js: one flat tensor of the storage's elements. */

import type { DType } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Buffer } from "../../tensor/storage.ts";
import type { TensorFlow, TfTensor } from "./tensorflow.ts";

/** The dtypes whose every value an engine holds exactly. */
const NATIVE: Partial<Record<DType, "float32" | "int32" | "bool">> = { float32: "float32", int32: "int32", bool: "bool" };

export function nativeDtype(dtype: DType): "float32" | "int32" | "bool" | undefined {
  return NATIVE[dtype];
}

export class TfBuffer {
  /** `[numel]`. Replaced by writes; never written in place. */
  readonly flat: TfTensor;
  readonly dtype: DType;
  /** Other forms of the same elements (a convolution's `[H, W, I, O]` weights), made once. */
  readonly packed: Map<string, TfTensor> = new Map();

  constructor(flat: TfTensor, dtype: DType) {
    this.flat = flat;
    this.dtype = dtype;
  }
}

/** The buffer behind an opaque handle. @throws internal for a foreign one */
export function tfBuffer(buffer: Buffer | undefined): TfBuffer {
  if (buffer instanceof TfBuffer) return buffer;
  throw new OpwiseError("internal", "an operand is not on this TensorFlow.js engine");
}

/** Host bytes as a flat tensor. */
export function uploadFlat(tf: TensorFlow, bytes: Uint8Array, dtype: DType): TfTensor {
  const native = nativeDtype(dtype);
  if (native === undefined) throw new OpwiseError("internal", `\`${dtype}\` has no TensorFlow.js form`);
  if (native === "bool") return tf.tensor(new Uint8Array(bytes), [bytes.byteLength], "bool");
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  const n = Math.floor(bytes.byteLength / 4);
  const values = native === "float32" ? new Float32Array(aligned.buffer, aligned.byteOffset, n) : new Int32Array(aligned.buffer, aligned.byteOffset, n);
  // The engine may keep the array it is given: it gets its own.
  return tf.tensor(values.slice(), [n], native);
}

/** An engine's values as host bytes. */
export function hostBytes(values: ArrayLike<number> & ArrayBufferView, dtype: DType, nbytes: number): Uint8Array {
  const out = new Uint8Array(nbytes);
  if (dtype === "bool") for (let i = 0; i < nbytes; i++) out[i] = values[i] === 0 ? 0 : 1;
  else if (dtype === "int32") new Int32Array(out.buffer).set(Array.prototype.slice.call(values, 0, nbytes / 4));
  // tfjs-cpu casts int32 to float32 by another name for the same Int32Array.
  else if (dtype === "float32" && !(values instanceof Float32Array)) new Float32Array(out.buffer).set(Array.prototype.slice.call(values, 0, nbytes / 4));
  else out.set(new Uint8Array(values.buffer, values.byteOffset, Math.min(nbytes, values.byteLength)));
  return out;
}
