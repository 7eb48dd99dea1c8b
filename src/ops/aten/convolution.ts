/** Convolutions, plain and transposed, over one to three spatial axes (PyTorch: conv1d ... conv_transpose3d). Each is one `convolve` call. */

import type { Context } from "../../prims/context.ts";
import { convolve } from "../../prims/convolve.ts";
import { permuted, squeezed, unsqueezed } from "../../prims/views.ts";
import { scalarName, typeName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { op, type Op } from "../define.ts";
import { apply, elementwise } from "../elementwise.ts";

/** One value per spatial axis; a single one is for all. @throws bad-argument */
export function perAxis(values: readonly number[], axes: number, what: string): readonly number[] {
  if (values.length === axes) return values;
  const [only] = values;
  if (values.length === 1 && only !== undefined) return Array.from({ length: axes }, () => only);
  throw new OpwiseError("bad-argument", `expected ${what} to be a single integer value or a list of ${axes} values to match the convolution dimensions, but got ${what}=[${values.join(", ")}]`);
}

interface Settings {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly padEnd?: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
  readonly transposed: boolean;
  readonly outputPadding: readonly number[];
}

const list = (values: readonly number[]): string => `[${values.join(", ")}]`;

/** PyTorch's check_shape_forward. */
function checkShapes(x: Tensor, w: Tensor, bias: Tensor | null, s: Settings): void {
  const axes = w.rank - 2;
  if (s.padding.some((p) => p < 0)) throw new OpwiseError("bad-argument", "negative padding is not supported");
  if (s.stride.some((v) => v <= 0)) throw new OpwiseError("bad-argument", "non-positive stride is not supported");
  if (s.dilation.some((v) => v <= 0)) throw new OpwiseError("bad-argument", "dilation should be greater than zero");
  if (s.groups <= 0) throw new OpwiseError("bad-argument", "non-positive groups is not supported");
  const rows = w.shape[0] ?? 0;
  if (rows < s.groups) throw new OpwiseError("shape-mismatch", `Given groups=${s.groups}, expected weight to be at least ${s.groups} at dimension 0, but got weight of size ${list(w.shape)} instead`);
  if (rows % s.groups !== 0) throw new OpwiseError("shape-mismatch", `Given groups=${s.groups}, expected weight to be divisible by ${s.groups} at dimension 0, but got weight of size [${list(w.shape)}] instead`);
  const channels = s.transposed ? rows : (w.shape[1] ?? 0) * s.groups;
  if (x.shape[1] !== channels) {
    const how = s.transposed ? "Given transposed=1" : `Given groups=${s.groups}`;
    throw new OpwiseError("shape-mismatch", `${how}, weight of size ${list(w.shape)}, expected input${list(x.shape)} to have ${channels} channels, but got ${x.shape[1]} channels instead`);
  }
  const outputs = s.transposed ? (w.shape[1] ?? 0) * s.groups : rows;
  if (bias !== null && (bias.rank !== 1 || bias.shape[0] !== outputs)) {
    throw new OpwiseError("shape-mismatch", `Given ${s.transposed ? "transposed=1" : `weight of size ${list(w.shape)}`}, expected bias to be 1-dimensional with ${outputs} elements, but got bias of size ${list(bias.shape)} instead`);
  }
  if (x.dtype !== w.dtype) throw new OpwiseError("dtype-mismatch", `expected scalar type ${scalarName(x.dtype)} but found ${scalarName(w.dtype)}`);
  if (bias !== null && bias.dtype !== x.dtype) throw new OpwiseError("dtype-mismatch", `Input type (${typeName(x.dtype)}) and bias type (${typeName(bias.dtype)}) should be the same`);
  if (s.transposed) return;
  const padded = Array.from({ length: axes }, (_, i) => (x.shape[i + 2] ?? 0) + (s.padding[i] ?? 0) + (s.padEnd?.[i] ?? s.padding[i] ?? 0));
  const kernel = Array.from({ length: axes }, (_, i) => (s.dilation[i] ?? 1) * ((w.shape[i + 2] ?? 0) - 1) + 1);
  if (padded.some((size, i) => size < (kernel[i] ?? 1))) {
    throw new OpwiseError("shape-mismatch", `Calculated padded input size per channel: (${padded.join(" x ")}). Kernel size: (${kernel.join(" x ")}). Kernel size can't be greater than actual input size`);
  }
}

/** A convolution of a batched input, or of one sample without the batch axis. */
function run(ctx: Context, name: string, input: Tensor, w: Tensor, bias: Tensor | null, s: Settings): Tensor {
  const axes = w.rank - 2;
  if (axes < 1) throw new OpwiseError("shape-mismatch", `weight should have at least three dimensions`, { got: list(w.shape) });
  const batched = input.rank === axes + 2;
  if (!batched && input.rank !== axes + 1) {
    throw new OpwiseError("shape-mismatch", `Expected ${axes + 1}D (unbatched) or ${axes + 2}D (batched) input to ${name}, but got input of size: ${list(input.shape)}`);
  }
  const x = batched ? input : unsqueezed(input, 0);
  const settings: Settings = {
    ...s, stride: perAxis(s.stride, axes, "stride"), padding: perAxis(s.padding, axes, "padding"), dilation: perAxis(s.dilation, axes, "dilation"),
    outputPadding: perAxis(s.outputPadding, axes, "output_padding"),
  };
  checkShapes(x, w, bias, settings);
  const out = convolve(ctx, x, w, bias, {
    stride: settings.stride, padBegin: settings.padding, padEnd: settings.padEnd ?? settings.padding, dilation: settings.dilation, groups: s.groups, transposed: s.transposed,
    outputPadding: settings.outputPadding,
  });
  return batched ? out : squeezed(out, [0]);
}

type Numbers = readonly number[];
const plain = (name: string) => (ctx: Context, input: Tensor, w: Tensor, bias: Tensor | null, stride: Numbers, padding: Numbers, dilation: Numbers, groups: number): Tensor =>
  run(ctx, name, input, w, bias, { stride, padding, dilation, groups, transposed: false, outputPadding: [0] });

const transposed = (name: string) => (ctx: Context, input: Tensor, w: Tensor, bias: Tensor | null, stride: Numbers, padding: Numbers, outputPadding: Numbers, groups: number, dilation: Numbers): Tensor =>
  run(ctx, name, input, w, bias, { stride, padding, dilation, groups, transposed: true, outputPadding });

/** Padding by name: `valid` is none, `same` keeps the size; an odd total puts the larger half at the end. */
const byMode = (name: string) => (ctx: Context, input: Tensor, w: Tensor, bias: Tensor | null, stride: Numbers, padding: string, dilation: Numbers, groups: number): Tensor => {
  const axes = w.rank - 2;
  const base = { stride, dilation, groups, transposed: false, outputPadding: [0] };
  if (padding === "valid") return run(ctx, name, input, w, bias, { ...base, padding: [0] });
  if (padding !== "same") throw new OpwiseError("bad-argument", `Invalid padding string: '${padding}'`);
  if (stride.some((v) => v !== 1)) throw new OpwiseError("bad-argument", "padding='same' is not supported for strided convolutions");
  const total = perAxis(dilation, axes, "dilation").map((d, i) => d * ((w.shape[i + 2] ?? 1) - 1));
  const before = total.map((t) => Math.floor(t / 2));
  return run(ctx, name, input, w, bias, { ...base, padding: before, padEnd: total.map((t, i) => t - (before[i] ?? 0)) });
};

const general = (ctx: Context, input: Tensor, w: Tensor, bias: Tensor | null, stride: Numbers, padding: Numbers, dilation: Numbers, isTransposed: boolean, outputPadding: Numbers, groups: number): Tensor =>
  run(ctx, "convolution", input, w, bias, { stride, padding, dilation, groups, transposed: isTransposed, outputPadding });

/** `x [T, B, C]` by `w [K, C, O]`: time first, channels last. */
function timeFirst(ctx: Context, x: Tensor, w: Tensor, bias: Tensor, pad: number): Tensor {
  if (x.rank !== 3) throw new OpwiseError("shape-mismatch", "Input must have 3 dims: time, batch, in_channel");
  if (w.rank !== 3) throw new OpwiseError("shape-mismatch", "Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.");
  if (bias.rank !== 1) throw new OpwiseError("shape-mismatch", "Bias must be 1-D");
  const [time = 0, batch = 0] = x.shape;
  const [kernel = 0, , channels = 0] = w.shape;
  if (x.shape[2] !== w.shape[1]) throw new OpwiseError("shape-mismatch", "Input dim 2 (input channels) is not == dim 1 in the weight tensor.");
  if (bias.shape[0] !== channels) throw new OpwiseError("shape-mismatch", "Bias size must equal dim 2 in the weight tensor (output channels).");
  const steps = time + 2 * pad - kernel + 1;
  if (steps < 0) throw new OpwiseError("shape-mismatch", "conv_tbc: the kernel is longer than the padded input");
  const out = convolve(ctx, permuted(x, [1, 2, 0]), permuted(w, [2, 1, 0]), bias, { stride: [1], padBegin: [pad], padEnd: [pad], dilation: [1], groups: 1, transposed: false }, [channels, 1, batch * channels]);
  return permuted(out, [2, 0, 1]);
}

const relu = elementwise("relu", (x) => x.max(0));
const plusScaled = elementwise("add", (x, z, alpha) => x.add(z.mul(alpha)));

/** What CUDA archives that were optimised for inference hold: a convolution with its addend and relu in one op. */
const fused: readonly Op[] = [
  op("aten::cudnn_convolution_relu(Tensor self, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor", {
    run: (ctx, x, w, bias, stride, padding, dilation, groups) => apply(ctx, relu, [plain("convolution")(ctx, x, w, bias, stride, padding, dilation, groups)]),
  }),
  op("aten::cudnn_convolution_add_relu(Tensor self, Tensor weight, Tensor z, Scalar? alpha, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, SymInt groups) -> Tensor", {
    run: (ctx, x, w, z, alpha, bias, stride, padding, dilation, groups) =>
      apply(ctx, relu, [apply(ctx, plusScaled, [plain("convolution")(ctx, x, w, bias, stride, padding, dilation, groups), z, alpha ?? { kind: "int", value: 1 }])]),
  }),
  op("aten::cudnn_convolution(Tensor self, Tensor weight, SymInt[] padding, SymInt[] stride, SymInt[] dilation, SymInt groups, bool benchmark, bool deterministic, bool allow_tf32) -> Tensor", {
    run: (ctx, x, w, padding, stride, dilation, groups) => plain("convolution")(ctx, x, w, null, stride, padding, dilation, groups),
  }),
  op("aten::cudnn_convolution_transpose(Tensor self, Tensor weight, SymInt[] padding, SymInt[] output_padding, SymInt[] stride, SymInt[] dilation, SymInt groups, bool benchmark, bool deterministic, bool allow_tf32) -> Tensor", {
    run: (ctx, x, w, padding, outputPadding, stride, dilation, groups) => transposed("convolution")(ctx, x, w, null, stride, padding, outputPadding, groups, dilation),
  }),
  op("aten::mkldnn_convolution(Tensor self, Tensor weight, Tensor? bias, SymInt[] padding, SymInt[] stride, SymInt[] dilation, SymInt groups) -> Tensor", {
    run: (ctx, x, w, bias, padding, stride, dilation, groups) => plain("convolution")(ctx, x, w, bias, stride, padding, dilation, groups),
  }),
];

/** The names of PyTorch's own kernels, which decompositions show. */
const kernels: readonly Op[] = [
  op("aten::thnn_conv2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0]) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding) => plain("thnn_conv2d")(ctx, x, w, bias, stride, padding, [1], 1),
  }),
  op("aten::slow_conv3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0]) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding) => plain("slow_conv3d")(ctx, x, w, bias, stride, padding, [1], 1),
  }),
  op("aten::slow_conv3d_forward(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias, SymInt[3] stride, SymInt[3] padding) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding) => plain("slow_conv3d")(ctx, x, w, bias, stride, padding, [1], 1),
  }),
  op("aten::slow_conv_dilated2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] dilation=[1, 1]) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding, dilation) => plain("slow_conv_dilated2d")(ctx, x, w, bias, stride, padding, dilation, 1),
  }),
  op("aten::slow_conv_dilated3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], SymInt[3] dilation=[1, 1, 1]) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding, dilation) => plain("slow_conv_dilated3d")(ctx, x, w, bias, stride, padding, dilation, 1),
  }),
  op("aten::slow_conv_transpose2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, 0], SymInt[2] dilation=[1, 1]) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding, outputPadding, dilation) => transposed("slow_conv_transpose2d")(ctx, x, w, bias, stride, padding, outputPadding, 1, dilation),
  }),
  op("aten::slow_conv_transpose3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], SymInt[3] output_padding=[0, 0, 0], SymInt[3] dilation=[1, 1, 1]) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding, outputPadding, dilation) => transposed("slow_conv_transpose3d")(ctx, x, w, bias, stride, padding, outputPadding, 1, dilation),
  }),
];

