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
  expression(depth: number): Part | undefined {
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
    const args: Part[] = [];
    while (!this.peekMark(")")) {
      const arg = this.expression(depth + 1);
      if (arg === undefined) return undefined;
      args.push(arg);
      this.peekMark(",");
    }
    const made = make(name, args);
    return made !== undefined && this.#partsOf(made) > MAX_PARTS ? undefined : made;
  }

  #partsOf(dim: Part): number {
    if (typeof dim === "number") return 1;
    if (isQuotient(dim)) return this.#partsOf(dim.above) + this.#partsOf(dim.below);
    const known = this.#parts.get(dim);
    if (known !== undefined) return known;
    const parts = dim.args.reduce((n: number, arg) => n + this.#partsOf(arg), 1);
    this.#parts.set(dim, parts);
    return parts;
  }
}

/** Truncation of a quotient of sizes, which is floor: neither is negative. Inside `make` a quotient is kept apart until it is rounded. */
interface Quotient {
  readonly above: Dim;
  readonly below: Dim;
}
type Part = Dim | Quotient;
const isQuotient = (part: Part): part is Quotient => typeof part === "object" && "above" in part;

function make(name: string, parts: readonly Part[]): Part | undefined {
  const [first, second] = parts;
  if (first !== undefined && isQuotient(first)) {
    const floor: Dim = { op: "//", args: [first.above, first.below] };
    if (name === "FloorToInt" || name === "TruncToInt") return floor;
    // ceil(a / b) = (a + b - 1) // b
    if (name === "CeilToInt") return { op: "//", args: [{ op: "+", args: [first.above, first.below, -1] }, first.below] };
    return undefined;
  }
  if (name === "IntTrueDiv" && first !== undefined && second !== undefined && !isQuotient(second)) return { above: first, below: second };
  const args = parts.flatMap((part) => (isQuotient(part) ? [] : [part]));
  if (args.length < parts.length) return undefined;
  const [a, b] = args;
  const nary = (op: DimExpr["op"]): Dim => ({ op, args });
  switch (name) {
    case "Integer":
    case "Identity":
    case "TruncToInt":
    case "FloorToInt":
    case "CeilToInt":
      return args.length === 1 ? a : undefined;
    case "Add":
      return nary("+");
    case "Mul":
      return nary("*");
    case "Max":
      return nary("max");
    case "Min":
      return nary("min");
    case "FloorDiv":
    case "CleanDiv":
      return args.length === 2 ? nary("//") : undefined;
    case "Mod":
    case "PythonMod":
      return args.length === 2 ? nary("%") : undefined;
    case "ModularIndexing": {
      // (a // b) % c
      const [, , c] = args;
      return a === undefined || b === undefined || c === undefined ? undefined : { op: "%", args: [{ op: "//", args: [a, b] }, c] };
    }
    case "CeilDiv":
      return a === undefined || b === undefined ? undefined : { op: "//", args: [{ op: "+", args: [a, b, -1] }, b] };
    case "Pow":
    case "PowByNatural": {
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
  const dim = new Reader(text).expression(0);
  return dim === undefined || isQuotient(dim) ? symbol(`<${text}>`) : dim;
}
