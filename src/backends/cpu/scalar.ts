/**
 * The meaning of every scalar operation on the CPU, once as JavaScript text and once as a function: the printer uses the
 * one, the closure composer the other, and a property test holds them to the same bits.
 */

import type { BinaryOp, ExprType, UnaryOp } from "../../expr/expr.ts";
import { binaryMeaning, type SpecialBinary, type SpecialUnary, unaryMeaning } from "../../expr/meanings.ts";
import { exp2, nextafter, nextafter32, pow } from "../../numeric/elementary.ts";
import { erf } from "../../numeric/error-function.ts";

export type Scalar = number | bigint | boolean;
export type Fn1 = (a: Scalar) => Scalar;
export type Fn2 = (a: Scalar, b: Scalar) => Scalar;

// The expression builder has checked the operand types, so these four views of untyped scalars are sound.
const num1 = (f: (a: number) => Scalar): Fn1 => (a) => f(a as number);
const big1 = (f: (a: bigint) => Scalar): Fn1 => (a) => f(a as bigint);
const num2 = (f: (a: number, b: number) => Scalar): Fn2 => (a, b) => f(a as number, b as number);
const big2 = (f: (a: bigint, b: bigint) => Scalar): Fn2 => (a, b) => f(a as bigint, b as bigint);

const isBig = (t: ExprType): boolean => t === "i64" || t === "u64";
const isFloat = (t: ExprType): boolean => t === "f32" || t === "f64";

/** Text that brings an exact result back into its type. */
export function wrapText(t: ExprType, s: string): string {
  switch (t) {
    case "f32": return `$f(${s})`;
    case "i8": return `(${s}<<24>>24)`;
    case "i16": return `(${s}<<16>>16)`;
    case "i32": return `(${s}|0)`;
    case "u8": return `(${s}&255)`;
    case "u16": return `(${s}&65535)`;
    case "u32": return `(${s}>>>0)`;
    case "i64": return `$i64(64,${s})`;
    case "u64": return `$u64(64,${s})`;
    default: return `(${s})`;
  }
}
function wrapNumber(t: ExprType): (x: number) => number {
  switch (t) {
    case "f32": return Math.fround;
    case "i8": return (x) => (x << 24) >> 24;
    case "i16": return (x) => (x << 16) >> 16;
    case "i32": return (x) => x | 0;
    case "u8": return (x) => x & 255;
    case "u16": return (x) => x & 65535;
    case "u32": return (x) => x >>> 0;
    default: return (x) => x;
  }
}
const wrapBig = (t: ExprType): ((x: bigint) => bigint) => (t === "i64" ? (x) => BigInt.asIntN(64, x) : (x) => BigInt.asUintN(64, x));

/** Special functions that printed kernels call: a few of everyday, and those that a kernel has been printed with. */
const SPECIAL: { [name in SpecialUnary | SpecialBinary | "erf" | "exp2" | "pow" | "nextafter" | "nextafter32"]?: (x: number, y: number) => number } = {
  erf, exp2, pow, nextafter, nextafter32,
};

/** Functions that printed kernels call, by name. */
export const RUNTIME: Readonly<Record<string, unknown>> = {
  f: Math.fround, i64: BigInt.asIntN, u64: BigInt.asUintN, M: Math, sp: SPECIAL,
  rint, nmin, nmax, fmin, fmax, remainder, floordiv, quot64, rem64, floordiv64, remainder64, quot, rem, ifloordiv, iremainder,
  ipow, ipow64, shl, shr, shl64, shr64, copysign, sign, toI32, toI64, toU64, gcd, gcd64, signbit, satInt, satBig,
};

