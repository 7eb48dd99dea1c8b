/** A session: one instance of a model on one backend. */

import type { Datum, Instance } from "../ir/datum.ts";
import type { FunctionDecl, Param, Program } from "../ir/graph.ts";
import { T, type Type } from "../ir/type.ts";
import type { OnnxTable } from "../ops/onnx/define.ts";
import type { OpTable } from "../ops/registry.ts";
import { copyInto } from "../prims/calls.ts";
import type { Backend } from "../prims/backend.ts";
import { OpwiseError, typedError, unreachable } from "../tensor/error.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import { sameShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Linker } from "./link.ts";
import { type Borrowed, fromDatum, type Input, type Output, toDatum } from "./convert.ts";
import type { LinkedFunction } from "./code.ts";
import type { Listener } from "./event.ts";
import { Executor } from "./executor.ts";
import { checkEntry } from "./guards.ts";
import { Instantiator } from "./instantiate.ts";
import { callArguments } from "./arguments.ts";
import { Machine } from "./machine.ts";
import { flattenArguments, unflatten } from "./pytree.ts";
import type { Placement } from "./placements.ts";
import { machineRoots, reachableStorages, sweep } from "./reach.ts";

export interface SessionOptions {
  readonly backend: Backend;
  readonly cpu: Backend;
  readonly ops: OpTable;
  readonly onnx: OnnxTable;
  readonly generator: GeneratorState;
  /** Gets each line the model prints. */
  readonly print?: ((text: string) => void) | undefined;
  /** Bounds of what making the session runs: every `__setstate__`. */
  readonly setup?: Pick<RunOptions, "signal" | "maxSteps" | "maxBytes" | "maxWork"> | undefined;
}

/** Options of one run. */
export interface RunOptions {
  /** Ends the run with `aborted`; looked at between instructions, which an asynchronous run yields for. */
  readonly signal?: AbortSignal | undefined;
  /** Instructions the run may execute, else `step-limit`. */
  readonly maxSteps?: number | undefined;
  /** Bytes the run may allocate in all, else `out-of-memory`. */
  readonly maxBytes?: number | undefined;
  /** Elements that the run's calls may visit in all, else `step-limit`: a view of stride 0 has any number of them in no memory. */
  readonly maxWork?: number | undefined;
  /** Gets every event of the machine. */
  readonly listener?: Listener | undefined;
}

/** A parameter or buffer by its dotted path. */
export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
  readonly role: "parameter" | "buffer" | "attribute";
}

/** A result as data, with the static type that says what kinds its scalars are. */
export interface Returned {
  readonly value: Datum;
  readonly type: Type;
}

/** A call as linked code. */
export interface Entry {
  readonly fn: LinkedFunction;
  /** The module itself (TorchScript) or the program's state (.pt2), then the arguments. */
  readonly args: readonly Datum[];
  /** How many of `args` are not the caller's. */
  readonly own: number;
  /** The root's hooks, which run around the call. */
  readonly before: readonly LinkedFunction[];
  readonly after: readonly LinkedFunction[];
}

/** Names of modules, shared ones counted once a path. */
const MAX_NAMED_MODULES = 200_000;
const SWEEP_BYTES = 64 * 2 ** 20;
/** Milliseconds after which an asynchronous run lets the event loop have a turn. */
const TURN_MS = 20;

export class Session {
  readonly program: Program;
  readonly executor: Executor;
  readonly #linker: Linker;
  readonly #instantiator: Instantiator;
  readonly #root: Instance | undefined;
  readonly #state: Tensor[] = [];
  #running = false;
  #disposed = false;

