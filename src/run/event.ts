/** What the machine tells whoever watches: one stream for debugger, profiler, traces. */

import type { Datum } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";

interface EventBase {
  /** Steps so far; a place one can go back to. */
  readonly time: number;
  /** Frames on the running task. */
  readonly depth: number;
  /** Tasks alive: 1 but for forks. */
  readonly task: number;
}

export type MachineEvent =
  /** An op, constant or data instruction has run. */
  | (EventBase & { readonly kind: "op"; readonly node: Node; readonly inputs: readonly Datum[]; readonly outputs: readonly Datum[] })
  /** A block is entered: a call's body, a branch, a loop trip, a fork's body. */
  | (EventBase & { readonly kind: "enter"; readonly what: "call" | "branch" | "trip" | "fork"; readonly node: Node; readonly name: string; readonly trip: number })
  /** A block has ended. */
  | (EventBase & { readonly kind: "exit"; readonly what: "call" | "branch" | "trip" | "fork"; readonly node: Node | undefined })
  /** The machine waits for a value from a device. */
  | (EventBase & { readonly kind: "read wanted"; readonly node: Node })
  /** An error ended the run, or the task whose future keeps it. */
  | (EventBase & { readonly kind: "raise"; readonly node: Node | undefined; readonly error: unknown; readonly kept: boolean });

export type Listener = (event: MachineEvent) => void;
