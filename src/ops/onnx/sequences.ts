/** Sequences and optionals. A sequence is a list, which these ops never change; an optional without an element is null. */

import { type Datum, makeList } from "../../ir/datum.ts";
import { T } from "../../ir/type.ts";
import type { Context } from "../../prims/context.ts";
import { squeezed } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { cat, stack } from "../aten/joins.ts";
import { splitSizes } from "../aten/splits.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, integerAt, integersAt, listAt, maybeTensor, type Reading, tensorAt, tensorsFrom } from "./inputs.ts";

const listOf = (items: readonly Datum[]): Datum => makeList(T.Tensor, [...items]);
const flag = (value: boolean): Tensor => Tensor.from([value], [], "bool");

/** `at` among `count` places, negative ones from the end. @throws index-out-of-range */
function placed(at: number, count: number, size: number): number {
  const place = at < 0 ? at + size : at;
  if (place >= 0 && place < count) return place;
  throw new OpwiseError("index-out-of-range", `position ${at} is outside the sequence`, { wanted: `[${-size}, ${count - 1}]`, got: String(at) });
}

function* sequenceAt(_ctx: Context, call: OnnxCall): Reading<Datum> {
  const { items } = listAt(call, 0);
  const at = (yield* integerAt(call, 1)) ?? 0;
  return items[placed(at, items.length, items.length)] ?? null;
}

function* sequenceInsert(_ctx: Context, call: OnnxCall): Reading<Datum> {
  const items = [...listAt(call, 0).items];
  const at = yield* integerAt(call, 2);
  items.splice(at === undefined ? items.length : placed(at, items.length + 1, items.length), 0, call.inputs[1] ?? null);
  return listOf(items);
}

function* sequenceErase(_ctx: Context, call: OnnxCall): Reading<Datum> {
  const items = [...listAt(call, 0).items];
  const at = (yield* integerAt(call, 1)) ?? -1;
  items.splice(placed(at, items.length, items.length), 1);
  return listOf(items);
}

/** Equal parts (the last may be shorter), parts of given sizes, or single slices whose axis is dropped unless `keepdims`. */
function* splitToSequence(_ctx: Context, call: OnnxCall): Reading<Datum> {
  const x = tensorAt(call, 0);
  const axis = axisOf(call.attributes.int("axis", 0), x.rank);
  const length = x.shape[axis] ?? 0;
  const given = maybeTensor(call, 1);
  const sizes = yield* integersAt(call, 1);
  if (given !== undefined && given.rank > 0) {
    if ((sizes ?? []).reduce((a, b) => a + b, 0) !== length)
      throw new OpwiseError("shape-mismatch", `the parts do not add up to axis ${axis}`, { wanted: String(length), got: `[${(sizes ?? []).join(", ")}]` });
    return listOf(splitSizes(x, sizes ?? [], axis));
  }
  const size = sizes?.[0] ?? 1;
  if (size < 1) throw new OpwiseError("bad-argument", "`split` must be positive", { got: String(size) });
  const parts = splitSizes(
    x,
    Array.from({ length: Math.ceil(length / size) }, (_, i) => Math.min(size, length - i * size)),
    axis,
  );
  return listOf(given === undefined && call.attributes.int("keepdims", 1) === 0 ? parts.map((t) => squeezed(t, [axis])) : parts);
}

function concatFromSequence(ctx: Context, call: OnnxCall): Tensor {
  const items = listAt(call, 0).items.map((t) => {
    if (t instanceof Tensor) return t;
    throw new OpwiseError("type-mismatch", "ConcatFromSequence of a sequence that does not hold tensors");
  });
  const axis = call.attributes.int("axis");
  if (items.length === 0) throw new OpwiseError("bad-argument", "ConcatFromSequence of an empty sequence");
  return call.attributes.int("new_axis", 0) !== 0 ? stack(ctx, items, axis) : cat(ctx, items, axisOf(axis, items[0]?.rank ?? 0));
}

function element(call: OnnxCall): Datum {
  const value = call.inputs[0] ?? null;
  if (value === null) throw new OpwiseError("runtime-error", "OptionalGetElement of an optional without an element", { hint: "ask OptionalHasElement before" });
  return value;
}

export const sequenceOps: readonly OnnxOp[] = [
  onnxOp("SequenceEmpty", { 11: { run: () => listOf([]) } }),
  onnxOp("SequenceConstruct", { 11: { run: (_ctx, call) => listOf(tensorsFrom(call)) } }),
  onnxOp("SequenceLength", { 11: { run: (_ctx, call) => Tensor.from([BigInt(listAt(call, 0).items.length)], [], "int64") } }),
  onnxOp("SequenceAt", { 11: { reads: sequenceAt } }),
  onnxOp("SequenceInsert", { 11: { reads: sequenceInsert } }),
  onnxOp("SequenceErase", { 11: { reads: sequenceErase } }),
  onnxOp("SplitToSequence", { 11: { reads: splitToSequence } }),
  onnxOp("ConcatFromSequence", { 11: { run: concatFromSequence } }),
  onnxOp("Optional", { 15: { run: (_ctx, call) => call.inputs[0] ?? null } }),
  onnxOp("OptionalHasElement", { 15: { run: (_ctx, call) => flag((call.inputs[0] ?? null) !== null) } }),
  onnxOp("OptionalGetElement", { 15: { run: (_ctx, call) => element(call) } }),
];
