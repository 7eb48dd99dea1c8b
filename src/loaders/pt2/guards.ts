/**
 * Guards as torch.export writes them: Python conditions on `L['x']['k'][0].size()[1]`.
 * What is read is Python's expressions on numbers and the functions that torch's printer uses; a guard that says more is left out.
 */

import type { Guard, GuardExpr, GuardOp } from "../../ir/guard.ts";

/** One input by the keys that lead to it: its argument's name, then keys, fields and positions. */
export interface GuardedInput {
  readonly path: readonly string[];
}

const TOKEN = /\s*(?:(\d+\.\d*(?:[eE][+-]?\d+)?|\d+)|([A-Za-z_][\w.]*)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(\*\*|\/\/|<=|>=|==|!=|[-+*/%<>()[\],.]))/y;
const MAX_DEPTH = 100;
const COMPARISONS: readonly string[] = ["==", "!=", "<", "<=", ">", ">="];

const FUNCTIONS: Readonly<Record<string, { readonly op: GuardOp; readonly arity: readonly number[] }>> = {
  max: { op: "max", arity: [1, 2, 3, 4, 5, 6, 7, 8] },
  min: { op: "min", arity: [1, 2, 3, 4, 5, 6, 7, 8] },
  abs: { op: "abs", arity: [1] },
  round: { op: "round", arity: [1] },
  float: { op: "float", arity: [1] },
  int: { op: "trunc", arity: [1] },
  "math.floor": { op: "floor", arity: [1] },
  "math.ceil": { op: "ceil", arity: [1] },
  "math.trunc": { op: "trunc", arity: [1] },
  "math.sqrt": { op: "sqrt", arity: [1] },
  "math.isnan": { op: "isnan", arity: [1] },
  Max: { op: "max", arity: [1, 2, 3, 4, 5, 6, 7, 8] },
  Min: { op: "min", arity: [1, 2, 3, 4, 5, 6, 7, 8] },
  Mod: { op: "%", arity: [2] },
  PythonMod: { op: "%", arity: [2] },
  FloorDiv: { op: "//", arity: [2] },
  CleanDiv: { op: "//", arity: [2] },
  IntTrueDiv: { op: "/", arity: [2] },
  FloatTrueDiv: { op: "/", arity: [2] },
  PowByNatural: { op: "**", arity: [2] },
  FloatPow: { op: "**", arity: [2] },
  ToFloat: { op: "float", arity: [1] },
  TruncToInt: { op: "trunc", arity: [1] },
  FloorToInt: { op: "floor", arity: [1] },
  CeilToInt: { op: "ceil", arity: [1] },
  RoundToInt: { op: "round", arity: [1] },
  Eq: { op: "==", arity: [2] },
  Ne: { op: "!=", arity: [2] },
  Lt: { op: "<", arity: [2] },
  Le: { op: "<=", arity: [2] },
  Gt: { op: ">", arity: [2] },
  Ge: { op: ">=", arity: [2] },
  Not: { op: "not", arity: [1] },
  Where: { op: "where", arity: [3] },
};

/** Thrown inside this file alone: the text says something that sizes cannot. */
class Beyond extends Error {}

interface Token {
  readonly number?: string | undefined;
  readonly word?: string | undefined;
  readonly text?: string | undefined;
  readonly mark?: string | undefined;
}

class Reader {
  readonly #tokens: Token[] = [];
  readonly #inputs: readonly GuardedInput[];
  #at = 0;
  #depth = 0;

  constructor(text: string, inputs: readonly GuardedInput[]) {
    this.#inputs = inputs;
    TOKEN.lastIndex = 0;
    const end = text.trimEnd().length;
    while (TOKEN.lastIndex < end) {
      const found = TOKEN.exec(text);
      if (found === null) throw new Beyond();
      this.#tokens.push({ number: found[1], word: found[2], text: found[3] ?? found[4], mark: found[5] });
    }
  }

