/**
 * The machine: frames as plain data, one instruction at a time. Drivers, debugger and planner are loops over `advance`;
 * control flow, calls, forks and waiting exist here and nowhere else.
 */

import type { Datum, Future, Instance } from "../ir/datum.ts";
import type { FunctionDecl, Node } from "../ir/graph.ts";
import { OpwiseError, typedError, unreachable } from "../tensor/error.ts";
import type { OpSteps } from "../ops/registry.ts";
import type { TraceFrame } from "../tensor/traceback.ts";
import type { CodeBlock, Instruction, LinkedFunction, Operand } from "./code.ts";
import type { BlockKind, Listener, MachineEvent } from "./event.ts";
import type { Executor } from "./executor.ts";
import type { Planner } from "./plan/planner.ts";

/** Why a block runs, and what its end means. */
export type Role =
  | { readonly kind: "function"; readonly name: string; readonly decl: FunctionDecl }
  | { readonly kind: "branch" }
  | { readonly kind: "loop"; trip: number; readonly limit: number }
  | { readonly kind: "fork" };

/** One activation of a block. Blocks of one function share its registers. */
export interface Frame {
  readonly block: CodeBlock;
  position: number;
  readonly registers: Datum[];
  readonly role: Role;
  /** The instruction that opened the block, and the frame-owner's registers its results go to. */
  readonly owner: Instruction | undefined;
  readonly returnTo: Datum[] | undefined;
}

/** A line of control: the root, or a fork. */
export interface Task {
  readonly frames: Frame[];
  readonly future: Future | undefined;
  /** Contexts of the open `with` blocks, innermost last. */
  readonly entered: Entered[];
  /** An error on its way out: the `__exit__` of each entered context runs first. */
  failure: { readonly error: unknown } | undefined;
}

interface Entered {
  readonly object: Instance;
  readonly exit: () => LinkedFunction;
}

/** `more`: go on. `waiting`: a value has to arrive first (`machine.waiting`). `done`: `machine.result` is set. */
export type Status = "more" | "waiting" | "done";

interface PendingOp {
  readonly frame: Frame;
  readonly instruction: Instruction & { readonly kind: "op" };
  readonly args: readonly Datum[];
  readonly steps: OpSteps | undefined;
  readonly outputs: readonly Datum[] | undefined;
}

export interface MachineOptions {
  readonly executor: Executor;
  readonly listener?: Listener | undefined;
  /** Instructions that a run may execute. */
  readonly maxSteps?: number | undefined;
  /** Frames that may be open at once. */
  readonly maxDepth?: number | undefined;
  /** Runs planned regions whole, and plans them. */
  readonly planner?: Planner | undefined;
}

export class Machine {
  readonly executor: Executor;
  #listener: Listener | undefined;
  /** What the listener waits for: to be awaited before the next `advance`. */
  held: Promise<void> | undefined;
  /** Event objects made so far: 0 where nobody listens. */
  eventsBuilt = 0;
  time = 0;
  tasks: Task[] = [];
  result: readonly Datum[] | undefined;
  /** Set while `advance` says `waiting`. */
  waiting: Promise<void> | undefined;
  #pending: PendingOp | undefined;
  readonly #maxSteps: number;
  readonly #maxDepth: number;
  readonly #planner: Planner | undefined;

  constructor(options: MachineOptions) {
    this.executor = options.executor;
    this.listener = options.listener;
    this.#maxSteps = options.maxSteps ?? Infinity;
    this.#maxDepth = options.maxDepth ?? 10_000;
    this.#planner = options.planner;
  }

  get listener(): Listener | undefined {
    return this.#listener;
  }
  set listener(listener: Listener | undefined) {
    this.#listener = listener;
    this.executor.observer = listener === undefined ? undefined : {
      placed: (what, backend, bytes, reason) => this.#emit({ ...this.#base(), kind: "prim", what, backend, bytes, reason }),
      printed: (text) => this.#emit({ ...this.#base(), kind: "print", text }),
    };
  }

  /** Gives what `held` is, once. */
  release(): Promise<void> | undefined {
    const { held } = this;
    this.held = undefined;
    return held;
  }

  /** Prepares a call; `advance` runs it. */
  start(fn: LinkedFunction, args: readonly Datum[]): void {
    this.tasks = [newTask(undefined)];
    this.result = undefined;
    this.#pending = undefined;
    this.waiting = undefined;
    this.#enter(fn, args, undefined, undefined);
  }

