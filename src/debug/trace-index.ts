/** `index.json`: where what lies in a trace, and a summary of each node. */

import type { NodeId, Step, TraceEvent } from "./events.ts";
import type { TraceGraph } from "./graph.ts";

export interface NodeSummary {
  /** Executions. */
  readonly n: number;
  /** When they began; the first 1,000. */
  readonly ts: readonly Step[];
  readonly backend: string;
  /** Milliseconds in all, where times were wanted; of calls with what is inside. */
  readonly ms?: number;
  readonly bytes: number;
  readonly flops: number;
  readonly fallbacks: number;
  /** Numbers that are NaN, and infinite, in its results. */
  readonly nan: number;
  readonly inf: number;
  readonly absmax?: number;
}
export interface TraceIndex {
  readonly chunks: readonly { readonly entry: string; readonly from: Step; readonly to: Step; readonly events: number }[];
  /** By node id. */
  readonly nodes: Readonly<Record<string, NodeSummary>>;
  /** By value id: when its numbers were kept, and where. */
  readonly values: Readonly<Record<string, readonly { readonly t: Step; readonly entry: string }[]>>;
  /** The true dtype of each kept record, where NumPy has no name for it, its bytes and their hash. */
  readonly blobs: Readonly<Record<string, { readonly dtype: string; readonly bytes: number; readonly hash: string }>>;
}

const MAX_TIMES = 1000;

type Building = { -readonly [K in keyof NodeSummary]: NodeSummary[K] } & { ts: Step[] };

/** Gathers an index while events go by. */
export class IndexBuilder {
  readonly #graph: TraceGraph;
  readonly #chunks: { entry: string; from: Step; to: Step; events: number }[] = [];
  readonly #nodes = new Map<NodeId, Building>();
  readonly #values = new Map<number, { t: Step; entry: string }[]>();
  readonly #blobs: Record<string, { dtype: string; bytes: number; hash: string }> = {};

  constructor(graph: TraceGraph) {
    this.#graph = graph;
  }

  chunk(entry: string, from: Step, to: Step, events: number): void {
    this.#chunks.push({ entry, from, to, events });
  }
  blob(entry: string, facts: { readonly dtype: string; readonly bytes: number; readonly hash: string }): void {
    this.#blobs[entry] = facts;
  }

  add(event: TraceEvent): void {
    switch (event.k) {
      case "enter": {
        const node = this.#nodes.get(event.node) ?? { n: 0, ts: [], backend: event.backend, bytes: 0, flops: 0, fallbacks: 0, nan: 0, inf: 0 };
        this.#nodes.set(event.node, node);
        node.n++;
        if (node.ts.length < MAX_TIMES) node.ts.push(event.t);
        break;
      }
      case "exit": {
        const node = this.#nodes.get(event.node);
        if (node === undefined) break;
        if (event.ms !== undefined) node.ms = Math.round(((node.ms ?? 0) + event.ms) * 1e4) / 1e4;
        node.bytes += event.bytes ?? 0;
        node.flops += event.flops ?? 0;
        break;
      }
      case "fallback": {
        const node = this.#nodes.get(event.node);
        if (node !== undefined) node.fallbacks++;
        break;
      }
      case "value": {
        if (event.blob !== undefined) {
          const list = this.#values.get(event.ref.value);
          const at = { t: event.t, entry: event.blob.entry };
          if (list === undefined) this.#values.set(event.ref.value, [at]);
          else list.push(at);
        }
        const made = this.#graph.values[event.ref.value]?.node;
        const node = made === null || made === undefined ? undefined : this.#nodes.get(made);
        if (node === undefined || event.health === undefined) break;
        node.nan += event.health.nan;
        node.inf += event.health.posInf + event.health.negInf;
        if (event.health.absmax !== undefined) node.absmax = Math.max(node.absmax ?? 0, event.health.absmax);
        break;
      }
      default:
    }
  }

  finish(): TraceIndex {
    return { chunks: this.#chunks, nodes: Object.fromEntries(this.#nodes), values: Object.fromEntries(this.#values), blobs: this.#blobs };
  }
}
