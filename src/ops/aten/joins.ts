/** Joins: several tensors into one (PyTorch: cat, stack and their kin), broadcasting lists, products of sets. */

import { checkOverlap, copyInto, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { expanded, narrowed, reshaped, sliced, unsqueezed } from "../../prims/views.ts";
import { canCast, type DType, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes, channelsLastStrides, contiguousStrides, isContiguous, numelOf, sameShape, type Shape, wrapDim } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { resultType } from "../promotion.ts";
import { writeOut } from "../registry.ts";
import { combinationPositions } from "./combinations.ts";
import { viewOp } from "./views.ts";
import { alignedCodes, coded } from "../quantized/codes.ts";

const product = elementwise("kron", (x, y) => x.mul(y));

/** Legacy: a 1-d tensor without elements is ignored by `cat`. */
const isNothing = (t: Tensor): boolean => t.rank === 1 && t.shape[0] === 0;

/** Whether a rank 4 or 5 tensor lies with its channels last. */
export function isChannelsLast(t: Tensor): boolean {
  return (t.rank === 4 || t.rank === 5) && !isContiguous(t.shape, t.strides) && sameShape(t.strides, channelsLastStrides(t.shape));
}

/**
 * Tensors one after another along `dim`, in their common dtype. Backends may claim it as the region `cat`.
 * @throws bad-argument, shape-mismatch
 */
export function cat(ctx: Context, tensors: readonly Tensor[], dim: number, dtype?: DType): Tensor {
  if (tensors.length === 0) throw new OpwiseError("bad-argument", "torch.cat(): expected a non-empty list of Tensors");
  tensors.forEach((t, i) => {
    if (t.rank === 0) throw new OpwiseError("bad-argument", `zero-dimensional tensor (at position ${i}) cannot be concatenated`);
  });
  const first = tensors.find((t) => !isNothing(t)) ?? tensors[0];
  if (first === undefined) throw new OpwiseError("bad-argument", "torch.cat(): expected a non-empty list of Tensors");
  if (first.quantizer !== undefined) {
    const aligned = alignedCodes(ctx, tensors, null, null);
    return coded(cat(ctx, aligned.codes, dim), aligned.dtype, aligned.quantizer);
  }
  const common = dtype ?? (tensors.every((t) => t.dtype === first.dtype) ? first.dtype : resultType(tensors, ctx.defaultDtype));
  const axis = wrapDim(dim, first.rank);
  const shape = [...first.shape];
  let length = 0;
  tensors.forEach((t, i) => {
    if (isNothing(t) && t !== first) return;
    if (t.rank !== first.rank) throw new OpwiseError("shape-mismatch", `Tensors must have same number of dimensions: got ${first.rank} and ${t.rank}`);
    t.shape.forEach((s, d) => {
      if (d !== axis && s !== shape[d]) {
        throw new OpwiseError("shape-mismatch", `Sizes of tensors must match except in dimension ${axis}. Expected size ${shape[d]} but got size ${s} for tensor number ${i} in the list.`);
      }
    });
    length += t.shape[axis] ?? 0;
  });
  shape[axis] = length;
  const strides = tensors.every(isChannelsLast) ? channelsLastStrides(shape) : contiguousStrides(shape);
  const out = empty(ctx, shape, common, strides);
  const pieces = tensors.filter((t) => t.numel > 0);
  ctx.region({ kind: "region", name: "cat", operands: pieces, results: [out], params: { axis } }, () => {
    let at = 0;
    for (const t of pieces) {
      const size = t.shape[axis] ?? 0;
      const slot = sliced(out, axis, at, at + size, 1);
      at += size;
      copyInto(ctx, slot, t);
    }
  });
  return out;
}

/** Tensors of one shape along a new axis `dim`. */
export function stack(ctx: Context, tensors: readonly Tensor[], dim: number): Tensor {
  const first = tensors[0];
  if (first === undefined) throw new OpwiseError("bad-argument", "stack expects a non-empty TensorList");
  tensors.forEach((t, i) => {
    if (!sameShape(t.shape, first.shape)) {
      throw new OpwiseError("shape-mismatch", `stack expects each tensor to be equal size, but got [${first.shape.join(", ")}] at entry 0 and [${t.shape.join(", ")}] at entry ${i}`);
    }
  });
  const axis = wrapDim(dim, first.rank + 1);
  const common = resultType(tensors, ctx.defaultDtype);
  return cat(ctx, tensors.map((t) => unsqueezed(t, axis)), axis, common);
}

export function atLeast(ctx: Context, t: Tensor, rank: 1 | 2 | 3): Tensor {
  if (t.rank >= rank) return t;
  if (t.rank === 0) return reshaped(ctx, t, new Array<number>(rank).fill(1));
  if (rank === 2) return unsqueezed(t, 0);
  return t.rank === 1 ? unsqueezed(unsqueezed(t, 0), 2) : unsqueezed(t, 2);
}

function hstack(ctx: Context, tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new OpwiseError("bad-argument", "hstack expects a non-empty TensorList");
  const list = tensors.map((t) => atLeast(ctx, t, 1));
  return cat(ctx, list, list[0]?.rank === 1 ? 0 : 1);
}
function vstack(ctx: Context, tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new OpwiseError("bad-argument", "vstack expects a non-empty TensorList");
  return cat(ctx, tensors.map((t) => atLeast(ctx, t, 2)), 0);
}
function dstack(ctx: Context, tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new OpwiseError("bad-argument", "dstack expects a non-empty TensorList");
  return cat(ctx, tensors.map((t) => atLeast(ctx, t, 3)), 2);
}
function columnStack(ctx: Context, tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 0) throw new OpwiseError("bad-argument", "column_stack expects a non-empty TensorList");
  return hstack(ctx, tensors.map((t) => (t.rank <= 1 ? reshaped(ctx, t, [t.numel, 1]) : t)));
}

