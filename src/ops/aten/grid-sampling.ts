/** Sampling at given places (PyTorch: grid_sample, affine_grid). Coordinates are in [-1, 1]; the grid names the last axis first. */

import { binary, cast, constant, type Expr, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { suggestsChannelsLast } from "../../prims/convolve.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, isFloat, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { outputParts } from "../elementwise.ts";
import { multicubic, multilinear, toIndex } from "../onnx/interpolation.ts";
import { axes, memo, size } from "./memo.ts";

const MODES = ["bilinear", "nearest", "bicubic"] as const;
const PADDINGS = ["zeros", "border", "reflection"] as const;
type Mode = (typeof MODES)[number];
type Padding = (typeof PADDINGS)[number];

const CUBIC = -0.75;
const programs = memo<Program>();
const zero = constant(0, "index");

/** From [-1, 1] to pixels: the ends are pixel centres, or the outer edges of pixels. */
function denormalized(x: Num, length: Num, corners: boolean): Num {
  return corners ? x.add(1).div(2).mul(length.sub(1)) : x.add(1).mul(length).sub(1).div(2);
}
/** Into `[0, length - 1]`; NaN to 0. */
function clipped(x: Num, length: Num): Num {
  return x.ge(0).where(x.min(length.sub(1)), x.lit(0));
}
/** Mirrored at the borders: pixel centres, or outer edges. */
function reflected(x: Num, length: Num, corners: boolean): Num {
  const low = corners ? 0 : -0.5;
  const span = corners ? length.sub(1) : length;
  const distance = x.sub(low).abs();
  const extra = distance.fmod(span);
  const even = distance.div(span).floor().fmod(2).eq(0);
  return span.eq(0).where(x.lit(0), even.where(extra.add(low), span.sub(extra).add(low)));
}
function settled(x: Num, length: Num, padding: Padding, corners: boolean): Num {
  if (padding === "border") return clipped(x, length);
  return padding === "reflection" ? clipped(reflected(x, length, corners), length) : x;
}

function sampleProgram(dtype: DType, spatial: number, mode: Mode, padding: Padding, corners: boolean): Program {
  return programs(`${dtype},${spatial},${mode},${padding},${corners}`, () => {
    const type = computeType(opmathOf(dtype));
    const [batch = zero, channel = zero, ...place] = axes(spatial + 2);
    const lengths = Array.from({ length: spatial }, (_, i) => size(i));
    const lengthOf = (i: number): Num => new Num(cast(lengths[i] ?? unreachable("axis"), type));
    const at = lengths.map((_, i) => {
      const given = new Num(load(1, computeType(dtype), [batch, ...place, constant(spatial - 1 - i, "index")])).to(type);
      const pixel = denormalized(given, lengthOf(i), corners);
      if (mode === "bicubic") return pixel;
      const inside = settled(pixel, lengthOf(i), padding, corners);
      return mode === "nearest" ? inside.rint() : inside;
    });
    const tap = (where: readonly Expr[]): Num => {
      // Cubic taps are brought inside one by one.
      const whole = mode === "bicubic" && padding !== "zeros" ? where.map((e, i) => toIndex(settled(new Num(cast(e, type)), lengthOf(i), padding, corners))) : where;
      const inside = whole.map((e, i) => binary("and", binary("ge", e, zero), binary("lt", e, lengths[i] ?? zero))).reduce((a, b) => binary("and", a, b));
      return new Num(load(0, computeType(dtype), [batch, channel, ...whole], 0, inside, constant(0, computeType(dtype)))).to(type);
    };
    const value = mode === "nearest" ? tap(at.map(toIndex)) : mode === "bilinear" ? multilinear(at, tap) : multicubic(at, CUBIC, tap);
    return { name: "grid_sample", operands: [dtype, dtype], scalars: lengths.map(() => "index" as const), outputs: [{ dtype, parts: outputParts(value, dtype) }], messages: [] };
  });
}

const list = (values: readonly number[]): string => `[${values.join(", ")}]`;

function gridSample(ctx: Context, x: Tensor, grid: Tensor, modeNumber: number, paddingNumber: number, corners: boolean): Tensor {
  const [mode, padding] = [MODES[modeNumber], PADDINGS[paddingNumber]];
  if (mode === undefined || padding === undefined) throw new OpwiseError("bad-argument", "grid_sampler(): unknown interpolation or padding mode", { got: `${modeNumber}, ${paddingNumber}` });
  if (x.dtype !== grid.dtype) throw new OpwiseError("dtype-mismatch", `grid_sampler(): expected input and grid to have same dtype, but input has ${x.dtype} and grid has ${grid.dtype}`);
  if (!isFloat(x.dtype)) throw new OpwiseError("unsupported-dtype", `"grid_sampler" not implemented for '${x.dtype}'`);
  const spatial = x.rank - 2;
  if (x.rank !== grid.rank || (spatial !== 2 && spatial !== 3)) throw new OpwiseError("shape-mismatch", `grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with sizes ${list(x.shape)} and grid with sizes ${list(grid.shape)}`);
  if (x.shape[0] !== grid.shape[0]) throw new OpwiseError("shape-mismatch", `grid_sampler(): expected grid and input to have same batch size, but got input with sizes ${list(x.shape)} and grid with sizes ${list(grid.shape)}`);
  if (grid.shape[grid.rank - 1] !== spatial) throw new OpwiseError("shape-mismatch", `grid_sampler(): expected grid to have size ${spatial} in last dimension, but got grid with sizes ${list(grid.shape)}`);
  x.shape.slice(2).forEach((s, i) => {
    if (s <= 0) throw new OpwiseError("shape-mismatch", `grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes ${list(x.shape)} with dimension ${i + 2} being empty`);
  });
  if (mode === "bicubic" && spatial === 3) throw new OpwiseError("bad-argument", "grid_sampler(): bicubic interpolation only supports 4D input");
  const shape = [x.shape[0] ?? 0, x.shape[1] ?? 0, ...grid.shape.slice(1, -1)];
  const out = empty(ctx, shape, x.dtype, suggestsChannelsLast(x) && spatial === 2 ? channelsLastStrides(shape) : contiguousStrides(shape));
  compute(ctx, sampleProgram(x.dtype, spatial, mode, padding, corners), shape, [x, grid], x.shape.slice(2), [out]);
  return out;
}

/** The grid of affine maps `theta [N, d, d + 1]`: `[N, ..., d]`. */
function affineGrid(ctx: Context, theta: Tensor, sizes: readonly number[], corners: boolean): Tensor {
  const n = sizes.length - 2;
  if (n !== 2 && n !== 3) throw new OpwiseError("bad-argument", "affine_grid_generator needs 4d (spatial) or 5d (volumetric) inputs.", { got: list(sizes) });
  if (theta.rank !== 3 || theta.shape[0] !== sizes[0] || theta.shape[1] !== n || theta.shape[2] !== n + 1) {
    throw new OpwiseError("shape-mismatch", `Expected a batch of ${n}D affine matrices of shape Nx${n}x${n + 1} for size ${list(sizes)}. Got ${list(theta.shape)}.`);
  }
  const program = programs(`affine,${theta.dtype},${n},${corners}`, () => {
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

export const gridSampling: readonly Op[] = [
  op("aten::grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", { run: gridSample }),
  op("aten::grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", { run: gridSample }),
  op("aten::_grid_sampler_2d_cpu_fallback(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", { run: gridSample }),
  op("aten::grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", { run: gridSample }),
  op("aten::affine_grid_generator(Tensor theta, SymInt[] size, bool align_corners) -> Tensor", { run: affineGrid }),
];
