/** Reductions down columns that lie side by side: sixteen at a time, which are a line of a cache, then four, then one. */

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
/** Vectors of columns that go together where there are as many. */
const TOGETHER = 4;

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
    const four = (): Four => (combiner.init[0]?.type === "f64" ? c.locals("v128", 2) : c.locals("v128", 1));
    const states = Array.from({ length: STATES }, four);
    const [first = unreachable("state"), ...others] = states;
    const [together, totals] = [Array.from({ length: TOGETHER }, four), Array.from({ length: TOGETHER }, four)];
    const advance = (at: ReadonlyMap<number, I32>, axis: number, times: number): void => {
      for (const [view, local] of at) c.set(local, c.op("i32.add", c.get(local), c.op("i32.mul", c.get(block.stride(view, axis)), c.i32(times))));
    };
    const pointersOf = (of: readonly number[], from: ReadonlyMap<number, I32>): Map<number, I32> =>
      new Map(of.map((view) => [view, c.hold(c.get(from.get(view) ?? block.base(view)))]));
    const parts = program.outputs.flatMap((o) => o.parts);
    /** Has a state take the elements of a row, `ahead` columns on. */
    const take = (rows: ReadonlyMap<number, I32>, state: Four, width: 4 | 1, ahead: number): void => {
      const load = (k: number): ReturnType<typeof loadFour> => {
        const [dtype = unreachable("operand"), at = unreachable("pointer")] = [program.operands[k], rows.get(k)];
        return lanes[k] === "same" ? loadFour(c, dtype, at, 0, 1) : loadFour(c, dtype, at, ahead, width);
      };
      const [element = unreachable("element")] = emitFours(c, parts, { ...alone, load }, width, 0);
      joinFour(c, combiner, alone, state, element);
    };
    const blank = (state: Four): void => setFour(c, state, emitFours(c, combiner.init, alone, 4, 0));
    emitLoops(c, block, views, 0, kept - 1, new Map(), (outer) => {
      const columns = pointersOf(views, outer);
      const left = c.hold(c.get(block.size(kept - 1)));
      const finish = (state: Four, width: number): void => {
        for (let lane = 0; lane < width; lane++) {
          last.take(state, lane);
          last.finish(dtypes, operands.length, (view) => () => c.get(columns.get(view) ?? unreachable("pointer")));
          advance(columns, kept - 1, 1);
        }
      };
      // Rows lie far apart, often a power of two: a line has left the cache before its next columns' turn. So all its columns go together, and the states one after another.
      const turn = c.local("i32");
      emitTrips(c, left, 4 * TOGETHER, () => {
        c.for(turn, 0, STATES, 1, () => {
          together.forEach(blank);
          emitLoops(c, block, operands, kept, rank - 1, columns, (inner) => {
            const rows = pointersOf(operands, inner);
            for (const [view, local] of rows) c.set(local, c.op("i32.add", c.get(local), c.op("i32.mul", c.get(block.stride(view, rank - 1)), c.get(turn))));
            const step = (count: number) => (): void => {
              together.forEach((state, v) => take(rows, state, 4, 4 * v));
              advance(rows, rank - 1, count);
            };
            const more = c.hold(c.get(block.size(rank - 1)));
            emitTrips(c, more, STATES, step(STATES));
            c.if(c.op("i32.eqz", c.get(turn)), () => emitTrips(c, more, 1, step(1)));
          });
          c.if(
            c.get(turn),
            () => totals.forEach((total, v) => joinFour(c, combiner, alone, total, together[v] ?? unreachable("state"))),
            () => totals.forEach((total, v) => setFour(c, total, [together[v] ?? unreachable("state")])),
          );
        });
        for (const total of totals) finish(total, 4);
      });
      for (const width of [4, 1] as const) {
        emitTrips(c, left, width, () => {
          states.forEach(blank);
          emitLoops(c, block, operands, kept, rank - 1, columns, (inner) => {
            const rows = pointersOf(operands, inner);
            const step = (state: Four): void => {
              take(rows, state, width, 0);
              advance(rows, rank - 1, 1);
            };
            const more = c.hold(c.get(block.size(rank - 1)));
            emitTrips(c, more, STATES, () => states.forEach(step));
            emitTrips(c, more, 1, () => step(first));
          });
          for (const state of others) joinFour(c, combiner, alone, first, state);
          finish(first, width);
        });
      }
    });
    c.i32(0);
  };
}
