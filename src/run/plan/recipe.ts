/** How the values that leave a plan are made again: new tensors and containers around what the plan computed, or what came in. */

import type { Datum } from "../../ir/datum.ts";
import type { Type } from "../../ir/type.ts";
import { Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";
import { type Binding, type Container, recordOf, type TensorRecord, Unplannable } from "./pattern.ts";

/** Where a new tensor's memory comes from. */
export type Memory =
  | { readonly kind: "output"; readonly index: number }
  | { readonly kind: "input"; readonly index: number }
  /** Memory of the session's own, shared. */
  | { readonly kind: "own"; readonly storage: Storage }
  /** Contents that are always the same, in new memory each time; one memory for each such object. */
  | { readonly kind: "copy"; readonly storage: Storage }
  | { readonly kind: "blank"; readonly nbytes: number };

export type Recipe =
  | { readonly kind: "value"; readonly value: Datum }
  | { readonly kind: "bound tensor"; readonly index: number }
  | { readonly kind: "bound container"; readonly index: number }
  | { readonly kind: "tensor"; readonly record: TensorRecord; readonly memory: Memory }
  | { readonly kind: "list"; readonly elem: Type; readonly items: readonly Recipe[] }
  | { readonly kind: "tuple"; readonly type: Type | undefined; readonly items: readonly Recipe[] }
  | { readonly kind: "dict"; readonly key: Type; readonly value: Type; readonly entries: readonly (readonly [unknown, Recipe, Recipe])[] };

export interface RecipeMaker {
  readonly binding: Binding;
  /** Tensors that enter and are always the same: they leave as themselves. */
  readonly constants: ReadonlySet<Tensor>;
  /** Objects that were there before: they leave as themselves. */
  isOld(value: Datum): boolean;
  memoryOf(storage: Storage): Memory;
}

/** Recipes of values, one per object, so that shared objects stay shared. @throws Unplannable for what cannot be made again */
export function recipes(maker: RecipeMaker): (value: Datum) => Recipe {
  const known = new Map<Datum, Recipe>();
  const make = (value: Datum): Recipe => {
    if (value instanceof Tensor) {
      const bound = maker.binding.tensors.indexOf(value);
      if (bound >= 0) return { kind: "bound tensor", index: bound };
      if (maker.constants.has(value)) return { kind: "value", value };
      if (value.quantizer !== undefined || value.lengths !== undefined) throw new Unplannable("a quantised or nested tensor");
      return { kind: "tensor", record: recordOf(value), memory: maker.memoryOf(value.storage) };
    }
    if (typeof value !== "object" || value === null) return { kind: "value", value };
    if (value.kind === "list" || value.kind === "tuple" || value.kind === "dict") {
      const bound = maker.binding.containers.indexOf(value);
      if (bound >= 0) return { kind: "bound container", index: bound };
      if (maker.isOld(value)) return { kind: "value", value };
      if (value.kind === "list") return { kind: "list", elem: value.elem, items: value.items.map(of) };
      if (value.kind === "tuple") return { kind: "tuple", type: value.type, items: value.items.map(of) };
      return { kind: "dict", key: value.key, value: value.value, entries: [...value.entries].map(([id, [k, v]]) => [id, of(k), of(v)] as const) };
    }
    if (value.kind === "int" || value.kind === "float" || value.kind === "bool" || value.kind === "complex" || value.kind === "device" || value.kind === "enum") return { kind: "value", value };
    if (maker.isOld(value)) return { kind: "value", value };
    throw new Unplannable(`a ${value.kind} that the region makes`);
  };
  const of = (value: Datum): Recipe => {
    let recipe = known.get(value);
    if (recipe === undefined || typeof value !== "object") known.set(value, (recipe = make(value)));
    return recipe;
  };
  return of;
}

/** Makes values of recipes. */
export function maker(binding: Binding, inputs: readonly Storage[], outputs: readonly Storage[]): (recipe: Recipe) => Datum {
  const made = new Map<Recipe, Tensor | Container>();
  const fresh = new Map<Memory, Storage>();
  const storageOf = (memory: Memory): Storage => {
    switch (memory.kind) {
      case "output":
        return outputs[memory.index] ?? missing();
      case "input":
        return inputs[memory.index] ?? missing();
      case "own":
        return memory.storage;
      case "copy":
      case "blank": {
        let storage = fresh.get(memory);
        if (storage === undefined) {
          storage = memory.kind === "blank" ? Storage.allocate(memory.nbytes) : Storage.wrap(memory.storage.bytes().slice(0, memory.storage.nbytes), false);
          fresh.set(memory, storage);
        }
        return storage;
      }
      default:
        return memory satisfies never;
    }
  };
  const keep = <T extends Tensor | Container>(recipe: Recipe, value: T): T => {
    made.set(recipe, value);
    return value;
  };
  const make = (recipe: Recipe): Datum => {
    switch (recipe.kind) {
      case "value":
        return recipe.value;
      case "bound tensor":
        return binding.tensors[recipe.index] ?? missing();
      case "bound container":
        return binding.containers[recipe.index] ?? missing();
      default: {
        const known = made.get(recipe);
        if (known !== undefined) return known;
      }
    }
    switch (recipe.kind) {
      case "tensor": {
        const { record } = recipe;
        const t = new Tensor(storageOf(recipe.memory), record.dtype, record.shape, record.strides, record.offset);
        t.conj = record.conj;
        t.neg = record.neg;
        t.requiresGrad = record.requiresGrad;
        t.wrappedNumber = record.wrappedNumber;
        return keep(recipe, t);
      }
      case "list":
        return keep(recipe, { kind: "list", elem: recipe.elem, items: recipe.items.map(make) });
      case "tuple":
        return keep(recipe, { kind: "tuple", type: recipe.type, items: recipe.items.map(make) });
      case "dict":
        return keep(recipe, { kind: "dict", key: recipe.key, value: recipe.value, entries: new Map(recipe.entries.map(([id, k, v]) => [id, [make(k), make(v)]])) });
      default:
        return recipe satisfies never;
    }
  };
  return make;
}

function missing(): never {
  throw new Unplannable("a recipe of what was not bound");
}
