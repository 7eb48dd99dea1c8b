/** Linear models and support vector machines. */

import { cast, constant, fold, index, load, scalar } from "../../../expr/expr.ts";
import { Num } from "../../../expr/num.ts";
import { empty } from "../../../prims/calls.ts";
import type { Context } from "../../../prims/context.ts";
import { computeType } from "../../../prims/program.ts";
import { reshaped, transposed } from "../../../prims/views.ts";
import { type DType, isFloat } from "../../../tensor/dtype.ts";
import { OpwiseError } from "../../../tensor/error.ts";
import type { Tensor, View } from "../../../tensor/tensor.ts";
import { size } from "../../aten/memo.ts";
import { matmul } from "../../aten/products.ts";
import { castTo } from "../casts.ts";
import { type Attributes, type OnnxCall, type OnnxOp, onnxOp } from "../define.ts";
import { tensorAt } from "../inputs.ts";
import { computeOf, mapOf, onHost } from "../programs.ts";
import { doubles, labelsIn, perNode } from "./attributes.ts";
import { bestLabel, labelAbove, labelled, oneSided, transformed, transformedPair, transformOf } from "./scores.ts";

/** `[N, F]`; a vector is one row. Integers become double, floats stay. */
function rowsOf(ctx: Context, x: Tensor): Tensor {
  const wide = isFloat(x.dtype) ? x : castTo(ctx, x, "float32");
  return x.rank === 1 ? reshaped(ctx, wide, [1, x.numel]) : reshaped(ctx, wide, [x.shape[0] ?? 0, -1]);
}

interface Linear {
  /** `[targets, F]` flattened. */
  readonly weights: Tensor;
  readonly intercepts: Tensor;
}
const linear = perNode((a: Attributes): Linear => ({ weights: doubles(a.floats("coefficients") ?? []), intercepts: doubles(a.floats("intercepts") ?? []) }));

/** `x W' + b` in double precision, as `dtype`. */
function product(ctx: Context, x: Tensor, { weights, intercepts }: Linear, targets: number, dtype: DType): Tensor {
  const features = x.shape[1] ?? 0;
  if (weights.numel !== targets * features) throw new OpwiseError("shape-mismatch", `${weights.numel} coefficients for ${targets} targets of ${features} features`, { wanted: String(targets * features) });
  const scores = matmul(ctx, castTo(ctx, x, "float64"), transposed(reshaped(ctx, weights, [targets, features]), 0, 1));
  return intercepts.numel === 0 ? castTo(ctx, scores, dtype) : mapOf(ctx, "intercept", [scores, intercepts], dtype, (v, b) => v.add(b));
}

function regressor(ctx: Context, call: OnnxCall): Tensor {
  const x = rowsOf(ctx, tensorAt(call, 0));
  return transformed(ctx, product(ctx, x, linear(call), call.attributes.int("targets", 1), "float32"), transformOf(call.attributes.string("post_transform", "NONE")));
}

const linearLabels = perNode((a) => labelsIn(a, "classlabels_ints", "classlabels_strings"));

function classifier(ctx: Context, call: OnnxCall): Tensor[] {
  const x = rowsOf(ctx, tensorAt(call, 0));
  const own = linear(call);
  const labels = linearLabels(call);
  const targets = own.intercepts.numel > 0 ? own.intercepts.numel : Math.round(own.weights.numel / Math.max(x.shape[1] ?? 1, 1));
  const transform = transformOf(call.attributes.string("post_transform", "NONE"));
  const scores = product(ctx, x, own, targets, "float32");
  if (targets > 1) return [bestLabel(ctx, labels, scores), transformed(ctx, scores, transform)];
  if (labels.numel !== 2) return [labelAbove(ctx, oneSided(labels), scores, 0), transformed(ctx, scores, transform)];
  return [labelAbove(ctx, labels, scores, 0), transformedPair(ctx, scores, "complement", transform)];
}

const KERNELS = ["LINEAR", "POLY", "RBF", "SIGMOID"] as const;
type Kernel = (typeof KERNELS)[number];

interface Machine {
  readonly kernel: Kernel;
  /** gamma, coef0, degree. */
  readonly params: readonly number[];
  readonly vectors: readonly number[];
  readonly coefficients: readonly number[];
  readonly rho: readonly number[];
}
function machineOf(a: Attributes): Machine {
  const name = a.string("kernel_type", "LINEAR");
  const kernel = KERNELS.find((k) => k === name);
  if (kernel === undefined) throw new OpwiseError("bad-onnx", "`kernel_type` is unknown", { wanted: KERNELS.join(", "), got: name });
  const [gamma = 0, coef0 = 0, degree = 0] = a.floats("kernel_params") ?? [];
  return { kernel, params: [gamma, coef0, degree], vectors: a.floats("support_vectors") ?? [], coefficients: a.floats("coefficients") ?? [], rho: a.floats("rho") ?? [] };
}