/** Matrices down the diagonal of a matrix of zeros. */
function blockDiag(ctx: Context, tensors: readonly Tensor[]): Tensor {
  const blocks = tensors.map((t, i) => {
    if (t.rank > 2) throw new OpwiseError("bad-argument", `torch.block_diag: Input tensors must have 2 or fewer dimensions. Input ${i} has ${t.rank} dimensions`);
    return t.rank === 2 ? t : expanded(t, [1, t.rank === 0 ? 1 : (t.shape[0] ?? 1)]);
  });
  if (blocks.length === 0) return empty(ctx, [1, 0], ctx.defaultDtype);
  const sum = (axis: number): number => blocks.reduce((n, t) => n + (t.shape[axis] ?? 0), 0);
  const out = empty(ctx, [sum(0), sum(1)], resultType(tensors, ctx.defaultDtype));
  let [row, col] = [0, 0];
  for (const t of blocks) {
    const [h = 0, w = 0] = t.shape;
    if (t.numel > 0) copyInto(ctx, narrowed(narrowed(out, 0, row, h), 1, col, w), t);
    row += h;
    col += w;
  }
  return out;
}

/** Each tensor cut along `dim` into `count` chunks (zeros fill the last), chunks of a number side by side. */
function chunkCat(ctx: Context, tensors: readonly Tensor[], dim: number, count: number): Tensor {
  const first = tensors[0];
  if (first === undefined) throw new OpwiseError("bad-argument", "_chunk_cat expects a non-empty input tensor list");
  if (!(count > 0)) throw new OpwiseError("bad-argument", "_chunk_cat expects positive num_chunks");
  const axis = wrapDim(dim, first.rank);
  const lead = first.shape.slice(0, axis);
  for (const t of tensors) {
    if (t.numel === 0) throw new OpwiseError("bad-argument", "_chunk_cat expects non-empty tensor");
    if (t.dtype !== first.dtype) throw new OpwiseError("dtype-mismatch", "_chunk_cat expects all input tensors with the same dtype");
    if (!sameShape(t.shape.slice(0, axis), lead)) throw new OpwiseError("shape-mismatch", "_chunk_cat expects same sizes of 0,...,dim-1 dimensions for all tensors");
  }
  const rows = tensors.map((t) => {
    const length = t.shape[axis] ?? 0;
    const size = Math.ceil(length / count);
    let full = t;
    if (size * count !== length) {
      full = empty(ctx, t.shape.map((s, i) => (i === axis ? size * count : s)), t.dtype);
      copyInto(ctx, narrowed(full, axis, 0, length), t);
    }
    return reshaped(ctx, full, [...lead, count, numelOf(full.shape.slice(axis)) / count]);
  });
  return cat(ctx, rows, axis + 1);
}

