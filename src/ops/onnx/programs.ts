/** Programs made once per name and dtypes, for meanings whose operands do not promote: every operand is read in its own arithmetic. */

import { type Expr, type ExprType, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, map, type Scalars } from "../../prims/calls.ts";
import type { HostCall } from "../../prims/call.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { type DType, opmathOf } from "../../tensor/dtype.ts";
import type { Shape } from "../../tensor/shape.ts";
import { stringOf, internString } from "../../tensor/strings.ts";
import { forEachOffset, type Tensor, type View } from "../../tensor/tensor.ts";
import { operandNum, outputParts } from "../elementwise.ts";
import { memo } from "../aten/memo.ts";
import { only } from "./inputs.ts";

const programs = memo<Program>();

/**
 * `build(...operands, ...scalars)` over broadcast operands into `dtype`. Operands come in their own compute type, scalars as `f64`.
 * One name must mean one `build`.
 */
export function mapOf(
  ctx: Context,
  name: string,
  operands: readonly Tensor[],
  dtype: DType,
  build: (...operands: Num[]) => Num,
  scalars: readonly number[] = [],
): Tensor {
  const program = programs(`map ${name} ${operands.map((t) => t.dtype).join(",")},${scalars.length}>${dtype}`, () => {
    const nums = [...operands.map((t, i) => operandNum(i, t.dtype, opmathOf(t.dtype))), ...scalars.map((_, i) => new Num(scalar(i, "f64")))];
    return {
      name,
      operands: operands.map((t) => t.dtype),
      scalars: scalars.map((): ExprType => "f64"),
      outputs: [{ dtype, parts: outputParts(build(...nums), dtype) }],
      messages: [],
    };
  });
  return only(map(ctx, program, operands, scalars));
}

/** What a computed program is made of. */
export interface Computed {
  readonly parts: readonly Expr[];
  readonly messages?: readonly string[];
}

/** A compute call over `shape`; `key` (with dtypes and ranks of operands) must tell programs apart. */
export function computeOf(
  ctx: Context,
  name: string,
  key: string,
  shape: Shape,
  operands: readonly Tensor[],
  dtype: DType,
  scalarTypes: readonly ExprType[],
  scalars: Scalars,
  build: () => Computed,
): Tensor {
  const program = programs(`compute ${name} ${key} ${operands.map((t) => `${t.dtype}${t.rank}`).join(",")}>${dtype}${shape.length}`, () => {
    const { parts, messages = [] } = build();
    return { name, operands: operands.map((t) => t.dtype), scalars: scalarTypes, outputs: [{ dtype, parts }], messages };
  });
  return only(compute(ctx, program, shape, operands, scalars));
}

/** A call that only the host can do, into results that are allocated already. */
export function onHost(ctx: Context, name: string, operands: readonly Tensor[], results: readonly Tensor[], run: HostCall["run"]): void {
  ctx.run({ kind: "host", name, run, operands, results, scalars: [] });
}

/** The texts of a string view, row-major. */
export function textsOf(view: View): string[] {
  const ids = view.storage.array("i32");
  const out: string[] = [];
  forEachOffset(view.shape, view.strides, view.offset, (at) => out.push(stringOf(Number(ids[at] ?? 0))));
  return out;
}

/** Writes texts, row-major. */
export function writeTexts(view: View, texts: readonly string[]): void {
  const ids = view.storage.array("i32");
  forEachOffset(view.shape, view.strides, view.offset, (at, i) => (ids[at] = internString(texts[i] ?? "")));
}
