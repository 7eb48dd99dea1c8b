/** Tokens of the TorchScript code language: Python's layout rules, names, numbers, strings, operators. */

import type { SourceText } from "./source-text.ts";

export type TokenKind = "name" | "keyword" | "int" | "float" | "complex" | "str" | "op" | "newline" | "indent" | "dedent" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** Name, keyword, operator or number as written; a string's value. */
  readonly text: string;
  readonly start: number;
  readonly end: number;
}

const KEYWORDS: ReadonlySet<string> = new Set([
  "and",
  "as",
  "assert",
  "break",
  "class",
  "continue",
  "def",
  "del",
  "elif",
  "else",
  "for",
  "from",
  "global",
  "if",
  "import",
  "in",
  "is",
  "lambda",
  "None",
  "nonlocal",
  "not",
  "or",
  "pass",
  "raise",
  "return",
  "True",
  "False",
  "try",
  "except",
  "finally",
  "while",
  "with",
  "yield",
  "async",
  "await",
]);

/** Longest first. */
const OPERATOR = /\*\*=?|\/\/=?|<<=?|>>=?|\.\.\.|->|!=|[-+*/%&|^=<>]=?|[@~()[\]{},:.;]/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?j?)/y;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b", f: "\f", v: "\v", "\\": "\\", "'": "'", '"': '"', "\n": "" };

class Lexer {
  readonly #source: SourceText;
  readonly #text: string;
  readonly #tokens: Token[] = [];
  readonly #indents: number[] = [0];
  #at = 0;
  #nesting = 0;

  constructor(source: SourceText) {
    this.#source = source;
    this.#text = source.text;
  }

  #fail(message: string, start: number, end: number = start + 1, hint?: string): never {
    throw this.#source.error("bad-code", message, { start, end }, { hint });
  }

  #push(kind: TokenKind, text: string, start: number, end: number): void {
    this.#tokens.push({ kind, text, start, end });
  }

  /** Reads the white space at the start of a line; blank and comment lines say nothing. */
  #indentation(): void {
    const start = this.#at;
    let width = 0;
    for (; ; this.#at++) {
      const char = this.#text[this.#at];
      if (char === " ") width++;
      else if (char === "\t") width += 8 - (width % 8);
      else break;
    }
    const char = this.#text[this.#at];
    if (char === undefined || char === "\n" || char === "\r" || char === "#") return;
    const top = this.#indents.at(-1) ?? 0;
    if (width > top) {
      this.#indents.push(width);
      this.#push("indent", "", start, this.#at);
      return;
    }
    while (width < (this.#indents.at(-1) ?? 0)) {
      this.#indents.pop();
      this.#push("dedent", "", this.#at, this.#at);
    }
    if (width !== (this.#indents.at(-1) ?? 0)) this.#fail("indentation matches no outer block", start, this.#at);
  }

  #string(start: number): void {
    const quote = this.#text[this.#at] as string;
    const triple = this.#text.startsWith(quote.repeat(3), this.#at);
    const close = triple ? quote.repeat(3) : quote;
    this.#at += close.length;
    let value = "";
    let from = this.#at;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === undefined || (char === "\n" && !triple)) this.#fail("string has no end", start, this.#at);
      if (this.#text.startsWith(close, this.#at)) break;
      if (char !== "\\") {
        this.#at++;
        continue;
      }
      value += this.#text.slice(from, this.#at);
      const next = this.#text[this.#at + 1] ?? "";
      const octal = /[0-7]{3}/y;
      octal.lastIndex = this.#at + 1;
      if (octal.test(this.#text)) {
        const code = parseInt(this.#text.slice(this.#at + 1, this.#at + 4), 8);
        if (code > 255) this.#fail("octal escape above `\\377`", this.#at, this.#at + 4);
        value += String.fromCharCode(code);
        this.#at += 4;
      } else if (next in ESCAPES) {
        value += ESCAPES[next] ?? "";
        this.#at += 2;
      } else this.#fail(`unknown escape \`\\${next}\` in a string`, this.#at, this.#at + 2);
      from = this.#at;
    }
    value += this.#text.slice(from, this.#at);
    this.#at += close.length;
    this.#push("str", value, start, this.#at);
  }

  run(): readonly Token[] {
    let lineStart = true;
    while (this.#at < this.#text.length) {
      if (lineStart && this.#nesting === 0) {
        this.#indentation();
        lineStart = false;
      }
      const start = this.#at;
      const char = this.#text[start];
      if (char === undefined) break;
      if (char === " " || char === "\t" || char === "\r" || char === "\f") this.#at++;
      else if (char === "#") {
        const end = this.#text.indexOf("\n", start);
        this.#at = end < 0 ? this.#text.length : end;
      } else if (char === "\\" && this.#text[start + 1] === "\n") this.#at += 2;
      else if (char === "\n") {
        this.#at++;
        if (this.#nesting === 0) {
          const last = this.#tokens.at(-1)?.kind;
          if (last !== undefined && last !== "newline" && last !== "indent" && last !== "dedent") this.#push("newline", "\n", start, this.#at);
          lineStart = true;
        }
      } else this.#token(char, start);
    }
    const end = this.#text.length;
    if (this.#nesting > 0) this.#fail("a bracket is never closed", end - 1, end);
    if (this.#tokens.length > 0 && this.#tokens.at(-1)?.kind !== "newline") this.#push("newline", "\n", end, end);
    for (let i = this.#indents.length; i > 1; i--) this.#push("dedent", "", end, end);
    this.#push("end", "", end, end);
    return this.#tokens;
  }

  /** Moves past what `pattern` finds here. */
  #matches(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    if (!pattern.test(this.#text)) return false;
    this.#at = pattern.lastIndex;
    return true;
  }

  #token(char: string, start: number): void {
    if (char === '"' || char === "'") return this.#string(start);
    if (this.#matches(NAME)) {
      const name = this.#text.slice(start, this.#at);
      const next = this.#text[this.#at];
      if ((next === '"' || next === "'") && name.length <= 2)
        this.#fail(`string prefix \`${name}\` is not part of the language`, start, this.#at, "write the text with `torch.format`");
      this.#push(KEYWORDS.has(name) ? "keyword" : "name", name, start, this.#at);
      return;
    }
    if (this.#matches(NUMBER)) {
      const number = this.#text.slice(start, this.#at);
      const kind = number.endsWith("j") ? "complex" : /^(?:\d+|0[xX].*)$/.test(number) ? "int" : "float";
      this.#push(kind, number, start, this.#at);
      return;
    }
    if (!this.#matches(OPERATOR)) this.#fail(`unexpected character ${JSON.stringify(String.fromCodePoint(this.#text.codePointAt(start) ?? 0))}`, start);
    const op = this.#text.slice(start, this.#at);
    if (op === "(" || op === "[" || op === "{") this.#nesting++;
    else if ((op === ")" || op === "]" || op === "}") && --this.#nesting < 0) this.#fail(`\`${op}\` closes nothing`, start);
    this.#push(op === ";" ? "newline" : "op", op, start, this.#at);
  }
}

/** The tokens of a source text, an `end` token last. @throws bad-code */
export function tokenize(source: SourceText): readonly Token[] {
  return new Lexer(source).run();
}
