/** Samples of scaled products of float8 matrices; the second one is laid out by columns, which PyTorch asks for. */

import { type Arg, aten, dtype, ints, list, none, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const DTYPES = ["float8_e4m3fn", "float8_e5m2"] as const;
const one = (value: number): Arg => tv([], [value]);
const rows = t([16, 1]);
const columns = t([1, 16]);

export const samples: readonly Sample[] = DTYPES.flatMap((kind) => {
  const a = t([16, 16], { dtype: kind });
  const b = t([16, 16], { dtype: kind, transpose: true });
  return [
    aten("_scaled_mm", [a, b, one(0.5), one(2)]),
    aten("_scaled_mm", [a, b, one(0.75), one(-1.5), t([16], { dtype: "bfloat16" })], { out_dtype: dtype("bfloat16") }),
    aten("_scaled_mm", [a, b, rows, columns], { out_dtype: dtype("float32") }),
    aten("_scaled_mm", [a, t([8, 16], { dtype: kind }), one(1), one(1)]),
    aten("_scaled_mm", [t([16, 16]), b, one(1), one(1)]),
    aten("_scaled_mm_v2", [a, b, list(tv([1], [0.5])), ints(0), ints(0), list(tv([1], [3])), ints(0), ints(0), none, dtype("bfloat16")]),
    aten("_scaled_mm_v2", [a, b, list(rows), ints(1), ints(0), list(columns), ints(1), ints(0), none, dtype("bfloat16")]),
  ];
});
