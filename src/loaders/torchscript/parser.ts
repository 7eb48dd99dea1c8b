/**
 * Syntax of the TorchScript code language, as LibTorch's loader takes it: what the printer writes, and also infix operators,
 * method calls, keyword arguments, comments and early returns. Imports, decorators, lambdas and f-strings are refused.
 */

import type { BinaryOp, ClassDef, CompareOp, Expr, FileAst, FunctionDef, Keyword, ParamDef, Stmt } from "./ast.ts";
import { type Token, tokenize } from "./lexer.ts";
import type { SourceText } from "./source-text.ts";

/** Deepest nest of expressions, and of blocks: later passes recurse along both. */
export const MAX_EXPRESSION_DEPTH = 500;
export const MAX_BLOCK_DEPTH = 200;

const INT_MAX = 2n ** 63n - 1n;
const INT_MIN = -(2n ** 63n);

/** Infix operators by binding power; all are left-associative but `**`. */
const OPERATORS: Readonly<Record<number, string>> = {
  1: "or",
  2: "and",
  4: "== != < <= > >= is in not",
  5: "|",
  6: "^",
  7: "&",
  8: "<< >>",
  9: "+ -",
  10: "* / // % @",
  12: "**",
};
const POWERS: ReadonlyMap<string, number> = new Map(
  Object.entries(OPERATORS).flatMap(([power, operators]) => operators.split(" ").map((operator) => [operator, Number(power)])),
);
const NOT_POWER = 3;
const UNARY_POWER = 11;
const AUGMENTED: ReadonlySet<string> = new Set(["+=", "-=", "*=", "/=", "//=", "%=", "**=", "&=", "|=", "^=", "<<=", ">>="]);

/** The depth of the deepest of `nodes` and of what is `depth` deep. */
function deepest(nodes: readonly Expr[], depth = 0): number {
  for (let i = 0; i < nodes.length; i++) depth = Math.max(depth, nodes[i]?.depth ?? 0);
  return depth;
}

class Parser {
  readonly #source: SourceText;
  readonly #tokens: readonly Token[];
  #at = 0;
  /** The token at hand: number `#at`. */
  #token: Token;
  /** Where the last token that was taken ends. */
  #end = 0;
  #depth = 0;
  #blocks = 0;

  constructor(source: SourceText, text: string) {
    this.#source = source;
    this.#tokens = tokenize(source, text);
    this.#token = this.#tokens[0] as Token; // `end`, if no other
  }

