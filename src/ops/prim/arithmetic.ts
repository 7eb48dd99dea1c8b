/** Arithmetic, comparison and bits of Python numbers: the overloads of `aten::add.int`, `aten::lt.float_int`, ... made from one rule per operator. */

import { canonicalInt, type Complex, type Datum, type Scalar } from "../../ir/datum.ts";
import { complexDiv, complexMul, complexPow, type Pair } from "../../numeric/complex.ts";
import { dataOp, type Op } from "../define.ts";
import { boolOf, complex, complexOf, exactly, floatOf, type Int, intOf, raised, scalarOf, textOf } from "./data.ts";

interface Operator {
  readonly int?: (a: Int, b: Int) => Datum;
  readonly float: (a: number, b: number) => Datum;
  readonly complex?: (a: Complex, b: Complex) => Datum;
}

const OPERAND: Readonly<Record<string, string>> = { int: "int", float: "float", complex: "complex", bool: "bool", str: "str" };

/** The schema `aten::name.a_b(A a, B b) -> R`, `name.a` where both are alike. */
function signature(name: string, a: string, b: string, result: string, overload?: string): string {
  return `${name}.${overload ?? (a === b ? a : `${a}_${b}`)}(${OPERAND[a]} a, ${OPERAND[b]} b) -> ${result}`;
}

/** Two Scalars by the wider of their kinds. */
function widest(a: Scalar, b: Scalar): "int" | "float" | "complex" {
  if (a.kind === "complex" || b.kind === "complex") return "complex";
  return a.kind === "float" || b.kind === "float" ? "float" : "int";
}

/** A result as a Scalar of the kind it was computed in. */
function boxedAs(kind: "int" | "float" | "complex", value: Datum): Datum {
  if (kind === "int" && (typeof value === "number" || typeof value === "bigint")) return { kind, value };
  return kind !== "complex" && typeof value === "number" ? { kind: "float", value } : value;
}

type ResultTypes = { readonly int?: string; readonly float: string; readonly complex?: string; readonly scalar: string };

/** Overloads of an operator on ints, floats and their mixtures, and on Scalars. */
function overloads(name: string, o: Operator, types: ResultTypes): Op[] {
  const ops: Op[] = [];
  const { int, float, complex: onComplex } = o;
  if (int !== undefined && types.int !== undefined) ops.push(dataOp(signature(name, "int", "int", types.int), ([a, b]) => int(intOf(a), intOf(b))));
  const onFloats = ([a, b]: readonly Datum[]): Datum => float(floatOf(a), floatOf(b));
  ops.push(dataOp(signature(name, "float", "float", types.float), onFloats), dataOp(signature(name, "int", "float", types.float), onFloats), dataOp(signature(name, "float", "int", types.float), onFloats));
  if (onComplex !== undefined && types.complex !== undefined) {
    const type = types.complex;
    const pairs = ([a, b]: readonly Datum[]): Datum => onComplex(complexOf(a), complexOf(b));
    for (const [a, b] of [["complex", "complex"], ["int", "complex"], ["complex", "int"], ["float", "complex"], ["complex", "float"]] as const) {
      ops.push(dataOp(signature(name, a, b, type), pairs));
    }
  }
  ops.push(dataOp(`${name}(Scalar a, Scalar b) -> ${types.scalar}`, ([a, b]) => {
    const [x, y] = [scalarOf(a), scalarOf(b)];
    const kind = widest(x, y);
    const bare = kind === "complex" && onComplex !== undefined ? onComplex(complexOf(x), complexOf(y)) : kind === "int" && int !== undefined ? int(intOf(x), intOf(y)) : float(floatOf(x), floatOf(y));
    return types.scalar === "Scalar" ? boxedAs(kind, bare) : bare;
  }));
  return ops;
}

const scratch: Pair = [0, 0];
const product = (a: Complex, b: Complex): Complex => {
  complexMul(a.re, a.im, b.re, b.im, scratch);
  return complex(scratch[0], scratch[1]);
};
const ratio = (a: Complex, b: Complex): Complex => {
  complexDiv(a.re, a.im, b.re, b.im, scratch);
  return complex(scratch[0], scratch[1]);
};

