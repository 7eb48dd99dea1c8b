/** Samples of the ops that make complex tensors and look into them. */

import { aten, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const z = t([2, 3], { dtype: "complex64" });

export const samples: readonly Sample[] = [
  aten("complex", [t([2, 3]), t([3])]),
  aten("complex", [t([], { dtype: "float64" }), t([2], { dtype: "float64" })]),
  aten("complex", [t([2]), t([2], { dtype: "float64" })]),
  aten("polar", [t([2, 3], { low: 0 }), t([3])]),
  aten("polar", [tv([2], [1, "inf"], { dtype: "float64" }), tv([2], [0.5, 0], { dtype: "float64" })]),
  ...["real", "conj", "_conj", "resolve_conj", "resolve_neg", "_conj_copy"].flatMap((name) => [aten(name, [z]), aten(name, [t([2, 2], { dtype: "complex128", transpose: true })])]),
  aten("real", [t([2])]),
  aten("imag", [z]),
  aten("imag", [t([2])]),
  aten("conj", [t([2])]),
  aten("_neg_view", [t([2, 3])]),
  aten("_neg_view_copy", [t([2, 3], { transpose: true })]),
  aten("complex.out", [t([3]), t([3])], { out: t([3], { dtype: "complex128" }) }),
  aten("conj_physical", [t([3], { dtype: "complex32" })]),
  ...["complex", "polar"].map((name) => aten(`${name}.out`, [t([3]), t([3])], { out: t([0], { dtype: "complex64" }) })),
];
