/** Static types of the IR, and their rules: equality, subtyping, printing. */

import type { DType } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { type Dim, printDim } from "./dim.ts";
import type { ClassType, EnumType, InterfaceType } from "./class-type.ts";

/** Kinds without parameters. `number` is TorchScript's Scalar: an int, float, bool or complex that carries its kind. */
export type SimpleKind =
  | "int" | "float" | "bool" | "complex" | "number" | "str" | "bytes" | "None" | "Device" | "Any"
  | "Generator" | "Stream" | "Storage" | "Capsule" | "Quantizer" | "AnyList" | "AnyTuple" | "AnyClass" | "AnyEnum";

export interface SimpleType { readonly kind: SimpleKind }
export interface TensorType { readonly kind: "Tensor"; readonly dtype?: DType; readonly shape?: readonly Dim[] }
export interface OptionalType { readonly kind: "Optional"; readonly elem: Type }
export interface ListType { readonly kind: "List"; readonly elem: Type }
export interface TupleType { readonly kind: "Tuple"; readonly elems: readonly Type[] }
export interface NamedTupleType { readonly kind: "NamedTuple"; readonly name: string; readonly fields: readonly string[]; readonly elems: readonly Type[] }
export interface DictType { readonly kind: "Dict"; readonly key: Type; readonly value: Type }
export interface UnionType { readonly kind: "Union"; readonly members: readonly Type[] }
export interface FutureType { readonly kind: "Future" | "Await" | "RRef"; readonly elem: Type }
/** A schema's type variable (`t`, `tVal`); never the type of a value. */
export interface VarType { readonly kind: "Var"; readonly name: string }

export type Type =
  | SimpleType | TensorType | OptionalType | ListType | TupleType | NamedTupleType | DictType | UnionType
  | FutureType | VarType | ClassType | InterfaceType | EnumType;

const simple = (kind: SimpleKind): SimpleType => ({ kind });

/** The parameterless types, one object each. */
export const T: {
  readonly Tensor: TensorType; readonly int: SimpleType; readonly float: SimpleType; readonly bool: SimpleType;
  readonly complex: SimpleType; readonly number: SimpleType; readonly str: SimpleType; readonly bytes: SimpleType;
  readonly None: SimpleType; readonly Device: SimpleType; readonly Any: SimpleType; readonly Generator: SimpleType;
  readonly Storage: SimpleType; readonly Stream: SimpleType; readonly Capsule: SimpleType; readonly Quantizer: SimpleType;
  readonly AnyList: SimpleType; readonly AnyTuple: SimpleType; readonly AnyClass: SimpleType; readonly AnyEnum: SimpleType;
} = {
  Tensor: { kind: "Tensor" }, int: simple("int"), float: simple("float"), bool: simple("bool"), complex: simple("complex"),
  number: simple("number"), str: simple("str"), bytes: simple("bytes"), None: simple("None"), Device: simple("Device"),
  Any: simple("Any"), Generator: simple("Generator"), Storage: simple("Storage"), Stream: simple("Stream"),
  Capsule: simple("Capsule"), Quantizer: simple("Quantizer"), AnyList: simple("AnyList"), AnyTuple: simple("AnyTuple"),
  AnyClass: simple("AnyClass"), AnyEnum: simple("AnyEnum"),
};

export const listOf = (elem: Type): ListType => bounded({ kind: "List", elem });
export const tupleOf = (elems: readonly Type[]): TupleType => bounded({ kind: "Tuple", elems });
export const dictOf = (key: Type, value: Type): DictType => bounded({ kind: "Dict", key, value });
export const futureOf = (elem: Type): FutureType => ({ kind: "Future", elem });

/** Parts of one type, shared ones counted each time, and its depth: printing and comparing walk all of it. `x = (x, x)` doubles a type each time. */
const MAX_TYPE_PARTS = 20_000;
const MAX_TYPE_DEPTH = 500;
const sizes = new WeakMap<Type, { readonly parts: number; readonly depth: number }>();

function childrenOf(type: Type): readonly Type[] {
  switch (type.kind) {
    case "Optional": case "List": case "Future": case "Await": case "RRef": return [type.elem];
    case "Tuple": case "NamedTuple": return type.elems;
    case "Dict": return [type.key, type.value];
    case "Union": return type.members;
    default: return NO_TYPES;
  }
}
const NO_TYPES: readonly Type[] = [];