  whole(): GuardExpr {
    const out = this.#choice();
    if (this.#at < this.#tokens.length) throw new Beyond();
    return out;
  }

  #peek(): string | undefined {
    const token = this.#tokens[this.#at];
    return token?.mark ?? token?.word;
  }
  #take(...wanted: readonly string[]): string | undefined {
    const next = this.#peek();
    if (next === undefined || !wanted.includes(next)) return undefined;
    this.#at++;
    return next;
  }
  #need(mark: string): void {
    if (this.#take(mark) === undefined) throw new Beyond();
  }

  /** `a if condition else b`, the loosest form. */
  #choice(): GuardExpr {
    return this.#deeper(() => {
      const out = this.#either();
      if (this.#take("if") === undefined) return out;
      const condition = this.#either();
      this.#need("else");
      return { op: "where", args: [condition, out, this.#choice()] };
    });
  }
  #deeper(read: () => GuardExpr): GuardExpr {
    if (++this.#depth > MAX_DEPTH) throw new Beyond();
    const out = read();
    this.#depth--;
    return out;
  }
  #either(): GuardExpr {
    let left = this.#both();
    while (this.#take("or") !== undefined) left = { op: "or", args: [left, this.#both()] };
    return left;
  }
  #both(): GuardExpr {
    let left = this.#negation();
    while (this.#take("and") !== undefined) left = { op: "and", args: [left, this.#negation()] };
    return left;
  }
  #negation(): GuardExpr {
    if (this.#take("not") !== undefined) return { op: "not", args: [this.#deeper(() => this.#negation())] };
    // `a <= b < c` compares in pairs.
    const terms = [this.#sum()];
    const pairs: GuardExpr[] = [];
    for (let op = this.#take(...COMPARISONS); op !== undefined; op = this.#take(...COMPARISONS)) {
      terms.push(this.#sum());
      pairs.push({ op: op as GuardOp, args: terms.slice(-2) }); // one of COMPARISONS, all of them guard ops
    }
    return pairs.length === 0 ? (terms[0] ?? 0) : pairs.reduce((left, right) => ({ op: "and", args: [left, right] }));
  }
  #sum(): GuardExpr {
    let left = this.#product();
    for (let op = this.#take("+", "-"); op !== undefined; op = this.#take("+", "-")) left = { op: op as GuardOp, args: [left, this.#product()] };
    return left;
  }
  #product(): GuardExpr {
    let left = this.#signed();
    for (let op = this.#take("*", "//", "/", "%"); op !== undefined; op = this.#take("*", "//", "/", "%")) {
      left = { op: op as GuardOp, args: [left, this.#signed()] };
    }
    return left;
  }
  #signed(): GuardExpr {
    if (this.#take("-") !== undefined) return { op: "neg", args: [this.#deeper(() => this.#signed())] };
    const base = this.#atom();
    return this.#take("**") === undefined ? base : { op: "**", args: [base, this.#deeper(() => this.#signed())] };
  }

  #atom(): GuardExpr {
    const token = this.#tokens[this.#at++];
    if (token?.number !== undefined) return Number(token.number);
    if (token?.mark === "(") {
      const inner = this.#choice();
      this.#need(")");
      return inner;
    }
    switch (token?.word) {
      case "True":
        return 1;
      case "False":
        return 0;
      case "inf":
      case "math.inf":
        return Infinity;
      case "L":
        return this.#input();
      default:
    }
    const call = token?.word === undefined || !Object.hasOwn(FUNCTIONS, token.word) ? undefined : FUNCTIONS[token.word];
    if (call === undefined) throw new Beyond();
    this.#need("(");
    const args: GuardExpr[] = [];
    while (this.#take(")") === undefined) {
      args.push(this.#choice());
      if (this.#take(",") === undefined && this.#peek() !== ")") throw new Beyond();
    }
    if (!call.arity.includes(args.length)) throw new Beyond();
    return { op: call.op, args };
  }

  /** After `L`: keys, then `.size()[0]`, `.stride()[1]`, `.storage_offset()`, or nothing for an input that is a number. */
  #input(): GuardExpr {
    const keys: string[] = [];
    for (;;) {
      if (this.#take("[") !== undefined) {
        const token = this.#tokens[this.#at++];
        keys.push(token?.text ?? token?.number ?? "");
        this.#need("]");
        continue;
      }
      if (this.#take(".") === undefined) break;
      // Fields of named tuples and dataclasses come as one word with dots: `left.size`.
      keys.push(...(this.#tokens[this.#at++]?.word ?? "").split("."));
      if (this.#peek() === "(") break;
    }
    const of = this.#peek() === "(" ? keys.pop() : "value";
    const input = indexOf(this.#inputs, keys);
    if (input === undefined) throw new Beyond();
    if (of === "value") return { op: "input", input, of, axis: 0 };
    this.#need("(");
    this.#need(")");
    if (of === "storage_offset") return { op: "input", input, of: "offset", axis: 0 };
    if (of !== "size" && of !== "stride") throw new Beyond();
    this.#need("[");
    const axis = Number(this.#tokens[this.#at++]?.number);
    this.#need("]");
    return { op: "input", input, of, axis };
  }
}

/** The input that `keys` lead to. The tracer may count all of them: `L['flat_args'][3]`. */
function indexOf(inputs: readonly GuardedInput[], keys: readonly string[]): number | undefined {
  const [first, second] = keys;
  if (first === "flat_args" && second !== undefined) return Number(second) < inputs.length ? Number(second) : undefined;
  const at = inputs.findIndex(({ path }) => path.length === keys.length && path.every((key, i) => key === keys[i]));
  if (at >= 0) return at;
  // `*rest` is traced as one tuple, its items are arguments of their own: `L['rest'][0]` is `rest_0`.
  return first === undefined || second === undefined ? undefined : indexOf(inputs, [`${first}_${second}`, ...keys.slice(2)]);
}

/** The guard of one text, or undefined where it is about more than the inputs' sizes. */
export function parseGuard(text: string, inputs: readonly GuardedInput[]): Guard | undefined {
  try {
    const condition = new Reader(text, inputs).whole();
    return { text: text.replace(/L\['([^']*)'\]/g, "$1").replace(/\s+/g, " "), condition };
  } catch (error) {
    if (error instanceof Beyond) return undefined;
    throw error;
  }
}
