/**
 * The instructions that kernels use, under the names of the WebAssembly specification (core 3.0 with fixed-width and relaxed
 * SIMD): `operand types -> result type = opcode bytes`. The texts are the types: `Code.op` checks its arguments by them.
 * What has immediates (loads, stores, lanes) has a table of its own with the type that it moves; control is methods of `Code`.
 */

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";

export const INSTRUCTIONS = {
  "i32.eqz": "i32 -> i32 = 45",
  "i32.eq": "i32 i32 -> i32 = 46",
  "i32.ne": "i32 i32 -> i32 = 47",
  "i32.lt_s": "i32 i32 -> i32 = 48",
  "i32.lt_u": "i32 i32 -> i32 = 49",
  "i32.gt_s": "i32 i32 -> i32 = 4a",
  "i32.gt_u": "i32 i32 -> i32 = 4b",
  "i32.le_s": "i32 i32 -> i32 = 4c",
  "i32.le_u": "i32 i32 -> i32 = 4d",
  "i32.ge_s": "i32 i32 -> i32 = 4e",
  "i32.ge_u": "i32 i32 -> i32 = 4f",
  "i64.eqz": "i64 -> i32 = 50",
  "i64.eq": "i64 i64 -> i32 = 51",
  "i64.ne": "i64 i64 -> i32 = 52",
  "i64.lt_s": "i64 i64 -> i32 = 53",
  "i64.lt_u": "i64 i64 -> i32 = 54",
  "i64.gt_s": "i64 i64 -> i32 = 55",
  "i64.gt_u": "i64 i64 -> i32 = 56",
  "i64.le_s": "i64 i64 -> i32 = 57",
  "i64.le_u": "i64 i64 -> i32 = 58",
  "i64.ge_s": "i64 i64 -> i32 = 59",
  "i64.ge_u": "i64 i64 -> i32 = 5a",
  "f32.eq": "f32 f32 -> i32 = 5b",
  "f32.ne": "f32 f32 -> i32 = 5c",
  "f32.lt": "f32 f32 -> i32 = 5d",
  "f32.gt": "f32 f32 -> i32 = 5e",
  "f32.le": "f32 f32 -> i32 = 5f",
  "f32.ge": "f32 f32 -> i32 = 60",
  "f64.eq": "f64 f64 -> i32 = 61",
  "f64.ne": "f64 f64 -> i32 = 62",
  "f64.lt": "f64 f64 -> i32 = 63",
  "f64.gt": "f64 f64 -> i32 = 64",
  "f64.le": "f64 f64 -> i32 = 65",
  "f64.ge": "f64 f64 -> i32 = 66",
  "i32.clz": "i32 -> i32 = 67",
  "i32.ctz": "i32 -> i32 = 68",
  "i32.popcnt": "i32 -> i32 = 69",
  "i32.add": "i32 i32 -> i32 = 6a",
  "i32.sub": "i32 i32 -> i32 = 6b",
  "i32.mul": "i32 i32 -> i32 = 6c",
  "i32.div_s": "i32 i32 -> i32 = 6d",
  "i32.div_u": "i32 i32 -> i32 = 6e",
  "i32.rem_s": "i32 i32 -> i32 = 6f",
  "i32.rem_u": "i32 i32 -> i32 = 70",
  "i32.and": "i32 i32 -> i32 = 71",
  "i32.or": "i32 i32 -> i32 = 72",
  "i32.xor": "i32 i32 -> i32 = 73",
  "i32.shl": "i32 i32 -> i32 = 74",
  "i32.shr_s": "i32 i32 -> i32 = 75",
  "i32.shr_u": "i32 i32 -> i32 = 76",
  "i32.rotl": "i32 i32 -> i32 = 77",
  "i32.rotr": "i32 i32 -> i32 = 78",
  "i64.clz": "i64 -> i64 = 79",
  "i64.ctz": "i64 -> i64 = 7a",
  "i64.popcnt": "i64 -> i64 = 7b",
  "i64.add": "i64 i64 -> i64 = 7c",
  "i64.sub": "i64 i64 -> i64 = 7d",
  "i64.mul": "i64 i64 -> i64 = 7e",
  "i64.div_s": "i64 i64 -> i64 = 7f",
  "i64.div_u": "i64 i64 -> i64 = 80",
  "i64.rem_s": "i64 i64 -> i64 = 81",
  "i64.rem_u": "i64 i64 -> i64 = 82",
  "i64.and": "i64 i64 -> i64 = 83",
  "i64.or": "i64 i64 -> i64 = 84",
  "i64.xor": "i64 i64 -> i64 = 85",
  "i64.shl": "i64 i64 -> i64 = 86",
  "i64.shr_s": "i64 i64 -> i64 = 87",
  "i64.shr_u": "i64 i64 -> i64 = 88",
  "i64.rotl": "i64 i64 -> i64 = 89",
  "i64.rotr": "i64 i64 -> i64 = 8a",
  "f32.abs": "f32 -> f32 = 8b",
  "f32.neg": "f32 -> f32 = 8c",
  "f32.ceil": "f32 -> f32 = 8d",
  "f32.floor": "f32 -> f32 = 8e",
  "f32.trunc": "f32 -> f32 = 8f",
  "f32.nearest": "f32 -> f32 = 90",
  "f32.sqrt": "f32 -> f32 = 91",
  "f32.add": "f32 f32 -> f32 = 92",
  "f32.sub": "f32 f32 -> f32 = 93",
  "f32.mul": "f32 f32 -> f32 = 94",
  "f32.div": "f32 f32 -> f32 = 95",
  "f32.min": "f32 f32 -> f32 = 96",
  "f32.max": "f32 f32 -> f32 = 97",
  "f32.copysign": "f32 f32 -> f32 = 98",
  "f64.abs": "f64 -> f64 = 99",
  "f64.neg": "f64 -> f64 = 9a",
  "f64.ceil": "f64 -> f64 = 9b",
  "f64.floor": "f64 -> f64 = 9c",
  "f64.trunc": "f64 -> f64 = 9d",
  "f64.nearest": "f64 -> f64 = 9e",
  "f64.sqrt": "f64 -> f64 = 9f",
  "f64.add": "f64 f64 -> f64 = a0",
  "f64.sub": "f64 f64 -> f64 = a1",
  "f64.mul": "f64 f64 -> f64 = a2",
  "f64.div": "f64 f64 -> f64 = a3",
  "f64.min": "f64 f64 -> f64 = a4",
  "f64.max": "f64 f64 -> f64 = a5",
  "f64.copysign": "f64 f64 -> f64 = a6",
  "i32.wrap_i64": "i64 -> i32 = a7",
  "i64.extend_i32_s": "i32 -> i64 = ac",
  "i64.extend_i32_u": "i32 -> i64 = ad",
  "f32.convert_i32_s": "i32 -> f32 = b2",
  "f32.convert_i32_u": "i32 -> f32 = b3",
  "f32.convert_i64_s": "i64 -> f32 = b4",
  "f32.convert_i64_u": "i64 -> f32 = b5",
  "f32.demote_f64": "f64 -> f32 = b6",
  "f64.convert_i32_s": "i32 -> f64 = b7",
  "f64.convert_i32_u": "i32 -> f64 = b8",
  "f64.convert_i64_s": "i64 -> f64 = b9",
  "f64.convert_i64_u": "i64 -> f64 = ba",
  "f64.promote_f32": "f32 -> f64 = bb",
  "i32.reinterpret_f32": "f32 -> i32 = bc",
  "i64.reinterpret_f64": "f64 -> i64 = bd",
  "f32.reinterpret_i32": "i32 -> f32 = be",
  "f64.reinterpret_i64": "i64 -> f64 = bf",
  "i32.extend8_s": "i32 -> i32 = c0",
  "i32.extend16_s": "i32 -> i32 = c1",
  "i64.extend8_s": "i64 -> i64 = c2",
  "i64.extend16_s": "i64 -> i64 = c3",
  "i64.extend32_s": "i64 -> i64 = c4",
  "i32.trunc_sat_f32_s": "f32 -> i32 = fc 00",
  "i32.trunc_sat_f32_u": "f32 -> i32 = fc 01",
  "i32.trunc_sat_f64_s": "f64 -> i32 = fc 02",
  "i32.trunc_sat_f64_u": "f64 -> i32 = fc 03",
  "i64.trunc_sat_f32_s": "f32 -> i64 = fc 04",
  "i64.trunc_sat_f32_u": "f32 -> i64 = fc 05",
  "i64.trunc_sat_f64_s": "f64 -> i64 = fc 06",
  "i64.trunc_sat_f64_u": "f64 -> i64 = fc 07",
  "i16x8.splat": "i32 -> v128 = fd 10",
  "i32x4.splat": "i32 -> v128 = fd 11",
  "f32x4.splat": "f32 -> v128 = fd 13",
  "f64x2.splat": "f64 -> v128 = fd 14",
  "i32x4.ne": "v128 v128 -> v128 = fd 38",
  "i32x4.lt_u": "v128 v128 -> v128 = fd 3a",
  "i32x4.ge_s": "v128 v128 -> v128 = fd 3f",
  "f32x4.eq": "v128 v128 -> v128 = fd 41",
  "f32x4.ne": "v128 v128 -> v128 = fd 42",
  "f32x4.lt": "v128 v128 -> v128 = fd 43",
  "f32x4.gt": "v128 v128 -> v128 = fd 44",
  "f32x4.le": "v128 v128 -> v128 = fd 45",
  "f32x4.ge": "v128 v128 -> v128 = fd 46",
  "v128.not": "v128 -> v128 = fd 4d",
  "v128.and": "v128 v128 -> v128 = fd 4e",
  "v128.andnot": "v128 v128 -> v128 = fd 4f",
  "v128.or": "v128 v128 -> v128 = fd 50",
  "v128.xor": "v128 v128 -> v128 = fd 51",
  "v128.bitselect": "v128 v128 v128 -> v128 = fd 52",
  "v128.any_true": "v128 -> i32 = fd 53",
  "f64x2.promote_low_f32x4": "v128 -> v128 = fd 5f",
  "i8x16.narrow_i16x8_s": "v128 v128 -> v128 = fd 65",
  "i8x16.narrow_i16x8_u": "v128 v128 -> v128 = fd 66",
  "i8x16.shr_u": "v128 i32 -> v128 = fd 6d",
  "i8x16.max_s": "v128 v128 -> v128 = fd 78",
  "i8x16.max_u": "v128 v128 -> v128 = fd 79",
  "i8x16.add": "v128 v128 -> v128 = fd 6e",
  "i16x8.narrow_i32x4_s": "v128 v128 -> v128 = fd 85 01",
  "i16x8.narrow_i32x4_u": "v128 v128 -> v128 = fd 86 01",
  "i16x8.extend_low_i8x16_u": "v128 -> v128 = fd 89 01",
  "i16x8.extend_high_i8x16_u": "v128 -> v128 = fd 8a 01",
  "i16x8.shl": "v128 i32 -> v128 = fd 8b 01",
  "i16x8.shr_s": "v128 i32 -> v128 = fd 8c 01",
  "i16x8.shr_u": "v128 i32 -> v128 = fd 8d 01",
  "i16x8.add": "v128 v128 -> v128 = fd 8e 01",
  "i16x8.sub": "v128 v128 -> v128 = fd 91 01",
  "i16x8.mul": "v128 v128 -> v128 = fd 95 01",
  "i32x4.extend_low_i16x8_s": "v128 -> v128 = fd a7 01",
  "i32x4.extend_high_i16x8_s": "v128 -> v128 = fd a8 01",
  "i32x4.extend_low_i16x8_u": "v128 -> v128 = fd a9 01",
  "i32x4.extend_high_i16x8_u": "v128 -> v128 = fd aa 01",
  "i32x4.shl": "v128 i32 -> v128 = fd ab 01",
  "i32x4.shr_s": "v128 i32 -> v128 = fd ac 01",
  "i32x4.shr_u": "v128 i32 -> v128 = fd ad 01",
  "i32x4.add": "v128 v128 -> v128 = fd ae 01",
  "i32x4.sub": "v128 v128 -> v128 = fd b1 01",
  "i32x4.min_s": "v128 v128 -> v128 = fd b6 01",
  "i32x4.max_s": "v128 v128 -> v128 = fd b8 01",
  "i32x4.dot_i16x8_s": "v128 v128 -> v128 = fd ba 01",
  "f32x4.ceil": "v128 -> v128 = fd 67",
  "f32x4.floor": "v128 -> v128 = fd 68",
  "f32x4.trunc": "v128 -> v128 = fd 69",
  "f32x4.nearest": "v128 -> v128 = fd 6a",
  "f32x4.abs": "v128 -> v128 = fd e0 01",
  "f32x4.neg": "v128 -> v128 = fd e1 01",
  "f32x4.sqrt": "v128 -> v128 = fd e3 01",
  "f32x4.add": "v128 v128 -> v128 = fd e4 01",
  "f32x4.sub": "v128 v128 -> v128 = fd e5 01",
  "f32x4.mul": "v128 v128 -> v128 = fd e6 01",
  "f32x4.div": "v128 v128 -> v128 = fd e7 01",
  "f32x4.min": "v128 v128 -> v128 = fd e8 01",
  "f32x4.max": "v128 v128 -> v128 = fd e9 01",
  "f32x4.pmin": "v128 v128 -> v128 = fd ea 01",
  "f32x4.pmax": "v128 v128 -> v128 = fd eb 01",
  "f64x2.ne": "v128 v128 -> v128 = fd 48",
  "f64x2.nearest": "v128 -> v128 = fd 94 01",
  "f64x2.pmin": "v128 v128 -> v128 = fd f6 01",
  "f64x2.pmax": "v128 v128 -> v128 = fd f7 01",
  "f64x2.convert_low_i32x4_s": "v128 -> v128 = fd fe 01",
  "f32x4.demote_f64x2_zero": "v128 -> v128 = fd 5e",
  "i32x4.trunc_sat_f64x2_s_zero": "v128 -> v128 = fd fc 01",
  "f64x2.add": "v128 v128 -> v128 = fd f0 01",
  "f64x2.sub": "v128 v128 -> v128 = fd f1 01",
  "f64x2.mul": "v128 v128 -> v128 = fd f2 01",
  "f64x2.div": "v128 v128 -> v128 = fd f3 01",
  "f32x4.convert_i32x4_s": "v128 -> v128 = fd fa 01",
  "f32x4.relaxed_madd": "v128 v128 v128 -> v128 = fd 85 02",
} as const;

