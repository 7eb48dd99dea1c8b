/** Between reals and codes: QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. Scales lie per tensor, per axis or per block. */

import { constant, index } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { type DType, dtypeInfo, isFloat } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Shape } from "../../tensor/shape.ts";
import { type Tensor, viewOf } from "../../tensor/tensor.ts";
import { extremum } from "../aten/reduction.ts";
import { filled } from "../aten/filling.ts";
import { axes, loadParts, quotOf, size } from "../aten/memo.ts";
import { convertedNum, DEFAULT_CAST } from "./casts.ts";
import { type OnnxCall, type OnnxOp, onnxOp } from "./define.ts";
import { axisOf, dtypeOfCode, maybeTensor, tensorAt } from "./inputs.ts";
import { alongAxis } from "./layout.ts";
import { computeOf, mapOf } from "./programs.ts";

const f64 = (value: number): Num => new Num(constant(value, "f64"));

/** Lowest and highest code of an integer dtype. */
export function codeRange(dtype: DType): readonly [number, number] {
  const { bits, signed } = dtypeInfo(dtype);
  return signed ? [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1] : [0, 2 ** bits - 1];
}

/** A whole number (f64) as the nearest code of `dtype`. */
export function codeOf(whole: Num, dtype: DType): Num {
  const [low, high] = codeRange(dtype);
  return whole.max(low).min(high).to(computeType(dtype));
}

/** `t` (a scale or zero point) so that it broadcasts to `shape`: one number, a vector along `axis`, or blocks of `block` along it. */
export function spread(ctx: Context, t: Tensor, shape: Shape, axis: number, block: number): Tensor {
  if (t.numel === 1 && t.rank < 2) return viewOf(t, [], [], t.offset);
  const at = axisOf(axis, shape.length);
  if (t.rank === 1 && block === 0) {
    if (t.shape[0] !== shape[at]) throw new OpwiseError("shape-mismatch", `a scale or zero point of ${t.shape[0]} elements along axis ${at} of size ${shape[at]}`);
    return alongAxis(t, at, shape.length);
  }
  if (t.rank !== shape.length) throw new OpwiseError("shape-mismatch", "a blocked scale or zero point has the rank of the input", { wanted: `rank ${shape.length}`, got: `shape [${t.shape.join(", ")}]` });
  const length = block > 0 ? block : Math.ceil((shape[at] ?? 1) / (t.shape[at] ?? 1));
  if (t.shape.some((s, i) => s !== (i === at ? Math.ceil((shape[i] ?? 0) / length) : shape[i]))) {
    throw new OpwiseError("shape-mismatch", `a scale or zero point of shape [${t.shape.join(", ")}] does not fit blocks of ${length} along axis ${at}`, { got: `input of shape [${shape.join(", ")}]` });
  }
  return computeOf(ctx, "spread_blocks", String(at), shape, [t], t.dtype, ["index"], [length], () => ({ parts: loadParts(0, t.dtype, axes(shape.length).map((e, i) => (i === at ? quotOf(index(i), size(0)) : e))) }));
}

export interface Quantisation {
  readonly axis: number;
  readonly block: number;
  readonly saturate: boolean;
  /** Float dtype that the division is rounded in. */
  readonly precision: DType;
}

/** `x / scale`, rounded to nearest even, plus the zero point, cut to the range of `dtype`. */
export function quantised(ctx: Context, x: Tensor, scale: Tensor, zero: Tensor | undefined, dtype: DType, how: Quantisation): Tensor {
  const place = (t: Tensor): Tensor => spread(ctx, t, x.shape, how.axis, how.block);
  const operands = [x, place(scale), ...(zero === undefined ? [] : [place(zero)])];
  const { precision, saturate } = how;
  return mapOf(ctx, `quantize ${precision} ${saturate}`, operands, dtype, (v, s, z = f64(0)) => {
    const type = precision === "float64" ? "f64" : "f32";
    const ratio = v.to(type).div(s.to(type));
    const rounded = precision === "float16" || precision === "bfloat16" ? ratio.round(precision) : ratio;
    if (isFloat(dtype)) return convertedNum(rounded.add(z.to(type)), dtype, { ...DEFAULT_CAST, saturate });
    return codeOf(rounded.to("f64").rint().add(z.to("f64")), dtype);
  });
}