function nonZero(b: Int, message: string): void {
  if (b === 0) throw raised(message);
}
const floorQuotient = exactly((a, b) => Math.floor(a / b), (a, b) => {
  const q = a / b;
  return a % b !== 0n && a < 0n !== b < 0n ? q - 1n : q;
});
// The sum wraps before the second remainder, as it does in C++.
const pythonRemainder = exactly((a, b) => ((a % b) + b) % b, (a, b) => BigInt.asIntN(64, (a % b) + b) % b);
const quotient = exactly((a, b) => Math.trunc(a / b), (a, b) => a / b);
/** Doubles divide exactly only while the quotient's error cannot cross an integer. */
const safe = (x: Int): boolean => typeof x === "number" && Math.abs(x) < 2 ** 51;
const viaBig = (op: (a: Int, b: Int) => Int) => (a: Int, b: Int): Int => (safe(a) && safe(b) ? op(a, b) : op(BigInt(a), BigInt(b)));

const ARITHMETIC = { int: "int", float: "float", complex: "complex", scalar: "Scalar" } as const;
const REAL = { int: "int", float: "float", scalar: "Scalar" } as const;

const arithmetic: readonly Op[] = [
  ...overloads("aten::add", { int: exactly((a, b) => a + b, (a, b) => a + b), float: (a, b) => a + b, complex: (a, b) => complex(a.re + b.re, a.im + b.im) }, ARITHMETIC),
  ...overloads("aten::sub", { int: exactly((a, b) => a - b, (a, b) => a - b), float: (a, b) => a - b, complex: (a, b) => complex(a.re - b.re, a.im - b.im) }, ARITHMETIC),
  ...overloads("aten::mul", { int: exactly((a, b) => a * b, (a, b) => a * b), float: (a, b) => a * b, complex: product }, ARITHMETIC),
  ...overloads("aten::floordiv", {
    int: (a, b) => {
      nonZero(b, "division by 0");
      return viaBig(floorQuotient)(a, b);
    },
    float: (a, b) => Math.floor(a / b),
  }, REAL),
  ...overloads("aten::remainder", {
    int: (a, b) => {
      nonZero(b, "modulo by zero");
      return pythonRemainder(a, b);
    },
    float: (a, b) => (b + (a % b)) % b,
  }, REAL),
  dataOp("aten::__round_to_zero_floordiv.int(int a, int b) -> int", ([a, b]) => {
    nonZero(intOf(b), "division by 0");
    return viaBig(quotient)(intOf(a), intOf(b));
  }),
  dataOp("aten::div.int(int a, int b) -> float", ([a, b]) => floatOf(a) / floatOf(b)),
  dataOp("aten::div.float(float a, float b) -> float", ([a, b]) => floatOf(a) / floatOf(b)),
  dataOp("aten::div.complex(complex a, complex b) -> complex", ([a, b]) => ratio(complexOf(a), complexOf(b))),
  dataOp("aten::div(Scalar a, Scalar b) -> float", ([a, b]) => {
    const [x, y] = [scalarOf(a), scalarOf(b)];
    return widest(x, y) === "complex" ? ratio(complexOf(x), complexOf(y)) : floatOf(x) / floatOf(y);
  }),
  dataOp("aten::divmod.int(int x, int y) -> (int, int)", ([a, b]) => {
    nonZero(intOf(b), "ZeroDivisionError: integer division or modulo by zero");
    return { kind: "tuple", type: undefined, items: [viaBig(floorQuotient)(intOf(a), intOf(b)), pythonRemainder(intOf(a), intOf(b))] };
  }),
  ...["float", "int_float", "float_int"].map((overload) => {
    const [x, y] = overload.split("_");
    return dataOp(`aten::divmod.${overload}(${x} x, ${y ?? x} y) -> (float, float)`, ([a, b]) => {
      const [n, d] = [floatOf(a), floatOf(b)];
      if (d === 0) throw raised("ZeroDivisionError: float divmod()");
      const r = n % d;
      const rem = r !== 0 && r < 0 !== d < 0 ? r + d : r;
      return { kind: "tuple", type: undefined, items: [(n - rem) / d, rem] };
    });
  }),
];

