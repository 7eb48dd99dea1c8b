/**
 * Plans of a session: which straight lines of code are compiled, when, and for which values. The machine asks before every
 * instruction; where a plan fits it goes on behind it. A planned region gives the bits that its instructions give one by one,
 * so running, tracing and debugging never differ.
 */

import type { Backend } from "../../prims/backend.ts";
import type { Call, Region } from "../../prims/call.ts";
import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import type { Executable } from "../../prims/segment.ts";
import type { Datum } from "../../ir/datum.ts";
import type { Storage } from "../../tensor/storage.ts";
import type { Changes } from "../changes.ts";
import type { CodeBlock, Instruction } from "../code.ts";
import type { Executor } from "../executor.ts";
import type { Frame } from "../machine.ts";
import { loadPasses, type PassName, passes, ROUNDING } from "./passes.ts";
import { Entry } from "./entry.ts";
import { Unplannable } from "./pattern.ts";
import { maker } from "./recipe.ts";
import { Recorder } from "./recorder.ts";
import { type StraightLine, straightLine, valueAt } from "./region.ts";
import { textOf } from "./text.ts";
import type { Trace } from "./varying.ts";

export interface PlanOptions {
  /** Passes that are left out. */
  readonly without?: readonly PassName[];
  /** Passes that round differently, and are left out unless they are named: `fold`. */
  readonly with?: readonly PassName[];
  /** Plans that a session keeps; the one not used for longest goes first. Default 256. */
  readonly maxPlans?: number;
  /** Bytes that plans may hold for values inside. Default 1 GiB. */
  readonly maxBytes?: number;
}

/** What a session has planned, for `session.plans()`. */
export interface PlanSummary {
  /** The function or loop that holds the region. */
  readonly instructions: readonly [number, number];
  readonly recordedCalls: number;
  readonly steps: readonly PlannedStep[];
  readonly launches: number;
  /** Bytes held for values inside. */
  readonly bytes: number;
}

export interface PlannedStep {
  readonly what: Call | Region;
  /** Names of the source nodes' ops. */
  readonly nodes: readonly StraightLine["origins"][number]["node"][];
}

interface Plan {
  /** As it was recorded; once it is compiled, without its steps. */
  line: StraightLine;
  readonly entry: Entry;
  /** What its recording saw, until that is compared with another. */
  trace: Trace | undefined;
  readonly start: Start;
  /** Whether it lies between instructions that see other sizes in each run. */
  readonly isBetween: boolean;
  compiled: { readonly executable: Executable; readonly line: StraightLine } | undefined;
  used: number;
  launches: number;
}

/** A place where a region may begin. */
interface Start {
  plans: Plan[];
  /** How often values came that no plan is of, by the text of their sizes, those that came last at the end: a region is recorded for what comes again. */
  seen: Map<string, number>;
  /** Only the machine can run this instruction. */
  barrier: boolean;
  /** Nothing begins here any more: there is nothing to plan, or no two runs are alike. */
  closed: boolean;
}

/** For what does not see other sizes in each run to be planned by itself, it has to make so many calls, and this part of them all. */
const LEAST_STEADY = 4;
const LEAST_STEADY_SHARE = 0.4;
/** Calls that a region between varying instructions needs to be worth a launch. */
const LEAST_BETWEEN = 2;

const MAX_SEEN = 1024;
const MAX_PLANS_OF_START = 64;
/** With each so many plans that a start has, values have to come once more before they get one. */
const PLANS_A_TIME = 16;

/** The plan that has not been used for longest. */
const leastRecent = (plans: readonly Plan[]): Plan => plans.reduce((a, b) => (a.used < b.used ? a : b));

export class Planner {
  readonly #executor: Executor;
  readonly #backend: Backend;
  readonly #owns: (storage: Storage) => boolean;
  readonly #changes: Changes;
  readonly #without: readonly PassName[];
  /** Whether filters are made of the session's own, which are of no use themselves then. */
  readonly folds: boolean;
  readonly #maxPlans: number;
  readonly #maxBytes: number;
  readonly #starts = new WeakMap<CodeBlock, Map<number, Start>>();
  readonly #volatile = new WeakSet<Storage>();
  /** Blocks whose varying instructions are known: what lies between is compiled when it is recorded. */
  readonly #settled = new WeakSet<CodeBlock>();
  /** The plan of other sizes that the recording at hand is compared with. */
  #against: Plan | undefined;
  #plans: Plan[] = [];
  #recorder: Recorder | undefined;
  /** A region whose values have come for the first time: it runs one by one. */
  #declined: { readonly frame: Frame; readonly to: number } | undefined;
  #clock = 0;
  /** Set during a run on sizes alone, which ends where a recording does. */
  #sizesOnly = false;
  /** Instructions that plans stood for since it was last asked. */
  skipped = 0;
  /** Regions recorded and compiled so far. */
  readonly counts = { recorded: 0, compiled: 0, launched: 0 };

