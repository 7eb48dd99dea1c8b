/** Ops that are for nothing: no output, no attribute, no write and no exception needs what they give. */

import type { Block, Node, Program, Value } from "../ir/graph.ts";
import { numberingOf } from "./graph.ts";
import { type Place, placeOfNode, placeText } from "./place.ts";

export interface DeadNode {
  readonly node: number;
  readonly op: string;
  readonly name: string | undefined;
  readonly place: Place;
}

/** Nodes that matter by themselves: they call, raise, print, store, or draw random numbers. */
const ACTS = /^prim::(?:SetAttr|Print|RaiseException|CallMethod|CallFunction|fork)$|^aten::(?:wait|warn)$/;

function acts(node: Node): boolean {
  return ACTS.test(node.op) || node.schema?.args.some((a) => a.alias?.write === true) === true || node.results.length === 0;
}

/**
 * Nodes of all functions whose results reach nothing, constants apart. A function that nothing calls counts as called. Values that alias what is
 * written count as used by the write.
 */
export function deadNodes(program: Program): readonly DeadNode[] {
  const numbering = numberingOf(program);
  const live = new Set<Value>();
  const needed = new Set<Node>();
  const out: DeadNode[] = [];
  for (const fn of numbering.graph.functions) {
    const decl = numbering.declOf(fn.id);
    if (decl === undefined || fn.block === null) continue;
    const body = decl.graph();
    for (const value of body.outputs) live.add(value);
    // What a loop carries back is used before it is made: until nothing is added.
    for (let before = -1; before !== live.size + needed.size;) {
      before = live.size + needed.size;
      mark(body, live, needed);
    }
  }
  for (const { id, op, name } of numbering.graph.nodes) {
    const node = numbering.nodeOf(id);
    if (node !== undefined && !needed.has(node) && op !== "prim::Constant" && op !== "prim::GetAttr")
      out.push({ node: id, op, name: name ?? undefined, place: placeOfNode(node) });
  }
  return out;
}

/** Marks what a block needs, from its end; whether anything in it acts. */
function mark(block: Block, live: Set<Value>, needed: Set<Node>): boolean {
  let anyActs = false;
  for (let i = block.nodes.length - 1; i >= 0; i--) {
    const node = block.nodes[i];
    if (node === undefined) continue;
    const used = node.results.some((value) => live.has(value));
    let inside = false;
    for (const inner of node.blocks) inside = mark(inner, live, needed) || inside;
    if (!used && !inside && !acts(node)) continue;
    anyActs ||= inside || acts(node);
    needed.add(node);
    /** Whether anybody wants what a loop carries in its `k`-th place, after it or in it. */
    const carried = (k: number): boolean => {
      const [result, input] = [node.results[k], node.blocks[0]?.inputs[k + 1]];
      return (result !== undefined && live.has(result)) || (input !== undefined && live.has(input));
    };
    const isLoop = node.op === "prim::Loop";
    node.operands.forEach((value, k) => {
      if (value !== undefined && (!isLoop || k < 2 || carried(k - 2))) live.add(value);
    });
    for (const inner of node.blocks) {
      inner.outputs.forEach((value, k) => {
        const result = node.results[k];
        const wanted = isLoop ? k === 0 || carried(k - 1) : node.op !== "prim::If" || (result !== undefined && live.has(result));
        if (wanted) live.add(value);
      });
    }
  }
  return anyActs;
}

export function deadText(nodes: readonly DeadNode[]): readonly string[] {
  if (nodes.length === 0) return ["every op is needed"];
  return [
    ...nodes.map(({ node, op, name, place }) => `#${node}  ${op}${name === undefined ? "" : `  ${name}`}  ${placeText(place)}`.trimEnd()),
    `${nodes.length} ${nodes.length === 1 ? "op is" : "ops are"} for nothing`,
  ];
}
