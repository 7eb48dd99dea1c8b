/** `torch.nn.functional.interpolate` and `upsample` as old archives call them: one op that picks the mode at run time. */

import type { Context } from "../../prims/context.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { adaptive } from "./adaptive-pooling.ts";
import { antialiased, upsample } from "./upsample.ts";

type Numbers = readonly number[];

/** One value per spatial axis. */
function spread(value: number | Numbers | null, axes: number): Numbers | null {
  if (value === null) return null;
  return typeof value === "number" ? Array.from({ length: axes }, () => value) : value;
}

function interpolate(ctx: Context, x: Tensor, size: number | Numbers | null, scale: number | Numbers | null, mode: string, align: boolean | null, recompute: boolean | null, smooth = false): Tensor {
  const axes = x.rank - 2;
  if (axes < 1 || axes > 3) throw new OpwiseError("shape-mismatch", `Input Error: Only 3D, 4D and 5D input Tensors supported (got ${x.rank}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | area | nearest-exact (got ${mode})`);
  const [given, factors] = [spread(size, axes), spread(scale, axes)];
  if ((given === null) === (factors === null)) throw new OpwiseError("bad-argument", given === null ? "either size or scale_factor should be defined" : "only one of size or scale_factor should be defined");
  if (align !== null && (mode === "nearest" || mode === "nearest-exact" || mode === "area")) {
    throw new OpwiseError("bad-argument", "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear");
  }
  const out = given ?? (factors ?? []).map((f, i) => Math.floor((x.shape[i + 2] ?? 0) * f));
  if (out.length !== axes) throw new OpwiseError("shape-mismatch", `Input and output must have the same number of spatial dimensions, but got input with spatial dimensions of ${x.shape.slice(2).join(", ")} and output size of ${out.join(", ")}`);
  // The caller's factors count where recomputing is switched off; else the sizes' ratio does.
  const scales = recompute !== false || factors === null ? [] : factors;
  const wanted: Readonly<Record<string, number>> = { linear: 1, bilinear: 2, bicubic: 2, trilinear: 3 };
  if (smooth) {
    if (axes !== 2 || (mode !== "bilinear" && mode !== "bicubic")) throw new OpwiseError("bad-argument", "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input");
    return antialiased(ctx, x, out, mode === "bilinear" ? "linear" : "cubic", align ?? false, scales);
  }
  if (mode === "area") return adaptive(ctx, x, out, axes, "avg")[0] ?? x;
  if (mode === "nearest" || mode === "nearest-exact") return upsample(ctx, x, out, mode, false, scales);
  if (wanted[mode] !== axes) throw new OpwiseError("bad-argument", `Got ${x.rank}D input, but ${mode} mode needs ${(wanted[mode] ?? 0) + 2}D input`);
  return upsample(ctx, x, out, mode === "bicubic" ? "cubic" : "linear", align ?? false, scales);
}

export const interpolations: readonly Op[] = [
  op('aten::__interpolate(Tensor input, int? size=None, float? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor', {
    run: (ctx, x, size, scale, mode, align, recompute, antialias) => interpolate(ctx, x, size, scale, mode, align, recompute, antialias),
    quantised: "centred",
  }),
  op('aten::__interpolate.scale_list(Tensor input, int? size=None, float[]? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor', {
    run: (ctx, x, size, scale, mode, align, recompute, antialias) => interpolate(ctx, x, size, scale, mode, align, recompute, antialias),
    quantised: "centred",
  }),
  op('aten::__interpolate.size_list(Tensor input, int[]? size=None, float? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor', {
    run: (ctx, x, size, scale, mode, align, recompute, antialias) => interpolate(ctx, x, size, scale, mode, align, recompute, antialias),
    quantised: "centred",
  }),
  op('aten::__interpolate.size_list_scale_list(Tensor input, int[]? size=None, float[]? scale_factor=None, str mode="nearest", bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False) -> Tensor', {
    run: (ctx, x, size, scale, mode, align, recompute, antialias) => interpolate(ctx, x, size, scale, mode, align, recompute, antialias),
    quantised: "centred",
  }),
  op('aten::__upsample(Tensor input, int? size=None, int? scale_factor=None, str mode="nearest", bool? align_corners=None) -> Tensor', { run: (ctx, x, size, scale, mode, align) => interpolate(ctx, x, size, scale, mode, align, null), quantised: "centred" }),
  op('aten::__upsample.size_list(Tensor input, int[]? size=None, int? scale_factor=None, str mode="nearest", bool? align_corners=None) -> Tensor', { run: (ctx, x, size, scale, mode, align) => interpolate(ctx, x, size, scale, mode, align, null), quantised: "centred" }),
  op("aten::__upsample_nearest(Tensor input, int? size=None, int? scale_factor=None) -> Tensor", { run: (ctx, x, size, scale) => interpolate(ctx, x, size, scale, "nearest", null, null), quantised: "codes" }),
  op("aten::__upsample_nearest.size_list(Tensor input, int[]? size=None, int? scale_factor=None) -> Tensor", { run: (ctx, x, size, scale) => interpolate(ctx, x, size, scale, "nearest", null, null), quantised: "codes" }),
  op("aten::__upsample_bilinear(Tensor input, int? size=None, int? scale_factor=None) -> Tensor", { run: (ctx, x, size, scale) => interpolate(ctx, x, size, scale, "bilinear", true, null), quantised: "centred" }),
  op("aten::__upsample_bilinear.size_list(Tensor input, int[]? size=None, int? scale_factor=None) -> Tensor", { run: (ctx, x, size, scale) => interpolate(ctx, x, size, scale, "bilinear", true, null), quantised: "centred" }),
  op("aten::__upsample_bilinear.scale_list(Tensor input, int? size=None, int[]? scale_factor=None) -> Tensor", { run: (ctx, x, size, scale) => interpolate(ctx, x, size, scale, "bilinear", true, null), quantised: "centred" }),
  op("aten::__upsample_bilinear.size_list_scale_list(Tensor input, int[]? size=None, int[]? scale_factor=None) -> Tensor", { run: (ctx, x, size, scale) => interpolate(ctx, x, size, scale, "bilinear", true, null), quantised: "centred" }),
];
