/**
 * Schemas in TorchScript's own notation: `aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor`.
 * The string is the documentation; this parses it once.
 */

import { OpwiseError } from "../tensor/error.ts";
import { makeClass } from "./class-type.ts";
import type { Template } from "./template.ts";
import { dictOf, futureOf, listOf, optionalOf, T, tupleOf, type Type } from "./type.ts";

export interface Argument {
  readonly name: string;
  readonly type: Type;
  readonly default?: Template;
  readonly kwargOnly: boolean;
  /** `int[2]`: the length a single given scalar is repeated to. */
  readonly fixedLength?: number;
  /** `Tensor(a!)`: the alias set, and whether the op writes through it. */
  readonly alias?: { readonly set: string; readonly write: boolean };
}

export interface Schema {
  /** `aten::add`. */
  readonly name: string;
  /** `Tensor`, or empty. */
  readonly overload: string;
  readonly args: readonly Argument[];
  readonly returns: readonly Argument[];
  /** Takes any number of further arguments (`...`). */
  readonly vararg: boolean;
  readonly varret: boolean;
  readonly text: string;
}

/** `aten::add.Tensor`, or the bare name for an empty overload. */
export function fullName(schema: Schema): string {
  return schema.overload === "" ? schema.name : `${schema.name}.${schema.overload}`;
}

const ENUM_DEFAULTS: Readonly<Record<string, number>> = {
  Mean: 1, Sum: 2, contiguous_format: 0, preserve_format: 1, channels_last: 2, strided: 0, long: 4, float: 6, double: 7,
};

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", f: "\f", v: "\v", a: "\x07", b: "\b" };

/** Text of a quoted default: backslash escapes as C has them, three octal digits among them. */
function unescape(text: string): string {
  return text.replace(/\\([0-7]{3}|.)/gs, (_, code: string) => (code.length === 3 ? String.fromCharCode(parseInt(code, 8)) : (ESCAPES[code] ?? code)));
}

class SchemaReader {
  readonly #text: string;
  #at = 0;
  constructor(text: string) {
    this.#text = text;
  }

  fail(wanted: string): never {
    throw new OpwiseError("bad-code", `schema cannot be read at column ${this.#at + 1}: \`${this.#text}\``, { wanted });
  }
  space(): void {
    while (this.#text[this.#at] === " ") this.#at++;
  }
  peek(token: string): boolean {
    this.space();
    return this.#text.startsWith(token, this.#at);
  }
  take(token: string): boolean {
    if (!this.peek(token)) return false;
    this.#at += token.length;
    return true;
  }
  want(token: string): void {
    if (!this.take(token)) this.fail(`\`${token}\``);
  }
  match(pattern: RegExp): string | undefined {
    this.space();
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at += found[0].length;
    return found[0];
  }
  name(): string {
    return this.match(/[A-Za-z_][\w.]*/y) ?? this.fail("a name");
  }
  atEnd(): boolean {
    this.space();
    return this.#at >= this.#text.length;
  }

  baseType(): Type {
    if (this.take("(")) {
      const elems: Type[] = [];
      while (!this.take(")")) {
        elems.push(this.argType().type);
        this.alias();
        this.take(",");
      }
      return tupleOf(elems);
    }
    const name = this.name();
    if (name === "Dict") {
      this.want("(");
      const key = this.argType().type;
      this.want(",");
      const value = this.argType().type;
      this.want(")");
      return dictOf(key, value);
    }
    if (name === "Future" || name === "Await" || name === "RRef") {
      this.want("(");
      const elem = this.argType().type;
      this.want(")");
      return name === "Future" ? futureOf(elem) : { kind: name, elem };
    }
    switch (name) {
      case "Tensor": return T.Tensor;
      case "int":
      case "ScalarType":
      case "Layout":
      case "MemoryFormat":
      case "SymInt": return T.int;
      case "float": return T.float;
      case "bool": return T.bool;
      case "complex": return T.complex;
      case "Scalar":
      case "number": return T.number;
      case "str":
      case "Dimname": return T.str;
      case "NoneType": return T.None;
      case "Device": return T.Device;
      case "Any":
      case "AnyType": return T.Any;
      case "Generator": return T.Generator;
      case "Stream": return T.Stream;
      case "Storage": return T.Storage;
      case "Capsule": return T.Capsule;
      case "QScheme": return T.int;
      case "Quantizer": return T.Quantizer;
      case "AnyListType": return T.AnyList;
      case "AnyTupleType": return T.AnyTuple;
      case "AnyClassType": return T.AnyClass;
      case "AnyEnumType": return T.AnyEnum;
      default:
        if (name.startsWith("__torch__.")) return makeClass(name, false);
        return { kind: "Var", name };
    }
  }

  alias(): Argument["alias"] | undefined {
    const text = this.match(/\([a-z*|]*!?( ->[^)]*)?\)/y);
    if (text === undefined) return undefined;
    return { set: text.replace(/[()!]| ->.*/g, ""), write: text.includes("!") };
  }

