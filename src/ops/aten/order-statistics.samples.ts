/** Samples of medians, modes and quantiles. */

import { type Arg, aten, bool, float, int, type Sample, str, t, tv } from "../../../test/golden/sample-tensor.ts";

const x = t([3, 4], { distinct: true });
const withNan = tv([5], [1, 3, "nan", 2, 4]);
/** Rows with many equal numbers. */
const ties = (rows: number, columns: number): Arg => t([rows, columns], { dtype: "int16", low: 0, high: 5 });

export const samples: readonly Sample[] = [
  ...["median", "nanmedian"].flatMap((name) => [aten(name, [withNan]), aten(name, [t([4], { dtype: "int64" })]), aten(name, [t([0])]), aten(`${name}.dim`, [x, int(1)]), aten(`${name}.dim`, [tv([2, 2], ["nan", 1, 3, "nan"]), int(0), bool(true)])]),
  aten("kthvalue", [x, int(2)]),
  aten("kthvalue", [t([3, 2], { dtype: "int32", distinct: true, transpose: true }), int(3), int(0), bool(true)]),
  aten("kthvalue", [x, int(9)]),
  ...[1, 4, 11, 20].map((k) => aten("kthvalue", [ties(3, 20), int(k)])),
  aten("kthvalue", [tv([5], ["nan", 1, "nan", 2, 1]), int(4)]),
  aten("mode", [ties(2, 50)]),
  aten("quantile", [tv([], [2]), tv([2], [0.25, 0.9]), int(0), bool(true)]),
  aten("mode", [tv([2, 4], [1, 3, 3, 1, 2, 2, 5, 2], { dtype: "int64" })]),
  aten("mode", [tv([4], [0.5, 0.25, 0.5, 1]), int(0), bool(true)]),
  ...["quantile", "nanquantile"].flatMap((name) => [
    aten(name, [x, tv([2], [0.25, 0.9])]),
    aten(name, [x, tv([], [0.5]), int(1), bool(true)]),
    ...["lower", "higher", "midpoint", "nearest"].map((interpolation) => aten(`${name}.scalar`, [x, float(0.3), int(0)], { interpolation: str(interpolation) })),
    aten(`${name}.scalar`, [withNan, float(0.5)]),
    aten(`${name}.scalar`, [x, float(1.5)]),
  ]),
  aten("quantile.scalar", [t([]), float(0.5), int(0), bool(true)]),
];
