/**
 * A trace of a transformer that never ran: any number of nodes, values with statistics of seeded numbers, some with all their numbers.
 * For the page's tests and its bench, which need sizes that no committed model has.
 */

import { healthOf } from "../../src/debug/health.ts";
import type { TraceEvent, ValueRef } from "../../src/debug/events.ts";
import type { GraphNode, GraphValue, TraceGraph } from "../../src/debug/graph.ts";
import { MemoryTrace } from "../../src/debug/record.ts";

export interface GeneratedOptions {
  /** Nodes, about. */
  readonly nodes: number;
  /** Values that have all their numbers: one in so many; 0 for none. Default 8. */
  readonly fullEvery?: number;
  /** A layer from which every value is scaled by 1.5: a second run that differs. */
  readonly wrongFrom?: number;
  /** A layer whose division makes NaN. */
  readonly nanAt?: number;
}

const LAYER_OPS = [
  "layer_norm",
  "linear",
  "linear",
  "linear",
  "matmul",
  "div",
  "softmax",
  "matmul",
  "linear",
  "add",
  "layer_norm",
  "linear",
  "gelu",
  "linear",
  "add",
] as const;
const PARTS = ["attn_norm", "attn", "attn", "attn", "attn", "attn", "attn", "attn", "attn", "", "mlp_norm", "mlp", "mlp", "mlp", ""] as const;

/** A small generator with a state of its own: the same numbers everywhere. */
function mulberry(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

class Maker {
  readonly nodes: GraphNode[] = [];
  readonly values: GraphValue[] = [];
  readonly events: TraceEvent[] = [];
  readonly blobs = new Map<string, Uint8Array>();
  readonly random = mulberry(7);
  t = 0;
  us = 0;
  storages = 0;
  made = 0;
  full = 0;

  value(name: string, node: number | null): number {
    this.values.push({ id: this.values.length, name, type: "Tensor", block: 0, node });
    return this.values.length - 1;
  }

  tensor(value: number, shape: readonly number[], fill: (i: number) => number, isFull: boolean): ValueRef {
    const storage = this.storages++;
    const ref = { value, storage, version: 0 };
    const numel = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: numel }, (_, i) => fill(i));
    const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
    const bytes = new Uint8Array(data.buffer);
    const entry = `tensors/${storage}-v0.npy`;
    if (isFull) this.blobs.set(entry, bytes);
    this.full += isFull ? 1 : 0;
    this.made++;
    this.events.push(
      { k: "alloc", t: this.t, storage, bytes: bytes.length, backend: "cpu" },
      {
        k: "value",
        t: this.t,
        ref,
        tensor: { dtype: "float32", shape, strides, offset: 0 },
        health: healthOf({ dtype: "float32", shape, strides, offset: 0 }, bytes),
        ...(isFull ? { blob: { entry, complete: true } } : {}),
      },
    );
    return ref;
  }
}

