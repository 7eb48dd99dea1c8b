/** Scalars carry their kind only where their static type leaves it open; these adapters go between the two forms. */

import { boxed, type Datum, makeTuple } from "../ir/datum.ts";
import { boxesScalars, T, type Type } from "../ir/type.ts";

/** Changes a datum's form; absent where both types have the same one. */
export type Adapter = (value: Datum) => Datum;

const boxInt: Adapter = (v) => (typeof v === "number" || typeof v === "bigint" ? boxed(v, "int") : v);
const boxFloat: Adapter = (v) => (typeof v === "number" ? boxed(v, "float") : v);
const boxBool: Adapter = (v) => (typeof v === "boolean" ? boxed(v, "bool") : v);
const unbox: Adapter = (v) =>
  typeof v === "object" && v !== null && "kind" in v && (v.kind === "int" || v.kind === "float" || v.kind === "bool") ? v.value : v;

/** How a value of static type `from` becomes one of static type `to`; the types are known to be compatible. */
export function coercion(from: Type, to: Type): Adapter | undefined {
  if (boxesScalars(to)) {
    if (boxesScalars(from)) return undefined;
    const source = from.kind === "Optional" ? from.elem : from;
    if (source.kind === "int") return boxInt;
    if (source.kind === "float") return boxFloat;
    if (source.kind === "bool") return boxBool;
    // A tuple's items have no other place to carry their kinds.
    return source.kind === "Tuple" || source.kind === "NamedTuple" ? itemwise(source.elems.map((e) => coercion(e, T.Any))) : undefined;
  }
  if (boxesScalars(from)) {
    const target = to.kind === "Optional" ? to.elem : to;
    if (target.kind === "Tuple" || target.kind === "NamedTuple") return itemwise(target.elems.map((e) => coercion(T.Any, e)));
    return target.kind === "int" || target.kind === "float" || target.kind === "bool" ? unbox : undefined;
  }
  const target = to.kind === "Optional" ? to.elem : to;
  const source = from.kind === "Optional" ? from.elem : from;
  if ((source.kind === "Tuple" || source.kind === "NamedTuple") && (target.kind === "Tuple" || target.kind === "NamedTuple")) {
    const parts = source.elems.map((e, i) => {
      const wanted = target.elems[i];
      return wanted === undefined ? undefined : coercion(e, wanted);
    });
    return itemwise(parts);
  }
  return undefined;
}

/** The adapter of a tuple by those of its items. */
function itemwise(parts: readonly (Adapter | undefined)[]): Adapter | undefined {
  if (parts.every((p) => p === undefined)) return undefined;
  return (v) => (typeof v === "object" && v !== null && "kind" in v && v.kind === "tuple" ? makeTuple(v.items.map((x, i) => parts[i]?.(x) ?? x), v.type) : v);
}
