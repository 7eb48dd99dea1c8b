/** The stepping debugger (F2): a timeline with places to stop at, in both directions, and names for what is there. Plain data out; texts are made elsewhere. */

import type { Datum, Instance } from "../ir/datum.ts";
import type { Node, Value } from "../ir/graph.ts";
import type { Instruction } from "../run/code.ts";
import type { Session } from "../run/session.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import type { Expression } from "./expression.ts";
import { differsFrom } from "./golden-run.ts";
import { type Activation, activationsOf, modulePaths, ValueNames } from "./frames.ts";
import { numberingOf, type Numbering } from "./graph.ts";
import type { Subject } from "./match.ts";
import { Lookup, type Named } from "./lookup.ts";
import type { Coming, Matcher } from "./matcher.ts";
import { Catcher, type CatchKind } from "./catcher.ts";
import { type Place, placeOfNode, placeText } from "./place.ts";
import { plainText } from "./plain.ts";
import { type Point, Points } from "./points.ts";
import type { RunInputs } from "./record.ts";
import { WriteLog, type Write } from "./write-log.ts";
import type { TraceRun } from "./trace.ts";
import { type Branch, type End, type Step, Timeline } from "./timeline.ts";

export interface DebugOptions {
  readonly method?: string | undefined;
  /** Selectors to stop at. @throws no-match */
  readonly breaks?: readonly string[] | undefined;
  readonly catches?: readonly CatchKind[] | undefined;
  /** Bytes that checkpoints may take. */
  readonly history?: number | undefined;
  /** Stops at the next event. */
  readonly signal?: AbortSignal | undefined;
}

/** `enter`: into calls, else to the next line. */
export type StepKind = "in" | "over" | "out" | "line" | "enter" | "instruction";

export type Reason =
  | { readonly kind: "entry" | "step" | "start" | "goto" | "interrupt" | "end" }
  | { readonly kind: "breakpoint"; readonly points: readonly number[]; readonly text: string }
  | { readonly kind: "watch"; readonly point: number; readonly name: string; readonly write: Write }
  | { readonly kind: "catch"; readonly what: CatchKind; readonly text: string }
  | { readonly kind: "raised"; readonly error: unknown };

/** Where a run stands. */
export interface Stop {
  /** `@time` is next; at the end: how many instructions ran. */
  readonly time: number;
  readonly reason: Reason;
  /** The node that is next. */
  readonly node: number | undefined;
  readonly nth: number;
  readonly op: string | undefined;
  readonly place: Place | undefined;
  readonly module: string;
  readonly function: string;
  readonly loops: readonly { readonly node: number; readonly trip: number; readonly limit: number }[];
  /** What the op will read, and the names of what it will give. */
  readonly inputs: readonly Named[];
  readonly outputs: readonly { readonly name: string; readonly writes: string | undefined }[];
  /** What the step that led here gave. */
  readonly made: { readonly node: number; readonly op: string; readonly values: readonly Named[] } | undefined;
  /** The first step whose replay gave other values. */
  readonly notDeterministic: { readonly time: number; readonly node: number } | undefined;
  readonly end: End | undefined;
}

/** Instructions that only arrange data: stepping passes over them. */
const PASSED: ReadonlySet<Instruction["kind"]> = new Set(["constant", "data", "getattr"]);

export class Debugger {
  readonly session: Session;
  readonly timeline: Timeline;
  readonly numbering: Numbering;
  readonly names: ValueNames;
  readonly points: Points;
  readonly lookup: Lookup;
  readonly writes: WriteLog = new WriteLog();
  readonly #catcher: Catcher;
  readonly #paths: ReadonlyMap<Instance, string>;
  /** Paths of the modules whose methods are called, by the time of the call. */
  readonly #modules = new Map<number, string>();
  /** The value that first showed a storage, with its function. */
  readonly #bases = new Map<number, { readonly name: string; readonly function: number }>();
  readonly #branches = new Map<string, Branch>();
  /** Results of ended branches, for `diff`. */
  readonly ends: Map<string, End> = new Map();
  branch = "base";
  #frame = 0;
  #reason: Reason = { kind: "entry" };
  #interrupted = false;
  /** The last op on the way here. */
  #made: Step | undefined;

