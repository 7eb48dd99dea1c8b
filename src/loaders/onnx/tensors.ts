/** Tensors of an ONNX file as templates: raw bytes stay ranges of the file, external data ranges of the file beside it. */

import { type TensorContent, tensorContent } from "../../bytes/onnx-tensor.ts";
import { packedBits } from "../../bytes/packed-bits.ts";
import type { TensorProto } from "../../bytes/onnx-proto.ts";
import type { Limits } from "../../bytes/limits.ts";
import { decodeText } from "../../bytes/protobuf.ts";
import { bytesSource, checkSiblingPath, subSource } from "../../bytes/source.ts";
import type { StorageTemplate, TensorTemplate } from "../../ir/template.ts";
import { type DType, itemsize } from "../../tensor/dtype.ts";
import { OpwiseError, isOpwiseError } from "../../tensor/error.ts";
import { contiguousStrides } from "../../tensor/shape.ts";
import type { Range, Source } from "../../tensor/source.ts";

/** Bytes of a tensor that is looked into while a model loads. */
const SMALL = 512;
const EMPTY = new Uint8Array(0);

/** Reads tensors of one file, whose bytes are at hand while it loads. External files are opened once each, before the graph is lowered. */
export class TensorReader {
  readonly #source: Source;
  readonly #bytes: Uint8Array;
  readonly #limits: Limits;
  readonly #siblings = new Map<string, Source>();
  readonly #templates = new WeakMap<TensorProto, TensorTemplate>();
  /** Bytes of small tensors, which may say shapes. */
  readonly #small = new WeakMap<StorageTemplate, Uint8Array>();

  constructor(source: Source, bytes: Uint8Array, limits: Limits) {
    this.#source = source;
    this.#bytes = bytes;
    this.#limits = limits;
  }

