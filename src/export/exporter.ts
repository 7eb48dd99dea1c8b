/** The services that all parts of the exporter share: values of tensors, sizes, numbers, writes, results. */

import type { Datum } from "../ir/datum.ts";
import { makeDict, makeList, makeTuple } from "../ir/datum.ts";
import type { OpTable } from "../ops/registry.ts";
import type { Context } from "../prims/context.ts";
import { type DType, dtypeInfo, isComplex, isQuantized, realOf } from "../tensor/dtype.ts";
import { OpwiseError, unreachable } from "../tensor/error.ts";
import type { Storage } from "../tensor/storage.ts";
import { sameShape } from "../tensor/shape.ts";
import { Tensor } from "../tensor/tensor.ts";
import { type Attributes, GraphBuilder, type OnnxValue, type Scope } from "./graph.ts";
import { readView, writeView } from "./strided.ts";
import { newVersion, Trail } from "./trail.ts";
import { laneOf } from "./waist.ts";
import {
  type DimSize,
  DTYPE_OF,
  isSym,
  isSymTensor,
  joinRoots,
  metaTensor,
  NO_ROOTS,
  refuse,
  type Root,
  type Roots,
  Sym,
  SymStorage,
  SymTensor,
  type ViewOf,
} from "./values.ts";

export interface Services {
  /** Runs ops on known tensors. */
  readonly context: Context;
  readonly ops: OpTable;
}

/** Size of a result: copied from an operand's axis, a number, or open. */
export type DimRule = readonly DimSize[] | "open";

export class Exporter {
  readonly g: GraphBuilder;
  readonly context: Context;
  readonly ops: OpTable;
  readonly trail: Trail = new Trail();
  /** Ops that were spelled out through primitives, and how often. */
  readonly spelled: Map<string, number> = new Map();
  /** Roots that had to be fixed, and by which op. */
  readonly fixed: Map<Root, string> = new Map();
  /** Told of every list and dict that is written. */
  onContainer: ((container: Datum) => void) | undefined;
  readonly #wrapped = new Map<Tensor, SymTensor>();
  readonly #storages = new Map<Storage, SymStorage>();
  readonly #roots = new Map<SymStorage, SymTensor>();

  constructor(opset: number, services: Services) {
    this.g = new GraphBuilder(opset);
    this.context = services.context;
    this.ops = services.ops;
  }

  // ---- tensors -------------------------------------------------------------------------------------------------------------------

