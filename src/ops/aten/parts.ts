/** Writes to parts of a tensor by position (PyTorch: fill_diagonal_, diag_embed, embedding_renorm_), and tensors packed into one vector. */

import { arg, binary, cast, constant, index, round, scalar, select } from "../../expr/expr.ts";
import { copyInto, copyOf, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { diagonalOf, reshaped, sliced } from "../../prims/views.ts";
import type { Scalar } from "../../ir/datum.ts";
import { type DType, isFloat } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { fill, filled } from "./filling.ts";
import { boundedIndex, scatterInto } from "./indexing.ts";
import { cat } from "./joins.ts";
import { loadIndex, memo, size } from "./memo.ts";
import { vectorNorm } from "./norms.ts";

const programs = memo<Program>();

function fillDiagonal(ctx: Context, self: Tensor, value: Scalar, wrap: boolean): Tensor {
  if (self.rank < 2) throw new OpwiseError("bad-argument", "dimensions must larger than 1");
  const [height = 0, width = 0] = self.shape;
  if (self.rank > 2 && self.shape.some((s) => s !== height)) throw new OpwiseError("bad-argument", "all dimensions of input must be of equal length");
  const step = self.strides.reduce((a, b) => a + b, 0);
  const length = Math.min(height, width);
  fill(ctx, viewOf(self, [length], [step], self.offset), value);
  if (self.rank === 2 && wrap && height > width + 1) {
    // The diagonal starts again below a row that is left out.
    const rest = Math.ceil(self.numel / (width + 1)) - length;
    fill(ctx, viewOf(self, [rest], [step], self.offset + (self.strides[0] ?? 0) * (width + 1)), value);
  }
  return self;
}

const markProgram = (dtype: DType): Program =>
  programs(`mark ${dtype}`, () => ({
    name: "mark", operands: [dtype], scalars: ["index"],
    outputs: [{ dtype: "int64", parts: [boundedIndex(loadIndex(0, dtype, [index(0)]), size(0), "strict", 0)] }, { dtype: "bool", parts: [constant(true, "bool")] }], messages: ["index out of range in self"],
  }));

/** Rows that are marked and longer than the limit shrink to it. */
const renormProgram = (dtype: DType): Program =>
  programs(`renorm ${dtype}`, () => {
    const type = computeType(dtype);
    const [x, norm, limit] = [cast(arg(0, type), "f64"), cast(arg(1, type), "f64"), scalar(0, "f64")];
    // The factor has the dtype of the table.
    const factor = binary("div", limit, binary("add", norm, constant(1e-7, "f64")));
    const shrunk = binary("mul", x, dtype === "float16" || dtype === "bfloat16" ? round(factor, dtype) : factor);
    const wanted = binary("and", arg(2, "bool"), binary("gt", norm, limit));
    return { name: "embedding_renorm", operands: [dtype, dtype, "bool"], scalars: ["f64"], outputs: [{ dtype, parts: [cast(select(wanted, shrunk, x), type)] }], messages: [] };
  });

function embeddingRenorm(ctx: Context, self: Tensor, indices: Tensor, maxNorm: number, normType: number): Tensor {
  if (self.rank !== 2) throw new OpwiseError("bad-argument", `'self' must be 2-D`);
  if (!isFloat(self.dtype)) throw new OpwiseError("dtype-mismatch", "embedding_renorm_: expected a floating point tensor", { got: self.dtype });
  const rows = self.shape[0] ?? 0;
  const marks = filled(ctx, [rows], "bool", { kind: "bool", value: false });
  scatterInto(ctx, marks, markProgram(indices.dtype), [indices.numel], [reshaped(ctx, indices, [indices.numel])], [rows], "set");
  const norms = vectorNorm(ctx, self, normType, [1], true);
  map(ctx, renormProgram(self.dtype), [self, norms, reshaped(ctx, marks, [rows, 1])], [maxNorm], [self]);
  return self;
}

/** Zeros with `t`'s last axis along a diagonal of two new axes. */
function diagEmbed(ctx: Context, t: Tensor, offset: number, dim1: number, dim2: number): Tensor {
  const rank = t.rank + 1;
  const [a, b] = [wrapDim(dim1, rank), wrapDim(dim2, rank)];
  if (a === b) throw new OpwiseError("bad-argument", `diagonal dimensions cannot be identical ${dim1}, ${dim2}`);
  const side = (t.shape[t.rank - 1] ?? 1) + Math.abs(offset);
  const shape = t.shape.slice(0, -1);
  for (const axis of [Math.min(a, b), Math.max(a, b)]) shape.splice(axis, 0, side);
  const out = filled(ctx, shape, t.dtype, { kind: "int", value: 0 });
  copyInto(ctx, diagonalOf(out, offset, a, b), t);
  return out;
}

export const parts: readonly Op[] = [
  op("aten::diag_embed(Tensor self, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", { run: diagEmbed }),
  op("aten::diag(Tensor self, int diagonal=0) -> Tensor", {
    run: (ctx, self, offset) => {
      if (self.rank !== 1 && self.rank !== 2) throw new OpwiseError("bad-argument", `diag(): Supports 1D or 2D tensors. Got ${self.rank}D`);
      return self.rank === 1 ? diagEmbed(ctx, self, offset, 0, 1) : copyOf(ctx, diagonalOf(self, offset, 0, 1));
    },
    quantised: "codes",
  }),
  op("aten::diagflat(Tensor self, int offset=0) -> Tensor", { run: (ctx, self, offset) => diagEmbed(ctx, reshaped(ctx, self, [self.numel]), offset, 0, 1) }),
  op("aten::fill_diagonal_(Tensor(a!) self, Scalar fill_value, bool wrap=False) -> Tensor(a!)", { run: fillDiagonal }),
  op("aten::embedding_renorm_(Tensor(a!) self, Tensor indices, float max_norm, float norm_type) -> Tensor(a!)", { run: embeddingRenorm }),
  op("aten::_no_grad_embedding_renorm_(Tensor weight, Tensor input, float max_norm, float norm_type) -> Tensor", { run: embeddingRenorm }),
  op("aten::flatten_dense_tensors(Tensor[] tensors) -> Tensor", { run: (ctx, tensors) => cat(ctx, tensors.map((t) => reshaped(ctx, t, [t.numel])), 0), quantised: "codes" }),
  op("aten::unflatten_dense_tensors(Tensor flat, Tensor[] tensors) -> Tensor[]", {
    run: (ctx, flat, tensors) => {
      let at = 0;
      return tensors.map((t) => {
        const piece = reshaped(ctx, sliced(flat, 0, at, at + t.numel, 1), t.shape);
        at += t.numel;
        return piece;
      });
    },
    quantised: "codes",
  }),
];
