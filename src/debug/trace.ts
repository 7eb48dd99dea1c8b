/** A recorded run as one can read it: its static graph, its events, and the values by name, node and time. From memory or from a file alike. */

import { OpwiseError } from "../tensor/error.ts";
import { type DType, dtypeInfo, itemsize } from "../tensor/dtype.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import { contentKey } from "./content.ts";
import type { BlobRef, EventOf, Health, NodeId, Step, StorageId, TensorFacts, TraceEvent, ValueId, ValueRef } from "./events.ts";
import { isTorchFile } from "../ir/author.ts";
import { type GraphNode, type GraphValue, placeOf, type TraceGraph } from "./graph.ts";
import type { TraceIndex } from "./trace-index.ts";

/** `manifest.json`: what was recorded, how, and what was left out. */
export interface TraceManifest {
  readonly format: "opwtrace";
  /** Readers accept older minors. */
  readonly version: { readonly major: number; readonly minor: number };
  readonly tool: { readonly name: string; readonly version: string };
  readonly model: { readonly name: string; readonly format: string; readonly version: string; readonly sha256?: string };
  readonly backend: string;
  readonly options: { readonly values: string; readonly select?: string; readonly timing: boolean; readonly prims: boolean; readonly maxBytes: number | null };
  /** ISO time of the recording; left out where times are not wanted. */
  readonly recorded?: string;
  readonly counts: TraceCounts;
  readonly leftOut: readonly { readonly what: string; readonly count: number; readonly bytes: number }[];
  /** Absent in a finished trace. */
  readonly unfinished?: boolean;
  readonly judge: boolean;
}
export interface TraceCounts {
  readonly nodes: number;
  readonly events: number;
  readonly values: number;
  /** Values whose numbers are here. */
  readonly full: number;
  readonly storages: number;
}

/** A trace to read. */
export interface Trace {
  readonly manifest: TraceManifest;
  readonly graph: TraceGraph;
  readonly index: TraceIndex;
  /** Events whose time is in `from` to `to`, both included; all without them. */
  events(from?: Step, to?: Step): Promise<readonly TraceEvent[]>;
  /** Bytes that a reference names. @throws missing-record, bad-zip and what reading throws */
  blob(ref: BlobRef): Promise<Uint8Array>;
  /** Texts of the model's sources by record. */
  source(record: string): Promise<string | undefined>;
}

/** One execution of a node. */
export interface Execution {
  readonly node: NodeId;
  readonly nth: number;
  readonly t: Step;
  /** Where it ended; `t` for an op, later for a call or a loop. */
  readonly end: Step;
  readonly frame: number;
  readonly module: string;
  readonly args: readonly ValueRef[];
  readonly outs: readonly ValueRef[];
  readonly backend: string;
  readonly us: number | undefined;
  readonly ms: number | undefined;
  readonly bytes: number;
  readonly flops: number;
  readonly fallbacks: readonly EventOf<"fallback">[];
  /** Executions inside it: of a call, a branch, a loop. */
  readonly depth: number;
}

/** A tensor, or another value as text, at one time. */
export interface ValueRecord {
  readonly value: ValueId;
  readonly t: Step;
  /** The execution that made it; undefined for inputs of blocks and stored data. */
  readonly execution: Execution | undefined;
  readonly storage: StorageId | undefined;
  readonly version: number | undefined;
  readonly tensor: TensorFacts | undefined;
  readonly text: string | undefined;
  readonly health: Health | undefined;
  readonly hash: string | undefined;
  readonly blob: BlobRef | undefined;
}

export interface FrameRecord {
  readonly id: number;
  readonly parent: number | null;
  readonly method: string;
  readonly module: string;
  readonly node: NodeId | undefined;
  readonly t: Step;
  readonly end: Step;
}