function sizeOf(type: Type): { readonly parts: number; readonly depth: number } {
  const children = childrenOf(type);
  if (children.length === 0) return ONE;
  const known = sizes.get(type);
  if (known !== undefined) return known;
  let [parts, depth] = [1, 0];
  for (const child of children) {
    const size = sizeOf(child);
    parts += size.parts;
    depth = Math.max(depth, size.depth);
  }
  const size = { parts, depth: depth + 1 };
  sizes.set(type, size);
  return size;
}
const ONE = { parts: 1, depth: 1 };

/** The type itself. @throws limit-exceeded where it is too large to be printed or compared */
function bounded<X extends Type>(type: X): X {
  const { parts, depth } = sizeOf(type);
  if (parts > MAX_TYPE_PARTS || depth > MAX_TYPE_DEPTH) {
    throw new OpwiseError("limit-exceeded", "a type is too large", {
      wanted: `at most ${MAX_TYPE_PARTS} parts, ${MAX_TYPE_DEPTH} levels`,
      got: `${parts} parts, ${depth} levels`,
    });
  }
  return type;
}

/** `Optional[elem]`; Optional of an Optional, of None or of Any is that type itself. */
export function optionalOf(elem: Type): Type {
  if (elem.kind === "Optional" || elem.kind === "None" || elem.kind === "Any") return elem;
  if (elem.kind === "Union") return unionOf([...elem.members, T.None]);
  return bounded({ kind: "Optional", elem });
}

/** The union of `members`, flattened and without repeats; `Union[T, None]` is `Optional[T]`, int, float and complex are `number`, a single
 * member is itself. */
export function unionOf(members: readonly Type[]): Type {
  const flat: Type[] = [];
  const add = (type: Type): void => {
    if (type.kind === "Union") for (const m of type.members) add(m);
    else if (type.kind === "Optional") {
      add(type.elem);
      add(T.None);
    } else if (!flat.some((m) => isSubtype(type, m))) {
      for (let i = flat.length - 1; i >= 0; i--) if (isSubtype(flat[i] as Type, type)) flat.splice(i, 1);
      flat.push(type);
    }
  };
  for (const m of members) add(m);
  if ((["int", "float", "complex"] as const).every((kind) => flat.some((m) => m.kind === kind))) {
    return unionOf([T.number, ...flat.filter((m) => m.kind !== "int" && m.kind !== "float" && m.kind !== "complex")]);
  }
  if (flat.length === 1) return flat[0] as Type;
  const others = flat.filter((m) => m.kind !== "None");
  if (others.length === 1 && flat.length === 2) return { kind: "Optional", elem: others[0] as Type };
  return { kind: "Union", members: flat };
}

function sameList(a: readonly Type[], b: readonly Type[]): boolean {
  return a.length === b.length && a.every((type, i) => sameType(type, b[i] as Type));
}

// The functions below are called for each operand there is: what takes a closure stands apart, since a function that holds one pays for it in every call.

function sameMembers(a: readonly Type[], b: readonly Type[]): boolean {
  return a.length === b.length && a.every((m) => b.some((n) => sameType(m, n)));
}
function allFit(types: readonly Type[], to: Type): boolean {
  return types.every((type) => isSubtype(type, to));
}
function fitsAny(type: Type, members: readonly Type[]): boolean {
  return members.some((member) => isSubtype(type, member));
}
function eachFits(types: readonly Type[], to: readonly Type[]): boolean {
  return types.length === to.length && types.every((type, i) => isSubtype(type, to[i] as Type));
}
function hasMethods(cls: ClassType, methods: InterfaceType["methods"]): boolean {
  return methods.every((method) => cls.methods.has(method.name));
}

/** Equality of types; a tensor's dtype and shape annotations do not count. */
export function sameType(a: Type, b: Type): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case "Optional":
    case "List":
    case "Future":
    case "Await":
    case "RRef":
      return b.kind === a.kind && sameType(a.elem, b.elem);
    case "Tuple":
      return b.kind === "Tuple" && sameList(a.elems, b.elems);
    case "NamedTuple":
      return b.kind === "NamedTuple" && a.name === b.name && sameList(a.elems, b.elems);
    case "Dict":
      return b.kind === "Dict" && sameType(a.key, b.key) && sameType(a.value, b.value);
    case "Union":
      return b.kind === "Union" && sameMembers(a.members, b.members);
    case "Class":
    case "Interface":
    case "Enum":
      return b.kind === a.kind && a.name === b.name;
    case "Var":
      return b.kind === "Var" && a.name === b.name;
    default:
      return true;
  }
}

