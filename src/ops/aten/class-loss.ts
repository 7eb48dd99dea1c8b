/** Losses over classes: nll_loss, cross_entropy, margins (PyTorch: torch.nn.functional). */

import { namingIndex } from "./bad-index.ts";
import { binary, cast, check, constant, type Expr, fold, index, load, scalar, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import { compute, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { unsqueezed } from "../../prims/views.ts";
import { isFloat, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { sameShape } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { floatOf } from "./element.ts";
import { reduced } from "./loss.ts";
import { loadIndex, memo } from "./memo.ts";
import { sum } from "./reduction.ts";
import { softmax } from "./softmax.ts";

const programs = memo<Program>();
const MEAN = 1;
const at = (rank: number): Expr[] => Array.from({ length: rank }, (_, i) => index(i));
const whole = (value: number): Expr => constant(value, "index");

/** Per target its loss and the weight it has; both 0 where ignored. */
function pickProgram(input: Tensor, target: Tensor, weight: Tensor | null): Program {
  return programs(`nll ${input.dtype} ${input.rank} ${target.dtype} ${target.rank} ${weight?.dtype ?? ""}`, () => {
    const type = computeType(input.dtype);
    const label = loadIndex(1, target.dtype, at(target.rank));
    const [classes, ignored] = [scalar(0, "index"), scalar(1, "index")];
    const used = binary("ne", label, ignored);
    const fits = binary("and", binary("ge", label, whole(0)), binary("lt", label, classes));
    const known = check(binary("or", fits, binary("eq", label, ignored)), select(used, label, whole(0)), 0);
    const zero = constant(0, type);
    const axes = at(target.rank);
    const value = load(0, type, input.rank === 1 ? [known] : [axes[0] ?? whole(0), known, ...axes.slice(1)], 0, used, zero);
    const w = weight === null ? select(used, constant(1, type), zero) : cast(load(2, computeType(weight.dtype), [known], 0, used, constant(0, computeType(weight.dtype))), type);
    const loss = select(used, new Num(value).mul(new Num(w)).neg().re, zero);
    return {
      name: "nll_loss", operands: [input.dtype, target.dtype, ...(weight === null ? [] : [weight.dtype])], scalars: ["index", "index"], messages: ["Target is out of bounds."],
      outputs: [{ dtype: input.dtype, parts: [loss] }, { dtype: input.dtype, parts: [w] }],
    };
  });
}

const ratio = elementwise("div", (x, y) => x.div(y));

/** The loss and the total weight, of `[C]`, `[N, C]` or `[N, C, d...]` log-probabilities. */
export function nll(ctx: Context, input: Tensor, target: Tensor, weight: Tensor | null, reduction: number, ignored: number): [Tensor, Tensor] {
  const classes = input.shape[input.rank === 1 ? 0 : 1] ?? 0;
  const expected = input.rank === 1 ? [] : input.shape.filter((_, i) => i !== 1);
  if (input.rank === 2 && target.rank === 1 && target.shape[0] !== input.shape[0]) {
    throw new OpwiseError("shape-mismatch", `Expected input batch_size (${input.shape[0]}) to match target batch_size (${target.shape[0]}).`);
  }
  if (target.dtype !== "int64" && target.dtype !== "uint8") throw new OpwiseError("dtype-mismatch", `expected target dtype to be Long or Byte, but got ${scalarName(target.dtype)}`);
  if (input.rank === 0 || !sameShape(target.shape, expected)) {
    throw new OpwiseError("shape-mismatch", `Expected target size [${expected.join(", ")}], got [${target.shape.join(", ")}]`, { got: `input of shape [${input.shape.join(", ")}]` });
  }
  if (weight !== null && weight.numel !== classes) throw new OpwiseError("shape-mismatch", `weight tensor should be defined either for all ${classes} classes or no classes but got weight tensor of shape: [${weight.shape.join(", ")}]`);
  const [losses = unreachable("losses"), weights = unreachable("weights")] = namingIndex(
    [{ index: target, size: classes, wrap: false, except: ignored, message: (value) => `Target ${value} is out of bounds.` }],
    () => compute(ctx, pickProgram(input, target, weight), target.shape, [input, target, ...(weight === null ? [] : [weight])], [classes, ignored]),
  );
  if (reduction === 0) return [losses, empty(ctx, [], input.dtype)];
  const [total, mass] = [sum(ctx, losses, null, false, input.dtype), sum(ctx, weights, null, false, input.dtype)];
  return [reduction === MEAN ? apply(ctx, ratio, [total, mass]) : total, mass];
}

const times = elementwise("mul", (x, y) => x.mul(y));
const minusTimes = elementwise("cross_entropy", (x, y) => x.mul(y).neg());
const negated = elementwise("neg", (x) => x.neg());
const smoothed = elementwise("label_smoothing", (y, s, n) => y.mul(y.lit(1).sub(s)).add(s.div(n)));
const blended = elementwise("label_smoothing", (a, b, s, n) => a.mul(a.lit(1).sub(s)).add(b.mul(s.div(n))));
const unlessIgnored = elementwise("masked", (t, x, ignored) => t.eq(ignored.to(t.type)).where(x.lit(0), x), { promotion: "masked" });
const float = (value: number): Scalar => ({ kind: "float", value });

/** A weight per class as it lies along the class axis. */
function alongClasses(weight: Tensor, rank: number, axis: number): Tensor {
  let out = weight;
  for (let i = axis + 1; i < rank; i++) out = unsqueezed(out, -1);
  return out;
}

function crossEntropy(ctx: Context, self: Tensor, target: Tensor, weight: Tensor | null, reduction: number, ignored: number, smoothing: number): Tensor {
  const axis = self.rank === 1 ? 0 : 1;
  const classes = self.shape[axis] ?? 0;
  if (!(smoothing >= 0 && smoothing <= 1)) throw new OpwiseError("bad-argument", `label_smoothing must be between 0.0 and 1.0. Got: ${smoothing}`);
  const logs = softmax(ctx, self, axis, true);
  if (isFloat(target.dtype) && sameShape(self.shape, target.shape)) {
    const wanted = smoothing > 0 ? apply(ctx, smoothed, [target, float(smoothing), float(classes)]) : target;
    const weighted = weight === null ? logs : apply(ctx, times, [logs, alongClasses(weight, self.rank, axis)]);
    const losses = apply(ctx, minusTimes, [weighted, wanted]);
    if (reduction === 0) return sum(ctx, losses, axis, false, losses.dtype);
    const total = sum(ctx, losses, null, false, losses.dtype);
    return reduction === MEAN ? apply(ctx, ratio, [total, float(self.numel / Math.max(classes, 1))]) : total;
  }
  const [plain] = nll(ctx, logs, target, weight, reduction, ignored);
  if (smoothing === 0) return plain;
  const weighted = weight === null ? logs : apply(ctx, times, [logs, alongClasses(weight, self.rank, axis)]);
  const spread = apply(ctx, unlessIgnored, [target, apply(ctx, negated, [sum(ctx, weighted, axis, false, logs.dtype)]), { kind: "int", value: ignored }]);
  let smooth = spread;
  if (reduction !== 0) {
    smooth = sum(ctx, spread, null, false, logs.dtype);
    if (reduction === MEAN) smooth = apply(ctx, ratio, [smooth, nll(ctx, logs, target, weight, MEAN, ignored)[1]]);
  }
  return apply(ctx, blended, [plain, smooth, float(smoothing), float(classes)]);
}

/** Per row: the sum over other classes of max(0, margin - x[target] + x[j]) ** p, times the target's weight, over the number of classes. */
function multiMargin(ctx: Context, self: Tensor, target: Tensor, p: Scalar, margin: Scalar, weight: Tensor | null, reduction: number): Tensor {
  const power = floatOf(p);
  if (power !== 1 && power !== 2) throw new OpwiseError("bad-argument", "multi_margin_loss: only p == 1 and p == 2 supported");
  const rows = self.rank < 2 ? unsqueezed(self, 0) : self;
  const labels = target.rank === 0 ? unsqueezed(target, 0) : target;
  const wide = opmathOf(self.dtype);
  const program = programs(`multi_margin ${self.dtype} ${labels.dtype} ${weight?.dtype ?? ""} ${power}`, () => {
    const type = computeType(wide);
    const classes = scalar(0, "index");
    const label = loadIndex(1, labels.dtype, [index(0)]);
    const known = check(binary("and", binary("ge", label, whole(0)), binary("lt", label, classes)), label, 0);
    const own = new Num(load(0, type, [index(0), known]));
    const [total = own.re] = fold(0, classes, [constant(0, type)], ([s = own.re], j) => {
      const gap = new Num(scalar(1, type)).sub(own).add(new Num(load(0, type, [index(0), j]))).max(0);
      return [select(binary("eq", j, known), s, new Num(s).add(power === 2 ? gap.square() : gap).re)];
    });
    const weighted = weight === null ? new Num(total) : new Num(total).mul(new Num(cast(load(2, computeType(weight.dtype), [known]), type)));
    return {
      name: "multi_margin_loss", operands: [self.dtype, labels.dtype, ...(weight === null ? [] : [weight.dtype])], scalars: ["index", type], messages: ["target out of range"],
      outputs: [{ dtype: self.dtype, parts: [weighted.div(new Num(cast(classes, type))).re] }],
    };
  });
  const [losses = unreachable("losses")] = compute(ctx, program, [rows.shape[0] ?? 0], [rows, labels, ...(weight === null ? [] : [weight])], [rows.shape[1] ?? 0, floatOf(margin)]);
  return reduced(ctx, self.rank < 2 ? viewOf(losses, [], [], 0) : losses, reduction);
}

/** Per row: over its targets (up to the first -1) and all classes that are none, the sum of max(0, 1 - x[target] + x[j]), over the number of classes. */
function multilabelMargin(ctx: Context, self: Tensor, target: Tensor, reduction: number): [Tensor, Tensor] {
  if (!sameShape(self.shape, target.shape)) throw new OpwiseError("shape-mismatch", `inconsistent target size: [${target.shape.join(", ")}] for input of size: [${self.shape.join(", ")}]`);
  const rows = self.rank < 2 ? viewOf(self, [1, self.numel], [0, self.strides[0] ?? 1], self.offset) : self;
  const labels = self.rank < 2 ? viewOf(target, [1, self.numel], [0, target.strides[0] ?? 1], target.offset) : target;
  const [n = 0, classes = 0] = rows.shape;
  const isTarget = programs(`multilabel_target ${self.dtype} ${labels.dtype}`, () => {
    const [found = constant(0, "index")] = fold(0, scalar(0, "index"), [whole(0)], ([s = whole(0)], k) => [select(binary("eq", loadIndex(0, labels.dtype, [index(0), k]), index(1)), whole(1), s)], (_s, k) => binary("lt", loadIndex(0, labels.dtype, [index(0), k]), whole(0)));
    return { name: "multilabel_target", operands: [labels.dtype], scalars: ["index"], messages: [], outputs: [{ dtype: self.dtype, parts: [cast(found, computeType(self.dtype))] }] };
  });
  const [hits = unreachable("targets")] = compute(ctx, isTarget, [n, classes], [labels], [classes]);
  const program = programs(`multilabel_margin ${self.dtype} ${labels.dtype}`, () => {
    const type = computeType(self.dtype);
    const count = scalar(0, "index");
    const zero = constant(0, type);
    const label = (k: Expr): Expr => loadIndex(1, labels.dtype, [index(0), k]);
    const [total = zero] = fold(0, count, [zero], ([s = zero], k) => {
      const own = new Num(load(0, type, [index(0), label(k)]));
      const [inner = zero] = fold(1, count, [s], ([r = zero], j) => {
        const gap = own.lit(1).sub(own).add(new Num(load(0, type, [index(0), j]))).max(0);
        return [select(binary("ne", load(2, type, [index(0), j]), zero), r, new Num(r).add(gap).re)];
      });
      return [inner];
    }, (_s, k) => binary("lt", label(k), whole(0)));
    return { name: "multilabel_margin_loss", operands: [self.dtype, labels.dtype, self.dtype], scalars: ["index"], messages: [], outputs: [{ dtype: self.dtype, parts: [new Num(total).div(new Num(cast(count, type))).re] }] };
  });
  const [losses = unreachable("losses")] = compute(ctx, program, [n], [rows, labels, hits], [classes]);
  return [reduced(ctx, self.rank < 2 ? viewOf(losses, [], [], 0) : losses, reduction), self.rank < 2 ? viewOf(hits, self.shape, [1], 0) : hits];
}

export const classLosses: readonly Op[] = [
  ...(["nll_loss", "nll_loss2d", "nll_loss_nd"] as const).map((name) =>
    op(`aten::${name}(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100) -> Tensor`, {
      run: (ctx: Context, self: Tensor, target: Tensor, weight: Tensor | null, reduction: number, ignored: number) => nll(ctx, self, target, weight, reduction, ignored)[0],
    }),
  ),
  ...(["nll_loss_forward", "nll_loss2d_forward"] as const).map((name) =>
    op(`aten::${name}(Tensor self, Tensor target, Tensor? weight, int reduction, SymInt ignore_index) -> (Tensor output, Tensor total_weight)`, { run: nll }),
  ),
  op("aten::cross_entropy_loss(Tensor self, Tensor target, Tensor? weight=None, int reduction=1, SymInt ignore_index=-100, float label_smoothing=0.) -> Tensor", { run: crossEntropy }),
  op("aten::multi_margin_loss(Tensor self, Tensor target, Scalar p=1, Scalar margin=1, Tensor? weight=None, int reduction=1) -> Tensor", { run: multiMargin }),
  op("aten::multilabel_margin_loss(Tensor self, Tensor target, int reduction=1) -> Tensor", { run: (ctx, self, target, reduction) => multilabelMargin(ctx, self, target, reduction)[0] }),
  op("aten::multilabel_margin_loss_forward(Tensor self, Tensor target, int reduction) -> (Tensor output, Tensor is_target)", { run: multilabelMargin }),
];
