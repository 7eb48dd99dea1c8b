/** Scores to results: post transforms, and the label of the best score. */

import { binary, constant, index, load, select } from "../../../expr/expr.ts";
import { Num } from "../../../expr/num.ts";
import type { Context } from "../../../prims/context.ts";
import { computeType } from "../../../prims/program.ts";
import { reshaped } from "../../../prims/views.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { indexSelect } from "../../aten/indexing.ts";
import { extremum, sum } from "../../aten/reduction.ts";
import { softmax } from "../../aten/softmax.ts";
import { computeOf, mapOf } from "../programs.ts";
import { positionOf } from "../reductions.ts";

export type Transform = "NONE" | "SOFTMAX" | "LOGISTIC" | "SOFTMAX_ZERO" | "PROBIT";
const TRANSFORMS: readonly Transform[] = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"];

/** By name, or by number as TreeEnsemble-5 has it. */
export function transformOf(name: string | number): Transform {
  const found = typeof name === "number" ? TRANSFORMS[name] : TRANSFORMS.find((t) => t === name);
  if (found === undefined) throw new OpwiseError("bad-onnx", "`post_transform` is unknown", { wanted: TRANSFORMS.join(", "), got: String(name) });
  return found;
}

const WINITZKI = 0.147;
/** The quantile of the normal distribution by Winitzki's approximation of the inverse error function, which is what runtimes compute. */
function probit(p: Num): Num {
  const x = p.mul(2).sub(1);
  const log = x.lit(1).sub(x).mul(x.add(1)).log();
  const v = log.mul(0.5).add(2 / (Math.PI * WINITZKI));
  const root = v.mul(v).sub(log.mul(1 / WINITZKI)).sqrt().sub(v).sqrt();
  return root.copysign(x).mul(Math.SQRT2);
}

/** Scores that are (nearly) 0 stay 0; the others as in softmax. */
function softmaxZero(ctx: Context, scores: Tensor): Tensor {
  const parts = mapOf(ctx, "softmax_zero", [scores, extremum(ctx, scores, 1, true, true)], "float64", (v, top) => v.abs().gt(1e-7).where(v.sub(top).exp(), v.mul(top.neg().exp())));
  return mapOf(ctx, "softmax_share", [parts, sum(ctx, parts, 1, true, "float64")], scores.dtype, (v, total) => total.eq(0).where(v.lit(0.5), v.div(total)));
}

/** Rows `[N, E]` of scores transformed. */
export function transformed(ctx: Context, scores: Tensor, transform: Transform): Tensor {
  switch (transform) {
    case "NONE": return scores;
    case "SOFTMAX": return softmax(ctx, scores, 1, false);
    case "LOGISTIC": return mapOf(ctx, "sigmoid", [scores], scores.dtype, (v) => v.sigmoid());
    case "SOFTMAX_ZERO": return softmaxZero(ctx, scores);
    case "PROBIT": return mapOf(ctx, "probit", [scores], scores.dtype, probit);
    default: return transform satisfies never;
  }
}

/** `labels[at[n]]` for positions `[N]` or `[N, 1]`. */
export function labelled(ctx: Context, labels: Tensor, at: Tensor): Tensor {
  return indexSelect(ctx, labels, 0, reshaped(ctx, at, [at.numel]));
}

/** The label of each row's largest score; the first of equals. */
export function bestLabel(ctx: Context, labels: Tensor, scores: Tensor): Tensor {
  return labelled(ctx, labels, positionOf(ctx, scores, 1, false, true, false));
}

/** The second label where the one score `[N, 1]` is above `threshold`, else the first. */
export function labelAbove(ctx: Context, labels: Tensor, score: Tensor, threshold: number): Tensor {
  return labelled(ctx, labels, mapOf(ctx, "above", [score], "int64", (v, t) => v.to("f64").gt(t).to("i64"), [threshold]));
}

/** One score `[N, 1]` as those of both classes, `[N, 2]`: `[1 - s, s]`, `[-s, s]`, `[0, s]` or `[s, 0]`. */
export type Pair = "complement" | "opposite" | "second" | "first";
export function pairOf(ctx: Context, score: Tensor, kind: Pair): Tensor {
  return computeOf(ctx, "score_pair", kind, [score.shape[0] ?? 0, 2], [score], score.dtype, [], [], () => {
    const s = new Num(load(0, computeType(score.dtype), [index(0), constant(0, "index")]));
    const [first, second] = kind === "complement" ? [s.lit(1).sub(s), s] : kind === "opposite" ? [s.neg(), s] : kind === "second" ? [s.lit(0), s] : [s, s.lit(0)];
    return { parts: [select(binary("eq", index(1), constant(0, "index")), first.re, second.re)] };
  });
}

/** The pair after the post transform: as onnxruntime has it, only LOGISTIC and PROBIT change one that was made of a single score. */
export function transformedPair(ctx: Context, score: Tensor, kind: "complement" | "opposite", transform: Transform): Tensor {
  if (transform === "LOGISTIC") return transformed(ctx, pairOf(ctx, score, "opposite"), transform);
  if (transform === "PROBIT") return transformed(ctx, pairOf(ctx, score, "complement"), transform);
  return pairOf(ctx, score, kind);
}

/** A single class label `l` means `l` or nothing: 0, or the empty text. */
export function oneSided(labels: Tensor): Tensor {
  return labels.dtype === "string" ? Tensor.from(["", labels.strings()[0] ?? ""], [2], "string") : Tensor.from(BigInt64Array.of(0n, BigInt(labels.data[0] ?? 1)), [2], "int64");
}
