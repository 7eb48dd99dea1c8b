/** A trace's events as a `Run`: nests calls, loops and ops, and ties each use of a value to the execution that made it. */

import { contentKey } from "../debug/content.ts";
import type { BlobRef, EventOf, Health as HealthRecord, SourceRange, TraceEvent, ValueRef } from "../debug/events.ts";
import type { GraphNode, TraceGraph } from "../debug/graph.ts";
import { decodeBins } from "../debug/health.ts";
import { DTYPES, type DType } from "../tensor/dtype.ts";
import { markDead } from "./problems.ts";
import { RunBuilder } from "./run-builder.ts";
import { FLAG, KIND, type Health, type NodeFact, type Place, type Run } from "./run.ts";

/** What a run is made of besides its events. */
export interface TraceParts {
  readonly name: string;
  readonly graph: TraceGraph;
  readonly facts: readonly (readonly [string, string])[];
  readonly dropped: readonly string[];
  readonly sources: ReadonlyMap<string, string>;
  /** Bytes of a storage. */
  readonly bytes: (blob: string) => Promise<Uint8Array>;
}

const CALLS = new Set(["prim::CallMethod", "prim::CallFunction"]);
const dtypes: ReadonlySet<string> = new Set(DTYPES);

function dtypeOf(name: string): DType | undefined {
  return dtypes.has(name) ? (name as DType) : undefined; // just looked up
}

/** A node under way. */
interface OpenNode {
  readonly id: number;
  readonly entry: number;
  readonly args: readonly ValueRef[];
  /** Values that the operands were when it began. */
  readonly taken: readonly (number | undefined)[];
  /** The block that runs, or ran last: a branch, a loop's body, a function's. */
  block: number | undefined;
  trip: number;
}

export class RunReader {
  readonly #parts: TraceParts;
  readonly #builder: RunBuilder;
  /** The newest value of each static value. */
  readonly #current = new Map<number, number>();
  /** The newest value at each version of a storage, and the first value that had the storage. */
  readonly #byVersion = new Map<string, number>();
  readonly #owner = new Map<number, number>();
  /** Statistics and bytes are told once for the same numbers. */
  readonly #content = new Map<string, { readonly health: HealthRecord | undefined; readonly hash: string | undefined }>();
  readonly #blobs = new Map<string, BlobRef>();
  /** Entries that nodes and frames opened, innermost last. */
  readonly #nodes: OpenNode[] = [];
  readonly #frames: { readonly id: number; readonly isOwn: boolean }[] = [];
  /** Modules opened for the names that nodes bear, in a program without calls. */
  #grouped: string[] = [];
  readonly #classes = new Map<string, string>();
  #backend = "";
  readonly #dropped: string[];

  constructor(parts: TraceParts) {
    this.#parts = parts;
    this.#dropped = [...parts.dropped];
    this.#builder = new RunBuilder(parts.graph.model.name);
    for (const module of parts.graph.modules) this.#classes.set(module.path, module.class.split(".").at(-1) ?? "");
  }

