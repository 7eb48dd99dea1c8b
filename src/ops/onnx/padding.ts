/** Pad: constants, mirrored, repeated or wrapped values around a tensor. */

import { binary, constant, type Expr, type ExprType, index, load, select } from "../../expr/expr.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { isComplex } from "../../tensor/dtype.ts";
import { filled } from "../aten/filling.ts";
import { mulOf, size, subOf } from "../aten/memo.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, float, integersAt, maybeTensor, type Reading, tensorAt } from "./inputs.ts";
import { computeOf } from "./programs.ts";
import { listOf } from "./shapes.ts";

const ZERO = constant(0, "index");
const ONE = constant(1, "index");

/** The coordinate that a padded position takes its value from. */
function sourceOf(mode: string, at: Expr, length: Expr): Expr {
  if (mode === "edge") return binary("max", binary("min", at, subOf(length, ONE)), ZERO);
  if (mode === "wrap") return binary("remainder", at, length);
  // Mirrored without repeating the edge: a period of 2 (n - 1), of which the second half runs backwards.
  const period = binary("max", mulOf(subOf(length, ONE), constant(2, "index")), ONE);
  const turn = binary("remainder", at, period);
  return select(binary("lt", turn, length), turn, subOf(period, turn));
}

/** `x` with `begin` and `end` positions more (or, negative, fewer) on each axis. `value` is of one element. */
export function padded(ctx: Context, x: Tensor, begin: readonly number[], end: readonly number[], mode: string, value: Tensor): Tensor {
  if (!["constant", "edge", "reflect", "wrap"].includes(mode))
    throw new OpwiseError("bad-onnx", `Pad has no mode \`${mode}\``, { wanted: "constant, edge, reflect or wrap" });
  const shape = x.shape.map((s, i) => s + (begin[i] ?? 0) + (end[i] ?? 0));
  if (mode !== "constant" && x.shape.some((s, i) => s === 0 && (shape[i] ?? 0) > 0))
    throw new OpwiseError("shape-mismatch", `an empty axis cannot be padded by \`${mode}\``);
  const { rank } = x;
  const types: ExprType[] = Array.from({ length: 2 * rank }, () => "index");
  const one = new Tensor(value.storage, value.dtype, [], [], value.offset);
  return computeOf(ctx, "pad", mode, shape, [x, one], x.dtype, types, [...begin.slice(0, rank), ...x.shape], () => {
    const at = Array.from({ length: rank }, (_, i) => subOf(index(i), size(i)));
    const lengths = at.map((_, i) => size(rank + i));
    const type = computeType(x.dtype);
    const parts = isComplex(x.dtype) ? ([0, 1] as const) : ([0] as const);
    if (mode !== "constant")
      return {
        parts: parts.map((p) =>
          load(
            0,
            type,
            at.map((e, i) => sourceOf(mode, e, lengths[i] ?? ONE)),
            p,
          ),
        ),
      };
    const inside = at
      .map((e, i) => binary("and", binary("ge", e, ZERO), binary("lt", e, lengths[i] ?? ZERO)))
      .reduce((a, b) => binary("and", a, b), constant(true, "bool"));
    return { parts: parts.map((p) => load(0, type, at, p, inside, load(1, type, [], p))) };
  });
}

function* pad(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const pads = (yield* listOf(call, 1, call.version === 1 ? "paddings" : "pads")) ?? [];
  const given = yield* integersAt(call, 3);
  const axes = (given ?? x.shape.map((_, i) => i)).map((a) => axisOf(a, x.rank));
  if (pads.length !== 2 * axes.length)
    throw new OpwiseError("shape-mismatch", "Pad needs two numbers per axis", { wanted: String(2 * axes.length), got: String(pads.length) });
  const side = (from: number): number[] => x.shape.map((_, i) => (axes.includes(i) ? (pads[from + axes.indexOf(i)] ?? 0) : 0));
  const value = maybeTensor(call, 2) ?? filled(ctx, [], x.dtype, float(call.attributes.float("value", 0)));
  return padded(ctx, x, side(0), side(axes.length), call.attributes.string("mode", "constant"), value);
}

export const paddingOps: readonly OnnxOp[] = [onnxOp("Pad", { 1: { reads: pad } })];