  /** Opens the external file of a tensor, if it has one. @throws unsafe-path, missing-file, io-error */
  async open(tensor: TensorProto): Promise<void> {
    const path = tensor.external?.get("location");
    if (path === undefined || path === "") return;
    try {
      checkSiblingPath(path, this.#source.name);
      if (this.#siblings.has(path)) return;
      if (this.#source.sibling === undefined) {
        throw new OpwiseError("missing-file", `the data of \`${tensor.name}\` lies in \`${path}\`, and the model was given as bytes without a folder`, {
          hint: "pass that file as a sibling",
        });
      }
      this.#siblings.set(path, await this.#source.sibling(path));
    } catch (error) {
      throw isOpwiseError(error) ? error.at({ file: this.#source.name, node: tensor.name }) : error;
    }
  }

  /** The template of a tensor, one for each: whoever names it shares its bytes. @throws bad-tensor, unsupported-dtype, limit-exceeded */
  template(tensor: TensorProto): TensorTemplate {
    const known = this.#templates.get(tensor);
    if (known !== undefined) return known;
    const made = this.#template(tensor);
    this.#templates.set(tensor, made);
    return made;
  }

  #template(tensor: TensorProto): TensorTemplate {
    try {
      const content = tensorContent(tensor, this.#bytes, this.#limits);
      const { dtype, shape } = content;
      const storage = this.#storage(content, tensor.name);
      if (content.kind === "range" && content.range.length <= SMALL) this.#small.set(storage, this.#bytes.subarray(content.range.offset, content.range.offset + content.range.length));
      else if (content.kind === "bytes" && content.bytes.length <= SMALL) this.#small.set(storage, content.bytes);
      return { storage, dtype, shape, strides: contiguousStrides(shape), offset: 0, requiresGrad: false };
    } catch (error) {
      throw isOpwiseError(error) ? error.at({ file: this.#source.name, node: tensor.name === "" ? undefined : tensor.name }) : error;
    }
  }

  /** The elements of a small tensor of int64, int32 or float32 of rank 0 or 1; undefined for any other. */
  elements(tensor: TensorTemplate): readonly number[] | undefined {
    const { dtype, shape, storage } = tensor;
    if ((dtype !== "int64" && dtype !== "int32" && dtype !== "float32") || shape.length > 1 || storage.nbytes > SMALL) return undefined;
    const bytes = this.#small.get(storage) ?? storage.source.readSync?.({ offset: 0, length: storage.nbytes });
    if (bytes === undefined) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = itemsize(dtype);
    return Array.from({ length: bytes.length / size }, (_, i) => (dtype === "int64" ? Number(view.getBigInt64(i * 8, true)) : dtype === "int32" ? view.getInt32(i * 4, true) : view.getFloat32(i * 4, true)));
  }

  /** The source and range of a tensor's bytes as they lie in a file; undefined for lists of elements and texts. @throws as `template` */
  place(tensor: TensorProto): { readonly source: Source; readonly range: Range } | undefined {
    const content = tensorContent(tensor, this.#bytes, this.#limits);
    if (content.kind === "range") return { source: this.#source, range: content.range };
    if (content.kind !== "external") return undefined;
    const { location, offset, length } = content;
    return { source: this.#sibling(location, tensor.name, offset + length), range: { offset, length } };
  }

  /** An opened file that has `end` bytes at least. @throws bad-tensor */
  #sibling(location: string, name: string, end: number): Source {
    const sibling = this.#siblings.get(location);
    if (sibling === undefined) throw new OpwiseError("internal", `\`${location}\` was not opened`);
    if (end > sibling.size) throw new OpwiseError("bad-tensor", `the data of \`${name}\` does not fit \`${location}\``, { wanted: `bytes up to ${end}`, got: `a file of ${sibling.size} bytes` });
    return sibling;
  }

  #storage(content: TensorContent, name: string): StorageTemplate {
    const nbytes = content.numel * itemsize(content.dtype);
    switch (content.kind) {
      case "range":
        return { source: subSource(this.#source, content.range, name), nbytes, device: "cpu" };
      case "bytes":
        return { source: bytesSource(content.bytes, name), nbytes, device: "cpu" };
      case "strings":
        return { source: bytesSource(EMPTY, name), nbytes, device: "cpu", strings: content.strings.map((text) => decodeText(text, 0, text.length)) };
      case "external": {
        const { location, offset, length } = content;
        const sibling = this.#sibling(location, name, offset + length);
        const bits = packedBits(content.dtype);
        return {
          source: subSource(sibling, { offset, length }, name),
          nbytes: length,
          device: "cpu",
          ...(bits === 2 || bits === 4 ? { packedBits: bits } : {}),
        };
      }
      default:
        return content satisfies never;
    }
  }
}

/** A tensor made here: a constant of a few elements. */
export function smallTensor(dtype: DType, shape: readonly number[], values: readonly (number | bigint)[]): TensorTemplate {
  const size = itemsize(dtype);
  const bytes = new Uint8Array(values.length * size);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    if (dtype === "float32") view.setFloat32(i * 4, Number(value), true);
    else if (dtype === "int64") view.setBigInt64(i * 8, BigInt(value), true);
    else if (size === 1) view.setUint8(i, Number(value));
    else throw new OpwiseError("internal", `constants of ${dtype} are not made here`);
  });
  return {
    storage: { source: bytesSource(bytes, "constant"), nbytes: bytes.length, device: "cpu" },
    dtype,
    shape,
    strides: contiguousStrides(shape),
    offset: 0,
    requiresGrad: false,
  };
}

/** A string tensor made here. */
export function stringTensor(shape: readonly number[], strings: readonly string[]): TensorTemplate {
  return {
    storage: { source: bytesSource(EMPTY, "constant"), nbytes: strings.length * itemsize("string"), device: "cpu", strings },
    dtype: "string",
    shape,
    strides: contiguousStrides(shape),
    offset: 0,
    requiresGrad: false,
  };
}

/** A tensor without elements: one of the sizes of `shape` is 0. */
export function emptyTensor(dtype: DType, shape: readonly number[]): TensorTemplate {
  if (dtype === "string") return stringTensor(shape, []);
  return {
    storage: { source: bytesSource(EMPTY, "empty"), nbytes: 0, device: "cpu" },
    dtype,
    shape,
    strides: contiguousStrides(shape),
    offset: 0,
    requiresGrad: false,
  };
}
