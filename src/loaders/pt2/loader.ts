/** Loads a .pt2 archive, what `torch.export.save` writes, into the IR. */

import { openZip, type Zip } from "../../bytes/zip.ts";
import { DEFAULT_LIMITS, type Limits } from "../../bytes/limits.ts";
import { GraphBuilder } from "../../ir/builder.ts";
import type { Dim } from "../../ir/dim.ts";
import type { Guard } from "../../ir/guard.ts";
import type { FunctionDecl, ModelInput, ModelOutput, Mutation, Param, Program, StateEntry, SymbolRange, Tree, Value } from "../../ir/graph.ts";
import { SchemaTable, schemaOf } from "../../ir/schema-table.ts";
import type { Template } from "../../ir/template.ts";
import { T, tupleOf, type Type } from "../../ir/type.ts";
import { verifyProgram } from "../../ir/verifier.ts";
import { OpwiseError, isOpwiseError } from "../../tensor/error.ts";
import type { Source } from "../../tensor/source.ts";
import { archiveRoot, chooseProgram, programNames, readSampleInputs } from "./archive.ts";
import { materialise, readArgument, type Scope } from "./arguments.ts";
import { GraphLowering } from "./graph.ts";
import { type Json, type JsonObject, JsonView, parseJson, showJson } from "./json.ts";
import { type GuardedInput, parseGuard } from "./guards.ts";
import { leafCount, leafPaths, parseTree } from "./tree.ts";
import { readWeights, textOf, type Weights } from "./weights.ts";

export interface Pt2Options {
  /** The archive, where it is open already. */
  readonly zip?: Zip | undefined;
  readonly limits?: Limits | undefined;
  /** Schemas of custom ops that the program calls. */
  readonly schemas?: SchemaTable | undefined;
  /** Which program of an archive that holds several; else the only one, or `model`. */
  readonly program?: string | undefined;
}

/** Major version of torch.export's schema that this reads. */
const SCHEMA_MAJOR = 8;

/**
 * Reads a .pt2 archive. Weights stay ranges of `source`; nothing is run.
 * @throws bad-zip, bad-model, missing-record, unsupported-version, unsupported-op, bad-tensor
 */
export async function loadPt2(source: Source, options: Pt2Options = {}): Promise<Program> {
  try {
    const zip = options.zip ?? (await openZip(source, options.limits ?? DEFAULT_LIMITS));
    const program = await readProgram(zip, source, options);
    verifyProgram(program);
    return program;
  } catch (error) {
    throw isOpwiseError(error) ? error.at({ file: source.name }) : error;
  }
}

async function readProgram(zip: Zip, source: Source, options: Pt2Options): Promise<Program> {
  const root = await archiveRoot(zip);
  const name = chooseProgram(zip, root, options.program);
  const record = `${root}models/${name}.json`;
  const view = new JsonView(record);
  const program = view.object(parseJson(textOf(await zip.read(record)), record), "program");
  const version = view.object(program["schema_version"], "schema_version");
  if (version["major"] !== SCHEMA_MAJOR) {
    throw new OpwiseError("unsupported-version", "the program is of another version of torch.export's schema", {
      where: { record },
      wanted: `${SCHEMA_MAJOR}.x`,
      got: `${showJson(version["major"])}.${showJson(version["minor"])}${typeof program["torch_version"] === "string" ? `, written by PyTorch ${program["torch_version"]}` : ""}`,
      hint: "export the model again with a recent PyTorch",
    });
  }
  const limits = options.limits ?? DEFAULT_LIMITS;
  const weights = await readWeights(zip, `${root}data/weights/`, name, "weights", limits);
  const constants = await readWeights(zip, `${root}data/constants/`, name, "constants", limits);
  const extra = new Map<string, string>();
  for (const entry of zip.names) {
    if (entry.startsWith(`${root}extra/`)) extra.set(entry.slice(root.length + 6), textOf(await zip.read(entry)));
  }
  const table = options.schemas ?? new SchemaTable();
  const lowered = await table.complete(() => lower(program, view, { weights, constants, extra, source, table }));
  return { ...lowered, programs: programNames(zip, root), sampleInputs: () => readSampleInputs(zip, root, name, limits) };
}

interface Archive {
  readonly weights: Weights;
  readonly constants: Weights;
  readonly extra: ReadonlyMap<string, string>;
  readonly source: Source;
  readonly table: SchemaTable;
}

interface Entry {
  readonly param: Param;
  /** Name in the graph; undefined for a constant input. */
  readonly local: string | undefined;
  readonly state?: StateEntry;
  /** What an input that is an int says of the symbols. */
  readonly dim?: Dim | undefined;
  /** A constant input must equal this. */
  readonly fixed?: Template;
}

