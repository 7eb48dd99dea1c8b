/** Regions of pictures: NonMaxSuppression, RoiAlign, MaxRoiPool. */

import { binary, cast, constant, type Expr, type ExprType, fold, index, load, scalar, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import { empty } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { narrowed } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { forEachOffset, type Tensor, type View } from "../../tensor/tensor.ts";
import { loadIndex } from "../aten/memo.ts";
import { outputParts } from "../elementwise.ts";
import { castTo } from "./casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { floatAt, integerAt, type Reading, tensorAt } from "./inputs.ts";
import { computeOf, onHost } from "./programs.ts";

/** A box by its sides. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Any two opposite corners `y1, x1, y2, x2`, or a centre with width and height. */
function boxOf(n: ArrayLike<number>, at: number, centred: boolean): Box {
  const [a = 0, b = 0, c = 0, d = 0] = [n[at], n[at + 1], n[at + 2], n[at + 3]];
  if (centred) return { left: a - c / 2, right: a + c / 2, top: b - d / 2, bottom: b + d / 2 };
  return { top: Math.min(a, c), bottom: Math.max(a, c), left: Math.min(b, d), right: Math.max(b, d) };
}
const areaOf = (b: Box): number => (b.right - b.left) * (b.bottom - b.top);

/** Whether two boxes share more than `limit` of what they cover together. */
function overlaps(a: Box, b: Box, limit: number): boolean {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  if (!(width > 0) || !(height > 0)) return false;
  const shared = width * height;
  const [p, q] = [areaOf(a), areaOf(b)];
  return p > 0 && q > 0 && shared / (p + q - shared) > limit;
}

function numbersOf(view: View): Float32Array {
  const array = view.storage.array("f32");
  const out: number[] = [];
  forEachOffset(view.shape, view.strides, view.offset, (at) => out.push(Number(array[at] ?? 0)));
  return Float32Array.from(out);
}

/** Best boxes first; a box that overlaps a chosen one of its class too much is left out. */
function* nonMaxSuppression(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const [boxes, scores] = [castTo(ctx, tensorAt(call, 0), "float32"), castTo(ctx, tensorAt(call, 1), "float32")];
  const most = Math.max((yield* integerAt(call, 2)) ?? 0, 0);
  const limit = (yield* floatAt(call, 3)) ?? 0;
  const least = yield* floatAt(call, 4);
  const centred = call.attributes.int("center_point_box", 0) !== 0;
  const [batches = 0, count = 0] = boxes.shape;
  const classes = scores.shape[1] ?? 0;
  if (boxes.rank !== 3 || boxes.shape[2] !== 4 || scores.rank !== 3 || scores.shape[0] !== batches || scores.shape[2] !== count) {
    throw new OpwiseError("shape-mismatch", `boxes [${boxes.shape.join(", ")}] with scores [${scores.shape.join(", ")}]`, {
      wanted: "[B, N, 4] and [B, C, N]",
    });
  }
  const rows = empty(ctx, [batches * classes * Math.min(most, count), 3], "int64");
  const total = empty(ctx, [], "int64");
  onHost(ctx, "non_max_suppression", [boxes, scores], [rows, total], ([b, s], [out, number]) => {
    if (b === undefined || s === undefined || out === undefined || number === undefined) return;
    const [places, marks] = [numbersOf(b), numbersOf(s)];
    const target = out.storage.array("i64");
    let found = 0;
    for (let batch = 0; batch < batches; batch++) {
      for (let kind = 0; kind < classes; kind++) {
        const from = (batch * classes + kind) * count;
        const mark = (i: number): number => marks[from + i] ?? 0;
        const order = Array.from({ length: count }, (_, i) => i)
          .filter((i) => least === undefined || mark(i) > least)
          .sort((p, q) => mark(q) - mark(p) || p - q);
        const chosen: Box[] = [];
        for (const i of order) {
          if (chosen.length >= most) break;
          const box = boxOf(places, (batch * count + i) * 4, centred);
          if (chosen.some((other) => overlaps(box, other, limit))) continue;
          chosen.push(box);
          [batch, kind, i].forEach((value, k) => (target[out.offset + found * 3 + k] = BigInt(value)));
          found++;
        }
      }
    }
    number.storage.array("i64")[number.offset] = BigInt(found);
  });
  yield total;
  return narrowed(rows, 0, 0, Number(total.item()));
}

const f64 = (value: number): Num => new Num(constant(value, "f64"));
/** A run-time number. */
const number = (at: number): Num => new Num(scalar(at, "f64"));
const asFloat = (e: Expr): Num => new Num(cast(e, "f64"));
const asIndex = (x: Num): Expr => cast(x.re, "index");

/** Each bin is sampled at a grid of points between the pixels; the mean, or the largest weighted neighbour, is taken. */
function roiAlign(ctx: Context, call: OnnxCall): Tensor {
  const [x, rois, batches] = [tensorAt(call, 0), tensorAt(call, 1), tensorAt(call, 2)];
  const { attributes } = call;
  const mode = attributes.string("mode", "avg").toLowerCase();
  if (mode !== "avg" && mode !== "max") throw new OpwiseError("bad-onnx", `RoiAlign has no mode \`${mode}\``, { wanted: "avg or max" });
  const half = call.version >= 16 && attributes.string("coordinate_transformation_mode", "half_pixel").toLowerCase() === "half_pixel";
  const [height, width] = [attributes.int("output_height", 1), attributes.int("output_width", 1)];
  const [count = 0, channels = 0] = [rois.shape[0], x.shape[1]];
  const types: ExprType[] = ["f64", "f64", "f64", "f64", "f64", "f64"];
  const scalars = [attributes.float("spatial_scale", 1), attributes.int("sampling_ratio", 0), height, width, x.shape[2] ?? 0, x.shape[3] ?? 0];
  return computeOf(ctx, "roi_align", `${mode},${half}`, [count, channels, height, width], [x, rois, batches], x.dtype, types, scalars, () => {
    const [scale, ratio, outHeight, outWidth, inHeight, inWidth] = [number(0), number(1), number(2), number(3), number(4), number(5)];
    const batch = loadIndex(2, batches.dtype, [index(0)]);
    const side = (k: number): Num =>
      new Num(load(1, computeType(rois.dtype), [index(0), constant(k, "index")]))
        .to("f64")
        .mul(scale)
        .sub(half ? 0.5 : 0);
    const axis = (from: Num, to: Num, bins: Num, at: number): { start: Num; bin: Num; grid: Num } => {
      const span = half ? to.sub(from) : to.sub(from).max(1);
      const bin = span.div(bins);
      return { start: from.add(asFloat(index(at)).mul(bin)), bin, grid: ratio.gt(0).where(ratio, bin.ceil()) };
    };
    const [vertical, horizontal] = [axis(side(1), side(3), outHeight, 2), axis(side(0), side(2), outWidth, 3)];
    const pointOf = (a: typeof vertical, trip: Expr): Num => a.start.add(asFloat(trip).add(0.5).mul(a.bin).div(a.grid));
    /** Neighbours of a coordinate and the weight of the far one; the last pixel has none behind it. */
    const neighbours = (at: Num, length: Num): { low: Num; high: Num; far: Num } => {
      const place = at.max(0).min(length.sub(1));
      const low = place.floor();
      return { low, high: low.add(1).min(length.sub(1)), far: place.sub(low) };
    };
    const sample = (y: Num, z: Num): readonly Num[] => {
      const outside = y.lt(-1).or(y.gt(inHeight)).or(z.lt(-1)).or(z.gt(inWidth));
      const [v, h] = [neighbours(y, inHeight), neighbours(z, inWidth)];
      const one = f64(1);
      return (
        [
          [v.low, one.sub(v.far)],
          [v.high, v.far],
        ] as const
      ).flatMap(([row, a]) =>
        (
          [
            [h.low, one.sub(h.far)],
            [h.high, h.far],
          ] as const
        ).map(([column, b]) => {
          const value = new Num(load(0, computeType(x.dtype), [batch, index(1), asIndex(row), asIndex(column)])).to("f64");
          return outside.where(f64(0), a.mul(b).mul(value));
        }),
      );
    };
    const start = constant(mode === "avg" ? 0 : -Infinity, "f64");
    const [result = start] = fold(0, asIndex(vertical.grid), [start], ([outer = start], y) =>
      fold(1, asIndex(horizontal.grid), [outer], ([inner = start], z) => {
        const values = sample(pointOf(vertical, y), pointOf(horizontal, z));
        const joined = values.reduce((p, q) => (mode === "avg" ? p.add(q) : p.max(q)));
        return [(mode === "avg" ? new Num(inner).add(joined) : new Num(inner).max(joined)).re];
      }),
    );
    const points = vertical.grid.mul(horizontal.grid).max(1);
    const value = new Num(result);
    return { parts: outputParts(mode === "avg" ? value.div(points) : value.eq(-Infinity).where(f64(0), value), x.dtype) };
  });
}

/** The largest element of each bin of a region whose corners are rounded to pixels; an empty bin is 0. */
function maxRoiPool(ctx: Context, call: OnnxCall): Tensor {
  const [x, rois] = [tensorAt(call, 0), tensorAt(call, 1)];
  const [height = 1, width = 1] = call.attributes.ints("pooled_shape") ?? [];
  const types: ExprType[] = ["f64", "f64", "f64", "f64", "f64"];
  const scalars = [call.attributes.float("spatial_scale", 1), height, width, x.shape[2] ?? 0, x.shape[3] ?? 0];
  return computeOf(ctx, "max_roi_pool", "", [rois.shape[0] ?? 0, x.shape[1] ?? 0, height, width], [x, rois], x.dtype, types, scalars, () => {
    const [scale, bins, columns, inHeight, inWidth] = [number(0), number(1), number(2), number(3), number(4)];
    const entry = (k: number): Num => new Num(load(1, computeType(rois.dtype), [index(0), constant(k, "index")])).to("f64");
    // C's round: halves away from zero.
    const corner = (k: number): Num => {
      const v = entry(k).mul(scale);
      return v.lt(0).where(v.sub(0.5).ceil(), v.add(0.5).floor());
    };
    const batch = asIndex(entry(0));
    const range = (from: Num, to: Num, count: Num, at: number, length: Num): { first: Num; last: Num } => {
      const bin = to.sub(from).add(1).max(1).div(count);
      const place = asFloat(index(at));
      const cut = (v: Num): Num => v.add(from).max(0).min(length);
      return { first: cut(place.mul(bin).floor()), last: cut(place.add(1).mul(bin).ceil()) };
    };
    const [v, h] = [range(corner(2), corner(4), bins, 2, inHeight), range(corner(1), corner(3), columns, 3, inWidth)];
    const start = constant(-Infinity, "f64");
    const length = (r: typeof v): Expr => asIndex(r.last.sub(r.first).max(0));
    const [top = start] = fold(0, length(v), [start], ([outer = start], y) =>
      fold(1, length(h), [outer], ([inner = start], z) => {
        const at = [batch, index(1), binary("add", asIndex(v.first), y), binary("add", asIndex(h.first), z)];
        return [new Num(inner).max(new Num(load(0, computeType(x.dtype), at)).to("f64")).re];
      }),
    );
    return { parts: outputParts(new Num(select(new Num(top).eq(-Infinity).re, constant(0, "f64"), top)), x.dtype) };
  });
}

export const detectionOps: readonly OnnxOp[] = [
  onnxOp("NonMaxSuppression", { 10: { reads: nonMaxSuppression } }),
  onnxOp("RoiAlign", { 10: { run: roiAlign } }),
  onnxOp("MaxRoiPool", { 1: { run: maxRoiPool } }),
];
