/** Samples of attention. */

import { aten, bool, float, int, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const query = t([1, 2, 3, 2]);
const key = t([1, 2, 2, 2]);
const value = t([1, 2, 2, 2]);

export const samples: readonly Sample[] = [
  aten("scaled_dot_product_attention", [query, key, value]),
  aten("scaled_dot_product_attention", [query, key, value, none, float(0), bool(true)], { scale: float(0.3) }),
  aten("scaled_dot_product_attention", [query, key, value, t([3, 2], { dtype: "bool" })]),
  aten("scaled_dot_product_attention", [t([1, 4, 2, 2]), t([1, 2, 2, 2]), t([1, 2, 2, 2])], { enable_gqa: bool(true) }),
  aten("_scaled_dot_product_attention_math", [query, key, value, t([3, 2])]),
  aten("_scaled_dot_product_flash_attention_for_cpu", [query, key, value]),
  aten("_native_multi_head_attention", [t([1, 2, 2]), t([1, 2, 2]), t([1, 2, 2]), int(2), int(1), t([6, 2]), t([6]), t([2, 2]), t([2])]),
  aten("_masked_softmax", [t([2, 3]), tv([2, 3], [true, false, false, false, true, true], { dtype: "bool" }), int(1)]),
  aten("_transform_bias_rescale_qkv", [t([1, 2, 6]), t([6]), int(1)]),
  ...(["float16", "bfloat16"] as const).flatMap((dtype) => [
    aten("scaled_dot_product_attention", [
      t([1, 2, 3, 4], { dtype, low: -3, high: 3 }),
      t([1, 2, 5, 4], { dtype, low: -3, high: 3 }),
      t([1, 2, 5, 4], { dtype, low: -3, high: 3 }),
      none,
      { float: 0 },
      bool(true),
    ]),
    aten("scaled_dot_product_attention", [
      t([2, 3, 4], { dtype, low: -3, high: 3 }),
      t([2, 5, 4], { dtype, low: -3, high: 3 }),
      t([2, 5, 4], { dtype, low: -3, high: 3 }),
    ]),
  ]),
];
