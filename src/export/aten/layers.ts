/** Convolutions, norms, activations, resampling, dropout. */

import type { Datum } from "../../ir/datum.ts";
import { Tensor } from "../../tensor/tensor.ts";
import type { Handler, OpCall } from "../meaning.ts";
import { floatAttribute, type OnnxValue } from "../graph.ts";
import { oneZero, reduceValue } from "../nodes.ts";
import { type DimSize, isSym, type SymTensor } from "../values.ts";
import { axisArg, boolArg, itemsOf, knownInts, metaOf, numberArg, optionalTensor, perAxis, tensorArg, wideFloat } from "./tools.ts";

interface Convolution {
  readonly stride: readonly number[];
  readonly padding: readonly number[] | string;
  readonly dilation: readonly number[];
  readonly transposed: boolean;
  readonly outputPadding: readonly number[];
  readonly groups: number;
}
function convolve(call: OpCall, how: Convolution): SymTensor | undefined {
  const { x } = call;
  const [input, weight] = [tensorArg(call, 0), tensorArg(call, 1)];
  const bias = optionalTensor(call, 2);
  const meta = metaOf(call);
  const n = weight.rank - 2;
  if (wideFloat(meta.dtype) !== "float32" || n < 1 || n > 3) return undefined;
  const f = (t: SymTensor): OnnxValue => x.g.cast(x.valueOf(t), "float32");
  const batched = input.rank === weight.rank;
  const value = batched ? f(input) : x.op("Unsqueeze", [f(input), x.g.ints([0])]);
  const dilations = perAxis(how.dilation, n);
  x.fixSizes(weight); // the window's sizes are attributes
  const kernel = weight.meta.shape.slice(2);
  let pads: number[];
  if (typeof how.padding === "string") {
    const total = kernel.map((k, i) => (how.padding === "same" ? (dilations[i] ?? 1) * (k - 1) : 0));
    pads = [...total.map((p) => Math.floor(p / 2)), ...total.map((p) => p - Math.floor(p / 2))];
  } else pads = [...perAxis(how.padding, n), ...perAxis(how.padding, n)];
  const attributes = { strides: perAxis(how.stride, n), dilations, group: how.groups, pads, kernel_shape: kernel };
  const inputs = [value, f(weight), bias === undefined ? undefined : f(bias)];
  const out = how.transposed
    ? x.op("ConvTranspose", inputs, { ...attributes, output_padding: perAxis(how.outputPadding, n) })
    : x.op("Conv", inputs, attributes);
  const channels = how.transposed ? (weight.dims[1] === undefined ? undefined : weight.dims[1] * how.groups) : weight.dims[0];
  const spatial = input.dims.slice(batched ? 2 : 1).map((d, i): DimSize => (d === undefined ? undefined : meta.shape[(batched ? 2 : 1) + i]));
  const dims = [...(batched ? [input.dims[0]] : []), channels, ...spatial];
  return x.result(batched ? out : x.op("Squeeze", [out, x.g.ints([0])]), meta, [input, weight], dims);
}
const plainConvolution: Handler = (call) => {
  const padding = call.args[4] ?? null;
  return convolve(call, {
    stride: knownInts(call, call.args[3] ?? 1),
    padding: typeof padding === "string" ? padding : knownInts(call, padding),
    dilation: knownInts(call, call.args[5] ?? 1),
    transposed: false,
    outputPadding: [0],
    groups: numberArg(call, 6),
  });
};
const transposedConvolution: Handler = (call) =>
  convolve(call, {
    stride: knownInts(call, call.args[3] ?? 1),
    padding: knownInts(call, call.args[4] ?? 0),
    outputPadding: knownInts(call, call.args[5] ?? 0),
    groups: numberArg(call, 6),
    dilation: knownInts(call, call.args[7] ?? 1),
    transposed: true,
  });
const anyConvolution: Handler = (call) =>
  convolve(call, {
    stride: knownInts(call, call.args[3] ?? 1),
    padding: knownInts(call, call.args[4] ?? 0),
    dilation: knownInts(call, call.args[5] ?? 1),
    transposed: boolArg(call, 6),
    outputPadding: knownInts(call, call.args[7] ?? 0),
    groups: numberArg(call, 8),
  });
