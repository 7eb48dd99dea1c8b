/** Types of an op's arguments, read off its schema by the compiler: `Tensor self` is a Tensor, `int[2]? size` a list of numbers or null. */

import type { Datum, Scalar } from "../ir/datum.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import type { Tensor } from "../tensor/tensor.ts";

type Base<S extends string> =
  S extends "Tensor" ? Tensor
  : S extends "int" | "SymInt" | "float" | "ScalarType" | "Layout" | "MemoryFormat" ? number
  : S extends "bool" ? boolean
  : S extends "str" | "Device" ? string
  : S extends "Scalar" ? Scalar
  : S extends "Generator" ? GeneratorState
  : Datum;

type Decode<S extends string> =
  S extends `${infer E}?` ? Decode<E> | null
  : S extends `${infer E}[${string}]` ? readonly Decode<E>[]
  : S extends `${infer E}(${string})` ? Base<E>
  : Base<S>;

/** `Tensor(a -> *) self` has a space inside its parentheses. */
type TypePart<A extends string> =
  A extends `${infer E}(${string})[] ${string}` ? `${E}[]`
  : A extends `${infer E}(${string})? ${string}` ? `${E}?`
  : A extends `${infer E}(${string}) ${string}` ? E
  : A extends `${infer E} ${string}` ? E
  : never;

type Split<S extends string> = S extends `${infer A}, ${infer R}` ? [A, ...Split<R>] : [S];
/** Drops `*` and the tails of list defaults such as `1]`. */
type Decoded<L extends readonly string[]> = L extends readonly [infer H extends string, ...infer R extends readonly string[]]
  ? TypePart<H> extends never ? Decoded<R> : [Decode<TypePart<H>>, ...Decoded<R>]
  : [];

/** The argument tuple of a schema: what stands between the first parenthesis and `) -> `. */
export type ArgumentsOf<S extends string> =
  S extends `${string}() -> ${string}` ? [] : S extends `${string}(${infer Args}) -> ${string}` ? Decoded<Split<Args>> : never;
