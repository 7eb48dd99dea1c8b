/** Links graphs into code: numbers registers, binds ops, fills in schema defaults, inserts scalar boxing, finds last uses. */

import { type Datum, type List, makeDict, makeList, makeTuple } from "../ir/datum.ts";
import type { ClassType } from "../ir/class-type.ts";
import type { Block, FunctionDecl, Node, Program, Value } from "../ir/graph.ts";
import type { Template } from "../ir/template.ts";
import type { Schema } from "../ir/schema.ts";
import { T, tupleOf, type Type } from "../ir/type.ts";
import { bindOnnx, type OnnxTable } from "../ops/onnx/define.ts";
import type { BoundOp, OpTable, Registry } from "../ops/registry.ts";
import { printedLine } from "../ops/prim/formats.ts";
import { OpwiseError, unreachable } from "../tensor/error.ts";
import { Tensor, viewOf } from "../tensor/tensor.ts";
import type { CodeBlock, Instruction, LinkedFunction, Operand } from "./code.ts";
import { coercion } from "./coerce.ts";
import { checkedKind, isInstanceOf, unpickledList } from "./instance-of.ts";
import { walkData } from "./reach.ts";

/** What a linker needs of its session. */
export interface LinkEnvironment {
  readonly program: Program;
  readonly ops: OpTable;
  readonly onnx: OnnxTable;
  readonly registry: Registry;
  /** The datum of a constant; the same object for the same template. */
  readonly constant: (template: Template) => Datum;
}

const NONE: Operand = { register: -1, constant: null, adapt: undefined };
const NO_OPERANDS: readonly Operand[] = [];
/** Also of the many nodes after which every register is still read. */
const NO_REGISTERS: readonly number[] = [];

/** What all instructions of a node have. */
interface Linked {
  readonly node: Node;
  readonly results: readonly number[];
  readonly kills: readonly number[];
}

type DataRun = (args: readonly Datum[]) => readonly Datum[];

export class Linker {
  readonly #env: LinkEnvironment;
  readonly #functions = new Map<FunctionDecl, LinkedFunction>();
  readonly #bound = new Map<string, BoundOp | undefined>();
  /** Values that are constant tensors. */
  readonly #constants = new WeakSet<Value>();
  /** By register, shared by all instructions: what reads it as it is, and the list of it alone. Most of linked code would be these. */
  readonly #readers: Operand[] = [];
  readonly #single: (readonly number[])[] = [];

  constructor(env: LinkEnvironment) {
    this.#env = env;
  }

  /** The linked form of a function, made once. */
  link(decl: FunctionDecl): LinkedFunction {
    const known = this.#functions.get(decl);
    if (known !== undefined) return known;
    const graph = decl.graph();
    let registers = 0;
    const makes = (value: Value): void => void (registers = Math.max(registers, value.id + 1));
    const count = (block: Block): void => {
      block.inputs.forEach(makes);
      block.nodes.forEach(visit);
    };
    const visit = (node: Node): void => {
      node.results.forEach(makes);
      node.blocks.forEach(count);
    };
    count(graph);
    const linked: LinkedFunction = {
      decl, registers, params: decl.params,
      body: this.#block(graph, graph.outputs.map((_, i) => (graph.outputs.length === 1 ? decl.returns : undefined) ?? graph.outputs[i]?.type ?? T.Any)),
    };
    this.#functions.set(decl, linked);
    return linked;
  }

