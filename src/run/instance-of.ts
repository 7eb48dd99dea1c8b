/** Run-time type tests (`isinstance`) and `Tensor.tolist()`. */

import { boxed, type Datum, makeList } from "../ir/datum.ts";
import { isSubtype, printType, T, tupleOf, type Type } from "../ir/type.ts";
import { dtypeInfo, scalarName } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { elementsOf } from "../tensor/text.ts";

/** The dynamic type of a datum, given its static one. */
export function typeOf(value: Datum, from: Type): Type {
  if (value === null) return T.None;
  if (typeof value === "string") return T.str;
  if (typeof value === "boolean") return T.bool;
  if (typeof value === "number" || typeof value === "bigint") {
    const bare = from.kind === "Optional" ? from.elem : from;
    return bare.kind === "float" ? T.float : T.int;
  }
  if (value instanceof Tensor) return T.Tensor;
  switch (value.kind) {
    case "int": return T.int;
    case "float": return T.float;
    case "bool": return T.bool;
    case "complex": return T.complex;
    case "list": return { kind: "List", elem: value.elem };
    case "dict": return { kind: "Dict", key: value.key, value: value.value };
    case "tuple": {
      if (value.type !== undefined) return value.type;
      const bare = from.kind === "Optional" ? from.elem : from;
      return tupleOf(value.items.map((item, i) => typeOf(item, bare.kind === "Tuple" ? (bare.elems[i] ?? T.Any) : T.Any)));
    }
    case "instance": return value.class;
    case "enum": return value.type;
    case "device": return T.Device;
    case "generator": return T.Generator;
    case "future": return { kind: "Future", elem: T.Any };
    default: return T.Capsule;
  }
}

/** `isinstance(value, type)` for a value of static type `from`. */
export function isInstanceOf(value: Datum, from: Type, type: Type): boolean {
  return isSubtype(typeOf(value, from), type);
}

/** A value whose type its file did not prove: its kind is looked at before it is used. @throws runtime-error */
export function checkedKind(value: Datum, from: Type, type: Type): Datum {
  const kinds: readonly Type["kind"][] = ["Tensor", "str", "bool", "List", "Dict", "Tuple", "NamedTuple", "Class", "Enum", "Device"];
  if (!kinds.includes(type.kind)) return value;
  const own = typeOf(value, from);
  const tuples = (own.kind === "Tuple" || own.kind === "NamedTuple") && (type.kind === "Tuple" || type.kind === "NamedTuple") && own.elems.length === type.elems.length;
  if (tuples || (own.kind === type.kind && own.kind !== "Tuple" && (own.kind !== "Class" || isSubtype(own, type)))) return value;
  throw new OpwiseError("runtime-error", "a value is not of the type that it is used as", { wanted: printType(type), got: printType(own) });
}

/** `x.tolist()` with the annotated type, whose depth must be the tensor's rank. */
export function unpickledList(tensor: Tensor, type: Type): Datum {
  let depth = 0;
  let leaf = type;
  while (leaf.kind === "List") {
    depth++;
    leaf = leaf.elem;
  }
  const kind = dtypeInfo(tensor.dtype).class;
  const given = kind === "float" ? "float" : kind === "bool" ? "bool" : kind === "complex" ? "complex" : "int";
  const wanted: Readonly<Record<string, string>> = { int: "Long", float: "Float", bool: "Bool", complex: "Bool" };
  // Of the integers only int64 is an int; any float is a float.
  if (leaf.kind !== "number" && leaf.kind !== "Any" && (leaf.kind !== given || (given === "int" && tensor.dtype !== "int64"))) {
    const kinds = `${wanted[leaf.kind] ?? leaf.kind} vs ${scalarName(tensor.dtype)}`;
    throw new OpwiseError("dtype-mismatch", `Output annotation element type and runtime tensor element type must match for tolist(): ${kinds}`, { wanted: leaf.kind, got: tensor.dtype });
  }
  if (depth !== tensor.rank) throw new OpwiseError("shape-mismatch", "Output annotation list dimension and runtime tensor dimension must match for tolist()", { wanted: `${depth} dims`, got: `${tensor.rank}` });
  const elements = elementsOf(tensor).map((e): Datum => {
    const value = Array.isArray(e) ? ({ kind: "complex", re: Number(e[0]), im: Number(e[1]) } as const) : (e as number | bigint | boolean);
    if (typeof value === "bigint" && Number.isSafeInteger(Number(value))) return Number(value);
    return (leaf.kind === "number" || leaf.kind === "Any") && typeof value !== "object" ? boxed(value, given === "complex" ? "float" : given) : value;
  });
  let at = 0;
  const build = (axis: number, t: Type): Datum => {
    if (t.kind !== "List") return elements[at++] ?? null;
    const items: Datum[] = [];
    for (let i = 0; i < (tensor.shape[axis] ?? 0); i++) items.push(build(axis + 1, t.elem));
    return makeList(t.elem, items);
  };
  return build(0, type);
}
