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

const isNumber = (dim: Dim): dim is number => typeof dim === "number";

/** The sum, with its numbers added up. */
export function addDims(...dims: readonly Dim[]): Dim {
  const flat = dims.flatMap((d) => (typeof d === "number" || d.op !== "+" ? [d] : d.args));
  const total = flat.filter(isNumber).reduce((a, b) => a + b, 0);
  const rest = flat.filter((d) => !isNumber(d));
  if (rest.length === 0) return total;
  const args = total === 0 ? rest : [...rest, total];
  return args.length === 1 && args[0] !== undefined ? args[0] : { op: "+", args };
}

/** The product, with its numbers multiplied. */
export function mulDims(...dims: readonly Dim[]): Dim {
  const flat = dims.flatMap((d) => (typeof d === "number" || d.op !== "*" ? [d] : d.args));
  const total = flat.filter(isNumber).reduce((a, b) => a * b, 1);
  const rest = flat.filter((d) => !isNumber(d));
  if (rest.length === 0 || total === 0) return total;
  const args = total === 1 ? rest : [total, ...rest];
  return args.length === 1 && args[0] !== undefined ? args[0] : { op: "*", args };
}

/** The quotient, rounded down. A factor that both have is taken out where that leaves a whole number. */
export function divDims(a: Dim, b: Dim): Dim {
  if (b === 1) return a;
  if (isNumber(a) && isNumber(b) && b !== 0) return Math.floor(a / b);
  if (sameDim(a, b)) return 1;
  if (!isNumber(a) && a.op === "*") {
    const at = a.args.findIndex((arg) => sameDim(arg, b) || (isNumber(arg) && isNumber(b) && b !== 0 && arg % b === 0));
    const found = a.args[at];
    if (found !== undefined) return mulDims(...a.args.slice(0, at), isNumber(found) && isNumber(b) ? found / b : 1, ...a.args.slice(at + 1));
  }
  return { op: "//", args: [a, b] };
}

/** Whether two dims are written alike; those that are not may still be equal. */
export function sameDim(a: Dim, b: Dim): boolean {
  return a === b || (!isNumber(a) && !isNumber(b) && printDim(a) === printDim(b));
}
