/** How elements of each dtype are read from and written to memory. */

import type { RoundFormat } from "../../expr/expr.ts";
import { bitFormat } from "../../numeric/codec.ts";
import { computeType } from "../../prims/program.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Code, Value } from "../../wasm/code.ts";
import type { CallHost, Push } from "./scalar.ts";

/** Bytes of one element, or of one part of a complex one. */
export function partBytes(dtype: DType): number {
  const { itemsize, lanes } = dtypeInfo(dtype);
  return itemsize / lanes;
}

/** Float formats that elements are decoded from by a table in memory; see `tables.ts`. */
export function tableFormat(dtype: DType): RoundFormat | undefined {
  const format = bitFormat(dtype);
  return format === "bfloat16" ? undefined : format;
}

/** The element at an address, in its compute type. `table` gives the address of a format's decoding table. */
export function emitLoad(c: Code, dtype: DType, address: Push<"i32">, offset: number, table: (format: RoundFormat) => number): Value {
  if (dtype === "bfloat16") return c.op("f32.reinterpret_i32", c.op("i32.shl", c.load("i32.load16_u", address(), offset), c.i32(16)));
  const format = tableFormat(dtype);
  if (format !== undefined) {
    const bits = partBytes(dtype) === 2 ? c.load("i32.load16_u", address(), offset) : c.load("i32.load8_u", address(), offset);
    return c.load("f32.load", c.op("i32.shl", bits, c.i32(2)), table(format));
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
    const narrow = partBytes(dtype) === 2 ? "i32.store16" : "i32.store8";
    const at = address();
    c.store(narrow, at, host({ kind: "encode", format }, [value]) as Value<"i32">, offset);
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
