/** What reductions share: which axes, which accumulator, and the programs that hand their elements over. */

import { arg, cast, type Expr, type ExprType, index } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, dtypeInfo, dtypeOfTorch } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { wrapDim, wrapDims } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { operandNum } from "../elementwise.ts";

/** The axes that `dim` names: none given, or an empty list, is all of them. @throws index-out-of-range, bad-argument */
export function axesOf(t: Tensor, dim: readonly number[] | number | null): number[] {
  const all = t.shape.map((_, i) => i);
  if (dim === null) return all;
  if (typeof dim === "number") {
    const axis = wrapDim(dim, t.rank);
    return t.rank === 0 ? [] : [axis];
  }
  if (dim.length === 0) return all;
  const axes = wrapDims(dim, t.rank);
  return t.rank === 0 ? [] : axes;
}

/** Elements that one result is made of. */
export function countOf(t: Tensor, axes: readonly number[]): number {
  return axes.reduce((n, axis) => n * (t.shape[axis] ?? 1), 1);
}

/** The ScalarType argument, or `otherwise`. */
export function dtypeArgument(code: number | null, otherwise: DType): DType {
  return code === null ? otherwise : dtypeOfTorch(code);
}

/** The dtype of a sum or product: integers and bools go to int64. */
export function sumDtype(dtype: DType): DType {
  const kind = dtypeInfo(dtype).class;
  return kind === "int" || kind === "bool" ? "int64" : dtype;
}

/**
 * The type that values of a result of `dtype` from elements of `from` are summed in: floats in double, integers exactly
 * (narrow ones as doubles, which hold any sum of theirs that memory has room for).
 */
export function accumulator(dtype: DType, from: DType): ExprType {
  const kind = dtypeInfo(dtype).class;
  if (kind === "float" || kind === "complex") return "f64";
  const source = dtypeInfo(from);
  return source.class === "bool" || (source.class === "int" && source.itemsize <= 2) ? "f64" : "i64";
}

const DTYPE_OF: Readonly<Record<string, DType>> = { f64: "float64", f32: "float32", i64: "int64", index: "int64", bool: "bool" };

/** An output dtype for a state of the given type. */
export function stateDtype(type: ExprType): DType {
  return DTYPE_OF[type] ?? "float64";
}

const programs = new Map<string, Program>();

/**
 * A program that gives `build(x, ...)` as states; the operands are read as elements of `compute`. Cached by `name` and dtypes, so one
 * name must mean one `build`.
 */
export function statesProgram(name: string, operands: readonly DType[], compute: DType, build: (...operands: Num[]) => readonly Num[], scalars: readonly ExprType[] = []): Program {
  const key = `${name}/${operands.join(",")}>${compute}`;
  let program = programs.get(key);
  if (program === undefined) {
    const states = build(...operands.map((dtype, i) => operandNum(i, dtype, compute)));
    program = { name, operands, scalars, messages: [], outputs: states.flatMap((s) => [s.re, ...(s.im === undefined ? [] : [s.im])]).map((e) => ({ dtype: stateDtype(e.type), parts: [e] })) };
    programs.set(key, program);
  }
  return program;
}

/** A program that gives each element converted to `to` (`from` computed as `via` first), for sums and scans. */
export function elementsProgram(from: DType, via: DType, type: ExprType): Program {
  return statesProgram(`element:${type}`, [from], via, (x) => [x.to(type)]);
}

/** A program that gives each element and its position along `axis`. */
export function positionsProgram(from: DType, axis: number): Program {
  const key = `position/${from}/${axis}`;
  let program = programs.get(key);
  if (program === undefined) {
    const type = computeType(from);
    const at: Expr = cast(index(axis), "index");
    program = { name: "position", operands: [from], scalars: [], messages: [], outputs: [{ dtype: from, parts: [arg(0, type)] }, { dtype: "int64", parts: [at] }] };
    programs.set(key, program);
  }
  return program;
}

/** @throws index-out-of-range where a reduced axis is empty and the reduction has no identity */
export function needsElements(name: string, t: Tensor, axes: readonly number[], whole: boolean): void {
  if (countOf(t, axes) > 0) return;
  if (whole) {
    throw new OpwiseError("index-out-of-range", `${name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with the 'dim' argument.`);
  }
  for (const axis of axes) {
    if (t.shape[axis] === 0) throw new OpwiseError("index-out-of-range", `${name}(): Expected reduction dim ${axis} to have non-zero size.`);
  }
}

/** A Num's parts as states. */
export const states = (x: Num): Num[] => [new Num(x.re), ...(x.im === undefined ? [] : [new Num(x.im)])];
