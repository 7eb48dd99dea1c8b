/** Samples of the ops on codes and packed parameters. Weights and tensors per channel are made by the ops that make them in models. */

import { type Arg, bool, dtype, float, int, ints, list, made, none, quantized, sample, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

/** Codes of activations over the whole range, of weights around 0. */
const x = (shape: readonly number[], scale = 0.05, zeroPoint = 100): Arg => t(shape, { dtype: "quint8", low: 0, high: 256, scale, zeroPoint });
const signed = (shape: readonly number[], scale = 0.02, zeroPoint = 0): Arg => t(shape, { dtype: "qint8", low: -128, high: 128, scale, zeroPoint });
const numbers = (shape: readonly number[], low = -2, high = 2): Arg => t(shape, { low, high });
const channels = (count: number): readonly [Arg, Arg] => [
  tv(
    [count],
    Array.from({ length: count }, (_, i) => 0.01 + 0.003 * i),
    { dtype: "float64" },
  ),
  tv(
    [count],
    Array.from({ length: count }, () => 0),
    { dtype: "int64" },
  ),
];
/** A weight with a scale for each position of `axis`. */
const perChannel = (shape: readonly number[], axis = 0): Arg =>
  made("aten::_make_per_channel_quantized_tensor", t(shape, { dtype: "int8", low: -128, high: 128 }), ...channels(shape[axis] ?? 1), int(axis));

const linear = (weight: Arg, bias: Arg = none): Arg => made("quantized::linear_prepack", weight, bias);
const OUT: readonly Arg[] = [float(0.3), int(90)];

const linears: readonly Sample[] = [
  ...[signed([5, 7]), signed([5, 7], 0.02, 3), perChannel([5, 7])].flatMap((w) =>
    [none, numbers([5])].flatMap((b) => [
      quantized("linear", [x([4, 7]), linear(w, b), ...OUT]),
      quantized("linear_relu", [x([2, 3, 7]), linear(w, b), ...OUT]),
      quantized("linear_dynamic", [numbers([4, 7]), linear(w, b)]),
      quantized("linear_dynamic", [numbers([4, 7]), linear(w, b), bool(true)]),
      quantized("linear_relu_dynamic", [numbers([4, 7]), linear(w, b), bool(true)]),
    ]),
  ),
  sample("_quantized::linear", [x([4, 7]), linear(signed([5, 7])), ...OUT]),
  sample("_quantized::linear_dynamic", [numbers([4, 7]), linear(signed([5, 7]))]),
  quantized("linear_dynamic", [numbers([3, 7], 1, 2), linear(signed([5, 7]))]),
  quantized("linear_dynamic", [numbers([3, 7], -2, -1), linear(signed([5, 7]))]),
  quantized("linear_dynamic", [numbers([3, 7], 0, 1e-5), linear(signed([5, 7]))]),
  quantized("linear_dynamic", [tv([1, 2], [0, 0]), linear(signed([3, 2]), numbers([3]))]),
  quantized("linear", [x([4, 6]), linear(signed([5, 7])), ...OUT]),
  quantized("linear_dynamic_fp16", [numbers([4, 7]), made("quantized::linear_prepack_fp16", numbers([5, 7]), numbers([5]))]),
  quantized("linear_relu_dynamic_fp16", [numbers([4, 7]), made("quantized::linear_prepack_fp16", numbers([5, 7], -1e5, 1e5), none)]),
  quantized("linear_dynamic_fp16_unpacked_weight", [numbers([4, 7]), numbers([5, 7]), numbers([5])]),
  quantized("linear_prepack", [signed([5, 7]), none]),
  sample("_quantized::linear_prepack", [signed([5, 7]), none]),
  quantized("linear_prepack_fp16", [numbers([5, 7]), none]),
  sample("_quantized::linear_prepack_fp16", [numbers([5, 7]), none]),
  quantized("linear_unpack", [linear(perChannel([5, 7]), numbers([5]))]),
  quantized("linear_unpack_fp16", [made("quantized::linear_prepack_fp16", numbers([5, 7]), none)]),
  quantized("linear_with_input_q_dq_qweight_dq_output_fp32", [numbers([4, 7]), float(0.02), int(100), linear(signed([5, 7]), numbers([5]))]),
  quantized("linear_with_input_q_dq_qweight_dq_relu_output_fp32", [numbers([4, 7]), float(0.02), int(100), linear(perChannel([5, 7]), numbers([5]))]),
  quantized("matmul", [x([2, 3, 4]), x([2, 4, 5], 0.03, 120), float(1.5), int(60)]),
];

const geometry = (axes: number, stride: number, padding: number, dilation: number): readonly Arg[] =>
  [stride, padding, dilation].map((v) => ints(...Array.from({ length: axes }, () => v)));
const pack = (axes: number, w: Arg, b: Arg, stride = 1, padding = 0, dilation = 1, groups = 1): Arg =>
  made(`quantized::conv${axes}d_prepack`, w, b, ...geometry(axes, stride, padding, dilation), int(groups));
const packTransposed = (axes: number, w: Arg, b: Arg, stride = 1, padding = 0, extra = 0, groups = 1): Arg => {
  const [s = none, p = none, d = none] = geometry(axes, stride, padding, 1);
  return made(`quantized::conv_transpose${axes}d_prepack`, w, b, s, p, ints(...Array.from({ length: axes }, () => extra)), d, int(groups));
};
const side = (axes: number, size: number): number[] => Array.from({ length: axes }, () => size);

const convolutions: readonly Sample[] = [1, 2, 3].flatMap((axes): Sample[] => {
  const suffix = axes === 1 ? "" : ".new";
  const input = x([2, 4, ...side(axes, axes === 3 ? 4 : 6)]);
  const weight = signed([6, 4, ...side(axes, 3)]);
  const [plain, grouped] = [
    pack(axes, perChannel([6, 4, ...side(axes, 3)]), numbers([6]), 2, 1),
    pack(axes, signed([6, 2, ...side(axes, 3)], 0.02, 0), numbers([6]), 1, 1, 1, 2),
  ];
  const turned = packTransposed(axes, signed([4, 2, ...side(axes, 3)]), numbers([4]), 2, 1, 1, 2);
  const still = packTransposed(axes, signed([4, 4, ...side(axes, 3)], 0.02, 0), none, 2, 1);
  const wide: readonly Arg[] = [float(2.5), int(110)];
  return [
    quantized(`conv${axes}d${suffix}`, [input, plain, ...wide]),
    quantized(`conv${axes}d${suffix}`, [input, grouped, ...wide]),
    quantized(`conv${axes}d${suffix}`, [input, pack(axes, signed([6, 4, ...side(axes, 3)], 0.02, 2), none, 1, 0, 2), ...wide]),
    quantized(`conv${axes}d_relu${suffix}`, [input, plain, ...wide]),
    quantized(`conv${axes}d_dynamic`, [numbers([2, 4, ...side(axes, 6)]), pack(axes, weight, numbers([6]), 1, 1), bool(true)]),
    quantized(`conv${axes}d_unpack`, [plain]),
    quantized(`conv${axes}d_prepack`, [weight, none, ...geometry(axes, 1, 0, 1), int(1)]),
    quantized(`conv_transpose${axes}d`, [input, turned, ...wide]),
    quantized(`conv_transpose${axes}d`, [input, still, ...wide]),
    quantized(`conv_transpose${axes}d`, [input, packTransposed(axes, signed([4, 3, ...side(axes, 3)], 0.02, 0), numbers([3])), ...wide]),
    quantized(`conv_transpose${axes}d_dynamic`, [numbers([2, 4, ...side(axes, 4)]), axes === 3 ? turned : still]),
    quantized(`conv_transpose${axes}d_unpack`, [still]),
    quantized(`conv_transpose${axes}d_prepack`, [
      signed([4, 3, ...side(axes, 3)]),
      none,
      ints(...side(axes, 1)),
      ints(...side(axes, 0)),
      ints(...side(axes, 0)),
      ints(...side(axes, 1)),
      int(1),
    ]),
    ...(axes === 1
      ? []
      : [
          ...["stride", "padding", "output_padding", "dilation", "groups", "transpose"].flatMap((fact) => [
            quantized(`conv${axes}d_${fact}`, [plain]),
            quantized(`conv_transpose${axes}d_${fact}`, [turned]),
          ]),
          quantized(`conv${axes}d`, [input, plain, ...geometry(axes, 2, 1, 1), int(1), ...wide]),
          quantized(`conv${axes}d_relu`, [input, plain, ...geometry(axes, 2, 1, 1), int(1), ...wide]),
        ]),
  ];
});
// Modules with a padding mode give two numbers in one dimension.
const padded = made("quantized::conv1d_prepack", signed([6, 4, 3]), none, ints(1), ints(1, 0), ints(1), int(1));
const pair = pack(2, perChannel([6, 4, 3, 3]), numbers([6]), 1, 1);
const aliases: readonly Sample[] = [
  quantized("conv1d", [x([1, 4, 6]), padded, float(2.5), int(110)]),
  sample("_quantized::conv2d", [x([1, 4, 6, 6]), pair, float(2.5), int(110)]),
  sample("_quantized::conv2d_relu", [x([1, 4, 6, 6]), pair, float(2.5), int(110)]),
  sample("_quantized::conv2d_prepack", [signed([6, 4, 3, 3]), none, ints(1, 1), ints(0, 0), ints(1, 1), int(1)]),
  sample("_quantized::conv3d_prepack", [signed([6, 4, 3, 3, 3]), none, ints(1, 1, 1), ints(0, 0, 0), ints(1, 1, 1), int(1)]),
  ...[1, 2, 3].map((axes) =>
    sample(`_quantized::conv_transpose${axes}d_prepack`, [
      signed([4, 3, ...side(axes, 3)]),
      none,
      ints(...side(axes, 1)),
      ints(...side(axes, 0)),
      ints(...side(axes, 0)),
      ints(...side(axes, 1)),
      int(1),
    ]),
  ),
  ...[1, 2].map((axes) =>
    sample(`_quantized::conv_transpose${axes}d`, [
      x([1, 4, ...side(axes, 5)]),
      packTransposed(axes, signed([4, 4, ...side(axes, 3)]), none),
      float(2.5),
      int(110),
    ]),
  ),
  sample("_quantized::add", [x([3, 4]), x([3, 4], 0.07, 30), float(0.1), int(40)]),
  quantized("conv_prepack", [signed([6, 4, 3, 3]), none, ints(1, 1), ints(0, 0), ints(1, 1), int(1)]),
  quantized("conv_unpack", [pair]),
];

const arithmetic: readonly Sample[] = ["add", "mul"].flatMap((name) =>
  ["", "_relu"].flatMap((relu): Sample[] => [
    quantized(`${name}${relu}`, [x([3, 4]), x([3, 4], 0.07, 30), float(0.1), int(40)]),
    quantized(`${name}${relu}`, [x([3, 4]), x([4], 0.07, 30), float(0.1), int(40)]),
    quantized(`${name}${relu}`, [signed([3, 5], 0.02, -7), signed([3, 5], 0.03, 9), float(0.05), int(-3)]),
    quantized(`${name}${relu}`, [x([2, 64], 0.05, 128), x([2, 64], 0.05, 128), float(0.1), int(128)]),
    ...["out"].map((form) => quantized(`${name}${relu}.${form}`, [x([3, 4]), x([3, 4], 0.07, 30), x([3, 4], 0.2, 50)])),
    quantized(`${name}${relu}_out`, [x([3, 4]), x([3, 4], 0.07, 30), x([3, 4], 0.2, 50)]),
    ...[0.73, -1.4, 0, 9, -30].flatMap((c) => [
      quantized(`${name}${relu}.Scalar`, [x([3, 4]), float(c)]),
      quantized(`${name}_scalar${relu}`, [signed([3, 4], 0.05, 20), float(c)]),
    ]),
    quantized(`${name}${relu}.Scalar2`, [float(1.5), x([3, 4])]),
    quantized(`${name}${relu}.Scalar_out`, [x([3, 4]), float(1.5), x([3, 4], 0.2, 50)]),
    quantized(`${name}_scalar${relu}.Tensor`, [x([3, 4]), tv([], [1.5])]),
    quantized(`${name}_scalar${relu}_out`, [x([3, 4]), float(1.5), x([3, 4], 0.2, 50)]),
    quantized(`${name}_scalar${relu}_out.Tensor`, [x([3, 4]), tv([], [1.5]), x([3, 4], 0.2, 50)]),
  ]),
);
const joins: readonly Sample[] = ["", "_relu"].flatMap((relu) => [
  quantized(`cat${relu}`, [list(x([2, 3]), x([2, 2], 0.07, 30)), int(1), float(0.1), int(50)]),
  quantized(`cat${relu}`, [list(x([2, 3]), x([1, 3])), int(0), none, none]),
  quantized(`cat${relu}_out`, [list(x([2, 3]), x([1, 3], 0.07, 30)), int(0), x([3, 3], 0.2, 20)]),
]);

const activations: readonly Sample[] = [
  ...[x([5, 40]), signed([5, 40], 0.06, -11)].flatMap((v) => [
    quantized("sigmoid", [v, float(0.005), int(3)]),
    quantized("hardswish", [v, float(0.04), int(12)]),
    quantized("leaky_relu", [v, float(0.1), bool(false), float(0.04), int(40)]),
    quantized("elu", [v, float(0.04), int(40), float(1.2), float(1), float(1)]),
    quantized("elu", [v, float(0.04), int(40)]),
    quantized("celu", [v, float(0.04), int(40), float(1.3)]),
    quantized("threshold", [v, float(0.6), float(-1.2)]),
    quantized("clamp", [v, float(-1.5), float(2.3)]),
    quantized("clamp", [v, none, float(2.3)]),
    quantized("relu6", [v, bool(false)]),
    quantized("relu6", [v, bool(true)]),
    quantized("dropout", [v, float(0.04), int(40)]),
  ]),
  quantized("max_pool1d", [x([2, 3, 9]), ints(3), ints(2), ints(1), ints(1), bool(false)]),
  quantized("max_pool2d", [x([2, 3, 9, 8]), ints(3, 3), ints(2, 2), ints(1, 1), ints(1, 1), bool(true)]),
  quantized("prelu", [x([2, 3, 8]), x([3], 0.0137, 100), float(0.06), int(80)]),
  quantized("prelu", [x([2, 3, 8]), x([1], 0.0137, 100), float(0.06), int(80)]),
  quantized("softmax", [x([3, 10]), int(1), float(0.004), int(0)]),
  quantized("softmax", [x([3, 10]), int(0), float(0.004), int(5)]),
  quantized("layer_norm", [x([4, 16]), ints(16), numbers([16]), numbers([16]), float(1e-5), float(0.03), int(110)]),
  quantized("layer_norm", [x([2, 4, 6]), ints(4, 6), none, none, float(1e-5), float(0.03), int(110)]),
  quantized("group_norm", [x([2, 6, 5]), int(3), numbers([6]), numbers([6]), float(1e-5), float(0.03), int(110)]),
  quantized("instance_norm", [x([2, 3, 4, 5]), numbers([3]), numbers([3]), float(1e-5), float(0.03), int(110)]),
  ...["", "1d", "2d", "3d"].flatMap((n) =>
    ["", "_relu"].map((relu) => {
      const shape = n === "1d" ? [2, 4, 9] : n === "3d" ? [2, 4, 2, 3, 2] : [2, 4, 3, 3];
      return quantized(`batch_norm${n}${relu}`, [x(shape), numbers([4]), numbers([4]), numbers([4]), numbers([4], 0.5, 2), float(1e-5), float(0.06), int(100)]);
    }),
  ),
];

const cell = (kind: "input" | "data"): readonly Sample[] => {
  const packed = (inputs: number, gates: number): Arg =>
    made(
      "quantized::make_quantized_cell_params_dynamic",
      linear(signed([gates * 4, inputs]), numbers([gates * 4])),
      linear(signed([gates * 4, 4]), numbers([gates * 4])),
      numbers([gates * 4]),
      numbers([gates * 4]),
      bool(true),
    );
  const half = (inputs: number, gates: number): Arg =>
    made(
      "quantized::make_quantized_cell_params_fp16",
      made("quantized::linear_prepack_fp16", numbers([gates * 4, inputs]), numbers([gates * 4])),
      made("quantized::linear_prepack_fp16", numbers([gates * 4, 4]), numbers([gates * 4])),
    );
  const sizes = tv([3], [2, 2, 1], { dtype: "int64" });
  const rows: readonly Arg[] = kind === "input" ? [numbers([3, 2, 5])] : [numbers([5, 5]), sizes];
  const tail = (both: boolean): readonly Arg[] => [bool(true), int(1), float(0), bool(false), bool(both), ...(kind === "input" ? [bool(false)] : [])];
  return [packed, half].flatMap((make) => [
    sample(`aten::quantized_lstm.${kind}`, [...rows, list(numbers([2, 2, 4]), numbers([2, 2, 4])), list(make(5, 4), make(5, 4)), ...tail(true)]),
    sample(`aten::quantized_gru.${kind}`, [...rows, numbers([1, 2, 4]), list(make(5, 3)), ...tail(false)]),
  ]);
};
const recurrent: readonly Sample[] = [
  ...cell("input"),
  ...cell("data"),
  quantized("quantized_lstm_cell_dynamic", [
    numbers([2, 5]),
    list(numbers([2, 4]), numbers([2, 4])),
    linear(signed([16, 5]), numbers([16])),
    linear(signed([16, 4]), numbers([16])),
    numbers([16]),
    numbers([16]),
  ]),
  ...(
    [
      ["gru", 3],
      ["rnn_tanh", 1],
      ["rnn_relu", 1],
    ] as const
  ).map(([name, gates]) =>
    quantized(`quantized_${name}_cell_dynamic`, [
      numbers([2, 5]),
      numbers([2, 4]),
      linear(signed([gates * 4, 5]), numbers([gates * 4])),
      linear(signed([gates * 4, 4]), numbers([gates * 4])),
      numbers([gates * 4]),
      numbers([gates * 4]),
    ]),
  ),
];

const table = (name: "quint8" | "quint4x2"): Arg =>
  made(
    "quantized::embedding_bag_prepack",
    made("aten::quantize_per_channel", numbers([6, 10]), tv([6], [0.02, 0.03, 0.25, 0.1, 0.05, 0.4]), tv([6], [1.5, 7.25, 3, 8, 0, 11.5]), int(0), dtype(name)),
  );
const at = tv([4], [0, 5, 2, 2], { dtype: "int64" });
const ends = tv([2], [0, 1], { dtype: "int64" });
const prepacked = (kind: string): Arg => made(`quantized::embedding_bag_${kind}_prepack`, numbers([6, 12]));
const embeddings: readonly Sample[] = [
  ...(
    [
      ["byte", "quint8"],
      ["4bit", "quint4x2"],
    ] as const
  ).flatMap(([kind, name]) => [
    quantized(`embedding_${kind}`, [table(name), at]),
    quantized(`embedding_${kind}`, [table(name), tv([2, 1], [3, 1], { dtype: "int64" })]),
    quantized(`embedding_bag_${kind}`, [table(name), at, ends]),
    quantized(`embedding_bag_${kind}`, [
      table(name),
      at,
      tv([3], [0, 1, 4], { dtype: "int64" }),
      bool(false),
      int(1),
      bool(false),
      numbers([4]),
      none,
      bool(true),
    ]),
    quantized(`embedding_bag_${kind}`, [table(name), tv([2, 2], [3, 1, 0, 5], { dtype: "int32" })]),
    quantized(`embedding_bag_${kind}`, [table(name), at, ends, bool(false), int(0), bool(true), none, tv([6], [1, -1, 0, 3, 4, -1], { dtype: "int32" })]),
  ]),
  quantized("embedding_bag_unpack", [table("quint8")]),
  quantized("embedding_bag_prepack", [
    made("aten::quantize_per_channel", numbers([2, 4]), tv([2], [0.02, 0.03]), tv([2], [1.5, 7.25]), int(0), dtype("quint8")),
  ]),
  ...["byte", "4bit", "2bit"].flatMap((kind) => [
    quantized(`embedding_bag_${kind}_prepack`, [numbers([6, 12])]),
    quantized(`embedding_bag_${kind}_unpack`, [prepacked(kind)]),
    quantized(`embedding_bag_${kind}_rowwise_offsets`, [prepacked(kind), at, ends]),
  ]),
];

export const samples: readonly Sample[] = [...linears, ...convolutions, ...aliases, ...arithmetic, ...joins, ...activations, ...recurrent, ...embeddings];
