/**
 * Compares two tapes: which op first, and is it the cause or a victim? Every aligned value is judged twice: propagated (each side ran by itself)
 * and isolated (side B gets side A's inputs), and the pair gives the verdict. A is the reference.
 */

import type { Backend } from "../../prims/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type Numbering, numberingOf, placeOf as sourcePlace, sourceOf } from "../graph.ts";
import { align } from "./align.ts";
import { HOPELESS, Judge, type Judgement, type Override, type Profile } from "./budget.ts";
import { lookAlikes } from "./hypotheses.ts";
import { metricsOf, placeOf, relativeError } from "./metrics.ts";
import { sameBits } from "./numbers.ts";
import { classOf } from "./op-class.ts";
import { type Pairing, type Pair, samePairs } from "./pairs.ts";
import { regionPairs } from "./regions.ts";
import { Replay, rerun } from "./replay.ts";
import { type Execution, type Tape, tensorsIn } from "./tape.ts";
import { type Detail, LEAST_RELATIVE, MAX_GAIN, type Place, type Row, type Verdict } from "./verdict.ts";

export interface CompareOptions {
  /** Where side B's ops run again; side A's, and all judging, on the cpu. */
  readonly backendA: Backend;
  readonly backendB: Backend;
  readonly cpu: Backend;
  /** Default: node by node for one program, aligned by `align` for two. */
  readonly pairing?: Pairing | undefined;
  /** Values of two programs that belong together, by hand. */
  readonly map?: ReadonlyMap<string, string> | undefined;
  readonly mode?: "both" | "isolated" | "propagated" | undefined;
  /** `first`: until the first value that differs beyond its budget, `source`: until the first source. */
  readonly stopAt?: "first" | "source" | "end" | undefined;
  /** Only these are judged. */
  readonly only?: ((execution: Execution) => boolean) | undefined;
  readonly profile?: Profile | undefined;
  readonly overrides?: readonly Override[] | undefined;
  /** `f64`: both sides against double precision too. */
  readonly judge?: "f64" | undefined;
  /** Whether variants are tried that a wrong value may be; default true. */
  readonly hypotheses?: boolean | undefined;
}

export interface Comparison {
  readonly rows: readonly Row[];
  /** Values of side A that found their partner, of all that could; and by what. */
  readonly aligned: number;
  readonly of: number;
  readonly by: Readonly<Record<string, number>>;
  readonly onlyA: readonly Place[];
  readonly onlyB: readonly Place[];
  /** Where the two runs took different ways: what follows is unmatched. */
  readonly diverged: { readonly a: Place | undefined; readonly b: Place | undefined } | undefined;
  /** Indices into `rows`. */
  readonly sources: readonly number[];
  /** What is left with B's first source replaced by A's value. */
  readonly cause: { readonly failures: number; readonly left: number; readonly worst: number } | undefined;
  readonly outputs: readonly { readonly index: number; readonly relL2: number; readonly top1: number | undefined; readonly same: boolean }[];
  readonly overrides: readonly string[];
}

/** Numbers and names of a tape's executions. */
export class Places {
  readonly #tape: Tape;
  readonly #numbers: Numbering;
  constructor(tape: Tape) {
    this.#tape = tape;
    this.#numbers = numberingOf(tape.program);
  }
  of(index: number): Place {
    const e = this.#tape.executions[index];
    if (e === undefined) return { t: index, node: -1, nth: 0, op: "", module: "", source: undefined, text: undefined, name: undefined };
    const at = sourcePlace(sourceOf(e.node.location));
    const id = this.#numbers.nodeId(e.node);
    return {
      t: index,
      node: id,
      nth: e.nth,
      op: e.node.op,
      module: e.module,
      source: at === undefined ? undefined : `${at.file}:${at.line}`,
      text: at?.text,
      name: e.node.name ?? this.#numbers.graph.values[this.#numbers.graph.nodes[id - 1]?.results[0] ?? -1]?.name,
    };
  }
}

/** Sources whose look-alikes are tried. */
const TRIED = 2;

