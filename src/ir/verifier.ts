/**
 * Checks that a program is well formed. An error carries the rule's number and the printed lines around the node.
 *
 *  1. A value is defined once; its id is its own within a function.
 *  2. An operand or output is defined before, in its block or one around it.
 *  3. A node with a schema has one operand per argument (more where the schema has `...`); one left out has a default or takes None.
 *  4. Operand types fit the schema's argument types, with type variables bound alike.
 *  5. Results are as many as the schema returns, of types that fit.
 *  6. `prim::If` has a bool operand and two blocks without inputs, whose outputs fit its results.
 *  7. `prim::Loop` has an int and a bool operand, and one block (int, carried...) -> (bool, carried...), whose types fit the results.
 *  8. `prim::Constant` has the attribute `value`, of the result's kind, and nothing else.
 *  9. `prim::GetAttr` and `prim::SetAttr` name a slot of the operand's class, with a type that fits.
 * 10. Calls name a method or function that exists, with operands and a result that fit it.
 * 11. Containers hold what their types say: `prim::ListConstruct`, `DictConstruct`, `TupleConstruct`, `TupleUnpack`, `ListUnpack`,
 *     `TupleIndex`, `TupleSlice`.
 * 12. A function's block has one input per parameter, and outputs that fit what it returns.
 * 13. `prim::fork` has one block without inputs, and a future of its output.
 * 14. A node without a schema is a known form, or an op of another world than TorchScript's.
 * 15. Only forms with blocks have blocks.
 */

import { OpwiseError } from "../tensor/error.ts";
import type { ClassType } from "./class-type.ts";
import type { Block, FunctionDecl, Node, Program, Value } from "./graph.ts";
import { printNode, printValue } from "./printer.ts";
import type { Argument, Schema } from "./schema.ts";
import type { Template } from "./template.ts";
import { isSubtype, printType, T, type Type, unifyTypes } from "./type.ts";

/** Namespaces whose ops always have a schema. */
const SCHEMA_NAMESPACES: ReadonlySet<string> = new Set(["aten", "quantized", "torchvision", "prims", "sparse", "_quantized"]);
/** Forms without a schema, or with rules of their own. */
const FORMS: ReadonlySet<string> = new Set([
  "prim::If",
  "prim::Loop",
  "prim::Constant",
  "prim::GetAttr",
  "prim::SetAttr",
  "prim::CallMethod",
  "prim::CallFunction",
  "prim::ListConstruct",
  "prim::DictConstruct",
  "prim::TupleConstruct",
  "prim::TupleUnpack",
  "prim::ListUnpack",
  "prim::TupleIndex",
  "prim::TupleSlice",
  "prim::fork",
  "prim::awaitable",
  "prim::isinstance",
  "prim::unchecked_cast",
  "prim::Uninitialized",
  "prim::CreateObject",
  "prim::EnumName",
  "prim::EnumValue",
  "prim::tolist",
  "prim::Print",
  "prim::ModuleContainerIndex",
  "prim::RaiseException",
]);
const WITH_BLOCKS: ReadonlySet<string> = new Set(["prim::If", "prim::Loop", "prim::fork", "prim::awaitable"]);

/** Lines of neighbours that an error shows on each side. */
const AROUND = 4;

function textOf(value: Template | undefined): string | undefined {
  return value?.kind === "str" ? value.value : undefined;
}

function intOf(value: Template | undefined): number | undefined {
  return value?.kind === "int" && typeof value.value === "number" ? value.value : undefined;
}

/** Whether a constant is of `type`, looking at its own kind only. */
function constantFits(value: Template, type: Type): boolean {
  switch (type.kind) {
    case "Any":
      return true;
    case "Optional":
      return value.kind === "none" || constantFits(value, type.elem);
    case "Union":
      return type.members.some((member) => constantFits(value, member));
    case "number":
      return value.kind === "int" || value.kind === "float" || value.kind === "complex" || value.kind === "bool";
    case "None":
      return value.kind === "none";
    case "Device":
      return value.kind === "device";
    case "Tensor":
      return value.kind === "tensor" || value.kind === "sparse";
    case "int":
    case "float":
    case "bool":
    case "complex":
    case "str":
      return value.kind === type.kind;
    case "List":
      return value.kind === "list";
    case "Dict":
      return value.kind === "dict";
    case "Tuple":
    case "NamedTuple":
      return value.kind === "tuple" && value.items.length === type.elems.length;
    case "Enum":
      return value.kind === "enum" && value.type.name === type.name;
    case "Class":
      return (value.kind === "object" && value.class.name === type.name) || (value.kind === "foreign" && value.className === type.name);
    default:
      return true;
  }
}