  constructor(session: Session, inputs: RunInputs = {}, options: DebugOptions = {}) {
    this.session = session;
    this.numbering = numberingOf(session.program);
    this.names = new ValueNames(this.numbering);
    this.points = new Points(this.numbering);
    this.#paths = modulePaths(session);
    for (const text of options.breaks ?? []) this.points.add(text);
    const call = session.begin(options.method ?? "forward", inputs.args ?? [], inputs.named ?? {});
    this.#nameArguments(call.machine.tasks[0]?.frames[0]?.registers ?? [], session, options.method ?? "forward");
    this.timeline = new Timeline(session, call, { history: options.history });
    this.lookup = new Lookup(session, this.timeline, this.numbering, this.names);
    this.#catcher = new Catcher();
    for (const what of options.catches ?? []) this.#catcher.add(what);
    this.timeline.watcher = {
      before: (instruction, first) => this.#before(instruction, first),
      after: (step, first) => this.#after(step, first),
    };
    options.signal?.addEventListener("abort", () => this.interrupt(), { once: true });
  }

  #nameArguments(registers: readonly Datum[], session: Session, method: string): void {
    const root = session.roots.find((r) => typeof r === "object" && r !== null && "kind" in r && r.kind === "instance");
    const decl =
      typeof root === "object" && root !== null && "kind" in root && root.kind === "instance" ? root.class.methods.get(method) : session.program.main;
    for (const value of decl?.graph().inputs ?? []) {
      const datum = registers[value.id];
      if (datum instanceof Tensor) this.#base(datum, value);
    }
  }

  #base(tensor: Tensor, value: Value): void {
    const id = this.writes.idOf(tensor.storage);
    if (this.#bases.has(id)) return;
    const { values, blocks } = this.numbering.graph;
    const own = values[this.numbering.valueId(value)];
    if (own !== undefined) this.#bases.set(id, { name: own.name, function: blocks[own.block]?.function ?? -1 });
  }

  /** Stops a way that is under way at the next event. */
  interrupt(): void {
    this.#interrupted = true;
  }

  dispose(): void {
    this.timeline.dispose();
  }

  #before(instruction: Instruction, first: boolean): void {
    const { machine } = this.timeline;
    const inputs = machine.nextInputs();
    this.writes.begin(inputs);
    this.#catcher.before(instruction, inputs);
    if (!first || (instruction.kind !== "call" && instruction.kind !== "method")) return;
    const [object] = inputs;
    const path = typeof object === "object" && object !== null && "kind" in object && object.kind === "instance" ? this.#paths.get(object) : undefined;
    if (path !== undefined) this.#modules.set(machine.time, path);
  }

  #after(step: Step, first: boolean): void {
    this.writes.end(step.time, step.inputs, step.outputs, first);
    this.#catcher.after(step);
    if (step.instruction.kind === "op") this.#made = step;
    if (!first) return;
    step.outputs.forEach((value, i) => {
      const result = step.node.results[i];
      if (value instanceof Tensor && result !== undefined) this.#base(value, result);
    });
  }

  // Where it stands ------------------------------------------------------------------------------------------------

  /** Open calls, innermost first. */
  get calls(): readonly Activation[] {
    return activationsOf(this.timeline.machine);
  }
  /** Which of `calls` names are looked up in. */
  get frame(): number {
    return this.#frame;
  }
  /** Goes `by` calls outwards (inwards where negative), as far as there are any. */
  up(by: number): void {
    this.#frame = Math.min(Math.max(this.#frame + by, 0), Math.max(this.calls.length - 1, 0));
  }

  /** Looks from the call at `index` of `calls`. */
  select(index: number): void {
    this.#frame = Math.min(Math.max(index % 100_000, 0), Math.max(this.calls.length - 1, 0));
  }

  /** Path of the module whose method the call at `index` of `calls` runs. */
  moduleOf(index: number): string {
    const { calls } = this;
    const call = calls[index];
    const own = call?.instruction?.node.location?.module?.();
    if (own !== undefined) return own;
    if (call === undefined) return "";
    const path = this.#modules.get(this.lookup.begunAt(index) - 1);
    return path ?? (index + 1 < calls.length ? this.moduleOf(index + 1) : "");
  }

  /** Path of the module whose method was running at a time that was reached, by its depth of calls. */
  moduleAt(time: number): string {
    const own = this.timeline.instructionAt(time)?.node.location?.module?.();
    if (own !== undefined) return own;
    let depth = this.timeline.depthAt(time);
    for (let t = time - 1; t >= 0 && depth > 1; t--) {
      if (this.timeline.depthAt(t) >= depth) continue;
      const path = this.#modules.get(t);
      if (path !== undefined) return path;
      depth = this.timeline.depthAt(t);
    }
    return "";
  }

  /** Which execution of the node at hand is next, from 0. */
  nthAt(time: number): number {
    const node = this.timeline.instructionAt(time)?.node;
    let nth = 0;
    for (let t = 0; t < time; t++) if (this.timeline.instructionAt(t)?.node === node) nth++;
    return nth;
  }

  /** The state as data. */
  stop(): Stop {
    const { timeline, numbering, names } = this;
    const { next, end, diverged } = timeline;
    const made = this.#made;
    const [call] = this.calls;
    const written = next?.node.schema?.args.findIndex((a) => a.alias?.write === true) ?? -1;
    const target = written < 0 ? undefined : next?.node.operands[written];
    return {
      time: end === undefined ? timeline.time + 1 : timeline.time,
      reason: this.#reason,
      node: next === undefined ? undefined : numbering.nodeId(next.node),
      nth: next === undefined ? 0 : this.nthAt(timeline.time),
      op: next?.node.op,
      place: next === undefined ? undefined : placeOfNode(next.node),
      module: next === undefined ? "" : this.moduleOf(0),
      function: call?.name ?? "",
      loops: (call?.loops ?? []).map(({ node, trip, limit }) => ({ node: numbering.nodeId(node), trip, limit })),
      inputs: next === undefined ? [] : this.operandsOf(next),
      outputs: (next?.node.results ?? []).map((value) => ({ name: names.of(value), writes: target === undefined ? undefined : names.of(target) })),
      made:
        made === undefined
          ? undefined
          : {
              node: numbering.nodeId(made.node),
              op: made.node.op,
              values: made.node.results.map((value, i): Named => ({ name: names.of(value), value: made.outputs[i] ?? null })),
            },
      notDeterministic: diverged === undefined ? undefined : { time: diverged.time, node: numbering.nodeId(diverged.node) },
      end,
    };
  }

  /** Operands that have names, with what they are now. */
  operandsOf(instruction: Instruction): readonly Named[] {
    const inputs = this.timeline.machine.nextInputs();
    return instruction.node.operands.flatMap((value, i) => (value === undefined ? [] : [{ name: this.names.of(value), value: inputs[i] ?? null }]));
  }

  // Going ---------------------------------------------------------------------------------------------------------

  async #arrived(reason: Reason): Promise<Stop> {
    this.#frame = 0;
    if (reason.kind === "goto" || reason.kind === "start") this.#made = undefined;
    const { end } = this.timeline;
    this.#reason = end === undefined ? reason : end.kind === "done" ? { kind: "end" } : { kind: "raised", error: end.error };
    if (end !== undefined) {
      this.ends.set(this.branch, end);
      if (end.kind === "done") this.timeline.kept.push(...end.values);
    }
    return this.stop();
  }

  /** Whether stepping by `kind` stops at a time, for a step that began at `from`. */
  #isStop(kind: StepKind, time: number, from: number): boolean {
    const { timeline } = this;
    const instruction = timeline.instructionAt(time);
    if (instruction === undefined) return true;
    if (kind === "instruction") return true;
    // The end has no calls open: steps back from it go by what ran last.
    const [depth, started] = [timeline.depthAt(time), timeline.depthAt(timeline.instructionAt(from) === undefined ? from - 1 : from)];
    if (PASSED.has(instruction.kind)) return false;
    if (kind === "in") return true;
    if (kind === "out") return depth < started;
    if (depth > started) return kind === "enter";
    if (kind === "over") return true;
    const begun = timeline.instructionAt(from);
    return depth < started || begun === undefined || lineOf(instruction) !== lineOf(begun);
  }

  /** One step. Forward it stops early at a breakpoint that lies on the way. */
  async step(kind: StepKind): Promise<Stop> {
    const from = this.timeline.time;
    this.#interrupted = false;
    this.#made = undefined;
    while (this.timeline.end === undefined) {
      const hit = await this.#forward();
      if (this.timeline.end !== undefined) break;
      if (this.#isStop(kind, this.timeline.time, from)) return this.#arrived(hit?.kind === "breakpoint" ? hit : { kind: "step" });
      if (hit !== undefined) return this.#arrived(hit);
      if (this.#interrupted) return this.#arrived({ kind: "interrupt" });
    }
    return this.#arrived({ kind: "step" });
  }

  /** One step back: to where a step of the kind would have come from. */
  async stepBack(kind: StepKind): Promise<Stop> {
    const from = this.timeline.time;
    for (let t = from - 1; t >= 0; t--) {
      if (!this.#isStop(kind, t, from)) continue;
      // Back to the line's first op, where its last one was met first.
      let first = t;
      const back = kind === "line" ? t : 0;
      for (
        let k = back;
        k > 0 && sameLine(this.timeline.instructionAt(k - 1), this.timeline.instructionAt(k)) && this.timeline.depthAt(k - 1) === this.timeline.depthAt(k);
        k--
      ) {
        if (!PASSED.has(this.timeline.instructionAt(k - 1)?.kind ?? "constant")) first = k - 1;
      }
      await this.timeline.goTo(first);
      this.#made = undefined;
      return this.#arrived({ kind: "step" });
    }
    await this.timeline.goTo(0);
    return this.#arrived({ kind: "start" });
  }

  /** Runs to the next place to stop at, or the end. */
  async resume(): Promise<Stop> {
    this.#interrupted = false;
    let turn = performance.now();
    while (this.timeline.end === undefined) {
      const hit = await this.#forward();
      if (hit !== undefined) return this.#arrived(hit);
      if (this.#interrupted) return this.#arrived({ kind: "interrupt" });
      if (performance.now() - turn > 20) {
        await new Promise((go) => setTimeout(go, 0));
        turn = performance.now();
      }
    }
    return this.#arrived({ kind: "end" });
  }

  /** Back to the last place to stop at before this one, or the start. */
  async resumeBack(): Promise<Stop> {
    const { timeline } = this;
    // Stretches between checkpoints are run again, the last one first; in each the last hit counts. `end`: places from here on are done.
    for (let end = timeline.time; end > 1;) {
      const begin = timeline.checkpointBefore(end - 2);
      await timeline.goTo(begin);
      let found: { readonly time: number; readonly reason: Reason } | undefined;
      while (timeline.time < end - 1) {
        const reason = await this.#forward(false);
        if (reason !== undefined) found = { time: timeline.time, reason };
      }
      if (found !== undefined) {
        await timeline.goTo(found.time);
        return this.#arrived(found.reason);
      }
      end = begin + 1;
    }
    await timeline.goTo(0);
    return this.#arrived(this.#hitBefore(false) ?? { kind: "start" });
  }

  /** Runs to where the selector matches, or the condition holds. */
  async until(text: string): Promise<Stop> {
    const point = this.points.makeUntil(text);
    this.points.list.push(point);
    try {
      return await this.resume();
    } finally {
      this.points.remove(point.id);
    }
  }

  /** Goes to where `@time` is next. */
  async goTo(time: number): Promise<Stop> {
    await this.timeline.goTo(time - 1);
    return this.#arrived({ kind: "goto" });
  }

  /** Runs one instruction and says what there is to stop for. */
  async #forward(counts = true): Promise<Reason | undefined> {
    await this.timeline.forward();
    const after = this.#hitAfter(counts);
    const before = this.timeline.end === undefined ? this.#hitBefore(counts) : undefined;
    return after ?? before;
  }

  /** What the step that just ran gives reason to stop for. */
  #hitAfter(counts: boolean): Reason | undefined {
    const { last } = this.timeline;
    const caught = this.#catcher.take();
    if (caught !== undefined) return { kind: "catch", what: caught.what, text: caught.text };
    for (const point of this.points.watches) {
      const write = this.writes.writesAt(this.timeline.time).find((w) => w.storage === point.storage);
      if (write !== undefined && this.points.counts(point, counts)) return { kind: "watch", point: point.id, name: point.text, write };
    }
    if (last === undefined || this.points.list.length === 0) return undefined;
    const names = last.node.results.map((value) => this.names.of(value));
    return this.#told(
      this.points.after(
        last,
        () => this.#coming(last.time - 1),
        this.#written(last),
        (i) => names[i] ?? "",
        this,
      ),
      counts,
    );
  }

  /** Storages that a step wrote in place, by the names of values that show them. */
  #written(step: Step): Subject["written"] {
    const out: { readonly names: readonly string[]; readonly version: number }[] = [];
    for (const write of this.writes.writesAt(step.time)) {
      const base = this.#bases.get(write.storage)?.name;
      const shown = step.node.operands.flatMap((value, i) => {
        const datum = step.inputs[i];
        return value !== undefined && datum instanceof Tensor && this.writes.idOf(datum.storage) === write.storage ? [this.names.of(value)] : [];
      });
      out.push({ names: base === undefined ? shown : [base, ...shown], version: write.to });
    }
    return out;
  }

  /** Whether a selector matches a node that is next, by what can be known before it runs. */
  isAt(matcher: Matcher, node: Node): boolean {
    return matcher.before(node, () => this.#coming(this.timeline.time)) === true;
  }

  #coming(time: number): Coming {
    return { time: time + 1, nth: this.nthAt(time), module: this.moduleOf(0) };
  }

  /** What the node that is next gives reason to stop for. */
  #hitBefore(counts: boolean): Reason | undefined {
    const { next } = this.timeline;
    if (next === undefined || this.points.list.length === 0) return undefined;
    return this.#told(
      this.points.before(next.node, () => this.#coming(this.timeline.time), this),
      counts,
    );
  }

  /** Points that matched: those with a text only tell it, the others stop. */
  #told(matched: readonly Point[], counts: boolean): Reason | undefined {
    const stopping: Point[] = [];
    for (const point of matched) {
      if (!this.points.counts(point, counts)) continue;
      if (point.log === undefined) stopping.push(point);
      else if (counts) this.onLog?.(this.fill(point.log));
    }
    const [first] = stopping;
    if (first === undefined) return undefined;
    for (const point of stopping) if (point.temporary && counts) this.points.remove(point.id);
    return { kind: "breakpoint", points: stopping.map((p) => p.id), text: first.text };
  }

  /** Gets the texts of logpoints. */
  onLog: ((text: string) => void) | undefined;
  /** Makes the text of a value; the printer sets it. */
  textOf: (value: Datum) => string = (value) => plainText(value);

  /** A text with the values of the expressions in its braces. */
  fill(template: string): string {
    return template.replace(/\{([^{}]*)\}/g, (_, text: string) => {
      try {
        return this.textOf(this.evaluate(text));
      } catch (error) {
        return `{${text}: ${error instanceof Error ? error.message : String(error)}}`;
      }
    });
  }

  // Names ---------------------------------------------------------------------------------------------------------

  evaluate(text: string, index: number = this.#frame): Datum {
    return this.lookup.evaluate(text, index);
  }
  /** Whether a condition holds in the innermost call. */
  holds(condition: Expression): boolean {
    return this.lookup.holds(condition, 0);
  }
  /** Values of a call that are there now, in the graph's order. */
  locals(index: number = this.#frame): readonly Named[] {
    return this.lookup.locals(index);
  }

  /** Name of the value that first showed a tensor's storage, where that is one of the selected call. */
  baseOf(tensor: Tensor): string | undefined {
    const base = this.#bases.get(this.writes.idOf(tensor.storage));
    const decl = this.calls[this.#frame]?.decl;
    return base === undefined || decl === undefined || this.numbering.functionOf(decl)?.id !== base.function ? undefined : base.name;
  }

  /** Stops whenever something writes the storage of a value. @throws bad-argument unless it is a tensor */
  watch(text: string): Point {
    const value = this.evaluate(text.replace(/~$/, ""));
    if (!(value instanceof Tensor)) throw new OpwiseError("bad-argument", `\`${text}\` is no tensor: only memory can be watched`);
    return this.points.addWatch(text, this.writes.idOf(value.storage));
  }
  catching(what: CatchKind, on: boolean = true): void {
    if (on) this.#catcher.add(what);
    else this.#catcher.remove(what);
  }
  /** Stops at the first step that gives other values than the same execution of a recorded run. @throws bad-argument for a trace of another model */
  catchMismatch(golden: TraceRun): void {
    const known = golden.graph.nodes.length;
    if (known !== this.numbering.graph.nodes.length)
      throw new OpwiseError("bad-argument", "the trace is of another model", { wanted: `${this.numbering.graph.nodes.length} nodes`, got: `${known}` });
    this.#catcher.mismatch = (step) => differsFrom(golden, step, this.numbering.nodeId(step.node), this.nthAt(step.time - 1));
    this.catching("mismatch");
  }
  get catches(): readonly CatchKind[] {
    return this.#catcher.list;
  }

  // Changing -----------------------------------------------------------------------------------------------------

  /** Goes over to a new branch that parts here. */
  fork(name: string): void {
    if (name === this.branch || this.#branches.has(name)) throw new OpwiseError("bad-argument", `there is a branch \`${name}\` already`);
    this.#branches.set(this.branch, this.timeline.branch());
    this.branch = name;
  }
  get branches(): readonly string[] {
    return [...new Set([...this.#branches.keys(), this.branch])];
  }
  /** Goes over to another branch, to the same time. */
  async switchTo(name: string): Promise<Stop> {
    const branch = this.#branches.get(name);
    if (branch === undefined) throw new OpwiseError("bad-argument", `there is no branch \`${name}\``, { wanted: this.branches.join(", ") });
    this.#branches.set(this.branch, this.timeline.branch());
    this.#branches.delete(name);
    const { time } = this.timeline;
    this.branch = name;
    await this.timeline.adopt(branch, time);
    return this.#arrived({ kind: "goto" });
  }
}

function lineOf(instruction: Instruction): string {
  return placeText(placeOfNode(instruction.node));
}
function sameLine(a: Instruction | undefined, b: Instruction | undefined): boolean {
  return a !== undefined && b !== undefined && lineOf(a) !== "" && lineOf(a) === lineOf(b);
}
