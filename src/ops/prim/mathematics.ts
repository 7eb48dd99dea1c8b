/** Functions of Python numbers: `math.sqrt`, `abs`, `max`, rounding and their kin, on every kind of number that their overloads take. */

import { canonicalInt, type Complex, type Datum } from "../../ir/datum.ts";
import {
  complexAbs, complexAcos, complexAcosh, complexAngle, complexAsin, complexAsinh, complexAtan, complexAtanh, complexCos, complexCosh, complexDiv, complexExp,
  complexLog, complexLog10, complexSin, complexSinh, complexSqrt, complexTan, complexTanh, type Pair,
} from "../../numeric/complex.ts";
import { erf, erfc, gamma, lgamma } from "../../numeric/special.ts";
import { dataOp, type Op } from "../define.ts";
import { boolOf, complex, complexOf, floatOf, type Int, intOf, listOf, raised, scalarOf, truncated } from "./data.ts";

type Real = (x: number) => number;
type OnPairs = (re: number, im: number, out: Pair) => void;

/** Halves go to the even neighbour. */
function rint(x: number): number {
  if (!(Math.abs(x) < 4503599627370496)) return x;
  const r = Math.round(x);
  if (r - x === 0.5 && r % 2 !== 0) return r - 1;
  return r === 0 && (x < 0 || Object.is(x, -0)) ? -0 : r;
}

const FUNCTIONS: Readonly<Record<string, readonly [Real, OnPairs?]>> = {
  sqrt: [Math.sqrt, complexSqrt], exp: [Math.exp, complexExp], sin: [Math.sin, complexSin], cos: [Math.cos, complexCos], tan: [Math.tan, complexTan],
  sinh: [Math.sinh, complexSinh], cosh: [Math.cosh, complexCosh], tanh: [Math.tanh, complexTanh], asin: [Math.asin, complexAsin], acos: [Math.acos, complexAcos],
  atan: [Math.atan, complexAtan], asinh: [Math.asinh, complexAsinh], acosh: [Math.acosh, complexAcosh], atanh: [Math.atanh, complexAtanh],
  log10: [Math.log10, complexLog10], log1p: [Math.log1p], expm1: [Math.expm1], erf: [erf], erfc: [erfc], gamma: [gamma], lgamma: [lgamma],
  degrees: [(x) => x * (180 / Math.PI)], radians: [(x) => x * (Math.PI / 180)], fabs: [Math.abs], round: [rint], log: [Math.log, complexLog],
};

function onPair(f: OnPairs): (z: Datum | undefined) => Datum {
  return (z) => {
    const { re, im } = complexOf(z);
    const out: Pair = [0, 0];
    f(re, im, out);
    return complex(out[0], out[1]);
  };
}

function unaries(): Op[] {
  const ops: Op[] = [];
  for (const [name, [real, pairs]] of Object.entries(FUNCTIONS)) {
    const onNumber = ([a]: readonly Datum[]): Datum => real(floatOf(a));
    ops.push(dataOp(`aten::${name}.int(int a) -> float`, onNumber), dataOp(`aten::${name}.float(float a) -> float`, onNumber));
    const onComplex = pairs === undefined ? undefined : onPair(pairs);
    if (onComplex !== undefined) ops.push(dataOp(`aten::${name}.complex(complex a) -> complex`, ([a]) => onComplex(a)));
    ops.push(dataOp(`aten::${name}.Scalar(Scalar a) -> Scalar`, ([a]) => {
      const x = scalarOf(a);
      if (x.kind === "complex" && onComplex !== undefined) return onComplex(x);
      // Of a boxed number LibTorch keeps single precision.
      return { kind: "float", value: Math.fround(real(floatOf(x))) };
    }));
  }
  return ops;
}

/** To an int of C's own width, which is what rounding a boxed number gives in LibTorch. */
function narrowInt(x: Int): number {
  if (typeof x === "bigint" || Number.isSafeInteger(x)) return Number(BigInt.asIntN(32, BigInt(x)));
  return -2147483648;
}

/** To an int: the rounded value must be one. */
function toInt(round: Real): (x: number) => Int {
  return (x) => {
    const r = round(x);
    if (Number.isNaN(r)) throw raised("Cannot convert float nan to integer");
    if (!(Math.abs(r) <= 2 ** 63)) throw raised(`Cannot convert float ${Number.isFinite(r) ? r.toFixed(6) : r > 0 ? "inf" : "-inf"} to integer`);
    return truncated(r);
  };
}