  /** What a node of a format whose attributes are bound with it (ONNX) means with other ones; undefined for ops with a schema. */
  withAttributes(node: Node, attributes: Node["attributes"]): BoundOp | undefined {
    if ((node.schema ?? this.#ownSchema(node.op)) !== undefined) return undefined;
    return bindOnnx(this.#env.onnx, { ...node, attributes }, (t) => this.#env.constant(t));
  }

  /** The op names of a function's graph that have no meaning, with how often they occur. */
  method(cls: ClassType, name: string): LinkedFunction {
    const decl = cls.methods.get(name);
    if (decl === undefined) throw new OpwiseError("bad-model", `\`${cls.name}\` has no method \`${name}\``, { wanted: [...cls.methods.keys()].join(", ") || "any method" });
    return this.link(decl);
  }

  /** Whether LibTorch gives a constant 0-dim second operand to the op's Scalar overload (`CanonicalizeOps`). */
  #canonical(node: Node): boolean {
    return this.#env.program.format === "torchscript" && CANONICAL.has(node.op);
  }

  #block(block: Block, outputTypes: readonly Type[]): CodeBlock {
    const kills = lastUses(block, this.#registers);
    return {
      inputs: block.inputs.map((v) => v.id),
      instructions: block.nodes.map((node, i) => this.#node(node, kills[i] ?? NO_REGISTERS)),
      outputs: block.outputs.map((v, i) => this.#operand(v, outputTypes[i])),
    };
  }

  /** The first `count` registers as a list, which is not to be written. */
  readonly #registers = (ids: readonly number[], count: number): readonly number[] => {
    const first = ids[0];
    if (first === undefined || count === 0) return NO_REGISTERS;
    return count === 1 ? (this.#single[first] ??= [first]) : ids.slice(0, count);
  };

  #operand(value: Value, to?: Type): Operand {
    const adapt = to === undefined ? undefined : coercion(value.type, to);
    if (adapt !== undefined) return { register: value.id, constant: null, adapt };
    return (this.#readers[value.id] ??= { register: value.id, constant: null, adapt });
  }

  #operands(node: Node, types?: readonly (Type | undefined)[]): readonly Operand[] {
    if (node.operands.length === 0) return NO_OPERANDS;
    return node.operands.map((v, i) => (v === undefined ? NONE : this.#operand(v, types?.[i])));
  }

  /** Most nodes of a scripted model are constants, attributes and calls: a closure among their cases would cost each node a context. */
  #node(node: Node, kills: readonly number[]): Instruction {
    const first = node.results[0];
    const results = node.results.length === 1 && first !== undefined ? (this.#single[first.id] ??= [first.id]) : node.results.map((v) => v.id);
    switch (node.op) {
      case "prim::Constant":
        return { node, results, kills, kind: "constant", operands: NO_OPERANDS, value: this.#constantOf(node) };
      case "prim::GetAttr":
        return { node, results, kills, kind: "getattr", name: textAttribute(node, "name"), operands: this.#operands(node) };
      case "prim::CallMethod":
        return this.#call({ node, results, kills });
      case "prim::ListConstruct":
        return this.#list({ node, results, kills });
      default:
        return machineOps.has(node.op) ? this.#structure({ node, results, kills }) : this.#op({ node, results, kills });
    }
  }

  #constantOf(node: Node): Datum {
    const first = node.results[0];
    const template = node.attributes["value"] ?? unreachable("constant without a value");
    if (template.kind === "tensor" && first !== undefined) this.#constants.add(first);
    const shared = this.#env.constant(template);
    const value = typeof shared === "object" && shared !== null && "kind" in shared && shared.kind === "enum" ? { ...shared } : shared; // `is` tells places apart
    const adapt = first === undefined ? undefined : coercion(templateType(template), first.type);
    return adapt === undefined ? value : adapt(value);
  }

  #call({ node, results, kills }: Linked): Instruction {
    const name = textAttribute(node, "name");
    const object = node.operands[0]?.type;
    const params = object?.kind === "Class" ? object.methods.get(name)?.params.map((p) => p.type) : object?.kind === "Interface" ? [object, ...(object.methods.find((m) => m.name === name)?.params.map((p) => p.type) ?? [])] : undefined;
    const mark = node.attributes["context"];
    const context = mark?.kind === "str" && (mark.value === "enter" || mark.value === "exit") ? mark.value : undefined;
    return { node, results, kills, kind: "method", name, operands: this.#operands(node, params), lookup: (cls, method = name) => this.method(cls, method), context };
  }

  #list({ node, results, kills }: Linked): Instruction {
    const type = node.results[0]?.type;
    const elem = type?.kind === "List" ? type.elem : T.Any;
    return { node, results, kills, kind: "data", operands: this.#operands(node, node.operands.map(() => elem)), run: (args) => [makeList(elem, [...args])] };
  }

  /** What the machine itself does, apart from that. */
  #structure(common: Linked): Instruction {
    const { node, results } = common;
    const first = node.results[0];
    const data = (types: readonly (Type | undefined)[] | undefined, run: DataRun): Instruction => this.#data(common, types, run);
    switch (node.op) {
      case "prim::If":
        return { ...common, kind: "if", operands: this.#operands(node), blocks: node.blocks.map((b) => this.#block(b, node.results.map((r) => r.type))) };
      case "prim::Loop": {
        const body = node.blocks[0] ?? unreachable("loop without a body");
        const carried = body.inputs.slice(1).map((v) => v.type);
        return { ...common, kind: "loop", operands: this.#operands(node, [T.int, T.bool, ...carried]), body: this.#block(body, [T.bool, ...carried]) };
      }
      case "prim::fork": {
        const body = node.blocks[0] ?? unreachable("fork without a body");
        return { ...common, kind: "fork", operands: [], body: this.#block(body, body.outputs.map((v) => v.type)) };
      }
      case "aten::wait":
        return { ...common, kind: "wait", operands: this.#operands(node) };
      case "prim::RaiseException":
        return { ...common, kind: "raise", operands: this.#operands(node) };
      case "prim::CallFunction": {
        const decl = this.#env.program.functions.get(textAttribute(node, "name"));
        if (decl === undefined) throw new OpwiseError("bad-model", `no function \`${textAttribute(node, "name")}\` in the archive`);
        return { ...common, kind: "call", operands: this.#operands(node, decl.params.map((p) => p.type)), callee: () => this.link(decl) };
      }
      case "prim::SetAttr": {
        const object = node.operands[0]?.type;
        const name = textAttribute(node, "name");
        const slot = object?.kind === "Class" ? object.slots.get(name) : undefined;
        const type = object?.kind === "Class" && slot !== undefined ? object.attributes[slot]?.type : undefined;
        return { ...common, kind: "setattr", name, operands: this.#operands(node, [undefined, type]) };
      }
      case "prim::DictConstruct": {
        const type = first?.type;
        const [key, value] = type?.kind === "Dict" ? [type.key, type.value] : [T.Any, T.Any];
        return data(node.operands.map((_, i) => (i % 2 === 0 ? key : value)), (args) => {
          const entries: [Datum, Datum][] = [];
          for (let i = 0; i + 1 < args.length; i += 2) entries.push([args[i] ?? null, args[i + 1] ?? null]);
          return [makeDict(key, value, entries)];
        });
      }
      case "prim::TupleConstruct": {
        const type = first?.type;
        const elems = type?.kind === "Tuple" || type?.kind === "NamedTuple" ? type.elems : undefined;
        const named = type?.kind === "NamedTuple" ? type : undefined;
        return data(elems, (args) => [makeTuple([...args], named)]);
      }
      case "prim::TupleUnpack":
        return data(undefined, (args) => tupleItems(args[0] ?? null));
      case "prim::ListUnpack": {
        const wanted = results.length;
        return data(undefined, (args) => {
          const items = listOf(args[0] ?? null).items;
          if (items.length !== wanted) throw new OpwiseError("shape-mismatch", `Expected ${wanted} elements in a list but found ${items.length}`);
          return items;
        });
      }
      case "prim::TupleIndex": {
        const index = intAttribute(node, "index");
        return data(undefined, (args) => {
          const items = tupleItems(args[0] ?? null);
          return [items[index < 0 ? index + items.length : index] ?? null];
        });
      }
      case "prim::TupleSlice": {
        const [begin, end] = [intAttribute(node, "begin"), intAttribute(node, "end")];
        return data(undefined, (args) => [makeTuple(tupleItems(args[0] ?? null).slice(begin, end))]);
      }
      case "prim::unchecked_cast": {
        const [from, to] = [node.operands[0]?.type ?? T.Any, first?.type ?? T.Any];
        if (node.attributes["checked"] === undefined) return data([to], (args) => [args[0] ?? null]);
        return data([to], (args) => [checkedKind(args[0] ?? null, from, to)]);
      }
      case "prim::box":
        return data([first?.type], (args) => [args[0] ?? null]);
      case "prim::Uninitialized":
        return data(undefined, () => [null]);
      case "prim::CreateObject": {
        const cls = first?.type;
        if (cls?.kind !== "Class") return unreachable("CreateObject of no class");
        return data(undefined, () => [{ kind: "instance", class: cls, slots: new Array<Datum | undefined>(cls.attributes.length) }]);
      }
      case "prim::isinstance": {
        const list = node.attributes["types"];
        const types = list?.kind === "list" ? list.items.map((t) => (t.kind === "type" ? t.type : T.Any)) : [];
        const from = node.operands[0]?.type ?? T.Any;
        return data(undefined, (args) => [types.some((t) => isInstanceOf(args[0] ?? null, from, t))]);
      }
      case "prim::EnumValue":
        return data(undefined, (args) => [enumOf(args[0] ?? null).value]);
      case "prim::EnumName":
        return data(undefined, (args) => [enumOf(args[0] ?? null).name]);
      case "prim::ModuleContainerIndex":
        return data(undefined, (args) => [containerItem(args[0] ?? null, args[1] ?? null)]);
      case "prim::tolist": {
        const type = first?.type ?? T.Any;
        const bound: BoundOp = {
          reads: true,
          run: function* toList(_ctx, args) {
            const tensor = args[0];
            if (tensor === null || typeof tensor !== "object" || "kind" in tensor) return unreachable("tolist of no tensor");
            yield tensor;
            return [unpickledList(tensor, type)];
          },
        };
        return { ...common, kind: "op", bound, operands: this.#operands(node) };
      }
      case "prim::Print": {
        const bound: BoundOp = {
          reads: true,
          run: function* print(ctx, args) {
            const tensors: Tensor[] = [];
            walkData(args, (value) => void (value instanceof Tensor && tensors.push(value)));
            yield* tensors;
            ctx.print(printedLine(args));
            return [];
          },
        };
        return { ...common, kind: "op", bound, operands: this.#operands(node, node.operands.map(() => T.Any)) };
      }
      default:
        return unreachable(node.op);
    }
  }

  #data(common: Linked, types: readonly (Type | undefined)[] | undefined, run: DataRun): Instruction {
    return { ...common, kind: "data", operands: this.#operands(common.node, types), run };
  }

  #op({ node, results, kills }: Linked): Instruction {
    const schema = node.schema ?? this.#ownSchema(node.op);
    const { bound, operands } = schema === undefined ? this.#withoutSchema(node) : { bound: this.#bind(node.op, schema), operands: this.#schemaOperands(node, schema) };
    return bound === undefined ? { node, results, kills, kind: "missing", operands } : { node, results, kills, kind: "op", bound, operands };
  }

  #withoutSchema(node: Node): { readonly bound: BoundOp | undefined; readonly operands: readonly Operand[] } {
    // Tensor attributes are made now, so that a session can fetch their bytes before it runs.
    for (const t of Object.values(node.attributes)) if (t.kind === "tensor" || t.kind === "sparse") this.#env.constant(t);
    return { bound: bindOnnx(this.#env.onnx, node, (t) => this.#env.constant(t)), operands: this.#operands(node) };
  }

  #ownSchema(name: string): Schema | undefined {
    const op = this.#env.ops.get(name);
    return op === undefined ? undefined : this.#env.registry.parsedSchema(op);
  }

  #bind(name: string, schema: Schema): BoundOp | undefined {
    if (!this.#bound.has(name)) this.#bound.set(name, this.#env.registry.bind(schema, this.#env.ops));
    return this.#bound.get(name);
  }

  /** Operands in schema order with defaults; further ones of a vararg op are boxed, so that they carry their kind. */
  #schemaOperands(node: Node, schema: Schema): Operand[] {
    const vars = new Map<string, Type>();
    schema.args.forEach((a, i) => {
      const given = node.operands[i]?.type;
      if (given !== undefined) bindVars(a.type, given, vars);
    });
    const out = schema.args.map((a, i): Operand => {
      const value = node.operands[i];
      if (value !== undefined && i === 1 && this.#canonical(node) && this.#constants.has(value)) return { register: value.id, constant: null, adapt: asNumber };
      if (value !== undefined) return this.#operand(value, a.type.kind === "Var" ? (vars.get(a.type.name) ?? T.Any) : a.type);
      if (a.default === undefined) return NONE;
      const adapt = coercion(templateType(a.default), a.type);
      const constant = this.#env.constant(a.default);
      return { register: -1, constant: adapt === undefined ? constant : adapt(constant), adapt: undefined };
    });
    for (const value of node.operands.slice(schema.args.length)) if (value !== undefined) out.push(this.#operand(value, T.Any));
    return out;
  }
}

const CANONICAL: ReadonlySet<string> = new Set(["aten::add.Tensor", "aten::sub.Tensor", "aten::mul.Tensor", "aten::div.Tensor"]);

/** A 0-dim constant as the number that it was: traces keep the 2.5 of `x * 2.5` as a tensor. */
function asNumber(value: Datum): Datum {
  if (!(value instanceof Tensor) || value.rank > 0) return value;
  const number = viewOf(value, value.shape, value.strides, value.offset);
  number.wrappedNumber = true;
  return number;
}

/** Type variables of a schema by the containers they are elements of. */
function bindVars(formal: Type, actual: Type, vars: Map<string, Type>): void {
  if (formal.kind === "List" && actual.kind === "List") {
    if (formal.elem.kind === "Var") vars.set(formal.elem.name, actual.elem);
  } else if (formal.kind === "Dict" && actual.kind === "Dict") {
    if (formal.key.kind === "Var") vars.set(formal.key.name, actual.key);
    if (formal.value.kind === "Var") vars.set(formal.value.name, actual.value);
  } else if (formal.kind === "Dict" && actual.kind !== "Dict") return;
}

/** The static type of a constant, as far as scalars matter. */
function templateType(template: Template): Type {
  switch (template.kind) {
    case "int": return T.int;
    case "float": return T.float;
    case "bool": return T.bool;
    case "tuple": return tupleOf(template.items.map(templateType));
    default: return T.Tensor; // no scalar: never boxed
  }
}

function textAttribute(node: Node, name: string): string {
  const t = node.attributes[name];
  return t?.kind === "str" ? t.value : unreachable(`${node.op} without \`${name}\``);
}
function intAttribute(node: Node, name: string): number {
  const t = node.attributes[name];
  return t?.kind === "int" ? Number(t.value) : unreachable(`${node.op} without \`${name}\``);
}
function tupleItems(value: Datum): readonly Datum[] {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "tuple" ? value.items : unreachable("a tuple was expected");
}
function listOf(value: Datum): List {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "list" ? value : unreachable("a list was expected");
}
function enumOf(value: Datum): { readonly name: string; readonly value: Datum } {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "enum" ? value : unreachable("an enum member was expected");
}

/** `container[key]` of a ModuleList or ModuleDict: submodules are attributes named by their key. */
function containerItem(container: Datum, key: Datum): Datum {
  if (typeof container !== "object" || container === null || !("kind" in container) || container.kind !== "instance") return unreachable("a module container was expected");
  // A negative index is a name that no submodule has.
  const name = typeof key === "string" || typeof key === "number" ? String(key) : unreachable("a container key");
  const slot = container.class.slots.get(name);
  if (slot === undefined) throw new OpwiseError("index-out-of-range", `${container.class.name} does not have a field with name '${name}'`);
  return container.slots[slot] ?? null;
}

/** Registers whose last use, in their own block, is each node, by its place. Uses inside a node's blocks count as its own. */
function lastUses(block: Block, list: (ids: readonly number[], count: number) => readonly number[]): readonly (readonly number[])[] {
  const own = new Set<number>();
  const makes = (v: Value): void => void own.add(v.id);
  block.inputs.forEach(makes);
  block.nodes.forEach((node) => node.results.forEach(makes));
  // What is left of `own` is read by no node behind the one at hand.
  block.outputs.forEach((v) => own.delete(v.id));
  const mine: number[] = [];
  let count = 0;
  const use = (v: Value | undefined): void => {
    if (v !== undefined && own.delete(v.id)) mine[count++] = v.id;
  };
  const kills = new Array<readonly number[]>(block.nodes.length);
  for (let i = block.nodes.length - 1; i >= 0; i--) {
    const node = block.nodes[i] ?? unreachable("node");
    node.results.forEach(use); // never read: dead as soon as made
    node.operands.forEach(use);
    node.blocks.forEach((b) => forEachUse(b, use));
    kills[i] = list(mine, count);
    count = 0;
  }
  return kills;
}

function forEachUse(block: Block, use: (v: Value | undefined) => void): void {
  for (const node of block.nodes) {
    node.operands.forEach(use);
    for (const b of node.blocks) forEachUse(b, use);
  }
  block.outputs.forEach(use);
}

/** Node kinds that the linker and the machine carry out themselves. */
export const machineOps: ReadonlySet<string> = new Set([
  "prim::Constant", "prim::If", "prim::Loop", "prim::fork", "aten::wait", "prim::RaiseException", "prim::CallFunction", "prim::CallMethod",
  "prim::GetAttr", "prim::SetAttr", "prim::ListConstruct", "prim::DictConstruct", "prim::TupleConstruct", "prim::TupleUnpack", "prim::ListUnpack",
  "prim::TupleIndex", "prim::TupleSlice", "prim::unchecked_cast", "prim::box", "prim::Uninitialized", "prim::CreateObject", "prim::isinstance",
  "prim::EnumValue", "prim::EnumName", "prim::ModuleContainerIndex", "prim::tolist", "prim::Print",
]);