export const convolutions: readonly Op[] = [
  ...fused,
  ...kernels,
  op("aten::conv1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0], SymInt[1] dilation=[1], SymInt groups=1) -> Tensor", { run: plain("conv1d") }),
  op("aten::conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor", { run: plain("conv2d") }),
  op("aten::conv3d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], SymInt[3] dilation=[1, 1, 1], SymInt groups=1) -> Tensor", { run: plain("conv3d") }),
  op('aten::conv1d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], str padding="valid", SymInt[1] dilation=[1], SymInt groups=1) -> Tensor', { run: byMode("conv1d") }),
  op('aten::conv2d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], str padding="valid", SymInt[2] dilation=[1, 1], SymInt groups=1) -> Tensor', { run: byMode("conv2d") }),
  op('aten::conv3d.padding(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], str padding="valid", SymInt[3] dilation=[1, 1, 1], SymInt groups=1) -> Tensor', { run: byMode("conv3d") }),
  op("aten::_convolution_mode(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, str padding, SymInt[] dilation, SymInt groups) -> Tensor", { run: byMode("convolution") }),
  op("aten::convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor", { run: general }),
  op("aten::convolution_overrideable(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups) -> Tensor", { run: general }),
  op("aten::_convolution(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, SymInt[] output_padding, SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled, bool allow_tf32) -> Tensor", { run: general }),
  op("aten::_convolution.deprecated(Tensor input, Tensor weight, Tensor? bias, SymInt[] stride, SymInt[] padding, SymInt[] dilation, bool transposed, int[] output_padding, SymInt groups, bool benchmark, bool deterministic, bool cudnn_enabled) -> Tensor", { run: general }),
  op("aten::conv_transpose1d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[1] stride=[1], SymInt[1] padding=[0], SymInt[1] output_padding=[0], SymInt groups=1, SymInt[1] dilation=[1]) -> Tensor", { run: transposed("conv_transpose1d") }),
  op("aten::conv_transpose2d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=[1, 1], SymInt[2] padding=[0, 0], SymInt[2] output_padding=[0, 0], SymInt groups=1, SymInt[2] dilation=[1, 1]) -> Tensor", { run: transposed("conv_transpose2d") }),
  op("aten::conv_transpose3d.input(Tensor input, Tensor weight, Tensor? bias=None, SymInt[3] stride=[1, 1, 1], SymInt[3] padding=[0, 0, 0], SymInt[3] output_padding=[0, 0, 0], SymInt groups=1, SymInt[3] dilation=[1, 1, 1]) -> Tensor", { run: transposed("conv_transpose3d") }),
  op("aten::conv_depthwise3d(Tensor self, Tensor weight, SymInt[3] kernel_size, Tensor? bias, SymInt[3] stride, SymInt[3] padding, SymInt[3] dilation) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding, dilation) => plain("conv_depthwise3d")(ctx, x, w, bias, stride, padding, dilation, x.shape[1] ?? 1),
  }),
  op("aten::_conv_depthwise2d(Tensor self, Tensor weight, SymInt[2] kernel_size, Tensor? bias, SymInt[2] stride, SymInt[2] padding, SymInt[2] dilation) -> Tensor", {
    run: (ctx, x, w, _kernel, bias, stride, padding, dilation) => plain("_conv_depthwise2d")(ctx, x, w, bias, stride, padding, dilation, x.shape[1] ?? 1),
  }),
  op("aten::conv_tbc(Tensor self, Tensor weight, Tensor bias, int pad=0) -> Tensor", { run: timeFirst }),
];