function roundings(): Op[] {
  return ([["floor", Math.floor], ["ceil", Math.ceil]] as const).flatMap(([name, f]) => [
    // Ints pass through a double, as in LibTorch.
    dataOp(`aten::${name}.int(int a) -> int`, ([a]) => truncated(floatOf(a))),
    dataOp(`aten::${name}.float(float a) -> int`, ([a]) => toInt(f)(floatOf(a))),
    dataOp(`aten::${name}.Scalar(Scalar a) -> Scalar`, ([a]) => {
      const x = scalarOf(a);
      return { kind: "int", value: narrowInt(x.kind === "float" ? toInt(f)(x.value) : truncated(floatOf(x))) };
    }),
  ]);
}

const negated = (a: Int): Int => (typeof a === "number" ? 0 - a : canonicalInt(-a));
const magnitude = (a: Int): Int => (a < 0 ? negated(a) : a);

function signs(): Op[] {
  return [
    dataOp("aten::neg.int(int a) -> int", ([a]) => negated(intOf(a))),
    dataOp("aten::neg.float(float a) -> float", ([a]) => -floatOf(a)),
    dataOp("aten::neg.complex(complex a) -> complex", ([a]) => complex(-complexOf(a).re, -complexOf(a).im)),
    dataOp("aten::neg.Scalar(Scalar a) -> Scalar", ([a]) => {
      const x = scalarOf(a);
      if (x.kind === "complex") return complex(-x.re, -x.im);
      return x.kind === "float" ? { kind: "float", value: Math.fround(-x.value) } : { kind: "int", value: narrowInt(negated(intOf(x))) };
    }),
    dataOp("prim::abs.int(int a) -> int", ([a]) => magnitude(intOf(a))),
    dataOp("prim::abs.float(float a) -> float", ([a]) => Math.abs(floatOf(a))),
    dataOp("prim::abs.complex(complex a) -> float", ([a]) => complexAbs(complexOf(a).re, complexOf(a).im)),
    dataOp("prim::abs.Scalar(Scalar a) -> Scalar", ([a]) => {
      const x = scalarOf(a);
      if (x.kind === "complex") return { kind: "float", value: complexAbs(x.re, x.im) };
      return x.kind === "float" ? { kind: "float", value: Math.fround(Math.abs(x.value)) } : { kind: "int", value: narrowInt(magnitude(intOf(x))) };
    }),
    dataOp("aten::angle.int(int a) -> float", ([a]) => (floatOf(a) < 0 ? Math.PI : 0)),
    dataOp("aten::angle.float(float a) -> float", ([a]) => realAngle(floatOf(a))),
    dataOp("aten::angle.complex(complex a) -> float", ([a]) => complexAngle(complexOf(a).re, complexOf(a).im)),
    dataOp("aten::angle.Scalar(Scalar a) -> Scalar", ([a]) => {
      const x = scalarOf(a);
      return { kind: "float", value: x.kind === "complex" ? complexAngle(x.re, x.im) : Math.fround(realAngle(floatOf(x))) };
    }),
  ];
}
function realAngle(x: number): number {
  return Number.isNaN(x) ? x : x < 0 || Object.is(x, -0) ? Math.PI : 0;
}

/** IEEE remainder: `x - n y` with n the nearest integer, ties to even. */
function nearestRemainder(x: number, y: number): number {
  if (Number.isNaN(x) || Number.isNaN(y) || !Number.isFinite(x) || y === 0) return NaN;
  if (!Number.isFinite(y)) return x;
  const d = Math.abs(y);
  let r = Math.abs(x) % (2 * d);
  if (r > d) r -= 2 * d; // now in (-d, d]
  if (r > d / 2) r -= d;
  else if (r < -d / 2) r += d;
  // Exactly half way: `r` came from an even or an odd multiple.
  const signed = x < 0 ? -r : r;
  return r === 0 ? (x < 0 || Object.is(x, -0) ? -0 : 0) : signed;
}

