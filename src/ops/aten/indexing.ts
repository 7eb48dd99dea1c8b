/** Reading and writing at index tensors (PyTorch: index, index_put, index_select, gather, take, embedding). */

import { type IndexUse, namingIndex, outOfBounds } from "./bad-index.ts";
import { binary, check, constant, type Expr, index, load, select } from "../../expr/expr.ts";
import { checkOverlap, compute, copyInto, copyOf, empty, resolved, resultStrides, type Scalars } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { aliasOf, expanded, reshaped } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes, numelOf, type Shape, wrapDim } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";
import { boolOf, scalarOf } from "./element.ts";
import { addOf, axes, loadIndex, loadParts, memo, size } from "./memo.ts";
import { maskFilled } from "./masks.ts";
import { coordinatesOf, countOf } from "./nonzero.ts";
import { unbind } from "./splits.ts";
import { scalarName } from "../../tensor/dtype.ts";
import { quantised, quantizerOf } from "../quantized/codes.ts";

const programs = memo<Program>();

/** What an index outside its axis means. */
type Bounds = "wrap" | "strict" | "clamp";

/** A coordinate made safe: negative ones count from the end (`wrap`, `clamp`), the rest is an error or clamped. */
export function boundedIndex(at: Expr, length: Expr, bounds: Bounds, code: number): Expr {
  const zero = constant(0, "index");
  if (bounds === "clamp") {
    const low = binary("max", at, binary("sub", zero, length));
    const high = binary("min", low, binary("sub", length, constant(1, "index")));
    return select(binary("lt", high, zero), addOf(high, length), high);
  }
  const wrapped = bounds === "wrap" ? select(binary("lt", at, zero), addOf(at, length), at) : at;
  return check(binary("and", binary("ge", wrapped, zero), binary("lt", wrapped, length)), wrapped, code);
}

/** Index tensors, one per axis of the indexed tensor, undefined where the axis is taken whole. */
export type Indices = readonly (Tensor | undefined)[];

interface Layout {
  /** Common shape of the index tensors. */
  readonly shape: Shape;
  /** Axis of the result where the index axes stand. */
  readonly at: number;
  readonly result: Shape;
}

function layoutOf(t: Tensor, indices: Indices): Layout {
  let shape: Shape = [];
  const given = indices.filter((i): i is Tensor => i !== undefined);
  try {
    for (const i of given) shape = broadcastShapes(shape, i.shape);
  } catch (cause) {
    throw new OpwiseError("shape-mismatch", `shape mismatch: indexing tensors could not be broadcast together with shapes ${given.map((i) => `[${i.shape.join(", ")}]`).join(", ")}`, { cause });
  }
  const axesGiven = t.shape.map((_, i) => i).filter((i) => indices[i] !== undefined);
  const first = axesGiven[0] ?? 0;
  const adjacent = axesGiven.every((axis, i) => axis === first + i);
  const at = adjacent ? first : 0;
  const rest = t.shape.filter((_, i) => indices[i] === undefined);
  return { shape, at, result: [...rest.slice(0, at), ...shape, ...rest.slice(at)] };
}

/** Coordinates into the indexed tensor from the positions of the result: operand slots `from...` are the index tensors, size slots `sizes...` their axes' lengths. */
function coordinates(t: Tensor, indices: Indices, layout: Layout, from: number, bounds: Bounds): Expr[] {
  const rank = layout.shape.length;
  const inner = axes(layout.at + rank, layout.at);
  let [slot, plain] = [0, 0];
  return t.shape.map((_, axis) => {
    const given = indices[axis];
    if (given === undefined) {
      const at = plain++;
      return index(at < layout.at ? at : at + rank);
    }
    const k = slot++;
    return boundedIndex(loadIndex(from + k, given.dtype, inner), size(k), bounds, 0);
  });
}

function signature(t: Tensor, indices: Indices, layout: Layout): string {
  return `${t.dtype},${indices.map((i) => i?.dtype ?? "").join("/")},${t.rank},${layout.shape.length},${layout.at}`;
}

const OUT_OF_RANGE = ["index is out of bounds for its dimension"];

