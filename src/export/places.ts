/** Places that branches and loops write: their keys, what is the same in two of them, values that leave a block. */

import type { Exporter } from "./exporter.ts";
import type { Datum } from "../ir/datum.ts";
import { T } from "../ir/type.ts";
import { type Frozen, freeze, type Pattern } from "./frozen.ts";
import type { OnnxValue, Scope } from "./graph.ts";
import { type Place, setState, type Touched } from "./trail.ts";
import { openItems, refuse, SymList, SymTensor } from "./values.ts";

const slotKeys = new WeakMap<object, Map<number, object>>();
/** One key per place. */
export function keyOf(place: Place): object {
  if (place.kind !== "slot") return place.target;
  let slots = slotKeys.get(place.target);
  if (slots === undefined) slotKeys.set(place.target, (slots = new Map<number, object>()));
  let key = slots.get(place.slot);
  if (key === undefined) slots.set(place.slot, (key = {}));
  return key;
}
export function placesOf(touched: readonly Touched[]): Place[] {
  const out = new Map<object, Place>();
  for (const { place } of touched) out.set(keyOf(place), place);
  return [...out.values()];
}

export function samePattern(a: Pattern | undefined, b: Pattern | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined || a.kind !== b.kind) return false;
  if (a.kind === "same") return a.frozen === (b as typeof a).frozen;
  if (a.kind === "number") return true;
  if (a.kind === "tensor" && b.kind === "tensor") return (a.anyRank === true) === (b.anyRank === true) && a.dims.every((d, i) => d === b.dims[i]);
  if (a.kind === "items" && b.kind === "items") return a.items.every((p, i) => samePattern(p, b.items[i]));
  if (a.kind === "entries" && b.kind === "entries") return a.values.every((p, i) => samePattern(p, b.values[i]));
  return a.kind === "columns";
}

/** A value that the block's own nodes compute, as outputs must be. */
export function own(x: Exporter, v: OnnxValue): OnnxValue {
  const made: OnnxValue = { name: x.g.fresh("out"), dtype: v.dtype, sequence: v.sequence, scope: x.g.scope };
  x.g.push("Identity", [v], [made], []);
  return made;
}
export function sumOfChecks(x: Exporter, scope: Scope): OnnxValue {
  let sum: OnnxValue = x.g.scalar(0, "int64");
  for (const c of scope.checks) sum = x.op("Add", [sum, c]);
  scope.checks.length = 0;
  return x.op("Reshape", [sum, x.g.ints([1])]);
}

/** What a place holds now. */
export function freezePlace(x: Exporter, place: Place): Frozen {
  switch (place.kind) {
    case "storage": {
      const root = x.rootOfStorage(place.target);
      const frozen = freeze(x, root);
      return frozen.kind === "tensor" ? { ...frozen, content: place.target.known ?? place.target.value } : frozen;
    }
    case "slot": {
      const value = place.target.slots[place.slot];
      return value === undefined ? { kind: "unset" } : freeze(x, value, place.target.class.attributes[place.slot]?.type ?? T.Any);
    }
    case "list":
      return freeze(x, place.target);
    case "dict":
      return freeze(x, place.target);
    case "columns":
      return freeze(x, place.target);
    case "tensor":
      return refuse("a tensor's shape is changed in place where that hangs on data");
    default:
      return place satisfies never;
  }
}

/** Writes a place; `onSlot` is told of attributes. */
export function setPlace(x: Exporter, place: Place, value: Datum, onSlot: ((place: Place) => void) | undefined): void {
  x.trail.touch(place);
  if (place.kind === "storage") {
    if (!(value instanceof SymTensor)) return;
    const root = x.rootOfStorage(place.target);
    if (value === root) return;
    setState(place, { kind: "storage", value: value.storage.value, known: undefined });
    root.dims = value.dims;
    place.target.onWrite?.();
  } else if (place.kind === "slot") {
    onSlot?.(place);
    place.target.slots[place.slot] = value;
  } else if (place.kind === "list") {
    if (value instanceof SymList) place.target.items = openItems(value);
    else if (typeof value === "object" && value !== null && "kind" in value && value.kind === "list" && value !== place.target)
      place.target.items = value.items;
  } else if (place.kind === "dict") {
    if (typeof value === "object" && value !== null && "kind" in value && value.kind === "dict") place.target.entries = value.entries;
  } else if (place.kind === "columns" && value instanceof SymList) place.target.columns = value.columns;
}
