/**
 * Regions of `torch.vmap` as the tracer leaves them before dispatch: between `_vmap_increment_nesting` and `_vmap_decrement_nesting`
 * every tensor that `_add_batch_dim` gives stands for one item of a batch. Such a region becomes a loop over the items.
 */

import type { Value } from "../../ir/graph.ts";
import { listOf, T, type Type } from "../../ir/type.ts";
import { torchOfDtype } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { emit, type Scope } from "./arguments.ts";
import type { GraphLowering, NodeView } from "./graph.ts";
import type { Json, JsonObject } from "./json.ts";

const PREFIX = "torch._functorch.predispatch.";
const BEGIN = `${PREFIX}_vmap_increment_nesting`;
const END = `${PREFIX}_vmap_decrement_nesting`;
const ADD = `${PREFIX}_add_batch_dim`;
const REMOVE = `${PREFIX}_remove_batch_dim`;
const KNOWN: ReadonlySet<string> = new Set([BEGIN, END, ADD, REMOVE]);

/** Functions that a graph calls for their effect on the tracer alone. */
export const IDLE: ReadonlySet<string> = new Set([`${PREFIX}lazy_load_decompositions`]);

export function isVmap(target: string): boolean {
  return KNOWN.has(target);
}

/** Where the region that begins at `nodes[at]` ends, or undefined where none begins there. */
export function vmapEnd(nodes: readonly JsonObject[], at: number): number | undefined {
  if (nodes[at]?.["target"] !== BEGIN) return undefined;
  let depth = 0;
  for (let i = at; i < nodes.length; i++) {
    const target = nodes[i]?.["target"];
    if (target === BEGIN) depth++;
    if (target === END && --depth === 0) return i;
  }
  throw new OpwiseError("bad-model", "a region under vmap has no end");
}

/** Names that a piece of JSON mentions. */
function namesIn(json: Json, out: Set<string>): Set<string> {
  if (Array.isArray(json)) for (const item of json as readonly Json[]) namesIn(item, out);
  else if (json !== null && typeof json === "object") {
    for (const [key, value] of Object.entries(json)) {
      if (typeof value === "string") {
        if (key === "name" || key === "as_name") out.add(value);
      } else namesIn(value, out);
    }
  }
  return out;
}

/** The region's nodes in runs: a nested region is one run. */
function runsOf(nodes: readonly JsonObject[]): JsonObject[][] {
  const out: JsonObject[][] = [];
  for (let i = 0; i < nodes.length; i++) {
    const end = vmapEnd(nodes, i) ?? i;
    out.push(nodes.slice(i, end + 1));
    i = end;
  }
  return out;
}

/** Emits the region `nodes`, its begin and end among them. What does not depend on the item runs once, before the loop. */
export function lowerVmap(lowering: GraphLowering, nodes: readonly JsonObject[], graph: JsonObject, scope: Scope): void {
  const { builder, view } = lowering;
  const [first, ...rest] = nodes;
  const begin = lowering.read(view.object(first, "node"), scope);
  const { location } = begin;
  const batched = new Set<string>();
  const inside: JsonObject[][] = [];
  for (const run of runsOf(rest.slice(0, -1))) {
    const [node] = run;
    const own = run.length === 1 && (node?.["target"] === ADD || node?.["target"] === REMOVE);
    const uses = new Set(run.flatMap((n) => [...namesIn(n["inputs"] ?? null, new Set())]));
    if (!own && ![...uses].some((name) => batched.has(name))) {
      lowering.sequence(run, graph, scope);
      continue;
    }
    inside.push(run);
    if (node?.["target"] !== REMOVE) for (const n of run) namesIn(n["outputs"] ?? null, batched);
  }

  const results: { readonly node: NodeView; readonly list: Value }[] = [];
  for (const [node] of inside) {
    if (node?.["target"] !== REMOVE) continue;
    const [list] = builder.node("prim::ListConstruct", [], [{ type: listOf(T.Tensor) }], { location });
    if (list === undefined) throw new OpwiseError("internal", "a list has one result");
    results.push({ node: lowering.read(node, new Map(), false), list });
  }
  const trips = lowering.value(lowering.given(begin, 0), location);
  const yes = builder.constant({ kind: "bool", value: true }, T.bool, location);
  const [index] = builder.open([{ type: T.int }]);
  let removed = 0;
  for (const run of inside) {
    const [node] = run;
    if (node === undefined) continue;
    if (run.length === 1 && node["target"] === ADD) {
      const add = lowering.read(node, scope);
      const batch = lowering.value(lowering.given(add, 0), location);
      const item = emit(builder, "aten::select.int", [batch, lowering.value(lowering.given(add, 1), location), index], itemType(batch.type), add.location);
      lowering.defineAll(add, [item], scope);
    } else if (run.length === 1 && node["target"] === REMOVE) {
      const list = results[removed++]?.list;
      if (list === undefined) throw new OpwiseError("internal", "each result of vmap has its list");
      const item = lowering.value(lowering.given(lowering.read(node, scope), 0), location);
      emit(builder, "aten::append.t", [list, item], list.type, location);
    } else lowering.sequence(run, graph, scope);
  }
  const body = builder.close([yes]);
  builder.node("prim::Loop", [trips, yes], [], { blocks: [body], name: begin.name, location });
  for (const { node, list } of results) {
    const axis = lowering.value(lowering.given(node, 3), location);
    const [name] = lowering.outputNames(node);
    const type = (name === undefined ? undefined : lowering.tensorValue(graph, name)) ?? T.Tensor;
    const no = builder.constant({ kind: "bool", value: false }, T.bool, location);
    // A batch of no items has a shape all the same.
    const like = emptyLike(lowering, type, node);
    lowering.defineAll(node, [emit(builder, "opwise::stack_scan", [list, axis, no, like, undefined], type, node.location)], scope);
  }
}

/** A tensor without elements of a stated type; sizes that are symbols are none. */
function emptyLike(lowering: GraphLowering, type: Type, { location }: NodeView): Value | undefined {
  if (type.kind !== "Tensor" || type.dtype === undefined || type.shape === undefined) return undefined;
  const { builder } = lowering;
  const items = type.shape.map((dim) => ({ kind: "int", value: typeof dim === "number" ? dim : 0 }) as const);
  if (!items.some((item) => item.value === 0)) return undefined;
  const size = builder.constant({ kind: "list", elem: T.int, items }, listOf(T.int), location);
  const dtype = builder.constant({ kind: "int", value: torchOfDtype(type.dtype) }, T.int, location);
  return emit(builder, "aten::zeros", [size, dtype, undefined, undefined, undefined], { kind: "Tensor", dtype: type.dtype }, location);
}

const itemType = (type: Type): Type => (type.kind === "Tensor" && type.dtype !== undefined ? { kind: "Tensor", dtype: type.dtype } : T.Tensor);