/** For messages: the indices by the axes they go along. */
function usesOf(t: Tensor, indices: Indices, bounds: Bounds): IndexUse[] {
  return indices.flatMap((given, axis) => {
    if (given === undefined) return [];
    const size = t.shape[axis] ?? 0;
    const message = size === 0 ? () => "index is out of bounds for dimension with size 0" : outOfBounds(axis, size);
    return [{ index: given, size, wrap: bounds === "wrap", message }];
  });
}

/** The result's strides keep the order of the axes taken whole, then of the index tensors (PyTorch: restride_src, restride_indices). */
function indexedStrides(t: Tensor, indices: Indices, layout: Layout, spread: readonly Tensor[]): number[] {
  const rest = t.strides.filter((_, i) => indices[i] === undefined);
  const zeros = layout.shape.map(() => 0);
  const source = viewOf(t, layout.result, [...rest.slice(0, layout.at), ...zeros, ...rest.slice(layout.at)], 0);
  const before = new Array<number>(layout.at).fill(0);
  const after = new Array<number>(rest.length - layout.at).fill(0);
  return resultStrides(layout.result, [source, ...spread.map((i) => viewOf(i, layout.result, [...before, ...i.strides, ...after], 0))]);
}

/** Elements of `t` at the index tensors: `index.Tensor` with integer indices. */
export function gatherAt(ctx: Context, t: Tensor, indices: Indices, bounds: Bounds = "wrap"): Tensor {
  const layout = layoutOf(t, indices);
  const given = indices.filter((i): i is Tensor => i !== undefined);
  const program = programs(`index ${bounds} ${signature(t, indices, layout)}`, () => ({
    name: "index", operands: [t.dtype, ...given.map((i) => i.dtype)], scalars: given.map(() => "index" as const),
    outputs: [{ dtype: t.dtype, parts: loadParts(0, t.dtype, coordinates(t, indices, layout, 1, bounds)) }], messages: OUT_OF_RANGE,
  }));
  const sizes = t.shape.filter((_, i) => indices[i] !== undefined);
  const spread = given.map((i) => expanded(i, layout.shape));
  const result = empty(ctx, layout.result, t.dtype, indexedStrides(t, indices, layout, spread));
  namingIndex(usesOf(t, indices, bounds), () => compute(ctx, program, layout.result, [t, ...spread], sizes, [result]));
  result.quantizer = t.quantizer;
  return result;
}

/** Runs a scatter into `target`, through its lazy bits and past operands that share its storage. */
export function scatterInto(ctx: Context, target: Tensor, program: Program, shape: Shape, operands: readonly Tensor[], scalars: Scalars, combine: "set" | "add" | "mul" | "min" | "max"): Tensor {
  checkOverlap(target, []);
  if (numelOf(shape) === 0) return target;
  const lazy = target.conj || target.neg;
  const to = lazy ? resolved(ctx, target) : target;
  const inputs = operands.map((t) => (t.storage === to.storage ? copyOf(ctx, t) : resolved(ctx, t)));
  ctx.run({ kind: "scatter", program, shape, combine, operands: inputs, results: [to], scalars });
  if (lazy) copyInto(ctx, target, to);
  return target;
}

/** A copy that keeps the strides' order: what a functional form writes into. */
export function cloned(ctx: Context, t: Tensor): Tensor {
  const out = copyOf(ctx, t, t.dtype, resultStrides(t.shape, [t]));
  out.quantizer = t.quantizer;
  return out;
}