/**
 * Whether every value of `a` is a value of `b` without conversion. Tuples are covariant, lists and dicts invariant;
 * int, float and complex are subtypes of `number`; a NamedTuple is a Tuple.
 */
export function isSubtype(a: Type, b: Type): boolean {
  if (sameType(a, b) || b.kind === "Any") return true;
  // All members of a union must fit, so that a union of numbers is a `number`.
  if (a.kind === "Union") return allFit(a.members, b);
  switch (b.kind) {
    case "number":
      return a.kind === "int" || a.kind === "float" || a.kind === "complex";
    case "Optional":
      if (a.kind === "Optional") return isSubtype(a.elem, b.elem);
      return a.kind === "None" || isSubtype(a, b.elem);
    case "Union":
      if (a.kind === "Optional") return isSubtype(a.elem, b) && isSubtype(T.None, b);
      return fitsAny(a, b.members);
    case "Tuple":
      return (a.kind === "Tuple" || a.kind === "NamedTuple") && eachFits(a.elems, b.elems);
    case "Interface":
      return a.kind === "Class" && hasMethods(a, b.methods);
    case "AnyList":
      return a.kind === "List";
    case "AnyTuple":
      return a.kind === "Tuple" || a.kind === "NamedTuple";
    case "AnyClass":
      return a.kind === "Class";
    case "AnyEnum":
      return a.kind === "Enum";
    case "Future":
    case "Await":
    case "RRef":
      return a.kind === b.kind && isSubtype(a.elem, b.elem);
    case "List":
      // A list of no known element type (an empty literal) fits any list.
      return a.kind === "List" && a.elem.kind === "Tensor" && b.elem.kind === "Tensor";
    default:
      return false;
  }
}

/** The smallest common type of two branches, or undefined where only a Union would do. */
export function unifyTypes(a: Type, b: Type): Type | undefined {
  if (isSubtype(a, b)) return b;
  if (isSubtype(b, a)) return a;
  if (a.kind === "None") return optionalOf(b);
  if (b.kind === "None") return optionalOf(a);
  if (a.kind === "Optional" || b.kind === "Optional") {
    const inner = unifyTypes(a.kind === "Optional" ? a.elem : a, b.kind === "Optional" ? b.elem : b);
    return inner === undefined ? undefined : optionalOf(inner);
  }
  if (a.kind === "Tuple" && b.kind === "Tuple" && a.elems.length === b.elems.length) {
    const elems = a.elems.map((e, i) => unifyTypes(e, b.elems[i] as Type));
    return elems.every((e) => e !== undefined) ? tupleOf(elems) : undefined;
  }
  if (a.kind === "List" && b.kind === "List" && a.elem.kind === "Tensor" && b.elem.kind === "Tensor") return listOf(T.Tensor);
  return undefined;
}

/**
 * Whether a scalar stored under this static type must carry its kind at run time: `number`, `Any`, and unions that
 * could hold two kinds of scalar.
 */
export function boxesScalars(type: Type): boolean {
  if (type.kind === "number" || type.kind === "Any" || type.kind === "Union") return true;
  return type.kind === "Optional" && boxesScalars(type.elem);
}

/** The type as TorchScript writes it; `Tensor` gains `(float32, [N, 3])` where known. */
export function printType(type: Type): string {
  switch (type.kind) {
    case "Tensor": {
      if (type.dtype === undefined && type.shape === undefined) return "Tensor";
      const shape = type.shape === undefined ? "" : `[${type.shape.map(printDim).join(", ")}]`;
      return `Tensor(${[type.dtype, shape].filter((s) => s !== undefined && s !== "").join(", ")})`;
    }
    case "None": return "NoneType";
    case "Optional": return `Optional[${printType(type.elem)}]`;
    case "List": return `List[${printType(type.elem)}]`;
    case "Future":
    case "Await":
    case "RRef": return `${type.kind}[${printType(type.elem)}]`;
    case "Tuple": return `Tuple[${type.elems.length === 0 ? "()" : type.elems.map(printType).join(", ")}]`;
    case "NamedTuple": return type.name;
    case "Dict": return `Dict[${printType(type.key)}, ${printType(type.value)}]`;
    case "Union": return `Union[${type.members.map(printType).join(", ")}]`;
    case "Class":
    case "Interface":
    case "Enum": return type.name;
    case "Var": return type.name;
    case "AnyClass": return "AnyClassType";
    default: return type.kind;
  }
}
