/** Programs that only move elements of half precision, as programs on their bits: nothing is decoded, and a NaN stays the one that it is. */

import { arg, constant, type Expr, load, operandsOf, reachable } from "../../expr/expr.ts";
import { rebuilt } from "../../expr/rewrite.ts";
import { codec } from "../../numeric/codec.ts";
import type { Program } from "../../prims/program.ts";
import type { DType } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { isHalf } from "./halves.ts";

/** The dtype whose elements have so many bits and no other meaning here. */
const WORD: DType = "int16";

/** Whether elements of the format are all that is stored, and nothing is computed with them. */
function isMove({ operands, outputs }: Program, format: DType): boolean {
  return [...reachable(outputs.flatMap((o) => o.parts))].every((e) => {
    if (e.op === "select" || e.op === "check") return true;
    if (e.type === "f32" && e.op !== "const" && ((e.op !== "arg" && e.op !== "load") || operands[e.operand] !== format)) return false;
    return e.op === "load" || operandsOf(e).every((operand) => operand.type !== "f32");
  });
}

function moved(program: Program, format: DType): Program {
  const { encode } = codec(format) ?? unreachable(format);
  const done = new Map<Expr, Expr>();
  const made = (e: Expr): Expr => {
    if (e.type !== "f32") return rebuilt(e, visit);
    if (e.op === "const") return constant((encode(Number(e.value)) << 16) >> 16, "i16");
    if (e.op === "arg") return arg(e.operand, "i16");
    if (e.op === "load") return load(e.operand, "i16", e.at.map(visit), 0, e.inside && visit(e.inside), e.outside && visit(e.outside));
    return rebuilt(e, visit);
  };
  const visit = (e: Expr): Expr => {
    let out = done.get(e);
    if (out === undefined) done.set(e, (out = made(e)));
    return out;
  };
  return {
    ...program,
    operands: program.operands.map((dtype) => (dtype === format ? WORD : dtype)),
    outputs: program.outputs.map((o) => ({ dtype: WORD, parts: o.parts.map(visit) })),
  };
}

const known = new WeakMap<Program, Program>();

/** The program, or one that does the same with the bits of its elements. */
export function onBits(program: Program): Program {
  let made = known.get(program);
  if (made === undefined) {
    const format = program.outputs[0]?.dtype;
    const plain = format !== undefined && isHalf(format) && program.outputs.every((o) => o.dtype === format) && isMove(program, format);
    made = plain ? moved(program, format) : program;
    known.set(program, made);
  }
  return made;
}
