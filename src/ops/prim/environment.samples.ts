/** Samples of questions about where a program runs. */

import { aten, bool, device, int, ints, prim, type Sample, str, t } from "../../../test/golden/sample-tensor.ts";

const questions = ["is_scripting", "is_grad_enabled", "_get_tracing_state", "is_autocast_enabled", "is_autocast_cpu_enabled", "is_vulkan_available"];

export const samples: readonly Sample[] = [
  ...questions.map((name) => aten(name, [])),
  aten("sym_constrain_range", [int(3)], { min: int(0), max: int(9) }),
  aten("sym_constrain_range", [int(13)], { min: int(0), max: int(9) }),
  aten("sym_constrain_range_for_size", [int(3)]),
  aten("_assert_scalar", [int(1), str("none left")]),
  aten("_assert_scalar", [int(0), str("none left")]),
  aten("_assert_tensor_metadata", [t([2, 3]), ints(2, 3)]),
  aten("_assert_tensor_metadata", [t([2, 3]), ints(2, 4)]),
  aten("device", [str("cuda:1")]),
  prim("type", [device("cuda:1")]),
  prim("index", [device("cuda:1")]),
  prim("index", [device("cpu")]),
  prim("IfThenElse", [bool(false), int(1), int(2)]),
];
