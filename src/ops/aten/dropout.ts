/** Dropout: the identity unless training; then a mask of draws. */

import { empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { bernoulli } from "./bernoulli.ts";
import { clone } from "./conversion.ts";
import { fill, filled, stridesLike } from "./filling.ts";

const masked = elementwise("mul", (x, mask) => x.mul(mask));
const scaledMask = elementwise("native_dropout", (x, mask, scale) => x.mul(mask).mul(scale));
const divided = elementwise("div", (x, y) => x.div(y));
const shifted = elementwise("add", (x, b) => x.add(b));

/** The negative saturation value of SELU, which alpha dropout puts in place of what it drops. */
const ALPHA = 1.7580993408473766;

/** One draw per element, or per channel of `[N, C, ...]`. */
function noise(ctx: Context, input: Tensor, keep: number, perChannel: boolean): Tensor {
  if (!perChannel) return bernoulli(ctx, empty(ctx, input.shape, input.dtype, stridesLike(input, null)), keep, null);
  if (input.rank < 2) throw new OpwiseError("shape-mismatch", "Feature dropout requires at least 2 dimensions in the input");
  return bernoulli(ctx, empty(ctx, input.shape.map((size, i) => (i < 2 ? size : 1)), input.dtype), keep, null);
}

export function dropout(ctx: Context, input: Tensor, p: number, train: boolean, perChannel: boolean, alpha: boolean): Tensor {
  if (!(p >= 0 && p <= 1)) throw new OpwiseError("bad-argument", `dropout probability has to be between 0 and 1, but got ${p}`);
  if (p === 0 || !train || input.numel === 0) return input;
  const float = (value: number) => ({ kind: "float", value }) as const;
  if (p === 1) return apply(ctx, masked, [input, filled(ctx, [], input.dtype, { kind: "int", value: 0 })]);
  const kept = noise(ctx, input, 1 - p, perChannel);
  if (!alpha) return apply(ctx, masked, [input, apply(ctx, divided, [kept, float(1 - p)])]);
  const a = 1 / Math.sqrt((ALPHA * ALPHA * p + 1) * (1 - p));
  // Step by step, each rounded to the dtype, as PyTorch's composite is.
  const times = (x: Tensor, factor: number): Tensor => apply(ctx, masked, [x, float(factor)]);
  const shift = apply(ctx, shifted, [times(apply(ctx, shifted, [kept, float(-1)]), ALPHA * a), float(ALPHA * a * p)]);
  return apply(ctx, shifted, [apply(ctx, masked, [input, times(kept, a)]), shift]);
}

export const dropouts: readonly Op[] = [
  op("aten::dropout(Tensor input, float p, bool train) -> Tensor", { run: (ctx, x, p, train) => dropout(ctx, x, p, train, false, false), quantised: "copies" }),
  op("aten::feature_dropout(Tensor input, float p, bool train) -> Tensor", { run: (ctx, x, p, train) => dropout(ctx, x, p, train, true, false), quantised: "copies" }),
  op("aten::alpha_dropout(Tensor input, float p, bool train) -> Tensor", { run: (ctx, x, p, train) => dropout(ctx, x, p, train, false, true), quantised: "copies" }),
  op("aten::feature_alpha_dropout(Tensor input, float p, bool train) -> Tensor", { run: (ctx, x, p, train) => dropout(ctx, x, p, train, true, true), quantised: "copies" }),
  op("aten::native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)", {
    run: (ctx, x, p, train) => {
      const mask = empty(ctx, x.shape, "bool", stridesLike(x, null));
      if (train === false) return [clone(ctx, x), fill(ctx, mask, { kind: "bool", value: true })];
      if (p === 1) return [filled(ctx, x.shape, x.dtype, { kind: "int", value: 0 }), mask];
      bernoulli(ctx, mask, 1 - p, null);
      return [apply(ctx, scaledMask, [x, mask, { kind: "float", value: 1 / (1 - p) }]), mask];
    },
  }),
  op("aten::native_dropout_backward(Tensor grad_output, Tensor mask, float scale) -> Tensor", { run: (ctx, grad, mask, scale) => apply(ctx, scaledMask, [grad, mask, { kind: "float", value: scale }]) }),
];
