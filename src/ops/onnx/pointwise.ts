/** Arithmetic, comparisons, logic, bits and mathematics, element by element. */

import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import { dtypeInfo } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { apply, type Elementwise, elementwise, type Promotion } from "../elementwise.ts";
import { clamp } from "../aten/comparison.ts";
import { memo } from "../aten/memo.ts";
import { type OnnxCall, type OnnxMeaning, type OnnxOp, onnxOp } from "./define.ts";
import { float, maybeTensor, tensorAt, tensorsFrom } from "./inputs.ts";
import { mapOf } from "./programs.ts";

const LARGEST_FLOAT = 3.4028234663852886e38;

/** Before version 7, `broadcast=1` laid the second operand along the first from `axis` on (default: the last axes). */
function aligned(x: Tensor, y: Tensor, call: OnnxCall): Tensor {
  if (call.version >= 7 || call.attributes.int("broadcast", 0) === 0 || !call.attributes.has("axis")) return y;
  const axis = call.attributes.int("axis");
  const first = axis < 0 ? axis + x.rank : axis;
  const after = x.rank - first - y.rank;
  if (first < 0 || after < 0) throw new OpwiseError("shape-mismatch", `an operand of rank ${y.rank} does not fit at axis ${axis} of one of rank ${x.rank}`);
  const ones = new Array<number>(after).fill(1);
  return viewOf(y, [...y.shape, ...ones], [...y.strides, ...ones], y.offset);
}

/** A binary op, with the old broadcast where the version has it. */
function binary(name: string, build: (x: Num, y: Num) => Num, promotion: Promotion = "default"): OnnxOp {
  const e = elementwise(name, build, { promotion });
  return onnxOp(name, { 1: { run: (ctx, call) => apply(ctx, e, [tensorAt(call, 0), aligned(tensorAt(call, 0), tensorAt(call, 1), call)]) } });
}

function unary(name: string, build: (x: Num) => Num, promotion: Promotion = "default"): OnnxOp {
  const e = elementwise(name, build, { promotion });
  return onnxOp(name, { 1: { run: (ctx, call) => apply(ctx, e, [tensorAt(call, 0)]) } });
}

/** Operands of one program: it is one expression, as deep as they are many. */
const MAX_OPERANDS = 512;

/** Ops of any number of operands: one program per count, so that half types round once. */
function variadic(name: string, build: (all: readonly Num[]) => Num): OnnxOp {
  const byCount = memo<Elementwise>();
  const meaning: OnnxMeaning = {
    run: (ctx, call) => {
      const operands = tensorsFrom(call);
      if (operands.length > MAX_OPERANDS) throw new OpwiseError("limit-exceeded", `${name} of ${operands.length} tensors`, { wanted: `at most ${MAX_OPERANDS}` });
      return apply(
        ctx,
        byCount(String(operands.length), () => elementwise(name, (...all) => build(all))),
        operands,
      );
    },
  };
  return onnxOp(name, { 1: meaning });
}

const folded =
  (join: (a: Num, b: Num) => Num) =>
  (all: readonly Num[]): Num =>
    all.reduce(join);

const power = elementwise("pow", (x, y) => x.pow(y));
const truncated = elementwise("floored_remainder", (x, y) => x.remainder(y));
const remainder = elementwise("fmod", (x, y) => (x.isFloat ? x.fmod(y) : x.rem(y)));
/** Of floats: the sign of the divisor, also on zeros. */
const floored = elementwise("mod", (x, y) => {
  const m = x.remainder(y);
  return y
    .isinf()
    .and(x.isfinite())
    .where(x.eq(0).where(x.copysign(y), x.lt(0).xor(y.lt(0)).where(y, x)), m.eq(0).where(m.copysign(y), m));
});

/** Powers that are products, as in onnxruntime: no function on the host is called for them. */
const products = new Map([
  [2, elementwise("pow_2", (x) => x.square())],
  [3, elementwise("pow_3", (x) => x.square().mul(x))],
]);

