/** NumPy's arrays and scalars in pickles: `(version, shape, dtype, Fortran order, bytes)` and `(dtype, bytes)`. */

import { boolOf, itemsOf, type PickleValue, safeIntOf, stringOf } from "../../bytes/pickle-value.ts";
import { bytesSource } from "../../bytes/source.ts";
import { canonicalInt } from "../../ir/datum.ts";
import type { DType } from "../../tensor/dtype.ts";
import { itemsize } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { contiguousStrides } from "../../tensor/shape.ts";
import { stridedTensor } from "../pickled-tensor.ts";
import type { SavedValue } from "./saved-value.ts";

const DTYPES: Readonly<Record<string, DType>> = {
  b1: "bool",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  f2: "float16",
  f4: "float32",
  f8: "float64",
  c8: "complex64",
  c16: "complex128",
};

type Visit = (value: PickleValue) => SavedValue;

/** `numpy.dtype("f4", False, True)` with the state `(3, "<", …)`. */
function dtypeOf(value: PickleValue): DType {
  if (value.kind !== "reduce" || value.callable.fullName !== "numpy.dtype") throw new OpwiseError("bad-pickle", "a NumPy array has no dtype");
  const [name] = itemsOf(value.args);
  const text = name === undefined ? "" : stringOf(name);
  const dtype = Object.hasOwn(DTYPES, text) ? DTYPES[text] : undefined;
  if (dtype === undefined) throw new OpwiseError("unsupported-dtype", `a NumPy array is of dtype \`${text}\`, which no tensor has`);
  const order = value.state === undefined ? undefined : itemsOf(value.state)[1];
  if (order?.kind === "string" && order.value === ">") throw new OpwiseError("unsupported-format", "a NumPy array's numbers are not little-endian");
  return dtype;
}

function bytesOf(value: PickleValue, visit: Visit): Uint8Array {
  // Python 2 and protocols 0 to 2 have the bytes as a text, one letter per byte.
  if (value.kind === "string") return Uint8Array.from(value.value, (letter) => letter.charCodeAt(0) & 0xff);
  const made = visit(value);
  if (made.kind !== "bytes") throw new OpwiseError("bad-pickle", "a NumPy array's data are no bytes");
  return made.value;
}

/** The array of `state`, as a tensor over bytes of its own. @throws bad-pickle, bad-tensor, unsupported-dtype, unsupported-format */
export function numpyArray(state: PickleValue, visit: Visit): SavedValue {
  const [, shapeValue, type, fortran, data] = itemsOf(state);
  if (shapeValue === undefined || type === undefined || fortran === undefined || data === undefined)
    throw new OpwiseError("bad-pickle", "a NumPy array's state is incomplete");
  return over(bytesOf(data, visit), dtypeOf(type), itemsOf(shapeValue).map(safeIntOf), boolOf(fortran));
}

/** What protocol 5 has: `(bytes, dtype, shape, "C" or "F")`. @throws as `numpyArray` */
export function numpyBuffer(args: readonly PickleValue[], visit: Visit): SavedValue {
  const [data, type, shape, order] = args;
  if (data === undefined || type === undefined || shape === undefined || order === undefined)
    throw new OpwiseError("bad-pickle", "a NumPy array's data are incomplete");
  return over(bytesOf(data, visit), dtypeOf(type), itemsOf(shape).map(safeIntOf), stringOf(order) === "F");
}

function over(bytes: Uint8Array, dtype: DType, shape: readonly number[], fortran: boolean): SavedValue {
  const strides = fortran ? contiguousStrides([...shape].reverse()).reverse() : contiguousStrides(shape);
  const storage = { source: bytesSource(bytes, "NumPy array"), nbytes: bytes.length, device: "cpu" };
  return { kind: "tensor", tensor: stridedTensor({ storage, dtype, shape, strides, offset: 0, requiresGrad: false }), parameter: false };
}

/** A NumPy scalar, as the number it is. @throws bad-pickle, unsupported-dtype */
export function numpyScalar(args: readonly PickleValue[], visit: Visit): SavedValue {
  const [type, data] = args;
  if (type === undefined || data === undefined) throw new OpwiseError("bad-pickle", "a NumPy scalar is not (dtype, bytes)");
  const dtype = dtypeOf(type);
  const bytes = bytesOf(data, visit);
  if (bytes.length !== itemsize(dtype)) throw new OpwiseError("bad-pickle", "a NumPy scalar has the wrong number of bytes");
  const view = new DataView(bytes.slice().buffer);
  switch (dtype) {
    case "bool":
      return { kind: "bool", value: view.getUint8(0) !== 0 };
    case "int8":
      return { kind: "int", value: view.getInt8(0) };
    case "int16":
      return { kind: "int", value: view.getInt16(0, true) };
    case "int32":
      return { kind: "int", value: view.getInt32(0, true) };
    case "int64":
      return { kind: "int", value: canonicalInt(view.getBigInt64(0, true)) };
    case "uint8":
      return { kind: "int", value: view.getUint8(0) };
    case "uint16":
      return { kind: "int", value: view.getUint16(0, true) };
    case "uint32":
      return { kind: "int", value: view.getUint32(0, true) };
    case "uint64": {
      const value = view.getBigUint64(0, true);
      return { kind: "int", value: value <= 9007199254740991n ? Number(value) : value };
    }
    case "float32":
      return { kind: "float", value: view.getFloat32(0, true) };
    case "float64":
      return { kind: "float", value: view.getFloat64(0, true) };
    case "complex64":
      return { kind: "complex", re: view.getFloat32(0, true), im: view.getFloat32(4, true) };
    case "complex128":
      return { kind: "complex", re: view.getFloat64(0, true), im: view.getFloat64(8, true) };
    default: {
      // A float16 is read as the one element of a tensor would be.
      const half = view.getUint16(0, true);
      const [sign, exponent, mantissa] = [half >> 15, (half >> 10) & 31, half & 1023];
      const size = exponent === 0 ? mantissa * 2 ** -24 : exponent === 31 ? (mantissa === 0 ? Infinity : NaN) : (1 + mantissa / 1024) * 2 ** (exponent - 15);
      return { kind: "float", value: sign === 1 ? -size : size };
    }
  }
}
