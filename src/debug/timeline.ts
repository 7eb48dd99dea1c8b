/**
 * A call that is stepped forward and back. Its time `t` counts instructions that have run; the instruction that is next at `t`
 * is the one that events and texts call `@t+1`. Going back is the nearest checkpoint and running forward from there, held to what ran before.
 */

import type { Datum } from "../ir/datum.ts";
import type { Node } from "../ir/graph.ts";
import type { Instruction } from "../run/code.ts";
import type { Machine } from "../run/machine.ts";
import { takeSnapshot } from "../run/snapshot.ts";
import { machineRoots, reachableStorages, sweep } from "../run/reach.ts";
import type { Session, SteppedCall } from "../run/session.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Digester } from "./digest.ts";
import { callName } from "./call-name.ts";
import { callDepth } from "./frames.ts";
import { History, type HistoryFacts } from "./history.ts";

export interface TimelineOptions {
  /** Bytes that checkpoints may take; default 512 MB. */
  readonly history?: number | undefined;
  /** Looked at now and then on long ways; the timeline stays where it is then. */
  readonly signal?: AbortSignal | undefined;
}

const DEFAULT_HISTORY = 512 * 2 ** 20;
/** Bytes made on a device after which it is looked what of them is still needed. */
const SWEEP_BYTES = 64 * 2 ** 20;
/** Milliseconds after which a long way lets the event loop have a turn. */
const TURN_MS = 20;

/** One instruction that has run, as far as going back needs to know it. */
export interface Step {
  /** `@time`: how many instructions had run when it was done. */
  readonly time: number;
  readonly instruction: Instruction;
  readonly node: Node;
  readonly inputs: readonly Datum[];
  readonly outputs: readonly Datum[];
  /** Primitive calls it made; `reason`: why one did not run on the session's backend, `bytes`: what that moved. */
  readonly prims: readonly Prim[];
  readonly ms: number;
}

export interface Prim {
  readonly text: string;
  readonly backend: string;
  readonly reason: string | undefined;
  readonly bytes: number;
}

export type End = { readonly kind: "done"; readonly values: readonly Datum[] } | { readonly kind: "raised"; readonly error: unknown };

/** What is done to a run at a time: it is done again whenever the run comes by. */
export interface Action {
  readonly time: number;
  readonly text: string;
  /** Changes data before the instruction at `time` runs. */
  readonly change?: ((machine: Machine) => void | Promise<void>) | undefined;
  /** Gives the outputs of instructions from `time` on in place of running them; undefined: run as usual. */
  readonly instead?: ((machine: Machine, instruction: Instruction) => Promise<readonly Datum[]> | undefined) | undefined;
}

export class Timeline {
  readonly machine: Machine;
  readonly session: Session;
  readonly #call: SteppedCall;
  readonly #history: History;
  readonly #digester: Digester;
  /** By time: what runs next there, calls open, and the digest of what it gave (undefined: not run yet). */
  #instructions: Instruction[] = [];
  #depths: number[] = [];
  #digests: (number | undefined)[] = [];
  #actions: Action[] = [];
  #end: End | undefined;
  #ms = 0;
  #last: Step | undefined;
  #diverged: { readonly time: number; readonly node: Node } | undefined;
  #seen = 0;
  /** Results that somebody holds, of branches that have ended. */
  readonly kept: Datum[] = [];
  #prims: Prim[] = [];
  #started = 0;
  /** Gets the instruction at hand before it runs, and each step that gave values; replays too. `first`: it has not run before. */
  watcher: { readonly before: (instruction: Instruction, first: boolean) => void; readonly after: (step: Step, first: boolean) => void } | undefined;

  constructor(session: Session, call: SteppedCall, options: TimelineOptions = {}) {
    this.session = session;
    this.machine = call.machine;
    this.#call = call;
    this.#digester = new Digester(session.executor.backend.onHost);
    const own = reachableStorages(session.roots);
    this.#history = new History(call.machine, session.roots, own, options.history ?? DEFAULT_HISTORY);
    this.machine.listener = (event) => {
      if (event.kind === "prim")
        this.#prims.push({ text: `${event.what.kind} ${callName(event.what)}`, backend: event.backend, reason: event.reason, bytes: event.bytes });
      else if (event.kind === "op") {
        const { time, node, inputs, outputs } = event;
        this.#last = { time, instruction: this.#running, node, inputs, outputs, prims: this.#prims, ms: performance.now() - this.#started };
      }
    };
    this.#arrive(this.machine.settle());
  }

