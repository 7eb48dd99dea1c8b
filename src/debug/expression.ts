/**
 * What `print`, conditions and log texts say: `%y1[0,:8]`, `i == 7 && %y.absmax > 3`, `self.conv.weight.shape`. Read into a tree, evaluated where a run stands.
 */

import type { Datum } from "../ir/datum.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor, viewOf } from "../tensor/tensor.ts";
import { elementsOf } from "../tensor/text.ts";
import { healthOf } from "./health.ts";

export type Expression =
  | { readonly kind: "literal"; readonly value: number | boolean | string | null }
  /** `%y1`: a value of the graph; `y`, `self`: the author's name. */
  | { readonly kind: "name"; readonly name: string; readonly exact: boolean }
  | { readonly kind: "member"; readonly of: Expression; readonly name: string }
  | { readonly kind: "index"; readonly of: Expression; readonly at: readonly Subscript[] }
  | { readonly kind: "unary"; readonly op: "-" | "!"; readonly a: Expression }
  | { readonly kind: "binary"; readonly op: string; readonly a: Expression; readonly b: Expression };

export type Subscript =
  | { readonly kind: "at"; readonly value: Expression }
  | { readonly kind: "slice"; readonly from: Expression | undefined; readonly to: Expression | undefined; readonly step: Expression | undefined };

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|"([^"]*)"|'([^']*)'|(%[\w.$/-]*[\w$])|([A-Za-z_]\w*)|(\|\||&&|==|!=|<=|>=|[-+*/%<>!()[\],:.]))/y;
const MAX_DEPTH = 64;

interface Token {
  readonly kind: "number" | "string" | "value" | "word" | "sign";
  readonly text: string;
}

function tokens(text: string): Token[] {
  const out: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    if (/^\s*$/.test(text.slice(from))) break;
    const match = TOKEN.exec(text);
    if (match === null) throw new OpwiseError("bad-argument", `\`${text}\` cannot be read at column ${from + 1}`);
    const [, number, double, single, value, word, sign] = match;
    if (number !== undefined) out.push({ kind: "number", text: number });
    else if (double !== undefined || single !== undefined) out.push({ kind: "string", text: double ?? single ?? "" });
    else if (value !== undefined) out.push({ kind: "value", text: value.slice(1) });
    else if (word !== undefined) out.push({ kind: "word", text: word });
    else out.push({ kind: "sign", text: sign ?? "" });
  }
  return out;
}

