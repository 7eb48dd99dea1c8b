/** NumPy's files as tensors, and tensors as NumPy's files. */

import { type NpyArray, readNpy as readArray, writeNpy as writeArray } from "./bytes/npy.ts";
import { readNpz as readArrays, writeNpz as writeArrays } from "./bytes/npz.ts";
import { openSource, type SourceLike } from "./bytes/source.ts";
import { Storage } from "./tensor/storage.ts";
import { Tensor } from "./tensor/tensor.ts";

function tensorOf(array: NpyArray): Tensor {
  if (array.strings !== undefined) return Tensor.from(array.strings, array.shape, "string");
  return new Tensor(Storage.wrap(new Uint8Array(array.data), false), array.dtype, [...array.shape]); // a copy: in the file elements may lie unaligned
}

function arrayOf(tensor: Tensor): NpyArray {
  const { dtype, shape } = tensor;
  if (dtype === "string") return { dtype, shape, data: new Uint8Array(0), strings: tensor.strings() };
  const { data } = tensor;
  return { dtype, shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** The tensor in a .npy file's bytes. @throws bad-npy, truncated, unsupported-dtype */
export function readNpy(bytes: Uint8Array, options: { readonly name?: string } = {}): Tensor {
  return tensorOf(readArray(bytes, options));
}

/** The bytes of a .npy file of the tensor, row-major. bfloat16 is written as `V2`, 8-bit floats as `V1`. @throws unsupported-dtype */
export function writeNpy(tensor: Tensor): Uint8Array {
  return writeArray(arrayOf(tensor));
}

/** The tensors of a .npz file (a path, URL, Blob or bytes) by name. @throws bad-zip, bad-npy, truncated, unsupported-dtype, limit-exceeded */
export async function readNpz(what: SourceLike): Promise<Map<string, Tensor>> {
  const arrays = await readArrays(await openSource(what));
  return new Map([...arrays].map(([name, array]) => [name, tensorOf(array)]));
}

/** The bytes of a .npz file of the tensors. @throws unsupported-dtype */
export function writeNpz(tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>): Uint8Array {
  const entries: Iterable<readonly [string, Tensor]> = tensors instanceof Map ? (tensors as ReadonlyMap<string, Tensor>) : Object.entries(tensors);
  return writeArrays(new Map([...entries].map(([name, tensor]) => [name, arrayOf(tensor)])));
}
