/** One element of a call's result: the elements of its operands that it was made from, and how much each had to do with it. */

import type { Expr } from "../expr/expr.ts";
import type { Backend } from "../prims/backend.ts";
import type { Call, ConvolveCall, Region } from "../prims/call.ts";
import { numelOf } from "../tensor/shape.ts";
import type { View } from "../tensor/tensor.ts";
import { elementAt, indexOf, offsetOf } from "./element-at.ts";
import { expressionsOf, probe, type ProgramCall } from "./probe.ts";

/** An element that had a part in another. */
export interface Source {
  readonly view: View;
  readonly index: readonly number[];
  readonly value: number;
  /** Its part of the result, where the call is linear in it; undefined: it had an influence that is no part. */
  readonly share: number | undefined;
  /** What it was multiplied by, for terms of products. */
  readonly factor: { readonly view: View; readonly index: readonly number[]; readonly value: number } | undefined;
}

export interface Sources {
  readonly sources: readonly Source[];
  /** Terms that are not listed one by one: how many elements in all. */
  readonly terms: number;
  /** Said where the elements cannot be told. */
  readonly note: string | undefined;
}

/** Terms of a sum that are looked at, and that are kept. */
const MAX_TERMS = 2 ** 18;
const KEPT = 8;

/** The index of the element at `offset` of a view; undefined where the view does not show it. */
export function indexInView(view: View, offset: number): number[] | undefined {
  const axes = view.shape.map((size, axis) => ({ axis, size, stride: view.strides[axis] ?? 0 })).filter((a) => a.size > 1 && a.stride !== 0);
  axes.sort((a, b) => b.stride - a.stride);
  const out = view.shape.map(() => 0);
  if (view.shape.some((size) => size === 0)) return undefined;
  let rest = offset - view.offset;
  for (const { axis, size, stride } of axes) {
    const at = Math.min(Math.floor(rest / stride), size - 1);
    if (at < 0) return undefined;
    out[axis] = at;
    rest -= at * stride;
  }
  return rest === 0 ? out : undefined;
}

function source(view: View, index: readonly number[], share: number | undefined, factor?: Source["factor"]): Source {
  return { view, index, value: elementAt(view, index), share, factor };
}

/** The largest shares first, a few of them. */
function kept(sources: readonly Source[], note?: string): Sources {
  const sorted = sources.toSorted((a, b) => Math.abs(b.share ?? b.value) - Math.abs(a.share ?? a.value));
  return { sources: sorted.slice(0, KEPT), terms: sources.length, note };
}
const nothing = (note: string): Sources => ({ sources: [], terms: 0, note });

/** Elements that `results[output]` at `index` was made from. Operands must still hold what the call read, on the host. */
export function sourcesOf(host: Backend, what: Call | Region, output: number, index: readonly number[]): Sources {
  switch (what.kind) {
    case "map":
      return ofMap(host, what, output, index);
    case "compute":
      return ofCompute(host, what, output, index);
    case "contract":
      return ofContract(what, index);
    case "convolve":
      return ofConvolve(what, index);
    case "reduce":
      return ofReduce(host, what, output, index);
    case "scan": {
      const [x] = what.operands;
      if (x === undefined) return nothing("no operand");
      const at = index[what.axis] ?? 0;
      const length = x.shape[what.axis] ?? 0;
      const [from, to] = what.reverse ? [at, length] : [0, at + 1];
      const places = Array.from({ length: Math.min(to - from, MAX_TERMS) }, (_, i) => index.map((p, axis) => (axis === what.axis ? from + i : p)));
      const isSum = what.combiner.name === "sum";
      return kept(
        places.map((p) => source(x, p, isSum ? elementAt(x, p) : undefined)),
        isSum ? undefined : what.combiner.name,
      );
    }
    case "window":
      return ofWindow(what, index);
    case "sort": {
      const [x] = what.operands;
      const places = what.results.at(-1);
      if (x === undefined || places === undefined || what.rows) return nothing("sorted rows");
      const from = elementAt(places, index);
      const at = index.map((p, axis) => (axis === what.axis ? from : p));
      return kept([source(x, at, output === 0 && what.results.length > 1 ? elementAt(x, at) : undefined)]);
    }
    default:
      return nothing(`all of its operands: ${what.kind === "region" || what.kind === "host" || what.kind === "linalg" ? what.name : what.kind}`);
  }
}

/** The operands that an output's expression reads. */
function argsOf(exprs: readonly Expr[]): number[] {
  return [...new Set(exprs.flatMap((e) => (e.op === "arg" ? [e.operand] : [])))];
}

/** Shares of a map: what the result loses when the element is 0; these are its parts where the program is linear. */
function ofMap(host: Backend, call: ProgramCall, output: number, index: readonly number[]): Sources {
  const roots = call.program.outputs[output]?.parts ?? [];
  const exprs = expressionsOf(roots);
  const root = roots[0];
  if (root === undefined) return nothing("no expression");
  const values = new Map(probe(host, call, index, exprs).map((v, i) => [exprs[i], Number(v)] as const));
  const shares = linearShares(root, values);
  return kept(
    argsOf(exprs)
      .map((operand) => {
        const view = call.operands[operand];
        if (view === undefined) return undefined;
        return source(view, index, shares.get(operand));
      })
      .filter((s) => s !== undefined),
  );
}

