/** Samples of recurrent layers. */

import { aten, bool, float, int, list, type Sample, t, tv } from "../../../test/golden/sample-tensor.ts";

const batches = tv([2], [2, 1], { dtype: "int64" });
const f64 = { dtype: "float64" } as const;
const cells: readonly (readonly [string, number])[] = [["gru", 3], ["rnn_tanh", 1], ["rnn_relu", 1]];

export const samples: readonly Sample[] = [
  aten("lstm.input", [t([3, 1, 2]), list(t([1, 1, 2]), t([1, 1, 2])), list(t([8, 2]), t([8, 2]), t([8]), t([8])), bool(true), int(1), float(0), bool(false), bool(false), bool(false)]),
  aten("lstm.input", [t([1, 2, 2]), list(t([2, 1, 1]), t([2, 1, 1])), list(t([4, 2]), t([4, 1]), t([4, 2]), t([4, 1])), bool(false), int(1), float(0), bool(false), bool(true), bool(true)]),
  aten("lstm.data", [t([3, 2]), batches, list(t([1, 2, 1]), t([1, 2, 1])), list(t([4, 2]), t([4, 1]), t([4]), t([4])), bool(true), int(1), float(0), bool(false), bool(false)]),
  ...cells.flatMap(([name, gates]) => [
    aten(`${name}.input`, [t([3, 1, 2]), t([1, 1, 2]), list(t([2 * gates, 2]), t([2 * gates, 2]), t([2 * gates]), t([2 * gates])), bool(true), int(1), float(0), bool(false), bool(false), bool(false)]),
    aten(`${name}.input`, [t([2, 2, 1]), t([2, 2, 1]), list(t([gates, 1]), t([gates, 1]), t([gates, 1]), t([gates, 1])), bool(false), int(2), float(0), bool(false), bool(false), bool(true)]),
    aten(`${name}.data`, [t([3, 2]), batches, t([1, 2, 1]), list(t([gates, 2]), t([gates, 1]), t([gates]), t([gates])), bool(true), int(1), float(0), bool(false), bool(false)]),
    aten(`${name}_cell`, [t([2, 3]), t([2, 2]), t([2 * gates, 3]), t([2 * gates, 2]), t([2 * gates]), t([2 * gates])]),
    aten(`${name}_cell`, [t([1, 2], f64), t([1, 1], f64), t([gates, 2], f64), t([gates, 1], f64)]),
  ]),
  aten("lstm_cell", [t([2, 3]), list(t([2, 2]), t([2, 2])), t([8, 3]), t([8, 2]), t([8]), t([8])]),
];
