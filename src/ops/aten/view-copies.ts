/** Copying twins of views (`*_copy`), and views written into a copy (`*_scatter`). */

import { copyInto, copyOf } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import {
  aliasOf, asComplex, asReal, diagonalOf, expanded, narrowed, reinterpreted, reshaped, restrided, selected, sliced, squeezed, transposed, unfolded, unsqueezed,
} from "../../prims/views.ts";
import { dtypeOfTorch } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { extentOf, sameShape } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import type { Op } from "../define.ts";
import { filled } from "./filling.ts";
import { cloned } from "./indexing.ts";
import { permute, t, viewOp } from "./views.ts";

/** A row-major copy that keeps a quantiser. */
function copied(ctx: Context, view: Tensor): Tensor {
  const out = copyOf(ctx, view);
  out.quantizer = view.quantizer;
  return out;
}

/** A copy that lies in its storage as `self` does (PyTorch's clone_preserve_strides); row-major where elements of `self` overlap. */
function stridesKept(ctx: Context, self: Tensor): Tensor {
  const extent = extentOf(self.shape, self.strides);
  if (extent === undefined || self.strides.some((stride, i) => stride === 0 && (self.shape[i] ?? 0) > 1)) return cloned(ctx, self);
  const whole = copyOf(ctx, viewOf(self, [self.offset + extent.high + 1], [1], 0));
  return viewOf(whole, self.shape, self.strides, self.offset);
}

/** `src` written into the part of a copy of `self` that `part` shows. */
function written(ctx: Context, self: Tensor, src: Tensor, part: (copy: Tensor) => Tensor, name: string, out = cloned(ctx, self)): Tensor {
  const view = part(out);
  if (!sameShape(view.shape, src.shape)) {
    throw new OpwiseError("shape-mismatch", `expected src to have a size equal to the ${name} of self. src size = [${src.shape.join(", ")}], ${name} size = [${view.shape.join(", ")}]`);
  }
  copyInto(ctx, view, src);
  return out;
}

/** A gradient put back into zeros where a view took it from. */
function backward(ctx: Context, grad: Tensor, sizes: readonly number[], part: (whole: Tensor) => Tensor): Tensor {
  const out = filled(ctx, sizes, grad.dtype, { kind: "int", value: 0 });
  copyInto(ctx, part(out), grad);
  return out;
}

