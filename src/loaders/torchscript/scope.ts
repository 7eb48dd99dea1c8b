/** What names and expressions can stand for while a function is lowered, and the scopes that hold names. */

import type { ClassType, EnumType, InterfaceMethod, InterfaceType } from "../../ir/class-type.ts";
import type { FunctionDecl, Value } from "../../ir/graph.ts";
import type { NamedTupleType, Type } from "../../ir/type.ts";
import type { FunctionDef } from "./ast.ts";

/** The meaning of an expression: a value, or something that only becomes one when called or indexed. */
export type Meaning =
  | { readonly kind: "value"; readonly value: Value; readonly emptyList?: boolean }
  /** Several results, or a tuple literal, not yet packed. */
  | { readonly kind: "tuple"; readonly items: readonly Value[]; readonly fields?: readonly string[] | undefined }
  /** The result of an op that returns nothing. */
  | { readonly kind: "void" }
  /** `torch` (namespace aten) or `ops.prim`. */
  | { readonly kind: "library"; readonly namespace: string }
  | { readonly kind: "ops" }
  | { readonly kind: "constants" }
  /** `__torch__.a.b`, of no known meaning yet. */
  | { readonly kind: "path"; readonly path: string }
  | { readonly kind: "type"; readonly type: ClassType | EnumType | NamedTupleType | InterfaceType }
  | { readonly kind: "builtin"; readonly name: string; readonly self?: Value | undefined }
  | { readonly kind: "function"; readonly name: string; readonly decl: FunctionDecl }
  | { readonly kind: "method"; readonly object: Value; readonly name: string; readonly decl: FunctionDecl | InterfaceMethod }
  /** A method named through its class, `C.hook`, whose object is the first argument. */
  | { readonly kind: "static"; readonly name: string; readonly decl: FunctionDecl }
  | { readonly kind: "new"; readonly class: ClassType }
  | { readonly kind: "cast"; readonly to: "int" | "float" | "bool" | "complex" | "str" }
  | { readonly kind: "special"; readonly form: string }
  | { readonly kind: "tolist"; readonly tensor: Value }
  /** `x.long` and the like. */
  | { readonly kind: "convert"; readonly tensor: Value; readonly dtype: number }
  | { readonly kind: "closure"; readonly def: FunctionDef; readonly scope: Scope };

/** What a name is bound to; a reason where it has no meaning on some path. */
export type Binding = Meaning | { readonly kind: "unusable"; readonly reason: string };

/** Names of one block; blocks inside see it. */
export class Scope {
  readonly parent: Scope | undefined;
  readonly own: Map<string, Binding> = new Map();

  constructor(parent?: Scope) {
    this.parent = parent;
  }

  get(name: string): Binding | undefined {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.parent) {
      const found = scope.own.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  set(name: string, binding: Binding): void {
    this.own.set(name, binding);
  }
}

/** A bool known while lowering, or a value. */
export type Flag = boolean | Value;

/** How control leaves a run of statements. */
export interface Exit {
  /** No path falls through. */
  readonly always: boolean;
  readonly returns: Flag;
  readonly breaks: Flag;
  readonly continues: Flag;
  /** The returned value, where `returns` is not false. */
  readonly value?: Value | undefined;
}

export const FALLS_THROUGH: Exit = { always: false, returns: false, breaks: false, continues: false };

/** A condition, with what its truth says of types. */
export interface Condition {
  readonly value: Value;
  /** Known without running. */
  readonly constant?: boolean | undefined;
  readonly whenTrue: ReadonlyMap<string, Type>;
  readonly whenFalse: ReadonlyMap<string, Type>;
}
