/** The inverse of max pooling, and max pooling over pseudo-random windows (PyTorch: max_unpool, fractional_max_pool). */

import { binary, cast, check, constant, type Expr, fold, index, load, scalar, select, unary } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, resolved } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { reshaped } from "../../prims/views.ts";
import { type DType, isFloat, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { numelOf, sameShape } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { filled } from "./filling.ts";
import { addOf, axes, memo, mulOf, size, subOf, zeroOf } from "./memo.ts";

type Numbers = readonly number[];
const programs = memo<Program>();
const list = (values: Numbers): string => `[${values.join(", ")}]`;

/** `out[plane, indices] = values`; later elements win. */
function unpoolProgram(dtype: DType): Program {
  return programs(`unpool,${dtype}`, () => {
    const at = load(1, "i64", [index(0), index(1)]);
    const volume = cast(scalar(0, "index"), "i64");
    const valid = binary("and", binary("ge", at, constant(0n, "i64")), binary("lt", at, volume));
    return {
      name: "max_unpool", operands: [dtype, "int64"], scalars: ["index"], messages: ["Found an invalid max index"],
      outputs: [{ dtype: "int64", parts: [cast(index(0), "i64")] }, { dtype: "int64", parts: [check(valid, at, 0)] }, { dtype, parts: [load(0, computeType(dtype), [index(0), index(1)])] }],
    };
  });
}

function unpool(ctx: Context, x: Tensor, indices: Tensor, outputSize: Numbers, spatial: number): Tensor {
  if (indices.dtype !== "int64") throw new OpwiseError("dtype-mismatch", `elements in indices should be type int64 but got: ${indices.dtype}`);
  if (outputSize.length !== spatial) throw new OpwiseError("bad-argument", `There should be exactly ${spatial} elements (${spatial === 2 ? "height, width" : "depth, height, width"}) in output_size, but got ${outputSize.length} elements.`);
  if (x.rank !== spatial + 1 && x.rank !== spatial + 2) throw new OpwiseError("shape-mismatch", `Input to max_unpooling${spatial}d should be a ${spatial + 1}d or ${spatial + 2}d Tensor, but got a tensor with ${x.rank} dimensions.`);
  if (!sameShape(x.shape, indices.shape)) throw new OpwiseError("shape-mismatch", `Expected shape of indices to be same as that of the input tensor (${list(x.shape)}) but got indices tensor with shape: ${list(indices.shape)}`);
  const lead = x.shape.slice(0, x.rank - spatial);
  const out = filled(ctx, [...lead, ...outputSize], x.dtype, { kind: "int", value: 0 });
  if (x.numel === 0) return out;
  const planes = numelOf(lead);
  const flat = (t: Tensor): Tensor => reshaped(ctx, resolved(ctx, t), [planes, t.numel / planes]);
  const volume = numelOf(outputSize);
  ctx.run({ kind: "scatter", program: unpoolProgram(x.dtype), combine: "set", shape: [planes, x.numel / planes], operands: [flat(x), flat(indices)], results: [viewOf(out, [planes, volume], [volume, 1], 0)], scalars: [volume] });
  return out;
}

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
      const flat = at.reduce((sum, e, k) => addOf(mulOf(sum, size(3 * k)), e), constant(0, "index") as Expr);
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

export const unpooling: readonly Op[] = [
  op("aten::max_unpool2d(Tensor self, Tensor indices, SymInt[2] output_size) -> Tensor", { run: (ctx, x, indices, outputSize) => unpool(ctx, x, indices, outputSize, 2) }),
  op("aten::max_unpool3d(Tensor self, Tensor indices, SymInt[3] output_size, int[3] stride, int[3] padding) -> Tensor", { run: (ctx, x, indices, outputSize) => unpool(ctx, x, indices, outputSize, 3) }),
  op("aten::fractional_max_pool2d(Tensor self, int[2] kernel_size, int[2] output_size, Tensor random_samples) -> (Tensor, Tensor)", { run: (ctx, x, kernel, out, samples) => fractional(ctx, x, kernel, out, samples, 2) }),
  op("aten::fractional_max_pool3d(Tensor self, int[3] kernel_size, int[3] output_size, Tensor random_samples) -> (Tensor, Tensor)", { run: (ctx, x, kernel, out, samples) => fractional(ctx, x, kernel, out, samples, 3) }),
];
