/** Max pooling over pseudo-random windows (PyTorch: fractional_max_pool). */

import { binary, cast, constant, type Expr, fold, index, load, select, unary } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, isFloat, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { addOf, axes, memo, mulOf, size, subOf, zeroOf } from "./memo.ts";

type Numbers = readonly number[];
const programs = memo<Program>();
const list = (values: Numbers): string => `[${values.join(", ")}]`;

/** First element of window `i` of an axis: the sample shifts evenly spread windows; the last one ends at the border. */
function startOf(i: Expr, sample: Num, input: Expr, pool: Expr, output: Expr): Expr {
  const type = sample.type;
  const real = (e: Expr): Num => new Num(cast(e, type));
  const alpha = real(subOf(input, pool)).div(real(subOf(output, constant(1, "index"))));
  const floorOf = (x: Num): Expr => cast(x.trunc().re, "index");
  const spread = subOf(floorOf(real(i).add(sample).mul(alpha)), floorOf(sample.mul(alpha)));
  return select(binary("eq", i, subOf(output, constant(1, "index"))), subOf(input, pool), spread);
}

/** Scalars per axis: input size, window size, output size. `samples [N, C, d]`: one number per plane and axis. */
function fractionalProgram(dtype: DType, spatial: number): Program {
  return programs(`fractional,${dtype},${spatial}`, () => {
    const [own, type] = [computeType(dtype), computeType(opmathOf(dtype))];
    const [n = index(0), c = index(1), ...place] = axes(spatial + 2);
    const starts = place.map((i, k) => {
      // In two dimensions the first sample is the width's.
      const which = constant(spatial === 2 ? 1 - k : k, "index");
      return startOf(i, new Num(load(1, own, [n, c, which])).to(type), size(3 * k), size(3 * k + 1), size(3 * k + 2));
    });
    const nest = (level: number, state: readonly Expr[], at: readonly Expr[]): readonly Expr[] => {
      const start = starts[level];
      if (start !== undefined) return fold(level, size(3 * level + 1), state, (inner, trip) => nest(level + 1, inner, [...at, addOf(start, trip)]));
      const [best, where] = state;
      if (best === undefined || where === undefined) throw new TypeError("state");
      const v = load(0, own, [n, c, ...at]);
      const flat = at.reduce((sum, e, k) => addOf(mulOf(sum, size(3 * k)), e), constant(0, "index"));
      const better = binary("or", binary("lt", where, constant(0, "index")), isFloat(dtype) ? binary("or", binary("gt", v, best), unary("isnan", v)) : binary("gt", v, best));
      return [select(better, v, best), select(better, flat, where)];
    };
    const [value, where] = nest(0, [zeroOf(own), constant(-1, "index")], []);
    if (value === undefined || where === undefined) throw new TypeError("state");
    return { name: "fractional_max_pool", operands: [dtype, dtype], scalars: Array.from({ length: 3 * spatial }, () => "index" as const), outputs: [{ dtype, parts: [value] }, { dtype: "int64", parts: [cast(where, "i64")] }], messages: [] };
  });
}

function fractional(ctx: Context, input: Tensor, kernel: Numbers, outputSize: Numbers, samples: Tensor, spatial: number): Tensor[] {
  const name = `fractional_max_pool${spatial}d()`;
  if (input.rank !== spatial + 1 && input.rank !== spatial + 2) throw new OpwiseError("shape-mismatch", `${name}: Expected ${spatial + 1}D or ${spatial + 2}D tensor, but got: ${list(input.shape)}`);
  if (samples.dtype !== input.dtype) throw new OpwiseError("dtype-mismatch", "Expect _random_samples to have the same dtype as input");
  const batched = input.rank === spatial + 2;
  const x = batched ? input : viewOf(input, [1, ...input.shape], [0, ...input.strides], input.offset);
  const sizes = x.shape.slice(2);
  kernel.forEach((k, i) => {
    const reach = (outputSize[i] ?? 0) + k - 1;
    if (reach > (sizes[i] ?? 0) || (spatial === 3 && reach === sizes[i])) throw new OpwiseError("shape-mismatch", `${name}: pool size ${k} too large relative to input size ${sizes[i]}`);
  });
  if (samples.rank !== 3 || samples.shape[2] !== spatial || (samples.shape[0] ?? 0) < (x.shape[0] ?? 0) || (samples.shape[1] ?? 0) < (x.shape[1] ?? 0)) {
    throw new OpwiseError("shape-mismatch", `Expect _random_samples of shape [${x.shape[0]}, ${x.shape[1]}, ${spatial}]`, { got: list(samples.shape) });
  }
  const shape = [...x.shape.slice(0, 2), ...outputSize];
  const results = compute(ctx, fractionalProgram(x.dtype, spatial), shape, [x, samples], sizes.flatMap((s, i) => [s, kernel[i] ?? 1, outputSize[i] ?? 1]));
  return batched ? results : results.map((r) => viewOf(r, r.shape.slice(1), r.strides.slice(1), r.offset));
}

export const fractionalPooling: readonly Op[] = [
  op("aten::fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, Tensor random_samples) -> (Tensor, Tensor)", { run: (ctx, x, kernel, out, samples) => fractional(ctx, x, kernel, out, samples, 2) }),
  op("aten::fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, Tensor random_samples) -> (Tensor, Tensor)", { run: (ctx, x, kernel, out, samples) => fractional(ctx, x, kernel, out, samples, 3) }),
];
