/** Functions of one tensor, element by element: rounding, powers, exponentials, logarithms, circular and hyperbolic functions, predicates. */

import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import { dtypeInfo, isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op, pointwise } from "../define.ts";
import { apply, type Elementwise, elementwise, type Promotion, type Rounding } from "../elementwise.ts";
import { sigmoidCodes, tanhCodes } from "../quantized/activation.ts";

type Unary = (x: Num) => Num;

/** `aten::name(Tensor self) -> Tensor` for each name; several names may share one meaning. */
function family(promotion: Promotion, table: Readonly<Record<string, Unary>>, quantised?: (ctx: Context, self: Tensor) => Tensor): Op[] {
  return Object.entries(table).flatMap(([names, build]) =>
    names.split(" ").map((name) => op(`aten::${name}(Tensor self) -> Tensor`, { run: pointwise(name, build, { promotion }), ...(quantised === undefined ? {} : { quantised }) })),
  );
}

const RADIANS_PER_DEGREE = Math.PI / 180;

/** Halves go to even; tenths and so on by scaling, as torch.round(decimals=) has it. */
const roundScaled = elementwise("round", (x, ten) => x.mul(ten).rint().div(ten));
const roundTens = elementwise("round", (x, ten) => x.div(ten).rint().mul(ten));

const float = (value: number): Scalar => ({ kind: "float", value });

/** Rounded to `decimals` places. */
function roundTo(ctx: Context, self: Tensor, decimals: number): Tensor {
  const { class: kind } = dtypeInfo(self.dtype);
  if (kind !== "float") throw new OpwiseError("unsupported-dtype", `"${decimals === 0 ? "round_vml_cpu" : "round_cpu"}" not implemented for '${scalarName(self.dtype)}'`);
  return apply(ctx, decimals < 0 ? roundTens : roundScaled, [self, float(10 ** Math.abs(decimals))]);
}

const plainCopy = elementwise("copy", (x) => x);
const nanToNum = elementwise("nan_to_num", (x, nan, high, low) => {
  const fix = (v: Num): Num => v.isnan().where(nan, v.eq(Infinity).where(high, v.eq(-Infinity).where(low, v)));
  return x.isComplex ? fix(x.real()).withImag(fix(x.imag())) : fix(x);
});

/** Largest finite value of a float dtype (or of a complex one's parts). */
function largest(t: Tensor): number {
  const info = dtypeInfo(t.dtype);
  const size = info.itemsize / info.lanes;
  if (size === 8) return Number.MAX_VALUE;
  if (size === 4) return 3.4028234663852886e38;
  return t.dtype === "bfloat16" ? 3.3895313892515355e38 : 65504;
}

function refuseBool(name: string, e: Elementwise): (ctx: Parameters<typeof apply>[0], self: Tensor) => Tensor {
  return (ctx, self) => {
    if (self.dtype === "bool") throw new OpwiseError("dtype-mismatch", `Negation, the \`-\` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the \`~\` or \`logical_not()\` operator instead.`, { where: { op: name } });
    return apply(ctx, e, [self]);
  };
}

/** A bool counts as 0 or 1: its square is an int64. */
const squared = elementwise("square", (x) => x.square(), { result: (common) => (common === "bool" ? "int64" : common) });
const negate = elementwise("neg", (x) => x.neg());
const logOdds = (round: Rounding, x: Num): Num => round(x.div(round(x.lit(1).sub(x)))).log();
const logitOf = elementwise("logit", { stepwise: (round) => (x) => logOdds(round, x) }, { promotion: "float" });
const logitClamped = elementwise("logit", {
  stepwise: (round) => (x, eps) => {
    const low = round(eps);
    const high = round(low.neg().add(1));
    return logOdds(round, x.lt(low).where(low, x.gt(high).where(high, x)));
  },
}, { promotion: "float" });

const absolute = elementwise("abs", (x) => x.abs(), {
  promotion: "real",
  check: ([x]) => {
    if (x instanceof Tensor && x.dtype === "bool") throw new OpwiseError("unsupported-dtype", `"abs_cpu" not implemented for 'Bool'`);
  },
});
const conjugate = elementwise("conj_physical", (x) => x.conj());

