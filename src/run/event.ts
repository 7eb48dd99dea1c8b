/** What the machine tells whoever watches: one stream for debugger, profiler, traces. */

import type { Datum } from "../ir/datum.ts";
import type { FunctionDecl, Node } from "../ir/graph.ts";
import type { Call, Region } from "../prims/call.ts";
import type { Tensor } from "../tensor/tensor.ts";

interface EventBase {
  /** Steps so far; a place one can go back to. */
  readonly time: number;
  /** Frames on the running task. */
  readonly depth: number;
  /** Tasks alive: 1 but for forks. */
  readonly task: number;
}

/** Why a block runs. */
export type BlockKind = "call" | "branch" | "trip" | "fork";

export type MachineEvent =
  /** An op, constant or data instruction has run; a loop that makes no trip, too. */
  | (EventBase & { readonly kind: "op"; readonly node: Node; readonly inputs: readonly Datum[]; readonly outputs: readonly Datum[] })
  /**
   * A block is entered: a call's body, a branch, a loop trip, a fork's body. `inputs` are the block's own (a call's arguments; a trip's number and
   * carried values). `node` is what opened it: undefined for the run's entry and for what runs while an error passes; `decl` of a call.
   */
  | (EventBase & {
      readonly kind: "enter";
      readonly what: BlockKind;
      readonly node: Node | undefined;
      readonly name: string;
      readonly trip: number;
      readonly inputs: readonly Datum[];
      readonly decl: FunctionDecl | undefined;
    })
  /** A block has ended with these values. `last`: they are the results of `node` (of a trip: without the condition before them). */
  | (EventBase & {
      readonly kind: "exit";
      readonly what: BlockKind;
      readonly node: Node | undefined;
      readonly values: readonly Datum[];
      readonly last: boolean;
    })
  /** The machine waits for a value from a device. */
  | (EventBase & { readonly kind: "read wanted"; readonly node: Node })
  /** An op reads the values of a tensor. */
  | (EventBase & { readonly kind: "read"; readonly node: Node; readonly tensor: Tensor })
  /** A call or claimed region was carried out, or handed to `backend`; before the `op` event of its op. `reason`: why not on the session's own backend. */
  | (EventBase & { readonly kind: "prim"; readonly what: Call | Region; readonly backend: string; readonly bytes: number; readonly reason: string | undefined })
  /** The model prints. */
  | (EventBase & { readonly kind: "print"; readonly text: string })
  /** An error ended the run, or the task whose future keeps it. */
  | (EventBase & { readonly kind: "raise"; readonly node: Node | undefined; readonly error: unknown; readonly kept: boolean });

/** Gets each event. Where it gives a promise, the machine goes on when that is settled; a synchronous run cannot wait for one. */
export type Listener = (event: MachineEvent) => unknown;