const hasSign = (x: number): boolean => x < 0 || Object.is(x, -0);
const BINARY: Readonly<Record<string, (a: number, b: number) => number>> = {
  fmod: (a, b) => a % b, mathremainder: nearestRemainder, copysign: (a, b) => (hasSign(b) ? -Math.abs(a) : Math.abs(a)), atan2: Math.atan2,
};

function binaries(): Op[] {
  const ops: Op[] = [];
  for (const [name, f] of Object.entries(BINARY)) {
    const run = ([a, b]: readonly Datum[]): Datum => f(floatOf(a), floatOf(b));
    for (const [x, y] of [["int", "int"], ["float", "float"], ["int", "float"], ["float", "int"]] as const) ops.push(dataOp(`aten::${name}.${x === y ? x : `${x}_${y}`}(${x} a, ${y} b) -> float`, run));
    ops.push(dataOp(`aten::${name}${name === "atan2" ? ".Scalar_Scalar" : ""}(Scalar a, Scalar b) -> float`, run));
  }
  const polar = ([r, phi]: readonly Datum[]): Datum => complex(floatOf(r) * Math.cos(floatOf(phi)), floatOf(r) * Math.sin(floatOf(phi)));
  for (const [x, y] of [["int", "int"], ["float", "float"], ["int", "float"], ["float", "int"]] as const) ops.push(dataOp(`aten::polar.${x === y ? x : `${x}_${y}`}(${x} a, ${y} b) -> complex`, polar));
  ops.push(dataOp("aten::polar.Scalar_Scalar(Scalar a, Scalar b) -> Scalar", polar));
  return ops;
}

/** Logarithms to a base. */
function logarithms(): Op[] {
  const ops: Op[] = [];
  const real = ([a, b]: readonly Datum[]): Datum => Math.log(floatOf(a)) / Math.log(floatOf(b));
  /** A real number's logarithm stays real: NaN below zero. */
  const logOf = (x: Datum | undefined): Complex => (typeof x === "number" || typeof x === "bigint" ? complex(Math.log(Number(x)), 0) : complexOf(onPair(complexLog)(x)));
  const pairs = ([a, b]: readonly Datum[]): Datum => {
    const [x, y] = [logOf(a), logOf(b)];
    if (y.im === 0) return complex(x.re / y.re, x.im / y.re);
    const out: Pair = [0, 0];
    complexDiv(x.re, x.im, y.re, y.im, out);
    return complex(out[0], out[1]);
  };
  for (const [x, y] of [["int", "int"], ["float", "float"], ["int", "float"], ["float", "int"]] as const) ops.push(dataOp(`aten::log.${x}_${y}(${x} a, ${y} b) -> float`, real));
  for (const [x, y] of [["complex", "complex"], ["int", "complex"], ["complex", "int"], ["float", "complex"], ["complex", "float"]] as const) {
    ops.push(dataOp(`aten::log.${x}_${y}(${x} a, ${y} b) -> complex`, pairs));
  }
  ops.push(dataOp("aten::log.Scalar_Scalar(Scalar a, Scalar b) -> float", real));
  return ops;
}