export const unary: readonly Op[] = [
  op("prim::abs(Tensor x) -> Tensor", { run: { kind: "pointwise", elementwise: absolute } }),
  ...(["abs", "absolute"] as const).flatMap((name) => [
    op(`aten::${name}(Tensor self) -> Tensor`, { run: { kind: "pointwise", elementwise: absolute } }),
    op(`aten::${name}_(Tensor(a!) self) -> Tensor(a!)`, {
      run: (ctx, self) => {
        if (isComplex(self.dtype)) throw new OpwiseError("unsupported-dtype", "In-place abs is not supported for complex tensors.");
        return apply(ctx, absolute, [self], self);
      },
    }),
  ]),
  ...family("default", {
    floor: (x) => x.floor(), ceil: (x) => x.ceil(), "trunc fix": (x) => x.trunc(), round: (x) => x.rint(),
    frac: (x) => x.sub(x.trunc()),
    // A number's sign; NaN has none and gives 0.
    sign: (x) => {
      if (x.isComplex) throw new OpwiseError("dtype-mismatch", "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use torch.sgn instead.");
      return x.sign();
    },
    sgn: (x) => x.sign(),
    bitwise_not: (x) => {
      if (x.isFloat) throw new OpwiseError("dtype-mismatch", `"bitwise_not_cpu" not implemented for '${x.isComplex ? "ComplexFloat" : x.type === "f64" ? "Double" : "Float"}'`);
      return x.bitnot();
    },
    _conj_physical: (x) => x.conj(),
  }),
  op("aten::conj_physical(Tensor self) -> Tensor", { run: (ctx, self) => (isComplex(self.dtype) ? apply(ctx, conjugate, [self]) : self) }),
  op("aten::square(Tensor self) -> Tensor", { run: { kind: "pointwise", elementwise: squared } }),
  op("aten::positive(Tensor(a) self) -> Tensor(a)", {
    run: (_ctx, self) => {
      if (self.dtype === "bool") throw new OpwiseError("dtype-mismatch", "The `+` operator, on a bool tensor is not supported.");
      return self;
    },
    quantised: "copies",
  }),
  op("aten::neg(Tensor self) -> Tensor", { run: refuseBool("aten::neg", negate) }),
  op("aten::negative(Tensor self) -> Tensor", { run: refuseBool("aten::negative", negate) }),
  op("aten::round.decimals(Tensor self, *, int decimals) -> Tensor", { run: roundTo }),
  op("aten::special_round(Tensor self, *, int decimals=0) -> Tensor", { run: roundTo }),
  ...family("float", {
    sqrt: (x) => x.sqrt(), rsqrt: (x) => x.rsqrt(), reciprocal: (x) => x.reciprocal(),
    exp: (x) => x.exp(), exp2: (x) => x.exp2(), special_exp2: (x) => x.exp2(), "expm1 special_expm1": (x) => x.expm1(),
    log: (x) => x.log(), log2: (x) => x.log2(), log10: (x) => x.log10(), "log1p special_log1p": (x) => x.log1p(),
    sin: (x) => x.sin(), cos: (x) => x.cos(), tan: (x) => x.tan(),
    "asin arcsin": (x) => x.asin(), "acos arccos": (x) => x.acos(), "atan arctan": (x) => x.atan(),
    sinh: (x) => x.sinh(), cosh: (x) => x.cosh(),
    "asinh arcsinh": (x) => x.asinh(), "acosh arccosh": (x) => x.acosh(), "atanh arctanh": (x) => x.atanh(),
    deg2rad: (x) => x.mul(RADIANS_PER_DEGREE), rad2deg: (x) => x.mul(1 / RADIANS_PER_DEGREE),
    "sinc special_sinc": (x) => {
      const y = x.mul(Math.PI);
      return x.eq(0).where(x.lit(1), y.sin().div(y));
    },
  }),
  ...family("float", { "sigmoid special_expit": (x) => x.sigmoid() }, (ctx, self) => sigmoidCodes(ctx, self)),
  ...family("float", { tanh: (x) => x.tanh() }, (ctx, self) => tanhCodes(ctx, self)),
  ...family("floatReal", { angle: (x) => x.angle() }),
  ...family("own", {
    isnan: (x) => x.isnan(), isinf: (x) => x.isinf(), isfinite: (x) => x.isfinite(),
    isposinf: (x) => (x.isFloat ? x.eq(Infinity) : x.ne(x)), isneginf: (x) => (x.isFloat ? x.eq(-Infinity) : x.ne(x)),
    isreal: (x) => (x.isComplex ? x.imag().eq(0) : x.eq(x).or(x.ne(x))),
    signbit: (x) => x.signbit(), logical_not: (x) => x.toBool().not(),
  }),
  op("aten::nan_to_num(Tensor self, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor", {
    run: (ctx, self, nan, posinf, neginf) => {
      const kind = dtypeInfo(self.dtype).class;
      if (kind !== "float" && kind !== "complex") return apply(ctx, plainCopy, [self]);
      return apply(ctx, nanToNum, [self, float(nan ?? 0), float(posinf ?? largest(self)), float(neginf ?? -largest(self))]);
    },
  }),
  ...["logit", "special_logit"].map((name) =>
    op(`aten::${name}(Tensor self, float? eps=None) -> Tensor` as "aten::logit(Tensor self, float? eps=None) -> Tensor", {
      run: (ctx, self, eps) => (eps === null ? apply(ctx, logitOf, [self]) : apply(ctx, logitClamped, [self, float(eps)])),
    }),
  ),
];
