/**
 * One recorded run as the page holds it: entries (module calls, loop trips, ops) as columns in preorder, and the values that
 * they made. Everything that the page shows is a function of this and of the values' bytes, which are read when looked at.
 */

import type { TraceGraph } from "../debug/graph.ts";
import type { Health as HealthRecord } from "../debug/events.ts";
import type { DType } from "../tensor/dtype.ts";

/** What an entry is. `data`: constants, attributes, lists and their like, which compute nothing. */
export const KIND = { root: 0, module: 1, trip: 2, op: 3, data: 4, prim: 5 } as const;

/** Bits of `Run.flags`. */
export const FLAG = { fallback: 1, error: 2, writes: 4, reads: 8, dead: 16 } as const;

/** Statistics of a value: those of the trace, with the histogram unpacked. */
export interface Health extends Omit<HealthRecord, "bins"> {
  /** 512 counts: sign (1 bit) and float32 exponent (8 bits). */
  readonly histogram?: Float64Array | undefined;
}

/** A value of the run: what one execution of one node made, or an input or weight. */
export interface ValueFact {
  /** Index in `Run.values`. */
  readonly index: number;
  /** `%y1`, as the graph prints it. */
  readonly name: string;
  /** The entry that made it; 0 (the root) for inputs and weights. */
  readonly maker: number;
  readonly role: "value" | "input" | "weight";
  /** The step at which it was there. */
  readonly t: number;
  readonly dtype?: DType | undefined;
  readonly shape?: readonly number[] | undefined;
  readonly strides?: readonly number[] | undefined;
  /** In elements. */
  readonly offset?: number | undefined;
  readonly storage?: number | undefined;
  readonly version?: number | undefined;
  /** The value whose storage this one shares, where it is no owner. */
  readonly viewOf?: number | undefined;
  /** What is no tensor, as bounded text. */
  readonly text?: string | undefined;
  readonly health?: Health | undefined;
  readonly hash?: string | undefined;
  /** Where the bytes lie in the trace; undefined: not recorded. */
  readonly blob?: string | undefined;
  readonly backend?: string | undefined;
  /** Entries that took it, in order. */
  readonly users: readonly number[];
  readonly isOutput: boolean;
}

/** A place in the source, innermost call first. */
export interface Place {
  /** `code/__torch__/net.py`. */
  readonly record?: string | undefined;
  readonly line?: number | undefined;
  /** `net.py:88`. */
  readonly python?: string | undefined;
  /** The author's line. */
  readonly text?: string | undefined;
}

/** What is true of a node whichever time it runs. */
export interface NodeFact {
  readonly id: number;
  /** `aten::conv2d`, `onnx::Conv@11`. */
  readonly op: string;
  /** The node as the IR prints it. */
  readonly text: string;
  readonly name?: string | undefined;
  readonly module: string;
  readonly place?: Place | undefined;
  readonly attributes: readonly (readonly [name: string, text: string])[];
}

export interface Step {
  readonly kind: string;
  readonly text: string;
  readonly t: number;
}

/** Bytes held at a step. */
export interface MemoryPoint {
  readonly t: number;
  readonly bytes: number;
}

export interface Run {
  readonly name: string;
  /** The static graph. */
  readonly graph: TraceGraph;
  readonly backend: string;
  /** What the file says of itself, for the header and the inspector: label and text. */
  readonly facts: readonly (readonly [label: string, text: string])[];
  /** What the recorder left out. */
  readonly dropped: readonly string[];
  readonly count: number;
  readonly kind: Uint8Array;
  readonly parent: Int32Array;
  readonly depth: Uint16Array;
  /** One past the last entry below this one. */
  readonly end: Int32Array;
  /** Node id; -1 where there is none. */
  readonly node: Int32Array;
  readonly nth: Int32Array;
  /** First and last step. */
  readonly t0: Float64Array;
  readonly t1: Float64Array;
  /** Milliseconds; NaN: not timed. */
  readonly ms: Float64Array;
  readonly flags: Uint8Array;
  readonly label: readonly string[];
  /** What stands behind the label: module class, node name. */
  readonly detail: readonly string[];
  /** Module path. */
  readonly path: readonly string[];
  /** Values taken and made, as indices into `values`. */
  readonly ins: readonly (readonly number[])[];
  readonly outs: readonly (readonly number[])[];
  readonly values: readonly ValueFact[];
  /** What is known of a node; undefined for no node. */
  readonly nodeFact: (id: number) => NodeFact | undefined;
  /** Text by entry: why an op ran elsewhere, what an error said. */
  readonly notes: ReadonlyMap<number, string>;
  readonly memory: readonly MemoryPoint[];
  /** What the model printed, warned of or read, with its step. */
  readonly log: readonly Step[];
  /** Source files by name. */
  readonly sources: ReadonlyMap<string, string>;
  /** Bytes of the value's storage. @throws where the trace has none */
  readonly bytes: (value: ValueFact) => Promise<Uint8Array>;
}

/** `#412`, and `#412[3]` where the node ran more than once. */
export function entryName(run: Run, entry: number): string {
  const node = run.node[entry] ?? -1;
  if (node < 0) return run.path[entry] === "" ? (run.label[entry] ?? "") : (run.path[entry] ?? "");
  const nth = run.nth[entry] ?? 0;
  return nth > 0 ? `#${node}[${nth}]` : `#${node}`;
}

/** The first tensor an entry made, or the first value. */
export function mainOutput(run: Run, entry: number): ValueFact | undefined {
  const outs = run.outs[entry] ?? [];
  const facts = outs.flatMap((index) => run.values[index] ?? []);
  return facts.find((value) => value.shape !== undefined) ?? facts[0];
}