/** Everything of one run, by node, value, storage and time. */
export interface TraceRun {
  readonly trace: Trace;
  readonly graph: TraceGraph;
  readonly events: readonly TraceEvent[];
  readonly run: EventOf<"run"> | undefined;
  /** In the order in which they began. */
  readonly executions: readonly Execution[];
  /** In the order in which they were made. */
  readonly values: readonly ValueRecord[];
  readonly frames: readonly FrameRecord[];
  readonly writes: readonly EventOf<"write">[];
  readonly allocations: ReadonlyMap<StorageId, EventOf<"alloc">>;
  frame(id: number): FrameRecord | undefined;
  /** What the run gave. */
  readonly outputs: readonly ValueRef[];
  readonly error: EventOf<"error"> | undefined;
  execution(node: NodeId, nth?: number): Execution | undefined;
  executionsOf(node: NodeId): readonly Execution[];
  /** The value as it was made last at or before `t`. */
  value(id: ValueId, t?: Step): ValueRecord | undefined;
  valuesOf(id: ValueId): readonly ValueRecord[];
  /** Results of an execution. */
  outputsOf(execution: Execution): readonly ValueRecord[];
  /** Operands of an execution, as they were before it ran. */
  inputsOf(execution: Execution): readonly ValueRecord[];
  writesOf(storage: StorageId): readonly EventOf<"write">[];
  writesAt(t: Step): readonly EventOf<"write">[];
  /** Names of all values that showed the storage. */
  namesOf(storage: StorageId): readonly string[];
  /** The value that showed the storage first. */
  firstOf(storage: StorageId): ValueRecord | undefined;
  /** The version that a storage had at `t`, after that step. */
  versionAt(storage: StorageId, t: Step): number;
  node(id: NodeId): GraphNode;
  name(id: ValueId): string;
  /** The numbers of a value; undefined where they were not kept. */
  tensor(record: ValueRecord): Promise<Tensor | undefined>;
}

/** Reads all events of a trace and finds out what belongs together. @throws what reading throws */
export async function readRun(trace: Trace, run: number = 0): Promise<TraceRun> {
  return runOf(trace, await trace.events(), run);
}

/** As `readRun`, of events at hand. */
export function runOf(trace: Trace, all: readonly TraceEvent[], run: number = 0): TraceRun {
  const starts = all.flatMap((event, i) => (event.k === "run" ? [i] : []));
  const events = starts.length <= 1 ? all : all.slice(starts[run] ?? all.length, starts[run + 1] ?? all.length);
  return new RunIndex(trace, events);
}

type Building = { -readonly [K in keyof Execution]: Execution[K] };

class RunIndex implements TraceRun {
  readonly trace: Trace;
  readonly graph: TraceGraph;
  readonly events: readonly TraceEvent[];
  run: EventOf<"run"> | undefined;
  readonly executions: Execution[] = [];
  readonly values: ValueRecord[] = [];
  readonly frames: FrameRecord[] = [];
  readonly writes: EventOf<"write">[] = [];
  readonly allocations: Map<StorageId, EventOf<"alloc">> = new Map();
  readonly outputs: ValueRef[] = [];
  error: EventOf<"error"> | undefined;
  readonly #frameAt = new Map<number, number>();
  readonly #byNode = new Map<NodeId, Execution[]>();
  readonly #byValue = new Map<ValueId, ValueRecord[]>();
  readonly #byStorage = new Map<StorageId, EventOf<"write">[]>();
  readonly #byTime = new Map<Step, EventOf<"write">[]>();
  readonly #first = new Map<StorageId, ValueRecord>();
  readonly #names = new Map<StorageId, Set<string>>();
  readonly #content = new Map<string, { readonly health: Health | undefined; readonly hash: string | undefined }>();
  readonly #blobs = new Map<string, BlobRef>();
  readonly #latest = new Map<ValueId, Execution>();

