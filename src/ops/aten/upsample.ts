/** Interpolation to another size and at given places (PyTorch: torch.nn.functional.interpolate, grid_sample). */

import { cast, constant, type Expr, fold, index, load, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { compute, empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType, type Program } from "../../prims/program.ts";
import { type DType, isInt, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { outputParts } from "../elementwise.ts";
import { isChannelsLast } from "./joins.ts";
import { axes, memo, programOf } from "./memo.ts";
import { affineOf, onCentred, onWholeCodes, withoutKernel } from "../quantized/codes.ts";
import { upsampleBytes } from "./upsample-bytes.ts";

type Mode = "nearest" | "nearest-exact" | "linear" | "cubic";
type Filter = "linear" | "cubic" | "lanczos";

const CUBIC_A = -0.75;
/** Pillow's cubic, which the antialiased form follows. */
const CUBIC_AA = -0.5;
const programs = memo<Program>();

/** Coordinates are computed in float32, as PyTorch does, but for float64 tensors. */
function coordinateType(dtype: DType): "f32" | "f64" {
  return dtype === "float64" ? "f64" : "f32";
}

/** The element of operand 0 at batch, channel and spatial coordinates, in the coordinate type. */
function tap(dtype: DType, at: readonly Expr[]): Num {
  return new Num(load(0, computeType(dtype), [index(0), index(1), ...at])).to(coordinateType(dtype));
}

const indexOf = (x: Num): Expr => cast(x.re, "index");
/** Cut to `[0, size - 1]`. */
function clamped(x: Num, size: Num): Num {
  return x.max(0).min(size.sub(1));
}

/** Cubic convolution weights of the taps at -1, 0, 1, 2 around fraction `t`. */
function cubicWeights(t: Num, a: number, r: Rounding = unrounded): readonly Num[] {
  const near = (x: Num): Num => r(r(r(r(r(x.mul(a + 2)).sub(a + 3)).mul(x)).mul(x)).add(1));
  const far = (x: Num): Num => r(r(r(r(r(r(x.mul(a)).sub(5 * a)).mul(x)).add(8 * a)).mul(x)).sub(4 * a));
  return [far(r(t.add(1))), near(t), near(r(t.lit(1).sub(t))), far(r(t.lit(2).sub(t)))];
}

type Rounding = (x: Num) => Num;
const unrounded: Rounding = (x) => x;
/** Rounds to a half type; other dtypes are what they are computed in. */
function roundingOf(dtype: DType): Rounding {
  return dtype === "float16" || dtype === "bfloat16" ? (x) => x.round(dtype) : unrounded;
}

/** Per axis: the positions to read and their weights, rounded by `r`; undefined weights: one position as it is. */
function tapsOf(mode: Mode, align: boolean, axis: number, type: "f32" | "f64", r: Rounding): { readonly at: Num; readonly weight: Num | undefined }[] {
  const scale = new Num(scalar(2 * axis, type));
  const size = new Num(scalar(2 * axis + 1, type));
  const position = new Num(cast(index(2 + axis), type));
  if (mode === "nearest") return [{ at: position.mul(scale).floor().min(size.sub(1)), weight: undefined }];
  if (mode === "nearest-exact") return [{ at: position.add(0.5).mul(scale).floor().min(size.sub(1)), weight: undefined }];
  const real = align ? position.mul(scale) : position.add(0.5).mul(scale).sub(0.5);
  if (mode === "linear") {
    const x = align ? real : real.max(0);
    const low = x.floor().min(size.sub(1));
    const part = r(x.sub(low).max(0).min(1));
    return [{ at: low, weight: r(part.lit(1).sub(part)) }, { at: clamped(low.add(1), size), weight: part }];
  }
  const low = real.floor();
  return cubicWeights(real.sub(low), CUBIC_A).map((weight, k) => ({ at: clamped(low.add(k - 1), size), weight: r(weight) }));
}

/** PyTorch has kernels of linear interpolation that keep weights in float32; the general one keeps them in the tensor's dtype. */
function hasWideWeights(self: Tensor, size: readonly number[], mode: Mode): boolean {
  const channels = self.shape[1] ?? 0;
  if (mode !== "linear" || size.length === 1) return false;
  if (isChannelsLast(self) && channels > 3) return true;
  const [height = 0, width = 0] = size;
  return size.length === 2 && (channels === 3 || height + width <= 128);
}

function upsampleProgram(mode: Mode, align: boolean, dtype: DType, spatial: number, wide: boolean): Program {
  return programs(`${mode},${String(align)},${dtype},${spatial},${String(wide)}`, () => {
    const type = coordinateType(dtype);
    const taps = Array.from({ length: spatial }, (_, axis) => tapsOf(mode, align, axis, type, wide ? unrounded : roundingOf(dtype)));
    const sum = (axis: number, at: readonly Expr[]): Num => {
      const own = taps[axis];
      if (own === undefined) return tap(dtype, at);
      const terms = own.map((t) => {
        const inner = sum(axis + 1, [...at, indexOf(t.at)]);
        return t.weight === undefined ? inner : inner.mul(t.weight);
      });
      return terms.reduce((a, b) => a.add(b));
    };
    const exact = mode === "nearest" || mode === "nearest-exact";
    // Moved elements keep their bits; integers are rounded once at the end.
    const value = exact ? new Num(load(0, computeType(dtype), [index(0), index(1), ...taps.map((t) => indexOf((t[0] ?? missing()).at))])) : isInt(dtype) ? sum(0, []).rint() : sum(0, []);
    return programOf(`upsample ${mode}`, [dtype], Array.from({ length: 2 * spatial }, () => type), dtype, outputParts(value, dtype));
  });
}

function missing(): never {
  throw new OpwiseError("internal", "an axis without taps");
}

/** Ratio of input to output coordinates on one axis, as PyTorch computes it. */
function ratio(input: number, output: number, align: boolean, given: number | null | undefined, exact: boolean): number {
  if (!exact && align) return output > 1 ? (input - 1) / (output - 1) : 0;
  return given !== null && given !== undefined && given > 0 ? 1 / given : input / output;
}

/** `ratio` of every spatial axis of an interpolation between pixels. */
function ratios(self: Tensor, size: readonly number[], align: boolean, scales: readonly (number | null)[]): number[] {
  return size.map((s, axis) => ratio(self.shape[2 + axis] ?? 1, s, align, scales[axis], false));
}

function checked(self: Tensor, size: readonly number[], name: string): void {
  if (self.rank !== size.length + 2) throw new OpwiseError("shape-mismatch", `It is expected input_size equals to ${size.length + 2}, but got size ${self.rank}`, { got: name });
  if (size.some((s) => s <= 0) || self.shape.slice(1).some((s) => s <= 0)) {
    throw new OpwiseError("shape-mismatch", `Input and output sizes should be greater than 0, but got input (${self.shape.slice(2).join(", ")}) output (${size.join(", ")})`);
  }
}

/** Interpolates the spatial axes of `[N, C, ...]` to `size`. `scales`: the factors the caller gave, which count before the sizes' ratio. */
export function upsample(ctx: Context, self: Tensor, size: readonly number[], mode: Mode, align: boolean, scales: readonly (number | null)[]): Tensor {
  checked(self, size, `upsample_${mode}`);
  const exact = mode === "nearest" || mode === "nearest-exact";
  if (self.dtype === "uint8" && size.length === 2 && (mode === "linear" || mode === "cubic")) return upsampleBytes(ctx, self, size, mode, align, ratios(self, size, align, scales));
  const shape = [self.shape[0] ?? 0, self.shape[1] ?? 0, ...size];
  const strides = isChannelsLast(self) ? channelsLastStrides(shape) : contiguousStrides(shape);
  const out = empty(ctx, shape, self.dtype, strides);
  const round = coordinateType(self.dtype) === "f32" ? Math.fround : Number;
  const scalars = size.flatMap((s, axis) => {
    const input = self.shape[2 + axis] ?? 1;
    return [round(ratio(input, s, align, scales[axis], exact)), input];
  });
  compute(ctx, upsampleProgram(mode, align, self.dtype, size.length, hasWideWeights(self, size, mode)), shape, [self], scalars, [out]);
  return out;
}

/** Output sizes of the `.vec` overloads: given, or the input's times the factors. */
function sizeOf(self: Tensor, size: readonly number[] | null, factors: readonly number[] | null): readonly number[] {
  if (size !== null) {
    if (factors !== null) throw new OpwiseError("bad-argument", "Must specify exactly one of output_size and scale_factors");
    return size;
  }
  if (factors === null) throw new OpwiseError("bad-argument", "Must specify exactly one of output_size and scale_factors");
  return factors.map((f, axis) => Math.floor((self.shape[2 + axis] ?? 0) * f));
}

const FILTERS: Readonly<Record<Filter, { readonly taps: number; readonly weight: (x: Num) => Num }>> = {
  linear: { taps: 2, weight: (x) => x.lit(1).sub(x).max(0) },
  cubic: {
    taps: 4,
    weight: (x) => {
      const near = x.mul(CUBIC_AA + 2).sub(CUBIC_AA + 3).mul(x).mul(x).add(1);
      const far = x.sub(5).mul(x).add(8).mul(x).sub(4).mul(CUBIC_AA);
      return x.lt(1).where(near, x.lt(2).where(far, x.lit(0)));
    },
  },
  lanczos: {
    taps: 6,
    weight: (x) => {
      const sinc = (v: Num): Num => v.eq(0).where(v.lit(1), v.mul(Math.PI).sin().div(v.mul(Math.PI)));
      return x.lt(3).where(sinc(x).mul(sinc(x.div(3))), x.lit(0));
    },
  },
};

/** The first input point under the stretched filter around an output position, and how many there are. */
function windowOf(filter: Filter, position: Expr, type: "f32" | "f64"): { readonly center: Num; readonly stretch: Num; readonly first: Num; readonly count: Expr } {
  const [scale, size] = [new Num(scalar(0, type)), new Num(scalar(1, type))];
  const stretch = scale.max(1);
  const support = stretch.mul(FILTERS[filter].taps / 2);
  const center = new Num(cast(position, type)).add(0.5).mul(scale);
  const first = center.sub(support).add(0.5).trunc().max(0);
  return { center, stretch, first, count: indexOf(center.add(support).add(0.5).trunc().min(size).sub(first)) };
}

/** Weights of one axis, `[output, taps]`: a row sums to one. */
function antialiasWeights(filter: Filter, type: "f32" | "f64"): Program {
  return programs(`aa weights ${filter},${type}`, () => {
    const { center, stretch, first, count } = windowOf(filter, index(0), type);
    const inverse = stretch.lit(1).div(stretch);
    const weightAt = (j: Expr): Num => FILTERS[filter].weight(new Num(cast(j, type)).add(first).sub(center).add(0.5).mul(inverse).abs());
    const zero = constant(0, type);
    const [total = zero] = fold(0, count, [zero], ([sum = zero], j) => [new Num(sum).add(weightAt(j)).re]);
    const value = new Num(index(1)).lt(new Num(count)).where(weightAt(index(1)).div(new Num(total)), new Num(zero));
    return programOf(`${filter} weights`, [], [type, type], type === "f64" ? "float64" : "float32", [value.re]);
  });
}

/** One axis of the antialiased form: input points times weights, each added with one rounding (PyTorch's kernels fuse the two). */
function antialiasProgram(filter: Filter, dtype: DType, axis: number): Program {
  return programs(`aa ${filter},${dtype},${axis}`, () => {
    const type = coordinateType(dtype);
    const { first, count } = windowOf(filter, index(axis), type);
    const zero = constant(0, type);
    const others = axes(4);
    const [total = zero] = fold(0, count, [zero], ([sum = zero], j) => {
      const at = indexOf(new Num(cast(j, type)).add(first));
      const value = new Num(load(0, computeType(dtype), others.map((e, i) => (i === axis ? at : e)))).to("f64");
      const weight = new Num(load(1, type, [index(axis), j])).to("f64");
      return [value.mul(weight).add(new Num(sum).to("f64")).to(type).re];
    });
    const value = new Num(total);
    return programOf(`upsample ${filter} antialiased`, [dtype, type === "f64" ? "float64" : "float32"], [type, type], dtype, outputParts(isInt(dtype) ? value.rint() : value, dtype));
  });
}

/** The antialiased form of `[N, C, H, W]`. */
export function antialiased(ctx: Context, self: Tensor, size: readonly number[], filter: Filter, align: boolean, scales: readonly (number | null)[]): Tensor {
  checked(self, size, `_upsample_${filter}2d_aa`);
  if (self.dtype === "uint8") return upsampleBytes(ctx, self, size, `${filter} antialiased`, align, ratios(self, size, align, scales));
  let x = self;
  for (const axis of [3, 2]) {
    const [input, output] = [x.shape[axis] ?? 1, size[axis - 2] ?? 1];
    const shape = x.shape.map((s, i) => (i === axis ? output : s));
    const type = coordinateType(x.dtype);
    const scale = (type === "f32" ? Math.fround : Number)(ratio(input, output, align, scales[axis - 2], false));
    const width = Math.ceil(FILTERS[filter].taps * Math.max(1, scale)) + 1;
    const [weights = x] = compute(ctx, antialiasWeights(filter, type), [output, width], [], [scale, input]);
    [x = x] = compute(ctx, antialiasProgram(filter, x.dtype, axis), shape, [x, weights], [scale, input]);
  }
  return x;
}

/** Both overloads of one mode and rank; their schemas differ in rank and in whether corners can be aligned. */
function aligned(name: string, n: 1 | 2 | 3, mode: Mode): Op[] {
  const scales = n === 1 ? "float? scales=None" : n === 2 ? "float? scales_h=None, float? scales_w=None" : "float? scales_d=None, float? scales_h=None, float? scales_w=None";
  return [
    op(`aten::${name}(Tensor self, SymInt[${n}] output_size, bool align_corners, ${scales}) -> Tensor` as "aten::f(Tensor self, SymInt[3] output_size, bool align_corners, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor", {
      run: (ctx, self, size, align, ...given) => upsample(ctx, self, size, mode, align, given),
      ...(name === "upsample_bilinear2d" ? { quantised: (ctx, self, size, align, ...given) => onWholeCodes(ctx, self, (x) => upsample(ctx, x, size, mode, align, given)) } : {}),
    }),
    op(`aten::${name}.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor` as "aten::f.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", {
      run: (ctx, self, size, align, factors) => upsample(ctx, self, sizeOf(self, size, factors), mode, align, factors ?? []),
      ...(name === "upsample_bilinear2d" ? { quantised: (ctx, self, size, align, factors) => onWholeCodes(ctx, self, (x) => upsample(ctx, x, sizeOf(self, size, factors), mode, align, factors ?? [])) } : {}),
    }),
  ];
}
function nearest(name: string, n: 1 | 2 | 3, mode: "nearest" | "nearest-exact"): Op[] {
  const scales = n === 1 ? "float? scales=None" : n === 2 ? "float? scales_h=None, float? scales_w=None" : "float? scales_d=None, float? scales_h=None, float? scales_w=None";
  return [
    op(`aten::${name}(Tensor self, SymInt[${n}] output_size, ${scales}) -> Tensor` as "aten::f(Tensor self, SymInt[3] output_size, float? scales_d=None, float? scales_h=None, float? scales_w=None) -> Tensor", {
      run: (ctx, self, size, ...given) => upsample(ctx, self, size, mode, false, given), ...(n === 1 ? {} : { quantised: "codes" }),
    }),
    op(`aten::${name}.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor` as "aten::f.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor", {
      run: (ctx, self, size, factors) => upsample(ctx, self, sizeOf(self, size, factors), mode, false, factors ?? []), ...(n === 1 ? {} : { quantised: "codes" }),
    }),
  ];
}
function smoothed(name: string, filter: Filter): Op[] {
  return [
    op(`aten::${name}(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor` as "aten::f(Tensor self, SymInt[2] output_size, bool align_corners, float? scales_h=None, float? scales_w=None) -> Tensor", {
      run: (ctx, self, size, align, h, w) => antialiased(ctx, self, size, filter, align, [h, w]),
    }),
    op(`aten::${name}.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor` as "aten::f.vec(Tensor input, SymInt[]? output_size, bool align_corners, float[]? scale_factors) -> Tensor", {
      run: (ctx, self, size, align, factors) => antialiased(ctx, self, sizeOf(self, size, factors), filter, align, factors ?? []),
    }),
  ];
}

const GRID_MODES = ["bilinear", "nearest", "bicubic"] as const;

/** `x` mirrored between `low / 2` and `high / 2` until it lies inside (at::native::reflect_coordinates). */
function reflected(x: Num, low: Num, high: Num, r: Rounding): Num {
  const span = high.sub(low).div(2);
  const away = r(x.sub(low.div(2))).abs();
  const extra = r(away.fmod(span));
  const flips = r(away.div(span)).floor();
  const inside = r(flips.fmod(2).eq(0).where(extra.add(low.div(2)), r(span.sub(extra)).add(low.div(2))));
  return low.eq(high).where(x.lit(0), inside);
}

function gridProgram(mode: (typeof GRID_MODES)[number], padding: number, align: boolean, dtype: DType, spatial: number): Program {
  return programs(`grid ${mode},${padding},${String(align)},${dtype},${spatial}`, () => {
    const type = coordinateType(dtype);
    const sizes = Array.from({ length: spatial }, (_, axis) => new Num(scalar(axis, type)));
    const place = axes(2 + spatial).slice(2);
    // Both kernels compute in the tensor's own dtype, and so round after each operation.
    const r = roundingOf(dtype);
    // The grid's last axis runs from the innermost spatial axis outwards: x, y, z.
    const raw = sizes.map((size, axis) => {
      const x = new Num(load(1, computeType(dtype), [index(0), ...place, constant(spatial - 1 - axis, "index")])).to(type);
      const shifted = r(x.add(1));
      if (spatial === 2) return align ? r(shifted.mul(r(size.sub(1).div(2)))) : r(r(shifted.mul(r(size.div(2)))).sub(0.5));
      return align ? r(r(shifted.div(2)).mul(size.sub(1))) : r(r(r(shifted.mul(size)).sub(1)).div(2));
    });
    const padded = (x: Num, size: Num): Num => {
      if (padding === 0) return x;
      const mirrored = padding === 1 ? x : align ? reflected(x, x.lit(0), size.sub(1).mul(2), r) : reflected(x, x.lit(-1), size.mul(2).sub(1), r);
      return clamped(mirrored, size);
    };
    const zero = constant(0, computeType(dtype));
    /** The element at whole coordinates; zero outside. */
    const value = (at: readonly Num[]): Num => {
      const inside = at.map((x, i) => x.ge(0).and(x.lt(sizes[i] ?? x))).reduce((a, b) => a.and(b));
      return new Num(load(0, computeType(dtype), [index(0), index(1), ...at.map(indexOf)], 0, inside.re, zero)).to(type);
    };
    const coordinates = raw.map((x, i) => padded(x, sizes[i] ?? x));
    const sumOf = (terms: readonly Num[]): Num => terms.reduce((a, b) => r(a.add(b)));
    let result: Num;
    if (mode === "nearest") result = value(coordinates.map((x) => x.rint()));
    else if (mode === "bilinear") {
      // A corner's weight is the product of its distances, x first; corners follow each other with x fastest.
      const ends = coordinates.map((x) => {
        const low = x.floor();
        const part = r(x.sub(low));
        return [{ at: low, weight: r(spatial === 2 ? part.lit(1).sub(part) : low.add(1).sub(x)) }, { at: low.add(1), weight: part }];
      });
      result = sumOf(Array.from({ length: 2 ** spatial }, (_, corner) => {
        const own = ends.map((pair, axis) => pair[(corner >> (spatial - 1 - axis)) & 1] ?? missing());
        const weight = own.map((e) => e.weight).reduceRight((a, b) => r(a.mul(b)));
        return r(value(own.map((e) => e.at)).mul(weight));
      }));
    } else {
      const taps = raw.map((x, axis) => {
        const low = x.floor();
        return cubicWeights(r(x.sub(low)), CUBIC_A, r).map((weight, k) => ({ at: padded(low.add(k - 1), sizes[axis] ?? x), weight }));
      });
      const [rows = [], columns = []] = taps;
      result = sumOf(rows.map((row) => r(sumOf(columns.map((column) => r(value([row.at, column.at]).mul(column.weight)))).mul(row.weight))));
    }
    return programOf(`grid_sampler ${mode}`, [dtype, dtype], sizes.map(() => type), dtype, outputParts(result, dtype));
  });
}

/** Samples `[N, C, ...]` at the places of a grid `[N, ..., spatial]` with coordinates from -1 to 1 (torch.nn.functional.grid_sample). */
function gridSample(ctx: Context, input: Tensor, grid: Tensor, mode: number, padding: number, align: boolean): Tensor {
  const spatial = input.rank - 2;
  const name = GRID_MODES[mode];
  if (name === undefined || (name === "bicubic" && spatial !== 2)) throw new OpwiseError("bad-argument", "grid_sampler(): bicubic interpolation only supports 4D input", { got: String(mode) });
  if (input.rank !== grid.rank || grid.shape[grid.rank - 1] !== spatial || input.shape[0] !== grid.shape[0]) {
    throw new OpwiseError("shape-mismatch", `grid_sampler(): expected grid to have size ${spatial} in last dimension and the input's batch size`, { got: `input [${input.shape.join(", ")}], grid [${grid.shape.join(", ")}]` });
  }
  if (input.dtype !== grid.dtype) throw new OpwiseError("dtype-mismatch", `grid_sampler(): expected input and grid to have same dtype, but input has ${scalarName(input.dtype)} and grid has ${scalarName(grid.dtype)}`);
  const shape = [input.shape[0] ?? 0, input.shape[1] ?? 0, ...grid.shape.slice(1, -1)];
  const [out] = compute(ctx, gridProgram(name, padding, align, input.dtype, spatial), shape, [input, grid], input.shape.slice(2));
  return out ?? input;
}

/** Codes are sampled bilinearly, in two dimensions. */
function gridSampleCodes(ctx: Context, input: Tensor, grid: Tensor, mode: number, padding: number, align: boolean): Tensor {
  if (input.rank === 5) throw withoutKernel("aten::grid_sampler_3d");
  affineOf(input, "grid_sampler");
  if (GRID_MODES[mode] !== "bilinear") throw new OpwiseError("bad-argument", "_grid_sampler_2d_cpu_quantized(): only bilinear interpolation supported", { got: String(mode) });
  if (input.dtype !== "quint8") throw new OpwiseError("unsupported-dtype", `"grid_sampler_2d_cpu_kernel_impl" not implemented for '${scalarName(input.dtype)}'`);
  return onCentred(ctx, input, (x) => gridSample(ctx, x, grid, mode, padding, align));
}

export const upsampling: readonly Op[] = [
  ...([1, 2, 3] as const).flatMap((n) => [...nearest(`upsample_nearest${n}d`, n, "nearest"), ...nearest(`_upsample_nearest_exact${n}d`, n, "nearest-exact")]),
  ...aligned("upsample_linear1d", 1, "linear"), ...aligned("upsample_bilinear2d", 2, "linear"), ...aligned("upsample_trilinear3d", 3, "linear"),
  ...aligned("upsample_bicubic2d", 2, "cubic"),
  ...smoothed("_upsample_bilinear2d_aa", "linear"), ...smoothed("_upsample_bicubic2d_aa", "cubic"), ...smoothed("_upsample_lanczos2d_aa", "lanczos"),
  op("aten::grid_sampler_2d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", { run: gridSample, quantised: gridSampleCodes }),
  op("aten::grid_sampler_3d(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", { run: gridSample }),
  op("aten::grid_sampler(Tensor input, Tensor grid, int interpolation_mode, int padding_mode, bool align_corners) -> Tensor", { run: gridSample, quantised: gridSampleCodes }),
];