const namedConvolution: Handler = (call) =>
  typeof call.args[4] === "string"
    ? convolve(call, {
        stride: knownInts(call, call.args[3] ?? 1),
        padding: call.args[4],
        dilation: knownInts(call, call.args[5] ?? 1),
        transposed: false,
        outputPadding: [0],
        groups: numberArg(call, 6),
      })
    : undefined;

// ---- norms -------------------------------------------------------------------------------------------------------------------------

const layerNorm: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const shape = itemsOf(call.args[1] ?? null)?.length ?? 1;
  const [weight, bias] = [optionalTensor(call, 2), optionalTensor(call, 3)];
  const meta = metaOf(call);
  const type = wideFloat(meta.dtype);
  const eps = numberArg(call, 4);
  const f = (v: SymTensor): OnnxValue => x.g.cast(x.valueOf(v), type);
  const sizes = t.dims.slice(-shape);
  if (weight === undefined && sizes.includes(undefined)) {
    const axes = sizes.map((_, i) => t.rank - shape + i);
    const value = f(t);
    const d = x.op("Sub", [value, reduceValue(x.g, "ReduceMean", value, axes, true)]);
    const variance = reduceValue(x.g, "ReduceMean", x.op("Mul", [d, d]), axes, true);
    return x.result(x.op("Div", [d, x.op("Sqrt", [x.op("Add", [variance, x.g.scalar(eps, type)])])]), meta, [t], t.dims);
  }
  const ones = (): OnnxValue => x.op("Expand", [x.g.scalar(1, type), x.g.ints(sizes.map((s) => s ?? 1))]);
  const inputs = [f(t), weight === undefined ? ones() : f(weight), bias === undefined ? undefined : f(bias)];
  const out = x.op("LayerNormalization", inputs, { axis: -shape, epsilon: floatAttribute(eps) });
  if (call.name === "aten::native_layer_norm") return undefined;
  return x.result(out, meta, [t], t.dims);
};
const rmsNorm: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const n = itemsOf(call.args[1] ?? null)?.length ?? 1;
  const weight = optionalTensor(call, 2);
  const meta = metaOf(call);
  const type = wideFloat(meta.dtype);
  const eps = (call.args[3] ?? null) === null ? (t.dtype === "float64" ? 2.220446049250313e-16 : 1.1920928955078125e-7) : numberArg(call, 3);
  const value = x.g.cast(x.valueOf(t), type);
  const mean = reduceValue(
    x.g,
    "ReduceMean",
    x.op("Mul", [value, value]),
    Array.from({ length: n }, (_, i) => t.rank - n + i),
    true,
  );
  const out = x.op("Mul", [value, x.op("Reciprocal", [x.op("Sqrt", [x.op("Add", [mean, x.g.scalar(eps, type)])])])]);
  return x.result(weight === undefined ? out : x.op("Mul", [out, x.g.cast(x.valueOf(weight), type)]), meta, call.args, t.dims);
};
/** `v [C]` as `[C, 1, …]` against `[N, C, …]`. */
function perChannel(call: OpCall, v: OnnxValue, rank: number): OnnxValue {
  const { x } = call;
  return rank <= 2 ? v : x.op("Unsqueeze", [v, x.g.ints(Array.from({ length: rank - 2 }, (_, i) => i + 1))]);
}
const batchNorm: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const [weight, bias, mean, variance] = [1, 2, 3, 4].map((i) => optionalTensor(call, i));
  const training = boolArg(call, 5);
  const momentum = numberArg(call, 6);
  const eps = numberArg(call, 7);
  const type = wideFloat(t.dtype);
  const f = (v: SymTensor): OnnxValue => x.g.cast(x.valueOf(v), type);
  const value = f(t);
  const at = (v: OnnxValue): OnnxValue => perChannel(call, v, t.rank);
  const eps1 = x.g.scalar(eps, type);
  if (!training && mean !== undefined && variance !== undefined) {
    const meta = metaOf(call);
    if (weight !== undefined && bias !== undefined)
      return x.result(x.op("BatchNormalization", [value, f(weight), f(bias), f(mean), f(variance)], { epsilon: floatAttribute(eps) }), meta, [t], t.dims);
    let out = x.op("Div", [x.op("Sub", [value, at(f(mean))]), at(x.op("Sqrt", [x.op("Add", [f(variance), eps1])]))]);
    if (weight !== undefined) out = x.op("Mul", [out, at(f(weight))]);
    if (bias !== undefined) out = x.op("Add", [out, at(f(bias))]);
    return x.result(out, meta, [t], t.dims);
  }
  const axes = t.dims.map((_, i) => i).filter((i) => i !== 1);
  const meta = metaOf(call);
  const own = reduceValue(x.g, "ReduceMean", value, axes, false);
  const d = x.op("Sub", [value, at(own)]);
  const spread = reduceValue(x.g, "ReduceMean", x.op("Mul", [d, d]), axes, false);
  let out = x.op("Div", [d, at(x.op("Sqrt", [x.op("Add", [spread, eps1])]))]);
  if (weight !== undefined) out = x.op("Mul", [out, at(f(weight))]);
  if (bias !== undefined) out = x.op("Add", [out, at(f(bias))]);
  const result = x.result(out, meta, [t], t.dims);
  const mix = (into: SymTensor, v: OnnxValue): void =>
    x.write(into, x.g.cast(x.op("Add", [x.op("Mul", [f(into), x.g.scalar(1 - momentum, type)]), x.op("Mul", [v, x.g.scalar(momentum, type)])]), into.dtype));
  if (training && mean !== undefined) mix(mean, own);
  if (training && variance !== undefined) {
    const n = x.g.cast(x.op("ReduceProd", [x.op("Gather", [x.shapeValue(t), x.g.ints(axes)], { axis: 0 })], { keepdims: 0 }), type);
    mix(variance, x.op("Mul", [spread, x.op("Div", [n, x.op("Sub", [n, x.g.scalar(1, type)])])]));
  }
  return result;
};
const instanceNorm: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  if (!boolArg(call, 5) || t.rank < 3) return undefined;
  if (optionalTensor(call, 3) !== undefined) return undefined;
  const [weight, bias] = [optionalTensor(call, 1), optionalTensor(call, 2)];
  const meta = metaOf(call);
  const channels = t.dims[1];
  if (channels === undefined) return undefined;
  const filled = (v: number): OnnxValue => x.g.constant(Tensor.from(new Float32Array(channels).fill(v), [channels]));
  if (wideFloat(t.dtype) !== "float32") return undefined;
  const f = (v: SymTensor): OnnxValue => x.g.cast(x.valueOf(v), "float32");
  const out = x.op("InstanceNormalization", [f(t), weight === undefined ? filled(1) : f(weight), bias === undefined ? filled(0) : f(bias)], {
    epsilon: floatAttribute(numberArg(call, 7)),
  });
  return x.result(out, meta, [t], t.dims);
};
const groupNorm: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const groups = numberArg(call, 1);
  const [weight, bias] = [optionalTensor(call, 2), optionalTensor(call, 3)];
  const type = wideFloat(t.dtype);
  const f = (v: SymTensor): OnnxValue => x.g.cast(x.valueOf(v), type);
  const shape = x.shapeValue(t);
  const value = x.op("Reshape", [f(t), x.op("Concat", [x.op("Gather", [shape, x.g.ints([0])], { axis: 0 }), x.g.ints([groups, -1])], { axis: 0 })]);
  const d = x.op("Sub", [value, reduceValue(x.g, "ReduceMean", value, [2], true)]);
  const variance = reduceValue(x.g, "ReduceMean", x.op("Mul", [d, d]), [2], true);
  const scaled = x.op("Div", [d, x.op("Sqrt", [x.op("Add", [variance, x.g.scalar(numberArg(call, 4), type)])])]);
  let out = x.op("Reshape", [scaled, shape]);
  if (weight !== undefined) out = x.op("Mul", [out, perChannel(call, f(weight), t.rank)]);
  if (bias !== undefined) out = x.op("Add", [out, perChannel(call, f(bias), t.rank)]);
  return x.result(out, metaOf(call), [t], t.dims);
};