/** What is known of a pair while the rows are made. */
interface Judged {
  readonly pair: Pair;
  readonly execution: Execution;
  readonly references: readonly Tensor[];
  readonly own: readonly (Tensor | undefined)[];
  readonly isolatedValues: readonly (Tensor | undefined)[] | undefined;
  readonly isolated: Judgement | undefined;
  readonly error: number;
  readonly allowed: number;
  readonly gain: number | undefined;
  readonly inputsBad: boolean;
  readonly judge: Row["judge"];
}

/** Compares the tapes. Side B's ops run again on its backend; nothing of either tape changes. */
export async function compareTapes(a: Tape, b: Tape, options: CompareOptions): Promise<Comparison> {
  const pairing = options.pairing ?? (a.program === b.program ? samePairs(a, b) : regionPairs(a, b, await align(a, b, { cpu: options.cpu, map: options.map })));
  const [placesA, placesB] = [new Places(a), new Places(b)];
  const judged: Judged[] = [];
  const errorsOf = new Map<number, { readonly error: number; readonly allowed: number; readonly bad: boolean }>();
  const used = new Set<string>();
  const rows: Row[] = [];
  const mode = options.mode ?? "both";
  for (const pair of pairing.pairs) {
    const execution = a.executions[pair.a];
    const other = b.executions[pair.b];
    if (execution === undefined || other === undefined) continue;
    const wanted = options.only?.(execution) ?? true;
    const [outsA, outsB] = [tensorsIn(execution.outs), tensorsIn(other.outs)];
    const references = pair.outputs.map(([i]) => outsA[i]).filter((t) => t !== undefined);
    const own = pair.outputs.map(([i, j]) => (outsA[i] === undefined ? undefined : pair.view(outsB[j], outsA[i])));
    const upstream = pairing
      .inputsOf(pair)
      .map((index) => errorsOf.get(index))
      .filter((e) => e !== undefined);
    const same = references.every((r, i) => own[i] !== undefined && sameBits(r, own[i]));
    const inputsSame = upstream.every((e) => e.error === 0);
    let isolatedValues: readonly (Tensor | undefined)[] | undefined;
    if (wanted && mode !== "propagated")
      isolatedValues = inputsSame && pairing.sharesInputs ? own : same && inputsSame ? own : await pairing.isolate(pair, options);
    const judge = new Judge({
      tape: a,
      execution,
      cpu: options.cpu,
      profile: options.profile ?? "strict",
      tiles: !options.backendA.onHost || !options.backendB.onHost,
      overrides: options.overrides,
    });
    const isolated = isolatedValues === undefined ? undefined : await worst(judge, references, isolatedValues, pairing.slackOf(pair));
    if (isolated?.override !== undefined) used.add(isolated.override);
    const error = same ? 0 : Math.max(0, ...references.map((r, i) => relativeError(r, own[i])));
    const inputError = Math.max(0, ...upstream.map((e) => e.error));
    const share = isolated === undefined ? await shareOf(judge, references, own) : Math.max(isolated.share, pairing.slackOf(pair));
    const gain = inputError > 0 ? error / inputError : undefined;
    const inputsBad = upstream.some((e) => e.bad);
    const allowed = Math.max(LEAST_RELATIVE, share + Math.min(gain ?? 0, MAX_GAIN) * Math.max(0, ...upstream.map((e) => e.allowed)));
    const propagated = mode === "isolated" ? 0 : error / allowed;
    // What is wrong by itself is bad for all behind it, however small it looks in the norm.
    errorsOf.set(pair.key, { error, allowed, bad: propagated > 1 || (isolated?.times ?? 0) > 1 });
    const one: Judged = {
      pair,
      execution,
      references,
      own,
      isolatedValues,
      isolated,
      error,
      allowed,
      gain,
      inputsBad,
      judge:
        options.judge === "f64" && wanted && a.recorded !== true ? await againstDouble(a, execution, references, isolatedValues, judge, options) : undefined,
    };
    judged.push(one);
    if (!wanted) continue;
    const verdict = await verdictOf(a, one, propagated, options);
    rows.push({
      a: placesA.of(pair.a),
      b: placesB.of(pair.b),
      by: pair.by,
      dtype: references[0]?.dtype ?? "",
      shape: references[0]?.shape ?? [],
      class: isolated?.class ?? classOf(execution.node.op),
      isolated: isolated?.times,
      propagated: mode === "isolated" ? undefined : propagated,
      gain,
      verdict,
      problem: isolated?.problem,
      detail:
        verdict === "source" || verdict === "masked"
          ? await detailOf(a, one, isolated, {
              ...options,
              hypotheses: options.hypotheses !== false && rows.filter((row) => row.verdict === "source").length < TRIED,
            })
          : undefined,
      judge: one.judge,
      override: isolated?.override,
    });
    if (options.stopAt === "source" && verdict === "source") break;
    if (options.stopAt === "first" && ((isolated?.times ?? 0) > 1 || propagated > 1)) break;
  }
  const sources = rows.flatMap((row, i) => (row.verdict === "source" ? [i] : []));
  return {
    rows,
    aligned: pairing.aligned,
    of: pairing.of,
    by: pairing.by,
    onlyA: pairing.onlyA.map((i) => placesA.of(i)),
    onlyB: pairing.onlyB.map((i) => placesB.of(i)),
    diverged: pairing.diverged === undefined ? undefined : { a: placesA.of(pairing.diverged), b: placesB.of(pairing.diverged) },
    sources,
    cause: await explained(b, rows, judged, sources, pairing, options),
    outputs: outputsOf(a, b),
    overrides: [...used],
  };
}

