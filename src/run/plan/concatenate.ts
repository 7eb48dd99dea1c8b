/** Pieces of a concatenation computed where they are wanted, where each is one range of the result. */

import type { Storage } from "../../tensor/storage.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { flowOf, isWhole } from "./flow.ts";
import type { Step, StraightLine } from "./region.ts";

export function concatenate(line: StraightLine): StraightLine {
  let { steps } = line;
  for (let i = 0; i < steps.length; ) {
    const moved = placed(steps, i, line.outputs);
    if (moved === undefined) i++;
    else steps = moved;
  }
  return steps === line.steps ? line : { ...line, steps };
}

/** The steps with the concatenation at `i` gone; undefined where it has to stay. */
function placed(steps: readonly Step[], i: number, outputs: readonly Storage[]): readonly Step[] | undefined {
  const cat = steps[i];
  if (cat?.what.kind !== "region" || cat.what.name !== "cat") return undefined;
  const [out] = cat.what.results;
  const axis = Number(cat.what.params["axis"]);
  if (out === undefined || !isWhole(out) || numelOf(out.shape.slice(0, axis < 0 ? axis + out.shape.length : axis)) !== 1) return undefined;
  const { writers } = flowOf(steps);
  if (writers.get(out.storage)?.length !== 1) return undefined;
  const offsets = new Map<Storage, number>();
  let at = 0;
  for (const piece of cat.what.operands) {
    const made = writers.get(piece.storage) ?? [];
    // All of the piece's own memory, computed before, finished before, and wanted nowhere else.
    if (!isWhole(piece) || piece.dtype !== out.dtype || made.length === 0 || made.some((w) => w >= i) || outputs.includes(piece.storage) || offsets.has(piece.storage)) return undefined;
    if (steps.some((s) => [...s.what.operands, ...s.what.results].some((v) => v.storage === piece.storage && v.dtype !== out.dtype))) return undefined;
    offsets.set(piece.storage, at);
    at += numelOf(piece.shape);
  }
  const move = (view: View): View => {
    const offset = offsets.get(view.storage);
    return offset === undefined ? view : { ...view, storage: out.storage, offset: view.offset + offset };
  };
  return steps
    .filter((_, k) => k !== i)
    .map((step) => ({ ...step, what: { ...step.what, operands: step.what.operands.map(move), results: step.what.results.map(move) } }));
}
