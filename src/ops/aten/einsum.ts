/** Einstein sums (PyTorch: einsum): operands are aligned by their labels, then multiplied pair by pair as batched products. */

import { cast_ } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { diagonalOf, expanded, permuted, reshaped, unsqueezed } from "../../prims/views.ts";
import { promoteTypes, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { batchProduct } from "./products.ts";
import { sum } from "./reduction.ts";

interface Equation {
  readonly inputs: readonly string[];
  /** Undefined where the equation has no arrow. */
  readonly output: string | undefined;
}

const bad = (message: string): OpwiseError => new OpwiseError("bad-argument", `einsum(): ${message}`);

function parse(equation: string, count: number): Equation {
  const text = equation.replace(/ /g, "");
  const arrow = text.indexOf("->");
  const left = arrow < 0 ? text : text.slice(0, arrow);
  const inputs = left.split(",");
  if (count === 0) throw bad("must provide at least one operand");
  for (const [i, labels] of [...inputs, ...(arrow < 0 ? [] : [text.slice(arrow + 2)])].entries()) {
    const rest = labels.replace("...", "").replace(/[A-Za-z]/g, "");
    if (rest !== "") throw bad(`invalid subscript given at index ${i} in the equation string, subscripts must be in [a-zA-Z]`);
  }
  if (inputs.length > count) throw bad("fewer operands were provided than specified in the equation");
  if (inputs.length < count) throw bad("more operands were provided than specified in the equation");
  return { inputs, output: arrow < 0 ? undefined : text.slice(arrow + 2) };
}

/** Labels of one operand's axes: letters, and `0`, `1`, … (as "#0") for the axes of an ellipsis, counted from its end. */
function labelsOf(subscripts: string, rank: number, operand: number): string[] {
  const [head = "", tail] = subscripts.split("...");
  const named = head.length + (tail?.length ?? 0);
  if (tail === undefined ? named !== rank : named > rank) {
    throw bad(`the number of subscripts in the equation (${named}) ${tail === undefined ? "does not match" : "is more than"} the number of dimensions (${rank}) for operand ${operand}${tail === undefined ? " and no ellipsis was given" : ""}`);
  }
  const extra = tail === undefined ? 0 : rank - named;
  return [...head, ...Array.from({ length: extra }, (_, i) => `#${extra - 1 - i}`), ...(tail ?? "")];
}

/** Axes in the order of `labels`: repeated ones become their diagonal, absent ones have size 1. */
function aligned(t: Tensor, own: readonly string[], labels: readonly string[]): Tensor {
  let x = t;
  const axes = [...own];
  for (let i = 0; i < axes.length; i++) {
    for (let j = axes.indexOf(axes[i] ?? "", i + 1); j > i; j = axes.indexOf(axes[i] ?? "", i + 1)) {
      if (x.shape[i] !== x.shape[j]) throw bad(`subscript ${axes[i]} is repeated for operand but the sizes don't match, ${x.shape[j]} != ${x.shape[i]}`);
      const label = axes[i] ?? "";
      x = diagonalOf(x, 0, i, j);
      axes.splice(j, 1);
      axes.splice(i, 1);
      axes.push(label);
    }
  }
  const present = labels.filter((l) => axes.includes(l));
  x = permuted(x, present.map((l) => axes.indexOf(l)));
  labels.forEach((l, i) => {
    if (!axes.includes(l)) x = unsqueezed(x, i);
  });
  return x;
}

/** `sum over the axes in summed` of the product of two aligned operands: one batched product. */
function pairProduct(ctx: Context, a: Tensor, b: Tensor, summed: readonly number[]): Tensor {
  let [x, y] = [a, b];
  // An axis that only one of them has is summed in it alone.
  const alone = (t: Tensor, other: Tensor): number[] => summed.filter((i) => t.shape[i] !== 1 && other.shape[i] === 1);
  const [soloX, soloY] = [alone(x, y), alone(y, x)];
  if (soloX.length > 0) x = sum(ctx, x, soloX, true);
  if (soloY.length > 0) y = sum(ctx, y, soloY, true);
  const kinds = x.shape.map((_, i) => {
    if (summed.includes(i)) return "sum" as const;
    const [p, q] = [x.shape[i] ?? 1, y.shape[i] ?? 1];
    return p !== 1 && q !== 1 ? ("both" as const) : q === 1 ? ("left" as const) : ("right" as const);
  });
  const of = (kind: "both" | "left" | "right" | "sum"): number[] => kinds.flatMap((k, i) => (k === kind ? [i] : []));
  const [both, left, right, inner] = [of("both"), of("left"), of("right"), of("sum")];
  const sizes = (t: Tensor, axes: readonly number[]): number[] => axes.map((i) => t.shape[i] ?? 1);
  const batch = both.map((i) => Math.max(x.shape[i] ?? 1, y.shape[i] ?? 1));
  const matrices = (t: Tensor, rows: readonly number[], cols: readonly number[], rest: readonly number[]): Tensor =>
    reshaped(ctx, permuted(t, [...both, ...rows, ...cols, ...rest]), [numelOf(batch), numelOf(sizes(t, rows)), numelOf(sizes(t, cols))]);
  if (x.dtype !== y.dtype) {
    // A sum of integers is int64: it can be multiplied with narrower ones, a product of matrices cannot.
    if (inner.some((i) => x.shape[i] !== 1 || y.shape[i] !== 1)) throw new OpwiseError("dtype-mismatch", `expected scalar type ${scalarName(x.dtype)} but found ${scalarName(y.dtype)}`);
    const common = promoteTypes(x.dtype, y.dtype);
    [x, y] = [cast_(ctx, x, common), cast_(ctx, y, common)];
  }
  const product = batchProduct(ctx, matrices(x, left, inner, right), matrices(y, inner, right, left));
  const shown = reshaped(ctx, product, [...batch, ...sizes(x, left), ...sizes(y, right), ...inner.map(() => 1)]);
  const order = [...both, ...left, ...right, ...inner];
  return permuted(shown, kinds.map((_, i) => order.indexOf(i)));
}

/** @throws bad-argument, with PyTorch's wording */
export function einsum(ctx: Context, equation: string, tensors: readonly Tensor[], path: readonly number[] | null): Tensor {
  const { inputs, output } = parse(equation, tensors.length);
  const own = tensors.map((t, i) => labelsOf(inputs[i] ?? "", t.rank, i));
  const all = own.flat();
  const dots = [...new Set(all.filter((l) => l.startsWith("#")))].sort((a, b) => Number(b.slice(1)) - Number(a.slice(1)));
  const letters = [...new Set(all.filter((l) => !l.startsWith("#")))];
  let out: string[];
  if (output === undefined) {
    const times = (l: string): number => all.filter((x) => x === l).length;
    out = [...dots, ...letters.filter((l) => times(l) === 1).sort()];
  } else {
    const [head = "", tail] = output.split("...");
    out = [...head, ...(tail === undefined ? [] : dots), ...(tail ?? "")];
    out.forEach((l, i) => {
      if (out.indexOf(l) !== i) throw bad(`output subscript ${l} appears more than once in the output`);
      if (!all.includes(l)) throw bad(`output subscript ${l} does not appear in the equation for any input operand`);
    });
  }
  const summedLabels = [...dots, ...letters].filter((l) => !out.includes(l));
  const labels = [...out, ...summedLabels];
  const sizes = labels.map(() => 1);
  let operands = tensors.map((t, i) => aligned(t, own[i] ?? [], labels));
  operands.forEach((t, k) =>
    t.shape.forEach((s, i) => {
      if (s === 1) return;
      if ((sizes[i] ?? 1) !== 1 && sizes[i] !== s) throw bad(`subscript ${labels[i]} has size ${s} for operand ${k} which does not broadcast with previously seen size ${sizes[i]}`);
      sizes[i] = s;
    }),
  );
  const summedAxes = summedLabels.map((_, i) => out.length + i);
  for (let step = 0; operands.length > 1; step++) {
    const [i = 0, j = 1] = path === null ? [0, 1] : [path[2 * step] ?? 0, path[2 * step + 1] ?? 1].sort((p, q) => p - q);
    const [a, b] = [operands[i] ?? unreachable("operand"), operands[j] ?? unreachable("operand")];
    const rest = operands.filter((_, k) => k !== i && k !== j);
    // What no later operand has can be summed now.
    const now = summedAxes.filter((axis) => rest.every((t) => t.shape[axis] === 1));
    const result = pairProduct(ctx, a, b, now);
    operands = path === null ? [result, ...rest] : [...rest, result];
  }
  const last = operands[0] ?? unreachable("operand");
  // A single operand is summed even along axes of 1, which makes integers int64.
  const left = tensors.length === 1 ? summedAxes : summedAxes.filter((axis) => last.shape[axis] !== 1);
  const value = left.length > 0 ? sum(ctx, last, left, true) : last;
  const shape = sizes.slice(0, out.length);
  const shown = reshaped(ctx, value, value.shape.slice(0, out.length));
  return expanded(shown, shape);
}

export const einsums: readonly Op[] = [op("aten::einsum(str equation, Tensor[] tensors, *, int[]? path=None) -> Tensor", { run: einsum })];
