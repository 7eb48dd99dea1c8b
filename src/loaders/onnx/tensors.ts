/** Tensors of an ONNX file as templates: raw bytes stay ranges of the file, external data ranges of the file beside it. */

import type { TensorField, TensorProto } from "../../bytes/onnx-proto.ts";
import type { Limits } from "../../bytes/limits.ts";
import { decodeText } from "../../bytes/protobuf.ts";
import { bytesSource, checkSiblingPath, subSource } from "../../bytes/source.ts";
import type { StorageTemplate, TensorTemplate } from "../../ir/template.ts";
import { type DType, itemsize } from "../../tensor/dtype.ts";
import { OpwiseError, isOpwiseError } from "../../tensor/error.ts";
import { contiguousStrides } from "../../tensor/shape.ts";
import type { Range, Source } from "../../tensor/source.ts";
import { elementType } from "./types.ts";

const EMPTY = new Uint8Array(0);

/** Bits of an element in the file. */
export function fileBits(dtype: DType): number {
  switch (dtype) {
    case "uint2":
    case "int2": return 2;
    case "uint4":
    case "int4":
    case "float4_e2m1": return 4;
    default: return itemsize(dtype) * 8;
  }
}

/** Reads tensors of one file, whose bytes are at hand while it loads. External files are opened once each, before the graph is lowered. */
export class TensorReader {
  readonly #source: Source;
  readonly #bytes: Uint8Array;
  readonly #limits: Limits;
  readonly #siblings = new Map<string, Source>();

  constructor(source: Source, bytes: Uint8Array, limits: Limits) {
    this.#source = source;
    this.#bytes = bytes;
    this.#limits = limits;
  }

