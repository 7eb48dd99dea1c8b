/** Resize and Upsample: each axis in turn is a weighted sum of taps, whose places and weights follow from the sizes alone. */

import { constant, type Expr, fold, index, load, scalar, select } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { type DType, dtypeInfo } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { axes, loadParts, size } from "../aten/memo.ts";
import { outputParts } from "../elementwise.ts";
import { castTo } from "./casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, floatsOf, integersAt, maybeTensor, type Reading, tensorAt } from "./inputs.ts";
import { computeOf } from "./programs.ts";

interface Settings {
  readonly mode: string;
  readonly transform: string;
  readonly nearest: string;
  readonly cubic: number;
  readonly antialias: boolean;
  readonly excludeOutside: boolean;
  readonly extrapolation: number;
}

/** One axis to resize. `scale` may differ from the quotient of the sizes, which are rounded. */
interface Axis {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
  readonly roi: readonly [number, number];
}

/** The coordinate in the input that output position `x` stands for. */
function originalOf(x: number, a: Axis, transform: string): number {
  const exact = a.from * a.scale; // the size before it was rounded
  switch (transform) {
    case "half_pixel":
      return (x + 0.5) / a.scale - 0.5;
    case "half_pixel_symmetric":
      return (a.from / 2) * (1 - a.to / exact) + (x + 0.5) / a.scale - 0.5;
    case "pytorch_half_pixel":
      return a.to > 1 ? (x + 0.5) / a.scale - 0.5 : 0;
    case "tf_half_pixel_for_nn":
      return (x + 0.5) / a.scale;
    case "align_corners":
      return exact !== 1 ? (x * (a.from - 1)) / (exact - 1) : 0;
    case "asymmetric":
      return x / a.scale;
    case "tf_crop_and_resize":
      return a.to !== 1 ? a.roi[0] * (a.from - 1) + (x * (a.roi[1] - a.roi[0]) * (a.from - 1)) / (a.to - 1) : 0.5 * (a.roi[0] + a.roi[1]) * (a.from - 1);
    default:
      throw new OpwiseError("bad-onnx", `Resize has no coordinate transformation \`${transform}\``);
  }
}

function nearestOf(x: number, mode: string, scale: number): number {
  switch (mode) {
    case "simple":
      return scale < 1 ? Math.ceil(x) : Math.floor(x);
    case "round_prefer_floor":
      return Math.ceil(x - 0.5);
    case "round_prefer_ceil":
      return Math.floor(x + 0.5);
    case "floor":
      return Math.floor(x);
    case "ceil":
      return Math.ceil(x);
    default:
      throw new OpwiseError("bad-onnx", `Resize has no nearest mode \`${mode}\``);
  }
}

/** The kernels of interpolation by distance. */
function weightOf(distance: number, s: Settings): number {
  const x = Math.abs(distance);
  if (s.mode === "linear") return Math.max(0, 1 - x);
  if (x < 1) return ((s.cubic + 2) * x - (s.cubic + 3)) * x * x + 1;
  return x < 2 ? s.cubic * (((x - 5) * x + 8) * x - 4) : 0;
}

interface Taps {
  readonly places: Int32Array;
  readonly weights: Float64Array;
  readonly outside: Uint8Array;
  readonly count: number;
}

/** Places and weights of the taps of every output position of an axis. */
function tapsOf(a: Axis, s: Settings): Taps {
  const reach = s.mode === "nearest" ? 0 : s.mode === "linear" ? 1 : 2;
  // Antialiasing widens the kernel by the factor of the reduction.
  const stretch = s.antialias && reach > 0 ? Math.max(1, 1 / a.scale) : 1;
  const count = reach === 0 ? 1 : Math.ceil(2 * reach * stretch) + (stretch > 1 ? 1 : 0);
  const places = new Int32Array(a.to * count);
  const weights = new Float64Array(a.to * count);
  const outside = new Uint8Array(a.to);
  for (let i = 0; i < a.to; i++) {
    const x = Math.fround(originalOf(i, a, s.transform)); // single precision decides which side of a pixel it falls on
    if (s.transform === "tf_crop_and_resize" && (x < 0 || x > a.from - 1)) outside[i] = 1;
    if (reach === 0) {
      places[i] = Math.min(Math.max(nearestOf(x, s.nearest, a.scale), 0), a.from - 1);
      weights[i] = 1;
      continue;
    }
    const first = stretch > 1 ? Math.floor(x - reach * stretch) + 1 : Math.floor(x) - reach + 1;
    let total = 0;
    for (let k = 0; k < count; k++) {
      const at = first + k;
      const drop = s.excludeOutside && (at < 0 || at >= a.from);
      const weight = drop ? 0 : weightOf((x - at) / stretch, s);
      places[i * count + k] = Math.min(Math.max(at, 0), a.from - 1);
      weights[i * count + k] = weight;
      total += weight;
    }
    if ((s.excludeOutside || stretch > 1) && total !== 0) for (let k = 0; k < count; k++) weights[i * count + k] = (weights[i * count + k] ?? 0) / total;
  }
  return { places, weights, outside, count };
}

