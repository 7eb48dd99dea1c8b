/** Functions that make calls: they allocate results, check overlap, resolve lazy bits and broadcast, then run the call. */

import { arg, binary, cast, constant, type Expr, type ExprType, unary } from "../expr/expr.ts";
import { type DType, dtypeInfo, isComplex, itemsize } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { broadcastShapes, broadcastStrides, contiguousStrides, extentOf, isContiguous, memoryOrder, numelOf, sameShape, type Shape } from "../tensor/shape.ts";
import { Tensor, type View } from "../tensor/tensor.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import type { Draw, RandomCall } from "./call.ts";
import type { Combiner } from "./combiner.ts";
import type { Context } from "./context.ts";
import { computeType, type Program } from "./program.ts";

/** Largest number of elements any result may have: typed arrays and f64 index arithmetic end about here. */
const MAX_NUMEL = 2 ** 40;

/** A fresh tensor with unspecified (zero) contents. Strides default to row-major. @throws out-of-memory */
export function empty(ctx: Context, shape: Shape, dtype: DType, strides: readonly number[] = contiguousStrides(shape)): Tensor {
  const numel = numelOf(shape);
  if (!(numel <= MAX_NUMEL)) {
    throw new OpwiseError("out-of-memory", `a tensor of shape [${shape.join(", ")}] has ${numel} elements`, { wanted: `at most ${MAX_NUMEL}` });
  }
  for (const size of shape) {
    if (size < 0) throw new OpwiseError("shape-mismatch", `Trying to create tensor with negative dimension ${size}: [${shape.join(", ")}]`);
  }
  let reach = 1;
  if (numel === 0) reach = 0;
  else for (let i = 0; i < shape.length; i++) reach += ((shape[i] as number) - 1) * (strides[i] as number);
  return new Tensor(ctx.allocate(reach * itemsize(dtype)), dtype, shape, strides);
}

/**
 * Strides of an elementwise result: row-major, but where the operands of full shape are permuted alike the result is permuted
 * like them (PyTorch's TensorIterator). A later `reshape` is a view or a copy by this.
 */
export function resultStrides(shape: Shape, operands: readonly View[]): number[] {
  const rank = shape.length;
  if (rank < 2) return contiguousStrides(shape);
  let plain = true;
  for (const t of operands) {
    if (t.shape.length === rank && sameShape(t.shape, shape) ? !isContiguous(t.shape, t.strides) : numelOf(t.shape) !== 1 && t.shape.length > 1) plain = false;
  }
  if (plain) return contiguousStrides(shape);
  if (operands.every((t) => !sameShape(t.shape, shape) || isContiguous(t.shape, t.strides)) && operands.some((t) => sameShape(t.shape, shape))) {
    return contiguousStrides(shape);
  }
  const perm = memoryOrder(shape, operands.map((t) => broadcastStrides(t.shape, t.strides, shape)));
  const out = new Array<number>(rank);
  let step = 1;
  for (const axis of perm) {
    out[axis] = step;
    step *= Math.max(shape[axis] as number, 1);
  }
  return out;
}

/** Whether a view's elements are distinct and fill their extent. */
function isDense(v: View): boolean {
  const axes = v.shape.map((_, i) => i).filter((i) => v.shape[i] !== 1);
  axes.sort((a, b) => (v.strides[a] as number) - (v.strides[b] as number));
  let step = 1;
  for (const axis of axes) {
    if (v.strides[axis] !== step) return false;
    step *= v.shape[axis] as number;
  }
  return true;
}

/**
 * The one overlap check (PyTorch's assert_no_internal_overlap and assert_no_partial_overlap): a written view must not hit an element
 * twice through a stride of 0, nor partly overlap an operand; being exactly an operand is fine where `same` is (else: assert_no_overlap).
 * @throws overlap
 */