/** The kernel of every row of `x [N, F]` with every vector `[S, F]`, in double precision. */
function kernelMatrix(ctx: Context, x: Tensor, vectors: Tensor, kernel: Kernel, params: readonly number[]): Tensor {
  return computeOf(ctx, "svm_kernel", kernel, [x.shape[0] ?? 0, vectors.shape[0] ?? 0], [x, vectors], "float64", ["index", "f64", "f64", "f64"], [x.shape[1] ?? 0, ...params], () => {
    const param = (k: number): Num => new Num(scalar(1 + k, "f64"));
    const [total = constant(0, "f64")] = fold(0, size(0), [constant(0, "f64")], ([s = constant(0, "f64")], f) => {
      const a = new Num(cast(load(0, computeType(x.dtype), [index(0), f]), "f64"));
      const b = new Num(load(1, "f64", [index(1), f]));
      const term = kernel === "RBF" ? a.sub(b).square() : a.mul(b);
      return [new Num(s).add(term).re];
    });
    const s = new Num(total);
    if (kernel === "RBF") return { parts: [param(0).neg().mul(s).exp().re] };
    if (kernel === "LINEAR") return { parts: [s.re] };
    const affine = s.mul(param(0)).add(param(1));
    return { parts: [kernel === "POLY" ? affine.pow(param(2)).re : affine.apply("tanh").re] };
  });
}

const regressionMachine = perNode((a) => {
  const machine = machineOf(a);
  const supports = a.int("n_supports", 0);
  const width = supports > 0 ? machine.vectors.length / supports : machine.coefficients.length;
  const vectors = supports > 0 ? doubles(machine.vectors, [supports, width]) : doubles(machine.coefficients, [1, width]);
  const coefficients = supports > 0 ? doubles(machine.coefficients, [supports, 1]) : doubles([1], [1, 1]);
  return { ...machine, kernel: supports > 0 ? machine.kernel : ("LINEAR" as const), vectors, coefficients, oneClass: a.int("one_class", 0) !== 0 };
});

function svmRegressor(ctx: Context, call: OnnxCall): Tensor {
  const x = rowsOf(ctx, tensorAt(call, 0));
  const m = regressionMachine(call);
  const sums = matmul(ctx, kernelMatrix(ctx, x, m.vectors, m.kernel, m.params), m.coefficients);
  const scores = mapOf(ctx, `svm_score ${m.oneClass}`, [sums], "float32", (v, rho) => {
    const score = v.add(rho);
    return m.oneClass ? score.gt(0).where(score.lit(1), score.lit(-1)) : score;
  }, [m.rho[0] ?? 0]);
  return transformed(ctx, scores, transformOf(call.attributes.string("post_transform", "NONE")));
}

const classMachine = perNode((a) => {
  const machine = machineOf(a);
  const labels = labelsIn(a, "classlabels_ints", "classlabels_strings");
  const perClass = a.ints("vectors_per_class") ?? [];
  const total = perClass.reduce((p, q) => p + q, 0);
  const rows = total > 0 ? total : labels.numel;
  const flat = total > 0 ? machine.vectors : machine.coefficients;
  return {
    ...machine, labels, perClass, total, kernel: total > 0 ? machine.kernel : ("LINEAR" as const), vectors: doubles(flat, [rows, flat.length / rows]),
    probA: a.floats("prob_a") ?? [], probB: a.floats("prob_b") ?? [],
  };
});
type ClassMachine = ReturnType<typeof classMachine>;

/** Scores of the pairs of classes, and each class's votes, of one row of kernels. */
function duels(m: ClassMachine, kernels: ArrayLike<number>, at: number): { readonly scores: number[]; readonly votes: number[] } {
  const starts = m.perClass.map((_, i) => m.perClass.slice(0, i).reduce((p, q) => p + q, 0));
  const votes = m.perClass.map(() => 0);
  const scores: number[] = [];
  const part = (row: number, of: number): number => {
    let sum = 0;
    for (let k = 0; k < (m.perClass[of] ?? 0); k++) {
      const v = (starts[of] ?? 0) + k;
      sum += (m.coefficients[row * m.total + v] ?? 0) * (kernels[at + v] ?? 0);
    }
    return sum;
  };
  for (let i = 0; i < votes.length; i++) {
    for (let j = i + 1; j < votes.length; j++) {
      const score = (m.rho[scores.length] ?? 0) + part(j - 1, i) + part(i, j);
      const winner = score > 0 ? i : j;
      votes[winner] = (votes[winner] ?? 0) + 1;
      scores.push(score);
    }
  }
  return { scores, votes };
}