/** As many as cubic interpolation has. */
const UNROLLED_TAPS = 4;

/** One axis resized; the result is `dtype`. */
function along(ctx: Context, x: Tensor, axis: number, a: Axis, s: Settings, dtype: DType): Tensor {
  const taps = tapsOf(a, s);
  const shape = x.shape.map((n, i) => (i === axis ? a.to : n));
  const places = Tensor.from(taps.places, [a.to, taps.count], "int32");
  const crops = s.transform === "tf_crop_and_resize";
  const outside = Tensor.from(taps.outside, [a.to], "bool");
  const value = (type: ReturnType<typeof computeType>): Expr => new Num(scalar(1, "f64")).to(type).re;
  if (s.mode === "nearest") {
    return computeOf(ctx, "resize_nearest", `${axis},${crops}`, shape, [x, places, outside], dtype, ["index", "f64"], [taps.count, s.extrapolation], () => {
      const here = axes(x.rank);
      const at = new Num(load(1, "i32", [index(axis), constant(0, "index")])).to("index").re;
      const parts = loadParts(
        0,
        x.dtype,
        here.map((e, i) => (i === axis ? at : e)),
      );
      return { parts: crops ? parts.map((e) => select(load(2, "bool", [index(axis)]), value(e.type), e)) : parts };
    });
  }
  const weights = Tensor.from(taps.weights, [a.to, taps.count], "float64");
  // Few taps are written out: their places and weights are then read as far out as the axis allows.
  const unrolled = taps.count <= UNROLLED_TAPS ? taps.count : 0;
  return computeOf(
    ctx,
    "resize",
    `${axis},${crops},${s.antialias},${unrolled}`,
    shape,
    [x, places, outside, weights],
    dtype,
    ["index", "f64"],
    [taps.count, s.extrapolation],
    () => {
      const here = axes(x.rank);
      const zero = constant(0, "f64");
      const added = (so: Expr, tap: Expr): Expr => {
        const at = new Num(load(1, "i32", [index(axis), tap])).to("index").re;
        const weight = new Num(load(3, "f64", [index(axis), tap]));
        const v = new Num(
          load(
            0,
            computeType(x.dtype),
            here.map((e, i) => (i === axis ? at : e)),
          ),
        ).to("f64");
        return new Num(so).add(v.mul(weight)).re;
      };
      let sum: Expr = zero;
      if (unrolled === 0) [sum = zero] = fold(0, size(0), [zero], ([so = zero], trip) => [added(so, trip)]);
      for (let tap = 0; tap < unrolled; tap++) sum = added(sum, constant(tap, "index"));
      const result = new Num(crops ? select(load(2, "bool", [index(axis)]), scalar(1, "f64"), sum) : sum);
      // Integers are cut off, as onnxruntime and the reference evaluator do; onnxruntime's antialiased pictures are rounded.
      return { parts: outputParts(s.antialias && dtypeInfo(dtype).class === "int" ? result.rint() : result, dtype) };
    },
  );
}

/** All listed axes resized, in double precision between the first and the last. */
function resized(ctx: Context, x: Tensor, sizes: readonly (Axis | undefined)[], s: Settings): Tensor {
  const todo = sizes.flatMap((a, axis) => (a === undefined ? [] : [{ a, axis }]));
  if (s.mode === "nearest") return todo.reduce((t, { a, axis }) => along(ctx, t, axis, a, s, t.dtype), x);
  let value = x;
  todo.forEach(({ a, axis }, k) => {
    value = along(ctx, value, axis, a, s, k === todo.length - 1 ? x.dtype : "float64");
  });
  return castTo(ctx, value, x.dtype);
}

function settingsOf(call: OnnxCall, transform: string, nearest: string): Settings {
  const { attributes } = call;
  const mode = attributes.string("mode", "nearest");
  if (!["nearest", "linear", "bilinear", "cubic"].includes(mode))
    throw new OpwiseError("bad-onnx", `Resize has no mode \`${mode}\``, { wanted: "nearest, linear or cubic" });
  return {
    mode: mode === "bilinear" ? "linear" : mode,
    transform,
    nearest,
    cubic: attributes.float("cubic_coeff_a", -0.75),
    antialias: attributes.int("antialias", 0) !== 0,
    excludeOutside: attributes.int("exclude_outside", 0) !== 0,
    extrapolation: attributes.float("extrapolation_value", 0),
  };
}

