/** What names mean where a run stands, and where it stood. */

import type { Datum } from "../ir/datum.ts";
import type { Node, Value } from "../ir/graph.ts";
import type { Session } from "../run/session.ts";
import { OpwiseError } from "../tensor/error.ts";
import { evaluate, type Expression, holds, type Names, parseExpression } from "./expression.ts";
import { type Activation, activationsOf, type ValueNames } from "./frames.ts";
import type { Numbering } from "./graph.ts";
import type { Timeline } from "./timeline.ts";

/** A value by its name, as it stands. */
export interface Named {
  /** Without `%`. */
  readonly name: string;
  readonly value: Datum;
}

export class Lookup {
  readonly session: Session;
  readonly timeline: Timeline;
  readonly numbering: Numbering;
  readonly names: ValueNames;

  constructor(session: Session, timeline: Timeline, numbering: Numbering, names: ValueNames) {
    this.session = session;
    this.timeline = timeline;
    this.numbering = numbering;
    this.names = names;
  }

  /** Open calls, innermost first; `index` below counts in them. */
  get calls(): readonly Activation[] {
    return activationsOf(this.timeline.machine);
  }

  /** Names of the selected call. */
  scope(index: number): Names {
    return {
      lookup: (name, exact) => this.lookup(name, exact, index),
      has: (name) => {
        const decl = this.calls[index]?.decl;
        return decl !== undefined && this.names.in(decl).has(name);
      },
    };
  }

  evaluate(text: string, index: number): Datum {
    return evaluate(parseExpression(text), this.scope(index));
  }
  holds(condition: Expression, index: number): boolean {
    return holds(condition, this.scope(index));
  }

  /** A value of a call by name. @throws bad-argument where it has none now, and says when it had */
  lookup(name: string, exact: boolean, index: number): Datum {
    const call = this.calls[index];
    if (call?.decl === undefined) throw new OpwiseError("bad-argument", `there is no call that knows \`${name}\``);
    const found = this.meaning(call, name, exact);
    if (found !== undefined) return found.value;
    const root = !exact && this.session.program.root !== undefined && name === "self" ? this.session.roots[0] : undefined;
    if (root !== undefined) return root;
    const candidates = exact ? [this.names.in(call.decl).get(name)] : this.names.meant(call.decl, name).map(([, value]) => value);
    const known = candidates.filter((v) => v !== undefined);
    if (known.length === 0)
      throw new OpwiseError("bad-argument", `there is no value \`${name}\` in \`${call.name}\``, {
        hint: "info locals lists them; %NAME is a value of the graph",
      });
    const held = this.#heldAt(known, index);
    throw new OpwiseError(
      "bad-argument",
      held === undefined ? `%${name} has no value here` : `%${name} is no longer kept: nothing reads it after this`,
      held === undefined ? {} : { hint: `goto @${held + 1} shows it` },
    );
  }

