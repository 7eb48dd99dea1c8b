/** One door to the floats that memory holds as bits: how each is read and written. */

import type { DType } from "../tensor/dtype.ts";
import { bfloat16Table, encodeBfloat16 } from "./bfloat16.ts";
import { type SmallFloat, smallFloatEncoder, smallFloatTable } from "./float8.ts";
import { encodeHalf, halfTable } from "./half.ts";

/** A float format that is carried as its bits. */
export type BitFloat = "float16" | "bfloat16" | SmallFloat;

export interface Codec {
  /** The number that the bits stand for. */
  readonly decode: (bits: number) => number;
  /** The bits of the nearest number. */
  readonly encode: (value: number) => number;
  /** All values by their bits. Shared: do not write. */
  readonly table: Float32Array;
}

const LARGEST: Readonly<Record<"float16" | "bfloat16", number>> = { float16: 0x7bff, bfloat16: 0x7f7f };

/**
 * A function from a number to the bits of `format`, rounding once to nearest even. `saturate` clamps what is too large
 * (infinities too) to the largest finite value, as ONNX's Cast says for float 8.
 */
export function encoder(format: BitFloat, saturate: boolean): (value: number) => number {
  if (format !== "float16" && format !== "bfloat16") return smallFloatEncoder(format, saturate);
  const encode = format === "float16" ? encodeHalf : encodeBfloat16;
  if (!saturate) return encode;
  const largest = LARGEST[format];
  const infinity = largest + 1;
  return (value) => {
    const bits = encode(value);
    return (bits & 0x7fff) === infinity ? (bits & 0x8000) | largest : bits;
  };
}

const codecs = new Map<BitFloat, Codec>();

/**
 * How PyTorch reads and writes `dtype`, or undefined where elements are not carried as bits of a float. The parts of
 * `complex32` are float16. `Tensor.to` saturates to `float8_e4m3fn` (PyTorch 2.13) and to no other format with a NaN or infinity.
 */
export function codec(dtype: DType): Codec | undefined {
  const format = bitFormat(dtype);
  if (format === undefined) return undefined;
  const known = codecs.get(format);
  if (known !== undefined) return known;
  const table = format === "float16" ? halfTable() : format === "bfloat16" ? bfloat16Table() : smallFloatTable(format);
  const made: Codec = {
    decode: (bits) => table[bits] as number, // the table covers every bit pattern
    encode: encoder(format, format === "float8_e4m3fn" || format === "float4_e2m1"),
    table,
  };
  codecs.set(format, made);
  return made;
}

/** The float format whose bits `dtype` is carried as, or undefined. */
export function bitFormat(dtype: DType): BitFloat | undefined {
  switch (dtype) {
    case "float16":
    case "bfloat16":
    case "float8_e5m2":
    case "float8_e4m3fn":
    case "float8_e5m2fnuz":
    case "float8_e4m3fnuz":
    case "float8_e8m0fnu":
    case "float4_e2m1":
      return dtype;
    case "complex32":
      return "float16";
    default:
      return undefined;
  }
}
