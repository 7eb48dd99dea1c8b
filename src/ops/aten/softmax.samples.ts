/** Samples of the softmaxes. */

import { aten, bool, dtype, int, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([2, 3]);
const extreme = tv([2, 2], ["-inf", "-inf", 1000, "-inf"]);

export const samples: readonly Sample[] = [
  ...["softmax.int", "log_softmax.int", "_safe_softmax"].flatMap((name) => [
    aten(name, [x, int(-1)]),
    aten(name, [t([2, 3, 2], { dtype: "float64", transpose: true }), int(1)]),
    aten(name, [extreme, int(1)]),
    aten(name, [t([2, 3], { dtype: "float16" }), int(0), dtype("float32")]),
    aten(name, [t([]), int(0)]),
    aten(name, [t([0, 3]), int(1)]),
    aten(name, [x, int(2)]),
  ]),
  aten("special_softmax", [x, int(0), dtype("float64")]),
  aten("special_log_softmax", [x, int(1)], { dtype: dtype("float64") }),
  ...["_softmax", "_log_softmax"].map((name) => aten(name, [x, int(1), bool(false)])),
  ...["_softmax_backward_data", "_log_softmax_backward_data"].map((name) => aten(name, [x, t([2, 3]), int(1), dtype("float32")])),
  ...(["float16", "bfloat16"] as const).flatMap((dtype) => [0, 1].map((dim) => aten("log_softmax.int", [t([4, 5], { dtype, low: -5, high: 5 }), int(dim)]))),
];
