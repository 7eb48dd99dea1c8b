/** Reads `*.opwtrace` by range: opening costs the manifest, the graph and the index; events and numbers are read where they are asked for. */

import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { readNpy } from "../../bytes/npy.ts";
import { openSource, type SourceLike, type SourceOptions } from "../../bytes/source.ts";
import { openZip, type Zip } from "../../bytes/zip.ts";
import { isOpwiseError, OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import type { BlobRef, Step, TraceEvent } from "../events.ts";
import type { TraceGraph } from "../graph.ts";
import { TRACE_VERSION } from "../record.ts";
import type { TraceIndex } from "../trace-index.ts";
import type { Trace, TraceManifest } from "../trace.ts";
import { type Check, checkOf, type JsonSchema } from "./json-schema.ts";
import { EVENT_KINDS, EVENT_SCHEMA, GRAPH_SCHEMA, INDEX_SCHEMA, MANIFEST_SCHEMA } from "./schemas.ts";

/** What reading a trace may cost. */
export interface TraceLimits extends Limits {
  /** Bytes of one JSON record, inflated. */
  readonly maxJsonBytes: number;
  /** Events of one trace. */
  readonly maxEvents: number;
}
export const TRACE_LIMITS: TraceLimits = { ...DEFAULT_LIMITS, maxJsonBytes: 512 * 2 ** 20, maxEvents: 50_000_000 };

const checks = new Map<JsonSchema, Check>();
function checked(schema: JsonSchema, root: JsonSchema): Check {
  let check = checks.get(schema);
  if (check === undefined) checks.set(schema, (check = checkOf(schema, root)));
  return check;
}

/** A record's JSON, checked by its schema. @throws bad-model, limit-exceeded, missing-record */
export async function readJson(zip: Zip, name: string, schema: JsonSchema, limits: TraceLimits): Promise<unknown> {
  const value = parse(await textOf(zip, name, limits), zip.source.name, name);
  const fault = checked(schema, schema)(value, "$");
  if (fault !== undefined)
    throw new OpwiseError("bad-model", "the trace's text is not as its schema says", { where: { file: zip.source.name, record: name }, got: fault });
  return value;
}

async function textOf(zip: Zip, name: string, limits: TraceLimits): Promise<string> {
  const size = zip.entry(name)?.size ?? 0;
  if (size > limits.maxJsonBytes)
    throw new OpwiseError("limit-exceeded", "a text of the trace is too long", {
      where: { file: zip.source.name, record: name },
      wanted: `at most ${limits.maxJsonBytes} bytes`,
      got: `${size}`,
      hint: "raise `maxJsonBytes`",
    });
  return new TextDecoder().decode(await zip.read(name));
}

function parse(text: string, file: string, record: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OpwiseError("bad-model", "a text of the trace is no JSON", { where: { file, record }, cause });
  }
}

/** A chunk's events. Kinds that a newer version may have added are passed over. @throws bad-model */
export function parseEvents(text: string, file: string, record: string): TraceEvent[] {
  const events: TraceEvent[] = [];
  text.split("\n").forEach((line, i) => {
    if (line === "") return;
    const value = parse(line, file, `${record}:${i + 1}`);
    const k = typeof value === "object" && value !== null && "k" in value ? value.k : undefined;
    const schema = typeof k === "string" ? EVENT_KINDS.get(k) : undefined;
    if (schema === undefined && typeof k === "string") return;
    const fault = schema === undefined ? "$.k: a kind of event is wanted" : checked(schema, EVENT_SCHEMA)(value, "$");
    if (fault !== undefined) throw new OpwiseError("bad-model", "an event is not as its schema says", { where: { file, record, line: i + 1 }, got: fault });
    events.push(value as TraceEvent); // its schema has been checked
  });
  return events;
}

/** Ids must point into their own lists: what reads a graph follows them without looking. */
function checkGraph(graph: TraceGraph, file: string): void {
  const fail = (got: string): never => {
    throw new OpwiseError("bad-model", "the trace's graph refers to what it does not have", { where: { file, record: "graph.json" }, got });
  };
  const { nodes, values, blocks, functions } = graph;
  const isValue = (id: number | null): boolean => id === null || id < values.length;
  const isNode = (id: number | null): boolean => id === null || (id >= 1 && id <= nodes.length);
  const isBlock = (id: number | null): boolean => id === null || (id >= 0 && id < blocks.length);
  functions.forEach((fn, i) => (fn.id === i && isBlock(fn.block) ? undefined : fail(`function ${i}`)));
  blocks.forEach((block, i) =>
    block.id === i &&
    block.function < functions.length &&
    isNode(block.owner) &&
    block.nodes.every(isNode) &&
    [...block.inputs, ...block.outputs].every(isValue)
      ? undefined
      : fail(`block ${i}`),
  );
  nodes.forEach((node, i) =>
    node.id === i + 1 && isBlock(node.block) && node.blocks.every(isBlock) && [...node.operands, ...node.results].every(isValue)
      ? undefined
      : fail(`node #${i + 1}`),
  );
  values.forEach((value, i) => (value.id === i && isNode(value.node) && isBlock(value.block) ? undefined : fail(`value ${i}`)));
}

