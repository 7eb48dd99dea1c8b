/** Samples of interpolation. */

import { aten, bool, float, floats, int, ints, none, type Sample, t } from "../../../test/golden/sample-tensor.ts";

const small = (rank: number): ReturnType<typeof t> => t([1, 2, ...[2, 3, 2].slice(0, rank)]);
const bytes = t([1, 2, 4, 5], { dtype: "uint8", low: 0, high: 256 });
const nearest = ["upsample_nearest", "_upsample_nearest_exact"];
const smooth: readonly (readonly [string, number])[] = [
  ["upsample_linear1d", 1], ["upsample_bilinear2d", 2], ["upsample_trilinear3d", 3], ["upsample_bicubic2d", 2],
  ["_upsample_bilinear2d_aa", 2], ["_upsample_bicubic2d_aa", 2], ["_upsample_lanczos2d_aa", 2],
];

export const samples: readonly Sample[] = [
  aten("grid_sampler_2d", [t([1, 2, 3, 4]), t([1, 2, 2, 2]), int(0), int(2), bool(false)]),
  aten("grid_sampler_2d", [t([1, 1, 4, 4]), t([1, 3, 3, 2]), int(2), int(1), bool(true)]),
  aten("grid_sampler_3d", [t([1, 2, 2, 3, 2]), t([1, 1, 2, 2, 3]), int(0), int(0), bool(true)]),
  aten("grid_sampler", [t([1, 1, 3, 3]), t([1, 2, 2, 2]), int(1), int(0), bool(false)]),
  ...nearest.flatMap((name) => [1, 2, 3].flatMap((rank) => [
    aten(`${name}${rank}d`, [small(rank), ints(...[3, 2, 4].slice(0, rank))]),
    aten(`${name}${rank}d.vec`, [small(rank), none, floats(...[2, 1.5, 0.7].slice(0, rank))]),
  ])),
  ...[true, false].flatMap((corners) => [
    ...smooth.map(([name, rank]) => aten(name, [small(rank), ints(...[3, 2, 4].slice(0, rank)), bool(corners)])),
    ...smooth.map(([name, rank]) => aten(`${name}.vec`, [small(rank), none, bool(corners), floats(...[2, 1.5, 1.7].slice(0, rank))])),
  ]),
  aten("upsample_bilinear2d", [t([1, 1, 2, 3], { dtype: "float64", transpose: true }), ints(4, 2), bool(false), float(2), float(0.7)]),
  ...smooth.filter(([, rank]) => rank === 2).flatMap(([name]) => [
    aten(name, [bytes, ints(7, 3), bool(false)]),
    aten(name, [bytes, ints(2, 9), bool(true)]),
    aten(`${name}.vec`, [bytes, none, bool(false), floats(0.6, 1.9)]),
  ]),
  aten("upsample_bicubic2d", [bytes, ints(4, 5), bool(false)]),
  ...(["float16", "bfloat16"] as const).flatMap((dtype) => [
    aten("upsample_linear1d", [t([1, 2, 5], { dtype, low: -5, high: 5 }), ints(8), bool(false)]),
    aten("upsample_trilinear3d", [t([1, 1, 2, 3, 2], { dtype, low: -5, high: 5 }), ints(3, 4, 3), bool(true)]),
    aten("upsample_bicubic2d", [t([1, 1, 3, 4], { dtype, low: -5, high: 5 }), ints(5, 6), bool(false)]),
    ...[0, 1, 2].map((mode) => aten("grid_sampler_2d", [t([1, 2, 4, 5], { dtype, low: -5, high: 5 }), t([1, 3, 4, 2], { dtype, low: -1.5, high: 1.5 }), int(mode), int(mode), bool(mode === 1)])),
    aten("grid_sampler_3d", [t([1, 2, 3, 4, 5], { dtype, low: -5, high: 5 }), t([1, 2, 3, 2, 3], { dtype, low: -1.5, high: 1.5 }), int(0), int(2), bool(false)]),
  ]),
];