/** Whether `actual` fits a schema's `formal`, binding its type variables. */
function fitsFormal(formal: Type, actual: Type, bound: Map<string, Type>): boolean {
  switch (formal.kind) {
    case "Var": {
      const known = bound.get(formal.name);
      if (known !== undefined) return isSubtype(actual, known) || unifyTypes(actual, known) !== undefined;
      bound.set(formal.name, actual);
      return true;
    }
    case "Optional":
      if (actual.kind === "None") return true;
      return fitsFormal(formal.elem, actual.kind === "Optional" ? actual.elem : actual, bound);
    case "List":
      return actual.kind === "List"
        ? fitsFormal(formal.elem, actual.elem, bound) && (formal.elem.kind === "Var" || isSubtype(actual.elem, formal.elem) || formal.elem.kind !== "number")
        : false;
    case "Future":
    case "Await":
    case "RRef":
      return actual.kind === formal.kind && fitsFormal(formal.elem, actual.elem, bound);
    case "Dict":
      return actual.kind === "Dict" && fitsFormal(formal.key, actual.key, bound) && fitsFormal(formal.value, actual.value, bound);
    case "Tuple":
      return (
        (actual.kind === "Tuple" || actual.kind === "NamedTuple") &&
        actual.elems.length === formal.elems.length &&
        formal.elems.every((elem, i) => fitsFormal(elem, actual.elems[i] as Type, bound))
      );
    default:
      return isSubtype(actual, formal);
  }
}

class FunctionVerifier {
  readonly #program: Program;
  readonly #label: string;
  /** By id, values whose definition the walk has passed; undefined where their block is closed. */
  readonly #values = new Map<number, Value | undefined>();
  /** The block and position of the node at hand, for the lines around it. */
  #block: Block | undefined;
  #position = 0;

  constructor(program: Program, label: string) {
    this.#program = program;
    this.#label = label;
  }

  #fail(rule: number, message: string, node?: Node): never {
    const lines: string[] = [];
    if (this.#block !== undefined) {
      for (let i = Math.max(0, this.#position - AROUND); i <= Math.min(this.#block.nodes.length - 1, this.#position + AROUND); i++) {
        const [first] = printNode(this.#block.nodes[i] as Node, { bare: true });
        lines.push(`${i === this.#position ? ">" : " "} ${first ?? ""}`);
      }
    }
    throw new OpwiseError("verify-failed", `rule ${rule} of the verifier: ${message}`, {
      where: { record: node?.location?.record, line: node?.location?.line, python: node?.location?.python?.(), op: node?.op, node: node?.name },
      got: lines.length === 0 ? undefined : `in \`${this.#label}\`\n      ${lines.join("\n      ")}`,
      hint: "a program that its loader accepted should never fail here; please report it with the file",
    });
  }

  #define(value: Value, node: Node | undefined): void {
    if (this.#values.has(value.id)) this.#fail(1, `${printValue(value)} is defined twice`, node);
    this.#values.set(value.id, value);
  }

  #hide(values: readonly Value[]): void {
    for (let i = 0; i < values.length; i++) this.#values.set((values[i] as Value).id, undefined);
  }

  #use(value: Value, node: Node | undefined): void {
    if (this.#values.get(value.id) !== value) this.#fail(2, `${printValue(value)} is used before it is defined, or outside its block`, node);
  }

  run(decl: FunctionDecl, block: Block): void {
    if (block.inputs.length !== decl.params.length) this.#fail(12, `${block.inputs.length} inputs for ${decl.params.length} parameters`);
    for (const [i, input] of block.inputs.entries()) {
      const param = decl.params[i];
      if (param !== undefined && !isSubtype(param.type, input.type))
        this.#fail(12, `the parameter \`${param.name}\` is a \`${printType(param.type)}\`, the input a \`${printType(input.type)}\``);
    }
    this.#walk(block);
    const [only] = block.outputs;
    // Several outputs are the elements of the tuple that is returned.
    if (
      block.outputs.length === 1 &&
      only !== undefined &&
      !isSubtype(only.type, decl.returns) &&
      !(decl.returns.kind === "Tuple" && decl.returns.elems.length === 1 && isSubtype(only.type, decl.returns.elems[0] as Type))
    ) {
      this.#fail(12, `the function returns a \`${printType(decl.returns)}\`, the block a \`${printType(only.type)}\``);
    }
  }