/** The trace, in memory. */
export function generatedTrace(options: GeneratedOptions): MemoryTrace {
  const maker = new Maker();
  const { random, nodes, events } = maker;
  const layers = Math.max(1, Math.round((options.nodes - 2) / (LAYER_OPS.length + 3)));
  const every = options.fullEvery ?? 8;
  const [rows, columns] = [8, 16];
  const source = (line: number): GraphNode["source"] => ({
    archive: { file: "code/__torch__/encoder.py", line, start: 3, end: 40 },
    author: [{ file: "encoder.py", line: line + 20 }],
  });
  const frames: string[] = [];
  let frameIds = 0;
  const call = (method: string, module: string, inputs: ValueRef): { readonly node: number; readonly result: number } => {
    const id = nodes.length + 1;
    const result = maker.value(`${module.replaceAll(".", "_")}_out`, id);
    nodes.push({
      id,
      op: "prim::CallMethod",
      name: null,
      block: 0,
      operands: [inputs.value],
      results: [result],
      blocks: [],
      attributes: { name: JSON.stringify(method) },
      source: source(2),
      module: null,
    });
    events.push({ k: "enter", t: ++maker.t, us: maker.us, node: id, nth: 0, frame: frameIds - 1, args: [inputs], backend: "host" });
    events.push({ k: "frame", t: maker.t, us: maker.us, frame: frameIds, parent: frameIds - 1, method, module, source: source(1), node: id });
    frames.push(module);
    frameIds++;
    return { node: id, result };
  };
  const leave = (at: { readonly node: number; readonly result: number }, out: ValueRef, since: number): ValueRef => {
    frames.pop();
    const ref = { ...out, value: at.result };
    events.push({ k: "leave", t: maker.t, us: maker.us, frame: --frameIds });
    events.push({ k: "exit", t: maker.t, us: maker.us, node: at.node, nth: 0, outs: [ref], ms: (maker.us - since) / 1000 });
    return ref;
  };
  let scale = 1;
  let isNan = false;
  const op = (name: string, args: readonly ValueRef[], shape: readonly number[], line: number): ValueRef => {
    const id = nodes.length + 1;
    const result = maker.value(`${name}.${id}`, id);
    nodes.push({
      id,
      op: `aten::${name}`,
      name: null,
      block: 0,
      operands: args.map((arg) => arg.value),
      results: [result],
      blocks: [],
      attributes: {},
      source: source(line),
      module: frames.at(-1) ?? "",
    });
    events.push({ k: "enter", t: ++maker.t, us: maker.us, node: id, nth: 0, frame: 0, args, backend: "cpu" });
    const us = Math.round(20 + 400 * random() * (name === "linear" || name === "matmul" ? 3 : 0.5));
    maker.us += us;
    const isFull = every > 0 && id % every === 0;
    const wave = 0.3 + random();
    const sharp = name === "softmax";
    const fill = (i: number): number => {
      if (isNan && name === "div" && i % columns === 3) return Number.NaN;
      const noise = Math.sin((i % columns) * wave) * Math.cos(Math.floor(i / columns) * 0.7) + (random() - 0.5) * 0.6;
      return sharp ? Math.abs(noise) / columns : noise * scale;
    };
    const ref = { value: result, storage: maker.storages, version: 0 };
    events.push({ k: "exit", t: maker.t, us: maker.us, node: id, nth: 0, outs: [ref], ms: us / 1000, flops: 1000 });
    maker.tensor(result, shape, fill, isFull);
    return ref;
  };

  const input = maker.value("tokens", null);
  const first: ValueRef = { value: input, storage: 0, version: 0 };
  events.push({ k: "run", t: 0, us: 0, run: 0, model: "encoder.pt", backend: "cpu", inputs: [first], seed: "0" });
  events.push({ k: "frame", t: 0, us: 0, frame: frameIds++, parent: null, method: "forward", module: "", source: source(1) });
  maker.tensor(input, [1, rows, columns], (i) => Math.sin(i), true);
  let x: ValueRef = first;
  for (let layer = 0; layer < layers; layer++) {
    scale = options.wrongFrom !== undefined && layer >= options.wrongFrom ? 1.5 : 1;
    isNan = options.nanAt === layer;
    const since = maker.us;
    const block = call("forward", `encoder.layers.${layer}`, x);
    let inner: { readonly node: number; readonly result: number } | undefined;
    let part = "";
    let innerSince = 0;
    let skip = x;
    let y = x;
    let held: ValueRef[] = [];
    LAYER_OPS.forEach((name, i) => {
      const wanted = PARTS[i] ?? "";
      if (wanted !== part) {
        if (inner !== undefined) y = leave(inner, y, innerSince);
        inner = wanted === "" ? undefined : call("forward", `encoder.layers.${layer}.${wanted}`, y);
        innerSince = maker.us;
        part = wanted;
        held = [];
      }
      if (name === "add") {
        y = op("add", [y, skip], [1, rows, columns], 10 + i);
        skip = y;
      } else if (name === "matmul") {
        y = op("matmul", [held.at(-1) ?? y, held.at(-2) ?? skip], [1, rows, name === "matmul" && i === 4 ? rows : columns], 10 + i);
      } else {
        const isQkv = i >= 1 && i <= 3;
        const out = op(name, [isQkv ? (held[0] ?? y) : y], [1, rows, i === 5 || i === 6 ? rows : columns], 10 + i);
        if (i === 0) held = [out];
        else held.push(out);
        y = out;
      }
    });
    if (inner !== undefined) y = leave(inner, y, innerSince);
    x = leave(block, y, since);
  }
  const logits = op("linear", [x], [1, rows, columns], 40);
  events.push({ k: "read", t: maker.t, ref: logits, why: "output" });
  events.push({ k: "leave", t: maker.t, us: maker.us, frame: 0 });

  const modules = [{ path: "", class: "__torch__.Encoder" }];
  for (let layer = 0; layer < layers; layer++) {
    modules.push({ path: `encoder.layers.${layer}`, class: "__torch__.Block" });
    for (const part of new Set(PARTS)) {
      if (part !== "")
        modules.push({
          path: `encoder.layers.${layer}.${part}`,
          class: part === "attn" ? "__torch__.Attention" : part === "mlp" ? "__torch__.Mlp" : "__torch__.torch.nn.modules.normalization.LayerNorm",
        });
    }
  }
  const graph: TraceGraph = {
    model: { name: "encoder.pt", format: "torchscript", version: "10" },
    functions: [{ id: 0, name: "forward", class: "__torch__.Encoder", block: 0, source: source(1) }],
    blocks: [{ id: 0, function: 0, owner: null, inputs: [input], nodes: nodes.map((node) => node.id), outputs: [logits.value] }],
    nodes,
    values: maker.values,
    modules,
    weights: [],
  };
  const text = Array.from({ length: 60 }, (_, i) => (i === 0 ? "class Encoder(Module):" : `    x${i} = torch.step_${i}(x${i - 1})`)).join("\n");
  return new MemoryTrace(
    {
      format: "opwtrace",
      version: { major: 1, minor: 0 },
      tool: { name: "opwise", version: "0.0.0" },
      model: { name: "encoder.pt", format: "torchscript", version: "10" },
      backend: "cpu",
      options: { values: "stats", timing: true, prims: false, maxBytes: null },
      counts: { nodes: nodes.length, events: events.length, values: maker.made, full: maker.full, storages: maker.storages },
      leftOut: [],
      judge: false,
    },
    graph,
    events,
    maker.blobs,
    (record) => (record === "code/__torch__/encoder.py" ? text : undefined),
  );
}
