/** Sampling grids of affine maps (PyTorch: affine_grid). */

import { cast, constant, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { outputParts } from "../elementwise.ts";
import { memo } from "./memo.ts";

const programs = memo<Program>();
const list = (values: readonly number[]): string => `[${values.join(", ")}]`;

/** The grid of affine maps `theta [N, d, d + 1]`: `[N, ..., d]`. */
function affineGrid(ctx: Context, theta: Tensor, sizes: readonly number[], corners: boolean): Tensor {
  const n = sizes.length - 2;
  if (n !== 2 && n !== 3) throw new OpwiseError("bad-argument", "affine_grid_generator needs 4d (spatial) or 5d (volumetric) inputs.", { got: list(sizes) });
  if (theta.rank !== 3 || theta.shape[0] !== sizes[0] || theta.shape[1] !== n || theta.shape[2] !== n + 1) {
    throw new OpwiseError("shape-mismatch", `Expected a batch of ${n}D affine matrices of shape Nx${n}x${n + 1} for size ${list(sizes)}. Got ${list(theta.shape)}.`);
  }
  const program = programs(`${theta.dtype},${n},${corners}`, () => {
    const [own, type] = [computeType(theta.dtype), computeType(opmathOf(theta.dtype))];
    const entry = (column: number): Num => new Num(load(0, own, [index(0), index(n + 1), constant(column, "index")])).to(type);
    let sum = entry(n);
    for (let j = 0; j < n; j++) {
      // Column j multiplies the coordinate on the j-th axis from the end.
      const axis = n - 1 - j;
      const [length, at] = [new Num(cast(scalar(axis, "index"), type)), new Num(cast(index(axis + 1), type))];
      const spread = at.mul(2).div(length.sub(1)).sub(1);
      const place = length.le(1).where(length.lit(0), corners ? spread : spread.mul(length.sub(1)).div(length));
      sum = sum.add(entry(j).mul(place));
    }
    return { name: "affine_grid", operands: [theta.dtype], scalars: Array.from({ length: n }, () => "index" as const), outputs: [{ dtype: theta.dtype, parts: outputParts(sum, theta.dtype) }], messages: [] };
  });
  return compute(ctx, program, [sizes[0] ?? 0, ...sizes.slice(2), n], [theta], sizes.slice(2))[0] ?? unreachable("grid");
}

export const affineGrids: readonly Op[] = [op("aten::affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor", { run: affineGrid })];
