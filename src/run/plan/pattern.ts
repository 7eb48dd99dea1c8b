/** What a plan expects of the values that enter it: matched at each entry, without building anything but the list of what it binds. */

import type { Datum, Dict, List, Tuple } from "../../ir/datum.ts";
import type { DType } from "../../tensor/dtype.ts";
import type { Shape, Strides } from "../../tensor/shape.ts";
import type { Storage } from "../../tensor/storage.ts";
import { Tensor } from "../../tensor/tensor.ts";

export type Container = List | Tuple | Dict;

/** A tensor's record: all of it but the memory. */
export interface TensorRecord {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly strides: Strides;
  readonly offset: number;
  readonly conj: boolean;
  readonly neg: boolean;
  readonly requiresGrad: boolean;
  readonly wrappedNumber: boolean;
}

export type Pattern =
  /** `storage`: number of the bound storage, equal for tensors that share one. */
  | { readonly kind: "tensor"; readonly record: TensorRecord; readonly storage: number; readonly nbytes: number }
  /** A tensor of the session's own, with contents that have not been written since. */
  | { readonly kind: "constant"; readonly tensor: Tensor; readonly record: TensorRecord; readonly storage: Storage; readonly version: number }
  | { readonly kind: "list" | "tuple"; readonly items: readonly Pattern[] }
  | { readonly kind: "dict"; readonly entries: readonly (readonly [unknown, Pattern])[] }
  | { readonly kind: "scalar"; readonly of: "int" | "float" | "bool"; readonly value: number | bigint | boolean }
  | { readonly kind: "complex"; readonly re: number; readonly im: number }
  /** A plain value, or an object by identity. */
  | { readonly kind: "same"; readonly value: Datum };

/** What matching found, in the order of the patterns. Constants are no part of it: they are what the pattern says. */
export interface Binding {
  readonly tensors: Tensor[];
  readonly storages: Storage[];
  readonly containers: Container[];
}

export function newBinding(): Binding {
  return { tensors: [], storages: [], containers: [] };
}

/** A value that a plan cannot stand for; the region is run op by op. */
export class Unplannable extends Error {}

export function recordOf(t: Tensor): TensorRecord {
  const { dtype, shape, strides, offset, conj, neg, requiresGrad, wrappedNumber } = t;
  return { dtype, shape: [...shape], strides: [...strides], offset, conj, neg, requiresGrad, wrappedNumber };
}

function sameNumbers(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Whether the tensor is as its record was. */
export function fits(record: TensorRecord, t: Tensor): boolean {
  return (
    t.dtype === record.dtype && t.offset === record.offset && sameNumbers(t.shape, record.shape) && sameNumbers(t.strides, record.strides) &&
    t.conj === record.conj && t.neg === record.neg && t.requiresGrad === record.requiresGrad && t.wrappedNumber === record.wrappedNumber && t.quantizer === undefined && t.lengths === undefined
  );
}

const DEPTH = 16;

/**
 * The pattern of a value as it is now, and its parts bound; tensors of the session's own are added to `constants`.
 * @throws Unplannable for quantised and nested tensors, futures, and containers that are too deep
 */
export function patternOf(value: Datum, isConstant: (storage: Storage) => boolean, binding: Binding, constants: Set<Tensor>, depth = 0): Pattern {
  if (depth > DEPTH) throw new Unplannable("containers too deep");
  if (value instanceof Tensor) {
    if (value.quantizer !== undefined || value.lengths !== undefined) throw new Unplannable("a quantised or nested tensor");
    const { storage } = value;
    if (isConstant(storage)) {
      constants.add(value);
      return { kind: "constant", tensor: value, record: recordOf(value), storage, version: storage.version };
    }
    binding.tensors.push(value);
    let index = binding.storages.indexOf(storage);
    if (index < 0) index = binding.storages.push(storage) - 1;
    return { kind: "tensor", record: recordOf(value), storage: index, nbytes: storage.nbytes };
  }
  if (typeof value !== "object" || value === null) return { kind: "same", value };
  switch (value.kind) {
    case "list":
    case "tuple":
      binding.containers.push(value);
      return { kind: value.kind, items: value.items.map((item) => patternOf(item, isConstant, binding, constants, depth + 1)) };
    case "dict":
      binding.containers.push(value);
      return { kind: "dict", entries: [...value.entries].map(([key, [, item]]) => [key, patternOf(item, isConstant, binding, constants, depth + 1)] as const) };
    case "int":
    case "float":
    case "bool":
      return { kind: "scalar", of: value.kind, value: value.value };
    case "complex":
      return { kind: "complex", re: value.re, im: value.im };
    case "future":
      throw new Unplannable("a future");
    default:
      return { kind: "same", value };
  }
}

/** Whether the value is as the pattern says; binds its parts as `patternOf` did. */
export function matches(pattern: Pattern, value: Datum, binding: Binding): boolean {
  switch (pattern.kind) {
    case "same":
      return Object.is(pattern.value, value);
    case "tensor": {
      if (!(value instanceof Tensor) || !fits(pattern.record, value) || value.storage.nbytes !== pattern.nbytes) return false;
      binding.tensors.push(value);
      const { storages } = binding;
      if (pattern.storage < storages.length) return storages[pattern.storage] === value.storage;
      if (storages.includes(value.storage)) return false;
      storages.push(value.storage);
      return true;
    }
    case "constant":
      return value === pattern.tensor && pattern.tensor.storage === pattern.storage && pattern.storage.version === pattern.version && fits(pattern.record, pattern.tensor);
    case "scalar":
      return typeof value === "object" && value !== null && "kind" in value && value.kind === pattern.of && Object.is(value.value, pattern.value);
    case "complex":
      return typeof value === "object" && value !== null && "kind" in value && value.kind === "complex" && Object.is(value.re, pattern.re) && Object.is(value.im, pattern.im);
    case "list":
    case "tuple": {
      if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== pattern.kind || value.items.length !== pattern.items.length) return false;
      binding.containers.push(value);
      for (let i = 0; i < pattern.items.length; i++) {
        const item = pattern.items[i];
        if (item === undefined || !matches(item, value.items[i] ?? null, binding)) return false;
      }
      return true;
    }
    case "dict": {
      if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "dict" || value.entries.size !== pattern.entries.length) return false;
      binding.containers.push(value);
      let at = 0;
      for (const [key, [, item]] of value.entries) {
        const entry = pattern.entries[at++];
        if (entry === undefined || entry[0] !== key || !matches(entry[1], item, binding)) return false;
      }
      return true;
    }
    default:
      return pattern satisfies never;
  }
}
