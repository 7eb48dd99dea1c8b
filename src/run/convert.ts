/** Between JavaScript values and data: arguments by their declared types, results as plain arrays and objects. */

import { boxed, type Datum, type Dict, type List, makeDict, makeList, makeTuple } from "../ir/datum.ts";
import { boxesScalars, printType, T, type Type, unifyTypes } from "../ir/type.ts";
import { type DType, torchOfDtype } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { Tensor } from "../tensor/tensor.ts";
import { elementsOf } from "../tensor/text.ts";
import { coercion } from "./coerce.ts";
import { typeOf } from "./instance-of.ts";

/** What callers pass: tensors, numbers, strings, nested arrays, plain objects and Maps; a boxed `{kind, value}` where a number's kind matters. */
export type Input =
  | Datum | undefined
  | { readonly kind: "int" | "float" | "bool" | "complex" } | readonly Input[] | ReadonlyMap<Input, Input> | { readonly [key: string]: Input };

/** What callers get back. Tuples and lists are arrays; named tuples and dicts with string keys are objects; other dicts are Maps. */
export type Output =
  | Tensor | number | bigint | boolean | string | null
  | { readonly kind: "complex"; readonly re: number; readonly im: number }
  | readonly Output[] | ReadonlyMap<Output, Output> | { readonly [key: string]: Output };

function mismatch(where: string, wanted: Type, got: unknown): never {
  const text = got === null || got === undefined ? "None" : Array.isArray(got) ? "an array" : got instanceof Tensor ? "a Tensor" : typeof got;
  throw new OpwiseError("type-mismatch", `${where} has the wrong type`, { wanted: printType(wanted), got: text });
}

/** A number's kind where the type leaves it open. */
function openNumber(value: number | bigint | boolean): Datum {
  if (typeof value === "boolean") return boxed(value, "bool");
  if (typeof value === "bigint") return boxed(canonical(value), "int");
  return boxed(value, Number.isInteger(value) ? "int" : "float");
}
function canonical(value: bigint): number | bigint {
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : BigInt.asIntN(64, value);
}
function isDatum(value: object): value is Exclude<Datum, number | bigint | boolean | string | null> {
  return value instanceof Tensor || ("kind" in value && typeof value.kind === "string");
}

/** Data given as they are: a boxed scalar must be of the declared kind, an int may stand for a float. */
function fromBoxed(value: Exclude<Datum, number | bigint | boolean | string | null | Tensor>, type: Type, where: string): Datum {
  if (value.kind !== "int" && value.kind !== "float" && value.kind !== "bool") {
    if (value.kind === "complex" && (type.kind === "int" || type.kind === "float" || type.kind === "bool" || type.kind === "Tensor")) return mismatch(where, type, value);
    return value;
  }
  const target = type.kind === "Optional" ? type.elem : type;
  if (boxesScalars(type)) {
    if (type.kind === "Union" && !type.members.some((m) => m.kind === value.kind || m.kind === "number")) return mismatch(where, type, value.value);
    return value;
  }
  if (target.kind === "bool") return Number(value.value) !== 0;
  if (target.kind === "float") return Number(value.value);
  if (target.kind === value.kind) return value.value;
  if (target.kind === "complex") return { kind: "complex", re: Number(value.value), im: 0 };
  if (target.kind === "int" && value.kind === "bool") return value.value ? 1 : 0;
  return mismatch(where, type, value.value);
}

/** An array in a place of type Any: a list where its items have a type in common, else a tuple. */
function inferredSequence(items: Datum[]): Datum {
  const list = inferredList(items);
  return items.length > 0 && list.elem.kind === "Any" ? makeTuple(items) : list;
}

/** A list in a place of type Any: its element type is what its items have in common. */
function inferredList(items: Datum[]): List {
  const types = items.map((item) => typeOf(item, T.Any));
  let elem = types[0];
  for (const type of types) elem = elem === undefined ? undefined : unifyTypes(elem, type);
  if (elem === undefined) return makeList(T.Any, items);
  const adapt = coercion(T.Any, elem);
  return makeList(elem, adapt === undefined ? items : items.map(adapt));
}

