/** Lowers ONNX graphs to IR blocks: names to SSA values, nodes checked against their schemas, functions inlined. */

import type { AttributeProto, FunctionProto, GraphProto, NodeProto, SparseTensorProto, ValueInfoProto } from "../../bytes/onnx-proto.ts";
import type { Limits } from "../../bytes/limits.ts";
import type { GraphBuilder } from "../../ir/builder.ts";
import type { Location, Value } from "../../ir/graph.ts";
import { domainPrefix, openSchema, normalDomain, onnxSchema, type OnnxSchema, onnxVersions, similarOnnxOps } from "../../ir/onnx-schema.ts";
import type { Template, TensorTemplate } from "../../ir/template.ts";
import { type Type } from "../../ir/type.ts";
import { OpwiseError, isOpwiseError } from "../../tensor/error.ts";
import { moduleOfNodeName, moduleOfScopes, placesOfStack, placeText } from "../author.ts";
import { attributeTemplate, type Attributes, checkAttributes, resolveAttributes, sparseTemplate } from "./attributes.ts";
import { lowerControlFlow } from "./control-flow.ts";
import { lowerGradient, type MadeNode } from "./gradient.ts";
import { checkInputs, resultType } from "./inference.ts";
import { graphLabel, nodeLabel, sortedNodes } from "./names.ts";
import { smallTensor, stringTensor, type TensorReader } from "./tensors.ts";
import { ShapeInference } from "./shapes.ts";
import { compatible, mergeTypes, onnxTypeText, type OpenDims, tensorType, typeOfProto } from "./types.ts";
import { T } from "../../ir/type.ts";

/** One body of code: the main graph, or one inlining of a function. */
export interface Frame {
  /** Opset version by normalised domain. */
  readonly opsets: ReadonlyMap<string, number>;
  /** What `ref_attr_name` refers to. */
  readonly attributes: Attributes<Scope>;
  /** Functions being inlined, outermost first. */
  readonly functions: readonly string[];
}

/** The names of one graph; an inner graph sees the outer ones. */
export class Scope {
  readonly frame: Frame;
  readonly location: Location;
  readonly #parent: Scope | undefined;
  /** Undefined: a function's input that the call leaves out. */
  readonly #values = new Map<string, Value | undefined>();
  readonly #declared: Map<string, ValueInfoProto>;

  constructor(frame: Frame, record: string, infos: readonly ValueInfoProto[], parent: Scope | undefined) {
    this.frame = frame;
    this.location = { record, line: 0 };
    this.#parent = parent;
    this.#declared = new Map(infos.map((info) => [info.name, info]));
  }

  /** What the file says of the type of `name`. */
  declared(name: string, open: OpenDims): Type | undefined {
    return typeOfProto(this.#declared.get(name)?.type, open);
  }
  has(name: string): boolean {
    return this.#values.has(name);
  }
  /** Whether the name is defined here or further out. */
  knows(name: string): boolean {
    return this.#values.has(name) || this.#parent?.knows(name) === true;
  }
  define(name: string, value: Value | undefined): void {
    this.#values.set(name, value);
  }
  /** The value of a name, here or further out; an empty name and a left-out input give undefined. @throws bad-onnx */
  lookup(name: string): Value | undefined {
    if (name === "") return undefined;
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.#parent) {
      if (scope.#values.has(name)) return scope.#values.get(name);
    }
    throw new OpwiseError("bad-onnx", `\`${name}\` is used and nothing defines it`, { where: { record: this.location.record } });
  }
  /** As `lookup`, for a name that must have a value. */
  need(name: string): Value {
    const value = this.lookup(name);
    if (value === undefined)
      throw new OpwiseError("bad-onnx", name === "" ? "an output has no name" : `\`${name}\` has no value`, { where: { record: this.location.record } });
    return value;
  }
}

/** A node on its way into the IR: everything resolved and checked but its meaning. */
export interface ReadyNode {
  readonly proto: NodeProto;
  readonly schema: OnnxSchema;
  readonly operands: readonly (Value | undefined)[];
  readonly attributes: Attributes<Scope>;
  readonly scope: Scope;
  /** The type of the `index`-th result as far as it is known. */
  readonly result: (index: number) => { type: Type; name: string | undefined };
}

/** Where a node comes from: the graph, and what the exporter's metadata and the node's name say of the author's source and module. */
export function locationOfNode(proto: NodeProto, graph: Location): Location {
  const trace = proto.metadata.get("pkg.torch.onnx.stack_trace");
  const scopes = proto.metadata.get("pkg.torch.onnx.name_scopes");
  const module = (): string | undefined => (scopes === undefined ? moduleOfNodeName(proto.name) : moduleOfScopes(scopes));
  if (trace === undefined) return { ...graph, module };
  return { ...graph, module, author: () => placesOfStack(trace), python: () => placeText(placesOfStack(trace)) };
}

export const functionKey = (domain: string, name: string, overload: string): string =>
  `${normalDomain(domain)}::${name}${overload === "" ? "" : `:${overload}`}`;

export class OnnxLowering {
  readonly builder: GraphBuilder;
  readonly tensors: TensorReader;
  readonly open: OpenDims;
  readonly shapes: ShapeInference;
  /** How values came about, for Gradient. */
  readonly made: Map<Value, MadeNode & { readonly ready: ReadyNode }> = new Map();
  readonly #functions: ReadonlyMap<string, FunctionProto>;
  readonly #customOps: ReadonlySet<string>;
  readonly #limits: Limits;
  #nodes = 0;
  #depth = 0;

