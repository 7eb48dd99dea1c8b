/** What a recorder is told, and where it puts what it records. */

import type { Storage } from "../tensor/storage.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { BlobRef, Health, TensorFacts, Tier, TraceEvent, ValueId } from "./events.ts";
import type { GraphNode } from "./graph.ts";

/** Where a recorder puts what it records. */
export interface Sink {
  event(event: TraceEvent): void;
  /** Keeps the numbers of a storage at a version; undefined where the budget is spent. `bytes` may be the storage's own: they are valid during the call alone. */
  keep(kept: KeptStorage): BlobRef | undefined;
  /** The tier that the budget leaves of the one that is wanted for a value. */
  limit(wanted: Tier): Tier;
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

/** What a selection knows of an execution when its values are about to be recorded. */
export interface Subject {
  readonly node: GraphNode;
  readonly nth: number;
  readonly module: string;
  readonly values: readonly {
    readonly id: ValueId;
    readonly name: string;
    readonly version: number | undefined;
    readonly tensor: TensorFacts | undefined;
    readonly health: Health | undefined;
  }[];
  readonly backend: string;
  readonly ms: number | undefined;
}

export interface RecorderOptions {
  /** What is recorded of every value; `full`: all numbers. Default `stats`: health records. */
  readonly values?: "none" | "hash" | "stats" | "full" | undefined;
  /** Whose numbers are kept besides. */
  readonly select?: ((subject: Subject) => boolean) | undefined;
  /** Times of nodes; default true. */
  readonly timing?: boolean | undefined;
  /** Events of primitive calls; default false. */
  readonly prims?: boolean | undefined;
  /** Which run of several. */
  readonly run?: number | undefined;
  /** Content hashes besides health records; default false. */
  readonly hashes?: boolean | undefined;
}