  /** Takes the next event. Events come in the order of the run. */
  take(event: TraceEvent): void {
    const b = this.#builder;
    switch (event.k) {
      case "run":
        this.#backend = event.backend;
        for (const ref of event.inputs) this.#input(ref, event.t);
        return;
      case "enter":
        this.#enter(event);
        return;
      case "exit":
        this.#exit(event);
        return;
      case "frame":
        this.#frame(event);
        return;
      case "leave": {
        const frame = this.#frames.pop();
        if (frame?.isOwn === true) b.close(event.t);
        return;
      }
      case "block": {
        const owner = this.#nodes[this.#nodes.length - 1];
        if (owner === undefined) return;
        while (b.top !== owner.entry && b.top > owner.entry) b.close(event.t);
        owner.block = this.#node(owner.id)?.blocks[event.block];
        owner.trip = event.trip;
        const label =
          event.why === "if" ? (event.taken === false || event.block > 0 ? "else" : "then") : event.why === "loop" ? `trip ${event.trip}` : event.why;
        b.open({ kind: KIND.trip, label, t: event.t });
        return;
      }
      case "value":
      case "plain":
        this.#tell(event);
        return;
      case "write":
        b.flag(b.top, FLAG.writes);
        return;
      case "fallback":
        b.flag(this.#entryOf(event.node), FLAG.fallback, `${event.from} → ${event.to}: ${event.reason}`);
        return;
      case "read":
        if (event.why === "output") this.#output(event.ref);
        else b.flag(b.top, FLAG.reads);
        return;
      case "error":
        b.flag(event.node === undefined ? b.top : this.#entryOf(event.node), FLAG.error, event.error.message);
        b.log.push({ kind: "error", text: event.error.message, t: event.t });
        return;
      case "print":
      case "warn":
        b.log.push({ kind: event.k, text: event.text, t: event.t });
        return;
      case "alloc":
      case "free":
        this.#held(event);
        return;
      case "prim":
        b.open({ kind: KIND.prim, label: event.kind, t: event.t });
        b.close(event.t, event.ms);
        return;
      case "dropped":
        this.#dropped.push(`${event.what}: ${event.count}, ${event.bytes} bytes`);
        return;
      case "rng":
        return;
      default:
        event satisfies never;
    }
  }

  finish(): Run {
    const { name, graph, facts, sources, bytes } = this.#parts;
    const run = this.#builder.finish({
      name,
      graph,
      facts,
      sources,
      backend: this.#backend,
      nodeFact: nodeFactsOf(graph),
      dropped: this.#dropped,
      bytes: (value) => (value.blob === undefined ? Promise.reject(new Error(`${value.name} was not recorded in full`)) : bytes(value.blob)),
    });
    markDead(run);
    return run;
  }

