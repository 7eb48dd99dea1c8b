/** Makes a readable trace of one that was cut off: every whole record stays, the index is made anew, and the manifest says so. */

import { bytesSource, openSource, type SourceLike } from "../../bytes/source.ts";
import { type ByteSink, MemoryBytes, recoverRecords, type WrittenRecord, ZipWriter } from "../../bytes/zip-writer.ts";
import { type Zip, openZip } from "../../bytes/zip.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { Counter } from "../record.ts";
import { IndexBuilder } from "../trace-index.ts";
import type { TraceManifest } from "../trace.ts";
import { parseEvents, readGraph, readManifest, TRACE_LIMITS } from "./reader.ts";
import { manifestBytes } from "./writer.ts";

/** Bytes that are copied at a time. */
const COPY_BYTES = 8 << 20;

export interface Repaired {
  readonly manifest: TraceManifest;
  /** Bytes of the cut-off file that are of no use. */
  readonly lost: number;
  readonly events: number;
  readonly records: number;
}

/** The whole records of an archive as an archive of its own, in memory but for their contents. */
async function archiveOf(source: Source, end: number, records: readonly WrittenRecord[]): Promise<Zip> {
  const tail = new MemoryBytes();
  new ZipWriter(tail, { records, offset: end }).finish();
  const directory = bytesSource(tail.bytes());
  return openZip({
    name: source.name,
    size: end + directory.size,
    read: async (range) => {
      if (range.offset + range.length <= end) return source.read(range);
      if (range.offset >= end) return directory.read({ offset: range.offset - end, length: range.length });
      const [head, rest] = [
        await source.read({ offset: range.offset, length: end - range.offset }),
        await directory.read({ offset: 0, length: range.offset + range.length - end }),
      ];
      const out = new Uint8Array(range.length);
      out.set(head);
      out.set(rest, head.length);
      return out;
    },
  });
}

/**
 * Writes what is whole of a cut-off trace to `to`.
 * @throws bad-zip where not even the graph is whole
 */
export async function repairTrace(what: SourceLike, to: ByteSink): Promise<Repaired> {
  const source = await openSource(what);
  const found = await recoverRecords(source);
  // Records of the end are made anew; those before them keep their places.
  const records = found.records.filter((record) => record.name !== "index.json");
  const end = records.length === found.records.length ? found.end : (found.records.find((record) => record.name === "index.json")?.headerOffset ?? found.end);
  if (!records.some((record) => record.name === "manifest.json") || !records.some((record) => record.name === "graph.json")) {
    throw new OpwiseError("bad-zip", "nothing of the trace can be kept: its manifest or its graph is not whole", {
      where: { file: source.name },
      got: `${source.size} bytes`,
    });
  }
  const zip = await archiveOf(source, end, records);
  const old = await readManifest(zip, TRACE_LIMITS);
  const graph = await readGraph(zip, TRACE_LIMITS);
  const index = new IndexBuilder(graph);
  const counter = new Counter();
  for (const name of zip.names) {
    if (!name.startsWith("events/")) continue;
    const events = parseEvents(new TextDecoder().decode(await zip.read(name)), source.name, name);
    for (const event of events) {
      index.add(event);
      counter.add(event);
    }
    index.chunk(name, events[0]?.t ?? 0, events.at(-1)?.t ?? 0, events.length);
  }
  for (let at = 0; at < end; at += COPY_BYTES) to.write(await source.read({ offset: at, length: Math.min(COPY_BYTES, end - at) }));
  const writer = new ZipWriter(to, { records, offset: end });
  writer.add("index.json", new TextEncoder().encode(JSON.stringify(index.finish())), { deflate: true });
  const lost = source.size - end;
  const manifest: TraceManifest = {
    ...old,
    counts: counter.counts(),
    leftOut: [...old.leftOut, { what: "after the cut", count: 0, bytes: lost }],
    unfinished: true,
  };
  const place = await zip.range("manifest.json");
  if (place !== undefined) writer.replace("manifest.json", place, manifestBytes(manifest, place.length));
  writer.finish();
  return { manifest, lost, events: counter.events, records: records.length };
}
