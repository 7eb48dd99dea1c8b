/** Which executions of two tapes are one, and how side B's part is run with side A's inputs. */

import type { Backend } from "../../prims/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { sameBits } from "./numbers.ts";
import { Replay } from "./replay.ts";
import { type Execution, mapTensors, type Tape, tensorsIn } from "./tape.ts";

/** Two executions that are one, by some of their results. */
export interface Pair {
  /** Unique among the pairs. */
  readonly key: number;
  /** Positions on the tapes. */
  readonly a: number;
  readonly b: number;
  /** Numbers of the results (among an execution's tensors) on A's and B's side. */
  readonly outputs: readonly (readonly [number, number])[];
  readonly by: string;
  /** B's value laid out as A's, or undefined where there is none. */
  readonly view: (value: Tensor | undefined, reference: Tensor) => Tensor | undefined;
}

export interface IsolateOptions {
  readonly backendB: Backend;
  readonly cpu: Backend;
}

export interface Pairing {
  /** In the order of A's tape. */
  readonly pairs: readonly Pair[];
  /** Values that could have found a partner. */
  readonly of: number;
  /** How many of them did, in a pair or inside the region of one. */
  readonly aligned: number;
  readonly by: Readonly<Record<string, number>>;
  readonly onlyA: readonly number[];
  readonly onlyB: readonly number[];
  /** Position from which the runs differ in what they did. */
  readonly diverged: number | undefined;
  /** Whether equal bits in all inputs make the isolated result the propagated one. */
  readonly sharesInputs: boolean;
  /** Keys of the pairs that a pair's inputs come from. */
  readonly inputsOf: (pair: Pair) => readonly number[];
  /** B's results with A's inputs. */
  readonly isolate: (pair: Pair, options: IsolateOptions) => Promise<readonly (Tensor | undefined)[]>;
  /** Relative error that the steps inside the region add to the last op's own. */
  readonly slackOf: (pair: Pair) => number;
  /** A's values for B's execution. */
  readonly pinsOf: (pair: Pair) => ReadonlyMap<number, readonly Tensor[]>;
}

/** The execution that a tensor of the tape comes from. */
export function producerOf(tape: Tape, tensor: Tensor): number | undefined {
  const origin = tape.origin(tensor);
  return origin?.producer ?? origin?.writer;
}

/** Pairs of one program run twice: by node and how often it had run. Runs that part ways are paired up to there. */
export function samePairs(a: Tape, b: Tape): Pairing {
  const pairs: Pair[] = [];
  let diverged: number | undefined;
  for (let i = 0; i < Math.max(a.executions.length, b.executions.length); i++) {
    const [x, y] = [a.executions[i], b.executions[i]];
    if (x === undefined || y === undefined || x.node.op !== y.node.op || x.nth !== y.nth) {
      diverged = i;
      break;
    }
    const outs = tensorsIn(x.outs);
    if (outs.length === 0) continue;
    pairs.push({ key: i, a: i, b: i, outputs: outs.map((_, k) => [k, k] as const), by: "node", view: (value) => value });
  }
  const rest = (tape: Tape): number[] =>
    diverged === undefined
      ? []
      : tape.executions
          .slice(diverged)
          .filter((e) => tensorsIn(e.outs).length > 0)
          .map((e) => e.index);
  const writers = writersOf(b);
  const isWeight = (tape: Tape, t: Tensor): boolean => producerOf(tape, t) === undefined && !tape.inputs.includes(t);
  return {
    pairs,
    aligned: pairs.length,
    of: a.executions.filter((e) => tensorsIn(e.outs).length > 0).length,
    by: { node: pairs.length },
    onlyA: rest(a),
    onlyB: rest(b),
    diverged,
    sharesInputs: true,
    inputsOf: (pair) => writers(b.executions[pair.b]),
    isolate: async (pair, options) => {
      const [x, y] = [a.executions[pair.a], b.executions[pair.b]];
      if (x === undefined || y === undefined) return [];
      const [given, own] = [tensorsIn(x.args), tensorsIn(y.args)];
      // A's arguments where they lie, for views of one storage belong together; the weights are B's.
      const replay = new Replay(a, { backend: options.backendB, cpu: options.cpu });
      given.forEach((t, i) => {
        const weight = own[i];
        if (weight !== undefined && isWeight(b, weight) && !sameBits(t, weight)) replay.substitute(t, weight);
      });
      // Numbers that the run worked out (sizes, counts) are inputs too; those of another program may be what is wrong with it.
      let at = 0;
      const args = a.program === b.program ? x.args : y.args.map((arg) => mapTensors(arg, (t) => given[at++] ?? t));
      const outs = tensorsIn((await replay.run({ ...x, bound: y.bound, args })).outs);
      replay.dispose();
      return pair.outputs.map(([, j]) => outs[j]);
    },
    slackOf: () => 0,
    pinsOf: (pair) => new Map([[pair.b, tensorsIn(a.executions[pair.a]?.outs ?? [])]]),
  };
}

/** What an execution's tensors come from: who gave them out or, where they were written since, everyone who had their memory in hand. */
export function writersOf(tape: Tape): (execution: Execution | undefined) => number[] {
  const holders = new Map<number, number[]>();
  for (const e of tape.executions) {
    for (const t of tensorsIn(e.outs)) {
      const id = tape.origin(t)?.storage;
      if (id === undefined) continue;
      const known = holders.get(id);
      if (known === undefined) holders.set(id, [e.index]);
      else known.push(e.index);
    }
  }
  return (execution) => {
    const found = new Set<number>();
    for (const t of tensorsIn(execution?.args ?? [])) {
      const origin = tape.origin(t);
      if (origin === undefined) continue;
      if (origin.producer !== undefined) found.add(origin.producer);
      else for (const index of holders.get(origin.storage) ?? []) if (index < (execution?.index ?? 0)) found.add(index);
    }
    return [...found];
  };
}
