/** Reading and writing at indices: Gather, GatherElements, GatherND, the scatters, Compress, NonZero, TopK, ReverseSequence. */

import { binary, cast, constant, type Expr, index, load, select } from "../../expr/expr.ts";
import { copyOf } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { reshaped, transposed } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { boundedIndex, gatherAt, indexSelect, scatterInto } from "../aten/indexing.ts";
import { addOf, axes, loadIndex, loadParts, memo, size, subOf } from "../aten/memo.ts";
import { coordinatesOf, countOf } from "../aten/nonzero.ts";
import { firstSorted } from "../aten/sorting.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, integerAt, integersOf, type Reading, tensorAt } from "./inputs.ts";
import { computeOf } from "./programs.ts";

const programs = memo<Program>();
const OUT_OF_RANGE = ["index is out of bounds for its dimension"];

function* gather(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const [x, indices] = [tensorAt(call, 0), tensorAt(call, 1)];
  const axis = axisOf(call.attributes.int("axis", 0), x.rank);
  if (x.rank === 0) throw new OpwiseError("shape-mismatch", "Gather from a tensor without axes");
  // One index that the file has is PyTorch's `select`: a view. Any other may differ from run to run, and is not read here.
  if (indices.rank === 0 && indices.storage.hasSource) {
    yield indices;
    const [given = 0] = integersOf(indices);
    const size = x.shape[axis] ?? 0;
    const at = given < 0 ? given + size : given;
    const rest = (values: readonly number[]): number[] => values.filter((_, i) => i !== axis);
    if (at >= 0 && at < size) return viewOf(x, rest(x.shape), rest(x.strides), x.offset + at * (x.strides[axis] ?? 0));
  }
  return gatherAt(
    ctx,
    x,
    x.shape.map((_, i) => (i === axis ? indices : undefined)),
  );
}

/** Element `[..., indices[...], ...]` along `axis` for each position of the indices. */
function gatherElements(ctx: Context, call: OnnxCall): Tensor {
  const [x, indices] = [tensorAt(call, 0), tensorAt(call, 1)];
  const axis = axisOf(call.attributes.int("axis", 0), x.rank);
  if (x.rank !== indices.rank) throw new OpwiseError("shape-mismatch", `GatherElements wants indices of rank ${x.rank}`, { got: `rank ${indices.rank}` });
  return computeOf(ctx, "gather_elements", String(axis), indices.shape, [x, indices], x.dtype, ["index"], [x.shape[axis] ?? 0], () => {
    const here = axes(x.rank);
    const at = boundedIndex(loadIndex(1, indices.dtype, here), size(0), "wrap", 0);
    return {
      parts: loadParts(
        0,
        x.dtype,
        here.map((e, i) => (i === axis ? at : e)),
      ),
      messages: OUT_OF_RANGE,
    };
  });
}

/** Coordinates that an index tensor's last axis holds, wrapped: component `j` for the positions `lead`. */
function component(slot: number, indices: Tensor, lead: readonly Expr[], j: number, length: Expr): Expr {
  return boundedIndex(loadIndex(slot, indices.dtype, [...lead, constant(j, "index")]), length, "wrap", 0);
}

function gatherND(ctx: Context, call: OnnxCall): Tensor {
  const [x, indices] = [tensorAt(call, 0), tensorAt(call, 1)];
  const batch = call.attributes.int("batch_dims", 0);
  const depth = indices.shape[indices.rank - 1] ?? 0;
  if (batch + depth > x.rank || batch >= indices.rank)
    throw new OpwiseError("shape-mismatch", `GatherND of rank ${x.rank} by indices [${indices.shape.join(", ")}] with ${batch} batch axes`);
  const lead = indices.rank - 1;
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(batch + depth)];
  const lengths = x.shape.slice(batch, batch + depth);
  return computeOf(
    ctx,
    "gather_nd",
    `${batch},${depth}`,
    shape,
    [x, indices],
    x.dtype,
    lengths.map(() => "index"),
    lengths,
    () => {
      const given = lengths.map((_, j) => component(1, indices, axes(lead), j, size(j)));
      return { parts: loadParts(0, x.dtype, [...axes(batch), ...given, ...axes(shape.length, lead)]), messages: OUT_OF_RANGE };
    },
  );
}

