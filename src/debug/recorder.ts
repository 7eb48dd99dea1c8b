/**
 * Turns the machine's events into the stream of a trace: numbers executions, keeps storages with versions, takes health records and hashes, and hands
 * the numbers of selected values to where they are kept. Nothing that it does changes what the run computes.
 */

import type { Datum, Instance } from "../ir/datum.ts";
import type { Node, Value } from "../ir/graph.ts";
import type { Session } from "../run/session.ts";
import type { MachineEvent } from "../run/event.ts";
import type { Storage } from "../tensor/storage.ts";
import { reachOf, Tensor } from "../tensor/tensor.ts";
import { itemsize } from "../tensor/dtype.ts";
import { contentKey } from "./content.ts";
import { elementBytes } from "./elements.ts";
import type { BlobRef, NodeId, Tier, TensorFacts, TraceEvent, ValueId, ValueRef } from "./events.ts";
import { errorJson } from "./error-json.ts";
import { type GraphFunction, type GraphNode, type Numbering, numberingOf, sourceOf } from "./graph.ts";
import { hashElements } from "./hash.ts";
import { healthOfElements } from "./health.ts";
import { matches, type Subject } from "./match.ts";
import { plainText, tensorsIn } from "./plain.ts";
import { namePaths } from "./module-paths.ts";
import { OpWork } from "./op-work.ts";
import { candidate } from "./rows.ts";
import { namesIn } from "./selector.ts";
import type { RecorderOptions, Sink } from "./sink.ts";
import { type Content, factsOf, generatorHash, newVersion, StorageBook, type StorageState } from "./storage-book.ts";

/** A node that is under way: a call, a branch, a loop, a fork. */
interface Open {
  readonly what: "call" | "branch" | "trip" | "fork";
  readonly node: NodeId;
  readonly nth: number;
  readonly frame: number;
  readonly since: number;
}
interface OpenFrame {
  readonly id: number;
  readonly module: string;
}

const READS: Readonly<Record<string, "print" | "item">> = { "prim::Print": "print", "aten::item": "item", "aten::_local_scalar_dense": "item" };

export class Recorder {
  readonly numbering: Numbering;
  readonly #session: Session;
  readonly #sink: Sink;
  readonly #options: RecorderOptions;
  readonly #tier: Tier;
  readonly #storages = new StorageBook();
  readonly #counts: Uint32Array;
  readonly #paths = new Map<Instance, string>();
  readonly #weights = new Set<string>();
  /** Names of values whose numbers are wanted. */
  readonly #named: ReadonlySet<string>;
  readonly #passedOver = new Map<GraphNode, boolean>();
  readonly #frames: OpenFrame[] = [];
  readonly #open: Open[] = [];
  #work = new OpWork();
  #nextFrame = 0;
  #calls = 0;
  #base = 0;
  #t = 0;
  /** Milliseconds spent in here, which count for no node. */
  #own = 0;
  #started = 0;
  /** When the instruction at hand began, and its last primitive call ended. */
  #since = 0;
  #lastCall = 0;
  #generator = "";
  #begun = false;
  /** What the op at hand has written. */
  #written: StorageState[] = [];
  #entry: GraphFunction | undefined;
  #busy: Promise<void> | undefined;
  /** Events that wait for bytes, or for those before them. */
  #waiting = 0;
  /** For a machine: `{ listener: recorder.listener }`. */
  readonly listener: (event: MachineEvent) => void | Promise<void>;

  constructor(session: Session, sink: Sink, options: RecorderOptions = {}) {
    this.#session = session;
    this.#sink = sink;
    this.#options = options;
    this.numbering = numberingOf(session.program);
    this.#counts = new Uint32Array(this.numbering.graph.nodes.length + 1);
    this.#tier = options.values === "none" ? 0 : options.values === "hash" ? 1 : options.values === "full" ? 4 : options.select === undefined ? 2 : 3;
    this.#named = new Set(options.select === undefined ? [] : namesIn(options.select));
    this.listener = (event) => this.#take(event);
  }

  /** Whether the run has begun: inputs that do not fit are told of before. */
  get begun(): boolean {
    return this.#begun;
  }

