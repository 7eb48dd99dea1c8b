/** Splits: lists of views of one tensor (PyTorch: split, chunk, tensor_split, unbind), and their copying twins. */

import { copyOf } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { narrowed, selected, sliced } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { viewOp } from "./views.ts";

/** Tensors of one list: a view of stride 0 can be cut into any number of pieces. */
const MAX_PIECES = 2 ** 20;

function checkPieces(count: number): void {
  if (count > MAX_PIECES) throw new OpwiseError("limit-exceeded", `a tensor is split into ${count} pieces`, { wanted: `at most ${MAX_PIECES}` });
}

/** Pieces of `size` along `dim`, the last one smaller. @throws bad-argument */
export function splitBy(t: Tensor, size: number, dim: number): Tensor[] {
  if (t.rank === 0) throw new OpwiseError("bad-argument", "split expects at least a 1-dimensional tensor");
  if (size < 0) throw new OpwiseError("bad-argument", `split expects split_size be non-negative, but got split_size=${size}`);
  const axis = wrapDim(dim, t.rank);
  const length = t.shape[axis] ?? 0;
  if (size === 0 && length !== 0) throw new OpwiseError("bad-argument", `split_size can only be 0 if dimension size is 0, but got dimension size of ${length}`);
  const count = size === 0 ? 1 : Math.max(Math.ceil(length / size), 1);
  checkPieces(count);
  return Array.from({ length: count }, (_, i) => narrowed(t, axis, i * size, Math.min(size, length - i * size)));
}

/** Pieces of the given sizes along `dim`. @throws bad-argument unless they add up */
export function splitSizes(t: Tensor, sizes: readonly number[], dim: number): Tensor[] {
  if (t.rank === 0) throw new OpwiseError("bad-argument", "split expects at least a 1-dimensional tensor");
  const axis = wrapDim(dim, t.rank);
  const length = t.shape[axis] ?? 0;
  let start = 0;
  const out = sizes.map((size) => {
    if (size < 0) throw new OpwiseError("bad-argument", `split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=[${sizes.join(", ")}]`);
    const piece = sliced(t, axis, start, start + size, 1);
    start += size;
    return piece;
  });
  if (start !== length) {
    throw new OpwiseError("bad-argument", `split_with_sizes expects split_sizes to sum exactly to ${length} (input tensor's size at dimension ${axis}), but got split_sizes=[${sizes.join(", ")}]`);
  }
  return out;
}

export function chunks(t: Tensor, count: number, dim: number): Tensor[] {
  if (t.rank === 0) throw new OpwiseError("bad-argument", "chunk expects at least a 1-dimensional tensor");
  if (!(count > 0)) throw new OpwiseError("bad-argument", `chunk expects \`chunks\` to be greater than 0, got: ${count}`);
  const length = t.shape[wrapDim(dim, t.rank)] ?? 0;
  const size = Math.ceil(length / count);
  if (size === 0) checkPieces(count);
  if (size === 0) return splitSizes(t, new Array<number>(count).fill(0), dim);
  return splitBy(t, size, dim);
}