/** Powers: `int ** int` is a float unless `int_to_int`. */
function power(a: number, b: number): number {
  if (a === 0 && b < 0) throw raised("0.0 cannot be raised to a negative power");
  return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
}
const powers: readonly Op[] = [
  dataOp("aten::pow.int(int a, int b) -> float", ([a, b]) => power(floatOf(a), floatOf(b))),
  dataOp("aten::pow.float(float a, float b) -> float", ([a, b]) => power(floatOf(a), floatOf(b))),
  dataOp("aten::pow.int_float(int a, float b) -> float", ([a, b]) => power(floatOf(a), floatOf(b))),
  dataOp("aten::pow.float_int(float a, int b) -> float", ([a, b]) => power(floatOf(a), floatOf(b))),
  dataOp("aten::pow.Scalar_Scalar(Scalar a, Scalar b) -> float", ([a, b]) => power(floatOf(a), floatOf(b))),
  dataOp("aten::pow.int_to_int(int a, int b) -> int", ([a, b]) => {
    const [base, exponent] = [BigInt(intOf(a)), BigInt(intOf(b))];
    if (exponent < 0n) return base === 1n ? 1 : base === -1n ? (exponent % 2n === 0n ? 1 : -1) : 0;
    let result = 1n;
    let square = base;
    for (let e = exponent; e > 0n; e >>= 1n) {
      if ((e & 1n) === 1n) result = BigInt.asIntN(64, result * square);
      square = BigInt.asIntN(64, square * square);
    }
    return canonicalInt(result);
  }),
];

/** Complex powers: zero to anything but zero is zero. */
const complexPower = ([a, b]: readonly Datum[]): Datum => {
  const [x, y] = [complexOf(a), complexOf(b)];
  complexPow(x.re, x.im, y.re, y.im, scratch);
  return complex(scratch[0], scratch[1]);
};
const complexPowers: readonly Op[] = [
  dataOp("aten::pow.complex(complex a, complex b) -> complex", complexPower),
  dataOp("aten::pow.float_complex(float a, complex b) -> complex", complexPower),
  dataOp("aten::pow.complex_float(complex a, float b) -> complex", complexPower),
];

type Compare = (a: number | bigint | string | boolean, b: number | bigint | string | boolean) => boolean;
const ORDER: Readonly<Record<string, Compare>> = { lt: (a, b) => a < b, le: (a, b) => a <= b, gt: (a, b) => a > b, ge: (a, b) => a >= b };

function sameNumber(a: Datum | undefined, b: Datum | undefined): boolean {
  const [x, y] = [scalarOf(a), scalarOf(b)];
  if (x.kind === "complex" || y.kind === "complex") {
    const [p, q] = [complexOf(x), complexOf(y)];
    return p.re === q.re && p.im === q.im;
  }
  return x.kind === "float" || y.kind === "float" ? floatOf(x) === floatOf(y) : intOf(x) === intOf(y);
}