  /** The instruction that runs when `step` reads the event. */
  get #running(): Instruction {
    return this.#instructions[this.machine.time - 1] ?? nothingNext();
  }

  /** Instructions that have run. */
  get time(): number {
    return this.machine.time;
  }
  /** The instruction at hand; undefined at the end. */
  get next(): Instruction | undefined {
    return this.#end === undefined ? this.machine.next : undefined;
  }
  get end(): End | undefined {
    return this.#end;
  }
  /** The last instruction that gave values on the way here; undefined at the start and right after going back to a checkpoint. */
  get last(): Step | undefined {
    return this.#last;
  }
  /** The furthest time that is known. */
  get length(): number {
    return this.#instructions.length;
  }
  /** The first step whose replay gave other values than the first time. */
  get diverged(): { readonly time: number; readonly node: Node } | undefined {
    return this.#diverged;
  }
  /** What was done to the run so far, by time. */
  get actions(): readonly Action[] {
    return this.#actions;
  }
  get history(): HistoryFacts {
    return this.#history.facts();
  }
  /** Where the stretch begins that has to be run again to come to `time`. */
  checkpointBefore(time: number): number {
    return this.#history.before(time)?.time ?? 0;
  }
  /** What ran, or runs, next at a time that was reached. */
  instructionAt(time: number): Instruction | undefined {
    return this.#instructions[time];
  }
  /** Calls open at a time that was reached. */
  depthAt(time: number): number {
    return this.#depths[time] ?? 0;
  }

  /** Frees device memory that neither the run nor a checkpoint can come back to. */
  #sweep(): void {
    const { executor } = this.session;
    if (executor.freshBytes < SWEEP_BYTES || this.machine.inRead) return;
    const shown = this.#last === undefined ? [] : [...this.#last.inputs, ...this.#last.outputs];
    const live = reachableStorages([...this.session.roots, ...machineRoots(this.machine), ...this.kept, ...shown]);
    for (const storage of this.#history.storages()) live.add(storage);
    sweep(executor, live);
    executor.freshBytes /= 2; // wait for as much again before the next one
  }

  /** Gives the checkpoints back. */
  dispose(): void {
    this.#history.dispose();
    this.machine.listener = undefined;
    this.session.executor.quiet = false;
  }

  /** Runs one instruction. Nothing where the run has ended. */
  async forward(): Promise<void> {
    const wait = this.#forward();
    if (wait !== undefined) await wait;
  }

  /** As `forward`; a promise only where something has to be waited for. */
  #forward(): Promise<void> | undefined {
    if (this.#end !== undefined) return undefined;
    const instruction = this.machine.next ?? nothingNext();
    const { time } = this.machine;
    const started = performance.now();
    this.#started = started;
    this.#last = undefined;
    this.#prims = [];
    this.session.executor.quiet = time < this.#seen; // replays print nothing
    this.watcher?.before(instruction, this.#digests[time] === undefined);
    for (let i = this.#actions.length - 1; i >= 0; i--) {
      const action = this.#actions[i];
      if (action === undefined || action.time > time || action.instead === undefined) continue;
      const outputs = action.instead(this.machine, instruction);
      if (outputs !== undefined)
        return this.#finish(
          time,
          started,
          outputs.then((values) => this.machine.skip(values)),
        );
    }
    try {
      const status = this.machine.advance();
      if (status === "waiting") return this.#finish(time, started, this.#drain());
      this.#stepped(time, started);
    } catch (error) {
      this.#raised(error, started);
    }
    const change = this.#changes();
    return change;
  }

  async #drain(): Promise<void> {
    do await this.machine.waiting;
    while (this.machine.advance() === "waiting");
  }

  async #finish(time: number, started: number, work: Promise<void>): Promise<void> {
    try {
      await work;
      this.#stepped(time, started);
    } catch (error) {
      this.#raised(error, started);
    }
    await this.#changes();
  }

  #stepped(time: number, started: number): void {
    this.#ms += performance.now() - started;
    const status = this.machine.settle();
    const last: Step | undefined = this.#last;
    const counts = last?.instruction.kind === "op";
    const digest = counts ? this.#digester.of(last.outputs) : 0;
    const known = this.#digests[time];
    if (known === undefined) this.#digests[time] = digest;
    else if (known !== digest && this.#diverged === undefined) this.#diverged = { time: time + 1, node: (this.#instructions[time] ?? nothingNext()).node };
    if (last !== undefined) this.watcher?.after(last, known === undefined);
    this.#arrive(status);
  }

  #arrive(status: "more" | "waiting" | "done"): void {
    const { time } = this.machine;
    if (time > this.#seen) this.#seen = time;
    if (status === "done") {
      this.#end = { kind: "done", values: this.machine.result ?? [] };
      return;
    }
    this.#instructions[time] = this.machine.next ?? nothingNext();
    this.#depths[time] = callDepth(this.machine);
    this.#history.consider(this.#ms);
    this.#sweep();
  }

  #raised(error: unknown, started: number): void {
    this.#ms += performance.now() - started;
    if (this.machine.time > this.#seen) this.#seen = this.machine.time;
    this.#end = { kind: "raised", error: this.#call.placed(error) };
  }

  /** Does again what was done at the present time. */
  #changes(): Promise<void> | undefined {
    if (this.#actions.length === 0) return undefined;
    const here = this.#actions.filter((a) => a.time === this.time && a.change !== undefined);
    return here.length === 0
      ? undefined
      : (async () => {
          for (const action of here) await action.change?.(this.machine);
        })();
  }

  /** Does something to the run here and whenever it comes by again. What was known of later times is forgotten. */
  async act(action: Action): Promise<void> {
    if (action.time !== this.time) throw new OpwiseError("bad-argument", "what is done to a run is done at the present time");
    const { time } = this;
    this.#actions = [...this.#actions.filter((a) => a.time <= time), action];
    this.#forget(time);
    await action.change?.(this.machine);
  }

  #forget(time: number): void {
    this.#history.forgetAfter(time);
    this.#instructions.length = Math.min(this.#instructions.length, time + 1);
    this.#depths.length = Math.min(this.#depths.length, time + 1);
    this.#digests.length = Math.min(this.#digests.length, time);
    this.#seen = Math.min(this.#seen, time);
    this.#digester.reset();
    if (this.#diverged !== undefined && this.#diverged.time > time) this.#diverged = undefined;
  }

  /** The state of a branch, to come back to with `adopt`. */
  branch(): Branch {
    return { instructions: [...this.#instructions], depths: [...this.#depths], digests: [...this.#digests], actions: [...this.#actions] };
  }

  /** Goes over to another branch of the same call, to `time`. */
  async adopt(branch: Branch, time: number): Promise<void> {
    let shared = 0;
    while (shared < branch.actions.length && branch.actions[shared] === this.#actions[shared]) shared++;
    const parted = Math.min(this.#actions[shared]?.time ?? Infinity, branch.actions[shared]?.time ?? Infinity);
    this.#history.forgetAfter(parted);
    [this.#instructions, this.#depths, this.#digests, this.#actions] = [[...branch.instructions], [...branch.depths], [...branch.digests], [...branch.actions]];
    this.#seen = this.#instructions.length - 1;
    await this.#restore(Math.min(time, parted));
    await this.goTo(time);
  }

  /** Puts the latest checkpoint at or before `time` back. */
  async #restore(time: number): Promise<void> {
    const point = this.#history.before(time) ?? nothingNext();
    point.snapshot.restore();
    this.#digester.reset();
    this.#end = undefined;
    this.#last = undefined;
    this.#ms = point.ms;
    await this.#changes();
  }

  /** Runs the instruction at hand and takes it back: for a look inside. `look` sees it done. */
  async peek(look?: (step: Step) => void): Promise<void> {
    if (this.#end !== undefined) return;
    const { time } = this.machine;
    const { watcher } = this;
    const snapshot = takeSnapshot(this.machine, this.session.roots);
    const [last, quiet] = [this.#last, this.session.executor.quiet];
    this.watcher = undefined;
    this.session.executor.quiet = true;
    try {
      let status = this.machine.advance();
      for (; status === "waiting"; status = this.machine.advance()) await this.machine.waiting;
      const done: Step | undefined = this.#last;
      if (done !== undefined && done !== last) look?.(done);
    } catch (error) {
      if (look !== undefined) throw error;
      // An error of the op itself is raised when it runs.
    } finally {
      snapshot.restore();
      snapshot.dispose();
      this.#digester.reset();
      this.watcher = watcher;
      this.#last = last;
      this.session.executor.quiet = quiet;
    }
    if (this.machine.time !== time) nothingNext();
  }

  /** Runs all of it again from the start, every step; for a watcher that has to see them all. */
  async restart(): Promise<void> {
    await this.#restore(0);
    while (this.#end === undefined) {
      const wait = this.#forward();
      if (wait !== undefined) await wait;
    }
  }

  /**
   * Goes to a time, back or forward; stops at the end of the run where that comes first. `signal` stops on the way.
   * @throws bad-argument for a time before the start
   */
  async goTo(time: number, signal?: AbortSignal): Promise<void> {
    if (!(time >= 0)) throw new OpwiseError("bad-argument", `the run begins at @1, not at @${time + 1}`);
    if (time < this.time || (this.#history.before(time)?.time ?? 0) > this.time) await this.#restore(time);
    let turn = performance.now();
    while (this.time < time && this.#end === undefined) {
      const wait = this.#forward();
      if (wait !== undefined) await wait;
      if (performance.now() - turn > TURN_MS) {
        await new Promise((resume) => setTimeout(resume, 0));
        if (signal?.aborted === true) return;
        turn = performance.now();
      }
    }
  }
}

/** What a timeline knows of a branch. */
export interface Branch {
  readonly instructions: readonly Instruction[];
  readonly depths: readonly number[];
  readonly digests: readonly (number | undefined)[];
  readonly actions: readonly Action[];
}

function nothingNext(): never {
  throw new OpwiseError("internal", "unreachable: a run without an instruction");
}