  /** Opens the external file of a tensor, if it has one. @throws unsafe-path, missing-file, io-error */
  async open(tensor: TensorProto): Promise<void> {
    if (tensor.external === undefined) return;
    const path = location(tensor, tensor.external);
    const where = { file: this.#source.name, node: tensor.name };
    try {
      checkSiblingPath(path, this.#source.name);
      if (this.#siblings.has(path)) return;
      if (this.#source.sibling === undefined) {
        throw new OpwiseError("missing-file", `the data of \`${tensor.name}\` lies in \`${path}\`, and the model was given as bytes without a folder`, { hint: "pass that file as a sibling" });
      }
      this.#siblings.set(path, await this.#source.sibling(path));
    } catch (error) {
      throw isOpwiseError(error) ? error.at(where) : error;
    }
  }

  /** The template of a tensor. @throws bad-tensor, unsupported-dtype, limit-exceeded */
  template(tensor: TensorProto): TensorTemplate {
    try {
      if (tensor.segmented) throw new OpwiseError("bad-tensor", "the tensor is stored in segments");
      const dtype = elementType(tensor.dataType);
      const shape = tensor.dims.map((dim) => {
        if (typeof dim === "bigint" || dim < 0) throw new OpwiseError("bad-tensor", `the tensor has a dim of ${dim}`, { got: `[${tensor.dims.join(", ")}]` });
        return dim;
      });
      const numel = this.#numel(shape, dtype);
      return { storage: this.#storage(tensor, dtype, numel), dtype, shape, strides: contiguousStrides(shape), offset: 0, requiresGrad: false };
    } catch (error) {
      throw isOpwiseError(error) ? error.at({ file: this.#source.name, node: tensor.name === "" ? undefined : tensor.name }) : error;
    }
  }

  #numel(shape: readonly number[], dtype: DType): number {
    const numel = shape.includes(0) ? 0 : shape.reduce((n, dim) => n * dim, 1);
    const nbytes = (numel * fileBits(dtype)) / 8;
    if (!Number.isSafeInteger(numel) || nbytes > this.#limits.maxTensorBytes) {
      throw new OpwiseError("limit-exceeded", "the tensor claims more bytes than a tensor may have", {
        wanted: `at most ${this.#limits.maxTensorBytes} bytes`, got: `[${shape.join(", ")}] of ${dtype}`, hint: "raise `maxTensorBytes`",
      });
    }
    return numel;
  }

  #storage(tensor: TensorProto, dtype: DType, numel: number): StorageTemplate {
    const bits = fileBits(dtype);
    const nbytes = Math.ceil((numel * bits) / 8);
    const rest: { nbytes: number; device: string; packedBits?: 2 | 4 } = { nbytes, device: "cpu", ...(bits === 2 || bits === 4 ? { packedBits: bits } : {}) };
    const misfit = (wanted: string, got: string): OpwiseError => new OpwiseError("bad-tensor", "the tensor's data does not fit its dims", { wanted: `${wanted} for [${tensor.dims.join(", ")}] of ${dtype}`, got });
    const raw = tensor.data.get("raw")?.[0];
    if (dtype === "string") {
      if (tensor.external !== undefined || raw !== undefined) throw new OpwiseError("bad-tensor", "strings are stored as raw or external data", { wanted: "string_data" });
      const parts = tensor.data.get("string") ?? [];
      if (parts.length !== numel) throw misfit(`${numel} strings`, String(parts.length));
      const strings = parts.map((part) => decodeText(this.#bytes, part.offset, part.length));
      return { source: bytesSource(EMPTY, tensor.name), nbytes: numel * itemsize(dtype), device: "cpu", strings };
    }
    if (tensor.external !== undefined) return { source: this.#external(tensor, tensor.external, nbytes), ...rest };
    if (raw !== undefined) {
      if (raw.length !== nbytes) throw misfit(`${nbytes} bytes`, `${raw.length} bytes`);
      return { source: subSource(this.#source, raw, tensor.name), ...rest };
    }
    const [field, step] = typedField(dtype);
    const parts = tensor.data.get(field) ?? [];
    if (field === "float" || field === "double") {
      const got = parts.reduce((n, part) => n + part.length, 0);
      if (got !== nbytes) throw misfit(`${nbytes / step} values in ${field}_data`, String(got / step));
      const [only] = parts;
      // A packed list has the bytes of raw data.
      if (only !== undefined && parts.length === 1) return { source: subSource(this.#source, only, tensor.name), ...rest };
      const bytes = new Uint8Array(nbytes);
      let at = 0;
      for (const part of parts) {
        bytes.set(this.#bytes.subarray(part.offset, part.offset + part.length), at);
        at += part.length;
      }
      return { source: bytesSource(bytes, tensor.name), ...rest };
    }
    // No varint is shorter than a byte: a list too short is known before anything is allocated.
    const most = parts.reduce((n, part) => n + part.length, 0);
    if (most * step < nbytes) throw misfit(`${nbytes / step} values in ${field}_data`, `at most ${most}`);
    const bytes = new Uint8Array(nbytes);
    const count = readVarints(this.#bytes, parts, bytes, step, dtype === "bool");
    if (count * step !== nbytes) throw misfit(`${nbytes / step} values in ${field}_data`, String(count));
    return { source: bytesSource(bytes, tensor.name), ...rest };
  }

  #external(tensor: TensorProto, entries: ReadonlyMap<string, string>, nbytes: number): Source {
    const path = location(tensor, entries);
    const sibling = this.#siblings.get(path);
    if (sibling === undefined) throw new OpwiseError("internal", `\`${path}\` was not opened`);
    const number = (key: string, otherwise: number): number => {
      const text = entries.get(key);
      if (text === undefined || text === "") return otherwise;
      if (!/^\d{1,15}$/.test(text)) throw new OpwiseError("bad-tensor", `the external data's ${key} is not a size`, { got: text });
      return Number(text);
    };
    const offset = number("offset", 0);
    const length = number("length", nbytes);
    if (length !== nbytes || offset + length > sibling.size) {
      throw new OpwiseError("bad-tensor", `the tensor's data does not fit \`${path}\``, {
        wanted: `${nbytes} bytes for [${tensor.dims.join(", ")}]`, got: `bytes ${offset} to ${offset + length} of a file of ${sibling.size} bytes`,
      });
    }
    return subSource(sibling, { offset, length }, tensor.name);
  }
}

function location(tensor: TensorProto, entries: ReadonlyMap<string, string>): string {
  const path = entries.get("location");
  if (path === undefined || path === "") throw new OpwiseError("bad-tensor", "the tensor's data is external and has no location", { where: { node: tensor.name } });
  return path;
}

/** Which list holds the elements of a dtype, and how many bytes one of its values stands for. */
function typedField(dtype: DType): readonly [TensorField, number] {
  switch (dtype) {
    case "float32":
    case "complex64": return ["float", 4];
    case "float64":
    case "complex128": return ["double", 8];
    case "int64": return ["int64", 8];
    case "uint64": return ["uint64", 8];
    case "uint32": return ["uint64", 4];
    // Sub-byte elements come packed, a byte in each int32.
    default: return ["int32", fileBits(dtype) < 8 ? 1 : itemsize(dtype)];
  }
}

/** Decodes varints into little-endian values of `step` bytes, as many as fit; gives how many there are. */
function readVarints(from: Uint8Array, parts: readonly Range[], to: Uint8Array, step: number, asBool: boolean): number {
  const view = new DataView(to.buffer, to.byteOffset, to.byteLength);
  let count = 0;
  for (const part of parts) {
    let at = part.offset;
    const end = part.offset + part.length;
    while (at < end) {
      let low = 0;
      let high = 0;
      for (let shift = 0; at < end; shift += 7) {
        const byte = from[at++] ?? 0;
        const seven = byte & 0x7f;
        if (shift < 28) low |= seven << shift;
        else if (shift === 28) {
          low |= seven << 28;
          high |= seven >> 4;
        } else high |= seven << (shift - 32);
        if (byte < 0x80) break;
      }
      const out = count++ * step;
      if (out + step > to.length) continue;
      if (asBool) to[out] = low === 0 && high === 0 ? 0 : 1; // a bool is 0 or 1 in memory, whatever the file's int32 was
      else if (step === 8) {
        view.setUint32(out, low >>> 0, true);
        view.setUint32(out + 4, high >>> 0, true);
      } else if (step === 4) view.setUint32(out, low >>> 0, true);
      else if (step === 2) view.setUint16(out, low & 0xffff, true);
      else to[out] = low & 0xff;
    }
  }
  return count;
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
  return { storage: { source: bytesSource(bytes, "constant"), nbytes: bytes.length, device: "cpu" }, dtype, shape, strides: contiguousStrides(shape), offset: 0, requiresGrad: false };
}

/** A string tensor made here. */
export function stringTensor(shape: readonly number[], strings: readonly string[]): TensorTemplate {
  return {
    storage: { source: bytesSource(EMPTY, "constant"), nbytes: strings.length * itemsize("string"), device: "cpu", strings },
    dtype: "string", shape, strides: contiguousStrides(shape), offset: 0, requiresGrad: false,
  };
}

/** A tensor without elements: one of the sizes of `shape` is 0. */
export function emptyTensor(dtype: DType, shape: readonly number[]): TensorTemplate {
  if (dtype === "string") return stringTensor(shape, []);
  return { storage: { source: bytesSource(EMPTY, "empty"), nbytes: 0, device: "cpu" }, dtype, shape, strides: contiguousStrides(shape), offset: 0, requiresGrad: false };
}
