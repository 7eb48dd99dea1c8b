/** Dicts: insertion-ordered, with keys of one type. One table makes the overloads of every key type. */

import { type Datum, type Dict, keyOf, makeDict, makeList, makeTuple } from "../../ir/datum.ts";
import { T, tupleOf } from "../../ir/type.ts";
import { OpwiseError } from "../../tensor/error.ts";
import { dataOp, type Op } from "../define.ts";
import { dictOf, listOf } from "./data.ts";
import { readableText } from "./text.ts";

function lookup(d: Datum | undefined, key: Datum | undefined): [Datum, Datum] | undefined {
  return dictOf(d).entries.get(keyOf(key ?? null));
}
function missing(key: Datum | undefined): never {
  throw new OpwiseError("index-out-of-range", `KeyError: ${readableText(key ?? null)}`);
}
function store(d: Datum | undefined, key: Datum | undefined, value: Datum | undefined): void {
  dictOf(d).entries.set(keyOf(key ?? null), [key ?? null, value ?? null]);
}
function copied(d: Dict): Dict {
  return makeDict(d.key, d.value, d.entries.values());
}
/** A dict of `(key, value)` tuples. */
function fromPairs(l: Datum | undefined): Datum {
  const { items, elem } = listOf(l);
  const [key, value] = elem.kind === "Tuple" ? elem.elems : [];
  const pairs = items.map((item): [Datum, Datum] => {
    if (typeof item !== "object" || item === null || !("kind" in item) || item.kind !== "tuple") throw new OpwiseError("type-mismatch", "a dict is made of pairs");
    return [item.items[0] ?? null, item.items[1] ?? null];
  });
  return makeDict(key ?? T.Any, value ?? T.Any, pairs);
}

function overloads(type: string): Op[] {
  // The overload names of a few ops spell the type after a prefix.
  const tagged = `Dict_${type}`;
  const dict = `Dict(${type}, t)`;
  return [
    dataOp(`aten::len.${tagged}(${dict} self) -> int`, ([d]) => dictOf(d).entries.size),
    dataOp(`aten::keys.${type}(${dict} self) -> ${type}[](*)`, ([d]) => makeList(dictOf(d).key, Array.from(dictOf(d).entries.values(), ([k]) => k))),
    dataOp(`aten::values.${type}(${dict} self) -> t[](*)`, ([d]) => makeList(dictOf(d).value, Array.from(dictOf(d).entries.values(), ([, v]) => v))),
    dataOp(`aten::items.${type}(${dict} self) -> ((${type}, t)[])`, ([d]) => makeList(tupleOf([dictOf(d).key, dictOf(d).value]), Array.from(dictOf(d).entries.values(), (entry) => makeTuple([...entry])))),
    dataOp(`aten::__getitem__.${tagged}(${dict} self, ${type} key) -> t(*)`, ([d, key]) => (lookup(d, key) ?? missing(key))[1]),
    dataOp(`aten::get.${type}(${dict} self, ${type} key) -> t(*)?`, ([d, key]) => lookup(d, key)?.[1] ?? null),
    dataOp(`aten::get.default_${type}(${dict} self, ${type} key, t default_value) -> t(*)`, ([d, key, other]) => {
      const found = lookup(d, key);
      return found === undefined ? (other ?? null) : found[1];
    }),
    dataOp(`aten::setdefault.${type}(${dict}(a!) self, ${type}(b -> *) key, t(c -> *) default_value) -> t(*)`, ([d, key, other]) => {
      const found = lookup(d, key);
      if (found !== undefined) return found[1];
      store(d, key, other);
      return other ?? null;
    }),
    dataOp(`aten::_set_item.${type}(${dict}(a!) l, ${type}(b -> *) idx, t(c -> *) v) -> ()`, ([d, key, value]) => {
      store(d, key, value);
      return null;
    }),
    dataOp(`aten::__contains__.${type}(${dict} dict, ${type} key) -> bool`, ([d, key]) => lookup(d, key) !== undefined),
    dataOp(`aten::Delete.${tagged}(${dict}(a!) self, ${type} key) -> ()`, ([d, key]) => {
      if (!dictOf(d).entries.delete(keyOf(key ?? null))) missing(key);
      return null;
    }),
    dataOp(`aten::pop.${tagged}(${dict}(a!) self, ${type} key) -> t(*)`, ([d, key]) => {
      const [, value] = lookup(d, key) ?? missing(key);
      dictOf(d).entries.delete(keyOf(key ?? null));
      return value;
    }),
    dataOp(`aten::pop.Dict_default_${type}(${dict}(a!) self, ${type} key, t default_value) -> t(*)`, ([d, key, other]) => {
      const found = lookup(d, key);
      if (found === undefined) return other ?? null;
      dictOf(d).entries.delete(keyOf(key ?? null));
      return found[1];
    }),
    dataOp(`aten::popitem.${type}(${dict}(a!) self) -> ((${type}, t))`, ([d]) => {
      // LibTorch takes the first entry, Python the last.
      for (const [id, entry] of dictOf(d).entries) {
        dictOf(d).entries.delete(id);
        return makeTuple([...entry]);
      }
      throw new OpwiseError("index-out-of-range", "popitem(): dictionary is empty");
    }),
    dataOp(`aten::update.${type}(${dict}(a!) self, ${dict}(a!) to_add) -> ()`, ([d, other]) => {
      dictOf(other).entries.forEach(([key, value]) => store(d, key, value));
      return null;
    }),
    dataOp(`aten::clear.${type}(${dict}(a!) self) -> ()`, ([d]) => {
      dictOf(d).entries.clear();
      return null;
    }),
    dataOp(`aten::copy.${tagged}(${dict}(a) self) -> ${dict}`, ([d]) => copied(dictOf(d))),
    dataOp(`aten::dict.${tagged}(${dict}(a) self) -> ${dict}`, ([d]) => copied(dictOf(d))),
    dataOp(`aten::dict.${type}((${type}, tVal)[] inputs) -> Dict(${type}, tVal)`, ([l]) => fromPairs(l)),
  ];
}

/** All of them. */
export const dicts: readonly Op[] = [
  ...["str", "int", "bool", "float", "complex", "Tensor"].flatMap(overloads),
  dataOp("aten::dict() -> Dict(str, Tensor)", () => makeDict(T.str, T.Tensor)),
];
