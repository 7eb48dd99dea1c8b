/** Symbolic sizes as sympy's `srepr` writes them: `Mul(Integer(2), Symbol('s17', positive=True, integer=True))`. */

import { OpwiseError } from "../../tensor/error.ts";
import { type Dim, type DimExpr, symbol } from "../../ir/dim.ts";

const TOKEN = /\s*(?:([A-Za-z_][\w.]*)|(-?\d+)|'((?:[^'\\]|\\.)*)'|([(),=]))/y;
/** Nesting of an expression that is still read. */
const MAX_DEPTH = 200;
/** Characters of one. */
const MAX_LENGTH = 2 ** 16;
/** Parts of one with shared ones multiplied out: powers of powers share, and whoever prints or evaluates a dim walks all of it. */
const MAX_PARTS = 10_000;

class Reader {
  readonly #text: string;
  #at = 0;
  readonly #parts = new Map<Dim, number>();
  constructor(text: string) {
    this.#text = text;
  }
  next():
    | { readonly word?: string | undefined; readonly int?: string | undefined; readonly quoted?: string | undefined; readonly mark?: string | undefined }
    | undefined {
    TOKEN.lastIndex = this.#at;
    const found = TOKEN.exec(this.#text);
    if (found === null) return undefined;
    this.#at = TOKEN.lastIndex;
    return { word: found[1], int: found[2], quoted: found[3], mark: found[4] };
  }
  peekMark(mark: string): boolean {
    const at = this.#at;
    const token = this.next();
    if (token?.mark === mark) return true;
    this.#at = at;
    return false;
  }

  /** One expression, or undefined where it is none that a dim can be. */
  expression(depth: number): Dim | undefined {
    const head = this.next();
    if (head?.int !== undefined) return Number(head.int);
    const name = head?.word;
    if (name === undefined || depth > MAX_DEPTH || !this.peekMark("(")) return undefined;
    if (name === "Symbol") {
      const text = this.next()?.quoted;
      // Assumptions (`positive=True`) follow the name.
      for (;;) {
        const token = this.next();
        if (token === undefined) return undefined;
        if (token.mark === ")") return text === undefined ? undefined : symbol(text);
      }
    }
    const args: Dim[] = [];
    while (!this.peekMark(")")) {
      const arg = this.expression(depth + 1);
      if (arg === undefined) return undefined;
      args.push(arg);
      this.peekMark(",");
    }
    const made = make(name, args);
    return made !== undefined && this.#partsOf(made) > MAX_PARTS ? undefined : made;
  }

  #partsOf(dim: Dim): number {
    if (typeof dim === "number") return 1;
    const known = this.#parts.get(dim);
    if (known !== undefined) return known;
    const parts = dim.args.reduce((n: number, arg) => n + this.#partsOf(arg), 1);
    this.#parts.set(dim, parts);
    return parts;
  }
}

function make(name: string, args: readonly Dim[]): Dim | undefined {
  const [a, b] = args;
  const nary = (op: DimExpr["op"]): Dim => ({ op, args });
  switch (name) {
    case "Integer":
      return a;
    case "Add":
      return nary("+");
    case "Mul":
      return nary("*");
    case "Max":
      return nary("max");
    case "Min":
      return nary("min");
    case "FloorDiv":
      return args.length === 2 ? nary("//") : undefined;
    case "Mod":
    case "PythonMod":
      return args.length === 2 ? nary("%") : undefined;
    case "CeilDiv":
    case "CeilToInt": {
      if (a === undefined || b === undefined) return undefined;
      const less: Dim = { op: "+", args: [b, -1] };
      return { op: "//", args: [{ op: "+", args: [a, less] }, b] };
    }
    case "Pow": {
      if (a === undefined || typeof b !== "number" || b < 1 || b > 8) return undefined;
      return { op: "*", args: Array.from({ length: b }, () => a) };
    }
    default:
      return undefined;
  }
}

/** The dim of an `srepr` text. What a dim cannot express becomes an opaque symbol: known to be a size, never checked. */
export function parseSize(text: string): Dim {
  if (text.length > MAX_LENGTH) throw new OpwiseError("limit-exceeded", "a size's expression is too long", { wanted: `at most ${MAX_LENGTH} characters` });
  return new Reader(text).expression(0) ?? symbol(`<${text}>`);
}