  /** A tensor of the model or its code, whose elements are known. */
  wrap(tensor: Tensor, label = "c", onWrite?: () => void): SymTensor {
    const known = this.#wrapped.get(tensor);
    if (known !== undefined) return known;
    if (tensor.quantizer !== undefined) return this.#wrapOpaque(tensor);
    let storage = this.#storages.get(tensor.storage);
    const parent = storage === undefined ? undefined : this.#roots.get(storage);
    if (storage === undefined) {
      storage = new SymStorage(label, onWrite);
      storage.known = tensor;
      this.#storages.set(tensor.storage, storage);
    }
    const meta = new Tensor(parent?.meta.storage ?? metaStorage(tensor), tensor.dtype, [...tensor.shape], [...tensor.strides], tensor.offset);
    meta.conj = tensor.conj;
    meta.neg = tensor.neg;
    meta.wrappedNumber = tensor.wrappedNumber;
    const made = new SymTensor(meta, [...tensor.shape], NO_ROOTS, storage, parent === undefined ? undefined : this.stridedView(parent, meta));
    if (parent === undefined) this.#roots.set(storage, made);
    this.#wrapped.set(tensor, made);
    return made;
  }
  /** A tensor of the model that is an input of the graph. */
  open(tensor: Tensor, value: OnnxValue, label: string, dims: readonly DimSize[], roots: Roots | undefined, onWrite?: () => void): SymTensor {
    const made = this.tensor(
      value,
      new Tensor(metaStorage(tensor), tensor.dtype, [...tensor.shape], [...tensor.strides], tensor.offset),
      dims,
      roots,
      label,
      onWrite,
    );
    this.#storages.set(tensor.storage, made.storage);
    this.#wrapped.set(tensor, made);
    return made;
  }
  #wrapOpaque(tensor: Tensor): SymTensor {
    const storage = new SymStorage("quantised");
    storage.known = tensor;
    const meta = new Tensor(metaStorage(tensor), tensor.dtype, [...tensor.shape], [...tensor.strides], tensor.offset);
    meta.quantizer = tensor.quantizer;
    const made = new SymTensor(meta, [...tensor.shape], NO_ROOTS, storage);
    this.#wrapped.set(tensor, made);
    this.#roots.set(storage, made);
    return made;
  }

  /** A fresh tensor of the graph. */
  tensor(value: OnnxValue, meta: Tensor, dims: readonly DimSize[], roots: Roots | undefined, label = "", onWrite?: () => void): SymTensor {
    const storage = new SymStorage(label, onWrite);
    storage.value = value;
    const made = new SymTensor(meta, dims, dims.includes(undefined) ? roots : NO_ROOTS, storage);
    this.#roots.set(storage, made);
    this.trail.born(storage);
    this.trail.born(made);
    return made;
  }
  /** A fresh tensor whose elements are known. */
  knownTensor(tensor: Tensor): SymTensor {
    const made = this.wrap(tensor);
    this.trail.born(made.storage);
    this.trail.born(made);
    return made;
  }

  rootOf(t: SymTensor): SymTensor {
    return this.rootOfStorage(t.storage);
  }
  rootOfStorage(storage: SymStorage): SymTensor {
    return this.#roots.get(storage) ?? unreachable("a storage without a tensor");
  }

  /** A view by strides of a tensor's memory. */
  stridedView(parent: SymTensor, meta: Tensor): ViewOf {
    return {
      parent,
      read: (value) => {
        this.fixSizes(parent);
        return readView(this.g, value, parent.meta, meta);
      },
      write: (value, update) => {
        this.fixSizes(parent);
        return writeView(this.g, value, parent.meta, meta, update);
      },
    };
  }

  /** The elements, where they are known. */
  knownOf(t: SymTensor): Tensor | undefined {
    const { known } = t.storage;
    if (known === undefined) return undefined;
    const root = this.rootOf(t);
    if (root === t && known.dtype === t.dtype && sameShape(known.shape, t.meta.shape) && sameShape(known.strides, t.meta.strides)) {
      known.wrappedNumber ||= t.meta.wrappedNumber;
      return known;
    }
    if (t.cachedKnown?.version === t.storage.version) return t.cachedKnown.value;
    const m = t.meta;
    const value = new Tensor(known.storage, m.dtype, m.shape, m.strides, m.offset);
    value.conj = m.conj;
    value.neg = m.neg;
    value.wrappedNumber = m.wrappedNumber;
    t.cachedKnown = { version: t.storage.version, value };
    return value;
  }

  /** The tensor's value in the graph as it is now. Complex numbers are pairs along a further last axis. */
  valueOf(t: SymTensor): OnnxValue {
    const known = this.knownOf(t);
    if (known !== undefined) return this.constantOf(known, t.storage.label);
    if (t.view === undefined) {
      const { value } = t.storage;
      return value !== undefined && this.g.visible(value) ? value : unreachable(`the value of a tensor (${t.storage.label})`);
    }
    if (t.cached !== undefined && t.cached.version === t.storage.version && this.g.visible(t.cached.value)) return t.cached.value;
    const value = t.view.read(this.valueOf(t.view.parent));
    t.cached = { version: t.storage.version, value };
    return value;
  }

  constantOf(known: Tensor, label = "c"): OnnxValue {
    const name = label === "" || known.numel <= 1 ? "c" : label;
    if (isQuantized(known.dtype)) return this.g.constant(Tensor.from(known.data, known.shape, laneOf(known.dtype)), name);
    if (isComplex(known.dtype)) return this.g.constant(Tensor.from(known.data, [...known.shape, 2], realOf(known.dtype)), name);
    const plain = known.isContiguous && !known.conj && !known.neg ? known : Tensor.from(known.data, known.shape, known.dtype);
    return this.g.constant(plain, name);
  }

  /** Writes a value of the tensor's shape and dtype, also through what it is a view of. */
  write(t: SymTensor, value: OnnxValue): void {
    if (isComplex(t.dtype)) return refuse("a tensor of complex numbers is written in place");
    if (value.dtype !== laneOf(t.dtype)) return this.write(t, this.g.cast(value, laneOf(t.dtype)));
    const { view } = t;
    if (view === undefined) {
      this.touchStorage(t);
      t.storage.value = value;
      t.storage.known = undefined;
      t.storage.version = newVersion();
      return;
    }
    for (let v: SymTensor | undefined = t; v !== undefined; v = v.view?.parent) {
      if (v.view?.overlaps !== true) continue;
      const root = this.rootOf(t);
      this.fixSizes(root);
      this.fixSizes(t);
      this.write(root, writeView(this.g, this.valueOf(root), root.meta, t.meta, value));
      return;
    }
    const { parent } = view;
    const before = this.valueOf(parent);
    const after = view.write?.(before, value) ?? writeView(this.g, before, (this.fixSizes(parent), parent.meta), (this.fixSizes(t), t.meta), value);
    this.write(parent, after);
    t.cached = { version: t.storage.version, value };
  }
  /** Writes known elements. */
  writeKnown(t: SymTensor, known: Tensor): void {
    if (t.view !== undefined) return unreachable("known elements through a view");
    this.touchStorage(t);
    t.storage.known = known;
    t.storage.value = undefined;
    t.storage.version = newVersion();
  }
  touchStorage(t: SymTensor): void {
    this.trail.touch({ kind: "storage", target: t.storage });
    t.storage.onWrite?.();
  }

  /** Makes `t` another tensor, as ops do that change a tensor's shape in place. */
  become(t: SymTensor, other: SymTensor): void {
    this.trail.touch({ kind: "tensor", target: t });
    if (other.view?.parent === t) {
      // What `t` was lives on as the parent.
      const old = new SymTensor(t.meta, t.dims, t.roots, t.storage, t.view);
      if (this.#roots.get(t.storage) === t) this.#roots.set(t.storage, old);
      other.view = { ...other.view, parent: old };
    }
    t.meta = other.meta;
    t.dims = other.dims;
    t.roots = other.roots;
    t.storage = other.storage;
    t.view = other.view;
    t.cached = undefined;
    t.cachedKnown = undefined;
    if (this.#roots.get(t.storage) === other) this.#roots.set(t.storage, t);
  }

  // ---- numbers and sizes ---------------------------------------------------------------------------------------------------------

  /** A number as it is: one of the graph is fixed at the example's, or refused where it hangs on data. */
  fix(sym: Sym): number | bigint | boolean {
    const assumed = this.assumed(sym);
    if (assumed !== undefined) return assumed;
    this.fixRoots(sym.roots, "a number that is computed from data");
    return sym.hint;
  }
  fixRoots(roots: Roots | undefined, what: string): void {
    if (roots === undefined) return refuse(`${what} would have to be known`);
    for (const root of roots) {
      if (root.fixed) continue;
      root.fixed = true;
      root.fix();
      this.fixed.set(root, this.g.origin?.op ?? "");
    }
  }
  /** Makes a tensor's sizes known. */
  fixSizes(t: SymTensor): void {
    if (t.isStatic) return;
    this.fixRoots(t.roots, "a size that is computed from data");
    t.dims = [...t.meta.shape];
  }
  readonly #assumptions = new Map<string, boolean>();
  /** Runs what is only run where the condition holds, or does not. */
  assuming<X>(cond: Sym, holds: boolean, body: () => X): X {
    const { name } = cond.onnx;
    const before = this.#assumptions.get(name);
    this.#assumptions.set(name, holds);
    try {
      return body();
    } finally {
      if (before === undefined) this.#assumptions.delete(name);
      else this.#assumptions.set(name, before);
    }
  }
  /** A condition's value where it is known from the branch that one is in. */
  assumed(cond: Sym): boolean | undefined {
    return this.#assumptions.get(cond.onnx.name);
  }
  /** Whether a number's value may be taken for known. */
  isFixed(roots: Roots | undefined): boolean {
    return roots !== undefined && [...roots].every((r) => r.fixed);
  }

  /** A size of a tensor. */
  size(t: SymTensor, axis: number): number | Sym {
    const known = t.dims[axis];
    if (known !== undefined) return known;
    if (this.isFixed(t.roots)) return t.meta.shape[axis] ?? 0;
    return new Sym("int", this.g.op("Gather", [this.shapeValue(t), this.g.scalar(axis, "int64")], { axis: 0 }), t.meta.shape[axis] ?? 0, t.roots);
  }
  /** All sizes, a 1-dim int64 value. */
  shapeValue(t: SymTensor): OnnxValue {
    if (t.isStatic) return this.g.ints(t.dims.map((d) => d ?? 0));
    return this.g.op("Shape", [this.valueOf(t)], {}, "int64");
  }

  /** A number of the graph from a value. */
  number(type: Sym["type"], onnx: OnnxValue, hint: Sym["hint"], roots: Roots | undefined): Sym {
    return new Sym(type, this.g.cast(onnx, DTYPE_OF[type]), hint, roots);
  }

  /** A scalar datum as a 0-dim value of the graph. */
  scalarValue(d: Datum, dtype: DType): OnnxValue {
    if (isSym(d)) return this.g.cast(d.onnx, dtype);
    const plain = plainNumber(d);
    if (plain === undefined) return refuse("a complex number has no kernels in ONNX");
    if (dtype === "float16" || dtype === "bfloat16") return this.g.cast(this.g.scalar(plain, "float32"), dtype);
    return this.g.scalar(plain, dtype);
  }
  /** A list of ints as a 1-dim int64 value. */
  intsValue(items: readonly Datum[]): OnnxValue {
    if (items.every((d) => !isSym(d))) return this.g.ints(items.map((d) => intOf(d)));
    const parts: OnnxValue[] = [];
    let run: (number | bigint)[] = [];
    const flush = (): void => {
      if (run.length > 0) parts.push(this.g.ints(run));
      run = [];
    };
    for (const d of items) {
      if (!isSym(d)) run.push(intOf(d));
      else {
        flush();
        parts.push(this.g.op("Reshape", [d.onnx, this.g.ints([1])]));
      }
    }
    flush();
    const [only] = parts;
    return parts.length === 1 && only !== undefined ? only : this.g.op("Concat", parts, { axis: 0 });
  }

  // ---- results -------------------------------------------------------------------------------------------------------------------

  /** A fresh result: its dims are all known where the operands' are, else by `rule`. */
  result(value: OnnxValue, meta: Tensor, operands: readonly Datum[], rule: DimRule = "open"): SymTensor {
    const parts = leavesOf(operands);
    const roots = joinRoots(parts.map((p) => (p instanceof SymTensor ? (p.isStatic ? NO_ROOTS : p.roots) : p.roots)));
    const isStatic = parts.every((p) => (p instanceof SymTensor ? p.isStatic : false));
    const dims = isStatic ? [...meta.shape] : rule === "open" ? meta.shape.map(() => undefined) : rule;
    if (value.dtype !== meta.dtype) return this.result(this.g.cast(value, meta.dtype), meta, operands, rule);
    return this.tensor(value, metaTensor(meta.shape, meta.dtype, meta.strides), dims, roots);
  }

  note(op: string): void {
    this.spelled.set(op, (this.spelled.get(op) ?? 0) + 1);
  }
  within<X>(scope: Scope, body: () => X): X {
    return this.g.within(scope, body);
  }
  op(type: string, inputs: readonly (OnnxValue | undefined)[], attributes: Attributes = {}, dtype?: DType): OnnxValue {
    return this.g.op(type, inputs, attributes, dtype);
  }
}

function metaStorage(tensor: Tensor): Storage {
  return metaTensor([tensor.storage.nbytes], "uint8").storage;
}

/** Tensors and numbers of the graph inside data. */
export function leavesOf(data: readonly Datum[]): (SymTensor | Sym)[] {
  const out: (SymTensor | Sym)[] = [];
  const walk = (d: Datum): void => {
    if (typeof d !== "object" || d === null || d instanceof Tensor) return;
    if (isSymTensor(d) || isSym(d)) out.push(d);
    else if (d.kind === "list" || d.kind === "tuple") d.items.forEach(walk);
    else if (d.kind === "dict")
      for (const [k, v] of d.entries.values()) {
        walk(k);
        walk(v);
      }
  };
  data.forEach(walk);
  return out;
}

/** A host number, bare or boxed; undefined for a complex one. */
export function plainNumber(d: Datum): number | bigint | boolean | undefined {
  if (typeof d === "number" || typeof d === "bigint" || typeof d === "boolean") return d;
  if (typeof d === "object" && d !== null && "kind" in d && (d.kind === "int" || d.kind === "float" || d.kind === "bool")) return d.value;
  if (typeof d === "object" && d !== null && "kind" in d && d.kind === "complex") return undefined;
  throw new OpwiseError("internal", `a number was expected, got ${describe(d)}`);
}
export function intOf(d: Datum): number | bigint {
  const n = plainNumber(d) ?? 0;
  return typeof n === "boolean" ? Number(n) : n;
}
function describe(d: Datum): string {
  return d === null ? "None" : typeof d === "object" && "kind" in d ? d.kind : typeof d;
}

/** The data with every leaf replaced; containers are copied. */
export function mapDatum(d: Datum, leaf: (d: Datum) => Datum): Datum {
  if (typeof d === "object" && d !== null && !(d instanceof Tensor) && "kind" in d) {
    if (d.kind === "list")
      return makeList(
        d.elem,
        d.items.map((x) => mapDatum(x, leaf)),
      );
    if (d.kind === "tuple")
      return makeTuple(
        d.items.map((x) => mapDatum(x, leaf)),
        d.type,
      );
    if (d.kind === "dict")
      return makeDict(
        d.key,
        d.value,
        [...d.entries.values()].map(([k, v]) => [k, mapDatum(v, leaf)] as const),
      );
  }
  return leaf(d);
}
export { dtypeInfo };
