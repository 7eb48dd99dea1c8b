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
import { linearAttentionOps } from "../linear-attention.ts";
import { OpwiseError } from "../../../tensor/error.ts";

const table = onnxTableOf([linearAttentionOps, indexingOps, creationOps, paddingOps, activationOps, quantizationOps, samplingOps, uniqueOps]);


function alias(name: string, version: number, as: string = name): OnnxOp {
  const found = onnxMeaning(table, `onnx::${as}@${version}`);
  if (found === undefined) throw new TypeError(`no op ${as}-${version}`);
  const { meaning } = found;
  const own: OnnxMeaning = "run" in meaning ? { run: (ctx, call) => meaning.run(ctx, { ...call, version }) } : { reads: (ctx, call) => meaning.reads(ctx, { ...call, version }) };
  return onnxOp(`com.microsoft::${name}`, { 1: own });
}

/** The alias, where the attributes that onnxruntime added have the values under which they change nothing. */
function plainAlias(name: string, version: number, plain: Readonly<Record<string, number>>): OnnxOp {
  const { versions } = alias(name, version);
  const meaning = versions[1];
  if (meaning === undefined || !("run" in meaning)) throw new TypeError(`${name} does not run at once`);
  const run: typeof meaning.run = (ctx, call) => {
    for (const [attribute, value] of Object.entries(plain)) {
      const given = call.attributes.int(attribute, value);
      if (given !== value) throw new OpwiseError("unsupported-op", `com.microsoft ${name} with \`${attribute}\``, { wanted: String(value), got: String(given) });
    }
    return meaning.run(ctx, call);
  };
  return onnxOp(`com.microsoft::${name}`, { 1: { run } });
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
  plainAlias("LinearAttention", 27, { state_window: 0 }),
  plainAlias("CausalConvWithState", 27, { channels_last: 0, dilation: 1, input_channel_offset: 0, input_channels: 0, ndim: 1, state_length: 0, state_update_capacity: 0, state_window: 0 }),
  onnxOp("com.microsoft::Unique", { 1: { reads: unique } }),
];