/** The manifest of an archive. @throws unsupported-version for a newer major */
export async function readManifest(zip: Zip, limits: TraceLimits): Promise<TraceManifest> {
  const value = (await readJson(zip, "manifest.json", MANIFEST_SCHEMA, limits)) as TraceManifest; // its schema has been checked
  if (value.version.major !== TRACE_VERSION.major) {
    throw new OpwiseError("unsupported-version", "the trace is of another version of the format", {
      where: { file: zip.source.name },
      wanted: `${TRACE_VERSION.major}.x`,
      got: `${value.version.major}.${value.version.minor}`,
    });
  }
  return value;
}

export async function readGraph(zip: Zip, limits: TraceLimits): Promise<TraceGraph> {
  const graph = (await readJson(zip, "graph.json", GRAPH_SCHEMA, limits)) as TraceGraph; // its schema has been checked
  checkGraph(graph, zip.source.name);
  return graph;
}

/** A trace in a file. */
class FileTrace implements Trace {
  readonly manifest: TraceManifest;
  readonly graph: TraceGraph;
  readonly index: TraceIndex;
  readonly #zip: Zip;
  readonly #limits: TraceLimits;

  constructor(zip: Zip, limits: TraceLimits, manifest: TraceManifest, graph: TraceGraph, index: TraceIndex) {
    this.#zip = zip;
    this.#limits = limits;
    this.manifest = manifest;
    this.graph = graph;
    this.index = index;
  }

  async events(from: Step = 0, to: Step = Infinity): Promise<readonly TraceEvent[]> {
    const out: TraceEvent[] = [];
    for (const chunk of this.index.chunks) {
      if (chunk.to < from || chunk.from > to) continue;
      const events = parseEvents(await textOf(this.#zip, chunk.entry, this.#limits), this.#zip.source.name, chunk.entry);
      if (out.length + events.length > this.#limits.maxEvents)
        throw new OpwiseError("limit-exceeded", "the trace has too many events", {
          where: { file: this.#zip.source.name },
          wanted: `at most ${this.#limits.maxEvents}`,
          hint: "raise `maxEvents`, or read a part",
        });
      for (const event of events) if (event.t >= from && event.t <= to) out.push(event);
    }
    return out;
  }

  async blob(ref: BlobRef): Promise<Uint8Array> {
    const array = readNpy(await this.#zip.read(ref.entry), { name: ref.entry });
    return array.data;
  }

  async source(record: string): Promise<string | undefined> {
    const name = `sources/${record}`;
    return this.#zip.entry(name) === undefined ? undefined : textOf(this.#zip, name, this.#limits);
  }
}

/** The archive of a trace. @throws truncated, with what to do, for one that was cut off */
export async function openArchive(source: Source, limits: TraceLimits): Promise<Zip> {
  try {
    return await openZip(source, limits);
  } catch (error) {
    if (isOpwiseError(error) && error.code === "truncated") {
      throw new OpwiseError("truncated", "the trace is cut off: its directory is missing", {
        where: { file: source.name },
        got: `${source.size} bytes`,
        hint: `\`opwise trace repair ${source.name}\` keeps what is whole`,
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * Opens a trace: a path, a URL (read by range), a Blob or bytes.
 * @throws truncated for a cut-off file, bad-zip, bad-model, unsupported-version, limit-exceeded
 */
export async function openTrace(what: SourceLike, options: SourceOptions & { readonly limits?: Partial<TraceLimits> } = {}): Promise<Trace> {
  const limits = { ...TRACE_LIMITS, ...options.limits };
  const zip = await openArchive(await openSource(what, options), limits);
  const manifest = await readManifest(zip, limits);
  const graph = await readGraph(zip, limits);
  const index = (await readJson(zip, "index.json", INDEX_SCHEMA, limits)) as TraceIndex; // its schema has been checked
  return new FileTrace(zip, limits, manifest, graph, index);
}
