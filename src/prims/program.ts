/** A program: the expressions of a call, the dtypes they load and store, and the messages of their checks. */

import { type Expr, type ExprType, reachable } from "../expr/expr.ts";
import { type DType, dtypeInfo } from "../tensor/dtype.ts";

export interface Output {
  readonly dtype: DType;
  /** One expression, or real and imaginary parts of a complex dtype. */
  readonly parts: readonly Expr[];
}

/** Made once per op and dtypes; backends cache what they compile from it by its identity. */
export interface Program {
  /** For messages, profiles and placement: `gelu`, `add`. */
  readonly name: string;
  readonly operands: readonly DType[];
  readonly scalars: readonly ExprType[];
  readonly outputs: readonly Output[];
  /** Texts of `check` expressions by code. */
  readonly messages: readonly string[];
}

const COMPUTE: Partial<Record<DType, ExprType>> = {
  bool: "bool", uint8: "u8", int8: "i8", uint16: "u16", int16: "i16", uint32: "u32", int32: "i32", uint64: "u64", int64: "i64",
  float64: "f64", complex128: "f64", string: "i32", uint4: "u8", int4: "i8", uint2: "u8", int2: "i8", qint8: "i8", quint8: "u8", qint32: "i32", quint4x2: "u8", quint2x4: "u8",
};

/** The type that elements of `dtype` are loaded as: half and smaller floats widen to f32, complex parts to their own float. */
export function computeType(dtype: DType): ExprType {
  return COMPUTE[dtype] ?? "f32";
}

/** Whether storing rounds beyond the compute type (half, bfloat16, float8...). */
export function isNarrow(dtype: DType): boolean {
  return dtypeInfo(dtype).class === "float" && dtypeInfo(dtype).itemsize < 4;
}

const indexUse = new WeakMap<Program, boolean>();

/** Whether the program asks for positions, so that its axes may be merged and reordered only with care. */
export function usesIndex(program: Program): boolean {
  let known = indexUse.get(program);
  if (known === undefined) {
    known = [...reachable(program.outputs.flatMap((o) => o.parts))].some((e) => e.op === "index");
    indexUse.set(program, known);
  }
  return known;
}