type Combine = "set" | "add" | "mul" | "min" | "max";
function combineOf(call: OnnxCall): Combine {
  const name = call.attributes.string("reduction", "none");
  if (name === "none") return "set";
  if (name === "add" || name === "mul" || name === "min" || name === "max") return name;
  throw new OpwiseError("bad-onnx", `\`reduction\` is unknown`, { wanted: "none, add, mul, min or max", got: name });
}

function scatterElements(ctx: Context, call: OnnxCall): Tensor {
  const [x, indices, updates] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  const axis = axisOf(call.attributes.int("axis", 0), x.rank);
  if (indices.rank !== x.rank || updates.rank !== x.rank)
    throw new OpwiseError("shape-mismatch", `ScatterElements wants indices and updates of rank ${x.rank}`);
  const program = programs(`scatter ${x.dtype},${indices.dtype},${x.rank},${axis}`, () => {
    const here = axes(x.rank);
    const at = boundedIndex(loadIndex(0, indices.dtype, here), size(0), "wrap", 0);
    return {
      name: "scatter_elements",
      operands: [indices.dtype, x.dtype],
      scalars: ["index"],
      messages: OUT_OF_RANGE,
      outputs: [...here.map((e, i) => ({ dtype: "int64" as const, parts: [i === axis ? at : e] })), { dtype: x.dtype, parts: loadParts(1, x.dtype, here) }],
    };
  });
  return scatterInto(ctx, copyOf(ctx, x), program, indices.shape, [indices, updates], [x.shape[axis] ?? 0], combineOf(call));
}

function scatterND(ctx: Context, call: OnnxCall): Tensor {
  const [x, indices, updates] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  const depth = indices.shape[indices.rank - 1] ?? 0;
  const lead = indices.rank - 1;
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(depth)];
  if (depth > x.rank || numelOf(shape) !== updates.numel) {
    throw new OpwiseError("shape-mismatch", `ScatterND wants updates of shape [${shape.join(", ")}]`, { got: `[${updates.shape.join(", ")}]` });
  }
  const program = programs(`scatter_nd ${x.dtype},${indices.dtype},${x.rank},${lead},${depth}`, () => {
    const given = Array.from({ length: depth }, (_, j) => component(0, indices, axes(lead), j, size(j)));
    const rest = axes(shape.length, lead);
    return {
      name: "scatter_nd",
      operands: [indices.dtype, x.dtype],
      scalars: given.map(() => "index" as const),
      messages: OUT_OF_RANGE,
      outputs: [
        ...[...given, ...rest].map((e) => ({ dtype: "int64" as const, parts: [e] })),
        { dtype: x.dtype, parts: loadParts(1, x.dtype, axes(shape.length)) },
      ],
    };
  });
  return scatterInto(ctx, copyOf(ctx, x), program, shape, [indices, updates], x.shape.slice(0, depth), combineOf(call));
}

/** Slices where the condition holds; a short condition leaves the rest out. */
function* compress(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const [given, condition] = [tensorAt(call, 0), tensorAt(call, 1)];
  const whole = !call.attributes.has("axis");
  const x = whole ? reshaped(ctx, given, [given.numel]) : given;
  const axis = whole ? 0 : axisOf(call.attributes.int("axis"), x.rank);
  const count = countOf(ctx, condition);
  yield count;
  const rows = Number(count.item());
  return indexSelect(ctx, x, axis, reshaped(ctx, coordinatesOf(ctx, condition, rows), [rows]));
}