  constructor(builder: GraphBuilder, tensors: TensorReader, functions: ReadonlyMap<string, FunctionProto>, customOps: ReadonlySet<string>, limits: Limits, open: OpenDims) {
    this.builder = builder;
    this.tensors = tensors;
    this.open = open;
    this.shapes = new ShapeInference(open);
    this.#functions = functions;
    this.#customOps = customOps;
    this.#limits = limits;
  }

  /** Emits a graph's initialisers and nodes into the innermost open block and gives its outputs. Its inputs are in `scope` already. */
  body(graph: GraphProto, scope: Scope): Value[] {
    if (++this.#depth > this.#limits.maxNesting) {
      throw new OpwiseError("limit-exceeded", "graphs nest too deep", {
        where: { record: graphLabel(graph) },
        wanted: `at most ${this.#limits.maxNesting}`,
        hint: "raise `maxNesting`",
      });
    }
    this.#initializers(graph, scope);
    const defined = new Set([
      ...graph.inputs.map((i) => i.name),
      ...graph.initializers.map((t) => t.name),
      ...graph.sparseInitializers.map((s) => s.values?.name ?? ""),
    ]);
    this.#nodesOf(sortedNodes(graph.nodes, defined, scope.location.record), scope);
    this.#depth--;
    return graph.outputs.map((output) => {
      if (!scope.knows(output.name))
        throw new OpwiseError("bad-onnx", `the graph's output \`${output.name}\` is never made`, { where: { record: scope.location.record } });
      const value = scope.need(output.name);
      const declared = scope.declared(output.name, this.open);
      this.#agree(value, declared, output.name, scope);
      return value;
    });
  }

  /** A scope for a nested graph. */
  inner(graph: GraphProto, outer: Scope): Scope {
    return new Scope(outer.frame, graphLabel(graph), [...graph.inputs, ...graph.valueInfo, ...graph.outputs], outer);
  }

  #agree(value: Value, declared: Type | undefined, name: string, scope: Scope): void {
    if (declared === undefined) return;
    if (!compatible(value.type, declared)) {
      throw new OpwiseError("type-mismatch", `\`${name}\` is declared with another type than it has`, {
        where: { record: scope.location.record },
        wanted: onnxTypeText(declared),
        got: onnxTypeText(value.type),
      });
    }
    value.type = mergeTypes(value.type, declared) ?? value.type;
  }

  #initializers(graph: GraphProto, scope: Scope): void {
    const seen = new Set<string>();
    const once = (name: string): void => {
      if (seen.has(name)) throw new OpwiseError("bad-onnx", `the initialiser \`${name}\` is defined twice`, { where: { record: scope.location.record } });
      seen.add(name);
    };
    for (const proto of graph.initializers) {
      once(proto.name);
      // An input of that name takes the initialiser as its default.
      if (!scope.has(proto.name)) scope.define(proto.name, this.constant(this.tensors.template(proto), scope, proto.name));
    }
    for (const sparse of graph.sparseInitializers) {
      const name = sparse.values?.name ?? "";
      once(name);
      if (!scope.has(name)) scope.define(name, this.#sparse(sparse, scope, name));
    }
  }

