/** Steps that composites are made of: each promotes and rounds by itself, as the ops that PyTorch composes them of do. */

import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { apply, elementwise, type ElementwiseOptions } from "../elementwise.ts";

type Operand = Tensor | Scalar;
type Unary = (ctx: Context, x: Operand) => Tensor;
/** With `out` the result goes there, converted: the in-place form. */
type Binary = (ctx: Context, x: Operand, y: Operand, out?: Tensor) => Tensor;

function unary(name: string, build: (x: Num) => Num, options: ElementwiseOptions = {}): Unary {
  const e = elementwise(name, build, options);
  return (ctx, x) => apply(ctx, e, [x]);
}
function binary(name: string, build: (x: Num, y: Num) => Num, options: ElementwiseOptions = {}): Binary {
  const e = elementwise(name, build, options);
  return (ctx, x, y, out) => apply(ctx, e, [x, y], out);
}

export const plus: Binary = binary("add", (x, y) => x.add(y));
export const minus: Binary = binary("sub", (x, y) => x.sub(y));
export const times: Binary = binary("mul", (x, y) => x.mul(y));
export const over: Binary = binary("div", (x, y) => x.div(y), { promotion: "float" });
export const atLeast: Binary = binary("clamp_min", (x, y) => x.max(y));
export const lesser: Binary = binary("minimum", (x, y) => x.min(y));
export const negated: Unary = unary("neg", (x) => x.neg());
export const exponential: Unary = unary("exp", (x) => x.exp(), { promotion: "float" });
export const logarithm: Unary = unary("log", (x) => x.log(), { promotion: "float" });
export const logOfOneMore: Unary = unary("log1p", (x) => x.log1p(), { promotion: "float" });
export const root: Unary = unary("sqrt", (x) => x.sqrt(), { promotion: "float" });

const choice = elementwise("where", (condition, x, y) => condition.toBool().where(x, y), { promotion: "masked" });
/** `x` where the condition holds, else `y`. */
export function chosen(ctx: Context, condition: Tensor, x: Operand, y: Operand): Tensor {
  return apply(ctx, choice, [condition, x, y]);
}
export const equal: Binary = binary("eq", (x, y) => x.eq(y), { promotion: "compare" });
export const unequal: Binary = binary("ne", (x, y) => x.ne(y), { promotion: "compare" });
export const atMost: Binary = binary("le", (x, y) => x.le(y), { promotion: "compare" });

export const int = (value: number): Scalar => ({ kind: "int", value });
export const float = (value: number): Scalar => ({ kind: "float", value });
