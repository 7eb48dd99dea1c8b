/** Names of an ONNX graph: what defines them, what uses them, and the order that puts definitions first. */

import type { GraphProto, NodeProto } from "../../bytes/onnx-proto.ts";
import { OpwiseError } from "../../tensor/error.ts";

/** How messages call a node: its name, or its op and first output. */
export function nodeLabel(node: NodeProto): string {
  if (node.name !== "") return node.name;
  const output = node.outputs.find((name) => name !== "");
  return output === undefined ? node.opType : `${node.opType} -> ${output}`;
}

export function graphLabel(graph: GraphProto): string {
  return graph.name === "" ? "graph" : graph.name;
}

const freeNames = new WeakMap<GraphProto, ReadonlySet<string>>();

/** Names that a graph takes from outside: used in it or below it and not defined in it. */
export function capturesOf(graph: GraphProto): ReadonlySet<string> {
  const known = freeNames.get(graph);
  if (known !== undefined) return known;
  const used = new Set<string>();
  for (const node of graph.nodes) for (const name of usesOf(node)) used.add(name);
  for (const output of graph.outputs) used.add(output.name);
  for (const input of graph.inputs) used.delete(input.name);
  for (const tensor of graph.initializers) used.delete(tensor.name);
  for (const sparse of graph.sparseInitializers) used.delete(sparse.values?.name ?? "");
  for (const node of graph.nodes) for (const name of node.outputs) used.delete(name);
  freeNames.set(graph, used);
  return used;
}

/** Names that a node needs: its inputs, and what its subgraphs capture. */
export function usesOf(node: NodeProto): readonly string[] {
  const out = node.inputs.filter((name) => name !== "");
  for (const { value } of node.attributes) {
    if (value?.kind === "graph") out.push(...capturesOf(value.value));
    else if (value?.kind === "graphs") for (const graph of value.value) out.push(...capturesOf(graph));
  }
  return out;
}

/**
 * The nodes with definitions before uses: as they are where they already stand so, else sorted, keeping their order as far
 * as it goes. `defined` are the names that the graph has without its nodes.
 * @throws bad-onnx for a name defined twice and for a cycle
 */
export function sortedNodes(nodes: readonly NodeProto[], defined: ReadonlySet<string>, record: string): readonly NodeProto[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const name of node.outputs) {
      if (name === "") continue;
      const first = producer.get(name);
      if (first !== undefined || defined.has(name)) {
        const by = first === undefined ? "an input or initialiser" : `node ${nodeLabel(nodes[first] as NodeProto)}`;
        throw new OpwiseError("bad-onnx", `\`${name}\` is defined twice: by ${by} and by node ${nodeLabel(node)}`, {
          where: { record, node: nodeLabel(node), op: node.opType },
        });
      }
      producer.set(name, i);
    }
  });
  const sorted = nodes.every((node, i) => usesOf(node).every((name) => (producer.get(name) ?? -1) < i));
  return sorted ? nodes : sort(nodes, producer, record);
}

/** Depth first, with a stack of its own: a node follows everything that it uses. */
function sort(nodes: readonly NodeProto[], producer: ReadonlyMap<string, number>, record: string): readonly NodeProto[] {
  const needs = nodes.map((node) => usesOf(node).flatMap((name) => producer.get(name) ?? []));
  const state = new Uint8Array(nodes.length); // 0 new, 1 open, 2 placed
  const out: NodeProto[] = [];
  for (let root = 0; root < nodes.length; root++) {
    if (state[root] !== 0) continue;
    const stack: { readonly index: number; next: number }[] = [{ index: root, next: 0 }];
    state[root] = 1;
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const need = needs[top.index]?.[top.next++];
      if (need === undefined) {
        state[top.index] = 2;
        out.push(nodes[top.index] as NodeProto); // an index of `nodes`
        stack.pop();
      } else if (state[need] === 1) {
        const node = nodes[need] as NodeProto; // an index of `nodes`
        throw new OpwiseError("bad-onnx", `the graph has a cycle: node ${nodeLabel(node)} depends on its own output`, {
          where: { record, node: nodeLabel(node), op: node.opType },
        });
      } else if (state[need] === 0) {
        state[need] = 1;
        stack.push({ index: need, next: 0 });
      }
    }
  }
  return out;
}
