/** Checks at a program's entry: dtypes, ranks, fixed sizes, symbolic sizes against each other and their ranges, and guards. */

import type { Datum } from "../ir/datum.ts";
import { type Dim, evaluateDim, printDim } from "../ir/dim.ts";
import type { ModelInput, Program, SymbolRange } from "../ir/graph.ts";
import { evaluateGuard, type GuardInput, guardInputs } from "../ir/guard.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";

/** One size that comes in, and what the program says of it. */
interface Size {
  readonly where: string;
  readonly dim: Dim;
  readonly value: number;
}

/** @throws dtype-mismatch, shape-mismatch naming the input, the dimension, what was wanted and what came */
export function checkEntry(program: Program, args: readonly Datum[]): void {
  const inputs = program.inputs ?? [];
  const sizes = inputs.flatMap((input, i) => sizesOf(input, args[i] ?? null));
  const env = new Map<string, number>();
  const ranges = new Map((program.symbols ?? []).map((range) => [range.symbol, range]));
  // A symbol is what its own dimension says; where it has none, what an expression of it can be solved for.
  for (const { dim, value } of sizes) if (typeof dim !== "number" && dim.op === "symbol" && !env.has(dim.name ?? "")) env.set(dim.name ?? "", value);
  for (const size of sizes) solve(size, size.dim, size.value, env);
  for (const size of sizes) checkSize(size, env, ranges);
  for (const { text, condition } of program.guards ?? []) {
    const look = (input: GuardInput): number | undefined => factOf(input, args[input.input] ?? null);
    if (evaluateGuard(condition, look) !== 0) continue;
    const facts = new Map(guardInputs(condition).map((input) => [nameOf(input, inputs), look(input)]));
    throw new OpwiseError("shape-mismatch", "the inputs' sizes are not among those that the program was exported for", {
      wanted: text,
      got: [...facts].map(([name, value]) => `${name} = ${value}`).join(", "),
    });
  }
}

function sizesOf(input: ModelInput, value: Datum): Size[] {
  const { name, type, dim } = input;
  if (dim !== undefined && (typeof value === "number" || typeof value === "bigint")) return [{ where: `input \`${name}\``, dim, value: Number(value) }];
  if (type.kind !== "Tensor" || !(value instanceof Tensor)) return [];
  if (type.dtype !== undefined && type.dtype !== value.dtype) {
    throw new OpwiseError("dtype-mismatch", `input \`${name}\` has the wrong dtype`, { wanted: type.dtype, got: value.dtype });
  }
  const dims = type.shape;
  if (dims === undefined) return [];
  if (dims.length !== value.rank) {
    throw new OpwiseError("shape-mismatch", `input \`${name}\` has the wrong rank`, {
      wanted: `[${dims.map(printDim).join(", ")}]`,
      got: `[${value.shape.join(", ")}]`,
    });
  }
  return dims.map((d, axis) => ({ where: `dimension ${axis} of input \`${name}\``, dim: d, value: value.shape[axis] ?? 0 }));
}

/** Finds the one symbol of `dim` that has no value yet, where sums and products lead to it. */
function solve(size: Size, dim: Dim, value: number, env: Map<string, number>): void {
  if (typeof dim === "number") return;
  if (dim.op === "symbol") {
    if (!env.has(dim.name ?? "")) env.set(dim.name ?? "", value);
    return;
  }
  if (dim.op !== "+" && dim.op !== "*") return;
  const unknown = dim.args.filter((arg) => evaluateDim(arg, env) === undefined);
  const [only] = unknown;
  if (only === undefined || unknown.length > 1) return;
  const rest = evaluateDim({ op: dim.op, args: dim.args.filter((arg) => arg !== only) }, env) ?? 0;
  if (dim.op === "+") return solve(size, only, value - rest, env);
  if (rest === 0) return;
  if (!Number.isInteger(value / rest)) {
    throw new OpwiseError("shape-mismatch", `${size.where} has the wrong size`, {
      wanted: `${printDim(size.dim)} for a whole number`,
      got: String(size.value),
    });
  }
  solve(size, only, value / rest, env);
}

function checkSize({ where, dim, value }: Size, env: ReadonlyMap<string, number>, ranges: ReadonlyMap<string, SymbolRange>): void {
  const wanted = evaluateDim(dim, env);
  if (wanted !== undefined && wanted !== value) {
    throw new OpwiseError("shape-mismatch", `${where} has the wrong size`, {
      wanted: typeof dim === "number" ? `${dim}` : `${printDim(dim)} = ${wanted}`,
      got: `${value}`,
    });
  }
  for (const name of symbolsOf(dim)) {
    const [range, size] = [ranges.get(name), env.get(name)];
    if (range === undefined || size === undefined) continue;
    // As torch.export: sizes 0 and 1 are traced apart, so a lower bound of 2 is the tracer's own and none of the author's.
    if ((range.min > 2 && size < range.min) || size > range.max) {
      const own = typeof dim !== "number" && dim.op === "symbol";
      throw new OpwiseError("shape-mismatch", `${where} (${printDim(dim)}) is out of its range`, {
        wanted: `${own ? "" : `${name} of `}${rangeText(range)}`,
        got: own ? `${size}` : `${value}, which is ${name} = ${size}`,
      });
    }
  }
}

function rangeText({ min, max }: SymbolRange): string {
  if (max === Infinity) return `${min} or more`;
  return min === -Infinity ? `at most ${max}` : `${min} to ${max}`;
}

function symbolsOf(dim: Dim, out = new Set<string>()): Set<string> {
  if (typeof dim === "number") return out;
  if (dim.op === "symbol") out.add(dim.name ?? "");
  for (const arg of dim.args) symbolsOf(arg, out);
  return out;
}

function factOf({ of, axis }: GuardInput, value: Datum): number | undefined {
  if (of === "value") return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean" ? Number(value) : undefined;
  if (!(value instanceof Tensor)) return undefined;
  return of === "offset" ? value.offset : of === "stride" ? value.strides[axis] : value.shape[axis];
}

function nameOf({ input, of, axis }: GuardInput, inputs: readonly ModelInput[]): string {
  const name = inputs[input]?.name ?? `input ${input}`;
  if (of === "value") return name;
  return of === "offset" ? `${name}.storage_offset()` : `${name}.${of}()[${axis}]`;
}
