/** Writes `*.opwtrace` while a run goes on: a zip archive whose tensors are stored on 64-byte borders, whose events come in chunks, whose index comes last. */

import { writeNpy } from "../../bytes/npy.ts";
import { type ByteSink, MemoryBytes, ZipWriter } from "../../bytes/zip-writer.ts";
import { type OpwiseError, typedError } from "../../tensor/error.ts";
import type { Range } from "../../tensor/source.ts";
import type { Session } from "../../run/session.ts";
import { type DType, itemsize } from "../../tensor/dtype.ts";
import type { BlobRef, Step, Tier, TraceEvent } from "../events.ts";
import { graphOf, type TraceGraph } from "../graph.ts";
import { hashBytes } from "../hash.ts";
import { Counter, DEFAULT_MAX_BYTES, manifestOf, type RecordOptions, type RunInputs } from "../record.ts";
import { Recorder } from "../recorder.ts";
import type { KeptStorage, Sink } from "../sink.ts";
import { IndexBuilder } from "../trace-index.ts";
import type { TraceManifest } from "../trace.ts";
import type { Returned } from "../../run/session.ts";

export const ALIGN = 64;
/** Bytes of text after which a chunk of events is written. */
const CHUNK_BYTES = 1 << 20;
/** What is kept of each end of a storage that does not fit whole. */
const END_BYTES = 4096;
/** Shares of the budget up to which numbers, their ends, health records and hashes are written; structure always is. */
const SHARES = { full: 0.75, ends: 0.85, health: 0.9, hash: 0.97 };
/** A deflated event takes about so much of its text. */
const PACKED = 0.2;

const encoder = new TextEncoder();

/** The manifest as it is written: padded, so that it can be replaced when the run has ended. */
export function manifestBytes(manifest: TraceManifest, length: number): Uint8Array {
  return encoder.encode(JSON.stringify(manifest, undefined, 1).padEnd(length - 1) + "\n");
}

/** Collects events into chunks of an archive. */
export class ChunkWriter {
  readonly #zip: ZipWriter;
  readonly #index: IndexBuilder;
  #lines: string[] = [];
  #length = 0;
  #from: Step = 0;
  #to: Step = 0;
  #count: number;

  constructor(zip: ZipWriter, index: IndexBuilder, first: number = 0) {
    this.#zip = zip;
    this.#index = index;
    this.#count = first;
  }