/** `self[indices] = values`, or `+=`. */
export function putAt(ctx: Context, self: Tensor, indices: Indices, values: Tensor, accumulate: boolean, bounds: Bounds = "wrap"): Tensor {
  if (values.dtype !== self.dtype) {
    throw new OpwiseError("dtype-mismatch", `Index put requires the source and destination dtypes match, got ${scalarName(self.dtype)} for the destination and ${scalarName(values.dtype)} for the source.`);
  }
  if (indices.every((i) => i === undefined)) {
    const target = accumulate ? apply(ctx, sumOfTwo, [self, values]) : values;
    copyInto(ctx, self, target);
    return self;
  }
  const layout = layoutOf(self, indices);
  const given = indices.filter((i): i is Tensor => i !== undefined);
  let spread: Tensor;
  try {
    // Leading axes of size 1 that the result does not have are dropped, as numpy does.
    const extra = Math.max(values.rank - layout.result.length, 0);
    const lead = values.shape.slice(0, extra);
    spread = expanded(lead.every((s) => s === 1) && extra > 0 ? reshaped(ctx, values, values.shape.slice(extra)) : values, layout.result);
  } catch (cause) {
    throw new OpwiseError("shape-mismatch", `shape mismatch: value tensor of shape [${values.shape.join(", ")}] cannot be broadcast to indexing result of shape [${layout.result.join(", ")}]`, { cause });
  }
  const rank = layout.result.length;
  const program = programs(`put ${bounds} ${signature(self, indices, layout)}`, () => ({
    name: "index_put", operands: [self.dtype, ...given.map((i) => i.dtype)], scalars: given.map(() => "index" as const),
    outputs: [
      ...coordinates(self, indices, layout, 1, bounds).map((e) => ({ dtype: "int64" as const, parts: [e] })),
      { dtype: self.dtype, parts: loadParts(0, self.dtype, axes(rank)) },
    ],
    messages: OUT_OF_RANGE,
  }));
  const sizes = self.shape.filter((_, i) => indices[i] !== undefined);
  return namingIndex(usesOf(self, indices, bounds), () =>
    scatterInto(ctx, self, program, layout.result, [spread, ...given.map((i) => expanded(i, layout.shape))], sizes, accumulate ? "add" : "set"),
  );
}

const sumOfTwo = elementwise("add", (x, y) => x.add(y));

/** The masks without axes of a list that has no other index. */
function loneMasks(list: readonly (Tensor | null)[]): Tensor[] {
  const given = list.filter((i): i is Tensor => i !== null && i !== undefined);
  return given.every((i) => i.rank === 0 && (i.dtype === "bool" || i.dtype === "uint8")) ? given : [];
}

/**
 * Index lists as an op gets them made one integer tensor per axis; bool masks become the coordinates that hold (a read).
 * A 0-dim mask beside other indices says nothing; alone, PyTorch's kernel fails on it wherever there are elements.
 */
export function* integerIndices(ctx: Context, self: Tensor, list: readonly (Tensor | null)[]): Generator<Tensor, (Tensor | undefined)[], void> {
  if (list.length > self.rank) throw new OpwiseError("index-out-of-range", `too many indices for tensor of dimension ${self.rank} (got ${list.length})`);
  if (self.numel > 0 && loneMasks(list).length > 0) throw new OpwiseError("runtime-error", "a 0-dim mask cannot be the only index", { hint: "give the mask an axis, or choose with torch.where" });
  const out: (Tensor | undefined)[] = [];
  for (const given of list) {
    if (given === null || given === undefined) {
      out.push(undefined);
      continue;
    }
    if (given.dtype === "bool" || given.dtype === "uint8") {
      given.shape.forEach((s, i) => {
        if (s !== self.shape[out.length + i]) {
          throw new OpwiseError("shape-mismatch", `The shape of the mask [${given.shape.join(", ")}] at index ${i} does not match the shape of the indexed tensor [${self.shape.join(", ")}] at index ${out.length + i}`);
        }
      });
      if (given.rank === 0) continue; // has no axis to index
      const count = countOf(ctx, given);
      yield count;
      const rows = Number(count.item());
      out.push(...unbind(coordinatesOf(ctx, given, rows), 1));
      continue;
    }
    if (given.dtype !== "int64" && given.dtype !== "int32") {
      throw new OpwiseError("dtype-mismatch", "tensors used as indices must be long, int, byte or bool tensors", { got: given.dtype });
    }
    out.push(given);
  }
  if (out.length > self.rank) throw new OpwiseError("index-out-of-range", `too many indices for tensor of dimension ${self.rank} (got ${out.length})`);
  while (out.length < self.rank) out.push(undefined);
  return out;
}

function* indexTensor(ctx: Context, self: Tensor, list: readonly (Tensor | null)[]): Generator<Tensor, Tensor, void> {
  const indices = yield* integerIndices(ctx, self, list);
  return indices.every((i) => i === undefined) ? aliasOf(self) : gatherAt(ctx, self, indices);
}
/** Numbers as codes of a quantised tensor. @throws dtype-mismatch for codes */
function asCodesOf(ctx: Context, self: Tensor, values: Tensor): Tensor {
  if (values.quantizer !== undefined) throw new OpwiseError("dtype-mismatch", "Value argument for quantized input_put should not be quantized");
  return quantised(ctx, values, self.dtype, quantizerOf(self));
}

