/** Reductions over axes, positions of extremes, running sums and products. */

import { acc, binary, constant, type Expr, type ExprType, unary, val } from "../../expr/expr.ts";
import type { Num } from "../../expr/num.ts";
import { reduce, scan } from "../../prims/calls.ts";
import { argmaxOf, argminOf, type Combiner, logSumExpOf, maxOf, minOf, prodOf, sumOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { type DType, dtypeInfo, opmathOf } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { countOf, elementsProgram, positionsProgram, statesProgram } from "../aten/reduction-axes.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, integerAt, only, type Reading, tensorAt } from "./inputs.ts";
import { mapOf } from "./programs.ts";
import { listOf } from "./shapes.ts";

/** Sums in double, or exactly for integers; `finish` is applied to the sum. */
function total(name: string, type: ExprType, finish: (sum: Expr) => Expr): Combiner {
  const zero = constant(type === "i64" ? 0n : 0, type);
  return { name, init: [zero], combine: [binary("add", acc(0, type), val(0, type))], finish: [finish(acc(0, type))] };
}

interface Fold {
  readonly state: (x: Num) => readonly Num[];
  readonly combiner: Combiner;
}

/** What a reduction of `dtype` folds; made once per dtype class. */
interface Reduction {
  readonly name: string;
  readonly floats: Fold;
  readonly ints: Fold;
}

const double = (x: Num): Num => x.to("f64");
const exact = (x: Num): Num => x.to("i64");
const plainSum = (state: (x: Num) => Num): Pick<Reduction, "floats" | "ints"> => ({
  floats: { state: (x) => [state(double(x))], combiner: sumOf("f64") },
  ints: { state: (x) => [state(exact(x))], combiner: sumOf("i64") },
});
const both = (state: (x: Num) => readonly Num[], combiner: Combiner): Pick<Reduction, "floats" | "ints"> => {
  const fold: Fold = { state: (x) => state(double(x)), combiner };
  return { floats: fold, ints: fold };
};

const SUM: Reduction = { name: "ReduceSum", ...plainSum((x) => x) };
const REDUCTIONS: readonly Reduction[] = [
  SUM,
  { name: "ReduceProd", floats: { state: (x) => [double(x)], combiner: prodOf("f64") }, ints: { state: (x) => [exact(x)], combiner: prodOf("i64") } },
  { name: "ReduceSumSquare", ...plainSum((x) => x.square()) },
  { name: "ReduceL1", ...plainSum((x) => x.abs()) },
  {
    name: "ReduceL2",
    ...both(
      (x) => [x.square()],
      total("norm2", "f64", (s) => unary("sqrt", s)),
    ),
  },
  {
    name: "ReduceLogSum",
    ...both(
      (x) => [x],
      total("log_sum", "f64", (s) => unary("log", s)),
    ),
  },
  { name: "ReduceLogSumExp", ...both((x) => [x, x.lit(1)], logSumExpOf("f64")) },
];

/** The axes that a reduction takes, or undefined where it takes none. */
function* reducedAxes(call: OnnxCall, x: Tensor): Reading<readonly number[] | undefined> {
  const given = yield* listOf(call, 1, "axes");
  if (given !== undefined && given.length > 0) return given.map((a) => axisOf(a, x.rank)).filter((a) => a < x.rank);
  return call.attributes.int("noop_with_empty_axes", 0) !== 0 ? undefined : x.shape.map((_, i) => i);
}

function fold(ctx: Context, { name, floats, ints }: Reduction, x: Tensor, axes: readonly number[], keep: boolean, dtype: DType = x.dtype): Tensor {
  const isInt = dtypeInfo(x.dtype).class !== "float";
  const { state, combiner } = isInt ? ints : floats;
  return only(reduce(ctx, statesProgram(`${name}:${isInt}`, [x.dtype], opmathOf(x.dtype), state), combiner, [x], axes, keep, [dtype]));
}

function reduction(kind: Reduction): OnnxOp {
  return onnxOp(kind.name, {
    1: {
      reads: function* (ctx, call) {
        const x = tensorAt(call, 0);
        const axes = yield* reducedAxes(call, x);
        const keep = call.attributes.int("keepdims", 1) !== 0;
        // Without axes each element is reduced alone: ReduceL1 gives |x|.
        return axes === undefined && kind === SUM ? x : fold(ctx, kind, x, axes ?? [], keep);
      },
    },
  });
}

/** Sums in double, then divided: integers are cut towards zero. */
function* reduceMean(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const axes = yield* reducedAxes(call, x);
  if (axes === undefined) return x;
  const sums = fold(
    ctx,
    SUM,
    x,
    axes,
    call.attributes.int("keepdims", 1) !== 0,
    dtypeInfo(x.dtype).class === "int" ? "int64" : x.dtype === "float32" ? "float32" : "float64",
  );
  return mapOf(ctx, "mean", [sums], x.dtype, (sum, n) => double(sum).div(n), [countOf(x, axes)]);
}

function extremum(name: string, combiner: (type: ExprType) => Combiner): OnnxOp {
  return onnxOp(name, {
    1: {
      reads: function* (ctx, call) {
        const x = tensorAt(call, 0);
        const axes = yield* reducedAxes(call, x);
        if (axes === undefined) return x;
        const type = computeType(x.dtype);
        return only(
          reduce(ctx, elementsProgram(x.dtype, opmathOf(x.dtype), type), combiner(type), [x], axes, call.attributes.int("keepdims", 1) !== 0, [x.dtype]),
        );
      },
    },
  });
}

/** Positions of extremes; among equals the first, or the last where asked. */
export function positionOf(ctx: Context, x: Tensor, axis: number, keep: boolean, largest: boolean, last: boolean): Tensor {
  const type = computeType(x.dtype);
  const combiner = largest ? argmaxOf(type, last) : argminOf(type, last);
  const [, at] = reduce(ctx, positionsProgram(x.dtype, axis), combiner, [x], x.rank === 0 ? [] : [axis], keep, [x.dtype, "int64"]);
  return only(at === undefined ? [] : [at]);
}

function argument(name: string, largest: boolean): OnnxOp {
  return onnxOp(name, {
    1: {
      run: (ctx, call) => {
        const x = tensorAt(call, 0);
        const { attributes } = call;
        return positionOf(
          ctx,
          x,
          axisOf(attributes.int("axis", 0), x.rank),
          attributes.int("keepdims", 1) !== 0,
          largest,
          attributes.int("select_last_index", 0) !== 0,
        );
      },
    },
  });
}

function running(name: string, since: number, combiner: (type: ExprType) => Combiner): OnnxOp {
  return onnxOp(name, {
    [since]: {
      reads: function* (ctx: Context, call: OnnxCall): Reading<Tensor> {
        const x = tensorAt(call, 0);
        const axis = axisOf((yield* integerAt(call, 1)) ?? 0, x.rank);
        const type: ExprType = dtypeInfo(x.dtype).class === "float" ? "f64" : "i64";
        const { attributes } = call;
        return only(
          scan(ctx, elementsProgram(x.dtype, opmathOf(x.dtype), type), combiner(type), [x], axis, [x.dtype], {
            exclusive: attributes.int("exclusive", 0) !== 0,
            reverse: attributes.int("reverse", 0) !== 0,
          }),
        );
      },
    },
  });
}

export const reductionOps: readonly OnnxOp[] = [
  ...REDUCTIONS.map(reduction),
  onnxOp("ReduceMean", { 1: { reads: reduceMean } }),
  extremum("ReduceMax", maxOf),
  extremum("ReduceMin", minOf),
  argument("ArgMax", true),
  argument("ArgMin", false),
  running("CumSum", 11, sumOf),
  running("CumProd", 26, prodOf),
];
