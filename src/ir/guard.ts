/** Conditions on the sizes of a program's inputs: what export found and specialised on, checked when a run starts. */

export type GuardOp =
  | "+"
  | "-"
  | "*"
  | "/"
  | "//"
  | "%"
  | "**"
  | "neg"
  | "min"
  | "max"
  | "abs"
  | "floor"
  | "ceil"
  | "trunc"
  | "round"
  | "sqrt"
  | "float"
  | "=="
  | "!="
  | "<"
  | "<="
  | ">"
  | ">="
  | "and"
  | "or"
  | "not"
  | "where"
  | "isnan";

/** A number or a truth value; truth is 1 and 0. */
export type GuardExpr =
  | number
  /** A size, stride or the offset of an input tensor, or an input that is itself a number. */
  | { readonly op: "input"; readonly input: number; readonly of: "size" | "stride" | "offset" | "value"; readonly axis: number }
  | { readonly op: GuardOp; readonly args: readonly GuardExpr[] };

export interface Guard {
  /** As Python writes it, with the inputs' names: `x.size()[0] * 2 == y.size()[0]`. */
  readonly text: string;
  readonly condition: GuardExpr;
}

export type GuardInput = Extract<GuardExpr, { readonly op: "input" }>;

/** The inputs' facts that a guard looks at, in order. */
export function guardInputs(expr: GuardExpr, out: GuardInput[] = []): GuardInput[] {
  if (typeof expr === "number") return out;
  if (expr.op === "input") out.push(expr);
  else for (const arg of expr.args) guardInputs(arg, out);
  return out;
}

const truth = (value: boolean): number => (value ? 1 : 0);

/** Python's rounding: halves go to the even neighbour. */
function roundEven(x: number): number {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

/** The value of `expr`, or undefined where a fact of an input is not known. */
export function evaluateGuard(expr: GuardExpr, look: (input: GuardInput) => number | undefined): number | undefined {
  if (typeof expr === "number") return expr;
  if (expr.op === "input") return look(expr);
  const args: number[] = [];
  for (const arg of expr.args) {
    const value = evaluateGuard(arg, look);
    if (value === undefined) return undefined;
    args.push(value);
  }
  const [a = 0, b = 0, c = 0] = args;
  const { op } = expr;
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "//":
      return Math.floor(a / b);
    case "%":
      return a - b * Math.floor(a / b);
    case "**":
      return a ** b;
    case "neg":
      return -a;
    case "min":
      return Math.min(...args);
    case "max":
      return Math.max(...args);
    case "abs":
      return Math.abs(a);
    case "floor":
      return Math.floor(a);
    case "ceil":
      return Math.ceil(a);
    case "trunc":
      return Math.trunc(a);
    case "round":
      return roundEven(a);
    case "sqrt":
      return Math.sqrt(a);
    case "float":
      return a;
    case "==":
      return truth(a === b);
    case "!=":
      return truth(a !== b);
    case "<":
      return truth(a < b);
    case "<=":
      return truth(a <= b);
    case ">":
      return truth(a > b);
    case ">=":
      return truth(a >= b);
    case "and":
      return truth(a !== 0 && b !== 0);
    case "or":
      return truth(a !== 0 || b !== 0);
    case "not":
      return truth(a === 0);
    case "where":
      return a === 0 ? c : b;
    case "isnan":
      return truth(Number.isNaN(a));
    default:
      return op satisfies never;
  }
}
