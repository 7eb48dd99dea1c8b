/** Ops of com.microsoft that mean what an op of ai.onnx means. */

import type { Context } from "../../../prims/context.ts";
import { unreachable } from "../../../tensor/error.ts";
import { Tensor } from "../../../tensor/tensor.ts";
import { Attributes, type OnnxCall, type OnnxMeaning, type OnnxOp, onnxMeaning, onnxOp, onnxTableOf } from "../define.ts";
import { indexingOps } from "../indexing.ts";
import { creationOps } from "../creation.ts";
import { paddingOps } from "../padding.ts";
import { activationOps } from "../activations.ts";
import { quantizationOps } from "../quantization.ts";
import { samplingOps } from "../sampling.ts";
import { uniqueOps } from "../unique.ts";

const table = onnxTableOf([indexingOps, creationOps, paddingOps, activationOps, quantizationOps, samplingOps, uniqueOps]);


function alias(name: string, version: number, as: string = name): OnnxOp {
  const found = onnxMeaning(table, `onnx::${as}@${version}`);
  if (found === undefined) throw new TypeError(`no op ${as}-${version}`);
  const { meaning } = found;
  const own: OnnxMeaning = "run" in meaning ? { run: (ctx, call) => meaning.run(ctx, { ...call, version }) } : { reads: (ctx, call) => meaning.reads(ctx, { ...call, version }) };
  return onnxOp(`com.microsoft::${name}`, { 1: own });
}

const UNSORTED = new Attributes("com.microsoft::Unique", { sorted: { kind: "int", value: 0 } }, () => unreachable("an attribute of numbers"));

/** The distinct elements in the order of their first occurrence, each element's place among them, and their counts. */
function* unique(ctx: Context, call: OnnxCall): Generator<Tensor | Promise<void>, Tensor[], void> {
  const found = onnxMeaning(table, "onnx::Unique@11");
  if (found === undefined || "run" in found.meaning) return unreachable("Unique reads");
  const all = yield* found.meaning.reads(ctx, { ...call, attributes: UNSORTED, outputs: 4, version: 11 });
  const tensors = (Array.isArray(all) ? all : [all]).filter((t): t is Tensor => t instanceof Tensor);
  return [0, 2, 3].map((i) => tensors[i] ?? unreachable("Unique has four results"));
}

export const aliasOps: readonly OnnxOp[] = [
  alias("GatherND", 12),
  alias("Range", 11),
  alias("Trilu", 14),
  alias("Pad", 18),
  alias("Gelu", 20),
  alias("QuantizeLinear", 21),
  alias("DequantizeLinear", 21),
  alias("GridSample", 16),
  onnxOp("com.microsoft::Unique", { 1: { reads: unique } }),
];
