/** Products of linear algebra (PyTorch: matrix_power, matrix_exp, multi_dot, cross, vecdot, vander). */

import { cast_, copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { conjugated, expanded, reshaped, shapeView, unsqueezed } from "../../prims/views.ts";
import { type DType, dtypeInfo, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { broadcastShapes, wrapDim } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { resultType } from "../promotion.ts";
import { cumulate } from "./cumulative.ts";
import { filled } from "./filling.ts";
import { cat } from "./joins.ts";
import { checkFloat, checkSquare, identityOf } from "./linalg-call.ts";
import { checkedInverse } from "./linalg-solve.ts";
import { matrixExp } from "./matrix-exp.ts";
import { dot, matmul, mm } from "./products.ts";
import { roll } from "./rearrange.ts";
import { sum } from "./reduction.ts";

function* matrixPower(ctx: Context, self: Tensor, n: number): Generator<Tensor, Tensor, void> {
  checkSquare(self, "linalg.matrix_power");
  if (n === 0) return copyOf(ctx, expanded(identityOf(ctx, self.shape[self.rank - 1] ?? 0, self.dtype), self.shape));
  let power = n < 0 ? yield* checkedInverse(ctx, self) : self;
  let result: Tensor | undefined;
  for (let left = Math.abs(n); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = result === undefined ? power : matmul(ctx, result, power);
    if (left > 1) power = matmul(ctx, power, power);
  }
  return result === self ? copyOf(ctx, self) : (result ?? self);
}

/** The product of a chain of matrices in the cheapest order; the first and last may be vectors. */
function multiDot(ctx: Context, tensors: readonly Tensor[]): Tensor {
  const [first, last] = [tensors[0], tensors[tensors.length - 1]];
  if (first === undefined || last === undefined || tensors.length < 2) throw new OpwiseError("bad-argument", "multi_dot(): expected at least 2 tensors but got " + tensors.length);
  tensors.forEach((t, i) => {
    const ends = i === 0 || i === tensors.length - 1;
    if (t.rank !== 2 && !(ends && t.rank === 1)) throw new OpwiseError("shape-mismatch", ends ? `multi_dot(): the ${i === 0 ? "first" : "last"} tensor must be 1D or 2D but got ${t.rank}D` : `multi_dot(): tensor ${i} must be 2D but got ${t.rank}D`);
    if (t.dtype !== first.dtype) throw new OpwiseError("dtype-mismatch", `multi_dot(): all tensors must have be the same dtype but tensor 0 is ${scalarName(first.dtype)} and tensor ${i} ${scalarName(t.dtype)}`);
  });
  const chain = tensors.map((t, i) => (t.rank === 2 ? t : i === 0 ? unsqueezed(t, 0) : unsqueezed(t, 1)));
  const shape = [...(first.rank === 2 ? [first.shape[0] ?? 0] : []), ...(last.rank === 2 ? [last.shape[1] ?? 0] : [])];
  const product = chainProduct(ctx, chain);
  return shapeView(product, shape) ?? reshaped(ctx, product, shape);
}

/** Matrix chain order by dynamic programming over the sizes, then the products. */
function chainProduct(ctx: Context, chain: readonly Tensor[]): Tensor {
  const n = chain.length;
  const sizes = [chain[0]?.shape[0] ?? 0, ...chain.map((t) => t.shape[1] ?? 0)];
  const size = (i: number): number => sizes[i] ?? 0;
  const cost = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  const split = Array.from({ length: n }, () => new Array<number>(n).fill(0));
  for (let span = 1; span < n; span++) {
    for (let i = 0; i + span < n; i++) {
      const j = i + span;
      let best = Infinity;
      for (let k = i; k < j; k++) {
        const total = (cost[i]?.[k] ?? 0) + (cost[k + 1]?.[j] ?? 0) + size(i) * size(k + 1) * size(j + 1);
        if (total < best) {
          best = total;
          (split[i] ?? [])[j] = k;
        }
      }
      (cost[i] ?? [])[j] = best;
    }
  }
  const product = (i: number, j: number): Tensor => {
    const k = split[i]?.[j] ?? i;
    return i === j ? (chain[i] ?? unreachable("chain")) : mm(ctx, product(i, k), product(k + 1, j));
  };
  return product(0, n - 1);
}

const times = elementwise("mul", (x, y) => x.mul(y));
const minus = elementwise("sub", (x, y) => x.sub(y));

/** The vector product along an axis of three; products and their differences are rounded, as PyTorch's kernel has them. */
function cross(ctx: Context, a: Tensor, b: Tensor, dim: number): Tensor {
  if (a.rank !== b.rank) throw new OpwiseError("shape-mismatch", `linalg.cross: inputs must have the same number of dimensions.`);
  const axis = wrapDim(dim, a.rank);
  if (a.shape[axis] !== 3 || b.shape[axis] !== 3) throw new OpwiseError("shape-mismatch", `linalg.cross: inputs dimension ${dim} must have length 3. Got ${a.shape[axis]} and ${b.shape[axis]}`);
  const shape = broadcastShapes(a.shape, b.shape);
  const dtype = resultType([a, b], ctx.defaultDtype);
  const [x, y] = [cast_(ctx, expanded(a, shape), dtype), cast_(ctx, expanded(b, shape), dtype)];
  const turned = (t: Tensor, by: number): Tensor => roll(ctx, t, [-by], [axis]);
  const value = apply(ctx, minus, [apply(ctx, times, [turned(x, 1), turned(y, 2)]), apply(ctx, times, [turned(x, 2), turned(y, 1)])]);
  return value.isContiguous ? value : copyOf(ctx, value);
}
function legacyCross(ctx: Context, a: Tensor, b: Tensor, dim: number | null): Tensor {
  if (dim !== null) return cross(ctx, a, b, dim);
  const axis = broadcastShapes(a.shape, b.shape).indexOf(3);
  if (axis < 0) throw new OpwiseError("shape-mismatch", "no dimension of size 3 in input");
  return cross(ctx, a, b, axis);
}

/** `x^H y`: of vectors one sum of products, else rounded products and their sum. */
function vecdot(ctx: Context, x: Tensor, y: Tensor, dim: number): Tensor {
  for (const t of [x, y]) {
    const kind = dtypeInfo(t.dtype).class;
    if (kind !== "float" && kind !== "complex") checkFloat(t, "linalg.vecdot");
  }
  if (x.dtype !== y.dtype) throw new OpwiseError("dtype-mismatch", `linalg.vecdot: Expected x and y to have the same dtype, but found x of type ${scalarName(x.dtype)} and y of type ${scalarName(y.dtype)} instead`);
  wrapDim(dim, Math.max(x.rank, y.rank));
  if (x.rank === 1 && y.rank === 1 && x.numel === y.numel) return dot(ctx, conjugated(x), y);
  return sum(ctx, apply(ctx, times, [conjugated(x), y]), [dim]);
}

/** Powers 0 to n - 1 of each element, as running products. */
function vander(ctx: Context, self: Tensor, n: number | null): Tensor {
  const x = self.rank === 0 ? unsqueezed(self, 0) : self;
  const count = n ?? x.shape[x.rank - 1] ?? 0;
  if (count <= 1) throw new OpwiseError("bad-argument", "N must be greater than 1.");
  const kind = dtypeInfo(x.dtype).class;
  const dtype: DType = kind === "int" || kind === "bool" ? "int64" : x.dtype;
  const wide = expanded(unsqueezed(x, -1), [...x.shape, count - 1]);
  return cat(ctx, [filled(ctx, [...x.shape, 1], dtype, { kind: "int", value: 1 }), cumulate(ctx, wide, -1, dtype, true)], -1);
}

export const linalgProducts: readonly Op[] = [
  op("aten::linalg_matrix_power(Tensor self, int n) -> Tensor", { reads: matrixPower }),
  op("aten::matrix_power(Tensor self, int n) -> Tensor", { reads: matrixPower }),
  op("aten::linalg_matrix_exp(Tensor self) -> Tensor", { reads: matrixExp }),
  op("aten::matrix_exp(Tensor self) -> Tensor", { reads: matrixExp }),
  op("aten::linalg_multi_dot(Tensor[] tensors) -> Tensor", { run: multiDot }),
  op("aten::chain_matmul(Tensor[] matrices) -> Tensor", { run: (ctx, tensors) => (tensors.length === 1 ? (tensors[0] ?? empty(ctx, [0], ctx.defaultDtype)) : multiDot(ctx, tensors)) }),
  op("aten::linalg_cross(Tensor self, Tensor other, *, int dim=-1) -> Tensor", { run: cross }),
  op("aten::cross(Tensor self, Tensor other, int? dim=None) -> Tensor", { run: legacyCross }),
  op("aten::linalg_vecdot(Tensor x, Tensor y, *, int dim=-1) -> Tensor", { run: vecdot }),
  op("aten::linalg_vander(Tensor x, *, SymInt? N=None) -> Tensor", { run: vander }),
];
