/** Windows on pictures and words: CropAndResize, WordConvEmbedding. */

import { binary, cast, constant, type Expr, type ExprType, fold, index, load, scalar, select } from "../../../expr/expr.ts";
import { Num } from "../../../expr/num.ts";
import type { Context } from "../../../prims/context.ts";
import { computeType } from "../../../prims/program.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import type { Tensor } from "../../../tensor/tensor.ts";
import { addOf, loadIndex, size, subOf } from "../../aten/memo.ts";
import { outputParts } from "../../elementwise.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { integersAt, type Reading, tensorAt } from "../inputs.ts";
import { multilinear, toIndex } from "../interpolation.ts";
import { computeOf } from "../programs.ts";

const ONE = constant(1, "index");
const ZERO = constant(0, "index");

/** Boxes `[y1, x1, y2, x2]` in shares of the picture, sampled at the corners of a grid of `crop_size`. */
function* cropAndResize(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const [x, boxes, batch] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  const crop = (yield* integersAt(call, 3)) ?? [];
  const mode = call.attributes.string("mode", "bilinear");
  if (mode !== "bilinear" && mode !== "nearest") throw new OpwiseError("bad-onnx", "`mode` of CropAndResize is unknown", { wanted: "bilinear or nearest", got: mode });
  const types: readonly ExprType[] = ["index", "index", "index", "index", "f64"];
  const scalars = [x.shape[2] ?? 0, x.shape[3] ?? 0, ...crop, call.attributes.float("extrapolation_value", 0)];
  return computeOf(ctx, "crop_and_resize", mode, [boxes.shape[0] ?? 0, x.shape[1] ?? 0, ...crop], [x, boxes, batch], x.dtype, types, scalars, () => {
    const [box, channel] = [index(0), index(1)];
    const picture = loadIndex(2, batch.dtype, [box]);
    const at = [0, 1].map((axis) => {
      const edge = (k: number): Num => new Num(load(1, computeType(boxes.dtype), [box, constant(axis + k, "index")])).to("f64");
      const last = new Num(cast(subOf(size(axis), ONE), "f64"));
      const steps = new Num(cast(subOf(size(2 + axis), ONE), "f64"));
      const along = edge(0).mul(last).add(new Num(cast(index(2 + axis), "f64")).mul(edge(2).sub(edge(0)).mul(last).div(steps)));
      return steps.gt(0).where(along, edge(0).add(edge(2)).mul(0.5).mul(last));
    });
    const inside = at.map((v, axis) => v.ge(0).and(v.le(new Num(cast(subOf(size(axis), ONE), "f64"))))).reduce((a, b) => a.and(b));
    const tap = (where: readonly Expr[]): Num => {
      const held = where.map((e, axis) => binary("max", binary("min", e, subOf(size(axis), ONE)), ZERO));
      return new Num(load(0, computeType(x.dtype), [picture, channel, ...held])).to("f64");
    };
    const value = mode === "bilinear" ? multilinear(at, tap) : tap(at.map((v) => toIndex(v.add(0.5).floor())));
    return { parts: outputParts(inside.where(value, new Num(scalar(4, "f64"))), x.dtype) };
  });
}

/** Words `[N, L]` of character numbers (0 ends one): each filter's largest answer over the word's windows, through tanh. */
function wordConv(ctx: Context, call: OnnxCall): Tensor {
  const [words, filters, bias, table] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2), tensorAt(call, 3)];
  const [count = 0, , window = 0, width = 0] = filters.shape;
  const length = words.shape[1] ?? 0;
  if (length < window) throw new OpwiseError("shape-mismatch", `words of ${length} characters under windows of ${window}`);
  return computeOf(ctx, "word_conv_embedding", "", [words.shape[0] ?? 0, count], [words, filters, bias, table], "float32", ["index", "index", "index"], [length, window, width], () => {
    const [word, filter] = [index(0), index(1)];
    const zero = constant(0, "f64");
    const letter = (at: Expr): Expr => loadIndex(0, words.dtype, [word, at]);
    // A word ends before its first 0.
    const [used = ZERO] = fold(0, size(0), [ZERO], ([n = ZERO], i) => [select(binary("and", binary("eq", n, i), binary("gt", letter(i), ZERO)), addOf(n, ONE), n)]);
    const windows = binary("max", addOf(subOf(used, size(1)), ONE), ONE);
    const [best = zero] = fold(0, windows, [constant(-Infinity, "f64")], ([top = zero], start) => {
      const [sum = zero] = fold(1, size(1), [cast(load(2, "f32", [filter]), "f64")], (outer, i) =>
        fold(2, size(2), outer, ([s = zero], d) => {
          const weight = new Num(load(1, "f32", [filter, ZERO, i, d])).to("f64");
          return [new Num(s).add(weight.mul(new Num(load(3, "f32", [letter(addOf(start, i)), d])).to("f64"))).re];
        }));
      return [binary("max", top, sum)];
    });
    return { parts: [select(binary("gt", used, ZERO), cast(new Num(best).apply("tanh").re, "f32"), constant(0, "f32"))] };
  });
}

export const visionOps: readonly OnnxOp[] = [
  onnxOp("com.microsoft::CropAndResize", { 1: { reads: cropAndResize } }),
  onnxOp("com.microsoft::WordConvEmbedding", { 1: { run: wordConv } }),
];
