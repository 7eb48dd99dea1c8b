/** The order of a compute's loops: what many elements of an axis share is computed once where that axis is the innermost. */

import { type Expr, index, operandsOf } from "../../expr/expr.ts";
import { rewrite } from "../../expr/rewrite.ts";
import type { ComputeCall } from "../../prims/call.ts";
import type { Program } from "../../prims/program.ts";
import type { View } from "../../tensor/tensor.ts";

/** Steps of an element below which its loads and stores are most of it, which go best along the innermost axis. */
const LEAST_STEPS = 16;
/** Elements that share what is computed once, at least. */
const LEAST_SHARED = 4;

/** How many steps of an element depend on each axis, those left out that depend on the innermost alone: they are tabled. Undefined where there are loops inside. */
function stepsByAxis(program: Program, rank: number): readonly number[] | undefined {
  const known = new Map<Expr, number>();
  const steps = new Array<number>(rank).fill(0);
  const alone = 1 << (rank - 1);
  let isStraight = true;
  const axesOf = (e: Expr): number => {
    const before = known.get(e);
    if (before !== undefined) return before;
    if (e.op === "fold" || e.op === "check") isStraight = false;
    const axes = e.op === "index" ? 1 << e.axis : operandsOf(e).reduce((set, operand) => set | axesOf(operand), 0);
    known.set(e, axes);
    if (e.op !== "index" && axes !== alone) steps.forEach((_, axis) => ((axes >> axis) & 1) === 1 && (steps[axis] = (steps[axis] ?? 0) + 1));
    return axes;
  };
  for (const { parts } of program.outputs) parts.forEach(axesOf);
  return isStraight ? steps : undefined;
}

const orders = new WeakMap<Program, readonly number[] | undefined>();
const programs = new WeakMap<Program, Map<number, Program>>();

/** The program with `axis` as its last one. */
function withLast(program: Program, axis: number, rank: number): Program {
  let known = programs.get(program);
  if (known === undefined) programs.set(program, (known = new Map<number, Program>()));
  let moved = known.get(axis);
  if (moved === undefined) {
    const place = (a: number): number => (a === axis ? rank - 1 : a > axis ? a - 1 : a);
    const outputs = program.outputs.map((output) => ({
      ...output,
      parts: rewrite(output.parts, (e) => (e.op === "index" ? index(place(e.axis)) : undefined)),
    }));
    known.set(axis, (moved = { ...program, outputs }));
  }
  return moved;
}

/**
 * The call with the axis innermost on which less than half of the steps depend that depend on the one which is: a grid's places are the same for all channels.
 * Undefined where there is none. For results that lie apart from operands.
 */
export function interchanged(call: ComputeCall): ComputeCall | undefined {
  const { program, results } = call;
  const shape = results[0]?.shape ?? [];
  const rank = shape.length;
  if (!orders.has(program)) orders.set(program, stepsByAxis(program, rank));
  const steps = orders.get(program);
  const now = steps?.[rank - 1] ?? 0;
  if (steps?.length !== rank || now < LEAST_STEPS) return undefined;
  const [axis, least] = steps.reduce<[number, number]>(
    (best, count, a) => ((shape[a] ?? 0) >= LEAST_SHARED && count < best[1] ? [a, count] : best),
    [rank - 1, now],
  );
  if (2 * least > now) return undefined;
  const moved = (values: readonly number[]): number[] => [...values.filter((_, a) => a !== axis), ...values.slice(axis, axis + 1)];
  const turned = (view: View): View => ({
    storage: view.storage,
    dtype: view.dtype,
    shape: moved(view.shape),
    strides: moved(view.strides),
    offset: view.offset,
  });
  return { ...call, program: withLast(program, axis, rank), results: results.map(turned) };
}
