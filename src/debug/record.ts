/** `record`: runs a method and keeps what happened (F1). */

import type { Input } from "../run/convert.ts";
import type { Returned, RunOptions, Session } from "../run/session.ts";
import { OpwiseError, typedError } from "../tensor/error.ts";
import type { Storage } from "../tensor/storage.ts";
import type { BlobRef, Step, Tier, TraceEvent } from "./events.ts";
import { graphOf, type TraceGraph } from "./graph.ts";
import { Recorder } from "./recorder.ts";
import { printSelector } from "./selector.ts";
import type { KeptStorage, RecorderOptions, Sink } from "./sink.ts";
import { IndexBuilder, type TraceIndex } from "./trace-index.ts";
import { runOf, type Trace, type TraceManifest, type TraceRun } from "./trace.ts";

export const TRACE_VERSION = { major: 1, minor: 0 };
export const TOOL = { name: "opwise", version: "0.1.0" };

/** Inputs of a run: by position, by name (ONNX feeds), or both. */
export interface RunInputs {
  readonly args?: readonly Input[];
  readonly named?: Readonly<Record<string, Input>>;
}

export interface RecordOptions extends RecorderOptions {
  readonly method?: string;
  /** Bytes of numbers that are kept; default 2 GiB. What does not fit is counted as left out. */
  readonly maxBytes?: number | undefined;
  /** Of the model's file, for the manifest. */
  readonly sha256?: string | undefined;
  /** Bounds of the run. */
  readonly limits?: Pick<RunOptions, "signal" | "maxSteps" | "maxBytes" | "maxWork">;
}

export const DEFAULT_MAX_BYTES: number = 2 * 2 ** 30;

/** A recorded run: the trace, its index, and the result, or the error that ended it. */
export interface Recording {
  readonly trace: Trace;
  readonly run: TraceRun;
  readonly result: Returned | undefined;
  readonly error: OpwiseError | undefined;
}

/**
 * Runs a method of the session and records it in memory. An error that the model raises ends the trace, and is given beside it.
 * @throws bad-argument and the like for inputs that do not fit: nothing has run then
 */
export async function record(session: Session, inputs: RunInputs = {}, options: RecordOptions = {}): Promise<Recording> {
  const sink = new MemorySink(options.maxBytes ?? DEFAULT_MAX_BYTES);
  const recorder = new Recorder(session, sink, options);
  let result: Returned | undefined;
  let error: OpwiseError | undefined;
  try {
    result = await session.invoke(options.method ?? "forward", inputs.args ?? [], inputs.named ?? {}, { ...options.limits, listener: recorder.listener });
  } catch (thrown) {
    if (sink.events.length === 0) throw thrown;
    error = typedError(thrown);
  }
  const trace = sink.finish(session, options);
  return { trace, run: runOf(trace, sink.events), result, error };
}

/** What a manifest says of a recording. */
export function manifestOf(session: Session, options: RecordOptions, counts: TraceManifest["counts"], leftOut: TraceManifest["leftOut"]): TraceManifest {
  const { name, format, version } = session.program;
  return {
    format: "opwtrace",
    version: TRACE_VERSION,
    tool: TOOL,
    model: { name, format, version, ...(options.sha256 === undefined ? {} : { sha256: options.sha256 }) },
    backend: session.executor.backend.name,
    options: {
      values: options.values ?? "stats",
      ...(options.select === undefined ? {} : { select: printSelector(options.select) }),
      timing: options.timing !== false,
      prims: options.prims === true,
      maxBytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    },
    counts,
    leftOut,
    judge: false,
  };
}

/** Counts of events, as the manifest has them. */
export class Counter {
  events = 0;
  values = 0;
  full = 0;
  readonly #nodes = new Set<number>();
  readonly #storages = new Set<number>();

