/**
 * Nested tensors of one ragged axis, as `nn.TransformerEncoder` makes them of a padded batch: the batch stays padded, with zeros, and
 * the tensor carries the lengths of its items. Ops that are not declared `nested` refuse them.
 */

import { arg, binary, cast, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, map, reduce } from "../../prims/calls.ts";
import { maxOf, sumOf } from "../../prims/combiner.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op, type Reads } from "../define.ts";
import { scalarValue } from "../elementwise.ts";
import { memo, programOf, size, zeroOf } from "./memo.ts";

const programs = memo<Program>();

/** True at the rows `[N, T]` that are padding. */
export function paddingRows(ctx: Context, lengths: Tensor, time: number): Tensor {
  const program = programs("padding", () =>
    programOf("padding_rows", ["float64"], [], "bool", [binary("ge", cast(index(1), "f64"), load(0, "f64", [index(0)]))]),
  );
  return compute(ctx, program, [lengths.shape[0] ?? 0, time], [lengths])[0] ?? unreachable("rows");
}

const list = (values: readonly number[]): string => `[${values.join(", ")}]`;

/** How many rows of each item a mask keeps. @throws dtype-mismatch, shape-mismatch */
function lengthsOf(ctx: Context, t: Tensor, mask: Tensor): Tensor {
  if (mask.dtype !== "bool") throw new OpwiseError("dtype-mismatch", `Expected mask to be of ScalarType Bool, but got ${mask.dtype} instead.`);
  if (mask.rank !== 2) throw new OpwiseError("shape-mismatch", "Padding mask should be 2D");
  if (t.rank !== 3) throw new OpwiseError("shape-mismatch", "Input should be a 3D tensor, N * L * D", { got: list(t.shape) });
  if (t.shape[0] !== mask.shape[0] || t.shape[1] !== mask.shape[1])
    throw new OpwiseError("shape-mismatch", "Mask size should match input size", { got: `${list(mask.shape)} for ${list(t.shape)}` });
  const program = programs("count", () => programOf("count", ["bool"], [], "float64", [cast(arg(0, "bool"), "f64")]));
  return reduce(ctx, program, sumOf("f64"), [mask], [1], false, ["float64"])[0] ?? unreachable("lengths");
}

/** Whether every item keeps its first rows and no others. */
function* leftAligned(ctx: Context, mask: Tensor, padding: Tensor): Generator<Tensor, boolean, void> {
  const program = programs("gaps", () => programOf("gaps", ["bool", "bool"], [], "float64", [cast(binary("and", arg(0, "bool"), arg(1, "bool")), "f64")]));
  const gaps = reduce(ctx, program, sumOf("f64"), [mask, padding], [0, 1], false, ["float64"])[0] ?? unreachable("gaps");
  yield gaps;
  return gaps.item() === 0;
}

function* fromMask(ctx: Context, t: Tensor, mask: Tensor, check: boolean): Reads {
  const lengths = lengthsOf(ctx, t, mask);
  const padding = paddingRows(ctx, lengths, mask.shape[1] ?? 0);
  if (check && !(yield* leftAligned(ctx, mask, padding))) throw new OpwiseError("bad-argument", "Mask must be left-aligned without gaps");
  // Zeros, so that nothing which lies in the padding can reach a value through a weight of zero.
  const program = programs(`zeroed,${t.dtype}`, () => {
    const value = new Num(arg(0, computeType(t.dtype)));
    return programOf("masked_fill", [t.dtype, "bool"], [], t.dtype, [new Num(arg(1, "bool")).where(value.lit(0), value).re]);
  });
  const out = map(ctx, program, [t, viewOf(padding, [...padding.shape, 1], [...padding.strides, 1], 0)])[0] ?? unreachable("padded");
  out.lengths = lengths;
  return out;
}

/** The items padded with `padding` to the longest, or to `outputSize`. */
function* toPadded(ctx: Context, t: Tensor, padding: number, outputSize: readonly number[] | null): Reads {
  const { lengths, dtype } = t;
  if (lengths === undefined)
    throw new OpwiseError("type-mismatch", "to_padded_tensor: expected a nested tensor", { hint: "a tensor of one shape is padded already" });
  const program = programs("longest", () => programOf("longest", ["float64"], [], "float64", [arg(0, "f64")]));
  const longest = reduce(ctx, program, maxOf("f64"), [lengths], [0], false, ["float64"])[0] ?? unreachable("longest");
  yield longest;
  const least = [t.shape[0] ?? 0, Math.max(0, Number(longest.item())), t.shape[2] ?? 0];
  if (outputSize !== null && outputSize.length !== 3)
    throw new OpwiseError("shape-mismatch", "Length of output_size does not match NestedTensor dims. Broadcasting is not supported.", {
      got: list(outputSize),
    });
  if (outputSize?.some((n, axis) => n < (least[axis] ?? 0)) === true)
    throw new OpwiseError("shape-mismatch", "Value in output_size is less than NestedTensor padded size. Truncation is not supported.", {
      wanted: list(least),
      got: list(outputSize),
    });
  const type = computeType(dtype);
  const padded = programs(`padded,${dtype}`, () => {
    const [i, j, k] = [index(0), index(1), index(2)];
    const inside = binary("and", binary("lt", cast(j, "f64"), load(1, "f64", [i])), binary("lt", k, size(1)));
    const value = new Num(load(0, type, [i, j, k], 0, inside, zeroOf(type)));
    return programOf("to_padded", [dtype, "float64"], [type, "index"], dtype, [new Num(inside).where(value, new Num(scalar(0, type))).re]);
  });
  return compute(ctx, padded, outputSize ?? least, [t, lengths], [scalarValue(padding, type), t.shape[2] ?? 0])[0] ?? unreachable("padded");
}

export const nestedTensors: readonly Op[] = [
  op("aten::_nested_tensor_from_mask(Tensor t, Tensor mask, bool mask_check=True) -> Tensor", { reads: fromMask }),
  op("aten::_nested_tensor_from_mask_left_aligned(Tensor t, Tensor mask) -> bool", {
    reads: function* (ctx, t, mask) {
      return yield* leftAligned(ctx, mask, paddingRows(ctx, lengthsOf(ctx, t, mask), mask.shape[1] ?? 0));
    },
  }),
  op("aten::to_padded_tensor(Tensor self, float padding, SymInt[]? output_size=None) -> Tensor", { reads: toPadded, nested: true }),
  op("aten::nested_to_padded_tensor(Tensor self, float padding, int[]? output_size=None) -> Tensor", { reads: toPadded, nested: true }),
];
