/** Matrix and vector products (PyTorch: matmul, linear, addmm ...): each ends in one contract call. */

import { arg, cast, scalar, type Expr } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { cast_, contract, empty, map, resolved } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, isNarrow, type Program } from "../../prims/program.ts";
import { conjugated, expanded, partOf, permuted, reshaped, selected, shapeView, transposed, unsqueezed } from "../../prims/views.ts";
import type { Scalar } from "../../ir/datum.ts";
import { type DType, dtypeInfo, isComplex, opmathOf, realOf, scalarName, typeName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { broadcastShapes, numelOf, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise, outputParts, scalarValue } from "../elementwise.ts";
import { resultType } from "../promotion.ts";
import { filled } from "./filling.ts";
import { memo, programOf } from "./memo.ts";
import { plus } from "./steps.ts";

const programs = memo<Program>();

/** What is added to a product: `beta * add + alpha * product`. */
export interface Addend {
  readonly tensor: Tensor | undefined;
  readonly beta: Scalar;
  readonly alpha: Scalar;
}

const ONE: Scalar = { kind: "int", value: 1 };
const isOne = (s: Scalar): boolean => s.kind !== "complex" && Number(s.value) === 1;
const isZero = (s: Scalar): boolean => (s.kind === "complex" ? s.re === 0 && s.im === 0 : Number(s.value) === 0);

/** `alpha * product + beta * add` as an epilogue in the dtype's compute type. */
function addendProgram(dtype: DType, scaled: boolean, weighted: boolean, adds: boolean): Program {
  return programs(`${dtype},${scaled},${weighted},${adds}`, () => {
    const type = computeType(opmathOf(dtype));
    let slot = 0;
    const times = (e: Expr, on: boolean): Num => (on ? new Num(cast(e, type)).mul(new Num(scalar(slot++, type))) : new Num(cast(e, type)));
    const product = times(arg(0, type), scaled);
    const value = adds ? product.add(times(arg(1, computeType(dtype)), weighted)) : product;
    return programOf("addmm", adds ? [opmathOf(dtype), dtype] : [opmathOf(dtype)], Array.from({ length: slot }, () => type), dtype, outputParts(value, dtype));
  });
}

const scaleAdd = elementwise("addmm", (product, add, beta, alpha) => product.mul(alpha).add(add.mul(beta)));
const scale = elementwise("addmm", (product, alpha) => product.mul(alpha));
const complexProduct = memo<Program>();

/** Real and imaginary result of the four real products. */
function joinProgram(dtype: DType, conjA: boolean, conjB: boolean): Program {
  return complexProduct(`${dtype},${conjA},${conjB}`, () => {
    const real = realOf(dtype);
    const type = computeType(real);
    const at = (slot: number, negative: boolean): Num => (negative ? new Num(arg(slot, type)).neg() : new Num(arg(slot, type)));
    const re = at(0, false).add(at(1, conjA === conjB));
    const im = at(2, conjB).add(at(3, conjA));
    return programOf("complex_product", [real, real, real, real], [], dtype, [re.re, im.re]);
  });
}

/** `[B, M, K] x [B, K, N]` (batch 1 broadcasts) in the operands' common dtype, complex as four real products. */
export function batchProduct(ctx: Context, a: Tensor, b: Tensor, addend?: Addend): Tensor {
  if (isComplex(a.dtype)) {
    const bare = (t: Tensor): Tensor => (t.neg ? resolved(ctx, t) : t);
    const [x, y] = [bare(a), bare(b)];
    const part = (t: Tensor, p: 0 | 1): Tensor => {
      const view = partOf(t, p);
      view.neg = false; // conjugation is carried into the join's signs
      return view;
    };
    // Half parts are summed in float, so that a complex product rounds once.
    const real = realOf(a.dtype);
    const product = (p: 0 | 1, q: 0 | 1): Tensor => contract(ctx, part(x, p), part(y, q), real);
    const [out] = map(ctx, joinProgram(a.dtype, x.conj, y.conj), [product(0, 0), product(1, 1), product(0, 1), product(1, 0)]);
    return finish(ctx, out ?? a, addend);
  }
  const dtype = a.dtype;
  if (addend === undefined) return contract(ctx, a, b, dtype);
  const add = addend.tensor === undefined || isZero(addend.beta) ? undefined : addend.tensor;
  if (add !== undefined && add.dtype !== dtype) return finish(ctx, contract(ctx, a, b, dtype), addend);
  const scaled = !isOne(addend.alpha);
  const weighted = add !== undefined && !isOne(addend.beta);
  if (add === undefined && !scaled) return contract(ctx, a, b, dtype);
  if (addend.alpha.kind === "complex" || addend.beta.kind === "complex") throw new OpwiseError("dtype-mismatch", "For non-complex input tensors, argument alpha must not be a complex number.");
  const type = computeType(opmathOf(dtype));
  const scalars = [...(scaled ? [scalarValue(addend.alpha.value, type)] : []), ...(weighted ? [scalarValue(addend.beta.value, type)] : [])];
  return contract(ctx, a, b, dtype, { program: addendProgram(dtype, scaled, weighted, add !== undefined), operands: add === undefined ? [] : [add], scalars });
}

function finish(ctx: Context, product: Tensor, addend: Addend | undefined): Tensor {
  if (addend === undefined) return product;
  if (addend.tensor === undefined || isZero(addend.beta)) return isOne(addend.alpha) ? product : apply(ctx, scale, [product, addend.alpha]);
  return apply(ctx, scaleAdd, [product, addend.tensor, addend.beta, addend.alpha]);
}

function sameDtype(a: Tensor, b: Tensor): void {
  if (a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", `expected m1 and m2 to have the same dtype, but got: ${typeName(a.dtype)} != ${typeName(b.dtype)}`);
}

const text = (t: Tensor): string => `[${t.shape.join(", ")}]`;

/** A product whose result is seen in another shape. */
function shaped(t: Tensor, shape: readonly number[]): Tensor {
  const view = shapeView(t, shape);
  if (view === undefined) throw new OpwiseError("internal", "a product is contiguous");
  return view;
}

export function mm(ctx: Context, a: Tensor, b: Tensor, addend?: Addend): Tensor {
  if (a.rank !== 2) throw new OpwiseError("shape-mismatch", a.rank === b.rank ? "self must be a matrix" : "self must be a matrix", { got: text(a) });
  if (b.rank !== 2) throw new OpwiseError("shape-mismatch", "mat2 must be a matrix", { got: text(b) });
  if (a.shape[1] !== b.shape[0]) throw new OpwiseError("shape-mismatch", `mat1 and mat2 shapes cannot be multiplied (${a.shape.join("x")} and ${b.shape.join("x")})`);
  sameDtype(a, b);
  const wide = addend?.tensor === undefined ? addend : { ...addend, tensor: expandedTo(addend.tensor, [a.shape[0] ?? 0, b.shape[1] ?? 0]) };
  return shaped(batchProduct(ctx, unsqueezed(a, 0), unsqueezed(b, 0), wide), [a.shape[0] ?? 0, b.shape[1] ?? 0]);
}

function expandedTo(t: Tensor, shape: readonly number[]): Tensor {
  return sameShape(t.shape, shape) ? t : expanded(t, shape);
}

export function bmm(ctx: Context, a: Tensor, b: Tensor, addend?: Addend): Tensor {
  if (a.rank !== 3 || b.rank !== 3) throw new OpwiseError("shape-mismatch", `batch1 must be a 3D tensor`, { got: `${text(a)} and ${text(b)}` });
  const shape = [a.shape[0] ?? 0, a.shape[1] ?? 0, b.shape[2] ?? 0];
  if (a.shape[0] !== b.shape[0] || a.shape[2] !== b.shape[1]) {
    throw new OpwiseError("shape-mismatch", `Expected size for first two dimensions of batch2 tensor to be: [${a.shape[0]}, ${a.shape[2]}] but got: [${b.shape[0]}, ${b.shape[1]}].`);
  }
  sameDtype(a, b);
  const wide = addend?.tensor === undefined ? addend : { ...addend, tensor: expandedTo(addend.tensor, shape) };
  return batchProduct(ctx, a, b, wide);
}

/** Leading axes of `t` folded into one as a view, or undefined. */
function foldedLead(t: Tensor, keep: number): Tensor | undefined {
  const lead = t.shape.slice(0, t.rank - keep);
  return shapeView(t, [numelOf(lead), ...t.shape.slice(t.rank - keep)]);
}

/**
 * `a @ b` with numpy's rules for vectors and batches: one contract call, batches broadcast by strides of 0. The result has the operands' dtype;
 * integers of any dtypes may be summed in another (`dtype`).
 */
export function matmul(ctx: Context, a: Tensor, b: Tensor, dtype?: DType): Tensor {
  if (a.rank === 0 || b.rank === 0) throw new OpwiseError("shape-mismatch", `both arguments to matmul need to be at least 1D, but they are ${a.rank}D and ${b.rank}D`);
  if (dtype === undefined && a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", `expected m1 and m2 to have the same dtype, but got: ${typeName(a.dtype)} != ${typeName(b.dtype)}`);
  const product = (x: Tensor, y: Tensor): Tensor => (dtype === undefined ? batchProduct(ctx, x, y) : contract(ctx, x, y, dtype));
  if (a.rank === 1 && b.rank === 1 && dtype === undefined) return dot(ctx, a, b, "inconsistent tensor size, expected tensor [" + a.numel + "] and src [" + b.numel + "] to have the same number of elements, but got " + a.numel + " and " + b.numel + " elements respectively");
  const x = a.rank === 1 ? unsqueezed(a, 0) : a;
  const y = b.rank === 1 ? unsqueezed(b, 1) : b;
  const [m, k] = [x.shape[x.rank - 2] ?? 0, x.shape[x.rank - 1] ?? 0];
  const n = y.shape[y.rank - 1] ?? 0;
  if (k !== y.shape[y.rank - 2]) {
    if (a.rank <= 2 && b.rank <= 2) throw new OpwiseError("shape-mismatch", b.rank === 1 ? `size mismatch, got input (${m}), mat (${m}x${k}), vec (${b.numel})` : `mat1 and mat2 shapes cannot be multiplied (${m}x${k} and ${y.shape[0]}x${n})`);
    throw new OpwiseError("shape-mismatch", `Expected size for first two dimensions of batch2 tensor to be: [${numelOf(x.shape.slice(0, -2))}, ${k}] but got: [${numelOf(y.shape.slice(0, -2))}, ${y.shape[y.rank - 2]}].`);
  }
  const batch = broadcastShapes(x.shape.slice(0, -2), y.shape.slice(0, -2));
  const result = [...batch, ...(a.rank === 1 ? [] : [m]), ...(b.rank === 1 ? [] : [n])];
  if (y.rank === 2) {
    // Batches of the left join its rows: one plain product.
    const rows = shapeView(x, [numelOf(x.shape.slice(0, -1)), k]) ?? reshaped(ctx, x, [numelOf(x.shape.slice(0, -1)), k]);
    return shaped(product(unsqueezed(rows, 0), unsqueezed(y, 0)), result);
  }
  const count = numelOf(batch);
  const lead = (t: Tensor, rows: number, cols: number): Tensor => {
    if (numelOf(t.shape.slice(0, -2)) === 1) return shaped1(ctx, t, rows, cols);
    const wide = expanded(t, [...batch, rows, cols]);
    return foldedLead(wide, 2) ?? reshaped(ctx, wide, [count, rows, cols]);
  };
  const [left, right] = [lead(x, m, k), lead(y, k, n)];
  if (count === 0) return empty(ctx, result, dtype ?? a.dtype);
  return shaped(product(left, right), result);
}

/** The only matrix of a batch of one. */
function shaped1(ctx: Context, t: Tensor, rows: number, cols: number): Tensor {
  return shapeView(t, [1, rows, cols]) ?? reshaped(ctx, t, [1, rows, cols]);
}

/** `x @ weight.T + bias` over the last axis. */
export function linear(ctx: Context, x: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const k = x.shape[x.rank - 1] ?? 1;
  const vector = weight.rank === 1;
  const w = vector ? unsqueezed(weight, 0) : weight;
  if (x.rank === 0) throw new OpwiseError("shape-mismatch", "both arguments to linear need to be at least 1D, but they are 0D and " + weight.rank + "D");
  if (w.rank !== 2) throw new OpwiseError("shape-mismatch", `linear: weight must be 1D or 2D`, { got: text(weight) });
  const n = w.shape[0] ?? 0;
  if (w.shape[1] !== k) {
    throw new OpwiseError("shape-mismatch", `mat1 and mat2 shapes cannot be multiplied (${numelOf(x.shape.slice(0, -1))}x${k} and ${w.shape[1]}x${n})`, {
      wanted: `a last axis of ${w.shape[1]}`, got: text(x),
    });
  }
  if (x.dtype !== w.dtype) throw new OpwiseError("dtype-mismatch", `expected m1 and m2 to have the same dtype, but got: ${typeName(x.dtype)} != ${typeName(w.dtype)}`);
  const lead = x.shape.slice(0, -1);
  const rows = reshaped(ctx, x, [numelOf(lead), k]);
  const shape = vector ? lead : [...lead, n];
  if (bias !== null) expanded(bias, shape); // it must fit, whatever rows are made of it below
  // Of batches that are not laid out in rows PyTorch adds the bias apart, to the rounded product.
  const apart = isNarrow(x.dtype) && x.rank > 2 && bias !== null && !(x.isContiguous && bias.isContiguous);
  const add = bias === null || apart ? undefined : { tensor: bias, beta: ONE, alpha: ONE };
  const product = shaped(batchProduct(ctx, unsqueezed(rows, 0), unsqueezed(transposed(w, 0, 1), 0), add), shape);
  return apart ? plus(ctx, product, bias) : product;
}

/** Sum of products of two vectors. */
export function dot(ctx: Context, a: Tensor, b: Tensor, mismatch?: string): Tensor {
  if (a.rank !== 1 || b.rank !== 1) throw new OpwiseError("shape-mismatch", `1D tensors expected, but got ${a.rank}D and ${b.rank}D tensors`);
  if (a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", `dot : expected both vectors to have same dtype, but found ${scalarName(a.dtype)} and ${scalarName(b.dtype)}`);
  if (a.numel !== b.numel) {
    throw new OpwiseError("shape-mismatch", mismatch ?? `inconsistent tensor size, expected tensor [${a.numel}] and src [${b.numel}] to have the same number of elements, but got ${a.numel} and ${b.numel} elements respectively`);
  }
  if (a.dtype === "bool") throw new OpwiseError("unsupported-dtype", `"dot" not implemented for 'Bool'`);
  const n = a.numel;
  return shaped(batchProduct(ctx, reshaped(ctx, a, [1, 1, n]), reshaped(ctx, b, [1, n, 1])), []);
}

function mv(ctx: Context, a: Tensor, b: Tensor, addend?: Addend): Tensor {
  if (a.rank !== 2 || b.rank !== 1) throw new OpwiseError("shape-mismatch", `vector + matrix @ vector expected, got ${addend?.tensor?.rank ?? 1}, ${a.rank}, ${b.rank}`);
  const [m = 0, k = 0] = a.shape;
  if (k !== b.numel) throw new OpwiseError("shape-mismatch", `size mismatch, got input (${m}), mat (${m}x${k}), vec (${b.numel})`);
  sameDtype(a, b);
  const add = addend?.tensor === undefined ? addend : { ...addend, tensor: unsqueezed(expandedTo(addend.tensor, [m]), 1) };
  return shaped(batchProduct(ctx, unsqueezed(a, 0), reshaped(ctx, b, [1, k, 1]), add), [m]);
}

const outerProduct = elementwise("outer", (x, y) => x.mul(y));
const total = elementwise("add", (x, y) => x.add(y));
const either = elementwise("or", (x, y) => x.max(y));

function outer(ctx: Context, a: Tensor, b: Tensor): Tensor {
  if (a.rank !== 1) throw new OpwiseError("shape-mismatch", `outer: Expected 1-D argument self, but got ${a.rank}-D`);
  if (b.rank !== 1) throw new OpwiseError("shape-mismatch", `outer: Expected 1-D argument vec2, but got ${b.rank}-D`);
  return apply(ctx, outerProduct, [unsqueezed(a, 1), b]);
}

/** Batch by batch, as PyTorch adds them up: each product is rounded into the result. */
function addbmm(ctx: Context, self: Tensor, a: Tensor, b: Tensor, beta: Scalar, alpha: Scalar): Tensor {
  if (a.rank !== 3 || b.rank !== 3) throw new OpwiseError("shape-mismatch", "batch1 must be a 3D tensor");
  if (a.shape[0] !== b.shape[0]) throw new OpwiseError("shape-mismatch", `batch1 and batch2 must have same number of batches, got ${a.shape[0]} and ${b.shape[0]}`);
  if (a.shape[2] !== b.shape[1]) throw new OpwiseError("shape-mismatch", `Incompatible matrix sizes for bmm (${a.shape[1]}x${a.shape[2]} and ${b.shape[1]}x${b.shape[2]})`);
  const [count = 0, m = 0] = a.shape;
  if (count === 0) return mm(ctx, reshaped(ctx, a, [m, 0]), reshaped(ctx, b, [0, b.shape[2] ?? 0]), { tensor: self, beta, alpha });
  let out = self;
  for (let i = 0; i < count; i++) out = mm(ctx, selected(a, 0, i), selected(b, 0, i), { tensor: out, beta: i === 0 ? beta : ONE, alpha });
  return out;
}

/** Sums of products over the last axes: every other axis of both stays. */
function inner(ctx: Context, a: Tensor, b: Tensor): Tensor {
  if (a.rank === 0 || b.rank === 0) return apply(ctx, outerProduct, [a, b]);
  const k = a.shape[a.rank - 1] ?? 0;
  if (k !== b.shape[b.rank - 1]) {
    throw new OpwiseError("shape-mismatch", `inner() the last dimension must match on both input tensors but got shapes ${text(a)} and ${text(b)}`);
  }
  const [left, right] = [a.shape.slice(0, -1), b.shape.slice(0, -1)];
  const product = mm(ctx, reshaped(ctx, a, [numelOf(left), k]), transposed(reshaped(ctx, b, [numelOf(right), k]), 0, 1));
  return shaped(product, [...left, ...right]);
}

/** Sums of products over listed axes of both. */
export function tensordot(ctx: Context, a: Tensor, b: Tensor, dimsA: readonly number[], dimsB: readonly number[]): Tensor {
  if (dimsA.length !== dimsB.length) throw new OpwiseError("shape-mismatch", "both dimension lists should have same length");
  sameDtype(a, b);
  const [x, y] = [dimsA.map((d) => (d < 0 ? d + a.rank : d)), dimsB.map((d) => (d < 0 ? d + b.rank : d))];
  x.forEach((axis, i) => {
    const [p, q] = [a.shape[axis], b.shape[y[i] ?? 0]];
    if (p !== q && p !== 1 && q !== 1) throw new OpwiseError("shape-mismatch", `contracted dimensions need to match, but first has size ${p} in dim ${dimsA[i]} and second has size ${q} in dim ${dimsB[i]}`);
  });
  const freeA = a.shape.map((_, i) => i).filter((i) => !x.includes(i));
  const freeB = b.shape.map((_, i) => i).filter((i) => !y.includes(i));
  const common = x.map((axis, i) => Math.max(a.shape[axis] ?? 1, b.shape[y[i] ?? 0] ?? 1));
  const shape = [...freeA.map((i) => a.shape[i] ?? 1), ...freeB.map((i) => b.shape[i] ?? 1)];
  if (x.some((axis, i) => a.shape[axis] !== b.shape[y[i] ?? 0])) {
    // An axis of size 1 against a longer one: the longer one is summed alone, as expanding has it.
    const wideA = expanded(permuted(a, [...freeA, ...x]), [...freeA.map((i) => a.shape[i] ?? 1), ...common]);
    const wideB = expanded(permuted(b, [...y, ...freeB]), [...common, ...freeB.map((i) => b.shape[i] ?? 1)]);
    const k = numelOf(common);
    return shaped(mm(ctx, reshaped(ctx, wideA, [numelOf(freeA.map((i) => a.shape[i] ?? 1)), k]), reshaped(ctx, wideB, [k, numelOf(freeB.map((i) => b.shape[i] ?? 1))])), shape);
  }
  const k = numelOf(common);
  const left = reshaped(ctx, permuted(a, [...freeA, ...x]), [numelOf(freeA.map((i) => a.shape[i] ?? 1)), k]);
  const right = reshaped(ctx, permuted(b, [...y, ...freeB]), [k, numelOf(freeB.map((i) => b.shape[i] ?? 1))]);
  return shaped(mm(ctx, left, right), shape);
}

/** `y[..., o] = sum_ij x1[..., i] W[o, i, j] x2[..., j] + bias[o]`: products with x1, then with x2, then the bias, each rounded. */
function bilinear(ctx: Context, x1: Tensor, x2: Tensor, weight: Tensor, bias: Tensor | null): Tensor {
  const [o = 0, i = 0, j = 0] = weight.shape;
  if (x1.shape[x1.rank - 1] !== i) throw new OpwiseError("shape-mismatch", `bilinear(): input1 size does not match weight size: got ${x1.shape[x1.rank - 1]} but expected ${i}`);
  if (x2.shape[x2.rank - 1] !== j) throw new OpwiseError("shape-mismatch", `bilinear(): input2 size does not match weight size: got ${x2.shape[x2.rank - 1]} but expected ${j}`);
  const lead = x1.shape.slice(0, -1);
  const rows = numelOf(lead);
  const [a, b] = [reshaped(ctx, x1, [rows, i]), reshaped(ctx, x2, [rows, j])];
  const first = mm(ctx, a, reshaped(ctx, permuted(weight, [1, 0, 2]), [i, o * j]));
  const product = shaped(batchProduct(ctx, reshaped(ctx, first, [rows, o, j]), reshaped(ctx, b, [rows, j, 1])), [...lead, o]);
  return bias === null ? product : apply(ctx, total, [product, bias]);
}

/** `beta self + alpha (a outer b)`, rounded after each step as PyTorch's kernel is. */
function addr(ctx: Context, self: Tensor, a: Tensor, b: Tensor, beta: Scalar, alpha: Scalar): Tensor {
  if (a.rank !== 1 || b.rank !== 1) throw new OpwiseError("shape-mismatch", `addr: Expected 1-D argument vec1 and vec2, but got ${a.rank}-D and ${b.rank}-D`);
  const dtype = resultType([self, a, b], ctx.defaultDtype);
  const kind = dtypeInfo(dtype).class;
  for (const [name, s] of [["beta", beta], ["alpha", alpha]] as const) {
    if (s.kind === "bool" && kind !== "bool") throw new OpwiseError("dtype-mismatch", `Boolean ${name} only supported for Boolean results.`);
    if ((s.kind === "float" || s.kind === "complex") && kind !== "float" && kind !== "complex") throw new OpwiseError("dtype-mismatch", `For integral input tensors, argument ${name} must not be a floating point number.`);
  }
  const weight = (s: Scalar): Tensor => filled(ctx, [], dtype, s);
  const spread = expanded(self, [a.numel, b.numel]);
  const right = apply(ctx, outerProduct, [apply(ctx, outerProduct, [cast_(ctx, unsqueezed(a, 1), dtype), weight(alpha)]), cast_(ctx, b, dtype)]);
  return isZero(beta) ? right : apply(ctx, kind === "bool" ? either : total, [apply(ctx, outerProduct, [cast_(ctx, spread, dtype), weight(beta)]), right]);
}

export const products: readonly Op[] = [
  op("aten::matmul(Tensor self, Tensor other) -> Tensor", { run: matmul }),
  op("aten::linalg_matmul(Tensor self, Tensor other) -> Tensor", { run: matmul }),
  op("aten::mm(Tensor self, Tensor mat2) -> Tensor", { run: (ctx, a, b) => mm(ctx, a, b) }),
  op("aten::bmm(Tensor self, Tensor mat2) -> Tensor", { run: (ctx, a, b) => bmm(ctx, a, b) }),
  op("aten::addmm(Tensor self, Tensor mat1, Tensor mat2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", { run: (ctx, self, a, b, beta, alpha) => mm(ctx, a, b, { tensor: self, beta, alpha }) }),
  op("aten::baddbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", { run: (ctx, self, a, b, beta, alpha) => bmm(ctx, a, b, { tensor: self, beta, alpha }) }),
  op("aten::addbmm(Tensor self, Tensor batch1, Tensor batch2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", { run: addbmm }),
  op("aten::mv(Tensor self, Tensor vec) -> Tensor", { run: (ctx, a, b) => mv(ctx, a, b) }),
  op("aten::addmv(Tensor self, Tensor mat, Tensor vec, *, Scalar beta=1, Scalar alpha=1) -> Tensor", { run: (ctx, self, a, b, beta, alpha) => mv(ctx, a, b, { tensor: self, beta, alpha }) }),
  op("aten::dot(Tensor self, Tensor tensor) -> Tensor", { run: (ctx, a, b) => dot(ctx, a, b) }),
  op("aten::vdot(Tensor self, Tensor other) -> Tensor", {
    run: (ctx, a, b) => dot(ctx, conjugated(a), b),
  }),
  op("aten::inner(Tensor self, Tensor other) -> Tensor", { run: inner }),
  op("aten::outer(Tensor self, Tensor vec2) -> Tensor", { run: outer }),
  op("aten::ger(Tensor self, Tensor vec2) -> Tensor", { run: outer }),
  op("aten::addr(Tensor self, Tensor vec1, Tensor vec2, *, Scalar beta=1, Scalar alpha=1) -> Tensor", { run: addr }),
  op("aten::linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor", { run: linear }),
  op("aten::bilinear(Tensor input1, Tensor input2, Tensor weight, Tensor? bias=None) -> Tensor", { run: bilinear }),
  op("aten::tensordot(Tensor self, Tensor other, int[] dims_self, int[] dims_other) -> Tensor", { run: tensordot }),
];