function lower(program: JsonObject, view: JsonView, archive: Archive): Program {
  const module = view.object(program["graph_module"], "graph_module");
  const graph = view.object(module["graph"], "graph");
  const signature = view.object(module["signature"], "signature");
  const builder = new GraphBuilder();
  const lowering = new GraphLowering(builder, view, archive.table);
  refuseUnknown(lowering.unknownTargets(graph), view);

  const trees = readTrees(module, view);
  const entries = readInputs(
    signature,
    graph,
    lowering,
    view,
    archive,
    trees.paths?.map((path) => path.join(".")),
  );
  const stateEntries = entries.filter((e) => e.state !== undefined);
  const userEntries = entries.filter((e) => e.state === undefined);
  if (trees.input !== undefined && leafCount(trees.input) !== userEntries.length) {
    throw new OpwiseError("bad-model", "the argument tree has another number of leaves than the program has inputs", {
      where: { record: view.record },
      wanted: String(userEntries.length),
      got: String(leafCount(trees.input)),
    });
  }
  const ordered = [...stateEntries, ...userEntries];

  // The body is made at once: what it refuses is refused when the file is loaded.
  const inputs = builder.open(ordered.map((e) => ({ type: e.param.type, name: e.param.name })));
  const scope: Scope = new Map();
  ordered.forEach((entry, i) => {
    const value = inputs[i];
    if (value === undefined) return;
    if (entry.local !== undefined) scope.set(entry.local, value);
    if (entry.fixed !== undefined) checkFixed(builder, entry.param.name, value, entry.fixed);
  });
  for (const token of tokens(signature, view)) scope.set(token, builder.constant({ kind: "none" }, T.None));
  lowering.nodes(graph, scope);
  const { mutations, outputs } = readOutputs(signature, builder, scope, view, userEntries);
  const block = builder.close([...mutations.map((m) => m.value), ...outputs.map((o) => o.value)]);
  const main: FunctionDecl = { name: "main", params: ordered.map((e) => e.param), returns: tupleOf(block.outputs.map((v) => v.type)), graph: () => block };
  if (trees.output !== undefined && leafCount(trees.output) !== outputs.length) {
    throw new OpwiseError("bad-model", "the result tree has another number of leaves than the program has outputs", { where: { record: view.record } });
  }

  const version = view.object(program["schema_version"], "schema_version");
  const torchVersion = typeof program["torch_version"] === "string" ? `, torch ${program["torch_version"]}` : "";
  return {
    format: "pt2",
    version: `schema ${showJson(version["major"])}.${showJson(version["minor"])}${torchVersion}`,
    name: archive.source.name,
    classes: new Map(),
    functions: new Map(),
    main,
    inputs: userEntries.map((e): ModelInput => ({ name: e.param.name, type: e.param.type, dim: e.dim })),
    outputs: outputs.map((o): ModelOutput => ({ name: o.name, type: o.value.type })),
    state: stateEntries.flatMap((e) => (e.state === undefined ? [] : [e.state])),
    symbols: readRanges(program["range_constraints"], view),
    guards: readGuards(
      program["guards_code"],
      userEntries.map((e, i) => ({ path: trees.paths?.[i] ?? [e.param.name] })),
      view,
    ),
    argumentNames: trees.names,
    inputTree: trees.input,
    outputTree: trees.output,
    mutations: mutations.map((m) => m.mutation),
    extra: archive.extra,
  };
}

function refuseUnknown(unknown: ReadonlyMap<string, number>, view: JsonView): void {
  const [first] = unknown.keys();
  if (first === undefined) return;
  const list = [...unknown].map(([target, count]) => `${target} (${count})`).join(", ");
  throw new OpwiseError("unsupported-op", `the program calls ops that are not known: ${list}`, {
    where: { record: view.record, op: first },
    hint: "register the schema of a custom op before loading",
  });
}

interface Trees {
  readonly input: Tree | undefined;
  readonly output: Tree | undefined;
  /** Names of the positional arguments. */
  readonly names: readonly string[] | undefined;
  /** The keys that lead to each input, its argument's name first. */
  readonly paths: readonly (readonly string[])[] | undefined;
}

function readTrees(module: JsonObject, view: JsonView): Trees {
  const namedTuples = module["treespec_namedtuple_fields"] === undefined ? {} : view.object(module["treespec_namedtuple_fields"], "treespec_namedtuple_fields");
  const [first] = view.array(module["module_call_graph"], "module_call_graph");
  const signature = first === undefined ? undefined : view.object(first, "module_call_graph")["signature"];
  if (signature === undefined || signature === null) return { input: undefined, output: undefined, names: undefined, paths: undefined };
  const call = view.object(signature, "signature");
  const input = parseTree(view.text(call["in_spec"], "in_spec"), view, namedTuples);
  const output = parseTree(view.text(call["out_spec"], "out_spec"), view, namedTuples);
  const given = call["forward_arg_names"];
  const names = Array.isArray(given) ? view.array(given, "forward_arg_names").map((n) => view.text(n, "forward_arg_names")) : undefined;
  return { input, output, names, paths: names === undefined ? undefined : inputPaths(input, names) };
}