/** Kronecker product: sizes multiply axis by axis. */
function kron(ctx: Context, self: Tensor, other: Tensor): Tensor {
  const rank = Math.max(self.rank, other.rank);
  const padded = (t: Tensor): Tensor => reshaped(ctx, t, [...new Array<number>(rank - t.rank).fill(1), ...t.shape]);
  const [a, b] = [padded(self), padded(other)];
  const left = reshaped(ctx, a, a.shape.flatMap((s) => [s, 1]));
  const right = reshaped(ctx, b, b.shape.flatMap((s) => [1, s]));
  return reshaped(ctx, apply(ctx, product, [left, right]), a.shape.map((s, i) => s * (b.shape[i] ?? 1)));
}

function meshgrid(ctx: Context, tensors: readonly Tensor[], indexing: string): Tensor[] {
  if (tensors.length === 0) throw new OpwiseError("bad-argument", "meshgrid expects a non-empty TensorList");
  const first = tensors[0];
  for (const t of tensors) {
    if (t.rank > 1) throw new OpwiseError("bad-argument", `torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: [${t.shape.join(", ")}]`);
    if (t.dtype !== first?.dtype) throw new OpwiseError("dtype-mismatch", "torch.meshgrid expects all tensors to have the same dtype");
  }
  const swaps = indexing === "xy" && tensors.length >= 2;
  if (indexing !== "xy" && indexing !== "ij") throw new OpwiseError("bad-argument", `torch.meshgrid: indexing must be one of "xy" or "ij", but received: ${indexing}`);
  const list = swaps ? [tensors[1], tensors[0], ...tensors.slice(2)].filter((t): t is Tensor => t !== undefined) : tensors;
  const shape = list.map((t) => t.numel);
  const grids = list.map((t, i) => {
    const line = reshaped(ctx, t, shape.map((s, d) => (d === i ? s : 1)));
    return expanded(line, shape);
  });
  const [rows, columns, ...others] = grids;
  return swaps && rows !== undefined && columns !== undefined ? [columns, rows, ...others] : grids;
}

function cartesianProd(ctx: Context, tensors: readonly Tensor[]): Tensor {
  for (const t of tensors) {
    if (t.rank !== 1) throw new OpwiseError("bad-argument", "Expect a 1D vector, but got shape [" + t.shape.join(", ") + "]");
  }
  const only = tensors[0];
  if (only !== undefined && tensors.length === 1) return only;
  return stack(ctx, meshgrid(ctx, tensors, "ij").map((g) => reshaped(ctx, g, [g.numel])), 1);
}

/** All `r`-subsets of a vector as rows; the positions depend on its length alone. */
function combinations(ctx: Context, self: Tensor, r: number, withReplacement: boolean): Tensor {
  if (self.rank !== 1) throw new OpwiseError("bad-argument", `Expect a 1D vector, but got shape [${self.shape.join(", ")}]`);
  if (r < 0) throw new OpwiseError("bad-argument", `Expect a non-negative number, but got ${r}`);
  if (r === 0) return empty(ctx, [0], self.dtype);
  return combinationPositions(ctx, self, r, withReplacement);
}

export function broadcastAll(tensors: readonly Tensor[]): Tensor[] {
  let shape: Shape = [];
  for (const t of tensors) shape = broadcastShapes(shape, t.shape);
  return tensors.map((t) => expanded(t, shape));
}

function repeat(ctx: Context, self: Tensor, repeats: readonly number[]): Tensor {
  if (repeats.length < self.rank) {
    throw new OpwiseError("bad-argument", `Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor`);
  }
  const own = [...new Array<number>(repeats.length - self.rank).fill(1), ...self.shape];
  const shape = own.map((s, i) => s * (repeats[i] ?? 1));
  const out = empty(ctx, shape, self.dtype);
  out.quantizer = self.quantizer;
  if (out.numel === 0) return out;
  // One copy: the result seen as [repeats, size] per axis, the source broadcast over the repeats.
  const pairs = own.flatMap((s, i) => [repeats[i] ?? 1, s]);
  copyInto(ctx, reshaped(ctx, out, pairs), reshaped(ctx, self, own.flatMap((s) => [1, s])));
  return out;
}

