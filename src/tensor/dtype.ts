/** Element types: names, sizes, classes, promotion, and how each lies in memory. */

import { OpwiseError } from "./error.ts";

/** Typed-array kind that holds one element of a dtype in host memory. */
export type Carrier = "i8" | "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "u64" | "f32" | "f64";

/** Class of a dtype; promotion works by class first. */
export type DTypeClass = "bool" | "int" | "float" | "complex" | "string";

export type DType =
  | "bool"
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "uint32"
  | "int32"
  | "uint64"
  | "int64"
  | "float16"
  | "bfloat16"
  | "float32"
  | "float64"
  | "complex32"
  | "complex64"
  | "complex128"
  | "float8_e5m2"
  | "float8_e4m3fn"
  | "float8_e5m2fnuz"
  | "float8_e4m3fnuz"
  | "float8_e8m0fnu"
  | "float4_e2m1"
  | "uint4"
  | "int4"
  | "uint2"
  | "int2"
  | "qint8"
  | "quint8"
  | "qint32"
  | "quint4x2"
  | "quint2x4"
  | "string";

export interface DTypeInfo {
  readonly itemsize: number;
  readonly class: DTypeClass;
  readonly carrier: Carrier;
  /** Carrier elements per dtype element: 2 for complex, else 1. */
  readonly lanes: 1 | 2;
  readonly signed: boolean;
  /** Significant bits of the value (integers: width; floats: mantissa with the hidden bit). */
  readonly bits: number;
  /** Number in TorchScript's `ScalarType`, where it has one. */
  readonly torch?: number;
  /** Number in ONNX's `TensorProto.DataType`, where it has one. */
  readonly onnx?: number;
}

/**
 * All dtypes. Sub-byte types take one byte per element in memory (strides do not address nibbles); a string is an
 * id into `strings.ts`; 16-bit and smaller floats are carried as their bits.
 */