const TWO31 = 2147483648;
function rint(x: number): number {
  if (!(Math.abs(x) < 4503599627370496)) return x;
  const r = Math.round(x);
  return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r === 0 ? (x < 0 || Object.is(x, -0) ? -0 : 0) : r;
}
function nmin(a: number, b: number): number {
  return Math.min(a, b);
}
function nmax(a: number, b: number): number {
  return Math.max(a, b);
}
function fmin(a: number, b: number): number {
  return a !== a ? b : b !== b ? a : Math.min(a, b);
}
function fmax(a: number, b: number): number {
  return a !== a ? b : b !== b ? a : Math.max(a, b);
}
/** Python's remainder: the sign of the divisor (torch.remainder). */
function remainder(a: number, b: number): number {
  const m = a % b;
  return m !== 0 && b < 0 !== m < 0 ? m + b : m;
}
/** torch.floor_divide of floats: exact multiples stay exact. */
function floordiv(a: number, b: number): number {
  if (b === 0) return a / b;
  const m = a % b;
  let d = (a - m) / b;
  if (m !== 0 && b < 0 !== m < 0) d -= 1;
  if (d === 0) return copysign(0, a / b);
  const f = Math.floor(d);
  return d - f > 0.5 ? f + 1 : f;
}
function quot(a: number, b: number): number {
  return b === 0 ? 0 : Math.trunc(a / b);
}
function rem(a: number, b: number): number {
  return b === 0 ? 0 : a % b;
}
function ifloordiv(a: number, b: number): number {
  return b === 0 ? 0 : Math.floor(a / b);
}
function iremainder(a: number, b: number): number {
  return b === 0 ? 0 : a - b * Math.floor(a / b);
}
function quot64(a: bigint, b: bigint): bigint {
  return b === 0n ? 0n : a / b;
}
function rem64(a: bigint, b: bigint): bigint {
  return b === 0n ? 0n : a % b;
}
function floordiv64(a: bigint, b: bigint): bigint {
  if (b === 0n) return 0n;
  const q = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? q - 1n : q;
}
function remainder64(a: bigint, b: bigint): bigint {
  if (b === 0n) return 0n;
  const m = a % b;
  return m !== 0n && m < 0n !== b < 0n ? m + b : m;
}
/** Integer power by squaring; negative exponents give 0 but for bases 1 and -1 (at::native::powi). */
function ipow(a: number, b: number): number {
  if (b < 0) return a === 1 ? 1 : a === -1 ? (b % 2 === 0 ? 1 : -1) : 0;
  let result = 1;
  let base = a | 0;
  for (let e = b; e > 0; e = Math.floor(e / 2)) {
    if (e % 2 === 1) result = Math.imul(result, base);
    base = Math.imul(base, base);
  }
  return result;
}
function ipow64(a: bigint, b: bigint): bigint {
  if (b < 0n) return a === 1n ? 1n : a === -1n ? (b % 2n === 0n ? 1n : -1n) : 0n;
  let result = 1n;
  let base = a;
  for (let e = b; e > 0n; e >>= 1n) {
    if (e & 1n) result = BigInt.asUintN(64, result * base);
    base = BigInt.asUintN(64, base * base);
  }
  return result;
}
function shl(a: number, b: number, bits: number): number {
  return b < 0 || b >= bits ? 0 : a << b;
}
function shr(a: number, b: number, bits: number): number {
  return b < 0 || b >= bits ? (a < 0 ? -1 : 0) : a >> b;
}
function shl64(a: bigint, b: bigint): bigint {
  return b < 0n || b >= 64n ? 0n : a << b;
}
function shr64(a: bigint, b: bigint): bigint {
  return b < 0n || b >= 64n ? (a < 0n ? -1n : 0n) : a >> b;
}
function signbit(x: number): boolean {
  return x < 0 || Object.is(x, -0);
}
function copysign(a: number, b: number): number {
  return signbit(b) ? -Math.abs(a) : Math.abs(a);
}
function sign(x: number): number {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}
/** Truncation as the x86 conversion has it: out of range and NaN give the most negative number. */
function toI32(x: number): number {
  const t = Math.trunc(x);
  return t >= -TWO31 && t < TWO31 ? t : -TWO31;
}
function toI64(x: number): bigint {
  const t = Math.trunc(x);
  return t >= -9223372036854775808 && t < 9223372036854775808 ? BigInt(t) : -9223372036854775808n;
}
function toU64(x: number): bigint {
  const t = Math.trunc(x);
  return t >= 0 && t < 18446744073709551616 ? BigInt(t) : BigInt.asUintN(64, toI64(x));
}
function gcd(a: number, b: number): number {
  let [x, y] = [Math.abs(a), Math.abs(b)];
  while (y !== 0) [x, y] = [y, x % y];
  return x;
}
function gcd64(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
const RANGES: Partial<Record<ExprType, readonly [number, number]>> = {
  i8: [-128, 127], u8: [0, 255], i16: [-32768, 32767], u16: [0, 65535], i32: [-2147483648, 2147483647], u32: [0, 4294967295],
};
function satInt(x: number, low: number, high: number): number {
  return x !== x ? 0 : Math.min(Math.max(Math.trunc(x), low), high);
}
function satBig(x: number, signed: boolean): bigint {
  if (x !== x) return 0n;
  const [low, high] = signed ? [-(2n ** 63n), 2n ** 63n - 1n] : [0n, 2n ** 64n - 1n];
  if (x <= Number(low)) return low;
  return x >= Number(high) ? high : BigInt(Math.trunc(x));
}

interface Op1 {
  readonly text: (t: ExprType, a: string) => string;
  readonly make: (t: ExprType) => Fn1;
}
interface Op2 {
  readonly text: (t: ExprType, a: string, b: string) => string;
  readonly make: (t: ExprType) => Fn2;
}

/** A real function of Math or `special`, rounded to the type. */
/** A function whose meaning an op has brought by the time that it is compiled. */
function special1(fn: SpecialUnary): Op1 {
  return {
    text: (t, a) => {
      SPECIAL[fn] ??= unaryMeaning(fn);
      return wrapText(t, `$sp.${fn}(${a})`);
    },
    make: (t) => float1("", unaryMeaning(fn)).make(t),
  };
}
function special2(fn: SpecialBinary): Op2 {
  return {
    text: (t, a, b) => {
      SPECIAL[fn] ??= binaryMeaning(fn);
      return wrapText(t, `$sp.${fn}(${a},${b})`);
    },
    make: (t) => float2("", binaryMeaning(fn)).make(t),
  };
}
function float1(call: string, f: (x: number) => number): Op1 {
  return {
    text: (t, a) => wrapText(t, `${call}(${a})`),
    make: (t) => {
      const w = wrapNumber(t);
      return num1((x) => w(f(x)));
    },
  };
}
function predicate(text: (a: string) => string, f: (x: number) => boolean): Op1 {
  return { text: (_t, a) => text(a), make: () => num1(f) };
}

/** log2 and log10 exact at powers, as the C library's are. */
export const UNARY: Readonly<Record<UnaryOp, Op1>> = {
  neg: {
    text: (t, a) => (t === "bool" ? a : wrapText(t, `-${a}`)),
    make: (t) => {
      if (isBig(t)) {
        const w = wrapBig(t);
        return big1((x) => w(-x));
      }
      const w = wrapNumber(t);
      return t === "bool" ? (x) => x : num1((x) => w(-x));
    },
  },
  abs: {
    text: (t, a) => (isBig(t) ? wrapText(t, `${a}<0n?-${a}:${a}`) : t === "bool" ? a : wrapText(t, `Math.abs(${a})`)),
    make: (t) => {
      if (isBig(t)) {
        const w = wrapBig(t);
        return big1((x) => w(x < 0n ? -x : x));
      }
      const w = wrapNumber(t);
      return t === "bool" ? (x) => x : num1((x) => w(Math.abs(x)));
    },
  },
  not: { text: (_t, a) => `(!${a})`, make: () => (x) => !x },
  bitnot: {
    text: (t, a) => (t === "bool" ? `(!${a})` : wrapText(t, `~${a}`)),
    make: (t) => {
      if (isBig(t)) {
        const w = wrapBig(t);
        return big1((x) => w(~x));
      }
      const w = wrapNumber(t);
      return t === "bool" ? (x) => !x : num1((x) => w(~x));
    },
  },
  sign: {
    text: (t, a) => (isBig(t) ? `(${a}>0n?1n:${a}<0n?-1n:0n)` : `$sign(${a})`),
    make: (t) => (isBig(t) ? big1((x) => (x > 0n ? 1n : x < 0n ? -1n : 0n)) : num1(sign)),
  },
  floor: float1("Math.floor", Math.floor), ceil: float1("Math.ceil", Math.ceil), trunc: float1("Math.trunc", Math.trunc), rint: float1("$rint", rint),
  sqrt: float1("Math.sqrt", Math.sqrt),
  isnan: predicate((a) => `(${a}!==${a})`, (x) => x !== x),
  isinf: predicate((a) => `(${a}===Infinity||${a}===-Infinity)`, (x) => x === Infinity || x === -Infinity),
  isfinite: predicate((a) => `(${a}-${a}===0)`, (x) => x - x === 0),
  signbit: predicate((a) => `$signbit(${a})`, signbit),
  exp: float1("Math.exp", Math.exp), exp2: float1("$sp.exp2", exp2), expm1: float1("Math.expm1", Math.expm1),
  log: float1("Math.log", Math.log), log2: float1("Math.log2", Math.log2), log10: float1("Math.log10", Math.log10), log1p: float1("Math.log1p", Math.log1p),
  sin: float1("Math.sin", Math.sin), cos: float1("Math.cos", Math.cos), tan: float1("Math.tan", Math.tan),
  asin: float1("Math.asin", Math.asin), acos: float1("Math.acos", Math.acos), atan: float1("Math.atan", Math.atan),
  sinh: float1("Math.sinh", Math.sinh), cosh: float1("Math.cosh", Math.cosh), tanh: float1("Math.tanh", Math.tanh),
  asinh: float1("Math.asinh", Math.asinh), acosh: float1("Math.acosh", Math.acosh), atanh: float1("Math.atanh", Math.atanh),
  erf: float1("$sp.erf", erf), erfc: special1("erfc"), erfinv: special1("erfinv"), erfcx: special1("erfcx"),
  lgamma: special1("lgamma"), digamma: special1("digamma"),
  i0: special1("i0"), i0e: special1("i0e"), i1: special1("i1"), i1e: special1("i1e"),
  ndtri: special1("ndtri"), logndtr: special1("logndtr"), ndtr: special1("ndtr"),
  j0: special1("j0"), j1: special1("j1"), y0: special1("y0"), y1: special1("y1"),
  k0: special1("k0"), k1: special1("k1"), k0e: special1("k0e"), k1e: special1("k1e"),
  airyai: special1("airyai"), sphericalj0: special1("sphericalj0"),
};

/** Plain arithmetic: one text and two functions, for numbers and for bigints. */
function arithmetic(op: string, n: (a: number, b: number) => number, b: (x: bigint, y: bigint) => bigint, bool: "||" | "&&" | "!=="): Op2 {
  return {
    text: (t, x, y) => (t === "bool" ? `(${x}${bool}${y})` : t === "i32" && op === "*" ? `Math.imul(${x},${y})` : t === "u32" && op === "*" ? `(Math.imul(${x},${y})>>>0)` : wrapText(t, `${x}${op}${y}`)),
    make: (t) => {
      if (t === "bool") return bool === "||" ? (x, y) => x || y : bool === "&&" ? (x, y) => x && y : (x, y) => x !== y;
      if (isBig(t)) {
        const w = wrapBig(t);
        return big2((x, y) => w(b(x, y)));
      }
      if (op === "*" && t === "i32") return num2(Math.imul);
      if (op === "*" && t === "u32") return num2((x, y) => Math.imul(x, y) >>> 0);
      const w = wrapNumber(t);
      return num2((x, y) => w(n(x, y)));
    },
  };
}
/** A function with one form for floats, one for small integers and one for 64-bit ones, each by name in the runtime. */
function divided(float: readonly [string, (a: number, b: number) => number], int: readonly [string, (a: number, b: number) => number], big: readonly [string, (a: bigint, b: bigint) => bigint]): Op2 {
  return {
    text: (t, a, b) => wrapText(t, `${isBig(t) ? big[0] : isFloat(t) ? float[0] : int[0]}(${a},${b})`),
    make: (t) => {
      if (isBig(t)) {
        const w = wrapBig(t);
        return big2((x, y) => w(big[1](x, y)));
      }
      const w = wrapNumber(t);
      const f = isFloat(t) ? float[1] : int[1];
      return num2((x, y) => w(f(x, y)));
    },
  };
}
function float2(call: string, f: (a: number, b: number) => number): Op2 {
  return {
    text: (t, a, b) => wrapText(t, `${call}(${a},${b})`),
    make: (t) => {
      const w = wrapNumber(t);
      return num2((x, y) => w(f(x, y)));
    },
  };
}
/** Comparisons hold for numbers and bigints alike. */
function compare(op: string, f: Fn2): Op2 {
  return { text: (_t, a, b) => `(${a}${op}${b})`, make: () => f };
}
function extremum(name: "min" | "max", propagate: boolean): Op2 {
  const f = propagate ? (name === "min" ? nmin : nmax) : name === "min" ? fmin : fmax;
  const call = propagate ? `Math.${name}` : `$f${name}`;
  return {
    text: (t, a, b) => (t === "bool" ? `(${a}${name === "min" ? "&&" : "||"}${b})` : isBig(t) ? `(${a}${name === "min" ? "<" : ">"}${b}?${a}:${b})` : isFloat(t) ? `${call}(${a},${b})` : `Math.${name}(${a},${b})`),
    make: (t) => {
      if (t === "bool") return name === "min" ? (a, b) => a && b : (a, b) => a || b;
      if (isBig(t)) return name === "min" ? big2((a, b) => (a < b ? a : b)) : big2((a, b) => (a > b ? a : b));
      return num2(f);
    },
  };
}
const BITS: Partial<Record<ExprType, number>> = { i8: 8, u8: 8, i16: 16, u16: 16, i32: 32, u32: 32 };
function shift(name: "shl" | "shr"): Op2 {
  const small = name === "shl" ? shl : shr;
  const big = name === "shl" ? shl64 : shr64;
  return {
    text: (t, a, b) => wrapText(t, isBig(t) ? `$${name}64(${a},${b})` : `$${name}(${a},${b},${BITS[t] ?? 32})`),
    make: (t) => {
      if (isBig(t)) {
        const w = wrapBig(t);
        return big2((x, y) => w(big(x, y)));
      }
      const w = wrapNumber(t);
      const bits = BITS[t] ?? 32;
      return num2((x, y) => w(small(x, y, bits)));
    },
  };
}

export const BINARY: Readonly<Record<BinaryOp, Op2>> = {
  add: arithmetic("+", (a, b) => a + b, (a, b) => a + b, "||"),
  sub: arithmetic("-", (a, b) => a - b, (a, b) => a - b, "!=="),
  mul: arithmetic("*", (a, b) => a * b, (a, b) => a * b, "&&"),
  div: divided(["$div", (a, b) => a / b], ["$quot", quot], ["$quot64", quot64]),
  quot: divided(["$quot", quot], ["$quot", quot], ["$quot64", quot64]),
  rem: divided(["$rem", rem], ["$rem", rem], ["$rem64", rem64]),
  fmod: divided(["$fmod", (a, b) => a % b], ["$rem", rem], ["$rem64", rem64]),
  remainder: divided(["$remainder", remainder], ["$iremainder", iremainder], ["$remainder64", remainder64]),
  floordiv: divided(["$floordiv", floordiv], ["$ifloordiv", ifloordiv], ["$floordiv64", floordiv64]),
  min: extremum("min", true), max: extremum("max", true), fmin: extremum("min", false), fmax: extremum("max", false),
  pow: divided(["$sp.pow", pow], ["$ipow", ipow], ["$ipow64", ipow64]),
  atan2: float2("Math.atan2", Math.atan2), hypot: float2("Math.hypot", Math.hypot), copysign: float2("$copysign", copysign),
  nextafter: {
    text: (t, a, b) => `$sp.${t === "f32" ? "nextafter32" : "nextafter"}(${a},${b})`,
    make: (t) => num2(t === "f32" ? nextafter32 : nextafter),
  },
  zeta: special2("zeta"), igamma: special2("igamma"), igammac: special2("igammac"),
  polygamma: special2("polygamma"),
  gcd: divided(["$gcd", gcd], ["$gcd", gcd], ["$gcd64", gcd64]),
  bitand: arithmetic("&", (a, b) => a & b, (a, b) => a & b, "&&"),
  bitor: arithmetic("|", (a, b) => a | b, (a, b) => a | b, "||"),
  bitxor: arithmetic("^", (a, b) => a ^ b, (a, b) => a ^ b, "!=="),
  shl: shift("shl"), shr: shift("shr"),
  eq: compare("===", (a, b) => a === b), ne: compare("!==", (a, b) => a !== b), lt: compare("<", (a, b) => a < b),
  le: compare("<=", (a, b) => a <= b), gt: compare(">", (a, b) => a > b), ge: compare(">=", (a, b) => a >= b),
  and: compare("&&", (a, b) => a && b), or: compare("||", (a, b) => a || b), xor: compare("!==", (a, b) => a !== b),
  chebyshevT: special2("chebyshevT"), chebyshevU: special2("chebyshevU"),
  chebyshevV: special2("chebyshevV"), chebyshevW: special2("chebyshevW"),
  chebyshevTs: special2("chebyshevTs"), chebyshevUs: special2("chebyshevUs"),
  chebyshevVs: special2("chebyshevVs"), chebyshevWs: special2("chebyshevWs"),
  hermiteH: special2("hermiteH"), hermiteHe: special2("hermiteHe"),
  laguerreL: special2("laguerreL"), legendreP: special2("legendreP"),
};

/** `op(a, b)` as text; true division and fmod of floats are plain operators. */
export function binaryText(fn: BinaryOp, t: ExprType, a: string, b: string): string {
  if (isFloat(t) && fn === "div") return wrapText(t, `${a}/${b}`);
  if (isFloat(t) && fn === "fmod") return wrapText(t, `${a}%${b}`);
  return BINARY[fn].text(t, a, b);
}

/** Conversion between types, as text. */
export function castText(from: ExprType, to: ExprType, a: string, saturate: boolean): string {
  if (from === to) return a;
  if (to === "bool") return isBig(from) ? `(${a}!==0n)` : `(${a}!==0)`;
  if (from === "bool") return isBig(to) ? `(${a}?1n:0n)` : `(${a}?1:0)`;
  if (isBig(to)) {
    if (isBig(from)) return wrapText(to, a);
    if (isFloat(from)) return saturate ? `$satBig(${a},${to === "i64"})` : to === "i64" ? `$toI64(${a})` : `$toU64(${a})`;
    return to === "u64" ? `$u64(64,BigInt(${a}))` : `BigInt(${a})`;
  }
  if (isBig(from)) {
    if (to === "f32") return `$f(Number(${a}))`;
    if (to === "f64" || to === "index") return `Number(${a})`;
    return wrapText(to, `Number($i64(32,${a}))`);
  }
  if (to === "f64") return a;
  if (to === "f32") return from === "f64" || from === "i32" || from === "u32" || from === "index" ? `$f(${a})` : a;
  if (to === "index") return isFloat(from) ? `Math.trunc(${a})` : a;
  const range = RANGES[to];
  if (saturate && isFloat(from) && range !== undefined) return `$satInt(${a},${range[0]},${range[1]})`;
  if (isFloat(from)) {
    if (to === "i32" || to === "i8" || to === "i16") return wrapText(to, `$toI32(${a})`);
    return wrapText(to, `Number($i64(32,$toI64(${a})))`);
  }
  return wrapText(to, from === "index" ? `${a}%4294967296` : a);
}

/** The same conversion as a function. */
export function castFn(from: ExprType, to: ExprType, saturate: boolean): Fn1 {
  if (from === to) return (x) => x;
  if (to === "bool") return isBig(from) ? (x) => x !== 0n : (x) => x !== 0;
  if (from === "bool") return isBig(to) ? (x) => (x ? 1n : 0n) : (x) => (x ? 1 : 0);
  if (isBig(to)) {
    const w = wrapBig(to);
    if (isBig(from)) return big1(w);
    if (isFloat(from)) return saturate ? num1((x) => satBig(x, to === "i64")) : num1(to === "i64" ? toI64 : toU64);
    return num1((x) => w(BigInt(x)));
  }
  const w = wrapNumber(to);
  if (isBig(from)) return to === "f32" || to === "f64" || to === "index" ? big1((x) => w(Number(x))) : big1((x) => w(Number(BigInt.asIntN(32, x))));
  if (to === "f64" || to === "f32") return num1(w);
  if (to === "index") return isFloat(from) ? num1(Math.trunc) : (x) => x;
  const range = RANGES[to];
  if (saturate && isFloat(from) && range !== undefined) return num1((x) => satInt(x, range[0], range[1]));
  if (isFloat(from)) {
    if (to === "i32" || to === "i8" || to === "i16") return num1((x) => w(toI32(x)));
    return num1((x) => w(Number(BigInt.asIntN(32, toI64(x)))));
  }
  return num1((x) => w(from === "index" ? x % 4294967296 : x));
}
