/** Pooling of regions of interest (torchvision: roi_align, roi_pool and their position-sensitive forms): compute programs whose windows come from the boxes. */

import { arg, binary, cast, constant, type Expr, fold, index, load, scalar, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, map } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, dtypeInfo, isFloat, opmathOf } from "../../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { outputParts } from "../elementwise.ts";
import { addOf, memo, mulOf, programOf } from "../aten/memo.ts";
import { clampedSample, toIndex } from "./bilinear.ts";

const programs = memo<Program>();
const zero = constant(0, "index");

/** Run-time scalars: the boxes' scale, then sizes. */
const HEIGHT = scalar(1, "index");
const WIDTH = scalar(2, "index");
const ROWS = scalar(3, "index");
const COLUMNS = scalar(4, "index");

interface Place {
  readonly type: "f32" | "f64";
  readonly scale: Num;
  /** Field of this region's box: batch, x1, y1, x2, y2. */
  readonly box: (field: number) => Num;
  readonly real: (e: Expr) => Num;
}

function placeOf(dtype: DType): Place {
  const type = computeType(opmathOf(dtype)) === "f64" ? "f64" : "f32";
  return {
    type, scale: new Num(scalar(0, type)),
    box: (field) => new Num(load(1, computeType(dtype), [index(0), constant(field, "index")])).to(type),
    real: (e) => new Num(cast(e, type)),
  };
}

const SCALARS = ["index", "index", "index", "index"] as const;

/** The channel of the picture that an output position reads: its own, or one per position where `sensitive`. */
function channelOf(sensitive: boolean): Expr {
  return sensitive ? addOf(mulOf(addOf(mulOf(index(1), ROWS), index(2)), COLUMNS), index(3)) : index(1);
}

/** The mean of bilinear samples in each bin. `ratio` samples per axis, or as many as the bin has pixels. */
function alignProgram(dtype: DType, adaptive: boolean, shifted: boolean, sensitive: boolean): Program {
  return programs(`align,${dtype},${adaptive},${shifted},${sensitive}`, () => {
    const { type, scale, box, real } = placeOf(dtype);
    const offset = shifted ? 0.5 : 0;
    const [left, top] = [box(1).mul(scale).sub(offset), box(2).mul(scale).sub(offset)];
    const least = (size: Num): Num => (shifted ? size : size.max(1));
    const [width, height] = [least(box(3).mul(scale).sub(offset).sub(left)), least(box(4).mul(scale).sub(offset).sub(top))];
    const [binHeight, binWidth] = [height.div(real(ROWS)), width.div(real(COLUMNS))];
    const samples = (bin: Num): Expr => (adaptive ? binary("max", toIndex(bin.max(0).ceil()), zero) : scalar(5, "index"));
    const [down, across] = [samples(binHeight), samples(binWidth)];
    const batch = toIndex(box(0));
    const channel = channelOf(sensitive);
    const [firstY, firstX] = [real(index(2)).mul(binHeight).add(top), real(index(3)).mul(binWidth).add(left)];
    const [sum = constant(0, type)] = fold(0, down, [constant(0, type)], (outer, iy) =>
      fold(1, across, outer, ([s = constant(0, type)], ix) => {
        const y = firstY.add(real(iy).add(0.5).mul(binHeight).div(real(down)));
        const x = firstX.add(real(ix).add(0.5).mul(binWidth).div(real(across)));
        const value = clampedSample(y, x, real(HEIGHT), real(WIDTH), (i, j, inside) => new Num(load(0, computeType(dtype), [batch, channel, i, j], 0, inside, constant(0, computeType(dtype)))).to(type));
        return [new Num(s).add(value).re];
      }));
    // The position-sensitive form divides by what it counted: NaN where a bin has no extent, zero where it has a negative one.
    const count = sensitive && adaptive ? binHeight.ceil().mul(binWidth.ceil()) : real(mulOf(down, across));
    const mean = new Num(sum).div(sensitive ? count : count.max(1));
    return {
      name: sensitive ? "ps_roi_align" : "roi_align", operands: [dtype, dtype], scalars: [type, ...SCALARS, ...(adaptive ? [] : ["index" as const])], messages: [],
      outputs: sensitive ? [{ dtype, parts: outputParts(mean, dtype) }, { dtype: "int32", parts: [cast(channel, "i32")] }] : [{ dtype, parts: outputParts(mean, dtype) }],
    };
  });
}

/** Halves away from zero, as C rounds. */
function rounded(x: Num): Num {
  return x.lt(0).where(x.sub(0.5).ceil(), x.add(0.5).floor());
}

