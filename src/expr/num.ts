/**
 * Arithmetic on expressions as an op's author writes it: `x.mul(relu6(x.add(3))).div(6)`. A `Num` is a real expression or
 * a complex pair; complex arithmetic is lowered to pairs here, so nothing below knows complex numbers.
 */

import { type BinaryOp, binary, cast, check, constant, type Expr, type ExprType, isBigType, isFloatType, round, type RoundFormat, select, unary, type UnaryOp } from "./expr.ts";
import { OpwiseError } from "../tensor/error.ts";

/** A literal in the type of `like`. */
function literal(value: number | bigint | boolean, type: ExprType): Expr {
  if (type === "bool") return constant(Boolean(value), "bool");
  if (isBigType(type)) return constant(typeof value === "bigint" ? value : BigInt(Math.trunc(Number(value))), type);
  if (isFloatType(type)) return constant(type === "f32" ? Math.fround(Number(value)) : Number(value), type);
  return constant(Number(value), type);
}

export type Operand = Num | number | bigint | boolean;

/** An immutable scalar expression, real or complex. Numbers given as operands take the type of `this`. */
export class Num {
  readonly re: Expr;
  readonly im: Expr | undefined;

  constructor(re: Expr, im?: Expr) {
    this.re = re;
    this.im = im;
  }

  /** Type of the value, or of its parts. */
  get type(): ExprType {
    return this.re.type;
  }
  get isComplex(): boolean {
    return this.im !== undefined;
  }
  get isFloat(): boolean {
    return isFloatType(this.re.type);
  }