/** A tensor of one element in a place of a number, as Python's `int(x)`, `float(x)`, `bool(x)` and `complex(x)` take it. */
function fromTensor(tensor: Tensor, type: Type, where: string): Datum {
  const [only, more] = tensor.numel === 1 ? elementsOf(tensor) : [];
  if (only === undefined || more !== undefined) return mismatch(where, type, tensor);
  if (Array.isArray(only)) {
    const [re = 0, im = 0] = only as readonly number[];
    return type.kind === "complex" ? { kind: "complex", re, im } : type.kind === "bool" ? re !== 0 || im !== 0 : mismatch(where, type, tensor);
  }
  if (type.kind === "bool") return Number(only) !== 0;
  if (type.kind === "float") return Number(only);
  if (type.kind === "complex") return { kind: "complex", re: Number(only), im: 0 };
  if (typeof only === "bigint") return canonical(only);
  const whole = Math.trunc(Number(only));
  return Number.isFinite(whole) ? canonical(BigInt(whole)) : mismatch(where, type, tensor);
}

/** A dict in a place of type Any: keys and values are of what theirs have in common. */
function inferredDict(entries: readonly (readonly [Datum, Datum])[]): Dict {
  const keys = inferredList(entries.map(([key]) => key));
  const values = inferredList(entries.map(([, value]) => value));
  return makeDict(keys.elem, values.elem, keys.items.map((key, i) => [key, values.items[i] ?? null] as const));
}

/** Lists made of arrays, to carry changes back after the call. */
export type Borrowed = { readonly array: readonly Input[]; readonly list: List }[];

function entriesOf(value: object): (readonly [Input, Input])[] {
  return [...(value instanceof Map ? (value as ReadonlyMap<Input, Input>) : Object.entries(value as Readonly<Record<string, Input>>))];
}

/** A JavaScript value as a datum of `type`. Data (`{kind: ...}`) are taken as they are. @throws type-mismatch naming `where` */
export function toDatum(value: Input, type: Type, where: string, borrowed: Borrowed = []): Datum {
  if (value === null || value === undefined) {
    if (type.kind === "None" || type.kind === "Optional" || type.kind === "Any" || (type.kind === "Union" && type.members.some((m) => m.kind === "None"))) return null;
    return mismatch(where, type, value);
  }
  if (typeof value === "object" && !Array.isArray(value) && !(value instanceof Map) && isDatum(value)) {
    if (value instanceof Tensor) {
      const wanted = type.kind === "Optional" ? type.elem : type;
      if (wanted.kind === "Tensor" || wanted.kind === "Any" || (wanted.kind === "Union" && wanted.members.some((m) => m.kind === "Tensor"))) return value;
      if (wanted.kind === "int" || wanted.kind === "float" || wanted.kind === "bool" || wanted.kind === "complex") return fromTensor(value, wanted, where);
      return mismatch(where, type, value);
    }
    return fromBoxed(value, type, where);
  }
  switch (type.kind) {
    case "Optional": return toDatum(value, type.elem, where, borrowed);
    case "Any":
    case "number":
      if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return openNumber(value);
      if (type.kind === "number") return mismatch(where, type, value);
      if (typeof value === "string") return value;
      if (Array.isArray(value)) return inferredSequence(value.map((v: Input, i) => toDatum(v, T.Any, `${where}[${i}]`, borrowed)));
      return inferredDict(entriesOf(value).map(([k, v]) => [toDatum(k, T.Any, `key of ${where}`), toDatum(v, T.Any, where)]));
    case "Union": {
      if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") {
        const open = openNumber(value);
        const has = (kind: string): boolean => type.members.some((m) => m.kind === kind);
        if (typeof open === "object" && open !== null && "kind" in open && has(open.kind)) return open;
        return typeof value !== "boolean" && has("float") ? boxed(Number(value), "float") : mismatch(where, type, value);
      }
      for (const member of type.members) {
        try {
          return toDatum(value, member, where, borrowed);
        } catch {
          continue; // the next member may fit
        }
      }
      return mismatch(where, type, value);
    }
    case "int":
      if (typeof value === "bigint") return canonical(value);
      if (typeof value === "number" && Number.isInteger(value)) return value;
      if (typeof value === "boolean") return value ? 1 : 0;
      // A dtype's name where a dtype number is declared (dtypes are ints in TorchScript).
      if (typeof value === "string" && /^(?:u?int|b?float|bool|complex|float8)/.test(value)) return torchOfDtype(value as DType);
      return mismatch(where, type, value);
    case "float":
      return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean" ? Number(value) : mismatch(where, type, value);
    case "bool": return typeof value === "boolean" ? value : typeof value === "number" || typeof value === "bigint" ? Number(value) !== 0 : mismatch(where, type, value);
    case "str": return typeof value === "string" ? value : mismatch(where, type, value);
    case "complex": return typeof value === "number" ? { kind: "complex", re: value, im: 0 } : mismatch(where, type, value);
    case "Device": return typeof value === "string" ? { kind: "device", name: value } : mismatch(where, type, value);
    case "List": {
      if (!Array.isArray(value)) return mismatch(where, type, value);
      const items: readonly Input[] = value;
      const list = makeList(type.elem, items.map((v, i) => toDatum(v, type.elem, `${where}[${i}]`, borrowed)));
      borrowed.push({ array: items, list });
      return list;
    }
    case "Tuple":
    case "NamedTuple": {
      const items: readonly Input[] | undefined = Array.isArray(value) ? value : type.kind === "NamedTuple" && typeof value === "object" ? type.fields.map((f) => (value as { readonly [key: string]: Input })[f]) : undefined;
      if (items === undefined || items.length !== type.elems.length) return mismatch(where, type, value);
      return makeTuple(items.map((v, i) => toDatum(v, type.elems[i] ?? T.Any, `${where}[${i}]`, borrowed)), type.kind === "NamedTuple" ? type : undefined);
    }
    case "Dict": {
      if (typeof value !== "object") return mismatch(where, type, value);
      return makeDict(type.key, type.value, entriesOf(value).map(([k, v]) => [toDatum(k, type.key, `key of ${where}`, borrowed), toDatum(v, type.value, `${where}[${typeof k === "string" || typeof k === "number" ? k : "key"}]`, borrowed)] as const));
    }
    default: return mismatch(where, type, value);
  }
}

