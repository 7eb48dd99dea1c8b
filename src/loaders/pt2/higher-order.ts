/** Higher-order ops of torch.export: ops that take graphs become nodes with blocks, or their graph runs in place. */

import type { Block, Location, Value } from "../../ir/graph.ts";
import { fullName } from "../../ir/schema.ts";
import { listOf, T, type TensorType, type Type, unifyTypes } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { emit, type Given, type Scope, typeOfGiven } from "./arguments.ts";
import { autocastOf } from "./autocast.ts";
import type { GraphLowering, NodeView } from "./graph.ts";
import type { JsonObject } from "./json.ts";

/** What TorchScript gives a loop that only its condition ends. */
const NO_LIMIT = 2n ** 63n - 1n;

type Rule = (lowering: GraphLowering, node: NodeView, graph: JsonObject, scope: Scope) => void;

const RULES: Readonly<Record<string, Rule>> = {
  cond,
  while_loop: whileLoop,
  map: mapped,
  map_impl: mapped,
  scan,
  associative_scan: associativeScan,
  auto_functionalized: functionalized,
  auto_functionalized_v2: functionalizedBases,
  out_dtype: outDtype,
  with_effects: withEffects,
  wrap_with_autocast: underAutocast,
  _export_tracepoint: (lowering, node, _graph, scope) => lowering.defineAll(node, operandsFrom(lowering, node, 0), scope),
  // Wrappers whose graph runs once, in place.
  wrap_with_set_grad_enabled: inline,
  wrap: inline,
  strict_mode: inline,
  hints_wrapper: inline,
  invoke_subgraph: inline,
  run_const_graph: inline,
  tag_activation_checkpoint: inline,
  wrap_activation_checkpoint: inline,
  dynamo_bypassing_wrapper: inline,
};

function ruleOf(target: string): Rule | undefined {
  if (target === "torch.sym_ite") return select;
  const name = target.startsWith("torch.ops.higher_order.") ? target.slice("torch.ops.higher_order.".length) : "";
  return Object.hasOwn(RULES, name) ? RULES[name] : undefined;
}

export function isHigherOrder(target: string): boolean {
  return ruleOf(target) !== undefined;
}

/** Emits a higher-order node; `scope` gains its results. @throws bad-model, unsupported-op */
export function lowerHigherOrder(lowering: GraphLowering, node: NodeView, graph: JsonObject, scope: Scope): void {
  ruleOf(node.target)?.(lowering, node, graph, scope);
}

/** Values of the unnamed arguments from `from` on: lists, tuples and dicts flattened, names of subgraphs left out. */
function operandsFrom(lowering: GraphLowering, node: NodeView, from: number): Value[] {
  const flat = (given: Given): Value[] => {
    if (given.kind === "list") return given.items.flatMap(flat);
    if (given.kind === "dict") return [...given.entries.values()].flatMap(flat);
    return given.kind === "constant" && given.template.kind === "str" ? [] : [lowering.value(given, node.location)];
  };
  return node.inputs.slice(from).flatMap(({ name, given }) => (name === "" ? flat(given) : []));
}

const int = (lowering: GraphLowering, value: number | bigint, location: Location): Value => lowering.builder.constant({ kind: "int", value }, T.int, location);

function inline(lowering: GraphLowering, node: NodeView, _graph: JsonObject, scope: Scope): void {
  const at = node.inputs.findIndex((input) => input.given.kind === "graph");
  lowering.defineAll(node, lowering.body(lowering.graph(node, at), operandsFrom(lowering, node, at + 1), node.location), scope);
}

/** `wrap_with_autocast(device, dtype, enabled, cache, graph, ...)`. */
function underAutocast(lowering: GraphLowering, node: NodeView, graph: JsonObject, scope: Scope): void {
  const outer = lowering.autocast;
  lowering.autocast = autocastOf(node.inputs.slice(0, 3).map((input) => input.given));
  inline(lowering, node, graph, scope);
  lowering.autocast = outer;
}

