/**
 * float16 and bfloat16 by integer arithmetic, four at a time or one in all lanes: decoding is exact, rounding goes once to the nearest, ties to even. Bits are those of
 * `numeric/`: of a NaN float16 keeps the sign and bfloat16 nothing. No step takes or makes a subnormal number for a float16, which some processors are slow with.
 */

import type { Code, Value } from "../../wasm/code.ts";
import type { V128 } from "./emit.ts";
import { floatLiteral, holdLiterals, intLiteral, type Literal } from "./literals.ts";

export type Half = "float16" | "bfloat16";

export function isHalf(format: string): format is Half {
  return format === "float16" || format === "bfloat16";
}

/** What turns a fraction or an exponent of a float16 into that of a float32, and a sign of 16 bits into one of 32. */
const [FRACTION_SHIFT, SIGN_SHIFT] = [13, 16];
const [SIGN, HALF_SIGN] = [intLiteral(-2147483648), intLiteral(0x8000)];
/** 224 as an exponent: twice the difference of the biases. Taken back by a product, it makes infinity and NaN of the highest exponent. */
const [TWICE_BIAS, UNBIAS] = [intLiteral(224 << 23), floatLiteral(2 ** -112)];
const SMALLEST_NORMAL = floatLiteral(2 ** -14);
/** What all beyond float16 becomes, one power of two above its greatest. */
const BEYOND = floatLiteral(65536);
const EXPONENT = intLiteral(0x7f800000);
/** A sum with 2^13 times a power of two has as its last bit the one that float16 has there. */
const LIFT = intLiteral(FRACTION_SHIFT << 23);
/** Shifted biases of the lifted exponent of the least normal number, whose fraction has its leading bit. */
const LIFTED_BIAS = intLiteral((127 + FRACTION_SHIFT - 14) << 10);
const QUIET = intLiteral(0x200);
const [ONE, BELOW_HALF, UPPER] = [intLiteral(1), intLiteral(0x7fff), intLiteral(-65536)];
const [UPPER_NAN, BFLOAT16_NAN] = [intLiteral(0x7fc00000), intLiteral(0x7fc0)];

/** Constants of what a kernel does with each element. */
const CONSTANTS: Readonly<Record<Half, { readonly load: readonly Literal[]; readonly store: readonly Literal[] }>> = {
  float16: { load: [SIGN, TWICE_BIAS, UNBIAS, SMALLEST_NORMAL], store: [BEYOND, EXPONENT, SMALLEST_NORMAL, LIFT, LIFTED_BIAS, QUIET, HALF_SIGN] },
  bfloat16: { load: [], store: [ONE, BELOW_HALF, BFLOAT16_NAN] },
};

/** Keeps the constants at hand that decode and encode elements of the dtypes that a kernel loads and stores. */
export function holdHalves(c: Code, loaded: readonly string[], stored: readonly string[]): void {
  const used = [...loaded.filter(isHalf).flatMap((format) => CONSTANTS[format].load), ...stored.filter(isHalf).flatMap((format) => CONSTANTS[format].store)];
  holdLiterals(c, [...new Set(used)]);
}

const isNaN = (c: Code, x: V128): Value<"v128"> => c.op("f32x4.ne", c.get(x), c.get(x));

/** The numbers of four words that are elements' bits with their sign extended. */
export function emitDecode(c: Code, format: Half, bits: V128): Value<"v128"> {
  if (format === "bfloat16") return c.op("i32x4.shl", c.get(bits), c.i32(SIGN_SHIFT));
  const size = c.op("i32x4.shr_u", c.op("i32x4.shl", c.get(bits), c.i32(17)), c.i32(4)); // to the left by 13, without the sign
  const normal = c.hold(c.op("f32x4.mul", c.op("i32x4.add", size, TWICE_BIAS(c)), UNBIAS(c)));
  // Twice a number less 2^-14 is what a fraction without a leading bit stands for, and no less than any normal number.
  const subnormal = c.hold(c.op("f32x4.sub", c.op("f32x4.add", c.get(normal), c.get(normal)), SMALLEST_NORMAL(c)));
  return c.op("v128.or", c.op("f32x4.pmin", c.get(normal), c.get(subnormal)), c.op("v128.and", c.get(bits), SIGN(c)));
}

