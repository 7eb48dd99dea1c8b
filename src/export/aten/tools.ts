/** What the handlers of ops share. */

import type { Datum } from "../../ir/datum.ts";
import { dtypeInfo, type DType } from "../../tensor/dtype.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { OpCall } from "../meaning.ts";
import { intOf, leavesOf, plainNumber } from "../exporter.ts";
import type { OnnxValue } from "../graph.ts";
import { type DimSize, isSym, isSymTensor, itemsOf, joinRoots, metaTensor, NO_ROOTS, refuse, type Roots, SymTensor } from "../values.ts";

export function tensorArg(call: OpCall, i: number): SymTensor {
  const d = call.args[i];
  return isSymTensor(d) ? d : refuse(`argument ${i} of \`${call.name}\` is no tensor`);
}
export function optionalTensor(call: OpCall, i: number): SymTensor | undefined {
  const d = call.args[i];
  return isSymTensor(d) ? d : undefined;
}
/** A number that has to be known. */
export function numberArg(call: OpCall, i: number): number {
  const d = call.args[i] ?? 0;
  return Number(isSym(d) ? call.x.fix(d) : plainNumber(d));
}
export function boolArg(call: OpCall, i: number): boolean {
  const d = call.args[i];
  return isSym(d) ? call.x.fix(d) === true : d === true;
}
export function axisArg(call: OpCall, i: number, rank: number): number {
  return wrapAxis(numberArg(call, i), rank);
}
export function wrapAxis(axis: number, rank: number): number {
  const bound = Math.max(rank, 1);
  if (axis < -bound || axis >= bound) return refuse(`Dimension out of range (expected to be in range of [${-bound}, ${bound - 1}], but got ${axis})`);
  return axis < 0 ? axis + bound : axis;
}
/** Ints that have to be known. */
export function knownInts(call: OpCall, d: Datum): number[] {
  return (itemsOf(d) ?? [d]).map((i) => Number(isSym(i) ? call.x.fix(i) : intOf(i)));
}
/** `ints` of a list that may have one item for all axes. */
export function perAxis(values: readonly number[], n: number): number[] {
  return Array.from({ length: n }, (_, i) => values[i] ?? values[0] ?? 0);
}
export function axesArg(call: OpCall, i: number, rank: number): number[] {
  const d = call.args[i] ?? null;
  if (d === null) return Array.from({ length: rank }, (_, k) => k);
  const axes = knownInts(call, d).map((a) => wrapAxis(a, rank));
  return axes.length === 0 ? Array.from({ length: rank }, (_, k) => k) : axes;
}
/** The results' meta, the first where there is one. */
export function metaOf(call: OpCall, i = 0): Tensor {
  return call.meta()[i] ?? refuse(`\`${call.name}\` has no result`);
}

/** A result that is a view of `t` where the op's meaning says so, else a fresh tensor. */
export function viewResult(
  call: OpCall,
  t: SymTensor,
  read: (v: OnnxValue) => OnnxValue,
  write: ((parent: OnnxValue, update: OnnxValue) => OnnxValue) | undefined,
  dims: readonly DimSize[],
  meta: Tensor = metaOf(call),
): SymTensor {
  const { x } = call;
  if (meta.storage !== t.meta.storage) return x.result(read(x.valueOf(t)), meta, call.args, dims);
  const made = new SymTensor(meta, dims, rootsOf(call, dims), t.storage, { parent: t, read, write });
  x.trail.born(made);
  return made;
}
function rootsOf(call: OpCall, dims: readonly DimSize[]): Roots | undefined {
  if (!dims.includes(undefined)) return NO_ROOTS;
  return joinRoots(leavesOf(call.args).map((p) => (p instanceof SymTensor && p.isStatic ? NO_ROOTS : p.roots)));
}

/** Sizes after axes were taken away, or made 1. */
export function withoutAxes(dims: readonly DimSize[], axes: readonly number[], keep: boolean): DimSize[] {
  return keep ? dims.map((d, i) => (axes.includes(i) ? 1 : d)) : dims.filter((_, i) => !axes.includes(i));
}
/** float32 for smaller floats, else the dtype itself: what sums are computed in. */
export function wideFloat(dtype: DType): DType {
  return dtypeInfo(dtype).class === "float" && dtypeInfo(dtype).itemsize < 4 ? "float32" : dtype;
}
export function fresh(call: OpCall, value: OnnxValue, shape: readonly number[], dims: readonly DimSize[], of: readonly Datum[] = call.args): SymTensor {
  return call.x.result(value, metaTensor(shape, value.dtype), of, dims);
}
export { isSym, isSymTensor, itemsOf, refuse };
