/**
 * Ranks that a program asks for. A program is made for known ranks, by an op that has looked at its tensors; where the op looked at too few of
 * them (a hostile model feeds any rank anywhere), the call says so before a backend compiles it.
 */

import { type Expr, operandsOf } from "../expr/expr.ts";
import { OpwiseError } from "../tensor/error.ts";
import type { View } from "../tensor/tensor.ts";
import type { Call } from "./call.ts";
import type { Program } from "./program.ts";

interface Ranks {
  /** One more than the largest axis of the iteration space that is asked for. */
  readonly space: number;
  /** (operand, rank) of every load. */
  readonly loads: readonly (readonly [operand: number, rank: number])[];
}

const known = new WeakMap<Program, Ranks>();

function ranksOf(program: Program): Ranks {
  const found = known.get(program);
  if (found !== undefined) return found;
  let space = 0;
  const loads = new Map<string, readonly [number, number]>();
  const seen = new Set<Expr>();
  const todo: Expr[] = program.outputs.flatMap((o) => o.parts);
  for (let e = todo.pop(); e !== undefined; e = todo.pop()) {
    if (seen.has(e)) continue;
    seen.add(e);
    if (e.op === "index") space = Math.max(space, e.axis + 1);
    else if (e.op === "load") loads.set(`${e.operand}:${e.at.length}`, [e.operand, e.at.length]);
    todo.push(...operandsOf(e));
  }
  const ranks: Ranks = { space, loads: [...loads.values()] };
  known.set(program, ranks);
  return ranks;
}

/** PyTorch's own bound of an operator's tensors; index arithmetic of more axes is no program that a backend compiles. */
const MAX_RANK = 64;

function checkRank(view: View): void {
  if (view.shape.length > MAX_RANK) throw new OpwiseError("limit-exceeded", `tensor has too many (>${MAX_RANK}) dims`, { got: `${view.shape.length} dims` });
}

/** @throws limit-exceeded for more than 64 axes, shape-mismatch where the call's tensors have not the ranks that its program was made for */
export function checkRanks(call: Call): void {
  for (const view of call.operands) checkRank(view);
  for (const view of call.results) checkRank(view);
  if (call.kind !== "compute" && call.kind !== "reduce" && call.kind !== "scatter" && call.kind !== "map" && call.kind !== "scan") return;
  const { space, loads } = ranksOf(call.program);
  const rank = call.kind === "reduce" || call.kind === "scatter" ? call.shape.length : (call.results[0]?.shape.length ?? 0);
  if (space > rank) fail(call.program.name, space, rank);
  for (const [operand, wanted] of loads) {
    const got = call.operands[operand]?.shape.length ?? 0;
    if (got !== wanted) fail(call.program.name, wanted, got);
  }
}

function fail(name: string, wanted: number, got: number): never {
  throw new OpwiseError("shape-mismatch", `\`${name}\` got a tensor of rank ${got}`, { wanted: `rank ${wanted}`, got: `rank ${got}` });
}
