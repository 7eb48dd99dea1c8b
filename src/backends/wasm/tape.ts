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
}

export type TapeItem = Invocation | Parallel;

/** What a launch runs: one invocation, or what threads share. */
export type PlayItem = Invocation | { readonly shared: () => void };

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

/**
 * A tape as it is played: where parallel items follow each other, with nothing between them that the calling thread has to do itself, they are stages of one
 * group, which threads go through together.
 * @param isShared whether threads can run an invocation; @param group makes a function that runs stages, one after another
 */
export function staged(
  items: readonly TapeItem[],
  isShared: (invocation: Invocation) => boolean,
  group: (stages: readonly Parallel["parts"][]) => () => void,
  maxParts: number,
): readonly PlayItem[] {
  const out: PlayItem[] = [];
  let stages: Parallel["parts"][] = [];
  /** Invocations since the last parallel item. */
  let between: Invocation[] = [];
  let parts = 0;
  const close = (): void => {
    if (stages.length > 0) out.push({ shared: group(stages) });
    out.push(...between);
    [stages, between, parts] = [[], [], 0];
  };
  for (const item of items) {
    if (!("parts" in item)) {
      between.push(item);
      if (!isShared(item)) close();
      continue;
    }
    if (parts + item.parts.length + 1 > maxParts || stages.length === 0) close();
    if (between.length > 0) stages.push([between]);
    stages.push(item.parts);
    parts += item.parts.length + 1;
    between = [];
  }
  close();
  return out;
}

/** Runs a tape; the invocation whose check failed, with its code, where one does. */
export function play(items: readonly PlayItem[]): { readonly invocation: Invocation; readonly code: number } | undefined {
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as PlayItem; // within bounds
    if ("shared" in item) {
      item.shared();
      continue;
    }
    const code: unknown = Reflect.apply(item.run, undefined, item.args);
    if (typeof code === "number" && code !== 0) return { invocation: item, code };
  }
  return undefined;
}
