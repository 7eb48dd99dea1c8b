/** A session: one instance of a model on one backend. */

import type { Datum, Instance } from "../ir/datum.ts";
import { allFunctions, type FunctionDecl, isForeign, type Node, type Param, type Program } from "../ir/graph.ts";
import { T } from "../ir/type.ts";
import type { OnnxTable } from "../ops/onnx/define.ts";
import type { BoundOp, OpTable, Registry } from "../ops/registry.ts";
import { copyInto } from "../prims/calls.ts";
import type { Backend } from "../prims/backend.ts";
import { OpwiseError, typedError, unreachable } from "../tensor/error.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import type { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import { Linker } from "./link.ts";
import { type Borrowed, fromDatum, type Input, type Output, toDatum } from "./convert.ts";
import type { LinkedFunction } from "./code.ts";
import type { Listener } from "./event.ts";
import { Changes } from "./changes.ts";
import { Executor } from "./executor.ts";
import { checkFeeds } from "./feeds.ts";
import { checkEntry } from "./guards.ts";
import { Instantiator } from "./instantiate.ts";
import type { Job, Returned, RunOptions } from "./job.ts";
import { callArguments, returnItems, spread, tupleOf } from "./arguments.ts";
import { Machine } from "./machine.ts";
import { flattenArguments, unflatten } from "./pytree.ts";
import { Planner, type PlanOptions, type PlanSummary } from "./plan/planner.ts";
import { argumentsOf, declaredSizes, compileForSizes, type Preparation } from "./sizes-only.ts";
import { describe, type Placement } from "./placements.ts";
import { attributeAt, fitted, namedTensors, type NamedTensor, setTraining } from "./named-tensors.ts";
import { Watchers } from "./watchers.ts";
import { machineRoots, reachableStorages, sweep } from "./reach.ts";

export type { Returned, RunOptions } from "./job.ts";

export interface SessionOptions {
  readonly backend: Backend;
  readonly cpu: Backend;
  readonly ops: OpTable;
  readonly onnx: OnnxTable;
  readonly registry: Registry;
  /** Whether functions of the caller's are among the ops: they may keep what they are given. */
  readonly custom?: boolean | undefined;
  readonly generator: GeneratorState;
  /** Gets each line the model prints. */
  readonly print?: ((text: string) => void) | undefined;
  /** Whether straight lines of code are planned where the backend compiles them; default true. */
  readonly plan?: boolean | PlanOptions | undefined;
  readonly prepare?: Preparation | undefined;
  /** Bounds of what making the session runs: every `__setstate__`. */
  readonly setup?: Pick<RunOptions, "signal" | "maxSteps" | "maxBytes" | "maxWork"> | undefined;
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
  readonly #planner: Planner | undefined;
  /** Functions whose first call has been prepared for. */
  readonly #prepared = new Set<LinkedFunction>();
  /** The session's own storages that have been on the device. */
  readonly #resident = new Set<Storage>();
  readonly #watchers = new Watchers();
  readonly #changes = new Changes();
  readonly #owns = (storage: Storage): boolean => this.#instantiator.owns(storage);
  #running = false;
  #disposed = false;

  private constructor(program: Program, options: SessionOptions) {
    this.program = program;
    this.executor = new Executor({ backend: options.backend, cpu: options.cpu, generator: options.generator, ...(options.print === undefined ? {} : { print: options.print }) });
    this.#instantiator = new Instantiator();
    if (options.backend.compile !== undefined && options.plan !== false) {
      this.#planner = new Planner(this.executor, this.#owns, this.#changes, typeof options.plan === "object" ? options.plan : {});
    }
    if (options.custom === true) this.#changes.handOut();
    this.#linker = new Linker({ program, ops: options.ops, onnx: options.onnx, registry: options.registry, constant: (t) => this.#instantiator.datum(t) });
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
    try {
      await session.#makeReady(options);
    } catch (error) {
      session.dispose();
      throw error;
    }
    return session;
  }

