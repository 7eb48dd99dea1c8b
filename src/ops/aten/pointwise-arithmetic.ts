/** Arithmetic: add, sub, mul, div and their kin (PyTorch: torch.add ...). */

import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { op, type Op, pointwise } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { rectified } from "../quantized/arithmetic.ts";

const plain = (name: string, build: (x: Num, y: Num) => Num): ReturnType<typeof pointwise> => pointwise(name, build);

/** Bools do not subtract, whatever the common dtype. */
function refuseBools(operands: readonly (Tensor | Scalar)[]): void {
  const [a, b] = operands.slice(0, 2).map((o) => (o instanceof Tensor ? o.dtype : o.kind) === "bool");
  if (a && b) throw new OpwiseError("dtype-mismatch", "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` operator instead.");
  if (a || b) throw new OpwiseError("dtype-mismatch", "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead.");
}
const subtract = elementwise("sub", (x, y, alpha) => x.sub(y.mul(alpha)), { promotes: 2, check: refuseBools });
const divTrue = elementwise("div", (x, y) => x.div(y), { promotion: "float" });
/** Integers go by their own division; floats divide first and round after. */
const ZERO_DIVISION: readonly string[] = ["ZeroDivisionError"];
/** An integer divisor, checked. */
const nonZero = (y: Num): Num => y.checked(y.ne(0), 0);
const divTrunc = elementwise("div_trunc", { stepwise: (round) => (x, y) => (x.isFloat ? round(x.div(y)).trunc() : x.quot(nonZero(y))) }, { messages: ZERO_DIVISION });
/** Python's floor division, with its steps rounded (c10::div_floor_floating). */
const divFloor = elementwise("div_floor", {
  stepwise: (round) => (x, y) => {
    if (!x.isFloat) return x.floordiv(nonZero(y));
    const mod = x.fmod(y);
    const quotient = round(round(x.sub(mod)).div(y));
    const turned = mod.ne(0).and(y.lt(0).xor(mod.lt(0)));
    const div = turned.where(round(quotient.sub(1)), quotient);
    const floor = div.floor();
    const nearest = div.sub(floor).gt(0.5).where(floor.add(1), floor);
    return y.eq(0).where(x.div(y), div.ne(0).where(nearest, x.lit(0).copysign(x.div(y))));
  },
}, { messages: ZERO_DIVISION });

function divideBy(mode: string | null): typeof divTrue {
  if (mode === null) return divTrue;
  if (mode === "trunc") return divTrunc;
  if (mode === "floor") return divFloor;
  throw new OpwiseError("bad-argument", `div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '${mode}'`);
}

const relu = pointwise("relu", (x) => {
  if (x.type === "bool") throw new OpwiseError("dtype-mismatch", "Boolean inputs not supported for relu");
  return x.max(0);
});

export const arithmetic: readonly Op[] = [
  op("aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", { run: pointwise("add", (x, y, alpha) => x.add(y.mul(alpha)), { promotes: 2 }) }),
  op("aten::add.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", { run: pointwise("add", (x, y, alpha) => x.add(y.mul(alpha)), { promotes: 2 }) }),
  op("aten::sub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", { run: { kind: "pointwise", elementwise: subtract } }),
  op("aten::sub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", { run: { kind: "pointwise", elementwise: subtract } }),
  op("aten::rsub.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", { run: (ctx, self, other, alpha) => apply(ctx, subtract, [other, self, alpha]) }),
  op("aten::rsub.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", { run: pointwise("rsub", (x, y, alpha) => y.sub(x.mul(alpha)), { promotes: 2, check: refuseBools }) }),
  op("aten::mul.Tensor(Tensor self, Tensor other) -> Tensor", { run: plain("mul", (x, y) => x.mul(y)) }),
  op("aten::mul.Scalar(Tensor self, Scalar other) -> Tensor", { run: plain("mul", (x, y) => x.mul(y)) }),
  op("aten::div.Tensor(Tensor self, Tensor other) -> Tensor", { run: { kind: "pointwise", elementwise: divTrue } }),
  op("aten::div.Scalar(Tensor self, Scalar other) -> Tensor", { run: { kind: "pointwise", elementwise: divTrue } }),
  op("aten::div.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor", { run: (ctx, self, other, mode) => apply(ctx, divideBy(mode), [self, other]) }),
  op("aten::div.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor", { run: (ctx, self, other, mode) => apply(ctx, divideBy(mode), [self, other]) }),
  op("aten::floor_divide(Tensor self, Tensor other) -> Tensor", { run: { kind: "pointwise", elementwise: divFloor } }),
  op("aten::floor_divide.Scalar(Tensor self, Scalar other) -> Tensor", { run: { kind: "pointwise", elementwise: divFloor } }),
  op("aten::subtract.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor", { run: { kind: "pointwise", elementwise: subtract } }),
  op("aten::subtract.Scalar(Tensor self, Scalar other, Scalar alpha=1) -> Tensor", { run: { kind: "pointwise", elementwise: subtract } }),
  op("aten::multiply.Tensor(Tensor self, Tensor other) -> Tensor", { run: plain("mul", (x, y) => x.mul(y)) }),
  op("aten::multiply.Scalar(Tensor self, Scalar other) -> Tensor", { run: plain("mul", (x, y) => x.mul(y)) }),
  ...(["divide", "true_divide"] as const).flatMap((name) => [
    op(`aten::${name}.Tensor(Tensor self, Tensor other) -> Tensor`, { run: { kind: "pointwise", elementwise: divTrue } }),
    op(`aten::${name}.Scalar(Tensor self, Scalar other) -> Tensor`, { run: { kind: "pointwise", elementwise: divTrue } }),
  ]),
  op("aten::divide.Tensor_mode(Tensor self, Tensor other, *, str? rounding_mode) -> Tensor", { run: (ctx, self, other, mode) => apply(ctx, divideBy(mode), [self, other]) }),
  op("aten::divide.Scalar_mode(Tensor self, Scalar other, *, str? rounding_mode) -> Tensor", { run: (ctx, self, other, mode) => apply(ctx, divideBy(mode), [self, other]) }),
  op("aten::relu(Tensor self) -> Tensor", { run: relu, quantised: (ctx, self) => rectified(ctx, self), quantisedWrites: true }),
];
