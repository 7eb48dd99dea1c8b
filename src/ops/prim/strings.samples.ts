/** Samples of strings. */

import { aten, bool, int, none, prim, type Sample, str, strs } from "../../../test/golden/sample-tensor.ts";

const words = str("Hello wOrld, hello");
const cases = ["upper", "lower", "swapcase", "title", "capitalize"];
const tests = ["isspace", "isalpha", "isdigit", "isnumeric", "isdecimal", "isalnum", "isupper", "islower", "istitle", "isprintable", "isidentifier"];
const searches = ["find", "rfind", "index.str", "rindex", "count"];

export const samples: readonly Sample[] = [
  ...cases.map((name) => aten(name, [words])),
  ...tests.flatMap((name) => ["", "Abc", "12", " \t", "a_1", "A b"].map((text) => aten(name, [str(text)]))),
  aten("len.str", [words]),
  aten("add.str", [words, str("!")]),
  aten("__getitem__.str", [words, int(-1)]),
  aten("__getitem__.str", [str("ab"), int(2)]),
  prim("StringIndex", [words, int(4)]),
  aten("slice.str", [words, int(1), int(-1), int(3)]),
  aten("list", [str("abc")]),
  ...searches.flatMap((name) => [aten(name, [words, str("ell")]), aten(name, [words, str("l"), int(3), int(9)])]),
  ...searches.map((name) => aten(name, [words, str("xyz")])),
  ...["startswith", "endswith"].flatMap((name) => [aten(name, [words, str("hello")]), aten(name, [words, str("Hello"), int(0), int(5)])]),
  aten("join", [str(", "), strs("a", "b")]),
  aten("split.str", [str(" a  b c ")]),
  aten("split.str", [str("a,b,,c"), str(","), int(2)]),
  aten("rsplit", [str("a,b,,c"), str(","), int(2)]),
  aten("splitlines", [str("a\nb\r\nc"), bool(true)]),
  ...["partition", "rpartition"].flatMap((name) => [aten(name, [str("a=b=c"), str("=")]), aten(name, [str("abc"), str("=")])]),
  aten("replace", [words, str("l"), str("L"), int(2)]),
  ...["strip", "lstrip", "rstrip"].flatMap((name) => [aten(name, [str("  a b\n")]), aten(name, [str("xxaxx"), str("x")])]),
  ...["center", "ljust", "rjust"].map((name) => aten(name, [str("ab"), int(5), str("*")])),
  aten("zfill", [str("-42"), int(6)]),
  aten("expandtabs", [str("a\tbc\td"), int(4)]),
  aten("ord", [str("a")]),
  aten("ord", [str("ab")]),
  aten("chr", [int(97)]),
  ...["hex", "oct", "bin"].map((name) => aten(name, [int(-255)])),
  aten("split.str", [str("a b"), none]),
];