// ---- activations -------------------------------------------------------------------------------------------------------------------

/** One node on float32, of the input's sizes. */
function activation(build: (call: OpCall, v: OnnxValue) => OnnxValue | undefined, takes: readonly string[] = ["float32"]): Handler {
  return (call) => {
    const t = tensorArg(call, 0);
    const { x } = call;
    const meta = metaOf(call);
    if (meta.dtype !== t.dtype || !takes.includes(wideFloat(t.dtype))) return undefined;
    const out = build(call, x.g.cast(x.valueOf(t), wideFloat(t.dtype)));
    return out === undefined ? undefined : x.result(out, meta, [t], t.dims);
  };
}
const both = ["float32", "float64"];
const gelu = activation((call, v) => {
  const { x } = call;
  const approximate = call.args[1] === "tanh";
  if (x.g.opset >= 20) return x.op("Gelu", [v], { approximate: approximate ? "tanh" : "none" });
  const c = (n: number): OnnxValue => x.g.scalar(n, "float32");
  const half = x.op("Mul", [v, c(0.5)]);
  if (!approximate) return x.op("Mul", [half, x.op("Add", [x.op("Erf", [x.op("Mul", [v, c(Math.SQRT1_2)])]), c(1)])]);
  const cube = x.op("Mul", [x.op("Mul", [v, v]), v]);
  const inner = x.op("Mul", [x.op("Add", [v, x.op("Mul", [cube, c(0.044715)])]), c(Math.sqrt(2 / Math.PI))]);
  return x.op("Mul", [half, x.op("Add", [x.op("Tanh", [inner]), c(1)])]);
});
const softmax =
  (op: "Softmax" | "LogSoftmax"): Handler =>
  (call) => {
    const { x } = call;
    const t = tensorArg(call, 0);
    const meta = metaOf(call);
    if (t.rank === 0) return undefined;
    const value = x.g.cast(x.g.cast(x.valueOf(t), meta.dtype), wideFloat(meta.dtype));
    return x.result(x.op(op, [value], { axis: axisArg(call, 1, t.rank) }), meta, [t], t.dims);
  };
