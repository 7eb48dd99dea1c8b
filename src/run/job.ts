/** A call that a session is to carry out, its options and its result. */

import type { Datum, Instance } from "../ir/datum.ts";
import type { Type } from "../ir/type.ts";
import type { LinkedFunction } from "./code.ts";
import type { Listener } from "./event.ts";

/** Options of one run. */
export interface RunOptions {
  /** Ends the run with `aborted`; looked at between instructions, which an asynchronous run yields for. */
  readonly signal?: AbortSignal | undefined;
  /** Instructions the run may execute, else `step-limit`. */
  readonly maxSteps?: number | undefined;
  /** Bytes the run may allocate in all, else `out-of-memory`. */
  readonly maxBytes?: number | undefined;
  /** Elements that the run's calls may visit in all, else `step-limit`: a view of stride 0 has any number of them in no memory. */
  readonly maxWork?: number | undefined;
  /** Gets every event of the machine. */
  readonly listener?: Listener | undefined;
}

/** A result as data, with the static type that says what kinds its scalars are. */
export interface Returned {
  readonly value: Datum;
  readonly type: Type;
}

export interface Job {
  readonly fn: LinkedFunction;
  readonly args: readonly Datum[];
  /** How many of `args` are the session's. */
  readonly own: number;
  /** The root module where its hooks have to run around the call. */
  readonly wrap: Instance | undefined;
  readonly finish: (values: readonly Datum[]) => Returned;
  /** What the caller holds after the run. */
  readonly kept: () => readonly (Datum | undefined)[];
}
