/** Losses that compare element by element (PyTorch: torch.nn.functional), then reduced: 0 none, 1 mean, 2 sum. */

import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, type Elementwise, elementwise } from "../elementwise.ts";
import { cosineSimilarity, pairwiseDistance } from "./norms.ts";
import { mean, sum } from "./reduction.ts";

const NONE = 0;
const MEAN = 1;

/** Mean, sum or the losses themselves. */
export function reduced(ctx: Context, losses: Tensor, reduction: number): Tensor {
  if (reduction === NONE) return losses;
  return reduction === MEAN ? mean(ctx, losses, null) : sum(ctx, losses, null, false, losses.dtype);
}

const float = (value: number): Scalar => ({ kind: "float", value });

const squared = elementwise("mse_loss", (x, y) => x.sub(y).square());
const absolute = elementwise("l1_loss", (x, y) => x.sub(y).abs(), { promotion: "real" });
const smooth = elementwise("smooth_l1_loss", (x, y, beta) => {
  const z = x.sub(y).abs();
  return z.lt(beta).where(z.mul(0.5).mul(z).div(beta), z.sub(beta.mul(0.5)));
});
const huber = elementwise("huber_loss", (x, y, delta) => {
  const z = x.sub(y).abs();
  return z.le(delta).where(z.mul(0.5).mul(z), delta.mul(z.sub(delta.mul(0.5))));
});
/** Logarithms below -100 count as -100, so that the loss stays finite. */
const LOWEST_LOG = -100;
const entropy = elementwise("binary_cross_entropy", (share, y) => {
  const p = share.checked(share.ge(0).and(share.le(1)), 0);
  return y.sub(1).mul(p.neg().log1p().max(LOWEST_LOG)).sub(y.mul(p.log().max(LOWEST_LOG)));
}, { messages: ["all elements of input should be between 0 and 1"] });
const softplusOfNegative = (x: Num): Num => x.abs().neg().exp().log1p().add(x.neg().max(0));
const entropyOfLogits = elementwise("binary_cross_entropy_with_logits", (x, y) => x.lit(1).sub(y).mul(x).add(softplusOfNegative(x)));
const weightedEntropyOfLogits = elementwise("binary_cross_entropy_with_logits", (x, y, w) => x.lit(1).sub(y).mul(x).add(w.sub(1).mul(y).add(1).mul(softplusOfNegative(x))));
const times = elementwise("mul", (x, y) => x.mul(y));
const divergence = elementwise("kl_div", (y, x) => y.isnan().where(y, y.eq(0).where(y.lit(0), y.mul(y.log()))).sub(y.mul(x)));
const divergenceOfLogs = elementwise("kl_div", (y, x) => y.exp().mul(y.sub(x)));
const hinge = elementwise("hinge_embedding_loss", (x, y, margin) => y.ne(1).where(margin.sub(x).max(0), x.lit(0)).add(y.ne(-1).where(x, x.lit(0))));
const ranking = elementwise("margin_ranking_loss", (a, b, y, margin) => y.neg().mul(a.sub(b)).add(margin).max(0));
// Step by step, as PyTorch composes it: half types round, and overflow, after each.
const opposed = elementwise("mul", (x, y) => y.neg().mul(x));
const exponential = elementwise("exp", (x) => x.exp());
const logOfOneMore = elementwise("log1p", (x) => x.log1p());
const cosine = elementwise("cosine_embedding_loss", (cos, y, margin) => y.eq(1).where(cos.lit(1).sub(cos), cos.lit(0)).add(y.eq(-1).where(cos.sub(margin).max(0), cos.lit(0))));
const triplet = elementwise("triplet_margin_loss", (near, far, margin) => margin.add(near).sub(far).max(0));
const least = elementwise("minimum", (x, y) => x.min(y));
const poissonOfLog = elementwise("poisson_nll_loss", (x, y) => x.exp().sub(y.mul(x)));
const poisson = elementwise("poisson_nll_loss", (x, y, eps) => x.sub(y.mul(x.add(eps).log())));
/** Stirling's formula for the term that does not depend on the input; none for targets up to 1. */
const stirling = elementwise("poisson_nll_loss_full", (loss, y) => loss.add(y.le(1).where(y.lit(0), y.mul(y.log()).sub(y).add(y.mul(2 * Math.PI).log().mul(0.5)))));