  /** `value` as a Num of this type. */
  lit(value: Operand): Num {
    return value instanceof Num ? value : new Num(literal(value, this.re.type));
  }
  #imag(): Expr {
    return this.im ?? literal(0, this.re.type);
  }
  #real(fn: UnaryOp): Num {
    if (this.im !== undefined) throw new OpwiseError("dtype-mismatch", `\`${fn}\` has no meaning for complex numbers`);
    return new Num(unary(fn, this.re));
  }
  #both(fn: BinaryOp, other: Operand): Num {
    const b = this.lit(other);
    if (this.im !== undefined || b.im !== undefined) throw new OpwiseError("dtype-mismatch", `\`${fn}\` has no meaning for complex numbers`);
    return new Num(binary(fn, this.re, b.re));
  }

  add(other: Operand): Num {
    const b = this.lit(other);
    if (this.im === undefined && b.im === undefined) return new Num(binary("add", this.re, b.re));
    return new Num(binary("add", this.re, b.re), this.im === undefined ? b.im : b.im === undefined ? this.im : binary("add", this.im, b.im));
  }
  sub(other: Operand): Num {
    const b = this.lit(other);
    if (this.im === undefined && b.im === undefined) return new Num(binary("sub", this.re, b.re));
    return new Num(binary("sub", this.re, b.re), b.im === undefined ? this.im : binary("sub", this.#imag(), b.im));
  }
  mul(other: Operand): Num {
    const b = this.lit(other);
    if (this.im === undefined && b.im === undefined) return new Num(binary("mul", this.re, b.re));
    if (b.im === undefined) return new Num(binary("mul", this.re, b.re), binary("mul", this.#imag(), b.re));
    if (this.im === undefined) return b.mul(this);
    return new Num(
      binary("sub", binary("mul", this.re, b.re), binary("mul", this.im, b.im)),
      binary("add", binary("mul", this.re, b.im), binary("mul", this.im, b.re)),
    );
  }
  /** Floats: true division. Integers: use `quot` or `floordiv`. Complex: Smith's scaling. */
  div(other: Operand): Num {
    const b = this.lit(other);
    if (this.im === undefined && b.im === undefined) return new Num(binary("div", this.re, b.re));
    if (b.im === undefined) return new Num(binary("div", this.re, b.re), binary("div", this.#imag(), b.re));
    const [c, d] = [new Num(b.re), new Num(b.im)];
    const [x, y] = [new Num(this.re), new Num(this.#imag())];
    const wide = c.abs().ge(d.abs());
    const r = wide.where(d, c).div(wide.where(c, d));
    const den = wide.where(c.add(d.mul(r)), d.add(c.mul(r)));
    const re = wide.where(x.add(y.mul(r)), x.mul(r).add(y)).div(den);
    const im = wide.where(y.sub(x.mul(r)), y.mul(r).sub(x)).div(den);
    const atZero = c.eq(0).and(d.eq(0));
    return new Num(atZero.where(x.div(c.abs()), re).re, atZero.where(y.div(c.abs()), im).re);
  }
  neg(): Num {
    return this.im === undefined ? new Num(unary("neg", this.re)) : new Num(unary("neg", this.re), unary("neg", this.im));
  }
  /** Absolute value; of a complex number its (real) modulus. */
  abs(): Num {
    return this.im === undefined ? new Num(unary("abs", this.re)) : new Num(binary("hypot", this.re, this.im));
  }
  conj(): Num {
    return this.im === undefined ? this : new Num(this.re, unary("neg", this.im));
  }
  real(): Num {
    return new Num(this.re);
  }
  imag(): Num {
    return new Num(this.#imag());
  }
  /** Argument in radians; of a real number 0 or pi, NaN kept. */
  angle(): Num {
    if (this.im !== undefined) return new Num(binary("atan2", this.im, this.re));
    return this.isnan().where(this, this.lt(0).where(this.lit(Math.PI), this.lit(0)));
  }
  /** A complex number of two reals. */
  withImag(im: Num): Num {
    return new Num(this.re, im.re);
  }
  reciprocal(): Num {
    return this.lit(1).div(this);
  }
  square(): Num {
    return this.mul(this);
  }

  quot(other: Operand): Num { return this.#both("quot", other); }
  rem(other: Operand): Num { return this.#both("rem", other); }
  fmod(other: Operand): Num { return this.#both("fmod", other); }
  remainder(other: Operand): Num { return this.#both("remainder", other); }
  floordiv(other: Operand): Num { return this.#both("floordiv", other); }
  min(other: Operand): Num { return this.#both("min", other); }
  max(other: Operand): Num { return this.#both("max", other); }
  fmin(other: Operand): Num { return this.#both("fmin", other); }
  fmax(other: Operand): Num { return this.#both("fmax", other); }
  atan2(other: Operand): Num { return this.#both("atan2", other); }
  hypot(other: Operand): Num { return this.#both("hypot", other); }
  copysign(other: Operand): Num { return this.#both("copysign", other); }
  bitand(other: Operand): Num { return this.#both("bitand", other); }
  bitor(other: Operand): Num { return this.#both("bitor", other); }
  bitxor(other: Operand): Num { return this.#both("bitxor", other); }
  shl(other: Operand): Num { return this.#both("shl", other); }
  shr(other: Operand): Num { return this.#both("shr", other); }
  /** Any other real two-argument function of the language. */
  call(fn: BinaryOp, other: Operand): Num { return this.#both(fn, other); }
  /** Any other real one-argument function of the language. */
  apply(fn: UnaryOp): Num { return this.#real(fn); }

  eq(other: Operand): Num {
    const b = this.lit(other);
    const re = new Num(binary("eq", this.re, b.re));
    if (this.im === undefined && b.im === undefined) return re;
    return re.and(new Num(binary("eq", this.#imag(), b.im ?? literal(0, this.type))));
  }
  ne(other: Operand): Num {
    const b = this.lit(other);
    const re = new Num(binary("ne", this.re, b.re));
    if (this.im === undefined && b.im === undefined) return re;
    return re.or(new Num(binary("ne", this.#imag(), b.im ?? literal(0, this.type))));
  }
  lt(other: Operand): Num { return this.#both("lt", other); }
  le(other: Operand): Num { return this.#both("le", other); }
  gt(other: Operand): Num { return this.#both("gt", other); }
  ge(other: Operand): Num { return this.#both("ge", other); }
  and(other: Num): Num { return new Num(binary("and", this.toBool().re, other.toBool().re)); }
  or(other: Num): Num { return new Num(binary("or", this.toBool().re, other.toBool().re)); }
  xor(other: Num): Num { return new Num(binary("xor", this.toBool().re, other.toBool().re)); }
  not(): Num { return new Num(unary("not", this.toBool().re)); }
  bitnot(): Num { return new Num(unary(this.type === "bool" ? "not" : "bitnot", this.re)); }
  /** `this ? a : b`. */
  where(a: Num, b: Num): Num {
    const re = select(this.re, a.re, b.re);
    if (a.im === undefined && b.im === undefined) return new Num(re);
    return new Num(re, select(this.re, a.#imag(), b.#imag()));
  }
  /** This value, where `cond` holds; else the call fails with message number `code`. */
  checked(cond: Num, code: number): Num {
    return new Num(check(cond.re, this.re, code), this.im);
  }
  /** Not zero. */
  toBool(): Num {
    if (this.type === "bool") return this;
    const re = new Num(cast(this.re, "bool"));
    return this.im === undefined ? re : re.or(new Num(cast(this.im, "bool")));
  }
  to(type: ExprType, saturate = false): Num {
    return this.im === undefined ? new Num(cast(this.re, type, saturate)) : new Num(cast(this.re, type, saturate), cast(this.im, type, saturate));
  }
  /** Rounded through a storage format. */
  round(format: RoundFormat, saturate = false): Num {
    return new Num(round(this.re, format, saturate), this.im === undefined ? undefined : round(this.im, format, saturate));
  }

  isnan(): Num {
    if (this.im !== undefined) return this.real().isnan().or(this.imag().isnan());
    return this.isFloat ? this.#real("isnan") : new Num(constant(false, "bool"));
  }
  isinf(): Num {
    if (this.im !== undefined) return this.real().isinf().or(this.imag().isinf());
    return this.isFloat ? this.#real("isinf") : new Num(constant(false, "bool"));
  }
  isfinite(): Num {
    if (this.im !== undefined) return this.real().isfinite().and(this.imag().isfinite());
    return this.isFloat ? this.#real("isfinite") : new Num(constant(true, "bool"));
  }
  signbit(): Num { return this.isFloat ? this.#real("signbit") : this.lt(0); }
  /** -1, 0, 1; NaN gives 0 (torch.sign gives NaN for NaN: it multiplies). Complex: `z / |z|`. */
  sign(): Num {
    if (this.im !== undefined) {
      const m = this.abs();
      const zero = m.eq(0);
      return new Num(zero.where(m.lit(0), this.real().div(m)).re, zero.where(m.lit(0), this.imag().div(m)).re);
    }
    return this.type === "bool" ? this : this.#real("sign");
  }
  floor(): Num { return this.isFloat ? this.#real("floor") : this; }
  ceil(): Num { return this.isFloat ? this.#real("ceil") : this; }
  trunc(): Num { return this.isFloat ? this.#real("trunc") : this; }
  /** To the nearest integer, halves to even. */
  rint(): Num { return this.isFloat ? this.#real("rint") : this; }

  exp(): Num {
    if (this.im === undefined) return this.#real("exp");
    const e = this.real().exp();
    const y = this.imag();
    const flat = y.eq(0);
    return new Num(e.mul(flat.where(y.lit(1), y.cos())).re, flat.where(y, e.mul(y.sin())).re);
  }
  log(): Num {
    if (this.im === undefined) return this.#real("log");
    return new Num(this.abs().log().re, this.angle().re);
  }
  log2(): Num { return this.im === undefined ? this.#real("log2") : this.log().mul(Math.LOG2E); }
  log10(): Num { return this.im === undefined ? this.#real("log10") : this.log().mul(Math.LOG10E); }
  log1p(): Num {
    if (this.im === undefined) return this.#real("log1p");
    const [x, y] = [this.real(), this.imag()];
    // |1+z|^2 - 1 = x(2+x) + y^2 keeps small z exact.
    const small = x.mul(x.add(2)).add(y.mul(y)).log1p().mul(0.5);
    return new Num(this.abs().lt(0.5).where(small, x.add(1).hypot(y).log()).re, y.atan2(x.add(1)).re);
  }
  expm1(): Num {
    if (this.im === undefined) return this.#real("expm1");
    const [x, y] = [this.real(), this.imag()];
    const h = y.mul(0.5).sin();
    return new Num(x.expm1().mul(y.cos()).sub(h.mul(h).mul(2)).re, x.exp().mul(y.sin()).re);
  }
  exp2(): Num { return this.im === undefined ? this.#real("exp2") : this.mul(Math.LN2).exp(); }
  sqrt(): Num {
    if (this.im === undefined) return this.#real("sqrt");
    const [x, y] = [this.real(), this.imag()];
    const m = this.abs();
    const big = x.abs().add(m).mul(0.5).sqrt();
    const small = y.abs().div(big.mul(2));
    const zero = m.eq(0);
    const positive = x.ge(0);
    const re = zero.where(m.lit(0), positive.where(big, small));
    const im = zero.where(y, positive.where(small, big).copysign(y));
    return new Num(re.re, im.re);
  }
  rsqrt(): Num { return this.sqrt().reciprocal(); }
  /** `this ** other`. Integers wrap; the exponent must not be negative there. */
  pow(other: Operand): Num {
    const b = this.lit(other);
    if (this.im === undefined && b.im === undefined) return new Num(binary("pow", this.re, b.re));
    const zero = this.abs().eq(0);
    const plain = new Num(this.re, this.#imag()).log().mul(b).exp();
    const bZero = b.abs().eq(0);
    const atZero = new Num(bZero.where(this.real().lit(1), this.real().lit(0)).re, literal(0, this.type));
    return zero.where(atZero, plain);
  }
  sin(): Num {
    if (this.im === undefined) return this.#real("sin");
    const [x, y] = [this.real(), this.imag()];
    return new Num(x.sin().mul(y.cosh()).re, x.cos().mul(y.sinh()).re);
  }
  cos(): Num {
    if (this.im === undefined) return this.#real("cos");
    const [x, y] = [this.real(), this.imag()];
    return new Num(x.cos().mul(y.cosh()).re, x.sin().mul(y.sinh()).neg().re);
  }
  tan(): Num {
    if (this.im === undefined) return this.#real("tan");
    const t = new Num(unary("neg", this.#imag()), this.re).tanh(); // tan(z) = -i tanh(iz)
    return new Num(t.imag().re, t.real().neg().re);
  }
  sinh(): Num {
    if (this.im === undefined) return this.#real("sinh");
    const [x, y] = [this.real(), this.imag()];
    return new Num(x.sinh().mul(y.cos()).re, x.cosh().mul(y.sin()).re);
  }
  cosh(): Num {
    if (this.im === undefined) return this.#real("cosh");
    const [x, y] = [this.real(), this.imag()];
    return new Num(x.cosh().mul(y.cos()).re, x.sinh().mul(y.sin()).re);
  }
  tanh(): Num {
    if (this.im === undefined) return this.#real("tanh");
    const [x, y] = [this.real(), this.imag()];
    // tanh(x+iy) = (t(1+u^2) + i u(1-t^2)) / (1 + t^2 u^2), t = tanh x, u = tan y; 1-t^2 = 1/cosh^2 x keeps the tail.
    const [t, u] = [x.tanh(), y.tan()];
    const sech2 = x.cosh().square().reciprocal();
    const den = t.mul(u).square().add(1);
    return new Num(t.mul(u.square().add(1)).div(den).re, u.mul(sech2).div(den).re);
  }
  asinh(): Num {
    if (this.im === undefined) return this.#real("asinh");
    const i = new Num(literal(0, this.type), literal(1, this.type));
    const w = i.mul(this).asin(); // asinh(z) = -i asin(iz)
    return new Num(w.imag().re, w.real().neg().re);
  }
  asin(): Num {
    if (this.im === undefined) return this.#real("asin");
    const one = this.lit(1);
    const [a, b] = [one.sub(this).sqrt(), one.add(this).sqrt()];
    const re = this.real().atan2(a.mul(b).real());
    const im = a.conj().mul(b).imag().apply("asinh");
    return new Num(re.re, im.re);
  }
  acos(): Num {
    if (this.im === undefined) return this.#real("acos");
    const one = this.lit(1);
    const [a, b] = [one.sub(this).sqrt(), one.add(this).sqrt()];
    const re = a.real().atan2(b.real()).mul(2);
    const im = b.conj().mul(a).imag().apply("asinh");
    return new Num(re.re, im.re);
  }
  acosh(): Num {
    if (this.im === undefined) return this.#real("acosh");
    const one = this.lit(1);
    const [a, b] = [this.sub(one).sqrt(), this.add(one).sqrt()];
    return new Num(a.conj().mul(b).real().apply("asinh").re, a.imag().atan2(b.real()).mul(2).re);
  }
  atanh(): Num {
    if (this.im === undefined) return this.#real("atanh");
    const [x, y] = [this.real(), this.imag()];
    // of |x|, where the argument of log1p is not near -1
    const re = x.abs().mul(4).div(x.lit(1).sub(x.abs()).square().add(y.square())).log1p().mul(0.25).copysign(x);
    const im = y.mul(2).atan2(x.lit(1).sub(x).mul(x.add(1)).sub(y.square())).mul(0.5);
    return new Num(re.re, im.re);
  }
  atan(): Num {
    if (this.im === undefined) return this.#real("atan");
    const i = new Num(literal(0, this.type), literal(1, this.type));
    const w = i.mul(this).atanh(); // atan(z) = -i atanh(iz)
    return new Num(w.imag().re, w.real().neg().re);
  }
  sigmoid(): Num {
    return this.neg().exp().add(1).reciprocal();
  }
  erf(): Num { return this.#real("erf"); }
}
