/** Samples of `quantized_decomposed`. */

import { type Arg, dtype, float, int, none, type Sample, sample, t } from "../../test/golden/sample-tensor.ts";

const call = (name: string, args: readonly Arg[], kwargs?: Readonly<Record<string, Arg>>): Sample => sample(`quantized_decomposed::${name}`, args, kwargs);

const x = t([3, 4], { low: -3, high: 3 });
const turned = t([4, 3], { low: -9, high: 9, transpose: true });
const codes = t([3, 4], { dtype: "int8", low: -128, high: 127 });
const bytes = t([2, 5], { dtype: "uint8", low: 0, high: 255 });
const small = t([2, 4], { dtype: "bfloat16", low: -2, high: 2 });
const scale = t([1], { values: [0.03] });
const zero = t([1], { dtype: "int64", values: [5] });
const scales = t([3], { values: [0.02, 0.5, 0.011] });
const zeros = t([3], { dtype: "int64", values: [0, 3, -7] });
const tokenScales = t([3, 1], { dtype: "float64", values: [0.02, 0.5, 0.011] });
const tokenZeros = t([3, 1], { dtype: "int64", values: [0, 3, -7] });
const groupScales = t([3, 2], { values: [0.02, 0.5, 0.011, 0.1, 0.3, 0.07] });
const groupZeros = t([3, 2], { dtype: "int32", values: [0, 3, -7, 1, 2, -1] });
const int8 = [int(-128), int(127), dtype("int8")] as const;
const uint8 = [int(0), int(255), dtype("uint8")] as const;

export const samples: readonly Sample[] = [
  ...[x, turned, small, t([0, 2]), t([])].map((input) => call("quantize_per_tensor", [input, float(0.05), int(3), ...int8])),
  call("quantize_per_tensor", [x, float(0.01), int(128), ...uint8]),
  call("quantize_per_tensor", [x, float(0.001), int(0), int(-32768), int(32767), dtype("int16")]),
  call("quantize_per_tensor", [t([3], { dtype: "float64" }), float(0.1), int(0), ...int8]),
  call("quantize_per_tensor", [x, float(0.1), int(0), int(-129), int(127), dtype("int8")]),
  call("quantize_per_tensor", [x, float(0.1), int(0), int(0), int(256), dtype("uint8")]),
  call("quantize_per_tensor.tensor", [x, scale, zero, ...int8]),
  call("quantize_per_tensor.tensor", [x, scales, zero, ...int8]),
  call("quantize_per_tensor.tensor2", [x, scale, zero, t([1], { dtype: "int64", values: [-100] }), t([1], { dtype: "int64", values: [100] }), dtype("int8")]),
  call("dequantize_per_tensor", [codes, float(0.05), int(3), ...int8]),
  call("dequantize_per_tensor", [bytes, float(0.01), int(128), ...uint8], { out_dtype: dtype("bfloat16") }),
  call("dequantize_per_tensor", [bytes, float(0.01), int(128), ...int8]),
  call("dequantize_per_tensor.tensor", [codes, scale, zero, ...int8]),
  call("dequantize_per_tensor.tensor2", [
    codes,
    scale,
    zero,
    t([1], { dtype: "int64", values: [-100] }),
    t([1], { dtype: "int64", values: [100] }),
    dtype("int8"),
  ]),
  ...[x, turned, small, t([4], { low: 1, high: 2 }), t([2], { values: [0, 0] })].flatMap((input) => [
    call("choose_qparams.tensor", [input, int(0), int(255), float(1e-5), dtype("uint8")]),
    call("choose_qparams.tensor", [input, int(-128), int(127), float(2e-7), dtype("int8")]),
    call("choose_qparams_symmetric.tensor", [input, int(-127), int(127), float(1e-5), dtype("int8")]),
    call("choose_qparams_symmetric.tensor", [input, int(0), int(255), float(1e-5), dtype("uint8")]),
  ]),
  call("choose_qparams.tensor", [codes, int(0), int(255), float(1e-5), dtype("uint8")]),
  ...[x, small].map((input) =>
    call("quantize_per_channel", [input, t([4], { low: 0.01, high: 0.2 }), t([4], { dtype: "int64", low: -5, high: 5 }), int(1), ...int8]),
  ),
  call("quantize_per_channel", [x, scales, zeros, int(0), ...int8]),
  call("quantize_per_channel", [turned, scales, zeros, int(0), ...int8]),
  call("quantize_per_channel", [x, t([3], { dtype: "float64", low: 0.01, high: 0.2 }), zeros, int(0), ...uint8]),
  call("dequantize_per_channel", [codes, scales, zeros, int(0), ...int8]),
  call("dequantize_per_channel", [codes, scales, none, int(0), ...int8], { out_dtype: dtype("float16") }),
  ...[x, small, t([2, 2, 3])].flatMap((input) => [
    call("choose_qparams_per_token", [input, dtype("int8")]),
    call("choose_qparams_per_token_asymmetric", [input, dtype("int8")]),
    call("_choose_qparams_per_token_asymmetric_impl", [input, dtype("int8")]),
  ]),
  call("choose_qparams_per_token", [x, dtype("uint8")]),
  call("quantize_per_token", [x, tokenScales, tokenZeros, ...int8]),
  call("quantize_per_token", [x, scale, tokenZeros, ...int8]),
  call("dequantize_per_token", [codes, tokenScales, tokenZeros, ...int8, dtype("float32")]),
  call("dequantize_per_token", [codes, tokenScales, tokenZeros, ...int8, dtype("bfloat16")]),
  call("quantize_per_channel_group", [x, groupScales, groupZeros, int(-8), int(7), dtype("int8"), int(2)]),
  call("quantize_per_channel_group", [x, t([3, 1], { low: 0.1, high: 0.5 }), tokenZeros, int(-8), int(7), dtype("int8"), int(128)]),
  call("quantize_per_channel_group", [x, groupScales, groupZeros, int(-8), int(7), dtype("int8"), int(3)]),
  call("dequantize_per_channel_group", [codes, groupScales, groupZeros, int(-8), int(7), dtype("int8"), int(2), dtype("float32")]),
  call("dequantize_per_channel_group", [codes, groupScales, none, int(-8), int(7), dtype("int8"), int(2), dtype("float16")]),
  call("fake_quant_per_channel", [x, scales, t([3], { dtype: "int32", values: [0, 3, -7] }), int(0), int(-128), int(127)]),
  call("convert_element_type.no_fuse", [x, dtype("float16")]),
];