function pairwise(e: Elementwise): (ctx: Context, self: Tensor, target: Tensor, reduction: number) => Tensor {
  return (ctx, self, target, reduction) => reduced(ctx, apply(ctx, e, [self, target]), reduction);
}

function sameSizes(name: string, self: Tensor, target: Tensor): void {
  if (!sameShape(self.shape, target.shape)) throw new OpwiseError("shape-mismatch", `${name}: target size must be the same as input size`, { wanted: `[${self.shape.join(", ")}]`, got: `[${target.shape.join(", ")}]` });
}

function positive(name: string, value: number, strict: boolean): void {
  if (value < 0 || (strict && value === 0)) throw new OpwiseError("bad-argument", `${name} does not support ${strict ? "non-positive" : "negative"} values`, { got: String(value) });
}

export const losses: readonly Op[] = [
  op("aten::mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", { run: pairwise(squared) }),
  op("aten::l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", { run: pairwise(absolute) }),
  op("aten::smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.) -> Tensor", {
    run: (ctx, self, target, reduction, beta) => {
      positive("smooth_l1_loss: beta", beta, false);
      return reduced(ctx, beta === 0 ? apply(ctx, absolute, [self, target]) : apply(ctx, smooth, [self, target, float(beta)]), reduction);
    },
  }),
  op("aten::huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.) -> Tensor", {
    run: (ctx, self, target, reduction, delta) => {
      positive("huber_loss: delta", delta, true);
      return reduced(ctx, apply(ctx, huber, [self, target, float(delta)]), reduction);
    },
  }),
  op("aten::binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor", {
    run: (ctx, self, target, weight, reduction) => {
      sameSizes("binary_cross_entropy", self, target);
      const plain = apply(ctx, entropy, [self, target]);
      return reduced(ctx, weight === null ? plain : apply(ctx, times, [plain, weight]), reduction);
    },
  }),
  op("aten::binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=1) -> Tensor", {
    run: (ctx, self, target, weight, positiveWeight, reduction) => {
      const plain = positiveWeight === null ? apply(ctx, entropyOfLogits, [self, target]) : apply(ctx, weightedEntropyOfLogits, [self, target, positiveWeight]);
      return reduced(ctx, weight === null ? plain : apply(ctx, times, [plain, weight]), reduction);
    },
  }),
  op("aten::kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor", {
    run: (ctx, self, target, reduction, logTarget) => reduced(ctx, apply(ctx, logTarget ? divergenceOfLogs : divergence, [target, self]), reduction),
  }),
  op("aten::hinge_embedding_loss(Tensor self, Tensor target, float margin=1., int reduction=1) -> Tensor", {
    run: (ctx, self, target, margin, reduction) => reduced(ctx, apply(ctx, hinge, [self, target, float(margin)]), reduction),
  }),
  op("aten::margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor", {
    run: (ctx, a, b, target, margin, reduction) => reduced(ctx, apply(ctx, ranking, [a, b, target, float(margin)]), reduction),
  }),
  op("aten::soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", {
    run: (ctx, self, target, reduction) => reduced(ctx, apply(ctx, logOfOneMore, [apply(ctx, exponential, [apply(ctx, opposed, [self, target])])]), reduction),
  }),
  op("aten::cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor", {
    run: (ctx, a, b, target, margin, reduction) => reduced(ctx, apply(ctx, cosine, [cosineSimilarity(ctx, a, b, a.rank === 1 ? 0 : 1, 1e-12), target, float(margin)]), reduction),
  }),
  op("aten::triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1., float p=2., float eps=9.9999999999999995e-07, bool swap=False, int reduction=1) -> Tensor", {
    run: (ctx, anchor, near, far, margin, p, eps, swap, reduction) => {
      const toNear = pairwiseDistance(ctx, anchor, near, p, eps, false);
      let toFar = pairwiseDistance(ctx, anchor, far, p, eps, false);
      if (swap) toFar = apply(ctx, least, [toFar, pairwiseDistance(ctx, near, far, p, eps, false)]);
      return reduced(ctx, apply(ctx, triplet, [toNear, toFar, float(margin)]), reduction);
    },
  }),
  op("aten::poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor", {
    run: (ctx, input, target, logInput, full, eps, reduction) => {
      const plain = logInput ? apply(ctx, poissonOfLog, [input, target]) : apply(ctx, poisson, [input, target, float(eps)]);
      return reduced(ctx, full ? apply(ctx, stirling, [plain, target]) : plain, reduction);
    },
  }),
];