/** Greatest and smallest: `a > b ? a : b`, so that a NaN on the left loses. */
function extremes(): Op[] {
  const ops: Op[] = [];
  for (const [name, better] of [["max", (a: Int | boolean, b: Int | boolean): boolean => a > b], ["min", (a: Int | boolean, b: Int | boolean): boolean => a < b]] as const) {
    const pick = ([a, b]: readonly Datum[]): Datum => (better(intOf(a), intOf(b)) ? intOf(a) : intOf(b));
    ops.push(dataOp(`prim::${name}.int(int a, int b) -> int`, pick));
    for (const [x, y] of [["float", "float"], ["int", "float"], ["float", "int"]] as const) ops.push(dataOp(`prim::${name}.${x === y ? x : `${x}_${y}`}(${x} a, ${y} b) -> float`, pick));
    ops.push(dataOp(`prim::${name}(Scalar a, Scalar b) -> Scalar`, ([a, b]) => {
      const [x, y] = [scalarOf(a), scalarOf(b)];
      const best = better(intOf(x), intOf(y)) ? intOf(x) : intOf(y);
      return x.kind === "float" || y.kind === "float" ? { kind: "float", value: Number(best) } : { kind: "int", value: best };
    }));
    for (const type of ["int", "float", "bool"] as const) {
      const read = (d: Datum | undefined): Int | boolean => (type === "bool" ? boolOf(d) : intOf(d));
      ops.push(
        dataOp(`prim::${name}.${type}_list(${type}[] l, ${type}[] r) -> ${type}[]`, ([l, r]) => {
          const [a, b] = [listOf(l).items.map(read), listOf(r).items.map(read)];
          const at = a.findIndex((x, i) => i >= b.length || x !== b[i]);
          const first = at < 0 ? a.length >= b.length === (name === "max") : at >= b.length ? name === "max" : better(a[at] ?? 0, b[at] ?? 0);
          return (first ? l : r) ?? null;
        }),
        dataOp(`prim::${name}.self_${type}(${type}[] self) -> ${type}`, ([self]) => {
          const { items } = listOf(self);
          if (items.length === 0) throw raised(`${name}() arg is an empty sequence`);
          return items.map(read).reduce((a, b) => (better(b, a) ? b : a));
        }),
      );
    }
  }
  return ops;
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

/** Exponent and mantissa of a double. */
function frexp(x: number): [number, number] {
  if (x === 0 || !Number.isFinite(x)) return [x, 0];
  let e = Math.max(-1023, Math.floor(Math.log2(Math.abs(x))) + 1);
  let m = x * 2 ** -e;
  if (e === -1023) m = (x * 2 ** 200) * 2 ** 823;
  while (Math.abs(m) < 0.5) {
    m *= 2;
    e--;
  }
  while (Math.abs(m) >= 1) {
    m /= 2;
    e++;
  }
  return [m, e];
}

const others: readonly Op[] = [
  dataOp("aten::gcd.int(int a, int b) -> int", ([a, b]) => canonicalInt(gcd(BigInt(intOf(a)), BigInt(intOf(b))))),
  dataOp("aten::factorial.int(int a) -> int", ([a]) => {
    const n = Number(BigInt.asIntN(32, BigInt(intOf(a))));
    if (n < 0) throw raised("factorial() not defined for negative values");
    // The odd part wraps; the twos are shifted in, by a count that the processor takes modulo 64.
    let odd = 1n;
    let twos = 0n;
    for (let i = 2; i <= n; i++) {
      const zeros = 31 - Math.clz32(i & -i);
      odd = BigInt.asIntN(64, odd * BigInt(i >> zeros));
      twos += BigInt(zeros);
    }
    return canonicalInt(odd << (twos & 63n));
  }),
  dataOp("aten::ldexp(float x, int i) -> float", ([x, i]) => {
    const e = floatOf(i);
    const half = Math.trunc(e / 2);
    return floatOf(x) * 2 ** half * 2 ** (e - half);
  }),
  dataOp("aten::frexp(float a) -> (float, int)", ([a]) => ({ kind: "tuple", type: undefined, items: frexp(floatOf(a)) })),
  dataOp("aten::modf(float a) -> (float, float)", ([a]) => {
    const x = floatOf(a);
    const whole = Math.trunc(x);
    return { kind: "tuple", type: undefined, items: [Number.isFinite(x) ? x - whole : Number.isNaN(x) ? x : 0, whole] };
  }),
  dataOp("aten::isnan.float(float a) -> bool", ([a]) => Number.isNaN(floatOf(a))),
  dataOp("aten::isnan.complex(complex a) -> bool", ([a]) => Number.isNaN(complexOf(a).re) || Number.isNaN(complexOf(a).im)),
  dataOp("aten::isinf.float(float a) -> bool", ([a]) => Math.abs(floatOf(a)) === Infinity),
  dataOp("aten::isinf.complex(complex a) -> bool", ([a]) => Math.abs(complexOf(a).re) === Infinity || Math.abs(complexOf(a).im) === Infinity),
  dataOp("aten::isfinite.float(float a) -> bool", ([a]) => Number.isFinite(floatOf(a))),
  dataOp("aten::isfinite.complex(complex a) -> bool", ([a]) => Number.isFinite(complexOf(a).re) && Number.isFinite(complexOf(a).im)),
];

/** All of them. */
export const mathematics: readonly Op[] = [...unaries(), ...roundings(), ...signs(), ...binaries(), ...logarithms(), ...extremes(), ...others];
