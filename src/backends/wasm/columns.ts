/** Reductions down columns that lie side by side: four columns at a time. */

import type { Combiner } from "../../prims/combiner.ts";
import type { Program } from "../../prims/program.ts";
import type { DType } from "../../tensor/dtype.ts";
import { unreachable } from "../../tensor/error.ts";
import { ArgumentBlock, emitLoops } from "./arguments.ts";
import { type Lane, loadFour } from "./element.ts";
import { emitTrips, type I32 } from "./emit.ts";
import { State } from "./loops.ts";
import type { Emit, KernelRuntime } from "./runtime.ts";
import { emitFours, emitRow, emitScalars, type Four, joinFour, setFour } from "./vector.ts";

/** States of a column, which take its rows in turns: those of a reduction along a row. */
const STATES = 4;

const noOperand = (k: number): never => unreachable(`operand ${k} without a place`);

/**
 * Kernel of a reduction: `kept` outer axes, the last of which operands and results go along as `lanes` says, then `reduced` inner ones. A column's elements are
 * joined in the order that they have one by one.
 */
export function columnKernel(
  program: Program,
  combiner: Combiner,
  dtypes: readonly DType[],
  kept: number,
  reduced: number,
  lanes: readonly Lane[],
  fused: boolean,
  runtime: KernelRuntime,
): Emit {
  return (c, host) => {
    const operands = program.operands.map((_, k) => k);
    const views = [...operands, ...dtypes.map((_, j) => operands.length + j)];
    const rank = kept + reduced;
    const block = new ArgumentBlock(
      c,
      rank,
      views.map((k) => (k < operands.length ? rank : kept)),
      program.scalars,
    );
    const last = new State(c, combiner, program, { host, table: runtime.table }, block.scalar);
    const scalars = emitScalars(c, program, block);
    const alone = emitRow(c, program, [], scalars, noOperand, noOperand, fused);
    const states = Array.from({ length: STATES }, () => (combiner.init[0]?.type === "f64" ? c.locals("v128", 2) : c.locals("v128", 1)));
    const [first = unreachable("state"), ...others] = states;
    const advance = (at: ReadonlyMap<number, I32>, axis: number, times: number): void => {
      for (const [view, local] of at) c.set(local, c.op("i32.add", c.get(local), c.op("i32.mul", c.get(block.stride(view, axis)), c.i32(times))));
    };
    const pointersOf = (of: readonly number[], from: ReadonlyMap<number, I32>): Map<number, I32> =>
      new Map(of.map((view) => [view, c.hold(c.get(from.get(view) ?? block.base(view)))]));
    emitLoops(c, block, views, 0, kept - 1, new Map(), (outer) => {
      const columns = pointersOf(views, outer);
      const left = c.hold(c.get(block.size(kept - 1)));
      for (const width of [4, 1] as const) {
        emitTrips(c, left, width, () => {
          for (const state of states) setFour(c, state, emitFours(c, combiner.init, alone, 4, 0));
          emitLoops(c, block, operands, kept, rank - 1, columns, (inner) => {
            const rows = pointersOf(operands, inner);
            const load = (k: number): ReturnType<typeof loadFour> =>
              loadFour(c, program.operands[k] ?? unreachable("operand"), rows.get(k) ?? unreachable("pointer"), 0, lanes[k] === "same" ? 1 : width);
            const parts = program.outputs.flatMap((o) => o.parts);
            const step = (state: Four): void => {
              const [element = unreachable("element")] = emitFours(c, parts, { ...alone, load }, width, 0);
              joinFour(c, combiner, alone, state, element);
              advance(rows, rank - 1, 1);
            };
            const more = c.hold(c.get(block.size(rank - 1)));
            emitTrips(c, more, STATES, () => states.forEach(step));
            emitTrips(c, more, 1, () => step(first));
          });
          for (const state of others) joinFour(c, combiner, alone, first, state);
          for (let lane = 0; lane < width; lane++) {
            last.take(first, lane);
            last.finish(dtypes, operands.length, (view) => () => c.get(columns.get(view) ?? unreachable("pointer")));
            advance(columns, kept - 1, 1);
          }
        });
      }
    });
    c.i32(0);
  };
}
