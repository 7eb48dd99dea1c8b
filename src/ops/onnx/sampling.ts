/** Sampling at given places: GridSample, AffineGrid. */

import { binary, cast, constant, type Expr, index, load, scalar, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { axes, loadParts, size, subOf } from "../aten/memo.ts";
import { outputParts } from "../elementwise.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { integersAt, type Reading, tensorAt } from "./inputs.ts";
import { multicubic, multilinear, toIndex } from "./interpolation.ts";
import { computeOf } from "./programs.ts";

const CUBIC = -0.75;
const ZERO = constant(0, "index");
const ONE = constant(1, "index");

/** A coordinate from [-1, 1] to pixels: the ends are pixel centres, or the outer edges of pixels. */
function denormalized(x: Num, length: Num, corners: boolean): Num {
  return corners ? x.add(1).div(2).mul(length.sub(1)) : x.add(1).mul(length).sub(1).div(2);
}

/** `x` mirrored at both borders until it lies between them. */
function reflected(x: Num, low: Num, high: Num): Num {
  const span = high.sub(low);
  const fold = (gap: Num, near: Num, far: Num, sign: 1 | -1): Num => {
    const turns = gap.div(span).floor();
    const rest = gap.sub(turns.mul(span)).mul(sign);
    return turns.fmod(2).eq(0).where(near.add(rest), far.sub(rest));
  };
  const single = span.le(0);
  const below = fold(low.sub(x), low, high, 1);
  const above = fold(x.sub(high), high, low, -1);
  return single.where(low, x.lt(low).where(below, x.gt(high).where(above, x)));
}

function gridSample(ctx: Context, call: OnnxCall): Tensor {
  const [x, grid] = [tensorAt(call, 0), tensorAt(call, 1)];
  const { attributes } = call;
  const mode = attributes.string("mode", call.version < 20 ? "bilinear" : "linear").replace(/^bi/, "");
  const padding = attributes.string("padding_mode", "zeros");
  const corners = attributes.int("align_corners", 0) !== 0;
  if (!["linear", "nearest", "cubic"].includes(mode))
    throw new OpwiseError("bad-onnx", `GridSample has no mode \`${mode}\``, { wanted: "linear, nearest or cubic" });
  if (!["zeros", "border", "reflection"].includes(padding))
    throw new OpwiseError("bad-onnx", `GridSample has no padding mode \`${padding}\``, { wanted: "zeros, border or reflection" });
  const n = x.rank - 2;
  if (grid.rank !== x.rank || grid.shape[grid.rank - 1] !== n)
    throw new OpwiseError("shape-mismatch", `a grid for shape [${x.shape.join(", ")}] holds ${n} coordinates per place`, { got: `[${grid.shape.join(", ")}]` });
  const shape = [x.shape[0] ?? 0, x.shape[1] ?? 0, ...grid.shape.slice(1, -1)];
  return computeOf(
    ctx,
    "grid_sample",
    `${mode},${padding},${corners}`,
    shape,
    [x, grid],
    x.dtype,
    x.shape.slice(2).map(() => "index"),
    x.shape.slice(2),
    () => {
      const [batch, channel, place] = [index(0), index(1), axes(shape.length, 2)];
      const type = computeType(grid.dtype);
      const lengths = Array.from({ length: n }, (_, i) => size(i));
      const bounds = (i: number, t: "f64"): readonly [Num, Num] => {
        const length = new Num(cast(lengths[i] ?? ONE, t));
        return corners ? [length.lit(0), length.sub(1)] : [length.lit(-0.5), length.sub(0.5)];
      };
      // The grid names the last axis first.
      const at = lengths.map((length, i) => {
        const given = new Num(load(1, type, [batch, ...place, constant(n - 1 - i, "index")]));
        const pixel = denormalized(given, new Num(cast(length, type)), corners);
        const whole = (mode === "nearest" ? pixel.rint() : pixel).to("f64");
        const [low, high] = bounds(i, "f64");
        // Cubic taps are brought inside one by one, as PyTorch and onnxruntime do.
        if (padding === "border" && mode !== "cubic") {
          const last = new Num(cast(length, "f64")).sub(1);
          return whole.lt(low).or(whole.gt(high)).where(whole.max(0).min(last), whole);
        }
        return padding === "reflection" ? reflected(whole, low, high) : whole;
      });
      const tap = (where: readonly Expr[]): Num => {
        const coordinates = where.map((e, i): Expr => {
          const last = subOf(lengths[i] ?? ONE, ONE);
          if (padding === "border") return binary("max", binary("min", e, last), ZERO);
          if (padding !== "reflection") return e;
          const [low, high] = bounds(i, "f64");
          return binary("max", binary("min", toIndex(reflected(new Num(cast(e, "f64")), low, high)), last), ZERO);
        });
        const inside = coordinates
          .map((e, i) => binary("and", binary("ge", e, ZERO), binary("lt", e, lengths[i] ?? ONE)))
          .reduce((a, b) => binary("and", a, b));
        const [re] = loadParts(0, x.dtype, [batch, channel, ...coordinates], inside);
        return new Num(re ?? constant(0, "f32")).to("f64");
      };
      const value = mode === "nearest" ? tap(at.map(toIndex)) : mode === "linear" ? multilinear(at, tap) : multicubic(at, CUBIC, tap);
      return { parts: outputParts(value, x.dtype) };
    },
  );
}

/** Coordinates `[N, ..., d]` of a sampling grid under affine maps `theta [N, d, d + 1]`. */
function* affineGrid(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const theta = tensorAt(call, 0);
  const sizes = (yield* integersAt(call, 1)) ?? [];
  const corners = call.attributes.int("align_corners", 0) !== 0;
  const spatial = sizes.slice(2);
  const n = spatial.length;
  const shape = [sizes[0] ?? 0, ...spatial, n];
  return computeOf(
    ctx,
    "affine_grid",
    String(corners),
    shape,
    [theta],
    theta.dtype,
    spatial.map(() => "f64"),
    spatial,
    () => {
      const type = computeType(theta.dtype);
      const entry = (column: number): Num => new Num(load(0, type, [index(0), index(n + 1), constant(column, "index")])).to("f64");
      let sum = entry(n);
      for (let j = 0; j < n; j++) {
        // Column j multiplies the coordinate of the j-th axis from the end.
        const axis = n - 1 - j;
        const [length, at] = [new Num(scalar(axis, "f64")), new Num(cast(index(axis + 1), "f64"))];
        const middle = at.mul(2).add(1).div(length).sub(1);
        const spread = new Num(select(length.gt(1).re, at.mul(2).div(length.sub(1)).sub(1).re, constant(corners ? -1 : 0, "f64")));
        sum = sum.add(entry(j).mul(corners ? spread : middle));
      }
      return { parts: outputParts(sum, theta.dtype) };
    },
  );
}

export const samplingOps: readonly OnnxOp[] = [onnxOp("GridSample", { 16: { run: gridSample } }), onnxOp("AffineGrid", { 20: { reads: affineGrid } })];
