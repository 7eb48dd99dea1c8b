/** Variance and standard deviation in two passes: the mean first, then the squared distances from it, both in double precision. */

import { binary, constant, type Expr, scalar, select, acc, val, unary } from "../../expr/expr.ts";
import type { Scalar } from "../../ir/datum.ts";
import { reduce, resolved } from "../../prims/calls.ts";
import type { Combiner } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import { partOf } from "../../prims/views.ts";
import { isComplex, isFloat, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { axesOf, countOf, statesProgram } from "./reduction-axes.ts";
import { mean } from "./reduction.ts";

const f64 = (value: number): Expr => constant(value, "f64");

/** A sum divided by run-time scalar 0 at the end; `root`: and its square root. A negative divisor counts as zero. */
function scaledSum(root: boolean): Combiner {
  const divisor = scalar(0, "f64");
  const value = binary("div", acc(0, "f64"), select(binary("lt", divisor, f64(0)), f64(0), divisor));
  return { name: root ? "rootMeanSquare" : "scaledSum", init: [f64(0)], combine: [binary("add", acc(0, "f64"), val(0, "f64"))], finish: [root ? unary("sqrt", value) : value] };
}
const VARIANCE = scaledSum(false);
const DEVIATION = scaledSum(true);

/** The mean in double precision, kept axes of size 1. */
function centre(ctx: Context, x: Tensor, axes: readonly number[]): Tensor {
  const program = statesProgram("element:f64:scaled", [x.dtype], opmathOf(x.dtype), (v) => [v.to("f64")], ["f64"]);
  return reduce(ctx, program, VARIANCE, [x], axes, true, ["float64"], [countOf(x, axes)])[0] ?? unreachable("mean");
}

const added = elementwise("add", (x, y) => x.add(y));
const rooted = elementwise("sqrt", (x) => x.sqrt());

/** Variance (or its root) over axes; `correction` is taken off the count. */
export function variance(ctx: Context, self: Tensor, dim: readonly number[] | null, correction: number, keepdim: boolean, root: boolean): Tensor {
  if (isComplex(self.dtype)) {
    const x = resolved(ctx, self);
    const both = apply(ctx, added, [variance(ctx, partOf(x, 0), dim, correction, keepdim, false), variance(ctx, partOf(x, 1), dim, correction, keepdim, false)]);
    return root ? apply(ctx, rooted, [both]) : both;
  }
  if (!isFloat(self.dtype)) throw new OpwiseError("dtype-mismatch", "std and var only support floating point and complex dtypes", { got: self.dtype });
  const axes = axesOf(self, dim);
  const middle = centre(ctx, self, axes);
  const program = statesProgram("squared distance", [self.dtype, "float64"], "float64", (x, m) => [x.sub(m).square()], ["f64"]);
  return reduce(ctx, program, root ? DEVIATION : VARIANCE, [self, middle], axes, keepdim, [self.dtype], [countOf(self, axes) - correction])[0] ?? unreachable("variance");
}

function correctionOf(scalarOrNull: Scalar | null): number {
  if (scalarOrNull === null) return 1;
  return scalarOrNull.kind === "complex" ? scalarOrNull.re : Number(scalarOrNull.value);
}

type Dims = readonly number[] | null;
const both = (ctx: Context, self: Tensor, dim: Dims, correction: number, keepdim: boolean, root: boolean): Tensor[] => [
  variance(ctx, self, dim, correction, keepdim, root), mean(ctx, self, dim, keepdim),
];

export const statistics: readonly Op[] = (["var", "std"] as const).flatMap((name) => {
  const root = name === "std";
  const onCodes = root ? ({ quantised: "requantise" } as const) : {};
  return [
    op(`aten::${name}(Tensor self, bool unbiased=True) -> Tensor`, { run: (ctx, self, unbiased) => variance(ctx, self, null, unbiased ? 1 : 0, false, root), ...onCodes }),
    op(`aten::${name}.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> Tensor`, { run: (ctx, self, dim, unbiased, keepdim) => variance(ctx, self, dim, unbiased ? 1 : 0, keepdim, root), ...onCodes }),
    op(`aten::${name}.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor`, {
      run: (ctx, self, dim, correction, keepdim) => variance(ctx, self, dim, correctionOf(correction), keepdim, root), ...onCodes,
    }),
    op(`aten::${name}_mean(Tensor self, bool unbiased=True) -> (Tensor, Tensor)`, { run: (ctx, self, unbiased) => both(ctx, self, null, unbiased ? 1 : 0, false, root) }),
    op(`aten::${name}_mean.dim(Tensor self, int[1]? dim, bool unbiased=True, bool keepdim=False) -> (Tensor, Tensor)`, { run: (ctx, self, dim, unbiased, keepdim) => both(ctx, self, dim, unbiased ? 1 : 0, keepdim, root) }),
    op(`aten::${name}_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)`, {
      run: (ctx, self, dim, correction, keepdim) => both(ctx, self, dim, correctionOf(correction), keepdim, root),
    }),
  ];
});