  constant(tensor: TensorTemplate, scope: Scope, name: string | undefined): Value {
    const [value] = this.builder.node("prim::Constant", [], [{ type: tensorType(tensor.dtype, tensor.shape), name }], {
      attributes: { value: { kind: "tensor", tensor } },
      name,
      location: scope.location,
    });
    if (value === undefined) throw new OpwiseError("internal", "a constant has one result");
    this.shapes.constant(value, this.tensors.elements(tensor));
    return value;
  }

  /** A sparse constant stays `onnx::Constant`, whose meaning makes it dense. */
  #sparse(sparse: SparseTensorProto, scope: Scope, name: string): Value {
    const value = sparseTemplate(sparse, this.tensors);
    const [result] = this.builder.node("onnx::Constant@13", [], [{ type: tensorType(value.values.dtype, value.shape), name }], {
      attributes: { sparse_value: value },
      name,
      location: scope.location,
    });
    if (result === undefined) throw new OpwiseError("internal", "a constant has one result");
    return result;
  }

  #nodesOf(nodes: readonly NodeProto[], scope: Scope): void {
    for (const proto of nodes) {
      try {
        this.#node(proto, scope);
      } catch (error) {
        throw isOpwiseError(error)
          ? error.at({ record: scope.location.record, node: nodeLabel(proto), op: `${domainPrefix(normalDomain(proto.domain))}::${proto.opType}` })
          : error;
      }
    }
  }

  #node(proto: NodeProto, scope: Scope): void {
    if (++this.#nodes > this.#limits.maxNodes) {
      throw new OpwiseError("limit-exceeded", "the model has too many nodes with its functions inlined", {
        wanted: `at most ${this.#limits.maxNodes}`,
        hint: "raise `maxNodes`",
      });
    }
    const operands = proto.inputs.map((name) => scope.lookup(name));
    while (operands.length > 0 && operands.at(-1) === undefined) operands.pop();
    const attributes = resolveAttributes(proto.attributes, scope, scope.frame.attributes);
    const own = this.#functions.get(functionKey(proto.domain, proto.opType, proto.overload));
    if (own !== undefined) {
      this.#inline(own, proto, operands, attributes, scope);
      return;
    }
    const schema = this.#custom(proto, scope) ?? chooseSchema(proto, scope.frame.opsets);
    const bindings = checkInputs(schema, operands, proto.outputs.length);
    checkAttributes(schema, attributes);
    const result = (index: number): { type: Type; name: string | undefined } => {
      const name = proto.outputs[index] === "" ? undefined : proto.outputs[index];
      const found = resultType(schema, index, bindings, attributes, operands);
      const declared = name === undefined ? undefined : scope.declared(name, this.open);
      if (found !== undefined && declared !== undefined && !compatible(found, declared)) {
        throw new OpwiseError("type-mismatch", `\`${name ?? ""}\` is declared with another type than \`${schema.name}-${schema.since}\` gives`, {
          wanted: onnxTypeText(declared),
          got: onnxTypeText(found),
        });
      }
      return { type: mergeTypes(found, declared) ?? T.Tensor, name };
    };
    const ready: ReadyNode = { proto, schema, operands, attributes, scope, result };
    const values = lowerControlFlow(this, ready) ?? lowerGradient(this, ready) ?? this.#constantNode(ready) ?? this.#plain(ready);
    proto.outputs.forEach((name, i) => {
      const made = values[i];
      if (name === "" || made === undefined) return;
      const value = this.#narrow(made, scope.declared(name, this.open), scope);
      value.name ??= name;
      scope.define(name, value);
    });
    if (values.length < proto.outputs.length)
      throw new OpwiseError("bad-onnx", "the node names more outputs than it has", { wanted: `at most ${values.length}`, got: String(proto.outputs.length) });
  }

  /** The schema of an op that the caller brings and nobody else knows. */
  #custom(proto: NodeProto, scope: Scope): OnnxSchema | undefined {
    const domain = normalDomain(proto.domain);
    if (!this.#customOps.has(`${domainPrefix(domain)}::${proto.opType}`) || onnxVersions(domain, proto.opType).length > 0) return undefined;
    return openSchema(domain, proto.opType, scope.frame.opsets.get(domain));
  }

  /** A loop carries an optional and hands out what is in it: the file declares the result without the optional. */
  #narrow(value: Value, declared: Type | undefined, scope: Scope): Value {
    if (declared === undefined || value.type.kind !== "Optional" || declared.kind === "Optional") return value;
    const [narrowed] = this.builder.node("prim::unchecked_cast", [value], [{ type: declared }], { location: scope.location });
    return narrowed ?? value;
  }

  #plain(ready: ReadyNode): Value[] {
    const { proto, schema, operands, attributes, scope, result } = ready;
    const templates: Record<string, Template> = {};
    for (const [name, { value }] of attributes) {
      const template = attributeTemplate(value, this.tensors);
      if (template === undefined)
        throw new OpwiseError("unsupported-op", `\`${schema.name}-${schema.since}\` with a graph in its attribute \`${name}\` is not supported`);
      templates[name] = template;
    }
    const results = this.builder.node(
      `${domainPrefix(schema.domain)}::${schema.name}@${schema.since}`,
      operands,
      proto.outputs.map((_name, i) => result(i)),
      {
        attributes: templates,
        name: proto.name === "" ? undefined : proto.name,
        location: locationOfNode(proto, scope.location),
      },
    );
    this.shapes.node(schema, templates, operands, results);
    const [first] = results;
    if (first !== undefined) this.made.set(first, { schema, operands, result: first, ready });
    return results;
  }

  /** A node once more, on other operands: its first result. */
  remade(value: Value, operands: readonly (Value | undefined)[]): Value {
    const made = this.made.get(value);
    const [result] = made === undefined ? [] : this.#plain({ ...made.ready, operands });
    if (result === undefined) throw new OpwiseError("internal", "a value that no node made cannot be made again");
    return result;
  }

  /** `Constant` is a constant of the IR; undefined for other ops and for a sparse value. */
  #constantNode({ schema, attributes, scope, proto }: ReadyNode): Value[] | undefined {
    if (schema.domain !== "" || schema.name !== "Constant" || attributes.has("sparse_value")) return undefined;
    const [first] = attributes;
    if (first === undefined || attributes.size !== 1) {
      throw new OpwiseError("bad-onnx", "`Constant` needs exactly one value", {
        wanted: [...schema.attributes.keys()].join(" or "),
        got: [...attributes.keys()].join(", ") || "none",
      });
    }
    const template = attributeTemplate(first[1].value, this.tensors);
    const tensor = template === undefined ? undefined : tensorOf(template);
    if (tensor === undefined) throw new OpwiseError("bad-onnx", "`Constant` holds no tensor");
    return [this.constant(tensor, scope, proto.outputs[0])];
  }

  /** A call of a model-local function: its nodes in place, under names of their own. */
  #inline(fn: FunctionProto, proto: NodeProto, operands: readonly (Value | undefined)[], attributes: Attributes<Scope>, scope: Scope): void {
    const key = functionKey(fn.domain, fn.name, fn.overload);
    const { functions } = scope.frame;
    if (functions.includes(key)) {
      throw new OpwiseError("bad-onnx", `the function \`${fn.name}\` calls itself`, { got: [...functions.slice(functions.indexOf(key)), key].join(" -> ") });
    }
    if (functions.length >= this.#limits.maxNesting)
      throw new OpwiseError("limit-exceeded", "functions call each other too deep", { wanted: `at most ${this.#limits.maxNesting}` });
    if (operands.length > fn.inputs.length || proto.outputs.length > fn.outputs.length) {
      throw new OpwiseError("bad-onnx", `the function \`${fn.name}\` is called with other inputs or outputs than it has`, {
        wanted: `at most ${fn.inputs.length} inputs and ${fn.outputs.length} outputs`,
        got: `${operands.length} and ${proto.outputs.length}`,
      });
    }
    const given = new Map(attributes);
    // A default belongs to the function's text: a name in it cannot mean the caller's.
    const empty: Attributes<Scope> = new Map();
    for (const [name, bound] of resolveAttributes(fn.attributeDefaults satisfies readonly AttributeProto[], scope, empty))
      if (!given.has(name)) given.set(name, bound);
    const frame: Frame = { opsets: new Map([...scope.frame.opsets, ...opsetMap(fn.opsetImport)]), attributes: given, functions: [...functions, key] };
    const inner = new Scope(frame, `${scope.location.record} > ${fn.name}`, fn.valueInfo, undefined);
    fn.inputs.forEach((name, i) => inner.define(name, operands[i]));
    this.#nodesOf(sortedNodes(fn.nodes, new Set(fn.inputs), inner.location.record), inner);
    proto.outputs.forEach((name, i) => {
      if (name === "") return;
      const value = inner.need(fn.outputs[i] ?? "");
      this.#agree(value, scope.declared(name, this.open), name, scope);
      scope.define(name, value);
    });
  }
}