/** Of sizes up to 65536: the power of two to add, and the sum, which is rounded to float16. */
function lifted(c: Code, size: V128): readonly [power: V128, sum: V128] {
  const exponent = c.op("i32x4.max_s", c.op("v128.and", c.get(size), EXPONENT(c)), SMALLEST_NORMAL(c));
  const power = c.hold(c.op("i32x4.add", exponent, LIFT(c)));
  return [power, c.hold(c.op("f32x4.add", c.get(size), c.get(power)))];
}

/** bfloat16's bits in the upper half of each word, with what was rounded away below. */
function roundedUp(c: Code, x: V128): Value<"v128"> {
  const odd = c.op("v128.and", c.op("i32x4.shr_u", c.get(x), c.i32(SIGN_SHIFT)), ONE(c));
  return c.op("i32x4.add", c.op("i32x4.add", odd, BELOW_HALF(c)), c.get(x));
}

/** The bits of the nearest numbers of the format, in words. */
export function emitEncode(c: Code, format: Half, x: V128): Value<"v128"> {
  if (format === "bfloat16") return c.op("v128.bitselect", BFLOAT16_NAN(c), c.op("i32x4.shr_u", roundedUp(c, x), c.i32(SIGN_SHIFT)), isNaN(c, x));
  const size = c.hold(c.op("f32x4.pmin", BEYOND(c), c.op("f32x4.abs", c.get(x)))); // of NaN too
  const [power, sum] = lifted(c, size);
  const exponent = c.op("i32x4.sub", c.op("i32x4.shr_u", c.get(power), c.i32(FRACTION_SHIFT)), LIFTED_BIAS(c));
  const bits = c.op("i32x4.add", exponent, c.op("i32x4.sub", c.get(sum), c.get(power)));
  const quiet = c.op("v128.or", bits, c.op("v128.and", isNaN(c, x), QUIET(c)));
  return c.op("v128.or", quiet, c.op("v128.and", c.op("i32x4.shr_u", c.get(x), c.i32(SIGN_SHIFT)), HALF_SIGN(c)));
}

/** The nearest numbers of the format. */
export function emitRound(c: Code, format: Half, x: V128): Value<"v128"> {
  if (format === "bfloat16") return c.op("v128.bitselect", UPPER_NAN(c), c.op("v128.and", roundedUp(c, x), UPPER(c)), isNaN(c, x));
  const size = c.hold(c.op("f32x4.pmin", c.op("f32x4.abs", c.get(x)), BEYOND(c)));
  const [power, sum] = lifted(c, size);
  const rounded = c.hold(c.op("f32x4.sub", c.get(sum), c.get(power)));
  const beyond = c.op("v128.and", c.op("f32x4.ge", c.get(rounded), BEYOND(c)), EXPONENT(c));
  return c.op("v128.or", c.op("v128.or", beyond, c.get(rounded)), c.op("v128.and", c.get(x), SIGN(c)));
}

/** The number of one element's bits. */
export function decodeOne(c: Code, format: Half, bits: Value<"i32">): Value<"f32"> {
  return c.extract("f32x4.extract_lane", emitDecode(c, format, c.hold(c.op("i32x4.splat", bits))), 0);
}
/** The bits of the number nearest to one. */
export function encodeOne(c: Code, format: Half, x: Value<"f32">): Value<"i32"> {
  return c.extract("i32x4.extract_lane", emitEncode(c, format, c.hold(c.op("f32x4.splat", x))), 0);
}
/** The number of the format nearest to one. */
export function roundOne(c: Code, format: Half, x: Value<"f32">): Value<"f32"> {
  return c.extract("f32x4.extract_lane", emitRound(c, format, c.hold(c.op("f32x4.splat", x))), 0);
}

/** A double cut off to a float32 whose last bit says whether anything was lost, so that rounding it further rounds once. */
export function emitSticky(c: Code, x: Value<"f64">): Value<"f32"> {
  const wide = c.hold(x);
  const near = c.hold(c.op("f32.demote_f64", c.get(wide)));
  const back = c.hold(c.op("f64.promote_f32", c.get(near)));
  const above = c.op("f64.gt", c.op("f64.abs", c.get(back)), c.op("f64.abs", c.get(wide)));
  const isAbove = c.hold(above);
  const cut = c.op("i32.or", c.op("i32.sub", c.op("i32.reinterpret_f32", c.get(near)), c.get(isAbove)), c.i32(1));
  return c.select(c.op("f32.reinterpret_i32", cut), c.get(near), c.op("f64.ne", c.get(back), c.get(wide)));
}
