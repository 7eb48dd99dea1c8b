/** What the exporter computes with in place of data: tensors and scalars that are values of the graph, and known ones beside them. */

import type { Datum } from "../ir/datum.ts";
import type { DType } from "../tensor/dtype.ts";
import { OpwiseError } from "../tensor/error.ts";
import { contiguousStrides, numelOf } from "../tensor/shape.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor } from "../tensor/tensor.ts";
import { itemsize } from "../tensor/dtype.ts";
import type { OnnxValue } from "./graph.ts";

/** A number that an example gives and the graph leaves open: an axis of an input, or an input that is a number. */
export interface Root {
  readonly name: string;
  readonly hint: number | bigint | boolean;
  /** Fixes the number, so that another one is an error of the graph. */
  readonly fix: () => void;
  fixed: boolean;
}
export type Roots = ReadonlySet<Root>;
export const NO_ROOTS: Roots = new Set();

/** The roots of what is made of several; undefined where one of them hangs on data. */
export function joinRoots(parts: readonly (Roots | undefined)[]): Roots | undefined {
  const out = new Set<Root>();
  for (const part of parts) {
    if (part === undefined) return undefined;
    for (const root of part) out.add(root);
  }
  return out;
}

/** An int, float or bool of the graph: a 0-dim int64, float64 or bool tensor. */
export class Sym {
  readonly kind = "host";
  readonly name = "a number of the graph";
  readonly value = undefined;
  readonly type: "int" | "float" | "bool";
  readonly onnx: OnnxValue;
  /** Its value for the example inputs; without roots a stand-in, that only tells likely sizes. */
  readonly hint: number | bigint | boolean;
  readonly roots: Roots | undefined;
  constructor(type: Sym["type"], onnx: OnnxValue, hint: Sym["hint"], roots: Roots | undefined) {
    this.type = type;
    this.onnx = onnx;
    this.hint = hint;
    this.roots = roots;
  }
}
export const DTYPE_OF: Readonly<Record<Sym["type"], DType>> = { int: "int64", float: "float64", bool: "bool" };

/** Memory that tensors share: its value, as the whole of its first tensor, and how often it was written. */
export class SymStorage {
  value: OnnxValue | undefined;
  /** The elements, where they hang on no input. */
  known: Tensor | undefined;
  version = 0;
  /** Set for memory that outlives the call: a parameter, a buffer, an input; told when it is written. */
  readonly onWrite: (() => void) | undefined;
  readonly label: string;
  constructor(label: string, onWrite?: () => void) {
    this.label = label;
    this.onWrite = onWrite;
  }
}

/** How a view is read from the tensor that it views, and how writing it changes that. */
export interface ViewOf {
  readonly parent: SymTensor;
  readonly read: (parent: OnnxValue) => OnnxValue;
  /** Absent: by positions in the parent's memory, which needs fixed sizes. */
  readonly write: ((parent: OnnxValue, value: OnnxValue) => OnnxValue) | undefined;
  /** Its elements may lie in one place twice: what is written through it, or a view of it, goes to memory itself. */
  readonly overlaps?: boolean;
}

/** A size: known, or left open. */
export type DimSize = number | undefined;

/** Elements as they are for the example inputs, while the storage has that version. */
export interface Shadow {
  readonly version: number;
  readonly elements: Tensor;
  readonly roots: Roots;
}

/** A tensor of the graph. Fields change where the model changes a tensor's shape in place. */
export class SymTensor {
  readonly kind = "host";
  readonly name = "a tensor of the graph";
  readonly value = undefined;
  /** dtype, and shape and strides for the example inputs; shares its storage with what it is a view of. */
  meta: Tensor;
  dims: readonly DimSize[];
  /** What the open sizes hang on. */
  roots: Roots | undefined;
  storage: SymStorage;
  view: ViewOf | undefined;
  cached: { readonly version: number; readonly value: OnnxValue } | undefined;
  /** Elements for the example inputs, where they hang on sizes and numbers alone. */
  shadow: Shadow | undefined;
  /** Its number of axes hangs on data: it can be passed on and returned, nothing else. */
  anyRank = false;
  cachedKnown: { readonly version: number; readonly value: Tensor } | undefined;
  constructor(meta: Tensor, dims: readonly DimSize[], roots: Roots | undefined, storage: SymStorage, view?: ViewOf) {
    this.meta = meta;
    this.dims = dims;
    this.roots = roots;
    this.storage = storage;
    this.view = view;
  }
  get dtype(): DType {
    return this.meta.dtype;
  }
  get rank(): number {
    return this.meta.rank;
  }
  get isStatic(): boolean {
    return this.dims.every((d) => d !== undefined);
  }
}

/** Items that are alike, in a number that the graph computes: a sequence of tensors, a 1-dim tensor of numbers, or columns of tuples. */
export class SymList {
  readonly kind = "host";
  readonly name = "a list of the graph";
  readonly value = undefined;
  /** What an item looks like; its values are never used. */
  readonly item: Datum;
  /** One value per leaf of an item: a sequence for a tensor, a 1-dim tensor for a number. */
  columns: readonly OnnxValue[];
  constructor(item: Datum, columns: readonly OnnxValue[]) {
    this.item = item;
    this.columns = columns;
  }
}

const OPEN = new WeakMap<readonly Datum[], SymList>();
/** Items of a list that the model knows by other names too, and whose length has become open. */
export function openItems(list: SymList): Datum[] {
  const items: Datum[] = [];
  OPEN.set(items, list);
  return items;
}
/** What such a list holds. */
export function openOf(d: Datum): SymList | undefined {
  return typeof d === "object" && d !== null && "kind" in d && d.kind === "list" ? OPEN.get(d.items) : undefined;
}
export function isOpenItems(items: readonly Datum[]): boolean {
  return OPEN.has(items);
}

/** What a branch that ends early leaves unset; never read. */
export const UNSET = { kind: "host", name: "unset", value: undefined } as const;

export const isSym = (d: unknown): d is Sym => d instanceof Sym;
export const isSymTensor = (d: unknown): d is SymTensor => d instanceof SymTensor;

/** A tensor without memory of its own, for its dtype, shape and strides. */
export function metaTensor(shape: readonly number[], dtype: DType, strides: readonly number[] = contiguousStrides(shape)): Tensor {
  return new Tensor(Storage.allocate(numelOf(shape) * itemsize(dtype)), dtype, [...shape], [...strides]);
}

/** What cannot be expressed: `why` is a full sentence, the place is added where it is known. */
export function refuse(why: string, hint?: string): never {
  throw new OpwiseError("unsupported-op", why, hint === undefined ? {} : { hint });
}

/** What a later version of ai.onnx has. */
export function needsOpset(opset: number, what: string): never {
  throw new OpwiseError("unsupported-op", `${what} needs opset ${opset}`, { wanted: `opset ${opset}`, hint: `ask for opset ${opset}, or for none` });
}

/** The items of a list or tuple datum. */
export function itemsOf(d: Datum): readonly Datum[] | undefined {
  return typeof d === "object" && d !== null && "kind" in d && (d.kind === "list" || d.kind === "tuple") ? d.items : undefined;
}

/** Calls `visit` for every datum inside, instances apart. */
export function walkDatum(d: Datum, visit: (d: Datum) => void): void {
  visit(d);
  if (typeof d !== "object" || d === null || d instanceof Tensor || !("kind" in d)) return;
  if (d.kind === "list" || d.kind === "tuple") for (const item of d.items) walkDatum(item, visit);
  else if (d.kind === "dict")
    for (const [k, v] of d.entries.values()) {
      walkDatum(k, visit);
      walkDatum(v, visit);
    }
}