const prelu: Handler = (call) => {
  const { x } = call;
  const [t, w] = [tensorArg(call, 0), tensorArg(call, 1)];
  if (wideFloat(t.dtype) !== "float32") return undefined;
  const slope = x.g.cast(x.valueOf(w), "float32");
  const shaped = w.isStatic && w.meta.numel === 1 ? x.op("Reshape", [slope, x.g.ints(t.dims.map(() => 1))]) : perChannel(call, slope, t.rank);
  return x.result(x.op("PRelu", [x.g.cast(x.valueOf(t), "float32"), shaped]), metaOf(call), [t], t.dims);
};
const dropout: Handler = (call) => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const training = boolArg(call, 2);
  const p = numberArg(call, 1);
  if (!training || p === 0) return t;
  const feature = call.name.includes("feature");
  if (call.name.includes("alpha")) return undefined;
  const shape = feature
    ? x.op("Concat", [x.op("Slice", [x.shapeValue(t), x.g.ints([0]), x.g.ints([2])]), x.g.ints(Array.from({ length: Math.max(0, t.rank - 2) }, () => 1))], {
        axis: 0,
      })
    : x.shapeValue(t);
  const type = wideFloat(t.dtype);
  const like = x.op("ConstantOfShape", [shape], { value: oneZero("float32") }, "float32");
  const [u] = x.g.node("RandomUniformLike", [like], { dtypes: ["float32"], unique: true, attributes: { dtype: 1 } });
  const keep = x.g.cast(x.op("GreaterOrEqual", [u, x.g.scalar(p, "float32")], {}, "bool"), type);
  const scale = p >= 1 ? 0 : 1 / (1 - p);
  const out = x.op("Mul", [x.op("Mul", [x.g.cast(x.valueOf(t), type), keep]), x.g.scalar(scale, type)]);
  const made = x.result(x.g.cast(out, t.dtype), t.meta, [t], t.dims);
  return made;
};

