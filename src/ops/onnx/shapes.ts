/** Shapes and views: Reshape, Transpose, Slice, Concat, Split and their kin. */

import { copyInto, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { expanded, permuted, reshaped, sliced, squeezed, unsqueezed } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes, numelOf } from "../../tensor/shape.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { cat } from "../aten/joins.ts";
import { flip } from "../aten/rearrange.ts";
import { splitSizes } from "../aten/splits.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, integerAt, integersAt, type Reading, tensorAt, tensorsFrom } from "./inputs.ts";

/** A list from input `at`, or from the attribute of that name where the version has it there. */
export function* listOf(call: OnnxCall, at: number, name: string): Reading<readonly number[] | undefined> {
  const given = yield* integersAt(call, at);
  return given ?? call.attributes.ints(name);
}

function* reshape(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const wanted = yield* listOf(call, 1, "shape");
  if (wanted === undefined) throw new OpwiseError("bad-onnx", "Reshape needs a shape");
  const keepZero = call.attributes.int("allowzero", 0) !== 0;
  if (keepZero && wanted.includes(0) && wanted.includes(-1))
    throw new OpwiseError("bad-onnx", "with `allowzero` a shape cannot have both 0 and -1", { got: `[${wanted.join(", ")}]` });
  const shape = wanted.map((size, i) => {
    if (size !== 0 || keepZero) return size;
    const own = x.shape[i];
    if (own === undefined) throw new OpwiseError("shape-mismatch", `size ${i} of the new shape is to be copied from an input of rank ${x.rank}`);
    return own;
  });
  const free = shape.indexOf(-1);
  // Sizes of 0 leave -1 to be 0 as well, where the rest is not empty.
  if (free >= 0 && x.numel === 0 && numelOf(shape.filter((_, i) => i !== free)) === 0) shape[free] = 0;
  return reshaped(ctx, x, shape);
}

function* squeeze(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const axes = yield* listOf(call, 1, "axes");
  if (axes === undefined) return squeezed(x);
  const drop = axes.map((a) => axisOf(a, x.rank));
  for (const axis of drop) {
    if (x.shape[axis] !== 1)
      throw new OpwiseError("shape-mismatch", `axis ${axis} of size ${x.shape[axis]} cannot be squeezed away`, { got: `[${x.shape.join(", ")}]` });
  }
  return drop.length === 0
    ? x
    : reshaped(
        ctx,
        x,
        x.shape.filter((_, i) => !drop.includes(i)),
      );
}

function* unsqueeze(_ctx: Context, call: OnnxCall): Reading<Tensor> {
  let x = tensorAt(call, 0);
  const axes = yield* listOf(call, 1, "axes");
  if (axes === undefined) throw new OpwiseError("bad-onnx", "Unsqueeze needs axes");
  const rank = x.rank + axes.length;
  const places = axes.map((a) => axisOf(a, rank));
  if (new Set(places).size !== places.length) throw new OpwiseError("bad-onnx", "Unsqueeze names an axis twice", { got: `[${axes.join(", ")}]` });
  for (const axis of places.sort((a, b) => a - b)) x = unsqueezed(x, axis);
  return x;
}