  get #task(): Task {
    return this.tasks[this.tasks.length - 1] ?? unreachable("a machine without a task");
  }

  /** Runs one instruction or ends one block. @throws what the model raises, with its place */
  advance(): Status {
    if (this.#pending !== undefined) return this.#resume(this.#pending);
    const task = this.#task;
    const frame = task.frames[task.frames.length - 1];
    if (frame === undefined) return "done";
    if (this.#planner !== undefined) {
      this.#planner.before(frame);
      this.time += this.#planner.skipped;
      this.#planner.skipped = 0;
    }
    const instruction = frame.block.instructions[frame.position];
    if (instruction === undefined) return this.#endBlock(task, frame);
    frame.position++;
    if (++this.time > this.#maxSteps) {
      throw new OpwiseError("step-limit", `the run took more than ${this.#maxSteps} steps`, { hint: "raise `maxSteps`, or look for a loop that never ends" });
    }
    try {
      return this.#execute(frame, instruction);
    } catch (error) {
      return this.#raise(error, instruction.node);
    }
  }

  #execute(frame: Frame, instruction: Instruction): Status {
    const { registers } = frame;
    switch (instruction.kind) {
      case "op": {
        const args = gather(instruction.operands, registers);
        if (instruction.bound.reads) return this.#read({ frame, instruction, args, steps: instruction.bound.run(this.executor, args), outputs: undefined });
        return this.#finish({ frame, instruction, args, steps: undefined, outputs: instruction.bound.run(this.executor, args) });
      }
      case "constant":
        registers[instruction.results[0] ?? 0] = instruction.value;
        kill(registers, instruction.kills);
        if (this.#listener !== undefined) this.#emitOp(instruction, [], [instruction.value]);
        return "more";
      case "data": {
        const args = gather(instruction.operands, registers);
        const outputs = instruction.run(args);
        store(registers, instruction.results, outputs);
        kill(registers, instruction.kills);
        if (this.#listener !== undefined) this.#emitOp(instruction, args, outputs);
        return "more";
      }
      case "getattr": {
        const object = instanceOf(read(registers, instruction.operands[0]));
        const slot = object.class.slots.get(instruction.name);
        const value = slot === undefined ? undefined : object.slots[slot];
        if (value === undefined) throw new OpwiseError("runtime-error", `'${object.class.name}' object has no attribute '${instruction.name}'`);
        registers[instruction.results[0] ?? 0] = value;
        kill(registers, instruction.kills);
        if (this.#listener !== undefined) this.#emitOp(instruction, [object], [value]);
        return "more";
      }
      case "setattr": {
        const object = instanceOf(read(registers, instruction.operands[0]));
        const value = read(registers, instruction.operands[1]);
        const slot = object.class.slots.get(instruction.name);
        if (slot === undefined) throw new OpwiseError("runtime-error", `'${object.class.name}' object has no attribute '${instruction.name}'`);
        object.slots[slot] = value;
        kill(registers, instruction.kills);
        if (this.#listener !== undefined) this.#emitOp(instruction, [object, value], []);
        return "more";
      }
      case "if": {
        const taken = read(registers, instruction.operands[0]) === true ? 0 : 1;
        const block = instruction.blocks[taken] ?? unreachable("branch");
        this.#open({ block, position: 0, registers, role: { kind: "branch" }, owner: instruction, returnTo: registers }, "branch", taken === 0 ? "then" : "else");
        return "more";
      }
      case "loop": {
        const [max, condition, ...carried] = instruction.operands;
        const limit = Number(read(registers, max));
        const values = carried.map((o) => read(registers, o));
        if (limit <= 0 || read(registers, condition) !== true) {
          store(registers, instruction.results, values);
          kill(registers, instruction.kills);
          if (this.#listener !== undefined) this.#emitOp(instruction, [limit, false, ...values], values);
          return "more";
        }
        registers[instruction.body.inputs[0] ?? 0] = 0;
        store(registers, instruction.body.inputs.slice(1), values);
        this.#open({ block: instruction.body, position: 0, registers, role: { kind: "loop", trip: 0, limit }, owner: instruction, returnTo: registers }, "trip", "loop");
        return "more";
      }
      case "call":
        this.#enter(instruction.callee(), gather(instruction.operands, registers), instruction, registers);
        return "more";
      case "method": {
        const args = gather(instruction.operands, registers);
        const object = instanceOf(args[0] ?? null);
        // As in PyTorch, a context counts as entered before its `__enter__` runs, and as left before its `__exit__` does.
        if (instruction.context === "enter") this.#task.entered.push({ object, exit: () => instruction.lookup(object.class, "__exit__") });
        else if (instruction.context === "exit") this.#task.entered.pop();
        this.#enter(instruction.lookup(object.class), args, instruction, registers);
        return "more";
      }
      case "fork": {
        const future: Future = { kind: "future", state: { done: false } };
        registers[instruction.results[0] ?? 0] = future;
        this.tasks.push(newTask(future));
        this.#open({ block: instruction.body, position: 0, registers: [...registers], role: { kind: "fork" }, owner: instruction, returnTo: undefined }, "fork", "fork");
        return "more";
      }
      case "wait": {
        const future = read(registers, instruction.operands[0]);
        if (future === null || typeof future !== "object" || !("kind" in future) || future.kind !== "future") return unreachable("wait for no future");
        if (!future.state.done) throw new OpwiseError("runtime-error", "wait for a future that nothing will complete");
        if ("error" in future.state) throw future.state.error;
        registers[instruction.results[0] ?? 0] = future.state.value;
        kill(registers, instruction.kills);
        if (this.#listener !== undefined) this.#emitOp(instruction, [future], [future.state.value]);
        return "more";
      }
      case "raise": {
        const message = read(registers, instruction.operands[0]);
        const raised = instruction.operands[1] === undefined ? null : read(registers, instruction.operands[1]);
        throw new OpwiseError("model-raised", typeof message === "string" ? message : "an exception without a text", typeof raised === "string" ? { raisedClass: raised } : {});
      }
      case "missing":
        throw new OpwiseError("unsupported-op", `\`${instruction.node.op}\` is not in this build`, {
          where: { op: instruction.node.op }, hint: "`opwise inspect MODEL` lists everything that is missing; `registerOp` adds a meaning",
        });
      default:
        return instruction satisfies never;
    }
  }

  /** Runs a reading op on to its next read or its end. */
  #read(pending: PendingOp): Status {
    const steps = pending.steps ?? unreachable("a read without steps");
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return this.#finish({ ...pending, outputs: step.value });
      if (this.#listener !== undefined && !(step.value instanceof Promise)) this.#emit({ ...this.#base(), kind: "read", node: pending.instruction.node, tensor: step.value });
      const wait = step.value instanceof Promise ? step.value : this.executor.sync(step.value);
      if (wait instanceof Promise) return this.#wait(wait, pending);
    }
  }

  #finish(pending: PendingOp): Status {
    if (this.executor.pending !== undefined) return this.#wait(this.executor.pending, pending);
    const { frame, instruction, args } = pending;
    const outputs = pending.outputs ?? unreachable("an op without outputs");
    store(frame.registers, instruction.results, outputs);
    kill(frame.registers, instruction.kills);
    this.#pending = undefined;
    if (this.#listener !== undefined) this.#emitOp(instruction, args, outputs);
    return "more";
  }

  #wait(promise: Promise<void>, pending: PendingOp): Status {
    this.#pending = pending;
    this.waiting = promise;
    if (this.#listener !== undefined) this.#emit({ ...this.#base(), kind: "read wanted", node: pending.instruction.node });
    return "waiting";
  }

  #resume(pending: PendingOp): Status {
    this.waiting = undefined;
    this.#pending = undefined;
    try {
      return pending.outputs !== undefined ? this.#finish(pending) : this.#read(pending);
    } catch (error) {
      return this.#raise(error, pending.instruction.node);
    }
  }

  /** The instruction that `advance` runs next; undefined where it ends a block, goes on with a waiting op, or has nothing left to do. */
  get next(): Instruction | undefined {
    if (this.#pending !== undefined) return undefined;
    const frame = this.tasks.at(-1)?.frames.at(-1);
    return frame?.block.instructions[frame.position];
  }

  /** Ends blocks until an instruction is next: the one state that a time names. @throws as `advance` does */
  settle(): Status {
    while (this.#pending === undefined && this.next === undefined) {
      const status = this.advance();
      if (status !== "more") return status;
    }
    return this.#pending === undefined ? "more" : "waiting";
  }

  /** Goes on as though the next instruction had run and had given `outputs`. @throws bad-argument unless they are as many as its results */
  skip(outputs: readonly Datum[]): void {
    const frame = this.tasks.at(-1)?.frames.at(-1);
    const instruction = this.next;
    if (frame === undefined || instruction === undefined) throw new OpwiseError("bad-argument", "no instruction is next");
    if (instruction.results.length !== outputs.length) {
      throw new OpwiseError("bad-argument", `\`${instruction.node.op}\` has ${instruction.results.length} results`, { got: `${outputs.length} values for them` });
    }
    const inputs = this.nextInputs();
    frame.position++;
    this.time++;
    store(frame.registers, instruction.results, outputs);
    kill(frame.registers, instruction.kills);
    if (this.listener !== undefined) this.#emitOp(instruction, inputs, outputs);
  }

  /** What the next instruction's operands are now. */
  nextInputs(): readonly Datum[] {
    const frame = this.tasks.at(-1)?.frames.at(-1);
    const instruction = this.next;
    return frame === undefined || instruction === undefined ? [] : gather(instruction.operands, frame.registers);
  }

  /** Whether an op waits in the middle; its state is in a generator, which a snapshot cannot hold. */
  get inRead(): boolean {
    return this.#pending !== undefined;
  }

  #enter(fn: LinkedFunction, args: readonly Datum[], owner: Instruction | undefined, returnTo: Datum[] | undefined): void {
    const registers = new Array<Datum>(fn.registers).fill(null);
    store(registers, fn.body.inputs, args);
    this.#open({ block: fn.body, position: 0, registers, role: { kind: "function", name: fn.decl.name, decl: fn.decl }, owner, returnTo }, "call", fn.decl.name, fn);
  }

  #open(frame: Frame, what: BlockKind, name: string, fn?: LinkedFunction): void {
    const { frames } = this.#task;
    if (frames.length >= this.#maxDepth) {
      throw new OpwiseError("limit-exceeded", `more than ${this.#maxDepth} frames are open`, { hint: "does the model call itself without end?" });
    }
    frames.push(frame);
    if (this.#listener !== undefined) this.#emitEnter(frame, what, name, fn);
  }

  /** A block has run to its end: loop on, or hand its values to where it was opened. */
  #endBlock(task: Task, frame: Frame): Status {
    const { role, owner, registers } = frame;
    const values = gather(frame.block.outputs, registers);
    if (role.kind === "loop" && owner !== undefined) {
      const [go, ...carried] = values;
      role.trip++;
      if (this.#listener !== undefined) this.#emit({ ...this.#base(), kind: "exit", what: "trip", node: owner.node, values, last: !(go === true && role.trip < role.limit) });
      if (go === true && role.trip < role.limit) {
        registers[frame.block.inputs[0] ?? 0] = role.trip;
        store(registers, frame.block.inputs.slice(1), carried);
        frame.position = 0;
        if (this.#listener !== undefined) this.#emitEnter(frame, "trip", "loop", undefined);
        return "more";
      }
      task.frames.pop();
      store(registers, owner.results, carried);
      kill(registers, owner.kills);
      return "more";
    }
    task.frames.pop();
    if (this.#listener !== undefined) this.#emit({ ...this.#base(), kind: "exit", what: role.kind === "function" ? "call" : role.kind === "fork" ? "fork" : "branch", node: owner?.node, values, last: true });
    if (role.kind === "fork") {
      const { future } = this.tasks.pop() ?? unreachable("fork without a task");
      if (future !== undefined) future.state = { done: true, value: values[0] ?? null };
      const outer = this.#task.frames.at(-1);
      if (outer !== undefined && owner !== undefined) kill(outer.registers, owner.kills);
      return "more";
    }
    if (frame.returnTo !== undefined && owner !== undefined) {
      store(frame.returnTo, owner.results, values);
      kill(frame.returnTo, owner.kills);
      return "more";
    }
    if (task.failure !== undefined) return this.#unwind(task, task.failure.error);
    this.result = values;
    return "done";
  }

  /** Ends the run with the error, or the task whose future keeps it; open `with` blocks are left first. */
  #raise(error: unknown, node: Node): Status {
    const running = this.#task;
    this.#pending = undefined;
    // What an `__exit__` raises while an error passes is dropped.
    if (running.failure !== undefined) return this.#unwind(running, running.failure.error);
    const placed = typedError(error).at(whereOf(node), this.#trace(node));
    const kept = this.tasks.length > 1;
    if (this.#listener !== undefined) this.#emit({ ...this.#base(), kind: "raise", node, error: placed, kept });
    return this.#unwind(running, placed);
  }

  /** Leaves the innermost open context, or, with none left, the task. */
  #unwind(task: Task, error: unknown): Status {
    const next = task.entered.pop();
    if (next !== undefined) {
      task.failure = { error };
      task.frames.length = 0;
      this.#enter(next.exit(), [next.object, null, null, null], undefined, undefined);
      return "more";
    }
    if (this.tasks.length === 1) throw error;
    this.tasks.pop();
    if (task.future !== undefined) task.future.state = { done: true, error };
    return "more";
  }

  /** The open calls of the task at hand, outermost first, down to `node`; empty for formats whose code is no text. */
  #trace(node: Node): TraceFrame[] {
    const out: TraceFrame[] = [];
    let name = "";
    const add = (at: Node): void => {
      const excerpts = at.location?.excerpts?.();
      if (excerpts !== undefined) out.push({ function: name, ...excerpts });
    };
    for (const { role, owner } of this.#task.frames) {
      if (role.kind !== "function" && role.kind !== "fork") continue;
      if (owner !== undefined && role.kind === "function") add(owner.node);
      name = role.kind === "fork" ? "<forked function>" : role.name.slice(role.name.lastIndexOf(".") + 1);
    }
    add(node);
    return out;
  }

  #base(): { time: number; depth: number; task: number } {
    return { time: this.time, depth: this.#task.frames.length, task: this.tasks.length };
  }
  #emitOp(instruction: Instruction, inputs: readonly Datum[], outputs: readonly Datum[]): void {
    this.#emit({ ...this.#base(), kind: "op", node: instruction.node, inputs, outputs });
  }
  #emitEnter(frame: Frame, what: BlockKind, name: string, fn: LinkedFunction | undefined): void {
    const inputs = frame.block.inputs.map((register) => frame.registers[register] ?? null);
    const trip = frame.role.kind === "loop" ? frame.role.trip : 0;
    this.#emit({ ...this.#base(), kind: "enter", what, node: frame.owner?.node, name, trip, inputs, decl: fn?.decl });
  }
  #emit(event: MachineEvent): void {
    this.eventsBuilt++;
    const held = this.#listener?.(event);
    if (held instanceof Promise) this.held = Promise.all([this.held, held]).then(() => undefined);
  }
}

function newTask(future: Future | undefined): Task {
  return { frames: [], future, entered: [], failure: undefined };
}

/** The node's place for an error. */
export function whereOf(node: Node): { op: string; node?: string | undefined; record?: string | undefined; line?: number | undefined; python?: string | undefined } {
  const { location } = node;
  return {
    op: node.op, node: node.name, record: location?.record,
    line: location === undefined || location.line === 0 ? undefined : location.line, python: location?.python?.(),
  };
}

function read(registers: readonly Datum[], operand: Operand | undefined): Datum {
  if (operand === undefined) return unreachable("operand");
  const value = operand.register < 0 ? operand.constant : (registers[operand.register] ?? null);
  return operand.adapt === undefined ? value : operand.adapt(value);
}

function gather(operands: readonly Operand[], registers: readonly Datum[]): Datum[] {
  const out = new Array<Datum>(operands.length);
  for (let i = 0; i < operands.length; i++) out[i] = read(registers, operands[i]);
  return out;
}

function store(registers: Datum[], to: readonly number[], values: readonly Datum[]): void {
  for (let i = 0; i < to.length; i++) registers[to[i] ?? 0] = values[i] ?? null;
}

function kill(registers: Datum[], dead: readonly number[]): void {
  for (let i = 0; i < dead.length; i++) registers[dead[i] ?? 0] = null;
}

function instanceOf(value: Datum): Instance {
  if (typeof value === "object" && value !== null && "kind" in value && value.kind === "instance") return value;
  return unreachable("an object was expected");
}