function* indexPut(ctx: Context, self: Tensor, list: readonly (Tensor | null)[], values: Tensor, accumulate: boolean): Generator<Tensor, Tensor, void> {
  const own = self.quantizer === undefined ? values : asCodesOf(ctx, self, values);
  const [mask, ...more] = loneMasks(list);
  if (mask !== undefined && more.length === 0 && !accumulate && values.numel === 1) {
    yield mask;
    if (boolOf(scalarOf(mask))) copyInto(ctx, self, reshaped(ctx, own, []));
    return self;
  }
  putAt(ctx, self, yield* integerIndices(ctx, self, list), own, accumulate);
  return self;
}

/** Positions `index` (a vector or a number) along one axis. Region `index_select` (tensor, index; axis). */
export function indexSelect(ctx: Context, self: Tensor, dim: number, at: Tensor): Tensor {
  const axis = wrapDim(dim, self.rank);
  if (at.rank > 1) throw new OpwiseError("bad-argument", "index_select(): Index is supposed to be a vector");
  if (at.dtype !== "int64" && at.dtype !== "int32") throw new OpwiseError("dtype-mismatch", `index_select(): Expected dtype int32 or int64 for index`, { got: at.dtype });
  const vector = reshaped(ctx, at, [at.numel]);
  if (self.rank === 0) {
    if (at.numel !== 1) throw new OpwiseError("bad-argument", `index_select(): Index to scalar can have only 1 value, got ${at.numel} value(s)`);
    return reshaped(ctx, indexSelect(ctx, reshaped(ctx, self, [1]), 0, vector), []);
  }
  const out = empty(ctx, self.shape.map((s, i) => (i === axis ? at.numel : s)), self.dtype);
  out.quantizer = self.quantizer;
  ctx.region({ kind: "region", name: "index_select", operands: [self, vector], results: [out], params: { axis } }, () => {
    const program = programs(`select ${self.dtype},${at.dtype},${self.rank},${axis}`, () => ({
      name: "index_select", operands: [self.dtype, at.dtype], scalars: ["index"],
      outputs: [{ dtype: self.dtype, parts: loadParts(0, self.dtype, axes(self.rank).map((e, i) => (i === axis ? boundedIndex(loadIndex(1, at.dtype, [e]), size(0), "strict", 0) : e))) }],
      messages: ["index out of range in self"],
    }));
    compute(ctx, program, out.shape, [self, vector], [self.shape[axis] ?? 0], [out]);
  });
  return out;
}

/** Rows of `weight [N, D]` by an index tensor of any shape. Region `embedding` (weight, indices). */
export function embedding(ctx: Context, weight: Tensor, indices: Tensor): Tensor {
  if (weight.rank !== 2) throw new OpwiseError("bad-argument", "'weight' must be 2-D");
  if (indices.dtype !== "int64" && indices.dtype !== "int32") {
    throw new OpwiseError("dtype-mismatch", `Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got torch.${scalarName(indices.dtype)}Tensor instead (while checking arguments for embedding)`);
  }
  const rank = indices.rank;
  const out = empty(ctx, [...indices.shape, weight.shape[1] ?? 0], weight.dtype);
  ctx.region({ kind: "region", name: "embedding", operands: [weight, indices], results: [out], params: {} }, () => {
    const program = programs(`embedding ${weight.dtype},${indices.dtype},${rank}`, () => ({
      name: "embedding", operands: [weight.dtype, indices.dtype], scalars: ["index"],
      outputs: [{ dtype: weight.dtype, parts: loadParts(0, weight.dtype, [boundedIndex(loadIndex(1, indices.dtype, axes(rank)), size(0), "strict", 0), index(rank)]) }],
      messages: ["index out of range in self"],
    }));
    compute(ctx, program, out.shape, [weight, indices], [weight.shape[0] ?? 0], [out]);
  });
  return out;
}

