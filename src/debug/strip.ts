/** A trace written again without what its owner does not want to hand on: numbers, weights, places in the author's files (F18). */

import { MemoryBytes, ZipWriter } from "../bytes/zip-writer.ts";
import { writeNpy } from "../bytes/npy.ts";
import type { StorageId, SourceRange, TraceEvent } from "./events.ts";
import { ALIGN, ChunkWriter, manifestBytes, sourcesOf } from "./file/writer.ts";
import type { TraceGraph } from "./graph.ts";
import { hashBytes } from "./hash.ts";
import { IndexBuilder } from "./trace-index.ts";
import type { Trace } from "./trace.ts";

export interface StripOptions {
  /** Leave out all numbers; statistics stay. */
  readonly values?: boolean;
  /** Leave out the numbers of parameters, buffers and constants, and of what views them. */
  readonly weights?: boolean;
  /** Leave out folders: of files only their names stay. */
  readonly paths?: boolean;
}

const encoder = new TextEncoder();

function bare(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
}

/** Places by their files' names. A traced model's lines say the whole path once more. */
function withoutFolders(source: SourceRange): SourceRange {
  if (source.author === undefined) return source;
  return {
    ...source,
    author: source.author.map((place) => {
      const file = bare(place.file);
      const folder = place.file.slice(0, place.file.length - file.length);
      return { ...place, file, ...(place.text === undefined ? {} : { text: folder === "" ? place.text : place.text.replaceAll(folder, "") }) };
    }),
  };
}

/** Storages that hold data of the model. */
function storedIn(trace: Trace, events: readonly TraceEvent[]): ReadonlySet<StorageId> {
  const out = new Set<StorageId>();
  for (const event of events) {
    if (event.k !== "value" || event.ref.storage === undefined) continue;
    const node = trace.graph.values[event.ref.value]?.node ?? null;
    const op = node === null ? "" : (trace.graph.nodes[node - 1]?.op ?? "");
    if (op === "prim::GetAttr" || op === "prim::Constant") out.add(event.ref.storage);
  }
  return out;
}

function strippedGraph(graph: TraceGraph, options: StripOptions): TraceGraph {
  if (options.paths !== true) return graph;
  return {
    ...graph,
    model: { ...graph.model, name: bare(graph.model.name) },
    functions: graph.functions.map((fn) => ({ ...fn, source: withoutFolders(fn.source) })),
    nodes: graph.nodes.map((node) => ({ ...node, source: withoutFolders(node.source) })),
  };
}

function strippedEvent(event: TraceEvent, options: StripOptions, weights: ReadonlySet<StorageId>): TraceEvent {
  if (event.k === "value" && event.blob !== undefined) {
    const isOut = options.values === true || (options.weights === true && event.ref.storage !== undefined && weights.has(event.ref.storage));
    if (!isOut) return event;
    const { blob: _, ...rest } = event;
    return rest;
  }
  if (options.paths !== true) return event;
  if (event.k === "run") return { ...event, model: bare(event.model) };
  if (event.k === "frame") return { ...event, source: withoutFolders(event.source) };
  if (event.k === "error" && event.error.where !== undefined) {
    const where = Object.entries(event.error.where).map(
      ([key, value]) => [key, typeof value === "string" && (key === "file" || key === "python") ? bare(value) : value] as const,
    );
    return { ...event, error: { ...event.error, where: Object.fromEntries(where) } };
  }
  return event;
}

/** The bytes of a trace file with everything that `options` lets stand. The same trace and options give the same bytes. */
export async function rewriteTrace(trace: Trace, options: StripOptions = {}): Promise<Uint8Array> {
  const bytes = new MemoryBytes();
  const zip = new ZipWriter(bytes);
  const graph = strippedGraph(trace.graph, options);
  const all = await trace.events();
  const weights = storedIn(trace, all);
  const events = all.map((event) => strippedEvent(event, options, weights));
  const kept = events.flatMap((event) => (event.k === "value" && event.blob !== undefined ? [event] : []));
  const left = all.filter((event) => event.k === "value" && event.blob !== undefined).length - kept.length;
  const { manifest } = trace;
  const text = manifestBytes(
    {
      ...manifest,
      model: { ...manifest.model, name: options.paths === true ? bare(manifest.model.name) : manifest.model.name },
      counts: { ...manifest.counts, full: kept.length },
      leftOut: left === 0 ? manifest.leftOut : [...manifest.leftOut, { what: "numbers, on request", count: left, bytes: 0 }],
    },
    4096 + 2 * JSON.stringify(manifest).length,
  );
  zip.add("manifest.json", text);
  zip.add("graph.json", encoder.encode(JSON.stringify(graph)), { deflate: true });
  const names = [...sourcesOf(graph, () => "").keys()];
  for (const name of names) {
    const source = await trace.source(name);
    if (source !== undefined) zip.add(`sources/${name}`, encoder.encode(source), { deflate: true });
  }
  const index = new IndexBuilder(graph);
  const chunks = new ChunkWriter(zip, index);
  const written = new Set<string>();
  for (const event of events) {
    chunks.add(event);
    if (event.k !== "value" || event.blob === undefined || written.has(event.blob.entry)) continue;
    written.add(event.blob.entry);
    const data = await trace.blob(event.blob);
    zip.add(event.blob.entry, writeNpy({ dtype: "uint8", shape: [data.byteLength], data }), { align: ALIGN });
    index.blob(event.blob.entry, { dtype: event.tensor.dtype, bytes: data.byteLength, hash: hashBytes(data, "uint8") });
  }
  chunks.flush();
  zip.add("index.json", encoder.encode(JSON.stringify(index.finish())), { deflate: true });
  zip.finish();
  return bytes.bytes();
}
