/** Scalar expressions of the waist as nodes over whole tensors. */

import { type BinaryOp, type Expr, type ExprType, type Loop, type UnaryOp } from "../expr/expr.ts";
import { type DType, isComplex } from "../tensor/dtype.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type GraphBuilder, loopNode, type OnnxValue } from "./graph.ts";
import { kernelDtype } from "./kernels.ts";
import { specialPair, specialValue } from "./special.ts";
import { refuse } from "./values.ts";

/** Where each expression type is computed: narrow integers in int64, wrapped after each step. */
export const HOME: Readonly<Record<ExprType, DType>> = {
  f64: "float64",
  f32: "float32",
  i64: "int64",
  u64: "uint64",
  i32: "int32",
  u32: "int64",
  i16: "int32",
  u16: "int32",
  i8: "int32",
  u8: "int32",
  bool: "bool",
  index: "int64",
};
const NARROW: Partial<Record<ExprType, DType>> = { u32: "uint32", i16: "int16", u16: "uint16", i8: "int8", u8: "uint8" };
const isFloat = (t: ExprType): boolean => t === "f32" || t === "f64";

/** What an expression's leaves are. */
export interface Leaves {
  /** Element of an operand at the current position; in any dtype, it is converted. */
  readonly arg: (operand: number, part: 0 | 1) => OnnxValue;
  readonly scalar: (slot: number) => OnnxValue | number | bigint | boolean;
  readonly index?: (axis: number) => OnnxValue;
  /** Elements of an operand at coordinates, which are in bounds. */
  readonly load?: (operand: number, part: 0 | 1, at: readonly OnnxValue[], inside: OnnxValue | undefined) => OnnxValue;
  readonly acc?: (part: number) => OnnxValue;
  readonly val?: (part: number) => OnnxValue;
  /** Gets a condition that must hold everywhere. */
  readonly check?: (cond: OnnxValue) => void;
  /** Values that were computed beforehand. */
  readonly given?: (e: Expr) => OnnxValue | undefined;
}

/** Most trips that a loop inside an expression is unrolled to. */
const MAX_TRIPS = 16;

export class ExprEmitter {
  readonly #g: GraphBuilder;
  readonly #leaves: Leaves;
  readonly #known = new Map<Expr, OnnxValue>();
  /** States and trip numbers of the loops that are being unrolled, by level. */
  readonly #loops = new Map<number, { readonly state: readonly OnnxValue[]; readonly trip: OnnxValue }>();
  readonly #folds = new Map<Loop, readonly OnnxValue[]>();

  constructor(g: GraphBuilder, leaves: Leaves) {
    this.#g = g;
    this.#leaves = leaves;
  }