/**
 * Parts that operands have in a sum: walks from the root through sums, differences and products with what no operand is in.
 * Operands below anything else have no part of their own.
 */
function linearShares(root: Expr, values: ReadonlyMap<Expr | undefined, number>): ReadonlyMap<number, number> {
  const out = new Map<number, number>();
  const value = (e: Expr): number => values.get(e) ?? NaN;
  const walk = (e: Expr, factor: number): void => {
    if (e.op === "arg") {
      out.set(e.operand, (out.get(e.operand) ?? 0) + factor * value(e));
      return;
    }
    if (e.op === "cast" || e.op === "round") return walk(e.a, factor);
    if (e.op === "unary" && e.fn === "neg") return walk(e.a, -factor);
    if (e.op === "select") return walk(value(e.cond) === 0 ? e.b : e.a, factor);
    if (e.op !== "binary") return;
    if (e.fn === "add" || e.fn === "sub") {
      walk(e.a, factor);
      walk(e.b, e.fn === "sub" ? -factor : factor);
    } else if (e.fn === "mul") {
      // A product's parts are those of its one side, times the other.
      walk(e.a, factor * value(e.b));
      walk(e.b, factor * value(e.a));
    } else if (e.fn === "div") walk(e.a, factor / value(e.b));
    else if (e.fn === "max" || e.fn === "min" || e.fn === "fmax" || e.fn === "fmin") walk(value(e.a) === value(e) ? e.a : e.b, factor);
  };
  walk(root, 1);
  return out;
}

/** Loads of a computation: the coordinates that its expressions give at this position. */
function ofCompute(host: Backend, call: ProgramCall, output: number, index: readonly number[]): Sources {
  const roots = call.program.outputs[output]?.parts ?? [];
  const exprs = expressionsOf(roots);
  const alone = new Set(exprs);
  const loads = exprs.filter((e) => e.op === "load");
  const asked = [...new Set(loads.flatMap((e) => [...e.at, ...(e.inside === undefined ? [] : [e.inside])]))];
  const values = new Map(probe(host, call, index, asked).map((v, i) => [asked[i], Number(v)] as const));
  // Which loads count: those that the values chosen on the way down reach.
  const rest = exprs.filter((e) => !asked.includes(e));
  const all = new Map([...values, ...probe(host, call, index, rest).map((v, i) => [rest[i], Number(v)] as const)]);
  const used = new Set<Expr>();
  const walk = (e: Expr): void => {
    if (e.op === "load") {
      if (e.inside === undefined || all.get(e.inside) !== 0) used.add(e);
      else if (e.outside !== undefined) walk(e.outside);
      return;
    }
    if (e.op === "select") return walk(all.get(e.cond) === 0 ? e.b : e.a);
    if (e.op === "unary" || e.op === "cast" || e.op === "round" || e.op === "bitcast" || e.op === "check") return walk(e.a);
    if (e.op === "binary") {
      walk(e.a);
      walk(e.b);
    }
  };
  for (const root of roots) walk(root);
  const out = [...used].flatMap((e): Source[] => {
    const view = e.op === "load" ? call.operands[e.operand] : undefined;
    if (e.op !== "load" || view === undefined) return [];
    const at = e.at.map((x) => all.get(x) ?? 0);
    return [source(view, at, used.size === 1 ? all.get(roots[0]) : undefined)];
  });
  const inLoop = !roots.every((e) => alone.has(e)) || exprs.some((e) => e.op === "fold");
  return kept(out, inLoop ? "elements that a loop inside the call reads are not listed" : undefined);
}

function ofContract(call: Extract<Call, { readonly kind: "contract" }>, index: readonly number[]): Sources {
  const [a, b, ...extra] = call.operands;
  const [batch = 0, m = 0, n = 0] = index;
  const depth = a?.shape[2] ?? 0;
  if (a === undefined || b === undefined || depth > MAX_TERMS) return nothing(`${depth} products`);
  const terms = Array.from({ length: depth }, (_, k): Source => {
    const factor = { view: b, index: [batch, k, n], value: elementAt(b, [batch, k, n]) };
    return source(a, [batch, m, k], elementAt(a, [batch, m, k]) * factor.value, factor);
  });
  return kept([...terms, ...extra.map((view) => source(view, index, undefined))], call.epilogue === undefined ? undefined : `before ${call.epilogue.name}`);
}

