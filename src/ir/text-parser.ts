/** Reads back what `printer.ts` prints. */

import { DTYPES, type DType } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { type Dim, symbol } from "./dim.ts";
import type { Block, FunctionDecl, Location, Node, Param, Value } from "./graph.ts";
import type { Schema } from "./schema.ts";
import type { Template } from "./template.ts";
import { dictOf, listOf, optionalOf, T, tupleOf, type Type, unionOf } from "./type.ts";

/** What the text refers to and does not hold. */
export interface TextContext {
  /** The table that the printer filled. */
  readonly opaque?: readonly Template[] | undefined;
  /** Classes, interfaces, enums and named tuples by name. */
  readonly typeNamed?: ((name: string) => Type | undefined) | undefined;
  /** The schema of an op by its full name. */
  readonly schemaOf?: ((op: string) => Schema | undefined) | undefined;
}

const MAX_DEPTH = 1000;
const SIMPLE: ReadonlyMap<string, Type> = new Map<string, Type>([
  ...Object.entries(T).filter(([name]) => name !== "None" && name !== "AnyClass"),
  ["NoneType", T.None],
  ["AnyClassType", T.AnyClass],
]);

class TextParser {
  readonly #text: string;
  readonly #context: TextContext;
  readonly #values = new Map<number, Value>();
  #at = 0;
  #depth = 0;

  constructor(text: string, context: TextContext) {
    this.#text = text;
    this.#context = context;
  }

