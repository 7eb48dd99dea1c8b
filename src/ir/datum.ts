/** Run-time values of the IR: what registers, containers and attributes hold. */

import type { Tensor } from "../tensor/tensor.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import type { ClassType, EnumType } from "./class-type.ts";
import type { Type } from "./type.ts";

/** A complex number; the same boxed and unboxed. */
export interface Complex {
  readonly kind: "complex";
  readonly re: number;
  readonly im: number;
}

/**
 * A scalar that carries its kind. Positions of static type int, float or bool hold the bare value; positions typed
 * `number`, `Any` or a Union hold this.
 */
export type Scalar =
  | { readonly kind: "int"; readonly value: number | bigint }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "bool"; readonly value: boolean }
  | Complex;

export interface List {
  readonly kind: "list";
  readonly elem: Type;
  items: Datum[];
}
export interface Tuple {
  readonly kind: "tuple";
  /** Set for a NamedTuple. */
  readonly type: Type | undefined;
  readonly items: readonly Datum[];
}
/** Insertion-ordered; `keyOf` says when two keys are one. */
export interface Dict {
  readonly kind: "dict";
  readonly key: Type;
  readonly value: Type;
  entries: Map<unknown, [Datum, Datum]>;
}
/** An object of a class of the archive. An unset slot (before `__init__` or `__setstate__`) is undefined. */
export interface Instance {
  readonly kind: "instance";
  readonly class: ClassType;
  slots: (Datum | undefined)[];
}
export interface EnumMember {
  readonly kind: "enum";
  readonly type: EnumType;
  readonly name: string;
  readonly value: Datum;
}
export interface DeviceDatum {
  readonly kind: "device";
  /** `cpu`, `cuda:0`. */
  readonly name: string;
}
/** The result of a fork: pending, a value, or the error that its task ended with. */
export interface Future {
  readonly kind: "future";
  state: { readonly done: false } | { readonly done: true; readonly value: Datum } | { readonly done: true; readonly error: unknown };
}
/** A host object made by an op (packed parameters, a generator). */
export interface Host {
  readonly kind: "host";
  readonly name: string;
  readonly value: unknown;
}
export interface GeneratorDatum {
  readonly kind: "generator";
  readonly state: GeneratorState;
}

export type Datum =
  | Tensor | number | bigint | boolean | string | null
  | Scalar | List | Tuple | Dict | Instance | EnumMember | DeviceDatum | Future | Host | GeneratorDatum;

export function makeList(elem: Type, items: Datum[]): List {
  return { kind: "list", elem, items };
}
export function makeTuple(items: readonly Datum[], type?: Type): Tuple {
  return { kind: "tuple", type, items };
}
export function makeDict(key: Type, value: Type, entries: Iterable<readonly [Datum, Datum]> = []): Dict {
  const dict: Dict = { kind: "dict", key, value, entries: new Map() };
  for (const [k, v] of entries) dict.entries.set(keyOf(k), [k, v]);
  return dict;
}

/** What identifies a dict key: equal ints, floats, bools, strings and enum members are one key; tensors go by identity. */
export function keyOf(key: Datum): unknown {
  if (typeof key === "object" && key !== null && "kind" in key) {
    if (key.kind === "int" || key.kind === "float" || key.kind === "bool") return key.value;
    if (key.kind === "complex") return `complex:${key.re},${key.im}`;
    if (key.kind === "enum") return `enum:${key.type.name}.${key.name}`;
    if (key.kind === "device") return `device:${key.name}`;
  }
  return key;
}

/** An int64 in canonical form: a safe number, else a bigint wrapped at 64 bits. */
export function canonicalInt(value: bigint): number | bigint {
  const wrapped = BigInt.asIntN(64, value);
  return wrapped >= -9007199254740991n && wrapped <= 9007199254740991n ? Number(wrapped) : wrapped;
}

/** A bare scalar as a boxed one of the given kind. */
export function boxed(value: number | bigint | boolean, kind: "int" | "float" | "bool"): Scalar {
  if (kind === "bool") return { kind, value: Boolean(value) };
  return kind === "int" ? { kind, value: typeof value === "boolean" ? Number(value) : value } : { kind, value: Number(value) };
}
