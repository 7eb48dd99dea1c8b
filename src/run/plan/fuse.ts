/** Maps joined with what comes before them: other maps, products, convolutions. */

import type { Backend } from "../../prims/backend.ts";
import type { ContractCall, ConvolveCall, MapCall } from "../../prims/call.ts";
import { type Applied, join } from "../../prims/join.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { arg } from "../../expr/expr.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import type { Storage } from "../../tensor/storage.ts";
import { isContiguous, numelOf, sameShape, viewStrides } from "../../tensor/shape.ts";
import type { View } from "../../tensor/tensor.ts";
import { flowOf, isDense, isDisturbed, isWhole } from "./flow.ts";
import type { Step, StraightLine } from "./region.ts";

/** The view with another shape of as many elements in the same order, where strides can say it. */
function reshaped(view: View, shape: readonly number[]): View | undefined {
  if (sameShape(view.shape, shape)) return view;
  const strides = viewStrides(view.shape, view.strides, shape);
  return strides === undefined ? undefined : { ...view, shape: [...shape], strides };
}

function allReshaped(views: readonly View[], shape: readonly number[]): readonly View[] | undefined {
  const out: View[] = [];
  for (const view of views) {
    const as = reshaped(view, shape);
    if (as === undefined) return undefined;
    out.push(as);
  }
  return out;
}

/** Whether both views have all of a storage, and its elements in the same order. */
function isSameOrder(a: View, b: View): boolean {
  if (isWhole(a) && isWhole(b)) return numelOf(a.shape) === numelOf(b.shape);
  return isDense(a) && isDense(b) && sameShape(a.shape, b.shape) && a.shape.every((size, i) => size === 1 || a.strides[i] === b.strides[i]);
}

/** Operands of `map` that are all of `result`, in its order. Undefined where it reads that storage in any other way. */
function readsWhole(map: MapCall, result: View): readonly number[] | undefined {
  const at: number[] = [];
  for (const [i, view] of map.operands.entries()) {
    if (view.storage !== result.storage) continue;
    if (view.dtype !== result.dtype || !isSameOrder(view, result)) return undefined;
    at.push(i);
  }
  return at.length === 0 ? undefined : at;
}

/** The steps in motion, with who reads and writes each storage kept up to date. */
class Moving {
  readonly steps: (Step | undefined)[];
  readonly #outputs: ReadonlySet<Storage>;
  readonly #readers: ReadonlyMap<Storage, number[]>;
  readonly #writers: ReadonlyMap<Storage, readonly number[]>;

  constructor(line: StraightLine) {
    this.steps = [...line.steps];
    this.#outputs = new Set(line.outputs);
    const { readers, writers } = flowOf(line.steps);
    this.#readers = readers;
    this.#writers = writers;
  }