// ---- resampling --------------------------------------------------------------------------------------------------------------------

/** `args`: input, output sizes or None, [align corners], scale factors or None. */
function resize(mode: "nearest" | "linear" | "cubic", aligned: boolean, exact: boolean): Handler {
  return (call) => {
    const { x } = call;
    const t = tensorArg(call, 0);
    if (wideFloat(t.dtype) !== "float32" && mode !== "nearest") return undefined;
    if (t.dtype === "float64" || (mode === "cubic" && t.rank !== 4)) return undefined;
    const sizes = itemsOf(call.args[1] ?? null);
    const align = aligned && boolArg(call, 2);
    const factors = itemsOf(call.args[aligned ? 3 : 2] ?? null);
    const meta = metaOf(call);
    const n = t.rank - 2;
    const value = x.g.cast(x.valueOf(t), "float32");
    const coordinates = mode === "nearest" ? (exact ? "half_pixel" : "asymmetric") : align ? "align_corners" : "half_pixel";
    const attributes = {
      mode,
      coordinate_transformation_mode: mode === "linear" && coordinates === "half_pixel" ? "pytorch_half_pixel" : coordinates,
      ...(mode === "nearest" ? { nearest_mode: exact ? "round_prefer_ceil" : "floor" } : {}),
      ...(mode === "cubic" ? { cubic_coeff_a: floatAttribute(-0.75) } : {}),
    };
    const isStatic = t.isStatic && sizes?.some(isSym) !== true && factors?.some(isSym) !== true;
    if (isStatic) return undefined; // the op's own meaning is exact there, whatever the scale
    if (factors !== undefined && !align) {
      const scales = factors.map((d) => (isSym(d) ? Number(x.fix(d)) : Number(d)));
      return x.result(
        x.op("Resize", [value, undefined, x.g.constant(Tensor.from(Float32Array.from([1, 1, ...scales]), [n + 2]))], attributes),
        meta,
        call.args,
        [t.dims[0], t.dims[1], ...scales.map(() => undefined)],
      );
    }
    const given = sizes ?? (factors === undefined ? undefined : undefined);
    if (given === undefined) return undefined;
    const shape = x.op("Concat", [x.op("Slice", [x.shapeValue(t), x.g.ints([0]), x.g.ints([2])]), x.intsValue(given)], { axis: 0 });
    return x.result(x.op("Resize", [value, undefined, undefined, shape], attributes), meta, call.args, [
      t.dims[0],
      t.dims[1],
      ...given.map((d): DimSize => (isSym(d) ? undefined : Number(d))),
    ]);
  };
}
const gridSample: Handler = (call) => {
  const { x } = call;
  const [t, grid] = [tensorArg(call, 0), tensorArg(call, 1)];
  if (t.rank !== 4 || wideFloat(t.dtype) !== "float32" || t.isStatic) return undefined;
  const later = x.g.opset >= 20;
  const mode = (later ? ["linear", "nearest", "cubic"] : ["bilinear", "nearest", "bicubic"])[numberArg(call, 2)];
  const padding = ["zeros", "border", "reflection"][numberArg(call, 3)];
  const out = x.op("GridSample", [x.g.cast(x.valueOf(t), "float32"), x.g.cast(x.valueOf(grid), "float32")], {
    mode,
    padding_mode: padding,
    align_corners: boolArg(call, 4) ? 1 : 0,
  });
  return x.result(out, metaOf(call), call.args, [t.dims[0], t.dims[1], grid.dims[1], grid.dims[2]]);
};
const clampTo = (call: OpCall, lo: Datum | undefined, hi: Datum | undefined): SymTensor | undefined => {
  const { x } = call;
  const t = tensorArg(call, 0);
  const meta = metaOf(call);
  if (isSym(lo) || isSym(hi) || meta.dtype !== "float32" || t.dtype !== "float32") return undefined;
  const bound = (d: Datum | undefined): OnnxValue | undefined => (d === null || d === undefined ? undefined : x.scalarValue(d, "float32"));
  return x.result(x.op("Clip", [x.valueOf(t), bound(lo), bound(hi)]), meta, [t], t.dims);
};