  emit(e: Expr): OnnxValue {
    const known = this.#known.get(e);
    if (known !== undefined && this.#g.visible(known)) return known;
    const given = this.#leaves.given?.(e);
    const value = given === undefined ? this.#emit(e) : this.#g.cast(given, HOME[e.type]);
    this.#known.set(e, value);
    return value;
  }

  /** A value of `home`'s dtype brought into the range of a narrow type. */
  #wrap(value: OnnxValue, type: ExprType): OnnxValue {
    const narrow = NARROW[type];
    const home = HOME[type];
    const v = this.#g.cast(value, home);
    return narrow === undefined ? v : this.#g.cast(this.#g.cast(v, narrow), home);
  }
  #constant(value: number | bigint | boolean, type: ExprType): OnnxValue {
    return this.#g.scalar(value, HOME[type]);
  }

  #emit(e: Expr): OnnxValue {
    const g = this.#g;
    switch (e.op) {
      case "const":
        return this.#constant(e.value, e.type);
      case "arg": {
        const value = this.#leaves.arg(e.operand, e.part);
        return isComplex(value.dtype) ? refuse("complex numbers have no kernels in ONNX") : g.cast(value, HOME[e.type]);
      }
      case "scalar": {
        const value = this.#leaves.scalar(e.slot);
        return typeof value === "object" ? g.cast(value, HOME[e.type]) : this.#constant(value, e.type);
      }
      case "index":
        return this.#leaves.index?.(e.axis) ?? refuse("positions are not open here");
      case "load": {
        const inside = e.inside === undefined ? undefined : this.emit(e.inside);
        const at = e.at.map((x) => g.cast(this.emit(x), "int64"));
        const loaded = g.cast(this.#leaves.load?.(e.operand, e.part, at, inside) ?? refuse("elements at computed positions are not open here"), HOME[e.type]);
        return inside === undefined || e.outside === undefined ? loaded : g.op("Where", [inside, loaded, this.emit(e.outside)], {}, loaded.dtype);
      }
      case "unary":
        return this.#unary(e.fn, this.emit(e.a), e.a.type);
      case "binary":
        return this.#binary(e.fn, this.emit(e.a), this.emit(e.b), e.a.type);
      case "select": {
        const a = this.emit(e.a);
        return this.where(this.emit(e.cond), a, this.emit(e.b));
      }
      case "cast":
        return this.#castExpr(this.emit(e.a), e.a.type, e.type, e.saturate);
      case "round": {
        if (e.format !== "float16" && e.format !== "bfloat16") return refuse(`rounding to ${e.format} has no kernels in ONNX`);
        const a = this.emit(e.a);
        return g.cast(g.cast(a, e.format), a.dtype);
      }
      case "bitcast":
        return refuse("ONNX cannot take a number's bits for another dtype's", "opset 26 has BitCast, which few runtimes run");
      case "check":
        this.#leaves.check?.(this.emit(e.cond));
        return this.emit(e.a);
      case "acc":
        return this.#leaves.acc?.(e.part) ?? refuse("a fold's state is not open here");
      case "val":
        return this.#leaves.val?.(e.part) ?? refuse("a fold's element is not open here");
      case "fold":
        return this.#fold(e.loop)[e.part] ?? refuse("a loop without that state");
      case "state":
        return this.#loops.get(e.level)?.state[e.part] ?? refuse("a loop's state outside of it");
      case "trip":
        return this.#loops.get(e.level)?.trip ?? refuse("a loop's trip number outside of it");
      default:
        return e satisfies never;
    }
  }

  where(cond: OnnxValue, a: OnnxValue, b: OnnxValue): OnnxValue {
    const g = this.#g;
    if (a.dtype === "bool") return g.op("Or", [g.op("And", [cond, a]), g.op("And", [g.op("Not", [cond]), b])]);
    return whereValue(g, cond, a, b);
  }

  #castExpr(a: OnnxValue, from: ExprType, to: ExprType, saturate: boolean): OnnxValue {
    const g = this.#g;
    if (to === "bool") return from === "bool" ? a : g.op("Not", [g.op("Equal", [a, g.scalar(0, a.dtype)], {}, "bool")]);
    if (isFloat(from) && !isFloat(to)) {
      if (to === "u64") return g.cast(g.cast(a, "int64"), "uint64");
      if (saturate) {
        const [low, high] = LIMITS[to] ?? [-2147483648, 2147483647];
        const f = (x: number): OnnxValue => g.scalar(x, a.dtype);
        const clean = whereValue(g, this.#nan(a), f(0), a);
        return this.#wrap(g.op("Max", [f(low), g.op("Min", [clean, f(high)])]), to);
      }
      return this.#wrap(g.cast(a, "int64"), to);
    }
    return this.#wrap(a, to);
  }

  #fold(loop: Loop): readonly OnnxValue[] {
    const known = this.#folds.get(loop);
    if (known?.every((v) => this.#g.visible(v)) === true) return known;
    const short = loop.until === undefined && loop.count.op === "const" && Number(loop.count.value) <= MAX_TRIPS;
    const state = short ? this.#unrolled(loop, Number(loop.count.op === "const" ? loop.count.value : 0)) : this.#looped(loop);
    this.#folds.set(loop, state);
    return state;
  }
  #unrolled(loop: Loop, count: number): readonly OnnxValue[] {
    let state: readonly OnnxValue[] = loop.init.map((e) => this.emit(e));
    for (let trip = 0; trip < count; trip++)
      state = this.#inside(loop, { state, trip: this.#constant(trip, "index") }, (inner) => loop.body.map((e) => inner.emit(e)));
    return state;
  }
  /** As a Loop over all elements at once: those that are done keep their state. */
  #looped(loop: Loop): readonly OnnxValue[] {
    const g = this.#g;
    const init = loop.init.map((e) => this.emit(e));
    const count = g.cast(this.emit(loop.count), "int64");
    const most = g.op("ReduceMax", [g.op("Concat", [g.op("Reshape", [count, g.ints([-1])]), g.ints([0])], { axis: 0 })], { keepdims: 0 });
    const { state } = loopNode(g, most, [...init, g.scalar(false, "bool")], (trip, before) => {
      const own = before.slice(0, init.length);
      const stopped = before[init.length] ?? refuse("a loop's state");
      return this.#inside(loop, { state: own, trip }, (inner) => {
        const stop = loop.until === undefined ? stopped : g.op("Or", [stopped, inner.emit(loop.until)]);
        const active = g.op("And", [g.op("Less", [trip, count], {}, "bool"), g.op("Not", [stop])]);
        const next = loop.body.map((e, i) => whereValue(g, active, inner.emit(e), own[i] ?? refuse("a loop's state")));
        const any = g.op(
          "Greater",
          [g.op("ReduceMax", [g.op("Reshape", [g.cast(active, "int32"), g.ints([-1])])], { keepdims: 0 }), g.scalar(0, "int32")],
          {},
          "bool",
        );
        return { go: any, state: [...next, stop], stacked: [] };
      });
    });
    return state.slice(0, init.length);
  }
  #inside<X>(loop: Loop, open: { readonly state: readonly OnnxValue[]; readonly trip: OnnxValue }, body: (inner: ExprEmitter) => X): X {
    const inner = new ExprEmitter(this.#g, this.#leaves);
    for (const [level, other] of this.#loops) inner.#loops.set(level, other);
    inner.#loops.set(loop.level, open);
    return body(inner);
  }

  #nan(a: OnnxValue): OnnxValue {
    return this.#g.op("IsNaN", [a], {}, "bool");
  }

  #unary(fn: UnaryOp, a: OnnxValue, type: ExprType): OnnxValue {
    const g = this.#g;
    const c = (x: number): OnnxValue => g.scalar(x, a.dtype);
    const op = (name: string, ...inputs: OnnxValue[]): OnnxValue => g.op(name, inputs);
    const div = (x: OnnxValue, y: OnnxValue): OnnxValue => op("Div", x, y);
    const mul = (x: OnnxValue, y: OnnxValue): OnnxValue => op("Mul", x, y);
    const double = a.dtype === "float64";
    const floats = isFloat(type);
    switch (fn) {
      case "neg":
        return this.#wrap(a.dtype === "uint64" ? op("Sub", g.scalar(0, "uint64"), a) : op("Neg", a), type);
      case "abs":
        return floats ? op("Abs", a) : this.#wrap(whereValue(g, g.op("Less", [a, c(0)], {}, "bool"), type.startsWith("u") ? a : op("Neg", a), a), type); // the lowest has no opposite
      case "not":
        return op("Not", a.dtype === "bool" ? a : g.cast(a, "bool"));
      case "bitnot":
        if (type === "bool") return op("Not", a);
        return this.#wrap(
          type.startsWith("u")
            ? op("Sub", g.scalar({ u8: 255, u16: 65535, u32: 4294967295 }[type as "u8"] ?? 0, a.dtype), a)
            : op("Sub", op("Neg", a), g.scalar(1, a.dtype)),
          type,
        );
      case "sign":
        return floats
          ? op("Sub", g.cast(g.op("Greater", [a, c(0)], {}, "bool"), a.dtype), g.cast(g.op("Less", [a, c(0)], {}, "bool"), a.dtype))
          : op("Sign", a); // NaN has no sign
      case "floor":
        return op("Floor", a);
      case "ceil":
        return op("Ceil", a);
      case "trunc":
        return whereValue(g, g.op("Less", [a, c(0)], {}, "bool"), op("Ceil", a), op("Floor", a));
      case "rint":
        return op("Round", a);
      case "sqrt":
        return op("Sqrt", a);
      case "isnan":
        return floats ? this.#nan(a) : g.op("Equal", [a, g.op("Add", [a, c(1)])], {}, "bool");
      case "isinf":
        return g.op("IsInf", [a], {}, "bool");
      case "isfinite":
        return op("Not", op("Or", this.#nan(a), g.op("IsInf", [a], {}, "bool")));
      case "signbit":
        return floats
          ? g.op("Less", [whereValue(g, g.op("Equal", [a, c(0)], {}, "bool"), div(c(1), a), a), c(0)], {}, "bool")
          : g.op("Less", [a, c(0)], {}, "bool");
      case "exp":
        return op("Exp", a);
      case "exp2":
        return op("Exp", mul(a, c(Math.LN2)));
      case "expm1":
        return this.#expm1(a);
      case "log":
        return op("Log", a);
      case "log2":
        return this.#exactLog(a, 2);
      case "log10":
        return this.#exactLog(a, 10);
      case "log1p":
        return this.#log1p(a);
      case "sin":
        return op("Sin", a);
      case "cos":
        return op("Cos", a);
      case "tan":
        return double ? div(op("Sin", a), op("Cos", a)) : op("Tan", a);
      case "asin":
        return double ? this.#preciseOnly(fn) : op("Asin", a);
      case "acos":
        return double ? this.#preciseOnly(fn) : op("Acos", a);
      case "atan":
        return double ? this.#preciseOnly(fn) : op("Atan", a);
      case "sinh":
        return double ? mul(c(0.5), op("Sub", this.#expm1(a), this.#expm1(op("Neg", a)))) : op("Sinh", a);
      case "cosh":
        return double ? mul(c(0.5), op("Add", op("Exp", a), op("Exp", op("Neg", a)))) : op("Cosh", a);
      case "tanh":
        return op("Tanh", a);
      case "asinh":
        return double ? mul(op("Sign", a), op("Log", op("Add", op("Abs", a), op("Sqrt", op("Add", mul(a, a), c(1)))))) : op("Asinh", a);
      case "acosh":
        return double ? op("Log", op("Add", a, op("Sqrt", op("Sub", mul(a, a), c(1))))) : op("Acosh", a);
      case "atanh":
        return double ? mul(c(0.5), op("Sub", this.#log1p(a), this.#log1p(op("Neg", a)))) : op("Atanh", a);
      case "erf":
        return double ? (specialValue(g, fn, a) ?? a) : op("Erf", a);
      default:
        return specialValue(g, fn, a) ?? refuse(`the function \`${fn}\` has no counterpart in ONNX, and no spelling that keeps its accuracy`);
    }
  }

  #preciseOnly(fn: string): never {
    return refuse(`\`${fn}\` in double precision has no kernel in onnxruntime, and single precision would be another result`);
  }
  /** `exp(x) - 1` without cancellation: `(u - 1) * x / log(u)` with `u = exp(x)`. */
  #expm1(x: OnnxValue): OnnxValue {
    const g = this.#g;
    const one = g.scalar(1, x.dtype);
    const u = g.op("Exp", [x]);
    const d = g.op("Sub", [u, one]);
    const isOne = g.op("Equal", [u, one], {}, "bool");
    const isFar = g.op("Or", [g.op("Equal", [d, g.scalar(-1, x.dtype)], {}, "bool"), g.op("IsInf", [u], {}, "bool")]);
    const safe = whereValue(g, g.op("Or", [isOne, isFar]), g.scalar(2, x.dtype), u);
    const middle = g.op("Mul", [d, g.op("Div", [x, g.op("Log", [safe])])]);
    return whereValue(g, isOne, x, whereValue(g, isFar, d, middle));
  }
  /** `log(1 + x)` without cancellation: `log(u) * x / (u - 1)` with `u = 1 + x`. */
  #log1p(x: OnnxValue): OnnxValue {
    const g = this.#g;
    const one = g.scalar(1, x.dtype);
    const u = g.op("Add", [x, one]);
    const d = g.op("Sub", [u, one]);
    const isOne = g.op("Equal", [u, one], {}, "bool");
    const isInf = g.op("IsInf", [u], {}, "bool");
    const safe = whereValue(g, g.op("Or", [isOne, isInf]), one, d);
    const log = g.op("Log", [u]);
    return whereValue(g, isOne, x, whereValue(g, isInf, log, g.op("Mul", [log, g.op("Div", [x, safe])])));
  }
  #exactLog(x: OnnxValue, base: 2 | 10): OnnxValue {
    const g = this.#g;
    const raw = g.op("Mul", [g.op("Log", [x]), g.scalar(base === 2 ? Math.LOG2E : Math.LOG10E, x.dtype)]);
    return raw;
  }

  #binary(fn: BinaryOp, a: OnnxValue, b: OnnxValue, type: ExprType): OnnxValue {
    const g = this.#g;
    const op = (name: string, ...inputs: OnnxValue[]): OnnxValue => g.op(name, inputs);
    const compare = (name: string): OnnxValue => {
      if (a.dtype === "bool" && name !== "Equal") return g.op(name, [g.cast(a, "int32"), g.cast(b, "int32")], {}, "bool");
      return g.op(name, [a, b], {}, "bool");
    };
    const floats = isFloat(type);
    const zero = (): OnnxValue => g.scalar(0, a.dtype);
    switch (fn) {
      case "add":
        return type === "bool" ? op("Or", a, b) : this.#wrap(op("Add", a, b), type);
      case "sub":
        return type === "bool" ? op("Xor", a, b) : this.#wrap(op("Sub", a, b), type);
      case "mul":
        return type === "bool" ? op("And", a, b) : this.#wrap(op("Mul", a, b), type);
      case "div":
        return op("Div", a, b);
      case "quot":
        return this.#wrap(op("Div", a, this.#nonZero(b)), type);
      case "rem":
        return this.#wrap(g.op("Mod", [a, this.#nonZero(b)], { fmod: 1 }), type);
      case "fmod":
        return this.#floatFmod(a, b);
      case "remainder": {
        if (!floats) return this.#wrap(g.op("Mod", [a, this.#nonZero(b)]), type);
        const m = this.#floatFmod(a, b);
        const fixUp = op(
          "And",
          op("Not", g.op("Equal", [m, zero()], {}, "bool")),
          op("Xor", g.op("Less", [b, zero()], {}, "bool"), g.op("Less", [m, zero()], {}, "bool")),
        );
        return whereValue(g, fixUp, op("Add", m, b), m);
      }
      case "floordiv": {
        if (!floats) {
          const safe = this.#nonZero(b);
          const m = g.op("Mod", [a, safe]);
          return this.#wrap(op("Div", op("Sub", a, m), safe), type);
        }
        const m = this.#floatFmod(a, b);
        let d = op("Div", op("Sub", a, m), b);
        const lower = op(
          "And",
          op("Not", g.op("Equal", [m, zero()], {}, "bool")),
          op("Xor", g.op("Less", [b, zero()], {}, "bool"), g.op("Less", [m, zero()], {}, "bool")),
        );
        d = whereValue(g, lower, op("Sub", d, g.scalar(1, a.dtype)), d);
        const f = op("Floor", d);
        const near = whereValue(g, g.op("Greater", [op("Sub", d, f), g.scalar(0.5, a.dtype)], {}, "bool"), op("Add", f, g.scalar(1, a.dtype)), f);
        return whereValue(g, g.op("Equal", [b, zero()], {}, "bool"), op("Div", a, b), near);
      }
      case "min":
        return this.#extreme("Min", a, b, type);
      case "max":
        return this.#extreme("Max", a, b, type);
      case "fmin":
        return whereValue(g, this.#nan(a), b, whereValue(g, this.#nan(b), a, op("Min", a, b)));
      case "fmax":
        return whereValue(g, this.#nan(a), b, whereValue(g, this.#nan(b), a, op("Max", a, b)));
      case "pow":
        return this.#pow(a, b, type);
      case "atan2":
        return this.#atan2(a, b);
      case "hypot":
        return this.#hypot(a, b);
      case "copysign": {
        const negative = this.#unary("signbit", b, type);
        return whereValue(g, negative, op("Neg", op("Abs", a)), op("Abs", a));
      }
      case "bitand":
      case "bitor":
      case "bitxor":
        return this.#bits(fn, a, b, type);
      case "shl":
      case "shr":
        return this.#shift(fn, a, b, type);
      case "eq":
        return compare("Equal");
      case "ne":
        return op("Not", compare("Equal"));
      case "lt":
        return compare("Less");
      case "le":
        return compare("LessOrEqual");
      case "gt":
        return compare("Greater");
      case "ge":
        return compare("GreaterOrEqual");
      case "and":
        return op("And", g.cast(a, "bool"), g.cast(b, "bool"));
      case "or":
        return op("Or", g.cast(a, "bool"), g.cast(b, "bool"));
      case "xor":
        return op("Xor", g.cast(a, "bool"), g.cast(b, "bool"));
      case "gcd":
        return this.#gcd(a, b);
      default:
        return specialPair(g, fn, a, b);
    }
  }

  /** Euclid's algorithm for all elements at once. */
  #gcd(a: OnnxValue, b: OnnxValue): OnnxValue {
    const g = this.#g;
    const zero = g.scalar(0, a.dtype);
    const any = (v: OnnxValue): OnnxValue =>
      g.op("Greater", [g.op("ReduceMax", [g.op("Reshape", [g.cast(v, "int32"), g.ints([-1])])], { keepdims: 0 }), g.scalar(0, "int32")], {}, "bool");
    const { state } = loopNode(
      g,
      g.scalar(100, "int64"),
      [g.op("Add", [g.op("Abs", [a]), g.op("Mul", [b, zero])]), g.op("Add", [g.op("Abs", [b]), g.op("Mul", [a, zero])])],
      (_trip, [x, y]) => {
        if (x === undefined || y === undefined) return refuse("a loop's state");
        const done = g.op("Equal", [y, zero], {}, "bool");
        const rest = g.op("Mod", [x, this.#nonZero(y)]);
        return { go: any(g.op("Not", [done])), state: [whereValue(g, done, x, y), whereValue(g, done, y, rest)], stacked: [] };
      },
    );
    return state[0] ?? a;
  }

  #nonZero(b: OnnxValue): OnnxValue {
    const g = this.#g;
    return whereValue(g, g.op("Equal", [b, g.scalar(0, b.dtype)], {}, "bool"), g.scalar(1, b.dtype), b);
  }
  #floatFmod(a: OnnxValue, b: OnnxValue): OnnxValue {
    return this.#g.op("Mod", [a, b], { fmod: 1 });
  }
  /** NaN wins, which kernels disagree on. */
  #extreme(name: "Min" | "Max", a: OnnxValue, b: OnnxValue, type: ExprType): OnnxValue {
    const g = this.#g;
    if (type === "bool") return g.op(name === "Min" ? "And" : "Or", [a, b]);
    const picked = g.op(name, [a, b]);
    if (!isFloat(type)) return picked;
    const sum = g.op("Add", [a, b]);
    return whereValue(g, g.op("Or", [this.#nan(a), this.#nan(b)]), sum, picked);
  }
  #pow(a: OnnxValue, b: OnnxValue, type: ExprType): OnnxValue {
    const g = this.#g;
    if (isFloat(type)) return g.op("Pow", [a, b]);
    // Powers of integers wrap around, and kernels go through double precision: square and multiply, 6 bits of exponent.
    let result = g.scalar(1, a.dtype);
    let base = a;
    let left = g.op("Max", [b, g.scalar(0, b.dtype)]);
    const two = g.scalar(2, b.dtype);
    for (let bit = 0; bit < 6; bit++) {
      const odd = g.op("Equal", [g.op("Mod", [left, two]), g.scalar(1, b.dtype)], {}, "bool");
      result = this.#wrap(whereValue(g, odd, g.op("Mul", [result, base]), result), type);
      left = g.op("Div", [left, two]);
      if (bit < 5) base = this.#wrap(g.op("Mul", [base, base]), type);
    }
    const isNegative = g.op("Less", [b, g.scalar(0, b.dtype)], {}, "bool");
    const one = g.scalar(1, a.dtype);
    const isOne = g.op("Equal", [a, one], {}, "bool");
    const even = g.op("Equal", [g.op("Mod", [b, two]), g.scalar(0, b.dtype)], {}, "bool");
    const isMinusOne = g.op("Equal", [a, g.scalar(-1, a.dtype)], {}, "bool");
    const inverse = whereValue(g, isOne, one, whereValue(g, isMinusOne, whereValue(g, even, one, g.scalar(-1, a.dtype)), g.scalar(0, a.dtype)));
    return type.startsWith("u") ? result : whereValue(g, isNegative, inverse, result);
  }
  #atan2(y: OnnxValue, x: OnnxValue): OnnxValue {
    const g = this.#g;
    if (y.dtype === "float64") return this.#preciseOnly("atan2");
    const c = (v: number): OnnxValue => g.scalar(v, y.dtype);
    const [ax, ay] = [g.op("Abs", [x]), g.op("Abs", [y])];
    const steep = g.op("Greater", [ay, ax], {}, "bool");
    const bothZero = g.op("And", [g.op("Equal", [ax, c(0)], {}, "bool"), g.op("Equal", [ay, c(0)], {}, "bool")]);
    const bothInf = g.op("And", [g.op("IsInf", [x], {}, "bool"), g.op("IsInf", [y], {}, "bool")]);
    const low = whereValue(g, steep, ax, ay);
    const high = whereValue(g, bothZero, c(1), whereValue(g, steep, ay, ax));
    const angle = g.op("Atan", [whereValue(g, bothInf, c(1), g.op("Div", [low, high]))]);
    const first = whereValue(g, steep, g.op("Sub", [c(Math.PI / 2), angle]), angle);
    const negX = this.#unary("signbit", x, "f32");
    const half = whereValue(g, negX, g.op("Sub", [c(Math.PI), first]), first);
    return whereValue(g, this.#unary("signbit", y, "f32"), g.op("Neg", [half]), half);
  }
  #hypot(a: OnnxValue, b: OnnxValue): OnnxValue {
    const g = this.#g;
    const [x, y] = [g.op("Abs", [a]), g.op("Abs", [b])];
    const high = g.op("Max", [x, y]);
    const low = g.op("Min", [x, y]);
    const isZero = g.op("Equal", [high, g.scalar(0, a.dtype)], {}, "bool");
    const ratio = g.op("Div", [low, whereValue(g, isZero, g.scalar(1, a.dtype), high)]);
    const plain = g.op("Mul", [high, g.op("Sqrt", [g.op("Add", [g.op("Mul", [ratio, ratio]), g.scalar(1, a.dtype)])])]);
    const isInf = g.op("Or", [g.op("IsInf", [a], {}, "bool"), g.op("IsInf", [b], {}, "bool")]);
    const nan = g.op("Or", [this.#nan(a), this.#nan(b)]);
    return whereValue(g, isInf, g.scalar(Infinity, a.dtype), whereValue(g, nan, g.op("Add", [a, b]), plain));
  }

  /** Bits one by one before opset 18. */
  #bits(fn: "bitand" | "bitor" | "bitxor", a: OnnxValue, b: OnnxValue, type: ExprType): OnnxValue {
    const g = this.#g;
    if (type === "bool") return g.op({ bitand: "And", bitor: "Or", bitxor: "Xor" }[fn], [a, b]);
    if (g.opset >= 18) return this.#wrap(g.op({ bitand: "BitwiseAnd", bitor: "BitwiseOr", bitxor: "BitwiseXor" }[fn], [a, b]), type);
    const width = { u8: 8, i8: 8, u16: 16, i16: 16, u32: 32, i32: 32, i64: 64, u64: 64 }[type as "i64"] ?? 64;
    const two = g.scalar(2, "int64");
    let [x, y] = [g.cast(a, "int64"), g.cast(b, "int64")];
    let sum: OnnxValue | undefined;
    for (let bit = 0; bit < width; bit++) {
      const odd = (v: OnnxValue): OnnxValue => g.op("Equal", [g.op("Mod", [v, two]), g.scalar(1, "int64")], {}, "bool");
      const on = g.op({ bitand: "And", bitor: "Or", bitxor: "Xor" }[fn], [odd(x), odd(y)]);
      const weight = BigInt.asIntN(64, 1n << BigInt(bit));
      const part = g.op("Mul", [g.cast(on, "int64"), g.scalar(weight, "int64")]);
      sum = sum === undefined ? part : g.op("Add", [sum, part]);
      // Floored halving keeps negative numbers' bits coming.
      const half = (v: OnnxValue): OnnxValue => g.op("Div", [g.op("Sub", [v, g.op("Mod", [v, two])]), two]);
      if (bit < width - 1) [x, y] = [half(x), half(y)];
    }
    return this.#wrap(sum ?? x, type);
  }
  /** By powers of two. */
  #shift(fn: "shl" | "shr", a: OnnxValue, b: OnnxValue, type: ExprType): OnnxValue {
    const g = this.#g;
    if (type === "u64") return refuse("shifts of uint64 have no spelling in ONNX");
    const width = { u8: 8, i8: 8, u16: 16, i16: 16, u32: 32, i32: 32, i64: 64 }[type as "i64"] ?? 64;
    const [x, n] = [g.cast(a, "int64"), g.cast(b, "int64")];
    const isOut = g.op("Or", [g.op("Less", [n, g.scalar(0, "int64")], {}, "bool"), g.op("GreaterOrEqual", [n, g.scalar(width, "int64")], {}, "bool")]);
    const powers = BigInt64Array.from({ length: 64 }, (_, i) => BigInt.asIntN(64, 1n << BigInt(i)));
    const table = g.constant(tensorOf(powers));
    const safe = whereValue(g, isOut, g.scalar(0, "int64"), n);
    const factor = g.op("Gather", [table, safe], { axis: 0 });
    if (fn === "shl") return this.#wrap(whereValue(g, isOut, g.scalar(0, "int64"), g.op("Mul", [x, factor])), type);
    const last = g.op("Equal", [safe, g.scalar(63, "int64")], {}, "bool");
    const divisor = whereValue(g, last, g.scalar(1, "int64"), factor);
    const floored = g.op("Div", [g.op("Sub", [x, g.op("Mod", [x, divisor])]), divisor]);
    const negative = g.op("Less", [x, g.scalar(0, "int64")], {}, "bool");
    const far = whereValue(g, negative, g.scalar(-1, "int64"), g.scalar(0, "int64"));
    return this.#wrap(whereValue(g, g.op("Or", [isOut, last]), far, floored), type);
  }
}

