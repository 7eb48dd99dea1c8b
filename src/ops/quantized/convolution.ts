/**
 * Convolutions of codes (PyTorch: quantized::conv1d ... conv_transpose3d): exact in int32, requantised as linear is. They follow PyTorch's
 * FBGEMM engine. Its default one hands symmetric weights to oneDNN on processors with VNNI, which rounds other halves and mixes up the
 * channels of transposed forms where they differ in number.
 */

import { arg } from "../../expr/expr.ts";
import type { Datum } from "../../ir/datum.ts";
import type { Context } from "../../prims/context.ts";
import { convolve } from "../../prims/convolve.ts";
import { copyOf } from "../../prims/calls.ts";
import { squeezed, unsqueezed } from "../../prims/views.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { channelsLastStrides, contiguousStrides } from "../../tensor/shape.ts";
import { type Quantizer, type Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { CHANNELS_LAST, CHANNELS_LAST_3D, formatStrides } from "../aten/filling.ts";
import { cat } from "../aten/joins.ts";
import { convolvedShape, type Convolution } from "../../prims/convolve.ts";
import { addedCodes } from "./arithmetic.ts";
import { affineOf, factorCodes, mapOne, numOf, once, quantizerOf } from "./codes.ts";
import { convolutionParams, type ConvolutionParams, packConvolution } from "./packed.ts";
import { dynamicCodes, finished, withSingleScales } from "./products.ts";

type Numbers = readonly number[];

const geometry = (p: ConvolutionParams): Convolution => ({
  stride: p.stride,
  padBegin: p.padding,
  padEnd: p.padding,
  dilation: p.dilation,
  groups: p.groups,
  transposed: p.transposed,
  outputPadding: p.outputPadding,
});

/** Exact sums of products; the result lies channels last, as PyTorch's does. */
function sumsOf(ctx: Context, x: Tensor, p: ConvolutionParams): Tensor {
  const axes = p.weight.rank - 2;
  const channels = p.transposed ? (p.weight.shape[0] ?? 0) : (p.weight.shape[1] ?? 0) * p.groups;
  if (x.shape[1] !== channels) {
    throw new OpwiseError(
      "shape-mismatch",
      `[QConv${axes}D] Given groups=${p.groups}, weight of size ${p.weight.shape.join(", ")}, expected input (NCHW) to have ${channels} channels, but got ${x.shape[1]} channels instead`,
    );
  }
  const shape = convolvedShape(x.shape, p.weight.shape, geometry(p));
  if (shape.some((s) => s <= 0))
    throw new OpwiseError("shape-mismatch", `[QConv${axes}D] each dimension of output tensor should be greater than 0`, { got: `[${shape.join(", ")}]` });
  return convolve(ctx, x, factorCodes(ctx, p.weight), null, geometry(p), formatStrides(shape, axes === 3 ? CHANNELS_LAST_3D : CHANNELS_LAST), "int32");
}

/** The weight's scales along the output channels: in transposed form each group has the same ones. */
function scalesOf(ctx: Context, p: ConvolutionParams): Quantizer {
  const q = quantizerOf(p.weight);
  if (q.scheme === "per_tensor_affine" || !p.transposed || p.groups === 1) return q;
  return {
    ...q,
    scales: cat(
      ctx,
      Array.from({ length: p.groups }, () => q.scales),
      0,
    ),
  };
}

function staticConvolution(ctx: Context, x: Tensor, p: ConvolutionParams, scale: number, zeroPoint: number, relu: boolean): Tensor {
  const axes = p.weight.rank - 2;
  if (x.rank !== axes + 2) throw new OpwiseError("shape-mismatch", `Expected activation tensor to have ${axes + 2} dimensions, got ${x.rank}`);
  const { scale: inputScale } = affineOf(x, "quantized::conv");
  if (x.dtype !== "quint8") throw new OpwiseError("dtype-mismatch", "[QConv] Expected activation data type QUInt8", { got: x.dtype });
  return finished(ctx, sumsOf(ctx, factorCodes(ctx, x), p), {
    inputScale,
    weight: scalesOf(ctx, p),
    bias: p.bias,
    axis: 1,
    output: { scale, zeroPoint, dtype: "quint8" },
    activation: relu ? "relu" : "none",
  });
}

/** As PyTorch has it: the result is cut to codes of the input's scale and zero point, and they are turned back into numbers. */
function dynamicConvolution(ctx: Context, x: Tensor, p: ConvolutionParams, reduceRange: boolean): Tensor {
  const { codes, scale, zeroPoint } = dynamicCodes(ctx, x, reduceRange);
  const out = finished(ctx, sumsOf(ctx, codes, p), {
    inputScale: scale,
    weight: scalesOf(ctx, p),
    bias: p.bias,
    axis: 1,
    output: { scale, zeroPoint, dtype: "quint8" },
    activation: "none",
  });
  const program = once("dequantize_dynamic", () => ({
    name: "dequantize",
    operands: ["quint8", "float32", "int32"],
    scalars: [],
    outputs: [
      {
        dtype: "float32",
        parts: [
          numOf(arg(0, "u8"))
            .to("i32")
            .sub(numOf(arg(2, "i32")))
            .to("f32")
            .mul(numOf(arg(1, "f32"))).re,
        ],
      },
    ],
  }));
  return mapOne(ctx, program, [out, scale, zeroPoint]);
}

/** One spatial axis is the second of two. */
const flat =
  (run: (x: Tensor) => Tensor) =>
  (x: Tensor): Tensor => {
    if (x.rank !== 3) throw new OpwiseError("shape-mismatch", "Input shape must be `(N, C, L)`!");
    return squeezed(run(unsqueezed(x, 2)), [2]);
  };

function prepack(axes: number, transposed: boolean) {
  return (weight: Tensor, bias: Tensor | null, stride: Numbers, padding: Numbers, outputPadding: Numbers, dilation: Numbers, groups: number): Datum => {
    const one = axes === 1;
    if (weight.rank !== axes + 2) throw new OpwiseError("shape-mismatch", `Weights are expected to have ${axes + 2} dimensions`, { got: String(weight.rank) });
    if (weight.dtype !== "qint8") throw new OpwiseError("dtype-mismatch", "quantized convolutions take weights of type QInt8", { got: weight.dtype });
    for (const [name, list] of [
      ["stride", stride],
      ["padding", padding],
      ["dilation", dilation],
    ] as const) {
      // In one dimension the second is taken of two, which modules with a padding mode give.
      if (one ? list.length === 0 : list.length !== axes)
        throw new OpwiseError("bad-argument", one ? "Argument must have elements." : `${name} should contain ${axes} elements for ${axes}D convolution.`);
    }
    const lead = (value: number, list: Numbers): Numbers => (one ? [value, list[1] ?? list[0] ?? value] : list);
    return packConvolution({
      weight: one ? unsqueezed(weight, 2) : weight,
      bias,
      stride: lead(1, stride),
      padding: lead(0, padding),
      outputPadding: lead(0, outputPadding.length === 0 ? padding.map(() => 0) : outputPadding),
      dilation: lead(1, dilation),
      groups,
      transposed,
    });
  };
}

const CLASS = (axes: number): string => `__torch__.torch.classes.quantized.Conv${axes === 3 ? 3 : 2}dPackedParamsBase`;

/** All ops of a number of axes, plain or transposed. */
function family(axes: number, transposed: boolean): Op[] {
  const name = `conv${transposed ? "_transpose" : ""}${axes}d`;
  const cls = CLASS(axes);
  const params = (packed: Datum): ConvolutionParams => convolutionParams(packed, axes);
  const shaped = (run: (x: Tensor) => Tensor): ((x: Tensor) => Tensor) => (axes === 1 ? flat(run) : run);
  const still =
    (relu: boolean) =>
    (ctx: Context, x: Tensor, packed: Datum, scale: number, zero: number): Tensor =>
      shaped((t) => staticConvolution(ctx, t, params(packed), scale, zero, relu))(x);
  const fused = axes === 1 || transposed ? "" : ".new";
  const aliased = ["quantized", "_quantized"];
  type Static = "quantized::conv(Tensor qx, P packed_weight, float output_scale, int output_zero_point) -> Tensor";
  const ops: Op[] = [];
  for (const relu of transposed ? [false] : [false, true]) {
    const own = `${name}${relu ? "_relu" : ""}`;
    const tail = `(Tensor qx, ${cls} packed_weight, float output_scale, int output_zero_point) -> Tensor`;
    ops.push(op(`quantized::${own}${fused}${tail}` as Static, { run: still(relu), quantised: "own" }));
    if (axes === 2 || (axes === 1 && transposed)) ops.push(op(`_quantized::${own}${tail}` as Static, { run: still(relu), quantised: "own" }));
    if (fused !== "") {
      // An old form: the geometry is that of the packed parameters.
      ops.push(
        op(
          `quantized::${own}(Tensor qx, ${cls} weight, int[] stride, int[] padding, int[] dilation, int groups, float output_scale, int output_zero_point) -> Tensor` as "quantized::conv(Tensor qx, P weight, int[] stride, int[] padding, int[] dilation, int groups, float output_scale, int output_zero_point) -> Tensor",
          {
            run: (ctx, x, packed, _stride, _padding, _dilation, _groups, scale, zero) => still(relu)(ctx, x, packed, scale, zero),
            quantised: "own",
          },
        ),
      );
    }
  }
  ops.push(
    op(
      `quantized::${name}_dynamic(Tensor qx, ${cls} packed_weight, bool reduce_range=False) -> Tensor` as "quantized::conv_dynamic(Tensor qx, P packed_weight, bool reduce_range=False) -> Tensor",
      {
        run: (ctx, x, packed, reduce) => shaped((t) => dynamicConvolution(ctx, t, params(packed), reduce))(x),
      },
    ),
  );
  for (const ns of aliased) {
    if (ns === "_quantized" && axes === 1 && !transposed) continue;
    const own = `${ns}::${name}_prepack`;
    ops.push(
      transposed
        ? op(
            `${own}(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] output_padding, int[] dilation, int groups) -> ${cls}` as "quantized::p(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] output_padding, int[] dilation, int groups) -> P",
            {
              run: (_ctx, w, b, stride, padding, out, dilation, groups) => prepack(axes, true)(w, b, stride, padding, out, dilation, groups),
              quantised: "own",
            },
          )
        : op(
            `${own}(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups) -> ${cls}` as "quantized::p(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups) -> P",
            {
              run: (_ctx, w, b, stride, padding, dilation, groups) => prepack(axes, false)(w, b, stride, padding, [], dilation, groups),
              quantised: "own",
            },
          ),
    );
  }
  ops.push(
    op(
      `quantized::${name}_unpack(${cls} packed_weights) -> (Tensor unpacked_weights, Tensor? B_origin)` as "quantized::u(P packed_weights) -> (Tensor unpacked_weights, Tensor? B_origin)",
      {
        run: (ctx, packed) => unpacked(ctx, params(packed), axes),
      },
    ),
  );
  if (axes > 1) ops.push(...facts(name, cls, axes));
  return ops;
}

/** Weight and bias again; the weight lies as FBGEMM packs it, channels last (input channels in transposed form), with scales in single precision. */
function unpacked(ctx: Context, { weight: packed, bias, transposed }: ConvolutionParams, axes: number): [Tensor, Tensor | null] {
  const weight = withSingleScales(ctx, packed);
  const [inputs = 0, ...rest] = weight.shape;
  const strides = transposed ? [1, ...contiguousStrides(rest).map((step) => step * inputs)] : channelsLastStrides(weight.shape);
  const out = copyOf(ctx, weight, weight.dtype, strides);
  out.quantizer = weight.quantizer;
  return [axes === 1 ? squeezed(out, [2]) : out, bias];
}

/** What packed parameters say of themselves. */
function facts(name: string, cls: string, axes: number): Op[] {
  const list = (fact: string, read: (p: ConvolutionParams) => readonly number[]): Op =>
    op(`quantized::${name}_${fact}(${cls} packed_weights) -> int[]` as "quantized::f(P packed_weights) -> int[]", {
      run: (_ctx, packed) => [...read(convolutionParams(packed, axes))],
    });
  const one = (fact: string, read: (p: ConvolutionParams) => number): Op =>
    op(`quantized::${name}_${fact}(${cls} packed_weights) -> int` as "quantized::f(P packed_weights) -> int", {
      run: (_ctx, packed) => read(convolutionParams(packed, axes)),
    });
  return [
    list("stride", (p) => p.stride),
    list("padding", (p) => p.padding),
    list("output_padding", (p) => p.outputPadding),
    list("dilation", (p) => p.dilation),
    one("groups", (p) => p.groups),
    one("transpose", (p) => (p.transposed ? 1 : 0)),
  ];
}

/** A convolution plus codes of the result's shape, in one. */
const withAddend =
  (relu: boolean) =>
  (ctx: Context, x: Tensor, addend: Tensor, packed: Datum, scale: number, zero: number): Tensor =>
    addedCodes(ctx, staticConvolution(ctx, x, convolutionParams(packed, 2), scale, zero, false), addend, scale, zero, relu);

export const quantizedConvolutions: readonly Op[] = [
  ...[1, 2, 3].flatMap((axes) => [...family(axes, false), ...family(axes, true)]),
  op(
    `quantized::conv_prepack(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups) -> ${CLASS(2)}` as "quantized::conv_prepack(Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, int groups) -> P",
    {
      run: (_ctx, w, b, stride, padding, dilation, groups) => prepack(2, false)(w, b, stride, padding, [], dilation, groups),
      quantised: "own",
    },
  ),
  op(
    `quantized::conv_unpack(${CLASS(2)} packed_weights) -> (Tensor unpacked_weights, Tensor? B_origin)` as "quantized::conv_unpack(P packed_weights) -> (Tensor unpacked_weights, Tensor? B_origin)",
    {
      run: (ctx, packed) => unpacked(ctx, convolutionParams(packed, 2), 2),
    },
  ),
  op(
    `quantized::conv2d_add(Tensor qx, Tensor qaccum, ${CLASS(2)} packed_weight, float output_scale, int output_zero_point) -> Tensor` as "quantized::conv2d_add(Tensor qx, Tensor qaccum, P packed_weight, float output_scale, int output_zero_point) -> Tensor",
    { run: withAddend(false), quantised: "own" },
  ),
  op(
    `quantized::conv2d_add_relu(Tensor qx, Tensor qaccum, ${CLASS(2)} packed_weight, float output_scale, int output_zero_point) -> Tensor` as "quantized::conv2d_add_relu(Tensor qx, Tensor qaccum, P packed_weight, float output_scale, int output_zero_point) -> Tensor",
    { run: withAddend(true), quantised: "own" },
  ),
];
