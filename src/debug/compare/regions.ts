/**
 * Pairs of two different graphs: an aligned value of B is the end of a region, all that lies between it and the aligned values before it. A region
 * is run with A's values at its border, so that both sides are judged step by step however differently they are cut.
 */

import type { Tensor } from "../../tensor/tensor.ts";
import type { Alignment, Match, Spot } from "./align.ts";
import { toA, toB } from "./layout.ts";
import { classOf, type OpClass } from "./op-class.ts";
import { type Pair, type Pairing, writersOf } from "./pairs.ts";
import { Replay } from "./replay.ts";
import { type Execution, type Tape, tensorsIn } from "./tape.ts";

/** What a step inside a region adds to the relative error of its end, in units of 2⁻²⁴. */
const SHARE: Readonly<Record<OpClass, number>> = {
  exact: 0,
  rounded: 2,
  elementary: 8,
  bounded: 4,
  gated: 16,
  sums: 16,
  products: 32,
  softmax: 64,
  "log-softmax": 32,
  norm: 64,
  attention: 256,
  resample: 256,
  recurrent: 256,
  quantised: 0,
  transforms: 64,
  factorisations: 1024,
  choices: 0,
  random: 0,
  general: 64,
};

interface Region {
  readonly match: Match;
  readonly steps: readonly Execution[];
  /** Matches whose values enter. */
  readonly border: readonly Match[];
  /** Arguments that are borders, with their match. */
  readonly entries: readonly (readonly [Tensor, Match])[];
}

/** Steps back from a match's end on one side, as far as `enters` does not say that a value comes in. */
function regionOf(
  tape: Tape,
  end: Execution,
  match: Match,
  enters: (t: Tensor) => Match | undefined,
  writers: (e: Execution | undefined) => number[],
): Omit<Region, "match"> {
  const steps = new Map<number, Execution>([[end.index, end]]);
  const border = new Set<Match>();
  const entries: [Tensor, Match][] = [];
  const queue = [end];
  for (let e = queue.pop(); e !== undefined; e = queue.pop()) {
    const inner: Tensor[] = [];
    for (const t of tensorsIn(e.args)) {
      const entering = enters(t);
      if (entering !== undefined && entering !== match) {
        border.add(entering);
        entries.push([t, entering]);
      } else inner.push(t);
    }
    for (const index of writers({ ...e, args: inner })) {
      const step = tape.executions[index];
      if (step === undefined || steps.has(index)) continue;
      steps.set(index, step);
      queue.push(step);
    }
  }
  return { steps: [...steps.values()].sort((x, y) => x.index - y.index), border: [...border], entries };
}

/** Pairs of two graphs, aligned. */
export function regionPairs(a: Tape, b: Tape, alignment: Alignment): Pairing {
  const { matches, valuesA, valuesB } = alignment;
  const [enterA, enterB] = [new Map<Tensor, Match>(), new Map<Tensor, Match>()];
  for (const match of matches) {
    if (!enterA.has(match.a.tensor)) enterA.set(match.a.tensor, match);
    enterB.set(match.b.tensor, match);
  }
  const [writersA, writersB] = [writersOf(a), writersOf(b)];
  const keys = new Map(matches.map((match, key) => [match, key] as const));
  const regions = matches.map((match): Region => ({ match, ...regionOf(b, match.b.execution, match, (t) => enterB.get(t), writersB) }));
  const inside = (spots: readonly Spot[], matched: ReadonlySet<Tensor>, steps: ReadonlySet<Execution>): { readonly inner: Spot[]; readonly only: Spot[] } => {
    const rest = spots.filter((spot) => !matched.has(spot.tensor));
    return { inner: rest.filter((spot) => steps.has(spot.execution)), only: rest.filter((spot) => !steps.has(spot.execution)) };
  };
  const stepsB = new Set(regions.flatMap((region) => region.steps));
  const inB = inside(valuesB, new Set(enterB.keys()), stepsB);
  const regionsA = matches.map((match) => regionOf(a, match.a.execution, match, (t) => enterA.get(t), writersA));
  const inA = inside(valuesA, new Set(enterA.keys()), new Set(regionsA.flatMap((region) => region.steps)));
  const by: Record<string, number> = {};
  for (const match of matches) by[match.by] = (by[match.by] ?? 0) + 1;
  if (inB.inner.length > 0) by["region"] = inB.inner.length;
  const pairs = regions.map(({ match }, key): Pair => ({
    key,
    a: match.a.execution.index,
    b: match.b.execution.index,
    outputs: [[match.a.output, match.b.output]],
    by: match.by,
    view: (value, reference) => (value === undefined ? undefined : toA(value, reference, match.layout)),
  }));
  return {
    pairs,
    aligned: matches.length + inB.inner.length,
    of: valuesB.length,
    by,
    onlyA: inA.only.map((spot) => spot.execution.index),
    onlyB: inB.only.map((spot) => spot.execution.index),
    diverged: undefined,
    sharesInputs: true,
    inputsOf: (pair) => (regions[pair.key]?.border ?? []).map((match) => keys.get(match)).filter((key) => key !== undefined),
    isolate: async (pair, options) => {
      const region = regions[pair.key];
      if (region === undefined) return [];
      const replay = new Replay(b, { backend: options.backendB, cpu: options.cpu });
      for (const [t, match] of region.entries) replay.substitute(t, toB(match.a.tensor, t, match.layout));
      let outs: Tensor[] = [];
      for (const step of region.steps) outs = tensorsIn((await replay.run(step)).outs);
      replay.dispose();
      const value = outs[region.match.b.output];
      return [value === undefined ? undefined : toA(value, region.match.a.tensor, region.match.layout)];
    },
    slackOf: (pair) => {
      const { match, steps } = regions[pair.key] ?? { match: undefined, steps: [] };
      const others = [...(regionsA[pair.key]?.steps ?? []).filter((e) => e !== match?.a.execution), ...steps];
      if (steps.length === 1 && others.length === 1 && classOf(others[0]?.node.op ?? "") === classOf(match?.a.execution.node.op ?? "")) return 0;
      return 2 ** -24 * others.reduce((sum, e) => sum + SHARE[classOf(e.node.op)], 0);
    },
    pinsOf: (pair) => {
      const match = regions[pair.key]?.match;
      if (match === undefined) return new Map();
      const outs = tensorsIn(match.b.execution.outs);
      return new Map([[pair.b, outs.map((t, i) => (i === match.b.output ? toB(match.a.tensor, t, match.layout) : t))]]);
    },
  };
}