  async #makeReady({ backend, setup, prepare }: SessionOptions): Promise<void> {
    const { program } = this;
    const instantiator = this.#instantiator;
    // What cannot be read at once (a URL, a Blob) is fetched now; linking makes the constants of all code known.
    if (program.main !== undefined) this.#linker.link(program.main);
    if (instantiator.waits || backend.reserve !== undefined) for (const decl of allFunctions(program)) if (!isForeign(decl)) this.#linker.link(decl);
    await instantiator.prefetch(backend);
    for (const { instance, state } of instantiator.pendingStates)
      await this.#drive(this.#linker.method(instance.class, "__setstate__"), [instance, state], setup ?? {});
    // Weights come from their file while it is compiled what is done with them.
    const coming = this.#planner?.folds === true ? undefined : instantiator.bringLater(backend);
    try {
      await this.#planner?.load(); // reading begins
      if (this.#planner !== undefined && prepare !== false) this.#compileDeclared(prepare, this.#planner);
    } finally {
      await coming;
    }
    this.#planner?.warm();
    instantiator.bring(backend, new Set(this.#planner?.held())); // but for weights that are only wanted in other forms
  }

  /** Compiles `forward` for the arguments, or for those that the file declares. */
  #compileDeclared(given: Exclude<Preparation, false> | undefined, planner: Planner): void {
    const sample = given === undefined ? (this.methods.includes("forward") ? declaredSizes(this.program) : undefined) : argumentsOf(given);
    if (sample !== undefined) this.#compile(this.#jobOf("forward", sample.args, checkFeeds(this.program, sample.kwargs)), planner);
  }

  /**
   * Makes a method ready for arguments of these sizes: its straight lines are compiled and weights packed, which else its first call does. Values do not matter, and nothing
   * is run. Where the method's course depends on values, what lies before that is made ready. @throws bad-argument, type-mismatch as a call would
   */
  prepare(method: string, args: readonly Input[] = [], kwargs: Readonly<Record<string, Input>> = {}): void {
    const job = this.#jobOf(method, args, checkFeeds(this.program, kwargs));
    if (this.#planner !== undefined) this.#compile(job, this.#planner).warm();
  }

  #compile({ fn, args, own }: Job, planner: Planner): Planner {
    this.#prepared.add(fn);
    this.#begin();
    try {
      compileForSizes(this.executor, planner, fn, args, own);
    } finally {
      this.#running = false;
    }
    return planner;
  }

  /** The first call of a method says the sizes that it is for. */
  #prepareFirst(job: Job, options: RunOptions): void {
    const planner = this.#plannerFor(options);
    if (planner !== undefined && !this.#running && !this.#prepared.has(job.fn)) this.#compile(job, planner).warm();
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
    const job = this.#jobOf(method, args, kwargs);
    this.#prepareFirst(job, options);
    try {
      return job.finish(await this.#drive(job.fn, job.args, this.#watchers.join(options), job.wrap));
    } finally {
      await this.#settle(job.kept());
    }
  }

  /** As `invoke`, at once. @throws would-block where a value has to be waited for */
  invokeSync(method: string, args: readonly Input[] = [], kwargs: Readonly<Record<string, Input>> = {}, options: RunOptions = {}): Returned {
    const job = this.#jobOf(method, args, kwargs);
    this.#prepareFirst(job, options);
    try {
      return job.finish(this.#driveSync(job.fn, job.args, this.#watchers.join(options), job.wrap));
    } finally {
      const wait = this.#settle(job.kept());
      if (wait instanceof Promise) wait.catch(() => undefined); // results of a blocking device are read already
    }
  }

  #jobOf(method: string, args: readonly Input[], kwargs: Readonly<Record<string, Input>>): Job {
    if (this.#disposed) throw new OpwiseError("disposed", "the session has been disposed");
    const decl = this.#declOf(method);
    const borrowed: Borrowed = [];
    let result: Returned | undefined;
    if (this.#root === undefined) {
      const flat = this.#flatInputs(decl, args, kwargs, borrowed);
      const data = this.program.format === "pt2" ? [...this.#state, ...flat] : flat;
      return {
        fn: this.#linker.link(decl), args: data, own: data.length - flat.length, wrap: undefined,
        finish: (values) => (result = this.#left(this.#results(values, flat))),
        kept: () => [...flat, result?.value],
      };
    }
    const root = this.#root;
    const data = [root, ...this.#arguments(decl, 1, args, kwargs, borrowed)];
    return {
      fn: this.#linker.link(decl), args: data, own: 1,
      wrap: method === "forward" && (root.class.forwardPreHooks.length > 0 || root.class.forwardHooks.length > 0) ? root : undefined,
      finish: (values) => {
        for (const { array, list } of borrowed) returnItems(array, list.items);
        return (result = this.#left({ value: values[0] ?? null, type: decl.returns }));
      },
      kept: () => [...data, result?.value],
    };
  }

  #left(result: Returned): Returned {
    this.#changes.leave(result.value, this.#owns);
    return result;
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
    return this.#named(await this.invoke("forward", [], checkFeeds(this.program, feeds), options));
  }
  /** As `run`, at once. */
  runSync(feeds: Readonly<Record<string, Input>>, options: RunOptions = {}): Readonly<Record<string, Output>> {
    return this.#named(this.invokeSync("forward", [], checkFeeds(this.program, feeds), options));
  }
  /** Names of the program's inputs and outputs (ONNX, pt2). */
  get inputNames(): readonly string[] {
    return (this.program.inputs ?? []).map((i) => i.name);
  }
  get outputNames(): readonly string[] {
    return (this.program.outputs ?? []).map((o) => o.name);
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
    const { fn, args: data, own, wrap } = this.#jobOf(method, args, kwargs);
    this.#changes.handOut();
    const hook = (name: string): LinkedFunction => this.#linker.method(wrap?.class ?? unreachable("hook"), name);
    return { fn, args: data, before: (wrap?.class.forwardPreHooks ?? []).map(hook), after: (wrap?.class.forwardHooks ?? []).map(hook), own };
  }

  /** A machine set up for a call, for whoever steps it: debugger, tests. */
  machine(method: string, args: readonly Input[], options: RunOptions = {}, kwargs: Readonly<Record<string, Input>> = {}): Machine {
    return this.begin(method, args, kwargs, options).machine;
  }
  /** The same with named arguments (ONNX: feeds), and what places errors. The caller drives the machine; hooks of the root module do not run. */
  begin(method: string, args: readonly Input[] = [], kwargs: Readonly<Record<string, Input>> = {}, options: RunOptions = {}): SteppedCall {
    const job = this.#jobOf(method, args, checkFeeds(this.program, kwargs));
    this.#changes.handOut();
    const machine = this.#newMachine(options);
    machine.start(job.fn, job.args);
    return { machine, placed: (error) => this.#placed(error) };
  }
  /** What a node means with other attributes, for who runs it by itself; undefined for ops whose arguments are operands. */
  readonly withAttributes = (node: Node, attributes: Node["attributes"]): BoundOp | undefined => this.#linker.withAttributes(node, attributes);
  /** The session's own objects: what a snapshot must cover besides the machine. */
  get roots(): readonly Datum[] {
    this.#changes.handOut();
    return this.#roots;
  }
  get #roots(): readonly Datum[] {
    return this.#root === undefined ? this.#state : [this.#root];
  }

  /** Asks `make` at the start of each run for a listener, or for none in this run; gives a function that ends it. */
  watch(make: () => Listener | undefined): () => void {
    return this.#watchers.add(make);
  }

  #newMachine(options: RunOptions, planner?: Planner): Machine {
    if (options.listener !== undefined || this.executor.inspector !== undefined) this.#changes.handOut();
    else if (planner === undefined) this.#changes.happen();
    this.executor.budget = options.maxBytes ?? Infinity;
    this.executor.work = options.maxWork ?? Infinity;
    return new Machine({ executor: this.executor, listener: options.listener, maxSteps: options.maxSteps, planner });
  }

  /** The planner, where nothing asks for instructions to run one by one. */
  #plannerFor(options: RunOptions): Planner | undefined {
    const counts = options.maxBytes !== undefined || options.maxWork !== undefined;
    return counts || options.listener !== undefined ? undefined : this.#planner;
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
    const planner = this.#plannerFor(options);
    planner?.begin();
    try {
      return await this.#turns(this.#newMachine(options, planner), fn, args, options);
    } finally {
      planner?.end();
    }
  }

  async #turns(machine: Machine, fn: LinkedFunction, args: readonly Datum[], options: RunOptions): Promise<readonly Datum[]> {
    const { signal } = options;
    checkSignal(signal);
    machine.start(fn, args);
    let turn = performance.now();
    for (let steps = 0; ; steps++) {
      const status = machine.advance();
      if (machine.held !== undefined) await machine.release();
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
    const planner = this.#plannerFor(options);
    planner?.begin();
    try {
      return this.#turnsSync(this.#newMachine(options, planner), fn, args, options);
    } finally {
      planner?.end();
    }
  }

  #turnsSync(machine: Machine, fn: LinkedFunction, args: readonly Datum[], options: RunOptions): readonly Datum[] {
    machine.start(fn, args);
    for (let steps = 0; ; steps++) {
      const status = machine.advance();
      if (machine.held !== undefined) throw new OpwiseError("would-block", "the listener has to be waited for", { hint: "use the asynchronous form" });
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
    const live = reachableStorages([...this.#roots, ...machineRoots(machine)]);
    for (const storage of this.#planner?.held() ?? []) live.add(storage);
    sweep(this.executor, live);
    this.executor.freshBytes /= 2; // wait for as much again before the next one
  }

  /** After a run: what leaves is on the host; device memory of everything else that is not the session's goes back. */
  #settle(kept: readonly (Datum | undefined)[]): void | Promise<void> {
    const { executor } = this;
    // What a plan gives is on the host already.
    if (executor.backend.onHost || (executor.launches === 0 && executor.fresh.length === 0)) return;
    executor.launches = 0;
    const waits: Promise<void>[] = [];
    const leaving = reachableStorages(kept);
    for (const storage of leaving) {
      if (storage.hasSource) continue; // a weight that nothing has written
      const wait = storage.sync();
      if (wait instanceof Promise) waits.push(wait);
    }
    const finish = (): void => {
      const own = reachableStorages(this.#roots);
      for (const storage of this.#instantiator.storages) own.add(storage);
      for (const storage of this.#planner?.held() ?? []) own.add(storage);
      for (const storage of leaving) if (!own.has(storage)) storage.dropDevice();
      const live = new Set(own);
      for (const storage of leaving) live.add(storage);
      sweep(executor, live);
      for (const storage of executor.fresh) if (own.has(storage)) this.#resident.add(storage);
      executor.fresh = [];
    };
    if (waits.length > 0) return Promise.all(waits).then(finish);
    finish();
  }

  /** Every call and region so far, steps of plans that are still kept among them: where it ran, how often, what it moved, and why not on the session's backend. */
  placement(): readonly Placement[] {
    const backend = this.executor.backend.name;
    const planned = this.plans().flatMap(({ steps, launches }) => steps.map(({ what }): Placement => ({ what: describe(what), backend, count: launches, bytes: 0, reason: undefined })));
    return this.executor.placements.lines(planned);
  }

  /** What has been planned so far: the steps that run in place of nodes, and which. */
  plans(): readonly PlanSummary[] {
    return this.#planner?.summaries() ?? [];
  }
  /** How many regions were recorded, compiled and launched. */
  planCounts(): Planner["counts"] | undefined {
    return this.#planner?.counts;
  }

  /** Parameters and buffers (and other tensor attributes) by dotted path, in the module's order. */
  tensors(): readonly NamedTensor[] {
    this.#changes.handOut();
    return this.#tensors();
  }
  #tensors(): readonly NamedTensor[] {
    const out: NamedTensor[] = [];
    if (this.#root === undefined) {
      (this.program.state ?? []).forEach((s, i) => {
        const tensor = this.#state[i];
        if (tensor !== undefined) out.push({ name: s.name, tensor, role: s.role === "constant" ? "attribute" : s.role });
      });
      return out;
    }
    return [...out, ...namedTensors(this.#root)];
  }
  /** Parameters by dotted path. */
  parameters(): ReadonlyMap<string, Tensor> {
    return new Map(this.tensors().filter((t) => t.role === "parameter").map((t) => [t.name, t.tensor]));
  }
  /** Parameters and buffers by dotted path: views of the session's own memory, not copies. */
  stateDict(): ReadonlyMap<string, Tensor> {
    this.#changes.handOut();
    return this.#stateDict();
  }
  #stateDict(): ReadonlyMap<string, Tensor> {
    return new Map(this.#tensors().filter((t) => t.role !== "attribute").map((t) => [t.name, t.tensor]));
  }

  /**
   * Copies tensors into parameters and buffers of the same names. `strict` (default): both sides have the same names.
   * @throws bad-argument, shape-mismatch; nothing is copied then
   */
  loadStateDict(state: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>, options: { readonly strict?: boolean } = {}): void {
    for (const [target, tensor] of fitted(this.#stateDict(), state, options.strict !== false)) copyInto(this.executor, target, tensor);
  }

  /** Sets `training` on every module that has it. */
  train(mode = true): void {
    this.#changes.happen();
    if (this.#root !== undefined) setTraining(this.#root, mode);
  }
  eval(): void {
    this.train(false);
  }

  /** A value of the instance by dotted path, as data with its declared type: `encoder.layers.0.weight`. */
  attribute(path: string): Returned {
    this.#changes.handOut();
    if (this.#root !== undefined) return attributeAt(this.#root, path);
    return { value: this.#state[(this.program.state ?? []).findIndex((s) => s.name === path)] ?? null, type: T.Tensor };
  }

  /** Buffers alive on the backend. */
  memory(): { readonly buffers: number; readonly bytes: number } {
    return this.executor.backend.live();
  }

  /** Gives the session's device memory back. A disposed session cannot run. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#planner?.dispose();
    for (const storage of reachableStorages(this.#roots)) storage.dropDevice();
    for (const storage of this.#instantiator.storages) storage.dropDevice();
    for (const storage of this.#resident) storage.dropDevice();
    sweep(this.executor, new Set());
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A call that its caller steps. */
export interface SteppedCall {
  readonly machine: Machine;
  /** An error that `machine.advance` threw, with its place in the file. */
  readonly placed: (error: unknown) => unknown;
}

function checkSignal(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new OpwiseError("aborted", "the run was aborted", { cause: signal.reason });
}
