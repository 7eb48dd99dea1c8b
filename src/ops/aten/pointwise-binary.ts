/** Functions of two or three tensors, element by element: powers, remainders, extremes, bits, interpolation. */

import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import { copyInto, empty, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { isComplex, isFloat, isInt, scalarName, typeName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op, pointwise } from "../define.ts";
import { checkFits } from "../element-range.ts";
import { apply, elementwise, type ElementwiseOptions, type Promotion } from "../elementwise.ts";
import { resultType } from "../promotion.ts";
import { sameShape } from "../../tensor/shape.ts";
import { writeOut } from "../registry.ts";
import { frexpProgram } from "./frexp.ts";
import { everyOf as allOf } from "./reduction.ts";
import { codesOf } from "../quantized/codes.ts";
import { special2 } from "../special-functions.ts";

type Binary = (x: Num, y: Num) => Num;

/** The scalar type that a kernel would run with, as messages name it. */
function typeOfNum(x: Num): string {
  const names: Readonly<Record<string, string>> = { f32: "Float", f64: "Double", bool: "Bool" };
  return `${x.isComplex ? "Complex" : ""}${names[x.type] ?? x.type}`;
}

/** A meaning that integers alone have (`bools` too where it is logic on bits). */
function whole(name: string, build: Binary, bools = false): Binary {
  return (x, y) => {
    if (x.isFloat || x.isComplex || (x.type === "bool" && !bools)) throw new OpwiseError("unsupported-dtype", `"${name}" not implemented for '${typeOfNum(x)}'`, { wanted: "integers" });
    return build(x, y);
  };
}

function sameAs(self: Tensor, t: Tensor, name: string): void {
  if (t.dtype !== self.dtype) throw new OpwiseError("dtype-mismatch", `expected dtype ${typeName(self.dtype)} for \`${name}\` but got dtype ${typeName(t.dtype)}`);
}

/** `aten::name(Tensor self, Tensor other) -> Tensor` for each name. */
function tensors(promotion: Promotion, table: Readonly<Record<string, Binary>>): Op[] {
  return Object.entries(table).flatMap(([names, build]) => names.split(" ").map((name) => op(`aten::${name}(Tensor self, Tensor other) -> Tensor`, { run: pointwise(name, build, { promotion }) })));
}

/** The overloads `.Tensor` and `.Scalar` of each name, and `.Scalar_Tensor` where it is asked for. */
function overloads(table: Readonly<Record<string, Binary>>, scalarFirst: "Scalar_Tensor" | undefined, scalarSecond = "Scalar", options: ElementwiseOptions = {}): Op[] {
  return Object.entries(table).flatMap(([names, build]) =>
    names.split(" ").flatMap((name) => [
      op(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, { run: pointwise(name, build, options) }),
      op(`aten::${name}.${scalarSecond}(Tensor self, Scalar other) -> Tensor`, { run: pointwise(name, build, options) }),
      ...(scalarFirst === undefined ? [] : [op(`aten::${name}.${scalarFirst}(Scalar self, Tensor other) -> Tensor`, { run: pointwise(name, build, options) })]),
    ]),
  );
}

const ZERO_DIVISION: ElementwiseOptions = { messages: ["ZeroDivisionError"] };
/** A divisor; integers are checked. */
const divisor = (y: Num): Num => (y.isFloat ? y : y.checked(y.ne(0), 0));

const power = elementwise("pow", (x, y) => x.pow(y));
const squared = elementwise("pow_2", (x) => x.square());
const cubed = elementwise("pow_3", (x) => x.square().mul(x));
const rooted = elementwise("pow_half", (x) => x.sqrt());
const reverseRooted = elementwise("pow_minus_half", (x) => x.rsqrt());
const inverted = elementwise("pow_minus_1", (x) => x.reciprocal());
const inverseSquared = elementwise("pow_minus_2", (x) => x.square().reciprocal());
const floatPower = elementwise("float_power", (x, y) => x.pow(y), { result: (common) => (isComplex(common) ? "complex128" : "float64") });

/** Exponents that have a closed form take it: `x ** 0.5` is the square root, with its NaN for negative infinity. */
function powScalar(ctx: Context, self: Tensor, exponent: Scalar): Tensor {
  const common = resultType([self, exponent], ctx.defaultDtype);
  const value = exponent.kind === "complex" ? NaN : Number(exponent.value);
  if (isInt(common)) {
    if (value < 0) throw new OpwiseError("bad-argument", "Integers to negative integer powers are not allowed.");
    checkFits(exponent, common);
  } else if (self.dtype === common) {
    if (value === 2) return apply(ctx, squared, [self]);
    if (value === 3) return apply(ctx, cubed, [self]);
    if (value === 0.5) return apply(ctx, rooted, [self]);
    if (value === -0.5) return apply(ctx, reverseRooted, [self]);
    if (value === -1) return apply(ctx, inverted, [self]);
    if (value === -2) return apply(ctx, inverseSquared, [self]);
  }
  return apply(ctx, power, [self, exponent]);
}

const lerp = elementwise("lerp", (start, end, w) => {
  const near = (w.isComplex ? w.abs() : w.abs()).lt(0.5);
  return near.where(start.add(w.mul(end.sub(start))), end.sub(end.sub(start).mul(w.lit(1).sub(w))));
});
const isCloseTo = elementwise("isclose", (x, y, rtol, atol) => {
  const gap = x.sub(y).abs();
  const allowed = atol.real().add(rtol.real().mul(y.abs()).abs());
  return x.eq(y).or(gap.isfinite().and(gap.le(allowed)));
}, { promotion: "compare" });
const equals = elementwise("eq", (x, y) => x.eq(y), { promotion: "compare" });
const bothNaN = elementwise("both_nan", (x, y) => x.isnan().and(y.isnan()), { promotion: "own" });
const either = elementwise("logical_or", (x, y) => x.toBool().or(y.toBool()), { promotion: "own" });

/** `|self - other| <= atol + rtol * |other|`; equal infinities are close. */
export function isclose(ctx: Context, self: Tensor, other: Tensor, rtol: number, atol: number, equalNaN: boolean): Tensor {
  if (self.dtype !== other.dtype) throw new OpwiseError("dtype-mismatch", `${scalarName(self.dtype)} did not match ${scalarName(other.dtype)}`);
  if (!(rtol >= 0)) throw new OpwiseError("bad-argument", `rtol must be greater than or equal to zero, but got ${rtol}`);
  if (!(atol >= 0)) throw new OpwiseError("bad-argument", `atol must be greater than or equal to zero, but got ${atol}`);
  const close = apply(ctx, isCloseTo, [self, other, { kind: "float", value: rtol }, { kind: "float", value: atol }]);
  return equalNaN ? apply(ctx, either, [close, apply(ctx, bothNaN, [self, other])]) : close;
}

const multiplied = elementwise("mul", (x, y) => x.mul(y));

const logAddExp = (natural: boolean): Binary => (x, y) => {
  if (x.isComplex) {
    const first = x.real().ge(y.real());
    const [high, low] = [first.where(x, y), first.where(y, x)];
    return high.add(low.sub(high).exp().log1p());
  }
  const high = x.max(y);
  const gap = x.sub(y).abs().neg();
  const same = x.isinf().and(x.eq(y));
  return same.where(x, high.add(natural ? gap.exp().log1p() : gap.exp2().log1p().mul(Math.LOG2E)));
};

const xlogy: Binary = (x, y) => y.isnan().where(y, x.eq(0).where(x.lit(0), x.mul(y.log())));
const xlog1py: Binary = (x, y) => y.isnan().where(y, x.eq(0).where(x.lit(0), x.mul(y.log1p())));

function threeForms(name: string, build: Binary, names: readonly [string, string, string], parameters = ["self", "other"]): Op[] {
  const run = pointwise(name, build, { promotion: "float" });
  const [a, b] = parameters;
  const dot = (overload: string): string => (overload === "" ? `aten::${name}` : `aten::${name}.${overload}`);
  return [
    op(`${dot(names[0])}(Tensor ${a}, Tensor ${b}) -> Tensor`, { run }),
    op(`${dot(names[1])}(Tensor ${a}, Scalar ${b}) -> Tensor`, { run }),
    op(`${dot(names[2])}(Scalar ${a}, Tensor ${b}) -> Tensor`, { run }),
  ];
}

const addcmul = pointwise("addcmul", (x, a, b, value) => x.add(value.mul(a).mul(b)), { promotes: 3 });
const addcdiv = pointwise("addcdiv", (x, a, b, value) => x.add(value.mul(a).div(b)), { promotes: 3 });

const POLYNOMIALS = {
  chebyshev_polynomial_t: "chebyshevT", chebyshev_polynomial_u: "chebyshevU", chebyshev_polynomial_v: "chebyshevV", chebyshev_polynomial_w: "chebyshevW",
  shifted_chebyshev_polynomial_t: "chebyshevTs", shifted_chebyshev_polynomial_u: "chebyshevUs", shifted_chebyshev_polynomial_v: "chebyshevVs", shifted_chebyshev_polynomial_w: "chebyshevWs",
  hermite_polynomial_h: "hermiteH", hermite_polynomial_he: "hermiteHe", laguerre_polynomial_l: "laguerreL", legendre_polynomial_p: "legendreP",
} as const;

function floatOnly(name: string, self: Tensor): void {
  if (!isFloat(self.dtype)) throw new OpwiseError("unsupported-dtype", `"${name}" not implemented for '${scalarName(self.dtype)}'`);
}

const xor: Binary = whole("bitwise_xor_cpu", (x, y) => x.bitxor(y), true);
const and: Binary = whole("bitwise_and_cpu", (x, y) => x.bitand(y), true);
const or: Binary = whole("bitwise_or_cpu", (x, y) => x.bitor(y), true);
const left: Binary = whole("lshift_cpu", (x, y) => x.shl(y));
const right: Binary = whole("rshift_cpu", (x, y) => x.shr(y));
const least: Binary = (x, y) => x.min(y);
const most: Binary = (x, y) => x.max(y);

/** The forms that exist in place alone: `__iand__` and its kin. */
function inPlace(table: Readonly<Record<string, Binary>>): Op[] {
  return Object.entries(table).flatMap(([name, build]) => {
    const e = elementwise(name, build);
    return [
      op(`aten::${name}.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)` as "aten::x.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)", { run: (ctx, self, other) => apply(ctx, e, [self, other], self) }),
      op(`aten::${name}.Scalar(Tensor(a!) self, Scalar other) -> Tensor(a!)` as "aten::x.Scalar(Tensor(a!) self, Scalar other) -> Tensor(a!)", { run: (ctx, self, other) => apply(ctx, e, [self, other], self) }),
    ];
  });
}

/** Whether two tensors' codes stand for the same numbers. */
function* sameQuantizers(ctx: Context, a: Tensor, b: Tensor): Generator<Tensor, boolean, void> {
  const [p, q] = [a.quantizer, b.quantizer];
  if (p === undefined || q === undefined || p.scheme !== q.scheme) return false;
  if (p.scheme === "per_tensor_affine") return q.scheme === "per_tensor_affine" && p.scale === q.scale && p.zeroPoint === q.zeroPoint;
  if (q.scheme === "per_tensor_affine" || p.axis !== q.axis || !sameShape(p.scales.shape, q.scales.shape)) return false;
  for (const [x, y] of [[p.scales, q.scales], [p.zeroPoints, q.zeroPoints]] as const) {
    const same = allOf(ctx, apply(ctx, equals, [x, y]));
    yield same;
    if (same.item() !== true) return false;
  }
  return true;
}

/** A power in double precision, whatever the operands are. */
function floatPow(ctx: Context, self: Tensor | Scalar, exponent: Tensor | Scalar): Tensor {
  const common = resultType([self, exponent], ctx.defaultDtype);
  const wide = isComplex(common) ? "complex128" : "float64";
  const widen = (t: Tensor | Scalar): Tensor | Scalar => (t instanceof Tensor ? apply(ctx, isComplex(common) ? toComplex128 : toFloat64, [t]) : t.kind === "int" || t.kind === "bool" ? { kind: "float", value: Number(t.value) } : t);
  return wide === common ? apply(ctx, floatPower, [self, exponent]) : apply(ctx, floatPower, [widen(self), widen(exponent)]);
}

export const binary: readonly Op[] = [
  op("aten::pow.Tensor_Tensor(Tensor self, Tensor exponent) -> Tensor", { run: { kind: "pointwise", elementwise: power } }),
  op("aten::pow.Tensor_Scalar(Tensor self, Scalar exponent) -> Tensor", { run: powScalar }),
  op("aten::pow.Scalar(Scalar self, Tensor exponent) -> Tensor", { run: (ctx, self, exponent) => apply(ctx, power, [self, exponent], empty(ctx, exponent.shape, resultType([self, exponent], ctx.defaultDtype))) }),
  ...(["Tensor_Tensor(Tensor self, Tensor exponent", "Tensor_Scalar(Tensor self, Scalar exponent", "Scalar(Scalar self, Tensor exponent"] as const).flatMap((form) => [
    op(`aten::float_power.${form}) -> Tensor`, { run: floatPow }),
    op(`aten::float_power.${form.replace("(", "_out(")}, *, Tensor(a!) out) -> Tensor(a!)` as "aten::float_power.out(Tensor self, Tensor exponent, *, Tensor(a!) out) -> Tensor(a!)", {
      run: (ctx, self, exponent, out) => {
        const value = floatPow(ctx, self, exponent);
        if (out.dtype !== value.dtype) throw new OpwiseError("dtype-mismatch", `the output given to float_power has dtype ${scalarName(out.dtype)} but the operation's result requires dtype ${scalarName(value.dtype)}`);
        writeOut(ctx, out, value);
        return out;
      },
    }),
  ]),
  ...(["Tensor", "Scalar"] as const).map((kind) =>
    op(`aten::float_power_.${kind}(Tensor(a!) self, ${kind} exponent) -> Tensor(a!)`, {
      run: (ctx: Context, self: Tensor, exponent: Tensor | Scalar) => {
        const value = floatPow(ctx, self, exponent);
        if (self.dtype !== value.dtype) throw new OpwiseError("dtype-mismatch", `the base given to float_power_ has dtype ${scalarName(self.dtype)} but the operation's result requires dtype ${scalarName(value.dtype)}`);
        copyInto(ctx, self, value);
        return self;
      },
    }),
  ),
  ...overloads({ remainder: (x, y) => x.remainder(divisor(y)) }, "Scalar_Tensor", "Scalar", ZERO_DIVISION),
  ...overloads({ fmod: (x, y) => x.fmod(divisor(y)) }, undefined, "Scalar", ZERO_DIVISION),
  ...overloads({ bitwise_and: and, bitwise_or: or, bitwise_xor: xor }, "Scalar_Tensor"),
  ...overloads({ bitwise_left_shift: left, bitwise_right_shift: right }, "Scalar_Tensor", "Tensor_Scalar"),
  ...overloads({ __and__: and, __or__: or, __xor__: xor, __lshift__: left, __rshift__: right }, undefined),
  ...inPlace({ __iand__: and, __ior__: or, __ixor__: xor, __ilshift__: left, __irshift__: right }),
  ...tensors("default", {
    maximum: most, minimum: least, "max.other": most, "min.other": least, fmax: (x, y) => x.fmax(y), fmin: (x, y) => x.fmin(y),
    hypot: (x, y) => x.hypot(y), nextafter: (x, y) => x.call("nextafter", y), gcd: whole("gcd_cpu", (x, y) => x.call("gcd", y)),
    lcm: whole("lcm_cpu", (x, y) => {
      const g = x.call("gcd", y);
      return g.eq(0).where(x.lit(0), x.quot(g).mul(y).abs());
    }),
    logaddexp: logAddExp(true), logaddexp2: logAddExp(false),
    "igamma special_gammainc": (x, y) => x.call(special2("igamma"), y), "igammac special_gammaincc": (x, y) => x.call(special2("igammac"), y),
  }),
  ...tensors("float", { "atan2 arctan2": (x, y) => x.atan2(y), "copysign.Tensor": (x, y) => x.copysign(y) }),
  op("aten::copysign.Scalar(Tensor self, Scalar other) -> Tensor", { run: pointwise("copysign", (x, y) => x.copysign(y), { promotion: "float" }) }),
  ...threeForms("xlogy", xlogy, ["Tensor", "Scalar_Other", "Scalar_Self"]),
  ...threeForms("special_xlogy", xlogy, ["", "other_scalar", "self_scalar"]),
  ...threeForms("special_xlog1py", xlog1py, ["", "other_scalar", "self_scalar"]),
  ...threeForms("special_zeta", (x, q) => x.call(special2("zeta"), q), ["", "other_scalar", "self_scalar"]),
  ...Object.entries(POLYNOMIALS).flatMap(([name, fn]) => threeForms(`special_${name}`, (x, n) => x.call(special2(fn), n), ["", "n_scalar", "x_scalar"], ["x", "n"])),
  op("aten::heaviside(Tensor self, Tensor values) -> Tensor", { run: pointwise("heaviside", (x, v) => x.eq(0).where(v, x.lt(0).where(x.lit(0), x.isnan().where(x.lit(0), x.lit(1))))) }),
  op("aten::ldexp.Tensor(Tensor self, Tensor other) -> Tensor", { run: (ctx, self, other) => apply(ctx, multiplied, [self, apply(ctx, power, [{ kind: "float", value: 2 }, other])]) }),
  op("aten::frexp.Tensor(Tensor self) -> (Tensor mantissa, Tensor exponent)", {
    run: (ctx, self) => {
      floatOnly("frexp", self);
      return map(ctx, frexpProgram(self.dtype), [self]);
    },
  }),
  op("aten::lerp.Scalar(Tensor self, Tensor end, Scalar weight) -> Tensor", {
    run: (ctx, self, end, weight) => {
      sameAs(self, end, "end");
      return apply(ctx, lerp, [self, end, weight]);
    },
  }),
  op("aten::lerp.Tensor(Tensor self, Tensor end, Tensor weight) -> Tensor", {
    run: (ctx, self, end, weight) => {
      sameAs(self, end, "end");
      sameAs(self, weight, "weight");
      return apply(ctx, lerp, [self, end, weight]);
    },
  }),
  op("aten::addcmul(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", { run: addcmul }),
  op("aten::addcdiv(Tensor self, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", {
    run: (ctx, self, a, b, value) => {
      if (!isFloat(a.dtype) && !isComplex(a.dtype) && !isFloat(b.dtype) && !isComplex(b.dtype)) {
        throw new OpwiseError("dtype-mismatch", "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all dtypes.");
      }
      return apply(ctx, addcdiv.elementwise, [self, a, b, value]);
    },
  }),
  op("aten::allclose(Tensor self, Tensor other, float rtol=1.0000000000000001e-05, float atol=1e-08, bool equal_nan=False) -> bool", {
    reads: function* (ctx, self, other, rtol, atol, equalNaN) {
      const close = allOf(ctx, isclose(ctx, self, other, rtol, atol, equalNaN));
      yield close;
      return close.item();
    },
  }),
  op("aten::equal(Tensor self, Tensor other) -> bool", {
    reads: function* (ctx, self, other) {
      if (!sameShape(self.shape, other.shape)) return false;
      const same = allOf(ctx, apply(ctx, equals, [self, other]));
      yield same;
      return same.item();
    },
    quantised: function* (ctx, self, other) {
      const alike = self.dtype === other.dtype && sameShape(self.shape, other.shape) && (yield* sameQuantizers(ctx, self, other));
      if (!alike) return false;
      const same = allOf(ctx, apply(ctx, equals, [codesOf(self), codesOf(other)]));
      yield same;
      return same.item();
    },
  }),
  op("aten::isclose(Tensor self, Tensor other, float rtol=1.0000000000000001e-05, float atol=1e-08, bool equal_nan=False) -> Tensor", { run: isclose }),
];

const toFloat64 = elementwise("cast", (x) => x, { result: () => "float64" });
const toComplex128 = elementwise("cast", (x) => x, { result: () => "complex128" });