export function checkOverlap(result: View, operands: readonly View[], same = true): void {
  const shared = (): OpwiseError =>
    new OpwiseError("overlap", "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.");
  if (!same && operands.includes(result)) throw shared();
  if (numelOf(result.shape) === 0) return;
  for (let i = 0; i < result.shape.length; i++) {
    if (result.strides[i] === 0 && (result.shape[i] as number) > 1) {
      throw new OpwiseError("overlap", "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor before performing the operation.");
    }
  }
  for (const operand of operands) {
    if (operand.storage !== result.storage || numelOf(operand.shape) === 0) continue;
    if (same && operand.offset === result.offset && operand.dtype === result.dtype && sameShape(operand.strides, result.strides) && sameShape(operand.shape, result.shape)) continue;
    checkApart(result, operand);
  }
}

/**
 * A written view must share no memory with the operand (PyTorch's assert_no_overlap); like PyTorch's, only dense views are told apart.
 * @throws overlap
 */
export function checkApart(result: View, operand: View): void {
  if (operand.storage !== result.storage || !isDense(result) || !isDense(operand)) return;
  const a = extentOf(result.shape, result.strides);
  const b = extentOf(operand.shape, operand.strides);
  if (a === undefined || b === undefined) return;
  const [sa, sb] = [itemsize(result.dtype), itemsize(operand.dtype)];
  const disjoint = (result.offset + a.high + 1) * sa <= (operand.offset + b.low) * sb || (operand.offset + b.high + 1) * sb <= (result.offset + a.low) * sa;
  if (!disjoint) {
    throw new OpwiseError("overlap", "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the tensor before performing the operation.");
  }
}

const copies = new Map<string, Program>();

/** The program that copies `from` elements to `to` elements, converting as PyTorch's `copy_` does; `conj`/`neg` apply on the way. */
export function copyProgram(from: DType, to: DType, conj = false, neg = false): Program {
  const key = `${from}>${to}${conj ? "c" : ""}${neg ? "n" : ""}`;
  let program = copies.get(key);
  if (program === undefined) {
    const type = computeType(from);
    const flip = (e: Expr, on: boolean): Expr => (on ? unary("neg", e) : e);
    const re = flip(arg(0, type), neg);
    const target = computeType(to);
    const parts: Expr[] = [];
    if (isComplex(to)) {
      const im = isComplex(from) ? flip(arg(0, type, 1), neg !== conj) : undefined;
      parts.push(cast(re, target), im === undefined ? zeroOf(target) : cast(im, target));
    } else if (isComplex(from) && to === "bool") {
      parts.push(binary("or", cast(re, "bool"), cast(arg(0, type, 1), "bool")));
    } else parts.push(cast(re, target));
    program = { name: from === to ? "copy" : "cast", operands: [from], scalars: [], outputs: [{ dtype: to, parts }], messages: [] };
    copies.set(key, program);
  }
  return program;
}

function zeroOf(type: ExprType): Expr {
  return constant(type === "i64" || type === "u64" ? 0n : type === "bool" ? false : 0, type);
}

/** `t` with lazy conj and neg bits carried out. */
export function resolved(ctx: Context, t: Tensor): Tensor {
  if (!t.conj && !t.neg) return t;
  const out = empty(ctx, t.shape, t.dtype, resultStrides(t.shape, [t]));
  ctx.run({ kind: "map", program: copyProgram(t.dtype, t.dtype, t.conj, t.neg), operands: [t], results: [out], scalars: [] });
  return out;
}

/** A broadcast view for a call: no bits, shape `to`. */
export function broadcastView(t: View, to: Shape): View {
  if (sameShape(t.shape, to)) return t;
  return { storage: t.storage, dtype: t.dtype, shape: to, strides: broadcastStrides(t.shape, t.strides, to), offset: t.offset };
}

