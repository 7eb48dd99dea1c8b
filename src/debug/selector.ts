/**
 * Selectors: one grammar for breakpoints, searches and what is recorded.
 *
 *     #412  #412[3]  %y1  %y1~2  @1234  encoder.*.attn.**  aten::softmax  onnx::Conv@11  model.py:31  kind:contract  {nan>0}
 *
 * joined by `&`, `|`, `!` and parentheses. This file reads them; `match.ts` says what they match.
 */

import { OpwiseError } from "../tensor/error.ts";
import { longDtype } from "./elements.ts";

export type Selector =
  | { readonly kind: "and" | "or"; readonly parts: readonly Selector[] }
  | { readonly kind: "not"; readonly part: Selector }
  | { readonly kind: "node"; readonly id: number; readonly nth: number | undefined }
  /** `version`: `any` for `%y~`: whatever writes its storage. */
  | { readonly kind: "value"; readonly name: string; readonly version: number | "any" | undefined }
  | { readonly kind: "time"; readonly t: number }
  /** `path` "" is the root. */
  | { readonly kind: "module"; readonly pattern: string }
  | { readonly kind: "op"; readonly pattern: string }
  | { readonly kind: "source"; readonly file: string; readonly from: number; readonly to: number }
  | { readonly kind: "prim"; readonly pattern: string }
  | { readonly kind: "predicate"; readonly test: Predicate };

export type Comparison = "=" | "!=" | "<" | "<=" | ">" | ">=";

export type Predicate =
  | { readonly kind: "and" | "or"; readonly parts: readonly Predicate[] }
  | { readonly kind: "not"; readonly part: Predicate }
  | { readonly kind: "compare"; readonly fact: string; readonly op: Comparison; readonly value: Literal };

export type Literal =
  | { readonly kind: "number"; readonly value: number }
  /** Of the number of elements. */
  | { readonly kind: "share"; readonly value: number }
  | { readonly kind: "text"; readonly value: string }
  /** Undefined: any size. A last `...` lets more axes follow. */
  | { readonly kind: "shape"; readonly dims: readonly (number | undefined)[]; readonly open: boolean };

/** Facts that predicates know, with what they are. */
export const FACTS: Readonly<Record<string, string>> = {
  n: "elements",
  nan: "NaNs",
  inf: "infinities",
  posinf: "+infinities",
  neginf: "-infinities",
  zero: "zeros",
  subnormal: "subnormals",
  neg: "negative numbers",
  min: "smallest number",
  max: "largest number",
  mean: "mean",
  std: "standard deviation",
  absmax: "largest magnitude",
  rowmax: "largest number of a row of the last axis",
  dtype: "f32, int64, …",
  shape: "[1,*,768]",
  rank: "axes",
  version: "of the storage",
  backend: "that ran it",
  op: "full name",
  module: "path",
  ms: "milliseconds",
  bytes: "read and written",
  flops: "operations",
  fallbacks: "calls that ran elsewhere",
  copied: "bytes copied by fallbacks",
  nth: "execution",
  t: "step",
  err: "multiple of the budget",
};

