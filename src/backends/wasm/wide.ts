/** Float32 and double-precision values of four elements at a time, as reductions take them: one vector of four lanes, or two of two. */

import type { Expr } from "../../expr/expr.ts";
import type { Combiner } from "../../prims/combiner.ts";
import type { Program } from "../../prims/program.ts";
import { unreachable } from "../../tensor/error.ts";
import type { Code, Value } from "../../wasm/code.ts";
import type { InstructionName } from "../../wasm/instructions.ts";
import type { V128 } from "./emit.ts";
import type { Push } from "./scalar.ts";
import { ARITHMETIC } from "./vector.ts";

export type Wide = readonly V128[];

const DOUBLE = { add: "f64x2.add", sub: "f64x2.sub", mul: "f64x2.mul", div: "f64x2.div" } as const;
type Arithmetic = (typeof ARITHMETIC)[keyof typeof ARITHMETIC] | (typeof DOUBLE)[keyof typeof DOUBLE];

function instruction(e: Expr & { readonly op: "binary" }): (Arithmetic & InstructionName) | undefined {
  const table: Partial<Record<string, Arithmetic>> = e.a.type === "f64" ? DOUBLE : e.a.type === "f32" ? ARITHMETIC : {};
  return table[e.fn];
}

function isWideValue(e: Expr): boolean {
  if (e.op === "binary") return instruction(e) !== undefined && isWideValue(e.a) && isWideValue(e.b);
  if (e.op === "cast") return e.a.type === "f32" && e.type === "f64" && isWideValue(e.a);
  return (e.type === "f32" || e.type === "f64") && (e.op === "const" || e.op === "scalar" || e.op === "arg" || e.op === "acc" || e.op === "val");
}

/** Whether a reduction's elements and its one state can be taken so. */
export function isWide(program: Program, { combine: [step, ...more] }: Combiner): boolean {
  const parts = program.outputs.flatMap((o) => o.parts);
  return step !== undefined && more.length === 0 && program.operands.every((d) => d === "float32") && isWideValue(step) && parts.every(isWideValue);
}

/** The values of expressions whose leaves are operands, scalars, and what `known` has of a combiner's. */
export function wideValues(
  c: Code,
  roots: readonly Expr[],
  load: (operand: number) => Value<"v128">,
  scalar: (slot: number) => Push,
  known: Map<Expr, Wide>,
): Wide[] {
  const splat = (push: Value): Wide => {
    const all = c.hold(push.type === "f64" ? c.op("f64x2.splat", push as Value<"f64">) : c.op("f32x4.splat", push as Value<"f32">)); // by its type
    return push.type === "f64" ? [all, all] : [all];
  };
  const made = (e: Expr): Wide => {
    switch (e.op) {
      case "const":
        return splat(e.type === "f64" ? c.f64(Number(e.value)) : c.f32(Number(e.value)));
      case "scalar":
        return splat(scalar(e.slot)());
      case "arg":
        return [c.hold(load(e.operand))];
      case "cast": {
        const [x = unreachable("a vector")] = value(e.a);
        const high = (): Value<"v128"> => c.shuffle32(c.get(x), c.get(x), [2, 3, 2, 3]);
        return [c.hold(c.op("f64x2.promote_low_f32x4", c.get(x))), c.hold(c.op("f64x2.promote_low_f32x4", high()))];
      }
      case "binary": {
        const [a, b] = [value(e.a), value(e.b)];
        return a.map((x, i) => c.hold(c.op(instruction(e) ?? unreachable(e.fn), c.get(x), c.get(b[i] ?? x))));
      }
      default:
        return unreachable(`four of ${e.op}`);
    }
  };
  const value = (e: Expr): Wide => {
    const found = known.get(e) ?? made(e);
    known.set(e, found);
    return found;
  };
  return roots.map(value);
}