/** Writes `source` into `target` (`copy_`): broadcast, converted, through conj and neg bits, with the overlap check. */
export function copyInto(ctx: Context, target: Tensor, source: Tensor): void {
  if (!sameShape(broadcastShapes(target.shape, source.shape), target.shape)) {
    throw new OpwiseError("shape-mismatch", `output with shape [${target.shape.join(", ")}] doesn't match the broadcast shape [${broadcastShapes(target.shape, source.shape).join(", ")}]`);
  }
  if (target === source || numelOf(target.shape) === 0) return;
  const same = source.storage === target.storage && source.offset === target.offset && source.dtype === target.dtype && sameShape(source.strides, target.strides) && sameShape(source.shape, target.shape);
  if (same && source.conj === target.conj && source.neg === target.neg) return;
  checkOverlap(target, [source]);
  const program = copyProgram(source.dtype, target.dtype, source.conj !== target.conj, source.neg !== target.neg);
  ctx.run({ kind: "map", program, operands: [broadcastView(source, target.shape)], results: [target], scalars: [] });
}

/** A contiguous (or like-strided) copy with converted elements. */
export function copyOf(ctx: Context, t: Tensor, dtype: DType = t.dtype, strides?: readonly number[]): Tensor {
  const out = empty(ctx, t.shape, dtype, strides ?? contiguousStrides(t.shape));
  if (out.numel > 0) {
    ctx.run({ kind: "map", program: copyProgram(t.dtype, dtype, t.conj, t.neg), operands: [t], results: [out], scalars: [] });
  }
  return out;
}

/** `t` itself where it already has the dtype and no lazy bits, else a converted copy with strides kept. */
export function cast_(ctx: Context, t: Tensor, dtype: DType): Tensor {
  return t.dtype === dtype && !t.conj && !t.neg ? t : copyOf(ctx, t, dtype, resultStrides(t.shape, [t]));
}

/** `t` row-major without lazy bits: itself or a copy. */
export function contiguous(ctx: Context, t: Tensor): Tensor {
  return t.isContiguous && !t.conj && !t.neg ? t : copyOf(ctx, t);
}

export type Scalars = readonly (number | bigint | boolean)[];

/**
 * Runs a program over broadcast operands. Fresh results get PyTorch's result strides; given ones are written in place after the overlap check.
 */
export function map(ctx: Context, program: Program, operands: readonly Tensor[], scalars: Scalars = [], out?: readonly Tensor[]): Tensor[] {
  let shape: Shape = operands[0]?.shape ?? out?.[0]?.shape ?? [];
  for (let i = 1; i < operands.length; i++) shape = broadcastShapes(shape, (operands[i] as Tensor).shape);
  const inputs = operands.map((t) => resolved(ctx, t));
  let results: readonly Tensor[];
  if (out === undefined) {
    const strides = resultStrides(shape, inputs);
    results = program.outputs.map((output) => empty(ctx, shape, output.dtype, strides));
  } else {
    results = out;
    for (const result of out) {
      if (!sameShape(broadcastShapes(shape, result.shape), result.shape)) {
        throw new OpwiseError("shape-mismatch", `output with shape [${result.shape.join(", ")}] doesn't match the broadcast shape [${shape.join(", ")}]`);
      }
      checkOverlap(result, inputs);
      shape = result.shape;
    }
  }
  if (numelOf(shape) > 0) {
    const target = shape;
    ctx.run({ kind: "map", program, operands: inputs.map((t) => broadcastView(t, target)), results, scalars });
  }
  return [...results];
}

/** Runs a program over the positions of `shape`; fresh contiguous results. */
export function compute(ctx: Context, program: Program, shape: Shape, operands: readonly Tensor[], scalars: Scalars = [], out?: readonly Tensor[]): Tensor[] {
  const results = out ?? program.outputs.map((output) => empty(ctx, shape, output.dtype));
  const inputs = operands.map((t) => resolved(ctx, t));
  if (numelOf(shape) > 0) ctx.run({ kind: "compute", program, operands: inputs, results, scalars });
  return [...results];
}

/**
 * Folds the program's element tuple over `axes`. Results have size 1 there unless `keepdim` is false; their dtypes are `dtypes`.
 */
