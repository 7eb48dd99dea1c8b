/** Softmax and its kin: regions `softmax` and `log_softmax` over one axis. */

import type { Context } from "../../prims/context.ts";
import { copyInto, copyOf, empty, map, reduce } from "../../prims/calls.ts";
import { sumOf } from "../../prims/combiner.ts";
import type { Program } from "../../prims/program.ts";
import { type DType, dtypeOfTorch, isFloat, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise, operandNum, outputParts } from "../elementwise.ts";
import { dtypeArgument, statesProgram } from "./reduction-axes.ts";
import { extremum } from "./reduction.ts";
import type { Num } from "../../expr/num.ts";

const programs = new Map<string, Program>();

/** A program of (x, maximum, total) where the latter two are of size 1 along the axis and wider than half types. */
function finishing(name: string, dtype: DType, build: (x: Num, top: Num, total: Num) => Num, stepwise = false): Program {
  const key = `${name}/${dtype}/${String(stepwise)}`;
  let program = programs.get(key);
  if (program === undefined) {
    const wide = opmathOf(dtype);
    const value = build(operandNum(0, dtype, wide), operandNum(1, dtype, wide), operandNum(2, wide, wide));
    program = { name, operands: [dtype, dtype, wide], scalars: [], outputs: [{ dtype, parts: outputParts(value, dtype) }], messages: [] };
    programs.set(key, program);
  }
  return program;
}

/** exp(x - max) / sum, or its logarithm x - max - log(sum); a row of -inf alone gives NaN. */
export function softmax(ctx: Context, self: Tensor, dim: number, logarithm: boolean): Tensor {
  if (!isFloat(self.dtype)) throw new OpwiseError("unsupported-dtype", `"${logarithm ? "log_softmax" : "softmax"}_lastdim_kernel_impl" not implemented for '${scalarName(self.dtype)}'`, { wanted: "a floating point tensor", got: self.dtype });
  const axis = wrapDim(dim, self.rank);
  const out = empty(ctx, self.shape, self.dtype);
  if (out.numel === 0) return out;
  const name = logarithm ? "log_softmax" : "softmax";
  // The kernel of the last axis keeps totals and their logarithms in the tensor's own dtype.
  const half = axis >= self.rank - 1 && (self.dtype === "float16" || self.dtype === "bfloat16") ? self.dtype : undefined;
  ctx.region({ kind: "region", name, operands: [self], results: [out], params: { axis } }, () => {
    const axes = self.rank === 0 ? [] : [axis];
    const top = extremum(ctx, self, axes.length === 0 ? null : axes, true, true);
    const program = statesProgram("exp(x - max)", [self.dtype, self.dtype], opmathOf(self.dtype), (x, m) => [x.sub(m).exp().to("f64")]);
    const total = reduce(ctx, program, sumOf("f64"), [self, top], axes, true, [opmathOf(self.dtype)])[0] ?? unreachable("total");
    const finish = logarithm
      ? finishing(name, self.dtype, half === undefined ? (x, m, s) => x.sub(m).sub(s.log()) : (x, m, s) => x.sub(m).sub(s.round(half).log().round(half)), half !== undefined)
      : finishing(name, self.dtype, (x, m, s) => x.sub(m).exp().div(s));
    map(ctx, finish, [self, top, total], [], [out]);
  });
  return out;
}

function along(ctx: Context, self: Tensor, dim: number, code: number | null, logarithm: boolean): Tensor {
  const dtype = dtypeArgument(code, self.dtype);
  return softmax(ctx, dtype === self.dtype ? self : copyOf(ctx, self, dtype), dim, logarithm);
}

/** `half_to_float`: computed and returned in float32. */
function halfToFloat(ctx: Context, self: Tensor, dim: number, toFloat: boolean, logarithm: boolean): Tensor {
  return softmax(ctx, toFloat ? copyOf(ctx, self, "float32") : self, dim, logarithm);
}

const zeroMasked = elementwise("safe_softmax", (masked, x) => masked.toBool().where(x.lit(0), x), { promotion: "masked" });
const isLowest = elementwise("is_negative_infinity", (x) => x.eq(-Infinity), { promotion: "own" });

/** Rows of -inf alone give zeros. */
function safeSoftmax(ctx: Context, self: Tensor, dim: number, code: number | null): Tensor {
  const out = along(ctx, self, dim, code, false);
  const axis = wrapDim(dim, self.rank);
  if (out.numel === 0) return out;
  const top = extremum(ctx, self, self.rank === 0 ? null : [axis], true, true);
  copyInto(ctx, out, apply(ctx, zeroMasked, [apply(ctx, isLowest, [top]), out]));
  return out;
}

const softmaxGradient = elementwise("softmax_backward", (g, y, total) => y.mul(g.sub(total)));
const logSoftmaxGradient = elementwise("log_softmax_backward", (g, y, total) => g.sub(y.exp().mul(total)));

/** The gradient with respect to the input, of the output and its gradient. */
function gradient(ctx: Context, grad: Tensor, output: Tensor, dim: number, dtype: DType, logarithm: boolean): Tensor {
  const axis = wrapDim(dim, output.rank);
  const wide = opmathOf(grad.dtype);
  const program = logarithm
    ? statesProgram("gradient", [grad.dtype, output.dtype], wide, (g) => [g.to("f64")])
    : statesProgram("gradient times output", [grad.dtype, output.dtype], wide, (g, y) => [g.to("f64").mul(y.to("f64"))]);
  const total = reduce(ctx, program, sumOf("f64"), [grad, output], output.rank === 0 ? [] : [axis], true, [wide])[0] ?? unreachable("total");
  const out = apply(ctx, logarithm ? logSoftmaxGradient : softmaxGradient, [grad, output, total]);
  return out.dtype === dtype ? out : copyOf(ctx, out, dtype);
}

export const softmaxes: readonly Op[] = [
  op("aten::softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dim, dtype) => along(ctx, self, dim, dtype, false) }),
  op("aten::special_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dim, dtype) => along(ctx, self, dim, dtype, false) }),
  op("aten::log_softmax.int(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dim, dtype) => along(ctx, self, dim, dtype, true) }),
  op("aten::special_log_softmax(Tensor self, int dim, *, ScalarType? dtype=None) -> Tensor", { run: (ctx, self, dim, dtype) => along(ctx, self, dim, dtype, true) }),
  op("aten::_softmax(Tensor self, int dim, bool half_to_float) -> Tensor", { run: (ctx, self, dim, toFloat) => halfToFloat(ctx, self, dim, toFloat, false) }),
  op("aten::_log_softmax(Tensor self, int dim, bool half_to_float) -> Tensor", { run: (ctx, self, dim, toFloat) => halfToFloat(ctx, self, dim, toFloat, true) }),
  op("aten::_safe_softmax(Tensor self, int dim, ScalarType? dtype=None) -> Tensor", { run: safeSoftmax }),
  op("aten::_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor", { run: (ctx, grad, output, dim, dtype) => gradient(ctx, grad, output, dim, dtypeOfTorch(dtype), false) }),
  op("aten::_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim, ScalarType input_dtype) -> Tensor", { run: (ctx, grad, output, dim, dtype) => gradient(ctx, grad, output, dim, dtypeOfTorch(dtype), true) }),
];