class Parser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokens(text);
  }

  whole(): Expression {
    const out = this.#level(0);
    if (this.#at < this.#tokens.length) this.#fail();
    return out;
  }

  #fail(): never {
    const token = this.#tokens[this.#at];
    throw new OpwiseError(
      "bad-argument",
      `\`${this.#text}\` is no expression: ${token === undefined ? "it ends too soon" : `\`${token.text}\` is out of place`}`,
      { hint: "for example %y1[0,:8], i == 7, %y.absmax > 3 && self.training" },
    );
  }

  #sign(...texts: readonly string[]): string | undefined {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "sign" || !texts.includes(token.text)) return undefined;
    this.#at++;
    return token.text;
  }

  static readonly #LEVELS: readonly (readonly string[])[] = [["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">="], ["+", "-"], ["*", "/", "%"]];

  #level(level: number): Expression {
    const signs = Parser.#LEVELS[level];
    if (signs === undefined) return this.#unary();
    let a = this.#level(level + 1);
    for (let op = this.#sign(...signs); op !== undefined; op = this.#sign(...signs)) a = { kind: "binary", op, a, b: this.#level(level + 1) };
    return a;
  }

  #unary(): Expression {
    if (++this.#depth > MAX_DEPTH) this.#fail();
    const op = this.#sign("-", "!");
    const out: Expression = op === "-" || op === "!" ? { kind: "unary", op, a: this.#unary() } : this.#postfix();
    this.#depth--;
    return out;
  }

  #postfix(): Expression {
    let out = this.#primary();
    for (;;) {
      if (this.#sign(".") !== undefined) {
        const token = this.#tokens[this.#at++];
        if (token?.kind !== "word" && token?.kind !== "number") this.#fail();
        out = { kind: "member", of: out, name: token.text };
      } else if (this.#sign("[") !== undefined) {
        const at: Subscript[] = [];
        do at.push(this.#subscript());
        while (this.#sign(",") !== undefined);
        if (this.#sign("]") === undefined) this.#fail();
        out = { kind: "index", of: out, at };
      } else return out;
    }
  }

  #subscript(): Subscript {
    const isEnd = (): boolean => {
      const token = this.#tokens[this.#at];
      return token?.kind === "sign" && (token.text === ":" || token.text === "," || token.text === "]");
    };
    const part = (): Expression | undefined => (isEnd() ? undefined : this.#level(0));
    const first = part();
    if (this.#sign(":") === undefined) return first === undefined ? this.#fail() : { kind: "at", value: first };
    const to = part();
    return { kind: "slice", from: first, to, step: this.#sign(":") === undefined ? undefined : part() };
  }

  #primary(): Expression {
    if (this.#sign("(") !== undefined) {
      const inner = this.#level(0);
      if (this.#sign(")") === undefined) this.#fail();
      return inner;
    }
    const token = this.#tokens[this.#at++];
    switch (token?.kind) {
      case "number":
        return { kind: "literal", value: Number(token.text) };
      case "string":
        return { kind: "literal", value: token.text };
      case "value":
        return { kind: "name", name: token.text, exact: true };
      case "word": {
        const constant = { True: true, False: false, true: true, false: false, None: null, nan: NaN, inf: Infinity }[token.text];
        return constant === undefined ? { kind: "name", name: token.text, exact: false } : { kind: "literal", value: constant };
      }
      default:
        this.#at--;
        return this.#fail();
    }
  }
}

/** @throws bad-argument with the place that cannot be read */
export function parseExpression(text: string): Expression {
  return new Parser(text).whole();
}

/** Gives names their values. */
export interface Names {
  /** @throws bad-argument where the name has no value here */
  lookup(name: string, exact: boolean): Datum;
  /** Whether a value of the graph has the name. */
  has(name: string): boolean;
}

/** Properties of a tensor, besides those of its health record. */
const FACTS = ["shape", "strides", "dtype", "numel", "rank", "version", "offset"] as const;
const HEALTH = ["min", "max", "mean", "std", "absmax", "nan", "zero", "neg", "subnormal"] as const;

/** The value of an expression; parts of tensors are views of them. @throws bad-argument */
export function evaluate(e: Expression, names: Names): Datum {
  switch (e.kind) {
    case "literal":
      return e.value;
    case "name":
      return named(e.name, e.exact, names);
    case "member":
      return member(evaluate(e.of, names), e.name);
    case "index":
      return indexed(evaluate(e.of, names), e.at, names);
    case "unary": {
      const a = evaluate(e.a, names);
      return e.op === "!" ? !truth(a) : -number(a);
    }
    case "binary": {
      if (e.op === "||") return truth(evaluate(e.a, names)) || truth(evaluate(e.b, names));
      if (e.op === "&&") return truth(evaluate(e.a, names)) && truth(evaluate(e.b, names));
      return binary(e.op, plain(evaluate(e.a, names)), plain(evaluate(e.b, names)));
    }
    default:
      return e satisfies never;
  }
}

/** Names of graphs may have dots in them: `%x.1`; what is none is a member of a shorter one, `%x.shape`. */
function named(name: string, exact: boolean, names: Names): Datum {
  const dot = exact ? name.lastIndexOf(".") : -1;
  if (dot <= 0 || names.has(name)) return names.lookup(name, exact);
  return member(named(name.slice(0, dot), exact, names), name.slice(dot + 1));
}

/** Whether a condition holds. @throws bad-argument */
export function holds(e: Expression, names: Names): boolean {
  return truth(evaluate(e, names));
}

/** A tensor of one element, and a boxed scalar, as the number it is. */
function plain(value: Datum): Datum {
  if (value instanceof Tensor && value.numel === 1) return elementsOf(value).map((v) => (typeof v === "object" ? v[0] : v))[0] ?? null;
  if (typeof value === "object" && value !== null && "kind" in value && (value.kind === "int" || value.kind === "float" || value.kind === "bool"))
    return value.value;
  return value;
}

function number(value: Datum): number {
  const bare = plain(value);
  if (typeof bare === "number" || typeof bare === "bigint" || typeof bare === "boolean") return Number(bare);
  throw new OpwiseError("bad-argument", "a number is wanted", { got: bare instanceof Tensor ? `a tensor of shape [${bare.shape.join(", ")}]` : typeof bare });
}

function truth(value: Datum): boolean {
  const bare = plain(value);
  return typeof bare === "string" ? bare !== "" : bare !== null && (typeof bare !== "object" ? Boolean(bare) : true);
}

/** Lists of numbers compare by their text: `%x.shape == "1,3"` is `[1, 3]` without spaces. */
function comparable(value: Datum): number | bigint | string | boolean | null {
  if (value === null || typeof value !== "object") return value;
  if ("kind" in value && (value.kind === "list" || value.kind === "tuple")) return value.items.map((v) => String(plain(v) as number)).join();
  return number(value);
}

function binary(op: string, a: Datum, b: Datum): Datum {
  const [x, y] = [comparable(a), comparable(b)];
  switch (op) {
    // Bigints and numbers of the same size are equal.
    case "==":
      return typeof x === "bigint" || typeof y === "bigint" ? Number(x) === Number(y) : x === y;
    case "!=":
      return typeof x === "bigint" || typeof y === "bigint" ? Number(x) !== Number(y) : x !== y;
    case "<":
      return number(a) < number(b);
    case "<=":
      return number(a) <= number(b);
    case ">":
      return number(a) > number(b);
    case ">=":
      return number(a) >= number(b);
    case "+":
      return number(a) + number(b);
    case "-":
      return number(a) - number(b);
    case "*":
      return number(a) * number(b);
    case "/":
      return number(a) / number(b);
    default:
      return number(a) % number(b);
  }
}

function listOfInts(values: readonly number[]): Datum {
  return { kind: "list", elem: { kind: "int" }, items: [...values] };
}

function member(of: Datum, name: string): Datum {
  if (of instanceof Tensor) {
    const fact = FACTS.find((f) => f === name);
    if (fact === "shape") return listOfInts(of.shape);
    if (fact === "strides") return listOfInts(of.strides);
    if (fact === "version") return of.storage.version;
    if (fact !== undefined) return of[fact];
    const health = name === "inf" || HEALTH.some((h) => h === name) ? healthOf(of, of.storage.bytes()) : undefined;
    if (health !== undefined && name === "inf") return health.posInf + health.negInf;
    const stat = HEALTH.find((h) => h === name);
    if (health !== undefined && stat !== undefined) return health[stat] ?? NaN;
    throw new OpwiseError("bad-argument", `a tensor has no \`${name}\` here`, { wanted: [...FACTS, ...HEALTH, "inf"].join(", ") });
  }
  if (typeof of === "object" && of !== null && "kind" in of) {
    if (of.kind === "instance") {
      const slot = of.class.slots.get(name);
      const value = slot === undefined ? undefined : of.slots[slot];
      if (value !== undefined) return value;
      throw new OpwiseError("bad-argument", `the object has no attribute \`${name}\``, {
        wanted: [...of.class.slots.keys()].join(", ") || "no attributes at all",
      });
    }
    if (of.kind === "tuple" && of.type?.kind === "NamedTuple") {
      const value = of.items[of.type.fields.indexOf(name)];
      if (value !== undefined) return value;
    }
    if ((of.kind === "list" || of.kind === "tuple") && name === "len") return of.items.length;
  }
  throw new OpwiseError("bad-argument", `the value has no \`${name}\``);
}