  /** Time without what recording takes. */
  #clock(): number {
    return performance.now() - this.#own;
  }

  /** The next instruction, or primitive call, begins now. */
  #mark(event: MachineEvent): void {
    this.#lastCall = this.#clock();
    if (event.kind !== "prim" && event.kind !== "read" && event.kind !== "print") this.#since = this.#lastCall;
  }

  #take(event: MachineEvent): void | Promise<void> {
    const entered = performance.now();
    const now = entered - this.#own;
    const wait = this.#busy ?? this.#bytesFor(event);
    if (wait === undefined) {
      this.#handle(event, now);
      this.#own += performance.now() - entered;
      this.#mark(event);
      return;
    }
    // Bytes have to arrive from a device: later events of the same step queue up behind this one.
    this.#waiting++;
    this.#busy = this.#later(wait, event, entered, now);
    return this.#busy;
  }

  async #later(wait: Promise<void>, event: MachineEvent, entered: number, now: number): Promise<void> {
    await wait;
    await this.#bytesFor(event);
    this.#handle(event, now);
    this.#own += performance.now() - entered;
    this.#mark(event);
    if (--this.#waiting === 0) this.#busy = undefined;
  }

  readonly #arrived = new Map<Storage, Uint8Array>();
  /** The device hands its bytes over at once: nothing is ever waited for. */
  #isPrompt = false;

  /** A promise where the bytes of a value to be recorded are not at hand. */
  #bytesFor(event: MachineEvent): Promise<void> | undefined {
    if (this.#tier === 0 || this.#isPrompt || this.#session.executor.backend.onHost) return undefined;
    const values = event.kind === "op" ? event.outputs : event.kind === "enter" && (event.node === undefined || this.#named.size > 0) ? event.inputs : [];
    const waits: Promise<void>[] = [];
    for (const value of values) {
      if (!(value instanceof Tensor) || this.#arrived.has(value.storage)) continue;
      const bytes = value.storage.peek();
      if (bytes instanceof Promise) waits.push(bytes.then((got) => void this.#arrived.set(value.storage, got)));
      else if (value.storage.device !== undefined) this.#isPrompt = true;
    }
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => undefined);
  }

  #handle(event: MachineEvent, now: number): void {
    switch (event.kind) {
      case "prim":
        this.#work.add(
          event,
          this.#session.executor.backend.name,
          this.#options.prims === true ? { call: this.#calls++, ...this.#ms(this.#lastCall, now) } : undefined,
        );
        break;
      case "op":
        this.#at(event.time);
        this.#op(event.node, event.inputs, event.outputs, now);
        this.#arrived.clear();
        break;
      case "enter":
        this.#enter(event, now);
        this.#arrived.clear();
        break;
      case "exit":
        this.#at(event.time);
        this.#exit(event, now);
        break;
      case "read": {
        const ref = this.#storages.ref(event.tensor);
        const id = event.node.operands.map((value) => (value === undefined ? -1 : this.numbering.valueId(value)))[0] ?? -1;
        this.#work.events.push({ k: "read", t: this.#base + event.time, ref: { value: id, ...ref }, why: READS[bare(event.node.op)] ?? "shape" });
        break;
      }
      case "print":
        this.#work.events.push({ k: "print", t: this.#t, text: event.text });
        break;
      case "raise":
        this.#at(event.time);
        this.#raise(event.node, event.error, event.kept, now);
        break;
      case "read wanted":
        break;
      default:
        event satisfies never;
    }
  }

  /** Time of the step at hand; a session's hooks run on machines of their own, which count from 0 again. */
  #at(time: number): void {
    this.#t = this.#base + time;
  }

  #emit(event: TraceEvent): void {
    this.#sink.event(event);
  }

  #us(now: number): { readonly us?: number } {
    return this.#options.timing === false ? {} : { us: Math.round((now - this.#started) * 1000) };
  }
  #ms(since: number, now: number): { readonly ms?: number } {
    return this.#options.timing === false ? {} : { ms: Math.round((now - since) * 1e4) / 1e4 };
  }

  // ---- storages

  /** The number that a storage has in the trace; undefined where it has not been seen. */
  storageId(storage: Storage): { readonly storage: number; readonly version: number } | undefined {
    const state = this.#storages.known(storage);
    return state === undefined ? undefined : { storage: state.id, version: state.version };
  }

  #ref(id: ValueId, datum: Datum): ValueRef {
    return datum instanceof Tensor ? { value: id, ...this.#storages.ref(datum) } : { value: id };
  }
  #refs(values: readonly (Value | undefined)[], data: readonly Datum[]): ValueRef[] {
    const out: ValueRef[] = [];
    values.forEach((value, i) => {
      if (value !== undefined) out.push(this.#ref(this.numbering.valueId(value), data[i] ?? null));
    });
    return out;
  }

  /** Tells of storages that the node has written, seen by their version. */
  #writes(node: Node, id: NodeId, inputs: readonly Datum[]): void {
    this.#written = [];
    inputs.forEach((input, i) => {
      if (input === null || typeof input !== "object") return;
      for (const tensor of tensorsIn(input)) {
        const state = this.#storages.known(tensor.storage);
        if (state === undefined || state.raw === tensor.storage.version) continue;
        newVersion(state, tensor.storage);
        const through = node.operands[i];
        this.#written.push(state);
        this.#emit({
          k: "write",
          t: this.#t,
          storage: state.id,
          version: state.version,
          node: id,
          through: through === undefined ? -1 : this.numbering.valueId(through),
          range: [tensor.offset * itemsize(tensor.dtype), reachOf(tensor.shape, tensor.strides, tensor.offset, tensor.dtype)],
        });
      }
    });
  }

  // ---- values

  /** Records a value. `stats`: with what the tier asks for; else its place alone. */
  #value(id: ValueId, datum: Datum, type: string, stats: boolean, keep: boolean): void {
    const t = this.#t;
    if (!(datum instanceof Tensor)) {
      if (isInstance(datum)) return;
      this.#emit({ k: "plain", t, ref: { value: id }, text: plainText(datum, type === "float") });
      return;
    }
    const { storage } = datum;
    const { state, isNew } = this.#storages.state(storage);
    if (isNew) this.#emit({ k: "alloc", t, storage: state.id, bytes: storage.nbytes, backend: storage.device?.name ?? "cpu" });
    else if (state.raw !== storage.version) newVersion(state, storage);
    state.last = id;
    state.names.add(this.numbering.graph.values[id]?.name ?? "");
    const tensor = factsOf(datum);
    const content = stats && this.#tier > 0 ? this.#content(datum, state, tensor) : undefined;
    if (keep) state.blob ??= this.#keep(datum, state);
    this.#emit({
      k: "value",
      t,
      ref: { value: id, storage: state.id, version: state.version },
      tensor,
      ...(content === undefined || content.told || content.health === undefined ? {} : { health: content.health }),
      ...(content === undefined || content.told || content.hash === undefined ? {} : { hash: content.hash }),
      ...(keep && state.blob !== undefined ? { blob: state.blob } : {}),
    });
    if (content !== undefined) content.told = this.#options.observe === undefined;
  }

  #bytesOf(tensor: Tensor): Uint8Array | undefined {
    const bytes = this.#arrived.get(tensor.storage) ?? tensor.storage.peek();
    return bytes instanceof Promise ? undefined : bytes;
  }

  /** Health and hash of what the tensor shows, as far as the tier asks for them. */
  #content(tensor: Tensor, state: StorageState, facts: TensorFacts, wanted: Tier = this.#tier): Content | undefined {
    const key = contentKey(state.id, state.version, facts);
    const known = state.seen.get(key);
    if (known !== undefined && (wanted < 2 || known.health !== undefined || this.#tier >= 2)) return known;
    const bytes = this.#bytesOf(tensor);
    if (bytes === undefined) return undefined;
    const tier = this.#sink.limit(wanted);
    const { bytes: elements, repeats } = elementBytes(tensor, bytes);
    const health = tier >= 2 ? healthOfElements(tensor.dtype, elements, repeats) : undefined;
    const hash = tier === 1 || (tier >= 1 && this.#options.hashes === true) ? hashElements(tensor.dtype, elements) : undefined;
    const content: Content = { health, hash: hash ?? known?.hash, told: false };
    state.seen.set(key, content);
    return content;
  }

  #keep(tensor: Tensor, state: StorageState): BlobRef | undefined {
    const bytes = this.#bytesOf(tensor);
    if (bytes === undefined || tensor.dtype === "string") return undefined; // texts are ids of this process
    const live = tensor.storage.onHost && !this.#arrived.has(tensor.storage) ? tensor.storage : undefined;
    return this.#sink.keep({ storage: state.id, version: state.version, dtype: tensor.dtype, bytes, live });
  }

  #values(values: readonly Value[], data: readonly Datum[], stats: boolean, keep: boolean): void {
    values.forEach((value, i) => {
      const id = this.numbering.valueId(value);
      this.#value(id, data[i] ?? null, this.numbering.graph.values[id]?.type ?? "", stats, keep);
    });
  }

  // ---- nodes

  #nth(node: NodeId): number {
    const nth = this.#counts[node] ?? 0;
    this.#counts[node] = nth + 1;
    return nth;
  }

  /** Tells what happened inside the op, now that its number is known. */
  #flush(node: NodeId): OpWork {
    const work = this.#work;
    if (work.isIdle) return work;
    this.#work = new OpWork();
    for (const event of work.events) {
      if (event.k === "prim") this.#emit({ ...event, t: this.#t, of: node });
      else if (event.k === "fallback") this.#emit({ ...event, t: this.#t, node });
      else this.#emit({ ...event, t: this.#t });
    }
    if (work.generator !== undefined) {
      const before = this.#generator;
      this.#generator = generatorHash(work.generator);
      this.#emit({
        k: "rng",
        t: this.#t,
        generator: work.generator === this.#session.executor.generator ? "default" : "own",
        before,
        after: this.#generator,
        draws: work.draws,
      });
    }
    return work;
  }

  #op(node: Node, inputs: readonly Datum[], outputs: readonly Datum[], now: number): void {
    const id = this.numbering.nodeId(node);
    const known = this.numbering.graph.nodes[id - 1];
    if (known === undefined) return; // code of the runtime's own
    if (node.op === "prim::Constant" || node.op === "prim::GetAttr") {
      this.#stored(node, known, outputs);
      return;
    }
    const nth = this.#nth(id);
    if (this.#isPassedOver(known)) {
      this.#work = new OpWork();
      return;
    }
    const frame = this.#frames.at(-1);
    const backend = this.#work.backend ?? (outputs.some((output) => output instanceof Tensor) ? this.#session.executor.backend.name : "host");
    this.#emit({ k: "enter", t: this.#t, ...this.#us(this.#since), node: id, nth, frame: frame?.id ?? 0, args: this.#refs(node.operands, inputs), backend });
    const { bytes, flops, prims } = this.#flush(id);
    this.#writes(node, id, inputs);
    for (const output of outputs) if (output instanceof Tensor) this.#born(output);
    const time = this.#ms(this.#since, now);
    this.#emit({
      k: "exit",
      t: this.#t,
      ...this.#us(now),
      node: id,
      nth,
      outs: this.#refs(node.results, outputs),
      ...time,
      ...(bytes > 0 ? { bytes } : {}),
      ...(flops > 0 ? { flops } : {}),
    });
    this.#told(known, outputs, { nth, backend, ms: time.ms, bytes, flops, prims }, true);
  }

  /** Tells of an execution's results: with their numbers, or to whoever observes, where it is selected. */
  #told(node: GraphNode, outputs: readonly Datum[], facts: Pick<Subject, "nth" | "backend" | "ms" | "bytes" | "flops" | "prims">, own: boolean): void {
    const { select, observe } = this.#options;
    const subject = this.#tier === 3 || observe !== undefined ? this.#subject(node, outputs, facts) : undefined;
    const { graph } = this.numbering;
    const keep = own && (this.#tier === 4 || (select !== undefined && subject !== undefined && matches(select, subject, graph) === true));
    const selected = observe?.select === undefined || subject === undefined || matches(observe.select, subject, graph) === true;
    this.#values(this.numbering.nodeOf(node.id)?.results ?? [], outputs, observe === undefined ? own : selected && observe.content, keep);
    if (subject !== undefined) this.#sink.subject?.(subject, selected);
  }

  /** Whether an observer's selector cannot match the node, whatever the run does. */
  #isPassedOver(node: GraphNode): boolean {
    const select = this.#options.observe?.select;
    if (select === undefined) return false;
    let passed = this.#passedOver.get(node);
    if (passed === undefined) this.#passedOver.set(node, (passed = matches(select, { node }, this.numbering.graph) === false));
    return passed;
  }

  /** A storage that has come into being. */
  #born(tensor: Tensor): void {
    const { state, isNew } = this.#storages.state(tensor.storage);
    if (isNew) this.#emit({ k: "alloc", t: this.#t, storage: state.id, bytes: tensor.storage.nbytes, backend: tensor.storage.device?.name ?? "cpu" });
  }

  /** Stored data: told once for each storage, without statistics; plain constants are in the graph. */
  #stored(node: Node, known: GraphNode, outputs: readonly Datum[]): void {
    const [output = null] = outputs;
    if (!(output instanceof Tensor)) {
      if (known.op === "prim::GetAttr" && !isInstance(output)) this.#values(node.results, outputs, false, false);
      return;
    }
    this.#born(output);
    if (this.#options.observe?.select !== undefined) return; // it belongs to no execution
    const key = `${known.id}:${this.#storages.ref(output).storage}:${output.storage.version}`;
    if (this.#weights.has(key)) return;
    this.#weights.add(key);
    this.#values(node.results, outputs, false, this.#tier === 4);
  }

  #subject(node: GraphNode, outputs: readonly Datum[], facts: Pick<Subject, "nth" | "backend" | "ms" | "bytes" | "flops" | "prims">): Subject {
    const values = node.results.flatMap((id, i) => {
      const output = outputs[i] ?? null;
      if (!(output instanceof Tensor)) return [];
      const { state } = this.#storages.state(output.storage);
      const tensor = factsOf(output);
      const name = this.numbering.graph.values[id]?.name ?? "";
      return [candidate({ id, name, version: state.version, tensor, health: undefined }, output, () => this.#content(output, state, tensor, 2)?.health)];
    });
    const written = this.#written.map((state) => ({ names: [...state.names], version: state.version }));
    return { node, t: this.#t, module: node.module ?? this.#frames.at(-1)?.module ?? "", values, written, ...facts };
  }

  // ---- blocks

  #enter(event: Extract<MachineEvent, { readonly kind: "enter" }>, now: number): void {
    const { node, what, inputs } = event;
    if (event.time === 0 && node === undefined) {
      this.#base = this.#t;
      this.#at(0);
      this.#begin(event, now);
    } else this.#at(event.time);
    const id = node === undefined ? 0 : this.numbering.nodeId(node);
    const again = what === "trip" && event.trip > 0;
    if (node !== undefined && !again) {
      const nth = this.#nth(id);
      const args =
        what === "call" ? this.#refs(node.operands, inputs) : what === "trip" ? this.#refs(node.operands.slice(2), inputs.slice(1)) : this.#known(node);
      this.#emit({ k: "enter", t: this.#t, ...this.#us(now), node: id, nth, frame: this.#frames.at(-1)?.id ?? 0, args, backend: "host" });
      this.#open.push({ what, node: id, nth, frame: this.#frames.length, since: now });
    }
    if (what === "call") {
      const frame = this.#nextFrame++;
      const self = inputs[0];
      const isMethod = typeof self === "object" && self !== null && "kind" in self && self.kind === "instance";
      const module = (isMethod ? this.#paths.get(self) : undefined) ?? this.#frames.at(-1)?.module ?? "";
      const parent = this.#frames.at(-1)?.id ?? null;
      this.#frames.push({ id: frame, module });
      this.#emit({
        k: "frame",
        t: this.#t,
        ...this.#us(now),
        frame,
        parent,
        method: event.name,
        module,
        source: sourceOf(event.decl?.location),
        ...(node === undefined ? {} : { node: id }),
      });
    } else {
      this.#emit({
        k: "block",
        t: this.#t,
        node: id,
        block: event.name === "else" ? 1 : 0,
        trip: event.trip,
        why: what === "trip" ? "loop" : what === "fork" ? "fork" : "if",
        ...(what === "branch" ? { taken: event.name === "then" } : {}),
      });
    }
    const block = what === "call" ? event.decl?.graph() : node?.blocks[event.name === "else" ? 1 : 0];
    if (block !== undefined && this.#options.observe?.select === undefined) this.#inputs(block.inputs, inputs, node === undefined);
  }

  /** Inputs of a block; those of the run with what the tier asks for, and with their numbers where they are selected by name. */
  #inputs(values: readonly Value[], data: readonly Datum[], isRun: boolean): void {
    values.forEach((value, i) => {
      const id = this.numbering.valueId(value);
      const known = this.numbering.graph.values[id];
      const keep = (isRun && this.#tier === 4) || this.#named.has(known?.name ?? "");
      this.#value(id, data[i] ?? null, known?.type ?? "", isRun || keep, keep);
    });
  }

  /** Operands of a branch or a fork: its condition is a plain value. */
  #known(node: Node): ValueRef[] {
    return node.operands.flatMap((value) => (value === undefined ? [] : [{ value: this.numbering.valueId(value) }]));
  }

  /** The run's entry: where modules are, and what the inputs are. Hooks around `forward` belong to the same run. */
  #begin(event: Extract<MachineEvent, { readonly kind: "enter" }>, now: number): void {
    const { program, executor } = this.#session;
    this.#entry = event.decl === undefined ? undefined : this.numbering.functionOf(event.decl);
    if (this.#begun) return;
    this.#begun = true;
    for (const root of this.#session.roots) namePaths(root, this.#paths);
    this.#started = now;
    this.#since = now;
    this.#generator = generatorHash(executor.generator);
    for (const input of event.inputs) for (const tensor of tensorsIn(input)) this.#born(tensor);
    const inputs = event.decl === undefined ? [] : this.#refs(event.decl.graph().inputs, event.inputs).filter((_, i) => !isInstance(event.inputs[i]));
    this.#emit({
      k: "run",
      t: this.#t,
      ...this.#us(now),
      run: this.#options.run ?? 0,
      model: program.name,
      backend: executor.backend.name,
      inputs,
      seed: String(executor.generator.seed),
    });
  }

  #exit(event: Extract<MachineEvent, { readonly kind: "exit" }>, now: number): void {
    const { what, node } = event;
    if (what === "call") {
      const frame = this.#frames.pop();
      if (frame !== undefined) this.#emit({ k: "leave", t: this.#t, ...this.#us(now), frame: frame.id });
      if (node === undefined && this.#frames.length === 0) this.#outputs(event.values);
    }
    if (node === undefined || !event.last) return;
    const open = this.#open.pop();
    const id = this.numbering.nodeId(node);
    if (open === undefined || open.node !== id) return; // what runs while an error passes
    const results = what === "trip" ? event.values.slice(1) : what === "fork" ? [] : event.values;
    this.#emit({
      k: "exit",
      t: this.#t,
      ...this.#us(now),
      node: id,
      nth: open.nth,
      outs: what === "fork" ? this.#known(node) : this.#refs(node.results, results),
      ...this.#ms(open.since, now),
    });
    const known = this.numbering.graph.nodes[id - 1];
    if (what !== "fork" && known !== undefined) this.#told(known, results, { nth: open.nth, backend: "host", ...this.#ms(open.since, now) }, false);
  }

  /** What the run gives. */
  #outputs(values: readonly Datum[]): void {
    const body = this.#entry?.block;
    const ids = body === null || body === undefined ? [] : (this.numbering.graph.blocks[body]?.outputs ?? []);
    values.forEach((value, i) => {
      const id = ids[i] ?? -1;
      if (value instanceof Tensor || value === null || typeof value !== "object") {
        this.#emit({ k: "read", t: this.#t, ref: this.#ref(id, value), why: "output" });
        return;
      }
      // Of a tuple, list or dict each tensor, by the name that it had last.
      for (const tensor of tensorsIn(value))
        this.#emit({ k: "read", t: this.#t, ref: this.#ref(this.#storages.known(tensor.storage)?.last ?? id, tensor), why: "output" });
    });
  }

  #raise(node: Node | undefined, error: unknown, kept: boolean, now: number): void {
    const id = node === undefined ? undefined : this.numbering.nodeId(node);
    if (id !== undefined) this.#flush(id);
    this.#emit({ k: "error", t: this.#t, ...this.#us(now), ...(id === undefined ? {} : { node: id }), error: errorJson(error) });
    // Without `kept` everything ends; else the innermost fork.
    for (let open = this.#open.pop(); open !== undefined; open = this.#open.pop()) {
      this.#leaveTo(open.frame);
      if (kept && open.what === "fork") return;
    }
    this.#leaveTo(0);
  }

  #leaveTo(depth: number): void {
    while (this.#frames.length > depth) {
      const frame = this.#frames.pop();
      if (frame !== undefined) this.#emit({ k: "leave", t: this.#t, frame: frame.id });
    }
  }
}

function isInstance(value: Datum | undefined): boolean {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "instance";
}

function bare(op: string): string {
  return op.split(".")[0] ?? op;
}
