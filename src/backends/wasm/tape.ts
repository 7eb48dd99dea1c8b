/** The kernel invocations of a plan, in order: what drivers do with sizes and addresses is done once. */

import type { Program } from "../../prims/program.ts";

/** One launch: the function and its arguments, which never change. */
export interface Invocation {
  /** Returns the code of a failed check, or 0 or nothing. */
  readonly run: (...args: number[]) => number | void;
  readonly args: readonly number[];
  /** Number of the plan's step that it belongs to. */
  readonly step: number;
  /** What it was printed from, for the messages of its checks. */
  readonly program: Program | undefined;
}

export class Tape {
  readonly invocations: Invocation[] = [];
  /** The step that is being recorded. */
  step = 0;

  add(run: Invocation["run"], args: readonly number[], program?: Program): void {
    this.invocations.push({ run, args, step: this.step, program });
  }
}

/** Runs a tape; the invocation whose check failed, with its code, where one does. */
export function play(invocations: readonly Invocation[]): { readonly invocation: Invocation; readonly code: number } | undefined {
  for (let i = 0; i < invocations.length; i++) {
    const invocation = invocations[i] as Invocation; // within bounds
    const code: unknown = Reflect.apply(invocation.run, undefined, invocation.args);
    if (typeof code === "number" && code !== 0) return { invocation, code };
  }
  return undefined;
}