/** `cond(predicate, yes, no, operands)`. */
function cond(lowering: GraphLowering, node: NodeView, graph: JsonObject, scope: Scope): void {
  const { builder } = lowering;
  const predicate = lowering.bool(lowering.given(node, 0), node.location);
  const operands = lowering.listed(node, 3);
  const [yes, no] = [lowering.block(lowering.graph(node, 1), operands, node.location), lowering.block(lowering.graph(node, 2), operands, node.location)];
  const names = lowering.outputNames(node);
  if (yes.outputs.length !== no.outputs.length || names.length > yes.outputs.length) {
    throw new OpwiseError("bad-model", "the branches of a cond give different numbers of results", { got: `${yes.outputs.length} and ${no.outputs.length}` });
  }
  const results = yes.outputs.map((value, i) => {
    const name = names[i];
    const type = (name === undefined ? undefined : lowering.tensorValue(graph, name)) ?? joinTypes(value.type, no.outputs[i]?.type ?? value.type);
    return { type, name };
  });
  const values = builder.node("prim::If", [predicate], results, { blocks: [yes, no], name: node.name, location: node.location });
  lowering.defineAll(node, values, scope);
}

/** `while_loop(condition, body, carried, additional)`. */
function whileLoop(lowering: GraphLowering, node: NodeView, graph: JsonObject, scope: Scope): void {
  const { builder } = lowering;
  const [condition, body] = [lowering.graph(node, 0), lowering.graph(node, 1)];
  const [carried, additional] = [lowering.listed(node, 2), lowering.listed(node, 3)];
  const names = lowering.outputNames(node);
  const types = carriedTypes(lowering, graph, carried, names);
  const holds = (values: readonly Value[]): Value => {
    const [value, ...more] = lowering.body(condition, [...values, ...additional], node.location);
    if (value === undefined || more.length > 0) throw new OpwiseError("bad-model", "a loop's condition gives other than one result");
    return lowering.bool({ kind: "value", value }, node.location);
  };
  const first = holds(carried);
  const [, ...inputs] = builder.open([{ type: T.int }, ...types.map((type) => ({ type }))]);
  const next = lowering.body(body, [...inputs, ...additional], node.location);
  const block = builder.close([holds(next), ...next]);
  lowering.defineAll(node, loop(lowering, node, [int(lowering, NO_LIMIT, node.location), first, ...carried], types, names, block), scope);
}

/** Types of what a loop carries: a tensor's sizes may change from round to round unless the results state them. */
function carriedTypes(lowering: GraphLowering, graph: JsonObject, carried: readonly Value[], names: readonly (string | undefined)[]): Type[] {
  return carried.map((value, i) => {
    const name = names[i];
    return (name === undefined ? undefined : lowering.tensorValue(graph, name)) ?? (value.type.kind === "Tensor" ? T.Tensor : value.type);
  });
}

function loop(
  lowering: GraphLowering,
  node: NodeView,
  operands: readonly Value[],
  types: readonly Type[],
  names: readonly (string | undefined)[],
  body: Block,
): Value[] {
  const results = types.map((type, i) => ({ type, name: names[i] }));
  return lowering.builder.node("prim::Loop", operands, results, { blocks: [body], name: node.name, location: node.location });
}

/** Lists that a loop over rows appends its results to, stacked behind it. */
class Rows {
  readonly #lists: Value[];
  readonly #lowering: GraphLowering;
  readonly #location: Location;

  constructor(lowering: GraphLowering, count: number, location: Location) {
    this.#lowering = lowering;
    this.#location = location;
    this.#lists = Array.from({ length: count }, () => emitFree(lowering, "prim::ListConstruct", [], listOf(T.Tensor), location));
  }
  append(values: readonly Value[]): void {
    this.#lists.forEach((list, k) => {
      const item = values[k];
      if (item === undefined) throw new OpwiseError("bad-model", "a loop over rows gives too few results");
      emit(this.#lowering.builder, "aten::append.t", [list, item], list.type, this.#location);
    });
  }
  /** Along a new first axis, of the types that the graph states. */
  stacked(types: readonly (TensorType | undefined)[]): Value[] {
    const zero = int(this.#lowering, 0, this.#location);
    return this.#lists.map((list, k) => emit(this.#lowering.builder, "aten::stack", [list, zero], types[k] ?? T.Tensor, this.#location));
  }
}

/** A node that the machine itself carries out: it has no schema. */
function emitFree(lowering: GraphLowering, op: string, operands: readonly Value[], type: Type, location: Location): Value {
  const [value] = lowering.builder.node(op, operands, [{ type }], { location });
  if (value === undefined) throw new OpwiseError("internal", `\`${op}\` has no result`);
  return value;
}

