/** Samples of padding. */

import { aten, float, int, ints, type Sample, str, t } from "../../../test/golden/sample-tensor.ts";

export const samples: readonly Sample[] = [
  aten("constant_pad_nd", [t([2, 3]), ints(1, 2), float(0.5)]),
  aten("constant_pad_nd", [t([2, 3], { dtype: "int64", transpose: true }), ints(1, -1, 0, 2), int(7)]),
  aten("constant_pad_nd", [t([2]), ints(-3, 0)]),
  aten("pad", [t([2, 3]), ints(1, 1)]),
  ...["reflect", "replicate", "circular"].map((mode) => aten("pad", [t([1, 2, 3]), ints(2, 1), str(mode)])),
  aten("pad", [t([2, 3]), ints(0, 1), str("constant"), float(2.5)]),
  aten("_pad_enum", [t([1, 2, 3]), ints(1, 1), int(1)]),
  aten("_pad_circular", [t([1, 2, 3]), ints(2, 1)]),
  ...["reflection", "replication"].flatMap((kind) => [
    aten(`${kind}_pad1d`, [t([2, 4]), ints(2, 1)]),
    aten(`${kind}_pad2d`, [t([1, 2, 3, 2], { dtype: "float64" }), ints(1, 1, 2, 0)]),
    aten(`${kind}_pad3d`, [t([1, 2, 2, 3]), ints(1, 1, 0, 1, 1, 0)]),
  ]),
  aten("reflection_pad1d", [t([1, 2, 3]), ints(3, 0)]),
];