  #node(id: number): GraphNode | undefined {
    return this.#parts.graph.nodes[id - 1];
  }

  #entryOf(node: number): number {
    return this.#nodes.findLast((open) => open.id === node)?.entry ?? this.#builder.top;
  }

  /** Opens and closes modules so that the node's own module is on top: for programs whose nodes bear names instead of lying in calls. */
  #group(path: string, t: number): void {
    const parts = path === "" ? [] : path.split(/[./]/);
    let shared = 0;
    while (shared < parts.length && shared < this.#grouped.length && parts[shared] === this.#grouped[shared]) shared++;
    for (let i = this.#grouped.length; i > shared; i--) this.#builder.close(t);
    this.#grouped.length = shared;
    for (const part of parts.slice(shared)) {
      this.#grouped.push(part);
      this.#builder.open({ kind: KIND.module, label: lastPart(this.#grouped.join(".")), path: this.#grouped.join("."), t });
    }
  }

  #enter(event: EventOf<"enter">): void {
    const b = this.#builder;
    const node = this.#node(event.node);
    if (this.#nodes.length === 0 && this.#frames.length <= 1 && this.#parts.graph.model.format !== "torchscript") this.#group(node?.module ?? "", event.t);
    const op = node?.op ?? "?";
    const isData = op.startsWith("prim::") && (node?.blocks.length ?? 0) === 0 && !CALLS.has(op);
    const entry = b.open({
      kind: isData ? KIND.data : KIND.op,
      label: op,
      detail: node?.name ?? this.#attributeName(node),
      node: event.node,
      nth: event.nth,
      t: event.t,
    });
    const taken = event.args.map((ref) => this.#resolve(ref));
    for (const value of taken) if (value !== undefined) b.use(entry, value);
    // The first node of a function's body tells which body it is.
    const caller = this.#nodes[this.#nodes.length - 1];
    if (caller !== undefined && caller.block === undefined && node !== undefined && this.#parts.graph.blocks[node.block]?.owner === null)
      caller.block = node.block;
    this.#nodes.push({ id: event.node, entry, args: event.args, taken, block: undefined, trip: 0 });
  }

  #attributeName(node: GraphNode | undefined): string {
    if (node?.op !== "prim::GetAttr") return "";
    return (node.attributes["name"] ?? "").replace(/^"|"$/g, "");
  }

  #exit(event: EventOf<"exit">): void {
    const b = this.#builder;
    const open = this.#nodes.pop();
    if (open === undefined) return;
    while (b.top > open.entry) b.close(event.t); // the last trip of a loop
    const node = this.#node(open.id);
    const isInside = CALLS.has(node?.op ?? "") || (node?.blocks.length ?? 0) > 0;
    let hasTensor = false;
    event.outs.forEach((ref, i) => {
      const inner = isInside ? this.#inner(open, ref, i + (node?.op === "prim::Loop" || node?.op.startsWith("onnx::Loop") === true ? 1 : 0)) : undefined;
      if (inner !== undefined) {
        this.#current.set(ref.value, inner);
        b.gives(open.entry, inner);
      } else this.#make(ref, open.entry, event.t);
      if (ref.storage !== undefined) hasTensor = true;
    });
    if (!hasTensor && b.kindOf(open.entry) === KIND.op && !isInside && event.outs.length > 0) b.becomeData(open.entry);
    b.close(event.t, event.ms);
  }

  #frame(event: EventOf<"frame">): void {
    const b = this.#builder;
    const caller = this.#nodes[this.#nodes.length - 1];
    // A free function has its qualified name as method, and the module that called it.
    const isFunction = event.method.includes(".");
    const name = isFunction ? "" : lastPart(event.module);
    const method = isFunction ? (event.method.split(".").at(-1) ?? "") : event.method === "forward" ? "" : event.method;
    const label = [name, method].filter((part) => part !== "").join(".") || event.method;
    const detail = isFunction ? "function" : this.#classOf(event.module);
    if (this.#frames.length === 0 && caller === undefined) {
      b.becomeModule(0, event.method, detail, "");
      this.#frames.push({ id: event.frame, isOwn: false });
    } else if (caller !== undefined && b.top === caller.entry && CALLS.has(this.#node(caller.id)?.op ?? "")) {
      b.becomeModule(caller.entry, label, detail, event.module);
      this.#frames.push({ id: event.frame, isOwn: false });
    } else {
      b.open({ kind: KIND.module, label, detail, path: event.module, t: event.t });
      this.#frames.push({ id: event.frame, isOwn: true });
    }
  }

  #classOf(path: string): string {
    return this.#classes.get(path) ?? "";
  }

  #input(ref: ValueRef, t: number): void {
    const name = this.#parts.graph.values[ref.value]?.name ?? String(ref.value);
    const index = this.#builder.value(0, { name: `%${name}`, t, role: "input", ...storageOf(ref) });
    this.#builder.given(0, index);
    this.#keep(ref, index);
  }

  #output(ref: ValueRef): void {
    const index = this.#resolve(ref);
    const value = index === undefined ? undefined : this.#builder.values[index];
    if (value === undefined || index === undefined) return;
    value.isOutput = true;
    this.#builder.gives(0, index);
  }

  /** What the body of a call, a branch or a loop made of the result at a place. */
  #inner(open: OpenNode, ref: ValueRef, place: number): number | undefined {
    if (ref.storage !== undefined) return this.#byVersion.get(versionKey(ref));
    const output = open.block === undefined ? undefined : this.#parts.graph.blocks[open.block]?.outputs[place];
    return output === undefined ? undefined : this.#current.get(output);
  }

  /** The value that an exit gives. */
  #make(ref: ValueRef, entry: number, t: number): number {
    const b = this.#builder;
    const name = this.#parts.graph.values[ref.value]?.name ?? String(ref.value);
    const owner = ref.storage === undefined ? undefined : this.#owner.get(ref.storage);
    const index = b.value(entry, { name: `%${name}`, t, ...storageOf(ref), ...(owner === undefined ? {} : { viewOf: owner }) });
    this.#keep(ref, index);
    return index;
  }

  #keep(ref: ValueRef, index: number): void {
    this.#current.set(ref.value, index);
    if (ref.storage !== undefined) {
      this.#byVersion.set(versionKey(ref), index);
      if (!this.#owner.has(ref.storage)) this.#owner.set(ref.storage, index);
    }
  }

  /** Facts of a value: of one that an exit has made, of a block's input (which is another name for one), or of stored data. */
  #tell(event: EventOf<"value"> | EventOf<"plain">): void {
    const { ref } = event;
    const known = this.#current.get(ref.value);
    const value = known === undefined ? undefined : this.#builder.values[known];
    const isSame = value !== undefined && value.storage === ref.storage && value.version === ref.version;
    if (isSame && known !== undefined && value.shape === undefined && value.text === undefined) {
      this.#fill(known, event);
      return;
    }
    const node = this.#parts.graph.values[ref.value]?.node ?? null;
    if (node === null) {
      const source = ref.storage === undefined ? this.#passed(ref) : this.#byVersion.get(versionKey(ref));
      if (source !== undefined) this.#current.set(ref.value, source);
      else if (ref.storage === undefined) this.#fill(this.#stored(ref, event.t, "value"), event);
      return;
    }
    if (!isSame) this.#fill(this.#stored(ref, event.t, "weight"), event);
  }

  /** What is no tensor and comes into a block: an argument of the call, or what the loop carries. */
  #passed(ref: ValueRef): number | undefined {
    const { graph } = this.#parts;
    const block = graph.values[ref.value]?.block ?? -1;
    const place = graph.blocks[block]?.inputs.indexOf(ref.value) ?? -1;
    const open = this.#nodes[this.#nodes.length - 1];
    if (open === undefined || place < 0) return undefined;
    if (graph.blocks[block]?.owner === null) return open.taken[place];
    if (place === 0) return undefined; // the number of the trip
    const carried = open.trip === 0 ? undefined : graph.blocks[block]?.outputs[place];
    return open.trip === 0 ? open.taken[place - 1] : carried === undefined ? undefined : this.#current.get(carried);
  }

  /** A value that no op of the run made. */
  #stored(ref: ValueRef, t: number, role: "value" | "weight"): number {
    const value = this.#parts.graph.values[ref.value];
    const node = value?.node === null || value?.node === undefined ? undefined : this.#node(value.node);
    const own = node?.op === "prim::GetAttr" ? (node.attributes["name"] ?? "").replaceAll('"', "") : "";
    const path = this.#builder.pathOf(this.#builder.top);
    const name = own === "" ? `%${value?.name ?? ref.value}` : path === "" ? own : `${path}.${own}`;
    const index = this.#builder.value(role === "weight" ? 0 : this.#builder.top, { name, t, role: role === "weight" ? "weight" : "input", ...storageOf(ref) });
    this.#keep(ref, index);
    return index;
  }

  #fill(index: number, event: EventOf<"value"> | EventOf<"plain">): void {
    const value = this.#builder.values[index];
    if (value === undefined) return;
    if (event.k === "plain") {
      value.text = event.text;
      return;
    }
    const { tensor, ref } = event;
    value.dtype = dtypeOf(tensor.dtype);
    value.shape = tensor.shape;
    value.strides = tensor.strides;
    value.offset = tensor.offset;
    const key = contentKey(ref.storage ?? -1, ref.version ?? 0, tensor);
    if (event.health !== undefined || event.hash !== undefined) this.#content.set(key, { health: event.health, hash: event.hash });
    const content = this.#content.get(key);
    if (content?.hash !== undefined) value.hash = content.hash;
    if (event.blob !== undefined) this.#blobs.set(versionKey(ref), event.blob);
    const blob = this.#blobs.get(versionKey(ref));
    if (blob?.complete === true) value.blob = blob.entry;
    if (content?.health !== undefined) {
      const { bins, ...rest } = content.health;
      value.health = bins === undefined ? rest : withHistogram(rest, () => decodeBins(bins));
    }
  }

  /** The value that an argument is: by its storage and version where these are newer than what its name last stood for. */
  #resolve(ref: ValueRef): number | undefined {
    const byName = this.#current.get(ref.value);
    if (ref.storage === undefined) return byName;
    const named = byName === undefined ? undefined : this.#builder.values[byName];
    if (named !== undefined && named.storage === ref.storage && named.version === ref.version) return byName;
    return this.#byVersion.get(versionKey(ref)) ?? byName ?? this.#owner.get(ref.storage);
  }

  #held(event: EventOf<"alloc" | "free">): void {
    const { memory } = this.#builder;
    if (event.k === "free") this.#builder.hasFrees = true;
    const before = memory[memory.length - 1]?.bytes ?? 0;
    memory.push({ t: event.t, bytes: Math.max(0, before + (event.k === "alloc" ? event.bytes : -event.bytes)) });
  }
}

