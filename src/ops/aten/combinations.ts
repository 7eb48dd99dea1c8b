/** Positions of all r-subsets of a vector, in lexicographic order. */

import { binary, type Expr, constant, index } from "../../expr/expr.ts";
import { compute, contiguous } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import type { Program } from "../../prims/program.ts";
import { reshaped } from "../../prims/views.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { gatherAt } from "./indexing.ts";
import { memo } from "./memo.ts";
import { coordinatesOf } from "./nonzero.ts";

const programs = memo<Program>();

/** Whether the coordinates ascend: strictly, or not descending where elements may repeat. */
function ascending(r: number, withReplacement: boolean): Program {
  return programs(`${r},${withReplacement}`, () => {
    let holds: Expr = constant(true, "bool");
    for (let i = 1; i < r; i++) holds = binary("and", holds, binary(withReplacement ? "le" : "lt", index(i - 1), index(i)));
    return { name: "combinations", operands: [], scalars: [], outputs: [{ dtype: "bool", parts: [holds] }], messages: [] };
  });
}

function choose(n: number, r: number): number {
  let out = 1;
  for (let i = 1; i <= r; i++) out = (out * (n - r + i)) / i;
  return n < r ? 0 : Math.round(out);
}

/** Rows of `r` elements of the vector. */
export function combinationPositions(ctx: Context, self: Tensor, r: number, withReplacement: boolean): Tensor {
  const n = self.shape[0] ?? 0;
  const count = n === 0 ? 0 : choose(withReplacement ? n + r - 1 : n, r);
  const [mask] = compute(ctx, ascending(r, withReplacement), new Array<number>(r).fill(n), []);
  const rows = coordinatesOf(ctx, mask ?? self, count);
  return reshaped(ctx, gatherAt(ctx, self, [contiguous(ctx, rows)]), [count, r]);
}
