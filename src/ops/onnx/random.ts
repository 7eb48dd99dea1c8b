/**
 * Random tensors and Dropout. Without `seed` they draw from the session's generator; with one, from a generator of their own that starts
 * anew at every run. Dropout with a seed drops what numpy's `RandomState(seed)` would.
 */

import type { GeneratorState } from "../../tensor/generator.ts";
import { empty, random } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { random32, seedTwister, type TwisterState } from "../../numeric/mt19937.ts";
import { type DType, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { forEachOffset, type Tensor, type View } from "../../tensor/tensor.ts";
import { extremum } from "../aten/reduction.ts";
import { filled } from "../aten/filling.ts";
import { castTo } from "./casts.ts";
import { dtypeAsked } from "./creation.ts";
import { type OnnxCall, type OnnxMeaning, type OnnxOp, onnxOp } from "./define.ts";
import { dtypeOfCode, floatAt, maybeTensor, type Reading, tensorAt } from "./inputs.ts";
import { mapOf, onHost } from "./programs.ts";

function generatorOf(call: OnnxCall): GeneratorState | null {
  return call.attributes.has("seed") ? seedTwister(BigInt(Math.trunc(call.attributes.float("seed")))) : null;
}

/** Half types are drawn as float32 and rounded. */
function drawn(ctx: Context, call: OnnxCall, shape: readonly number[], dtype: DType, normal: boolean): Tensor {
  const { attributes } = call;
  const wide = opmathOf(dtype);
  const scalars = normal ? [attributes.float("mean", 0), attributes.float("scale", 1)] : [attributes.float("low", 0), attributes.float("high", 1)];
  return castTo(ctx, random(ctx, normal ? "normal" : "uniform", generatorOf(call), empty(ctx, shape, wide), scalars), dtype);
}

function fresh(name: string, normal: boolean): OnnxOp {
  return onnxOp(name, {
    1: { run: (ctx, call) => drawn(ctx, call, call.attributes.ints("shape") ?? [], dtypeOfCode(call.attributes.int("dtype", 1)), normal) },
  });
}
function like(name: string, normal: boolean): OnnxOp {
  return onnxOp(name, {
    1: {
      run: (ctx, call) => {
        const x = tensorAt(call, 0);
        return drawn(ctx, call, x.shape, dtypeAsked(call, x.dtype), normal);
      },
    },
  });
}

function bernoulli(ctx: Context, call: OnnxCall): Tensor {
  const p = tensorAt(call, 0);
  const drawnAs: DType = opmathOf(p.dtype);
  const out = random(ctx, "bernoulli", generatorOf(call), empty(ctx, p.shape, drawnAs), [], [castTo(ctx, p, drawnAs)]);
  return castTo(ctx, out, dtypeAsked(call, p.dtype));
}

/** Classes by unnormalised log-probabilities `[batch, classes]`. */
function multinomial(ctx: Context, call: OnnxCall): Tensor {
  const logs = tensorAt(call, 0);
  const weights = mapOf(ctx, "exp_of_gap", [logs, extremum(ctx, logs, 1, true, true)], "float64", (x, top) => x.to("f64").sub(top.to("f64")).exp());
  const out = empty(ctx, [logs.shape[0] ?? 0, call.attributes.int("sample_size", 1)], "int64");
  return castTo(ctx, random(ctx, "multinomial", generatorOf(call), out, [], [weights]), dtypeAsked(call, "int32"));
}

/** numpy's `RandomState.uniform()`: 53 bits of two words. */
function uniform53(state: TwisterState): number {
  const high = random32(state) >>> 5;
  return (high * 2 ** 26 + (random32(state) >>> 6)) / 2 ** 53;
}

function keepMask(ctx: Context, call: OnnxCall, x: Tensor, ratio: number): Tensor {
  const mask = empty(ctx, x.shape, "bool");
  if (!call.attributes.has("seed")) return random(ctx, "bernoulli", null, mask, [1 - ratio]);
  const seed = BigInt(call.attributes.int("seed"));
  onHost(ctx, "numpy_mask", [], [mask], (_operands: readonly View[], [to]: readonly View[]) => {
    const state = seedTwister(seed);
    const array = to?.storage.array("u8");
    if (to !== undefined && array !== undefined) forEachOffset(to.shape, to.strides, to.offset, (at) => (array[at] = uniform53(state) >= ratio ? 1 : 0));
  });
  return mask;
}

function dropped(ctx: Context, call: OnnxCall, x: Tensor, ratio: number, maskAs: DType): Tensor[] {
  if (!(ratio >= 0 && ratio < 1)) throw new OpwiseError("bad-argument", "the ratio of Dropout", { wanted: "[0, 1)", got: String(ratio) });
  const mask = keepMask(ctx, call, x, ratio);
  const out = mapOf(ctx, "dropout", [x, mask], x.dtype, (v, keep, scale) => keep.where(v.mul(scale.to(v.type)), v.lit(0)), [1 / (1 - ratio)]);
  return [out, castTo(ctx, mask, maskAs)];
}
const whole = (ctx: Context, x: Tensor, maskAs: DType): Tensor[] => [x, filled(ctx, x.shape, maskAs, { kind: "int", value: 1 })];

/** Before version 7 an attribute says whether this is a test; in 7 and 10 nothing is dropped; from 12 on an input says so. */
const DROPOUT: Readonly<Record<number, OnnxMeaning>> = {
  1: {
    run: (ctx, call) => {
      const x = tensorAt(call, 0);
      return call.attributes.int("is_test", 0) !== 0 ? whole(ctx, x, x.dtype) : dropped(ctx, call, x, call.attributes.float("ratio", 0.5), x.dtype);
    },
  },
  7: { run: (ctx, call) => whole(ctx, tensorAt(call, 0), call.version < 10 ? tensorAt(call, 0).dtype : "bool") },
  12: {
    reads: function* (ctx, call): Reading<Tensor[]> {
      const x = tensorAt(call, 0);
      const ratio = (yield* floatAt(call, 1)) ?? 0.5;
      const training = maybeTensor(call, 2);
      if (training !== undefined) yield training;
      return training === undefined || !training.item() || ratio === 0 ? whole(ctx, x, "bool") : dropped(ctx, call, x, ratio, "bool");
    },
  },
};

export const randomOps: readonly OnnxOp[] = [
  fresh("RandomNormal", true),
  fresh("RandomUniform", false),
  like("RandomNormalLike", true),
  like("RandomUniformLike", false),
  onnxOp("Bernoulli", { 15: { run: bernoulli } }),
  onnxOp("Multinomial", { 7: { run: multinomial } }),
  onnxOp("Dropout", DROPOUT),
];
