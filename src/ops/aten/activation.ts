/** Activation functions (PyTorch: torch.nn.functional). Arithmetic stands in the order of PyTorch's own formulas. */

import type { Num } from "../../expr/num.ts";
import type { Scalar } from "../../ir/datum.ts";
import { contiguous, copyOf, empty, random } from "../../prims/calls.ts";
import type { Context } from "../../prims/context.ts";
import { narrowed } from "../../prims/views.ts";
import { isComplex, isFloat, isInt, largestOf, opmathOf, scalarName } from "../../tensor/dtype.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { wrapDim } from "../../tensor/shape.ts";
import type { GeneratorState } from "../../tensor/generator.ts";
import { Tensor, viewOf } from "../../tensor/tensor.ts";
import { op, type Op, pointwise } from "../define.ts";
import { apply, type Elementwise, elementwise } from "../elementwise.ts";
import { clamp } from "./comparison.ts";
import { floatOf, intOf, scalarOf } from "./element.ts";
import { filled } from "./filling.ts";
import { maskedScatter } from "./masks.ts";
import { sum } from "./reduction.ts";
import { affineOf, dequantised, perTensor, quantised } from "../quantized/codes.ts";
import { clampedCodes, hardsigmoidCodes, leakyReluCodes, preluLike, relu6Codes, thresholdCodes } from "../quantized/activation.ts";

const SELU_ALPHA = 1.6732632423543772848170429916717;
const SELU_SCALE = 1.0507009873554804934193349852946;
const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

const int = (value: number): Scalar => ({ kind: "int", value });
const float = (value: number): Scalar => ({ kind: "float", value });

/** A meaning that integers do not have. */
function floatsOnly<Rest extends readonly Num[]>(kernel: string, build: (x: Num, ...rest: Rest) => Num): (x: Num, ...rest: Rest) => Num {
  return (x, ...rest) => {
    if (x.isFloat || x.isComplex) return build(x, ...rest);
    const name = x.type === "i64" ? "Long" : x.type === "bool" ? "Bool" : "Int";
    throw new OpwiseError("unsupported-dtype", `"${kernel}" not implemented for '${name}'`, { wanted: "a floating point tensor" });
  };
}

/** min(max(x, 0), 6). */
const relu6 = (x: Num): Num => x.max(0).min(6);

const elu = elementwise("elu", (x, alpha, scale, inputScale) => x.le(0).where(x.mul(inputScale).expm1().mul(alpha).mul(scale), x.mul(scale)), { floats: "elu_cpu" });
const geluErf = elementwise("gelu", (x) => x.mul(0.5).mul(x.mul(Math.SQRT1_2).erf().add(1)));
const geluTanh = elementwise("gelu_tanh", (x) => {
  const inner = x.add(x.mul(x).mul(x).mul(CUBIC)).mul(SQRT_2_OVER_PI);
  return x.mul(0.5).mul(inner.tanh().add(1));
});
const softshrink = elementwise("softshrink", (x, l) => x.gt(l).where(x.sub(l), x.lt(l.neg()).where(x.add(l), x.mul(0))));
const prelu = elementwise("prelu", (x, w) => x.gt(0).where(x, x.mul(w)), { floats: "prelu_cpu" });
const gated = elementwise("glu", (a, b) => a.mul(b.sigmoid()), { floats: "glu_cpu" });
const leaky = elementwise("leaky_relu", (x, slope) => x.gt(0).where(x, x.mul(slope)), { floats: "leaky_relu_cpu" });
const logOfSigmoid = elementwise("log_sigmoid", (x) => x.min(0).sub(x.abs().neg().exp().log1p()), { floats: "log_sigmoid_cpu" });
export function logSigmoid(ctx: Context, self: Tensor): Tensor {
  return apply(ctx, logOfSigmoid, [self], empty(ctx, self.shape, self.dtype));
}

function floating(self: Tensor, name: string, complexToo = false): void {
  if (isFloat(self.dtype) || (complexToo && isComplex(self.dtype))) return;
  throw new OpwiseError("unsupported-dtype", `"${name}" not implemented for '${scalarName(self.dtype)}'`, { wanted: "a floating point tensor", got: self.dtype });
}

/** The weight as it lies along the channel axis 1 (or is one number). @throws shape-mismatch */
function channelWeight(self: Tensor, weight: Tensor): Tensor {
  if (weight.numel === 1) return self.rank === 0 || weight.rank === 0 ? viewOf(weight, [], [], weight.offset) : viewOf(weight, [1], [1], weight.offset);
  const channels = self.rank > 1 ? (self.shape[1] ?? 1) : 1;
  if (self.rank === 0) throw new OpwiseError("shape-mismatch", "Not allow zero-dim input tensor.");
  if (weight.rank > 1 || weight.numel !== channels) {
    throw new OpwiseError("shape-mismatch", `Mismatch of parameter numbers and input channel size. Found parameter numbers = ${weight.numel} and channel size = ${channels}.`);
  }
  const at = (size: number): number[] => self.shape.map((_, i) => (i === 1 ? size : 1));
  return viewOf(weight, at(channels), self.shape.map((_, i) => (i === 1 ? (weight.strides[0] ?? 1) : 0)), weight.offset);
}

