/**
 * The static graph of a program with its numbers: every node of every function is `#1, #2, …`, every value has an id and a name. The order is that of
 * the printed program with the entry first, so the same file has the same numbers everywhere.
 */

import { ownPlace } from "../ir/author.ts";
import type { ClassType } from "../ir/class-type.ts";
import type { Block, FunctionDecl, Location, Node, Program, Value } from "../ir/graph.ts";
import { printTemplate } from "../ir/printer.ts";
import type { Template } from "../ir/template.ts";
import { printType } from "../ir/type.ts";
import { isOpwiseError } from "../tensor/error.ts";
import type { NodeId, SourceRange, ValueId } from "./events.ts";

/** `graph.json`: the static facts of a program, once. */
export interface TraceGraph {
  readonly model: { readonly name: string; readonly format: string; readonly version: string };
  readonly functions: readonly GraphFunction[];
  /** By id: `blocks[b].id === b`. */
  readonly blocks: readonly GraphBlock[];
  /** `nodes[n - 1].id === n`: node ids begin with 1. */
  readonly nodes: readonly GraphNode[];
  /** By id. */
  readonly values: readonly GraphValue[];
  /** Dotted paths of all module instances with the name of their class, the root ("") first. */
  readonly modules: readonly { readonly path: string; readonly class: string }[];
  /** Parameters, buffers and initialisers by name. */
  readonly weights: readonly GraphWeight[];
}
export interface GraphFunction {
  readonly id: number;
  /** `forward`; a free function's qualified name. */
  readonly name: string;
  /** Its class, for a method. */
  readonly class: string | null;
  /** Body; null where it cannot be made, `error` says why. */
  readonly block: number | null;
  readonly source: SourceRange;
  readonly error?: string;
}
export interface GraphBlock {
  readonly id: number;
  readonly function: number;
  /** The node it is nested in; null for a function's body. */
  readonly owner: NodeId | null;
  readonly inputs: readonly ValueId[];
  readonly nodes: readonly NodeId[];
  readonly outputs: readonly ValueId[];
}
export interface GraphNode {
  readonly id: NodeId;
  /** `aten::add.Tensor`, `onnx::Conv@11`, `prim::If`. */
  readonly op: string;
  /** The node's own name, where the format has one. */
  readonly name: string | null;
  readonly block: number;
  /** Null: left out, the schema's default. */
  readonly operands: readonly (ValueId | null)[];
  readonly results: readonly ValueId[];
  readonly blocks: readonly number[];
  /** Attributes as text. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly source: SourceRange;
  /** Path of the module it belongs to where that is the same for every execution; null where calls decide. */
  readonly module: string | null;
}
export interface GraphValue {
  readonly id: ValueId;
  /** Shown as `%name`; unique within its function. */
  readonly name: string;
  readonly type: string;
  readonly block: number;
  /** The node that makes it; null for an input of a block. */
  readonly node: NodeId | null;
}
export interface GraphWeight {
  readonly name: string;
  readonly role: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** The graph and the way from the program's own objects to its numbers. */
export interface Numbering {
  readonly graph: TraceGraph;
  nodeId(node: Node): NodeId;
  valueId(value: Value): ValueId;
  /** The program's own node. @throws RangeError-free: undefined where there is none */
  nodeOf(id: NodeId): Node | undefined;
  valueOf(id: ValueId): Value | undefined;
  functionOf(decl: FunctionDecl): GraphFunction | undefined;
  /** The body of a function, or a block of a node. */
  blockId(block: Block): number;
  declOf(id: number): FunctionDecl | undefined;
}

/** Characters that an attribute's text keeps. */
const MAX_TEXT = 400;

const numberings = new WeakMap<Program, Numbering>();

/** Numbers a program, once. Functions whose body cannot be made are listed with the reason. */
export function numberingOf(program: Program): Numbering {
  let known = numberings.get(program);
  if (known === undefined) numberings.set(program, (known = new Numberer(program).finish()));
  return known;
}

/** The static graph of a program. */
export function graphOf(program: Program): TraceGraph {
  return numberingOf(program).graph;
}

/** Every function with code, the entry's own first. */
function functionsOf(program: Program): { readonly decl: FunctionDecl; readonly owner: ClassType | undefined }[] {
  const out = new Map<FunctionDecl, ClassType | undefined>();
  const addClass = (cls: ClassType): void => {
    if (cls.name.startsWith("__torch__.torch.classes.")) return;
    for (const method of cls.methods.values()) if (!out.has(method)) out.set(method, cls);
  };
  if (program.main !== undefined) out.set(program.main, undefined);
  if (program.root?.kind === "object") {
    const { class: cls } = program.root;
    const forward = cls.methods.get("forward");
    if (forward !== undefined) out.set(forward, cls);
    addClass(cls);
  }
  for (const fn of program.functions.values()) if (!out.has(fn)) out.set(fn, undefined);
  for (const cls of program.classes.values()) if (cls.kind === "Class") addClass(cls);
  return [...out].map(([decl, owner]) => ({ decl, owner }));
}

/** Where a node comes from, as data. */
export function sourceOf(location: Location | undefined): SourceRange {
  if (location === undefined) return {};
  const { record, line, column, length } = location;
  const start = column ?? 0;
  const author = location.author?.() ?? [];
  return {
    archive: { file: record, line, start, end: length === undefined ? start : start + length },
    ...(author.length === 0
      ? {}
      : {
          author: author.map((place) => ({
            file: place.file,
            line: place.line,
            ...(place.text === undefined ? {} : { text: place.text }),
            ...(place.function === undefined ? {} : { function: place.function }),
          })),
        }),
  };
}

class Numberer {
  readonly #program: Program;
  readonly #functions: GraphFunction[] = [];
  readonly #blocks: GraphBlock[] = [];
  readonly #nodes: GraphNode[] = [];
  readonly #values: GraphValue[] = [];
  readonly #nodeIds = new Map<Node, NodeId>();
  readonly #valueIds = new Map<Value, ValueId>();
  readonly #blockIds = new Map<Block, number>();
  readonly #decls: FunctionDecl[] = [];
  readonly #ownNodes: Node[] = [];
  readonly #ownValues: Value[] = [];
  #names = new Map<string, number>();
  #taken = new Set<string>();