const SUFFIX: Readonly<Record<string, number>> = { k: 1e3, K: 1024, M: 2 ** 20, G: 2 ** 30 };

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  fail(message: string, at: number = this.#at, hint?: string): never {
    throw new OpwiseError("bad-argument", `selector: ${message}`, {
      got: `${this.#text}\n          ${" ".repeat(at)}^`,
      ...(hint === undefined ? {} : { hint }),
    });
  }

  #space(): void {
    while (/\s/.test(this.#text[this.#at] ?? "")) this.#at++;
  }
  #peek(): string {
    this.#space();
    return this.#text[this.#at] ?? "";
  }
  #take(what: string): boolean {
    this.#space();
    if (!this.#text.startsWith(what, this.#at)) return false;
    this.#at += what.length;
    return true;
  }
  #match(pattern: RegExp): string | undefined {
    const sticky = new RegExp(pattern.source, "y");
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  all(): Selector {
    if (this.#peek() === "") this.fail("there is nothing in it");
    const selector = this.#or(0);
    if (this.#peek() !== "") this.fail(this.#peek() === ")" ? "no parenthesis is open" : "`&` or `|` is wanted here");
    return selector;
  }

  /** Nests deeper than anyone writes. */
  #deep(depth: number): number {
    return depth > 200 ? this.fail("it nests too deep") : depth + 1;
  }

  #or(depth: number): Selector {
    const parts = [this.#and(this.#deep(depth))];
    while (this.#take("|")) parts.push(this.#and(depth));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "or", parts };
  }
  #and(depth: number): Selector {
    const parts = [this.#unary(depth)];
    while (this.#take("&")) parts.push(this.#unary(depth));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "and", parts };
  }
  #unary(depth: number): Selector {
    if (this.#take("!")) return { kind: "not", part: this.#unary(this.#deep(depth)) };
    if (this.#take("(")) {
      const open = this.#at - 1;
      const inner = this.#or(this.#deep(depth));
      if (!this.#take(")")) this.fail("this parenthesis is not closed", open);
      return inner;
    }
    return this.#atom(depth);
  }

  #atom(depth: number): Selector {
    const first = this.#peek();
    const start = this.#at;
    if (first === "" || first === "&" || first === "|" || first === ")")
      this.fail(first === "" ? "it ends where something is wanted" : `something is wanted before \`${first}\``);
    if (first === "#") {
      const digits = /^#(\d+)(?:\[(\d+)\])?/.exec(this.#text.slice(start));
      if (digits === null) this.fail("a node's number is wanted after `#`", start + 1);
      this.#at += digits[0].length;
      return { kind: "node", id: Number(digits[1]), nth: digits[2] === undefined ? undefined : Number(digits[2]) };
    }
    if (first === "@") {
      this.#at++;
      const digits = this.#match(/\d+/) ?? this.fail("a step's number is wanted after `@`");
      return { kind: "time", t: Number(digits) };
    }
    if (first === "%") {
      this.#at++;
      const name =
        this.#quoted() ??
        this.#match(/[^\s&|!(){}~[\]"]+/) ??
        this.fail("a value's name is wanted after `%`", this.#at, 'names with other characters stand in quotes: %"conv 1"');
      if (this.#text[this.#at] !== "~") return { kind: "value", name, version: undefined };
      this.#at++;
      const version = this.#match(/\d+/);
      return { kind: "value", name, version: version === undefined ? "any" : Number(version) };
    }
    if (first === "{") {
      this.#at++;
      if (this.#peek() === "}") this.fail("a condition is wanted, as {nan>0}");
      const test = this.#predicateOr(depth);
      if (!this.#take("}"))
        this.fail(this.#peek() === "" ? "this brace is not closed" : "`&`, `|` or `}` is wanted here", this.#peek() === "" ? start : this.#at);
      return { kind: "predicate", test };
    }
    const quoted = this.#quoted();
    if (quoted !== undefined) return { kind: "module", pattern: quoted };
    const word = this.#match(/[^\s&|!(){}"]+/) ?? this.fail("this character means nothing here");
    return this.#word(word, start);
  }

  #quoted(): string | undefined {
    if (this.#text[this.#at] !== '"') return undefined;
    const start = this.#at;
    const text = this.#match(/"(?:[^"\\]|\\.)*"/) ?? this.fail("this quote is not closed", start);
    return text.slice(1, -1).replace(/\\(.)/g, "$1");
  }

  #word(word: string, start: number): Selector {
    if (word.startsWith("kind:"))
      return word.length > 5 ? { kind: "prim", pattern: word.slice(5) } : this.fail("the kind of a primitive call is wanted", start + 5);
    if (word.includes("::")) return { kind: "op", pattern: word };
    const place = /^(.+):(\d+)(?:-(\d+))?$/.exec(word);
    if (place !== null) {
      const from = Number(place[2]);
      const to = place[3] === undefined ? from : Number(place[3]);
      if (to < from) this.fail("the last line stands before the first", start + (place[1]?.length ?? 0) + 1);
      return { kind: "source", file: place[1] ?? "", from, to };
    }
    if (/[^\w.*?\-/[\]@<>=,'+$]/.test(word)) this.fail("this is no name of a module, op or file", start, "see the grammar in docs/debugger.md");
    return { kind: "module", pattern: word === "." ? "" : word };
  }

  #predicateOr(depth: number): Predicate {
    const parts = [this.#predicateAnd(this.#deep(depth))];
    while (this.#take("|")) parts.push(this.#predicateAnd(depth));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "or", parts };
  }
  #predicateAnd(depth: number): Predicate {
    const parts = [this.#predicateUnary(depth)];
    while (this.#take("&")) parts.push(this.#predicateUnary(depth));
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { kind: "and", parts };
  }
  #predicateUnary(depth: number): Predicate {
    if (this.#peek() === "!" && this.#text[this.#at + 1] !== "=") {
      this.#at++;
      return { kind: "not", part: this.#predicateUnary(this.#deep(depth)) };
    }
    if (this.#take("(")) {
      const inner = this.#predicateOr(this.#deep(depth));
      if (!this.#take(")")) this.fail("`)` is wanted here");
      return inner;
    }
    this.#space();
    const start = this.#at;
    const fact = this.#match(/[A-Za-z]\w*/) ?? this.fail("a fact's name is wanted", start, `facts: ${Object.keys(FACTS).join(", ")}`);
    if (!Object.hasOwn(FACTS, fact.toLowerCase())) this.fail(`there is no fact \`${fact}\``, start, `facts: ${Object.keys(FACTS).join(", ")}`);
    this.#space();
    const op = this.#match(/!=|<=|>=|==|=|<|>/) ?? this.fail("a comparison is wanted: = != < <= > >=");
    const comparison = op === "==" ? "=" : (op as Comparison); // the pattern has these alone
    const at = (this.#space(), this.#at);
    const value = this.#literal(fact.toLowerCase());
    const ordered = comparison !== "=" && comparison !== "!=";
    if (ordered && value.kind !== "number" && value.kind !== "share") this.fail(`\`${comparison}\` wants a number`, at);
    return { kind: "compare", fact: fact.toLowerCase(), op: comparison, value };
  }

  #literal(fact: string): Literal {
    const start = this.#at;
    if (this.#take("[")) {
      const inner = this.#match(/[^\]]*/) ?? "";
      if (!this.#take("]")) this.fail("this bracket is not closed", start);
      const parts = inner
        .split(",")
        .map((part) => part.trim())
        .filter((part) => part !== "");
      const open = parts.at(-1) === "...";
      const dims = (open ? parts.slice(0, -1) : parts).map((part) =>
        part === "*" ? undefined : /^\d+$/.test(part) ? Number(part) : this.fail(`\`${part}\` is no size: a number, \`*\`, or a last \`...\``, start),
      );
      if (fact !== "shape") this.fail(`only \`shape\` is compared with a list`, start);
      return { kind: "shape", dims, open };
    }
    if (fact === "shape") this.fail("a shape is wanted, as [1,*,768]");
    const quoted = this.#quoted();
    if (quoted !== undefined) return { kind: "text", value: quoted };
    const word = this.#match(/[^\s&|!(){}"=<>]+/) ?? this.fail("a value is wanted");
    if (fact === "dtype") return { kind: "text", value: longDtype(word) ?? this.fail(`\`${word}\` is no dtype`, start) };
    if (fact === "backend" || fact === "op" || fact === "module") return { kind: "text", value: word };
    const number = /^([+-]?(?:inf|nan|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))([kKMG]|%)?$/.exec(word);
    if (number === null) this.fail(`\`${word}\` is no number`, start);
    const value = (number[1] ?? "").replace(/^\+/, "");
    const plain = value === "inf" ? Infinity : value === "-inf" ? -Infinity : Number(value === "nan" || value === "-nan" ? "NaN" : value);
    if (number[2] === "%") return { kind: "share", value: plain / 100 };
    return { kind: "number", value: plain * (SUFFIX[number[2] ?? ""] ?? 1) };
  }
}

/** Reads a selector. @throws bad-argument, with the place that is wrong */
export function parseSelector(text: string): Selector {
  return new Reader(text).all();
}

const NEEDS_QUOTES = /[\s&|!(){}~[\]"]/;
function quote(name: string): string {
  return name === "" || NEEDS_QUOTES.test(name) ? `"${name.replace(/["\\]/g, "\\$&")}"` : name;
}

/** Names of values that a selector asks for: also those that no node makes, inputs of functions and blocks. */
export function namesIn(selector: Selector): readonly string[] {
  if (selector.kind === "and" || selector.kind === "or") return selector.parts.flatMap(namesIn);
  return selector.kind === "value" ? [selector.name] : [];
}

/** The selector of a value by its name. */
export function valueSelector(name: string): string {
  return `%${quote(name)}`;
}

/** A selector as text that reads back as the same. */
export function printSelector(selector: Selector): string {
  switch (selector.kind) {
    case "and":
    case "or":
      return selector.parts
        .map((part) => (part.kind === "or" || part.kind === "and" ? `(${printSelector(part)})` : printSelector(part)))
        .join(selector.kind === "and" ? " & " : " | ");
    case "not":
      return `!${selector.part.kind === "or" || selector.part.kind === "and" ? `(${printSelector(selector.part)})` : printSelector(selector.part)}`;
    case "node":
      return `#${selector.id}${selector.nth === undefined ? "" : `[${selector.nth}]`}`;
    case "value":
      return `${valueSelector(selector.name)}${selector.version === undefined ? "" : selector.version === "any" ? "~" : `~${selector.version}`}`;
    case "time":
      return `@${selector.t}`;
    case "module":
      return selector.pattern === "" ? "." : selector.pattern;
    case "op":
      return selector.pattern;
    case "source":
      return `${selector.file}:${selector.from}${selector.to === selector.from ? "" : `-${selector.to}`}`;
    case "prim":
      return `kind:${selector.pattern}`;
    case "predicate":
      return `{${printPredicate(selector.test)}}`;
    default:
      return selector satisfies never;
  }
}

function printPredicate(test: Predicate): string {
  if (test.kind === "compare") return `${test.fact}${test.op}${printLiteral(test.value)}`;
  if (test.kind === "not") return `!(${printPredicate(test.part)})`;
  return test.parts
    .map((part) => (part.kind === "and" || part.kind === "or" ? `(${printPredicate(part)})` : printPredicate(part)))
    .join(test.kind === "and" ? " & " : " | ");
}
function printLiteral(value: Literal): string {
  switch (value.kind) {
    case "number":
      return Number.isNaN(value.value) ? "nan" : value.value === Infinity ? "inf" : value.value === -Infinity ? "-inf" : String(value.value);
    case "share":
      return `${value.value * 100}%`;
    case "text":
      return /^[\w.:*?@-]+$/.test(value.value) ? value.value : quote(value.value).replace(/^(?!")(.*)$/s, '"$1"');
    case "shape":
      return `[${[...value.dims.map((dim) => (dim === undefined ? "*" : String(dim))), ...(value.open ? ["..."] : [])].join(",")}]`;
    default:
      return value satisfies never;
  }
}