export const layers: Readonly<Record<string, Handler>> = {
  "aten::conv1d": plainConvolution,
  "aten::conv2d": plainConvolution,
  "aten::conv3d": plainConvolution,
  "aten::conv1d.padding": plainConvolution,
  "aten::conv2d.padding": plainConvolution,
  "aten::conv3d.padding": plainConvolution,
  "aten::_convolution": anyConvolution,
  "aten::_convolution.deprecated": anyConvolution,
  "aten::convolution": anyConvolution,
  "aten::_convolution_mode": namedConvolution,
  "aten::conv_transpose1d": transposedConvolution,
  "aten::conv_transpose2d.input": transposedConvolution,
  "aten::conv_transpose3d.input": transposedConvolution,
  "aten::layer_norm": layerNorm,
  "aten::rms_norm": rmsNorm,
  "aten::batch_norm": batchNorm,
  "aten::instance_norm": instanceNorm,
  "aten::group_norm": groupNorm,
  "aten::relu": activation((call, v) => call.x.op("Relu", [v]), both),
  "aten::sigmoid": activation((call, v) => call.x.op("Sigmoid", [v]), both),
  "aten::tanh": activation((call, v) => call.x.op("Tanh", [v]), both),
  "aten::silu": activation((call, v) => call.x.op("Mul", [v, call.x.op("Sigmoid", [v])]), both),
  "aten::leaky_relu": activation((call, v) => (isSym(call.args[1]) ? undefined : call.x.op("LeakyRelu", [v], { alpha: floatAttribute(numberArg(call, 1)) }))),
  "aten::elu": activation((call, v) =>
    numberArg(call, 2) === 1 && numberArg(call, 3) === 1 ? call.x.op("Elu", [v], { alpha: floatAttribute(numberArg(call, 1)) }) : undefined,
  ),
  "aten::selu": activation((call, v) => call.x.op("Selu", [v])),
  "aten::hardsigmoid": activation((call, v) => call.x.op("HardSigmoid", [v], { alpha: floatAttribute(1 / 6), beta: floatAttribute(0.5) })),
  "aten::hardswish": activation((call, v) => call.x.op("Mul", [v, call.x.op("HardSigmoid", [v], { alpha: floatAttribute(1 / 6), beta: floatAttribute(0.5) })])),
  "aten::gelu": gelu,
  "aten::softmax.int": softmax("Softmax"),
  "aten::_softmax": softmax("Softmax"),
  "aten::log_softmax.int": softmax("LogSoftmax"),
  "aten::_log_softmax": softmax("LogSoftmax"),
  "aten::special_softmax": softmax("Softmax"),
  "aten::prelu": prelu,
  "aten::_prelu_kernel": prelu,
  "aten::dropout": dropout,
  "aten::feature_dropout": dropout,
  "aten::hardtanh": (call) => clampTo(call, call.args[1], call.args[2]),
  "aten::relu6": (call) => clampTo(call, 0, 6),
  "aten::upsample_nearest1d.vec": resize("nearest", false, false),
  "aten::upsample_nearest2d.vec": resize("nearest", false, false),
  "aten::upsample_nearest3d.vec": resize("nearest", false, false),
  "aten::_upsample_nearest_exact1d.vec": resize("nearest", false, true),
  "aten::_upsample_nearest_exact2d.vec": resize("nearest", false, true),
  "aten::_upsample_nearest_exact3d.vec": resize("nearest", false, true),
  "aten::upsample_linear1d.vec": resize("linear", true, false),
  "aten::upsample_bilinear2d.vec": resize("linear", true, false),
  "aten::upsample_trilinear3d.vec": resize("linear", true, false),
  "aten::upsample_bicubic2d.vec": resize("cubic", true, false),
  "aten::grid_sampler": gridSample,
  "aten::grid_sampler_2d": gridSample,
};