  constructor(program: Program) {
    this.#program = program;
  }

  finish(): Numbering {
    const program = this.#program;
    for (const { decl, owner } of functionsOf(program)) this.#function(decl, owner);
    const modules = modulesOf(program);
    const paths = pathsByClass(modules);
    const graph: TraceGraph = {
      model: { name: program.name, format: program.format, version: program.version },
      functions: this.#functions,
      blocks: this.#blocks,
      values: this.#values,
      modules,
      weights: weightsOf(program),
      nodes: this.#nodes.map((node) => ({ ...node, module: node.module ?? this.#moduleOf(node, paths) })),
    };
    const byDecl = new Map(this.#decls.map((decl, i) => [decl, this.#functions[i]] as const));
    return {
      graph,
      nodeId: (node) => this.#nodeIds.get(node) ?? 0,
      valueId: (value) => this.#valueIds.get(value) ?? -1,
      nodeOf: (id) => this.#ownNodes[id - 1],
      valueOf: (id) => this.#ownValues[id],
      functionOf: (decl) => byDecl.get(decl),
      blockId: (block) => this.#blockIds.get(block) ?? -1,
      declOf: (id) => this.#decls[id],
    };
  }

  /** The path of a node's module where its class stands for one instance alone. */
  #moduleOf(node: GraphNode, paths: ReadonlyMap<string, string | null>): string | null {
    const fn = this.#functions[this.#blocks[node.block]?.function ?? -1];
    return fn?.class === undefined || fn.class === null ? null : (paths.get(fn.class) ?? null);
  }

  #function(decl: FunctionDecl, owner: ClassType | undefined): void {
    const id = this.#functions.length;
    const base = { id, name: decl.name, class: owner?.name ?? null, source: sourceOf(decl.location) };
    this.#decls.push(decl);
    this.#functions.push({ ...base, block: null }); // its place; filled in below
    let body: Block;
    try {
      body = decl.graph();
    } catch (error) {
      if (!isOpwiseError(error)) throw error;
      this.#functions[id] = { ...base, block: null, error: error.message };
      return;
    }
    this.#names = new Map();
    this.#taken = new Set();
    this.#functions[id] = { ...base, block: this.#block(body, id, null) };
  }

