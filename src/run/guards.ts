/** Checks at a program's entry: dtypes, ranks, fixed sizes, and symbolic sizes against each other and their ranges. */

import type { Datum } from "../ir/datum.ts";
import { evaluateDim, printDim } from "../ir/dim.ts";
import type { Param, SymbolRange } from "../ir/graph.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";

/** @throws dtype-mismatch, shape-mismatch naming the input, the dimension, what was wanted and what came */
export function checkSymbols(params: readonly Param[], args: readonly Datum[], ranges: readonly SymbolRange[]): void {
  const env = new Map<string, number>();
  const pairs = params.flatMap((p, i) => {
    const value = args[i];
    return p.type.kind === "Tensor" && value instanceof Tensor ? [{ name: p.name, type: p.type, value }] : [];
  });
  for (const { name, type, value } of pairs) {
    if (type.dtype !== undefined && type.dtype !== value.dtype) throw new OpwiseError("dtype-mismatch", `input \`${name}\` has the wrong dtype`, { wanted: type.dtype, got: value.dtype });
    if (type.shape === undefined) continue;
    if (type.shape.length !== value.rank) throw new OpwiseError("shape-mismatch", `input \`${name}\` has the wrong rank`, { wanted: `[${type.shape.map(printDim).join(", ")}]`, got: `[${value.shape.join(", ")}]` });
    type.shape.forEach((dim, axis) => {
      const size = value.shape[axis] ?? 0;
      if (typeof dim !== "number" && dim.op === "symbol" && dim.name !== undefined && !env.has(dim.name)) {
        env.set(dim.name, size);
        const range = ranges.find((r) => r.symbol === dim.name);
        if (range !== undefined && (size < range.min || size > range.max)) {
          throw new OpwiseError("shape-mismatch", `dimension ${axis} of input \`${name}\` (${dim.name}) is out of its range`, { wanted: `${range.min} to ${range.max}`, got: `${size}` });
        }
      }
    });
  }
  for (const { name, type, value } of pairs) {
    type.shape?.forEach((dim, axis) => {
      const wanted = evaluateDim(dim, env);
      if (wanted !== undefined && wanted !== value.shape[axis]) {
        throw new OpwiseError("shape-mismatch", `dimension ${axis} of input \`${name}\` has the wrong size`, { wanted: typeof dim === "number" ? `${dim}` : `${printDim(dim)} = ${wanted}`, got: `${value.shape[axis]}` });
      }
    });
  }
}