  constructor(trace: Trace, events: readonly TraceEvent[]) {
    this.trace = trace;
    this.graph = trace.graph;
    this.events = events;
    const open: Building[] = [];
    const frames: { id: number; index: number }[] = [];
    for (const event of events) {
      switch (event.k) {
        case "run":
          this.run = event;
          break;
        case "enter": {
          const module = this.graph.nodes[event.node - 1]?.module ?? this.frames[frames.at(-1)?.index ?? -1]?.module ?? "";
          const { node, nth, t, frame, args, backend } = event;
          const made: Building = {
            node,
            nth,
            t,
            end: t,
            frame,
            module,
            args,
            outs: [],
            backend,
            us: event.us,
            ms: undefined,
            bytes: 0,
            flops: 0,
            fallbacks: [],
            depth: open.length,
          };
          open.push(made);
          this.executions.push(made);
          push(this.#byNode, node, made);
          break;
        }
        case "exit": {
          // What an error left open is passed over.
          let top = open.pop();
          while (top !== undefined && (top.node !== event.node || top.nth !== event.nth)) top = open.pop();
          if (top === undefined) break;
          top.end = event.t;
          top.outs = event.outs;
          top.ms = event.ms;
          top.bytes = event.bytes ?? 0;
          top.flops = event.flops ?? 0;
          for (const out of event.outs) this.#latest.set(out.value, top);
          break;
        }
        case "fallback": {
          const top = open.at(-1);
          if (top !== undefined) top.fallbacks = [...top.fallbacks, event];
          break;
        }
        case "value":
          this.#tensor(event);
          break;
        case "plain":
          this.#add({
            value: event.ref.value,
            t: event.t,
            execution: this.#maker(event.ref.value, event.t),
            storage: undefined,
            version: undefined,
            tensor: undefined,
            text: event.text,
            health: undefined,
            hash: undefined,
            blob: undefined,
          });
          break;
        case "frame":
          frames.push({ id: event.frame, index: this.frames.length });
          this.#frameAt.set(event.frame, this.frames.length);
          this.frames.push({ id: event.frame, parent: event.parent, method: event.method, module: event.module, node: event.node, t: event.t, end: event.t });
          break;
        case "leave": {
          const top = frames.pop();
          const frame = top === undefined ? undefined : this.frames[top.index];
          if (top !== undefined && frame !== undefined) this.frames[top.index] = { ...frame, end: event.t };
          break;
        }
        case "write":
          this.writes.push(event);
          push(this.#byStorage, event.storage, event);
          push(this.#byTime, event.t, event);
          break;
        case "alloc":
          this.allocations.set(event.storage, event);
          break;
        case "read":
          if (event.why === "output") this.outputs.push(event.ref);
          break;
        case "error":
          this.error = event;
          break;
        default:
      }
    }
  }

  #maker(value: ValueId, t: Step): Execution | undefined {
    const made = this.#latest.get(value);
    return made?.end === t ? made : undefined;
  }

