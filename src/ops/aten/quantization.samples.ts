/** Samples of quantising, of what codes tell of themselves, and of aten ops on codes; some are refused. */

import { type Arg, aten, bool, dtype, float, int, ints, list, made, none, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = (shape: readonly number[], scale = 0.05, zeroPoint = 100): Arg => t(shape, { dtype: "quint8", low: 0, high: 256, scale, zeroPoint });
const signed = (shape: readonly number[], scale = 0.02, zeroPoint = -7): Arg => t(shape, { dtype: "qint8", low: -128, high: 128, scale, zeroPoint });
const numbers = (shape: readonly number[], low = -2, high = 2): Arg => t(shape, { low, high });
const scales = tv([3], [0.1, 0.25, 0.02], { dtype: "float64" });
const zeros = tv([3], [3, 0, 100], { dtype: "int64" });
const channels = made("aten::quantize_per_channel", numbers([3, 4]), scales, zeros, int(0), dtype("quint8"));
const halves = tv([10], [0.5, 1.5, 2.5, -0.5, -1.5, 1e9, -1e9, "nan", "inf", "-inf"]);

const quantising: readonly Sample[] = [
  ...(["quint8", "qint8", "qint32"] as const).flatMap((name) => [
    aten("quantize_per_tensor", [numbers([3, 50], -8, 8), float(0.07), int(3), dtype(name)]),
    aten("quantize_per_tensor", [halves, float(1), int(3), dtype(name)]),
    aten("quantize_per_channel", [numbers([3, 4, 5], -8, 8), scales, zeros, int(0), dtype(name)]),
    aten("quantize_per_channel", [
      halves,
      tv([10], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], { dtype: "float32" }),
      tv([10], [1, 0, 1, 0, 1, 0, 1, 0, 1, 0], { dtype: "int32" }),
      int(0),
      dtype(name),
    ]),
  ]),
  aten("quantize_per_channel", [numbers([4, 3], -8, 8), scales, zeros, int(-1), dtype("quint8")]),
  aten("quantize_per_channel", [numbers([3, 4], -2, 2), tv([3], [0.1, 0.2, 0]), tv([3], [3.5, 0.25, 7]), int(0), dtype("quint8")]),
  aten("quantize_per_channel", [numbers([4, 3]), scales, zeros, int(0), dtype("quint8")]),
  aten("quantize_per_tensor", [t([2], { dtype: "float64" }), float(0.1), int(0), dtype("quint8")]),
  aten("quantize_per_tensor", [numbers([2]), float(0.1), int(300), dtype("quint8")]),
  aten("quantize_per_tensor", [t([3, 4], { transpose: true }), float(0.1), int(7), dtype("quint8")]),
  aten("quantize_per_tensor.tensor_qparams", [numbers([9]), tv([], [0.1]), tv([], [7], { dtype: "int64" }), dtype("quint8")]),
  aten("quantize_per_tensor.tensors", [list(numbers([9]), numbers([2])), tv([2], [0.1, 0.3]), tv([2], [7, 9], { dtype: "int64" }), dtype("quint8")]),
  ...[
    [-2, 2],
    [1, 3],
    [-3, -1],
    [0, 1e-6],
  ].flatMap(([low = 0, high = 0]) => [
    aten("quantize_per_tensor_dynamic", [numbers([20], low, high), dtype("quint8"), bool(false)]),
    aten("quantize_per_tensor_dynamic", [numbers([20], low, high), dtype("qint8"), bool(true)]),
    aten("_choose_qparams_per_tensor", [numbers([20], low, high), bool(true)]),
  ]),
  aten("choose_qparams_optimized", [numbers([40]), int(40), int(200), float(0.16), int(4)]),
];
const telling: readonly Sample[] = [
  aten("dequantize.self", [x([3, 4])]),
  aten("dequantize.self", [channels]),
  aten("dequantize.tensor", [signed([5])]),
  aten("dequantize.tensors", [list(x([3]), signed([2]))]),
  aten("int_repr", [x([3, 4])]),
  aten("int_repr", [channels]),
  aten("int_repr", [t([3, 4], { dtype: "quint8", low: 0, high: 256, scale: 0.1, zeroPoint: 3, transpose: true })]),
  aten("q_scale", [x([3])]),
  aten("qscheme", [x([3])]),
  aten("q_zero_point", [x([3])]),
  aten("q_scale", [channels]),
  aten("q_per_channel_scales", [channels]),
  aten("q_per_channel_zero_points", [channels]),
  aten("q_per_channel_axis", [channels]),
  aten("_make_per_tensor_quantized_tensor", [t([4], { dtype: "uint8" }), float(0.1), int(5)]),
  aten("_make_per_channel_quantized_tensor", [t([3, 2], { dtype: "int8" }), scales, zeros, int(0)]),
  aten("_empty_affine_quantized", [ints(2, 3)], { scale: float(0.5), zero_point: int(3), dtype: dtype("quint8") }, { check: "shape_dtype" }),
  aten("_empty_per_channel_affine_quantized", [ints(3, 2)], { scales, zero_points: zeros, axis: int(0), dtype: dtype("quint8") }, { check: "shape_dtype" }),
  aten("empty_quantized", [ints(2, 3), x([2])], {}, { check: "shape_dtype" }),
];
interface Observed {
  readonly min: readonly (number | string)[];
  readonly max: readonly (number | string)[];
  readonly observing?: number;
  readonly rounding?: number;
  readonly first?: number;
  readonly last?: number;
  readonly perRow?: boolean;
  readonly symmetric?: boolean;
}
/** Arguments of a fused observer with running bounds. */
function observed(values: Arg, o: Observed): Arg[] {
  const size = [o.min.length];
  const flag = (on: number): Arg => tv([1], [on], { dtype: "int64" });
  const facts = [
    tv(size, o.min),
    tv(size, o.max),
    tv(
      size,
      o.min.map(() => 1),
    ),
    tv(
      size,
      o.min.map(() => 0),
      { dtype: "int32" },
    ),
  ];
  return [
    values,
    flag(o.observing ?? 1),
    flag(o.rounding ?? 1),
    ...facts,
    float(0.25),
    int(o.first ?? 0),
    int(o.last ?? 255),
    int(0),
    bool(o.perRow ?? false),
    bool(o.symmetric ?? false),
  ];
}
const learned: readonly Sample[] = [
  aten("fake_quantize_per_tensor_affine", [numbers([40], -3, 3), float(0.07), int(3), int(0), int(31)]),
  aten("fake_quantize_per_tensor_affine_cachemask", [numbers([40], -3, 3), float(0.07), int(3), int(0), int(31)]),
  aten("fake_quantize_per_tensor_affine.tensor_qparams", [numbers([40], -3, 3), tv([1], [0.07]), tv([1], [3], { dtype: "int32" }), int(0), int(31)]),
  aten("_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", [
    numbers([40], -3, 3),
    tv([1], [0.07]),
    tv([1], [3], { dtype: "int32" }),
    tv([1], [1], { dtype: "int64" }),
    int(0),
    int(31),
  ]),
  aten("_fake_quantize_per_tensor_affine_cachemask_tensor_qparams", [
    numbers([40], -3, 3),
    tv([1], [0.07]),
    tv([1], [3], { dtype: "int32" }),
    tv([1], [0], { dtype: "int64" }),
    int(0),
    int(31),
  ]),
  aten("fake_quantize_per_channel_affine", [
    numbers([3, 14], -3, 3),
    tv([3], [0.07, 0.1, 0.02]),
    tv([3], [3, 0, 31], { dtype: "int32" }),
    int(0),
    int(0),
    int(31),
  ]),
  aten("fake_quantize_per_channel_affine_cachemask", [numbers([14, 3], -3, 3), tv([3], [0.07, 0.1, 0.02]), tv([3], [3.5, 0, 31]), int(1), int(0), int(31)]),
  aten("_fake_quantize_learnable_per_tensor_affine", [numbers([40], -3, 3), tv([1], [0.07]), tv([1], [3.2]), int(0), int(31), float(1)]),
  aten("_fake_quantize_learnable_per_tensor_affine", [numbers([40], -3, 3), tv([1], [0.07]), tv([1], [2.5]), int(0), int(31), float(1)]),
  aten("_fake_quantize_learnable_per_channel_affine", [
    numbers([3, 14], -3, 3),
    tv([3], [0.07, 0.1, 0.02]),
    tv([3], [2.5, -0.2, 40]),
    int(0),
    int(0),
    int(31),
    float(1),
  ]),
  // Halves show where the zero point joins.
  aten("fake_quantize_per_channel_affine", [
    tv([2, 4], [0.5, 1.5, -0.5, 2.5, 1, 3, -1, 5]),
    tv([2], [1, 2]),
    tv([2], [1, 2], { dtype: "int32" }),
    int(0),
    int(-8),
    int(7),
  ]),
  ...["fused_moving_avg_obs_fake_quant", "_fused_moving_avg_obs_fq_helper", "_fused_moving_avg_obs_fq_helper_functional"].flatMap((name) => [
    aten(name, observed(numbers([3, 7], -3, 2), { min: [-1], max: [2] })),
    aten(name, observed(numbers([3, 7], -3, 2), { min: [-1], max: [2], symmetric: true, first: -128, last: 127 })),
    aten(name, observed(numbers([3, 7], 1, 2), { min: ["inf"], max: ["-inf"], symmetric: true })),
    aten(name, observed(numbers([3, 2, 2], -3, 2), { min: [-1, "inf", -2], max: [1, "-inf", 2], perRow: true, first: -128, last: 127, symmetric: true })),
    aten(name, observed(numbers([3, 7], -3, 2), { min: [-1], max: [2], observing: 0 })),
    aten(name, observed(numbers([3, 7], -3, 2), { min: [-1], max: [2], rounding: 0 })),
  ]),
  aten("fused_moving_avg_obs_fake_quant", observed(numbers([3, 7], -3, 2), { min: [], max: [], perRow: true, first: -128, last: 127 })),
  aten("fused_moving_avg_obs_fake_quant", observed(numbers([0, 7]), { min: [-1], max: [2] })),
  aten("quantized_batch_norm", [x([2, 4, 3, 3]), numbers([4]), numbers([4]), numbers([4]), numbers([4], 0.5, 2), float(1e-5), float(0.06), int(100)]),
];
/** A half that PyTorch rounds after sums in single precision, in its own order, may fall to the other side. */
const HALVES = { atol: 1, note: "a half after sums in another order" } as const;
/** Ops that were written for numbers. */
/** Per channel: what moves no element is taken, the rest refused. */
const perChannel: readonly Sample[] = [
  ...["clone", "sort", "max", "flatten.using_ints", "relu", "ones_like", "msort"].map((name) => aten(name, [channels])),
  aten("full_like", [channels, float(0.3)]),
  aten("select.int", [channels, int(0), int(1)]),
  aten("slice.Tensor", [channels, int(0), int(1), int(3)]),
  aten("topk", [channels, int(2)]),
  aten("index_select", [channels, int(0), tv([1], [1], { dtype: "int64" })]),
  aten("flip", [channels, ints(0)]),
];
const borrowed: readonly Sample[] = [x([2, 4, 8, 8]), signed([2, 4, 8, 8])].flatMap((v): Sample[] => [
  ...[
    "relu",
    "relu_",
    "relu6",
    "relu6_",
    "sigmoid",
    "tanh",
    "hardsigmoid",
    "gelu",
    "gelu_",
    "max",
    "min",
    "mean",
    "std",
    "clone",
    "neg",
    "sigmoid_",
    "sum",
    "hardswish",
    "elu",
    "zero_",
    "abs",
    "exp",
    "argsort",
    "msort",
    "is_nonzero",
    "item",
    "conj",
    "prod",
    "square",
    "logical_not",
  ].map((name) => aten(name, [v])),
  aten("softmax.int", [v, int(1)]),
  aten("empty_like", [v], {}, { check: "shape_dtype" }),
  aten("ones_like", [v]),
  aten("full_like", [v, float(-0.7)]),
  aten("zeros_like", [v]),
  aten("ones_like", [v], { dtype: dtype("float32") }),
  aten("grid_sampler", [v, numbers([2, 5, 3, 2], -1.3, 1.3), int(0), int(0), bool(false)]),
  aten("grid_sampler_2d", [v, numbers([2, 5, 3, 2], -1.3, 1.3), int(0), int(2), bool(true)]),
  aten("grid_sampler_2d", [v, numbers([2, 5, 3, 2], -1.3, 1.3), int(1), int(2), bool(true)]),
  aten("pad", [v, ints(1, 1, 1, 1), str("reflect"), none]),
  aten("pad", [v, ints(1, 1, 1, 1), str("replicate"), none]),
  aten("pad", [v, ints(1, 1, 1, 1), str("circular"), none]),
  aten("add.Tensor", [v, v]),
  aten("mul.Tensor", [v, v]),
  aten("matmul", [v, v]),
  aten("roll", [v, ints(1), ints(1)]),
  aten("where.self", [tv([], [true], { dtype: "bool" }), v, v]),
  aten("hardtanh", [v, float(-1), float(1.3)]),
  aten("hardtanh_", [v, float(-1), float(1.3)]),
  aten("clamp", [v, float(-1), float(1.3)]),
  aten("clamp_", [v, float(-1), float(1.3)]),
  aten("leaky_relu", [v, float(0.2)]),
  aten("leaky_relu_", [v, float(0.2)]),
  aten("threshold", [v, float(0.4), float(-1)]),

  ...["eq", "ne", "lt", "le", "gt", "ge"].flatMap((name) => [aten(`${name}.Tensor`, [v, x([8], 0.07, 40)]), aten(`${name}.Scalar`, [v, float(0.35)])]),
  aten("mean.dim", [v, ints(2, 3), bool(false)]),
  aten("mean.dim", [v, ints(1), bool(true)], {}, HALVES),
  aten("std.dim", [v, ints(2, 3), bool(false), bool(true)]),
  aten("max.dim", [v, int(1), bool(false)]),
  aten("min.dim", [v, int(-1), bool(true)]),
  aten("sort", [v, int(2), bool(true)]),
  aten("max_pool2d", [v, ints(3, 3), ints(2, 2), ints(1, 1)]),
  aten("quantized_max_pool2d", [v, ints(3, 3), ints(2, 2), ints(1, 1)]),
  aten("avg_pool2d", [v, ints(3, 3), ints(2, 2), ints(1, 1)]),
  aten("avg_pool2d", [v, ints(2, 2), ints(), ints(0, 0), bool(true), bool(false)]),
  aten("avg_pool2d", [v, ints(3, 3), ints(2, 2), ints(1, 1), bool(false), bool(false)]),
  aten("adaptive_avg_pool2d", [v, ints(1, 1)]),
  aten("adaptive_avg_pool2d", [v, ints(3, 5)]),
  aten("upsample_nearest2d.vec", [v, ints(12, 13), none]),
  aten("upsample_bilinear2d.vec", [v, ints(12, 13), bool(false), none], {}, HALVES),
  aten("upsample_bilinear2d.vec", [v, ints(5, 16), bool(true), none], {}, HALVES),
  aten("_upsample_nearest_exact2d.vec", [v, ints(12, 13), none]),
  aten("upsample_bicubic2d.vec", [v, ints(12, 13), bool(false), none]),
  aten("constant_pad_nd", [v, ints(1, 2), float(1.23)]),
  aten("pad", [v, ints(1, 2, 1, 1), str("reflect")]),
  aten("pad", [v, ints(1, 2, 1, 1), str("constant"), float(0.5)]),
  aten("reflection_pad2d", [v, ints(1, 2, 1, 1)]),
  aten("replication_pad2d", [v, ints(1, 2, 1, 1)]),
  aten("flip", [v, ints(1)]),
  aten("index_select", [v, int(1), tv([3], [0, 2, 2], { dtype: "int64" })]),
  aten("index.Tensor", [v, list(none, tv([2], [3, 0], { dtype: "int64" }))]),
  aten("gather", [v, int(1), t([2, 4, 8, 8], { dtype: "int64", low: 0, high: 4 })]),
  aten("masked_fill.Scalar", [v, t([8], { dtype: "bool" }), float(0.77)]),
  aten("masked_fill_.Scalar", [v, t([8], { dtype: "bool" }), float(0.77)]),
  aten("fill_.Scalar", [v, float(0.77)]),
  aten("copy_", [v, numbers([8])]),
  aten("copy_", [v, numbers([2, 4, 8, 8])]),
  aten("index_put_", [v, list(tv([1], [1], { dtype: "int64" })), numbers([4, 8, 8])]),
  aten("transpose.int", [v, int(1), int(3)]),
  aten("reshape", [v, ints(2, -1)]),
  aten("chunk", [v, int(2), int(1)]),
  aten("repeat", [v, ints(1, 2, 1, 1)]),
  aten("channel_shuffle", [v, int(2)]),
  aten("pixel_shuffle", [v, int(2)]),
  aten("contiguous", [v], { memory_format: { memoryFormat: "channels_last" } }),
  aten("to.dtype", [v, dtype("float32")]),
  aten("dropout", [v, float(0.5), bool(false)]),
  aten("equal", [v, v]),
  aten("unsqueeze", [v, int(0)]),
  aten("squeeze.dim", [v, int(0)]),
  aten("select.int", [v, int(1), int(2)]),
]);
const joined: readonly Sample[] = [
  aten("cat", [list(x([2, 3]), x([1, 3], 0.07, 40)), int(0)]),
  aten("stack", [list(x([2, 3]), x([2, 3], 0.07, 40)), int(1)]),
  aten("cat", [list(channels, channels), int(0)]),
  ...(["relu", "clone", "max", "t", "flatten.using_ints", "sigmoid", "unsqueeze"] as const).map((name) =>
    aten(name, name === "unsqueeze" ? [channels, int(0)] : [channels]),
  ),
  aten("select.int", [channels, int(0), int(1)]),
  aten("slice.Tensor", [channels, int(0), int(1), int(3)]),
  aten("equal", [channels, channels]),
  aten("eq.Tensor", [channels, channels]),
  aten("view", [channels, ints(3, 2, 2)]),
  aten("quantized_max_pool1d", [x([2, 3, 9]), ints(3)]),
  aten("quantized_max_pool3d", [x([1, 2, 4, 4, 4]), ints(2, 2, 2)]),
  aten("avg_pool3d", [x([1, 2, 4, 4, 4]), ints(2, 2, 2)]),
  aten("adaptive_avg_pool3d", [x([1, 2, 4, 4, 4]), ints(2, 3, 1)]),
  aten("avg_pool1d", [x([2, 3, 9]), ints(3)]),
  aten("max_pool1d", [x([2, 3, 9]), ints(3)]),
  aten("adaptive_avg_pool1d", [x([2, 3, 9]), ints(2)]),
  aten("topk", [t([3, 9], { dtype: "quint8", low: 0, high: 256, scale: 0.1, zeroPoint: 3, distinct: true }), int(3)]),
  aten("prelu", [x([2, 4, 8, 8]), x([4], 0.0137, 100)]),
  aten("Int.Tensor", [x([])]),
  aten("Float.Tensor", [x([])]),
  aten("item", [signed([1])]),
];

export const samples: readonly Sample[] = [...quantising, ...telling, ...learned, ...perChannel, ...borrowed, ...joined];
