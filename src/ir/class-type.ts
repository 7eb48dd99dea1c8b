/** Classes, interfaces and enums of an archive: the declared side of objects. */

import type { FunctionDecl } from "./graph.ts";
import type { Template } from "./template.ts";
import type { Type } from "./type.ts";

export interface ClassAttribute {
  readonly name: string;
  readonly type: Type;
}

/** A class of the archive. Types refer to it by identity; its lists are filled while the archive loads. */
export interface ClassType {
  readonly kind: "Class";
  /** Qualified name, `__torch__.net.Net`. */
  readonly name: string;
  readonly isModule: boolean;
  /** Slots in declaration order. */
  readonly attributes: ClassAttribute[];
  /** Index into `attributes` by name. */
  readonly slots: Map<string, number>;
  readonly methods: Map<string, FunctionDecl>;
  /** `Final` class constants by name. */
  readonly constants: Map<string, { readonly type: Type; readonly value: Template }>;
  readonly parameters: Set<string>;
  readonly buffers: Set<string>;
  /** Names of methods that run around a call of a root module's `forward`. */
  readonly forwardPreHooks: string[];
  readonly forwardHooks: string[];
}

export interface InterfaceMethod {
  readonly name: string;
  readonly params: readonly { readonly name: string; readonly type: Type }[];
  readonly returns: Type;
}

export interface InterfaceType {
  readonly kind: "Interface";
  readonly name: string;
  readonly isModule: boolean;
  readonly methods: InterfaceMethod[];
}

export interface EnumType {
  readonly kind: "Enum";
  readonly name: string;
  readonly value: Type;
  readonly members: { readonly name: string; readonly value: Template }[];
}

/** An empty class to be filled by a loader. */
export function makeClass(name: string, isModule: boolean): ClassType {
  return {
    kind: "Class", name, isModule, attributes: [], slots: new Map(), methods: new Map(), constants: new Map(),
    parameters: new Set(), buffers: new Set(), forwardPreHooks: [], forwardHooks: [],
  };
}

/** Adds a slot to `cls`. */
export function addAttribute(cls: ClassType, name: string, type: Type): void {
  cls.slots.set(name, cls.attributes.length);
  cls.attributes.push({ name, type });
}
