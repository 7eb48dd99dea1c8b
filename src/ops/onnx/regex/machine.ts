/**
 * Runs a pattern in time linear in the text, whatever the pattern: all its threads go over the text together, one character at a time
 * (Thompson, Pike). Nothing is tried twice.
 */

import { OpwiseError } from "../../../tensor/error.ts";
import { type Assertion, type CharacterSet, holds, type Pattern } from "./syntax.ts";

type Instruction =
  | { readonly op: "set"; readonly set: CharacterSet; readonly seen: Map<number, boolean> }
  | { readonly op: "assert"; readonly what: Assertion }
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "jump"; to: number }
  | { readonly op: "match" };

/** Instructions of one pattern: counted repetitions are written out. */
const MOST_INSTRUCTIONS = 50_000;

export class Program {
  readonly #code: Instruction[] = [];
  /** Marks of the instructions that are threads already. */
  readonly #mark: Int32Array;

  constructor(pattern: Pattern) {
    this.#emit(pattern);
    this.#add({ op: "match" });
    this.#mark = new Int32Array(this.#code.length).fill(-1);
  }

  #add<T extends Instruction>(instruction: T): T {
    if (this.#code.length >= MOST_INSTRUCTIONS)
      throw new OpwiseError("limit-exceeded", "the pattern is too large", { wanted: `at most ${MOST_INSTRUCTIONS} steps` });
    this.#code.push(instruction);
    return instruction;
  }
  get #next(): number {
    return this.#code.length;
  }

  #emit(p: Pattern): void {
    switch (p.kind) {
      case "empty":
        return;
      case "set":
        this.#add({ op: "set", set: p.set, seen: new Map() });
        return;
      case "assert":
        this.#add({ op: "assert", what: p.what });
        return;
      case "sequence":
        for (const item of p.items) this.#emit(item);
        return;
      case "choice": {
        const ends: { to: number }[] = [];
        p.items.forEach((item, i) => {
          const split = i < p.items.length - 1 ? this.#add({ op: "split" as const, first: this.#next + 1, second: 0 }) : undefined;
          this.#emit(item);
          if (split === undefined) return;
          ends.push(this.#add({ op: "jump" as const, to: 0 }));
          split.second = this.#next;
        });
        for (const end of ends) end.to = this.#next;
        return;
      }
      case "repeat":
        this.#repeat(p);
        return;
      default:
        p satisfies never;
    }
  }

  #repeat({ item, min, max }: Extract<Pattern, { kind: "repeat" }>): void {
    for (let i = 0; i < min; i++) this.#emit(item);
    if (max === Infinity) {
      const at = this.#next;
      const split = this.#add({ op: "split" as const, first: 0, second: 0 });
      this.#emit(item);
      this.#add({ op: "jump", to: at });
      [split.first, split.second] = [at + 1, this.#next];
      return;
    }
    const splits: { readonly split: { first: number; second: number }; readonly body: number }[] = [];
    for (let i = min; i < max; i++) {
      const split = this.#add({ op: "split" as const, first: 0, second: 0 });
      splits.push({ split, body: this.#next });
      this.#emit(item);
    }
    for (const { split, body } of splits) [split.first, split.second] = [body, this.#next];
  }

  /** Whether a match reaches from the beginning of the text to its end. */
  matches(text: readonly number[]): boolean {
    return this.#run(text, 0, true) !== undefined;
  }
  /** The longest of the matches that begin leftmost, from place `from` on. */
  find(text: readonly number[], from: number): { readonly start: number; readonly end: number } | undefined {
    return this.#run(text, from, false);
  }

  #run(text: readonly number[], from: number, whole: boolean): { readonly start: number; readonly end: number } | undefined {
    const code = this.#code;
    const mark = this.#mark;
    mark.fill(-1);
    let [now, starts]: [number[], number[]] = [[], []];
    let found: { start: number; end: number } | undefined;
    for (let at = from; ; at++) {
      // A new thread begins here, behind those that began before, while nothing is found.
      if (found === undefined && (at === from || !whole)) this.#follow(0, at, at, text, now, starts);
      if (now.length === 0 && (whole || found !== undefined)) return found;
      const point = text[at];
      const [next, nextStarts]: [number[], number[]] = [[], []];
      for (let k = 0; k < now.length; k++) {
        const pc = now[k] ?? 0;
        const step = code[pc];
        const start = starts[k] ?? 0;
        if (step?.op === "match") {
          // The places only grow: a later match from the same beginning is a longer one.
          if (!whole || at === text.length) found = { start, end: at };
          continue;
        }
        // Threads lie by their beginnings: what follows began later.
        if (found !== undefined && start > found.start) break;
        if (step?.op === "set" && point !== undefined) {
          let inside = step.seen.get(point);
          if (inside === undefined) step.seen.set(point, (inside = holds(step.set, point)));
          if (inside) this.#follow(pc + 1, at + 1, start, text, next, nextStarts);
        }
      }
      [now, starts] = [next, nextStarts];
      if (point === undefined) return found;
    }
  }

  /** Adds the thread at `pc` and all that it leads to without taking a character. */
  #follow(pc: number, at: number, start: number, text: readonly number[], into: number[], starts: number[]): void {
    const stack = [pc];
    for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
      if (this.#mark[top] === at) continue;
      this.#mark[top] = at;
      const step = this.#code[top];
      if (step?.op === "jump") stack.push(step.to);
      else if (step?.op === "split") stack.push(step.second, step.first);
      else if (step?.op === "assert") {
        if (this.#holdsAt(step.what, text, at)) stack.push(top + 1);
      } else {
        into.push(top);
        starts.push(start);
      }
    }
  }

  #holdsAt(what: Assertion, text: readonly number[], at: number): boolean {
    const isWord = (point: number | undefined): boolean => point !== undefined && point < 128 && /\w/.test(String.fromCharCode(point));
    switch (what) {
      case "text-begin":
        return at === 0;
      case "text-end":
        return at === text.length;
      case "line-begin":
        return at === 0 || text[at - 1] === 10;
      case "line-end":
        return at === text.length || text[at] === 10;
      case "word-edge":
        return isWord(text[at - 1]) !== isWord(text[at]);
      case "no-word-edge":
        return isWord(text[at - 1]) === isWord(text[at]);
      default:
        return what satisfies never;
    }
  }
}