/** The worst judgement of an execution's results. */
async function worst(judge: Judge, references: readonly Tensor[], values: readonly (Tensor | undefined)[], slack: number): Promise<Judgement> {
  let found: Judgement | undefined;
  for (const [i, reference] of references.entries()) {
    const one = await judge.output(reference, values, i, slack);
    if (found === undefined || one.times > found.times) found = { ...one, share: Math.max(one.share, found?.share ?? 0), tie: one.tie || found?.tie === true };
    else found = { ...found, share: Math.max(one.share, found.share), tie: one.tie || found.tie };
  }
  return found ?? { times: 0, class: "general", problem: undefined, over: [], count: 0, tie: false, share: 0, override: undefined };
}

/** What of a relative error is the op's own, where it is not run by itself. */
async function shareOf(judge: Judge, references: readonly Tensor[], values: readonly (Tensor | undefined)[]): Promise<number> {
  return (await worst(judge, references, values, 0)).share;
}

async function verdictOf(a: Tape, one: Judged, propagated: number, options: CompareOptions): Promise<Verdict> {
  const { isolated, judge } = one;
  if (isolated !== undefined && isolated.times > 1) {
    if (isolated.class === "random") return "random";
    if (judge !== undefined && judge.a > 1) return judge.b > 1 ? "ill-conditioned" : "reference";
    return (await reachesOutput(a, one, options)) ? "source" : "masked";
  }
  if (isolated?.tie === true) return "tie";
  if (propagated <= 1) return "ok";
  if (one.inputsBad) return "victim";
  const { dtype } = one.references[0] ?? {};
  return isolated === undefined ? "source" : dtype === "int64" || dtype === "bool" || dtype === "int32" ? "tie" : "amplifier";
}

/** Whether any output of A has other bits with the isolated value in the reference's place. */
async function reachesOutput(a: Tape, one: Judged, options: CompareOptions): Promise<boolean> {
  const values = one.isolatedValues?.map((v, i) => v ?? one.references[i]).filter((v) => v !== undefined);
  if (a.recorded === true || values === undefined || values.some((v, i) => v.numel !== one.references[i]?.numel)) return true;
  const all = tensorsIn(one.execution.outs);
  const pins = all.map((t, i) => {
    const at = one.pair.outputs.findIndex(([x]) => x === i);
    return at < 0 ? t : (values[at] ?? t);
  });
  try {
    const changed = await rerun(a, { backend: options.cpu, cpu: options.cpu, again: () => false, pins: new Map([[one.pair.a, pins]]) });
    const [before, after] = [tensorsIn(a.outputs), tensorsIn(changed.outputs)];
    return before.some((t, i) => after[i] === undefined || !sameBits(t, after[i]));
  } catch {
    return true; // the wrong value makes a later op fail: that is reaching far enough
  }
}