function ofConvolve(call: ConvolveCall, index: readonly number[]): Sources {
  const [x, w, bias] = call.operands;
  if (x === undefined || w === undefined) return nothing("no operands");
  const [batch = 0, channel = 0, ...place] = index;
  const kernel = w.shape.slice(2);
  const taps = numelOf(kernel);
  const out: Source[] = [];
  const outPerGroup = call.transposed ? (w.shape[1] ?? 1) : (w.shape[0] ?? 1) / call.groups;
  const inPerGroup = (x.shape[1] ?? 1) / call.groups;
  const group = Math.floor(channel / outPerGroup);
  if (taps * inPerGroup > MAX_TERMS) return nothing(`${taps * inPerGroup} products`);
  for (let tap = 0; tap < taps; tap++) {
    const k = indexOf(kernel, tap);
    const at = place.map((p, axis) => {
      const [stride, pad, dilation] = [call.stride[axis] ?? 1, call.padBegin[axis] ?? 0, call.dilation[axis] ?? 1];
      const reach = (k[axis] ?? 0) * dilation;
      if (!call.transposed) return p * stride - pad + reach;
      const back = p + pad - reach;
      return back % stride === 0 ? back / stride : -1;
    });
    if (at.some((p, axis) => p < 0 || p >= (x.shape[axis + 2] ?? 0))) continue;
    for (let c = 0; c < inPerGroup; c++) {
      const from = [batch, group * inPerGroup + c, ...at];
      const weight = call.transposed ? [group * inPerGroup + c, channel - group * outPerGroup, ...k] : [channel, c, ...k];
      const factor = { view: w, index: weight, value: elementAt(w, weight) };
      out.push(source(x, from, elementAt(x, from) * factor.value, factor));
    }
  }
  if (bias !== undefined) out.push(source(bias, [channel], elementAt(bias, [channel])));
  return kept(out);
}

function ofReduce(host: Backend, call: Extract<Call, { readonly kind: "reduce" }>, output: number, index: readonly number[]): Sources {
  const sizes = call.axes.map((axis) => call.shape[axis] ?? 1);
  const n = numelOf(sizes);
  const root = call.program.outputs[0]?.parts[0];
  if (n > MAX_TERMS || root === undefined) return nothing(`${n} elements`);
  const { name } = call.combiner;
  const isSum = name === "sum";
  const picks = /^(?:arg)?(?:max|min)/.test(name);
  const [x] = call.operands;
  if (x === undefined) return nothing("no operand");
  const plain = root.op === "arg" || (root.op === "cast" && root.a.op === "arg");
  const places = Array.from({ length: n }, (_, k) => {
    const inside = indexOf(sizes, k);
    return index.map((p, axis) => {
      const at = call.axes.indexOf(axis);
      return at < 0 ? p : (inside[at] ?? 0);
    });
  });
  if (picks) {
    const numbers = places.map((p) => elementAt(x, p));
    let best = 0;
    for (let i = 1; i < numbers.length; i++)
      if (name.includes("max") ? (numbers[i] ?? 0) > (numbers[best] ?? 0) : (numbers[i] ?? 0) < (numbers[best] ?? 0)) best = i;
    const at = places[best];
    return at === undefined
      ? nothing("no elements")
      : { ...kept([source(x, at, output === 0 ? elementAt(x, at) : undefined)], `the ${name} of ${n} elements`), terms: n };
  }
  // Elements that pass through an expression are evaluated one by one: a few of them only.
  const share = (p: readonly number[]): number | undefined =>
    !isSum ? undefined : plain ? elementAt(x, p) : n <= 4096 ? Number(probe(host, call, p, [root])[0]) : undefined;
  return kept(
    call.operands.flatMap((view, i) => places.map((p) => source(view, p, i === 0 ? share(p) : undefined))),
    isSum ? undefined : name,
  );
}

function ofWindow(call: Extract<Call, { readonly kind: "window" }>, index: readonly number[]): Sources {
  const [x] = call.operands;
  if (x === undefined) return nothing("no operand");
  const spatial = call.kernel.length;
  const lead = index.slice(0, index.length - spatial);
  const place = index.slice(index.length - spatial);
  const out: Source[] = [];
  for (let tap = 0, taps = numelOf(call.kernel); tap < taps; tap++) {
    const k = indexOf(call.kernel, tap);
    const at = place.map((p, axis) => p * (call.stride[axis] ?? 1) - (call.padBegin[axis] ?? 0) + (k[axis] ?? 0) * (call.dilation[axis] ?? 1));
    if (at.some((p, axis) => p < 0 || p >= (x.shape[lead.length + axis] ?? 0))) continue;
    out.push(source(x, [...lead, ...at], elementAt(x, [...lead, ...at])));
  }
  if (call.reduction === "sum") return kept(out, "before the division");
  const best = out.reduce<Source | undefined>((a, b) => (a === undefined || b.value > a.value || Number.isNaN(b.value) ? b : a), undefined);
  return best === undefined ? nothing("only padding") : { sources: [best], terms: out.length, note: `the largest of ${out.length}` };
}

/** Where a result's element lies in its storage. */
export function placeInStorage(view: View, index: readonly number[]): number {
  return offsetOf(view, index);
}