function inputPaths(tree: Tree, names: readonly string[]): (readonly string[])[] | undefined {
  if (tree.kind !== "tuple") return undefined;
  const [args, kwargs] = tree.children;
  const positional = args !== undefined && "children" in args ? args.children.flatMap((child, i) => leafPaths(child, [names[i] ?? `arg${i}`])) : [];
  return [...positional, ...(kwargs === undefined ? [] : leafPaths(kwargs))];
}

function readInputs(
  signature: JsonObject,
  graph: JsonObject,
  lowering: GraphLowering,
  view: JsonView,
  archive: Archive,
  names: readonly string[] | undefined,
): Entry[] {
  let users = 0;
  const entries: Entry[] = [];
  for (const spec of view.array(signature["input_specs"], "input_specs")) {
    const [kind, json] = view.union(spec, "input spec");
    const body = view.object(json, kind);
    const argName = (): string => view.text(view.object(body["arg"], "arg")["name"], "arg name");
    const stateful = (key: string, role: StateEntry["role"], tables: readonly Weights[]): Entry => {
      const name = view.text(body[key], key);
      const tensor = tables.map((t) => t.get(name)).find((t) => t !== undefined);
      if (tensor === undefined) throw new OpwiseError("bad-model", `the archive has no tensor for \`${name}\``, { where: { record: view.record } });
      const local = argName();
      return {
        local,
        param: { name, type: lowering.tensorValue(graph, local) ?? T.Tensor },
        state: { name, value: { kind: "tensor", tensor }, role, persistent: role === "parameter" || body["persistent"] === true },
      };
    };
    switch (kind) {
      case "parameter":
        entries.push(stateful("parameter_name", "parameter", [archive.weights, archive.constants]));
        break;
      case "buffer":
        entries.push(stateful("buffer_name", "buffer", [archive.weights, archive.constants]));
        break;
      case "tensor_constant":
        entries.push(stateful("tensor_constant_name", "constant", [archive.constants, archive.weights]));
        break;
      case "user_input": {
        const { type, local, dim } = userInput(body["arg"], graph, lowering, view);
        entries.push({ local, param: { name: names?.[users] ?? local ?? `input${users}`, type }, dim });
        users++;
        break;
      }
      case "token":
        break;
      case "constant_input": {
        const value = body["value"];
        const { type, template } = constantInput(value, view);
        entries.push({ local: undefined, param: { name: names?.[users] ?? view.text(body["name"], "name"), type }, fixed: template });
        users++;
        break;
      }
      case "custom_obj": {
        const name = view.text(body["custom_obj_name"], "custom_obj_name");
        const cls = showJson(view.object(body["arg"], "arg")["class_fqn"]);
        throw new OpwiseError("unsupported-format", `the program needs the custom object \`${name}\` of class \`${cls}\``, {
          where: { record: view.record },
          wanted: "tensors, numbers and texts",
          hint: "a Python or C++ object has no meaning here: export the model without it",
        });
      }
      default:
        throw new OpwiseError("unsupported-op", `inputs of kind \`${kind}\` are not supported`, { where: { record: view.record } });
    }
  }
  return entries;
}

/** Inputs that only order effects: here a program's nodes run in order anyway. */
function tokens(signature: JsonObject, view: JsonView): string[] {
  return view.array(signature["input_specs"], "input_specs").flatMap((spec) => {
    const [kind, json] = view.union(spec, "input spec");
    return kind === "token" ? [view.text(view.object(view.object(json, kind)["arg"], "arg")["name"], "token name")] : [];
  });
}

function userInput(
  arg: Json | undefined,
  graph: JsonObject,
  lowering: GraphLowering,
  view: JsonView,
): { type: Type; local: string | undefined; dim?: Dim | undefined } {
  const [kind, value] = view.union(arg, "user input");
  const symbolName = (): string => view.text(view.object(value, kind)["as_name"], "as_name");
  switch (kind) {
    case "as_tensor": {
      const local = view.text(view.object(value, kind)["name"], "name");
      return { type: lowering.tensorValue(graph, local) ?? T.Tensor, local };
    }
    case "as_sym_int":
      return { type: T.int, local: symbolName(), dim: lowering.sizeValue(graph, symbolName()) };
    case "as_sym_float":
      return { type: T.float, local: symbolName() };
    case "as_sym_bool":
      return { type: T.bool, local: symbolName() };
    case "as_none":
      return { type: T.None, local: undefined };
    default:
      throw new OpwiseError("unsupported-op", `a user input of kind \`${kind}\` is not supported`, { where: { record: view.record } });
  }
}