export const joins: readonly Op[] = [
  viewOp("aten::cat(Tensor[] tensors, int dim=0) -> Tensor", (ctx, tensors, dim) => cat(ctx, tensors, dim)),
  viewOp("aten::concat(Tensor[] tensors, int dim=0) -> Tensor", (ctx, tensors, dim) => cat(ctx, tensors, dim)),
  viewOp("aten::concatenate(Tensor[] tensors, int dim=0) -> Tensor", (ctx, tensors, dim) => cat(ctx, tensors, dim)),
  ...(["cat", "concat", "concatenate", "stack"] as const).map((name) =>
    op(`aten::${name}.out(Tensor[] tensors, int dim=0, *, Tensor(a!) out) -> Tensor(a!)`, {
      run: (ctx: Context, tensors: readonly Tensor[], dim: number, out: Tensor) => {
        const value = name === "stack" ? stack(ctx, tensors, dim) : cat(ctx, tensors, dim);
        if (!canCast(value.dtype, out.dtype)) throw new OpwiseError("dtype-mismatch", `torch.cat(): input types can't be cast to the desired output type ${scalarName(out.dtype)}`);
        checkOverlap(out, tensors, false);
        writeOut(ctx, out, value);
        return out;
      },
    }),
  ),
  viewOp("aten::stack(Tensor[] tensors, int dim=0) -> Tensor", (ctx, tensors, dim) => stack(ctx, tensors, dim)),
  op("aten::hstack(Tensor[] tensors) -> Tensor", { run: hstack, quantised: "codes" }),
  op("aten::vstack(Tensor[] tensors) -> Tensor", { run: vstack, quantised: "codes" }),
  op("aten::row_stack(Tensor[] tensors) -> Tensor", { run: vstack, quantised: "codes" }),
  op("aten::dstack(Tensor[] tensors) -> Tensor", { run: dstack, quantised: "codes" }),
  op("aten::column_stack(Tensor[] tensors) -> Tensor", { run: columnStack, quantised: "codes" }),
  op("aten::block_diag(Tensor[] tensors) -> Tensor", { run: blockDiag }),
  op("aten::_chunk_cat(Tensor[] tensors, int dim, int num_chunks) -> Tensor", { run: chunkCat }),
  op("aten::kron(Tensor self, Tensor other) -> Tensor", { run: kron }),
  op("aten::meshgrid(Tensor[] tensors) -> Tensor[]", { run: (ctx, tensors) => meshgrid(ctx, tensors, "ij"), quantised: "codes" }),
  op("aten::meshgrid.indexing(Tensor[] tensors, *, str indexing) -> Tensor[]", { run: meshgrid, quantised: "codes" }),
  op("aten::cartesian_prod(Tensor[] tensors) -> Tensor", { run: cartesianProd, quantised: "codes" }),
  op("aten::combinations(Tensor self, int r=2, bool with_replacement=False) -> Tensor", { run: combinations }),
  viewOp("aten::broadcast_tensors(Tensor[] tensors) -> Tensor[]", (_ctx, tensors) => broadcastAll(tensors)),
  viewOp("aten::atleast_1d(Tensor self) -> Tensor", (ctx, self) => atLeast(ctx, self, 1)),
  viewOp("aten::atleast_1d.Sequence(Tensor[] tensors) -> Tensor[]", (ctx, tensors) => tensors.map((t) => atLeast(ctx, t, 1))),
  viewOp("aten::atleast_2d(Tensor self) -> Tensor", (ctx, self) => atLeast(ctx, self, 2)),
  viewOp("aten::atleast_2d.Sequence(Tensor[] tensors) -> Tensor[]", (ctx, tensors) => tensors.map((t) => atLeast(ctx, t, 2))),
  viewOp("aten::atleast_3d(Tensor self) -> Tensor", (ctx, self) => atLeast(ctx, self, 3)),
  viewOp("aten::atleast_3d.Sequence(Tensor[] tensors) -> Tensor[]", (ctx, tensors) => tensors.map((t) => atLeast(ctx, t, 3))),
  viewOp("aten::repeat(Tensor self, SymInt[] repeats) -> Tensor", (ctx, self, repeats) => repeat(ctx, self, repeats)),
  viewOp("aten::tile(Tensor self, SymInt[] dims) -> Tensor", (ctx, self, dims) => repeat(ctx, self, [...new Array<number>(Math.max(self.rank - dims.length, 0)).fill(1), ...dims])),
];
