/** How elements of each dtype are read from and written to memory, one by one and four at a time. */

import type { RoundFormat } from "../../expr/expr.ts";
import { bitFormat } from "../../numeric/codec.ts";
import { computeType } from "../../prims/program.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Code, Value } from "../../wasm/code.ts";
import type { I32, V128 } from "./emit.ts";
import { decodeOne, emitDecode, emitEncode, encodeOne, isHalf } from "./halves.ts";
import type { CallHost, Push } from "./scalar.ts";

/** Bytes of one element, or of one part of a complex one. */
export function partBytes(dtype: DType): number {
  const { itemsize, lanes } = dtypeInfo(dtype);
  return itemsize / lanes;
}

/** The element at an address, in its compute type. `table` gives the address of the values of a format of 8 bits by their bits. */
export function emitLoad(c: Code, dtype: DType, address: Push<"i32">, offset: number, table: (format: RoundFormat) => number): Value {
  const format = bitFormat(dtype);
  if (format !== undefined) {
    if (isHalf(format)) return decodeOne(c, format, c.load("i32.load16_s", address(), offset));
    return c.load("f32.load", c.op("i32.shl", c.load("i32.load8_u", address(), offset), c.i32(2)), table(format));
  }
  switch (dtypeInfo(dtype).carrier) {
    case "f32":
      return c.load("f32.load", address(), offset);
    case "f64":
      return c.load("f64.load", address(), offset);
    case "i64":
    case "u64":
      return c.load("i64.load", address(), offset);
    case "i32":
    case "u32":
      return c.load("i32.load", address(), offset);
    case "i16":
      return c.load("i32.load16_s", address(), offset);
    case "u16":
      return c.load("i32.load16_u", address(), offset);
    case "i8":
      return c.load("i32.load8_s", address(), offset);
    case "u8": {
      const byte = c.load("i32.load8_u", address(), offset);
      return computeType(dtype) === "bool" ? c.op("i32.ne", byte, c.i32(0)) : byte;
    }
    default:
      return unreachable(dtype);
  }
}

/** Writes a value of the dtype's compute type. */
export function emitStore(c: Code, dtype: DType, address: Push<"i32">, offset: number, value: Push, host: CallHost): void {
  const format = bitFormat(dtype);
  if (format !== undefined) {
    const at = address();
    if (isHalf(format)) c.store("i32.store16", at, encodeOne(c, format, value() as Value<"f32">), offset);
    else c.store("i32.store8", at, host({ kind: "encode", format }, [value]) as Value<"i32">, offset);
    return;
  }
  const at = address();
  // The emitter pairs expression types with value types; the carrier's is the compute type's.
  switch (dtypeInfo(dtype).carrier) {
    case "f32":
      return c.store("f32.store", at, value() as Value<"f32">, offset);
    case "f64":
      return c.store("f64.store", at, value() as Value<"f64">, offset);
    case "i64":
    case "u64":
      return c.store("i64.store", at, value() as Value<"i64">, offset);
    case "i32":
    case "u32":
      return c.store("i32.store", at, value() as Value<"i32">, offset);
    case "i16":
    case "u16":
      return c.store("i32.store16", at, value() as Value<"i32">, offset);
    default:
      return c.store("i32.store8", at, value() as Value<"i32">, offset);
  }
}

const isShort = (dtype: DType): boolean => dtype === "int16" || isHalf(dtype);

/** Elements of which one is taken for all lanes of four. */
export function goesToAll(dtype: DType): boolean {
  return goesByFours(dtype) || dtype === "float64";
}

/** Elements that are taken four at a time: numbers in the lanes of a vector, words of 16 bits with their sign extended, bools as masks. */
export function goesByFours(dtype: DType): boolean {
  return dtype === "float32" || dtype === "bool" || isShort(dtype);
}

/** How the elements of a tensor lie along an axis: one after another, one for all, or any bytes apart. */
export type Lane = "contiguous" | "same" | "strided";

/** Four elements, `ahead` elements from an address, one after another or `stride` bytes apart; or the one that is there in all lanes, which a double always is. */
export function loadFour(c: Code, dtype: DType, at: I32, ahead: number, width: 4 | 1, stride?: I32): Value<"v128"> {
  const offset = ahead * partBytes(dtype);
  if (dtype === "float64") return c.load("v128.load64_splat", c.get(at), offset);
  const short = isShort(dtype);
  const isBool = dtype === "bool";
  const one = (from: I32): Value<"i32"> => c.load(short ? "i32.load16_s" : isBool ? "i32.load8_u" : "i32.load", c.get(from), offset);
  const words = (): Value<"v128"> => {
    if (width === 1) return c.op("i32x4.splat", one(at));
    if (stride !== undefined)
      return [1, 2, 3].reduce((four, k) => c.replace("i32x4.replace_lane", four, k, one(further(c, at, stride, k))), c.op("i32x4.splat", one(at)));
    if (short) return c.load("v128.load16x4_s", c.get(at), offset);
    if (!isBool) return c.load("v128.load", c.get(at), offset);
    return c.op("i32x4.extend_low_i16x8_u", c.op("i16x8.extend_low_i8x16_u", c.load("v128.load32_zero", c.get(at), offset)));
  };
  if (isHalf(dtype)) return emitDecode(c, dtype, c.hold(words()));
  return isBool ? c.op("i32x4.ne", words(), c.i32x4(0)) : words();
}

/** The address `count` strides on. */
function further(c: Code, at: I32, stride: I32, count: number): I32 {
  return c.hold(c.op("i32.add", c.get(at), c.op("i32.mul", c.get(stride), c.i32(count))));
}

/** Writes four elements, or the lowest lane. */
export function storeFour(c: Code, dtype: DType, to: I32, value: V128, ahead: number, width: 4 | 1): void {
  const at = c.get(to);
  const offset = ahead * partBytes(dtype);
  if (isShort(dtype)) {
    const words = isHalf(dtype) ? c.hold(emitEncode(c, dtype, value)) : value;
    if (width === 1) return c.store("i32.store16", at, c.extract("i32x4.extract_lane", c.get(words), 0), offset);
    const bits = c.op(isHalf(dtype) ? "i16x8.narrow_i32x4_u" : "i16x8.narrow_i32x4_s", c.get(words), c.get(words));
    return c.store("i64.store", at, c.extract("i64x2.extract_lane", bits, 0), offset);
  }
  if (dtype === "bool") {
    const ones = c.hold(c.op("v128.and", c.get(value), c.i32x4(1)));
    const bytes = c.op("i8x16.narrow_i16x8_u", c.op("i16x8.narrow_i32x4_u", c.get(ones), c.get(ones)), c.f32x4(0));
    return c.store(width === 4 ? "i32.store" : "i32.store8", at, c.extract("i32x4.extract_lane", bytes, 0), offset);
  }
  if (width === 4) c.store("v128.store", at, c.get(value), offset);
  else c.store("f32.store", at, c.extract("f32x4.extract_lane", c.get(value), 0), offset);
}