/** The number that a tensor of one element is in the file; undefined where it may be another in each run. */
function constantOf(t: Tensor): number | undefined {
  const { storage } = t;
  return t.numel === 1 && storage.hasSource && (storage.onHost || storage.unread?.fill !== undefined) ? Number(t.data[0]) : undefined;
}

/** The exponent may be of another dtype; the result is of the base's. */
function pow(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const y = aligned(x, tensorAt(call, 1), call);
  const isSingle = (t: Tensor): boolean => t.dtype === "float32" || t.dtype === "float64";
  const product = isSingle(x) && isSingle(y) && y.rank <= x.rank ? products.get(constantOf(y) ?? NaN) : undefined;
  if (product !== undefined) return apply(ctx, product, [x]);
  if (x.dtype === y.dtype) return apply(ctx, power, [x, y]);
  // An integer to the power of a real number is computed in double precision and cut.
  return mapOf(ctx, "pow", [x, y], x.dtype, (a, b) => (!a.isFloat && b.isFloat ? a.to("f64").pow(b.to("f64")) : a.pow(b.to(a.type))));
}

const shiftLeft = elementwise("shift_left", (x, y) => x.shl(y));
const shiftRight = elementwise("shift_right", (x, y) => x.shr(y));

const infinities = [
  elementwise("is_inf_none", (x) => x.ne(x).and(x.eq(x)), { promotion: "own" }),
  elementwise("is_positive_inf", (x) => x.isinf().and(x.gt(0)), { promotion: "own" }),
  elementwise("is_negative_inf", (x) => x.isinf().and(x.lt(0)), { promotion: "own" }),
  elementwise("is_inf", (x) => x.isinf(), { promotion: "own" }),
] as const;

const choose = elementwise("where", (c, x, y) => c.toBool().where(x, y), { promotion: "masked" });

/** Bounds from inputs or, before version 11, from attributes. */
function clip(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const { attributes } = call;
  const bound = (at: number, name: string): Tensor | undefined => {
    const given = maybeTensor(call, at);
    if (given !== undefined && given.numel !== 1)
      throw new OpwiseError("shape-mismatch", `\`${name}\` of Clip must be one number`, { got: `shape [${given.shape.join(", ")}]` });
    return given === undefined ? undefined : viewOf(given, [], [], given.offset);
  };
  const [low, high] = [bound(1, "min"), bound(2, "max")];
  // Version 6 alone has bounds by default: the ends of float32.
  const ends = call.version >= 6 && call.version < 11 ? LARGEST_FLOAT : undefined;
  const stated = (name: string, otherwise: number | undefined): Scalar | null => (attributes.has(name) ? float(attributes.float(name)) : otherwise === undefined ? null : float(otherwise));
  const min = low ?? stated("min", ends === undefined ? undefined : -ends);
  const max = high ?? stated("max", ends);
  return min === null && max === null ? x : clamp(ctx, x, min, max);
}

/** Integers are reckoned in real numbers, and cut off. */
function shrink(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const type = dtypeInfo(x.dtype).class === "int" ? "f64" : undefined;
  return mapOf(ctx, "shrink", [x], x.dtype, (v, lambd, bias) => {
    const wide = type === undefined ? v : v.to(type);
    const [edge, by] = [lambd.to(wide.type), bias.to(wide.type)];
    return wide.lt(edge.neg()).where(wide.add(by), wide.gt(edge).where(wide.sub(by), wide.lit(0)));
  }, [call.attributes.float("lambd", 0.5), call.attributes.float("bias", 0)]);
}