/** `Constant`'s value as a tensor, whatever attribute it came by. */
function tensorOf(template: Template): TensorTemplate | undefined {
  switch (template.kind) {
    case "tensor":
      return template.tensor;
    case "int":
      return smallTensor("int64", [], [template.value]);
    case "float":
      return smallTensor("float32", [], [template.value]);
    case "str":
      return stringTensor([], [template.value]);
    case "list": {
      const { items } = template;
      const strings = items.flatMap((item) => (item.kind === "str" ? [item.value] : []));
      if (template.elem.kind === "str") return stringTensor([items.length], strings);
      const numbers = items.flatMap((item) => (item.kind === "int" || item.kind === "float" ? [item.value] : []));
      return smallTensor(template.elem.kind === "int" ? "int64" : "float32", [items.length], numbers);
    }
    default:
      return undefined;
  }
}

/** Opset imports by normalised domain. @throws bad-onnx for a version that is no number */
export function opsetMap(imports: readonly { readonly domain: string; readonly version: number | bigint }[]): Map<string, number> {
  return new Map(
    imports.map(({ domain, version }) => {
      if (typeof version === "bigint" || version < 1)
        throw new OpwiseError("bad-onnx", `the opset version ${version} of \`${domain === "" ? "ai.onnx" : domain}\` is out of range`);
      return [normalDomain(domain), version];
    }),
  );
}