  private constructor(program: Program, options: SessionOptions) {
    this.program = program;
    this.executor = new Executor({ backend: options.backend, cpu: options.cpu, generator: options.generator, ...(options.print === undefined ? {} : { print: options.print }) });
    this.#instantiator = new Instantiator();
    this.#linker = new Linker({ program, ops: options.ops, onnx: options.onnx, constant: (t) => this.#instantiator.datum(t) });
    if (program.root !== undefined) {
      const root = this.#instantiator.datum(program.root);
      this.#root = typeof root === "object" && root !== null && "kind" in root && root.kind === "instance" ? root : unreachable("a root that is no object");
    }
    for (const entry of program.state ?? []) {
      const value = this.#instantiator.datum(entry.value);
      if (value instanceof Tensor) this.#state.push(value);
    }
  }

  /** Makes the instance: values of the stored objects, then `__setstate__` where classes have one. Nothing of the model has run before. */
  static async create(program: Program, options: SessionOptions): Promise<Session> {
    const session = new Session(program, options);
    // What cannot be read at once (a URL, a Blob) is fetched now; linking makes the constants of all code known.
    if (program.main !== undefined) session.#linker.link(program.main);
    if (session.#instantiator.waits) for (const decl of functionsOf(program)) session.#linker.link(decl);
    await Promise.all(session.#instantiator.prefetch());
    for (const { instance, state } of session.#instantiator.pendingStates) {
      await session.#drive(session.#linker.method(instance.class, "__setstate__"), [instance, state], options.setup ?? {});
    }
    return session;
  }

  /** Methods that can be called, `forward` first where there is one. */
  get methods(): readonly string[] {
    if (this.#root === undefined) return this.program.main === undefined ? [] : ["forward"];
    const names = [...this.#root.class.methods.keys()].filter((n) => !this.#root?.class.forwardHooks.includes(n) && !this.#root?.class.forwardPreHooks.includes(n));
    return names.includes("forward") ? ["forward", ...names.filter((n) => n !== "forward")] : names;
  }

  #declOf(method: string): FunctionDecl {
    const decl = this.#root === undefined ? (method === "forward" ? this.program.main : undefined) : this.#root.class.methods.get(method);
    if (decl === undefined) throw new OpwiseError("bad-argument", `the model has no method \`${method}\``, { wanted: this.methods.join(", ") });
    return decl;
  }

  #arguments(decl: FunctionDecl, own: number, args: readonly Input[], kwargs: Readonly<Record<string, Input>>, borrowed: Borrowed): Datum[] {
    return callArguments({ decl, own, datum: (t) => this.#instantiator.datum(t), optional: this.#root === undefined }, args, kwargs, borrowed);
  }

  /** Calls a method and gives its result as data with its static type. The lowest door; `call` and `forward` stand on it. */
  async invoke(method: string, args: readonly Input[] = [], kwargs: Readonly<Record<string, Input>> = {}, options: RunOptions = {}): Promise<Returned> {
    const job = this.#prepare(method, args, kwargs);
    try {
      return job.finish(await this.#drive(job.fn, job.args, options, job.wrap));
    } finally {
      await this.#settle(job.kept());
    }
  }

  /** As `invoke`, at once. @throws would-block where a value has to be waited for */
  invokeSync(method: string, args: readonly Input[] = [], kwargs: Readonly<Record<string, Input>> = {}, options: RunOptions = {}): Returned {
    const job = this.#prepare(method, args, kwargs);
    try {
      return job.finish(this.#driveSync(job.fn, job.args, options, job.wrap));
    } finally {
      const wait = this.#settle(job.kept());
      if (wait instanceof Promise) wait.catch(() => undefined); // results of a blocking device are read already
    }
  }

  #prepare(method: string, args: readonly Input[], kwargs: Readonly<Record<string, Input>>): Job {
    if (this.#disposed) throw new OpwiseError("disposed", "the session has been disposed");
    const decl = this.#declOf(method);
    const borrowed: Borrowed = [];
    let result: Returned | undefined;
    if (this.#root === undefined) {
      const flat = this.#flatInputs(decl, args, kwargs, borrowed);
      const data = this.program.format === "pt2" ? [...this.#state, ...flat] : flat;
      return {
        fn: this.#linker.link(decl), args: data, wrap: undefined,
        finish: (values) => (result = this.#results(values, flat)),
        kept: () => [...flat, result?.value],
      };
    }
    const root = this.#root;
    const data = [root, ...this.#arguments(decl, 1, args, kwargs, borrowed)];
    return {
      fn: this.#linker.link(decl), args: data,
      wrap: method === "forward" && (root.class.forwardPreHooks.length > 0 || root.class.forwardHooks.length > 0) ? root : undefined,
      finish: (values) => {
        for (const { array, list } of borrowed) returnItems(array, list.items);
        return (result = { value: values[0] ?? null, type: decl.returns });
      },
      kept: () => [...data, result?.value],
    };
  }

  /** ONNX: inputs by name or position. pt2: arguments flattened along the program's tree. */
  #flatInputs(decl: FunctionDecl, args: readonly Input[], kwargs: Readonly<Record<string, Input>>, borrowed: Borrowed): Datum[] {
    if (this.program.format !== "pt2") return this.#arguments(decl, 0, args, kwargs, borrowed);
    const params = decl.params.slice(this.#state.length);
    try {
      const leaves = flattenArguments(this.program, args, kwargs);
      if (leaves.length !== params.length) throw new OpwiseError("bad-argument", "the wrong number of arguments", { wanted: `${params.length}: ${params.map((p) => p.name).join(", ")}`, got: `${leaves.length}` });
      const data = params.map((p, i) => toDatum(leaves[i] ?? null, p.type, `argument \`${p.name}\``, borrowed));
      checkEntry(this.program, data);
      return data;
    } catch (error) {
      throw this.#placed(error);
    }
  }

  #results(values: readonly Datum[], inputs: readonly Datum[]): Returned {
    const mutations = this.program.mutations ?? [];
    mutations.forEach((m, i) => {
      const from = values[i];
      const at = m.kind === "buffer" ? (this.program.state ?? []).findIndex((s) => s.name === m.name) : m.index;
      const to = m.kind === "buffer" ? this.#state[at] : inputs[at];
      if (from instanceof Tensor && to instanceof Tensor) copyInto(this.executor, to, from);
    });
    const outputs = values.slice(mutations.length);
    const types = (this.program.outputs ?? []).map((o) => o.type);
    if (this.program.outputTree !== undefined) {
      let at = 0;
      const { value, type } = unflatten(this.program.outputTree, () => ({ value: outputs[at] ?? null, type: types[at++] ?? T.Any }));
      return { value, type };
    }
    return { value: { kind: "tuple", type: undefined, items: outputs }, type: { kind: "Tuple", elems: types } };
  }

  /** Calls `forward` of a TorchScript module or a .pt2 program. */
  async forward(...args: readonly Input[]): Promise<Output> {
    return fromDatum((await this.invoke("forward", args)).value);
  }

  /** Calls any exported method. */
  async call(method: string, args: readonly Input[] = [], kwargs: Readonly<Record<string, Input>> = {}, options: RunOptions = {}): Promise<Output> {
    return fromDatum((await this.invoke(method, args, kwargs, options)).value);
  }
  /** As `call`, at once; for backends whose values need no waiting. */
  callSync(method: string, args: readonly Input[] = [], kwargs: Readonly<Record<string, Input>> = {}, options: RunOptions = {}): Output {
    return fromDatum(this.invokeSync(method, args, kwargs, options).value);
  }

  /** ONNX: feeds by input name, results by output name. */
  async run(feeds: Readonly<Record<string, Input>>, options: RunOptions = {}): Promise<Readonly<Record<string, Output>>> {
    return this.#named(await this.invoke("forward", [], this.#checkFeeds(feeds), options));
  }
  /** As `run`, at once. */
  runSync(feeds: Readonly<Record<string, Input>>, options: RunOptions = {}): Readonly<Record<string, Output>> {
    return this.#named(this.invokeSync("forward", [], this.#checkFeeds(feeds), options));
  }
  /** Names of the program's inputs and outputs (ONNX, pt2). */
  get inputNames(): readonly string[] {
    return (this.program.inputs ?? []).map((i) => i.name);
  }
  get outputNames(): readonly string[] {
    return (this.program.outputs ?? []).map((o) => o.name);
  }

  #checkFeeds(feeds: Readonly<Record<string, Input>>): Readonly<Record<string, Input>> {
    if (this.program.format !== "onnx") return feeds;
    for (const input of this.program.inputs ?? []) {
      const value = feeds[input.name];
      if (value === undefined && input.optional !== true && input.type.kind !== "Optional") {
        throw new OpwiseError("bad-argument", `input \`${input.name}\` is not given`, { wanted: this.inputNames.join(", "), got: Object.keys(feeds).join(", ") || "nothing" });
      }
      if (value instanceof Tensor && input.type.kind === "Tensor") {
        if (input.type.dtype !== undefined && value.dtype !== input.type.dtype) {
          throw new OpwiseError("dtype-mismatch", `input \`${input.name}\` has the wrong dtype`, { wanted: input.type.dtype, got: value.dtype });
        }
        const dims = input.type.shape;
        if (dims !== undefined && (dims.length !== value.rank || dims.some((d, i) => typeof d === "number" && d !== value.shape[i]))) {
          throw new OpwiseError("shape-mismatch", `input \`${input.name}\` has the wrong shape`, { wanted: `[${dims.map((d) => (typeof d === "number" ? d : (d.name ?? "?"))).join(", ")}]`, got: `[${value.shape.join(", ")}]` });
        }
      }
    }
    return feeds;
  }

  #named(returned: Returned): Readonly<Record<string, Output>> {
    const { value } = returned;
    if (this.program.format !== "onnx" || typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "tuple") return { output: fromDatum(value) };
    return Object.fromEntries(this.outputNames.map((name, i) => [name, fromDatum(value.items[i] ?? null)]));
  }

  /** Parameters of a method that a caller gives. */
  paramsOf(method: string): readonly Param[] {
    return this.#declOf(method).params.slice(this.#root === undefined ? this.#state.length : 1);
  }

  /** What a call would run, for whoever carries it out by other means (the exporter): nothing is run. */
  entry(method: string, args: readonly Input[] = [], kwargs: Readonly<Record<string, Input>> = {}): Entry {
    const { fn, args: data, wrap } = this.#prepare(method, args, kwargs);
    const hook = (name: string): LinkedFunction => this.#linker.method(wrap?.class ?? unreachable("hook"), name);
    return { fn, args: data, before: (wrap?.class.forwardPreHooks ?? []).map(hook), after: (wrap?.class.forwardHooks ?? []).map(hook), own: this.#root === undefined ? this.#state.length : 1 };
  }

  /** A machine set up for a call, for whoever steps it: debugger, tests. */
  machine(method: string, args: readonly Input[], options: RunOptions = {}): Machine {
    const job = this.#prepare(method, args, {});
    const machine = this.#newMachine(options);
    machine.start(job.fn, job.args);
    return machine;
  }
  /** The session's own objects: what a snapshot must cover besides the machine. */
  get roots(): readonly Datum[] {
    return this.#root === undefined ? this.#state : [this.#root];
  }

  #newMachine(options: RunOptions): Machine {
    this.executor.budget = options.maxBytes ?? Infinity;
    this.executor.work = options.maxWork ?? Infinity;
    return new Machine({ executor: this.executor, listener: options.listener, maxSteps: options.maxSteps });
  }

  #begin(): void {
    if (this.#running) throw new OpwiseError("busy", "a run is under way on this session", { hint: "one run at a time; make another session of the same model" });
    this.#running = true;
  }

  async #drive(fn: LinkedFunction, args: readonly Datum[], options: RunOptions, hooked?: Instance): Promise<readonly Datum[]> {
    this.#begin();
    try {
      let values = args;
      for (const hook of hooked?.class.forwardPreHooks ?? []) values = spread(values, await this.#loop(this.#linker.method(hooked?.class ?? unreachable("hook"), hook), [values[0] ?? null, tupleOf(values)], options));
      let out = await this.#loop(fn, values, options);
      for (const hook of hooked?.class.forwardHooks ?? []) out = await this.#loop(this.#linker.method(hooked?.class ?? unreachable("hook"), hook), [values[0] ?? null, tupleOf(values), out[0] ?? null], options);
      return out;
    } catch (error) {
      throw this.#placed(error);
    } finally {
      this.#running = false;
    }
  }

  #driveSync(fn: LinkedFunction, args: readonly Datum[], options: RunOptions, hooked?: Instance): readonly Datum[] {
    this.#begin();
    try {
      let values = args;
      for (const hook of hooked?.class.forwardPreHooks ?? []) values = spread(values, this.#loopSync(this.#linker.method(hooked?.class ?? unreachable("hook"), hook), [values[0] ?? null, tupleOf(values)], options));
      let out = this.#loopSync(fn, values, options);
      for (const hook of hooked?.class.forwardHooks ?? []) out = this.#loopSync(this.#linker.method(hooked?.class ?? unreachable("hook"), hook), [values[0] ?? null, tupleOf(values), out[0] ?? null], options);
      return out;
    } catch (error) {
      throw this.#placed(error);
    } finally {
      this.#running = false;
    }
  }

  /** The error with the file's name, and the line of the archive's text where there is one. */
  #placed(error: unknown): unknown {
    const typed = typedError(error);
    const { record, line } = typed.where;
    const text = record === undefined || line === undefined ? undefined : this.program.sourceText?.(record)?.split("\n")[line - 1];
    return typed.at({ file: this.program.name, text });
  }

  async #loop(fn: LinkedFunction, args: readonly Datum[], options: RunOptions): Promise<readonly Datum[]> {
    const machine = this.#newMachine(options);
    const { signal } = options;
    checkSignal(signal);
    machine.start(fn, args);
    let turn = performance.now();
    for (let steps = 0; ; steps++) {
      const status = machine.advance();
      if (status === "done") return machine.result ?? [];
      if (status === "waiting") await machine.waiting;
      if ((steps & 63) === 0) {
        this.#sweepIfDue(machine);
        if (performance.now() - turn > TURN_MS) {
          if (signal !== undefined || options.maxSteps === undefined) await new Promise((resume) => setTimeout(resume, 0));
          checkSignal(signal);
          turn = performance.now();
        }
      }
    }
  }

  #loopSync(fn: LinkedFunction, args: readonly Datum[], options: RunOptions): readonly Datum[] {
    const machine = this.#newMachine(options);
    machine.start(fn, args);
    for (let steps = 0; ; steps++) {
      const status = machine.advance();
      if (status === "done") return machine.result ?? [];
      if (status === "waiting") throw new OpwiseError("would-block", "the backend's values have to be waited for", { hint: "use the asynchronous form" });
      if ((steps & 63) === 0) {
        this.#sweepIfDue(machine);
        checkSignal(options.signal);
      }
    }
  }

  #sweepIfDue(machine: Machine): void {
    if (this.executor.freshBytes < SWEEP_BYTES || machine.inRead) return; // a waiting op holds values that no register knows
    sweep(this.executor, reachableStorages([...this.roots, ...machineRoots(machine)]));
    this.executor.freshBytes /= 2; // wait for as much again before the next one
  }

  /** After a run: what leaves is on the host; device memory of everything else that is not the session's goes back. */
  #settle(kept: readonly (Datum | undefined)[]): void | Promise<void> {
    if (this.executor.backend.onHost) return;
    const waits: Promise<void>[] = [];
    const leaving = reachableStorages(kept);
    for (const storage of leaving) {
      const wait = storage.sync();
      if (wait instanceof Promise) waits.push(wait);
    }
    const finish = (): void => {
      const own = reachableStorages(this.roots);
      for (const storage of this.#instantiator.storages) own.add(storage);
      for (const storage of leaving) if (!own.has(storage)) storage.dropDevice();
      const live = new Set(own);
      for (const storage of leaving) live.add(storage);
      sweep(this.executor, live);
      this.executor.fresh = this.executor.fresh.filter((s) => own.has(s));
    };
    if (waits.length > 0) return Promise.all(waits).then(finish);
    finish();
  }

  /** Every call and region so far: where it ran, how often, what it moved, and why not on the session's backend. */
  placement(): readonly Placement[] {
    return this.executor.placements.lines;
  }

  /** Parameters and buffers (and other tensor attributes) by dotted path, in the module's order. */
  tensors(): readonly NamedTensor[] {
    const out: NamedTensor[] = [];
    if (this.#root === undefined) {
      (this.program.state ?? []).forEach((s, i) => {
        const tensor = this.#state[i];
        if (tensor !== undefined) out.push({ name: s.name, tensor, role: s.role === "constant" ? "attribute" : s.role });
      });
      return out;
    }
    let visits = 0;
    const visit = (instance: Instance, prefix: string, path: ReadonlySet<Instance>): void => {
      // A shared module has a name on every path to it, which can be exponentially many.
      if (++visits > MAX_NAMED_MODULES) throw new OpwiseError("limit-exceeded", "the modules have too many names", { wanted: `at most ${MAX_NAMED_MODULES}` });
      instance.class.attributes.forEach((a, i) => {
        const value = instance.slots[i];
        if (value instanceof Tensor) {
          const role = instance.class.parameters.has(a.name) ? "parameter" : instance.class.buffers.has(a.name) ? "buffer" : "attribute";
          out.push({ name: prefix + a.name, tensor: value, role });
        } else if (typeof value === "object" && value !== null && "kind" in value && value.kind === "instance" && value.class.isModule && !path.has(value)) {
          visit(value, `${prefix}${a.name}.`, new Set([...path, value]));
        }
      });
    };
    visit(this.#root, "", new Set([this.#root]));
    return out;
  }
  /** Parameters by dotted path. */
  parameters(): ReadonlyMap<string, Tensor> {
    return new Map(this.tensors().filter((t) => t.role === "parameter").map((t) => [t.name, t.tensor]));
  }
  /** Parameters and buffers by dotted path: views of the session's own memory, not copies. */
  stateDict(): ReadonlyMap<string, Tensor> {
    return new Map(this.tensors().filter((t) => t.role !== "attribute").map((t) => [t.name, t.tensor]));
  }

  /**
   * Copies tensors into parameters and buffers of the same names. `strict` (default): both sides have the same names.
   * @throws bad-argument, shape-mismatch; nothing is copied then
   */
  loadStateDict(state: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>, options: { readonly strict?: boolean } = {}): void {
    const given = state instanceof Map ? (state as ReadonlyMap<string, Tensor>) : new Map(Object.entries(state as Readonly<Record<string, Tensor>>));
    const own = this.stateDict();
    const missing = [...own.keys()].filter((k) => !given.has(k));
    const unexpected = [...given.keys()].filter((k) => !own.has(k));
    if (options.strict !== false && missing.length + unexpected.length > 0) {
      throw new OpwiseError("bad-argument", "the state dict does not fit the model", { wanted: `missing: ${missing.join(", ") || "none"}`, got: `unexpected: ${unexpected.join(", ") || "none"}`, hint: "pass { strict: false } to load what fits" });
    }
    for (const [name, tensor] of given) {
      const target = own.get(name);
      if (target !== undefined && !sameShape(target.shape, tensor.shape)) throw new OpwiseError("shape-mismatch", `\`${name}\` has another shape`, { wanted: `[${target.shape.join(", ")}]`, got: `[${tensor.shape.join(", ")}]` });
    }
    for (const [name, tensor] of given) {
      const target = own.get(name);
      if (target !== undefined) copyInto(this.executor, target, tensor);
    }
  }

  /** Sets `training` on every module that has it. */
  train(mode = true): void {
    const seen = new Set<Instance>();
    const visit = (instance: Instance): void => {
      if (seen.has(instance)) return;
      seen.add(instance);
      const slot = instance.class.slots.get("training");
      if (slot !== undefined) instance.slots[slot] = mode;
      for (const value of instance.slots) if (typeof value === "object" && value !== null && "kind" in value && value.kind === "instance") visit(value);
    };
    if (this.#root !== undefined) visit(this.#root);
  }
  eval(): void {
    this.train(false);
  }

  /** A value of the instance by dotted path, as data with its declared type: `encoder.layers.0.weight`. */
  attribute(path: string): Returned {
    let value: Datum = this.#root ?? null;
    let type: Type = T.Any;
    if (this.#root === undefined) {
      const at = (this.program.state ?? []).findIndex((s) => s.name === path);
      return { value: this.#state[at] ?? null, type: T.Tensor };
    }
    for (const part of path.split(".")) {
      if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "instance") throw new OpwiseError("bad-argument", `the model has no attribute \`${path}\``);
      const slot: number | undefined = value.class.slots.get(part);
      if (slot === undefined) throw new OpwiseError("bad-argument", `the model has no attribute \`${path}\``, { wanted: [...value.class.slots.keys()].join(", ") });
      type = value.class.attributes[slot]?.type ?? T.Any;
      value = value.slots[slot] ?? null;
    }
    return { value, type };
  }

  /** Buffers alive on the backend. */
  memory(): { readonly buffers: number; readonly bytes: number } {
    return this.executor.backend.live();
  }

  /** Gives the session's device memory back. A disposed session cannot run. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const storage of reachableStorages(this.roots)) storage.dropDevice();
    for (const storage of this.#instantiator.storages) storage.dropDevice();
    sweep(this.executor, new Set());
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Functions and methods that have code in the archive. */
function functionsOf(program: Program): FunctionDecl[] {
  const methods = [...program.classes.values()].flatMap((cls) => (cls.kind === "Class" && !cls.name.startsWith("__torch__.torch.classes.") ? [...cls.methods.values()] : []));
  return [...program.functions.values(), ...methods];
}

interface Job {
  readonly fn: LinkedFunction;
  readonly args: readonly Datum[];
  /** The root module where its hooks have to run around the call. */
  readonly wrap: Instance | undefined;
  readonly finish: (values: readonly Datum[]) => Returned;
  /** What the caller holds after the run. */
  readonly kept: () => readonly (Datum | undefined)[];
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new OpwiseError("aborted", "the run was aborted", { cause: signal.reason });
}

function tupleOf(values: readonly Datum[]): Datum {
  return { kind: "tuple", type: undefined, items: values.slice(1) };
}
/** A pre-hook's new inputs behind the module itself. */
function spread(values: readonly Datum[], hooked: readonly Datum[]): readonly Datum[] {
  const [given = null] = hooked;
  if (given === null) return values;
  const items = typeof given === "object" && "kind" in given && given.kind === "tuple" ? given.items : [given];
  return [values[0] ?? null, ...items];
}

/** Carries a list's changes back to the array it was made of. */
function returnItems(array: readonly Input[], items: readonly Datum[]): void {
  if (!Array.isArray(array) || Object.isFrozen(array)) return;
  const target = array as Input[]; // the caller gave a plain, mutable array
  const changed = target.length !== items.length || items.some((item, i) => typeof item !== "object" && item !== target[i]);
  if (changed) target.splice(0, target.length, ...items.map((item): Input => fromDatum(item)));
}