function halves(self: Tensor, dim: number): [Tensor, Tensor] {
  if (self.rank === 0) throw new OpwiseError("bad-argument", "glu does not support 0-dimensional tensors");
  const axis = wrapDim(dim, self.rank);
  const size = self.shape[axis] ?? 0;
  if (size % 2 !== 0) throw new OpwiseError("shape-mismatch", `Halving dimension must be even, but dimension ${axis} is size ${size}`);
  return [narrowed(self, axis, 0, size / 2), narrowed(self, axis, size / 2, size / 2)];
}

export const threshold: Elementwise = elementwise("threshold", (x, t, value) => x.le(t).where(value, x), { fits: true });
/** A bound as an integer tensor takes it: cut to an integer. */
function inKind(self: Tensor, s: Scalar): Scalar {
  return s.kind === "float" && isInt(self.dtype) ? int(Math.trunc(s.value)) : s;
}

const negativeScaled = elementwise("rrelu", (x, slope) => x.le(0).where(x.mul(slope), x));
const noiseOf = elementwise("rrelu_noise", (x, slope) => x.le(0).where(slope, x.lit(1)));

const isNegative = elementwise("le", (x) => x.le(0), { promotion: "own" });

/** Numbers below zero times a slope: the mean of the bounds, or in training a draw for each of them, in row-major order. */
function* randomisedRelu(ctx: Context, self: Tensor, lower: number, upper: number, training: boolean, generator: GeneratorState | null, noise?: Tensor): Generator<Tensor, Tensor, void> {
  if (lower > upper) throw new OpwiseError("bad-argument", "Lower bound should be less than or equal to the upper bound");
  if (!training) return apply(ctx, leaky, [self, float((lower + upper) / 2)]);
  floating(self, "rrelu_with_noise_out_cpu");
  const negative = contiguous(ctx, apply(ctx, isNegative, [self]));
  const count = sum(ctx, negative, null);
  yield count;
  const wide = opmathOf(self.dtype);
  const bounds = wide === "float64" ? [lower, upper] : [Math.fround(lower), Math.fround(upper)];
  const draws = random(ctx, "uniform", generator, empty(ctx, [floatOf(scalarOf(count))], "float64"), bounds);
  const slopes = copyOf(ctx, maskedScatter(ctx, filled(ctx, self.shape, "float64", int(1)), negative, draws), wide);
  if (noise !== undefined) apply(ctx, noiseOf, [self, slopes], noise);
  return apply(ctx, negativeScaled, [self, slopes], empty(ctx, self.shape, self.dtype));
}

/** `clamp`, whose bounds promote nothing. */
function hardtanh(ctx: Context, self: Tensor, min: Scalar, max: Scalar): Tensor {
  if (self.dtype === "bool") throw new OpwiseError("unsupported-dtype", "Bool inputs not supported for hardtanh");
  if (!isInt(self.dtype)) return clamp(ctx, self, min, max);
  const [low, high] = [Number(intOf(min)), Number(intOf(max))];
  if (self.dtype === "uint8" && (low < 0 || high < 0)) throw new OpwiseError("bad-argument", "cannot do hardtanh on an unsigned type with negative limits");
  return clamp(ctx, self, int(low), int(high));
}

export function gelu(ctx: Context, self: Tensor, approximate: string): Tensor {
  floating(self, "GeluKernelImpl");
  if (approximate === "none") return apply(ctx, geluErf, [self]);
  if (approximate === "tanh") return apply(ctx, geluTanh, [self]);
  throw new OpwiseError("bad-argument", "approximate argument must be either none or tanh.", { got: approximate });
}

/** gelu of codes; the result's scale is the input's in single precision. */
function geluCodes(ctx: Context, self: Tensor, approximate: string): Tensor {
  const { scale, zeroPoint } = affineOf(self, "gelu");
  return quantised(ctx, gelu(ctx, dequantised(ctx, self), approximate), self.dtype, perTensor(Math.fround(scale), zeroPoint));
}