function constantInput(value: Json | undefined, view: JsonView): { type: Type; template: Template } {
  const given = readArgument(new Map(), value, view);
  if (given.kind === "none") return { type: T.None, template: { kind: "none" } };
  if (given.kind === "constant") return { type: given.type, template: given.template };
  return view.fail("constant input", "a constant", value);
}

/** Export fixed this argument; the program is right for no other value. */
function checkFixed(builder: GraphBuilder, name: string, value: Value, wanted: Template): void {
  // NaN equals nothing, itself neither.
  if (wanted.kind === "float" && Number.isNaN(wanted.value)) return;
  const op =
    wanted.kind === "int"
      ? "aten::eq.int"
      : wanted.kind === "float"
        ? "aten::eq.float"
        : wanted.kind === "bool"
          ? "aten::eq.bool"
          : wanted.kind === "str"
            ? "aten::eq.str"
            : undefined;
  if (op === undefined) return;
  const constant = builder.constant(wanted, value.type);
  const [same] = builder.node(op, [value, constant], [{ type: T.bool }], { schema: schemaOf(op) });
  builder.open();
  const yes = builder.close([]);
  builder.open();
  const shown = wanted.kind === "int" || wanted.kind === "float" || wanted.kind === "bool" || wanted.kind === "str" ? String(wanted.value) : wanted.kind;
  const message = builder.constant({ kind: "str", value: `the argument \`${name}\` was fixed to ${shown} when the model was exported` }, T.str);
  const cls = builder.constant({ kind: "str", value: "builtins.RuntimeError" }, T.str);
  builder.node("prim::RaiseException", [message, cls], []);
  builder.node("prim::If", [same], [], { blocks: [yes, builder.close([])] });
}

interface Outputs {
  readonly mutations: { readonly mutation: Mutation; readonly value: Value }[];
  readonly outputs: { readonly name: string; readonly value: Value }[];
}

function readOutputs(signature: JsonObject, builder: GraphBuilder, scope: Scope, view: JsonView, users: readonly Entry[]): Outputs {
  const out: Outputs = { mutations: [], outputs: [] };
  for (const spec of view.array(signature["output_specs"], "output_specs")) {
    const [kind, json] = view.union(spec, "output spec");
    const body = view.object(json, kind);
    const tensor = (): Value => {
      const name = view.text(view.object(body["arg"], "arg")["name"], "arg name");
      const value = scope.get(name);
      if (value === undefined) throw new OpwiseError("bad-model", `the output \`${name}\` is never made`, { where: { record: view.record } });
      return value;
    };
    switch (kind) {
      case "user_output": {
        const given = readArgument(scope, body["arg"], view);
        const value = materialise(builder, given, undefined, undefined, undefined);
        out.outputs.push({ name: value.name ?? `output${out.outputs.length}`, value });
        break;
      }
      case "loss_output": {
        const value = tensor();
        out.outputs.push({ name: value.name ?? `output${out.outputs.length}`, value });
        break;
      }
      case "token":
        break;
      case "buffer_mutation":
        out.mutations.push({ mutation: { kind: "buffer", name: view.text(body["buffer_name"], "buffer_name") }, value: tensor() });
        break;
      case "parameter_mutation":
        out.mutations.push({ mutation: { kind: "buffer", name: view.text(body["parameter_name"], "parameter_name") }, value: tensor() });
        break;
      case "user_input_mutation": {
        const name = view.text(body["user_input_name"], "user_input_name");
        const index = users.findIndex((e) => e.local === name);
        if (index < 0) throw new OpwiseError("bad-model", `\`${name}\` is written to and is no input`, { where: { record: view.record } });
        out.mutations.push({ mutation: { kind: "input", index }, value: tensor() });
        break;
      }
      default:
        throw new OpwiseError("unsupported-op", `outputs of kind \`${kind}\` are not supported`, { where: { record: view.record } });
    }
  }
  return out;
}

/** The guards that speak of sizes. Archives of before PyTorch 2.8 have none. */
function readGuards(json: Json | undefined, inputs: readonly GuardedInput[], view: JsonView): Guard[] {
  if (json === undefined || json === null) return [];
  return view.array(json, "guards_code").flatMap((text) => parseGuard(view.text(text, "guards_code"), inputs) ?? []);
}

function readRanges(json: Json | undefined, view: JsonView): SymbolRange[] {
  return Object.entries(view.object(json ?? {}, "range_constraints")).map(([symbol, range]) => {
    const { min_val: min, max_val: max } = view.object(range, "range");
    return { symbol, min: typeof min === "number" ? min : -Infinity, max: typeof max === "number" ? max : Infinity };
  });
}
