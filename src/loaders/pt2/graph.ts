/** Lowers an exported graph into IR nodes: aten targets, operators on sizes, and the higher-order ops that are control flow. */

import type { GraphBuilder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import type { AuthorPlace } from "../../ir/author.ts";
import type { Block, Location, Value } from "../../ir/graph.ts";
import type { Schema } from "../../ir/schema.ts";
import { fullName } from "../../ir/schema.ts";
import type { SchemaTable } from "../../ir/schema-table.ts";
import { isSubtype, listOf, T, type TensorType, type Type } from "../../ir/type.ts";
import { OpwiseError, isOpwiseError } from "../../tensor/error.ts";
import { moduleOfStack, placesOfStack, placeText } from "../author.ts";
import { emit, type Given, isScalar, materialise, readArgument, type Scope } from "./arguments.ts";
import { type Autocast, castArguments } from "./autocast.ts";
import { dtypeOfExport } from "./enums.ts";
import { isHigherOrder, lowerHigherOrder } from "./higher-order.ts";
import type { Json, JsonObject, JsonView } from "./json.ts";
import { parseSize } from "./size-expression.ts";
import { preferredOverload, symbolicOp } from "./symbolic-ops.ts";
import { IDLE, isVmap, lowerVmap, vmapEnd } from "./vmap.ts";

/** Graphs inside graphs. */
const MAX_DEPTH = 64;

/** Where the author wrote it: the last frame of the stack trace that is a file of theirs, else of PyTorch's, else where the node `around` it comes from. */
function locationOf(node: JsonObject, view: JsonView, around: Location | undefined): Location {
  const metadata = node["metadata"];
  const text = (key: string): string | undefined => {
    const value = metadata !== null && typeof metadata === "object" ? Object.entries(metadata).find(([name]) => name === key)?.[1] : undefined;
    return typeof value === "string" ? value : undefined;
  };
  const author = (): readonly AuthorPlace[] => {
    const places = placesOfStack(text("stack_trace") ?? "");
    return places.length > 0 ? places : (around?.author?.() ?? []);
  };
  const stack = text("nn_module_stack");
  return { record: view.record, line: 0, python: () => placeText(author()), author, module: () => (stack === undefined ? around?.module?.() : moduleOfStack(stack)) };
}

/** One size of a tensor: `{"as_int": 3}` or `{"as_expr": {"expr_str": ...}}`. */
export function readDim(json: Json, view: JsonView): Dim {
  const [kind, value] = view.union(json, "size");
  if (kind === "as_int") return view.size(value, "size");
  return parseSize(view.text(view.object(value, "size")["expr_str"], "expr_str"));
}

/** The static type that a tensor's meta states. */
export function tensorType(meta: JsonObject, view: JsonView): TensorType {
  return {
    kind: "Tensor",
    dtype: dtypeOfExport(view.size(meta["dtype"], "dtype")),
    shape: view.array(meta["sizes"], "sizes").map((size) => readDim(size, view)),
  };
}

/** A node read as far as its schema does not matter. */
export interface NodeView {
  readonly target: string;
  readonly name: string;
  readonly inputs: readonly { readonly name: string; readonly given: Given }[];
  readonly outputs: readonly Json[];
  readonly location: Location;
}

export class GraphLowering {
  readonly builder: GraphBuilder;
  readonly view: JsonView;
  readonly table: SchemaTable;
  /** Inside a region under autocast. */
  autocast: Autocast | undefined;
  /** The node whose graph is being emitted: where its nodes come from if they do not say. */
  #around: Location | undefined;
  #depth = 0;

  constructor(builder: GraphBuilder, view: JsonView, table: SchemaTable) {
    this.builder = builder;
    this.view = view;
    this.table = table;
  }

  /** Targets in `graph` and below that no schema or rule knows, with how often each occurs. */
  unknownTargets(graph: JsonObject): Map<string, number> {
    const out = new Map<string, number>();
    const known = (target: string): boolean =>
      symbolicOp(target) !== undefined || isHigherOrder(target) || isVmap(target) || IDLE.has(target) || this.schemaOf(target) !== undefined;
    const pending: JsonObject[] = [graph];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      for (const json of this.view.array(next["nodes"], "nodes")) {
        const node = this.view.object(json, "node");
        const target = this.view.text(node["target"], "target");
        if (!known(target)) out.set(target, (out.get(target) ?? 0) + 1);
        for (const input of this.view.array(node["inputs"], "inputs")) {
          const arg = this.view.object(this.view.object(input, "input")["arg"], "arg")["as_graph"];
          if (arg !== undefined) pending.push(this.view.object(this.view.object(arg, "as_graph")["graph"], "graph"));
        }
      }
    }
    return out;
  }

  /** Emits the graph's nodes into the innermost open block; `scope` gains its values. */
  nodes(graph: JsonObject, scope: Scope): void {
    if (++this.#depth > MAX_DEPTH) throw new OpwiseError("limit-exceeded", `graphs nest deeper than ${MAX_DEPTH}`, { where: { record: this.view.record } });
    const nodes = this.view.array(graph["nodes"], "nodes").map((json) => this.view.object(json, "node"));
    this.sequence(nodes, graph, scope);
    this.#depth--;
  }

  /** Emits some of the graph's nodes, in order. */
  sequence(nodes: readonly JsonObject[], graph: JsonObject, scope: Scope): void {
    for (let i = 0; i < nodes.length; i++) {
      const json = this.view.object(nodes[i], "node");
      const end = vmapEnd(nodes, i);
      const last = end ?? i;
      const located = this.#located(json);
      try {
        if (end === undefined) this.#node(this.read(json, scope), graph, scope);
        else lowerVmap(this, nodes.slice(i, end + 1), graph, scope);
      } catch (error) {
        throw isOpwiseError(error)
          ? error.at({ record: this.view.record, node: located.name, op: located.target, python: located.location.python?.() })
          : error;
      }
      i = last;
    }
  }

  #located(node: JsonObject): { readonly target: string; readonly name: string; readonly location: Location } {
    const target = this.view.text(node["target"], "target");
    return { target, name: typeof node["name"] === "string" ? node["name"] : "", location: locationOf(node, this.view, this.#around) };
  }

  /** A node with its arguments read; not `defined`: its names have no values yet, ints alone are read. */
  read(node: JsonObject, scope: Scope, defined = true): NodeView {
    const inputs = this.view.array(node["inputs"], "inputs").map((input) => {
      const named = this.view.object(input, "input");
      const arg = this.view.object(named["arg"], "arg");
      const given: Given = !defined && !("as_int" in arg) ? { kind: "none" } : readArgument(scope, arg, this.view);
      return { name: this.view.text(named["name"], "input name"), given };
    });
    return { ...this.#located(node), inputs, outputs: this.view.array(node["outputs"], "outputs") };
  }

  /** The schema of a target, or undefined. */
  schemaOf(target: string): Schema | undefined {
    const parts = /^torch\.ops\.(\w+)\.(\w+)\.(\w+)$/.exec(target);
    if (parts === null) return undefined;
    const [, space = "", op = "", overload = ""] = parts;
    return this.table.schemaOf(`${space}::${op}${overload === "default" ? "" : `.${overload}`}`);
  }

  #node(node: NodeView, graph: JsonObject, scope: Scope): void {
    if (IDLE.has(node.target)) return;
    if (isHigherOrder(node.target)) {
      lowerHigherOrder(this, node, graph, scope);
      return;
    }
    const symbolic = symbolicOp(node.target);
    if (symbolic !== undefined) {
      this.#symbolic(symbolic, node, scope);
      return;
    }
    const schema = this.schemaOf(node.target);
    if (schema === undefined) throw new OpwiseError("unsupported-op", `there is no op \`${node.target}\``);
    this.#call(schema, node, graph, scope);
  }

  /** A call of a schema: operands in its order, results bound to the names that the node gives them. */
  #call(declared: Schema, node: NodeView, graph: JsonObject, scope: Scope): void {
    const givens = align(declared, node.target, node.inputs);
    const schema = this.#withScalars(declared, givens);
    const operands = this.#operands(schema, givens, node.location);
    const { results, unpack } = this.#results(schema, node, graph);
    const values = this.builder.node(fullName(schema), operands, results, { schema, name: node.name, location: node.location });
    // A Scalar result carries its kind; the graph says which one it is.
    const bare = values.map((value, i) => {
      const output = node.outputs[i];
      const type = output === undefined || value.type.kind !== "number" ? undefined : this.#declared(graph, output, value.type);
      if (type === undefined || type.kind === "number") return value;
      return this.builder.node("prim::unchecked_cast", [value], [{ type, name: value.name }], { location: node.location })[0] ?? value;
    });
    this.#bind(bare, node, unpack, graph, scope);
  }

  /** Operands in the schema's order, cast as the autocast region around them does. */
  #operands(schema: Schema, givens: readonly (Given | undefined)[], location: Location): (Value | undefined)[] {
    const cast = this.autocast === undefined ? givens : castArguments(this.builder, this.autocast, schema, givens, location);
    return schema.args.map((arg, i) => {
      const given = cast[i];
      return given === undefined ? undefined : materialise(this.builder, given, arg.type, arg.fixedLength, location);
    });
  }

  /** `add.Tensor` called with a number: the overload that takes numbers there, where there is one. */
  #withScalars(schema: Schema, givens: readonly (Given | undefined)[]): Schema {
    const wrong = schema.args.map((arg, i) => {
      const given = givens[i];
      return given !== undefined && arg.type.kind === "Tensor" && isScalar(given);
    });
    if (!wrong.includes(true)) return schema;
    const fits = (other: Schema): boolean =>
      other.args.length === schema.args.length &&
      other.args.every((arg, i) => {
        const mine = schema.args[i];
        if (mine === undefined || arg.alias?.write !== mine.alias?.write) return false;
        return wrong[i] === true ? arg.type.kind === "number" : arg.type.kind === mine.type.kind;
      });
    return this.table.schemasOf(schema.name).find(fits) ?? schema;
  }

  #results(schema: Schema, node: NodeView, graph: JsonObject): { results: { type: Type; name?: string }[]; unpack: boolean } {
    const [first] = node.outputs;
    if (schema.returns.length === 1 && first !== undefined && schema.returns[0]?.type.kind === "List") {
      const [kind] = this.view.union(first, "output");
      if (kind === "as_tensors") return { results: [{ type: listOf(T.Tensor) }], unpack: true };
    }
    const results = schema.returns.map((ret, i) => {
      const output = node.outputs[i];
      if (output === undefined) return { type: ret.type };
      const name = this.#outputName(output);
      if (name === undefined) return { type: ret.type };
      return { type: ret.type.kind === "number" ? ret.type : this.#declared(graph, output, ret.type), name };
    });
    return { results, unpack: false };
  }

  /** The name that an output argument binds, or undefined for one that nothing uses. */
  #outputName(output: Json): string | undefined {
    const [kind, value] = this.view.union(output, "output");
    if (kind === "as_none") return undefined;
    if (kind === "as_tensor") return this.view.text(this.view.object(value, kind)["name"], "output name");
    if (kind === "as_sym_int" || kind === "as_sym_bool" || kind === "as_sym_float" || kind === "as_optional_tensor") {
      const [inner, name] = this.view.union(value, kind);
      if (inner === "as_name") return this.view.text(name, "output name");
      if (inner === "as_tensor") return this.view.text(this.view.object(name, inner)["name"], "output name");
      return undefined;
    }
    throw new OpwiseError("unsupported-op", `outputs of kind \`${kind}\` are not supported`);
  }

  /** The type of an output: what the graph says of its name, else the schema's. */
  #declared(graph: JsonObject, output: Json, fallback: Type): Type {
    const [kind] = this.view.union(output, "output");
    if (kind === "as_sym_int") return T.int;
    if (kind === "as_sym_bool") return T.bool;
    if (kind === "as_sym_float") return T.float;
    const name = this.#outputName(output);
    return name === undefined ? fallback : (this.tensorValue(graph, name) ?? fallback);
  }

  /** The stated size of a symbolic int of `graph`. */
  sizeValue(graph: JsonObject, name: string): Dim | undefined {
    const values = this.view.object(graph["sym_int_values"] ?? {}, "sym_int_values");
    const json = Object.hasOwn(values, name) ? values[name] : undefined;
    return json === undefined ? undefined : readDim(json, this.view);
  }

  /** The stated type of a tensor of `graph`. */
  tensorValue(graph: JsonObject, name: string): TensorType | undefined {
    const values = this.view.object(graph["tensor_values"], "tensor_values");
    const meta = Object.hasOwn(values, name) ? values[name] : undefined;
    return meta === undefined ? undefined : tensorType(this.view.object(meta, name), this.view);
  }

  #bind(values: readonly Value[], node: NodeView, unpack: boolean, graph: JsonObject, scope: Scope): void {
    if (unpack) {
      const [, json] = this.view.union(node.outputs[0], "output");
      const names = this.view.array(json, "as_tensors").map((t) => this.view.text(this.view.object(t, "output")["name"], "output name"));
      const items = this.builder.node(
        "prim::ListUnpack",
        values,
        names.map((name) => ({ type: this.tensorValue(graph, name) ?? T.Tensor, name })),
        { location: node.location },
      );
      names.forEach((name, i) => this.define(scope, name, items[i]));
      return;
    }
    if (node.outputs.length > values.length) {
      throw new OpwiseError("bad-model", "the node names more outputs than its schema returns", {
        wanted: `at most ${values.length}`,
        got: String(node.outputs.length),
      });
    }
    node.outputs.forEach((output, i) => {
      const name = this.#outputName(output);
      if (name !== undefined) this.define(scope, name, values[i]);
    });
  }

  /** An operator on numbers: the overload whose argument types the operands have. */
  #symbolic(op: string, node: NodeView, scope: Scope): void {
    let values = node.inputs.map((input) => materialise(this.builder, input.given, undefined, undefined, node.location));
    if (op === "aten::Int" || op === "aten::Float") {
      // int(an int) and float(a float) are the value itself.
      const [value] = values;
      const same = op === "aten::Int" ? "int" : "float";
      if (value?.type.kind === same) {
        this.#bind([value], node, false, {}, scope);
        return;
      }
    }
    if (
      op !== "aten::__and__" &&
      op !== "aten::__or__" &&
      op !== "aten::__not__" &&
      op !== "aten::eq" &&
      op !== "aten::ne" &&
      !op.startsWith("aten::Int") &&
      !op.startsWith("aten::Float")
    ) {
      values = values.map((value) => (value.type.kind === "bool" ? emit(this.builder, "aten::Int.bool", [value], T.int, node.location) : value));
    }
    const overloads = this.table.schemasOf(op);
    const preferred = preferredOverload(op);
    const fits = (schema: Schema): boolean =>
      schema.args.length === values.length &&
      !schema.vararg &&
      schema.args.every((arg, i) => arg.type.kind === values[i]?.type.kind || (arg.type.kind === "number" && isSubtype(values[i]?.type ?? T.Any, arg.type)));
    const schema = overloads.find((s) => s.overload === preferred && fits(s)) ?? overloads.find(fits);
    if (schema === undefined) {
      throw new OpwiseError("unsupported-op", `\`${node.target}\` is not supported on these operands`, { got: values.map((v) => v.type.kind).join(", ") });
    }
    const results = this.builder.node(
      fullName(schema),
      values,
      schema.returns.map((ret) => ({ type: ret.type, name: node.name })),
      { schema, name: node.name, location: node.location },
    );
    this.#bind(results, node, false, {}, scope);
  }

  // ---- what higher-order ops are lowered with (`higher-order.ts`)

  /** An argument by position. */
  given(node: NodeView, index: number): Given {
    const given = node.inputs[index]?.given;
    if (given === undefined) throw new OpwiseError("bad-model", `\`${node.target}\` lacks its argument ${index + 1}`);
    return given;
  }

  /** A nested graph by position. */
  graph(node: NodeView, index: number): JsonObject {
    const given = this.given(node, index);
    if (given.kind !== "graph") throw new OpwiseError("bad-model", `argument ${index + 1} of \`${node.target}\` is not a graph`);
    return this.view.object(given.graph, "graph");
  }

  /** A list argument's values; none where it is left out. */
  listed(node: NodeView, index: number): Value[] {
    const given = node.inputs[index]?.given;
    if (given === undefined || given.kind === "none") return [];
    if (given.kind !== "list") throw new OpwiseError("bad-model", `argument ${index + 1} of \`${node.target}\` is not a list`);
    return given.items.map((item) => this.value(item, node.location));
  }

  /** The value of an argument, as it comes. */
  value(given: Given, location: Location): Value {
    return materialise(this.builder, given, undefined, undefined, location);
  }

  /** An argument as a condition. */
  bool(given: Given, location: Location): Value {
    const value = this.value(given, location);
    if (value.type.kind === "Tensor") return emit(this.builder, "aten::Bool.Tensor", [value], T.bool, location);
    if (value.type.kind === "bool") return value;
    throw new OpwiseError("bad-model", "the predicate is neither a tensor nor a bool");
  }

  /** Binds a nested graph's inputs to outer values and emits its nodes; gives its outputs. */
  body(graph: JsonObject, operands: readonly Value[], location: Location): Value[] {
    const inputs = this.view.array(graph["inputs"], "graph inputs");
    if (inputs.length !== operands.length) {
      throw new OpwiseError("bad-model", "a nested graph is given another number of operands than it has inputs", {
        wanted: String(inputs.length),
        got: String(operands.length),
      });
    }
    const scope: Scope = new Map();
    inputs.forEach((input, i) => {
      const [kind] = this.view.union(input, "graph input");
      const operand = operands[i];
      if (kind === "as_int" || kind === "as_float" || kind === "as_bool" || kind === "as_none" || operand === undefined) return;
      const name = this.#outputName(input);
      if (name !== undefined) scope.set(name, operand);
    });
    const outer = this.#around;
    this.#around = location;
    this.nodes(graph, scope);
    this.#around = outer;
    return this.view.array(graph["outputs"], "graph outputs").map((output) => this.value(readArgument(scope, output, this.view), location));
  }

  block(graph: JsonObject, operands: readonly Value[], location: Location): Block {
    this.builder.open();
    return this.builder.close(this.body(graph, operands, location));
  }

  /** Names of a higher-order node's results: one per output, or one list of tensors. */
  outputNames(node: NodeView): (string | undefined)[] {
    return node.outputs.flatMap((output) => {
      const [kind, value] = this.view.union(output, "output");
      if (kind !== "as_tensors") return [this.#outputName(output)];
      return this.view.array(value, kind).map((t) => this.view.text(this.view.object(t, "output")["name"], "output name"));
    });
  }

  /** Gives a higher-order node's results their names, in order. */
  defineAll(node: NodeView, values: readonly (Value | undefined)[], scope: Scope): void {
    this.outputNames(node).forEach((name, i) => name !== undefined && this.define(scope, name, values[i]));
  }

  define(scope: Scope, name: string, value: Value | undefined): void {
    if (value === undefined) throw new OpwiseError("bad-model", `\`${name}\` has no value`);
    scope.set(name, value);
  }

  /** A call of the op `target` on what it is given by name or position; its results, a list of tensors as one. */
  callOp(target: string, inputs: NodeView["inputs"], location: Location): { readonly schema: Schema; readonly operands: (Value | undefined)[] } {
    const schema = this.schemaOf(target);
    if (schema === undefined)
      throw new OpwiseError("unsupported-op", `there is no op \`${target}\``, { hint: "register the schema of a custom op before loading" });
    const givens = align(schema, target, inputs);
    return { schema, operands: this.#operands(schema, givens, location) };
  }
}

/** The node's inputs in the schema's order; by name where they have one, else by position. */
function align(schema: Schema, target: string, inputs: NodeView["inputs"]): (Given | undefined)[] {
  const out = new Array<Given | undefined>(schema.args.length).fill(undefined);
  inputs.forEach((input, i) => {
    const at = input.name === "" ? i : schema.args.findIndex((arg) => arg.name === input.name);
    if (at < 0 || at >= schema.args.length) {
      throw new OpwiseError("bad-model", `the schema has no argument \`${input.name === "" ? i + 1 : input.name}\``, { wanted: schema.text });
    }
    out[at] = input.given;
  });
  schema.args.forEach((arg, i) => {
    if (out[i] === undefined && arg.default === undefined)
      throw new OpwiseError("bad-model", `the argument \`${arg.name}\` of \`${target}\` is missing`, { wanted: schema.text });
  });
  return out;
}