/** The greatest pixel of each bin and its place, or (position-sensitive) the mean of the bin. */
function poolProgram(dtype: DType, sensitive: boolean): Program {
  return programs(`pool,${dtype},${sensitive}`, () => {
    const { type, scale, box, real } = placeOf(dtype);
    const [left, top, right, bottom] = [1, 2, 3, 4].map((field) => rounded(box(field).mul(scale)));
    if (left === undefined || top === undefined || right === undefined || bottom === undefined) return unreachable("box");
    const extent = (from: Num, to: Num): Num => (sensitive ? to.sub(from) : to.sub(from).add(1)).max(1);
    const [binHeight, binWidth] = [extent(top, bottom).div(real(ROWS)), extent(left, right).div(real(COLUMNS))];
    const bin = (axis: number, size: Num, origin: Num, limit: Expr): readonly [Expr, Expr] => {
      const at = real(index(axis));
      const [low, high] = sensitive ? [at.mul(size).add(origin).floor(), at.add(1).mul(size).add(origin).ceil()] : [at.mul(size).floor().add(origin), at.add(1).mul(size).ceil().add(origin)];
      const end = real(limit).sub(sensitive ? 1 : 0);
      const cut = (x: Num): Expr => toIndex(x.max(0).min(end));
      const [from, to] = [cut(low), cut(high)];
      return [from, binary("max", binary("sub", to, from), zero)];
    };
    const [[y0, rows], [x0, columns]] = [bin(2, binHeight, top, HEIGHT), bin(3, binWidth, left, WIDTH)];
    const channel = channelOf(sensitive);
    const batch = toIndex(box(0));
    const read = (i: Expr, j: Expr): Expr => load(0, computeType(dtype), [batch, channel, addOf(y0, i), addOf(x0, j)]);
    const empty = binary("or", binary("eq", rows, zero), binary("eq", columns, zero));
    const scalars = [type, ...SCALARS];
    if (sensitive) {
      const [sum = constant(0, type)] = fold(0, rows, [constant(0, type)], (outer, i) => fold(1, columns, outer, ([s = constant(0, type)], j) => [binary("add", s, cast(read(i, j), type))]));
      const mean = new Num(select(empty, constant(0, type), new Num(sum).div(real(mulOf(rows, columns))).re));
      return { name: "ps_roi_pool", operands: [dtype, dtype], scalars, messages: [], outputs: [{ dtype, parts: outputParts(mean, dtype) }, { dtype: "int32", parts: [cast(channel, "i32")] }] };
    }
    const own = computeType(dtype);
    const lowest = constant(-Infinity, own);
    const none = constant(-1, "index");
    const [best = lowest, where = none] = fold(0, rows, [lowest, none], (outer, i) =>
      fold(1, columns, outer, ([b = lowest, w = none], j) => {
        const v = read(i, j);
        const better = binary("gt", v, b);
        return [select(better, v, b), select(better, addOf(mulOf(addOf(y0, i), WIDTH), addOf(x0, j)), w)];
      }));
    return {
      name: "roi_pool", operands: [dtype, dtype], scalars, messages: [],
      outputs: [{ dtype, parts: [select(empty, constant(0, own), best)] }, { dtype: "int32", parts: [cast(where, "i32")] }],
    };
  });
}

const list = (t: Tensor): string => `[${t.shape.join(", ")}]`;

function checkInputs(name: string, x: Tensor, rois: Tensor): void {
  if (x.rank !== 4) throw new OpwiseError("shape-mismatch", `${name}: input must be [N, C, H, W]`, { got: list(x) });
  if (rois.rank !== 2 || rois.shape[1] !== 5) throw new OpwiseError("shape-mismatch", "rois must have shape as Tensor[K, 5]", { got: list(rois) });
  if (x.dtype !== rois.dtype) throw new OpwiseError("dtype-mismatch", "input should have the same type as rois", { got: `${x.dtype} and ${rois.dtype}` });
  if (!isFloat(x.dtype)) throw new OpwiseError("dtype-mismatch", `"${name}_forward_kernel" not implemented for ${x.dtype}`, { wanted: "a float type" });
}

/** Channels of the result; position-sensitive forms spend one channel per position. */
function outputChannels(name: string, x: Tensor, rows: number, columns: number): number {
  const channels = x.shape[1] ?? 0;
  if (channels % (rows * columns) !== 0) throw new OpwiseError("shape-mismatch", `${name}: input channels must be a multiple of pooling height * pooling width`, { got: list(x) });
  return channels / (rows * columns);
}

function sizes(x: Tensor, scale: number, rows: number, columns: number): number[] {
  return [scale, x.shape[2] ?? 0, x.shape[3] ?? 0, rows, columns];
}