export const activation: readonly Op[] = [
  op("aten::relu6(Tensor self) -> Tensor", { run: pointwise("relu6", relu6), quantised: (ctx, self) => relu6Codes(ctx, self), quantisedWrites: true }),
  op("aten::hardtanh(Tensor self, Scalar min_val=-1, Scalar max_val=1) -> Tensor", {
    run: hardtanh, quantised: (ctx, self, min, max) => clampedCodes(ctx, self, min, max), quantisedWrites: true,
  }),
  op("aten::hardswish(Tensor self) -> Tensor", { run: pointwise("hardswish", (x) => x.mul(relu6(x.add(3))).div(6), { floats: "hardswish_cpu" }) }),
  op("aten::hardsigmoid(Tensor self) -> Tensor", { run: pointwise("hardsigmoid", (x) => relu6(x.add(3)).div(6), { floats: "hardsigmoid_cpu" }), quantised: (ctx, self) => hardsigmoidCodes(ctx, self), quantisedWrites: true }),
  op("aten::elu(Tensor self, Scalar alpha=1, Scalar scale=1, Scalar input_scale=1) -> Tensor", { run: { kind: "pointwise", elementwise: elu } }),
  op("aten::selu(Tensor self) -> Tensor", { run: (ctx, self) => apply(ctx, elu, [self, float(SELU_ALPHA), float(SELU_SCALE), int(1)]) }),
  op("aten::celu(Tensor self, Scalar alpha=1.) -> Tensor", {
    run: (ctx, self, alpha) => {
      const a = alpha.kind === "complex" ? alpha.re : Number(alpha.value);
      if (a === 0) throw new OpwiseError("bad-argument", "ZeroDivisionError: alpha cannot be 0 for CELU");
      return apply(ctx, elu, [self, alpha, int(1), float(1 / a)]);
    },
  }),
  op('aten::gelu(Tensor self, *, str approximate="none") -> Tensor', { run: gelu, quantised: geluCodes, quantisedWrites: true }),
  op("aten::silu(Tensor self) -> Tensor", { run: pointwise("silu", floatsOnly("silu_cpu", (x) => x.div(x.neg().exp().add(1)))) }),
  op("aten::mish(Tensor self) -> Tensor", { run: pointwise("mish", (x) => x.mul(x.exp().log1p().tanh()), { floats: "mish_cpu" }) }),
  op("aten::softplus(Tensor self, Scalar beta=1, Scalar threshold=20) -> Tensor", {
    run: pointwise("softplus", (x, beta, threshold) => {
      const z = x.mul(beta);
      return z.gt(threshold).where(x, z.exp().log1p().div(beta));
    }, { floats: "softplus_cpu" }),
  }),
  op("aten::softshrink(Tensor self, Scalar lambd=0.5) -> Tensor", {
    run: (ctx, self, lambda) => {
      const most = largestOf(self.dtype);
      if (most === undefined) throw new OpwiseError("unsupported-dtype", `"softshrink_check" not implemented for '${scalarName(self.dtype)}'`);
      const value = floatOf(lambda);
      if (!(value >= 0 && value <= most)) throw new OpwiseError("bad-argument", `lambda must be in range [0, ${Number(most.toPrecision(6))}] for input dtype ${scalarName(self.dtype)}, but found ${value}`);
      return apply(ctx, softshrink, [self, lambda]);
    },
  }),
  op("aten::hardshrink(Tensor self, Scalar lambd=0.5) -> Tensor", { run: pointwise("hardshrink", (x, l) => x.ge(l.neg()).and(x.le(l)).where(x.lit(0), x), { floats: "hardshrink_cpu" }) }),
  op("aten::threshold(Tensor self, Scalar threshold, Scalar value) -> Tensor", { run: (ctx, self, t, value) => apply(ctx, threshold, [self, inKind(self, t), inKind(self, value)]), quantised: (ctx, self, t, value) => thresholdCodes(ctx, self, t, value) }),
  op("aten::leaky_relu(Tensor self, Scalar negative_slope=0.01) -> Tensor", {
    run: { kind: "pointwise", elementwise: leaky }, quantised: (ctx, self, slope) => leakyReluCodes(ctx, self, slope), quantisedWrites: true,
  }),
  op("aten::prelu(Tensor self, Tensor weight) -> Tensor", { run: (ctx, self, weight) => apply(ctx, prelu, [self, channelWeight(self, weight)]), quantised: (ctx, self, weight) => preluLike(ctx, self, weight) }),
  op("aten::_prelu_kernel(Tensor self, Tensor weight) -> Tensor", { run: (ctx, self, weight) => apply(ctx, prelu, [self, weight]), quantised: (ctx, self, weight) => preluLike(ctx, self, weight) }),
  op("aten::log_sigmoid(Tensor self) -> Tensor", { run: logSigmoid }),
  op("aten::log_sigmoid_forward(Tensor self) -> (Tensor output, Tensor buffer)", { run: (ctx, self) => [logSigmoid(ctx, self), apply(ctx, expNegAbs, [self])] }),
  ...(["rrelu", "rrelu_with_noise"] as const).map((name) =>
    op(`aten::${name}(Tensor self, ${name === "rrelu" ? "" : "Tensor(b!) noise, "}Scalar lower=0.125, Scalar upper=0.33333333333333331, bool training=False, Generator? generator=None) -> Tensor` as "aten::rrelu(Tensor self, Scalar lower=0.125, Scalar upper=0.33333333333333331, bool training=False, Generator? generator=None) -> Tensor", {
      reads: function* (ctx, self, ...rest: readonly unknown[]) {
        const [lower, upper, training, generator] = rest.filter((value) => !(value instanceof Tensor)) as [Scalar, Scalar, boolean, GeneratorState | null]; // the schema's order, noise left out
        return yield* randomisedRelu(ctx, self, floatOf(lower), floatOf(upper), training, generator, rest.find((value) => value instanceof Tensor));
      },
    }),
  ),
  op("aten::glu(Tensor self, int dim=-1) -> Tensor", { run: (ctx, self, dim) => apply(ctx, gated, halves(self, dim)) }),
];

const expNegAbs = elementwise("log_sigmoid_buffer", (x) => x.abs().neg().exp());