interface Cut {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/** One axis cut, with numpy's clamping; a negative step goes backwards. */
function cut(ctx: Context, x: Tensor, { axis, start, end, step }: Cut): Tensor {
  const size = x.shape[axis] ?? 0;
  if (step === 0) throw new OpwiseError("bad-argument", "Slice with a step of 0");
  const wrap = (v: number): number => (v < 0 ? v + size : v);
  if (step > 0) {
    const from = Math.min(Math.max(wrap(start), 0), size);
    const to = Math.min(Math.max(wrap(end), 0), size);
    return sliced(x, axis, from, Math.max(to, from), step);
  }
  const from = Math.min(Math.max(wrap(start), Math.min(0, size - 1)), size - 1);
  const to = Math.min(Math.max(wrap(end), -1), size - 1);
  const count = Math.max(Math.ceil((to - from) / step), 0);
  if (count === 0) return sliced(x, axis, 0, 0, 1);
  return flip(ctx, sliced(x, axis, from + (count - 1) * step, from + 1, -step), [axis]);
}

function* slice(ctx: Context, call: OnnxCall): Reading<Tensor> {
  let x = tensorAt(call, 0);
  const starts = yield* listOf(call, 1, "starts");
  const ends = yield* listOf(call, 2, "ends");
  const axes = yield* listOf(call, 3, "axes");
  const steps = yield* integersAt(call, 4);
  if (starts === undefined || ends === undefined || starts.length !== ends.length)
    throw new OpwiseError("bad-onnx", "Slice needs as many starts as ends", { got: `${starts?.length ?? 0} and ${ends?.length ?? 0}` });
  starts.forEach((start, i) => {
    x = cut(ctx, x, { axis: axisOf(axes?.[i] ?? i, x.rank), start, end: ends[i] ?? 0, step: steps?.[i] ?? 1 });
  });
  return x;
}

function* split(_ctx: Context, call: OnnxCall): Reading<Tensor[]> {
  const x = tensorAt(call, 0);
  const axis = axisOf(call.attributes.int("axis", 0), x.rank);
  const given = yield* listOf(call, 1, "split");
  const length = x.shape[axis] ?? 0;
  if (given !== undefined) return splitSizes(x, given, axis);
  const count = call.attributes.int("num_outputs", call.outputs);
  const size = call.version >= 18 ? Math.ceil(length / count) : length / count;
  if (!Number.isInteger(size)) throw new OpwiseError("shape-mismatch", `an axis of size ${length} does not split into ${count} equal parts`);
  return splitSizes(
    x,
    Array.from({ length: count }, (_, i) => Math.min(size, Math.max(length - i * size, 0))),
    axis,
  );
}

function* expand(_ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const shape = (yield* integersAt(call, 1)) ?? [];
  return expanded(x, broadcastShapes(x.shape, shape));
}

/** The tensor laid side by side: `[repeats, size]` per axis, written by one copy. */
export function tiled(ctx: Context, x: Tensor, repeats: readonly number[]): Tensor {
  if (repeats.length !== x.rank)
    throw new OpwiseError("shape-mismatch", "Tile needs one repeat per axis", { wanted: String(x.rank), got: String(repeats.length) });
  const out = empty(
    ctx,
    x.shape.map((s, i) => s * (repeats[i] ?? 1)),
    x.dtype,
  );
  if (out.numel > 0)
    copyInto(
      ctx,
      reshaped(
        ctx,
        out,
        x.shape.flatMap((s, i) => [repeats[i] ?? 1, s]),
      ),
      reshaped(
        ctx,
        x,
        x.shape.flatMap((s) => [1, s]),
      ),
    );
  return out;
}

function* tile(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  if (call.version >= 6) return tiled(ctx, x, (yield* integersAt(call, 1)) ?? []);
  const times = yield* integerAt(call, 1);
  const axis = axisOf((yield* integerAt(call, 2)) ?? 0, x.rank);
  return tiled(
    ctx,
    x,
    x.shape.map((_, i) => (i === axis ? (times ?? 1) : 1)),
  );
}

/** Sizes of axes `start` to `end`, as int64. */
function shapeOf(call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const clamp = (v: number): number => Math.min(Math.max(v < 0 ? v + x.rank : v, 0), x.rank);
  const sizes = x.shape.slice(clamp(call.attributes.int("start", 0)), clamp(call.attributes.int("end", x.rank)));
  return Tensor.from(BigInt64Array.from(sizes, BigInt), [sizes.length], "int64");
}

/** Blocks of channels to pixels: `DCR` takes the block position first, `CRD` the channel first. */
function depthToSpace(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const b = call.attributes.int("blocksize");
  const [n = 0, c = 0, h = 0, w = 0] = x.shape;
  const depth = c / (b * b);
  if (x.rank !== 4 || !Number.isInteger(depth)) throw new OpwiseError("shape-mismatch", `DepthToSpace by ${b} of shape [${x.shape.join(", ")}]`);
  const wide =
    call.attributes.string("mode", "DCR") === "CRD"
      ? permuted(reshaped(ctx, x, [n, depth, b, b, h, w]), [0, 1, 4, 2, 5, 3])
      : permuted(reshaped(ctx, x, [n, b, b, depth, h, w]), [0, 3, 4, 1, 5, 2]);
  return reshaped(ctx, wide, [n, depth, h * b, w * b]);
}
function spaceToDepth(ctx: Context, call: OnnxCall): Tensor {
  const x = tensorAt(call, 0);
  const b = call.attributes.int("blocksize");
  const [n = 0, c = 0, h = 0, w = 0] = x.shape;
  if (x.rank !== 4 || h % b !== 0 || w % b !== 0) throw new OpwiseError("shape-mismatch", `SpaceToDepth by ${b} of shape [${x.shape.join(", ")}]`);
  const parts = reshaped(ctx, x, [n, c, h / b, b, w / b, b]);
  const order = call.attributes.string("mode", "DCR") === "CRD" ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
  return reshaped(ctx, permuted(parts, order), [n, c * b * b, h / b, w / b]);
}

/** Ranks before and after `axis` joined: a matrix. */
export function flattenedAt(ctx: Context, x: Tensor, axis: number): Tensor {
  const at = axis < 0 ? axis + x.rank : axis;
  if (at < 0 || at > x.rank) throw new OpwiseError("index-out-of-range", `axis ${axis} is out of range`, { wanted: `[${-x.rank}, ${x.rank}]` });
  return reshaped(ctx, x, [numelOf(x.shape.slice(0, at)), numelOf(x.shape.slice(at))]);
}

function concat(ctx: Context, call: OnnxCall): Tensor {
  const list = tensorsFrom(call);
  const rank = list[0]?.rank ?? 0;
  const axis = axisOf(call.attributes.int("axis", 1), rank);
  // PyTorch's cat ignores empty vectors of any rank; here shapes have to agree.
  for (const t of list) {
    if (t.rank !== rank) throw new OpwiseError("shape-mismatch", `Concat of tensors of rank ${rank} and ${t.rank}`);
  }
  return cat(ctx, list, axis, list[0]?.dtype);
}

/** The window of the wanted sizes in the middle of the axes; zeros around where it is larger. */
function* centerCropPad(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const sizes = (yield* integersAt(call, 1)) ?? [];
  const axes = (call.attributes.ints("axes") ?? x.shape.map((_, i) => i)).map((a) => axisOf(a, x.rank));
  const wanted = x.shape.map((s, i) => (axes.includes(i) ? (sizes[axes.indexOf(i)] ?? s) : s));
  let from = x;
  wanted.forEach((size, i) => {
    const own = x.shape[i] ?? 0;
    const start = Math.floor((own - size) / 2);
    if (own > size) from = sliced(from, i, start, start + size, 1);
  });
  if (from.shape.every((s, i) => s === wanted[i])) return from;
  const out = empty(ctx, wanted, x.dtype);
  let target = out;
  wanted.forEach((size, i) => {
    const own = from.shape[i] ?? 0;
    const start = Math.floor((size - own) / 2);
    if (own < size) target = sliced(target, i, start, start + own, 1);
  });
  copyInto(ctx, target, from);
  return out;
}

export const shapeOps: readonly OnnxOp[] = [
  onnxOp("Reshape", { 1: { reads: reshape } }),
  onnxOp("Squeeze", { 1: { reads: squeeze } }),
  onnxOp("Unsqueeze", { 1: { reads: unsqueeze } }),
  onnxOp("Slice", { 1: { reads: slice } }),
  onnxOp("Split", { 1: { reads: split } }),
  onnxOp("Expand", { 8: { reads: expand } }),
  onnxOp("Tile", { 1: { reads: tile } }),
  onnxOp("CenterCropPad", { 18: { reads: centerCropPad } }),
  onnxOp("Transpose", {
    1: {
      run: (_ctx, call) => {
        const x = tensorAt(call, 0);
        const perm = call.attributes.ints("perm") ?? x.shape.map((_, i) => x.rank - 1 - i);
        const axes = perm.map((a) => axisOf(a, x.rank));
        if (axes.length !== x.rank || new Set(axes).size !== x.rank)
          throw new OpwiseError("bad-onnx", "`perm` is no permutation of the axes", { wanted: `${x.rank} axes`, got: `[${perm.join(", ")}]` });
        return permuted(x, axes);
      },
    },
  }),
  onnxOp("Flatten", { 1: { run: (ctx, call) => flattenedAt(ctx, tensorAt(call, 0), call.attributes.int("axis", 1)) } }),
  onnxOp("Concat", { 1: { run: concat } }),
  onnxOp("Identity", { 1: { run: (_ctx, call) => call.inputs[0] } }),
  onnxOp("Shape", { 1: { run: (_ctx, call) => shapeOf(call) } }),
  onnxOp("Size", { 1: { run: (_ctx, call) => Tensor.from([BigInt(tensorAt(call, 0).numel)], [], "int64") } }),
  onnxOp("DepthToSpace", { 1: { run: depthToSpace } }),
  onnxOp("SpaceToDepth", { 1: { run: spaceToDepth } }),
];