function indexed(of: Datum, at: readonly Subscript[], names: Names): Datum {
  if (of instanceof Tensor) return slice(of, at, names);
  const [only] = at;
  if (at.length === 1 && only?.kind === "at" && typeof of === "object" && of !== null && "kind" in of) {
    const key = plain(evaluate(only.value, names));
    if (of.kind === "list" || of.kind === "tuple") {
      const i = number(key);
      const value = of.items[i < 0 ? i + of.items.length : i];
      if (value === undefined) throw new OpwiseError("index-out-of-range", `there is no item ${i} among ${of.items.length}`);
      return value;
    }
    if (of.kind === "dict") {
      const entry = of.entries.get(key);
      if (entry === undefined)
        throw new OpwiseError("bad-argument", "the dict has no such key", {
          wanted: [...of.entries.keys()].map((k) => (typeof k === "string" || typeof k === "number" ? String(k) : "?")).join(", "),
        });
      return entry[1];
    }
  }
  throw new OpwiseError("bad-argument", "the value has no such items");
}

/** A part of a tensor as Python's basic indexing takes it. */
function slice(tensor: Tensor, at: readonly Subscript[], names: Names): Tensor {
  if (at.length > tensor.rank) throw new OpwiseError("index-out-of-range", `${at.length} indices for a tensor of ${tensor.rank} axes`);
  const [shape, strides]: [number[], number[]] = [[], []];
  let { offset } = tensor;
  tensor.shape.forEach((size, axis) => {
    const stride = tensor.strides[axis] ?? 0;
    const part = at[axis];
    const value = (x: Expression | undefined, otherwise: number): number => (x === undefined ? otherwise : number(evaluate(x, names)));
    if (part?.kind === "at") {
      const given = value(part.value, 0);
      const i = given < 0 ? given + size : given;
      if (!(i >= 0 && i < size)) throw new OpwiseError("index-out-of-range", `index ${given} is out of bounds for axis ${axis} of size ${size}`);
      offset += i * stride;
      return;
    }
    const step = Math.max(1, value(part?.step, 1));
    const clampTo = (i: number): number => Math.min(Math.max(i < 0 ? i + size : i, 0), size);
    const from = clampTo(value(part?.from, 0));
    const to = clampTo(value(part?.to, size));
    offset += from * stride;
    shape.push(Math.max(0, Math.ceil((to - from) / step)));
    strides.push(stride * step);
  });
  return viewOf(tensor, shape, strides, offset);
}