/** At `base + offset`. */
export const LOADS = {
  "i32.load": "i32 = 28",
  "i64.load": "i64 = 29",
  "f32.load": "f32 = 2a",
  "f64.load": "f64 = 2b",
  "i32.load8_s": "i32 = 2c",
  "i32.load8_u": "i32 = 2d",
  "i32.load16_s": "i32 = 2e",
  "i32.load16_u": "i32 = 2f",
  "v128.load": "v128 = fd 00",
  "v128.load8x8_s": "v128 = fd 01",
  "v128.load8x8_u": "v128 = fd 02",
  "v128.load16x4_s": "v128 = fd 03",
  "v128.load16x4_u": "v128 = fd 04",
  "v128.load32x2_s": "v128 = fd 05",
  "v128.load32x2_u": "v128 = fd 06",
  "v128.load8_splat": "v128 = fd 07",
  "v128.load16_splat": "v128 = fd 08",
  "v128.load32_splat": "v128 = fd 09",
  "v128.load64_splat": "v128 = fd 0a",
  "v128.load32_zero": "v128 = fd 5c",
  "v128.load64_zero": "v128 = fd 5d",
  "i32.atomic.load": "i32 = fe 10",
} as const;

export const STORES = {
  "i32.store": "i32 = 36",
  "i64.store": "i64 = 37",
  "f32.store": "f32 = 38",
  "f64.store": "f64 = 39",
  "i32.store8": "i32 = 3a",
  "i32.store16": "i32 = 3b",
  "v128.store": "v128 = fd 0b",
  "i32.atomic.store": "i32 = fe 17",
} as const;