  /** Walks blocks with a stack of its own: they may nest deep. All of a program goes through its loops, most of it before they are compiled: they make no iterators. */
  #walk(root: Block): void {
    interface Open {
      readonly block: Block;
      readonly owner: Node | undefined;
      next: number;
      /** The next nested block of the node at `next`. */
      nested: number;
    }
    const stack: Open[] = [];
    const enter = (block: Block, owner: Node | undefined): void => {
      this.#block = block;
      this.#position = 0;
      for (let i = 0; i < block.inputs.length; i++) this.#define(block.inputs[i] as Value, owner);
      stack.push({ block, owner, next: 0, nested: 0 });
    };
    enter(root, undefined);
    for (let open = stack.at(-1); open !== undefined; open = stack.at(-1)) {
      const { block } = open;
      const { nodes, outputs } = block;
      const node = nodes[open.next];
      this.#block = block;
      this.#position = open.next;
      if (node === undefined) {
        for (let i = 0; i < outputs.length; i++) this.#use(outputs[i] as Value, open.owner);
        this.#hide(block.inputs);
        for (let i = 0; i < nodes.length; i++) this.#hide((nodes[i] as Node).results);
        stack.pop();
        continue;
      }
      const { operands, results } = node;
      for (let i = 0; open.nested === 0 && i < operands.length; i++) {
        const operand = operands[i];
        if (operand !== undefined) this.#use(operand, node);
      }
      const inner = node.blocks[open.nested];
      if (inner !== undefined) {
        open.nested++;
        enter(inner, node);
        continue;
      }
      this.#node(node);
      for (let i = 0; i < results.length; i++) this.#define(results[i] as Value, node);
      open.next++;
      open.nested = 0;
    }
  }

  #operand(node: Node, index: number): Value {
    return node.operands[index] ?? this.#fail(3, `operand ${index + 1} is missing`, node);
  }

  #result(node: Node, index = 0): Value {
    return node.results[index] ?? this.#fail(5, `result ${index + 1} is missing`, node);
  }

  /** Types of `values` fit those of `wanted`, one for one. */
  #fit(rule: number, what: string, values: readonly (Value | undefined)[], wanted: readonly Type[], node: Node): void {
    if (values.length !== wanted.length) this.#fail(rule, `${what}: ${values.length} in place of ${wanted.length}`, node);
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      const type = wanted[i] as Type;
      if (value === undefined) this.#fail(rule, `${what}: number ${i + 1} is missing`, node);
      if (!isSubtype(value.type, type)) this.#fail(rule, `${what}: ${printValue(value)} is a \`${printType(value.type)}\`, not a \`${printType(type)}\``, node);
    }
  }

  #node(node: Node): void {
    if (node.blocks.length > 0 && !WITH_BLOCKS.has(node.op)) this.#fail(15, `\`${node.op}\` has blocks`, node);
    if (node.schema !== undefined) this.#schema(node, node.schema);
    else if (FORMS.has(node.op)) this.#form(node);
    else {
      const namespace = node.op.slice(0, Math.max(0, node.op.indexOf("::")));
      if (namespace === "" || namespace === "prim" || SCHEMA_NAMESPACES.has(namespace)) this.#fail(14, `\`${node.op}\` has no schema`, node);
    }
  }

  #schema(node: Node, schema: Schema): void {
    const { args } = schema;
    if (node.operands.length < args.length || (node.operands.length > args.length && !schema.vararg))
      this.#fail(3, `${node.operands.length} operands for \`${schema.text}\``, node);
    const bound = new Map<string, Type>();
    for (let i = 0; i < args.length; i++) {
      const arg = args[i] as Argument;
      const operand = node.operands[i];
      if (operand === undefined) {
        if (arg.default === undefined && arg.type.kind !== "Optional") this.#fail(3, `the argument \`${arg.name}\` is missing`, node);
      } else if (!fitsFormal(arg.type, operand.type, bound))
        this.#fail(4, `\`${arg.name}\` wants \`${printType(arg.type)}\`, ${printValue(operand)} is a \`${printType(operand.type)}\``, node);
    }
    if (schema.varret) return;
    if (node.results.length !== schema.returns.length) this.#fail(5, `${node.results.length} results for \`${schema.text}\``, node);
    for (let i = 0; i < node.results.length; i++) {
      const result = this.#result(node, i);
      const wanted = schema.returns[i]?.type ?? T.Any;
      if (!fitsFormal(wanted, result.type, bound))
        this.#fail(5, `result ${i + 1} is a \`${printType(result.type)}\`, the schema returns \`${printType(wanted)}\``, node);
    }
  }

  #blocks(node: Node, rule: number, count: number): readonly Block[] {
    if (node.blocks.length !== count) this.#fail(rule, `${node.blocks.length} blocks in place of ${count}`, node);
    return node.blocks;
  }

  #form(node: Node): void {
    switch (node.op) {
      case "prim::If": {
        this.#fit(6, "the condition", node.operands, [T.bool], node);
        for (const block of this.#blocks(node, 6, 2)) {
          if (block.inputs.length > 0) this.#fail(6, "a branch has inputs", node);
          this.#fit(
            6,
            "outputs of a branch",
            block.outputs,
            node.results.map((r) => r.type),
            node,
          );
        }
        return;
      }
      case "prim::Loop": {
        const types = node.results.map((r) => r.type);
        this.#fit(7, "operands", node.operands, [T.int, T.bool, ...types], node);
        const [body] = this.#blocks(node, 7, 1) as [Block];
        if (body.inputs.length !== types.length + 1) this.#fail(7, `the block has ${body.inputs.length} inputs for ${types.length} carried values`, node);
        for (const [i, type] of [T.int, ...types].entries()) {
          const input = body.inputs[i];
          if (input === undefined || !isSubtype(type, input.type)) this.#fail(7, `input ${i + 1} of the block cannot hold a \`${printType(type)}\``, node);
        }
        this.#fit(7, "outputs of the block", body.outputs, [T.bool, ...types], node);
        return;
      }
      case "prim::fork":
      case "prim::awaitable": {
        const [body] = this.#blocks(node, 13, 1) as [Block];
        const { type } = this.#result(node);
        if (body.inputs.length > 0) this.#fail(13, "the block has inputs", node);
        if (type.kind !== "Future" && type.kind !== "Await") return this.#fail(13, `the result is a \`${printType(type)}\``, node);
        this.#fit(13, "the block's output", body.outputs, [type.elem], node);
        return;
      }
      case "prim::Constant": {
        const value = node.attributes["value"];
        if (value === undefined || node.operands.length > 0 || node.results.length !== 1)
          return this.#fail(8, "a constant has a value, one result and no operands", node);
        const { type } = this.#result(node);
        if (!constantFits(value, type)) this.#fail(8, `a constant of kind ${value.kind} is no \`${printType(type)}\``, node);
        return;
      }
      case "prim::GetAttr":
      case "prim::SetAttr":
        return this.#attribute(node);
      case "prim::CallMethod":
        return this.#callMethod(node);
      case "prim::CallFunction": {
        const name = textOf(node.attributes["name"]) ?? this.#fail(10, "a call has no name", node);
        const decl = this.#program.functions.get(name) ?? this.#fail(10, `there is no function \`${name}\``, node);
        this.#fit(
          10,
          "operands",
          node.operands,
          decl.params.map((p) => p.type),
          node,
        );
        if (!isSubtype(decl.returns, this.#result(node).type)) this.#fail(10, `\`${name}\` returns a \`${printType(decl.returns)}\``, node);
        return;
      }
      case "prim::isinstance": {
        if (node.operands.length !== 1 || node.attributes["types"]?.kind !== "list") this.#fail(14, "isinstance needs a value and types", node);
        return;
      }
      default:
        return this.#container(node);
    }
  }

  #attribute(node: Node): void {
    const name = textOf(node.attributes["name"]) ?? this.#fail(9, "the attribute has no name", node);
    const { type } = this.#operand(node, 0);
    if (type.kind !== "Class") return this.#fail(9, `a \`${printType(type)}\` has no attributes`, node);
    const slot = type.slots.get(name);
    const attribute = slot === undefined ? undefined : type.attributes[slot];
    if (attribute === undefined) return this.#fail(9, `\`${type.name}\` has no attribute \`${name}\``, node);
    if (node.op === "prim::SetAttr") this.#fit(9, "the value", node.operands.slice(1), [attribute.type], node);
    else if (!isSubtype(attribute.type, this.#result(node).type)) this.#fail(9, `\`${name}\` is a \`${printType(attribute.type)}\``, node);
  }

  #callMethod(node: Node): void {
    const name = textOf(node.attributes["name"]) ?? this.#fail(10, "a call has no name", node);
    const { type } = this.#operand(node, 0);
    const result = this.#result(node);
    if (type.kind === "Interface") {
      const method = type.methods.find((m) => m.name === name) ?? this.#fail(10, `the interface \`${type.name}\` has no method \`${name}\``, node);
      this.#fit(
        10,
        "operands",
        node.operands.slice(1),
        method.params.map((p) => p.type),
        node,
      );
      if (!isSubtype(method.returns, result.type)) this.#fail(10, `\`${name}\` returns a \`${printType(method.returns)}\``, node);
      return;
    }
    if (type.kind !== "Class") return this.#fail(10, `a \`${printType(type)}\` has no methods`, node);
    const cls: ClassType = type;
    const decl = cls.methods.get(name) ?? this.#fail(10, `\`${cls.name}\` has no method \`${name}\``, node);
    this.#fit(
      10,
      "operands",
      node.operands,
      decl.params.map((p) => p.type),
      node,
    );
    if (!isSubtype(decl.returns, result.type)) this.#fail(10, `\`${name}\` returns a \`${printType(decl.returns)}\``, node);
  }

  #container(node: Node): void {
    const type = node.results[0]?.type;
    const source = node.operands[0]?.type;
    const repeat = (elem: Type): Type[] => node.operands.map(() => elem);
    switch (node.op) {
      case "prim::ListConstruct":
        if (type?.kind !== "List") return this.#fail(11, "the result is no list", node);
        return this.#fit(11, "elements", node.operands, repeat(type.elem), node);
      case "prim::DictConstruct":
        if (type?.kind !== "Dict") return this.#fail(11, "the result is no dict", node);
        return this.#fit(
          11,
          "keys and values",
          node.operands,
          node.operands.map((_, i) => (i % 2 === 0 ? type.key : type.value)),
          node,
        );
      case "prim::TupleConstruct":
        if (type?.kind !== "Tuple" && type?.kind !== "NamedTuple") return this.#fail(11, "the result is no tuple", node);
        return this.#fit(11, "elements", node.operands, type.elems, node);
      case "prim::TupleUnpack":
        if (source?.kind !== "Tuple" && source?.kind !== "NamedTuple") return this.#fail(11, "the operand is no tuple", node);
        if (source.elems.length !== node.results.length || !source.elems.every((elem, i) => isSubtype(elem, (node.results[i] as Value).type)))
          this.#fail(11, `the results do not fit a \`${printType(source)}\``, node);
        return;
      case "prim::ListUnpack":
        if (source?.kind !== "List") return this.#fail(11, "the operand is no list", node);
        if (!node.results.every((result) => isSubtype(source.elem, result.type))) this.#fail(11, `the results do not fit a \`${printType(source)}\``, node);
        return;
      case "prim::TupleIndex": {
        const elems = source?.kind === "Tuple" || source?.kind === "NamedTuple" ? source.elems : this.#fail(11, "the operand is no tuple", node);
        const elem = elems[intOf(node.attributes["index"]) ?? -1] ?? this.#fail(11, "the index is outside the tuple", node);
        if (!isSubtype(elem, this.#result(node).type)) this.#fail(11, `the element is a \`${printType(elem)}\``, node);
        return;
      }
      case "prim::TupleSlice": {
        const elems = source?.kind === "Tuple" || source?.kind === "NamedTuple" ? source.elems : this.#fail(11, "the operand is no tuple", node);
        const part = elems.slice(intOf(node.attributes["begin"]) ?? 0, intOf(node.attributes["end"]));
        if (type?.kind !== "Tuple" || !isSubtype({ kind: "Tuple", elems: part }, type)) this.#fail(11, "the result does not fit the slice", node);
        return;
      }
      default:
    }
  }
}

/** Checks one function. @throws verify-failed */
export function verifyFunction(program: Program, decl: FunctionDecl, label: string = decl.name): void {
  new FunctionVerifier(program, label).run(decl, decl.graph());
}

/** Checks every function of a program; bodies are made for it. @throws verify-failed, and what making a body throws */
export function verifyProgram(program: Program): void {
  for (const [name, decl] of program.functions) verifyFunction(program, decl, name);
  if (program.main !== undefined) verifyFunction(program, program.main);
  for (const type of program.classes.values()) {
    // Classes without code in the file have methods that only a runtime can answer.
    if (type.kind !== "Class" || type.name.startsWith("__torch__.torch.classes.")) continue;
    for (const [name, decl] of type.methods) verifyFunction(program, decl, `${type.name}.${name}`);
  }
}
