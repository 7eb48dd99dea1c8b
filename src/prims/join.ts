/** Programs that compute one after another what two did. */

import { arg, cast, type Expr, round, scalar } from "../expr/expr.ts";
import { isStraight, rewrite } from "../expr/rewrite.ts";
import type { DType } from "../tensor/dtype.ts";
import { unreachable } from "../tensor/error.ts";
import type { View } from "../tensor/tensor.ts";
import { computeType, isNarrow, type Program } from "./program.ts";

/** A program over views: a map, or the epilogue of a product whose value is operand 0. */
export interface Applied {
  readonly program: Program;
  readonly operands: readonly View[];
  readonly scalars: readonly (number | bigint | boolean)[];
}

const MAX_OPERANDS = 10;

/** Whether a value is an element of `dtype` as it is: what only picks among elements, or turns their signs. */
function isElement(value: Expr, dtype: DType, operands: readonly DType[]): boolean {
  const seen = new Set<Expr>();
  const walk = (e: Expr): boolean => {
    if (seen.has(e)) return true;
    seen.add(e);
    switch (e.op) {
      case "arg": return operands[e.operand] === dtype;
      case "round": return e.format === dtype;
      case "const": return e.value === 0;
      case "unary": return (e.fn === "neg" || e.fn === "abs") && walk(e.a);
      case "binary": return (e.fn === "min" || e.fn === "max") && walk(e.a) && walk(e.b);
      case "select": return walk(e.a) && walk(e.b);
      default: return false;
    }
  };
  return walk(value);
}

/** The value as it is after a store to `dtype` and a load from it. */
function stored(value: Expr, dtype: DType, operands: readonly DType[]): Expr | undefined {
  const type = computeType(dtype);
  if (value.type !== type) {
    if (type !== "f32" || value.type !== "f64") return undefined; // other stores saturate or wrap in ways of their own
    value = cast(value, type);
  }
  if (!isNarrow(dtype)) return value;
  if (dtype !== "float16" && dtype !== "bfloat16") return undefined;
  return isElement(value, dtype, operands) ? value : round(value, dtype);
}

const known = new WeakMap<Program, WeakMap<Program, Map<string, Program>>>();

function sameView(a: View, b: View): boolean {
  return (
    a.storage === b.storage && a.dtype === b.dtype && a.offset === b.offset && a.shape.length === b.shape.length &&
    a.shape.every((n, i) => n === b.shape[i] && (n === 1 || a.strides[i] === b.strides[i]))
  );
}

/**
 * `second` with each operand in `at` replaced by what `first` computes; both over one iteration space. Operands are those of `first`, then the
 * others of `second`, each view once (operand 0 stays operand 0 where `keepFirst`). Undefined where the two cannot be one.
 */
export function join(first: Applied, second: Applied, at: readonly number[], keepFirst: boolean): Applied | undefined {
  const [output, ...others] = first.program.outputs;
  const [value, ...parts] = output?.parts ?? [];
  if (output === undefined || value === undefined || others.length > 0 || parts.length > 0) return undefined;
  if (first.program.messages.length > 0 || second.program.messages.length > 0) return undefined;

  const operands: View[] = [];
  const dtypes: DType[] = [];
  const place = (view: View, dtype: DType, own: boolean): number => {
    const same = own ? -1 : operands.findIndex((v, i) => !(keepFirst && i === 0) && sameView(v, view) && dtypes[i] === dtype);
    if (same >= 0) return same;
    dtypes.push(dtype);
    return operands.push(view) - 1;
  };
  const firstPlaces = first.operands.map((view, i) => place(view, first.program.operands[i] ?? unreachable("dtype"), keepFirst && i === 0));
  const secondPlaces = second.operands.map((view, i) => (at.includes(i) ? -1 : place(view, second.program.operands[i] ?? unreachable("dtype"), false)));
  if (operands.length > MAX_OPERANDS) return undefined;
  const applied = (program: Program): Applied => ({ program, operands, scalars: [...first.scalars, ...second.scalars] });

  const key = `${firstPlaces.join(",")};${secondPlaces.join(",")}`;
  let seconds = known.get(first.program);
  if (seconds === undefined) known.set(first.program, (seconds = new WeakMap<Program, Map<string, Program>>()));
  let joins = seconds.get(second.program);
  if (joins === undefined) seconds.set(second.program, (joins = new Map<string, Program>()));
  const made = joins.get(key);
  if (made !== undefined) return applied(made);

  if (!isStraight([value]) || !isStraight(second.program.outputs.flatMap((o) => o.parts))) return undefined;
  const [inner] = rewrite([value], (e) => (e.op === "arg" ? arg(firstPlaces[e.operand] ?? unreachable("operand"), e.type, e.part) : undefined));
  const through = inner === undefined ? undefined : stored(inner, output.dtype, dtypes);
  if (through === undefined) return undefined;
  const shift = first.program.scalars.length;
  const leaf = (e: Expr): Expr | undefined => {
    if (e.op === "scalar") return scalar(e.slot + shift, e.type);
    if (e.op !== "arg") return undefined;
    const to = secondPlaces[e.operand] ?? unreachable("operand");
    return to < 0 ? through : arg(to, e.type, e.part);
  };
  const program: Program = {
    name: `${first.program.name}+${second.program.name}`,
    operands: dtypes,
    scalars: [...first.program.scalars, ...second.program.scalars],
    outputs: second.program.outputs.map((o) => ({ dtype: o.dtype, parts: rewrite(o.parts, leaf) })),
    messages: [],
  };
  joins.set(key, program);
  return applied(program);
}