/** One lane of a vector, read. */
export const EXTRACTS = {
  "i8x16.extract_lane_s": "i32 = fd 15",
  "i8x16.extract_lane_u": "i32 = fd 16",
  "i16x8.extract_lane_s": "i32 = fd 18",
  "i16x8.extract_lane_u": "i32 = fd 19",
  "i32x4.extract_lane": "i32 = fd 1b",
  "i64x2.extract_lane": "i64 = fd 1d",
  "f32x4.extract_lane": "f32 = fd 1f",
  "f64x2.extract_lane": "f64 = fd 21",
} as const;

/** A vector with one lane replaced. */
export const REPLACES = {
  "i8x16.replace_lane": "i32 = fd 17",
  "i16x8.replace_lane": "i32 = fd 1a",
  "i32x4.replace_lane": "i32 = fd 1c",
  "i64x2.replace_lane": "i64 = fd 1e",
  "f32x4.replace_lane": "f32 = fd 20",
  "f64x2.replace_lane": "f64 = fd 22",
} as const;

/** The types of `i32 v128`, as a tuple. */
type Types<S extends string> = S extends `${infer First extends ValueType} ${infer Rest}`
  ? readonly [First, ...Types<Rest>]
  : S extends ValueType
    ? readonly [S]
    : readonly [];

