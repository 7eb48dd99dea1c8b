/** The elements of a TensorProto: where they lie, or their bytes in our memory layout (row-major, little-endian, one element per byte below 8 bits). */

import { carrierSize, type DType, dtypeInfo, dtypeOfOnnx, isComplex, itemsize } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import type { Range } from "../tensor/source.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import type { TensorField, TensorProto } from "./onnx-proto.ts";
import { packedBits, unpackBits } from "./packed-bits.ts";
import { MessageReader } from "./protobuf.ts";

interface Known {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly numel: number;
}
export type TensorContent = Known &
  (
    | { /** The bytes are a part of the model's file, as they are. */ readonly kind: "range"; readonly range: Range }
    | { readonly kind: "bytes"; readonly bytes: Uint8Array }
    | { /** One text per element, as bytes. */ readonly kind: "strings"; readonly strings: readonly Uint8Array[] }
    | {
        /** The bytes are in another file; sub-byte dtypes are packed there: see `unpackBits`. */
        readonly kind: "external";
        readonly location: string;
        readonly offset: number;
        /** Bytes wanted; a `length` that the file states has been checked against it. */
        readonly length: number;
      }
  );

function bad(tensor: TensorProto, message: string, facts: { readonly wanted?: string; readonly got?: string } = {}): OpwiseError {
  const name = tensor.name === "" ? "a tensor" : `tensor \`${tensor.name}\``;
  return new OpwiseError("bad-tensor", `${name} ${message}`, facts);
}

/**
 * The elements of `tensor`, whose ranges point into `bytes`. Nothing is made that the file does not hold.
 * @throws bad-tensor when data and dims disagree, unsupported-dtype, limit-exceeded, bad-onnx
 */
export function tensorContent(tensor: TensorProto, bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): TensorContent {
  const known = shapeOf(tensor, limits);
  const { dtype, numel } = known;
  if (tensor.segmented) throw bad(tensor, "is in segments, which no version of ONNX defines");
  const packedBytes = Math.ceil((numel * packedBits(dtype)) / 8);
  if (tensor.external !== undefined) return { ...known, kind: "external", ...externalOf(tensor, tensor.external, packedBytes) };

  const fields = [...tensor.data].filter(([, parts]) => parts.some((part) => part.length > 0) || parts.length > 1);
  if (fields.length > 1) throw bad(tensor, "has its data twice", { got: fields.map(([field]) => `${field}_data`).join(" and ") });
  if (dtype === "string") {
    const strings = tensor.data.get("string") ?? [];
    checkCount(tensor, "string", strings.length, numel);
    if (tensor.data.get("raw")?.some((part) => part.length > 0)) throw bad(tensor, "has strings in raw_data");
    return { ...known, kind: "strings", strings: strings.map((part) => bytes.subarray(part.offset, part.offset + part.length)) };
  }
  const [field, parts] = fields[0] ?? [fieldFor(dtype), []];
  if (field === "raw" || field === "float" || field === "double") {
    if (field !== "raw" && field !== fieldFor(dtype)) throw wrongField(tensor, field, dtype);
    return contiguous(tensor, known, field, parts, bytes, packedBytes);
  }
  if (field !== fieldFor(dtype)) throw wrongField(tensor, field, dtype);
  return { ...known, kind: "bytes", bytes: narrow(tensor, known, field, parts, bytes, packedBytes) };
}

function shapeOf(tensor: TensorProto, limits: Limits): Known {
  const dtype = dtypeOfOnnx(tensor.dataType);
  if (dtype === undefined) {
    throw new OpwiseError("unsupported-dtype", `tensor \`${tensor.name}\` has a data type that ONNX does not define or that is not known here`, { got: `${tensor.dataType}` });
  }
  let numel = 1;
  const shape: number[] = [];
  for (const dim of tensor.dims) {
    if (dim < 0) throw bad(tensor, "has a negative dim", { got: `[${tensor.dims.join(", ")}]` });
    shape.push(Number(dim));
    numel *= Number(dim);
  }
  if (shape.includes(0)) numel = 0;
  const nbytes = numel * itemsize(dtype);
  if (!shape.every(Number.isSafeInteger) || nbytes > limits.maxTensorBytes) {
    throw new OpwiseError("limit-exceeded", `tensor \`${tensor.name}\` is too large`, { wanted: `at most ${limits.maxTensorBytes} bytes`, got: `[${tensor.dims.join(", ")}]`, hint: "raise `maxTensorBytes`" });
  }
  return { dtype, shape, numel };
}

