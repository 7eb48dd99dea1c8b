/**
 * The smallest model that still shows what is wrong. First the steps, then sizes, then numbers. The failure is pinned: the same kind of op, at least
 * ten budgets off; nothing else counts, so that it cannot slide from wrong numbers to an error.
 */

import { type Datum, makeList } from "../../ir/datum.ts";
import type { BoundOp } from "../../ops/registry.ts";
import type { Backend } from "../../prims/backend.ts";
import type { Context } from "../../prims/context.ts";
import { isFloat } from "../../tensor/dtype.ts";
import { isOpwiseError } from "../../tensor/error.ts";
import { Tensor, viewOf } from "../../tensor/tensor.ts";
import { Judge, type Profile } from "../compare/budget.ts";
import { numbersOf, writeNumbers } from "../compare/numbers.ts";
import { writersOf } from "../compare/pairs.ts";
import { type Execution, type Tape, tensorsIn } from "../compare/tape.ts";
import { bytesOf, type Case, caseOf, type CaseStep, runCase } from "./case.ts";
import { ddmin } from "./ddmin.ts";

export interface ReduceOptions {
  readonly backendA: Backend;
  readonly backendB: Backend;
  readonly cpu: Backend;
  readonly profile?: Profile | undefined;
  /** Side B's op of a step, where it is another than A's: a graph that was changed, a planted fault. */
  readonly boundB?: ((step: CaseStep) => BoundOp) | undefined;
  readonly contextB?: ((ctx: Context) => Context) | undefined;
  /** Seconds for all of it; what has been found by then is given. Default 300. */
  readonly maxSeconds?: number | undefined;
  /** Bytes that one run of a candidate may take; default 1 GiB. */
  readonly maxBytes?: number | undefined;
}

export interface Reduction {
  readonly case: Case;
  /** Side A's answer. */
  readonly expected: Tensor;
  readonly op: string;
  readonly times: number;
  readonly atLeast: number;
  readonly nodes: { readonly before: number; readonly after: number };
  readonly bytes: { readonly before: number; readonly after: number };
  readonly runs: number;
  readonly seconds: number;
  /** Ended by the limit on time. */
  readonly stopped: boolean;
}

const PINNED = 10;
const MAX_WORK = 1e11;

class Reducer {
  readonly #options: ReduceOptions;
  readonly #tape: Tape;
  readonly #started = performance.now();
  runs = 0;
  stopped = false;
  atLeast = PINNED;

  constructor(tape: Tape, options: ReduceOptions) {
    this.#tape = tape;
    this.#options = options;
  }