  add(event: TraceEvent): void {
    this.events++;
    if (event.k === "enter") this.#nodes.add(event.node);
    else if (event.k === "value" || event.k === "plain") this.values++;
    if (event.k === "value") {
      if (event.blob !== undefined) this.full++;
      if (event.ref.storage !== undefined) this.#storages.add(event.ref.storage);
    }
  }
  counts(): TraceManifest["counts"] {
    return { nodes: this.#nodes.size, events: this.events, values: this.values, full: this.full, storages: this.#storages.size };
  }
}

/** Keeps events and numbers in memory. Numbers stay where they are until something overwrites them. */
class MemorySink implements Sink {
  readonly events: TraceEvent[] = [];
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #counter = new Counter();
  readonly #dropped = { count: 0, bytes: 0 };
  readonly #release: (() => void)[] = [];
  #left: number;

  constructor(maxBytes: number) {
    this.#left = maxBytes;
  }

  event(event: TraceEvent): void {
    this.events.push(event);
    this.#counter.add(event);
  }

  limit(wanted: Tier): Tier {
    return wanted;
  }

  keep({ storage, version, bytes, live }: KeptStorage): BlobRef | undefined {
    if (bytes.byteLength > this.#left) {
      this.#dropped.count++;
      this.#dropped.bytes += bytes.byteLength;
      return undefined;
    }
    this.#left -= bytes.byteLength;
    const entry = `tensors/${storage}-v${version}.npy`;
    // Without a storage to borrow from, the bytes may be a view of a device's memory.
    if (live === undefined) this.#blobs.set(entry, bytes.slice());
    else this.#borrow(entry, bytes, live);
    return { entry, complete: true };
  }

  #borrow(entry: string, bytes: Uint8Array, live: Storage): void {
    this.#blobs.set(entry, bytes);
    const saver = (saved: Uint8Array): void => void this.#blobs.set(entry, saved);
    live.saveBeforeWrite(saver);
    this.#release.push(() => {
      // What callers hold may be written without a word: it is copied now.
      const now = this.#blobs.get(entry);
      if (now === bytes) this.#blobs.set(entry, bytes.slice());
      live.forgetSaver(saver);
    });
  }

  finish(session: Session, options: RecordOptions): Trace {
    for (const release of this.#release) release();
    const { count, bytes } = this.#dropped;
    if (count > 0) this.event({ k: "dropped", t: this.events.at(-1)?.t ?? 0, what: "values", count, bytes });
    const leftOut = count > 0 ? [{ what: "values", count, bytes }] : [];
    return new MemoryTrace(
      manifestOf(session, options, this.#counter.counts(), leftOut),
      graphOf(session.program),
      this.events,
      this.#blobs,
      session.program.sourceText,
    );
  }
}

/** A trace whose parts are in memory. */
export class MemoryTrace implements Trace {
  readonly manifest: TraceManifest;
  readonly graph: TraceGraph;
  readonly #events: readonly TraceEvent[];
  readonly #blobs: ReadonlyMap<string, Uint8Array>;
  readonly #source: ((record: string) => string | undefined) | undefined;
  #index: TraceIndex | undefined;

  constructor(
    manifest: TraceManifest,
    graph: TraceGraph,
    events: readonly TraceEvent[],
    blobs: ReadonlyMap<string, Uint8Array>,
    source: ((record: string) => string | undefined) | undefined,
  ) {
    this.manifest = manifest;
    this.graph = graph;
    this.#events = events;
    this.#blobs = blobs;
    this.#source = source;
  }
  get index(): TraceIndex {
    if (this.#index === undefined) {
      const builder = new IndexBuilder(this.graph);
      for (const event of this.#events) builder.add(event);
      this.#index = builder.finish();
    }
    return this.#index;
  }
  events(from: Step = 0, to: Step = Infinity): Promise<readonly TraceEvent[]> {
    return Promise.resolve(from === 0 && to === Infinity ? this.#events : this.#events.filter((event) => event.t >= from && event.t <= to));
  }
  blob(ref: BlobRef): Promise<Uint8Array> {
    const bytes = this.#blobs.get(ref.entry);
    if (bytes === undefined)
      return Promise.reject(new OpwiseError("missing-record", `the trace has no record \`${ref.entry}\``, { where: { record: ref.entry } }));
    return Promise.resolve(bytes);
  }
  source(record: string): Promise<string | undefined> {
    return Promise.resolve(this.#source?.(record));
  }
}