/** Element `[..., index[...], ...]` along one axis for each position of `at`. Region `gather` (tensor, index; axis). */
export function gather(ctx: Context, self: Tensor, dim: number, at: Tensor): Tensor {
  const axis = wrapDim(dim, self.rank);
  if (at.numel === 0) return empty(ctx, at.shape, self.dtype); // PyTorch asks nothing of an index without elements
  if (at.dtype !== "int64" && at.dtype !== "int32") throw new OpwiseError("dtype-mismatch", "gather(): Expected dtype int32/int64 for index", { got: at.dtype });
  if (self.rank === 0 || at.rank === 0) {
    const out = gather(ctx, self.rank === 0 ? reshaped(ctx, self, [1]) : self, 0, at.rank === 0 ? reshaped(ctx, at, [1]) : at);
    return reshaped(ctx, out, at.shape);
  }
  if (self.rank !== at.rank) throw new OpwiseError("bad-argument", "Index tensor must have the same number of dimensions as input tensor");
  at.shape.forEach((s, i) => {
    if (i !== axis && s > (self.shape[i] ?? 0)) {
      throw new OpwiseError("shape-mismatch", `Size does not match at dimension ${i} expected index [${at.shape.join(", ")}] to be no larger than self [${self.shape.join(", ")}] apart from dimension ${axis}`);
    }
  });
  const out = empty(ctx, at.shape, self.dtype);
  out.quantizer = self.quantizer;
  ctx.region({ kind: "region", name: "gather", operands: [self, at], results: [out], params: { axis } }, () => {
    const program = programs(`gather ${self.dtype},${at.dtype},${self.rank},${axis}`, () => {
      const here = axes(self.rank);
      const found = boundedIndex(loadIndex(1, at.dtype, here), size(0), "strict", 0);
      return {
        name: "gather", operands: [self.dtype, at.dtype], scalars: ["index"],
        outputs: [{ dtype: self.dtype, parts: loadParts(0, self.dtype, here.map((e, i) => (i === axis ? found : e))) }], messages: [`index is out of bounds for dimension ${axis}`],
      };
    });
    const length = self.shape[axis] ?? 0;
    namingIndex([{ index: at, size: length, wrap: false, message: outOfBounds(axis, length) }], () => compute(ctx, program, out.shape, [self, at], [length], [out]));
  });
  return out;
}

/** Elements by their row-major number. */
function take(ctx: Context, self: Tensor, at: Tensor): Tensor {
  if (at.dtype !== "int64") throw new OpwiseError("dtype-mismatch", `take(): Expected a long tensor for index, but got ${scalarName(at.dtype)}`);
  if (self.numel === 0 && at.numel > 0) throw new OpwiseError("index-out-of-range", "take(): tried to take from an empty tensor");
  return namingIndex([ofElements(self, at)], () => gatherAt(ctx, reshaped(ctx, self, [self.numel]), [at]));
}

const ofElements = (self: Tensor, at: Tensor): IndexUse => ({
  index: at, size: self.numel, wrap: true, message: (value) => `out of range: tried to access index ${value} on a tensor of ${self.numel} elements.`,
});

function put(ctx: Context, self: Tensor, at: Tensor, source: Tensor, accumulate: boolean): Tensor {
  if (at.dtype !== "int64") throw new OpwiseError("dtype-mismatch", `put_(): Expected a long tensor for index, but got ${scalarName(at.dtype)}`);
  if (at.numel !== source.numel) throw new OpwiseError("shape-mismatch", `put_(): Expected source and index to have the same number of elements, but got source.numel() = ${source.numel}, index.numel() = ${at.numel}`);
  if (self.dtype !== source.dtype) throw new OpwiseError("dtype-mismatch", `put_(): self and source expected to have the same dtype, but got self.dtype = ${scalarName(self.dtype)} and source.dtype = ${scalarName(source.dtype)}`);
  const flat = reshaped(ctx, self, [self.numel]);
  namingIndex([ofElements(self, at)], () => putAt(ctx, flat, [reshaped(ctx, at, [at.numel])], reshaped(ctx, source, [source.numel]), accumulate));
  if (flat.storage !== self.storage) copyInto(ctx, self, reshaped(ctx, flat, self.shape));
  return self;
}