export function reduce(
  ctx: Context, program: Program, combiner: Combiner, operands: readonly Tensor[], axes: readonly number[], keepdim: boolean,
  dtypes: readonly DType[], scalars: Scalars = [],
): Tensor[] {
  let shape: Shape = operands[0]?.shape ?? [];
  for (let i = 1; i < operands.length; i++) shape = broadcastShapes(shape, (operands[i] as Tensor).shape);
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const inputs = operands.map((t) => resolved(ctx, t));
  const results = dtypes.map((dtype) => empty(ctx, kept, dtype));
  if (numelOf(kept) > 0) {
    const full = shape;
    ctx.run({ kind: "reduce", program, combiner, shape: full, axes, operands: inputs.map((t) => broadcastView(t, full)), results, scalars });
  }
  if (keepdim) return results;
  const left = kept.filter((_, axis) => !axes.includes(axis));
  for (const result of results) {
    result.shape = left;
    result.strides = contiguousStrides(left);
  }
  return results;
}

/** Running fold along `axis`. */
export function scan(
  ctx: Context, program: Program, combiner: Combiner, operands: readonly Tensor[], axis: number, dtypes: readonly DType[],
  options: { readonly exclusive?: boolean; readonly reverse?: boolean; readonly scalars?: Scalars } = {},
): Tensor[] {
  const shape = operands[0]?.shape ?? [];
  const results = dtypes.map((dtype) => empty(ctx, shape, dtype));
  if (numelOf(shape) > 0) {
    ctx.run({
      kind: "scan", program, combiner, axis, exclusive: options.exclusive ?? false, reverse: options.reverse ?? false,
      operands: operands.map((t) => broadcastView(resolved(ctx, t), shape)), results, scalars: options.scalars ?? [],
    });
  }
  return results;
}

/** The type products of a dtype are summed in. */
export function accumulatorOf(dtype: DType): "f32" | "f64" | "i32" | "i64" {
  const info = dtypeInfo(dtype);
  if (info.class === "float") return dtype === "float64" ? "f64" : "f32";
  return info.itemsize === 8 ? "i64" : "i32";
}

/** Batched real product `[B, M, K] x [B, K, N] -> [B, M, N]`; fresh contiguous result of `dtype`. */
export function contract(ctx: Context, a: Tensor, b: Tensor, dtype: DType, epilogue?: { readonly program: Program; readonly operands: readonly Tensor[]; readonly scalars?: Scalars }): Tensor {
  const [batchA = 1, m = 0] = a.shape;
  const [batchB = 1, , n = 0] = b.shape;
  const batch = batchA === 1 ? batchB : batchA;
  const out = empty(ctx, [batch, m, n], dtype);
  if (out.numel === 0) return out;
  const [x, y] = [resolved(ctx, a), resolved(ctx, b)];
  const extra = (epilogue?.operands ?? []).map((t) => broadcastView(resolved(ctx, t), out.shape));
  ctx.run({
    kind: "contract", accumulate: accumulatorOf(dtype), epilogue: epilogue?.program,
    operands: [broadcastView(x, [batch, x.shape[1] ?? 0, x.shape[2] ?? 0]), broadcastView(y, [batch, y.shape[1] ?? 0, y.shape[2] ?? 0]), ...extra],
    results: [out], scalars: epilogue?.scalars ?? [],
  });
  return out;
}

/** Fills `out` with random numbers; operands (probabilities, rates) broadcast to its shape. Advances the generator. `draw`: see `RandomCall`. */
export function random(
  ctx: Context, transform: RandomCall["transform"], generator: GeneratorState | null, out: Tensor, scalars: Scalars = [], operands: readonly Tensor[] = [], draw?: Draw,
): Tensor {
  if (out.numel === 0) return out;
  checkOverlap(out, []);
  const inputs = operands.map((t) => broadcastView(resolved(ctx, t), transform === "multinomial" ? t.shape : out.shape));
  ctx.run({ kind: "random", transform, generator: generator ?? ctx.generator, operands: inputs, results: [out], scalars, draw });
  return out;
}