/** A tensor's type without its sizes: rows of it. */
const row = (type: Type): Type => (type.kind === "Tensor" && type.dtype !== undefined ? { kind: "Tensor", dtype: type.dtype } : T.Tensor);

function rowOf(lowering: GraphLowering, tensor: Value, index: Value, location: Location): Value {
  return emit(lowering.builder, "aten::select.int", [tensor, int(lowering, 0, location), index], row(tensor.type), location);
}

function rowCount(lowering: GraphLowering, tensors: readonly Value[], node: NodeView): Value {
  const [first] = tensors;
  if (first === undefined) throw new OpwiseError("bad-model", `\`${node.target}\` has no rows to go over`);
  return emit(lowering.builder, "aten::size.int", [first, int(lowering, 0, node.location)], T.int, node.location);
}

const tensorTypes = (lowering: GraphLowering, graph: JsonObject, names: readonly (string | undefined)[]): (TensorType | undefined)[] =>
  names.map((name) => (name === undefined ? undefined : lowering.tensorValue(graph, name)));

/** A loop over the rows of `tensors`: `body` gives the carried values and the row of each result. */
function overRows(
  lowering: GraphLowering,
  node: NodeView,
  tensors: readonly Value[],
  carried: readonly Value[],
  types: readonly Type[],
  rows: Rows,
  body: (items: readonly Value[], carried: readonly Value[], index: Value) => { readonly carried: readonly Value[]; readonly rows: readonly Value[] },
): Value[] {
  const { builder } = lowering;
  const { location } = node;
  const trips = rowCount(lowering, tensors, node);
  const yes = builder.constant({ kind: "bool", value: true }, T.bool, location);
  const [index, ...inner] = builder.open([{ type: T.int }, ...types.map((type) => ({ type }))]);
  if (index === undefined) throw new OpwiseError("internal", "a loop has its index");
  const round = body(
    tensors.map((tensor) => rowOf(lowering, tensor, index, location)),
    inner,
    index,
  );
  rows.append(round.rows);
  const block = builder.close([yes, ...round.carried]);
  return loop(lowering, node, [trips, yes, ...carried], types, [], block);
}

/** `map_impl(f, rows, additional)`. */
function mapped(lowering: GraphLowering, node: NodeView, graph: JsonObject, scope: Scope): void {
  const body = lowering.graph(node, 0);
  const [tensors, additional] = [lowering.listed(node, 1), lowering.listed(node, 2)];
  const names = lowering.outputNames(node);
  const rows = new Rows(lowering, names.length, node.location);
  overRows(lowering, node, tensors, [], [], rows, (items) => ({ carried: [], rows: lowering.body(body, [...items, ...additional], node.location) }));
  lowering.defineAll(node, rows.stacked(tensorTypes(lowering, graph, names)), scope);
}

/** `scan(combine, initial, rows, additional)`: the carried values at the end, then a row of every further result per round. */
function scan(lowering: GraphLowering, node: NodeView, graph: JsonObject, scope: Scope): void {
  const body = lowering.graph(node, 0);
  const [initial, tensors, additional] = [lowering.listed(node, 1), lowering.listed(node, 2), lowering.listed(node, 3)];
  const names = lowering.outputNames(node);
  const types = carriedTypes(lowering, graph, initial, names);
  const rows = new Rows(lowering, names.length - initial.length, node.location);
  const states = overRows(lowering, node, tensors, initial, types, rows, (items, carried) => {
    const outputs = lowering.body(body, [...carried, ...items, ...additional], node.location);
    return { carried: outputs.slice(0, initial.length), rows: outputs.slice(initial.length) };
  });
  lowering.defineAll(node, [...states, ...rows.stacked(tensorTypes(lowering, graph, names.slice(initial.length)))], scope);
}