/** `sections` nearly equal pieces, the longer ones first. */
function tensorSplitSections(t: Tensor, sections: number, dim: number): Tensor[] {
  if (t.rank === 0) throw new OpwiseError("bad-argument", "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
  if (!(sections > 0)) throw new OpwiseError("bad-argument", `number of sections must be larger than 0, got ${sections}`);
  const length = t.shape[wrapDim(dim, t.rank)] ?? 0;
  const small = Math.floor(length / sections);
  checkPieces(sections);
  return splitSizes(t, Array.from({ length: sections }, (_, i) => small + (i < length % sections ? 1 : 0)), dim);
}

/** Pieces between the given positions, each with Python's clamping. */
function tensorSplitAt(t: Tensor, indices: readonly number[], dim: number): Tensor[] {
  if (t.rank === 0) throw new OpwiseError("bad-argument", "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
  const ends: (number | null)[] = [...indices, null];
  return ends.map((end, i) => sliced(t, dim, i === 0 ? 0 : (indices[i - 1] ?? 0), end, 1));
}

/** hsplit, vsplit, dsplit: sections must divide the axis. */
function evenSplit(t: Tensor, sections: number, dim: number, name: string): Tensor[] {
  const length = t.shape[dim] ?? 0;
  if (!(sections !== 0 && length % sections === 0)) {
    throw new OpwiseError("bad-argument", `torch.${name} attempted to split along dimension ${dim}, but the size of the dimension ${length} is not divisible by the split_size ${sections}!`);
  }
  return tensorSplitSections(t, sections, dim);
}

function needsRank(t: Tensor, rank: number, name: string): void {
  if (t.rank < rank) throw new OpwiseError("bad-argument", `torch.${name} requires a tensor with at least ${rank} dimension${rank === 1 ? "" : "s"}, but got a tensor with ${t.rank} dimensions!`);
}

export function unbind(t: Tensor, dim: number): Tensor[] {
  if (t.rank === 0) throw new OpwiseError("index-out-of-range", "Dimension specified as 0 but tensor has no dimensions");
  const axis = wrapDim(dim, t.rank);
  checkPieces(t.shape[axis] ?? 0);
  return Array.from({ length: t.shape[axis] ?? 0 }, (_, i) => selected(t, axis, i));
}

function copies(ctx: Context, list: readonly Tensor[]): Tensor[] {
  return list.map((t) => {
    const out = copyOf(ctx, t);
    out.quantizer = t.quantizer;
    return out;
  });
}

const hAxis = (t: Tensor): number => (t.rank === 1 ? 0 : 1);

export const splits: readonly Op[] = [
  viewOp("aten::split.Tensor(Tensor(a -> *) self, SymInt split_size, int dim=0) -> Tensor(a)[]", (_ctx, self, size, dim) => splitBy(self, size, dim)),
  viewOp("aten::split.sizes(Tensor(a -> *) self, SymInt[] split_size, int dim=0) -> Tensor(a)[]", (_ctx, self, sizes, dim) => splitSizes(self, sizes, dim)),
  viewOp("aten::split(Tensor(a -> *) self, int[] split_sizes, int dim=0) -> Tensor(a)[]", (_ctx, self, sizes, dim) => splitSizes(self, sizes, dim)),
  viewOp("aten::split_with_sizes(Tensor(a -> *) self, SymInt[] split_sizes, int dim=0) -> Tensor(a)[]", (_ctx, self, sizes, dim) => splitSizes(self, sizes, dim)),
  viewOp("aten::unsafe_split.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]", (_ctx, self, size, dim) => splitBy(self, size, dim)),
  viewOp("aten::unsafe_split_with_sizes(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]", (_ctx, self, sizes, dim) => splitSizes(self, sizes, dim)),
  viewOp("aten::split_copy.Tensor(Tensor self, SymInt split_size, int dim=0) -> Tensor[]", (ctx, self, size, dim) => copies(ctx, splitBy(self, size, dim))),
  viewOp("aten::split_with_sizes_copy(Tensor self, SymInt[] split_sizes, int dim=0) -> Tensor[]", (ctx, self, sizes, dim) => copies(ctx, splitSizes(self, sizes, dim))),
  viewOp("aten::chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]", (_ctx, self, count, dim) => chunks(self, count, dim)),
  viewOp("aten::unsafe_chunk(Tensor self, int chunks, int dim=0) -> Tensor[]", (_ctx, self, count, dim) => chunks(self, count, dim)),
  viewOp("aten::tensor_split.sections(Tensor(a -> *) self, SymInt sections, int dim=0) -> Tensor(a)[]", (_ctx, self, sections, dim) => tensorSplitSections(self, sections, dim)),
  viewOp("aten::tensor_split.indices(Tensor(a -> *) self, SymInt[] indices, int dim=0) -> Tensor(a)[]", (_ctx, self, indices, dim) => tensorSplitAt(self, indices, dim)),
  op("aten::tensor_split.tensor_indices_or_sections(Tensor(a -> *) self, Tensor tensor_indices_or_sections, int dim=0) -> Tensor(a)[]", {
    quantised: "copies",
    reads: function* (_ctx, self, where, dim) {
      yield where;
      if (where.rank === 0) return tensorSplitSections(self, Number(where.item()), dim);
      return tensorSplitAt(self, Array.from(where.data, Number), dim);
    },
  }),
  viewOp("aten::hsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]", (_ctx, self, sections) => {
    needsRank(self, 1, "hsplit");
    return evenSplit(self, sections, hAxis(self), "hsplit");
  }),
  viewOp("aten::hsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]", (_ctx, self, indices) => {
    needsRank(self, 1, "hsplit");
    return tensorSplitAt(self, indices, hAxis(self));
  }),
  viewOp("aten::vsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]", (_ctx, self, sections) => {
    needsRank(self, 2, "vsplit");
    return evenSplit(self, sections, 0, "vsplit");
  }),
  viewOp("aten::vsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]", (_ctx, self, indices) => {
    needsRank(self, 2, "vsplit");
    return tensorSplitAt(self, indices, 0);
  }),
  viewOp("aten::dsplit.int(Tensor(a -> *) self, int sections) -> Tensor(a)[]", (_ctx, self, sections) => {
    needsRank(self, 3, "dsplit");
    return evenSplit(self, sections, 2, "dsplit");
  }),
  viewOp("aten::dsplit.array(Tensor(a -> *) self, int[] indices) -> Tensor(a)[]", (_ctx, self, indices) => {
    needsRank(self, 3, "dsplit");
    return tensorSplitAt(self, indices, 2);
  }),
  viewOp("aten::unbind.int(Tensor(a -> *) self, int dim=0) -> Tensor(a)[]", (_ctx, self, dim) => unbind(self, dim)),
  viewOp("aten::unbind_copy.int(Tensor self, int dim=0) -> Tensor[]", (ctx, self, dim) => copies(ctx, unbind(self, dim))),
];