const TINY = 1e-7;
/** Class probabilities that agree best with those of the pairs (Wu, Lin and Weng's second method, as libsvm iterates it). */
function coupled(count: number, pair: (i: number, j: number) => number): number[] {
  const range = Array.from({ length: count }, (_, i) => i);
  const q = range.map((t) => range.map((j) => (t === j ? range.reduce((s, i) => (i === t ? s : s + pair(i, t) ** 2), 0) : -pair(j, t) * pair(t, j))));
  const p = range.map(() => 1 / count);
  const rounds = Math.max(100, count);
  for (let round = 0; round < rounds; round++) {
    const qp = range.map((t) => range.reduce((s, j) => s + (q[t]?.[j] ?? 0) * (p[j] ?? 0), 0));
    let pqp = range.reduce((s, t) => s + (p[t] ?? 0) * (qp[t] ?? 0), 0);
    if (qp.every((v) => Math.abs(v - pqp) < 0.005 / count)) break;
    for (const t of range) {
      const own = q[t]?.[t] ?? 1;
      const step = (pqp - (qp[t] ?? 0)) / own;
      p[t] = (p[t] ?? 0) + step;
      pqp = (pqp + step * (step * own + 2 * (qp[t] ?? 0))) / (1 + step) ** 2;
      for (const j of range) {
        qp[j] = ((qp[j] ?? 0) + step * (q[t]?.[j] ?? 0)) / (1 + step);
        p[j] = (p[j] ?? 0) / (1 + step);
      }
    }
  }
  return p;
}

function probabilities(m: ClassMachine, scores: readonly number[]): number[] {
  const count = m.perClass.length;
  const chances = scores.map((s, k) => Math.min(Math.max(1 / (1 + Math.exp(s * (m.probA[k] ?? 0) + (m.probB[k] ?? 0))), TINY), 1 - TINY));
  const at = (i: number, j: number): number => (i * (2 * count - i - 1)) / 2 + (j - i - 1);
  return coupled(count, (i, j) => (i < j ? (chances[at(i, j)] ?? 0) : 1 - (chances[at(j, i)] ?? 0)));
}

const doublesOf = (view: View | undefined): Float64Array => {
  const array = view?.storage.array("f64");
  return array instanceof Float64Array ? array.subarray(view?.offset ?? 0) : new Float64Array();
};

/** Votes and pair scores are walked row by row, so they are the host's. */
function svmClassifier(ctx: Context, call: OnnxCall): Tensor[] {
  const x = rowsOf(ctx, tensorAt(call, 0));
  const m = classMachine(call);
  const transform = transformOf(call.attributes.string("post_transform", "NONE"));
  const kernels = kernelMatrix(ctx, x, m.vectors, m.kernel, m.params);
  const n = x.shape[0] ?? 0;
  if (m.total === 0) {
    const scores = mapOf(ctx, "svm_linear", [kernels], "float32", (v, rho) => v.add(rho), [m.rho[0] ?? 0]);
    return finished(ctx, m, scores, undefined, transform);
  }
  const classes = m.perClass.length;
  const likely = m.probA.length > 0;
  const scores = empty(ctx, [n, likely ? classes : (classes * (classes - 1)) / 2], "float64");
  const winners = empty(ctx, [n], "float64");
  onHost(ctx, "svm_duels", [kernels], [scores, winners], ([from], [to, best]) => {
    const [k, out, first] = [doublesOf(from), doublesOf(to), doublesOf(best)];
    for (let row = 0; row < n; row++) {
      const duel = duels(m, k, row * m.total);
      const values = likely ? probabilities(m, duel.scores) : duel.scores;
      values.forEach((v, i) => (out[row * values.length + i] = v));
      first[row] = duel.votes.indexOf(Math.max(...duel.votes));
    }
  });
  return finished(ctx, m, castTo(ctx, scores, "float32"), castTo(ctx, winners, "int64"), transform);
}

/** Labels and scores; the one score of two classes becomes a pair. */
function finished(ctx: Context, m: ClassMachine, scores: Tensor, winners: Tensor | undefined, transform: ReturnType<typeof transformOf>): Tensor[] {
  const labels = winners === undefined ? bestLabel(ctx, m.labels, scores) : labelled(ctx, m.labels, winners);
  if (scores.shape[1] !== 1 || m.labels.numel !== 2) return [labels, transformed(ctx, scores, transform)];
  return [labels, transformedPair(ctx, scores, transform === "NONE" ? "opposite" : "complement", transform)];
}

export const linearOps: readonly OnnxOp[] = [
  onnxOp("ai.onnx.ml::LinearRegressor", { 1: { run: regressor } }),
  onnxOp("ai.onnx.ml::LinearClassifier", { 1: { run: classifier } }),
  onnxOp("ai.onnx.ml::SVMRegressor", { 1: { run: svmRegressor } }),
  onnxOp("ai.onnx.ml::SVMClassifier", { 1: { run: svmClassifier } }),
];
