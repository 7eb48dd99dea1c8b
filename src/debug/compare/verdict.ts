/** The rows of a comparison: two judgements of each aligned value, and what they say together. */

import type { Judgement } from "./budget.ts";
import type { Metrics } from "./metrics.ts";
import type { OpClass } from "./op-class.ts";

/**
 * - `source`: wrong with the reference's own inputs, and an output shows it. `masked`: wrong, but no output has other bits for it.
 * - `victim`: right by itself, its inputs are wrong. `amplifier`: right by itself and with good inputs, yet far apart: small differences grew.
 * - `tie`: chose between equals. `random`: drew other numbers. `unmatched`: the other side has nothing to compare with.
 */
export type Verdict = "ok" | "source" | "victim" | "amplifier" | "masked" | "tie" | "random" | "unmatched" | "reference" | "ill-conditioned";

/** Where an execution is, for reading. */
export interface Place {
  /** Position on the tape. */
  readonly t: number;
  /** Number of the node, and which of its executions. */
  readonly node: number;
  readonly nth: number;
  readonly op: string;
  readonly module: string;
  /** The author's line, where one is known, else the archive's. */
  readonly source: string | undefined;
  /** Its text. */
  readonly text: string | undefined;
  /** Name of the node or its first result, where the format has one. */
  readonly name: string | undefined;
}

export interface Row {
  readonly a: Place;
  readonly b: Place | undefined;
  /** What tells that both are one. */
  readonly by: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly class: OpClass;
  /** Times the budget with the reference's inputs; undefined: not run. */
  readonly isolated: number | undefined;
  /** Times what rounding upstream explains. */
  readonly propagated: number | undefined;
  /** Relative error of the result over the largest of the inputs'; undefined where the inputs have none. */
  readonly gain: number | undefined;
  readonly verdict: Verdict;
  readonly problem: Judgement["problem"];
  /** Only of what is not right by itself. */
  readonly detail: Detail | undefined;
  /** Both sides against double precision. */
  readonly judge: { readonly a: number; readonly b: number } | undefined;
  readonly override: string | undefined;
}

export interface Detail {
  readonly metrics: Metrics | undefined;
  readonly violations: number;
  readonly elements: number;
  readonly place: string | undefined;
  /** Variants that agree with the wrong value within budget, best first. */
  readonly looksLike: readonly { readonly what: string; readonly times: number }[];
}

/** Beyond this gain a small difference is said to have been amplified rather than passed on. */
export const MAX_GAIN: number = 32;
/** A relative error that any path of float32 arithmetic may have: below it nothing is called bad downstream. */
export const LEAST_RELATIVE: number = 2 ** -20;