export const viewCopies: readonly Op[] = [
  viewOp("aten::view_copy(Tensor self, SymInt[] size) -> Tensor", (ctx, self, size) => copied(ctx, reshaped(ctx, self, size))),
  viewOp("aten::view_copy.dtype(Tensor self, ScalarType dtype) -> Tensor", (ctx, self, dtype) => copied(ctx, reinterpreted(self, dtypeOfTorch(dtype)))),
  viewOp("aten::_reshape_copy(Tensor self, SymInt[] size) -> Tensor", (ctx, self, size) => copied(ctx, reshaped(ctx, self, size))),
  viewOp("aten::_reshape_alias_copy(Tensor self, SymInt[] size, SymInt[] stride) -> Tensor", (ctx, self, size, stride) => copied(ctx, restrided(self, size, stride, null))),
  viewOp("aten::permute_copy(Tensor self, int[] dims) -> Tensor", (ctx, self, dims) => copied(ctx, permute(self, dims))),
  viewOp("aten::transpose_copy.int(Tensor self, int dim0, int dim1) -> Tensor", (ctx, self, a, b) => copied(ctx, transposed(self, a, b))),
  viewOp("aten::t_copy(Tensor self) -> Tensor", (ctx, self) => copied(ctx, t(self))),
  viewOp("aten::squeeze_copy(Tensor self) -> Tensor", (ctx, self) => copied(ctx, squeezed(self))),
  viewOp("aten::squeeze_copy.dim(Tensor self, int dim) -> Tensor", (ctx, self, dim) => copied(ctx, squeezed(self, [dim]))),
  viewOp("aten::squeeze_copy.dims(Tensor self, int[] dim) -> Tensor", (ctx, self, dim) => copied(ctx, squeezed(self, dim))),
  viewOp("aten::unsqueeze_copy(Tensor self, int dim) -> Tensor", (ctx, self, dim) => copied(ctx, unsqueezed(self, dim))),
  viewOp("aten::expand_copy(Tensor self, SymInt[] size, *, bool implicit=False) -> Tensor", (ctx, self, size) => copied(ctx, expanded(self, size))),
  viewOp("aten::narrow_copy(Tensor self, int dim, SymInt start, SymInt length) -> Tensor", (ctx, self, dim, start, length) => copied(ctx, narrowed(self, dim, start, length))),
  viewOp("aten::slice_copy.Tensor(Tensor self, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor", (ctx, self, dim, start, end, step) => copied(ctx, sliced(self, dim, start, end, step))),
  viewOp("aten::select_copy.int(Tensor self, int dim, SymInt index) -> Tensor", (ctx, self, dim, index) => copied(ctx, selected(self, dim, index))),
  viewOp("aten::unfold_copy(Tensor self, int dimension, int size, int step) -> Tensor", (ctx, self, dim, size, step) => copied(ctx, unfolded(self, dim, size, step))),
  viewOp("aten::diagonal_copy(Tensor self, int offset=0, int dim1=0, int dim2=1) -> Tensor", (ctx, self, offset, a, b) => copied(ctx, diagonalOf(self, offset, a, b))),
  viewOp("aten::as_strided_copy(Tensor self, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor", (ctx, self, size, stride, offset) => copied(ctx, restrided(self, size, stride, offset))),
  viewOp("aten::alias_copy(Tensor self) -> Tensor", (ctx, self) => copied(ctx, aliasOf(self))),
  viewOp("aten::_fw_primal_copy(Tensor self, int level) -> Tensor", (ctx, self) => copied(ctx, aliasOf(self))),
  viewOp("aten::view_as_real_copy(Tensor self) -> Tensor", (ctx, self) => copied(ctx, asReal(self))),
  viewOp("aten::view_as_complex_copy(Tensor self) -> Tensor", (ctx, self) => copied(ctx, asComplex(self))),
  viewOp("aten::select_scatter(Tensor self, Tensor src, int dim, SymInt index) -> Tensor", (ctx, self, src, dim, index) => written(ctx, self, src, (v) => selected(v, dim, index), "slice")),
  viewOp("aten::slice_scatter(Tensor self, Tensor src, int dim=0, SymInt? start=None, SymInt? end=None, SymInt step=1) -> Tensor", (ctx, self, src, dim, start, end, step) => written(ctx, self, src, (v) => sliced(v, dim, start, end, step), "slice")),
  viewOp("aten::diagonal_scatter(Tensor self, Tensor src, int offset=0, int dim1=0, int dim2=1) -> Tensor", (ctx, self, src, offset, a, b) => written(ctx, self, src, (v) => diagonalOf(v, offset, a, b), "slice")),
  viewOp("aten::as_strided_scatter(Tensor self, Tensor src, SymInt[] size, SymInt[] stride, SymInt? storage_offset=None) -> Tensor", (ctx, self, src, size, stride, offset) => written(ctx, self, src, (v) => restrided(v, size, stride, offset), "slice", stridesKept(ctx, self))),
  viewOp("aten::select_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt index) -> Tensor", (ctx, grad, sizes, dim, index) => backward(ctx, grad, sizes, (v) => selected(v, dim, index))),
  viewOp("aten::slice_backward(Tensor grad_output, SymInt[] input_sizes, int dim, SymInt start, SymInt end, SymInt step) -> Tensor", (ctx, grad, sizes, dim, start, end, step) => backward(ctx, grad, sizes, (v) => sliced(v, dim, start, end, step))),
  viewOp("aten::diagonal_backward(Tensor grad_output, SymInt[] input_sizes, int offset, int dim1, int dim2) -> Tensor", (ctx, grad, sizes, offset, a, b) => backward(ctx, grad, sizes, (v) => diagonalOf(v, offset, a, b))),
];
