/**
 * Products of codes (PyTorch: quantized::linear, linear_dynamic, matmul): exact in int32, then requantised as FBGEMM does, in single
 * precision. Dynamic forms choose the input's scale from its range; half-precision forms round the weight alone.
 */

import { arg, type Expr, scalar } from "../../expr/expr.ts";
import { Num } from "../../expr/num.ts";
import type { Datum } from "../../ir/datum.ts";
import { contract, copyOf } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { computeType } from "../../prims/program.ts";
import { reshaped, shapeView, transposed, unsqueezed } from "../../prims/views.ts";
import { type DType } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { type Quantizer, type Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { linear as numberLinear } from "../aten/products.ts";
import { chosen } from "./choose.ts";
import { affineOf, along, codeNum, factorCodes, f32, mapOne, numOf, once, perTensor, quantised, quantizerOf, saturated } from "./codes.ts";
import { linearParams, type LinearParams, packLinear } from "./packed.ts";

/** What follows a product of codes. */
export interface Finish {
  /** Scale of the input: a number, or a 0-dim float32 tensor. */
  readonly inputScale: number | Tensor;
  readonly weight: Quantizer;
  readonly bias: Tensor | null;
  /** The products' axis of output channels, along which the bias and the weight's scales lie. */
  readonly axis: number;
  /** Codes of this scale, or numbers. */
  readonly output: { readonly scale: number | Tensor; readonly zeroPoint: number | Tensor; readonly dtype: DType } | undefined;
  readonly activation: "none" | "relu" | "tanh" | { readonly slope: number };
}

/** Applies scales, bias and activation to exact sums of products. */
export function finished(ctx: Context, sums: Tensor, how: Finish): Tensor {
  const { weight, bias, axis, output, inputScale, activation } = how;
  const operands: Tensor[] = [sums];
  const scalars: number[] = [];
  const perChannel = weight.scheme !== "per_tensor_affine";
  const leaky = typeof activation === "object";
  const kinds = [
    perChannel ? weight.scales.dtype : "",
    bias?.dtype ?? "",
    typeof inputScale === "number",
    typeof output?.scale,
    output?.dtype ?? "float",
    leaky ? "leaky" : activation,
  ].join();
  const slots: Expr[] = [];
  const operand = (t: Tensor): Num => {
    operands.push(t);
    return numOf(arg(operands.length - 1, computeType(t.dtype))).to("f32");
  };
  const number = (x: number): Num => {
    scalars.push(f32(x));
    slots.push(scalar(scalars.length - 1, "f32"));
    return numOf(scalar(scalars.length - 1, "f32"));
  };
  const input = typeof inputScale === "number" ? number(inputScale) : operand(inputScale);
  const weightScale = perChannel ? operand(along(weight.scales, axis, sums.rank)) : number(weight.scale);
  const shift = bias === null ? undefined : operand(along(bias, axis, sums.rank));
  const either = (x: number | Tensor): Num => (typeof x === "number" ? number(x) : operand(x));
  const outScale = either(output?.scale ?? 1);
  const zero = either(output?.zeroPoint ?? 0);
  const slope = leaky ? number(activation.slope) : undefined;
  const program = once(`finish,${sums.dtype},${kinds}`, () => {
    const sum = numOf(arg(0, computeType(sums.dtype))).to("f32");
    const both = input.mul(weightScale);
    let parts: Num;
    if (output === undefined) {
      const value = shift === undefined ? sum.mul(both) : sum.mul(both).add(shift);
      parts = activation === "relu" ? value.max(0) : value;
    } else if (leaky || activation === "tanh") {
      const value = shift === undefined ? sum.mul(both) : sum.mul(both).add(shift);
      const active = slope === undefined ? value.apply("tanh") : value.gt(0).where(value, value.mul(slope));
      parts = codeNum(active, new Num(outScale.re).reciprocal(), zero, output.dtype, "fused");
    } else {
      const raised = shift === undefined ? sum : sum.add(perChannel ? shift.div(both) : shift.mul(both.reciprocal()));
      const whole = raised.mul(both.div(outScale)).rint().to("f64").add(zero.to("f64"));
      parts = saturated(activation === "relu" ? whole.max(zero.to("f64")) : whole, output.dtype);
    }
    return {
      name: "requantize",
      operands: operands.map((t) => t.dtype),
      scalars: scalars.map(() => "f32" as const),
      outputs: [{ dtype: output?.dtype ?? "float32", parts: [parts.re] }],
    };
  });
  const out = mapOne(ctx, program, operands, scalars);
  if (typeof output?.scale === "number" && typeof output.zeroPoint === "number") out.quantizer = perTensor(output.scale, output.zeroPoint);
  return out;
}

/** Codes of `x` less their zero point, and the scale that was chosen from its range. */
export function dynamicCodes(ctx: Context, x: Tensor, reduceRange: boolean): { readonly codes: Tensor; readonly scale: Tensor; readonly zeroPoint: Tensor } {
  const [scale, zero] = chosen(ctx, x, 0, reduceRange ? 127 : 255);
  const program = once("quantize_dynamic", () => {
    const z = numOf(arg(2, "i32"));
    const inverse = numOf(arg(1, "f32")).reciprocal();
    return {
      name: "quantize_dynamic",
      operands: ["float32", "float32", "int32"],
      scalars: [],
      outputs: [
        {
          dtype: "int16",
          parts: [
            codeNum(numOf(arg(0, "f32")), inverse, z, "quint8", "fused")
              .to("i32")
              .sub(z)
              .to("i16").re,
          ],
        },
      ],
    };
  });
  return { codes: mapOne(ctx, program, [x, scale, zero]), scale, zeroPoint: zero };
}

/** `x [..., K]` by `w [N, K]`, both centred codes: int32 `[M, N]` and the shape that it stands for. */
function product(ctx: Context, x: Tensor, w: Tensor): { readonly sums: Tensor; readonly shape: number[] } {
  const [n = 0, k = 0] = w.shape;
  if (x.rank < 1) throw new OpwiseError("shape-mismatch", "The dimension of input tensor should be larger than 0");
  if (x.shape[x.rank - 1] !== k) {
    throw new OpwiseError("shape-mismatch", `The number of columns in the packed weight should be equal to K: ${k}`, {
      got: `an input of shape [${x.shape.join(", ")}]`,
    });
  }
  const rows = reshaped(ctx, x, [x.shape.slice(0, -1).reduce((a, b) => a * b, 1), k]);
  const sums = contract(ctx, unsqueezed(rows, 0), unsqueezed(transposed(w, 0, 1), 0), "int32");
  return { sums: shapeView(sums, [rows.shape[0] ?? 0, n]) ?? sums, shape: [...x.shape.slice(0, -1), n] };
}

/** A result `[M, N]` in the shape of its rows. */
function shaped(ctx: Context, t: Tensor, shape: readonly number[]): Tensor {
  return reshaped(ctx, t, shape);
}

function needsFloat(x: Tensor): void {
  if (x.dtype !== "float32") throw new OpwiseError("dtype-mismatch", "expected scalar type Float", { got: x.dtype });
}

/** quantized::linear and its fused forms: codes in, codes out. */
function staticLinear(ctx: Context, x: Tensor, packed: Datum, scale: number, zeroPoint: number, activation: Finish["activation"]): Tensor {
  const { weight, bias } = linearParams(packed);
  const { scale: inputScale } = affineOf(x, "quantized::linear");
  if (x.dtype !== "quint8") throw new OpwiseError("dtype-mismatch", "Expected data type QUInt8 for the input of quantized::linear", { got: x.dtype });
  const { sums, shape } = product(ctx, factorCodes(ctx, x), factorCodes(ctx, weight));
  return shaped(
    ctx,
    finished(ctx, sums, { inputScale, weight: quantizerOf(weight), bias, axis: 1, output: { scale, zeroPoint, dtype: "quint8" }, activation }),
    shape,
  );
}

/** quantized::linear_dynamic: numbers in and out. */
export function dynamicLinear(ctx: Context, x: Tensor, { weight, bias }: LinearParams, reduceRange: boolean, relu: boolean = false): Tensor {
  needsFloat(x);
  const { codes, scale } = dynamicCodes(ctx, x, reduceRange);
  const { sums, shape } = product(ctx, codes, factorCodes(ctx, weight));
  return shaped(
    ctx,
    finished(ctx, sums, { inputScale: scale, weight: quantizerOf(weight), bias, axis: 1, output: undefined, activation: relu ? "relu" : "none" }),
    shape,
  );
}

const HALF_MAX = 65504;
/** Numbers rounded to half precision, which larger ones are cut to. */
export function halved(ctx: Context, weight: Tensor): Tensor {
  const program = once("half_weight", () => ({
    name: "half_weight",
    operands: ["float32"],
    scalars: [],
    outputs: [{ dtype: "float32", parts: [numOf(arg(0, "f32")).max(-HALF_MAX).min(HALF_MAX).round("float16").re] }],
  }));
  return mapOne(ctx, program, [weight]);
}

const relu = (ctx: Context, x: Tensor): Tensor => {
  const program = once("relu", () => ({
    name: "relu",
    operands: ["float32"],
    scalars: [],
    outputs: [{ dtype: "float32", parts: [numOf(arg(0, "f32")).max(0).re] }],
  }));
  return mapOne(ctx, program, [x]);
};

/** quantized::linear_dynamic_fp16: numbers by a weight of half precision. */
export function halfLinear(ctx: Context, x: Tensor, { weight, bias }: LinearParams, activated: boolean = false): Tensor {
  needsFloat(x);
  const out = numberLinear(ctx, x, halved(ctx, weight), bias);
  return activated ? relu(ctx, out) : out;
}

/** quantized::matmul of codes with one scale each: int sums, requantised. */
function matmul(ctx: Context, a: Tensor, b: Tensor, scale: number, zeroPoint: number): Tensor {
  const [p, q] = [affineOf(a, "matmul"), affineOf(b, "matmul")];
  if (a.dtype !== b.dtype) throw new OpwiseError("dtype-mismatch", "MatMul operands should have same data type.");
  if (a.rank !== b.rank || a.rank < 2)
    throw new OpwiseError("shape-mismatch", `MatMul operands should have the same dimensionality. (${a.rank} and ${b.rank} provided)`);
  const lead = a.shape.slice(0, -2);
  const [m = 0, k = 0] = a.shape.slice(-2);
  const n = b.shape[b.rank - 1] ?? 0;
  const batch = lead.reduce((x, y) => x * y, 1);
  const sums = contract(ctx, reshaped(ctx, factorCodes(ctx, a), [batch, m, k]), reshaped(ctx, factorCodes(ctx, b), [batch, k, n]), "int32");
  const program = once(`requantize_product,${a.dtype}`, () => ({
    name: "requantize",
    operands: ["int32"],
    scalars: ["f32", "f32"],
    outputs: [
      {
        dtype: a.dtype,
        parts: [
          saturated(
            numOf(arg(0, "i32"))
              .to("f32")
              .mul(numOf(scalar(0, "f32")))
              .rint()
              .to("f64")
              .add(numOf(scalar(1, "f32")).to("f64")),
            a.dtype,
          ).re,
        ],
      },
    ],
  }));
  const out = mapOne(ctx, program, [sums], [f32(f32(f32(p.scale) * f32(q.scale)) / f32(scale)), zeroPoint]);
  out.quantizer = perTensor(scale, zeroPoint);
  return shaped(ctx, out, [...lead, m, n]);
}

const PACKED = "__torch__.torch.classes.quantized.LinearPackedParamsBase";

/** The same codes with scales in single precision, as packing keeps them. */
export function withSingleScales(ctx: Context, weight: Tensor): Tensor {
  const q = quantizerOf(weight);
  const kept = viewOf(weight, weight.shape, weight.strides, weight.offset);
  kept.quantizer =
    q.scheme === "per_tensor_affine" ? { ...q, scale: f32(q.scale) } : { ...q, scales: copyOf(ctx, copyOf(ctx, q.scales, "float32"), "float64") };
  return kept;
}

function prepack(ctx: Context, weight: Tensor, bias: Tensor | null): Datum {
  if (weight.rank !== 2) throw new OpwiseError("shape-mismatch", "The weight tensor for quantized::linear_prepack (fbgemm) should be 2-dimensional.");
  if (weight.dtype !== "qint8") throw new OpwiseError("dtype-mismatch", "quantized::linear_prepack: the weight is of type QInt8", { got: weight.dtype });
  return packLinear(quantizerOf(weight).scheme === "per_tensor_affine" ? weight : withSingleScales(ctx, weight), bias);
}

/** The input quantised with given parameters, multiplied, and left as numbers. */
function quantisedInput(ctx: Context, x: Tensor, scale: number, zeroPoint: number, packed: Datum, activated: boolean): Tensor {
  const { weight, bias } = linearParams(packed);
  const { sums, shape } = product(ctx, factorCodes(ctx, quantised(ctx, x, "quint8", perTensor(scale, zeroPoint))), factorCodes(ctx, weight));
  return shaped(
    ctx,
    finished(ctx, sums, { inputScale: scale, weight: quantizerOf(weight), bias, axis: 1, output: undefined, activation: activated ? "relu" : "none" }),
    shape,
  );
}

export const quantizedProducts: readonly Op[] = [
  op(`quantized::linear_prepack(Tensor W, Tensor? B=None) -> ${PACKED} W_prepack`, { run: prepack, quantised: "own" }),
  op(`_quantized::linear_prepack(Tensor W, Tensor? B=None) -> ${PACKED} W_prepack`, { run: prepack, quantised: "own" }),
  op(`quantized::linear_prepack_fp16(Tensor W, Tensor? B=None) -> ${PACKED} W_prepack`, { run: (ctx, w, b) => packLinear(halved(ctx, w), b) }),
  op(`_quantized::linear_prepack_fp16(Tensor W, Tensor? B=None) -> ${PACKED} W_prepack`, { run: (ctx, w, b) => packLinear(halved(ctx, w), b) }),
  ...(["linear_unpack", "linear_unpack_fp16"] as const).map((name) =>
    op(
      `quantized::${name}(${PACKED} W_prepack) -> (Tensor W_origin, Tensor? B_origin)` as "quantized::linear_unpack(P W_prepack) -> (Tensor W_origin, Tensor? B_origin)",
      {
        run: (_ctx, packed) => {
          const { weight, bias } = linearParams(packed);
          return [weight, bias];
        },
      },
    ),
  ),
  ...["quantized", "_quantized"].map((ns) =>
    op(
      `${ns}::linear(Tensor X, ${PACKED} W_prepack, float Y_scale_i, int Y_zero_point_i) -> Tensor Y` as "quantized::linear(Tensor X, P W_prepack, float Y_scale_i, int Y_zero_point_i) -> Tensor Y",
      {
        run: (ctx, x, packed, scale, zero) => staticLinear(ctx, x, packed, scale, zero, "none"),
        quantised: "own",
      },
    ),
  ),
  op(`quantized::linear_relu(Tensor X, ${PACKED} W_prepack, float Y_scale_i, int Y_zero_point_i) -> Tensor Y`, {
    run: (ctx, x, packed, scale, zero) => staticLinear(ctx, x, packed, scale, zero, "relu"),
    quantised: "own",
  }),
  op(`quantized::linear_tanh(Tensor X, ${PACKED} W_prepack, float Y_scale_i, int Y_zero_point_i) -> Tensor Y`, {
    run: (ctx, x, packed, scale, zero) => staticLinear(ctx, x, packed, scale, zero, "tanh"),
    quantised: "own",
  }),
  op(`quantized::linear_leaky_relu(Tensor X, ${PACKED} W_prepack, float Y_scale_i, int Y_zero_point_i, float negative_slope) -> Tensor Y`, {
    run: (ctx, x, packed, scale, zero, slope) => staticLinear(ctx, x, packed, scale, zero, { slope }),
    quantised: "own",
  }),
  ...["quantized", "_quantized"].map((ns) =>
    op(
      `${ns}::linear_dynamic(Tensor X, ${PACKED} W_prepack, bool reduce_range=False) -> Tensor Y` as "quantized::linear_dynamic(Tensor X, P W_prepack, bool reduce_range=False) -> Tensor Y",
      {
        run: (ctx, x, packed, reduce) => dynamicLinear(ctx, x, linearParams(packed), reduce),
      },
    ),
  ),
  op(`quantized::linear_relu_dynamic(Tensor X, ${PACKED} W_prepack, bool reduce_range=False) -> Tensor Y`, {
    run: (ctx, x, packed, reduce) => dynamicLinear(ctx, x, linearParams(packed), reduce, true),
  }),
  op(`quantized::linear_dynamic_fp16(Tensor X, ${PACKED} W_prepack) -> Tensor Y`, { run: (ctx, x, packed) => halfLinear(ctx, x, linearParams(packed)) }),
  op(`quantized::linear_relu_dynamic_fp16(Tensor X, ${PACKED} W_prepack) -> Tensor Y`, {
    run: (ctx, x, packed) => halfLinear(ctx, x, linearParams(packed), true),
  }),
  op("quantized::linear_dynamic_fp16_unpacked_weight(Tensor X, Tensor weight, Tensor? bias) -> Tensor Y", {
    run: (ctx, x, weight, bias) => halfLinear(ctx, x, { weight, bias }),
  }),
  op(`quantized::linear_with_input_q_dq_qweight_dq_output_fp32(Tensor X, float X_scale, int X_zero_point, ${PACKED} W_prepack) -> Tensor Y`, {
    run: (ctx, x, scale, zero, packed) => quantisedInput(ctx, x, scale, zero, packed, false),
  }),
  op(`quantized::linear_with_input_q_dq_qweight_dq_relu_output_fp32(Tensor X, float X_scale, int X_zero_point, ${PACKED} W_prepack) -> Tensor Y`, {
    run: (ctx, x, scale, zero, packed) => quantisedInput(ctx, x, scale, zero, packed, true),
  }),
  op("quantized::matmul(Tensor qa, Tensor qb, float scale, int zero_point) -> Tensor qc", { run: matmul, quantised: "own" }),
];
