/** Losses that compare element by element (PyTorch: torch.nn.functional), then reduced: 0 none, 1 mean, 2 sum. */

import type { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { isComplex, isFloat } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { resultType } from "../promotion.ts";
import { logSigmoid } from "./activation.ts";
import { filled } from "./filling.ts";
import { pairwiseDistance } from "./norms.ts";
import { mean, sum } from "./reduction.ts";
import {
  atLeast,
  atMost,
  chosen,
  equal,
  exponential,
  float,
  int,
  lesser,
  logarithm,
  logOfOneMore,
  minus,
  negated,
  over,
  plus,
  root,
  times,
  unequal,
} from "./steps.ts";

const NONE = 0;
const MEAN = 1;

/** Mean, sum or the losses themselves. */
export function reduced(ctx: Context, losses: Tensor, reduction: number): Tensor {
  if (reduction === NONE) return losses;
  return reduction === MEAN ? mean(ctx, losses, null) : sum(ctx, losses, null, false, losses.dtype);
}

type Rounding = (x: Num) => Num;
/** A kernel that rounds after each operation in one of the half types, and once in every other dtype. */
function kernel(
  name: string,
  half: "float16" | "bfloat16",
  build: (r: Rounding) => (...operands: Num[]) => Num,
): (ctx: Context, self: Tensor, target: Tensor, limit: number) => Tensor {
  const once = elementwise(
    name,
    build((x) => x),
  );
  const stepwise = elementwise(
    name,
    build((x) => x.round(half)),
  );
  return (ctx, self, target, limit) => apply(ctx, resultType([self, target], ctx.defaultDtype) === half ? stepwise : once, [self, target, float(limit)]);
}
const smooth = kernel("smooth_l1_loss", "float16", (r) => (x, y, limit) => {
  const [z, beta] = [r(x.sub(y)).abs(), r(limit)];
  return z.lt(beta).where(r(r(z.mul(0.5)).mul(z)).div(beta), z.sub(r(beta.mul(0.5))));
});
const huber = kernel("huber_loss", "bfloat16", (r) => (x, y, limit) => {
  const [z, delta] = [r(x.sub(y)).abs(), r(limit)];
  return z.le(delta).where(r(z.mul(0.5)).mul(z), delta.mul(r(z.sub(r(delta.mul(0.5))))));
});
const absolute = elementwise("l1_loss", (x, y) => x.sub(y).abs(), { promotion: "real" });
/** Logarithms below -100 count as -100, so that the loss stays finite. */
const LOWEST_LOG = -100;
const logOfShare = elementwise(
  "log",
  (share) =>
    share
      .checked(share.ge(0).and(share.le(1)), 0)
      .log()
      .max(LOWEST_LOG),
  { messages: ["all elements of input should be between 0 and 1"] },
);
const logOfRest = elementwise("log1p", (share) => share.neg().log1p().max(LOWEST_LOG));
const xlogx = elementwise("xlogy", (y) => y.isnan().where(y, y.eq(0).where(y.lit(0), y.mul(y.log()))), { promotion: "float" });

function sameSizes(name: string, self: Tensor, target: Tensor): void {
  if (!sameShape(self.shape, target.shape))
    throw new OpwiseError("shape-mismatch", `${name}: target size must be the same as input size`, {
      wanted: `[${self.shape.join(", ")}]`,
      got: `[${target.shape.join(", ")}]`,
    });
}

function positive(name: string, value: number, strict: boolean): void {
  if (value < 0 || (strict && value === 0))
    throw new OpwiseError("bad-argument", `${name} does not support ${strict ? "non-positive" : "negative"} values`, { got: String(value) });
}

const ONE = int(1);
const ZERO = int(0);

/** `y log y - y x`, or of logarithms `exp(y) (y - x)`. */
function divergence(ctx: Context, x: Tensor, y: Tensor, logTarget: boolean): Tensor {
  for (const t of [x, y]) {
    if (isComplex(t.dtype)) throw new OpwiseError("dtype-mismatch", "kl_div: Complex inputs not supported.");
    if (!isFloat(t.dtype)) throw new OpwiseError("dtype-mismatch", "kl_div: Integral inputs not supported.");
  }
  return logTarget ? times(ctx, exponential(ctx, y), minus(ctx, y, x)) : minus(ctx, apply(ctx, xlogx, [y]), times(ctx, y, x));
}

function entropy(ctx: Context, share: Tensor, target: Tensor): Tensor {
  const ofOne = apply(ctx, logOfShare, [share]);
  return minus(ctx, times(ctx, minus(ctx, target, ONE), apply(ctx, logOfRest, [share])), times(ctx, target, ofOne));
}

function entropyOfLogits(ctx: Context, x: Tensor, target: Tensor, weight: Tensor | null, positiveWeight: Tensor | null): Tensor {
  let logs = logSigmoid(ctx, x);
  if (positiveWeight !== null) logs = times(ctx, logs, plus(ctx, times(ctx, minus(ctx, positiveWeight, ONE), target), ONE), logs);
  const loss = minus(ctx, ONE, target);
  minus(ctx, times(ctx, loss, x, loss), logs, loss);
  return weight === null ? loss : times(ctx, loss, weight, loss);
}

/** The margin is rounded to the input's dtype first. */
function hinge(ctx: Context, x: Tensor, target: Tensor, margin: number): Tensor {
  const beyond = atLeast(ctx, minus(ctx, filled(ctx, x.shape, x.dtype, float(margin)), x), ZERO);
  return plus(ctx, chosen(ctx, unequal(ctx, target, ONE), beyond, ZERO), chosen(ctx, unequal(ctx, target, int(-1)), x, ZERO));
}

/** The cosine of the two over their last axis: near 1 wanted for targets 1, up to the margin for targets -1. */
function cosine(ctx: Context, a: Tensor, b: Tensor, target: Tensor, margin: number): Tensor {
  if (target.rank > 1) throw new OpwiseError("shape-mismatch", "0D or 1D target tensor expected, multi-target not supported");
  if (a.rank !== target.rank + 1 || b.rank !== target.rank + 1) {
    throw new OpwiseError(
      "shape-mismatch",
      `${target.rank}D target tensor expects ${target.rank + 1}D input tensors, but found inputs with sizes [${a.shape.join(", ")}] and [${b.shape.join(", ")}].`,
    );
  }
  const dot = (x: Tensor, y: Tensor): Tensor => sum(ctx, times(ctx, x, y), [target.rank]);
  const square = (x: Tensor): Tensor => plus(ctx, dot(x, x), float(1e-12));
  const cos = over(ctx, dot(a, b), root(ctx, times(ctx, square(a), square(b))));
  const near = chosen(ctx, equal(ctx, target, ONE), minus(ctx, ONE, cos), ZERO);
  return plus(ctx, near, chosen(ctx, equal(ctx, target, int(-1)), atLeast(ctx, minus(ctx, cos, float(margin)), ZERO), ZERO));
}

function triplet(ctx: Context, anchor: Tensor, near: Tensor, far: Tensor, margin: number, p: number, eps: number, swap: boolean): Tensor {
  if (anchor.rank !== near.rank || near.rank !== far.rank) {
    throw new OpwiseError(
      "shape-mismatch",
      `The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: anchor ${anchor.rank}D, positive ${near.rank}D, and negative ${far.rank}D inputs`,
    );
  }
  const toNear = pairwiseDistance(ctx, anchor, near, p, eps, false);
  let toFar = pairwiseDistance(ctx, anchor, far, p, eps, false);
  if (swap) toFar = lesser(ctx, toFar, pairwiseDistance(ctx, near, far, p, eps, false));
  return atLeast(ctx, minus(ctx, plus(ctx, float(margin), toNear), toFar), ZERO);
}

/** `full` adds Stirling's formula for the term that does not depend on the input; none for targets up to 1. */
function poisson(ctx: Context, input: Tensor, target: Tensor, logInput: boolean, full: boolean, eps: number): Tensor {
  const loss = logInput
    ? minus(ctx, exponential(ctx, input), times(ctx, target, input))
    : minus(ctx, input, times(ctx, target, logarithm(ctx, plus(ctx, input, float(eps)))));
  if (!full) return loss;
  const half = times(ctx, float(0.5), logarithm(ctx, times(ctx, float(2 * Math.PI), target)));
  const term = plus(ctx, minus(ctx, times(ctx, target, logarithm(ctx, target)), target), half);
  return plus(ctx, loss, chosen(ctx, atMost(ctx, target, ONE), ZERO, term), loss);
}

export const losses: readonly Op[] = [
  op("aten::mse_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", {
    run: (ctx, self, target, reduction) => {
      const gap = minus(ctx, self, target);
      return reduced(ctx, times(ctx, gap, gap), reduction);
    },
  }),
  op("aten::l1_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", {
    run: (ctx, self, target, reduction) => reduced(ctx, apply(ctx, absolute, [self, target]), reduction),
  }),
  op("aten::smooth_l1_loss(Tensor self, Tensor target, int reduction=1, float beta=1.) -> Tensor", {
    run: (ctx, self, target, reduction, beta) => {
      positive("smooth_l1_loss: beta", beta, false);
      return reduced(ctx, beta === 0 ? apply(ctx, absolute, [self, target]) : smooth(ctx, self, target, beta), reduction);
    },
  }),
  op("aten::huber_loss(Tensor self, Tensor target, int reduction=1, float delta=1.) -> Tensor", {
    run: (ctx, self, target, reduction, delta) => {
      positive("huber_loss: delta", delta, true);
      return reduced(ctx, huber(ctx, self, target, delta), reduction);
    },
  }),
  op("aten::binary_cross_entropy(Tensor self, Tensor target, Tensor? weight=None, int reduction=1) -> Tensor", {
    run: (ctx, self, target, weight, reduction) => {
      sameSizes("binary_cross_entropy", self, target);
      const plain = entropy(ctx, self, target);
      return reduced(ctx, weight === null ? plain : times(ctx, plain, weight), reduction);
    },
  }),
  op("aten::binary_cross_entropy_with_logits(Tensor self, Tensor target, Tensor? weight=None, Tensor? pos_weight=None, int reduction=1) -> Tensor", {
    run: (ctx, self, target, weight, positiveWeight, reduction) => reduced(ctx, entropyOfLogits(ctx, self, target, weight, positiveWeight), reduction),
  }),
  op("aten::kl_div(Tensor self, Tensor target, int reduction=1, *, bool log_target=False) -> Tensor", {
    run: (ctx, self, target, reduction, logTarget) => reduced(ctx, divergence(ctx, self, target, logTarget), reduction),
  }),
  op("aten::hinge_embedding_loss(Tensor self, Tensor target, float margin=1., int reduction=1) -> Tensor", {
    run: (ctx, self, target, margin, reduction) => reduced(ctx, hinge(ctx, self, target, margin), reduction),
  }),
  op("aten::margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor", {
    run: (ctx, a, b, target, margin, reduction) =>
      reduced(ctx, atLeast(ctx, plus(ctx, times(ctx, negated(ctx, target), minus(ctx, a, b)), float(margin)), ZERO), reduction),
  }),
  op("aten::soft_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", {
    run: (ctx, self, target, reduction) => reduced(ctx, logOfOneMore(ctx, exponential(ctx, times(ctx, negated(ctx, self), target))), reduction),
  }),
  op("aten::cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0., int reduction=1) -> Tensor", {
    run: (ctx, a, b, target, margin, reduction) => reduced(ctx, cosine(ctx, a, b, target, margin), reduction),
  }),
  op(
    "aten::triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1., float p=2., float eps=9.9999999999999995e-07, bool swap=False, int reduction=1) -> Tensor",
    {
      run: (ctx, anchor, near, far, margin, p, eps, swap, reduction) => reduced(ctx, triplet(ctx, anchor, near, far, margin, p, eps, swap), reduction),
    },
  ),
  op("aten::poisson_nll_loss(Tensor input, Tensor target, bool log_input, bool full, float eps, int reduction) -> Tensor", {
    run: (ctx, input, target, logInput, full, eps, reduction) => reduced(ctx, poisson(ctx, input, target, logInput, full, eps), reduction),
  }),
];