  /** The one later step that reads step `i`'s one result, where nothing else reads or writes it and it does not leave. */
  readerOf(i: number): number | undefined {
    const [result, ...others] = this.steps[i]?.what.results ?? [];
    if (result === undefined || others.length > 0 || !isDense(result) || this.#outputs.has(result.storage)) return undefined;
    const readers = this.#readers.get(result.storage);
    if (readers?.length !== 1 || this.#writers.get(result.storage)?.length !== 1) return undefined;
    const reader = readers[0];
    return reader !== undefined && reader > i ? reader : undefined;
  }

  /** Puts `what` in place of step `j`, which thereby does the work of step `i` too. */
  merge(i: number, j: number, what: Step["what"]): boolean {
    const [first, second] = [this.steps[i], this.steps[j]];
    if (first === undefined || second === undefined || isDisturbed(this.steps, i, j, new Set(first.what.operands.map((v) => v.storage)))) return false;
    this.steps[i] = undefined;
    this.steps[j] = { what, origins: [...first.origins, ...second.origins] };
    for (const { storage } of first.what.operands) {
      const readers = this.#readers.get(storage);
      const at = readers?.indexOf(i) ?? -1;
      if (readers === undefined || at < 0) continue;
      if (readers.includes(j)) readers.splice(at, 1);
      else readers[at] = j;
    }
    return true;
  }

  line(of: StraightLine): StraightLine {
    return { ...of, steps: this.steps.filter((s) => s !== undefined) };
  }
}

export function joinMaps(line: StraightLine, backend: Backend): StraightLine {
  const moving = new Moving(line);
  for (let i = 0; i < moving.steps.length; i++) {
    if (moving.steps[i]?.what.kind !== "map") continue;
    const j = moving.readerOf(i);
    const [first, second] = [moving.steps[i]?.what, j === undefined ? undefined : moving.steps[j]?.what];
    if (j === undefined || first?.kind !== "map" || second?.kind !== "map") continue;
    const joined = joinedMap(first, second);
    if (joined !== undefined && backend.joins?.([first, second], joined) === true) moving.merge(i, j, joined);
  }
  return moving.line(line);
}

function joinedMap(first: MapCall, second: MapCall): MapCall | undefined {
  const [result] = first.results;
  const shape = second.results[0]?.shape;
  if (result === undefined || shape === undefined) return undefined;
  const at = readsWhole(second, result);
  const operands = allReshaped(first.operands, shape);
  if (at === undefined || operands === undefined) return undefined;
  const joined = join({ ...first, operands }, second, at, false);
  return joined === undefined ? undefined : { kind: "map", ...joined, results: second.results };
}

type Dense = ContractCall | ConvolveCall;

/** A map behind a product or a convolution, over the axes of that: where it reads its result, all that it reads, and what it writes. */
export interface Behind {
  readonly map: MapCall;
  readonly at: readonly number[];
  readonly operands: readonly View[];
  readonly to: View;
}

/** Makes one call of a product or convolution and the map that alone reads its result, as often as `merged` knows how. */
export function mergeBehind(line: StraightLine, backend: Backend, merged: (dense: Dense, result: View, behind: Behind) => Dense | undefined): StraightLine {
  const moving = new Moving(line);
  for (let i = 0; i < moving.steps.length; i++) {
    // A product may take several maps in, one after another.
    for (let at = i, j = moving.readerOf(at); j !== undefined; at = j, j = moving.readerOf(at)) {
      const [first, second] = [moving.steps[at]?.what, moving.steps[j]?.what];
      if ((first?.kind !== "contract" && first?.kind !== "convolve") || second?.kind !== "map") break;
      const [result] = first.results;
      const behind = result && behindOf(first, result, second);
      const both = behind && merged(first, result, behind);
      if (both === undefined || backend.refuses(both) !== undefined || !moving.merge(at, j, both)) break;
    }
  }
  return moving.line(line);
}

function behindOf(dense: Dense, result: View, map: MapCall): Behind | undefined {
  const [target, ...others] = map.results;
  if (target === undefined || others.length > 0 || !isWhole(result) || !isContiguous(target.shape, target.strides) || dtypeInfo(result.dtype).class === "complex") return undefined;
  if (target.dtype !== result.dtype || numelOf(target.shape) !== numelOf(result.shape)) return undefined;
  const at = readsWhole(map, result);
  const operands = allReshaped(map.operands, result.shape);
  const to = reshaped(target, result.shape);
  if (at === undefined || operands === undefined || to === undefined) return undefined;
  // Where the result is written part by part, nothing else that is read may lie there.
  if (operands.some((v, k) => !at.includes(k) && v.storage === target.storage) || dense.operands.some((v) => v.storage === target.storage)) return undefined;
  return { map, at, operands, to };
}

export function runEpilogues(line: StraightLine, backend: Backend): StraightLine {
  return mergeBehind(line, backend, (dense, result, behind) => withEpilogue(dense, result, behind, backend));
}

const identities = new Map<DType, Program>();

/** The epilogue that changes nothing. */
function identity(dtype: DType): Program {
  let program = identities.get(dtype);
  if (program === undefined) {
    program = { name: "", operands: [dtype], scalars: [], outputs: [{ dtype, parts: [arg(0, computeType(dtype))] }], messages: [] };
    identities.set(dtype, program);
  }
  return program;
}

function withEpilogue(dense: Dense, result: View, { map, at, operands, to }: Behind, backend: Backend): Dense | undefined {
  const own = dense.operands.length - Math.max(0, (dense.epilogue?.operands.length ?? 1) - 1);
  const before: Applied = { program: dense.epilogue ?? identity(result.dtype), operands: [result, ...dense.operands.slice(own)], scalars: dense.scalars };
  const joined = join(before, { program: map.program, operands, scalars: map.scalars }, at, true);
  if (joined === undefined) return undefined;
  const parts: MapCall[] = [{ kind: "map", ...before, results: [result] }, map];
  if (backend.joins?.(dense.epilogue === undefined ? parts.slice(1) : parts, { kind: "map", ...joined, results: [to] }) !== true) return undefined;
  return { ...dense, epilogue: joined.program, operands: [...dense.operands.slice(0, own), ...joined.operands.slice(1)], results: [to], scalars: joined.scalars };
}