async function detailOf(a: Tape, one: Judged, isolated: Judgement | undefined, options: CompareOptions): Promise<Detail> {
  const at = Math.max(
    0,
    one.references.findIndex((r, i) => one.isolatedValues?.[i] === undefined || !sameBits(r, one.isolatedValues[i])),
  );
  const [reference, value] = [one.references[at], one.isolatedValues?.[at]];
  const shape = reference?.shape ?? [];
  const looksLike =
    options.hypotheses === false || a.recorded === true || reference === undefined || value === undefined
      ? []
      : await lookAlikes(a, one.execution, at, value, options);
  return {
    metrics: reference === undefined || value === undefined ? undefined : metricsOf(reference, value),
    violations: isolated?.count ?? 0,
    elements: reference?.numel ?? 0,
    place: placeOf(isolated?.over ?? [], isolated?.count ?? 0, shape),
    looksLike,
  };
}

/** Both sides against the same op in double precision, with A's inputs. */
async function againstDouble(
  a: Tape,
  execution: Execution,
  references: readonly Tensor[],
  values: readonly (Tensor | undefined)[] | undefined,
  judge: Judge,
  options: CompareOptions,
): Promise<Row["judge"]> {
  try {
    const wide = new Replay(a, { backend: options.cpu, cpu: options.cpu, wide: true });
    const exact = tensorsIn((await wide.run(execution)).outs);
    let [worstA, worstB] = [0, 0];
    for (const i of references.keys()) {
      const truth = exact[i];
      if (truth === undefined) continue;
      worstA = Math.max(worstA, (await judge.output(truth, references, i)).times);
      worstB = Math.max(worstB, (await judge.output(truth, values?.map((v, k) => v ?? references[k]) ?? references, i)).times);
    }
    return { a: worstA, b: worstB };
  } catch {
    return undefined; // an op that has no meaning in double precision
  }
}

/** What is left of the failures when B's first source gives A's value. */
async function explained(
  b: Tape,
  rows: readonly Row[],
  judged: readonly Judged[],
  sources: readonly number[],
  pairing: Pairing,
  options: CompareOptions,
): Promise<Comparison["cause"]> {
  const first = rows[sources[0] ?? -1];
  if (first === undefined || options.mode === "isolated") return undefined;
  const failing = judged.filter((one) => one.error / one.allowed > 1 || one.pair.a === first.a.t);
  const source = judged.find((one) => one.pair.a === first.a.t);
  if (source === undefined) return undefined;
  const pins = pairing.pinsOf(source.pair);
  const mended = await rerun(b, { backend: options.backendB, cpu: options.cpu, again: () => false, pins });
  let [left, worstTimes] = [0, 0];
  for (const one of failing) {
    const outs = tensorsIn(mended.executions[one.pair.b]?.outs ?? []);
    const error = Math.max(
      0,
      ...one.pair.outputs.map(([, j], k) => {
        const reference = one.references[k];
        return reference === undefined ? 0 : relativeError(reference, one.pair.view(outs[j], reference));
      }),
    );
    const times = Math.min(HOPELESS, error / one.allowed);
    worstTimes = Math.max(worstTimes, times);
    if (times > 1) left++;
  }
  return { failures: failing.length, left, worst: worstTimes };
}

function outputsOf(a: Tape, b: Tape): Comparison["outputs"] {
  const [left, right] = [tensorsIn(a.outputs), tensorsIn(b.outputs)];
  return left.map((t, index) => {
    const other = right[index];
    const metrics = other === undefined ? undefined : metricsOf(t, other);
    return { index, relL2: relativeError(t, other), top1: metrics?.top1, same: other !== undefined && sameBits(t, other) };
  });
}
