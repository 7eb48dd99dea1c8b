/** What a recorder is told, and where it puts what it records. */

import type { Storage } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { BlobRef, Tier, TraceEvent } from "./events.ts";
import type { Subject } from "./match.ts";
import type { Selector } from "./selector.ts";

/** Where a recorder puts what it records. */
export interface Sink {
  event(event: TraceEvent): void;
  /** Keeps the numbers of a storage at a version; undefined where the budget is spent. `bytes` may be the storage's own: they are valid during the call alone. */
  keep(kept: KeptStorage): BlobRef | undefined;
  /** The tier that the budget leaves of the one that is wanted for a value. */
  limit(wanted: Tier): Tier;
  /** An execution has been told of, its events before this; only where somebody observes. */
  subject?(subject: Subject, selected: boolean): void;
}

export interface KeptStorage {
  readonly storage: number;
  readonly version: number;
  /** Dtype of the view through which it is kept. */
  readonly dtype: Tensor["dtype"];
  readonly bytes: Uint8Array;
  /** The storage itself where `bytes` are its own memory, whose next write is told to `saveBeforeWrite`. */
  readonly live: Storage | undefined;
}

export interface RecorderOptions {
  /** What is recorded of every value; `full`: all numbers. Default `stats`: health records. */
  readonly values?: "none" | "hash" | "stats" | "full" | undefined;
  /** Whose numbers are kept besides: all results of executions that match. */
  readonly select?: Selector | undefined;
  /** Times of nodes; default true. */
  readonly timing?: boolean | undefined;
  /** Events of primitive calls; default false. */
  readonly prims?: boolean | undefined;
  /** Which run of several. */
  readonly run?: number | undefined;
  /** Calls the sink's `subject`. What the tier asks for is found out of selected results alone, where `content` says so, and told with each of them. */
  readonly observe?: { readonly select: Selector | undefined; readonly content: boolean } | undefined;
  /** Content hashes besides health records; default false. */
  readonly hashes?: boolean | undefined;
}