  #tensor(event: EventOf<"value">): void {
    const { ref, tensor, t } = event;
    let { health, hash, blob } = event;
    if (ref.storage !== undefined && ref.version !== undefined) {
      let names = this.#names.get(ref.storage);
      if (names === undefined) this.#names.set(ref.storage, (names = new Set()));
      names.add(this.name(ref.value));
      const key = contentKey(ref.storage, ref.version, tensor);
      if (health !== undefined || hash !== undefined) this.#content.set(key, { health, hash });
      const known = this.#content.get(key);
      health ??= known?.health;
      hash ??= known?.hash;
      const place = `${ref.storage}~${ref.version}`;
      if (blob !== undefined) this.#blobs.set(place, blob);
      blob ??= this.#blobs.get(place);
    }
    this.#add({
      value: ref.value,
      t,
      execution: this.#maker(ref.value, t),
      storage: ref.storage,
      version: ref.version,
      tensor,
      text: undefined,
      health,
      hash,
      blob,
    });
  }

  #add(record: ValueRecord): void {
    this.values.push(record);
    if (record.storage !== undefined && !this.#first.has(record.storage)) this.#first.set(record.storage, record);
    push(this.#byValue, record.value, record);
  }

  execution(node: NodeId, nth: number = 0): Execution | undefined {
    return this.#byNode.get(node)?.[nth];
  }
  frame(id: number): FrameRecord | undefined {
    const index = this.#frameAt.get(id);
    return index === undefined ? undefined : this.frames[index];
  }
  executionsOf(node: NodeId): readonly Execution[] {
    return this.#byNode.get(node) ?? [];
  }
  valuesOf(id: ValueId): readonly ValueRecord[] {
    return this.#byValue.get(id) ?? [];
  }
  value(id: ValueId, t: Step = Infinity): ValueRecord | undefined {
    return lastBefore(this.valuesOf(id), t);
  }
  outputsOf(execution: Execution): readonly ValueRecord[] {
    return execution.outs.flatMap((ref) => this.value(ref.value, execution.end) ?? []);
  }
  inputsOf(execution: Execution): readonly ValueRecord[] {
    return execution.args.flatMap((ref) => {
      // A result of the same step is not its own operand: a loop's carried value has the name of the one before it.
      const record = this.value(ref.value, execution.t) ?? undefined;
      if (record === undefined || ref.storage === undefined || record.version === ref.version) return record ?? [];
      // Written since by another name: the same view, at the version that the op saw.
      const known = record.tensor === undefined ? undefined : this.#content.get(contentKey(ref.storage, ref.version ?? 0, record.tensor));
      return {
        ...record,
        storage: ref.storage,
        version: ref.version,
        health: known?.health,
        hash: known?.hash,
        blob: this.#blobs.get(`${ref.storage}~${ref.version ?? 0}`),
      };
    });
  }
  writesOf(storage: StorageId): readonly EventOf<"write">[] {
    return this.#byStorage.get(storage) ?? [];
  }
  writesAt(t: Step): readonly EventOf<"write">[] {
    return this.#byTime.get(t) ?? [];
  }
  namesOf(storage: StorageId): readonly string[] {
    return [...(this.#names.get(storage) ?? [])];
  }
  firstOf(storage: StorageId): ValueRecord | undefined {
    return this.#first.get(storage);
  }
  versionAt(storage: StorageId, t: Step): number {
    return lastBefore(this.writesOf(storage), t)?.version ?? 0;
  }
  node(id: NodeId): GraphNode {
    const node = this.graph.nodes[id - 1];
    if (node === undefined) throw new OpwiseError("bad-argument", `there is no node #${id}`, { wanted: `#1 to #${this.graph.nodes.length}` });
    return node;
  }
  name(id: ValueId): string {
    const value: GraphValue | undefined = this.graph.values[id];
    return value?.name ?? String(id);
  }
  async tensor(record: ValueRecord): Promise<Tensor | undefined> {
    if (record.blob === undefined || record.tensor === undefined || !record.blob.complete) return undefined;
    return tensorOf(record.tensor, await this.trace.blob(record.blob));
  }
}

/** A tensor of a storage's bytes. @throws bad-tensor where the facts reach beyond them */
export function tensorOf(facts: TensorFacts, bytes: Uint8Array): Tensor {
  const dtype = facts.dtype as DType; // checked below
  if ((dtypeInfo(dtype) as unknown) === undefined) throw new OpwiseError("bad-tensor", `\`${facts.dtype}\` is no dtype`);
  const reach = facts.shape.includes(0) ? 0 : facts.shape.reduce((at, size, i) => at + (size - 1) * (facts.strides[i] ?? 0), facts.offset) + 1;
  if (facts.offset < 0 || facts.strides.some((stride) => stride < 0) || reach * itemsize(dtype) > bytes.byteLength) {
    throw new OpwiseError("bad-tensor", "a recorded value reaches beyond its storage", {
      wanted: `${reach * itemsize(dtype)} bytes`,
      got: `${bytes.byteLength}`,
    });
  }
  return new Tensor(Storage.wrap(bytes, true), dtype, [...facts.shape], [...facts.strides], facts.offset);
}

/**
 * The author's own line of an execution: where its op stands inside PyTorch (`nn/modules/linear.py`), that of the innermost call outside of it. Without
 * one, the op's own place; undefined where nothing is known.
 */
export function placeOfExecution(run: TraceRun, execution: Execution): ReturnType<typeof placeOf> {
  const own = placeOf(run.node(execution.node).source);
  if (own === undefined || !isTorchFile(own.file)) return own;
  for (let frame = run.frame(execution.frame); frame !== undefined; frame = frame.parent === null ? undefined : run.frame(frame.parent)) {
    const place = frame.node === undefined ? undefined : placeOf(run.node(frame.node).source);
    if (place !== undefined && !isTorchFile(place.file)) return place;
  }
  return own;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** The last of a list in order of time that is not after `t`. */
function lastBefore<E extends { readonly t: Step }>(list: readonly E[], t: Step): E | undefined {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle]?.t ?? Infinity) <= t) low = middle + 1;
    else high = middle;
  }
  return list[low - 1];
}