/** Coordinates of the elements that are not zero, one row per axis. */
function* nonZero(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const given = tensorAt(call, 0);
  const x = given.rank === 0 ? reshaped(ctx, given, [1]) : given;
  const count = countOf(ctx, x);
  yield count;
  return transposed(coordinatesOf(ctx, x, Number(count.item())), 0, 1);
}

/** Before version 10, `k` was an attribute. */
function* topK(ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const x = tensorAt(call, 0);
  const axis = axisOf(call.attributes.int("axis", -1), x.rank);
  const k = call.version >= 10 ? ((yield* integerAt(call, 1)) ?? 0) : call.attributes.int("k");
  return firstSorted(ctx, x, k, axis, call.attributes.int("largest", 1) !== 0);
}

/** The first `lengths[b]` steps of each sequence in reverse; the rest stays. */
function reverseSequence(ctx: Context, call: OnnxCall): Tensor {
  const [x, lengths] = [tensorAt(call, 0), tensorAt(call, 1)];
  const [batch, time] = [axisOf(call.attributes.int("batch_axis", 1), x.rank), axisOf(call.attributes.int("time_axis", 0), x.rank)];
  return computeOf(ctx, "reverse_sequence", `${batch},${time}`, x.shape, [x, lengths], x.dtype, [], [], () => {
    const here = axes(x.rank);
    const length = loadIndex(1, lengths.dtype, [index(batch)]);
    const turned = select(binary("lt", index(time), length), subOf(subOf(length, constant(1, "index")), index(time)), index(time));
    return {
      parts: loadParts(
        0,
        x.dtype,
        here.map((e, i) => (i === time ? turned : e)),
      ),
    };
  });
}

/** A cache with an update written at each sample's own place along `axis`. */
function tensorScatter(ctx: Context, call: OnnxCall): Tensor {
  const [past, update] = [tensorAt(call, 0), tensorAt(call, 1)];
  const places = call.inputs[2] ?? null;
  const axis = axisOf(call.attributes.int("axis", -2), past.rank);
  const circular = call.attributes.string("mode", "linear") === "circular";
  const written = places === null ? undefined : tensorAt(call, 2);
  const program = programs(`tensor_scatter ${past.dtype},${written?.dtype},${past.rank},${axis},${circular}`, () => {
    const here = axes(past.rank);
    const start = written === undefined ? constant(0, "index") : cast(load(1, computeType(written.dtype), [index(0)]), "index");
    const moved = addOf(index(axis), start);
    const at = circular ? binary("remainder", moved, size(0)) : boundedIndex(moved, size(0), "strict", 0);
    return {
      name: "tensor_scatter",
      operands: written === undefined ? [past.dtype] : [past.dtype, written.dtype],
      scalars: ["index"],
      messages: OUT_OF_RANGE,
      outputs: [
        ...here.map((e, i) => ({ dtype: "int64" as const, parts: [i === axis ? at : e] })),
        { dtype: past.dtype, parts: loadParts(0, past.dtype, here) },
      ],
    };
  });
  return scatterInto(ctx, copyOf(ctx, past), program, update.shape, written === undefined ? [update] : [update, written], [past.shape[axis] ?? 0], "set");
}

export const indexingOps: readonly OnnxOp[] = [
  onnxOp("Gather", { 1: { reads: gather } }),
  onnxOp("GatherElements", { 11: { run: gatherElements } }),
  onnxOp("GatherND", { 11: { run: gatherND } }),
  onnxOp("Scatter", { 9: { run: scatterElements } }),
  onnxOp("ScatterElements", { 11: { run: scatterElements } }),
  onnxOp("ScatterND", { 11: { run: scatterND } }),
  onnxOp("TensorScatter", { 24: { run: tensorScatter } }),
  onnxOp("Compress", { 9: { reads: compress } }),
  onnxOp("NonZero", { 9: { reads: nonZero } }),
  onnxOp("TopK", { 1: { reads: topK } }),
  onnxOp("ReverseSequence", { 10: { run: reverseSequence } }),
];