const INFO: Readonly<Record<DType, DTypeInfo>> = {
  bool: { itemsize: 1, class: "bool", carrier: "u8", lanes: 1, signed: false, bits: 1, torch: 11, onnx: 9 },
  uint8: { itemsize: 1, class: "int", carrier: "u8", lanes: 1, signed: false, bits: 8, torch: 0, onnx: 2 },
  int8: { itemsize: 1, class: "int", carrier: "i8", lanes: 1, signed: true, bits: 8, torch: 1, onnx: 3 },
  uint16: { itemsize: 2, class: "int", carrier: "u16", lanes: 1, signed: false, bits: 16, torch: 27, onnx: 4 },
  int16: { itemsize: 2, class: "int", carrier: "i16", lanes: 1, signed: true, bits: 16, torch: 2, onnx: 5 },
  uint32: { itemsize: 4, class: "int", carrier: "u32", lanes: 1, signed: false, bits: 32, torch: 28, onnx: 12 },
  int32: { itemsize: 4, class: "int", carrier: "i32", lanes: 1, signed: true, bits: 32, torch: 3, onnx: 6 },
  uint64: { itemsize: 8, class: "int", carrier: "u64", lanes: 1, signed: false, bits: 64, torch: 29, onnx: 13 },
  int64: { itemsize: 8, class: "int", carrier: "i64", lanes: 1, signed: true, bits: 64, torch: 4, onnx: 7 },
  float16: { itemsize: 2, class: "float", carrier: "u16", lanes: 1, signed: true, bits: 11, torch: 5, onnx: 10 },
  bfloat16: { itemsize: 2, class: "float", carrier: "u16", lanes: 1, signed: true, bits: 8, torch: 15, onnx: 16 },
  float32: { itemsize: 4, class: "float", carrier: "f32", lanes: 1, signed: true, bits: 24, torch: 6, onnx: 1 },
  float64: { itemsize: 8, class: "float", carrier: "f64", lanes: 1, signed: true, bits: 53, torch: 7, onnx: 11 },
  complex32: { itemsize: 4, class: "complex", carrier: "u16", lanes: 2, signed: true, bits: 11, torch: 8 },
  complex64: { itemsize: 8, class: "complex", carrier: "f32", lanes: 2, signed: true, bits: 24, torch: 9, onnx: 14 },
  complex128: { itemsize: 16, class: "complex", carrier: "f64", lanes: 2, signed: true, bits: 53, torch: 10, onnx: 15 },
  float8_e5m2: { itemsize: 1, class: "float", carrier: "u8", lanes: 1, signed: true, bits: 3, torch: 23, onnx: 19 },
  float8_e4m3fn: { itemsize: 1, class: "float", carrier: "u8", lanes: 1, signed: true, bits: 4, torch: 24, onnx: 17 },
  float8_e5m2fnuz: { itemsize: 1, class: "float", carrier: "u8", lanes: 1, signed: true, bits: 3, torch: 25, onnx: 20 },
  float8_e4m3fnuz: { itemsize: 1, class: "float", carrier: "u8", lanes: 1, signed: true, bits: 4, torch: 26, onnx: 18 },
  float8_e8m0fnu: { itemsize: 1, class: "float", carrier: "u8", lanes: 1, signed: false, bits: 1, torch: 44, onnx: 24 },
  float4_e2m1: { itemsize: 1, class: "float", carrier: "u8", lanes: 1, signed: true, bits: 2, onnx: 23 },
  uint4: { itemsize: 1, class: "int", carrier: "u8", lanes: 1, signed: false, bits: 4, onnx: 21 },
  int4: { itemsize: 1, class: "int", carrier: "i8", lanes: 1, signed: true, bits: 4, onnx: 22 },
  uint2: { itemsize: 1, class: "int", carrier: "u8", lanes: 1, signed: false, bits: 2, onnx: 25 },
  int2: { itemsize: 1, class: "int", carrier: "i8", lanes: 1, signed: true, bits: 2, onnx: 26 },
  qint8: { itemsize: 1, class: "int", carrier: "i8", lanes: 1, signed: true, bits: 8, torch: 12 },
  quint8: { itemsize: 1, class: "int", carrier: "u8", lanes: 1, signed: false, bits: 8, torch: 13 },
  qint32: { itemsize: 4, class: "int", carrier: "i32", lanes: 1, signed: true, bits: 32, torch: 14 },
  quint4x2: { itemsize: 1, class: "int", carrier: "u8", lanes: 1, signed: false, bits: 4, torch: 16 },
  quint2x4: { itemsize: 1, class: "int", carrier: "u8", lanes: 1, signed: false, bits: 2, torch: 17 },
  string: { itemsize: 4, class: "string", carrier: "i32", lanes: 1, signed: false, bits: 32, onnx: 8 },
};

const SCALAR_NAMES: Readonly<Partial<Record<DType, string>>> = {
  bool: "Bool", uint8: "Byte", int8: "Char", int16: "Short", int32: "Int", int64: "Long", uint16: "UInt16", uint32: "UInt32", uint64: "UInt64",
  float16: "Half", bfloat16: "BFloat16", float32: "Float", float64: "Double", complex32: "ComplexHalf", complex64: "ComplexFloat", complex128: "ComplexDouble",
  float8_e5m2: "Float8_e5m2", float8_e4m3fn: "Float8_e4m3fn", float8_e5m2fnuz: "Float8_e5m2fnuz", float8_e4m3fnuz: "Float8_e4m3fnuz", float8_e8m0fnu: "Float8_e8m0fnu",
  qint8: "QInt8", quint8: "QUInt8", qint32: "QInt32",
};
const TYPE_NAMES: Readonly<Partial<Record<DType, string>>> = {
  bool: "bool", uint8: "unsigned char", int8: "signed char", int16: "short int", int32: "int", int64: "long int", uint16: "short unsigned int", uint32: "unsigned int", uint64: "long unsigned int",
  float16: "c10::Half", bfloat16: "c10::BFloat16", float32: "float", float64: "double",
  complex32: "c10::complex<c10::Half>", complex64: "c10::complex<float>", complex128: "c10::complex<double>", qint8: "c10::qint8", quint8: "c10::quint8", qint32: "c10::qint32",
};

