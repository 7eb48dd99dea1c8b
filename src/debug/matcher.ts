/** Selectors as a debugger uses them: what can be decided before a node runs stops before it, the rest after. */

import type { Node } from "../ir/graph.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Numbering, TraceGraph } from "./graph.ts";
import { healthOf } from "./health.ts";
import { type Candidate, matches, selectNodes, type Subject, suggestions, type Verdict } from "./match.ts";
import { rowMaxima } from "./rows.ts";
import { parseSelector, type Selector } from "./selector.ts";
import { factsOf } from "./storage-book.ts";
import type { Step } from "./timeline.ts";

/** A selector, a breakpoint or a change that matches nothing. */
export function noMatch(message: string, near: readonly string[] = []): OpwiseError {
  return new OpwiseError("no-match", message, {
    hint: near.length > 0 ? `did you mean ${near.join(" or ")}?` : "`opwise select MODEL SELECTOR` prints what a selector matches",
  });
}

/** What is known of a node that is next. */
export interface Coming {
  readonly time: number;
  readonly nth: number;
  readonly module: string;
}

export class Matcher {
  /** Nodes that may match; whether they do, a run may have to decide. */
  readonly nodes: ReadonlySet<Node>;
  readonly #selector: Selector | undefined;
  readonly #graph: TraceGraph;
  readonly #numbering: Numbering;

  private constructor(numbering: Numbering, selector: Selector | undefined, nodes: ReadonlySet<Node>) {
    this.#numbering = numbering;
    this.#graph = numbering.graph;
    this.#selector = selector;
    this.nodes = nodes;
  }

  /** @throws no-match where no node of the model can match; bad-argument where the text is no selector */
  static of(numbering: Numbering, text: string): Matcher {
    const selector = parseSelector(text);
    const nodes = new Set(selectNodes(numbering.graph, selector).flatMap(({ node }) => numbering.nodeOf(node.id) ?? []));
    if (nodes.size === 0) throw noMatch(`\`${text}\` matches nothing`, suggestions(numbering.graph, selector));
    return new Matcher(numbering, selector, nodes);
  }
  /** Nodes that are known already. */
  static ofNodes(numbering: Numbering, nodes: ReadonlySet<Node>): Matcher {
    return new Matcher(numbering, undefined, nodes);
  }

  /** Whether it matches a node that is next; undefined where only its values can tell. */
  before(node: Node, coming: () => Coming): Verdict {
    if (!this.nodes.has(node)) return false;
    if (this.#selector === undefined) return true;
    const { time, nth, module } = coming();
    const own = this.#graph.nodes[this.#numbering.nodeId(node) - 1];
    return own === undefined ? false : matches(this.#selector, { node: own, t: time, nth, module }, this.#graph);
  }

  /** Whether it matches what a step gave. */
  after(step: Step, coming: Coming, written: Subject["written"], name: (result: number) => string): boolean {
    const own = this.#graph.nodes[this.#numbering.nodeId(step.node) - 1];
    if (own === undefined || this.#selector === undefined) return false;
    const values = step.outputs.flatMap((value, i): Candidate[] => (value instanceof Tensor ? [liveCandidate(own.results[i] ?? -1, name(i), value)] : []));
    const subject: Subject = {
      node: own,
      t: coming.time,
      nth: coming.nth,
      module: coming.module,
      values,
      written,
      ms: step.ms,
      prims: step.prims.map((p) => p.text),
      backend: step.prims[0]?.backend,
      fallbacks: step.prims.filter((p) => p.reason !== undefined).length,
      copied: step.prims.reduce((n, p) => n + (p.reason === undefined ? 0 : p.bytes), 0),
    };
    return matches(this.#selector, subject, this.#graph) === true;
  }
}

/** A tensor as predicates see it; its statistics are made when they are asked for. */
function liveCandidate(id: number, name: string, tensor: Tensor): Candidate {
  let health: Candidate["health"];
  return {
    id,
    name,
    version: tensor.storage.version,
    tensor: factsOf(tensor),
    get health() {
      return (health ??= tensor.storage.onHost ? healthOf(tensor, tensor.storage.bytes()) : undefined);
    },
    get rowmax() {
      return tensor.storage.onHost ? rowMaxima(tensor) : undefined;
    },
  };
}