  fail(wanted: string): never {
    const before = this.#text.slice(0, this.#at);
    const line = before.split("\n").length;
    throw new OpwiseError("bad-code", "the graph's text cannot be read", { where: { line, text: this.#text.split("\n")[line - 1] }, wanted });
  }

  #space(): void {
    while (/[ \n]/.test(this.#text[this.#at] ?? "")) this.#at++;
  }
  #is(token: string): boolean {
    this.#space();
    return this.#text.startsWith(token, this.#at);
  }
  #take(token: string): boolean {
    if (!this.#is(token)) return false;
    this.#at += token.length;
    return true;
  }
  #want(token: string): void {
    if (!this.#take(token)) this.fail(`\`${token}\``);
  }
  #match(pattern: RegExp): string | undefined {
    this.#space();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }
  #string(): string {
    const text = this.#match(/"(?:[^"\\]|\\.)*"/y) ?? this.fail("a string");
    const value: unknown = JSON.parse(text);
    return typeof value === "string" ? value : this.fail("a string");
  }
  #name(): string {
    if (this.#is('"')) return this.#string();
    return this.#match(/[A-Za-z_]\w*/y) ?? this.fail("a name");
  }
  #nested<R>(work: () => R): R {
    if (++this.#depth > MAX_DEPTH) this.fail(`at most ${MAX_DEPTH} levels`);
    const result = work();
    this.#depth--;
    return result;
  }

  // Types

  #dim(): Dim {
    return this.#nested(() => {
      const number = this.#match(/-?\d+/y);
      if (number !== undefined) return Number(number);
      if (this.#take("(")) {
        const args = [this.#dim()];
        let op: "+" | "*" | "//" | "%" | undefined;
        while (!this.#take(")")) {
          const next = this.#match(/\+|\*|\/\/|%/y);
          if (next !== "+" && next !== "*" && next !== "//" && next !== "%") this.fail("an operator");
          op = next;
          args.push(this.#dim());
        }
        if (op === undefined) return args[0] as Dim; // one was read
        return { op, args };
      }
      const name = this.#match(/[^\s,()[\]]+/y) ?? this.fail("a dimension");
      if ((name === "min" || name === "max") && this.#take("(")) {
        const args: Dim[] = [];
        while (!this.#take(")")) {
          args.push(this.#dim());
          this.#take(",");
        }
        return { op: name, args };
      }
      return symbol(name);
    });
  }

  #tensorType(): Type {
    if (!this.#take("(")) return T.Tensor;
    let dtype: DType | undefined;
    let shape: Dim[] | undefined;
    while (!this.#take(")")) {
      if (this.#take("[")) {
        shape = [];
        while (!this.#take("]")) {
          shape.push(this.#dim());
          this.#take(",");
        }
      } else {
        const name = this.#match(/\w+/y);
        dtype = DTYPES.find((d) => d === name) ?? this.fail("a dtype");
      }
      this.#take(",");
    }
    return { kind: "Tensor", ...(dtype === undefined ? {} : { dtype }), ...(shape === undefined ? {} : { shape }) };
  }

  type(): Type {
    return this.#nested(() => {
      const name = this.#match(/[A-Za-z_][\w.]*/y) ?? this.fail("a type");
      if (name === "Tensor") return this.#tensorType();
      const simple = SIMPLE.get(name);
      if (simple !== undefined) return simple;
      const args = (): Type[] => {
        const out: Type[] = [];
        this.#want("[");
        if (this.#take("()")) this.#want("]");
        else {
          do out.push(this.type());
          while (this.#take(","));
          this.#want("]");
        }
        return out;
      };
      const first = (types: readonly Type[]): Type => types[0] ?? this.fail("a type");
      switch (name) {
        case "Optional":
          return optionalOf(first(args()));
        case "List":
          return listOf(first(args()));
        case "Future":
        case "Await":
        case "RRef":
          return { kind: name, elem: first(args()) };
        case "Tuple":
          return tupleOf(args());
        case "Union":
          return unionOf(args());
        case "Dict": {
          const types = args();
          return dictOf(first(types), types[1] ?? this.fail("two types"));
        }
        default:
          return this.#context.typeNamed?.(name) ?? this.fail(`a known type in place of \`${name}\``);
      }
    });
  }

  // Constants

  #float(text: string): number {
    if (text.endsWith("inf")) return text.startsWith("-") ? -Infinity : Infinity;
    return text === "nan" ? NaN : Number(text);
  }

  template(): Template {
    return this.#nested((): Template => {
      if (this.#is('"')) return { kind: "str", value: this.#string() };
      const number = this.#match(/-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf\b)|nan\b/y);
      if (number !== undefined) {
        if (!/^-?\d+$/.test(number)) return { kind: "float", value: this.#float(number) };
        const value = Number(number);
        return { kind: "int", value: Number.isSafeInteger(value) ? value : BigInt(number) };
      }
      const reference = this.#match(/\$\d+<[^>]*>/y);
      if (reference !== undefined) return this.#context.opaque?.[Number(/\d+/.exec(reference)?.[0])] ?? this.fail("a known constant");
      const word = this.#match(/[A-Za-z]+/y) ?? this.fail("a constant");
      switch (word) {
        case "None":
          return { kind: "none" };
        case "True":
        case "False":
          return { kind: "bool", value: word === "True" };
        case "complex": {
          this.#want("(");
          const re = this.#float(this.#match(/-?inf|nan|-?[\d.e+-]+/y) ?? this.fail("a float"));
          this.#want(",");
          const im = this.#float(this.#match(/-?inf|nan|-?[\d.e+-]+/y) ?? this.fail("a float"));
          this.#want(")");
          return { kind: "complex", re, im };
        }
        case "device": {
          this.#want("(");
          const value = this.#string();
          this.#want(")");
          return { kind: "device", value };
        }
        case "type": {
          this.#want("(");
          const type = this.type();
          this.#want(")");
          return { kind: "type", type };
        }
        case "enum": {
          this.#want("(");
          const type = this.type();
          if (type.kind !== "Enum") return this.fail("an enum");
          this.#want(",");
          const member = this.#string();
          this.#want(")");
          return { kind: "enum", type, member };
        }
        case "list": {
          this.#want("(");
          const elem = this.type();
          this.#want(")");
          return { kind: "list", elem, items: this.#items() };
        }
        case "tuple": {
          let type: Type | undefined;
          if (this.#take("(")) {
            type = this.type();
            this.#want(")");
          }
          return { kind: "tuple", items: this.#items(), ...(type === undefined ? {} : { type }) };
        }
        case "dict": {
          this.#want("(");
          const key = this.type();
          this.#want(",");
          const value = this.type();
          this.#want(")");
          this.#want("[");
          const entries: [Template, Template][] = [];
          while (!this.#take("]")) {
            const k = this.template();
            this.#want(":");
            entries.push([k, this.template()]);
            this.#take(",");
          }
          return { kind: "dict", key, value, entries };
        }
        default:
          return this.fail("a constant");
      }
    });
  }

  #items(): Template[] {
    const items: Template[] = [];
    this.#want("[");
    while (!this.#take("]")) {
      items.push(this.template());
      this.#take(",");
    }
    return items;
  }

  // Graphs

  #valueId(): { readonly id: number; readonly name: string | undefined } {
    const id = Number((this.#match(/%\d+/y) ?? this.fail("a value")).slice(1));
    const named = this.#text[this.#at] === ".";
    if (named) this.#at++;
    return { id, name: named ? this.#name() : undefined };
  }

  #define(): Value {
    const { id, name } = this.#valueId();
    this.#want(":");
    const value: Value = { id, type: this.type(), name };
    this.#values.set(id, value);
    return value;
  }

  #use(): Value {
    const { id } = this.#valueId();
    return this.#values.get(id) ?? this.fail(`a value defined before %${id}`);
  }

  #list<R>(item: () => R, more: () => boolean): R[] {
    const out: R[] = [];
    while (more()) {
      out.push(item());
      if (!this.#take(",")) break;
    }
    return out;
  }

  /** `# record:line (python)` at the end of a line. */
  #place(): Location | undefined {
    while (this.#text[this.#at] === " ") this.#at++;
    if (this.#text[this.#at] !== "#") return undefined;
    const end = this.#text.indexOf("\n", this.#at);
    const comment = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at += comment.length;
    const found = /^# (.*?):(\d+)(?: \((.*)\))?$/.exec(comment);
    const [, record, line, python] = found ?? [];
    if (record === undefined || line === undefined) return undefined;
    return { record, line: Number(line), ...(python === undefined ? {} : { python: () => python }) };
  }

  #node(): Node {
    return this.#nested(() => {
      const results = this.#is("%")
        ? this.#list(
            () => this.#define(),
            () => this.#is("%"),
          )
        : [];
      if (results.length > 0) this.#want("=");
      const op = this.#match(/[^\s([]+/y) ?? this.fail("an op");
      const attributes: Record<string, Template> = {};
      if (this.#take("[")) {
        while (!this.#take("]")) {
          const name = this.#name();
          this.#want("=");
          attributes[name] = this.template();
          this.#take(",");
        }
      }
      this.#want("(");
      const operands = this.#list(
        () => (this.#take("_") ? undefined : this.#use()),
        () => !this.#is(")"),
      );
      this.#want(")");
      const name = this.#take("@") ? this.#string() : undefined;
      const open = this.#take("{");
      const location = this.#place();
      const blocks: Block[] = [];
      if (open) while (!this.#take("}")) blocks.push(this.block());
      return { op, operands, attributes, results, blocks, schema: this.#context.schemaOf?.(op), name, location };
    });
  }

  #body(end: string): { readonly nodes: Node[]; readonly outputs: readonly Value[] } {
    const nodes: Node[] = [];
    while (!this.#match(new RegExp(`${end}\\b`, "y"))) nodes.push(this.#node());
    const outputs = this.#list(
      () => this.#use(),
      () => this.#is("%"),
    );
    this.#want("}");
    return { nodes, outputs };
  }

  block(): Block {
    this.#want("block(");
    const inputs = this.#list(
      () => this.#define(),
      () => !this.#is(")"),
    );
    this.#want(")");
    this.#want("{");
    return { inputs, ...this.#body("yield") };
  }

  function(): FunctionDecl {
    this.#want("function");
    const name = this.#name();
    this.#want("(");
    const params: Param[] = [];
    const inputs = this.#list(
      () => {
        const value = this.#define();
        const fallback = this.#take("=") ? this.template() : undefined;
        params.push({ name: value.name ?? "", type: value.type, ...(fallback === undefined ? {} : { default: fallback }) });
        return value;
      },
      () => !this.#is(")"),
    );
    this.#want(")");
    this.#want("->");
    const returns = this.type();
    this.#want("{");
    const location = this.#place();
    const body: Block = { inputs, ...this.#body("return") };
    return { name, params, returns, graph: () => body, location };
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.fail("the end of the text");
  }
}

/** Reads a printed block. @throws bad-code */
export function parseBlock(text: string, context: TextContext = {}): Block {
  const parser = new TextParser(text, context);
  const block = parser.block();
  parser.end();
  return block;
}

/** Reads a printed function. @throws bad-code */
export function parseFunction(text: string, context: TextContext = {}): FunctionDecl {
  const parser = new TextParser(text, context);
  const decl = parser.function();
  parser.end();
  return decl;
}