const LARGEST: Readonly<Partial<Record<DType, number>>> = { float64: Number.MAX_VALUE, float32: 3.4028234663852886e38, float16: 65504, bfloat16: 3.3895313892515355e38 };
/** The largest number of the float dtypes that kernels compute in; undefined for the small ones, which are only stored, and for all others. */
export function largestOf(dtype: DType): number | undefined {
  return LARGEST[dtype];
}

/** PyTorch's name of a scalar type in its messages: `Float`, `Long`. */
export function scalarName(dtype: DType): string {
  return SCALAR_NAMES[dtype] ?? dtype;
}
/** The C++ name that some of PyTorch's messages have instead: `float`, `long int`. */
export function typeName(dtype: DType): string {
  return TYPE_NAMES[dtype] ?? dtype;
}

/** All dtype names, in the order of the table. */
export const DTYPES: readonly DType[] = Object.keys(INFO) as DType[]; // the record's keys are its type

/** Facts about `dtype`. */
export function dtypeInfo(dtype: DType): DTypeInfo {
  return INFO[dtype];
}

/** Bytes per element. */
export function itemsize(dtype: DType): number {
  return INFO[dtype].itemsize;
}

export function isFloat(dtype: DType): boolean {
  return INFO[dtype].class === "float";
}
export function isComplex(dtype: DType): boolean {
  return INFO[dtype].class === "complex";
}
/** True for integer dtypes, bool not included. */
export function isInt(dtype: DType): boolean {
  return INFO[dtype].class === "int";
}
export function isQuantized(dtype: DType): boolean {
  return dtype === "qint8" || dtype === "quint8" || dtype === "qint32" || dtype === "quint4x2" || dtype === "quint2x4";
}

const BY_TORCH = new Map<number, DType>();
const BY_ONNX = new Map<number, DType>();
for (const name of DTYPES) {
  const info = INFO[name];
  if (info.torch !== undefined) BY_TORCH.set(info.torch, name);
  if (info.onnx !== undefined) BY_ONNX.set(info.onnx, name);
}

/** The dtype of a TorchScript `ScalarType` number. @throws unsupported-dtype */
export function dtypeOfTorch(code: number): DType {
  const dtype = BY_TORCH.get(code);
  if (dtype === undefined) throw new OpwiseError("unsupported-dtype", `no dtype has ScalarType number ${code}`);
  return dtype;
}

/** The TorchScript `ScalarType` number of a dtype. @throws unsupported-dtype */
export function torchOfDtype(dtype: DType): number {
  const code = INFO[dtype].torch;
  if (code === undefined) throw new OpwiseError("unsupported-dtype", `\`${dtype}\` has no ScalarType number`);
  return code;
}

/** The dtype of an ONNX `TensorProto.DataType` number, or undefined. */
export function dtypeOfOnnx(code: number): DType | undefined {
  return BY_ONNX.get(code);
}

/** The ONNX `TensorProto.DataType` number of a dtype, or undefined. */
export function onnxOfDtype(dtype: DType): number | undefined {
  return INFO[dtype].onnx;
}

/** The component dtype of a complex dtype (`complex64` -> `float32`); others unchanged. */
export function realOf(dtype: DType): DType {
  if (dtype === "complex64") return "float32";
  if (dtype === "complex128") return "float64";
  if (dtype === "complex32") return "float16";
  return dtype;
}

/** The complex dtype whose components are `dtype`. */
export function complexOf(dtype: DType): DType {
  if (dtype === "float64") return "complex128";
  if (dtype === "float16") return "complex32";
  return isComplex(dtype) ? dtype : "complex64";
}

/** The dtype that PyTorch computes in for operands of `dtype` (`at::opmath_type`): half types widen to float32. */
export function opmathOf(dtype: DType): DType {
  const info = INFO[dtype];
  if (info.class === "float" && info.itemsize < 4) return "float32";
  if (dtype === "complex32") return "complex64";
  return dtype;
}

