/** Samples of normalisations. */

import { aten, bool, float, int, ints, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3, 4]);
const weight = t([3]);
const bias = t([3], { seed: 9 });
const mean = t([3], { low: -0.5, high: 0.5 });
const variance = t([3], { low: 0.5, high: 2 });

export const samples: readonly Sample[] = [
  aten("_batch_norm_with_update", [t([2, 3, 4]), t([3]), t([3]), tv([3], [0, 0, 0]), tv([3], [1, 1, 1]), float(0.1), float(1e-5)]),
  ...[true, false].map((training) => aten("batch_norm", [x, weight, bias, mean, variance, bool(training), float(0.1), float(1e-5), bool(false)])),
  aten("batch_norm", [t([2, 3, 1, 2], { dtype: "float64" }), none, none, none, none, bool(true), float(0.1), float(1e-5), bool(false)]),
  ...["native_batch_norm", "_native_batch_norm_legit"].flatMap((name) => [true, false].map((training) => aten(name, [x, weight, bias, mean, variance, bool(training), float(0.1), float(1e-5)]))),
  aten("_native_batch_norm_legit.no_stats", [x, weight, none, bool(true), float(0.1), float(1e-5)]),
  aten("_native_batch_norm_legit_no_training", [x, weight, bias, mean, variance, float(0.1), float(1e-5)]),
  aten("_native_batch_norm_legit_functional", [x, weight, bias, mean, variance, bool(true), float(0.1), float(1e-5)]),
  aten("instance_norm", [x, weight, bias, none, none, bool(true), float(0.1), float(1e-5), bool(false)]),
  aten("instance_norm", [x, none, none, mean, variance, bool(false), float(0.1), float(1e-5), bool(false)]),
  aten("layer_norm", [x, ints(4), t([4]), t([4])]),
  aten("layer_norm", [t([2, 3], { dtype: "float64", transpose: true }), ints(2, 3), none, none, float(0.1)]),
  aten("layer_norm", [x, ints(3)]),
  aten("native_layer_norm", [x, ints(3, 4), t([3, 4]), none, float(1e-5)]),
  aten("group_norm", [t([2, 4, 3]), int(2), t([4]), t([4])]),
  aten("group_norm", [t([1, 4, 2, 2], { dtype: "float64" }), int(4)]),
  aten("native_group_norm", [t([2, 4, 3]), t([4]), none, int(2), int(4), int(3), int(2), float(1e-5)]),
  aten("rms_norm", [x, ints(4), t([4])]),
  aten("rms_norm", [t([2, 3], { dtype: "float64" }), ints(2, 3), none, float(0.1)]),
  aten("_fused_rms_norm", [x, ints(4), t([4]), float(1e-5)]),
  aten("_batch_norm_impl_index", [x, weight, bias, mean, variance, bool(false), float(0.1), float(1e-5), bool(false)], {}, { check: "shape_dtype", note: "the reserve is the backend's own" }),
  aten("_batch_norm_with_update_functional", [x, weight, bias, mean, variance, float(0.1), float(1e-5)]),
  aten("_batch_norm_no_update", [x, weight, bias, mean, variance, float(0.1), float(1e-5)]),
  aten("batch_norm_update_stats", [x, mean, variance, float(0.1)]),
  ...(["float16", "bfloat16"] as const).flatMap((dtype) => [
    aten("native_batch_norm", [t([3, 2, 5], { dtype, low: -5, high: 5 }), t([2], { dtype }), t([2], { dtype }), t([2], { dtype }), t([2], { dtype, low: 0.5, high: 2 }), bool(true), { float: 0.5 }, { float: 0.6 }]),
    aten("native_batch_norm", [t([3, 5, 4], { dtype, low: -5, high: 5, transpose: true }), t([5], { dtype }), t([5], { dtype }), t([5], { dtype }), t([5], { dtype, low: 0.5, high: 2 }), bool(false), { float: 0.5 }, { float: 0.6 }]),
    aten("instance_norm", [t([2, 3, 5], { dtype, low: -5, high: 5 }), t([3], { dtype }), t([3], { dtype }), none, none, bool(true), { float: 0.5 }, { float: 0.6 }, bool(false)]),
    aten("native_layer_norm", [tv([1], [7.7], { dtype }), ints(1), tv([1], [9], { dtype }), none, { float: 1e-5 }]),
  ]),
  aten("rms_norm", [t([2, 3], { dtype: "complex64" }), ints(3), t([3], { dtype: "complex64" }), { float: 0.5 }]),
];
