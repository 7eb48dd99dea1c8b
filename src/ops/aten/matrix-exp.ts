/**
 * The matrix exponential (PyTorch: matrix_exp) as PyTorch computes it: a Taylor polynomial whose degree the 1-norm decides, of a scaled matrix
 * that is squared again where the norm is large (Bader, Blanes and Casas, Computing the Matrix Exponential with an Optimized Taylor Polynomial
 * Approximation, 2019).
 */

import { copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { expanded, narrowed, reshaped, selected } from "../../prims/views.ts";
import { dtypeInfo, realOf } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { contiguousStrides } from "../../tensor/shape.ts";
import { Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { apply, elementwise } from "../elementwise.ts";
import { filled } from "./filling.ts";
import { cat } from "./joins.ts";
import { checkFloat, checkSquare, identityOf } from "./linalg-call.ts";
import { matmul } from "./products.ts";
import { extremum, sum } from "./reduction.ts";

const exponential = elementwise("exp", (x) => x.exp());
const magnitude = elementwise("abs", (x) => x.abs(), { promotion: "real" });
const plus = elementwise("add", (x, y) => x.add(y));
const times = elementwise("mul", (x, y) => x.mul(y));
const over = elementwise("div", (x, y) => x.div(y));
const binaryExponent = elementwise("log2", (x) => x.log2());
const upwards = elementwise("ceil", (x) => x.ceil());

/** The largest norms of degrees 1, 2, 4, 8 and 12, and what degree 18 scales to. */
const SINGLE: readonly number[] = [
  1.192092800768788e-7, 5.978858893805233e-4, 5.116619363445086e-2, 5.800524627688768e-1, 1.461661507209034, 3.010066362817634,
];
const DOUBLE: readonly number[] = [
  2.220446049250313e-16, 2.580956802971767e-8, 3.397168839976962e-4, 4.991228871115323e-2, 2.99615891381158e-1, 1.090863719290036,
];

const ROOT = 13.30413469565007;
const X3 = 2 / 3;
/** Coefficients of the combinations that each degree is made of. */
const DEGREE_4 = [
  [1 / 2, 1 / 6, 1 / 24],
  [1, 1, 0, 1],
] as const;
const Y2 = (857 - 58 * ROOT) / 630;
const DEGREE_8 = [
  [(X3 * (1 + ROOT)) / 88, (X3 * (1 + ROOT)) / 352],
  [X3, 1],
  [(-271 + 29 * ROOT) / (315 * X3), (-11 + 11 * ROOT) / (1260 * X3), (-99 + 11 * ROOT) / (5040 * X3), (89 - ROOT) / (5040 * X3)],
  [1, 1, Y2, 0, 1],
] as const;
const DEGREE_12 = [
  9.0198e-16, 0.4693211759541824, -0.20099424927047284, -0.046239461340630717, 5.315978957598713, 1.1992679041713223, 0.01179296240992997, 0.01108844528519168,
  0.18188869982170435, 0.05502798439925399, 0.09351590770535415, 0.006107005288980582, -2.086132e-13, -0.13181061013830184, -0.02027855540589259,
  -0.006759518468630863,
] as const;
const DEGREE_18 = [
  0, -0.10036558103014462, -0.00802924648241157, -0.00089213849804573, 0, 0, 0.3978497494996451, 1.3678377846041172, 0.49828962252538267,
  -0.0006378981945947233, -10.967639605296206, 1.680158138789062, 0.05717798464788655, -0.0069821012248805205, 0.000033497501708607047, -0.09043168323908106,
  -0.06764045190713819, 0.06759613017704597, 0.02955525704293155, -0.000013918025751606068, 0, 0, -0.09233646193671186, -0.016936493900208172,
  -0.000014008679818203609,
] as const;

const isSingle = (t: Tensor): boolean => realOf(t.dtype) === "float32";

/**
 * Coefficients in memory as PyTorch has them: single precision for float32, else double. The matrices' real dtype is what reads that memory, so
 * half types see parts of doubles, and PyTorch 2.13's exponentials of them beyond degree 2 are what comes of that.
 */
function coefficients(a: Tensor, values: readonly number[]): Tensor {
  const numbers = isSingle(a) ? new Float32Array(values) : new Float64Array(values);
  return new Tensor(Storage.wrap(new Uint8Array(numbers.buffer), false), realOf(a.dtype), [values.length], [1], 0);
}

/** `sum c_k M_k`, each product and sum rounded. */
function combined(ctx: Context, matrices: readonly Tensor[], factors: Tensor): Tensor {
  const terms = matrices.map((m, k) => apply(ctx, times, [m, selected(factors, 0, k)]));
  return terms.slice(1).reduce((total, term) => apply(ctx, plus, [total, term]), terms[0] ?? unreachable("term"));
}

/** Combinations of the same matrices with rows of a square table. */
function rows(ctx: Context, matrices: readonly Tensor[], table: readonly number[]): Tensor[] {
  const factors = coefficients(matrices[0] ?? unreachable("matrix"), table);
  const n = matrices.length;
  return matrices.map((_, i) => combined(ctx, matrices, narrowed(factors, 0, i * n, n)));
}

type Series = (ctx: Context, a: Tensor, one: Tensor) => Tensor;

const firstOrder: Series = (ctx, a, one) => apply(ctx, plus, [one, a]);
const secondOrder: Series = (ctx, a, one) => {
  const half = apply(ctx, over, [matmul(ctx, a, a), { kind: "float", value: 2 }]);
  return sumOf(ctx, [one, a, half]);
};
/** A sum that is rounded once. */
function sumOf(ctx: Context, terms: readonly Tensor[]): Tensor {
  return sum(
    ctx,
    cat(
      ctx,
      terms.map((t) => reshaped(ctx, t, [1, ...t.shape])),
      0,
    ),
    [0],
  );
}
const fourthOrder: Series = (ctx, a, one) => {
  const square = matmul(ctx, a, a);
  const top = matmul(ctx, square, combined(ctx, [one, a, square], coefficients(a, DEGREE_4[0])));
  return combined(ctx, [one, a, square, top], coefficients(a, DEGREE_4[1]));
};
const eighthOrder: Series = (ctx, a, one) => {
  const square = matmul(ctx, a, a);
  const fourth = matmul(ctx, square, combined(ctx, [a, square], coefficients(a, DEGREE_8[0])));
  const eighth = matmul(
    ctx,
    combined(ctx, [square, fourth], coefficients(a, DEGREE_8[1])),
    combined(ctx, [one, a, square, fourth], coefficients(a, DEGREE_8[2])),
  );
  return combined(ctx, [one, a, square, fourth, eighth], coefficients(a, DEGREE_8[3]));
};
const twelfthOrder: Series = (ctx, a, one) => {
  const square = matmul(ctx, a, a);
  const [b0 = a, b1 = a, b2 = a, b3 = a] = rows(ctx, [one, a, square, matmul(ctx, a, square)], DEGREE_12);
  const sixth = apply(ctx, plus, [b2, matmul(ctx, b3, b3)]);
  return apply(ctx, plus, [b0, matmul(ctx, apply(ctx, plus, [b1, sixth]), sixth)]);
};
const eighteenthOrder: Series = (ctx, a, one) => {
  const square = matmul(ctx, a, a);
  const cube = matmul(ctx, a, square);
  const [b0 = a, b1 = a, b2 = a, b3 = a, b4 = a] = rows(ctx, [one, a, square, cube, matmul(ctx, cube, cube)], DEGREE_18);
  const ninth = apply(ctx, plus, [b3, matmul(ctx, b0, b4)]);
  return apply(ctx, plus, [b1, matmul(ctx, apply(ctx, plus, [b2, ninth]), ninth)]);
};
const SERIES: readonly Series[] = [firstOrder, secondOrder, fourthOrder, eighthOrder, twelfthOrder];

/** Exponentials of a group of matrices `[G, n, n]` of like norm; `squarings` is undefined where no scaling is asked for. */
function ofGroup(ctx: Context, a: Tensor, degree: number, squarings: number): Tensor {
  const one = expanded(identityOf(ctx, a.shape[1] ?? 0, a.dtype), a.shape);
  const series = SERIES[degree];
  if (series !== undefined) return series(ctx, a, one);
  let out = eighteenthOrder(ctx, apply(ctx, over, [a, { kind: "float", value: 2 ** squarings }]), one);
  for (let i = 0; i < squarings; i++) out = matmul(ctx, out, out);
  return out;
}

/** `e^A` of each matrix of `[..., n, n]`; the norms are read. NaN where a norm is not finite. */
export function* matrixExp(ctx: Context, self: Tensor): Generator<Tensor, Tensor, void> {
  checkSquare(self, "linalg.matrix_exp");
  const kind = dtypeInfo(self.dtype).class;
  if (kind !== "float" && kind !== "complex") checkFloat(self, "linalg.matrix_exp"); // half types are welcome here
  const n = self.shape[self.rank - 1] ?? 0;
  if (self.numel === 0) return empty(ctx, self.shape, self.dtype);
  if (n === 1) return apply(ctx, exponential, [self]);
  const count = self.numel / (n * n);
  const all = reshaped(ctx, copyOf(ctx, self), [count, n, n]);
  const norms = extremum(ctx, sum(ctx, apply(ctx, magnitude, [all]), [-2]), [-1], false, true);
  const limits = isSingle(self) ? SINGLE : DOUBLE;
  const steps = apply(ctx, upwards, [apply(ctx, binaryExponent, [apply(ctx, over, [norms, { kind: "float", value: limits[5] ?? 1 }])])]);
  yield norms;
  yield steps;
  const groups = new Map<string, { readonly degree: number; readonly squarings: number; readonly members: number[] }>();
  for (let i = 0; i < count; i++) {
    const norm = Number(selected(norms, 0, i).item());
    const finite = Number.isFinite(norm);
    const lower = limits.slice(0, 5).findIndex((limit, k) => (k === 4 ? norm < limit : norm <= limit));
    const degree = lower < 0 ? 5 : lower;
    const squarings = degree === 5 && finite ? Math.max(0, Number(selected(steps, 0, i).item())) : 0;
    const key = finite ? `${degree} ${squarings}` : "none";
    const group = groups.get(key) ?? { degree: finite ? degree : -1, squarings, members: [] };
    group.members.push(i);
    groups.set(key, group);
  }
  const results = new Array<Tensor>(count);
  for (const { degree, squarings, members } of groups.values()) {
    const some =
      members.length === count
        ? all
        : cat(
            ctx,
            members.map((i) => narrowed(all, 0, i, 1)),
            0,
          );
    const done = degree < 0 ? filled(ctx, some.shape, self.dtype, { kind: "float", value: NaN }) : ofGroup(ctx, some, degree, squarings);
    if (members.length === count) return ordered(ctx, done, self);
    members.forEach((i, k) => (results[i] = narrowed(done, 0, k, 1)));
  }
  return ordered(ctx, cat(ctx, results, 0), self);
}

function ordered(ctx: Context, matrices: Tensor, like: Tensor): Tensor {
  const out = copyOf(ctx, matrices);
  out.shape = [...like.shape];
  out.strides = contiguousStrides(like.shape);
  return out;
}
