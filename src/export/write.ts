/** Drops what nothing needs, and writes the model: one file, or large data beside it. */

import type { GraphProto, ModelProto, NodeProto, TensorProto } from "../bytes/onnx-proto.ts";
import { encodeModel, type TensorData } from "../bytes/onnx-writer.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type GraphBuilder, type Initializer, tensorProto } from "./graph.ts";
import { ATTRIBUTE_TENSORS } from "./nodes.ts";

const IR_VERSIONS: readonly (readonly [number, number])[] = [
  [25, 13],
  [24, 12],
  [23, 11],
  [21, 10],
  [19, 9],
  [15, 8],
];
/** Protobuf messages end at 2 GB; a margin is left for what is not data. */
const LARGEST_FILE = 2 ** 31 - 2 ** 26;
const LEAST_EXTERNAL = 1024;
const PAGE = 4096;

export interface Written {
  readonly opset: number;
  readonly nodes: number;
  /** Bytes of all constants. */
  readonly nbytes: number;
  /** The files by name, `name` first; large data beside it where one file cannot hold it, or where it is asked for. */
  readonly files: (name: string, externalData?: boolean) => Map<string, Uint8Array>;
}

function namesIn(graph: GraphProto, into: Set<string>): void {
  for (const node of graph.nodes) usesOf(node, into);
  for (const output of graph.outputs) into.add(output.name);
}
function usesOf(node: NodeProto, into: Set<string>): void {
  for (const name of node.inputs) into.add(name);
  for (const a of node.attributes) if (a.value?.kind === "graph") namesIn(a.value.value, into);
}
/** The graph without nodes that no output needs. */
function pruned(graph: GraphProto): GraphProto {
  const needed = new Set(graph.outputs.map((o) => o.name));
  const kept: NodeProto[] = [];
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    const node = graph.nodes[i];
    if (node === undefined || !node.outputs.some((o) => needed.has(o))) continue;
    const own = node.attributes.some((a) => a.value?.kind === "graph")
      ? {
          ...node,
          attributes: node.attributes.map((a) => (a.value?.kind === "graph" ? { ...a, value: { kind: "graph" as const, value: pruned(a.value.value) } } : a)),
        }
      : node;
    usesOf(own, needed);
    kept.push(own);
  }
  return { ...graph, nodes: kept.reverse() };
}
function countNodes(graph: GraphProto): number {
  let n = graph.nodes.length;
  for (const node of graph.nodes) for (const a of node.attributes) if (a.value?.kind === "graph") n += countNodes(a.value.value);
  return n;
}

const bytesOf = (t: Tensor): Uint8Array => {
  const { data } = t;
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
};

export function writeModel(whole: GraphProto, g: GraphBuilder, opset: number, metadata: ReadonlyMap<string, string>): Written {
  const graph = pruned(whole);
  const used = new Set<string>();
  namesIn(graph, used);
  const initializers = [...g.initializers.values()].filter((i) => used.has(i.name));
  const nbytes = initializers.reduce((n, i) => n + i.tensor.nbytes, 0);
  return {
    opset,
    nodes: countNodes(graph),
    nbytes,
    files: (name, externalData) => filesOf(graph, initializers, opset, metadata, name, externalData ?? nbytes > LARGEST_FILE),
  };
}

function filesOf(
  graph: GraphProto,
  initializers: readonly Initializer[],
  opset: number,
  metadata: ReadonlyMap<string, string>,
  name: string,
  apart: boolean,
): Map<string, Uint8Array> {
  const data = new Map<TensorProto, TensorData>();
  const location = `${name.slice(name.lastIndexOf("/") + 1)}.data`;
  const beside: { readonly tensor: Tensor; readonly at: number }[] = [];
  let end = 0;
  const protos = initializers.map((i) => {
    const proto = tensorProto(i);
    if (apart && i.tensor.nbytes >= LEAST_EXTERNAL) {
      const at = Math.ceil(end / PAGE) * PAGE;
      end = at + i.tensor.nbytes;
      beside.push({ tensor: i.tensor, at });
      data.set(
        proto,
        new Map([
          ["location", location],
          ["offset", `${at}`],
          ["length", `${i.tensor.nbytes}`],
        ]),
      );
    } else data.set(proto, bytesOf(i.tensor));
    return proto;
  });
  const model: ModelProto = {
    irVersion: IR_VERSIONS.find(([from]) => opset >= from)?.[1] ?? 8,
    opsetImport: [{ domain: "", version: opset }],
    producerName: "opwise",
    producerVersion: "",
    domain: "",
    modelVersion: 0,
    docString: "",
    graph: { ...graph, initializers: protos },
    functions: [],
    metadata,
    training: [],
  };
  const lookUp = (t: TensorProto): TensorData | undefined => {
    const own = data.get(t);
    if (own !== undefined) return own;
    const tensor = ATTRIBUTE_TENSORS.get(t);
    return tensor === undefined ? undefined : bytesOf(tensor);
  };
  const files = new Map<string, Uint8Array>([[name, encodeModel(model, { bytes: new Uint8Array(0), data: lookUp })]]);
  if (beside.length > 0) {
    const all = new Uint8Array(end);
    for (const { tensor, at } of beside) all.set(bytesOf(tensor), at);
    files.set(`${name}.data`, all);
  }
  return files;
}
