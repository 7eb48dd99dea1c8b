/** Which executions of two tapes are one, and how side B's part is run with side A's inputs. */

import type { Backend } from "../../prims/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
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
  const rest = (tape: Tape): number[] => (diverged === undefined ? [] : tape.executions.slice(diverged).filter((e) => tensorsIn(e.outs).length > 0).map((e) => e.index));
  const isWeight = (tape: Tape, t: Tensor): boolean => producerOf(tape, t) === undefined && !tape.inputs.includes(t);
  return {
    pairs, of: a.executions.filter((e) => tensorsIn(e.outs).length > 0).length, by: { node: pairs.length }, onlyA: rest(a), onlyB: rest(b), diverged,
    sharesInputs: true,
    inputsOf: (pair) => {
      const args = tensorsIn(b.executions[pair.b]?.args ?? []);
      return [...new Set(args.map((t) => producerOf(b, t)).filter((i) => i !== undefined))];
    },
    isolate: async (pair, options) => {
      const [x, y] = [a.executions[pair.a], b.executions[pair.b]];
      if (x === undefined || y === undefined) return [];
      const replay = new Replay(b, { backend: options.backendB, cpu: options.cpu });
      const given = tensorsIn(x.args);
      const own = tensorsIn(y.args);
      own.forEach((t, i) => {
        const value = given[i];
        if (value !== undefined && !isWeight(b, t)) replay.substitute(t, value);
      });
      // Numbers that the run worked out (sizes, counts) are inputs too; those of another program may be what is wrong with it.
      let at = 0;
      const args = a.program === b.program && given.length === own.length ? x.args.map((arg) => mapTensors(arg, (t) => own[at++] ?? t)) : y.args;
      const outs = tensorsIn((await replay.run({ ...withGenerator(y, x), args })).outs);
      replay.dispose();
      return pair.outputs.map(([, j]) => outs[j]);
    },
    slackOf: () => 0,
    pinsOf: (pair) => new Map([[pair.b, tensorsIn(a.executions[pair.a]?.outs ?? [])]]),
  };
}

/** B's execution with the state of A's random generator. */
function withGenerator(execution: Execution, from: Execution): Execution {
  return from.generator === undefined ? execution : { ...execution, generator: from.generator };
}
