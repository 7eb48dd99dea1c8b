/** Positions that hold (PyTorch: nonzero, argwhere, where(condition), masked_select): count, read the count, fill. */

import { arg, binary, cast, constant, type Expr, index, load, scalar, select } from "../../expr/expr.ts";
import { checkOverlap, compute, empty, reduce, resolved, scan } from "../../prims/calls.ts";
import { sumOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { expanded, narrowed, reshaped } from "../../prims/views.ts";
import { type DType, isComplex } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { writeOut } from "../registry.ts";
import { addOf, axes, memo, mulOf } from "./memo.ts";
import { unbind } from "./splits.ts";

const programs = memo<Program>();

/** Whether an element is not zero: of a map's operand 0, or loaded at coordinates. */
function truth(dtype: DType, at?: readonly Expr[]): Expr {
  const type = computeType(dtype);
  const part = (p: 0 | 1): Expr => cast(at === undefined ? arg(0, type, p) : load(0, type, at, p), "bool");
  return isComplex(dtype) ? binary("or", part(0), part(1)) : part(0);
}

function flagProgram(dtype: DType): Program {
  return programs(`flag ${dtype}`, () => ({ name: "nonzero", operands: [dtype], scalars: [], outputs: [{ dtype: "int32", parts: [cast(truth(dtype), "i32")] }], messages: [] }));
}

/** How many elements are not zero: an int64 scalar tensor, to be read. */
export function countOf(ctx: Context, t: Tensor): Tensor {
  const [count] = reduce(ctx, flagProgram(t.dtype), sumOf("i32"), [t], t.shape.map((_, i) => i), false, ["int64"]);
  return count ?? empty(ctx, [], "int64");
}

/** For each element, row-major, how many before it are not zero. */
function ranksOf(ctx: Context, t: Tensor): Tensor {
  const flat = reshaped(ctx, resolved(ctx, t), [t.numel]);
  const [ranks] = scan(ctx, flagProgram(t.dtype), sumOf("i32"), [flat], 0, ["int32"], { exclusive: true });
  return reshaped(ctx, ranks ?? flat, t.shape);
}

/** Writes each holding position's coordinates, axis by axis, to the place of its rank; all others to one place too many. */
function fillProgram(dtype: DType, rank: number): Program {
  return programs(`fill ${dtype},${rank}`, () => {
    const at = axes(rank);
    const holds = truth(dtype, at);
    const count = scalar(0, "index");
    const place = addOf(mulOf(index(rank), count), cast(load(1, "i32", at), "index"));
    let value: Expr = constant(0, "index");
    for (let axis = rank - 1; axis >= 0; axis--) value = select(binary("eq", index(rank), constant(axis, "index")), index(axis), value);
    return {
      name: "nonzero", operands: [dtype, "int32"], scalars: ["index"],
      outputs: [{ dtype: "int64", parts: [select(holds, place, mulOf(constant(rank, "index"), count))] }, { dtype: "int64", parts: [cast(value, "i64")] }], messages: [],
    };
  });
}

/** Coordinates `[count, rank]` (strides `[1, count]`, as PyTorch has them) of the elements that are not zero, where `count` is known. */
export function coordinatesOf(ctx: Context, t: Tensor, count: number): Tensor {
  const rank = t.rank;
  const out = empty(ctx, [rank * count + 1], "int64");
  if (t.numel > 0 && rank > 0) {
    const source = resolved(ctx, t);
    ctx.run({
      kind: "scatter", program: fillProgram(t.dtype, rank), shape: [...t.shape, rank], combine: "set",
      operands: [source, ranksOf(ctx, source)], results: [out], scalars: [count],
    });
  }
  return viewOf(out, [count, rank], [1, Math.max(count, 1)], 0);
}

/** Writes each selected element to the place of its rank; all others to one place too many. */
function packProgram(dtype: DType, rank: number): Program {
  return programs(`pack ${dtype},${rank}`, () => {
    const at = axes(rank);
    const place = select(load(0, "bool", at), cast(load(1, "i32", at), "index"), scalar(0, "index"));
    const type = computeType(dtype);
    const parts = isComplex(dtype) ? [load(2, type, at), load(2, type, at, 1)] : [load(2, type, at)];
    return { name: "masked_select", operands: ["bool", "int32", dtype], scalars: ["index"], outputs: [{ dtype: "int64", parts: [place] }, { dtype, parts }], messages: [] };
  });
}

/** The elements of `t` where `mask` holds (same shape), row-major. */
export function packed(ctx: Context, t: Tensor, mask: Tensor, count: number): Tensor {
  const out = empty(ctx, [count + 1], t.dtype);
  if (t.numel > 0) {
    ctx.run({
      kind: "scatter", program: packProgram(t.dtype, t.rank), shape: t.shape, combine: "set",
      operands: [mask, ranksOf(ctx, mask), resolved(ctx, t)], results: [out], scalars: [count],
    });
  }
  return narrowed(out, 0, 0, count);
}

export function checkMask(mask: Tensor, name: string): void {
  if (mask.dtype !== "bool" && mask.dtype !== "uint8") throw new OpwiseError("dtype-mismatch", `${name}: expected BoolTensor for mask`, { got: mask.dtype });
}

/** The `count` rows padded or cut to a stated number. */
function staticProgram(): Program {
  return programs("static", () => {
    const inside = binary("lt", index(0), scalar(0, "index"));
    return {
      name: "nonzero_static", operands: ["int64"], scalars: ["index", "i64"],
      outputs: [{ dtype: "int64", parts: [load(0, "i64", axes(2), 0, inside, scalar(1, "i64"))] }], messages: [],
    };
  });
}

function* nonzero(ctx: Context, self: Tensor): Generator<Tensor, Tensor, void> {
  const count = countOf(ctx, self);
  yield count;
  return coordinatesOf(ctx, self, Number(count.item()));
}

function* maskedSelect(ctx: Context, self: Tensor, mask: Tensor): Generator<Tensor, Tensor, void> {
  checkMask(mask, "masked_select");
  const shape = broadcastShapes(self.shape, mask.shape);
  const where = expanded(mask, shape);
  const count = countOf(ctx, where);
  yield count;
  return packed(ctx, expanded(self, shape), where, Number(count.item()));
}

export const positions: readonly Op[] = [
  op("aten::nonzero(Tensor self) -> Tensor", { reads: nonzero }),
  op("aten::argwhere(Tensor self) -> Tensor", { reads: nonzero }),
  op("aten::nonzero_numpy(Tensor self) -> Tensor[]", {
    reads: function* (ctx, self) {
      return unbind(yield* nonzero(ctx, self.rank === 0 ? reshaped(ctx, self, [1]) : self), 1);
    },
  }),
  op("aten::where(Tensor condition) -> Tensor[]", {
    reads: function* (ctx, self) {
      return unbind(yield* nonzero(ctx, self.rank === 0 ? reshaped(ctx, self, [1]) : self), 1);
    },
  }),
  op("aten::nonzero_static(Tensor self, *, SymInt size, int fill_value=-1) -> Tensor", {
    reads: function* (ctx, self, size, fill) {
      const count = countOf(ctx, self);
      yield count;
      const held = Number(count.item());
      const rows = coordinatesOf(ctx, self, held);
      const [out] = compute(ctx, staticProgram(), [size, self.rank], [rows], [held, BigInt(fill)]);
      return out;
    },
  }),
  op("aten::masked_select(Tensor self, Tensor mask) -> Tensor", { reads: maskedSelect }),
  op("aten::masked_select.out(Tensor self, Tensor mask, *, Tensor(a!) out) -> Tensor(a!)", {
    reads: function* (ctx, self, mask, out) {
      if (out.dtype !== self.dtype) throw new OpwiseError("dtype-mismatch", "masked_select(): self and result must have the same scalar type");
      checkOverlap(out, [self, mask], false);
      writeOut(ctx, out, yield* maskedSelect(ctx, self, mask));
      return out;
    },
  }),
];
