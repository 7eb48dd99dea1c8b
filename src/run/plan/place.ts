/** Values that are copied whole into a range of a larger one are computed there: parts of a concatenation, layers of a stack. */

import { itemsize } from "../../tensor/dtype.ts";
import { numelOf } from "../../tensor/shape.ts";
import type { Storage } from "../../tensor/storage.ts";
import type { View } from "../../tensor/tensor.ts";
import { type Copy, copyOf, extent } from "./forward.ts";
import type { Step, StraightLine } from "./region.ts";

/** What steps write until a part has left a second cache. A copy then brings it near in one go, which costs less than that who reads the whole waits for it piece by piece. */
const NEAR_BYTES = 512 * 1024;

/** A view of a storage in a step. */
interface Touch {
  readonly step: number;
  readonly view: View;
  readonly writes: boolean;
}

export function placeParts(line: StraightLine): StraightLine {
  const { steps } = line;
  const touches = new Map<Storage, Touch[]>();
  const copies = new Map<Storage, { readonly step: number; readonly copy: Copy }[]>();
  const add = <T>(to: Map<Storage, T[]>, storage: Storage, one: T): void => {
    const list = to.get(storage);
    if (list === undefined) to.set(storage, [one]);
    else list.push(one);
  };
  steps.forEach((step, i) => {
    const copy = copyOf(step);
    if (copy !== undefined) add(copies, copy.source.storage, { step: i, copy });
    for (const view of step.what.operands) add(touches, view.storage, { step: i, view, writes: false });
    for (const view of step.what.results) add(touches, view.storage, { step: i, view, writes: true });
  });
  if (copies.size === 0) return line;
  /** What is read as a whole, not by its parts. */
  const read = new Set(steps.flatMap(({ what }) => what.operands.map(({ storage }) => storage)));

  const outside = new Set([...line.inputs, ...line.outputs, ...line.constants.map(({ storage }) => storage)]);
  const entering = new Set(line.inputs);
  /** Where each storage lies that has become a part of another; that one may have become a part itself later. */
  const homes = new Map<Storage, { readonly storage: Storage; readonly offset: number }>();
  const placed = (view: View): View => {
    let { storage, offset } = view;
    for (let home = homes.get(storage); home !== undefined; home = homes.get(storage)) [storage, offset] = [home.storage, offset + home.offset];
    return storage === view.storage ? view : { ...view, storage, offset };
  };
  /** The step that computes last what a dropped copy copied: it stands for the copy's nodes too. */
  const heirs = new Map<number, number>();

  for (const [part, found] of copies) {
    const [{ copy } = { copy: undefined }] = found;
    if (copy === undefined || outside.has(part)) continue;
    const { dtype } = copy.source;
    const target = placed(copy.result);
    const whole = target.storage;
    const offset = target.offset - copy.source.offset;
    const count = part.nbytes / itemsize(dtype);
    // All of the part goes to one place, in one copy or in several.
    const own = new Set(found.map(({ step }) => step));
    const ranges = found.map(({ copy: { source, result, count } }) => ({ from: source.offset, count, at: placed(result) })).sort((a, b) => a.from - b.from);
    const isAll = ranges.every(({ from, at }, i) => at.storage === whole && at.offset - from === offset && from === (i === 0 ? 0 : (ranges[i - 1]?.from ?? 0) + (ranges[i - 1]?.count ?? 0)));
    const last = ranges.at(-1);
    if (!isAll || last === undefined || last.from + last.count !== count || whole === part || entering.has(whole) || !touches.has(whole)) continue;
    const first = Math.min(...own);
    const inPart = touches.get(part) ?? [];
    if (!inPart.every(({ step, view, writes }) => view.dtype === dtype && (!writes || step < first))) continue;
    const writer = Math.max(...inPart.filter(({ writes }) => writes).map(({ step }) => step));
    // Nothing else writes to the place, or reads there before the part was copied.
    const behind = Math.max(...own);
    const isFree = (touches.get(whole) ?? []).every(({ step, view, writes }) => {
      if (own.has(step)) return true;
      const [from, to] = extent(view);
      return view.dtype === dtype && ((!writes && step > behind) || to <= offset || from >= offset + count);
    });
    if (!Number.isFinite(writer) || !isFree) continue;
    const between = steps.slice(writer + 1, first).flatMap(({ what }) => what.results.map((view) => numelOf(view.shape) * itemsize(view.dtype)));
    const isRead = read.has(copy.result.storage) || read.has(whole);
    if (isRead && between.reduce((sum, bytes) => sum + bytes, 0) > NEAR_BYTES) continue;
    homes.set(part, { storage: whole, offset });
    for (const step of own) heirs.set(step, writer);
    const moved = inPart.filter(({ step }) => !own.has(step)).map((touch) => ({ ...touch, view: placed(touch.view) }));
    touches.set(whole, [...(touches.get(whole) ?? []).filter(({ step }) => !own.has(step)), ...moved]);
    touches.delete(part);
  }
  if (homes.size === 0) return line;

  const origins = new Map<number, number[]>();
  for (const [copied, writer] of heirs) origins.set(writer, [...(origins.get(writer) ?? []), ...(steps[copied]?.origins ?? [])]);
  return {
    ...line,
    steps: steps.flatMap((step, i): Step[] => {
      if (heirs.has(i)) return [];
      const { what } = step;
      return [{ origins: [...step.origins, ...(origins.get(i) ?? [])], what: { ...what, operands: what.operands.map(placed), results: what.results.map(placed) } }];
    }),
  };
}