const FLOAT_ORDER: readonly DType[] = ["float16", "bfloat16", "float32", "float64"];

/**
 * PyTorch's `promote_types` over two dtypes (torch.promote_types). Small unsigned with signed goes to the next wider
 * signed; uint16/32/64 with signed ints are refused as PyTorch does; half with bfloat16 is float32.
 * @throws dtype-mismatch
 */
export function promoteTypes(a: DType, b: DType): DType {
  if (a === b) return a;
  const ia = INFO[a];
  const ib = INFO[b];
  if (ia.class === "string" || ib.class === "string" || isQuantized(a) || isQuantized(b)) {
    throw new OpwiseError("dtype-mismatch", `\`${a}\` and \`${b}\` do not promote to a common dtype`);
  }
  if (ia.class === "complex" || ib.class === "complex") {
    const real = promoteTypes(realOf(a), realOf(b));
    return isFloat(real) ? (real === "bfloat16" ? "complex64" : complexOf(real)) : complexOf(realOf(ia.class === "complex" ? a : b));
  }
  if (ia.class === "float" && ib.class === "float") {
    if (ia.itemsize < 2 || ib.itemsize < 2) {
      throw new OpwiseError("dtype-mismatch", `promotion for Float8 types is not supported, attempted to promote \`${a}\` and \`${b}\``);
    }
    const pa = FLOAT_ORDER.indexOf(a);
    const pb = FLOAT_ORDER.indexOf(b);
    if (pa < 2 && pb < 2) return "float32"; // half with bfloat16
    return pa > pb ? a : b;
  }
  if (ia.class === "float") return a;
  if (ib.class === "float") return b;
  if (ia.class === "bool") return b;
  if (ib.class === "bool") return a;
  if (ia.signed === ib.signed) return ia.itemsize >= ib.itemsize ? a : b;
  const [unsigned, signed] = ia.signed ? [b, a] : [a, b];
  if (unsigned !== "uint8") {
    throw new OpwiseError("dtype-mismatch", `promotion for uint16, uint32, uint64 types is not supported, attempted to promote \`${a}\` and \`${b}\``);
  }
  return signed === "int8" ? "int16" : signed;
}

/** Whether a result of `from` may be written into `to` in place (torch.can_cast): never float to int, complex to real, or anything to bool. */
export function canCast(from: DType, to: DType): boolean {
  const rank: Record<DTypeClass, number> = { bool: 0, int: 1, float: 2, complex: 3, string: 4 };
  return rank[INFO[from].class] <= rank[INFO[to].class];
}

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** A typed array of `carrier` kind over existing bytes. `byteOffset` must be a multiple of the carrier's size. */
export function carrierView(carrier: Carrier, buffer: ArrayBufferLike, byteOffset: number, length: number): TypedArray {
  switch (carrier) {
    case "i8": return new Int8Array(buffer, byteOffset, length);
    case "u8": return new Uint8Array(buffer, byteOffset, length);
    case "i16": return new Int16Array(buffer, byteOffset, length);
    case "u16": return new Uint16Array(buffer, byteOffset, length);
    case "i32": return new Int32Array(buffer, byteOffset, length);
    case "u32": return new Uint32Array(buffer, byteOffset, length);
    case "i64": return new BigInt64Array(buffer, byteOffset, length);
    case "u64": return new BigUint64Array(buffer, byteOffset, length);
    case "f32": return new Float32Array(buffer, byteOffset, length);
    case "f64": return new Float64Array(buffer, byteOffset, length);
    default: return carrier satisfies never;
  }
}

/** Bytes of one carrier element. */
export function carrierSize(carrier: Carrier): number {
  return carrier === "i8" || carrier === "u8" ? 1 : carrier === "i16" || carrier === "u16" ? 2 : carrier === "i32" || carrier === "u32" || carrier === "f32" ? 4 : 8;
}
