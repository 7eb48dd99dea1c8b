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

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?j?)/y;
/** Those of more than one character, or that may have more; longest first. */
const OPERATOR = /\*\*=?|\/\/=?|<<=?|>>=?|\.\.\.|->|!=|[-+*/%&|^=<>]=?|[@~.]/y;
const OCTAL = /[0-7]{3}/y;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b", f: "\f", v: "\v", "\\": "\\", "'": "'", '"': '"', "\n": "" };

function fail(source: SourceText, message: string, start: number, end: number = start + 1, hint?: string): never {
  throw source.error("bad-code", message, { start, end }, { hint });
}

/** Where what `pattern` finds at `at` ends; `at` where it finds nothing there. */
function endOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** Puts what the white space at the start of a line says; blank and comment lines say nothing. `indents` are the widths of the blocks that are open. */
function indentation(source: SourceText, text: string, start: number, indents: number[], tokens: Token[]): void {
  let at = start;
  let width = 0;
  for (; text[at] === " " || text[at] === "\t"; at++) width += text[at] === " " ? 1 : 8 - (width % 8);
  const char = text[at];
  if (char === undefined || char === "\n" || char === "\r" || char === "#") return;
  if (width > (indents.at(-1) ?? 0)) {
    indents.push(width);
    tokens.push({ kind: "indent", text: "", start, end: at });
    return;
  }
  while (width < (indents.at(-1) ?? 0)) {
    indents.pop();
    tokens.push({ kind: "dedent", text: "", start: at, end: at });
  }
  if (width !== (indents.at(-1) ?? 0)) fail(source, "indentation matches no outer block", start, at);
}

function string(source: SourceText, text: string, start: number): Token {
  const quote = text[start] as string; // the caller has seen it
  const triple = text.startsWith(quote.repeat(3), start);
  const close = triple ? quote.repeat(3) : quote;
  let value = "";
  let at = start + close.length;
  let from = at;
  for (;;) {
    const char = text[at];
    if (char === undefined || (char === "\n" && !triple)) fail(source, "string has no end", start, at);
    if (text.startsWith(close, at)) break;
    if (char !== "\\") {
      at++;
      continue;
    }
    value += text.slice(from, at);
    const next = text[at + 1] ?? "";
    const octalEnd = endOf(OCTAL, text, at + 1);
    if (octalEnd > at + 1) {
      const code = parseInt(text.slice(at + 1, octalEnd), 8);
      if (code > 255) fail(source, "octal escape above `\\377`", at, octalEnd);
      value += String.fromCharCode(code);
      at = octalEnd;
    } else if (next in ESCAPES) {
      value += ESCAPES[next] ?? "";
      at += 2;
    } else fail(source, `unknown escape \`\\${next}\` in a string`, at, at + 2);
    from = at;
  }
  return { kind: "str", text: value + text.slice(from, at), start, end: at + close.length };
}

/** A name, a number or an operator. */
function word(source: SourceText, text: string, start: number): Token {
  let end = endOf(NAME, text, start);
  if (end > start) {
    const name = text.slice(start, end);
    const next = text[end];
    if ((next === '"' || next === "'") && name.length <= 2)
      fail(source, `string prefix \`${name}\` is not part of the language`, start, end, "write the text with `torch.format`");
    return { kind: KEYWORDS.has(name) ? "keyword" : "name", text: name, start, end };
  }
  end = endOf(NUMBER, text, start);
  if (end > start) {
    const number = text.slice(start, end);
    return { kind: number.endsWith("j") ? "complex" : /^(?:\d+|0[xX].*)$/.test(number) ? "int" : "float", text: number, start, end };
  }
  end = endOf(OPERATOR, text, start);
  if (end === start) fail(source, `unexpected character ${JSON.stringify(String.fromCodePoint(text.codePointAt(start) ?? 0))}`, start);
  return { kind: "op", text: text.slice(start, end), start, end };
}

/** The tokens of `text`, an `end` token last; `source` is where errors are. @throws bad-code */
export function tokenize(source: SourceText, text: string): readonly Token[] {
  const tokens: Token[] = [];
  const indents = [0];
  let nesting = 0;
  let isLineStart = true;
  let at = 0;
  while (at < text.length) {
    if (isLineStart && nesting === 0) indentation(source, text, at, indents, tokens);
    isLineStart = false;
    const start = at;
    const char = text[at++] as string; // it is not the end
    switch (char) {
      case " ":
      case "\t":
      case "\r":
      case "\f":
        break;
      case "(":
      case "[":
      case "{":
        nesting++;
        tokens.push({ kind: "op", text: char, start, end: at });
        break;
      case ")":
      case "]":
      case "}":
        if (--nesting < 0) fail(source, `\`${char}\` closes nothing`, start);
        tokens.push({ kind: "op", text: char, start, end: at });
        break;
      case ",":
      case ":":
        tokens.push({ kind: "op", text: char, start, end: at });
        break;
      case "\n": {
        const last = tokens.at(-1)?.kind;
        if (nesting === 0 && last !== undefined && last !== "newline" && last !== "indent" && last !== "dedent")
          tokens.push({ kind: "newline", text: char, start, end: at });
        isLineStart = nesting === 0;
        break;
      }
      case ";":
        tokens.push({ kind: "newline", text: char, start, end: at });
        break;
      case "#": {
        const end = text.indexOf("\n", at);
        at = end < 0 ? text.length : end;
        break;
      }
      default: {
        if (char === "\\" && text[at] === "\n") {
          at++;
          break;
        }
        const token = char === '"' || char === "'" ? string(source, text, start) : word(source, text, start);
        tokens.push(token);
        at = token.end;
      }
    }
  }
  if (nesting > 0) fail(source, "a bracket is never closed", at - 1, at);
  if (tokens.length > 0 && tokens.at(-1)?.kind !== "newline") tokens.push({ kind: "newline", text: "\n", start: at, end: at });
  for (let i = indents.length; i > 1; i--) tokens.push({ kind: "dedent", text: "", start: at, end: at });
  tokens.push({ kind: "end", text: "", start: at, end: at });
  return tokens;
}