/** `(x - zero) * scale` in `dtype`. */
export function dequantised(ctx: Context, x: Tensor, scale: Tensor, zero: Tensor | undefined, dtype: DType, axis: number, block: number): Tensor {
  const place = (t: Tensor): Tensor => spread(ctx, t, x.shape, axis, block);
  const operands = [x, place(scale), ...(zero === undefined ? [] : [place(zero)])];
  return mapOf(ctx, "dequantize", operands, dtype, (v, s, z) => {
    const type = dtype === "float64" ? "f64" : "f32";
    const gap = z === undefined ? v.to("f64") : v.to("f64").sub(z.to("f64"));
    return gap.to(type).mul(s.to(type));
  });
}

const asked = (call: OnnxCall, name: string): DType | undefined => {
  const code = call.attributes.int(name, 0);
  return code === 0 ? undefined : dtypeOfCode(code);
};

export function quantizeLinear(ctx: Context, call: OnnxCall): Tensor {
  const [x, scale, zero] = [tensorAt(call, 0), tensorAt(call, 1), maybeTensor(call, 2)];
  const wanted = asked(call, "output_dtype");
  if (wanted !== undefined && zero !== undefined && wanted !== zero.dtype) throw new OpwiseError("dtype-mismatch", "`output_dtype` differs from the zero point's dtype", { wanted: zero.dtype, got: wanted });
  // A scale that is a bare power of two says nothing of the precision to divide in.
  const precision = asked(call, "precision") ?? (scale.dtype === "float8_e8m0fnu" || !isFloat(scale.dtype) ? (isFloat(x.dtype) ? x.dtype : "float32") : scale.dtype);
  return quantised(ctx, x, scale, zero, zero?.dtype ?? wanted ?? "uint8", {
    axis: call.attributes.int("axis", 1), block: call.attributes.int("block_size", 0), saturate: call.attributes.int("saturate", 1) !== 0, precision,
  });
}

export function dequantizeLinear(ctx: Context, call: OnnxCall): Tensor {
  const [x, scale] = [tensorAt(call, 0), tensorAt(call, 1)];
  const dtype = asked(call, "output_dtype") ?? (scale.dtype === "float8_e8m0fnu" ? "float32" : scale.dtype);
  return dequantised(ctx, x, scale, maybeTensor(call, 2), dtype, call.attributes.int("axis", 1), call.attributes.int("block_size", 0));
}

/** Codes 0 to 255 over the range of `x`, which is widened to hold 0: codes, scale, zero point. */
export function dynamicallyQuantised(ctx: Context, x: Tensor): [Tensor, Tensor, Tensor] {
  const bound = (largest: boolean): Tensor => (x.numel === 0 ? filled(ctx, [], x.dtype, { kind: "int", value: 0 }) : extremum(ctx, x, null, false, largest));
  const [low, high] = [bound(false), bound(true)];
  const scale = mapOf(ctx, "dynamic_scale", [low, high], x.dtype, (a, b) => {
    const span = b.max(0).sub(a.min(0));
    return span.eq(0).where(span.lit(1), span).div(255);
  });
  const zero = mapOf(ctx, "dynamic_zero", [low, scale], "uint8", (a, s) => codeOf(a.min(0).neg().div(s).max(0).min(255).rint().to("f64"), "uint8"));
  return [quantised(ctx, x, scale, zero, "uint8", { axis: 0, block: 0, saturate: true, precision: x.dtype }), scale, zero];
}

export const quantizationOps: readonly OnnxOp[] = [
  onnxOp("QuantizeLinear", { 10: { run: quantizeLinear } }),
  onnxOp("DequantizeLinear", { 10: { run: dequantizeLinear } }),
  onnxOp("DynamicQuantizeLinear", { 11: { run: (ctx, call) => dynamicallyQuantised(ctx, tensorAt(call, 0)) } }),
];
