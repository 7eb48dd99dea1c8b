/** Looking values up (PyTorch: searchsorted, bucketize, isin, one_hot), and repeating by counts. */

import { arg, binary, cast, check, constant, type Expr, fold, index, load, scalar, select } from "../../expr/expr.ts";
import { cast_, compute, copyOf, empty, reduce, scan } from "../../prims/calls.ts";
import { anyOf, maxOf, sumOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { expanded, flattened, reshaped, unsqueezed } from "../../prims/views.ts";
import type { Scalar } from "../../ir/datum.ts";
import { type DType, isComplex, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { sameShape, wrapDim } from "../../tensor/shape.ts";
import { type Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { resultType } from "../promotion.ts";
import { dtypeOfScalar } from "./element.ts";
import { filled } from "./filling.ts";
import { indexSelect } from "./indexing.ts";
import { addOf, axes, loadIndex, memo, quotOf } from "./memo.ts";

const programs = memo<Program>();

/** Bisection: the first place whose boundary is not below the value (or, `right`, is above it). NaN is above all. */
function bisectProgram(dtype: DType, rank: number, boundaryRank: number, right: boolean, sorter: boolean, out: DType): Program {
  return programs(`bisect ${dtype},${rank},${boundaryRank},${right},${sorter},${out}`, () => {
    const type = computeType(dtype);
    const value = load(1, type, axes(rank));
    const lead = boundaryRank === 1 ? [] : axes(boundaryRank - 1);
    const boundary = (at: Expr): Expr => load(0, type, [...lead, sorter ? loadIndex(2, "int64", [...lead, at]) : at]);
    const one = constant(1, "index");
    const [low = unreachable("state")] = fold(0, scalar(0, "index"), [constant(0, "index"), scalar(1, "index")], ([from = one, to = one]) => {
      const open = binary("lt", from, to);
      const middle = quotOf(addOf(from, to), constant(2, "index"));
      // Past the end nothing is read: a finished search stays as it is.
      const at = select(open, middle, constant(0, "index"));
      const reached = binary(right ? "gt" : "ge", boundary(at), value);
      const goesUp = binary("and", open, select(reached, constant(false, "bool"), constant(true, "bool")));
      const goesDown = binary("and", open, reached);
      return [select(goesUp, addOf(middle, one), from), select(goesDown, middle, to)];
    });
    const operands: DType[] = sorter ? [dtype, dtype, "int64"] : [dtype, dtype];
    return { name: "searchsorted", operands, scalars: ["index", "index"], outputs: [{ dtype: out, parts: [cast(low, computeType(out))] }], messages: [] };
  });
}

function searchsorted(ctx: Context, sorted: Tensor, values: Tensor, outInt32: boolean, right: boolean, side: string | null, sorter: Tensor | null): Tensor {
  if (side !== null && side !== "left" && side !== "right") throw new OpwiseError("bad-argument", `torch.searchsorted(): side can only be 'left' or 'right' but got ${side}`);
  if (side === "left" && right) throw new OpwiseError("bad-argument", "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True");
  if (sorted.rank === 0) throw new OpwiseError("bad-argument", "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension is 1, but we got boundaries tensor dim(0) and input value's dim(" + values.rank + ") numel(" + values.numel + ")");
  if (sorted.rank !== 1 && (values.rank === 0 || !sameShape(sorted.shape.slice(0, -1), values.shape.slice(0, -1)))) {
    throw new OpwiseError("shape-mismatch", `torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and input value tensor must match, but we got boundaries tensor [${sorted.shape.join(", ")}] and input value tensor [${values.shape.join(", ")}]`);
  }
  if (sorter !== null) {
    if (!sameShape(sorter.shape, sorted.shape)) throw new OpwiseError("shape-mismatch", `torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor [${sorted.shape.join(", ")}] and got sorter tensor [${sorter.shape.join(", ")}]`);
    if (sorter.dtype !== "int64") throw new OpwiseError("dtype-mismatch", `torch.searchsorted(): sorter must be a tensor of long dtype but got dtype ${scalarName(sorter.dtype)}`);
  }
  const common = sorted.dtype === values.dtype ? sorted.dtype : resultType([sorted, values], ctx.defaultDtype);
  if (isComplex(common)) throw new OpwiseError("unsupported-dtype", "torch.searchsorted(): complex numbers have no order");
  const n = sorted.shape[sorted.rank - 1] ?? 0;
  const out: DType = outInt32 ? "int32" : "int64";
  if (n === 0) return filled(ctx, values.shape, out, { kind: "int", value: 0 });
  const program = bisectProgram(common, values.rank, sorted.rank, right || side === "right", sorter !== null, out);
  const operands = [cast_(ctx, sorted, common), cast_(ctx, values, common), ...(sorter === null ? [] : [sorter])];
  return compute(ctx, program, values.shape, operands, [Math.ceil(Math.log2(n + 1)) + 1, n])[0] ?? unreachable("searchsorted");
}

/** A number as a 0-d tensor of the dtype it is promoted as among tensors of `like`. */
function wrappedScalar(ctx: Context, value: Scalar, like: Tensor): Tensor {
  return filled(ctx, [], resultType([like, value], ctx.defaultDtype), value);
}

function bucketize(ctx: Context, values: Tensor, boundaries: Tensor, outInt32: boolean, right: boolean): Tensor {
  if (boundaries.rank !== 1) throw new OpwiseError("bad-argument", `boundaries tensor must be 1 dimension, but got dim(${boundaries.rank})`);
  return searchsorted(ctx, boundaries, values, outInt32, right, null, null);
}

function equalProgram(dtype: DType): Program {
  return programs(`equal ${dtype}`, () => {
    const type = computeType(dtype);
    let equal = binary("eq", arg(0, type), arg(1, type));
    if (isComplex(dtype)) equal = binary("and", equal, binary("eq", arg(0, type, 1), arg(1, type, 1)));
    return { name: "isin", operands: [dtype, dtype], scalars: [], outputs: [{ dtype: "bool", parts: [equal] }], messages: [] };
  });
}
const notProgram = (): Program => programs("not", () => ({ name: "not", operands: ["bool"], scalars: [], outputs: [{ dtype: "bool", parts: [binary("eq", load(0, "bool", [index(0)]), constant(false, "bool"))] }], messages: [] }));

/** Whether each element is among the test elements. */
function isin(ctx: Context, elements: Tensor, tests: Tensor, invert: boolean): Tensor {
  const common = resultType([elements, tests], ctx.defaultDtype);
  const column = unsqueezed(reshaped(ctx, cast_(ctx, elements, common), [elements.numel]), 1);
  const row = reshaped(ctx, cast_(ctx, tests, common), [tests.numel]);
  const [found] = tests.numel === 0
    ? [filled(ctx, [elements.numel], "bool", { kind: "bool", value: false })]
    : reduce(ctx, equalProgram(common), anyOf(), [column, row], [1], false, ["bool"]);
  const flags = found ?? unreachable("isin");
  const result = invert ? (compute(ctx, notProgram(), flags.shape, [flags])[0] ?? flags) : flags;
  return reshaped(ctx, result, elements.shape);
}

function oneHotProgram(rank: number): Program {
  return programs(`one_hot ${rank}`, () => {
    const value = loadIndex(0, "int64", axes(rank));
    const positive = check(binary("ge", value, constant(0, "index")), value, 0);
    const valid = check(binary("lt", positive, scalar(0, "index")), positive, 1);
    return {
      name: "one_hot", operands: ["int64"], scalars: ["index"], outputs: [{ dtype: "int64", parts: [cast(binary("eq", valid, index(rank)), "i64")] }],
      messages: ["Class values must be non-negative.", "Class values must be smaller than num_classes."],
    };
  });
}
const largest = (): Program => programs("largest", () => ({ name: "max", operands: ["int64"], scalars: [], outputs: [{ dtype: "int64", parts: [arg(0, "i64")] }], messages: [] }));

function* oneHot(ctx: Context, self: Tensor, classes: number): Generator<Tensor, Tensor, void> {
  if (self.dtype !== "int64") throw new OpwiseError("dtype-mismatch", `one_hot is only applicable to index tensor of type LongTensor.`, { got: self.dtype });
  let count = classes;
  if (self.numel === 0) {
    if (classes <= 0) throw new OpwiseError("bad-argument", "Can not infer total number of classes from empty tensor.");
    return empty(ctx, [...self.shape, classes], "int64");
  }
  if (classes === -1) {
    const [top] = reduce(ctx, largest(), maxOf("i64"), [self], self.shape.map((_, i) => i), false, ["int64"]);
    const most = top ?? self;
    yield most;
    count = Number(most.item()) + 1;
    if (count < 1) throw new OpwiseError("bad-argument", "Class values must be non-negative.");
  } else if (classes < 1) throw new OpwiseError("bad-argument", "num_classes should be positive");
  return compute(ctx, oneHotProgram(self.rank), [...self.shape, count], [self], [count])[0] ?? unreachable("one_hot");
}

const countsProgram = (dtype: DType): Program =>
  programs(`counts ${dtype}`, () => {
    const value = arg(0, computeType(dtype));
    const zero = constant(computeType(dtype) === "i64" ? 0n : 0, computeType(dtype));
    return { name: "repeats", operands: [dtype], scalars: [], outputs: [{ dtype: "int64", parts: [cast(check(binary("ge", value, zero), value, 0), "i64")] }], messages: ["repeats can not be negative"] };
  });

/** For a vector of counts, each position as often as its count says; `total` is their sum where it is known. */
function* repeated(ctx: Context, repeats: Tensor, total: number | null): Generator<Tensor, Tensor, void> {
  if (repeats.rank !== 1) throw new OpwiseError("bad-argument", "repeat_interleave only accept 1D vector as repeat");
  if (repeats.dtype !== "int64" && repeats.dtype !== "int32") throw new OpwiseError("dtype-mismatch", "repeats has to be Long or Int tensor");
  if (repeats.numel === 0) return empty(ctx, [0], repeats.dtype);
  const [sums] = scan(ctx, countsProgram(repeats.dtype), sumOf("i64"), [repeats], 0, ["int64"]);
  const ends = sums ?? repeats;
  const last = reshaped(ctx, ends, [ends.numel]);
  let count = total;
  if (count === null) {
    yield last;
    count = Number(last.data[last.numel - 1] ?? 0);
  }
  const places = compute(ctx, programs("count up", () => ({ name: "arange", operands: [], scalars: [], outputs: [{ dtype: "int64", parts: [cast(index(0), "i64")] }], messages: [] })), [count], [])[0] ?? ends;
  return cast_(ctx, searchsorted(ctx, ends, places, false, true, null, null), repeats.dtype);
}

function* repeatInterleave(ctx: Context, self: Tensor, repeats: Tensor, dim: number | null, total: number | null): Generator<Tensor, Tensor, void> {
  const input = dim === null ? flattened(ctx, self) : self;
  const axis = wrapDim(dim ?? 0, input.rank);
  const length = input.shape[axis] ?? 1;
  if (repeats.numel !== 1 && repeats.numel !== length) {
    throw new OpwiseError("shape-mismatch", `repeats must have the same size as input along dim, but got repeats.size(0) = ${repeats.numel} and input.size(${axis}) = ${length}`);
  }
  const counts = expanded(reshaped(ctx, repeats, [repeats.numel]), [length]);
  return indexSelect(ctx, input, axis, yield* repeated(ctx, counts, total));
}


export const searching: readonly Op[] = [
  op("aten::searchsorted.Tensor(Tensor sorted_sequence, Tensor self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor", { run: searchsorted }),
  op("aten::searchsorted.Scalar(Tensor sorted_sequence, Scalar self, *, bool out_int32=False, bool right=False, str? side=None, Tensor? sorter=None) -> Tensor", {
    run: (ctx, sorted, value, outInt32, right, side, sorter) => searchsorted(ctx, sorted, wrappedScalar(ctx, value, sorted), outInt32, right, side, sorter),
  }),
  op("aten::bucketize.Tensor(Tensor self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor", { run: bucketize }),
  op("aten::bucketize.Scalar(Scalar self, Tensor boundaries, *, bool out_int32=False, bool right=False) -> Tensor", {
    run: (ctx, value, boundaries, outInt32, right) => bucketize(ctx, wrappedScalar(ctx, value, boundaries), boundaries, outInt32, right),
  }),
  op("aten::isin.Tensor_Tensor(Tensor elements, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor", { run: (ctx, elements, tests, _unique, invert) => isin(ctx, elements, tests, invert) }),
  op("aten::isin.Tensor_Scalar(Tensor elements, Scalar test_element, *, bool assume_unique=False, bool invert=False) -> Tensor", { run: (ctx, elements, test, _unique, invert) => isin(ctx, elements, filled(ctx, [], dtypeOfScalar(test, ctx.defaultDtype), test), invert) }),
  op("aten::isin.Scalar_Tensor(Scalar element, Tensor test_elements, *, bool assume_unique=False, bool invert=False) -> Tensor", { run: (ctx, element, tests, _unique, invert) => isin(ctx, filled(ctx, [], dtypeOfScalar(element, ctx.defaultDtype), element), tests, invert) }),
  op("aten::one_hot(Tensor self, int num_classes=-1) -> Tensor", { reads: oneHot }),
  op("aten::repeat_interleave.Tensor(Tensor repeats, *, SymInt? output_size=None) -> Tensor", { reads: repeated }),
  op("aten::repeat_interleave.self_Tensor(Tensor self, Tensor repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor", { reads: repeatInterleave, quantised: "codes" }),
  op("aten::repeat_interleave.self_int(Tensor self, SymInt repeats, int? dim=None, *, SymInt? output_size=None) -> Tensor", {
    run: (ctx, self, repeats, dim) => {
      const input = dim === null ? flattened(ctx, self) : self;
      const axis = wrapDim(dim ?? 0, input.rank);
      if (repeats < 0) throw new OpwiseError("bad-argument", "Repeats must be non-negative");
      const wide = expanded(unsqueezed(input, axis + 1), [...input.shape.slice(0, axis + 1), repeats, ...input.shape.slice(axis + 1)]);
      return reshaped(ctx, copyOf(ctx, wide), input.shape.map((s, i) => (i === axis ? s * repeats : s)));
    },
    quantised: "codes",
  }),
];
