/** Samples of special functions. */

import { aten, int, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const edges = tv([5], ["nan", "inf", "-inf", "-0.0", 1]);
const wide = t([6], { low: -6, high: 6 });
const positive = t([2, 3], { dtype: "float64", low: 0.1, high: 8 });
const rough = { atol: 2e-6, note: "some coefficients of PyTorch's y0 and y1 have wrong digits: its error is 1e-6 above 5" };
const open = tv([6], [-1, -0.9, 0, 0.5, 1, 2]);
const everywhere = ["erf", "special_erf", "erfc", "special_erfc", "special_erfcx", "lgamma", "special_gammaln", "digamma", "special_digamma", "special_psi", "i0", "special_i0", "special_modified_bessel_i0",
  "special_i0e", "special_i1", "special_modified_bessel_i1", "special_i1e", "special_ndtr", "special_log_ndtr", "special_bessel_j0", "special_bessel_j1", "special_airy_ai", "special_spherical_bessel_j0", "special_entr"];
const ofPositives = ["special_bessel_y0", "special_bessel_y1", "special_modified_bessel_k0", "special_modified_bessel_k1", "special_scaled_modified_bessel_k0", "special_scaled_modified_bessel_k1"];

export const samples: readonly Sample[] = [
  aten("special_ndtr", [t([20], { dtype: "bfloat16", low: -4, high: 4 })]),
  ...everywhere.flatMap((name) => [aten(name, [wide]), aten(name, [t([2, 3], { dtype: "float64", transpose: true })])]),
  ...["erf", "erfc", "lgamma", "digamma", "i0", "special_i1e", "special_ndtr", "special_entr"].map((name) => aten(name, [edges])),
  ...["erf", "lgamma", "i0"].map((name) => aten(name, [t([3], { dtype: "int64", low: 1, high: 9 })])),
  ...["erfinv", "special_erfinv", "special_ndtri"].flatMap((name) => [aten(name, [open]), aten(name, [t([2, 3], { dtype: "float64", low: 0.05, high: 0.95 })])]),
  ...ofPositives.flatMap((name) => [aten(name, [positive], {}, name.startsWith("special_bessel_y") ? rough : {}), aten(name, [tv([3], [0, 1, -1])])]),
  ...["polygamma", "special_polygamma"].flatMap((name) => [aten(name, [int(1), positive]), aten(name, [int(3), t([3], { low: 0.5, high: 4 })])]),
  aten("polygamma", [int(-1), positive]),
  ...["mvlgamma", "special_multigammaln"].flatMap((name) => [aten(name, [t([2, 2], { low: 2, high: 6 }), int(2)]), aten(name, [t([2], { dtype: "float64", low: 2, high: 6 }), int(3)])]),
  aten("erf", [t([3], { dtype: "bfloat16" })]),
  aten("polygamma_", [positive, int(2)]),
  ...(["float16", "bfloat16", "float32"] as const).map((dtype) => aten("special_ndtr", [t([40], { dtype, low: -4, high: 4 })])),
  aten("polygamma", [int(1), tv([4], [1, 2, 5, 9], { dtype: "int32" })]),
  aten("polygamma_", [t([3], { dtype: "int32" }), int(1)]),
  aten("mvlgamma_", [t([3], { dtype: "int32", low: 3, high: 9 }), int(1)]),
  aten("mvlgamma_", [t([3], { low: 3, high: 9 }), int(1)]),
];