/** The typed list that holds elements of `dtype`, where it is not raw_data. */
function fieldFor(dtype: DType): TensorField {
  switch (dtype) {
    case "float32": case "complex64": return "float";
    case "float64": case "complex128": return "double";
    case "int64": return "int64";
    case "uint32": case "uint64": return "uint64";
    case "string": return "string";
    default: return "int32";
  }
}

function wrongField(tensor: TensorProto, field: TensorField, dtype: DType): OpwiseError {
  return bad(tensor, "has its data in a list of another type", { wanted: `${fieldFor(dtype)}_data for ${dtype}`, got: `${field}_data` });
}

function checkCount(tensor: TensorProto, field: TensorField, got: number, wanted: number): void {
  if (got !== wanted) {
    const unit = field === "raw" ? "bytes" : "elements";
    throw bad(tensor, "holds another amount of data than its dims say", { wanted: `${wanted} ${unit} for [${tensor.dims.join(", ")}]`, got: `${got} ${unit} of ${field}_data` });
  }
}

/** Data that lies in the file as it lies in memory: one part is used where it is, several are joined. */
function contiguous(tensor: TensorProto, known: Known, field: "raw" | "float" | "double", parts: readonly Range[], bytes: Uint8Array, packedBytes: number): TensorContent {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  if (field === "raw") checkCount(tensor, field, total, packedBytes);
  else {
    const size = carrierSize(dtypeInfo(known.dtype).carrier);
    checkCount(tensor, field, total / size, packedBytes / size);
  }
  const [only] = parts;
  if (packedBits(known.dtype) < 8) {
    const packed = only === undefined ? new Uint8Array(0) : bytes.subarray(only.offset, only.offset + only.length);
    return { ...known, kind: "bytes", bytes: unpackBits(known.dtype, packed, known.numel) };
  }
  if (parts.length <= 1) return { ...known, kind: "range", range: only ?? { offset: 0, length: 0 } };
  const joined = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    joined.set(bytes.subarray(part.offset, part.offset + part.length), at);
    at += part.length;
  }
  return { ...known, kind: "bytes", bytes: joined };
}

/** Varints, each cut to the dtype's width; sub-byte dtypes have one packed byte per varint. */
function narrow(tensor: TensorProto, known: Known, field: "int32" | "int64" | "uint64" | "string", parts: readonly Range[], bytes: Uint8Array, packedBytes: number): Uint8Array {
  const { dtype, numel } = known;
  if (field === "string") throw wrongField(tensor, field, dtype);
  const subByte = packedBits(dtype) < 8;
  const lanes = isComplex(dtype) ? 2 : 1;
  const width = subByte ? 1 : itemsize(dtype) / lanes;
  const count = subByte ? packedBytes : numel * lanes;
  // A varint takes a byte at least: refuse before decoding what cannot fit.
  const room = parts.reduce((sum, part) => sum + part.length, 0);
  if (room < count) checkCount(tensor, field, room, count);
  const out = new Uint8Array(count * width);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    for (const value of MessageReader.varintsAt(bytes, part, field)) {
      if (at === count) throw bad(tensor, "holds more data than its dims say", { wanted: `${count} elements of ${field}_data` });
      if (width === 8) view.setBigInt64(8 * at, BigInt.asIntN(64, BigInt(value)), true);
      else if (width === 4) view.setUint32(4 * at, Number(value), true);
      else if (width === 2) view.setUint16(2 * at, Number(value), true);
      else view.setUint8(at, Number(value));
      at++;
    }
  }
  checkCount(tensor, field, at, count);
  return subByte ? unpackBits(dtype, out, numel) : out;
}

/** Where external data lies; `location` is checked when it is opened. */
function externalOf(tensor: TensorProto, external: ReadonlyMap<string, string>, length: number): { location: string; offset: number; length: number } {
  const location = external.get("location");
  if (location === undefined || location === "") throw bad(tensor, "has external data without a location");
  if (dtypeOfOnnx(tensor.dataType) === "string") throw bad(tensor, "has strings as external data, which ONNX does not define");
  const number = (key: string): number | undefined => {
    const text = external.get(key);
    if (text === undefined || text === "") return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value)) throw bad(tensor, `has external data with a wrong ${key}`, { got: text });
    return value;
  };
  const stated = number("length");
  if (stated !== undefined && stated !== length) {
    throw bad(tensor, "has external data of another length than its dims say", { wanted: `${length} bytes`, got: `${stated}` });
  }
  return { location, offset: number("offset") ?? 0, length };
}