/**
 * A datum as JavaScript sees it; containers met twice are one object, as in the model. Script objects and packed parameters have no form here.
 */
export function fromDatum(value: Datum, made: Map<Datum, Output> = new Map()): Output {
  if (value === null || typeof value !== "object" || value instanceof Tensor) return value;
  const known = made.get(value);
  if (known !== undefined) return known;
  const keep = <O extends Output>(output: O): O => {
    made.set(value, output);
    return output;
  };
  switch (value.kind) {
    case "int":
    case "float":
    case "bool": return value.value;
    case "complex": return value;
    case "list": {
      const items: Output[] = [];
      keep(items); // before it is filled: a list may hold itself
      for (const item of value.items) items.push(fromDatum(item, made));
      return items;
    }
    case "tuple": {
      const items = value.items.map((item) => fromDatum(item, made));
      if (value.type?.kind !== "NamedTuple") return keep(items);
      return keep(Object.fromEntries(value.type.fields.map((f, i) => [f, items[i] ?? null])));
    }
    case "dict": {
      const pairs = [...value.entries.values()];
      const keys = pairs.flatMap(([k]) => (typeof k === "string" ? [k] : []));
      if (keys.length === pairs.length) {
        const object: { [key: string]: Output } = {};
        keep(object);
        // Not by assignment: a key may be `__proto__`.
        for (const [i, key] of keys.entries()) Object.defineProperty(object, key, { value: fromDatum(pairs[i]?.[1] ?? null, made), enumerable: true, writable: true, configurable: true });
        return object;
      }
      const map = new Map<Output, Output>();
      keep(map);
      for (const [k, v] of pairs) map.set(fromDatum(k, made), fromDatum(v, made));
      return map;
    }
    case "device": return value.name;
    case "enum": return value.name;
    case "future": return value.state.done && "value" in value.state ? fromDatum(value.state.value, made) : null;
    default: throw new OpwiseError("type-mismatch", `a result of kind ${value.kind} cannot leave the model`, { hint: "return its parts" });
  }
}
