/** The open calls of a stepped run, as a debugger shows them, and what their names mean. */

import type { Datum, Instance } from "../ir/datum.ts";
import { type FunctionDecl, type Node, type Value, walkNodes } from "../ir/graph.ts";
import type { Instruction } from "../run/code.ts";
import type { Frame, Machine } from "../run/machine.ts";
import type { Session } from "../run/session.ts";
import type { Numbering } from "./graph.ts";

/** A call of a function or method, with the branches and loop trips that are open in it. */
export interface Activation {
  /** What runs next in it; in outer calls the call itself. */
  readonly instruction: Instruction | undefined;
  readonly decl: FunctionDecl | undefined;
  /** `forward`, `<forked function>`. */
  readonly name: string;
  /** Registers of the call; `Value.id` is the place in them. */
  readonly registers: Datum[];
  /** Trips of the loops that are open, outermost first. */
  readonly loops: readonly { readonly node: Node; readonly trip: number; readonly limit: number }[];
  /** How many calls are open around it. */
  readonly depth: number;
}

/** Open calls, innermost first. */
export function activationsOf(machine: Machine): readonly Activation[] {
  const out: Activation[] = [];
  let decl: FunctionDecl | undefined;
  let depth = 0;
  const groups: { frames: Frame[]; decl: FunctionDecl | undefined; name: string; depth: number }[] = [];
  for (const task of machine.tasks) {
    for (const frame of task.frames) {
      if (frame.role.kind === "function" || frame.role.kind === "fork") {
        if (frame.role.kind === "function") ({ decl } = frame.role);
        groups.push({ frames: [frame], decl, name: frame.role.kind === "fork" ? "<forked function>" : frame.role.name, depth: depth++ });
      } else groups.at(-1)?.frames.push(frame);
    }
  }
  groups.reverse();
  groups.forEach((group, i) => {
    const top = group.frames.at(-1);
    if (top === undefined) return;
    const loops = group.frames.flatMap(({ role, owner }) =>
      role.kind === "loop" && owner !== undefined ? [{ node: owner.node, trip: role.trip, limit: role.limit }] : [],
    );
    out.push({
      instruction: top.block.instructions[i === 0 ? top.position : top.position - 1],
      decl: group.decl,
      name: group.name,
      registers: top.registers,
      loops,
      depth: group.depth,
    });
  });
  return out;
}

/** Calls that are open: what stepping over, in and out goes by. */
export function callDepth(machine: Machine): number {
  let depth = 0;
  for (const task of machine.tasks) for (const { role } of task.frames) if (role.kind === "function" || role.kind === "fork") depth++;
  return depth;
}

/** Paths of the session's modules. A shared one goes by its first path. */
export function modulePaths(session: Session): ReadonlyMap<Instance, string> {
  const out = new Map<Instance, string>();
  const visit = (value: Datum | undefined, path: string): void => {
    if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "instance" || out.has(value)) return;
    out.set(value, path);
    value.class.attributes.forEach((attribute, slot) => visit(value.slots[slot], path === "" ? attribute.name : `${path}.${attribute.name}`));
  };
  for (const root of session.roots) visit(root, "");
  return out;
}

/** Names of a function's values. */
export class ValueNames {
  readonly #numbering: Numbering;
  readonly #byFunction = new Map<number, ReadonlyMap<string, Value>>();
  readonly #words = new Map<FunctionDecl, ReadonlySet<string>>();

  constructor(numbering: Numbering) {
    this.#numbering = numbering;
  }

  /** Shown as `%name`. */
  of(value: Value): string {
    return this.#numbering.graph.values[this.#numbering.valueId(value)]?.name ?? String(value.id);
  }

  /** All values of a function by name. */
  in(decl: FunctionDecl): ReadonlyMap<string, Value> {
    const id = this.#numbering.functionOf(decl)?.id ?? -1;
    let names = this.#byFunction.get(id);
    if (names === undefined) {
      const { values, blocks } = this.#numbering.graph;
      const made = new Map<string, Value>();
      for (const value of values) {
        const own = blocks[value.block]?.function === id ? this.#numbering.valueOf(value.id) : undefined;
        if (own !== undefined) made.set(value.name, own);
      }
      this.#byFunction.set(id, (names = made));
    }
    return names;
  }

  /**
   * Values that stand for the author's name: itself and the later ones, `y.1`, `y.2`. Saved code numbers what is assigned again (`y0`, `y1`): those
   * are meant too, unless the author's own lines have such a name.
   */
  meant(decl: FunctionDecl, name: string): readonly (readonly [string, Value])[] {
    const words = this.#wordsOf(decl);
    return [...this.in(decl)].filter(([own]) => {
      const base = own.replace(/\.\d+$/, "");
      return base === name || (words.size > 0 && base.startsWith(name) && /^\d+$/.test(base.slice(name.length)) && !words.has(base));
    });
  }

  /** Names in the author's lines of a function; none where the model does not hold them. */
  #wordsOf(decl: FunctionDecl): ReadonlySet<string> {
    let words = this.#words.get(decl);
    if (words === undefined) {
      const made = new Set<string>();
      walkNodes(decl.graph(), (node) => {
        for (const place of node.location?.author?.().slice(0, 1) ?? []) for (const word of place.text?.match(/[A-Za-z_]\w*/g) ?? []) made.add(word);
      });
      this.#words.set(decl, (words = made));
    }
    return words;
  }
}