  /** @param owns whether a storage belongs to the session: it is a constant until something writes it. @param changes told of instructions that may change objects */
  constructor(executor: Executor, owns: (storage: Storage) => boolean, changes: Changes, options: PlanOptions = {}) {
    this.#executor = executor;
    this.#changes = changes;
    this.#backend = executor.backend;
    this.#owns = owns;
    this.#without = [...(options.without ?? []), ...ROUNDING.filter((name) => options.with?.includes(name) !== true)];
    this.folds = !this.#without.includes("fold");
    this.#maxPlans = options.maxPlans ?? 256;
    this.#maxBytes = options.maxBytes ?? 2 ** 30;
  }

  readonly #isConstant = (storage: Storage): boolean => this.#owns(storage) && !this.#volatile.has(storage);

  /** Fetches passes that are asked for and come apart. */
  async load(): Promise<void> {
    if (this.folds) await loadPasses();
  }

  /** Begins a run; on sizes alone where nothing is to be computed. */
  begin(sizesOnly = false): void {
    this.#drop();
    this.#sizesOnly = sizesOnly;
  }

  /** Ends a run, however it ended. */
  end(): void {
    this.#sizesOnly = false;
    this.#drop();
  }

  /** Ends a run on sizes alone: what was recorded before the instruction that needs data is a region. */
  cutShort(): void {
    if (this.#recorder?.stopped !== undefined) this.#stop(this.#recorder);
  }

  /** Compiles what has been recorded and not compiled yet, before it is launched; weights need not have arrived. */
  compile(): void {
    for (const plan of [...this.#plans]) if (plan.compiled === undefined) this.#compile(plan);
  }

  /** Readies what is compiled for its first launch. */
  warm(): void {
    for (const { compiled, launches } of this.#plans) if (launches === 0) compiled?.executable.warm?.();
  }

  #drop(): void {
    this.#declined = undefined;
    this.#against = undefined;
    if (this.#recorder === undefined) return;
    this.#recorder = undefined;
    this.#executor.recorder = undefined;
  }

  /** Before `frame` goes on at its position: it may go on behind a plan. @throws where a run on sizes alone ends */
  before(frame: Frame): void {
    this.#before(frame);
    const next = frame.block.instructions[frame.position];
    if (next !== undefined && (next.kind === "op" || next.kind === "setattr")) this.#changes.happen();
    if (this.#sizesOnly && this.#recorder === undefined) throw new OpwiseError("internal", "a run on sizes alone ends where its recording does");
  }

  #before(frame: Frame): void {
    const recorder = this.#recorder;
    if (recorder !== undefined) {
      if (recorder.stopped === undefined) {
        const instruction = frame.block.instructions[frame.position];
        const isRoot = frame === recorder.root;
        if (isRoot && (instruction === undefined || this.#startAt(frame.block, frame.position).barrier)) this.#close(recorder, frame.position, frame.registers);
        else {
          if (instruction !== undefined) recorder.begin(frame, instruction);
          if (recorder.stopped === undefined) return;
          if (isRoot) frame.position++; // as if it had begun: the region ends before it
          this.#stop(recorder);
          if (isRoot) frame.position--;
          return;
        }
      } else this.#stop(recorder);
    }
    // What runs one by one does so to its end, and what it calls with it.
    const declined = this.#declined;
    if (declined !== undefined) {
      if (frame !== declined.frame || frame.position < declined.to) return;
      this.#declined = undefined;
    }
    this.#enter(frame);
  }

  /** Ends a recording before the instruction that the root is in. */
  #stop(recorder: Recorder): void {
    const registers = recorder.cut();
    const at = recorder.root.position - 1;
    this.#startAt(recorder.root.block, at).barrier = true;
    // Lists and memory may be as the instruction has left them: the next recording ends in time.
    if (recorder.hasWritten) this.#drop();
    else this.#close(recorder, at, registers);
  }

  #startAt(block: CodeBlock, position: number): Start {
    let starts = this.#starts.get(block);
    if (starts === undefined) this.#starts.set(block, (starts = new Map<number, Start>()));
    let start = starts.get(position);
    if (start === undefined) starts.set(position, (start = { plans: [], seen: new Map(), barrier: false, closed: false }));
    return start;
  }

  #enter(frame: Frame): void {
    // Where a plan ends another may begin.
    for (;;) {
      const instruction: Instruction | undefined = frame.block.instructions[frame.position];
      if (instruction === undefined) return;
      const start = this.#startAt(frame.block, frame.position);
      if (start.barrier || (start.closed && start.plans.length === 0)) return;
      if (this.#sizesOnly) {
        if (!start.closed) this.#record(frame, instruction);
        return;
      }
      const outcome = this.#launchOneOf(start, frame);
      if (outcome === "launched") continue;
      const [first] = start.plans;
      if (outcome === "none" && !start.closed && (this.#isWorth(start, frame) || first?.trace !== undefined)) {
        this.#record(frame, instruction);
        this.#against = first?.trace === undefined ? undefined : first;
      } else if (first !== undefined) this.#declined = { frame, to: first.line.to };
      return;
    }
  }

  #launchOneOf(start: Start, frame: Frame): "launched" | "failed" | "none" {
    for (const plan of start.plans) {
      const outcome = this.#launch(plan, frame);
      if (outcome !== undefined) return outcome;
    }
    return "none";
  }

  /** Whether to record: the first time, and for what comes the second time. */
  #isWorth(start: Start, frame: Frame): boolean {
    const first = start.plans[0];
    // Between varying instructions other values are those of another object of the class: a layer that comes in every run.
    if (first === undefined || this.#settled.has(frame.block)) return true;
    const key = first.line.entering.map(({ place }) => textOf(valueAt(place, frame.registers))).join(";");
    const times = (start.seen.get(key) ?? 0) + 1;
    start.seen.delete(key);
    if (times >= 2 + Math.floor(start.plans.length / PLANS_A_TIME)) return true;
    start.seen.set(key, times);
    const [oldest] = start.seen.size > MAX_SEEN ? start.seen.keys() : [];
    if (oldest !== undefined) start.seen.delete(oldest);
    return false;
  }

  #record(frame: Frame, instruction: Instruction): void {
    const recorder = new Recorder(frame, this.#isConstant, this.#executor.generator);
    this.#recorder = recorder;
    this.#executor.recorder = recorder;
    this.counts.recorded++;
    recorder.begin(frame, instruction);
  }

  /** Makes a plan of what was recorded. */
  #close(recorder: Recorder, to: number, registers: readonly Datum[]): void {
    const against = this.#against;
    this.#drop();
    const trace = recorder.trace.end();
    if (against?.trace !== undefined && this.#isSplit(against, against.trace, trace)) return;
    const { block } = recorder.root;
    const start = this.#startAt(block, recorder.from);
    const isBetween = this.#settled.has(block);
    const work = recorder.calls.reduce((n, c) => n + (c.known ? 0 : 1), 0);
    if (work < (isBetween ? LEAST_BETWEEN : 1) || to <= recorder.from) {
      start.closed = true;
      for (let at = recorder.from; at < to; at++) this.#startAt(block, at).closed = true; // nor is there anything further on
      return;
    }
    try {
      const line = straightLine(recorder, to, registers, this.#isConstant);
      const plan: Plan = { line, entry: new Entry(line), trace: isBetween || against !== undefined ? undefined : trace, start, isBetween, compiled: undefined, used: ++this.#clock, launches: 0 };
      start.plans.push(plan);
      this.#plans.push(plan);
      if (isBetween && start.plans.length >= MAX_PLANS_OF_START) start.closed = true; // layers that come in every run would take turns
      else if (start.plans.length > MAX_PLANS_OF_START) this.#forget(leastRecent(start.plans));
      this.#evict(plan);
      if (isBetween) this.#compile(plan);
    } catch (error) {
      if (!(error instanceof Unplannable)) throw error;
      start.closed = true;
    }
  }

  /** Other sizes have come to a planned region: where few of its calls see them, these instructions are left to the machine from now on, and the rest will be planned anew. */
  #isSplit(plan: Plan, before: Trace, now: Trace): boolean {
    plan.trace = undefined;
    const found = before.differing(now);
    if (found === undefined || found.steady < LEAST_STEADY || found.steady < LEAST_STEADY_SHARE * found.calls) return false;
    this.#forget(plan);
    for (const { block, position } of found.places) this.#startAt(block, position).barrier = true;
    for (const block of found.blocks) this.#settled.add(block);
    return true;
  }

  #evict(newest: Plan): void {
    const bytes = (): number => this.#plans.reduce((n, { compiled }) => n + (compiled?.executable.own ?? compiled?.executable.bytes ?? 0), 0);
    while (this.#plans.length > this.#maxPlans || (this.#plans.length > 1 && bytes() > this.#maxBytes)) {
      const others = this.#plans.filter((p) => p !== newest);
      if (others.length === 0) return;
      const oldest = leastRecent(others);
      this.#forget(oldest);
      // Of a run with more regions than may be kept, each would go before it comes again.
      if (oldest.isBetween) oldest.start.closed = true;
    }
  }

  #forget(plan: Plan): void {
    plan.start.plans = plan.start.plans.filter((p) => p !== plan);
    this.#plans = this.#plans.filter((p) => p !== plan);
    const { compiled, line } = plan;
    compiled?.executable.dispose();
    plan.compiled = undefined;
    if (compiled !== undefined) this.#dropUnused(compiled.line, line);
  }

  /** Gives back device memory of constants of `line` that are none of `other`, where no plan reads them and they can be had again. */
  #dropUnused(line: StraightLine, other: StraightLine): void {
    if (line.constants === other.constants) return;
    const used = new Set([other, ...this.#plans.flatMap((p) => p.compiled?.line ?? [])].flatMap((of) => of.constants.map((c) => c.storage)));
    for (const { storage } of line.constants) if (!used.has(storage) && (storage.onHost || storage.source?.fill !== undefined)) storage.dropDevice();
  }

  /** Runs the plan; undefined where it does not fit. Where a check in it fails nothing has happened yet: its instructions then say what is wrong, and where. */
  #launch(plan: Plan, frame: Frame): "launched" | "failed" | undefined {
    const { line } = plan;
    const { registers } = frame;
    const binding = plan.entry.bind(registers, this.#changes.state);
    if (binding === undefined) return this.#missed(plan, frame);
    if (plan.compiled === undefined) this.#compile(plan);
    const { compiled } = plan;
    if (compiled === undefined) return undefined;
    let outputs: readonly Storage[];
    try {
      outputs = compiled.executable.run(binding.storages);
    } catch (error) {
      if (isOpwiseError(error) && error.code === "index-out-of-range") return "failed";
      throw error;
    }
    const make = maker(binding, binding.storages, outputs);
    const values = line.leaving.map(({ recipe }) => make(recipe));
    for (const register of line.dead) registers[register] = null;
    line.leaving.forEach(({ register }, i) => (registers[register] = values[i] ?? null));
    frame.position = line.to;
    this.skipped += line.instructions;
    plan.used = ++this.#clock;
    plan.launches++;
    this.counts.launched++;
    return "launched";
  }

  /** A constant that was written is none; its plans go. */
  #missed(plan: Plan, frame: Frame): undefined {
    const stale = plan.line.constants.filter(({ storage, version }) => storage.version !== version);
    for (const { place, pattern } of plan.line.entering) {
      if (pattern.kind !== "constant" || pattern.storage.version === pattern.version) continue;
      if (valueAt(place, frame.registers) === pattern.tensor) stale.push(pattern);
    }
    for (const { storage } of stale) this.#volatile.add(storage);
    if (stale.length > 0) this.#forget(plan);
    return undefined;
  }

  /** Compiles the plan; one that cannot be goes. */
  #compile(plan: Plan): Executable | undefined {
    const line = passes(plan.line, this.#backend, this.#without);
    let executable: Executable | string | undefined;
    try {
      executable = this.#backend.compile?.({ steps: line.steps.map((s) => s.what), inputs: line.inputs, outputs: line.outputs }) ?? "no compiler";
    } catch (error) {
      if (!isOpwiseError(error) || error.code !== "out-of-memory") throw error;
      executable = error.message; // values one by one may fit
    } finally {
      if (typeof executable !== "object") this.#dropUnused(line, plan.line);
    }
    if (typeof executable !== "object") {
      plan.start.closed = true;
      this.#forget(plan);
      return undefined;
    }
    this.counts.compiled++;
    plan.compiled = { executable, line };
    this.#dropUnused(plan.line, line);
    plan.line = { ...plan.line, steps: [] };
    this.#evict(plan);
    return executable;
  }

  /** Storages that plans and the recording at hand need: a sweep must leave them. */
  *held(): Generator<Storage> {
    if (this.#recorder !== undefined) yield* this.#recorder.held();
    for (const { line, compiled } of this.#plans) {
      for (const { storage } of line.constants) yield storage;
      if (compiled !== undefined) for (const { storage } of compiled.line.constants) yield storage;
    }
  }

  summaries(): readonly PlanSummary[] {
    return this.#plans.flatMap((plan) => {
      const { compiled, line, launches } = plan;
      if (compiled === undefined) return [];
      return [
        {
          instructions: [line.from, line.to] as const,
          recordedCalls: line.origins.length,
          steps: compiled.line.steps.map((s) => ({ what: s.what, nodes: s.origins.flatMap((i) => line.origins[i]?.node ?? []) })),
          launches,
          bytes: compiled.executable.bytes,
        },
      ];
    });
  }

  dispose(): void {
    for (const plan of [...this.#plans]) this.#forget(plan);
  }
}