/** The last part of a module's path; a number in a list keeps the list's name: `layers.0`. */
function lastPart(path: string): string {
  return /(?:[^.]+\.)?[^.]*$/.exec(path)?.[0].replace(/^.*\.(?!\d+$)/, "") ?? path;
}

function versionKey(ref: ValueRef): string {
  return `${ref.storage ?? ""}~${ref.version ?? 0}`;
}

function storageOf(ref: ValueRef): { storage?: number; version?: number } {
  return { ...(ref.storage === undefined ? {} : { storage: ref.storage }), ...(ref.version === undefined ? {} : { version: ref.version }) };
}

/** The histogram is unpacked when it is drawn: most never are. */
function withHistogram(health: Health, unpack: () => Float64Array): Health {
  let known: Float64Array | undefined;
  return Object.defineProperty({ ...health }, "histogram", { enumerable: true, get: () => (known ??= unpack()) });
}

export function placeOf(source: SourceRange): Place | undefined {
  const [author] = source.author ?? [];
  if (source.archive === undefined && author === undefined) return undefined;
  return {
    ...(source.archive === undefined ? {} : { record: source.archive.file, line: source.archive.line }),
    ...(author === undefined ? {} : { python: `${author.file}:${author.line}` }),
    ...(author?.text === undefined ? {} : { text: author.text }),
  };
}