export type InstructionName = keyof typeof INSTRUCTIONS;
export type ParamsOf<N extends InstructionName> = (typeof INSTRUCTIONS)[N] extends `${infer P} -> ${string}` ? Types<P> : never;
export type ResultOf<N extends InstructionName> = (typeof INSTRUCTIONS)[N] extends `${string} -> ${infer R extends ValueType} = ${string}` ? R : never;

/** The type that a load, store or lane instruction moves. */
export type MovedBy<S extends string> = S extends `${infer T extends ValueType} = ${string}` ? T : never;

export interface Encoding {
  readonly opcode: readonly number[];
  readonly params: readonly ValueType[];
  readonly result: ValueType;
}

const known = new Map<string, Encoding>();

/** A row of a table, read. For a load, store or lane, `result` is the type that it moves. */
export function encodingOf(row: string): Encoding {
  let encoding = known.get(row);
  if (encoding === undefined) {
    const [types = "", bytes = ""] = row.split(" = ");
    const [params = "", result] = types.includes(" -> ") ? types.split(" -> ") : ["", types];
    encoding = {
      opcode: bytes.split(" ").map((byte) => Number.parseInt(byte, 16)),
      params: params === "" ? [] : params.split(" ").map(valueType),
      result: valueType(result ?? ""),
    };
    known.set(row, encoding);
  }
  return encoding;
}

function valueType(name: string): ValueType {
  if (name === "i32" || name === "i64" || name === "f32" || name === "f64" || name === "v128") return name;
  throw new RangeError(`${name} is no value type`);
}