  get seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** How wrong side B is at the case's end; 0 where either side raises an error. */
  async times(one: Case): Promise<{ readonly times: number; readonly expected: Tensor | undefined }> {
    if (this.seconds > (this.#options.maxSeconds ?? 300)) {
      this.stopped = true;
      return { times: 0, expected: undefined };
    }
    this.runs++;
    const { cpu, backendA, backendB, maxBytes = 2 ** 30 } = this.#options;
    const last = one.steps.at(-1);
    if (last === undefined) return { times: 0, expected: undefined };
    try {
      const limits = { maxBytes, maxWork: MAX_WORK };
      const a = await runCase(one, { backend: backendA, cpu, ...limits });
      const b = await runCase(one, { backend: backendB, cpu, boundOf: this.#options.boundB, contextOf: this.#options.contextB, ...limits });
      const expected = a[one.output];
      // A case is written with as many results as the step had: sizes at which it gives fewer (chunks) say nothing.
      if (expected === undefined || a.length !== tensorsIn(last.outs).length) return { times: 0, expected: undefined };
      const { times } = await new Judge({
        tape: this.#tape,
        execution: await executionOf(one, last, cpu),
        cpu,
        profile: this.#options.profile ?? "strict",
        tiles: !backendA.onHost || !backendB.onHost,
      }).output(expected, b, one.output);
      return { times, expected };
    } catch (error) {
      if (!isOpwiseError(error) && !(error instanceof RangeError)) throw error;
      return { times: 0, expected: undefined };
    }
  }

  async fails(one: Case): Promise<boolean> {
    return (await this.times(one)).times >= this.atLeast;
  }
}

/** The last step as an execution, with the arguments that it gets in this case: what budgets look at. */
async function executionOf(one: Case, last: CaseStep, cpu: Backend): Promise<Execution> {
  const given = new Map<Tensor, Tensor>(one.inputs);
  const before = one.steps.slice(0, -1);
  if (before.length > 0) {
    // Operands that the case itself makes.
    for (let k = 1; k <= before.length; k++) {
      const outs = await runCase({ ...one, steps: before.slice(0, k) }, { backend: cpu, cpu });
      tensorsIn(before[k - 1]?.outs ?? []).forEach((name, i) => void (outs[i] !== undefined && given.set(name, outs[i])));
    }
  }
  const value = (datum: Datum): Datum => {
    if (datum instanceof Tensor) return given.get(datum) ?? datum;
    if (typeof datum === "object" && datum?.kind === "list") return makeList(datum.elem, datum.items.map(value));
    return datum;
  };
  return { index: 0, node: last.node, nth: 0, module: "", bound: last.bound, args: last.args.map(value), outs: last.outs, writes: [], generator: undefined };
}

/** Steps that the last one depends on, in order. */
function ancestors(tape: Tape, end: Execution): Execution[] {
  const writers = writersOf(tape);
  const seen = new Set<number>([end.index]);
  const queue = [end];
  for (let e = queue.pop(); e !== undefined; e = queue.pop()) {
    for (const index of writers(e)) {
      const step = tape.executions[index];
      if (step === undefined || seen.has(index)) continue;
      seen.add(index);
      queue.push(step);
    }
  }
  return [...seen]
    .sort((x, y) => x - y)
    .map((index) => tape.executions[index])
    .filter((e) => e !== undefined);
}

/**
 * Reduces what is wrong at an execution's output. `undefined` where the failure does not come back: not by itself, and not with all that leads to it.
 */
export async function reduce(tape: Tape, at: Execution, output: number, options: ReduceOptions): Promise<Reduction | undefined> {
  const reducer = new Reducer(tape, options);
  const all = ancestors(tape, at);
  let one = caseOf(tape, [at], output);
  const before = { nodes: tape.executions.length, bytes: tape.bytes };
  const alone = await reducer.times(one);
  // A failure that is less than ten budgets is pinned at what it is.
  if (alone.times > 1) reducer.atLeast = Math.min(PINNED, alone.times * 0.9);
  if (!(alone.times >= reducer.atLeast)) {
    const whole = await reducer.times(caseOf(tape, all, output));
    if (!(whole.times > 1)) return undefined;
    reducer.atLeast = Math.min(PINNED, whole.times * 0.9);
    const found = await ddmin(
      all.filter((e) => e !== at),
      async (kept) => reducer.fails(caseOf(tape, [...kept, at], output)),
    );
    one = caseOf(tape, [...found.members, at], output);
  }
  one = await smaller(one, reducer);
  one = await plainer(one, reducer);
  const { times, expected } = await reducer.times(one);
  const last = expected ?? (await runCase(one, { backend: options.backendA, cpu: options.cpu }))[output];
  if (last === undefined) return undefined;
  return {
    case: one,
    expected: last,
    op: at.node.op,
    times,
    atLeast: reducer.atLeast,
    nodes: { before: before.nodes, after: one.steps.length },
    bytes: { before: before.bytes, after: bytesOf(one) },
    runs: reducer.runs,
    seconds: reducer.seconds,
    stopped: reducer.stopped,
  };
}

/** Sizes: every axis of one size is cut together, and the whole numbers among the arguments that say so. */
async function smaller(one: Case, reducer: Reducer): Promise<Case> {
  let current = one;
  for (let changed = true; changed && !reducer.stopped;) {
    changed = false;
    const sizes = [...new Set([...current.inputs.values()].flatMap((t) => t.shape))].filter((n) => n > 1).sort((a, b) => b - a);
    for (const size of sizes) {
      for (const to of new Set([1, 2, 3, Math.ceil(size / 4), Math.ceil(size / 2)])) {
        if (to >= size || to < 1) continue;
        const cut = resized(current, size, to);
        if (cut !== undefined && (await reducer.fails(cut))) {
          [current, changed] = [cut, true];
          break;
        }
      }
    }
  }
  return current;
}

function resized(one: Case, size: number, to: number): Case | undefined {
  const inputs = new Map<Tensor, Tensor>();
  for (const [name, t] of one.inputs) {
    if (!t.shape.includes(size)) {
      inputs.set(name, t);
      continue;
    }
    const shape = t.shape.map((n) => (n === size ? to : n));
    const view = viewOf(t, shape, t.strides, t.offset);
    if (t.quantizer !== undefined && t.quantizer.scheme !== "per_tensor_affine") return undefined;
    const out = Tensor.zeros(shape, t.dtype);
    const { data } = view;
    out.storage.bytes().set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    out.quantizer = t.quantizer;
    out.wrappedNumber = t.wrappedNumber;
    inputs.set(name, out);
  }
  const number = (value: Datum): Datum => {
    if (typeof value === "number") return value === size ? to : value;
    if (typeof value === "object" && value !== null && !(value instanceof Tensor) && value.kind === "list")
      return makeList(value.elem, value.items.map(number));
    return value;
  };
  return { ...one, inputs, steps: one.steps.map((step) => ({ ...step, args: step.args.map(number) })) };
}

/** Numbers: zeros, ones, or few bits, where those show it too. */
async function plainer(one: Case, reducer: Reducer): Promise<Case> {
  let current = one;
  for (const [name, t] of one.inputs) {
    if (!isFloat(t.dtype) || t.numel === 0) continue;
    for (const change of [() => 0, () => 1, (x: number) => Math.round(x), (x: number) => Math.round(x * 8) / 8]) {
      const out = Tensor.zeros(t.shape, t.dtype);
      writeNumbers(out, Float64Array.from(numbersOf(current.inputs.get(name) ?? t), change));
      out.wrappedNumber = t.wrappedNumber;
      const next = { ...current, inputs: new Map([...current.inputs, [name, out] as const]) };
      if (await reducer.fails(next)) {
        current = next;
        break;
      }
    }
  }
  return current;
}

/** `4812 → 3 nodes, 98 MB → 1.2 KB, 41 s, 96 runs`. */
export function reductionText(r: Reduction): string {
  const bytes = (n: number): string => (n >= 1e6 ? `${(n / 1e6).toPrecision(3)} MB` : n >= 1e3 ? `${(n / 1e3).toPrecision(3)} KB` : `${n} bytes`);
  const shapes = [...r.case.inputs.values()].map((t) => `${t.dtype}[${t.shape.join(",")}]`).join(", ");
  return [
    `${r.nodes.before} → ${r.nodes.after} nodes, ${bytes(r.bytes.before)} → ${bytes(r.bytes.after)}, ${r.seconds.toFixed(1)} s, ${r.runs} runs${r.stopped ? " (stopped by the time limit)" : ""}`,
    `${r.case.steps.map((s) => s.node.op).join(" → ")} of ${shapes}: ${r.times >= 1e9 ? "∞" : `${Number(r.times.toPrecision(2))}×`} of its budget (pinned: ${r.op}, at least ${Number(r.atLeast.toPrecision(2))}×)`,
  ].join("\n");
}