/** The schema that a node means. @throws bad-onnx, unsupported-op */
export function chooseSchema(proto: NodeProto, opsets: ReadonlyMap<string, number>): OnnxSchema {
  const domain = normalDomain(proto.domain);
  const shown = domain === "" ? "ai.onnx" : domain;
  const opset = opsets.get(domain);
  const versions = onnxVersions(domain, proto.opType);
  if (opset === undefined) {
    if (versions.length === 0) throw unknownOp(proto, shown);
    throw new OpwiseError("bad-onnx", `the model uses \`${proto.opType}\` of the domain \`${shown}\` and does not import that domain's opset`, {
      wanted: `an opset_import for \`${shown}\``,
    });
  }
  const schema = onnxSchema(domain, proto.opType, opset);
  if (schema === undefined) {
    if (versions.length === 0) throw unknownOp(proto, shown);
    throw new OpwiseError("unsupported-op", `\`${proto.opType}\` does not exist at opset ${opset} of \`${shown}\``, {
      wanted: `opset ${versions[0]} or newer`,
      got: `opset ${opset}`,
    });
  }
  // A version that a newer one replaced still means what it says; what has no successor is gone. Of ai.onnx.ml, exporters still write what was withdrawn.
  if (schema.deprecated && schema.since === versions.at(-1) && domain === "") {
    throw new OpwiseError("unsupported-op", `\`${proto.opType}\` was withdrawn at opset ${schema.since} of \`${shown}\``, {
      got: `opset ${opset}`,
      hint: "export the model again",
    });
  }
  return schema;
}

function unknownOp(proto: NodeProto, domain: string): OpwiseError {
  const similar = similarOnnxOps(proto.domain, proto.opType);
  return new OpwiseError("unsupported-op", `there is no op \`${proto.opType}\` in the domain \`${domain}\`, and the model defines no function of that name`, {
    hint: similar.length === 0 ? undefined : `did the exporter mean ${similar.map((s) => `\`${s}\``).join(" or ")}?`,
  });
}