  /** Takes the token at hand, which is not `end`. */
  #next(): void {
    this.#end = this.#token.end;
    this.#token = this.#tokens[++this.#at] as Token; // the last token is `end`, which is never passed
  }

  #fail(message: string, token: Token = this.#token, wanted?: string): never {
    throw this.#source.error("bad-code", message, token, {
      wanted,
      got: token.kind === "end" ? "the end of the file" : token.kind === "newline" ? "the end of the line" : JSON.stringify(token.text),
    });
  }

  #is(text: string): boolean {
    const token = this.#token;
    return token.text === text && (token.kind === "op" || token.kind === "keyword");
  }

  #take(text: string): boolean {
    if (!this.#is(text)) return false;
    this.#next();
    return true;
  }

  #want(text: string): Token {
    const token = this.#token;
    if (!this.#take(text)) this.#fail(`syntax error`, token, `\`${text}\``);
    return token;
  }

  #name(what: string): Token {
    const token = this.#token;
    if (token.kind !== "name") this.#fail("syntax error", token, what);
    this.#next();
    return token;
  }

  #kind(kind: Token["kind"]): boolean {
    if (this.#token.kind !== kind) return false;
    this.#next();
    return true;
  }

  /** The depth of a node that begins at `start` and ends here, over nodes the deepest of which has `depth`. */
  #over(start: number, depth: number): number {
    if (depth >= MAX_EXPRESSION_DEPTH) this.#tooDeep(start, this.#end);
    return depth + 1;
  }

  #tooDeep(start: number, end: number): never {
    throw this.#source.error("limit-exceeded", "an expression is nested too deeply", { start, end }, { wanted: `at most ${MAX_EXPRESSION_DEPTH} levels` });
  }

  // Expressions

  /** One expression, with a conditional allowed. */
  expression(): Expr {
    if (++this.#depth > MAX_EXPRESSION_DEPTH) this.#tooDeep(this.#token.start, this.#token.end);
    const start = this.#token.start;
    let value = this.#infix(0);
    if (this.#take("if")) {
      const test = this.#infix(0);
      this.#want("else");
      const otherwise = this.expression();
      const depth = Math.max(test.depth, value.depth, otherwise.depth);
      value = { kind: "ternary", test, then: value, otherwise, start, end: this.#end, depth: this.#over(start, depth) };
    }
    this.#depth--;
    return value;
  }

  /** Expressions with commas between them: a tuple as soon as there is a comma. */
  #expressionList(): Expr {
    const start = this.#token.start;
    const first = this.expression();
    if (!this.#is(",")) return first;
    const items = [first];
    while (this.#take(",")) {
      const token = this.#token;
      if (token.kind === "newline" || this.#is("=") || this.#is(")") || this.#is(":")) break;
      items.push(this.expression());
    }
    return { kind: "tuple", items, start, end: this.#end, depth: this.#over(start, deepest(items)) };
  }

  #infix(power: number): Expr {
    if (++this.#depth > MAX_EXPRESSION_DEPTH * 2) this.#tooDeep(this.#token.start, this.#token.end);
    const start = this.#token.start;
    let left = this.#prefix();
    for (;;) {
      const token = this.#token;
      if (token.kind !== "op" && token.kind !== "keyword") break;
      const own = POWERS.get(token.text) ?? 0;
      if (own <= power || (token.text === "not" && this.#tokens[this.#at + 1]?.text !== "in")) break;
      this.#next();
      let op = token.text;
      if (op === "is" && this.#take("not")) op = "is not";
      else if (op === "not") {
        this.#want("in");
        op = "not in";
      }
      const right = this.#infix(op === "**" ? own - 1 : own);
      const end = this.#end;
      const depth = this.#over(start, Math.max(left.depth, right.depth));
      if (op === "and" || op === "or") left = { kind: "logical", op, left, right, start, end, depth };
      else if (own === 4) left = { kind: "compare", op: op as CompareOp, left, right, start, end, depth }; // the power of comparisons
      else left = { kind: "binary", op: op as BinaryOp, left, right, start, end, depth }; // what is left of POWERS
    }
    this.#depth--;
    return left;
  }

  #prefix(): Expr {
    const start = this.#token.start;
    if (this.#take("not")) {
      const value = this.#infix(NOT_POWER);
      return { kind: "unary", op: "not", value, start, end: this.#end, depth: this.#over(start, value.depth) };
    }
    const token = this.#token;
    if (token.kind === "op" && (token.text === "-" || token.text === "+" || token.text === "~")) {
      this.#next();
      // A minus before a number is part of the literal, so that the smallest int can be written.
      const next = this.#token;
      if (token.text === "-" && (next.kind === "int" || next.kind === "float" || next.kind === "complex") && this.#tokens[this.#at + 1]?.text !== "**") {
        this.#next();
        return this.#postfix(start, this.#number(next, start, true));
      }
      const value = this.#infix(UNARY_POWER);
      return { kind: "unary", op: token.text, value, start, end: this.#end, depth: this.#over(start, value.depth) };
    }
    return this.#postfix(start, this.#atom());
  }

  #number(token: Token, start: number, negative: boolean): Expr {
    if (token.kind === "int") {
      let { text } = token;
      if (text.length > 1 && /^0\d+$/.test(text)) {
        // As C's strtoll with base 0 reads it: a leading 0 means octal.
        if (!/^0[0-7]+$/.test(text)) this.#fail("not an octal number", token);
        text = `0o${text.slice(1)}`;
      }
      const value = text.length > 60 ? INT_MAX + 2n : negative ? -BigInt(text) : BigInt(text);
      if (text.length > 15 && (value > INT_MAX || value < INT_MIN))
        this.#fail("an int literal does not fit into 64 bits", token, "a value from -9223372036854775808 to 9223372036854775807");
      return { kind: "int", value, start, end: this.#end, depth: 1 };
    }
    const magnitude = Number(token.kind === "complex" ? token.text.slice(0, -1) : token.text);
    const value = negative ? -magnitude : magnitude;
    return { kind: token.kind === "complex" ? "imaginary" : "float", value, start, end: this.#end, depth: 1 };
  }

  #atom(): Expr {
    const token = this.#token;
    const { start } = token;
    switch (token.kind) {
      case "name":
        this.#next();
        return { kind: "name", name: token.text, start, end: this.#end, depth: 1 };
      case "int":
      case "float":
      case "complex":
        this.#next();
        return this.#number(token, start, false);
      case "str": {
        let value = "";
        for (let next = this.#token; next.kind === "str"; next = this.#token) {
          value += next.text;
          this.#next();
        }
        return { kind: "str", value, start, end: this.#end, depth: 1 };
      }
      case "keyword":
        if (this.#take("None")) return { kind: "none", start, end: this.#end, depth: 1 };
        if (this.#take("True")) return { kind: "bool", value: true, start, end: this.#end, depth: 1 };
        if (this.#take("False")) return { kind: "bool", value: false, start, end: this.#end, depth: 1 };
        return this.#fail("syntax error", token, "an expression");
      default:
    }
    if (this.#take("...")) return { kind: "dots", start, end: this.#end, depth: 1 };
    if (this.#take("(")) {
      if (this.#take(")")) return { kind: "tuple", items: [], start, end: this.#end, depth: 1 };
      const first = this.expression();
      if (!this.#is(",")) {
        this.#want(")");
        // Parentheses count as a level, because they make the parser recurse.
        return { ...first, start, end: this.#end };
      }
      const items = [first];
      while (this.#take(",")) {
        if (this.#is(")")) break;
        items.push(this.expression());
      }
      this.#want(")");
      return { kind: "tuple", items, start, end: this.#end, depth: this.#over(start, deepest(items)) };
    }
    if (this.#take("[")) {
      const items: Expr[] = [];
      while (!this.#is("]")) {
        items.push(this.expression());
        if (items.length === 1 && this.#take("for")) {
          const target = this.#target();
          this.#want("in");
          const iterable = this.#infix(0);
          if (this.#is("if")) this.#fail("a condition in a list comprehension is not part of the language");
          this.#want("]");
          const item = items[0] as Expr;
          return {
            kind: "comprehension",
            item,
            target,
            iterable,
            start,
            end: this.#end,
            depth: this.#over(start, Math.max(item.depth, target.depth, iterable.depth)),
          };
        }
        if (!this.#take(",")) break;
      }
      this.#want("]");
      return { kind: "list", items, start, end: this.#end, depth: this.#over(start, deepest(items)) };
    }
    if (this.#take("{")) {
      const keys: Expr[] = [];
      const values: Expr[] = [];
      while (!this.#is("}")) {
        keys.push(this.expression());
        this.#want(":");
        values.push(this.expression());
        if (!this.#take(",")) break;
      }
      this.#want("}");
      return { kind: "dict", keys, values, start, end: this.#end, depth: this.#over(start, deepest(keys, deepest(values))) };
    }
    return this.#fail("syntax error", token, "an expression");
  }

  #postfix(start: number, first: Expr): Expr {
    let value = first;
    for (let { kind, text } = this.#token; kind === "op"; { kind, text } = this.#token) {
      if (text === ".") {
        this.#next();
        const token = this.#token;
        if (token.kind !== "name" && token.kind !== "keyword") this.#fail("syntax error", token, "a name after the dot");
        this.#next();
        value = { kind: "attr", base: value, name: token.text, start, end: this.#end, depth: this.#over(start, value.depth) };
      } else if (text === "(") {
        this.#next();
        const { args, kwargs } = this.#arguments();
        let depth = deepest(args, value.depth);
        for (const keyword of kwargs) depth = Math.max(depth, keyword.value.depth);
        value = { kind: "call", callee: value, args, kwargs, start, end: this.#end, depth: this.#over(start, depth) };
      } else if (text === "[") {
        this.#next();
        const indices: Expr[] = [];
        while (!this.#is("]")) {
          indices.push(this.#index());
          if (!this.#take(",")) break;
        }
        const token = this.#want("]");
        if (indices.length === 0) this.#fail("an index is missing", token);
        value = { kind: "subscript", base: value, indices, start, end: this.#end, depth: this.#over(start, deepest(indices, value.depth)) };
      } else break;
    }
    return value;
  }

  #arguments(): { args: readonly Expr[]; kwargs: readonly Keyword[] } {
    const args: Expr[] = [];
    const kwargs: Keyword[] = [];
    while (!this.#is(")")) {
      const token = this.#token;
      const next = this.#tokens[this.#at + 1];
      if (token.kind === "name" && next?.kind === "op" && next.text === "=") {
        this.#next();
        this.#next();
        kwargs.push({ name: token.text, value: this.expression() });
      } else if (this.#take("*")) {
        const value = this.expression();
        args.push({ kind: "star", value, start: token.start, end: this.#end, depth: this.#over(token.start, value.depth) });
      } else {
        if (kwargs.length > 0) this.#fail("a positional argument follows a keyword argument");
        args.push(this.expression());
      }
      if (!this.#take(",")) break;
    }
    this.#want(")");
    return { args, kwargs };
  }

  #index(): Expr {
    const { start } = this.#token;
    const part = (): Expr | undefined => (this.#is(":") || this.#is("]") || this.#is(",") ? undefined : this.expression());
    const from = part();
    if (!this.#take(":")) return from ?? this.#fail("syntax error", this.#token, "an index");
    const to = part();
    const step = this.#take(":") ? part() : undefined;
    const depth = Math.max(from?.depth ?? 0, to?.depth ?? 0, step?.depth ?? 0);
    return { kind: "slice", from, to, step, start, end: this.#end, depth: this.#over(start, depth) };
  }

  /** Names, attributes, subscripts and tuples of them; no operators. */
  #target(): Expr {
    const { start } = this.#token;
    const first = this.#postfix(start, this.#atom());
    if (!this.#is(",")) return first;
    const items = [first];
    while (this.#take(",")) {
      if (this.#is("in") || this.#is("=")) break;
      items.push(this.#postfix(this.#token.start, this.#atom()));
    }
    return { kind: "tuple", items, start, end: this.#end, depth: this.#over(start, deepest(items)) };
  }

  // Statements

  #endOfLine(): void {
    if (!this.#kind("newline")) this.#fail("syntax error", this.#token, "the end of the line");
  }

  #block(): readonly Stmt[] {
    this.#want(":");
    if (!this.#kind("newline")) return [this.#simpleLine()];
    if (!this.#kind("indent")) this.#fail("syntax error", this.#token, "an indented block");
    if (++this.#blocks > MAX_BLOCK_DEPTH) {
      throw this.#source.error("limit-exceeded", "blocks are nested too deeply", this.#token, { wanted: `at most ${MAX_BLOCK_DEPTH} levels` });
    }
    const body: Stmt[] = [];
    while (!this.#kind("dedent")) body.push(this.statement());
    this.#blocks--;
    return body;
  }

  #simpleLine(): Stmt {
    const statement = this.#simple();
    this.#endOfLine();
    return statement;
  }

  statement(): Stmt {
    const { kind, text, start } = this.#token;
    switch (kind === "keyword" ? text : "") {
      case "if":
        return this.#if();
      case "while": {
        this.#next();
        const test = this.expression();
        const end = this.#end;
        return { kind: "while", test, body: this.#block(), start, end };
      }
      case "for": {
        this.#next();
        const target = this.#target();
        this.#want("in");
        const iterable = this.#expressionList();
        const end = this.#end;
        return { kind: "for", target, iterable, body: this.#block(), start, end };
      }
      case "with": {
        const items: { context: Expr; target?: string }[] = [];
        do {
          this.#next();
          const context = this.expression();
          items.push(this.#take("as") ? { context, target: this.#name("a name").text } : { context });
        } while (this.#is(","));
        const end = this.#end;
        return { kind: "with", items, body: this.#block(), start, end };
      }
      case "def": {
        const def = this.def();
        return { kind: "def", def, start: def.start, end: def.end };
      }
      default:
        return this.#simpleLine();
    }
  }

  #if(): Stmt {
    const { start } = this.#token;
    this.#next(); // `if` or `elif`
    const test = this.expression();
    const end = this.#end;
    const then = this.#block();
    let otherwise: readonly Stmt[] = [];
    if (this.#is("elif")) {
      if (++this.#blocks > MAX_BLOCK_DEPTH)
        throw this.#source.error("limit-exceeded", "blocks are nested too deeply", this.#token, { wanted: `at most ${MAX_BLOCK_DEPTH} levels` });
      otherwise = [this.#if()];
      this.#blocks--;
    } else if (this.#take("else")) otherwise = this.#block();
    return { kind: "if", test, then, otherwise, start, end };
  }

  #simple(): Stmt {
    const token = this.#token;
    const { start } = token;
    if (token.kind === "keyword") {
      switch (token.text) {
        case "pass":
        case "break":
        case "continue":
          this.#next();
          return { kind: token.text, start, end: this.#end };
        case "return": {
          this.#next();
          const value = this.#token.kind === "newline" ? undefined : this.#expressionList();
          return { kind: "return", value, start, end: this.#end };
        }
        case "raise": {
          this.#next();
          const value = this.expression();
          return { kind: "raise", value, start, end: this.#end };
        }
        case "assert": {
          this.#next();
          const test = this.expression();
          const message = this.#take(",") ? this.expression() : undefined;
          return { kind: "assert", test, message, start, end: this.#end };
        }
        case "del": {
          this.#next();
          const list = this.#expressionList();
          return { kind: "delete", targets: list.kind === "tuple" ? list.items : [list], start, end: this.#end };
        }
        case "import":
        case "from":
          return this.#fail("import statements are not part of the language: an archive refers to its own classes by their full names");
        case "None":
        case "True":
        case "False":
        case "not":
          break;
        default:
          return this.#fail(`\`${token.text}\` is not part of the language`);
      }
    }
    const first = this.#expressionList();
    const next = this.#token;
    if (next.kind === "op" && AUGMENTED.has(next.text)) {
      this.#next();
      const value = this.#expressionList();
      return { kind: "augment", target: first, op: next.text.slice(0, -1) as BinaryOp, value, start, end: this.#end }; // AUGMENTED holds binary operators
    }
    if (this.#take(":")) {
      const type = this.expression();
      if (!this.#take("=")) {
        if (first.kind !== "name") this.#fail("only a name can be declared", token);
        return { kind: "declare", name: first.name, type, start, end: this.#end };
      }
      const value = this.#expressionList();
      return { kind: "assign", targets: [first], type, value, start, end: this.#end };
    }
    if (!this.#is("=")) return { kind: "expr", value: first, start, end: this.#end };
    this.#want("=");
    const targets = [first];
    let value = this.#expressionList();
    while (this.#take("=")) {
      targets.push(value);
      value = this.#expressionList();
    }
    return { kind: "assign", targets, value, start, end: this.#end };
  }

  def(): FunctionDef {
    const { start } = this.#want("def");
    const name = this.#name("a function's name").text;
    this.#want("(");
    const params: ParamDef[] = [];
    let kwargOnly = false;
    while (!this.#is(")")) {
      if (this.#take("*")) kwargOnly = true;
      else {
        const token = this.#name("a parameter");
        const type = this.#take(":") ? this.expression() : undefined;
        const value = this.#take("=") ? this.expression() : undefined;
        params.push({ name: token.text, type, value, kwargOnly, start: token.start, end: token.end });
      }
      if (!this.#take(",")) break;
    }
    this.#want(")");
    const returns = this.#take("->") ? this.expression() : undefined;
    const end = this.#end;
    return { name, params, returns, body: this.#block(), start, end };
  }

  #class(): ClassDef {
    const { start } = this.#want("class");
    const name = this.#name("a class name").text;
    let base: string | undefined;
    if (this.#take("(")) {
      if (!this.#is(")")) base = this.#name("a base").text;
      this.#want(")");
    }
    const end = this.#end;
    return { name, base, members: this.#block(), start, end };
  }

  file(): FileAst {
    const classes = new Map<string, ClassDef>();
    const functions = new Map<string, FunctionDef>();
    while (this.#token.kind !== "end") {
      const token = this.#token;
      if (this.#is("class")) {
        const def = this.#class();
        if (!classes.has(def.name)) classes.set(def.name, def);
      } else if (this.#is("def")) {
        const def = this.def();
        if (!functions.has(def.name)) functions.set(def.name, def);
      } else if (token.kind === "name" && token.text === "op_version_set") {
        // The first line of files of version 1; the archive's version record says it too.
        for (const _ of [1, 2, 3]) this.#next();
        this.#endOfLine();
      } else if (token.kind === "indent") this.#fail("unexpected indentation");
      else if (this.#is("import") && this.#tokens[this.#at + 1]?.text === "__torch__") {
        // Old writers listed the namespaces that a file refers to; they are found by name anyway.
        while (!this.#kind("newline")) this.#next();
      } else if (this.#is("import") || this.#is("from")) this.#simple();
      else this.#fail("syntax error", token, "a class or a function");
    }
    return { classes, functions };
  }

  /** The whole text as one expression. */
  whole(): Expr {
    const value = this.expression();
    this.#kind("newline");
    if (this.#token.kind !== "end") this.#fail("syntax error", this.#token, "the end of the text");
    return value;
  }
}

/** Parses a code record. `text`: what to read in place of its own text, with all that is in it in the same places. @throws bad-code, limit-exceeded */
export function parseFile(source: SourceText, text: string = source.text): FileAst {
  return new Parser(source, text).file();
}

/** Parses a single expression, such as a type. @throws bad-code, limit-exceeded */
export function parseExpression(source: SourceText): Expr {
  return new Parser(source, source.text).whole();
}
