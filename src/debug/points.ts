/** Places to stop at: breakpoints on selectors, watches on storages; with conditions, counts to ignore, and texts to print instead of stopping. */

import type { Node } from "../ir/graph.ts";
import { isOpwiseError, OpwiseError } from "../tensor/error.ts";
import { type Expression, parseExpression } from "./expression.ts";
import type { Numbering } from "./graph.ts";
import type { Subject } from "./match.ts";
import { type Coming, Matcher } from "./matcher.ts";
import type { Step } from "./timeline.ts";

export interface Point {
  readonly id: number;
  readonly kind: "break" | "watch" | "until";
  /** The selector, or the watched name. */
  readonly text: string;
  readonly matcher: Matcher | undefined;
  /** Number of the watched storage. */
  readonly storage: number | undefined;
  readonly temporary: boolean;
  condition: { readonly text: string; readonly expression: Expression } | undefined;
  /** Hits that are still passed over. */
  ignore: number;
  hits: number;
  /** Printed in place of stopping; `{EXPRESSION}` in it is filled in. */
  log: string | undefined;
  enabled: boolean;
}

/** What a condition is asked of. */
export interface Asked {
  holds(condition: Expression): boolean;
}

export class Points {
  readonly list: Point[] = [];
  readonly #numbering: Numbering;
  #next = 1;
  #conditions: readonly number[] = [];

  constructor(numbering: Numbering) {
    this.#numbering = numbering;
  }

  #make(facts: Pick<Point, "kind" | "text"> & Partial<Point>): Point {
    return {
      id: this.#next++,
      matcher: undefined,
      storage: undefined,
      temporary: false,
      condition: undefined,
      ignore: 0,
      hits: 0,
      log: undefined,
      enabled: true,
      ...facts,
    };
  }

  /** A breakpoint; `SELECTOR if CONDITION`. @throws no-match */
  add(text: string, options: { readonly temporary?: boolean; readonly log?: string | undefined } = {}): Point {
    const [selector = "", condition] = text.split(/\s+if\s+/, 2);
    const point = this.#make({
      kind: "break",
      text: selector,
      matcher: Matcher.of(this.#numbering, selector),
      temporary: options.temporary ?? false,
      log: options.log,
      condition: condition === undefined ? undefined : { text: condition, expression: parseExpression(condition) },
    });
    this.list.push(point);
    return point;
  }

  addWatch(text: string, storage: number): Point {
    const point = this.#make({ kind: "watch", text, storage });
    this.list.push(point);
    return point;
  }

  /** A breakpoint on nodes that are known already (lines of a file, a place in the graph's text). */
  addNodes(text: string, nodes: ReadonlySet<Node>, facts: Partial<Pick<Point, "condition" | "ignore" | "log">> = {}): Point {
    const point = this.#make({ kind: "break", text, matcher: Matcher.ofNodes(this.#numbering, nodes), ...facts });
    this.list.push(point);
    return point;
  }

  /** A point for `until`: a selector, or a condition that is asked before each node. */
  makeUntil(text: string): Point {
    let matcher: Matcher | undefined;
    try {
      matcher = Matcher.of(this.#numbering, text);
    } catch (error) {
      if (!isOpwiseError(error) || error.code !== "bad-argument" || !/[=<>!]/.test(text)) throw error;
    }
    if (matcher !== undefined) return this.#make({ kind: "until", text, matcher });
    return this.#make({ kind: "until", text, matcher: undefined, condition: { text, expression: parseExpression(text) } });
  }

  /** Selectors that an exception filter asks for besides: they stop where they match what an op gave. Replaces those before. */
  setConditions(selectors: readonly string[]): void {
    for (const id of this.#conditions) this.remove(id);
    this.#conditions = selectors.map((text) => this.add(text).id);
  }

  find(id: number): Point {
    const point = this.list.find((p) => p.id === id);
    if (point === undefined)
      throw new OpwiseError("bad-argument", `there is no breakpoint ${id}`, { wanted: this.list.map((p) => p.id).join(", ") || "none are set" });
    return point;
  }
  remove(id: number): void {
    const at = this.list.findIndex((p) => p.id === id);
    if (at >= 0) this.list.splice(at, 1);
  }
  get watches(): readonly Point[] {
    return this.list.filter((p) => p.kind === "watch" && p.enabled);
  }

  /** Points that stop before the node. */
  before(node: Node, coming: () => Coming, asked: Asked): readonly Point[] {
    return this.#matching(asked, (point) => (point.matcher === undefined ? point.condition !== undefined : point.matcher.before(node, coming) === true));
  }
  /** Points that only what the node gave could decide. */
  after(step: Step, coming: () => Coming, written: Subject["written"], name: (result: number) => string, asked: Asked): readonly Point[] {
    return this.#matching(
      asked,
      ({ matcher }) => matcher !== undefined && matcher.before(step.node, coming) === undefined && matcher.after(step, coming(), written, name),
    );
  }

  #matching(asked: Asked, fits: (point: Point) => boolean): readonly Point[] {
    if (this.list.length === 0) return [];
    return this.list.filter((point) => {
      if (!point.enabled || point.kind === "watch" || !fits(point)) return false;
      const { condition } = point;
      return condition === undefined || safely(() => asked.holds(condition.expression));
    });
  }

  /** Counts a hit; false where it is one of those to ignore. Ways back do not count. */
  counts(point: Point, forward: boolean): boolean {
    if (!forward) return true;
    point.hits++;
    if (point.ignore <= 0) return true;
    point.ignore--;
    return false;
  }
}

/** A condition whose names have no value yet does not hold. */
function safely(condition: () => boolean): boolean {
  try {
    return condition();
  } catch (error) {
    if (error instanceof OpwiseError) return false;
    throw error;
  }
}
