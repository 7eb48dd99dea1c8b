/**
 * Graphs as text, with types and source lines. What this prints, `text-parser.ts` reads back; tensors and objects print as
 * `$0<...>`, numbers into a table that both sides share.
 */

import type { Block, FunctionDecl, Location, Node, Program, Value } from "./graph.ts";
import type { Template } from "./template.ts";
import { printType } from "./type.ts";

export interface PrintOptions {
  /** Filled with the constants that have no text, in order of their numbers. */
  readonly opaque?: Template[] | undefined;
  /** Leave out the source places. */
  readonly bare?: boolean | undefined;
}

const PLAIN_NAME = /^[A-Za-z_]\w*$/;

/** `%3`, `%3.weight`, `%3."conv1/weight:0"`. */
export function printValue(value: Value): string {
  if (value.name === undefined || value.name === "") return `%${value.id}`;
  return `%${value.id}.${PLAIN_NAME.test(value.name) ? value.name : JSON.stringify(value.name)}`;
}

/** A float so that it reads back as one and as the same. */
function printFloat(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
  const text = String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

class Printer {
  readonly #lines: string[] = [];
  readonly #options: PrintOptions;
  readonly #opaque: Template[];

  constructor(options: PrintOptions) {
    this.#options = options;
    this.#opaque = options.opaque ?? [];
  }

  #reference(value: Template, what: string): string {
    let index = this.#opaque.indexOf(value);
    if (index < 0) index = this.#opaque.push(value) - 1;
    return `$${index}<${what}>`;
  }

  template(value: Template): string {
    switch (value.kind) {
      case "none":
        return "None";
      case "bool":
        return value.value ? "True" : "False";
      case "int":
        return String(value.value);
      case "float":
        return printFloat(value.value);
      case "complex":
        return `complex(${printFloat(value.re)}, ${printFloat(value.im)})`;
      case "str":
        return JSON.stringify(value.value);
      case "device":
        return `device(${JSON.stringify(value.value)})`;
      case "type":
        return `type(${printType(value.type)})`;
      case "enum":
        return `enum(${value.type.name}, ${JSON.stringify(value.member)})`;
      case "list":
        return `list(${printType(value.elem)})[${value.items.map((item) => this.template(item)).join(", ")}]`;
      case "tuple":
        return `tuple${value.type === undefined ? "" : `(${printType(value.type)})`}[${value.items.map((item) => this.template(item)).join(", ")}]`;
      case "dict":
        return `dict(${printType(value.key)}, ${printType(value.value)})[${value.entries.map(([k, v]) => `${this.template(k)}: ${this.template(v)}`).join(", ")}]`;
      case "tensor":
        return this.#reference(value, `tensor ${value.tensor.dtype} [${value.tensor.shape.join(", ")}]`);
      case "sparse":
        return this.#reference(value, `sparse ${value.values.dtype} [${value.shape.join(", ")}]`);
      case "object":
        return this.#reference(value, `object ${value.class.name}`);
      case "foreign":
        return this.#reference(value, `object ${value.className}`);
      default:
        return value satisfies never;
    }
  }

  #place(location: Location | undefined): string {
    if (location === undefined || this.#options.bare === true) return "";
    const python = location.python?.();
    return `  # ${location.record}:${location.line}${python === undefined ? "" : ` (${python})`}`.replaceAll("\n", " ");
  }

  node(node: Node, indent: string): void {
    const results = node.results.map((value) => `${printValue(value)}: ${printType(value.type)}`).join(", ");
    const attributes = Object.entries(node.attributes)
      .map(([name, value]) => `${PLAIN_NAME.test(name) ? name : JSON.stringify(name)}=${this.template(value)}`)
      .join(", ");
    const operands = node.operands.map((value) => (value === undefined ? "_" : printValue(value))).join(", ");
    const name = node.name === undefined ? "" : ` @${JSON.stringify(node.name)}`;
    const head = `${indent}${results === "" ? "" : `${results} = `}${node.op}${attributes === "" ? "" : `[${attributes}]`}(${operands})${name}`;
    this.#lines.push(`${head}${node.blocks.length === 0 ? "" : " {"}${this.#place(node.location)}`);
    for (const block of node.blocks) this.block(block, `${indent}  `);
    if (node.blocks.length > 0) this.#lines.push(`${indent}}`);
  }

  block(block: Block, indent: string): void {
    const inputs = block.inputs.map((value) => `${printValue(value)}: ${printType(value.type)}`).join(", ");
    this.#lines.push(`${indent}block(${inputs}) {`);
    for (const node of block.nodes) this.node(node, `${indent}  `);
    this.#lines.push(`${indent}  yield ${block.outputs.map(printValue).join(", ")}`, `${indent}}`);
  }

  function(decl: FunctionDecl, name: string): void {
    const defaults = decl.params.map((param) => (param.default === undefined ? "" : ` = ${this.template(param.default)}`));
    const body = decl.graph();
    const params = body.inputs.map((value, i) => `${printValue(value)}: ${printType(value.type)}${defaults[i] ?? ""}`).join(", ");
    this.#lines.push(`function ${PLAIN_NAME.test(name) ? name : JSON.stringify(name)}(${params}) -> ${printType(decl.returns)} {${this.#place(decl.location)}`);
    for (const node of body.nodes) this.node(node, "  ");
    this.#lines.push(`  return ${body.outputs.map(printValue).join(", ")}`, "}");
  }

  lines(): readonly string[] {
    return this.#lines;
  }
}

/** A constant or an attribute as text. */
export function printTemplate(value: Template, options: PrintOptions = {}): string {
  return new Printer(options).template(value);
}

/** A block as text. */
export function printBlock(block: Block, options: PrintOptions = {}): string {
  const printer = new Printer(options);
  printer.block(block, "");
  return printer.lines().join("\n");
}

/** A node with its nested blocks, as lines. */
export function printNode(node: Node, options: PrintOptions = {}): readonly string[] {
  const printer = new Printer(options);
  printer.node(node, "");
  return printer.lines();
}

/** A function as text; its body is made for it. @throws what making the body throws */
export function printFunction(decl: FunctionDecl, options: PrintOptions & { readonly name?: string } = {}): string {
  const printer = new Printer(options);
  printer.function(decl, options.name ?? decl.name);
  return printer.lines().join("\n");
}

/** A whole program as text: the entry function, free functions, then every class's methods. What the runtime brings itself is left out. */
export function printProgram(program: Program, options: PrintOptions = {}): string {
  const parts = [`# ${program.name}: ${program.format}, ${program.version}`];
  if (program.main !== undefined) parts.push(printFunction(program.main, options));
  for (const fn of program.functions.values()) parts.push(printFunction(fn, options));
  for (const cls of program.classes.values()) {
    if (cls.kind !== "Class" || cls.name.startsWith("__torch__.torch.classes.")) continue;
    for (const method of cls.methods.values()) parts.push(printFunction(method, { ...options, name: `${cls.name}.${method.name}` }));
  }
  return parts.join("\n\n");
}
