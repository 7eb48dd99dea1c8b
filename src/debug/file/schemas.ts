/** The JSON of a trace file as schemas: readers check what they read by them, and `schemas/` publishes them. */

import type { TraceEvent } from "../events.ts";
import type { JsonSchema } from "./json-schema.ts";

const DRAFT = "https://json-schema.org/draft/2020-12/schema";
const text: JsonSchema = { type: "string" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const whole: JsonSchema = { type: "integer" };
const number: JsonSchema = { type: "number" };
const flag: JsonSchema = { type: "boolean" };
const list = (items: JsonSchema, more: JsonSchema = {}): JsonSchema => ({ type: "array", items, ...more });
const object = (properties: Readonly<Record<string, JsonSchema>>, optional: Readonly<Record<string, JsonSchema>> = {}, more: JsonSchema = {}): JsonSchema => ({
  type: "object",
  ...more,
  properties: { ...properties, ...optional },
  required: Object.keys(properties),
});
const ref = (name: string): JsonSchema => ({ $ref: `#/$defs/${name}` });

/** More axes than any tensor has. */
const MAX_RANK = 256;

const SOURCE_DEFS: Readonly<Record<string, JsonSchema>> = {
  source: object(
    {},
    { archive: object({ file: text, line: count, start: count, end: count }), author: list(object({ file: text, line: count }, { text, function: text })) },
    {
      description: "Where a node comes from: the archive's text, and the author's lines, innermost call first.",
    },
  ),
};

export const GRAPH_SCHEMA: JsonSchema = {
  $schema: DRAFT,
  $id: "opwtrace-graph-1",
  title: "graph.json: the static graph of a program",
  ...object({
    model: object({ name: text, format: text, version: text }),
    functions: list(
      object({ id: count, name: text, class: { type: ["string", "null"] }, block: { type: ["integer", "null"] }, source: ref("source") }, { error: text }),
    ),
    blocks: list(object({ id: count, function: count, owner: { type: ["integer", "null"] }, inputs: list(count), nodes: list(count), outputs: list(whole) })),
    nodes: list(
      object({
        id: { type: "integer", minimum: 1 },
        op: text,
        name: { type: ["string", "null"] },
        block: count,
        operands: list({ type: ["integer", "null"] }),
        results: list(count),
        blocks: list(count),
        attributes: { type: "object", additionalProperties: text },
        source: ref("source"),
        module: { type: ["string", "null"] },
      }),
    ),
    values: list(object({ id: count, name: text, type: text, block: count, node: { type: ["integer", "null"] } })),
    modules: list(object({ path: text, class: text })),
    weights: list(object({ name: text, role: text, dtype: text, shape: list(count, { maxItems: MAX_RANK }), bytes: count })),
  }),
  $defs: SOURCE_DEFS,
};

export const MANIFEST_SCHEMA: JsonSchema = {
  $schema: DRAFT,
  $id: "opwtrace-manifest-1",
  title: "manifest.json: what was recorded, how, and what was left out",
  ...object(
    {
      format: { const: "opwtrace" },
      version: object({ major: count, minor: count }),
      tool: object({ name: text, version: text }),
      model: object({ name: text, format: text, version: text }, { sha256: text }),
      backend: text,
      options: object({ values: text, timing: flag, prims: flag, maxBytes: { type: ["number", "null"] } }, { select: text }),
      counts: object({ nodes: count, events: count, values: count, full: count, storages: count }),
      leftOut: list(object({ what: text, count, bytes: count })),
      judge: flag,
    },
    { recorded: text, unfinished: flag },
  ),
};

const DEFS: Readonly<Record<string, JsonSchema>> = {
  ref: object({ value: whole }, { storage: count, version: count }, { description: "A value: of the graph, and its storage at a version." }),
  tensor: object({ dtype: text, shape: list(count, { maxItems: MAX_RANK }), strides: list(whole, { maxItems: MAX_RANK }), offset: count }),
  health: object(
    { n: count, nan: count, posInf: count, negInf: count, zero: count, subnormal: count, neg: count },
    { min: number, max: number, mean: number, std: number, absmax: number, bins: text },
  ),
  blob: object({ entry: text, complete: flag }, { slice: text }),
  error: object(
    { code: text, message: text },
    { where: { type: "object", additionalProperties: { type: ["string", "number"] } }, wanted: text, got: text, hint: text },
  ),
  ...SOURCE_DEFS,
};
const refs = list(ref("ref"));

/** Each kind of event with its own fields; all have `t`, and may have `us`. */
const KINDS: Readonly<
  Record<TraceEvent["k"], readonly [description: string, fields: Readonly<Record<string, JsonSchema>>, optional?: Readonly<Record<string, JsonSchema>>]>
> = {
  run: ["A run begins.", { run: count, model: text, backend: text, inputs: refs, seed: text }],
  enter: ["A node begins: its nth execution, in a frame.", { node: count, nth: count, frame: count, args: refs, backend: text }, { planStep: count }],
  exit: ["A node has run.", { node: count, nth: count, outs: refs }, { ms: number, gpuMs: number, bytes: count, flops: number }],
  value: [
    "A tensor is there. Health and hash stand with the first value that shows these elements of this version.",
    { ref: ref("ref"), tensor: ref("tensor") },
    { health: ref("health"), hash: text, blob: ref("blob") },
  ],
  plain: ["A value that is no tensor.", { ref: ref("ref"), text }],
  write: [
    "A node has written a storage, which now has this version.",
    { storage: count, version: count, node: count, through: whole },
    { range: list(count, { minItems: 2, maxItems: 2 }) },
  ],
  alloc: ["A storage has come into being.", { storage: count, bytes: count, backend: text }, { reuses: count }],
  free: ["A storage is gone.", { storage: count, bytes: count, backend: text }],
  frame: [
    "A method or function is called.",
    { frame: count, parent: { type: ["integer", "null"] }, method: text, module: text, source: ref("source") },
    { node: count },
  ],
  leave: ["The call has ended.", { frame: count }],
  block: ["A branch, a trip or a fork begins.", { node: count, block: count, trip: count, why: { enum: ["if", "loop", "fork"] } }, { taken: flag }],
  read: ["The host wants numbers.", { ref: ref("ref"), why: { enum: ["if", "item", "shape", "print", "output"] } }],
  prim: ["A primitive call inside a node.", { call: count, kind: text, of: whole }, { ms: number }],
  fallback: ["A call ran elsewhere than on the session's backend.", { node: whole, from: text, to: text, reason: text, bytes: count }],
  rng: ["Random numbers were drawn; the states' hashes.", { generator: text, before: text, after: text, draws: count }],
  print: ["The model printed.", { text }],
  warn: ["A warning.", { text }],
  error: ["An error was raised.", { error: ref("error") }, { node: count }],
  dropped: ["What the budget left out.", { what: text, count, bytes: count }],
};

/** The schema of each kind of event. */
export const EVENT_KINDS: ReadonlyMap<string, JsonSchema> = new Map(
  Object.entries(KINDS).map(([k, [description, fields, optional = {}]]) => [
    k,
    object({ k: { const: k }, t: count, ...fields }, { us: number, ...optional }, { description }),
  ]),
);

export const EVENT_SCHEMA: JsonSchema = {
  $schema: DRAFT,
  $id: "opwtrace-event-1",
  title: "events/*.jsonl: one event a line",
  anyOf: [...EVENT_KINDS.values()],
  $defs: DEFS,
};

export const INDEX_SCHEMA: JsonSchema = {
  $schema: DRAFT,
  $id: "opwtrace-index-1",
  title: "index.json: where what lies, and a summary of each node",
  ...object({
    chunks: list(object({ entry: text, from: count, to: count, events: count })),
    nodes: {
      type: "object",
      additionalProperties: object(
        { n: count, ts: list(count), backend: text, bytes: count, flops: number, fallbacks: count, nan: count, inf: count },
        { ms: number, absmax: number },
      ),
    },
    values: { type: "object", additionalProperties: list(object({ t: count, entry: text })) },
    blobs: { type: "object", additionalProperties: object({ dtype: text, bytes: count, hash: text }) },
  }),
};

/** The published schemas by file name. */
export const SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  "opwtrace-graph.schema.json": GRAPH_SCHEMA,
  "opwtrace-manifest.schema.json": MANIFEST_SCHEMA,
  "opwtrace-event.schema.json": EVENT_SCHEMA,
  "opwtrace-index.schema.json": INDEX_SCHEMA,
};
