/** Steps of gradient descent (ai.onnx.preview.training): Adagrad, Adam, Momentum. Each optimises several tensors alike. */

import type { Num } from "../../expr/num.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { floatAt, integerAt, type Reading, tensorsFrom } from "./inputs.ts";
import type { Context } from "../../prims/context.ts";
import { mapOf } from "./programs.ts";

/** Inputs come role by role: all values, then all gradients, then what has accumulated. */
function rolesOf(call: OnnxCall, roles: number): Tensor[][] {
  const all = tensorsFrom(call, 2);
  const count = Math.floor(all.length / roles);
  return Array.from({ length: roles }, (_, role) => all.slice(role * count, (role + 1) * count));
}

/** A map over the tensors of one variable into its own dtype, computed in double precision. */
function updated(ctx: Context, name: string, tensors: readonly Tensor[], scalars: readonly number[], build: (...all: Num[]) => Num): Tensor {
  const dtype = tensors[0]?.dtype ?? "float32";
  return mapOf(ctx, name, tensors, dtype, (...all) => build(...all.map((n) => n.to("f64"))), scalars);
}

/** Learning rate and update count. */
function* rates(call: OnnxCall): Reading<readonly [number, number]> {
  return [(yield* floatAt(call, 0)) ?? 0, (yield* integerAt(call, 1)) ?? 0];
}

function* adagrad(ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const [rate, count] = yield* rates(call);
  const { attributes } = call;
  const norm = attributes.float("norm_coefficient", 0);
  const r = rate / (1 + count * attributes.float("decay_factor", 0));
  const [xs = [], gs = [], hs = []] = rolesOf(call, 3);
  const sums = xs.map((x, i) => updated(ctx, "adagrad_sum", [x, gs[i] ?? x, hs[i] ?? x], [norm], (v, g, h, c) => h.add(c.mul(v).add(g).square())));
  const values = xs.map((x, i) =>
    updated(ctx, "adagrad", [x, gs[i] ?? x, sums[i] ?? x], [norm, r, attributes.float("epsilon", 1e-6)], (v, g, h, c, by, eps) =>
      v.sub(by.mul(c.mul(v).add(g)).div(h.sqrt().add(eps))),
    ),
  );
  return [...values, ...sums];
}

function* adam(ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const [rate, count] = yield* rates(call);
  const { attributes } = call;
  const [alpha, beta] = [attributes.float("alpha", 0.9), attributes.float("beta", 0.999)];
  const norm = attributes.float("norm_coefficient", 0);
  const r = count > 0 ? (rate * Math.sqrt(1 - beta ** count)) / (1 - alpha ** count) : rate;
  const [xs = [], gs = [], vs = [], hs = []] = rolesOf(call, 4);
  const firsts = xs.map((x, i) =>
    updated(ctx, "adam_mean", [x, gs[i] ?? x, vs[i] ?? x], [norm, alpha], (v, g, m, c, a) => a.mul(m).add(a.lit(1).sub(a).mul(c.mul(v).add(g)))),
  );
  const seconds = xs.map((x, i) =>
    updated(ctx, "adam_square", [x, gs[i] ?? x, hs[i] ?? x], [norm, beta], (v, g, h, c, b) => b.mul(h).add(b.lit(1).sub(b).mul(c.mul(v).add(g).square()))),
  );
  const last = [r, attributes.float("epsilon", 1e-6), 1 - attributes.float("norm_coefficient_post", 0)];
  const values = xs.map((x, i) =>
    updated(ctx, "adam", [x, firsts[i] ?? x, seconds[i] ?? x], last, (v, m, h, by, eps, keep) => v.sub(by.mul(m).div(h.sqrt().add(eps))).mul(keep)),
  );
  return [...values, ...firsts, ...seconds];
}

function* momentum(ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const [rate, count] = yield* rates(call);
  const { attributes } = call;
  const [norm, alpha] = [attributes.float("norm_coefficient"), attributes.float("alpha")];
  const beta = count > 0 ? attributes.float("beta") : 1;
  const nesterov = attributes.string("mode") === "nesterov";
  const [xs = [], gs = [], vs = []] = rolesOf(call, 3);
  const moved = xs.map((x, i) =>
    updated(ctx, "momentum_sum", [x, gs[i] ?? x, vs[i] ?? x], [norm, alpha, beta], (v, g, m, c, a, b) => a.mul(m).add(b.mul(c.mul(v).add(g)))),
  );
  const values = xs.map((x, i) => {
    if (!nesterov) return updated(ctx, "momentum", [x, moved[i] ?? x], [rate], (v, m, by) => v.sub(by.mul(m)));
    return updated(ctx, "nesterov", [x, gs[i] ?? x, moved[i] ?? x], [norm, alpha, rate], (v, g, m, c, a, by) => v.sub(by.mul(c.mul(v).add(g).add(a.mul(m)))));
  });
  return [...values, ...moved];
}

export const trainingOps: readonly OnnxOp[] = [
  onnxOp("ai.onnx.preview.training::Adagrad", { 1: { reads: adagrad } }),
  onnxOp("ai.onnx.preview.training::Adam", { 1: { reads: adam } }),
  onnxOp("ai.onnx.preview.training::Momentum", { 1: { reads: momentum } }),
];