function takeAlong(ctx: Context, self: Tensor, at: Tensor, dim: number | null): Tensor {
  if (at.dtype !== "int64") throw new OpwiseError("dtype-mismatch", `torch.take_along_dim(): dtype of indices should be Long but got ${scalarName(at.dtype)}`);
  if (dim === null) return gather(ctx, reshaped(ctx, self, [self.numel]), 0, reshaped(ctx, at, [at.numel]));
  if (self.rank !== at.rank) throw new OpwiseError("bad-argument", `torch.take_along_dim(): input and indices should have the same number of dimensions, but got ${self.rank} dimensions for input, and ${at.rank} dimensions for indices`);
  const axis = wrapDim(dim, self.rank);
  const common = broadcastShapes(self.shape.map((s, i) => (i === axis ? 1 : s)), at.shape.map((s, i) => (i === axis ? 1 : s)));
  const shaped = (t: Tensor): Tensor => expanded(t, common.map((s, i) => (i === axis ? (t.shape[i] ?? 1) : s)));
  const length = self.shape[axis] ?? 1;
  // Indices past an end count round and round.
  const around = at.numel === 0 ? at : apply(ctx, modulo, [at, { kind: "int", value: length }]);
  return gather(ctx, shaped(self), axis, shaped(around));
}

const modulo = elementwise("remainder", (x, y) => x.remainder(y));

/** Gradient of an embedding's weights: rows of `grad` added where they were taken from; the padding row gets none. */
function embeddingBackward(ctx: Context, grad: Tensor, indices: Tensor, rows: number, padding: number, byFrequency: boolean): Tensor {
  const width = grad.shape[grad.rank - 1] ?? 1;
  const n = indices.numel;
  const flat = reshaped(ctx, indices, [n]);
  const type = computeType(grad.dtype);
  const place = (): Expr => boundedIndex(loadIndex(0, indices.dtype, [index(0)]), size(0), "strict", 0);
  const messages = ["index out of range in self"];
  const counts = empty(ctx, [rows], grad.dtype);
  const counting = programs(`embedding count ${indices.dtype},${grad.dtype}`, () => ({
    name: "embedding_count", operands: [indices.dtype], scalars: ["index" as const], messages,
    outputs: [{ dtype: "int64" as const, parts: [place()] }, { dtype: grad.dtype, parts: [constant(1, type)] }],
  }));
  if (byFrequency && n > 0) ctx.run({ kind: "scatter", program: counting, shape: [n], combine: "add", operands: [flat], results: [counts], scalars: [rows] });
  const adding = programs(`embedding backward ${indices.dtype},${grad.dtype},${String(byFrequency)}`, () => {
    const at = place();
    const value = load(1, type, [index(0), index(1)]);
    const scaled = byFrequency ? binary("div", value, load(2, type, [at])) : value;
    const kept = select(binary("eq", at, size(1)), constant(0, type), scaled);
    return { name: "embedding_backward", operands: [indices.dtype, grad.dtype, grad.dtype], scalars: ["index" as const, "index" as const], messages, outputs: [{ dtype: "int64" as const, parts: [at] }, { dtype: "int64" as const, parts: [index(1)] }, { dtype: grad.dtype, parts: [kept] }] };
  });
  const out = empty(ctx, [rows, width], grad.dtype);
  if (n > 0) ctx.run({ kind: "scatter", program: adding, shape: [n, width], combine: "add", operands: [flat, reshaped(ctx, grad, [n, width]), counts], results: [out], scalars: [rows, padding] });
  return out;
}

