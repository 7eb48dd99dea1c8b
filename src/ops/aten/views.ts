/** Views: ops that show the same storage in another shape (PyTorch: Tensor.view, permute, select, slice ...), and those that change a tensor's own record. */

import { dtypeInfo, dtypeOfTorch, isComplex } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { channelsLastStrides, numelOf, wrapDim, wrapDims } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { copyOf, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import {
  aliasOf, asComplex, asReal, conjugated, diagonalOf, expanded, flattened, narrowed, permuted, reinterpreted, reshaped, restrided, selected, shapeView,
  sliced, squeezed, transposed, unfolded, unsqueezed,
} from "../../prims/views.ts";
import type { ArgumentsOf } from "../arguments.ts";
import { op, type Op, type Result } from "../define.ts";
import { resize } from "../registry.ts";

/** An op that moves no element keeps a quantiser by itself. */
export function viewOp<const S extends string>(schema: S, run: (ctx: Context, ...args: ArgumentsOf<S>) => Result): Op {
  return op(schema, { run, quantised: "copies" });
}

/** `view`: never copies. @throws shape-mismatch */
function viewAs(t: Tensor, size: readonly number[]): Tensor {
  const view = shapeView(t, size);
  if (view === undefined) {
    throw new OpwiseError("shape-mismatch", "view size is not compatible with input tensor's size and stride (at least one dimension spans across two contiguous subspaces). Use .reshape(...) instead.", {
      got: `shape [${t.shape.join(", ")}], strides [${t.strides.join(", ")}], wanted shape [${size.join(", ")}]`,
    });
  }
  return view;
}

export function permute(t: Tensor, dims: readonly number[]): Tensor {
  if (dims.length !== t.rank) {
    throw new OpwiseError("bad-argument", `permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired ordering of dimensions i.e. input.dim() = ${t.rank} is not equal to len(dims) = ${dims.length}`);
  }
  const axes = dims.map((d) => wrapDim(d, t.rank));
  if (new Set(axes).size !== axes.length) throw new OpwiseError("bad-argument", "permute(): duplicate dims are not allowed.");
  return permuted(t, axes);
}

export function movedim(t: Tensor, source: readonly number[], destination: readonly number[]): Tensor {
  if (source.length !== destination.length) {
    throw new OpwiseError("bad-argument", `movedim: Invalid source or destination dims: source ([${source.join(", ")}] dims) should contain the same number of dims as destination ([${destination.join(", ")}] dims)`);
  }
  const [from, to] = [wrapDims(source, t.rank), wrapDims(destination, t.rank)];
  if (t.rank === 0) return aliasOf(t);
  const order = new Array<number>(t.rank).fill(-1);
  from.forEach((s, i) => (order[to[i] ?? 0] = s));
  const rest = t.shape.map((_, i) => i).filter((i) => !from.includes(i));
  return permuted(t, order.map((axis) => (axis >= 0 ? axis : (rest.shift() ?? 0))));
}

function matrixTranspose(t: Tensor, name: string): Tensor {
  if (t.rank === 0) return aliasOf(t);
  if (t.rank === 1) throw new OpwiseError("bad-argument", `tensor.${name} is only supported on matrices or batches of matrices. Got 1-D tensor.`);
  return transposed(t, -2, -1);
}

/** `t`: a matrix transposed; vectors and numbers as they are. */
export function t(self: Tensor): Tensor {
  if (self.rank > 2) throw new OpwiseError("bad-argument", `t() expects a tensor with <= 2 dimensions, but self is ${self.rank}D`);
  return self.rank < 2 ? aliasOf(self) : transposed(self, 0, 1);
}

function matrixH(self: Tensor): Tensor {
  if (self.rank !== 0 && self.rank !== 2) throw new OpwiseError("bad-argument", `tensor.H is only supported on matrices (2-D tensors). Got ${self.rank}-D tensor.`);
  return conjugated(self.rank === 0 ? aliasOf(self) : transposed(self, 0, 1));
}

function reversed(self: Tensor): Tensor {
  return permuted(self, self.shape.map((_, i) => self.rank - 1 - i));
}

function unflatten(self: Tensor, dim: number, sizes: readonly number[]): Tensor {
  const axis = wrapDim(dim, self.rank);
  if (sizes.length === 0) throw new OpwiseError("bad-argument", "unflatten: sizes must be non-empty");
  const size = self.shape[axis] ?? 1;
  const known = sizes.reduce((a, b) => (b === -1 ? a : a * b), 1);
  const full = sizes.map((s) => (s === -1 ? size / known : s));
  if (numelOf(full) !== size || !full.every(Number.isInteger)) {
    throw new OpwiseError("shape-mismatch", `unflatten: Provided sizes [${sizes.join(", ")}] don't multiply up to the size of dim ${dim} (${size}) in the input tensor`);
  }
  return viewAs(self, [...self.shape.slice(0, axis), ...full, ...self.shape.slice(axis + 1)]);
}

/** `other` becomes what `self` names: its record is changed, seen through every name of it. */
function become(self: Tensor, other: Tensor): Tensor {
  self.storage = other.storage;
  self.shape = other.shape;
  self.strides = other.strides;
  self.offset = other.offset;
  self.conj = other.conj;
  self.neg = other.neg;
  self.quantizer = other.quantizer;
  return self;
}

/** MemoryFormat numbers: 2 channels_last, 3 channels_last_3d. */
function resizeTo(ctx: Context, self: Tensor, size: readonly number[], format: number | null): Tensor {
  for (const s of size) if (s < 0) throw new OpwiseError("shape-mismatch", `Trying to create tensor with negative dimension ${s}: [${size.join(", ")}]`);
  resize(ctx, self, size);
  if (format === 2 || format === 3) self.strides = channelsLastStrides(size);
  return self;
}

export const views: readonly Op[] = [
  viewOp("aten::view(Tensor(a) self, SymInt[] size) -> Tensor(a)", (_ctx, self, size) => viewAs(self, size)),
  viewOp("aten::view.dtype(Tensor(a) self, ScalarType dtype) -> Tensor(a)", (_ctx, self, dtype) => reinterpreted(self, dtypeOfTorch(dtype))),
  viewOp("aten::view_as(Tensor(a) self, Tensor other) -> Tensor(a)", (_ctx, self, other) => viewAs(self, other.shape)),
  viewOp("aten::_unsafe_view(Tensor self, SymInt[] size) -> Tensor", (_ctx, self, size) => viewAs(self, size)),
  viewOp("aten::reshape(Tensor(a) self, SymInt[] shape) -> Tensor(a)", (ctx, self, shape) => reshaped(ctx, self, shape)),
  viewOp("aten::reshape_as(Tensor(a) self, Tensor other) -> Tensor(a)", (ctx, self, other) => reshaped(ctx, self, other.shape)),
  viewOp("aten::_reshape_alias(Tensor(a) self, SymInt[] size, SymInt[] stride) -> Tensor(a)", (_ctx, self, size, stride) => restrided(self, size, stride, null)),
  op("aten::_reshape_from_tensor(Tensor self, Tensor shape) -> Tensor", {
    quantised: "copies",
    reads: function* (ctx, self, shape) {
      yield shape;
      return reshaped(ctx, self, Array.from(shape.data, Number));
    },
  }),
  viewOp("aten::flatten.using_ints(Tensor(a) self, int start_dim=0, int end_dim=-1) -> Tensor(a)", (ctx, self, start, end) => flattened(ctx, self, start, end)),
  viewOp("aten::ravel(Tensor(a) self) -> Tensor(a)", (ctx, self) => reshaped(ctx, self, [self.numel])),
  viewOp("aten::unflatten.int(Tensor(a) self, int dim, SymInt[] sizes) -> Tensor(a)", (_ctx, self, dim, sizes) => unflatten(self, dim, sizes)),
  viewOp("aten::permute(Tensor(a) self, int[] dims) -> Tensor(a)", (_ctx, self, dims) => permute(self, dims)),
  viewOp("aten::transpose.int(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", (_ctx, self, a, b) => transposed(self, a, b)),
  viewOp("aten::swapdims(Tensor(a) self, int dim0, int dim1) -> Tensor(a)", (_ctx, self, a, b) => transposed(self, a, b)),
  viewOp("aten::swapaxes(Tensor(a) self, int axis0, int axis1) -> Tensor(a)", (_ctx, self, a, b) => transposed(self, a, b)),
  viewOp("aten::t(Tensor(a) self) -> Tensor(a)", (_ctx, self) => t(self)),
  viewOp("aten::numpy_T(Tensor(a) self) -> Tensor(a)", (_ctx, self) => reversed(self)),
  viewOp("aten::numpy_T.a(Tensor(a) self) -> Tensor(a)", (_ctx, self) => reversed(self)),
  viewOp("aten::mT(Tensor(a) self) -> Tensor(a)", (_ctx, self) => matrixTranspose(self, "mT")),
  viewOp("aten::mT.a(Tensor(a) self) -> Tensor(a)", (_ctx, self) => matrixTranspose(self, "mT")),
  viewOp("aten::mH(Tensor(a) self) -> Tensor(a)", (_ctx, self) => conjugated(matrixTranspose(self, "mH"))),
  viewOp("aten::mH.a(Tensor(a) self) -> Tensor(a)", (_ctx, self) => conjugated(matrixTranspose(self, "mH"))),
  viewOp("aten::adjoint(Tensor(a) self) -> Tensor(a)", (_ctx, self) => conjugated(matrixTranspose(self, "adjoint()"))),
  viewOp("aten::matrix_H(Tensor(a) self) -> Tensor(a)", (_ctx, self) => matrixH(self)),
  viewOp("aten::matrix_H.a(Tensor(a) self) -> Tensor(a)", (_ctx, self) => matrixH(self)),
  viewOp("aten::movedim.int(Tensor(a) self, int source, int destination) -> Tensor(a)", (_ctx, self, from, to) => movedim(self, [from], [to])),
  viewOp("aten::movedim.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)", (_ctx, self, from, to) => movedim(self, from, to)),
  viewOp("aten::moveaxis.int(Tensor(a) self, int source, int destination) -> Tensor(a)", (_ctx, self, from, to) => movedim(self, [from], [to])),
  viewOp("aten::moveaxis.intlist(Tensor(a) self, int[] source, int[] destination) -> Tensor(a)", (_ctx, self, from, to) => movedim(self, from, to)),
  viewOp("aten::squeeze(Tensor(a) self) -> Tensor(a)", (_ctx, self) => squeezed(self)),
  viewOp("aten::squeeze.dim(Tensor(a) self, int dim) -> Tensor(a)", (_ctx, self, dim) => squeezed(self, [dim])),
  viewOp("aten::squeeze.dims(Tensor(a) self, int[] dim) -> Tensor(a)", (_ctx, self, dim) => squeezed(self, dim)),
  viewOp("aten::unsqueeze(Tensor(a) self, int dim) -> Tensor(a)", (_ctx, self, dim) => unsqueezed(self, dim)),
  viewOp("aten::expand(Tensor(a) self, SymInt[] size, *, bool implicit=False) -> Tensor(a)", (_ctx, self, size) => expanded(self, size)),
  viewOp("aten::expand_as(Tensor(a) self, Tensor other) -> Tensor(a)", (_ctx, self, other) => expanded(self, other.shape)),
  viewOp("aten::broadcast_to(Tensor(a) self, SymInt[] size) -> Tensor(a)", (_ctx, self, size) => expanded(self, size)),
  viewOp("aten::narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)", (_ctx, self, dim, start, length) => narrowed(self, dim, start, length)),
  op("aten::narrow.Tensor(Tensor(a) self, int dim, Tensor start, SymInt length) -> Tensor(a)", {
    quantised: "copies",
    reads: function* (_ctx, self, dim, start, length) {
      if (start.rank !== 0 || dtypeInfo(start.dtype).class !== "int") throw new OpwiseError("bad-argument", "start must be an 0-dim integral Tensor.");
      yield start;
      return narrowed(self, dim, Number(start.item()), length);
    },
  }),
  viewOp("aten::slice.Tensor(Tensor(a) self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor(a)", (_ctx, self, dim, start, end, step) => sliced(self, dim, start, end, step)),
  viewOp("aten::select.int(Tensor(a) self, int dim, SymInt index) -> Tensor(a)", (_ctx, self, dim, index) => selected(self, dim, index)),
  viewOp("aten::unfold(Tensor(a) self, int dimension, int size, int step) -> Tensor(a)", (_ctx, self, dim, size, step) => unfolded(self, dim, size, step)),
  viewOp("aten::diagonal(Tensor(a) self, int offset=0, int dim1=0, int dim2=1) -> Tensor(a)", (_ctx, self, offset, a, b) => diagonalOf(self, offset, a, b)),
  viewOp("aten::linalg_diagonal(Tensor(a) A, *, int offset=0, int dim1=-2, int dim2=-1) -> Tensor(a)", (_ctx, self, offset, a, b) => diagonalOf(self, offset, a, b)),
  viewOp("aten::as_strided(Tensor(a) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a)", (_ctx, self, size, stride, offset) => restrided(self, size, stride, offset)),
  viewOp("aten::alias(Tensor(a) self) -> Tensor(a)", (_ctx, self) => aliasOf(self)),
  viewOp("aten::detach(Tensor(a) self) -> Tensor(a)", (_ctx, self) => aliasOf(self)),
  viewOp("aten::lift(Tensor self) -> Tensor", (_ctx, self) => self),
  viewOp("aten::lift_fresh(Tensor(a) self) -> Tensor(a)", (_ctx, self) => self),
  viewOp("aten::_fw_primal(Tensor(a) self, int level) -> Tensor(a)", (_ctx, self) => aliasOf(self)),
  viewOp("aten::view_as_real(Tensor(a) self) -> Tensor(a)", (_ctx, self) => {
    if (!isComplex(self.dtype)) throw new OpwiseError("dtype-mismatch", "view_as_real is only supported for complex tensors");
    if (self.conj) throw new OpwiseError("bad-argument", "view_as_real doesn't work on unresolved conjugated tensors.  To resolve the conjugate tensor so you can view it as real, use self.resolve_conj(); however, be warned that the resulting tensor will NOT alias the original.");
    const out = asReal(self);
    out.neg = self.neg;
    return out;
  }),
  viewOp("aten::view_as_complex(Tensor(a) self) -> Tensor(a)", (_ctx, self) => {
    const out = asComplex(self);
    out.neg = self.neg;
    return out;
  }),

  viewOp("aten::unsqueeze_(Tensor(a!) self, int dim) -> Tensor(a!)", (_ctx, self, dim) => become(self, unsqueezed(self, dim))),
  viewOp("aten::squeeze_(Tensor(a!) self) -> Tensor(a!)", (_ctx, self) => become(self, squeezed(self))),
  viewOp("aten::squeeze_.dim(Tensor(a!) self, int dim) -> Tensor(a!)", (_ctx, self, dim) => become(self, squeezed(self, [dim]))),
  viewOp("aten::squeeze_.dims(Tensor(a!) self, int[] dim) -> Tensor(a!)", (_ctx, self, dim) => become(self, squeezed(self, dim))),
  viewOp("aten::t_(Tensor(a!) self) -> Tensor(a!)", (_ctx, self) => become(self, t(self))),
  viewOp("aten::transpose_(Tensor(a!) self, int dim0, int dim1) -> Tensor(a!)", (_ctx, self, a, b) => become(self, transposed(self, a, b))),
  viewOp("aten::swapdims_(Tensor(a!) self, int dim0, int dim1) -> Tensor(a!)", (_ctx, self, a, b) => become(self, transposed(self, a, b))),
  viewOp("aten::swapaxes_(Tensor(a!) self, int axis0, int axis1) -> Tensor(a!)", (_ctx, self, a, b) => become(self, transposed(self, a, b))),
  viewOp("aten::as_strided_(Tensor(a!) self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor(a!)", (_ctx, self, size, stride, offset) => become(self, restrided(self, size, stride, offset))),
  viewOp("aten::detach_(Tensor(a!) self) -> Tensor(a!)", (_ctx, self) => {
    self.requiresGrad = false;
    return self;
  }),
  viewOp("aten::resize_(Tensor(a!) self, SymInt[] size, *, MemoryFormat? memory_format=None) -> Tensor(a!)", (ctx, self, size, format) => resizeTo(ctx, self, size, format)),
  viewOp("aten::resize_as_(Tensor(a!) self, Tensor the_template, *, MemoryFormat? memory_format=None) -> Tensor(a!)", (ctx, self, like, format) => resizeTo(ctx, self, like.shape, format)),
  viewOp("aten::resize(Tensor self, SymInt[] size, *, MemoryFormat? memory_format=None) -> Tensor", (ctx, self, size, format) => resizeTo(ctx, copyOf(ctx, self), size, format)),
  viewOp("aten::resize_as(Tensor self, Tensor the_template, *, MemoryFormat? memory_format=None) -> Tensor", (ctx, self, like, format) => resizeTo(ctx, copyOf(ctx, self), like.shape, format)),
  viewOp("aten::set_(Tensor(a!) self) -> Tensor(a!)", (ctx, self) => become(self, empty(ctx, [0], self.dtype))),
  viewOp("aten::set_.source_Tensor(Tensor(a!) self, Tensor source) -> Tensor(a!)", (_ctx, self, source) => become(self, source)),
  viewOp("aten::set_.source_Tensor_storage_offset(Tensor(a!) self, Tensor source, SymInt storage_offset, SymInt[] size, SymInt[] stride=[]) -> Tensor(a!)", (ctx, self, source, offset, size, stride) => {
    become(self, source);
    self.offset = offset;
    resize(ctx, self, size);
    if (stride.length > 0) self.strides = [...stride];
    return self;
  }),
];