  /** The last time up to now at which one of the values of a call was there: before its last use in that call. */
  #heldAt(values: readonly Value[], index: number): number | undefined {
    const wanted = new Set(values);
    const depth = (this.calls[index]?.depth ?? 0) + 1;
    const begun = this.begunAt(index);
    for (let t = this.timeline.time - 1; t >= begun; t--) {
      const instruction = this.timeline.instructionAt(t);
      if (this.timeline.depthAt(t) === depth && instruction?.node.operands.some((v) => v !== undefined && wanted.has(v)) === true) return t;
    }
    return undefined;
  }

  /** When the call at `index` of `calls` was opened: its first instruction was next. */
  begunAt(index: number): number {
    const depth = (this.calls[index]?.depth ?? 0) + 1;
    let t = this.timeline.time;
    while (t > 0 && this.timeline.depthAt(t - 1) >= depth) t--;
    return t;
  }

  /**
   * As `evaluate`, also of names whose values are no longer kept: the run goes back to where they were, and comes again.
   * `look` gets the value there, and the time where it is not the present one.
   */
  async withPast<R>(text: string, index: number, look: (value: Datum, at: number | undefined) => R): Promise<R> {
    let missing: unknown;
    try {
      return look(this.evaluate(text, index), undefined);
    } catch (error) {
      missing = error;
    }
    const expression = parseExpression(text);
    const root = rootName(expression);
    const call = this.calls[index];
    if (root === undefined || call?.decl === undefined) throw missing;
    const values = root.exact ? [this.names.in(call.decl).get(root.name)] : this.names.meant(call.decl, root.name).map(([, value]) => value);
    const at = this.#heldAt(
      values.filter((v) => v !== undefined),
      index,
    );
    if (at === undefined) throw missing;
    const { time } = this.timeline;
    const { depth } = call;
    try {
      await this.timeline.goTo(at);
      return look(
        this.evaluate(
          text,
          Math.max(
            this.calls.findIndex((c) => c.depth === depth),
            0,
          ),
        ),
        at + 1,
      );
    } catch {
      throw missing;
    } finally {
      await this.timeline.goTo(time);
    }
  }

  /** The value that a name stands for in a call: of several, the one that was made or used last. */
  meaning(call: Activation, name: string, exact: boolean): (Named & { readonly of: Value }) | undefined {
    if (call.decl === undefined) return undefined;
    const own = this.names.in(call.decl).get(name);
    const candidates: readonly (readonly [string, Value])[] = exact ? (own === undefined ? [] : [[name, own]]) : this.names.meant(call.decl, name);
    const live = candidates.filter(([, value]) => (call.registers[value.id] ?? null) !== null);
    if (live.length === 0) return undefined;
    let best = live[0];
    let latest = -1;
    for (const candidate of live) {
      const made = Math.max(this.madeAt([candidate[1]]) ?? 0, this.#tripBegan(call, candidate[1]));
      if (made > latest) [best, latest] = [candidate, made];
    }
    return best === undefined ? undefined : { name: best[0], value: call.registers[best[1].id] ?? null, of: best[1] };
  }

  /** For a value that a loop carries: when its loop was entered last, so that it counts as newer than what was before the loop. */
  #tripBegan(call: Activation, value: Value): number {
    const { graph } = this.numbering;
    const own = graph.values[this.numbering.valueId(value)];
    const owner = own?.node === null ? graph.blocks[own.block]?.owner : undefined;
    const loop = owner === undefined || owner === null ? undefined : call.loops.find(({ node }) => this.numbering.nodeId(node) === owner);
    if (loop === undefined) return 0;
    for (let t = this.timeline.time - 1; t >= 0; t--) if (this.timeline.instructionAt(t)?.node === loop.node) return t + 1;
    return 0;
  }

  /** `@time` of the last step up to now that made one of the values. */
  madeAt(values: readonly Value[]): number | undefined {
    const nodes = new Set<Node>();
    for (const value of values) {
      const node = this.numbering.graph.values[this.numbering.valueId(value)]?.node;
      const own = node === undefined || node === null ? undefined : this.numbering.nodeOf(node);
      if (own !== undefined) nodes.add(own);
    }
    for (let t = this.timeline.time - 1; t >= 0; t--) {
      const instruction = this.timeline.instructionAt(t);
      if (instruction !== undefined && nodes.has(instruction.node)) return t + 1;
    }
    return undefined;
  }

  /** `@time` of the last step of the run so far that made a value of the name, in whatever function. */
  madeAnywhere(name: string): number | undefined {
    const ids = new Set(this.numbering.graph.values.flatMap((v) => (v.name === name && v.node !== null ? [v.node] : [])));
    for (let t = this.timeline.time - 1; t >= 0; t--) {
      const instruction = this.timeline.instructionAt(t);
      if (instruction !== undefined && ids.has(this.numbering.nodeId(instruction.node))) return t + 1;
    }
    return undefined;
  }

  /** Values of a call that are there now, in the graph's order. */
  locals(index: number): readonly Named[] {
    const call = this.calls[index];
    if (call?.decl === undefined) return [];
    return [...this.names.in(call.decl)].flatMap(([name, value]) => {
      const datum = call.registers[value.id] ?? null;
      return datum === null ? [] : [{ name, value: datum }];
    });
  }
}

/** The name that an expression takes its value from. */
export function rootName(e: Expression): { readonly name: string; readonly exact: boolean } | undefined {
  return e.kind === "name" ? e : e.kind === "member" || e.kind === "index" ? rootName(e.of) : undefined;
}