  get pending(): number {
    return this.#length;
  }
  add(event: TraceEvent): void {
    this.#index.add(event);
    if (this.#lines.length === 0) this.#from = event.t;
    this.#to = event.t;
    const line = JSON.stringify(event);
    this.#lines.push(line);
    this.#length += line.length + 1;
    if (this.#length >= CHUNK_BYTES) this.flush();
  }
  flush(): void {
    if (this.#lines.length === 0) return;
    const entry = `events/${String(this.#count++).padStart(6, "0")}.jsonl`;
    this.#zip.add(entry, encoder.encode(`${this.#lines.join("\n")}\n`), { deflate: true });
    this.#index.chunk(entry, this.#from, this.#to, this.#lines.length);
    this.#lines = [];
    this.#length = 0;
  }
}

/** Texts of the records that nodes come from. */
export function sourcesOf(graph: TraceGraph, sourceText: ((record: string) => string | undefined) | undefined): Map<string, string> {
  const out = new Map<string, string>();
  for (const { source } of [...graph.functions, ...graph.nodes]) {
    const record = source.archive?.file;
    if (record === undefined || out.has(record)) continue;
    const text = sourceText?.(record);
    if (text !== undefined) out.set(record, text);
  }
  return out;
}

class FileSink implements Sink {
  readonly #zip: ZipWriter;
  readonly #index: IndexBuilder;
  readonly #chunks: ChunkWriter;
  readonly #counter = new Counter();
  readonly #session: Session;
  readonly #options: RecordOptions;
  readonly #place: Range;
  readonly #max: number;
  /** Records by the hash of their content. */
  readonly #same = new Map<string, BlobRef>();
  readonly #dropped = new Map<string, { count: number; bytes: number }>();
  #last: Step = 0;

  constructor(bytes: ByteSink, session: Session, options: RecordOptions) {
    this.#session = session;
    this.#options = options;
    this.#max = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#zip = new ZipWriter(bytes);
    const graph = graphOf(session.program);
    const draft = this.#manifest(true);
    this.#place = this.#zip.add("manifest.json", manifestBytes(draft, 4096 + 2 * JSON.stringify(draft).length));
    this.#zip.add("graph.json", encoder.encode(JSON.stringify(graph)), { deflate: true });
    for (const [record, text] of sourcesOf(graph, session.program.sourceText)) this.#zip.add(`sources/${record}`, encoder.encode(text), { deflate: true });
    this.#index = new IndexBuilder(graph);
    this.#chunks = new ChunkWriter(this.#zip, this.#index);
  }

  #manifest(unfinished: boolean): TraceManifest {
    const leftOut = [...this.#dropped].map(([what, { count, bytes }]) => ({ what, count, bytes }));
    const manifest = manifestOf(this.#session, this.#options, this.#counter.counts(), leftOut);
    return unfinished ? { ...manifest, unfinished } : manifest;
  }

  get #used(): number {
    return this.#zip.offset + this.#chunks.pending * PACKED;
  }
  #drop(what: string, bytes: number): void {
    const so = this.#dropped.get(what) ?? { count: 0, bytes: 0 };
    this.#dropped.set(what, { count: so.count + 1, bytes: so.bytes + bytes });
  }

  limit(wanted: Tier): Tier {
    if (wanted >= 2 && this.#used > this.#max * SHARES.health) {
      this.#drop("health", 0);
      return this.limit(1);
    }
    if (wanted === 1 && this.#used > this.#max * SHARES.hash) {
      this.#drop("hashes", 0);
      return 0;
    }
    return wanted;
  }

  event(event: TraceEvent): void {
    this.#last = event.t;
    this.#counter.add(event);
    this.#chunks.add(event);
  }

  keep({ storage, version, dtype, bytes }: KeptStorage): BlobRef | undefined {
    const hash = hashBytes(bytes, dtype);
    const same = this.#same.get(hash);
    if (same !== undefined) return same;
    const ref = this.#store(`tensors/${storage}-v${version}.npy`, dtype, bytes, hash);
    if (ref !== undefined) this.#same.set(hash, ref);
    return ref;
  }

  #store(entry: string, dtype: DType, bytes: Uint8Array, hash: string): BlobRef | undefined {
    const total = bytes.byteLength;
    if (this.#used + total <= this.#max * SHARES.full) {
      this.#array(entry, dtype, bytes, hash, total);
      return { entry, complete: true };
    }
    this.#drop("numbers", total);
    if (total <= 2 * END_BYTES || this.#used + 2 * END_BYTES > this.#max * SHARES.ends) return undefined;
    const ends = new Uint8Array(2 * END_BYTES);
    const tailAt = total - END_BYTES - ((total - END_BYTES) % itemsize(dtype));
    ends.set(bytes.subarray(0, END_BYTES));
    ends.set(bytes.subarray(tailAt, tailAt + END_BYTES), END_BYTES);
    this.#array(entry, dtype, ends, hash, total);
    return { entry, complete: false, slice: `0-${END_BYTES},${tailAt}-${tailAt + END_BYTES}` };
  }

  #array(entry: string, dtype: DType, bytes: Uint8Array, hash: string, total: number): void {
    // What NumPy has no name for goes as bytes; the index has the true dtype.
    const plain = dtype === "complex32" || bytes.byteLength % itemsize(dtype) !== 0 ? "uint8" : dtype;
    this.#zip.add(entry, writeNpy({ dtype: plain, shape: [bytes.byteLength / itemsize(plain)], data: bytes }), { align: ALIGN });
    this.#index.blob(entry, { dtype, bytes: total, hash });
  }

  finish(): TraceManifest {
    for (const [what, { count, bytes }] of this.#dropped) this.event({ k: "dropped", t: this.#last, what, count, bytes });
    this.#chunks.flush();
    this.#zip.add("index.json", encoder.encode(JSON.stringify(this.#index.finish())), { deflate: true });
    const manifest = this.#manifest(false);
    this.#zip.replace("manifest.json", this.#place, manifestBytes(manifest, this.#place.length));
    this.#zip.finish();
    return manifest;
  }
}

/** What a recording into a file gives. */
export interface WrittenRecording {
  readonly manifest: TraceManifest;
  readonly result: Returned | undefined;
  readonly error: OpwiseError | undefined;
}

/**
 * Runs a method of the session and writes its trace to `bytes` as it goes (F1). An error that the model raises ends the trace, and is given beside it.
 * @throws bad-argument and the like for inputs that do not fit, io-error
 */
export async function recordTo(bytes: ByteSink, session: Session, inputs: RunInputs = {}, options: RecordOptions = {}): Promise<WrittenRecording> {
  const sink = new FileSink(bytes, session, options);
  const recorder = new Recorder(session, sink, options);
  let result: Returned | undefined;
  let error: OpwiseError | undefined;
  try {
    result = await session.invoke(options.method ?? "forward", inputs.args ?? [], inputs.named ?? {}, { ...options.limits, listener: recorder.listener });
  } catch (thrown) {
    if (!recorder.begun) {
      bytes.close();
      throw thrown;
    }
    error = typedError(thrown);
  }
  return { manifest: sink.finish(), result, error };
}

/** As `recordTo`, into memory: the bytes of the file. */
export async function recordBytes(
  session: Session,
  inputs: RunInputs = {},
  options: RecordOptions = {},
): Promise<WrittenRecording & { readonly bytes: Uint8Array }> {
  const bytes = new MemoryBytes();
  const written = await recordTo(bytes, session, inputs, options);
  return { ...written, bytes: bytes.bytes() };
}
