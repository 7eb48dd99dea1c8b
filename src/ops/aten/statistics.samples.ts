/** Samples of variances and standard deviations. */

import { aten, bool, float, int, ints, none, type Sample, t } from "../../../test/golden/sample-tensor.ts";

const x = t([3, 4]);
const turned = t([2, 3, 2], { dtype: "float64", transpose: true });

export const samples: readonly Sample[] = [
  ...["var", "std", "var_mean", "std_mean"].flatMap((name) => [
    aten(name, [x]),
    aten(name, [t([2, 2], { dtype: "complex64" }), bool(false)]),
    aten(name, [t([1])]),
    aten(name, [t([3], { dtype: "int64" })]),
    aten(`${name}.dim`, [x, ints(1), bool(false), bool(true)]),
    aten(`${name}.dim`, [turned, ints(0, -1)]),
    aten(`${name}.correction`, [x, none], { correction: none }),
    aten(`${name}.correction`, [turned, ints(1)], { correction: float(0.5), keepdim: bool(true) }),
    aten(`${name}.correction`, [t([2, 0]), ints(1)], { correction: int(0) }),
  ]),
];