function comparisons(): Op[] {
  const ops: Op[] = [];
  for (const [name, compare] of Object.entries(ORDER)) {
    const ints = ([a, b]: readonly Datum[]): Datum => compare(intOf(a), intOf(b));
    const floats = ([a, b]: readonly Datum[]): Datum => compare(floatOf(a), floatOf(b));
    for (const [a, b] of [["int", "int"], ["float", "float"], ["int", "float"], ["float", "int"]] as const) ops.push(dataOp(signature(`aten::${name}`, a, b, "bool"), a === b ? ints : floats));
    ops.push(dataOp(`aten::${name}(Scalar a, Scalar b) -> bool`, ([a, b]) => (widest(scalarOf(a), scalarOf(b)) === "int" ? ints : floats)([a ?? null, b ?? null])), dataOp(`aten::${name}.str(str a, str b) -> bool`, ([a, b]) => compare(textOrder(textOf(a), textOf(b)), 0)));
  }
  for (const [name, wanted] of [["eq", true], ["ne", false]] as const) {
    const numbers = ([a, b]: readonly Datum[]): Datum => sameNumber(a, b) === wanted;
    const mixed = ([a, b]: readonly Datum[]): Datum => (floatOf(a) === floatOf(b)) === wanted;
    for (const [a, b] of [["int", "int"], ["float", "float"], ["complex", "complex"], ["int", "float"], ["float", "int"], ["float", "complex"], ["complex", "float"], ["bool", "bool"]] as const) {
      ops.push(dataOp(signature(`aten::${name}`, a, b, "bool"), (a === "int" && b === "float") || (a === "float" && b === "int") ? mixed : numbers));
    }
    ops.push(
      dataOp(`aten::${name}(Scalar a, Scalar b) -> bool`, numbers),
      dataOp(`aten::${name}.str(str a, str b) -> bool`, ([a, b]) => (a === b) === wanted),
      dataOp(`aten::${name}.device(Device a, Device b) -> bool`, ([a, b]) => (deviceName(a) === deviceName(b)) === wanted),
      dataOp(`aten::${name}.enum(AnyEnumType a, AnyEnumType b) -> bool`, ([a, b]) => (memberName(a) === memberName(b)) === wanted),
    );
  }
  return ops;
}

/** Order of texts by their UTF-8 bytes; JavaScript's own differs where a surrogate pair meets U+E000 and above. */
function textOrder(a: string, b: string): number {
  if (!/[\ud800-\udfff]/.test(a) && !/[\ud800-\udfff]/.test(b)) return a < b ? -1 : a > b ? 1 : 0;
  const [x, y] = [[...a], [...b]];
  for (let i = 0; i < Math.min(x.length, y.length); i++) {
    const d = (x[i]?.codePointAt(0) ?? 0) - (y[i]?.codePointAt(0) ?? 0);
    if (d !== 0) return d;
  }
  return x.length - y.length;
}
function deviceName(d: Datum | undefined): unknown {
  return typeof d === "object" && d !== null && "kind" in d && d.kind === "device" ? d.name : d;
}
function memberName(m: Datum | undefined): unknown {
  return typeof m === "object" && m !== null && "kind" in m && m.kind === "enum" ? `${m.type.name}.${m.name}` : m;
}

const small32 = (x: Int): x is number => typeof x === "number" && x >= -2147483648 && x <= 2147483647;
function bits(name: string, near: (a: number, b: number) => number, exact: (a: bigint, b: bigint) => bigint): Op[] {
  return [
    dataOp(`aten::${name}.bool(bool a, bool b) -> bool`, ([a, b]) => near(Number(boolOf(a)), Number(boolOf(b))) !== 0),
    dataOp(`aten::${name}.int(int a, int b) -> int`, ([a, b]) => {
      const [x, y] = [intOf(a), intOf(b)];
      return small32(x) && small32(y) ? near(x, y) : canonicalInt(exact(BigInt(x), BigInt(y)));
    }),
  ];
}

const bitwise: readonly Op[] = [
  ...bits("__and__", (a, b) => a & b, (a, b) => a & b),
  ...bits("__or__", (a, b) => a | b, (a, b) => a | b),
  ...bits("__xor__", (a, b) => a ^ b, (a, b) => a ^ b),
  // The processor takes shift counts modulo 64.
  dataOp("aten::__lshift__.int(int a, int b) -> int", ([a, b]) => canonicalInt(BigInt(intOf(a)) << (BigInt(intOf(b)) & 63n))),
  dataOp("aten::__rshift__.int(int a, int b) -> int", ([a, b]) => canonicalInt(BigInt(intOf(a)) >> (BigInt(intOf(b)) & 63n))),
  dataOp("aten::__not__(bool self) -> bool", ([a]) => !boolOf(a)),
];

/** All of them. */
export const numberArithmetic: readonly Op[] = [...arithmetic, ...powers, ...complexPowers, ...comparisons(), ...bitwise];