/** `associative_scan(combine, rows, additional)`, from the first row to the last: any order gives the same but for rounding. */
function associativeScan(lowering: GraphLowering, node: NodeView, graph: JsonObject, scope: Scope): void {
  const { builder } = lowering;
  const body = lowering.graph(node, 0);
  const [tensors, additional] = [lowering.listed(node, 1), lowering.listed(node, 2)];
  const names = lowering.outputNames(node);
  const rows = new Rows(lowering, tensors.length, node.location);
  const types = tensors.map((tensor) => row(tensor.type));
  const zero = int(lowering, 0, node.location);
  const first = tensors.map((tensor) => rowOf(lowering, tensor, zero, node.location));
  overRows(lowering, node, tensors, first, types, rows, (items, carried, index) => {
    const isFirst = emit(builder, "aten::eq.int", [index, zero], T.bool, node.location);
    builder.open();
    const yes = builder.close(items);
    builder.open();
    const no = builder.close(lowering.body(body, [...carried, ...items, ...additional], node.location));
    const next = builder.node(
      "prim::If",
      [isFirst],
      types.map((type) => ({ type })),
      { blocks: [yes, no], location: node.location },
    );
    return { carried: next, rows: next };
  });
  lowering.defineAll(node, rows.stacked(tensorTypes(lowering, graph, names)), scope);
}

/** `sym_ite(condition, a, b)`. */
function select(lowering: GraphLowering, node: NodeView, _graph: JsonObject, scope: Scope): void {
  const { builder } = lowering;
  const condition = lowering.bool(lowering.given(node, 0), node.location);
  const branch = (given: Given): Block => {
    builder.open();
    return builder.close([lowering.value(given, node.location)]);
  };
  const [a, b] = [lowering.given(node, 1), lowering.given(node, 2)];
  const type = joinTypes(typeOfGiven(a) ?? T.None, typeOfGiven(b) ?? T.None);
  const values = builder.node("prim::If", [condition], [{ type, name: node.name }], {
    blocks: [branch(a), branch(b)],
    name: node.name,
    location: node.location,
  });
  lowering.defineAll(node, values, scope);
}

function joinTypes(a: Type, b: Type): Type {
  if (a.kind === "Tensor" && b.kind === "Tensor") return a.dtype !== undefined && a.dtype === b.dtype ? { kind: "Tensor", dtype: a.dtype } : T.Tensor;
  const joined = unifyTypes(a, b);
  if (joined === undefined) throw new OpwiseError("bad-model", "the branches give results of different types", { got: `${a.kind} and ${b.kind}` });
  return joined;
}

/** The op that a higher-order node names as an argument. */
function operatorOf(lowering: GraphLowering, node: NodeView, index = 0): string {
  const given = lowering.given(node, index);
  if (given.kind === "operator") return given.name;
  throw new OpwiseError("bad-model", `argument ${index + 1} of \`${node.target}\` is not an op`);
}

/** `out_dtype(op, dtype, ...)`: the op in another dtype than its arguments have. */
function outDtype(lowering: GraphLowering, node: NodeView, _graph: JsonObject, scope: Scope): void {
  const { builder } = lowering;
  const dtype = lowering.value(lowering.given(node, 1), node.location);
  const inputs = node.inputs.slice(2).map((input) => {
    const type = typeOfGiven(input.given);
    if (type?.kind !== "Tensor") return input;
    const no = builder.constant({ kind: "bool", value: false }, T.bool, node.location);
    const value = emit(builder, "aten::to.dtype", [lowering.value(input.given, node.location), dtype, no, no, undefined], T.Tensor, node.location);
    return { name: input.name, given: { kind: "value", value } as const };
  });
  const { schema, operands } = lowering.callOp(operatorOf(lowering, node), inputs, node.location);
  const types = schema.returns.map((ret) => ({ type: ret.type }));
  lowering.defineAll(node, builder.node(fullName(schema), operands, types, { schema, name: node.name, location: node.location }), scope);
}

/** `with_effects(token, op, ...)`: the op, its results behind a new token. */
function withEffects(lowering: GraphLowering, node: NodeView, _graph: JsonObject, scope: Scope): void {
  const { schema, operands } = lowering.callOp(operatorOf(lowering, node, 1), node.inputs.slice(2), node.location);
  const types = schema.returns.map((ret) => ({ type: ret.type }));
  const results = lowering.builder.node(fullName(schema), operands, types, { schema, name: node.name, location: node.location });
  lowering.defineAll(node, [lowering.builder.constant({ kind: "none" }, T.None, node.location), ...results], scope);
}

