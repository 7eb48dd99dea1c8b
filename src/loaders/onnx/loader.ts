/** Loads an ONNX model into the IR: one `main` function, initialisers as constants that stay ranges of the file. */

import type { FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto } from "../../bytes/onnx-proto.ts";
import { readOnnxOutline } from "../../bytes/onnx-proto.ts";
import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { FunctionDecl, ModelInput, Param, Program, StateEntry } from "../../ir/graph.ts";
import { domainPrefix, knowsDomain, normalDomain, ONNX_NEWEST_OPSET, onnxVersions } from "../../ir/onnx-schema.ts";
import type { Template } from "../../ir/template.ts";
import { T, tupleOf } from "../../ir/type.ts";
import { verifyProgram } from "../../ir/verifier.ts";
import { OpwiseError, isOpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { sparseTemplate } from "./attributes.ts";
import { type Frame, functionKey, OnnxLowering, opsetMap, Scope } from "./lowering.ts";
import { graphLabel, nodeLabel } from "./names.ts";
import { TensorReader } from "./tensors.ts";
import { compatible, onnxTypeText, OpenDims, tensorType } from "./types.ts";

export interface OnnxOptions {
  readonly limits?: Limits | undefined;
  /** Ops besides the known ones, as `domain::Name`: nothing of their inputs, attributes and types is checked. */
  readonly customOps?: readonly string[] | undefined;
}

/** The newest IR version that this reads. */
const NEWEST_IR = 14;
/** From this IR version on, an initialiser of an input's name is its default; before, all of them were listed as inputs. */
const DEFAULTS_SINCE_IR = 4;

/**
 * Reads an ONNX model. Everything the file says is checked: names, order, schemas, attributes, element types, tensor sizes.
 * @throws bad-onnx, bad-tensor, type-mismatch, unsupported-op, unsupported-version, unsupported-dtype, unsafe-path, missing-file, limit-exceeded
 */
export async function loadOnnx(source: Source, options: OnnxOptions = {}): Promise<Program> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  try {
    const { model, bytes } = await readOnnxOutline(source, limits);
    const { graph } = model;
    if (graph === undefined)
      throw new OpwiseError("bad-onnx", "the model has no graph", { hint: "the file may be another kind of protobuf, or its start was lost" });
    const opsets = checkVersions(model);
    const functions = functionsOf(model);
    const custom = new Set(options.customOps);
    refuseUnknown(graph, functions, custom);
    const tensors = new TensorReader(source, bytes, limits);
    for (const tensor of tensorsOf(graph, functions)) await tensors.open(tensor);
    const program = lower(model, graph, opsets, functions, custom, tensors, limits, source);
    verifyProgram(program);
    return program;
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: source.name }) : error;
  }
}

function checkVersions(model: ModelProto): Map<string, number> {
  if (typeof model.irVersion === "bigint" || model.irVersion < 1 || model.irVersion > NEWEST_IR) {
    throw new OpwiseError("unsupported-version", `the model is of IR version ${model.irVersion}`, {
      wanted: `1 to ${NEWEST_IR}`,
      got: String(model.irVersion),
    });
  }
  // Before IR version 3 there was no opset_import; opset 1 is meant.
  const imports = model.opsetImport.length === 0 && model.irVersion < 3 ? [{ domain: "", version: 1 }] : model.opsetImport;
  if (imports.length === 0) throw new OpwiseError("bad-onnx", "the model imports no opset", { wanted: "an opset_import" });
  const opsets = opsetMap(imports);
  const opset = opsets.get("");
  if (opset !== undefined && opset > ONNX_NEWEST_OPSET) {
    throw new OpwiseError("unsupported-version", `the model is of opset ${opset}`, {
      wanted: `up to ${ONNX_NEWEST_OPSET}`,
      got: String(opset),
      hint: "export the model with an older opset",
    });
  }
  return opsets;
}

export function functionsOf(model: ModelProto): Map<string, FunctionProto> {
  const out = new Map<string, FunctionProto>();
  for (const fn of model.functions) {
    const key = functionKey(fn.domain, fn.name, fn.overload);
    if (out.has(key)) throw new OpwiseError("bad-onnx", `the function \`${key}\` is defined twice`);
    out.set(key, fn);
  }
  return out;
}

/** All node lists of a model: the graph's, nested ones', functions'. */
function* nodeLists(
  graph: GraphProto,
  functions: ReadonlyMap<string, FunctionProto>,
): Generator<{ readonly nodes: readonly NodeProto[]; readonly graph: GraphProto | undefined; readonly record: string }> {
  const pending: { nodes: readonly NodeProto[]; graph: GraphProto | undefined; record: string }[] = [{ nodes: graph.nodes, graph, record: graphLabel(graph) }];
  for (const fn of functions.values()) pending.push({ nodes: fn.nodes, graph: undefined, record: fn.name });
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    yield next;
    for (const node of next.nodes) {
      for (const { value } of node.attributes) {
        const graphs = value?.kind === "graph" ? [value.value] : value?.kind === "graphs" ? value.value : [];
        for (const inner of graphs) pending.push({ nodes: inner.nodes, graph: inner, record: graphLabel(inner) });
      }
    }
  }
}