/** Facts of nodes, each made when it is first looked at. */
function nodeFactsOf(graph: TraceGraph): (id: number) => NodeFact | undefined {
  const known = new Map<number, NodeFact>();
  return (id) => {
    const node = graph.nodes[id - 1];
    if (node === undefined) return undefined;
    let fact = known.get(id);
    if (fact === undefined) {
      const place = placeOf(node.source);
      fact = {
        id: node.id,
        op: node.op,
        text: textOf(graph, node),
        module: node.module ?? "",
        attributes: Object.entries(node.attributes),
        ...(node.name === null ? {} : { name: node.name }),
        ...(place === undefined ? {} : { place }),
      };
      known.set(id, fact);
    }
    return fact;
  };
}

/** A node in the printed form. */
function textOf(graph: TraceGraph, node: GraphNode): string {
  const name = (id: number | null): string => (id === null ? "_" : `%${graph.values[id]?.name ?? id}`);
  const results = node.results.map((id) => `${name(id)}: ${graph.values[id]?.type ?? "?"}`).join(", ");
  const attributes = Object.entries(node.attributes)
    .map(([key, text]) => `${key}=${text}`)
    .join(", ");
  return `${results === "" ? "" : `${results} = `}${node.op}${attributes === "" ? "" : `[${attributes}]`}(${node.operands.map(name).join(", ")})`;
}