function align(ctx: Context, x: Tensor, rois: Tensor, scale: number, rows: number, columns: number, ratio: number, aligned: boolean, sensitive: boolean): Tensor[] {
  const name = sensitive ? "ps_roi_align" : "roi_align";
  checkInputs(name, x, rois);
  const channels = sensitive ? outputChannels(name, x, rows, columns) : (x.shape[1] ?? 0);
  const adaptive = ratio <= 0;
  const program = alignProgram(x.dtype, adaptive, sensitive || aligned, sensitive);
  return compute(ctx, program, [rois.shape[0] ?? 0, channels, rows, columns], [x, rois], [...sizes(x, scale, rows, columns), ...(adaptive ? [] : [ratio])]);
}
function pool(ctx: Context, x: Tensor, rois: Tensor, scale: number, rows: number, columns: number, sensitive: boolean): Tensor[] {
  const name = sensitive ? "ps_roi_pool" : "roi_pool";
  checkInputs(name, x, rois);
  const channels = sensitive ? outputChannels(name, x, rows, columns) : (x.shape[1] ?? 0);
  return compute(ctx, poolProgram(x.dtype, sensitive), [rois.shape[0] ?? 0, channels, rows, columns], [x, rois], sizes(x, scale, rows, columns));
}

const CODES: readonly DType[] = ["uint8", "int8", "int16", "int32", "int64"];

/** Codes as numbers; `unbatched` puts 0 into the first column, where a box keeps the number of its picture. */
function numbersProgram(dtype: DType, unbatched: boolean): Program {
  return programs(`numbers,${dtype},${unbatched}`, () => {
    const at = unbatched ? [index(0), index(1)] : [index(0), index(1), index(2), index(3)];
    const value = new Num(load(0, computeType(dtype), at)).to("f32").sub(new Num(scalar(0, "f32"))).mul(new Num(scalar(1, "f32"))).re;
    return programOf("dequantize", [dtype], ["f32", "f32"], "float32", [unbatched ? select(binary("eq", index(1), zero), constant(0, "f32"), value) : value]);
  });
}

/** Means of centred codes as codes again, half to even. */
function codesProgram(dtype: DType): Program {
  return programs(`codes,${dtype}`, () => {
    const { signed, bits } = dtypeInfo(dtype);
    const [low, high] = signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
    const [scale, point] = [new Num(scalar(0, "f32")), new Num(scalar(1, "f32"))];
    const code = new Num(arg(0, "f32")).mul(scale).mul(scale.lit(1).div(scale)).rint().add(point);
    return programOf("requantize", ["float32"], ["f32", "f32"], dtype, outputParts(code.max(low).min(high), dtype));
  });
}

/** roi_align of one picture of integer codes, with boxes of codes; the result has the picture's scale and zero point. */
function alignCodes(
  ctx: Context, x: Tensor, rois: Tensor, scale: number, point: number, boxScale: number, boxPoint: number, spatialScale: number, rows: number, columns: number, ratio: number, aligned: boolean,
): Tensor {
  if (x.rank !== 4) throw new OpwiseError("shape-mismatch", "qroi_align: input must be [1, C, H, W]", { got: list(x) });
  if (rois.rank !== 2 || rois.shape[1] !== 5) throw new OpwiseError("shape-mismatch", "rois must have shape as Tensor[K, 5]", { got: list(rois) });
  if (x.shape[0] !== 1) throw new OpwiseError("shape-mismatch", "Only one image per batch is allowed in qroi_align.", { got: list(x) });
  if (!CODES.includes(x.dtype) || x.dtype !== rois.dtype) throw new OpwiseError("dtype-mismatch", "input should have the same type as rois", { wanted: CODES.join(", "), got: `${x.dtype} and ${rois.dtype}` });
  const [numbers = x] = compute(ctx, numbersProgram(x.dtype, false), x.shape, [x], [point, 1]);
  const [places = rois] = compute(ctx, numbersProgram(x.dtype, true), rois.shape, [rois], [boxPoint, boxScale]);
  const means = align(ctx, numbers, places, spatialScale, rows, columns, ratio, aligned, false)[0] ?? unreachable("means");
  return map(ctx, codesProgram(x.dtype), [means], [Math.fround(scale), point])[0] ?? unreachable("codes");
}

export const regionsOfInterest: readonly Op[] = [
  op("torchvision::roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor", {
    run: (ctx, x, rois, scale, rows, columns, ratio, aligned) => align(ctx, x, rois, scale, rows, columns, ratio, aligned, false)[0],
  }),
  op("torchvision::roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)", { run: (ctx, x, rois, scale, rows, columns) => pool(ctx, x, rois, scale, rows, columns, false) }),
  op("torchvision::ps_roi_align(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio) -> (Tensor, Tensor)", {
    run: (ctx, x, rois, scale, rows, columns, ratio) => align(ctx, x, rois, scale, rows, columns, ratio, true, true),
  }),
  op("torchvision::ps_roi_pool(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) -> (Tensor, Tensor)", { run: (ctx, x, rois, scale, rows, columns) => pool(ctx, x, rois, scale, rows, columns, true) }),
  op("torchvision::qroi_align(Tensor input, Tensor rois, float input_scale, int input_zero_point, float rois_scale, int rois_zero_point, float spatial_scale, SymInt pooled_height, SymInt pooled_width, int sampling_ratio, bool aligned) -> Tensor", {
    run: alignCodes,
  }),
];
