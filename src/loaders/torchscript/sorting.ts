/**
 * Sorting by what only the machine can call: `__lt__` of a class, or the elements of tensors. Written in the language itself.
 * It is the introsort of libstdc++, which PyTorch uses: where elements are equal, the order and the calls of `__lt__` are its own.
 */

import { listOf, T, type Type } from "../../ir/type.ts";
import type { FunctionDef } from "./ast.ts";
import { parseFile } from "./parser.ts";
import { SourceText } from "./source-text.ts";

/** Whether values of `type` are compared by code of the archive or by values of tensors. */
function needsCalls(type: Type): boolean {
  return type.kind === "Class" || type.kind === "Tensor" || ((type.kind === "Tuple" || type.kind === "NamedTuple") && type.elems.some(needsCalls));
}

/** `a < b` for values of `type` in the language, or undefined where they have no order. */
function less(a: string, b: string, type: Type): string | undefined {
  switch (type.kind) {
    case "int":
    case "float":
    case "str":
      return `${a} < ${b}`;
    case "bool":
      return `int(${a}) < int(${b})`;
    case "Tensor":
      return `bool(${a} < ${b})`;
    case "Class": {
      const method = type.methods.get("__lt__");
      return method?.returns.kind === "bool" && method.params.length === 2 ? `${a} < ${b}` : undefined;
    }
    case "Tuple":
    case "NamedTuple": {
      let out = "False";
      for (let i = type.elems.length - 1; i >= 0; i--) {
        const elem = type.elems[i] ?? T.Any;
        const before = less(`(${a})[${i}]`, `(${b})[${i}]`, elem);
        if (before === undefined) return undefined;
        out = `(${before}) or (${same(`(${a})[${i}]`, `(${b})[${i}]`, elem)} and (${out}))`;
      }
      return out;
    }
    default:
      return undefined;
  }
}

/** Whether two items of tuples are the same: objects by identity. */
function same(a: string, b: string, type: Type): string {
  if (type.kind === "Class") return `torch.__is__(${a}, ${b})`;
  if (type.kind === "Tensor") return `bool(${a} == ${b})`;
  if (type.kind !== "Tuple" && type.kind !== "NamedTuple") return `${a} == ${b}`;
  return `(${["True", ...type.elems.map((elem, i) => same(`(${a})[${i}]`, `(${b})[${i}]`, elem))].join(" and ")})`;
}

const text = (forwards: string, backwards: string): string => `
def less(a, b, reverse):
  if reverse:
    return ${backwards}
  return ${forwards}
def sift(self, first, hole, length, value, reverse):
  top = hole
  second = hole
  while second < (length - 1) // 2:
    second = 2 * (second + 1)
    if less(self[first + second], self[first + second - 1], reverse):
      second = second - 1
    self[first + hole] = self[first + second]
    hole = second
  if length % 2 == 0 and second == (length - 2) // 2:
    second = 2 * (second + 1)
    self[first + hole] = self[first + second - 1]
    hole = second - 1
  parent = (hole - 1) // 2
  while hole > top and less(self[first + parent], value, reverse):
    self[first + hole] = self[first + parent]
    hole = parent
    parent = (hole - 1) // 2
  self[first + hole] = value
def heap(self, first, last, reverse):
  length = last - first
  for i in range(length // 2):
    hole = length // 2 - 1 - i
    sift(self, first, hole, length, self[first + hole], reverse)
  while length > 1:
    length = length - 1
    value = self[first + length]
    self[first + length] = self[first]
    sift(self, first, 0, length, value, reverse)
def split(self, first, last, reverse):
  a = first + 1
  b = first + (last - first) // 2
  c = last - 1
  median = a
  if less(self[a], self[b], reverse):
    if less(self[b], self[c], reverse):
      median = b
    else:
      if less(self[a], self[c], reverse):
        median = c
  else:
    if not less(self[a], self[c], reverse):
      median = b
      if less(self[b], self[c], reverse):
        median = c
  pivot = self[median]
  self[median] = self[first]
  self[first] = pivot
  low = first + 1
  high = last
  going = True
  while going:
    while less(self[low], pivot, reverse):
      low = low + 1
    high = high - 1
    while less(pivot, self[high], reverse):
      high = high - 1
    going = low < high
    if going:
      value = self[low]
      self[low] = self[high]
      self[high] = value
      low = low + 1
  return low
def sort(self, reverse):
  depth = 0
  rest = len(self)
  while rest > 1:
    rest = rest // 2
    depth = depth + 2
  parts = [(0, len(self), depth)]
  while len(parts) > 0:
    first, last, left = parts.pop()
    if last - first > 16:
      if left == 0:
        heap(self, first, last, reverse)
      else:
        cut = split(self, first, last, reverse)
        parts.append((first, cut, left - 1))
        parts.append((cut, last, left - 1))
  for i in range(1, len(self)):
    value = self[i]
    j = i
    if i < 16 and less(value, self[0], reverse):
      while j > 0:
        self[j] = self[j - 1]
        j = j - 1
    else:
      while j > 0 and less(value, self[j - 1], reverse):
        self[j] = self[j - 1]
        j = j - 1
    self[j] = value
`;

/** A function of the sort: what it is called in the others, and what it takes. */
export interface SortPart {
  readonly def: FunctionDef;
  readonly source: SourceText;
  readonly params: readonly Type[];
  readonly returns: Type;
}

/** The functions that sort a list of `elem` in place, callees first, `sort` last; undefined where an op can, or nothing can. */
export function sortOf(elem: Type): readonly SortPart[] | undefined {
  if (!needsCalls(elem)) return undefined;
  const [forwards, backwards] = [less("a", "b", elem), less("b", "a", elem)];
  if (forwards === undefined || backwards === undefined) return undefined;
  const source = new SourceText("builtin sort", text(forwards, backwards), undefined, true);
  const list = listOf(elem);
  const types: Readonly<Record<string, readonly [readonly Type[], Type]>> = {
    less: [[elem, elem, T.bool], T.bool],
    sift: [[list, T.int, T.int, T.int, elem, T.bool], T.None],
    heap: [[list, T.int, T.int, T.bool], T.None],
    split: [[list, T.int, T.int, T.bool], T.int],
    sort: [[list, T.bool], T.None],
  };
  return [...parseFile(source).functions.values()].map((def) => {
    const [params, returns] = types[def.name] ?? [[], T.None];
    return { def, source, params, returns };
  });
}