/** One error for all ops that do not exist, with their counts and the first place of each. */
function refuseUnknown(graph: GraphProto, functions: ReadonlyMap<string, FunctionProto>, custom: ReadonlySet<string>): void {
  const unknown = new Map<string, { count: number; readonly node: string; readonly record: string }>();
  for (const { nodes, record } of nodeLists(graph, functions)) {
    for (const node of nodes) {
      if (functions.has(functionKey(node.domain, node.opType, node.overload)) || onnxVersions(node.domain, node.opType).length > 0) continue;
      if (custom.has(`${domainPrefix(node.domain)}::${node.opType}`)) continue;
      const domain = normalDomain(node.domain);
      const key = `${domain === "" ? "ai.onnx" : domain}::${node.opType}`;
      const entry = unknown.get(key);
      if (entry === undefined) unknown.set(key, { count: 1, node: nodeLabel(node), record });
      else entry.count++;
    }
  }
  const [first] = unknown;
  if (first === undefined) return;
  const [op, { node, record }] = first;
  const domains = [...new Set([...unknown.keys()].map((key) => key.slice(0, key.indexOf("::"))))].filter((d) => !knowsDomain(d));
  throw new OpwiseError(
    "unsupported-op",
    `the model uses ops that do not exist: ${[...unknown].map(([key, { count }]) => `\`${key}\` (${count})`).join(", ")}`,
    {
      where: { record, node, op },
      ...(domains.length === 0 ? {} : { hint: `no op of ${domains.map((d) => `\`${d}\``).join(", ")} is known; a model can carry such ops as functions` }),
    },
  );
}

/** Every tensor that may lie in another file. */
export function* tensorsOf(graph: GraphProto, functions: ReadonlyMap<string, FunctionProto>): Generator<TensorProto> {
  for (const { nodes, graph: inner } of nodeLists(graph, functions)) {
    if (inner !== undefined) {
      yield* inner.initializers;
      for (const sparse of inner.sparseInitializers) {
        if (sparse.values !== undefined) yield sparse.values;
        if (sparse.indices !== undefined) yield sparse.indices;
      }
    }
    for (const node of nodes) {
      for (const { value } of node.attributes) {
        if (value?.kind === "tensor") yield value.value;
        else if (value?.kind === "tensors") yield* value.value;
      }
    }
  }
}

function lower(
  model: ModelProto,
  graph: GraphProto,
  opsets: ReadonlyMap<string, number>,
  functions: ReadonlyMap<string, FunctionProto>,
  custom: ReadonlySet<string>,
  tensors: TensorReader,
  limits: Limits,
  source: Source,
): Program {
  const builder = new GraphBuilder();
  const open = new OpenDims();
  const lowering = new OnnxLowering(builder, tensors, functions, custom, limits, open);
  const frame: Frame = { opsets, attributes: new Map(), functions: [] };
  const scope = new Scope(frame, graphLabel(graph), [...graph.inputs, ...graph.valueInfo, ...graph.outputs], undefined);
  const where = { record: graphLabel(graph) };

  const state: StateEntry[] = [];
  const initial = new Map<string, Template>();
  for (const proto of graph.initializers) initial.set(proto.name, { kind: "tensor", tensor: tensors.template(proto) });
  for (const sparse of graph.sparseInitializers) initial.set(sparse.values?.name ?? "", sparseTemplate(sparse, tensors));
  for (const [name, value] of initial) state.push({ name, value, role: "constant", persistent: true });

  const seen = new Set<string>();
  const params: Param[] = [];
  for (const input of graph.inputs) {
    if (input.name === "") throw new OpwiseError("bad-onnx", "a graph input has no name", { where });
    if (seen.has(input.name)) throw new OpwiseError("bad-onnx", `the graph input \`${input.name}\` is defined twice`, { where });
    seen.add(input.name);
    const type = scope.declared(input.name, open) ?? T.Tensor;
    const value = initial.get(input.name);
    if (value?.kind === "tensor" && !compatible(tensorType(value.tensor.dtype), type)) {
      throw new OpwiseError("type-mismatch", `the input \`${input.name}\` and its initialiser differ in type`, {
        where,
        wanted: onnxTypeText(type),
        got: onnxTypeText(tensorType(value.tensor.dtype)),
      });
    }
    if (value === undefined) params.push({ name: input.name, type });
    else if (Number(model.irVersion) >= DEFAULTS_SINCE_IR) params.push({ name: input.name, type, default: value });
  }
  if (graph.outputs.length === 0) throw new OpwiseError("bad-onnx", "the graph has no outputs", { where });

  const values = builder.open(params);
  params.forEach((param, i) => scope.define(param.name, values[i]));
  const outputs = lowering.body(graph, scope);
  const block = builder.close(outputs);
  const main: FunctionDecl = { name: "main", params, returns: tupleOf(outputs.map((v) => v.type)), graph: () => block, location: scope.location };
  const shown = [...opsets].map(([domain, version]) => `${domain === "" ? "ai.onnx" : domain} ${version}`).join(", ");
  return {
    format: "onnx",
    version: `ir ${model.irVersion}, ${shown}`,
    name: source.name,
    classes: new Map(),
    functions: new Map(),
    main,
    inputs: params.map((p): ModelInput => ({ name: p.name, type: p.type, optional: p.default !== undefined })),
    outputs: graph.outputs.map((o, i) => ({ name: o.name, type: outputs[i]?.type ?? T.Tensor })),
    state,
    extra: new Map([...(model.producerName === "" ? [] : [["producer", `${model.producerName} ${model.producerVersion}`.trim()] as const]), ...model.metadata]),
  };
}