export const indexing: readonly Op[] = [
  op("aten::index.Tensor(Tensor self, Tensor?[] indices) -> Tensor", { reads: indexTensor, quantised: "codes" }),
  op("aten::index.Tensor_hacked_twin(Tensor self, Tensor[] indices) -> Tensor", { reads: indexTensor, quantised: "codes" }),
  op("aten::_unsafe_index.Tensor(Tensor self, Tensor?[] indices) -> Tensor", { reads: indexTensor, quantised: "codes" }),
  op("aten::_unsafe_index.Tensor_hacked_twin(Tensor self, Tensor[] indices) -> Tensor", { reads: indexTensor, quantised: "codes" }),
  op("aten::index_put_(Tensor(a!) self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor(a!)", { reads: indexPut, quantised: "own" }),
  op("aten::index_put_.hacked_twin(Tensor(a!) self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor(a!)", { reads: indexPut, quantised: "own" }),
  op("aten::_index_put_impl_(Tensor(a!) self, Tensor?[] indices, Tensor values, bool accumulate=False, bool unsafe=False) -> Tensor(a!)", { reads: indexPut, quantised: "own" }),
  op("aten::_index_put_impl_.hacked_twin(Tensor(a!) self, Tensor[] indices, Tensor values, bool accumulate=False, bool unsafe=False) -> Tensor(a!)", { reads: indexPut, quantised: "own" }),
  op("aten::_index_put_impl(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False, bool unsafe=False) -> Tensor", { reads: (ctx, self, list, values, accumulate) => indexPut(ctx, cloned(ctx, self), list, values, accumulate), quantised: "own" }),
  op("aten::index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor", { reads: (ctx, self, list, values, accumulate) => indexPut(ctx, cloned(ctx, self), list, values, accumulate), quantised: "own" }),
  op("aten::index_put.hacked_twin(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor", { reads: (ctx, self, list, values, accumulate) => indexPut(ctx, cloned(ctx, self), list, values, accumulate), quantised: "own" }),
  op("aten::_unsafe_index_put(Tensor self, Tensor?[] indices, Tensor values, bool accumulate=False) -> Tensor", { reads: (ctx, self, list, values, accumulate) => indexPut(ctx, cloned(ctx, self), list, values, accumulate), quantised: "own" }),
  op("aten::_unsafe_index_put.hacked_twin(Tensor self, Tensor[] indices, Tensor values, bool accumulate=False) -> Tensor", { reads: (ctx, self, list, values, accumulate) => indexPut(ctx, cloned(ctx, self), list, values, accumulate), quantised: "own" }),
  op("aten::_unsafe_masked_index(Tensor self, Tensor mask, Tensor?[] indices, Scalar fill) -> Tensor", {
    reads: function* (ctx, self, mask, list, fill) {
      const indices = yield* integerIndices(ctx, self, list);
      const found = self.numel === 0 ? empty(ctx, layoutOf(self, indices).result, self.dtype) : gatherAt(ctx, self, indices, "clamp");
      return maskFilled(ctx, found, mask, fill, false);
    },
  }),
  op("aten::_unsafe_masked_index_put_accumulate(Tensor self, Tensor mask, Tensor?[] indices, Tensor values) -> Tensor", {
    reads: function* (ctx, self, mask, list, values) {
      if (self.numel === 0) return cloned(ctx, self);
      const on = cloned(ctx, self);
      const indices = yield* integerIndices(ctx, on, list);
      return putAt(ctx, on, indices, maskFilled(ctx, values, mask, { kind: "int", value: 0 }, false), true, "clamp");
    },
  }),
  op("aten::index_select(Tensor self, int dim, Tensor index) -> Tensor", { run: indexSelect, quantised: "codes", out: "own" }),
  op("aten::embedding(Tensor weight, Tensor indices, SymInt padding_idx=-1, bool scale_grad_by_freq=False, bool sparse=False) -> Tensor", { run: (ctx, weight, indices) => embedding(ctx, weight, indices), quantised: "codes" }),
  op("aten::gather(Tensor self, int dim, Tensor index, *, bool sparse_grad=False) -> Tensor", { run: (ctx, self, dim, at) => gather(ctx, self, dim, at), out: "own" }),
  op("aten::take(Tensor self, Tensor index) -> Tensor", { run: take, out: "own" }),
  op("aten::take_along_dim(Tensor self, Tensor indices, int? dim=None) -> Tensor", { run: takeAlong }),
  op("aten::put_(Tensor(a!) self, Tensor index, Tensor source, bool accumulate=False) -> Tensor(a!)", { run: put }),
  op("aten::put(Tensor self, Tensor index, Tensor source, bool accumulate=False) -> Tensor", { run: (ctx, self, at, source, accumulate) => put(ctx, cloned(ctx, self), at, source, accumulate) }),
  op("aten::embedding_dense_backward(Tensor grad_output, Tensor indices, SymInt num_weights, SymInt padding_idx, bool scale_grad_by_freq) -> Tensor", { run: embeddingBackward }),
];
