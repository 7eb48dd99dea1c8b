/** How elements of each dtype are read from and written to typed arrays: as text for printed kernels, and as functions. */

import { bitFormat, type BitFloat, codec, type Codec, encoder } from "../../numeric/codec.ts";
import type { DType, TypedArray } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import type { ExprType } from "../../expr/expr.ts";
import type { Scalar } from "./scalar.ts";

/** The format whose bits elements of `dtype` are carried as; undefined where they are plain numbers. */
export const codingOf: (dtype: DType) => BitFloat | undefined = bitFormat;

function codecOf(format: BitFloat): Codec {
  return codec(format) ?? unreachable(`no codec for ${format}`);
}
/** Values of all bit patterns of a coded dtype. */
export function decodeTable(format: BitFloat): Float32Array {
  return codecOf(format).table;
}
/** The function from a number to its bits. */
export function encoderOf(format: BitFloat): (value: number) => number {
  return codecOf(format).encode;
}

export function loadText(dtype: DType, array: string, at: string): string {
  if (dtype === "bool") return `(${array}[${at}]!==0)`;
  const coding = codingOf(dtype);
  return coding === undefined ? `${array}[${at}]` : `$dec_${coding}[${array}[${at}]]`;
}
export function storeText(dtype: DType, array: string, at: string, value: string): string {
  if (dtype === "bool") return `${array}[${at}]=${value}?1:0;`;
  const coding = codingOf(dtype);
  return `${array}[${at}]=${coding === undefined ? value : `$enc_${coding}(${value})`};`;
}
/** What a printed kernel needs of the runtime to load and store `dtype`. */
export function codecBindings(dtypes: Iterable<DType>): Record<string, unknown> {
  const out: Record<string, unknown> = { round: roundTo, bits: bitsOf };
  for (const dtype of dtypes) {
    const coding = codingOf(dtype);
    if (coding === undefined) continue;
    out[`dec_${coding}`] = decodeTable(coding);
    out[`enc_${coding}`] = encoderOf(coding);
  }
  return out;
}

export function loader(dtype: DType): (array: TypedArray, at: number) => Scalar {
  if (dtype === "bool") return (array, at) => array[at] !== 0;
  const coding = codingOf(dtype);
  if (coding !== undefined) {
    const table = decodeTable(coding);
    return (array, at) => table[Number(array[at])] ?? NaN;
  }
  return (array, at) => array[at] ?? NaN;
}
export function storer(dtype: DType): (array: TypedArray, at: number, value: Scalar) => void {
  const coding = codingOf(dtype);
  const encode = coding === undefined ? undefined : encoderOf(coding);
  return (array, at, value) => {
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) array[at] = BigInt(value);
    else if (dtype === "bool") array[at] = value ? 1 : 0;
    else array[at] = encode === undefined ? Number(value) : encode(Number(value));
  };
}

/** `x` rounded through a storage format and back. */
export function roundTo(format: BitFloat, saturate: boolean, x: number): number {
  return decodeTable(format)[encoder(format, saturate)(x)] ?? NaN;
}

const scratch = new DataView(new ArrayBuffer(8));
/** The bits of a scalar as another type of the same width. */
export function bitsOf(from: ExprType, to: ExprType, x: Scalar): Scalar {
  switch (from) {
    case "f64": scratch.setFloat64(0, Number(x)); break;
    case "i64": scratch.setBigInt64(0, BigInt(x)); break;
    case "u64": scratch.setBigUint64(0, BigInt(x)); break;
    case "f32": scratch.setFloat32(0, Number(x)); break;
    case "i16":
    case "u16": scratch.setInt16(0, Number(x)); break;
    case "i8":
    case "u8":
    case "bool": scratch.setInt8(0, Number(x)); break;
    default: scratch.setInt32(0, Number(x));
  }
  switch (to) {
    case "f64": return scratch.getFloat64(0);
    case "i64": return scratch.getBigInt64(0);
    case "u64": return scratch.getBigUint64(0);
    case "f32": return scratch.getFloat32(0);
    case "u32": return scratch.getUint32(0);
    case "i16": return scratch.getInt16(0);
    case "u16": return scratch.getUint16(0);
    case "i8": return scratch.getInt8(0);
    case "u8": return scratch.getUint8(0);
    default: return scratch.getInt32(0);
  }
}