  argType(): { type: Type; alias: Argument["alias"] | undefined; fixedLength: number | undefined } {
    let type = this.baseType();
    let alias = this.alias();
    let fixedLength: number | undefined;
    for (;;) {
      const list = this.match(/\[\d*\]/y);
      if (list !== undefined) {
        if (list.length > 2) fixedLength = Number(list.slice(1, -1));
        type = listOf(type);
        alias = this.alias() ?? alias;
      } else if (this.take("?")) type = optionalOf(type);
      else return { type, alias, fixedLength };
    }
  }

  defaultValue(type: Type): Template {
    const inner = type.kind === "Optional" ? type.elem : type;
    if (this.take("[")) {
      const items: Template[] = [];
      const elem = inner.kind === "List" ? inner.elem : T.int;
      while (!this.take("]")) {
        items.push(this.defaultValue(elem));
        this.take(",");
      }
      return { kind: "list", elem, items };
    }
    const quoted = this.match(/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/y);
    if (quoted !== undefined) return { kind: "str", value: unescape(quoted.slice(1, -1)) };
    const number = this.match(/-?(?:\d+\.?\d*(?:e[+-]?\d+)?|inf|\.\d+)/y);
    if (number !== undefined) {
      if (inner.kind === "float" || !/^-?\d+$/.test(number)) return { kind: "float", value: number.endsWith("inf") ? (number[0] === "-" ? -Infinity : Infinity) : Number(number) };
      const value = BigInt(number);
      return { kind: "int", value: Number.isSafeInteger(Number(value)) ? Number(value) : value };
    }
    const word = this.name();
    if (word === "None") return { kind: "none" };
    if (word === "True" || word === "False") return { kind: "bool", value: word === "True" };
    if (word in ENUM_DEFAULTS) return { kind: "int", value: ENUM_DEFAULTS[word] ?? 0 };
    if (word === "cpu") return { kind: "device", value: "cpu" };
    return this.fail("a default value");
  }

  argument(kwargOnly: boolean): Argument {
    const { type, alias, fixedLength } = this.argType();
    const name = this.match(/[A-Za-z_]\w*/y) ?? "";
    // `int[2]? stride` has its length before the question mark, `int[] stride=1` repeats nothing.
    const value = this.take("=") ? this.defaultValue(type) : undefined;
    let filled = value;
    const inner = type.kind === "Optional" ? type.elem : type;
    if (value !== undefined && inner.kind === "List" && value.kind !== "list" && value.kind !== "none") {
      filled = { kind: "list", elem: inner.elem, items: Array.from({ length: fixedLength ?? 1 }, () => value) };
    }
    return {
      name, type, kwargOnly,
      ...(filled === undefined ? {} : { default: filled }),
      ...(fixedLength === undefined ? {} : { fixedLength }),
      ...(alias === undefined ? {} : { alias }),
    };
  }

  schema(): Schema {
    const { name, overload } = namesOf(this.match(/[\w.]+::[\w.]+/y) ?? this.fail("`namespace::name`"));
    const args: Argument[] = [];
    let kwargOnly = false;
    let vararg = false;
    this.want("(");
    while (!this.take(")")) {
      if (this.take("...")) vararg = true;
      else if (this.take("*")) kwargOnly = true;
      else args.push(this.argument(kwargOnly));
      this.take(",");
    }
    this.want("->");
    const returns: Argument[] = [];
    let varret = false;
    if (this.take("...")) varret = true;
    else if (this.take("(")) {
      while (!this.take(")")) {
        if (this.take("...")) varret = true;
        else returns.push(this.argument(false));
        this.take(",");
      }
    } else returns.push(this.argument(false));
    if (!this.atEnd()) this.fail("the end of the schema");
    return { name, overload, args, returns, vararg, varret, text: this.#text };
  }
}

/** The parts of `aten::add.Tensor`. */
function namesOf(full: string): { readonly name: string; readonly overload: string } {
  const dot = full.indexOf(".", full.indexOf("::"));
  return dot < 0 ? { name: full, overload: "" } : { name: full.slice(0, dot), overload: full.slice(dot + 1) };
}

/** A schema whose text is parsed when more than its names is asked for. */
class SchemaText implements Schema {
  readonly name: string;
  readonly overload: string;
  readonly text: string;
  #parsed: Schema | undefined;

  constructor(text: string) {
    ({ name: this.name, overload: this.overload } = namesOf(text.slice(0, text.indexOf("("))));
    this.text = text;
  }

  get #whole(): Schema {
    return (this.#parsed ??= parseSchema(this.text));
  }
  get args(): readonly Argument[] {
    return this.#whole.args;
  }
  get returns(): readonly Argument[] {
    return this.#whole.returns;
  }
  get vararg(): boolean {
    return this.#whole.vararg;
  }
  get varret(): boolean {
    return this.#whole.varret;
  }
}

/** A schema of a text that is known to be right: most overloads of a name are passed over, and never parsed. */
export function schemaOfText(text: string): Schema {
  return new SchemaText(text);
}

/** Parses a schema. @throws bad-code with the column */
export function parseSchema(text: string): Schema {
  return new SchemaReader(text).schema();
}