  #block(block: Block, fn: number, owner: NodeId | null): number {
    const id = this.#blocks.length;
    this.#blockIds.set(block, id);
    this.#blocks.push({ id, function: fn, owner, inputs: [], nodes: [], outputs: [] });
    const inputs = block.inputs.map((value) => this.#value(value, id, null));
    const nodes = block.nodes.map((node) => this.#node(node, fn, id));
    const outputs = block.outputs.map((value) => this.#valueIds.get(value) ?? -1);
    this.#blocks[id] = { id, function: fn, owner, inputs, nodes, outputs };
    return id;
  }

  #node(node: Node, fn: number, block: number): NodeId {
    const id = this.#nodes.length + 1;
    this.#nodeIds.set(node, id);
    this.#ownNodes.push(node);
    const fixed = {
      id,
      op: node.op,
      name: node.name ?? null,
      block,
      operands: node.operands.map((value) => (value === undefined ? null : (this.#valueIds.get(value) ?? -1))),
      attributes: Object.fromEntries(Object.entries(node.attributes).map(([name, value]) => [name, clip(printTemplate(value).replace(/^\$0</, "<"))])),
      source: sourceOf(node.location),
      module: node.location?.module?.() ?? null,
    };
    this.#nodes.push({ ...fixed, results: [], blocks: [] });
    const blocks = node.blocks.map((inner) => this.#block(inner, fn, id));
    const results = node.results.map((value) => this.#value(value, block, id));
    this.#nodes[id - 1] = { ...fixed, results, blocks };
    return id;
  }

  #value(value: Value, block: number, node: NodeId | null): ValueId {
    const id = this.#values.length;
    this.#valueIds.set(value, id);
    this.#ownValues.push(value);
    this.#values.push({ id, name: this.#nameOf(value), type: printType(value.type), block, node });
    return id;
  }

  /** The author's name; where it stands for several values of the function, later ones have `.1`, `.2`; without one, the value's number in the function. */
  #nameOf(value: Value): string {
    const base = value.name === undefined || value.name === "" ? String(value.id) : value.name;
    let name = base;
    while (this.#taken.has(name)) {
      const count = (this.#names.get(base) ?? 0) + 1;
      this.#names.set(base, count);
      name = `${base}.${count}`;
    }
    this.#taken.add(name);
    return name;
  }
}

function clip(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (${text.length} characters)`;
}

/** Modules that are listed; a shared one has a path for every way to it. */
const MAX_MODULES = 100_000;

/** All module instances with their paths, parents first. */
function modulesOf(program: Program): { path: string; class: string }[] {
  const out: { path: string; class: string }[] = [];
  const visit = (template: Template, path: string, above: ReadonlySet<Template>): void => {
    if (template.kind !== "object" || above.has(template) || out.length >= MAX_MODULES) return;
    out.push({ path, class: template.class.name });
    const inside = new Set([...above, template]);
    template.class.attributes.forEach((attribute, slot) => {
      const field = template.fields[slot];
      if (field?.kind === "object" && field.class.isModule) visit(field, path === "" ? attribute.name : `${path}.${attribute.name}`, inside);
    });
  };
  if (program.root !== undefined) visit(program.root, "", new Set());
  return out;
}

function pathsByClass(modules: readonly { readonly path: string; readonly class: string }[]): Map<string, string | null> {
  const out = new Map<string, string | null>();
  for (const { path, class: name } of modules) out.set(name, out.has(name) ? null : path);
  return out;
}

/** Stored tensors by name. */
function weightsOf(program: Program): GraphWeight[] {
  const out: GraphWeight[] = [];
  const add = (name: string, role: string, template: Template): void => {
    if (template.kind !== "tensor") return;
    const { dtype, shape, storage } = template.tensor;
    out.push({ name, role, dtype, shape, bytes: storage.nbytes });
  };
  for (const entry of program.state ?? []) add(entry.name, entry.role, entry.value);
  const visit = (template: Template, path: string, above: ReadonlySet<Template>): void => {
    if (template.kind !== "object" || above.has(template) || out.length >= MAX_MODULES) return;
    const { class: cls } = template;
    const inside = new Set([...above, template]);
    cls.attributes.forEach((attribute, slot) => {
      const field = template.fields[slot];
      if (field === undefined) return;
      const name = path === "" ? attribute.name : `${path}.${attribute.name}`;
      if (field.kind === "tensor")
        add(name, cls.parameters.has(attribute.name) ? "parameter" : cls.buffers.has(attribute.name) ? "buffer" : "attribute", field);
      else if (field.kind === "object" && field.class.isModule) visit(field, name, inside);
    });
  };
  if (program.root !== undefined) visit(program.root, "", new Set());
  return out;
}

/** `model.py:88`: the author's own innermost line, else the archive's; undefined where nothing is known. */
export function placeOf(source: SourceRange): { readonly file: string; readonly line: number; readonly text?: string | undefined } | undefined {
  const own = ownPlace(source.author ?? []);
  if (own !== undefined) return own;
  return source.archive === undefined || source.archive.line === 0 ? undefined : { file: source.archive.file, line: source.archive.line };
}
