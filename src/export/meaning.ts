/** What carries out ops and what stands for them share: running a meaning on known data or on none at all, and what a handler gets. */

import type { Datum } from "../ir/datum.ts";
import type { BoundOp } from "../ops/registry.ts";
import type { Call, Region } from "../prims/call.ts";
import type { Context } from "../prims/context.ts";
import type { DType } from "../tensor/dtype.ts";
import type { GeneratorState } from "../tensor/generator.ts";
import { Storage } from "../tensor/storage.ts";
import { Tensor, type View } from "../tensor/tensor.ts";
import { type Exporter, mapDatum } from "./exporter.ts";
import type { OnnxValue } from "./graph.ts";
import { type DimSize, isSym, isSymTensor, metaTensor, openOf, refuse, type SymTensor } from "./values.ts";

/** Stands for a size that only data tells. */
export const STAND_IN = 3;

/** A context that runs nothing: it only makes shapes, dtypes and strides. */
class MetaContext implements Context {
  readonly defaultDtype: DType;
  readonly #host: Context;
  readonly calls: Call[] = [];
  constructor(host: Context) {
    this.#host = host;
    this.defaultDtype = host.defaultDtype;
  }
  run(call: Call): void {
    this.calls.push({ ...call, operands: call.operands.map(frozen), results: call.results.map(frozen) });
  }
  region(_region: Region, body: () => void): void {
    body();
  }
  allocate(nbytes: number): Storage {
    return Storage.allocate(nbytes);
  }
  charge(): void {}
  sync(): void {}
  get generator(): GeneratorState {
    return this.#host.generator;
  }
  print(): void {}
}
const frozen = (v: View): View => ({ storage: v.storage, dtype: v.dtype, shape: [...v.shape], strides: [...v.strides], offset: v.offset });

/** What a handler gets. */
export interface OpCall {
  readonly x: Exporter;
  readonly name: string;
  /** By the functional op's schema; tensors are `SymTensor`s. */
  readonly args: readonly Datum[];
  /** Results of the op's meaning on tensors without elements: dtypes, shapes, strides. */
  readonly meta: () => readonly Tensor[];
  /** What runs it on data that is all known. */
  readonly bound: BoundOp;
}
/** Gives the results, or undefined where it does not apply to these arguments. */
export type Handler = (call: OpCall) => Datum | readonly Datum[] | undefined;

/** The data with tensors of the model as tensors of the graph. */
export function abstracted(x: Exporter, d: Datum): Datum {
  if (d instanceof Tensor) return x.wrap(d);
  if (typeof d !== "object" || d === null || !("kind" in d)) return d;
  const opened = openOf(d);
  if (opened !== undefined) return opened;
  if (
    (d.kind === "list" || d.kind === "tuple") &&
    d.items.some((i) => i instanceof Tensor || (typeof i === "object" && i !== null && "kind" in i && (i.kind === "list" || i.kind === "tuple")))
  ) {
    if (d.kind === "list") {
      d.items.forEach((item, i) => {
        const other = abstracted(x, item);
        if (other !== item) d.items[i] = other;
      });
      return d;
    }
    return { ...d, items: d.items.map((i) => abstracted(x, i)) };
  }
  if (d.kind === "dict") for (const entry of d.entries.values()) entry[1] = abstracted(x, entry[1]);
  return d;
}

/** Runs an op on data without tensors of the graph. */
export function runHost(x: Exporter, bound: BoundOp, args: readonly Datum[]): readonly Datum[] {
  if (!bound.reads) return bound.run(x.context, args);
  const steps = bound.run(x.context, args);
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done === true) return step.value;
    if (step.value instanceof Promise) return refuse("the op waits for a file");
    const wait = x.context.sync(step.value);
    if (wait instanceof Promise) return refuse("the weights have to be waited for", "read the model's bytes first");
  }
}

interface MetaRun {
  readonly results: readonly Datum[];
  readonly calls: readonly Call[];
  /** The tensor that stands for each tensor of the graph. */
  readonly metas: ReadonlyMap<SymTensor, Tensor>;
}

/** Runs the op's meaning on tensors without elements. `apart`: each operand has memory of its own. */
export function metaRun(x: Exporter, bound: BoundOp, args: readonly Datum[], apart = false): MetaRun {
  const context = new MetaContext(x.context);
  const metas = new Map<SymTensor, Tensor>();
  const stand = (leaf: Datum): Datum => {
    if (isSymTensor(leaf)) {
      let meta = metas.get(leaf);
      if (meta === undefined) {
        const m = leaf.meta;
        meta = apart ? metaTensor(m.shape, m.dtype, m.strides) : new Tensor(m.storage, m.dtype, [...m.shape], [...m.strides], m.offset);
        meta.wrappedNumber = m.wrappedNumber;
        meta.conj = m.conj;
        meta.neg = m.neg;
        metas.set(leaf, meta);
      }
      return meta;
    }
    return isSym(leaf) ? (x.assumed(leaf) ?? leaf.hint) : leaf;
  };
  const inputs = args.map((d) => mapDatum(d, stand));
  if (bound.reads) return refuse("the op reads values of a tensor, and goes on by them");
  return { results: bound.run(context, inputs), calls: context.calls, metas };
}
export function tensorsOf(d: Datum): Tensor[] {
  if (d instanceof Tensor) return [d];
  return typeof d === "object" && d !== null && "kind" in d && (d.kind === "list" || d.kind === "tuple") ? d.items.flatMap(tensorsOf) : [];
}

/** Sizes of what operands broadcast to. */
export function broadcastDims(operands: readonly SymTensor[]): DimSize[] {
  const rank = Math.max(0, ...operands.map((o) => o.rank));
  return Array.from({ length: rank }, (_, i): DimSize => {
    let open = false;
    let size: DimSize = 1;
    for (const o of operands) {
      const at = i - (rank - o.rank);
      if (at < 0) continue;
      const d = o.dims[at];
      if (d === undefined) open = true;
      else if (d !== 1) size = d;
    }
    return size !== 1 ? size : open ? undefined : 1;
  });
}

/** Fails when the graph runs and the condition does not hold everywhere. */
export function addCheck(x: Exporter, cond: OnnxValue): void {
  const g = x.g;
  const worst = g.op("ReduceMin", [g.op("Reshape", [g.cast(cond, "int32"), g.ints([-1])])], { keepdims: 0 }, "int32");
  const at = g.op("Where", [g.op("Greater", [worst, g.scalar(0, "int32")], {}, "bool"), g.scalar(0, "int64"), g.scalar(1, "int64")], {}, "int64");
  g.scope.checks.push(g.op("Gather", [g.ints([0]), at], { axis: 0 }));
}
