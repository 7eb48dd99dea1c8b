/** A dimension is an integer expression over symbols: `24*s27`, `(s0 + 1)//2`. */

export interface DimExpr {
  readonly op: "symbol" | "+" | "*" | "//" | "%" | "min" | "max";
  /** Set for a symbol. */
  readonly name?: string;
  readonly args: readonly Dim[];
}
export type Dim = number | DimExpr;

/** A named dimension. */
export function symbol(name: string): DimExpr {
  return { op: "symbol", name, args: [] };
}

/** The value of `dim`, or undefined while one of its symbols has none in `env`. Division and remainder floor. */
export function evaluateDim(dim: Dim, env: ReadonlyMap<string, number>): number | undefined {
  if (typeof dim === "number") return dim;
  if (dim.op === "symbol") return env.get(dim.name ?? "");
  const args: number[] = [];
  for (const arg of dim.args) {
    const value = evaluateDim(arg, env);
    if (value === undefined) return undefined;
    args.push(value);
  }
  const [a = 0, b = 1] = args;
  switch (dim.op) {
    case "+": return args.reduce((x, y) => x + y, 0);
    case "*": return args.reduce((x, y) => x * y, 1);
    case "//": return Math.floor(a / b);
    case "%": return a - b * Math.floor(a / b);
    case "min": return Math.min(...args);
    case "max": return Math.max(...args);
    default: return dim.op satisfies never;
  }
}

export function printDim(dim: Dim): string {
  if (typeof dim === "number") return String(dim);
  if (dim.op === "symbol") return dim.name ?? "?";
  if (dim.op === "min" || dim.op === "max") return `${dim.op}(${dim.args.map(printDim).join(", ")})`;
  return `(${dim.args.map(printDim).join(` ${dim.op} `)})`;
}