/** `auto_functionalized(op, **arguments)`: a custom op that writes, on copies; its results, then the copies. */
function functionalized(lowering: GraphLowering, node: NodeView, _graph: JsonObject, scope: Scope): void {
  const target = operatorOf(lowering, node);
  const written = new Set((lowering.schemaOf(target)?.args ?? []).filter((arg) => arg.alias?.write === true).map((arg) => arg.name));
  const copies: Value[] = [];
  const inputs = node.inputs.slice(1).map((input) => {
    if (!written.has(input.name) || input.given.kind === "none") return input;
    const given = copyOf(lowering, input.given, node.location, copies);
    return { name: input.name, given };
  });
  finishFunctionalized(lowering, node, target, inputs, copies, scope);
}

function copyOf(lowering: GraphLowering, given: Given, location: Location, copies: Value[]): Given {
  if (given.kind === "list") return { kind: "list", elem: given.elem, items: given.items.map((item) => copyOf(lowering, item, location, copies)) };
  if (given.kind === "none") return given;
  const original = lowering.value(given, location);
  const value = emit(lowering.builder, "aten::clone", [original, undefined], original.type, location);
  copies.push(value);
  return { kind: "value", value };
}

function finishFunctionalized(
  lowering: GraphLowering,
  node: NodeView,
  target: string,
  inputs: NodeView["inputs"],
  copies: readonly Value[],
  scope: Scope,
): void {
  const { schema, operands } = lowering.callOp(target, inputs, node.location);
  const types = schema.returns.map((ret) => ({ type: ret.type }));
  const results: (Value | undefined)[] = lowering.builder.node(fullName(schema), operands, types, { schema, name: node.name, location: node.location });
  // An op without results has one all the same: None.
  lowering.defineAll(node, [...(results.length === 0 ? [undefined] : results), ...copies], scope);
}

/**
 * `auto_functionalized_v2(op, **arguments, _all_bases)`: as above, but what is written is a view of one of the bases, told by
 * `_x_base_index` and its strides (`_x_size`, …), a slice (`_x_slice_dim`, …) or nothing more (`_x_alias`); a list has `_x_length` of them.
 */
function functionalizedBases(lowering: GraphLowering, node: NodeView, _graph: JsonObject, scope: Scope): void {
  const target = operatorOf(lowering, node);
  const named = new Map(node.inputs.map((input) => [input.name, input.given]));
  const bases: Value[] = [];
  const all = named.get("_all_bases");
  if (all !== undefined) copyOf(lowering, all, node.location, bases);
  const view = (prefix: string): Given => {
    const index = named.get(`${prefix}_base_index`);
    const base = index?.kind === "constant" && index.template.kind === "int" ? bases[Number(index.template.value)] : undefined;
    if (base === undefined) return { kind: "none" };
    return { kind: "value", value: viewOf(lowering, base, (part) => named.get(`${prefix}_${part}`), node.location) };
  };
  const written = (lowering.schemaOf(target)?.args ?? []).filter((arg) => arg.alias?.write === true);
  const given = node.inputs.slice(1).filter((input) => !input.name.startsWith("_"));
  const views = written.map(({ name }) => {
    const length = named.get(`_${name}_length`);
    if (length?.kind !== "constant" || length.template.kind !== "int") return { name, given: view(`_${name}`) };
    const items = Array.from({ length: Number(length.template.value) }, (_, i) => view(`_${name}_${i}`));
    return { name, given: { kind: "list", elem: T.Tensor, items } as const };
  });
  finishFunctionalized(lowering, node, target, [...given, ...views], bases, scope);
}

function viewOf(lowering: GraphLowering, base: Value, part: (name: string) => Given | undefined, location: Location): Value {
  const operand = (name: string): Value | undefined => {
    const given = part(name);
    return given === undefined || given.kind === "none" ? undefined : lowering.value(given, location);
  };
  if (part("size") !== undefined) {
    return emit(lowering.builder, "aten::as_strided", [base, operand("size"), operand("stride"), operand("storage_offset")], row(base.type), location);
  }
  if (part("slice_dim") !== undefined) {
    return emit(lowering.builder, "aten::slice.Tensor", [base, operand("slice_dim"), operand("slice_start"), operand("slice_end")], row(base.type), location);
  }
  return base;
}
