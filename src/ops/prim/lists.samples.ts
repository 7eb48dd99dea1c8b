/** Samples of lists. */

import { type Arg, aten, bool, bools, complex, float, floats, int, ints, list, prim, type Sample, str, strs } from "../../../test/golden/sample-tensor.ts";

/** A list of each type, and one of its items. */
const LISTS: readonly (readonly [string, Arg, Arg])[] = [
  ["int", ints(3, 1, 2, 1), int(1)],
  ["float", floats(0.5, -2, 0.5), float(0.5)],
  ["bool", bools(true, false, true), bool(true)],
  ["str", strs("b", "a", "b"), str("b")],
];
const some = ints(4, 5, 6);

export const samples: readonly Sample[] = [
  ...LISTS.flatMap(([type, items, item]) => [
    aten(`count.${type}`, [items, item]),
    aten(`index.list_${type}`, [items, item]),
    aten(`remove.${type}`, [items, item]),
    aten(`sort.${type}`, [items, bool(true)]),
    aten(`sorted.${type}`, [items]),
    aten(`eq.${type}_list`, [items, items]),
    aten(`ne.${type}_list`, [items, list()]),
  ]),
  aten("index.list_int", [some, int(9)]),
  ...LISTS.filter(([type]) => type !== "bool").map(([type, items, item]) => aten(`__contains__.${type}_list`, [items, item])),
  aten("len.any", [list(int(1), str("a"))]),
  aten("sum.int", [some]),
  aten("sum.float", [floats(0.1, 0.2)]),
  aten("sum.bool", [bools(true, true)]),
  aten("sum.complex", [list(complex(1, 2), complex(0, -1))]),
  aten("any.str", [strs("", "a")]),
  ...["any", "all"].flatMap((name) => [aten(`${name}.int`, [ints(0, 2)]), aten(`${name}.float`, [floats(0, NaN)]), aten(`${name}.bool`, [bools()])]),
  prim("rangelist", [int(4)]),
  aten("Size", [some]),
  aten("__range_length", [int(0), int(7), int(3)]),
  aten("__range_length", [int(0), int(7), int(0)]),
  aten("__derive_index", [int(2), int(1), int(-3)]),
];