const LIMITS: Partial<Record<ExprType, readonly [number, number]>> = {
  i8: [-128, 127],
  u8: [0, 255],
  i16: [-32768, 32767],
  u16: [0, 65535],
  i32: [-2147483648, 2147483647],
  u32: [0, 4294967295],
};

function tensorOf(data: BigInt64Array): Tensor {
  return Tensor.from(data, [data.length]);
}

/** Where of any dtype, by the condition's first result. */
export function whereValue(g: GraphBuilder, cond: OnnxValue, a: OnnxValue, b: OnnxValue): OnnxValue {
  const { dtype } = a;
  if (dtype === "bool") return g.op("Or", [g.op("And", [cond, a]), g.op("And", [g.op("Not", [cond]), b])]);
  const [made] = whereNode(g, cond, a, b);
  return made ?? a;
}
function whereNode(g: GraphBuilder, cond: OnnxValue, a: OnnxValue, b: OnnxValue): readonly OnnxValue[] {
  const wide = kernelDtype("Where", a.dtype);
  if (wide === a.dtype) return g.node("Where", [cond, a, b], { dtypes: [wide] });
  return [g.cast(g.node("Where", [cond, g.cast(a, wide), g.cast(b, wide)], { dtypes: [wide] })[0] ?? a, a.dtype)];
}