export const pointwiseOps: readonly OnnxOp[] = [
  binary("Add", (x, y) => x.add(y)),
  binary("Sub", (x, y) => x.sub(y)),
  binary("Mul", (x, y) => x.mul(y)),
  binary("Div", (x, y) => (x.isFloat ? x.div(y) : x.quot(y))),
  onnxOp("Pow", { 1: { run: pow } }),
  onnxOp("Mod", {
    10: {
      run: (ctx, call) => {
        const [x, y] = [tensorAt(call, 0), tensorAt(call, 1)];
        if (call.attributes.int("fmod", 0) === 1) return apply(ctx, remainder, [x, y]);
        return apply(ctx, dtypeInfo(x.dtype).class === "float" ? floored : truncated, [x, y]);
      },
    },
  }),
  variadic(
    "Sum",
    folded((a, b) => a.add(b)),
  ),
  variadic(
    "Max",
    folded((a, b) => a.max(b)),
  ),
  variadic(
    "Min",
    folded((a, b) => a.min(b)),
  ),
  variadic("Mean", (all) => folded((a, b) => a.add(b))(all).div(all.length)),

  unary("Abs", (x) => x.abs()),
  unary("Neg", (x) => x.neg()),
  unary("Reciprocal", (x) => x.reciprocal()),
  unary("Sqrt", (x) => x.sqrt()),
  unary("Exp", (x) => x.exp()),
  unary("Log", (x) => x.log()),
  unary("Floor", (x) => x.floor()),
  unary("Ceil", (x) => x.ceil()),
  unary("Round", (x) => x.rint()),
  unary("Sign", (x) => (x.isFloat ? x.isnan().where(x, x.sign()) : x.sign())),
  unary("Erf", (x) => (x.isFloat ? x.erf() : x.to("f64").erf().to(x.type))),
  unary("Sin", (x) => x.sin()),
  unary("Cos", (x) => x.cos()),
  unary("Tan", (x) => x.tan()),
  unary("Asin", (x) => x.asin()),
  unary("Acos", (x) => x.acos()),
  unary("Atan", (x) => x.atan()),
  unary("Sinh", (x) => x.sinh()),
  unary("Cosh", (x) => x.cosh()),
  unary("Tanh", (x) => x.tanh()),
  unary("Asinh", (x) => x.asinh()),
  unary("Acosh", (x) => x.acosh()),
  unary("Atanh", (x) => x.atanh()),

  binary("Equal", (x, y) => x.eq(y), "compare"),
  binary("Greater", (x, y) => x.gt(y), "compare"),
  binary("GreaterOrEqual", (x, y) => x.ge(y), "compare"),
  binary("Less", (x, y) => x.lt(y), "compare"),
  binary("LessOrEqual", (x, y) => x.le(y), "compare"),
  binary("And", (x, y) => x.toBool().and(y), "own"),
  binary("Or", (x, y) => x.toBool().or(y), "own"),
  binary("Xor", (x, y) => x.toBool().xor(y), "own"),
  unary("Not", (x) => x.not(), "own"),
  unary("IsNaN", (x) => x.isnan(), "own"),
  onnxOp("IsInf", {
    10: {
      run: (ctx, call) => {
        const { attributes } = call;
        const which = (attributes.int("detect_positive", 1) !== 0 ? 1 : 0) + (attributes.int("detect_negative", 1) !== 0 ? 2 : 0);
        return apply(ctx, infinities[which] ?? infinities[3], [tensorAt(call, 0)]);
      },
    },
  }),
  onnxOp("Where", { 9: { run: (ctx, call) => apply(ctx, choose, [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)]) } }),

  binary("BitwiseAnd", (x, y) => x.bitand(y)),
  binary("BitwiseOr", (x, y) => x.bitor(y)),
  binary("BitwiseXor", (x, y) => x.bitxor(y)),
  unary("BitwiseNot", (x) => x.bitnot()),
  onnxOp("BitShift", {
    11: {
      run: (ctx, call) => {
        const direction = call.attributes.string("direction");
        if (direction !== "LEFT" && direction !== "RIGHT")
          throw new OpwiseError("bad-onnx", "`direction` of BitShift is unknown", { wanted: "LEFT or RIGHT", got: direction });
        return apply(ctx, direction === "LEFT" ? shiftLeft : shiftRight, [tensorAt(call, 0), tensorAt(call, 1)]);
      },
    },
  }),
  onnxOp("Clip", { 1: { run: clip } }),
  onnxOp("Shrink", { 9: { run: shrink } }),
];