/** Numbers of input `at`; an empty tensor counts as left out. */
function* numbersAt(call: OnnxCall, at: number): Reading<readonly number[] | undefined> {
  const t = maybeTensor(call, at);
  if (t === undefined || t.numel === 0) return undefined;
  yield t;
  return floatsOf(t);
}

/** Sizes that keep the aspect ratio: the smallest or largest scale goes for all axes. */
function keptRatio(x: Tensor, chosen: readonly number[], sizes: readonly number[], policy: string): { readonly sizes: number[]; readonly scales: number[] } {
  const each = chosen.map((axis, i) => (sizes[i] ?? 1) / (x.shape[axis] ?? 1));
  if (policy === "stretch") return { sizes: [...sizes], scales: each };
  const scale = policy === "not_larger" ? Math.min(...each) : Math.max(...each);
  return { sizes: chosen.map((axis) => Math.floor(scale * (x.shape[axis] ?? 1) + 0.5)), scales: each.map(() => scale) };
}

function* resize(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const { attributes } = call;
  const s = settingsOf(call, attributes.string("coordinate_transformation_mode", "half_pixel"), attributes.string("nearest_mode", "round_prefer_floor"));
  const chosen = (attributes.ints("axes") ?? x.shape.map((_, i) => i)).map((a) => axisOf(a, x.rank));
  const roi = yield* numbersAt(call, 1);
  const given = yield* numbersAt(call, 2);
  const wanted = yield* integersAt(call, 3);
  const crops = s.transform === "tf_crop_and_resize";
  const part = (i: number): readonly [number, number] => (crops && roi !== undefined ? [roi[i] ?? 0, roi[i + chosen.length] ?? 1] : [0, 1]);
  let sizes: readonly number[];
  let scales: readonly number[];
  if (wanted !== undefined && wanted.length > 0) ({ sizes, scales } = keptRatio(x, chosen, wanted, attributes.string("keep_aspect_ratio_policy", "stretch")));
  else if (given !== undefined) {
    scales = given;
    sizes = chosen.map((axis, i) => Math.floor(Math.fround((x.shape[axis] ?? 1) * (given[i] ?? 1)))); // the region does not count, in the reference and elsewhere
  } else throw new OpwiseError("bad-onnx", "Resize needs scales or sizes");
  if (sizes.length !== chosen.length || scales.length !== chosen.length)
    throw new OpwiseError("shape-mismatch", "Resize needs one scale or size per axis", { wanted: String(chosen.length), got: String(sizes.length) });
  return resized(ctx, x, axesOf(x, chosen, sizes, scales, part, crops), s);
}

/** The axes that change. */
function axesOf(
  x: Tensor,
  chosen: readonly number[],
  sizes: readonly number[],
  scales: readonly number[],
  roi: (i: number) => readonly [number, number],
  crops: boolean,
): (Axis | undefined)[] {
  return x.shape.map((from, axis): Axis | undefined => {
    const i = chosen.indexOf(axis);
    if (i < 0) return undefined;
    const to = sizes[i] ?? from;
    const scale = scales[i] ?? 1;
    const part = roi(i);
    return to === from && scale === 1 && (!crops || (part[0] === 0 && part[1] === 1)) ? undefined : { from, to, scale, roi: part };
  });
}

/** Upsample and the first Resize: positions are scaled plainly; the nearest is below where sizes grow, above where they shrink (as onnxruntime has it). */
function* upsample(ctx: Context, call: OnnxCall): Reading<Tensor> {
  const x = tensorAt(call, 0);
  const { attributes } = call;
  const legacy =
    attributes.has("height_scale") || attributes.has("width_scale")
      ? [1, 1, attributes.float("height_scale", 1), attributes.float("width_scale", 1)]
      : undefined;
  const scales = legacy ?? attributes.floats("scales") ?? (yield* numbersAt(call, 1));
  if (scales === undefined || scales.length !== x.rank)
    throw new OpwiseError("bad-onnx", "one scale per axis is needed", { wanted: String(x.rank), got: String(scales?.length ?? 0) });
  const all = x.shape.map((_, i) => i);
  const sizes = x.shape.map((n, i) => Math.floor(Math.fround(n * (scales[i] ?? 1))));
  return resized(
    ctx,
    x,
    axesOf(x, all, sizes, scales, () => [0, 1], false),
    settingsOf(call, "asymmetric", "simple"),
  );
}

export const resizeOps: readonly OnnxOp[] = [
  onnxOp("Resize", { 10: { reads: upsample }, 11: { reads: resize } }),
  onnxOp("Upsample", { 1: { reads: upsample } }),
];
