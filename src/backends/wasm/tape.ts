/** The kernel invocations of a plan, in order: what drivers do with sizes and addresses is done once. */

import type { Program } from "../../prims/program.ts";

/** One launch: the function and its arguments, which never change. */
export interface Invocation {
  /** Returns the code of a failed check, or 0 or nothing. */
  readonly run: (...args: number[]) => number | void;
  readonly args: readonly number[];
  /** What it was printed from, for the messages of its checks. */
  readonly program: Program | undefined;
}

/** Invocations that may run at the same time, part by part. */
export interface Parallel {
  readonly parts: readonly (readonly Invocation[])[];
  /** Runs them all. */
  readonly run: () => void;
}

export type TapeItem = Invocation | Parallel;

export class Tape {
  readonly items: TapeItem[] = [];
  #part: Invocation[] | undefined;

  add(run: Invocation["run"], args: readonly number[], program?: Program): void {
    (this.#part ?? this.items).push({ run, args, program });
  }

  /** Whether a part is being recorded: it has no parts of its own. */
  get isInPart(): boolean {
    return this.#part !== undefined;
  }

  /** What `body` records, apart from the rest. */
  part(body: () => void): readonly Invocation[] {
    const part: Invocation[] = [];
    this.#part = part;
    try {
      body();
    } finally {
      this.#part = undefined;
    }
    return part;
  }
}

/** Runs a tape; the invocation whose check failed, with its code, where one does. */
export function play(items: readonly TapeItem[]): { readonly invocation: Invocation; readonly code: number } | undefined {
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as TapeItem; // within bounds
    if ("parts" in item) {
      item.run();
      continue;
    }
    const code: unknown = Reflect.apply(item.run, undefined, item.args);
    if (typeof code === "number" && code !== 0) return { invocation: item, code };
  }
  return undefined;
}
